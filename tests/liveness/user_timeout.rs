//! `TCP_USER_TIMEOUT` over the rules that it bends; over keepalive see there. Its clock starts with the first
//! *retransmission*, window probe or SYN, and is read when a timer fires.

use super::timeline::{Line, at, each, then, user_timeout};
use crate::common::{Peer, ms};
use longhaul::options::Options;

const DATA: &str = "P. 1:101";
const PROBE: &str = ". 500:500";
const NONE: Vec<String> = Vec::new();

fn limit(user_timeout_ms: u64) -> Options {
    user_timeout(Options::new(), user_timeout_ms)
}

fn dead(at_ms: u64) -> String {
    format!("{at_ms} dead: UserTimeout ETIMEDOUT")
}

#[test]
fn fresh_data_dies_one_rto_plus_the_user_timeout_after_it_was_written() {
    // User timeout (ms), retransmissions (ms), death (ms).
    let rows: [(u64, &[u64], u64); 9] = [
        (1, &[201], 202),
        (100, &[201], 301),
        (300, &[201], 501),
        (402, &[201], 603),
        (700, &[201, 603], 901),
        (1000, &[201, 603], 1201),
        (2000, &[201, 603, 1407], 2201),
        (3500, &[201, 603, 1407, 3015], 3701),
        (30_000, &[201, 603, 1407, 3015, 6231, 12_663, 25_527], 30_201),
    ];
    for (limit_ms, resent, dead_ms) in rows {
        let mut t = Line::open_default(limit(limit_ms));
        t.write(100);
        t.expect("P. 1:101(100) ack 1");
        assert_eq!(t.until_end(), then(each(resent, DATA), dead(dead_ms)), "{limit_ms} ms");
    }
}

#[test]
fn it_takes_the_place_of_retries2_both_ways() {
    let mut t = Line::open(|sysctl| sysctl.tcp_retries2 = 1, limit(3000));
    t.write(100);
    assert_eq!(t.until_end(), then(at([0, 201, 603, 1407, 3015], DATA), dead(3201)));
    let mut t = Line::open(|sysctl| sysctl.tcp_rto_max_ms = 1000, limit(4000));
    t.write(100);
    assert_eq!(t.until_end(), then(at([0, 201, 603, 1407, 2407, 3407], DATA), dead(4201)));
    // Longer than the 925.6 s of retries2: 924.8 s would be the last expiry before it.
    let mut t = Line::open_default(limit(2_000_000));
    t.write(100);
    assert_eq!(t.until_end().last(), Some(&dead(2_000_201)));
}

#[test]
fn a_fin_in_flight_is_data() {
    let mut t = Line::open_default(limit(1000));
    t.finish();
    assert_eq!(t.until_end(), then(at([0, 201, 603], "F. 1:1"), dead(1201)));
}

#[test]
fn an_idle_connection_is_not_judged() {
    let mut t = Line::open_default(limit(1));
    assert_eq!(t.until(1_000_000_000), NONE);
}

#[test]
fn set_late_it_counts_from_the_next_expiry() {
    for (limit_ms, lines) in [
        (1000, vec![dead(3015)]),
        (5000, then(at([3015], DATA), dead(5201))),
        (10_000, then(at([3015, 6231], DATA), dead(10_201))),
    ] {
        let mut t = Line::open_default(Options::new());
        t.write(100);
        assert_eq!(t.until(1500), at([0, 201, 603, 1407], DATA));
        t.set(|options| user_timeout(options, limit_ms));
        assert_eq!(t.until_end(), lines, "{limit_ms} ms");
    }
}

#[test]
fn cleared_while_its_shortened_timer_runs_that_tick_resends() {
    let mut t = Line::open(|sysctl| sysctl.tcp_retries2 = 3, limit(2000));
    t.write(100);
    assert_eq!(t.until(2000), at([0, 201, 603, 1407], DATA));
    t.set(|options| user_timeout(options, 0));
    // The fifth timeout since the first send: 16 RTOs, and 5216 ms since the first retransmission.
    assert_eq!(t.until_end(), then(at([2201], DATA), "5417 dead: Retransmission ETIMEDOUT"));
}

#[test]
fn more_data_does_not_restart_its_clock() {
    let mut t = Line::open_default(limit(2000));
    t.write(100);
    assert_eq!(t.until(1500), at([0, 201, 603, 1407], DATA));
    t.write(100);
    assert_eq!(t.until_end(), [dead(2201)]);
}

#[test]
fn duplicate_acks_do_not_restart_its_clock() {
    let mut t = Line::open_default(limit(1000));
    t.write(100);
    let mut lines = t.until(201);
    t.inject(". 1:1(0) ack 1");
    lines.append(&mut t.until(603));
    t.inject(". 1:1(0) ack 1");
    lines.append(&mut t.until_end());
    assert_eq!(lines, then(at([0, 201, 603], DATA), dead(1201)));
}

#[test]
fn a_recovered_loss_restarts_its_clock() {
    let mut t = Line::open_default(limit(1000));
    t.write(100);
    t.until(703);
    t.inject(". 1:1(0) ack 101");
    t.until(803);
    t.write(100);
    assert_eq!(t.until(804), at([803], "P. 101:201"));
    t.inject(". 1:1(0) ack 201");
    t.until(1304);
    t.write(100);
    assert_eq!(t.until_end(), then(at([1304, 1505, 1907], "P. 201:301"), dead(2505)));
}

#[test]
fn partial_progress_does_not_and_kills_one_tick_after_the_next_retransmission() {
    let mut t = Line::open_default(limit(1000));
    t.write(2920);
    assert_eq!(t.until(1100)[2..], at([201, 603], ". 1:1461"));
    t.inject(". 1:1(0) ack 1461");
    assert_eq!(t.until_end(), then(at([1100, 1904], "P. 1461:2921"), dead(1905)));
}

#[test]
fn a_window_of_zero_starts_its_clock_with_the_first_probe() {
    let rows: [(u64, &[u64], u64); 4] =
        [(1, &[201], 203), (300, &[201], 501), (1000, &[201, 603], 1201), (5000, &[201, 603, 1407, 3015], 5201)];
    for (limit_ms, probes, dead_ms) in rows {
        let mut t = Line::stalled(|sysctl| sysctl.tcp_retries2 = 8, limit(limit_ms));
        assert_eq!(t.until_end(), then(each(probes, PROBE), dead(dead_ms)), "{limit_ms} ms");
    }
    let mut t = Line::stalled(|sysctl| sysctl.tcp_retries2 = 2, limit(60_000));
    let end = "1407 dead: ZeroWindow ETIMEDOUT";
    assert_eq!(t.until_end(), then(at([201, 603], PROBE), end), "here it only shortens");
}

#[test]
fn answers_with_a_window_of_zero_do_not_stop_its_clock() {
    let mut t = Line::stalled(|_| (), limit(1000));
    let mut lines = Vec::new();
    for at_ms in [201, 603] {
        lines.append(&mut t.until(at_ms));
        t.inject(". 1:1(0) ack 501 win 0");
    }
    lines.append(&mut t.until_end());
    assert_eq!(lines, then(at([201, 603], PROBE), dead(1201)));
}

#[test]
fn a_window_for_all_that_waits_restarts_its_clock() {
    let mut t = Line::stalled(|_| (), limit(1000));
    assert_eq!(t.until(653), at([201, 603], PROBE));
    t.inject(". 1:1(0) ack 501 win 500");
    assert_eq!(t.until(654), ["653 . 501:1961", "653 . 1961:3421", "653 P. 3421:3501"]);
    t.inject(". 1:1(0) ack 3501 win 0");
    t.until(753);
    t.write(1000);
    let lines = at([954, 1356], ". 3500:3500");
    assert_eq!(t.until_end(), then(lines, dead(1954)));
}

#[test]
fn a_window_for_the_first_buffer_does_too_though_more_waits() {
    let mut t = Line::stalled(|_| (), limit(1000));
    // Linux merges writes into buffers of half the largest window at most: 32000 bytes, and 51200 are admitted.
    t.write(57_000);
    assert_eq!(t.until(300), at([201], PROBE));
    t.inject(". 1:1(0) ack 501 win 400");
    let sent = 501 + 1460 * t.until(301).len();
    assert!(sent < 32_000, "the congestion window leaves some of it behind");
    t.inject(&format!(". 1:1(0) ack {sent} win 0"));
    let probe = format!(". {0}:{0}", sent - 1);
    assert_eq!(t.until_end(), then(at([502, 904], &probe), dead(1502)));
}

#[test]
fn a_window_for_some_of_it_lets_that_out_and_does_not_restart_its_clock() {
    let mut t = Line::stalled(|_| (), limit(1000));
    assert_eq!(t.until(300), at([201], PROBE));
    // 1536 bytes of the 3000: one segment.
    t.inject(". 1:1(0) ack 501 win 12");
    assert_eq!(t.until(301), ["300 . 501:1961"]);
    t.inject(". 1:1(0) ack 1961 win 0");
    assert_eq!(t.until_end(), then(at([502, 904], ". 1960:1960"), dead(1201)));
}

#[test]
fn set_while_probing_it_is_seen_at_the_next_probe() {
    let mut t = Line::stalled(|_| (), Options::new());
    assert_eq!(t.until(1500), at([201, 603, 1407], PROBE));
    t.set(|options| user_timeout(options, 1000));
    assert_eq!(t.until_end(), [dead(3015)]);
}

#[test]
fn a_window_shut_over_data_in_flight_counts_from_its_head_and_wants_it_exceeded() {
    let mut t = Line::open_default(limit(1000));
    t.write(100);
    let mut lines = t.until(50);
    for at_ms in [201, 603] {
        t.inject(". 1:1(0) ack 1 win 0");
        lines.append(&mut t.until(at_ms));
    }
    t.inject(". 1:1(0) ack 1 win 0");
    lines.append(&mut t.until_end());
    assert_eq!(lines, then(at([0, 201, 603], DATA), dead(1202)));

    // The head was sent 201 ms before the first expiry.
    let mut t = Line::open_default(limit(200));
    t.write(100);
    t.until(50);
    t.inject(". 1:1(0) ack 1 win 0");
    assert_eq!(t.until_end(), [dead(201)]);
}

#[test]
fn to_a_connect_it_counts_from_the_first_syn_and_only_shortens() {
    let rows: [(u64, u8, &[u64], &str); 5] = [
        (500, 6, &[0, 1000], "1001 dead: UserTimeout ETIMEDOUT"),
        (1000, 6, &[0, 1000], "1001 dead: UserTimeout ETIMEDOUT"),
        (2500, 6, &[0, 1000, 2000], "2500 dead: UserTimeout ETIMEDOUT"),
        (6500, 6, &[0, 1000, 2000, 3000, 4000, 5000], "6500 dead: UserTimeout ETIMEDOUT"),
        (1_000_000, 1, &[0, 1000, 2000, 3000, 4000, 5000], "7000 dead: Handshake ETIMEDOUT"),
    ];
    for (limit_ms, retries, syns, end) in rows {
        let mut peer = Peer::with(|config| config.sysctl.tcp_syn_retries = retries);
        peer.connect(limit(limit_ms));
        assert_eq!(Line::new(peer).until_end(), then(each(syns, "S 0:0"), end), "{limit_ms} ms");
    }
}

#[test]
fn for_an_orphan_it_takes_the_place_of_its_own_limit() {
    for (limit_ms, fins, gone) in [(500, vec![0, 201, 603], "701 gone"), (300, vec![0, 201], "501 gone")] {
        let mut t = Line::open_default(limit(limit_ms));
        t.close();
        assert_eq!(t.until_end(), then(each(&fins, "F. 1:1"), gone));
    }
    let mut t = Line::open(|sysctl| sysctl.tcp_orphan_retries = 1, limit(3000));
    t.close();
    assert_eq!(t.until_end(), then(at([0, 201, 603, 1407, 3015], "F. 1:1"), "3201 gone"), "also longer");
}

#[test]
fn an_accepted_connection_inherits_it_and_an_active_one_brings_it() {
    let mut peer = Peer::new();
    peer.connect_open(limit(1000));
    let mut t = Line::new(peer);
    t.advance(ms(5000));
    t.zero();
    t.write(100);
    assert_eq!(t.until_end(), then(at([0, 201, 603], DATA), dead(1201)));
}
