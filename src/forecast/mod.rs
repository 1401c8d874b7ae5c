//! When will this connection die, and why, if nothing more is heard? Said in advance.
//!
//! A [`Conn`] is a block of numbers without I/O, so a forecast has no formulas of its own: it runs a copy of the very
//! machine against silence, over buffers that have lengths only. What it says and what then happens cannot differ
//! (`tests/forecast.rs` compares them packet by packet).
//!
//! A forecast assumes that from now on
//!
//! - nothing arrives, neither segments nor ICMP errors: the peer or the path is gone;
//! - the application does nothing: it does not write, read, close, or set options;
//! - the settings stay as they are, and the device takes every packet at once.
//!
//! It is an iterator over what will be sent, and then knows the [`End`]; [`Forecast::outlook`] skips to that.
//!
//! ```
//! use longhaul::buf::{Sent, ring::Ring};
//! use longhaul::config::Sysctl;
//! use longhaul::forecast::Forecast;
//! use longhaul::options::Options;
//! use longhaul::seq::SeqNum;
//! use longhaul::tcp::{Conn, Setup};
//! use longhaul::time::Instant;
//!
//! let (mut send, mut receive, mut records) = ([0; 2048], [0; 4096], [Sent::EMPTY; 8]);
//! let ring = Ring::new(&mut send, &mut receive, &mut records);
//! let flow = longhaul::wire::Flow { local: "10.0.0.2:5000".parse()?, remote: "10.0.0.1:80".parse()? };
//! let setup = Setup { flow, iss: SeqNum::new(77), ts_offset: 0, mtu: 1500, options: Options::new() };
//! let now = Instant::from_secs(1);
//! let conn = Conn::connect(now, &setup, &Sysctl::LINUX);
//!
//! // Nobody has asked for the SYN yet. No allocator: the copies of the records go where we say.
//! let mut copies = [Sent::EMPTY; 8];
//! let syns = Forecast::in_records(&conn, now, &Sysctl::LINUX, &ring, &mut copies)?;
//! let at: Vec<u64> = syns.map(|syn| syn.at.since(now).as_secs()).collect();
//! assert_eq!(at, [0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67]);
//!
//! // With `alloc` there is `Forecast::new`, which needs no slice.
//! let outlook = Forecast::in_records(&conn, now, &Sysctl::LINUX, &ring, &mut copies)?.outlook();
//! assert_eq!(
//!     outlook.to_string(),
//!     "dies in 131.000 s: no answer to the handshake (tcp_syn_retries), after 10 retransmissions"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | room | question it answers |
//! |---|---|
//! | `ghost` | what must be known of the buffers while nothing arrives? |
//! | `alarm` | when is the connection really called: at its deadline, or when a wheel gets there? |
//! | `outlook` | how does it end, in plain words? |
//! | `detection`, `stage` | how long does each kind of failure stay unnoticed, with these settings? |
//! | `warning` | which settings will surprise somebody? |

mod alarm;
mod detection;
mod ghost;
mod outlook;
mod stage;
mod warning;

use crate::buf::{Buffers, Full, Sent};
use crate::config::Sysctl;
use crate::error::Error;
use crate::seq::SeqNum;
use crate::tcp::{Conn, Emit, EmitKind, State, TcpInfo};
use crate::time::Instant;
use crate::wire::Flags;
use alarm::Alarm;
use core::fmt;
use ghost::Ghost;

pub use detection::{DetectionTime, DetectionTimes, Failure, RTT_MAX, detection_times};
pub use ghost::{Lent, Records};
pub use outlook::{Departure, End, Outlook, Reason};
pub use warning::{MIDDLEBOX_IDLE_LONG, MIDDLEBOX_IDLE_SHORT, Warning, warnings};

/// A segment that will be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Instant,
    /// Why.
    pub kind: EmitKind,
    /// Its sequence number.
    pub seq: SeqNum,
    /// Its payload, in bytes.
    pub len: usize,
    /// Its control bits.
    pub flags: Flags,
    /// How many of its kind are unanswered with it, as [`TcpInfo::retransmits`] and [`TcpInfo::probes`] count; 0 for
    /// what is counted by neither.
    pub nth: u8,
}

/// How often a forecast calls its connection at most. The longest legal life under silence, a user timeout of 24.8 days
/// with probes and timeouts every second, takes four million calls; beyond this bound the end is [`Reason::TooFar`].
pub const CALLS_MAX: u32 = 1 << 24;

/// What a connection will do if nothing more is heard: see the [module](self).
///
/// Where the records of segments in flight are kept is up to `R`: a `Vec` or a slice that is [`Lent`].
#[derive(Clone, Debug)]
pub struct Forecast<'s, R> {
    conn: Conn,
    ghost: Ghost<R>,
    sysctl: &'s Sysctl,
    asked_at: Instant,
    now: Instant,
    alarm: Alarm,
    calls: u32,
    end: Option<End>,
}

#[cfg(feature = "alloc")]
impl<'s> Forecast<'s, alloc::vec::Vec<Sent>> {
    /// What `conn` will do from `now` on if its driver asks for segments at once and comes back exactly at
    /// [`Conn::poll_timeout`]. Takes a copy of the block and of each record in flight; no payload is copied.
    #[allow(clippy::missing_panics_doc)] // a `Vec` takes any number of records
    pub fn new(conn: &Conn, now: Instant, sysctl: &'s Sysctl, buffers: &impl Buffers) -> Self {
        let records = alloc::vec::Vec::with_capacity(buffers.sent_len());
        Self::over(conn, now, sysctl, Ghost::of(buffers, records).expect("a Vec is never full"))
    }
}

impl<'s, 'r> Forecast<'s, Lent<'r>> {
    /// As `Forecast::new`, without an allocator: the copies go into `records`. As many as the connection's own buffer
    /// has are always enough.
    ///
    /// # Errors
    /// [`TooFewRecords`] if they could run out: each segment of what is queued takes one.
    pub fn in_records(
        conn: &Conn,
        now: Instant,
        sysctl: &'s Sysctl,
        buffers: &impl Buffers,
        records: &'r mut [Sent],
    ) -> Result<Self, TooFewRecords> {
        let needed = ghost::records_needed(conn, buffers);
        let too_few = TooFewRecords { needed };
        if records.len() < needed {
            return Err(too_few);
        }
        let ghost = Ghost::of(buffers, Lent::new(records)).map_err(|Full| too_few)?;
        Ok(Self::over(conn, now, sysctl, ghost))
    }
}

/// [`Forecast::in_records`] was lent too small a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFewRecords {
    /// How many records are enough.
    pub needed: usize,
}

impl fmt::Display for TooFewRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a forecast of this connection may need {} records", self.needed)
    }
}

impl core::error::Error for TooFewRecords {}

impl<'s, R: Records> Forecast<'s, R> {
    fn over(conn: &Conn, now: Instant, sysctl: &'s Sysctl, ghost: Ghost<R>) -> Self {
        let conn = conn.clone();
        Self { conn, ghost, sysctl, asked_at: now, now, alarm: Alarm::Exact, calls: 0, end: None }
    }

    /// The driver is a timing wheel of whole milliseconds with an entry for each connection, as a stack's is. The entry
    /// stands at `armed`, which may be earlier than [`Conn::poll_timeout`].
    #[must_use]
    pub fn on_wheel(mut self, armed: Option<Instant>) -> Self {
        self.alarm = Alarm::Wheel { armed };
        self
    }

    /// How it ends; `None` while the iterator still has segments.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// The state that the connection is in by then: at first, the one it is in now.
    pub fn state(&self) -> State {
        self.conn.state()
    }

    /// Runs to the end and sums up.
    pub fn outlook(mut self) -> Outlook {
        let before = self.info();
        let already = before.retransmits > 0 || before.probes > 0;
        let mut outlook = Outlook::new(self.asked_at, already);
        self.by_ref().for_each(|step| outlook.count(&step));
        // The iterator has ended, and it ends by this alone.
        outlook.end = self.end.unwrap_or(End::Never(Reason::TooFar));
        outlook
    }

    fn info(&self) -> TcpInfo {
        self.conn.info(self.now, self.sysctl, &self.ghost)
    }

    fn send(&mut self) -> Option<Step> {
        let Emit { header, len, kind, .. } = self.conn.poll_transmit(self.now, self.sysctl, &mut self.ghost)?;
        let nth = match kind {
            EmitKind::Retransmission => self.info().retransmits,
            EmitKind::WindowProbe | EmitKind::KeepaliveProbe => self.info().probes,
            _ => 0,
        };
        Some(Step { at: self.now, kind, seq: header.seq, len, flags: header.flags, nth })
    }

    /// Nothing more leaves now: what comes next is a timeout or the end.
    fn pass_time(&mut self) {
        self.end = self.end_now();
        if self.end.is_some() {
            return;
        }
        let Some(at) = self.alarm.take(self.conn.poll_timeout(), self.now) else {
            self.end = Some(End::Never(Reason::of(self.conn.state())));
            return;
        };
        self.now = at;
        self.conn.handle_timeout(at, self.sysctl, &mut self.ghost);
        self.alarm.set_after_timeout(self.conn.poll_timeout(), at);
        if self.conn.state() == State::Closed {
            self.end = Some(self.death());
        }
    }

    /// The end, if it needs no more time.
    fn end_now(&mut self) -> Option<End> {
        if self.conn.state() == State::Closed {
            return Some(End::Never(Reason::Closed));
        }
        if !self.conn.awaits_time_wait() {
            return None;
        }
        let how = if self.conn.state() == State::TimeWait { Departure::TimeWait } else { Departure::FinWait2 };
        let block = self.conn.take_time_wait(self.now)?;
        Some(End::Gone { at: self.alarm.round(block.due()), how })
    }

    /// What has just closed the connection.
    fn death(&self) -> End {
        match self.conn.death() {
            Some(Error::TimedOut { cause, errno }) => End::Death { at: self.now, cause, errno },
            _ => End::Gone { at: self.now, how: Departure::Reset },
        }
    }
}

impl<R: Records> Iterator for Forecast<'_, R> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        while self.calls < CALLS_MAX {
            self.calls += 1;
            if self.conn.is_ready(&self.ghost) {
                let step = self.send();
                self.alarm.set(self.conn.poll_timeout());
                if step.is_some() {
                    return step;
                }
            } else if self.end.is_some() {
                return None;
            } else {
                self.pass_time();
            }
        }
        self.end.get_or_insert(End::Never(Reason::TooFar));
        None
    }
}
