//! The plain oracle that every buffer is compared with: a `Vec<Option<u8>>`, and random calls from a fixed seed.

use alloc::vec;
use alloc::vec::Vec;

use super::{Buffers, Full, Marks, ReceiveBuffer, Sent};
use crate::seq::SeqNum;
use crate::time::Instant;

/// What both buffers can do beside their traits.
pub(super) trait Subject: Buffers {
    const RANGES_MAX: usize;
    fn capacity(&self) -> usize;
    fn read(&mut self, into: &mut [u8]) -> usize;
    fn write(&mut self, data: &[u8]) -> usize;
}

/// A seeded generator (xorshift64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`, or 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Bytes that no other call returns, so that a wrong copy shows.
    pub(super) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// The receive side as it should be: every byte from the first unread one on, if it arrived.
struct Receive {
    arrived: Vec<Option<u8>>,
    edge: usize,
    ranges_max: usize,
}

impl Receive {
    /// Returns how far the edge moves.
    fn insert(&mut self, capacity: usize, offset: usize, payload: &[u8]) -> usize {
        let end = offset.saturating_add(payload.len()).min(capacity.saturating_sub(self.edge));
        if offset >= end || self.refuses(offset, end) {
            return 0;
        }
        let last = self.edge + end;
        self.arrived.resize(self.arrived.len().max(last), None);
        for (slot, byte) in self.arrived[self.edge + offset..last].iter_mut().zip(payload) {
            slot.get_or_insert(*byte);
        }
        let advanced = self.arrived[self.edge..].iter().take_while(|byte| byte.is_some()).count();
        self.edge += advanced;
        advanced
    }

    fn refuses(&self, start: usize, end: usize) -> bool {
        let touched = self.ranges().iter().any(|range| range.0 <= end && start <= range.1);
        start > 0 && !touched && self.ranges().len() >= self.ranges_max
    }

    fn ranges(&self) -> Vec<(usize, usize)> {
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for (offset, _) in self.arrived[self.edge..].iter().enumerate().filter(|(_, byte)| byte.is_some()) {
            match ranges.last_mut() {
                Some(range) if range.1 == offset => range.1 += 1,
                _ => ranges.push((offset, offset + 1)),
            }
        }
        ranges
    }

    fn read(&mut self, count: usize) -> Vec<u8> {
        let count = count.min(self.edge);
        self.edge -= count;
        self.arrived.drain(..count).map(|byte| byte.expect("below the edge")).collect()
    }

    fn clear_held(&mut self) {
        self.arrived.truncate(self.edge);
    }
}

/// Random segments (overlapping, repeated, far outside), reads, and now and then a loss of all that is held.
pub(super) fn check_receive(subject: &mut impl Subject, seed: u64) {
    check_receive_through(subject, seed, ReceiveBuffer::insert);
}

/// As [`check_receive`], with `insert` in the place of [`ReceiveBuffer::insert`].
pub(super) fn check_receive_through<S: Subject>(
    subject: &mut S,
    seed: u64,
    mut insert: impl FnMut(&mut S, usize, &[u8]) -> usize,
) {
    let mut random = Random::new(seed);
    let mut model = Receive { arrived: vec![], edge: 0, ranges_max: S::RANGES_MAX };
    for step in 0..400 {
        let capacity = subject.capacity();
        match random.below(16) {
            0..12 => {
                let longest = if random.below(4) == 0 { capacity } else { capacity / 16 + 2 };
                let len = random.below(longest + 1);
                let offset = match random.below(8) {
                    0 => 0,
                    1 => usize::MAX - random.below(3),
                    _ => random.below(capacity + 3),
                };
                let payload = random.bytes(len);
                let expected = model.insert(capacity, offset, &payload);
                assert_eq!(insert(subject, offset, &payload), expected, "seed {seed} step {step}: {offset} + {len}");
            }
            12..15 => {
                let mut into = vec![0; random.below(capacity + 2)];
                let count = subject.read(&mut into);
                assert_eq!(into[..count], model.read(into.len()), "seed {seed} step {step}: read");
            }
            _ => {
                subject.clear_held();
                model.clear_held();
            }
        }
        let ranges: Vec<_> = (0..).map_while(|index| subject.range(index)).collect();
        assert_eq!(ranges, model.ranges(), "seed {seed} step {step}");
        assert_eq!(subject.readable(), model.edge, "seed {seed} step {step}");
        assert_eq!(subject.held(), ranges.iter().map(|range| range.1 - range.0).sum::<usize>());
        assert!(subject.readable() + subject.held() <= capacity, "seed {seed} step {step}: too much kept");
    }
}

/// Random writes, acknowledgments and copies for segments.
pub(super) fn check_send(subject: &mut impl Subject, seed: u64) {
    let mut random = Random::new(seed);
    let mut model: Vec<u8> = Vec::new();
    for step in 0..400 {
        let len = match random.below(4) {
            0 => 1,
            1 => random.below(700),
            _ => random.below(40),
        };
        let data = random.bytes(len);
        let taken = subject.write(&data);
        model.extend(&data[..taken]);
        for _ in 0..3 {
            let offset = random.below(model.len() + 1);
            let mut into = vec![0; random.below(model.len() - offset + 1)];
            subject.copy_out(offset, &mut into);
            assert_eq!(into, model[offset..offset + into.len()], "seed {seed} step {step}: copy at {offset}");
        }
        if random.below(3) == 0 {
            let acknowledged = random.below(model.len() + 1);
            subject.discard(acknowledged);
            model.drain(..acknowledged);
        }
        assert_eq!(subject.len(), model.len(), "seed {seed} step {step}");
        assert_eq!(subject.is_empty(), model.is_empty());
    }
    subject.clear_send();
    assert!(subject.is_empty() && subject.sent_len() == 0);
}

/// Random changes to the records of segments in flight, of which at most `capacity` fit.
pub(super) fn check_records(subject: &mut impl Subject, capacity: usize, seed: u64) {
    let mut random = Random::new(seed);
    let mut model: Vec<Sent> = Vec::new();
    for step in 0..400 {
        let index = random.below(model.len() + 1);
        match random.below(5) {
            0 | 1 => {
                let fits = model.len() < capacity;
                let record = sent(step);
                assert_eq!(subject.has_sent_room(1), fits, "seed {seed} step {step}");
                assert_eq!(subject.insert_sent(index, record), if fits { Ok(()) } else { Err(Full) });
                if fits {
                    model.insert(index, record);
                }
            }
            2 if index < model.len() => {
                model[index].marks = Marks::SACKED;
                subject.set_sent(index, model[index]);
            }
            3 if index < model.len() => {
                subject.remove_sent(index);
                model.remove(index);
            }
            _ if !model.is_empty() => {
                subject.remove_sent(0);
                model.remove(0);
            }
            _ => {}
        }
        let records: Vec<_> = (0..).map_while(|index| subject.sent(index)).collect();
        assert_eq!(records, model, "seed {seed} step {step}");
        assert_eq!(subject.sent_len(), model.len());
    }
}

/// A record that is told from others by its number.
pub(super) fn sent(number: u32) -> Sent {
    Sent { seq: SeqNum::new(number), len: 1, sent_at: Instant::ORIGIN, order: 0, marks: Marks::NONE }
}
