//! Room for texts: each in the first row where it touches no other.

use alloc::vec::Vec;

/// Rows of texts below or above a line of a certain width.
#[derive(Debug)]
pub(super) struct Rows {
    width: u32,
    gap: u32,
    /// What is taken of each row: (start, end).
    taken: Vec<Vec<(u32, u32)>>,
}

/// Rows at most: with more, a lane would no longer be one. What finds no place is not drawn.
const ROWS_MAX: usize = 4;

impl Rows {
    pub(super) const fn new(width: u32, gap: u32) -> Self {
        Self { width, gap, taken: Vec::new() }
    }

    /// A place for a text `len` wide that belongs to `anchor`: centred there, or to one side of it. The row and the
    /// start; `None` where all rows are full.
    pub(super) fn place(&mut self, anchor: u32, len: u32) -> Option<(usize, u32)> {
        let latest = self.width.saturating_sub(len);
        let starts = [anchor.saturating_sub(len / 2), anchor, anchor.saturating_sub(len)].map(|at| at.min(latest));
        for row in 0..ROWS_MAX {
            if self.taken.len() <= row {
                self.taken.push(Vec::new());
            }
            let taken = &mut self.taken[row];
            let gap = self.gap;
            let free = |start: u32| taken.iter().all(|&(from, to)| start + len + gap <= from || to + gap <= start);
            if let Some(start) = starts.into_iter().find(|start| free(*start)) {
                taken.push((start, start + len));
                return Some((row, start));
            }
        }
        None
    }

    /// How many rows are in use.
    pub(super) fn count(&self) -> usize {
        self.taken.iter().filter(|row| !row.is_empty()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_keep_to_the_line_and_away_from_each_other() {
        let mut rows = Rows::new(100, 2);
        assert_eq!(rows.place(50, 20), Some((0, 40)), "centred");
        let mut other = Rows::new(100, 2);
        other.place(50, 20);
        assert_eq!(other.place(30, 18), Some((0, 12)), "to the left of its anchor, since centred it would touch");
        assert_eq!(rows.place(3, 20), Some((0, 0)), "at the edge");
        assert_eq!(rows.place(99, 20), Some((0, 80)));
        assert_eq!(rows.place(64, 12), Some((0, 64)), "to the right of its anchor");
        assert_eq!(rows.place(50, 20), Some((1, 40)), "the next row");
        assert_eq!(rows.count(), 2);
        assert_eq!(rows.place(0, 500), Some((2, 0)));
        assert_eq!((rows.place(0, 500), rows.place(0, 500), rows.count()), (Some((3, 0)), None, 4));
    }
}
