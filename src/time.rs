//! Time as the caller tells it: microseconds since an origin of the caller's choosing.
//!
//! Nothing in this crate below `net` reads a clock. Every call that can depend on time takes `now`, and every wait is
//! handed back as an [`Instant`], so that the same code runs under an operating system, on bare metal and in a
//! simulator.
//!
//! Instants are 64 bits wide and start above zero: `Option<Instant>` is 8 bytes, and no arithmetic on them wraps for
//! half a million years. Linux keeps its timers in ticks and its give-up comparisons in milliseconds
//! [`ceil_to_tick`] and [`Instant::as_millis`] are those two roundings.

use core::fmt;
use core::num::NonZeroU64;
use core::ops::{Add, AddAssign, Sub};

pub use core::time::Duration;

/// The timer tick: RTO and its relatives are rounded up to it, as on a kernel with HZ = 1000.
///
/// Rounding up is not cosmetic. With an RTO of exactly 200.0 ms the default `tcp_retries2` would need one
/// retransmission more and end at 1044.6 s instead of 925.6 s.
pub const TICK: Duration = Duration::from_millis(1);

/// A point in time, in microseconds since the caller's origin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(NonZeroU64);

impl Instant {
    /// The origin.
    pub const ORIGIN: Self = Self(NonZeroU64::MIN);

    /// `micros` after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(micros))
    }

    /// `millis` after the origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self::from_micros(millis.saturating_mul(1000))
    }

    /// `secs` after the origin.
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_micros(secs.saturating_mul(1_000_000))
    }

    /// Whole microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0.get() - 1
    }

    /// Whole milliseconds since the origin, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.as_micros() / 1000
    }

    /// Time since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.get().saturating_sub(earlier.0.get()))
    }

    /// Whole milliseconds between the two millisecond readings, the precision of Linux's give-up tests.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.as_millis().saturating_sub(earlier.as_millis())
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of time.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// As [`Instant::since`]: zero if `earlier` is later.
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// Saturates at the origin.
    fn sub(self, duration: Duration) -> Self {
        Self::from_micros(self.as_micros().saturating_sub(micros(duration)))
    }
}

/// Seconds and microseconds since the origin: `12.000345`.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.as_micros();
        write!(f, "{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `duration` rounded up to a whole [`TICK`].
pub const fn ceil_to_tick(duration: Duration) -> Duration {
    let tick = TICK.as_micros() as u64;
    let micros = micros(duration);
    Duration::from_micros(micros.div_ceil(tick).saturating_mul(tick))
}

/// Whole microseconds of `duration`, saturating.
pub(crate) const fn micros(duration: Duration) -> u64 {
    let micros = duration.as_micros();
    if micros > u64::MAX as u128 { u64::MAX } else { micros as u64 }
}

const _: () = assert!(size_of::<Option<Instant>>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_saturate_at_both_ends() {
        let end = Instant::from_micros(u64::MAX);
        assert_eq!(end + Duration::MAX, end);
        assert_eq!(Instant::ORIGIN - Duration::from_secs(1), Instant::ORIGIN);
        assert_eq!(Instant::ORIGIN - end, Duration::ZERO);
    }

    #[test]
    fn ticks_round_up_and_give_up_tests_count_millisecond_readings() {
        assert_eq!(ceil_to_tick(Duration::from_micros(200_001)), Duration::from_millis(201));
        assert_eq!(ceil_to_tick(Duration::from_millis(201)), Duration::from_millis(201));
        assert_eq!(Instant::from_micros(2_000).millis_since(Instant::from_micros(1_999)), 1);
    }
}
