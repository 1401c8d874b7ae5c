//! `poll`: the bits that Linux's `tcp_poll` sets.

use super::{Host, Kind, Outcome, Progress, Sockets, arg, done, eval, field};
use crate::ast::{Call, Expr};
use crate::constants::{POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM};
use longhaul::stack::ConnMut;
use longhaul::tcp::State;
use longhaul::time::Duration;

impl Sockets {
    pub(super) fn poll(&mut self, host: &mut Host, call: &Call, progress: &Progress) -> Result<Outcome, String> {
        let Expr::List(entries) = arg(call, 0)? else { return Err("poll: a list of {fd=, events=} expected".into()) };
        let timeout_ms = eval(arg(call, 2)?)?;
        let mut ready = 0;
        let mut wrong = None;
        for entry in entries {
            let Expr::Struct(fields) = entry else { return Err("poll: {fd=, events=} expected".into()) };
            let part = |name: &str| field(fields, name).map_or(Err(format!("poll: no {name}")), eval);
            let revents = self.bits(host, part("fd")?)? & (part("events")? | POLLERR | POLLHUP | POLLNVAL);
            ready += i64::from(revents != 0);
            let expected = part("revents")?;
            if expected != revents {
                wrong = Some(format!("revents: expected {}, got {}", names(expected), names(revents)));
            }
        }
        let over =
            timeout_ms >= 0 && host.now.since(progress.started) >= Duration::from_millis(timeout_ms.unsigned_abs());
        match wrong {
            _ if ready == 0 && !over => Ok(Outcome::Blocked),
            Some(message) => Err(message),
            None => done(ready),
        }
    }

    fn bits(&mut self, host: &mut Host, fd: i64) -> Result<i64, String> {
        let Some(socket) = self.open.get(&fd) else { return Ok(POLLNVAL) };
        match socket.kind {
            Kind::Fresh => Ok(POLLOUT | POLLWRNORM | POLLHUP),
            Kind::Listener(_) => Err("not supported: poll on a listener".into()),
            Kind::Conn { id, .. } => Ok(conn_bits(&host.stack.conn(id).ok_or("the connection is gone")?)),
        }
    }
}

fn conn_bits(conn: &ConnMut<'_>) -> i64 {
    let closed = conn.state() == State::Closed;
    let (deaf, mute) = (conn.is_receive_closed(), conn.is_send_closed());
    let mut bits = 0;
    if closed || (deaf && mute) {
        bits |= POLLHUP;
    }
    if deaf {
        bits |= POLLIN | POLLRDNORM | POLLRDHUP;
    }
    if conn.state() != State::SynSent {
        if conn.readable() > 0 {
            bits |= POLLIN | POLLRDNORM;
        }
        if mute || conn.is_writable() {
            bits |= POLLOUT | POLLWRNORM;
        }
    }
    if conn.has_error() {
        bits |= POLLERR;
    }
    bits
}

fn names(bits: i64) -> String {
    const NAMES: [(i64, &str); 8] = [
        (POLLIN, "POLLIN"),
        (POLLOUT, "POLLOUT"),
        (POLLRDHUP, "POLLRDHUP"),
        (POLLERR, "POLLERR"),
        (POLLHUP, "POLLHUP"),
        (POLLNVAL, "POLLNVAL"),
        (POLLRDNORM, "POLLRDNORM"),
        (POLLWRNORM, "POLLWRNORM"),
    ];
    let set: Vec<&str> = NAMES.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
    if set.is_empty() { "0".into() } else { set.join("|") }
}
