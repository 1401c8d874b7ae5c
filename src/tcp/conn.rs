//! The control block: every variable of a connection, and how one comes to be.
//!
//! Flat, because eight of the ten states share the same variables. Names are RFC 9293 3.3.1's where it has one.

use super::delayed_ack::DelayedAck;
use super::diagnosis::Diagnosis;
use super::flags::{ConnFlags, EventSet, Notes, Wants};
use super::half_open::HalfOpen;
use super::recovery::Recovery;
use super::state::State;
use super::throttle::Throttle;
use super::timers::WriteTimer;
use super::{Env, output};
use crate::config::Sysctl;
use crate::congestion::Congestion;
use crate::error::{Errno, Error};
use crate::liveness::keepalive::Keepalive;
use crate::liveness::retransmission::Retransmission;
use crate::liveness::rto::Estimator;
use crate::liveness::zero_window::ZeroWindow;
use crate::options::Options;
use crate::seq::SeqNum;
use crate::time::{Duration, Instant};
use crate::wire::{Flow, FlowKey, Header};
use core::num::NonZeroU32;

/// What a connection is made from.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Both ends.
    pub flow: Flow,
    /// Our initial sequence number. Take it from a keyed hash (RFC 6528), never from a counter.
    pub iss: SeqNum,
    /// Added to our millisecond clock to make timestamps; random per connection.
    pub ts_offset: u32,
    /// Largest IP packet of the path, in bytes: 68 (IPv4) or 1280 (IPv6) to 65535.
    pub mtu: u16,
    /// Socket options.
    pub options: Options,
}

/// What the application should know. Each kind is reported at most once until it is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// The handshake is complete.
    Connected,
    /// There is something to read.
    Readable,
    /// The peer says that something urgent is on its way, or has come: see [`Conn::urgent_mark`].
    Urgent,
    /// There is room to write again, after a write that did not fit.
    Writable,
    /// The peer sends no more.
    Finished,
    /// What is in flight has gone unacknowledged for as long as `tcp_retries1` stands for: the path is in doubt, and
    /// the connection goes on. Once per episode of loss.
    PathDoubtful,
    /// The network reported an error ([`Options::with_ip_recverr`]), and the connection goes on. The next call that can
    /// fail returns it, once; so does [`Conn::take_error`].
    Error,
    /// The connection is over: cleanly (`None`) or by an error.
    Closed(Option<Error>),
}

/// One connection.
#[derive(Clone, Debug)]
pub struct Conn {
    pub(super) key: FlowKey,
    pub(super) state: State,
    pub(super) options: Options,

    // Send sequence space (RFC 9293 3.3.1).
    pub(super) snd_una: SeqNum,
    pub(super) snd_nxt: SeqNum,
    pub(super) snd_wnd: u32,
    pub(super) snd_wl1: SeqNum,
    /// The largest window the peer ever offered.
    pub(super) max_window: u32,
    /// How much the peer acknowledged so far; stops counting at 2^32.
    pub(super) bytes_acked: u32,
    /// One past the last segment smaller than the MSS (Minshall's Nagle).
    pub(super) snd_sml: SeqNum,
    /// One past the last byte sent with PSH.
    pub(super) pushed_seq: SeqNum,
    pub(super) snd_wscale: u8,

    // Receive sequence space.
    pub(super) rcv_wscale: u8,
    pub(super) rcv_nxt: SeqNum,
    /// `rcv_nxt` as of our last ACK (RFC 7323: Last.ACK.sent).
    pub(super) rcv_wup: SeqNum,
    pub(super) rcv_wnd: u32,
    /// How long an orphan's small block shall last, in milliseconds, once it is decided that there is one.
    pub(super) block_ms: Option<NonZeroU32>,
    /// Where the peer's FIN stands, if [`ConnFlags::FIN_HELD`].
    pub(super) peer_fin: SeqNum,

    // Segment sizes, in bytes of payload.
    pub(super) mtu: u16,
    /// The peer's MSS option, or its default.
    pub(super) peer_mss: u16,
    /// What one segment of ours may carry, timestamps deducted.
    pub(super) mss: u16,

    // Timestamps (RFC 7323).
    pub(super) ts_offset: u32,
    pub(super) ts_recent: u32,
    /// Second in which `ts_recent` was stored.
    pub(super) ts_recent_s: u32,

    // Liveness.
    /// Last reception that counts as life: in-order data, or an ACK of something in flight or of nothing new.
    pub(super) heard_at: Instant,
    pub(super) estimator: Estimator,
    pub(super) retransmission: Retransmission,
    pub(super) zero_window: ZeroWindow,
    pub(super) keepalive: Keepalive,
    pub(super) write_timer: WriteTimer,
    /// Unanswered probes of either kind.
    pub(super) probes: u8,
    pub(super) delayed_ack: DelayedAck,
    pub(super) throttle: Throttle,
    /// Millisecond reading of the last data sent.
    pub(super) last_sent_ms: u32,

    // Sending.
    pub(super) congestion: Congestion,
    pub(super) recovery: Recovery,
    pub(super) wants: Wants,
    pub(super) flags: ConnFlags,

    // What became of it.
    pub(super) soft_error: Option<Errno>,
    pub(super) death: Option<Error>,
    /// Holds once the state is CLOSED.
    pub(super) diagnosis: Diagnosis,
    pub(super) notes: Notes,
    pub(super) events: EventSet,
}

impl Conn {
    /// An active open: SYN-SENT, the SYN waiting in [`Conn::poll_transmit`].
    pub fn connect(now: Instant, setup: &Setup, sysctl: &Sysctl) -> Self {
        let mut conn = Self::new(now, setup, sysctl);
        let env = Env { now, sysctl };
        conn.set_state(State::SynSent);
        conn.flags.set(ConnFlags::ACTIVE, true);
        conn.flags.set(ConnFlags::TIMESTAMPS, sysctl.tcp_timestamps != 0);
        conn.flags.set(ConnFlags::SACK, sysctl.tcp_sack != 0);
        conn.flags.set(ConnFlags::WINDOW_SCALE, sysctl.tcp_window_scaling != 0);
        conn.rcv_wscale = conn.window_scale_to_offer(env.sysctl);
        conn.rcv_wnd = conn.initial_window(env.sysctl);
        conn.wants.set(Wants::SYN, true);
        conn
    }

    /// A passive open whose handshake `ack` completed: ESTABLISHED, with the listener's `options`. Feed that segment to
    /// [`Conn::handle_segment`] next, so that its window, timestamp and data count.
    pub fn accept(now: Instant, half_open: &HalfOpen, options: Options, ack: &Header, sysctl: &Sysctl) -> Self {
        // To defer accepting is a listener's business.
        let options = options.with_defer_accept_periods(0);
        let mut conn = Self::new(now, &half_open.setup(options), sysctl);
        conn.flags.set(ConnFlags::TIMESTAMPS, half_open.has_timestamps());
        conn.flags.set(ConnFlags::SACK, half_open.has_sack());
        conn.flags.set(ConnFlags::WINDOW_SCALE, half_open.has_window_scale());
        conn.flags.set(ConnFlags::ECN, half_open.has_ecn());
        conn.rcv_wscale = half_open.rcv_wscale();
        conn.snd_wscale = half_open.snd_wscale();
        conn.peer_mss = half_open.peer_mss();
        conn.rcv_nxt = half_open.irs() + 1;
        conn.rcv_wup = conn.rcv_nxt;
        conn.rcv_wnd = half_open.offered_window();
        conn.snd_nxt += 1;
        conn.snd_una = conn.snd_nxt;
        conn.snd_sml = conn.snd_una;
        conn.ts_recent = half_open.ts_recent();
        conn.ts_recent_s = seconds(now);
        conn.snd_wl1 = half_open.irs();
        conn.set_state(State::Established);
        let env = Env { now, sysctl };
        conn.on_established(&env);
        match half_open.sampled_at().map(|at| now.since(at)).or_else(|| conn.echoed_round_trip(&env, ack)) {
            Some(rtt) => conn.take_rtt_sample(&env, rtt),
            None => conn.estimator.on_handshake_without_sample(),
        }
        conn
    }

    fn new(now: Instant, setup: &Setup, sysctl: &Sysctl) -> Self {
        let key = FlowKey::from(setup.flow);
        let default_mss = if key.is_ipv4() { MSS_DEFAULT_V4 } else { MSS_DEFAULT_V6 };
        Self {
            key,
            state: State::Closed,
            options: setup.options.with_rto_bounds_of(sysctl),
            snd_una: setup.iss,
            snd_nxt: setup.iss,
            snd_wnd: 0,
            snd_wl1: SeqNum::default(),
            max_window: 0,
            bytes_acked: 0,
            snd_sml: setup.iss,
            pushed_seq: setup.iss,
            snd_wscale: 0,
            rcv_wscale: 0,
            rcv_nxt: SeqNum::default(),
            rcv_wup: SeqNum::default(),
            rcv_wnd: 0,
            block_ms: None,
            peer_fin: SeqNum::default(),
            mtu: setup.mtu,
            peer_mss: default_mss,
            mss: default_mss,
            ts_offset: setup.ts_offset,
            ts_recent: 0,
            ts_recent_s: 0,
            heard_at: now,
            estimator: Estimator::new(),
            retransmission: Retransmission::new(),
            zero_window: ZeroWindow::new(),
            keepalive: Keepalive::OFF,
            write_timer: WriteTimer::IDLE,
            probes: 0,
            delayed_ack: DelayedAck::new(default_mss, now),
            throttle: Throttle::OPEN,
            last_sent_ms: now.as_millis() as u32,
            congestion: Congestion::new(setup.options.tcp_congestion(sysctl)),
            recovery: Recovery::new(setup.iss, sysctl.tcp_reordering),
            wants: Wants::NONE,
            flags: ConnFlags::NONE,
            soft_error: None,
            death: None,
            diagnosis: Diagnosis::Finished,
            notes: Notes::NONE,
            events: EventSet::NONE,
        }
    }

    /// Enters a state, if the table allows it.
    pub(super) fn set_state(&mut self, next: State) {
        debug_assert!(self.state.can_become(next), "{:?} does not lead to {next:?}", self.state);
        self.state = next;
    }

    /// The handshake is complete: sizes are agreed, and keepalive begins if it was switched on before.
    pub(super) fn on_established(&mut self, env: &Env<'_>) {
        self.heard_at = env.now;
        self.pushed_seq = self.snd_nxt;
        self.update_mss(env.sysctl);
        self.delayed_ack = DelayedAck::new(self.mss.min(self.advertised_mss()), env.now);
        self.last_sent_ms = env.now.as_millis() as u32;
        // Closed while SYNs crossed: as with every orphan, the FIN has its own limit, and nobody wants to know.
        if self.options.keepalive() && !self.is_orphan() {
            self.keepalive.arm(env.now + self.options.keepalive_time(env.sysctl));
        }
        self.events.set(EventSet::CONNECTED, true);
    }

    /// What we announce as MSS: what the interface carries, less bare headers (RFC 9293 3.7.1 [MUST-67]).
    pub(super) fn advertised_mss(&self) -> u16 {
        let whole = self.mtu.saturating_sub(self.headers());
        self.options.tcp_maxseg().map_or(whole, |bound| whole.min(bound))
    }

    /// Recomputes what one segment may carry: the smaller of the peer's MSS and the path's, less timestamps
    /// (RFC 9293 3.7.1 [MUST-16]; RFC 6691). A peer that asks for next to nothing gets `tcp_min_snd_mss`, as far as the
    /// path goes: nobody fragments what is too long for it.
    pub(super) fn update_mss(&mut self, sysctl: &Sysctl) {
        let path = self.mtu.saturating_sub(self.headers());
        let bound = self.options.tcp_maxseg().unwrap_or(u16::MAX);
        let mss = self.peer_mss.min(bound).max(sysctl.tcp_min_snd_mss).min(path);
        let timestamps = if self.flags.has(ConnFlags::TIMESTAMPS) { output::TIMESTAMPS_LEN } else { 0 };
        let mss = mss.saturating_sub(timestamps).max(1);
        self.mss = self.retransmission.black_hole.mss().map_or(mss, |bound| mss.min(bound));
    }

    fn headers(&self) -> u16 {
        if self.key.is_ipv4() { HEADERS_V4 } else { HEADERS_V6 }
    }

    /// Both ends.
    pub fn flow(&self) -> Flow {
        self.key.into()
    }

    /// Both ends, packed.
    pub fn key(&self) -> FlowKey {
        self.key
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// The options in force.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether the application has closed it: nobody will read what happens to it.
    pub fn is_orphan(&self) -> bool {
        self.flags.has(ConnFlags::ORPHAN)
    }

    /// Whether the send side is over: `send` says [`Error::BrokenPipe`].
    pub fn is_send_closed(&self) -> bool {
        self.flags.has(ConnFlags::FIN_QUEUED) || self.state == State::Closed
    }

    /// Whether the receive side is over: after what is readable comes the end of the stream.
    pub fn is_receive_closed(&self) -> bool {
        self.state.peer_finished()
            || self.state == State::Closed
            || self.flags.has(ConnFlags::PEER_FINISHED | ConnFlags::DEAF)
    }

    /// The next thing the application should know, oldest kind first.
    pub fn poll_event(&mut self) -> Option<Event> {
        for (kind, event) in [
            (EventSet::CONNECTED, Event::Connected),
            (EventSet::READABLE, Event::Readable),
            (EventSet::URGENT, Event::Urgent),
            (EventSet::WRITABLE, Event::Writable),
            (EventSet::FINISHED, Event::Finished),
            (EventSet::PATH_DOUBTFUL, Event::PathDoubtful),
            (EventSet::ERROR, Event::Error),
            (EventSet::CLOSED, Event::Closed(self.death)),
        ] {
            if self.events.has(kind) {
                self.events.set(kind, false);
                return Some(event);
            }
        }
        None
    }

    /// Whether [`Conn::poll_event`] has something.
    pub fn has_event(&self) -> bool {
        self.events != EventSet::NONE
    }

    /// The RTO without backoff, from the estimator.
    pub(super) fn rto(&self, sysctl: &Sysctl) -> Duration {
        self.estimator.rto(self.options.rto_max(sysctl))
    }

    /// Our timestamp clock: milliseconds, offset per connection.
    pub(super) fn tsval(&self, now: Instant) -> u32 {
        (now.as_millis() as u32).wrapping_add(self.ts_offset)
    }

    /// Checks what must always hold; the simulator calls it after each step, and debug builds after each call.
    ///
    /// # Panics
    /// If an invariant is broken: that is a defect of this crate, whatever the input was.
    pub fn check(&self) {
        assert!(self.snd_una.at_or_before(self.snd_nxt), "snd_una beyond snd_nxt");
        assert!(self.rcv_wup.at_or_before(self.rcv_nxt) || !self.state.is_synchronized(), "rcv_wup beyond rcv_nxt");
        assert!(self.mss > 0, "no segment can carry anything");
        // Before the handshake is complete it may tick and need not: `on_established` begins it.
        let ticking = self.state.is_synchronized() && self.state != State::TimeWait && self.options.keepalive();
        assert!(!ticking || self.is_orphan() || self.keepalive.due().is_some(), "keepalive is on and does not tick");
        if self.state == State::Closed {
            assert!(self.write_timer.at.is_none() && self.delayed_ack.due.is_none(), "a dead connection has a timer");
        }
    }
}

/// The whole second of `now`, modulo 2^32.
pub(super) fn seconds(now: Instant) -> u32 {
    (now.as_millis() / 1000) as u32
}

/// IPv4 and TCP headers without options.
const HEADERS_V4: u16 = 40;
/// IPv6 and TCP headers without options.
const HEADERS_V6: u16 = 60;
/// A peer's MSS without the option (RFC 9293 3.7.1 [MUST-15]).
pub(super) const MSS_DEFAULT_V4: u16 = 536;
/// The same over IPv6.
pub(super) const MSS_DEFAULT_V6: u16 = 1220;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_a_few_cache_lines() {
        assert!(size_of::<Conn>() <= 304, "{}", size_of::<Conn>());
    }
    #[test]
    fn no_bound_on_the_mss_makes_packets_too_long_for_the_device() {
        let flow = Flow { local: "192.0.2.1:80".parse().unwrap(), remote: "192.0.2.2:80".parse().unwrap() };
        for mtu in [68, 69, 88, 100, 1500] {
            let setup = Setup { flow, iss: SeqNum::new(0), ts_offset: 0, mtu, options: Options::new() };
            let sysctl = Sysctl { tcp_min_snd_mss: 536, ..Sysctl::LINUX };
            let mut conn = Conn::connect(Instant::ORIGIN, &setup, &sysctl);
            conn.update_mss(&sysctl);
            assert_eq!(conn.mss, (mtu - HEADERS_V4 - output::TIMESTAMPS_LEN).min(536 - output::TIMESTAMPS_LEN));
        }
    }
}
