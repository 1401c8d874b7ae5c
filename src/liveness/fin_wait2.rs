//! Our FIN is acknowledged, the application has closed, and the peer's FIN does not come (RFC 9293 3.6).
//!
//! The RFC would wait for ever. With the application still there, so do we; keepalive may watch. An orphan gets
//! `TCP_LINGER2`, else `tcp_fin_timeout` seconds, but never less than three and a half RTOs, then vanishes silently.
//! A negative `TCP_LINGER2` means that the state is skipped: RST, and gone.
//!
//! Up to a minute the wait needs no full connection: a small block as for TIME-WAIT takes over at once. Longer waits
//! keep the connection for all but the last minute, F − 60 s; and then, an oddity of Linux kept here, the small block
//! lasts not 60 s but another F − 60 s. So 62 s are in truth 4 s, and 80 s are 40 s.
//!
//! Linux: `tcp_rcv_state_process`, `__tcp_close`, `tcp_fin_time`, `tcp_keepalive_timer`, `tcp_time_wait`.

use super::time_wait;
use crate::time::Duration;

/// The settings of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// F: `TCP_LINGER2`, else `tcp_fin_timeout`, default 60 s. `None` stands for a negative `TCP_LINGER2`.
    pub timeout: Option<Duration>,
    /// The retransmission timeout after backoff.
    pub rto: Duration,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// RST, and it is gone.
    Reset,
    /// A small block takes its place and vanishes silently after this long.
    Block(Duration),
    /// It stays whole for this long; then ask [`on_expiry`]. Borrows the keepalive timer.
    Whole(Duration),
}

/// The orphan enters FIN-WAIT-2, or the connection in FIN-WAIT-2 becomes an orphan.
pub fn on_entry(params: &Params) -> Plan {
    let Some(timeout) = timeout(params) else {
        return Plan::Reset;
    };
    beyond_a_minute(timeout).map_or(Plan::Block(timeout), Plan::Whole)
}

/// The time of [`Plan::Whole`] is over; never answers with another.
///
/// Asks the settings anew: if F is no more than a minute by now, the connection is reset.
pub fn on_expiry(params: &Params) -> Plan {
    let left = timeout(params).and_then(beyond_a_minute);
    left.map_or(Plan::Reset, |left| Plan::Block(left.max(least(params.rto))))
}

fn timeout(params: &Params) -> Option<Duration> {
    Some(params.timeout?.max(least(params.rto)))
}

fn beyond_a_minute(timeout: Duration) -> Option<Duration> {
    timeout.checked_sub(time_wait::LENGTH).filter(|left| !left.is_zero())
}

/// Long enough for the peer's FIN to be lost twice.
fn least(rto: Duration) -> Duration {
    rto.saturating_mul(7) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::testing::ms;

    fn params(timeout_secs: u64) -> Params {
        Params { timeout: Some(Duration::from_secs(timeout_secs)), rto: ms(204) }
    }

    #[test]
    fn up_to_a_minute_a_small_block_waits_and_longer_is_shorter() {
        for (secs, whole, block) in [(1, 0, 1), (60, 0, 60), (62, 2, 2), (65, 5, 5), (80, 20, 20)] {
            let expected = [whole, block].map(Duration::from_secs);
            let actual = match on_entry(&params(secs)) {
                Plan::Whole(whole) => [Plan::Whole(whole), on_expiry(&params(secs))],
                plan => [Plan::Whole(Duration::ZERO), plan],
            };
            assert_eq!(actual, [Plan::Whole(expected[0]), Plan::Block(expected[1])], "{secs} s");
        }
    }

    #[test]
    fn it_lasts_three_and_a_half_timeouts_at_least() {
        let short = Params { timeout: Some(Duration::ZERO), rto: ms(1001) };
        assert_eq!(on_entry(&short), Plan::Block(Duration::from_micros(3_503_500)));
        let slow = Params { timeout: Some(Duration::ZERO), rto: Duration::from_secs(20) };
        assert_eq!(on_entry(&slow), Plan::Whole(Duration::from_secs(10)));
    }

    #[test]
    fn the_small_block_after_a_whole_wait_lasts_three_and_a_half_timeouts_too() {
        let just_above = Params { timeout: Some(Duration::from_secs(62)), rto: ms(1000) };
        assert_eq!(on_entry(&just_above), Plan::Whole(Duration::from_secs(2)));
        assert_eq!(on_expiry(&just_above), Plan::Block(ms(3500)));
    }

    #[test]
    fn a_negative_linger2_or_a_lowered_timeout_resets() {
        assert_eq!(on_entry(&Params { timeout: None, rto: ms(204) }), Plan::Reset);
        assert_eq!(on_expiry(&Params { timeout: None, rto: ms(204) }), Plan::Reset);
        assert_eq!(on_expiry(&params(60)), Plan::Reset);
    }

    #[test]
    fn extreme_settings_do_not_overflow() {
        let extreme = Params { timeout: Some(Duration::MAX), rto: Duration::MAX };
        assert_eq!(on_entry(&extreme), Plan::Whole(Duration::MAX.saturating_sub(time_wait::LENGTH)));
    }
}
