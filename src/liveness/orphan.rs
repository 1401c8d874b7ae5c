//! The application has closed, and what it left behind may not live for ever (RFC 9293 3.6; RFC 1122 4.2.2.13).
//!
//! An orphan is a connection without an owner: its data and its FIN still want an acknowledgment, but nobody waits for
//! the outcome. It is not a rule of its own but narrower limits for two others, from one number, `tcp_orphan_retries`:
//!
//! - With data or a FIN in flight, the number takes the place of `tcp_retries2` in
//!   [`retransmission`](super::retransmission): ask [`Params::limit`] at each expiry. By default a FIN into a black
//!   hole is resent eight times in 104 s.
//! - With data queued before a zero window it is the count of unanswered probes. And once the backoff has reached
//!   `tcp_rto_max_ms` it limits the backoff too: a peer that keeps answering cannot hold an orphan for ever.
//!
//! The end is silent. A half-closed connection (`shutdown`, not `close`) is no orphan.
//!
//! Linux: `tcp_orphan_retries`, the `SOCK_DEAD` branches of `tcp_write_timeout` and `tcp_probe_timer`.

use super::rto::backed_off;
use super::{Cause, Facts, Verdict};
use crate::time::Duration;

/// What `tcp_orphan_retries = 0` means while the backoff has not reached its cap: over 100 s at the smallest RTO.
pub const RETRIES_WHILE_ALIVE: u8 = 8;

/// The limits of an orphan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// `tcp_orphan_retries`, 0 to 255, default 0: eight while alive, else none.
    pub retries: u8,
    /// Whether an ICMP error is remembered from after the last acceptable ACK.
    pub soft_error: bool,
    /// The longest RTO: `TCP_RTO_MAX_MS`, else `tcp_rto_max_ms`, default 120 s.
    pub rto_max: Duration,
}

impl Params {
    /// The limit that holds now, `backed_off` being the RTO after backoff.
    pub fn limit(&self, backed_off: Duration) -> u8 {
        retries(self.retries, is_alive(backed_off, self.rto_max), self.soft_error)
    }
}

/// How many retries an orphan gets: none once an ICMP error says that something is wrong and the backoff agrees.
pub const fn retries(tcp_orphan_retries: u8, alive: bool, soft_error: bool) -> u8 {
    match (tcp_orphan_retries, alive) {
        (_, false) if soft_error => 0,
        (0, true) => RETRIES_WHILE_ALIVE,
        (retries, _) => retries,
    }
}

/// Whether something was sent recently, that is, the RTO after backoff is still below its cap.
pub fn is_alive(rto_backed_off: Duration, rto_max: Duration) -> bool {
    rto_backed_off < rto_max
}

/// The rule for an orphan before a zero window. It remembers nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orphan;

impl Orphan {
    /// What to do now: `Wait` until the probe timer is due, `Probe`, or give up.
    ///
    /// Reads `due`, `probes`, `rto` and `backoff`.
    pub fn verdict(&self, facts: &Facts, params: &Params) -> Verdict {
        if facts.now < facts.due {
            return Verdict::Wait(facts.due);
        }
        let rto = backed_off(facts.rto, facts.backoff, params.rto_max);
        let limit = params.limit(rto);
        let held_too_long = !is_alive(rto, params.rto_max) && facts.backoff >= limit;
        if held_too_long || facts.probes >= limit { Verdict::Abort(Cause::Orphan) } else { Verdict::Probe }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::retransmission::{self, Retransmission};
    use crate::liveness::rto::RTO_MAX;
    use crate::liveness::testing::{at, facts, millis, ms};

    #[test]
    fn zero_means_eight_while_alive() {
        let rows = [
            (0, true, false, 8),
            (0, true, true, 8),
            (0, false, false, 0),
            (0, false, true, 0),
            (5, true, true, 5),
            (5, false, false, 5),
            (5, false, true, 0),
        ];
        for (sysctl, alive, soft_error, expected) in rows {
            assert_eq!(retries(sysctl, alive, soft_error), expected, "{sysctl} {alive} {soft_error}");
        }
        assert!(is_alive(ms(119_999), RTO_MAX) && !is_alive(RTO_MAX, RTO_MAX));
    }

    /// Closes into a black hole with an RTO of 204 ms: how often the FIN is resent, and when the orphan is gone.
    fn fin_black_hole(orphan: Params) -> (usize, u64) {
        let (mut rule, mut now, mut resent) = (Retransmission::new(), at(204), 0);
        loop {
            let params = retransmission::Params {
                retries: orphan.limit(backed_off(ms(204), rule.backoff, orphan.rto_max)),
                rto_max: orphan.rto_max,
                user_timeout: None,
                orphan: true,
                thin_linear: false,
            };
            let facts = Facts { since: rule.since, retransmits: rule.retransmits, ..facts(now) };
            if rule.verdict(&facts, &params) == Verdict::Abort(Cause::Orphan) {
                return (resent, millis(now));
            }
            resent += 1;
            rule.on_expiry(now, &params, false);
            now += rule.timeout(ms(204), now, &params);
        }
    }

    #[test]
    fn a_fin_into_a_black_hole_is_resent_eight_times_by_default() {
        let default = Params { retries: 0, soft_error: false, rto_max: RTO_MAX };
        assert_eq!(fin_black_hole(default), (8, 104_244));
        assert_eq!(fin_black_hole(Params { retries: 2, ..default }), (3, 3060));
        assert_eq!(fin_black_hole(Params { rto_max: ms(1000), ..default }), (3, 2428), "dies when the cap is reached");
    }

    /// Queued data before a zero window, RTO 204 ms: how many probes leave, and when the orphan is gone.
    fn zero_window(params: &Params, answered: bool) -> (u8, u64) {
        let (mut now, mut sent, mut backoff) = (at(204), 0, 0);
        loop {
            let probes = if answered { 0 } else { sent };
            if Orphan.verdict(&Facts { probes, backoff, ..facts(now) }, params) != Verdict::Probe {
                return (sent, millis(now));
            }
            sent += 1;
            backoff += 1;
            now += backed_off(ms(204), backoff, params.rto_max);
        }
    }

    #[test]
    fn not_even_an_answering_peer_holds_an_orphan_for_ever() {
        let five = Params { retries: 5, soft_error: false, rto_max: ms(1000) };
        assert_eq!(zero_window(&five, true), (5, 4428));
        assert_eq!(zero_window(&five, false), (5, 4428));
        let default = Params { retries: 0, soft_error: false, rto_max: RTO_MAX };
        assert_eq!(zero_window(&default, false), (8, 104_244));
        assert_eq!(zero_window(&default, true), (10, 328_692));
    }

    #[test]
    fn before_its_timer_an_orphan_waits() {
        let params = Params { retries: 0, soft_error: false, rto_max: RTO_MAX };
        let early = Facts { due: at(204), probes: 200, ..facts(at(203)) };
        assert_eq!(Orphan.verdict(&early, &params), Verdict::Wait(at(204)));
    }
}
