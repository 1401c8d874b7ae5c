//! The local device refuses a segment: it drops it and says so, as a full queue without room does (Linux
//! `NET_XMIT_DROP`; `tcp_write_xmit`, `tcp_retransmit_timer`, `tcp_send_probe0`, `tcp_keepalive_timer`).
//!
//! Nothing was tried, so nothing was learned of the peer. What was new counts as not sent. What a timer sent is tried
//! again in half a second, and neither that nor the next try is backed off for; but only a keepalive probe goes
//! uncounted. What was lost waits for the next ACK. A refused ACK or reset is as good as lost on its way.
//!
//! The congestion window shrinks as by any other sign of congestion (`tcp_enter_cwr`).

use super::Env;
use super::conn::Conn;
use super::emit::{Before, Emit, EmitKind};
use super::flags::ConnFlags;
use super::recovery::CaState;
use super::timers::Purpose;
use crate::buf::{Buffers, Marks, Sent};
use crate::config::Sysctl;
use crate::liveness::handshake;
use crate::liveness::retransmission::{REFUSED_RETRY, Retransmission};
use crate::time::Instant;
use crate::wire::Flags;

impl Conn {
    /// The device refused `emit`, the segment that [`Conn::poll_transmit`] handed out last. Tell it before anything
    /// else; of a segment that an answer overtook nothing is taken back. A device that is merely busy is another
    /// matter: keep the segment until it takes it.
    pub fn handle_refused(&mut self, now: Instant, emit: &Emit, sysctl: &Sysctl, buffers: &mut impl Buffers) {
        let env = Env { now, sysctl };
        match emit.kind {
            EmitKind::Data => self.on_data_refused(&env, emit, buffers),
            EmitKind::TailLossProbe => self.on_tail_probe_refused(&env, emit, buffers),
            EmitKind::Retransmission if emit.header.flags.contains(Flags::SYN) => self.on_syn_refused(&env),
            EmitKind::Retransmission => self.on_retransmission_refused(&env, emit, buffers),
            EmitKind::WindowProbe => self.on_window_probe_refused(&env),
            EmitKind::KeepaliveProbe if self.keepalive.due().is_some() => {
                self.probes = self.probes.saturating_sub(1);
                self.keepalive.on_probe_refused(now);
            }
            EmitKind::KeepaliveProbe | EmitKind::Syn | EmitKind::Ack | EmitKind::Reset => {}
        }
        self.note_local_congestion(buffers);
        self.check_in_debug_builds();
    }

    pub(super) fn before(&self, by_timer: bool) -> Before {
        Before {
            by_timer,
            probes: self.probes,
            backoff: self.retransmission.backoff,
            probing_since: self.zero_window.since,
            timer: self.write_timer,
        }
    }

    fn on_syn_refused(&mut self, env: &Env<'_>) {
        if self.write_timer.purpose != Purpose::Handshake || self.write_timer.at.is_none() {
            return;
        }
        let Retransmission { retransmits, backoff, .. } = self.retransmission;
        let backoff = handshake::backoff_after_refusal(retransmits, backoff, &self.handshake_params(env));
        self.retransmission.backoff = backoff;
        self.write_timer.arm(Purpose::Handshake, env.now + REFUSED_RETRY);
    }

    fn on_data_refused(&mut self, env: &Env<'_>, emit: &Emit, buffers: &mut impl Buffers) {
        if !self.take_back(emit, buffers) {
            return;
        }
        let Before { by_timer, probes, backoff, probing_since, timer } = emit.before;
        self.zero_window.since = probing_since;
        if by_timer {
            // What a probe timer let out counts as a probe.
            self.probes = probes.saturating_add(1);
            self.retransmission.backoff = backoff;
            let params = self.zero_window_params(env);
            let (_, wait) = self.zero_window.on_refused(backoff, env.now, &params);
            self.write_timer.arm(Purpose::WindowProbe, env.now + wait);
        } else if timer.at.is_some() {
            self.write_timer = timer;
        } else {
            // Nothing is in flight that could draw an ACK.
            self.arm_first_window_probe(env);
        }
    }

    /// The latest segment of new data was not sent after all. False if it is no longer the latest.
    fn take_back(&mut self, emit: &Emit, buffers: &mut impl Buffers) -> bool {
        let Some(last) = buffers.sent_len().checked_sub(1) else { return false };
        let seq = emit.header.seq;
        let fresh = |sent: &Sent| sent.seq == seq && !sent.marks.has(Marks::EVER_RETRANSMITTED);
        if !buffers.sent(last).is_some_and(|sent| fresh(&sent)) {
            return false;
        }
        buffers.remove_sent(last);
        self.take_back_count(buffers);
        self.snd_nxt = seq;
        self.pushed_seq = self.pushed_seq.min(seq);
        if emit.header.flags.contains(Flags::FIN) {
            self.flags.set(ConnFlags::FIN_SENT, false);
        }
        let before = last.checked_sub(1).and_then(|index| buffers.sent(index));
        let small = before.filter(|sent| sent.len < u32::from(self.mss));
        self.snd_sml = small.map_or(self.snd_una, |sent| sent.end());
        self.flags.set(ConnFlags::REFUSED, true);
        true
    }

    /// What did not leave is not part of a reduction in proportion.
    fn take_back_count(&self, buffers: &mut impl Buffers) {
        let reducing = self.recovery.is_reducing();
        let board = buffers.scoreboard_mut();
        board.prr_out = board.prr_out.saturating_sub(u32::from(reducing));
    }

    /// The local device is congested (`tcp_enter_cwr`).
    fn note_local_congestion(&mut self, buffers: &mut impl Buffers) {
        if !self.state.is_synchronized() || self.recovery.state >= CaState::Cwr {
            return;
        }
        let board = buffers.scoreboard_mut();
        board.prior_ssthresh = 0;
        board.undo_marker = None;
        self.begin_reduction(buffers);
        self.recovery.state = CaState::Cwr;
    }

    fn on_tail_probe_refused(&mut self, env: &Env<'_>, emit: &Emit, buffers: &mut impl Buffers) {
        if buffers.scoreboard().tlp_high_seq.is_none() {
            return;
        }
        if !self.flags.has(ConnFlags::TAIL_REPEATED) {
            self.take_back(emit, buffers);
        }
        self.forget_tail_probe(buffers);
        let at = self.rto_of_head(env, buffers);
        self.write_timer.arm(Purpose::Retransmission, at);
    }

    /// What was lost is lost still. It stays marked as sent twice, so that no round trip is measured by it.
    fn on_retransmission_refused(&mut self, env: &Env<'_>, emit: &Emit, buffers: &mut impl Buffers) {
        let found = (0..buffers.sent_len()).find_map(|index| {
            let sent = buffers.sent(index)?;
            (sent.seq == emit.header.seq).then_some((index, sent))
        });
        let Some((index, mut sent)) = found else { return };
        if sent.marks.has(Marks::RETRANSMITTED) {
            sent.marks = sent.marks.without(Marks::RETRANSMITTED);
            buffers.set_sent(index, sent);
            let board = buffers.scoreboard_mut();
            board.retrans_out = board.retrans_out.saturating_sub(1);
            board.resend_from = board.resend_from.min(sent.seq);
            self.take_back_count(buffers);
        }
        self.flags.set(ConnFlags::REFUSED, true);
        let shrunk = self.snd_wnd == 0 && !self.is_orphan();
        if !emit.before.by_timer {
            if emit.before.timer.at.is_some() {
                self.write_timer = emit.before.timer;
            }
        } else if !shrunk {
            self.retransmission.on_refused();
            self.write_timer.arm(Purpose::Retransmission, env.now + REFUSED_RETRY);
        }
    }

    fn on_window_probe_refused(&mut self, env: &Env<'_>) {
        if self.write_timer.purpose != Purpose::WindowProbe || self.write_timer.at.is_none() {
            return;
        }
        let params = self.zero_window_params(env);
        let (backoff, wait) = self.zero_window.on_refused(self.retransmission.backoff, env.now, &params);
        self.retransmission.backoff = backoff;
        self.write_timer.arm(Purpose::WindowProbe, env.now + wait);
    }
}
