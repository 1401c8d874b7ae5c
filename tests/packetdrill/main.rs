//! Packetdrill scripts, run against the stack in virtual time: each script is one test, named by its path.
//!
//! `cargo test --test packetdrill [FILTER]` runs the scripts of this folder and the interpreter's own tests:
//!
//! | folder | what its scripts say | times |
//! |---|---|---|
//! | `liveness` | how Linux decides that a connection lives or is dead | exact |
//! | `own` | what no kernel was asked, or what differs for a reason | exact |
//! | `core` | what any TCP does, in the manner of public scripts | the original's tolerance |
//! | `language` | what the language can say; each says how it can be made to fail | the original's tolerance |
//!
//! `PACKETDRILL_SCRIPTS=DIR[:DIR] cargo test --test packetdrill [FILTER]` runs every script below those folders
//! instead, as `core` is run. A script that does not begin with `defaults.sh` has Linux's own settings.
//!
//! What cannot pass yet is listed in `known_failures.txt`, a path and a reason a line; a listed script that passes is a
//! failure, so that the list only ever gets shorter. `PACKETDRILL_KNOWN_FAILURES=FILE` is the list of other folders.
//!
//! A failure gives the line, both packets in the script's words, and all that happened before:
//!
//! ```text
//! core/close/linger-zero.pkt:14: expected  > R. 1:1(0) ack 2
//!   got       > R. 1:1(0) ack 1 win 1055
//!   acknowledgment: expected 2, got 1
//!     0.000000 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
//!     ...
//! ```
//!
//! It is stricter than the original where that finds mistakes: TCP checksums, zeros in every payload and the echoes of
//! timestamps are always checked. It differs where there is no kernel:
//!
//! - Commands are not run. Settings are made to the stack; what cannot matter here is ignored, by a table that says why
//!   (`shell::sysctls`, `sockets::ignored`); anything else fails the script by its name.
//! - The stack hands out one segment a packet. Outside the exact folders, and without `--strict_segments`, a script may
//!   expect several in one: like segments sent within its time are merged, and PSH is then what Linux sets on a packet
//!   of several segments. An inbound packet may be of any size, and goes in as one.
//! - Code runs when its time comes, not at the end. Assertions about fields that are not known fail by their name.
//! - Parts of the language whose subject is not built (fast open, epoll, zero copy, timestamping) are read, and say
//!   "not supported" when they are run.
//! - No script runs for ever: steps, lengths and depths are bounded.
//!
//! | room | question it answers |
//! |---|---|
//! | `ast`, `lexer`, `parser`, `parse_packet`, `parse_call` | what does the script say? |
//! | `codec`, `icmp`, `notation` | what does that look like as bytes, and bytes as script? |
//! | `numbers`, `matcher` | is what was sent what was expected? |
//! | `sockets`, `constants` | what does a call do to the stack, and what does it return on Linux? |
//! | `shell`, `python`, `info` | what do commands and code blocks do? |
//! | `runner` | what happens when, and to which connection? |
//! | `own_tests` | can all this fail, and does it always end? |

extern crate alloc;

mod ast;
mod codec;
mod constants;
mod icmp;
mod info;
mod lexer;
mod matcher;
mod notation;
mod numbers;
mod own_tests;
mod parse_call;
mod parse_packet;
mod parser;
mod python;
mod runner;
mod shell;
mod sockets;

use alloc::collections::BTreeMap;
use libtest_mimic::{Arguments, Failed, Trial};
use runner::Tolerance;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = if let Ok(folders) = std::env::var("PACKETDRILL_SCRIPTS") {
        of_others(&folders.split(':').filter(|folder| !folder.is_empty()).map(Path::new).collect::<Vec<_>>())
    } else {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packetdrill");
        own_tests::trials(&home).into_iter().chain(ours(&home)).collect()
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The scripts of this folder: times are exact, but in `core/`, where scripts are written as public ones are.
fn ours(home: &Path) -> Vec<Trial> {
    let mut known = known_failures(include_str!("known_failures.txt"));
    let rooms = [("core", Tolerance::Original), ("liveness", Tolerance::Zero), ("own", Tolerance::Zero)];
    let of_room = |(room, tolerance)| trials(&home.join(room), &format!("{room}/"), tolerance, &mut known);
    let mut trials: Vec<Trial> = rooms.into_iter().flat_map(of_room).collect();
    trials.extend(stale(known));
    trials
}

/// The scripts below other folders, named from there on.
fn of_others(folders: &[&Path]) -> Vec<Trial> {
    let list = std::env::var("PACKETDRILL_KNOWN_FAILURES").map(fs::read_to_string);
    let mut known = match list {
        Ok(Ok(text)) => known_failures(&text),
        Ok(Err(error)) => panic!("PACKETDRILL_KNOWN_FAILURES: {error}"),
        Err(_) => BTreeMap::new(),
    };
    let mut all = Vec::new();
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().display();
        let prefix = if folders.len() > 1 { format!("{name}/") } else { String::new() };
        let found = trials(folder, &prefix, Tolerance::Original, &mut known);
        if found.is_empty() {
            let message = format!("no .pkt file below {}", folder.display());
            all.push(Trial::test(folder.display().to_string(), move || Err(message.into())));
        }
        all.extend(found);
    }
    all.extend(stale(known));
    all
}

/// A test for each script below a folder, named by its path from there; takes what is known of them.
fn trials(folder: &Path, prefix: &str, tolerance: Tolerance, known: &mut BTreeMap<String, String>) -> Vec<Trial> {
    let trial = |path: PathBuf| {
        let name = format!("{prefix}{}", path.strip_prefix(folder).unwrap_or(&path).display());
        let reason = known.remove(&name);
        Trial::test(name, move || judge(run(&path, tolerance), reason))
    };
    scripts(folder).into_iter().map(trial).collect()
}

/// What is left of a list of known failures when every script has been found.
fn stale(known: BTreeMap<String, String>) -> impl Iterator<Item = Trial> {
    known.into_keys().map(|name| {
        let message = format!("{name} is a known failure and does not exist");
        Trial::test(name, move || Err(message.into()))
    })
}

/// A known failure must fail, anything else must not.
fn judge(outcome: Result<(), Failed>, known: Option<String>) -> Result<(), Failed> {
    match (outcome, known) {
        (Ok(()), Some(reason)) => {
            Err(format!("passes now: take it off the list of known failures (it says: {reason})").into())
        }
        (Err(_), Some(_)) => Ok(()),
        (outcome, None) => outcome,
    }
}

/// `path reason` a line; `#` begins a comment.
fn known_failures(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (path, reason) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            assert!(!reason.trim().is_empty(), "the list of known failures gives no reason for {path}");
            (path.to_owned(), reason.trim().to_owned())
        })
        .collect()
}

fn run(path: &Path, tolerance: Tolerance) -> Result<(), Failed> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    // A panic of the stack is the script's failure, like any other.
    let outcome = std::panic::catch_unwind(|| runner::run(&text, tolerance));
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) => {
            let place = format!("{}:{}", path.display(), failure.error.line);
            Err(format!("{place}: {}\n{}", failure.error.message, indented(&failure.trace)).into())
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default();
            Err(format!("{}: the stack panicked: {text}", path.display()).into())
        }
    }
}

fn indented(trace: &[String]) -> String {
    trace.iter().fold(String::new(), |text, line| text + "    " + line + "\n")
}

/// Every script below a folder, in order.
fn scripts(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "pkt") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
