//! Packets: what TCP says on the wire, as plain values.
//!
//! [`parse`] borrows a [`Segment`] (or an ICMP message) from an IP packet; [`emit`] writes one. This is the only folder
//! that names smoltcp: its `Packet` layer does the field offsets and checksums of IPv4, IPv6, TCP and ICMP. The TCP
//! options and flags are ours, because smoltcp's `Repr` refuses what Linux accepts (see the table in `parse`).
//!
//! Implements RFC 9293 3.1 and 3.2, RFC 7323 2 and 3 (window scale, timestamps), RFC 2018 2 and 3 (SACK), RFC 792 and
//! RFC 4443 (errors). Fragments are dropped: a TCP that sends with DF set and obeys its MSS gets none.

mod emit;
mod icmp;
mod parse;

use crate::seq::SeqNum;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::{BitOr, BitOrAssign};

pub use emit::{BufferTooSmall, emit, emit_echo_reply, header_len};
pub use icmp::{IcmpError, IcmpKind};
pub use parse::{Echo, Packet, ParseError, parse};

/// The two ends of a connection, seen from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's address and port.
    pub remote: SocketAddr,
}

/// A [`Flow`] packed into 36 bytes: IPv4 addresses are held as IPv4-mapped IPv6 ones; scope and flow label are dropped.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowKey {
    local: [u8; 16],
    remote: [u8; 16],
    local_port: u16,
    remote_port: u16,
}

impl FlowKey {
    /// The packed bytes, for hashing: both addresses, then both ports in network order.
    pub fn to_bytes(&self) -> [u8; 36] {
        let mut bytes = [0; 36];
        bytes[..16].copy_from_slice(&self.local);
        bytes[16..32].copy_from_slice(&self.remote);
        bytes[32..34].copy_from_slice(&self.local_port.to_be_bytes());
        bytes[34..].copy_from_slice(&self.remote_port.to_be_bytes());
        bytes
    }

    /// Whether both ends are IPv4.
    pub fn is_ipv4(&self) -> bool {
        Ipv6Addr::from(self.remote).to_ipv4_mapped().is_some()
    }
}

impl From<Flow> for FlowKey {
    fn from(flow: Flow) -> Self {
        let octets = |address: IpAddr| match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        Self {
            local: octets(flow.local.ip()),
            remote: octets(flow.remote.ip()),
            local_port: flow.local.port(),
            remote_port: flow.remote.port(),
        }
    }
}

impl From<FlowKey> for Flow {
    fn from(key: FlowKey) -> Self {
        let address = |octets: [u8; 16]| Ipv6Addr::from(octets).to_canonical();
        Self {
            local: SocketAddr::new(address(key.local), key.local_port),
            remote: SocketAddr::new(address(key.remote), key.remote_port),
        }
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flow = Flow::from(*self);
        write!(f, "{} > {}", flow.local, flow.remote)
    }
}

/// The control bits of a TCP header, all nine (RFC 9293 3.1; AE is RFC 9768's, once NS).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(u16);

impl Flags {
    /// No bit set.
    pub const NONE: Self = Self(0);
    /// No more data from the sender.
    pub const FIN: Self = Self(0x001);
    /// Synchronize sequence numbers.
    pub const SYN: Self = Self(0x002);
    /// Reset the connection.
    pub const RST: Self = Self(0x004);
    /// Push.
    pub const PSH: Self = Self(0x008);
    /// The acknowledgment field is significant.
    pub const ACK: Self = Self(0x010);
    /// The urgent pointer is significant.
    pub const URG: Self = Self(0x020);
    /// ECN echo (RFC 3168).
    pub const ECE: Self = Self(0x040);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: Self = Self(0x080);
    /// Accurate ECN.
    pub const AE: Self = Self(0x100);

    /// The flags in the low nine bits of `bits`; the rest is ignored.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & 0x1ff)
    }

    /// The nine bits as they stand in bytes 12 and 13 of the header.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether every flag of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any flag of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// `self` without the flags of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// `self` and `other` together, in constants.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.with(other);
    }
}

/// As packetdrill and tcpdump write them: `S.`, `FP.`, `R`, `-` for none.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LETTERS: [(Flags, char); 9] = [
            (Flags::FIN, 'F'),
            (Flags::SYN, 'S'),
            (Flags::RST, 'R'),
            (Flags::PSH, 'P'),
            (Flags::URG, 'U'),
            (Flags::ECE, 'E'),
            (Flags::CWR, 'W'),
            (Flags::AE, 'A'),
            (Flags::ACK, '.'),
        ];
        if self.0 == 0 {
            return f.write_str("-");
        }
        for (flag, letter) in LETTERS {
            if self.contains(flag) {
                fmt::Write::write_char(f, letter)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The timestamps option (RFC 7323 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timestamps {
    /// `TSval`: the sender's clock.
    pub val: u32,
    /// `TSecr`: the clock value being echoed; meaningful only with ACK.
    pub ecr: u32,
}

/// A range of received sequence numbers: `start` is the first held, `end` one past the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SackBlock {
    /// First sequence number held.
    pub start: SeqNum,
    /// One past the last.
    pub end: SeqNum,
}

/// Up to four SACK blocks, in wire order (RFC 2018 3). Three fit beside timestamps; a fourth is dropped on emit then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SackBlocks {
    blocks: [SackBlock; Self::MAX],
    len: u8,
}

impl SackBlocks {
    /// No block: the option is absent.
    pub const EMPTY: Self =
        Self { blocks: [SackBlock { start: SeqNum::new(0), end: SeqNum::new(0) }; Self::MAX], len: 0 };
    /// As many as 40 bytes of options can hold.
    pub const MAX: usize = 4;

    /// Appends a block; false if there is no room.
    pub fn push(&mut self, block: SackBlock) -> bool {
        let Some(slot) = self.blocks.get_mut(usize::from(self.len)) else { return false };
        *slot = block;
        self.len += 1;
        true
    }

    /// The blocks, first one first.
    pub fn as_slice(&self) -> &[SackBlock] {
        &self.blocks[..usize::from(self.len)]
    }

    /// Whether the option is absent.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The options this crate understands. Anything else is stepped over on input and never emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct TcpOptions {
    /// Maximum segment size, as on the wire. Legal on SYN only.
    pub mss: Option<u16>,
    /// Window scale shift, as on the wire (a shift above 14 is for the reader to clamp). Legal on SYN only.
    pub window_scale: Option<u8>,
    /// SACK permitted. Legal on SYN only.
    pub sack_permitted: bool,
    /// Timestamps.
    pub timestamps: Option<Timestamps>,
    /// SACK blocks.
    pub sack: SackBlocks,
}

impl TcpOptions {
    /// No option at all.
    pub const NONE: Self = Self {
        mss: None,
        window_scale: None,
        sack_permitted: false,
        timestamps: None,
        sack: SackBlocks::EMPTY,
    };
}

/// A TCP header without its ports, which are the [`Flow`]'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Sequence number of the first byte (or of SYN or FIN).
    pub seq: SeqNum,
    /// Acknowledgment number; meaningful only if `flags` contains [`Flags::ACK`], zero otherwise.
    pub ack: SeqNum,
    /// Control bits.
    pub flags: Flags,
    /// The raw window field, not scaled.
    pub window: u16,
    /// Urgent pointer; meaningful only with [`Flags::URG`].
    pub urgent: u16,
    /// Options.
    pub options: TcpOptions,
}

impl Header {
    /// A header with these numbers and flags, window 0 and no options.
    pub const fn new(seq: SeqNum, ack: SeqNum, flags: Flags) -> Self {
        Self { seq, ack, flags, window: 0, urgent: 0, options: TcpOptions::NONE }
    }
}

/// A TCP segment borrowed from a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'p> {
    /// Its header.
    pub header: Header,
    /// Its payload.
    pub payload: &'p [u8],
}

impl Segment<'_> {
    /// SEG.LEN: the sequence space taken, counting SYN and FIN (RFC 9293 3.4).
    pub const fn len(&self) -> u32 {
        self.payload.len() as u32
            + self.header.flags.contains(Flags::SYN) as u32
            + self.header.flags.contains(Flags::FIN) as u32
    }

    /// Whether it takes no sequence space.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One past its last sequence number.
    pub fn end(&self) -> SeqNum {
        self.header.seq + self.len()
    }
}

/// The explicit congestion notification bits of the IP header (RFC 3168 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Ecn {
    /// The sender does not use ECN.
    #[default]
    NotEct,
    /// ECN-capable, codepoint 1.
    Ect1,
    /// ECN-capable, codepoint 0.
    Ect0,
    /// Congestion experienced.
    Ce,
}

/// What the IP header of an outgoing packet says besides addresses and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpOptions {
    /// Time to live, or hop limit. Linux: 64 (`ip_default_ttl`).
    pub hop_limit: u8,
    /// The six bits of the differentiated services field.
    pub dscp: u8,
    /// The ECN bits.
    pub ecn: Ecn,
}

impl IpOptions {
    /// TTL 64, best effort, no ECN: Linux's defaults.
    pub const LINUX: Self = Self { hop_limit: 64, dscp: 0, ecn: Ecn::NotEct };
}

impl Default for IpOptions {
    fn default() -> Self {
        Self::LINUX
    }
}

/// Whether packets to or from `address` may be a TCP connection's: neither unspecified, broadcast nor multicast
/// (RFC 9293 3.9.2.3 [MUST-57] [MUST-63]).
pub fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_unspecified() || v4.is_multicast() || v4 == Ipv4Addr::BROADCAST || v4.octets()[0] == 0),
        IpAddr::V6(v6) => !(v6.is_unspecified() || v6.is_multicast()),
    }
}
