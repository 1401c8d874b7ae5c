//! A script runs against the stack, in virtual time: the clock moves to the next event, or to what the stack does
//! first.

mod expect;
mod inject;
mod tested;

use crate::ast::{Action, Block, Call, Event, Moment, Script, ScriptError, Setting, Time};
use crate::codec::{self, Sent};
use crate::notation::seconds;
use crate::python::Python;
use crate::shell::Shell;
use crate::sockets::{Answer, Host, Outcome, Progress, Sockets, eval};
use crate::{constants, info, parser};
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::net::IpAddr;
use longhaul::stack::{Config, Stack};
use longhaul::time::{Duration, Instant};
use tested::Tested;

/// How exactly the times of a script are meant, and whether a packet may be expected in one that is sent in several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tolerance {
    /// To the microsecond.
    Zero,
    /// As the original does: `--tolerance_usecs`, or an eighth of the wait; segments may be merged.
    Original,
}

/// The first error of a script.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: ScriptError,
    /// What happened before, a line each.
    pub(crate) trace: Vec<String>,
}

/// Runs a script; on failure the report says where, what was expected, and what happened before.
pub(crate) fn run(text: &str, tolerance: Tolerance) -> Result<(), Failure> {
    let untraced = |error| Failure { error, trace: Vec::new() };
    let script = parser::parse(text).map_err(untraced)?;
    let mut runner = Runner::new(&script, tolerance).map_err(untraced)?;
    let outcome = runner.script(&script);
    let cleanup = script.cleanup.as_ref().map_or(Ok(()), |command| runner.command(command));
    outcome.and(cleanup).map_err(|error| Failure { error, trace: runner.trace })
}

struct Runner {
    host: Host,
    sockets: Sockets,
    shell: Shell,
    python: Python,
    tested: Tested,
    settings: Settings,
    /// When the previous event happened.
    base: Instant,
    /// What the stack sent and the script has not come to yet.
    sent: VecDeque<(Instant, Sent)>,
    blocked: Option<Blocked>,
    /// Steps of the stack that are left to this script.
    steps_left: u32,
    trace: Vec<String>,
}

struct Settings {
    tolerance: Tolerance,
    tolerance_us: u64,
    /// The unit of script timestamps; 0: their values are not checked.
    tick_us: u64,
    /// A packet may be expected in one that is sent in several.
    merge: bool,
}

/// A call that has not returned, or whose return has not been checked.
struct Blocked {
    line: usize,
    call: Rc<Call>,
    progress: Progress,
    /// When it should return, and how long that takes.
    due: Instant,
    length: Duration,
    returned: Option<(Instant, Answer)>,
}

/// The clock's reading when a script starts.
const START: Instant = Instant::from_secs(1000);
/// How long after its time an event may still be waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Steps without progress of the clock before the stack is said to be stuck.
const STUCK_AFTER: usize = 10_000;
/// Steps of the stack in one script at most: with every timer at its longest, no connection needs a hundredth of it.
const STEPS_MAX: u32 = 200_000;
/// Stands for the random secret of a real stack.
const SECRET: [u8; 16] = *b"packetdrill test";

impl Runner {
    fn new(script: &Script, tolerance: Tolerance) -> Result<Self, ScriptError> {
        let host = host(LOCAL_V4, REMOTE_V4, MTU_V4).map_err(|message| ScriptError::new(1, message))?;
        let mut runner = Self {
            host,
            sockets: Sockets::default(),
            shell: Shell::default(),
            python: Python::default(),
            tested: Tested::default(),
            settings: Settings {
                tolerance,
                tolerance_us: TOLERANCE_US,
                tick_us: 0,
                merge: tolerance == Tolerance::Original,
            },
            base: START,
            sent: VecDeque::new(),
            blocked: None,
            steps_left: STEPS_MAX,
            trace: Vec::new(),
        };
        runner.apply(&script.options)?;
        Ok(runner)
    }

    /// Takes the options at the top of a script.
    fn apply(&mut self, options: &[Setting]) -> Result<(), ScriptError> {
        let options: Vec<&Setting> = options.iter().filter(|option| !option.is_definition).collect();
        let find = |wanted: &str| options.iter().rev().find(|option| option.name == wanted).copied();
        let text = |wanted: &str| find(wanted).map(|option| option.value.as_str());
        let number = |name: &str| match find(name) {
            None => Ok(None),
            Some(Setting { line, value, .. }) => {
                let wrong = |_| ScriptError::new(*line, format!("--{name}: not a number: {value}"));
                value.parse::<u32>().map(Some).map_err(wrong)
            }
        };
        if let Some(unknown) = options.iter().find(|option| !KNOWN_OPTIONS.contains(&option.name.as_str())) {
            return Err(ScriptError::new(unknown.line, format!("unknown option `--{}`", unknown.name)));
        }
        let v6 = match find("ip_version").map(|option| (option.value.as_str(), option.line)) {
            None | Some(("ipv4", _)) => false,
            Some(("ipv6", _)) => true,
            Some((other, line)) => return Err(ScriptError::new(line, format!("not supported: --ip_version={other}"))),
        };
        let (local, remote, mtu) = if v6 { (LOCAL_V6, REMOTE_V6, MTU_V6) } else { (LOCAL_V4, REMOTE_V4, MTU_V4) };
        let mtu = number("mtu")?.map_or(mtu, |mtu| mtu.min(u32::from(u16::MAX)) as u16);
        let local = text("local_ip").unwrap_or(local);
        let line = find("local_ip").or(find("remote_ip")).map_or(1, |option| option.line);
        let host = host(local, text("remote_ip").unwrap_or(remote), mtu);
        self.host = host.map_err(|message| ScriptError::new(line, message))?;
        self.settings.tolerance_us = number("tolerance_usecs")?.map_or(TOLERANCE_US, u64::from);
        self.settings.tick_us = number("tcp_ts_tick_usecs")?.map_or(0, u64::from);
        self.settings.merge &= find("strict_segments").is_none();
        self.tested = Tested::new(find("tcp_ts_ecr_scaled").is_some());
        // What we inject goes in as one packet of segments of this size. The stack takes its own announcement for the
        // size of a larger one.
        number("mss").map(drop)
    }

    fn script(&mut self, script: &Script) -> Result<(), ScriptError> {
        if let Some(init) = &script.init {
            self.command(init)?;
        }
        script.events.iter().try_for_each(|event| self.event(event))?;
        self.finish_blocked(PATIENCE)
    }

    fn event(&mut self, event: &Event) -> Result<(), ScriptError> {
        let fail = |message: String| ScriptError::new(event.line, message);
        if let Action::Outbound(packet) = &event.action {
            return self.expect(event, packet).map_err(fail);
        }
        let (Time::At(start) | Time::Span(start, _)) = event.time else {
            return Err(fail("a window is for expected packets".into()));
        };
        let begin = at(self.base, start);
        self.advance(begin).map_err(fail)?;
        if matches!(event.action, Action::Call(_)) {
            self.finish_blocked(CALL_PATIENCE)?;
        }
        let before = core::mem::replace(&mut self.base, self.host.now);
        let outcome = match &event.action {
            Action::Inbound(packet) => self.inject(packet),
            Action::Call(call) => {
                let due = match event.time {
                    Time::Span(_, end) => Some(at(before, end)),
                    _ => None,
                };
                self.call(event, call, due)
            }
            Action::Command(command) => {
                self.note(&format!("`{}`", command.text.trim()));
                return self.command(command);
            }
            Action::Code(code) => return self.code(code),
            Action::Outbound(_) => Ok(()),
        };
        outcome.map_err(fail)
    }

    fn call(&mut self, event: &Event, call: &Rc<Call>, due: Option<Instant>) -> Result<(), String> {
        if call.name == "socket" {
            self.tested.begin();
        }
        let now = self.host.now;
        let mut progress = Progress { started: now, written: 0 };
        let outcome = self.sockets.call(&mut self.host, call, &mut progress);
        self.note(&event.text);
        if let Some(flow) = self.sockets.connecting.take() {
            self.tested.select((flow.local.port(), flow.remote.port()));
        }
        self.collect()?;
        match (outcome?, due) {
            (Outcome::Done(answer), None) => check(call, &answer),
            (Outcome::Blocked, None) => Err("the call blocks, and the script does not say until when".into()),
            (outcome, Some(due)) => {
                let returned = match outcome {
                    Outcome::Done(answer) => Some((now, answer)),
                    Outcome::Blocked => None,
                };
                let length = due.since(now);
                self.blocked = Some(Blocked { line: event.line, call: call.clone(), progress, due, length, returned });
                Ok(())
            }
        }
    }

    /// Lets a blocked call return, for `patience` longer than it should take, and checks what it says.
    fn finish_blocked(&mut self, patience: Duration) -> Result<(), ScriptError> {
        let Some((line, until)) = self.blocked.as_ref().map(|blocked| (blocked.line, blocked.due + patience)) else {
            return Ok(());
        };
        let fail = |message: String| ScriptError::new(line, message);
        while self.blocked.as_ref().is_some_and(|blocked| blocked.returned.is_none()) {
            if !self.step(until).map_err(fail)? {
                return Err(fail("the call has not returned".into()));
            }
        }
        let Some(blocked) = self.blocked.take() else { return Ok(()) };
        let Some((at, answer)) = blocked.returned else { return Ok(()) };
        check(&blocked.call, &answer).map_err(fail)?;
        let tolerance = self.tolerance(blocked.length);
        let off = at.since(blocked.due).max(blocked.due.since(at));
        if off > tolerance {
            let (due, at) = (clock(blocked.due), clock(at));
            return Err(fail(format!("the call should return at {due} and did at {at}")));
        }
        Ok(())
    }

    /// How far from the written time an event may be that was to come after `wait`.
    fn tolerance(&self, wait: Duration) -> Duration {
        match self.settings.tolerance {
            Tolerance::Zero => Duration::ZERO,
            Tolerance::Original => (wait / 8).max(Duration::from_micros(self.settings.tolerance_us)),
        }
    }

    fn command(&mut self, command: &Block) -> Result<(), ScriptError> {
        let outcome = self.shell.run(&mut self.host, &command.text);
        outcome.map_err(|(line, message)| ScriptError::new(command.line + line, message))?;
        // A setting may let something leave.
        self.collect().map(drop).map_err(|message| ScriptError::new(command.line, message))
    }

    fn code(&mut self, code: &Block) -> Result<(), ScriptError> {
        let info = self.tested.ports().and_then(|ports| info::of(&mut self.host, ports));
        let outcome = self.python.run(&code.text, &|name| info::lookup(info.as_ref(), name));
        outcome.map_err(|(line, message)| ScriptError::new(code.line + line, message))
    }

    /// Moves the clock to `until`, running what falls due on the way, in order.
    fn advance(&mut self, until: Instant) -> Result<(), String> {
        while self.step(until)? {}
        if until > self.host.now {
            self.host.now = until;
            // A wheel may be behind by less than its tick.
            self.host.stack.handle_timeout(until);
            self.collect()?;
        }
        Ok(())
    }

    /// Lets the stack do the next thing that is due by `until`; false if there is none.
    fn step(&mut self, until: Instant) -> Result<bool, String> {
        let waiting = self.blocked.as_ref().filter(|blocked| blocked.returned.is_none()).map(|blocked| blocked.due);
        let waiting = waiting.filter(|&due| due > self.host.now);
        for _ in 0..STUCK_AFTER {
            let next = self.host.stack.poll_timeout().into_iter().chain(waiting).min();
            let Some(next) = next.filter(|&next| next <= until) else { return Ok(false) };
            let left = self.steps_left.checked_sub(1);
            self.steps_left = left.ok_or_else(|| format!("the script goes on for more than {STEPS_MAX} steps"))?;
            let moved = next > self.host.now;
            self.host.now = self.host.now.max(next);
            self.host.stack.handle_timeout(self.host.now);
            if self.collect()? || moved {
                return Ok(true);
            }
        }
        Err("the stack wants to be called again and again, and does nothing".into())
    }

    /// Takes what the stack wants to send now; true if there was something. A call that goes on for that may give the
    /// stack more to send.
    fn collect(&mut self) -> Result<bool, String> {
        let mut packet = vec![0; usize::from(u16::MAX)];
        let mut any = false;
        loop {
            while let Some(transmit) = self.host.stack.poll_transmit(self.host.now, &mut packet) {
                any = true;
                let sent = codec::decode(&packet[..transmit.len]).map_err(|error| format!("the stack sent {error}"))?;
                self.sent.push_back((self.host.now, sent));
            }
            self.host.stack.check();
            if !self.resume_blocked()? {
                return Ok(any);
            }
        }
    }

    /// Asks a blocked call again; true if it got further.
    fn resume_blocked(&mut self) -> Result<bool, String> {
        let Some(blocked) = self.blocked.as_mut().filter(|blocked| blocked.returned.is_none()) else {
            return Ok(false);
        };
        let written = blocked.progress.written;
        if let Outcome::Done(answer) = self.sockets.call(&mut self.host, &blocked.call, &mut blocked.progress)? {
            blocked.returned = Some((self.host.now, answer));
        }
        Ok(blocked.returned.is_some() || blocked.progress.written > written)
    }

    fn note(&mut self, what: &str) {
        let line = what.split_whitespace().collect::<Vec<_>>().join(" ");
        self.trace.push(format!("{} {line}", clock(self.host.now)));
    }
}

/// A fresh stack with these addresses.
fn host(local: &str, remote: &str, mtu: u16) -> Result<Host, String> {
    let parse = |address: &str| address.parse().map_err(|_| format!("not an address: {address}"));
    let (local, remote) = (parse(local)?, parse(remote)?);
    let config = match local {
        IpAddr::V4(v4) => Config::new(SECRET).with_ipv4(v4),
        IpAddr::V6(v6) => Config::new(SECRET).with_ipv6(v6),
    };
    Ok(Host { stack: Stack::new(START, config.with_mtu(mtu)), now: START, local, remote })
}

/// The instant that a script means.
fn at(base: Instant, moment: Moment) -> Instant {
    (if moment.relative { base } else { START }) + Duration::from_micros(moment.micros)
}

/// An instant, as a script writes it.
fn clock(at: Instant) -> String {
    seconds(at.since(START).as_micros() as u64)
}

/// Compares what a call returned with what the script says.
fn check(call: &Call, answer: &Answer) -> Result<(), String> {
    let Some(result) = &call.result else { return Ok(()) };
    let expected = eval(result)?;
    if let Some(name) = call.errno.as_deref().filter(|name| constants::errno(name).is_none()) {
        return Err(format!("unknown error `{name}`"));
    }
    let (agrees, actual) = match answer {
        Ok(value) => (expected == *value && call.errno.is_none(), value.to_string()),
        Err(errno) => {
            let named = call.errno.as_deref().is_none_or(|name| constants::same_errno(name, errno));
            (expected == -1 && named, format!("-1 {errno}"))
        }
    };
    let expected = call.errno.as_ref().map_or(expected.to_string(), |errno| format!("{expected} {errno}"));
    if agrees { Ok(()) } else { Err(format!("{}: expected {expected}, got {actual}", call.name)) }
}

/// Options that mean something here, and those that name tools of the original: what they say does not matter.
const KNOWN_OPTIONS: &[&str] = &[
    "debug",
    "gateway_ip",
    "init_scripts",
    "ip_version",
    "local_ip",
    "mss",
    "mtu",
    "netmask_ip",
    "remote_ip",
    "strict_segments",
    "tcp_ts_ecr_scaled",
    "tcp_ts_tick_usecs",
    "tolerance_usecs",
    "verbose",
];
/// How long a call may keep the next one waiting.
const CALL_PATIENCE: Duration = Duration::from_secs(1);
const LOCAL_V4: &str = "192.168.0.1";
const REMOTE_V4: &str = "192.0.2.1";
const LOCAL_V6: &str = "fd3d:0a0b:17d6::1";
const REMOTE_V6: &str = "fd3d:fa7b:d17d::1";
const MTU_V4: u16 = 1500;
/// So that the MSS is the same over both versions of IP.
const MTU_V6: u16 = 1520;
/// How far off an event may be at least, unless the script says otherwise.
const TOLERANCE_US: u64 = 4000;
