//! Packets as bytes. Written apart from the crate's own `wire`, so that a mistake there cannot hide itself: every
//! length and checksum of what the stack sends is checked here.

use crate::ast::{Ecn, Flags, IpInfo, Tcp, TcpOption};
use crate::parse_packet::{ACC_ECN_ORDER_0, ACC_ECN_ORDER_1};
use core::net::IpAddr;

/// Both ends of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) source: (IpAddr, u16),
    pub(crate) destination: (IpAddr, u16),
}

/// A packet the stack sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) ends: Ends,
    pub(crate) tos: u8,
    pub(crate) ttl: u8,
    pub(crate) tcp: Tcp,
}

const TCP: u8 = 6;
const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;
const TTL: u8 = 255;

/// A segment with live numbers, as a packet.
pub(crate) fn encode_tcp(ends: &Ends, ip: IpInfo, tcp: &Tcp) -> Result<Vec<u8>, String> {
    let mut options = Vec::new();
    for option in tcp.options.iter().flatten() {
        encode_option(option, &mut options);
    }
    while options.len() % 4 != 0 {
        options.push(0);
    }
    if options.len() > 40 {
        return Err(format!("{} bytes of options do not fit a TCP header", options.len()));
    }
    let offset_and_flags = ((20 + options.len()) as u16 / 4) << 12 | tcp.flags.0;
    let mut segment = Vec::with_capacity(20 + options.len() + tcp.len as usize);
    segment.extend(ends.source.1.to_be_bytes());
    segment.extend(ends.destination.1.to_be_bytes());
    segment.extend(tcp.seq.to_be_bytes());
    segment.extend(tcp.ack.unwrap_or(0).to_be_bytes());
    segment.extend(offset_and_flags.to_be_bytes());
    segment.extend(tcp.window.unwrap_or(0).to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(tcp.urgent.unwrap_or(0).to_be_bytes());
    segment.extend(options);
    segment.resize(segment.len() + tcp.len as usize, 0);
    let sum = !sum(&segment, pseudo_sum(ends, TCP, segment.len()));
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    encode_ip(ends, ip, TCP, &segment)
}

/// An ICMP error that quotes the IP and first eight TCP bytes of `quoted`, sent by its destination.
pub(crate) fn encode_icmp(quoted: &Ends, head: [u8; 8], seq: u32, len: u32) -> Result<Vec<u8>, String> {
    let v4 = quoted.source.0.is_ipv4();
    let mut tcp = Vec::new();
    tcp.extend(quoted.source.1.to_be_bytes());
    tcp.extend(quoted.destination.1.to_be_bytes());
    tcp.extend(seq.to_be_bytes());
    tcp.resize(20 + len as usize, 0);
    let mut quote = encode_ip(quoted, IpInfo::default(), TCP, &tcp)?;
    quote.truncate(if v4 { 20 } else { 40 } + 8);
    let mut message = head.to_vec();
    message.extend(quote);
    let back = Ends { source: quoted.destination, destination: quoted.source };
    let protocol = if v4 { ICMP } else { ICMP_V6 };
    let start = if v4 { 0 } else { pseudo_sum(&back, protocol, message.len()) };
    let sum = !sum(&message, start);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    encode_ip(&back, IpInfo::default(), protocol, &message)
}

fn encode_ip(ends: &Ends, ip: IpInfo, protocol: u8, body: &[u8]) -> Result<Vec<u8>, String> {
    let ecn = match ip.ecn {
        Some(Ecn::Bits(bits)) => bits,
        Some(Ecn::EitherCapable) => return Err("ect01 says nothing about a packet to inject".into()),
        None => 0,
    };
    let tos = ip.tos.unwrap_or(0) | ecn;
    let ttl = ip.ttl.unwrap_or(TTL);
    let mut packet = Vec::with_capacity(40 + body.len());
    let too_long = |_| format!("a packet of {} bytes", body.len());
    match (ends.source.0, ends.destination.0) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let len = u16::try_from(20 + body.len()).map_err(too_long)?;
            packet.extend([0x45, tos]);
            packet.extend(len.to_be_bytes());
            packet.extend([0, 0, 0x40, 0, ttl, protocol, 0, 0]);
            packet.extend(source.octets());
            packet.extend(destination.octets());
            let sum = !sum(&packet, 0);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let len = u16::try_from(body.len()).map_err(too_long)?;
            let first = 6 << 28 | u32::from(tos) << 20 | ip.flow_label.unwrap_or(0) & 0xf_ffff;
            packet.extend(first.to_be_bytes());
            packet.extend(len.to_be_bytes());
            packet.extend([protocol, ttl]);
            packet.extend(source.octets());
            packet.extend(destination.octets());
        }
        _ => return Err("addresses of two families".into()),
    }
    packet.extend(body);
    Ok(packet)
}

/// What the stack sent, if it is a TCP segment as it should be: lengths, checksums and reserved bits are right and the
/// payload is all zeros.
pub(crate) fn decode(packet: &[u8]) -> Result<Sent, String> {
    let (source, destination, tos, ttl, segment) = decode_ip(packet)?;
    if segment.len() < 20 {
        return Err(format!("a TCP segment of {} bytes", segment.len()));
    }
    let word = |at: usize| u16::from_be_bytes([segment[at], segment[at + 1]]);
    let long = |at: usize| u32::from(word(at)) << 16 | u32::from(word(at + 2));
    let ends = Ends { source: (source, word(0)), destination: (destination, word(2)) };
    if sum(segment, pseudo_sum(&ends, TCP, segment.len())) != u16::MAX {
        return Err("a wrong TCP checksum".into());
    }
    let header_len = usize::from(segment[12] >> 4) * 4;
    if !(20..=segment.len()).contains(&header_len) {
        return Err(format!("a TCP header of {header_len} bytes in a segment of {}", segment.len()));
    }
    if word(12) & 0x0e00 != 0 {
        return Err("reserved bits of the TCP header are set".into());
    }
    let payload = &segment[header_len..];
    if let Some(at) = payload.iter().position(|&byte| byte != 0) {
        return Err(format!("byte {at} of the payload is {}, not 0", payload[at]));
    }
    let flags = Flags(word(12) & 0x1ff);
    let tcp = Tcp {
        flags,
        seq: long(4),
        len: payload.len() as u32,
        ack: Some(long(8)).filter(|&ack| ack != 0 || flags.has(Flags::ACK)),
        window: Some(word(14)),
        urgent: Some(word(18)),
        options: Some(decode_options(&segment[20..header_len])?),
    };
    Ok(Sent { ends, tos, ttl, tcp })
}

type IpParts<'p> = (IpAddr, IpAddr, u8, u8, &'p [u8]);

fn decode_ip(packet: &[u8]) -> Result<IpParts<'_>, String> {
    let word = |at: usize| usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    match packet.first().map(|byte| byte >> 4) {
        Some(4) if packet.len() >= 20 => {
            if packet[0] != 0x45 || word(2) != packet.len() || packet[9] != TCP {
                return Err("a wrong IPv4 header length, total length or protocol".into());
            }
            if sum(&packet[..20], 0) != u16::MAX {
                return Err("a wrong IPv4 header checksum".into());
            }
            let address = |at: usize| IpAddr::from([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
            Ok((address(12), address(16), packet[1], packet[8], &packet[20..]))
        }
        Some(6) if packet.len() >= 40 => {
            if word(4) + 40 != packet.len() || packet[6] != TCP {
                return Err("a wrong IPv6 payload length or next header".into());
            }
            let address = |at: usize| {
                let mut octets = [0; 16];
                octets.copy_from_slice(&packet[at..at + 16]);
                IpAddr::from(octets)
            };
            Ok((address(8), address(24), packet[0] << 4 | packet[1] >> 4, packet[7], &packet[40..]))
        }
        _ => Err("not an IP packet".into()),
    }
}

fn encode_option(option: &TcpOption, out: &mut Vec<u8>) {
    let mut put = |kind: u8, body: &[u8]| {
        out.push(kind);
        out.push(body.len() as u8 + 2);
        out.extend(body);
    };
    match option {
        TcpOption::End => out.push(0),
        TcpOption::Nop => out.push(1),
        TcpOption::Mss(mss) => put(2, &mss.to_be_bytes()),
        TcpOption::WindowScale(shift) => put(3, &[*shift]),
        TcpOption::SackPermitted => put(4, &[]),
        TcpOption::Sack(blocks) => {
            let edges = blocks.iter().flat_map(|&(start, end)| [start, end]);
            put(5, &edges.flat_map(u32::to_be_bytes).collect::<Vec<_>>());
        }
        TcpOption::Timestamps { val, ecr } => put(8, &[val.to_be_bytes(), ecr.to_be_bytes()].concat()),
        TcpOption::Md5(digest) => put(19, digest),
        TcpOption::FastOpen { experimental: false, cookie } => put(34, cookie),
        TcpOption::FastOpen { experimental: true, cookie } => put(254, &[&FAST_OPEN_MAGIC[..], cookie].concat()),
        TcpOption::AccEcn { kind, counters } => {
            put(*kind, &counters.iter().flat_map(|counter| counter.to_be_bytes()[1..].to_vec()).collect::<Vec<_>>());
        }
        TcpOption::Unknown { kind, body } => put(*kind, body),
    }
}

fn decode_options(mut bytes: &[u8]) -> Result<Vec<TcpOption>, String> {
    let mut options = Vec::new();
    while let [kind, rest @ ..] = bytes {
        if *kind < 2 {
            options.push(if *kind == 0 { TcpOption::End } else { TcpOption::Nop });
            bytes = rest;
            continue;
        }
        let len = rest.first().map_or(0, |&len| usize::from(len));
        if len < 2 || len > bytes.len() {
            return Err(format!("TCP option {kind} of length {len}"));
        }
        options.push(decode_option(*kind, &bytes[2..len]));
        bytes = &bytes[len..];
    }
    Ok(options)
}

fn decode_option(kind: u8, body: &[u8]) -> TcpOption {
    let long = |at: usize| u32::from_be_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]]);
    match (kind, body.len()) {
        (2, 2) => TcpOption::Mss(u16::from_be_bytes([body[0], body[1]])),
        (3, 1) => TcpOption::WindowScale(body[0]),
        (4, 0) => TcpOption::SackPermitted,
        (5, 8 | 16 | 24 | 32) => TcpOption::Sack((0..body.len() / 8).map(|n| (long(8 * n), long(8 * n + 4))).collect()),
        (8, 8) => TcpOption::Timestamps { val: long(0), ecr: long(4) },
        (19, _) => TcpOption::Md5(body.into()),
        (34, _) => TcpOption::FastOpen { experimental: false, cookie: body.into() },
        (254, 2..) if body[..2] == FAST_OPEN_MAGIC => {
            TcpOption::FastOpen { experimental: true, cookie: body[2..].into() }
        }
        (ACC_ECN_ORDER_0 | ACC_ECN_ORDER_1, 0 | 3 | 6 | 9) => {
            let counter = |bytes: &[u8]| u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
            TcpOption::AccEcn { kind, counters: body.chunks(3).map(counter).collect() }
        }
        _ => TcpOption::Unknown { kind, body: body.into() },
    }
}

/// RFC 1071, folded; `start` is a sum to continue.
fn sum(bytes: &[u8], start: u32) -> u16 {
    let mut sum = u64::from(start);
    for pair in bytes.chunks(2) {
        sum += u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| u64::from(low));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// What the addresses, the protocol and the length add to a checksum.
fn pseudo_sum(ends: &Ends, protocol: u8, len: usize) -> u32 {
    let of = |address: IpAddr| match address {
        IpAddr::V4(v4) => u32::from(sum(&v4.octets(), 0)),
        IpAddr::V6(v6) => u32::from(sum(&v6.octets(), 0)),
    };
    of(ends.source.0) + of(ends.destination.0) + u32::from(protocol) + len as u32
}

/// The experiment number of fast open, in an option of kind 254 (RFC 7413 A).
const FAST_OPEN_MAGIC: [u8; 2] = [0xf9, 0x89];
