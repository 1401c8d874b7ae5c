//! A black hole: packets go in, nothing comes out, and nobody says so. When does TCP notice?
//!
//! First the famous 924.6 s, and why no connection ever died then. Then every cure that articles name, run side by
//! side. Then all of them together: `tcp_retries2`, user timeout and keepalive. The picture of `--svg` is the figure of
//! the README.

#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)] // a program with an operating system

#[path = "../common/mod.rs"]
mod common;
mod figure;
mod matrix;
mod retries2;
#[cfg(target_os = "linux")]
mod tun;

use common::{Example, Files, Outcome, say, tell};
use figure::{Cure, PATIENCE, figure};
use longhaul::timeline::in_words;
use std::process::ExitCode;

const EXAMPLE: Example = Example {
    name: "black_hole",
    about: "The wire is cut. When does TCP notice, and what makes it notice earlier?",
    story,
    #[cfg(target_os = "linux")]
    on_tun: Some(tun::story),
    #[cfg(not(target_os = "linux"))]
    on_tun: None,
};

fn main() -> ExitCode {
    EXAMPLE.main()
}

fn story(files: &mut Files) -> Outcome {
    retries2::story(files)?;
    let (timeline, cures) = figure()?;
    files.show(&timeline)?;
    for cure in &cures {
        files.add_capture(&cure.capture)?;
    }
    matrix::story()?;
    explain(&cures)
}

/// What the figure shows, in its own figures.
fn explain(cures: &[Cure]) -> Outcome {
    let [default, retries2, limited, reading, busy, idle, rebooted, nothing] = cures else {
        return Err("the figure has other lanes than its explanation".into());
    };
    if busy.death != default.death || reading.death != default.death || nothing.death.is_some() {
        return Err("keepalive or a read timeout changed what they do not change".into());
    }
    say("What was seen");
    for line in [
        format!("By default a request into a black hole takes {} to fail.", default.when()),
        format!("tcp_retries2 = 8 makes that {}, for every connection of the machine.", retries2.when()),
        format!(
            "TCP_USER_TIMEOUT = {} ends one connection, after {}: its clock starts with the first retransmission.",
            in_words(PATIENCE),
            limited.when()
        ),
        format!(
            "A read timeout of {} ends the call. The connection goes on until {}.",
            in_words(PATIENCE),
            reading.when()
        ),
        format!(
            "Keepalive finds a silent peer in {} and one that forgot us in {}, but only while nothing is in flight: \
             with a request under way it leaves the judgement to retransmission, and that takes {}.",
            idle.when(),
            rebooted.when(),
            busy.when()
        ),
        "An idle connection with nothing set is never found out. Set both: keepalive, and a user timeout.".into(),
    ] {
        tell(line);
    }
    Ok(())
}
