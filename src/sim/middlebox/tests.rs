//! Boxes alone, packet by packet. What they do to whole connections is shown by `tests/middlebox.rs`.

use super::*;
use crate::seq::SeqNum;
use crate::sim::rng::Rng;
use crate::time::Duration;
use crate::wire::{self, Flags, Flow, Header, IpOptions, Packet, ParseError};
use alloc::vec;
use core::net::SocketAddr;

const NOW: Instant = Instant::from_secs(1000);
const SECOND: Duration = Duration::from_secs(1);
const US: Duration = Duration::from_micros(1);
const SYN_ACK: Flags = Flags::SYN.with(Flags::ACK);
const FIN_ACK: Flags = Flags::FIN.with(Flags::ACK);
const RST_ACK: Flags = Flags::RST.with(Flags::ACK);

/// A client, a server and a public address: one conversation to translate.
#[derive(Clone, Copy)]
struct Cast {
    client: SocketAddr,
    server: SocketAddr,
    public: IpAddr,
}

fn casts() -> [Cast; 2] {
    [["10.0.0.1:4000", "10.0.0.2:80", "203.0.113.1"], ["[fd00::1]:4000", "[fd00::2]:80", "2001:db8::1"]].map(
        |[client, server, public]| Cast {
            client: client.parse().unwrap(),
            server: server.parse().unwrap(),
            public: public.parse().unwrap(),
        },
    )
}

fn segment(from: SocketAddr, to: SocketAddr, flags: Flags) -> Vec<u8> {
    let ack = if flags.contains(Flags::ACK) { 2000 } else { 0 };
    let header = Header::new(SeqNum::new(1000), SeqNum::new(ack), flags);
    let mut packet = vec![0; 100];
    let flow = Flow { local: from, remote: to };
    let len =
        wire::emit(&flow, IpOptions::LINUX, &header, 4, |room| room.copy_from_slice(b"data"), &mut packet).unwrap();
    packet.truncate(len);
    packet
}

/// Who a packet says it is from, and to whom.
fn ends(packet: &[u8]) -> (SocketAddr, SocketAddr) {
    match wire::parse(packet) {
        Ok(Packet::Tcp { flow, .. }) => (flow.remote, flow.local),
        other => panic!("{other:?}"),
    }
}

/// What a NAT makes of a packet; `None` if it lets nothing through.
fn through(nat: &mut Nat, now: Instant, from: Side, packet: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    match nat.handle_packet(now, from, packet).fate {
        Fate::Replace(packet) => Some(ends(&packet)),
        Fate::Drop => None,
        other => panic!("{other:?}"),
    }
}

/// A box that knows the conversation, and the public end of the client in it.
fn opened(mut middlebox: impl Middlebox, cast: &Cast, public: SocketAddr) -> impl FnMut(Instant, Side, Flags) -> bool {
    let (client, server) = (cast.client, cast.server);
    let mut pass = move |now, from, flags| {
        let packet = match from {
            Side::Inside => segment(client, server, flags),
            Side::Outside => segment(server, public, flags),
        };
        matches!(middlebox.handle_packet(now, from, &packet).fate, Fate::Pass | Fate::Replace(_))
    };
    assert!(pass(NOW, Side::Inside, Flags::SYN) && pass(NOW, Side::Outside, SYN_ACK));
    pass
}

#[test]
fn an_entry_lives_exactly_its_idle_time_after_the_last_packet_of_either_side() {
    for cast in casts() {
        for side in [Side::Inside, Side::Outside] {
            let public = SocketAddr::new(cast.public, cast.client.port());
            let mut nat = opened(Nat::new(cast.public), &cast, public);
            let mut balancer = opened(Tracker::load_balancer(), &cast, cast.client);
            let mut firewall = opened(Tracker::firewall(), &cast, cast.client);
            for (pass, idle) in [
                (&mut nat as &mut dyn FnMut(Instant, Side, Flags) -> bool, 300 * SECOND),
                (&mut balancer, 900 * SECOND),
                (&mut firewall, 432_000 * SECOND),
            ] {
                let mut last = NOW;
                for _ in 0..3 {
                    last += idle.saturating_sub(US);
                    assert!(pass(last, side, Flags::ACK), "a microsecond before {idle:?}");
                }
                assert!(!pass(last + idle, side, Flags::ACK), "after {idle:?}");
                assert!(!pass(last + idle, side.other(), Flags::ACK) && !pass(last, side, Flags::ACK), "gone is gone");
                assert!(pass(last + idle, Side::Inside, Flags::SYN), "and begins anew");
            }
        }
    }
}

#[test]
fn what_only_one_side_has_begun_or_both_have_ended_is_forgotten_sooner() {
    let [cast, _] = casts();
    let timeouts = Timeouts { established: 300 * SECOND, transitory: 10 * SECOND };
    let known = || opened(Tracker::firewall().with_timeouts(timeouts), &cast, cast.client);
    let after = |pass: &mut dyn FnMut(Instant, Side, Flags) -> bool, wait: Duration| {
        [1, 2].map(|times: u32| pass(NOW + times * wait.saturating_sub(US), Side::Inside, Flags::ACK))
    };
    assert_eq!(after(&mut known(), 300 * SECOND), [true; 2]);

    let mut half_closed = known();
    assert!(half_closed(NOW, Side::Inside, FIN_ACK));
    assert_eq!(after(&mut half_closed, 300 * SECOND), [true; 2], "one FIN leaves the other side talking");

    for endings in [&[(Side::Inside, FIN_ACK), (Side::Outside, FIN_ACK)][..], &[(Side::Outside, RST_ACK)]] {
        let mut ended = known();
        assert!(endings.iter().all(|&(side, flags)| ended(NOW, side, flags)));
        assert!(!ended(NOW + 10 * SECOND, Side::Inside, Flags::ACK));
    }
    let mut again = known();
    assert!(again(NOW, Side::Inside, RST_ACK) && again(NOW, Side::Inside, Flags::SYN));
    assert!(again(NOW, Side::Outside, SYN_ACK));
    assert_eq!(after(&mut again, 300 * SECOND), [true; 2], "the same ports, another connection");

    let mut unanswered = Tracker::firewall().with_timeouts(timeouts);
    let mut from_client = |at, flags| {
        let packet = segment(cast.client, cast.server, flags);
        unanswered.handle_packet(at, Side::Inside, &packet).fate == Fate::Pass
    };
    assert!(from_client(NOW, Flags::SYN) && !from_client(NOW + 10 * SECOND, Flags::ACK));
    assert_eq!(Timeouts::new(300 * SECOND).transitory, 240 * SECOND);
    assert_eq!(Timeouts::new(20 * SECOND).transitory, 20 * SECOND);
}

#[test]
fn a_connection_keeps_its_port_unless_another_has_it_towards_the_same_remote() {
    for Cast { client, server, public } in casts() {
        let mut nat = Nat::new(public).with_ports(3999..=4001);
        let mut lent = |client: SocketAddr, server: SocketAddr| {
            let (from, to) = through(&mut nat, NOW, Side::Inside, &segment(client, server, Flags::SYN))?;
            assert_eq!((from.ip(), to), (public, server));
            // The answer comes back to whom it belongs.
            let answer = through(&mut nat, NOW, Side::Outside, &segment(server, from, SYN_ACK));
            assert_eq!(answer, Some((server, client)));
            Some(from.port())
        };
        let with_port = |mut address: SocketAddr, port| {
            address.set_port(port);
            address
        };
        let neighbour = |last: u8| match client.ip() {
            IpAddr::V4(_) => SocketAddr::from(([10, 0, 0, last], 4000)),
            IpAddr::V6(_) => SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)], 4000)),
        };
        assert_eq!(lent(client, server), Some(4000));
        assert_eq!(lent(neighbour(7), with_port(server, 443)), Some(4000), "another remote, the same port");
        assert_eq!(lent(neighbour(7), server), Some(4001));
        assert_eq!(lent(with_port(client, 9), server), Some(3999), "its own port is not among those lent");
        assert_eq!(lent(neighbour(8), server), None);
        assert_eq!(lent(client, server), Some(4000), "a known connection's SYN again");
        assert_eq!(nat.len(), 4);
    }
}

#[test]
fn ports_and_table_are_finite_and_the_dead_make_room() {
    let [Cast { client, server, public }, _] = casts();
    let syn = |port| segment(SocketAddr::new(client.ip(), port), server, Flags::SYN);
    let ports = Nat::new(public).with_ports(5000..=5001);
    for (mut nat, note) in
        [(ports, "the NAT has no port left"), (Nat::new(public).with_flows_max(2), "the NAT's table is full")]
    {
        for port in [1, 2] {
            assert!(through(&mut nat, NOW, Side::Inside, &syn(port)).is_some());
        }
        assert_eq!(nat.handle_packet(NOW + 239 * SECOND, Side::Inside, &syn(3)), Decision::drop(note));
        assert!(through(&mut nat, NOW + 240 * SECOND, Side::Inside, &syn(3)).is_some());
        assert_eq!(nat.len(), 1, "{note}");
    }
    let mut firewall = Tracker::firewall().with_flows_max(1);
    let mut fate = |now, port| firewall.handle_packet(now, Side::Outside, &syn(port)).fate;
    assert_eq!((fate(NOW, 1), fate(NOW, 2), fate(NOW + 240 * SECOND, 2)), (Fate::Pass, Fate::Drop, Fate::Pass));
    let mut nothing = Nat::new(public).with_ports(0..=0);
    assert_eq!(through(&mut nothing, NOW, Side::Inside, &syn(1)), None, "nobody has port 0");
}

#[test]
fn nobody_outside_reaches_what_did_not_ask() {
    for Cast { client, server, public } in casts() {
        let mut nat = Nat::new(public);
        for to in [client, SocketAddr::new(public, client.port())] {
            for flags in [Flags::SYN, SYN_ACK, Flags::ACK, Flags::RST] {
                assert_eq!(through(&mut nat, NOW, Side::Outside, &segment(server, to, flags)), None);
            }
        }
        through(&mut nat, NOW, Side::Inside, &segment(client, server, Flags::SYN)).unwrap();
        let mut stranger = server;
        stranger.set_port(81);
        let guess = segment(stranger, SocketAddr::new(public, client.port()), SYN_ACK);
        assert_eq!(through(&mut nat, NOW, Side::Outside, &guess), None);
        assert!(!nat.is_empty());
        nat.flush();
        assert!(nat.is_empty() && nat.reverse_len() == 0);
    }
    let [v4, v6] = casts();
    let packet = segment(v6.client, v6.server, Flags::ACK);
    let decision = Nat::new(v4.public).handle_packet(NOW, Side::Inside, &packet);
    assert_eq!(decision, Decision::PASS, "what it has no address for is routed");
    assert!(Nat::new(v4.public).with_public(v6.public).has_address(v6.public));
}

#[test]
fn an_unknown_segment_is_dropped_reset_or_reported() {
    for Cast { client, server, .. } in casts() {
        let answer = |unknown, flags| {
            let packet = segment(client, server, flags);
            let decision = Tracker::load_balancer().with_unknown(unknown).handle_packet(NOW, Side::Inside, &packet);
            match decision.fate {
                Fate::Answer(answer) => Some(answer),
                Fate::Drop => None,
                other => panic!("{other:?}"),
            }
        };
        for (flags, seq, ack, said) in [(Flags::ACK, 2000, 0, Flags::RST), (Flags::FIN, 0, 1005, RST_ACK)] {
            let reset = answer(Unknown::Reset, flags).unwrap();
            let Ok(Packet::Tcp { flow, segment, .. }) = wire::parse(&reset) else { panic!("no segment") };
            assert_eq!((flow.remote, flow.local), (server, client));
            assert_eq!(segment.header, Header::new(SeqNum::new(seq), SeqNum::new(ack), said));
        }
        assert_eq!(answer(Unknown::Reset, Flags::RST), None, "no reset for a reset");
        assert_eq!(answer(Unknown::Drop, Flags::ACK), None);
        let (kind, alien) = match client {
            SocketAddr::V4(_) => (IcmpKind::V4Unreachable(13), IcmpKind::V6Unreachable(1)),
            SocketAddr::V6(_) => (IcmpKind::V6Unreachable(1), IcmpKind::V4Unreachable(13)),
        };
        let report = answer(Unknown::Icmp(kind), Flags::ACK).unwrap();
        let Ok(Packet::Icmp(error)) = wire::parse(&report) else { panic!("no error") };
        assert_eq!((error.flow.local, error.flow.remote, error.kind), (client, server, kind));
        assert_eq!(answer(Unknown::Icmp(alien), Flags::ACK), None);
    }
}

#[test]
fn an_error_about_a_known_connection_finds_its_sender_and_refreshes_nothing() {
    let [Cast { client, server, public }, _] = casts();
    let kind = IcmpKind::V4Unreachable(1);
    let error = |quoted: &[u8]| {
        let mut packet = vec![0; 576];
        let len = wire::emit_icmp_error([192, 0, 2, 9].into(), kind, quoted, &mut packet).unwrap();
        packet.truncate(len);
        packet
    };
    let mut nat = Nat::new(public);
    let Fate::Replace(syn) = nat.handle_packet(NOW, Side::Inside, &segment(client, server, Flags::SYN)).fate else {
        panic!("no entry")
    };
    let late = NOW + 239 * SECOND;
    let Fate::Replace(found) = nat.handle_packet(late, Side::Outside, &error(&syn)).fate else { panic!("lost") };
    let Ok(Packet::Icmp(read)) = wire::parse(&found) else { panic!("unreadable") };
    assert_eq!((read.flow.local, read.flow.remote), (client, server));
    for (at, from, quoted) in [
        (NOW + 240 * SECOND, Side::Outside, &syn[..]),
        (late, Side::Inside, &syn),
        (late, Side::Outside, &segment(server, client, Flags::ACK)),
    ] {
        assert_eq!(nat.handle_packet(at, from, &error(quoted)).fate, Fate::Drop);
    }

    let mut firewall = Tracker::firewall();
    let syn = segment(client, server, Flags::SYN);
    assert_eq!(firewall.handle_packet(NOW, Side::Outside, &error(&syn)).fate, Fate::Drop);
    firewall.handle_packet(NOW, Side::Inside, &syn);
    assert_eq!(firewall.handle_packet(NOW, Side::Outside, &error(&syn)), Decision::PASS);
    firewall.flush();
    assert!(firewall.is_empty());
}

#[test]
fn hostile_packets_open_nothing_without_a_syn_and_never_more_than_the_table_holds() {
    let mut rng = Rng::new(5);
    let mut boxes: [(&str, Box<dyn Middlebox>); 3] = [
        ("nat", Box::new(Nat::new(casts()[0].public).with_public(casts()[1].public).with_flows_max(8))),
        ("balancer", Box::new(Tracker::load_balancer().with_flows_max(8))),
        ("firewall", Box::new(Tracker::firewall().with_flows_max(8))),
    ];
    for at in 0..60_000 {
        let Cast { mut client, server, public } = casts()[at % 2];
        client.set_port(rng.next() as u16 % 64);
        let side = if rng.happens(500) { Side::Inside } else { Side::Outside };
        let flags = Flags::from_bits(rng.next() as u16);
        let mut packet = match side {
            Side::Inside => segment(client, server, flags),
            Side::Outside => segment(server, SocketAddr::new(public, client.port()), flags),
        };
        match rng.next() % 4 {
            0 => packet.truncate(rng.next() as usize % (packet.len() + 1)),
            1 => {
                let bit = rng.next() as usize % (packet.len() * 8);
                packet[bit / 8] ^= 1 << (bit % 8);
            }
            2 => packet = (0..rng.next() % 80).map(|_| rng.next() as u8).collect(),
            _ => {}
        }
        let readable = wire::parse(&packet).is_ok_and(|packet| !matches!(packet, Packet::Echo(_)));
        for (name, middlebox) in &mut boxes {
            let decision = middlebox.handle_packet(NOW + at as u32 * SECOND / 7, side, &packet);
            match decision.fate {
                Fate::Drop => assert!(!decision.note.is_empty(), "{name} says why"),
                Fate::Pass => assert!(readable, "{name} let through what nobody can read: {packet:02x?}"),
                Fate::Replace(packet) | Fate::Answer(packet) => assert!(wire::parse(&packet).is_ok(), "{name}"),
                Fate::Delay(_) => panic!("{name} delays"),
            }
        }
    }
    for (name, middlebox) in &boxes {
        let any: &dyn Any = &**middlebox;
        let nat = any.downcast_ref::<Nat>().map(|nat| (nat.len(), nat.reverse_len()));
        let tracker = any.downcast_ref::<Tracker>().map(|tracker| (tracker.len(), tracker.len()));
        let (len, reverse) = nat.or(tracker).unwrap();
        assert!((1..=8).contains(&len) && reverse == len, "{name}: {len} entries, {reverse} ports");
    }
    assert_eq!(wire::parse(&[]), Err(ParseError::Truncated));
}

/// A box that answers everything.
struct Parrot;

impl Middlebox for Parrot {
    fn handle_packet(&mut self, _: Instant, _: Side, packet: &[u8]) -> Decision {
        Decision { fate: Fate::Answer(Bytes::copy_from_slice(packet)), note: "polly" }
    }
}

/// A box that appends its letter, capital for what comes from its inside.
struct Stamp(u8);

impl Middlebox for Stamp {
    fn handle_packet(&mut self, _: Instant, from: Side, packet: &[u8]) -> Decision {
        let letter = if from == Side::Inside { self.0.to_ascii_uppercase() } else { self.0 };
        Decision { fate: Fate::Replace([packet, &[letter]].concat().into()), note: "stamped" }
    }
}

#[test]
fn packets_and_answers_meet_the_boxes_of_a_link_in_their_order() {
    let (a, b) = (HostId(0), HostId(1));
    let place = |middlebox: Box<dyn Middlebox>, inside| Placed { middlebox, inside };
    let mut chain = Chain(vec![place(Box::new(Stamp(b'x')), a), place(Box::new(Stamp(b'y')), b)]);
    let passed = |chain: &mut Chain, from, forward| chain.cross(NOW, from, forward, Bytes::new());
    assert_eq!(passed(&mut chain, a, true).packet.unwrap(), &b"Xy"[..]);
    assert_eq!(passed(&mut chain, b, false).packet.unwrap(), &b"Yx"[..]);
    chain.0.push(place(Box::new(Parrot), a));
    let back = passed(&mut chain, a, true);
    assert_eq!((back.packet, back.answer.unwrap()), (None, Bytes::from_static(b"XyYx")));
    assert_eq!(alloc::string::ToString::to_string(&back.notes), "stamped, stamped, polly");
    chain.0.insert(0, place(Box::new(Parrot), a));
    assert_eq!(chain.bring_back(NOW, a, true, 3, Bytes::new()), None, "an answer to an answer goes nowhere");
}
