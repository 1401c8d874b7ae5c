//! When an ACK leaves, when small data waits, and what windows allow (RFC 9293 3.7.4, 3.8.6; Linux
//! `__tcp_ack_snd_check`, `tcp_nagle_test`, `tcp_select_window`, `tcp_snd_wnd_test`).
#![cfg(feature = "alloc")]

mod common;

use common::{Peer, ms};
use longhaul::buf::{ReceiveBuffer, Sent, ring::Ring};
use longhaul::config::Sysctl;
use longhaul::options::Options;
use longhaul::seq::SeqNum;
use longhaul::tcp::{Conn, HalfOpen, Setup};
use longhaul::time::Instant;
use longhaul::wire::{Flags, Flow, Header, Segment};

fn open() -> Peer {
    let mut t = Peer::new();
    t.open(Options::new());
    t
}

/// A connection whose peer is 100 ms away, and whose budget of quick ACKs is used up, by 16 segments of 10 bytes.
fn without_budget(rtt: u64) -> Peer {
    let mut t = Peer::new();
    t.listen(1, Options::new());
    t.inject("S 0:0(0) win 64000 <mss 1460,nop,wscale 7>");
    t.expect("S. 0:0(0) ack 1 <...>");
    t.advance(ms(rtt));
    t.inject(". 1:1(0) ack 1");
    t.accept();
    for at in 0..16 {
        t.inject(&format!("P. {}:{}(10) ack 1", at * 10 + 1, at * 10 + 11));
        t.expect(&format!(". 1:1(0) ack {}", at * 10 + 11));
        t.advance(ms(1));
    }
    t.mark();
    t
}

#[test]
fn the_first_16_segments_are_acknowledged_at_once_and_the_17th_after_40_ms() {
    // rfc9293_shld_18, must_40
    let mut t = without_budget(1);
    t.inject("P. 161:171(10) ack 1");
    t.expect_at(ms(40), ". 1:1(0) ack 171");
}

#[test]
fn rfc9293_shld_19_every_second_full_segment_is_acknowledged_as_soon_as_it_is_read() {
    // Linux asks for as much room as was offered; so what is unread waits for its reader, or for 40 ms.
    let mut t = without_budget(1);
    assert_eq!(t.read(200), Ok(160));
    for at in (161..161 + 4 * 1460).step_by(2 * 1460) {
        t.inject(&format!(". {at}:{}(1460) ack 1", at + 1460));
        assert_eq!(t.read(1460), Ok(1460));
        t.expect_nothing();
        t.inject(&format!(". {}:{}(1460) ack 1", at + 1460, at + 2920));
        assert_eq!(t.read(1460), Ok(1460));
        t.expect(&format!(". 1:1(0) ack {}", at + 2920));
    }
    t.inject(". 6001:7461(1460) ack 1");
    t.inject(". 7461:8921(1460) ack 1");
    t.expect_at(ms(40), ". 1:1(0) ack 8921");
}

#[test]
fn rfc9293_must_58_59_segments_that_arrive_together_get_one_ack() {
    let mut t = open();
    t.inject_all(&[". 1:1461(1460) ack 1", ". 1461:2921(1460) ack 1", ". 2921:4381(1460) ack 1"]);
    t.expect(". 1:1(0) ack 4381");
    t.expect_nothing();
}

#[test]
fn an_answer_carries_the_ack_and_makes_the_exchange_interactive() {
    let mut t = open();
    t.advance(ms(50));
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    assert_eq!(t.read(100), Ok(10));
    t.advance(ms(10));
    t.write(10);
    t.expect("P. 1:11(10) ack 11");
    t.advance(ms(1));
    t.inject(". 11:11(0) ack 11");
    t.advance(ms(50));
    t.inject("P. 11:21(10) ack 11");
    t.mark();
    t.expect_at(ms(40), ". 11:11(0) ack 21");
    // A wait that ran out ends the interactive mode: the budget counts again.
    t.advance(ms(50));
    t.inject("P. 21:31(10) ack 11");
    t.expect(". 11:11(0) ack 31");
}

#[test]
fn in_an_interactive_exchange_no_bare_ack_is_sent() {
    let mut t = open();
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    for turn in 0..10 {
        let (ours, theirs) = (turn * 10 + 1, turn * 10 + 11);
        assert_eq!(t.read(100), Ok(10));
        t.write(10);
        t.expect(&format!("P. {ours}:{}(10) ack {theirs}", ours + 10));
        t.advance(ms(20));
        t.inject(&format!("P. {theirs}:{}(10) ack {}", theirs + 10, ours + 10));
        t.expect_nothing();
    }
    t.advance(ms(40));
    t.next_left().expect("the last one is acknowledged after all");
}

#[test]
fn the_wait_doubles_when_it_was_in_vain_but_not_beyond_the_round_trip() {
    let mut t = without_budget(100);
    for (at, wait) in [(161, 40), (171, 80), (181, 100), (191, 100)] {
        t.mark();
        t.inject(&format!("P. {at}:{}(10) ack 1", at + 10));
        t.expect_at(ms(wait), &format!(". 1:1(0) ack {}", at + 10));
        t.advance(ms(250 - wait));
    }
}

#[test]
fn a_pause_longer_than_the_rto_refills_the_budget() {
    let mut t = without_budget(1);
    t.advance(ms(202));
    t.inject("P. 161:171(10) ack 1");
    t.expect(". 1:1(0) ack 171");
}

#[test]
fn emptying_the_queue_acknowledges_a_small_pushed_segment() {
    let mut t = without_budget(1);
    t.inject("P. 161:171(10) ack 1");
    t.expect_nothing();
    assert_eq!(t.read(165), Ok(165));
    t.expect_nothing();
    assert_eq!(t.read(5), Ok(5));
    t.expect(". 1:1(0) ack 171");
}

#[test]
fn tcp_quickack_sends_what_is_owed_and_its_absence_waits() {
    let mut t = open();
    t.act(|conn, _| conn.set_tcp_quickack(false));
    t.inject("P. 1:11(10) ack 1");
    t.expect_at(ms(40), ". 1:1(0) ack 11");
    t.act(|conn, _| conn.set_tcp_quickack(false));
    t.inject("P. 11:21(10) ack 1");
    t.expect_nothing();
    t.act(|conn, _| conn.set_tcp_quickack(true));
    t.expect(". 1:1(0) ack 21");
}

#[test]
fn the_ack_of_a_fin_waits_for_our_own_fin_or_data() {
    // Before any data: one tick.
    let mut t = open();
    t.advance(ms(50));
    t.inject("F. 1:1(0) ack 1");
    t.expect_at(ms(51), ". 1:1(0) ack 2");
    // After data: 40 ms, and the data before in the same segment too.
    for (data, fin, acked) in [(Some("P. 1:11(10) ack 1"), "F. 11:11(0) ack 1", 12), (None, "FP. 1:11(10) ack 1", 12)] {
        let mut t = open();
        if let Some(data) = data {
            t.inject(data);
            t.expect(". 1:1(0) ack 11");
        }
        t.advance(ms(100));
        t.inject(fin);
        t.expect_at(ms(140), &format!(". 1:1(0) ack {acked}"));
    }
    // Our close carries it.
    let mut t = open();
    t.inject("F. 1:1(0) ack 1");
    t.close();
    t.expect("F. 1:1(0) ack 2");
    // Our data carries it.
    let mut t = open();
    t.inject("F. 1:1(0) ack 1");
    t.write(10);
    t.expect("P. 1:11(10) ack 2");
    t.expect_nothing_for(ms(100));
}

#[test]
fn rfc9293_shld_7_a_second_small_segment_waits_for_the_ack_of_the_first() {
    let mut t = open();
    t.write(10);
    t.expect("P. 1:11(10) ack 1");
    t.write(10);
    t.write(10);
    t.expect_nothing_for(ms(100));
    t.inject(". 1:1(0) ack 11");
    t.expect("P. 11:31(20) ack 1");
}

#[test]
fn a_full_segment_never_waits_and_a_small_one_only_behind_another_small_one() {
    let mut t = open();
    t.write(10);
    t.expect("P. 1:11(10) ack 1");
    t.write(1460);
    t.expect("P. 11:1471(1460) ack 1");
    // Minshall: behind a full one it goes.
    let mut t = open();
    t.write(1470);
    t.expect(". 1:1461(1460) ack 1");
    t.expect("P. 1461:1471(10) ack 1");
    t.write(10);
    t.expect_nothing();
    t.inject(". 1:1(0) ack 1461");
    t.expect_nothing();
    t.inject(". 1:1(0) ack 1471");
    t.expect("P. 1471:1481(10) ack 1");
}

#[test]
fn rfc9293_must_17_tcp_nodelay_does_not_wait_and_sends_what_waits() {
    let mut t = open();
    t.write(10);
    t.expect("P. 1:11(10) ack 1");
    t.write(10);
    t.advance(ms(50));
    t.act(|conn, now| conn.set_tcp_nodelay(now, true));
    t.expect("P. 11:21(10) ack 1");
    t.write(10);
    t.expect("P. 21:31(10) ack 1");
}

#[test]
fn tcp_cork_sends_full_segments_only_and_pulling_it_the_rest() {
    // packetimpact 31
    let mut t = Peer::new();
    t.open(Options::new().with_tcp_cork(true));
    t.write(1500);
    t.expect(". 1:1461(1460) ack 1");
    t.advance(ms(10));
    t.inject(". 1:1(0) ack 1461");
    t.advance(ms(20));
    t.act(|conn, now| conn.set_options(now, Options::new()));
    t.expect("P. 1461:1501(40) ack 1");
    let mut t = Peer::new();
    t.open(Options::new().with_tcp_cork(true));
    t.write(10);
    t.advance(ms(20));
    t.write(10);
    t.advance(ms(20));
    t.act(|conn, now| conn.set_options(now, Options::new()));
    t.expect("P. 1:21(20) ack 1");
}

#[test]
fn rfc9293_must_60_a_cork_holds_nothing_longer_than_one_rto() {
    let mut t = Peer::new();
    t.open(Options::new().with_tcp_cork(true));
    t.write(10);
    t.expect_at(ms(201), "P. 1:11(10) ack 1");
}

#[test]
fn rfc9293_must_61_shld_27_28_the_last_segment_of_a_write_is_pushed() {
    let mut t = open();
    t.write(5840);
    t.expect(". 1:1461(1460) ack 1");
    t.expect(". 1461:2921(1460) ack 1");
    t.expect(". 2921:4381(1460) ack 1");
    t.expect("P. 4381:5841(1460) ack 1");
}

#[test]
fn half_the_peers_window_without_a_push_is_pushed() {
    // A window of 8000: the third segment makes 4380 bytes.
    let mut t = Peer::new();
    t.listen(1, Options::new());
    t.inject("S 0:0(0) win 8000 <mss 1460>");
    t.expect("S. 0:0(0) ack 1 <...>");
    t.inject(". 1:1(0) ack 1 win 8000");
    t.accept();
    t.write(7300);
    t.expect(". 1:1461(1460) ack 1");
    t.expect(". 1461:2921(1460) ack 1");
    t.expect("P. 2921:4381(1460) ack 1");
    t.expect(". 4381:5841(1460) ack 1");
    t.expect("P. 5841:7301(1460) ack 1");
}

#[test]
fn rfc9293_must_38_a_window_smaller_than_a_segment_is_used_only_when_a_timer_says_so() {
    let mut t = open();
    t.inject(". 1:11(10) ack 1 win 1");
    t.expect(". 1:1(0) ack 11");
    t.inject(". 11:11(0) ack 1 win 1");
    t.mark();
    t.write(1000);
    t.expect_at(ms(201), "P. 1:129(128) ack 11");
    t.inject(". 11:11(0) ack 129 win 1");
    t.expect_after(ms(201), "P. 129:257(128) ack 11");
    // All that is left fits: no timer.
    t.inject(". 11:11(0) ack 257 win 10");
    t.expect("P. 257:1001(744) ack 11");
}

#[test]
fn rfc9293_must_34_shld_15_16_a_window_pulled_back_over_data_in_flight_stops_new_data() {
    // packetimpact 26
    let mut t = open();
    t.write(2920);
    t.expect(". 1:1461(1460) ack 1");
    t.expect("P. 1461:2921(1460) ack 1");
    t.inject(". 1:1(0) ack 1461 win 2");
    t.write(1000);
    t.expect_nothing_for(ms(100));
    t.inject(". 1:1(0) ack 2921 win 500");
    t.expect("P. 2921:3921(1000) ack 1");
}

/// The window field, of a peer without scaling.
fn window(ack: &str) -> u32 {
    ack.split_once("win ").unwrap().1.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn rfc9293_must_39_shld_14_the_window_never_moves_left_and_closes_when_the_buffer_is_full() {
    // packetimpact 23, 24
    let mut t = Peer::new();
    t.listen(1, Options::new().with_recv_buffer_size(8192));
    t.inject("S 0:0(0) win 64000 <mss 1460>");
    let mut edge = 1 + window(&t.next_left().unwrap());
    t.inject(". 1:1(0) ack 1 win 64000");
    t.accept();
    let mut next = 1;
    let mut last_window = 1;
    while last_window > 0 {
        let len = (edge - next).min(536);
        t.inject(&format!("P. {next}:{}({len}) ack 1", next + len));
        next += len;
        while let Some(ack) = t.next_left() {
            last_window = window(&ack);
            assert!(next + last_window >= edge, "shrunk: {ack}");
            edge = next + last_window;
        }
        t.advance(ms(40));
        while let Some(ack) = t.next_left() {
            last_window = window(&ack);
        }
    }
    assert!(next > 4096, "{next}");
    // Closed: a byte more is answered and not taken.
    t.inject(&format!("P. {next}:{}(1) ack 1", next + 1));
    t.expect(&format!(". 1:1(0) ack {next} win 0"));
    // Little room is none; then at least a segment, then only doublings.
    let mut announced = Vec::new();
    while t.act(|conn, _| conn.readable()) > 0 {
        t.read(200).unwrap();
        if let Some(ack) = t.next_left() {
            announced.push(window(&ack));
        }
    }
    assert!(announced[0] >= 536, "{announced:?}");
    assert!(announced.windows(2).all(|pair| pair[1] >= 2 * pair[0]), "{announced:?}");
}

#[test]
fn rfc9293_must_66_a_reset_is_believed_through_a_closed_window() {
    let mut t = Peer::new();
    t.listen(1, Options::new().with_recv_buffer_size(2048));
    t.inject("S 0:0(0) win 64000 <mss 536>");
    let room = window(&t.next_left().unwrap());
    t.inject(". 1:1(0) ack 1 win 64000");
    t.accept();
    let end = room + 1;
    t.inject(&format!("P. 1:{end}({room}) ack 1"));
    t.expect(&format!(". 1:1(0) ack {end} win 0"));
    t.inject(&format!("R {end}:{end}(0) win 0"));
    assert_eq!(t.read(10_000), Ok(room as usize));
    assert_eq!(t.read(1), Err(longhaul::error::Error::Reset));
}

#[test]
fn a_path_too_narrow_for_any_data_is_survived() {
    // No such path exists, but a configuration may say so; without window scaling the segment size is a divisor.
    let (mut send, mut receive, mut records) = ([0; 64], [0; 4096], [Sent::EMPTY; 4]);
    let mut ring = Ring::new(&mut send, &mut receive, &mut records);
    let flow = Flow { local: "192.0.2.1:80".parse().unwrap(), remote: "192.0.2.2:4000".parse().unwrap() };
    let setup = Setup { flow, iss: SeqNum::new(0), ts_offset: 0, mtu: 40, options: Options::new() };
    let (now, sysctl) = (Instant::ORIGIN, &Sysctl::LINUX);
    let syn = Header { window: 1000, ..Header::new(SeqNum::new(0), SeqNum::new(0), Flags::SYN) };
    let header = Header { window: 1000, ..Header::new(SeqNum::new(1), SeqNum::new(1), Flags::ACK) };
    let half_open = HalfOpen::new(now, &setup, &syn, sysctl);
    let mut conn = Conn::accept(now, &half_open, Options::new(), &header, sysctl);
    conn.handle_segment(now, &Segment { header, payload: &[7; 100] }, sysctl, &mut ring);
    while conn.poll_transmit(now, sysctl, &mut ring).is_some() {}
    assert_eq!(ring.readable(), 100);
}
