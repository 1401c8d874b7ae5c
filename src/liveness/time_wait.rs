//! Both FINs are acknowledged; stay a while so that old segments find nobody to harm (RFC 9293 3.6.1 [MUST-13, SHLD-4,
//! MAY-2]; RFC 6191; RFC 1337).
//!
//! The RFC says twice the maximum segment lifetime. Linux fixes it at 60 s, which is not `tcp_fin_timeout`, and so do
//! we. A segment with an ACK starts the 60 s again; a RST at exactly `RCV.NXT` ends them unless `tcp_rfc1337` is set.
//!
//! The same addresses and ports may connect again sooner in two ways. A SYN of the peer that is sure to be new reopens
//! the connection. And our own `connect` may take the pair over, if timestamps tell old segments from new ones, and
//! `tcp_tw_reuse` allows it or the port was asked for by name. Either way the new initial sequence number is
//! [`next_isn`].
//!
//! Linux: `tcp_timewait_state_process`, `tcp_twsk_unique`.

use crate::seq::SeqNum;
use crate::time::{Duration, Instant};

/// How long the state lasts (Linux `TCP_TIMEWAIT_LEN`).
pub const LENGTH: Duration = Duration::from_mins(1);

/// How far beyond the old `SND.NXT` a connection starts anew: past any window without scaling.
pub const ISN_STEP: u32 = 65_537;

/// A connection in TIME-WAIT, or an orphan's small block in FIN-WAIT-2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWait {
    /// When the block took the connection's place.
    pub entered_at: Instant,
    /// When it vanishes.
    pub due: Instant,
}

impl TimeWait {
    /// Enters TIME-WAIT.
    pub fn new(now: Instant) -> Self {
        Self::with_length(now, LENGTH)
    }

    /// Stays in FIN-WAIT-2 for as long as [`fin_wait2::Plan::Block`](super::fin_wait2::Plan::Block) says.
    pub fn with_length(now: Instant, length: Duration) -> Self {
        Self { entered_at: now, due: now + length }
    }

    /// Whether the block is to vanish, silently.
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.due
    }

    /// A segment with ACK arrived, or the FIN that FIN-WAIT-2 was waiting for: a full [`LENGTH`] from now.
    pub fn on_segment(&mut self, now: Instant) {
        self.due = now + LENGTH;
    }
}

/// Whether our own `connect` from an ephemeral port may take over a pair in TIME-WAIT.
///
/// `tcp_tw_reuse` is 0 for never, 1 for always, 2 (the default) for `loopback` only. `timestamps` says whether the old
/// connection saw any, which is all that an explicitly bound port needs. `delay_ms` is `tcp_tw_reuse_delay`, default
/// 1000.
pub const fn can_reuse(
    tcp_tw_reuse: u8,
    loopback: bool,
    entered_at: Instant,
    now: Instant,
    delay_ms: u32,
    timestamps: bool,
) -> bool {
    let allowed = tcp_tw_reuse == 1 || (tcp_tw_reuse == 2 && loopback);
    allowed && timestamps && now.millis_since(entered_at) >= delay_ms as u64
}

/// Whether a SYN of the peer (without ACK or RST) is sure to be new and reopens the connection; else it is just
/// acknowledged.
///
/// New is a `seq` beyond the window's left edge or, if both are known, a later timestamp: `tsval` is the SYN's,
/// `ts_recent` the last remembered. An earlier one speaks against it whatever `seq` is (PAWS, RFC 7323 5).
pub const fn reopens(seq: SeqNum, tsval: Option<u32>, rcv_nxt: SeqNum, ts_recent: Option<u32>) -> bool {
    let newer_seq = seq.after(rcv_nxt);
    match (tsval, ts_recent) {
        (Some(tsval), Some(ts_recent)) if tsval != ts_recent => SeqNum::new(tsval).after(SeqNum::new(ts_recent)),
        _ => newer_seq,
    }
}

/// The initial sequence number with which the pair starts anew; never 0, as in Linux.
pub fn next_isn(snd_nxt: SeqNum) -> SeqNum {
    match snd_nxt + ISN_STEP {
        isn if isn.raw() == 0 => isn + 1,
        isn => isn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::testing::at;

    #[test]
    fn it_lasts_a_minute_from_the_last_segment() {
        let mut block = TimeWait::new(at(1000));
        assert!(!block.is_over(at(60_999)) && block.is_over(at(61_000)));
        block.on_segment(at(50_000));
        assert!(!block.is_over(at(109_999)) && block.is_over(at(110_000)));
        assert_eq!(block.entered_at, at(1000));
    }

    #[test]
    fn a_fin_turns_a_short_fin_wait2_into_a_full_time_wait() {
        let mut block = TimeWait::with_length(at(0), Duration::from_secs(2));
        assert!(block.is_over(at(2000)));
        block.on_segment(at(1000));
        assert!(!block.is_over(at(60_999)));
    }

    #[test]
    fn connect_reuses_by_sysctl_delay_and_timestamps() {
        let rows = [
            (0, true, 9000, true, false),
            (1, false, 1000, true, true),
            (1, false, 999, true, false),
            (1, false, 9000, false, false),
            (2, true, 1000, true, true),
            (2, false, 9000, true, false),
        ];
        for (sysctl, loopback, now, timestamps, expected) in rows {
            let actual = can_reuse(sysctl, loopback, at(0), at(now), 1000, timestamps);
            assert_eq!(actual, expected, "{sysctl} {loopback} {now} {timestamps}");
        }
    }

    #[test]
    fn only_a_syn_sure_to_be_new_reopens() {
        let rcv_nxt = SeqNum::new(u32::MAX);
        let (next, same) = (rcv_nxt + 1, rcv_nxt);
        let rows = [
            (next, None, None, true),
            (next, Some(5), None, true),
            (next, None, Some(5), true),
            (same, None, None, false),
            (next, Some(6), Some(5), true),
            (next, Some(5), Some(5), true),
            (next, Some(4), Some(5), false),
            (same, Some(6), Some(5), true),
            (same, Some(5), Some(5), false),
            (same, Some(1), Some(u32::MAX), true),
        ];
        for (seq, tsval, ts_recent, expected) in rows {
            assert_eq!(reopens(seq, tsval, rcv_nxt, ts_recent), expected, "{seq} {tsval:?} {ts_recent:?}");
        }
    }

    #[test]
    fn the_next_isn_skips_zero() {
        assert_eq!(next_isn(SeqNum::new(1000)), SeqNum::new(66_537));
        assert_eq!(next_isn(SeqNum::new(0_u32.wrapping_sub(ISN_STEP))), SeqNum::new(1));
    }
}
