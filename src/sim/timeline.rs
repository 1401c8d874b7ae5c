//! The lives of chosen connections as a timeline: what was recorded, seen from one end, and when it ended.

use super::trace::Record;
use super::{HostId, Sim};
use crate::stack::ConnId;
use crate::tcp::{EmitKind, State};
use crate::time::Instant;
use crate::timeline::{Kind, LANES_MAX, Lane, Mark, Timeline};
use crate::wire::{self, Flags, Flow, Packet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A connection that shall have a lane.
#[derive(Debug)]
pub(super) struct Watched {
    host: HostId,
    id: ConnId,
    label: String,
    flow: Flow,
    end: Option<(Instant, Ending)>,
}

/// How it ended.
#[derive(Debug)]
enum Ending {
    /// With an error, in words.
    Death(String),
    /// In order, or the application was done with it.
    Close,
}

impl Sim {
    /// Gives a connection a lane in [`Sim::timeline`], from its first packet that is kept. Call it while the connection
    /// lives: from now on it is noted when it ends. At most [`LANES_MAX`] are watched; further ones are not.
    ///
    /// # Panics
    /// If there is no such connection.
    pub fn watch(&mut self, host: HostId, id: ConnId, label: &str) {
        let flow = self.stack(host).conn(id).expect("a connection to watch").flow();
        if self.watched.len() < LANES_MAX {
            self.watched.push(Watched { host, id, label: label.into(), flow, end: None });
        }
    }

    /// The connections that are watched, a lane each, in the order of [`Sim::watch`]; time counts from `since`, and
    /// what was before is left out. It needs the packets, so see [`Sim::keep_packets`].
    ///
    /// ```
    /// # use longhaul::{config::Sysctl, sim::{Cut, Sim}, time::Duration};
    /// # let (mut sim, a, b) = Sim::pair(7, Sysctl::LINUX);
    /// # let (now, address) = (sim.now(), "10.0.0.2:80".parse()?);
    /// # sim.stack(b).listen(address, 16, Default::default())?;
    /// let id = sim.stack(a).connect(now, None, address, Default::default())?;
    /// sim.watch(a, id, "client");
    /// sim.run_for(Duration::from_secs(1));
    ///
    /// sim.link_mut(a, b).cut = Cut::Both;
    /// let cut = sim.now();
    /// sim.stack(a).conn(id).unwrap().send(cut, "anyone there?".into())?;
    /// sim.run_for(Duration::from_secs(1000));
    /// print!("{}", sim.timeline("A black hole", cut).ascii(100));
    /// # assert_eq!(sim.timeline("", cut).lanes()[0].death().map(|at| at.as_secs()), Some(945));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timeline(&self, title: &str, since: Instant) -> Timeline {
        let mut timeline = Timeline::new(title);
        self.lanes(since).into_iter().for_each(|lane| timeline.push(lane));
        timeline
    }

    /// The lanes alone, for a timeline of several simulations.
    pub fn lanes(&self, since: Instant) -> Vec<Lane> {
        self.watched.iter().map(|watched| self.lane(watched, since)).collect()
    }

    /// Notes which of the connections ended since it was last called.
    pub(super) fn note_ends(&mut self) {
        for watched in self.watched.iter_mut().filter(|watched| watched.end.is_none()) {
            let ending = match self.hosts[watched.host.0].stack.conn(watched.id) {
                Some(conn) if conn.state() != State::Closed => continue,
                conn => conn.and_then(|conn| conn.death()),
            };
            let ending = ending.map_or(Ending::Close, |error| Ending::Death(format!("{:?}: {error}", error.errno())));
            watched.end = Some((self.now, ending));
        }
    }

    fn lane(&self, watched: &Watched, since: Instant) -> Lane {
        let mut lane = Lane::new(&watched.label);
        let marks = self.recorder.records().filter_map(|record| mark(record, watched, since));
        marks.for_each(|mark| lane.mark(mark));
        match &watched.end {
            Some((at, Ending::Death(why))) => lane.dies(at.since(since), why),
            Some((at, Ending::Close)) => lane.ends(at.since(since), ""),
            None => lane.lives(self.now.since(since), ""),
        }
        lane
    }
}

/// What a packet is to the connection; `None` if it is nothing to it, or was before `since`.
fn mark(record: &Record, watched: &Watched, since: Instant) -> Option<Mark> {
    let packet = if record.from == Some(watched.host) { &record.packet } else { record.received() };
    let (flow, flags) = match wire::parse(packet).ok()? {
        // The parser's `local` is the destination.
        Packet::Tcp { flow, segment, .. } => (flow, segment.header.flags),
        Packet::Icmp(error) => {
            let ours = record.to == Some(watched.host) && error.flow == watched.flow;
            let at = record.arrival.filter(|at| ours && *at >= since)?;
            let words = format!("icmp {:?}", error.kind);
            return Some(Mark::new(at.since(since), Kind::Received).with_text(&words));
        }
        Packet::Echo(_) => return None,
    };
    let towards = Flow { local: flow.remote, remote: flow.local };
    if record.from == Some(watched.host) && towards == watched.flow && record.at >= since {
        let (kind, words) = kind_of(record, flags);
        let mark = Mark::new(record.at.since(since), kind).with_text(&words);
        return Some(if record.arrival.is_none() { mark.lost() } else { mark });
    }
    let at = record.arrival.filter(|at| *at >= since)?;
    let ours = record.to == Some(watched.host) && flow == watched.flow;
    ours.then(|| Mark::new(at.since(since), Kind::Received).with_text(&flags.to_string()))
}

/// What a packet of ours is on a timeline, and the words for it.
fn kind_of(record: &Record, flags: Flags) -> (Kind, String) {
    let kind = match record.sent.and_then(|sent| sent.kind) {
        _ if flags.contains(Flags::RST) => Kind::Reset,
        Some(EmitKind::Retransmission) => Kind::Retransmission,
        Some(EmitKind::TailLossProbe | EmitKind::WindowProbe | EmitKind::KeepaliveProbe) => Kind::Probe,
        _ => Kind::Sent,
    };
    let why = record.sent.and_then(|sent| sent.kind).map_or("answer", EmitKind::describe);
    let remark = record.remark();
    (kind, if remark.is_empty() || remark == why { why.into() } else { format!("{flags} {remark}") })
}
