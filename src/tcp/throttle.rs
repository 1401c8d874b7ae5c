//! One answer to invalid segments at a time: challenge ACKs and duplicate ACKs of one connection share this limit, and
//! no two connections share one (RFC 5961 7; Linux `__tcp_oow_rate_limited`). A limit common to many connections would
//! tell an attacker about the others.

use crate::config::Sysctl;
use crate::time::Instant;
use core::num::NonZeroU32;

/// When the last answer left, in milliseconds modulo 2^32; four bytes, since every block carries one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Throttle(Option<NonZeroU32>);

impl Throttle {
    /// Nothing was answered yet.
    pub(super) const OPEN: Self = Self(None);

    /// Whether an answer must be withheld: the last one left less than `tcp_invalid_ratelimit` ago. If not, this one is
    /// noted as sent.
    pub(super) fn withholds(&mut self, now: Instant, sysctl: &Sysctl) -> bool {
        let now_ms = now.as_millis() as u32;
        let closed = self.0.is_some_and(|last| now_ms.wrapping_sub(last.get()) < sysctl.tcp_invalid_ratelimit);
        if !closed {
            self.0 = NonZeroU32::new(now_ms.max(1));
        }
        closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_in_half_a_second_across_the_wrap_of_the_clock() {
        let mut throttle = Throttle::OPEN;
        let start = Instant::from_millis((1 << 32) - 200);
        let at = |millis| start + core::time::Duration::from_millis(millis);
        let asked = [0, 1, 499, 500, 999, 1000];
        let withheld = asked.map(|millis| throttle.withholds(at(millis), &Sysctl::LINUX));
        assert_eq!(withheld, [false, true, true, false, true, false]);
        let never = Sysctl { tcp_invalid_ratelimit: 0, ..Sysctl::LINUX };
        assert!(!throttle.withholds(at(1000), &never));
    }
}
