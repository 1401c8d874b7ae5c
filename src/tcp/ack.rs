//! What an acknowledgment tells (RFC 9293 3.10.7.4, fifth check; Linux `tcp_ack`, `tcp_clean_rtx_queue`).
//!
//! In this order: the peer lives; the window moved; segments left the flight; that gives a round-trip sample; timers;
//! losses; room to write.

use super::Env;
use super::conn::Conn;
use super::flags::{ConnFlags, EventSet};
use super::timers::Purpose;
use crate::buf::{Buffers, Marks};
use crate::config::Sysctl;
use crate::liveness::rto;
use crate::seq::SeqNum;
use crate::time::{Duration, Instant};
use crate::wire::{Flags, Header, Segment};

/// What one ACK changed in the flight.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acked {
    /// Segments acknowledged as a whole.
    pub(super) segments: u32,
    /// Whether `snd_una` moved.
    pub(super) advanced: bool,
    /// Whether it can count as a duplicate ACK: no data, no window update, nothing new acknowledged.
    pub(super) duplicate: bool,
    /// Segments newly reported held.
    pub(super) sacked: u32,
    /// When the first segment of the sample was sent, if none of them was ever retransmitted.
    sampled_at: Option<Instant>,
    touched_retransmitted: bool,
}

impl Conn {
    /// An acceptable ACK: `snd_una <= ack <= snd_nxt`.
    pub(super) fn process_ack(&mut self, env: &Env<'_>, segment: &Segment<'_>, buffers: &mut impl Buffers) {
        let header = &segment.header;
        self.heard_at = env.now;
        // Deviates: Linux's fast path takes in-order data with an unchanged ACK past this, so that only the idle clock
        // hears of it. Whether a segment takes that path depends on the kernel's caches; here every ACK counts.
        self.probes = 0;
        self.soft_error = None;
        let window_moved = self.update_window(header);
        let had_flight = buffers.sent_len() > 0;
        let mut acked = self.release(header.ack, buffers);
        acked.sacked = self.mark_sacked(&header.options.sack, buffers);
        acked.duplicate = !acked.advanced && !window_moved && segment.payload.is_empty() && had_flight;
        if acked.advanced {
            self.retransmission.on_progress();
        }
        self.sample_round_trip(env, header, &acked);
        self.process_tail_probe_ack(&acked, &header.options.sack, buffers);
        if self.admits_first_buffer(buffers) {
            self.zero_window.on_episode_end();
        }
        if had_flight {
            self.recover(env, &acked, buffers);
        } else {
            self.answer_to_probe(env, buffers);
        }
        if acked.segments > 0 && !self.schedule_tail_loss_probe(env, buffers, true) {
            self.restart_retransmission_timer(env, buffers);
        }
        self.tell_writer(env.sysctl, buffers.len());
    }

    /// RFC 9293 3.10.7.4: a segment may move the window only if it is newer than the last that did; Linux also accepts
    /// a larger window, or zero, at the same sequence number (`tcp_may_update_window`).
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
        let moved = window != self.snd_wnd;
        self.snd_wnd = window;
        self.max_window = self.max_window.max(window);
        moved
    }

    /// Moves `snd_una`: bytes are forgotten at once, segments only as a whole.
    fn release(&mut self, ack: SeqNum, buffers: &mut impl Buffers) -> Acked {
        let mut acked = Acked { advanced: ack.after(self.snd_una), ..Acked::default() };
        if !acked.advanced {
            return acked;
        }
        let fin = u32::from(self.flags.has(ConnFlags::FIN_SENT) && ack == self.snd_nxt);
        let len = ack.distance(self.snd_una);
        buffers.discard((len - fin) as usize);
        self.bytes_acked = self.bytes_acked.saturating_add(len);
        self.snd_una = ack;
        while let Some(sent) = buffers.sent(0).filter(|sent| sent.end().at_or_before(ack)) {
            buffers.remove_sent(0);
            acked.segments += 1;
            if sent.marks.has(Marks::EVER_RETRANSMITTED) {
                acked.touched_retransmitted = true;
            } else if !sent.marks.has(Marks::SACKED) {
                acked.sampled_at.get_or_insert(sent.sent_at);
            }
        }
        acked
    }

    /// At most one sample an ACK. Karn: none from retransmitted segments, unless timestamps tell which copy was
    /// answered (RFC 7323 4; Linux `tcp_ack_update_rtt`).
    fn sample_round_trip(&mut self, env: &Env<'_>, header: &Header, acked: &Acked) {
        let by_clock = acked.sampled_at.filter(|_| !acked.touched_retransmitted).map(|at| env.now.since(at));
        let sample = match by_clock {
            None if acked.segments > 0 => self.echoed_round_trip(env, header),
            sample => sample,
        };
        if let Some(rtt) = sample {
            self.take_rtt_sample(env, rtt);
        }
    }

    pub(super) fn take_rtt_sample(&mut self, env: &Env<'_>, rtt: Duration) {
        let rtt_us = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX).max(1);
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

    /// Wakes a writer that found no room, once [`Conn::has_send_room`]. `used` is the length of the send queue, in
    /// bytes. An ACK does this; call it when room came from elsewhere.
    pub fn tell_writer(&mut self, sysctl: &Sysctl, used: usize) {
        if self.flags.has(ConnFlags::WRITE_BLOCKED) && self.has_send_room(sysctl, used) {
            self.flags.set(ConnFlags::WRITE_BLOCKED, false);
            self.events.set(EventSet::WRITABLE, true);
        }
    }

    /// Whether a write is worth it: a third of the queue is free, and less than half of what `TCP_NOTSENT_LOWAT` lets
    /// wait does (Linux `__sk_stream_is_writeable`). `used` is the length of the send queue, in bytes.
    pub fn has_send_room(&self, sysctl: &Sysctl, used: usize) -> bool {
        let free = (self.options.send_buffer_size(sysctl) as usize).saturating_sub(used);
        let lowat = self.options.notsent_lowat(sysctl) as usize;
        free > 0 && free >= used / 2 && self.unsent_of(used).saturating_mul(2) < lowat
    }

    /// Bytes that a write may add to a queue of `used` bytes.
    pub fn send_room(&self, sysctl: &Sysctl, used: usize) -> usize {
        let free = (self.options.send_buffer_size(sysctl) as usize).saturating_sub(used);
        free.min((self.options.notsent_lowat(sysctl) as usize).saturating_sub(self.unsent_of(used)))
    }

    fn unsent_of(&self, used: usize) -> usize {
        used.saturating_sub(self.in_flight_bytes() as usize)
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
