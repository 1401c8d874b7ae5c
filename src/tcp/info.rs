//! What can be seen of a connection from outside, under the names of Linux's `tcp_info`.

use super::conn::Conn;
use super::flags::ConnFlags;
use super::output::TIMESTAMPS_LEN;
use super::recovery::CaState;
use super::state::State;
use super::timers::Purpose;
use crate::buf::Buffers;
use crate::config::Sysctl;
use crate::time::{Duration, Instant};
use crate::wire::Flow;
use core::fmt;

/// Which timer runs, in the words of `ss -o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerKind {
    /// Something in flight will be resent: `on`.
    Retransmission,
    /// The end of a burst will be probed: `on`, as for Linux it is.
    TailLossProbe,
    /// The peer's window will be probed: `persist`.
    WindowProbe,
    /// Keepalive: `keepalive`.
    Keepalive,
    /// An orphan's FIN-WAIT-2, before the small block takes its place: `keepalive`, whose timer Linux uses for it.
    FinWait2,
}

/// A snapshot of one connection, under the names of Linux's `tcp_info` without their `tcpi_`. Times are durations
/// before or after the instant of asking.
///
/// Not here, because no connection counts them: `last_ack_sent` (Linux leaves it 0), `total_retrans`,
/// `bytes_received`, `bytes_sent`, `bytes_retrans`, segments in and out, rates, `delivered`, and the times busy or
/// limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpInfo {
    /// Both ends.
    pub flow: Flow,
    /// The state.
    pub state: State,
    /// How loss recovery stands.
    pub ca_state: CaState,
    /// Consecutive retransmission timeouts without progress.
    pub retransmits: u8,
    /// Unanswered probes, of keepalive and of the window.
    pub probes: u8,
    /// How often the RTO is doubled.
    pub backoff: u8,
    /// Whether both ends use timestamps (`TCPI_OPT_TIMESTAMPS`); while our SYN is unanswered, whether it offers them.
    pub timestamps: bool,
    /// The same of SACK (`TCPI_OPT_SACK`).
    pub sack: bool,
    /// The same of window scaling (`TCPI_OPT_WSCALE`).
    pub wscale: bool,
    /// Whether both ends use ECN (RFC 3168).
    pub ecn: bool,
    /// Whether the peer's data came marked as ECN-capable.
    pub ecn_seen: bool,
    /// How far the peer's windows are shifted; 0 without scaling.
    pub snd_wscale: u8,
    /// How far ours are.
    pub rcv_wscale: u8,
    /// The retransmission timeout in force, backoff included.
    pub rto: Duration,
    /// How long an acknowledgment waits for company at present; zero before the first data.
    pub ato: Duration,
    /// What one segment of ours carries, in bytes.
    pub snd_mss: u16,
    /// What the peer's full segments carry, in bytes, as far as seen.
    pub rcv_mss: u16,
    /// What we announced, less timestamps, in bytes.
    pub advmss: u16,
    /// Largest IP packet of the path, in bytes.
    pub pmtu: u16,
    /// Segments in flight; a SYN counts.
    pub unacked: u32,
    /// Those of them that the peer reports holding.
    pub sacked: u32,
    /// Those taken for lost, resent or not.
    pub lost: u32,
    /// Those resent, and not known to be lost again.
    pub retrans: u32,
    /// Since new data last left; before that, since the connection was established. (Linux counts resent data, too.)
    pub last_data_sent: Duration,
    /// Since data last came; before that, since the connection was established.
    pub last_data_recv: Duration,
    /// Since an ACK last came that counts as life (`tcpi_last_ack_recv`). Data brings one along, so this is what
    /// keepalive counts from.
    pub last_heard: Duration,
    /// Smoothed round-trip time; zero without a sample.
    pub rtt: Duration,
    /// Mean deviation of the round-trip time; 250 ms without a sample, as in Linux.
    pub rttvar: Duration,
    /// The least round-trip time seen; `None` before any.
    pub min_rtt: Option<Duration>,
    /// Congestion window, in segments.
    pub snd_cwnd: u32,
    /// Slow start threshold, in segments.
    pub snd_ssthresh: u32,
    /// So many segments above one that is missing may only be early.
    pub reordering: u32,
    /// The peer's window, in bytes.
    pub snd_wnd: u32,
    /// The window that we offer, in bytes.
    pub rcv_wnd: u32,
    /// The window that may be offered by now, free or not, in bytes.
    pub rcv_ssthresh: u32,
    /// The round-trip time as the receiver sees it; zero before any.
    pub rcv_rtt: Duration,
    /// Bytes that the application took in the best round trip so far; 0 before any.
    pub rcv_space: u32,
    /// Bytes the peer acknowledged, a FIN counting as one; stops at 2^32 - 1.
    pub bytes_acked: u64,
    /// Bytes received in order (`tcpi_bytes_received`). This and what follows up to `sndbuf_limited` is forgotten when
    /// a stack frees the queues of a connection that has long been idle.
    pub bytes_received: u64,
    /// Bytes sent, those sent again included (`tcpi_bytes_sent`).
    pub bytes_sent: u64,
    /// Bytes sent again (`tcpi_bytes_retrans`).
    pub bytes_retrans: u64,
    /// How often something was seen to arrive out of order.
    pub reord_seen: u32,
    /// Copies that the peer reported as needless.
    pub dsack_dups: u32,
    /// Segments delivered by ACKs that echoed a mark of congestion.
    pub delivered_ce: u32,
    /// How long anything was queued or in flight.
    pub busy_time: Duration,
    /// Of that, how long the peer's window kept it from being sent.
    pub rwnd_limited: Duration,
    /// And how long the send buffer did: all of it was in flight, and the application wanted to write more.
    pub sndbuf_limited: Duration,
    /// Bytes written and never sent.
    pub notsent_bytes: u32,
    /// Bytes written and not acknowledged.
    pub send_queue: usize,
    /// Bytes received and not read.
    pub receive_queue: usize,
    /// The timer that runs, and when it fires.
    pub timer: Option<(TimerKind, Duration)>,
    /// Whether a SYN or FIN is queued or in flight, which `ss` counts as a byte of the send queue.
    control_queued: bool,
}

impl Conn {
    /// A snapshot.
    pub fn info(&self, now: Instant, sysctl: &Sysctl, buffers: &impl Buffers) -> TcpInfo {
        let timestamps = self.flags.has(ConnFlags::TIMESTAMPS);
        let handshake = matches!(self.state, State::SynSent | State::SynReceived);
        let board = buffers.scoreboard();
        let totals = &board.totals;
        let [busy_time, rwnd_limited, sndbuf_limited] = totals.times(now);
        let ago = |millis: u32| Duration::from_millis(u64::from((now.as_millis() as u32).wrapping_sub(millis)));
        TcpInfo {
            flow: self.flow(),
            state: self.state,
            ca_state: self.recovery.state,
            retransmits: self.retransmission.retransmits,
            probes: self.probes,
            backoff: self.retransmission.backoff,
            timestamps,
            sack: self.flags.has(ConnFlags::SACK),
            wscale: self.flags.has(ConnFlags::WINDOW_SCALE),
            ecn: self.flags.has(ConnFlags::ECN) && self.state != State::SynSent,
            ecn_seen: self.flags.has(ConnFlags::ECN_SEEN),
            snd_wscale: self.snd_wscale,
            rcv_wscale: self.rcv_wscale,
            rto: self.backed_off_rto(sysctl),
            ato: self.delayed_ack.ato(),
            snd_mss: self.mss,
            rcv_mss: self.delayed_ack.rcv_mss,
            advmss: self.advertised_mss().saturating_sub(if timestamps && !handshake { TIMESTAMPS_LEN } else { 0 }),
            pmtu: self.mtu,
            unacked: buffers.sent_len() as u32 + u32::from(handshake && self.snd_nxt != self.snd_una),
            sacked: board.sacked_out,
            lost: board.lost_out,
            retrans: board.retrans_out,
            last_data_sent: ago(self.last_sent_ms),
            last_data_recv: ago(self.delayed_ack.last_data_ms()),
            last_heard: self.silent_for(now),
            rtt: self.estimator.srtt(),
            rttvar: self.estimator.rttvar(),
            min_rtt: (self.recovery.min_rtt_us != u32::MAX)
                .then(|| Duration::from_micros(self.recovery.min_rtt_us.into())),
            snd_cwnd: self.congestion.cwnd,
            snd_ssthresh: self.congestion.ssthresh,
            reordering: self.recovery.reordering.into(),
            snd_wnd: self.snd_wnd,
            rcv_wnd: self.receive_window(),
            rcv_ssthresh: self.window_bytes(sysctl, buffers),
            rcv_rtt: Duration::from_micros(u64::from(buffers.tuning().rtt_us_x8 >> 3)),
            rcv_space: buffers.tuning().space,
            bytes_acked: self.bytes_acked.into(),
            bytes_received: totals.bytes_received,
            bytes_sent: totals.bytes_sent,
            bytes_retrans: totals.bytes_retrans,
            reord_seen: totals.reord_seen,
            dsack_dups: totals.dsack_dups,
            delivered_ce: totals.delivered_ce,
            busy_time,
            rwnd_limited,
            sndbuf_limited,
            notsent_bytes: self.unsent(buffers),
            send_queue: buffers.len(),
            receive_queue: buffers.readable(),
            timer: self.timer(now),
            control_queued: handshake || self.is_fin_pending() || (self.snd_una != self.snd_nxt && self.is_fin_out()),
        }
    }

    fn is_fin_out(&self) -> bool {
        self.flags.has(ConnFlags::FIN_SENT)
    }

    fn timer(&self, now: Instant) -> Option<(TimerKind, Duration)> {
        let write = self.write_timer.at.map(|at| (self.write_timer.purpose.kind(), at.since(now)));
        write.or_else(|| self.keepalive.due().map(|at| (TimerKind::Keepalive, at.since(now))))
    }
}

impl Purpose {
    /// The same for the outside.
    pub(super) const fn kind(self) -> TimerKind {
        match self {
            Self::Handshake | Self::Retransmission | Self::Reordering => TimerKind::Retransmission,
            Self::TailLoss => TimerKind::TailLossProbe,
            Self::WindowProbe => TimerKind::WindowProbe,
            Self::FinWait2 => TimerKind::FinWait2,
        }
    }
}

/// A line of `ss -tno`, but for its columns: state, receive queue, send queue, both ends, timer with its remaining time
/// and count. SYN and FIN count in the send queue, as there; the peer's FIN does not in the receive queue, since
/// nothing tells whether the end of the stream was read.
impl fmt::Display for TcpInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Flow { local, remote } = self.flow;
        let send_queue = self.send_queue + usize::from(self.control_queued);
        write!(f, "{} {} {send_queue} {local} {remote}", self.state, self.receive_queue)?;
        let Some((kind, left)) = self.timer else { return Ok(()) };
        let (name, count) = match kind {
            TimerKind::Retransmission | TimerKind::TailLossProbe => ("on", self.retransmits),
            TimerKind::WindowProbe => ("persist", self.probes),
            // An orphan that waits for a FIN borrows the keepalive timer; `timewait` is the block that follows.
            TimerKind::Keepalive | TimerKind::FinWait2 => ("keepalive", self.probes),
        };
        write!(f, " timer:({name},{},{count})", SsTime(left))
    }
}

/// A time as `ss` writes it (iproute2's `print_ms_timer`): `119min`, `1min9sec`, `59sec`, `972ms`; and, to the
/// surprise of many, `9.940ms` for 9.94 s. Below a millisecond, nothing.
struct SsTime(Duration);

impl fmt::Display for SsTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mins, secs, millis) = (self.0.as_secs() / 60, self.0.as_secs() % 60, self.0.subsec_millis());
        match (mins, secs, millis) {
            (0, 0, 0) => Ok(()),
            (0, 0, _) => write!(f, "{millis:03}ms"),
            (0, 1..10, 1..) => write!(f, "{secs}.{millis:03}ms"),
            (0, _, _) => write!(f, "{secs}sec"),
            (1..10, 1.., _) => write!(f, "{mins}min{secs}sec"),
            _ => write!(f, "{mins}min"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// Rows that iproute2 6.1 printed on Linux 6.18 for keepalive timers of 1, 9, 10, 60, 61, 65, 599, 661 and 7200 s,
    /// some milliseconds after they were set; and one whole second, from its source.
    #[test]
    fn times_read_as_ss_writes_them() {
        let rows = [
            (972, "972ms"),
            (8_956, "8.956ms"),
            (9_940, "9.940ms"),
            (59_950, "59sec"),
            (60_950, "1min"),
            (64_950, "1min4sec"),
            (598_950, "9min58sec"),
            (660_950, "11min"),
            (7_199_990, "119min"),
            (1_000, "1sec"),
            (0, ""),
        ];
        for (millis, text) in rows {
            assert_eq!(SsTime(Duration::from_millis(millis)).to_string(), text, "{millis} ms");
        }
    }
}
