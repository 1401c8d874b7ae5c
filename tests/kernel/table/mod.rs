//! The scenarios, by the rule that they are about. Each is shorter than 15 s.

mod closing;
mod handshake;
mod keepalive;
mod recovery;
mod resets;
mod retransmission;
mod zero_window;

use crate::scenario::Scenario;

/// All of them, longest first: they run beside each other.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut all = [
        keepalive::scenarios(),
        retransmission::scenarios(),
        zero_window::scenarios(),
        handshake::scenarios(),
        recovery::scenarios(),
        closing::scenarios(),
        resets::scenarios(),
    ]
    .concat();
    all.sort_by_key(|scenario| core::cmp::Reverse(scenario.until));
    all
}

/// A peer that takes SACK, so that tail loss probes are sent.
const SACK: &str = "mss 1460,sackOK";
