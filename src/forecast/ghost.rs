//! Buffers that have lengths and no bytes: all that a connection must know of them while nothing arrives.
//!
//! What is decided under silence depends on how much is queued, which segments are in flight, and how many gaps are
//! reported. So a forecast of a megabyte in flight costs its records and not the megabyte.

use crate::buf::{Buffers, Full, ReceiveBuffer, Scoreboard, SendBuffer, Sent, Tuning};
use crate::tcp::Conn;
#[cfg(feature = "alloc")]
use alloc::vec::Vec;

/// Where a forecast keeps its copies of the records of segments in flight: a `Vec`, or a slice that the caller lends.
pub trait Records {
    /// The records, oldest first.
    fn records(&self) -> &[Sent];

    /// The same, to change them.
    fn records_mut(&mut self) -> &mut [Sent];

    /// Inserts a record before `index`, which is at most the number of records.
    ///
    /// # Errors
    /// [`Full`] if there is no room.
    fn insert(&mut self, index: usize, sent: Sent) -> Result<(), Full>;

    /// Removes record `index`, which exists.
    fn remove(&mut self, index: usize);

    /// Forgets all records.
    fn clear(&mut self);
}

#[cfg(feature = "alloc")]
impl Records for Vec<Sent> {
    fn records(&self) -> &[Sent] {
        self
    }

    fn records_mut(&mut self) -> &mut [Sent] {
        self
    }

    fn insert(&mut self, index: usize, sent: Sent) -> Result<(), Full> {
        Self::insert(self, index, sent);
        Ok(())
    }

    fn remove(&mut self, index: usize) {
        Self::remove(self, index);
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}

/// Records in a slice that the caller lends, for a host without an allocator.
#[derive(Debug)]
pub struct Lent<'r> {
    slots: &'r mut [Sent],
    len: usize,
}

impl<'r> Lent<'r> {
    /// No record yet; what the slice contains does not matter.
    pub const fn new(slots: &'r mut [Sent]) -> Self {
        Self { slots, len: 0 }
    }
}

impl Records for Lent<'_> {
    fn records(&self) -> &[Sent] {
        &self.slots[..self.len]
    }

    fn records_mut(&mut self) -> &mut [Sent] {
        &mut self.slots[..self.len]
    }

    fn insert(&mut self, index: usize, sent: Sent) -> Result<(), Full> {
        if self.len == self.slots.len() {
            return Err(Full);
        }
        self.slots.copy_within(index..self.len, index + 1);
        self.slots[index] = sent;
        self.len += 1;
        Ok(())
    }

    fn remove(&mut self, index: usize) {
        self.slots.copy_within(index + 1..self.len, index);
        self.len -= 1;
    }

    fn clear(&mut self) {
        self.len = 0;
    }
}

/// So many gaps are reported at most (RFC 2018 3), so no more of them matter.
const RANGES_MAX: usize = 4;

/// The shadow of a connection's buffers.
#[derive(Clone, Debug)]
pub(super) struct Ghost<R> {
    queued: usize,
    records: R,
    /// As many records as the true buffer would keep.
    records_max: usize,
    scoreboard: Scoreboard,
    readable: usize,
    held: usize,
    ranges: [Option<(usize, usize)>; RANGES_MAX],
    receive_limit: usize,
    tuning: Tuning,
}

impl<R: Records> Ghost<R> {
    /// Nothing queued, nothing received; what `records` holds is forgotten.
    pub(super) fn new(mut records: R, records_max: usize) -> Self {
        records.clear();
        Self {
            queued: 0,
            records,
            records_max,
            scoreboard: Scoreboard::new(),
            readable: 0,
            held: 0,
            ranges: [None; RANGES_MAX],
            receive_limit: usize::MAX,
            tuning: Tuning::new(),
        }
    }

    /// The shadow of `buffers`, whose records go into `records`.
    ///
    /// # Errors
    /// [`Full`] if they do not fit there.
    pub(super) fn of(buffers: &impl Buffers, records: R) -> Result<Self, Full> {
        let mut ghost = Self::new(records, buffers.sent_len() + room(buffers));
        for index in 0..buffers.sent_len() {
            ghost.records.insert(index, buffers.sent(index).ok_or(Full)?)?;
        }
        ghost.queued = buffers.len();
        ghost.scoreboard = *buffers.scoreboard();
        ghost.readable = buffers.readable();
        ghost.held = buffers.held();
        ghost.receive_limit = buffers.receive_limit();
        ghost.tuning = *buffers.tuning();
        ghost.ranges = core::array::from_fn(|index| buffers.range(index));
        Ok(ghost)
    }

    /// The application writes `bytes`.
    pub(super) fn queue(&mut self, bytes: usize) {
        self.queued += bytes;
    }
}

/// As many records as a connection may ever need if nothing arrives: each covers a byte or the FIN.
pub(super) fn records_needed(conn: &Conn, buffers: &impl Buffers) -> usize {
    let fin = usize::from(conn.is_send_closed());
    (buffers.len() + fin).max(buffers.sent_len()).min(buffers.sent_len() + room(buffers))
}

/// How many more records `buffers` takes, found by asking; no more than there are bytes could be used.
fn room(buffers: &impl Buffers) -> usize {
    let (mut fits, mut most) = (0, buffers.len() + 1);
    while fits < most {
        let middle = most - (most - fits) / 2;
        if buffers.has_sent_room(middle) {
            fits = middle;
        } else {
            most = middle - 1;
        }
    }
    fits
}

impl<R: Records> SendBuffer for Ghost<R> {
    fn len(&self) -> usize {
        self.queued
    }

    /// Nobody looks at a forecast's payload.
    fn copy_out(&self, _offset: usize, into: &mut [u8]) {
        into.fill(0);
    }

    fn discard(&mut self, acknowledged: usize) {
        self.queued = self.queued.saturating_sub(acknowledged);
    }

    fn clear_send(&mut self) {
        self.queued = 0;
        self.records.clear();
    }

    fn sent_len(&self) -> usize {
        self.records.records().len()
    }

    fn sent(&self, index: usize) -> Option<Sent> {
        self.records.records().get(index).copied()
    }

    fn set_sent(&mut self, index: usize, sent: Sent) {
        if let Some(record) = self.records.records_mut().get_mut(index) {
            *record = sent;
        }
    }

    fn has_sent_room(&self, room: usize) -> bool {
        room <= self.records_max.saturating_sub(self.sent_len())
    }

    fn insert_sent(&mut self, index: usize, sent: Sent) -> Result<(), Full> {
        if !self.has_sent_room(1) {
            return Err(Full);
        }
        self.records.insert(index.min(self.sent_len()), sent)
    }

    fn remove_sent(&mut self, index: usize) {
        if index < self.sent_len() {
            self.records.remove(index);
        }
    }

    fn scoreboard(&self) -> &Scoreboard {
        &self.scoreboard
    }

    fn scoreboard_mut(&mut self) -> &mut Scoreboard {
        &mut self.scoreboard
    }
}

/// Nothing arrives.
impl<R> ReceiveBuffer for Ghost<R> {
    fn readable(&self) -> usize {
        self.readable
    }

    fn held(&self) -> usize {
        self.held
    }

    fn insert(&mut self, _offset: usize, _payload: &[u8]) -> usize {
        0
    }

    fn range(&self, index: usize) -> Option<(usize, usize)> {
        self.ranges.get(index).copied().flatten()
    }

    fn clear_held(&mut self) {
        self.held = 0;
        self.ranges = [None; RANGES_MAX];
    }

    fn receive_limit(&self) -> usize {
        self.receive_limit
    }

    fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    fn tuning_mut(&mut self) -> &mut Tuning {
        &mut self.tuning
    }
}
