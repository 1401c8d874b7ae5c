//! What follows from a change of one connection: its timer, its turn to send, its events, its end.
//!
//! Every path that touches a connection goes through [`Stack::with`], so none of this can be forgotten.

use super::{ConnId, Entry, Owner, Stack, journals};
use crate::buf::chain::{RECEIVE_CAPACITY_MAX, Streams};
use crate::buf::{ReceiveBuffer, SendBuffer};
use crate::config::Sysctl;
use crate::tcp::{Conn, State, TimeWait};
use alloc::boxed::Box;
use bytes::Bytes;

impl Stack {
    /// Lends a connection its queues, then draws the consequences. `None` if there is no such connection.
    pub(super) fn with<R>(
        &mut self,
        index: u32,
        frame: Option<Bytes>,
        act: impl FnOnce(&mut Conn, &Sysctl, &mut Streams) -> R,
    ) -> Option<R> {
        let tight = self.is_memory_tight();
        let entry = self.conns.get_at_mut(index)?;
        let mut streams = entry.streams.take();
        let mut empty = Streams::new();
        let queues = streams.as_deref_mut().unwrap_or(&mut empty);
        // The whole receive buffer, though half of it is offered: windows are rounded up to what their scale can say,
        // and a peer that uses that up finds room.
        let own = entry.conn.options().window_bytes(&self.config.sysctl) as usize;
        queues.set_receive_limit(if tight { own } else { RECEIVE_CAPACITY_MAX });
        let window = entry.conn.window_bytes(&self.config.sysctl, queues) as usize;
        // What was offered is kept, even if the window has forgotten meanwhile how far it had grown.
        let offered = entry.conn.receive_window() as usize;
        queues.set_receive_capacity(window.max(own).max(offered).saturating_mul(2));
        queues.set_frame(frame);
        let result = act(&mut entry.conn, &self.config.sysctl, queues);
        queues.set_frame(None);
        let ready = entry.conn.is_ready(queues);
        let mut journal = 0;
        if !self.journals.is_empty() {
            journal = journals::note(&mut self.journals, index, self.now, &entry.conn, &self.config.sysctl, queues);
        }
        let idle = queues.is_idle() && !entry.conn.is_recovering();
        // Queues that never held anything are not kept; those that did stay warm for a while.
        if streams.is_some() || !idle {
            entry.streams = Some(streams.unwrap_or_else(|| Box::new(empty)));
        }
        let cooling = idle && entry.streams.is_some() && !core::mem::replace(&mut entry.warm, true);
        // Empty ones are not charged: they are few, and make room by themselves.
        let held = entry.streams.as_ref().filter(|_| !idle);
        let charged = held.map_or(0, |streams| size_of::<Streams>() + streams.charged());
        let charged = (charged + journal) as u32;
        self.memory_charged = self.memory_charged - entry.charged as usize + charged as usize;
        entry.charged = charged;
        if ready {
            self.ready.push(index);
        }
        if cooling {
            self.keep_warm(index);
        }
        self.settle(index);
        Some(result)
    }

    /// The queues of a connection are empty. They are kept, with what its congestion control and its buffers have
    /// learned, until so many others were busy since.
    fn keep_warm(&mut self, index: u32) {
        self.warm.extend(self.conns.key_at(index));
        if self.warm.len() <= WARM_MAX {
            return;
        }
        let Some(entry) = self.warm.pop_front().and_then(|key| self.conns.get_mut(key)) else { return };
        entry.warm = false;
        if entry.streams.as_deref().is_some_and(Streams::is_idle) && !entry.conn.is_recovering() {
            entry.streams = None;
        }
    }

    fn settle(&mut self, index: u32) {
        self.queue_event(index);
        let Some(entry) = self.conns.get_at_mut(index) else { return };
        if let Some(deadline) = entry.conn.poll_timeout() {
            // Later or equal: leave the entry; it fires early and moves then.
            if self.conn_wheel.deadline(index).is_none_or(|armed| deadline < armed) {
                self.conn_wheel.arm(index, deadline);
            }
        }
        if entry.conn.awaits_time_wait() {
            self.replace_by_time_wait(index);
        }
        self.forget_stale_events();
        self.bury(index);
        self.wake_starved();
    }

    fn queue_event(&mut self, index: u32) {
        let Some(key) = self.conns.key_at(index) else { return };
        let Some(entry) = self.conns.get_at_mut(index) else { return };
        if entry.conn.has_event() && !entry.event_queued && !entry.released {
            entry.event_queued = true;
            self.events.push_back(ConnId(key));
        }
    }

    /// A write found the memory budget spent. No ACK of its own connection need ever tell this writer of room, so it is
    /// told when memory is free again, whoever freed it (Linux `sk_stream_wait_memory`).
    pub(super) fn note_starved(&mut self, id: ConnId) {
        let Some(entry) = self.conns.get_mut(id.0) else { return };
        if core::mem::replace(&mut entry.starved, true) {
            return;
        }
        // Connections that came and went while memory stayed short must not pile up here.
        if self.starved.len() > 2 * self.conns.len() as usize + STALE_IDS_MAX {
            let conns = &self.conns;
            self.starved.retain(|id| conns.get(id.0).is_some());
        }
        self.starved.push(id);
    }

    fn wake_starved(&mut self) {
        if self.starved.is_empty() || !self.has_memory() {
            return;
        }
        for id in core::mem::take(&mut self.starved) {
            let Some(entry) = self.conns.get_mut(id.0) else { continue };
            entry.starved = false;
            match entry.streams.as_deref() {
                Some(queues) => entry.conn.tell_writer(&self.config.sysctl, queues),
                None => entry.conn.tell_writer(&self.config.sysctl, &Streams::new()),
            }
            self.queue_event(id.0.index);
        }
    }

    /// An application that never asks for events must not make them pile up: once most of them are of connections that
    /// are gone, those are dropped.
    fn forget_stale_events(&mut self) {
        if self.events.len() > 2 * self.conns.len() as usize + STALE_IDS_MAX {
            let conns = &self.conns;
            self.events.retain(|id| conns.get(id.0).is_some());
        }
    }

    /// The small block takes over the flow; what the connection still had to say (the ACK of the peer's FIN) is said.
    fn replace_by_time_wait(&mut self, index: u32) {
        let now = self.now;
        let sysctl = &self.config.sysctl;
        let Some(entry) = self.conns.get_at_mut(index) else { return };
        let mut queues = Streams::new();
        let flow = entry.conn.flow();
        let ip = entry.conn.options().ip_options(self.config.ip);
        while let Some(emit) = entry.conn.poll_transmit(now, sysctl, &mut queues) {
            super::output::push_reply(&mut self.replies, &mut self.stats, flow, emit.header, ip);
        }
        let Some(block) = entry.conn.take_time_wait(now) else { return };
        entry.in_demux = false;
        self.insert_time_wait(Owner::Conn(index), block);
    }

    fn insert_time_wait(&mut self, before: Owner, block: TimeWait) {
        let (key, due) = (block.key(), block.due());
        let full = self.time_wait.len() >= self.config.sysctl.tcp_max_tw_buckets;
        let Some(slot) = (!full).then(|| self.time_wait.insert(block)).flatten() else {
            self.stats.time_wait_overflow += 1;
            self.demux.remove(&key, before.pack());
            return;
        };
        self.stats.time_waits += 1;
        self.demux.replace(&key, before.pack(), Owner::TimeWait(slot.index).pack());
        self.time_wait_wheel.arm(slot.index, due);
    }

    pub(super) fn remove_time_wait(&mut self, index: u32) {
        self.time_wait_wheel.disarm(index);
        if let Some(block) = self.time_wait.remove_at(index) {
            self.demux.remove(&block.key(), Owner::TimeWait(index).pack());
        }
    }

    pub(super) fn remove_half_open(&mut self, index: u32) {
        self.half_open_wheel.disarm(index);
        if let Some(half) = self.half_open.remove_at(index) {
            self.demux.remove(&half.block.key(), Owner::HalfOpen(index).pack());
            self.on_half_open_gone(&half);
        }
    }

    /// A closed connection leaves the table at once, and its block when nobody holds it and nothing is left to send.
    fn bury(&mut self, index: u32) {
        let Some(entry) = self.conns.get_at_mut(index).filter(|entry| entry.conn.state() == State::Closed) else {
            return;
        };
        let (key, in_demux) = (entry.conn.key(), core::mem::take(&mut entry.in_demux));
        let gone = entry.released && !self.ready.contains(index);
        if in_demux {
            self.demux.remove(&key, Owner::Conn(index).pack());
        }
        self.conn_wheel.disarm(index);
        if gone {
            self.drop_conn(index);
        }
    }

    /// The application is done with a connection.
    pub(super) fn release(&mut self, index: u32) {
        if let Some(entry) = self.conns.get_at_mut(index) {
            entry.released = true;
        }
        self.bury(index);
        self.wake_starved();
    }

    fn drop_conn(&mut self, index: u32) {
        self.end_journal(index);
        if let Some(entry) = self.conns.remove_at(index) {
            self.memory_charged -= entry.charged as usize;
            self.orphans -= u32::from(entry.conn.is_orphan());
        }
    }

    /// Puts a new connection into the table. `None` if there is no room.
    pub(super) fn insert_conn(&mut self, conn: Conn, before: Option<Owner>) -> Option<ConnId> {
        let key = conn.key();
        let entry = Entry {
            conn,
            streams: None,
            charged: 0,
            event_queued: false,
            starved: false,
            warm: false,
            in_demux: true,
            released: false,
        };
        let slot = self.conns.insert(entry)?;
        let owner = Owner::Conn(slot.index).pack();
        match before {
            Some(before) => drop(self.demux.replace(&key, before.pack(), owner)),
            None => self.demux.insert(&key, owner),
        }
        self.begin_journal(slot.index);
        Some(ConnId(slot))
    }

    /// Whether queues may grow.
    pub(super) fn has_memory(&self) -> bool {
        self.memory_charged < self.config.memory_bytes
    }

    /// Whether windows must stop growing: three quarters of the budget are used.
    fn is_memory_tight(&self) -> bool {
        self.memory_charged > self.config.memory_bytes / 4 * 3
    }

    /// Looks at a connection and its queues without touching them.
    pub(super) fn peek_at<R>(&self, index: u32, look: impl FnOnce(&Conn, &Sysctl, &Streams) -> R) -> Option<R> {
        let entry = self.conns.get_at(index)?;
        Some(match entry.streams.as_deref() {
            Some(queues) => look(&entry.conn, &self.config.sysctl, queues),
            None => look(&entry.conn, &self.config.sysctl, &Streams::new()),
        })
    }

    /// Bytes readable, bytes queued to send: of one connection, without touching it.
    pub(super) fn queued(&self, index: u32) -> (usize, usize) {
        let streams = self.conns.get_at(index).and_then(|entry| entry.streams.as_deref());
        streams.map_or((0, 0), |streams| (streams.readable(), streams.len()))
    }
}

/// So few ids of connections that are gone are not worth looking for.
const STALE_IDS_MAX: usize = 64;

/// So many connections keep their empty queues, the last that were busy: about half a megabyte. A request and its
/// answer then allocate nothing, and the next request finds what the last one learned.
const WARM_MAX: usize = 1024;
