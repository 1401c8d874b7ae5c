//! Was a reduction needless? Then the window is put back (RFC 3522 and RFC 4015, Eifel; RFC 3708, DSACK; Linux
//! `tcp_may_undo` and its callers).
//!
//! Two witnesses: the timestamp that an ACK echoes is older than the first retransmission, so the first copy had
//! arrived; or the peer reports every retransmission as a duplicate.

use super::rack::REO_WND_PERSIST;
use super::{CaState, has_resent};
use crate::buf::{Buffers, Marks};
use crate::tcp::acked::Acked;
use crate::tcp::conn::Conn;
use crate::tcp::flags::ConnFlags;
use crate::wire::Header;

/// Whether a reduction was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undo {
    Done,
    Not,
}

impl Conn {
    /// A reduction begins that may prove needless (`tcp_init_undo`).
    pub(super) fn mark_for_undo(&mut self, buffers: &mut impl Buffers) {
        let una = self.snd_una;
        let board = buffers.scoreboard_mut();
        board.undo_marker = Some(una);
        board.undo_retrans = if board.retrans_out > 0 { board.retrans_out.cast_signed() } else { -1 };
    }

    /// `tcp_may_undo`.
    fn may_undo(&self, header: &Header, buffers: &impl Buffers) -> bool {
        let board = buffers.scoreboard();
        board.undo_marker.is_some() && (board.undo_retrans == 0 || self.is_only_late(header))
    }

    /// Whether what is acknowledged was late, not lost (`tcp_packet_delayed`).
    fn is_only_late(&self, header: &Header) -> bool {
        self.retransmission.since.is_none_or(|since| self.echo_before(header, since))
    }

    /// Puts window and threshold back (`tcp_undo_cwnd_reduction`).
    fn put_back(&mut self, unmark: bool, buffers: &mut impl Buffers) {
        if unmark {
            for index in 0..buffers.sent_len() {
                let Some(mut sent) = buffers.sent(index) else { break };
                sent.marks = sent.marks.without(Marks::LOST);
                buffers.set_sent(index, sent);
            }
            buffers.scoreboard_mut().lost_out = 0;
        }
        let board = buffers.scoreboard_mut();
        if board.prior_ssthresh > 0 {
            self.congestion.cwnd = self.congestion.cwnd.max(board.prior_cwnd);
            if board.prior_ssthresh > self.congestion.ssthresh {
                self.congestion.ssthresh = board.prior_ssthresh;
                self.flags.set(ConnFlags::ECN_QUEUE_CWR, false);
            }
        }
        board.undo_marker = None;
        // Losses are to be judged anew.
        board.rack.advanced = true;
    }

    /// At the end of an episode. True if it goes on for now: without SACK the last ACK of it must not be taken for the
    /// first of the next (RFC 6582 3.2 step 1; `tcp_try_undo_recovery`).
    pub(super) fn try_undo_recovery(&mut self, header: &Header, buffers: &mut impl Buffers) -> bool {
        if self.may_undo(header, buffers) {
            self.put_back(false, buffers);
        } else {
            let rack = &mut buffers.scoreboard_mut().rack;
            rack.reo_wnd_persist = rack.reo_wnd_persist.saturating_sub(1);
        }
        if self.must_not_reopen(buffers) {
            return true;
        }
        self.recovery.state = CaState::Open;
        false
    }

    fn must_not_reopen(&mut self, buffers: &impl Buffers) -> bool {
        let held = !self.has_sack() && self.snd_una == self.recovery.high_seq;
        if held && !has_resent(buffers) {
            self.retransmission.on_episode_end();
        }
        held
    }

    /// Every retransmission was reported as a duplicate.
    pub(super) fn try_undo_dsack(&mut self, buffers: &mut impl Buffers) -> Undo {
        let board = buffers.scoreboard_mut();
        if board.undo_marker.is_none() || board.undo_retrans != 0 {
            return Undo::Not;
        }
        board.rack.reo_wnd_persist = board.rack.reo_wnd_persist.saturating_add(1).min(REO_WND_PERSIST);
        self.put_back(false, buffers);
        Undo::Done
    }

    /// A timeout was spurious: by F-RTO, or by the witnesses above.
    pub(super) fn try_undo_loss(&mut self, header: &Header, by_frto: bool, buffers: &mut impl Buffers) -> bool {
        if !by_frto && !self.may_undo(header, buffers) {
            return false;
        }
        self.put_back(true, buffers);
        self.retransmission.on_progress();
        if !self.must_not_reopen(buffers) && (by_frto || self.has_sack()) {
            self.recovery.state = CaState::Open;
        }
        true
    }

    /// A hole was filled by what was only late. True if nothing more shall be marked or resent until the copies have
    /// come back (`tcp_try_undo_partial`).
    pub(super) fn try_undo_partial(&mut self, header: &Header, acked: &Acked, buffers: &mut impl Buffers) -> bool {
        if buffers.scoreboard().undo_marker.is_none() || !self.is_only_late(header) {
            return false;
        }
        self.note_reordering(acked.prior_una, buffers);
        if buffers.scoreboard().retrans_out > 0 {
            return true;
        }
        if !has_resent(buffers) {
            self.retransmission.on_episode_end();
        }
        self.put_back(true, buffers);
        self.keep_open(buffers);
        false
    }
}
