//! The last segments of a burst may be lost without anything behind them that tells (RFC 8985 7; Linux
//! `tcp_schedule_loss_probe`, `tcp_send_loss_probe`, `tcp_process_tlp_ack`).
//!
//! Two round trips after the last transmission one more segment is sent: new data if the window admits any, else the
//! last segment again. Its acknowledgment shows what is missing, and recovery begins at once instead of at the RTO.
//! This is no timeout: nothing is backed off and the give-up clock does not start; the RTO follows in full, counted
//! from the probe. So with SACK everything that waits for the first RTO comes that much later.
//!
//! Only with SACK, while nothing else is wrong, once per tail, and only if `tcp_early_retrans` is 3 or 4.

use super::Env;
use super::acked::Acked;
use super::conn::Conn;
use super::flags::{ConnFlags, Wants};
use super::recovery::CaState;
use super::timers::Purpose;
use crate::buf::Buffers;
use crate::config::Sysctl;
use crate::liveness::rto;
use crate::seq::SeqNum;
use crate::time::{Duration, Instant, ceil_to_tick};

/// What is added to two round trips when more than one segment is out, so that the peer may delay its ACK no further
/// (Linux `TCP_TIMEOUT_MIN_US`).
const MARGIN: Duration = Duration::from_millis(2);

impl Conn {
    /// Arms the transmit timer for a probe, if there may be one; an RTO that comes earlier takes its place.
    /// `acked`: an ACK moved the flight, so the RTO counts from now; otherwise it counts from the first segment.
    pub(super) fn schedule_tail_loss_probe(&mut self, env: &Env<'_>, buffers: &impl Buffers, acked: bool) -> bool {
        if !self.may_probe_tail(env.sysctl, buffers) {
            return false;
        }
        let probe = env.now + self.probe_timeout(env.sysctl, buffers.sent_len());
        let rto = if acked { env.now + self.backed_off_rto(env.sysctl) } else { self.rto_of_head(env, buffers) };
        self.write_timer.arm(Purpose::TailLoss, probe.min(rto));
        true
    }

    /// New data left: the RTO starts if nothing was in flight before, and a probe takes its place if there may be one.
    pub(super) fn arm_timer_for_new_data(&mut self, env: &Env<'_>, buffers: &mut impl Buffers, first: bool) {
        if first {
            self.restart_retransmission_timer(env, buffers);
        }
        if self.wants.has(Wants::TAIL) {
            return self.on_tail_probe_sent(buffers);
        }
        let probes = self.schedule_tail_loss_probe(env, buffers, false);
        if !probes && self.write_timer.purpose == Purpose::TailLoss && self.write_timer.at.is_some() {
            let at = self.rto_of_head(env, buffers);
            self.write_timer.arm(Purpose::Retransmission, at);
        }
    }

    fn may_probe_tail(&self, sysctl: &Sysctl, buffers: &impl Buffers) -> bool {
        matches!(sysctl.tcp_early_retrans, 3 | 4)
            && self.has_sack()
            && matches!(self.recovery.state, CaState::Open | CaState::Cwr)
            && buffers.sent_len() > 0
    }

    /// Two round trips; for a lone segment, whose ACK the peer may delay, the least RTO more.
    fn probe_timeout(&self, sysctl: &Sysctl, in_flight: usize) -> Duration {
        if !self.estimator.has_sample() {
            return rto::INITIAL;
        }
        let least = Duration::from_micros(u64::from(self.options.rto_min_us(sysctl)));
        ceil_to_tick(self.estimator.srtt() * 2 + if in_flight == 1 { least } else { MARGIN })
    }

    /// The timer fired: one probe at a time, then the RTO.
    pub(super) fn on_tail_loss_timeout(&mut self, env: &Env<'_>, buffers: &mut impl Buffers) {
        let Some(last) = buffers.sent_len().checked_sub(1) else {
            debug_assert!(false, "a tail loss probe is due, and nothing is in flight");
            return self.write_timer.stop();
        };
        let fits = |seq: SeqNum| seq.before(self.snd_una + self.snd_wnd) || seq == self.snd_una;
        let repeats = self.next_data_in_window(buffers).is_none();
        let can_repeat = buffers.sent(last).is_some_and(|sent| fits(sent.seq));
        let alone =
            matches!(self.recovery.state, CaState::Open | CaState::Cwr) && buffers.scoreboard().tlp_high_seq.is_none();
        if !alone || (repeats && !can_repeat) {
            let at = self.rto_of_head(env, buffers);
            return self.write_timer.arm(Purpose::Retransmission, at);
        }
        self.wants.set(Wants::TAIL, true);
        buffers.scoreboard_mut().tlp_high_seq = Some(self.snd_nxt);
        self.flags.set(ConnFlags::TAIL_REPEATED, repeats);
        self.write_timer.arm(Purpose::Retransmission, env.now + self.backed_off_rto(env.sysctl));
    }

    /// The probe leaves now.
    pub(super) fn on_tail_probe_sent(&mut self, buffers: &mut impl Buffers) {
        self.wants.set(Wants::TAIL, false);
        buffers.scoreboard_mut().tlp_high_seq = Some(self.snd_nxt);
    }

    /// A loss is being repaired: the probe has nothing more to tell.
    pub(super) fn forget_tail_probe(&mut self, buffers: &mut impl Buffers) {
        buffers.scoreboard_mut().tlp_high_seq = None;
        self.wants.set(Wants::TAIL, false);
    }

    /// What an ACK says of the probe. If old data was repeated and the peer does not report it as a duplicate, the
    /// probe has repaired a loss, and congestion control must know.
    pub(super) fn process_tail_probe_ack(&mut self, acked: &Acked, buffers: &mut impl Buffers) {
        if buffers.sent_len() == 0 {
            self.wants.set(Wants::TAIL, false);
        }
        let Some(high) = buffers.scoreboard().tlp_high_seq.filter(|high| self.snd_una.at_or_after(*high)) else {
            return;
        };
        let repeated = self.flags.has(ConnFlags::TAIL_REPEATED);
        if !repeated || acked.dsack_of_probe {
            self.forget_tail_probe(buffers);
        } else if self.snd_una.after(high) {
            self.begin_reduction(buffers);
            self.recovery.state = CaState::Cwr;
            self.end_reduction(buffers);
            self.keep_open(buffers);
        } else if acked.is_pure_duplicate() {
            self.forget_tail_probe(buffers);
        }
    }

    /// When the RTO of the first segment in flight is over; never in the past.
    pub(super) fn rto_of_head(&self, env: &Env<'_>, buffers: &impl Buffers) -> Instant {
        let sent_at = buffers.sent(0).map_or(env.now, |head| head.sent_at);
        (sent_at + self.backed_off_rto(env.sysctl)).max(env.now)
    }
}
