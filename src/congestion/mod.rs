//! How much may be in flight: the congestion window, counted in segments as Linux counts it (RFC 5681).
//!
//! The window and threshold stand here; how they grow and shrink is the algorithm's, one file each. What is *lost* is
//! `tcp::recovery`'s to say.

pub mod cubic;
pub mod newreno;

use crate::time::Instant;
use core::fmt;
use core::str::FromStr;
use cubic::{Cubic, Round};

/// The window every connection starts with, in segments (RFC 6928; Linux `TCP_INIT_CWND`).
pub const INITIAL_WINDOW: u32 = 10;
/// `ssthresh` before any loss (Linux `TCP_INFINITE_SSTHRESH`).
pub const INFINITE_SSTHRESH: u32 = 0x7fff_ffff;
/// No reduction goes below this many segments.
const SSTHRESH_MIN: u32 = 2;

/// Which algorithm decides, under Linux's names (`tcp_congestion_control`, `TCP_CONGESTION`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CongestionControl {
    /// `reno` (RFC 5681).
    Reno,
    /// `cubic` (RFC 9438): Linux's default.
    #[default]
    Cubic,
}

impl fmt::Display for CongestionControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reno => "reno",
            Self::Cubic => "cubic",
        })
    }
}

/// Not the name of an algorithm that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCongestionControl;

impl FromStr for CongestionControl {
    type Err = UnknownCongestionControl;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "reno" => Ok(Self::Reno),
            "cubic" => Ok(Self::Cubic),
            _ => Err(UnknownCongestionControl),
        }
    }
}

/// The congestion window of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Congestion {
    /// Segments that may be in flight.
    pub cwnd: u32,
    /// Below it the window doubles each round trip.
    pub ssthresh: u32,
    /// Segments acknowledged since the window last grew, in congestion avoidance (Linux `snd_cwnd_cnt`).
    counted: u32,
    /// CUBIC's `W_max`, in segments; 0 before any loss. Windows above 65535 segments count as that.
    last_max_cwnd: u16,
    control: CongestionControl,
    /// The algorithm was chosen again: what is left of an earlier one counts no more.
    is_renewed: bool,
}

impl Congestion {
    /// A fresh connection's.
    pub const fn new(control: CongestionControl) -> Self {
        let (cwnd, ssthresh) = (INITIAL_WINDOW, INFINITE_SSTHRESH);
        Self { cwnd, ssthresh, counted: 0, last_max_cwnd: 0, control, is_renewed: false }
    }

    /// Another algorithm takes over: the window and its threshold stay, and it knows nothing of what was before (Linux
    /// `tcp_reinit_congestion_control`). The same again changes nothing.
    pub fn choose(&mut self, control: CongestionControl) {
        if control != self.control {
            self.control = control;
            self.last_max_cwnd = 0;
            self.is_renewed = true;
        }
    }

    fn renew(&mut self, cubic: &mut Cubic) {
        if core::mem::take(&mut self.is_renewed) {
            *cubic = Cubic::new();
        }
    }

    /// The algorithm.
    pub const fn control(&self) -> CongestionControl {
        self.control
    }

    /// Whether the window still doubles each round trip.
    pub const fn in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    /// The threshold that an undone reduction goes back to (Linux `tcp_current_ssthresh`).
    pub const fn current_ssthresh(&self) -> u32 {
        let now = self.cwnd / 2 + self.cwnd / 4;
        if self.ssthresh > now { self.ssthresh } else { now }
    }

    /// `acked` segments were acknowledged while the window was the limit.
    pub fn on_ack(&mut self, cubic: &mut Cubic, acked: u32, now: Instant) {
        self.renew(cubic);
        let left = self.slow_start(acked);
        if left > 0 {
            let acks = match self.control {
                CongestionControl::Reno => self.cwnd,
                CongestionControl::Cubic => cubic.acks_for_one_more(self, left, now),
            };
            self.avoid(acks.max(1), left);
        }
    }

    /// Grows by what was acknowledged, up to the threshold; returns what is left over.
    fn slow_start(&mut self, acked: u32) -> u32 {
        if !self.in_slow_start() {
            return acked;
        }
        let grown = self.cwnd.saturating_add(acked).min(self.ssthresh);
        let left = acked - (grown - self.cwnd);
        self.cwnd = grown;
        left
    }

    /// One segment more for each `acks` acknowledged (Linux `tcp_cong_avoid_ai`).
    fn avoid(&mut self, acks: u32, acked: u32) {
        if self.counted >= acks {
            // Credit from when growth was slower is paid out gently.
            self.counted = 0;
            self.cwnd = self.cwnd.saturating_add(1);
        }
        self.counted = self.counted.saturating_add(acked);
        self.cwnd = self.cwnd.saturating_add(self.counted / acks);
        self.counted %= acks;
    }

    /// A round-trip sample came with an ACK. CUBIC may end slow start here; returns whether it did.
    pub fn on_sample(&mut self, cubic: &mut Cubic, rtt_us: u32, round: Round) -> bool {
        self.renew(cubic);
        let ends = self.control == CongestionControl::Cubic && cubic.on_sample(self, rtt_us, round);
        if ends {
            self.ssthresh = self.cwnd;
        }
        ends
    }

    /// The threshold after a loss, of the window as it stands. The window itself is the caller's to move.
    pub fn reduce(&mut self, cubic: &mut Cubic) {
        self.renew(cubic);
        self.counted = 0;
        self.ssthresh = match self.control {
            CongestionControl::Reno => newreno::ssthresh(self.cwnd),
            CongestionControl::Cubic => cubic.on_reduction(self),
        }
        .max(SSTHRESH_MIN);
    }

    /// The retransmission timer fired; `in_flight` segments may still be under way (RFC 5681 3.1).
    pub fn on_timeout(&mut self, cubic: &mut Cubic, in_flight: u32, round: Round) {
        self.renew(cubic);
        self.cwnd = in_flight + 1;
        self.counted = 0;
        if self.control == CongestionControl::Cubic {
            cubic.on_timeout(self, round.now, round.snd_nxt);
        }
    }

    /// The connection idled for `periods` retransmission timeouts: halve for each, not below what a new connection gets
    /// (RFC 2861; Linux `tcp_cwnd_restart`).
    pub fn on_idle(&mut self, periods: u32) {
        let floor = self.cwnd.min(INITIAL_WINDOW);
        self.ssthresh = self.current_ssthresh();
        self.cwnd = self.cwnd.checked_shr(periods).unwrap_or(0).max(floor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RENO: CongestionControl = CongestionControl::Reno;

    #[test]
    fn slow_start_doubles_then_avoidance_adds_one_a_round_trip() {
        let (mut congestion, mut cubic) = (Congestion { ssthresh: 20, ..Congestion::new(RENO) }, Cubic::new());
        congestion.on_ack(&mut cubic, 10, Instant::ORIGIN);
        assert_eq!(congestion.cwnd, 20);
        for _ in 0..20 {
            congestion.on_ack(&mut cubic, 1, Instant::ORIGIN);
        }
        assert_eq!(congestion.cwnd, 21);
    }

    #[test]
    fn a_reduction_halves_with_reno_and_takes_three_tenths_with_cubic() {
        for (control, ssthresh) in [(RENO, 20), (CongestionControl::Cubic, 28)] {
            let mut congestion = Congestion { cwnd: 40, ..Congestion::new(control) };
            congestion.reduce(&mut Cubic::new());
            assert_eq!((congestion.cwnd, congestion.ssthresh), (40, ssthresh));
        }
        let mut tiny = Congestion { cwnd: 1, ..Congestion::new(RENO) };
        tiny.reduce(&mut Cubic::new());
        assert_eq!(tiny.ssthresh, 2);
    }

    #[test]
    fn another_algorithm_keeps_the_window_and_forgets_the_past() {
        let (mut congestion, mut cubic) = (Congestion::new(CongestionControl::Cubic), Cubic::new());
        congestion.cwnd = 100;
        congestion.reduce(&mut cubic);
        congestion.cwnd = 70;
        congestion.on_ack(&mut cubic, 10, Instant::from_secs(1));
        assert_ne!((congestion.last_max_cwnd, cubic), (0, Cubic::new()));
        congestion.choose(RENO);
        assert_eq!((congestion.cwnd, congestion.ssthresh, congestion.last_max_cwnd), (70, 70, 0));
        congestion.on_ack(&mut cubic, 1, Instant::from_secs(2));
        assert_eq!(cubic, Cubic::new());
    }

    #[test]
    fn idling_halves_down_to_the_initial_window() {
        let mut congestion = Congestion { cwnd: 42, ..Congestion::new(RENO) };
        congestion.on_idle(1);
        assert_eq!(congestion.cwnd, 21);
        congestion.on_idle(70);
        assert_eq!(congestion.cwnd, 10);
    }

    #[test]
    fn names_are_linux_s() {
        for control in [RENO, CongestionControl::Cubic] {
            use alloc::string::ToString;
            assert_eq!(control.to_string().parse(), Ok(control));
        }
        assert_eq!("bbr".parse::<CongestionControl>(), Err(UnknownCongestionControl));
    }
}
