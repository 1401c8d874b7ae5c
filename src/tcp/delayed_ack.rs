//! When is an acknowledgment sent? (RFC 9293 3.8.6.3, RFC 5681 4.2; Linux `tcp_event_data_recv`, `__tcp_ack_snd_check`,
//! `tcp_send_delayed_ack`, `tcp_delack_timer_handler`.)
//!
//! Three ideas. A connection that just began, or paused, gets a *budget* of quick ACKs, so that the peer's slow start
//! is not starved. A connection that answers what it receives is *interactive*: its ACK waits for the answer to carry
//! it. Otherwise the wait `ato` follows the gaps between the peer's segments, from 40 to 200 ms, and every second full
//! segment is acknowledged at once [SHLD-18] [SHLD-19] [MUST-40].

use crate::time::{Duration, Instant};

/// The shortest wait, and the one a connection starts with (Linux `TCP_ATO_MIN`, `TCP_DELACK_MIN`).
const ATO_MIN_MS: u16 = 40;
/// The longest wait (Linux `TCP_DELACK_MAX`).
const ATO_MAX_MS: u16 = 200;
/// The longest wait for a segment that was neither pushed nor part of an interactive exchange (half a second, by RFC).
const ATO_BULK_MAX_MS: u16 = 500;
/// Quick ACKs in a budget at most (Linux `TCP_MAX_QUICKACKS`).
const QUICK_ACKS_MAX: u8 = 16;
/// What the peer's segment size is taken for until it is known (RFC 9293 3.7.1).
const RCV_MSS_INITIAL: u16 = 536;
/// Segments below this say nothing about the peer's segment size (Linux `TCP_MIN_MSS`).
const RCV_MSS_MIN: u16 = 88;

/// The delayed-ACK state of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DelayedAck {
    /// When a delayed ACK falls due.
    pub(super) due: Option<Instant>,
    /// Estimate of the size of the peer's full segments.
    pub(super) rcv_mss: u16,
    /// The current wait; 0 before the first data.
    ato_ms: u16,
    /// Size of the last small segment; two alike are taken for the peer's full size.
    last_size: u16,
    /// Millisecond reading of the last data reception.
    last_data_ms: u32,
    quick: u8,
    /// Data segments sent soon after data received; at `tcp_pingpong_thresh` the connection is interactive.
    pingpong: u8,
    /// An ACK is owed.
    scheduled: bool,
    /// Small segments seen since the last ACK: 0, 1, or 2 and more.
    pushed: u8,
}

/// What decides whether an owed ACK leaves now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owed {
    /// Bytes received since our last ACK.
    pub(super) unacknowledged: u32,
    /// Whether the window that we could offer now is at least the one last offered.
    pub(super) window_holds: bool,
    /// Whether data beyond a gap is held.
    pub(super) out_of_order: bool,
}

/// A data segment, as far as acknowledging it goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// Payload, in bytes.
    pub(super) len: usize,
    /// Whether it carried PSH.
    pub(super) pushed: bool,
    /// The MSS we announced: no full segment is larger.
    pub(super) mss: u16,
    /// The window we last offered.
    pub(super) window: u32,
    /// The retransmission timeout: a longer pause is a fresh start.
    pub(super) rto: Duration,
}

impl DelayedAck {
    /// The current wait; zero before the first data.
    pub(super) fn ato(&self) -> Duration {
        Duration::from_millis(self.ato_ms.into())
    }

    /// Millisecond reading of the last data reception.
    pub(super) const fn last_data_ms(&self) -> u32 {
        self.last_data_ms
    }

    pub(super) const fn new(mss: u16, now: Instant) -> Self {
        let rcv_mss = if mss < RCV_MSS_INITIAL { mss } else { RCV_MSS_INITIAL };
        Self {
            due: None,
            rcv_mss: if rcv_mss < RCV_MSS_MIN { RCV_MSS_MIN } else { rcv_mss },
            ato_ms: 0,
            last_size: 0,
            last_data_ms: now.as_millis() as u32,
            quick: 0,
            pingpong: 0,
            scheduled: false,
            pushed: 0,
        }
    }

    /// Data arrived, in order or not; an ACK is owed.
    pub(super) fn on_data(&mut self, now: Instant, arrival: &Arrival) {
        let Arrival { len, pushed, mss, window, rto } = *arrival;
        self.scheduled = true;
        self.measure(len, pushed, mss);
        let now_ms = now.as_millis() as u32;
        let gap_ms = now_ms.wrapping_sub(self.last_data_ms);
        let rto_ms = rto.as_millis() as u32;
        if self.ato_ms == 0 {
            self.refill(window);
            self.ato_ms = ATO_MIN_MS;
        } else if gap_ms <= u32::from(ATO_MIN_MS / 2) {
            self.ato_ms = self.ato_ms / 2 + ATO_MIN_MS / 2;
        } else if gap_ms < u32::from(self.ato_ms) {
            let ato_ms = u32::from(self.ato_ms / 2) + gap_ms;
            self.ato_ms = ato_ms.min(rto_ms).min(u32::from(ATO_MAX_MS)) as u16;
        } else if gap_ms > rto_ms {
            self.refill(window);
        }
        self.last_data_ms = now_ms;
    }

    /// Learns the peer's segment size, and whether this looks like the end of a write.
    fn measure(&mut self, len: usize, pushed: bool, mss: u16) {
        let len = len.min(usize::from(u16::MAX)) as u16;
        if len >= self.rcv_mss {
            self.rcv_mss = len.min(mss).max(self.rcv_mss.min(mss));
            if pushed {
                self.pushed = self.pushed.max(1);
            }
            return;
        }
        if len >= RCV_MSS_INITIAL || (len >= RCV_MSS_MIN && !pushed) {
            if len == self.last_size {
                self.rcv_mss = len;
                return;
            }
            self.last_size = len;
        }
        self.pushed = (self.pushed + 1).min(2);
    }

    fn refill(&mut self, window: u32) {
        self.refill_up_to(QUICK_ACKS_MAX, window);
    }

    fn refill_up_to(&mut self, most: u8, window: u32) {
        let budget = window / (2 * u32::from(self.rcv_mss).max(1));
        let budget = if budget == 0 { 2 } else { budget.min(u32::from(most)) };
        self.quick = self.quick.max(budget as u8);
    }

    /// Something happened that the peer should soon know of, such as a mark of congestion: two quick ACKs.
    pub(super) fn hurry(&mut self, window: u32) {
        self.refill_up_to(2, window);
        self.pingpong = 0;
        self.ato_ms = ATO_MIN_MS;
    }

    /// The peer seems to have lost our ACKs (a duplicate came): be quick again.
    pub(super) fn on_duplicate(&mut self, window: u32) {
        self.refill(window);
        self.pingpong = 0;
        self.ato_ms = ATO_MIN_MS;
        self.scheduled = true;
    }

    /// The window is nearly used up: no budget while memory is short.
    pub(super) fn on_short_window(&mut self) {
        self.quick = 0;
    }

    /// The peer's FIN arrived while we may still answer: let the answer, or our FIN, carry the ACK.
    pub(super) fn on_fin(&mut self, threshold: u8) {
        self.pingpong = threshold;
        self.scheduled = true;
    }

    /// We sent data: soon after receiving some, that makes the exchange interactive.
    pub(super) fn on_data_sent(&mut self, now: Instant) {
        let gap_ms = (now.as_millis() as u32).wrapping_sub(self.last_data_ms);
        if gap_ms < u32::from(self.ato_ms) {
            self.pingpong = self.pingpong.saturating_add(1);
        }
    }

    /// A segment with ACK left.
    pub(super) fn on_ack_sent(&mut self) {
        self.due = None;
        self.scheduled = false;
        self.pushed = 0;
        if self.quick > 0 {
            self.quick -= 1;
            if self.quick == 0 {
                self.ato_ms = ATO_MIN_MS;
            }
        }
    }

    /// Whether the owed ACK leaves now.
    pub(super) fn is_immediate(&self, owed: Owed, threshold: u8) -> bool {
        let second_full_segment = owed.unacknowledged > u32::from(self.rcv_mss) && owed.window_holds;
        let quick = self.quick > 0 && self.pingpong < threshold;
        second_full_segment || quick || owed.out_of_order
    }

    /// Arms the wait for an owed ACK, at most `max`. Returns true if so little of a wait already under way is left that
    /// the ACK may as well leave now.
    pub(super) fn delay(&mut self, now: Instant, srtt: Duration, threshold: u8, max: Duration) -> bool {
        let mut ato_ms = self.ato_ms;
        if ato_ms > ATO_MIN_MS {
            let interactive = self.pingpong >= threshold || self.pushed > 0;
            let mut max_ms = if interactive { ATO_MAX_MS } else { ATO_BULK_MAX_MS };
            if !srtt.is_zero() {
                let srtt_ms = srtt.as_millis().min(u128::from(u16::MAX)) as u16;
                max_ms = max_ms.min(srtt_ms.max(ATO_MIN_MS));
            }
            ato_ms = ato_ms.min(max_ms);
        }
        // Before any data (a lone FIN) the wait is one tick.
        let wait = Duration::from_millis(u64::from(ato_ms.max(1))).min(max);
        let at = now + wait;
        match self.due {
            Some(due) if due <= now + wait / 4 => true,
            Some(due) => {
                self.due = Some(due.min(at));
                false
            }
            None => {
                self.due = Some(at);
                false
            }
        }
    }

    /// The wait is over. Returns whether an ACK is still owed; it leaves now.
    pub(super) fn on_timeout(&mut self, rto: Duration, threshold: u8) -> bool {
        self.due = None;
        if !self.scheduled {
            return false;
        }
        if self.pingpong < threshold {
            let rto_ms = rto.as_millis().min(u128::from(u16::MAX)) as u16;
            self.ato_ms = self.ato_ms.saturating_mul(2).min(rto_ms);
        } else {
            self.pingpong = 0;
            self.ato_ms = ATO_MIN_MS;
        }
        true
    }

    /// The application emptied the queue: whether the owed ACK leaves now, because a second full segment waits for it
    /// or because a small write of the peer is complete and we have nothing to say.
    pub(super) fn is_due_after_read(&self, unacknowledged: u32, drained: bool, threshold: u8) -> bool {
        let interactive = self.pingpong >= threshold;
        self.scheduled
            && (unacknowledged > u32::from(self.rcv_mss)
                || (drained && (self.pushed > 1 || (self.pushed > 0 && !interactive))))
    }

    /// `TCP_QUICKACK`: leave interactive mode and acknowledge at once; false enters it.
    pub(super) fn set_quickack(&mut self, on: bool, threshold: u8) {
        self.pingpong = if on { 0 } else { threshold };
    }

    /// Whether ACKs leave at once rather than wait for an answer to carry them.
    pub(super) const fn is_quick(&self, threshold: u8) -> bool {
        self.pingpong < threshold
    }

    pub(super) const fn is_scheduled(&self) -> bool {
        self.scheduled
    }

    pub(super) fn clear(&mut self) {
        self.due = None;
        self.scheduled = false;
    }
}
