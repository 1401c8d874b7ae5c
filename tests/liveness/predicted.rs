//! Data that Linux's fast path takes is life to the idle clock and to nothing else (`tcp_rcv_established`). Measured on
//! Linux 6.18: with bytes unread, or with bytes to send, it makes that difference; to a reader that keeps up, none.

use super::timeline::{Line, at, keepalive, then};
use crate::common::Peer;
use longhaul::error::{Errno, Error};
use longhaul::options::Options;
use longhaul::wire::IcmpKind;

const PROBE: &str = ". 0:0";

/// The first probe is answered by 5 new bytes, 10 came before; what follows. `read`: the application keeps up.
fn answered_by_data(read: bool, answer: &str) -> Vec<String> {
    let mut t = Line::open_default(keepalive(1, 1, 2));
    t.until(100);
    t.inject("P. 1:11(10) ack 1 win 500");
    if read {
        assert_eq!(t.read(100), Ok(10));
    }
    assert_eq!(t.until(1130), ["100 . 1:1", "1100 . 0:0"]);
    t.inject(answer);
    if read {
        assert_eq!(t.read(100), Ok(5));
    }
    let mut lines = t.until_end();
    assert_eq!(lines.remove(0), "1130 . 1:1");
    lines
}

#[test]
fn behind_unread_data_an_answer_that_is_data_does_not_end_the_count_of_probes() {
    let end = |probes: Vec<String>, dead_ms| {
        then(then(probes, format!("{dead_ms} R. 1:1")), format!("{dead_ms} dead: Keepalive ETIMEDOUT"))
    };
    // The idle clock starts anew at 1130 either way.
    let data = "P. 11:16(5) ack 1 win 500";
    assert_eq!(answered_by_data(false, data), end(at([2130], PROBE), 3130));
    assert_eq!(answered_by_data(true, data), end(at([2130, 3130], PROBE), 4130));
    // Whatever the header has to tell besides makes the whole of it count.
    assert_eq!(answered_by_data(false, "P. 11:16(5) ack 1 win 501"), end(at([2130, 3130], PROBE), 4130));
}

#[test]
fn data_with_the_same_shut_window_does_not_answer_a_window_probe() {
    let probe = ". 500:500";
    let mut t = Line::stalled(|sysctl| sysctl.tcp_retries2 = 2, Options::new());
    assert_eq!(t.until(300), at([201], probe));
    t.inject("P. 1:11(10) ack 501 win 0");
    let mut lines = t.until_end();
    lines.retain(|line| !line.contains("3501"));
    assert_eq!(lines, ["300 . 501:501", "603 . 500:500", "1407 dead: ZeroWindow ETIMEDOUT"]);
}

#[test]
fn with_data_in_flight_it_leaves_what_the_network_said() {
    let mut t = Peer::new();
    t.open(Options::new());
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.inject_icmp(IcmpKind::V4Unreachable(1), 1);
    t.inject("P. 1:11(10) ack 1 win 500");
    t.expect(". 101:101(0) ack 11");
    assert_eq!(t.take_error(), Some(Error::Unreachable(Errno::EHOSTUNREACH)));
    // A bare ACK clears it.
    t.inject_icmp(IcmpKind::V4Unreachable(1), 1);
    t.inject(". 11:11(0) ack 1 win 500");
    assert_eq!(t.take_error(), None);
}

#[test]
fn data_beyond_a_gap_is_not_predicted_nor_what_fills_it() {
    let mut t = Line::open_default(keepalive(1, 1, 2));
    t.until(100);
    t.inject("P. 1:11(10) ack 1 win 500");
    for inject in ["P. 21:26(5) ack 1 win 500", "P. 11:21(10) ack 1 win 500"] {
        let probe_at = t.now_ms().max(100) + 1000;
        t.until(probe_at);
        assert_eq!(t.act(|conn, now| conn.info(now).probes), 1);
        t.inject(inject);
        t.until(probe_at + 1);
        assert_eq!(t.act(|conn, now| conn.info(now).probes), 0, "{inject}");
    }
}
