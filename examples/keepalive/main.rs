//! Five peers, and what keepalive makes of each: one that is well, one that crashed, one that came back without its
//! memory, and two that a router says are unreachable, of which Linux believes one.

#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)] // a program with an operating system

#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod tun;

use common::pair::{Death, Pair, keepalive, times};
use common::{Example, Failure, Files, Outcome, say, tell};
use longhaul::config::Sysctl;
use longhaul::error::Errno;
use longhaul::sim::Fate;
use longhaul::time::Duration;
use longhaul::timeline::{Kind, Lane, Scale, Timeline, in_words};
use longhaul::wire::{IcmpKind, emit_icmp_error};
use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;

const EXAMPLE: Example = Example {
    name: "keepalive",
    about: "An idle connection asks whether its peer is still there. Five peers, five answers.",
    story,
    #[cfg(target_os = "linux")]
    on_tun: Some(tun::story),
    #[cfg(not(target_os = "linux"))]
    on_tun: None,
};

fn main() -> ExitCode {
    EXAMPLE.main()
}

const SECOND: Duration = Duration::from_secs(1);
const ROUND_TRIP: Duration = Duration::from_millis(20);
/// Seconds of silence, seconds between probes, probes.
const SETTINGS: (u64, u64, u32) = (10, 2, 3);
/// Long enough for each to die, and for one to show that it does not.
const LIMIT: Duration = Duration::from_secs(35);

/// What becomes of the peer.
#[derive(Clone, Copy)]
enum Peer {
    Well,
    Crashed,
    Rebooted,
    /// A router on the way says that there is no route any more, of every packet.
    Unreachable,
    /// The same, and the first packet it says so of is not a probe: it acknowledges the peer's last words.
    UnreachableAfterWords,
}

/// How it looked from here.
struct Seen {
    lane: Lane,
    death: Option<Death>,
}

fn story(files: &mut Files) -> Outcome {
    let (time, interval, probes) = SETTINGS;
    let peers = [
        (Peer::Well, "alive", "answers each probe"),
        (Peer::Crashed, "crashed", "silent"),
        (Peer::Rebooted, "rebooted", "knows of no connection"),
        (Peer::Unreachable, "unreachable", "so a router, of probes"),
        (Peer::UnreachableAfterWords, "unreachable", "so a router, of an ACK"),
    ];
    let title = format!("Keepalive after {time} s, every {interval} s, {probes} times");
    let mut timeline =
        Timeline::new(&title).with_axis_title("time since the peer was last heard").with_scale(Scale::Linear);
    let mut seen = Vec::new();
    for (peer, label, detail) in peers {
        let life = live(peer, files)?;
        timeline.push(life.lane.clone().with_label(label).with_detail(detail));
        seen.push(life);
    }
    files.show(&timeline)?;
    explain(&seen)
}

/// Connects, lets the peer meet its fate, and waits.
fn live(peer: Peer, files: &mut Files) -> Result<Seen, Failure> {
    let (time, interval, probes) = SETTINGS;
    let mut pair = Pair::connect(1, Sysctl::LINUX, ROUND_TRIP, keepalive(time, interval, probes)?)?;
    let now = pair.now();
    let mut since = now - pair.conn()?.info(now).last_heard;
    if let Peer::UnreachableAfterWords = peer {
        let server = pair.server;
        pair.sim.stack(pair.b).conn(server).ok_or("the server's end is gone")?.send(now, "last words".into())?;
        // They are on their way when the route breaks.
        pair.sim.run_for(ROUND_TRIP / 4);
        since = now + ROUND_TRIP / 2;
    }
    let now = pair.now();
    let death = match peer {
        Peer::Well => pair.death(LIMIT)?,
        Peer::Crashed => {
            pair.cut();
            pair.death(LIMIT)?
        }
        Peer::Rebooted => {
            pair.reboot()?;
            pair.death(LIMIT)?
        }
        Peer::Unreachable | Peer::UnreachableAfterWords => behind_a_router(&mut pair)?,
    };
    files.add_capture(&pair.sim.pcapng())?;
    let death = death.map(|death| Death { after: (now + death.after).since(since), ..death });
    Ok(Seen { lane: pair.lane(since)?, death })
}

/// Nothing gets through any more, and a router says so of each packet.
fn behind_a_router(pair: &mut Pair) -> Result<Option<Death>, Failure> {
    let undelivered = Rc::new(RefCell::new(Vec::new()));
    let router = Rc::clone(&undelivered);
    pair.sim.intercept(move |passing| {
        router.borrow_mut().push((passing.at, passing.packet.to_vec()));
        Fate::Drop
    });
    let since = pair.now();
    while pair.now() < since + LIMIT {
        if let Some(death) = pair.death(SECOND / 10)? {
            let after = pair.now().since(since);
            return Ok(Some(Death { after, ..death }));
        }
        for (at, packet) in undelivered.borrow_mut().drain(..) {
            let mut report = [0; 576];
            let len = emit_icmp_error([10, 0, 0, 254].into(), IcmpKind::V4Unreachable(1), &packet, &mut report)?;
            pair.sim.inject(pair.a, report[..len].to_vec(), at + ROUND_TRIP / 2);
        }
    }
    Ok(None)
}

/// What was seen, checked against what the settings mean.
fn explain(seen: &[Seen]) -> Outcome {
    let [alive, crashed, rebooted, ignored, unreachable] = seen else {
        return Err("five peers, but other lives".into());
    };
    let (time, interval, probes) = SETTINGS;
    let errno = |life: &Seen| life.death.map(|death| death.error.errno());
    let when = |life: &Seen| life.death.map_or("never".into(), |death| in_words(death.after));
    let count = |life: &Seen| times(&life.lane, Kind::Probe).len();
    say("What was seen");
    tell(format!("alive: {} probes in {}, each answered; nothing else happened.", count(alive), in_words(LIMIT)));
    tell(format!(
        "crashed: dead after {} = {time} + {probes} x {interval} s, with ETIMEDOUT, and a reset to whoever listens.",
        when(crashed)
    ));
    tell(format!("rebooted: the first probe drew a reset: ECONNRESET after {}.", when(rebooted)));
    tell(format!(
        "unreachable: what a router says of a probe counts for nothing, since a probe is numbered below what can be \
         in flight: {:?} after {}. What it says of another packet kills no connection either, but is remembered: \
         {:?} after {}.",
        errno(ignored).ok_or("it lives")?,
        when(ignored),
        errno(unreachable).ok_or("it lives")?,
        when(unreachable),
    ));
    let promised = Duration::from_secs(time + interval * u64::from(probes));
    let dies_as_promised = |life: &Seen| life.death.is_some_and(|death| death.after == promised);
    let errnos = [alive, crashed, rebooted, ignored, unreachable].map(errno);
    let (silence, reset) = (Some(Errno::ETIMEDOUT), Some(Errno::ECONNRESET));
    let expected = [None, silence, reset, silence, Some(Errno::EHOSTUNREACH)];
    if errnos != expected || ![crashed, ignored, unreachable].into_iter().all(dies_as_promised) {
        return Err(format!("{expected:?} were promised, and {promised:?}; it was {errnos:?}").into());
    }
    Ok(())
}
