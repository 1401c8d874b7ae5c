//! Which segments in flight are lost, and when is an episode of loss over? (RFC 5681 3.2, RFC 6582; Linux
//! `tcp_fastretrans_alert`, `tcp_enter_loss`.)
//!
//! Duplicate ACKs, or segments reported held above a hole, prove a loss: the first lost segment goes again at once and
//! the window halves (fast retransmit, `NewReno`). A timeout takes everything for lost. Either way the episode lasts
//! until what was in flight at its start is acknowledged.

use super::Env;
use super::ack::Acked;
use super::conn::Conn;
use super::flags::{ConnFlags, Wants};
use crate::buf::{Buffers, Marks};
use crate::seq::SeqNum;
use crate::wire::SackBlocks;

/// The phase of loss recovery (Linux `icsk_ca_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No loss known.
    Open,
    /// Losses found by duplicate ACKs are being repaired.
    Recovery,
    /// The retransmission timer fired.
    Loss,
}

/// The recovery state of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recovery {
    /// The episode ends when this is acknowledged: `snd_nxt` at its start. Outside of one, `snd_nxt` after the latest
    /// tail loss probe (Linux `tlp_high_seq`).
    pub(super) recover: SeqNum,
    /// Segments received above a hole (Linux `sacked_out`): those reported by SACK; without it, one a duplicate ACK.
    pub(super) sacked_out: u16,
    pub(super) phase: Phase,
}

impl Recovery {
    pub(super) const fn new(iss: SeqNum) -> Self {
        Self { recover: iss, sacked_out: 0, phase: Phase::Open }
    }
}

impl Conn {
    /// Marks what the peer reports holding; returns how many segments that newly are. A block that is inverted, beyond
    /// what was sent or left of `snd_una` (a duplicate's report) says nothing [A20].
    pub(super) fn mark_sacked(&mut self, sack: &SackBlocks, buffers: &mut impl Buffers) -> u32 {
        if !self.flags.has(ConnFlags::SACK) {
            return 0;
        }
        let mut newly = 0;
        for block in sack.as_slice() {
            let valid = block.start.before(block.end)
                && block.end.at_or_before(self.snd_nxt)
                && block.start.at_or_after(self.snd_una);
            if !valid {
                continue;
            }
            for index in 0..buffers.sent_len() {
                let Some(mut sent) = buffers.sent(index) else { break };
                if sent.seq.at_or_after(block.end) {
                    break;
                }
                let inside = sent.seq.at_or_after(block.start) && sent.end().at_or_before(block.end);
                if inside && !sent.marks.has(Marks::SACKED) {
                    sent.marks = sent.marks.with(Marks::SACKED).without(Marks::LOST).without(Marks::RETRANSMITTED);
                    buffers.set_sent(index, sent);
                    newly += 1;
                }
            }
        }
        newly
    }

    /// An ACK arrived while something was in flight.
    pub(super) fn recover(&mut self, env: &Env<'_>, acked: &Acked, buffers: &mut impl Buffers) {
        if self.flags.has(ConnFlags::SACK) {
            self.count_sacked(acked, buffers);
        } else {
            self.count_duplicates(acked, buffers);
        }
        if self.recovery.phase != Phase::Open && self.snd_una.at_or_after(self.recovery.recover) {
            self.end_episode();
        }
        match self.recovery.phase {
            Phase::Open => {
                self.retransmission.on_episode_end();
                if self.mark_lost(env, buffers) {
                    self.enter_recovery(buffers);
                } else {
                    self.grow(acked, buffers);
                }
            }
            Phase::Recovery => {
                if acked.advanced && !self.flags.has(ConnFlags::SACK) {
                    // RFC 6582 3.2 step 3: a partial ACK says that the next segment is lost, too.
                    mark_head_lost(buffers);
                } else {
                    self.mark_lost(env, buffers);
                }
            }
            Phase::Loss => self.grow(acked, buffers),
        }
    }

    /// Keeps `sacked_out` equal to the number of records marked so, looking only if it can have changed.
    fn count_sacked(&mut self, acked: &Acked, buffers: &impl Buffers) {
        if acked.sacked > 0 || (acked.advanced && self.recovery.sacked_out > 0) {
            let records = (0..buffers.sent_len()).map_while(|index| buffers.sent(index));
            let sacked = records.filter(|sent| sent.marks.has(Marks::SACKED)).count();
            self.recovery.sacked_out = sacked.min(usize::from(u16::MAX)) as u16;
        }
    }

    /// Without SACK, duplicate ACKs stand for segments received; an ACK that moves on takes back what it covers
    /// (Linux `tcp_add_reno_sack`, `tcp_remove_reno_sacks`).
    fn count_duplicates(&mut self, acked: &Acked, buffers: &impl Buffers) {
        if acked.advanced {
            let covered = acked.segments.saturating_sub(1).min(u32::from(u16::MAX)) as u16;
            self.recovery.sacked_out = self.recovery.sacked_out.saturating_sub(covered);
        } else if acked.duplicate {
            let most = buffers.sent_len().saturating_sub(1).min(usize::from(u16::MAX)) as u16;
            self.recovery.sacked_out = self.recovery.sacked_out.saturating_add(1).min(most.max(1));
        }
    }

    /// Finds losses by the rule of `tcp_reordering` (3): so many segments were received above one that was not.
    fn mark_lost(&mut self, env: &Env<'_>, buffers: &mut impl Buffers) -> bool {
        let threshold = u32::from(env.sysctl.tcp_reordering);
        if !self.flags.has(ConnFlags::SACK) {
            let lost = u32::from(self.recovery.sacked_out) >= threshold && self.recovery.phase == Phase::Open;
            return lost && mark_head_lost(buffers);
        }
        let mut above = 0;
        let mut found = false;
        for index in (0..buffers.sent_len()).rev() {
            let Some(mut sent) = buffers.sent(index) else { break };
            if sent.marks.has(Marks::SACKED) {
                above += 1;
            } else if above >= threshold && !sent.marks.has(Marks::LOST) && !sent.marks.has(Marks::RETRANSMITTED) {
                sent.marks = sent.marks.with(Marks::LOST);
                buffers.set_sent(index, sent);
                found = true;
            }
        }
        found
    }

    /// RFC 5681 3.2 step 2: halve, and resend at least one segment at once.
    fn enter_recovery(&mut self, buffers: &impl Buffers) {
        debug_assert!(buffers.sent_len() > 0, "nothing in flight to recover");
        self.forget_tail_probe();
        self.congestion.on_loss();
        self.recovery.phase = Phase::Recovery;
        self.recovery.recover = self.snd_nxt;
        self.wants.set(Wants::HEAD, true);
    }

    /// The retransmission timer fired: everything not reported held is lost (RFC 5681 3.1; Linux `tcp_enter_loss`).
    pub(super) fn enter_loss(&mut self, buffers: &mut impl Buffers) {
        let new_episode = self.recovery.phase != Phase::Loss
            || self.snd_una.at_or_after(self.recovery.recover)
            || self.retransmission.retransmits == 0;
        self.forget_tail_probe();
        self.congestion.on_timeout(new_episode);
        self.forget_duplicates();
        self.recovery = Recovery { recover: self.snd_nxt, phase: Phase::Loss, ..self.recovery };
        for index in 0..buffers.sent_len() {
            let Some(mut sent) = buffers.sent(index) else { break };
            if !sent.marks.has(Marks::SACKED) {
                sent.marks = sent.marks.with(Marks::LOST).without(Marks::RETRANSMITTED);
                buffers.set_sent(index, sent);
            }
        }
    }

    /// What was in flight at the start is acknowledged. The stamp of the give-up clock goes with the episode.
    fn end_episode(&mut self) {
        if self.recovery.phase == Phase::Recovery {
            self.congestion.cwnd = self.congestion.ssthresh;
        }
        self.recovery.phase = Phase::Open;
        self.forget_duplicates();
        self.retransmission.on_episode_end();
    }

    /// Duplicate ACKs are an estimate that lasts an episode; what SACK reported stays true.
    fn forget_duplicates(&mut self) {
        if !self.flags.has(ConnFlags::SACK) {
            self.recovery.sacked_out = 0;
        }
    }

    /// The window grows by what was acknowledged, if it was the limit (RFC 7661's aim; Linux `tcp_is_cwnd_limited`).
    fn grow(&mut self, acked: &Acked, buffers: &impl Buffers) {
        let flight = buffers.sent_len() as u32 + acked.segments;
        let limited = if self.congestion.in_slow_start() {
            self.congestion.cwnd < flight.saturating_mul(2)
        } else {
            self.flags.has(ConnFlags::CWND_LIMITED)
        };
        if acked.segments > 0 && limited {
            self.congestion.on_ack(acked.segments);
        }
    }

    /// Segments believed to be in the network: sent, less those received, less those lost, plus those resent.
    pub(super) fn in_flight_segments(&self, buffers: &impl Buffers) -> u32 {
        let all = buffers.sent_len() as u32;
        let mut gone = u32::from(self.recovery.sacked_out).min(all);
        if self.recovery.phase == Phase::Open {
            // Nothing counts as lost in this phase.
            return all - gone;
        }
        let mut resent = 0;
        for sent in (0..buffers.sent_len()).map_while(|index| buffers.sent(index)) {
            gone += u32::from(sent.marks.has(Marks::LOST));
            resent += u32::from(sent.marks.has(Marks::RETRANSMITTED));
        }
        (all + resent).saturating_sub(gone)
    }

    /// The first segment that is lost and has not been resent since.
    pub(super) fn next_lost(&self, buffers: &impl Buffers) -> Option<usize> {
        if self.recovery.phase == Phase::Open {
            return None;
        }
        (0..buffers.sent_len()).find(|&index| {
            buffers.sent(index).is_some_and(|sent| {
                sent.marks.has(Marks::LOST) && !sent.marks.has(Marks::RETRANSMITTED) && !sent.marks.has(Marks::SACKED)
            })
        })
    }
}

/// The first segment in flight is lost, and so was its retransmission, if there was one.
fn mark_head_lost(buffers: &mut impl Buffers) -> bool {
    let Some(mut head) = buffers.sent(0) else { return false };
    head.marks = head.marks.with(Marks::LOST).without(Marks::RETRANSMITTED);
    buffers.set_sent(0, head);
    true
}
