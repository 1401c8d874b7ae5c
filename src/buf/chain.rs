//! Buffers of queued [`Bytes`], for a stack with a heap: received frames reach the application uncopied.
//!
//! They follow the queues of a Linux socket: bytes to send with one record per segment in flight (`sk_write_queue` and
//! `tcp_rtx_queue`), what is readable (`tcp_queue_rcv`), and what arrived out of order (`tcp_data_queue_ofo`). As
//! there, memory is accounted by what a kept frame really occupies (`truesize`), not by the payload that is wanted of
//! it.
//!
//! [`Streams`] lives in a box, which may go while [`Streams::is_idle`]; the stack that owns the box also owns the
//! memory budget, and asks [`Streams::charged`] for it.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::assembler::clip;
use super::ends::Ends;
use super::queue::{Piece, Queue, shrink};
use super::{Assembler, Full, ReceiveBuffer, Scoreboard, SendBuffer, Sent, Tuning};

pub use super::queue::COPY_BELOW;

/// The receive capacity until [`Streams::set_receive_capacity`]: the window a Linux socket starts with, half of the
/// default `tcp_rmem[1]` of 128 KiB.
pub const RECEIVE_CAPACITY_DEFAULT: usize = 65_536;

/// The largest receive capacity: no window is larger (RFC 7323 2.3).
pub const RECEIVE_CAPACITY_MAX: usize = 1 << 30;

/// How many out-of-order ranges are held: a megabyte in full segments, of which every fifth is lost. Their set takes
/// 1 KiB, while there are any.
pub const HELD_RANGES_MAX: usize = 128;

/// How many segments may be in flight: 23 MB in full segments. Their records take 24 bytes each.
pub const SENT_MAX: usize = 16_384;

pub use super::ends::RECORD_ENDS_MAX;

/// Both directions of one connection, on the heap. A new value has allocated nothing.
#[derive(Debug)]
pub struct Streams {
    send: Queue,
    records: VecDeque<Sent>,
    /// Where records of the application's end; hardly anybody has any.
    ends: Option<Box<Ends>>,
    scoreboard: Scoreboard,
    tuning: Tuning,
    received: Queue,
    /// Only while something is held.
    held: Option<Box<Held>>,
    frame: Option<Bytes>,
    receive_capacity: usize,
    receive_limit: usize,
}

const _: () = assert!(size_of::<Streams>() <= 560);

impl Streams {
    /// Empty queues.
    pub const fn new() -> Self {
        Self {
            send: Queue::new(),
            records: VecDeque::new(),
            ends: None,
            scoreboard: Scoreboard::new(),
            tuning: Tuning::new(),
            received: Queue::new(),
            held: None,
            frame: None,
            receive_capacity: RECEIVE_CAPACITY_DEFAULT,
            receive_limit: RECEIVE_CAPACITY_MAX,
        }
    }

    /// Whether nothing is held: neither bytes nor records nor a frame, nor the question what became of a tail loss
    /// probe. Then the box can go.
    pub fn is_idle(&self) -> bool {
        self.send.is_empty()
            && self.records.is_empty()
            && self.received.is_empty()
            && self.held.is_none()
            && self.frame.is_none()
            && self.scoreboard.tlp_high_seq.is_none()
            && self.tuning.rcv_up.is_none()
    }

    /// Bytes of memory held, for the budget: each kept frame and chunk with its whole capacity, each record, and the
    /// bookkeeping of what is out of order. Bytes the application has taken are its own and no longer counted.
    pub fn charged(&self) -> usize {
        let held = self.held.as_ref().map_or(0, |held| size_of::<Held>() + held.charged);
        let ends = self.ends.as_ref().map_or(0, |ends| ends.charged());
        self.send.charged() + self.received.charged() + held + ends + self.records.len() * size_of::<Sent>()
    }

    /// Queues `data` for sending. Any amount is taken: whoever calls it bounds the queue by [`SendBuffer::len`].
    ///
    /// No byte is copied, except when fewer than [`COPY_BELOW`] come to a queue that is not empty.
    pub fn push(&mut self, data: Bytes) {
        let small = data.len() < COPY_BELOW && !self.send.is_empty();
        if !small {
            let len = data.len();
            self.send.push(Piece::kept(data, len));
        } else if !self.send.append(&data) {
            self.send.push(Piece::copied(&data));
        }
    }

    /// How many bytes may be kept for the application, what is held and the gaps before it included: the window is
    /// offered out of the part that is not readable yet.
    pub const fn receive_capacity(&self) -> usize {
        self.receive_capacity
    }

    /// Sets [`Streams::receive_capacity`] to `bytes`, at most [`RECEIVE_CAPACITY_MAX`]. What is kept already stays,
    /// even if it is more.
    pub fn set_receive_capacity(&mut self, bytes: usize) {
        self.receive_capacity = bytes.min(RECEIVE_CAPACITY_MAX);
    }

    /// Bounds what [`ReceiveBuffer::receive_limit`] says, in bytes, at most [`RECEIVE_CAPACITY_MAX`]: windows grow no
    /// further. For a stack whose memory is short.
    pub fn set_receive_limit(&mut self, bytes: usize) {
        self.receive_limit = bytes.min(RECEIVE_CAPACITY_MAX);
    }

    /// Says that the payloads that follow lie in `frame`, so that [`ReceiveBuffer::insert`] may keep them uncopied.
    /// `None` once the frame is dealt with.
    ///
    /// A kept frame is charged with its length; a driver that cuts frames out of a larger buffer keeps that alive
    /// instead, and should not.
    pub fn set_frame(&mut self, frame: Option<Bytes>) {
        self.frame = frame;
    }

    /// Received bytes to look at, as far as they lie in one piece; empty if none wait.
    pub fn peek(&self) -> &[u8] {
        self.received.first().unwrap_or_default()
    }

    /// Moves received bytes into `into` and returns how many; 0 if none wait.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        self.received.read(into)
    }

    /// Takes received bytes without copying them: what lies in one piece, at most `max`. `None` if none wait or `max`
    /// is
    /// 0. As long as they live they keep the frame alive that they came in.
    pub fn take_readable(&mut self, max: usize) -> Option<Bytes> {
        self.received.take(max)
    }

    /// Forgets what arrived, readable or held: nobody will read it.
    pub fn clear_received(&mut self) {
        self.received.clear();
        self.held = None;
        self.tuning.rcv_up = None;
    }
}

impl Default for Streams {
    fn default() -> Self {
        Self::new()
    }
}

impl SendBuffer for Streams {
    fn len(&self) -> usize {
        self.send.len()
    }

    fn copy_out(&self, offset: usize, into: &mut [u8]) {
        self.send.copy_out(offset, into);
    }

    fn discard(&mut self, acknowledged: usize) {
        self.send.discard(acknowledged);
        if let Some(ends) = &mut self.ends {
            ends.discard(acknowledged);
        }
        if self.send.is_empty() {
            self.ends = None;
        }
    }

    fn clear_send(&mut self) {
        self.send.clear();
        self.ends = None;
        self.records = VecDeque::new();
    }

    fn end_record(&mut self) {
        let len = self.send.len();
        self.ends.get_or_insert_default().push(len);
    }

    fn record_end(&self, offset: usize) -> Option<usize> {
        self.ends.as_ref()?.after(offset)
    }

    fn sent_len(&self) -> usize {
        self.records.len()
    }

    fn sent(&self, index: usize) -> Option<Sent> {
        self.records.get(index).copied()
    }

    fn set_sent(&mut self, index: usize, sent: Sent) {
        debug_assert!(index < self.records.len());
        if let Some(record) = self.records.get_mut(index) {
            *record = sent;
        }
    }

    fn has_sent_room(&self, room: usize) -> bool {
        room <= SENT_MAX - self.records.len()
    }

    fn insert_sent(&mut self, index: usize, sent: Sent) -> Result<(), Full> {
        debug_assert!(index <= self.records.len());
        if !self.has_sent_room(1) {
            return Err(Full);
        }
        self.records.insert(index.min(self.records.len()), sent);
        Ok(())
    }

    fn remove_sent(&mut self, index: usize) {
        debug_assert!(index < self.records.len());
        self.records.remove(index);
        shrink(&mut self.records);
    }

    fn scoreboard(&self) -> &Scoreboard {
        &self.scoreboard
    }

    fn scoreboard_mut(&mut self) -> &mut Scoreboard {
        &mut self.scoreboard
    }
}

impl ReceiveBuffer for Streams {
    fn readable(&self) -> usize {
        self.received.len()
    }

    fn held(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.len)
    }

    fn insert(&mut self, offset: usize, payload: &[u8]) -> usize {
        let room = self.receive_capacity.saturating_sub(self.received.len());
        let Some((start, end)) = clip(offset, payload.len(), room) else { return 0 };
        let segment = Segment { start, payload: &payload[..(end - start) as usize], frame: self.frame.as_ref() };
        let edge = self.received.end();
        match &mut self.held {
            Some(held) if start == 0 => {
                held.release(&segment, &mut self.received);
                self.held.take_if(|held| held.ranges.is_empty());
            }
            None if start == 0 => segment.queue(start, end, &mut self.received),
            held => held.get_or_insert_default().hold(&segment, edge),
        }
        (self.received.end() - edge) as usize
    }

    fn range(&self, index: usize) -> Option<(usize, usize)> {
        let (start, end) = self.held.as_ref()?.ranges.range(index)?;
        Some((start as usize, end as usize))
    }

    fn clear_held(&mut self) {
        self.held = None;
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

/// What [`ReceiveBuffer::insert`] was given, cut to the window.
struct Segment<'a> {
    start: u32,
    payload: &'a [u8],
    frame: Option<&'a Bytes>,
}

impl Segment<'_> {
    fn end(&self) -> u32 {
        self.start + self.payload.len() as u32
    }

    /// The bytes `from..to`, which count from the edge as `start` does.
    fn part(&self, from: u32, to: u32) -> &[u8] {
        &self.payload[(from - self.start) as usize..(to - self.start) as usize]
    }

    /// Makes the bytes `from..to` readable.
    fn queue(&self, from: u32, to: u32, queue: &mut Queue) {
        let part = self.part(from, to);
        if !queue.append(part) {
            queue.push(Piece::received(part, self.frame));
        }
    }
}

/// What arrived out of order: pieces by position, which do not overlap, and the ranges that they make up.
#[derive(Debug, Default)]
struct Held {
    ranges: Assembler<HELD_RANGES_MAX>,
    pieces: BTreeMap<u64, Piece>,
    len: usize,
    charged: usize,
}

impl Held {
    /// Keeps what is new in `segment`, which lies beyond the edge, whose position is `edge`.
    fn hold(&mut self, segment: &Segment<'_>, edge: u64) {
        let (start, end) = (segment.start, segment.end());
        if self.is_crowded() || !self.ranges.has_room(start, end) {
            return;
        }
        for (from, to) in self.ranges.gaps(start, end) {
            let (position, part) = (edge + u64::from(from), segment.part(from, to));
            self.len += part.len();
            let before = self.pieces.range_mut(..position).next_back();
            if let Some(tail) = before.filter(|(at, tail)| **at + tail.bytes().len() as u64 == position) {
                let charged_before = tail.1.charge();
                let appended = tail.1.append(part);
                self.charged = self.charged - charged_before + tail.1.charge();
                if appended {
                    continue;
                }
            }
            let piece = Piece::received(part, segment.frame);
            self.charged += piece.charge();
            self.pieces.insert(position, piece);
        }
        let advanced = self.ranges.insert(start, end);
        debug_assert_eq!(advanced, Ok(0));
    }

    /// Makes `segment`, which lies at the edge, readable, and everything held that it joins on to.
    fn release(&mut self, segment: &Segment<'_>, received: &mut Queue) {
        let edge = received.end();
        for (from, to) in self.ranges.gaps(0, segment.end()) {
            segment.queue(from, to, received);
            while let Some(piece) = self.pieces.remove(&received.end()) {
                self.len -= piece.bytes().len();
                self.charged -= piece.charge();
                received.push(piece);
            }
        }
        let advanced = self.ranges.insert(0, segment.end());
        debug_assert_eq!(advanced.map(u64::from), Ok(received.end() - edge));
    }

    /// Whether no further piece is kept, because those there are too small on average: tiny segments in descending
    /// order would otherwise cost a piece each.
    fn is_crowded(&self) -> bool {
        self.pieces.len() >= HELD_RANGES_MAX + self.len / COPY_BELOW
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{self, Random, sent};
    use super::super::queue::{CHUNK_MAX, PIECE_CHARGE};
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    /// An IPv4 and a TCP header with timestamps.
    const HEADERS: usize = 52;

    impl model::Subject for Streams {
        const RANGES_MAX: usize = HELD_RANGES_MAX;

        fn capacity(&self) -> usize {
            self.receive_capacity()
        }

        fn read(&mut self, into: &mut [u8]) -> usize {
            Self::read(self, into)
        }

        fn write(&mut self, data: &[u8]) -> usize {
            self.push(Bytes::copy_from_slice(data));
            data.len()
        }
    }

    fn with_capacity(bytes: usize) -> Streams {
        let mut streams = Streams::new();
        streams.set_receive_capacity(bytes);
        streams
    }

    /// Inserts `payload` as it comes in a frame of its own.
    fn insert_framed(streams: &mut Streams, offset: usize, payload: &[u8]) -> usize {
        let frame: Bytes = [&[0xFF; HEADERS], payload].concat().into();
        streams.set_frame(Some(frame.clone()));
        let advanced = streams.insert(offset, &frame[HEADERS..]);
        streams.set_frame(None);
        advanced
    }

    /// What the queues are charged is the sum of their pieces, and nothing once they are empty.
    #[track_caller]
    fn assert_drained(streams: &mut Streams) {
        streams.clear_held();
        while streams.take_readable(usize::MAX).is_some() {}
        assert_eq!(streams.charged(), 0);
        assert!(streams.is_idle());
    }

    #[test]
    fn receiving_agrees_with_the_model_with_and_without_frames() {
        for seed in 1..=40 {
            for capacity in [1, 64, 1000, 5000] {
                let mut streams = with_capacity(capacity);
                model::check_receive(&mut streams, seed);
                assert_drained(&mut streams);
                model::check_receive_through(&mut streams, seed, insert_framed);
                assert_drained(&mut streams);
            }
        }
    }

    #[test]
    fn taking_pieces_agrees_with_reading_bytes() {
        let mut random = Random::new(7);
        let (mut streams, mut expected, mut taken) = (with_capacity(1 << 20), Vec::new(), Vec::new());
        for _ in 0..500 {
            let len = random.below(800);
            let payload = random.bytes(len);
            assert_eq!(insert_framed(&mut streams, 0, &payload), len);
            expected.extend(payload);
            let max = random.below(900);
            let peeked = streams.peek()[..max.min(streams.peek().len())].to_vec();
            let piece = streams.take_readable(max).unwrap_or_default();
            assert_eq!(piece, peeked);
            taken.extend(piece);
        }
        while let Some(piece) = streams.take_readable(usize::MAX) {
            taken.extend(piece);
        }
        assert_eq!(taken, expected);
        assert_drained(&mut streams);
    }

    #[test]
    fn sending_agrees_with_the_model() {
        for seed in 1..=40 {
            let mut streams = Streams::new();
            model::check_send(&mut streams, seed);
            assert_drained(&mut streams);
        }
    }

    #[test]
    fn records_agree_with_a_vector_and_are_bounded() {
        for seed in 1..=40 {
            model::check_records(&mut Streams::new(), usize::MAX, seed);
        }
        let mut streams = Streams::new();
        for number in 0..SENT_MAX {
            assert_eq!(streams.insert_sent(number, sent(number as u32)), Ok(()));
        }
        assert_eq!(streams.insert_sent(0, sent(0)), Err(Full));
        assert!(!streams.has_sent_room(1) && streams.has_sent_room(0));
        streams.clear_send();
        assert!(streams.is_idle());
    }

    #[test]
    fn a_received_frame_reaches_the_application_uncopied() {
        let frame = Bytes::from(vec![7; 1500]);
        let payload = frame.slice(HEADERS..);
        for gap_first in [false, true] {
            let mut streams = Streams::new();
            streams.set_frame(Some(frame.clone()));
            assert_eq!(streams.insert(usize::from(gap_first), &payload), if gap_first { 0 } else { 1448 });
            streams.set_frame(None);
            if gap_first {
                assert_eq!(streams.insert(0, b"x"), 1449);
                assert_eq!(streams.take_readable(9).as_deref(), Some(&b"x"[..]));
            }
            assert_eq!(streams.charged(), 1500 + PIECE_CHARGE as usize, "the whole frame, not the payload");
            let taken = streams.take_readable(usize::MAX).expect("readable");
            assert_eq!((taken.as_ptr(), taken.len()), (payload.as_ptr(), 1448));
            assert!(streams.is_idle());
        }
    }

    #[test]
    fn a_small_part_never_keeps_a_large_frame_alive() {
        for (len, frame_len, kept) in
            [(1, 65_536, false), (255, 300, false), (256, 300, true), (256, 65_536, false), (32_768, 65_536, true)]
        {
            for offset in [0, 1] {
                let mut streams = with_capacity(1 << 20);
                let frame = Bytes::from(vec![7; frame_len]);
                streams.set_frame(Some(frame.clone()));
                streams.insert(offset, &frame[frame_len - len..]);
                streams.set_frame(None);
                assert_eq!(frame.is_unique(), !kept, "{len} of {frame_len} at {offset}");
                let books = if offset == 0 { 0 } else { size_of::<Held>() };
                assert!(streams.charged() <= 2 * len + 64 + PIECE_CHARGE as usize + books);
            }
        }
    }

    #[test]
    fn a_payload_that_is_not_in_the_frame_is_copied() {
        let mut streams = Streams::new();
        streams.set_frame(Some(Bytes::from(vec![7; 600])));
        assert_eq!(streams.insert(0, &[8; 500]), 500);
        assert_eq!(streams.peek(), [8; 500]);
    }

    #[test]
    fn bytes_written_one_by_one_cost_a_few_bytes_each_at_most() {
        let mut streams = with_capacity(1 << 20);
        for _ in 0..10_000 {
            streams.push(Bytes::from_static(b"x"));
            insert_framed(&mut streams, 0, b"x");
        }
        assert_eq!((SendBuffer::len(&streams), streams.readable()), (10_000, 10_000));
        let chunks = 10_000 / CHUNK_MAX + 2;
        assert!(streams.charged() <= 2 * chunks * (CHUNK_MAX + PIECE_CHARGE as usize), "{}", streams.charged());
    }

    #[test]
    fn large_writes_are_queued_by_handle() {
        let mut streams = Streams::new();
        let data = Bytes::from(vec![7; COPY_BELOW]);
        streams.push(Bytes::from_static(b"head"));
        streams.push(data.clone());
        assert!(!data.is_unique());
        streams.discard(4 + COPY_BELOW);
        assert!(data.is_unique() && streams.is_idle());
    }

    #[test]
    fn the_window_takes_only_what_fits() {
        let mut streams = with_capacity(10);
        assert_eq!(streams.insert(8, b"ijkl"), 0);
        assert_eq!(streams.range(0), Some((8, 10)));
        assert_eq!(streams.insert(0, b"abcdefghXYZ"), 10, "what is held never takes the room of a gap");
        assert_eq!(streams.insert(0, b"m"), 0);
        let mut into = [0; 10];
        assert_eq!(streams.read(&mut into), 10);
        assert_eq!(&into, b"abcdefghij");
        streams.set_receive_capacity(usize::MAX);
        assert_eq!(streams.receive_capacity(), RECEIVE_CAPACITY_MAX);
    }

    #[test]
    fn a_smaller_capacity_keeps_what_is_there() {
        let mut streams = with_capacity(10);
        streams.insert(0, b"abcd");
        streams.insert(2, b"ghij");
        streams.set_receive_capacity(5);
        assert_eq!(streams.insert(0, b"ef"), 1, "one byte fits, and leaves a gap of one");
        assert_eq!((streams.readable(), streams.range(0)), (5, Some((1, 5))));
        streams.read(&mut [0; 5]);
        assert_eq!(streams.insert(0, b"f"), 5);
        assert_eq!(streams.peek(), b"fghij");
    }

    #[test]
    fn a_gap_after_every_second_byte_holds_a_bounded_number_of_ranges() {
        let mut streams = Streams::new();
        for offset in (1..RECEIVE_CAPACITY_DEFAULT).step_by(2) {
            assert_eq!(insert_framed(&mut streams, offset, b"x"), 0);
        }
        let pieces = streams.held.as_ref().map_or(0, |held| held.pieces.len());
        assert_eq!((pieces, streams.held()), (HELD_RANGES_MAX, HELD_RANGES_MAX));
        assert!(streams.charged() < 32 * 1024, "{}", streams.charged());
        assert_eq!(streams.insert(0, &vec![b'y'; RECEIVE_CAPACITY_DEFAULT]), RECEIVE_CAPACITY_DEFAULT);
        assert!(streams.held.is_none());
    }

    #[test]
    fn tiny_segments_in_descending_order_hold_a_bounded_number_of_pieces() {
        let mut streams = Streams::new();
        for offset in (1..2000).rev() {
            insert_framed(&mut streams, offset, b"x");
        }
        let pieces = streams.held.as_ref().map_or(0, |held| held.pieces.len());
        assert!(pieces <= HELD_RANGES_MAX + 1, "{pieces}");
        assert_eq!(insert_framed(&mut streams, 0, &[b'y'; 2000]), 2000);
        assert_drained(&mut streams);
    }

    #[test]
    fn the_charge_of_a_held_frame_moves_with_it() {
        let mut streams = Streams::new();
        let frame_charge = 1000 + HEADERS + PIECE_CHARGE as usize;
        insert_framed(&mut streams, 1000, &[1; 1000]);
        insert_framed(&mut streams, 3000, &[3; 1000]);
        assert_eq!(streams.charged(), 2 * frame_charge + size_of::<Held>());
        insert_framed(&mut streams, 0, &[0; 1000]);
        assert_eq!(streams.charged(), 3 * frame_charge + size_of::<Held>());
        while streams.take_readable(usize::MAX).is_some() {}
        assert_eq!(streams.charged(), frame_charge + size_of::<Held>());
        insert_framed(&mut streams, 0, &[2; 1000]);
        assert_eq!(streams.charged(), 2 * frame_charge);
    }

    #[test]
    fn tiny_segments_in_ascending_order_share_a_chunk() {
        let mut streams = Streams::new();
        for offset in 1..2000 {
            insert_framed(&mut streams, offset, b"x");
        }
        assert_eq!(streams.held.as_ref().map_or(0, |held| held.pieces.len()), 1);
        assert_eq!((streams.held(), streams.range(0)), (1999, Some((1, 2000))));
    }

    #[test]
    fn what_is_readable_outlives_what_is_held() {
        let mut streams = Streams::new();
        streams.insert(0, b"ab");
        streams.insert(3, b"d");
        streams.clear_held();
        assert_eq!((streams.readable(), streams.held(), streams.range(0)), (2, 0, None));
        streams.clear_received();
        assert!(streams.is_idle());
        assert_eq!(streams.insert(0, b"c"), 1);
    }
}
