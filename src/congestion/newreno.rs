//! Reno's growth and reduction (RFC 5681 3.1; Linux `tcp_reno_cong_avoid`, `tcp_reno_ssthresh`).

use super::Congestion;

/// Half the window.
pub const fn ssthresh(cwnd: u32) -> u32 {
    cwnd / 2
}

/// Slow start grows by what was acknowledged, up to the threshold; what is left over grows the window by one segment
/// for each full window of ACKs.
pub fn on_ack(congestion: &mut Congestion, acked: u32) {
    let mut left = acked;
    if congestion.in_slow_start() {
        let grown = congestion.cwnd.saturating_add(left).min(congestion.ssthresh);
        left -= grown - congestion.cwnd;
        congestion.cwnd = grown;
    }
    congestion.counted = congestion.counted.saturating_add(left);
    if congestion.counted >= congestion.cwnd {
        congestion.cwnd += congestion.counted / congestion.cwnd;
        congestion.counted = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_start_doubles_then_avoidance_adds_one_a_round_trip() {
        let mut congestion = Congestion { ssthresh: 20, ..Congestion::new() };
        congestion.on_ack(10);
        assert_eq!(congestion.cwnd, 20);
        for _ in 0..20 {
            congestion.on_ack(1);
        }
        assert_eq!(congestion.cwnd, 21);
    }

    #[test]
    fn a_timeout_leaves_one_segment_and_lowers_the_threshold_once() {
        let mut congestion = Congestion { cwnd: 40, ..Congestion::new() };
        congestion.on_timeout(true);
        assert_eq!((congestion.cwnd, congestion.ssthresh), (1, 20));
        congestion.on_timeout(false);
        assert_eq!((congestion.cwnd, congestion.ssthresh), (1, 20));
    }

    #[test]
    fn idling_halves_down_to_the_initial_window() {
        let mut congestion = Congestion { cwnd: 42, ..Congestion::new() };
        congestion.on_idle(1);
        assert_eq!(congestion.cwnd, 21);
        congestion.on_idle(70);
        assert_eq!(congestion.cwnd, 10);
    }
}
