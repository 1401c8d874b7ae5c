//! Figures that people know, foretold in words; they are those of `manual::liveness` and of a real Linux.

use longhaul::buf::ring::Ring;
use longhaul::config::Sysctl;
use longhaul::error::Cause;
use longhaul::forecast::{CALLS_MAX, Departure, End, Forecast, Reason};
use longhaul::options::{Options, TcpKeepalive};
use longhaul::seq::SeqNum;
use longhaul::stack::{Config, ConnId, Stack};
use longhaul::tcp::{Conn, EmitKind, Setup, State};
use longhaul::time::{Duration, Instant};
use longhaul::wire::Flow;

const START: Instant = Instant::from_secs(1);

/// Two stacks over a wire without delay, and the id of a connection between them at the first.
fn connected(sysctl: &Sysctl, options: Options) -> (Stack, Stack, ConnId) {
    let [mut us, mut peer] = [2, 1].map(|last| {
        let config = Config::new([last; 16]).with_ipv4([10, 0, 0, last].into());
        Stack::new(START, config.with_sysctl(sysctl.clone()))
    });
    let address = "10.0.0.1:80".parse().unwrap();
    peer.listen(address, 1, Options::new()).unwrap();
    let id = us.connect(START, None, address, options).unwrap();
    exchange(START, &mut us, &mut peer);
    (us, peer, id)
}

fn exchange(now: Instant, us: &mut Stack, peer: &mut Stack) {
    let mut packet = [0; 1500];
    for _ in 0..4 {
        while let Some(sent) = us.poll_transmit(now, &mut packet) {
            peer.handle_packet(now, &packet[..sent.len]).unwrap();
        }
        while let Some(sent) = peer.poll_transmit(now, &mut packet) {
            us.handle_packet(now, &packet[..sent.len]).unwrap();
        }
    }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What is foretold of a connection with which the application has just done something.
fn said(sysctl: &Sysctl, options: Options, act: impl FnOnce(&mut Stack, ConnId)) -> String {
    let (mut us, _, id) = connected(sysctl, options);
    act(&mut us, id);
    us.forecast(START, id).unwrap().outlook().to_string()
}

fn write(us: &mut Stack, id: ConnId) {
    us.conn(id).unwrap().send(START, "x".into()).unwrap();
}

#[test]
fn the_ends_that_people_know_are_said_in_plain_words() {
    let idle = |_: &mut Stack, _| {};
    let plain = Options::new();
    let no_sack = Sysctl { tcp_sack: 0, ..Sysctl::LINUX };
    let hasty = plain.with_tcp_user_timeout(Some(secs(3))).unwrap();
    let rows = [
        (
            said(&no_sack, plain.with_keepalive(true), idle),
            "dies in 7875.000 s: no answer to keepalive probes (tcp_keepalive_probes), after 9 probes",
        ),
        (
            said(&no_sack, plain, idle),
            "never ends by silence: nothing is outstanding, and keepalive is off (SO_KEEPALIVE)",
        ),
        (
            said(&no_sack, plain, write),
            "dies in 925.623 s: no acknowledgment of data sent (tcp_retries2), after 15 retransmissions",
        ),
        (
            said(&Sysctl::LINUX, plain, write),
            "dies in 925.824 s: no acknowledgment of data sent (tcp_retries2), after 15 retransmissions",
        ),
        (
            said(&no_sack, hasty, write),
            "dies in 3.201 s: the user timeout passed (TCP_USER_TIMEOUT), after 4 retransmissions",
        ),
        (
            said(&no_sack, plain, |us, id| us.conn(id).unwrap().close(START)),
            "dies in 102.711 s: closed by the application, and the peer stayed silent (tcp_orphan_retries), after 8 \
             retransmissions",
        ),
    ];
    for (said, expected) in rows {
        assert_eq!(said, expected);
    }
}

#[test]
fn half_way_the_rest_is_counted() {
    let (mut us, _, id) = connected(&Sysctl::LINUX, Options::new().with_keepalive(true));
    let mut now = START;
    while us.conn(id).unwrap().info(now).probes < 4 {
        now = us.poll_timeout().unwrap();
        us.handle_timeout(now);
        while us.poll_transmit(now, &mut [0; 1500]).is_some() {}
    }
    let outlook = us.conn(id).unwrap().forecast(now).outlook();
    assert_eq!(outlook.time_left(), Some(secs(6 * 75)));
    assert_eq!((outlook.probes, outlook.segments), (5, 5 + 1));
    let next = outlook.next.expect("the fifth probe");
    assert_eq!((next.kind, next.at, next.nth), (EmitKind::KeepaliveProbe, now + secs(75), 5));
    assert!(outlook.to_string().ends_with(", after 5 more probes"), "{outlook}");
}

#[test]
fn orphans_and_the_half_closed_have_their_own_ends() {
    // Our FIN is acknowledged, and the peer does not finish.
    let fin_wait_2 = |options| {
        let (mut us, mut peer, id) = connected(&Sysctl { tcp_fin_timeout: 80, ..Sysctl::LINUX }, options);
        us.conn(id).unwrap().finish(START);
        exchange(START, &mut us, &mut peer);
        // The ACK of a FIN may be delayed.
        let now = START + secs(1);
        peer.handle_timeout(now);
        exchange(now, &mut us, &mut peer);
        assert_eq!(us.conn(id).unwrap().state(), State::FinWait2);
        (us, id, now)
    };
    let (mut us, id, now) = fin_wait_2(Options::new());
    assert_eq!(us.conn(id).unwrap().forecast(now).outlook().end, End::Never(Reason::FinWait2));
    us.conn(id).unwrap().close(now);
    // 80 s are in truth 40 s: see `liveness::fin_wait2`.
    let end = us.forecast(now, id).unwrap().outlook().end;
    assert_eq!(end, End::Gone { at: now + secs(40), how: Departure::FinWait2 });
    let (mut us, id, now) = fin_wait_2(Options::new().with_keepalive(true));
    let end = us.conn(id).unwrap().forecast(now).outlook().end;
    assert!(matches!(end, End::Death { cause: Cause::Keepalive, .. }), "{end:?}");
}

#[test]
fn the_longest_legal_life_is_foretold_to_its_end() {
    let second = secs(1);
    let keepalive = TcpKeepalive::new().with_time(second).with_interval(second);
    let options = Options::new().with_tcp_keepalive(&keepalive).unwrap().with_keepalive(true);
    let options = options.with_tcp_rto_max_ms(1000).unwrap();
    let longest = Duration::from_millis((1 << 31) - 1);
    let options = options.with_tcp_user_timeout(Some(longest)).unwrap();
    for act in [|_: &mut Stack, _: ConnId| {}, write] {
        let (mut us, _, id) = connected(&Sysctl { tcp_retries2: 255, ..Sysctl::LINUX }, options);
        act(&mut us, id);
        let outlook = us.forecast(START, id).unwrap().outlook();
        assert!(matches!(outlook.end, End::Death { cause: Cause::UserTimeout, .. }), "{outlook}");
        assert!(outlook.time_left().is_some_and(|left| left >= longest && left < longest + secs(3)), "{outlook}");
        assert!(outlook.segments < CALLS_MAX / 4, "{} segments", outlook.segments);
    }
}

#[test]
fn a_forecast_changes_nothing() {
    let (mut us, _, id) = connected(&Sysctl::LINUX, Options::new());
    write(&mut us, id);
    let before = format!("{us:?}");
    us.forecast(START, id).unwrap().outlook();
    assert_eq!(format!("{us:?}"), before);
}

#[test]
fn a_driver_without_ticks_is_foretold_to_the_microsecond() {
    let flow = Flow { local: "10.0.0.2:5000".parse().unwrap(), remote: "10.0.0.1:80".parse().unwrap() };
    let setup = Setup { flow, iss: SeqNum::new(77), ts_offset: 0, mtu: 1500, options: Options::new() };
    let now = Instant::from_micros(1_000_123);
    let conn = Conn::connect(now, &setup, &Sysctl::LINUX);
    let ring = Ring::new(&mut [], &mut [], &mut []);
    let outlook = Forecast::new(&conn, now, &Sysctl::LINUX, &ring).outlook();
    assert_eq!(outlook.end.at(), Some(now + secs(131)));
    assert_eq!(outlook.next.map(|syn| (syn.kind, syn.at)), Some((EmitKind::Syn, now)));
}
