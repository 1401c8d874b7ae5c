//! Two of our stacks in virtual time, a list of what they sent, and a stopwatch: what experiments are made of.

// Each example uses its own part of it.
#![allow(dead_code)]

use longhaul::config::Sysctl;
use longhaul::error::Error;
use longhaul::options::{Options, TcpKeepalive};
use longhaul::sim::{Cut, Fate, HostId, Link, Sim};
use longhaul::stack::{ConnId, ListenerId};
use longhaul::tcp::State;
use longhaul::time::{Duration, Instant};
use longhaul::timeline::Lane;
use longhaul::wire::{self, Flags, Packet};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

/// What may go wrong in an experiment itself, as opposed to what it finds.
pub(crate) type Failure = Box<dyn std::error::Error>;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)), 80);
/// Longer than anything under test lasts.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);

/// An end of a connection.
pub(crate) type End = (HostId, ConnId);

/// What an experiment starts from.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Of both hosts.
    pub(crate) sysctl: Sysctl,
    /// There and back.
    pub(crate) round_trip: Duration,
    pub(crate) client: Options,
    pub(crate) server: Options,
}

impl Default for Setup {
    /// Linux's settings but for SACK, so that no tail loss probe goes before the first timeout; no delay, so that the
    /// timeout is its least, 201 ms.
    fn default() -> Self {
        let sysctl = Sysctl { tcp_sack: 0, ..Sysctl::LINUX };
        Self { sysctl, round_trip: Duration::ZERO, client: Options::new(), server: Options::new() }
    }
}

/// Something a host sent, whether or not it arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// After the mark.
    pub(crate) at: Duration,
    pub(crate) from: HostId,
    pub(crate) flags: Flags,
    pub(crate) len: usize,
    pub(crate) seq: u32,
}

/// Two hosts, and perhaps a connection between them.
pub(crate) struct Lab {
    pub(crate) sim: Sim,
    pub(crate) a: HostId,
    pub(crate) b: HostId,
    pub(crate) listener: ListenerId,
    mark: Instant,
    /// How much of the log lies before the mark.
    before: usize,
    log: Rc<RefCell<Vec<(Instant, Sent)>>>,
}

impl Lab {
    /// The second host listens.
    pub(crate) fn new(setup: &Setup) -> Result<Self, Failure> {
        let (mut sim, a, b) = Sim::pair(1, setup.sysctl.clone());
        *sim.link_mut(a, b) = Link::new(setup.round_trip / 2);
        let listener = sim.stack(b).listen(SERVER, 1024, setup.server)?;
        let log = Rc::new(RefCell::new(Vec::new()));
        let notes = log.clone();
        sim.intercept(move |passing| {
            if let Ok(Packet::Tcp { segment, .. }) = wire::parse(passing.packet) {
                let (flags, len, seq) = (segment.header.flags, segment.payload.len(), segment.header.seq.raw());
                let sent = Sent { at: Duration::ZERO, from: passing.from, flags, len, seq };
                notes.borrow_mut().push((passing.at, sent));
            }
            Fate::Pass
        });
        let mark = sim.now();
        Ok(Self { sim, a, b, listener, mark, before: 0, log })
    }

    /// Both ends of a new connection. The stopwatch starts when both know of it.
    pub(crate) fn connect(&mut self, options: Options) -> Result<(End, End), Failure> {
        let client = self.call(options)?;
        let (b, listener, mut server) = (self.b, self.listener, None);
        let accepted = |sim: &mut Sim| {
            server = sim.stack(b).accept(listener);
            server.is_some()
        };
        self.sim.run_until(accepted, 300 * SECOND);
        let server = server.ok_or("nobody came")?;
        self.mark();
        Ok((client, (b, server)))
    }

    /// Begins a connection and does not wait for it.
    pub(crate) fn call(&mut self, options: Options) -> Result<End, Failure> {
        let now = self.sim.now();
        Ok((self.a, self.sim.stack(self.a).connect(now, None, SERVER, options)?))
    }

    /// Starts the stopwatch anew.
    pub(crate) fn mark(&mut self) {
        self.mark = self.sim.now();
        self.before = self.log.borrow().len();
    }

    /// What the stopwatch shows.
    pub(crate) fn elapsed(&self) -> Duration {
        self.sim.now().since(self.mark)
    }

    /// Lets time pass until the stopwatch shows this.
    pub(crate) fn run_to(&mut self, elapsed: Duration) {
        let now = self.sim.now();
        self.sim.run_for((self.mark + elapsed).since(now));
    }

    /// Nothing gets through any more, either way.
    pub(crate) fn cut(&mut self) {
        self.sim.link_mut(self.a, self.b).cut = Cut::Both;
    }

    pub(crate) fn mend(&mut self) {
        self.sim.link_mut(self.a, self.b).cut = Cut::None;
    }

    pub(crate) fn write(&mut self, (host, id): End, data: &'static str) -> Result<(), Failure> {
        let now = self.sim.now();
        self.sim.stack(host).conn(id).ok_or("the writer is gone")?.send(now, data.into())?;
        Ok(())
    }

    /// Everything that can be read now.
    pub(crate) fn read(&mut self, (host, id): End) -> Result<Vec<u8>, Failure> {
        let now = self.sim.now();
        let mut conn = self.sim.stack(host).conn(id).ok_or("the reader is gone")?;
        let mut all = Vec::new();
        while let Ok(Some(data)) = conn.receive(now) {
            all.extend_from_slice(&data);
        }
        Ok(all)
    }

    pub(crate) fn close(&mut self, (host, id): End) -> Result<(), Failure> {
        let now = self.sim.now();
        self.sim.stack(host).conn(id).ok_or("closed already")?.close(now);
        Ok(())
    }

    /// The end forgets the connection and says nothing: its machine has lost power, and was started again.
    pub(crate) fn lose(&mut self, (host, id): End) -> Result<(), Failure> {
        self.cut();
        let now = self.sim.now();
        self.sim.stack(host).conn(id).ok_or("gone already")?.abort(now);
        // Its reset is lost with the power.
        self.sim.run_for(Duration::from_millis(1));
        self.mend();
        Ok(())
    }

    /// Gives it a lane of this name in [`Lab::lanes`].
    pub(crate) fn watch(&mut self, (host, id): End, label: &str) {
        self.sim.watch(host, id, label);
    }

    /// The lives of what is watched, from the mark on.
    pub(crate) fn lanes(&self) -> Vec<Lane> {
        self.sim.lanes(self.mark)
    }

    /// Waits for its death: what the stopwatch shows then, and of what it died.
    pub(crate) fn death(&mut self, (host, id): End) -> Result<(Duration, Error), Failure> {
        let dead = |sim: &mut Sim| sim.stack(host).conn(id).is_none_or(|conn| conn.state() == State::Closed);
        if !self.sim.run_until(dead, FOR_EVER) {
            return Err("it lives for ever".into());
        }
        let error = self.sim.stack(host).conn(id).and_then(|conn| conn.death()).ok_or("it died without an error")?;
        Ok((self.elapsed(), error))
    }

    /// Waits until a host remembers no connection: what the stopwatch shows then.
    pub(crate) fn forgotten(&mut self, host: HostId) -> Result<Duration, Failure> {
        let empty = |sim: &mut Sim| {
            let stack = sim.stack(host);
            stack.connections().count() + stack.time_wait_len() + stack.half_open_len() == 0
        };
        if !self.sim.run_until(empty, FOR_EVER) {
            return Err("it is remembered for ever".into());
        }
        Ok(self.elapsed())
    }

    pub(crate) fn is_established(&mut self, (host, id): End) -> bool {
        self.sim.stack(host).conn(id).is_some_and(|conn| conn.state() == State::Established)
    }

    /// What a host has sent since the mark.
    pub(crate) fn sent_by(&self, host: HostId) -> Vec<Sent> {
        let log = self.log.borrow();
        let ours = log[self.before..].iter().filter(|(_, sent)| sent.from == host);
        ours.map(|&(at, sent)| Sent { at: at.since(self.mark), ..sent }).collect()
    }

    /// The sequence number of a host's first SYN.
    pub(crate) fn initial_seq(&self, host: HostId) -> Option<u32> {
        self.log.borrow().iter().find(|(_, sent)| sent.from == host).map(|(_, sent)| sent.seq)
    }

    /// When a host sent, in milliseconds after the mark.
    pub(crate) fn times(&self, host: HostId) -> Vec<u64> {
        self.sent_by(host).iter().map(|sent| millis(sent.at)).collect()
    }
}

/// Keepalive on, with these seconds and this count.
pub(crate) fn keepalive(idle: u64, interval: u64, probes: u32) -> Result<Options, Failure> {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(idle))
        .with_interval(Duration::from_secs(interval))
        .with_retries(probes);
    Ok(Options::new().with_keepalive(true).with_tcp_keepalive(&keepalive)?)
}

/// A figure of the story, which has to be the documented one.
#[allow(clippy::needless_pass_by_value)] // figures made on the spot
pub(crate) fn promised<T: PartialEq + std::fmt::Display>(what: &str, found: T, documented: T) -> Result<T, Failure> {
    if found == documented { Ok(found) } else { Err(format!("{what}: {found}, and {documented} was promised").into()) }
}

/// When the copies of unacknowledged data leave, and when it dies, after the first sending, in milliseconds: each wait
/// twice the last and at most two minutes, until at an expiry `limit_ms` have passed since the first copy.
///
/// The limit of `tcp_retries2` = n is that of n + 1 waits of which the first is exactly 200 ms ([`model_ms`]).
pub(crate) fn black_hole_ms(first_rto_ms: u64, limit_ms: u64) -> (Vec<u64>, u64) {
    let (mut copies, mut rto, mut at) = (Vec::new(), first_rto_ms, first_rto_ms);
    while copies.first().is_none_or(|first| at - first < limit_ms) {
        copies.push(at);
        rto = (2 * rto).min(RTO_MAX_MS);
        at += rto;
    }
    (copies, at)
}

/// n + 1 waits of 200, 400, 800 ... ms, none longer than two minutes (Linux `tcp_model_timeout`).
pub(crate) fn model_ms(retries: u32) -> u64 {
    (0..=retries).map(|k| (200_u64 << k.min(20)).min(RTO_MAX_MS)).sum()
}

const RTO_MAX_MS: u64 = 120_000;

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `925.623 s`, and whole seconds without a fraction.
pub(crate) fn seconds(millis: u64) -> String {
    if millis.is_multiple_of(1000) {
        format!("{} s", millis / 1000)
    } else {
        format!("{}.{:03} s", millis / 1000, millis % 1000)
    }
}

/// `0 1 2 3.5 s`: instants in seconds.
pub(crate) fn instants(millis: &[u64]) -> String {
    let words: Vec<String> = millis.iter().map(|&at| seconds(at).trim_end_matches(" s").to_owned()).collect();
    words.join(" ") + " s"
}
