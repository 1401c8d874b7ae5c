//! What a receiver remembers of what it carries: how far the buffers have grown with it, and what was reported last.
//!
//! It stands behind the buffers, like [`super::Scoreboard`], because it means nothing while nothing is carried.
//! `tcp::autotune`, `tcp::report` and `tcp::urgent` read and write it.

use super::gaps::Recent;
use crate::seq::SeqNum;
use crate::time::Instant;

/// The state of a receiver. Opaque: a [`super::ReceiveBuffer`] keeps one, and begins with [`Tuning::new`].
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// The window that may be offered, in bytes; 0 before it ever grew.
    pub(crate) window_bytes: u32,
    /// Bytes that may be queued for sending; 0 before it ever grew.
    pub(crate) send_bytes: u32,
    /// The round trip as the receiver sees it, in eighths of a microsecond; 0 before any (Linux `rcv_rtt_est`).
    pub(crate) rtt_us_x8: u32,
    /// Without timestamps: a round trip is over when this arrives.
    pub(crate) rtt_seq: SeqNum,
    /// ... and began then.
    pub(crate) rtt_at: Option<Instant>,
    /// The timestamp echo that gave the last sample.
    pub(crate) rtt_ecr: u32,
    /// Bytes the application took in the best round trip so far (Linux `rcvq_space`).
    pub(crate) space: u32,
    /// Up to where it had read when this round trip began, and when that was.
    pub(crate) read_seq: SeqNum,
    pub(crate) read_at: Option<Instant>,
    /// The last urgent byte, until it is read (RCV.UP, less one).
    pub(crate) rcv_up: Option<SeqNum>,
    /// The ranges beyond a gap, as they are to be reported.
    pub(crate) recent: Recent,
}

impl Tuning {
    /// Nothing carried yet.
    pub const fn new() -> Self {
        Self {
            window_bytes: 0,
            send_bytes: 0,
            rtt_us_x8: 0,
            rtt_seq: SeqNum::new(0),
            rtt_at: None,
            rtt_ecr: 0,
            space: 0,
            read_seq: SeqNum::new(0),
            read_at: None,
            rcv_up: None,
            recent: Recent::NONE,
        }
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Self::new()
    }
}
