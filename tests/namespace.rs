//! A Linux kernel in namespaces of its own at the far end of a TUN: it comes up, talks, takes settings, and goes away.
//!
//! On a machine that refuses namespaces or TUNs each test says so and passes; `LONGHAUL_REQUIRE_TUN=1` makes it fail.
#![cfg(all(feature = "tun", target_os = "linux"))]

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::fs;
use std::io::ErrorKind;

use longhaul::net::namespace::{Builder, Family};
use longhaul::net::{Namespace, Tun};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpProtocol, IpRepr, Ipv4Packet, Ipv6Packet, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, TcpTimestampRepr,
};

/// Peer and stack, by family.
const HOSTS: [(&str, &str); 2] = [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")];

#[test]
fn the_kernel_of_a_namespace_sends_its_syn_to_the_tun() {
    let Some((namespace, tun)) = start("syn", Namespace::builder()) else { return };
    for (peer, stack) in HOSTS {
        let error = namespace.tcp_stream(addr(stack, 80), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let syn = next_segment(&tun);
        assert_eq!((syn.from.ip(), syn.to), (ip(peer), addr(stack, 80)));
        assert_eq!(syn.tcp.control, TcpControl::Syn);
    }
}

#[test]
fn a_listener_of_the_namespace_answers_a_syn_from_the_tun() {
    let Some((namespace, tun)) = start("listener", Namespace::builder()) else { return };
    for (peer, stack) in HOSTS {
        let listener = namespace.tcp_listener(addr(peer, 80)).unwrap();
        assert_eq!(listener.local_addr().unwrap(), addr(peer, 80));
        tun.send(&syn(addr(stack, 5000), addr(peer, 80))).unwrap();
        let answer = next_segment(&tun);
        assert_eq!((answer.from, answer.to), (addr(peer, 80), addr(stack, 5000)));
        assert_eq!((answer.tcp.control, answer.tcp.ack_number), (TcpControl::Syn, Some(TcpSeqNumber(1001))));
    }
}

#[test]
fn two_namespaces_share_neither_addresses_nor_packets() {
    let Some((first, first_tun)) = start("two", Namespace::builder()) else { return };
    let Some((second, second_tun)) = start("two", Namespace::builder()) else { return };
    for (namespace, tun, port) in [(first, first_tun, 1111), (second, second_tun, 2222)] {
        let _listener = namespace.tcp_listener(addr("10.0.0.1", 80)).unwrap();
        namespace.tcp_stream(addr("10.0.0.2", port), Duration::from_millis(50)).unwrap_err();
        assert_eq!(next_segment(&tun).to.port(), port);
    }
}

#[test]
fn dropping_a_namespace_ends_its_process() {
    let Some((namespace, _tun)) = start("drop", Namespace::builder()) else { return };
    let process = format!("/proc/{}", namespace.pid());
    assert!(fs::exists(&process).unwrap());
    drop(namespace);
    assert!(!fs::exists(&process).unwrap());
}

#[test]
fn the_mtu_is_that_of_the_interface() {
    let Some((namespace, tun)) = start("mtu", Namespace::builder().with_mtu(1400)) else { return };
    assert_eq!((tun.mtu(), tun.name()), (1400, Some("tun0")));
    namespace.tcp_stream(addr("10.0.0.2", 80), Duration::from_millis(50)).unwrap_err();
    assert_eq!(next_segment(&tun).tcp.max_seg_size, Some(1360));
}

#[test]
fn an_mtu_too_small_for_ipv6_leaves_ipv4() {
    let Some((namespace, tun)) = start("small mtu", Namespace::builder().with_mtu(1000)) else { return };
    namespace.tcp_listener(addr("fd00::1", 80)).unwrap_err();
    namespace.tcp_stream(addr("10.0.0.2", 80), Duration::from_millis(50)).unwrap_err();
    assert_eq!(next_segment(&tun).tcp.max_seg_size, Some(960));
}

#[test]
fn addresses_are_the_builders() {
    let builder = Namespace::builder().with_ipv4("192.0.2.1".parse().unwrap(), 30);
    let builder = builder.with_ipv6("2001:db8::1".parse().unwrap(), 126);
    let Some((namespace, tun)) = start("addresses", builder) else { return };
    for (peer, inside, outside) in
        [("192.0.2.1", "192.0.2.2", "192.0.2.4"), ("2001:db8::1", "2001:db8::2", "2001:db8::4")]
    {
        let error = namespace.tcp_stream(addr(outside, 80), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
        namespace.tcp_stream(addr(inside, 80), Duration::from_millis(50)).unwrap_err();
        assert_eq!(next_segment(&tun).from.ip(), ip(peer));
    }
}

#[test]
fn sysctls_are_set_inside_and_only_there() {
    let builder = Namespace::builder().with_sysctl("net.ipv4.tcp_retries2", "3");
    let Some((namespace, _tun)) = start("sysctl", builder) else { return };
    let file = "/proc/sys/net/ipv4/tcp_retries2";
    let before = fs::read_to_string(file).unwrap();
    let output = namespace.command("cat").arg(file).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "3");
    assert_eq!(fs::read_to_string(file).unwrap(), before);
}

#[test]
fn the_peer_has_nothing_to_say_unasked() {
    let Some((namespace, _tun)) = start("silent", Namespace::builder()) else { return };
    let file = "/proc/sys/net/ipv6/conf/tun0/router_solicitations";
    let output = namespace.command("cat").arg(file).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "0");
}

#[test]
fn sockets_come_in_any_number() {
    let Some((namespace, _tun)) = start("sockets", Namespace::builder()) else { return };
    for count in [0, 1, 253, 300] {
        assert_eq!(namespace.tcp_sockets(Family::V6, count).unwrap().len(), count);
    }
}

#[test]
fn commands_outlive_the_namespace_they_were_made_for() {
    let Some((namespace, _tun)) = start("command", Namespace::builder()) else { return };
    let mut command = namespace.command("cat");
    drop(namespace);
    let output = command.arg("/proc/net/dev").output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("tun0"));
}

#[test]
fn errors_name_the_step_and_what_it_was_about() {
    let Some(_) = start("errors", Namespace::builder()) else { return };
    for (builder, kind, text) in [
        (
            Namespace::builder().with_sysctl("net.ipv4.tcp_nonsense", "3"),
            ErrorKind::NotFound,
            "writing \"3\" to /proc/",
        ),
        (Namespace::builder().with_sysctl("net.ipv4.tcp_sack", "x"), ErrorKind::InvalidInput, "/proc/sys/net/ipv4/tcp"),
        (Namespace::builder().with_mtu(1), ErrorKind::InvalidInput, "setting the MTU of tun0 to 1"),
        (Namespace::builder().with_sysctl("kernel.panic", "1"), ErrorKind::InvalidInput, "no sysctl of the network"),
        (Namespace::builder().with_sysctl("net.ipv4/../x", "1"), ErrorKind::InvalidInput, "no sysctl of the network"),
        (Namespace::builder().with_ipv4([10, 0, 0, 1].into(), 33), ErrorKind::InvalidInput, "at most 32 bits"),
    ] {
        let error = builder.start().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn a_tun_opened_by_name_goes_by_it() {
    match Tun::open("longhaul%d") {
        Ok(tun) => {
            assert!(tun.name().unwrap().starts_with("longhaul"));
            assert_eq!(tun.mtu(), 1500);
        }
        Err(error) => assert!(error.to_string().contains("sudo") || error.to_string().contains("/dev/net/tun")),
    }
    let error = Tun::open("a/b").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("\"a/b\" cannot name an interface"), "{error}");
}

fn start(test: &str, builder: Builder) -> Option<(Namespace, Tun)> {
    builder.start_or_skip(test)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn addr(text: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip(text), port)
}

struct Segment {
    from: SocketAddr,
    to: SocketAddr,
    tcp: TcpRepr<'static>,
}

/// The next TCP segment out of `tun`, its payload left aside.
fn next_segment(tun: &Tun) -> Segment {
    let mut packet = [0; 1500];
    loop {
        let patience = Timespec { tv_sec: 5, tv_nsec: 0 };
        assert_eq!(poll(&mut [PollFd::new(tun, PollFlags::IN)], Some(&patience)).unwrap(), 1, "no packet");
        let len = tun.recv(&mut packet).unwrap();
        if let Some(segment) = segment(&packet[..len]) {
            return segment;
        }
    }
}

fn segment(packet: &[u8]) -> Option<Segment> {
    let (from, to, payload): (IpAddr, IpAddr, &[u8]) = if packet[0] >> 4 == 4 {
        let ip = Ipv4Packet::new_checked(packet).ok()?;
        (ip.next_header() == IpProtocol::Tcp).then_some(())?;
        (ip.src_addr().into(), ip.dst_addr().into(), ip.payload())
    } else {
        let ip = Ipv6Packet::new_checked(packet).ok()?;
        (ip.next_header() == IpProtocol::Tcp).then_some(())?;
        (ip.src_addr().into(), ip.dst_addr().into(), ip.payload())
    };
    let tcp = TcpPacket::new_checked(payload).ok()?;
    let repr = TcpRepr::parse(&tcp, &from.into(), &to.into(), &ChecksumCapabilities::default()).ok()?;
    let tcp = TcpRepr { payload: &[], ..repr };
    Some(Segment { from: SocketAddr::new(from, tcp.src_port), to: SocketAddr::new(to, tcp.dst_port), tcp })
}

/// A SYN with sequence number 1000.
fn syn(from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let tcp = TcpRepr {
        src_port: from.port(),
        dst_port: to.port(),
        control: TcpControl::Syn,
        seq_number: TcpSeqNumber(1000),
        ack_number: None,
        window_len: 65535,
        window_scale: None,
        max_seg_size: Some(1000),
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None::<TcpTimestampRepr>,
        payload: &[],
    };
    let ip = IpRepr::new(from.ip().into(), to.ip().into(), IpProtocol::Tcp, tcp.buffer_len(), 64);
    let mut packet = vec![0; ip.buffer_len()];
    ip.emit(&mut packet, &ChecksumCapabilities::default());
    let segment = &mut TcpPacket::new_unchecked(&mut packet[ip.header_len()..]);
    tcp.emit(segment, &from.ip().into(), &to.ip().into(), &ChecksumCapabilities::default());
    packet
}
