//! Two hosts in virtual time with one connection between them.

use super::Failure;
use longhaul::config::Sysctl;
use longhaul::error::Error;
use longhaul::options::{Options, OutOfRange, TcpKeepalive};
use longhaul::sim::{Cut, HostId, Link, Sim};
use longhaul::stack::{ConnId, ConnMut, ListenerId, Stack};
use longhaul::tcp::State;
use longhaul::time::{Duration, Instant};
use longhaul::timeline::{Kind, Lane};
use std::net::SocketAddr;

/// Where the second host listens.
pub(crate) const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)), 80);

/// The client `a`, the server `b`, a link.
pub(crate) struct Pair {
    pub(crate) sim: Sim,
    pub(crate) a: HostId,
    pub(crate) b: HostId,
    pub(crate) listener: ListenerId,
    pub(crate) client: ConnId,
    pub(crate) server: ConnId,
}

/// When a connection died, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) after: Duration,
    pub(crate) error: Error,
}

impl Pair {
    /// Connects, and watches the client. The seed decides sequence numbers and ports only: this link has no faults.
    pub(crate) fn connect(seed: u64, sysctl: Sysctl, round_trip: Duration, options: Options) -> Result<Self, Failure> {
        let (mut sim, a, b) = Sim::pair(seed, sysctl);
        *sim.link_mut(a, b) = Link::new(round_trip / 2);
        let listener = sim.stack(b).listen(SERVER, 16, Options::new())?;
        let now = sim.now();
        let client = sim.stack(a).connect(now, None, SERVER, options)?;
        sim.watch(a, client, "client");
        let mut server = None;
        let accepted = |sim: &mut Sim| {
            server = sim.stack(b).accept(listener);
            server.is_some()
        };
        sim.run_until(accepted, Duration::from_secs(10));
        let server = server.ok_or("the handshake is not complete")?;
        Ok(Self { sim, a, b, listener, client, server })
    }

    pub(crate) fn now(&self) -> Instant {
        self.sim.now()
    }

    /// The client's end.
    pub(crate) fn conn(&mut self) -> Result<ConnMut<'_>, Failure> {
        Ok(self.sim.stack(self.a).conn(self.client).ok_or("the client's end is gone")?)
    }

    /// Nothing gets through any more, either way.
    pub(crate) fn cut(&mut self) {
        self.sim.link_mut(self.a, self.b).cut = Cut::Both;
    }

    /// The second host loses power and comes back: it listens, and remembers nothing.
    pub(crate) fn reboot(&mut self) -> Result<(), Failure> {
        let now = self.now();
        let mut config = self.sim.stack(self.b).config().clone();
        config.secret[0] ^= 1;
        *self.sim.stack(self.b) = Stack::new(now, config);
        self.listener = self.sim.stack(self.b).listen(SERVER, 16, Options::new())?;
        Ok(())
    }

    /// What the client writes is queued, whatever becomes of it.
    pub(crate) fn write(&mut self, data: &'static str) -> Result<Result<(), Error>, Failure> {
        let now = self.now();
        Ok(self.conn()?.send(now, data.into()).map(|_| ()))
    }

    /// What a read of the client says now: bytes, 0 for the end, or an error.
    pub(crate) fn read(&mut self) -> Result<Result<usize, Error>, Failure> {
        let now = self.now();
        Ok(self.conn()?.read(now, &mut [0; 64]))
    }

    /// Waits until the client's end is dead, or for `limit`.
    pub(crate) fn death(&mut self, limit: Duration) -> Result<Option<Death>, Failure> {
        let (a, client, since) = (self.a, self.client, self.now());
        let dead = |sim: &mut Sim| sim.stack(a).conn(client).is_none_or(|conn| conn.state() == State::Closed);
        if !self.sim.run_until(dead, limit) {
            return Ok(None);
        }
        let error = self.conn()?.death().ok_or("it died without an error")?;
        Ok(Some(Death { after: self.now().since(since), error }))
    }

    /// The client's life since then.
    pub(crate) fn lane(&self, since: Instant) -> Result<Lane, Failure> {
        Ok(self.sim.lanes(since).into_iter().next().ok_or("nothing is watched")?)
    }
}

/// Keepalive, switched on: seconds of silence, seconds between probes, and how many.
pub(crate) fn keepalive(time: u64, interval: u64, probes: u32) -> Result<Options, OutOfRange> {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(time))
        .with_interval(Duration::from_secs(interval))
        .with_retries(probes);
    Options::new().with_keepalive(true).with_tcp_keepalive(&keepalive)
}

/// When the lane says that packets of a kind left.
pub(crate) fn times(lane: &Lane, kind: Kind) -> Vec<Duration> {
    lane.marks().iter().filter(|mark| mark.kind() == kind).map(longhaul::timeline::Mark::at).collect()
}
