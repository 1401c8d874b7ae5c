//! A segment is lost if one that was sent later arrived, and a little time has passed for reordering (RFC 8985 6; Linux
//! `tcp_recovery.c`).

use super::{CaState, Env, in_flight_segments};
use crate::buf::{Buffers, Marks, Sent};
use crate::config::Sysctl;
use crate::tcp::acked::Acked;
use crate::tcp::conn::Conn;
use crate::tcp::timers::Purpose;
use crate::time::{Duration, Instant, ceil_to_tick};

impl Conn {
    /// RFC 8985 6.2 step 2: a segment arrived; remember the one that was sent last of those that did.
    pub(in crate::tcp) fn rack_advance(&mut self, env: &Env<'_>, sent: &Sent, buffers: &mut impl Buffers) {
        let rtt_us = micros(env.now.since(sent.sent_at));
        if rtt_us < self.recovery.min_rtt_us && sent.marks.has(Marks::RESENT) {
            // Faster than the path has ever been: it was the first copy that arrived, not this one.
            return;
        }
        let rack = &mut buffers.scoreboard_mut().rack;
        rack.advanced = true;
        rack.rtt_us = rtt_us;
        if rack.latest.is_none_or(|latest| is_sent_after(sent.order, latest)) {
            rack.latest = Some(sent.order);
        }
    }

    /// Marks what is lost by now, and arms the transmit timer for what may be lost soon. Returns whether it did the
    /// latter.
    pub(super) fn mark_lost_by_rack(&mut self, env: &Env<'_>, buffers: &mut impl Buffers) -> bool {
        if !core::mem::take(&mut buffers.scoreboard_mut().rack.advanced) {
            return false;
        }
        let Some(left) = self.detect_losses(env, buffers) else { return false };
        let wait = ceil_to_tick(left + MARGIN).min(self.backed_off_rto(env.sysctl));
        self.write_timer.arm(Purpose::Reordering, env.now + wait);
        true
    }

    /// RFC 8985 6.2 step 5. Returns how long until the last of the doubtful segments is lost, if there is any.
    fn detect_losses(&mut self, env: &Env<'_>, buffers: &mut impl Buffers) -> Option<Duration> {
        let window = self.reordering_window(env.sysctl, buffers);
        let rack = buffers.scoreboard().rack;
        let latest = rack.latest?;
        let mut longest = None;
        for index in 0..buffers.sent_len() {
            let Some(sent) = buffers.sent(index) else { break };
            let waits_for_resend = sent.marks.has(Marks::LOST) && !sent.marks.has(Marks::RETRANSMITTED);
            let overtaken = is_sent_after(latest, sent.order);
            if sent.marks.has(Marks::SACKED) || waits_for_resend || !overtaken {
                continue;
            }
            match time_left(env.now, sent.sent_at, rack.rtt_us, window) {
                None => Self::mark_lost(index, buffers),
                left => longest = longest.max(left),
            }
        }
        longest
    }

    /// How far out of order segments may arrive (RFC 8985 6.2 step 4): not at all, where none ever did and a loss is
    /// likely; else a quarter of the least round trip, more if that proved too little.
    fn reordering_window(&self, sysctl: &Sysctl, buffers: &impl Buffers) -> Duration {
        let board = buffers.scoreboard();
        if !self.recovery.reordering_seen {
            let many =
                board.sacked_out >= u32::from(self.recovery.reordering) && sysctl.tcp_recovery & NO_DUPTHRESH == 0;
            if self.recovery.state >= CaState::Recovery || many {
                return Duration::ZERO;
            }
        }
        let quarter_us = u64::from(self.recovery.min_rtt_us / 4);
        Duration::from_micros(quarter_us * u64::from(board.rack.reo_wnd_steps)).min(self.estimator.srtt())
    }

    /// RFC 8985 6.2 step 4, the adaptation: each round with a needless retransmission widens the window by a quarter of
    /// the least round trip; sixteen recoveries without one take that back (`tcp_rack_update_reo_wnd`).
    pub(in crate::tcp) fn adapt_reordering_window(sysctl: &Sysctl, acked: &Acked, buffers: &mut impl Buffers) {
        let Some(latest) = acked.latest_sent.filter(|_| sysctl.tcp_recovery & STATIC_REO_WND == 0) else { return };
        let sends = buffers.scoreboard().sends;
        let rack = &mut buffers.scoreboard_mut().rack;
        if is_sent_after(rack.widened_at, latest) {
            // Not a round trip yet since the last time.
            rack.dsack_seen = false;
        }
        if core::mem::take(&mut rack.dsack_seen) {
            rack.reo_wnd_steps = rack.reo_wnd_steps.saturating_add(1);
            rack.widened_at = sends;
            rack.reo_wnd_persist = REO_WND_PERSIST;
        } else if rack.reo_wnd_persist == 0 {
            rack.reo_wnd_steps = 1;
        }
    }

    /// The time for reordering is over (`tcp_rack_reo_timeout`).
    pub(in crate::tcp) fn on_reordering_timeout(&mut self, env: &Env<'_>, buffers: &mut impl Buffers) {
        let before = in_flight_segments(buffers);
        self.detect_losses(env, buffers);
        if in_flight_segments(buffers) != before && self.recovery.state != CaState::Recovery {
            self.enter_recovery(false, buffers);
            let lost = buffers.scoreboard().lost_out;
            self.reduce_in_proportion(1, lost > 0, false, buffers);
        }
        self.rearm_retransmission_timer(env, buffers);
    }
}

/// Whether a segment that was sent at `sent_at` may still arrive in time, were there no reordering.
pub(super) fn is_recent(now: Instant, sent_at: Instant, buffers: &impl Buffers) -> bool {
    time_left(now, sent_at, buffers.scoreboard().rack.rtt_us, Duration::ZERO).is_some()
}

/// Until a segment counts as lost: one round trip and the reordering window after it was sent. `None` if that is over.
fn time_left(now: Instant, sent_at: Instant, rtt_us: u32, window: Duration) -> Option<Duration> {
    let lost_at = sent_at + Duration::from_micros(u64::from(rtt_us)) + window;
    (lost_at > now).then(|| lost_at.since(now))
}

/// RFC 8985 6.2, `RACK_sent_after`. By number, not by time: whole batches are dealt with in one instant here.
pub(in crate::tcp) const fn is_sent_after(order: u32, than: u32) -> bool {
    order.wrapping_sub(than).cast_signed() > 0
}

pub(in crate::tcp) fn micros(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}

/// Added to the wait, for the coarseness of timers (Linux `TCP_TIMEOUT_MIN_US`).
const MARGIN: Duration = Duration::from_millis(2);
/// Recoveries for which a widened window lasts (Linux `TCP_RACK_RECOVERY_THRESH`).
pub(super) const REO_WND_PERSIST: u8 = 16;
/// Bits of `tcp_recovery`.
const STATIC_REO_WND: u8 = 2;
const NO_DUPTHRESH: u8 = 4;
