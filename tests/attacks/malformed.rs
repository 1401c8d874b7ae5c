//! Packets that are wrong: A15 to A26. What the catalogue promises to drop leaves a live connection exactly as it was,
//! and nothing goes back; what Linux tolerates does what it does there.

use crate::hostile::packet::{ACK, FIN, Forge, PSH, SYN, Seen, URG, reseal, reseal_header};
use crate::hostile::rig::{Host, Peer, full_offer, local_v4, peer_v4, peer_v6};
use longhaul::stack::ConnId;
use longhaul::tcp::TcpInfo;
use longhaul::time::Duration;
use longhaul::wire::ParseError;

/// A live connection with data in flight, which an attacker talks into.
struct Victim {
    host: Host,
    peer: Peer,
    id: ConnId,
}

impl Victim {
    fn new(port: u16, v6: bool) -> Self {
        let mut host = Host::listening();
        let (mut peer, id) = Peer::establish(if v6 { peer_v6(port) } else { peer_v4(port) }, &mut host, &[]);
        peer.hears_data(&mut host, id, 100);
        Self { host, peer, id }
    }

    /// A data segment that would be taken as it is.
    fn good(&self) -> Vec<u8> {
        self.peer.forge().flags(ACK | PSH).payload(b"good").bytes()
    }

    fn snapshot(&mut self) -> TcpInfo {
        self.host.stack.conn(self.id).unwrap().info(self.host.now)
    }

    /// The packet is refused, counted, unanswered, and nothing about the connection changes.
    #[track_caller]
    fn shrugs_off(&mut self, packet: &[u8]) -> ParseError {
        let (before, errors, deadline) =
            (self.snapshot(), self.host.stack.stats().in_errs, self.host.stack.poll_timeout());
        let refused = self.host.refuses(packet);
        assert_eq!(self.host.stack.stats().in_errs, errors + 1, "not counted");
        assert_eq!(self.snapshot(), before);
        assert_eq!(self.host.stack.poll_timeout(), deadline);
        refused
    }

    /// What a segment brings to the application.
    fn reads(&mut self, packet: &[u8]) -> Vec<u8> {
        self.host.hear(packet);
        let mut conn = self.host.stack.conn(self.id).unwrap();
        let mut all = Vec::new();
        while let Ok(Some(bytes)) = conn.receive(self.host.now) {
            all.extend(bytes);
        }
        all
    }
}

#[test]
fn attack_a15_of_all_65536_option_kinds_and_lengths_none_loses_a_segment_or_loops() {
    let mut victim = Victim::new(5000, false);
    for kind in 0..=u8::MAX {
        for len in 0..=u8::MAX {
            // Once with room behind it, once at the very end of the header.
            let options = if len % 2 == 0 { vec![kind, len, 0, 0, 1, 1, 1, 1] } else { vec![1, 1, kind, len] };
            let packet = victim.peer.forge().options(&options).payload(b"x").bytes();
            assert_eq!(victim.reads(&packet), b"x", "kind {kind}, length {len}");
            victim.peer.seq = victim.peer.seq.wrapping_add(1);
        }
    }
}

#[test]
fn attack_a15_a_kind_without_a_length_ends_the_options_and_not_the_segment() {
    let mut victim = Victim::new(5000, false);
    for kind in 2..=u8::MAX {
        let packet = victim.peer.forge().options(&[1, 1, 1, kind]).payload(b"x").bytes();
        assert_eq!(victim.reads(&packet), b"x", "kind {kind}");
        victim.peer.seq = victim.peer.seq.wrapping_add(1);
    }
}

#[test]
fn attack_a16_a_data_offset_below_five_or_beyond_the_packet_is_dropped() {
    for (v6, at) in [(false, 20 + 12), (true, 40 + 12)] {
        let mut victim = Victim::new(5000, v6);
        let good = victim.good();
        for words in (0..5).chain(7..16) {
            let mut packet = good.clone();
            packet[at] = words << 4;
            reseal(&mut packet);
            assert_eq!(victim.shrugs_off(&packet), ParseError::HeaderLength, "{words} words");
        }
        // Six words take the payload for options: legal, and empty.
        assert_eq!(victim.reads(&good), b"good");
    }
}

#[test]
fn attack_a17_every_ipv4_header_length_and_total_length_but_the_right_ones_is_dropped() {
    let mut victim = Victim::new(5000, false);
    let good = victim.good();
    for words in 0..16 {
        for total in 0..=good.len() as u16 + 9 {
            let mut packet = good.clone();
            packet[0] = 0x40 | words;
            packet[2..4].copy_from_slice(&total.to_be_bytes());
            reseal_header(&mut packet);
            if (words, usize::from(total)) != (5, good.len()) {
                victim.shrugs_off(&packet);
            }
        }
    }
    assert_eq!(victim.reads(&good), b"good");
}

#[test]
fn attack_a17_every_ipv6_payload_length_but_the_right_one_is_dropped() {
    let mut victim = Victim::new(5000, true);
    let good = victim.good();
    for payload in (0..=u16::MAX).filter(|&payload| usize::from(payload) + 40 != good.len()) {
        let mut packet = good.clone();
        packet[4..6].copy_from_slice(&payload.to_be_bytes());
        reseal(&mut packet);
        victim.shrugs_off(&packet);
    }
    assert_eq!(victim.reads(&good), b"good");
}

#[test]
fn attack_a17_a_packet_cut_anywhere_is_dropped() {
    for v6 in [false, true] {
        let mut victim = Victim::new(5000, v6);
        let good = victim.good();
        for len in 0..good.len() {
            victim.shrugs_off(&good[..len]);
        }
        assert_eq!(victim.reads(&good), b"good");
    }
}

#[test]
fn attack_a18_urgent_pointers_never_index_anything_and_the_bytes_stay_in_line() {
    let mut victim = Victim::new(5000, false);
    for urgent in [0, 1, 2, 3, 4, 5, 1000, 32_767, 32_768, 65_534, 65_535] {
        for payload in [&b"abc"[..], b"a", b""] {
            let forge = victim.peer.forge().flags(ACK | URG).payload(payload);
            assert_eq!(victim.reads(&Forge { urgent, ..forge }.bytes()), payload, "pointer {urgent}");
            victim.peer.seq = victim.peer.seq.wrapping_add(payload.len() as u32);
        }
    }
}

#[test]
fn attack_a19_urgent_state_does_not_outlive_a_connection() {
    let mut victim = Victim::new(5000, false);
    let urgent = victim.peer.forge().flags(ACK | URG).payload(b"a");
    victim.reads(&Forge { urgent: 65_535, ..urgent }.bytes());
    victim.host.stack.conn(victim.id).unwrap().abort(victim.host.now);
    victim.host.drain();
    let (mut peer, id) = Peer::establish(peer_v4(5000), &mut victim.host, &[]);
    victim.host.hears(&peer.forge().payload(b"plain"));
    peer.seq = peer.seq.wrapping_add(5);
    peer.finishes(&mut victim.host);
    let mut conn = victim.host.stack.conn(id).unwrap();
    assert_eq!(conn.receive(victim.host.now), Ok(Some("plain".into())));
    assert_eq!(conn.receive(victim.host.now), Ok(None));
}

/// The payload of the first segment to a peer whose SYN carried `options`.
fn first_payload(options: &[u8]) -> u32 {
    let mut host = Host::listening();
    let (_, id) = Peer::establish(peer_v4(5000), &mut host, options);
    host.stack.conn(id).unwrap().send(host.now, vec![7; 3000].into()).unwrap();
    host.drain()[0].payload_len
}

#[test]
fn attack_a20_an_mss_of_next_to_nothing_is_lifted_to_48_and_none_is_536() {
    for mss in [1_u16, 2, 47, 48] {
        let [high, low] = mss.to_be_bytes();
        assert_eq!(first_payload(&[2, 4, high, low]), 48, "{mss}");
    }
    assert_eq!(first_payload(&[2, 4, 0, 0]), 536);
    assert_eq!(first_payload(&[]), 536);
    assert_eq!(first_payload(&[2, 4, 255, 255]), 1460);
}

#[test]
fn attack_a20_a_window_scale_above_14_is_14() {
    for shift in [0, 13, 14, 15, 31, 32, 33, 64, 255] {
        let mut host = Host::listening();
        let (peer, id) = Peer::establish(peer_v4(5000), &mut host, &[3, 3, shift]);
        host.hears(&peer.forge().payload(b"x"));
        // Only a segment beyond the last that moved the window may make it smaller.
        host.hears(&peer.forge().seq(peer.seq.wrapping_add(1)).window(1));
        assert_eq!(host.stack.conn(id).unwrap().info(host.now).snd_wnd, 1 << shift.min(14), "{shift}");
    }
}

#[test]
fn attack_a20_sack_blocks_that_cannot_be_are_ignored() {
    let mut host = Host::listening();
    let (mut peer, id) = Peer::establish(peer_v4(5000), &mut host, &[2, 4, 5, 180, 4, 2, 1, 1]);
    peer.hears_data(&mut host, id, 14_600);
    let (una, nxt) = (peer.first, peer.ack);
    let before = host.stack.conn(id).unwrap().info(host.now);
    let bad = [
        (nxt, una),
        (una, una),
        (nxt, nxt.wrapping_add(1460)),
        (una.wrapping_add(1460), nxt.wrapping_add(1)),
        (una.wrapping_sub(1460), una.wrapping_add(2920)),
        (una.wrapping_add(1 << 31), una),
        (0, u32::MAX),
    ];
    for (start, end) in bad {
        for blocks in 0..=4 {
            let mut options = vec![1, 1, 5, 2 + 8 * blocks];
            for _ in 0..blocks {
                options.extend(start.to_be_bytes());
                options.extend(end.to_be_bytes());
            }
            let answer = host.hears(&peer.forge().ack(una).options(&options));
            assert_eq!(answer, [], "resent for {blocks} blocks of {start}..{end}");
        }
    }
    let after = host.stack.conn(id).unwrap().info(host.now);
    assert_eq!((after.unacked, after.snd_cwnd, after.snd_ssthresh), (10, before.snd_cwnd, before.snd_ssthresh));
}

#[test]
fn attack_a21_a_megabyte_to_a_peer_with_an_mss_of_one_costs_a_packet_for_36_bytes_at_most() {
    const BYTES: usize = 1 << 20;
    let mut host = Host::listening();
    // Timestamps are the worst case: 12 of the 48 bytes.
    let mut options = full_offer(1);
    options[2..4].copy_from_slice(&1_u16.to_be_bytes());
    let (mut peer, id) = Peer::establish(peer_v4(5000), &mut host, &options);
    let (mut packets, mut rest) = (0, bytes::Bytes::from(vec![7; BYTES]));
    while peer.ack.wrapping_sub(peer.first) < BYTES as u32 {
        rest = host.stack.conn(id).unwrap().send(host.now, rest).unwrap();
        let sent = peer.hears_all(&mut host);
        assert!(sent > 0, "stuck");
        packets += sent;
    }
    assert!(packets <= BYTES.div_ceil(36) + 10, "{packets} packets");
}

#[test]
fn attack_a22_hostile_sack_blocks_cost_no_memory_and_resend_each_segment_once() {
    let mut host = Host::listening();
    let (mut peer, id) = Peer::establish(peer_v4(5000), &mut host, &[2, 4, 0, 1, 4, 2, 3, 3, 14]);
    // The congestion window grows, so that there is much to mark.
    host.stack.conn(id).unwrap().send(host.now, vec![7; 200_000].into()).unwrap();
    peer.hears_all(&mut host);
    let size = 48;
    host.stack.conn(id).unwrap().send(host.now, vec![7; 100_000].into()).unwrap();
    let first = peer.ack;
    let sent = host.drain();
    peer.take(&sent);
    let (charged, flight) = (host.stack.memory_charged(), sent.len() as u32);
    assert!(flight > 500, "{flight}");
    let mut resent = 0;
    for round in 0..flight / 8 {
        let mut options = vec![1, 1, 5, 34];
        for block in 0..4 {
            let start = first.wrapping_add((round * 8 + block * 2 + 1) * size);
            options.extend(start.to_be_bytes());
            options.extend(start.wrapping_add(size).to_be_bytes());
        }
        let answers = host.hears(&peer.forge().ack(first).options(&options));
        resent += answers.iter().filter(|seen| seen.seq.wrapping_sub(first) < flight * size).count();
    }
    assert!(resent <= flight as usize, "{resent} of {flight} resent");
    let records = host.stack.memory_charged() - charged;
    assert!(records <= flight as usize * 24, "{records} bytes more");
}

#[test]
fn attack_a24_every_bit_of_every_checksum_counts() {
    for (v6, fields) in [(false, &[10, 36][..]), (true, &[56])] {
        let mut victim = Victim::new(5000, v6);
        let good = victim.good();
        for &field in fields {
            for bit in 0..16 {
                let mut packet = good.clone();
                packet[field + bit / 8] ^= 1 << (bit % 8);
                let expected = if field == 10 { ParseError::HeaderChecksum } else { ParseError::Checksum };
                assert_eq!(victim.shrugs_off(&packet), expected);
            }
        }
        assert_eq!(victim.reads(&good), b"good");
    }
}

#[test]
fn attack_a25_nobody_speaks_from_or_to_port_zero() {
    let mut host = Host::listening();
    for flags in 0..0x200 {
        let mut nobody = local_v4();
        nobody.set_port(0);
        assert_eq!(host.refuses(&Forge::new(peer_v4(0), local_v4()).flags(flags).bytes()), ParseError::Port);
        assert_eq!(host.refuses(&Forge::new(peer_v4(5000), nobody).flags(flags).bytes()), ParseError::Port);
    }
    host.assert_empty();
}

#[test]
fn attack_a26_fragments_are_dropped_and_take_no_memory() {
    let mut victim = Victim::new(5000, false);
    let charged = victim.host.stack.memory_charged();
    let good = victim.good();
    // Every offset, with and without more to follow: first, tiny, overlapping, last, beyond the end of the world.
    for field in (1..0x4000_u16).filter(|field| field & 0x3fff != 0) {
        let mut packet = good.clone();
        packet[6..8].copy_from_slice(&field.to_be_bytes());
        reseal(&mut packet);
        assert_eq!(victim.shrugs_off(&packet), ParseError::Fragment, "{field:#x}");
    }
    assert_eq!(victim.host.stack.memory_charged(), charged);

    let mut victim = Victim::new(5000, true);
    let good = victim.good();
    for field in [0, 1, 8, 9, 0xfff8, 0xffff_u16] {
        let mut packet = good.clone();
        packet[6] = 44;
        let [high, low] = field.to_be_bytes();
        packet.splice(40..40, [6, 0, high, low, 0, 0, 0, 1]);
        let payload_len = packet.len() as u16 - 40;
        packet[4..6].copy_from_slice(&payload_len.to_be_bytes());
        assert_eq!(victim.shrugs_off(&packet), ParseError::Fragment, "{field:#x}");
    }
}

#[test]
fn attack_a23_a_syn_with_everything_begins_nothing_that_a_plain_one_would_not() {
    let mut host = Host::listening();
    for (port, flags) in (1024..).zip((0..0x200).filter(|flags| flags & SYN != 0)) {
        let before = host.stack.half_open_len();
        host.hears(&Forge::new(peer_v4(port), local_v4()).flags(flags));
        let begun = host.stack.half_open_len() - before;
        assert_eq!(begun == 1, flags & (FIN | ACK | 0x04) == 0, "flags {flags:#x}");
    }
    let answers = host.wait(Duration::from_secs(64));
    assert!(answers.iter().all(|(_, seen): &(_, Seen)| seen.has(SYN | ACK)));
    host.assert_empty();
}
