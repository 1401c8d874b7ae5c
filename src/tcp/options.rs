//! Options that change on a live connection (Linux `tcp_setsockopt`, `tcp_set_keepalive`).

use super::Env;
use super::conn::Conn;
use super::flags::{ConnFlags, Wants};
use crate::config::Sysctl;
use crate::congestion::CongestionControl;
use crate::options::{Options, OutOfRange, TcpKeepalive};
use crate::time::{Duration, Instant};

impl Conn {
    /// Replaces the options.
    ///
    /// Switching keepalive on begins a full idle period, however long the connection has been silent; switching it off
    /// stops the tick and leaves the count of unanswered probes. A new `TCP_KEEPIDLE` re-arms at once; a new interval,
    /// count, user timeout or RTO bound is seen when the pending timer fires. `TCP_NODELAY` releases what was held for
    /// being small; a removed cork leaves that to Nagle. `TCP_MAXSEG` counts until the handshake is complete; what is
    /// agreed then stays.
    pub fn set_options(&mut self, now: Instant, sysctl: &Sysctl, options: Options) {
        let env = Env { now, sysctl };
        let options = options.keeping_rto_bounds_of(&self.options);
        let before = core::mem::replace(&mut self.options, options);
        if self.state.is_synchronized() {
            self.options.keep_tcp_maxseg(&before);
        }
        self.apply_keepalive(&env, &before);
        self.congestion.choose(self.options.tcp_congestion(sysctl));
        // Without a cork Nagle decides again; only who turns him off pushes past him (Linux `__tcp_sock_set_cork`,
        // `__tcp_sock_set_nodelay`).
        let uncorked = before.tcp_cork() && !self.options.tcp_cork();
        let pushed = self.options.tcp_nodelay() && (uncorked || !before.tcp_nodelay());
        if pushed && self.state.may_transmit() {
            // What was held for being small leaves now, as far as the window goes.
            self.wants.set(Wants::PUSH, true);
            self.flags.set(ConnFlags::REFUSED, false);
        }
        self.check_in_debug_builds();
    }

    /// `TCP_KEEPIDLE`, `TCP_KEEPINTVL` and `TCP_KEEPCNT` as far as given, and keepalive on, as socket2 sets them.
    ///
    /// With the time given the wait counts from the last reception, so that the first probe leaves at once after a
    /// longer silence, even if keepalive was off or the time is what it was: Linux re-arms whenever `TCP_KEEPIDLE` is
    /// set (`tcp_sock_set_keepidle_locked`). Without it, a switch from off to on begins a full idle period.
    ///
    /// # Errors
    /// [`OutOfRange`]; nothing is changed then.
    pub fn set_tcp_keepalive(
        &mut self,
        now: Instant,
        sysctl: &Sysctl,
        keepalive: &TcpKeepalive,
    ) -> Result<(), OutOfRange> {
        self.set_options(now, sysctl, self.options.with_tcp_keepalive(keepalive)?.with_keepalive(true));
        if keepalive.has_time() {
            self.rearm_keepalive(now, sysctl);
        }
        Ok(())
    }

    /// `TCP_KEEPIDLE` alone: keepalive stays on or off; if on, it re-arms as [`Conn::set_tcp_keepalive`] says.
    ///
    /// # Errors
    /// [`OutOfRange`] outside of 1 to 32767 seconds; nothing is changed then.
    pub fn set_tcp_keepidle(&mut self, now: Instant, sysctl: &Sysctl, time: Duration) -> Result<(), OutOfRange> {
        let keepalive = TcpKeepalive::new().with_time(time);
        self.set_options(now, sysctl, self.options.with_tcp_keepalive(&keepalive)?);
        self.rearm_keepalive(now, sysctl);
        Ok(())
    }

    /// `TCP_NODELAY`. Switched on, it sends what was held for being small, a cork and `MSG_MORE` notwithstanding, even
    /// if it was on (`__tcp_sock_set_nodelay`).
    pub fn set_tcp_nodelay(&mut self, now: Instant, sysctl: &Sysctl, on: bool) {
        self.set_options(now, sysctl, self.options.with_tcp_nodelay(on));
        if on && self.state.may_transmit() {
            self.wants.set(Wants::PUSH, true);
        }
    }

    fn rearm_keepalive(&mut self, now: Instant, sysctl: &Sysctl) {
        self.keepalive.on_idle_changed(now, self.heard_at, self.options.keepalive_time(sysctl));
        self.check_in_debug_builds();
    }

    fn apply_keepalive(&mut self, env: &Env<'_>, before: &Options) {
        let ticking = self.options.keepalive() && !self.is_orphan() && self.state.is_synchronized_or_received();
        let idle = self.options.keepalive_time(env.sysctl);
        if !ticking {
            self.keepalive.disarm();
        } else if !before.keepalive() || self.keepalive.due().is_none() {
            self.keepalive.arm(env.now + idle);
        } else if before.keepalive_time(env.sysctl) != idle {
            self.keepalive.on_idle_changed(env.now, self.heard_at, idle);
        }
    }

    /// `TCP_QUICKACK`: acknowledge at once from now on, or wait for an answer to carry the ACK. Not sticky: the
    /// exchange of data changes it again.
    pub fn set_quickack(&mut self, sysctl: &Sysctl, on: bool) {
        self.delayed_ack.set_quickack(on, sysctl.tcp_pingpong_thresh);
        if on && self.delayed_ack.is_scheduled() {
            self.wants.set(Wants::ACK, true);
        }
    }

    /// Whether ACKs leave at once rather than wait for an answer to carry them (`TCP_QUICKACK` as it is read).
    pub fn quickack(&self, sysctl: &Sysctl) -> bool {
        self.delayed_ack.is_quick(sysctl.tcp_pingpong_thresh)
    }

    /// Who decides how much may be in flight (`TCP_CONGESTION` as it is read).
    pub const fn congestion_control(&self) -> CongestionControl {
        self.congestion.control()
    }

    /// What one segment of ours carries, in bytes (`TCP_MAXSEG` as it is read).
    pub fn mss(&self) -> u16 {
        self.mss
    }
}
