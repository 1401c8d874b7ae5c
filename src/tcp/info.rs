//! What can be seen of a connection from outside, under the names of Linux's `tcp_info`.

use super::conn::Conn;
use super::state::State;
use super::timers::Purpose;
use crate::buf::Buffers;
use crate::config::Sysctl;
use crate::liveness::rto;
use crate::time::{Duration, Instant};
use crate::wire::Flow;
use core::fmt;

/// Which timer runs, in the words of `ss -o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerKind {
    /// Something in flight will be resent: `on`.
    Retransmission,
    /// The peer's window will be probed: `persist`.
    WindowProbe,
    /// Keepalive: `keepalive`.
    Keepalive,
    /// An orphan's FIN-WAIT-2: `timewait`.
    FinWait2,
}

/// A snapshot of one connection. Times are durations before or after the instant of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpInfo {
    /// Both ends.
    pub flow: Flow,
    /// The state.
    pub state: State,
    /// Consecutive retransmission timeouts without progress.
    pub retransmits: u8,
    /// Unanswered probes, of keepalive and of the window.
    pub probes: u8,
    /// How often the RTO is doubled.
    pub backoff: u8,
    /// The retransmission timeout in force, backoff included.
    pub rto: Duration,
    /// Smoothed round-trip time; zero without a sample.
    pub rtt: Duration,
    /// The variance term of the RTO.
    pub rttvar: Duration,
    /// Congestion window, in segments.
    pub snd_cwnd: u32,
    /// Slow start threshold, in segments.
    pub snd_ssthresh: u32,
    /// Segments in flight.
    pub unacked: u32,
    /// What one segment of ours carries, in bytes.
    pub snd_mss: u16,
    /// The peer's window, in bytes.
    pub snd_wnd: u32,
    /// Bytes written and not acknowledged.
    pub send_queue: usize,
    /// Bytes received and not read.
    pub receive_queue: usize,
    /// Since the last reception that counts as life.
    pub last_heard: Duration,
    /// The timer that runs, and when it fires.
    pub timer: Option<(TimerKind, Duration)>,
}

impl Conn {
    /// A snapshot.
    pub fn info(&self, now: Instant, sysctl: &Sysctl, buffers: &impl Buffers) -> TcpInfo {
        let rto_max = self.options().rto_max(sysctl);
        TcpInfo {
            flow: self.flow(),
            state: self.state,
            retransmits: self.retransmission.retransmits,
            probes: self.probes,
            backoff: self.retransmission.backoff,
            rto: rto::backed_off(self.rto(sysctl), self.retransmission.backoff, rto_max),
            rtt: self.estimator.srtt(),
            rttvar: self.estimator.rttvar(),
            snd_cwnd: self.congestion.cwnd,
            snd_ssthresh: self.congestion.ssthresh,
            unacked: buffers.sent_len() as u32,
            snd_mss: self.mss,
            snd_wnd: self.snd_wnd,
            send_queue: buffers.len(),
            receive_queue: buffers.readable(),
            last_heard: self.silent_for(now),
            timer: self.timer(now),
        }
    }

    fn timer(&self, now: Instant) -> Option<(TimerKind, Duration)> {
        let write = self.write_timer.at.map(|at| {
            let kind = match self.write_timer.purpose {
                Purpose::Handshake | Purpose::Retransmission | Purpose::TailLoss | Purpose::Reordering => {
                    TimerKind::Retransmission
                }
                Purpose::WindowProbe => TimerKind::WindowProbe,
                Purpose::FinWait2 => TimerKind::FinWait2,
            };
            (kind, at.since(now))
        });
        write.or_else(|| self.keepalive.due().map(|at| (TimerKind::Keepalive, at.since(now))))
    }
}

/// A line of `ss -o`: state, receive queue, send queue, both ends, timer with its remaining time and count.
impl fmt::Display for TcpInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Flow { local, remote } = self.flow;
        write!(f, "{} {} {} {local} {remote}", self.state, self.receive_queue, self.send_queue)?;
        let Some((kind, left)) = self.timer else { return Ok(()) };
        let (name, count) = match kind {
            TimerKind::Retransmission => ("on", self.retransmits),
            TimerKind::WindowProbe => ("persist", self.probes),
            TimerKind::Keepalive => ("keepalive", self.probes),
            TimerKind::FinWait2 => ("timewait", 0),
        };
        write!(f, " timer:({name},{}.{:03}sec,{count})", left.as_secs(), left.subsec_millis())
    }
}
