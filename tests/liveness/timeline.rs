//! What leaves a stack, and when it is over, as lines of text: `201 P. 1:101` is a segment 201 ms after zero, `1407
//! dead: Retransmission ETIMEDOUT` the event that ends the connection, `1407 gone` a stack that holds nothing any more.

#![allow(unreachable_pub)] // the crate is a test, and nobody reaches into it

use crate::common::{Peer, ms};
use core::ops::{Deref, DerefMut};
use longhaul::config::Sysctl;
use longhaul::error::Error;
use longhaul::options::{Options, TcpKeepalive};
use longhaul::tcp::Event;
use longhaul::time::{Duration, Instant};

/// Timers that may fire before a test is taken for endless.
const STEPS_MAX: u32 = 100_000;

/// A scripted peer whose stack is watched. Zero is its end of the handshake, or the last [`Line::zero`].
pub struct Line {
    peer: Peer,
    zero: Instant,
    populated: bool,
}

/// Making one.
impl Line {
    pub fn new(peer: Peer) -> Self {
        let mut line = Self { zero: peer.now(), populated: is_populated(&peer), peer };
        line.peer.events();
        line
    }

    /// A stack with these settings and no connection.
    pub fn with(configure: impl FnOnce(&mut Sysctl)) -> Self {
        Self::new(Peer::with(|config| configure(&mut config.sysctl)))
    }

    /// A connection of a listener with these options, established 1 ms after the SYN.
    #[track_caller]
    pub fn open(configure: impl FnOnce(&mut Sysctl), options: Options) -> Self {
        let mut peer = Peer::with(|config| configure(&mut config.sysctl));
        peer.open(options);
        Self::new(peer)
    }

    /// The same with Linux's settings and these options.
    #[track_caller]
    pub fn open_default(options: Options) -> Self {
        Self::open(|_| (), options)
    }

    /// A connection whose 3000 bytes wait before a window of zero since zero. 500 bytes were acknowledged before.
    #[track_caller]
    pub fn stalled(configure: impl FnOnce(&mut Sysctl), options: Options) -> Self {
        let mut line = Self::open(configure, options);
        line.write(500);
        line.expect("P. 1:501(500) ack 1");
        line.advance(ms(1));
        line.inject(". 1:1(0) ack 501 win 0");
        line.write(3000);
        line.zero();
        line
    }
}

/// Watching it.
impl Line {
    /// Counts from now.
    pub fn zero(&mut self) {
        self.zero = self.peer.now();
        self.peer.mark();
    }

    /// Time passes up to `until_ms`; what happened since the last call.
    #[track_caller]
    pub fn until(&mut self, until_ms: u64) -> Vec<String> {
        let until = self.zero + ms(until_ms);
        assert!(until >= self.now(), "{until_ms} ms are over already");
        let mut lines = self.happened();
        while let Some(due) = self.next_due().filter(|&due| due <= until) {
            self.step(due, &mut lines);
        }
        self.step(until, &mut lines);
        lines
    }

    /// Time passes until the connection is dead or gone; what happened since the last call. Afterwards the stack must
    /// hold nothing, and know nobody.
    #[track_caller]
    pub fn until_end(&mut self) -> Vec<String> {
        let mut lines = self.happened();
        for _ in 0..STEPS_MAX {
            if is_end(&lines) {
                self.check_end();
                return lines;
            }
            let due = self.next_due().unwrap_or_else(|| panic!("nothing will ever happen after {lines:?}"));
            self.step(due, &mut lines);
        }
        panic!("no end: {lines:?}");
    }

    /// Time passes until something happens, but not beyond `until_ms`; the first thing that did.
    pub fn next(&mut self, until_ms: u64) -> Option<String> {
        let until = self.zero + ms(until_ms);
        let mut lines = self.happened();
        while lines.is_empty() {
            let due = self.next_due().filter(|&due| due <= until)?;
            self.step(due, &mut lines);
        }
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.pop()
    }

    /// How long after zero it is now.
    pub fn now_ms(&self) -> u64 {
        self.now().since(self.zero).as_millis() as u64
    }

    /// Changes the options of the connection.
    #[track_caller]
    pub fn set(&mut self, change: impl FnOnce(Options) -> Options) {
        self.peer.act(|conn, now| conn.set_options(now, change(conn.options())));
    }

    fn next_due(&self) -> Option<Instant> {
        self.peer.stack.poll_timeout().map(|due| due.max(self.peer.now()))
    }

    fn step(&mut self, to: Instant, lines: &mut Vec<String>) {
        let wait = to.since(self.now());
        self.peer.advance(wait);
        lines.append(&mut self.happened());
    }

    /// What left, and what ended, since the last look.
    pub fn happened(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some((_, text)) = self.peer.next_within(Duration::ZERO) {
            let segment = text.split('(').next().unwrap();
            lines.push(format!("{} {segment}", self.now_ms()));
        }
        for event in self.peer.events() {
            if let Event::Closed(error) = event {
                lines.push(format!("{} {}", self.now_ms(), error.map_or("closed".into(), describe)));
            }
        }
        if core::mem::replace(&mut self.populated, is_populated(&self.peer)) && !self.populated {
            lines.push(format!("{} gone", self.now_ms()));
        }
        lines
    }

    /// The stored error is what the event said; a late segment meets a stranger's reset; after `close` nothing is left.
    #[track_caller]
    fn check_end(&mut self) {
        let id = self.stack.connections().next();
        if let Some(mut conn) = id.and_then(|id| self.stack.conn(id)) {
            assert_eq!(conn.take_error(), conn.death());
        }
        self.inject(". 1:1(0) ack 1");
        self.expect("R 1:1(0)");
        let now = self.now();
        if let Some(conn) = id.and_then(|id| self.stack.conn(id)) {
            conn.close(now);
        }
        assert!(!is_populated(&self.peer), "a block is left");
        assert_eq!(self.stack.memory_charged(), 0);
        assert_eq!(self.stack.poll_timeout(), None);
        self.expect_nothing();
    }
}

impl Deref for Line {
    type Target = Peer;
    fn deref(&self) -> &Peer {
        &self.peer
    }
}

impl DerefMut for Line {
    fn deref_mut(&mut self) -> &mut Peer {
        &mut self.peer
    }
}

/// The lines of one segment that leaves again and again.
pub fn at<const N: usize>(times_ms: [u64; N], segment: &str) -> Vec<String> {
    each(&times_ms, segment)
}

/// The same for as many times as there are.
pub fn each(times_ms: &[u64], segment: &str) -> Vec<String> {
    times_ms.iter().map(|at_ms| format!("{at_ms} {segment}")).collect()
}

/// These lines, then this one.
pub fn then(mut lines: Vec<String>, last: impl Into<String>) -> Vec<String> {
    lines.push(last.into());
    lines
}

/// `TCP_KEEPIDLE`, `TCP_KEEPINTVL` and `TCP_KEEPCNT`, and keepalive on.
pub fn keepalive(idle_s: u64, interval_s: u64, probes: u32) -> Options {
    let secs = Duration::from_secs;
    let keepalive = TcpKeepalive::new().with_time(secs(idle_s)).with_interval(secs(interval_s)).with_retries(probes);
    Options::new().with_keepalive(true).with_tcp_keepalive(&keepalive).unwrap()
}

/// `TCP_USER_TIMEOUT` in milliseconds, 0 for none, on top of other options.
pub fn user_timeout(options: Options, user_timeout_ms: u64) -> Options {
    options.with_tcp_user_timeout((user_timeout_ms != 0).then(|| ms(user_timeout_ms))).unwrap()
}

fn describe(error: Error) -> String {
    match error.cause() {
        Some(cause) => format!("dead: {cause:?} {}", error.errno()),
        None => format!("dead: {}", error.errno()),
    }
}

fn is_end(lines: &[String]) -> bool {
    lines.iter().any(|line| line.contains("dead") || line.contains("gone") || line.contains("closed"))
}

fn is_populated(peer: &Peer) -> bool {
    let stack = &peer.stack;
    stack.connections().next().is_some() || stack.time_wait_len() > 0 || stack.half_open_len() > 0
}
