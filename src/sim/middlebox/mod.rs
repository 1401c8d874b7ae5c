//! Boxes between two hosts that remember connections, and forget them: where most long silences really end.
//!
//! A [`Middlebox`] stands on a link ([`Sim::place`]), sees what passes both ways, and says of each packet whether it
//! goes on, is changed, is dropped, or is answered. It has no timers: whether an entry is too old is asked when a
//! packet needs it, so the answer is exact, and a box without traffic costs nothing.
//!
//! | box | after the silence it allows | default |
//! |---|---|---|
//! | [`Nat`] | drops the packet without a word | 300 s |
//! | [`Tracker::load_balancer`] | answers it with a reset | 900 s |
//! | [`Tracker::firewall`] | drops it, also after [`Tracker::flush`] | 432 000 s |
//!
//! Boxes act before the link's own faults: a cut is beyond them all. What they answer meets no faults.

mod nat;
mod reply;
mod table;
mod tracker;

pub use nat::Nat;
pub use table::{FLOWS_MAX_DEFAULT, Timeouts};
pub use tracker::Tracker;

use super::link::Notes;
use super::transit::Fate;
use super::{HostId, Sim};
use crate::time::Instant;
use crate::wire::IcmpKind;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use core::any::Any;
use core::net::IpAddr;

/// A box on a link. See [`Tracker`] for one that only watches, and [`Nat`] for one that changes packets.
pub trait Middlebox: Any {
    /// A packet that came from this side: what becomes of it, and what is to be said about it.
    ///
    /// [`Fate::Answer`] goes back where the packet came from, through the boxes on that side. [`Fate::Delay`] is not a
    /// box's to say, and passes.
    fn handle_packet(&mut self, now: Instant, from: Side, packet: &[u8]) -> Decision;

    /// Whether the box takes what hosts on its outside send to `address`. By default nothing.
    fn has_address(&self, address: IpAddr) -> bool {
        let _ = address;
        false
    }
}

/// A side of a box: which host was named first in [`Sim::place`], and which second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first host: of a NAT, the one with the private address.
    Inside,
    /// The second.
    Outside,
}

/// What a box decided about a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of it.
    pub fate: Fate,
    /// What the trace and the capture say about it; empty for nothing.
    pub note: &'static str,
}

/// What a box does with a segment of a flow that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Drops it without a word, as most NATs and firewalls do. The sender finds out by retransmitting.
    Drop,
    /// Answers in the name of the destination with a reset that the sender believes. A reset is dropped.
    Reset,
    /// Answers in the name of the destination with this ICMP error. One of the other family is not sent.
    Icmp(IcmpKind),
}

/// A box that was placed, for [`Sim::middlebox_mut`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxId {
    link: (HostId, HostId),
    index: usize,
}

/// The boxes of one link, in their order from the host that was added first.
#[derive(Default)]
pub(super) struct Chain(Vec<Placed>);

struct Placed {
    middlebox: Box<dyn Middlebox>,
    /// Which host is on its inside.
    inside: HostId,
}

/// What came of a packet's way through a chain.
pub(super) struct Crossing {
    /// What enters the link beyond the last box; `None` if it was dropped, or answered.
    pub(super) packet: Option<Bytes>,
    /// What goes back to the sender, and what is to be said about it.
    pub(super) answer: Option<Bytes>,
    pub(super) notes: Notes,
}

impl Decision {
    /// On, unchanged and without a word.
    pub const PASS: Self = Self { fate: Fate::Pass, note: "" };

    /// Gone, for this reason.
    pub const fn drop(note: &'static str) -> Self {
        Self { fate: Fate::Drop, note }
    }
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Inside => Self::Outside,
            Self::Outside => Self::Inside,
        }
    }
}

impl Chain {
    /// Whether a box takes what comes from `from` for `address`.
    pub(super) fn has_address(&self, from: HostId, address: IpAddr) -> bool {
        self.0.iter().any(|placed| placed.inside != from && placed.middlebox.has_address(address))
    }

    /// Takes a packet of `from` through all boxes; `forward` if `from` was added before the other host.
    pub(super) fn cross(&mut self, now: Instant, from: HostId, forward: bool, packet: Bytes) -> Crossing {
        let mut crossing = Crossing { packet: Some(packet), answer: None, notes: Notes::NONE };
        let len = self.0.len();
        for step in 0..len {
            let Some(packet) = crossing.packet.take() else { break };
            let index = if forward { step } else { len - 1 - step };
            let side = self.0[index].side_of(from);
            let (fate, notes) = self.0[index].decide(now, side, &packet);
            crossing.notes.say(notes);
            match fate {
                Fate::Pass | Fate::Delay(_) => crossing.packet = Some(packet),
                Fate::Replace(other) => crossing.packet = Some(other),
                Fate::Drop => {}
                Fate::Answer(answer) => crossing.answer = self.bring_back(now, from, forward, step, answer),
            }
        }
        crossing
    }

    /// Takes an answer of the box at `step` to the sender, through those before it. What they answer to an answer is
    /// lost: two boxes that talk to each other would do so for ever.
    fn bring_back(&mut self, now: Instant, to: HostId, forward: bool, step: usize, answer: Bytes) -> Option<Bytes> {
        let len = self.0.len();
        (0..step).rev().try_fold(answer, |answer, step| {
            let index = if forward { step } else { len - 1 - step };
            let side = self.0[index].side_of(to).other();
            match self.0[index].decide(now, side, &answer).0 {
                Fate::Pass | Fate::Delay(_) => Some(answer),
                Fate::Replace(other) => Some(other),
                Fate::Drop | Fate::Answer(_) => None,
            }
        })
    }
}

impl Placed {
    fn side_of(&self, host: HostId) -> Side {
        if host == self.inside { Side::Inside } else { Side::Outside }
    }

    fn decide(&mut self, now: Instant, from: Side, packet: &[u8]) -> (Fate, &'static str) {
        let Decision { fate, note } = self.middlebox.handle_packet(now, from, packet);
        (fate, note)
    }
}

/// Boxes on links.
impl Sim {
    /// Puts a box on the link between two hosts, and says which is on its inside. Several stand in the order of being
    /// placed, from the host that was added first.
    ///
    /// ```
    /// use longhaul::config::Sysctl;
    /// use longhaul::sim::{Nat, Sim};
    ///
    /// let (mut sim, a, b) = Sim::pair(1, Sysctl::LINUX);
    /// let nat = sim.place(a, b, Nat::new("203.0.113.1".parse()?));
    /// assert_eq!(sim.middlebox_mut::<Nat>(nat).len(), 0);
    /// # Ok::<(), core::net::AddrParseError>(())
    /// ```
    ///
    /// # Panics
    /// If there is no link between them.
    pub fn place(&mut self, inside: HostId, outside: HostId, middlebox: impl Middlebox) -> BoxId {
        let link = (inside.min(outside), inside.max(outside));
        assert!(self.links.contains_key(&link), "no link between these hosts");
        let chain = self.chains.entry(link).or_default();
        chain.0.push(Placed { middlebox: Box::new(middlebox), inside });
        BoxId { link, index: chain.0.len() - 1 }
    }

    /// A box that was placed, to look at it or to change it.
    ///
    /// # Panics
    /// If it is no `M`, or of another simulation.
    pub fn middlebox_mut<M: Middlebox>(&mut self, id: BoxId) -> &mut M {
        let placed = self.chains.get_mut(&id.link).and_then(|chain| chain.0.get_mut(id.index));
        let any: &mut dyn Any = &mut *placed.expect("a box of this simulation").middlebox;
        any.downcast_mut().expect("a box of this type")
    }
}

#[cfg(test)]
mod tests;
