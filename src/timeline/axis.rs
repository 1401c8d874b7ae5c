//! The time axis: from instants to places, in integers.
//!
//! A logarithmic axis has no place for zero, where most stories begin. So its first part is linear, from zero to the
//! first instant that matters; from there on equal factors are equal distances.

use super::{Lane, Timeline, text};
use crate::time::{Duration, micros};
use alloc::string::String;
use alloc::vec::Vec;
use text::{DAY, HOUR, MINUTE, SECOND};

/// How time becomes distance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scale {
    /// Equal factors are equal distances, which shows backoff: from 0.2 s to 15 minutes everything can be told apart.
    #[default]
    Logarithmic,
    /// Equal times are equal distances, for regular probes.
    Linear,
}

/// An axis of a timeline on so many units of width: characters, or tenths of a pixel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    scale: Scale,
    /// Where the logarithmic part begins, in microseconds.
    first_us: u64,
    last_us: u64,
    /// What the part from zero to `first_us` takes of the width.
    lead: u32,
    width: u32,
}

/// Decades of time that a logarithmic axis shows at most; what came before them crowds at zero.
const DECADES_MAX: u32 = 7;

impl Axis {
    pub(super) fn new(timeline: &Timeline, width: u32) -> Self {
        let last_us = micros(timeline.last()).max(1);
        let least = (last_us / 10_u64.pow(DECADES_MAX)).max(1);
        let first_us = timeline.first().map_or(1, micros).max(least);
        Self { scale: timeline.scale, first_us: round_down(first_us), last_us, lead: width / LEAD_SHARE, width }
    }

    /// The widest axis, in steps, on which all that stands behind the end of a lane finds room as well. `tail` is the
    /// width of that. An axis of less than half of `room` would be none: then a tail may be cut off.
    pub(super) fn fitting(timeline: &Timeline, room: u32, step: u32, tail: impl Fn(&Lane) -> u32) -> Self {
        let tails: Vec<_> = timeline.lanes.iter().map(|lane| (lane.last(), tail(lane))).collect();
        let mut axis = Self::new(timeline, room);
        while axis.width > room / 2 && tails.iter().any(|(last, tail)| axis.place(*last) + tail > room) {
            axis = Self::new(timeline, axis.width - step);
        }
        axis
    }

    pub(super) const fn width(&self) -> u32 {
        self.width
    }

    /// Where an instant is, from 0 to the width.
    pub(super) fn place(&self, at: Duration) -> u32 {
        let us = micros(at).min(self.last_us);
        let part = |of: u64, all: u64, width: u32| (u128::from(of) * u128::from(width) / u128::from(all.max(1))) as u32;
        match self.scale {
            Scale::Linear => part(us, self.last_us, self.width),
            Scale::Logarithmic if us <= self.first_us => {
                part(us, self.first_us, if self.first_us < self.last_us { self.lead } else { self.width })
            }
            Scale::Logarithmic => {
                let start = log2(self.first_us);
                self.lead + part(log2(us) - start, log2(self.last_us) - start, self.width - self.lead)
            }
        }
    }

    /// Where to put which labels, from left to right. `len` is the width of a label, which stands centred below (or
    /// above) its tick; two labels keep `gap` between them.
    pub(super) fn ticks(&self, len: impl Fn(&str) -> u32, gap: u32) -> Vec<(u32, String)> {
        let mut ticks: Vec<(u32, String)> = Vec::new();
        for us in core::iter::once(0).chain(self.candidates()).filter(|us| *us <= self.last_us) {
            let (at, label) = (self.place(Duration::from_micros(us)), text::tick(Duration::from_micros(us)));
            let label = if us == 0 { "0".into() } else { label };
            let half = len(&label) / 2;
            let free = |(other, words): &(u32, String)| at.abs_diff(*other) > half + len(words) / 2 + gap;
            if ticks.iter().all(free) {
                ticks.push((at, label));
            }
        }
        ticks.sort_unstable();
        ticks
    }

    /// Instants worth a tick, the most important ones first, in microseconds.
    fn candidates(&self) -> Vec<u64> {
        if self.scale == Scale::Linear {
            let step = STEPS.into_iter().find(|step| self.last_us / step <= LINEAR_TICKS_MAX).unwrap_or(u64::MAX);
            return (1..=self.last_us / step).map(|count| count * step).collect();
        }
        let units = RANKED.into_iter().flatten().copied();
        units.filter(|us| *us >= self.first_us).collect()
    }
}

/// The linear part before the first instant is this share of a logarithmic axis.
const LEAD_SHARE: u32 = 16;

/// Ticks of a linear axis at most; the step is the smallest that stays below.
const LINEAR_TICKS_MAX: u64 = 8;

const MS: u64 = 1000;

/// Round instants for a logarithmic axis, by importance.
const RANKED: [&[u64]; 3] = [
    &[10, 100, MS, 10 * MS, 100 * MS, SECOND, 10 * SECOND, MINUTE, 10 * MINUTE, HOUR, DAY, 10 * DAY, 100 * DAY],
    &[200 * MS, 2 * SECOND, 5 * SECOND, 30 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR, 2 * DAY],
    &[2 * MS, 20 * MS, 50 * MS, 500 * MS, 20 * SECOND, 2 * MINUTE, 15 * MINUTE, 12 * HOUR, 5 * DAY, 30 * DAY],
];

/// Steps of a linear axis.
const STEPS: [u64; 31] = [
    1,
    10,
    100,
    MS,
    2 * MS,
    5 * MS,
    10 * MS,
    20 * MS,
    50 * MS,
    100 * MS,
    200 * MS,
    500 * MS,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    20 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    20 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    10 * DAY,
    1000 * DAY,
];

/// Down to 1, 2 or 5 times a power of ten.
fn round_down(value: u64) -> u64 {
    let power = 10_u64.pow(value.max(1).ilog10());
    power
        * match value / power {
            5.. => 5,
            2..5 => 2,
            _ => 1,
        }
}

/// The binary logarithm with 16 fractional bits; 0 for 0. Squaring the mantissa doubles the logarithm, and a carry is
/// its next bit.
const fn log2(value: u64) -> u64 {
    if value == 0 {
        return 0;
    }
    let whole = value.ilog2();
    // 1 <= mantissa < 2, with 31 fractional bits.
    let mut mantissa = if whole >= 31 { value >> (whole - 31) } else { value << (31 - whole) };
    let mut result = whole as u64;
    let mut bits = 0;
    while bits < 16 {
        mantissa = (mantissa * mantissa) >> 31;
        let carry = mantissa >> 32;
        mantissa >>= carry;
        result = result << 1 | carry;
        bits += 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Lane, Mark};
    use super::*;

    const ONE: u64 = 1 << 16;

    fn axis(scale: Scale, millis: &[u64], width: u32) -> Axis {
        let mut lane = Lane::new("");
        for at in millis {
            lane.mark(Mark::new(Duration::from_millis(*at), Kind::Sent));
        }
        let mut timeline = Timeline::new("").with_scale(scale);
        timeline.push(lane);
        Axis::new(&timeline, width)
    }

    #[test]
    fn the_logarithm_is_exact_for_powers_of_two_and_close_elsewhere() {
        for power in 0..64_u64 {
            assert_eq!(log2(1 << power), power * ONE);
        }
        // log2(3) = 1.58496250072, log2(10) = 3.32192809489
        assert_eq!(log2(3), 103_872); // 1.58496250072 * 65536 = 103872.1
        assert_eq!(log2(10), 217_705); // 3.32192809489 * 65536 = 217705.9
        assert!((1..2000).all(|value| log2(value) <= log2(value + 1)));
        assert_eq!((log2(0), log2(u64::MAX)), (0, 64 * ONE - 1));
    }

    #[test]
    fn equal_factors_are_equal_distances_after_a_linear_lead() {
        let axis = axis(Scale::Logarithmic, &[0, 200, 2000, 20_000], 1600);
        let at = |ms| axis.place(Duration::from_millis(ms));
        assert_eq!([at(0), at(100), at(200), at(2000), at(20_000)], [0, 50, 100, 850, 1600]);
        assert_eq!(at(1_000_000), 1600, "nothing is drawn outside");
    }

    #[test]
    fn what_is_earlier_than_the_first_crowds_at_the_beginning() {
        let mut timeline = Timeline::new("").with_first(Duration::from_millis(100));
        let mut lane = Lane::new("");
        lane.mark(Mark::new(Duration::from_micros(70), Kind::Sent));
        lane.lives(Duration::from_secs(10), "");
        timeline.push(lane);
        let axis = Axis::new(&timeline, 1600);
        let at = |us| axis.place(Duration::from_micros(us));
        assert_eq!([at(0), at(70), at(100_000), at(1_000_000), at(10_000_000)], [0, 0, 100, 850, 1600]);
    }

    #[test]
    fn a_linear_axis_is_one() {
        let axis = axis(Scale::Linear, &[0, 8000], 800);
        assert_eq!(axis.place(Duration::from_secs(3)), 300);
        let ticks = axis.ticks(|label| label.len() as u32 * 10, 10);
        assert_eq!(ticks.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 100, 200, 300, 400, 500, 600, 700, 800]);
        assert_eq!(ticks[3].1, "3 s");
    }

    #[test]
    fn labels_of_ticks_never_touch() {
        for last in [1, 250, 3000, 16_000, 925_623, 7_875_000, 100_000_000_000] {
            for scale in [Scale::Logarithmic, Scale::Linear] {
                let axis = axis(scale, &[0, 201, last], 70);
                let ticks = axis.ticks(|label| label.len() as u32, 1);
                assert!(ticks.len() >= 2, "{last} {scale:?}: {ticks:?}");
                for pair in ticks.windows(2) {
                    let needed = (pair[0].1.len() / 2 + pair[1].1.len() / 2) as u32;
                    assert!(pair[1].0 - pair[0].0 > needed, "{last} {scale:?}: {pair:?}");
                }
            }
        }
    }

    #[test]
    fn an_empty_timeline_has_an_axis_as_well() {
        let axis = Axis::new(&Timeline::new(""), 100);
        assert_eq!(axis.place(Duration::ZERO), 0);
        assert!(axis.place(Duration::MAX) <= 100);
    }
}
