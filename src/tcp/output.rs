//! What is sent next? Decided by [`Conn::next_action`], which changes nothing; done by [`Conn::poll_transmit`].
//!
//! "Is there something to send?" and "what is sent?" are the same decision, so they cannot disagree (RFC 9293
//! 3.8.6.2.1,
//! 3.7.4; Linux `tcp_write_xmit`, `tcp_retransmit_skb`, `tcp_write_wakeup`).

use super::Env;
use super::conn::Conn;
use super::emit::{Emit, EmitKind};
use super::flags::{ConnFlags, Wants};
use super::receive::window_scale;
use super::recovery::{in_flight_segments, next_lost};
use super::state::State;
use crate::buf::{Buffers, Marks, Sent};
use crate::config::Sysctl;
use crate::seq::SeqNum;
use crate::time::Instant;
use crate::wire::{Ecn, Flags, Header, TcpOptions, Timestamps};

/// Bytes that timestamps take in every segment, padding included.
pub(super) const TIMESTAMPS_LEN: u16 = 12;

/// What to send next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Nothing,
    Reset,
    Syn,
    /// The segment at this index of the flight, again.
    Retransmit(usize),
    /// New data, and perhaps the FIN.
    Data {
        len: u32,
        fin: bool,
    },
    /// An empty segment left of the window: a probe.
    Probe,
    Ack,
}

impl Conn {
    /// The next segment to send; ask until `None`. Taking it counts as sending it.
    pub fn poll_transmit(&mut self, now: Instant, sysctl: &Sysctl, buffers: &mut impl Buffers) -> Option<Emit> {
        let env = Env { now, sysctl };
        let emit = match self.next_action(buffers) {
            Action::Nothing => {
                self.on_nothing_to_send(&env, buffers);
                None
            }
            Action::Reset => Some(self.send_reset(&env, buffers)),
            Action::Syn => Some(self.send_syn(&env)),
            Action::Retransmit(index) => self.send_again(&env, buffers, index),
            Action::Data { len, fin } => Some(self.send_data(&env, buffers, len, fin)),
            Action::Probe => Some(self.send_probe(&env, buffers)),
            Action::Ack => {
                let header = self.ack_header(&env, buffers, None);
                Some(self.bare_emit(header, EmitKind::Ack))
            }
        };
        self.check_in_debug_builds();
        emit
    }

    /// Whether [`Conn::poll_transmit`] has a segment now.
    pub fn wants_transmit(&self, buffers: &impl Buffers) -> bool {
        self.next_action(buffers) != Action::Nothing
    }

    /// Whether [`Conn::poll_transmit`] must be called: it has a segment, or must see that none may leave (and arm a
    /// probe).
    pub fn is_ready(&self, buffers: &impl Buffers) -> bool {
        let stalled = self.state.may_transmit()
            && self.write_timer.at.is_none()
            && buffers.sent_len() == 0
            && (self.unsent(buffers) > 0 || self.is_fin_pending());
        // A push that finds nothing to push must not free small segments from Nagle later.
        stalled || self.wants.has(Wants::FORCE | Wants::PUSH) || self.wants_transmit(buffers)
    }

    fn next_action(&self, buffers: &impl Buffers) -> Action {
        if self.wants.has(Wants::RESET) {
            return Action::Reset;
        }
        if self.wants.has(Wants::SYN) {
            return Action::Syn;
        }
        if self.wants.has(Wants::TAIL)
            && let Some(probe) = self.next_tail_probe(buffers)
        {
            return probe;
        }
        if let Some(index) = self.next_retransmission(buffers) {
            return Action::Retransmit(index);
        }
        if let Some((len, fin)) = self.next_data(buffers) {
            return Action::Data { len, fin };
        }
        if self.wants.has(Wants::PROBE | Wants::FORCE) {
            Action::Probe
        } else if self.wants.has(Wants::ACK) {
            Action::Ack
        } else {
            Action::Nothing
        }
    }

    /// The head if a timer or fast retransmit demands it; otherwise what is lost, as far as the congestion window goes.
    fn next_retransmission(&self, buffers: &impl Buffers) -> Option<usize> {
        if self.wants.has(Wants::HEAD) && buffers.sent_len() > 0 {
            return Some(0);
        }
        if self.flags.has(ConnFlags::REFUSED) {
            return None;
        }
        let index = next_lost(buffers)?;
        let sent = buffers.sent(index)?;
        let in_window = sent.seq.before(self.snd_una + self.snd_wnd) || sent.seq.at_or_before(self.snd_una);
        (in_window && in_flight_segments(buffers) < self.congestion.cwnd).then_some(index)
    }

    /// New data if the window admits it, else the last segment again; neither if all was acknowledged meanwhile.
    fn next_tail_probe(&self, buffers: &impl Buffers) -> Option<Action> {
        let last = buffers.sent_len().checked_sub(1)?;
        let new = self.next_data_in_window(buffers).map(|(len, fin)| Action::Data { len, fin });
        Some(new.unwrap_or(Action::Retransmit(last)))
    }

    /// The next segment of new data if nothing held it back: (bytes, with FIN).
    pub(super) fn next_unsent(&self, buffers: &impl Buffers) -> Option<(u32, bool)> {
        let unsent = self.unsent(buffers);
        if !self.state.may_transmit() || (unsent == 0 && !self.is_fin_pending()) || !buffers.has_sent_room(1) {
            return None;
        }
        let offset = self.in_flight_bytes() as usize;
        let record = buffers.record_end(offset).map_or(u32::MAX, |end| (end - offset) as u32);
        let len = unsent.min(self.segment_limit(buffers)).min(record);
        Some((len, self.is_fin_pending() && len == unsent))
    }

    /// The same if the peer's window admits all of it, whatever congestion control and Nagle say.
    pub(super) fn next_data_in_window(&self, buffers: &impl Buffers) -> Option<(u32, bool)> {
        self.next_unsent(buffers).filter(|&(len, fin)| len + u32::from(fin) <= self.usable_window())
    }

    /// New data that may leave now: (bytes, with FIN).
    pub(super) fn next_data(&self, buffers: &impl Buffers) -> Option<(u32, bool)> {
        if self.wants.has(Wants::FORCE) {
            // A probe timer expired: what fits goes, however little (Linux `tcp_write_wakeup`).
            let (len, fin) = self.next_unsent(buffers)?;
            let usable = self.usable_window();
            let fits = len.min(usable);
            return (fits > 0).then_some((fits, fin && fits == len && usable > len));
        }
        let (len, fin) = self.next_data_in_window(buffers).filter(|_| !self.flags.has(ConnFlags::REFUSED))?;
        let congested = in_flight_segments(buffers) >= self.congestion.cwnd;
        (!congested && !self.is_held_back(len, fin, buffers)).then_some((len, fin))
    }

    /// Nagle in Minshall's form, and `TCP_CORK`: a small segment waits while an earlier small one is unacknowledged.
    fn is_held_back(&self, len: u32, fin: bool, buffers: &impl Buffers) -> bool {
        // What something else follows is not the end of a write.
        let full = len >= self.segment_limit(buffers) || len < self.unsent(buffers);
        if full
            || fin
            || Self::is_urgent(buffers)
            || self.flags.has(ConnFlags::FIN_QUEUED)
            || self.wants.has(Wants::PUSH)
        {
            return false;
        }
        let small_in_flight = self.snd_sml.after(self.snd_una) && self.snd_sml.at_or_before(self.snd_nxt);
        let corked = self.options.tcp_cork() || self.flags.has(ConnFlags::HELD_FOR_MORE);
        corked || (!self.options.tcp_nodelay() && buffers.sent_len() > 0 && small_in_flight)
    }

    /// Bytes one segment may carry now: the MSS, less SACK blocks to report, and at most half the largest window seen,
    /// so that a peer with a tiny buffer is not stopped by every segment (Linux `tcp_bound_to_half_wnd`).
    pub(super) fn segment_limit(&self, buffers: &impl Buffers) -> u32 {
        let mut mss = u32::from(self.mss);
        if self.flags.has(ConnFlags::SACK) && buffers.held() > 0 {
            mss = mss.saturating_sub(self.sack_option_len(buffers));
        }
        let half = if self.max_window > HALF_WINDOW_FROM { self.max_window / 2 } else { self.max_window };
        if half > 0 && mss > half { half.max(SEGMENT_MIN) } else { mss.max(1) }
    }

    fn on_nothing_to_send(&mut self, env: &Env<'_>, buffers: &mut impl Buffers) {
        let queued = self.unsent(buffers) > 0 || self.is_fin_pending();
        self.wants.set(Wants::FORCE | Wants::PUSH, false);
        self.note_limit(env.now, buffers);
        if queued && self.state.may_transmit() && buffers.sent_len() == 0 && self.write_timer.at.is_none() {
            self.arm_first_window_probe(env);
        }
    }

    /// SYN, or the SYN-ACK of a simultaneous open: the same segment each time, with a fresh timestamp.
    fn send_syn(&mut self, env: &Env<'_>) -> Emit {
        let again = self.snd_nxt != self.snd_una;
        let crossed = self.state == State::SynReceived;
        self.wants.set(Wants::SYN, false);
        if !again {
            self.snd_nxt += 1;
        }
        if self.write_timer.at.is_none() {
            self.start_handshake_timer(env);
        }
        let flags = if crossed { Flags::SYN | Flags::ACK } else { Flags::SYN };
        let flags = flags | self.ecn_of_syn(env, again, crossed);
        let ack = if crossed { self.rcv_nxt } else { SeqNum::default() };
        let header = Header {
            window: self.rcv_wnd.min(u32::from(u16::MAX)) as u16,
            options: self.syn_options(env),
            ..Header::new(self.snd_una, ack, flags)
        };
        if crossed {
            self.on_ack_sent();
        }
        self.bare_emit(header, if again { EmitKind::Retransmission } else { EmitKind::Syn })
    }

    fn syn_options(&self, env: &Env<'_>) -> TcpOptions {
        let scale =
            if self.state == State::SynReceived { self.rcv_wscale } else { window_scale(&self.options, env.sysctl) };
        let timestamps = Timestamps { val: self.tsval(env.now), ecr: self.ts_recent };
        TcpOptions {
            mss: Some(self.advertised_mss()),
            window_scale: self.flags.has(ConnFlags::WINDOW_SCALE).then_some(scale),
            sack_permitted: self.flags.has(ConnFlags::SACK),
            timestamps: self.flags.has(ConnFlags::TIMESTAMPS).then_some(timestamps),
            ..TcpOptions::NONE
        }
    }

    /// RST+ACK at `snd_nxt`: what keepalive death and an abort tell the peer.
    fn send_reset(&mut self, env: &Env<'_>, buffers: &impl Buffers) -> Emit {
        self.wants = Wants::NONE;
        let mut header = self.bare_header(env, buffers, self.snd_nxt, Flags::RST | Flags::ACK);
        header.options.sack = crate::wire::SackBlocks::EMPTY;
        self.bare_emit(header, EmitKind::Reset)
    }

    /// Length 0 at `snd_una` - 1: the peer must answer, and nothing is consumed [SHLD-12].
    fn send_probe(&mut self, env: &Env<'_>, buffers: &impl Buffers) -> Emit {
        self.wants.set(Wants::PROBE | Wants::FORCE, false);
        let header = self.bare_header(env, buffers, self.snd_una - 1, Flags::ACK);
        self.on_ack_sent();
        // One form for both: keepalive never probes while anything is outstanding, and a window is never probed for
        // nothing.
        let kind = if self.is_outstanding(buffers) { EmitKind::WindowProbe } else { EmitKind::KeepaliveProbe };
        self.bare_emit(header, kind)
    }

    fn send_data(&mut self, env: &Env<'_>, buffers: &mut impl Buffers, len: u32, fin: bool) -> Emit {
        if buffers.sent_len() == 0 {
            self.restart_after_idle(env, buffers);
        }
        let forced = self.wants.take(Wants::FORCE);
        let before = self.before(forced);
        let kind = if self.wants.has(Wants::TAIL) { EmitKind::TailLossProbe } else { EmitKind::Data };
        self.wants.set(Wants::PROBE, false);
        let offset = self.in_flight_bytes();
        let drained = offset + len == buffers.len() as u32;
        let seq = self.snd_nxt;
        let end = seq + len;
        // A peer that delivers only at PSH must not be left with more than half its buffer (Linux `forced_push`).
        let overdue = end.distance(self.pushed_seq) > self.max_window / 2;
        let mut marks = Marks::NONE;
        let record_ends = buffers.record_end(offset as usize) == Some((offset + len) as usize);
        let written = (drained && !self.flags.has(ConnFlags::MORE_FOLLOWS)) || record_ends;
        if written || forced || overdue {
            marks = Marks::PSH;
            self.pushed_seq = end;
        }
        if fin {
            marks = marks.with(Marks::FIN);
            self.flags.set(ConnFlags::FIN_SENT, true);
        }
        let sent = Sent {
            seq,
            len: len + u32::from(fin),
            sent_at: env.now,
            order: buffers.scoreboard_mut().next_order(),
            marks,
        };
        let first = buffers.sent_len() == 0;
        let recorded = buffers.insert_sent(buffers.sent_len(), sent);
        debug_assert!(recorded.is_ok(), "room was asked for");
        self.snd_nxt += sent.len;
        if len < u32::from(self.mss) {
            self.snd_sml = self.snd_nxt;
        }
        // Noted here, not when there is no more to send: a stack does not ask whom it knows to be silent.
        self.note_window_use(buffers);
        self.note_limit(env.now, buffers);
        let reducing = self.recovery.is_reducing();
        let board = buffers.scoreboard_mut();
        board.prr_out += u32::from(reducing);
        board.totals.bytes_sent += u64::from(len);
        self.arm_timer_for_new_data(env, buffers, first);
        if forced {
            self.end_probing();
        } else if drained {
            self.zero_window.on_episode_end();
        }
        if len > 0 {
            self.last_sent_ms = env.now.as_millis() as u32;
            self.delayed_ack.on_data_sent(env.now);
        }
        if self.options.notsent_lowat(env.sysctl) < u32::MAX {
            self.tell_writer(env.sysctl, buffers);
        }
        let mut header = self.data_header(env, buffers, seq, marks, len);
        let ecn = if len > 0 { self.mark_new_data(&mut header) } else { Ecn::NotEct };
        Emit { header, offset: offset as usize, len: len as usize, kind, ecn, before }
    }

    /// A segment without payload.
    fn bare_emit(&self, header: Header, kind: EmitKind) -> Emit {
        Emit { header, offset: 0, len: 0, kind, ecn: Ecn::NotEct, before: self.before(false) }
    }

    /// RFC 2861: a congestion window is worth one retransmission timeout of silence.
    fn restart_after_idle(&mut self, env: &Env<'_>, buffers: &mut impl Buffers) {
        let idle_ms = (env.now.as_millis() as u32).wrapping_sub(self.last_sent_ms);
        buffers.scoreboard_mut().cubic.on_restart(idle_ms, env.now);
        if env.sysctl.tcp_slow_start_after_idle == 0 {
            return;
        }
        let rto_ms = self.rto(env.sysctl).as_millis().max(1) as u32;
        if idle_ms > rto_ms && self.estimator.has_sample() {
            self.congestion.on_idle(idle_ms / rto_ms);
        }
    }

    pub(super) fn data_header(
        &mut self,
        env: &Env<'_>,
        buffers: &impl Buffers,
        seq: SeqNum,
        marks: Marks,
        len: u32,
    ) -> Header {
        let mut flags = Flags::ACK;
        if marks.has(Marks::PSH) && len > 0 {
            flags |= Flags::PSH;
        }
        if marks.has(Marks::FIN) {
            flags |= Flags::FIN;
        }
        let header = self.bare_header(env, buffers, seq, flags);
        self.on_ack_sent();
        header
    }
}

/// Peers whose largest window is above this get at most half of it in one segment.
const HALF_WINDOW_FROM: u32 = 536;
/// No window makes segments smaller than this (68 bytes of IP packet, the least that IPv4 carries whole, less 40).
const SEGMENT_MIN: u32 = 28;
