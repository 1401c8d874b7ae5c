//! Claims about TCP's timers that many articles repeat, and what a run says to each.
//!
//! An experiment configures two stacks, lets virtual time pass, and writes down what it saw. Every figure that decides
//! is compared with the documented one ([`Finding::same`], [`Finding::holds`]); one that differs makes the verdict
//! void. The documented figures come from the RFCs and from Linux, not from runs.

mod closing;
mod handshake;
mod keepalive;
#[path = "../../common/lab.rs"]
pub(crate) mod lab;
mod path;
mod retransmission;
mod user_timeout;

use lab::{Failure, Lab};
use longhaul::timeline::Lane;
use std::fmt::Display;

/// A claim, and the experiment that decides it.
pub(crate) struct Myth {
    /// As it is told.
    pub(crate) claim: &'static str,
    /// What is right.
    pub(crate) verdict: &'static str,
    pub(crate) experiment: fn(&mut Finding) -> Result<(), Failure>,
}

/// All of them; their numbers are their places, from 1.
pub(crate) fn all() -> Vec<Myth> {
    [keepalive::MYTHS, retransmission::MYTHS, user_timeout::MYTHS, handshake::MYTHS, closing::MYTHS, path::MYTHS]
        .into_iter()
        .flatten()
        .map(|&(claim, verdict, experiment)| Myth { claim, verdict, experiment })
        .collect()
}

/// A claim, what is right, and the experiment: a row of a group.
type Row = (&'static str, &'static str, fn(&mut Finding) -> Result<(), Failure>);

/// What an experiment saw.
#[derive(Default)]
pub(crate) struct Finding {
    /// What was set up, and what happened, line by line.
    pub(crate) lines: Vec<(Part, String)>,
    /// Figures that were compared with the documented ones.
    pub(crate) compared: usize,
    /// What was not as documented.
    pub(crate) failures: Vec<String>,
    /// What it looked like.
    pub(crate) lanes: Vec<Lane>,
    /// The wire of the last run, as a capture.
    pub(crate) capture: Option<Vec<u8>>,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Run,
    Seen,
}

impl Finding {
    /// What is done.
    pub(crate) fn run(&mut self, what: impl Into<String>) {
        self.lines.push((Part::Run, what.into()));
    }

    /// What was seen.
    pub(crate) fn seen(&mut self, what: impl Into<String>) {
        self.lines.push((Part::Seen, what.into()));
    }

    /// A figure, and what it is documented to be.
    #[allow(clippy::needless_pass_by_value)] // figures made on the spot
    pub(crate) fn same<T: PartialEq + Display>(&mut self, what: &str, found: T, documented: T) {
        self.seen(format!("{what}: {found}"));
        self.compared += 1;
        if found != documented {
            self.failures.push(format!("{what}: {found}, documented is {documented}"));
        }
    }

    /// Something that has to be true.
    pub(crate) fn holds(&mut self, what: &str, found: bool) {
        self.compared += 1;
        if !found {
            self.failures.push(format!("not so: {what}"));
        }
    }

    /// The run is over: its lanes count from the mark.
    pub(crate) fn keep(&mut self, lab: &Lab) {
        self.lanes.extend(lab.lanes());
        self.capture = Some(lab.sim.pcapng());
    }
}
