//! What is reported of data that arrived, and cannot be acknowledged: beyond a gap (SACK, RFC 2018), or again (DSACK,
//! RFC 2883; Linux `tcp_sack_new_ofo_skb`, `tcp_dsack_set`).
//!
//! The first block is the range that changed last, the others follow by how recently they did, so that each is told
//! several times even if ACKs are lost (RFC 2018 4). A duplicate stands before all of them, once.

use super::conn::Conn;
use super::flags::ConnFlags;
use crate::buf::Buffers;
use crate::config::Sysctl;
use crate::wire::{SackBlock, SackBlocks, Segment};

impl Conn {
    /// Something was taken beyond a gap: the range that it is in now is the newest.
    pub(super) fn note_received(&self, received: SackBlock, buffers: &mut impl Buffers) {
        let Some(whole) = self.held_blocks(buffers).find(|held| contains(*held, received)) else { return };
        let inside = |start| whole.start.at_or_before(start) && whole.end.at_or_after(start);
        buffers.tuning_mut().recent.note(whole.start, inside);
    }

    /// The blocks to report: a duplicate, then the ranges held, the newest first.
    pub(super) fn sack_blocks(&self, buffers: &impl Buffers, duplicate: Option<SackBlock>) -> SackBlocks {
        let mut blocks = SackBlocks::EMPTY;
        if self.flags.has(ConnFlags::SACK) {
            let most = self.sack_blocks_max();
            duplicate.into_iter().chain(self.recent_blocks(buffers)).take(most).for_each(|block| {
                blocks.push(block);
            });
        }
        blocks
    }

    /// The ranges held that changed last, newest first.
    fn recent_blocks(&self, buffers: &impl Buffers) -> impl Iterator<Item = SackBlock> {
        let starts = if buffers.held() > 0 { buffers.tuning().recent.starts() } else { &[] };
        starts.iter().filter_map(|&start| self.held_blocks(buffers).find(|held| held.start == start))
    }

    /// Bytes that the report takes in every segment (RFC 2018 3).
    pub(super) fn sack_option_len(&self, buffers: &impl Buffers) -> u32 {
        match self.sack_blocks(buffers, None).as_slice().len() as u32 {
            0 => 0,
            blocks => 4 + 8 * blocks,
        }
    }

    /// How many blocks fit: into 40 bytes of options, and into a packet that shall carry data, too. Only a link below
    /// 88 bytes is short of that.
    pub(super) fn sack_blocks_max(&self) -> usize {
        let by_options = if self.flags.has(ConnFlags::TIMESTAMPS) { 3 } else { 4 };
        by_options.min(usize::from(self.mss).saturating_sub(4 + 8) / 8)
    }

    fn held_blocks(&self, buffers: &impl Buffers) -> impl Iterator<Item = SackBlock> {
        let edge = self.rcv_nxt;
        (0..)
            .map_while(|index| buffers.range(index))
            .map(move |(start, end)| SackBlock { start: edge + start as u32, end: edge + end as u32 })
    }

    /// The part of a segment that lies left of `rcv_nxt`, as a block to report (RFC 2883 4).
    pub(super) fn old_part(&self, sysctl: &Sysctl, segment: &Segment<'_>) -> Option<SackBlock> {
        let start = segment.header.seq;
        let end = (start + segment.payload.len() as u32).min(self.rcv_nxt);
        (self.reports_duplicates(sysctl) && start.before(end)).then_some(SackBlock { start, end })
    }

    pub(super) fn reports_duplicates(&self, sysctl: &Sysctl) -> bool {
        self.flags.has(ConnFlags::SACK) && sysctl.tcp_dsack != 0
    }

    /// The part of what was received that is held already, as a block to report (RFC 2883 4).
    pub(super) fn held_part(&self, sysctl: &Sysctl, buffers: &impl Buffers, received: SackBlock) -> Option<SackBlock> {
        let part =
            |held: SackBlock| SackBlock { start: held.start.max(received.start), end: held.end.min(received.end) };
        let parts = self.held_blocks(buffers).map(part).find(|part| part.start.before(part.end));
        parts.filter(|_| self.reports_duplicates(sysctl))
    }
}

fn contains(outer: SackBlock, inner: SackBlock) -> bool {
    outer.start.at_or_before(inner.start) && outer.end.at_or_after(inner.end)
}
