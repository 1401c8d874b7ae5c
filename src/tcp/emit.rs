//! A segment that is to leave, and why: what [`super::Conn::poll_transmit`] hands out.

use super::timers::WriteTimer;
use crate::time::Instant;
use crate::wire::{Ecn, Header};

/// A segment to put on the wire: its header, and where its payload stands in the send buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emit {
    /// The header.
    pub header: Header,
    /// Offset of the payload from `snd_una` in the send buffer, in bytes.
    pub offset: usize,
    /// Length of the payload, in bytes.
    pub len: usize,
    /// Why it is sent.
    pub kind: EmitKind,
    /// What the IP header says of congestion: only new data is ever marked (RFC 3168 6.1.4).
    pub ecn: Ecn,
    /// What sending it changed, for a device that refuses it.
    pub(super) before: Before,
}

/// How things stood before a segment left: what [`super::Conn::handle_refused`] puts back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Before {
    /// Whether the transmit timer made it leave, so that the timer must try again.
    pub(super) by_timer: bool,
    pub(super) probes: u8,
    pub(super) backoff: u8,
    pub(super) probing_since: Option<Instant>,
    pub(super) timer: WriteTimer,
}

/// Why a segment is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EmitKind {
    /// Our SYN, or the SYN-ACK of a simultaneous open, the first time.
    Syn,
    /// New data, or our FIN.
    Data,
    /// What was sent before and is taken for lost: data, FIN, SYN.
    Retransmission,
    /// The end of a burst, to find out whether it was lost (RFC 8985 7): new data if there is any, else old.
    TailLossProbe,
    /// An empty segment to a peer whose window is closed, which it must answer.
    WindowProbe,
    /// An empty segment to a peer of whom nothing was heard, which it must answer.
    KeepaliveProbe,
    /// A bare acknowledgment.
    Ack,
    /// The connection is torn down.
    Reset,
}

impl EmitKind {
    /// Plain words, for a capture or a timeline.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Syn => "handshake",
            Self::Data => "data",
            Self::Retransmission => "retransmission",
            Self::TailLossProbe => "tail loss probe",
            Self::WindowProbe => "window probe",
            Self::KeepaliveProbe => "keepalive probe",
            Self::Ack => "acknowledgment",
            Self::Reset => "reset",
        }
    }
}
