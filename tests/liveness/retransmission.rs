//! When is a peer that acknowledges nothing dead? `tcp_retries2` as a modelled time, its clock, and ICMP (RFC 9293
//! 3.8.3, RFC 6069).

use super::timeline::{Line, at, each, then};
use crate::common::ms;
use longhaul::error::{Cause, Errno, Error};
use longhaul::options::Options;
use longhaul::wire::IcmpKind;

const DATA: &str = "P. 1:101";
const HOST_UNREACHABLE: IcmpKind = IcmpKind::V4Unreachable(1);

/// Writes 100 bytes into silence: how often they leave again, and the end.
fn black_hole(retries2: u8, rto_max_ms: u32) -> (usize, String) {
    let mut t =
        Line::open(|sysctl| (sysctl.tcp_retries2, sysctl.tcp_rto_max_ms) = (retries2, rto_max_ms), Options::new());
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    let mut lines = t.until_end();
    let end = lines.pop().unwrap();
    assert!(lines.iter().all(|line| line.ends_with(DATA)), "{lines:?}");
    (lines.len(), end)
}

/// For `tcp_retries2` of 0 to 15 and an RTO of 201 ms: retransmissions, death (ms).
const BLACK_HOLE: [(usize, u64); 16] = [
    (1, 603),
    (2, 1407),
    (3, 3015),
    (4, 6231),
    (5, 12_663),
    (6, 25_527),
    (7, 51_255),
    (7, 51_255),
    (8, 102_711),
    (9, 205_623),
    (10, 325_623),
    (11, 445_623),
    (12, 565_623),
    (13, 685_623),
    (14, 805_623),
    (15, 925_623),
];

#[test]
fn retries2_is_a_time_and_by_default_925_s() {
    for (retries2, (resent, dead)) in BLACK_HOLE.into_iter().enumerate() {
        let expected = (resent, format!("{dead} dead: Retransmission ETIMEDOUT"));
        assert_eq!(black_hole(retries2 as u8, 120_000), expected, "tcp_retries2 = {retries2}");
    }
}

#[test]
fn a_smaller_rto_max_bends_the_model_and_the_connection_alike() {
    for retries2 in 0..=15_u8 {
        // Timeouts of 201, 402, 804, 1000, 1000 ...; the model: 200, 400, 800, 1000, 1000 ...
        let dead = [603, 1407, 2407][usize::from(retries2.min(2))] + 1000 * u64::from(retries2.saturating_sub(2));
        let expected = (usize::from(retries2) + 1, format!("{dead} dead: Retransmission ETIMEDOUT"));
        assert_eq!(black_hole(retries2, 1000), expected, "tcp_retries2 = {retries2}");
        // 201, 402, 804, 1608, 2000, 2000 ...; the model: 200, 400, 800, 1600, 2000 ...
        let dead = [603, 1407, 3015, 5015][usize::from(retries2.min(3))] + 2000 * u64::from(retries2.saturating_sub(3));
        let expected = (usize::from(retries2) + 1, format!("{dead} dead: Retransmission ETIMEDOUT"));
        assert_eq!(black_hole(retries2, 2000), expected, "tcp_retries2 = {retries2}");
    }
}

#[test]
fn the_largest_retries2_lives_for_eight_hours() {
    // 1023 * 0.2 s and 246 * 120 s are modelled; ten timeouts end at 205.623 s, and every 120 s comes another.
    assert_eq!(black_hole(255, 120_000), (255, "29725623 dead: Retransmission ETIMEDOUT".into()));
    assert_eq!(black_hole(255, 1000), (256, "255407 dead: Retransmission ETIMEDOUT".into()));
}

#[test]
fn a_larger_rto_needs_fewer_retransmissions_and_a_smaller_one_more() {
    // The model stays at 200 ms whatever the RTO is: 51, 102, 204 ... ms here.
    let options = Options::new().with_tcp_rto_min_us(50_000).unwrap();
    let mut t = Line::open(|sysctl| sysctl.tcp_retries2 = 2, options);
    t.write(100);
    assert_eq!(t.until_end(), then(at([0, 51, 153, 357, 765], DATA), "1581 dead: Retransmission ETIMEDOUT"));
    // No sample from the handshake: 3, 6, 12 ... 96, 120 s.
    let mut t = Line::with(|_| ());
    t.listen(1, Options::new());
    t.inject("S 0:0(0) win 64000 <mss 1460,nop,wscale 7>");
    t.expect("S. 0:0(0) ack 1 <...>");
    t.expect_after(ms(1000), "S. 0:0(0) ack 1 <...>");
    t.inject(". 1:1(0) ack 1 win 500");
    t.accept();
    t.zero();
    t.write(100);
    let resent = [0, 3, 9, 21, 45, 93, 189, 309, 429, 549, 669, 789, 909].map(|secs| secs * 1000);
    assert_eq!(t.until_end(), then(each(&resent, DATA), "1029000 dead: Retransmission ETIMEDOUT"));
}

#[test]
fn retries1_changes_nothing_on_the_wire() {
    let mut t = Line::open(|sysctl| (sysctl.tcp_retries1, sysctl.tcp_retries2) = (0, 2), Options::new());
    t.write(100);
    assert_eq!(t.until_end(), then(at([0, 201, 603, 1407], DATA), "3015 dead: Retransmission ETIMEDOUT"));
}

#[test]
fn retries2_is_read_at_each_expiry() {
    let mut t = Line::open_default(Options::new());
    t.write(100);
    assert_eq!(t.until(2000), at([0, 201, 603, 1407], DATA));
    t.stack.sysctl_mut().tcp_retries2 = 1;
    assert_eq!(t.until_end(), ["3015 dead: Retransmission ETIMEDOUT"]);
}

#[test]
fn partial_progress_grants_a_retransmission_and_does_not_move_the_clock() {
    let mut t = Line::open(|sysctl| sysctl.tcp_retries2 = 2, Options::new());
    t.write(5840);
    assert_eq!(t.until(500)[4..], ["201 . 1:1461"]);
    t.inject(". 1:1(0) ack 1461");
    assert_eq!(t.until(800), ["500 . 1461:2921", "500 . 2921:4381"]);
    t.inject(". 1:1(0) ack 2921");
    assert_eq!(t.until(1100), ["800 P. 4381:5841"]);
    t.inject(". 1:1(0) ack 4381");
    // 1301 ms after the first retransmission are not 1400; at 2306 it is 2105, but only 804 since this one.
    assert_eq!(t.until_end(), ["1502 P. 4381:5841", "2306 dead: Retransmission ETIMEDOUT"]);
}

#[test]
fn the_end_of_the_episode_stops_the_clock() {
    let mut t = Line::open(|sysctl| sysctl.tcp_retries2 = 2, Options::new());
    t.write(100);
    assert_eq!(t.until(300), at([0, 201], DATA));
    t.inject(". 1:1(0) ack 101");
    t.until(10_000);
    t.write(100);
    // One doubling is left over from before, for want of a sample: 402, 804, 1608 ms.
    let lines = at([10_000, 10_402, 11_206], "P. 101:201");
    assert_eq!(t.until_end(), then(lines, "12814 dead: Retransmission ETIMEDOUT"));
}

#[test]
fn after_death_every_call_but_the_first_sees_a_closed_connection() {
    let mut t = Line::open(|sysctl| sysctl.tcp_retries2 = 0, Options::new());
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.write(100);
    assert_eq!(t.until(603), then(at([0, 201], DATA), "603 dead: Retransmission ETIMEDOUT"));
    let error = Error::TimedOut { cause: Cause::Retransmission, errno: Errno::ETIMEDOUT };
    assert_eq!(t.read(100), Ok(10));
    assert_eq!(t.try_write(1), Err(error));
    assert_eq!(t.try_write(1), Err(Error::BrokenPipe));
    assert_eq!(t.read(100), Ok(0));
}

#[test]
fn an_icmp_error_names_the_death_unless_an_ack_came_after_it() {
    let rows = [
        (IcmpKind::V4Unreachable(3), "ECONNREFUSED"),
        (IcmpKind::V4Unreachable(13), "EHOSTUNREACH"),
        (IcmpKind::TimeExceeded, "EHOSTUNREACH"),
        (IcmpKind::ParameterProblem, "EPROTO"),
        (IcmpKind::SourceQuench, "ETIMEDOUT"),
    ];
    for (kind, errno) in rows {
        let mut t = Line::open(|sysctl| sysctl.tcp_retries2 = 1, Options::new());
        t.write(100);
        assert_eq!(t.until(300), at([0, 201], DATA));
        t.inject_icmp(kind, 1);
        assert_eq!(t.until_end(), then(at([603], DATA), format!("1407 dead: Retransmission {errno}")), "{kind:?}");
    }
    let mut t = Line::open(|sysctl| sysctl.tcp_retries2 = 1, Options::new());
    t.write(100);
    assert_eq!(t.until(300), at([0, 201], DATA));
    t.inject_icmp(IcmpKind::V4Unreachable(3), 1);
    t.inject(". 1:1(0) ack 1");
    assert_eq!(
        t.until_end(),
        then(at([603], DATA), "1407 dead: Retransmission ETIMEDOUT"),
        "a duplicate ACK clears it"
    );
}

#[test]
fn a_host_unreachable_for_every_copy_makes_the_spacing_constant_and_the_life_no_longer() {
    let mut t = Line::open(|sysctl| sysctl.tcp_retries2 = 3, Options::new());
    t.write(100);
    let mut lines = t.until(201);
    while t.now_ms() < 3015 {
        let now_ms = t.now_ms();
        t.until(now_ms + 10);
        t.inject_icmp(HOST_UNREACHABLE, 1);
        lines.append(&mut t.until(now_ms + 201));
    }
    // 3 s after the first retransmission: the sixteenth timeout.
    let expected: Vec<u64> = (0..=15).map(|k| k * 201).collect();
    assert_eq!(lines, each(&expected, DATA));
    t.until(3025);
    t.inject_icmp(HOST_UNREACHABLE, 1);
    assert_eq!(t.until_end(), ["3216 dead: Retransmission EHOSTUNREACH"]);
}

#[test]
fn one_host_unreachable_undoes_one_doubling() {
    let mut t = Line::open_default(Options::new());
    t.write(100);
    assert_eq!(t.until(1417), at([0, 201, 603, 1407], DATA));
    t.inject_icmp(HOST_UNREACHABLE, 1);
    assert_eq!(t.until(3819), at([2211, 3819], DATA));

    // Later than the shorter timeout: at once.
    let mut t = Line::open_default(Options::new());
    t.write(100);
    assert_eq!(t.until(2500), at([0, 201, 603, 1407], DATA));
    t.inject_icmp(HOST_UNREACHABLE, 1);
    assert_eq!(t.until(4108), at([2500, 4108], DATA));

    // A port is not a route, and a number that is not the first unacknowledged proves nothing.
    for (kind, seq) in [(IcmpKind::V4Unreachable(3), 1), (HOST_UNREACHABLE, 101)] {
        let mut t = Line::open_default(Options::new());
        t.write(100);
        assert_eq!(t.until(1417), at([0, 201, 603, 1407], DATA));
        t.inject_icmp(kind, seq);
        assert_eq!(t.until(3015), at([3015], DATA), "{kind:?} about {seq}");
    }
}

#[test]
fn a_reset_in_answer_ends_it_at_once() {
    let mut t = Line::open_default(Options::new());
    t.write(100);
    t.until(250);
    t.inject("R 1:1(0)");
    assert_eq!(t.until_end(), ["250 dead: ECONNRESET"]);
}
