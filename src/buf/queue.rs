//! A queue of bytes made of pieces: large ones by handle, small ones copied together.
//!
//! A handle saves the copy but keeps alive whatever it points into, and costs a slot of its own. Small pieces are
//! therefore copied, and appended to the copy before them while that has room, as Linux `tcp_try_coalesce` merges small
//! segments into the tail of the receive queue and `tcp_sendmsg` fills up the last segment of the send queue.

use alloc::collections::VecDeque;
use core::mem;

use bytes::{Buf, Bytes, BytesMut};

/// A payload shorter than this is copied, so that one byte never keeps a 64 KiB frame alive. From here on the copy
/// costs more than the handle.
pub const COPY_BELOW: usize = 256;

/// The size of the smallest chunk that small pieces are copied into; it doubles as they come, up to [`CHUNK_MAX`].
const CHUNK_MIN: usize = 64;

/// How large a chunk of small pieces may grow: one page. Growing costs a copy, and a chunk is freed only as a whole.
pub(super) const CHUNK_MAX: usize = 4096;

/// What a piece is charged beside its bytes: its slot in the queue, and the reference count on the heap.
pub(super) const PIECE_CHARGE: u32 = 96;

/// The slots an empty queue may keep; more are given back, so that a burst is not paid for ever after.
const EMPTY_SLOTS_MAX: usize = 16;

/// A run of bytes with one owner.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Bytes,
    /// Bytes of memory this piece keeps alive.
    charge: u32,
    /// Whether the memory is our own, so that more may be appended.
    copied: bool,
}

impl Piece {
    /// `bytes`, kept as they are, which keep `capacity` bytes alive.
    pub(super) fn kept(bytes: Bytes, capacity: usize) -> Self {
        Self { bytes, charge: charge(capacity), copied: false }
    }

    /// A copy of `bytes`.
    pub(super) fn copied(bytes: &[u8]) -> Self {
        if bytes.len() >= COPY_BELOW {
            return Self { bytes: Bytes::copy_from_slice(bytes), charge: charge(bytes.len()), copied: true };
        }
        let chunk = grown(bytes, bytes.len());
        Self { charge: charge(chunk.capacity()), bytes: chunk.freeze(), copied: true }
    }

    /// `payload` as a handle on `frame` if it lies in it and is worth that, otherwise as a copy.
    ///
    /// Worth it is a payload that makes up half of the frame: a peer can then keep no more memory alive than twice what
    /// it got through.
    pub(super) fn received(payload: &[u8], frame: Option<&Bytes>) -> Self {
        match frame {
            Some(frame) if payload.len() >= COPY_BELOW.max(frame.len() / 2) && contains(frame, payload) => {
                Self::kept(frame.slice_ref(payload), frame.len())
            }
            _ => Self::copied(payload),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn charge(&self) -> usize {
        self.charge as usize
    }

    /// Copies `more` behind what is there. False, and nothing done, unless both are small and the memory is ours alone.
    pub(super) fn append(&mut self, more: &[u8]) -> bool {
        let len = self.bytes.len() + more.len();
        if !self.copied || more.len() >= COPY_BELOW || len > CHUNK_MAX {
            return false;
        }
        let mut chunk = match mem::take(&mut self.bytes).try_into_mut() {
            Ok(chunk) => chunk,
            Err(shared) => {
                self.bytes = shared;
                return false;
            }
        };
        if chunk.capacity() < len {
            chunk = grown(&chunk, len);
            self.charge = charge(chunk.capacity());
        }
        chunk.extend_from_slice(more);
        self.bytes = chunk.freeze();
        true
    }
}

/// A first-in, first-out queue of bytes. Positions count every byte that ever entered, so that they never move.
#[derive(Debug)]
pub(super) struct Queue {
    /// Each with the position of its first byte, without gaps from `start` to `end`.
    pieces: VecDeque<(u64, Piece)>,
    start: u64,
    end: u64,
    charged: usize,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self { pieces: VecDeque::new(), start: 0, end: 0, charged: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// One past the position of the last byte.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Bytes of memory that the queue keeps alive.
    pub(super) const fn charged(&self) -> usize {
        self.charged
    }

    /// Copies small `bytes` into the last piece. False, and nothing done, where [`Piece::append`] refuses.
    pub(super) fn append(&mut self, bytes: &[u8]) -> bool {
        let Some((_, last)) = self.pieces.back_mut() else { return false };
        let charged_before = last.charge();
        let appended = last.append(bytes);
        self.charged = self.charged - charged_before + last.charge();
        if appended {
            self.end += bytes.len() as u64;
        }
        appended
    }

    /// Puts `piece` at the end, into the last piece if both are small.
    pub(super) fn push(&mut self, piece: Piece) {
        if piece.bytes.is_empty() || self.append(&piece.bytes) {
            return;
        }
        let position = self.end;
        self.end += piece.bytes.len() as u64;
        self.charged += piece.charge();
        self.pieces.push_back((position, piece));
    }

    /// The first bytes, as far as they lie in one piece.
    pub(super) fn first(&self) -> Option<&[u8]> {
        self.pieces.front().map(|(_, piece)| piece.bytes())
    }

    /// Fills `into` with the bytes from `offset` on, which are there. The piece to begin with is found by bisection:
    /// a long queue is not walked once for every segment.
    pub(super) fn copy_out(&self, offset: usize, mut into: &mut [u8]) {
        debug_assert!(offset + into.len() <= self.len());
        let from = self.start + offset as u64;
        let index = self.pieces.partition_point(|(position, _)| *position <= from).saturating_sub(1);
        let mut skipped = self.pieces.get(index).map_or(0, |(position, _)| (from - position) as usize);
        for (_, piece) in self.pieces.range(index..) {
            let bytes = &piece.bytes[skipped.min(piece.bytes.len())..];
            let (filled, rest) = into.split_at_mut(bytes.len().min(into.len()));
            filled.copy_from_slice(&bytes[..filled.len()]);
            if rest.is_empty() {
                return;
            }
            into = rest;
            skipped = 0;
        }
    }

    /// Moves bytes into `into` and returns how many.
    pub(super) fn read(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.len());
        self.copy_out(0, &mut into[..count]);
        self.discard(count);
        count
    }

    /// Takes out the first piece, or its first `max` bytes if it is longer; uncopied either way.
    pub(super) fn take(&mut self, max: usize) -> Option<Bytes> {
        let (position, first) = self.pieces.front_mut().filter(|_| max > 0)?;
        if first.bytes.len() <= max {
            return self.pop();
        }
        let taken = first.bytes.split_to(max);
        *position += max as u64;
        self.start += max as u64;
        Some(taken)
    }

    /// Forgets the first `count` bytes, of which there are as many.
    pub(super) fn discard(&mut self, count: usize) {
        debug_assert!(count <= self.len());
        let mut left = count;
        while let Some((position, first)) = self.pieces.front_mut() {
            if left < first.bytes.len() {
                first.bytes.advance(left);
                *position += left as u64;
                self.start += left as u64;
                return;
            }
            left -= first.bytes.len();
            self.pop();
        }
    }

    /// Forgets every byte and gives the memory back.
    pub(super) fn clear(&mut self) {
        *self = Self { start: self.end, end: self.end, ..Self::new() };
    }

    fn pop(&mut self) -> Option<Bytes> {
        let (_, piece) = self.pieces.pop_front()?;
        self.charged -= piece.charge();
        self.start += piece.bytes.len() as u64;
        shrink(&mut self.pieces);
        Some(piece.bytes)
    }
}

/// Gives back the slots of a `queue` that has run empty after a burst.
pub(super) fn shrink<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() && queue.capacity() > EMPTY_SLOTS_MAX {
        *queue = VecDeque::new();
    }
}

/// Saturates: a piece of 4 GiB and more is accounted as 4 GiB.
fn charge(capacity: usize) -> u32 {
    u32::try_from(capacity).unwrap_or(u32::MAX).saturating_add(PIECE_CHARGE)
}

/// A copy of `bytes` with room for `len`, at most [`CHUNK_MAX`], and more to come.
fn grown(bytes: &[u8], len: usize) -> BytesMut {
    let mut chunk = BytesMut::with_capacity(len.next_power_of_two().max(CHUNK_MIN));
    chunk.extend_from_slice(bytes);
    chunk
}

/// Whether `part` lies in the memory of `whole`.
fn contains(whole: &[u8], part: &[u8]) -> bool {
    let (whole, part) = (whole.as_ptr_range(), part.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn slots(queue: &Queue) -> usize {
        queue.pieces.len()
    }

    #[test]
    fn small_pieces_share_a_chunk_and_large_ones_keep_their_own() {
        let mut queue = Queue::new();
        for _ in 0..=CHUNK_MAX {
            queue.push(Piece::copied(b"x"));
        }
        assert_eq!(slots(&queue), 2);
        queue.push(Piece::kept(Bytes::from(vec![0; COPY_BELOW]), COPY_BELOW));
        queue.push(Piece::copied(b"y"));
        assert_eq!(slots(&queue), 4, "nothing is appended to memory that is not ours");
    }

    #[test]
    fn nothing_is_appended_to_bytes_the_application_holds() {
        let mut queue = Queue::new();
        queue.push(Piece::copied(b"abcd"));
        let taken = queue.take(2);
        queue.push(Piece::copied(b"ef"));
        assert_eq!((taken.as_deref(), slots(&queue)), (Some(&b"ab"[..]), 2));
        let mut rest = [0; 4];
        assert_eq!(queue.read(&mut rest), 4);
        assert_eq!(&rest, b"cdef");
    }

    #[test]
    fn a_chunk_that_is_read_and_refilled_for_ever_stays_small() {
        let mut queue = Queue::new();
        queue.push(Piece::copied(&[0; 100]));
        for _ in 0..10_000 {
            queue.push(Piece::copied(&[1; 10]));
            queue.discard(10);
        }
        assert_eq!((queue.len(), slots(&queue)), (100, 1));
        assert!(queue.charged() <= 512 + PIECE_CHARGE as usize, "{}", queue.charged());
    }

    #[test]
    fn a_chunk_is_charged_with_its_capacity() {
        let mut queue = Queue::new();
        for (len, capacity) in [(60, 64), (4, 64), (1, 128), (200, 512), (255, 1024)] {
            queue.push(Piece::copied(&vec![0; len]));
            assert_eq!(queue.charged(), capacity + PIECE_CHARGE as usize, "{} bytes", queue.len());
        }
    }

    #[test]
    fn the_charge_goes_with_the_last_byte_of_a_piece() {
        let mut queue = Queue::new();
        queue.push(Piece::kept(Bytes::from(vec![0; 1000]), 1100));
        let charged = 1100 + PIECE_CHARGE as usize;
        assert_eq!(queue.charged(), charged);
        queue.discard(999);
        assert_eq!(queue.charged(), charged);
        queue.discard(1);
        assert_eq!(queue.charged(), 0);
    }

    #[test]
    fn slots_are_given_back_after_a_burst() {
        let mut queue = Queue::new();
        for _ in 0..1000 {
            queue.push(Piece::kept(Bytes::from(vec![0; 300]), 300));
        }
        assert!(queue.pieces.capacity() >= 1000);
        queue.discard(300_000);
        assert_eq!(queue.pieces.capacity(), 0);
    }
}
