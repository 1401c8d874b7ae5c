//! The states of a connection and the transitions between them (RFC 9293 3.3.2, figure 5).
//!
//! LISTEN is no state of a connection here: a listener is a thing of its own, and a passive open lives in a
//! [`super::HalfOpen`] until its handshake is complete. TIME-WAIT has its own small block, [`super::TimeWait`].
//! [`TRANSITIONS`] is the figure as data: every change of state is checked against it, and a test draws it.

use core::fmt;

/// Where a connection is (RFC 9293 3.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// No connection: dead, or never alive.
    Closed,
    /// We sent SYN.
    SynSent,
    /// SYN received and answered; seen here only when two active opens cross.
    SynReceived,
    /// Data flows.
    Established,
    /// We finished; our FIN is not acknowledged.
    FinWait1,
    /// We finished and the peer knows; it may still send.
    FinWait2,
    /// The peer finished; we may still send.
    CloseWait,
    /// Both finished at once; our FIN is not acknowledged.
    Closing,
    /// The peer finished, then we did; our FIN is not acknowledged.
    LastAck,
    /// Both finished, we first: waiting for old segments to die out.
    TimeWait,
}

/// Every change of state there is, with what causes it. A reset, an abort or a liveness rule leads from anywhere to
/// [`State::Closed`] and is not listed.
pub const TRANSITIONS: &[(State, &str, State)] = &[
    (State::Closed, "connect", State::SynSent),
    (State::Closed, "handshake done by a half-open block", State::Established),
    (State::SynSent, "SYN-ACK", State::Established),
    (State::SynSent, "SYN", State::SynReceived),
    (State::SynReceived, "ACK", State::Established),
    (State::Established, "finish", State::FinWait1),
    (State::Established, "FIN", State::CloseWait),
    (State::FinWait1, "ACK of FIN", State::FinWait2),
    (State::FinWait1, "FIN", State::Closing),
    (State::FinWait2, "FIN", State::TimeWait),
    (State::CloseWait, "finish", State::LastAck),
    (State::Closing, "ACK of FIN", State::TimeWait),
    (State::LastAck, "ACK of FIN", State::Closed),
];

impl State {
    /// Whether [`TRANSITIONS`] leads from here to `next`, or `next` is [`State::Closed`].
    pub fn can_become(self, next: Self) -> bool {
        next == Self::Closed || TRANSITIONS.iter().any(|&(from, _, to)| from == self && to == next)
    }

    /// Whether both ends have each other's sequence numbers.
    pub const fn is_synchronized(self) -> bool {
        !matches!(self, Self::Closed | Self::SynSent | Self::SynReceived)
    }

    /// The same, or the peer's number at least is known.
    pub const fn is_synchronized_or_received(self) -> bool {
        self.is_synchronized() || matches!(self, Self::SynReceived)
    }

    /// Whether data of ours may leave (it may still be queued after we finished).
    pub const fn may_transmit(self) -> bool {
        matches!(self, Self::Established | Self::CloseWait | Self::FinWait1 | Self::Closing | Self::LastAck)
    }

    /// Whether the peer may still send data.
    pub const fn may_receive(self) -> bool {
        matches!(self, Self::SynReceived | Self::Established | Self::FinWait1 | Self::FinWait2)
    }

    /// Whether the peer's FIN has been received.
    pub const fn peer_finished(self) -> bool {
        matches!(self, Self::CloseWait | Self::Closing | Self::LastAck | Self::TimeWait)
    }
}

/// As `ss` writes it.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "UNCONN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECV",
            Self::Established => "ESTAB",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use core::fmt::Write as _;

    /// The drawing in `manual::architecture` is this table, in Mermaid's language.
    #[test]
    fn the_manual_draws_this_table() {
        let mut drawing = String::from("stateDiagram-v2\n");
        for (from, cause, to) in TRANSITIONS {
            writeln!(drawing, "    {from:?} --> {to:?}: {cause}").unwrap();
        }
        let manual = include_str!("../manual/architecture.rs");
        let drawn: String = manual
            .lines()
            .filter_map(|line| line.strip_prefix("//!"))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .skip_while(|line| *line != "stateDiagram-v2")
            .take_while(|line| *line != "```")
            .flat_map(|line| [line, "\n"])
            .collect();
        assert_eq!(drawn, drawing, "paste this into src/manual/architecture.rs:\n{drawing}");
    }

    #[test]
    fn every_state_is_reached_and_left() {
        for (state, _, _) in TRANSITIONS.iter().filter(|(from, ..)| *from != State::Closed) {
            assert!(TRANSITIONS.iter().any(|(_, _, to)| to == state), "{state:?} is never reached");
        }
        assert!(!State::Established.can_become(State::SynSent));
        assert!(!State::TimeWait.can_become(State::Established));
        assert!(State::FinWait2.can_become(State::Closed));
    }
}
