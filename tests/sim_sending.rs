//! What a sender does about losses and small writes, seen from outside: repairs without waiting for a timeout, a window
//! that grows again, Nagle's algorithm after a cork.
#![cfg(feature = "sim")]
#![allow(dead_code)] // of the harness that is shared

extern crate alloc;

#[path = "sim_transfer/stream.rs"]
mod stream;

use alloc::rc::Rc;
use core::cell::Cell;
use longhaul::config::Sysctl;
use longhaul::options::Options;
use longhaul::sim::{Cut, Fate, HostId, Sim};
use longhaul::tcp::TcpInfo;
use longhaul::time::Duration;
use longhaul::wire::{self, Packet};
use stream::{DAY, End, SECOND, SERVER, Stream, data, open, run};

/// There and back on the default link.
const ROUND_TRIP: Duration = Duration::from_millis(20);
const LEN: usize = 300_000;

/// A connection whose sender's data segments can be lost on purpose.
struct Lossy {
    sim: Sim,
    a: HostId,
    b: HostId,
    client: End,
    server: End,
    /// How many data segments from now the one to lose is; 0 for none.
    lose: Rc<Cell<u32>>,
}

impl Lossy {
    fn new(sack: u8) -> Self {
        let (mut sim, a, b) = Sim::pair(1, Sysctl { tcp_sack: sack, ..Sysctl::LINUX });
        let (client, server, _) = open(&mut sim, a, b, SERVER);
        Self::around(sim, a, b, client, server)
    }

    /// The same of a connection that exists.
    fn around(mut sim: Sim, a: HostId, b: HostId, client: End, server: End) -> Self {
        let lose = Rc::new(Cell::new(0_u32));
        let left = lose.clone();
        sim.intercept(move |passing| {
            let has_data =
                |packet| matches!(wire::parse(packet), Ok(Packet::Tcp { segment, .. }) if !segment.payload.is_empty());
            if passing.from != a || !has_data(passing.packet) {
                return Fate::Pass;
            }
            let was = left.get();
            left.set(was.saturating_sub(1));
            if was == 1 { Fate::Drop } else { Fate::Pass }
        });
        Self { sim, a, b, client, server, lose }
    }

    fn timeouts(&mut self) -> u64 {
        self.sim.stack(self.a).stats().timeouts
    }

    fn info(&mut self) -> TcpInfo {
        let now = self.sim.now();
        self.sim.stack(self.a).conn(self.client.1).expect("the sender").info(now)
    }

    fn cwnd(&mut self) -> u32 {
        self.info().snd_cwnd
    }

    fn retransmits(&mut self) -> u8 {
        self.info().retransmits
    }

    /// Drives `stream` for this long.
    fn run_for(&mut self, stream: &mut Stream, span: Duration) {
        self.sim.run_until(
            |sim| {
                stream.drive(sim);
                false
            },
            span,
        );
    }
}

#[test]
fn one_lost_segment_is_sent_again_once_and_no_timer_fires() {
    for sack in [1, 0] {
        for lost in 1..=200 {
            let mut lossy = Lossy::new(sack);
            lossy.lose.set(lost);
            run(&mut lossy.sim, &mut [Stream::new(lossy.client, lossy.server, data(LEN))]);
            let stats = *lossy.sim.stack(lossy.a).stats();
            assert_eq!((stats.timeouts, stats.retrans_segs), (0, 1), "segment {lost}, SACK {sack}");
        }
    }
}

/// A handshake that needed a third SYN leaves a window of one segment (RFC 5681 3.1). With two in flight a loss brings
/// one duplicate ACK, which lets another segment out (RFC 3042), and so on.
#[test]
fn small_windows_recover_without_a_timeout_too() {
    for sack in [1, 0] {
        let (mut sim, a, b) = Sim::pair(1, Sysctl { tcp_sack: sack, ..Sysctl::LINUX });
        sim.link_mut(a, b).cut = Cut::AToB;
        let (host, now) = (b, sim.now());
        let listener = sim.stack(host).listen(SERVER, 1, Options::new()).expect("a free port");
        let client = sim.stack(a).connect(now, None, SERVER, Options::new()).expect("a free port");
        sim.run_for(Duration::from_millis(1500));
        sim.link_mut(a, b).cut = Cut::None;
        let mut server = None;
        assert!(sim.run_until(
            |sim| {
                server = sim.stack(b).accept(listener);
                server.is_some()
            },
            SECOND
        ));
        let mut lossy = Lossy::around(sim, a, b, (a, client), (b, server.expect("it was accepted")));
        assert_eq!(lossy.cwnd(), 1, "the SYN went three times");
        let before = lossy.timeouts();
        let mut stream = Stream::new(lossy.client, lossy.server, data(LEN));
        lossy.lose.set(2);
        lossy.run_for(&mut stream, 20 * SECOND);
        assert!(stream.is_done() && lossy.lose.get() == 0);
        assert_eq!(lossy.timeouts(), before, "SACK {sack}");
    }
}

#[test]
fn after_a_loss_the_window_grows_by_a_segment_each_round_trip() {
    for sack in [1, 0] {
        let mut lossy = Lossy::new(sack);
        let mut stream = Stream::new(lossy.client, lossy.server, data(1 << 20));
        lossy.lose.set(12);
        lossy.run_for(&mut stream, 6 * ROUND_TRIP);
        assert!(lossy.lose.get() == 0 && lossy.sim.stack(lossy.a).stats().retrans_segs == 1);
        let before = lossy.cwnd();
        lossy.run_for(&mut stream, 10 * ROUND_TRIP);
        assert!(!stream.is_done(), "the window was the limit");
        let grown = lossy.cwnd() - before;
        assert!((5..=10).contains(&grown), "SACK {sack}: from {before} by {grown} in ten round trips");
    }
}

#[test]
fn pulling_the_cork_pushes_once_and_leaves_nagle_in_charge() {
    let mut lossy = Lossy::new(1);
    let (host, id) = lossy.client;
    let set_cork = |sim: &mut Sim, on| {
        let now = sim.now();
        let mut conn = sim.stack(host).conn(id).expect("the sender");
        let options = conn.options().with_tcp_cork(on);
        conn.set_options(now, options);
    };
    let write = |sim: &mut Sim, text: &'static str| {
        let now = sim.now();
        let rest = sim.stack(host).conn(id).expect("the sender").send(now, text.into()).expect("a live connection");
        assert!(rest.is_empty());
    };
    let sent = |sim: &Sim| sim.trace().iter().filter(|line| line.contains("a > b  P.")).count();
    set_cork(&mut lossy.sim, true);
    write(&mut lossy.sim, "corked");
    lossy.sim.run_for(2 * ROUND_TRIP);
    assert_eq!(sent(&lossy.sim), 0);
    set_cork(&mut lossy.sim, false);
    lossy.sim.run_for(2 * ROUND_TRIP);
    assert_eq!(sent(&lossy.sim), 1);
    lossy.sim.run_for(DAY / 24);
    for text in ["first", "second"] {
        write(&mut lossy.sim, text);
        lossy.sim.run_for(Duration::from_millis(1));
    }
    assert_eq!(sent(&lossy.sim), 2, "the second waits for the first's ACK");
    lossy.sim.run_for(SECOND);
    assert_eq!(sent(&lossy.sim), 3);
}
