//! Attackers with patience: A36, A37, A45, A46, A48. Whoever only waits costs what he is allowed to, and for no longer
//! than was said.

use crate::hostile::packet::{ACK, Forge};
use crate::hostile::rig::{Host, Peer, full_offer, peer_v4, timestamps};
use longhaul::config::Sysctl;
use longhaul::error::Error;
use longhaul::forecast::End;
use longhaul::options::{Options, TcpKeepalive};
use longhaul::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A peer that shut its window over data that waits, and answers every probe.
struct Sockstress {
    host: Host,
    peer: Peer,
    id: longhaul::stack::ConnId,
}

impl Sockstress {
    fn new(options: Options) -> Self {
        let mut host = Host::listening_with(Sysctl::LINUX, options);
        let (peer, id) = Peer::establish(peer_v4(5000), &mut host, &[]);
        host.hears(&peer.forge().window(0));
        let _ = host.stack.conn(id).unwrap().send(host.now, vec![7; 1000].into()).unwrap();
        assert_eq!(host.drain(), []);
        Self { host, peer, id }
    }

    /// Answers for `time` at most; how the connection died, and after how long.
    fn answers_for(&mut self, time: Duration) -> Option<(Error, Duration)> {
        let begin = self.host.now;
        while self.host.now.since(begin) < time {
            let probes = self.host.wait(SECOND);
            if let Some(death) = self.host.stack.conn(self.id).and_then(|conn| conn.death()) {
                return Some((death, self.host.now.since(begin)));
            }
            if probes.iter().any(|(_, seen)| seen.has(ACK)) {
                self.host.hears(&self.peer.forge().window(0));
            }
        }
        None
    }
}

/// RFC 9293 3.8.6.1 [MUST-37] lets such a peer live; a user timeout ends it, and so does closing.
#[test]
fn attack_a36_a_window_that_stays_shut_lives_by_the_rfc_and_ends_by_a_user_timeout_or_as_an_orphan() {
    let mut for_ever = Sockstress::new(Options::new());
    assert_eq!(for_ever.answers_for(24 * HOUR), None);
    assert!(for_ever.host.stack.memory_charged() < 4096, "what it costs is what was written");

    let limit = Options::new().with_tcp_user_timeout(Some(30 * SECOND)).unwrap();
    let (death, after) = Sockstress::new(limit).answers_for(HOUR).expect("it ends");
    assert!(
        matches!(death, Error::TimedOut { .. }) && (30 * SECOND..60 * SECOND).contains(&after),
        "{death} after {after:?}"
    );

    let mut orphan = Sockstress::new(Options::new());
    orphan.host.stack.conn(orphan.id).unwrap().close(orphan.host.now);
    let begin = orphan.host.now;
    while orphan.host.conns() > 0 && orphan.host.now.since(begin) < HOUR {
        if !orphan.host.wait(SECOND).is_empty() {
            orphan.host.hears(&orphan.peer.forge().window(0));
        }
    }
    orphan.host.assert_empty();
}

/// A peer that opens its window by one byte at a time gets no byte at a time.
#[test]
fn attack_a37_a_window_of_a_few_bytes_does_not_make_segments_of_a_few_bytes() {
    let mut host = Host::listening();
    let (mut peer, id) = Peer::establish(peer_v4(5000), &mut host, &[]);
    let rest = host.stack.conn(id).unwrap().send(host.now, vec![7; 60_000].into()).unwrap();
    assert!(rest.is_empty());
    peer.hears_all(&mut host);
    host.stack.conn(id).unwrap().send(host.now, vec![7; 60_000].into()).unwrap();
    peer.take(&host.drain());
    let (mut packets, mut bytes) = (0, 0);
    for _ in 0..1000 {
        host.now += Duration::from_millis(10);
        let sent = host.hears(&peer.forge().window(1));
        packets += sent.iter().filter(|seen| seen.payload_len > 0).count();
        bytes += sent.iter().map(|seen| seen.payload_len).sum::<u32>();
        peer.take(&sent);
    }
    // What fits leaves when a timer says so, which is ever more seldom.
    assert!(packets <= 40, "{packets} packets for {bytes} bytes in ten seconds");
}

/// A crowd that was opened in one instant and then fell silent dies when it was said to, each by itself, and nothing is
/// left of it.
#[test]
fn attack_a46_peers_that_vanish_are_gone_at_the_instant_that_was_foretold() {
    const PEERS: u16 = 2000;
    let keepalive = TcpKeepalive::new().with_time(60 * SECOND).with_interval(5 * SECOND).with_retries(3);
    let options = Options::new().with_keepalive(true).with_tcp_keepalive(&keepalive).unwrap();
    let mut host = Host::listening_with(Sysctl::LINUX, options);
    let mut foretold = Vec::new();
    for port in 1024..1024 + PEERS {
        let (_, id) = Peer::establish(peer_v4(port), &mut host, &full_offer(1));
        host.now += Duration::from_millis(3);
        let end = host.stack.conn(id).unwrap().forecast(host.now).outlook().end;
        let End::Death { at, .. } = end else { panic!("{end:?}") };
        foretold.push((id, at));
    }
    for (id, at) in foretold {
        let almost = at.since(host.now).saturating_sub(Duration::from_millis(1));
        host.wait(almost);
        assert!(host.stack.conn(id).unwrap().death().is_none(), "too early");
        host.wait(at.since(host.now));
        let death = host.stack.conn(id).unwrap().death();
        assert!(matches!(death, Some(Error::TimedOut { .. })), "too late: {death:?}");
        host.stack.conn(id).unwrap().close(host.now);
    }
    host.drain();
    host.assert_empty();
}

/// A million expiries cost a million, not a million times a million: the work of one tick is what is due in it.
#[test]
fn attack_a45_ten_thousand_probes_of_one_tick_leave_in_that_tick_and_no_call_is_in_vain() {
    const PEERS: u32 = 10_000;
    let keepalive = TcpKeepalive::new().with_time(60 * SECOND).with_interval(5 * SECOND).with_retries(3);
    let options = Options::new().with_keepalive(true).with_tcp_keepalive(&keepalive).unwrap();
    let mut host = Host::listening_with(Sysctl { somaxconn: 65_535, ..Sysctl::LINUX }, options);
    for n in 0..PEERS {
        let [_, _, a, b] = n.to_be_bytes();
        Peer::establish(([198, 51, a, b], 5000).into(), &mut host, &[]);
    }
    let (begin, mut calls, mut probes): (Instant, u32, usize) = (host.now, 0, 0);
    while let Some(at) = host.stack.poll_timeout().filter(|&at| at.since(begin) <= 60 * SECOND) {
        host.now = host.now.max(at);
        host.stack.handle_timeout(host.now);
        probes += host.drain().len();
        calls += 1;
    }
    assert_eq!((host.now.since(begin), probes), (60 * SECOND, PEERS as usize));
    assert!(calls < 100, "{calls} calls until then");
}

/// What an attacker may send a million times must not fill a disk: nothing above trace is said of it.
#[test]
fn attack_a48_garbage_is_counted_and_not_logged() {
    static LOUD: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());
    struct Collector;
    impl log::Log for Collector {
        fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
            metadata.level() < log::Level::Trace
        }
        fn log(&self, record: &log::Record<'_>) {
            if self.enabled(record.metadata()) && record.target().starts_with("longhaul") {
                LOUD.lock().unwrap().push(record.args().to_string());
            }
        }
        fn flush(&self) {}
    }
    static COLLECTOR: Collector = Collector;
    log::set_logger(&COLLECTOR).expect("no other logger in this program");
    log::set_max_level(log::LevelFilter::Trace);
    let mut host = Host::listening();
    let (peer, _) = Peer::establish(peer_v4(5000), &mut host, &full_offer(1));
    for n in 0..10_000_u32 {
        host.hear(&n.to_be_bytes());
        host.hears(&Forge::new(peer.addr, peer.host).seq(n << 8).flags((n & 0x1ff) as u16).options(&timestamps(n, n)));
        host.hears(&Forge::new(peer_v4(6000), peer.host).seq(n).flags((n & 0x1ff) as u16));
    }
    assert!(host.stack.stats().in_errs >= 10_000);
    let loud = LOUD.lock().unwrap();
    assert!(loud.is_empty(), "{} lines: {:?}", loud.len(), &loud[..loud.len().min(3)]);
}
