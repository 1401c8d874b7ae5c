//! Which segments in flight are lost, when do they go again, and how much may be in flight meanwhile? (RFC 8985, RFC
//! 6675, RFC 6582; Linux `tcp_fastretrans_alert`.)
//!
//! | state | meaning | leaves when |
//! |---|---|---|
//! | [`CaState::Open`] | nothing looks wrong | |
//! | [`CaState::Disorder`] | something arrived above a hole; perhaps only early | the hole is filled, or is a loss |
//! | [`CaState::Cwr`] | the window is being reduced for another reason than a loss | `high_seq` is passed |
//! | [`CaState::Recovery`] | losses were found by what arrived, and are resent | `high_seq` is acknowledged |
//! | [`CaState::Loss`] | the timer fired | `high_seq` is acknowledged, or the timeout proves spurious |
//!
//! `high_seq` is `snd_nxt` at the start of an episode.
//!
//! | room | question it answers |
//! |---|---|
//! | `sack` | what does the peer report holding? |
//! | `rack` | which segments are lost, judged by when they were sent? |
//! | `duplicates` | the same without SACK: what do duplicate ACKs stand for? |
//! | `reduction` | how fast does the window shrink? (PRR) |
//! | `loss` | the timer fired: is everything lost, or was the timeout spurious? (F-RTO) |
//! | `undo` | was a reduction needless? Then it is taken back |

mod duplicates;
mod loss;
mod rack;
mod reduction;
mod sack;
mod undo;

use super::Env;
use super::acked::Acked;
use super::conn::Conn;
use super::flags::{ConnFlags, Wants};
use crate::buf::{Buffers, Marks, Sent};
use crate::seq::SeqNum;
use crate::wire::Header;
use undo::Undo;

pub(super) use loss::Resend;
pub(super) use rack::{is_sent_after, micros};

/// The phase of loss recovery (Linux `icsk_ca_state`), from well to unwell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CaState {
    /// Nothing looks wrong.
    Open,
    /// Something arrived above a hole; perhaps only early.
    Disorder,
    /// The window is being reduced for another reason than a loss.
    Cwr,
    /// Losses were found by what arrived, and are resent.
    Recovery,
    /// The timer fired.
    Loss,
}

/// What outlives the flight; the rest is in [`crate::buf::Scoreboard`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recovery {
    /// The episode ends when this is acknowledged.
    pub(super) high_seq: SeqNum,
    /// The least round trip of this connection, in microseconds; `u32::MAX` before any.
    pub(super) min_rtt_us: u32,
    /// So many segments above one that is missing were once only reordered; at least `tcp_reordering`.
    pub(super) reordering: u16,
    /// Whether segments were ever seen to arrive out of order.
    pub(super) reordering_seen: bool,
    pub(super) state: CaState,
}

impl Recovery {
    pub(super) const fn new(iss: SeqNum, reordering: u16) -> Self {
        Self { high_seq: iss, min_rtt_us: u32::MAX, reordering, reordering_seen: false, state: CaState::Open }
    }

    /// Whether the window is being reduced in proportion to what arrives.
    pub(super) const fn is_reducing(&self) -> bool {
        matches!(self.state, CaState::Cwr | CaState::Recovery)
    }
}

impl Conn {
    /// An ACK arrived that looks dubious, or any while something is wrong (`tcp_fastretrans_alert`). Says what may be
    /// resent now.
    pub(super) fn recover(
        &mut self,
        env: &Env<'_>,
        header: &Header,
        acked: &mut Acked,
        buffers: &mut impl Buffers,
    ) -> Resend {
        if acked.echoes_mark {
            // A mark is no misunderstanding: what it reduced stays reduced.
            buffers.scoreboard_mut().prior_ssthresh = 0;
        }
        if acked.reneged && acked.advanced {
            self.on_reneging(env);
            acked.restarts_timer = false;
            return Resend::Nothing;
        }
        if self.recovery.state == CaState::Open {
            self.retransmission.on_episode_end();
        } else if self.snd_una.at_or_after(self.recovery.high_seq) && self.leave_episode(header, buffers) {
            return Resend::Nothing;
        }
        match self.recovery.state {
            CaState::Recovery => self.go_on_recovering(env, header, acked, buffers),
            CaState::Loss => {
                let resend = self.process_loss(header, acked, buffers);
                self.find_losses(env, acked, buffers);
                if self.recovery.state != CaState::Open && !acked.lost_again {
                    return resend;
                }
                self.look_for_trouble(env, acked, buffers)
            }
            _ => self.look_for_trouble(env, acked, buffers),
        }
    }

    /// What was in flight at the start of the episode is acknowledged. True if nothing more is to be done now.
    fn leave_episode(&mut self, header: &Header, buffers: &mut impl Buffers) -> bool {
        match self.recovery.state {
            CaState::Cwr if self.snd_una != self.recovery.high_seq => {
                self.end_reduction(buffers);
                self.recovery.state = CaState::Open;
            }
            CaState::Recovery => {
                self.forget_duplicates(buffers);
                if self.try_undo_recovery(header, buffers) {
                    return true;
                }
                self.end_reduction(buffers);
            }
            _ => {}
        }
        false
    }

    fn go_on_recovering(
        &mut self,
        env: &Env<'_>,
        header: &Header,
        acked: &mut Acked,
        buffers: &mut impl Buffers,
    ) -> Resend {
        if !acked.advanced {
            self.add_duplicates(acked, buffers);
        } else if self.try_undo_partial(header, acked, buffers) {
            return Resend::Nothing;
        }
        if self.try_undo_dsack(buffers) == Undo::Done {
            self.try_to_open(acked, buffers);
        }
        self.find_losses(env, acked, buffers);
        if self.recovery.state != CaState::Recovery {
            if buffers.scoreboard().lost_out == 0 {
                return Resend::Nothing;
            }
            self.enter_recovery(acked.echoes_mark, buffers);
        }
        Resend::Lost
    }

    /// Open, Disorder, CWR: is there a loss?
    fn look_for_trouble(&mut self, env: &Env<'_>, acked: &mut Acked, buffers: &mut impl Buffers) -> Resend {
        if acked.advanced {
            self.forget_duplicates(buffers);
        }
        self.add_duplicates(acked, buffers);
        if self.recovery.state <= CaState::Disorder {
            self.try_undo_dsack(buffers);
        }
        self.find_losses(env, acked, buffers);
        if buffers.scoreboard().lost_out == 0 {
            self.try_to_open(acked, buffers);
            return Resend::Nothing;
        }
        self.enter_recovery(acked.echoes_mark, buffers);
        Resend::Lost
    }

    /// Marks what is lost, by the order of sending or by counting duplicates.
    fn find_losses(&mut self, env: &Env<'_>, acked: &mut Acked, buffers: &mut impl Buffers) {
        if buffers.sent_len() == 0 {
            return;
        }
        if self.has_sack() {
            let resent = buffers.scoreboard().retrans_out;
            if self.mark_lost_by_rack(env, buffers) {
                acked.restarts_timer = false;
            }
            acked.lost_again |= buffers.scoreboard().retrans_out < resent;
        } else {
            self.mark_lost_by_duplicates(acked.advanced, buffers);
        }
    }

    /// Losses were found by what arrived; `by_mark`: and a mark of congestion with them, so that there is no way back
    /// (`tcp_enter_recovery`).
    pub(super) fn enter_recovery(&mut self, by_mark: bool, buffers: &mut impl Buffers) {
        if !has_resent(buffers) {
            self.retransmission.on_episode_end();
        }
        // F-RTO asks about a timeout; here are losses that nobody doubts.
        buffers.scoreboard_mut().frto = false;
        buffers.scoreboard_mut().prior_ssthresh = 0;
        self.mark_for_undo(buffers);
        if !self.recovery.is_reducing() {
            if !by_mark {
                buffers.scoreboard_mut().prior_ssthresh = self.congestion.current_ssthresh();
            }
            self.begin_reduction(buffers);
        }
        self.recovery.state = CaState::Recovery;
    }

    /// Nothing is wrong, or nothing worse than disorder (`tcp_try_to_open`).
    fn try_to_open(&mut self, acked: &Acked, buffers: &mut impl Buffers) {
        if !has_resent(buffers) {
            self.retransmission.on_episode_end();
        }
        self.heed_echo(acked, buffers);
        if self.recovery.state != CaState::Cwr {
            self.keep_open(buffers);
        }
    }

    /// `tcp_try_keep_open`.
    pub(super) fn keep_open(&mut self, buffers: &impl Buffers) {
        let board = buffers.scoreboard();
        let disorder = board.sacked_out + board.lost_out > 0 || has_resent(buffers);
        let state = if disorder { CaState::Disorder } else { CaState::Open };
        if self.recovery.state != state {
            self.recovery.state = state;
            self.recovery.high_seq = self.snd_nxt;
        }
    }

    /// Whether an episode of loss is not over. While it lasts a buffer must be kept even if it holds nothing.
    pub fn is_recovering(&self) -> bool {
        self.recovery.state != CaState::Open
    }

    pub(super) fn has_sack(&self) -> bool {
        self.flags.has(ConnFlags::SACK)
    }

    /// A lost segment, or the head at a timeout, was resent: `index` of the flight.
    pub(super) fn on_resent(&mut self, index: usize, buffers: &mut impl Buffers) {
        let Some(mut sent) = buffers.sent(index) else { return };
        let again = sent.marks.has(Marks::RETRANSMITTED);
        sent.marks = sent.marks.with(Marks::RETRANSMITTED);
        buffers.set_sent(index, sent);
        let reducing = self.recovery.is_reducing();
        let board = buffers.scoreboard_mut();
        board.retrans_out += u32::from(!again);
        board.undo_retrans = board.undo_retrans.max(0).saturating_add(1);
        board.prr_out += u32::from(reducing);
        board.resend_from = board.resend_from.max(sent.end());
    }

    /// Takes a segment for lost; the loss of its retransmission counts anew (`tcp_mark_skb_lost`).
    pub(super) fn mark_lost(index: usize, buffers: &mut impl Buffers) {
        let Some(mut sent) = buffers.sent(index).filter(|sent| !sent.marks.has(Marks::SACKED)) else { return };
        let board = buffers.scoreboard_mut();
        board.resend_from = board.resend_from.min(sent.seq);
        if !sent.marks.has(Marks::LOST) {
            board.lost_out += 1;
        } else if sent.marks.has(Marks::RETRANSMITTED) {
            board.retrans_out = board.retrans_out.saturating_sub(1);
        }
        let lost_again = sent.marks.has(Marks::LOST);
        sent.marks = sent.marks.with(Marks::LOST);
        if lost_again {
            sent.marks = sent.marks.without(Marks::RETRANSMITTED);
        }
        buffers.set_sent(index, sent);
    }

    /// A segment was cut in two: `piece` is one more of its kind.
    pub(super) fn count_piece(piece: &Sent, buffers: &mut impl Buffers) {
        let board = buffers.scoreboard_mut();
        board.lost_out += u32::from(piece.marks.has(Marks::LOST));
        board.retrans_out += u32::from(piece.marks.has(Marks::RETRANSMITTED));
        board.sacked_out += u32::from(piece.marks.has(Marks::SACKED));
    }

    /// The path got narrower: what is too long for it is lost, but not to congestion (`tcp_simple_retransmit`).
    pub(super) fn mark_too_long(&mut self, buffers: &mut impl Buffers) {
        let before = buffers.scoreboard().lost_out;
        for index in 0..buffers.sent_len() {
            let Some(sent) = buffers.sent(index) else { break };
            let bytes = sent.len - u32::from(sent.marks.has(Marks::FIN));
            if bytes > u32::from(self.mss) {
                Self::mark_lost(index, buffers);
            }
        }
        if buffers.scoreboard().lost_out == before {
            return;
        }
        self.limit_duplicates(buffers);
        if self.recovery.state != CaState::Loss {
            self.forget_tail_probe(buffers);
            self.recovery.high_seq = self.snd_nxt;
            self.congestion.ssthresh = self.current_ssthresh();
            let board = buffers.scoreboard_mut();
            board.prior_ssthresh = 0;
            board.undo_marker = None;
            board.frto = false;
            self.recovery.state = CaState::Loss;
        }
    }

    /// Segments left: how far the window was used (`tcp_cwnd_validate`).
    pub(super) fn note_window_use(&mut self, buffers: &mut impl Buffers) {
        let limited = in_flight_segments(buffers) >= self.congestion.cwnd;
        let out = buffers.sent_len() as u32;
        let (una, nxt) = (self.snd_una, self.snd_nxt);
        let was_limited = self.flags.has(ConnFlags::CWND_LIMITED);
        let board = buffers.scoreboard_mut();
        if una.at_or_after(board.cwnd_usage_seq) || limited || (!was_limited && out > board.max_packets_out) {
            self.flags.set(ConnFlags::CWND_LIMITED, limited);
            board.max_packets_out = out;
            board.cwnd_usage_seq = nxt;
        }
    }

    /// Whether the congestion window, not the application, bounds what is sent (`tcp_is_cwnd_limited`).
    pub(super) fn is_window_limited(&self, buffers: &impl Buffers) -> bool {
        self.flags.has(ConnFlags::CWND_LIMITED)
            || (self.congestion.in_slow_start()
                && self.congestion.cwnd < buffers.scoreboard().max_packets_out.saturating_mul(2))
    }

    /// After an ACK was dealt with: F-RTO lets new data go first, and if there is none, resends.
    pub(super) fn resend_after(&mut self, resend: Resend, buffers: &mut impl Buffers) {
        if resend != Resend::NewData {
            return;
        }
        self.wants.set(Wants::PUSH, true);
        if self.next_data(buffers).is_none() {
            buffers.scoreboard_mut().frto = false;
        }
    }

    /// The threshold an undone reduction goes back to: while one is under way, its own (`tcp_current_ssthresh`).
    fn current_ssthresh(&self) -> u32 {
        if self.recovery.is_reducing() { self.congestion.ssthresh } else { self.congestion.current_ssthresh() }
    }
}

/// Whether a retransmission is in flight, or the first segment ever was resent (`tcp_any_retrans_done`).
pub(super) fn has_resent(buffers: &impl Buffers) -> bool {
    buffers.scoreboard().retrans_out > 0
        || buffers.sent(0).is_some_and(|head| head.marks.has(Marks::EVER_RETRANSMITTED))
}

/// Segments believed to be in the network: sent, less those received, less those lost, plus those resent
/// (`tcp_packets_in_flight`).
pub(super) fn in_flight_segments(buffers: &impl Buffers) -> u32 {
    let board = buffers.scoreboard();
    (buffers.sent_len() as u32 + board.retrans_out).saturating_sub(board.sacked_out + board.lost_out)
}

/// The first segment that is lost and has not been resent since, if it may go now.
pub(super) fn next_lost(buffers: &impl Buffers) -> Option<usize> {
    let board = buffers.scoreboard();
    // While a timeout may prove spurious, new data goes instead (RFC 5682 2.1 step 2b).
    if board.lost_out <= board.retrans_out || board.frto {
        return None;
    }
    let from = index_at(buffers, board.resend_from);
    (from..buffers.sent_len()).find(|&index| {
        buffers.sent(index).is_some_and(|sent| {
            sent.marks.has(Marks::LOST) && !sent.marks.has(Marks::RETRANSMITTED) && !sent.marks.has(Marks::SACKED)
        })
    })
}

/// The index of the record that holds `seq`, or of the first behind it.
pub(super) fn index_at(buffers: &impl Buffers, seq: SeqNum) -> usize {
    let (mut low, mut high) = (0, buffers.sent_len());
    while low < high {
        let middle = low.midpoint(high);
        if buffers.sent(middle).is_some_and(|sent| sent.end().at_or_before(seq)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Reordering is not believed beyond this many segments (Linux `tcp_max_reordering`).
const REORDERING_MAX: u32 = 300;
