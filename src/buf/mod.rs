//! Byte queues, behind two small traits so that one state machine serves a heap and a microcontroller.
//!
//! A connection ([`crate::tcp::Conn`]) holds no buffer. Every call that may move bytes takes `&mut impl Buffers`:
//!
//! - [`chain`] (feature `alloc`): queues of [`bytes::Bytes`], which hand received frames to the application uncopied.
//! - [`ring`]: rings over slices the caller owns, for one connection without an allocator.
//!
//! Beside the bytes a [`SendBuffer`] keeps a record of each segment in flight, because recovery works on segments, not
//! on bytes (a retransmission resends the first unacknowledged *segment*).

mod assembler;
#[cfg(feature = "alloc")]
pub mod chain;
#[cfg(feature = "alloc")]
mod ends;
mod gaps;
#[cfg(test)]
mod model;
#[cfg(feature = "alloc")]
mod queue;
pub mod ring;
mod scoreboard;
mod totals;
mod tuning;

use crate::seq::SeqNum;
use crate::time::Instant;

pub use assembler::Assembler;
pub use scoreboard::Scoreboard;
pub(crate) use totals::Limit;
pub use tuning::Tuning;

/// A segment in flight: sent, and not yet acknowledged as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// First sequence number.
    pub seq: SeqNum,
    /// Sequence numbers taken; counts a FIN.
    pub len: u32,
    /// When it was last sent.
    pub sent_at: Instant,
    /// Which sending that was: they are numbered in turn, wrapping, so that two of the same instant have an order.
    pub order: u32,
    /// What happened to it since.
    pub marks: Marks,
}

impl Sent {
    /// No segment: fills the array that a [`ring::Ring`] borrows for its records.
    pub const EMPTY: Self =
        Self { seq: SeqNum::new(0), len: 0, sent_at: Instant::ORIGIN, order: 0, marks: Marks::NONE };

    /// One past the last sequence number.
    pub fn end(&self) -> SeqNum {
        self.seq + self.len
    }
}

/// What is known of a [`Sent`] segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Marks(u8);

impl Marks {
    /// Nothing but sent.
    pub const NONE: Self = Self(0);
    /// It ends with our FIN.
    pub const FIN: Self = Self(1);
    /// It carried PSH.
    pub const PSH: Self = Self(2);
    /// It has been sent more than once, ever (Linux `TCPCB_EVER_RETRANS`): no RTT sample from it (Karn).
    pub const EVER_RETRANSMITTED: Self = Self(4);
    /// A retransmission of it is in flight (`TCPCB_SACKED_RETRANS`).
    pub const RETRANSMITTED: Self = Self(8);
    /// Either of these two (`TCPCB_RETRANS`).
    pub const RESENT: Self = Self(4 | 8);
    /// Taken for lost (`TCPCB_LOST`).
    pub const LOST: Self = Self(16);
    /// The peer reported holding it (`TCPCB_SACKED_ACKED`).
    pub const SACKED: Self = Self(32);

    /// Whether any mark of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// `self` and `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// `self` without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// A fixed buffer is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// What the application wrote and the peer has not acknowledged, from `snd_una` on, and the segments in flight.
///
/// Offsets count from `snd_una`. The FIN is no byte and is not in here; a [`Sent`] record may count it.
pub trait SendBuffer {
    /// Bytes held: in flight and not yet sent.
    fn len(&self) -> usize;

    /// Whether no byte is held.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `into` with the bytes from `offset` on. The caller keeps `offset + into.len() <= len()`.
    fn copy_out(&self, offset: usize, into: &mut [u8]);

    /// Forgets the first `acknowledged` bytes (at most `len()`).
    fn discard(&mut self, acknowledged: usize);

    /// A record of the application's ends with the last byte held. A buffer that does not keep records apart, as by
    /// default, does nothing.
    fn end_record(&mut self) {}

    /// The first end of a record beyond `offset`, as an offset itself; `None` if no record ends there.
    fn record_end(&self, _offset: usize) -> Option<usize> {
        None
    }

    /// Forgets every byte and every record: the connection died.
    fn clear_send(&mut self);

    /// How many segments are in flight.
    fn sent_len(&self) -> usize;

    /// Record `index`, oldest first; `None` beyond the last.
    fn sent(&self, index: usize) -> Option<Sent>;

    /// Replaces record `index`, which exists.
    fn set_sent(&mut self, index: usize, sent: Sent);

    /// Whether `room` more records fit. A fixed buffer that says no stops the sender until an ACK frees one.
    fn has_sent_room(&self, room: usize) -> bool;

    /// Inserts a record before `index` (`sent_len()` appends). Fails only if [`SendBuffer::has_sent_room`] said no.
    ///
    /// # Errors
    /// [`Full`] if no further record fits.
    fn insert_sent(&mut self, index: usize, sent: Sent) -> Result<(), Full>;

    /// Removes record `index`, which exists.
    fn remove_sent(&mut self, index: usize);

    /// What is known of the flight as a whole. Kept as it is while anything is in flight.
    fn scoreboard(&self) -> &Scoreboard;

    /// The same, to change it.
    fn scoreboard_mut(&mut self) -> &mut Scoreboard;
}

/// What the peer sent and the application has not read, and what arrived out of order.
///
/// Offsets count from `rcv_nxt`, the in-order edge.
pub trait ReceiveBuffer {
    /// In-order bytes waiting for the application.
    fn readable(&self) -> usize;

    /// Out-of-order bytes held beyond the in-order edge.
    fn held(&self) -> usize;

    /// Takes `payload` at `offset` beyond the in-order edge and returns how far that edge moved: 0 for data that leaves
    /// a gap, otherwise at least the payload's new bytes, more if a gap closed. Bytes already held are kept as they
    /// are. What does not fit (a full buffer, too many gaps) is not taken; the peer will resend it.
    fn insert(&mut self, offset: usize, payload: &[u8]) -> usize;

    /// The out-of-order ranges as (start, end) offsets from the in-order edge, in ascending order; `None` beyond the
    /// last.
    fn range(&self, index: usize) -> Option<(usize, usize)>;

    /// Forgets what arrived out of order; what is readable stays (Linux lets a dead socket be drained).
    fn clear_held(&mut self);

    /// The most that it could ever hold, in bytes: no larger window is offered.
    fn receive_limit(&self) -> usize;

    /// How far the buffers have grown. Kept as it is while anything is carried.
    fn tuning(&self) -> &Tuning;

    /// The same, to change it.
    fn tuning_mut(&mut self) -> &mut Tuning;
}

/// Both directions of one connection.
pub trait Buffers: SendBuffer + ReceiveBuffer {}

impl<T: SendBuffer + ReceiveBuffer> Buffers for T {}
