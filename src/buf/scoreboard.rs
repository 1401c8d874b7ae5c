//! What is known of the segments in flight as a whole: counts, evidence of loss, what a reduction of the congestion
//! window must remember.
//!
//! It stands beside the records, behind the same trait, because it is needed only while something is in flight: a
//! connection that has been idle for long has none. `tcp::recovery` reads and writes it, and a buffer keeps it.
//! Names are Linux's (`struct tcp_sock`), where it has one.

use super::totals::Totals;
use crate::congestion::cubic::Cubic;
use crate::seq::SeqNum;

/// The recovery state of one connection while data is in flight. Opaque: a [`super::SendBuffer`] keeps one, and begins
/// with [`Scoreboard::new`].
#[derive(Clone, Copy, Debug)]
pub struct Scoreboard {
    /// One past the last urgent byte, until it is acknowledged (RFC 9293 3.3.1, SND.UP). `tcp::write`'s.
    pub(crate) snd_up: Option<SeqNum>,
    /// Segments received above a hole: reported by SACK, or without it one for each duplicate ACK.
    pub(crate) sacked_out: u32,
    /// Segments taken for lost.
    pub(crate) lost_out: u32,
    /// Retransmissions in flight.
    pub(crate) retrans_out: u32,
    /// Segments known to have arrived; wraps. Only what one ACK adds is of interest.
    pub(crate) delivered: u32,
    /// Segments resent, and copies reported as needless: who reports more than were made lies.
    pub(crate) resent_total: u32,
    pub(crate) dsack_total: u32,
    /// Segments sent, resent ones included; wraps.
    pub(crate) sends: u32,
    /// One past the highest segment reported held; meaningful while `sacked_out` is above zero.
    pub(crate) fack: SeqNum,
    /// No segment before this one is lost and not resent.
    pub(crate) resend_from: SeqNum,

    /// `snd_una` when the window was last reduced, if that may turn out to have been needless.
    pub(crate) undo_marker: Option<SeqNum>,
    /// Retransmissions since that are not known to have been needless; -1 before the first.
    pub(crate) undo_retrans: i32,
    /// `ssthresh` before the reduction; 0 if it cannot be undone.
    pub(crate) prior_ssthresh: u32,
    /// The congestion window before the reduction.
    pub(crate) prior_cwnd: u32,
    /// Segments delivered, and sent, since the reduction began (RFC 6937).
    pub(crate) prr_delivered: u32,
    pub(crate) prr_out: u32,

    pub(crate) rack: Rack,
    /// `snd_nxt` after the latest tail loss probe, until it is known what became of it.
    pub(crate) tlp_high_seq: Option<SeqNum>,
    /// Whether the next ACKs decide if a timeout was spurious (RFC 5682).
    pub(crate) frto: bool,

    /// The most segments in flight in the window that ends at `cwnd_usage_seq`.
    pub(crate) max_packets_out: u32,
    pub(crate) cwnd_usage_seq: SeqNum,
    /// What was carried, and waited for: for `tcp::info`.
    pub(crate) totals: Totals,
    /// What the congestion control algorithm remembers.
    pub(crate) cubic: Cubic,
}

/// What RACK remembers (RFC 8985 5.3; Linux `tcp_rack`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rack {
    /// The most recent sending of those that arrived.
    pub(crate) latest: Option<u32>,
    /// Its round trip, in microseconds.
    pub(crate) rtt_us: u32,
    /// `sends` when the window for reordering was last widened.
    pub(crate) widened_at: u32,
    /// The window for reordering, in quarters of the least round trip.
    pub(crate) reo_wnd_steps: u8,
    /// Recoveries for which a widened window lasts.
    pub(crate) reo_wnd_persist: u8,
    /// A needless retransmission was reported this round.
    pub(crate) dsack_seen: bool,
    /// Something arrived since losses were last looked for.
    pub(crate) advanced: bool,
}

impl Scoreboard {
    /// Nothing in flight.
    pub const fn new() -> Self {
        Self {
            snd_up: None,
            sacked_out: 0,
            lost_out: 0,
            retrans_out: 0,
            delivered: 0,
            sends: 0,
            resent_total: 0,
            dsack_total: 0,
            fack: SeqNum::new(0),
            resend_from: SeqNum::new(0),
            undo_marker: None,
            undo_retrans: 0,
            prior_ssthresh: 0,
            prior_cwnd: 0,
            prr_delivered: 0,
            prr_out: 0,
            rack: Rack {
                latest: None,
                rtt_us: 0,
                widened_at: 0,
                reo_wnd_steps: 1,
                reo_wnd_persist: 0,
                dsack_seen: false,
                advanced: false,
            },
            tlp_high_seq: None,
            frto: false,
            max_packets_out: 0,
            cwnd_usage_seq: SeqNum::new(0),
            totals: Totals::NONE,
            cubic: Cubic::new(),
        }
    }
}

impl Scoreboard {
    /// The number of the next sending.
    pub(crate) const fn next_order(&mut self) -> u32 {
        self.sends = self.sends.wrapping_add(1);
        self.sends
    }
}

impl Default for Scoreboard {
    fn default() -> Self {
        Self::new()
    }
}
