//! Attackers who guess: blind and off-path, A01 to A14 (RFC 5961, RFC 5927, RFC 7323).

use crate::hostile::packet::{ACK, Forge, PROTOCOL_ICMP_V4, RST, SYN, Seen, envelope};
use crate::hostile::rig::{Host, Peer, full_offer, local_v4, peer_v4, peer_v6, timestamps};
use longhaul::config::Sysctl;
use longhaul::error::{Errno, Error};
use longhaul::options::Options;
use longhaul::stack::ConnId;
use longhaul::tcp::State;
use longhaul::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A host whose connections offer windows of 1 MiB, and one such connection with nothing in flight.
fn wide_open() -> (Host, Peer, ConnId) {
    let mut host = Host::listening_with(Sysctl::LINUX, Options::new().with_recv_buffer_size(1 << 20));
    let (mut peer, id) = Peer::establish(peer_v4(5000), &mut host, &[1, 3, 3, 7]);
    // The window of a SYN is not scaled; the first byte draws the first ACK that shows the whole of it.
    let ack = host.hears(&peer.forge().payload(b"x"));
    peer.seq = peer.seq.wrapping_add(1);
    peer.take(&ack);
    assert!(peer.offered > 1_000_000, "{}", peer.offered);
    assert!(host.stack.conn(id).unwrap().receive(host.now).is_ok());
    (host, peer, id)
}

fn state(host: &mut Host, id: ConnId) -> State {
    host.stack.conn(id).unwrap().state()
}

#[test]
fn attack_a01_of_a_million_resets_in_the_window_only_the_exact_one_counts() {
    let (mut host, peer, id) = wide_open();
    for offset in 1..=peer.offered {
        let answer = host.hears(&peer.forge().flags(RST).seq(peer.seq.wrapping_add(offset)));
        assert!(answer.iter().all(Seen::is_bare_ack), "{offset}");
    }
    assert_eq!(state(&mut host, id), State::Established);
    host.hears(&peer.forge().flags(RST));
    assert_eq!(state(&mut host, id), State::Closed);
    assert_eq!(host.stack.conn(id).unwrap().death(), Some(Error::Reset));
}

#[test]
fn attack_a02_a_reset_outside_the_window_is_silence_and_touches_no_timer() {
    let (mut host, mut peer, id) = wide_open();
    peer.hears_data(&mut host, id, 100);
    let (before, deadline) = (host.stack.conn(id).unwrap().info(host.now), host.stack.poll_timeout());
    for beyond in [1, 2, 1000, 1 << 20, 1 << 30] {
        for seq in [peer.seq.wrapping_sub(beyond), peer.seq.wrapping_add(peer.offered).wrapping_add(beyond)] {
            assert_eq!(host.hears(&peer.forge().flags(RST).seq(seq)), [], "{seq}");
        }
    }
    assert_eq!(host.stack.poll_timeout(), deadline);
    assert_eq!(host.stack.conn(id).unwrap().info(host.now), before);
}

#[test]
fn attack_a03_a_syn_wherever_it_lies_draws_one_challenge_in_half_a_second() {
    let (mut host, peer, id) = wide_open();
    for offset in [0, 1, 1000, peer.offered, peer.offered + 1, 1 << 30, u32::MAX, u32::MAX - 1000] {
        for flags in [SYN, SYN | ACK] {
            host.wait(SECOND / 2);
            let syn = peer.forge().flags(flags).seq(peer.seq.wrapping_add(offset));
            let answer = host.hears(&syn);
            assert_eq!(answer.len(), 1, "{offset}");
            assert!(answer[0].is_bare_ack() && answer[0].ack == peer.seq);
            assert_eq!(host.hears(&syn), [], "a second one within half a second");
        }
    }
    assert_eq!(state(&mut host, id), State::Established);
}

#[test]
fn attack_a04_data_counts_only_with_an_ack_that_the_peer_could_have_sent() {
    const CLASSES: u32 = 4096;
    let mut host = Host::listening();
    let past = |bytes: u32| bytes.wrapping_neg();
    let edges = [0, 1, 99, 100, 101, past(1), past(200), past(201), past(65_535), past(65_536)];
    let classes = (0..CLASSES).map(|class| class << 20 | 0x7777);
    for (port, offset) in (1024..).zip(edges.into_iter().chain(classes)) {
        let (mut peer, id) = Peer::establish(peer_v4(port), &mut host, &[]);
        peer.hears_data(&mut host, id, 200);
        let una = peer.ack;
        host.hears(&peer.forge());
        peer.hears_data(&mut host, id, 100);
        let answer = host.hears(&peer.forge().ack(una.wrapping_add(offset)).payload(b"guessed"));
        // No more than it acknowledged so far, nor than its largest window, lies in the past (RFC 5961 5.2).
        let could = offset <= 100 || offset >= past(200);
        assert_eq!(host.stack.conn(id).unwrap().readable(), if could { 7 } else { 0 }, "una + {offset}");
        assert_eq!(answer.len(), 1, "the ACK or the challenge, una + {offset}");
        host.stack.conn(id).unwrap().abort(host.now);
        host.drain();
    }
    host.assert_empty();
}

#[test]
fn attack_a05_an_ack_of_what_was_never_sent_changes_nothing() {
    let mut host = Host::listening();
    let (mut peer, id) = Peer::establish(peer_v4(5000), &mut host, &[]);
    peer.hears_data(&mut host, id, 100);
    let before = host.stack.conn(id).unwrap().info(host.now);
    let answer = host.hears(&peer.forge().ack(peer.ack.wrapping_add(1)).window(1));
    assert!(answer.len() == 1 && answer[0].is_bare_ack());
    assert_eq!(host.stack.conn(id).unwrap().info(host.now), before);
}

/// What a victim sends while it is attacked, with `neighbours` attacked at the same instants.
fn victims_trace(neighbours: u16) -> Vec<Seen> {
    let mut host = Host::listening();
    let (mut peer, id) = Peer::establish(peer_v4(1023), &mut host, &full_offer(1));
    let others: Vec<_> = (0..neighbours).map(|port| Peer::establish(peer_v4(2000 + port), &mut host, &[]).0).collect();
    peer.hears_data(&mut host, id, 100);
    let mut trace = Vec::new();
    for step in 0..40 {
        host.wait(Duration::from_millis(70));
        for other in &others {
            host.hears(&other.forge().flags(RST).seq(other.seq.wrapping_add(step + 1)));
            host.hears(&other.forge().flags(SYN));
        }
        trace.extend(host.hears(&peer.forge().flags(RST).seq(peer.seq.wrapping_add(step + 1))));
    }
    trace
}

#[test]
fn attack_a06_challenges_of_one_connection_tell_nothing_of_another() {
    let alone = victims_trace(0);
    assert_eq!(alone.len(), 5, "one challenge in half a second");
    assert_eq!(victims_trace(1000), alone);
}

#[test]
fn attack_a10_a_forged_timestamp_from_the_future_does_not_lock_the_peer_out() {
    let mut host = Host::listening();
    let (mut peer, id) = Peer::establish(peer_v4(5000), &mut host, &full_offer(1000));
    let forged = timestamps(1000 + (1 << 30), 0);
    let poisons = [
        // Beyond the window, before it, in the window but not at its left edge, with an ACK that cannot be, without
        // one.
        peer.forge().seq(peer.seq.wrapping_add(1 << 24)),
        peer.forge().seq(peer.seq.wrapping_sub(100)).payload(b"x"),
        peer.forge().seq(peer.seq.wrapping_add(100)).payload(b"x"),
        peer.forge().ack(peer.ack.wrapping_add(1)),
        peer.forge().flags(0),
        peer.forge().flags(SYN),
        peer.forge().flags(RST).seq(peer.seq.wrapping_add(1)),
    ];
    for poison in poisons {
        host.hears(&poison.options(&forged));
        host.hears(&peer.forge().payload(b"honest").options(&timestamps(1001, 0)));
        peer.seq = peer.seq.wrapping_add(6);
        assert_eq!(host.stack.conn(id).unwrap().receive(host.now), Ok(Some("honest".into())), "locked out");
    }
}

#[test]
fn attack_a11_an_echo_that_cannot_be_is_no_round_trip() {
    let mut host = Host::listening();
    let (mut peer, id) = Peer::establish(peer_v4(5000), &mut host, &full_offer(1000));
    let mut val = 1000;
    // Milliseconds before the clock that the host last showed; the last one is true.
    for (back, is_sample) in [
        (u32::MAX - 3_600_000, false),
        (1 << 31, false),
        (1 << 30, false),
        (2_147_001, false),
        (0x8000_0001, false),
        (50, true),
    ] {
        peer.hears_data(&mut host, id, 10);
        // Lost at least once, whatever the backoff, so that only the echo can tell.
        let again = host.wait(200 * SECOND);
        let shown = again.iter().rev().find_map(|(_, seen)| seen.options.timestamps).unwrap().val;
        let before = host.stack.conn(id).unwrap().info(host.now).rtt;
        val += 5000;
        host.hears(&peer.forge().options(&timestamps(val, shown.wrapping_sub(back))));
        let info = host.stack.conn(id).unwrap().info(host.now);
        assert_eq!(info.send_queue, 0);
        assert_eq!(info.rtt != before, is_sample, "an echo of {back} ms ago");
        assert!(info.rto >= Duration::from_millis(200) && info.rto <= 120 * SECOND, "{back}: {info:?}");
    }
}

#[test]
fn attack_a28_data_of_an_earlier_incarnation_is_not_delivered_where_timestamps_are_on() {
    let mut host = Host::listening();
    let (peer, id) = Peer::establish(peer_v4(5000), &mut host, &full_offer(1 << 20));
    for age in [2, 1000, 1 << 20, 1 << 30] {
        host.wait(SECOND);
        let old = timestamps((1_u32 << 20).wrapping_sub(age), 0);
        let answer = host.hears(&peer.forge().payload(b"old").options(&old));
        assert!(answer.len() == 1 && answer[0].is_bare_ack() && answer[0].ack == peer.seq, "age {age}");
        assert_eq!(host.stack.conn(id).unwrap().readable(), 0, "age {age}");
    }
    host.hears(&peer.forge().payload(b"new").options(&timestamps(1 << 20, 0)));
    assert_eq!(host.stack.conn(id).unwrap().receive(host.now), Ok(Some("new".into())));
}

/// An ICMPv4 error that quotes the first eight bytes of a segment of the host's.
fn icmp(peer: &Peer, kind: u8, code: u8, mtu: u16, seq: u32) -> Vec<u8> {
    let quote = Forge::new(peer.host, peer.addr).seq(seq).flags(ACK).bytes();
    let mut body = vec![kind, code, 0, 0, 0, 0];
    body.extend(mtu.to_be_bytes());
    body.extend(&quote[..28]);
    envelope([203, 0, 113, 1].into(), peer.host.ip(), PROTOCOL_ICMP_V4, &body)
}

#[test]
fn attack_a12_icmp_counts_only_about_what_is_in_flight_and_resets_nothing() {
    let mut host = Host::listening();
    let (mut peer, id) = Peer::establish(peer_v4(5000), &mut host, &[]);
    peer.hears_data(&mut host, id, 100);
    for seq in [peer.first.wrapping_sub(1), peer.ack.wrapping_add(1), 0, peer.first.wrapping_add(1 << 31)] {
        host.hear(&icmp(&peer, 3, 3, 0, seq));
        assert_eq!(host.stack.conn(id).unwrap().take_error(), None, "{seq} was believed");
    }
    for code in 0..16 {
        assert_eq!(host.hear(&icmp(&peer, 3, code, 1500, peer.first)), []);
        assert_eq!(state(&mut host, id), State::Established, "code {code}");
    }
    // The hardest of them is soft: remembered, shown once, the connection lives.
    host.hear(&icmp(&peer, 3, 3, 0, peer.first));
    assert_eq!(host.stack.conn(id).unwrap().take_error(), Some(Error::Unreachable(Errno::ECONNREFUSED)));
    host.hears(&peer.forge());
    assert_eq!(host.stack.conn(id).unwrap().send_queue(), 0);
}

#[test]
fn attack_a12_no_router_makes_segments_smaller_than_552_bytes() {
    for mtu in [0, 1, 68, 296, 551] {
        let mut host = Host::listening();
        let (mut peer, id) = Peer::establish(peer_v4(5000), &mut host, &[2, 4, 5, 180]);
        peer.hears_data(&mut host, id, 1460);
        let again = host.hear(&icmp(&peer, 3, 4, mtu, peer.first));
        assert_eq!(again.iter().map(|seen| seen.len).max(), Some(552), "mtu {mtu}: {again:?}");
        assert_eq!(host.hear(&icmp(&peer, 3, 4, 68, peer.first)), [], "the second lie costs nothing");
    }
}

#[test]
fn attack_a13_redirect_and_source_quench_are_nothing() {
    let mut host = Host::listening();
    let (mut peer, id) = Peer::establish(peer_v4(5000), &mut host, &[]);
    peer.hears_data(&mut host, id, 100);
    let before = host.stack.conn(id).unwrap().info(host.now);
    for kind in [4, 5] {
        assert_eq!(host.hear(&icmp(&peer, kind, 0, 0, peer.first)), []);
    }
    assert_eq!(host.stack.conn(id).unwrap().take_error(), None);
    assert_eq!(host.stack.conn(id).unwrap().info(host.now), before);
}

#[test]
fn attack_a14_a_syn_injected_into_a_connect_establishes_nothing() {
    for remote in [peer_v4(80), peer_v6(80)] {
        let mut host = Host::listening();
        let id = host.stack.connect(host.now, None, remote, Options::new()).unwrap();
        let syn = host.drain().remove(0);
        let mut attacker = Peer::new(remote, syn.from);
        let crossed = host.hears(&attacker.syn(&[]));
        assert!(crossed.len() == 1 && crossed[0].has(SYN | ACK));
        assert_eq!(state(&mut host, id), State::SynReceived);
        attacker.seq = attacker.seq.wrapping_add(1);
        for guess in [0, syn.seq, syn.seq.wrapping_add(2), syn.seq.wrapping_add(1 << 31)] {
            let reset = host.hears(&attacker.forge().ack(guess));
            assert!(reset.len() == 1 && reset[0].has(RST) && reset[0].seq == guess, "{guess}: {reset:?}");
            assert_eq!(state(&mut host, id), State::SynReceived);
        }
        host.hears(&attacker.forge().ack(syn.seq.wrapping_add(1)));
        assert_eq!(state(&mut host, id), State::Established, "who sees our number is the peer");
    }
}

#[test]
fn attack_a27_a_reset_assassinates_time_wait_unless_rfc1337_is_on() {
    for (rfc1337, left) in [(0, 0), (1, 1)] {
        let mut host = Host::listening_with(Sysctl { tcp_rfc1337: rfc1337, ..Sysctl::LINUX }, Options::new());
        let (mut peer, id) = Peer::establish(peer_v4(5000), &mut host, &[]);
        host.stack.conn(id).unwrap().close(host.now);
        let fin = host.drain();
        peer.take(&fin);
        peer.finishes(&mut host);
        // Old data and old ACKs never end it; they draw our last ACK once more.
        assert_eq!(host.hears(&peer.forge().seq(peer.seq.wrapping_sub(1)).payload(b"old")).len(), 1);
        assert_eq!(host.hears(&peer.forge().ack(peer.first)), []);
        assert_eq!(host.hears(&peer.forge().flags(RST).seq(peer.seq.wrapping_add(1))), []);
        assert_eq!(host.stack.time_wait_len(), 1);
        assert_eq!(host.hears(&peer.forge().flags(RST)), []);
        assert_eq!(host.stack.time_wait_len(), left);
        host.wait(61 * SECOND);
        host.assert_empty();
    }
}

/// The window of a connection after the peer acknowledged a full window in pieces of `piece` bytes.
fn window_after_acks_of(piece: usize) -> u32 {
    let mut host = Host::listening();
    let (mut peer, id) = Peer::establish(peer_v4(5000), &mut host, &[2, 4, 5, 180]);
    host.stack.conn(id).unwrap().send(host.now, vec![7; 100_000].into()).unwrap();
    let sent = host.drain();
    peer.take(&sent);
    let full = peer.ack.wrapping_sub(peer.first) as usize;
    for acked in (piece..=full).step_by(piece) {
        host.hears(&peer.forge().ack(peer.first.wrapping_add(acked as u32)));
    }
    host.hears(&peer.forge().ack(peer.first.wrapping_add(full as u32)));
    host.stack.conn(id).unwrap().info(host.now).snd_cwnd
}

#[test]
fn attack_a43_a_segment_acknowledged_in_a_hundred_pieces_opens_the_window_once() {
    let honest = window_after_acks_of(1460);
    assert!(honest > 10, "{honest}");
    assert!(window_after_acks_of(14) <= honest);
}

#[test]
fn attack_a43_acks_ahead_of_the_data_and_duplicates_without_data_gain_nothing() {
    let mut host = Host::listening();
    let (mut peer, id) = Peer::establish(peer_v4(5000), &mut host, &[2, 4, 5, 180]);
    host.stack.conn(id).unwrap().send(host.now, vec![7; 100_000].into()).unwrap();
    let sent = host.drain();
    peer.take(&sent);
    let before = host.stack.conn(id).unwrap().info(host.now);
    for ahead in [1, 1460, 14_600, 85_000] {
        let answer = host.hears(&peer.forge().ack(peer.ack.wrapping_add(ahead)));
        assert!(answer.iter().all(|seen| seen.payload_len == 0));
    }
    assert_eq!(host.stack.conn(id).unwrap().info(host.now), before);

    let (idle, id) = Peer::establish(peer_v4(5001), &mut host, &[2, 4, 5, 180]);
    let before = host.stack.conn(id).unwrap().info(host.now);
    for _ in 0..100 {
        assert_eq!(host.hears(&idle.forge()), [], "nothing in flight, nothing to resend");
    }
    assert_eq!(host.stack.conn(id).unwrap().info(host.now), before);
}

#[test]
fn attack_a44_two_desynchronized_ends_do_not_storm() {
    // Two pairs on the same addresses; then the wires are crossed, so that every number is wrong.
    let mut pairs = [0xffff_ff00, 0x1234_5678].map(|seq| {
        let mut host = Host::listening();
        let mut peer = Peer::new(peer_v4(5000), local_v4());
        peer.seq = seq;
        let (peer, id) = establish_as(peer, &mut host);
        (host, peer, id)
    });
    // Each end hears what it sends itself, with the other's numbers: the worst of echoes.
    let (mut packets, mut bare) = (0, 0);
    for (host, _, id) in &mut pairs {
        host.stack.conn(*id).unwrap().send(host.now, vec![7; 50].into()).unwrap();
    }
    for _ in 0..600 {
        let [(one, _, _), (other, _, _)] = &mut pairs;
        let mut flying: Vec<_> =
            one.drain().into_iter().chain(one.wait(SECOND / 2).into_iter().map(|it| it.1)).collect();
        other.wait(SECOND / 2);
        let mut to_other = true;
        while !flying.is_empty() {
            packets += flying.len();
            bare += flying.iter().filter(|seen| seen.is_bare_ack()).count();
            assert!(packets < 10_000, "a storm");
            let hearer = if to_other { &mut *other } else { &mut *one };
            flying = flying.iter().flat_map(|seen| hearer.hears(&mirrored(seen))).collect();
            to_other = !to_other;
        }
    }
    assert!(bare <= 600 * 2 * 2, "{bare} bare ACKs in 600 half seconds");
}

fn establish_as(mut peer: Peer, host: &mut Host) -> (Peer, ConnId) {
    let syn_ack = host.hears(&peer.syn(&[]));
    peer.take_syn(&syn_ack[0]);
    peer.seq = peer.seq.wrapping_add(1);
    host.hears(&peer.forge());
    let id = host.accept().unwrap();
    (peer, id)
}

/// What one end sent, as if the other's peer had.
fn mirrored(seen: &Seen) -> Forge {
    let forge = Forge::new(seen.to, seen.from).seq(seen.seq).ack(seen.ack).flags(seen.flags).window(seen.window);
    forge.payload(&vec![7; seen.payload_len as usize])
}
