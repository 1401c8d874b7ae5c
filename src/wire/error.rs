//! Why a packet was not read, or not written.

use core::fmt;

/// Why [`parse`](super::parse) dropped a packet.
///
/// Every reason is silent: nothing is sent back. Whoever sent a damaged or forged packet cannot be named from what it
/// says, and an answer would make us a reflector. The reasons differ only in which counter they raise.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParseError {
    /// The packet ends before a header or before the length it claims: cut off on the way, or forged.
    Truncated,
    /// Neither IPv4 nor IPv6: not for us to guess what it is (RFC 1122 3.2.1.1).
    Version,
    /// An IP or TCP header that says it is shorter than its fixed part or longer than what holds it. Where the payload
    /// starts is unknown, so nothing after can be trusted.
    HeaderLength,
    /// The IPv4 header checksum is wrong (RFC 1122 3.2.1.2): even the source address may be.
    HeaderChecksum,
    /// The TCP or ICMP checksum is wrong (RFC 9293 3.1 [MUST-3]); a retransmission heals it.
    Checksum,
    /// Part of a larger packet. There is no reassembly, hence no memory to exhaust.
    Fragment,
    /// An IPv6 chain of extension headers that is too long, out of order, or asks us to forward the packet.
    ExtensionHeader,
    /// Neither TCP nor the family's ICMP. Not answered with protocol unreachable: other protocols may have another
    /// owner.
    Protocol,
    /// Port 0, which nobody can own. Stricter than Linux, which answers a SYN from it.
    Port,
    /// An address that no single host on a wire has: unspecified, broadcast, multicast, loopback, or IPv4-mapped in an
    /// IPv6 header. An answer would go to a crowd or to ourselves (RFC 1122 4.2.3.10).
    Address,
    /// Source and destination are the same address and port (the LAND attack): an answer would come back to us.
    Land,
    /// An ICMP message other than an echo request or an error about a TCP segment: redirects, replies to nothing, and
    /// unknown types and codes (RFC 1122 3.2.2).
    Icmp,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "packet is shorter than it claims",
            Self::Version => "neither IPv4 nor IPv6",
            Self::HeaderLength => "impossible header length",
            Self::HeaderChecksum => "wrong IPv4 header checksum",
            Self::Checksum => "wrong TCP or ICMP checksum",
            Self::Fragment => "fragment of a packet",
            Self::ExtensionHeader => "unacceptable IPv6 extension header",
            Self::Protocol => "neither TCP nor ICMP",
            Self::Port => "port zero",
            Self::Address => "address cannot be a host's on this wire",
            Self::Land => "source and destination are the same",
            Self::Icmp => "ICMP message of no concern to TCP",
        })
    }
}

impl core::error::Error for ParseError {}

/// A packet does not fit: the buffer is shorter than `needed`, or `needed` is more than any IP packet holds (65,535).
///
/// Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferTooSmall {
    /// Length of the whole packet in bytes.
    pub needed: usize,
}

impl fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a packet of {} bytes does not fit", self.needed)
    }
}

impl core::error::Error for BufferTooSmall {}
