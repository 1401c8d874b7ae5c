//! The network complains (RFC 5461, RFC 5927, RFC 6069, RFC 1191; Linux `tcp_v4_err`, `tcp_v6_err`).
#![cfg(feature = "alloc")]

mod common;

use common::{Peer, ms, secs};
use longhaul::error::{Errno, Error};
use longhaul::options::{Options, TcpKeepalive};
use longhaul::stack::Config;
use longhaul::tcp::{Event, State};
use longhaul::wire::IcmpKind::{
    self, FragmentationNeeded, PacketTooBig, ParameterProblem, SourceQuench, TimeExceeded, V4Unreachable, V6Unreachable,
};

const V4: &[(IcmpKind, Errno)] = &[
    (V4Unreachable(0), Errno::ENETUNREACH),
    (V4Unreachable(1), Errno::EHOSTUNREACH),
    (V4Unreachable(2), Errno::ENOPROTOOPT),
    (V4Unreachable(3), Errno::ECONNREFUSED),
    (V4Unreachable(5), Errno::EOPNOTSUPP),
    (V4Unreachable(6), Errno::ENETUNREACH),
    (V4Unreachable(7), Errno::EHOSTDOWN),
    (V4Unreachable(8), Errno::ENONET),
    (V4Unreachable(9), Errno::ENETUNREACH),
    (V4Unreachable(10), Errno::EHOSTUNREACH),
    (V4Unreachable(11), Errno::ENETUNREACH),
    (V4Unreachable(12), Errno::EHOSTUNREACH),
    (V4Unreachable(13), Errno::EHOSTUNREACH),
    (V4Unreachable(14), Errno::EHOSTUNREACH),
    (V4Unreachable(15), Errno::EHOSTUNREACH),
    (TimeExceeded, Errno::EHOSTUNREACH),
    (ParameterProblem, Errno::EPROTO),
];

const V6: &[(IcmpKind, Errno)] = &[
    (V6Unreachable(0), Errno::ENETUNREACH),
    (V6Unreachable(1), Errno::EACCES),
    (V6Unreachable(2), Errno::EHOSTUNREACH),
    (V6Unreachable(3), Errno::EHOSTUNREACH),
    (V6Unreachable(4), Errno::ECONNREFUSED),
    (V6Unreachable(5), Errno::EACCES),
    (V6Unreachable(6), Errno::EACCES),
    (V6Unreachable(7), Errno::EPROTO),
    (V6Unreachable(255), Errno::EPROTO),
    (TimeExceeded, Errno::EHOSTUNREACH),
    (ParameterProblem, Errno::EPROTO),
];

/// Every error of both families, with a stack of its family.
fn all(configure: fn(&mut Config)) -> impl Iterator<Item = (Peer, IcmpKind, Errno)> {
    let v4 = V4.iter().map(move |&(kind, errno)| (Peer::with(configure), kind, errno));
    let v6 = move || Peer::between("2001:db8::1", "2001:db8::7", configure);
    v4.chain(V6.iter().map(move |&(kind, errno)| (v6(), kind, errno)))
}

fn open(configure: impl FnOnce(&mut Config)) -> Peer {
    let mut t = Peer::with(configure);
    t.open(Options::new());
    t.events();
    t
}

#[test]
fn every_error_ends_a_connect_at_once() {
    // packetimpact 2, 3, 5; rfc9293_must_54
    for (mut t, kind, errno) in all(|_| ()) {
        t.connect(Options::new());
        t.expect("S 0:0(0) <...>");
        t.advance(ms(20));
        t.inject_icmp(kind, 0);
        let error = Error::Unreachable(errno);
        assert_eq!(t.events(), [Event::Readable, Event::Writable, Event::Closed(Some(error))], "{kind:?}");
        assert_eq!((t.take_error(), t.take_error()), (Some(error), None), "{kind:?}");
        t.expect_nothing_for(secs(10));
        t.inject("S. 0:0(0) ack 1 win 500");
        t.expect("R 1:1(0) win 0");
    }
}

#[test]
fn rfc9293_must_55_source_quench_and_unknown_codes_are_ignored() {
    for kind in [SourceQuench, V4Unreachable(16), V4Unreachable(255)] {
        let mut t = Peer::new();
        t.connect(Options::new());
        t.expect("S 0:0(0) <...>");
        t.inject_icmp(kind, 0);
        assert_eq!((t.state(), t.take_error()), (State::SynSent, None), "{kind:?}");
        t.expect_at(secs(1), "S 0:0(0) <...>");
    }
}

#[test]
fn an_error_about_another_number_is_ignored() {
    let mut t = Peer::new();
    t.connect(Options::new());
    t.expect("S 0:0(0) <...>");
    for seq in [u32::MAX, 2, 1 << 31] {
        t.inject_icmp(V4Unreachable(1), seq);
        assert_eq!(t.state(), State::SynSent, "{seq}");
    }
    let mut t = open(|_| ());
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.advance(ms(1));
    t.inject(". 1:1(0) ack 101");
    for seq in [1, 100, 102, 5000] {
        t.inject_icmp(V4Unreachable(1), seq);
        assert_eq!(t.take_error(), None, "{seq}");
    }
    t.inject("P. 1:11(10) ack 101");
    t.expect(". 101:101(0) ack 11");
}

#[test]
fn rfc9293_must_47_56_an_established_connection_only_remembers() {
    for (mut t, kind, errno) in all(|_| ()) {
        t.open(Options::new());
        t.events();
        t.inject_icmp(kind, 1);
        assert_eq!((t.state(), t.read(1)), (State::Established, Err(Error::WouldBlock)));
        let ready = t.act(|conn, _| (conn.is_readable(), conn.is_writable()));
        assert_eq!((ready, t.events()), ((false, true), vec![]), "poll reports no error");
        assert_eq!((t.take_error(), t.take_error()), (Some(Error::Unreachable(errno)), None), "{kind:?}");
        t.inject("P. 1:11(10) ack 1");
        t.expect(". 1:1(0) ack 11");
    }
}

#[test]
fn a_connection_given_up_ends_with_what_the_network_said() {
    // packetimpact 4; rfc9293_shld_25
    for (mut t, kind, errno) in all(|c| c.sysctl.tcp_retries2 = 1) {
        t.open(Options::new());
        t.write(100);
        t.expect("P. 1:101(100) ack 1");
        t.advance(ms(10));
        t.inject_icmp(kind, 1);
        assert_eq!(t.read(1), Err(Error::WouldBlock));
        t.expect_at(ms(201), "P. 1:101(100) ack 1");
        t.expect_at(ms(603), "P. 1:101(100) ack 1");
        t.advance_to(ms(1406));
        assert_eq!(t.read(1), Err(Error::WouldBlock));
        t.advance_to(ms(1407));
        assert_eq!(t.read(1).map_err(Error::errno), Err(errno), "{kind:?}");
        t.inject(". 1:1(0) ack 101");
        t.expect("R 101:101(0) win 0");
    }
}

#[test]
fn an_acceptable_ack_makes_it_forgotten() {
    let mut t = open(|c| c.sysctl.tcp_retries2 = 1);
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.inject_icmp(V4Unreachable(2), 1);
    t.advance(ms(50));
    t.inject(". 1:1(0) ack 1");
    t.expect_at(ms(201), "P. 1:101(100) ack 1");
    t.expect_at(ms(603), "P. 1:101(100) ack 1");
    t.advance_to(ms(1407));
    assert_eq!(t.read(1).map_err(Error::errno), Err(Errno::ETIMEDOUT));
}

#[test]
fn no_route_takes_back_one_doubling_each_time() {
    // RFC 6069
    let mut t = open(|_| ());
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    for at in (201..=1206).step_by(201) {
        t.expect_at(ms(at), "P. 1:101(100) ack 1");
        t.advance(ms(10));
        t.inject_icmp(V4Unreachable(1), 1);
    }
    t.inject(". 1:1(0) ack 101");
    t.inject("P. 1:11(10) ack 101");
    t.expect(". 101:101(0) ack 11");
}

#[test]
fn no_route_once_repeats_one_interval() {
    for kind in [V4Unreachable(0), V4Unreachable(1)] {
        let mut t = open(|_| ());
        t.write(100);
        t.expect("P. 1:101(100) ack 1");
        for at in [201, 603, 1407] {
            t.expect_at(ms(at), "P. 1:101(100) ack 1");
        }
        t.advance(ms(10));
        t.inject_icmp(kind, 1);
        t.expect_at(ms(1407 + 804), "P. 1:101(100) ack 1");
        t.expect_at(ms(1407 + 804 + 1608), "P. 1:101(100) ack 1");
    }
}

#[test]
fn over_ipv6_only_no_route_takes_back_a_doubling() {
    for (code, next) in [(0, 402), (1, 603), (2, 603), (3, 603), (4, 603)] {
        let mut t = Peer::v6();
        t.open(Options::new());
        t.write(100);
        t.expect("P. 1:101(100) ack 1");
        t.expect_at(ms(201), "P. 1:101(100) ack 1");
        t.advance(ms(10));
        t.inject_icmp(V6Unreachable(code), 1);
        t.expect_at(ms(next), "P. 1:101(100) ack 1");
    }
}

#[test]
fn no_route_that_comes_late_resends_at_once() {
    let mut t = open(|_| ());
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.expect_at(ms(201), "P. 1:101(100) ack 1");
    t.advance(ms(300));
    t.inject_icmp(V4Unreachable(1), 1);
    t.advance(ms(1));
    let (at, text) = t.next_within(ms(1)).unwrap();
    assert!(at <= ms(502) && text.starts_with("P. 1:101(100)"), "{at:?} {text}");
}

#[test]
fn no_other_error_takes_back_a_doubling_nor_does_one_about_a_later_segment() {
    for (kind, seq) in [(V4Unreachable(3), 1), (V4Unreachable(13), 1), (TimeExceeded, 1), (V4Unreachable(1), 101)] {
        let mut t = open(|_| ());
        t.write(100);
        t.expect("P. 1:101(100) ack 1");
        t.expect_at(ms(201), "P. 1:101(100) ack 1");
        t.advance(ms(10));
        t.inject_icmp(kind, seq);
        t.expect_at(ms(603), "P. 1:101(100) ack 1");
        t.expect_at(ms(1407), "P. 1:101(100) ack 1");
    }
}

#[test]
fn no_route_makes_more_retransmissions_and_no_longer_life() {
    let mut t = open(|c| c.sysctl.tcp_retries2 = 1);
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    for at in [201, 402, 603] {
        t.expect_at(ms(at), "P. 1:101(100) ack 1");
        t.advance(ms(10));
        t.inject_icmp(V4Unreachable(1), 1);
    }
    // The first expiry 0.6 s after the first retransmission.
    t.advance_to(ms(803));
    assert_eq!(t.read(1), Err(Error::WouldBlock));
    t.advance_to(ms(804));
    assert_eq!(t.read(1).map_err(Error::errno), Err(Errno::EHOSTUNREACH));
}

#[test]
fn an_error_about_a_probe_is_ignored_and_one_about_an_ack_is_reported_at_death() {
    let keepalive = TcpKeepalive::new().with_time(secs(1)).with_interval(secs(1)).with_retries(2);
    let options = Options::new().with_keepalive(true).with_tcp_keepalive(&keepalive).unwrap();
    for (seq, errno) in [(0, Errno::ETIMEDOUT), (1, Errno::EHOSTUNREACH)] {
        let mut t = Peer::new();
        t.open(options);
        t.expect_at(secs(1), ". 0:0(0) ack 1");
        t.inject_icmp(V4Unreachable(1), seq);
        t.expect_at(secs(2), ". 0:0(0) ack 1");
        t.expect_at(secs(3), "R. 1:1(0) ack 1");
        assert_eq!(t.read(1).map_err(Error::errno), Err(errno));
    }
}

#[test]
fn a_narrower_path_cuts_what_is_in_flight_and_resends_it_at_once() {
    let mut t = open(|_| ());
    t.write(2920);
    t.expect(". 1:1461(1460) ack 1");
    t.expect("P. 1461:2921(1460) ack 1");
    t.advance(ms(10));
    t.inject_icmp(FragmentationNeeded { mtu: 1000 }, 1);
    t.expect(". 1:961(960) ack 1");
    t.expect(". 961:1461(500) ack 1");
    t.expect(". 1461:2421(960) ack 1");
    t.expect("P. 2421:2921(500) ack 1");
    t.advance(ms(10));
    t.inject(". 1:1(0) ack 2921");
    t.write(1000);
    t.expect(". 2921:3881(960) ack 1");
    t.expect("P. 3881:3921(40) ack 1");
}

#[test]
fn what_fits_the_narrower_path_is_not_resent() {
    let mut t = open(|_| ());
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.write(1460);
    t.expect("P. 101:1561(1460) ack 1");
    t.advance(ms(10));
    t.inject_icmp(FragmentationNeeded { mtu: 1000 }, 101);
    t.expect(". 101:1061(960) ack 1");
    t.expect("P. 1061:1561(500) ack 1");
    t.expect_nothing();
}

#[test]
fn timestamps_are_deducted_from_a_narrower_path_too() {
    let mut t = Peer::new();
    t.open_with(Options::new(), "mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7");
    t.inject_icmp(FragmentationNeeded { mtu: 1000 }, 1);
    t.write(1000);
    t.expect(". 1:949(948) ack 1 <...>");
    t.expect("P. 949:1001(52) ack 1 <...>");
}

#[test]
fn a_path_no_narrower_or_impossibly_narrow_is_not_believed() {
    for (mtu, full) in [(1500, 1460), (1501, 1460), (65_535, 1460), (68, 512), (0, 512), (552, 512)] {
        let mut t = open(|_| ());
        t.inject_icmp(FragmentationNeeded { mtu }, 1);
        t.write(1460);
        let first = t.next_left().unwrap();
        assert!(first.contains(&format!(" 1:{}({full})", full + 1)), "{mtu}: {first}");
        while t.next_left().is_some() {}
    }
    for (mtu, full) in [(1500, 1440), (u32::MAX, 1440), (1400, 1340), (1280, 1220), (600, 1220), (0, 1220)] {
        let mut t = Peer::v6();
        t.open(Options::new());
        t.inject_icmp(PacketTooBig { mtu }, 1);
        t.write(1440);
        let first = t.next_left().unwrap();
        assert!(first.contains(&format!(" 1:{}({full})", full + 1)), "{mtu}: {first}");
        while t.next_left().is_some() {}
    }
}

#[test]
fn a_narrower_path_ends_no_connect() {
    let mut t = Peer::new();
    t.connect(Options::new());
    t.expect("S 0:0(0) <...>");
    t.inject_icmp(FragmentationNeeded { mtu: 1000 }, 0);
    assert_eq!(t.state(), State::SynSent);
    while t.next_left().is_some() {}
    t.inject("S. 0:0(0) ack 1 win 64000 <mss 1460>");
    t.expect(". 1:1(0) ack 1");
    t.write(1460);
    t.expect(". 1:961(960) ack 1");
    t.expect("P. 961:1461(500) ack 1");
}
