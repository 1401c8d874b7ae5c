//! An ICMP error quotes one of our segments (RFC 5461, RFC 5927, RFC 1191, RFC 6069; Linux `tcp_v4_err`, `tcp_v6_err`).
//!
//! It counts only if the quoted sequence number is in flight. Before the handshake is complete every error ends the
//! connect; afterwards every error is *soft*: remembered, reported when a rule gives up, forgotten at the next ACK.
//! RFC 9293 would let hard errors abort [SHLD-26]; Linux does not, and neither do we.

use super::Env;
use super::conn::Conn;
use super::state::State;
use super::timers::Purpose;
use crate::buf::Buffers;
use crate::config::Sysctl;
use crate::error::{Errno, Error};
use crate::liveness::{Verdict, rto};
use crate::seq::SeqNum;
use crate::time::Instant;
use crate::wire::IcmpKind;

impl Conn {
    /// The network says `kind` about the segment that began at `quoted`.
    pub fn handle_icmp(
        &mut self,
        now: Instant,
        quoted: SeqNum,
        kind: IcmpKind,
        sysctl: &Sysctl,
        buffers: &mut impl Buffers,
    ) {
        let env = Env { now, sysctl };
        let in_flight = quoted.at_or_after(self.snd_una) && quoted.at_or_before(self.snd_nxt);
        if self.state == State::Closed || !in_flight {
            return;
        }
        match kind {
            IcmpKind::FragmentationNeeded { mtu } => self.lower_mtu(&env, mtu, buffers),
            IcmpKind::PacketTooBig { mtu } => {
                self.lower_mtu(&env, u16::try_from(mtu).unwrap_or(u16::MAX), buffers);
            }
            _ => {
                if let Some(errno) = errno(kind) {
                    self.take_unreachable(&env, quoted, kind, errno, buffers);
                }
            }
        }
        self.check_in_debug_builds();
    }

    fn take_unreachable(
        &mut self,
        env: &Env<'_>,
        quoted: SeqNum,
        kind: IcmpKind,
        errno: Errno,
        buffers: &mut impl Buffers,
    ) {
        if matches!(self.state, State::SynSent | State::SynReceived) {
            return self.die(Some(Error::Unreachable(errno)), buffers);
        }
        self.soft_error = Some(errno);
        if is_no_route(kind) && quoted == self.snd_una {
            self.revert_backoff(env, buffers);
        }
    }

    /// RFC 6069: the segment did not meet congestion, it met no route; so one doubling is taken back.
    fn revert_backoff(&mut self, env: &Env<'_>, buffers: &impl Buffers) {
        let Some(head) = buffers.sent(0) else { return };
        if self.write_timer.purpose != Purpose::Retransmission || !self.retransmission.can_revert() {
            return;
        }
        let rto_max = self.options.rto_max(env.sysctl);
        let rto = if self.estimator.has_sample() { self.rto(env.sysctl) } else { rto::INITIAL };
        let at = match self.retransmission.revert(rto, rto_max, head.sent_at, env.now) {
            Verdict::Wait(at) => at,
            // Overdue already: the next `handle_timeout` treats it as an expiry.
            _ => env.now,
        };
        self.write_timer.arm(Purpose::Retransmission, at);
    }

    /// The path is narrower than thought (RFC 1191; Linux `tcp_simple_retransmit`): smaller segments from now on, and
    /// what is too large goes again at once. A router that does not say how narrow, or claims less than any path may
    /// be, is taken to mean the least.
    fn lower_mtu(&mut self, env: &Env<'_>, mtu: u16, buffers: &mut impl Buffers) {
        let least = if self.key.is_ipv4() { MTU_MIN_V4 } else { MTU_MIN_V6 };
        let mtu = mtu.max(least);
        if mtu >= self.mtu {
            return;
        }
        self.mtu = mtu;
        self.update_mss(env.sysctl);
        self.mark_too_long(buffers);
    }
}

/// The narrowest path believed over IPv4 (Linux `ip_rt_min_pmtu`): forged errors cannot make segments smaller.
const MTU_MIN_V4: u16 = 552;
/// The narrowest path that IPv6 allows (RFC 8200 5).
const MTU_MIN_V6: u16 = 1280;

/// What an error means to an application (Linux `icmp_err_convert`, `icmpv6_err_convert`); `None` is ignored.
fn errno(kind: IcmpKind) -> Option<Errno> {
    Some(match kind {
        IcmpKind::V4Unreachable(code) => match code {
            0 | 6 | 9 | 11 => Errno::ENETUNREACH,
            1 | 10 | 12..=15 => Errno::EHOSTUNREACH,
            2 => Errno::ENOPROTOOPT,
            3 => Errno::ECONNREFUSED,
            5 => Errno::EOPNOTSUPP,
            7 => Errno::EHOSTDOWN,
            8 => Errno::ENONET,
            _ => return None,
        },
        IcmpKind::V6Unreachable(code) => match code {
            0 => Errno::ENETUNREACH,
            1 | 5 | 6 => Errno::EACCES,
            2 | 3 => Errno::EHOSTUNREACH,
            4 => Errno::ECONNREFUSED,
            // Codes that Linux does not know are not ignored, as they are over IPv4.
            _ => Errno::EPROTO,
        },
        IcmpKind::TimeExceeded => Errno::EHOSTUNREACH,
        IcmpKind::ParameterProblem => Errno::EPROTO,
        _ => return None,
    })
}

/// Whether it says that there is no way to the network or host, so that a doubling is taken back. Over IPv6 only "no
/// route" does in Linux, not "address unreachable".
fn is_no_route(kind: IcmpKind) -> bool {
    matches!(kind, IcmpKind::V4Unreachable(0 | 1) | IcmpKind::V6Unreachable(0))
}

/// Whether an error removes a half-open connection (the callers of `tcp_req_err`). Over IPv4: net or host unreachable,
/// time exceeded, parameter problem. Over IPv6 it is quite another list, that of the errors which `icmpv6_err_convert`
/// calls fatal: those that speak of the way are not.
pub(super) fn ends_half_open(kind: IcmpKind, is_ipv4: bool) -> bool {
    match kind {
        IcmpKind::V4Unreachable(code) => matches!(code, 0 | 1),
        IcmpKind::V6Unreachable(code) => !matches!(code, 0 | 2 | 3),
        IcmpKind::TimeExceeded => is_ipv4,
        IcmpKind::ParameterProblem => true,
        _ => false,
    }
}
