//! Nothing is outstanding, and the peer has been silent for long: is it still there? (RFC 9293 3.8.4 [MUST-24 to
//! MUST-29, SHLD-12, MAY-5]; RFC 1122 4.2.3.6)
//!
//! After `idle` without a reception a probe leaves, then one every `interval`. A probe is an empty ACK for a number
//! just left of the window, which any TCP must answer. An answer sets the count to zero; `probes` of them unanswered,
//! and one interval later the connection is dead: at `idle + probes * interval`, 7875 s by default. Only this death
//! sends a RST.
//!
//! As in Linux (`tcp_keepalive_timer`) the tick is lazy. No segment moves it; when it fires it looks back:
//!
//! - Anything queued or in flight? Others judge that. Look again after a full idle period.
//! - Heard less than `idle` ago? Look again when `idle` is over. Own transmissions do not count.
//! - Otherwise probe or give up.
//!
//! So an answered probe is followed by the next at `max(probe + interval, answer + idle)`. A user timeout replaces the
//! count, both ways: death at the first tick after a probe with a silence that long. It does not shorten the tick.

use super::retransmission::REFUSED_RETRY;
use super::{Cause, Facts, Verdict};
use crate::time::{Duration, Instant};

/// The settings of one connection, read at each tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// `TCP_KEEPIDLE`, else `tcp_keepalive_time`; default 7200 s [MUST-28].
    pub idle: Duration,
    /// `TCP_KEEPINTVL`, else `tcp_keepalive_intvl`; default 75 s.
    pub interval: Duration,
    /// `TCP_KEEPCNT`, else `tcp_keepalive_probes`; default 9. With 0 the first tick kills without a probe.
    pub probes: u8,
    /// `TCP_USER_TIMEOUT`; replaces `probes`. Default none.
    pub user_timeout: Option<Duration>,
}

/// When to look next. The count of unanswered probes is shared with window probes: see [`Facts::probes`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keepalive {
    due: Option<Instant>,
}

const _: () = assert!(size_of::<Keepalive>() == 8);

impl Keepalive {
    /// Keepalive is off, as by default [MUST-25].
    pub const OFF: Self = Self { due: None };

    /// The next tick; none while off.
    pub const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Looks next at `at`: an idle period after being switched on or established, or what a verdict said to wait for.
    pub const fn arm(&mut self, at: Instant) {
        self.due = Some(at);
    }

    /// Off. The count of unanswered probes stays as it is.
    pub const fn disarm(&mut self) {
        self.due = None;
    }

    /// What to do now: `Wait`, and [`arm`](Self::arm) there; `Probe`; or RST and give up.
    ///
    /// Reads `heard_at`, `outstanding` and `probes`. The timer is its own: `facts.due` is not read, and before the tick
    /// the answer is to wait for [`due`](Self::due). While off it says to wait for ever.
    pub fn verdict(&self, facts: &Facts, params: &Params) -> Verdict {
        let due = self.due.unwrap_or(NEVER);
        if facts.now < due {
            return Verdict::Wait(due);
        }
        if facts.outstanding {
            return Verdict::Wait(facts.now + params.idle);
        }
        let silence = facts.now.since(facts.heard_at);
        if silence < params.idle {
            return Verdict::Wait(facts.heard_at + params.idle);
        }
        match params.user_timeout {
            Some(limit) if facts.probes > 0 && silence >= limit => Verdict::Abort(Cause::UserTimeout),
            None if facts.probes >= params.probes => Verdict::Abort(Cause::Keepalive),
            _ => Verdict::Probe,
        }
    }

    /// A probe left; the caller counts it.
    pub fn on_probe_sent(&mut self, now: Instant, params: &Params) {
        self.arm(now + params.interval);
    }

    /// The local device refused the probe, which does not count; the next try comes after
    /// [`REFUSED_RETRY`].
    pub fn on_probe_refused(&mut self, now: Instant) {
        self.arm(now + REFUSED_RETRY);
    }

    /// `TCP_KEEPIDLE` changed, which unlike the other two settings counts at once.
    pub fn on_idle_changed(&mut self, now: Instant, heard_at: Instant, idle: Duration) {
        if self.due.is_some() {
            self.arm(now.max(heard_at + idle));
        }
    }
}

/// The end of time.
const NEVER: Instant = Instant::from_micros(u64::MAX);

#[cfg(test)]
mod tests {
    extern crate alloc;

    use super::*;
    use crate::liveness::testing::{at, facts, millis, ms};
    use alloc::vec;
    use alloc::vec::Vec;

    const fn params(idle_ms: u64, interval_ms: u64, probes: u8, user_timeout_ms: u64) -> Params {
        let user_timeout = if user_timeout_ms == 0 { None } else { Some(ms(user_timeout_ms)) };
        Params { idle: ms(idle_ms), interval: ms(interval_ms), probes, user_timeout }
    }

    /// Last heard at 0. The peer answers the first probes `delays_ms` after each, then no more: all probes, then the
    /// end.
    fn timeline(params: &Params, delays_ms: &[u64]) -> (Vec<u64>, u64, Cause) {
        let (mut rule, mut heard_at, mut probes, mut sends) = (Keepalive::OFF, at(0), 0, Vec::new());
        rule.arm(heard_at + params.idle);
        let mut now = at(0);
        loop {
            match rule.verdict(&Facts { heard_at, probes, ..facts(now) }, params) {
                Verdict::Wait(until) => {
                    rule.arm(until);
                    now = until;
                }
                Verdict::Probe => {
                    probes += 1;
                    rule.on_probe_sent(now, params);
                    if let Some(&delay) = delays_ms.get(sends.len()) {
                        (heard_at, probes) = (now + ms(delay), 0);
                    }
                    sends.push(millis(now));
                }
                Verdict::Abort(cause) => return (sends, millis(now), cause),
            }
        }
    }

    #[test]
    fn a_silent_peer_is_dead_after_idle_and_all_intervals() {
        let rows = [
            ((1000, 1000, 3, 0), vec![1000, 2000, 3000], 4000),
            ((10_000, 30_000, 5, 0), vec![10_000, 40_000, 70_000, 100_000, 130_000], 160_000),
            ((7_200_000, 75_000, 9, 0), (0..9).map(|k| 7_200_000 + k * 75_000).collect(), 7_875_000),
            ((1000, 1000, 10, 2500), vec![1000, 2000], 3000),
            ((2000, 1000, 5, 500), vec![2000], 3000),
            ((1000, 4000, 9, 1500), vec![1000], 5000),
            ((20_000, 5000, 3, 30_000), vec![20_000, 25_000], 30_000),
            ((1000, 1000, 0, 0), vec![], 1000),
            ((1000, 1000, 2, 5000), vec![1000, 2000, 3000, 4000], 5000),
        ];
        for ((idle, interval, probes, user_timeout), sends, death) in rows {
            let cause = if user_timeout == 0 { Cause::Keepalive } else { Cause::UserTimeout };
            let actual = timeline(&params(idle, interval, probes, user_timeout), &[]);
            assert_eq!(actual, (sends, death, cause), "{idle}/{interval}/{probes}/{user_timeout}");
        }
    }

    #[test]
    fn after_an_answer_the_next_probe_is_an_idle_or_an_interval_away() {
        let short_interval = timeline(&params(2000, 1000, 2, 0), &[100, 100]);
        assert_eq!(short_interval, (vec![2000, 4100, 6200, 7200], 8200, Cause::Keepalive));
        let long_interval = timeline(&params(1000, 3000, 2, 0), &[100, 100]);
        assert_eq!(long_interval, (vec![1000, 4000, 7000, 10_000], 13_000, Cause::Keepalive));
    }

    #[test]
    fn answered_probes_never_lead_to_death_by_user_timeout() {
        let (sends, ..) = timeline(&params(2000, 1000, 5, 500), &[10; 20]);
        assert_eq!(sends.len(), 21);
    }

    #[test]
    fn with_data_outstanding_the_tick_skips_a_full_idle_period() {
        let mut rule = Keepalive::OFF;
        rule.arm(at(1000));
        let busy = Facts { outstanding: true, probes: 9, ..facts(at(1000)) };
        assert_eq!(rule.verdict(&busy, &params(1000, 100, 3, 0)), Verdict::Wait(at(2000)));
    }

    #[test]
    fn before_its_tick_and_while_off_it_waits() {
        let mut rule = Keepalive::OFF;
        assert_eq!(rule.verdict(&facts(at(9_999_999)), &params(1, 1, 0, 0)), Verdict::Wait(NEVER));
        rule.arm(at(1000));
        assert_eq!(rule.verdict(&facts(at(999)), &params(1, 1, 0, 0)), Verdict::Wait(at(1000)));
        rule.disarm();
        assert_eq!(rule.due(), None);
    }

    #[test]
    fn silence_is_measured_exactly() {
        let mut rule = Keepalive::OFF;
        rule.arm(at(1000));
        let heard_at = Instant::from_micros(1);
        let almost = Facts { heard_at, ..facts(at(1000)) };
        let due = Instant::from_micros(1_000_001);
        assert_eq!(rule.verdict(&almost, &params(1000, 1000, 3, 0)), Verdict::Wait(due));
    }

    #[test]
    fn a_late_call_probes_before_it_kills() {
        let mut rule = Keepalive::OFF;
        rule.arm(at(1000));
        let day_later = facts(at(86_400_000));
        assert_eq!(rule.verdict(&day_later, &params(1000, 1000, 3, 0)), Verdict::Probe);
        assert_eq!(rule.verdict(&day_later, &params(1000, 1000, 3, 5000)), Verdict::Probe);
    }

    #[test]
    fn a_refused_probe_is_tried_again_after_half_a_second() {
        let mut rule = Keepalive::OFF;
        rule.on_probe_refused(at(1000));
        assert_eq!(rule.due(), Some(at(1500)));
    }

    #[test]
    fn a_new_idle_time_counts_from_the_last_reception() {
        let mut rule = Keepalive::OFF;
        rule.on_idle_changed(at(500), at(0), ms(2000));
        assert_eq!(rule, Keepalive::OFF);
        rule.arm(at(7_200_000));
        rule.on_idle_changed(at(500), at(0), ms(2000));
        assert_eq!(rule.due(), Some(at(2000)));
        rule.on_idle_changed(at(5000), at(0), ms(2000));
        assert_eq!(rule.due(), Some(at(5000)));
    }
}
