//! Runs the scenarios beside each other, again where the machine was late, and counts what was judged.

use crate::control::Control;
use crate::judge::{Difference, judge, outputs};
use crate::lateness::Clock;
use crate::scenario::Scenario;
use crate::{own_tests, subject_kernel, subject_model, table};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use core::time::Duration;
use libtest_mimic::{Arguments, Failed, Trial};
use std::io::Write as _;
use std::process::ExitCode;

/// Scenarios that run at once. They sleep most of the time; more would be late by each other's beginnings.
const AT_ONCE: usize = 24;

/// Runs of one scenario until the machine counts as too busy to tell.
const RUNS: u32 = 3;

pub(crate) fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(AT_ONCE));
    let clock = Clock::of_this_kernel();
    let control = if arguments.list { Control::default() } else { Control::start(clock) };
    let count = Arc::new(Count::default());
    let mut trials = own_tests::trials();
    for scenario in table::scenarios() {
        let (control, count) = (control.clone(), count.clone());
        trials.push(Trial::test(scenario.name, move || compare(&scenario, clock, &control, &count)));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    println!(
        "kernel: the same in {} scenarios ({} packets and deaths); {} differ as known, {} not judged, {} skipped",
        count.same.load(Relaxed),
        count.outputs.load(Relaxed),
        count.known.load(Relaxed),
        count.not_judged.load(Relaxed),
        count.skipped.load(Relaxed),
    );
    conclusion.exit_code()
}

#[derive(Default)]
struct Count {
    same: AtomicUsize,
    outputs: AtomicUsize,
    /// Differences that the table knows of.
    known: AtomicUsize,
    not_judged: AtomicUsize,
    skipped: AtomicUsize,
}

impl Count {
    fn same(&self, scenario: &Scenario, outputs: usize) -> Result<(), Failed> {
        if let Some(why) = scenario.differs {
            return Err(format!("no difference any more; take it off the table: {why}").into());
        }
        self.same.fetch_add(1, Relaxed);
        self.outputs.fetch_add(outputs, Relaxed);
        Ok(())
    }

    fn differs(&self, scenario: &Scenario, difference: &Difference) -> Result<(), Failed> {
        if scenario.differs.is_none() || !difference.is_in_kind() {
            return Err(difference.text.clone().into());
        }
        self.known.fetch_add(1, Relaxed);
        Ok(())
    }
}

fn compare(scenario: &Scenario, clock: Clock, control: &Control, count: &Count) -> Result<(), Failed> {
    if let Some(reason) = unknown_here(scenario) {
        count.skipped.fetch_add(1, Relaxed);
        return say(&format!("skipped: {}: {reason}", scenario.name));
    }
    let mut told = Vec::new();
    for _ in 0..RUNS {
        let Some(life) = subject_kernel::run(scenario)? else {
            count.skipped.fetch_add(1, Relaxed);
            return Ok(());
        };
        let model = subject_model::run(scenario, &life.timeline, clock);
        let Err(difference) = judge(scenario, &life.timeline, &model, clock) else {
            return count.same(scenario, outputs(&life.timeline));
        };
        let late = control.worst_between(life.start + difference.from, life.start + difference.to);
        if is_believed(&difference, late, &told) {
            return count.differs(scenario, &difference);
        }
        told.push((difference, late));
    }
    count.not_judged.fetch_add(1, Relaxed);
    let late = told.iter().map(|(_, late)| *late).max().unwrap_or_default();
    say(&format!("not judged: {}: this machine was late by {late:?}", scenario.name))
}

/// A difference in time is believed if it shows twice while the machine was in time; one in what was done, if it shows
/// the same way twice.
fn is_believed(difference: &Difference, late: Duration, told: &[(Box<Difference>, Duration)]) -> bool {
    let in_time = told.iter().any(|(_, before)| before.is_zero() && late.is_zero());
    in_time || told.iter().any(|(before, _)| difference.is_in_kind() && before.kind == difference.kind)
}

/// Why this kernel would not know the scenario.
fn unknown_here(scenario: &Scenario) -> Option<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    let here: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let needed = scenario.since.max(OLDEST);
    (here < needed).then(|| format!("needs Linux {}.{}, this is {}", needed.0, needed.1, release.trim()))
}

/// The oldest kernel whose rules these are.
const OLDEST: (u32, u32) = (6, 12);

/// In one piece and past the capture of output, as the tests beside it may speak as well.
fn say(line: &str) -> Result<(), Failed> {
    std::io::stderr().write_all(format!("{line}\n").as_bytes())?;
    Ok(())
}
