//! One host in virtual time, and peers that say exactly what a test tells them to.

use super::packet::{ACK, FIN, Forge, RST, SYN, Seen};
use core::net::SocketAddr;
use longhaul::config::Sysctl;
use longhaul::options::Options;
use longhaul::stack::{Config, ConnId, ListenerId, Stack};
use longhaul::time::{Duration, Instant};
use longhaul::wire::ParseError;

/// Where a host of this rig listens, if it does.
pub(crate) const PORT: u16 = 80;
/// Packets in answer to one event at most; more is a loop.
const ANSWERS_MAX: usize = 20_000;

/// A stack, its clock, and what it sent.
pub(crate) struct Host {
    pub(crate) stack: Stack,
    pub(crate) now: Instant,
    pub(crate) listeners: Vec<ListenerId>,
    packet: Vec<u8>,
}

/// What a host is made from, with `sysctl`; the clock stands just before the millisecond reading wraps.
pub(crate) fn config(sysctl: Sysctl) -> Config {
    Config::new(*b"a secret of ours")
        .with_ipv4([192, 0, 2, 1].into())
        .with_ipv6("2001:db8::1".parse().unwrap())
        .with_sysctl(sysctl)
}

impl Host {
    /// A host that does not listen.
    pub(crate) fn new(config: Config) -> Self {
        let now = Instant::from_millis((1 << 32) - 10_000);
        Self { stack: Stack::new(now, config), now, listeners: vec![], packet: vec![0; 65_535] }
    }

    /// A host with Linux's settings that listens on [`PORT`].
    pub(crate) fn listening() -> Self {
        Self::listening_with(Sysctl::LINUX, Options::new())
    }

    pub(crate) fn listening_with(sysctl: Sysctl, options: Options) -> Self {
        let mut host = Self::new(config(sysctl));
        host.listeners = [local_v4(), local_v6()].map(|at| host.stack.listen(at, 4096, options).unwrap()).into();
        host
    }

    /// A packet arrives; what it draws at once.
    pub(crate) fn hear(&mut self, packet: &[u8]) -> Vec<Seen> {
        let _ = self.stack.handle_packet(self.now, packet);
        self.drain()
    }

    /// The same for a forged segment.
    pub(crate) fn hears(&mut self, forge: &Forge) -> Vec<Seen> {
        self.hear(&forge.bytes())
    }

    /// A packet that must be dropped before anybody looks at it: says why, after having proved the silence.
    #[track_caller]
    pub(crate) fn refuses(&mut self, packet: &[u8]) -> ParseError {
        let refused = self.stack.handle_packet(self.now, packet).expect_err("the packet was taken");
        assert_eq!(self.drain(), [], "a refused packet was answered");
        refused
    }

    /// Everything there is to send now.
    pub(crate) fn drain(&mut self) -> Vec<Seen> {
        let mut sent = Vec::new();
        while let Some(transmit) = self.stack.poll_transmit(self.now, &mut self.packet) {
            let bytes = &self.packet[..transmit.len];
            assert!(bytes.len() <= usize::from(self.stack.config().mtu), "{} bytes do not fit the MTU", bytes.len());
            sent.extend(Seen::read(bytes));
            assert!(sent.len() <= ANSWERS_MAX, "no end of answers");
        }
        sent
    }

    /// Time passes; what the timers send, and when.
    pub(crate) fn wait(&mut self, duration: Duration) -> Vec<(Instant, Seen)> {
        let end = self.now + duration;
        let mut sent = Vec::new();
        while let Some(at) = self.stack.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.stack.handle_timeout(self.now);
            sent.extend(self.drain().into_iter().map(|seen| (self.now, seen)));
            assert!(sent.len() <= ANSWERS_MAX, "no end of timeouts");
        }
        self.now = end;
        sent
    }

    pub(crate) fn accept(&mut self) -> Option<ConnId> {
        self.listeners.iter().find_map(|&listener| self.stack.accept(listener))
    }

    pub(crate) fn conns(&self) -> usize {
        self.stack.connections().count()
    }

    /// Everything is over: no block, no byte, no timer is left.
    #[track_caller]
    pub(crate) fn assert_empty(&self) {
        self.stack.check();
        assert_eq!(self.conns(), 0, "connections");
        assert_eq!((self.stack.half_open_len(), self.stack.time_wait_len()), (0, 0), "half-open, TIME-WAIT");
        assert_eq!(self.stack.memory_charged(), 0, "bytes charged");
    }
}

pub(crate) fn local_v4() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], PORT))
}

pub(crate) fn local_v6() -> SocketAddr {
    "[2001:db8::1]:80".parse().unwrap()
}

pub(crate) fn peer_v4(port: u16) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 7], port))
}

pub(crate) fn peer_v6(port: u16) -> SocketAddr {
    SocketAddr::new("2001:db8::7".parse().unwrap(), port)
}

/// The timestamps option, padded.
pub(crate) fn timestamps(val: u32, ecr: u32) -> Vec<u8> {
    let mut option = vec![1, 1, 8, 10];
    option.extend(val.to_be_bytes());
    option.extend(ecr.to_be_bytes());
    option
}

/// What a real host offers: MSS 1460, SACK, timestamps that begin at `val`, a window scale of 7.
pub(crate) fn full_offer(val: u32) -> Vec<u8> {
    let mut options = vec![2, 4, 5, 180, 4, 2, 8, 10];
    options.extend(val.to_be_bytes());
    options.extend([0, 0, 0, 0, 1, 3, 3, 7]);
    options
}

/// A peer's half of a connection with a [`Host`].
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The peer's end.
    pub(crate) addr: SocketAddr,
    /// The host's end.
    pub(crate) host: SocketAddr,
    /// The next number the peer sends: the host's `rcv_nxt` as long as all arrives.
    pub(crate) seq: u32,
    /// The next number the peer expects: the host's `snd_nxt` as far as the peer has seen it.
    pub(crate) ack: u32,
    /// The host's number of the first byte after its SYN.
    pub(crate) first: u32,
    /// What the host offers, in bytes.
    pub(crate) offered: u32,
    /// Shift of the window fields the host sends.
    pub(crate) scale: u8,
}

impl Peer {
    pub(crate) fn new(addr: SocketAddr, host: SocketAddr) -> Self {
        Self { addr, host, seq: 0xffff_ff00, ack: 0, first: 0, offered: 0, scale: 0 }
    }

    /// A segment of this connection with the right numbers and nothing in it but ACK.
    pub(crate) fn forge(&self) -> Forge {
        Forge::new(self.addr, self.host).seq(self.seq).ack(self.ack).flags(ACK)
    }

    pub(crate) fn syn(&self, options: &[u8]) -> Forge {
        self.forge().flags(SYN).ack(0).options(options)
    }

    /// The host answered the SYN: takes its numbers.
    pub(crate) fn take_syn(&mut self, seen: &Seen) {
        assert!(seen.has(SYN), "{seen:?}");
        self.scale = seen.options.window_scale.unwrap_or(0);
        self.first = seen.end();
        self.ack = seen.end();
        self.offered = u32::from(seen.window);
    }

    /// The host sent something: takes its numbers.
    pub(crate) fn take(&mut self, seen: &[Seen]) {
        for seen in seen.iter().filter(|seen| seen.to == self.addr && !seen.has(RST)) {
            if seen.end().wrapping_sub(self.ack).cast_signed() > 0 {
                self.ack = seen.end();
            }
            self.offered = u32::from(seen.window) << self.scale;
        }
    }

    /// Completes a handshake with the host's listener, the SYN carrying `options`.
    pub(crate) fn establish(addr: SocketAddr, host: &mut Host, options: &[u8]) -> (Self, ConnId) {
        let local = if addr.is_ipv4() { local_v4() } else { local_v6() };
        let mut peer = Self::new(addr, local);
        let syn_ack = host.hears(&peer.syn(options));
        assert_eq!(syn_ack.len(), 1, "no SYN-ACK");
        peer.take_syn(&syn_ack[0]);
        peer.seq = peer.seq.wrapping_add(1);
        let mut last = peer.forge();
        // With timestamps on, every segment has to carry them to count for PAWS; tests of that write their own.
        last.window = 65_535;
        assert_eq!(host.hears(&last), []);
        let id = host.accept().expect("nothing to accept");
        (peer, id)
    }

    /// The host sends `len` bytes; the peer sees and does not acknowledge them.
    pub(crate) fn hears_data(&mut self, host: &mut Host, id: ConnId, len: usize) {
        let rest = host.stack.conn(id).unwrap().send(host.now, vec![7; len].into()).unwrap();
        assert!(rest.is_empty());
        let sent = host.drain();
        self.take(&sent);
    }

    /// The peer acknowledges what the host sends until there is no more; how many packets that were.
    pub(crate) fn hears_all(&mut self, host: &mut Host) -> usize {
        let mut packets = 0;
        let mut sent = host.drain();
        while !sent.is_empty() {
            packets += sent.len();
            self.take(&sent);
            host.now += Duration::from_millis(1);
            sent = host.hears(&self.forge());
        }
        packets
    }

    /// The peer's FIN arrives.
    pub(crate) fn finishes(&mut self, host: &mut Host) -> Vec<Seen> {
        let answer = host.hears(&self.forge().flags(FIN | ACK));
        self.seq = self.seq.wrapping_add(1);
        self.take(&answer);
        answer
    }
}
