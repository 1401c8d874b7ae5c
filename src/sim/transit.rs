//! How a packet gets from one stack to another: out of the device, past whoever intercepts, over the link, through the
//! air, in.

use super::link::{Notes, Passage, Way};
use super::trace::Record;
use super::{HostId, Sim};
use crate::stack::Transmit;
use crate::time::{Duration, Instant};
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
            let (at, packet, notes) = (self.now, packet.clone(), Notes::INJECTED);
            let arrival = Some(at);
            self.recorder.push(Record { at, from: None, to: Some(to), arrival, packet, sent: None, notes });
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
        let to = destination(&packet).and_then(|address| self.hosts.iter().position(|host| host.has_address(address)));
        let to = to.map(HostId);
        let (notes, arrival) = match to {
            Some(to) if self.links.contains_key(&(from.min(to), from.max(to))) => self.cross(from, to, packet.clone()),
            _ => (Notes::NO_ROUTE, None),
        };
        let sent = Some(sent);
        self.recorder.push(Record { at: self.now, from: Some(from), to, arrival, packet, sent, notes });
    }

    /// Past whoever intercepts, over the link, into the air. Returns what there is to say about it, and when it will
    /// arrive.
    fn cross(&mut self, from: HostId, to: HostId, mut packet: Bytes) -> (Notes, Option<Instant>) {
        let mut noted = Notes::NONE;
        let mut delay = Duration::ZERO;
        let passing = Passing { at: self.now, from, to, packet: &packet };
        match self.interceptor.as_mut().map_or(Fate::Pass, |Interceptor(decide)| decide(&passing)) {
            Fate::Pass => {}
            Fate::Drop => return (Notes::TAKEN, None),
            Fate::Delay(by) => {
                delay = by;
                noted.add(Notes::DELAYED);
            }
            Fate::Replace(other) => {
                packet = other;
                noted.add(Notes::REPLACED);
            }
        }
        let way = if from < to { Way::AToB } else { Way::BToA };
        let Some(wire) = self.links.get_mut(&(from.min(to), from.max(to))) else { return (Notes::NO_ROUTE, None) };
        let Passage { arrivals, flip, notes } = wire.pass(self.now, way, packet.len(), &mut self.rng);
        noted.add(notes);
        if let Some(bit) = flip {
            packet = with_flipped_bit(&packet, bit);
        }
        for at in arrivals.into_iter().flatten() {
            self.launch(at + delay, Arrival { to, packet: packet.clone(), injected: false });
        }
        (noted, arrivals[0].map(|at| at + delay))
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
