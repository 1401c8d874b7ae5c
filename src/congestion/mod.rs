//! How much may be in flight: the congestion window, counted in segments as Linux counts it (RFC 5681).
//!
//! The window and threshold stand here; how they grow on an ACK is the algorithm's, one file each. Only `NewReno` so
//! far. What is *lost* is `tcp::recovery`'s to say.

pub mod newreno;

/// The window every connection starts with, in segments (RFC 6928; Linux `TCP_INIT_CWND`).
pub const INITIAL_WINDOW: u32 = 10;
/// `ssthresh` before any loss (Linux `TCP_INFINITE_SSTHRESH`).
pub const INFINITE_SSTHRESH: u32 = 0x7fff_ffff;
/// No reduction goes below this many segments.
const SSTHRESH_MIN: u32 = 2;

/// The congestion window of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Congestion {
    /// Segments that may be in flight.
    pub cwnd: u32,
    /// Below it the window doubles each round trip, above it grows by one segment.
    pub ssthresh: u32,
    /// Segments acknowledged since the window last grew, in congestion avoidance.
    counted: u32,
}

impl Congestion {
    /// A fresh connection's.
    pub const fn new() -> Self {
        Self { cwnd: INITIAL_WINDOW, ssthresh: INFINITE_SSTHRESH, counted: 0 }
    }

    /// Whether the window still doubles each round trip.
    pub const fn in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    /// `acked` segments were acknowledged while the window was the limit.
    pub fn on_ack(&mut self, acked: u32) {
        newreno::on_ack(self, acked);
    }

    /// A loss was found by duplicate ACKs: halve (RFC 5681 3.2).
    pub fn on_loss(&mut self) {
        self.ssthresh = newreno::ssthresh(self.cwnd).max(SSTHRESH_MIN);
        self.cwnd = self.ssthresh;
        self.counted = 0;
    }

    /// The retransmission timer fired: one segment, and slow start to half of what was (RFC 5681 3.1). Only the first
    /// timeout of an episode lowers the threshold.
    pub fn on_timeout(&mut self, first_of_episode: bool) {
        if first_of_episode {
            self.ssthresh = newreno::ssthresh(self.cwnd).max(SSTHRESH_MIN);
        }
        self.cwnd = 1;
        self.counted = 0;
    }

    /// The connection idled for `periods` retransmission timeouts: halve for each, not below what a new connection gets
    /// (RFC 2861; Linux `tcp_cwnd_restart`).
    pub fn on_idle(&mut self, periods: u32) {
        let floor = self.cwnd.min(INITIAL_WINDOW);
        self.ssthresh = self.ssthresh.max(self.cwnd / 2 + self.cwnd / 4);
        self.cwnd = self.cwnd.checked_shr(periods).unwrap_or(0).max(floor);
        self.counted = 0;
    }
}

impl Default for Congestion {
    fn default() -> Self {
        Self::new()
    }
}
