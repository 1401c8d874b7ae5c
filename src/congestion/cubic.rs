//! CUBIC, in integers (RFC 9438; RFC 9406 in spirit for slow start; Linux `tcp_cubic.c`, whose constants these are).
//!
//! After a reduction the window follows a cubic of the time since: back towards where the loss was, slowly around it,
//! then faster and faster. It never does worse than Reno would (the *friendly* window). Slow start ends before the loss
//! where delay grows or ACKs arrive in a train as long as the path (`HyStart`).
//!
//! `W_max` stands in [`super::Congestion`] and lasts as long as the connection; the rest is here, and lasts as long as
//! whoever keeps it: a stack frees it some time after the last byte.

use super::Congestion;
use crate::seq::SeqNum;
use crate::time::Instant;

/// What CUBIC and `HyStart` remember while data is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cubic {
    /// When this epoch of growth began, in milliseconds; `None` after a reduction.
    epoch_start_ms: Option<u32>,
    /// The window around which the cubic is flat.
    origin_point: u32,
    /// Time from the start of the epoch to that point, in 1/1024 s (RFC 9438 4.2).
    k: u32,
    /// ACKs for one more segment of window, as last computed.
    count: u32,
    /// The window of the last computation, and when that was.
    last_cwnd: u32,
    last_time_ms: u32,
    /// Segments acknowledged that the friendly window has not taken in yet.
    friendly_acked: u32,
    /// The window that Reno would have.
    friendly_cwnd: u32,
    /// The least round trip seen, in microseconds; 0 before any.
    delay_min_us: u32,
    hystart: HyStart,
}

/// One round of slow start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HyStart {
    /// When the round began, and when the last ACK of its train came; microseconds.
    round_start_us: u32,
    last_ack_us: u32,
    /// The round ends when this is acknowledged.
    end_seq: SeqNum,
    /// The least round trip of the round, in microseconds.
    least_us: u32,
    samples: u8,
    /// Slow start is over.
    found: bool,
}

impl Cubic {
    /// Nothing known.
    pub const fn new() -> Self {
        Self {
            epoch_start_ms: None,
            origin_point: 0,
            k: 0,
            count: 0,
            last_cwnd: 0,
            last_time_ms: 0,
            friendly_acked: 0,
            friendly_cwnd: 0,
            delay_min_us: 0,
            hystart: HyStart {
                round_start_us: 0,
                last_ack_us: 0,
                end_seq: SeqNum::new(0),
                least_us: u32::MAX,
                samples: 0,
                found: false,
            },
        }
    }

    /// `W_max` and the new threshold at a loss: 0.7 of the window (RFC 9438 4.6), and room for a newcomer if the window
    /// had not come back to the last `W_max` (4.7, fast convergence).
    pub(super) fn on_reduction(&mut self, congestion: &mut Congestion) -> u32 {
        let cwnd = congestion.cwnd;
        self.epoch_start_ms = None;
        let last_max = u32::from(congestion.last_max_cwnd);
        let kept = if cwnd < last_max { scaled(cwnd, BETA_SCALE + BETA) / 2 } else { cwnd };
        congestion.last_max_cwnd = kept.min(u32::from(u16::MAX)) as u16;
        scaled(cwnd, BETA)
    }

    /// Sending begins again after `idle_ms` of silence, in which nothing could grow: the curve goes on where it stood
    /// (Linux `CA_EVENT_TX_START`).
    pub fn on_restart(&mut self, idle_ms: u32, now: Instant) {
        let now_ms = now.as_millis() as u32;
        if let Some(start_ms) = self.epoch_start_ms {
            let age_ms = now_ms.wrapping_sub(start_ms);
            self.epoch_start_ms = Some(start_ms.wrapping_add(idle_ms.min(age_ms)));
        }
    }

    /// Growth in congestion avoidance: how many ACKs are worth one more segment (`bictcp_update`). At least 2.
    pub(super) fn acks_for_one_more(&mut self, congestion: &Congestion, acked: u32, now: Instant) -> u32 {
        let (cwnd, now_ms) = (congestion.cwnd, now.as_millis() as u32);
        self.friendly_acked = self.friendly_acked.saturating_add(acked);
        let age_ms = now_ms.wrapping_sub(self.last_time_ms);
        if self.last_cwnd == cwnd && age_ms <= RECOMPUTE_MS {
            return self.count.max(LEAST_ACKS);
        }
        if self.epoch_start_ms.is_none() || age_ms > 0 {
            self.follow_cubic(congestion, acked, now_ms);
        }
        self.befriend(cwnd);
        self.count = self.count.max(LEAST_ACKS);
        self.count
    }

    fn follow_cubic(&mut self, congestion: &Congestion, acked: u32, now_ms: u32) {
        let (cwnd, last_max) = (congestion.cwnd, u32::from(congestion.last_max_cwnd));
        self.last_cwnd = cwnd;
        self.last_time_ms = now_ms;
        if self.epoch_start_ms.is_none() {
            self.friendly_acked = acked;
            self.friendly_cwnd = cwnd;
            (self.k, self.origin_point) = match last_max.checked_sub(cwnd) {
                Some(missing @ 1..) => (cube_root(CUBE_FACTOR * u64::from(missing)), last_max),
                _ => (0, cwnd),
            };
        }
        let start_ms = *self.epoch_start_ms.get_or_insert(now_ms);
        let elapsed_ms = u64::from(now_ms.wrapping_sub(start_ms)) + u64::from(self.delay_min_us.div_ceil(1000));
        let elapsed = (elapsed_ms << TIME_BITS) / 1000;
        let distance = elapsed.abs_diff(u64::from(self.k)).min(DISTANCE_MAX);
        // C * distance^3, with C = 0.4 as 410/1024.
        let delta = ((u128::from(CUBE_RTT_SCALE) * u128::from(distance).pow(3)) >> (10 + 3 * TIME_BITS))
            .min(u128::from(u32::MAX / 2)) as u32;
        let target = if elapsed < u64::from(self.k) {
            self.origin_point.saturating_sub(delta)
        } else {
            self.origin_point.saturating_add(delta)
        };
        self.count = if target > cwnd { cwnd / (target - cwnd) } else { cwnd.saturating_mul(100) };
        if last_max == 0 {
            // No loss yet: grow by 5 % a round trip at least.
            self.count = self.count.min(20);
        }
    }

    /// Never slower than Reno (RFC 9438 4.3).
    fn befriend(&mut self, cwnd: u32) {
        let acks_each = ((u64::from(cwnd) * FRIENDLY_SCALE) >> 3).max(1) as u32;
        let grown = self.friendly_acked.saturating_sub(1) / acks_each;
        self.friendly_cwnd = self.friendly_cwnd.saturating_add(grown);
        self.friendly_acked -= grown * acks_each;
        if let Some(ahead @ 1..) = self.friendly_cwnd.checked_sub(cwnd) {
            self.count = self.count.min(cwnd / ahead);
        }
    }

    /// The retransmission timer fired: all is forgotten (`bictcp_reset`).
    pub(super) fn on_timeout(&mut self, congestion: &mut Congestion, now: Instant, snd_nxt: SeqNum) {
        congestion.last_max_cwnd = 0;
        *self = Self::new();
        self.begin_round(now, snd_nxt);
    }

    /// A round-trip sample (`cubictcp_acked`, `hystart_update`). Returns whether slow start shall end here.
    pub(super) fn on_sample(&mut self, congestion: &Congestion, rtt_us: u32, round: Round) -> bool {
        let now_ms = round.now.as_millis() as u32;
        // The first second after a reduction says little: queues are still draining.
        if self.epoch_start_ms.is_some_and(|start_ms| now_ms.wrapping_sub(start_ms) < 1000) {
            return false;
        }
        let rtt_us = rtt_us.max(1);
        if self.delay_min_us == 0 || self.delay_min_us > rtt_us {
            self.delay_min_us = rtt_us;
        }
        if self.hystart.found || !congestion.in_slow_start() {
            return false;
        }
        if self.hystart.round_start_us == 0 || round.snd_una.after(self.hystart.end_seq) {
            self.begin_round(round.now, round.snd_nxt);
        }
        if congestion.cwnd < HYSTART_LOW_WINDOW {
            return false;
        }
        self.hystart.found = self.is_train_long(round.now) | self.has_delay_grown(rtt_us);
        self.hystart.found
    }

    fn begin_round(&mut self, now: Instant, snd_nxt: SeqNum) {
        let now_us = (now.as_micros() as u32).max(1);
        self.hystart = HyStart {
            round_start_us: now_us,
            last_ack_us: now_us,
            end_seq: snd_nxt,
            least_us: u32::MAX,
            samples: 0,
            found: self.hystart.found,
        };
    }

    /// ACKs close behind each other for longer than half the path's delay: the path is full.
    fn is_train_long(&mut self, now: Instant) -> bool {
        let now_us = (now.as_micros() as u32).max(1);
        if now_us.wrapping_sub(self.hystart.last_ack_us) > TRAIN_GAP_US {
            return false;
        }
        self.hystart.last_ack_us = now_us;
        now_us.wrapping_sub(self.hystart.round_start_us) > u32::midpoint(self.delay_min_us, ACK_DELAY_US)
    }

    /// Round trips of this round are an eighth longer than the least ever.
    fn has_delay_grown(&mut self, rtt_us: u32) -> bool {
        self.hystart.least_us = self.hystart.least_us.min(rtt_us);
        if self.hystart.samples < HYSTART_SAMPLES {
            self.hystart.samples += 1;
            return false;
        }
        let more_us = (self.delay_min_us >> 3).clamp(DELAY_LEAST_US, DELAY_MOST_US);
        self.hystart.least_us > self.delay_min_us.saturating_add(more_us)
    }
}

impl Default for Cubic {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the flight stands when a sample comes.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// The time.
    pub now: Instant,
    /// After the ACK.
    pub snd_una: SeqNum,
    /// One past what was sent.
    pub snd_nxt: SeqNum,
}

/// Times are in units of 1/1024 s.
const TIME_BITS: u32 = 10;
/// Multiplicative decrease: 717/1024 = 0.7.
const BETA: u32 = 717;
const BETA_SCALE: u32 = 1024;
/// C = 0.4 as 41/1024, times 10.
const CUBE_RTT_SCALE: u64 = 410;
/// 2^40 / 410: what one segment of missing window is worth under the cube root.
const CUBE_FACTOR: u64 = (1 << (10 + 3 * TIME_BITS)) / CUBE_RTT_SCALE;
/// 8 (1 + β) / 3 (1 - β), of which an eighth of a window's ACKs are worth one friendly segment.
const FRIENDLY_SCALE: u64 = 8 * (BETA_SCALE as u64 + BETA as u64) / 3 / (BETA_SCALE as u64 - BETA as u64);
/// With an unchanged window nothing is recomputed for this long (HZ / 32).
const RECOMPUTE_MS: u32 = 31;
/// The window grows by half a segment an ACK at most.
const LEAST_ACKS: u32 = 2;
/// Beyond 17 minutes from the flat point the curve is as steep as it gets.
const DISTANCE_MAX: u64 = 1 << 20;
/// Below this window, in segments, slow start goes on whatever delay says.
const HYSTART_LOW_WINDOW: u32 = 16;
/// Samples of a round before its delay is believed.
const HYSTART_SAMPLES: u8 = 8;
/// ACKs this close belong to one train.
const TRAIN_GAP_US: u32 = 2000;
/// How long a peer's offload may hold an ACK.
const ACK_DELAY_US: u32 = 1000;
/// Bounds of what counts as grown delay.
const DELAY_LEAST_US: u32 = 4000;
const DELAY_MOST_US: u32 = 16_000;

const fn scaled(cwnd: u32, by: u32) -> u32 {
    (cwnd as u64 * by as u64 / BETA_SCALE as u64) as u32
}

/// The integer cube root, rounded down, by bits from the top.
fn cube_root(of: u64) -> u32 {
    let mut root: u64 = 0;
    for bit in (0..22).rev() {
        let candidate = root | 1 << bit;
        if u128::from(candidate).pow(3) <= u128::from(of) {
            root = candidate;
        }
    }
    root as u32
}

#[cfg(test)]
mod tests {
    use super::super::{Congestion, CongestionControl};
    use super::*;

    #[test]
    fn cube_roots_are_exact() {
        for root in [0_u64, 1, 2, 10, 1023, 1024, 65_535, 2_000_000] {
            assert_eq!(u64::from(cube_root(root.pow(3))), root);
            assert_eq!(u64::from(cube_root((root + 1).pow(3) - 1)), root);
        }
    }

    /// RFC 9438 4.2: `K = cbrt(W_max (1 - β) / C)`. From 100 segments down to 70 that is
    /// cbrt(30 / 0.4) = 4.217 s; the curve is one segment below the old peak at 4.217 - cbrt(1 / 0.4) = 2.86 s.
    #[test]
    fn the_window_is_back_where_the_loss_was_after_k() {
        let mut congestion = Congestion { cwnd: 100, ..Congestion::new(CongestionControl::Cubic) };
        let mut cubic = Cubic::new();
        assert_eq!(cubic.on_reduction(&mut congestion), 70);
        (congestion.cwnd, congestion.ssthresh) = (70, 70);
        let mut back_ms = None;
        for ms in (0..20_000).step_by(100) {
            let now = Instant::from_millis(1_000_000 + ms);
            // A window of ACKs each round trip of 100 ms.
            congestion.on_ack(&mut cubic, congestion.cwnd, now);
            if back_ms.is_none() && congestion.cwnd >= 99 {
                back_ms = Some(ms);
            }
        }
        let back_ms = back_ms.expect("the window never came back");
        assert!((2500..3200).contains(&back_ms), "{back_ms} ms");
        assert!(congestion.cwnd > 300, "beyond the flat point it probes faster and faster: {}", congestion.cwnd);
    }

    #[test]
    fn a_pause_does_not_let_the_window_grow() {
        let grown = |pause_ms: u64, told: bool| {
            let mut congestion = Congestion { cwnd: 100, ..Congestion::new(CongestionControl::Cubic) };
            let mut cubic = Cubic::new();
            cubic.on_reduction(&mut congestion);
            (congestion.cwnd, congestion.ssthresh) = (70, 70);
            let at = |ms| Instant::from_millis(1_000_000 + ms);
            congestion.on_ack(&mut cubic, 70, at(0));
            if told {
                cubic.on_restart(pause_ms as u32, at(100 + pause_ms));
            }
            congestion.on_ack(&mut cubic, 70, at(100 + pause_ms));
            congestion.cwnd
        };
        assert_eq!(grown(60_000, true), grown(0, false));
        assert!(grown(60_000, false) > grown(0, false));
    }

    #[test]
    fn a_second_loss_before_the_old_peak_leaves_room() {
        let mut congestion = Congestion { cwnd: 100, ..Congestion::new(CongestionControl::Cubic) };
        let mut cubic = Cubic::new();
        cubic.on_reduction(&mut congestion);
        congestion.cwnd = 80;
        assert_eq!(cubic.on_reduction(&mut congestion), 56);
        // 80 * (1 + 0.7) / 2.
        assert_eq!(congestion.last_max_cwnd, 68);
    }

    #[test]
    fn slow_start_ends_where_delay_grows() {
        let mut congestion = Congestion { cwnd: 40, ..Congestion::new(CongestionControl::Cubic) };
        let mut cubic = Cubic::new();
        let round = |ms: u64, una: u32| Round {
            now: Instant::from_millis(ms),
            snd_una: SeqNum::new(una),
            snd_nxt: SeqNum::new(una + 100_000),
        };
        for sample in 0..20 {
            assert!(!congestion.on_sample(&mut cubic, 50_000, round(1000 + sample * 5, 1)));
        }
        let mut ended = false;
        for sample in 0..20 {
            ended |= congestion.on_sample(&mut cubic, 60_000, round(2000 + sample * 5, 200_000));
        }
        assert!(ended && congestion.ssthresh == 40, "50 ms became 60, more than an eighth");
    }
}
