//! How a packet gets from one stack to another: out of the device, past whoever intercepts, over the link, through the
//! air, in.

use super::link::{Notes, Passage, Way};
use super::trace::Record;
use super::{HostId, Sim};
use crate::stack::Transmit;
use crate::time::{Duration, Instant};
use crate::wire;
use alloc::boxed::Box;
use bytes::Bytes;
use core::net::IpAddr;

/// A packet on its way.
pub(super) struct Arrival {
    pub(super) to: HostId,
    pub(super) packet: Bytes,
    /// From outside: to be recorded when it arrives.
    pub(super) injected: bool,
}

/// Whoever decides about packets before a link does.
pub(super) struct Interceptor(pub(super) Box<dyn FnMut(&Passing<'_>) -> Fate>);

/// A packet that is about to enter a link, as [`Sim::intercept`] shows it.
#[derive(Clone, Copy, Debug)]
pub struct Passing<'p> {
    /// The time.
    pub at: Instant,
    /// Who sent it.
    pub from: HostId,
    /// Who shall get it.
    pub to: HostId,
    /// The IP packet.
    pub packet: &'p [u8],
}

/// What shall become of a packet before the link's own faults have their turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// On to the link.
    Pass,
    /// Gone.
    Drop,
    /// On to the link, and later by this much.
    Delay(Duration),
    /// On to the link goes this instead.
    Replace(Bytes),
    /// Gone, and this goes back to the sender, as long as the link's delay later.
    Answer(Bytes),
}

impl Sim {
    pub(super) fn deliver(&mut self, arrival: Arrival) {
        let Arrival { to, packet, injected } = arrival;
        let asleep_until = self.hosts[to.0].asleep_until;
        if self.now < asleep_until {
            // The device keeps it meanwhile.
            return self.launch(asleep_until, Arrival { to, packet, injected });
        }
        if injected {
            self.record_stray(to, self.now, packet.clone(), Notes::INJECTED);
        }
        self.hosts[to.0].handle_packet(self.now, packet, self.delivered);
        self.delivered += 1;
        self.send(to);
    }

    pub(super) fn launch(&mut self, at: Instant, arrival: Arrival) {
        self.flying.insert((at, self.launched), arrival);
        self.launched += 1;
    }

    pub(super) fn send_all(&mut self) {
        (0..self.hosts.len()).for_each(|index| self.send(HostId(index)));
    }

    /// Puts on its way all that a host has to send.
    fn send(&mut self, from: HostId) {
        let mut buffer = core::mem::take(&mut self.buffer);
        for sent in 0.. {
            assert!(sent < PACKETS_AT_ONCE_MAX, "host {from} never stops sending");
            let Some((packet, sent)) = self.hosts[from.0].poll_transmit(self.now, &mut buffer) else { break };
            if self.check_every > 0 {
                self.hosts[from.0].check_sent(&packet);
            }
            self.route(from, packet, sent);
        }
        self.buffer = buffer;
    }

    fn route(&mut self, from: HostId, packet: Bytes, sent: Transmit) {
        let to = destination(&packet).and_then(|address| self.next_hop(from, address));
        let crossed = match to {
            Some(to) if self.links.contains_key(&(from.min(to), from.max(to))) => self.cross(from, to, packet.clone()),
            _ => Crossed::lost(Notes::NO_ROUTE),
        };
        let Crossed { arrival, entered, answer, notes } = crossed;
        // A box that only watched leaves the packet as it was.
        let translated = entered.filter(|entered| *entered != packet);
        let (at, sent) = (self.now, Some(sent));
        self.recorder.push(Record { at, from: Some(from), to, arrival, packet, translated, sent, notes });
        if let Some((at, packet)) = answer {
            self.record_stray(from, at, packet.clone(), Notes::ANSWER);
            self.launch(at, Arrival { to: from, packet, injected: false });
        }
    }

    /// Who has the address, or is beyond a box that has it.
    fn next_hop(&self, from: HostId, address: IpAddr) -> Option<HostId> {
        let host = self.hosts.iter().position(|host| host.has_address(address)).map(HostId);
        host.or_else(|| {
            let mut chains = self.chains.iter().filter(|((a, b), _)| *a == from || *b == from);
            let link = chains.find(|(_, chain)| chain.has_address(from, address));
            link.map(|(&(a, b), _)| if a == from { b } else { a })
        })
    }

    /// Past whoever intercepts, through the boxes, over the link, into the air.
    fn cross(&mut self, from: HostId, to: HostId, packet: Bytes) -> Crossed {
        let mut delay = Duration::ZERO;
        let passing = Passing { at: self.now, from, to, packet: &packet };
        let fate = self.interceptor.as_mut().map_or(Fate::Pass, |Interceptor(decide)| decide(&passing));
        let link = (from.min(to), from.max(to));
        let (mut packet, mut noted) = match fate {
            Fate::Pass => (packet, Notes::NONE),
            Fate::Drop => return Crossed::lost(Notes::TAKEN),
            Fate::Delay(by) => {
                delay = by;
                (packet, Notes::DELAYED)
            }
            Fate::Replace(other) => (other, Notes::REPLACED),
            Fate::Answer(answer) => return self.answered(link, answer, Notes::ANSWERED),
        };
        if let Some(chain) = self.chains.get_mut(&link) {
            let crossing = chain.cross(self.now, from, from < to, packet);
            noted.add(crossing.notes);
            if let Some(answer) = crossing.answer {
                return self.answered(link, answer, noted);
            }
            let Some(left) = crossing.packet else { return Crossed::lost(noted) };
            packet = left;
        }
        let way = if from < to { Way::AToB } else { Way::BToA };
        let Some(wire) = self.links.get_mut(&link) else { return Crossed::lost(Notes::NO_ROUTE) };
        let Passage { arrivals, flip, mark, notes } = wire.pass(self.now, way, packet.len(), &mut self.rng);
        noted.add(notes);
        let entered = packet.clone();
        if mark {
            let mut marked = packet.to_vec();
            if wire::mark_congestion(&mut marked) == Ok(true) {
                packet = marked.into();
                noted.add(Notes::MARKED);
            }
        }
        if let Some(bit) = flip {
            packet = with_flipped_bit(&packet, bit);
        }
        for at in arrivals.into_iter().flatten() {
            self.launch(at + delay, Arrival { to, packet: packet.clone(), injected: false });
        }
        let arrival = arrivals[0].map(|at| at + delay);
        Crossed { arrival, entered: Some(entered), answer: None, notes: noted }
    }

    /// Half of the way there and half of the way back make one delay.
    fn answered(&self, link: (HostId, HostId), answer: Bytes, notes: Notes) -> Crossed {
        let delay = self.links.get(&link).map_or(Duration::ZERO, |wire| wire.link.delay);
        Crossed { answer: Some((self.now + delay, answer)), ..Crossed::lost(notes) }
    }

    /// Records a packet that no host sent, and that arrives then.
    fn record_stray(&mut self, to: HostId, arrival: Instant, packet: Bytes, notes: Notes) {
        let (at, to, arrival) = (self.now, Some(to), Some(arrival));
        self.recorder.push(Record { at, from: None, to, arrival, packet, translated: None, sent: None, notes });
    }
}

/// What came of a packet between two hosts.
struct Crossed {
    /// When it will be there.
    arrival: Option<Instant>,
    /// The packet as the boxes left it, if it entered the link.
    entered: Option<Bytes>,
    /// What goes back to the sender, and when it is there.
    answer: Option<(Instant, Bytes)>,
    notes: Notes,
}

impl Crossed {
    const fn lost(notes: Notes) -> Self {
        Self { arrival: None, entered: None, answer: None, notes }
    }
}

/// No stack has so much to send at once: the windows of all its connections are closed long before.
const PACKETS_AT_ONCE_MAX: u32 = 1 << 24;

/// Where a packet goes, by the version in its first byte.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => packet.get(16..20)?.try_into().ok().map(|v4: [u8; 4]| IpAddr::from(v4)),
        6 => packet.get(24..40)?.try_into().ok().map(|v6: [u8; 16]| IpAddr::from(v6)),
        _ => None,
    }
}

fn with_flipped_bit(packet: &[u8], bit: u64) -> Bytes {
    let mut bytes = packet.to_vec();
    let bit = (bit % (bytes.len().max(1) as u64 * 8)) as usize;
    if let Some(byte) = bytes.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
    bytes.into()
}
