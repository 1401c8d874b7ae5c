//! What a box remembers of connections: who talks to whom, since when nobody did, and how far it has come.
//!
//! After RFC 5382 5 (an established connection and one that opens or closes have different idle times) and Linux's
//! `nf_conntrack_proto_tcp`, much simplified: sequence numbers are not followed. An entry is gone exactly its idle time
//! after the last packet that passed, in either direction.

use super::Side;
use crate::time::{Duration, Instant};
use crate::wire::{Flags, Flow};
use alloc::collections::BTreeMap;
use core::net::SocketAddr;

/// Connections that a box remembers at once, unless told otherwise. As many as one address has ports.
pub const FLOWS_MAX_DEFAULT: usize = 65_536;

/// How long a box remembers a connection on which nothing passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// When both sides have spoken. RFC 5382 5 asks for 2 h 4 min; many boxes allow far less.
    pub established: Duration,
    /// While only one side has spoken, and after a reset or a FIN from each. RFC 5382 5 asks for 4 min.
    pub transitory: Duration,
}

impl Timeouts {
    /// This long when established, and 4 min, or less if that is less, while opening and closing.
    pub const fn new(established: Duration) -> Self {
        let transitory = if established.as_secs() < TRANSITORY.as_secs() { established } else { TRANSITORY };
        Self { established, transitory }
    }
}

/// RFC 5382 REQ-5.
const TRANSITORY: Duration = Duration::from_secs(240);

/// Both ends of a connection, as the inside names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ends {
    pub(super) inside: SocketAddr,
    pub(super) outside: SocketAddr,
}

impl Ends {
    /// Of a packet from `from`, as the parser shows its flow: `local` is the destination. For an ICMP error from there
    /// too: what it quotes went the other way, and its `local` is the quoted source.
    pub(super) const fn new(from: Side, flow: &Flow) -> Self {
        match from {
            Side::Inside => Self { inside: flow.remote, outside: flow.local },
            Side::Outside => Self { inside: flow.local, outside: flow.remote },
        }
    }
}

/// Connections with idle times, and what else the box knows of each.
#[derive(Debug)]
pub(super) struct Table<M> {
    entries: BTreeMap<Ends, Entry<M>>,
    pub(super) timeouts: Timeouts,
    pub(super) flows_max: usize,
}

#[derive(Debug)]
struct Entry<M> {
    /// When a packet last passed.
    last: Instant,
    /// Which sides have spoken, and which have said FIN: a bit each.
    spoke: u8,
    finished: u8,
    mapping: M,
}

impl<M> Entry<M> {
    fn is_expired(&self, now: Instant, timeouts: &Timeouts) -> bool {
        let established = self.spoke == BOTH && self.finished != BOTH;
        let idle = if established { timeouts.established } else { timeouts.transitory };
        now.since(self.last) >= idle
    }
}

const BOTH: u8 = 3;

const fn bit(side: Side) -> u8 {
    match side {
        Side::Inside => 1,
        Side::Outside => 2,
    }
}

impl<M> Table<M> {
    pub(super) const fn new(timeouts: Timeouts) -> Self {
        Self { entries: BTreeMap::new(), timeouts, flows_max: FLOWS_MAX_DEFAULT }
    }

    /// Entries, dead ones that nobody asked for included.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What the box knows of a connection, if it does.
    pub(super) fn find(&self, now: Instant, ends: &Ends) -> Option<&M> {
        let live = |entry: &&Entry<M>| !entry.is_expired(now, &self.timeouts);
        self.entries.get(ends).filter(live).map(|entry| &entry.mapping)
    }

    /// A segment of a known connection passes.
    pub(super) fn touch(&mut self, now: Instant, ends: &Ends, from: Side, flags: Flags) {
        let Some(entry) = self.entries.get_mut(ends) else { return };
        entry.last = now;
        if flags.contains(Flags::SYN) && entry.finished == BOTH {
            // The same ports again: a connection begins.
            (entry.spoke, entry.finished) = (0, 0);
        }
        entry.spoke |= bit(from);
        if flags.contains(Flags::RST) {
            entry.finished = BOTH;
        } else if flags.contains(Flags::FIN) {
            entry.finished |= bit(from);
        }
    }

    /// Whether there is no room for one more.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.flows_max
    }

    /// Throws out dead entries and hands them over. A look at every one, so a box asks only when something has run out.
    pub(super) fn sweep(&mut self, now: Instant) -> impl Iterator<Item = (Ends, M)> {
        let timeouts = self.timeouts;
        let dead = self.entries.extract_if(.., move |_, entry| entry.is_expired(now, &timeouts));
        dead.map(|(ends, entry)| (ends, entry.mapping))
    }

    /// The first segment of a new connection passes. Replaces a dead entry.
    pub(super) fn open(&mut self, now: Instant, ends: Ends, from: Side, mapping: M) {
        self.entries.insert(ends, Entry { last: now, spoke: bit(from), finished: 0, mapping });
    }

    /// Forgets one, dead or alive.
    pub(super) fn remove(&mut self, ends: &Ends) -> Option<M> {
        self.entries.remove(ends).map(|entry| entry.mapping)
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }
}
