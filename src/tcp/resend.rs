//! A segment goes again: trimmed of what is acknowledged, cut to what the path carries now, and counted (Linux
//! `__tcp_retransmit_skb`, `tcp_trim_head`, `tcp_fragment`).

use super::Env;
use super::conn::Conn;
use super::emit::{Emit, EmitKind};
use super::flags::Wants;
use super::recovery::CaState;
use super::timers::Purpose;
use crate::buf::{Buffers, Marks, Sent};
use crate::wire::Ecn;

impl Conn {
    /// Resends one record, trimmed of what is acknowledged, and cut to the MSS if that shrank since.
    pub(super) fn send_again(&mut self, env: &Env<'_>, buffers: &mut impl Buffers, index: usize) -> Option<Emit> {
        let forced = self.wants.take(Wants::HEAD);
        // A timeout has set its own timer, backed off.
        let by_timer = forced && self.recovery.state == CaState::Loss;
        let before = self.before(by_timer);
        self.trim_acknowledged(buffers, index);
        self.cut_to_limit(buffers, index);
        let mut sent = buffers.sent(index)?;
        sent.sent_at = env.now;
        sent.marks = sent.marks.with(Marks::EVER_RETRANSMITTED);
        let tail = self.wants.has(Wants::TAIL);
        let board = buffers.scoreboard_mut();
        board.resent_total = board.resent_total.saturating_add(1);
        sent.order = board.next_order();
        buffers.set_sent(index, sent);
        if tail {
            self.on_tail_probe_sent(buffers);
        } else {
            self.on_resent(index, buffers);
            self.retransmission.on_retransmitted(env.now);
            let doubtful = self.write_timer.purpose == Purpose::Reordering && self.write_timer.at.is_some();
            if self.write_timer.at.is_none() || (index == 0 && !by_timer && !doubtful) {
                self.restart_retransmission_timer(env, buffers);
            }
        }
        let offset = sent.seq.distance(self.snd_una);
        let bytes = sent.len - u32::from(sent.marks.has(Marks::FIN));
        let kind = if tail { EmitKind::TailLossProbe } else { EmitKind::Retransmission };
        // A full table of records left the segment uncut: its beginning goes, and what is acknowledged is trimmed.
        let len = bytes.min(self.resend_limit(buffers));
        let totals = &mut buffers.scoreboard_mut().totals;
        totals.bytes_sent += u64::from(len);
        totals.bytes_retrans += u64::from(len);
        let marks = if len < bytes { sent.marks.without(Marks::FIN).without(Marks::PSH) } else { sent.marks };
        let header = self.data_header(env, buffers, sent.seq, marks, len);
        Some(Emit { header, offset: offset as usize, len: len as usize, kind, ecn: Ecn::NotEct, before })
    }

    /// Forgets the part of a record left of `snd_una` (Linux `tcp_trim_head`). Comes before cutting, which could
    /// otherwise leave a piece of which nothing is left to send.
    fn trim_acknowledged(&self, buffers: &mut impl Buffers, index: usize) {
        let Some(mut sent) = buffers.sent(index) else { return };
        if sent.seq.before(self.snd_una) {
            sent.len -= self.snd_una.distance(sent.seq);
            sent.seq = self.snd_una;
            buffers.set_sent(index, sent);
        }
    }

    fn resend_limit(&self, buffers: &impl Buffers) -> u32 {
        self.segment_limit(buffers).min(u32::from(self.mss)).max(1)
    }

    /// Splits a record that is longer than a segment may be now (Linux `tcp_fragment`).
    fn cut_to_limit(&mut self, buffers: &mut impl Buffers, index: usize) {
        let limit = self.resend_limit(buffers);
        let Some(mut head) = buffers.sent(index) else { return };
        let bytes = head.len - u32::from(head.marks.has(Marks::FIN));
        if bytes <= limit || !buffers.has_sent_room(1) {
            return;
        }
        let tail = Sent { seq: head.seq + limit, len: head.len - limit, ..head };
        head.len = limit;
        head.marks = head.marks.without(Marks::FIN).without(Marks::PSH);
        buffers.set_sent(index, head);
        let inserted = buffers.insert_sent(index + 1, tail);
        debug_assert!(inserted.is_ok(), "room was asked for");
        Self::count_piece(&tail, buffers);
    }
}
