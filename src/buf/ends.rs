//! Where the application's records end in a send queue (`MSG_EOR`).

use alloc::collections::VecDeque;

/// Ends of records that a queue keeps apart at most; each takes eight bytes, and may stand for a single one.
pub const RECORD_ENDS_MAX: usize = 1024;

/// The ends, in ascending order, counted from the first byte that ever was in the queue.
#[derive(Debug, Default)]
pub(super) struct Ends {
    discarded: u64,
    at: VecDeque<u64>,
}

impl Ends {
    /// A record ends behind `len` bytes of the queue.
    pub(super) fn push(&mut self, len: usize) {
        let end = self.discarded + len as u64;
        if self.at.len() < RECORD_ENDS_MAX && self.at.back().is_none_or(|&last| last < end) {
            self.at.push_back(end);
        }
    }

    /// The queue lost its first `len` bytes.
    pub(super) fn discard(&mut self, len: usize) {
        self.discarded += len as u64;
        while self.at.front().is_some_and(|&end| end <= self.discarded) {
            self.at.pop_front();
        }
    }

    /// The first end beyond `offset` bytes of the queue, as an offset.
    pub(super) fn after(&self, offset: usize) -> Option<usize> {
        let index = self.at.partition_point(|&end| end <= self.discarded + offset as u64);
        self.at.get(index).map(|&end| (end - self.discarded) as usize)
    }

    pub(super) fn charged(&self) -> usize {
        size_of::<Self>() + self.at.len() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_move_with_the_queue_and_are_bounded() {
        let mut ends = Ends::default();
        for len in [10, 30, 30, 50] {
            ends.push(len);
        }
        assert_eq!(
            [0, 9, 10, 29, 30, 50].map(|at| ends.after(at)),
            [Some(10), Some(10), Some(30), Some(30), Some(50), None]
        );
        ends.discard(10);
        assert_eq!([ends.after(0), ends.after(20)], [Some(20), Some(40)]);
        (100..5000).for_each(|len| ends.push(len));
        assert!(ends.charged() <= 8 * RECORD_ENDS_MAX + size_of::<Ends>());
    }
}
