//! The one place that reads a clock: the host's monotonic time as [`Instant`]s.

use crate::journal::WallClock;
use crate::time::{Duration, Instant};

/// The host's monotonic clock, counted from [`Clock::start`].
///
/// It reads 1 s when started, so that no instant taken from it equals [`Instant::ORIGIN`]. It never goes backwards, and
/// it stands still while the machine is suspended (`CLOCK_MONOTONIC`), as the kernel's own TCP timers do.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: std::time::Instant,
}

impl Clock {
    /// What the clock reads when it is started.
    const HEAD_START: Duration = Duration::from_secs(1);

    /// A clock that starts now.
    pub fn start() -> Self {
        Self { started: std::time::Instant::now() }
    }

    /// What the monotonic clock's `now` is by the clock on the wall, in UTC.
    pub(super) fn on_the_wall(&self) -> WallClock {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let time_of_day = Duration::new(since_epoch.as_secs() % DAY_S, since_epoch.subsec_nanos());
        WallClock { at: self.now(), time_of_day }
    }

    /// The time now.
    pub fn now(&self) -> Instant {
        Instant::ORIGIN + Self::HEAD_START + self.started.elapsed()
    }
}

const DAY_S: u64 = 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_starts_past_the_origin_and_never_goes_back() {
        let clock = Clock::start();
        let (first, second) = (clock.now(), clock.now());
        assert!(first >= Instant::from_secs(1));
        assert!(second >= first);
    }
}
