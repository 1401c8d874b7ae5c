//! The connection is not yet one: how often to send SYN or SYN-ACK into silence (RFC 9293 3.8.3 [MUST-22]; RFC 6298
//! 2.1).
//!
//! **SYN.** The timeout is one second. The first `tcp_syn_linear_timeouts` expiries keep it, later ones double it. The
//! attempt is over at an expiry that finds either all retries used, linear ones included, or the time up that
//! `tcp_syn_retries` alone stands for ([`model_timeout`] from one second). The second is what ends small counts early.
//! A user timeout takes the place of that time, so here it can only shorten.
//!
//! Deviates from RFC 9293, as Linux does: it asks for at least three minutes [MUST-23], the defaults give 131 s.
//!
//! **SYN-ACK.** One second, doubling up to 120 s whatever `tcp_rto_max_ms` says, `tcp_synack_retries` times; then the
//! request vanishes silently. With `TCP_DEFER_ACCEPT` a bare final ACK of the client is swallowed for so many periods,
//! since its request is sure to follow, and no SYN-ACK is repeated until the last.
//!
//! Linux: `tcp_write_timeout`, `tcp_retransmit_timer`, `reqsk_timer_handler`, `syn_ack_recalc`, `secs_to_retrans`.

use super::retransmission::{has_timed_out, model_timeout};
use super::rto::{INITIAL, RTO_MAX, backed_off};
use super::{Cause, Facts, Verdict, user_timeout};
use crate::time::{Duration, Instant, TICK};

/// The limits of one attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// `TCP_SYNCNT`, else `tcp_syn_retries`, 1 to 127; default 6.
    pub retries: u8,
    /// `tcp_syn_linear_timeouts`, 0 to 127; default 4. Give 0 once both SYNs have crossed.
    pub linear: u8,
    /// The longest timeout: `TCP_RTO_MAX_MS`, else `tcp_rto_max_ms`, default 120 s.
    pub rto_max: Duration,
    /// `TCP_USER_TIMEOUT`, counted from the first SYN. Default none.
    pub user_timeout: Option<Duration>,
}

/// The rule for SYN-SENT, and for SYN-RECEIVED after crossed SYNs. It remembers nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handshake;

impl Handshake {
    /// What to do now: `Wait` until the timer is due, `Probe` to send the same SYN again, or give up silently.
    ///
    /// Reads `due`, `retransmits` and, as the time of the first SYN, `since`.
    pub fn verdict(&self, facts: &Facts, params: &Params) -> Verdict {
        if facts.now < facts.due {
            return Verdict::Wait(facts.due);
        }
        if facts.retransmits >= params.retries.saturating_add(params.linear) {
            return Verdict::Abort(Cause::Handshake);
        }
        let (limit, cause) = match params.user_timeout {
            Some(limit) => (limit, Cause::UserTimeout),
            None => (model_timeout(params.retries, INITIAL, params.rto_max), Cause::Handshake),
        };
        if has_timed_out(facts.retransmits, facts.since, facts.now, limit) {
            return Verdict::Abort(cause);
        }
        Verdict::Probe
    }
}

/// The exponent of the wait after a repeated SYN, the `retransmits`th: it grows once the linear ones are used up.
pub const fn backoff_after(retransmits: u8, backoff: u8, params: &Params) -> u8 {
    if retransmits > params.linear { backoff.saturating_add(1) } else { backoff }
}

/// The local device refused a repeated SYN, the `retransmits`th: it counts, but is not backed off for. The next goes
/// [`REFUSED_RETRY`](super::retransmission::REFUSED_RETRY) later. Returns the exponent to go on with.
pub const fn backoff_after_refusal(retransmits: u8, backoff: u8, params: &Params) -> u8 {
    if retransmits > params.linear { backoff.saturating_sub(1) } else { backoff }
}

/// How long to wait after a SYN, `retransmits` of them having gone before; `since` is when the first left.
///
/// The wait after the first SYN is not cut to the user timeout.
pub fn timeout(retransmits: u8, backoff: u8, params: &Params, now: Instant, since: Instant) -> Duration {
    let interval = backed_off(INITIAL, backoff, params.rto_max);
    if retransmits == 0 {
        return interval;
    }
    user_timeout::clamp(interval, params.user_timeout, Some(since), now, TICK)
}

/// The limits of a half-open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SynAckParams {
    /// `TCP_SYNCNT` of the listener, else `tcp_synack_retries`; default 5.
    pub retries: u8,
}

/// How often a SYN-ACK goes again when the queue of half-open connections fills up (Linux `reqsk_timer_handler`).
///
/// Half of the room is kept for the young, those whose SYN-ACK was never repeated: the old ones are most likely never
/// to be completed. If more than half of `backlog` (taken for eight at least) is used, the limit falls by one for every
/// halving of the share of the young below a half, but not below 2. `half_open` counts all of a listener's, `young` the
/// young ones among them, the one whose timer fired included, if it is.
pub fn crowded_syn_ack_retries(retries: u8, half_open: u32, young: u32, backlog: u32) -> u8 {
    if u64::from(half_open) * 2 <= u64::from(backlog.max(8)) {
        return retries;
    }
    let (half_open, mut young, mut left) = (u64::from(half_open), u64::from(young) * 2, retries);
    // Each round doubles `young` or ends; with none, `left` ends it.
    while left > 2 && half_open >= young {
        left -= 1;
        young *= 2;
    }
    left
}

/// How long to wait after a SYN-ACK, `retransmits` periods having gone before.
pub fn syn_ack_timeout(retransmits: u8) -> Duration {
    backed_off(INITIAL, retransmits, RTO_MAX)
}

/// What to do about a half-open connection now: `Wait` until it is due, `Probe` to repeat the SYN-ACK, or forget it.
///
/// Reads `due` and `retransmits`.
pub fn syn_ack_verdict(facts: &Facts, params: &SynAckParams) -> Verdict {
    if facts.now < facts.due {
        Verdict::Wait(facts.due)
    } else if facts.retransmits >= params.retries {
        Verdict::Abort(Cause::Handshake)
    } else {
        Verdict::Probe
    }
}

/// Whether a bare final ACK is swallowed still; `defer_accept` is what [`defer_accept_retransmits`] made of the option.
pub const fn is_deferring(retransmits: u8, defer_accept: u8) -> bool {
    retransmits < defer_accept
}

/// As [`syn_ack_verdict`], once the client's bare ACK was swallowed.
///
/// `Wait` for an instant after `facts.due` means that this period passes in silence: count it as if sent, and arm
/// there.
pub fn deferred_verdict(facts: &Facts, params: &SynAckParams, defer_accept: u8) -> Verdict {
    match syn_ack_verdict(facts, params) {
        Verdict::Abort(_) if is_deferring(facts.retransmits, defer_accept) => {}
        Verdict::Probe => {}
        verdict => return verdict,
    }
    if facts.retransmits.saturating_add(1) < defer_accept {
        return Verdict::Wait(facts.now + syn_ack_timeout(facts.retransmits.saturating_add(1)));
    }
    Verdict::Probe
}

/// `TCP_DEFER_ACCEPT`: the fewest SYN-ACK periods that last `secs` seconds together; 0 is off.
pub fn defer_accept_retransmits(secs: u32) -> u8 {
    (0..u8::MAX).find(|&periods| defer_accept_secs(periods) >= secs).unwrap_or(u8::MAX)
}

/// What `TCP_DEFER_ACCEPT` reads back: how many seconds `retransmits` SYN-ACK periods last.
pub fn defer_accept_secs(retransmits: u8) -> u32 {
    (0..retransmits).map(|sent| syn_ack_timeout(sent).as_secs() as u32).sum()
}

#[cfg(test)]
mod tests {
    extern crate alloc;

    use super::*;
    use crate::liveness::testing::{at, facts, millis, ms};
    use alloc::vec;
    use alloc::vec::Vec;

    const DEFAULT: Params = Params { retries: 6, linear: 4, rto_max: RTO_MAX, user_timeout: None };

    /// Connects at 0 into silence: when each SYN leaves, then when and why it is over.
    fn silent_peer(params: &Params) -> (Vec<u64>, u64, Cause) {
        let (since, mut retransmits, mut backoff, mut sends) = (at(0), 0, 0, vec![0]);
        let mut now = since;
        let mut due = now + timeout(0, 0, params, now, since);
        loop {
            let asked = Facts { due, since: Some(since), retransmits, outstanding: true, ..facts(now) };
            match Handshake.verdict(&asked, params) {
                Verdict::Wait(at) => {
                    assert_eq!(at, due);
                    now = due;
                }
                Verdict::Probe => {
                    sends.push(millis(now));
                    retransmits += 1;
                    backoff = backoff_after(retransmits, backoff, params);
                    due = now + timeout(retransmits, backoff, params, now, since);
                }
                Verdict::Abort(cause) => return (sends, millis(now), cause),
            }
        }
    }

    /// `tcp_syn_retries`, `tcp_syn_linear_timeouts`, seconds of the SYNs, second of death.
    const SYN: &[(u8, u8, &[u64], u64)] = &[
        (1, 0, &[0, 1], 3),
        (2, 0, &[0, 1, 3], 7),
        (3, 0, &[0, 1, 3, 7], 15),
        (4, 0, &[0, 1, 3, 7, 15], 31),
        (5, 0, &[0, 1, 3, 7, 15, 31], 63),
        (6, 0, &[0, 1, 3, 7, 15, 31, 63], 127),
        (7, 0, &[0, 1, 3, 7, 15, 31, 63, 127], 247),
        (1, 1, &[0, 1, 2], 4),
        (2, 1, &[0, 1, 2, 4], 8),
        (3, 1, &[0, 1, 2, 4, 8], 16),
        (4, 1, &[0, 1, 2, 4, 8, 16], 32),
        (5, 1, &[0, 1, 2, 4, 8, 16, 32], 64),
        (6, 1, &[0, 1, 2, 4, 8, 16, 32, 64], 128),
        (7, 1, &[0, 1, 2, 4, 8, 16, 32, 64, 128], 248),
        (1, 4, &[0, 1, 2], 3),
        (2, 4, &[0, 1, 2, 3, 4, 5], 7),
        (3, 4, &[0, 1, 2, 3, 4, 5, 7, 11], 19),
        (4, 4, &[0, 1, 2, 3, 4, 5, 7, 11, 19], 35),
        (5, 4, &[0, 1, 2, 3, 4, 5, 7, 11, 19, 35], 67),
        (6, 4, &[0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67], 131),
        (7, 4, &[0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67, 131], 251),
    ];

    #[test]
    fn a_silent_peer_gets_these_syns() {
        for &(retries, linear, sends, death) in SYN {
            let sends = sends.iter().map(|secs| secs * 1000).collect();
            let params = Params { retries, linear, ..DEFAULT };
            assert_eq!(silent_peer(&params), (sends, death * 1000, Cause::Handshake), "{retries}, {linear}");
        }
    }

    #[test]
    fn rto_max_bounds_the_wait() {
        let params = Params { retries: 3, linear: 0, rto_max: ms(1000), ..DEFAULT };
        assert_eq!(silent_peer(&params), (vec![0, 1000, 2000, 3000], 4000, Cause::Handshake));
    }

    #[test]
    fn the_user_timeout_only_shortens() {
        let user_timeout = |ms_| Params { user_timeout: Some(ms(ms_)), ..DEFAULT };
        assert_eq!(silent_peer(&user_timeout(2500)), (vec![0, 1000, 2000], 2500, Cause::UserTimeout));
        assert_eq!(silent_peer(&user_timeout(500)), (vec![0, 1000], 1001, Cause::UserTimeout));
        let long = Params { retries: 1, linear: 0, ..user_timeout(10_000) };
        assert_eq!(silent_peer(&long), (vec![0, 1000], 3000, Cause::Handshake));
    }

    #[test]
    fn a_late_call_sends_one_more_syn_before_it_gives_up() {
        let asked = Facts { since: Some(at(0)), ..facts(at(86_400_000)) };
        assert_eq!(Handshake.verdict(&asked, &DEFAULT), Verdict::Probe);
        let extreme = Params { retries: 255, linear: 255, ..DEFAULT };
        assert_eq!(Handshake.verdict(&Facts { retransmits: 255, ..asked }, &extreme), Verdict::Abort(Cause::Handshake));
    }

    /// Answers a SYN at 0 and hears no more (or, deferring, a bare ACK at once): the SYN-ACKs, then the end.
    fn silent_client(retries: u8, defer_accept: Option<u8>) -> (Vec<u64>, u64) {
        let (mut retransmits, mut sends, mut now) = (0, vec![0], at(1000));
        let params = SynAckParams { retries };
        loop {
            let asked = Facts { retransmits, ..facts(now) };
            let verdict = match defer_accept {
                None => syn_ack_verdict(&asked, &params),
                Some(defer_accept) => deferred_verdict(&asked, &params, defer_accept),
            };
            retransmits += 1;
            let next = now + syn_ack_timeout(retransmits);
            match verdict {
                Verdict::Wait(at) => assert_eq!(at, next),
                Verdict::Probe => sends.push(millis(now)),
                Verdict::Abort(cause) => {
                    assert_eq!(cause, Cause::Handshake);
                    return (sends, millis(now));
                }
            }
            now = next;
        }
    }

    #[test]
    fn a_silent_client_gets_these_syn_acks() {
        assert_eq!(silent_client(5, None), (vec![0, 1000, 3000, 7000, 15_000, 31_000], 63_000));
        assert_eq!(silent_client(2, None), (vec![0, 1000, 3000], 7000));
        assert_eq!(silent_client(0, None), (vec![0], 1000));
        assert_eq!(syn_ack_timeout(7), RTO_MAX);
        assert_eq!(
            syn_ack_verdict(&Facts { due: at(9), ..facts(at(8)) }, &SynAckParams { retries: 0 }),
            Verdict::Wait(at(9))
        );
    }

    #[test]
    fn a_crowded_queue_gives_up_the_old_sooner_and_never_below_two() {
        // retries, half-open, young, backlog; what is left.
        let rows = [
            (5, 4, 0, 8, 5),
            (5, 5, 0, 8, 2),
            (5, 4, 0, 1, 5),
            (5, 5, 5, 8, 5),
            (5, 8, 4, 8, 4),
            (5, 8, 2, 8, 3),
            (5, 9, 4, 8, 4),
            (5, 8, 1, 8, 2),
            (1, 8, 0, 8, 1),
            (255, u32::MAX, 1, 8, 224),
        ];
        for (retries, half_open, young, backlog, expected) in rows {
            let actual = crowded_syn_ack_retries(retries, half_open, young, backlog);
            assert_eq!(actual, expected, "{retries} {half_open} {young} {backlog}");
        }
    }

    #[test]
    fn a_deferred_accept_is_silent_until_the_last_period() {
        let three_seconds = defer_accept_retransmits(3);
        assert_eq!(silent_client(5, Some(three_seconds)), (vec![0, 3000, 7000, 15_000, 31_000], 63_000));
        assert!(is_deferring(1, three_seconds) && !is_deferring(2, three_seconds));
        assert_eq!(silent_client(1, Some(4)), (vec![0, 15_000], 31_000), "the deferral outlasts the retries");
        let early = Facts { due: at(9), ..facts(at(8)) };
        assert_eq!(deferred_verdict(&early, &SynAckParams { retries: 0 }, 9), Verdict::Wait(at(9)));
    }

    #[test]
    fn defer_accept_reads_back_rounded_up_to_whole_periods() {
        let rows = [(0, 0), (1, 1), (2, 3), (3, 3), (4, 7), (5, 7), (10, 15), (30, 31), (100, 127), (1000, 1087)];
        for (set, read) in rows {
            assert_eq!(defer_accept_secs(defer_accept_retransmits(set)), read, "{set}");
        }
        assert_eq!(defer_accept_retransmits(u32::MAX), 255);
    }
}
