//! What lies between two hosts, and everything that can go wrong there.
//!
//! A [`Link`] is plain data: a test may change any of it while packets fly. The faults are those of Linux's `netem`:
//! delay, jitter, loss, reordering, duplication, corruption, a rate with a queue; and a cut, which is what liveness is
//! about. Without reordering a link keeps the order of packets, however much they jitter.

use super::rng::Rng;
use crate::time::{Duration, Instant};
use core::fmt;
use core::num::NonZeroU32;

/// A link between two hosts: the same faults each way, except for a cut. "A" is the host that was added first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// How long a packet travels. Default 10 ms: a round trip of 20 ms.
    pub delay: Duration,
    /// Up to this much is added to each packet's delay. Default 0.
    pub jitter: Duration,
    /// Packets lost out of a thousand. Default 0.
    pub loss_permille: u16,
    /// Packets delivered twice out of a thousand. Default 0.
    pub duplicate_permille: u16,
    /// Packets held back out of a thousand, so that later ones overtake them. Default 0.
    pub reorder_permille: u16,
    /// How long they are held back at most. Default 30 ms.
    pub reorder_by: Duration,
    /// Packets out of a thousand of which one bit is flipped. Default 0.
    pub corrupt_permille: u16,
    /// Packets out of a thousand that are marked instead of dropped, if they say that they are ECN-capable (RFC 3168
    /// 5). Default 0.
    pub mark_permille: u16,
    /// With so many bytes waiting for a limited rate, each way, ECN-capable packets are marked. Default: never.
    pub mark_from_bytes: u32,
    /// What passes each second, in bytes; unlimited by default.
    pub rate: Option<NonZeroU32>,
    /// Bytes that may wait for a limited rate, each way; what comes on top is lost. Default 65,536.
    pub queue_bytes: u32,
    /// The longest packet that passes, in bytes; a longer one is lost without a word. Default: any.
    pub mtu: u16,
    /// Which way nothing passes at all. Default neither.
    pub cut: Cut,
}

impl Link {
    /// Without faults, and this long.
    pub const fn new(delay: Duration) -> Self {
        Self {
            delay,
            jitter: Duration::ZERO,
            loss_permille: 0,
            duplicate_permille: 0,
            reorder_permille: 0,
            reorder_by: Duration::from_millis(30),
            corrupt_permille: 0,
            mark_permille: 0,
            mark_from_bytes: u32::MAX,
            rate: None,
            queue_bytes: 65_536,
            mtu: u16::MAX,
            cut: Cut::None,
        }
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::new(Duration::from_millis(10))
    }
}

/// Which way nothing passes. What is on its way when the cut comes still arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cut {
    /// Both ways are open.
    None,
    /// Neither is.
    Both,
    /// What the first host sends is lost.
    AToB,
    /// What the second host sends is lost.
    BToA,
}

/// A direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    AToB,
    BToA,
}

/// A link at work: its faults, and what each way remembers of the packets before.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub(super) link: Link,
    lanes: [Lane; 2],
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    /// When the last byte of what waits will have left.
    free_at: Instant,
    /// Nothing that keeps its place arrives before this.
    last_arrival: Instant,
}

/// What a link did with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passage {
    /// When it arrives, and when its duplicate does.
    pub(super) arrivals: [Option<Instant>; 2],
    /// The bit to flip, counted modulo the packet's length.
    pub(super) flip: Option<u64>,
    /// Whether it is marked, if it may be.
    pub(super) mark: bool,
    pub(super) notes: Notes,
}

impl Wire {
    pub(super) const fn new(link: Link) -> Self {
        let lane = Lane { free_at: Instant::ORIGIN, last_arrival: Instant::ORIGIN };
        Self { link, lanes: [lane; 2] }
    }

    /// Sends a packet of `len` bytes on its way.
    pub(super) fn pass(&mut self, now: Instant, way: Way, len: usize, rng: &mut Rng) -> Passage {
        let link = self.link;
        let lane = &mut self.lanes[way as usize];
        let lost = |notes| Passage { arrivals: [None; 2], flip: None, mark: false, notes };
        if link.cut.stops(way) {
            return lost(Notes::CUT);
        }
        if len > usize::from(link.mtu) {
            return lost(Notes::TOO_LONG);
        }
        let busy = lane.waiting(now, &link) >= u64::from(link.mark_from_bytes);
        let Some(left_at) = lane.enqueue(now, len, &link) else { return lost(Notes::QUEUE_FULL) };
        if rng.happens(link.loss_permille) {
            return lost(Notes::LOST);
        }
        let mut notes = Notes::NONE;
        let mut arrival = left_at + link.delay + rng.up_to(link.jitter);
        if rng.happens(link.reorder_permille) {
            arrival += rng.up_to(link.reorder_by);
            notes.add(Notes::HELD_BACK);
        } else {
            arrival = arrival.max(lane.last_arrival);
            lane.last_arrival = arrival;
        }
        let again = rng.happens(link.duplicate_permille).then(|| arrival + rng.up_to(link.delay));
        if again.is_some() {
            notes.add(Notes::DUPLICATED);
        }
        let flip = rng.happens(link.corrupt_permille).then(|| rng.next());
        if flip.is_some() {
            notes.add(Notes::CORRUPTED);
        }
        // Not asked where it cannot happen, so that a seed says the same without it.
        let mark = busy || (link.mark_permille > 0 && rng.happens(link.mark_permille));
        Passage { arrivals: [Some(arrival), again], flip, mark, notes }
    }
}

impl Lane {
    /// Bytes that wait for the rate.
    fn waiting(&self, now: Instant, link: &Link) -> u64 {
        let rate = link.rate.map_or(0, |rate| u64::from(rate.get()));
        self.free_at.since(now).as_micros() as u64 * rate / 1_000_000
    }

    /// When the last byte of a packet will have left; `None` if the queue before the link is full.
    fn enqueue(&mut self, now: Instant, len: usize, link: &Link) -> Option<Instant> {
        let Some(rate) = link.rate else { return Some(now) };
        let micros = |bytes: u64| Duration::from_micros(bytes * 1_000_000 / u64::from(rate.get()));
        if self.free_at.since(now) > micros(u64::from(link.queue_bytes)) {
            return None;
        }
        self.free_at = self.free_at.max(now) + micros(len as u64);
        Some(self.free_at)
    }
}

impl Cut {
    const fn stops(self, way: Way) -> bool {
        matches!((self, way), (Self::Both, _) | (Self::AToB, Way::AToB) | (Self::BToA, Way::BToA))
    }
}

/// What is to be said about a packet, in its trace line and capture comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Notes {
    bits: u16,
    /// In the words of the boxes it met.
    said: [&'static str; SAID_MAX],
}

/// Boxes that are heard about one packet; those after them act in silence.
const SAID_MAX: usize = 3;

impl Notes {
    pub(super) const NONE: Self = Self::bit(0);
    pub(super) const CUT: Self = Self::bit(1);
    pub(super) const LOST: Self = Self::bit(1 << 1);
    pub(super) const QUEUE_FULL: Self = Self::bit(1 << 2);
    pub(super) const TOO_LONG: Self = Self::bit(1 << 3);
    pub(super) const HELD_BACK: Self = Self::bit(1 << 4);
    pub(super) const DUPLICATED: Self = Self::bit(1 << 5);
    pub(super) const CORRUPTED: Self = Self::bit(1 << 6);
    pub(super) const NO_ROUTE: Self = Self::bit(1 << 7);
    pub(super) const TAKEN: Self = Self::bit(1 << 8);
    pub(super) const DELAYED: Self = Self::bit(1 << 9);
    pub(super) const REPLACED: Self = Self::bit(1 << 10);
    pub(super) const INJECTED: Self = Self::bit(1 << 11);
    pub(super) const ANSWERED: Self = Self::bit(1 << 12);
    pub(super) const ANSWER: Self = Self::bit(1 << 13);
    pub(super) const MARKED: Self = Self::bit(1 << 14);

    const fn bit(bits: u16) -> Self {
        Self { bits, said: [""; SAID_MAX] }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.bits |= other.bits;
        other.said.iter().for_each(|words| self.say(words));
    }

    pub(super) fn say(&mut self, words: &'static str) {
        if !words.is_empty()
            && let Some(free) = self.said.iter_mut().find(|said| said.is_empty())
        {
            *free = words;
        }
    }
}

/// The notes in words, separated by commas; empty if there is nothing to say.
impl fmt::Display for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WORDS: [(Notes, &str); 15] = [
            (Notes::INJECTED, "injected"),
            (Notes::TAKEN, "taken out on the way"),
            (Notes::DELAYED, "delayed on the way"),
            (Notes::REPLACED, "replaced on the way"),
            (Notes::ANSWERED, "answered on the way"),
            (Notes::ANSWER, "from a box on the way"),
            (Notes::NO_ROUTE, "no route"),
            (Notes::CUT, "the link is cut"),
            (Notes::TOO_LONG, "too long for the link"),
            (Notes::QUEUE_FULL, "the link's queue is full"),
            (Notes::LOST, "lost on the link"),
            (Notes::HELD_BACK, "held back"),
            (Notes::DUPLICATED, "duplicated"),
            (Notes::CORRUPTED, "corrupted"),
            (Notes::MARKED, "marked"),
        ];
        let said = self.said.iter().copied().filter(|words| !words.is_empty());
        let marked = WORDS.iter().filter(|(note, _)| self.bits & note.bits != 0).map(|&(_, words)| words);
        let mut separator = "";
        for words in said.chain(marked) {
            write!(f, "{separator}{words}")?;
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const NOW: Instant = Instant::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    fn arrivals(link: Link, count: usize) -> alloc::vec::Vec<Option<Instant>> {
        let (mut wire, mut rng) = (Wire::new(link), Rng::new(3));
        (0..count).map(|_| wire.pass(NOW, Way::AToB, 1000, &mut rng).arrivals[0]).collect()
    }

    #[test]
    fn a_link_without_faults_takes_its_delay_and_nothing_else() {
        assert_eq!(arrivals(Link::default(), 3), [Some(NOW + 10 * MS); 3]);
    }

    #[test]
    fn jitter_alone_keeps_the_order_and_holding_back_breaks_it() {
        let jittery = Link { jitter: 5 * MS, ..Link::default() };
        assert!(arrivals(jittery, 50).is_sorted());
        let unruly = arrivals(Link { reorder_permille: 500, ..jittery }, 50);
        assert!(!unruly.is_sorted());
        assert!(unruly.iter().all(|at| at.is_some_and(|at| at >= NOW + 10 * MS && at <= NOW + 45 * MS)));
    }

    #[test]
    fn a_rate_spaces_packets_and_its_queue_is_finite() {
        let link = Link { rate: NonZeroU32::new(1_000_000), queue_bytes: 2000, ..Link::default() };
        let at = |ms| Some(NOW + ms * MS);
        assert_eq!(arrivals(link, 5), [at(11), at(12), at(13), None, None]);
    }

    #[test]
    fn a_cut_stops_its_ways_only_and_says_so() {
        for (cut, open) in [(Cut::Both, [false; 2]), (Cut::AToB, [false, true]), (Cut::BToA, [true, false])] {
            let mut wire = Wire::new(Link { cut, ..Link::default() });
            let passes = [Way::AToB, Way::BToA].map(|way| wire.pass(NOW, way, 40, &mut Rng::new(1)));
            assert_eq!(passes.map(|passage| passage.arrivals[0].is_some()), open);
        }
        let mut notes = Notes::HELD_BACK;
        notes.add(Notes::DUPLICATED);
        assert_eq!(
            (Notes::CUT.to_string(), notes.to_string()),
            ("the link is cut".into(), "held back, duplicated".into())
        );
    }

    #[test]
    fn what_is_too_long_is_lost_in_silence() {
        let mut wire = Wire::new(Link { mtu: 576, ..Link::default() });
        assert_eq!(wire.pass(NOW, Way::AToB, 577, &mut Rng::new(1)).notes, Notes::TOO_LONG);
        assert_eq!(wire.pass(NOW, Way::AToB, 576, &mut Rng::new(1)).notes, Notes::NONE);
    }
}
