//! What a connection says was wrong when it ended: a dialogue for each diagnosis, and for what nearly was another.
#![cfg(feature = "alloc")]

mod common;

use common::{Peer, ms, secs};
use longhaul::error::{Cause, Errno, Error};
use longhaul::options::{Options, TcpKeepalive};
use longhaul::tcp::{Diagnosis, State};
use longhaul::wire::IcmpKind;

fn keepalive(options: Options) -> Options {
    let keepalive = TcpKeepalive::new().with_time(secs(1)).with_interval(secs(1)).with_retries(2);
    options.with_keepalive(true).with_tcp_keepalive(&keepalive).unwrap()
}

fn user_timeout(limit: u64) -> Options {
    Options::new().with_tcp_user_timeout(Some(secs(limit))).unwrap()
}

/// Gives up 1.4 s after the first retransmission, hence at the third expiry or the fourth.
fn impatient() -> Peer {
    Peer::with(|config| config.sysctl.tcp_retries2 = 2)
}

/// 100 bytes are in flight, and have been resent once, now.
fn resent_once() -> Peer {
    let mut t = impatient();
    t.open(Options::new());
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.expect_at(ms(201), "P. 1:101(100) ack 1");
    t
}

fn run_out(t: &mut Peer) {
    t.advance(secs(300));
    while t.next_left().is_some() {}
    assert_eq!(t.state(), State::Closed);
}

#[track_caller]
fn assert_diagnosis(t: &mut Peer, diagnosis: Diagnosis) {
    assert_eq!(t.state(), State::Closed);
    assert_eq!(t.act(|conn, _| conn.diagnosis()), Some(diagnosis));
}

#[track_caller]
fn assert_dies(mut t: Peer, cause: Cause, diagnosis: Diagnosis) {
    assert_eq!(t.act(|conn, _| conn.diagnosis()), None, "it lives");
    run_out(&mut t);
    assert_eq!(t.death().and_then(Error::cause), Some(cause));
    assert_diagnosis(&mut t, diagnosis);
}

#[test]
fn nothing_comes_back_a_silent_peer() {
    assert_dies(resent_once(), Cause::Retransmission, Diagnosis::Silent);
    let mut t = Peer::new();
    t.open(keepalive(Options::new()));
    assert_dies(t, Cause::Keepalive, Diagnosis::Silent);
    let mut t = impatient();
    t.connect(Options::new());
    t.expect("S 0:0(0) <...>");
    assert_dies(t, Cause::Handshake, Diagnosis::Silent);
}

#[test]
fn heard_just_before_the_first_resend_is_silent_all_the_same() {
    let mut t = impatient();
    t.open(Options::new());
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.advance_to(ms(200));
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 101:101(0) ack 11");
    assert_dies(t, Cause::Retransmission, Diagnosis::Silent);
}

#[test]
fn heard_after_the_first_resend_and_never_acknowledged_is_one_way() {
    let mut t = resent_once();
    t.advance(ms(1));
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 101:101(0) ack 11");
    assert_dies(t, Cause::Retransmission, Diagnosis::OneWay);
    // Its FIN will do as well.
    let mut t = resent_once();
    t.inject("F. 1:1(0) ack 1");
    t.expect_after(ms(1), ". 101:101(0) ack 2");
    assert_dies(t, Cause::Retransmission, Diagnosis::OneWay);
}

#[test]
fn a_peer_that_repeats_what_we_acknowledged_is_heard_though_it_answers_nothing() {
    // None of our ACKs arrives there either, so it sends its data again, which is no life by Linux's rules.
    let mut t = impatient();
    t.open(Options::new());
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.inject("P. 11:21(10) ack 1");
    t.expect(". 1:1(0) ack 21");
    t.write(100);
    t.expect("P. 1:101(100) ack 21");
    t.expect_at(ms(201), "P. 1:101(100) ack 21");
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 101:101(0) ack 21");
    assert_dies(t, Cause::Retransmission, Diagnosis::OneWay);
}

#[test]
fn keepalive_probes_of_both_ends_that_cross_in_one_direction_only_are_one_way() {
    let mut t = Peer::new();
    t.open(keepalive(Options::new()));
    t.expect_at(secs(1), ". 0:0(0) ack 1");
    t.advance(ms(500));
    t.inject(". 0:0(0) ack 1");
    t.expect(". 1:1(0) ack 1");
    assert_dies(t, Cause::Keepalive, Diagnosis::OneWay);
    // The same half a second before our own first probe says nothing.
    let mut t = Peer::new();
    t.open(keepalive(Options::new()));
    t.advance_to(ms(500));
    t.inject(". 0:0(0) ack 1");
    t.expect(". 1:1(0) ack 1");
    assert_dies(t, Cause::Keepalive, Diagnosis::Silent);
}

#[test]
fn progress_between_the_resends_and_then_nothing_is_silence() {
    let mut t = impatient();
    t.open(Options::new());
    t.write(3000);
    for _ in 0..3 {
        t.next_left().unwrap();
    }
    t.expect_at(ms(201), ". 1:1461(1460) ack 1");
    t.advance(ms(10));
    t.inject(". 1:1(0) ack 1461");
    t.next_left().unwrap();
    assert_dies(t, Cause::Retransmission, Diagnosis::Silent);
}

#[test]
fn what_icmp_said_explains_the_silence_unless_an_ack_belied_it() {
    let mut t = resent_once();
    t.inject_icmp(IcmpKind::V4Unreachable(1), 1);
    while t.next_left().is_some() {}
    assert_dies(t, Cause::Retransmission, Diagnosis::Unreachable(Errno::EHOSTUNREACH));
    let mut t = resent_once();
    t.inject_icmp(IcmpKind::V4Unreachable(3), 1);
    t.advance(ms(10));
    t.inject(". 1:1(0) ack 1");
    assert_dies(t, Cause::Retransmission, Diagnosis::OneWay);
    let mut t = resent_once();
    t.inject_icmp(IcmpKind::V4Unreachable(3), 1);
    t.inject(". 1:1(0) ack 101");
    t.write(100);
    t.expect("P. 101:201(100) ack 1");
    assert_dies(t, Cause::Retransmission, Diagnosis::Silent);
}

#[test]
fn in_the_handshake_icmp_and_resets_decide_at_once() {
    let mut t = Peer::new();
    t.connect(Options::new());
    t.expect("S 0:0(0) <...>");
    t.inject_icmp(IcmpKind::V4Unreachable(0), 0);
    assert_diagnosis(&mut t, Diagnosis::Unreachable(Errno::ENETUNREACH));
    let mut t = Peer::new();
    t.connect(Options::new());
    t.expect("S 0:0(0) <...>");
    t.inject("R. 0:0(0) ack 1 win 0");
    assert_diagnosis(&mut t, Diagnosis::Refused);
}

#[test]
fn a_reset_tells_by_its_ack_whether_the_peer_knows_the_connection() {
    // RFC 9293 3.10.7.1: whoever knows nothing answers an ACK with a reset that carries none.
    let mut t = resent_once();
    t.inject("R 1:1(0) win 0");
    assert_diagnosis(&mut t, Diagnosis::Rebooted);
    let mut t = Peer::new();
    t.open(keepalive(Options::new()));
    t.expect_at(secs(1), ". 0:0(0) ack 1");
    t.inject("R 1:1(0) win 0");
    assert_diagnosis(&mut t, Diagnosis::Rebooted);
    // An application that aborts sends one that does.
    let mut t = resent_once();
    t.inject("R. 1:1(0) ack 1");
    assert_diagnosis(&mut t, Diagnosis::PeerAborted);
}

#[test]
fn a_reset_after_the_peers_fin_is_of_one_that_has_closed() {
    for reset in ["R 2:2(0) win 0", "R. 2:2(0) ack 1"] {
        let mut t = Peer::new();
        t.open(Options::new());
        t.inject("F. 1:1(0) ack 1");
        t.expect_at(ms(1), ". 1:1(0) ack 2");
        t.write(100);
        t.expect("P. 1:101(100) ack 2");
        t.inject(reset);
        assert_diagnosis(&mut t, Diagnosis::PeerClosed);
    }
}

/// The window is shut, 100 bytes wait, and the first probe has just left.
fn probing(options: Options) -> Peer {
    let mut t = Peer::with(|config| config.sysctl.tcp_retries2 = 3);
    t.open(options);
    t.inject(". 1:1(0) ack 1 win 0");
    t.write(100);
    t.expect_at(ms(201), ". 0:0(0) ack 1");
    t
}

#[test]
fn a_window_that_stays_shut_until_the_user_timeout_is_stalled_and_an_unanswered_one_silent() {
    // Probes at 201, 603, 1407 ms, and the timeout counts from the first.
    let mut t = probing(user_timeout(2));
    for at in [603, 1407] {
        t.advance(ms(10));
        t.inject(". 1:1(0) ack 1 win 0");
        let (probe, _) = t.next_within(secs(3)).unwrap();
        assert!(probe >= ms(at), "{probe:?}");
    }
    assert_dies(t, Cause::UserTimeout, Diagnosis::WindowStalled);
    assert_dies(probing(user_timeout(2)), Cause::UserTimeout, Diagnosis::Silent);
    assert_dies(probing(Options::new()), Cause::ZeroWindow, Diagnosis::Silent);
}

#[test]
fn one_answer_may_be_missing_but_not_two() {
    // Unanswered are the probe at 613 ms, and that at 1417 ms.
    let mut t = probing(user_timeout(1));
    t.advance(ms(10));
    t.inject(". 1:1(0) ack 1 win 0");
    assert_dies(t, Cause::UserTimeout, Diagnosis::WindowStalled);
    let mut t = probing(user_timeout(2));
    t.advance(ms(10));
    t.inject(". 1:1(0) ack 1 win 0");
    assert_dies(t, Cause::UserTimeout, Diagnosis::Silent);
}

#[test]
fn a_window_that_shuts_over_data_in_flight_can_stall_too() {
    let mut t = Peer::new();
    t.open(user_timeout(2));
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.inject(". 1:1(0) ack 1 win 0");
    t.expect_at(ms(201), "P. 1:101(100) ack 1");
    t.advance(ms(10));
    t.inject(". 1:1(0) ack 1 win 0");
    assert_dies(t, Cause::UserTimeout, Diagnosis::WindowStalled);
    let mut t = Peer::new();
    t.open(user_timeout(2));
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.inject(". 1:1(0) ack 1 win 0");
    t.expect_at(ms(201), "P. 1:101(100) ack 1");
    assert_dies(t, Cause::UserTimeout, Diagnosis::Silent);
}

#[test]
fn an_owner_of_a_shut_window_who_answered_once_and_fell_silent_is_silent() {
    // Over data in flight: twice tcp_rto_max_ms of silence.
    let mut t = Peer::with(|config| config.sysctl.tcp_rto_max_ms = 1000);
    t.open(Options::new());
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.inject(". 1:1(0) ack 1 win 0");
    t.expect_at(ms(201), "P. 1:101(100) ack 1");
    t.advance(ms(10));
    t.inject(". 1:1(0) ack 1 win 0");
    assert_dies(t, Cause::ZeroWindow, Diagnosis::Silent);
    // With probes: the only one that may be unanswered.
    let mut t = Peer::with(|config| config.sysctl.tcp_retries2 = 1);
    t.open(Options::new());
    t.inject(". 1:1(0) ack 1 win 0");
    t.write(100);
    t.expect_at(ms(201), ". 0:0(0) ack 1");
    t.advance(ms(10));
    t.inject(". 1:1(0) ack 1 win 0");
    assert_dies(t, Cause::ZeroWindow, Diagnosis::Silent);
}

#[test]
fn what_this_side_ended_is_no_ones_fault() {
    let mut t = Peer::new();
    t.connect(Options::new());
    t.expect("S 0:0(0) <...>");
    t.finish();
    assert_diagnosis(&mut t, Diagnosis::Aborted);
    // Data for one that reads and writes no more.
    let mut t = Peer::new();
    t.open(Options::new());
    t.act(|conn, _| conn.stop_receiving());
    t.finish();
    t.expect("F. 1:1(0) ack 1");
    t.inject("P. 1:11(10) ack 2");
    t.expect("R 2:2(0) win 0");
    assert_eq!(t.death(), Some(Error::Reset));
    assert_diagnosis(&mut t, Diagnosis::Aborted);
}

#[test]
fn a_clean_end_has_a_diagnosis_too() {
    let mut t = Peer::new();
    t.open(Options::new());
    t.inject("F. 1:1(0) ack 1");
    t.finish();
    t.expect("F. 1:1(0) ack 2");
    t.inject(". 2:2(0) ack 2");
    assert_eq!(t.death(), None);
    assert_diagnosis(&mut t, Diagnosis::Finished);
    // We first: TIME-WAIT takes its place.
    let mut t = Peer::new();
    t.open(Options::new());
    t.finish();
    t.expect("F. 1:1(0) ack 1");
    t.inject("F. 1:1(0) ack 2");
    t.expect(". 2:2(0) ack 2");
    assert_diagnosis(&mut t, Diagnosis::Finished);
}
