//! One connection in the shape of `std::net::TcpStream`; what it can be set to stands in `socket_options`, what
//! can be learned of it in `insight`.
//!
//! Where std says what the kernel does, this does it: `send` and `recv` follow Linux's `tcp_sendmsg` and `tcp_recvmsg`,
//! [`TcpStream::poll_ready`] follows `tcp_poll`, dropping the last handle follows `tcp_close`.

use alloc::sync::Arc;
use core::net::SocketAddr;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::{Condvar, Mutex, PoisonError};

use bytes::Bytes;

use super::host::{Host, Patience, Shared};
use super::readiness::Readiness;
use crate::error::{Errno, Error};
use crate::journal::WallClock;
use crate::stack::{ConnId, ConnMut};
use crate::tcp::State;
use crate::time::{Duration, Instant};
use crate::wire::Flow;

/// A connection of a [`super::Net`]: blocking unless told otherwise, and usable from any number of threads.
///
/// Dropping the last handle closes the connection as close(2) does: what is queued is still sent, by the net, and a FIN
/// follows; unread data, or a linger time of zero, makes it a reset. It never blocks, whatever the linger time.
///
/// Errors are `io::Error`s of the kind that std gives for Linux's errno; their text keeps the cause, such as the
/// liveness rule that gave up ([`Error`]). Each is reported once; afterwards a read finds the end of the stream and a
/// write a broken pipe.
#[derive(Debug)]
pub struct TcpStream {
    socket: Arc<Socket>,
}

/// What the handles of one connection share.
#[derive(Debug)]
struct Socket {
    shared: Arc<Shared>,
    id: ConnId,
    flow: Flow,
    /// Notified with each event of the connection.
    changed: Arc<Condvar>,
    settings: Mutex<Settings>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Settings {
    nonblocking: bool,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

/// Bytes copied into the send queue under one hold of the lock, so that a large write leaves others their turn.
const WRITE_CHUNK_MAX: usize = 64 * 1024;

impl TcpStream {
    /// A handle to connection `id`, which lives in `host`.
    pub(super) fn new(shared: Arc<Shared>, host: &mut Host, id: ConnId) -> Option<Self> {
        let flow = host.stack.conn(id)?.flow();
        let changed = host.add_socket(id);
        Some(Self { socket: Arc::new(Socket { shared, id, flow, changed, settings: Mutex::default() }) })
    }

    /// Waits until the handshake is over.
    pub(super) fn wait_connected(&self, patience: Patience) -> io::Result<()> {
        self.wait_for(patience, |conn, _| match conn.state() {
            State::SynSent | State::SynReceived => Err(Error::WouldBlock),
            State::Closed => Err(conn.take_error().unwrap_or(Error::Aborted)),
            _ => Ok(()),
        })
    }

    /// Another handle to this connection. The settings are shared, too.
    ///
    /// # Errors
    /// None; the result is std's.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.clone() })
    }

    /// Our end; known even after the connection is over.
    ///
    /// # Errors
    /// None; the result is std's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.socket.flow.local)
    }

    /// The peer's end; known even after the connection is over.
    ///
    /// # Errors
    /// None; the result is std's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.socket.flow.remote)
    }

    /// Copies what could be read without taking it: at least one byte, unless the stream is at its end or `into` is
    /// empty; perhaps less than has arrived.
    ///
    /// # Errors
    /// As `read`.
    pub fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        self.wait_for(self.patience(|settings| settings.read_timeout), |conn, now| match conn.peek(into) {
            0 => conn.read(now, into),
            len => Ok(len),
        })
    }

    /// Ends one direction or both. The peer hears of the end of writing, as a FIN behind what is queued; of the end of
    /// reading it hears nothing.
    ///
    /// # Errors
    /// `NotConnected` if the connection is over.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.with(|conn, now| {
            if conn.state() == State::Closed {
                return Err(Error::NotConnected);
            }
            if how != Shutdown::Write {
                conn.stop_receiving();
            }
            if how != Shutdown::Read {
                conn.finish(now);
            }
            Ok(())
        })??;
        Ok(())
    }

    /// Ends the connection now with a reset to the peer; what is queued is lost. Every handle then says
    /// `ConnectionAborted`.
    pub fn abort(&self) {
        let Socket { shared, id, changed, .. } = &*self.socket;
        shared.act(|host, now| {
            if let Some(conn) = host.stack.conn(*id) {
                conn.abort(now);
            }
        });
        changed.notify_all();
    }

    /// Whether calls return `WouldBlock` instead of waiting. Off by default.
    ///
    /// # Errors
    /// None; the result is std's.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.set(|settings| settings.nonblocking = on);
        Ok(())
    }

    /// How long a read waits before it fails with `WouldBlock`; `None`, the default, is for ever.
    ///
    /// # Errors
    /// `InvalidInput` for zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = not_zero(timeout)?;
        self.set(|settings| settings.read_timeout = timeout);
        Ok(())
    }

    /// How long a write waits for room. Then it returns what it wrote so far, or fails with `WouldBlock` if that is
    /// nothing. `None`, the default, is for ever.
    ///
    /// # Errors
    /// `InvalidInput` for zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = not_zero(timeout)?;
        self.set(|settings| settings.write_timeout = timeout);
        Ok(())
    }

    /// See [`TcpStream::set_read_timeout`].
    ///
    /// # Errors
    /// None; the result is std's.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.settings().read_timeout)
    }

    /// See [`TcpStream::set_write_timeout`].
    ///
    /// # Errors
    /// None; the result is std's.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.settings().write_timeout)
    }

    /// As poll(2): waits for one of `interest`, or `ERR`, or `HUP`, at most `timeout` (`None` is for ever, zero only
    /// looks). Returns which there are, [`Readiness::NONE`] if time ran out.
    ///
    /// # Errors
    /// `NetworkDown` once the net is; `ConnectionAborted` after [`TcpStream::abort`].
    pub fn poll_ready(&self, interest: Readiness, timeout: Option<Duration>) -> io::Result<Readiness> {
        let asked = interest | Readiness::ERR | Readiness::HUP;
        let outcome = self.wait_for(self.patience_of(timeout), |conn, _| {
            let ready = readiness(conn) & asked;
            if interest.contains(Readiness::OUT) && !ready.contains(Readiness::OUT) {
                conn.want_writable();
            }
            if ready.is_empty() { Err(Error::WouldBlock) } else { Ok(ready) }
        });
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Readiness::NONE),
            outcome => outcome,
        }
    }

    /// The stored error, once (`SO_ERROR`): what ended the connection, or else the last ICMP error that no
    /// acknowledgment has answered yet.
    ///
    /// # Errors
    /// `NetworkDown` once the net is; `ConnectionAborted` after [`TcpStream::abort`].
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.with(|conn, _| conn.take_error())?.map(io::Error::from))
    }

    /// What it is by the clock on the wall.
    pub(super) fn on_the_wall(&self) -> WallClock {
        self.socket.shared.on_the_wall()
    }

    /// Does something with the connection.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut ConnMut<'_>, Instant) -> R) -> io::Result<R> {
        let id = self.socket.id;
        self.socket.shared.try_act(|host, now| {
            // The id is stale after an abort only: as long as there are handles nobody closes it.
            let conn = &mut host.stack.conn(id).ok_or(Error::Aborted)?;
            Ok(act(conn, now))
        })
    }

    /// Tries `attempt` until it no longer says that it would block.
    fn wait_for<R>(
        &self,
        patience: Patience,
        mut attempt: impl FnMut(&mut ConnMut<'_>, Instant) -> Result<R, Error>,
    ) -> io::Result<R> {
        let Socket { shared, id, changed, .. } = &*self.socket;
        shared.wait_for(changed, patience, |host, now| {
            let Some(conn) = &mut host.stack.conn(*id) else { return Some(Err(Error::Aborted.into())) };
            match attempt(conn, now) {
                Err(Error::WouldBlock) => None,
                outcome => Some(outcome.map_err(io::Error::from)),
            }
        })
    }

    fn settings(&self) -> Settings {
        *self.socket.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, set: impl FnOnce(&mut Settings)) {
        set(&mut self.socket.settings.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn patience(&self, timeout: impl FnOnce(&Settings) -> Option<Duration>) -> Patience {
        let settings = self.settings();
        if settings.nonblocking { Patience::None } else { self.patience_of(timeout(&settings)) }
    }

    fn patience_of(&self, timeout: Option<Duration>) -> Patience {
        timeout.map_or(Patience::Endless, |timeout| Patience::Until(self.socket.shared.now() + timeout))
    }
}

impl Read for &TcpStream {
    /// Waits for bytes, and takes as many as there are and fit; 0 at the end of the stream.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.wait_for(self.patience(|settings| settings.read_timeout), |conn, now| conn.read(now, into))
    }
}

impl Write for &TcpStream {
    /// Waits until all of `data` is queued, as Linux does; less is returned if time or the connection ends before that.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let patience = self.patience(|settings| settings.write_timeout);
        let mut written = 0;
        while written < data.len() {
            let rest = &data[written..];
            match self.wait_for(patience, |conn, now| write_some(conn, now, rest, written > 0)) {
                Ok(0) => break,
                Ok(len) => written += len,
                Err(_) if written > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Does nothing: what is queued leaves by itself.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for TcpStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (&*self).read(into)
    }
}

impl Write for TcpStream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        (&*self).write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.shared.act(|host, now| {
            host.remove_socket(self.id);
            if let Some(conn) = host.stack.conn(self.id) {
                conn.close(now);
            }
        });
    }
}

/// Queues as much of `data` as there is room for. Where a write has `begun`, an error waits for the next one, and this
/// returns 0 (Linux `tcp_sendmsg`: a short count, then the error).
fn write_some(conn: &mut ConnMut<'_>, now: Instant, data: &[u8], begun: bool) -> Result<usize, Error> {
    if conn.is_send_closed() || conn.has_error() {
        return if begun { Ok(0) } else { conn.send(now, Bytes::new()).map(|_| 0) };
    }
    let connecting = matches!(conn.state(), State::SynSent | State::SynReceived);
    let room = if connecting { 0 } else { conn.send_room() };
    if room == 0 {
        conn.want_writable();
        return Err(Error::WouldBlock);
    }
    let len = data.len().min(room).min(WRITE_CHUNK_MAX);
    let rest = conn.send(now, Bytes::copy_from_slice(&data[..len]))?;
    Ok(len - rest.len())
}

/// The bits of `tcp_poll`.
fn readiness(conn: &ConnMut<'_>) -> Readiness {
    let (receive_closed, send_closed) = (conn.is_receive_closed(), conn.is_send_closed());
    let over = conn.state() == State::Closed || (receive_closed && send_closed);
    Readiness::IN.only_if(conn.is_readable())
        | Readiness::OUT.only_if(conn.is_writable())
        | Readiness::RDHUP.only_if(receive_closed)
        | Readiness::HUP.only_if(over)
        | Readiness::ERR.only_if(conn.has_error())
}

fn not_zero(timeout: Option<Duration>) -> io::Result<Option<Duration>> {
    if timeout == Some(Duration::ZERO) {
        return Err(io::Error::new(Errno::EINVAL.kind(), "a timeout of zero would be none at all"));
    }
    Ok(timeout)
}
