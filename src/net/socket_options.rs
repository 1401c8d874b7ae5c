//! What one connection can be set to, under the names of std and socket2.

use std::io;

use super::stream::TcpStream;
use crate::config::Sysctl;
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

    /// `TCP_KEEPIDLE`, `TCP_KEEPINTVL` and `TCP_KEEPCNT` as far as given; switches keepalive on, as socket2 does.
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

    fn in_force<T>(&self, read: impl FnOnce(&Options, &Sysctl) -> T) -> io::Result<T> {
        self.with(|conn, _| read(&conn.options(), conn.sysctl()))
    }
}
