//! The simulator's dice: `SplitMix64` (Steele, Lea and Flood, 2014), a 64-bit counter through a mixer.
//!
//! Ours, so that a seed gives the same run with every version of every dependency. Nothing secret depends on it.

use crate::time::{Duration, micros};

/// A stream of numbers, fixed by its seed.
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if there is none.
    pub(super) const fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product; its bias is below one in 2^32 for any bound used here.
        ((self.next() as u128 * bound as u128) >> 64) as u64
    }

    /// True `permille` times out of a thousand.
    pub(super) const fn happens(&mut self, permille: u16) -> bool {
        permille > 0 && self.below(1000) < permille as u64
    }

    /// From nothing up to `most`, in whole microseconds.
    pub(super) const fn up_to(&mut self, most: Duration) -> Duration {
        if most.is_zero() { Duration::ZERO } else { Duration::from_micros(self.below(micros(most).saturating_add(1))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_that_of_the_published_algorithm() {
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn chances_are_met_and_bounds_kept() {
        let mut rng = Rng::new(7);
        let hits = (0..10_000).filter(|_| rng.happens(300)).count();
        assert!((2_850..3_150).contains(&hits), "{hits}");
        assert!((0..1000).all(|_| !rng.happens(0) && rng.happens(1000)));
        let most = Duration::from_micros(3);
        let mut seen = [0; 4];
        (0..1000).for_each(|_| seen[rng.up_to(most).as_micros() as usize] += 1);
        assert!(seen.iter().all(|&count| count > 150), "{seen:?}");
        assert_eq!(rng.below(0), 0);
    }
}
