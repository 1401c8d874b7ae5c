//! What articles and manual pages say about TCP's timers, and what happens.
//!
//! For each claim: an experiment between two of our stacks in virtual time, what it saw, and the verdict. The figures
//! that decide are compared with the documented ones; if one differs, the program says so and ends with 1.

#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)] // a program with an operating system

#[path = "../common/mod.rs"]
mod common;
mod experiments;
mod selection;

use common::arguments::Arguments;
use common::{COLUMNS, Files, Outcome, say};
use experiments::{Finding, Myth, Part};
use longhaul::timeline::{LANES_MAX, Timeline};
use selection::Selection;
use std::process::ExitCode;

const HELP: &str = "What articles and manual pages say about TCP's timers, and what happens.

    cargo run --example myths -- [ARGUMENTS] [WORD]...

    WORD          only claims and verdicts that contain it, whatever its case
    --only N      only claim N, with its timeline
    --list        only say the claims
    --pcap FILE   write the packets for Wireshark, a section for each experiment
    --svg FILE    write the timelines as a picture
    --help        say this";

fn main() -> ExitCode {
    let parsed = Selection::parse(std::env::args_os().skip(1), experiments::all().len());
    let parsed = parsed.and_then(|(selection, rest)| Ok((selection, Arguments::parse(rest)?)));
    let (selection, arguments) = match parsed {
        Ok((_, arguments)) if arguments.help => {
            say(HELP);
            return ExitCode::SUCCESS;
        }
        Ok((selection, _))
            if !experiments::all().iter().enumerate().any(|(at, myth)| selection.takes(&(at + 1, myth))) =>
        {
            return wrongly_called("no claim contains that; --list says all");
        }
        Ok((_, arguments)) if arguments.tun => return wrongly_called("it runs in virtual time only"),
        Ok(parsed) => parsed,
        Err(why) => return wrongly_called(&why),
    };
    let outcome = match Files::create(arguments) {
        Ok(mut files) => story(&mut files, &selection).and_then(|()| files.finish()),
        Err(why) => return wrongly_called(&why),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nmyths: not as documented: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wrongly_called(why: &str) -> ExitCode {
    eprintln!("myths: {why}");
    ExitCode::from(2)
}

fn story(files: &mut Files, selection: &Selection) -> Outcome {
    let myths = experiments::all();
    let selected = || myths.iter().enumerate().map(|(at, myth)| (at + 1, myth)).filter(|row| selection.takes(row));
    let mut timeline =
        Timeline::new("Claims about TCP's timers, tried").with_axis_title("time since the stopwatch was started");
    let (mut tried, mut compared, mut void) = (0, 0, Vec::new());
    for (number, myth) in selected() {
        say(block(&format!("{number:>2}. "), &format!("\"{}\"", myth.claim)));
        if selection.lists_only() {
            continue;
        }
        let finding = experiment(number, myth);
        tell(myth, &finding);
        finding.lanes.iter().take(LANES_MAX).for_each(|lane| timeline.push(lane.clone()));
        if let Some(capture) = &finding.capture {
            files.add_capture(capture)?;
        }
        tried += 1;
        compared += finding.compared;
        void.extend((!finding.failures.is_empty()).then_some(number));
    }
    if selection.lists_only() {
        return Ok(());
    }
    if selection.shows_timelines() {
        files.show(&timeline)?;
    } else {
        files.draw(&timeline)?;
    }
    if void.is_empty() {
        say(format!("Claims tried: {tried}. All of the {compared} figures compared came out as documented."));
        return Ok(());
    }
    Err(format!("the experiments on claims {void:?}").into())
}

fn experiment(number: usize, myth: &Myth) -> Finding {
    let mut finding = Finding::default();
    if let Err(failure) = (myth.experiment)(&mut finding) {
        finding.failures.push(format!("experiment {number} broke down: {failure}"));
    }
    finding
}

/// What was done and seen, and what to think of the claim.
fn tell(myth: &Myth, finding: &Finding) {
    for (part, line) in &finding.lines {
        say(match part {
            Part::Run => block("    run      ", line),
            Part::Seen => block("             ", line),
        });
    }
    for failure in &finding.failures {
        say(block("    DIFFERS  ", failure));
    }
    let verdict = if finding.failures.is_empty() { format!("WRONG. {}", myth.verdict) } else { "none.".into() };
    say(block("    verdict  ", &verdict) + "\n");
}

/// `text` in lines that fit, the first behind `head`, the others as far in.
fn block(head: &str, text: &str) -> String {
    let room = COLUMNS - head.len();
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > room {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            *line += if line.is_empty() { "" } else { " " };
            *line += word;
        }
    }
    let indent = " ".repeat(head.len());
    format!("{head}{}", lines.join(&format!("\n{indent}")))
}
