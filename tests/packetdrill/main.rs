//! Packetdrill scripts, run against the stack in virtual time: each script is one test, named by its path.
//!
//! `cargo test --test packetdrill [FILTER]` runs the scripts of this folder, with exact times;
//! `PACKETDRILL_SCRIPTS=DIR[:DIR] cargo test --test packetdrill [FILTER]` runs every script below those folders
//! instead, where a plain time has the original's tolerance (windows and `+0` are exact there, too).
//!
//! What cannot pass yet is listed in `known_failures.txt`, a path and a reason a line; a listed script that passes is a
//! failure, so that the list only ever gets shorter.
//!
//! | room | question it answers |
//! |---|---|
//! | `ast`, `lexer`, `parser`, `parse_packet`, `parse_call` | what does the script say? |
//! | `codec`, `icmp`, `notation` | what does that look like as bytes, and bytes as script? |
//! | `numbers`, `matcher` | is what was sent what was expected? |
//! | `sockets`, `constants` | what does a call do to the stack, and what does it return on Linux? |
//! | `shell`, `python`, `info` | what do commands and code blocks do? |
//! | `runner` | what happens when? |
//! | `own_tests` | can all this fail? |

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
    let trials = match std::env::var("PACKETDRILL_SCRIPTS") {
        Ok(folders) => folders.split(':').filter(|folder| !folder.is_empty()).flat_map(of_others).collect(),
        Err(_) => own_tests::trials().into_iter().chain(ours()).collect(),
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The scripts of this folder.
fn ours() -> Vec<Trial> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packetdrill");
    let mut known = known_failures(include_str!("known_failures.txt"));
    let mut trials: Vec<Trial> = scripts(&home)
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&home).unwrap_or(&path).display().to_string();
            let reason = known.remove(&name);
            Trial::test(name, move || judge(run(&path, Tolerance::Zero), reason))
        })
        .collect();
    for (name, _) in known {
        let message = format!("{name} is in known_failures.txt and does not exist");
        trials.push(Trial::test(name, move || Err(message.into())));
    }
    trials
}

/// The scripts below another folder.
fn of_others(folder: &str) -> Vec<Trial> {
    let paths = scripts(Path::new(folder));
    if paths.is_empty() {
        let message = format!("no .pkt file below {folder}");
        return vec![Trial::test(folder, move || Err(message.into()))];
    }
    let trial = |path: PathBuf| Trial::test(path.display().to_string(), move || run(&path, Tolerance::Original));
    paths.into_iter().map(trial).collect()
}

/// A known failure must fail, anything else must not.
fn judge(outcome: Result<(), Failed>, known: Option<String>) -> Result<(), Failed> {
    match (outcome, known) {
        (Ok(()), Some(reason)) => Err(format!("passes now: take it off known_failures.txt (it says: {reason})").into()),
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
            assert!(!reason.trim().is_empty(), "known_failures.txt gives no reason for {path}");
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
