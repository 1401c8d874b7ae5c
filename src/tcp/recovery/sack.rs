//! What the peer reports holding (RFC 2018, RFC 2883, RFC 6675; Linux `tcp_sacktag_write_queue`).

use super::{Env, REORDERING_MAX, index_at};
use crate::buf::{Buffers, Marks, Sent};
use crate::seq::SeqNum;
use crate::tcp::acked::Acked;
use crate::tcp::conn::Conn;
use crate::tcp::recovery::CaState;
use crate::wire::{Header, SackBlock, SackBlocks};

impl Conn {
    /// Takes in the SACK blocks of an ACK. `snd_una` has moved already, the records behind it are still there.
    pub(in crate::tcp) fn take_sack(
        &mut self,
        env: &Env<'_>,
        header: &Header,
        prior_una: SeqNum,
        acked: &mut Acked,
        buffers: &mut impl Buffers,
    ) {
        let blocks = header.options.sack.as_slice();
        if !self.has_sack() || blocks.is_empty() {
            return;
        }
        if buffers.scoreboard().sacked_out == 0 {
            buffers.scoreboard_mut().fack = self.snd_una;
        }
        let reports_duplicate = self.take_duplicate_report(blocks, header.ack, prior_una, acked, buffers);
        let mut ascending = [(SackBlock::default(), false); SackBlocks::MAX];
        for (number, (slot, block)) in ascending.iter_mut().zip(blocks).enumerate() {
            *slot = (*block, reports_duplicate && number == 0);
        }
        let ascending = &mut ascending[..blocks.len()];
        // The newest block comes first. Taken in that order, those below it would look like reordering.
        let origin = self.snd_una - HALF_SPACE;
        ascending.sort_unstable_by_key(|(block, _)| block.start.distance(origin));
        for (block, duplicate) in ascending {
            if self.is_block_valid(*block, *duplicate, buffers) {
                self.tag_block(env, *block, *duplicate, acked, buffers);
            }
        }
        if self.recovery.state != CaState::Loss || buffers.scoreboard().undo_marker.is_some() {
            self.note_reordering(acked.lowest_reordered, buffers);
        }
    }

    /// RFC 2883 4: the first block repeats what is acknowledged, or what the second reports: a needless copy arrived.
    fn take_duplicate_report(
        &mut self,
        blocks: &[SackBlock],
        ack: SeqNum,
        prior_una: SeqNum,
        acked: &mut Acked,
        buffers: &mut impl Buffers,
    ) -> bool {
        let first = blocks[0];
        let inside_second = blocks
            .get(1)
            .is_some_and(|second| first.end.at_or_before(second.end) && first.start.at_or_after(second.start));
        if !first.start.before(ack) && !inside_second {
            return false;
        }
        let len = first.end.distance(first.start);
        if !first.start.before(first.end) || len > self.max_window {
            return false;
        }
        let mss = u32::from(self.mss);
        let copies = if len > mss { len.div_ceil(mss) } else { 1 };
        let board = buffers.scoreboard_mut();
        let answers_probe = len <= mss && board.tlp_high_seq == Some(first.end);
        board.totals.dsack_dups = board.totals.dsack_dups.saturating_add(copies);
        board.dsack_total = board.dsack_total.saturating_add(copies);
        if board.dsack_total > board.resent_total {
            // Nobody received more copies than were made (Linux `tcp_dsack_seen`).
            return false;
        }
        acked.dsack = true;
        acked.dsack_of_probe |= answers_probe;
        acked.delivered_out_of_order += copies;
        if self.recovery.reordering_seen && !answers_probe {
            board.rack.dsack_seen = true;
        }
        // What is forgotten already is counted without looking.
        let of_episode = board.undo_marker.is_some_and(|marker| first.end.after(marker));
        if of_episode && board.undo_retrans > 0 && first.end.at_or_before(prior_una) {
            board.undo_retrans = board.undo_retrans.saturating_sub_unsigned(copies).max(0);
        }
        true
    }

    /// A block that is inverted, or of what was never sent, says nothing (`tcp_is_sackblock_valid`).
    fn is_block_valid(&self, block: SackBlock, duplicate: bool, buffers: &impl Buffers) -> bool {
        let (start, end) = (block.start, block.end);
        if end.after(self.snd_nxt) || !start.before(end) || !start.before(self.snd_nxt) {
            return false;
        }
        if start.after(self.snd_una) {
            return true;
        }
        let Some(marker) = buffers.scoreboard().undo_marker.filter(|_| duplicate) else { return false };
        if end.after(self.snd_una) {
            return false;
        }
        start.at_or_after(marker) || (end.after(marker) && start.at_or_after(end - self.max_window))
    }

    /// Marks the segments that lie in `block` as a whole.
    fn tag_block(
        &mut self,
        env: &Env<'_>,
        block: SackBlock,
        duplicate: bool,
        acked: &mut Acked,
        buffers: &mut impl Buffers,
    ) {
        for index in index_at(buffers, block.start)..buffers.sent_len() {
            let Some(sent) = buffers.sent(index) else { break };
            if sent.seq.at_or_after(block.end) {
                break;
            }
            if sent.seq.at_or_after(block.start) && sent.end().at_or_before(block.end) {
                let tagged = self.tag(env, sent, duplicate, acked, buffers);
                buffers.set_sent(index, tagged);
            }
        }
    }

    /// One segment is reported held (`tcp_sacktag_one`).
    fn tag(
        &mut self,
        env: &Env<'_>,
        mut sent: Sent,
        duplicate: bool,
        acked: &mut Acked,
        buffers: &mut impl Buffers,
    ) -> Sent {
        let end = sent.end();
        let resent_ever = sent.marks.has(Marks::RESENT);
        if duplicate && resent_ever {
            let board = buffers.scoreboard_mut();
            if board.undo_retrans > 0 && board.undo_marker.is_some_and(|marker| end.after(marker)) {
                board.undo_retrans -= 1;
            }
            if sent.marks.has(Marks::SACKED) {
                acked.lowest_reordered = acked.lowest_reordered.min(sent.seq);
            }
        }
        if end.at_or_before(self.snd_una) {
            // It is about to be dropped.
            return sent;
        }
        if !sent.marks.has(Marks::SACKED) {
            self.rack_advance(env, &sent, buffers);
            let high_seq = self.recovery.high_seq;
            let board = buffers.scoreboard_mut();
            if sent.marks.has(Marks::RETRANSMITTED) {
                // Not taken for lost again: the copy may still be under way.
                if sent.marks.has(Marks::LOST) {
                    sent.marks = sent.marks.without(Marks::LOST).without(Marks::RETRANSMITTED);
                    board.lost_out -= 1;
                    board.retrans_out -= 1;
                }
            } else {
                if !resent_ever {
                    if sent.seq.before(board.fack) {
                        acked.lowest_reordered = acked.lowest_reordered.min(sent.seq);
                    }
                    acked.original_arrived |= end.at_or_before(high_seq);
                    acked.first_sacked_at.get_or_insert(sent.sent_at);
                    acked.last_sacked_at = Some(sent.sent_at);
                }
                if sent.marks.has(Marks::LOST) {
                    sent.marks = sent.marks.without(Marks::LOST);
                    board.lost_out -= 1;
                }
            }
            sent.marks = sent.marks.with(Marks::SACKED);
            board.sacked_out += 1;
            board.fack = board.fack.max(end);
            acked.sacked = true;
            acked.delivered_out_of_order += 1;
            acked.note_delivered(&sent);
        }
        if duplicate && sent.marks.has(Marks::RETRANSMITTED) {
            sent.marks = sent.marks.without(Marks::RETRANSMITTED);
            buffers.scoreboard_mut().retrans_out -= 1;
        }
        sent
    }

    /// Something below what is reported held arrived without having been resent: the path reorders, by so much
    /// (`tcp_check_sack_reordering`).
    pub(in crate::tcp) fn note_reordering(&mut self, lowest: SeqNum, buffers: &mut impl Buffers) {
        self.note_reordering_below(lowest, self.highest_held(buffers), buffers);
    }

    pub(in crate::tcp) fn note_reordering_below(&mut self, lowest: SeqNum, fack: SeqNum, buffers: &mut impl Buffers) {
        if !lowest.before(fack) {
            return;
        }
        let segments = fack.distance(lowest).div_ceil(u32::from(self.mss));
        if fack.distance(lowest) > u32::from(self.recovery.reordering) * u32::from(self.mss) {
            self.recovery.reordering = segments.min(REORDERING_MAX) as u16;
        }
        self.recovery.reordering_seen = true;
        buffers.scoreboard_mut().totals.reord_seen += 1;
    }

    /// One past the highest segment reported held (`tcp_highest_sack_seq`).
    pub(in crate::tcp) fn highest_held(&self, buffers: &impl Buffers) -> SeqNum {
        let board = buffers.scoreboard();
        if board.sacked_out == 0 { self.snd_una } else { board.fack }
    }
}

/// Half of the sequence space: less than anything that is compared here is away.
const HALF_SPACE: u32 = 1 << 31;
