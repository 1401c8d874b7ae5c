//! Whole journals, as they read. The first handshake ends at noon.
#![cfg(feature = "alloc")]

mod common;

use common::{Peer, ms, secs};
use longhaul::journal::{ENTRIES_MAX, Entry, WallClock};
use longhaul::options::Options;
use longhaul::tcp::State;
use longhaul::time::{Duration, Instant};
use longhaul::wire::IcmpKind;

const NOON: Duration = Duration::from_secs(12 * 3600);

/// A peer whose connections keep journals.
fn peer(configure: impl FnOnce(&mut longhaul::config::Sysctl)) -> Peer {
    Peer::with(|config| {
        config.journal_entries = 64;
        configure(&mut config.sysctl);
    })
}

/// Connected by us, without SACK; it is noon.
fn connected(options: Options) -> (Peer, Instant) {
    let mut t = peer(|_| ());
    t.connect_open(options);
    let noon = t.now();
    (t, noon)
}

fn let_time_pass(t: &mut Peer, time: Duration) {
    t.advance(time);
    while t.next_left().is_some() {}
}

fn journal(t: &mut Peer, noon: Instant) -> String {
    let clock = WallClock { at: noon, time_of_day: NOON };
    t.act(|conn, _| conn.journal().expect("it keeps one").render(clock).to_string())
}

/// The journal reads so, line by line.
#[track_caller]
fn assert_reads(t: &mut Peer, noon: Instant, expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let actual = journal(t, noon);
    assert_eq!(actual.lines().collect::<Vec<_>>(), expected, "\n{actual}");
}

#[test]
fn a_black_hole_with_linux_defaults() {
    let (mut t, noon) = connected(Options::new());
    t.write(5);
    let_time_pass(&mut t, secs(1000));
    assert_reads(
        &mut t,
        noon,
        "11:59:59.999 connecting to 198.51.100.7:8080; SYN again in 1 s
        12:00:00.000 connected to 198.51.100.7:8080 (round trip 1 ms)
        12:00:00.000 sent 5 bytes; resend in 201 ms unless acknowledged
        12:00:00.201 resent 5 bytes (1st), next in 402 ms
        12:00:00.603 resent 5 bytes (2nd), next in 804 ms
        12:00:01.407 resent 5 bytes (3rd), next in 1.6 s
        12:00:03.015 resent 5 bytes (4th), next in 3.2 s
        12:00:06.231 past tcp_retries1 = 3, 3 s modelled: the path is doubtful
        12:00:06.231 resent 5 bytes (5th), next in 6.4 s
        12:00:12.663 resent 5 bytes (6th), next in 12.8 s
        12:00:25.527 resent 5 bytes (7th), next in 25.7 s
        12:00:51.255 resent 5 bytes (8th), next in 51.4 s
        12:01:42.711 resent 5 bytes (9th), next in 102.9 s
        12:03:25.623 resent 5 bytes (10th), next in 120 s
        12:05:25.623 resent 5 bytes (11th), next in 120 s
        12:07:25.623 resent 5 bytes (12th), next in 120 s
        12:09:25.623 resent 5 bytes (13th), next in 120 s
        12:11:25.623 resent 5 bytes (14th), next in 120 s
        12:13:25.623 resent 5 bytes (15th), next in 120 s
        12:15:25.623 gave up: tcp_retries2 = 15, 924.6 s modelled, silent for 925.6 s; \
         the peer is silent (no answer at all)",
    );
}

#[test]
fn a_path_in_doubt_is_tried_with_smaller_segments() {
    let mut t = peer(|sysctl| (sysctl.tcp_mtu_probing, sysctl.tcp_retries2) = (1, 5));
    t.connect_open(Options::new());
    let noon = t.now();
    t.write(1460);
    let_time_pass(&mut t, secs(100));
    let told = journal(&mut t, noon);
    let from = told.find("12:00:06.231").expect("R1 passes with the fifth timeout");
    let expected = "12:00:06.231 past tcp_retries1 = 3, 3 s modelled: the path is doubtful
        12:00:06.231 the path may swallow large packets: segments carry 1024 bytes now
        12:00:06.231 resent 1024 bytes (5th), next in 6.4 s
        12:00:12.663 the path may swallow large packets: segments carry 512 bytes now
        12:00:12.663 resent 512 bytes (6th), next in 12.8 s
        12:00:25.527 gave up: tcp_retries2 = 5, 12.6 s modelled, silent for 25.5 s; \
         the peer is silent (no answer at all)";
    let expected: Vec<&str> = expected.lines().map(str::trim).collect();
    assert_eq!(told[from..].lines().collect::<Vec<_>>(), expected, "\n{told}");
}

#[test]
fn keepalive_with_linux_defaults_answered_twice_and_then_not() {
    let (mut t, noon) = connected(Options::new().with_keepalive(true));
    for _ in 0..3 {
        t.expect_after(secs(7200), ". 0:0(0) ack 1");
        t.advance(ms(3));
        t.inject(". 1:1(0) ack 1");
    }
    let_time_pass(&mut t, secs(8000));
    assert_reads(
        &mut t,
        noon,
        "11:59:59.999 connecting to 198.51.100.7:8080; SYN again in 1 s
        12:00:00.000 connected to 198.51.100.7:8080 (round trip 1 ms)
        14:00:00.000 nothing heard for 7200 s; probe 1 of 9, next in 75 s
        14:00:00.003 answered after 3 ms, as were 2 probes more, the last at 18:00:00.009
        20:00:00.009 nothing heard for 7200 s; probe 1 of 9, next in 75 s
        20:01:15.009 nothing heard for 7275 s; probe 2 of 9, next in 75 s
        20:02:30.009 nothing heard for 7350 s; probe 3 of 9, next in 75 s
        20:03:45.009 nothing heard for 7425 s; probe 4 of 9, next in 75 s
        20:05:00.009 nothing heard for 7500 s; probe 5 of 9, next in 75 s
        20:06:15.009 nothing heard for 7575 s; probe 6 of 9, next in 75 s
        20:07:30.009 nothing heard for 7650 s; probe 7 of 9, next in 75 s
        20:08:45.009 nothing heard for 7725 s; probe 8 of 9, next in 75 s
        20:10:00.009 nothing heard for 7800 s; probe 9 of 9, next in 75 s
        20:11:15.009 gave up: tcp_keepalive_probes = 9, so many unanswered, silent for 7875 s; \
         the peer is silent (no answer at all)
        20:11:15.009 a reset tells the peer",
    );
}

#[test]
fn a_user_timeout_of_half_a_minute() {
    let (mut t, noon) = connected(Options::new().with_tcp_user_timeout(Some(secs(30))).unwrap());
    t.write(5);
    t.expect("P. 1:6(5) ack 1");
    t.advance(ms(20));
    t.inject(". 1:1(0) ack 6");
    t.write(7);
    let_time_pass(&mut t, secs(60));
    // The round trip of 20 ms makes an RTO of 1 + (20 - 1) / 8 + 200 ms, 204 in whole ticks; 30 s from 12:00:00.224.
    assert_reads(
        &mut t,
        noon,
        "11:59:59.999 connecting to 198.51.100.7:8080; SYN again in 1 s
        12:00:00.000 connected to 198.51.100.7:8080 (round trip 1 ms)
        12:00:00.000 sent 5 bytes, acknowledged after 20 ms
        12:00:00.020 sent 7 bytes; resend in 204 ms unless acknowledged
        12:00:00.224 resent 7 bytes (1st), next in 408 ms
        12:00:00.632 resent 7 bytes (2nd), next in 816 ms
        12:00:01.448 resent 7 bytes (3rd), next in 1.6 s
        12:00:03.080 resent 7 bytes (4th), next in 3.2 s
        12:00:06.344 past tcp_retries1 = 3, 3 s modelled: the path is doubtful
        12:00:06.344 resent 7 bytes (5th), next in 6.5 s
        12:00:12.872 resent 7 bytes (6th), next in 13 s
        12:00:25.928 resent 7 bytes (7th), next in 4.2 s
        12:00:30.224 gave up: TCP_USER_TIMEOUT = 30 s, silent for 30.2 s; the peer is silent (no answer at all)",
    );
}

#[test]
fn a_window_that_is_shut_opens_and_shuts_for_good() {
    let mut t = peer(|sysctl| sysctl.tcp_retries2 = 3);
    t.open(Options::new());
    let noon = t.now();
    t.inject(". 1:1(0) ack 1 win 0");
    t.write(100);
    t.expect_at(ms(201), ". 0:0(0) ack 1");
    t.advance(ms(9));
    t.inject(". 1:1(0) ack 1 win 500");
    t.expect("P. 1:101(100) ack 1");
    t.advance(ms(10));
    t.inject(". 1:1(0) ack 101 win 0");
    t.advance(ms(780));
    t.write(7);
    let_time_pass(&mut t, secs(10));
    // Round trips of 1 and 10 ms: 202.125 ms, 203 in whole ticks.
    assert_reads(
        &mut t,
        noon,
        "12:00:00.000 accepted from 198.51.100.7:40000 (round trip 1 ms)
        12:00:00.000 the peer shut its window
        12:00:00.201 window probe 1 of 3, next in 402 ms
        12:00:00.210 answered after 9 ms
        12:00:00.210 the window is open again after 210 ms: 64000 bytes
        12:00:00.210 sent 100 bytes, acknowledged after 10 ms
        12:00:00.220 the peer shut its window
        12:00:01.203 window probe 1 of 3, next in 406 ms
        12:00:01.609 window probe 2 of 3, next in 812 ms
        12:00:02.421 window probe 3 of 3, next in 1.6 s
        12:00:04.045 gave up: tcp_retries2 = 3, so many unanswered, silent for 3.8 s; \
         the peer is silent (no answer at all)",
    );
}

#[test]
fn nobody_answers_the_syn() {
    let mut t = peer(|_| ());
    t.connect(Options::new());
    let noon = t.now();
    let_time_pass(&mut t, secs(200));
    assert_reads(
        &mut t,
        noon,
        "12:00:00.000 connecting to 198.51.100.7:8080; SYN again in 1 s
        12:00:01.000 SYN again (1st), next in 1 s
        12:00:02.000 SYN again (2nd), next in 1 s
        12:00:03.000 SYN again (3rd), next in 1 s
        12:00:04.000 SYN again (4th), next in 1 s
        12:00:05.000 SYN again (5th), next in 2 s
        12:00:07.000 SYN again (6th), next in 4 s
        12:00:11.000 SYN again (7th), next in 8 s
        12:00:19.000 SYN again (8th), next in 16 s
        12:00:35.000 SYN again (9th), next in 32 s
        12:01:07.000 SYN again (10th), next in 64 s
        12:02:11.000 gave up: tcp_syn_retries = 6, 127 s modelled, silent for 131 s; \
         the peer is silent (no answer at all)",
    );
}

#[test]
fn the_peer_was_restarted() {
    let (mut t, noon) = connected(Options::new());
    t.advance(secs(60));
    t.write(5);
    t.expect("P. 1:6(5) ack 1");
    t.advance(ms(201));
    t.expect("P. 1:6(5) ack 1");
    t.advance(ms(1));
    t.inject("R 1:1(0) win 0");
    assert_reads(
        &mut t,
        noon,
        "11:59:59.999 connecting to 198.51.100.7:8080; SYN again in 1 s
        12:00:00.000 connected to 198.51.100.7:8080 (round trip 1 ms)
        12:01:00.000 sent 5 bytes; resend in 201 ms unless acknowledged
        12:01:00.201 resent 5 bytes (1st), next in 402 ms
        12:01:00.202 over: the peer knows nothing of this connection: it was restarted or replaced",
    );
}

#[test]
fn a_router_speaks_and_the_path_comes_back() {
    let mut t = peer(|_| ());
    t.open_with(Options::new(), "mss 1460,sackOK,nop,wscale 7");
    let noon = t.now();
    t.write(1000);
    t.expect("P. 1:1001(1000) ack 1");
    // The tail loss probe may not come later than the timeout, which then follows in full.
    t.expect_at(ms(201), "P. 1:1001(1000) ack 1");
    t.expect_at(ms(402), "P. 1:1001(1000) ack 1");
    t.inject_icmp(IcmpKind::V4Unreachable(3), 1);
    t.inject_icmp(IcmpKind::V4Unreachable(3), 1);
    t.inject_icmp(IcmpKind::FragmentationNeeded { mtu: 600 }, 1);
    t.expect_at(ms(804), ". 1:561(560) ack 1");
    t.advance(ms(20));
    t.inject(". 1:1(0) ack 561");
    t.expect("P. 561:1001(440) ack 1");
    t.advance(ms(20));
    t.inject("F. 1:1(0) ack 1001");
    t.advance(ms(1));
    while t.next_left().is_some() {}
    t.finish();
    t.expect("F. 1001:1001(0) ack 2");
    t.inject(". 2:2(0) ack 1002");
    assert_reads(
        &mut t,
        noon,
        "12:00:00.000 accepted from 198.51.100.7:40000 (round trip 1 ms)
        12:00:00.000 sent 1000 bytes; tail loss probe in 201 ms unless acknowledged
        12:00:00.201 tail loss probe: 1000 bytes; resend in 201 ms
        12:00:00.402 resent 1000 bytes (1st), next in 402 ms
        12:00:00.402 the network says ECONNREFUSED; remembered
        12:00:00.402 a router says that the path carries 600 bytes; segments carry 560 now
        12:00:00.804 resent 560 bytes (2nd), next in 804 ms
        12:00:00.824 the peer acknowledges again, after 2 timeouts and 824 ms of silence
        12:00:00.824 resent 1 segment found lost
        12:00:00.844 all is acknowledged, 844 ms after it was first sent
        12:00:00.844 the peer has finished (FIN)
        12:00:00.845 we have finished (FIN)
        12:00:00.845 over: both ends had finished",
    );
}

#[test]
fn each_episode_counts_its_resends_anew() {
    let (mut t, noon) = connected(Options::new());
    for (ack, after) in [(6, 300), (11, 500)] {
        t.write(5);
        t.advance(ms(after));
        while t.next_left().is_some() {}
        t.inject(&format!(". 1:1(0) ack {ack}"));
        t.advance(ms(1000 - after));
    }
    // No sample without timestamps (Karn): the doubled timeout stays for the second.
    assert_reads(
        &mut t,
        noon,
        "11:59:59.999 connecting to 198.51.100.7:8080; SYN again in 1 s
        12:00:00.000 connected to 198.51.100.7:8080 (round trip 1 ms)
        12:00:00.000 sent 5 bytes; resend in 201 ms unless acknowledged
        12:00:00.201 resent 5 bytes (1st), next in 402 ms
        12:00:00.300 the peer acknowledges again, after 1 timeout and 300 ms of silence
        12:00:00.300 all is acknowledged, 300 ms after it was first sent
        12:00:01.000 sent 5 bytes; resend in 402 ms unless acknowledged
        12:00:01.402 resent 5 bytes (1st), next in 804 ms
        12:00:01.500 the peer acknowledges again, after 1 timeout and 1.2 s of silence
        12:00:01.500 all is acknowledged, 500 ms after it was first sent",
    );
}

#[test]
fn exchanges_that_go_well_share_one_entry() {
    let (mut t, noon) = connected(Options::new());
    for round in 0..1000_u32 {
        let (ours, theirs) = (1 + 10 * round, 1 + 5 * round);
        t.write(10);
        t.expect(&format!("P. {ours}:{}(10) ack {theirs}", ours + 10));
        t.advance(ms(2));
        t.inject(&format!("P. {theirs}:{}(5) ack {}", theirs + 5, ours + 10));
        t.read(5).unwrap();
        t.advance(ms(998));
        while t.next_left().is_some() {}
    }
    assert_reads(
        &mut t,
        noon,
        "11:59:59.999 connecting to 198.51.100.7:8080; SYN again in 1 s
        12:00:00.000 connected to 198.51.100.7:8080 (round trip 1 ms)
        12:00:00.000 1000 times sent and acknowledged, 10000 bytes in all, the last at 12:16:39.002 after 2 ms",
    );
}

#[test]
fn a_small_journal_says_how_much_it_forgot_and_survives_death_until_we_close() {
    let (mut t, noon) = connected(Options::new());
    assert_eq!(t.act(|conn, _| conn.journal().unwrap().capacity()), 64);
    t.act(|conn, now| conn.set_journal(now, Some(3)));
    t.write(5);
    let_time_pass(&mut t, secs(1000));
    assert_eq!(t.state(), State::Closed);
    assert_reads(
        &mut t,
        noon,
        "(16 older entries dropped)
        12:11:25.623 resent 5 bytes (14th), next in 120 s
        12:13:25.623 resent 5 bytes (15th), next in 120 s
        12:15:25.623 gave up: tcp_retries2 = 15, 924.6 s modelled, silent for 925.6 s; \
         the peer is silent (no answer at all)",
    );
    t.act(|conn, now| conn.set_journal(now, None));
    assert!(t.act(|conn, _| conn.journal().is_none()));
}

#[test]
fn the_memory_budget_pays_for_journals_and_refuses_when_it_is_spent() {
    let mut t = Peer::with(|config| config.memory_bytes = 100_000);
    t.open(Options::new());
    assert_eq!((t.act(|conn, _| conn.journal().is_none()), t.stack.memory_charged()), (true, 0));
    t.act(|conn, now| conn.set_journal(now, Some(10)));
    let charged = t.stack.memory_charged();
    assert!((10 * size_of::<Entry>()..10 * size_of::<Entry>() + 500).contains(&charged), "{charged}");
    t.act(|conn, now| conn.set_journal(now, Some(usize::MAX)));
    assert_eq!(t.act(|conn, _| conn.journal().unwrap().capacity()), ENTRIES_MAX);
    assert!(t.stack.memory_charged() > 100_000);
    t.act(|conn, now| conn.set_journal(now, Some(10)));
    assert_eq!((t.act(|conn, _| conn.journal().is_none()), t.stack.memory_charged()), (true, 0));
    t.act(|conn, now| conn.set_journal(now, Some(10)));
    t.abort();
    t.expect("R. 1:1(0) ack 1");
    assert_eq!(t.stack.memory_charged(), 0);
    // Whoever takes its place has none.
    t.connect(Options::new());
    t.expect("S 0:0(0) <...>");
    assert!(t.act(|conn, _| conn.journal().is_none()));
}
