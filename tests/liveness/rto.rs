//! When is a segment sent again? The retransmission timeout, its backoff, and what ends it (RFC 6298).

use super::timeline::{Line, at};
use crate::common::{Peer, ms};
use longhaul::options::Options;
use longhaul::time::Duration;

const DATA: &str = "P. 1:101";
const TIMESTAMPS: &str = "mss 1460,TS val 100 ecr 0,nop,wscale 7";

/// A connection with timestamps: the harness's count of milliseconds is 1 at zero.
fn open_with_timestamps(options: Options) -> Line {
    let mut peer = Peer::new();
    peer.open_with(options, TIMESTAMPS);
    Line::new(peer)
}

/// A connection whose handshake took this long.
fn open_over(rtt: Duration) -> Line {
    let mut peer = Peer::new();
    peer.listen(1, Options::new());
    peer.inject("S 0:0(0) win 64000 <mss 1460,nop,wscale 7>");
    peer.expect("S. 0:0(0) ack 1 <...>");
    peer.advance(rtt);
    peer.inject(". 1:1(0) ack 1 win 500");
    peer.accept();
    peer.mark();
    Line::new(peer)
}

#[test]
fn each_timeout_doubles_the_next_with_timestamps_and_without() {
    let expected = at([0, 201, 603, 1407, 3015, 6231, 12_663, 25_527, 51_255, 102_711, 205_623], DATA);
    let without = Line::open_default(Options::new());
    for mut t in [without, open_with_timestamps(Options::new())] {
        t.write(100);
        assert_eq!(t.until(325_622), expected);
        assert_eq!(t.until(565_622), at([325_623, 445_623], DATA), "and from 120 s on it is constant");
    }
}

#[test]
fn the_first_timeout_is_the_round_trip_and_a_variance_of_200_ms_at_least() {
    // Round trip, and m + max(2m, 200): (us, ms), rounded up.
    for (rtt_us, rto_ms) in
        [(0, 201), (1, 201), (1000, 201), (10_000, 210), (50_000, 250), (100_000, 300), (300_000, 900)]
    {
        let mut t = open_over(Duration::from_micros(rtt_us));
        t.zero();
        t.write(100);
        // Off the millisecond grid the timer is rounded up to it.
        let lines = t.until(4 * rto_ms);
        assert_eq!(lines, at([0, rto_ms, 3 * rto_ms], DATA), "{rtt_us} us");
    }
}

#[test]
fn rto_max_bounds_the_doubling_by_sysctl_and_live_by_option() {
    let mut t = Line::open(|sysctl| sysctl.tcp_rto_max_ms = 1000, Options::new());
    t.write(100);
    assert_eq!(t.until(4000), at([0, 201, 603, 1407, 2407, 3407], DATA));

    let mut t = Line::open_default(Options::new());
    t.write(100);
    assert_eq!(t.until(1500), at([0, 201, 603, 1407], DATA));
    t.set(|options| options.with_tcp_rto_max_ms(2000).unwrap());
    assert_eq!(t.until(8000), at([3015, 5015, 7015], DATA), "seen when the pending timer fires");
}

#[test]
fn the_sysctls_of_the_bounds_are_read_when_a_connection_or_its_listener_is_made() {
    let narrow = |t: &mut Line| {
        t.stack.sysctl_mut().tcp_rto_max_ms = 1000;
        t.stack.sysctl_mut().tcp_rto_min_us = 1000;
    };
    let mut t = Line::open_default(Options::new());
    narrow(&mut t);
    t.write(100);
    assert_eq!(t.until(4000), at([0, 201, 603, 1407, 3015], DATA));
    // Options without bounds of their own leave those of the connection.
    t.set(|_| Options::new());
    assert_eq!(t.until(7000), at([6231], DATA));

    // So does a connection of ours.
    let mut peer = Peer::new();
    peer.connect_open(Options::new());
    let mut t = Line::new(peer);
    narrow(&mut t);
    t.write(100);
    assert_eq!(t.until(4000), at([0, 201, 603, 1407, 3015], DATA));

    // An accepted connection has them from the listener.
    let mut peer = Peer::new();
    peer.listen(1, Options::new());
    let mut t = Line::new(peer);
    narrow(&mut t);
    t.inject("S 0:0(0) win 64000 <mss 1460,nop,wscale 7>");
    t.expect("S. 0:0(0) ack 1 <...>");
    t.advance(ms(1));
    t.inject(". 1:1(0) ack 1 win 500");
    t.accept();
    t.zero();
    t.write(100);
    assert_eq!(t.until(4000), at([0, 201, 603, 1407, 3015], DATA));
}

#[test]
fn rto_min_lies_under_the_variance_term() {
    let expected = at([0, 51, 153, 357, 765], DATA);
    let option = Line::open_default(Options::new().with_tcp_rto_min_us(50_000).unwrap());
    for mut t in [Line::open(|sysctl| sysctl.tcp_rto_min_us = 50_000, Options::new()), option] {
        t.write(100);
        assert_eq!(t.until(1000), expected);
    }
}

#[test]
fn a_handshake_without_a_sample_means_three_seconds() {
    let mut peer = Peer::new();
    peer.listen(1, Options::new());
    peer.inject("S 0:0(0) win 64000 <mss 1460,nop,wscale 7>");
    peer.expect("S. 0:0(0) ack 1 <...>");
    peer.expect_after(ms(1000), "S. 0:0(0) ack 1 <...>");
    peer.inject(". 1:1(0) ack 1 win 500");
    peer.accept();
    peer.mark();
    let mut t = Line::new(peer);
    t.write(100);
    assert_eq!(t.until(9000), at([0, 3000, 9000], DATA));
}

#[test]
fn without_timestamps_the_doubled_timeout_outlives_the_ack_until_a_clean_one() {
    let mut t = Line::open_default(Options::new());
    t.write(100);
    assert_eq!(t.until(604), at([0, 201, 603], DATA));
    // Karn: which copy was acknowledged? No sample, and the backoff of 4 stays.
    t.inject(". 1:1(0) ack 101");
    t.until(1000);
    t.write(100);
    assert_eq!(t.until(1805), at([1000, 1804], "P. 101:201"));
    t.inject(". 1:1(0) ack 201");
    t.until(2000);
    t.write(100);
    assert_eq!(t.until(2001), at([2000], "P. 201:301"));
    // Clean: a sample of one millisecond.
    t.inject(". 1:1(0) ack 301");
    t.until(3000);
    t.write(100);
    assert_eq!(t.until(3402), at([3000, 3201], "P. 301:401"));
}

#[test]
fn without_timestamps_an_ack_that_touches_a_copy_is_no_sample_either() {
    let mut t = Line::open_default(Options::new());
    t.write(2920);
    assert_eq!(t.until(300), ["0 . 1:1461", "0 P. 1461:2921", "201 . 1:1461"]);
    // The second segment was sent once, but its ACK waited for the copy of the first.
    t.inject(". 1:1(0) ack 2921");
    t.write(100);
    assert_eq!(t.until(800), at([300, 702], "P. 2921:3021"));
}

#[test]
fn with_timestamps_the_echo_tells_and_the_backoff_ends_at_once() {
    let mut t = open_with_timestamps(Options::new());
    t.write(100);
    assert_eq!(t.until(604), at([0, 201, 603], DATA));
    // The copy of 603 ms carried 604, and was acknowledged within the millisecond.
    t.inject(". 1:1(0) ack 101 win 500 <nop,nop,TS val 700 ecr 604>");
    t.until(1000);
    t.write(100);
    assert_eq!(t.until(1300), at([1000, 1201], "P. 101:201"));
}

#[test]
fn an_ack_of_a_whole_segment_restarts_the_timer() {
    let mut t = Line::open_default(Options::new());
    t.write(2920);
    assert_eq!(t.until(150), ["0 . 1:1461", "0 P. 1461:2921"]);
    // A second sample of 150 ms: SRTT 1 + 149/8 = 19.625 ms, and 200 ms: 220 ms from here.
    t.inject(". 1:1(0) ack 1461");
    assert_eq!(t.until(400), ["370 P. 1461:2921"]);
}

#[test]
fn an_ack_inside_a_segment_does_not() {
    let mut t = Line::open_default(Options::new());
    t.write(1000);
    t.until(100);
    t.inject(". 1:1(0) ack 501");
    assert_eq!(t.until(700), ["201 P. 501:1001", "603 P. 501:1001"]);
}

#[test]
fn duplicate_acks_leave_the_timer_alone() {
    let mut t = Line::open_default(Options::new());
    t.write(100);
    let mut lines = Vec::new();
    for at in [100, 300, 700, 1000] {
        lines.append(&mut t.until(at));
        t.inject(". 1:1(0) ack 1");
    }
    lines.append(&mut t.until(3015));
    assert_eq!(lines, at([0, 201, 603, 1407, 3015], DATA));
}

#[test]
fn only_the_first_segment_goes_again() {
    let mut t = Line::open_default(Options::new());
    t.write(4380);
    assert_eq!(t.until(1000), ["0 . 1:1461", "0 . 1461:2921", "0 P. 2921:4381", "201 . 1:1461", "603 . 1:1461"]);
}

#[test]
fn a_thin_stream_may_keep_its_timeout_six_times() {
    let linear = at([201, 402, 603, 804, 1005, 1206, 1407, 1809, 2613], DATA);
    let option = Line::open_default(Options::new().with_tcp_thin_linear_timeouts(true));
    for mut t in [Line::open(|sysctl| sysctl.tcp_thin_linear_timeouts = 1, Options::new()), option] {
        t.write(100);
        t.expect("P. 1:101(100) ack 1");
        assert_eq!(t.until(3000), linear);
    }
    // Four segments in flight are not thin.
    let mut t = Line::open_default(Options::new().with_tcp_thin_linear_timeouts(true));
    t.write(5840);
    assert_eq!(t.until(1500)[4..], at([201, 603, 1407], ". 1:1461"));
}
