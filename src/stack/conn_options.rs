//! What one connection can be set to, and what it reads.

use super::ConnMut;
use crate::congestion::CongestionControl;
use crate::options::{Options, OutOfRange, TcpKeepalive};
use crate::tcp::Conn;
use crate::time::{Duration, Instant};

impl ConnMut<'_> {
    /// The options in force.
    pub fn options(&self) -> Options {
        self.entry().options
    }

    /// Replaces the options; see [`crate::tcp::Conn::set_options`] for what takes effect when.
    pub fn set_options(&mut self, now: Instant, options: Options) {
        let now = self.stack.advance(now);
        self.act(|conn, sysctl, _| conn.set_options(now, sysctl, options));
    }

    /// `SO_KEEPALIVE`.
    pub fn set_keepalive(&mut self, now: Instant, on: bool) {
        self.set_options(now, self.options().with_keepalive(on));
    }

    /// `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`, and switches keepalive on, as socket2's call of this name does;
    /// see [`crate::tcp::Conn::set_tcp_keepalive`] for when the first probe leaves.
    ///
    /// # Errors
    /// [`OutOfRange`]; nothing is changed then.
    pub fn set_tcp_keepalive(&mut self, now: Instant, keepalive: &TcpKeepalive) -> Result<(), OutOfRange> {
        let now = self.stack.advance(now);
        self.act(|conn, sysctl, _| conn.set_tcp_keepalive(now, sysctl, keepalive))
    }

    /// `TCP_KEEPIDLE` alone, as setsockopt(2) has it: keepalive is not switched on, but if it is, the wait begins anew
    /// from the last reception, even if the time is what it was.
    ///
    /// # Errors
    /// [`OutOfRange`] outside of 1 to 32767 seconds; nothing is changed then.
    pub fn set_tcp_keepidle(&mut self, now: Instant, time: Duration) -> Result<(), OutOfRange> {
        let now = self.stack.advance(now);
        self.act(|conn, sysctl, _| conn.set_tcp_keepidle(now, sysctl, time))
    }

    /// `TCP_USER_TIMEOUT`.
    ///
    /// # Errors
    /// [`OutOfRange`]; nothing is changed then.
    pub fn set_tcp_user_timeout(&mut self, now: Instant, limit: Option<Duration>) -> Result<(), OutOfRange> {
        let options = self.options().with_tcp_user_timeout(limit)?;
        self.set_options(now, options);
        Ok(())
    }

    /// `TCP_NODELAY`; switching it on sends what was held back, even if it was on.
    pub fn set_tcp_nodelay(&mut self, now: Instant, on: bool) {
        let now = self.stack.advance(now);
        self.act(|conn, sysctl, _| conn.set_tcp_nodelay(now, sysctl, on));
    }

    /// `TCP_CONGESTION`.
    pub fn set_tcp_congestion(&mut self, now: Instant, control: CongestionControl) {
        self.set_options(now, self.options().with_tcp_congestion(Some(control)));
    }

    /// `TCP_CONGESTION`: who decides how much may be in flight.
    pub fn tcp_congestion(&self) -> CongestionControl {
        self.conn().congestion_control()
    }

    /// `SO_LINGER`.
    pub fn set_linger(&mut self, now: Instant, linger: Option<Duration>) {
        self.set_options(now, self.options().with_linger(linger));
    }

    /// `TCP_QUICKACK`; not sticky.
    pub fn set_tcp_quickack(&mut self, on: bool) {
        self.act(|conn, sysctl, _| conn.set_quickack(sysctl, on));
    }

    /// Bytes to read before the urgent byte, if there is one; see [`Conn::urgent_mark`].
    pub fn urgent_mark(&self) -> Option<usize> {
        self.peek_at(|conn, _, queues| conn.urgent_mark(queues))
    }

    /// Whether ACKs leave at once rather than wait for an answer to carry them; true at first.
    pub fn tcp_quickack(&self) -> bool {
        self.conn().quickack(self.sysctl())
    }

    /// `SO_SNDBUF` as it is read: bytes that may be queued for sending now, as far as that has grown.
    pub fn send_buffer_size(&self) -> u32 {
        self.peek_at(Conn::send_buffer_bytes)
    }

    /// `SO_RCVBUF` as it is read: bytes of receive buffer, as far as it has grown. Half is offered as window.
    pub fn recv_buffer_size(&self) -> u32 {
        let grown = self.peek_at(Conn::window_bytes);
        self.options().recv_buffer_size(self.sysctl()).max(grown.saturating_mul(2))
    }

    /// `TCP_MAXSEG` as it is read: what one segment of ours carries, in bytes.
    pub fn tcp_mss(&self) -> u16 {
        self.conn().mss()
    }
}
