//! What happened to a subject, and when.

use crate::scenario::Act;
use crate::segment::Seen;
use core::fmt;
use core::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Since the beginning.
    pub(crate) at: Duration,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The subject sent this.
    Sent(Seen),
    /// The connection died; `SO_ERROR` gave this number.
    Died(i32),
    /// Something was done to it; what a call gave, or its error number.
    Did(Act, Result<usize, i32>),
    /// Nobody watched any longer.
    End,
}

impl What {
    /// Whether it came from the subject, at a time of its choice.
    pub(crate) fn is_output(&self) -> bool {
        matches!(self, Self::Sent(_) | Self::Died(_))
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(seen) => write!(f, "> {seen}"),
            Self::Died(errno) => write!(f, "died of errno {errno}"),
            Self::Did(Act::Hear(text), _) => write!(f, "< {text}"),
            Self::Did(act @ (Act::Read(_) | Act::Write(_)), result) => write!(f, "{act:?} = {result:?}"),
            Self::Did(act, _) => write!(f, "{act:?}"),
            Self::End => write!(f, "end"),
        }
    }
}
