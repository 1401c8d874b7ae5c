//! When is a connection really called? At its deadline, or when the timing wheel of a stack gets there.

use crate::time::{Instant, TICK};

/// Who wakes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// A driver that comes back exactly at [`crate::tcp::Conn::poll_timeout`].
    Exact,
    /// A stack: the connection's only entry in a wheel of whole milliseconds, which moves to earlier but never to later
    /// times, so that it may go off too early.
    Wheel {
        /// Where the entry stands.
        armed: Option<Instant>,
    },
}

impl Alarm {
    /// The connection was touched, between timeouts, and its next deadline is `deadline` now.
    pub(super) fn set(&mut self, deadline: Option<Instant>) {
        self.set_from(deadline, Instant::ORIGIN);
    }

    /// The connection was called for a timeout at `now`. What it wants at once it gets a tick later: the wheel does not
    /// hand out twice in one turn what is armed again and again.
    pub(super) fn set_after_timeout(&mut self, deadline: Option<Instant>, now: Instant) {
        self.set_from(deadline, Instant::from_millis(now.as_millis()) + TICK);
    }

    fn set_from(&mut self, deadline: Option<Instant>, floor: Instant) {
        let (Self::Wheel { armed }, Some(deadline)) = (self, deadline) else { return };
        if armed.is_none_or(|armed| deadline < armed) {
            *armed = Some(ceil(deadline).max(floor));
        }
    }

    /// When the connection is called next; the entry is gone then.
    pub(super) fn take(&mut self, deadline: Option<Instant>, now: Instant) -> Option<Instant> {
        let at = match self {
            Self::Exact => deadline,
            Self::Wheel { armed } => armed.take(),
        };
        at.map(|at| at.max(now))
    }

    /// When something else that is due at `at` is called, such as a block in TIME-WAIT.
    pub(super) fn round(self, at: Instant) -> Instant {
        match self {
            Self::Exact => at,
            Self::Wheel { .. } => ceil(at),
        }
    }
}

/// The first whole tick that is not before `at`.
fn ceil(at: Instant) -> Instant {
    let tick = TICK.as_micros() as u64;
    Instant::from_micros(at.as_micros().div_ceil(tick).saturating_mul(tick))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn a_wheel_rounds_up_goes_off_early_and_never_twice_in_a_tick() {
        let mut alarm = Alarm::Wheel { armed: None };
        alarm.set(Some(at(5_000_001)));
        alarm.set(Some(at(9_000_000)));
        assert_eq!(alarm, Alarm::Wheel { armed: Some(at(5_001_000)) }, "a later deadline leaves the entry");
        assert_eq!(alarm.take(Some(at(9_000_000)), at(0)), Some(at(5_001_000)));
        alarm.set_after_timeout(Some(at(5_001_000)), at(5_001_000));
        assert_eq!(alarm, Alarm::Wheel { armed: Some(at(5_002_000)) });
        alarm.set(Some(at(5_001_000)));
        assert_eq!(alarm.take(None, at(0)), Some(at(5_001_000)), "between timeouts there is no such limit");
        assert_eq!(alarm.round(at(1)), at(1000));
    }

    #[test]
    fn an_exact_driver_comes_at_the_deadline_or_at_once() {
        let mut alarm = Alarm::Exact;
        alarm.set(Some(at(7)));
        assert_eq!(alarm.take(Some(at(9)), at(3)), Some(at(9)));
        assert_eq!(alarm.take(Some(at(9)), at(12)), Some(at(12)));
        assert_eq!(alarm.round(at(9)), at(9));
    }
}
