//! Changing the ends of a packet on its way, as a box that translates addresses does.
//!
//! RFC 3022 4.1 to 4.3, as Linux's `tcp_manip_pkt` and `nf_nat_icmp_reply_translation` do it: addresses, ports and the
//! checksums over them change, and nothing else. A damaged packet is refused, since a fresh checksum would hide the
//! damage from whoever gets it. The stack itself translates nothing; the simulator's middleboxes do.

use super::error::ParseError;
use super::flow::Flow;
use super::icmp::ICMP_HEADER_LEN;
use super::ip::{self, Addresses, Ecn};
use super::parse::{Packet, parse};
use core::net::{IpAddr, SocketAddr};
use core::ops::Range;
use smoltcp::wire::{IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket, checksum};

/// Makes the TCP segment in `packet` go from `flow.local` to `flow.remote`. All else stays as it was, options and
/// extension headers too.
///
/// # Errors
///
/// What [`parse`] finds wrong; [`ParseError::Protocol`] if it is no TCP segment, [`ParseError::Address`] if `flow` is
/// not of its family. The packet is unchanged then.
pub fn translate(packet: &mut [u8], flow: &Flow) -> Result<(), ParseError> {
    let Packet::Tcp { flow: was, .. } = parse(packet)? else { return Err(ParseError::Protocol) };
    same_family(was.local.ip(), [flow.local.ip(), flow.remote.ip()])?;
    let range = payload(packet)?;
    set_addresses(packet, flow.local.ip(), flow.remote.ip());
    let segment = &mut packet[range];
    let mut tcp = TcpPacket::new_unchecked(&mut *segment);
    tcp.set_src_port(flow.local.port());
    tcp.set_dst_port(flow.remote.port());
    tcp.set_checksum(0);
    let sum = Addresses::new(flow.local.ip(), flow.remote.ip()).sum(IpProtocol::Tcp, segment);
    TcpPacket::new_unchecked(segment).set_checksum(!sum);
    Ok(())
}

/// Makes the ICMP error in `packet` go to `destination.ip()`, and its quoted segment come from `destination`: what has
/// to happen to an error about a segment whose source was translated.
///
/// The checksum of the quoted segment is left as it was; most quotes are too short to have one that could be verified.
///
/// # Errors
///
/// What [`parse`] finds wrong; [`ParseError::Icmp`] if it is no error about a TCP segment, [`ParseError::Address`] if
/// `destination` is not of its family. The packet is unchanged then.
pub fn translate_icmp_error(packet: &mut [u8], destination: SocketAddr) -> Result<(), ParseError> {
    let Packet::Icmp(error) = parse(packet)? else { return Err(ParseError::Icmp) };
    same_family(error.flow.local.ip(), [destination.ip(); 2])?;
    let (router, _) = ip::parse(packet)?.addresses.ends();
    let range = payload(packet)?;
    set_addresses(packet, router, destination.ip());
    let message = &mut packet[range];

    let quote = &mut message[ICMP_HEADER_LEN..];
    let (_, peer) = ip::parse_quote(quote)?.addresses.ends();
    let ports = quote.len() - ip::parse_quote(quote)?.payload.len();
    set_addresses(quote, destination.ip(), peer);
    quote[ports..ports + 2].copy_from_slice(&destination.port().to_be_bytes());

    message[2..4].fill(0);
    let sum = match Addresses::new(router, destination.ip()) {
        Addresses::V4 { .. } => checksum::data(message),
        addresses @ Addresses::V6 { .. } => addresses.sum(IpProtocol::Icmpv6, message),
    };
    message[2..4].copy_from_slice(&(!sum).to_be_bytes());
    Ok(())
}

/// Marks a packet as having met congestion, as a router does instead of dropping it (RFC 3168 5). Returns whether it
/// did: only a packet that says it is ECN-capable may be marked.
///
/// # Errors
///
/// What [`parse`] finds wrong. The packet is unchanged then.
pub fn mark_congestion(packet: &mut [u8]) -> Result<bool, ParseError> {
    let ip = ip::parse(packet)?;
    let capable = ip.ecn != Ecn::NotEct;
    match ip.addresses {
        _ if !capable => {}
        Addresses::V4 { .. } => {
            let mut ip = Ipv4Packet::new_unchecked(packet);
            ip.set_ecn(Ecn::Ce.bits());
            ip.fill_checksum();
        }
        Addresses::V6 { .. } => {
            let mut ip = Ipv6Packet::new_unchecked(packet);
            ip.set_traffic_class(ip.traffic_class() | Ecn::Ce.bits());
        }
    }
    Ok(capable)
}

fn same_family(of: IpAddr, addresses: [IpAddr; 2]) -> Result<(), ParseError> {
    let same = addresses.iter().all(|address| address.is_ipv4() == of.is_ipv4());
    if same { Ok(()) } else { Err(ParseError::Address) }
}

/// Where in a whole packet TCP or ICMP lies.
fn payload(packet: &[u8]) -> Result<Range<usize>, ParseError> {
    let ip = ip::parse(packet)?;
    let end = if ip.addresses.is_ipv4() {
        usize::from(Ipv4Packet::new_unchecked(packet).total_len())
    } else {
        Ipv6Packet::new_unchecked(packet).total_len()
    };
    Ok(end - ip.payload.len()..end)
}

/// Both addresses of an IP header that is whole, and its checksum.
fn set_addresses(packet: &mut [u8], source: IpAddr, destination: IpAddr) {
    match Addresses::new(source, destination) {
        Addresses::V4 { source, destination } => {
            let mut ip = Ipv4Packet::new_unchecked(packet);
            ip.set_src_addr(source);
            ip.set_dst_addr(destination);
            ip.fill_checksum();
        }
        Addresses::V6 { source, destination } => {
            let mut ip = Ipv6Packet::new_unchecked(packet);
            ip.set_src_addr(source);
            ip.set_dst_addr(destination);
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;

    use super::*;
    use crate::wire::testing::{ACK, build, flow_v4, flow_v6, reseal};
    use crate::wire::{IcmpKind, TcpOptions, Timestamps, emit_icmp_error};
    use alloc::vec;
    use alloc::vec::Vec;

    /// A flow of the same family with every address and port different.
    fn other(flow: Flow) -> Flow {
        let [local, remote] = if flow.local.is_ipv4() {
            ["203.0.113.9:61000", "10.255.0.255:65535"]
        } else {
            ["[2001:db8:ffff::9]:61000", "[fd00::ffff]:65535"]
        };
        Flow { local: local.parse().unwrap(), remote: remote.parse().unwrap() }
    }

    #[test]
    fn a_translated_segment_is_the_one_that_would_have_been_written_for_the_other_flow() {
        let header = crate::wire::Header {
            options: TcpOptions { timestamps: Some(Timestamps { val: 7, ecr: 9 }), ..TcpOptions::NONE },
            ..ACK
        };
        for flow in [flow_v4(), flow_v6()] {
            for payload in [&b""[..], b"odd", b"even"] {
                let mut packet = build(&flow, &header, payload);
                translate(&mut packet, &other(flow)).unwrap();
                assert_eq!(packet, build(&other(flow), &header, payload));
            }
        }
    }

    #[test]
    fn ip_options_extension_headers_and_what_lies_behind_the_packet_stay() {
        let plain = build(&flow_v6(), &ACK, b"data");
        let mut extended = plain[..40].to_vec();
        extended[5] += 8;
        extended[6] = 60;
        extended.extend([6, 0, 1, 4, 0, 0, 0, 0]);
        extended.extend(&plain[40..]);
        let mut optioned = build(&flow_v4(), &ACK, b"data");
        optioned.splice(20..20, [1, 1, 1, 0]);
        optioned[0] = 0x46;
        optioned[3] += 4;
        for (mut packet, flow, start) in [(extended, flow_v6(), 48), (reseal(optioned), flow_v4(), 24)] {
            let options = packet[start - 4..start].to_vec();
            packet.extend(b"behind");
            translate(&mut packet, &other(flow)).unwrap();
            let Ok(Packet::Tcp { flow: seen, segment, .. }) = parse(&packet) else { panic!("unreadable") };
            assert_eq!((seen.remote, seen.local), (other(flow).local, other(flow).remote));
            assert_eq!((segment.payload, &packet[start - 4..start]), (&b"data"[..], &options[..]));
            assert!(packet.ends_with(b"behind"));
        }
    }

    #[test]
    fn a_translated_error_names_the_segment_as_its_sender_knows_it() {
        for (flow, router, kind) in [
            (flow_v4(), "203.0.113.1", IcmpKind::V4Unreachable(1)),
            (flow_v6(), "2001:db8:f::1", IcmpKind::V6Unreachable(3)),
        ] {
            let inside = other(flow).local;
            let mut packet = vec![0; 1280];
            let quoted = build(&flow, &ACK, b"data");
            let len = emit_icmp_error(router.parse().unwrap(), kind, &quoted, &mut packet).unwrap();
            packet.truncate(len);
            translate_icmp_error(&mut packet, inside).unwrap();
            let Ok(Packet::Icmp(error)) = parse(&packet) else { panic!("unreadable") };
            assert_eq!((error.flow.local, error.flow.remote), (inside, flow.remote));
            assert_eq!((error.kind, error.seq), (kind, ACK.seq));
            let quote = packet.len() - quoted.len();
            assert_eq!(reseal(packet.clone()), packet, "every checksum is right");
            if flow.local.is_ipv4() {
                assert!(Ipv4Packet::new_unchecked(&packet[quote..]).verify_checksum(), "the quoted header's too");
            }
        }
    }

    #[test]
    fn what_cannot_be_translated_is_refused_and_left_alone() {
        let (v4, v6) = (build(&flow_v4(), &ACK, b"data"), build(&flow_v6(), &ACK, b"data"));
        let mut error = vec![0; 576];
        let len = emit_icmp_error([203, 0, 113, 1].into(), IcmpKind::V4Unreachable(1), &v4, &mut error).unwrap();
        error.truncate(len);
        let damaged = |packet: &[u8]| {
            let mut packet = packet.to_vec();
            *packet.last_mut().unwrap() ^= 1;
            packet
        };
        let cases: [(Vec<u8>, Flow, ParseError); 6] = [
            (vec![], flow_v4(), ParseError::Truncated),
            (damaged(&v4), flow_v4(), ParseError::Checksum),
            (damaged(&v6), flow_v6(), ParseError::Checksum),
            (v4.clone(), flow_v6(), ParseError::Address),
            (v6, flow_v4(), ParseError::Address),
            (error.clone(), flow_v4(), ParseError::Protocol),
        ];
        for (packet, flow, refusal) in cases {
            let mut tried = packet.clone();
            assert_eq!((translate(&mut tried, &flow), tried), (Err(refusal), packet));
        }
        let to = flow_v4().local;
        for (packet, to, refusal) in [
            (v4, to, ParseError::Icmp),
            (damaged(&error), to, ParseError::Checksum),
            (error, flow_v6().local, ParseError::Address),
        ] {
            let mut tried = packet.clone();
            assert_eq!((translate_icmp_error(&mut tried, to), tried), (Err(refusal), packet));
        }
    }
}
