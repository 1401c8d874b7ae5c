//! What an acknowledgment tells (RFC 9293 3.10.7.4, fifth check; Linux `tcp_ack`, `tcp_clean_rtx_queue`).
//!
//! In this order: the peer lives; the window moved; segments left the flight; that gives a round-trip sample; timers;
//! losses; room to write.

use super::Env;
use super::acked::Acked;
use super::conn::Conn;
use super::flags::{ConnFlags, EventSet, Notes, Wants};
use super::recovery::{CaState, Resend, micros};
use super::state::State;
use super::timers::Purpose;
use crate::buf::{Buffers, Marks, Sent};
use crate::config::Sysctl;
use crate::congestion::cubic::Round;
use crate::liveness::rto;
use crate::seq::SeqNum;
use crate::time::{Duration, Instant};
use crate::wire::{Flags, Header, Segment, Timestamps};

impl Conn {
    /// An acceptable ACK: `snd_una <= ack <= snd_nxt`.
    pub(super) fn process_ack(&mut self, env: &Env<'_>, segment: &Segment<'_>, buffers: &mut impl Buffers) {
        let header = &segment.header;
        self.heard_at = env.now;
        self.probes = 0;
        self.soft_error = self.soft_error.filter(|_| self.notes.has(Notes::REPORT));
        let tells_window = self.update_window(header);
        let had_flight = buffers.sent_len() > 0;
        let advanced = header.ack.after(self.snd_una);
        let mut acked = Acked::new(self.snd_una, self.snd_nxt, advanced);
        acked.brings = tells_window || !segment.payload.is_empty();
        acked.echoes_mark = self.is_congestion_echoed(header);
        if advanced {
            self.retransmission.on_progress();
        }
        let delivered = buffers.scoreboard().delivered;
        let prior_held = self.highest_held(buffers);
        self.move_una(header.ack, buffers);
        self.take_sack(env, header, acked.prior_una, &mut acked, buffers);
        let board = buffers.scoreboard_mut();
        board.delivered = board.delivered.wrapping_add(acked.delivered_out_of_order);
        self.release(env, header, prior_held, &mut acked, buffers);
        if self.admits_first_buffer(buffers) {
            self.zero_window.on_episode_end();
        }
        if had_flight {
            self.follow_flight(env, header, delivered, &mut acked, buffers);
        } else {
            self.answer_to_probe(env, buffers);
            self.process_tail_probe_ack(&acked, buffers);
        }
        self.expand_send_buffer(env.sysctl, buffers);
        self.tell_writer(env.sysctl, buffers);
    }

    /// An ACK that a later one overtook: what it acknowledges is known, what it reports held may not be (`tcp_ack`,
    /// `old_ack`). It is no sign of life, and moves neither the window nor a timer.
    pub(super) fn process_old_ack(&mut self, env: &Env<'_>, header: &Header, buffers: &mut impl Buffers) {
        if header.options.sack.as_slice().is_empty() || buffers.sent_len() == 0 {
            return;
        }
        let mut acked = Acked::new(self.snd_una, self.snd_nxt, false);
        self.take_sack(env, header, self.snd_una, &mut acked, buffers);
        let resend = self.recover(env, header, &mut acked, buffers);
        let board = buffers.scoreboard_mut();
        board.delivered = board.delivered.wrapping_add(acked.delivered_out_of_order);
        self.resend_after(resend, buffers);
    }

    /// Linux's fast path (`tcp_rcv_established`, header prediction): the next data in order, with nothing new in its
    /// ACK, window or options, is taken past [`Conn::process_ack`]. Only the idle clock hears of it: it ends no count
    /// of probes, re-arms no window probe and clears no soft error.
    ///
    /// The kernel also wants memory for the segment put by already, which it has while anything is queued for reading
    /// or sending. Deviates: there every fifth small segment or so finds the last page full and counts after all.
    pub(super) fn is_predicted(&self, segment: &Segment<'_>, buffers: &impl Buffers) -> bool {
        let header = &segment.header;
        let timestamps = match header.options.timestamps {
            Some(Timestamps { val, .. }) => val.wrapping_sub(self.ts_recent).cast_signed() >= 0,
            None => !self.flags.has(ConnFlags::TIMESTAMPS),
        };
        self.state == State::Established
            && header.flags.without(Flags::PSH) == Flags::ACK
            && header.seq == self.rcv_nxt
            && header.ack == self.snd_una
            && u32::from(header.window) == self.snd_wnd >> self.snd_wscale
            && timestamps
            && header.options.sack.as_slice().is_empty()
            && !segment.payload.is_empty()
            && segment.end().at_or_before(self.rcv_nxt + self.receive_window())
            && buffers.held() == 0
            && (buffers.readable() > 0 || !buffers.is_empty())
    }

    /// What an ACK means for what is, or was, in flight: losses, timers, the congestion window.
    fn follow_flight(
        &mut self,
        env: &Env<'_>,
        header: &Header,
        delivered_before: u32,
        acked: &mut Acked,
        buffers: &mut impl Buffers,
    ) {
        let lost_before = buffers.scoreboard().lost_out;
        if self.recovery.state == CaState::Open {
            self.retransmission.on_episode_end();
        }
        Self::adapt_reordering_window(env.sysctl, acked, buffers);
        self.process_tail_probe_ack(acked, buffers);
        let mut resend = Resend::Nothing;
        if acked.is_dubious() || self.recovery.state != CaState::Open {
            acked.duplicates = u32::from(!acked.advanced && !acked.brings && !acked.dsack);
            resend = self.recover(env, header, acked, buffers);
        }
        if acked.restarts_timer && !self.schedule_tail_loss_probe(env, buffers, true) {
            self.rearm_retransmission_timer(env, buffers);
        }
        let delivered = buffers.scoreboard().delivered.wrapping_sub(delivered_before);
        if acked.echoes_mark {
            buffers.scoreboard_mut().totals.delivered_ce += delivered;
        }
        if self.recovery.is_reducing() {
            let lost = buffers.scoreboard().lost_out > lost_before;
            self.reduce_in_proportion(delivered, lost, acked.advanced, buffers);
        } else if self.may_grow(env.sysctl, acked) && self.is_window_limited(buffers) {
            self.congestion.on_ack(&mut buffers.scoreboard_mut().cubic, delivered, env.now);
        }
        self.resend_after(resend, buffers);
    }

    /// `tcp_may_raise_cwnd`: where segments are known to be reordered, what is reported held counts, too.
    fn may_grow(&self, sysctl: &Sysctl, acked: &Acked) -> bool {
        let reorders = self.recovery.reordering > sysctl.tcp_reordering;
        acked.segments > 0 || (reorders && acked.sacked)
    }

    /// RFC 9293 3.10.7.4: a segment may move the window only if it is newer than the last that did; Linux also accepts
    /// a larger window, or zero, at the same sequence number (`tcp_may_update_window`). Returns whether it did; as in
    /// Linux that makes it no duplicate, even if it says the same window again (`FLAG_WIN_UPDATE`).
    fn update_window(&mut self, header: &Header) -> bool {
        // The window of a SYN is never scaled (RFC 7323 2.2).
        let scale = if header.flags.contains(Flags::SYN) { 0 } else { self.snd_wscale };
        let window = u32::from(header.window) << scale;
        let newer = header.ack.after(self.snd_una)
            || header.seq.after(self.snd_wl1)
            || (header.seq == self.snd_wl1 && (window > self.snd_wnd || window == 0));
        if !newer {
            return false;
        }
        self.snd_wl1 = header.seq;
        self.snd_wnd = window;
        self.max_window = self.max_window.max(window);
        true
    }

    /// Moves `snd_una`. Bytes are forgotten at once, segments only as a whole, by [`Conn::release`].
    fn move_una(&mut self, ack: SeqNum, buffers: &mut impl Buffers) {
        if ack.after(self.snd_una) {
            let fin = u32::from(self.flags.has(ConnFlags::FIN_SENT) && ack == self.snd_nxt);
            let len = ack.distance(self.snd_una);
            buffers.discard((len - fin) as usize);
            self.bytes_acked = self.bytes_acked.saturating_add(len);
            self.snd_una = ack;
            self.forget_urgent_if_acknowledged(buffers);
        }
    }

    /// Forgets the segments that are acknowledged as a whole, and learns what they tell (`tcp_clean_rtx_queue`).
    fn release(
        &mut self,
        env: &Env<'_>,
        header: &Header,
        prior_held: SeqNum,
        acked: &mut Acked,
        buffers: &mut impl Buffers,
    ) {
        let mut lowest = self.snd_nxt;
        while let Some(sent) = buffers.sent(0).filter(|sent| sent.end().at_or_before(self.snd_una)) {
            if !sent.marks.has(Marks::SACKED) && self.has_sack() && !self.is_echo_older(header, &sent) {
                self.rack_advance(env, &sent, buffers);
            }
            self.release_one(&sent, &mut lowest, acked, buffers);
            buffers.remove_sent(0);
            acked.segments += 1;
        }
        let head = buffers.sent(0);
        acked.reneged = head.is_some_and(|head| head.marks.has(Marks::SACKED));
        let sampled = self.sample_round_trip(env, header, acked, buffers);
        if acked.segments > 0 {
            acked.restarts_timer = true;
            // The head that was to go again, and has not gone yet, has arrived.
            self.wants.set(Wants::HEAD, false);
            if !self.has_sack() {
                self.take_back_duplicates(acked.segments, buffers);
                // Which copy was acknowledged cannot be told.
                acked.original_arrived &= !acked.touched_resent;
            } else if lowest.before(prior_held) {
                self.note_reordering_below(lowest, prior_held, buffers);
            }
        } else if let (true, Some(head), Some(first)) = (sampled, head, acked.first_sacked_at) {
            // The timer counts from what was sent after the head, or it would fire too early for it.
            acked.restarts_timer = first < head.sent_at;
        }
    }

    /// What one acknowledged segment tells, and what it no longer counts for.
    fn release_one(&self, sent: &Sent, lowest: &mut SeqNum, acked: &mut Acked, buffers: &mut impl Buffers) {
        if sent.marks.has(Marks::RESENT) {
            acked.touched_resent = true;
        } else if !sent.marks.has(Marks::SACKED) {
            acked.last_acked_at = Some(sent.sent_at);
            acked.first_acked_at.get_or_insert(sent.sent_at);
            *lowest = lowest.min(sent.seq);
            acked.original_arrived |= sent.end().at_or_before(self.recovery.high_seq);
        }
        if !sent.marks.has(Marks::SACKED) {
            acked.note_delivered(sent);
        }
        let sack = self.has_sack();
        let board = buffers.scoreboard_mut();
        board.sacked_out -= u32::from(sent.marks.has(Marks::SACKED));
        board.lost_out -= u32::from(sent.marks.has(Marks::LOST));
        board.retrans_out -= u32::from(sent.marks.has(Marks::RETRANSMITTED));
        board.delivered = board.delivered.wrapping_add(u32::from(sack && !sent.marks.has(Marks::SACKED)));
    }

    /// Whether the echoed timestamp is older than the last sending of a resent segment: its first copy arrived
    /// (`tcp_skb_spurious_retrans`).
    fn is_echo_older(&self, header: &Header, sent: &Sent) -> bool {
        sent.marks.has(Marks::RESENT) && self.echo_before(header, sent.sent_at)
    }

    /// Whether the segment echoes a timestamp from before `at`.
    pub(super) fn echo_before(&self, header: &Header, at: Instant) -> bool {
        let echoed = header.options.timestamps.filter(|_| self.flags.has(ConnFlags::TIMESTAMPS));
        echoed.is_some_and(|timestamps| {
            timestamps.ecr != 0 && timestamps.ecr.wrapping_sub(self.tsval(at)).cast_signed() < 0
        })
    }

    /// At most one sample an ACK: from the first segment acknowledged; else from the first reported held; else from the
    /// timestamp echoed. Karn: none from resent segments, unless timestamps tell which copy was answered (RFC 7323 4;
    /// Linux `tcp_ack_update_rtt`). Returns whether there was one.
    fn sample_round_trip(&mut self, env: &Env<'_>, header: &Header, acked: &Acked, buffers: &mut impl Buffers) -> bool {
        let since = |at: Instant| env.now.since(at);
        let from_acked = acked.first_acked_at.filter(|_| !acked.touched_resent);
        let mut sample = from_acked.or(acked.first_sacked_at).map(since);
        let last = acked.last_sacked_at.or(from_acked.and(acked.last_acked_at));
        let mut latest = last.map(since);
        if sample.is_none() && acked.segments > 0 {
            sample = self.echoed_round_trip(env, header);
            latest = sample;
        }
        if let Some(rtt) = latest {
            self.note_latest_round_trip(env, micros(rtt).max(1), buffers);
        }
        if let Some(rtt) = sample {
            self.take_rtt_sample(env, rtt);
        }
        sample.is_some()
    }

    /// The round trip of the last segment that arrived: what the path takes now, delayed ACKs apart.
    fn note_latest_round_trip(&mut self, env: &Env<'_>, rtt_us: u32, buffers: &mut impl Buffers) {
        // Deviates: Linux forgets the least after five minutes (`tcp_min_rtt_wlen`).
        self.recovery.min_rtt_us = self.recovery.min_rtt_us.min(rtt_us);
        let round = Round { now: env.now, snd_una: self.snd_una, snd_nxt: self.snd_nxt };
        self.congestion.on_sample(&mut buffers.scoreboard_mut().cubic, rtt_us, round);
    }

    /// Also that of the handshake, which counts for the least round trip, too (`tcp_ack_update_rtt`).
    pub(super) fn take_rtt_sample(&mut self, env: &Env<'_>, rtt: Duration) {
        let rtt_us = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX).max(1);
        self.recovery.min_rtt_us = self.recovery.min_rtt_us.min(rtt_us);
        let rto_min_us = self.options.rto_min_us(env.sysctl);
        self.estimator.on_sample(rtt_us, self.snd_una, self.snd_nxt, rto_min_us);
        self.retransmission.on_rtt_sample();
    }

    /// RFC 6298 5.2 and 5.3: every ACK that removes a whole segment restarts the timer; nothing in flight stops it.
    pub(super) fn restart_retransmission_timer(&mut self, env: &Env<'_>, buffers: &impl Buffers) {
        if buffers.sent_len() == 0 {
            self.write_timer.stop();
            return;
        }
        self.write_timer.arm(Purpose::Retransmission, env.now + self.backed_off_rto(env.sysctl));
    }

    /// The same, but a timer that stood in for the RTO does not prolong it (`tcp_rearm_rto`).
    pub(super) fn rearm_retransmission_timer(&mut self, env: &Env<'_>, buffers: &impl Buffers) {
        let stood_in = matches!(self.write_timer.purpose, Purpose::TailLoss | Purpose::Reordering);
        if stood_in && self.write_timer.at.is_some() && buffers.sent_len() > 0 {
            let at = self.rto_of_head(env, buffers);
            return self.write_timer.arm(Purpose::Retransmission, at);
        }
        self.restart_retransmission_timer(env, buffers);
    }

    /// The RTO in force.
    pub(super) fn backed_off_rto(&self, sysctl: &Sysctl) -> Duration {
        rto::backed_off(self.rto(sysctl), self.retransmission.backoff, self.options.rto_max(sysctl))
    }

    /// Nothing was in flight, so this may answer a window probe (Linux `tcp_ack_probe`): a window that admits the first
    /// queued buffer ends the probing; any other answer restarts it at the current backoff.
    fn answer_to_probe(&mut self, env: &Env<'_>, buffers: &impl Buffers) {
        let queued = self.unsent(buffers) > 0 || self.is_fin_pending();
        if !queued || self.write_timer.purpose != Purpose::WindowProbe {
            return;
        }
        if self.admits_first_buffer(buffers) {
            self.retransmission.backoff = 0;
            self.write_timer.stop();
        } else if self.write_timer.at.is_some() {
            self.arm_window_probe(env);
        }
    }

    /// Whether the window admits all that is queued, or the first buffer of it. Less lets data out, too, but does not
    /// restart the clock that a user timeout reads.
    fn admits_first_buffer(&self, buffers: &impl Buffers) -> bool {
        let queued = self.unsent(buffers) + u32::from(self.is_fin_pending());
        queued.min(self.first_buffer_limit()) <= self.usable_window()
    }

    /// How much of the queue Linux holds in its first buffer: one merged write, at most 64 KiB and half the largest
    /// window seen (`tcp_xmit_size_goal`).
    fn first_buffer_limit(&self) -> u32 {
        (self.max_window / 2).clamp(u32::from(self.mss), 65_535)
    }

    /// Wakes a writer that found no room, once [`Conn::has_send_room`]. An ACK does this; call it when room came from
    /// elsewhere.
    pub fn tell_writer(&mut self, sysctl: &Sysctl, buffers: &impl Buffers) {
        if self.flags.has(ConnFlags::WRITE_BLOCKED) && self.has_send_room(sysctl, buffers) {
            self.flags.set(ConnFlags::WRITE_BLOCKED, false);
            self.events.set(EventSet::WRITABLE, true);
        }
    }

    /// Whether a write is worth it: a third of the queue is free, and less than half of what `TCP_NOTSENT_LOWAT` lets
    /// wait does (Linux `__sk_stream_is_writeable`).
    pub fn has_send_room(&self, sysctl: &Sysctl, buffers: &impl Buffers) -> bool {
        let used = buffers.len();
        let free = (self.send_buffer_bytes(sysctl, buffers) as usize).saturating_sub(used);
        free > 0 && free >= used / 2 && self.unsent(buffers).saturating_mul(2) < self.options.notsent_lowat(sysctl)
    }

    /// Bytes that a write may add to the queue.
    pub fn send_room(&self, sysctl: &Sysctl, buffers: &impl Buffers) -> usize {
        let free = (self.send_buffer_bytes(sysctl, buffers) as usize).saturating_sub(buffers.len());
        free.min(self.options.notsent_lowat(sysctl).saturating_sub(self.unsent(buffers)) as usize)
    }

    /// Whether the peer has everything, our FIN included.
    pub(super) fn is_fin_acked(&self) -> bool {
        self.flags.has(ConnFlags::FIN_SENT) && self.snd_una == self.snd_nxt
    }

    /// Whether a FIN is waiting for its first transmission.
    pub(super) fn is_fin_pending(&self) -> bool {
        self.flags.has(ConnFlags::FIN_QUEUED) && !self.flags.has(ConnFlags::FIN_SENT)
    }

    /// Bytes queued and never sent.
    pub(super) fn unsent(&self, buffers: &impl Buffers) -> u32 {
        buffers.len() as u32 - self.in_flight_bytes()
    }

    /// Bytes between `snd_una` and `snd_nxt`, without SYN and FIN.
    pub(super) fn in_flight_bytes(&self) -> u32 {
        if !self.state.is_synchronized() {
            return 0;
        }
        let fin = self.flags.has(ConnFlags::FIN_SENT) && self.snd_una != self.snd_nxt;
        self.snd_nxt.distance(self.snd_una) - u32::from(fin)
    }

    /// Sequence numbers beyond `snd_nxt` that the peer's window admits.
    pub(super) fn usable_window(&self) -> u32 {
        let edge = self.snd_una + self.snd_wnd;
        if edge.after(self.snd_nxt) { edge.distance(self.snd_nxt) } else { 0 }
    }
}
