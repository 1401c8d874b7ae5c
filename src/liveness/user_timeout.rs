//! `TCP_USER_TIMEOUT`: how long the peer may stay silent before the application would rather know (RFC 9293 3.8.3
//! [MUST-21], RFC 5482).
//!
//! The option is not a timer of its own. It bends whichever rule owns the connection: it replaces that rule's limit
//! and, mostly, shortens the rule's timer so that it fires just as the limit passes. As in Linux it is purely local;
//! the option of RFC 5482 is neither sent nor read.
//!
//! | situation | the clock starts | dead when | timer shortened |
//! |---|---|---|---|
//! | data or FIN in flight | first *retransmission* | an RTO after one resend finds the time over | yes, to one tick |
//! | zero window, none in flight | first *window probe* | a probe finds it over, answered or not | yes, to two ticks |
//! | window shrunk to zero, data in flight | first retransmission, else first send | as above, past the limit | yes |
//! | keepalive | last reception | a keepalive tick after one probe finds the time over | **no** |
//! | SYN-SENT | first *SYN* | a SYN timer after one resend finds the time over; the SYN count still applies | yes |
//! | closed by the application | as above | as above, instead of `tcp_orphan_retries` for data in flight | yes |
//!
//! So fresh data dies one RTO plus the user timeout after it was written, and an idle connection on the first tick of
//! its probe grid past the limit. Setting the option re-arms nothing: it counts from the next expiry.
//!
//! Linux: `tcp_clamp_rto_to_user_timeout`, `tcp_clamp_probe0_to_user_timeout`, `retransmits_timed_out`.

use crate::time::{Duration, Instant};

/// `interval`, shortened to what is left of `user_timeout` since `since`, but (unless `interval` is) not below
/// `at_least`.
///
/// Unchanged without a user timeout, or while its clock has not started.
pub fn clamp(
    interval: Duration,
    user_timeout: Option<Duration>,
    since: Option<Instant>,
    now: Instant,
    at_least: Duration,
) -> Duration {
    let (Some(user_timeout), Some(since)) = (user_timeout, since) else {
        return interval;
    };
    let left_ms = millis(user_timeout).saturating_sub(now.millis_since(since));
    interval.min(Duration::from_millis(left_ms).max(at_least))
}

/// Whether `user_timeout` has passed since `since`, in whole milliseconds as Linux counts.
pub const fn is_over(user_timeout: Duration, since: Instant, now: Instant) -> bool {
    now.millis_since(since) >= millis(user_timeout)
}

/// Whole milliseconds, saturating: the grain of all give-up tests.
pub(super) const fn millis(duration: Duration) -> u64 {
    let millis = duration.as_millis();
    if millis > u64::MAX as u128 { u64::MAX } else { millis as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::testing::{at, ms};
    use crate::time::TICK;

    #[test]
    fn the_interval_is_cut_to_what_is_left() {
        let cut = |interval, now| clamp(ms(interval), Some(ms(2000)), Some(at(204)), at(now), TICK);
        assert_eq!(cut(408, 204), ms(408));
        assert_eq!(cut(1632, 1428), ms(776));
        assert_eq!(cut(1632, 2204), TICK, "nothing left");
        assert_eq!(cut(1632, 9000), TICK, "less than nothing left");
        assert_eq!(clamp(ms(1), Some(ms(100)), Some(at(0)), at(500), ms(2)), ms(1), "never lengthened");
    }

    #[test]
    fn without_a_limit_or_a_started_clock_nothing_is_cut() {
        assert_eq!(clamp(ms(9000), None, Some(at(0)), at(5000), TICK), ms(9000));
        assert_eq!(clamp(ms(9000), Some(ms(10)), None, at(5000), TICK), ms(9000));
        assert_eq!(clamp(ms(9000), Some(Duration::MAX), Some(at(0)), at(5000), TICK), ms(9000));
    }

    #[test]
    fn a_cut_timer_fires_exactly_when_the_time_is_over() {
        let since = Instant::from_micros(204_999);
        let now = Instant::from_micros(1_428_001);
        let due = now + clamp(ms(60_000), Some(ms(2000)), Some(since), now, TICK);
        assert!(is_over(ms(2000), since, due));
        assert!(!is_over(ms(2000), since, due - TICK));
    }
}
