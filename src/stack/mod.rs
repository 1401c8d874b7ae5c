//! Many connections behind five verbs: packets and time in, packets, deadlines and events out.
//!
//! ```
//! use longhaul::stack::{Config, Stack};
//! use longhaul::time::Instant;
//!
//! /// A whole driver: one packet (or the passing of time) in, what it caused out, and when to come back.
//! fn turn(stack: &mut Stack, now: Instant, packet: Option<&[u8]>, mut send: impl FnMut(&[u8])) -> Option<Instant> {
//!     match packet {
//!         Some(packet) => drop(stack.handle_packet(now, packet)),
//!         None => stack.handle_timeout(now),
//!     }
//!     let mut buffer = [0; 1500];
//!     while let Some(transmit) = stack.poll_transmit(now, &mut buffer) {
//!         send(&buffer[..transmit.len]);
//!     }
//!     stack.poll_timeout()
//! }
//!
//! let config = Config::new([7; 16]).with_ipv4([10, 0, 0, 2].into());
//! let mut stack = Stack::new(Instant::ORIGIN, config);
//! stack.connect(Instant::ORIGIN, None, "10.0.0.1:80".parse()?, Default::default())?;
//! let mut packets = 0;
//! let next = turn(&mut stack, Instant::ORIGIN, None, |_syn| packets += 1);
//! assert_eq!(packets, 1);
//! // The SYN goes again after a second; the wheel may ask a little earlier.
//! assert!(next.is_some_and(|at| at <= Instant::from_secs(1)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | room | question it answers |
//! |---|---|
//! | `slab`, `demux` | where is the block of this connection, and whose segment is this? |
//! | `wheel`, `timeout` | which connection's time has come? |
//! | `ready`, `output` | which connection wants to send? |
//! | `input` | where does an arriving packet go? |
//! | `listen`, `cookies` | who waits for connections, and which of them are complete? And with no room to remember? |
//! | `open`, `ports`, `isn` | how does a connection of ours begin? |
//! | `settle` | what follows from a change of one connection? |
//! | `forecast` | when will a connection end, if nothing more is heard? |
//! | `conn_mut`, `conn_options` | what may the application do with one connection, and what is it set to? |
//! | `journals` | which connections keep a journal? |

mod config;
mod conn_mut;
mod conn_options;
mod cookies;
mod demux;
mod forecast;
mod input;
mod isn;
mod journals;
mod listen;
mod open;
mod output;
mod ports;
mod ready;
mod settle;
mod slab;
mod timeout;
pub mod wheel;

use crate::buf::chain::Streams;
use crate::stats::Stats;
use crate::tcp::{Conn, Emit, Event, HalfOpen, TimeWait};
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use demux::Demux;
use isn::Isn;
use journals::Journals;
use listen::Listeners;
use output::Reply;
use ports::Ports;
use ready::Ready;
use slab::{Key, Slab};
use wheel::Wheel;

pub use config::Config;
pub use conn_mut::ConnMut;
pub use listen::{ListenError, ListenerId};
pub use open::ConnectError;
pub use output::Transmit;

/// One connection of a [`Stack`]. After the connection is closed and gone the id says so: it is never reused for
/// another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(Key);

/// Many connections, their listeners and their timers, for one host's addresses.
///
/// After each `handle_*` and each act on a connection, drain [`Stack::poll_transmit`], then ask
/// [`Stack::poll_timeout`]. Time that runs backwards is taken for the latest time seen.
#[derive(Debug)]
pub struct Stack {
    config: Config,
    now: Instant,
    conns: Slab<Entry>,
    half_open: Slab<Half>,
    time_wait: Slab<TimeWait>,
    demux: Demux,
    conn_wheel: Wheel,
    half_open_wheel: Wheel,
    time_wait_wheel: Wheel,
    ready: Ready,
    replies: VecDeque<Reply>,
    /// The connection's segment that went out last, if it may still turn out to be refused.
    handed_out: Option<(ConnId, Emit)>,
    events: VecDeque<ConnId>,
    /// Whose writes found the memory budget spent; each at most once.
    starved: Vec<ConnId>,
    /// Whose queues are empty and kept, the longest first.
    warm: VecDeque<Key>,
    listeners: Listeners,
    isn: Isn,
    ports: Ports,
    orphans: u32,
    memory_charged: usize,
    journals: Journals,
    stats: Stats,
}

/// A connection, with its byte queues while it has any.
#[derive(Debug)]
struct Entry {
    conn: Conn,
    streams: Option<Box<Streams>>,
    /// What the queues cost the memory budget.
    charged: u32,
    event_queued: bool,
    /// It waits for memory, in `Stack::starved`.
    starved: bool,
    /// It is in `Stack::warm`.
    warm: bool,
    /// Segments of its flow come here.
    in_demux: bool,
    /// The application is done with it: it goes when it is closed and has nothing to send.
    released: bool,
}

/// A half-open connection and the listener it belongs to.
#[derive(Clone, Copy, Debug)]
struct Half {
    block: HalfOpen,
    listener: ListenerId,
}

/// Whose a flow is: what a demultiplexer cell holds, packed into 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Conn(u32),
    HalfOpen(u32),
    TimeWait(u32),
}

impl Owner {
    const INDEX: u32 = (1 << 30) - 1;

    const fn pack(self) -> u32 {
        match self {
            Self::Conn(index) => index,
            Self::HalfOpen(index) => 1 << 30 | index,
            Self::TimeWait(index) => 2 << 30 | index,
        }
    }

    const fn unpack(packed: u32) -> Self {
        let index = packed & Self::INDEX;
        match packed >> 30 {
            0 => Self::Conn(index),
            1 => Self::HalfOpen(index),
            _ => Self::TimeWait(index),
        }
    }
}

impl Stack {
    /// An empty stack whose clock stands at `now`.
    pub fn new(now: Instant, config: Config) -> Self {
        let config = config.bounded();
        Self {
            now,
            conns: Slab::new(config.max_connections.min(Owner::INDEX)),
            half_open: Slab::new(Owner::INDEX),
            time_wait: Slab::new(Owner::INDEX),
            demux: Demux::new(config.secret),
            conn_wheel: Wheel::new(now),
            half_open_wheel: Wheel::new(now),
            time_wait_wheel: Wheel::new(now),
            ready: Ready::new(),
            replies: VecDeque::new(),
            handed_out: None,
            events: VecDeque::new(),
            starved: Vec::new(),
            warm: VecDeque::new(),
            listeners: Listeners::new(),
            isn: Isn::new(config.secret),
            ports: Ports::new(config.secret),
            orphans: 0,
            memory_charged: 0,
            journals: Journals::new(),
            stats: Stats::default(),
            config,
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The settings, to change them: what Linux reads at each use takes effect on live connections.
    pub fn sysctl_mut(&mut self) -> &mut crate::config::Sysctl {
        &mut self.config.sysctl
    }

    /// What was counted so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Every connection the application has or could have a handle to, and every orphan, in no meaningful order.
    pub fn connections(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.conns.iter().map(|(key, _)| ConnId(key))
    }

    /// Blocks in TIME-WAIT (or an orphan's FIN-WAIT-2).
    pub fn time_wait_len(&self) -> usize {
        self.time_wait.len() as usize
    }

    /// Half-open passive connections.
    pub fn half_open_len(&self) -> usize {
        self.half_open.len() as usize
    }

    /// Bytes that queues are charged for, against [`Config::memory_bytes`].
    pub fn memory_charged(&self) -> usize {
        self.memory_charged
    }

    /// One connection, to act on; `None` if the id is of a connection that is gone.
    pub fn conn(&mut self, id: ConnId) -> Option<ConnMut<'_>> {
        let entry = self.conns.get(id.0)?;
        (!entry.released).then_some(ConnMut::new(self, id))
    }

    /// The next thing an application should know: which connection, and what. A passive connection reports
    /// [`Event::Connected`] when it joins its listener's accept queue.
    pub fn poll_event(&mut self) -> Option<(ConnId, Event)> {
        while let Some(&id) = self.events.front() {
            if let Some(entry) = self.conns.get_mut(id.0).filter(|entry| !entry.released) {
                if let Some(event) = entry.conn.poll_event() {
                    return Some((id, event));
                }
                entry.event_queued = false;
            }
            self.events.pop_front();
        }
        None
    }

    /// Checks what must always hold, in every connection; for simulators and tests.
    ///
    /// # Panics
    /// If an invariant is broken.
    pub fn check(&self) {
        let in_demux = self.conns.iter().filter(|(_, entry)| entry.in_demux).count();
        assert_eq!(
            self.demux.len(),
            in_demux + self.half_open_len() + self.time_wait_len(),
            "demux and blocks disagree"
        );
        for (_, entry) in self.conns.iter() {
            entry.conn.check();
        }
    }

    /// The latest time seen: time never runs backwards in here.
    fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }
}
