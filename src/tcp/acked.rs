//! What one ACK changed: gathered by `ack` and `recovery::sack`, read by all of `recovery`.

use super::recovery::is_sent_after;
use crate::buf::Sent;
use crate::seq::SeqNum;
use crate::time::Instant;

/// What one ACK changed in the flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acked {
    /// `snd_una` before it.
    pub(super) prior_una: SeqNum,
    /// Segments acknowledged as a whole.
    pub(super) segments: u32,
    /// Whether `snd_una` moved.
    pub(super) advanced: bool,
    /// Whether it brought data, or moved the window: then it is no duplicate.
    pub(super) brings: bool,
    /// Duplicate ACKs that it counts for: 0 or 1.
    pub(super) duplicates: u32,
    /// It echoes a mark of congestion (ECE).
    pub(super) echoes_mark: bool,
    /// Segments were newly reported held.
    pub(super) sacked: bool,
    /// A needless copy was reported (DSACK); perhaps the tail loss probe.
    pub(super) dsack: bool,
    pub(super) dsack_of_probe: bool,
    /// Segments reported for the first time, copies included.
    pub(super) delivered_out_of_order: u32,
    /// The lowest segment that arrived above or in a hole without having been resent.
    pub(super) lowest_reordered: SeqNum,
    /// Something sent before the episode, and never resent, arrived.
    pub(super) original_arrived: bool,
    /// The first segment left was reported held: the peer has thrown it away.
    pub(super) reneged: bool,
    /// A retransmission was found lost.
    pub(super) lost_again: bool,
    /// The transmit timer is to be set anew.
    pub(super) restarts_timer: bool,
    /// When the first and the last of the segments acknowledged, and never resent, were sent.
    pub(super) first_acked_at: Option<Instant>,
    pub(super) last_acked_at: Option<Instant>,
    /// The same of those newly reported held.
    pub(super) first_sacked_at: Option<Instant>,
    pub(super) last_sacked_at: Option<Instant>,
    /// A segment acknowledged had been resent.
    pub(super) touched_resent: bool,
    /// The most recent sending of those that arrived.
    pub(super) latest_sent: Option<u32>,
}

impl Acked {
    pub(super) const fn new(prior_una: SeqNum, snd_nxt: SeqNum, advanced: bool) -> Self {
        Self {
            prior_una,
            segments: 0,
            advanced,
            brings: false,
            duplicates: 0,
            echoes_mark: false,
            sacked: false,
            dsack: false,
            dsack_of_probe: false,
            delivered_out_of_order: 0,
            lowest_reordered: snd_nxt,
            original_arrived: false,
            reneged: false,
            lost_again: false,
            restarts_timer: false,
            first_acked_at: None,
            last_acked_at: None,
            first_sacked_at: None,
            last_sacked_at: None,
            touched_resent: false,
            latest_sent: None,
        }
    }

    /// A segment is known to have arrived (`tcp_rate_skb_delivered`).
    pub(super) fn note_delivered(&mut self, sent: &Sent) {
        if self.latest_sent.is_none_or(|latest| is_sent_after(sent.order, latest)) {
            self.latest_sent = Some(sent.order);
        }
    }

    /// Whether it says nothing at all that was not said before.
    pub(super) const fn is_pure_duplicate(&self) -> bool {
        !self.advanced && !self.brings && self.segments == 0 && !self.sacked
    }

    /// Whether it is more than an orderly acknowledgment (`tcp_ack_is_dubious`, but for the state).
    pub(super) const fn is_dubious(&self) -> bool {
        self.segments == 0 && !self.brings || self.sacked || self.dsack || self.echoes_mark
    }
}
