//! Two or more stacks in virtual time, with faulty links between them.
//!
//! A run is a function of its seed: time passes only from event to event, every fault comes from one small generator,
//! and nothing depends on addresses or on hash order. Equal seeds give equal traces, byte for byte. So a failure found
//! once is found every time, and an hour of silence costs nothing.
//!
//! ```
//! use longhaul::config::Sysctl;
//! use longhaul::sim::{Cut, Sim};
//! use longhaul::tcp::State;
//! use longhaul::time::Duration;
//!
//! let (mut sim, a, b) = Sim::pair(7, Sysctl::LINUX);
//! let now = sim.now();
//! let listener = sim.stack(b).listen("10.0.0.2:80".parse()?, 16, Default::default())?;
//! let id = sim.stack(a).connect(now, None, "10.0.0.2:80".parse()?, Default::default())?;
//! assert!(sim.run_until(|sim| sim.stack(b).accept(listener).is_some(), Duration::from_secs(1)));
//!
//! sim.link_mut(a, b).cut = Cut::Both;
//! let now = sim.now();
//! sim.stack(a).conn(id).unwrap().send(now, "anyone there?".into())?;
//! let died = |sim: &mut Sim| sim.stack(a).conn(id).is_none_or(|conn| conn.state() == State::Closed);
//! assert!(sim.run_until(died, Duration::from_secs(1000)));
//! assert_eq!(sim.now().since(now).as_secs(), 945, "the first timeout after the 924.6 s that tcp_retries2 = 15 means");
//! println!("{}", sim.trace().join("\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | room | question it answers |
//! |---|---|
//! | `link` | what happens to a packet between two hosts? |
//! | `middlebox` | what does a box between them remember, and forget? |
//! | `host` | what does a stack see of time, and what does its device take? |
//! | `transit` | how does a packet get from one stack to another? |
//! | `trace` | what was sent, in words? |
//! | `timeline` | and when, drawn? |
//! | `rng` | what does the seed say? |

mod host;
mod link;
mod middlebox;
mod rng;
mod timeline;
mod trace;
mod transit;

use crate::config::Sysctl;
use crate::stack::{Config, Stack};
use crate::time::{Duration, Instant};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use host::Host;
use link::Wire;
use middlebox::Chain;
use rng::Rng;
use timeline::Watched;
use trace::Recorder;
use transit::{Arrival, Interceptor};

pub use host::HostId;
pub use link::{Cut, Link};
pub use middlebox::{BoxId, Decision, FLOWS_MAX_DEFAULT, Middlebox, Nat, Side, Timeouts, Tracker, Unknown};
pub use transit::{Fate, Passing};

/// When a simulation starts: three seconds before its millisecond clock no longer fits 32 bits, so that whatever does
/// not survive the wrap fails in every test.
pub const START: Instant = Instant::from_millis((1 << 32) - 3_000);

/// Packets that are kept for [`Sim::trace`] and [`Sim::pcapng`], unless [`Sim::keep_packets`] says otherwise.
pub const KEPT_PACKETS_DEFAULT: usize = 4096;

/// Hosts, the links between them, and what is on its way. See the [module](self) for an example.
///
/// After acting on a stack, call one of the `run_*` or [`Sim::step`]: what the act caused leaves at its beginning.
/// A host sends to whoever has the destination address, or is beyond a box that has it, if a link leads there directly.
pub struct Sim {
    seed: u64,
    now: Instant,
    rng: Rng,
    hosts: Vec<Host>,
    /// By both hosts, the one that was added first in front.
    links: BTreeMap<(HostId, HostId), Wire>,
    /// The boxes on them, by the same.
    chains: BTreeMap<(HostId, HostId), Chain>,
    /// By arrival; packets that arrive at the same time keep the order in which they were sent.
    flying: BTreeMap<(Instant, u64), Arrival>,
    /// Packets that were put on their way so far.
    launched: u64,
    /// Packets that were handed to a stack so far.
    delivered: u64,
    interceptor: Option<Interceptor>,
    recorder: Recorder,
    watched: Vec<Watched>,
    check_every: u32,
    steps: u64,
    steps_at_this_instant: u32,
    buffer: Vec<u8>,
}

impl Sim {
    /// No host yet; the clock stands at [`START`].
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            now: START,
            rng: Rng::new(seed),
            hosts: Vec::new(),
            links: BTreeMap::new(),
            chains: BTreeMap::new(),
            flying: BTreeMap::new(),
            launched: 0,
            delivered: 0,
            interceptor: None,
            recorder: Recorder::new(KEPT_PACKETS_DEFAULT),
            watched: Vec::new(),
            check_every: 1,
            steps: 0,
            steps_at_this_instant: 0,
            buffer: vec![0; usize::from(u16::MAX)],
        }
    }

    /// Two hosts with secrets drawn from the seed, on one [`Link::default`]: 10.0.0.1 and 10.0.0.2, `fd00::1` and
    /// `fd00::2`.
    pub fn pair(seed: u64, sysctl: Sysctl) -> (Self, HostId, HostId) {
        let mut sim = Self::new(seed);
        let [a, b] = [(1, sysctl.clone()), (2, sysctl)].map(|(number, sysctl)| {
            let secret = u128::from(sim.rng.next()) << 64 | u128::from(sim.rng.next());
            let config = Config::new(secret.to_le_bytes())
                .with_ipv4(Ipv4Addr::new(10, 0, 0, number))
                .with_ipv6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, u16::from(number)))
                .with_sysctl(sysctl);
            sim.host(config)
        });
        sim.connect_link(a, b, Link::default());
        (sim, a, b)
    }

    /// Adds a host.
    pub fn host(&mut self, config: Config) -> HostId {
        self.hosts.push(Host::new(self.now, config));
        HostId(self.hosts.len() - 1)
    }

    /// Lays a link between two hosts, or replaces it; boxes on it stay.
    ///
    /// # Panics
    /// If both are the same host.
    pub fn connect_link(&mut self, a: HostId, b: HostId, link: Link) {
        assert_ne!(a, b, "a link has two ends");
        self.links.insert((a.min(b), a.max(b)), Wire::new(link));
    }

    /// The link between two hosts, to change its faults; they hold for what is sent from now on.
    ///
    /// # Panics
    /// If there is none.
    pub fn link_mut(&mut self, a: HostId, b: HostId) -> &mut Link {
        &mut self.links.get_mut(&(a.min(b), a.max(b))).expect("no link between these hosts").link
    }

    /// The stack of a host.
    pub fn stack(&mut self, host: HostId) -> &mut Stack {
        &mut self.hosts[host.0].stack
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// What the clock of a host shows: the time, unless [`Sim::shift_clock`] moved it.
    pub fn clock(&self, host: HostId) -> Instant {
        self.hosts[host.0].clock(self.now)
    }

    /// Packets handed to stacks so far.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }
}

/// Letting time pass.
impl Sim {
    /// Goes to the next event (an arrival, or a stack's deadline) and deals with all that is due then; what this causes
    /// belongs to later steps, even without any delay. False if nothing will ever happen.
    ///
    /// # Panics
    /// If a stack breaks one of its invariants ([`Sim::check_every`]), or is busy without end at one instant.
    pub fn step(&mut self) -> bool {
        self.send_all();
        let Some(next) = self.next_event() else { return false };
        self.go_to(next);
        let launched = self.launched;
        while let Some(entry) = self.flying.first_entry()
            && entry.key().0 <= self.now
            && entry.key().1 < launched
        {
            let arrival = entry.remove();
            self.deliver(arrival);
        }
        for host in (0..self.hosts.len()).map(HostId) {
            if self.hosts[host.0].due(self.now).is_some_and(|due| due <= self.now) {
                self.hosts[host.0].handle_timeout(self.now);
            }
        }
        self.send_all();
        self.note_ends();
        self.check();
        true
    }

    /// Deals with everything up to `span` from now, where the clock stands afterwards.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(|_| false, span);
    }

    /// Steps until `done`, at most until `limit` from now. Returns whether it was done; if not, the clock stands at the
    /// limit.
    pub fn run_until(&mut self, mut done: impl FnMut(&mut Self) -> bool, limit: Duration) -> bool {
        let end = self.now + limit;
        loop {
            if done(self) {
                return true;
            }
            // What `done` may have caused must leave before it is asked when the next event is.
            self.send_all();
            if self.next_event().is_none_or(|next| next > end) {
                self.now = self.now.max(end);
                return false;
            }
            self.step();
        }
    }

    /// The next arrival or deadline; never in the past.
    fn next_event(&self) -> Option<Instant> {
        let arrival = self.flying.first_key_value().map(|(&(at, _), _)| at);
        let deadlines = self.hosts.iter().filter_map(|host| host.due(self.now));
        arrival.into_iter().chain(deadlines).min().map(|at| at.max(self.now))
    }

    fn go_to(&mut self, next: Instant) {
        self.steps += 1;
        self.steps_at_this_instant = if next > self.now { 0 } else { self.steps_at_this_instant + 1 };
        assert!(self.steps_at_this_instant < STEPS_AT_ONE_INSTANT_MAX, "time stands still at {next}");
        self.now = next;
    }

    fn check(&self) {
        if self.check_every > 0 && self.steps.is_multiple_of(u64::from(self.check_every)) {
            self.hosts.iter().for_each(|host| host.stack.check());
        }
    }
}

/// Interfering.
impl Sim {
    /// Lets a packet from nowhere arrive at a host, at `at` or as soon as possible.
    pub fn inject(&mut self, to: HostId, packet: impl Into<Bytes>, at: Instant) {
        let packet = packet.into();
        self.launch(at.max(self.now), Arrival { to, packet, injected: true });
    }

    /// Shows every packet to `intercept` before it enters a link, and does with it as told. Replaces an earlier one.
    pub fn intercept(&mut self, intercept: impl FnMut(&Passing<'_>) -> Fate + 'static) {
        self.interceptor = Some(Interceptor(Box::new(intercept)));
    }

    /// Moves the clock that a host sees: by `micros` microseconds, forward or back, against what it shows now.
    pub fn shift_clock(&mut self, host: HostId, micros: i64) {
        let ahead = &mut self.hosts[host.0].clock_ahead_us;
        *ahead = ahead.saturating_add(micros);
    }

    /// Nobody calls the stack of `host` for `span`: its process does not get the processor. Packets wait for it.
    pub fn suspend(&mut self, host: HostId, span: Duration) {
        self.hosts[host.0].asleep_until = self.now + span;
    }

    /// The device of `host` takes this many packets more and is full then; `None`, as in the beginning, for never full.
    pub fn set_device_room(&mut self, host: HostId, packets: Option<usize>) {
        self.hosts[host.0].device_room = packets;
    }
}

/// Looking.
impl Sim {
    /// How many of the last packets are kept. 0 for none, which is a little faster.
    pub fn keep_packets(&mut self, packets: usize) {
        self.recorder.set_limit(packets);
    }

    /// The packets kept, a line each, in the order of sending: the time since [`START`], from and to whom, and the
    /// segment as packetdrill writes it, with sequence numbers from 0 up; behind a `#`, why it was sent if that is
    /// remarkable (a retransmission, a probe, a reset), and what happened to it.
    ///
    /// ```text
    ///    0.000000 a > b  S 0:0(0) win 65535 <mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 10>  # lost on the link
    /// ```
    pub fn trace(&self) -> Vec<String> {
        self.recorder.lines(START)
    }

    /// The packets kept as a capture file (see [`crate::pcapng`]), seen from the first host and with the time of
    /// sending; a packet's comment says why it was sent if that is remarkable, and what happened to it.
    pub fn pcapng(&self) -> Vec<u8> {
        self.recorder.pcapng(self.seed)
    }

    /// Checks the invariants of every stack, and every packet sent, after each `steps` steps (1 by default); 0 for
    /// never. A check looks at every connection.
    pub fn check_every(&mut self, steps: u32) {
        self.check_every = steps;
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("seed", &self.seed)
            .field("now", &self.now)
            .field("hosts", &self.hosts.len())
            .field("flying", &self.flying.len())
            .finish_non_exhaustive()
    }
}

/// A stack that is due again and again without time passing is broken. A whole table's timers in one instant, a batch a
/// step, are a few thousand steps.
const STEPS_AT_ONE_INSTANT_MAX: u32 = 100_000;
#[cfg(test)]
mod tests;
