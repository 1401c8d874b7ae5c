//! TIME-WAIT: who closes first pays, with a minute of a port. Who that is, what it costs, and what helps.
//!
//! A burst of short connections, closed by the one side or the other, or reset; a client that runs out of ports; what
//! `tcp_tw_reuse` changes, and what one persistent connection does. And the two minutes that are mistaken for each
//! other: TIME-WAIT, and FIN-WAIT-2.

#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)] // a program with an operating system

mod burst;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/lab.rs"]
mod lab;
mod minute;
mod ports;

use common::{Example, Files, Outcome};
use std::process::ExitCode;

const EXAMPLE: Example = Example {
    name: "time_wait",
    about: "Who closes first keeps a TIME-WAIT for 60 s. What does that cost, and what helps?",
    story,
    on_tun: None,
};

fn main() -> ExitCode {
    EXAMPLE.main()
}

fn story(files: &mut Files) -> Outcome {
    burst::story(files)?;
    ports::story()?;
    minute::story(files)
}
