//! A life before the silence: two stacks, a bad wire between them, and two applications that act by chance.

use crate::knobs;
use crate::random::Random;
use alloc::collections::BTreeMap;
use core::net::SocketAddr;
use longhaul::options::Options;
use longhaul::stack::{Config, ConnId, ListenerId, Stack, Transmit};
use longhaul::tcp::State;
use longhaul::time::{Duration, Instant};
use longhaul::wire::{self, Flags, Flow, IcmpKind, IpOptions, Packet};

const OURS: ([u8; 4], u16) = ([10, 0, 0, 1], 4000);
const PEERS: ([u8; 4], u16) = ([10, 0, 0, 2], 80);
/// Acts and waits of one history, at most.
const SCENES_MAX: usize = 12;
/// Arrivals and timeouts dealt with in one wait, at most.
const EVENTS_MAX: usize = 4000;

/// What the wire does to packets.
#[derive(Clone, Copy, Default)]
struct Wire {
    to_peer_cut: bool,
    to_us_cut: bool,
    /// One in so many is lost; 0 for none.
    loss: usize,
    /// Whatever the peer says of its window, this arrives.
    window: Option<u16>,
}

pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) now: Instant,
    pub(crate) us: Stack,
    peer: Stack,
    pub(crate) ours: Option<ConnId>,
    theirs: Option<ConnId>,
    listener: Option<(bool, ListenerId)>,
    wire: Wire,
    delay: Duration,
    flying: BTreeMap<(Instant, u64), (bool, Vec<u8>)>,
    launched: u64,
    last_sent: Vec<u8>,
    pub(crate) buffer: Vec<u8>,
    /// The application has closed: the connection is an orphan.
    pub(crate) closed: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let now = Instant::from_micros(random.pick(&[0, 999, 4_294_966_000_123]) + random.next() % 5000);
        let mtu = random.pick(&[1500, 1500, 576, 100, 9000]);
        let stack = |address: [u8; 4], random: &mut Random| {
            let config = Config::new(random.next().to_le_bytes().repeat(2).try_into().expect("sixteen bytes"));
            Stack::new(now, config.with_ipv4(address.into()).with_mtu(mtu).with_sysctl(knobs::sysctl(random)))
        };
        let (us, peer) = (stack(OURS.0, &mut random), stack(PEERS.0, &mut random));
        Self {
            now,
            us,
            peer,
            ours: None,
            theirs: None,
            listener: None,
            wire: Wire::default(),
            delay: Duration::from_micros(random.pick(&[0, 150, 20_000, 130_000]) + random.next() % 1500),
            flying: BTreeMap::new(),
            launched: 0,
            last_sent: Vec::new(),
            buffer: vec![0; 9000],
            closed: false,
            random,
        }
    }

    /// What our connection is in, in words; `None` if it never was, or is closed or gone.
    fn situation(&mut self) -> Option<Vec<String>> {
        let state = self.us.forecast(self.now, self.ours?)?.state();
        if state == State::Closed && !self.random.one_in(20) {
            return None;
        }
        if self.closed {
            return Some(vec![format!("{state} orphan")]);
        }
        let info = self.us.conn(self.ours?)?.info(self.now);
        let said = [
            (info.retransmits > 0, "retransmitting"),
            (info.probes > 0, "probing"),
            (info.unacked > 0, "in flight"),
            (info.unacked == 0 && info.send_queue > 0, "queued"),
            (info.unacked > 0 && info.snd_wnd == 0, "window shut over data in flight"),
        ];
        let situations = said.into_iter().filter(|&(is, _)| is).map(|(_, what)| what.to_string());
        Some([state.to_string()].into_iter().chain(situations).collect())
    }

    /// Runs the history; returns what the connection is left in, if there is one.
    pub(crate) fn live(&mut self) -> Option<Vec<String>> {
        self.open();
        for _ in 0..self.random.below(SCENES_MAX) {
            self.act();
            self.pass();
        }
        self.flush_answers();
        // Sometimes the application has just done something, and nothing of it has left yet.
        if self.random.one_in(2) {
            self.act();
        }
        self.situation()
    }

    fn open(&mut self) {
        let (ours, theirs) = (SocketAddr::from(OURS), SocketAddr::from(PEERS));
        let (mine, other) = (knobs::options(&mut self.random), knobs::options(&mut self.random));
        match self.random.below(8) {
            0..4 => {
                self.listener = self.peer.listen(theirs, 4, other).ok().map(|listener| (false, listener));
                self.ours = self.us.connect(self.now, Some(ours), theirs, mine).ok();
            }
            4..7 => {
                self.listener = self.us.listen(ours, 4, mine).ok().map(|listener| (true, listener));
                self.theirs = self.peer.connect(self.now, Some(theirs), ours, other).ok();
            }
            _ => {
                self.ours = self.us.connect(self.now, Some(ours), theirs, mine).ok();
                self.theirs = self.peer.connect(self.now, Some(theirs), ours, other).ok();
                self.wire.to_us_cut = self.random.one_in(16);
            }
        }
        if self.random.one_in(12) {
            self.wire.to_peer_cut = true;
        }
        if self.random.one_in(2) {
            self.run(Duration::from_secs(2));
        } else {
            self.pass();
        }
    }

    /// Lets some time pass: none, an instant, a round trip, seconds.
    fn pass(&mut self) {
        let micros = match self.random.below(10) {
            0 => 0,
            1 => self.random.next() % 2000,
            2..6 => self.random.next() % 500_000,
            6..9 => self.random.next() % 3_000_000,
            _ => self.random.next() % 40_000_000,
        };
        self.run(Duration::from_micros(micros));
    }

    fn act(&mut self) {
        match self.random.below(41) {
            0..8 => self.write(),
            8..11 => self.peer_writes(),
            11..13 => self.read(),
            13 => self.peer_reads(),
            14 | 15 => self.wire = Wire::default(),
            16..20 => self.wire.to_us_cut = true,
            20..23 => self.wire.to_peer_cut = true,
            23 => self.wire.loss = 2 + self.random.below(6),
            24..28 => self.wire.window = Some(self.random.pick(&[0, 0, 0, 1, 7, 400])),
            28 | 29 => self.complain(),
            30 | 31 => self.set_options(),
            32 => *self.us.sysctl_mut() = knobs::sysctl(&mut self.random),
            33 => self.finish(),
            34 | 35 => self.close(),
            36 => {
                self.read();
                self.close();
            }
            37 | 38 => self.peer_finishes(),
            39 => self.peer_closes(),
            _ => {
                self.finish();
                self.peer_finishes();
            }
        }
    }

    fn write(&mut self) {
        let len = self.random.pick(&[1, 1, 1, 100, 1500, 20_000, 70_000]);
        if let Some(mut conn) = self.ours.and_then(|id| self.us.conn(id)) {
            let _ = conn.send(self.now, vec![b'x'; len].into());
        }
    }

    fn peer_writes(&mut self) {
        let len = self.random.pick(&[1, 100, 1500, 20_000]);
        if let Some(mut conn) = self.theirs.and_then(|id| self.peer.conn(id)) {
            let _ = conn.send(self.now, vec![b'y'; len].into());
        }
    }

    fn read(&mut self) {
        if let Some(mut conn) = self.ours.and_then(|id| self.us.conn(id)) {
            while let Ok(Some(_)) = conn.receive(self.now) {}
        }
    }

    fn peer_reads(&mut self) {
        if let Some(mut conn) = self.theirs.and_then(|id| self.peer.conn(id)) {
            while let Ok(Some(_)) = conn.receive(self.now) {}
        }
    }

    fn finish(&mut self) {
        if let Some(mut conn) = self.ours.and_then(|id| self.us.conn(id)) {
            conn.finish(self.now);
        }
    }

    fn close(&mut self) {
        if let Some(conn) = self.ours.and_then(|id| self.us.conn(id)) {
            conn.close(self.now);
            self.closed = true;
        }
    }

    fn peer_finishes(&mut self) {
        if let Some(mut conn) = self.theirs.and_then(|id| self.peer.conn(id)) {
            conn.finish(self.now);
        }
    }

    fn peer_closes(&mut self) {
        if let Some(conn) = self.theirs.and_then(|id| self.peer.conn(id)) {
            conn.close(self.now);
        }
    }

    fn set_options(&mut self) {
        let options = knobs::options(&mut self.random);
        if let Some(mut conn) = self.ours.and_then(|id| self.us.conn(id)) {
            conn.set_options(self.now, options);
        }
    }

    /// A router says something about the last packet we sent.
    fn complain(&mut self) {
        let kinds = [IcmpKind::V4Unreachable(1), IcmpKind::V4Unreachable(3), IcmpKind::V4Unreachable(0)];
        let kinds = [kinds[0], kinds[1], kinds[2], IcmpKind::FragmentationNeeded { mtu: 300 }];
        let kind = self.random.pick(&kinds);
        let written = wire::emit_icmp_error([10, 0, 0, 9].into(), kind, &self.last_sent, &mut self.buffer);
        if let Ok(len @ 1..) = written {
            let _ = self.us.handle_packet(self.now, &self.buffer[..len]);
        }
    }

    /// What happens within `span` from now.
    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..EVENTS_MAX {
            self.send_all();
            let arrival = self.flying.first_key_value().map(|(&(at, _), _)| at);
            let due = [arrival, self.us.poll_timeout(), self.peer.poll_timeout()];
            let Some(next) = due.into_iter().flatten().min().filter(|&next| next <= end) else { break };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                self.deliver();
            } else {
                self.us.handle_timeout(self.now);
                self.peer.handle_timeout(self.now);
            }
        }
        self.now = self.now.max(end);
        self.us.handle_timeout(self.now);
        self.send_all();
        self.look_for_accepted();
        while self.us.poll_event().is_some() || self.peer.poll_event().is_some() {}
    }

    fn deliver(&mut self) {
        let Some((_, (to_us, packet))) = self.flying.pop_first() else { return };
        let stack = if to_us { &mut self.us } else { &mut self.peer };
        let _ = stack.handle_packet(self.now, &packet);
    }

    fn send_all(&mut self) {
        while let Some(transmit) = self.us.poll_transmit(self.now, &mut self.buffer) {
            self.launch(&transmit);
        }
        while let Some(Transmit { len, .. }) = self.peer.poll_transmit(self.now, &mut self.buffer) {
            let lost = self.wire.to_us_cut || self.is_lost();
            if !lost {
                let packet = tampered(&self.buffer[..len], self.wire.window);
                self.flying.insert((self.now + self.delay, self.launched), (true, packet));
                self.launched += 1;
            }
        }
    }

    fn launch(&mut self, transmit: &Transmit) {
        self.last_sent = self.buffer[..transmit.len].to_vec();
        if !self.wire.to_peer_cut && !self.is_lost() {
            self.flying.insert((self.now + self.delay, self.launched), (false, self.last_sent.clone()));
            self.launched += 1;
        }
    }

    fn is_lost(&mut self) -> bool {
        self.wire.loss > 0 && self.random.one_in(self.wire.loss)
    }

    fn look_for_accepted(&mut self) {
        match self.listener {
            Some((true, listener)) if self.ours.is_none() => self.ours = self.us.accept(listener),
            Some((false, listener)) if self.theirs.is_none() => self.theirs = self.peer.accept(listener),
            _ => {}
        }
    }

    /// Answers belong to no connection, and no forecast names them: they leave first.
    fn flush_answers(&mut self) {
        while let Some(transmit) = self.us.poll_transmit(self.now, &mut self.buffer) {
            if transmit.kind.is_some() {
                break;
            }
        }
        // A half-open connection has timers of its own, which are not what is watched.
        if let Some((true, listener)) = self.listener.filter(|_| self.ours.is_some()) {
            self.us.set_listener_options(listener, Options::new());
        }
    }
}

/// The same packet with another window.
fn tampered(packet: &[u8], window: Option<u16>) -> Vec<u8> {
    let (Some(window), Ok(Packet::Tcp { flow, segment, .. })) = (window, wire::parse(packet)) else {
        return packet.to_vec();
    };
    let mut header = segment.header;
    if header.flags.intersects(Flags::SYN | Flags::RST) {
        return packet.to_vec();
    }
    header.window = header.window.min(window);
    let back = Flow { local: flow.remote, remote: flow.local };
    let mut tampered = vec![0; packet.len() + 8];
    let fill = |room: &mut [u8]| room.copy_from_slice(segment.payload);
    let len = wire::emit(&back, IpOptions::LINUX, &header, segment.payload.len(), fill, &mut tampered);
    tampered.truncate(len.expect("room for the same packet"));
    tampered
}
