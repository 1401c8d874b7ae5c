//! What a stack is made from.

use crate::config::Sysctl;
use crate::wire::IpOptions;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The configuration of a [`super::Stack`].
///
/// There is no default: the secret must come from the caller, because sequence numbers, timestamps, ports and the
/// connection table are only as unpredictable as it is (RFC 6528, RFC 6056).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Our IPv4 address, if any.
    pub ipv4: Option<Ipv4Addr>,
    /// Our IPv6 address, if any.
    pub ipv6: Option<Ipv6Addr>,
    /// 128 random bits. A simulator may use a fixed value; nobody else may.
    pub secret: [u8; 16],
    /// Largest IP packet the device carries, in bytes; at least 68, and 1280 for IPv6. Default 1500, Ethernet's.
    pub mtu: u16,
    /// Connections at most, orphans included. Default 1 048 576: with its place in the tables one costs about 340
    /// bytes, so that is 350 MiB when all are there.
    pub max_connections: u32,
    /// Bytes that all queues together may hold; beyond it data is neither accepted nor queued. Default 256 MiB.
    pub memory_bytes: usize,
    /// Entries of the journal that each connection keeps, at most [`ENTRIES_MAX`](crate::journal::ENTRIES_MAX); each
    /// takes 64 bytes of the memory budget, and while that is spent a new connection gets none. Default 0: no journals.
    pub journal_entries: usize,
    /// TTL and the like of every packet.
    pub ip: IpOptions,
    /// The knobs. Default [`Sysctl::LINUX`].
    pub sysctl: Sysctl,
}

impl Config {
    /// No address yet, Linux's settings, and this secret.
    pub const fn new(secret: [u8; 16]) -> Self {
        Self {
            ipv4: None,
            ipv6: None,
            secret,
            mtu: 1500,
            max_connections: 1 << 20,
            memory_bytes: 256 << 20,
            journal_entries: 0,
            ip: IpOptions::LINUX,
            sysctl: Sysctl::LINUX,
        }
    }

    /// Answers to this IPv4 address.
    #[must_use]
    pub const fn with_ipv4(mut self, address: Ipv4Addr) -> Self {
        self.ipv4 = Some(address);
        self
    }

    /// Answers to this IPv6 address.
    #[must_use]
    pub const fn with_ipv6(mut self, address: Ipv6Addr) -> Self {
        self.ipv6 = Some(address);
        self
    }

    /// The device's MTU, in bytes.
    #[must_use]
    pub const fn with_mtu(mut self, mtu: u16) -> Self {
        self.mtu = if mtu < MTU_MIN { MTU_MIN } else { mtu };
        self
    }

    /// Every connection keeps a journal of so many entries; see [`Config::journal_entries`]. 64 are enough for a death
    /// by any of Linux's defaults, with what went before.
    #[must_use]
    pub const fn with_journal(mut self, entries: usize) -> Self {
        self.journal_entries = entries;
        self
    }

    /// The settings.
    #[must_use]
    pub fn with_sysctl(mut self, sysctl: Sysctl) -> Self {
        self.sysctl = sysctl;
        self
    }

    /// The same with every field within its bounds, since fields can be set directly.
    pub(super) fn bounded(mut self) -> Self {
        self.mtu = self.mtu.max(MTU_MIN);
        let [first, last] = self.sysctl.ip_local_port_range;
        let first = first.max(1);
        self.sysctl.ip_local_port_range = [first, last.max(first)];
        self
    }

    /// Our address of the same family.
    pub(super) fn address_like(&self, address: IpAddr) -> Option<IpAddr> {
        match address {
            IpAddr::V4(_) => self.ipv4.map(IpAddr::V4),
            IpAddr::V6(_) => self.ipv6.map(IpAddr::V6),
        }
    }

    /// Whether an address is ours.
    pub(super) fn is_ours(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.ipv4 == Some(v4),
            IpAddr::V6(v6) => self.ipv6 == Some(v6),
        }
    }
}

/// Every IPv4 host carries packets of this size (RFC 791).
const MTU_MIN: u16 = 68;
