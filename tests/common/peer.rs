//! The scripted peer: one stack, one clock, raw segments.

use super::notation::{self, Base, OptionsSpec, Spec};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use longhaul::options::Options;
use longhaul::seq::SeqNum;
use longhaul::stack::{Config, ConnId, ListenerId, Stack};
use longhaul::time::Instant;
use longhaul::wire::{self, Flags, Flow, Header, IcmpKind, IpOptions, TcpOptions};
use std::collections::{BTreeMap, VecDeque};

/// Our first sequence number: the first bytes cross the wrap.
pub const PEER_ISN: u32 = u32::MAX - 5;
/// The port that the stack listens on, and that we listen on.
pub const PORT: u16 = 8080;
/// Our port when we connect to the stack.
pub const PEER_PORT: u16 = 40_000;
/// The clock when the harness is made.
const START: Instant = Instant::from_secs(1_000);

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A stack, and everything around it.
pub struct Peer {
    pub stack: Box<Stack>,
    pub(super) now: Instant,
    mark: Instant,
    local: IpAddr,
    remote: IpAddr,
    /// Our port, and the stack's: which connection [`Peer::inject`] and [`Peer::expect`] speak of.
    ports: (u16, u16),
    /// The stack's ISN of each connection, once seen.
    isns: BTreeMap<(u16, u16), u32>,
    /// The device drops what the stack sends, and says so.
    pub refuses: bool,
    pub listener: Option<ListenerId>,
    pub(super) conn: Option<ConnId>,
    left: VecDeque<Left>,
    pub(super) written: u64,
    pub(super) read: u64,
    trace: Vec<String>,
}

/// A packet that left the stack.
struct Left {
    at: Instant,
    ports: (u16, u16),
    tcp: Vec<u8>,
}

/// Making one.
impl Peer {
    /// An IPv4 stack with Linux's settings (timestamps without random offset).
    pub fn new() -> Self {
        Self::with(|_| ())
    }

    /// The same with another configuration.
    pub fn with(configure: impl FnOnce(&mut Config)) -> Self {
        Self::between("192.0.2.1", "198.51.100.7", configure)
    }

    /// Over IPv6.
    pub fn v6() -> Self {
        Self::between("2001:db8::1", "2001:db8::7", |_| ())
    }

    /// A stack at `local` that we talk to from `remote`.
    pub fn between(local: &str, remote: &str, configure: impl FnOnce(&mut Config)) -> Self {
        let (local, remote): (IpAddr, IpAddr) = (local.parse().unwrap(), remote.parse().unwrap());
        let mut config = match local {
            IpAddr::V4(local) => Config::new([7; 16]).with_ipv4(local),
            IpAddr::V6(local) => Config::new([7; 16]).with_ipv6(local),
        };
        config.sysctl.tcp_timestamps = 2;
        configure(&mut config);
        Self {
            stack: Box::new(Stack::new(START, config)),
            now: START,
            mark: START,
            local,
            remote,
            ports: (PEER_PORT, PORT),
            isns: BTreeMap::new(),
            refuses: false,
            listener: None,
            conn: None,
            left: VecDeque::new(),
            written: 0,
            read: 0,
            trace: Vec::new(),
        }
    }

    /// The stack listens on [`PORT`].
    #[track_caller]
    pub fn listen(&mut self, backlog: u16, options: Options) {
        let listener = self.stack.listen(SocketAddr::new(self.local, PORT), backlog, options).unwrap();
        self.listener = Some(listener);
    }

    /// The usual passive handshake, without SACK and timestamps: round trip 1 ms, window 64000, clock marked at the
    /// end.
    #[track_caller]
    pub fn open(&mut self, options: Options) {
        self.open_with(options, "mss 1460,nop,wscale 7");
    }

    /// The same with these options of the SYN (timestamps: write `TS val 100 ecr 0`; the final ACK says 101).
    #[track_caller]
    pub fn open_with(&mut self, options: Options, syn_options: &str) {
        self.listen(1, options);
        self.inject(&format!("S 0:0(0) win 64000 <{syn_options}>"));
        self.expect("S. 0:0(0) ack 1 <...>");
        self.advance(ms(1));
        self.inject(&format!(". 1:1(0) ack 1 win {}{}", first_window(syn_options), first_timestamp(syn_options)));
        self.accept();
        self.mark();
    }

    /// The stack connects to us at [`PORT`] from port [`PEER_PORT`]; the SYN waits to be expected.
    #[track_caller]
    pub fn connect(&mut self, options: Options) {
        self.ports = (PORT, PEER_PORT);
        let local = SocketAddr::new(self.local, PEER_PORT);
        let remote = SocketAddr::new(self.remote, PORT);
        self.conn = Some(self.stack.connect(self.now, Some(local), remote, options).unwrap());
        self.say("connect");
        self.drain();
    }

    /// The usual active handshake: round trip 1 ms, no SACK, no timestamps, clock marked at its end.
    #[track_caller]
    pub fn connect_open(&mut self, options: Options) {
        self.connect(options);
        self.expect("S 0:0(0) <...>");
        self.advance(ms(1));
        self.inject("S. 0:0(0) ack 1 win 64000 <mss 1460,nop,wscale 7>");
        self.expect(". 1:1(0) ack 1");
        self.mark();
    }

    /// From now on this connection: our port and the stack's.
    pub fn talk(&mut self, remote_port: u16, local_port: u16) {
        self.ports = (remote_port, local_port);
    }

    /// Forgets the stack's ISN of the present connection: the next SYN tells a new one.
    pub fn forget_isn(&mut self) {
        self.isns.remove(&self.ports);
    }
}

/// The clock.
impl Peer {
    pub fn now(&self) -> Instant {
        self.now
    }

    /// [`Peer::expect_at`] counts from here.
    pub fn mark(&mut self) {
        self.mark = self.now;
    }

    /// Time passes; the stack's timers fire when they say.
    pub fn advance(&mut self, by: Duration) {
        let until = self.now + by;
        while let Some(due) = self.stack.poll_timeout().filter(|&due| due <= until) {
            self.fire(due);
        }
        self.now = until;
        self.stack.handle_timeout(until);
        self.drain();
    }

    /// Time passes up to this long after the mark.
    pub fn advance_to(&mut self, since_mark: Duration) {
        self.advance((self.mark + since_mark).since(self.now));
    }

    /// Time passes up to a millisecond before that.
    pub fn advance_almost_to(&mut self, since_mark: Duration) {
        self.advance_to(since_mark.saturating_sub(ms(1)));
    }

    /// Time passes while the device takes nothing: timers fire, and what they want to send waits.
    pub fn fire_without_sending(&mut self, by: Duration) {
        self.now += by;
        self.stack.handle_timeout(self.now);
    }

    fn fire(&mut self, due: Instant) {
        self.now = self.now.max(due);
        self.stack.handle_timeout(self.now);
        self.drain();
    }
}

/// The wire.
impl Peer {
    /// The peer sends this. Everything the stack sent before must have been expected.
    #[track_caller]
    pub fn inject(&mut self, text: &str) {
        self.inject_with(text, |_| ());
    }

    /// The same with one bit wrong: the last.
    #[track_caller]
    pub fn inject_damaged(&mut self, text: &str) {
        self.inject_with(text, |packet| *packet.last_mut().unwrap() ^= 1);
    }

    /// The peer sends all of these at once: the stack sees each before it may answer any.
    #[track_caller]
    pub fn inject_all(&mut self, texts: &[&str]) {
        self.expect_nothing();
        for text in texts {
            self.hand_over(text, |_| ());
        }
        self.drain();
    }

    #[track_caller]
    fn inject_with(&mut self, text: &str, damage: impl FnOnce(&mut Vec<u8>)) {
        self.expect_nothing();
        self.hand_over(text, damage);
        self.drain();
    }

    #[track_caller]
    fn hand_over(&mut self, text: &str, damage: impl FnOnce(&mut Vec<u8>)) {
        let spec = Spec::parse(text);
        let base = self.base_in();
        let payload: Vec<u8> = (0..spec.len).map(|at| pattern(spec.seq.wrapping_add(at).wrapping_sub(1))).collect();
        let mut tcp = notation::build(&spec, &base, [self.ports.0, self.ports.1], &payload);
        let mut packet = self.enclose(&mut tcp);
        damage(&mut packet);
        self.say(&format!("< {}", notation::render(&tcp, &base)));
        let _ = self.stack.handle_packet(self.now, &packet);
    }

    /// A router reports an error about a segment of the stack at relative sequence number `seq`.
    #[track_caller]
    pub fn inject_icmp(&mut self, kind: IcmpKind, seq: u32) {
        self.expect_nothing();
        let flow = Flow {
            local: SocketAddr::new(self.local, self.ports.1),
            remote: SocketAddr::new(self.remote, self.ports.0),
        };
        let header = Header {
            options: TcpOptions::NONE,
            ..Header::new(SeqNum::new(self.isn().wrapping_add(seq)), SeqNum::new(0), Flags::ACK)
        };
        let (mut quoted, mut packet) = ([0; 100], [0; 200]);
        let len = wire::emit(&flow, IpOptions::LINUX, &header, 0, |_| {}, &mut quoted).unwrap();
        let router: IpAddr =
            if self.local.is_ipv4() { "203.0.113.1".parse().unwrap() } else { "2001:db8:f::1".parse().unwrap() };
        let len = wire::emit_icmp_error(router, kind, &quoted[..len], &mut packet).unwrap();
        assert!(len > 0, "no router says {kind:?}");
        self.say(&format!("< icmp {kind:?} about {seq}"));
        let _ = self.stack.handle_packet(self.now, &packet[..len]);
        self.drain();
    }

    /// The next packet left just now, and is this.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let Some(left) = self.left.pop_front() else { self.fail(&format!("nothing left; expected {text}")) };
        self.compare(&left, text);
        if left.at != self.now {
            let at = left.at.since(self.mark);
            self.fail(&format!("{text} left at {at:?} already, now is {:?}", self.now.since(self.mark)));
        }
    }

    /// Nothing leaves until `since_mark`; then, to the millisecond, this does.
    #[track_caller]
    pub fn expect_at(&mut self, since_mark: Duration, text: &str) {
        let at = self.mark + since_mark;
        self.run_until_packet(at);
        let Some(left) = self.left.pop_front() else {
            self.fail(&format!("nothing left up to {since_mark:?}; expected {text}"))
        };
        self.compare(&left, text);
        if left.at.as_millis() != at.as_millis() {
            self.fail(&format!("{text} left at {:?}, expected at {since_mark:?}", left.at.since(self.mark)));
        }
    }

    /// The same, counted from now.
    #[track_caller]
    pub fn expect_after(&mut self, wait: Duration, text: &str) {
        self.expect_at((self.now + wait).since(self.mark), text);
    }

    /// Nothing else has left.
    #[track_caller]
    pub fn expect_nothing(&mut self) {
        if let Some(left) = self.left.pop_front() {
            let text = notation::render(&left.tcp, &self.base_out(left.ports));
            self.fail(&format!("unexpected at {:?}: {text}", left.at.since(self.mark)));
        }
    }

    /// Nothing leaves for this long.
    #[track_caller]
    pub fn expect_nothing_for(&mut self, wait: Duration) {
        self.advance(wait);
        self.expect_nothing();
    }

    /// The next packet that left, whatever it is, as text; for tables.
    pub fn next_left(&mut self) -> Option<String> {
        let left = self.left.pop_front()?;
        Some(notation::render(&left.tcp, &self.base_out(left.ports)))
    }

    /// Lets time run to the stack's next packet, but not beyond `limit` from now; how long after the mark it left.
    pub fn next_within(&mut self, limit: Duration) -> Option<(Duration, String)> {
        self.run_until_packet(self.now + limit);
        let at = self.left.front()?.at.since(self.mark);
        self.next_left().map(|text| (at, text))
    }

    fn run_until_packet(&mut self, limit: Instant) {
        while self.left.is_empty() {
            let Some(due) = self.stack.poll_timeout().filter(|&due| due <= limit) else {
                self.now = limit.max(self.now);
                break;
            };
            self.fire(due);
        }
    }

    #[track_caller]
    fn compare(&mut self, left: &Left, text: &str) {
        let spec = Spec::parse(text);
        let base = self.base_out(left.ports);
        let actual = notation::render(&left.tcp, &base);
        let seen = Spec::parse(&actual);
        let header_len = usize::from(left.tcp[12] >> 4) * 4;
        let options = match &spec.options {
            OptionsSpec::Any => true,
            OptionsSpec::Exactly(text) => left.tcp[20..header_len] == notation::encode(text, &base, spec.ack.is_some()),
        };
        let numbers = (spec.flags, spec.seq, spec.len, spec.ack, spec.urgent)
            == (seen.flags, seen.seq, seen.len, seen.ack, seen.urgent);
        let window = spec.window.is_none() || spec.window == seen.window;
        if left.ports != self.ports || !numbers || !window || !options {
            self.fail(&format!("left {actual}\n expected {text}"));
        }
    }
}

/// Below.
impl Peer {
    /// Takes everything the stack wants to send now.
    pub(super) fn drain(&mut self) {
        let mut packet = vec![0; usize::from(self.stack.config().mtu)];
        while let Some(transmit) = self.stack.poll_transmit(self.now, &mut packet) {
            if self.refuses {
                self.stack.handle_refused(self.now);
                continue;
            }
            let packet = &packet[..transmit.len];
            let header_len = if self.local.is_ipv4() { 20 } else { 40 };
            let tcp = packet[header_len..].to_vec();
            let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
            let ports = (port(2), port(0));
            assert_eq!(notation::sum(&[&self.pseudo_header(tcp.len(), false), &tcp]), 0xffff, "checksum");
            if tcp[13] & 2 != 0 {
                let isn = u32::from_be_bytes(tcp[4..8].try_into().unwrap());
                self.isns.entry(ports).or_insert(isn);
            }
            let base = self.base_out(ports);
            self.say(&format!("> {}", notation::render(&tcp, &base)));
            check_payload(&tcp, &base);
            self.left.push_back(Left { at: self.now, ports, tcp });
        }
        self.stack.check();
    }

    fn isn(&self) -> u32 {
        self.isns.get(&self.ports).copied().unwrap_or(0)
    }

    fn base_in(&self) -> Base {
        Base { seq: PEER_ISN, ack: self.isn(), ts_val: 0, ts_ecr: START.as_millis() as u32 }
    }

    fn base_out(&self, ports: (u16, u16)) -> Base {
        let isn = self.isns.get(&ports).copied().unwrap_or(0);
        Base { seq: isn, ack: PEER_ISN, ts_val: START.as_millis() as u32, ts_ecr: 0 }
    }

    fn pseudo_header(&self, len: usize, inward: bool) -> Vec<u8> {
        let (from, to) = if inward { (self.remote, self.local) } else { (self.local, self.remote) };
        let mut bytes = octets(from);
        bytes.extend(octets(to));
        bytes.extend([0, 6]);
        bytes.extend((len as u16).to_be_bytes());
        bytes
    }

    /// Sets the checksum and puts an IP header before.
    fn enclose(&self, tcp: &mut [u8]) -> Vec<u8> {
        let sum = notation::sum(&[&self.pseudo_header(tcp.len(), true), tcp]);
        tcp[16..18].copy_from_slice(&(!sum).to_be_bytes());
        let mut packet = if self.local.is_ipv4() {
            let len = (20 + tcp.len() as u16).to_be_bytes();
            let mut head = vec![0x45, 0, len[0], len[1], 0, 0, 0x40, 0, 64, 6, 0, 0];
            head.extend(octets(self.remote));
            head.extend(octets(self.local));
            let sum = !notation::sum(&[&head]);
            head[10..12].copy_from_slice(&sum.to_be_bytes());
            head
        } else {
            let len = (tcp.len() as u16).to_be_bytes();
            let mut head = vec![0x60, 0, 0, 0, len[0], len[1], 6, 64];
            head.extend(octets(self.remote));
            head.extend(octets(self.local));
            head
        };
        packet.extend_from_slice(tcp);
        packet
    }

    pub(super) fn say(&mut self, what: &str) {
        self.trace.push(format!("{:>12.6} {what}", self.now.since(START).as_secs_f64()));
    }

    #[track_caller]
    fn fail(&mut self, why: &str) -> ! {
        self.left.clear();
        panic!("{why}\ntrace (mark at {:?}):\n{}", self.mark.since(START), self.trace.join("\n"));
    }
}

/// What left and was never expected is a failure too.
impl Drop for Peer {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.expect_nothing();
        }
    }
}

/// What is on the wire is what was written.
fn check_payload(tcp: &[u8], base: &Base) {
    let seq = u32::from_be_bytes(tcp[4..8].try_into().unwrap()).wrapping_sub(base.seq);
    let payload = &tcp[usize::from(tcp[12] >> 4) * 4..];
    for (at, &byte) in payload.iter().enumerate() {
        let at = seq.wrapping_add(at as u32).wrapping_sub(1);
        assert_eq!(byte, pattern(at), "byte {at} of the stream is wrong on the wire");
    }
}

/// The byte at this position of either stream.
pub fn pattern(at: u32) -> u8 {
    (at % 251) as u8
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// 64000 in the units that the SYN's options ask for, as far as it goes.
fn first_window(syn_options: &str) -> u32 {
    let scale = syn_options.split(',').find_map(|option| option.trim().strip_prefix("wscale "));
    scale.map_or(64_000, |shift| 64_000 >> shift.parse::<u32>().unwrap())
}

fn first_timestamp(syn_options: &str) -> String {
    let val = syn_options.split(',').find_map(|option| option.trim().strip_prefix("TS val "));
    let val = val.and_then(|val| val.split_whitespace().next());
    val.map_or(String::new(), |val| format!(" <nop,nop,TS val {} ecr 0>", val.parse::<u32>().unwrap() + 1))
}
