//! A forecast against what then happens: packet by packet, to the microsecond, without tolerance.
//!
//! Each case draws settings, options and a history from its seed: a connection between two stacks over a wire with
//! delay, loss, closed windows and ICMP errors, cut at some moment. Then the forecast is asked for, and time passes in
//! silence. In the environment, `LONGHAUL_FORECASTS` sets the number of cases, and `LONGHAUL_FORECAST` repeats the one
//! that a failure names.
#![cfg(feature = "alloc")]

extern crate alloc;

#[path = "forecast/history.rs"]
mod history;
#[path = "forecast/knobs.rs"]
mod knobs;
#[path = "forecast/known.rs"]
mod known;
#[path = "hostile/random.rs"]
#[allow(dead_code)]
mod random;
#[path = "forecast/rings.rs"]
mod rings;
#[path = "forecast/silence.rs"]
mod silence;

use alloc::collections::BTreeMap;
use history::World;
use longhaul::error::Errno;
use longhaul::forecast::{Departure, End, Reason};
use longhaul::tcp::State;
use std::env;

/// How many histories are compared, unless the environment says otherwise.
const CASES: u64 = 100_000;
/// How often each kind of end, and each state to ask in, is met at least in so many cases.
const MET_AT_LEAST: u64 = CASES / 1000;
/// So many histories are tried until one leaves a connection behind.
const HISTORIES_MAX: u64 = 64;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// Says which case it was, wherever it panics.
struct Case(u64);

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with LONGHAUL_FORECAST={}", self.0);
        }
    }
}

/// Runs one case, and says what it met: in which state, half way through what, sending what, with what end.
fn compare(case: u64) -> Vec<String> {
    let _case = Case(case);
    // A connection that is over before the silence has no future worth comparing: another history, then.
    let mut histories = (0..HISTORIES_MAX).map(|history| World::new(case * HISTORIES_MAX + history));
    let alive = histories.find_map(|mut world| world.live().map(|met| (world, met)));
    let (mut world, mut met) = alive.expect("one history in so many leaves a connection");
    let foretold = silence::foretell(&world);
    let happened = silence::watch(&mut world, &foretold);
    assert_eq!(foretold, happened, "\ncase {case}, in {met:?}: what was foretold, and what happened");
    met.extend(foretold.kinds().map(str::to_owned));
    met.push(kind_of(foretold.end));
    met
}

fn kind_of(end: End) -> String {
    match end {
        End::Death { cause, errno: Errno::ETIMEDOUT, .. } => format!("{cause:?}"),
        End::Death { errno, .. } => format!("the network had said {errno}"),
        End::Gone { how: Departure::FinWait2, .. } => "gone from FIN-WAIT-2".into(),
        End::Gone { how, .. } => format!("gone: {how:?}"),
        End::Never(reason) => format!("never: {reason:?}"),
    }
}

#[test]
fn what_is_foretold_is_what_happens() {
    if let Some(case) = number("LONGHAUL_FORECAST") {
        println!("{:?}", compare(case));
        return;
    }
    let cases = number("LONGHAUL_FORECASTS").unwrap_or(CASES);
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let run = |first: u64| {
        let mut met: BTreeMap<String, u64> = BTreeMap::new();
        for what in (first..cases).step_by(threads as usize).flat_map(compare) {
            *met.entry(what).or_default() += 1;
        }
        met
    };
    let met = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..threads).map(|first| scope.spawn(move || run(first))).collect();
        let mut all: BTreeMap<String, u64> = BTreeMap::new();
        for run in runs {
            for (what, count) in run.join().expect("the cases before this line agree") {
                *all.entry(what).or_default() += count;
            }
        }
        all
    });
    println!("{met:#?}");
    if cases >= CASES {
        for what in expected_to_be_met() {
            let count = met.get(&what).copied().unwrap_or(0);
            assert!(count >= MET_AT_LEAST, "{what} was met {count} times only");
        }
    }
}

/// A comparison that never meets a state compares nothing of it.
fn expected_to_be_met() -> Vec<String> {
    let states = [
        State::SynSent,
        State::SynReceived,
        State::Established,
        State::FinWait1,
        State::FinWait2,
        State::CloseWait,
        State::Closing,
        State::LastAck,
    ];
    let orphans = [State::FinWait1, State::FinWait2, State::Closing, State::LastAck];
    let causes = ["Handshake", "Retransmission", "ZeroWindow", "Keepalive", "UserTimeout", "Orphan"];
    let reasons = [Reason::Idle, Reason::CloseWait, Reason::FinWait2, Reason::Closed];
    let states = states.iter().map(ToString::to_string);
    let orphans = orphans.iter().map(|state| format!("{state} orphan"));
    let reasons = reasons.iter().map(|reason| format!("never: {reason:?}"));
    let rest = [
        "retransmitting",
        "probing",
        "in flight",
        "queued",
        "window shut over data in flight",
        "data",
        "acknowledgment",
        "tail loss probe",
        "reset",
        "gone from FIN-WAIT-2",
        "gone: Reset",
        "the network had said EHOSTUNREACH",
    ];
    states.chain(orphans).chain(reasons).chain(causes.into_iter().chain(rest).map(String::from)).collect()
}
