//! A hierarchical timing wheel: one deadline for each of many small integers.
//!
//! Why not a heap or a tree: a connection's deadline moves with nearly every segment and seldom comes. Here arming,
//! moving and disarming touch a node and a neighbour, allocate nothing, and cost the same at ten entries and at ten
//! million. The scheme is Varghese and Lauck's (SOSP 1987, scheme 7): level 0 has a slot for each millisecond of the
//! next 64, each further level has slots 64 times as wide, and an entry moves down a level when time reaches its slot.
//!
//! Linux's wheel (`kernel/time/timer.c`, `calc_wheel_index`) never moves entries down, and so fires late by up to an
//! eighth of the wait. This one does, and never fires late: [`Wheel::next`] may ask for a call too early (at most once
//! a level for each entry), [`Wheel::expire`] hands out nothing early.
//!
//! The wheel knows nothing of connections: whoever owns the ids may keep the true deadline beside them and move the
//! entry only when it fires, as the stack does.

use crate::time::{Instant, TICK};
use alloc::vec::Vec;

/// Deadlines for ids, at most one each, to the millisecond.
///
/// Ids are indices: memory is 16 bytes for each id up to the largest ever armed.
///
/// ```
/// use longhaul::stack::wheel::Wheel;
/// use longhaul::time::Instant;
///
/// let mut wheel = Wheel::new(Instant::ORIGIN);
/// wheel.arm(7, Instant::from_millis(40));
/// wheel.arm(3, Instant::from_secs(7_200));
///
/// // Within 64 ms the next deadline is exact.
/// assert_eq!(wheel.next(), Some(Instant::from_millis(40)));
/// assert_eq!(wheel.expire(Instant::from_millis(39)), None);
/// assert_eq!(wheel.expire(Instant::from_millis(40)), Some(7));
///
/// // Farther off it may be early: sleep until then, call `expire`, ask again.
/// let mut now = Instant::from_millis(40);
/// while wheel.expire(now) != Some(3) {
///     now = wheel.next().unwrap();
/// }
/// assert_eq!(now, Instant::from_secs(7_200));
/// ```
#[derive(Clone, Debug)]
pub struct Wheel {
    /// One for each id.
    nodes: Vec<Node>,
    /// The first id in each slot, or `NIL`.
    heads: [[u32; SLOTS]; LEVELS],
    /// For each level, a bit for each slot that is not empty.
    busy: [u64; LEVELS],
    /// Every entry with an earlier tick has been handed out; slots are counted from here.
    elapsed: u64,
    /// The earliest tick that `arm` may use: `elapsed`, or the tick after `now` while a batch is being handed out.
    floor: u64,
}

const SLOT_BITS: usize = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const LEVELS: usize = 6;
const TOP_SHIFT: usize = (LEVELS - 1) * SLOT_BITS;
const NIL: u32 = u32::MAX;
const NEVER: u64 = u64::MAX;

/// The slot is not stored: it follows from `tick` and the wheel's `elapsed`.
#[derive(Clone, Copy, Debug)]
struct Node {
    prev: u32,
    next: u32,
    /// Milliseconds since the origin, or `NEVER` if disarmed.
    tick: u64,
}

const _: () = assert!(size_of::<Node>() == 16);

/// A place in the wheel.
#[derive(Clone, Copy)]
struct Slot {
    level: usize,
    index: usize,
}

impl Wheel {
    /// The largest id that can be armed.
    pub const ID_MAX: u32 = NIL - 1;

    /// An empty wheel whose time is `now`; any instant will do.
    pub fn new(now: Instant) -> Self {
        let elapsed = now.as_millis();
        Self { nodes: Vec::new(), heads: [[NIL; SLOTS]; LEVELS], busy: [0; LEVELS], elapsed, floor: elapsed }
    }

    /// Arms `id` to expire at `at`, rounded up to the next whole millisecond; replaces its earlier deadline, if any.
    ///
    /// An `at` in the past is due at once. But between an [`expire`](Self::expire) that returned an id and the one that
    /// returns `None`, "at once" is the millisecond after that call's `now`: a loop that arms again what it has just
    /// been given must come to an end. An `at` more than about two years ahead (2^36 ms) expires early, after two
    /// years; arm it again then.
    ///
    /// # Panics
    ///
    /// If `id` is above [`ID_MAX`](Self::ID_MAX).
    pub fn arm(&mut self, id: u32, at: Instant) {
        assert!(id <= Self::ID_MAX, "the largest id is reserved");
        let tick = at.as_micros().div_ceil(TICK.as_micros() as u64);
        // The horizon has the last word: a `now` years after the last call may have put the floor beyond it.
        let tick = tick.max(self.floor).min(self.horizon());
        let index = id as usize;
        if index >= self.nodes.len() {
            self.nodes.resize(index + 1, Node { prev: NIL, next: NIL, tick: NEVER });
        }
        if self.nodes[index].tick != tick {
            self.disarm(id);
            self.link(id, tick);
        }
    }

    /// Disarms `id`; nothing happens if it is not armed.
    pub fn disarm(&mut self, id: u32) {
        if self.is_armed(id) {
            self.unlink(id);
        }
    }

    /// Whether `id` has a deadline.
    pub fn is_armed(&self, id: u32) -> bool {
        self.tick(id).is_some()
    }

    /// When `id` expires: what it was armed for, rounded and limited as [`arm`](Self::arm) says.
    pub fn deadline(&self, id: u32) -> Option<Instant> {
        self.tick(id).map(Instant::from_millis)
    }

    /// When [`expire`](Self::expire) has something to do: `None` if nothing is armed.
    ///
    /// Never later than the earliest deadline, and exactly that if it lies in the current block of 64 ms. Otherwise it
    /// may be earlier: `expire` will return `None` then, after which this is later. Once `expire(now)` has returned
    /// `None` this is after `now`, until something else is armed. Costs a look at six words.
    pub fn next(&self) -> Option<Instant> {
        self.first_slot().map(|(_, start)| Instant::from_millis(start))
    }

    /// Takes one id that is due at `now`, earliest millisecond first, and disarms it; `None` if no more are due.
    ///
    /// Call it until it returns `None`; the ids just given may be armed again in between, and so may others. Stopping
    /// earlier is allowed: the rest stays due. The order of ids within a millisecond is not defined, but always the
    /// same after the same calls. A `now` earlier than that of the last call finds nothing due and does no harm.
    ///
    /// A call that passes the start of a wide slot first moves that slot's entries down, at most five times each.
    pub fn expire(&mut self, now: Instant) -> Option<u32> {
        let now_tick = now.as_millis();
        while let Some((slot, start)) = self.first_slot()
            && start <= now_tick
        {
            self.elapsed = start;
            if slot.level == 0 {
                let id = self.heads[slot.level][slot.index];
                self.unlink(id);
                self.floor = now_tick + 1;
                return Some(id);
            }
            self.cascade(slot);
        }
        self.elapsed = self.elapsed.max(now_tick);
        self.floor = self.elapsed;
        None
    }

    /// Moves the entries of `slot`, whose time has come, to the levels below.
    fn cascade(&mut self, slot: Slot) {
        let mut id = core::mem::replace(&mut self.heads[slot.level][slot.index], NIL);
        self.busy[slot.level] &= !(1 << slot.index);
        while id != NIL {
            let Node { next, tick, .. } = self.nodes[id as usize];
            debug_assert!(self.place(tick).level < slot.level, "an entry only moves down");
            self.link(id, tick);
            id = next;
        }
    }

    /// The first slot that is not empty, and the tick at which it starts. What is on a lower level comes first.
    fn first_slot(&self) -> Option<(Slot, u64)> {
        (0..LEVELS).find(|&level| self.busy[level] != 0).map(|level| {
            // Only on the top level are there slots behind the current one: they belong to the next turn.
            let here = self.elapsed >> (level * SLOT_BITS);
            let ahead = self.busy[level].rotate_right(here as u32 % SLOTS as u32).trailing_zeros();
            let first = here + u64::from(ahead);
            (Slot { level, index: first as usize % SLOTS }, first << (level * SLOT_BITS))
        })
    }

    /// Where an entry for `tick` lies now: the level is the highest six-bit digit in which it differs from `elapsed`.
    /// While `elapsed` moves towards the start of that slot, without reaching it, the answer stays the same.
    fn place(&self, tick: u64) -> Slot {
        let differing = (tick ^ self.elapsed) | 1;
        let level = (differing.ilog2() as usize / SLOT_BITS).min(LEVELS - 1);
        Slot { level, index: (tick >> (level * SLOT_BITS)) as usize % SLOTS }
    }

    /// The last tick whose slot on the top level is not the current one of the next turn.
    fn horizon(&self) -> u64 {
        (((self.elapsed >> TOP_SHIFT) + SLOTS as u64) << TOP_SHIFT) - 1
    }

    fn tick(&self, id: u32) -> Option<u64> {
        self.nodes.get(id as usize).map(|node| node.tick).filter(|&tick| tick != NEVER)
    }

    fn link(&mut self, id: u32, tick: u64) {
        debug_assert!(tick >= self.elapsed, "no entry lies in the past");
        let Slot { level, index } = self.place(tick);
        let head = core::mem::replace(&mut self.heads[level][index], id);
        self.nodes[id as usize] = Node { prev: NIL, next: head, tick };
        if head != NIL {
            self.nodes[head as usize].prev = id;
        }
        self.busy[level] |= 1 << index;
    }

    fn unlink(&mut self, id: u32) {
        let Node { prev, next, tick } = self.nodes[id as usize];
        self.nodes[id as usize].tick = NEVER;
        if next != NIL {
            self.nodes[next as usize].prev = prev;
        }
        if prev != NIL {
            self.nodes[prev as usize].next = next;
            return;
        }
        let Slot { level, index } = self.place(tick);
        debug_assert_eq!(self.heads[level][index], id, "the slot follows from the tick");
        self.heads[level][index] = next;
        if next == NIL {
            self.busy[level] &= !(1 << index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;
    use alloc::collections::{BTreeMap, BTreeSet};

    /// Origins that have broken timers before: zero, below the 32-bit millisecond wrap, below a turn of the top level,
    /// and an epoch-based clock.
    const STARTS_MS: [u64; 4] = [0, (1 << 32) - 5_000, (1 << 36) - 3_000, 1_700_000_000_000];

    fn ms(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// Sleeps as a driver would until the wheel is empty; returns (millisecond, id) as handed out.
    fn run_dry(wheel: &mut Wheel) -> Vec<(u64, u32)> {
        let mut fired = Vec::new();
        while let Some(at) = wheel.next() {
            while let Some(id) = wheel.expire(at) {
                fired.push((at.as_millis(), id));
            }
            assert!(wheel.next().is_none_or(|next| next > at), "no progress at {at}");
        }
        fired
    }

    #[test]
    fn deadlines_round_up_and_nothing_fires_before_them() {
        let mut wheel = Wheel::new(ms(5));
        wheel.arm(0, Instant::from_micros(6_001));
        assert_eq!(wheel.deadline(0), Some(ms(7)));
        assert_eq!(wheel.next(), Some(ms(7)));
        assert_eq!(wheel.expire(Instant::from_micros(6_999)), None);
        assert_eq!(wheel.expire(Instant::from_micros(7_000)), Some(0));
        assert!(!wheel.is_armed(0) && wheel.deadline(0).is_none() && wheel.next().is_none());
    }

    #[test]
    fn every_distance_fires_on_its_millisecond_with_few_early_calls() {
        for start in STARTS_MS {
            for bits in 0..36 {
                for distance in [1_u64 << bits, (1 << bits) + 1, (1 << bits) + (1 << bits) / 3] {
                    let mut wheel = Wheel::new(ms(start));
                    wheel.arm(9, ms(start + distance));
                    let mut calls = 0;
                    let fired = loop {
                        calls += 1;
                        let at = wheel.next().unwrap();
                        if let Some(id) = wheel.expire(at) {
                            break (at.as_millis(), id);
                        }
                    };
                    assert_eq!(fired, (start + distance, 9));
                    assert!(calls <= LEVELS, "{calls} calls for {distance} ms from {start}");
                }
            }
        }
    }

    #[test]
    fn one_entry_per_id_and_the_last_arming_counts() {
        let mut wheel = Wheel::new(ms(0));
        for at in [500, 20, 20, 70_000, 30] {
            wheel.arm(1, ms(at));
        }
        wheel.arm(0, ms(30));
        wheel.arm(2, ms(30));
        wheel.disarm(0);
        wheel.disarm(0);
        wheel.disarm(1_000_000);
        let mut fired = run_dry(&mut wheel);
        fired.sort_unstable();
        assert_eq!(fired, [(30, 1), (30, 2)]);
    }

    #[test]
    fn arming_again_at_now_inside_the_loop_ends_and_fires_a_millisecond_later() {
        let mut wheel = Wheel::new(ms(0));
        (0..10).for_each(|id| wheel.arm(id, ms(u64::from(id))));
        let now = ms(100);
        for turn in 0..3 {
            let mut fired = 0;
            while let Some(id) = wheel.expire(now + Duration::from_millis(turn)) {
                wheel.arm(id, now - Duration::from_millis(50));
                fired += 1;
                assert!(fired <= 10, "the loop must end");
            }
            assert_eq!(fired, 10);
            assert_eq!(wheel.next(), Some(ms(101 + turn)));
        }
    }

    #[test]
    fn arming_in_the_past_outside_the_loop_is_due_at_once() {
        let mut wheel = Wheel::new(ms(0));
        assert_eq!(wheel.expire(ms(1_000)), None);
        wheel.arm(4, ms(10));
        assert_eq!(wheel.next(), Some(ms(1_000)));
        assert_eq!(wheel.expire(ms(1_000)), Some(4));
    }

    #[test]
    fn a_batch_may_be_cut_short() {
        let mut wheel = Wheel::new(ms(0));
        (0..100).for_each(|id| wheel.arm(id, ms(1_000 + u64::from(id) / 10)));
        let first = (0..30).map(|_| wheel.expire(ms(2_000)).unwrap());
        assert!(first.into_iter().all(|id| id < 30));
        assert_eq!(wheel.next(), Some(ms(1_003)), "the rest is still due");
        assert_eq!(core::iter::from_fn(|| wheel.expire(ms(2_000))).count(), 70);
    }

    #[test]
    fn time_going_backwards_is_harmless() {
        let mut wheel = Wheel::new(ms(10_000));
        wheel.arm(0, ms(10_100));
        assert_eq!(wheel.expire(ms(10_050)), None);
        assert_eq!(wheel.expire(ms(3)), None);
        wheel.arm(1, ms(3));
        assert_eq!(wheel.expire(ms(4)), None, "not before the wheel's own time");
        assert_eq!(run_dry(&mut wheel), [(10_050, 1), (10_100, 0)]);
    }

    #[test]
    fn beyond_two_years_it_fires_early_and_is_armed_again() {
        let (start, at) = (STARTS_MS[3], STARTS_MS[3] + (1 << 38));
        let mut wheel = Wheel::new(ms(start));
        wheel.arm(0, ms(at));
        let mut early = 0;
        loop {
            let (fired, _) = run_dry(&mut wheel)[0];
            if fired == at {
                break;
            }
            assert!(fired >= start + 63 * (1 << 30) && fired < at);
            wheel.arm(0, ms(at));
            early += 1;
        }
        assert_eq!(early, 4);
    }

    #[test]
    fn the_end_of_time_is_reached_without_a_loop_or_a_panic() {
        let end = Instant::from_micros(u64::MAX);
        let mut wheel = Wheel::new(ms(0));
        for id in 0..10 {
            wheel.arm(id, end);
        }
        assert!(wheel.expire(end).is_some(), "two years are over");
        wheel.arm(3, end);
        assert!(wheel.deadline(3).is_some_and(|at| at < end));
        let mut wheel = Wheel::new(end);
        wheel.arm(0, end);
        assert!(wheel.next().is_some());
    }

    /// What the wheel promises, said with an ordered set.
    struct Model {
        wheel: Wheel,
        by_id: BTreeMap<u32, u64>,
        by_tick: BTreeSet<(u64, u32)>,
        now_micros: u64,
        seed: u64,
    }

    impl Model {
        const IDS: u64 = 300;

        fn new(start_ms: u64, seed: u64) -> Self {
            Self {
                wheel: Wheel::new(ms(start_ms)),
                by_id: BTreeMap::new(),
                by_tick: BTreeSet::new(),
                now_micros: start_ms * 1000,
                seed,
            }
        }

        fn random(&mut self) -> u64 {
            self.seed ^= self.seed << 13;
            self.seed ^= self.seed >> 7;
            self.seed ^= self.seed << 17;
            self.seed
        }

        /// As many small numbers as large ones, below 2^`bits`.
        fn random_scale(&mut self, bits: u64) -> u64 {
            let width = self.random() % bits;
            self.random() & ((1 << width) - 1)
        }

        fn forget(&mut self, id: u32) {
            if let Some(tick) = self.by_id.remove(&id) {
                self.by_tick.remove(&(tick, id));
            }
        }

        /// `earliest` is the first tick at which the entry may fire.
        fn arm(&mut self, id: u32, earliest: u64) {
            let at = (self.now_micros + self.random_scale(45)).saturating_sub(self.random_scale(20));
            self.forget(id);
            let tick = at.div_ceil(1000).max(earliest);
            self.by_id.insert(id, tick);
            self.by_tick.insert((tick, id));
            self.wheel.arm(id, Instant::from_micros(at));
            assert_eq!(self.wheel.deadline(id), Some(ms(tick)));
        }

        fn advance(&mut self) {
            self.now_micros += self.random_scale(42);
            let (now, now_tick) = (Instant::from_micros(self.now_micros), self.now_micros / 1000);
            while let Some(id) = self.wheel.expire(now) {
                let (first, _) = *self.by_tick.first().unwrap();
                assert_eq!(self.by_id.get(&id), Some(&first), "in order of milliseconds");
                assert!(first <= now_tick, "not early");
                self.forget(id);
                if self.random().is_multiple_of(3) {
                    self.arm(id, now_tick + 1);
                }
            }
            assert!(self.by_tick.first().is_none_or(|&(tick, _)| tick > now_tick), "not late");
            assert!(self.wheel.next().is_none_or(|next| next > now), "after None, next is later than now");
        }

        fn check(&self) {
            let first = self.by_tick.first().map(|&(tick, _)| tick);
            let next = self.wheel.next().map(Instant::as_millis);
            assert_eq!(first.is_none(), next.is_none());
            assert!(next <= first);
            if first.is_some_and(|tick| tick >> SLOT_BITS == self.wheel.elapsed >> SLOT_BITS) {
                assert_eq!(next, first, "exact within the block");
            }
        }
    }

    #[test]
    fn agrees_with_an_ordered_set_over_random_histories() {
        for (start, seed) in STARTS_MS.into_iter().zip(0x9e37_79b9_7f4a_7c15..) {
            let mut model = Model::new(start, seed);
            for _ in 0..50_000 {
                let id = (model.random() % Model::IDS) as u32;
                match model.random() % 8 {
                    0 => model.advance(),
                    1 | 2 => {
                        model.forget(id);
                        model.wheel.disarm(id);
                        assert!(!model.wheel.is_armed(id));
                    }
                    _ => model.arm(id, model.now_micros / 1000),
                }
                model.check();
            }
            let left = model.by_tick.iter().copied().collect::<Vec<_>>();
            let mut fired = run_dry(&mut model.wheel);
            assert!(fired.is_sorted_by_key(|&(at, _)| at));
            fired.sort_unstable();
            assert_eq!(fired, left, "seed {seed:#x}");
        }
    }
}
