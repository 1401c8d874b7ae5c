//! What an application may do with one connection.

use super::{ConnId, Stack};
use crate::buf::Sent;
use crate::config::Sysctl;
use crate::error::Error;
use crate::forecast::Forecast;
use crate::journal::{Entry, Journal};
use crate::options::Options;
use crate::tcp::{Closed, Conn, Diagnosis, SendFlags, State, TcpInfo};
use crate::time::Instant;
use crate::wire::Flow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;

/// One connection of a [`Stack`], borrowed to act on it. After acting, drain [`Stack::poll_transmit`].
#[derive(Debug)]
pub struct ConnMut<'s> {
    pub(super) stack: &'s mut Stack,
    id: ConnId,
}

impl<'s> ConnMut<'s> {
    pub(super) fn new(stack: &'s mut Stack, id: ConnId) -> Self {
        Self { stack, id }
    }

    /// Queues `data`, uncopied, and returns what did not fit: [`crate::tcp::Event::Writable`] follows when there is
    /// room again. Before the handshake is complete data waits for it.
    ///
    /// # Errors
    /// What ended the connection, once; then [`Error::BrokenPipe`].
    pub fn send(&mut self, now: Instant, data: Bytes) -> Result<Bytes, Error> {
        self.send_with(now, data, SendFlags::NONE)
    }

    /// The same, meant as `flags` say. Of data that does not all fit they count for nothing: they belong to its end.
    ///
    /// # Errors
    /// As [`ConnMut::send`].
    pub fn send_with(&mut self, now: Instant, mut data: Bytes, flags: SendFlags) -> Result<Bytes, Error> {
        self.stack.advance(now);
        let memory = self.stack.has_memory();
        if !memory {
            self.stack.note_starved(self.id);
        }
        self.act(|conn, sysctl, queues| {
            conn.write_outcome()?;
            let room = if memory { conn.send_room(sysctl, queues) } else { 0 };
            let fits = data.split_to(room.min(data.len()));
            if !fits.is_empty() {
                queues.push(fits);
                conn.on_written(if data.is_empty() { flags } else { SendFlags::NONE }, queues);
            }
            if !data.is_empty() {
                conn.on_write_blocked();
            }
            Ok(data)
        })
    }

    /// The next bytes received, uncopied where they came in large frames; `None` at the end of the stream.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if there is nothing yet; what ended the connection, once.
    pub fn receive(&mut self, now: Instant) -> Result<Option<Bytes>, Error> {
        self.receive_at_most(now, usize::MAX)
    }

    /// As [`ConnMut::receive`], but no more than `max` bytes.
    ///
    /// # Errors
    /// As [`ConnMut::receive`].
    pub fn receive_at_most(&mut self, now: Instant, max: usize) -> Result<Option<Bytes>, Error> {
        let now = self.stack.advance(now);
        self.act(|conn, sysctl, queues| match queues.take_readable(max) {
            Some(data) => {
                conn.handle_read(now, sysctl, queues);
                Ok(Some(data))
            }
            None => conn.read_outcome().map(|()| None),
        })
    }

    /// Copies received bytes into `into` and returns how many; 0 at the end of the stream (or for an empty `into`).
    ///
    /// # Errors
    /// As [`ConnMut::receive`].
    pub fn read(&mut self, now: Instant, into: &mut [u8]) -> Result<usize, Error> {
        let now = self.stack.advance(now);
        self.act(|conn, sysctl, queues| {
            if into.is_empty() {
                return Ok(0);
            }
            match queues.read(into) {
                0 => conn.read_outcome().map(|()| 0),
                len => {
                    conn.handle_read(now, sysctl, queues);
                    Ok(len)
                }
            }
        })
    }

    /// Copies received bytes into `into` without taking them; returns how many.
    pub fn peek(&mut self, into: &mut [u8]) -> usize {
        self.act(|_, _, queues| {
            let bytes = queues.peek();
            let len = bytes.len().min(into.len());
            into[..len].copy_from_slice(&bytes[..len]);
            len
        })
    }

    /// We send no more: a FIN follows what is queued. Receiving goes on.
    pub fn finish(&mut self, now: Instant) {
        self.stack.advance(now);
        self.act(|conn, _, queues| conn.finish(queues));
    }

    /// We read no more.
    pub fn stop_receiving(&mut self) {
        self.act(|conn, _, queues| {
            conn.stop_receiving();
            queues.clear_received();
        });
    }

    /// Done with it: a FIN follows what is queued, and the stack sees to the rest; unread data or `SO_LINGER` 0 makes
    /// it a reset. The id is stale afterwards. With `tcp_max_orphans` orphans already, this resets.
    pub fn close(self, now: Instant) {
        let now = self.stack.advance(now);
        let crowded = self.stack.orphans >= self.stack.config.sysctl.tcp_max_orphans;
        let Some(index) = self.stack.index_of(self.id) else { return };
        let mut abrupt = false;
        let outcome = self.stack.with(index, None, |conn, sysctl, queues| {
            let lively = conn.state() != State::Closed && conn.state() != State::SynSent;
            let closed = conn.close(now, sysctl, queues);
            abrupt = lively && closed == Closed::Gone;
            if crowded && closed == Closed::Orphan {
                conn.abort(queues);
            }
            queues.clear_received();
            conn.is_orphan()
        });
        self.stack.stats.abort_on_close += u64::from(abrupt);
        if outcome == Some(true) {
            self.stack.orphans += 1;
            self.stack.stats.abort_on_memory += u64::from(crowded);
        }
        self.stack.release(index);
    }

    /// Ends it now: a reset to the peer, and everything queued is lost. The id is stale afterwards.
    pub fn abort(self, now: Instant) {
        self.stack.advance(now);
        let Some(index) = self.stack.index_of(self.id) else { return };
        self.stack.with(index, None, |conn, _, queues| {
            conn.abort(queues);
            queues.clear_received();
        });
        self.stack.release(index);
    }

    /// The stored error, once (`SO_ERROR`), or else the last unanswered ICMP error.
    pub fn take_error(&mut self) -> Option<Error> {
        self.act(|conn, _, _| conn.take_error())
    }

    /// What ended the connection, for as long as it is not closed by us; `None` while it lives or if it ended cleanly.
    pub fn death(&self) -> Option<Error> {
        self.entry().death
    }

    /// What was wrong, from the end of the connection until we close it; `None` while it lives.
    pub fn diagnosis(&self) -> Option<Diagnosis> {
        self.entry().diagnosis
    }

    /// Keeps a journal of so many entries from now on, at most [`ENTRIES_MAX`](crate::journal::ENTRIES_MAX); `None`
    /// keeps none. What an earlier one said is lost. While the memory budget is spent there is none either.
    pub fn set_journal(&mut self, now: Instant, entries: Option<usize>) {
        self.stack.advance(now);
        self.stack.set_journal(self.id.0.index, entries);
    }

    /// The journal, if the connection keeps one: readable after death, too, until we close it.
    pub fn journal(&self) -> Option<&Journal<Box<[Entry]>>> {
        self.stack.journals.get(&self.id.0.index).map(Box::as_ref)
    }

    /// The state.
    pub fn state(&self) -> State {
        self.entry().state
    }

    /// Both ends.
    pub fn flow(&self) -> Flow {
        self.entry().flow
    }

    /// Bytes that can be read now.
    pub fn readable(&self) -> usize {
        self.stack.queued(self.id.0.index).0
    }

    /// Bytes queued and not acknowledged.
    pub fn send_queue(&self) -> usize {
        self.stack.queued(self.id.0.index).1
    }

    /// Whether a read would not block: data, the end of the stream, or an error waits.
    pub fn is_readable(&self) -> bool {
        let view = self.entry();
        self.readable() > 0 || view.receive_closed || view.has_error
    }

    /// Whether a write would not block and is worth it ([`Conn::has_send_room`]), or the sending side is
    /// closed, or an error waits.
    pub fn is_writable(&self) -> bool {
        let view = self.entry();
        let roomy = self.stack.has_memory() && self.peek_at(Conn::has_send_room);
        view.send_closed || view.has_error || (view.state.may_transmit() && roomy)
    }

    /// Bytes that [`ConnMut::send`] would queue now.
    pub fn send_room(&self) -> usize {
        if self.stack.has_memory() { self.peek_at(Conn::send_room) } else { 0 }
    }

    /// Asks for [`crate::tcp::Event::Writable`] once there is room, as a send that did not fit does.
    pub fn want_writable(&mut self) {
        if !self.stack.has_memory() {
            self.stack.note_starved(self.id);
        }
        self.act(|conn, _, _| conn.on_write_blocked());
    }

    /// Whether writing is over: we finished, or the connection is closed.
    pub fn is_send_closed(&self) -> bool {
        self.entry().send_closed
    }

    /// Whether reading is over, but for what can still be read.
    pub fn is_receive_closed(&self) -> bool {
        self.entry().receive_closed
    }

    /// Whether an error waits to be reported.
    pub fn has_error(&self) -> bool {
        self.entry().has_error
    }

    /// The settings that options inherit from.
    pub fn sysctl(&self) -> &Sysctl {
        &self.stack.config.sysctl
    }

    /// A snapshot under Linux's names; its `Display` is a line of `ss -o`.
    pub fn info(&mut self, now: Instant) -> TcpInfo {
        let now = self.stack.advance(now);
        self.act(|conn, sysctl, queues| conn.info(now, sysctl, queues))
    }

    /// What it will do if nothing more arrives and the application does nothing: every segment, and the end. See
    /// [`crate::forecast`]; [`Forecast::outlook`] sums up.
    #[allow(clippy::missing_panics_doc)] // as in `act`
    pub fn forecast(&self, now: Instant) -> Forecast<'_, Vec<Sent>> {
        self.stack.forecast(now, self.id).expect("a borrowed connection exists")
    }

    pub(super) fn act<R>(&mut self, act: impl FnOnce(&mut Conn, &Sysctl, &mut crate::buf::chain::Streams) -> R) -> R {
        // `Stack::conn` looked the id up, and nothing could remove it while this borrows the stack.
        self.stack.with(self.id.0.index, None, act).expect("a borrowed connection exists")
    }

    pub(super) fn peek_at<R>(&self, look: impl FnOnce(&Conn, &Sysctl, &crate::buf::chain::Streams) -> R) -> R {
        self.stack.peek_at(self.id.0.index, look).expect("a borrowed connection exists")
    }

    pub(super) fn conn(&self) -> &Conn {
        &self.stack.conns.get(self.id.0).expect("a borrowed connection exists").conn
    }

    pub(super) fn entry(&self) -> View {
        let conn = self.conn();
        View {
            options: *conn.options(),
            state: conn.state(),
            flow: conn.flow(),
            death: conn.death(),
            diagnosis: conn.diagnosis(),
            has_error: conn.has_error(),
            send_closed: conn.is_send_closed(),
            receive_closed: conn.is_receive_closed(),
        }
    }
}

/// What the readers above need of a connection.
pub(super) struct View {
    pub(super) options: Options,
    state: State,
    flow: Flow,
    death: Option<Error>,
    diagnosis: Option<Diagnosis>,
    has_error: bool,
    send_closed: bool,
    receive_closed: bool,
}
