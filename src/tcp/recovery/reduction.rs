//! The congestion window shrinks in proportion to what arrives, so that sending never stops (RFC 6937, RFC 9937; Linux
//! `tcp_cwnd_reduction`).

use super::{CaState, in_flight_segments};
use crate::buf::Buffers;
use crate::congestion::INFINITE_SSTHRESH;
use crate::tcp::conn::Conn;

impl Conn {
    /// A reduction begins (`tcp_init_cwnd_reduction`).
    pub(in crate::tcp) fn begin_reduction(&mut self, buffers: &mut impl Buffers) {
        self.recovery.high_seq = self.snd_nxt;
        let board = buffers.scoreboard_mut();
        board.tlp_high_seq = None;
        board.prior_cwnd = self.congestion.cwnd;
        board.prr_delivered = 0;
        board.prr_out = 0;
        self.congestion.reduce(&mut board.cubic);
        self.queue_cwr();
    }

    /// `delivered` segments arrived with this ACK. While more is in flight than the threshold, send in proportion;
    /// below it, catch up as slow start would if losses stopped, else only replace what arrived.
    pub(in crate::tcp) fn reduce_in_proportion(
        &mut self,
        delivered: u32,
        lost: bool,
        advanced: bool,
        buffers: &mut impl Buffers,
    ) {
        let in_flight = in_flight_segments(buffers);
        let ssthresh = self.congestion.ssthresh;
        let board = buffers.scoreboard_mut();
        if delivered == 0 || board.prior_cwnd == 0 {
            return;
        }
        board.prr_delivered = board.prr_delivered.saturating_add(delivered);
        let count = if in_flight > ssthresh {
            let share = (u64::from(ssthresh) * u64::from(board.prr_delivered)).div_ceil(u64::from(board.prior_cwnd));
            (share as u32).saturating_sub(board.prr_out)
        } else {
            let behind = board.prr_delivered.saturating_sub(board.prr_out).max(delivered);
            let catching_up = u32::from(advanced && !lost);
            behind.saturating_add(catching_up).min(ssthresh - in_flight)
        };
        // One retransmission leaves at once on entering recovery.
        let count = count.max(u32::from(board.prr_out == 0));
        self.congestion.cwnd = in_flight + count;
    }

    /// The reduction is over: the window is what it was reduced to, unless that was undone (`tcp_end_cwnd_reduction`).
    pub(in crate::tcp) fn end_reduction(&mut self, buffers: &impl Buffers) {
        let stands = self.recovery.state == CaState::Cwr || buffers.scoreboard().undo_marker.is_some();
        if self.congestion.ssthresh < INFINITE_SSTHRESH && stands {
            self.congestion.cwnd = self.congestion.ssthresh;
        }
    }
}
