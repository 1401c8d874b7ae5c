//! Where arriving data goes, and what window is offered for more (RFC 9293 3.10.7.4 seventh and eighth, 3.8.6.2.2;
//! Linux `tcp_data_queue`, `tcp_select_window`, `tcp_fin`, `tcp_cleanup_rbuf`).

use super::Env;
use super::conn::Conn;
use super::delayed_ack::{Arrival, Owed};
use super::flags::{ConnFlags, EventSet, Wants};
use super::state::State;
use crate::buf::Buffers;
use crate::config::Sysctl;
use crate::seq::SeqNum;
use crate::time::Instant;
use crate::wire::{Ecn, Flags, Header, SackBlock, Segment, TcpOptions, Timestamps};

impl Conn {
    /// Seventh, the segment text: trimmed to the window, kept in order or beyond a gap. Returns a duplicate ACK for
    /// what is out of order or old, since the sender counts those.
    pub(super) fn seventh_take_text(
        &mut self,
        env: &Env<'_>,
        segment: &Segment<'_>,
        ecn: Ecn,
        buffers: &mut impl Buffers,
    ) -> Option<Header> {
        let header = &segment.header;
        if segment.payload.is_empty() || !self.state.may_receive() {
            return None;
        }
        self.take_cwr(segment);
        let old = if header.seq.before(self.rcv_nxt) { self.rcv_nxt.distance(header.seq) as usize } else { 0 };
        if old >= segment.payload.len() {
            if self.brings_fin(segment) {
                // Not all old: the FIN is new, and its acknowledgment says all there is to say.
                return None;
            }
            self.delayed_ack.on_duplicate(self.rcv_wnd);
            let block = self.old_part(env.sysctl, segment);
            return Some(self.ack_header(env, buffers, block));
        }
        let start = header.seq.max(self.rcv_nxt);
        let offset = start.distance(self.rcv_nxt) as usize;
        let room = (self.receive_window() as usize).saturating_sub(offset);
        let payload = &segment.payload[old..];
        let payload = &payload[..payload.len().min(room)];
        if payload.is_empty() {
            // A window probe, or data beyond a closed window: answered, not taken (RFC 9293 3.8.6.1).
            return Some(self.ack_header(env, buffers, None));
        }
        let arrival = Arrival {
            len: segment.payload.len(),
            pushed: header.flags.contains(Flags::PSH),
            mss: self.advertised_mss(),
            window: self.rcv_wnd,
            rto: self.rto(env.sysctl),
        };
        self.delayed_ack.on_data(env.now, &arrival);
        self.take_congestion_mark(ecn);
        let received = SackBlock { start, end: start + payload.len() as u32 };
        let held = self.held_part(env.sysctl, buffers, received);
        let old = self.old_part(env.sysctl, segment);
        let advanced = buffers.insert(offset, payload);
        if advanced == 0 && offset == 0 {
            return Some(self.no_room_ack(env, buffers));
        }
        if advanced == 0 {
            self.note_received(received, buffers);
            return Some(self.ack_header(env, buffers, held));
        }
        self.heard_at = env.now;
        self.rcv_nxt += advanced as u32;
        buffers.scoreboard_mut().totals.bytes_received += advanced as u64;
        self.measure_receive_rtt(env, header, segment.payload.len(), buffers);
        self.events.set(EventSet::READABLE, true);
        let duplicate = old.or(held);
        duplicate.map(|_| self.ack_header(env, buffers, duplicate))
    }

    /// Eighth, the FIN bit; a FIN beyond a gap waits until the gap closes.
    pub(super) fn eighth_check_fin(&mut self, env: &Env<'_>, segment: &Segment<'_>) {
        if segment.header.flags.contains(Flags::FIN) && !self.state.peer_finished() {
            self.flags.set(ConnFlags::FIN_HELD, true);
            self.peer_fin = segment.header.seq + segment.payload.len() as u32;
            if segment.payload.is_empty() && self.peer_fin.after(self.rcv_nxt) {
                // As for data beyond a gap; with data it has left already.
                self.wants.set(Wants::ACK, true);
            }
        }
        if self.flags.has(ConnFlags::FIN_HELD) && self.peer_fin == self.rcv_nxt && self.state.may_receive() {
            self.take_fin(env);
        } else if segment.header.flags.contains(Flags::FIN) && self.state.peer_finished() {
            // Again: the ACK was lost.
            self.wants.set(Wants::ACK, true);
        }
    }

    /// Whether the segment ends with a FIN that comes next.
    fn brings_fin(&self, segment: &Segment<'_>) -> bool {
        let fin = segment.header.seq + segment.payload.len() as u32;
        segment.header.flags.contains(Flags::FIN) && fin == self.rcv_nxt && !self.state.peer_finished()
    }

    fn take_fin(&mut self, env: &Env<'_>) {
        self.flags.set(ConnFlags::FIN_HELD, false);
        self.flags.set(ConnFlags::PEER_FINISHED, true);
        self.rcv_nxt += 1;
        self.events.set(EventSet::READABLE | EventSet::FINISHED, true);
        match self.state {
            State::SynReceived | State::Established => {
                self.set_state(State::CloseWait);
                self.delayed_ack.on_fin(env.sysctl.tcp_pingpong_thresh);
            }
            State::FinWait1 => {
                self.set_state(State::Closing);
                self.wants.set(Wants::ACK, true);
            }
            State::FinWait2 => {
                self.set_state(State::TimeWait);
                self.wants.set(Wants::ACK, true);
                self.stop_timers();
                self.events.set(EventSet::CLOSED, true);
            }
            _ => debug_assert!(false, "FIN taken in {:?}", self.state),
        }
    }

    /// An ACK as it would leave now, with timestamps and SACK blocks, `first` before all. Taking it counts as sending
    /// it.
    pub(super) fn ack_header(&mut self, env: &Env<'_>, buffers: &impl Buffers, first: Option<SackBlock>) -> Header {
        let mut header = self.bare_header(env, buffers, self.snd_nxt, Flags::ACK);
        if first.is_some() {
            header.options.sack = self.sack_blocks(buffers, first);
        }
        self.on_ack_sent();
        header
    }

    /// Data was dropped although it lay in the window, because rounding had offered more than there is room for: the
    /// window is shut at once, left edge or not (Linux `ICSK_ACK_NOMEM`, `tcp_select_window`). Otherwise the peer would
    /// take the silence for loss, and resend until it gives us up.
    fn no_room_ack(&mut self, env: &Env<'_>, buffers: &impl Buffers) -> Header {
        let header = self.ack_header(env, buffers, None);
        self.rcv_wnd = 0;
        Header { window: 0, ..header }
    }

    /// A header with our current ACK, window and options; chooses the window, which never moves left.
    pub(super) fn bare_header(&mut self, env: &Env<'_>, buffers: &impl Buffers, seq: SeqNum, flags: Flags) -> Header {
        let flags = flags | self.ecn_echo();
        let window = self.select_window(env.sysctl, buffers);
        let timestamps =
            self.flags.has(ConnFlags::TIMESTAMPS).then(|| Timestamps { val: self.tsval(env.now), ecr: self.ts_recent });
        let sack = self.sack_blocks(buffers, None);
        let options = TcpOptions { timestamps, sack, ..TcpOptions::NONE };
        let mut header = Header { seq, ack: self.rcv_nxt, flags, window, urgent: 0, options };
        self.point_at_urgent(&mut header, buffers);
        header
    }

    /// An ACK left, in whatever segment.
    pub(super) fn on_ack_sent(&mut self) {
        self.rcv_wup = self.rcv_nxt;
        self.wants.set(Wants::ACK, false);
        self.delayed_ack.on_ack_sent();
    }

    /// The window still open to the peer: what was last offered, less what has arrived since (Linux
    /// `tcp_receive_window`).
    pub fn receive_window(&self) -> u32 {
        let edge = self.rcv_wup + self.rcv_wnd;
        if edge.after(self.rcv_nxt) { edge.distance(self.rcv_nxt) } else { 0 }
    }

    /// Chooses the window to offer, as it goes into the header. The right edge never moves left [SHLD-14].
    fn select_window(&mut self, sysctl: &Sysctl, buffers: &impl Buffers) -> u16 {
        let (free, full) = self.room(sysctl, buffers);
        if free < full / 2 {
            self.delayed_ack.on_short_window();
        }
        let offered = self.receive_window();
        let wanted = self.wanted_window(sysctl, buffers);
        let window = if wanted < offered { round_up(offered, self.rcv_wscale) } else { wanted };
        let window = window.min(u32::from(u16::MAX) << self.rcv_wscale);
        self.rcv_wnd = window;
        (window >> self.rcv_wscale) as u16
    }

    /// The window that the free space allows: nothing rather than little [MUST-39] (Linux `__tcp_select_window`).
    pub(super) fn wanted_window(&self, sysctl: &Sysctl, buffers: &impl Buffers) -> u32 {
        let (free, full) = self.room(sysctl, buffers);
        // No path is so narrow, but a caller may say so; nothing is divided by zero for that.
        let mss = u32::from(self.delayed_ack.rcv_mss).min(full).max(1);
        if free < full / 2 {
            let rounded = free >> self.rcv_wscale << self.rcv_wscale;
            if rounded < full / 16 || rounded < mss {
                return 0;
            }
        }
        if self.rcv_wscale > 0 {
            return round_up(free, self.rcv_wscale);
        }
        // Without scaling the offer is a multiple of the segment size, and moves only by whole segments.
        let window = self.rcv_wnd;
        if window <= free.saturating_sub(mss) || window > free { free / mss * mss } else { window }
    }

    /// What may be offered now, and what with an empty buffer: the clamp bounds both.
    fn room(&self, sysctl: &Sysctl, buffers: &impl Buffers) -> (u32, u32) {
        // No header can say more (Linux bounds `window_clamp` so in `tcp_select_initial_window`).
        let sayable = u32::from(u16::MAX) << self.rcv_wscale;
        let clamp = self.options.tcp_window_clamp().unwrap_or(u32::MAX).min(sayable);
        let full = self.window_bytes(sysctl, buffers);
        (free_space(full, buffers).min(clamp), full.min(clamp))
    }

    /// The window of our SYN: whole segments within the buffer and 16 bits (Linux `tcp_select_initial_window`).
    pub(super) fn initial_window(&self, sysctl: &Sysctl) -> u32 {
        initial_window(&self.options, sysctl, self.advertised_mss())
    }

    /// The window scale to offer: enough for the largest receive buffer (`tcp_rmem[2]`), or for `SO_RCVBUF`.
    pub(super) fn window_scale_to_offer(&self, sysctl: &Sysctl) -> u8 {
        window_scale(&self.options, sysctl)
    }

    /// What decides whether an owed ACK waits.
    pub(super) fn owed(&self, sysctl: &Sysctl, buffers: &impl Buffers) -> Owed {
        Owed {
            unacknowledged: self.rcv_nxt.distance(self.rcv_wup),
            window_holds: self.wanted_window(sysctl, buffers) >= self.rcv_wnd,
            out_of_order: buffers.held() > 0,
        }
    }

    /// The application read something: an owed ACK may be due, or a window worth announcing opened (RFC 9293
    /// 3.8.6.2.2; Linux `tcp_cleanup_rbuf`).
    pub fn handle_read(&mut self, now: Instant, sysctl: &Sysctl, buffers: &mut impl Buffers) {
        self.adjust_receive_space(now, sysctl, buffers);
        self.forget_urgent_if_read(buffers);
        if !matches!(self.state, State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait) {
            return;
        }
        let unacknowledged = self.rcv_nxt.distance(self.rcv_wup);
        let drained = buffers.readable() == 0;
        if self.delayed_ack.is_due_after_read(unacknowledged, drained, sysctl.tcp_pingpong_thresh) {
            self.wants.set(Wants::ACK, true);
            return;
        }
        let offered = self.receive_window();
        if offered.saturating_mul(2) <= self.room(sysctl, buffers).1 && self.state != State::CloseWait {
            let wanted = self.wanted_window(sysctl, buffers);
            if wanted > 0 && wanted >= offered.saturating_mul(2) {
                self.wants.set(Wants::ACK, true);
            }
        }
    }
}

/// Shifts above this are treated as this (RFC 7323 2.3).
pub(super) const WINDOW_SCALE_MAX: u8 = 14;

/// Whole segments within the buffer and the clamp, if there is room for one; and then 16 bits (Linux
/// `tcp_select_initial_window`).
pub(super) fn initial_window(options: &crate::options::Options, sysctl: &Sysctl, mss: u16) -> u32 {
    let space = options.window_bytes(sysctl).min(options.tcp_window_clamp().unwrap_or(u32::MAX));
    let mss = u32::from(mss).max(1);
    let whole = if space > mss { space / mss * mss } else { space };
    whole.min(u32::from(u16::MAX))
}

/// The shift with which the largest receive buffer fits 16 bits.
pub(super) fn window_scale(options: &crate::options::Options, sysctl: &Sysctl) -> u8 {
    if sysctl.tcp_window_scaling == 0 {
        return 0;
    }
    // A buffer that the application chose stays as it is.
    let grown = if options.has_recv_buffer_size() { 0 } else { sysctl.tcp_rmem[2] };
    let clamp = options.tcp_window_clamp().unwrap_or(u32::MAX);
    let largest = grown.max(options.window_bytes(sysctl)).min(clamp).max(1);
    (largest.ilog2() as u8).saturating_sub(15).min(WINDOW_SCALE_MAX)
}

fn free_space(full: u32, buffers: &impl Buffers) -> u32 {
    full.saturating_sub((buffers.readable() + buffers.held()) as u32)
}

/// `bytes` rounded up to a multiple of what one unit of a scaled window means.
fn round_up(bytes: u32, scale: u8) -> u32 {
    bytes.saturating_add((1 << scale) - 1) >> scale << scale
}
