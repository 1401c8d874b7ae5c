//! The calls of a script, made on the stack: descriptors, blocking, and Linux's error numbers.

mod address;
mod data;
mod ignored;
mod options;
mod poll;

use crate::ast::{Call, Expr};
use crate::constants::{self, SOCK_CLOEXEC, SOCK_NONBLOCK};
use alloc::collections::BTreeMap;
use core::net::{IpAddr, SocketAddr};
use longhaul::options::Options;
use longhaul::stack::{ConnId, ConnectError, ListenerId, Stack};
use longhaul::tcp::State;
use longhaul::time::Instant;
use longhaul::wire::Flow;

/// A stack with its clock and addresses.
pub(crate) struct Host {
    pub(crate) stack: Stack,
    pub(crate) now: Instant,
    pub(crate) local: IpAddr,
    pub(crate) remote: IpAddr,
}

/// The port that `...` means, on both sides.
pub(crate) const PORT: u16 = 8080;

/// What a call returned: a number, or the name of an error.
pub(crate) type Answer = Result<i64, String>;

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done(Answer),
    /// It blocks; ask again when something changed.
    Blocked,
}

/// A call under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) started: Instant,
    /// Bytes that a blocking write has queued so far.
    pub(crate) written: usize,
}

#[derive(Default)]
pub(crate) struct Sockets {
    open: BTreeMap<i64, Socket>,
    /// The flow of a `connect` that was just begun; for the runner to take.
    pub(crate) connecting: Option<Flow>,
    /// A socket asked for fast open.
    pub(crate) fast_open: bool,
    /// A socket asked for fragments instead of smaller segments (`IP_PMTUDISC_DONT`).
    pub(crate) fragments: bool,
    /// The port of the latest listener.
    listening: Option<u16>,
}

struct Socket {
    kind: Kind,
    options: Options,
    nonblocking: bool,
    /// Options that change nothing here, as they were set.
    ignored: BTreeMap<String, i64>,
    port: u16,
}

#[derive(Clone, Copy)]
enum Kind {
    Fresh,
    Listener(ListenerId),
    /// `told`: a `connect` has reported success or failure of the handshake.
    Conn {
        id: ConnId,
        told: bool,
    },
}

/// Calls of the language that cannot be run yet.
const NOT_SUPPORTED: &[&str] =
    &["epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "sendfile", "splice", "pipe", "open", "cap_set"];

impl Sockets {
    /// Makes a call, or asks again what became of a blocked one.
    pub(crate) fn call(&mut self, host: &mut Host, call: &Call, progress: &mut Progress) -> Result<Outcome, String> {
        match call.name.as_str() {
            "socket" => self.socket(call),
            "bind" => self.bind(host, call),
            "listen" => self.listen(host, call),
            "accept" | "accept4" => self.accept(host, call),
            "connect" => self.connect(host, call),
            "read" | "readv" | "recv" | "recvfrom" | "recvmsg" => self.read(host, call),
            "write" | "writev" | "send" | "sendto" | "sendmsg" => self.write(host, call, progress),
            "close" => self.close(host, call),
            "shutdown" => self.shutdown(host, call),
            "fcntl" => self.fcntl(call),
            "ioctl" => self.ioctl(host, call),
            "setsockopt" => self.setsockopt(host, call),
            "getsockopt" => self.getsockopt(host, call),
            "poll" => self.poll(host, call, progress),
            name if NOT_SUPPORTED.contains(&name) => Err(format!("not supported: {name}")),
            name => Err(format!("unknown call `{name}`")),
        }
    }

    fn socket(&mut self, call: &Call) -> Result<Outcome, String> {
        let kind = eval(arg(call, 1)?)?;
        if kind & !(SOCK_NONBLOCK | SOCK_CLOEXEC) != 1 {
            return Err("not supported: a socket that is not SOCK_STREAM".into());
        }
        let protocol = eval(arg(call, 2)?)?;
        if protocol != 0 && protocol != 6 {
            return Err(format!("not supported: protocol {protocol}"));
        }
        let nonblocking = kind & SOCK_NONBLOCK != 0;
        let socket =
            Socket { kind: Kind::Fresh, options: Options::new(), nonblocking, ignored: BTreeMap::new(), port: 0 };
        self.insert(call, socket)
    }

    /// Gives a new socket the number that the script gives it.
    fn insert(&mut self, call: &Call, socket: Socket) -> Result<Outcome, String> {
        let next = self.open.last_key_value().map_or(3, |(fd, _)| fd + 1);
        let fd = call.result.as_ref().map_or(Ok(next), eval)?;
        if fd >= 0 {
            if self.open.contains_key(&fd) {
                return Err(format!("descriptor {fd} is open already"));
            }
            self.open.insert(fd, socket);
            return done(fd);
        }
        done(next)
    }

    fn bind(&mut self, host: &Host, call: &Call) -> Result<Outcome, String> {
        let port = address::port(arg(call, 1)?, host.local)?;
        let Some(socket) = self.get(call)? else { return failed("EBADF") };
        if socket.port != 0 || !matches!(socket.kind, Kind::Fresh) {
            return failed("EINVAL");
        }
        socket.port = port;
        done(0)
    }

    fn listen(&mut self, host: &mut Host, call: &Call) -> Result<Outcome, String> {
        let backlog = u16::try_from(eval(arg(call, 1)?)?.max(0)).unwrap_or(u16::MAX);
        let Some(socket) = self.get(call)? else { return failed("EBADF") };
        if !matches!(socket.kind, Kind::Fresh) {
            return failed("EINVAL");
        }
        let port = if socket.port == 0 { PORT } else { socket.port };
        match host.stack.listen(SocketAddr::new(host.local, port), backlog, socket.options) {
            Ok(id) => socket.kind = Kind::Listener(id),
            Err(_) => return failed("EADDRINUSE"),
        }
        self.listening = Some(port);
        done(0)
    }

    fn accept(&mut self, host: &mut Host, call: &Call) -> Result<Outcome, String> {
        let flags = call.args.get(3).map_or(Ok(0), eval)?;
        let Some(socket) = self.get(call)? else { return failed("EBADF") };
        let Kind::Listener(listener) = socket.kind else { return failed("EINVAL") };
        let (nonblocking, ignored, port) = (socket.nonblocking, socket.ignored.clone(), socket.port);
        let Some(id) = host.stack.accept(listener) else { return or_again(nonblocking) };
        let options = host.stack.conn(id).map_or(Options::new(), |conn| conn.options());
        let kind = Kind::Conn { id, told: true };
        self.insert(call, Socket { kind, options, nonblocking: flags & SOCK_NONBLOCK != 0, ignored, port })
    }

    fn connect(&mut self, host: &mut Host, call: &Call) -> Result<Outcome, String> {
        let port = address::port(arg(call, 1)?, host.remote)?;
        let Some(socket) = self.get(call)? else { return failed("EBADF") };
        match socket.kind {
            Kind::Listener(_) => return failed("EISCONN"),
            Kind::Conn { id, told } => {
                let nonblocking = socket.nonblocking;
                let answer = connected(host, id, told, nonblocking)?;
                if let Outcome::Done(result) = &answer
                    && result.as_ref().map_or_else(|name| name != "EALREADY", |_| true)
                {
                    socket.kind = Kind::Conn { id, told: true };
                }
                return Ok(answer);
            }
            Kind::Fresh => {}
        }
        let (remote, local) = (SocketAddr::new(host.remote, port), SocketAddr::new(host.local, socket.port));
        let id = match host.stack.connect(host.now, Some(local), remote, socket.options) {
            Ok(id) => id,
            Err(ConnectError::InUse | ConnectError::PortsExhausted) => return failed("EADDRNOTAVAIL"),
            Err(error) => return Err(error.to_string()),
        };
        socket.kind = Kind::Conn { id, told: false };
        let nonblocking = socket.nonblocking;
        self.connecting = host.stack.conn(id).map(|conn| conn.flow());
        if nonblocking { failed("EINPROGRESS") } else { Ok(Outcome::Blocked) }
    }

    fn close(&mut self, host: &mut Host, call: &Call) -> Result<Outcome, String> {
        let fd = eval(arg(call, 0)?)?;
        let Some(socket) = self.open.remove(&fd) else { return failed("EBADF") };
        match socket.kind {
            Kind::Fresh => {}
            Kind::Listener(id) => host.stack.close_listener(host.now, id),
            Kind::Conn { id, .. } => {
                let now = host.now;
                let conn = host.stack.conn(id).ok_or("the connection is gone")?;
                if conn.options().linger().is_some_and(|linger| !linger.is_zero()) {
                    return Err("not supported: close() that lingers".into());
                }
                conn.close(now);
            }
        }
        done(0)
    }

    fn shutdown(&mut self, host: &mut Host, call: &Call) -> Result<Outcome, String> {
        let how = eval(arg(call, 1)?)?;
        let Some(socket) = self.get(call)? else { return failed("EBADF") };
        let Kind::Conn { id, .. } = socket.kind else { return failed("ENOTCONN") };
        let now = host.now;
        let mut conn = host.stack.conn(id).ok_or("the connection is gone")?;
        if conn.state() == State::Closed {
            return failed("ENOTCONN");
        }
        if !(0..=2).contains(&how) {
            return failed("EINVAL");
        }
        if how != 1 {
            conn.stop_receiving();
        }
        if how != 0 {
            conn.finish(now);
        }
        done(0)
    }

    fn fcntl(&mut self, call: &Call) -> Result<Outcome, String> {
        let nonblock = constants::value("O_NONBLOCK").unwrap_or(0);
        let Expr::Word(command) = arg(call, 1)? else { return Err("fcntl: a command expected".into()) };
        let flags = call.args.get(2).map_or(Ok(0), eval);
        let Some(socket) = self.get(call)? else { return failed("EBADF") };
        match command.as_str() {
            "F_GETFL" => done(2 | if socket.nonblocking { nonblock } else { 0 }),
            "F_SETFL" => {
                socket.nonblocking = flags? & nonblock != 0;
                done(0)
            }
            other => Err(format!("unknown command of fcntl `{other}`")),
        }
    }

    fn ioctl(&mut self, host: &mut Host, call: &Call) -> Result<Outcome, String> {
        let Expr::Word(request) = arg(call, 1)? else { return Err("ioctl: a request expected".into()) };
        let Some(socket) = self.get(call)? else { return failed("EBADF") };
        let Kind::Conn { id, .. } = socket.kind else { return failed("EINVAL") };
        let conn = host.stack.conn(id).ok_or("the connection is gone")?;
        let value = match request.as_str() {
            "SIOCINQ" | "FIONREAD" => conn.readable(),
            "SIOCOUTQ" | "TIOCOUTQ" => conn.send_queue(),
            other => return Err(format!("unknown request of ioctl `{other}`")),
        };
        check_output(arg(call, 2)?, signed(value))?;
        done(0)
    }

    /// The socket of a call's first argument, if it is open.
    fn get(&mut self, call: &Call) -> Result<Option<&mut Socket>, String> {
        let fd = eval(arg(call, 0)?)?;
        Ok(self.open.get_mut(&fd))
    }

    /// Our port of a connection that the peer opens.
    pub(crate) fn local_port(&self) -> u16 {
        self.listening.unwrap_or(PORT)
    }
}

/// What `connect` on a socket that has a connection says.
fn connected(host: &mut Host, id: ConnId, told: bool, nonblocking: bool) -> Result<Outcome, String> {
    let mut conn = host.stack.conn(id).ok_or("the connection is gone")?;
    match conn.state() {
        State::SynSent | State::SynReceived if nonblocking => failed("EALREADY"),
        State::SynSent | State::SynReceived => Ok(Outcome::Blocked),
        State::Closed => failed(&conn.take_error().map_or("ECONNABORTED".into(), |error| error.errno().to_string())),
        _ if told => failed("EISCONN"),
        _ => done(0),
    }
}

// What a call returns stands at the end of functions that may find the script at fault, too.
#[allow(clippy::unnecessary_wraps)]
pub(crate) fn done(value: i64) -> Result<Outcome, String> {
    Ok(Outcome::Done(Ok(value)))
}

#[allow(clippy::unnecessary_wraps)]
pub(crate) fn failed(errno: &str) -> Result<Outcome, String> {
    Ok(Outcome::Done(Err(errno.to_owned())))
}

/// A length as calls return it.
fn signed(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

fn or_again(nonblocking: bool) -> Result<Outcome, String> {
    if nonblocking { failed("EAGAIN") } else { Ok(Outcome::Blocked) }
}

fn arg(call: &Call, index: usize) -> Result<&Expr, String> {
    call.args.get(index).ok_or_else(|| format!("{}: argument {} is missing", call.name, index + 1))
}

fn field<'e>(fields: &'e [Expr], name: &str) -> Option<&'e Expr> {
    fields.iter().find_map(|field| match field {
        Expr::Field(known, value) if known == name => Some(&**value),
        _ => None,
    })
}

/// Compares what a call wrote with `[expected]`, or with `...`.
fn check_output(expected: &Expr, actual: i64) -> Result<(), String> {
    let expected = match expected {
        Expr::Any => return Ok(()),
        Expr::List(items) if items.len() == 1 => eval(&items[0])?,
        _ => return Err("[value] expected".into()),
    };
    if expected == actual { Ok(()) } else { Err(format!("value: expected {expected}, got {actual}")) }
}

/// The value of an argument.
pub(crate) fn eval(expr: &Expr) -> Result<i64, String> {
    match expr {
        Expr::Int(value) => Ok(*value),
        Expr::Word(name) => constants::value(name).ok_or_else(|| format!("unknown name `{name}`")),
        Expr::Or(parts) => parts.iter().try_fold(0, |bits, part| Ok(bits | eval(part)?)),
        other => Err(format!("a number expected, not {other:?}")),
    }
}
