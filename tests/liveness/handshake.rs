//! Nobody answers the SYN, or the SYN-ACK (RFC 9293 3.8.3; Linux `tcp_syn_retries`, `tcp_synack_retries`).

use super::timeline::{Line, each, then};
use crate::common::peer::{PEER_PORT, PORT};
use crate::common::{Peer, ms, secs};
use longhaul::config::Sysctl;
use longhaul::liveness::handshake::defer_accept_retransmits;
use longhaul::options::Options;
use longhaul::wire::IcmpKind;

const SYN: &str = "S 0:0";
const SYN_ACK: &str = "S. 0:0";

fn connect(configure: impl FnOnce(&mut Sysctl), options: Options) -> Line {
    let mut peer = Peer::with(|config| configure(&mut config.sysctl));
    peer.connect(options);
    Line::new(peer)
}

/// `tcp_syn_retries`, `tcp_syn_linear_timeouts`: SYNs (s), death (s).
const SYNS: &[(u8, u8, &[u64], u64)] = &[
    (1, 0, &[0, 1], 3),
    (2, 0, &[0, 1, 3], 7),
    (3, 0, &[0, 1, 3, 7], 15),
    (4, 0, &[0, 1, 3, 7, 15], 31),
    (5, 0, &[0, 1, 3, 7, 15, 31], 63),
    (6, 0, &[0, 1, 3, 7, 15, 31, 63], 127),
    (7, 0, &[0, 1, 3, 7, 15, 31, 63, 127], 247),
    (1, 1, &[0, 1, 2], 4),
    (2, 1, &[0, 1, 2, 4], 8),
    (3, 1, &[0, 1, 2, 4, 8], 16),
    (4, 1, &[0, 1, 2, 4, 8, 16], 32),
    (5, 1, &[0, 1, 2, 4, 8, 16, 32], 64),
    (6, 1, &[0, 1, 2, 4, 8, 16, 32, 64], 128),
    (7, 1, &[0, 1, 2, 4, 8, 16, 32, 64, 128], 248),
    (1, 4, &[0, 1, 2], 3),
    (2, 4, &[0, 1, 2, 3, 4, 5], 7),
    (3, 4, &[0, 1, 2, 3, 4, 5, 7, 11], 19),
    (4, 4, &[0, 1, 2, 3, 4, 5, 7, 11, 19], 35),
    (5, 4, &[0, 1, 2, 3, 4, 5, 7, 11, 19, 35], 67),
    (6, 4, &[0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67], 131),
    (7, 4, &[0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67, 131], 251),
];

#[test]
fn a_silent_peer_gets_these_syns() {
    for &(retries, linear, syns, dead) in SYNS {
        let syns: Vec<u64> = syns.iter().map(|secs| secs * 1000).collect();
        let expected = then(each(&syns, SYN), format!("{} dead: Handshake ETIMEDOUT", dead * 1000));
        let configure =
            |sysctl: &mut Sysctl| (sysctl.tcp_syn_retries, sysctl.tcp_syn_linear_timeouts) = (retries, linear);
        assert_eq!(connect(configure, Options::new()).until_end(), expected, "{retries} and {linear}");
        let option = Options::new().with_tcp_syncnt(retries.into()).unwrap();
        let mut t = connect(|sysctl| sysctl.tcp_syn_linear_timeouts = linear, option);
        assert_eq!(t.until_end(), expected, "TCP_SYNCNT {retries} and {linear}");
    }
    let mut t = connect(|_| (), Options::new());
    assert_eq!(t.until_end().last().unwrap(), "131000 dead: Handshake ETIMEDOUT", "by default");
}

#[test]
fn rto_max_bounds_the_doubling() {
    let configure = |sysctl: &mut Sysctl| {
        (sysctl.tcp_syn_retries, sysctl.tcp_syn_linear_timeouts, sysctl.tcp_rto_max_ms) = (3, 0, 1000);
    };
    let expected = then(each(&[0, 1000, 2000, 3000], SYN), "4000 dead: Handshake ETIMEDOUT");
    assert_eq!(connect(configure, Options::new()).until_end(), expected);
    // 127 retries of 120 s: 1 + 2 + 4 ... 64, then 120.
    let configure = |sysctl: &mut Sysctl| {
        (sysctl.tcp_syn_retries, sysctl.tcp_syn_linear_timeouts) = (127, 0);
    };
    let lines = connect(configure, Options::new()).until_end();
    assert_eq!((lines.len(), lines[128].as_str()), (129, "14647000 dead: Handshake ETIMEDOUT"));
}

#[test]
fn an_icmp_error_ends_the_attempt_at_once() {
    for (kind, errno) in [
        (IcmpKind::V4Unreachable(0), "ENETUNREACH"),
        (IcmpKind::V4Unreachable(1), "EHOSTUNREACH"),
        (IcmpKind::V4Unreachable(3), "ECONNREFUSED"),
        (IcmpKind::TimeExceeded, "EHOSTUNREACH"),
    ] {
        let mut t = connect(|_| (), Options::new());
        assert_eq!(t.until(1500), each(&[0, 1000], SYN));
        t.inject_icmp(kind, 0);
        assert_eq!(t.until_end(), [format!("1500 dead: {errno}")], "{kind:?}");
    }
}

#[test]
fn a_wrong_answer_to_the_first_syn_hurries_the_second() {
    let mut t = connect(|sysctl| sysctl.tcp_syn_retries = 1, Options::new());
    assert_eq!(t.until(100), each(&[0], SYN));
    t.inject(". 1:1(0) ack 5");
    t.expect("R 5:5(0)");
    assert_eq!(t.until(500), each(&[102], SYN));
    // Only to the first.
    t.inject(". 1:1(0) ack 5");
    t.expect("R 5:5(0)");
    assert_eq!(t.until_end(), then(each(&[1102, 2102], SYN), "3102 dead: Handshake ETIMEDOUT"));
}

#[test]
fn closed_while_connecting_it_is_gone_without_a_word() {
    let mut t = connect(|_| (), Options::new());
    assert_eq!(t.until(1500), each(&[0, 1000], SYN));
    t.close();
    assert_eq!(t.until_end(), ["1500 gone"]);
}

/// A listener that has just been sent a SYN.
fn half_open(configure: impl FnOnce(&mut Sysctl), options: Options) -> Line {
    let mut t = Line::with(configure);
    t.listen(1, options);
    t.inject("S 0:0(0) win 64000 <mss 1460,nop,wscale 7>");
    t
}

#[test]
fn a_silent_client_gets_these_syn_acks_and_is_forgotten_silently() {
    let rows: [(u8, &[u64], u64); 5] = [
        (0, &[0], 1),
        (1, &[0, 1], 3),
        (2, &[0, 1, 3], 7),
        (5, &[0, 1, 3, 7, 15, 31], 63),
        (8, &[0, 1, 3, 7, 15, 31, 63, 127, 247], 367),
    ];
    for (retries, sent, gone) in rows {
        let sent: Vec<u64> = sent.iter().map(|secs| secs * 1000).collect();
        let expected = then(each(&sent, SYN_ACK), format!("{} gone", gone * 1000));
        let mut t = half_open(|sysctl| sysctl.tcp_synack_retries = retries, Options::new());
        assert_eq!(t.until_end(), expected, "{retries}");
        if retries > 0 {
            let option = Options::new().with_tcp_syncnt(retries.into()).unwrap();
            assert_eq!(half_open(|_| (), option).until_end(), expected, "TCP_SYNCNT {retries}");
        }
        // rto_max does not bound these.
        let configure = |sysctl: &mut Sysctl| (sysctl.tcp_synack_retries, sysctl.tcp_rto_max_ms) = (retries, 1000);
        assert_eq!(half_open(configure, Options::new()).until_end(), expected, "{retries}, rto_max");
    }
    assert_eq!(half_open(|_| (), Options::new()).until_end().last().unwrap(), "63000 gone", "by default");
}

#[test]
fn an_answer_to_any_of_them_completes_the_handshake() {
    let mut t = half_open(|_| (), Options::new());
    t.until(62_999);
    t.inject(". 1:1(0) ack 1");
    t.accept();
    assert_eq!(t.until(10_000_000), Vec::<String>::new());
}

#[test]
fn a_repeated_syn_is_answered_and_restarts_the_timer() {
    let mut t = half_open(|sysctl| sysctl.tcp_synack_retries = 1, Options::new());
    assert_eq!(t.until(600), each(&[0], SYN_ACK));
    t.inject("S 0:0(0) win 64000 <mss 1460,nop,wscale 7>");
    assert_eq!(t.until_end(), then(each(&[600, 1600], SYN_ACK), "3600 gone"));
}

#[test]
fn a_deferred_accept_swallows_the_bare_ack_and_asks_again_in_the_last_period() {
    let options = Options::new().with_defer_accept_periods(defer_accept_retransmits(3));
    let mut t = half_open(|_| (), options);
    assert_eq!(t.until(10), each(&[0], SYN_ACK));
    t.inject(". 1:1(0) ack 1");
    assert_eq!(t.until(3010), each(&[3000], SYN_ACK), "nothing at one second");
    assert!(!t.try_accept());
    t.inject(". 1:1(0) ack 1");
    t.accept();

    // Data is what it waits for.
    let mut t = half_open(|_| (), options);
    assert_eq!(t.until(10), each(&[0], SYN_ACK));
    t.inject(". 1:1(0) ack 1");
    assert!(!t.try_accept());
    t.advance(ms(500));
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.accept();
    assert_eq!(t.read(100), Ok(10));

    // A client that never says more.
    let mut t = half_open(|_| (), options);
    t.until(10);
    t.inject(". 1:1(0) ack 1");
    assert_eq!(t.until_end(), then(each(&[3000, 7000, 15_000, 31_000], SYN_ACK), "63000 gone"));
}

#[test]
fn crossed_syns_are_a_handshake_too() {
    let mut t = connect(|sysctl| sysctl.tcp_syn_retries = 2, Options::new());
    assert_eq!(t.until(500), each(&[0], SYN));
    t.inject("S 0:0(0) win 64000 <mss 1460,nop,wscale 7>");
    assert_eq!(t.until(501), each(&[500], SYN_ACK));
    t.inject(". 1:1(0) ack 1");
    t.advance(secs(1000));
    t.expect_nothing();
}

/// So many silent clients of a listener, and some more 3.5 s later: half-open ones left after 8 s, and in all SYN-ACKs.
fn crowd(backlog: u16, clients: u16, late: u16) -> (usize, usize) {
    let mut t = Peer::new();
    t.listen(backlog, Options::new());
    for client in 0..clients + late {
        if client == clients {
            t.advance(ms(3500));
            while t.next_left().is_some() {}
        }
        t.talk(PEER_PORT + client, PORT);
        t.inject("S 0:0(0) win 64000 <mss 1460>");
        while t.next_left().is_some() {}
    }
    t.advance_to(secs(8));
    let left = t.stack.half_open_len();
    t.advance(secs(70));
    while t.next_left().is_some() {}
    assert_eq!(t.stack.half_open_len(), 0);
    let stats = t.stack.stats();
    (left, usize::from(clients + late) + stats.retrans_segs as usize)
}

#[test]
fn a_queue_more_than_half_full_gives_up_its_old_ones_after_three_syn_acks() {
    // As measured on Linux 6.18: a client gets six SYN-ACKs, or three, until half the backlog is free.
    assert_eq!(crowd(8, 3, 0), (3, 3 * 6));
    assert_eq!(crowd(8, 6, 0), (4, 2 * 3 + 4 * 6));
    assert_eq!(crowd(16, 16, 0), (8, 8 * 3 + 8 * 6));
    assert_eq!(crowd(16, 12, 4), (8, 8 * 3 + 8 * 6));
    assert_eq!(crowd(1, 2, 0), (2, 2 * 6), "a backlog below eight counts as eight");
}
