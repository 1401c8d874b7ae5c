//! Congestion told by marks instead of losses (RFC 3168; Linux `tcp_ecn.h`).
//!
//! Both ends must agree in the handshake. Then new data leaves marked as ECN-capable; a router that would drop it sets
//! another mark instead (CE); the receiver echoes that in every ACK (ECE) until the sender says that it has slowed down
//! (CWR), which it does as for a loss, and once a round trip.
//!
//! Accurate ECN (RFC 9768), which Linux has from 7.0 on, is not spoken; a SYN that asks for it is granted RFC 3168's.

use super::Env;
use super::acked::Acked;
use super::conn::Conn;
use super::flags::{ConnFlags, Wants};
use super::recovery::CaState;
use crate::buf::Buffers;
use crate::config::Sysctl;
use crate::wire::{Ecn, Flags, Header, Segment};

/// What a SYN that asks for ECN carries (RFC 3168 6.1.1).
pub(crate) const ASKS: Flags = Flags::ECE.with(Flags::CWR);

/// Whether connections of ours ask for it. By default they do not: too many middleboxes once dropped such SYNs.
const fn asks(sysctl: &Sysctl) -> bool {
    sysctl.tcp_ecn == 1
}

/// Whether this SYN asks a listener for ECN, and gets it (`tcp_ecn_create_request`).
pub(super) const fn is_granted(sysctl: &Sysctl, syn: &Header) -> bool {
    sysctl.tcp_ecn != 0 && syn.flags.contains(ASKS)
}

impl Conn {
    /// The flags with which a SYN asks. One that was lost goes again without them, as far as `tcp_ecn_fallback` says:
    /// they may be why it was lost (RFC 3168 6.1.1.1).
    pub(super) fn ecn_of_syn(&mut self, env: &Env<'_>, again: bool, crossed: bool) -> Flags {
        if !again && !crossed {
            self.flags.set(ConnFlags::ECN, asks(env.sysctl));
        }
        match (self.flags.has(ConnFlags::ECN), crossed) {
            (false, _) => Flags::NONE,
            (true, true) => Flags::ECE,
            (true, false) if again && env.sysctl.tcp_ecn_fallback != 0 => Flags::NONE,
            (true, false) => ASKS,
        }
    }

    /// The peer's SYN tells whether it agrees: ECE alone on a SYN-ACK, both flags on one that crossed ours.
    pub(super) fn take_ecn_of_syn(&mut self, header: &Header) {
        let crossed = !header.flags.contains(Flags::ACK);
        let agrees = header.flags.contains(Flags::ECE) && header.flags.contains(Flags::CWR) == crossed;
        let both = self.flags.has(ConnFlags::ECN) && agrees;
        self.flags.set(ConnFlags::ECN, both);
    }

    /// New data leaves (`tcp_ecn_send`): marked as ECN-capable, and saying once that the window was reduced. Nothing
    /// else is marked, neither retransmissions nor ACKs (RFC 3168 6.1.4, 6.1.5).
    pub(super) fn mark_new_data(&mut self, header: &mut Header) -> Ecn {
        if !self.flags.has(ConnFlags::ECN) {
            return Ecn::NotEct;
        }
        if self.flags.take(ConnFlags::ECN_QUEUE_CWR) {
            header.flags |= Flags::CWR;
        }
        Ecn::Ect0
    }

    /// ECE, while the peer must still be told (RFC 3168 6.1.3).
    pub(super) fn ecn_echo(&self) -> Flags {
        if self.flags.has(ConnFlags::ECN_DEMAND_CWR) { Flags::ECE } else { Flags::NONE }
    }

    /// The peer says that it has reduced its window: the echo ends, and an ACK leaves at once, because the window may
    /// be of one segment (`tcp_ecn_accept_cwr`).
    pub(super) fn take_cwr(&mut self, segment: &Segment<'_>) {
        if segment.header.flags.contains(Flags::CWR) && self.flags.has(ConnFlags::ECN) {
            self.flags.set(ConnFlags::ECN_DEMAND_CWR, false);
            if !segment.is_empty() {
                self.wants.set(Wants::ACK, true);
            }
        }
    }

    /// Data came with this mark (`tcp_data_ecn_check`).
    pub(super) fn take_congestion_mark(&mut self, ecn: Ecn) {
        if !self.flags.has(ConnFlags::ECN) {
            return;
        }
        match ecn {
            // Unmarked among marked is probably a retransmission.
            Ecn::NotEct if self.flags.has(ConnFlags::ECN_SEEN) => self.delayed_ack.hurry(self.rcv_wnd),
            Ecn::NotEct => {}
            Ecn::Ect0 | Ecn::Ect1 => self.flags.set(ConnFlags::ECN_SEEN, true),
            Ecn::Ce => {
                if !self.flags.has(ConnFlags::ECN_DEMAND_CWR) {
                    self.delayed_ack.hurry(self.rcv_wnd);
                }
                self.flags.set(ConnFlags::ECN_DEMAND_CWR | ConnFlags::ECN_SEEN, true);
            }
        }
    }

    /// Whether an ACK echoes a mark (`tcp_ecn_rcv_ecn_echo`).
    pub(super) fn is_congestion_echoed(&self, header: &Header) -> bool {
        self.flags.has(ConnFlags::ECN) && header.flags.contains(Flags::ECE) && !header.flags.contains(Flags::SYN)
    }

    /// A mark was echoed, and nothing else is wrong: the window shrinks as for a loss, and cannot be put back, since a
    /// mark is no misunderstanding (`tcp_enter_cwr`).
    pub(super) fn heed_echo(&mut self, acked: &Acked, buffers: &mut impl Buffers) {
        if !acked.echoes_mark {
            return;
        }
        buffers.scoreboard_mut().prior_ssthresh = 0;
        if self.recovery.state < CaState::Cwr {
            buffers.scoreboard_mut().undo_marker = None;
            self.begin_reduction(buffers);
            self.recovery.state = CaState::Cwr;
        }
    }

    /// The window was reduced, for whatever reason: the peer shall know with the next new data (`tcp_ecn_queue_cwr`).
    pub(super) fn queue_cwr(&mut self) {
        self.flags.set(ConnFlags::ECN_QUEUE_CWR, self.flags.has(ConnFlags::ECN));
    }
}
