//! Which bytes arrived beyond the in-order edge: a small sorted set of ranges that never allocates.
//!
//! Data that arrives out of order is kept (RFC 9293 3.10.7.4 [SHLD-31]) and reported in SACK blocks (RFC 2018), as in
//! Linux `tcp_data_queue_ofo` and `tcp_sack_new_ofo_skb`. Here are only the ranges; the bytes are their owner's care.
//!
//! A peer may leave a gap after every byte. The set is therefore bounded, and what would need one range too many is
//! refused: that costs a retransmission, and never progress, because data at the edge needs no range.

use core::iter;

use super::Full;

/// Ranges of bytes held beyond the in-order edge, as offsets from that edge: sorted, apart from each other and from it.
///
/// `RANGES_MAX` bounds them. The default of 16 takes 128 bytes: enough for a window of 32 full segments that lost every
/// second one, which is more than a device without an allocator usually offers.
#[derive(Clone, Debug)]
pub struct Assembler<const RANGES_MAX: usize = 16> {
    ranges: [(u32, u32); RANGES_MAX],
    len: usize,
}

impl<const RANGES_MAX: usize> Assembler<RANGES_MAX> {
    /// How many ranges fit.
    pub const RANGES_MAX: usize = RANGES_MAX;

    /// Nothing held.
    pub const fn new() -> Self {
        Self { ranges: [(0, 0); RANGES_MAX], len: 0 }
    }

    /// How many ranges are held.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is held.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes are held.
    pub fn held(&self) -> u32 {
        self.ranges().iter().map(|(start, end)| end - start).sum()
    }

    /// Range `index` as (start, end), nearest to the edge first; `None` beyond the last.
    pub fn range(&self, index: usize) -> Option<(u32, u32)> {
        self.ranges().get(index).copied()
    }

    /// The parts of `start..end` that are not held, in ascending order.
    pub fn gaps(&self, start: u32, end: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        let mut from = start;
        let held = self.ranges()[self.first_touching(start)..].iter().copied();
        let walls = held.take_while(move |range| range.0 < end).chain(iter::once((end, end)));
        walls
            .map(move |(wall, beyond)| {
                let gap = (from, wall);
                from = beyond;
                gap
            })
            .filter(|(from, to)| from < to)
    }

    /// Whether [`Assembler::insert`] would take `start..end`.
    pub fn has_room(&self, start: u32, end: u32) -> bool {
        let merges = self.first_touching(start) < self.first_beyond(end);
        start == 0 || start >= end || merges || self.len < RANGES_MAX
    }

    /// Takes `start..end` and merges what touches it. Returns how far the edge moved: 0 unless `start` is 0. What stays
    /// held is counted from the new edge. An empty range changes nothing.
    ///
    /// # Errors
    /// [`Full`] if it touches no other range and `RANGES_MAX` are held already.
    pub fn insert(&mut self, start: u32, end: u32) -> Result<u32, Full> {
        if start >= end {
            return Ok(0);
        }
        if !self.has_room(start, end) {
            return Err(Full);
        }
        let (first, beyond) = (self.first_touching(start), self.first_beyond(end));
        let touched = &self.ranges[first..beyond];
        let merged = (
            touched.first().map_or(start, |range| range.0.min(start)),
            touched.last().map_or(end, |range| range.1.max(end)),
        );
        if start == 0 {
            self.replace(0, beyond, None);
            self.shift(merged.1);
            return Ok(merged.1);
        }
        self.replace(first, beyond, Some(merged));
        Ok(0)
    }

    /// Forgets every range.
    pub const fn clear(&mut self) {
        self.len = 0;
    }

    fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges[..self.len]
    }

    /// The first range that `start` lies in, touches from above, or lies before.
    fn first_touching(&self, start: u32) -> usize {
        self.ranges().partition_point(|range| range.1 < start)
    }

    /// The first range that begins after `end`, with a gap between.
    fn first_beyond(&self, end: u32) -> usize {
        self.ranges().partition_point(|range| range.0 <= end)
    }

    /// Puts `merged` in the place of the ranges `first..beyond`. The caller knows that it fits.
    fn replace(&mut self, first: usize, beyond: usize, merged: Option<(u32, u32)>) {
        let rest = first + usize::from(merged.is_some());
        self.ranges.copy_within(beyond..self.len, rest);
        self.len = self.len + rest - beyond;
        if let Some(merged) = merged {
            self.ranges[first] = merged;
        }
    }

    /// Counts every range from an edge that is `advanced` further on.
    fn shift(&mut self, advanced: u32) {
        for range in &mut self.ranges[..self.len] {
            *range = (range.0 - advanced, range.1 - advanced);
        }
    }
}

impl<const RANGES_MAX: usize> Default for Assembler<RANGES_MAX> {
    fn default() -> Self {
        Self::new()
    }
}

/// The part of `len` bytes at `offset` that lies within `room` bytes of the edge, as (start, end); `None` if none does.
pub(super) fn clip(offset: usize, len: usize, room: usize) -> Option<(u32, u32)> {
    let end = offset.saturating_add(len).min(room).min(u32::MAX as usize);
    (offset < end).then_some((offset as u32, end as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn ranges<const N: usize>(assembler: &Assembler<N>) -> Vec<(u32, u32)> {
        (0..).map_while(|index| assembler.range(index)).collect()
    }

    fn held(pairs: &[(u32, u32)]) -> Assembler<4> {
        let mut assembler = Assembler::new();
        for &(start, end) in pairs {
            assert_eq!(assembler.insert(start, end), Ok(0));
        }
        assembler
    }

    #[test]
    fn an_insert_merges_what_it_touches() {
        for (start, end, expected) in [
            (1, 5, &[(1, 5), (10, 20), (30, 40), (50, 60)][..]),
            (5, 10, &[(5, 20), (30, 40), (50, 60)]),
            (20, 30, &[(10, 40), (50, 60)]),
            (12, 18, &[(10, 20), (30, 40), (50, 60)]),
            (15, 55, &[(10, 60)]),
            (5, 70, &[(5, 70)]),
            (21, 29, &[(10, 20), (21, 29), (30, 40), (50, 60)]),
            (61, 62, &[(10, 20), (30, 40), (50, 60), (61, 62)]),
            (7, 7, &[(10, 20), (30, 40), (50, 60)]),
        ] {
            let mut assembler = held(&[(30, 40), (10, 20), (50, 60)]);
            assert_eq!(assembler.insert(start, end), Ok(0), "{start}..{end}");
            assert_eq!(ranges(&assembler), expected, "{start}..{end}");
            assert_eq!(assembler.held(), expected.iter().map(|range| range.1 - range.0).sum::<u32>());
        }
    }

    #[test]
    fn data_at_the_edge_moves_it_over_every_range_it_reaches() {
        for (end, advanced, expected) in [
            (5, 5, &[(5, 15), (25, 35)][..]),
            (10, 20, &[(10, 20)]),
            (15, 20, &[(10, 20)]),
            (29, 29, &[(1, 11)]),
            (30, 40, &[]),
            (99, 99, &[]),
        ] {
            let mut assembler = held(&[(10, 20), (30, 40)]);
            assert_eq!(assembler.insert(0, end), Ok(advanced), "0..{end}");
            assert_eq!(ranges(&assembler), expected, "0..{end}");
        }
    }

    #[test]
    fn a_full_set_refuses_only_a_further_range() {
        let full = held(&[(10, 20), (30, 40), (50, 60), (70, 80)]);
        for (start, end, result) in [
            (1, 2, Err(Full)),
            (22, 28, Err(Full)),
            (90, 91, Err(Full)),
            (80, 90, Ok(0)),
            (15, 99, Ok(0)),
            (0, 1, Ok(1)),
        ] {
            let mut assembler = full.clone();
            assert_eq!(assembler.has_room(start, end), result.is_ok());
            assert_eq!(assembler.insert(start, end), result, "{start}..{end}");
            if result.is_err() {
                assert_eq!(ranges(&assembler), ranges(&full));
            }
        }
    }

    #[test]
    fn gaps_are_what_is_missing_in_between() {
        let assembler = held(&[(10, 20), (30, 40)]);
        for (start, end, expected) in [
            (0, 50, &[(0, 10), (20, 30), (40, 50)][..]),
            (10, 40, &[(20, 30)]),
            (15, 35, &[(20, 30)]),
            (12, 18, &[]),
            (20, 30, &[(20, 30)]),
            (22, 28, &[(22, 28)]),
            (40, 41, &[(40, 41)]),
        ] {
            assert_eq!(assembler.gaps(start, end).collect::<Vec<_>>(), expected, "{start}..{end}");
        }
    }

    #[test]
    fn offsets_reach_the_end_of_their_type() {
        let mut assembler = held(&[(u32::MAX - 1, u32::MAX)]);
        assert_eq!(assembler.insert(0, u32::MAX - 1), Ok(u32::MAX));
        assert!(assembler.is_empty());
        assert_eq!(clip(usize::MAX, 5, usize::MAX), None);
        assert_eq!(clip(3, usize::MAX, 7), Some((3, 7)));
        assert_eq!(clip(7, 1, 7), None);
    }

    #[test]
    fn a_set_of_no_ranges_still_passes_data_at_the_edge() {
        let mut assembler = Assembler::<0>::new();
        assert_eq!(assembler.insert(5, 6), Err(Full));
        assert_eq!(assembler.insert(0, 6), Ok(6));
    }
}
