//! What was wrong when a connection ended: not which rule gave up ([`Error`] says that) but what the peer and the path
//! were like.
//!
//! Two connections that die of `tcp_retries2` may have died of different things: one peer was gone, another was heard
//! all the time and never received anything. The difference decides where to look, and it is known only at the moment
//! of death. [`diagnose`] draws the conclusion, from facts that a connection has anyway and one bit
//! (`Notes::HEARD`) that every arriving segment sets or clears.
//!
//! A diagnosis is a conclusion, no proof: whoever can forge segments of the connection can falsify it. It decides
//! nothing.

use super::conn::Conn;
use super::flags::{ConnFlags, Notes};
use super::state::State;
use super::timers::Purpose;
use crate::error::{Errno, Error};
use crate::liveness::Cause;
use core::fmt;

/// What was wrong when a connection ended, as far as this end can tell.
///
/// [`Conn::diagnosis`] has one from the end of the connection on, for as long as the block lives; it costs nothing
/// before. What to do about each stands in [`manual::errors`](crate::manual::errors).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Diagnosis {
    /// Nothing was wrong: both ends had finished.
    Finished,
    /// This side ended it: the application aborted or withdrew, or data came after it had shut down both directions.
    Aborted,
    /// The peer answered our SYN with a reset: the host is there, and nobody listens at that port.
    Refused,
    /// The peer ended it with a reset of its own accord, one that carries ACK (RFC 9293 3.10.5; Linux
    /// `tcp_send_active_reset`): its application aborted, closed with data unread, or its own patience was over.
    PeerAborted,
    /// The peer had sent its FIN, and then reset what we still sent: its application reads no more.
    PeerClosed,
    /// The peer answered with a reset without ACK, as a host does for a connection that it knows nothing of (RFC 9293
    /// 3.10.7.1; Linux `tcp_v4_send_reset`): it was restarted, or another machine or a middlebox answers in its place.
    Rebooted,
    /// The network said why nothing arrives, in an ICMP error that nothing from the peer has belied since.
    Unreachable(Errno),
    /// No answer at all to anything since the first retransmission or probe: the peer is off, or the path is cut in
    /// both directions or swallows silently.
    Silent,
    /// The peer is alive and answers, but its window stays shut: its application does not read.
    WindowStalled,
    /// The peer was heard while what we sent stayed unanswered: the path towards it is broken, or drops segments of
    /// this size, and the one from it works.
    OneWay,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Finished => "both ends had finished",
            Self::Aborted => "this side ended it",
            Self::Refused => "nobody listens at the peer's port",
            Self::PeerAborted => "the peer ended it with a reset",
            Self::PeerClosed => "the peer had closed and reads no more",
            Self::Rebooted => "the peer knows nothing of this connection: it was restarted or replaced",
            Self::Unreachable(errno) => return write!(f, "the network says {errno}"),
            Self::Silent => "the peer is silent (no answer at all)",
            Self::WindowStalled => "the peer answers, but its window stays shut",
            Self::OneWay => "the peer is heard, but nothing sent to it is ever acknowledged",
        })
    }
}

/// A reset that arrived, by what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reset {
    /// Without ACK: an answer to a segment that no connection wanted.
    Bare,
    /// With ACK: the act of one that knows the connection.
    WithAck,
}

/// The facts at the moment of death.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    /// What the application is told.
    pub(super) error: Option<Error>,
    /// The state it died in.
    pub(super) state: State,
    /// The reset that killed it, if one did.
    pub(super) reset: Option<Reset>,
    /// Whether the peer's FIN had come.
    pub(super) peer_finished: bool,
    /// Whether something came while an answer was owed, and was not that answer.
    pub(super) heard: bool,
    /// Whether the window is shut over data, and the peer keeps saying so.
    pub(super) window_stalled: bool,
}

/// What the facts mean. What ICMP said goes first, for any acceptable ACK since would have erased it.
pub(super) const fn diagnose(evidence: Evidence) -> Diagnosis {
    match evidence.error {
        None if matches!(evidence.state, State::SynSent) => Diagnosis::Aborted,
        None => Diagnosis::Finished,
        Some(Error::Refused) => Diagnosis::Refused,
        Some(Error::TimedOut { errno: Errno::ETIMEDOUT, .. }) => {
            if evidence.window_stalled {
                Diagnosis::WindowStalled
            } else if evidence.heard && !matches!(evidence.state, State::SynSent) {
                Diagnosis::OneWay
            } else {
                Diagnosis::Silent
            }
        }
        Some(Error::Unreachable(errno) | Error::TimedOut { errno, .. }) => Diagnosis::Unreachable(errno),
        Some(_) => match evidence.reset {
            Some(_) if evidence.peer_finished => Diagnosis::PeerClosed,
            Some(Reset::Bare) => Diagnosis::Rebooted,
            Some(Reset::WithAck) => Diagnosis::PeerAborted,
            None => Diagnosis::Aborted,
        },
    }
}

impl Conn {
    /// What was wrong, once the connection is over (in TIME-WAIT it is); `None` while it lives.
    pub fn diagnosis(&self) -> Option<Diagnosis> {
        match self.state {
            State::Closed => Some(self.diagnosis),
            State::TimeWait => Some(Diagnosis::Finished),
            _ => None,
        }
    }

    /// The facts, before the death procedure erases them.
    pub(super) fn evidence(&self, error: Option<Error>, reset: Option<Reset>) -> Evidence {
        Evidence {
            error,
            state: self.state,
            reset,
            peer_finished: self.state.peer_finished() || self.flags.has(ConnFlags::PEER_FINISHED),
            heard: self.notes.has(Notes::HEARD),
            window_stalled: self.is_window_stalled(error),
        }
    }

    /// The window is 0, and its owner was heard since we first asked it (or was never asked). One answer may be
    /// missing: that happens on any path.
    fn is_window_stalled(&self, error: Option<Error>) -> bool {
        let asked_since = match self.write_timer.purpose {
            Purpose::WindowProbe => self.zero_window.since,
            Purpose::Retransmission => self.retransmission.since,
            _ => return false,
        };
        let answered = match asked_since {
            // This rule counts what is not answered, so its verdict is silence.
            Some(_) if error.and_then(Error::cause) == Some(Cause::ZeroWindow) => false,
            Some(since) => self.heard_at > since && self.probes <= 1,
            None => true,
        };
        self.snd_wnd == 0 && self.write_timer.at.is_some() && answered
    }

    /// A segment was taken in: was it the answer that is owed? What comes beside it proves that the peer lives.
    pub(super) fn note_heard(&mut self) {
        let owed = self.retransmission.retransmits > 0 || self.probes > 0;
        self.notes.set(Notes::HEARD, owed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMED_OUT: Error = Error::TimedOut { cause: Cause::Retransmission, errno: Errno::ETIMEDOUT };
    const BASE: Evidence = Evidence {
        error: Some(TIMED_OUT),
        state: State::Established,
        reset: None,
        peer_finished: false,
        heard: false,
        window_stalled: false,
    };

    #[test]
    fn a_diagnosis_is_one_byte() {
        assert_eq!(size_of::<Diagnosis>(), 1);
    }

    #[test]
    fn of_two_explanations_the_more_particular_wins() {
        let soft = Error::TimedOut { cause: Cause::Keepalive, errno: Errno::EHOSTUNREACH };
        let rows = [
            (BASE, Diagnosis::Silent),
            (Evidence { heard: true, ..BASE }, Diagnosis::OneWay),
            (Evidence { heard: true, window_stalled: true, ..BASE }, Diagnosis::WindowStalled),
            (Evidence { error: Some(soft), heard: true, ..BASE }, Diagnosis::Unreachable(Errno::EHOSTUNREACH)),
            (Evidence { state: State::SynSent, heard: true, ..BASE }, Diagnosis::Silent),
            (Evidence { state: State::SynReceived, heard: true, ..BASE }, Diagnosis::OneWay),
            (Evidence { error: None, ..BASE }, Diagnosis::Finished),
            (Evidence { error: None, state: State::SynSent, ..BASE }, Diagnosis::Aborted),
            (Evidence { error: Some(Error::Reset), ..BASE }, Diagnosis::Aborted),
            (Evidence { error: Some(Error::Reset), reset: Some(Reset::Bare), ..BASE }, Diagnosis::Rebooted),
            (Evidence { error: Some(Error::Reset), reset: Some(Reset::WithAck), ..BASE }, Diagnosis::PeerAborted),
        ];
        for (evidence, diagnosis) in rows {
            assert_eq!(diagnose(evidence), diagnosis, "{evidence:?}");
        }
    }
}
