//! Socket options as Linux has them: what each takes, what it reads back, what an accepted connection inherits, and
//! what those do that are about neither life nor death.
//!
//! The readings were taken with getsockopt(2) on Linux 6.18, 250 ticks a second. What depends on the tick is adjusted
//! to one of a millisecond, and says so. The option that no reading is compared for is `SO_SNDBUF` as a default: Linux
//! begins with `tcp_wmem`, 16 KiB; here it is 256 KiB.
#![cfg(feature = "alloc")]

mod common;

use common::{Peer, ms, secs};
use longhaul::config::Sysctl;
use longhaul::options::{Options, TcpKeepalive};
use longhaul::tcp::Event;

/// What was set, and what is read then; `None` is EINVAL.
type Row = (&'static str, &'static [(i32, Option<i32>)]);

const SET: &[Row] = &[
    ("IP_RECVERR", &[(-1, Some(1)), (0, Some(0)), (1, Some(1)), (2, Some(1))]),
    ("IPV6_RECVERR", &[(-1, Some(1)), (0, Some(0)), (1, Some(1)), (2, Some(1))]),
    ("SO_KEEPALIVE", &[(-1, Some(1)), (0, Some(0)), (1, Some(1)), (2, Some(1))]),
    (
        "SO_RCVBUF",
        &[(0, Some(2304)), (1151, Some(2304)), (1152, Some(2304)), (1153, Some(2306)), (100_000, Some(200_000))],
    ),
    (
        "SO_SNDBUF",
        &[(0, Some(4608)), (2303, Some(4608)), (2304, Some(4608)), (2305, Some(4610)), (100_000, Some(200_000))],
    ),
    ("TCP_CORK", &[(-1, Some(1)), (0, Some(0)), (1, Some(1)), (2, Some(1))]),
    (
        "TCP_DEFER_ACCEPT",
        &[
            (-1, Some(0)),
            (0, Some(0)),
            (1, Some(1)),
            (2, Some(3)),
            (3, Some(3)),
            (4, Some(7)),
            (5, Some(7)),
            (10, Some(15)),
            (30, Some(31)),
            (100, Some(127)),
            (255, Some(367)),
            (256, Some(367)),
            (1000, Some(1087)),
            (i32::MAX, Some(29_887)),
        ],
    ),
    // Two ticks are the least, and all is rounded up to ticks: measured 8000 and 4000 us, here 2000 and 1000.
    (
        "TCP_DELACK_MAX_US",
        &[
            (-1, None),
            (0, None),
            (1000, None),
            (1001, Some(2000)),
            (8000, Some(8000)),
            (199_001, Some(200_000)),
            (200_000, Some(200_000)),
            (200_001, None),
        ],
    ),
    ("TCP_KEEPCNT", &[(-1, None), (0, None), (1, Some(1)), (127, Some(127)), (128, None)]),
    ("TCP_KEEPIDLE", &[(-1, None), (0, None), (1, Some(1)), (32_767, Some(32_767)), (32_768, None)]),
    ("TCP_KEEPINTVL", &[(-1, None), (0, None), (1, Some(1)), (32_767, Some(32_767)), (32_768, None)]),
    (
        "TCP_LINGER2",
        &[
            (i32::MIN, Some(-1)),
            (-5, Some(-1)),
            (0, Some(60)),
            (1, Some(1)),
            (119, Some(119)),
            (120, Some(120)),
            (121, Some(120)),
            (i32::MAX, Some(120)),
        ],
    ),
    (
        "TCP_MAXSEG",
        &[
            (-1, None),
            (0, Some(536)),
            (87, None),
            (88, Some(88)),
            (1460, Some(1460)),
            (32_767, Some(32_767)),
            (32_768, None),
        ],
    ),
    ("TCP_NODELAY", &[(-1, Some(1)), (0, Some(0)), (1, Some(1)), (2, Some(1))]),
    (
        "TCP_NOTSENT_LOWAT",
        &[(-1, Some(-1)), (0, Some(0)), (1, Some(1)), (5555, Some(5555)), (i32::MAX, Some(i32::MAX))],
    ),
    // On a TCP socket the bits of ECN stay TCP's.
    ("IP_TOS", &[(-1, Some(252)), (0, Some(0)), (3, Some(0)), (4, Some(4)), (0xb9, Some(0xb8)), (257, Some(0))]),
    ("IPV6_TCLASS", &[(-2, None), (-1, Some(0)), (3, Some(0)), (0xb9, Some(0xb8)), (255, Some(252)), (256, None)]),
    ("IP_TTL", &[(-2, None), (-1, Some(64)), (0, None), (1, Some(1)), (255, Some(255)), (256, None)]),
    ("IPV6_UNICAST_HOPS", &[(-2, None), (-1, Some(64)), (1, Some(1)), (255, Some(255)), (256, None)]),
    // Rounded up to ticks: 1001 was measured as 1004.
    (
        "TCP_RTO_MAX_MS",
        &[(999, None), (1000, Some(1000)), (1001, Some(1001)), (120_000, Some(120_000)), (120_001, None)],
    ),
    // As for delayed ACKs.
    (
        "TCP_RTO_MIN_US",
        &[
            (-1, None),
            (0, None),
            (1, None),
            (1000, None),
            (1001, Some(2000)),
            (7999, Some(8000)),
            (8000, Some(8000)),
            (8001, Some(9000)),
            (199_000, Some(199_000)),
            (200_000, Some(200_000)),
            (200_001, None),
        ],
    ),
    ("TCP_SYNCNT", &[(-1, None), (0, None), (1, Some(1)), (127, Some(127)), (128, None)]),
    ("TCP_THIN_LINEAR_TIMEOUTS", &[(-1, None), (0, Some(0)), (1, Some(1)), (2, None)]),
    ("TCP_USER_TIMEOUT", &[(i32::MIN, None), (-1, None), (0, Some(0)), (1, Some(1)), (i32::MAX, Some(i32::MAX))]),
    (
        "TCP_WINDOW_CLAMP",
        &[
            (-1, Some(1152)),
            (0, Some(0)),
            (100, Some(1152)),
            (1151, Some(1152)),
            (1152, Some(1152)),
            (1153, Some(1153)),
            (100_000, Some(100_000)),
        ],
    ),
];

/// What a fresh socket reads.
const DEFAULTS: &[(&str, i32)] = &[
    ("IPV6_RECVERR", 0),
    ("IPV6_TCLASS", 0),
    ("IPV6_UNICAST_HOPS", 64),
    ("IP_TOS", 0),
    ("IP_TTL", 64),
    ("IP_RECVERR", 0),
    ("SO_KEEPALIVE", 0),
    ("SO_RCVBUF", 131_072),
    ("TCP_CORK", 0),
    ("TCP_DEFER_ACCEPT", 0),
    ("TCP_DELACK_MAX_US", 200_000),
    ("TCP_KEEPCNT", 9),
    ("TCP_KEEPIDLE", 7200),
    ("TCP_KEEPINTVL", 75),
    ("TCP_LINGER2", 60),
    ("TCP_MAXSEG", 536),
    ("TCP_NODELAY", 0),
    ("TCP_NOTSENT_LOWAT", 0),
    ("TCP_RTO_MAX_MS", 120_000),
    ("TCP_RTO_MIN_US", 200_000),
    ("TCP_SYNCNT", 6),
    ("TCP_THIN_LINEAR_TIMEOUTS", 0),
    ("TCP_USER_TIMEOUT", 0),
    ("TCP_WINDOW_CLAMP", 0),
];

fn set(options: &mut Options, name: &str, value: i32) -> bool {
    options.set(name, value).unwrap_or_else(|| panic!("no option {name}")).is_ok()
}

fn get(options: &Options, name: &str) -> i32 {
    options.get(name, &Sysctl::LINUX).unwrap_or_else(|| panic!("no option {name}"))
}

#[test]
fn each_option_takes_what_linux_takes_and_reads_back_what_linux_reads() {
    for (name, values) in SET {
        for &(value, read) in *values {
            let mut options = Options::new();
            let taken = set(&mut options, name, value);
            assert_eq!(taken.then(|| get(&options, name)), read, "{name} = {value}");
            assert!(taken || options == Options::new(), "{name} = {value} was refused and changed something");
        }
    }
    for name in Options::NAMES {
        assert!(SET.iter().any(|(known, _)| known == name), "{name} is not tested");
    }
}

#[test]
fn a_fresh_socket_reads_linux_defaults() {
    for &(name, value) in DEFAULTS {
        assert_eq!(get(&Options::new(), name), value, "{name}");
    }
    for name in Options::NAMES {
        assert!(DEFAULTS.iter().any(|(known, _)| known == name) || *name == "SO_SNDBUF", "{name} is not tested");
    }
    assert_eq!(Options::new().linger(), None);
}

#[test]
fn what_is_not_set_reads_as_the_sysctl() {
    // `tcp_thin_linear_timeouts` and `tcp_notsent_lowat` are read by the rules, and do not show in the option.
    let mut sysctl = Sysctl { tcp_thin_linear_timeouts: 1, tcp_notsent_lowat: 9, ..Sysctl::LINUX };
    for (knob, text, option, read) in [
        ("tcp_keepalive_time", "5", "TCP_KEEPIDLE", 5),
        ("tcp_keepalive_intvl", "6", "TCP_KEEPINTVL", 6),
        ("tcp_keepalive_probes", "7", "TCP_KEEPCNT", 7),
        ("tcp_syn_retries", "3", "TCP_SYNCNT", 3),
        ("tcp_fin_timeout", "200", "TCP_LINGER2", 200),
        ("tcp_rto_max_ms", "5000", "TCP_RTO_MAX_MS", 5000),
        ("tcp_rto_min_us", "900000", "TCP_RTO_MIN_US", 900_000),
        ("tcp_rmem", "4096 50000 60000", "SO_RCVBUF", 50_000),
    ] {
        sysctl.set(knob, text).unwrap();
        assert_eq!(Options::new().get(option, &sysctl), Some(read), "{option}");
    }
    assert_eq!(Options::new().get("TCP_THIN_LINEAR_TIMEOUTS", &sysctl), Some(0));
    assert_eq!(Options::new().get("TCP_NOTSENT_LOWAT", &sysctl), Some(0));
    assert_eq!(Options::new().get("TCP_DELACK_MAX_US", &sysctl), Some(200_000));
}

#[test]
fn linger_reads_back_whole_seconds() {
    for (linger, read) in [(None, None), (Some(0), Some(0)), (Some(7000), Some(7)), (Some(1), Some(1))] {
        let options = Options::new().with_linger(linger.map(ms));
        assert_eq!(options.linger(), read.map(secs), "{linger:?} ms");
    }
}

#[test]
fn an_accepted_connection_has_its_listeners_options() {
    // Set on a listener, and read from what it accepts: all the same but for the one that is the listener's own.
    let values = [
        ("SO_KEEPALIVE", 1),
        ("SO_RCVBUF", 50_000),
        ("SO_SNDBUF", 30_000),
        ("TCP_CORK", 0),
        ("TCP_DELACK_MAX_US", 100_000),
        ("TCP_KEEPCNT", 13),
        ("TCP_KEEPIDLE", 11),
        ("TCP_KEEPINTVL", 12),
        ("TCP_LINGER2", 17),
        ("TCP_NODELAY", 1),
        ("TCP_NOTSENT_LOWAT", 5555),
        ("TCP_RTO_MAX_MS", 5000),
        ("TCP_RTO_MIN_US", 100_000),
        ("TCP_SYNCNT", 3),
        ("TCP_THIN_LINEAR_TIMEOUTS", 1),
        ("TCP_USER_TIMEOUT", 1400),
        ("TCP_WINDOW_CLAMP", 20_000),
    ];
    let mut options = Options::new().with_linger(Some(secs(7)));
    for (name, value) in values {
        assert!(set(&mut options, name, value));
    }
    let mut t = Peer::new();
    // 1000 bytes of segment, less timestamps.
    assert!(set(&mut options, "TCP_MAXSEG", 1000));
    t.open_with(options, "mss 1460,TS val 100 ecr 0,nop,wscale 7");
    let accepted = t.act(|conn, _| conn.options());
    for (name, value) in values {
        let read = if name.ends_with("BUF") { 2 * value } else { value };
        assert_eq!(get(&accepted, name), read, "{name}");
    }
    assert_eq!(accepted.linger(), Some(secs(7)));
    assert_eq!(t.act(|conn, _| (conn.tcp_mss(), conn.tcp_quickack())), (988, true));
}

#[test]
fn tcp_defer_accept_stays_with_the_listener() {
    let mut options = Options::new();
    assert!(set(&mut options, "TCP_DEFER_ACCEPT", 10));
    let mut t = Peer::new();
    t.listen(1, options);
    t.inject("S 0:0(0) win 64000 <mss 1460>");
    t.expect("S. 0:0(0) ack 1 <...>");
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.accept();
    assert_eq!(get(&t.act(|conn, _| conn.options()), "TCP_DEFER_ACCEPT"), 0);
}

#[test]
fn tcp_maxseg_counts_until_the_handshake_is_over() {
    let mut t = Peer::new();
    t.connect_open(Options::new().with_tcp_maxseg(1000).unwrap());
    assert_eq!(t.act(|conn, _| conn.tcp_mss()), 1000);
    t.act(|conn, now| conn.set_options(now, conn.options().with_tcp_maxseg(500).unwrap()));
    assert_eq!(t.act(|conn, _| conn.tcp_mss()), 1000, "agreed is agreed");
    t.write(1500);
    t.expect(". 1:1001(1000) ack 1");
    t.expect("P. 1001:1501(500) ack 1");
}

#[test]
fn setting_the_keepalive_time_restarts_the_wait_even_if_it_is_what_it_was() {
    let time = |secs_| TcpKeepalive::new().with_time(secs(secs_)).with_interval(secs(5)).with_retries(3);
    let mut t = Peer::new();
    t.open(Options::new().with_keepalive(true).with_tcp_keepalive(&time(2)).unwrap());
    // Heard at 0; probes at 2, 7 s; the tick of 12 s is pending.
    t.expect_at(secs(2), ". 0:0(0) ack 1");
    t.expect_at(secs(7), ". 0:0(0) ack 1");
    t.advance(ms(500));
    t.act(|conn, now| conn.set_tcp_keepidle(now, secs(2))).unwrap();
    t.expect_at(ms(7500), ". 0:0(0) ack 1");
    // Nothing else restarts it: not the interval, not the switch, not the same options once more.
    t.advance(ms(500));
    t.act(|conn, now| conn.set_tcp_keepalive(now, &TcpKeepalive::new().with_interval(secs(5)))).unwrap();
    t.act(|conn, now| conn.set_keepalive(now, true));
    t.act(|conn, now| conn.set_options(now, conn.options()));
    t.expect_at(ms(12_500), "R. 1:1(0) ack 1");
}

#[test]
fn switched_on_with_a_time_keepalive_counts_from_the_last_reception() {
    // As socket2 does: SO_KEEPALIVE first, and then TCP_KEEPIDLE, which looks back.
    for (idle, first) in [(2, 100_000), (150, 150_000)] {
        let mut t = Peer::new();
        t.open(Options::new());
        t.advance(secs(100));
        let keepalive = TcpKeepalive::new().with_time(secs(idle));
        t.act(|conn, now| conn.set_tcp_keepalive(now, &keepalive)).unwrap();
        t.expect_at(ms(first), ". 0:0(0) ack 1");
    }
    // Without a time there is only the switch, and a switch begins anew.
    let mut t = Peer::with(|c| c.sysctl.tcp_keepalive_time = 2);
    t.open(Options::new());
    t.advance(secs(100));
    t.act(|conn, now| conn.set_tcp_keepalive(now, &TcpKeepalive::new().with_retries(3))).unwrap();
    t.expect_at(secs(102), ". 0:0(0) ack 1");
}

#[test]
fn the_keepalive_time_alone_switches_nothing_on() {
    let mut t = Peer::new();
    t.open(Options::new());
    t.act(|conn, now| conn.set_tcp_keepidle(now, secs(1))).unwrap();
    assert!(t.act(|conn, now| conn.set_tcp_keepidle(now, ms(500))).is_err());
    t.expect_nothing_for(secs(100));
}

/// The budget of quick ACKs is spent: each segment waits for the delayed ACK.
fn delaying(configure: impl FnOnce(&mut Sysctl), options: Options) -> Peer {
    let mut t = Peer::with(|c| configure(&mut c.sysctl));
    t.open(options);
    for at in 0..16 {
        t.inject(&format!("P. {}:{}(10) ack 1", at * 10 + 1, at * 10 + 11));
        t.expect(&format!(". 1:1(0) ack {}", at * 10 + 11));
        t.advance(ms(1));
    }
    t.mark();
    t.inject("P. 161:171(10) ack 1");
    t
}

#[test]
fn tcp_delack_max_bounds_the_wait_of_an_ack_and_so_does_the_smallest_rto() {
    let delack = |micros| Options::new().with_tcp_delack_max_us(micros).unwrap();
    for (options, wait) in [
        (Options::new(), 40),
        (delack(50_000), 40),
        (delack(30_000), 30),
        (delack(2000), 2),
        // A peer whose RTO may be as small as ours must not resend before our ACK.
        (Options::new().with_tcp_rto_min_us(20_000).unwrap(), 19),
        (delack(5000).with_tcp_rto_min_us(20_000).unwrap(), 5),
    ] {
        let mut t = delaying(|_| (), options);
        t.expect_at(ms(wait), ". 1:1(0) ack 171");
    }
    let mut t = delaying(|sysctl| sysctl.tcp_rto_min_us = 10_000, Options::new());
    t.expect_at(ms(9), ". 1:1(0) ack 171");
    // Below two ticks nothing goes: the wait is one.
    let mut t = delaying(|sysctl| sysctl.tcp_rto_min_us = 1, Options::new());
    t.expect_at(ms(1), ". 1:1(0) ack 171");
}

#[test]
fn tcp_window_clamp_bounds_every_window() {
    let clamp = |bytes| Options::new().with_tcp_window_clamp(bytes);
    // 13 whole segments of ours; a scale of nothing, since nothing beyond 16 bits will be offered. Later, 37 of 536
    // bytes, which is what the peer's are taken for.
    let mut t = Peer::new();
    t.listen(1, clamp(20_000));
    t.inject("S 0:0(0) win 64000 <mss 1460,nop,wscale 7>");
    t.expect("S. 0:0(0) ack 1 win 18980 <mss 1460,nop,wscale 0>");
    t.inject(". 1:1(0) ack 1");
    t.accept();
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11 win 19832");
    // Less than a segment: all of it.
    let mut t = Peer::new();
    t.connect(clamp(1152));
    t.expect("S 0:0(0) win 1152 <mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 0>");
    // More than 16 bits say without scaling, and more than the buffer.
    let mut t = Peer::new();
    t.connect(clamp(100_000));
    t.expect("S 0:0(0) win 64240 <mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 1>");
}

#[test]
fn a_window_clamp_set_live_is_reached_as_data_comes_and_no_edge_moves_left() {
    let mut t = Peer::new();
    t.open(Options::new());
    t.act(|conn, now| conn.set_options(now, conn.options().with_tcp_window_clamp(10_240)));
    let (mut seq, mut edge, mut window) = (1, 0, u32::MAX);
    while window > 10 {
        t.inject(&format!("P. {seq}:{}(1460) ack 1", seq + 1460));
        seq += 1460;
        assert_eq!(t.read(1460), Ok(1460));
        let left = t.next_left().unwrap();
        window = left.rsplit("win ").next().unwrap().split(' ').next().unwrap().parse().unwrap();
        let offered = seq + window * 1024;
        assert!(offered >= edge, "{left}");
        edge = offered;
        assert!(seq < 100_000, "{left}");
    }
    assert_eq!(window, 10, "10240 bytes in units of 1024");
}

#[test]
fn tcp_notsent_lowat_bounds_what_waits_unsent_and_says_when_to_write_again() {
    let mut t = Peer::new();
    t.open(Options::new().with_tcp_notsent_lowat(4000));
    // A window of 1536 bytes: one segment leaves, the next waits.
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.inject(". 11:11(0) ack 1 win 12");
    t.events();
    assert_eq!(t.try_write(10_000), Ok(4000));
    t.expect(". 1:1461(1460) ack 11");
    assert!(!t.act(|conn, _| conn.is_writable()), "2540 bytes wait");
    assert_eq!(t.act(|conn, _| conn.send_room()), 1460);
    assert_eq!(t.events(), []);
    t.inject(". 11:11(0) ack 1461 win 12");
    t.expect(". 1461:2921(1460) ack 11");
    // 1080 bytes wait, of which twice as many would still be less than 4000.
    assert_eq!(t.events(), [Event::Writable]);
    assert!(t.act(|conn, _| conn.is_writable()));
    assert_eq!(t.try_write(10_000), Ok(2920));
}

#[test]
fn the_sysctl_bounds_who_has_no_option_and_zero_stops_nobody() {
    // 4000 at once; and of 0 one byte at a time, which is slow, but Linux writes never.
    for (lowat, taken) in [(4000, 4000), (0, 1)] {
        let mut t = Peer::with(|c| c.sysctl.tcp_notsent_lowat = lowat);
        t.open(Options::new());
        assert_eq!(t.try_write(10_000), Ok(taken));
        while t.next_within(ms(0)).is_some() {}
        assert!(t.act(|conn, _| conn.is_writable()));
    }
}

#[test]
fn tcp_quickack_reads_whether_acks_wait_for_answers() {
    let mut t = Peer::new();
    t.open(Options::new());
    assert!(t.act(|conn, _| conn.tcp_quickack()));
    t.act(|conn, _| conn.set_tcp_quickack(false));
    assert!(!t.act(|conn, _| conn.tcp_quickack()));
    t.act(|conn, _| conn.set_tcp_quickack(true));
    assert!(t.act(|conn, _| conn.tcp_quickack()));
    // An answer makes the exchange interactive.
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.write(10);
    t.expect("P. 1:11(10) ack 11");
    assert!(!t.act(|conn, _| conn.tcp_quickack()));
}
