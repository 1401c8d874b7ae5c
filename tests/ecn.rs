//! Congestion told by marks: two stacks on a link that marks, end to end (RFC 3168).
#![cfg(feature = "sim")]

extern crate alloc;

#[path = "sim_transfer/stream.rs"]
#[allow(dead_code)]
mod stream;

use alloc::rc::Rc;
use core::cell::RefCell;
use core::num::NonZeroU32;
use longhaul::config::Sysctl;
use longhaul::sim::{Fate, Link, Sim};
use longhaul::tcp::CaState;
use longhaul::time::Duration;
use longhaul::wire::{self, Ecn, Flags, Packet};
use stream::{SERVER, Stream, close_and_drain, data, open, run};

const ASKING: Sysctl = Sysctl { tcp_ecn: 1, ..Sysctl::LINUX };
const LEN: usize = 1_000_000;

/// What was seen of one direction: by mark, and what went again.
#[derive(Debug, Default)]
struct Seen {
    capable: u32,
    echoes: u32,
    reductions: u32,
    marked_without_text: u32,
}

/// Notes what leaves both hosts.
fn watch(sim: &mut Sim) -> Rc<RefCell<Seen>> {
    let seen = Rc::new(RefCell::new(Seen::default()));
    let noted = seen.clone();
    sim.intercept(move |passing| {
        if let Ok(Packet::Tcp { segment, ecn, .. }) = wire::parse(passing.packet) {
            let mut seen = noted.borrow_mut();
            let flags = segment.header.flags;
            seen.capable += u32::from(ecn == Ecn::Ect0);
            seen.marked_without_text += u32::from(ecn != Ecn::NotEct && segment.payload.is_empty());
            if !flags.contains(Flags::SYN) {
                seen.echoes += u32::from(flags.contains(Flags::ECE));
                seen.reductions += u32::from(flags.contains(Flags::CWR));
            }
        }
        Fate::Pass
    });
    seen
}

/// Also says how much went again.
fn transfer(sysctl: Sysctl, link: Link) -> (Sim, Seen, u64) {
    let (mut sim, a, b) = Sim::pair(1, sysctl);
    *sim.link_mut(a, b) = link;
    let seen = watch(&mut sim);
    let (client, server, _) = open(&mut sim, a, b, SERVER);
    run(&mut sim, &mut [Stream::new(client, server, data(LEN))]);
    close_and_drain(&mut sim, &[client, server]);
    let again = sim.stack(a).stats().retrans_segs;
    (sim, seen.take(), again)
}

/// A router with a short queue that marks before it must drop: nothing is lost, and nothing goes twice.
#[test]
fn a_router_that_marks_loses_nothing() {
    let narrow = Link { rate: NonZeroU32::new(1_250_000), queue_bytes: 90_000, ..Link::default() };
    let (_, _, again) = transfer(ASKING, narrow);
    assert!(again > 0, "without marks the queue overflows");
    let (_, seen, again) = transfer(ASKING, Link { mark_from_bytes: 20_000, ..narrow });
    assert_eq!(again, 0, "{seen:?}");
    assert!(seen.capable >= (LEN / 1460) as u32 && seen.echoes > 0, "{seen:?}");
    assert!((2..100).contains(&seen.reductions), "once a round trip, not once a mark: {seen:?}");
    assert_eq!(seen.marked_without_text, 0);
}

#[test]
fn who_does_not_ask_gets_none_and_marks_nothing() {
    let (sim, seen, _) = transfer(Sysctl::LINUX, Link { mark_permille: 500, ..Link::default() });
    assert_eq!((seen.capable, seen.echoes, seen.reductions), (0, 0, 0));
    assert!(!sim.trace().iter().any(|line| line.contains("marked")));
}

/// Every packet marked: the window falls to its least and stays there, and the stream arrives.
#[test]
fn a_link_that_marks_everything_slows_the_stream_and_stops_it_not() {
    let (mut sim, a, b) = Sim::pair(1, ASKING);
    sim.link_mut(a, b).mark_permille = 1000;
    let (client, server, _) = open(&mut sim, a, b, SERVER);
    let mut streams = [Stream::new(client, server, data(100_000))];
    let mut least = u32::MAX;
    let done = sim.run_until(
        |sim| {
            streams[0].drive(sim);
            let now = sim.now();
            if let Some(mut conn) = sim.stack(a).conn(client.1) {
                let info = conn.info(now);
                least = least.min(info.snd_ssthresh);
                assert!(info.ecn && matches!(info.ca_state, CaState::Open | CaState::Cwr | CaState::Disorder));
            }
            streams[0].is_done()
        },
        Duration::from_secs(600),
    );
    assert!(done && least == 2, "{least}");
}
