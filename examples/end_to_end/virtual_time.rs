//! Linux's defaults need hours; virtual time needs milliseconds.

use crate::Outcome;
use longhaul::config::Sysctl;
use longhaul::options::Options;
use longhaul::sim::{Cut, HostId, Link, Sim};
use longhaul::stack::ConnId;
use longhaul::tcp::State;
use longhaul::time::Duration;

/// The two figures that everybody quotes, as they really are.
pub(crate) fn linux_defaults() -> Outcome {
    let (keepalive, cause) = idle_until_death()?;
    println!("   idle, SO_KEEPALIVE on, peer silent:       dead after {keepalive:>9.3?}  {cause}");
    promise(keepalive, Duration::from_secs(7200 + 9 * 75), "keepalive: 7200 s + 9 x 75 s")?;
    let (black_hole, cause) = data_until_death()?;
    println!("   data in flight, RTO 201 ms, black hole:   dead after {black_hole:>9.3?}  {cause}");
    promise(black_hole, Duration::from_millis(925_623), "tcp_retries2 = 15: the first expiry past 924.6 s")
}

fn idle_until_death() -> Result<(Duration, String), Box<dyn std::error::Error>> {
    let mut wire = Pair::connect(Options::new().with_keepalive(true))?;
    wire.until_death(None)
}

fn data_until_death() -> Result<(Duration, String), Box<dyn std::error::Error>> {
    let mut wire = Pair::connect(Options::new())?;
    wire.until_death(Some("SET k v\r\n"))
}

/// Two stacks of ours, connected.
pub(crate) struct Pair {
    pub(crate) sim: Sim,
    pub(crate) a: HostId,
    pub(crate) b: HostId,
    pub(crate) client: ConnId,
    pub(crate) server: ConnId,
}

impl Pair {
    pub(crate) fn connect(options: Options) -> Result<Self, Box<dyn std::error::Error>> {
        // Without SACK no tail loss probe goes before the first timeout; without delay the RTO is its least, 201 ms.
        let (mut sim, a, b) = Sim::pair(1, Sysctl { tcp_sack: 0, ..Sysctl::LINUX });
        *sim.link_mut(a, b) = Link { delay: Duration::ZERO, ..Link::default() };
        let now = sim.now();
        let listener = sim.stack(b).listen("10.0.0.2:80".parse()?, 1, Options::new())?;
        let client = sim.stack(a).connect(now, None, "10.0.0.2:80".parse()?, options)?;
        sim.run_for(Duration::from_millis(100));
        let server = sim.stack(b).accept(listener).ok_or("the handshake is not complete")?;
        Ok(Self { sim, a, b, client, server })
    }

    /// Cuts the wire, perhaps writes, and waits for death: how long it took, since the peer was last heard or since the
    /// write, and what ended it.
    pub(crate) fn until_death(
        &mut self,
        data: Option<&'static str>,
    ) -> Result<(Duration, String), Box<dyn std::error::Error>> {
        let (a, client) = (self.a, self.client);
        self.sim.link_mut(a, self.b).cut = Cut::Both;
        let now = self.sim.now();
        let mut conn = self.sim.stack(a).conn(client).ok_or("the connection is gone")?;
        let since = match data {
            Some(data) => {
                conn.send(now, data.into())?;
                now
            }
            None => now - conn.info(now).last_heard,
        };
        let dead = |sim: &mut Sim| sim.stack(a).conn(client).is_none_or(|conn| conn.state() == State::Closed);
        if !self.sim.run_until(dead, Duration::from_secs(10_000)) {
            return Err("still alive after 10 000 s".into());
        }
        let lived = self.sim.now().since(since);
        let error = self.sim.stack(a).conn(client).and_then(|conn| conn.death()).ok_or("died without an error")?;
        Ok((lived, error.to_string()))
    }
}

/// The model's time, to the millisecond: the timer wheel of a stack ticks once each.
pub(crate) fn promise(actual: Duration, model: Duration, what: &str) -> Outcome {
    if actual >= model && actual < model + Duration::from_millis(1) {
        Ok(())
    } else {
        Err(format!("{what}: died after {actual:?}, not {model:?}").into())
    }
}
