//! What can be watched of a connection while it lives: the few variables that liveness is decided from.
//!
//! A copy of them before and after a call tells what the call meant for the connection's life. So whoever keeps a
//! journal compares copies, and the code that changes the variables need not know.

use super::conn::Conn;
use super::flags::ConnFlags;
use super::info::TimerKind;
use super::state::State;
use crate::buf::Buffers;
use crate::error::{Errno, Error};
use crate::time::{Duration, Instant};

/// A copy of what liveness is decided from, at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VitalSigns {
    /// The state.
    pub state: State,
    /// Whether the application has closed.
    pub orphan: bool,
    /// Whether the peer's FIN has come.
    pub peer_finished: bool,
    /// Whether our FIN has left.
    pub fin_sent: bool,
    /// Unanswered probes of either kind.
    pub probes: u8,
    /// Consecutive retransmission timeouts without progress.
    pub retransmits: u8,
    /// How often the RTO is doubled.
    pub backoff: u8,
    /// What ICMP said last, and no ACK has belied since.
    pub soft_error: Option<Errno>,
    /// The last reception that counts as life.
    pub heard_at: Instant,
    /// When the give-up clock of retransmission began: at the first retransmission of the episode.
    pub since: Option<Instant>,
    /// Whether `tcp_retries1` has passed in this episode.
    pub path_doubtful: bool,
    /// Bytes sent and not acknowledged.
    pub in_flight: u32,
    /// Bytes acknowledged so far; stops at 2^32 - 1.
    pub acknowledged: u32,
    /// Bytes written and not sent.
    pub unsent: u32,
    /// The peer's window, in bytes.
    pub snd_wnd: u32,
    /// Largest IP packet of the path, in bytes.
    pub mtu: u16,
    /// What one segment of ours carries, in bytes.
    pub mss: u16,
    /// Smoothed round-trip time; zero without a sample.
    pub rtt: Duration,
    /// The transmit timer: what it is for, and when it fires.
    pub timer: Option<(TimerKind, Instant)>,
    /// The keepalive tick.
    pub keepalive: Option<Instant>,
    /// How long an orphan's FIN-WAIT-2 block will last, once it is decided that there is one.
    pub fin_wait2: Option<Duration>,
    /// What ended it.
    pub death: Option<Error>,
}

impl Conn {
    /// What liveness is decided from, now.
    pub fn vital_signs(&self, buffers: &impl Buffers) -> VitalSigns {
        VitalSigns {
            state: self.state,
            orphan: self.is_orphan(),
            peer_finished: self.flags.has(ConnFlags::PEER_FINISHED),
            fin_sent: self.flags.has(ConnFlags::FIN_SENT),
            probes: self.probes,
            retransmits: self.retransmission.retransmits,
            backoff: self.retransmission.backoff,
            soft_error: self.remembered_error(),
            heard_at: self.heard_at,
            since: self.retransmission.since,
            path_doubtful: self.retransmission.doubted,
            in_flight: self.in_flight_bytes(),
            acknowledged: self.bytes_acked,
            unsent: self.unsent(buffers),
            snd_wnd: self.snd_wnd,
            mtu: self.mtu,
            mss: self.mss,
            rtt: self.estimator.srtt(),
            timer: self.write_timer.at.map(|at| (self.write_timer.purpose.kind(), at)),
            keepalive: self.keepalive.due(),
            fin_wait2: self.block_ms.map(|millis| Duration::from_millis(u64::from(millis.get()))),
            death: self.death,
        }
    }
}
