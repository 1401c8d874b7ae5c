//! A box that lends connections its own address: what stands between most clients and the world.
//!
//! A stateful NAT with address- and port-dependent mapping, as Linux's masquerading (`nf_nat_core`): a connection keeps
//! its port if nobody else uses it towards the same remote, and gets the next free one of the range otherwise. After
//! its idle time an entry is gone, and later segments of the connection, from either side, are dropped without a word
//! (or answered, if the box is told to). Only a SYN from the inside makes a new entry. Linux would by default also take
//! up a connection from the middle (`nf_conntrack_tcp_loose`); carriers' boxes do not.

use super::reply;
use super::table::{Ends, Table};
use super::tracker::opens;
use super::{Decision, Middlebox, Side, Timeouts, Unknown};
use crate::sim::Fate;
use crate::time::{Duration, Instant};
use crate::wire::{self, Flow, IcmpError, Packet, Segment};
use alloc::collections::BTreeMap;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;

/// A network address and port translation for what is on its inside.
///
/// ICMP errors about a known connection are translated with it; echo requests, and what cannot be read, are dropped.
/// Packets of a family in which it has no address pass as they are.
#[derive(Debug)]
pub struct Nat {
    public: [Option<IpAddr>; 2],
    ports: RangeInclusive<u16>,
    /// The public port of each connection.
    table: Table<u16>,
    /// By public port and remote end, whose it is. Has the entries of `table` and no others.
    reverse: BTreeMap<(u16, SocketAddr), Ends>,
    unknown: Unknown,
}

impl Nat {
    /// With this public address: forgets after 300 s of silence, and then drops.
    pub fn new(public: IpAddr) -> Self {
        Self {
            public: [None; 2],
            ports: 1024..=u16::MAX,
            table: Table::new(Timeouts::new(Duration::from_secs(300))),
            reverse: BTreeMap::new(),
            unknown: Unknown::Drop,
        }
        .with_public(public)
    }

    /// With this address too, or instead of the one of the same family.
    #[must_use]
    pub fn with_public(mut self, public: IpAddr) -> Self {
        self.public[usize::from(public.is_ipv6())] = Some(public);
        self
    }

    /// Remembers for this long.
    #[must_use]
    pub const fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.table.timeouts = timeouts;
        self
    }

    /// Does this with what it does not know.
    #[must_use]
    pub const fn with_unknown(mut self, unknown: Unknown) -> Self {
        self.unknown = unknown;
        self
    }

    /// Lends these ports, towards each remote end; a SYN that finds none is dropped. Default 1024 to 65535.
    #[must_use]
    pub const fn with_ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.ports = ports;
        self
    }

    /// Remembers so many connections; a SYN beyond that is dropped. Default [`super::FLOWS_MAX_DEFAULT`].
    #[must_use]
    pub const fn with_flows_max(mut self, flows: usize) -> Self {
        self.table.flows_max = flows;
        self
    }

    /// Forgets everything, as after a restart.
    pub fn flush(&mut self) {
        self.table.clear();
        self.reverse.clear();
    }

    /// Entries; some may be dead, and not thrown out yet.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether it remembers nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cfg(test)]
    pub(super) fn reverse_len(&self) -> usize {
        self.reverse.len()
    }

    fn public_like(&self, address: IpAddr) -> Option<IpAddr> {
        self.public[usize::from(address.is_ipv6())]
    }

    fn handle_outgoing(&mut self, now: Instant, flow: &Flow, segment: &Segment<'_>, packet: &[u8]) -> Decision {
        let ends = Ends::new(Side::Inside, flow);
        let Some(public) = self.public_like(ends.outside.ip()) else { return Decision::PASS };
        let flags = segment.header.flags;
        let (port, note) = match self.table.find(now, &ends) {
            Some(&port) => {
                self.table.touch(now, &ends, Side::Inside, flags);
                (port, "")
            }
            None if !opens(flags) => {
                self.forget(&ends);
                return reply::to_unknown(self.unknown, FORGOT, flow, segment, packet);
            }
            None => match self.open(now, ends) {
                Ok(port) => (port, "the NAT made an entry"),
                Err(note) => return Decision::drop(note),
            },
        };
        translated(packet, &Flow { local: SocketAddr::new(public, port), remote: ends.outside }, note)
    }

    fn handle_incoming(&mut self, now: Instant, flow: &Flow, segment: &Segment<'_>, packet: &[u8]) -> Decision {
        let Some(public) = self.public_like(flow.local.ip()) else { return Decision::PASS };
        if flow.local.ip() != public {
            return Decision::drop("the NAT lets nobody reach private addresses");
        }
        let known = self.reverse.get(&(flow.local.port(), flow.remote)).copied();
        let Some(ends) = known.filter(|ends| self.table.find(now, ends).is_some()) else {
            known.inspect(|ends| self.forget(ends));
            let note = if opens(segment.header.flags) { "the NAT has no entry for this" } else { FORGOT };
            return reply::to_unknown(self.unknown, note, flow, segment, packet);
        };
        self.table.touch(now, &ends, Side::Outside, segment.header.flags);
        translated(packet, &Flow { local: ends.outside, remote: ends.inside }, "")
    }

    /// An entry for a connection from the inside, and its public port.
    fn open(&mut self, now: Instant, ends: Ends) -> Result<u16, &'static str> {
        self.forget(&ends);
        let port = self.free_port(&ends).or_else(|_| {
            for (ends, port) in self.table.sweep(now) {
                self.reverse.remove(&(port, ends.outside));
            }
            self.free_port(&ends)
        })?;
        self.table.open(now, ends, Side::Inside, port);
        self.reverse.insert((port, ends.outside), ends);
        Ok(port)
    }

    /// The connection's own port, or the next one after it in the range, that nobody uses towards this remote.
    fn free_port(&self, ends: &Ends) -> Result<u16, &'static str> {
        if self.table.is_full() {
            return Err("the NAT's table is full");
        }
        // Port 0 is nobody's.
        let (first, last) = ((*self.ports.start()).max(1), *self.ports.end());
        let mut ports = (first.max(ends.inside.port())..=last).chain(first..=last);
        let free = ports.find(|&port| !self.reverse.contains_key(&(port, ends.outside)));
        free.ok_or("the NAT has no port left")
    }

    fn forget(&mut self, ends: &Ends) {
        if let Some(port) = self.table.remove(ends) {
            self.reverse.remove(&(port, ends.outside));
        }
    }

    fn handle_error(&mut self, now: Instant, from: Side, error: &IcmpError, packet: &[u8]) -> Decision {
        let Some(public) = self.public_like(error.flow.local.ip()) else { return Decision::PASS };
        let quoted = error.flow;
        let known = self.reverse.get(&(quoted.local.port(), quoted.remote));
        let known = known.filter(|ends| self.table.find(now, ends).is_some());
        match known {
            Some(ends) if from == Side::Outside && quoted.local.ip() == public => {
                let mut packet = packet.to_vec();
                match wire::translate_icmp_error(&mut packet, ends.inside) {
                    Ok(()) => Decision { fate: Fate::Replace(packet.into()), note: "" },
                    Err(_) => Decision::drop(UNREADABLE),
                }
            }
            _ if from == Side::Inside => Decision::drop("the NAT translates errors from its outside only"),
            _ => Decision::drop(FORGOT),
        }
    }
}

impl Middlebox for Nat {
    fn handle_packet(&mut self, now: Instant, from: Side, packet: &[u8]) -> Decision {
        match (wire::parse(packet), from) {
            (Ok(Packet::Tcp { flow, segment, .. }), Side::Inside) => self.handle_outgoing(now, &flow, &segment, packet),
            (Ok(Packet::Tcp { flow, segment, .. }), Side::Outside) => {
                self.handle_incoming(now, &flow, &segment, packet)
            }
            (Ok(Packet::Icmp(error)), _) => self.handle_error(now, from, &error, packet),
            (Ok(Packet::Echo(_)), _) => Decision::drop("the NAT does not translate echo requests"),
            (Err(_), _) => Decision::drop(UNREADABLE),
        }
    }

    fn has_address(&self, address: IpAddr) -> bool {
        self.public_like(address) == Some(address)
    }
}

fn translated(packet: &[u8], flow: &Flow, note: &'static str) -> Decision {
    let mut packet = packet.to_vec();
    match wire::translate(&mut packet, flow) {
        Ok(()) => Decision { fate: Fate::Replace(packet.into()), note },
        Err(_) => Decision::drop(UNREADABLE),
    }
}

const FORGOT: &str = "the NAT forgot this flow";
const UNREADABLE: &str = "the NAT cannot read this";
