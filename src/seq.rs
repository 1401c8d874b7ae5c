//! Sequence numbers: 32 bits that wrap, ordered by distance (RFC 9293 3.4).
//!
//! Two sequence numbers have no order of their own, only relative to each other and within half the number space; hence
//! no `Ord`, but [`SeqNum::before`] and friends. All arithmetic wraps by type: nothing a peer sends can overflow it.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// A TCP sequence or acknowledgment number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeqNum(u32);

impl SeqNum {
    /// The number as it stands in a header, in host byte order.
    pub const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The raw 32 bits.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// `self < other`, by the shorter way round.
    pub const fn before(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0).cast_signed() < 0
    }

    /// `self > other`, by the shorter way round.
    pub const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// `self <= other`.
    pub const fn at_or_before(self, other: Self) -> bool {
        !self.after(other)
    }

    /// `self >= other`.
    pub const fn at_or_after(self, other: Self) -> bool {
        !self.before(other)
    }

    /// How many numbers lie from `earlier` up to `self`, modulo 2^32.
    ///
    /// Meaningful only where the caller knows that `earlier` is not after `self`; otherwise it is the long way round.
    pub const fn distance(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// The later of the two.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        if self.before(other) { other } else { self }
    }

    /// The earlier of the two.
    #[must_use]
    pub const fn min(self, other: Self) -> Self {
        if self.before(other) { self } else { other }
    }
}

impl Add<u32> for SeqNum {
    type Output = Self;

    fn add(self, span: u32) -> Self {
        Self(self.0.wrapping_add(span))
    }
}

impl AddAssign<u32> for SeqNum {
    fn add_assign(&mut self, span: u32) {
        *self = *self + span;
    }
}

impl Sub<u32> for SeqNum {
    type Output = Self;

    fn sub(self, span: u32) -> Self {
        Self(self.0.wrapping_sub(span))
    }
}

impl fmt::Debug for SeqNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for SeqNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_holds_across_the_wrap() {
        let last = SeqNum::new(u32::MAX);
        let first = last + 1;
        assert_eq!(first, SeqNum::new(0));
        assert!(last.before(first) && first.after(last));
        assert!(last.at_or_before(last) && last.at_or_after(last));
        assert_eq!(first.distance(last), 1);
        assert_eq!(last.max(first), first);
        assert_eq!(last.min(first), last);
        assert_eq!(first - 1, last);
    }
}
