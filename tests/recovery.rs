//! Lost segments go again (RFC 6298, RFC 5681, RFC 6582, RFC 2018; Linux `tcp_fastretrans_alert`, `tcp_enter_loss`,
//! `tcp_clean_rtx_queue`).
#![cfg(feature = "alloc")]

mod common;

use common::{Peer, ms, secs};
use longhaul::options::Options;
use longhaul::stack::Config;
use longhaul::tcp::State;

const SACK: &str = "mss 1460,nop,nop,sackOK,nop,wscale 7";

/// A connection whose send buffer holds everything that these tests write.
fn open(configure: impl FnOnce(&mut Config), syn_options: &str) -> Peer {
    let mut t = Peer::with(configure);
    t.open_with(Options::new().with_send_buffer_size(1 << 20), syn_options);
    t
}

/// A tail loss probe, two round trips after the burst, would come in between.
fn without_tail_probes(config: &mut Config) {
    config.sysctl.tcp_early_retrans = 0;
}

fn without_sack() -> Peer {
    open(|_| (), "mss 1460,nop,wscale 7")
}

/// Full segments from number `first` on, the last of them pushed or not.
#[track_caller]
fn expect_segments(t: &mut Peer, first: u32, count: u32, pushed: bool) {
    for index in 0..count {
        let seq = first + index * 1460;
        let flags = if pushed && index + 1 == count { "P." } else { "." };
        t.expect(&format!("{flags} {seq}:{}(1460) ack 1", seq + 1460));
    }
}

#[test]
fn the_initial_window_is_ten_segments() {
    let mut t = without_sack();
    t.write(16_060);
    expect_segments(&mut t, 1, 10, false);
    t.expect_nothing();
    t.advance(ms(50));
    t.inject(". 1:1(0) ack 14601");
    t.expect("P. 14601:16061(1460) ack 1");
}

#[test]
fn three_duplicate_acks_resend_the_first_segment_at_once() {
    let mut t = without_sack();
    t.write(5840);
    expect_segments(&mut t, 1, 4, true);
    for _ in 0..3 {
        t.expect_nothing();
        t.advance(ms(1));
        t.inject(". 1:1(0) ack 1");
    }
    t.expect(". 1:1461(1460) ack 1");
    t.advance(ms(1));
    t.inject(". 1:1(0) ack 5841");
    t.inject("P. 1:11(10) ack 5841");
    t.expect(". 5841:5841(0) ack 11");
}

#[test]
fn what_is_no_duplicate_does_not_count() {
    let mut t = without_sack();
    t.write(5840);
    expect_segments(&mut t, 1, 4, true);
    // Data, or another window, is news.
    for at in [1, 11, 21, 31] {
        t.inject(&format!("P. {at}:{}(10) ack 1", at + 10));
        t.expect(&format!(". 5841:5841(0) ack {}", at + 10));
    }
    for window in [501, 502, 503, 504] {
        t.inject(&format!(". 41:41(0) ack 1 win {window}"));
    }
    t.expect_nothing_for(ms(100));
}

#[test]
fn after_a_timeout_a_duplicate_ack_stands_for_nothing() {
    let mut t = without_sack();
    t.mark();
    t.write(4380);
    expect_segments(&mut t, 1, 3, true);
    t.expect_at(ms(201), ". 1:1461(1460) ack 1");
    for _ in 0..4 {
        t.advance(ms(50));
        t.inject(". 1:1(0) ack 1");
        t.expect_nothing();
    }
    t.expect_at(ms(603), ". 1:1461(1460) ack 1");
}

#[test]
fn the_first_ack_behind_data_tells_the_window_and_is_no_duplicate() {
    let mut t = without_sack();
    t.write(5840);
    expect_segments(&mut t, 1, 4, true);
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 5841:5841(0) ack 11");
    for _ in 0..3 {
        t.inject(". 11:11(0) ack 1");
        t.expect_nothing();
    }
    t.inject(". 11:11(0) ack 1");
    t.expect(". 1:1461(1460) ack 11");
}

#[test]
fn the_first_two_duplicate_acks_let_new_data_out() {
    // RFC 3042, limited transmit.
    let mut t = without_sack();
    t.write(30_000);
    expect_segments(&mut t, 1, 10, false);
    t.inject(". 1:1(0) ack 1");
    t.expect(". 14601:16061(1460) ack 1");
    t.inject(". 1:1(0) ack 1");
    t.expect(". 16061:17521(1460) ack 1");
    t.inject(". 1:1(0) ack 1");
    t.expect(". 1:1461(1460) ack 1");
}

#[test]
fn a_partial_ack_resends_the_next_hole() {
    // RFC 6582
    let mut t = without_sack();
    t.write(8 * 1460);
    expect_segments(&mut t, 1, 8, true);
    for _ in 0..3 {
        t.inject(". 1:1(0) ack 1");
    }
    t.expect(". 1:1461(1460) ack 1");
    t.advance(ms(1));
    t.inject(". 1:1(0) ack 2921");
    t.expect(". 2921:4381(1460) ack 1");
    t.advance(ms(1));
    t.inject(". 1:1(0) ack 4381");
    t.expect(". 4381:5841(1460) ack 1");
    t.inject(". 1:1(0) ack 11681");
    t.expect_nothing_for(secs(10));
}

#[test]
fn three_segments_reported_above_a_hole_resend_it_at_once() {
    let mut t = open(without_tail_probes, SACK);
    t.write(7300);
    expect_segments(&mut t, 1, 5, true);
    t.advance(ms(20));
    t.inject(". 1:1(0) ack 1461");
    for edge in [4381, 5841] {
        t.advance(ms(1));
        t.inject(&format!(". 1:1(0) ack 1461 <nop,nop,sack 2921:{edge}>"));
    }
    t.advance(ms(1));
    t.inject(". 1:1(0) ack 1461 <nop,nop,sack 2921:7301>");
    t.expect(". 1461:2921(1460) ack 1");
    t.advance(ms(20));
    t.inject(". 1:1(0) ack 7301");
    t.inject("P. 1:11(10) ack 7301");
    t.expect(". 7301:7301(0) ack 11");
}

#[test]
fn what_is_reported_held_is_not_sent_again() {
    let mut t = open(|_| (), SACK);
    t.write(8 * 1460);
    expect_segments(&mut t, 1, 8, true);
    t.inject(". 1:1(0) ack 1 <nop,nop,sack 1461:2921 4381:11681>");
    t.expect(". 1:1461(1460) ack 1");
    t.expect(". 2921:4381(1460) ack 1");
    t.inject(". 1:1(0) ack 11681");
    t.expect_nothing_for(secs(10));
}

#[test]
fn a_report_of_the_impossible_is_ignored() {
    for sack in ["4381:1461", "14601:16061", "-1000:-500", "1461:16061", "11681:11682"] {
        let mut t = open(without_tail_probes, SACK);
        t.write(8 * 1460);
        expect_segments(&mut t, 1, 8, true);
        t.inject(&format!(". 1:1(0) ack 1 <nop,nop,sack {sack}>"));
        t.expect_nothing_for(ms(150));
    }
}

#[test]
fn rfc9293_ev_83_a_timeout_resends_the_head_only_and_doubles() {
    let mut t = without_sack();
    t.write(5840);
    expect_segments(&mut t, 1, 4, true);
    for at in [201, 603, 1407, 3015] {
        t.expect_at(ms(at), ". 1:1461(1460) ack 1");
    }
    // The way is free again: slow start over what else is lost.
    t.advance(ms(1));
    t.inject(". 1:1(0) ack 1461");
    t.expect(". 1461:2921(1460) ack 1");
    t.expect(". 2921:4381(1460) ack 1");
    t.inject(". 1:1(0) ack 4381");
    t.expect("P. 4381:5841(1460) ack 1");
    t.inject(". 1:1(0) ack 5841");
    t.expect_nothing_for(secs(100));
}

#[test]
fn every_ack_that_frees_a_segment_restarts_the_timer() {
    let mut t = without_sack();
    t.write(4380);
    expect_segments(&mut t, 1, 3, true);
    t.advance_to(ms(100));
    t.inject(". 1:1(0) ack 1461");
    // RTT samples of 1 and 100 ms: srtt 13.375 ms, variance term 200 ms at least.
    let (at, text) = t.next_within(secs(1)).unwrap();
    assert!(at > ms(100 + 200) && at < ms(100 + 260), "{at:?}");
    assert!(text.starts_with(". 1461:2921(1460)"), "{text}");
}

#[test]
fn rfc9293_must_18_without_timestamps_an_ack_of_a_resent_segment_keeps_the_backoff() {
    let mut t = without_sack();
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.expect_at(ms(201), "P. 1:101(100) ack 1");
    t.expect_at(ms(603), "P. 1:101(100) ack 1");
    t.advance(ms(100));
    t.inject(". 1:1(0) ack 101");
    t.mark();
    t.write(100);
    t.expect("P. 101:201(100) ack 1");
    t.expect_at(ms(804), "P. 101:201(100) ack 1");
    // A clean sample ends it.
    t.inject(". 1:1(0) ack 201");
    t.write(100);
    t.expect("P. 201:301(100) ack 1");
    t.advance(ms(1));
    t.inject(". 1:1(0) ack 301");
    t.mark();
    t.write(100);
    t.expect("P. 301:401(100) ack 1");
    t.expect_at(ms(201), "P. 301:401(100) ack 1");
}

#[test]
fn with_timestamps_an_ack_of_a_resent_segment_is_a_sample_and_ends_the_backoff() {
    let mut t = open(|c| c.sysctl.tcp_sack = 0, "mss 1460,nop,nop,TS val 100 ecr 0,nop,wscale 7");
    t.write(100);
    t.expect("P. 1:101(100) ack 1 <nop,nop,TS val 1 ecr 101>");
    t.expect_at(ms(201), "P. 1:101(100) ack 1 <nop,nop,TS val 202 ecr 101>");
    t.expect_at(ms(603), "P. 1:101(100) ack 1 <nop,nop,TS val 604 ecr 101>");
    t.advance(ms(1));
    t.inject(". 1:1(0) ack 101 <nop,nop,TS val 102 ecr 604>");
    t.mark();
    t.write(100);
    t.expect("P. 101:201(100) ack 1 <...>");
    t.expect_at(ms(201), "P. 101:201(100) ack 1 <...>");
}

#[test]
fn a_resent_segment_brings_our_current_ack_and_window() {
    let mut t = without_sack();
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 101:101(0) ack 11");
    t.expect_at(ms(201), "P. 1:101(100) ack 11");
}

/// RFC 2883 says nothing of a peer that lies. Who never got a copy cannot have received one twice, and opens no window
/// by saying so (Linux `tcp_dsack_seen`).
#[test]
fn copies_that_were_never_made_open_no_window() {
    let mut t = open(without_tail_probes, SACK);
    t.write(14_600);
    expect_segments(&mut t, 1, 10, true);
    t.advance(ms(10));
    t.inject(". 1:1(0) ack 1461 <nop,nop,sack 1:1461>");
    assert_eq!(t.act(|conn, now| conn.info(now).snd_cwnd), 11, "one segment arrived, and only one");
}

/// The timer fires while the device takes nothing; then the ACK comes. What is written next must go once, and no clock
/// of giving up may run on from then.
#[test]
fn a_resend_that_is_overtaken_by_its_ack_is_forgotten() {
    let mut t = without_sack();
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.fire_without_sending(ms(201));
    t.inject(". 1:1(0) ack 101");
    t.write(100);
    t.expect("P. 101:201(100) ack 1");
    t.expect_nothing();
    t.inject(". 1:1(0) ack 201");
    t.advance(secs(3600));
    t.write(100);
    t.expect("P. 201:301(100) ack 1");
    // With a clock that had run since then, the second timeout would be the end.
    t.advance(secs(60));
    while t.next_left().is_some() {}
    assert_eq!(t.act(|conn, _| conn.state()), State::Established);
}

#[test]
fn nothing_in_flight_stops_the_timer() {
    let mut t = without_sack();
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.advance(ms(200));
    t.inject(". 1:1(0) ack 101");
    t.expect_nothing_for(secs(1_000_000));
}

#[test]
fn the_handshakes_round_trip_counts_for_the_time_that_reordering_is_given() {
    // The handshake took 1 ms, this flight 40: a quarter of the least is no more than the margin of the timer.
    let mut t = open(without_tail_probes, SACK);
    t.mark();
    t.write(2920);
    expect_segments(&mut t, 1, 2, true);
    t.advance(ms(40));
    t.inject(". 1:1(0) ack 1 <nop,nop,sack 1461:2921>");
    t.expect_at(ms(43), ". 1:1461(1460) ack 1");
}

#[test]
fn what_is_lost_goes_again_at_once_though_the_timeout_was_spurious() {
    let mut t = open(without_tail_probes, SACK);
    t.mark();
    for _ in 0..4 {
        t.write(1460);
    }
    for seq in [1, 1461, 2921, 4381] {
        t.expect(&format!("P. {seq}:{}(1460) ack 1", seq + 1460));
    }
    t.expect_at(ms(201), "P. 1:1461(1460) ack 1");
    t.advance(ms(50));
    // The third was never resent and arrived: the timeout was spurious (F-RTO). What was sent before the
    // retransmission that arrived as well, and did not arrive itself, is lost all the same.
    t.inject(". 1:1(0) ack 1461 <nop,nop,sack 2921:4381>");
    t.expect("P. 1461:2921(1460) ack 1");
    t.expect("P. 4381:5841(1460) ack 1");
}
