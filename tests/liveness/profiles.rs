//! The settings of other systems, as how long a connection lives with them.

use super::timeline::{Line, each, then};
use crate::common::{Peer, secs};
use longhaul::config::Sysctl;
use longhaul::options::Options;

const SYN: &str = "S 0:0";

fn connecting(profile: Sysctl) -> Vec<String> {
    let mut peer = Peer::with(|config| config.sysctl = profile);
    peer.connect(Options::new());
    let mut line = Line::new(peer);
    line.zero();
    line.until_end()
}

#[test]
fn connecting_fails_after_127_s_on_older_linux_and_after_247_by_rfc9293() {
    let rows = [
        (Sysctl::LINUX_6_1, &[0, 1, 3, 7, 15, 31, 63][..], 127),
        (Sysctl::RFC9293, &[0, 1, 3, 7, 15, 31, 63, 127], 247),
    ];
    for (profile, sent, dead) in rows {
        let sent_ms: Vec<u64> = sent.iter().map(|secs| secs * 1000).collect();
        assert_eq!(connecting(profile), then(each(&sent_ms, SYN), format!("{dead}000 dead: Handshake ETIMEDOUT")));
    }
}

#[test]
fn a_syn_ack_is_repeated_for_three_minutes_by_rfc9293() {
    let mut t = Peer::with(|config| config.sysctl = Sysctl::RFC9293);
    t.listen(1, Options::new());
    t.inject("S 0:0(0) win 64000 <mss 1460>");
    t.expect("S. 0:0(0) ack 1 <...>");
    t.mark();
    for at in [1, 3, 7, 15, 31, 63, 127] {
        t.expect_at(secs(at), "S. 0:0(0) ack 1 <...>");
    }
    t.advance_to(secs(246));
    assert_eq!(t.stack.half_open_len(), 1);
    t.advance_to(secs(247));
    assert_eq!(t.stack.half_open_len(), 0);
}

#[test]
fn a_silent_peer_is_missed_after_the_keepalive_of_each_system() {
    // Two hours, then so many probes so many seconds apart.
    let rows = [(Sysctl::FREEBSD, 8, 75, 7800), (Sysctl::MACOS, 8, 75, 7800), (Sysctl::WINDOWS, 10, 1, 7210)];
    for (profile, probes, interval, dead) in rows {
        let mut t = Line::open(|sysctl| *sysctl = profile, Options::new().with_keepalive(true));
        let sent_ms: Vec<u64> = (0..probes).map(|probe| (7200 + probe * interval) * 1000).collect();
        let lines = then(each(&sent_ms, ". 0:0"), format!("{dead}000 R. 1:1"));
        assert_eq!(t.until_end(), then(lines, format!("{dead}000 dead: Keepalive ETIMEDOUT")));
    }
}

#[test]
fn no_timeout_is_below_a_second_by_rfc9293() {
    // A round trip of 1 ms, and a second of variance.
    let mut t = Line::open(|sysctl| *sysctl = Sysctl::RFC9293, Options::new());
    t.write(100);
    assert_eq!(t.until(7007), each(&[0, 1001, 3003, 7007], "P. 1:101"));
}
