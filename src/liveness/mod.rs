//! When is a silent connection still alive, and when is it dead? One file a rule, each a pure function.
//!
//! A rule is a small plain struct with one question, `verdict(&self, &Facts, &Params) -> Verdict`, and a few `on_*`
//! notes. It neither sends nor arms anything: `tcp::timers` asks the one rule that owns the connection now and acts.
//! The behaviour is Linux's (6.12 to 6.18); each file names the kernel function it follows.
//!
//! | rule | decides when | ends with |
//! |---|---|---|
//! | [`handshake`] | SYN-SENT, SYN-RECEIVED | [`Cause::Handshake`] |
//! | [`retransmission`], with [`rto`] | data or FIN in flight | [`Cause::Retransmission`] |
//! | [`black_hole`] | the same, and the path is in doubt | never: it makes segments smaller |
//! | [`user_timeout`] | `TCP_USER_TIMEOUT` is set; wraps the others | [`Cause::UserTimeout`] |
//! | [`zero_window`] | data queued, none in flight, window closed | [`Cause::ZeroWindow`] |
//! | [`keepalive`] | nothing outstanding, `SO_KEEPALIVE` on | [`Cause::Keepalive`] |
//! | [`orphan`] | closed by the application; narrows the limits above | [`Cause::Orphan`] |
//! | [`fin_wait2`] | FIN-WAIT-2 and closed by the application | silently |
//! | [`time_wait`] | TIME-WAIT | silently |

pub mod black_hole;
pub mod fin_wait2;
pub mod handshake;
pub mod keepalive;
pub mod orphan;
pub mod retransmission;
pub mod rto;
pub mod time_wait;
pub mod user_timeout;
pub mod zero_window;

use crate::time::{Duration, Instant};
use core::fmt;

/// What a rule wants done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing before this instant: arm the timer there.
    Wait(Instant),
    /// Send a probe or retransmission, then ask again.
    Probe,
    /// The peer is gone.
    Abort(Cause),
}

/// Which rule gave the connection up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// No answer to SYN (`tcp_syn_retries`) or SYN-ACK (`tcp_synack_retries`).
    Handshake,
    /// No acknowledgment for as long as `tcp_retries2` models.
    Retransmission,
    /// No answer to `tcp_retries2` window probes.
    ZeroWindow,
    /// No answer to `tcp_keepalive_probes` keepalive probes.
    Keepalive,
    /// `TCP_USER_TIMEOUT` passed.
    UserTimeout,
    /// The application had closed, and `tcp_orphan_retries` ended what was left.
    Orphan,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "no answer to the handshake (tcp_syn_retries)",
            Self::Retransmission => "no acknowledgment of data sent (tcp_retries2)",
            Self::ZeroWindow => "no answer to window probes (tcp_retries2)",
            Self::Keepalive => "no answer to keepalive probes (tcp_keepalive_probes)",
            Self::UserTimeout => "the user timeout passed (TCP_USER_TIMEOUT)",
            Self::Orphan => "closed by the application, and the peer stayed silent (tcp_orphan_retries)",
        })
    }
}

/// What a rule may know of its connection, gathered by `tcp::timers` at the instant of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The instant of asking.
    pub now: Instant,
    /// When the timer that this rule reads was set to fire.
    pub due: Instant,
    /// When the give-up clock of this rule started: first SYN, first retransmission or first window probe of the
    /// episode.
    pub since: Option<Instant>,
    /// Last reception that counts as life: in-order data or an acceptable ACK (Linux `keepalive_time_elapsed`).
    pub heard_at: Instant,
    /// Whether any byte, SYN or FIN is queued or in flight.
    pub outstanding: bool,
    /// Consecutive expiries without progress (Linux `icsk_retransmits`).
    pub retransmits: u8,
    /// Unanswered keepalive and window probes: one shared counter (Linux `icsk_probes_out`).
    pub probes: u8,
    /// The exponent of the backoff (Linux `icsk_backoff`).
    pub backoff: u8,
    /// The retransmission timeout before backoff.
    pub rto: Duration,
}

/// What the timelines in the tests of this folder share.
#[cfg(test)]
pub(crate) mod testing {
    use super::{Duration, Facts, Instant};

    /// `millis` milliseconds.
    pub(crate) const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// `millis` milliseconds after the origin.
    pub(crate) const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// Milliseconds from the origin to `instant`.
    pub(crate) const fn millis(instant: Instant) -> u64 {
        instant.as_millis()
    }

    /// Asked at `now`, just when the timer fires: nothing sent, nothing heard since the origin, RTO 204 ms.
    pub(crate) const fn facts(now: Instant) -> Facts {
        Facts {
            now,
            due: now,
            since: None,
            heard_at: Instant::ORIGIN,
            outstanding: false,
            retransmits: 0,
            probes: 0,
            backoff: 0,
            rto: ms(204),
        }
    }
}
