//! Data or a FIN is in flight and the acknowledgment does not come: how often to resend, and when to stop (RFC 9293
//! 3.8.3 [MUST-20, MUST-21, SHLD-10, SHLD-11]; RFC 6298 5.4 to 5.6; RFC 6069).
//!
//! The RFC has two thresholds. At R1 the layer below is told that the path looks bad; at R2 the connection is closed.
//! Linux counts neither in retransmissions, in spite of the names `tcp_retries1` and `tcp_retries2`: both numbers stand
//! for a time, [`model_timeout`], which a connection with an RTO of exactly 200 ms would need for so many. The clock
//! starts with the first *retransmission* of an episode of loss, and is read only when the retransmission timer
//! fires. Hence:
//!
//! - The limit is a lower bound: death is at the first expiry at or past it. By default that is 924.6 s after the first
//!   retransmission at the earliest, 925.6 s after the first send with an RTO of 201 ms, 967 s with one of a second.
//! - R1 (`tcp_retries1`, 3.0 s) changes nothing on the wire. It is the moment to doubt the path: the application is
//!   told once per episode, and [`black_hole`](super::black_hole) may try smaller segments.
//! - One retransmission is always made, even with `tcp_retries2 = 0`.
//! - Partial progress grants one more retransmission but does not move the clock; only the end of the episode does.
//!
//! Linux: `tcp_retransmit_timer`, `tcp_write_timeout`, `retransmits_timed_out`, `tcp_model_timeout`,
//! `tcp_ld_RTO_revert`.

use super::black_hole::BlackHole;
use super::rto::backed_off;
use super::user_timeout::{self, millis};
use super::{Cause, Facts, Verdict};
use crate::time::{Duration, Instant, TICK};

/// The RTO of the modelled connection, in synchronized states, whatever `tcp_rto_min_us` says (Linux `TCP_RTO_MIN`).
pub const MODEL_BASE: Duration = Duration::from_millis(200);

/// After a retransmission that the local device refused the next try comes this much later (Linux
/// `TCP_RESOURCE_PROBE_INTERVAL`).
pub const REFUSED_RETRY: Duration = Duration::from_millis(500);

/// So many expiries of a thin stream leave its RTO alone (Linux `TCP_THIN_LINEAR_RETRIES`).
const THIN_LINEAR_RETRIES: u8 = 6;

/// The time in which a connection with an RTO of `base` sees `boundary + 1` timeouts: doubled up to `rto_max`, then
/// flat.
///
/// `boundary` is a sysctl such as `tcp_retries2`. 15 retries from 200 ms up to 120 s are 924.6 s.
pub fn model_timeout(boundary: u8, base: Duration, rto_max: Duration) -> Duration {
    let base_ms = millis(base).clamp(1, u32::MAX.into());
    let rto_max_ms = millis(rto_max).clamp(1, u32::MAX.into());
    let doublings = (rto_max_ms / base_ms).max(1).ilog2().min(boundary.into());
    let constant = u32::from(boundary) - doublings;
    Duration::from_millis(((2 << doublings) - 1) * base_ms + u64::from(constant) * rto_max_ms)
}

/// The limits of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// R2: `tcp_retries2`, default 15, or what [`orphan`](super::orphan) makes of it. Stands for [`model_timeout`].
    pub retries: u8,
    /// The longest RTO: `TCP_RTO_MAX_MS`, else `tcp_rto_max_ms`, default 120 s.
    pub rto_max: Duration,
    /// `TCP_USER_TIMEOUT`; replaces `retries`. Default none.
    pub user_timeout: Option<Duration>,
    /// Whether the application has closed, and `retries` is the orphan's.
    pub orphan: bool,
    /// `TCP_THIN_LINEAR_TIMEOUTS`, else `tcp_thin_linear_timeouts`; default off.
    pub thin_linear: bool,
}

/// What retransmission must remember.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retransmission {
    /// The stamp: when the first retransmission of this episode was sent (Linux `retrans_stamp`).
    pub since: Option<Instant>,
    /// Expiries since the last cumulative progress (Linux `icsk_retransmits`).
    pub retransmits: u8,
    /// How often the RTO is doubled. It outlives the episode until a new round-trip sample (Linux `icsk_backoff`).
    pub backoff: u8,
    /// Whether R1 has passed in this episode.
    pub doubted: bool,
    /// How small segments must be, because the path was in doubt.
    pub black_hole: BlackHole,
}

const _: () = assert!(size_of::<Retransmission>() == 16);

impl Retransmission {
    /// Nothing was retransmitted yet.
    pub const fn new() -> Self {
        Self { since: None, retransmits: 0, backoff: 0, doubted: false, black_hole: BlackHole::NONE }
    }

    /// What to do now: `Wait` until the timer is due, `Probe` to resend the first unacknowledged segment, or give up.
    ///
    /// Reads `due`, `retransmits` and, for the clock, `since`.
    pub fn verdict(&self, facts: &Facts, params: &Params) -> Verdict {
        if facts.now < facts.due {
            return Verdict::Wait(facts.due);
        }
        let limit = params.user_timeout.unwrap_or_else(|| model_timeout(params.retries, MODEL_BASE, params.rto_max));
        if !has_timed_out(facts.retransmits, facts.since, facts.now, limit) {
            return Verdict::Probe;
        }
        Verdict::Abort(if params.user_timeout.is_some() {
            Cause::UserTimeout
        } else if params.orphan {
            Cause::Orphan
        } else {
            Cause::Retransmission
        })
    }

    /// A segment was retransmitted, by the timer or by fast recovery (but not as a tail loss probe).
    pub fn on_retransmitted(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// The timer fired and the first unacknowledged segment is resent. `thin`: the stream has few segments in flight
    /// now.
    pub fn on_expiry(&mut self, now: Instant, params: &Params, thin: bool) {
        self.on_retransmitted(now);
        self.retransmits = self.retransmits.saturating_add(1);
        if thin && params.thin_linear && self.retransmits <= THIN_LINEAR_RETRIES {
            self.backoff = 0;
        } else {
            self.backoff = self.backoff.saturating_add(1);
        }
    }

    /// The timer fired while the window was shut over data in flight: the head is resent as a probe, which is
    /// [`zero_window`](super::zero_window)'s to judge. Backs off, but counts no retransmission.
    pub fn on_shrunk_expiry(&mut self, now: Instant) {
        self.on_retransmitted(now);
        self.backoff = self.backoff.saturating_add(1);
    }

    /// The local device refused what [`on_expiry`](Self::on_expiry) sent: wait [`REFUSED_RETRY`] and resend. The expiry
    /// counts, the doubling does not: the path was not even tried (Linux `tcp_retransmit_timer`).
    pub const fn on_refused(&mut self) {
        self.backoff = self.backoff.saturating_sub(1);
    }

    /// How long to arm the timer for: `rto` backed off, and after an expiry cut to the user timeout.
    ///
    /// Also right when an ACK restarts the timer after [`on_progress`](Self::on_progress): Linux does not cut it there.
    pub fn timeout(&self, rto: Duration, now: Instant, params: &Params) -> Duration {
        let interval = backed_off(rto, self.backoff, params.rto_max);
        if self.retransmits == 0 {
            return interval;
        }
        user_timeout::clamp(interval, params.user_timeout, self.since, now, TICK)
    }

    /// `SND.UNA` advanced.
    pub const fn on_progress(&mut self) {
        self.retransmits = 0;
    }

    /// A valid round-trip sample arrived; the backoff ends (RFC 6298 5, last paragraph).
    pub const fn on_rtt_sample(&mut self) {
        self.backoff = 0;
    }

    /// All that was outstanding when the loss was found is acknowledged; the clock stops.
    pub const fn on_episode_end(&mut self) {
        self.since = None;
        self.doubted = false;
    }

    /// R1: whether the path is in doubt. Asked when the timer fires, before the expiry counts. `retries1` is
    /// `tcp_retries1`, default 3. A user timeout does not change it.
    pub fn is_past_retries1(&self, now: Instant, retries1: u8, rto_max: Duration) -> bool {
        has_timed_out(self.retransmits, self.since, now, model_timeout(retries1, MODEL_BASE, rto_max))
    }

    /// Whether an ICMP unreachable that quotes `SND.UNA` may undo a doubling: only what an expiry caused (RFC 6069).
    pub const fn can_revert(&self) -> bool {
        self.retransmits > 0 && self.backoff > 0
    }

    /// Such an ICMP arrived: loss of connectivity, not congestion, so one doubling is undone (RFC 6069 4).
    ///
    /// `Wait` re-arms the timer, `Probe` says that the shorter timeout has passed already: treat as an expiry now. The
    /// clock runs on, so there are more retransmissions in the same lifetime. Ask [`can_revert`](Self::can_revert)
    /// first.
    pub fn revert(&mut self, rto: Duration, rto_max: Duration, head_sent_at: Instant, now: Instant) -> Verdict {
        self.backoff = self.backoff.saturating_sub(1);
        let due = head_sent_at + backed_off(rto, self.backoff, rto_max);
        if due > now { Verdict::Wait(due) } else { Verdict::Probe }
    }
}

/// Linux `retransmits_timed_out`: never before the first retransmission, and by the millisecond.
pub(super) fn has_timed_out(retransmits: u8, since: Option<Instant>, now: Instant, limit: Duration) -> bool {
    retransmits > 0 && since.is_some_and(|since| user_timeout::is_over(limit, since, now))
}

#[cfg(test)]
mod tests {
    extern crate alloc;

    use super::*;
    use crate::liveness::rto::RTO_MAX;
    use crate::liveness::testing::{at, facts, millis, ms};
    use alloc::vec;
    use alloc::vec::Vec;

    const DEFAULT: Params =
        Params { retries: 15, rto_max: RTO_MAX, user_timeout: None, orphan: false, thin_linear: false };

    /// Sends at 0 into a black hole: when each retransmission leaves, then when and why it is over. Microseconds.
    fn silent_peer(rto: Duration, params: &Params, thin: bool) -> (Vec<u64>, u64, Cause) {
        let mut rule = Retransmission::new();
        let (mut now, mut sends) = (Instant::ORIGIN, Vec::new());
        let mut due = now + rule.timeout(rto, now, params);
        loop {
            let Retransmission { since, retransmits, backoff, .. } = rule;
            match rule.verdict(&Facts { due, since, retransmits, backoff, rto, ..facts(now) }, params) {
                Verdict::Wait(at) => {
                    assert_eq!(at, due);
                    now = due;
                }
                Verdict::Probe => {
                    sends.push(now.as_micros());
                    rule.on_expiry(now, params, thin);
                    due = now + rule.timeout(rto, now, params);
                }
                Verdict::Abort(cause) => return (sends, now.as_micros(), cause),
            }
        }
    }

    /// As [`silent_peer`], in milliseconds.
    fn silent_peer_ms(rto_ms: u64, params: &Params) -> (Vec<u64>, u64, Cause) {
        let (sends, death, cause) = silent_peer(ms(rto_ms), params, false);
        (sends.iter().map(|us| us / 1000).collect(), death / 1000, cause)
    }

    /// `tcp_rto_max_ms`, then the modelled time in tenths of a second for 0 to 15 retries.
    const CUTOFF: [(u64, [u64; 16]); 5] = [
        (120_000, [2, 6, 14, 30, 62, 126, 254, 510, 1022, 2046, 3246, 4446, 5646, 6846, 8046, 9246]),
        (60_000, [2, 6, 14, 30, 62, 126, 254, 510, 1022, 1622, 2222, 2822, 3422, 4022, 4622, 5222]),
        (10_000, [2, 6, 14, 30, 62, 126, 226, 326, 426, 526, 626, 726, 826, 926, 1026, 1126]),
        (2_000, [2, 6, 14, 30, 50, 70, 90, 110, 130, 150, 170, 190, 210, 230, 250, 270]),
        (1_000, [2, 6, 14, 24, 34, 44, 54, 64, 74, 84, 94, 104, 114, 124, 134, 144]),
    ];

    #[test]
    fn retries_stand_for_these_times() {
        for (rto_max_ms, cutoffs) in CUTOFF {
            for (retries, tenths) in (0..).zip(cutoffs) {
                assert_eq!(model_timeout(retries, MODEL_BASE, ms(rto_max_ms)), ms(tenths * 100), "{retries}");
            }
        }
        let handshake = [1, 3, 7, 15, 31, 63, 127, 247, 367, 487, 607];
        for (retries, secs) in (0..).zip(handshake) {
            assert_eq!(model_timeout(retries, ms(1000), RTO_MAX), Duration::from_secs(secs), "{retries}");
        }
    }

    #[test]
    fn the_model_survives_any_argument() {
        for extreme in [Duration::ZERO, Duration::MAX] {
            for boundary in [0, 1, 31, 32, 255] {
                model_timeout(boundary, extreme, RTO_MAX);
                model_timeout(boundary, MODEL_BASE, extreme);
                model_timeout(boundary, extreme, extreme);
            }
        }
        assert_eq!(model_timeout(3, ms(200), ms(100)), ms(200 + 3 * 100));
    }

    /// RTO in microseconds, then for `tcp_retries2` from 0 to 15: retransmissions, and death in tenths of a
    /// millisecond.
    #[rustfmt::skip]
    const RETRIES2: [(u64, [(usize, u64); 16]); 8] = [
        (200_000, [
            (1, 6000), (2, 14_000), (3, 30_000), (4, 62_000), (5, 126_000), (6, 254_000),
            (7, 510_000), (8, 1_022_000), (9, 2_046_000), (10, 3_246_000), (11, 4_446_000), (12, 5_646_000),
            (13, 6_846_000), (14, 8_046_000), (15, 9_246_000), (16, 10_446_000),
        ]),
        (200_300, [
            (1, 6009), (2, 14_021), (3, 30_045), (4, 62_093), (5, 126_189), (6, 254_381),
            (7, 510_765), (8, 1_023_533), (9, 2_049_069), (9, 2_049_069), (10, 3_249_069), (11, 4_449_069),
            (12, 5_649_069), (13, 6_849_069), (14, 8_049_069), (15, 9_249_069),
        ]),
        (201_000, [
            (1, 6030), (2, 14_070), (3, 30_150), (4, 62_310), (5, 126_630), (6, 255_270),
            (7, 512_550), (7, 512_550), (8, 1_027_110), (9, 2_056_230), (10, 3_256_230), (11, 4_456_230),
            (12, 5_656_230), (13, 6_856_230), (14, 8_056_230), (15, 9_256_230),
        ]),
        (204_000, [
            (1, 6120), (2, 14_280), (3, 30_600), (4, 63_240), (5, 128_520), (5, 128_520),
            (6, 259_080), (7, 520_200), (8, 1_042_440), (9, 2_086_920), (10, 3_286_920), (11, 4_486_920),
            (12, 5_686_920), (13, 6_886_920), (14, 8_086_920), (15, 9_286_920),
        ]),
        (250_000, [
            (1, 7500), (2, 17_500), (2, 17_500), (3, 37_500), (4, 77_500), (5, 157_500),
            (6, 317_500), (7, 637_500), (8, 1_277_500), (9, 2_477_500), (10, 3_677_500), (11, 4_877_500),
            (12, 6_077_500), (13, 7_277_500), (14, 8_477_500), (15, 9_677_500),
        ]),
        (300_000, [
            (1, 9000), (1, 9000), (2, 21_000), (3, 45_000), (4, 93_000), (5, 189_000),
            (6, 381_000), (7, 765_000), (8, 1_533_000), (9, 2_733_000), (10, 3_933_000), (11, 5_133_000),
            (12, 6_333_000), (13, 7_533_000), (14, 8_733_000), (15, 9_933_000),
        ]),
        (1_000_000, [
            (1, 30_000), (1, 30_000), (1, 30_000), (2, 70_000), (3, 150_000), (3, 150_000),
            (4, 310_000), (5, 630_000), (6, 1_270_000), (7, 2_470_000), (8, 3_670_000), (9, 4_870_000),
            (10, 6_070_000), (11, 7_270_000), (12, 8_470_000), (13, 9_670_000),
        ]),
        (3_000_000, [
            (1, 90_000), (1, 90_000), (1, 90_000), (1, 90_000), (2, 210_000), (2, 210_000),
            (3, 450_000), (4, 930_000), (5, 1_890_000), (6, 3_090_000), (7, 4_290_000), (8, 5_490_000),
            (9, 6_690_000), (10, 7_890_000), (11, 9_090_000), (12, 10_290_000),
        ]),
    ];

    #[test]
    fn retries2_gives_up_when_linux_with_exact_timers_would() {
        for (rto_us, rows) in RETRIES2 {
            for (retries, (retransmissions, death_100us)) in (0..).zip(rows) {
                let params = Params { retries, ..DEFAULT };
                let (sends, death, cause) = silent_peer(Duration::from_micros(rto_us), &params, false);
                assert_eq!((sends.len(), death / 100), (retransmissions, death_100us), "{rto_us} us, {retries}");
                assert_eq!(cause, Cause::Retransmission);
            }
        }
    }

    #[test]
    fn with_a_low_rto_max_the_tail_is_linear() {
        let sends = [204, 612, 1428, 2428, 3428, 4428, 5428, 6428, 7428, 8428, 9428, 10428, 11428, 12428, 13428, 14428];
        let deaths =
            [612, 1428, 2428, 3428, 4428, 5428, 6428, 7428, 8428, 9428, 10428, 11428, 12428, 13428, 14428, 15428];
        for retries in 0..=15 {
            let params = Params { retries, rto_max: ms(1000), ..DEFAULT };
            let n = usize::from(retries);
            let expected = (sends[..=n].to_vec(), deaths[n], Cause::Retransmission);
            assert_eq!(silent_peer_ms(204, &params), expected, "tcp_retries2 {retries}");
        }
    }

    #[test]
    fn the_user_timeout_replaces_retries2_both_ways() {
        let rows = [
            (15, 2000, vec![204, 612, 1428], 2204),
            (15, 100, vec![204], 304),
            (1, 3000, vec![204, 612, 1428, 3060], 3204),
            (15, 1, vec![204], 205),
        ];
        for (retries, user_timeout_ms, sends, death) in rows {
            let params = Params { retries, user_timeout: Some(ms(user_timeout_ms)), ..DEFAULT };
            assert_eq!(silent_peer_ms(204, &params), (sends, death, Cause::UserTimeout), "{user_timeout_ms}");
        }
    }

    #[test]
    fn an_orphan_is_ended_under_its_own_name() {
        let params = Params { retries: 2, orphan: true, ..DEFAULT };
        assert_eq!(silent_peer_ms(204, &params), (vec![204, 612, 1428], 3060, Cause::Orphan));
    }

    #[test]
    fn a_thin_stream_stays_linear_for_six_expiries() {
        let params = Params { retries: 4, thin_linear: true, ..DEFAULT };
        let (sends, ..) = silent_peer(ms(204), &params, true);
        let expected = [1, 2, 3, 4, 5, 6, 7, 9, 13, 21].map(|n| n * 204_000);
        assert_eq!(sends, expected);
        let (sends, ..) = silent_peer(ms(204), &params, false);
        assert_eq!(sends, [1, 3, 7, 15, 31].map(|n| n * 204_000));
    }

    #[test]
    fn a_late_call_does_not_kill_before_one_retransmission() {
        let rule = Retransmission::new();
        let day = at(86_400_000);
        assert_eq!(rule.verdict(&Facts { due: at(204), ..facts(day) }, &DEFAULT), Verdict::Probe);
        let stamped = Facts { due: at(204), since: Some(at(0)), ..facts(day) };
        assert_eq!(rule.verdict(&stamped, &DEFAULT), Verdict::Probe, "progress grants one more");
    }

    #[test]
    fn progress_grants_a_retransmission_but_the_clock_runs_on() {
        let params = Params { retries: 3, user_timeout: Some(ms(3000)), ..DEFAULT };
        let mut rule = Retransmission::new();
        rule.on_expiry(at(204), &params, false);
        rule.on_expiry(at(612), &params, false);
        rule.on_progress();
        rule.on_rtt_sample();
        assert_eq!((rule.since, rule.retransmits, rule.backoff), (Some(at(204)), 0, 0));
        assert_eq!(rule.timeout(ms(204), at(4000), &params), ms(204), "an ACK's re-arm is not cut");
        rule.on_expiry(at(4204), &params, false);
        assert_eq!(rule.timeout(ms(204), at(4204), &params), TICK, "the limit has passed long ago");
        rule.on_episode_end();
        rule.on_expiry(at(9000), &params, false);
        assert_eq!(rule.since, Some(at(9000)));
    }

    #[test]
    fn without_a_sample_the_doubled_timeout_times_the_next_write() {
        let mut rule = Retransmission::new();
        rule.on_expiry(at(204), &DEFAULT, false);
        rule.on_expiry(at(612), &DEFAULT, false);
        rule.on_progress();
        rule.on_episode_end();
        assert_eq!(rule.timeout(ms(204), at(700), &DEFAULT), ms(816));
    }

    #[test]
    fn a_resend_into_a_shut_window_backs_off_and_is_not_counted() {
        let mut rule = Retransmission::new();
        rule.on_shrunk_expiry(at(204));
        assert_eq!(rule, Retransmission { since: Some(at(204)), retransmits: 0, backoff: 1, ..Retransmission::new() });
    }

    #[test]
    fn the_path_is_suspect_three_seconds_after_the_first_retransmission() {
        let mut rule = Retransmission::new();
        assert!(!rule.is_past_retries1(at(9000), 3, RTO_MAX));
        rule.on_expiry(at(204), &DEFAULT, false);
        assert!(!rule.is_past_retries1(at(3203), 3, RTO_MAX));
        assert!(rule.is_past_retries1(at(3204), 3, RTO_MAX));
    }

    /// The peer's router answers each copy with an ICMP unreachable: constant spacing, same lifetime.
    #[test]
    fn icmp_for_every_copy_keeps_the_spacing() {
        let mut rule = Retransmission::new();
        let (mut due, mut sends) = (at(204), Vec::new());
        let death = loop {
            let Retransmission { since, retransmits, .. } = rule;
            match rule.verdict(&Facts { since, retransmits, ..facts(due) }, &Params { retries: 3, ..DEFAULT }) {
                Verdict::Probe => sends.push(millis(due)),
                verdict => break (millis(due), verdict),
            }
            rule.on_expiry(due, &DEFAULT, false);
            assert!(rule.can_revert());
            let Verdict::Wait(next) = rule.revert(ms(204), RTO_MAX, due, due + ms(1)) else { panic!() };
            due = next;
        };
        assert_eq!(sends, (1..=15).map(|n| n * 204).collect::<Vec<_>>());
        assert_eq!(death, (16 * 204, Verdict::Abort(Cause::Retransmission)));
    }

    #[test]
    fn a_late_icmp_makes_the_timer_fire_at_once() {
        for (now, verdict) in [(1019, Verdict::Wait(at(1020))), (1020, Verdict::Probe), (9000, Verdict::Probe)] {
            let mut rule = Retransmission { since: Some(at(204)), retransmits: 2, backoff: 2, ..Retransmission::new() };
            assert_eq!(rule.revert(ms(204), RTO_MAX, at(612), at(now)), verdict, "{now}");
            assert_eq!(
                rule,
                Retransmission { since: Some(at(204)), retransmits: 2, backoff: 1, ..Retransmission::new() }
            );
        }
        let not_ours = Retransmission { since: None, retransmits: 0, backoff: 2, ..Retransmission::new() };
        assert!(!not_ours.can_revert(), "a doubling that outlived its episode stays");
    }

    #[test]
    fn counters_saturate() {
        let mut rule = Retransmission { since: None, retransmits: 255, backoff: 255, ..Retransmission::new() };
        rule.on_expiry(at(1), &DEFAULT, false);
        rule.on_shrunk_expiry(at(1));
        assert_eq!((rule.retransmits, rule.backoff), (255, 255));
        assert_eq!(rule.timeout(ms(204), at(1), &DEFAULT), RTO_MAX);
    }
}
