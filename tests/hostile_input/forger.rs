//! What a hostile network says: noise, damaged packets, segments at the edges of windows, strange options, ICMP errors;
//! and now and then an honest answer, without which no connection would ever get anywhere.

use crate::hostile::packet::{
    ACK, FIN, Forge, PROTOCOL_ICMP_V4, PROTOCOL_ICMP_V6, PROTOCOL_TCP, PSH, RST, SYN, URG, envelope, reseal,
};
use crate::hostile::random::Random;
use crate::hostile::rig::{local_v4, local_v6, peer_v4, peer_v6};
use crate::view::{Flow, View};
use core::net::{IpAddr, SocketAddr};

/// Peers' ports: few, so that flows meet their own past.
const PEER_PORTS: usize = 48;

/// The next packet from the network.
pub(crate) fn packet(random: &mut Random, view: &mut View) -> Vec<u8> {
    match random.below(100) {
        0..50 => honest(random, view),
        50..76 => edge(random, view),
        76..81 => syn(random),
        81..92 => damaged(random, view),
        92..94 => noise(random),
        94..99 => icmp(random, view),
        _ => echo(random),
    }
}

fn any_flow(random: &mut Random, view: &View) -> Option<usize> {
    (!view.flows().is_empty()).then(|| random.below(view.flows().len()))
}

/// What the peer would say next, its options right and its data in order.
fn honest(random: &mut Random, view: &mut View) -> Vec<u8> {
    let Some(index) = any_flow(random, view) else { return syn(random) };
    let flow = view.flows()[index].clone();
    let ack = Forge { window: window(random), ..Forge::new(flow.peer, flow.host) }.seq(flow.rcv_nxt).ack(flow.nxt);
    let forge = if flow.last.has(SYN) && !flow.last.has(ACK) {
        // One in four crosses ours, as if it had not arrived.
        let flags = random.pick(&[SYN | ACK, SYN | ACK, SYN | ACK, SYN]);
        ack.seq(random.u32()).flags(flags).options(&syn_options(random))
    } else {
        let payload_len = if random.one_in(3) { payload_len(random).min(flow.window as usize) } else { 0 };
        let fin = random.one_in(12) && !flow.finished;
        view.flow_mut(index).finished |= fin;
        let flags = ACK | if payload_len > 0 { PSH } else { 0 } | if fin { FIN } else { 0 };
        ack.flags(flags).payload(&payload(random, payload_len)).options(&timestamps(random, &flow))
    };
    forge.bytes()
}

/// Numbers at the edges of both windows, any flags, odd options.
fn edge(random: &mut Random, view: &View) -> Vec<u8> {
    let Some(index) = any_flow(random, view) else { return syn(random) };
    let flow = &view.flows()[index];
    let near = |random: &mut Random, edges: &[u32]| match random.below(20) {
        0 => random.u32(),
        1 => random.pick(edges).wrapping_add(random.u32() >> 16),
        2 => random.pick(edges).wrapping_add(1 << 31),
        _ => random.pick(edges).wrapping_add(random.pick(&[0, 1, u32::MAX])),
    };
    let edge = flow.rcv_nxt.wrapping_add(flow.window);
    let middle = flow.rcv_nxt.wrapping_add(flow.window / 2);
    let seq = near(random, &[flow.rcv_nxt, flow.rcv_nxt, flow.rcv_nxt, edge, middle, flow.rcv_nxt.wrapping_sub(1400)]);
    let ack = near(random, &[flow.nxt, flow.nxt, flow.una, flow.una.wrapping_sub(65_535), flow.last.seq]);
    // Resets end what took long to build: fewer of those.
    let common = [ACK, ACK, ACK | PSH, ACK | PSH, ACK | FIN, SYN, SYN | ACK, FIN, 0, ACK | URG];
    let flags = match random.below(16) {
        0 => random.pick(&[RST, RST | ACK]),
        1 => random.u32() as u16 & 0x1ff,
        _ => random.pick(&common),
    };
    let options = match random.below(5) {
        0 => strange_options(random),
        1 => sack(random, flow),
        2 => vec![],
        _ => timestamps(random, flow),
    };
    let payload_len = if random.one_in(2) { payload_len(random) } else { 0 };
    let forge = Forge::new(flow.peer, flow.host).seq(seq).ack(ack).flags(flags).window(window(random));
    let forge = Forge { urgent: random.u32() as u16, ..forge };
    forge.options(&options).payload(&payload(random, payload_len)).bytes()
}

fn syn(random: &mut Random) -> Vec<u8> {
    let port = 1024 + random.below(PEER_PORTS) as u16;
    let (peer, mut host) = if random.one_in(2) { (peer_v4(port), local_v4()) } else { (peer_v6(port), local_v6()) };
    if random.one_in(8) {
        host.set_port(random.u32() as u16);
    }
    let options = if random.one_in(4) { strange_options(random) } else { syn_options(random) };
    let payload_len = if random.one_in(16) { payload_len(random) } else { 0 };
    Forge::new(peer, host)
        .seq(random.u32())
        .flags(SYN)
        .window(window(random))
        .options(&options)
        .payload(&payload(random, payload_len))
        .bytes()
}

/// A real packet, reflected or not, with bits turned, cut short or made longer; mostly with right checksums.
fn damaged(random: &mut Random, view: &View) -> Vec<u8> {
    if view.packets().is_empty() {
        return noise(random);
    }
    let mut packet = view.packets()[random.below(view.packets().len())].clone();
    let some = random.below(packet.len() + 1);
    match random.below(6) {
        0 => packet.truncate(some),
        1 => packet.extend(random.bytes(some % 64)),
        2 => packet[..some].reverse(),
        _ => {}
    }
    for _ in 0..random.below(4) {
        if !packet.is_empty() {
            // Mostly headers: payload means nothing to a stack.
            let len = if random.one_in(4) { packet.len() } else { packet.len().min(60) };
            let bit = random.below(len * 8);
            packet[bit / 8] ^= 1 << (bit % 8);
        }
    }
    if !random.one_in(8) {
        fix_lengths(random, &mut packet);
        reseal(&mut packet);
    }
    packet
}

/// A length field that fits the packet, mostly: else the parser would refuse it at once.
fn fix_lengths(random: &mut Random, packet: &mut [u8]) {
    if random.one_in(4) || packet.len() < 40 || packet.len() > 65_535 {
        return;
    }
    let len = packet.len() as u16;
    match packet[0] >> 4 {
        4 => packet[2..4].copy_from_slice(&len.to_be_bytes()),
        6 => packet[4..6].copy_from_slice(&(len - 40).to_be_bytes()),
        _ => {}
    }
}

/// Random bytes, bare or in a plausible envelope.
fn noise(random: &mut Random) -> Vec<u8> {
    let len = random.below(120);
    let body = random.bytes(len);
    match random.below(4) {
        0 => body,
        1 => envelope(peer_v4(1).ip(), local_v4().ip(), PROTOCOL_TCP, &body),
        2 => envelope(peer_v6(1).ip(), local_v6().ip(), PROTOCOL_TCP, &body),
        _ => envelope(peer_v4(1).ip(), local_v4().ip(), random.u32() as u8, &body),
    }
}

/// An error that quotes a packet, often a short piece of it, sometimes with a number that is not in flight.
fn icmp(random: &mut Random, view: &View) -> Vec<u8> {
    let Some(index) = any_flow(random, view) else { return noise(random) };
    let flow = &view.flows()[index];
    let seq = random.pick(&[flow.last.seq, flow.una, flow.nxt, flow.nxt.wrapping_add(1), flow.una.wrapping_sub(1)]);
    let quote = Forge::new(flow.host, flow.peer).seq(seq).flags(ACK).bytes();
    let quote = &quote[..if random.one_in(3) { random.below(quote.len() + 1) } else { quote.len() }];
    let v4 = flow.host.is_ipv4();
    let kind = match random.below(8) {
        0 => random.u32() as u8,
        _ if v4 => random.pick(&[3, 3, 3, 4, 5, 11, 12]),
        _ => random.pick(&[1, 1, 2, 2, 3, 4]),
    };
    let code = random.below(18) as u8;
    let mut body = vec![kind, code, 0, 0];
    let mtu = random.pick(&[0, 1, 67, 68, 296, 552, 1000, 1279, 1280, 1400, 1492, 65_535, u32::MAX]);
    body.extend(mtu.to_be_bytes());
    body.extend(quote);
    let protocol = if v4 { PROTOCOL_ICMP_V4 } else { PROTOCOL_ICMP_V6 };
    let router = if v4 { peer_v4(1).ip() } else { peer_v6(1).ip() };
    envelope(router, flow.host.ip(), protocol, &body)
}

fn echo(random: &mut Random) -> Vec<u8> {
    let (from, to, protocol, kind): (IpAddr, SocketAddr, u8, u8) = if random.one_in(2) {
        (peer_v4(1).ip(), local_v4(), PROTOCOL_ICMP_V4, 8)
    } else {
        (peer_v6(1).ip(), local_v6(), PROTOCOL_ICMP_V6, 128)
    };
    let mut body = vec![kind, 0, 0, 0, 1, 2, 3, 4];
    let len = payload_len(random);
    body.extend(payload(random, len));
    envelope(from, to.ip(), protocol, &body)
}

fn window(random: &mut Random) -> u16 {
    match random.below(8) {
        0 => 0,
        1 => 1,
        2 => random.u32() as u16,
        _ => 65_535,
    }
}

/// Mostly small: large ones are checked for once, and cost time.
fn payload_len(random: &mut Random) -> usize {
    match random.below(128) {
        0..64 => random.below(64),
        64..100 => random.below(600),
        100..126 => random.below(1461),
        126 => random.below(9000),
        _ => random.below(65_400),
    }
}

fn payload(random: &mut Random, len: usize) -> Vec<u8> {
    vec![random.u32() as u8; len]
}

/// What a real host offers, or part of it.
fn syn_options(random: &mut Random) -> Vec<u8> {
    let mut options = Vec::new();
    if !random.one_in(4) {
        options.extend([2, 4]);
        options.extend(random.pick(&[1460_u16, 536, 1220, 8960, 100]).to_be_bytes());
    }
    if !random.one_in(3) {
        options.extend([4, 2, 8, 10]);
        options.extend(random.u32().to_be_bytes());
        options.extend([0; 4]);
    }
    if !random.one_in(3) {
        options.extend([1, 3, 3, random.below(15) as u8]);
    }
    options
}

/// The timestamps that the host would believe, if it uses them.
fn timestamps(random: &mut Random, flow: &Flow) -> Vec<u8> {
    let Some(ours) = flow.timestamps else { return vec![] };
    let val = ours.ecr.wrapping_add(random.pick(&[0, 1, 1, 2, 1000, 1 << 30, 1 << 31, u32::MAX, 0]));
    let ecr = ours.val.wrapping_sub(random.pick(&[0, 0, 1, 100, 1 << 31, u32::MAX]));
    let mut options = vec![1, 1, 8, 10];
    options.extend(val.to_be_bytes());
    options.extend(ecr.to_be_bytes());
    options
}

/// Up to four blocks that may be inverted, empty, beyond what was sent, or true.
fn sack(random: &mut Random, flow: &Flow) -> Vec<u8> {
    let blocks = 1 + random.below(4);
    let mut options = vec![5, (2 + blocks * 8) as u8];
    for _ in 0..blocks {
        let flight = flow.nxt.wrapping_sub(flow.una).clamp(1, 1 << 20);
        let start = flow.una.wrapping_add(random.u32() % flight).wrapping_sub(random.pick(&[0, 0, 0, 1, 4000]));
        let end = start.wrapping_add(random.pick(&[1, 536, 1460, 2920, flight, 0, u32::MAX, 1 << 31]));
        options.extend(start.to_be_bytes());
        options.extend(end.to_be_bytes());
    }
    options
}

/// Options that no honest host sends.
fn strange_options(random: &mut Random) -> Vec<u8> {
    let mut options = Vec::new();
    while options.len() < 36 && !random.one_in(5) {
        match random.below(8) {
            0 => options.extend([2, 4, 0, random.below(2) as u8]),
            1 => options.extend([3, 3, random.pick(&[14, 15, 31, 32, 255])]),
            2 => {
                options.extend([8, 10]);
                options.extend(random.pick(&[0, 1, u32::MAX, 1 << 31]).to_be_bytes());
                options.extend(random.pick(&[0, 1, u32::MAX, 1 << 31]).to_be_bytes());
            }
            3 => options.extend([random.u32() as u8, random.pick(&[0, 1, 2, 40, 255])]),
            4 => options.extend([4, 2]),
            5 => options.extend([5, random.pick(&[2, 9, 10, 18, 34, 42])]),
            6 => options.push(random.u32() as u8),
            _ => options.push(1),
        }
    }
    options.truncate(40);
    options
}
