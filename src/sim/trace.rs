//! What was sent, for people: one line a packet in the manner of packetdrill, or a capture for Wireshark.
//!
//! The recorder keeps the last packets as they were; both forms are made from them on demand. Sequence numbers are
//! relative to the initial ones, which are learned from SYNs; where none was seen they are shown as they are.

use super::HostId;
use super::link::Notes;
use crate::pcapng::{self, Direction};
use crate::seq::SeqNum;
use crate::stack::Transmit;
use crate::time::Instant;
use crate::wire::{self, Flags, Flow, Header, Packet, Segment, TcpOptions};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt::{self, Write};
use core::net::SocketAddr;

/// One packet, at the time it was sent (or, from outside, arrived).
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) at: Instant,
    /// `None`: from outside.
    pub(super) from: Option<HostId>,
    /// `None`: no host has its destination address.
    pub(super) to: Option<HostId>,
    /// When it reaches that host; `None` if it never does.
    pub(super) arrival: Option<Instant>,
    /// As it was sent.
    pub(super) packet: Bytes,
    /// As the boxes on the way left it, if they changed it.
    pub(super) translated: Option<Bytes>,
    /// What the sender said of it; `None` from outside.
    pub(super) sent: Option<Transmit>,
    pub(super) notes: Notes,
}

impl Record {
    /// As its receiver sees it.
    pub(super) fn received(&self) -> &Bytes {
        self.translated.as_ref().unwrap_or(&self.packet)
    }

    /// What is to be said about it: why it was sent, if that is remarkable, and what happened to it.
    pub(super) fn remark(&self) -> String {
        let why = self.sent.as_ref().map_or("", Transmit::note);
        let fate = self.notes.to_string();
        let comma = if why.is_empty() || fate.is_empty() { "" } else { ", " };
        format!("{why}{comma}{fate}")
    }
}

/// The last packets, up to a limit.
#[derive(Debug)]
pub(super) struct Recorder {
    records: VecDeque<Record>,
    limit: usize,
    /// The initial sequence numbers of flows whose SYN is no longer kept.
    forgotten: Bases,
}

impl Recorder {
    pub(super) const fn new(limit: usize) -> Self {
        Self { records: VecDeque::new(), limit, forgotten: Bases(BTreeMap::new()) }
    }

    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.forget();
    }

    pub(super) fn push(&mut self, record: Record) {
        if self.limit > 0 {
            self.records.push_back(record);
            self.forget();
        }
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.iter()
    }

    fn forget(&mut self) {
        while self.records.len() > self.limit
            && let Some(record) = self.records.pop_front()
        {
            self.forgotten.learn(&record);
        }
    }

    /// A line a packet; times count from `start`.
    pub(super) fn lines(&self, start: Instant) -> Vec<String> {
        let mut bases = self.forgotten.clone();
        let pairs: BTreeSet<_> = self.records.iter().filter_map(|record| conversation(&record.packet)).collect();
        let ports = if pairs.len() > 1 { Ports::Shown } else { Ports::Hidden };
        let mut lines = Vec::with_capacity(self.records.len());
        for record in &self.records {
            bases.learn(record);
            lines.push(line(record, start, &bases, ports));
        }
        lines
    }

    /// A capture, seen from the first host.
    pub(super) fn pcapng(&self, seed: u64) -> Vec<u8> {
        let mut file = pcapng::header(&format!("simulator, seed {seed}"), "a");
        let first = Some(HostId(0));
        for record in &self.records {
            let (direction, packet) = match (&record.from, &record.to) {
                (from, _) if *from == first => (Some(Direction::Outbound), &record.packet),
                // The first host never sees what a translating box hid from it.
                (_, to) if *to == first => (Some(Direction::Inbound), record.received()),
                _ => (None, &record.packet),
            };
            file.extend(pcapng::packet(record.at, direction, packet, &record.remark()));
        }
        file
    }
}

/// Whether ends are written with their ports: only where there is more than one conversation to tell apart.
#[derive(Clone, Copy)]
enum Ports {
    Shown,
    Hidden,
}

/// Initial sequence numbers, by sender and receiver.
#[derive(Clone, Debug)]
struct Bases(BTreeMap<(SocketAddr, SocketAddr), SeqNum>);

impl Bases {
    fn learn(&mut self, record: &Record) {
        self.learn_from(&record.packet);
        self.learn_from(record.received());
    }

    fn learn_from(&mut self, packet: &[u8]) {
        if let Ok(Packet::Tcp { flow, segment, .. }) = wire::parse(packet)
            && segment.header.flags.contains(Flags::SYN)
        {
            // The parser's `local` is the destination.
            self.0.insert((flow.remote, flow.local), segment.header.seq);
        }
    }

    /// `seq` as `from` numbers it, counted from its SYN.
    fn relative(&self, seq: SeqNum, from: SocketAddr, to: SocketAddr) -> Relative {
        match self.0.get(&(from, to)) {
            Some(base) => Relative::Known(seq.distance(*base).cast_signed()),
            None => Relative::Unknown(seq),
        }
    }
}

enum Relative {
    Known(i32),
    Unknown(SeqNum),
}

impl fmt::Display for Relative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(offset) => offset.fmt(f),
            Self::Unknown(seq) => seq.fmt(f),
        }
    }
}

/// Both ends of a segment, the same whichever way it goes.
fn conversation(packet: &[u8]) -> Option<[SocketAddr; 2]> {
    match wire::parse(packet) {
        Ok(Packet::Tcp { flow, .. }) => Some([flow.remote.min(flow.local), flow.remote.max(flow.local)]),
        _ => None,
    }
}

fn line(record: &Record, start: Instant, bases: &Bases, ports: Ports) -> String {
    let at = record.at.since(start);
    let (from, to) = (name(record.from), name(record.to));
    let mut line = format!("{:>4}.{:06} {from}", at.as_secs(), at.subsec_micros());
    // Writing to a string cannot fail.
    let _ = match wire::parse(&record.packet) {
        Ok(Packet::Tcp { flow, segment, .. }) => {
            let _ = match ports {
                Ports::Shown => write!(line, ":{} > {to}:{}  ", flow.remote.port(), flow.local.port()),
                Ports::Hidden => write!(line, " > {to}  "),
            };
            write_segment(&mut line, &flow, &segment, bases)
        }
        Ok(Packet::Icmp(error)) => write!(line, " > {to}  icmp {:?}", error.kind),
        Ok(Packet::Echo(echo)) => write!(line, " > {to}  echo request {} {}", echo.ident, echo.seq_no),
        Err(error) => write!(line, " > {to}  {} bytes: {error}", record.packet.len()),
    };
    let remark = record.remark();
    if !remark.is_empty() {
        line.push_str("  # ");
        line.push_str(&remark);
    }
    line
}

/// `a` for the first host, and so on.
fn name(host: Option<HostId>) -> String {
    host.map_or_else(|| "*".into(), |host| host.to_string())
}

fn write_segment(line: &mut String, flow: &Flow, segment: &Segment<'_>, bases: &Bases) -> fmt::Result {
    let Header { seq, ack, flags, window, urgent, options } = segment.header;
    let (from, to) = (flow.remote, flow.local);
    let len = segment.payload.len();
    let (first, last) = (bases.relative(seq, from, to), bases.relative(seq + len as u32, from, to));
    write!(line, "{flags} {first}:{last}({len})")?;
    if flags.contains(Flags::ACK) {
        write!(line, " ack {}", bases.relative(ack, to, from))?;
    }
    write!(line, " win {window}")?;
    if flags.contains(Flags::URG) {
        write!(line, " urg {urgent}")?;
    }
    write_options(line, &options, |seq| bases.relative(seq, to, from))
}

/// In the order and padding in which this crate writes them.
fn write_options(line: &mut String, options: &TcpOptions, relative: impl Fn(SeqNum) -> Relative) -> fmt::Result {
    let mut words: Vec<String> = Vec::new();
    words.extend(options.mss.map(|mss| format!("mss {mss}")));
    let padding = if options.sack_permitted { "sackOK" } else { "nop,nop" };
    match options.timestamps {
        Some(stamps) => words.push(format!("{padding},TS val {} ecr {}", stamps.val, stamps.ecr)),
        None if options.sack_permitted => words.push("nop,nop,sackOK".into()),
        None => {}
    }
    words.extend(options.window_scale.map(|shift| format!("nop,wscale {shift}")));
    let block = |block: &wire::SackBlock| format!("{}:{}", relative(block.start), relative(block.end));
    let blocks: Vec<_> = options.sack.as_slice().iter().map(block).collect();
    if !blocks.is_empty() {
        words.push(format!("nop,nop,sack {}", blocks.join(" ")));
    }
    if words.is_empty() { Ok(()) } else { write!(line, " <{}>", words.join(",")) }
}
