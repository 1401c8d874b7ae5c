//! Somebody connects to us, or tries to (RFC 9293 3.10.7.1, 3.10.7.2; Linux `tcp_conn_request`, `tcp_check_req`,
//! `reqsk_timer_handler`).
#![cfg(feature = "alloc")]

mod common;

use common::peer::{PEER_PORT, PORT};
use common::{Peer, ms, secs};
use longhaul::config::Sysctl;
use longhaul::error::Error;
use longhaul::liveness::handshake::{defer_accept_retransmits, defer_accept_secs};
use longhaul::options::{Options, TcpKeepalive};
use longhaul::stack::{Config, ConnectError};
use longhaul::tcp::{Event, State};
use longhaul::wire::IcmpKind;

const SYN: &str = "S 0:0(0) win 64000 <mss 1460,nop,wscale 7>";
const SYN_ACK: &str = "S. 0:0(0) ack 1 win 64240 <mss 1460,nop,wscale 10>";

/// A listener that has just answered a SYN.
fn half_open(configure: impl FnOnce(&mut Config), options: Options) -> Peer {
    let mut t = Peer::with(configure);
    t.listen(1, options);
    t.inject(SYN);
    t.expect(SYN_ACK);
    t
}

#[test]
fn a_passive_open_completes_with_the_third_segment() {
    // rfc9293_ev_10, rfc9293_ev_48
    let mut t = half_open(|_| (), Options::new());
    assert!(!t.try_accept());
    t.inject(". 1:1(0) ack 1");
    t.accept();
    assert_eq!((t.state(), t.events()), (State::Established, vec![Event::Connected]));
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    assert_eq!(t.read(100), Ok(10));
}

#[test]
fn a_syn_ack_answers_what_the_syn_offered() {
    for (syn, syn_ack) in [
        ("", "S. 0:0(0) ack 1 win 64240 <mss 1460>"),
        ("mss 1000", "S. 0:0(0) ack 1 win 64240 <mss 1460>"),
        ("nop,wscale 0", "S. 0:0(0) ack 1 win 64240 <mss 1460,nop,wscale 10>"),
        ("nop,nop,sackOK", "S. 0:0(0) ack 1 win 64240 <mss 1460,nop,nop,sackOK>"),
        ("nop,nop,TS val 7 ecr 0", "S. 0:0(0) ack 1 win 65160 <mss 1460,nop,nop,TS val 0 ecr 7>"),
        (
            "mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 7",
            "S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,TS val 0 ecr 7,nop,wscale 10>",
        ),
        // Another order, an unknown option in between (rfc9293_must_6, must_64), and the end of the list.
        (
            "nop,wscale 7,hex fd05112233,TS val 7 ecr 0,sackOK,mss 1460,eol,eol",
            "S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,TS val 0 ecr 7,nop,wscale 10>",
        ),
    ] {
        let mut t = Peer::new();
        t.listen(1, Options::new());
        t.inject(&format!("S 0:0(0) win 64000 <{syn}>"));
        t.expect(syn_ack);
    }
}

#[test]
fn rfc9293_must_7_a_bad_option_length_ends_the_options_and_not_the_segment() {
    for bad in ["hex fd00", "hex fd01", "hex fd28", "hex 02"] {
        let mut t = Peer::new();
        t.listen(1, Options::new());
        t.inject(&format!("S 0:0(0) win 64000 <nop,nop,sackOK,{bad}>"));
        t.expect("S. 0:0(0) ack 1 win 64240 <mss 1460,nop,nop,sackOK>");
    }
}

#[test]
fn settings_that_are_off_are_not_answered() {
    let mut t = Peer::with(|c| {
        (c.sysctl.tcp_timestamps, c.sysctl.tcp_sack, c.sysctl.tcp_window_scaling) = (0, 0, 0);
    });
    t.listen(1, Options::new());
    t.inject("S 0:0(0) win 64000 <mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 7>");
    t.expect("S. 0:0(0) ack 1 win 64240 <mss 1460>");
}

#[test]
fn a_listener_over_ipv6_says_its_mss() {
    let mut t = Peer::v6();
    t.listen(1, Options::new());
    t.inject(SYN);
    t.expect("S. 0:0(0) ack 1 win 64800 <mss 1440,nop,wscale 10>");
    t.inject(". 1:1(0) ack 1");
    t.accept();
    t.write(1440);
    t.expect("P. 1:1441(1440) ack 1");
}

#[test]
fn a_zero_window_in_a_syn_holds_data_back_until_the_handshake_opens_it() {
    // packetimpact 6
    let mut t = Peer::new();
    t.listen(1, Options::new());
    t.inject("S 0:0(0) win 0 <mss 1460>");
    t.expect("S. 0:0(0) ack 1 <...>");
    t.inject(". 1:1(0) ack 1 win 0");
    t.accept();
    t.write(10);
    t.expect_nothing_for(ms(100));
    t.inject(". 1:1(0) ack 1 win 500");
    t.expect("P. 1:11(10) ack 1");
}

#[test]
fn the_third_segment_may_carry_data_or_a_fin() {
    let mut t = half_open(|_| (), Options::new());
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.accept();
    assert_eq!(t.read(100), Ok(10));
    // rfc9293_ev_68
    let mut t = half_open(|_| (), Options::new());
    t.inject("FP. 1:11(10) ack 1");
    t.advance(ms(40));
    assert!(t.next_left().unwrap().starts_with(". 1:1(0) ack 12"));
    t.accept();
    assert_eq!((t.state(), t.read(100), t.read(100)), (State::CloseWait, Ok(10), Ok(0)));
}

#[test]
fn rfc9293_ev_11_data_on_a_syn_is_not_acknowledged() {
    let mut t = Peer::new();
    t.listen(1, Options::new());
    t.inject("S 0:10(10) win 64000 <mss 1460>");
    t.expect("S. 0:0(0) ack 1 <...>");
}

#[test]
fn rfc9293_ev_49_a_wrong_ack_number_draws_a_reset_and_the_block_stays() {
    // packetimpact 1
    let mut t = half_open(|_| (), Options::new());
    t.inject(". 1:1(0) ack 0");
    t.expect("R 0:0(0) win 0");
    t.inject(". 1:1(0) ack 2");
    t.expect("R 2:2(0) win 0");
    t.inject(". 1:1(0) ack 1");
    t.accept();
}

#[test]
fn a_syn_ack_goes_again_after_1_2_4_seconds_and_is_dropped_silently() {
    let mut t = half_open(|_| (), Options::new());
    for at in [1, 3, 7, 15, 31] {
        t.expect_at(secs(at), SYN_ACK);
    }
    t.advance_almost_to(secs(63));
    assert_eq!(t.stack.half_open_len(), 1);
    t.advance_to(secs(63));
    assert_eq!(t.stack.half_open_len(), 0);
    t.inject(". 1:1(0) ack 1");
    t.expect("R 1:1(0) win 0");
}

#[test]
fn tcp_synack_retries_and_the_listeners_tcp_syncnt_bound_the_syn_acks() {
    let syncnt = Options::new().with_tcp_syncnt(1).unwrap();
    for (retries, options, again, gone) in
        [(2, Options::new(), &[1, 3][..], 7), (0, Options::new(), &[], 1), (5, syncnt, &[1], 3)]
    {
        let mut t = half_open(|c| c.sysctl.tcp_synack_retries = retries, options);
        for &at in again {
            t.expect_at(secs(at), SYN_ACK);
        }
        t.advance_almost_to(secs(gone));
        assert_eq!(t.stack.half_open_len(), 1);
        t.advance_to(secs(gone));
        assert_eq!(t.stack.half_open_len(), 0);
    }
}

#[test]
fn tcp_rto_max_does_not_bound_the_syn_ack_timer() {
    let mut t = half_open(|c| (c.sysctl.tcp_synack_retries, c.sysctl.tcp_rto_max_ms) = (2, 1000), Options::new());
    t.expect_at(secs(1), SYN_ACK);
    t.expect_at(secs(3), SYN_ACK);
    t.advance(ms(100));
    t.inject(". 1:1(0) ack 1");
    t.accept();
}

#[test]
fn a_late_final_ack_completes() {
    let mut t = half_open(|c| c.sysctl.tcp_synack_retries = 1, Options::new());
    t.expect_at(secs(1), SYN_ACK);
    t.advance(ms(1900));
    t.inject(". 1:1(0) ack 1");
    t.accept();
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
}

#[test]
fn rfc9293_ev_13_a_repeated_syn_is_answered_at_once_and_restarts_the_timer() {
    let mut t = half_open(|_| (), Options::new());
    t.advance(ms(600));
    t.inject(SYN);
    t.expect(SYN_ACK);
    // Not more than one per half second.
    t.advance(ms(499));
    t.inject(SYN);
    t.expect_at(ms(1600), SYN_ACK);
    t.advance(ms(1));
    t.inject(SYN);
    t.expect(SYN_ACK);
}

#[test]
fn rfc9293_ev_39_a_reset_with_the_exact_number_removes_the_block() {
    // packetimpact 7
    let mut t = half_open(|_| (), Options::new());
    t.advance(ms(50));
    t.inject("R 1:1(0) win 0");
    t.expect_nothing_for(ms(1300));
    t.inject(". 1:1(0) ack 1");
    t.expect("R 1:1(0) win 0");
    assert_eq!(t.events(), []);
}

#[test]
fn a_reset_in_the_window_draws_a_challenge_and_removes_nothing() {
    let mut t = half_open(|_| (), Options::new());
    t.advance(ms(50));
    t.inject("R 11:11(0) win 0");
    t.expect(". 1:1(0) ack 1");
    t.advance(ms(50));
    t.inject(". 1:1(0) ack 1");
    t.accept();
}

#[test]
fn icmp_that_says_no_way_there_removes_the_block() {
    for (kind, left) in [
        (IcmpKind::V4Unreachable(0), 0),
        (IcmpKind::V4Unreachable(1), 0),
        (IcmpKind::TimeExceeded, 0),
        (IcmpKind::ParameterProblem, 0),
        (IcmpKind::V4Unreachable(3), 1),
        (IcmpKind::SourceQuench, 1),
    ] {
        let mut t = half_open(|_| (), Options::new());
        t.inject_icmp(kind, 7);
        assert_eq!(t.stack.half_open_len(), 1, "the number is not the SYN-ACK's");
        t.inject_icmp(kind, 0);
        assert_eq!(t.stack.half_open_len(), left, "{kind:?}");
    }
}

#[test]
fn over_ipv6_icmp_about_the_way_removes_no_block_and_the_rest_does() {
    // Linux: what icmpv6_err_convert calls fatal. Seen in a running kernel (tests/kernel).
    for (kind, left) in [
        (IcmpKind::V6Unreachable(0), 1),
        (IcmpKind::V6Unreachable(1), 0),
        (IcmpKind::V6Unreachable(2), 1),
        (IcmpKind::V6Unreachable(3), 1),
        (IcmpKind::V6Unreachable(4), 0),
        (IcmpKind::V6Unreachable(5), 0),
        (IcmpKind::V6Unreachable(7), 0),
        (IcmpKind::TimeExceeded, 1),
        (IcmpKind::ParameterProblem, 0),
    ] {
        let mut t = Peer::v6();
        t.listen(1, Options::new());
        t.inject(SYN);
        t.expect("S. 0:0(0) ack 1 <...>");
        t.inject_icmp(kind, 0);
        assert_eq!(t.stack.half_open_len(), left, "{kind:?}");
    }
}

/// Peers on three ports have each sent a SYN to a listener of backlog 1, and had it answered.
fn three_half_open(configure: impl FnOnce(&mut Config)) -> Peer {
    let mut t = Peer::with(configure);
    t.listen(1, Options::new());
    for port in [40_001, 40_002, 40_003] {
        t.talk(port, PORT);
        t.inject(SYN);
        t.expect(SYN_ACK);
        if port == 40_001 {
            t.inject(". 1:1(0) ack 1");
        }
    }
    t.talk(40_002, PORT);
    t.inject(". 1:1(0) ack 1");
    t.talk(40_003, PORT);
    t
}

#[test]
fn a_full_accept_queue_drops_the_final_ack_and_the_syn_ack_goes_again() {
    // packetimpact 11 to 14
    let mut t = three_half_open(|_| ());
    t.inject(". 1:1(0) ack 1");
    t.talk(40_004, PORT);
    t.inject(SYN);
    t.expect_nothing();
    t.talk(40_003, PORT);
    t.expect_at(secs(1), SYN_ACK);
    t.accept();
    t.inject(". 1:1(0) ack 1");
    t.accept();
    t.accept();
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    assert_eq!(t.read(10), Ok(10));
    assert!(!t.try_accept());
}

#[test]
fn tcp_abort_on_overflow_resets_instead() {
    let mut t = three_half_open(|c| c.sysctl.tcp_abort_on_overflow = 1);
    t.inject(". 1:1(0) ack 1");
    t.expect("R 1:1(0) win 0");
    t.expect_nothing_for(secs(70));
}

#[test]
fn tcp_defer_accept_waits_for_data() {
    let periods = defer_accept_retransmits(3);
    let mut t = half_open(|_| (), Options::new().with_defer_accept_periods(periods));
    t.advance(ms(10));
    t.inject(". 1:1(0) ack 1");
    t.advance(ms(100));
    assert!(!t.try_accept());
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.accept();
    assert_eq!(t.read(100), Ok(10));
}

#[test]
fn tcp_defer_accept_gives_in_after_one_last_syn_ack() {
    let periods = defer_accept_retransmits(3);
    let mut t = half_open(|_| (), Options::new().with_defer_accept_periods(periods));
    t.advance(ms(10));
    t.inject(". 1:1(0) ack 1");
    t.expect_at(secs(3), SYN_ACK);
    t.advance(ms(10));
    t.inject(". 1:1(0) ack 1");
    t.accept();
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
}

#[test]
fn tcp_defer_accept_is_rounded_to_periods_of_the_timer() {
    for (set, read) in [(0, 0), (1, 1), (3, 3), (4, 7), (10, 15), (1000, 1087)] {
        assert_eq!(defer_accept_secs(defer_accept_retransmits(set)), read, "{set}");
    }
}

#[test]
fn accepted_connections_inherit_the_listeners_options() {
    let keepalive = TcpKeepalive::new().with_time(secs(11)).with_interval(secs(12)).with_retries(13);
    let options = Options::new().with_keepalive(true).with_tcp_keepalive(&keepalive).unwrap();
    let options = options.with_tcp_user_timeout(Some(secs(14))).unwrap().with_tcp_linger2(15);
    let mut t = Peer::new();
    t.open(options);
    // The bounds of the RTO were fixed when the listener was made.
    let made = options.with_rto_bounds_of(&Sysctl::LINUX);
    assert_eq!(t.act(|conn, _| conn.options()), made);
}

#[test]
fn rfc9293_ev_01_to_05_a_closed_port_answers_by_the_rules_of_reset() {
    for (segment, answer) in [
        ("S 5:5(0) win 64000 <mss 1460>", "R. 0:0(0) ack 6 win 0"),
        ("F 5:9(4)", "R. 0:0(0) ack 10 win 0"),
        ("- 5:5(0)", "R. 0:0(0) ack 5 win 0"),
        (". 1:1(0) ack 7", "R 7:7(0) win 0"),
        ("S. 1:1(0) ack 7", "R 7:7(0) win 0"),
        ("FP. 1:11(10) ack 7", "R 7:7(0) win 0"),
    ] {
        let mut t = Peer::new();
        t.inject(segment);
        t.expect(answer);
    }
    let mut t = Peer::new();
    t.inject("R 1:1(0) win 0");
    t.inject("R. 1:1(0) ack 7 win 0");
}

#[test]
fn rfc9293_ev_06_to_09_a_listener_ignores_resets_and_noise_and_resets_acks() {
    let mut t = Peer::new();
    t.listen(1, Options::new());
    for ignored in
        ["R 1:1(0) win 0", "R. 1:1(0) ack 7 win 0", "SR 1:1(0) win 0", "F 5:5(0)", "- 5:5(0)", "P 5:8(3)", "FS 5:5(0)"]
    {
        t.inject(ignored);
    }
    for acking in [". 1:1(0) ack 7", "S. 1:1(0) ack 7", "F. 1:1(0) ack 7"] {
        t.inject(acking);
        t.expect("R 7:7(0) win 0");
    }
    assert_eq!(t.stack.half_open_len(), 0);
}

#[test]
fn closing_a_listener_resets_what_nobody_accepted() {
    // packetimpact 10
    let mut t = half_open(|_| (), Options::new());
    t.inject(". 1:1(0) ack 1");
    let (listener, now) = (t.listener.unwrap(), t.now());
    t.stack.close_listener(now, listener);
    t.advance(ms(0));
    t.expect("R. 1:1(0) ack 1");
    t.forget_isn();
    t.inject(SYN);
    t.expect("R. 0:0(0) ack 1 win 0");
}

#[test]
fn rfc9293_ev_14_an_old_duplicate_syn_does_no_harm() {
    // The puzzled peer answers our SYN-ACK by a reset, and connects in earnest.
    let mut t = Peer::new();
    t.listen(1, Options::new());
    t.inject("S 5000:5000(0) win 64000 <mss 1460>");
    t.expect("S. 0:0(0) ack 5001 <...>");
    t.inject("R 5001:5001(0) win 0");
    t.forget_isn();
    t.inject(SYN);
    t.expect(SYN_ACK);
    t.inject(". 1:1(0) ack 1");
    t.accept();
}

#[test]
fn rfc9293_must_46_ev_73_74_a_connect_to_nowhere_or_twice_is_refused_at_once() {
    let mut t = Peer::new();
    let now = t.now();
    for bad in ["255.255.255.255:80", "224.0.0.1:80", "0.0.0.0:80", "198.51.100.7:0"] {
        let result = t.stack.connect(now, None, bad.parse().unwrap(), Options::new());
        assert_eq!(result, Err(ConnectError::BadRemote), "{bad}");
    }
    t.connect(Options::new());
    t.expect("S 0:0(0) <...>");
    let (local, remote) = ("192.0.2.1:40000".parse().unwrap(), "198.51.100.7:8080".parse().unwrap());
    assert_eq!(t.stack.connect(now, Some(local), remote, Options::new()), Err(ConnectError::InUse));
    let v6 = "[2001:db8::1]:80".parse().unwrap();
    assert_eq!(t.stack.connect(now, None, v6, Options::new()), Err(ConnectError::AddressFamily));
}

#[test]
fn limits_and_ports_of_the_sysctls_are_read_at_each_use() {
    let mut t = Peer::new();
    t.listen(9, Options::new());
    t.stack.sysctl_mut().tcp_max_syn_backlog = 1;
    t.stack.sysctl_mut().tcp_syncookies = 0;
    for client in 0..3 {
        t.talk(PEER_PORT + client, PORT);
        t.inject("S 0:0(0) win 64000 <mss 1460>");
        while t.next_left().is_some() {}
    }
    assert_eq!((t.stack.half_open_len(), t.stack.stats().req_q_full_drop), (1, 2));
    t.stack.sysctl_mut().ip_local_port_range = [7, 0];
    let (now, remote) = (t.now(), "198.51.100.7:80".parse().unwrap());
    let id = t.stack.connect(now, None, remote, Options::new()).unwrap();
    assert_eq!(t.stack.conn(id).unwrap().flow().local.port(), 7, "at least one port");
    assert_eq!(t.stack.connect(now, None, remote, Options::new()), Err(ConnectError::PortsExhausted));
}

#[test]
fn a_reset_after_the_handshake_waits_in_the_accept_queue_for_its_reader() {
    let mut t = half_open(|_| (), Options::new());
    t.inject(". 1:1(0) ack 1");
    t.inject("R 1:1(0) win 0");
    t.accept();
    assert_eq!((t.read(1), t.read(1)), (Err(Error::Reset), Ok(0)));
}
