//! From bytes off the wire to a [`Packet`].
//!
//! RFC 9293 3.1 and the checks of Linux's `tcp_v4_rcv` and `tcp_v6_rcv` before they look for a socket. Whatever is
//! wrong with a packet ends here, so that the layers above see only whole segments between two ports of two single
//! hosts. Flags and numbers are not judged: a null or Christmas-tree segment is a segment, and what becomes of it
//! depends on the state.
//!
//! No byte is copied but the header's: payloads and echo data borrow from the packet.

use super::error::ParseError;
use super::flow::Flow;
use super::header::{Flags, Header, Segment};
use super::icmp::{self, Echo, IcmpError};
use super::ip::{self, Addresses, Ecn, Ip};
use super::tcp_options;
use crate::seq::SeqNum;
use core::net::SocketAddr;
use smoltcp::wire::{IpProtocol, TCP_HEADER_LEN, TcpPacket};

/// An IP packet that concerns a TCP host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'p> {
    /// A TCP segment.
    Tcp {
        /// Its ends, seen from us: `local` is the destination.
        flow: Flow,
        /// The congestion bits of the IP header.
        ecn: Ecn,
        /// The segment.
        segment: Segment<'p>,
    },
    /// A report that one of our segments did not arrive.
    Icmp(IcmpError),
    /// An echo request, to be answered by [`emit_echo_reply`](super::emit_echo_reply).
    Echo(Echo<'p>),
}

/// Reads an IP packet, which starts at the first byte of `packet`; bytes after its end are ignored.
///
/// # Errors
///
/// See [`ParseError`]; the packet is then to be dropped in silence.
pub fn parse(packet: &[u8]) -> Result<Packet<'_>, ParseError> {
    let ip = ip::parse(packet)?;
    match (ip.protocol, ip.addresses) {
        (IpProtocol::Tcp, _) => parse_tcp(&ip),
        (IpProtocol::Icmp, Addresses::V4 { .. }) => icmp::parse_v4(&ip),
        (IpProtocol::Icmpv6, Addresses::V6 { .. }) => icmp::parse_v6(&ip),
        _ => Err(ParseError::Protocol),
    }
}

fn parse_tcp<'p>(ip: &Ip<'p>) -> Result<Packet<'p>, ParseError> {
    let tcp = checked(ip)?;
    let flow = flow(ip.addresses, &tcp)?;
    let segment = Segment { header: header(&tcp), payload: tcp.payload() };
    Ok(Packet::Tcp { flow, ecn: ip.ecn, segment })
}

/// A segment whose header lies within it and whose checksum holds.
fn checked<'p>(ip: &Ip<'p>) -> Result<TcpPacket<&'p [u8]>, ParseError> {
    let bytes = ip.payload;
    if bytes.len() < TCP_HEADER_LEN {
        return Err(ParseError::Truncated);
    }
    let tcp = TcpPacket::new_unchecked(bytes);
    if !(TCP_HEADER_LEN..=bytes.len()).contains(&usize::from(tcp.header_len())) {
        return Err(ParseError::HeaderLength);
    }
    if ip.addresses.sum(IpProtocol::Tcp, bytes) != u16::MAX {
        return Err(ParseError::Checksum);
    }
    Ok(tcp)
}

fn flow(addresses: Addresses, tcp: &TcpPacket<&[u8]>) -> Result<Flow, ParseError> {
    let (source, destination) = addresses.ends();
    let remote = SocketAddr::new(source, tcp.src_port());
    let local = SocketAddr::new(destination, tcp.dst_port());
    if remote.port() == 0 || local.port() == 0 {
        return Err(ParseError::Port);
    }
    if remote == local {
        return Err(ParseError::Land);
    }
    Ok(Flow { local, remote })
}

fn header(tcp: &TcpPacket<&[u8]>) -> Header {
    let flags = flags(tcp);
    // A number whose flag is not set is noise: read as zero, it cannot be used by mistake.
    let ack = if flags.contains(Flags::ACK) { tcp.ack_number().0.cast_unsigned() } else { 0 };
    let urgent = if flags.contains(Flags::URG) { tcp.urgent_at() } else { 0 };
    Header {
        seq: SeqNum::new(tcp.seq_number().0.cast_unsigned()),
        ack: SeqNum::new(ack),
        flags,
        window: tcp.window_len(),
        urgent,
        options: tcp_options::read(tcp.options(), flags),
    }
}

fn flags(tcp: &TcpPacket<&[u8]>) -> Flags {
    let bytes = tcp.as_ref();
    Flags::from_bits(u16::from_be_bytes([bytes[12], bytes[13]]))
}

#[cfg(test)]
mod tests {
    extern crate alloc;

    use super::*;
    use crate::wire::testing::{ACK, Random, build, flow_v4, flow_v6, reseal, reversed, sealed_sum, sum};
    use crate::wire::{IcmpKind, SackBlock, SackBlocks, TcpOptions, Timestamps, emit_echo_reply, emit_icmp_error};
    use alloc::vec;
    use alloc::vec::Vec;
    use smoltcp::wire::{IpAddress, Ipv4Packet, Ipv6Packet, TcpOption};

    /// Where TCP starts in a packet without IP options.
    fn tcp_start(packet: &[u8]) -> usize {
        if packet[0] >> 4 == 4 { 20 } else { 40 }
    }

    /// A packet with one TCP byte changed and its checksum made right.
    fn with(flow: &Flow, at: usize, byte: u8) -> Vec<u8> {
        let mut packet = build(flow, &ACK, b"data");
        let start = tcp_start(&packet);
        packet[start + at] = byte;
        reseal(packet)
    }

    /// All 32 combinations of options, the SACK ones with one to four blocks.
    fn every_option_set() -> impl Iterator<Item = TcpOptions> {
        (0..32).map(|bits: u32| {
            let mut sack = SackBlocks::EMPTY;
            for block in 0..(bits & 16) / 16 * (1 + bits % 4) {
                sack.push(SackBlock { start: SeqNum::new(u32::MAX - block), end: SeqNum::new(block) });
            }
            TcpOptions {
                mss: (bits & 1 != 0).then_some(0xfffe),
                window_scale: (bits & 2 != 0).then_some(14),
                sack_permitted: bits & 4 != 0,
                timestamps: (bits & 8 != 0).then_some(Timestamps { val: u32::MAX, ecr: 1 }),
                sack,
            }
        })
    }

    /// What of `options` a segment with or without SYN can say.
    fn sayable(options: TcpOptions, syn: bool) -> TcpOptions {
        if syn {
            return TcpOptions { sack: SackBlocks::EMPTY, ..options };
        }
        let mut sack = SackBlocks::EMPTY;
        for block in options.sack.as_slice().iter().take(if options.timestamps.is_some() { 3 } else { 4 }) {
            sack.push(*block);
        }
        TcpOptions { timestamps: options.timestamps, sack, ..TcpOptions::NONE }
    }

    #[test]
    fn what_is_written_is_read_back_with_every_combination_of_options() {
        for (flow, options) in
            [flow_v4(), flow_v6()].into_iter().flat_map(|flow| every_option_set().map(move |o| (flow, o)))
        {
            for (flags, payload) in [
                (Flags::SYN, &b""[..]),
                (Flags::SYN | Flags::ACK, b"x"),
                (Flags::ACK, b""),
                (Flags::ACK | Flags::PSH, b"odd"),
            ] {
                let ack = if flags.contains(Flags::ACK) { 0x8000_0001 } else { 0 };
                let header =
                    Header { window: 0xabcd, options, ..Header::new(SeqNum::new(u32::MAX), SeqNum::new(ack), flags) };
                let packet = build(&flow, &header, payload);
                let header = Header { options: sayable(options, flags.contains(Flags::SYN)), ..header };
                let segment = Segment { header, payload };
                let expected = Packet::Tcp { flow: reversed(flow), ecn: Ecn::NotEct, segment };
                assert_eq!(parse(&packet), Ok(expected));
            }
        }
    }

    #[test]
    fn smoltcp_reads_the_same_numbers_and_options_from_what_is_written() {
        for (flow, options) in
            [flow_v4(), flow_v6()].into_iter().flat_map(|flow| every_option_set().map(move |o| (flow, o)))
        {
            let header = Header {
                options,
                window: 77,
                urgent: 5,
                ..Header::new(SeqNum::new(9), SeqNum::new(8), Flags::from_bits(0x1ff))
            };
            let packet = build(&flow, &header, b"12345");
            let payload = if flow.local.is_ipv4() {
                let ip = Ipv4Packet::new_checked(&packet[..]).unwrap();
                assert!(ip.verify_checksum() && ip.dont_frag() && ip.ident() == 0 && ip.hop_limit() == 64);
                ip.payload()
            } else {
                let ip = Ipv6Packet::new_checked(&packet[..]).unwrap();
                assert!(ip.hop_limit() == 64 && ip.flow_label() == 0);
                ip.payload()
            };
            let tcp = TcpPacket::new_checked(payload).unwrap();
            assert!(tcp.verify_checksum(&IpAddress::from(flow.local.ip()), &IpAddress::from(flow.remote.ip())));
            assert_eq!((tcp.src_port(), tcp.dst_port(), tcp.window_len(), tcp.urgent_at()), (40_000, 80, 77, 5));
            assert_eq!((tcp.seq_number().0, tcp.ack_number().0), (9, 8));
            assert!(
                tcp.fin()
                    && tcp.syn()
                    && tcp.rst()
                    && tcp.psh()
                    && tcp.ack()
                    && tcp.urg()
                    && tcp.ece()
                    && tcp.cwr()
                    && tcp.ns()
            );
            assert_eq!(tcp.payload(), b"12345");
            let summary = tcp.options_summary().unwrap();
            assert_eq!(summary.max_segment_size, options.mss);
            assert_eq!(summary.window_scale, options.window_scale);
            assert_eq!(summary.sack_permitted, options.sack_permitted);
            assert_eq!(summary.timestamp, options.timestamps.map(|stamps| (stamps.val, stamps.ecr)));
            let (_, first) = TcpOption::parse(tcp.options()).unwrap_or((&[], TcpOption::EndOfList));
            assert!(options.mss.is_none() || matches!(first, TcpOption::MaxSegmentSize(_)), "MSS comes first");
        }
    }

    #[test]
    fn checksums_of_every_payload_length_agree_with_a_plain_sum() {
        let payload = [0xff; 1501];
        for flow in [flow_v4(), flow_v6()] {
            for len in (0..64).chain(1440..=1501) {
                let packet = build(&flow, &ACK, &payload[..len]);
                assert_eq!(sealed_sum(&packet, tcp_start(&packet), 6), u16::MAX);
                assert!(!flow.local.is_ipv4() || sum(&packet[..20]) == u16::MAX);
                assert!(parse(&packet).is_ok());
            }
        }
    }

    #[test]
    fn every_bit_of_a_segment_is_under_its_checksum() {
        for flow in [flow_v4(), flow_v6()] {
            let good = build(&flow, &ACK, b"odd");
            let start = tcp_start(&good);
            for bit in start * 8..good.len() * 8 {
                let mut packet = good.clone();
                packet[bit / 8] ^= 1 << (bit % 8);
                let data_offset = (start + 12) * 8 + 4..(start + 13) * 8;
                let error = if data_offset.contains(&bit) { ParseError::HeaderLength } else { ParseError::Checksum };
                let result = parse(&packet);
                assert!(result == Err(error) || result == Err(ParseError::Checksum), "bit {bit}: {result:?}");
            }
        }
    }

    #[test]
    fn a_data_offset_below_five_words_or_past_the_packet_is_refused() {
        for flow in [flow_v4(), flow_v6()] {
            for words in 0..16 {
                let result = parse(&with(&flow, 12, words << 4)).map(|_| ());
                // Twenty bytes of header and four of data make six words.
                let fits = (5..=6).contains(&words);
                assert_eq!(result, if fits { Ok(()) } else { Err(ParseError::HeaderLength) }, "{words}");
            }
        }
    }

    #[test]
    fn a_segment_shorter_than_a_header_is_truncated() {
        for (flow, length_at) in [(flow_v4(), 2), (flow_v6(), 4)] {
            let full = build(&flow, &ACK, b"");
            let start = tcp_start(&full);
            for len in 0..20 {
                let mut packet = full[..start + len].to_vec();
                let said = if start == 20 { packet.len() } else { len } as u16;
                packet[length_at..length_at + 2].copy_from_slice(&said.to_be_bytes());
                assert_eq!(parse(&reseal(packet)), Err(ParseError::Truncated), "{len}");
            }
        }
    }

    #[test]
    fn port_zero_at_either_end_is_refused() {
        for flow in [flow_v4(), flow_v6()] {
            for port in [&mut |flow: &mut Flow| flow.local.set_port(0), &mut |flow: &mut Flow| flow.remote.set_port(0)]
                as [&mut dyn FnMut(&mut Flow); 2]
            {
                let mut flow = flow;
                port(&mut flow);
                assert_eq!(parse(&build(&flow, &ACK, b"")), Err(ParseError::Port));
            }
        }
    }

    #[test]
    fn a_packet_from_its_own_destination_is_refused_but_not_one_from_another_port_there() {
        for flow in [flow_v4(), flow_v6()] {
            let land = Flow { local: flow.remote, remote: flow.remote };
            assert_eq!(parse(&build(&land, &ACK, b"")), Err(ParseError::Land));
            let mut other = land;
            other.local.set_port(81);
            assert!(parse(&build(&other, &ACK, b"")).is_ok());
        }
    }

    #[test]
    fn all_512_flag_combinations_are_read_as_they_stand_and_reserved_bits_ignored() {
        for bits in 0..512 {
            let flags = Flags::from_bits(bits);
            let header = Header { urgent: 3, ..Header::new(SeqNum::new(1), SeqNum::new(2), flags) };
            let mut packet = build(&flow_v4(), &header, b"");
            packet[32] |= 0x0e;
            let packet = reseal(packet);
            let Ok(Packet::Tcp { segment, .. }) = parse(&packet) else { panic!("{flags} is lost") };
            assert_eq!(segment.header.flags, flags);
            assert_eq!(segment.header.ack.raw(), if flags.contains(Flags::ACK) { 2 } else { 0 });
            assert_eq!(segment.header.urgent, if flags.contains(Flags::URG) { 3 } else { 0 });
        }
    }

    #[test]
    fn any_urgent_pointer_leaves_the_payload_alone() {
        for urgent in [0, 1, 4, 5, 0x7fff, 0xffff] {
            let header = Header { urgent, ..Header::new(SeqNum::new(1), SeqNum::new(2), Flags::ACK | Flags::URG) };
            let packet = build(&flow_v6(), &header, b"data");
            let Ok(Packet::Tcp { segment, .. }) = parse(&packet) else { panic!("{urgent} is lost") };
            assert_eq!((segment.header.urgent, segment.payload), (urgent, &b"data"[..]));
        }
    }

    #[test]
    fn a_segment_with_garbage_for_options_keeps_its_data() {
        for flow in [flow_v4(), flow_v6()] {
            let options = TcpOptions { timestamps: Some(Timestamps { val: 1, ecr: 2 }), ..TcpOptions::NONE };
            let mut packet = build(&flow, &Header { options, ..ACK }, b"data");
            let options_start = tcp_start(&packet) + 20;
            for garbage in [[0xff; 12], [8; 12], [0; 12], [2; 12]] {
                packet[options_start..options_start + 12].copy_from_slice(&garbage);
                packet = reseal(packet);
                let Ok(Packet::Tcp { segment, .. }) = parse(&packet) else { panic!("{garbage:?} loses the segment") };
                assert_eq!((segment.header.options, segment.payload), (TcpOptions::NONE, &b"data"[..]));
            }
        }
    }

    #[test]
    fn other_protocols_and_icmp_of_the_other_family_are_refused() {
        let (v4, v6) = (build(&flow_v4(), &ACK, b""), build(&flow_v6(), &ACK, b""));
        for protocol in (0..=u8::MAX).filter(|protocol| ![1, 6].contains(protocol)) {
            let mut packet = v4.clone();
            packet[9] = protocol;
            assert_eq!(parse(&reseal(packet)), Err(ParseError::Protocol), "{protocol}");
        }
        for protocol in [1, 17, 50, 51, 59, 132, 135, 255] {
            let mut packet = v6.clone();
            packet[6] = protocol;
            assert_eq!(parse(&packet), Err(ParseError::Protocol), "{protocol}");
        }
    }

    #[test]
    fn two_hundred_thousand_damaged_packets_are_read_without_panic_and_to_bounds() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let seeds = seeds();
        let mut accepted = 0;
        for round in 0..200_000 {
            let mut packet = seeds[random.below(seeds.len())].clone();
            for _ in 0..=random.below(4) {
                damage(&mut packet, &mut random);
            }
            if round % 2 == 0 && packet.len() >= 40 {
                packet = reseal(packet);
            }
            match parse(&packet) {
                Ok(Packet::Tcp { flow, segment, .. }) => {
                    accepted += 1;
                    assert!(segment.payload.len() + 40 <= packet.len());
                    assert!(segment.end().distance(segment.header.seq) == segment.len());
                    assert!(flow.local.port() != 0 && flow.remote.port() != 0);
                    // What was read can be said again, and then reads the same.
                    let again = build(&reversed(flow), &segment.header, segment.payload);
                    let Ok(Packet::Tcp { segment: reread, .. }) = parse(&again) else { panic!("{segment:?}") };
                    assert_eq!((reread.payload, reread.header.seq), (segment.payload, segment.header.seq));
                }
                Ok(Packet::Echo(echo)) => {
                    accepted += 1;
                    let mut reply = vec![0; packet.len()];
                    assert!(emit_echo_reply(&echo, &mut reply).unwrap() <= packet.len());
                }
                Ok(Packet::Icmp(_)) => accepted += 1,
                Err(_) => {}
            }
        }
        assert!(accepted > 20_000, "the damage reaches past the first checks: {accepted}");
    }

    /// One packet of every shape.
    fn seeds() -> Vec<Vec<u8>> {
        let mut seeds = Vec::new();
        for flow in [flow_v4(), flow_v6()] {
            for options in every_option_set() {
                let flags = if options.mss.is_some() { Flags::SYN } else { Flags::ACK };
                seeds.push(build(&flow, &Header { flags, options, ..ACK }, b"payload"));
            }
            for kind in [IcmpKind::TimeExceeded, IcmpKind::V4Unreachable(1), IcmpKind::PacketTooBig { mtu: 1280 }] {
                let mut packet = vec![0; 1280];
                let len = emit_icmp_error(flow.remote.ip(), kind, seeds.last().unwrap(), &mut packet).unwrap();
                if len > 0 {
                    seeds.push(packet[..len].to_vec());
                }
            }
            let echo =
                Echo { source: flow.remote.ip(), destination: flow.local.ip(), ident: 1, seq_no: 2, data: b"ping" };
            let mut packet = vec![0; 80];
            let len = emit_echo_reply(&echo, &mut packet).unwrap();
            packet.truncate(len);
            let start = tcp_start(&packet);
            packet[start] = if start == 20 { 8 } else { 128 };
            seeds.push(reseal(packet));
        }
        seeds
    }

    fn damage(packet: &mut Vec<u8>, random: &mut Random) {
        if packet.is_empty() {
            return;
        }
        let at = random.below(packet.len());
        match random.below(8) {
            0 => packet.truncate(at),
            1 => packet.extend([0x5a; 3]),
            2 => packet[at] = 0xff,
            3 => packet[at] = 0,
            4 => packet[at] ^= 1 << random.below(8),
            5 => {
                packet.insert(at, random.next() as u8);
            }
            _ => packet[at] = random.next() as u8,
        }
    }
}
