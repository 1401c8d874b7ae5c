//! Why a connection ended, in the user's words and in Linux's numbers.
//!
//! Errors name causes: which rule gave up, or what the peer or the network said. [`Error::errno`] gives the number that
//! a Linux socket would have returned, for people who compare with strace; with `std` an [`Error`] becomes an
//! `io::Error` of the matching kind that keeps the cause in its text.

pub use crate::liveness::Cause;
use core::fmt;

/// What went wrong with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// Nothing to read, or no room to write, for now (EAGAIN). The connection is well.
    WouldBlock,
    /// The connection is not established, and no connect is under way (ENOTCONN).
    NotConnected,
    /// The peer refused the connection with a reset (ECONNREFUSED).
    Refused,
    /// The peer reset the connection (ECONNRESET).
    Reset,
    /// Writing is over: we finished, the connection died earlier, or the peer reset after its own FIN (EPIPE).
    BrokenPipe,
    /// A liveness rule gave up. `errno` is ETIMEDOUT, or what the last unanswered ICMP error said.
    TimedOut {
        /// The rule that gave up.
        cause: Cause,
        /// What a Linux application would see.
        errno: Errno,
    },
    /// An ICMP error ended the connect, or is pending on a live connection.
    Unreachable(Errno),
    /// We aborted it ourselves (ECONNABORTED).
    Aborted,
}

impl Error {
    /// The number that Linux gives the application for this.
    pub const fn errno(self) -> Errno {
        match self {
            Self::WouldBlock => Errno::EAGAIN,
            Self::NotConnected => Errno::ENOTCONN,
            Self::Refused => Errno::ECONNREFUSED,
            Self::Reset => Errno::ECONNRESET,
            Self::BrokenPipe => Errno::EPIPE,
            Self::TimedOut { errno, .. } | Self::Unreachable(errno) => errno,
            Self::Aborted => Errno::ECONNABORTED,
        }
    }

    /// The rule that gave up, if one did.
    pub const fn cause(self) -> Option<Cause> {
        match self {
            Self::TimedOut { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => f.write_str("nothing to do now"),
            Self::NotConnected => f.write_str("not connected"),
            Self::Refused => f.write_str("connection refused by the peer"),
            Self::Reset => f.write_str("connection reset by the peer"),
            Self::BrokenPipe => f.write_str("the sending side is closed"),
            Self::TimedOut { cause, errno: Errno::ETIMEDOUT } => write!(f, "{cause}"),
            Self::TimedOut { cause, errno } => write!(f, "{cause}; the network had said {errno}"),
            Self::Unreachable(errno) => write!(f, "the network says {errno}"),
            Self::Aborted => f.write_str("aborted by this side"),
        }
    }
}

impl core::error::Error for Error {}

#[cfg(feature = "std")]
impl From<Error> for std::io::Error {
    /// Linux's mapping from errno to kind; the text keeps the cause.
    fn from(error: Error) -> Self {
        Self::new(error.errno().kind(), error)
    }
}

/// Error numbers, as Linux on most architectures counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
#[allow(clippy::upper_case_acronyms)] // these are the names that the field knows
pub enum Errno {
    /// Try again.
    EAGAIN = 11,
    /// Permission denied.
    EACCES = 13,
    /// Invalid argument.
    EINVAL = 22,
    /// Broken pipe.
    EPIPE = 32,
    /// Machine is not on the network.
    ENONET = 64,
    /// Protocol error.
    EPROTO = 71,
    /// Protocol not available.
    ENOPROTOOPT = 92,
    /// Operation not supported.
    EOPNOTSUPP = 95,
    /// Network is unreachable.
    ENETUNREACH = 101,
    /// Software caused connection abort.
    ECONNABORTED = 103,
    /// Connection reset by peer.
    ECONNRESET = 104,
    /// Not connected.
    ENOTCONN = 107,
    /// Connection timed out.
    ETIMEDOUT = 110,
    /// Connection refused.
    ECONNREFUSED = 111,
    /// Host is down.
    EHOSTDOWN = 112,
    /// No route to host.
    EHOSTUNREACH = 113,
}

impl Errno {
    /// The number.
    pub const fn raw(self) -> i32 {
        self as i32
    }

    /// The kind that Rust's standard library gives this number on Linux.
    #[cfg(feature = "std")]
    pub fn kind(self) -> std::io::ErrorKind {
        use std::io::ErrorKind;
        match self {
            Self::EAGAIN => ErrorKind::WouldBlock,
            Self::EACCES => ErrorKind::PermissionDenied,
            Self::EINVAL => ErrorKind::InvalidInput,
            Self::EPIPE => ErrorKind::BrokenPipe,
            Self::ENETUNREACH => ErrorKind::NetworkUnreachable,
            Self::ECONNABORTED => ErrorKind::ConnectionAborted,
            Self::ECONNRESET => ErrorKind::ConnectionReset,
            Self::ENOTCONN => ErrorKind::NotConnected,
            Self::ETIMEDOUT => ErrorKind::TimedOut,
            Self::ECONNREFUSED => ErrorKind::ConnectionRefused,
            Self::EHOSTUNREACH => ErrorKind::HostUnreachable,
            Self::EOPNOTSUPP => ErrorKind::Unsupported,
            Self::ENONET | Self::EPROTO | Self::ENOPROTOOPT | Self::EHOSTDOWN => ErrorKind::Other,
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_two_or_three_bytes() {
        assert!(size_of::<Option<Error>>() <= 4);
    }

    #[cfg(feature = "std")]
    #[test]
    fn an_io_error_keeps_the_kind_and_the_cause() {
        use alloc::string::ToString;
        let io: std::io::Error = Error::TimedOut { cause: Cause::Keepalive, errno: Errno::EHOSTUNREACH }.into();
        assert_eq!(io.kind(), std::io::ErrorKind::HostUnreachable);
        assert!(io.to_string().contains("keepalive") && io.to_string().contains("EHOSTUNREACH"));
    }
}
