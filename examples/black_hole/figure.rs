//! The figure of the README: one silence, and everything that can be set against it.

use crate::common::Failure;
use crate::common::pair::{Death, Pair, keepalive};
use longhaul::config::Sysctl;
use longhaul::options::Options;
use longhaul::time::Duration;
use longhaul::timeline::{Kind, Lane, Mark, Timeline, in_words};

/// What the client has to say when the wire is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    /// A request, into the cut wire.
    InFlight,
    Idle,
}

/// One way to die.
pub(crate) struct Cure {
    pub(crate) lane: Lane,
    /// `None`: never.
    pub(crate) death: Option<Death>,
    pub(crate) capture: Vec<u8>,
}

/// Sixteen minutes of silence and a little more: longer than any of these lives, but for one.
pub(crate) const LIMIT: Duration = Duration::from_secs(2000);
/// What the figure sets its limits to.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The figure, and the runs it was made of.
pub(crate) fn figure() -> Result<(Timeline, Vec<Cure>), Failure> {
    let linux = || Sysctl::LINUX;
    let limited = Options::new().with_tcp_user_timeout(Some(PATIENCE))?;
    let probing = keepalive(20, 5, 3)?;
    let cures = vec![
        die(linux(), Options::new(), Busy::InFlight)?.labelled("tcp_retries2 = 15", "the default"),
        die(Sysctl { tcp_retries2: 8, ..linux() }, Options::new(), Busy::InFlight)?
            .labelled("tcp_retries2 = 8", "for the whole machine"),
        die(linux(), limited, Busy::InFlight)?.labelled("TCP_USER_TIMEOUT = 30 s", "for one connection"),
        give_up_reading()?.labelled("SO_RCVTIMEO = 30 s", "ends the call, not the connection"),
        die(linux(), probing, Busy::InFlight)?.labelled("keepalive 20 s, 5 s, 3", "waits while data is in flight"),
        die(linux(), probing, Busy::Idle)?.labelled("keepalive 20 s, 5 s, 3", "nothing in flight"),
        reboot(probing)?.labelled("keepalive 20 s, 5 s, 3", "the peer lost power and is back"),
        die(linux(), Options::new(), Busy::Idle)?.labelled("nothing set", "nothing in flight: nobody asks"),
    ];
    let mut timeline =
        Timeline::new("The peer is gone. When does TCP notice?").with_axis_title("time since the peer went silent");
    for cure in &cures {
        timeline.push(cure.lane.clone());
    }
    Ok((timeline, cures))
}

/// The wire is cut, and the client writes or does not.
pub(crate) fn die(sysctl: Sysctl, options: Options, busy: Busy) -> Result<Cure, Failure> {
    let mut pair = connect(sysctl, options)?;
    let since = pair.now();
    pair.cut();
    if busy == Busy::InFlight {
        pair.write("GET / HTTP/1.1\r\n\r\n")??;
    }
    let death = pair.death(LIMIT)?;
    Ok(Cure { lane: pair.lane(since)?, death, capture: pair.sim.pcapng() })
}

/// The application reads with a time limit. TCP is not told.
fn give_up_reading() -> Result<Cure, Failure> {
    let mut pair = connect(Sysctl::LINUX, Options::new())?;
    let since = pair.now();
    pair.cut();
    pair.write("GET / HTTP/1.1\r\n\r\n")??;
    pair.sim.run_for(PATIENCE);
    let Err(said) = pair.read()? else { return Err("a cut wire delivered something".into()) };
    let at = pair.now().since(since);
    let death = pair.death(LIMIT)?;
    let mut lane = pair.lane(since)?;
    lane.mark(Mark::new(at, Kind::Note).with_text(&format!("read: {:?}", said.errno())));
    let death = death.map(|death| Death { after: death.after + at, ..death });
    Ok(Cure { lane, death, capture: pair.sim.pcapng() })
}

/// The peer comes back without its memory, and says nothing until it is asked.
fn reboot(options: Options) -> Result<Cure, Failure> {
    let mut pair = connect(Sysctl::LINUX, options)?;
    let since = pair.now();
    pair.reboot()?;
    let death = pair.death(LIMIT)?;
    Ok(Cure { lane: pair.lane(since)?, death, capture: pair.sim.pcapng() })
}

/// A link without delay, so that the first timeout is the least there is, 201 ms. A millisecond later the handshake is
/// no longer part of the figure.
fn connect(sysctl: Sysctl, options: Options) -> Result<Pair, Failure> {
    let mut pair = Pair::connect(1, sysctl, Duration::ZERO, options)?;
    pair.sim.run_for(Duration::from_millis(1));
    Ok(pair)
}

impl Cure {
    /// Its words on the figure: what was set, and what the application is told in the end.
    fn labelled(mut self, label: &str, detail: &str) -> Self {
        self.lane = self.lane.with_label(label).with_detail(detail);
        match self.death {
            Some(death) => self.lane.dies(death.after, &format!("{:?}", death.error.errno())),
            None => self.lane.lives(Duration::from_secs(1000), "alive for ever"),
        }
        self
    }

    /// When it died, in words.
    pub(crate) fn when(&self) -> String {
        self.death.map_or("never".into(), |death| in_words(death.after))
    }
}
