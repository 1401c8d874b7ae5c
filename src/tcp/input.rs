//! A segment arrives (RFC 9293 3.10.7, "SEGMENT ARRIVES"; Linux `tcp_rcv_state_process`, `tcp_validate_incoming`).
//!
//! The steps keep the RFC's order and numbers: sequence, RST, security (none), SYN, ACK, URG, text, FIN. Where Linux
//! differs, it is followed: PAWS comes first, an in-window but inexact RST and every SYN draw a challenge ACK (RFC
//! 5961), and those answers share one limit of `tcp_invalid_ratelimit` per connection, never one between connections.

use super::conn::{Conn, seconds};
use super::flags::{ConnFlags, Wants};
use super::state::State;
use super::{Env, reset_for};
use crate::buf::Buffers;
use crate::config::Sysctl;
use crate::error::Error;
use crate::time::Instant;
use crate::wire::{Ecn, Flags, Header, Segment};

/// What a step says of the segment.
enum Step {
    /// Go on with the next step.
    Continue,
    /// The segment is done with.
    Drop,
    /// The same, and this goes back at once.
    Reply(Header),
}

impl Conn {
    /// A segment for this connection arrived. Returns what must go back at once (a challenge ACK, a duplicate ACK, a
    /// reset); everything else waits in [`Conn::poll_transmit`].
    ///
    /// For a network that does not mark packets; see [`Conn::handle_marked_segment`].
    pub fn handle_segment(
        &mut self,
        now: Instant,
        segment: &Segment<'_>,
        sysctl: &Sysctl,
        buffers: &mut impl Buffers,
    ) -> Option<Header> {
        self.handle_marked_segment(now, segment, Ecn::NotEct, sysctl, buffers)
    }

    /// The same, with what the IP header said of congestion (RFC 3168).
    pub fn handle_marked_segment(
        &mut self,
        now: Instant,
        segment: &Segment<'_>,
        ecn: Ecn,
        sysctl: &Sysctl,
        buffers: &mut impl Buffers,
    ) -> Option<Header> {
        let env = Env { now, sysctl };
        self.flags.set(ConnFlags::REFUSED, false);
        let reply = match self.state {
            State::Closed | State::TimeWait => reset_for(segment),
            State::SynSent => self.handle_in_syn_sent(&env, segment, buffers),
            _ => self.handle_in_connection(&env, segment, ecn, buffers),
        };
        self.note_heard();
        self.note_limit(now, buffers);
        self.check_in_debug_builds();
        reply
    }

    fn handle_in_connection(
        &mut self,
        env: &Env<'_>,
        segment: &Segment<'_>,
        ecn: Ecn,
        buffers: &mut impl Buffers,
    ) -> Option<Header> {
        let steps = [
            Self::paws,
            Self::first_check_sequence,
            Self::second_check_reset,
            Self::fourth_check_syn,
            Self::fifth_check_ack,
        ];
        for step in steps {
            match step(self, env, segment, buffers) {
                Step::Continue => {}
                Step::Drop => return None,
                Step::Reply(header) => return Some(header),
            }
        }
        if self.state == State::Closed || self.state == State::TimeWait {
            return None;
        }
        if self.is_data_for_nobody(segment) {
            return self.refuse_data(buffers, segment);
        }
        self.sixth_check_urg(&segment.header, buffers);
        let reply = self.seventh_take_text(env, segment, ecn, buffers);
        self.eighth_check_fin(env, segment);
        self.acknowledge(env, buffers);
        reply
    }

    /// Before the first check: a timestamp older than the last remembered betrays an old duplicate
    /// (RFC 7323 5; Linux `tcp_paws_discard`, `tcp_disordered_ack`).
    fn paws(&mut self, env: &Env<'_>, segment: &Segment<'_>, buffers: &mut impl Buffers) -> Step {
        let header = &segment.header;
        let Some(timestamps) = header.options.timestamps.filter(|_| self.flags.has(ConnFlags::TIMESTAMPS)) else {
            return Step::Continue;
        };
        let age = self.ts_recent.wrapping_sub(timestamps.val).cast_signed();
        let expired = seconds(env.now).wrapping_sub(self.ts_recent_s) >= TS_RECENT_VALID_S;
        // One unit of tolerance: two clocks may tick between a segment and the one overtaking it.
        if age <= 1 || expired || header.flags.contains(Flags::RST) {
            return Step::Continue;
        }
        if header.flags.contains(Flags::SYN) {
            return self.challenge(env, buffers);
        }
        let pure_ack = segment.is_empty();
        if pure_ack && header.seq.before(self.rcv_nxt) {
            return Step::Drop;
        }
        self.duplicate_ack(env, segment, buffers)
    }

    /// First, is it inside the window? (RFC 9293 3.10.7.4; Linux `tcp_sequence`, whose left edge is what we last
    /// acknowledged, so that one old byte ending at `rcv_nxt` is acceptable if it was never acknowledged.)
    fn first_check_sequence(&mut self, env: &Env<'_>, segment: &Segment<'_>, buffers: &mut impl Buffers) -> Step {
        let header = &segment.header;
        let right_edge = self.rcv_nxt + self.receive_window();
        let old = segment.end().before(self.rcv_wup);
        let beyond = header.seq.after(right_edge);
        let overfull = segment.end().after(right_edge) && buffers.readable() > 0;
        if !(old || beyond || overfull) {
            return Step::Continue;
        }
        if header.flags.contains(Flags::RST) {
            if self.is_reset_after_fin(header) {
                self.die_of_reset(header, buffers);
            }
            return Step::Drop;
        }
        if header.flags.contains(Flags::SYN) {
            return self.challenge(env, buffers);
        }
        self.duplicate_ack(env, segment, buffers)
    }

    /// Second, the RST bit: believed only where it must come from the peer (RFC 5961 3.2; Linux
    /// `tcp_validate_incoming`, `tcp_reset_check`).
    fn second_check_reset(&mut self, env: &Env<'_>, segment: &Segment<'_>, buffers: &mut impl Buffers) -> Step {
        let header = &segment.header;
        if !header.flags.contains(Flags::RST) {
            return Step::Continue;
        }
        let right_of_sack = self.flags.has(ConnFlags::SACK)
            && highest_held(buffers).is_some_and(|end| header.seq == self.rcv_nxt + end);
        if header.seq == self.rcv_nxt || self.is_reset_after_fin(header) || right_of_sack {
            self.die_of_reset(header, buffers);
            return Step::Drop;
        }
        self.challenge(env, buffers)
    }

    /// Some peers reset with the number of their FIN, left of the window (Linux `tcp_reset_check`).
    fn is_reset_after_fin(&self, header: &Header) -> bool {
        matches!(self.state, State::CloseWait | State::LastAck | State::Closing) && header.seq + 1 == self.rcv_nxt
    }

    /// Fourth, the SYN bit: whoever sends it does not know this connection; asking back settles it (RFC 5961 4.2).
    fn fourth_check_syn(&mut self, env: &Env<'_>, segment: &Segment<'_>, buffers: &mut impl Buffers) -> Step {
        if !segment.header.flags.contains(Flags::SYN) || self.is_crossed_syn_ack(segment) {
            return Step::Continue;
        }
        self.challenge(env, buffers)
    }

    /// The one SYN that is welcome: two active opens crossed, and the peer answers our SYN as we answered its own
    /// (RFC 9293 3.5, figure 7; seen on Linux 6.18). It may be all that ever tells us that our SYN arrived.
    fn is_crossed_syn_ack(&self, segment: &Segment<'_>) -> bool {
        let header = &segment.header;
        self.state == State::SynReceived
            && header.flags.contains(Flags::ACK)
            && header.seq + 1 == self.rcv_nxt
            && segment.end() == self.rcv_nxt
            && header.ack == self.snd_nxt
    }

    /// Fifth, the ACK field.
    fn fifth_check_ack(&mut self, env: &Env<'_>, segment: &Segment<'_>, buffers: &mut impl Buffers) -> Step {
        let header = &segment.header;
        if !header.flags.contains(Flags::ACK) {
            return Step::Drop;
        }
        if self.state == State::SynReceived && !self.is_our_handshake_acked(header) {
            return reset_for(segment).map_or(Step::Drop, Step::Reply);
        }
        // RFC 5961 5.2: nobody who is on the path acknowledges what never was, or so long ago.
        let oldest = self.snd_una - self.max_window.min(self.bytes_acked);
        if header.ack.after(self.snd_nxt) || header.ack.before(oldest) {
            return self.challenge(env, buffers);
        }
        self.remember_timestamp(env, header);
        if self.state == State::SynReceived {
            self.complete_crossed(env, header);
            // A SYN-ACK is answered, so that the peer, too, knows that we know.
            self.wants.set(Wants::ACK, header.flags.contains(Flags::SYN) || self.wants.has(Wants::ACK));
        }
        if self.is_predicted(segment, buffers) {
            self.snd_wl1 = header.seq;
        } else if header.ack.at_or_after(self.snd_una) {
            self.process_ack(env, segment, buffers);
            self.after_fin_acked(env, buffers);
            if self.wants.take(Wants::RESET) {
                // FIN-WAIT-2 is to be skipped (`TCP_LINGER2` below 0): answered as by a closed port.
                return reset_for(segment).map_or(Step::Drop, Step::Reply);
            }
        } else {
            self.process_old_ack(env, header, buffers);
        }
        // Whoever hears something sends what it held back for a write to come (`tcp_data_snd_check`).
        self.flags.set(ConnFlags::HELD_FOR_MORE, false);
        Step::Continue
    }

    fn is_our_handshake_acked(&self, header: &Header) -> bool {
        header.ack.after(self.snd_una) && header.ack.at_or_before(self.snd_nxt)
    }

    /// RFC 7323 4.3: remember the timestamp of the segment that contains the left edge of what we acknowledged last.
    pub(super) fn remember_timestamp(&mut self, env: &Env<'_>, header: &Header) {
        let Some(timestamps) = header.options.timestamps.filter(|_| self.flags.has(ConnFlags::TIMESTAMPS)) else {
            return;
        };
        let newer = timestamps.val.wrapping_sub(self.ts_recent).cast_signed() >= 0;
        let expired = seconds(env.now).wrapping_sub(self.ts_recent_s) >= TS_RECENT_VALID_S;
        if header.seq.at_or_before(self.rcv_wup) && (newer || expired) {
            self.ts_recent = timestamps.val;
            self.ts_recent_s = seconds(env.now);
        }
    }

    /// Our FIN may have been acknowledged (RFC 9293 3.10.7.4, the end of the fifth check).
    fn after_fin_acked(&mut self, env: &Env<'_>, buffers: &mut impl Buffers) {
        if !self.is_fin_acked() {
            return;
        }
        match self.state {
            State::FinWait1 => {
                self.set_state(State::FinWait2);
                self.enter_fin_wait2(env, buffers);
            }
            State::Closing => self.enter_time_wait(buffers),
            State::LastAck => self.die(None, buffers),
            _ => {}
        }
    }

    /// Data for an application that reads no more is lost data; the peer must know (RFC 9293 3.6.1 [SHLD-3]; Linux
    /// `TCPAbortOnData`).
    fn is_data_for_nobody(&self, segment: &Segment<'_>) -> bool {
        let last_byte = segment.header.seq + segment.payload.len() as u32;
        matches!(self.state, State::FinWait1 | State::FinWait2)
            && self.flags.has(ConnFlags::DEAF)
            && !segment.payload.is_empty()
            && last_byte.after(self.rcv_nxt)
    }

    fn refuse_data(&mut self, buffers: &mut impl Buffers, segment: &Segment<'_>) -> Option<Header> {
        self.die(Some(Error::Reset), buffers);
        reset_for(segment)
    }

    /// An ACK is owed for what was received: now, or after a while.
    fn acknowledge(&mut self, env: &Env<'_>, buffers: &impl Buffers) {
        if self.state == State::Closed || !self.delayed_ack.is_scheduled() || self.wants.has(Wants::ACK) {
            return;
        }
        let threshold = env.sysctl.tcp_pingpong_thresh;
        let owed = self.owed(env.sysctl, buffers);
        if self.delayed_ack.is_immediate(owed, threshold)
            || self.delayed_ack.delay(env.now, self.estimator.srtt(), threshold, self.options.delack_max(env.sysctl))
        {
            self.wants.set(Wants::ACK, true);
        }
    }

    /// A plain ACK that makes whoever sent this prove itself (RFC 5961 7), at most one per limit.
    fn challenge(&mut self, env: &Env<'_>, buffers: &mut impl Buffers) -> Step {
        if self.throttle.withholds(env.now, env.sysctl) {
            Step::Drop
        } else {
            Step::Reply(self.ack_header(env, buffers, None))
        }
    }

    /// Answers an unacceptable segment with our numbers; old data is reported as a duplicate (RFC 2883). Only answers
    /// to empty segments are limited.
    fn duplicate_ack(&mut self, env: &Env<'_>, segment: &Segment<'_>, buffers: &mut impl Buffers) -> Step {
        if segment.is_empty() && self.throttle.withholds(env.now, env.sysctl) {
            return Step::Drop;
        }
        let old = self.old_part(env.sysctl, segment);
        if old.is_some() {
            self.delayed_ack.on_duplicate(self.rcv_wnd);
        }
        Step::Reply(self.ack_header(env, buffers, old))
    }

    pub(super) fn check_in_debug_builds(&self) {
        if cfg!(debug_assertions) {
            self.check();
        }
    }
}

/// How long a remembered timestamp proves anything, in seconds: Linux `TCP_PAWS_WRAP`, below the 24.8 days of RFC 7323
/// 5.5.
pub(super) const TS_RECENT_VALID_S: u32 = 2147;

/// The right edge of the highest out-of-order range held, beyond `rcv_nxt`.
fn highest_held(buffers: &impl Buffers) -> Option<u32> {
    (0..).map_while(|index| buffers.range(index)).last().map(|(_, end)| end as u32)
}
