//! Buffers for one connection without an allocator: rings over slices that the caller owns.
//!
//! Out-of-order bytes are written to the place in the receive ring where they will be read, so that closing a gap moves
//! no byte. Everything is bounded by the three slices and by the ranges of an [`Assembler`].

use core::cmp::Ordering;

use super::assembler::clip;
use super::{Assembler, Full, ReceiveBuffer, Scoreboard, SendBuffer, Sent, Tuning};

/// Both directions of one connection, over borrowed slices.
///
/// ```
/// use longhaul::buf::{Sent, ring::Ring};
///
/// let (mut send, mut receive, mut records) = ([0; 2048], [0; 4096], [Sent::EMPTY; 8]);
/// let mut ring = Ring::new(&mut send, &mut receive, &mut records);
/// assert_eq!(ring.write(b"hello"), 5);
/// assert_eq!(ring.send_room(), 2043);
/// ```
#[derive(Debug)]
pub struct Ring<'b> {
    send: Circle<'b, u8>,
    records: Circle<'b, Sent>,
    scoreboard: Scoreboard,
    tuning: Tuning,
    receive: Circle<'b, u8>,
    ranges: Assembler,
}

impl<'b> Ring<'b> {
    /// Empty buffers. `send` bounds what may be unacknowledged, `receive` the window offered, `records` the segments in
    /// flight; what the slices contain does not matter. An empty slice is allowed and holds nothing.
    pub const fn new(send: &'b mut [u8], receive: &'b mut [u8], records: &'b mut [Sent]) -> Self {
        Self {
            send: Circle::new(send),
            records: Circle::new(records),
            scoreboard: Scoreboard::new(),
            tuning: Tuning::new(),
            receive: Circle::new(receive),
            ranges: Assembler::new(),
        }
    }

    /// Queues the beginning of `data` for sending and returns how many bytes fitted.
    pub fn write(&mut self, data: &[u8]) -> usize {
        let fits = data.len().min(self.send_room());
        self.send.copy_in(self.send.len, &data[..fits]);
        self.send.len += fits;
        fits
    }

    /// Moves received bytes into `into` and returns how many; 0 if none wait.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.receive.len);
        self.receive.copy_out(0, &mut into[..count]);
        self.receive.discard(count);
        count
    }

    /// How many bytes [`Ring::write`] would take now.
    pub const fn send_room(&self) -> usize {
        self.send.room()
    }

    /// How many bytes may be queued and unacknowledged.
    pub const fn send_capacity(&self) -> usize {
        self.send.slots.len()
    }

    /// How many bytes may wait for the application, held ones and gaps included: the largest window to offer.
    pub const fn receive_capacity(&self) -> usize {
        self.receive.slots.len()
    }

    /// How many segments may be in flight.
    pub const fn sent_capacity(&self) -> usize {
        self.records.slots.len()
    }
}

impl SendBuffer for Ring<'_> {
    fn len(&self) -> usize {
        self.send.len
    }

    fn copy_out(&self, offset: usize, into: &mut [u8]) {
        debug_assert!(offset + into.len() <= self.send.len);
        self.send.copy_out(offset, into);
    }

    fn discard(&mut self, acknowledged: usize) {
        self.send.discard(acknowledged);
    }

    fn clear_send(&mut self) {
        self.send.clear();
        self.records.clear();
    }

    fn sent_len(&self) -> usize {
        self.records.len
    }

    fn sent(&self, index: usize) -> Option<Sent> {
        self.records.get(index)
    }

    fn set_sent(&mut self, index: usize, sent: Sent) {
        self.records.set(index, sent);
    }

    fn has_sent_room(&self, room: usize) -> bool {
        room <= self.records.room()
    }

    fn insert_sent(&mut self, index: usize, sent: Sent) -> Result<(), Full> {
        self.records.insert(index, sent)
    }

    fn remove_sent(&mut self, index: usize) {
        self.records.remove(index);
    }

    fn scoreboard(&self) -> &Scoreboard {
        &self.scoreboard
    }

    fn scoreboard_mut(&mut self) -> &mut Scoreboard {
        &mut self.scoreboard
    }
}

impl ReceiveBuffer for Ring<'_> {
    fn readable(&self) -> usize {
        self.receive.len
    }

    fn held(&self) -> usize {
        self.ranges.held() as usize
    }

    fn insert(&mut self, offset: usize, payload: &[u8]) -> usize {
        let Some((start, end)) = clip(offset, payload.len(), self.receive.room()) else { return 0 };
        // Should the range be refused, these bytes have gone where nothing is.
        for (from, to) in self.ranges.gaps(start, end) {
            let missing = &payload[(from - start) as usize..(to - start) as usize];
            self.receive.copy_in(self.receive.len + from as usize, missing);
        }
        let advanced = self.ranges.insert(start, end).map_or(0, |advanced| advanced as usize);
        self.receive.len += advanced;
        advanced
    }

    fn range(&self, index: usize) -> Option<(usize, usize)> {
        self.ranges.range(index).map(|(start, end)| (start as usize, end as usize))
    }

    fn clear_held(&mut self) {
        self.ranges.clear();
    }

    fn receive_limit(&self) -> usize {
        self.receive.slots.len()
    }

    fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    fn tuning_mut(&mut self) -> &mut Tuning {
        &mut self.tuning
    }
}

/// A queue in a slice: `len` items from `head` on, around the end to the beginning.
#[derive(Debug)]
struct Circle<'b, T> {
    slots: &'b mut [T],
    /// Below `slots.len()`, or 0 if there is no slot.
    head: usize,
    len: usize,
}

impl<'b, T> Circle<'b, T> {
    const fn new(slots: &'b mut [T]) -> Self {
        Self { slots, head: 0, len: 0 }
    }

    const fn room(&self) -> usize {
        self.slots.len() - self.len
    }
}

impl<T: Copy> Circle<'_, T> {
    /// Where item `index` lies; it may be one that is not yet in the queue, or the one after the last slot.
    fn slot(&self, index: usize) -> usize {
        let slot = self.head + index;
        if slot < self.slots.len() { slot } else { slot - self.slots.len() }
    }

    /// Writes `items` from position `index` on, in or behind the queue; they fit into the slots.
    fn copy_in(&mut self, index: usize, items: &[T]) {
        let slot = self.slot(index);
        let (first, wrapped) = items.split_at(items.len().min(self.slots.len() - slot));
        self.slots[slot..slot + first.len()].copy_from_slice(first);
        self.slots[..wrapped.len()].copy_from_slice(wrapped);
    }

    /// Reads `into.len()` items from position `index` on.
    fn copy_out(&self, index: usize, into: &mut [T]) {
        let slot = self.slot(index);
        let before_wrap = into.len().min(self.slots.len() - slot);
        let (first, wrapped) = into.split_at_mut(before_wrap);
        first.copy_from_slice(&self.slots[slot..slot + first.len()]);
        wrapped.copy_from_slice(&self.slots[..wrapped.len()]);
    }

    fn discard(&mut self, count: usize) {
        debug_assert!(count <= self.len);
        let count = count.min(self.len);
        self.head = self.slot(count);
        self.len -= count;
    }

    const fn clear(&mut self) {
        self.head = 0;
        self.len = 0;
    }

    fn get(&self, index: usize) -> Option<T> {
        (index < self.len).then(|| self.slots[self.slot(index)])
    }

    fn set(&mut self, index: usize, item: T) {
        debug_assert!(index < self.len);
        if index < self.len {
            self.slots[self.slot(index)] = item;
        }
    }

    /// Moves the items from `index` on one slot back, and puts `item` there.
    fn insert(&mut self, index: usize, item: T) -> Result<(), Full> {
        debug_assert!(index <= self.len);
        if self.room() == 0 {
            return Err(Full);
        }
        for moved in (index..self.len).rev() {
            self.slots[self.slot(moved + 1)] = self.slots[self.slot(moved)];
        }
        self.len += 1;
        self.set(index.min(self.len - 1), item);
        Ok(())
    }

    /// Takes out the item at `index` and moves those on its shorter side: usually it is the first.
    fn remove(&mut self, index: usize) {
        debug_assert!(index < self.len);
        match (index * 2).cmp(&self.len) {
            _ if index >= self.len => {}
            Ordering::Less => {
                for moved in (0..index).rev() {
                    self.slots[self.slot(moved + 1)] = self.slots[self.slot(moved)];
                }
                self.discard(1);
            }
            Ordering::Equal | Ordering::Greater => {
                for moved in index + 1..self.len {
                    self.slots[self.slot(moved - 1)] = self.slots[self.slot(moved)];
                }
                self.len -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{self, sent};
    use super::*;
    use alloc::vec::Vec;

    impl model::Subject for Ring<'_> {
        const RANGES_MAX: usize = <Assembler>::RANGES_MAX;

        fn capacity(&self) -> usize {
            self.receive_capacity()
        }

        fn read(&mut self, into: &mut [u8]) -> usize {
            Self::read(self, into)
        }

        fn write(&mut self, data: &[u8]) -> usize {
            Self::write(self, data)
        }
    }

    #[test]
    fn receiving_agrees_with_the_model() {
        for seed in 1..=40 {
            for capacity in [1, 7, 64, 1000] {
                let mut receive = [0; 1000];
                let mut ring = Ring::new(&mut [], &mut receive[..capacity], &mut []);
                model::check_receive(&mut ring, seed);
            }
        }
    }

    #[test]
    fn sending_agrees_with_the_model() {
        for seed in 1..=40 {
            for capacity in [1, 7, 64, 1000] {
                let mut send = [0; 1000];
                let mut ring = Ring::new(&mut send[..capacity], &mut [], &mut []);
                model::check_send(&mut ring, seed);
            }
        }
    }

    #[test]
    fn records_agree_with_a_vector_until_the_slice_is_full() {
        for seed in 1..=40 {
            let mut records = [Sent::EMPTY; 5];
            let mut ring = Ring::new(&mut [], &mut [], &mut records);
            model::check_records(&mut ring, 5, seed);
        }
    }

    #[test]
    fn slices_of_no_length_hold_nothing_and_panic_nowhere() {
        let mut ring = Ring::new(&mut [], &mut [], &mut []);
        assert_eq!(ring.write(b"data"), 0);
        assert_eq!(ring.insert(0, b"data"), 0);
        assert_eq!(ring.read(&mut [0; 4]), 0);
        assert_eq!(ring.insert_sent(0, sent(1)), Err(Full));
        ring.discard(0);
        ring.copy_out(0, &mut []);
        assert!(!ring.has_sent_room(1) && ring.sent(0).is_none() && SendBuffer::is_empty(&ring));
    }

    #[test]
    fn a_gap_after_every_second_byte_takes_no_more_than_the_ranges_there_are() {
        let mut receive = [0; 4096];
        let mut ring = Ring::new(&mut [], &mut receive, &mut []);
        for offset in (1..4096).step_by(2) {
            assert_eq!(ring.insert(offset, b"x"), 0);
        }
        let ranges: Vec<_> = (0..).map_while(|index| ring.range(index)).collect();
        assert_eq!((ranges.len(), ring.held()), (16, 16));
        assert_eq!(ring.insert(0, &[b'y'; 4096]), 4096, "in-order data still moves the edge");
    }

    #[test]
    fn what_is_readable_outlives_what_is_held() {
        let mut receive = [0; 16];
        let mut ring = Ring::new(&mut [], &mut receive, &mut []);
        ring.insert(0, b"ab");
        ring.insert(3, b"d");
        ring.clear_held();
        assert_eq!((ring.readable(), ring.held(), ring.range(0)), (2, 0, None));
        assert_eq!(ring.insert(0, b"c"), 1);
    }
}
