//! Keepalive: `idle + k * interval` for the probes, `idle + count * interval` for death (RFC 9293 3.8.4).

use super::timeline::{Line, at, each, keepalive, then, user_timeout};
use crate::common::{Peer, ms, secs};
use longhaul::error::{Cause, Errno, Error};
use longhaul::options::Options;
use longhaul::tcp::State;
use longhaul::wire::IcmpKind;

/// The probe: no data, one left of what is expected next.
const PROBE: &str = ". 0:0";
/// The only death that the peer is told of.
const RESET: &str = "R. 1:1";
const DEAD: &str = "dead: Keepalive ETIMEDOUT";

/// Probes at these times, then the reset and death, by this rule.
fn death(probes_ms: &[u64], death_ms: u64, cause: Cause) -> Vec<String> {
    let lines = then(each(probes_ms, PROBE), format!("{death_ms} {RESET}"));
    then(lines, format!("{death_ms} dead: {cause:?} ETIMEDOUT"))
}

/// Idle, interval (s), count, user timeout (ms): probes (s), death (s).
type Row = ((u64, u64, u32, u64), &'static [u64], u64);

const SILENT: &[Row] = &[
    ((1, 1, 3, 0), &[1, 2, 3], 4),
    ((10, 30, 5, 0), &[10, 40, 70, 100, 130], 160),
    ((60, 10, 6, 0), &[60, 70, 80, 90, 100, 110], 120),
    ((7200, 75, 9, 0), &[7200, 7275, 7350, 7425, 7500, 7575, 7650, 7725, 7800], 7875),
    ((32_767, 32_767, 1, 0), &[32_767], 65_534),
    // A user timeout takes the place of the count, and shortens no wait.
    ((1, 1, 10, 2500), &[1, 2], 3),
    ((2, 1, 5, 500), &[2], 3),
    ((1, 4, 9, 1500), &[1], 5),
    ((20, 5, 3, 30_000), &[20, 25], 30),
    ((1, 1, 2, 5000), &[1, 2, 3, 4], 5),
];

#[test]
fn a_silent_peer_is_dead_after_idle_and_all_intervals() {
    for &((idle, interval, count, limit_ms), probes, dead) in SILENT {
        let probes: Vec<u64> = probes.iter().map(|secs| secs * 1000).collect();
        let cause = if limit_ms == 0 { Cause::Keepalive } else { Cause::UserTimeout };
        let mut t = Line::open_default(user_timeout(keepalive(idle, interval, count), limit_ms));
        assert_eq!(t.until_end(), death(&probes, dead * 1000, cause), "{idle}/{interval}/{count}/{limit_ms}");
    }
}

#[test]
fn without_options_the_sysctls_rule_and_by_default_it_takes_7875_s() {
    let on = Options::new().with_keepalive(true);
    let probes: Vec<u64> = (0..9).map(|k| 7_200_000 + 75_000 * k).collect();
    assert_eq!(Line::open_default(on).until_end(), death(&probes, 7_875_000, Cause::Keepalive));
    let configure = |sysctl: &mut longhaul::config::Sysctl| {
        (sysctl.tcp_keepalive_time, sysctl.tcp_keepalive_intvl, sysctl.tcp_keepalive_probes) = (5, 2, 1);
    };
    assert_eq!(Line::open(configure, on).until_end(), death(&[5000], 7000, Cause::Keepalive));
    let mut none = Line::open(|sysctl| sysctl.tcp_keepalive_probes = 0, keepalive(1, 1, 3));
    assert_eq!(none.until_end(), death(&[1000, 2000, 3000], 4000, Cause::Keepalive), "the option wins");
    let mut none = Line::open(|sysctl| (sysctl.tcp_keepalive_time, sysctl.tcp_keepalive_probes) = (1, 0), on);
    assert_eq!(none.until_end(), death(&[], 1000, Cause::Keepalive), "no probe at all");
}

#[test]
fn it_is_off_by_default_and_then_nothing_ever_happens() {
    let mut t = Line::open(|sysctl| sysctl.tcp_keepalive_time = 1, Options::new());
    assert_eq!(t.stack.poll_timeout(), None);
    t.advance(secs(10 * 365 * 86_400));
    assert_eq!((t.state(), t.happened()), (State::Established, vec![]));
}

#[test]
fn an_active_open_and_ipv6_keep_the_same_times() {
    let mut peer = Peer::new();
    peer.connect_open(keepalive(1, 1, 2));
    assert_eq!(Line::new(peer).until_end(), death(&[1000, 2000], 3000, Cause::Keepalive));
    let mut peer = Peer::v6();
    peer.open(keepalive(1, 1, 2));
    assert_eq!(Line::new(peer).until_end(), death(&[1000, 2000], 3000, Cause::Keepalive));
}

#[test]
fn probes_carry_a_fresh_timestamp_and_so_does_the_reset() {
    let mut peer = Peer::new();
    peer.open_with(keepalive(1, 1, 1), "mss 1460,TS val 100 ecr 0,nop,wscale 7");
    peer.expect_at(secs(1), ". 0:0(0) ack 1 <nop,nop,TS val 1001 ecr 101>");
    peer.expect_at(secs(2), "R. 1:1(0) ack 1 <nop,nop,TS val 2001 ecr 101>");
}

#[test]
fn after_an_answer_the_next_probe_is_at_the_later_of_interval_and_idle() {
    // Idle, interval (s), delay of each answer (ms): probes (ms) of which the first three are answered, then death.
    let rows: [(u64, u64, u64, [u64; 5], u64); 4] = [
        (2, 1, 10, [2000, 4010, 6020, 8030, 9030], 10_030),
        (1, 3, 10, [1000, 4000, 7000, 10_000, 13_000], 16_000),
        (2, 2, 0, [2000, 4000, 6000, 8000, 10_000], 12_000),
        (2, 2, 1, [2000, 4001, 6002, 8003, 10_003], 12_003),
    ];
    for (idle, interval, delay, probes, dead) in rows {
        let mut t = Line::open_default(keepalive(idle, interval, 2));
        let mut lines = Vec::new();
        for &probe in &probes[..3] {
            lines.append(&mut t.until(probe + delay));
            t.inject(". 1:1(0) ack 1");
        }
        lines.append(&mut t.until_end());
        assert_eq!(lines, death(&probes, dead, Cause::Keepalive), "{idle}/{interval}, {delay} ms");
    }
}

#[test]
fn an_answer_to_the_last_probe_saves_and_the_whole_count_is_there_again() {
    let mut t = Line::open_default(keepalive(2, 1, 3));
    assert_eq!(t.until(4999), at([2000, 3000, 4000], PROBE));
    t.inject(". 1:1(0) ack 1");
    assert_eq!(t.until_end(), death(&[6999, 7999, 8999], 9999, Cause::Keepalive));
}

#[test]
fn answered_for_a_day_it_lives_even_if_the_user_timeout_is_shorter_than_idle() {
    let mut t = Line::open_default(user_timeout(keepalive(60, 10, 3), 500));
    let mut probes = 0;
    while let Some(line) = t.next(86_400_000) {
        assert!(line.ends_with(PROBE), "{line}");
        t.inject(". 1:1(0) ack 1");
        probes += 1;
    }
    assert_eq!(probes, 86_400 / 60);
}

#[test]
fn what_is_not_an_acceptable_ack_is_no_life() {
    // 100 bytes of ours are acknowledged. What the peer answers to the first probe, what goes back, whether it counts.
    let rows = [
        (". 1:1(0) ack 101", None, true),
        // Acknowledgments of what was never sent, or before anything was, draw a challenge.
        (". 1:1(0) ack 200", Some(". 101:101"), false),
        (". 1:1(0) ack 0", Some(". 101:101"), false),
        // An old one says nothing; data beyond the window is answered and dropped.
        (". 1:1(0) ack 51", None, false),
        ("P. 200001:200011(10) ack 101", Some(". 101:101"), false),
    ];
    for (answer, reply, counts) in rows {
        let mut t = Line::open_default(keepalive(1, 1, 2));
        t.write(100);
        t.expect("P. 1:101(100) ack 1");
        t.inject(". 1:1(0) ack 101");
        assert_eq!(t.until(1010), ["1000 . 100:100"]);
        t.inject(answer);
        let mut expected: Vec<String> = reply.map(|reply| format!("1010 {reply}")).into_iter().collect();
        let (probes, dead): (&[u64], u64) = if counts { (&[2010, 3010], 4010) } else { (&[2000], 3000) };
        expected.append(&mut each(probes, ". 100:100"));
        expected.extend([format!("{dead} R. 101:101"), format!("{dead} {DEAD}")]);
        assert_eq!(t.until_end(), expected, "{answer}");
    }
}

#[test]
fn received_data_counts_and_sent_data_does_not() {
    let mut t = Line::open_default(keepalive(1, 1, 1));
    t.until(700);
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    assert_eq!(t.until(1699), Vec::<String>::new());
    t.write(100);
    t.expect("P. 1:101(100) ack 11");
    t.advance(ms(1));
    // The tick at 1700 found data in flight: a full idle period, though the peer spoke at 1700.
    t.inject(". 11:11(0) ack 101");
    assert_eq!(t.until_end(), ["2700 . 100:100", "3700 R. 101:101", &format!("3700 {DEAD}")]);
}

#[test]
fn a_reset_in_answer_to_a_probe_kills_at_once() {
    let mut t = Line::open_default(keepalive(1, 1, 9));
    t.until(2010);
    t.inject("R 1:1(0)");
    assert_eq!(t.until_end(), ["2010 dead: ECONNRESET"]);
}

#[test]
fn with_data_in_flight_the_tick_waits_a_full_idle_period_more() {
    let mut t = Line::open_default(keepalive(1, 5, 1));
    t.until(900);
    t.write(100);
    assert_eq!(t.until(1200), ["900 P. 1:101", "1101 P. 1:101"]);
    t.inject(". 1:1(0) ack 101");
    // Due again at 2000, which finds 800 ms of silence only.
    assert_eq!(t.until_end(), ["2200 . 100:100", "7200 R. 101:101", &format!("7200 {DEAD}")]);
}

#[test]
fn data_written_after_a_probe_hands_the_connection_to_retransmission() {
    let mut t = Line::open(|sysctl| sysctl.tcp_retries2 = 2, keepalive(1, 1, 3));
    assert_eq!(t.until(1500), at([1000], PROBE));
    t.write(100);
    let lines = at([1500, 1701, 2103, 2907], "P. 1:101");
    assert_eq!(t.until_end(), then(lines, "4515 dead: Retransmission ETIMEDOUT"), "and no reset");
}

#[test]
fn an_icmp_error_about_an_earlier_ack_names_the_death() {
    let kind = IcmpKind::V4Unreachable(1);
    let mut t = Line::open_default(keepalive(1, 1, 2));
    t.until(500);
    t.inject_icmp(kind, 1);
    let mut lines = death(&[1000, 2000], 3000, Cause::Keepalive);
    lines[3] = "3000 dead: Keepalive EHOSTUNREACH".into();
    assert_eq!(t.until_end(), lines);

    let mut t = Line::open_default(keepalive(1, 1, 2));
    t.until(1000);
    // Probes stand left of what is in flight.
    t.inject_icmp(kind, 0);
    assert_eq!(t.until_end(), death(&[2000], 3000, Cause::Keepalive));

    let mut t = Line::open_default(keepalive(1, 1, 2));
    t.until(500);
    t.inject_icmp(kind, 1);
    t.until(600);
    t.inject(". 1:1(0) ack 1");
    assert_eq!(t.until_end(), death(&[1600, 2600], 3600, Cause::Keepalive), "forgotten at the next sign of life");

    let mut t = Line::open_default(Options::new());
    t.inject_icmp(kind, 1);
    assert_eq!(t.take_error(), Some(Error::Unreachable(Errno::EHOSTUNREACH)), "SO_ERROR tells it, once");
    assert_eq!(t.take_error(), None);
}

#[test]
fn a_half_closed_connection_is_watched_too() {
    // The peer has finished; the application may still write. Reading says EOF all the time, the error waits.
    let mut t = Line::open_default(keepalive(1, 1, 2));
    t.inject("F. 1:1(0) ack 1");
    assert_eq!(t.until(3000)[..3], ["1 . 1:1", "1000 . 0:0", "2000 . 0:0"]);
    assert_eq!(t.read(100), Ok(0));
    let error = Error::TimedOut { cause: Cause::Keepalive, errno: Errno::ETIMEDOUT };
    assert_eq!(t.try_write(1), Err(error));
    assert_eq!(t.try_write(1), Err(Error::BrokenPipe));

    // We have finished; the probe carries the number of our FIN.
    let mut t = Line::open_default(keepalive(1, 1, 2));
    t.finish();
    t.expect("F. 1:1(0) ack 1");
    t.inject(". 1:1(0) ack 2");
    let lines = ["1000 . 1:1", "2000 . 1:1", "3000 R. 2:2", &format!("3000 {DEAD}")];
    assert_eq!(t.until_end(), lines);
}

#[test]
fn after_death_the_application_learns_the_error_once() {
    let mut t = Line::open_default(keepalive(1, 1, 1));
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.until(2000);
    assert_eq!(t.read(100), Ok(10), "what was received comes first");
    let error = Error::TimedOut { cause: Cause::Keepalive, errno: Errno::ETIMEDOUT };
    assert_eq!([t.read(100), t.read(100)], [Err(error), Ok(0)]);
    assert_eq!(t.try_write(1), Err(Error::BrokenPipe));
}
