//! Packets that lie about who sent them: A29 to A32. Nothing goes to an address that is no single host's, and nobody
//! gets more out of a stranger's packet than was put in.

use crate::hostile::packet::{ACK, Forge, PROTOCOL_ICMP_V4, PROTOCOL_ICMP_V6, RST, SYN, envelope, is_sealed};
use crate::hostile::rig::{Host, local_v4, local_v6, peer_v4, peer_v6};
use core::net::{IpAddr, SocketAddr};
use longhaul::options::Options;
use longhaul::stack::ConnectError;
use longhaul::time::Duration;
use longhaul::wire::ParseError;

const FLAGS: [u16; 6] = [SYN, ACK, SYN | ACK, RST, RST | ACK, 0];

#[test]
fn attack_a29_a_packet_from_ourselves_to_the_same_port_is_dropped() {
    for local in [local_v4(), local_v6()] {
        let mut host = Host::listening();
        for flags in 0..0x200 {
            assert_eq!(host.refuses(&Forge::new(local, local).flags(flags).bytes()), ParseError::Land);
        }
        let refused = host.stack.connect(host.now, Some(local), local, Options::new());
        assert_eq!(refused, Err(ConnectError::BadRemote), "nor may the application ask for it");
        host.assert_empty();
    }
}

/// Addresses that no packet from the wire may name: unspecified, "this network", loopback, multicast, broadcast.
fn nobodies() -> impl Iterator<Item = IpAddr> {
    let v4 = [[0, 0, 0, 0], [0, 1, 2, 3], [127, 0, 0, 1], [127, 255, 255, 255], [224, 0, 0, 1], [239, 255, 255, 255]];
    let v6 = ["::", "::1", "ff02::1", "ff05::2", "ffff::1", "::ffff:192.0.2.9"];
    let v4 = v4.into_iter().chain([[255; 4]]).map(IpAddr::from);
    v4.chain(v6.into_iter().map(|text| text.parse().unwrap()))
}

/// Our listening end of the same family.
fn local_like(address: IpAddr) -> SocketAddr {
    if address.is_ipv4() { local_v4() } else { local_v6() }
}

#[test]
fn attack_a30_a_source_that_is_no_host_draws_nothing() {
    let mut host = Host::listening();
    for nobody in nobodies() {
        for flags in FLAGS {
            for port in [80, 81] {
                let mut local = local_like(nobody);
                local.set_port(port);
                let packet = Forge::new(SocketAddr::new(nobody, 5000), local).flags(flags).bytes();
                assert_eq!(host.refuses(&packet), ParseError::Address, "{nobody}");
            }
        }
        let protocol = if nobody.is_ipv4() { PROTOCOL_ICMP_V4 } else { PROTOCOL_ICMP_V6 };
        let echo = if nobody.is_ipv4() { 8 } else { 128 };
        let ping = envelope(nobody, local_like(nobody).ip(), protocol, &[echo, 0, 0, 0, 0, 1, 0, 1]);
        assert_eq!(host.refuses(&ping), ParseError::Address, "ping from {nobody}");
    }
    host.assert_empty();
}

#[test]
fn attack_a31_a_destination_that_is_not_ours_draws_nothing() {
    let mut host = Host::listening();
    let others = ["192.0.2.2", "192.0.2.255", "2001:db8::2"].map(|text| text.parse::<IpAddr>().unwrap());
    for nobody in nobodies().chain(others) {
        let from = if nobody.is_ipv4() { peer_v4(5000) } else { peer_v6(5000) };
        for flags in FLAGS {
            let packet = Forge::new(from, SocketAddr::new(nobody, 80)).flags(flags).bytes();
            assert_eq!(host.refuses(&packet), ParseError::Address, "{nobody}");
        }
        let (protocol, echo) = if nobody.is_ipv4() { (PROTOCOL_ICMP_V4, 8) } else { (PROTOCOL_ICMP_V6, 128) };
        let ping = envelope(from.ip(), nobody, protocol, &[echo, 0, 0, 0, 0, 1, 0, 1]);
        assert_eq!(host.refuses(&ping), ParseError::Address, "ping to {nobody}");
    }
    host.assert_empty();
}

#[test]
fn attack_a32_a_stranger_gets_at_most_one_packet_no_longer_than_its_own() {
    let mut host = Host::listening();
    for (from, mut to) in [(peer_v4(5000), local_v4()), (peer_v6(5000), local_v6())] {
        for port in [80, 81] {
            to.set_port(port);
            for flags in 0..0x200 {
                for payload in [&b""[..], b"x", &[7; 1000]] {
                    let begins = port == 80 && flags & (SYN | ACK | RST | 1) == SYN;
                    let packet = Forge::new(from, to).flags(flags).payload(payload).bytes();
                    let answer = if begins { vec![] } else { host.hear(&packet) };
                    assert!(answer.len() <= 1, "flags {flags:#x} drew {}", answer.len());
                    assert!(answer.iter().all(|seen| seen.len <= packet.len()), "flags {flags:#x} were amplified");
                    assert!(answer.is_empty() || flags & RST == 0);
                }
            }
        }
    }
    assert_eq!(host.wait(Duration::from_hours(1)), [], "and nothing later");
    host.assert_empty();
}

#[test]
fn attack_a32_one_spoofed_syn_draws_six_short_packets_at_most() {
    let mut host = Host::listening();
    let syn = Forge::new(peer_v4(5000), local_v4()).flags(SYN);
    let mut answers = host.hears(&syn);
    answers.extend(host.wait(Duration::from_mins(10)).into_iter().map(|(_, seen)| seen));
    assert_eq!(answers.len(), 6);
    assert!(answers.iter().all(|seen| seen.len == 44), "a SYN-ACK and its MSS: {answers:?}");
    host.assert_empty();
}

#[test]
fn attack_a32_a_ping_draws_an_answer_of_its_own_length_and_no_more() {
    for (from, to, protocol, echo) in
        [(peer_v4(1), local_v4(), PROTOCOL_ICMP_V4, 8), (peer_v6(1), local_v6(), PROTOCOL_ICMP_V6, 128)]
    {
        let mut host = Host::listening();
        let mut buffer = vec![0; 65_535];
        for len in [0, 1, 56, 1400, 1500, 9000, 60_000] {
            let mut body = vec![echo, 0, 0, 0, 0, 1, 0, 1];
            body.resize(8 + len, 7);
            let ping = envelope(from.ip(), to.ip(), protocol, &body);
            host.stack.handle_packet(host.now, &ping).unwrap();
            let answer = host.stack.poll_transmit(host.now, &mut buffer);
            let fits = ping.len() <= usize::from(host.stack.config().mtu);
            assert_eq!(answer.map(|answer| answer.len), fits.then_some(ping.len()));
            assert!(answer.is_none_or(|answer| is_sealed(&buffer[..answer.len])));
            assert_eq!(host.stack.poll_transmit(host.now, &mut buffer), None);
        }
    }
}

#[test]
fn attack_a32_answers_that_a_busy_device_cannot_take_are_dropped_beyond_256() {
    const ANSWERS_MAX: usize = 256;
    let mut body = vec![8, 0, 0, 0, 0, 1, 0, 1];
    body.resize(1400, 7);
    let ping = envelope(peer_v4(1).ip(), local_v4().ip(), PROTOCOL_ICMP_V4, &body);
    let stray = Forge::new(peer_v4(5000), local_v4()).flags(ACK).bytes();
    for packet in [ping, stray] {
        let mut host = Host::listening();
        for _ in 0..10_000 {
            host.stack.handle_packet(host.now, &packet).unwrap();
        }
        let mut buffer = vec![0; 1500];
        let answers = core::iter::from_fn(|| host.stack.poll_transmit(host.now, &mut buffer)).count();
        assert_eq!(answers, ANSWERS_MAX);
        assert_eq!(host.stack.stats().replies_dropped, (10_000 - ANSWERS_MAX) as u64);
    }
}

#[test]
fn attack_a32_an_icmp_error_is_never_answered() {
    let mut host = Host::listening();
    let quote = Forge::new(local_v4(), peer_v4(5000)).flags(ACK).bytes();
    for kind in (0..=u8::MAX).filter(|&kind| kind != 8) {
        for code in 0..=u8::MAX {
            let mut body = vec![kind, code, 0, 0, 0, 0, 5, 0];
            body.extend(&quote);
            let packet = envelope(peer_v4(1).ip(), local_v4().ip(), PROTOCOL_ICMP_V4, &body);
            assert_eq!(host.hear(&packet), []);
            assert!(!host.stack.wants_transmit());
        }
    }
}
