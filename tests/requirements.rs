//! Requirements of RFC 9293 that no other file's subject covers: each test has its label in its name. The index of all
//! of them is `tests/conformance`.
#![cfg(feature = "alloc")]

mod common;

use common::{Peer, ms};
use core::net::SocketAddr;
use longhaul::options::Options;
use longhaul::tcp::{Event, SendFlags, State};

fn open() -> Peer {
    let mut t = Peer::new();
    t.open(Options::new());
    t.events();
    t
}

/// 3.1: 16 bits are unsigned, scaled or not, up to 2^30.
#[test]
fn rfc9293_must_1_a_window_with_its_top_bit_set_is_large() {
    for (window, usable) in [(0x8000_u32, 0x8000 << 7), (0xffff, 0xffff << 7)] {
        let mut t = open();
        t.inject(&format!(". 1:1(0) ack 1 win {window}"));
        assert_eq!(t.info().snd_wnd, usable);
        t.write(1000);
        t.expect("P. 1:1001(1000) ack 1");
    }
    let mut t = Peer::new();
    t.open_with(Options::new(), "mss 1460,nop,wscale 14");
    t.inject(". 1:1(0) ack 1 win 65535");
    assert_eq!(t.info().snd_wnd, 65_535 << 14, "just below 2^30");
}

/// 3.8.5: the pointer is one past the urgent byte, in each segment before it, and the byte goes in line.
#[test]
fn rfc9293_must_30_62_urgent_data_is_sent_in_line_with_its_pointer() {
    let mut t = open();
    t.write_with(10, SendFlags::OOB);
    t.expect("PU. 1:11(10) ack 1 urg 10");
    t.inject(". 1:1(0) ack 11");
    t.write(10);
    t.expect("P. 11:21(10) ack 1");
}

/// 3.8.5 [MUST-31]: and none of it waits for being small.
#[test]
fn rfc9293_must_31_urgent_data_longer_than_a_segment_is_announced_by_each() {
    let mut t = open();
    t.write_with(3000, SendFlags::OOB);
    t.expect("U. 1:1461(1460) ack 1 urg 3000");
    t.expect("U. 1461:2921(1460) ack 1 urg 1540");
    t.expect("PU. 2921:3001(80) ack 1 urg 80");
    t.write(10);
    t.expect("P. 3001:3011(10) ack 1");
    // Acknowledged in part, it is urgent still.
    t.inject(". 1:1(0) ack 1461");
    t.write(10);
    t.expect("P. 3011:3021(10) ack 1");
    t.inject(". 1:1(0) ack 3021");
    t.write(10);
    t.expect("P. 3021:3031(10) ack 1");
    t.write(10);
    t.expect_nothing();
}

/// An ACK tells of urgent data that a closed window holds back.
#[test]
fn rfc9293_must_30_what_is_urgent_is_announced_through_a_closed_window() {
    let mut t = open();
    t.inject(". 1:1(0) ack 1 win 0");
    t.write_with(5, SendFlags::OOB);
    t.expect_nothing();
    t.advance(ms(50));
    t.inject("P. 1:11(10) ack 1 win 0");
    t.expect("U. 1:1(0) ack 11 urg 5");
}

#[test]
fn rfc9293_must_32_33_ev_60_61_the_application_is_told_once_and_can_ask_how_far_it_is() {
    let mut t = open();
    assert_eq!(t.urgent_mark(), None);
    // Announced before it comes.
    t.inject("U. 1:1(0) ack 1 urg 8");
    assert_eq!((t.events(), t.urgent_mark()), (vec![Event::Urgent], Some(7)));
    t.inject("PU. 1:6(5) ack 1 urg 8");
    t.expect(". 1:1(0) ack 6");
    assert_eq!((t.events(), t.urgent_mark()), (vec![Event::Readable], Some(7)));
    assert_eq!((t.read(5), t.urgent_mark()), (Ok(5), Some(2)));
    // An older pointer moves nothing back; a newer one is news.
    t.inject("U. 6:6(0) ack 1 urg 1");
    assert_eq!((t.events(), t.urgent_mark()), (vec![], Some(2)));
    t.inject("PU. 6:16(10) ack 1 urg 10");
    t.expect(". 1:1(0) ack 16");
    assert_eq!((t.events(), t.urgent_mark()), (vec![Event::Readable, Event::Urgent], Some(9)));
    assert_eq!((t.read(9), t.urgent_mark()), (Ok(9), Some(0)));
    assert_eq!((t.read(9), t.urgent_mark()), (Ok(1), None));
}

#[test]
fn rfc9293_ev_62_after_the_peers_fin_nothing_is_urgent() {
    let mut t = open();
    t.inject("F. 1:1(0) ack 1");
    t.events();
    t.inject("U. 2:2(0) ack 1 urg 8");
    assert_eq!((t.events(), t.urgent_mark()), (vec![], None));
}

/// 3.9.1.1: a listener beside a connection of the same port, and beside a connect from it.
#[test]
fn rfc9293_must_41_42_listening_disturbs_nobody_and_is_possible_beside_a_connect() {
    let mut t = Peer::new();
    t.connect(Options::new());
    t.expect("S 0:0(0) <...>");
    let local = t.flow().local;
    let listener = t.stack.listen(local, 4, Options::new());
    assert!(listener.is_ok(), "beside a connection in SYN-SENT: {listener:?}");
    t.inject("S. 0:0(0) ack 1 <mss 1460>");
    t.expect(". 1:1(0) ack 1");
    assert_eq!(t.state(), State::Established);
    t.write(10);
    t.expect("P. 1:11(10) ack 1");
}

#[test]
fn rfc9293_must_43_44_45_a_local_address_is_given_or_chosen_and_stays() {
    let mut t = Peer::new();
    let (now, remote): (_, SocketAddr) = (t.now(), "198.51.100.7:80".parse().unwrap());
    let given: SocketAddr = "192.0.2.1:4321".parse().unwrap();
    let ids = [Some(given), None].map(|local| t.stack.connect(now, local, remote, Options::new()).unwrap());
    let locals = ids.map(|id| t.stack.conn(id).unwrap().flow().local);
    assert_eq!(locals[0], given);
    assert_eq!(locals[1].ip(), given.ip(), "the stack's own address");
    assert_ne!(locals[1].port(), 0);
    // Before the SYN has left, and a second later, in every segment.
    let mut buffer = [0; 1500];
    for _ in 0..2 {
        while let Some(transmit) = t.stack.poll_transmit(t.now(), &mut buffer) {
            assert_eq!(buffer[12..16], [192, 0, 2, 1], "{:?}", &buffer[..transmit.len]);
        }
        t.fire_without_sending(ms(1000));
    }
}

/// RFC 8985 2: what was resent and lost again is found by what was sent after it.
#[test]
fn pi_52_a_lost_retransmission_is_repaired_without_a_timeout() {
    let mut t = Peer::new();
    t.open_with(Options::new(), "mss 1000,sackOK,nop,nop");
    t.write(10_000);
    (0..10).for_each(|_| {
        t.next_left().expect("a segment");
    });
    t.advance(ms(1));
    // The first is lost; the others arrive, and let new data out.
    t.inject(". 1:1(0) ack 1 <nop,nop,sack 1001:4001>");
    t.expect(". 1:1001(1000) ack 1");
    t.inject(". 1:1(0) ack 1 <nop,nop,sack 1001:10001>");
    t.write(1000);
    t.expect("P. 10001:11001(1000) ack 1");
    // What was sent after the repair arrives, and the repair does not.
    t.advance(ms(2));
    t.inject(". 1:1(0) ack 1 <nop,nop,sack 1001:11001>");
    t.expect(". 1:1001(1000) ack 1");
    assert_eq!(t.stack.stats().timeouts, 0);
}

/// 3.8.5 [SHLD-13]: nothing in the HTTP layer can say "urgent"; it does not even know of TCP.
#[test]
#[cfg(feature = "http")]
fn rfc9293_shld_13_the_http_layer_has_no_word_for_urgent_data() {
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(!text.contains("SendFlags") && !text.contains("crate::tcp"), "{}", path.display());
            files += 1;
        }
    }
    assert!(files > 3, "{files}");
}
