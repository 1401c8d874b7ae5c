//! Where an arriving packet goes: to a connection, a half-open or TIME-WAIT block, a listener, or back as a reset.

use super::{ConnId, Half, Owner, Stack};
use crate::tcp::{Conn, ECN_ASKS, HalfOpenVerdict, TimeWait, TimeWaitVerdict, reset_for};
use crate::time::Instant;
use crate::wire::{self, Ecn, Flags, Flow, FlowKey, IcmpError, Packet, ParseError, Segment};
use bytes::Bytes;

/// A segment, where it came from, and the packet it came in.
struct Arrived<'p> {
    flow: Flow,
    segment: Segment<'p>,
    ecn: Ecn,
    /// The packet, if it may be kept.
    frame: Option<Bytes>,
}

impl Arrived<'_> {
    /// A SYN in a marked packet does not ask for ECN, whatever its flags say: who follows RFC 3168 marks none. Who asks
    /// for accurate ECN may (RFC 9768 3.2.1; `tcp_ecn_create_request`).
    fn ask_for_no_ecn_if_marked(&mut self) {
        if self.ecn != Ecn::NotEct && !self.segment.header.flags.contains(Flags::AE) {
            self.segment.header.flags = self.segment.header.flags.without(ECN_ASKS);
        }
    }
}

impl Stack {
    /// An IP packet arrived; payload that is kept is copied.
    ///
    /// # Errors
    /// Why the packet was dropped without further notice. That is for counters and logs; a driver need not care.
    pub fn handle_packet(&mut self, now: Instant, packet: &[u8]) -> Result<(), ParseError> {
        self.handle(now, packet, None)
    }

    /// The same for a packet that the stack may keep: large payloads are handed to the application without a copy.
    ///
    /// # Errors
    /// As [`Stack::handle_packet`].
    pub fn handle_frame(&mut self, now: Instant, frame: Bytes) -> Result<(), ParseError> {
        let packet = frame.clone();
        self.handle(now, &packet, Some(frame))
    }

    fn handle(&mut self, now: Instant, packet: &[u8], frame: Option<Bytes>) -> Result<(), ParseError> {
        let now = self.advance(now);
        let parsed = wire::parse(packet).inspect_err(|error| {
            self.stats.in_errs += 1;
            log::trace!("dropped a packet of {} bytes: {error}", packet.len());
        })?;
        match parsed {
            Packet::Tcp { flow, segment, ecn } if self.config.is_ours(flow.local.ip()) => {
                self.stats.in_segs += 1;
                log::trace!("< {} > {} {:?}", flow.remote, flow.local, segment.header);
                self.route(now, Arrived { flow, segment, ecn, frame });
                Ok(())
            }
            Packet::Icmp(error) if self.config.is_ours(error.flow.local.ip()) => {
                self.handle_icmp(now, &error);
                Ok(())
            }
            Packet::Echo(echo) if self.config.is_ours(echo.destination) => {
                self.reply_to_echo(&echo);
                Ok(())
            }
            _ => Err(ParseError::Address),
        }
    }

    fn route(&mut self, now: Instant, mut arrived: Arrived<'_>) {
        let key = FlowKey::from(arrived.flow);
        match self.find(&key) {
            Some(Owner::Conn(index)) => self.deliver(now, index, arrived),
            Some(Owner::HalfOpen(index)) => self.deliver_half_open(now, index, arrived),
            Some(Owner::TimeWait(index)) => self.deliver_time_wait(now, index, arrived),
            None => {
                arrived.ask_for_no_ecn_if_marked();
                self.deliver_new(now, arrived, None);
            }
        }
    }

    /// Whose segments with these addresses and ports are.
    pub(super) fn find(&self, key: &FlowKey) -> Option<Owner> {
        let is = |packed| match Owner::unpack(packed) {
            Owner::Conn(index) => self.conns.get_at(index).is_some_and(|entry| entry.conn.key() == *key),
            Owner::HalfOpen(index) => self.half_open.get_at(index).is_some_and(|half| half.block.key() == *key),
            Owner::TimeWait(index) => self.time_wait.get_at(index).is_some_and(|block| block.key() == *key),
        };
        self.demux.find(key, is).map(Owner::unpack)
    }

    fn deliver(&mut self, now: Instant, index: u32, arrived: Arrived<'_>) {
        let Arrived { flow, mut segment, ecn, frame } = arrived;
        if !segment.payload.is_empty() && !self.has_memory() {
            // The peer sends its text again; an attacker gains nothing [A47]. What it acknowledges or resets counts,
            // or else a full send queue could never drain.
            self.stats.rcv_q_drop += 1;
            segment.payload = &[];
            segment.header.flags = segment.header.flags.without(Flags::FIN);
        }
        let established = |conn: &Conn| conn.state().is_synchronized();
        let outcome = self.with(index, frame, |conn, sysctl, queues| {
            let before = established(conn);
            let reply = conn.handle_marked_segment(now, &segment, ecn, sysctl, queues);
            let reset = conn.death().is_some() && segment.header.flags.contains(Flags::RST);
            (reply.map(|header| (header, *conn.options())), before && reset)
        });
        let Some((reply, reset)) = outcome else { return };
        self.stats.estab_resets += u64::from(reset);
        if let Some((header, options)) = reply {
            self.stats.challenge_acks += u64::from(!header.flags.contains(Flags::RST));
            self.reply_as(&options, flow, header);
        }
    }

    fn deliver_half_open(&mut self, now: Instant, index: u32, arrived: Arrived<'_>) {
        let (flow, segment) = (arrived.flow, &arrived.segment);
        let Some(listener) = self.half_open.get_at(index).map(|half| half.listener) else { return };
        let room = self.has_accept_room(listener);
        let Some(options) = self.listener_options(listener) else {
            return self.remove_half_open(index);
        };
        let Some(half) = self.half_open.get_at_mut(index) else { return };
        match half.block.handle_segment(now, segment, &self.config.sysctl, &options, room) {
            HalfOpenVerdict::Nothing => self.note_overflow(room, segment),
            HalfOpenVerdict::Reply(header) => self.reply_as(&options, flow, header),
            HalfOpenVerdict::Gone => {
                self.stats.attempt_fails += 1;
                self.remove_half_open(index);
            }
            HalfOpenVerdict::Reset(header) => {
                self.stats.attempt_fails += 1;
                self.remove_half_open(index);
                self.reply(flow, header);
            }
            HalfOpenVerdict::Accept => return self.complete(now, index, arrived),
        }
        if let Some(half) = self.half_open.get_at(index) {
            self.half_open_wheel.arm(index, half.block.due());
        }
    }

    fn note_overflow(&mut self, room: bool, segment: &Segment<'_>) {
        if !room && segment.header.flags.contains(Flags::ACK) {
            self.stats.listen_overflows += 1;
            self.stats.listen_drops += 1;
        }
    }

    /// The final ACK: the block becomes a connection, waits in the accept queue, and takes the segment's own content.
    fn complete(&mut self, now: Instant, index: u32, arrived: Arrived<'_>) {
        let Some(&half) = self.half_open.get_at(index) else { return };
        let Some(id) = self.establish(now, &half, Some(Owner::HalfOpen(index)), &arrived) else { return };
        self.half_open_wheel.disarm(index);
        if let Some(half) = self.half_open.remove_at(index) {
            self.on_half_open_gone(&half);
        }
        self.deliver(now, id.0.index, arrived);
    }

    /// A connection of a block whose handshake `arrived` completes, in the accept queue; `None` if there is no room.
    fn establish(&mut self, now: Instant, half: &Half, before: Option<Owner>, arrived: &Arrived<'_>) -> Option<ConnId> {
        let options = self.listener_options(half.listener)?;
        let conn = Conn::accept(now, &half.block, options, &arrived.segment.header, &self.config.sysctl);
        let Some(id) = self.insert_conn(conn, before) else {
            // No room for a connection: as if the accept queue were full.
            self.stats.listen_drops += 1;
            return None;
        };
        self.enqueue_accept(half.listener, id);
        self.stats.passive_opens += 1;
        Some(id)
    }

    /// The final ACK of a handshake that only the peer remembered.
    fn complete_cookie(&mut self, now: Instant, half: &Half, arrived: Arrived<'_>) {
        if !self.has_accept_room(half.listener) {
            self.note_overflow(false, &arrived.segment);
        } else if let Some(id) = self.establish(now, half, None, &arrived) {
            self.deliver(now, id.0.index, arrived);
        }
    }

    fn deliver_time_wait(&mut self, now: Instant, index: u32, mut arrived: Arrived<'_>) {
        arrived.ask_for_no_ecn_if_marked();
        let (flow, segment) = (arrived.flow, &arrived.segment);
        let Some(block) = self.time_wait.get_at_mut(index) else { return };
        match block.handle_segment(now, segment, &self.config.sysctl) {
            TimeWaitVerdict::Nothing => {}
            TimeWaitVerdict::Reply(header) => self.reply(flow, header),
            TimeWaitVerdict::Gone => return self.remove_time_wait(index),
            TimeWaitVerdict::Reset(header) => {
                self.remove_time_wait(index);
                return self.reply(flow, header);
            }
            TimeWaitVerdict::Reopen(iss) => {
                if self.listener_for(flow.local).is_some() {
                    self.remove_time_wait(index);
                    return self.deliver_new(now, arrived, Some(iss));
                }
            }
        }
        // It may have been extended: a wheel entry fires early and moves then, never late.
        let Some(due) = self.time_wait.get_at(index).map(TimeWait::due) else { return };
        if self.time_wait_wheel.deadline(index).is_none_or(|armed| due < armed) {
            self.time_wait_wheel.arm(index, due);
        }
    }

    /// No connection has this flow: a SYN may begin one; anything else is answered by a reset (RFC 9293 3.10.7.1 and
    /// 2).
    fn deliver_new(&mut self, now: Instant, arrived: Arrived<'_>, iss: Option<crate::seq::SeqNum>) {
        let (flow, segment) = (arrived.flow, &arrived.segment);
        let flags = segment.header.flags;
        let Some(listener) = self.listener_for(flow.local) else {
            if let Some(header) = reset_for(segment) {
                self.reply(flow, header);
            }
            return;
        };
        if flags.contains(Flags::RST) {
            return;
        }
        if flags.contains(Flags::ACK) {
            if let Some(block) = self.half_open_of_cookie(now, listener, flow, &segment.header) {
                self.complete_cookie(now, &Half { block, listener }, arrived);
            } else if let Some(header) = reset_for(segment) {
                self.reply(flow, header);
            }
            return;
        }
        // SYN with FIN is no way to begin (as on Linux); no SYN is nothing at all.
        if flags.contains(Flags::SYN) && !flags.contains(Flags::FIN) {
            self.begin_half_open(now, listener, flow, segment, iss);
        }
    }

    fn handle_icmp(&mut self, now: Instant, error: &IcmpError) {
        let &IcmpError { flow, seq, kind } = error;
        match self.find(&FlowKey::from(flow)) {
            Some(Owner::Conn(index)) => {
                self.with(index, None, |conn, sysctl, queues| conn.handle_icmp(now, seq, kind, sysctl, queues));
            }
            Some(Owner::HalfOpen(index)) => {
                if self.half_open.get_at(index).is_some_and(|half| half.block.is_ended_by(seq, kind)) {
                    self.stats.attempt_fails += 1;
                    self.remove_half_open(index);
                }
            }
            _ => self.stats.icmp_in_errors += 1,
        }
    }

    /// Reports an id's slot, for the half of the stack that works on slots.
    pub(super) fn index_of(&self, id: ConnId) -> Option<u32> {
        self.conns.get(id.0).map(|_| id.0.index)
    }
}
