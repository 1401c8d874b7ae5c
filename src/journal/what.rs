//! What a journal can say: events of a connection's life as data. How they read stands in `render`.

use super::limit::Limit;
use crate::error::{Cause, Errno};
use crate::tcp::{Diagnosis, State};
use crate::time::{Duration, Instant};

/// One line of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// When it happened.
    pub at: Instant,
    /// What happened.
    pub what: What,
}

impl Entry {
    /// No entry: fills the array that a journal borrows for its entries.
    pub const EMPTY: Self = Self { at: Instant::ORIGIN, what: What::Orphaned };

    pub(super) const fn new(at: Instant, what: What) -> Self {
        Self { at, what }
    }
}

/// An event of a connection's life. Waits are durations from the entry's instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// The journal begins in the middle of a life.
    Begun {
        /// The state at that moment.
        state: State,
    },
    /// Our SYN left.
    Connecting {
        /// When it goes again.
        next: Duration,
    },
    /// Our SYN, or the SYN-ACK of a simultaneous open, left again.
    SynResent {
        /// The how many-th time.
        count: u8,
        /// When it goes again.
        next: Duration,
    },
    /// Our SYN was answered.
    Connected {
        /// How long that took, if it can be told.
        round_trip: Option<Duration>,
    },
    /// The peer's handshake with a listener of ours is complete.
    Accepted {
        /// How long our SYN-ACK took to be answered, if it can be told.
        round_trip: Option<Duration>,
    },
    /// Data left while nothing was in flight.
    Sent {
        /// How much.
        bytes: u32,
        /// When the timer fires unless it is acknowledged.
        next: Duration,
        /// Whether that is a tail loss probe, and not yet the retransmission.
        tail_probe: bool,
    },
    /// Data left and all was acknowledged, with nothing remarkable between; many times in a row, perhaps.
    Exchanged {
        /// How many times.
        times: u32,
        /// How much in all.
        bytes: u64,
        /// How long the last acknowledgment took.
        after: Duration,
        /// When it came.
        until: Instant,
    },
    /// All in flight is acknowledged, after something remarkable.
    Acknowledged {
        /// Since the first of it was sent.
        after: Duration,
    },
    /// The tail loss probe left: no timeout, and nothing is lost yet.
    TailLossProbe {
        /// What it carries.
        bytes: u32,
        /// When the retransmission timer fires.
        next: Duration,
    },
    /// The retransmission timer fired, and the head of the flight left again.
    Resent {
        /// What it carries; 0 is a FIN alone.
        bytes: u32,
        /// Timeouts without progress so far.
        count: u8,
        /// When it goes again.
        next: Duration,
    },
    /// Segments found lost by what the peer acknowledges left again.
    Repaired {
        /// How many in a row.
        segments: u32,
    },
    /// The peer acknowledges again after resends.
    Recovered {
        /// Timeouts that it took.
        resends: u8,
        /// How long nothing was heard.
        silence: Duration,
    },
    /// Retransmitting has lasted as long as `tcp_retries1` stands for: the path is suspect (RFC 9293 3.8.3, R1).
    PathDoubtful {
        /// The setting.
        tcp_retries1: u8,
        /// The time that it stands for.
        modelled: Duration,
    },
    /// A keepalive probe left.
    KeepaliveProbe {
        /// Which of those unanswered.
        number: u8,
        /// How many may be unanswered; `None` if a user timeout decides.
        of: Option<u8>,
        /// How long nothing was heard.
        silence: Duration,
        /// When the next one is due, or the end.
        next: Duration,
    },
    /// The peer shut its window.
    WindowShut,
    /// A window probe left.
    WindowProbe {
        /// Which of those unanswered.
        number: u8,
        /// How many may be unanswered; `None` if something else decides.
        of: Option<u8>,
        /// When the next one is due, or the end.
        next: Duration,
    },
    /// The window was shut over data in flight, whose head left again as a probe.
    HeadProbe {
        /// What it carries.
        bytes: u32,
        /// When it goes again.
        next: Duration,
    },
    /// The window is open again.
    WindowOpened {
        /// How far, in bytes.
        window: u32,
        /// How long it was shut.
        after: Duration,
    },
    /// A probe was answered; and perhaps others after it in the same way.
    Answered {
        /// How long the first answer took.
        after: Duration,
        /// Further probes that were each answered, with nothing else between.
        more: u32,
        /// When the last answer came.
        until: Instant,
    },
    /// The network reported an error, which is remembered.
    Network(Errno),
    /// A router said that the path is narrower than thought.
    MtuLowered {
        /// Largest IP packet from now on, in bytes.
        mtu: u16,
        /// What one segment carries now, in bytes.
        mss: u16,
    },
    /// The path is in doubt, and smaller segments are tried (`tcp_mtu_probing`).
    SmallerSegments {
        /// What one segment carries now, in bytes.
        mss: u16,
    },
    /// The peer's FIN came.
    PeerFinished,
    /// Our FIN left.
    Finished,
    /// The peer knows of our FIN.
    FinAcknowledged,
    /// The application closed; the connection lives on without it.
    Orphaned,
    /// The orphan waits for the peer's FIN, and no longer than this.
    FinWait2(Duration),
    /// Both ends have finished; what is left waits for old segments to die out.
    TimeWait(Duration),
    /// A rule gave the connection up.
    GaveUp {
        /// The rule.
        cause: Cause,
        /// The setting that decided.
        limit: Limit,
        /// How long nothing was heard.
        silence: Duration,
        /// What was wrong.
        diagnosis: Diagnosis,
    },
    /// It ended in another way.
    Ended(Diagnosis),
    /// A reset told the peer.
    ResetSent,
}
