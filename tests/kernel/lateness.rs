//! How late a kernel's timers are by design: its tick and its wheel (kernel/time/timer.c).
//!
//! A timer is put into a bucket whose width grows with the wait: one tick up to 62 ticks, eight up to 503, then 64,
//! 512, ... It fires at the end of its bucket, so late by up to a width, and never early.

use core::time::Duration;
use rustix::time::{ClockId, clock_getres};

/// What a test that reads packets in user space adds: the wait for a processor, twice. The control in
/// [`control`](crate::control) says whether a machine kept to it.
pub(crate) const MACHINE: Duration = Duration::from_millis(5);

/// One kernel's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) tick: Duration,
}

impl Clock {
    /// That of this machine: its coarse clock moves once a tick.
    pub(crate) fn of_this_kernel() -> Self {
        let tick = Duration::try_from(clock_getres(ClockId::MonotonicCoarse));
        Self { tick: tick.expect("a resolution is positive") }
    }

    /// `wait` in whole ticks, as the kernel rounds it: up.
    pub(crate) fn ceil(&self, wait: Duration) -> Duration {
        Duration::from_nanos((wait.as_nanos().div_ceil(self.tick.as_nanos()) * self.tick.as_nanos()) as u64)
    }

    /// The width of the bucket for `wait`.
    fn granule(&self, wait: Duration) -> Duration {
        let mut ticks = wait.as_nanos().div_ceil(self.tick.as_nanos());
        let mut width = self.tick;
        while ticks >= 63 {
            ticks /= 8;
            width *= 8;
        }
        width
    }

    /// How much later than a wait of this length ends exactly, a kernel may be seen to act.
    pub(crate) fn lateness(&self, wait: Duration) -> Duration {
        let ticks = self.ceil(wait);
        ticks.saturating_sub(wait) + self.granule(ticks) + MACHINE
    }

    /// The same where a rule says two ticks, and means its own: `wait` is what two of ours took.
    pub(crate) fn lateness_of_two_ticks(&self, wait: Duration) -> Duration {
        (2 * self.tick).saturating_sub(wait) + self.granule(2 * self.tick) + MACHINE
    }
}
