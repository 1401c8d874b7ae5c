//! Calls that move bytes. All bytes are zero.

use super::{Host, Kind, Outcome, Progress, Sockets, arg, done, eval, failed, field, or_again, signed};
use crate::ast::{Call, Expr};
use crate::constants::{self, MSG_DONTWAIT, MSG_EOR, MSG_MORE, MSG_NOSIGNAL, MSG_OOB, MSG_PEEK};
use longhaul::error::Error;
use longhaul::tcp::{SendFlags, State};

/// What is to be sent or received.
struct Message {
    len: usize,
    flags: i64,
}

/// A script that means more is in error: it would only fill memory.
const LEN_MAX: usize = 1 << 26;

impl Sockets {
    pub(super) fn read(&mut self, host: &mut Host, call: &Call) -> Result<Outcome, String> {
        let Message { len, flags } = message(call)?;
        refuse_flags(flags & !(MSG_DONTWAIT | MSG_PEEK | MSG_NOSIGNAL))?;
        let Some(socket) = self.get(call)? else { return failed("EBADF") };
        let nonblocking = socket.nonblocking || flags & MSG_DONTWAIT != 0;
        let Kind::Conn { id, .. } = socket.kind else { return failed("ENOTCONN") };
        let now = host.now;
        let mut buffer = vec![0xa5; len];
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

    pub(super) fn write(&mut self, host: &mut Host, call: &Call, progress: &mut Progress) -> Result<Outcome, String> {
        let Message { len, flags } = message(call)?;
        refuse_flags(flags & !(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_EOR | MSG_OOB))?;
        let Some(socket) = self.get(call)? else { return failed("EBADF") };
        let nonblocking = socket.nonblocking || flags & MSG_DONTWAIT != 0;
        let Kind::Conn { id, .. } = socket.kind else { return failed("EPIPE") };
        let now = host.now;
        let mut conn = host.stack.conn(id).ok_or("the connection is gone")?;
        if conn.state() == State::SynSent {
            return or_again(nonblocking);
        }
        let left = len.saturating_sub(progress.written);
        match conn.send_with(now, vec![0; left].into(), send_flags(flags)) {
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
}

/// Length and flags of a message to send, or of the room to receive one.
fn message(call: &Call) -> Result<Message, String> {
    let flags = |index: usize| call.args.get(index).map_or(Ok(0), eval);
    let (len, flags) = match call.name.as_str() {
        "read" | "write" => (eval(arg(call, 2)?)?, 0),
        "readv" | "writev" => (vector_len(arg(call, 1)?)?, 0),
        "sendmsg" | "recvmsg" => {
            let Expr::Struct(fields) = arg(call, 1)? else { return Err(format!("{}: {{...}} expected", call.name)) };
            if field(fields, "msg_control").is_some() {
                return Err("not supported: msg_control".into());
            }
            (vector_len(field(fields, "msg_iov").ok_or("no msg_iov")?)?, flags(2)?)
        }
        _ => (eval(arg(call, 2)?)?, flags(3)?),
    };
    let len = usize::try_from(len).map_err(|_| "a negative length")?;
    if len > LEN_MAX { Err(format!("{len} bytes are too many")) } else { Ok(Message { len, flags }) }
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

/// Of the flags those that the stack has.
fn send_flags(flags: i64) -> SendFlags {
    let known = [(MSG_MORE, SendFlags::MORE), (MSG_EOR, SendFlags::EOR), (MSG_OOB, SendFlags::OOB)];
    let set = known.into_iter().filter(|(bit, _)| flags & bit != 0);
    set.fold(SendFlags::NONE, |all, (_, flag)| all | flag)
}

/// Names the flags that are left over.
fn refuse_flags(flags: i64) -> Result<(), String> {
    if flags == 0 { Ok(()) } else { Err(format!("not supported: {}", constants::message_flags(flags))) }
}
