//! What holds for a connection: its override, or else the sysctl, read at each use.

use super::{CONGESTION, CORK, CUBIC, KEEPALIVE, LINGER, NODELAY, Options, RECVERR, THIN_LINEAR};
use crate::config::Sysctl;
use crate::congestion::CongestionControl;
use crate::liveness::handshake::defer_accept_secs;
use crate::time::Duration;
use crate::wire::IpOptions;

impl Options {
    /// Whether `SO_KEEPALIVE` is on.
    pub const fn keepalive(&self) -> bool {
        self.switches & KEEPALIVE != 0
    }

    /// Silence before the first keepalive probe.
    pub fn keepalive_time(&self, sysctl: &Sysctl) -> Duration {
        at_least_a_second(or(u32::from(self.keepidle_s), sysctl.tcp_keepalive_time))
    }

    /// Time between keepalive probes.
    pub fn keepalive_interval(&self, sysctl: &Sysctl) -> Duration {
        at_least_a_second(or(u32::from(self.keepintvl_s), sysctl.tcp_keepalive_intvl))
    }

    /// Unanswered keepalive probes before death.
    pub const fn keepalive_retries(&self, sysctl: &Sysctl) -> u8 {
        if self.keepcnt == 0 { sysctl.tcp_keepalive_probes } else { self.keepcnt }
    }

    /// The user timeout, if any.
    pub const fn tcp_user_timeout(&self) -> Option<Duration> {
        match self.user_timeout_ms {
            0 => None,
            millis => Some(Duration::from_millis(millis as u64)),
        }
    }

    /// Whether Nagle's algorithm is off.
    pub const fn tcp_nodelay(&self) -> bool {
        self.switches & NODELAY != 0
    }

    /// Whether only full segments may leave.
    pub const fn tcp_cork(&self) -> bool {
        self.switches & CORK != 0
    }

    /// Whether `TCP_THIN_LINEAR_TIMEOUTS` is on, whatever the sysctl of that name says.
    pub const fn tcp_thin_linear_timeouts(&self) -> bool {
        self.switches & THIN_LINEAR != 0
    }

    /// Whether a thin stream's first timeouts are linear: by the option or by the sysctl.
    pub const fn thin_linear_timeouts(&self, sysctl: &Sysctl) -> bool {
        self.tcp_thin_linear_timeouts() || sysctl.tcp_thin_linear_timeouts != 0
    }

    /// What `IP_TOS` was set to.
    pub const fn tos(&self) -> u8 {
        self.tos
    }

    /// What `IP_TTL` was set to, if it was.
    pub const fn ttl(&self) -> Option<u8> {
        if self.ttl == 0 { None } else { Some(self.ttl) }
    }

    /// What the IP header of every packet says, besides what `ip`, the stack's own, says.
    pub const fn ip_options(&self, ip: IpOptions) -> IpOptions {
        let hop_limit = if self.ttl == 0 { ip.hop_limit } else { self.ttl };
        let dscp = if self.tos == 0 { ip.dscp } else { self.tos >> 2 };
        IpOptions { hop_limit, dscp, ..ip }
    }

    /// Who decides how much may be in flight.
    pub const fn tcp_congestion(&self, sysctl: &Sysctl) -> CongestionControl {
        match (self.switches & CONGESTION != 0, self.switches & CUBIC != 0) {
            (false, _) => sysctl.tcp_congestion_control,
            (true, true) => CongestionControl::Cubic,
            (true, false) => CongestionControl::Reno,
        }
    }

    /// Whether ICMP errors are reported at once.
    pub const fn ip_recverr(&self) -> bool {
        self.switches & RECVERR != 0
    }

    /// `SO_LINGER`.
    pub const fn linger(&self) -> Option<Duration> {
        if self.switches & LINGER == 0 { None } else { Some(Duration::from_secs(self.linger_s as u64)) }
    }

    /// How long an orphan stays in FIN-WAIT-2; `None` if it skips the state.
    pub const fn fin_timeout(&self, sysctl: &Sysctl) -> Option<Duration> {
        match self.linger2_s {
            0 => Some(Duration::from_secs(sysctl.tcp_fin_timeout as u64)),
            secs if secs < 0 => None,
            secs => Some(Duration::from_secs(secs.unsigned_abs() as u64)),
        }
    }

    /// SYN retransmissions with doubling timeout.
    pub const fn syn_retries(&self, sysctl: &Sysctl) -> u8 {
        if self.syncnt == 0 { sysctl.tcp_syn_retries } else { self.syncnt }
    }

    /// SYN-ACK retransmissions, of a listener.
    pub const fn synack_retries(&self, sysctl: &Sysctl) -> u8 {
        if self.syncnt == 0 { sysctl.tcp_synack_retries } else { self.syncnt }
    }

    /// Whether `TCP_KEEPCNT` is set, not inherited.
    pub(crate) const fn has_keepcnt(&self) -> bool {
        self.keepcnt != 0
    }

    /// Whether `TCP_SYNCNT` is set, not inherited.
    pub(crate) const fn has_syncnt(&self) -> bool {
        self.syncnt != 0
    }

    /// Whether `TCP_RTO_MAX_MS` is set, not inherited.
    pub(crate) const fn has_rto_max(&self) -> bool {
        self.rto_max_ms != 0
    }

    /// The bound on the MSS, if any.
    pub const fn tcp_maxseg(&self) -> Option<u16> {
        if self.max_segment == 0 { None } else { Some(self.max_segment) }
    }

    /// The largest RTO.
    pub fn rto_max(&self, sysctl: &Sysctl) -> Duration {
        Duration::from_millis(u64::from(or(self.rto_max_ms, sysctl.tcp_rto_max_ms).max(RTO_MAX_LEAST_MS)))
    }

    /// The smallest variance term of the RTO, in microseconds.
    pub fn rto_min_us(&self, sysctl: &Sysctl) -> u32 {
        or(self.rto_min_us, sysctl.tcp_rto_min_us)
    }

    /// SYN-ACK periods of `TCP_DEFER_ACCEPT`; 0 is off.
    pub const fn defer_accept_periods(&self) -> u8 {
        self.defer_accept
    }

    /// Seconds of `TCP_DEFER_ACCEPT`, as Linux reads them back: the time those periods take, up to 29 887.
    pub fn tcp_defer_accept_secs(&self) -> u32 {
        defer_accept_secs(self.defer_accept)
    }

    /// Bytes that may be queued for sending.
    pub fn send_buffer_size(&self, sysctl: &Sysctl) -> u32 {
        or(self.send_buffer_bytes, sysctl.tcp_wmem[1].max(SEND_BUFFER_INITIAL_BYTES))
    }

    /// Bytes of receive buffer, of which half can be offered.
    pub fn recv_buffer_size(&self, sysctl: &Sysctl) -> u32 {
        or(self.receive_buffer_bytes, sysctl.tcp_rmem[1])
    }

    /// Whether `SO_SNDBUF` was set: then the send buffer does not grow.
    pub const fn has_send_buffer_size(&self) -> bool {
        self.send_buffer_bytes != 0
    }

    /// Whether `SO_RCVBUF` was set: then the window does not grow.
    pub const fn has_recv_buffer_size(&self) -> bool {
        self.receive_buffer_bytes != 0
    }

    /// Bytes of window that may be offered: half the receive buffer, the other half being Linux's overhead.
    pub fn window_bytes(&self, sysctl: &Sysctl) -> u32 {
        (self.recv_buffer_size(sysctl) / 2).max(WINDOW_MIN_BYTES)
    }

    /// `TCP_WINDOW_CLAMP`, if set.
    pub const fn tcp_window_clamp(&self) -> Option<u32> {
        if self.window_clamp_bytes == 0 { None } else { Some(self.window_clamp_bytes) }
    }

    /// `TCP_NOTSENT_LOWAT` as set; 0 if not.
    pub const fn tcp_notsent_lowat(&self) -> u32 {
        self.notsent_lowat_bytes
    }

    /// Bytes that may wait unsent; at least one, lest nobody ever write again (which Linux lets happen).
    pub fn notsent_lowat(&self, sysctl: &Sysctl) -> u32 {
        or(self.notsent_lowat_bytes, sysctl.tcp_notsent_lowat).max(1)
    }

    /// `TCP_DELACK_MAX_US`, in microseconds.
    pub const fn tcp_delack_max_us(&self) -> u32 {
        if self.delack_max_ms == 0 { DELACK_MAX_US } else { self.delack_max_ms as u32 * 1000 }
    }

    /// The longest an acknowledgment is delayed: a millisecond less than the smallest variance term of the RTO, so that
    /// a peer of our kind does not resend first (Linux `tcp_delack_max`).
    pub fn delack_max(&self, sysctl: &Sysctl) -> Duration {
        let rto_min_ms = self.rto_min_us(sysctl).div_ceil(1000).max(2);
        Duration::from_millis(u64::from((self.tcp_delack_max_us() / 1000).min(rto_min_ms - 1)))
    }
}

/// How long an acknowledgment may be delayed by default, in microseconds (Linux `TCP_DELACK_MAX`).
const DELACK_MAX_US: u32 = 200_000;

/// Linux starts a send buffer at `tcp_wmem[1]`, 16 KiB, and grows it with the congestion window. So do we, from 256
/// KiB: that stays within the second-level cache, and a writer on a short path never waits for growth.
const SEND_BUFFER_INITIAL_BYTES: u32 = 256 * 1024;
/// A window never starts smaller than two of the smallest segments anybody may announce (RFC 9293 3.7.1: 536).
const WINDOW_MIN_BYTES: u32 = 2 * 536;

/// No largest RTO is below this, whatever a field of the sysctls says (Linux refuses less): nothing may spin.
const RTO_MAX_LEAST_MS: u32 = 1000;

/// Seconds, and one at least for the same reason.
fn at_least_a_second(secs: u32) -> Duration {
    Duration::from_secs(u64::from(secs.max(1)))
}

/// `value`, or `inherited` if it is zero.
fn or(value: u32, inherited: u32) -> u32 {
    if value == 0 { inherited } else { value }
}
