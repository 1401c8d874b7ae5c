//! ICMP messages we write: answers to pings, and the errors of simulated routers.
//!
//! RFC 792, RFC 1122 3.2.2, RFC 1812 4.3.2 and RFC 4443 2.4. The stack itself only answers pings; a silent host with an
//! open port would be hard to tell from a broken path. Errors are written by the simulator's middleboxes and by tests.

use super::error::BufferTooSmall;
use super::icmp::{Echo, FRAGMENTATION_NEEDED, ICMP_HEADER_LEN, IcmpKind, SOURCE_QUENCH};
use super::ip::{self, Addresses, IpOptions};
use core::net::IpAddr;
use smoltcp::wire::{Icmpv4Message, Icmpv6Message, IpProtocol, checksum};

/// Writes the answer to a ping and returns its length.
///
/// # Errors
///
/// [`BufferTooSmall`] if `packet` is shorter than the answer, which is as long as the request without IP options.
pub fn emit_echo_reply(echo: &Echo<'_>, packet: &mut [u8]) -> Result<usize, BufferTooSmall> {
    let addresses = Addresses::new(echo.destination, echo.source);
    let [ident_high, ident_low] = echo.ident.to_be_bytes();
    let [seq_high, seq_low] = echo.seq_no.to_be_bytes();
    let kind = match addresses {
        Addresses::V4 { .. } => Icmpv4Message::EchoReply.into(),
        Addresses::V6 { .. } => Icmpv6Message::EchoReply.into(),
    };
    let head = [kind, 0, 0, 0, ident_high, ident_low, seq_high, seq_low];
    write(addresses, head, echo.data, packet)
}

/// Writes the error `kind` that a router at `router` reports about the packet `offending`, and returns its length.
///
/// The error goes to the source of `offending` and quotes as much of it as fits in 576 bytes of IPv4 or 1280 of IPv6.
///
/// Returns 0, and writes nothing, where no error may be sent or none can say it: if `offending` is not the start of an
/// IP packet, is a fragment, carries ICMP, or names an address that is no single host's; or if `kind` or `router` is of
/// the other family.
///
/// # Errors
///
/// [`BufferTooSmall`] if `packet` is shorter than the error.
pub fn emit_icmp_error(
    router: IpAddr,
    kind: IcmpKind,
    offending: &[u8],
    packet: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let Some((addresses, head)) = answerable(router, kind, offending) else { return Ok(0) };
    let longest = match addresses {
        Addresses::V4 { .. } => MAX_V4_ERROR_LEN,
        Addresses::V6 { .. } => MAX_V6_ERROR_LEN,
    };
    let room = longest - addresses.header_len() - ICMP_HEADER_LEN;
    write(addresses, head, &offending[..offending.len().min(room)], packet)
}

/// Where an error about `offending` goes and how it starts, if there may be one.
fn answerable(router: IpAddr, kind: IcmpKind, offending: &[u8]) -> Option<(Addresses, [u8; ICMP_HEADER_LEN])> {
    let ip = ip::parse_quote(offending).ok()?;
    let (source, _) = ip.addresses.ends();
    let about_icmp = matches!(ip.protocol, IpProtocol::Icmp | IpProtocol::Icmpv6);
    if about_icmp || router.is_ipv4() != source.is_ipv4() {
        return None;
    }
    let head = if router.is_ipv4() { v4_head(kind) } else { v6_head(kind) }?;
    Some((Addresses::new(router, source), head))
}

fn v4_head(kind: IcmpKind) -> Option<[u8; ICMP_HEADER_LEN]> {
    let unreachable = u8::from(Icmpv4Message::DstUnreachable);
    Some(match kind {
        IcmpKind::V4Unreachable(code) => [unreachable, code, 0, 0, 0, 0, 0, 0],
        IcmpKind::FragmentationNeeded { mtu } => {
            let [high, low] = mtu.to_be_bytes();
            [unreachable, FRAGMENTATION_NEEDED, 0, 0, 0, 0, high, low]
        }
        IcmpKind::SourceQuench => [SOURCE_QUENCH, 0, 0, 0, 0, 0, 0, 0],
        IcmpKind::TimeExceeded => [Icmpv4Message::TimeExceeded.into(), 0, 0, 0, 0, 0, 0, 0],
        IcmpKind::ParameterProblem => [Icmpv4Message::ParamProblem.into(), 0, 0, 0, 0, 0, 0, 0],
        IcmpKind::V6Unreachable(_) | IcmpKind::PacketTooBig { .. } => return None,
    })
}

fn v6_head(kind: IcmpKind) -> Option<[u8; ICMP_HEADER_LEN]> {
    Some(match kind {
        IcmpKind::V6Unreachable(code) => [Icmpv6Message::DstUnreachable.into(), code, 0, 0, 0, 0, 0, 0],
        IcmpKind::PacketTooBig { mtu } => {
            let [a, b, c, d] = mtu.to_be_bytes();
            [Icmpv6Message::PktTooBig.into(), 0, 0, 0, a, b, c, d]
        }
        IcmpKind::TimeExceeded => [Icmpv6Message::TimeExceeded.into(), 0, 0, 0, 0, 0, 0, 0],
        IcmpKind::ParameterProblem => [Icmpv6Message::ParamProblem.into(), 0, 0, 0, 0, 0, 0, 0],
        IcmpKind::V4Unreachable(_) | IcmpKind::FragmentationNeeded { .. } | IcmpKind::SourceQuench => return None,
    })
}

/// Writes an ICMP packet: `head` with its checksum filled in, then `body`.
fn write(
    addresses: Addresses,
    head: [u8; ICMP_HEADER_LEN],
    body: &[u8],
    packet: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    let len = (addresses.header_len() + ICMP_HEADER_LEN).saturating_add(body.len());
    let protocol = match addresses {
        Addresses::V4 { .. } => IpProtocol::Icmp,
        Addresses::V6 { .. } => IpProtocol::Icmpv6,
    };
    let message = ip::emit(addresses, IpOptions::LINUX, protocol, ip::room(packet, len)?);
    message[..ICMP_HEADER_LEN].copy_from_slice(&head);
    message[ICMP_HEADER_LEN..].copy_from_slice(body);
    let sum = match addresses {
        Addresses::V4 { .. } => checksum::data(message),
        Addresses::V6 { .. } => addresses.sum(protocol, message),
    };
    message[2..4].copy_from_slice(&(!sum).to_be_bytes());
    Ok(len)
}

/// RFC 1812 4.3.2.3.
const MAX_V4_ERROR_LEN: usize = 576;
/// RFC 4443 2.4 (c): the minimum MTU of IPv6.
const MAX_V6_ERROR_LEN: usize = 1280;

#[cfg(test)]
mod tests {
    extern crate alloc;

    use super::*;
    use crate::wire::testing::{ACK, build, flow_v4, flow_v6, hex};
    use crate::wire::{IcmpError, Packet, parse};
    use alloc::vec;
    use alloc::vec::Vec;

    fn error(router: &str, kind: IcmpKind, offending: &[u8]) -> Vec<u8> {
        let mut packet = vec![0xa5; 1500];
        let len = emit_icmp_error(router.parse().unwrap(), kind, offending, &mut packet).unwrap();
        assert!(packet[len..].iter().all(|&byte| byte == 0xa5), "nothing is written after the packet");
        packet.truncate(len);
        packet
    }

    #[test]
    fn a_ping_is_answered_byte_for_byte() {
        let (ident, seq_no, data) = (0x1234, 5, &b"abc"[..]);
        let v4 = hex("
            45 00 00 1f 00 00 40 00 40 01 4e a2 c0 00 02 01 c6 33 64 07
            00 00 29 64 12 34 00 05 61 62 63");
        let v6 = hex("
            60 00 00 00 00 0b 3a 40 20 01 0d b8 00 00 00 00 00 00 00 00
            00 00 00 01 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
            81 00 4c a9 12 34 00 05 61 62 63");
        for (flow, golden) in [(flow_v4(), v4), (flow_v6(), v6)] {
            let echo = Echo { source: flow.remote.ip(), destination: flow.local.ip(), ident, seq_no, data };
            let mut packet = [0xa5; 80];
            let len = emit_echo_reply(&echo, &mut packet).unwrap();
            assert_eq!(packet[..len], golden);
            let error = BufferTooSmall { needed: len };
            assert_eq!(emit_echo_reply(&echo, &mut packet[..len - 1]), Err(error));
        }
    }

    #[test]
    fn every_kind_of_error_is_read_back_with_the_flow_and_number_it_is_about() {
        let both = [IcmpKind::TimeExceeded, IcmpKind::ParameterProblem];
        let only_v4 = [
            IcmpKind::V4Unreachable(0),
            IcmpKind::V4Unreachable(13),
            IcmpKind::FragmentationNeeded { mtu: 1006 },
            IcmpKind::SourceQuench,
        ];
        let only_v6 = [IcmpKind::V6Unreachable(0), IcmpKind::V6Unreachable(4), IcmpKind::PacketTooBig { mtu: 1280 }];
        for (flow, router, said, not_said) in [
            (flow_v4(), "203.0.113.1", &only_v4[..], &only_v6[..]),
            (flow_v6(), "2001:db8:ffff::1", &only_v6, &only_v4),
        ] {
            let offending = build(&flow, &ACK, b"odd");
            for &kind in both.iter().chain(said) {
                let packet = error(router, kind, &offending);
                assert_eq!(parse(&packet), Ok(Packet::Icmp(IcmpError { flow, seq: ACK.seq, kind })));
            }
            for &kind in not_said {
                assert_eq!(error(router, kind, &offending), [], "{kind:?} is of the other family");
            }
        }
    }

    #[test]
    fn an_error_quotes_no_more_than_every_link_takes() {
        for (flow, router, longest) in [(flow_v4(), "203.0.113.1", 576), (flow_v6(), "2001:db8:ffff::1", 1280)] {
            let offending = build(&flow, &ACK, &[7; 1400]);
            let packet = error(router, IcmpKind::TimeExceeded, &offending);
            assert_eq!(packet.len(), longest);
            let start = if flow.local.is_ipv4() { 28 } else { 48 };
            assert_eq!(packet[start..], offending[..longest - start]);
            let mut small = [0; 100];
            let result = emit_icmp_error(router.parse().unwrap(), IcmpKind::TimeExceeded, &offending, &mut small);
            assert_eq!(result, Err(BufferTooSmall { needed: longest }));
        }
    }

    #[test]
    fn no_error_is_sent_about_icmp_fragments_crowds_or_noise() {
        let kind = IcmpKind::TimeExceeded;
        let router = "203.0.113.1";
        let good = build(&flow_v4(), &ACK, b"");
        let first_error = error(router, kind, &good);
        assert_eq!(error(router, kind, &first_error), []);
        for (at, byte) in [(7, 1), (12, 224), (12, 0), (16, 239), (0, 0x42), (0, 0x10)] {
            let mut offending = good.clone();
            offending[at] = byte;
            assert_eq!(error(router, kind, &offending), [], "byte {at} is {byte}");
        }
        assert_eq!(error(router, kind, &good[..19]), []);
        assert_eq!(error(router, kind, &[]), []);
        assert_eq!(error("2001:db8::1", kind, &good), []);
    }
}
