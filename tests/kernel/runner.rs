//! Runs the scenarios beside each other, again where the machine was late, and counts what was judged.

use crate::control::Control;
use crate::judge::{judge, outputs};
use crate::lateness::Clock;
use crate::scenario::Scenario;
use crate::{own_tests, subject_kernel, subject_model, table};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use libtest_mimic::{Arguments, Failed, Trial};
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

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
        "kernel: {} packets and deaths in {} scenarios as ours; {} scenarios not judged, {} skipped",
        count.outputs.load(Relaxed),
        count.same.load(Relaxed),
        count.not_judged.load(Relaxed),
        count.skipped.load(Relaxed),
    );
    conclusion.exit_code()
}

#[derive(Default)]
struct Count {
    same: AtomicUsize,
    outputs: AtomicUsize,
    not_judged: AtomicUsize,
    skipped: AtomicUsize,
}

fn compare(scenario: &Scenario, clock: Clock, control: &Control, count: &Count) -> Result<(), Failed> {
    if let Some(reason) = unknown_here(scenario) {
        count.skipped.fetch_add(1, Relaxed);
        return say(&format!("skipped: {}: {reason}", scenario.name));
    }
    let (mut differs, mut worst) = (false, core::time::Duration::ZERO);
    for _ in 0..RUNS {
        let start = Instant::now();
        let Some(kernel) = subject_kernel::run(scenario)? else {
            count.skipped.fetch_add(1, Relaxed);
            return Ok(());
        };
        let late = control.worst_since(start);
        let model = subject_model::run(scenario, &kernel, clock);
        match judge(scenario, &kernel, &model, clock) {
            Ok(()) => {
                count.same.fetch_add(1, Relaxed);
                count.outputs.fetch_add(outputs(&kernel), Relaxed);
                return Ok(());
            }
            Err(difference) if late.is_zero() && differs => return Err(difference.into()),
            Err(_) => {
                differs |= late.is_zero();
                worst = worst.max(late);
            }
        }
    }
    count.not_judged.fetch_add(1, Relaxed);
    say(&format!("not judged: {}: this machine was late by {worst:?}", scenario.name))
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
