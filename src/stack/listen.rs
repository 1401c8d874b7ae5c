//! Who waits for connections, and which of them are complete (RFC 9293 3.10.1, Linux `inet_csk_listen_start`,
//! `inet_csk_accept`).

use super::{ConnId, Half, Owner, Stack};
use crate::options::Options;
use crate::seq::SeqNum;
use crate::tcp::{HalfOpen, Setup};
use crate::time::Instant;
use crate::wire::{Flow, FlowKey, Segment};
use alloc::collections::VecDeque;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// One listener of a [`Stack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId {
    index: u16,
    generation: u32,
}

/// A listening address, its accept queue, and the options its connections inherit.
#[derive(Debug)]
pub(super) struct Listener {
    local: SocketAddr,
    generation: u32,
    backlog: u16,
    half_open: u32,
    options: Options,
    queue: VecDeque<ConnId>,
}

/// Why [`Stack::listen`] refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenError {
    /// Somebody listens there already (EADDRINUSE).
    InUse,
    /// The address is not ours, or the port is 0 (EADDRNOTAVAIL).
    NotAvailable,
    /// There are as many listeners as there can be.
    TooMany,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InUse => "address in use",
            Self::NotAvailable => "not an address and port of this stack",
            Self::TooMany => "too many listeners",
        })
    }
}

impl core::error::Error for ListenError {}

/// Listeners at most: every port of one address.
const LISTENERS_MAX: usize = 65_535;

impl Stack {
    /// Waits for connections to `local`, whose address may be unspecified for any of ours (of its family). `backlog`
    /// bounds the connections that wait to be accepted, and the half-open ones: as on Linux one more than it says, and
    /// at most `somaxconn`. Accepted connections inherit `options`.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn listen(&mut self, local: SocketAddr, backlog: u16, options: Options) -> Result<ListenerId, ListenError> {
        let ours = local.ip().is_unspecified() || self.config.is_ours(local.ip());
        if !ours || local.port() == 0 {
            return Err(ListenError::NotAvailable);
        }
        if self.listeners.iter().flatten().any(|other| other.overlaps(local)) {
            return Err(ListenError::InUse);
        }
        let vacant = self.listeners.iter().position(Option::is_none).unwrap_or(self.listeners.len());
        if vacant >= LISTENERS_MAX {
            return Err(ListenError::TooMany);
        }
        let backlog = backlog.min(self.config.sysctl.somaxconn);
        // Blocks of an earlier listener in this place carry its own generation.
        self.listener_generation = self.listener_generation.wrapping_add(1);
        let generation = self.listener_generation;
        let listener = Listener { local, generation, backlog, half_open: 0, options, queue: VecDeque::new() };
        if vacant == self.listeners.len() {
            self.listeners.push(Some(listener));
        } else {
            self.listeners[vacant] = Some(listener);
        }
        Ok(ListenerId { index: vacant as u16, generation })
    }

    /// The oldest complete connection that nobody accepted yet; it may have ended since.
    pub fn accept(&mut self, listener: ListenerId) -> Option<ConnId> {
        self.listener_mut(listener)?.queue.pop_front()
    }

    /// Stops listening. Connections not yet accepted are reset, half-open ones forgotten.
    pub fn close_listener(&mut self, now: Instant, listener: ListenerId) {
        let Some(slot) = self.listener_mut(listener) else { return };
        let queue = core::mem::take(&mut slot.queue);
        self.listeners[usize::from(listener.index)] = None;
        for id in queue {
            if let Some(conn) = self.conn(id) {
                conn.abort(now);
            }
        }
        let half_open: alloc::vec::Vec<u32> =
            self.half_open.iter().filter(|(_, half)| half.listener == listener).map(|(key, _)| key.index).collect();
        for index in half_open {
            self.remove_half_open(index);
        }
    }

    /// Replaces the options that future connections inherit.
    pub fn set_listener_options(&mut self, listener: ListenerId, options: Options) {
        if let Some(slot) = self.listener_mut(listener) {
            slot.options = options;
        }
    }

    /// Where a listener listens.
    pub fn listener_addr(&self, listener: ListenerId) -> Option<SocketAddr> {
        self.listener(listener).map(|slot| slot.local)
    }

    pub(super) fn listener_options(&self, id: ListenerId) -> Option<Options> {
        self.listener(id).map(|slot| slot.options)
    }

    fn listener(&self, id: ListenerId) -> Option<&Listener> {
        self.listeners.get(usize::from(id.index))?.as_ref().filter(|slot| slot.generation == id.generation)
    }

    fn listener_mut(&mut self, id: ListenerId) -> Option<&mut Listener> {
        self.listeners.get_mut(usize::from(id.index))?.as_mut().filter(|slot| slot.generation == id.generation)
    }

    /// Who listens at `local`: the exact address before the unspecified one.
    pub(super) fn listener_for(&self, local: SocketAddr) -> Option<ListenerId> {
        let listening =
            self.listeners.iter().zip(0..).filter_map(|(slot, index)| slot.as_ref().map(|slot| (slot, index)));
        listening
            .filter(|(slot, _)| slot.covers(local))
            .max_by_key(|(slot, _)| !slot.local.ip().is_unspecified())
            .map(|(slot, index)| ListenerId { index, generation: slot.generation })
    }

    /// Linux's queue is full when it is *longer* than the backlog: `listen(1)` holds two.
    pub(super) fn has_accept_room(&self, id: ListenerId) -> bool {
        self.listener(id).is_some_and(|slot| slot.queue.len() <= usize::from(slot.backlog))
    }

    pub(super) fn enqueue_accept(&mut self, listener: ListenerId, id: ConnId) {
        if let Some(slot) = self.listener_mut(listener) {
            slot.half_open = slot.half_open.saturating_sub(1);
            slot.queue.push_back(id);
        }
    }

    /// A half-open block of this listener is gone.
    pub(super) fn on_half_open_gone(&mut self, listener: ListenerId) {
        if let Some(slot) = self.listener_mut(listener) {
            slot.half_open = slot.half_open.saturating_sub(1);
        }
    }

    /// A SYN for a listener: answered, unless its queues are full; then the peer's retry finds room, or not.
    pub(super) fn begin_half_open(
        &mut self,
        now: Instant,
        id: ListenerId,
        flow: Flow,
        segment: &Segment<'_>,
        iss: Option<SeqNum>,
    ) {
        let Some(slot) = self.listener(id) else { return };
        let crowded = slot.half_open > u32::from(slot.backlog);
        let options = slot.options;
        if crowded || !self.has_accept_room(id) {
            self.stats.req_q_full_drop += u64::from(crowded);
            self.stats.listen_drops += 1;
            return;
        }
        let key = FlowKey::from(flow);
        let iss = iss.unwrap_or_else(|| self.isn.isn(now, &key));
        let setup = Setup { flow, iss, ts_offset: self.timestamp_offset(&key), mtu: self.config.mtu, options };
        let block = HalfOpen::new(now, &setup, &segment.header, &self.config.sysctl);
        let (due, syn_ack) = (block.due(), block.syn_ack(now));
        let Some(slot) = self.half_open.insert(Half { block, listener: id }) else {
            self.stats.req_q_full_drop += 1;
            return;
        };
        self.demux.insert(&key, Owner::HalfOpen(slot.index).pack());
        self.half_open_wheel.arm(slot.index, due);
        if let Some(listener) = self.listener_mut(id) {
            listener.half_open += 1;
        }
        self.reply(flow, syn_ack);
    }
}

impl Listener {
    fn covers(&self, local: SocketAddr) -> bool {
        let any = self.local.ip().is_unspecified() && same_family(self.local.ip(), local.ip());
        self.local.port() == local.port() && (any || self.local.ip() == local.ip())
    }

    fn overlaps(&self, local: SocketAddr) -> bool {
        let any = self.local.ip().is_unspecified() || local.ip().is_unspecified();
        let address = self.local.ip() == local.ip() || (any && same_family(self.local.ip(), local.ip()));
        self.local.port() == local.port() && address
    }
}

fn same_family(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4()
}
