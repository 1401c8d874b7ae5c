//! IPv4 and IPv6 headers: the envelope of a segment.
//!
//! RFC 791 3.1 and RFC 1122 3.2.1, RFC 8200 3 and 4. The checks are those of Linux's `ip_rcv_core` and `ip6_rcv_core`,
//! with every fragment refused. IPv4 options and IPv6 extension headers are stepped over unread.

use super::error::{BufferTooSmall, ParseError};
use super::flow::belongs_on_wire;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use smoltcp::wire::{IPV4_HEADER_LEN, IPV6_HEADER_LEN, IpProtocol, Ipv4Packet, Ipv6Packet, checksum};

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

impl Ecn {
    /// The codepoint in the low two bits of `bits`.
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::NotEct,
            1 => Self::Ect1,
            2 => Self::Ect0,
            _ => Self::Ce,
        }
    }

    pub(super) const fn bits(self) -> u8 {
        self as u8
    }
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

/// A whole IP packet, opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ip<'p> {
    pub(super) addresses: Addresses,
    pub(super) ecn: Ecn,
    /// What `payload` is, extension headers skipped.
    pub(super) protocol: IpProtocol,
    pub(super) payload: &'p [u8],
}

/// Opens a packet from the wire. Bytes beyond the length in the IP header are not part of it.
pub(super) fn parse(packet: &[u8]) -> Result<Ip<'_>, ParseError> {
    let ip = match version(packet)? {
        Version::V4 => parse_v4(packet)?,
        Version::V6 => parse_v6(packet)?,
    };
    check_addresses(ip)
}

/// Opens the start of a packet that an ICMP error quotes.
///
/// It may be cut anywhere and routers have changed it on the way, so neither length nor checksum is held against it.
pub(super) fn parse_quote(quote: &[u8]) -> Result<Ip<'_>, ParseError> {
    let ip = match version(quote)? {
        Version::V4 => open_v4(quote, v4_header_len(quote)?, quote.len())?,
        Version::V6 if quote.len() < IPV6_HEADER_LEN => return Err(ParseError::Truncated),
        Version::V6 => open_v6(quote, quote.len())?,
    };
    check_addresses(ip)
}

/// Writes the IP header of a packet that fills `packet`, and returns the room after it.
///
/// DF is set and the identification zero, which RFC 6864 4.1 allows for what is never fragmented.
pub(super) fn emit(addresses: Addresses, options: IpOptions, protocol: IpProtocol, packet: &mut [u8]) -> &mut [u8] {
    debug_assert!((addresses.header_len()..=MAX_PACKET_LEN).contains(&packet.len()));
    let len = packet.len();
    match addresses {
        Addresses::V4 { source, destination } => {
            let mut ip = Ipv4Packet::new_unchecked(&mut *packet);
            ip.set_version(4);
            ip.set_header_len(IPV4_HEADER_LEN as u8);
            ip.set_dscp(options.dscp);
            ip.set_ecn(options.ecn.bits());
            ip.set_total_len(len as u16);
            ip.set_ident(0);
            ip.clear_flags();
            ip.set_frag_offset(0);
            ip.set_dont_frag(true);
            ip.set_hop_limit(options.hop_limit);
            ip.set_next_header(protocol);
            ip.set_src_addr(source);
            ip.set_dst_addr(destination);
            ip.fill_checksum();
        }
        Addresses::V6 { source, destination } => {
            let mut ip = Ipv6Packet::new_unchecked(&mut *packet);
            ip.set_version(6);
            ip.set_traffic_class(options.dscp << 2 | options.ecn.bits());
            ip.set_flow_label(0);
            ip.set_payload_len((len - IPV6_HEADER_LEN) as u16);
            ip.set_next_header(protocol);
            ip.set_hop_limit(options.hop_limit);
            ip.set_src_addr(source);
            ip.set_dst_addr(destination);
        }
    }
    &mut packet[addresses.header_len()..]
}

/// The first `len` bytes of `packet`, if it has them and an IP packet can be that long.
pub(super) fn room(packet: &mut [u8], len: usize) -> Result<&mut [u8], BufferTooSmall> {
    let error = BufferTooSmall { needed: len };
    if len > MAX_PACKET_LEN {
        return Err(error);
    }
    packet.get_mut(..len).ok_or(error)
}

/// The longest packet that both families' length fields can say.
const MAX_PACKET_LEN: usize = 65_535;

/// Source and destination of a packet, of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addresses {
    V4 { source: Ipv4Addr, destination: Ipv4Addr },
    V6 { source: Ipv6Addr, destination: Ipv6Addr },
}

impl Addresses {
    /// Of mixed families, which nobody should ask for, the IPv4 end is mapped.
    pub(super) fn new(source: IpAddr, destination: IpAddr) -> Self {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Self::V4 { source, destination },
            (IpAddr::V6(source), IpAddr::V6(destination)) => Self::V6 { source, destination },
            (IpAddr::V4(source), IpAddr::V6(destination)) => Self::V6 { source: source.to_ipv6_mapped(), destination },
            (IpAddr::V6(source), IpAddr::V4(destination)) => {
                Self::V6 { source, destination: destination.to_ipv6_mapped() }
            }
        }
    }

    /// Source, then destination.
    pub(super) fn ends(self) -> (IpAddr, IpAddr) {
        match self {
            Self::V4 { source, destination } => (source.into(), destination.into()),
            Self::V6 { source, destination } => (source.into(), destination.into()),
        }
    }

    pub(super) const fn is_ipv4(self) -> bool {
        matches!(self, Self::V4 { .. })
    }

    /// Length of an IP header without options.
    pub(super) const fn header_len(self) -> usize {
        match self {
            Self::V4 { .. } => IPV4_HEADER_LEN,
            Self::V6 { .. } => IPV6_HEADER_LEN,
        }
    }

    /// The sum of a message and of the pseudo header before it: all ones if the message holds its right checksum, its
    /// complement otherwise being what to put there.
    pub(super) fn sum(self, protocol: IpProtocol, message: &[u8]) -> u16 {
        let len = message.len() as u32;
        let pseudo_header = match self {
            Self::V4 { source, destination } => checksum::pseudo_header_v4(&source, &destination, protocol, len),
            Self::V6 { source, destination } => checksum::pseudo_header_v6(&source, &destination, protocol, len),
        };
        checksum::combine(&[pseudo_header, checksum::data(message)])
    }
}

fn check_addresses(ip: Ip<'_>) -> Result<Ip<'_>, ParseError> {
    let (source, destination) = ip.addresses.ends();
    if belongs_on_wire(source) && belongs_on_wire(destination) { Ok(ip) } else { Err(ParseError::Address) }
}

enum Version {
    V4,
    V6,
}

fn version(packet: &[u8]) -> Result<Version, ParseError> {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => Ok(Version::V4),
        Some(6) => Ok(Version::V6),
        Some(_) => Err(ParseError::Version),
        None => Err(ParseError::Truncated),
    }
}

fn parse_v4(packet: &[u8]) -> Result<Ip<'_>, ParseError> {
    let header_len = v4_header_len(packet)?;
    let ip = Ipv4Packet::new_unchecked(packet);
    let total_len = usize::from(ip.total_len());
    if total_len < header_len {
        return Err(ParseError::HeaderLength);
    }
    if total_len > packet.len() {
        return Err(ParseError::Truncated);
    }
    if !ip.verify_checksum() {
        return Err(ParseError::HeaderChecksum);
    }
    open_v4(packet, header_len, total_len)
}

/// The length of an IPv4 header that lies wholly in `packet`.
fn v4_header_len(packet: &[u8]) -> Result<usize, ParseError> {
    if packet.len() < IPV4_HEADER_LEN {
        return Err(ParseError::Truncated);
    }
    match usize::from(Ipv4Packet::new_unchecked(packet).header_len()) {
        len if len < IPV4_HEADER_LEN => Err(ParseError::HeaderLength),
        len if len > packet.len() => Err(ParseError::Truncated),
        len => Ok(len),
    }
}

/// `packet[..header_len]` is a header, `packet[header_len..total_len]` what it carries.
fn open_v4(packet: &[u8], header_len: usize, total_len: usize) -> Result<Ip<'_>, ParseError> {
    let ip = Ipv4Packet::new_unchecked(packet);
    if ip.more_frags() || ip.frag_offset() != 0 {
        return Err(ParseError::Fragment);
    }
    Ok(Ip {
        addresses: Addresses::V4 { source: ip.src_addr(), destination: ip.dst_addr() },
        ecn: Ecn::from_bits(ip.ecn()),
        protocol: ip.next_header(),
        payload: &packet[header_len..total_len],
    })
}

fn parse_v6(packet: &[u8]) -> Result<Ip<'_>, ParseError> {
    if packet.len() < IPV6_HEADER_LEN {
        return Err(ParseError::Truncated);
    }
    let total_len = Ipv6Packet::new_unchecked(packet).total_len();
    if total_len > packet.len() {
        return Err(ParseError::Truncated);
    }
    open_v6(packet, total_len)
}

/// `packet[..total_len]` is at least a fixed header.
fn open_v6(packet: &[u8], total_len: usize) -> Result<Ip<'_>, ParseError> {
    let ip = Ipv6Packet::new_unchecked(packet);
    let (protocol, payload) = skip_extension_headers(ip.next_header(), &packet[IPV6_HEADER_LEN..total_len])?;
    Ok(Ip {
        addresses: Addresses::V6 { source: ip.src_addr(), destination: ip.dst_addr() },
        ecn: Ecn::from_bits(ip.traffic_class()),
        protocol,
        payload,
    })
}

/// Steps over the extension headers that a host may meet before TCP (RFC 8200 4). Their options are not read, not even
/// those that ask to be dropped when unknown: none of them concerns TCP.
fn skip_extension_headers(mut protocol: IpProtocol, mut rest: &[u8]) -> Result<(IpProtocol, &[u8]), ParseError> {
    for position in 0..=MAX_EXTENSION_HEADERS {
        match protocol {
            IpProtocol::Ipv6Frag => return Err(ParseError::Fragment),
            IpProtocol::HopByHop if position == 0 => {}
            IpProtocol::HopByHop => return Err(ParseError::ExtensionHeader),
            IpProtocol::Ipv6Opts | IpProtocol::Ipv6Route => {}
            _ => return Ok((protocol, rest)),
        }
        let &[next, words, _, segments_left, ..] = rest else { return Err(ParseError::Truncated) };
        if protocol == IpProtocol::Ipv6Route && segments_left != 0 {
            return Err(ParseError::ExtensionHeader);
        }
        protocol = IpProtocol::from(next);
        rest = rest.get((usize::from(words) + 1) * 8..).ok_or(ParseError::Truncated)?;
    }
    Err(ParseError::ExtensionHeader)
}

/// One of each kind, and destination options twice: all that RFC 8200 4.1 has a sender use before TCP.
const MAX_EXTENSION_HEADERS: usize = 4;

#[cfg(test)]
mod tests {
    extern crate alloc;

    use super::*;
    use crate::wire::testing::{ACK, build, flow_v4, flow_v6, reseal};
    use alloc::vec::Vec;

    fn v4() -> Vec<u8> {
        build(&flow_v4(), &ACK, b"data")
    }

    fn v6() -> Vec<u8> {
        build(&flow_v6(), &ACK, b"data")
    }

    /// `packet` with `bytes` written at `at`, checksums made right.
    fn with(mut packet: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
        packet[at..at + bytes.len()].copy_from_slice(bytes);
        reseal(packet)
    }

    /// An IPv6 packet with these extension headers, each its kind and its bytes, the first of which is filled in.
    fn extended(headers: &[(u8, &[u8])]) -> Vec<u8> {
        let plain = v6();
        let mut packet = plain[..40].to_vec();
        let mut link = 6;
        for (kind, header) in headers {
            packet[link] = *kind;
            link = packet.len();
            packet.extend(*header);
        }
        packet[link] = 6;
        packet.extend(&plain[40..]);
        let len = packet.len() as u16 - 40;
        packet[4..6].copy_from_slice(&len.to_be_bytes());
        packet
    }

    #[track_caller]
    fn refused(packet: &[u8], error: ParseError) {
        assert_eq!(parse(packet).map(|ip| ip.protocol), Err(error), "{packet:02x?}");
    }

    #[test]
    fn a_packet_cut_anywhere_is_truncated() {
        for packet in [v4(), v6()] {
            for len in 0..packet.len() {
                refused(&packet[..len], ParseError::Truncated);
            }
        }
    }

    #[test]
    fn bytes_after_the_length_in_the_header_are_not_payload() {
        for packet in [v4(), v6()] {
            let mut longer = packet.clone();
            longer.extend([0xff; 9]);
            assert_eq!(parse(&longer).unwrap().payload, parse(&packet).unwrap().payload);
        }
    }

    #[test]
    fn only_versions_four_and_six_are_known() {
        for version in (0..16).filter(|version| ![4, 6].contains(version)) {
            let mut packet = v4();
            packet[0] = version << 4 | 5;
            refused(&packet, ParseError::Version);
        }
    }

    #[test]
    fn ipv4_lengths_that_contradict_each_other_are_refused() {
        for ihl in 0..5 {
            refused(&with(v4(), 0, &[0x40 | ihl]), ParseError::HeaderLength);
        }
        for total_len in 0..20 {
            refused(&with(v4(), 2, &[0, total_len]), ParseError::HeaderLength);
        }
        refused(&with(v4(), 2, &[0, 45]), ParseError::Truncated);
        refused(&with(v4(), 2, &[0xff, 0xff]), ParseError::Truncated);
        refused(&with(v4(), 0, &[0x4f]), ParseError::Truncated);
    }

    #[test]
    fn every_bit_of_an_ipv4_header_is_under_its_checksum() {
        // But for the first byte, which says whether it is one.
        for bit in 8..20 * 8 {
            let mut packet = v4();
            packet[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&packet).is_err(), "bit {bit}");
        }
        let mut packet = v4();
        packet[8] -= 1;
        refused(&packet, ParseError::HeaderChecksum);
    }

    #[test]
    fn ipv4_options_are_skipped() {
        let mut packet = v4();
        packet[0] = 0x47;
        packet[3] += 8;
        packet.splice(20..20, [7, 7, 4, 0, 0, 0, 0, 0]);
        assert_eq!(parse(&reseal(packet)).unwrap().payload, parse(&v4()).unwrap().payload);
    }

    #[test]
    fn fragments_are_refused_first_middle_and_last() {
        for field in [[0x20, 0], [0x20, 1], [0, 1], [0x1f, 0xff], [0x60, 0]] {
            refused(&with(v4(), 6, &field), ParseError::Fragment);
        }
        assert!(parse(&with(v4(), 6, &[0, 0])).is_ok(), "DF is not demanded");
        refused(&extended(&[(44, &[0; 8])]), ParseError::Fragment);
        refused(&extended(&[(60, &[0; 8]), (44, &[0, 0, 0, 8, 0, 0, 0, 0])]), ParseError::Fragment);
    }

    #[test]
    fn the_four_congestion_codepoints_are_told_apart() {
        for (bits, ecn) in [(0, Ecn::NotEct), (1, Ecn::Ect1), (2, Ecn::Ect0), (3, Ecn::Ce)] {
            assert_eq!(parse(&with(v4(), 1, &[0xfc | bits])).unwrap().ecn, ecn);
            assert_eq!(parse(&with(v6(), 1, &[bits << 4])).unwrap().ecn, ecn);
            assert_eq!(Ecn::from_bits(ecn.bits()), ecn);
        }
    }

    #[test]
    fn extension_headers_before_tcp_are_skipped() {
        let long = [&[0, 1, 1, 12][..], &[0; 12]].concat();
        let plain = v6();
        for chain in [
            &[(0, &[0; 8][..])][..],
            &[(60, &long)],
            &[(43, &[0; 8])],
            &[
                (0, &[0; 8]),
                (60, &[0; 8]),
                (43, &long[..3].iter().chain(&[0; 13]).copied().collect::<Vec<_>>()),
                (60, &long),
            ],
        ] {
            let packet = extended(chain);
            let ip = parse(&packet).unwrap();
            assert_eq!((ip.protocol, ip.payload), (IpProtocol::Tcp, &plain[40..]));
        }
    }

    #[test]
    fn extension_headers_out_of_order_or_without_end_or_with_hops_left_are_refused() {
        let options = (60, &[0; 8][..]);
        refused(&extended(&[options; 5]), ParseError::ExtensionHeader);
        refused(&extended(&[options, (0, &[0; 8])]), ParseError::ExtensionHeader);
        for segments_left in 1..=u8::MAX {
            refused(&extended(&[(43, &[0, 0, 0, segments_left, 0, 0, 0, 0])]), ParseError::ExtensionHeader);
        }
        refused(&extended(&[(60, &[0, 0xff, 0, 0, 0, 0, 0, 0])]), ParseError::Truncated);
    }

    #[test]
    fn a_jumbogram_is_an_empty_packet() {
        let packet = with(extended(&[(0, &[0, 0, 0xc2, 4, 0, 1, 0, 0])]), 4, &[0, 0]);
        refused(&packet, ParseError::Truncated);
    }

    #[test]
    fn addresses_of_no_host_on_a_wire_are_refused_at_both_ends() {
        for address in ["0.0.0.0", "0.1.1.1", "127.0.0.1", "127.9.9.9", "224.0.0.1", "239.1.1.1", "255.255.255.255"] {
            let octets = address.parse::<Ipv4Addr>().unwrap().octets();
            refused(&with(v4(), 12, &octets), ParseError::Address);
            refused(&with(v4(), 16, &octets), ParseError::Address);
        }
        for address in ["::", "::1", "ff02::1", "ff0e::1", "::ffff:192.0.2.1"] {
            let octets = address.parse::<Ipv6Addr>().unwrap().octets();
            refused(&with(v6(), 8, &octets), ParseError::Address);
            refused(&with(v6(), 24, &octets), ParseError::Address);
        }
    }
}
