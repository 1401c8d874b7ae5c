//! Attackers who want everything: A33 to A47. Each table has an end, what is refused at the end is refused cleanly, and
//! when the attack is over nothing of it is left.

use crate::hostile::packet::{ACK, FIN, Forge, PSH, RST, SYN};
use crate::hostile::rig::{Host, Peer, config, full_offer, local_v4, peer_v4, timestamps};
use core::net::SocketAddr;
use longhaul::config::Sysctl;
use longhaul::options::Options;
use longhaul::stack::ConnectError;
use longhaul::tcp::Event;
use longhaul::time::Duration;

/// Who is not remembered is not answered.
const WITHOUT_COOKIES: Sysctl = Sysctl { tcp_syncookies: 0, ..Sysctl::LINUX };
const SECOND: Duration = Duration::from_secs(1);

/// A host that listens with this backlog.
fn with_backlog(backlog: u16, sysctl: Sysctl) -> Host {
    let mut host = Host::new(config(sysctl));
    host.listeners.push(host.stack.listen(local_v4(), backlog, Options::new()).unwrap());
    host
}

/// The `n`th of a crowd of hosts.
fn spoofed(n: u32) -> SocketAddr {
    let [_, a, b, c] = n.to_be_bytes();
    SocketAddr::from(([10, a, b, c], 40_000))
}

#[test]
fn attack_a33_a_hundred_thousand_syns_a_second_fill_one_table_and_pass() {
    const SYNS: u32 = 100_000;
    let mut host = with_backlog(4096, WITHOUT_COOKIES);
    let limit = Sysctl::LINUX.tcp_max_syn_backlog;
    let mut answers = 0;
    for n in 0..SYNS {
        host.now += Duration::from_micros(10);
        answers += host.hears(&Forge::new(spoofed(n), local_v4()).flags(SYN).seq(n)).len();
        assert!(host.stack.half_open_len() <= limit as usize);
    }
    assert_eq!(answers, limit as usize, "who is not remembered is not answered");
    assert_eq!((host.conns(), host.stack.memory_charged()), (0, 0), "a SYN costs no connection and no buffer");
    let repeated = host.wait(64 * SECOND).len();
    assert_eq!(repeated, 5 * limit as usize);
    host.assert_empty();
    // A client that kept trying meanwhile, as clients do for 131 seconds, is served now.
    Peer::establish(peer_v4(5000), &mut host, &full_offer(1));
}

/// With cookies, as by default, the same flood fills the same table, and an honest client is served in the midst of it.
#[test]
fn attack_a33_with_cookies_an_honest_client_is_served_in_the_midst_of_a_flood() {
    let mut host = with_backlog(4096, Sysctl::LINUX);
    let limit = Sysctl::LINUX.tcp_max_syn_backlog as usize;
    for n in 0..10_000 {
        host.now += Duration::from_micros(10);
        assert_eq!(host.hears(&Forge::new(spoofed(n), local_v4()).flags(SYN).seq(n)).len(), 1);
        assert!(host.stack.half_open_len() <= limit);
    }
    assert_eq!(host.stack.stats().syncookies_sent, 10_000 - limit as u64);
    assert_eq!((host.conns(), host.stack.memory_charged()), (0, 0));
    let (_, id) = Peer::establish(peer_v4(5000), &mut host, &[2, 4, 5, 180]);
    assert_eq!((host.stack.half_open_len(), host.stack.stats().syncookies_recv), (limit, 1));
    // What a cookie remembers: here a segment size.
    assert_eq!(host.stack.conn(id).unwrap().tcp_mss(), 1460);
    // A cookie is not sent again, and a minute later only the connection is left.
    let again = host.wait(128 * SECOND).len();
    assert_eq!(again, 5 * limit);
    assert_eq!((host.stack.half_open_len(), host.conns()), (0, 1));
}

#[test]
fn attack_a34_guessed_cookies_begin_nothing_and_none_is_believed_without_a_flood() {
    let mut host = with_backlog(0, Sysctl::LINUX);
    let guess = |n: u32| Forge::new(peer_v4(5000), local_v4()).flags(ACK).seq(n).ack(n.wrapping_mul(2_654_435_761));
    // No SYN was answered with one: it is not even looked at.
    assert_eq!(host.hears(&guess(1)).iter().filter(|seen| seen.has(RST)).count(), 1);
    assert_eq!(host.stack.stats().syncookies_failed, 0);
    (0..10).for_each(|n| drop(host.hears(&Forge::new(spoofed(n), local_v4()).flags(SYN))));
    for n in 0..100_000 {
        assert!(host.hears(&guess(n)).iter().all(|seen| seen.has(RST)), "guess {n}");
    }
    assert_eq!((host.conns(), host.stack.stats().syncookies_failed), (0, 100_000));
    // Two minutes after the last one the door is shut again.
    host.wait(121 * SECOND);
    host.hears(&guess(1));
    assert_eq!(host.stack.stats().syncookies_failed, 100_000);
    host.assert_empty();
}

/// ACK, ACK with PSH or FIN complete; a reset, SYN-ACK or RST-ACK does not; and what is not believed is a reset's.
#[test]
fn pi_15_a_cookie_is_completed_by_an_ack_alone() {
    for (flags, completes) in
        [(ACK, true), (ACK | PSH, true), (ACK | FIN, true), (SYN | ACK, false), (RST | ACK, false), (RST, false)]
    {
        let mut host = with_backlog(4, Sysctl { tcp_syncookies: 2, ..Sysctl::LINUX });
        let mut peer = Peer::new(peer_v4(5000), local_v4());
        let syn_ack = host.hears(&peer.syn(&full_offer(1)));
        assert_eq!((syn_ack.len(), host.stack.half_open_len()), (1, 0));
        peer.take_syn(&syn_ack[0]);
        peer.seq = peer.seq.wrapping_add(1);
        let echo = syn_ack[0].options.timestamps.expect("they were offered").val;
        host.now += Duration::from_millis(20);
        host.hears(&peer.forge().flags(flags).options(&timestamps(2, echo)));
        assert_eq!(host.accept().is_some(), completes, "{flags:#x}");
        assert!(host.wait(100 * SECOND).iter().all(|(_, seen)| !seen.has(SYN)), "a cookie is not sent again");
    }
}

#[test]
fn attack_a33_a_small_backlog_is_a_small_table() {
    for backlog in [0, 1, 10] {
        let mut host = with_backlog(backlog, Sysctl::LINUX);
        for n in 0..100 {
            host.hears(&Forge::new(spoofed(n), local_v4()).flags(SYN));
        }
        // As on Linux one more than it says.
        assert_eq!(host.stack.half_open_len(), usize::from(backlog) + 1);
        host.stack.close_listener(host.now, host.listeners[0]);
        host.assert_empty();
    }
}

#[test]
fn attack_a35_complete_handshakes_that_nobody_accepts_stop_at_the_backlog() {
    let mut host = with_backlog(3, Sysctl::LINUX);
    let mut waiting = Vec::new();
    for port in 1024..1124 {
        let mut peer = Peer::new(peer_v4(port), local_v4());
        if let [syn_ack] = &host.hears(&peer.syn(&[]))[..] {
            peer.take_syn(syn_ack);
            peer.seq = peer.seq.wrapping_add(1);
            assert_eq!(host.hears(&peer.forge()), [], "a final ACK is never answered");
            waiting.push(peer);
        }
    }
    assert_eq!((host.conns(), waiting.len()), (4, 4), "the queue is longer than the backlog by one");
    // Room again: the next client gets in.
    let first = host.accept().unwrap();
    Peer::establish(peer_v4(2000), &mut host, &[]);
    host.stack.conn(first).unwrap().abort(host.now);
    while let Some(id) = host.accept() {
        host.stack.conn(id).unwrap().abort(host.now);
    }
    host.drain();
    assert_eq!(host.conns(), 1, "the last client's");
}

#[test]
fn attack_a35_a_final_ack_that_finds_the_queue_full_waits_or_is_reset_by_tcp_abort_on_overflow() {
    for (abort, answers) in [(0, 0), (1, 1)] {
        let mut host = with_backlog(1, Sysctl { tcp_abort_on_overflow: abort, ..WITHOUT_COOKIES });
        // Two half-open at once are all that a backlog of one allows; a third begins when the first is complete.
        let mut peers = Vec::new();
        for port in [1024, 1025, 1026] {
            let mut peer = Peer::new(peer_v4(port), local_v4());
            if let [syn_ack] = &host.hears(&peer.syn(&[]))[..] {
                peer.take_syn(syn_ack);
                peer.seq = peer.seq.wrapping_add(1);
                peers.push(peer);
            }
        }
        assert_eq!(peers.len(), 2);
        host.hears(&peers[0].forge());
        let mut third = Peer::new(peer_v4(1027), local_v4());
        let syn_ack = host.hears(&third.syn(&[]));
        third.take_syn(&syn_ack[0]);
        third.seq = third.seq.wrapping_add(1);
        host.hears(&peers[1].forge());
        let answer = host.hears(&third.forge());
        assert_eq!(answer.iter().filter(|seen| seen.has(RST)).count(), answers);
        assert_eq!(host.stack.half_open_len(), 1 - answers);
        let first = host.accept().unwrap();
        host.stack.conn(first).unwrap().abort(host.now);
        if abort == 0 {
            // The SYN-ACK comes again, its ACK finds room.
            let again = host.wait(2 * SECOND);
            assert!(again.iter().any(|(_, seen)| seen.to == third.addr && seen.has(SYN | ACK)));
            host.hears(&third.forge());
            assert_eq!((host.stack.half_open_len(), host.conns()), (0, 2));
        }
    }
}

#[test]
fn attack_a38_orphans_are_few_and_end_in_time() {
    const MAX: u32 = 16;
    let sysctl = Sysctl { tcp_max_orphans: MAX, ..Sysctl::LINUX };
    let mut host = Host::listening_with(sysctl, Options::new());
    let (mut resets, mut fins) = (0, 0);
    for port in 1024..1224 {
        let (_, id) = Peer::establish(peer_v4(port), &mut host, &[]);
        host.stack.conn(id).unwrap().send(host.now, vec![7; 1000].into()).unwrap();
        host.stack.conn(id).unwrap().close(host.now);
        let sent = host.drain();
        resets += sent.iter().filter(|seen| seen.has(RST)).count();
        fins += sent.iter().filter(|seen| seen.has(FIN)).count();
        assert!(host.conns() <= MAX as usize);
    }
    assert_eq!((fins, resets), (MAX as usize, 200 - MAX as usize));
    // Eight retransmissions, as a peer that acknowledges nothing gets them.
    host.wait(105 * SECOND);
    host.assert_empty();
}

#[test]
fn attack_a38_peers_that_never_finish_are_forgotten_after_a_minute() {
    let mut host = Host::listening();
    for port in 1024..1224 {
        let (mut peer, id) = Peer::establish(peer_v4(port), &mut host, &[]);
        host.stack.conn(id).unwrap().close(host.now);
        let fin = host.drain();
        peer.take(&fin);
        host.hears(&peer.forge());
    }
    assert_eq!((host.conns(), host.stack.time_wait_len(), host.stack.memory_charged()), (0, 200, 0));
    assert_eq!(host.wait(59 * SECOND), []);
    assert_eq!(host.stack.time_wait_len(), 200);
    assert_eq!(host.wait(SECOND), [], "they vanish silently");
    host.assert_empty();
}

#[test]
fn attack_a39_time_wait_has_an_end_and_closing_goes_on_beyond_it() {
    const MAX: u32 = 10;
    let mut host = Host::listening_with(Sysctl { tcp_max_tw_buckets: MAX, ..Sysctl::LINUX }, Options::new());
    for port in 1024..1074 {
        let (mut peer, id) = Peer::establish(peer_v4(port), &mut host, &[]);
        host.stack.conn(id).unwrap().close(host.now);
        let fin = host.drain();
        peer.take(&fin);
        let last = peer.finishes(&mut host);
        assert!(last.len() == 1 && last[0].is_bare_ack(), "the peer's FIN is acknowledged either way");
        host.stack.check();
    }
    assert_eq!((host.stack.time_wait_len(), host.conns()), (MAX as usize, 0));
    assert_eq!(host.stack.stats().time_wait_overflow, 40);
    host.wait(61 * SECOND);
    host.assert_empty();
}

#[test]
fn attack_a40_when_all_ports_are_taken_connect_says_so_and_other_remotes_do_not_suffer() {
    let mut host = Host::new(config(Sysctl { ip_local_port_range: [4000, 4003], ..Sysctl::LINUX }));
    let (full, other) = (peer_v4(80), peer_v4(81));
    let connect = |host: &mut Host, remote| host.stack.connect(host.now, None, remote, Options::new());
    let ids: Vec<_> = (0..4).map(|_| connect(&mut host, full).unwrap()).collect();
    let mut ports: Vec<_> = host.drain().iter().map(|syn| syn.from.port()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [4000, 4001, 4002, 4003]);
    for _ in 0..1000 {
        assert_eq!(connect(&mut host, full), Err(ConnectError::PortsExhausted));
    }
    assert!(connect(&mut host, other).is_ok(), "a port is taken for one remote only");
    host.stack.conn(ids[2]).unwrap().close(host.now);
    assert!(connect(&mut host, full).is_ok(), "a port given back is free at once");
    host.stack.check();
}

#[test]
fn attack_a41_scattered_bytes_cost_a_fixed_table_and_one_answer_a_packet() {
    const BYTES: u32 = 20_000;
    /// 128 ranges with a piece each, the table itself, and what is really held.
    const CHARGED_MAX: usize = 64 * 1024;
    // Places in the window: a gap after every byte, upwards and downwards; no gap at all, downwards.
    let patterns: [fn(u32) -> u32; 3] = [|n| 2 * n, |n| 2 * (BYTES - n), |n| BYTES - n];
    for (index, place) in patterns.into_iter().enumerate() {
        let mut host = Host::listening();
        let (mut peer, id) = Peer::establish(peer_v4(5000), &mut host, &full_offer(1));
        for n in 1..BYTES {
            let answers = host.hears(&peer.forge().seq(peer.seq.wrapping_add(place(n))).payload(b"x"));
            assert!(answers.len() <= 1, "pattern {index}");
        }
        assert!(host.stack.memory_charged() <= CHARGED_MAX, "{index}: {} bytes", host.stack.memory_charged());
        // Progress is never refused: everything comes once more in order, and all is read.
        let mut read = 0;
        for _ in 0..50 {
            host.hears(&peer.forge().payload(&[b'x'; 1000]));
            peer.seq = peer.seq.wrapping_add(1000);
            while let Ok(Some(bytes)) = host.stack.conn(id).unwrap().receive(host.now) {
                assert!(bytes.iter().all(|&byte| byte == b'x'));
                read += bytes.len();
            }
        }
        assert_eq!((read, host.stack.memory_charged()), (50_000, 0), "pattern {index}");
    }
}

#[test]
fn attack_a47_one_byte_beyond_the_window_is_too_much() {
    let mut host = Host::listening();
    let (peer, id) = Peer::establish(peer_v4(5000), &mut host, &[]);
    let offered = peer.offered as usize;
    host.hears(&peer.forge().payload(&vec![7; offered + 1]));
    assert_eq!(host.stack.conn(id).unwrap().readable(), offered);
}

#[test]
fn attack_a47_bytes_beyond_the_window_are_dropped_and_a_reader_that_never_reads_costs_one_window() {
    let mut host = Host::listening();
    let (mut peer, id) = Peer::establish(peer_v4(5000), &mut host, &[]);
    let offered = peer.offered as usize;
    // 64 KiB beyond whatever is offered, again and again, in order and from the edge on.
    let flood = vec![7; 60_000];
    for _ in 0..100 {
        host.hears(&peer.forge().payload(&flood));
        host.hears(&peer.forge().seq(peer.seq.wrapping_add(60_000)).payload(&flood));
        peer.seq = peer.seq.wrapping_add(1);
    }
    let readable = host.stack.conn(id).unwrap().readable();
    assert!(readable <= offered.max(65_536), "{readable} of {offered}");
    assert!(host.stack.memory_charged() <= 2 * readable, "{} bytes", host.stack.memory_charged());
}

#[test]
fn attack_a47_all_connections_together_stay_within_the_budget() {
    const BUDGET: usize = 1 << 20;
    let mut config = config(Sysctl::LINUX);
    config.memory_bytes = BUDGET;
    let mut host = Host::new(config);
    host.listeners.push(host.stack.listen(local_v4(), 4096, Options::new()).unwrap());
    let mut peers: Vec<_> = (1024..1124).map(|port| Peer::establish(peer_v4(port), &mut host, &[])).collect();
    let (victim, id) = &mut peers[0];
    victim.hears_data(&mut host, *id, 1000);
    for (peer, _) in &mut peers[1..] {
        for _ in 0..60 {
            host.hears(&peer.forge().payload(&[7; 1000]));
            peer.seq = peer.seq.wrapping_add(1000);
            // One segment may start below the budget and end above it.
            assert!(host.stack.memory_charged() <= BUDGET + 2048, "{} bytes", host.stack.memory_charged());
        }
    }
    assert!(host.stack.memory_charged() >= BUDGET, "the budget was never spent");
    assert!(host.stack.stats().rcv_q_drop > 0);
    // The spent budget stops text. It stops neither an ACK on it, which frees memory, nor a reset.
    let (victim, id) = &peers[0];
    host.hears(&victim.forge().payload(b"text").flags(ACK | FIN));
    let conn = host.stack.conn(*id).unwrap();
    assert_eq!((conn.send_queue(), conn.readable()), (0, 0));
    let (victim, id) = &peers[1];
    let before = host.stack.conn(*id).unwrap().readable() as u32;
    let exact = victim.seq.wrapping_sub(60_000).wrapping_add(before);
    host.hears(&victim.forge().flags(RST).seq(exact).payload(b"text"));
    assert!(host.stack.conn(*id).unwrap().death().is_some());
    // A writer who finds no memory is told when another connection's end frees some.
    let writer = peers[0].1;
    let (mut last, hoarder) = peers.pop().unwrap();
    for _ in 0..60 {
        let before = host.stack.memory_charged();
        host.hears(&last.forge().payload(&[7; 1000]));
        last.seq = last.seq.wrapping_add(if host.stack.memory_charged() > before { 1000 } else { 0 });
    }
    while host.stack.poll_event().is_some() {}
    let refused = host.stack.conn(writer).unwrap().send(host.now, bytes::Bytes::from_static(b"text"));
    assert_eq!(refused.unwrap().len(), 4);
    assert_eq!(host.stack.poll_event(), None);
    host.stack.conn(hoarder).unwrap().abort(host.now);
    let told = core::iter::from_fn(|| host.stack.poll_event()).any(|event| event == (writer, Event::Writable));
    assert!(told, "the writer sleeps for ever");
    for (_, id) in peers {
        host.stack.conn(id).unwrap().abort(host.now);
    }
    host.drain();
    host.assert_empty();
}
