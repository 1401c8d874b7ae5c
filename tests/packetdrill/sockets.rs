//! The calls of a script, made on the stack: descriptors, blocking, and Linux's error numbers.

mod options;
mod poll;

use crate::ast::{Call, Expr};
use crate::constants::{self, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_PEEK, SOCK_CLOEXEC, SOCK_NONBLOCK};
use alloc::collections::BTreeMap;
use core::net::{IpAddr, SocketAddr};
use longhaul::error::Error;
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
    /// The flow of the latest `connect`, until the next `socket`.
    pub(crate) flow: Option<Flow>,
}

struct Socket {
    kind: Kind,
    options: Options,
    nonblocking: bool,
    reuse_address: bool,
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
const NOT_SUPPORTED: &[&str] = &[
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "sendto",
    "recvfrom",
    "recvmsg",
    "sendfile",
    "splice",
    "pipe",
    "open",
    "cap_set",
];

impl Sockets {
    /// Makes a call, or asks again what became of a blocked one.
    pub(crate) fn call(&mut self, host: &mut Host, call: &Call, progress: &mut Progress) -> Result<Outcome, String> {
        match call.name.as_str() {
            "socket" => self.socket(call),
            "bind" => self.bind(call),
            "listen" => self.listen(host, call),
            "accept" | "accept4" => self.accept(host, call),
            "connect" => self.connect(host, call),
            "read" | "recv" => self.read(host, call),
            "write" | "send" | "writev" | "sendmsg" => self.write(host, call, progress),
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
        self.flow = None;
        let nonblocking = kind & SOCK_NONBLOCK != 0;
        let socket = Socket { kind: Kind::Fresh, options: Options::new(), nonblocking, reuse_address: false, port: 0 };
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

    fn bind(&mut self, call: &Call) -> Result<Outcome, String> {
        supplied(arg(call, 1)?)?;
        self.get(call)?.port = PORT;
        done(0)
    }

    fn listen(&mut self, host: &mut Host, call: &Call) -> Result<Outcome, String> {
        let backlog = u16::try_from(eval(arg(call, 1)?)?.max(0)).unwrap_or(u16::MAX);
        let socket = self.get(call)?;
        if !matches!(socket.kind, Kind::Fresh) {
            return failed("EINVAL");
        }
        let port = if socket.port == 0 { PORT } else { socket.port };
        match host.stack.listen(SocketAddr::new(host.local, port), backlog, socket.options) {
            Ok(id) => socket.kind = Kind::Listener(id),
            Err(_) => return failed("EADDRINUSE"),
        }
        done(0)
    }

    fn accept(&mut self, host: &mut Host, call: &Call) -> Result<Outcome, String> {
        let flags = call.args.get(3).map_or(Ok(0), eval)?;
        let socket = self.get(call)?;
        let Kind::Listener(listener) = socket.kind else { return failed("EINVAL") };
        let (nonblocking, reuse_address, port) = (socket.nonblocking, socket.reuse_address, socket.port);
        let Some(id) = host.stack.accept(listener) else { return or_again(nonblocking) };
        let options = host.stack.conn(id).map_or(Options::new(), |conn| conn.options());
        let kind = Kind::Conn { id, told: true };
        self.insert(call, Socket { kind, options, nonblocking: flags & SOCK_NONBLOCK != 0, reuse_address, port })
    }

    fn connect(&mut self, host: &mut Host, call: &Call) -> Result<Outcome, String> {
        supplied(arg(call, 1)?)?;
        let socket = self.get(call)?;
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
        let (remote, local) = (SocketAddr::new(host.remote, PORT), SocketAddr::new(host.local, socket.port));
        let id = match host.stack.connect(host.now, Some(local), remote, socket.options) {
            Ok(id) => id,
            Err(ConnectError::InUse | ConnectError::PortsExhausted) => return failed("EADDRNOTAVAIL"),
            Err(error) => return Err(error.to_string()),
        };
        socket.kind = Kind::Conn { id, told: false };
        let nonblocking = socket.nonblocking;
        self.flow = host.stack.conn(id).map(|conn| conn.flow());
        if nonblocking { failed("EINPROGRESS") } else { Ok(Outcome::Blocked) }
    }

    fn read(&mut self, host: &mut Host, call: &Call) -> Result<Outcome, String> {
        let len = eval(arg(call, 2)?)?;
        let flags = call.args.get(3).map_or(Ok(0), eval)?;
        if flags & !(MSG_DONTWAIT | MSG_PEEK | MSG_NOSIGNAL) != 0 {
            return Err(format!("not supported: recv with flags {flags:#x}"));
        }
        let socket = self.get(call)?;
        let nonblocking = socket.nonblocking || flags & MSG_DONTWAIT != 0;
        let Kind::Conn { id, .. } = socket.kind else { return failed("ENOTCONN") };
        let now = host.now;
        let mut buffer = vec![0xa5; usize::try_from(len).map_err(|_| "a negative length")?];
        let mut conn = host.stack.conn(id).ok_or("the connection is gone")?;
        if flags & MSG_PEEK != 0 && conn.readable() > 0 {
            return done(signed(conn.peek(&mut buffer)));
        }
        match conn.read(now, &mut buffer) {
            Ok(len) if buffer[..len].iter().any(|&byte| byte != 0) => Err("read bytes that were never sent".into()),
            Ok(len) => done(signed(len)),
            Err(Error::WouldBlock) => or_again(nonblocking),
            Err(error) => failed(&error.errno().to_string()),
        }
    }

    fn write(&mut self, host: &mut Host, call: &Call, progress: &mut Progress) -> Result<Outcome, String> {
        let (len, flags) = message(call)?;
        if flags & !(MSG_DONTWAIT | MSG_NOSIGNAL) != 0 {
            return Err(format!("not supported: send with flags {flags:#x}"));
        }
        let socket = self.get(call)?;
        let nonblocking = socket.nonblocking || flags & MSG_DONTWAIT != 0;
        let Kind::Conn { id, .. } = socket.kind else { return failed("EPIPE") };
        let now = host.now;
        let mut conn = host.stack.conn(id).ok_or("the connection is gone")?;
        if conn.state() == State::SynSent {
            return or_again(nonblocking);
        }
        let left = len.saturating_sub(progress.written);
        match conn.send(now, vec![0; left].into()) {
            Ok(rest) => progress.written += left - rest.len(),
            Err(_) if progress.written > 0 => return done(signed(progress.written)),
            Err(error) => return failed(&error.errno().to_string()),
        }
        match progress.written {
            written if written == len => done(signed(len)),
            written if nonblocking && written > 0 => done(signed(written)),
            _ => or_again(nonblocking),
        }
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
        let Kind::Conn { id, .. } = self.get(call)?.kind else { return failed("ENOTCONN") };
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
        let socket = self.get(call)?;
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
        let Kind::Conn { id, .. } = self.get(call)?.kind else { return failed("EINVAL") };
        let conn = host.stack.conn(id).ok_or("the connection is gone")?;
        let value = match request.as_str() {
            "SIOCINQ" | "FIONREAD" => conn.readable(),
            "SIOCOUTQ" | "TIOCOUTQ" => conn.send_queue(),
            other => return Err(format!("unknown request of ioctl `{other}`")),
        };
        check_output(arg(call, 2)?, signed(value))?;
        done(0)
    }

    fn get(&mut self, call: &Call) -> Result<&mut Socket, String> {
        let fd = eval(arg(call, 0)?)?;
        self.open.get_mut(&fd).ok_or_else(|| format!("descriptor {fd} is not open"))
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

/// Length and flags of a message to send.
fn message(call: &Call) -> Result<(usize, i64), String> {
    let flags = |index: usize| call.args.get(index).map_or(Ok(0), eval);
    let (len, flags) = match call.name.as_str() {
        "writev" => (vector_len(arg(call, 1)?)?, 0),
        "sendmsg" => {
            let Expr::Struct(fields) = arg(call, 1)? else { return Err("sendmsg: a message expected".into()) };
            if field(fields, "msg_control").is_some() {
                return Err("not supported: msg_control".into());
            }
            (vector_len(field(fields, "msg_iov").ok_or("sendmsg: no msg_iov")?)?, flags(2)?)
        }
        _ => (eval(arg(call, 2)?)?, flags(3)?),
    };
    Ok((usize::try_from(len).map_err(|_| "a negative length")?, flags))
}

/// The sum of `[{..., 100}, {..., 20}]`.
fn vector_len(vector: &Expr) -> Result<i64, String> {
    let Expr::List(items) = vector else { return Err("a list of {buffer, length} expected".into()) };
    let mut sum = 0i64;
    for item in items {
        let Expr::Struct(parts) = item else { return Err("{buffer, length} expected".into()) };
        sum = sum.saturating_add(eval(parts.get(1).ok_or("a length expected")?)?);
    }
    Ok(sum)
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

/// Addresses are the interpreter's to choose.
fn supplied(expr: &Expr) -> Result<(), String> {
    if *expr == Expr::Any { Ok(()) } else { Err("not supported: an address in a script".into()) }
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
