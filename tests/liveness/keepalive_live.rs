//! Keepalive switched and tuned on a live connection (Linux `tcp_setsockopt`, `tcp_set_keepalive`).

use super::timeline::{Line, at, keepalive, then};
use crate::common::{Peer, secs};
use longhaul::options::{Options, TcpKeepalive};

const PROBE: &str = ". 0:0";

/// Probes at these times, then the reset and death.
fn death<const N: usize>(probes_ms: [u64; N], death_ms: u64) -> Vec<String> {
    let lines = then(at(probes_ms, PROBE), format!("{death_ms} R. 1:1"));
    then(lines, format!("{death_ms} dead: Keepalive ETIMEDOUT"))
}

fn with(options: Options, keepalive: &TcpKeepalive) -> Options {
    options.with_tcp_keepalive(keepalive).unwrap()
}

#[test]
fn a_new_idle_time_counts_at_once_and_from_the_last_reception() {
    // Idle before (s), when it is changed (ms), idle after (s): probe, death, with an interval of one second.
    let rows =
        [(10, 3000, 5, 5000, 6000), (2, 1000, 6, 6000, 7000), (10, 7000, 5, 7000, 8000), (2, 1999, 2, 2000, 3000)];
    for (before, changed_ms, after, probe, dead) in rows {
        let mut t = Line::open_default(keepalive(before, 1, 1));
        assert_eq!(t.until(changed_ms), Vec::<String>::new());
        t.set(|options| with(options, &TcpKeepalive::new().with_time(secs(after))));
        assert_eq!(t.until_end(), death([probe], dead), "{before} to {after} s at {changed_ms} ms");
    }
}

#[test]
fn a_new_interval_or_count_is_seen_when_the_pending_tick_fires() {
    let mut t = Line::open_default(keepalive(1, 1, 3));
    assert_eq!(t.until(1500), at([1000], PROBE));
    t.set(|options| with(options, &TcpKeepalive::new().with_interval(secs(3))));
    assert_eq!(t.until_end(), death([2000, 5000], 8000));

    let mut t = Line::open_default(keepalive(1, 1, 9));
    assert_eq!(t.until(2500), at([1000, 2000], PROBE));
    t.set(|options| with(options, &TcpKeepalive::new().with_retries(2)));
    assert_eq!(t.until_end(), death([], 3000));
}

#[test]
fn sysctls_are_read_at_each_tick() {
    let mut t = Line::open(
        |sysctl| (sysctl.tcp_keepalive_time, sysctl.tcp_keepalive_intvl) = (1, 1),
        Options::new().with_keepalive(true),
    );
    assert_eq!(t.until(2500), at([1000, 2000], PROBE));
    t.stack.sysctl_mut().tcp_keepalive_intvl = 10;
    t.stack.sysctl_mut().tcp_keepalive_probes = 4;
    assert_eq!(t.until_end(), death([3000, 13_000], 23_000));
}

#[test]
fn switched_on_late_it_begins_with_a_full_idle_period() {
    let mut t = Line::open_default(keepalive(2, 1, 1).with_keepalive(false));
    assert_eq!(t.until(100_000), Vec::<String>::new());
    t.set(|options| options.with_keepalive(true));
    assert_eq!(t.until_end(), death([102_000], 103_000));
}

#[test]
fn switching_it_on_again_changes_nothing() {
    let mut t = Line::open_default(keepalive(2, 1, 1));
    t.until(1500);
    t.set(|options| options.with_keepalive(true));
    assert_eq!(t.until_end(), death([2000], 3000));
}

#[test]
fn switched_off_it_stops_and_on_again_it_remembers_the_count() {
    let mut t = Line::open_default(keepalive(1, 1, 3));
    assert_eq!(t.until(2500), at([1000, 2000], PROBE));
    t.set(|options| options.with_keepalive(false));
    assert_eq!(t.until(50_000), Vec::<String>::new());
    t.set(|options| options.with_keepalive(true));
    assert_eq!(t.until_end(), death([51_000], 52_000), "one probe is left of three");
}

#[test]
fn before_the_handshake_is_complete_it_is_silent() {
    let mut peer = Peer::with(|config| config.sysctl.tcp_syn_retries = 1);
    peer.connect(keepalive(1, 1, 1));
    let lines = then(at([0, 1000, 2000], "S 0:0"), "3000 dead: Handshake ETIMEDOUT");
    assert_eq!(Line::new(peer).until_end(), lines);
}

#[test]
fn closed_by_the_application_it_no_longer_probes() {
    let mut t = Line::open_default(keepalive(1, 1, 1));
    t.close();
    t.expect("F. 1:1(0) ack 1");
    t.inject(". 1:1(0) ack 2");
    assert_eq!(t.until_end(), ["60000 gone"]);
}
