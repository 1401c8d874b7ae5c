//! Which segments are acceptable, in the order of the checks (RFC 9293 3.10.7.4, RFC 5961, RFC 7323 5; Linux
//! `tcp_validate_incoming`, `tcp_ack`). The peer's numbers cross the wrap in every dialogue (`rfc9293_ev_34`).
#![cfg(feature = "alloc")]

mod common;

use common::{Peer, ms, secs};
use longhaul::error::{Errno, Error};
use longhaul::options::Options;
use longhaul::tcp::State;

const WITH_TIMESTAMPS: &str = "mss 1460,sackOK,TS val 1000 ecr 0,nop,wscale 7";
/// One past the last number of the first window offered, 64240 bytes from 1.
const EDGE: u32 = 64_241;

fn open() -> Peer {
    let mut t = Peer::new();
    t.open(Options::new());
    t
}

fn open_with(syn_options: &str) -> Peer {
    let mut t = Peer::new();
    t.open_with(Options::new(), syn_options);
    t
}

/// The connection still lives and expects byte 1.
#[track_caller]
fn assert_unmoved(t: &mut Peer) {
    assert_eq!((t.state(), t.read(100)), (State::Established, Err(Error::WouldBlock)));
}

#[test]
fn paws_an_old_timestamp_draws_a_duplicate_ack_and_nothing_is_delivered() {
    // packetimpact 34
    let mut t = open_with(WITH_TIMESTAMPS);
    t.advance(ms(50));
    t.inject("P. 1:11(10) ack 1 <nop,nop,TS val 900 ecr 0>");
    t.expect(". 1:1(0) ack 1 <nop,nop,TS val 51 ecr 1001>");
    assert_unmoved(&mut t);
    t.inject("P. 1:11(10) ack 1 <nop,nop,TS val 1050 ecr 0>");
    t.expect(". 1:1(0) ack 11 <nop,nop,TS val 51 ecr 1050>");
}

#[test]
fn paws_tolerates_one_tick_and_a_segment_without_timestamps() {
    let mut t = open_with(WITH_TIMESTAMPS);
    t.inject(". 1:11(10) ack 1 <nop,nop,TS val 1000 ecr 0>");
    t.expect(". 1:1(0) ack 11 <nop,nop,TS val 1 ecr 1001>");
    t.inject(". 11:21(10) ack 1");
    t.expect(". 1:1(0) ack 21 <nop,nop,TS val 1 ecr 1001>");
}

#[test]
fn paws_drops_an_old_pure_ack_left_of_the_window_silently_and_answers_another() {
    let mut t = open_with(WITH_TIMESTAMPS);
    t.inject(". 0:0(0) ack 1 <nop,nop,TS val 900 ecr 0>");
    t.expect_nothing();
    t.inject(". 1:1(0) ack 1 <nop,nop,TS val 900 ecr 0>");
    t.expect(". 1:1(0) ack 1 <...>");
    t.inject(". 1:1(0) ack 1 <nop,nop,TS val 900 ecr 0>");
    t.expect_nothing();
}

#[test]
fn paws_lets_a_reset_pass_and_challenges_a_syn() {
    let mut t = open_with(WITH_TIMESTAMPS);
    t.inject("S 1:1(0) win 500 <nop,nop,TS val 900 ecr 0>");
    t.expect(". 1:1(0) ack 1 <...>");
    t.inject("R 1:1(0) win 0 <nop,nop,TS val 900 ecr 0>");
    assert_eq!(t.read(1), Err(Error::Reset));
}

#[test]
fn paws_forgets_after_2147_seconds() {
    let mut t = open_with(WITH_TIMESTAMPS);
    t.advance(secs(2146));
    t.inject(". 1:11(10) ack 1 <nop,nop,TS val 1 ecr 0>");
    t.expect(". 1:1(0) ack 1 <...>");
    t.advance(secs(1));
    t.inject(". 1:11(10) ack 1 <nop,nop,TS val 1 ecr 0>");
    t.expect(". 1:1(0) ack 11 <...>");
}

#[test]
fn only_a_segment_at_what_we_acknowledged_moves_the_remembered_timestamp() {
    let mut t = open_with(WITH_TIMESTAMPS);
    t.inject(". 11:21(10) ack 1 <nop,nop,TS val 2000 ecr 0>");
    t.expect(". 1:1(0) ack 1 <nop,nop,TS val 1 ecr 1001,nop,nop,sack 11:21>");
    t.inject(". 1:11(10) ack 1 <nop,nop,TS val 1500 ecr 0>");
    t.expect(". 1:1(0) ack 21 <nop,nop,TS val 1 ecr 1500>");
}

#[test]
fn rfc9293_ev_26_to_30_what_lies_outside_the_window_is_answered_once_and_not_taken() {
    // packetimpact 20: at the edge, one beyond, two beyond
    for (segment, answered) in [
        (format!(". {EDGE}:{EDGE}(0) ack 1"), false),
        (format!(". {}:{}(0) ack 1", EDGE + 1, EDGE + 1), true),
        (format!(". {}:{}(1) ack 1", EDGE + 1, EDGE + 2), true),
        (format!("F. {}:{}(0) ack 1", EDGE + 1, EDGE + 1), true),
        (format!("S {}:{}(0)", EDGE + 1, EDGE + 1), true),
        (format!("S. {}:{}(0) ack 1", EDGE + 2, EDGE + 2), true),
        (". -1000000:-999990(10) ack 1".into(), true),
        (". 0:0(0) ack 1".into(), true),
        (". 0:1(1) ack 1".into(), true),
    ] {
        let mut t = open();
        t.inject(&segment);
        if answered {
            t.expect(". 1:1(0) ack 1");
        }
        t.expect_nothing();
        assert_unmoved(&mut t);
    }
}

#[test]
fn rfc9293_ev_31_36_a_reset_outside_the_window_is_dropped_silently() {
    let mut t = open();
    for seq in [0, EDGE + 1, EDGE + 100_000, 1 << 31] {
        t.inject(&format!("R {seq}:{seq}(0) win 0"));
        t.expect_nothing();
    }
    assert_unmoved(&mut t);
}

#[test]
fn answers_to_empty_invalid_segments_share_one_limit_of_half_a_second() {
    let mut t = open();
    t.inject(". 0:0(0) ack 1");
    t.expect(". 1:1(0) ack 1");
    // None of these is answered within the limit: out of window, inexact reset, SYN, acknowledgment of the future.
    for limited in [". 0:0(0) ack 1", "R 11:11(0) win 0", "S 5000:5000(0)", ". 1:1(0) ack 1001", "P. 1:6(5) ack 1001"] {
        t.inject(limited);
        t.expect_nothing_for(ms(99));
    }
    // Old data is not limited.
    t.inject(". 0:1(1) ack 1 win 500");
    t.expect(". 1:1(0) ack 1");
    t.advance_to(ms(499));
    t.inject("R 11:11(0) win 0");
    t.expect_nothing();
    t.advance_to(ms(500));
    t.inject("R 11:11(0) win 0");
    t.expect(". 1:1(0) ack 1");
    // An exact reset works while the limit holds.
    t.inject("R 1:1(0) win 0");
    assert_eq!(t.read(1), Err(Error::Reset));
}

#[test]
fn tcp_invalid_ratelimit_of_zero_answers_all() {
    let mut t = Peer::with(|c| c.sysctl.tcp_invalid_ratelimit = 0);
    t.open(Options::new());
    for _ in 0..10 {
        t.inject("R 11:11(0) win 0");
        t.expect(". 1:1(0) ack 1");
    }
}

#[test]
fn one_connections_limit_is_not_anothers() {
    let mut t = open();
    t.inject("R 11:11(0) win 0");
    t.expect(". 1:1(0) ack 1");
    t.talk(40_001, common::peer::PORT);
    t.inject("S 0:0(0) win 64000 <mss 1460>");
    t.expect("S. 0:0(0) ack 1 <...>");
    t.inject(". 1:1(0) ack 1");
    t.inject("R 11:11(0) win 0");
    t.expect(". 1:1(0) ack 1");
}

#[test]
fn rfc9293_ev_35_a_keepalive_probe_of_no_or_one_byte_is_answered_and_delivers_nothing() {
    let mut t = open();
    t.inject(". 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.inject(". 10:10(0) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.advance(ms(1));
    t.inject(". 10:11(1) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.inject(". 10:11(1) ack 1");
    t.expect(". 1:1(0) ack 11");
    assert_eq!(t.read(100), Ok(10));
}

#[test]
fn rfc9293_ev_37_41_an_exact_reset_ends_the_connection() {
    let mut t = open();
    t.advance(ms(50));
    t.inject("R 1:1(0) win 0");
    assert_eq!((t.read(100), t.read(100)), (Err(Error::Reset), Ok(0)));
    assert_eq!(t.try_write(100), Err(Error::BrokenPipe));
    t.advance(ms(10));
    t.inject(". 1:1(0) ack 1");
    t.expect("R 1:1(0) win 0");
}

#[test]
fn rfc9293_shld_2_a_reset_with_data_or_fin_is_a_reset() {
    for reset in ["RP. 1:11(10) ack 1", "FR. 1:1(0) ack 1", "RU 1:1(0) win 0 urg 0"] {
        let mut t = open();
        t.inject(reset);
        assert_eq!((t.read(100), t.read(100)), (Err(Error::Reset), Ok(0)), "{reset}");
    }
}

#[test]
fn rfc9293_ev_38_a_reset_in_the_window_but_not_exact_draws_a_challenge() {
    for seq in [2, 11, EDGE] {
        let mut t = open();
        t.inject(&format!("R {seq}:{seq}(0) win 0"));
        t.expect(". 1:1(0) ack 1");
        assert_unmoved(&mut t);
    }
}

#[test]
fn a_reset_right_of_what_is_held_beyond_a_gap_counts_as_exact() {
    let mut t = open_with("mss 1460,nop,nop,sackOK,nop,wscale 7");
    t.inject(". 11:21(10) ack 1");
    t.expect(". 1:1(0) ack 1 <nop,nop,sack 11:21>");
    t.inject(". 31:41(10) ack 1");
    t.expect(". 1:1(0) ack 1 <nop,nop,sack 31:41 11:21>");
    t.inject("R 21:21(0) win 0");
    t.expect(". 1:1(0) ack 1 <nop,nop,sack 31:41 11:21>");
    t.inject("R 41:41(0) win 0");
    assert_eq!(t.read(1), Err(Error::Reset));
}

#[test]
fn after_the_peers_fin_its_reset_may_be_one_short() {
    for seq in [1, 2] {
        let mut t = open();
        t.inject("F. 1:1(0) ack 1");
        t.expect_after(ms(1), ". 1:1(0) ack 2");
        t.advance(ms(50));
        t.inject(&format!("R {seq}:{seq}(0) win 0"));
        assert_eq!(t.take_error().map(Error::errno), Some(Errno::EPIPE));
    }
}

#[test]
fn rfc9293_ev_42_a_reset_in_last_ack_or_closing_ends_quietly() {
    for (peer_first, seq) in [(true, 2), (true, 1), (false, 2), (false, 1)] {
        let mut t = open();
        if peer_first {
            t.inject("F. 1:1(0) ack 1");
            t.finish();
            t.expect("F. 1:1(0) ack 2");
        } else {
            t.finish();
            t.expect("F. 1:1(0) ack 1");
            t.inject("F. 1:1(0) ack 1");
            t.expect(". 2:2(0) ack 2");
        }
        t.inject(&format!("R {seq}:{seq}(0) win 0"));
        assert_eq!((t.state(), t.read(1)), (State::Closed, Ok(0)));
    }
}

#[test]
fn a_reset_needs_no_timestamp() {
    let mut t = open_with(WITH_TIMESTAMPS);
    t.inject("R 1:1(0) win 0");
    assert_eq!(t.read(1), Err(Error::Reset));
}

#[test]
fn rfc9293_ev_43_any_syn_draws_a_challenge_whatever_its_number() {
    for syn in
        ["S 0:0(0)", "S 1:1(0)", "S 5000:5000(0) win 64000 <mss 1460>", "S. 0:0(0) ack 1", "S 1000000:1000000(0)"]
    {
        let mut t = open();
        t.advance(ms(50));
        t.inject(syn);
        t.expect(". 1:1(0) ack 1");
        assert_unmoved(&mut t);
    }
}

#[test]
fn rfc9293_ev_15_a_rebooted_peer_that_connects_again_is_found_out() {
    let mut t = open();
    t.inject("S 5000:5000(0) win 64000 <mss 1460>");
    t.expect(". 1:1(0) ack 1");
    t.advance(ms(20));
    t.inject("R 1:1(0) win 0");
    assert_eq!(t.read(1), Err(Error::Reset));
    // Now its SYN finds a listener.
    t.forget_isn();
    t.inject("S 5000:5000(0) win 64000 <mss 1460>");
    t.expect("S. 0:0(0) ack 5001 <...>");
}

#[test]
fn rfc9293_ev_16_a_rebooted_peer_resets_our_data() {
    let mut t = open();
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.inject("R 1:1(0) win 0");
    t.expect_nothing_for(secs(1));
    assert_eq!((t.try_write(1), t.try_write(1)), (Err(Error::Reset), Err(Error::BrokenPipe)));
    t.inject(". 1:1(0) ack 101");
    t.expect("R 101:101(0) win 0");
}

#[test]
fn rfc9293_ev_46_a_segment_without_ack_is_dropped() {
    for segment in ["P 1:11(10)", "F 1:1(0)", "- 1:1(0)", "U 1:11(10) urg 5"] {
        let mut t = open();
        t.inject(segment);
        t.expect_nothing();
        assert_unmoved(&mut t);
    }
}

#[test]
fn rfc9293_ev_47_52_an_ack_of_the_future_draws_a_challenge_and_its_data_is_not_taken() {
    // packetimpact 35
    let mut t = open();
    t.inject("P. 1:6(5) ack 1001");
    t.expect(". 1:1(0) ack 1");
    assert_unmoved(&mut t);
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
}

#[test]
fn rfc9293_may_12_an_ack_of_the_far_past_draws_a_challenge_and_its_data_is_not_taken() {
    let mut t = open();
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.inject(". 1:1(0) ack 101");
    t.inject("P. 1:6(5) ack -67296");
    t.expect(". 101:101(0) ack 1");
    assert_unmoved(&mut t);
}

#[test]
fn an_ack_of_the_near_past_is_ignored_and_its_data_taken() {
    // rfc9293_ev_51, ev_54
    let mut t = open();
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.inject(". 1:1(0) ack 101 win 500");
    t.inject("P. 1:11(10) ack 51 win 0");
    t.expect(". 101:101(0) ack 11");
    t.write(100);
    t.expect("P. 101:201(100) ack 11");
}

#[test]
fn more_than_was_ever_acknowledged_is_too_far_in_the_past() {
    // The limit is the smaller of the largest window seen and what was acknowledged: here no byte but the SYN.
    let mut t = open();
    t.inject("P. 1:6(5) ack -1");
    t.expect(". 1:1(0) ack 1");
    assert_unmoved(&mut t);
}

#[test]
fn rfc9293_ev_50_part_of_a_segment_acknowledged_is_not_sent_again() {
    let mut t = open();
    t.write(1000);
    t.expect("P. 1:1001(1000) ack 1");
    t.advance(ms(100));
    t.inject(". 1:1(0) ack 401");
    // Not restarted: no whole segment left the flight.
    t.expect_at(ms(201), "P. 401:1001(600) ack 1");
}

/// A connection in this state, what it sends next and expects next.
fn in_state(state: State) -> (Peer, u32, u32) {
    let mut t = open();
    match state {
        State::CloseWait | State::LastAck => {
            t.inject("F. 1:1(0) ack 1");
            t.expect_after(ms(1), ". 1:1(0) ack 2");
        }
        _ => {}
    }
    if !matches!(state, State::Established | State::CloseWait) {
        t.finish();
        t.next_left().expect("the FIN");
    }
    match state {
        State::FinWait2 => t.inject(". 1:1(0) ack 2"),
        State::Closing => {
            t.inject("F. 1:1(0) ack 1");
            t.expect(". 2:2(0) ack 2");
        }
        _ => {}
    }
    assert_eq!(t.state(), state);
    let finished = !matches!(state, State::Established | State::CloseWait);
    let peer_finished = matches!(state, State::CloseWait | State::LastAck | State::Closing);
    (t, 1 + u32::from(finished), 1 + u32::from(peer_finished))
}

#[test]
fn unacceptable_numbers_draw_our_own_in_every_state() {
    // packetimpact 21, 35 to 38
    for state in
        [State::Established, State::CloseWait, State::LastAck, State::FinWait1, State::FinWait2, State::Closing]
    {
        let (_, nxt, next) = in_state(state);
        let (beyond, far) = (next + 70_000, nxt + 5000);
        for segment in [
            format!(". {beyond}:{beyond}(0) ack {nxt}"),
            format!("P. {beyond}:{}(10) ack {nxt}", beyond + 10),
            format!("F. {beyond}:{beyond}(0) ack {nxt}"),
            format!("S {beyond}:{beyond}(0)"),
            format!("S. {next}:{next}(0) ack {nxt}"),
            format!(". {next}:{next}(0) ack {far}"),
        ] {
            let (mut t, ..) = in_state(state);
            t.inject(&segment);
            t.expect(&format!(". {nxt}:{nxt}(0) ack {next}"));
            assert_eq!(t.state(), state, "{segment}");
            t.inject(&format!("R {beyond}:{beyond}(0) win 0"));
            assert_eq!(t.state(), state);
            t.inject(&format!("R {next}:{next}(0) win 0"));
            assert_eq!(t.state(), State::Closed, "{state}");
        }
    }
}

#[test]
fn rfc9293_ev_28_through_a_closed_window_no_data_comes_but_acks_and_resets_do() {
    let mut t = Peer::new();
    t.open(Options::new().with_recv_buffer_size(2048));
    let room = 1460_usize;
    t.inject(&format!("P. 1:{}({room}) ack 1", room + 1));
    let ack = t.next_left().unwrap();
    let mut end = room + 1;
    if !ack.ends_with("win 0") {
        t.inject(&format!("P. {end}:{}(588) ack 1", end + 588));
        end += 588;
        t.expect(&format!(". 1:1(0) ack {end} win 0"));
    }
    t.write(100);
    t.expect(&format!("P. 1:101(100) ack {end} win 0"));
    // A segment that ends beyond the window counts for nothing while data is unread (since 6.17); an ACK alone does.
    t.inject(&format!("P. {end}:{}(1) ack 101", end + 1));
    t.expect(&format!(". 101:101(0) ack {end} win 0"));
    assert_eq!(t.act(|conn, _| (conn.readable(), conn.send_queue())), (end - 1, 100));
    t.inject(&format!(". {end}:{end}(0) ack 101"));
    assert_eq!(t.act(|conn, _| (conn.readable(), conn.send_queue())), (end - 1, 0));
    t.inject(&format!("R {end}:{end}(0) win 0"));
    assert_eq!(t.state(), State::Closed);
}
