//! Which setting ended a connection: the knob behind a [`Cause`], its value, and the time that it stands for.

use crate::config::Sysctl;
use crate::error::Cause;
use crate::liveness::orphan::RETRIES_WHILE_ALIVE;
use crate::liveness::retransmission::{MODEL_BASE, model_timeout};
use crate::liveness::rto;
use crate::options::Options;
use crate::tcp::{TimerKind, VitalSigns};
use crate::time::{Duration, Instant};
use core::fmt;

/// A setting that decided, as it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limit {
    /// Which.
    pub knob: Knob,
    /// Its value, in the unit of the knob: milliseconds of a time, or a number.
    pub value: u32,
    /// The time that the rule made of it; `None` if it counts.
    pub modelled: Option<Duration>,
}

/// A setting, by the name that Linux gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Knob {
    /// `tcp_retries2`: a time while data is in flight, a count of window probes.
    Retries2,
    /// `tcp_orphan_retries`; 0 means 8 while the RTO is below its cap.
    OrphanRetries,
    /// `tcp_syn_retries`.
    SynRetries,
    /// `TCP_SYNCNT`.
    Syncnt,
    /// `tcp_keepalive_probes`.
    KeepaliveProbes,
    /// `TCP_KEEPCNT`.
    Keepcnt,
    /// `TCP_USER_TIMEOUT`, a time.
    UserTimeout,
    /// `tcp_rto_max_ms`, a time.
    RtoMax,
    /// `TCP_RTO_MAX_MS`, a time.
    RtoMaxOption,
}

impl Knob {
    /// Whether [`Limit::value`] is in milliseconds.
    pub const fn is_time(self) -> bool {
        matches!(self, Self::UserTimeout | Self::RtoMax | Self::RtoMaxOption)
    }
}

impl fmt::Display for Knob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retries2 => "tcp_retries2",
            Self::OrphanRetries => "tcp_orphan_retries",
            Self::SynRetries => "tcp_syn_retries",
            Self::Syncnt => "TCP_SYNCNT",
            Self::KeepaliveProbes => "tcp_keepalive_probes",
            Self::Keepcnt => "TCP_KEEPCNT",
            Self::UserTimeout => "TCP_USER_TIMEOUT",
            Self::RtoMax => "tcp_rto_max_ms",
            Self::RtoMaxOption => "TCP_RTO_MAX_MS",
        })
    }
}

/// What decided a death of `cause` at `now`, the connection having been as in `before`.
pub(super) fn of(cause: Cause, now: Instant, before: &VitalSigns, options: &Options, sysctl: &Sysctl) -> Limit {
    let rto_max = options.rto_max(sysctl);
    let probing = before.timer.is_some_and(|(kind, _)| kind == TimerKind::WindowProbe);
    let counted = |knob, value: u8| Limit { knob, value: u32::from(value), modelled: None };
    let modelled = |knob, value: u8, time| Limit { knob, value: u32::from(value), modelled: Some(time) };
    match cause {
        Cause::Handshake => {
            let retries = options.syn_retries(sysctl);
            let knob = if options.has_syncnt() { Knob::Syncnt } else { Knob::SynRetries };
            modelled(knob, retries, model_timeout(retries, rto::INITIAL, rto_max))
        }
        Cause::ZeroWindow if probing => counted(Knob::Retries2, sysctl.tcp_retries2),
        // The window shut over data in flight: twice the longest RTO.
        Cause::ZeroWindow => {
            let knob = if options.has_rto_max() { Knob::RtoMaxOption } else { Knob::RtoMax };
            Limit { knob, value: millis(rto_max), modelled: Some(rto_max * 2) }
        }
        Cause::Keepalive => {
            let knob = if options.has_keepcnt() { Knob::Keepcnt } else { Knob::KeepaliveProbes };
            counted(knob, options.keepalive_retries(sysctl))
        }
        Cause::UserTimeout => {
            let limit = options.tcp_user_timeout().unwrap_or_default();
            Limit { knob: Knob::UserTimeout, value: millis(limit), modelled: None }
        }
        Cause::Orphan if probing => counted(Knob::OrphanRetries, sysctl.tcp_orphan_retries),
        Cause::Orphan => {
            let model = |retries| model_timeout(retries, MODEL_BASE, rto_max);
            let (set, elapsed) = (sysctl.tcp_orphan_retries, now.since(before.since.unwrap_or(now)));
            // 0 stands for 8 until the RTO is at its cap, and it was 8 if so much time has passed.
            let meant = if set == 0 && elapsed >= model(RETRIES_WHILE_ALIVE) { RETRIES_WHILE_ALIVE } else { set };
            modelled(Knob::OrphanRetries, set, model(meant))
        }
        _ => modelled(Knob::Retries2, sysctl.tcp_retries2, model_timeout(sysctl.tcp_retries2, MODEL_BASE, rto_max)),
    }
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
