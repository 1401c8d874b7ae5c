//! The scenario against the running kernel: its socket in a namespace of its own, the peer played through the TUN.

use crate::scenario::{Act, On, Opening, Reply, Scenario};
use crate::segment::Peer;
use crate::timeline::{Entry, What};
use core::net::SocketAddr;
use core::time::Duration;
use longhaul::net::namespace::Family;
use longhaul::net::{Namespace, Tun};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio, read};
use rustix::net::{SendFlags, Shutdown, accept, bind, connect, listen, send, shutdown, sockopt};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::time::Instant;

/// Who connects, and where to.
const CALLER_PORT: u16 = 40_000;
const CALLED_PORT: u16 = 8080;

/// The subject's end and the peer's.
pub(crate) fn ends(scenario: &Scenario) -> (SocketAddr, SocketAddr) {
    let (subject, peer) = match scenario.opening {
        Opening::Connect | Opening::Call => (CALLER_PORT, CALLED_PORT),
        Opening::Accept | Opening::Knock => (CALLED_PORT, CALLER_PORT),
    };
    if scenario.is_v6 {
        return (([0xfd00, 0, 0, 0, 0, 0, 0, 1], subject).into(), ([0xfd00, 0, 0, 0, 0, 0, 0, 2], peer).into());
    }
    (([10, 0, 0, 1], subject).into(), ([10, 0, 0, 2], peer).into())
}

/// Namespaces are made one at a time: their making takes one lock in the kernel, and more than a tick.
static MAKING: Mutex<()> = Mutex::new(());

/// A life, and when it began.
pub(crate) struct Life {
    pub(crate) start: Instant,
    pub(crate) timeline: Vec<Entry>,
}

/// What the kernel did. `None` where there is no namespace to be had.
pub(crate) fn run(scenario: &Scenario) -> io::Result<Option<Life>> {
    let mut builder = Namespace::builder().with_sysctl("net.ipv4.tcp_no_metrics_save", "1");
    for (name, value) in &scenario.sysctls {
        builder = builder.with_sysctl(&format!("net.ipv4.{name}"), value);
    }
    let making = MAKING.lock();
    let Some((namespace, tun)) = builder.start_or_skip(scenario.name) else { return Ok(None) };
    let (subject, peer) = ends(scenario);
    let socket = namespace.tcp_socket(Family::of(subject))?;
    drop(making);
    ioctl_fionbio(&socket, true)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &subject)?;
    let mut rig = Rig {
        peer: Peer::new(scenario, subject, peer),
        tun,
        socket: None,
        listener: None,
        dead: false,
        start: Instant::now(),
        marked: None,
        coming: Vec::new(),
        rules: scenario.rules.iter().map(|rule| (rule.on, rule.times, rule.reply.clone())).collect(),
        scenario,
        timeline: Vec::new(),
    };
    rig.open(socket, peer)?;
    rig.watch()?;
    Ok(Some(Life { start: rig.start, timeline: rig.timeline }))
}

struct Rig<'s> {
    scenario: &'s Scenario,
    peer: Peer,
    tun: Tun,
    socket: Option<OwnedFd>,
    listener: Option<OwnedFd>,
    /// Its error was taken.
    dead: bool,
    start: Instant,
    /// When the acts began to count.
    marked: Option<Duration>,
    /// What is to be done when, earliest first.
    coming: Vec<(Duration, Act)>,
    rules: Vec<(On, u32, Reply)>,
    timeline: Vec<Entry>,
}

impl Rig<'_> {
    fn open(&mut self, socket: OwnedFd, peer: SocketAddr) -> io::Result<()> {
        for act in &self.scenario.before {
            set_option(&socket, act)?;
        }
        let syn = self.scenario.peers_syn();
        match self.scenario.opening {
            Opening::Connect | Opening::Call => {
                self.start = Instant::now();
                if connect(&socket, &peer) != Err(Errno::INPROGRESS) {
                    return Err(io::Error::other("connect() did not begin"));
                }
                self.socket = Some(socket);
                if self.scenario.opening == Opening::Connect {
                    self.rules.push((On::Syn, 1, Reply::Text(syn)));
                } else {
                    self.mark();
                }
            }
            Opening::Accept | Opening::Knock => {
                listen(&socket, 1)?;
                self.listener = Some(socket);
                self.start = Instant::now();
                self.act(Act::Hear(syn))?;
                if self.scenario.opening == Opening::Accept {
                    self.rules.push((On::Syn, 1, Reply::Ack(u16::MAX)));
                } else {
                    self.mark();
                }
            }
        }
        Ok(())
    }

    /// From now on the acts count.
    fn mark(&mut self) {
        let now = self.start.elapsed();
        self.marked = Some(now);
        for (at, act) in &self.scenario.acts {
            self.coming.push((now + *at, act.clone()));
        }
        self.coming.sort_by_key(|(at, _)| *at);
    }

    fn watch(&mut self) -> io::Result<()> {
        // A handshake that should succeed and does not.
        let patience = Duration::from_secs(10);
        loop {
            self.listen_to_packets()?;
            self.look_at_sockets()?;
            let now = self.start.elapsed();
            if self.coming.first().is_some_and(|(at, _)| *at <= now) {
                let (_, act) = self.coming.remove(0);
                self.act(act)?;
                continue;
            }
            let end = self.marked.map_or(patience, |marked| marked + self.scenario.until);
            if now >= end {
                self.timeline.push(Entry { at: now, what: What::End });
                return Ok(());
            }
            let next = self.coming.first().map_or(end, |(at, _)| end.min(*at));
            self.sleep(next.saturating_sub(now))?;
        }
    }

    fn sleep(&self, wait: Duration) -> io::Result<()> {
        let mut fds = vec![PollFd::new(&self.tun, PollFlags::IN)];
        fds.extend(self.listener.iter().map(|listener| PollFd::new(listener, PollFlags::IN)));
        let living = self.socket.iter().filter(|_| !self.dead);
        fds.extend(living.map(|socket| PollFd::new(socket, PollFlags::empty())));
        let wait = Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() };
        match poll(&mut fds, Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn listen_to_packets(&mut self) -> io::Result<()> {
        let mut packet = [0; 2000];
        loop {
            let len = match self.tun.recv(&mut packet) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                len => len?,
            };
            let at = self.start.elapsed();
            let Some((seen, kind)) = self.peer.hear(&packet[..len]) else { continue };
            self.timeline.push(Entry { at, what: What::Sent(seen) });
            let rule = self.rules.iter_mut().find(|(on, left, _)| Some(*on) == kind && *left > 0);
            if let Some((_, left, reply)) = rule {
                *left = left.saturating_sub(1);
                let act = match reply {
                    Reply::Ack(window) => Act::Hear(self.peer.ack(*window)),
                    Reply::Text(text) => Act::Hear(text.clone()),
                    Reply::Icmp(kind) => Act::Icmp(*kind, seen.seq.cast_unsigned()),
                    Reply::Nothing => continue,
                };
                self.coming.push((at + self.scenario.rtt, act));
                self.coming.sort_by_key(|(at, _)| *at);
            }
        }
    }

    fn look_at_sockets(&mut self) -> io::Result<()> {
        if let Some(listener) = &self.listener
            && self.socket.is_none()
            && self.scenario.opening == Opening::Accept
        {
            match accept(listener) {
                Ok(socket) => {
                    ioctl_fionbio(&socket, true)?;
                    self.socket = Some(socket);
                    let at = self.start.elapsed();
                    self.timeline.push(Entry { at, what: What::Did(Act::Accept, Ok(0)) });
                    self.listener = None;
                    self.mark();
                }
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(socket) = self.socket.as_ref().filter(|_| !self.dead) {
            let mut fd = [PollFd::new(socket, PollFlags::empty())];
            poll(&mut fd, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
            if fd[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
                self.dead = true;
                if let Err(error) = sockopt::socket_error(socket)? {
                    let at = self.start.elapsed();
                    self.timeline.push(Entry { at, what: What::Died(error.raw_os_error()) });
                }
            }
        }
        Ok(())
    }

    /// Does it, and notes when: just before, since timers may begin with it.
    fn act(&mut self, act: Act) -> io::Result<()> {
        let at = self.start.elapsed();
        let is_last_of_handshake = self.marked.is_none() && matches!(act, Act::Hear(_));
        let result = match &act {
            Act::Hear(text) => {
                let packet = self.peer.speak(text, at);
                self.tun.send(&packet).map(|()| 0)
            }
            Act::Icmp(kind, seq) => self.tun.send(&self.peer.icmp(*kind, *seq)).map(|()| 0),
            Act::Close => {
                self.socket = None;
                Ok(0)
            }
            _ => {
                let socket = self.socket.as_ref().ok_or_else(|| io::Error::other("no socket to act on"))?;
                call(socket, &act)
            }
        };
        let result = result.map_err(|error| error.raw_os_error().unwrap_or(0));
        self.timeline.push(Entry { at, what: What::Did(act, result) });
        if is_last_of_handshake && self.scenario.opening == Opening::Connect {
            self.mark();
        }
        Ok(())
    }
}

fn call(socket: &OwnedFd, act: &Act) -> io::Result<usize> {
    match act {
        Act::Write(len) => Ok(send(socket, &vec![0; *len], SendFlags::NOSIGNAL)?),
        Act::Read(len) => Ok(read(socket, &mut *vec![0; *len])?),
        Act::Finish => Ok(shutdown(socket, Shutdown::Write).map(|()| 0)?),
        act => set_option(socket, act).map(|()| 0),
    }
}

fn set_option(socket: &OwnedFd, act: &Act) -> io::Result<()> {
    let seconds = |secs: u32| Duration::from_secs(secs.into());
    Ok(match *act {
        Act::Keepalive(on) => sockopt::set_socket_keepalive(socket, on),
        Act::KeepIdle(secs) => sockopt::set_tcp_keepidle(socket, seconds(secs)),
        Act::KeepIntvl(secs) => sockopt::set_tcp_keepintvl(socket, seconds(secs)),
        Act::KeepCnt(count) => sockopt::set_tcp_keepcnt(socket, count),
        Act::UserTimeout(millis) => sockopt::set_tcp_user_timeout(socket, millis),
        Act::Nodelay(on) => sockopt::set_tcp_nodelay(socket, on),
        Act::LingerZero => sockopt::set_socket_linger(socket, Some(Duration::ZERO)),
        Act::ThinLinear(on) => sockopt::set_tcp_thin_linear_timeouts(socket, on),
        _ => return Err(io::Error::other(format!("{act:?} is no option"))),
    }?)
}
