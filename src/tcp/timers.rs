//! Which rule owns the connection now, and when must it be asked? The one place where the rules of [`crate::liveness`]
//! meet.
//!
//! As in Linux one *transmit timer* has one user at a time ([`Purpose`]), while the keepalive tick and the delayed ACK
//! run beside it. [`Conn::poll_timeout`] is the earliest of the three; [`Conn::handle_timeout`] asks the rule whose
//! time has come for its verdict, and acts.

use super::Env;
use super::conn::Conn;
use super::flags::Wants;
use super::state::State;
use crate::buf::Buffers;
use crate::config::Sysctl;
use crate::error::{Errno, Error};
use crate::liveness::{
    Cause, Facts, Verdict, fin_wait2, handshake, keepalive, orphan, retransmission, rto, zero_window,
};
use crate::time::{Duration, Instant};

/// What the transmit timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// SYN, or the SYN-ACK of a simultaneous open, goes again.
    Handshake,
    /// The first segment in flight goes again.
    Retransmission,
    /// The end of a burst is probed.
    TailLoss,
    /// What was overtaken counts as lost.
    Reordering,
    /// The peer's window is probed.
    WindowProbe,
    /// An orphan leaves FIN-WAIT-2.
    FinWait2,
}

/// The transmit timer: one deadline, one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WriteTimer {
    pub(super) at: Option<Instant>,
    pub(super) purpose: Purpose,
}

impl WriteTimer {
    pub(super) const IDLE: Self = Self { at: None, purpose: Purpose::Handshake };

    pub(super) fn arm(&mut self, purpose: Purpose, at: Instant) {
        *self = Self { at: Some(at), purpose };
    }

    pub(super) fn stop(&mut self) {
        self.at = None;
    }
}

/// What [`Conn::handle_timeout`] did, for those who count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fired {
    /// The retransmission timer expired.
    pub retransmission: bool,
    /// A window probe is due.
    pub window_probe: bool,
    /// A keepalive probe is due.
    pub keepalive_probe: bool,
    /// A delayed ACK is due.
    pub delayed_ack: bool,
    /// A rule gave the connection up.
    pub death: Option<Cause>,
}

impl Conn {
    /// When [`Conn::handle_timeout`] must be called next; `None` if no time changes anything.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.write_timer.at, self.keepalive.due(), self.delayed_ack.due].into_iter().flatten().min()
    }

    /// Time passed. Before [`Conn::poll_timeout`] this does nothing.
    pub fn handle_timeout(&mut self, now: Instant, sysctl: &Sysctl, buffers: &mut impl Buffers) -> Fired {
        let env = Env { now, sysctl };
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let mut fired = Fired::default();
        if is_due(self.delayed_ack.due) {
            self.on_delayed_ack_timeout(&env, &mut fired);
        }
        if is_due(self.keepalive.due()) {
            self.on_keepalive_tick(&env, buffers, &mut fired);
        }
        if is_due(self.write_timer.at) {
            match self.write_timer.purpose {
                Purpose::Handshake => self.on_handshake_timeout(&env, buffers, &mut fired),
                Purpose::Retransmission => self.on_retransmission_timeout(&env, buffers, &mut fired),
                Purpose::TailLoss => self.on_tail_loss_timeout(&env, buffers),
                Purpose::Reordering => self.on_reordering_timeout(&env, buffers),
                Purpose::WindowProbe => self.on_window_probe_timeout(&env, buffers, &mut fired),
                Purpose::FinWait2 => self.on_fin_wait2_timeout(&env, buffers),
            }
        }
        self.check_in_debug_builds();
        fired
    }

    fn on_delayed_ack_timeout(&mut self, env: &Env<'_>, fired: &mut Fired) {
        let rto = self.rto(env.sysctl);
        if self.delayed_ack.on_timeout(rto, env.sysctl.tcp_pingpong_thresh) {
            self.wants.set(Wants::ACK, true);
            fired.delayed_ack = true;
        }
    }

    fn on_keepalive_tick(&mut self, env: &Env<'_>, buffers: &mut impl Buffers, fired: &mut Fired) {
        if matches!(self.state, State::Closed | State::SynSent) || !self.options.keepalive() {
            return self.keepalive.disarm();
        }
        let params = keepalive::Params {
            idle: self.options.keepalive_time(env.sysctl),
            interval: self.options.keepalive_interval(env.sysctl),
            probes: self.options.keepalive_retries(env.sysctl),
            user_timeout: self.options.tcp_user_timeout(),
        };
        match self.keepalive.verdict(&self.facts(env, buffers), &params) {
            Verdict::Wait(at) => self.keepalive.arm(at),
            Verdict::Probe => {
                self.keepalive.on_probe_sent(env.now, &params);
                self.probes = self.probes.saturating_add(1);
                self.wants.set(Wants::PROBE, true);
                fired.keepalive_probe = true;
            }
            Verdict::Abort(cause) => {
                self.give_up(cause, buffers, fired);
                // The only death that the peer is told of.
                self.wants.set(Wants::RESET, true);
            }
        }
    }

    pub(super) fn start_handshake_timer(&mut self, env: &Env<'_>) {
        let since = *self.retransmission.since.get_or_insert(env.now);
        let timeout = handshake::timeout(self.retransmission.retransmits, &self.handshake_params(env), env.now, since);
        self.write_timer.arm(Purpose::Handshake, env.now + timeout);
    }

    fn on_handshake_timeout(&mut self, env: &Env<'_>, buffers: &mut impl Buffers, fired: &mut Fired) {
        let facts = Facts { since: self.retransmission.since, ..self.facts(env, buffers) };
        match handshake::Handshake.verdict(&facts, &self.handshake_params(env)) {
            Verdict::Wait(at) => self.write_timer.arm(Purpose::Handshake, at),
            Verdict::Probe => {
                self.retransmission.retransmits = self.retransmission.retransmits.saturating_add(1);
                self.wants.set(Wants::SYN, true);
                self.start_handshake_timer(env);
                fired.retransmission = true;
            }
            Verdict::Abort(cause) => self.give_up(cause, buffers, fired),
        }
    }

    fn handshake_params(&self, env: &Env<'_>) -> handshake::Params {
        // Crossed SYNs have proved that the path works both ways: no linear phase for them.
        let linear = if self.state == State::SynSent { env.sysctl.tcp_syn_linear_timeouts } else { 0 };
        handshake::Params {
            retries: self.options.syn_retries(env.sysctl),
            linear,
            rto_max: self.options.rto_max(env.sysctl),
            user_timeout: self.options.tcp_user_timeout(),
        }
    }

    fn on_retransmission_timeout(&mut self, env: &Env<'_>, buffers: &mut impl Buffers, fired: &mut Fired) {
        if buffers.sent_len() == 0 {
            debug_assert!(false, "the retransmission timer runs, and nothing is in flight");
            return self.write_timer.stop();
        }
        if self.snd_wnd == 0 && !self.is_orphan() {
            return self.on_shrunk_timeout(env, buffers, fired);
        }
        let params = self.retransmission_params(env);
        let facts = Facts { since: self.retransmission.since, ..self.facts(env, buffers) };
        match self.retransmission.verdict(&facts, &params) {
            Verdict::Wait(at) => self.write_timer.arm(Purpose::Retransmission, at),
            Verdict::Abort(cause) => self.give_up(cause, buffers, fired),
            Verdict::Probe => {
                self.enter_loss(env, buffers);
                // Entering the loss has set a threshold, which is what else Linux asks of a thin stream.
                let thin = self.state == State::Established && buffers.sent_len() < THIN_BELOW;
                self.retransmission.on_expiry(env.now, &params, thin);
                self.wants.set(Wants::HEAD, true);
                let timeout = self.retransmission.timeout(self.rto(env.sysctl), env.now, &params);
                self.write_timer.arm(Purpose::Retransmission, env.now + timeout);
                fired.retransmission = true;
            }
        }
    }

    fn retransmission_params(&self, env: &Env<'_>) -> retransmission::Params {
        let rto_max = self.options.rto_max(env.sysctl);
        let orphan = self.is_orphan();
        let retries = if orphan {
            self.orphan_params(env).limit(rto::backed_off(self.rto(env.sysctl), self.retransmission.backoff, rto_max))
        } else {
            env.sysctl.tcp_retries2
        };
        let thin_linear = self.options.thin_linear_timeouts(env.sysctl);
        retransmission::Params { retries, rto_max, user_timeout: self.options.tcp_user_timeout(), orphan, thin_linear }
    }

    fn orphan_params(&self, env: &Env<'_>) -> orphan::Params {
        orphan::Params {
            retries: env.sysctl.tcp_orphan_retries,
            soft_error: self.soft_error.is_some(),
            rto_max: self.options.rto_max(env.sysctl),
        }
    }

    /// The peer shut its window over data in flight: the head goes again in full, as a probe.
    fn on_shrunk_timeout(&mut self, env: &Env<'_>, buffers: &mut impl Buffers, fired: &mut Fired) {
        let params = self.zero_window_params(env);
        let head_sent_at = buffers.sent(0).map(|head| head.sent_at);
        let since = self.retransmission.since.or(head_sent_at);
        let facts = Facts { since, ..self.facts(env, buffers) };
        match self.zero_window.shrunk_verdict(&facts, &params) {
            Verdict::Wait(at) => self.write_timer.arm(Purpose::Retransmission, at),
            Verdict::Abort(cause) => self.give_up(cause, buffers, fired),
            Verdict::Probe => {
                self.enter_loss(env, buffers);
                self.retransmission.on_shrunk_expiry(env.now);
                self.wants.set(Wants::HEAD, true);
                let facts = Facts { backoff: self.retransmission.backoff, ..facts };
                let timeout = self.zero_window.shrunk_interval(&facts, &params);
                self.write_timer.arm(Purpose::Retransmission, env.now + timeout);
                fired.retransmission = true;
            }
        }
    }

    /// Data is queued, nothing is in flight, and none may leave: the first probe is armed.
    pub(super) fn arm_first_window_probe(&mut self, env: &Env<'_>) {
        let interval = zero_window::ZeroWindow::first_interval(self.rto(env.sysctl));
        self.write_timer.arm(Purpose::WindowProbe, env.now + interval);
    }

    /// A probe left, or was answered: the next one at the current backoff.
    pub(super) fn arm_window_probe(&mut self, env: &Env<'_>) {
        let params = self.zero_window_params(env);
        let backoff = self.retransmission.backoff;
        let interval = self.zero_window.interval(self.rto(env.sysctl), backoff, env.now, &params);
        self.write_timer.arm(Purpose::WindowProbe, env.now + interval);
    }

    fn on_window_probe_timeout(&mut self, env: &Env<'_>, buffers: &mut impl Buffers, fired: &mut Fired) {
        let queued = self.unsent(buffers) > 0 || self.is_fin_pending();
        if buffers.sent_len() > 0 || !queued {
            self.end_probing();
            return self.write_timer.stop();
        }
        let params = self.zero_window_params(env);
        let facts = Facts { since: self.zero_window.since, ..self.facts(env, buffers) };
        match self.zero_window.verdict(&facts, &params) {
            Verdict::Wait(at) => self.write_timer.arm(Purpose::WindowProbe, at),
            Verdict::Abort(cause) => self.give_up(cause, buffers, fired),
            Verdict::Probe if self.usable_window() > 0 => {
                // Part of a segment fits, or Nagle or a cork held it: it leaves as data, and the RTO takes over.
                self.end_probing();
                self.write_timer.stop();
                self.wants.set(Wants::FORCE, true);
            }
            Verdict::Probe => {
                self.retransmission.backoff =
                    self.zero_window.on_probe_sent(env.now, self.retransmission.backoff, &params);
                self.probes = self.probes.saturating_add(1);
                self.wants.set(Wants::PROBE, true);
                self.arm_window_probe(env);
                fired.window_probe = true;
            }
        }
    }

    fn end_probing(&mut self) {
        self.probes = 0;
        self.retransmission.backoff = 0;
        self.zero_window.on_episode_end();
    }

    fn zero_window_params(&self, env: &Env<'_>) -> zero_window::Params {
        zero_window::Params {
            retries: env.sysctl.tcp_retries2,
            rto_max: self.options.rto_max(env.sysctl),
            user_timeout: self.options.tcp_user_timeout(),
            orphan: self.is_orphan().then(|| self.orphan_params(env)),
        }
    }

    fn on_fin_wait2_timeout(&mut self, env: &Env<'_>, buffers: &mut impl Buffers) {
        self.write_timer.stop();
        self.follow(fin_wait2::on_expiry(&self.fin_wait2_params(env)), env, buffers);
    }

    pub(super) fn fin_wait2_params(&self, env: &Env<'_>) -> fin_wait2::Params {
        let rto_max = self.options.rto_max(env.sysctl);
        fin_wait2::Params {
            timeout: self.options.fin_timeout(env.sysctl),
            rto: rto::backed_off(self.rto(env.sysctl), self.retransmission.backoff, rto_max),
        }
    }

    /// Everything a rule may know; `since` is the caller's to choose.
    fn facts(&self, env: &Env<'_>, buffers: &impl Buffers) -> Facts {
        Facts {
            now: env.now,
            due: self.write_timer.at.unwrap_or(env.now),
            since: None,
            heard_at: self.heard_at,
            outstanding: self.is_outstanding(buffers),
            retransmits: self.retransmission.retransmits,
            probes: self.probes,
            backoff: self.retransmission.backoff,
            rto: self.rto(env.sysctl),
        }
    }

    /// Whether any byte, SYN or FIN is queued or in flight.
    pub(super) fn is_outstanding(&self, buffers: &impl Buffers) -> bool {
        self.snd_una != self.snd_nxt || !buffers.is_empty() || self.is_fin_pending()
    }

    /// A rule gave up: the application learns the rule, and what the network said last, if it said anything.
    fn give_up(&mut self, cause: Cause, buffers: &mut impl Buffers, fired: &mut Fired) {
        let errno = self.soft_error.unwrap_or(Errno::ETIMEDOUT);
        fired.death = Some(cause);
        self.die(Some(Error::TimedOut { cause, errno }), buffers);
    }

    /// How long the connection has been silent at `now`.
    pub fn silent_for(&self, now: Instant) -> Duration {
        now.since(self.heard_at)
    }
}

/// Fewer segments in flight than this make a stream thin (Linux `tcp_stream_is_thin`).
const THIN_BELOW: usize = 4;
