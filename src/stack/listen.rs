//! Who waits for connections, and which of them are complete (RFC 9293 3.10.1, Linux `inet_csk_listen_start`,
//! `inet_csk_accept`).

use super::slab::{Key, Slab};
use super::{ConnId, Half, Owner, Stack, cookies};
use crate::options::Options;
use crate::seq::SeqNum;
use crate::tcp::{Crowd, HalfOpen, Setup};
use crate::time::Instant;
use crate::wire::{Flags, Flow, FlowKey, Header, Segment};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One listener of a [`Stack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(Key);

/// A listening address, its accept queue, and the options its connections inherit.
#[derive(Debug)]
pub(super) struct Listener {
    local: SocketAddr,
    backlog: u16,
    half_open: u32,
    /// Those among them whose SYN-ACK timer never fired.
    young: u32,
    options: Options,
    queue: VecDeque<ConnId>,
    /// When a SYN was last answered with a cookie.
    baked_at: Option<Instant>,
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

/// Listeners at most: every port of two addresses.
const LISTENERS_MAX: u32 = 2 * 65_535;

/// The listeners of a stack, and where each listens.
#[derive(Debug)]
pub(super) struct Listeners {
    slots: Slab<Listener>,
    places: BTreeMap<SocketAddr, Key>,
}

impl Listeners {
    pub(super) const fn new() -> Self {
        Self { slots: Slab::new(LISTENERS_MAX), places: BTreeMap::new() }
    }

    fn insert(&mut self, listener: Listener) -> Option<ListenerId> {
        let local = listener.local;
        let key = self.slots.insert(listener)?;
        self.places.insert(local, key);
        Some(ListenerId(key))
    }

    fn remove(&mut self, id: ListenerId) -> Option<Listener> {
        self.slots.get(id.0)?;
        let listener = self.slots.remove_at(id.0.index)?;
        self.places.remove(&listener.local);
        Some(listener)
    }

    /// Who listens at `local`: the exact address before the unspecified one.
    fn at(&self, local: SocketAddr) -> Option<ListenerId> {
        let key = self.places.get(&local).or_else(|| self.places.get(&unspecified(local)));
        key.copied().map(ListenerId)
    }
}

/// The same port of any address of the family.
fn unspecified(local: SocketAddr) -> SocketAddr {
    let any: IpAddr = if local.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    SocketAddr::new(any, local.port())
}

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
        // We have one address a family: with it, or with any, the whole port of the family is taken.
        let exact = self.config.address_like(local.ip()).map(|address| SocketAddr::new(address, local.port()));
        if self.listeners.at(exact.unwrap_or(local)).is_some() {
            return Err(ListenError::InUse);
        }
        // Equal addresses must be equal keys: flow label and scope say nothing here.
        let local = SocketAddr::new(local.ip(), local.port());
        let most = u16::try_from(self.config.sysctl.somaxconn).unwrap_or(u16::MAX);
        let backlog = backlog.min(most);
        let options = options.with_rto_bounds_of(&self.config.sysctl);
        let listener =
            Listener { local, backlog, half_open: 0, young: 0, options, queue: VecDeque::new(), baked_at: None };
        self.listeners.insert(listener).ok_or(ListenError::TooMany)
    }

    /// The oldest complete connection that nobody accepted yet; it may have ended since.
    pub fn accept(&mut self, listener: ListenerId) -> Option<ConnId> {
        self.listener_mut(listener)?.queue.pop_front()
    }

    /// Stops listening. Connections not yet accepted are reset, half-open ones forgotten.
    pub fn close_listener(&mut self, now: Instant, listener: ListenerId) {
        let Some(closed) = self.listeners.remove(listener) else { return };
        for id in closed.queue {
            if let Some(conn) = self.conn(id) {
                conn.abort(now);
            }
        }
        let half_open: Vec<u32> =
            self.half_open.iter().filter(|(_, half)| half.listener == listener).map(|(key, _)| key.index).collect();
        for index in half_open {
            self.remove_half_open(index);
        }
    }

    /// Replaces the options that future connections inherit.
    pub fn set_listener_options(&mut self, listener: ListenerId, options: Options) {
        if let Some(slot) = self.listener_mut(listener) {
            slot.options = options.keeping_rto_bounds_of(&slot.options);
        }
    }

    /// The options that future connections inherit.
    pub fn listener_options(&self, listener: ListenerId) -> Option<Options> {
        self.listener(listener).map(|slot| slot.options)
    }

    /// Where a listener listens.
    pub fn listener_addr(&self, listener: ListenerId) -> Option<SocketAddr> {
        self.listener(listener).map(|slot| slot.local)
    }

    fn listener(&self, id: ListenerId) -> Option<&Listener> {
        self.listeners.slots.get(id.0)
    }

    fn listener_mut(&mut self, id: ListenerId) -> Option<&mut Listener> {
        self.listeners.slots.get_mut(id.0)
    }

    /// Who listens at `local`.
    pub(super) fn listener_for(&self, local: SocketAddr) -> Option<ListenerId> {
        self.listeners.at(local)
    }

    /// Linux's queue is full when it is *longer* than the backlog: `listen(1)` holds two.
    pub(super) fn has_accept_room(&self, id: ListenerId) -> bool {
        self.listener(id).is_some_and(|slot| slot.queue.len() <= usize::from(slot.backlog))
    }

    pub(super) fn enqueue_accept(&mut self, listener: ListenerId, id: ConnId) {
        if let Some(slot) = self.listener_mut(listener) {
            slot.queue.push_back(id);
        }
    }

    /// A half-open block is gone, or became a connection.
    pub(super) fn on_half_open_gone(&mut self, half: &Half) {
        if let Some(slot) = self.listener_mut(half.listener) {
            slot.half_open = slot.half_open.saturating_sub(1);
            slot.young = slot.young.saturating_sub(u32::from(half.block.is_young()));
        }
    }

    /// The SYN-ACK timer of a block fired for the first time.
    pub(super) fn on_half_open_aged(&mut self, listener: ListenerId) {
        if let Some(slot) = self.listener_mut(listener) {
            slot.young = slot.young.saturating_sub(1);
        }
    }

    /// What a SYN-ACK timer of this listener must know.
    pub(super) fn crowd(&self, id: ListenerId) -> Option<Crowd> {
        let slot = self.listener(id)?;
        Some(Crowd { half_open: slot.half_open, young: slot.young, backlog: slot.backlog.into() })
    }

    /// A SYN for a listener: answered, unless the accept queue is full; then the peer's retry finds room, or not. With
    /// too many half-open it is answered with a cookie.
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
        let full = crowded || self.half_open.len() >= self.config.sysctl.tcp_max_syn_backlog;
        let options = slot.options;
        if !self.has_accept_room(id) {
            self.stats.listen_drops += 1;
            return;
        }
        // A number that was chosen to follow an old connection's has no room for a cookie (`tcp_conn_request`).
        let always = self.config.sysctl.tcp_syncookies == 2 && iss.is_none();
        if full || always {
            return self.answer_without_room(now, id, flow, &segment.header, iss);
        }
        let key = FlowKey::from(flow);
        let iss = iss.unwrap_or_else(|| self.isn.isn(now, &key));
        let setup = Setup { flow, iss, ts_offset: self.timestamp_offset(&key), mtu: self.config.mtu, options };
        let block = HalfOpen::new(now, &setup, &segment.header, &self.config.sysctl);
        let (due, syn_ack) = (block.due(), block.syn_ack(now));
        let half = Half { block, listener: id };
        let Some(slot) = self.half_open.insert(half) else {
            self.stats.req_q_full_drop += 1;
            return;
        };
        self.demux.insert(&key, Owner::HalfOpen(slot.index).pack());
        self.half_open_wheel.arm(slot.index, due);
        if let Some(listener) = self.listener_mut(id) {
            listener.half_open += 1;
            listener.young += 1;
        }
        self.reply_as(&options, flow, syn_ack);
    }

    /// There is no room to remember a SYN: it is answered so that it need not be, or dropped (`tcp_conn_request`).
    fn answer_without_room(&mut self, now: Instant, id: ListenerId, flow: Flow, syn: &Header, iss: Option<SeqNum>) {
        if self.config.sysctl.tcp_syncookies == 0 || iss.is_some() {
            self.stats.req_q_full_drop += 1;
            self.stats.listen_drops += 1;
            return;
        }
        let Some(options) = self.listener_options(id) else { return };
        let key = FlowKey::from(flow);
        let ts_offset = self.timestamp_offset(&key);
        let (kept, iss) = cookies::bake(&self.isn, now, &key, syn);
        let setup = Setup { flow, iss, ts_offset, mtu: self.config.mtu, options };
        let mut syn_ack = HalfOpen::new(now, &setup, &kept, &self.config.sysctl).syn_ack(now);
        let peer_scale = kept.options.window_scale.filter(|_| syn_ack.options.window_scale.is_some());
        cookies::mark(&mut syn_ack, peer_scale, ts_offset);
        if let Some(listener) = self.listener_mut(id) {
            listener.baked_at = Some(now);
        }
        self.stats.req_q_full_do_cookies += 1;
        self.stats.syncookies_sent += 1;
        self.reply_as(&options, flow, syn_ack);
    }

    /// An ACK that no connection knows may bring a cookie back: the half-open connection that it stands for
    /// (`cookie_v4_check`).
    pub(super) fn half_open_of_cookie(
        &mut self,
        now: Instant,
        id: ListenerId,
        flow: Flow,
        ack: &Header,
    ) -> Option<HalfOpen> {
        let always = self.config.sysctl.tcp_syncookies == 2;
        let slot = self.listener(id).filter(|_| self.config.sysctl.tcp_syncookies != 0)?;
        let baked = slot.baked_at.is_some_and(|at| now.since(at) <= cookies::VALID);
        if !(baked || always) || ack.flags.intersects(Flags::SYN | Flags::RST) {
            return None;
        }
        let options = slot.options;
        let key = FlowKey::from(flow);
        let ts_offset = self.timestamp_offset(&key);
        let Some(syn) = cookies::taste(&self.isn, now, &key, ack, ts_offset) else {
            self.stats.syncookies_failed += 1;
            return None;
        };
        self.stats.syncookies_recv += 1;
        let setup = Setup { flow, iss: ack.ack - 1, ts_offset, mtu: self.config.mtu, options };
        Some(HalfOpen::new(now, &setup, &syn, &self.config.sysctl).sent_long_ago())
    }
}
