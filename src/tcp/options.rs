//! Options that change on a live connection (Linux `tcp_setsockopt`, `tcp_set_keepalive`).

use super::Env;
use super::conn::Conn;
use super::flags::{ConnFlags, Wants};
use super::state::State;
use crate::config::Sysctl;
use crate::options::Options;
use crate::time::Instant;

impl Conn {
    /// Replaces the options.
    ///
    /// Switching keepalive on begins a full idle period, however long the connection has been silent; switching it off
    /// stops the tick and leaves the count of unanswered probes. A new `TCP_KEEPIDLE` re-arms at once; a new interval,
    /// count, user timeout or RTO bound is seen when the pending timer fires. `TCP_NODELAY` releases what was held for
    /// being small; a removed cork leaves that to Nagle.
    pub fn set_options(&mut self, now: Instant, sysctl: &Sysctl, options: Options) {
        let env = Env { now, sysctl };
        let options = options.keeping_rto_bounds_of(&self.options);
        let before = core::mem::replace(&mut self.options, options);
        self.apply_keepalive(&env, &before);
        if before.tcp_maxseg() != self.options.tcp_maxseg() && self.state != State::Closed {
            self.update_mss(sysctl);
        }
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
}
