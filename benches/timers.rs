//! The timing wheel against the two structures of the standard library that could stand in its place: a binary heap
//! with lazy deletion and an ordered set.
//!
//! Each operation is done once for each of `N` timers and reported for one: `arm` sets them all 150 to 200 ms ahead,
//! `rearm` moves each to 200 to 250 ms ahead as a segment would, `cancel` takes them out in a scattered order, `expire`
//! lets them all come. The heap only forgets when it is asked what is due, so `rearm` and `cancel` end by asking.

extern crate alloc;

use alloc::collections::{BTreeSet, BinaryHeap};
use core::cmp::Reverse;
use core::hint::black_box;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use longhaul::stack::wheel::Wheel;
use longhaul::time::Instant;

const COUNTS: [u32; 2] = [1_000, 100_000];
const ARMED_MS: u64 = 150;
const SPREAD_MS: u64 = 50;
const REARMED_MS: u64 = 200;
const OVER_MS: u64 = 1_000;

/// What the three have in common. `expire` hands out everything due and says how much that was.
trait Timers: Clone {
    const NAME: &'static str;
    fn new(count: u32) -> Self;
    fn arm(&mut self, id: u32, at_ms: u64);
    fn cancel(&mut self, id: u32);
    fn expire(&mut self, now_ms: u64) -> u32;
}

impl Timers for Wheel {
    const NAME: &'static str = "wheel";

    fn new(_count: u32) -> Self {
        Self::new(Instant::ORIGIN)
    }

    fn arm(&mut self, id: u32, at_ms: u64) {
        self.arm(id, Instant::from_millis(at_ms));
    }

    fn cancel(&mut self, id: u32) {
        self.disarm(id);
    }

    fn expire(&mut self, now_ms: u64) -> u32 {
        let now = Instant::from_millis(now_ms);
        core::iter::from_fn(|| self.expire(now)).map(black_box).count() as u32
    }
}

/// The heap keeps what is out of date until it comes up; `current` says what counts.
#[derive(Clone)]
struct LazyHeap {
    heap: BinaryHeap<Reverse<(u64, u32)>>,
    current: Vec<Option<u64>>,
}

impl Timers for LazyHeap {
    const NAME: &'static str = "BinaryHeap";

    fn new(count: u32) -> Self {
        Self { heap: BinaryHeap::new(), current: vec![None; count as usize] }
    }

    fn arm(&mut self, id: u32, at_ms: u64) {
        self.current[id as usize] = Some(at_ms);
        self.heap.push(Reverse((at_ms, id)));
    }

    fn cancel(&mut self, id: u32) {
        self.current[id as usize] = None;
    }

    fn expire(&mut self, now_ms: u64) -> u32 {
        let mut expired = 0;
        while let Some(&Reverse((at_ms, id))) = self.heap.peek()
            && at_ms <= now_ms
        {
            self.heap.pop();
            if self.current[id as usize] == Some(at_ms) {
                self.current[id as usize] = None;
                black_box(id);
                expired += 1;
            }
        }
        expired
    }
}

#[derive(Clone)]
struct OrderedSet {
    set: BTreeSet<(u64, u32)>,
    current: Vec<Option<u64>>,
}

impl Timers for OrderedSet {
    const NAME: &'static str = "BTreeSet";

    fn new(count: u32) -> Self {
        Self { set: BTreeSet::new(), current: vec![None; count as usize] }
    }

    fn arm(&mut self, id: u32, at_ms: u64) {
        self.cancel(id);
        self.current[id as usize] = Some(at_ms);
        self.set.insert((at_ms, id));
    }

    fn cancel(&mut self, id: u32) {
        if let Some(at_ms) = self.current[id as usize].take() {
            self.set.remove(&(at_ms, id));
        }
    }

    fn expire(&mut self, now_ms: u64) -> u32 {
        let mut expired = 0;
        while let Some(&(at_ms, id)) = self.set.first()
            && at_ms <= now_ms
        {
            self.cancel(id);
            black_box(id);
            expired += 1;
        }
        expired
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for count in COUNTS {
        compare::<Wheel>(&mut criterion, count);
        compare::<LazyHeap>(&mut criterion, count);
        compare::<OrderedSet>(&mut criterion, count);
    }
    criterion.final_summary();
}

fn compare<T: Timers>(criterion: &mut Criterion, count: u32) {
    let mut empty = T::new(count);
    // Room for every id, so that growing is not measured.
    scattered(count).for_each(|id| empty.arm(id, 0));
    empty.expire(OVER_MS);
    let mut armed = empty.clone();
    arm_all(&mut armed, count);
    measure(criterion, "arm", count, &empty, |timers| arm_all(timers, count));
    measure(criterion, "rearm", count, &armed, |timers| {
        scattered(count).for_each(|id| timers.arm(id, OVER_MS + REARMED_MS + u64::from(id) % SPREAD_MS));
        assert_eq!(timers.expire(OVER_MS + REARMED_MS - 1), 0);
    });
    measure(criterion, "cancel", count, &armed, |timers| {
        scattered(count).for_each(|id| timers.cancel(id));
        assert_eq!(timers.expire(2 * OVER_MS), 0);
    });
    measure(criterion, "expire", count, &armed, |timers| {
        let expired: u32 = (OVER_MS..=OVER_MS + REARMED_MS).map(|now_ms| timers.expire(now_ms)).sum();
        assert_eq!(expired, count);
    });
}

/// Every id once, in an order that no cache likes: 7 919 is prime and divides no count.
fn scattered(count: u32) -> impl Iterator<Item = u32> {
    (0..u64::from(count)).map(move |n| (n * 7_919 % u64::from(count)) as u32)
}

fn arm_all(timers: &mut impl Timers, count: u32) {
    scattered(count).for_each(|id| timers.arm(id, OVER_MS + ARMED_MS + u64::from(id) % SPREAD_MS));
}

fn measure<T: Timers>(criterion: &mut Criterion, operation: &str, count: u32, start: &T, work: impl Fn(&mut T)) {
    let mut group = criterion.benchmark_group(format!("timers/{operation}"));
    group.throughput(Throughput::Elements(u64::from(count)));
    group.bench_function(BenchmarkId::new(T::NAME, count), |bencher| {
        bencher.iter_batched_ref(|| start.clone(), &work, BatchSize::LargeInput);
    });
    group.finish();
}
