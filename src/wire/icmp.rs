//! Messages about the path: errors that quote a segment of ours, and echo requests.
//!
//! RFC 792, RFC 1122 3.2.2, RFC 1191 4 (next-hop MTU) and RFC 4443, read as Linux's `icmp_unreach`, `tcp_v4_err` and
//! `tcp_v6_err` do. Here an error only becomes a value. Whether it is believed (RFC 5927: its sequence number must be
//! in flight) and what it does is for the connection to say. Redirects and everything else are [`ParseError::Icmp`].

use super::error::ParseError;
use super::flow::Flow;
use super::ip::{self, Ip};
use super::parse::Packet;
use crate::seq::SeqNum;
use core::net::{IpAddr, SocketAddr};
use smoltcp::wire::{Icmpv4Message, Icmpv4Packet, Icmpv6Message, Icmpv6Packet, IpProtocol, TcpPacket, checksum};

/// An ICMP error about a segment that we seem to have sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IcmpError {
    /// The connection, seen from us: `local` is the quoted source. It may name anything: neither the quote's checksum
    /// nor the router's right to speak can be verified.
    pub flow: Flow,
    /// The quoted sequence number. An error is credible only if this is in flight.
    pub seq: SeqNum,
    /// What went wrong.
    pub kind: IcmpKind,
}

/// What an ICMP error says.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IcmpKind {
    /// IPv4 destination unreachable, type 3, with its code: 0 network, 1 host, 2 protocol, 3 port, up to 15; never 4,
    /// which is [`IcmpKind::FragmentationNeeded`].
    V4Unreachable(u8),
    /// IPv4 type 3 code 4: the packet was longer than the next hop takes.
    FragmentationNeeded {
        /// What the next hop takes, IP header included, in bytes; 0 from a router older than RFC 1191.
        mtu: u16,
    },
    /// IPv4 type 4, which a TCP must ignore (RFC 6633 3).
    SourceQuench,
    /// IPv4 type 11 or IPv6 type 3: most often a routing loop.
    TimeExceeded,
    /// IPv4 type 12 or IPv6 type 4: a router or the peer could not read our header.
    ParameterProblem,
    /// IPv6 destination unreachable, type 1, with its code: 0 no route, 1 forbidden, 3 address, 4 port and others.
    V6Unreachable(u8),
    /// IPv6 type 2: the packet was longer than the next hop takes.
    PacketTooBig {
        /// What the next hop takes, IP header included, in bytes. Routers give at least 1280, forgers anything.
        mtu: u32,
    },
}

/// An echo request (ping), borrowed from a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo<'p> {
    /// Who asks.
    pub source: IpAddr,
    /// Whom: one of our addresses, if the packet was routed right.
    pub destination: IpAddr,
    /// Which ping run, to be sent back.
    pub ident: u16,
    /// Which ping of the run, to be sent back.
    pub seq_no: u16,
    /// Data to be sent back.
    pub data: &'p [u8],
}

/// Every ICMP message read here starts with eight bytes: type, code, checksum and four that depend on the type.
pub(super) const ICMP_HEADER_LEN: usize = 8;

/// Reads an ICMP message in an IPv4 packet.
pub(super) fn parse_v4<'p>(ip: &Ip<'p>) -> Result<Packet<'p>, ParseError> {
    let (head, rest) = ip.payload.split_at_checked(ICMP_HEADER_LEN).ok_or(ParseError::Truncated)?;
    if checksum::data(ip.payload) != u16::MAX {
        return Err(ParseError::Checksum);
    }
    let icmp = Icmpv4Packet::new_unchecked(head);
    let kind = match (icmp.msg_type(), icmp.msg_code()) {
        (Icmpv4Message::EchoRequest, _) => return Ok(echo(ip, icmp.echo_ident(), icmp.echo_seq_no(), rest)),
        (Icmpv4Message::DstUnreachable, FRAGMENTATION_NEEDED) => {
            IcmpKind::FragmentationNeeded { mtu: u16::from_be_bytes([head[6], head[7]]) }
        }
        (Icmpv4Message::DstUnreachable, code @ ..=LAST_V4_UNREACHABLE) => IcmpKind::V4Unreachable(code),
        (Icmpv4Message::Unknown(SOURCE_QUENCH), _) => IcmpKind::SourceQuench,
        (Icmpv4Message::TimeExceeded, _) => IcmpKind::TimeExceeded,
        (Icmpv4Message::ParamProblem, _) => IcmpKind::ParameterProblem,
        _ => return Err(ParseError::Icmp),
    };
    error(ip, kind, rest)
}

/// Reads an ICMP message in an IPv6 packet.
pub(super) fn parse_v6<'p>(ip: &Ip<'p>) -> Result<Packet<'p>, ParseError> {
    let (head, rest) = ip.payload.split_at_checked(ICMP_HEADER_LEN).ok_or(ParseError::Truncated)?;
    if ip.addresses.sum(IpProtocol::Icmpv6, ip.payload) != u16::MAX {
        return Err(ParseError::Checksum);
    }
    let icmp = Icmpv6Packet::new_unchecked(head);
    let kind = match icmp.msg_type() {
        Icmpv6Message::EchoRequest => return Ok(echo(ip, icmp.echo_ident(), icmp.echo_seq_no(), rest)),
        Icmpv6Message::DstUnreachable => IcmpKind::V6Unreachable(icmp.msg_code()),
        Icmpv6Message::PktTooBig => IcmpKind::PacketTooBig { mtu: icmp.pkt_too_big_mtu() },
        Icmpv6Message::TimeExceeded => IcmpKind::TimeExceeded,
        Icmpv6Message::ParamProblem => IcmpKind::ParameterProblem,
        _ => return Err(ParseError::Icmp),
    };
    error(ip, kind, rest)
}

/// Reads the quoted segment, of which a router owes us no more than ports and sequence number (RFC 792).
fn error<'p>(ip: &Ip<'p>, kind: IcmpKind, quote: &[u8]) -> Result<Packet<'p>, ParseError> {
    let quoted = ip::parse_quote(quote)?;
    if quoted.protocol != IpProtocol::Tcp || quoted.addresses.is_ipv4() != ip.addresses.is_ipv4() {
        return Err(ParseError::Icmp);
    }
    if quoted.payload.len() < QUOTED_TCP_LEN {
        return Err(ParseError::Truncated);
    }
    let tcp = TcpPacket::new_unchecked(quoted.payload);
    let (source, destination) = quoted.addresses.ends();
    let flow =
        Flow { local: SocketAddr::new(source, tcp.src_port()), remote: SocketAddr::new(destination, tcp.dst_port()) };
    Ok(Packet::Icmp(IcmpError { flow, seq: SeqNum::new(tcp.seq_number().0.cast_unsigned()), kind }))
}

fn echo<'p>(ip: &Ip<'p>, ident: u16, seq_no: u16, data: &'p [u8]) -> Packet<'p> {
    let (source, destination) = ip.addresses.ends();
    Packet::Echo(Echo { source, destination, ident, seq_no, data })
}

/// Code of an IPv4 destination unreachable.
pub(super) const FRAGMENTATION_NEEDED: u8 = 4;
/// IPv4 type, unknown to smoltcp since it was deprecated.
pub(super) const SOURCE_QUENCH: u8 = 4;
/// Linux's `NR_ICMP_UNREACH`: later codes are nobody's.
const LAST_V4_UNREACHABLE: u8 = 15;
/// Ports and sequence number.
const QUOTED_TCP_LEN: usize = 8;

#[cfg(test)]
mod tests {
    extern crate alloc;

    use super::*;
    use crate::wire::parse;
    use crate::wire::testing::{ACK, build, flow_v4, flow_v6, reseal};
    use alloc::vec;
    use alloc::vec::Vec;

    /// An ICMP packet from a router to the source of `flow`, with every checksum right.
    fn message(flow: &Flow, head: [u8; 8], body: &[u8]) -> Vec<u8> {
        let total_len = (if flow.local.is_ipv4() { 28 } else { 48 } + body.len()) as u16;
        let mut packet = match (flow.remote.ip(), flow.local.ip()) {
            (IpAddr::V4(_), IpAddr::V4(local)) => {
                let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 60, 1, 0, 0, 203, 0, 113, 1];
                packet[2..4].copy_from_slice(&total_len.to_be_bytes());
                packet.extend(local.octets());
                packet
            }
            (IpAddr::V6(remote), IpAddr::V6(local)) => {
                let mut packet = vec![0x60, 0, 0, 0, 0, 0, 58, 60];
                packet[4..6].copy_from_slice(&(total_len - 40).to_be_bytes());
                packet.extend(remote.octets());
                packet.extend(local.octets());
                packet
            }
            _ => unreachable!("one family"),
        };
        packet.extend(head);
        packet.extend(body);
        reseal(packet)
    }

    fn kind(flow: &Flow, head: [u8; 8]) -> Result<IcmpKind, ParseError> {
        let quote = build(flow, &ACK, b"data");
        parse(&message(flow, head, &quote)).map(|packet| match packet {
            Packet::Icmp(error) => error.kind,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn ipv4_errors_are_told_apart_by_type_and_code() {
        let flow = flow_v4();
        for code in 0..=u8::MAX {
            let expected = match code {
                4 => Ok(IcmpKind::FragmentationNeeded { mtu: 1006 }),
                0..=15 => Ok(IcmpKind::V4Unreachable(code)),
                _ => Err(ParseError::Icmp),
            };
            assert_eq!(kind(&flow, [3, code, 0, 0, 0xff, 0xff, 3, 0xee]), expected, "{code}");
        }
        assert_eq!(kind(&flow, [4, 0, 0, 0, 0, 0, 0, 0]), Ok(IcmpKind::SourceQuench));
        assert_eq!(kind(&flow, [11, 0, 0, 0, 0, 0, 0, 0]), Ok(IcmpKind::TimeExceeded));
        assert_eq!(kind(&flow, [12, 0, 0, 0, 20, 0, 0, 0]), Ok(IcmpKind::ParameterProblem));
        for ignored in (0..=u8::MAX).filter(|kind| ![3, 4, 8, 11, 12].contains(kind)) {
            assert_eq!(kind(&flow, [ignored, 0, 0, 0, 0, 0, 0, 0]), Err(ParseError::Icmp), "{ignored}");
        }
    }

    #[test]
    fn ipv6_errors_are_told_apart_by_type_and_code() {
        let flow = flow_v6();
        for code in [0, 1, 2, 3, 4, 5, 6, 7, 255] {
            assert_eq!(kind(&flow, [1, code, 0, 0, 0, 0, 0, 0]), Ok(IcmpKind::V6Unreachable(code)));
        }
        let mtu = 0x0102_0304;
        assert_eq!(kind(&flow, [2, 0, 0, 0, 1, 2, 3, 4]), Ok(IcmpKind::PacketTooBig { mtu }));
        assert_eq!(kind(&flow, [3, 0, 0, 0, 0, 0, 0, 0]), Ok(IcmpKind::TimeExceeded));
        assert_eq!(kind(&flow, [4, 1, 0, 0, 0, 0, 0, 6]), Ok(IcmpKind::ParameterProblem));
        for ignored in (0..=u8::MAX).filter(|kind| ![1, 2, 3, 4, 128].contains(kind)) {
            assert_eq!(kind(&flow, [ignored, 0, 0, 0, 0, 0, 0, 0]), Err(ParseError::Icmp), "{ignored}");
        }
    }

    #[test]
    fn eight_quoted_bytes_of_a_long_segment_are_enough_and_seven_are_not() {
        for (flow, start, head) in
            [(flow_v4(), 20, [3, 1, 0, 0, 0, 0, 0, 0]), (flow_v6(), 40, [1, 3, 0, 0, 0, 0, 0, 0])]
        {
            let quote = build(&flow, &ACK, &[0; 1400]);
            for len in 0..start + 8 {
                let packet = message(&flow, head, &quote[..len]);
                assert_eq!(parse(&packet), Err(ParseError::Truncated), "{len}");
            }
            for len in start + 8..start + 30 {
                let packet = message(&flow, head, &quote[..len]);
                let Ok(Packet::Icmp(error)) = parse(&packet) else { panic!("{len} bytes are not enough") };
                assert_eq!((error.flow, error.seq), (flow, ACK.seq));
            }
        }
    }

    #[test]
    fn a_quote_may_have_ip_options_and_a_header_that_routers_changed() {
        let flow = flow_v4();
        let mut quote = build(&flow, &ACK, b"");
        quote[0] = 0x46;
        quote[8] = 1; // Time to live, without a new checksum.
        quote.splice(20..20, [1, 1, 1, 0]);
        let packet = message(&flow, [11, 0, 0, 0, 0, 0, 0, 0], &quote[..32]);
        let Ok(Packet::Icmp(error)) = parse(&packet) else { panic!("not read") };
        assert_eq!((error.flow, error.seq), (flow, ACK.seq));

        let flow = flow_v6();
        let mut quote = build(&flow, &ACK, b"");
        quote[6] = 60;
        quote.splice(40..40, [6, 0, 1, 4, 0, 0, 0, 0]);
        let packet = message(&flow, [3, 0, 0, 0, 0, 0, 0, 0], &quote);
        let Ok(Packet::Icmp(error)) = parse(&packet) else { panic!("not read") };
        assert_eq!((error.flow, error.seq), (flow, ACK.seq));
    }

    #[test]
    fn quotes_of_other_protocols_families_fragments_and_hosts_are_ignored() {
        let (flow, head) = (flow_v4(), [3, 1, 0, 0, 0, 0, 0, 0]);
        let quote = build(&flow, &ACK, b"data");
        let changed = |at: usize, byte: u8| {
            let mut quote = quote.clone();
            quote[at] = byte;
            parse(&message(&flow, head, &quote)).map(|_| ())
        };
        assert!(changed(1, 1).is_ok());
        assert_eq!(changed(9, 17), Err(ParseError::Icmp));
        assert_eq!(changed(7, 1), Err(ParseError::Fragment));
        assert_eq!(changed(0, 0x44), Err(ParseError::HeaderLength));
        assert_eq!(changed(0, 0x55), Err(ParseError::Version));
        assert_eq!(changed(12, 127), Err(ParseError::Address));
        let other_family = build(&flow_v6(), &ACK, b"data");
        assert_eq!(parse(&message(&flow, head, &other_family)), Err(ParseError::Icmp));
    }

    #[test]
    fn a_message_with_a_wrong_checksum_is_refused() {
        for (flow, start, head) in
            [(flow_v4(), 20, [3, 1, 0, 0, 0, 0, 0, 0]), (flow_v6(), 40, [1, 3, 0, 0, 0, 0, 0, 0])]
        {
            let good = message(&flow, head, &build(&flow, &ACK, b"odd"));
            for at in start..good.len() {
                let mut packet = good.clone();
                packet[at] ^= 0x10;
                assert_eq!(parse(&packet), Err(ParseError::Checksum), "byte {at}");
            }
        }
        // The pseudo header of IPv6 counts, too.
        let mut packet = message(&flow_v6(), [1, 3, 0, 0, 0, 0, 0, 0], &build(&flow_v6(), &ACK, b""));
        packet[23] ^= 1;
        assert_eq!(parse(&packet), Err(ParseError::Checksum));
    }

    #[test]
    fn an_echo_request_is_read_with_its_data() {
        for (flow, head) in [(flow_v4(), [8, 0, 0, 0, 0x12, 0x34, 0, 5]), (flow_v6(), [128, 0, 0, 0, 0x12, 0x34, 0, 5])]
        {
            let packet = message(&flow, head, b"abc");
            let Ok(Packet::Echo(echo)) = parse(&packet) else { panic!("not read") };
            assert_eq!((echo.ident, echo.seq_no, echo.data), (0x1234, 5, &b"abc"[..]));
            assert_eq!(echo.destination, flow.local.ip());
        }
    }

    #[test]
    fn a_message_shorter_than_eight_bytes_is_truncated() {
        for (flow, start, length_at) in [(flow_v4(), 20, 3), (flow_v6(), 40, 5)] {
            let full = message(&flow, [8, 0, 0, 0, 0, 0, 0, 0], b"");
            for len in 0..8 {
                let mut packet = full[..start + len].to_vec();
                packet[length_at] -= (8 - len) as u8;
                assert_eq!(parse(&reseal(packet)), Err(ParseError::Truncated));
            }
        }
    }
}
