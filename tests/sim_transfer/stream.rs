//! Bytes through a simulated connection, and what must be true of them after every step.

use bytes::Bytes;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use longhaul::config::Sysctl;
use longhaul::error::Error;
use longhaul::options::Options;
use longhaul::sim::{HostId, START, Sim};
use longhaul::stack::{Config, ConnId, ListenerId, Stack};
use longhaul::time::{Duration, Instant};
use longhaul::wire::{self, Packet};
use std::sync::OnceLock;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// `len` bytes in which no part looks like another.
pub(crate) fn data(len: usize) -> Bytes {
    static DATA: OnceLock<Bytes> = OnceLock::new();
    let all = DATA.get_or_init(|| (0..DATA_LEN).map(|at| (at.wrapping_mul(2_654_435_761) >> 23) as u8).collect());
    all.slice(..len)
}

const DATA_LEN: u32 = 1 << 20;

/// Linux's settings, but nothing dies of bad luck.
pub(crate) fn patient() -> Sysctl {
    Sysctl { tcp_retries2: 255, tcp_syn_retries: 127, tcp_synack_retries: 127, ..Sysctl::LINUX }
}

/// One direction of a connection: what goes in here comes out there.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    from: End,
    to: End,
    data: Bytes,
    written: usize,
    read: usize,
    finished: bool,
    ended: bool,
    /// Bytes read at most each time it is driven.
    appetite: usize,
}

pub(crate) type End = (HostId, ConnId);

impl Stream {
    /// `data`, and then the end of the stream.
    pub(crate) fn new(from: End, to: End, data: Bytes) -> Self {
        Self { from, to, data, written: 0, read: 0, finished: false, ended: false, appetite: usize::MAX }
    }

    /// Reads no more than this each time it is driven.
    pub(crate) fn with_appetite(self, appetite: usize) -> Self {
        Self { appetite, ..self }
    }

    pub(crate) fn set_appetite(&mut self, appetite: usize) {
        self.appetite = appetite;
    }

    pub(crate) fn is_done(&self) -> bool {
        self.read == self.data.len() && self.ended
    }

    pub(crate) fn read_so_far(&self) -> usize {
        self.read
    }

    /// Writes and reads as much as can be.
    #[track_caller]
    pub(crate) fn drive(&mut self, sim: &mut Sim) {
        self.write(sim);
        self.read(sim);
    }

    #[track_caller]
    fn write(&mut self, sim: &mut Sim) {
        let (host, id) = self.from;
        let now = sim.clock(host);
        let Some(mut conn) = sim.stack(host).conn(id) else { panic!("the writer is gone") };
        if self.written < self.data.len() && conn.is_writable() {
            let left = conn.send(now, self.data.slice(self.written..)).unwrap_or_else(|error| panic!("write: {error}"));
            self.written = self.data.len() - left.len();
        }
        if !self.finished && self.written == self.data.len() {
            conn.finish(now);
            self.finished = true;
        }
    }

    #[track_caller]
    fn read(&mut self, sim: &mut Sim) {
        let (host, id) = self.to;
        let now = sim.clock(host);
        let Some(mut conn) = sim.stack(host).conn(id) else { panic!("the reader is gone") };
        let mut appetite = self.appetite;
        while appetite > 0 && !self.ended {
            match conn.receive_at_most(now, appetite) {
                Ok(Some(bytes)) => {
                    // I01, I04: a prefix, nothing twice.
                    let end = self.read + bytes.len();
                    assert!(end <= self.written, "more was read than written");
                    assert!(bytes == self.data[self.read..end], "wrong bytes in {}..{end}", self.read);
                    self.read = end;
                    appetite -= bytes.len();
                }
                Ok(None) => {
                    // I02: the end of the stream comes after all of it, and only if there is one.
                    assert!(self.finished && self.read == self.data.len(), "the stream ended at {}", self.read);
                    self.ended = true;
                }
                Err(Error::WouldBlock) => break,
                // I03: nobody dies here.
                Err(error) => panic!("read at {}: {error}", self.read),
            }
        }
        let received = self.read + conn.readable();
        let (host, id) = self.from;
        let Some(conn) = sim.stack(host).conn(id) else { return };
        assert_eq!(conn.death(), None, "the writer died at {received}");
        // I05: what counts as acknowledged has arrived.
        assert!(self.written - conn.send_queue() <= received, "acknowledged, and not received");
    }
}

/// Drives each of them.
#[track_caller]
pub(crate) fn drive(sim: &mut Sim, streams: &mut [Stream]) {
    for stream in streams {
        stream.drive(sim);
    }
}

/// Steps until all streams are through.
#[track_caller]
pub(crate) fn run(sim: &mut Sim, streams: &mut [Stream]) {
    let done = sim.run_until(
        |sim| {
            streams.iter_mut().filter(|stream| !stream.is_done()).for_each(|stream| stream.drive(sim));
            streams.iter().all(Stream::is_done)
        },
        DAY,
    );
    let trace = sim.trace();
    assert!(done, "stuck: {streams:#?}\n{}", trace[trace.len().saturating_sub(40)..].join("\n"));
}

/// A connection from the first host's port 4000 to the second's port 80, over whatever link there is.
#[track_caller]
pub(crate) fn open(sim: &mut Sim, a: HostId, b: HostId, remote: SocketAddr) -> (End, End, ListenerId) {
    let listener = sim.stack(b).listen(remote, 4, Options::new()).expect("a listener");
    let (now, local) = (sim.clock(a), local_for(remote));
    let client = sim.stack(a).connect(now, Some(local), remote, Options::new()).expect("a connection");
    let mut server = None;
    let accepted = sim.run_until(
        |sim| {
            server = sim.stack(b).accept(listener);
            server.is_some()
        },
        DAY,
    );
    assert!(accepted, "nobody came:\n{}", sim.trace().join("\n"));
    ((a, client), (b, server.expect("accepted")), listener)
}

fn local_for(remote: SocketAddr) -> SocketAddr {
    let port = 4000;
    match remote {
        SocketAddr::V4(_) => SocketAddr::from((CLIENT_V4, port)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), port)),
    }
}

/// Closes both ends and waits until neither host remembers anything.
#[track_caller]
pub(crate) fn close_and_drain(sim: &mut Sim, ends: &[End]) {
    for &(host, id) in ends {
        let now = sim.clock(host);
        if let Some(conn) = sim.stack(host).conn(id) {
            conn.close(now);
        }
    }
    let hosts: Vec<HostId> = ends.iter().map(|&(host, _)| host).collect();
    let empty = |stack: &Stack| {
        stack.connections().count() + stack.time_wait_len() + stack.half_open_len() + stack.memory_charged() == 0
    };
    let drained = sim.run_until(|sim| hosts.iter().all(|&host| empty(sim.stack(host))), DAY);
    assert!(drained, "something stays behind:\n{}", sim.trace().join("\n"));
}

pub(crate) const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80);

/// Secrets of two hosts that make both initial sequence numbers of [`open`], on a clean default link, lie less than
/// `below` under the wrap.
pub(crate) fn secrets_near_wrap(below: u32) -> [[u8; 16]; 2] {
    let near = |iss: u32| iss > u32::MAX - below;
    let mut buffer = [0; 1500];
    let mut sequence = |stack: &mut Stack, now: Instant| {
        let transmit = stack.poll_transmit(now, &mut buffer).expect("a SYN");
        let packet = buffer[..transmit.len].to_vec();
        match wire::parse(&packet) {
            Ok(Packet::Tcp { segment, .. }) => (segment.header.seq.raw(), packet),
            other => panic!("no segment: {other:?}"),
        }
    };
    let found = secrets().find_map(|secret| {
        let mut stack = Stack::new(START, Config::new(secret).with_ipv4(CLIENT_V4));
        stack.connect(START, Some(local_for(SERVER)), SERVER, Options::new()).expect("a connection");
        let (iss, syn) = sequence(&mut stack, START);
        near(iss).then_some((secret, syn))
    });
    let (client, syn) = found.expect("a secret");
    let arrival = START + Duration::from_millis(10);
    let server = secrets().find(|&secret| {
        let SocketAddr::V4(server) = SERVER else { return false };
        let mut stack = Stack::new(START, Config::new(secret).with_ipv4(*server.ip()));
        stack.listen(SERVER, 4, Options::new()).expect("a listener");
        stack.handle_packet(arrival, &syn).expect("a SYN");
        near(sequence(&mut stack, arrival).0)
    });
    [client, server.expect("a secret")]
}

fn secrets() -> impl Iterator<Item = [u8; 16]> {
    (0_u128..1 << 20).map(u128::to_le_bytes)
}
