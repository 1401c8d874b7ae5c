//! The running kernel and our stack, side by side: the same calls, the same packets from the peer, the same hole.
//!
//! Each scenario is one test. The kernel's socket lives in a namespace of its own, where the test plays the peer
//! through a TUN; what happened there is told to a [`Stack`](longhaul::stack::Stack) in virtual time, and the judge
//! compares.
//! Limits are chosen so that the kernel's lateness, which is by design, never changes how often a timer fires.
//!
//! A machine that is itself too late cannot be judged by its times, so a difference is believed only when a control
//! found the machine in time, and only when it shows twice. What was never judged is counted and does not fail.
//!
//! On a machine that refuses namespaces or TUNs each test says so and passes; `LONGHAUL_REQUIRE_TUN=1` makes it fail.
//!
//! | room | question it answers |
//! |---|---|
//! | `scenario`, `table` | what is done? |
//! | `segment` | how do packets look? |
//! | `subject_kernel`, `subject_model` | what does either make of it? |
//! | `timeline`, `lateness`, `judge` | is it the same? |
//! | `control` | can this machine tell? |
//! | `own_tests` | can all this fail? |
#![cfg_attr(not(target_os = "linux"), allow(unused))]

extern crate alloc;

#[cfg(target_os = "linux")]
mod control;
#[cfg(target_os = "linux")]
mod judge;
#[cfg(target_os = "linux")]
mod lateness;
#[path = "../common/notation.rs"]
#[allow(dead_code, unreachable_pub)] // the scripted peer of the other tests uses the rest
mod notation;
#[cfg(target_os = "linux")]
mod own_tests;
#[cfg(target_os = "linux")]
mod runner;
mod scenario;
#[cfg(target_os = "linux")]
mod segment;
#[cfg(target_os = "linux")]
mod subject_kernel;
#[cfg(target_os = "linux")]
mod subject_model;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
mod timeline;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    runner::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    println!("skipped: there is no Linux kernel here to compare with");
    ExitCode::SUCCESS
}
