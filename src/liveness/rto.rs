//! How long to wait for an acknowledgment: the retransmission timeout (RFC 6298; RFC 9293 3.8.1 [MUST-18]).
//!
//! From round-trip samples R the RFC keeps a smoothed time and its deviation. The first sample sets SRTT = R and
//! RTTVAR = R/2; each later one moves RTTVAR a quarter of the way to |SRTT − R|, then SRTT an eighth of the way to R.
//! The timeout is SRTT + 4·RTTVAR.
//!
//! Linux (`tcp_rtt_estimator`, `__tcp_set_rto`) differs in three ways, and so does this file, bit for bit:
//!
//! - The floor of 200 ms (`tcp_rto_min_us`) lies under the variance term, not under the sum. The RTO is therefore
//!   always more than 200 ms, by the whole SRTT.
//! - The term added to SRTT rises at once but falls at most once per round trip, a quarter of the way to the largest
//!   deviation of that round trip.
//! - A sample far below SRTT moves the deviation only an eighth as fast: a path that got shorter is no reason to wait
//!   longer.
//!
//! Which ACK gives a sample (Karn's algorithm, RFC 6298 3) is for `tcp::ack` to say.

use crate::seq::SeqNum;
use crate::time::{Duration, ceil_to_tick, micros};

/// The timeout before any sample (RFC 6298 2.1; Linux `TCP_TIMEOUT_INIT`).
pub const INITIAL: Duration = Duration::from_secs(1);

/// The timeout after a handshake that gave no sample (RFC 6298 5.7; Linux `TCP_TIMEOUT_FALLBACK`).
pub const FALLBACK: Duration = Duration::from_secs(3);

/// The longest timeout unless a connection says otherwise (`tcp_rto_max_ms`; Linux `TCP_RTO_MAX`).
pub const RTO_MAX: Duration = Duration::from_mins(2);

/// The floor of the variance term in microseconds unless a connection says otherwise (`tcp_rto_min_us`).
pub const RTO_MIN_US: u32 = 200_000;

/// The largest believable sample, 268 s. It keeps all arithmetic below 32 bits.
const MAX_SAMPLE_US: u32 = 1 << 28;

/// The state of the estimate, in scaled integers as Linux keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimator {
    /// Eight times SRTT; 0 before the first sample.
    srtt_x8_us: u32,
    /// Four times the mean deviation.
    mdev_x4_us: u32,
    /// The largest `mdev_x4_us` of this round trip, not below the floor.
    mdev_max_us: u32,
    /// What the timeout adds to SRTT: the RFC's 4·RTTVAR.
    rttvar_us: u32,
    /// The round trip ends when `SND.UNA` passes this.
    rtt_seq: SeqNum,
}

const _: () = assert!(size_of::<Estimator>() == 20);

impl Estimator {
    /// No sample yet: the timeout is [`INITIAL`].
    pub const fn new() -> Self {
        Self::without_sample(INITIAL)
    }

    /// Takes one round-trip sample in microseconds, at most one per ACK; 0 counts as 1.
    ///
    /// `snd_una` is taken after the ACK. `rto_min_us` is the floor of the variance term, default [`RTO_MIN_US`].
    pub fn on_sample(&mut self, rtt_us: u32, snd_una: SeqNum, snd_nxt: SeqNum, rto_min_us: u32) {
        let rtt_us = rtt_us.clamp(1, MAX_SAMPLE_US);
        if self.has_sample() {
            self.smooth(rtt_us);
            if snd_una.after(self.rtt_seq) {
                self.on_round_trip(snd_nxt, rto_min_us);
            }
        } else {
            self.srtt_x8_us = rtt_us * 8;
            self.mdev_x4_us = rtt_us * 2;
            self.mdev_max_us = self.mdev_x4_us.max(rto_min_us);
            self.rttvar_us = self.mdev_max_us;
            self.rtt_seq = snd_nxt;
        }
    }

    /// The handshake is over. Without a sample, because a SYN or SYN-ACK was repeated and there were no timestamps,
    /// the timeout is [`FALLBACK`] until one comes.
    pub const fn on_handshake_without_sample(&mut self) {
        if !self.has_sample() {
            *self = Self::without_sample(FALLBACK);
        }
    }

    /// Whether any sample was taken.
    pub const fn has_sample(&self) -> bool {
        self.srtt_x8_us != 0
    }

    /// The smoothed round-trip time (`tcpi_rtt`); zero before the first sample.
    pub const fn srtt(&self) -> Duration {
        Duration::from_micros((self.srtt_x8_us >> 3) as u64)
    }

    /// The mean deviation of the round-trip time (`tcpi_rttvar`). As in Linux it is 250 ms before the first sample.
    pub const fn rttvar(&self) -> Duration {
        Duration::from_micros((self.mdev_x4_us >> 2) as u64)
    }

    /// The retransmission timeout before backoff, rounded up to [`TICK`](crate::time::TICK), at most `rto_max`.
    pub fn rto(&self, rto_max: Duration) -> Duration {
        let rto = self.srtt() + Duration::from_micros(self.rttvar_us.into());
        ceil_to_tick(rto).min(rto_max)
    }

    const fn without_sample(rto: Duration) -> Self {
        let rto_us = micros(rto) as u32;
        Self { srtt_x8_us: 0, mdev_x4_us: rto_us, mdev_max_us: rto_us, rttvar_us: rto_us, rtt_seq: SeqNum::new(0) }
    }

    fn smooth(&mut self, rtt_us: u32) {
        let srtt_us = self.srtt_x8_us >> 3;
        let mdev_us = self.mdev_x4_us >> 2;
        let error_us = rtt_us.abs_diff(srtt_us);
        if rtt_us >= srtt_us {
            self.srtt_x8_us += error_us;
            self.mdev_x4_us = self.mdev_x4_us - mdev_us + error_us;
        } else {
            self.srtt_x8_us = (self.srtt_x8_us - error_us).max(1);
            self.mdev_x4_us = match error_us.checked_sub(mdev_us) {
                Some(excess_us) => self.mdev_x4_us + excess_us / 8,
                None => self.mdev_x4_us - (mdev_us - error_us),
            };
        }
        if self.mdev_x4_us > self.mdev_max_us {
            self.mdev_max_us = self.mdev_x4_us;
            self.rttvar_us = self.rttvar_us.max(self.mdev_max_us);
        }
    }

    fn on_round_trip(&mut self, snd_nxt: SeqNum, rto_min_us: u32) {
        self.rttvar_us -= self.rttvar_us.saturating_sub(self.mdev_max_us) / 4;
        self.mdev_max_us = rto_min_us;
        self.rtt_seq = snd_nxt;
    }
}

impl Default for Estimator {
    fn default() -> Self {
        Self::new()
    }
}

/// `rto` doubled `backoff` times, at most `rto_max` (RFC 6298 5.5; Linux `inet_csk_rto_backoff`).
pub fn backed_off(rto: Duration, backoff: u8, rto_max: Duration) -> Duration {
    let factor = 1_u64 << backoff.min(63);
    Duration::from_micros(micros(rto).saturating_mul(factor)).min(rto_max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::testing::ms;

    /// Sample, then the state after it: `srtt_x8_us`, `mdev_x4_us`, `mdev_max_us`, `rttvar_us`, and the RTO in
    /// milliseconds.
    type Row = (u32, u32, u32, u32, u32, u64);

    const STEADY_100_US: &[Row] = &[
        (100, 800, 200, 200_000, 200_000, 201),
        (100, 800, 150, 200_000, 200_000, 201),
        (100, 800, 113, 200_000, 200_000, 201),
        (100, 800, 85, 200_000, 200_000, 201),
        (100, 800, 64, 200_000, 200_000, 201),
        (100, 800, 48, 200_000, 200_000, 201),
    ];
    const STEADY_50_MS: &[Row] = &[
        (50_000, 400_000, 100_000, 200_000, 200_000, 250),
        (50_000, 400_000, 75_000, 200_000, 200_000, 250),
        (50_000, 400_000, 56_250, 200_000, 200_000, 250),
        (50_000, 400_000, 42_188, 200_000, 200_000, 250),
        (50_000, 400_000, 31_641, 200_000, 200_000, 250),
        (50_000, 400_000, 23_731, 200_000, 200_000, 250),
        (50_000, 400_000, 17_799, 200_000, 200_000, 250),
        (50_000, 400_000, 13_350, 200_000, 200_000, 250),
    ];
    const MIXED: &[Row] = &[
        (300, 2400, 600, 200_000, 200_000, 201),
        (10_000, 12_100, 10_150, 200_000, 200_000, 202),
        (50_000, 60_588, 56_101, 200_000, 200_000, 208),
        (30_000, 83_015, 64_503, 200_000, 200_000, 211),
        (100_000, 172_639, 138_002, 200_000, 200_000, 222),
        (20_000, 171_060, 105_081, 200_000, 200_000, 222),
        (20_000, 169_678, 80_193, 200_000, 200_000, 222),
        (20_000, 168_469, 61_354, 200_000, 200_000, 222),
        (20_000, 167_411, 47_074, 200_000, 200_000, 221),
        (200_000, 346_485, 214_380, 200_000, 214_380, 258),
        (10_000, 313_175, 194_095, 200_000, 210_785, 250),
        (10_000, 284_029, 174_718, 200_000, 208_089, 244),
        (10_000, 258_526, 156_542, 200_000, 206_067, 239),
    ];
    const STEP_UP: &[Row] = &[
        (20_000, 160_000, 40_000, 200_000, 200_000, 220),
        (20_000, 160_000, 30_000, 200_000, 200_000, 220),
        (20_000, 160_000, 22_500, 200_000, 200_000, 220),
        (20_000, 160_000, 16_875, 200_000, 200_000, 220),
        (400_000, 540_000, 392_657, 200_000, 392_657, 461),
        (400_000, 872_500, 626_993, 200_000, 626_993, 737),
        (400_000, 1_163_438, 761_183, 200_000, 761_183, 907),
        (400_000, 1_418_009, 825_459, 200_000, 825_459, 1003),
        (400_000, 1_640_758, 841_844, 200_000, 841_844, 1047),
        (400_000, 1_835_664, 826_289, 200_000, 837_956, 1068),
        (400_000, 2_006_206, 790_259, 200_000, 826_032, 1077),
        (400_000, 2_155_431, 741_920, 200_000, 805_004, 1075),
    ];
    const STEP_DOWN: &[Row] = &[
        (400_000, 3_200_000, 800_000, 800_000, 800_000, 1200),
        (400_000, 3_200_000, 600_000, 200_000, 800_000, 1200),
        (400_000, 3_200_000, 450_000, 200_000, 712_500, 1113),
        (400_000, 3_200_000, 337_500, 200_000, 618_750, 1019),
        (20_000, 2_820_000, 374_453, 200_000, 557_676, 911),
        (20_000, 2_487_500, 404_313, 200_000, 519_336, 831),
        (20_000, 2_196_563, 428_045, 200_000, 496_514, 772),
        (20_000, 1_941_993, 446_489, 200_000, 484_008, 727),
        (20_000, 1_719_244, 460_379, 200_000, 478_101, 694),
        (20_000, 1_524_339, 470_355, 200_000, 476_165, 667),
        (20_000, 1_353_797, 476_974, 200_000, 476_974, 647),
        (20_000, 1_204_573, 480_721, 200_000, 480_721, 632),
        (20_000, 1_074_002, 482_019, 200_000, 482_019, 617),
        (20_000, 959_752, 475_765, 200_000, 480_456, 601),
        (20_000, 859_783, 456_793, 200_000, 474_541, 583),
        (20_000, 772_311, 430_067, 200_000, 463_423, 560),
    ];

    fn check(rows: &[Row]) {
        let mut estimator = Estimator::new();
        let mut snd_una = SeqNum::new(u32::MAX - 50);
        for &(rtt_us, srtt_x8_us, mdev_x4_us, mdev_max_us, rttvar_us, rto_ms) in rows {
            estimator.on_sample(rtt_us, snd_una, snd_una + 5, RTO_MIN_US);
            let rtt_seq = snd_una + 5;
            let expected = Estimator { srtt_x8_us, mdev_x4_us, mdev_max_us, rttvar_us, rtt_seq };
            assert_eq!(estimator, expected, "after {rtt_us}");
            assert_eq!(estimator.rto(RTO_MAX), ms(rto_ms), "after {rtt_us}");
            snd_una += 10;
        }
    }

    #[test]
    fn the_estimate_equals_linux_bit_for_bit() {
        for rows in [STEADY_100_US, STEADY_50_MS, MIXED, STEP_UP, STEP_DOWN] {
            check(rows);
        }
    }

    #[test]
    fn the_variance_falls_once_per_round_trip() {
        let (una, nxt) = (SeqNum::new(0), SeqNum::new(1000));
        let mut estimator = Estimator::new();
        for _ in 0..10 {
            estimator.on_sample(400_000, una, nxt, RTO_MIN_US);
            assert_eq!(estimator.rto(RTO_MAX), ms(1200), "una has not passed the mark");
        }
        estimator.on_sample(400_000, nxt, nxt, RTO_MIN_US);
        assert_eq!(estimator.rto(RTO_MAX), ms(1200), "una at the mark is not past it");
        estimator.on_sample(400_000, nxt + 1, nxt + 1, RTO_MIN_US);
        assert_eq!(estimator.rto(RTO_MAX), ms(1200), "in the first round trip the deviation was as large");
        estimator.on_sample(400_000, nxt + 2, nxt + 2, RTO_MIN_US);
        assert_eq!(estimator.rto(RTO_MAX), ms(1050), "a quarter of the way from 800 to 200 ms");
    }

    #[test]
    fn before_a_sample_the_timeout_is_one_second_and_after_a_blind_handshake_three() {
        let mut estimator = Estimator::new();
        assert_eq!(estimator.rto(RTO_MAX), INITIAL);
        assert_eq!((estimator.srtt(), estimator.rttvar()), (Duration::ZERO, ms(250)));
        estimator.on_handshake_without_sample();
        assert!(!estimator.has_sample());
        assert_eq!(estimator.rto(RTO_MAX), FALLBACK);
        assert_eq!(estimator.rto(INITIAL), INITIAL, "rto_max still caps it");
        estimator.on_sample(20_000, SeqNum::new(1), SeqNum::new(1), RTO_MIN_US);
        assert_eq!(estimator.rto(RTO_MAX), ms(220));
        estimator.on_handshake_without_sample();
        assert_eq!(estimator.rto(RTO_MAX), ms(220), "a sample is kept");
    }

    #[test]
    fn the_timeout_is_never_exactly_the_floor() {
        let mut estimator = Estimator::new();
        estimator.on_sample(0, SeqNum::new(1), SeqNum::new(1), RTO_MIN_US);
        assert_eq!(estimator.rto(RTO_MAX), ms(201));
    }

    #[test]
    fn a_lower_floor_gives_a_shorter_timeout() {
        let mut estimator = Estimator::new();
        estimator.on_sample(2_000, SeqNum::new(1), SeqNum::new(1), 50_000);
        assert_eq!(estimator.rto(RTO_MAX), ms(52));
    }

    #[test]
    fn no_sample_overflows() {
        let mut estimator = Estimator::new();
        for (k, rtt_us) in [u32::MAX, 0, u32::MAX, u32::MAX, 0, 0, u32::MAX].into_iter().cycle().take(2000).enumerate()
        {
            let seq = SeqNum::new(k as u32);
            estimator.on_sample(rtt_us, seq, seq, if k % 3 == 0 { 1 << 31 } else { 1 });
            assert!(estimator.rto(RTO_MAX) <= RTO_MAX);
        }
    }

    #[test]
    fn backoff_doubles_up_to_the_cap_for_any_exponent() {
        for (backoff, expected_ms) in [(0, 204), (1, 408), (9, 104_448), (10, 120_000), (63, 120_000), (255, 120_000)] {
            assert_eq!(backed_off(ms(204), backoff, RTO_MAX), ms(expected_ms), "backoff {backoff}");
        }
        assert_eq!(backed_off(ms(3000), 0, ms(1000)), ms(1000));
    }
}
