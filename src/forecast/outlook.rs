//! The end of a connection, foretold in plain words.

use super::Step;
use crate::error::{Cause, Errno, Error};
use crate::tcp::{EmitKind, State};
use crate::time::{Duration, Instant};
use core::fmt;

/// How a connection ends if nothing more is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A rule gives it up.
    Death {
        /// When.
        at: Instant,
        /// Which rule.
        cause: Cause,
        /// What a Linux application would see, if there is one: an orphan ends silently.
        errno: Errno,
    },
    /// It ends without an error: the application has closed, and nobody is told.
    Gone {
        /// When nothing is left of it.
        at: Instant,
        /// In which way.
        how: Departure,
    },
    /// It stays for ever.
    Never(Reason),
}

impl End {
    /// When; `None` for never.
    pub const fn at(self) -> Option<Instant> {
        match self {
            Self::Death { at, .. } | Self::Gone { at, .. } => Some(at),
            Self::Never(_) => None,
        }
    }

    /// What the application will be told; `None` if it ends without an error or never.
    pub const fn error(self) -> Option<Error> {
        match self {
            Self::Death { cause, errno, .. } => Some(Error::TimedOut { cause, errno }),
            Self::Gone { .. } | Self::Never(_) => None,
        }
    }
}

/// The last thing that happens to a connection that ends without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Departure {
    /// The application has closed, our FIN is acknowledged, and the peer's does not come.
    FinWait2,
    /// Both ends have finished, we first.
    TimeWait,
    /// A reset, because nobody may wait in FIN-WAIT-2 any more (a negative `TCP_LINGER2`, or `tcp_fin_timeout` cut
    /// meanwhile).
    Reset,
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FinWait2 => "closed by us, and the peer's FIN does not come (tcp_fin_timeout, TCP_LINGER2)",
            Self::TimeWait => "closed by both, we first (TIME-WAIT)",
            Self::Reset => "closed by us, and reset instead of waiting for the peer's FIN (TCP_LINGER2)",
        })
    }
}

/// Why silence never ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It has ended already.
    Closed,
    /// Nothing is outstanding, and keepalive is off.
    Idle,
    /// The peer has finished, we have not, and keepalive is off: the application must close.
    CloseWait,
    /// We have finished and not closed, the peer has not finished, and keepalive is off.
    FinWait2,
    /// There may be an end, but not within [`super::CALLS_MAX`] calls.
    TooFar,
}

impl Reason {
    /// Why no timer runs in this state.
    pub(super) const fn of(state: State) -> Self {
        match state {
            State::Closed => Self::Closed,
            State::CloseWait => Self::CloseWait,
            State::FinWait2 => Self::FinWait2,
            _ => Self::Idle,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "it is closed already",
            Self::Idle => "nothing is outstanding, and keepalive is off (SO_KEEPALIVE)",
            Self::CloseWait => "the peer has finished, we have not, and keepalive is off (SO_KEEPALIVE)",
            Self::FinWait2 => "FIN-WAIT-2 is held open by the application, and keepalive is off (SO_KEEPALIVE)",
            Self::TooFar => "there is no end within the bound of a forecast",
        })
    }
}

/// A forecast summed up. `Display` is one line of plain words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outlook {
    /// The instant from which it looks ahead.
    pub asked_at: Instant,
    /// The next segment that will leave, if any.
    pub next: Option<Step>,
    /// Segments that will leave until the end, a final reset included.
    pub segments: u32,
    /// Of these, retransmissions (and not tail loss probes).
    pub retransmissions: u32,
    /// Of these, keepalive and window probes.
    pub probes: u32,
    /// How it ends.
    pub end: End,
    /// Whether retransmissions or probes were unanswered before.
    already: bool,
}

impl Outlook {
    pub(super) const fn new(asked_at: Instant, already: bool) -> Self {
        let end = End::Never(Reason::TooFar);
        Self { asked_at, next: None, segments: 0, retransmissions: 0, probes: 0, end, already }
    }

    pub(super) fn count(&mut self, step: &Step) {
        self.next.get_or_insert(*step);
        self.segments += 1;
        match step.kind {
            EmitKind::Retransmission => self.retransmissions += 1,
            EmitKind::KeepaliveProbe | EmitKind::WindowProbe => self.probes += 1,
            _ => {}
        }
    }

    /// How long until the end; `None` for never.
    pub fn time_left(&self) -> Option<Duration> {
        self.end.at().map(|at| at.since(self.asked_at))
    }

    fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.already { "more " } else { "" };
        let (mut before, counts) = (", after", [(self.retransmissions, "retransmission"), (self.probes, "probe")]);
        for (count, what) in counts.into_iter().filter(|&(count, _)| count > 0) {
            let plural = if count == 1 { "" } else { "s" };
            write!(f, "{before} {count} {more}{what}{plural}")?;
            before = " and";
        }
        Ok(())
    }
}

/// `dies in 7875.000 s: no answer to keepalive probes (tcp_keepalive_probes), after 9 probes`, for instance.
impl fmt::Display for Outlook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = Seconds(self.time_left().unwrap_or_default());
        match self.end {
            End::Death { cause, errno, .. } => {
                write!(f, "dies in {left}: {}", Error::TimedOut { cause, errno })?;
                self.write_counts(f)
            }
            End::Gone { how, .. } => write!(f, "is gone in {left}: {how}"),
            End::Never(reason) => write!(f, "never ends by silence: {reason}"),
        }
    }
}

/// A duration as people compare them here: `7875.000 s`.
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} s", self.0.as_secs(), self.0.subsec_millis())
    }
}
