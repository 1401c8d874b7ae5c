//! The simulator itself: what a conversation looks like, and that each way of interfering does what it says.

use super::*;
use crate::options::Options;
use crate::stack::{ConnId, ListenerId};
use crate::tcp::State;
use crate::timeline::Kind;
use crate::wire::{Packet, parse};
use alloc::rc::Rc;
use alloc::string::ToString;
use core::cell::RefCell;
use core::net::SocketAddr;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

struct Pair {
    sim: Sim,
    a: HostId,
    b: HostId,
    listener: ListenerId,
    client: ConnId,
    server: ConnId,
}

fn server_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 80))
}

/// Linux's settings without a random timestamp offset, so that traces can be read.
fn readable() -> Sysctl {
    Sysctl { tcp_timestamps: 2, ..Sysctl::LINUX }
}

fn connected(seed: u64) -> Pair {
    let (mut sim, a, b) = Sim::pair(seed, readable());
    let listener = sim.stack(b).listen(server_address(), 4, Options::new()).unwrap();
    let now = sim.now();
    let client = sim.stack(a).connect(now, None, server_address(), Options::new()).unwrap();
    let mut server = None;
    assert!(sim.run_until(
        |sim| {
            server = server.or_else(|| sim.stack(b).accept(listener));
            server.is_some()
        },
        SECOND
    ));
    Pair { sim, a, b, listener, client, server: server.unwrap() }
}

impl Pair {
    fn send(&mut self, data: &'static [u8]) {
        let now = self.sim.clock(self.a);
        self.sim.stack(self.a).conn(self.client).unwrap().send(now, Bytes::from_static(data)).unwrap();
    }

    fn received(&mut self) -> Vec<u8> {
        let now = self.sim.clock(self.b);
        let mut conn = self.sim.stack(self.b).conn(self.server).unwrap();
        let mut all = Vec::new();
        while let Ok(Some(data)) = conn.receive(now) {
            all.extend(data);
        }
        all
    }
}

#[test]
fn a_conversation_reads_like_packetdrill() {
    let mut pair = connected(1);
    pair.send(b"hello");
    pair.sim.run_for(50 * MS);
    assert_eq!(pair.received(), b"hello");
    let now = pair.sim.now();
    pair.sim.stack(pair.b).conn(pair.server).unwrap().finish(now);
    pair.sim.link_mut(pair.a, pair.b).cut = Cut::BToA;
    pair.sim.run_for(SECOND / 10);
    let trace = pair.sim.trace();
    let golden = [
        "   0.000000 a > b  S 0:0(0) win 64240 <mss 1460,sackOK,TS val 4294964296 ecr 0,nop,wscale 10>",
        "   0.010000 b > a  S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,TS val 4294964306 ecr 4294964296,nop,wscale 10>",
        "   0.020000 a > b  . 1:1(0) ack 1 win 64 <nop,nop,TS val 4294964316 ecr 4294964306>",
        "   0.030000 a > b  P. 1:6(5) ack 1 win 64 <nop,nop,TS val 4294964326 ecr 4294964306>",
        "   0.040000 b > a  . 1:1(0) ack 6 win 64 <nop,nop,TS val 4294964336 ecr 4294964326>",
        "   0.080000 b > a  F. 1:1(0) ack 6 win 64 <nop,nop,TS val 4294964376 ecr 4294964326>  # the link is cut",
    ];
    assert_eq!(trace, golden);
}

#[test]
fn a_second_conversation_brings_the_ports_into_the_trace() {
    let mut pair = connected(1);
    let (a, now) = (pair.a, pair.sim.now());
    let local = SocketAddr::from(([10, 0, 0, 1], 7));
    pair.sim.stack(a).connect(now, Some(local), server_address(), Options::new()).unwrap();
    pair.sim.run_for(SECOND);
    let trace = pair.sim.trace();
    assert!(pair.sim.stack(pair.b).accept(pair.listener).is_some());
    assert!(trace.iter().all(|line| line.contains(":80  ") || line.contains(":80 > a:")), "{trace:#?}");
    assert!(trace.last().unwrap().starts_with("   0.050000 a:7 > b:80  . 1:1(0) ack 1"), "{trace:#?}");
}

#[test]
fn the_recorder_forgets_the_oldest_packets_but_not_their_numbers() {
    let mut pair = connected(1);
    pair.sim.keep_packets(1);
    pair.send(b"hello");
    pair.sim.run_for(SECOND);
    let trace = pair.sim.trace();
    assert_eq!(trace.len(), 1);
    assert!(trace[0].contains("b > a  . 1:1(0) ack 6"), "{trace:?}");
    pair.sim.keep_packets(0);
    assert_eq!(pair.sim.trace(), [""; 0]);
}

#[test]
fn a_capture_has_every_packet_and_what_became_of_it() {
    let mut pair = connected(1);
    pair.sim.link_mut(pair.a, pair.b).loss_permille = 1000;
    pair.send(b"hello");
    pair.sim.run_for(MS);
    let file = pair.sim.pcapng();
    assert!(file.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]));
    let finds = |text: &str| file.windows(text.len()).filter(|part| *part == text.as_bytes()).count();
    assert_eq!((finds("simulator, seed 1"), finds("lost on the link"), finds("hello")), (1, 1, 1));
}

#[test]
fn a_step_leaves_what_it_causes_to_later_steps() {
    let (mut sim, a, b) = Sim::pair(1, Sysctl::LINUX);
    sim.connect_link(a, b, Link::new(Duration::ZERO));
    sim.stack(b).listen(server_address(), 4, Options::new()).unwrap();
    assert!(!sim.step(), "nothing will ever happen");
    let now = sim.now();
    sim.stack(a).connect(now, None, server_address(), Options::new()).unwrap();
    for delivered in 1..=3 {
        assert!(sim.step());
        assert_eq!((sim.now(), sim.delivered()), (START, delivered));
    }
}

#[test]
fn an_intercepted_packet_meets_its_fate() {
    let mut pair = connected(1);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (note, mut fates) = (seen.clone(), vec![Fate::Delay(5 * MS), Fate::Drop, Fate::Pass]);
    let a = pair.a;
    pair.sim.intercept(move |passing| {
        if passing.from != a {
            return Fate::Pass;
        }
        let len = match parse(passing.packet) {
            Ok(Packet::Tcp { segment, .. }) => segment.payload.len(),
            _ => 0,
        };
        note.borrow_mut().push((passing.at.since(START), len));
        fates.pop().unwrap_or(Fate::Replace(Bytes::from_static(b"noise")))
    });
    pair.send(b"first");
    pair.sim.run_for(20 * MS);
    assert_eq!(pair.received(), b"first");
    pair.send(b"second");
    pair.sim.run_for(SECOND);
    assert_eq!(pair.received(), b"second");
    pair.send(b"third");
    pair.sim.run_for(20 * MS);
    assert_eq!(pair.received(), b"");
    let trace = pair.sim.trace();
    let noted = |note: &str| trace.iter().filter(|line| line.ends_with(note)).count();
    assert_eq!(noted("# taken out on the way"), 1, "{trace:#?}");
    assert_eq!(noted("# tail loss probe, delayed on the way"), 1, "{trace:#?}");
    assert_eq!(noted("# replaced on the way"), 1, "{trace:#?}");
    assert_eq!(seen.borrow()[..2], [(30 * MS, 5), (50 * MS, 6)]);
}

#[test]
fn a_trace_and_a_capture_say_why_a_packet_was_sent() {
    let mut pair = connected(1);
    pair.sim.link_mut(pair.a, pair.b).cut = Cut::Both;
    pair.send(b"hello");
    let now = pair.sim.now();
    pair.sim.run_for(SECOND);
    pair.sim.stack(pair.a).conn(pair.client).unwrap().abort(now + SECOND);
    pair.sim.run_for(MS);
    let trace = pair.sim.trace();
    let remarks: Vec<_> = trace.iter().filter_map(|line| Some(line.split_once("  # ")?.1)).collect();
    let cut = "the link is cut";
    let golden = ["the link is cut", "tail loss probe", "retransmission", "retransmission", "reset"];
    let golden = golden.map(|why| if why == cut { why.into() } else { alloc::format!("{why}, {cut}") });
    assert_eq!(remarks, golden);
    let file = pair.sim.pcapng();
    let finds = |text: &str| file.windows(text.len()).filter(|part| *part == text.as_bytes()).count();
    assert_eq!((finds("retransmission, the link is cut"), finds("reset, the link is cut")), (2, 1));
}

#[test]
fn a_watched_connection_has_a_lane_with_its_packets_and_its_end() {
    let mut pair = connected(1);
    let (a, b, client, server) = (pair.a, pair.b, pair.client, pair.server);
    pair.sim.watch(a, client, "client");
    pair.sim.watch(b, server, "server");
    pair.send(b"hello");
    let since = pair.sim.now();
    pair.sim.run_for(50 * MS);
    pair.sim.link_mut(a, b).cut = Cut::AToB;
    let limit = Some(SECOND);
    pair.sim.stack(a).conn(client).unwrap().set_tcp_user_timeout(since + 50 * MS, limit).unwrap();
    pair.send(b"lost");
    pair.sim.run_for(5 * SECOND);

    let timeline = pair.sim.timeline("", since);
    let seen = |lane: usize| -> Vec<(u128, Kind, bool)> {
        let marks = timeline.lanes()[lane].marks().iter();
        marks.map(|mark| (mark.at().as_millis(), mark.kind(), mark.is_lost())).collect()
    };
    let again = |at| (at, Kind::Retransmission, true);
    let sent = |at, lost| (at, Kind::Sent, lost);
    let client = [sent(0, false), (20, Kind::Received, false), sent(50, true), (270, Kind::Probe, true), again(490)];
    // RTO 220 ms, which the probe starts anew; the user timeout counts from the first retransmission.
    assert_eq!(seen(0)[..5], client);
    assert_eq!(timeline.lanes()[0].death(), Some(1490 * MS));
    // The last ACK of the handshake, the data, and its acknowledgment.
    assert_eq!(seen(1), [(0, Kind::Received, false), (10, Kind::Received, false), sent(10, false)]);
    assert_eq!(timeline.lanes()[1].death(), None);
    let drawn = timeline.ascii(100);
    assert!(drawn.contains("ETIMEDOUT: the user timeout passed (TCP_USER_TIMEOUT)"), "{drawn}");
}

#[test]
fn an_intercepted_packet_may_be_answered() {
    let mut pair = connected(1);
    let unreachable = crate::wire::IcmpKind::V4Unreachable(1);
    pair.sim.intercept(move |passing| {
        let mut answer = [0; 576];
        let router = [192, 0, 2, 1].into();
        let len = crate::wire::emit_icmp_error(router, unreachable, passing.packet, &mut answer).unwrap();
        Fate::Answer(Bytes::copy_from_slice(&answer[..len]))
    });
    pair.send(b"hello");
    let sent = pair.sim.now();
    pair.sim.run_for(MS);
    let trace = pair.sim.trace();
    assert!(trace[3].ends_with("# answered on the way"), "{trace:#?}");
    assert_eq!(trace[4], "   0.030000 * > a  icmp V4Unreachable(1)  # from a box on the way");
    let error = |pair: &mut Pair| pair.sim.stack(pair.a).conn(pair.client).unwrap().take_error();
    assert_eq!(error(&mut pair), None, "it is on its way");
    pair.sim.run_for(9 * MS);
    assert_eq!((pair.sim.now().since(sent), error(&mut pair).is_some()), (10 * MS, true));
}

#[test]
fn a_packet_from_nowhere_arrives_when_told() {
    let mut pair = connected(1);
    let at = pair.sim.now() + 7 * MS;
    pair.sim.inject(pair.b, &b"\x60junk"[..], at);
    pair.sim.run_for(SECOND);
    assert_eq!(pair.sim.stack(pair.b).stats().in_errs, 1);
    let line = "   0.037000 * > b  5 bytes: packet is shorter than it claims  # injected";
    assert_eq!(pair.sim.trace().last().map(String::as_str), Some(line));
}

#[test]
fn a_packet_to_an_address_of_nobody_goes_nowhere() {
    let (mut sim, a, _) = Sim::pair(1, Sysctl::LINUX);
    let c = sim.host(Config::new([3; 16]).with_ipv4(Ipv4Addr::new(10, 0, 0, 3)));
    let now = sim.now();
    for last in [3, 9] {
        sim.stack(a).connect(now, None, SocketAddr::from(([10, 0, 0, last], 80)), Options::new()).unwrap();
    }
    sim.run_for(MS);
    let trace = sim.trace();
    assert!(trace.iter().all(|line| line.ends_with("# no route")), "{trace:#?}");
    assert!(trace[0].contains("> c:80  ") && trace[1].contains("> *:80  "), "{trace:#?}");
    sim.connect_link(c, a, Link::default());
    sim.run_for(2 * SECOND);
    assert_eq!(sim.stack(c).stats().out_rsts, 1);
    assert_eq!((c.to_string(), HostId(26).to_string()), ("c".into(), "h26".into()));
}

#[test]
fn a_full_device_takes_what_it_said_and_the_rest_later() {
    let mut pair = connected(1);
    pair.sim.set_device_room(pair.a, Some(1));
    pair.send(&[7; 4000]);
    let before = pair.sim.trace().len();
    pair.sim.run_for(MS);
    assert_eq!(pair.sim.trace().len() - before, 1);
    pair.sim.set_device_room(pair.a, None);
    pair.sim.run_for(MS);
    assert_eq!(pair.sim.trace().len() - before, 3);
    pair.sim.run_for(SECOND);
    assert_eq!(pair.received(), [7; 4000]);
}

#[test]
fn a_suspended_host_does_nothing_until_it_wakes() {
    let mut pair = connected(1);
    pair.sim.suspend(pair.b, 3 * SECOND);
    pair.send(b"hello");
    pair.sim.run_for(2 * SECOND);
    assert_eq!(pair.received(), b"");
    pair.sim.run_for(2 * SECOND);
    assert_eq!(pair.received(), b"hello");

    let before = pair.sim.trace().len();
    pair.sim.suspend(pair.a, SECOND);
    pair.send(b"again");
    pair.sim.run_for(999 * MS);
    assert_eq!(pair.sim.trace().len(), before);
    pair.sim.run_for(MS);
    assert_eq!(pair.sim.trace().len(), before + 1, "it was woken for what it wanted to send");
}

#[test]
fn a_shifted_clock_moves_one_host_and_its_deadlines() {
    let mut pair = connected(1);
    pair.sim.shift_clock(pair.a, -500_000);
    assert_eq!(pair.sim.clock(pair.a), pair.sim.now() - SECOND / 2);
    assert_eq!(pair.sim.clock(pair.b), pair.sim.now());
    pair.sim.link_mut(pair.a, pair.b).cut = Cut::Both;
    let before = pair.sim.now();
    pair.send(b"hello");
    assert!(pair.sim.run_until(|sim| sim.stack(HostId(0)).stats().timeouts == 1, 10 * SECOND));
    let waited = pair.sim.now().since(before);
    assert!(waited >= SECOND / 2 + 200 * MS, "the stack's time stood still at first: {waited:?}");
}

#[test]
fn running_ends_at_the_limit_or_when_it_is_done() {
    let mut pair = connected(1);
    let start = pair.sim.now();
    assert!(!pair.sim.run_until(|_| false, SECOND));
    assert_eq!(pair.sim.now(), start + SECOND);
    let (b, server, now) = (pair.b, pair.server, pair.sim.now());
    pair.sim.stack(pair.a).conn(pair.client).unwrap().finish(now);
    assert!(
        pair.sim
            .run_until(|sim| sim.stack(b).conn(server).is_some_and(|conn| conn.state() == State::CloseWait), SECOND)
    );
    assert_eq!(pair.sim.now(), now + 10 * MS);
}
