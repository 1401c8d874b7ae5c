//! Whether a kernel and our stack did the same: the same things in the same order, the kernel never earlier than the
//! machine explains, and later only by what its timers and the machine explain.

use crate::lateness::{Clock, MACHINE};
use crate::scenario::Scenario;
use crate::timeline::{Entry, What};
use core::fmt::Write as _;
use core::time::Duration;

/// The first difference.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) kind: Kind,
    /// When the kernel did what came before, and when it did this, or was to.
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    /// What differs, and both timelines.
    pub(crate) text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One did this, the other that, or nothing.
    What(Option<What>, Option<What>),
    Early,
    Late,
}

impl Difference {
    /// Not a matter of time.
    pub(crate) fn is_in_kind(&self) -> bool {
        matches!(self.kind, Kind::What(..))
    }
}

/// Our stack's entries beside the kernel's.
pub(crate) fn judge(
    scenario: &Scenario,
    kernel: &[Entry],
    model: &[Option<Entry>],
    clock: Clock,
) -> Result<(), Box<Difference>> {
    let mut allowance = Allowance::default();
    for number in 0..kernel.len().max(model.len()) {
        let (ours, theirs) = (model.get(number).and_then(Option::as_ref), kernel.get(number));
        let from = allowance.before;
        let found = match (theirs, ours) {
            (Some(theirs), Some(ours)) => compare(theirs, ours, allowance.next(scenario, theirs, ours, clock)),
            _ => Some(different(theirs, ours)),
        };
        if let Some((kind, reason)) = found {
            let to = theirs.or(ours).map_or(from, |entry| entry.at);
            let text = format!("line {}: {reason}\n{}", number + 1, beside(kernel, model));
            return Err(Box::new(Difference { kind, from, to, text }));
        }
    }
    Ok(())
}

/// What tells one entry from the other, if the kernel's may be so late.
fn compare(kernel: &Entry, model: &Entry, allowed: Duration) -> Option<(Kind, String)> {
    let (late, early) = (kernel.at.saturating_sub(model.at), model.at.saturating_sub(kernel.at));
    if kernel.what != model.what {
        Some(different(Some(kernel), Some(model)))
    } else if early > MACHINE {
        // Not before its time, that is: what came before may have been seen so late.
        Some((Kind::Early, format!("the kernel was early by {early:?}: {}", kernel.what)))
    } else if late > allowed {
        let reason = format!("the kernel was late by {late:?}, more than {allowed:?}: {}", kernel.what);
        Some((Kind::Late, reason))
    } else {
        None
    }
}

fn different(kernel: Option<&Entry>, model: Option<&Entry>) -> (Kind, String) {
    let what = |entry: Option<&Entry>| entry.map(|entry| entry.what.clone());
    let says = |entry: Option<&Entry>| entry.map_or("nothing".to_owned(), |entry| entry.what.to_string());
    let reason = format!("the kernel: {}; the stack: {}", says(kernel), says(model));
    (Kind::What(what(kernel), what(model)), reason)
}

/// Two ticks of a millisecond, the first of which has begun.
const TWO_TICKS_OF_OURS: Duration = Duration::from_millis(3);

/// How late the kernel may be with its next entry: as the longest timer that may be behind it, which began when the
/// subject last spoke, or with anything that happened since. An answer without any wait was caused by the entry before.
#[derive(Default)]
struct Allowance {
    /// When the kernel last did anything, and when it last spoke.
    before: Duration,
    spoke: Duration,
    /// When our stack would have, and how late the kernel might be then.
    due: Duration,
    allowed: Duration,
}

impl Allowance {
    fn next(&mut self, scenario: &Scenario, kernel: &Entry, model: &Entry, clock: Clock) -> Duration {
        let is_answer = model.at <= self.before;
        let wait = if is_answer { Duration::ZERO } else { model.at.saturating_sub(self.spoke) };
        let (timers, unseen) = scenario.unseen;
        let is_two_ticks = scenario.counts_ticks && wait <= TWO_TICKS_OF_OURS;
        let own = if is_two_ticks { clock.lateness_of_two_ticks(wait) } else { clock.lateness(wait) };
        let mut allowed = own + timers * clock.lateness(unseen);
        if !scenario.is_steady {
            // A rounding of the RTO, doubled with it.
            allowed += 2 * clock.tick;
        }
        // What one timer brought about has the lateness of that timer.
        let is_same_timer = model.at == self.due;
        self.allowed = if is_same_timer { self.allowed.max(allowed) } else { allowed };
        (self.before, self.due) = (kernel.at, model.at);
        if kernel.what.is_output() {
            self.spoke = kernel.at;
        }
        self.allowed
    }
}

/// Both side by side: when the kernel did it, when our stack would have, and what.
fn beside(kernel: &[Entry], model: &[Option<Entry>]) -> String {
    let mut text = "   #    kernel    stack  what\n".to_owned();
    for number in 0..kernel.len().max(model.len()) {
        let (kernel, model) = (kernel.get(number), model.get(number).and_then(Option::as_ref));
        let time =
            |entry: Option<&Entry>| entry.map_or("-".to_owned(), |entry| format!("{:.3}", entry.at.as_secs_f64()));
        let stack = if model.is_some_and(|model| model.what.is_output()) { time(model) } else { String::new() };
        let what = match (kernel, model) {
            (Some(kernel), Some(model)) if kernel.what != model.what => {
                format!("{}  | stack: {}", kernel.what, model.what)
            }
            (Some(kernel), None) => format!("{}  | stack: nothing", kernel.what),
            (None, Some(model)) => format!("nothing  | stack: {}", model.what),
            (kernel, _) => kernel.map_or_else(String::new, |kernel| kernel.what.to_string()),
        };
        let _ = writeln!(text, "{:>4} {:>9} {stack:>8}  {what}", number + 1, time(kernel));
    }
    text
}

/// An end of watching is no output.
pub(crate) fn outputs(entries: &[Entry]) -> usize {
    entries.iter().filter(|entry| matches!(entry.what, What::Sent(_) | What::Died(_))).count()
}
