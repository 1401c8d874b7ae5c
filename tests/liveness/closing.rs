//! What the application has closed ends too: orphans, FIN-WAIT-2, TIME-WAIT (RFC 9293 3.6).

use super::timeline::{Line, at, each, then};
use crate::common::{ms, secs};
use longhaul::config::Sysctl;
use longhaul::options::Options;
use longhaul::tcp::State;
use longhaul::wire::IcmpKind;

const FIN: &str = "F. 1:1";
const NONE: Vec<String> = Vec::new();

fn retries(tcp_orphan_retries: u8, tcp_rto_max_ms: u32) -> impl FnOnce(&mut Sysctl) {
    move |sysctl| (sysctl.tcp_orphan_retries, sysctl.tcp_rto_max_ms) = (tcp_orphan_retries, tcp_rto_max_ms)
}

#[test]
fn a_fin_into_a_black_hole_is_resent_eight_times_in_102_s() {
    // tcp_orphan_retries, tcp_rto_max_ms: FINs (ms), gone (ms).
    let rows: [(u8, u32, &[u64], u64); 6] = [
        (0, 120_000, &[0, 201, 603, 1407, 3015, 6231, 12_663, 25_527, 51_255], 102_711),
        (1, 120_000, &[0, 201, 603], 1407),
        (2, 120_000, &[0, 201, 603, 1407], 3015),
        (8, 120_000, &[0, 201, 603, 1407, 3015, 6231, 12_663, 25_527, 51_255], 102_711),
        // Once the timeout has reached its largest, none is left of the eight.
        (0, 1000, &[0, 201, 603, 1407], 2407),
        (3, 1000, &[0, 201, 603, 1407, 2407], 3407),
    ];
    for (orphan_retries, rto_max_ms, fins, gone) in rows {
        let mut t = Line::open(retries(orphan_retries, rto_max_ms), Options::new());
        t.close();
        assert_eq!(t.until_end(), then(each(fins, FIN), format!("{gone} gone")), "{orphan_retries}, {rto_max_ms}");
    }
}

#[test]
fn data_before_the_fin_counts_the_same() {
    let mut t = Line::open(retries(1, 120_000), Options::new());
    t.write(2000);
    t.close();
    assert_eq!(t.until(0), ["0 . 1:1461", "0 P. 1461:2001", "0 F. 2001:2001"]);
    assert_eq!(t.until_end(), then(at([201, 603], ". 1:1461"), "1407 gone"));
}

#[test]
fn last_ack_is_an_orphan_and_an_answer_ends_it_at_once() {
    let mut t = Line::open(retries(1, 120_000), Options::new());
    t.inject("F. 1:1(0) ack 1");
    t.close();
    assert_eq!(t.until_end(), then(at([0, 201, 603], FIN), "1407 gone"));

    let mut t = Line::open_default(Options::new());
    t.inject("F. 1:1(0) ack 1");
    t.close();
    assert_eq!(t.until(300), at([0, 201], FIN));
    t.inject(". 2:2(0) ack 2");
    assert_eq!(t.until_end(), ["300 gone"]);
}

#[test]
fn a_soft_error_leaves_an_orphan_no_retries_once_its_timeout_is_the_largest() {
    // Without it the three retries, which model 2.4 s here, would have lasted until 3407.
    let mut t = Line::open(retries(3, 1000), Options::new());
    t.close();
    assert_eq!(t.until(1500), at([0, 201, 603, 1407], FIN));
    t.inject_icmp(IcmpKind::V4Unreachable(3), 1);
    assert_eq!(t.until_end(), ["2407 gone"]);
}

#[test]
fn shutdown_alone_makes_no_orphan() {
    let mut t = Line::open(|sysctl| (sysctl.tcp_retries2, sysctl.tcp_orphan_retries) = (3, 1), Options::new());
    t.finish();
    let lines = at([0, 201, 603, 1407, 3015], FIN);
    assert_eq!(t.until_end(), then(lines, "6231 dead: Retransmission ETIMEDOUT"));

    // And in FIN-WAIT-2 it stays for ever.
    let mut t = Line::open_default(Options::new());
    t.finish();
    t.until(1);
    t.inject(". 1:1(0) ack 2");
    assert_eq!(t.until(1_000_000_000), NONE);
    assert_eq!(t.state(), State::FinWait2);
    // Until it is closed: then the minute begins.
    t.close();
    assert_eq!(t.until_end(), ["1000060000 gone"]);
}

/// Closes, and the FIN is acknowledged after `ack_ms`, which is zero from then on.
fn fin_wait2(configure: impl FnOnce(&mut Sysctl), options: Options, ack_ms: u64) -> Line {
    let mut t = Line::open(configure, options);
    t.close();
    t.until(ack_ms);
    t.inject(". 1:1(0) ack 2");
    t.zero();
    t
}

#[test]
fn fin_wait_2_lasts_as_long_as_fin_timeout_or_linger2_say() {
    for (secs, gone) in [(1, 1000), (2, 2000), (60, 60_000), (61, 2000), (62, 4000), (65, 10_000), (80, 40_000)] {
        let mut t = fin_wait2(|sysctl| sysctl.tcp_fin_timeout = secs, Options::new(), 1);
        assert_eq!(t.until_end(), [format!("{gone} gone")], "tcp_fin_timeout {secs}");
        let mut t = fin_wait2(|_| (), Options::new().with_tcp_linger2(secs.cast_signed()), 1);
        assert_eq!(t.until_end(), [format!("{gone} gone")], "TCP_LINGER2 {secs}");
    }
    let mut t = fin_wait2(|_| (), Options::new().with_tcp_linger2(1_000_000), 1);
    assert_eq!(t.until_end(), ["120000 gone"], "cut to 120 s, which is two minutes in this way, too");
}

#[test]
fn fin_wait_2_lasts_three_and_a_half_timeouts_at_least() {
    // The FIN left at 0, 201 and 603 ms: the timeout is 804 ms when its ACK comes.
    let mut t = fin_wait2(|sysctl| sysctl.tcp_fin_timeout = 1, Options::new(), 623);
    assert_eq!(t.until_end(), ["2814 gone"]);
}

#[test]
fn a_negative_linger2_resets_instead() {
    let mut t = Line::open_default(Options::new().with_tcp_linger2(-1));
    t.close();
    t.until(1);
    t.inject(". 1:1(0) ack 2");
    assert_eq!(t.until(1), ["1 R 2:2", "1 gone"], "the answer of a stranger");

    // Closed when the peer has acknowledged the FIN already: an abort.
    let mut t = Line::open_default(Options::new().with_tcp_linger2(-1));
    t.finish();
    t.expect("F. 1:1(0) ack 1");
    t.inject(". 1:1(0) ack 2");
    t.close();
    assert_eq!(t.until(0), ["0 R. 2:2", "0 gone"]);
}

#[test]
fn the_peers_fin_in_time_leads_to_a_full_minute_of_time_wait() {
    for fin_timeout in [2, 60, 80] {
        let mut t = fin_wait2(|sysctl| sysctl.tcp_fin_timeout = fin_timeout, Options::new(), 1);
        t.until(1999);
        t.inject("F. 1:1(0) ack 2");
        t.expect(". 2:2(0) ack 2");
        assert_eq!(t.until_end(), ["61999 gone"], "{fin_timeout}");
    }
}

#[test]
fn data_for_an_orphan_draws_a_reset() {
    let mut t = fin_wait2(|_| (), Options::new(), 1);
    t.until(100);
    t.inject("P. 1:11(10) ack 2");
    assert_eq!(t.until(100), ["100 R 2:2", "100 gone"]);
    let mut t = Line::open_default(Options::new());
    t.close();
    t.until(100);
    t.inject("P. 1:11(10) ack 1");
    assert_eq!(t.until(100), ["100 R 1:1", "100 gone"]);
}

/// In TIME-WAIT since zero.
fn time_wait(configure: impl FnOnce(&mut Sysctl)) -> Line {
    let mut t = Line::open(configure, Options::new());
    t.close();
    t.expect("F. 1:1(0) ack 1");
    t.inject("F. 1:1(0) ack 2");
    t.expect(". 2:2(0) ack 2");
    t.zero();
    t
}

#[test]
fn time_wait_lasts_a_minute_whatever_fin_timeout_is() {
    for fin_timeout in [1, 60, 100] {
        assert_eq!(time_wait(|sysctl| sysctl.tcp_fin_timeout = fin_timeout).until_end(), ["60000 gone"]);
    }
}

#[test]
fn a_segment_with_an_ack_restarts_time_wait() {
    let mut t = time_wait(|_| ());
    t.until(20_000);
    t.inject(". 2:2(0) ack 2");
    assert_eq!(t.until_end(), ["80000 gone"], "silently");
    let mut t = time_wait(|_| ());
    for at_ms in [20_000, 79_999] {
        t.until(at_ms);
        t.inject("F. 1:1(0) ack 2");
        t.expect(". 2:2(0) ack 2");
    }
    assert_eq!(t.until_end(), ["139999 gone"]);
}

#[test]
fn a_reset_ends_time_wait_unless_rfc_1337_is_heeded() {
    for (tcp_rfc1337, gone) in [(0, "20000 gone"), (1, "60000 gone")] {
        let mut t = time_wait(|sysctl| sysctl.tcp_rfc1337 = tcp_rfc1337);
        t.until(20_000);
        t.inject("R 2:2(0)");
        assert_eq!(t.until_end(), [gone]);
    }
}

#[test]
fn with_the_application_still_there_time_wait_needs_no_connection() {
    let mut t = Line::open_default(Options::new());
    t.finish();
    t.expect("F. 1:1(0) ack 1");
    t.inject("F. 1:1(0) ack 2");
    t.expect(". 2:2(0) ack 2");
    assert_eq!(t.until(0), ["0 closed"]);
    t.close();
    assert_eq!((t.stack.connections().count(), t.stack.time_wait_len()), (0, 1));
    t.advance(secs(59));
    assert_eq!(t.stack.time_wait_len(), 1);
    assert_eq!(t.until_end(), ["60000 gone"]);
}

#[test]
fn both_fins_at_once_lead_through_closing() {
    let mut t = Line::open_default(Options::new());
    t.close();
    t.expect("F. 1:1(0) ack 1");
    t.inject("F. 1:1(0) ack 1");
    t.expect(". 2:2(0) ack 2");
    assert_eq!(t.until(500), at([201], FIN));
    t.inject(". 2:2(0) ack 2");
    assert_eq!(t.until_end(), ["60500 gone"]);
    // In CLOSING the FIN is still an orphan's.
    let mut t = Line::open(retries(1, 120_000), Options::new());
    t.close();
    t.expect("F. 1:1(0) ack 1");
    t.inject("F. 1:1(0) ack 1");
    t.expect(". 2:2(0) ack 2");
    t.advance(ms(1));
    assert_eq!(t.until_end(), then(at([201, 603], FIN), "1407 gone"));
}
