//! Data and FIN in any order (RFC 9293 3.10.7.4 seventh and eighth, RFC 2018 4, RFC 2883; Linux `tcp_data_queue`,
//! `tcp_data_queue_ofo`, `tcp_fin`).
#![cfg(feature = "alloc")]

mod common;

use common::{Peer, ms};
use longhaul::error::Error;
use longhaul::options::Options;
use longhaul::tcp::{Event, State};

const SACK: &str = "mss 1460,nop,nop,sackOK,nop,wscale 7";
/// One past the last number of the first window offered, 64240 bytes from 1.
const EDGE: u32 = 64_241;

fn open() -> Peer {
    let mut t = Peer::new();
    t.open(Options::new());
    t.events();
    t
}

fn open_with_sack() -> Peer {
    let mut t = Peer::new();
    t.open_with(Options::new(), SACK);
    t
}

#[test]
fn rfc9293_shld_31_may_13_data_beyond_a_gap_is_kept_and_answered_at_once() {
    let mut t = open();
    t.advance(ms(10));
    t.inject("P. 11:21(10) ack 1");
    t.expect(". 1:1(0) ack 1");
    assert_eq!((t.read(100), t.events()), (Err(Error::WouldBlock), vec![]));
    t.advance(ms(50));
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 21");
    assert_eq!((t.read(100), t.events()), (Ok(20), vec![Event::Readable]));
}

#[test]
fn with_sack_the_newest_block_is_reported_first() {
    let mut t = open_with_sack();
    t.inject("P. 11:21(10) ack 1");
    t.expect(". 1:1(0) ack 1 <nop,nop,sack 11:21>");
    t.inject("P. 31:41(10) ack 1");
    t.expect(". 1:1(0) ack 1 <nop,nop,sack 31:41 11:21>");
    t.inject("P. 51:61(10) ack 1");
    let third = t.next_left().unwrap();
    assert!(third.contains("sack 51:61 "), "{third}");
    // Joins two: the block that holds it is the newest.
    t.inject("P. 21:31(10) ack 1");
    t.expect(". 1:1(0) ack 1 <nop,nop,sack 11:41 51:61>");
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 41 <nop,nop,sack 51:61>");
    t.inject("P. 41:51(10) ack 1");
    t.expect(". 1:1(0) ack 61");
    assert_eq!(t.read(100), Ok(60));
}

#[test]
fn as_many_blocks_as_fit_are_reported() {
    let mut t = open_with_sack();
    for at in [11, 31, 51, 71] {
        t.inject(&format!(". {at}:{}(10) ack 1", at + 10));
        t.next_left().unwrap();
    }
    t.inject(". 91:101(10) ack 1");
    let ack = t.next_left().unwrap();
    assert_eq!(ack.matches(':').count(), 1 + 4, "{ack}");
    let mut t = Peer::new();
    t.open_with(Options::new(), "mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7");
    for at in [11_usize, 31, 51, 71] {
        t.inject(&format!(". {at}:{}(10) ack 1 <nop,nop,TS val 101 ecr 0>", at + 10));
        let ack = t.next_left().unwrap();
        assert_eq!(ack.matches(':').count(), 1 + ((at + 9) / 20).min(3), "{ack}");
    }
}

#[test]
fn old_data_is_reported_as_a_duplicate() {
    let mut t = open_with_sack();
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.advance(ms(50));
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11 <nop,nop,sack 1:11>");
    t.inject("P. 6:11(5) ack 1");
    t.expect(". 1:1(0) ack 11 <nop,nop,sack 6:11>");
    assert_eq!((t.read(100), t.read(100)), (Ok(10), Err(Error::WouldBlock)));
}

#[test]
fn tcp_dsack_off_reports_no_duplicate() {
    let mut t = Peer::with(|c| c.sysctl.tcp_dsack = 0);
    t.open_with(Options::new(), SACK);
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
}

#[test]
fn a_duplicate_of_what_is_held_is_reported_before_the_block_that_holds_it() {
    let mut t = open_with_sack();
    t.inject("P. 11:31(20) ack 1");
    t.expect(". 1:1(0) ack 1 <nop,nop,sack 11:31>");
    t.inject("P. 11:21(10) ack 1");
    t.expect(". 1:1(0) ack 1 <nop,nop,sack 11:21 11:31>");
    // Half of it is new.
    t.inject("P. 21:41(20) ack 1");
    t.expect(". 1:1(0) ack 1 <nop,nop,sack 21:31 11:41>");
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 41");
    assert_eq!(t.read(100), Ok(40));
}

#[test]
fn what_fills_a_gap_and_repeats_what_is_held_is_reported_once() {
    let mut t = open_with_sack();
    t.inject("P. 11:21(10) ack 1");
    t.expect(". 1:1(0) ack 1 <nop,nop,sack 11:21>");
    t.inject("P. 1:31(30) ack 1");
    t.expect(". 1:1(0) ack 31 <nop,nop,sack 11:21>");
    t.inject("P. 31:41(10) ack 1");
    t.expect(". 1:1(0) ack 41");
    assert_eq!(t.read(100), Ok(40));
}

#[test]
fn the_old_part_of_a_segment_with_news_is_reported_too() {
    let mut t = open_with_sack();
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.inject("P. 6:21(15) ack 1");
    t.expect(". 1:1(0) ack 21 <nop,nop,sack 6:11>");
}

#[test]
fn rfc9293_ev_32_a_segment_that_straddles_the_left_edge_gives_its_new_part() {
    let mut t = open();
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.inject("P. 6:21(15) ack 1");
    t.expect(". 1:1(0) ack 21");
    assert_eq!((t.read(100), t.read(100)), (Ok(20), Err(Error::WouldBlock)));
}

#[test]
fn overlapping_pieces_beyond_a_gap_give_each_byte_once() {
    let mut t = open();
    for segment in
        [". 11:31(20) ack 1", ". 21:41(20) ack 1", ". 6:16(10) ack 1", ". 46:51(5) ack 1", ". 36:61(25) ack 1"]
    {
        t.inject(segment);
        t.expect(". 1:1(0) ack 1");
    }
    t.inject(". 1:8(7) ack 1");
    t.expect(". 1:1(0) ack 61");
    assert_eq!((t.read(100), t.read(100)), (Ok(60), Err(Error::WouldBlock)));
}

#[test]
fn rfc9293_ev_33_a_segment_that_straddles_the_right_edge_gives_no_more_than_fits() {
    // Nothing is unread yet, so that Linux lets it begin inside.
    let mut t = open();
    let (start, end) = (EDGE - 10, EDGE + 10);
    t.inject(&format!(". {start}:{end}(20) ack 1"));
    t.expect(". 1:1(0) ack 1");
    for at in (1..start).step_by(6423) {
        t.inject(&format!(". {at}:{}(6423) ack 1", at + 6423));
        while t.next_left().is_some() {}
    }
    assert!(t.act(|conn, _| conn.readable()) <= 64_240);
}

#[test]
fn rfc9293_ev_72_a_fin_beyond_a_gap_waits_until_the_gap_closes() {
    let mut t = open();
    t.inject("F. 11:11(0) ack 1");
    t.expect(". 1:1(0) ack 1");
    assert_eq!((t.state(), t.read(1)), (State::Established, Err(Error::WouldBlock)));
    t.inject(". 1:11(10) ack 1");
    t.advance(ms(40));
    assert!(t.next_left().unwrap().starts_with(". 1:1(0) ack 12"));
    assert_eq!((t.state(), t.read(100), t.read(1)), (State::CloseWait, Ok(10), Ok(0)));
}

#[test]
fn data_with_a_fin_beyond_a_gap_waits_together() {
    let mut t = open_with_sack();
    t.inject("FP. 11:21(10) ack 1");
    let ack = t.next_left().unwrap();
    assert!(ack.contains("ack 1 ") && ack.contains("sack 11:2"), "{ack}");
    t.inject(". 1:11(10) ack 1");
    t.advance(ms(40));
    assert!(t.next_left().unwrap().starts_with(". 1:1(0) ack 22"));
    assert_eq!((t.state(), t.read(100), t.read(1)), (State::CloseWait, Ok(20), Ok(0)));
}

#[test]
fn rfc9293_ev_65_data_after_the_peers_fin_is_not_taken() {
    let mut t = open();
    t.inject("F. 1:1(0) ack 1");
    t.expect_after(ms(1), ". 1:1(0) ack 2");
    t.inject("P. 2:12(10) ack 1");
    while t.next_left().is_some() {}
    assert_eq!((t.read(100), t.read(100)), (Ok(0), Ok(0)));
}

#[test]
fn rfc9293_ev_71_a_fin_again_changes_nothing_and_is_acknowledged() {
    let mut t = open();
    t.inject("F. 1:1(0) ack 1");
    t.expect_after(ms(1), ". 1:1(0) ack 2");
    t.inject("F. 1:1(0) ack 1");
    t.expect(". 1:1(0) ack 2");
    assert_eq!((t.state(), t.read(1)), (State::CloseWait, Ok(0)));
}

#[test]
fn rfc9293_must_62_urgent_data_stays_in_line() {
    let mut t = open();
    t.inject("PU. 1:11(10) ack 1 urg 5");
    t.expect(". 1:1(0) ack 11");
    assert_eq!(t.read(100), Ok(10));
}

#[test]
fn rfc9293_must_3_a_wrong_checksum_changes_nothing_and_draws_nothing() {
    let mut t = open();
    t.inject_damaged("P. 1:11(10) ack 1");
    assert_eq!(t.read(100), Err(Error::WouldBlock));
    t.inject_damaged("R 1:1(0) win 0");
    t.inject_damaged("S 5:5(0)");
    t.expect_nothing();
    assert_eq!(t.state(), State::Established);
}

#[test]
fn the_window_moves_only_by_a_newer_segment() {
    // rfc9293_ev_53, ev_54; (first the connection has wl1 = 1, window 64000)
    for (segments, usable) in [
        // A later number.
        (&[". 1:11(10) ack 1", ". 11:11(0) ack 1 win 30"][..], 3840),
        // The same number and a larger window, or none at all.
        (&[". 1:1(0) ack 1 win 510"], 65_280),
        (&[". 1:1(0) ack 1 win 0"], 0),
        (&[". 1:1(0) ack 1 win 0", ". 1:1(0) ack 1 win 20"], 2560),
        // The same number and a smaller one: ignored.
        (&[". 1:1(0) ack 1 win 1"], 64_000),
        // An older number.
        (&[". 21:31(10) ack 1 win 30", ". 11:21(10) ack 1 win 500"], 3840),
    ] {
        let mut t = open();
        for segment in segments {
            t.inject(segment);
            while t.next_left().is_some() {}
        }
        let mut sent = 0;
        t.write(16_384);
        while let Some(left) = t.next_left() {
            sent += left.split_once('(').unwrap().1.split_once(')').unwrap().0.parse::<usize>().unwrap();
        }
        assert_eq!(sent, (usable / 1460).min(10) * 1460, "{segments:?}");
    }
}
