//! Packets: what TCP says on the wire, as plain values.
//!
//! [`parse`] borrows a [`Segment`] (or an ICMP message) from an IP packet; [`emit`] writes one. This is the only folder
//! that names smoltcp: its `Packet` layer does the field offsets and checksums of IPv4, IPv6, TCP and ICMP. The TCP
//! options and flags are ours, because smoltcp's `Repr` refuses what Linux accepts: FIN beside RST or SYN, a malformed
//! option, a fourth SACK block, an ICMP error that quotes only the first bytes of its packet.
//!
//! Implements RFC 9293 3.1 and 3.2, RFC 7323 2 and 3 (window scale, timestamps), RFC 2018 2 and 3 (SACK), RFC 792 and
//! RFC 4443 (errors and echo). Fragments are dropped: a TCP that sends with DF set and obeys its MSS gets none.

mod emit;
mod error;
mod flow;
mod header;
mod icmp;
mod icmp_emit;
mod ip;
mod parse;
mod tcp_options;
#[cfg(test)]
mod testing;
mod translate;

pub use emit::{emit, header_len};
pub use error::{BufferTooSmall, ParseError};
pub use flow::{Flow, FlowKey, is_unicast};
pub use header::{Flags, Header, Segment};
pub use icmp::{Echo, IcmpError, IcmpKind};
pub use icmp_emit::{emit_echo_reply, emit_icmp_error};
pub use ip::{Ecn, IpOptions};
pub use parse::{Packet, parse};
pub use tcp_options::{SackBlock, SackBlocks, TcpOptions, Timestamps};
pub use translate::{mark_congestion, translate, translate_icmp_error};
