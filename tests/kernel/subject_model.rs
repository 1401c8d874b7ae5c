//! The same life lived by our stack in virtual time.
//!
//! It hears and is told what the kernel was, at the very times. A timer of the kernel fires late by design, and what
//! it then arms counts from there; so once it is known that a deadline made the stack act, the stack is made as late as
//! the kernel was, and goes on from there. Each entry still carries the time at which it was due: each wait is compared
//! by itself, and lateness adds up in neither.
//!
//! Which deadline makes the stack act is known after the fact only, and a stack cannot be copied; so the life is lived
//! again for each.

use crate::lateness::Clock;
use crate::scenario::{Act, Opening, Scenario};
use crate::segment::Peer;
use crate::subject_kernel::ends;
use crate::timeline::{Entry, What};
use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;
use longhaul::options::{Options, TcpKeepalive};
use longhaul::stack::{Config, ConnId, ListenerId, Stack};
use longhaul::tcp::Event;
use longhaul::time::Instant;
use longhaul::wire::Flags;

const START: Instant = Instant::from_secs(1000);

/// What our stack does while it lives through what the kernel lived through; outputs carry the time they were due.
pub(crate) fn run(scenario: &Scenario, kernel: &[Entry], clock: Clock) -> Vec<Option<Entry>> {
    let mut firings = BTreeMap::new();
    loop {
        let mut subject = Subject::new(scenario, kernel, clock, &firings);
        subject.live(kernel);
        // Each life settles one more deadline: there are no more than outputs of the kernel.
        match subject.acted.iter().find(|(due, _)| !firings.contains_key(due)) {
            Some(&(due, at)) if firings.len() < kernel.len() => firings.insert(due, at),
            _ => return subject.timeline,
        };
    }
}

struct Subject<'s> {
    stack: Stack,
    now: Instant,
    peer: Peer,
    conn: Option<ConnId>,
    listener: Option<ListenerId>,
    /// Deadlines at which the stack is known to act, and when the kernel did.
    firings: &'s BTreeMap<Instant, Instant>,
    /// A kernel that acts this much later does something else.
    latest: Duration,
    /// What came out and was not yet compared.
    pending: VecDeque<Entry>,
    /// Deadlines at which the stack did act, and when the kernel did.
    acted: Vec<(Instant, Instant)>,
    /// Beside the kernel's entries, and what is left over.
    timeline: Vec<Option<Entry>>,
}

impl<'s> Subject<'s> {
    fn new(scenario: &Scenario, kernel: &[Entry], clock: Clock, firings: &'s BTreeMap<Instant, Instant>) -> Self {
        let mut config =
            Config::new([7; 16]).with_ipv4([10, 0, 0, 1].into()).with_ipv6([0xfd00, 0, 0, 0, 0, 0, 0, 1].into());
        for (name, value) in &scenario.sysctls {
            config.sysctl.set(name, value).unwrap_or_else(|error| panic!("{name}={value}: {error:?}"));
        }
        if let Some(rto_min_us) = rto_min_us(kernel, clock).filter(|_| scenario.is_steady) {
            config.sysctl.tcp_rto_min_us = rto_min_us;
        }
        let (subject, peer) = ends(scenario);
        let mut stack = Stack::new(START, config);
        let options = scenario.before.iter().fold(Options::new(), with_option);
        let (mut conn, mut listener) = (None, None);
        match scenario.opening {
            Opening::Connect | Opening::Call => {
                conn = Some(stack.connect(START, Some(subject), peer, options).expect("it connects"));
            }
            Opening::Accept | Opening::Knock => {
                listener = Some(stack.listen(subject, 1, options).expect("it listens"));
            }
        }
        let mut subject = Self {
            stack,
            now: START,
            peer: Peer::new(scenario, subject, peer),
            conn,
            listener,
            firings,
            latest: clock.lateness(LONGEST),
            pending: VecDeque::new(),
            acted: Vec::new(),
            timeline: Vec::new(),
        };
        subject.collect(START);
        subject
    }

    fn live(&mut self, kernel: &[Entry]) {
        for entry in kernel {
            let at = START + entry.at;
            let what = match &entry.what {
                What::Sent(_) | What::Died(_) => {
                    self.answer(at);
                    continue;
                }
                What::Did(act, _) => {
                    self.run_to(at);
                    let result = self.act(act);
                    self.collect(at);
                    What::Did(act.clone(), result)
                }
                What::End => {
                    self.run_to(at);
                    What::End
                }
            };
            self.timeline.push(Some(Entry { at: entry.at, what }));
        }
        // What the kernel did not do.
        self.timeline.extend(self.pending.drain(..).map(Some));
    }

    /// The kernel did something at `at`: what does the stack do?
    fn answer(&mut self, at: Instant) {
        let mut fired = None;
        while self.pending.is_empty() {
            let Some(due) = self.stack.poll_timeout().filter(|&due| due <= at + EARLIEST) else { break };
            self.fire(due);
            fired = Some(due);
        }
        if let (Some(due), Some(_)) = (fired, self.pending.front())
            && at <= due + self.latest
        {
            self.acted.push((due, at.max(due)));
        }
        self.timeline.push(self.pending.pop_front());
    }

    /// Lets time run to an input.
    fn run_to(&mut self, at: Instant) {
        while let Some(due) = self.stack.poll_timeout() {
            if self.firings.get(&due).map_or(due, |&late| late) > at {
                break;
            }
            self.fire(due);
        }
        self.now = self.now.max(at);
    }

    fn fire(&mut self, due: Instant) {
        self.now = self.now.max(self.firings.get(&due).map_or(due, |&late| late));
        self.stack.handle_timeout(self.now);
        self.collect(due);
    }

    /// Takes what the stack says; it was due then.
    fn collect(&mut self, due: Instant) {
        let at = due.since(START);
        let mut packet = vec![0; 1500];
        while let Some(transmit) = self.stack.poll_transmit(self.now, &mut packet) {
            if let Some((seen, _)) = self.peer.hear(&packet[..transmit.len]) {
                self.pending.push_back(Entry { at, what: What::Sent(seen) });
            }
        }
        while let Some((id, event)) = self.stack.poll_event() {
            if let (Event::Closed(Some(error)), true) = (event, Some(id) == self.conn) {
                // As the kernel's error is taken when its death is seen.
                let _ = self.stack.conn(id).and_then(|mut conn| conn.take_error());
                self.pending.push_back(Entry { at, what: What::Died(error.errno().raw()) });
            }
        }
    }

    fn act(&mut self, act: &Act) -> Result<usize, i32> {
        let now = self.now;
        match act {
            Act::Hear(text) => {
                let packet = self.peer.speak(text, now.since(START));
                let _ = self.stack.handle_packet(now, &packet);
                return Ok(0);
            }
            Act::Icmp(kind, seq) => {
                let _ = self.stack.handle_packet(now, &self.peer.icmp(*kind, *seq));
                return Ok(0);
            }
            Act::Accept => {
                self.conn = self.listener.and_then(|listener| self.stack.accept(listener));
                return self.conn.map(|_| 0).ok_or(EAGAIN);
            }
            _ => {}
        }
        let Some(mut conn) = self.conn.and_then(|id| self.stack.conn(id)) else { return Err(EBADF) };
        let error = |error: longhaul::error::Error| error.errno().raw();
        match act {
            Act::Write(len) => {
                let rest = conn.send(now, vec![0; *len].into()).map_err(error)?;
                return Ok(len - rest.len());
            }
            Act::Read(len) => return conn.read(now, &mut vec![0; *len]).map_err(error),
            Act::Finish => conn.finish(now),
            Act::Close => {
                conn.close(now);
                self.conn = None;
            }
            option => {
                let options = with_option(conn.options(), option);
                conn.set_options(now, options);
            }
        }
        Ok(0)
    }
}

const EAGAIN: i32 = 11;
const EBADF: i32 = 9;

/// A kernel that acts this much earlier than the stack is judged to be early, not to do something else.
const EARLIEST: Duration = Duration::from_millis(100);

/// The longest wait of a scenario: later than its end may be, nothing is the same thing late.
const LONGEST: Duration = Duration::from_secs(8);

fn with_option(options: Options, act: &Act) -> Options {
    let seconds = |secs: u32| Duration::from_secs(secs.into());
    let keepalive = |keepalive: TcpKeepalive| options.with_tcp_keepalive(&keepalive).expect("in range");
    match *act {
        Act::Keepalive(on) => options.with_keepalive(on),
        Act::KeepIdle(secs) => keepalive(TcpKeepalive::new().with_time(seconds(secs))),
        Act::KeepIntvl(secs) => keepalive(TcpKeepalive::new().with_interval(seconds(secs))),
        Act::KeepCnt(count) => keepalive(TcpKeepalive::new().with_retries(count)),
        Act::UserTimeout(millis) => {
            let limit = (millis > 0).then_some(Duration::from_millis(millis.into()));
            options.with_tcp_user_timeout(limit).expect("in range")
        }
        Act::Nodelay(on) => options.with_tcp_nodelay(on),
        Act::LingerZero => options.with_linger(Some(Duration::ZERO)),
        Act::ThinLinear(on) => options.with_tcp_thin_linear_timeouts(on),
        _ => panic!("{act:?} is no option"),
    }
}

/// The `tcp_rto_min_us` with which our RTO, in milliseconds, is the kernel's, in its ticks: 204 ms at 250 ticks a
/// second where ours is 201. The RTO doubles, so its rounding must be the same from the beginning and cannot be allowed
/// for later. How long a connection may live does not depend on this setting, in Linux as here.
///
/// `None` if there is nothing to adapt: a tick is our millisecond, or the handshake measured nothing.
fn rto_min_us(kernel: &[Entry], clock: Clock) -> Option<u32> {
    let is = |entry: &Entry, flags| matches!(&entry.what, What::Sent(seen) if seen.flags.contains(flags));
    let mut syns = kernel.iter().enumerate().filter(|(_, entry)| is(entry, Flags::SYN));
    let (number, syn) = syns.next()?;
    let answer = kernel[number..].iter().find(|entry| matches!(entry.what, What::Did(Act::Hear(_), _)))?;
    // No sample is less than a microsecond.
    let rtt = answer.at.checked_sub(syn.at)?.max(Duration::from_micros(1));
    if syns.next().is_some() || clock.tick <= Duration::from_millis(1) {
        return None;
    }
    let rto = clock.ceil(rtt + RTO_MIN.max(2 * rtt));
    // In the middle of the last millisecond, so that later samples, which differ a little, do not pass its end.
    Some(rto.saturating_sub(rtt + Duration::from_micros(500)).as_micros() as u32)
}

/// `TCP_RTO_MIN`.
const RTO_MIN: Duration = Duration::from_millis(200);
