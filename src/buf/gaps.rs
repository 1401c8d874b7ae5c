//! Which of the ranges held beyond a gap the peer has heard of last (RFC 2018 4; Linux `selective_acks`).

use crate::seq::SeqNum;

/// Where the ranges begin that changed last, newest first: the order in which they are reported.
///
/// Only the beginnings are kept. What a range is now, the buffer knows, so that a report never says more than is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recent {
    starts: [SeqNum; RECENT_MAX],
    len: u8,
}

/// As many as one segment can report (Linux `TCP_NUM_SACKS`).
const RECENT_MAX: usize = 4;

impl Recent {
    pub(crate) const NONE: Self = Self { starts: [SeqNum::new(0); RECENT_MAX], len: 0 };

    /// Newest first.
    pub(crate) fn starts(&self) -> &[SeqNum] {
        &self.starts[..usize::from(self.len)]
    }

    /// The range that begins at `start` changed: it is the newest now, and takes the place of every other that `covers`
    /// says lies in it. Beyond four the oldest is forgotten.
    pub(crate) fn note(&mut self, start: SeqNum, covers: impl Fn(SeqNum) -> bool) {
        let mut kept = Self { starts: [start; RECENT_MAX], len: 1 };
        for &other in self.starts().iter().filter(|&&other| !covers(other)).take(RECENT_MAX - 1) {
            kept.starts[usize::from(kept.len)] = other;
            kept.len += 1;
        }
        *self = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn the_newest_comes_first_once_and_the_oldest_of_five_is_forgotten() {
        let mut recent = Recent::NONE;
        let starts = |recent: &Recent| recent.starts().iter().map(|start| start.raw()).collect::<Vec<_>>();
        for start in [10, 30, 50, 70, 90] {
            recent.note(SeqNum::new(start), |other| other.raw() == start);
        }
        assert_eq!(starts(&recent), vec![90, 70, 50, 30]);
        // 50 grew up to 80.
        recent.note(SeqNum::new(50), |other| (50..80).contains(&other.raw()));
        assert_eq!(starts(&recent), vec![50, 90, 30]);
    }
}
