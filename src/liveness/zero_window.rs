//! Data is queued, nothing is in flight, and the peer's window is shut: probe it, for it may have opened unheard (RFC
//! 9293 3.8.6.1 [MUST-36, MUST-37, SHLD-29, SHLD-30]).
//!
//! The first probe waits one RTO, at least 200 ms; the wait doubles with each probe, answered or not, up to
//! `tcp_rto_max_ms`. A probe carries no data (`SEG.SEQ = SND.UNA - 1`), and its answer resets the count but keeps the
//! backoff. So a peer that keeps answering is alive for ever, while one that stays silent is dead after `tcp_retries2`
//! probes: here that is a count, not the time it stands for in [`retransmission`](super::retransmission). A user
//! timeout replaces neither but ends both, counted from the first probe: not even answers stop it. Its clock restarts
//! when the window admits the whole first queued buffer, or the queue is empty.
//!
//! A window that shuts over data in flight (3.8.6 [MUST-35, SHLD-17]) is another matter: the retransmission timer runs
//! and resends the head in full as a probe, and [`ZeroWindow::shrunk_verdict`] gives up only on true silence, after
//! twice `tcp_rto_max_ms`. An orphan gets no such patience; plain [`retransmission`](super::retransmission) judges it.
//!
//! Linux: `tcp_probe_timer`, `tcp_send_probe0`, `tcp_probe0_when`, `tcp_ack_probe`, `tcp_rtx_probe0_timed_out`.

use super::orphan::{self, Orphan};
use super::retransmission::REFUSED_RETRY;
use super::rto::backed_off;
use super::user_timeout::{self, millis};
use super::{Cause, Facts, Verdict};
use crate::time::{Duration, Instant, TICK};

/// The first probe waits at least this long, whatever `tcp_rto_min_us` says (Linux `TCP_RTO_MIN`).
const MIN_INTERVAL: Duration = Duration::from_millis(200);

/// The wait is not doubled more often (Linux `tcp_probe0_when`).
const MAX_DOUBLINGS: u8 = 10;

/// The user timeout cuts a wait to no less (Linux `TCP_TIMEOUT_MIN`).
const MIN_CUT: Duration = Duration::from_micros(2 * TICK.as_micros() as u64);

/// The limits of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// `tcp_retries2`, default 15, as a count of unanswered probes. Also bounds the backoff.
    pub retries: u8,
    /// The longest wait: `TCP_RTO_MAX_MS`, else `tcp_rto_max_ms`, default 120 s.
    pub rto_max: Duration,
    /// `TCP_USER_TIMEOUT`, counted from the first probe. Default none.
    pub user_timeout: Option<Duration>,
    /// After the application closed: limits that take the place of `retries`.
    pub orphan: Option<orphan::Params>,
}

/// What probing must remember; the count and the backoff are shared with others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZeroWindow {
    /// When the first probe of this episode was due (Linux `icsk_probes_tstamp`).
    pub since: Option<Instant>,
}

impl ZeroWindow {
    /// No probe was sent yet.
    pub const fn new() -> Self {
        Self { since: None }
    }

    /// What to do now: `Wait` until the timer is due, `Probe`, or give up.
    ///
    /// Reads `due`, `probes` and, for the user timeout, `since`; for an orphan also `rto` and `backoff`.
    pub fn verdict(&self, facts: &Facts, params: &Params) -> Verdict {
        if facts.now < facts.due {
            return Verdict::Wait(facts.due);
        }
        if is_user_timeout_over(facts, params) {
            return Verdict::Abort(Cause::UserTimeout);
        }
        match &params.orphan {
            Some(orphan) => Orphan.verdict(facts, orphan),
            None if facts.probes >= params.retries => Verdict::Abort(Cause::ZeroWindow),
            None => Verdict::Probe,
        }
    }

    /// A probe left. Returns the backoff after it; the caller counts the probe.
    #[must_use]
    pub fn on_probe_sent(&mut self, now: Instant, backoff: u8, params: &Params) -> u8 {
        self.since.get_or_insert(now);
        if backoff < params.retries { backoff + 1 } else { backoff }
    }

    /// The local device refused a probe, or the data that a window opened by a little let out. It counts all the same,
    /// but is not backed off for. Returns the backoff to go on with, and how long to wait.
    ///
    /// At `retries` the backoff may or may not have grown with this probe; then it is left.
    pub fn on_refused(&self, backoff: u8, now: Instant, params: &Params) -> (u8, Duration) {
        let backoff = if backoff < params.retries { backoff.saturating_sub(1) } else { backoff };
        (backoff, user_timeout::clamp(REFUSED_RETRY, params.user_timeout, self.since, now, MIN_CUT))
    }

    /// The window admits the whole first queued buffer, or the queue is empty; the clock stops. The backoff ends too.
    pub const fn on_episode_end(&mut self) {
        self.since = None;
    }

    /// How long to wait for the first probe, from the moment when data could not be sent.
    pub fn first_interval(rto: Duration) -> Duration {
        rto.max(MIN_INTERVAL)
    }

    /// How long to wait for the next probe, from the last one or from its answer.
    pub fn interval(&self, rto: Duration, backoff: u8, now: Instant, params: &Params) -> Duration {
        let interval = backed_off(Self::first_interval(rto), backoff.min(MAX_DOUBLINGS), params.rto_max);
        user_timeout::clamp(interval, params.user_timeout, self.since, now, MIN_CUT)
    }

    /// The same question when the window shrank to zero over data in flight, and the retransmission timer runs.
    ///
    /// `Probe` resends the head in full. `facts.since` is the retransmission stamp or, before any retransmission, when
    /// the head was sent; without it nothing gives up. Reads `due` and `heard_at` besides.
    pub fn shrunk_verdict(&self, facts: &Facts, params: &Params) -> Verdict {
        if facts.now < facts.due {
            return Verdict::Wait(facts.due);
        }
        let Some(since) = facts.since else {
            return Verdict::Probe;
        };
        let episode_ms = facts.now.millis_since(since);
        let silence_ms = facts.now.millis_since(facts.heard_at);
        let patience_ms = millis(params.rto_max).saturating_mul(2);
        // Linux wants the limits exceeded here, everywhere else reached.
        if params.user_timeout.is_some_and(|limit| episode_ms > millis(limit)) {
            Verdict::Abort(Cause::UserTimeout)
        } else if silence_ms > patience_ms && episode_ms > patience_ms {
            Verdict::Abort(Cause::ZeroWindow)
        } else {
            Verdict::Probe
        }
    }

    /// How long to arm the retransmission timer for after such a resend. Reads `now`, `since`, `rto` and `backoff`.
    pub fn shrunk_interval(&self, facts: &Facts, params: &Params) -> Duration {
        let interval = backed_off(facts.rto, facts.backoff, params.rto_max);
        // A tick past the limit, or the timer would find it reached, not exceeded, and resend once more for nothing.
        let past = params.user_timeout.map(|limit| limit.saturating_add(TICK));
        user_timeout::clamp(interval, past, facts.since, facts.now, TICK)
    }
}

fn is_user_timeout_over(facts: &Facts, params: &Params) -> bool {
    match (params.user_timeout, facts.since) {
        (Some(limit), Some(since)) => user_timeout::is_over(limit, since, facts.now),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;

    use super::*;
    use crate::liveness::rto::RTO_MAX;
    use crate::liveness::testing::{at, facts, millis as ms_of, ms};
    use alloc::vec;
    use alloc::vec::Vec;

    const DEFAULT: Params = Params { retries: 15, rto_max: RTO_MAX, user_timeout: None, orphan: None };

    /// Queues data at 0 before a zero window: the probes up to `until_ms`, then when and why it is over.
    fn timeline(rto_ms: u64, params: &Params, answers: u8, until_ms: u64) -> (Vec<u64>, Option<(u64, Cause)>) {
        let (mut rule, rto, mut sends) = (ZeroWindow::new(), ms(rto_ms), Vec::new());
        let (mut probes, mut backoff, mut answers) = (0, 0, answers);
        let mut now = at(0);
        let mut due = now + ZeroWindow::first_interval(rto);
        while ms_of(now) <= until_ms {
            match rule.verdict(&Facts { due, since: rule.since, probes, backoff, rto, ..facts(now) }, params) {
                Verdict::Wait(at) => {
                    assert_eq!(at, due);
                    now = due;
                }
                Verdict::Probe => {
                    sends.push(ms_of(now));
                    backoff = rule.on_probe_sent(now, backoff, params);
                    probes = if answers > 0 { 0 } else { probes + 1 };
                    answers = answers.saturating_sub(1);
                    due = now + rule.interval(rto, backoff, now, params);
                }
                Verdict::Abort(cause) => return (sends, Some((ms_of(now), cause))),
            }
        }
        (sends, None)
    }

    fn silent(rto_ms: u64, params: &Params) -> (Vec<u64>, Option<(u64, Cause)>) {
        timeline(rto_ms, params, 0, u64::MAX)
    }

    /// RTO, `tcp_retries2`, death; there are as many probes as `tcp_retries2` says.
    const EXACT: [(u64, u8, u64); 18] = [
        (200, 1, 600),
        (200, 2, 1400),
        (200, 3, 3000),
        (200, 5, 12_600),
        (200, 8, 102_200),
        (200, 15, 924_600),
        (201, 1, 603),
        (201, 2, 1407),
        (201, 3, 3015),
        (201, 5, 12_663),
        (201, 8, 102_711),
        (201, 15, 925_623),
        (204, 1, 612),
        (204, 2, 1428),
        (204, 3, 3060),
        (204, 5, 12_852),
        (204, 8, 104_244),
        (204, 15, 928_692),
    ];

    #[test]
    fn a_silent_peer_gets_retries2_probes() {
        for (rto_ms, retries, death) in EXACT {
            let (sends, end) = silent(rto_ms, &Params { retries, ..DEFAULT });
            assert_eq!((sends.len(), end), (retries.into(), Some((death, Cause::ZeroWindow))), "{rto_ms}");
        }
        assert_eq!(silent(204, &Params { retries: 3, ..DEFAULT }).0, [204, 612, 1428]);
    }

    #[test]
    fn zero_retries_kill_without_a_probe() {
        let end = (vec![], Some((204, Cause::ZeroWindow)));
        assert_eq!(silent(204, &Params { retries: 0, ..DEFAULT }), end);
    }

    #[test]
    fn the_first_probe_waits_200_ms_though_the_rto_be_less() {
        assert_eq!(silent(56, &Params { retries: 2, ..DEFAULT }).0, [200, 600]);
    }

    #[test]
    fn an_answering_peer_lives_for_ever_at_the_slowest_pace() {
        let params = Params { retries: 15, rto_max: ms(1000), ..DEFAULT };
        let (sends, end) = timeline(204, &params, u8::MAX, 20_000);
        assert_eq!(end, None);
        assert_eq!(sends[..5], [204, 612, 1428, 2428, 3428]);
        assert_eq!(sends.last(), Some(&19_428));
    }

    #[test]
    fn retries2_bounds_the_backoff_too() {
        let (sends, _) = timeline(204, &Params { retries: 2, ..DEFAULT }, u8::MAX, 5000);
        assert_eq!(sends, [204, 612, 1428, 2244, 3060, 3876, 4692]);
    }

    #[test]
    fn the_wait_doubles_ten_times_at_most() {
        let params = Params { rto_max: Duration::MAX, ..DEFAULT };
        assert_eq!(ZeroWindow::new().interval(ms(204), 200, at(0), &params), ms(204 << 10));
    }

    #[test]
    fn after_answers_the_full_count_is_available_again() {
        let (sends, end) = timeline(204, &Params { retries: 3, ..DEFAULT }, 2, u64::MAX);
        assert_eq!(sends, [204, 612, 1428, 3060, 4692]);
        assert_eq!(end, Some((6324, Cause::ZeroWindow)));
    }

    #[test]
    fn the_user_timeout_ends_even_an_answering_peer() {
        let params = Params { user_timeout: Some(ms(2000)), ..DEFAULT };
        let end = (vec![204, 612, 1428], Some((2204, Cause::UserTimeout)));
        assert_eq!(silent(204, &params), end);
        assert_eq!(timeline(204, &params, u8::MAX, u64::MAX), end);
        let tiny = Params { user_timeout: Some(ms(1)), ..DEFAULT };
        assert_eq!(silent(204, &tiny), (vec![204], Some((206, Cause::UserTimeout))), "two ticks at least");
    }

    #[test]
    fn an_opened_window_restarts_the_clock() {
        let params = Params { user_timeout: Some(ms(2000)), ..DEFAULT };
        let mut rule = ZeroWindow::new();
        assert_eq!(rule.on_probe_sent(at(204), 0, &params), 1);
        assert_eq!(rule.on_probe_sent(at(612), 1, &params), 2);
        assert_eq!(rule.since, Some(at(204)));
        rule.on_episode_end();
        assert_eq!(rule.interval(ms(204), 0, at(9000), &params), ms(204));
    }

    #[test]
    fn an_orphan_has_its_own_limit_but_the_user_timeout_comes_first() {
        let orphan = Some(orphan::Params { retries: 2, soft_error: false, rto_max: RTO_MAX });
        let params = Params { orphan, ..DEFAULT };
        assert_eq!(silent(204, &params), (vec![204, 612], Some((1428, Cause::Orphan))));
        let hasty = Params { user_timeout: Some(ms(300)), ..params };
        assert_eq!(silent(204, &hasty), (vec![204], Some((504, Cause::UserTimeout))));
    }

    /// Resends of a head sent at 0 into a window that shrank to nothing, `heard_at` the last answer; then the end.
    fn shrunk(params: &Params, heard_at: Instant) -> (Vec<u64>, u64, Cause) {
        let (rule, mut now, mut backoff, mut stamp, mut sends) = (ZeroWindow::new(), at(204), 0, None, Vec::new());
        loop {
            let asked = Facts { since: Some(stamp.unwrap_or(at(0))), heard_at, backoff, ..facts(now) };
            match rule.shrunk_verdict(&asked, params) {
                Verdict::Wait(_) => unreachable!("asked when due"),
                Verdict::Probe => {
                    sends.push(ms_of(now));
                    stamp.get_or_insert(now);
                    backoff += 1;
                    now += rule.shrunk_interval(&Facts { since: stamp, backoff, ..asked }, params);
                }
                Verdict::Abort(cause) => return (sends, ms_of(now), cause),
            }
        }
    }

    #[test]
    fn a_shrunk_window_gives_up_on_silence_of_twice_rto_max() {
        let params = Params { rto_max: ms(1000), ..DEFAULT };
        assert_eq!(shrunk(&params, at(0)), (vec![204, 612, 1428], 2428, Cause::ZeroWindow));
        let impatient = Params { retries: 0, ..params };
        let (sends, death, _) = shrunk(&impatient, at(2428));
        assert_eq!((sends.len(), death), (6, 5428), "retries2 does not count, and reached is not past");
    }

    #[test]
    fn a_shrunk_window_gives_up_past_the_user_timeout() {
        let params = Params { user_timeout: Some(ms(1000)), ..DEFAULT };
        let (sends, death, cause) = shrunk(&params, at(60_000));
        assert_eq!((sends, death, cause), (vec![204, 612], 1205, Cause::UserTimeout));
        let reached = Facts { since: Some(at(204)), ..facts(at(1204)) };
        assert_eq!(ZeroWindow::new().shrunk_verdict(&reached, &params), Verdict::Probe);
    }

    #[test]
    fn both_questions_wait_for_their_timer() {
        let early = Facts { due: at(204), probes: 200, since: Some(at(0)), ..facts(at(203)) };
        let params = Params { user_timeout: Some(ms(1)), ..DEFAULT };
        assert_eq!(ZeroWindow::new().verdict(&early, &params), Verdict::Wait(at(204)));
        assert_eq!(ZeroWindow::new().shrunk_verdict(&early, &params), Verdict::Wait(at(204)));
    }
}
