//! Without SACK a duplicate ACK stands for one segment that arrived above the hole (RFC 5681 3.2, RFC 6582; Linux
//! `tcp_add_reno_sack` and its neighbours).

use super::{CaState, REORDERING_MAX};
use crate::buf::{Buffers, Marks};
use crate::tcp::acked::Acked;
use crate::tcp::conn::Conn;

impl Conn {
    /// Counts the duplicates of this ACK.
    pub(super) fn add_duplicates(&mut self, acked: &Acked, buffers: &mut impl Buffers) {
        if self.has_sack() || acked.duplicates == 0 {
            return;
        }
        let before = buffers.scoreboard().sacked_out;
        buffers.scoreboard_mut().sacked_out += acked.duplicates;
        self.note_reordering_of_duplicates(0, buffers);
        let board = buffers.scoreboard_mut();
        board.delivered = board.delivered.wrapping_add(board.sacked_out.saturating_sub(before));
    }

    /// An ACK moved on by `segments`: one filled the hole, the rest had been counted as duplicates.
    pub(in crate::tcp) fn take_back_duplicates(&mut self, segments: u32, buffers: &mut impl Buffers) {
        let board = buffers.scoreboard_mut();
        if segments > 0 {
            board.delivered = board.delivered.wrapping_add(segments.saturating_sub(board.sacked_out).max(1));
            board.sacked_out = board.sacked_out.saturating_sub(segments - 1);
        }
        self.note_reordering_of_duplicates(segments, buffers);
    }

    /// More duplicates than could be in flight: some were reordered, not lost.
    fn note_reordering_of_duplicates(&mut self, acked: u32, buffers: &mut impl Buffers) {
        if self.limit_duplicates(buffers) {
            self.recovery.reordering = (buffers.sent_len() as u32 + acked).min(REORDERING_MAX) as u16;
            self.recovery.reordering_seen = true;
            buffers.scoreboard_mut().totals.reord_seen += 1;
        }
    }

    /// At least one segment in flight is missing, or none would be duplicate (`tcp_limit_reno_sacked`).
    pub(super) fn limit_duplicates(&mut self, buffers: &mut impl Buffers) -> bool {
        if self.has_sack() {
            return false;
        }
        let out = buffers.sent_len() as u32;
        let board = buffers.scoreboard_mut();
        let holes = board.lost_out.max(1).min(out);
        let limited = board.sacked_out + holes > out;
        if limited {
            board.sacked_out = out - holes;
        }
        limited
    }

    pub(super) fn forget_duplicates(&mut self, buffers: &mut impl Buffers) {
        if !self.has_sack() {
            buffers.scoreboard_mut().sacked_out = 0;
        }
    }

    /// So many duplicates prove the loss of the first segment; in recovery each partial ACK proves that of the next
    /// (RFC 6582 3.2 step 3).
    pub(super) fn mark_lost_by_duplicates(&mut self, advanced: bool, buffers: &mut impl Buffers) {
        let many = buffers.scoreboard().sacked_out >= u32::from(self.recovery.reordering);
        let state = self.recovery.state;
        if (state < CaState::Recovery && many) || (state == CaState::Recovery && advanced) {
            let known = buffers.sent(0).is_none_or(|head| head.marks.has(Marks::LOST));
            if !known {
                Self::mark_lost(0, buffers);
            }
        }
    }
}
