//! Data waits before a window of zero: probes, and how many of them unanswered are too many (RFC 9293 3.8.6.1).

use super::timeline::{Line, at, each, keepalive, then};
use crate::common::{ms, secs};
use longhaul::options::Options;
use longhaul::tcp::State;
use longhaul::wire::IcmpKind;

const PROBE: &str = ". 500:500";
const SHUT: &str = ". 1:1(0) ack 501 win 0";

/// Answers every probe at once up to `until_ms`; the probes.
fn answer_all(t: &mut Line, until_ms: u64) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(line) = t.next(until_ms) {
        assert!(line.ends_with(PROBE), "{line}");
        lines.push(line);
        t.inject(SHUT);
    }
    lines
}

#[test]
fn a_silent_peer_gets_retries2_probes() {
    // tcp_retries2, death (ms); for an RTO of 201 ms.
    let rows = [(0, 201), (1, 603), (2, 1407), (3, 3015), (4, 6231), (5, 12_663), (8, 102_711), (15, 925_623)];
    for (retries2, dead) in rows {
        let mut t = Line::stalled(|sysctl| sysctl.tcp_retries2 = retries2, Options::new());
        let lines = t.until_end();
        let probes: Vec<u64> =
            (1..=u32::from(retries2)).map(|k| if k < 10 { (201 << k) - 201 } else { late(k) }).collect();
        assert_eq!(lines, then(each(&probes, PROBE), format!("{dead} dead: ZeroWindow ETIMEDOUT")), "{retries2}");
    }
}

/// When the `k`th probe leaves once the interval is 120 s.
fn late(k: u32) -> u64 {
    205_623 + 120_000 * u64::from(k - 10)
}

#[test]
fn rto_max_bounds_the_interval_and_the_count_stays_a_count() {
    let mut t = Line::stalled(|sysctl| (sysctl.tcp_retries2, sysctl.tcp_rto_max_ms) = (6, 1000), Options::new());
    let lines = at([201, 603, 1407, 2407, 3407, 4407], PROBE);
    assert_eq!(t.until_end(), then(lines, "5407 dead: ZeroWindow ETIMEDOUT"));
    let mut t = Line::stalled(|sysctl| (sysctl.tcp_retries2, sysctl.tcp_rto_max_ms) = (255, 1000), Options::new());
    let lines = t.until_end();
    assert_eq!((lines.len(), lines[255].as_str()), (256, "254407 dead: ZeroWindow ETIMEDOUT"));
}

#[test]
fn the_first_interval_is_200_ms_at_least() {
    let options = Options::new().with_tcp_rto_min_us(50_000).unwrap();
    let mut t = Line::stalled(|sysctl| sysctl.tcp_retries2 = 2, options);
    assert_eq!(t.until_end(), then(at([200, 600], PROBE), "1400 dead: ZeroWindow ETIMEDOUT"));
}

#[test]
fn a_peer_that_answers_for_an_hour_is_alive_all_the_time() {
    let mut t = Line::stalled(|_| (), Options::new());
    let probes: Vec<u64> = (1..=38).map(|k| if k < 10 { (201 << k) - 201 } else { late(k) }).collect();
    assert_eq!(answer_all(&mut t, 3_600_000), each(&probes, PROBE));
    assert_eq!(t.state(), State::Established);
    // And then it gets all fifteen probes, at the slowest pace.
    let probes: Vec<u64> = (39..=53).map(late).collect();
    assert_eq!(t.until_end(), then(each(&probes, PROBE), format!("{} dead: ZeroWindow ETIMEDOUT", late(54))));
}

#[test]
fn after_answers_the_full_count_is_available_again_and_retries2_bounds_the_backoff() {
    let mut t = Line::stalled(|sysctl| sysctl.tcp_retries2 = 3, Options::new());
    assert_eq!(answer_all(&mut t, 603), at([201, 603], PROBE));
    assert_eq!(t.until_end(), then(at([1407, 3015, 4623], PROBE), "6231 dead: ZeroWindow ETIMEDOUT"));
    let mut t = Line::stalled(|sysctl| sysctl.tcp_retries2 = 2, Options::new());
    assert_eq!(answer_all(&mut t, 4000), at([201, 603, 1407, 2211, 3015, 3819], PROBE));
}

#[test]
fn an_answer_restarts_the_interval() {
    let mut t = Line::stalled(|_| (), Options::new());
    let mut lines = Vec::new();
    for answered_at in [211, 623, 1437] {
        lines.append(&mut t.until(answered_at));
        t.inject(SHUT);
    }
    lines.append(&mut t.until(3045));
    assert_eq!(lines, at([201, 613, 1427, 3045], PROBE));
}

#[test]
fn an_opened_window_is_used_at_once_and_ends_the_backoff() {
    let mut t = Line::stalled(|_| (), Options::new());
    assert_eq!(answer_all(&mut t, 1407), at([201, 603, 1407], PROBE));
    t.advance(ms(50));
    t.inject(". 1:1(0) ack 501 win 500");
    assert_eq!(t.until(1458), ["1457 . 501:1961", "1457 . 1961:3421", "1457 P. 3421:3501"]);
    t.inject(". 1:1(0) ack 3501 win 0");
    t.write(1000);
    assert_eq!(t.until(2061), at([1659, 2061], ". 3500:3500"));
}

#[test]
fn a_window_update_before_the_first_probe_spares_it() {
    let mut t = Line::stalled(|_| (), Options::new());
    t.until(200);
    t.inject(". 1:1(0) ack 501 win 500");
    assert_eq!(t.until(201), ["200 . 501:1961", "200 . 1961:3421", "200 P. 3421:3501"]);
    t.inject(". 1:1(0) ack 3501 win 500");
    assert_eq!(t.until(1_000_000), Vec::<String>::new());
}

#[test]
fn what_fits_a_small_window_leaves_when_the_probe_timer_fires() {
    let mut t = Line::open_default(Options::new());
    t.write(500);
    t.expect("P. 1:501(500) ack 1");
    t.advance(ms(1));
    t.inject(". 1:1(0) ack 501 win 1");
    t.write(384);
    t.zero();
    assert_eq!(t.until(202), ["201 P. 501:629"], "part of a segment, pushed");
    t.inject(". 1:1(0) ack 629 win 1");
    assert_eq!(t.until(404), ["403 P. 629:757"]);
    t.inject(". 1:1(0) ack 757 win 1");
    assert_eq!(t.until(404), ["404 P. 757:885"], "all that is left fits");
}

#[test]
fn what_left_into_a_small_window_is_judged_by_retransmission() {
    let mut t = Line::stalled(|sysctl| sysctl.tcp_retries2 = 1, Options::new());
    t.inject(". 1:1(0) ack 501 win 1");
    let lines = at([201, 402, 804], "P. 501:629");
    assert_eq!(t.until_end(), then(lines, "1608 dead: Retransmission ETIMEDOUT"));
}

#[test]
fn keepalive_does_not_interfere() {
    let mut t = Line::stalled(|sysctl| sysctl.tcp_rto_max_ms = 1000, keepalive(1, 1, 2));
    let probes = [201, 603, 1407, 2407, 3407, 4407, 5407];
    assert_eq!(answer_all(&mut t, 6000), at(probes, PROBE));
    let lines = t.until_end();
    assert_eq!(lines.len(), 15 + 1, "fifteen probes and the end, no reset");
    assert!(lines[15].ends_with("dead: ZeroWindow ETIMEDOUT"), "{lines:?}");
}

#[test]
fn a_reset_ends_it_and_an_icmp_error_about_a_probe_does_not() {
    let mut t = Line::stalled(|_| (), Options::new());
    assert_eq!(t.until(211), at([201], PROBE));
    t.inject("R 1:1(0)");
    assert_eq!(t.until_end(), ["211 dead: ECONNRESET"]);

    let mut t = Line::stalled(|sysctl| sysctl.tcp_retries2 = 2, Options::new());
    assert_eq!(t.until(211), at([201], PROBE));
    t.inject_icmp(IcmpKind::V4Unreachable(1), 500);
    assert_eq!(t.until_end(), then(at([603], PROBE), "1407 dead: ZeroWindow ETIMEDOUT"));

    let mut t = Line::stalled(|sysctl| sysctl.tcp_retries2 = 1, Options::new());
    assert_eq!(t.until(211), at([201], PROBE));
    t.inject_icmp(IcmpKind::V4Unreachable(1), 501);
    assert_eq!(t.until_end(), ["603 dead: ZeroWindow EHOSTUNREACH"]);
}

/// A connection whose peer shut its window 50 ms after 1000 bytes left at zero.
fn shrunk(retries2: u8) -> Line {
    let configure = |sysctl: &mut longhaul::config::Sysctl| {
        (sysctl.tcp_retries2, sysctl.tcp_rto_max_ms) = (retries2, 1000);
    };
    let mut t = Line::open(configure, Options::new());
    t.write(1000);
    t.expect("P. 1:1001(1000) ack 1");
    t.until(50);
    t.inject(". 1:1(0) ack 1 win 0");
    t
}

#[test]
fn a_window_shut_over_data_in_flight_gets_the_head_in_full_for_as_long_as_the_peer_answers() {
    let mut t = shrunk(2);
    let mut lines = Vec::new();
    while let Some(line) = t.next(60_000) {
        assert!(line.ends_with("P. 1:1001"), "{line}");
        lines.push(line);
        t.inject(". 1:1(0) ack 1 win 0");
    }
    let resent: Vec<u64> = [201, 603, 1407].into_iter().chain((2407..60_000).step_by(1000)).collect();
    assert_eq!(lines, each(&resent, "P. 1:1001"));
    t.inject(". 1:1(0) ack 1001 win 500");
    assert_eq!(t.until(600_000), Vec::<String>::new());
}

#[test]
fn and_silence_of_more_than_twice_rto_max_ends_it() {
    for retries2 in [0, 2, 15] {
        let end = "2407 dead: ZeroWindow ETIMEDOUT";
        assert_eq!(shrunk(retries2).until_end(), then(at([201, 603, 1407], "P. 1:1001"), end), "{retries2}");
    }
    // Heard at 1407: 2000 ms later is not past 2000 ms.
    let mut t = shrunk(2);
    assert_eq!(t.until(1407), at([201, 603, 1407], "P. 1:1001"));
    t.inject(". 1:1(0) ack 1 win 0");
    assert_eq!(t.until_end(), then(at([2407, 3407], "P. 1:1001"), "4407 dead: ZeroWindow ETIMEDOUT"));
}

#[test]
fn an_orphan_is_probed_like_any_but_not_for_ever() {
    // tcp_orphan_retries, tcp_rto_max_ms, whether the peer answers: probes, gone (ms).
    let rows: [(u8, u32, bool, &[u64], u64); 6] = [
        (1, 120_000, false, &[201], 603),
        (2, 120_000, false, &[201, 603], 1407),
        (0, 120_000, false, &[201, 603, 1407, 3015, 6231, 12_663, 25_527, 51_255], 102_711),
        (0, 1000, false, &[201, 603, 1407], 2407),
        (5, 1000, true, &[201, 603, 1407, 2407, 3407], 4407),
        (0, 1000, true, &[201, 603, 1407], 2407),
    ];
    for (retries, rto_max_ms, answers, probes, gone) in rows {
        let mut t = Line::stalled(
            |sysctl| (sysctl.tcp_orphan_retries, sysctl.tcp_rto_max_ms) = (retries, rto_max_ms),
            Options::new(),
        );
        t.close();
        let mut lines = Vec::new();
        for &probe in probes.iter().filter(|_| answers) {
            lines.append(&mut t.until(probe));
            t.inject(SHUT);
        }
        lines.append(&mut t.until_end());
        assert_eq!(lines, then(each(probes, PROBE), format!("{gone} gone")), "{retries}, {rto_max_ms}, {answers}");
    }
}

#[test]
fn an_orphan_whose_window_opens_delivers_everything_and_its_fin() {
    let mut t = Line::stalled(|_| (), Options::new());
    t.close();
    assert_eq!(t.until(300), at([201], PROBE), "no FIN before the data");
    t.inject(". 1:1(0) ack 501 win 500");
    assert_eq!(t.until(301), ["300 . 501:1961", "300 . 1961:3421", "300 FP. 3421:3501"]);
    t.inject("F. 1:1(0) ack 3502 win 500");
    t.expect(". 3502:3502(0) ack 2");
    t.advance(secs(59));
    assert_eq!(t.until_end(), ["60301 gone"]);
}
