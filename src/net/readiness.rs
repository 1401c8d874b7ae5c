//! What a stream is ready for, in the bits of poll(2) (Linux `tcp_poll`).

use core::fmt;
use core::ops::{BitAnd, BitOr};

/// A set of poll(2)'s bits, with its numbers.
///
/// | what happened | bits |
/// |---|---|
/// | connecting | none |
/// | connected, nothing to read | `OUT` |
/// | bytes to read | `OUT`, `IN` |
/// | the send queue is more than two thirds full | no `OUT` |
/// | the peer finished | `OUT`, `IN`, `RDHUP` |
/// | both ends finished | `OUT`, `IN`, `RDHUP`, `HUP` |
/// | reset, or given up by a liveness rule | `OUT`, `IN`, `RDHUP`, `HUP`, and `ERR` until the error is taken |
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Readiness(u16);

impl Readiness {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// A read would not block: bytes, the end of the stream, or an error wait.
    pub const IN: Self = Self(0x0001);
    /// A write would not block: there is room, or an error waits.
    pub const OUT: Self = Self(0x0004);
    /// An error waits to be taken. Reported whether asked for or not.
    pub const ERR: Self = Self(0x0008);
    /// Nothing moves in either direction any more. Reported whether asked for or not.
    pub const HUP: Self = Self(0x0010);
    /// The peer sends no more, or reading was shut down.
    pub const RDHUP: Self = Self(0x2000);

    /// All of them.
    pub const ALL: Self = Self(0x0001 | 0x0004 | 0x0008 | 0x0010 | 0x2000);

    /// The bits, as poll(2) numbers them.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether no bit is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// `self`, or nothing if not `condition`.
    pub(super) const fn only_if(self, condition: bool) -> Self {
        if condition { self } else { Self::NONE }
    }
}

impl BitOr for Readiness {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Readiness {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// The names of the bits: `IN|OUT`; `none` without any.
impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let names =
            [(Self::IN, "IN"), (Self::OUT, "OUT"), (Self::ERR, "ERR"), (Self::HUP, "HUP"), (Self::RDHUP, "RDHUP")];
        let mut separator = "";
        for (_, name) in names.into_iter().filter(|(bit, _)| self.contains(*bit)) {
            write!(f, "{separator}{name}")?;
            separator = "|";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use rustix::event::PollFlags;

    #[test]
    fn the_bits_are_those_of_poll() {
        for (ours, theirs) in [
            (Readiness::IN, PollFlags::IN),
            (Readiness::OUT, PollFlags::OUT),
            (Readiness::ERR, PollFlags::ERR),
            (Readiness::HUP, PollFlags::HUP),
            (Readiness::RDHUP, PollFlags::RDHUP),
        ] {
            assert_eq!(ours.bits(), theirs.bits());
        }
        assert_eq!(format!("{:?} {:?}", Readiness::OUT | Readiness::IN, Readiness::NONE), "IN|OUT none");
    }
}
