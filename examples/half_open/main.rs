//! One side of a connection lost its memory, and the other does not know. What does each call find out, and when?
//!
//! Then the reverse: the side that lost its memory comes back from the same port, and meets its own past.

#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)] // a program with an operating system

#[path = "../common/mod.rs"]
mod common;
mod reconnect;
#[cfg(target_os = "linux")]
mod tun;

use common::pair::{Death, Pair, keepalive};
use common::{Example, Failure, Files, Outcome, say, tell};
use longhaul::config::Sysctl;
use longhaul::error::{Errno, Error};
use longhaul::options::Options;
use longhaul::time::Duration;
use longhaul::timeline::{Kind, Lane, Mark, Timeline, in_words};
use std::process::ExitCode;

const EXAMPLE: Example = Example {
    name: "half_open",
    about: "One side lost its memory. What do read, write and keepalive of the other find out, and when?",
    story,
    #[cfg(target_os = "linux")]
    on_tun: Some(tun::story),
    #[cfg(not(target_os = "linux"))]
    on_tun: None,
};

fn main() -> ExitCode {
    EXAMPLE.main()
}

const ROUND_TRIP: Duration = Duration::from_millis(20);
const HOUR: Duration = Duration::from_secs(3600);

/// What the survivor does, and what became of it.
struct Life {
    lane: Lane,
    death: Option<Death>,
    /// What reads and writes after the death say.
    said: Vec<Error>,
}

fn story(files: &mut Files) -> Outcome {
    let lives = [
        live(files, "read", "nothing set", Options::new(), Past::Rebooted, false)?,
        live(files, "write", "the peer is back", Options::new(), Past::Rebooted, true)?,
        live(files, "write", "the peer stays away", Options::new(), Past::Gone, true)?,
        live(files, "keepalive 10 s, 2 s, 3", "the peer is back", keepalive(10, 2, 3)?, Past::Rebooted, false)?,
        live(files, "keepalive 10 s, 2 s, 3", "the peer stays away", keepalive(10, 2, 3)?, Past::Gone, false)?,
    ];
    let mut timeline = Timeline::new("The peer lost its memory").with_axis_title("time since then");
    for life in &lives {
        timeline.push(life.lane.clone());
    }
    files.show(&timeline)?;
    explain(&lives)?;
    reconnect::story(files)
}

/// What became of the peer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Past {
    /// It is back, and remembers nothing.
    Rebooted,
    /// It is not back.
    Gone,
}

fn live(
    files: &mut Files,
    label: &str,
    detail: &str,
    options: Options,
    past: Past,
    writes: bool,
) -> Result<Life, Failure> {
    let mut pair = Pair::connect(1, Sysctl::LINUX, ROUND_TRIP, options)?;
    let since = pair.now();
    match past {
        Past::Rebooted => pair.reboot()?,
        Past::Gone => pair.cut(),
    }
    if writes {
        // As always, a write only queues.
        pair.write("SET k v\r\n")??;
    }
    let death = pair.death(HOUR)?;
    let mut said = Vec::new();
    if death.is_some() {
        said.extend(pair.read()?.err());
        said.extend(pair.write("SET k v\r\n")?.err());
    }
    files.add_capture(&pair.sim.pcapng())?;
    let mut lane = pair.lane(since)?.with_label(label).with_detail(detail);
    match death {
        Some(death) => lane.dies(death.after, &format!("{:?}", death.error.errno())),
        None => lane.lives(HOUR, "still waiting"),
    }
    if writes {
        lane.mark(Mark::new(Duration::ZERO, Kind::Note).with_text("write: ok"));
    }
    Ok(Life { lane, death, said })
}

fn explain(lives: &[Life]) -> Outcome {
    let [read, write, lost, probed, unanswered] = lives else { return Err("other lives than expected".into()) };
    let when = |life: &Life| life.death.map_or("never".into(), |death| in_words(death.after));
    let [first, second] = write.said[..] else { return Err("a dead connection said too little".into()) };
    say("What was seen");
    tell(format!("read alone finds out nothing: after {} it still waits.", in_words(HOUR)));
    tell(format!(
        "write succeeds, since it only queues. A peer that is back answers with a reset after {}: then read says {:?}, \
         once, and the next write {:?}. A peer that stays away is given up after {}.",
        when(write),
        first.errno(),
        second.errno(),
        when(lost)
    ));
    tell(format!("keepalive finds out by itself: {} if the peer is back, {} if not.", when(probed), when(unanswered)));
    say("");
    let errnos = [read, write, lost, probed, unanswered].map(|life| life.death.map(|death| death.error.errno()));
    let (reset, silence) = (Some(Errno::ECONNRESET), Some(Errno::ETIMEDOUT));
    if errnos != [None, reset, silence, reset, silence] || second.errno() != Errno::EPIPE {
        return Err(format!("these are not the errors that were promised: {errnos:?}, {second}").into());
    }
    Ok(())
}
