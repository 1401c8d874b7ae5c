//! What one connection can be set to, under the names of std and socket2.

use std::io;

use super::stream::TcpStream;
use crate::config::Sysctl;
use crate::congestion::CongestionControl;
use crate::options::{Options, TcpKeepalive};
use crate::time::Duration;

/// Socket options. A reader gives the value in force: the connection's own, or else that of the net's sysctl.
///
/// Each fails with `NetworkDown` once the net is down and `ConnectionAborted` after [`TcpStream::abort`]; a setter also
/// with `InvalidInput` for a value that Linux refuses.
#[allow(clippy::missing_errors_doc)] // said once, above
impl TcpStream {
    /// Everything at once; see [`crate::tcp::Conn::set_options`] for what takes effect when.
    pub fn set_options(&self, options: Options) -> io::Result<()> {
        self.with(|conn, now| conn.set_options(now, options))
    }

    /// What the connection overrides.
    pub fn options(&self) -> io::Result<Options> {
        self.with(|conn, _| conn.options())
    }

    /// `TCP_NODELAY`: do not hold back a small segment while another is unacknowledged. Off by default.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.with(|conn, now| conn.set_tcp_nodelay(now, on))
    }

    /// Whether `TCP_NODELAY` is on.
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(self.options()?.tcp_nodelay())
    }

    /// `SO_LINGER`: `Some(0)` makes closing a reset. A longer time changes nothing here, since closing never blocks:
    /// the net goes on sending what is queued, as the kernel does.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.with(|conn, now| conn.set_linger(now, linger))
    }

    /// `SO_LINGER`, in whole seconds.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(self.options()?.linger())
    }

    /// `SO_KEEPALIVE`: ask a silent peer whether it is alive. Off by default.
    pub fn set_keepalive(&self, on: bool) -> io::Result<()> {
        self.with(|conn, now| conn.set_keepalive(now, on))
    }

    /// Whether keepalive is on.
    pub fn keepalive(&self) -> io::Result<bool> {
        Ok(self.options()?.keepalive())
    }

    /// `TCP_KEEPIDLE`, `TCP_KEEPINTVL` and `TCP_KEEPCNT` as far as given; switches keepalive on, as socket2 does. See
    /// [`crate::tcp::Conn::set_tcp_keepalive`] for when the first probe leaves.
    pub fn set_tcp_keepalive(&self, keepalive: &TcpKeepalive) -> io::Result<()> {
        Ok(self.with(|conn, now| conn.set_tcp_keepalive(now, keepalive))??)
    }

    /// `TCP_KEEPIDLE`: silence before the first probe.
    pub fn tcp_keepalive_time(&self) -> io::Result<Duration> {
        self.in_force(Options::keepalive_time)
    }

    /// `TCP_KEEPINTVL`: time between probes.
    pub fn tcp_keepalive_interval(&self) -> io::Result<Duration> {
        self.in_force(Options::keepalive_interval)
    }

    /// `TCP_KEEPCNT`: unanswered probes before death.
    pub fn tcp_keepalive_retries(&self) -> io::Result<u32> {
        self.in_force(|options, sysctl| options.keepalive_retries(sysctl).into())
    }

    /// `TCP_USER_TIMEOUT`: how long a peer may leave us without progress; `None`, the default, is as long as
    /// `tcp_retries2` allows.
    pub fn set_tcp_user_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        Ok(self.with(|conn, now| conn.set_tcp_user_timeout(now, limit))??)
    }

    /// `TCP_USER_TIMEOUT`.
    pub fn tcp_user_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.options()?.tcp_user_timeout())
    }

    /// `TCP_CORK`: send full segments only, for at most 200 ms. Off by default.
    pub fn set_tcp_cork(&self, on: bool) -> io::Result<()> {
        self.change(|options| options.with_tcp_cork(on))
    }

    /// Whether `TCP_CORK` is on.
    pub fn tcp_cork(&self) -> io::Result<bool> {
        Ok(self.options()?.tcp_cork())
    }

    /// `TCP_QUICKACK`: acknowledge at once from now on, or let answers carry the ACKs. Not sticky: what is exchanged
    /// changes it again.
    pub fn set_tcp_quickack(&self, on: bool) -> io::Result<()> {
        self.with(|conn, _| conn.set_tcp_quickack(on))
    }

    /// Whether ACKs leave at once; true at first.
    pub fn tcp_quickack(&self) -> io::Result<bool> {
        self.with(|conn, _| conn.tcp_quickack())
    }

    /// `TCP_THIN_LINEAR_TIMEOUTS`: the first six timeouts of a thin stream do not double. Off by default.
    pub fn set_tcp_thin_linear_timeouts(&self, on: bool) -> io::Result<()> {
        self.change(|options| options.with_tcp_thin_linear_timeouts(on))
    }

    /// Whether `TCP_THIN_LINEAR_TIMEOUTS` is on; the sysctl does not show here, as on Linux.
    pub fn tcp_thin_linear_timeouts(&self) -> io::Result<bool> {
        Ok(self.options()?.tcp_thin_linear_timeouts())
    }

    /// `TCP_NOTSENT_LOWAT`: so many bytes may wait unsent; then writes wait until less than half as many do. 0, the
    /// default, inherits `tcp_notsent_lowat`.
    pub fn set_tcp_notsent_lowat(&self, bytes: u32) -> io::Result<()> {
        self.change(|options| options.with_tcp_notsent_lowat(bytes))
    }

    /// `TCP_NOTSENT_LOWAT`.
    pub fn tcp_notsent_lowat(&self) -> io::Result<u32> {
        Ok(self.options()?.tcp_notsent_lowat())
    }

    /// `TCP_MAXSEG`: what one segment of ours carries, in bytes. To be bounded before connecting, by
    /// [`Options::with_tcp_maxseg`]; what is agreed stays.
    pub fn tcp_mss(&self) -> io::Result<u32> {
        self.with(|conn, _| conn.tcp_mss().into())
    }

    /// `TCP_CONGESTION`: who decides how much may be in flight. By default whom `tcp_congestion_control` named when the
    /// connection was made.
    pub fn set_tcp_congestion(&self, control: CongestionControl) -> io::Result<()> {
        self.change(|options| options.with_tcp_congestion(Some(control)))
    }

    /// `TCP_CONGESTION`: who does.
    pub fn tcp_congestion(&self) -> io::Result<CongestionControl> {
        self.with(|conn, _| conn.tcp_congestion())
    }

    /// `IP_TOS`, or `IPV6_TCLASS`: the differentiated services of every packet, in the upper six bits. Default 0, best
    /// effort.
    pub fn set_tos(&self, tos: u8) -> io::Result<()> {
        self.change(|options| options.with_tos(tos))
    }

    /// `IP_TOS`, or `IPV6_TCLASS`.
    pub fn tos(&self) -> io::Result<u8> {
        Ok(self.options()?.tos())
    }

    /// `IP_TTL`, or `IPV6_UNICAST_HOPS`: routers that a packet may pass, 1 to 255; 0 inherits the net's, 64.
    pub fn set_ttl(&self, hops: u8) -> io::Result<()> {
        self.change(|options| options.with_ttl(hops))
    }

    /// `IP_TTL`, or `IPV6_UNICAST_HOPS`, if it was set.
    pub fn ttl(&self) -> io::Result<Option<u8>> {
        Ok(self.options()?.ttl())
    }

    /// `SO_SNDBUF`: bytes that may be queued for sending; doubled, as Linux does.
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.change(|options| options.with_send_buffer_size(saturated(bytes)))
    }

    /// `SO_SNDBUF`: doubled if it was set, else as far as it has grown.
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        self.with(|conn, _| conn.send_buffer_size() as usize)
    }

    /// `SO_RCVBUF`: bytes of receive buffer; doubled, as Linux does, and half of that is window.
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.change(|options| options.with_recv_buffer_size(saturated(bytes)))
    }

    /// `SO_RCVBUF`: doubled if it was set, else as far as it has grown.
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        self.with(|conn, _| conn.recv_buffer_size() as usize)
    }

    fn change(&self, change: impl FnOnce(Options) -> Options) -> io::Result<()> {
        self.with(|conn, now| conn.set_options(now, change(conn.options())))
    }

    fn in_force<T>(&self, read: impl FnOnce(&Options, &Sysctl) -> T) -> io::Result<T> {
        self.with(|conn, _| read(&conn.options(), conn.sysctl()))
    }
}

fn saturated(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
