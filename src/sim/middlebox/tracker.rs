//! A box that follows connections and changes nothing: a load balancer, or a stateful firewall.
//!
//! The load balancer is Linux's IPVS: a segment of no known connection that is not a SYN goes to the director's own
//! stack (`tcp_conn_schedule` accepts it), which knows nothing of it and answers with a reset; an established entry
//! lasts 15 min (`tcp_timeouts`). The firewall is netfilter with `nf_conntrack_tcp_loose` 0 and a rule that drops what
//! is invalid; an established entry lasts five days (`nf_conntrack_tcp_timeout_established`). With the kernel's default
//! of 1 it would take a connection up again from the middle.

use super::reply;
use super::table::{Ends, Table};
use super::{Decision, Middlebox, Side, Timeouts, Unknown};
use crate::time::{Duration, Instant};
use crate::wire::{self, Flags, Flow, Packet, Segment};

/// A box that lets segments of known connections pass. A SYN from either side makes one known.
///
/// ICMP errors pass if they are about a known connection, and echo requests always. What cannot be read is dropped.
#[derive(Debug)]
pub struct Tracker {
    table: Table<()>,
    unknown: Unknown,
    words: &'static Words,
}

/// What it says of packets.
#[derive(Debug)]
struct Words {
    opened: &'static str,
    forgot: &'static str,
    full: &'static str,
    unreadable: &'static str,
}

const LOAD_BALANCER: Words = Words {
    opened: "the load balancer made an entry",
    forgot: "the load balancer forgot this flow",
    full: "the load balancer's table is full",
    unreadable: "the load balancer cannot read this",
};

const FIREWALL: Words = Words {
    opened: "the firewall made an entry",
    forgot: "the firewall forgot this flow",
    full: "the firewall's table is full",
    unreadable: "the firewall cannot read this",
};

impl Tracker {
    /// Forgets after 900 s of silence, and then answers with a reset.
    pub const fn load_balancer() -> Self {
        let timeouts = Timeouts::new(Duration::from_secs(900));
        Self { table: Table::new(timeouts), unknown: Unknown::Reset, words: &LOAD_BALANCER }
    }

    /// Forgets after five days of silence, or when told to, and then drops.
    pub const fn firewall() -> Self {
        let timeouts = Timeouts::new(Duration::from_secs(432_000));
        Self { table: Table::new(timeouts), unknown: Unknown::Drop, words: &FIREWALL }
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

    /// Remembers so many connections; a SYN beyond that is dropped. Default [`super::FLOWS_MAX_DEFAULT`].
    #[must_use]
    pub const fn with_flows_max(mut self, flows: usize) -> Self {
        self.table.flows_max = flows;
        self
    }

    /// Forgets everything, as after a restart, a failover or `conntrack -F`.
    pub fn flush(&mut self) {
        self.table.clear();
    }

    /// Entries; some may be dead, and not thrown out yet.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether it remembers nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn handle_segment(
        &mut self,
        now: Instant,
        from: Side,
        flow: &Flow,
        segment: &Segment<'_>,
        packet: &[u8],
    ) -> Decision {
        let ends = Ends::new(from, flow);
        let flags = segment.header.flags;
        if self.table.find(now, &ends).is_some() {
            self.table.touch(now, &ends, from, flags);
            return Decision::PASS;
        }
        self.table.remove(&ends);
        if !opens(flags) {
            return reply::to_unknown(self.unknown, self.words.forgot, flow, segment, packet);
        }
        if self.table.is_full() {
            self.table.sweep(now).for_each(drop);
        }
        if self.table.is_full() {
            return Decision::drop(self.words.full);
        }
        self.table.open(now, ends, from, ());
        Decision { note: self.words.opened, ..Decision::PASS }
    }
}

impl Middlebox for Tracker {
    fn handle_packet(&mut self, now: Instant, from: Side, packet: &[u8]) -> Decision {
        match wire::parse(packet) {
            Ok(Packet::Tcp { flow, segment, .. }) => self.handle_segment(now, from, &flow, &segment, packet),
            Ok(Packet::Icmp(error)) if self.table.find(now, &Ends::new(from, &error.flow)).is_none() => {
                Decision::drop(self.words.forgot)
            }
            Ok(Packet::Icmp(_) | Packet::Echo(_)) => Decision::PASS,
            Err(_) => Decision::drop(self.words.unreadable),
        }
    }
}

/// Whether a segment may be a connection's first.
pub(super) const fn opens(flags: Flags) -> bool {
    flags.contains(Flags::SYN) && !flags.intersects(Flags::ACK.with(Flags::RST).with(Flags::FIN))
}
