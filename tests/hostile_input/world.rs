//! One stack in a bad world: the network forges, time jumps, the application does as it likes, and after every step
//! the limits are asked for.

use crate::forger;
use crate::hostile::packet::{Seen, is_sealed};
use crate::hostile::random::Random;
use crate::hostile::rig::{config, local_v4, local_v6, peer_v4, peer_v6};
use crate::view::View;
use longhaul::config::Sysctl;
use longhaul::options::{Options, TcpKeepalive};
use longhaul::stack::{Config, ConnId, ListenerId, Stack};
use longhaul::tcp::State;
use longhaul::time::{Duration, Instant};

const CONNECTIONS_MAX: u32 = 96;
const HALF_OPEN_MAX: u32 = 24;
const TIME_WAITS_MAX: u32 = 6;
const ORPHANS_MAX: u32 = 6;
const MEMORY_BYTES: usize = 2 << 20;
/// What one act may add once the budget is nearly spent: a send buffer, or a segment of 64 KiB, with bookkeeping; and
/// the records of what is in flight, which the budget counts and does not refuse.
const OVERSHOOT_BYTES: usize = 1 << 20;
/// Packets in answer to one step: a congestion window of the smallest segments of each connection, at the very worst.
const ANSWERS_MAX: usize = 20_000;
/// Packets sent for each step (packet in, act, or passing of time), on average.
const ANSWERS_PER_STEP: u64 = 3;
/// How often the invariants of every connection are checked, in steps.
const CHECK_EVERY: u64 = 64;
/// For how many steps a device is full, mostly.
const BUSY_STEPS: [usize; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 5, 20];
/// And now and then: so long that answers have to be dropped.
const STUCK_STEPS: usize = 2500;
/// Longer than an orphan may live: the largest user timeout is 24.9 days.
const LIFETIME: Duration = Duration::from_hours(30 * 24);

/// The stack and everyone around it.
pub(crate) struct World {
    seed: u64,
    packets: u64,
    random: Random,
    stack: Stack,
    now: Instant,
    view: View,
    listeners: Vec<ListenerId>,
    conns: Vec<ConnId>,
    buffer: Vec<u8>,
    /// Steps for which the device takes nothing.
    busy: usize,
    steps: u64,
    answers: u64,
    /// How often a connection was met in each state.
    met: [u64; 10],
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let now = Instant::from_millis((1 << 32) - 60_000);
        let mut random = Random(seed);
        let config = small_config().with_mtu(random.pick(&[1280, 1400, 1500, 9000]));
        Self {
            seed,
            packets: 0,
            random,
            stack: Stack::new(now, config),
            now,
            view: View::default(),
            listeners: Vec::new(),
            conns: Vec::new(),
            buffer: vec![0; 65_535],
            busy: 0,
            steps: 0,
            answers: 0,
            met: [0; 10],
        }
    }

    /// Hears so many packets more.
    pub(crate) fn suffer(&mut self, packets: u64) {
        let end = self.packets + packets;
        while self.packets < end {
            match self.random.below(100) {
                0..72 => self.hear(),
                72..90 => self.act(),
                _ => self.wait(),
            }
            self.steps += 1;
            if self.busy > 0 {
                self.busy -= 1;
            } else {
                self.send();
                self.busy = if self.random.one_in(10_000) { STUCK_STEPS } else { self.random.pick(&BUSY_STEPS) };
            }
            self.check_limits();
        }
    }

    fn hear(&mut self) {
        self.packets += 1;
        let packet = forger::packet(&mut self.random, &mut self.view);
        if self.random.one_in(16) {
            self.view.keep(&packet);
        }
        // Only a frame can be kept uncopied, and only a packet cannot: both ways in must hold.
        let _ = if self.random.one_in(2) {
            self.stack.handle_frame(self.now, packet.into())
        } else {
            self.stack.handle_packet(self.now, &packet)
        };
    }

    fn send(&mut self) {
        let mut answers = 0;
        while let Some(transmit) = self.stack.poll_transmit(self.now, &mut self.buffer) {
            if self.random.one_in(64) {
                self.stack.handle_refused(self.now);
                continue;
            }
            let packet = &self.buffer[..transmit.len];
            assert!(packet.len() <= usize::from(self.stack.config().mtu), "{} bytes exceed the MTU", packet.len());
            assert!(is_sealed(packet), "wrong checksum");
            if let Some(seen) = Seen::read(packet) {
                self.view.see(&seen);
            }
            if self.random.one_in(32) {
                self.view.keep(packet);
            }
            answers += 1;
            assert!(answers <= ANSWERS_MAX, "no end of answers");
        }
        self.answers += answers as u64;
    }

    fn wait(&mut self) {
        let random = &mut self.random;
        let micros = match random.below(4096) {
            0 => random.next() % 200_000_000_000,
            1..8 => random.next() % 100_000_000,
            8..128 => random.next() % 2_000_000,
            128..1024 => random.next() % 60_000,
            _ => random.next() % 1500,
        };
        self.now += Duration::from_micros(micros);
        self.expire();
        if self.random.one_in(64) {
            // A clock that runs backwards is taken for one that stands.
            let _ = self.stack.handle_packet(Instant::from_secs(1), &[]);
        }
    }

    /// Timers that are due, in their order or, after a jump, all at once.
    fn expire(&mut self) {
        for _ in 0..ANSWERS_MAX {
            if self.stack.poll_timeout().is_none_or(|at| at > self.now) {
                return;
            }
            self.stack.handle_timeout(self.now);
        }
        panic!("a timer fires for ever");
    }

    /// The application does something.
    fn act(&mut self) {
        match self.random.below(24) {
            0 => self.listen(),
            1..3 => self.connect(),
            3..7 => self.accept(),
            7 if self.random.one_in(8) => while self.stack.poll_event().is_some() {},
            _ => self.act_on_conn(),
        }
    }

    fn listen(&mut self) {
        if self.listeners.len() == 2 && self.random.one_in(8) {
            let closed = self.listeners.swap_remove(self.random.below(2));
            self.stack.close_listener(self.now, closed);
        }
        // With no room a SYN is dropped at times, at others answered with a cookie; or every one is.
        self.stack.sysctl_mut().tcp_syncookies = self.random.pick(&[0, 0, 1, 2]);
        self.stack.sysctl_mut().tcp_ecn = self.random.pick(&[0, 1, 2]);
        let options = self.options();
        for local in [local_v4(), local_v6()] {
            let backlog = self.random.below(16) as u16;
            self.listeners.extend(self.stack.listen(local, backlog, options));
        }
    }

    fn connect(&mut self) {
        let port = 1024 + self.random.below(48) as u16;
        let remote = if self.random.one_in(2) { peer_v4(port) } else { peer_v6(port) };
        let local = self.random.one_in(4).then(|| {
            let mut local = if remote.is_ipv4() { local_v4() } else { local_v6() };
            local.set_port(self.random.pick(&[0, 80, 4000, 4001]));
            local
        });
        let options = self.options();
        self.conns.extend(self.stack.connect(self.now, local, remote, options));
    }

    fn accept(&mut self) {
        if let Some(&listener) = self.listeners.get(self.random.below(2)) {
            self.conns.extend(self.stack.accept(listener));
        }
    }

    fn act_on_conn(&mut self) {
        if self.conns.is_empty() {
            return self.listen();
        }
        let index = self.random.below(self.conns.len());
        let options = self.options();
        let (random, now) = (&mut self.random, self.now);
        let Some(mut conn) = self.stack.conn(self.conns[index]) else {
            self.conns.swap_remove(index);
            return;
        };
        self.met[conn.state() as usize] += 1;
        let dead = conn.state() == State::Closed;
        match random.below(if dead { 40 } else { 32 }) {
            0..10 => {
                let len = random.pick(&[1, 1, 10, 100, 1000, 1460, 5000, 300_000]);
                let _ = conn.send(now, vec![1; len].into());
            }
            10..16 => drop(conn.receive(now)),
            16..20 => drop(conn.read(now, &mut [0; 500])),
            20 => drop(conn.peek(&mut [0; 10])),
            21 => conn.finish(now),
            22 => conn.stop_receiving(),
            25 if random.one_in(4) => conn.abort(now),
            26..28 => conn.set_options(now, options),
            28 => conn.set_tcp_quickack(random.one_in(2)),
            29 => drop(conn.take_error()),
            23..25 | 32.. => conn.close(now),
            _ => drop(conn.info(now)),
        }
    }

    /// Options within Linux's ranges, many at their ends.
    fn options(&mut self) -> Options {
        let random = &mut self.random;
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(random.pick(&[1, 60, 7200, 32_767])))
            .with_interval(Duration::from_secs(random.pick(&[1, 75, 32_767])))
            .with_retries(random.pick(&[1, 9, 127]));
        let user_timeout = random.one_in(3).then(|| Duration::from_millis(random.pick(&[0, 1, 5000, i32::MAX as u64])));
        let linger = random.one_in(8).then(|| Duration::from_secs(random.pick(&[0, 1])));
        let options = Options::new()
            .with_keepalive(random.one_in(2))
            .with_tcp_nodelay(random.one_in(2))
            .with_tcp_cork(random.one_in(8))
            .with_linger(linger)
            .with_tcp_linger2(random.pick(&[0, 0, -1, 1, 120]))
            .with_send_buffer_size(random.pick(&[131_072, 131_072, 1, 5000, 100_000]))
            .with_recv_buffer_size(random.pick(&[65_536, 65_536, 1, 5000, 300_000]))
            .with_tcp_keepalive(&keepalive)
            .and_then(|options| options.with_tcp_user_timeout(user_timeout))
            .and_then(|options| options.with_tcp_maxseg(random.pick(&[0, 0, 88, 1000, 32_767])))
            .and_then(|options| options.with_tcp_syncnt(random.pick(&[1, 6, 127])));
        options.expect("all within their ranges")
    }

    fn check_limits(&mut self) {
        let stack = &self.stack;
        assert!(stack.memory_charged() <= MEMORY_BYTES + OVERSHOOT_BYTES, "{} bytes", stack.memory_charged());
        assert!(stack.half_open_len() <= HALF_OPEN_MAX as usize, "{} half-open", stack.half_open_len());
        assert!(stack.time_wait_len() <= TIME_WAITS_MAX as usize, "{} in TIME-WAIT", stack.time_wait_len());
        if self.steps.is_multiple_of(CHECK_EVERY) {
            stack.check();
            assert!(stack.connections().count() <= CONNECTIONS_MAX as usize);
            assert!(self.answers <= self.steps * ANSWERS_PER_STEP + ANSWERS_MAX as u64, "{} answers", self.answers);
        }
    }

    /// The application aborts everything and time runs on: nothing may be left.
    pub(crate) fn end(&mut self) {
        for listener in self.listeners.drain(..) {
            self.stack.close_listener(self.now, listener);
        }
        // Whatever it has a handle to; an orphan goes by itself.
        for id in core::mem::take(&mut self.conns) {
            if let Some(conn) = self.stack.conn(id) {
                conn.abort(self.now);
            }
        }
        let end = self.now + LIFETIME;
        self.send();
        while let Some(at) = self.stack.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.stack.handle_timeout(self.now);
            self.send();
        }
        self.now = end;
        self.view = View::default();
        while self.stack.poll_event().is_some() {}
        self.stack.check();
        let left = (self.stack.connections().count(), self.stack.half_open_len(), self.stack.time_wait_len());
        assert_eq!(left, (0, 0, 0), "connections, half-open, TIME-WAIT");
        assert_eq!(self.stack.memory_charged(), 0, "bytes charged for nothing");
        assert_eq!(self.stack.poll_timeout(), None, "a timer for nobody");
        assert!(!self.stack.wants_transmit(), "something to send for nobody");
    }

    /// A run that never got anywhere shows nothing: every state was met, every counter moved.
    pub(crate) fn assert_varied(&self) {
        // TIME-WAIT, the last of them, has its own blocks, which the stack counts.
        assert!(self.met[..9].iter().all(|&times| times > 0), "states met: {:?}", self.met);
        for (name, count) in self.stack.stats().iter() {
            assert!(count > 0, "{name} never happened: {:#?}", self.stack.stats());
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("after {} packets: HOSTILE_SEED={} repeats it", self.packets, self.seed);
        }
    }
}

/// Small tables, so that their ends are reached.
fn small_config() -> Config {
    let mut config = config(Sysctl {
        tcp_max_syn_backlog: HALF_OPEN_MAX,
        tcp_max_tw_buckets: TIME_WAITS_MAX,
        tcp_max_orphans: ORPHANS_MAX,
        ip_local_port_range: [4000, 4015],
        ..Sysctl::LINUX
    });
    config.max_connections = CONNECTIONS_MAX;
    config.memory_bytes = MEMORY_BYTES;
    config
}
