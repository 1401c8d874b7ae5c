//! What the application does with the connection: every act lets the stack send.

use super::peer::{Peer, pattern};
use bytes::Bytes;
use longhaul::error::Error;
use longhaul::stack::{ConnId, ConnMut};
use longhaul::tcp::{Event, SendFlags, State, TcpInfo};
use longhaul::time::Instant;
use longhaul::wire::Flow;

/// The application.
impl Peer {
    pub fn conn_id(&self) -> ConnId {
        self.conn.expect("a connection was opened")
    }

    #[track_caller]
    pub fn accept(&mut self) {
        assert!(self.try_accept(), "nothing to accept");
    }

    /// Accepts a connection, if one is complete, and makes it the one that the application speaks of.
    pub fn try_accept(&mut self) -> bool {
        let conn = self.listener.and_then(|listener| self.stack.accept(listener));
        self.conn = conn.or(self.conn);
        conn.is_some()
    }

    /// Acts on the connection, at this time, and lets the stack send.
    #[track_caller]
    pub fn act<R>(&mut self, act: impl FnOnce(&mut ConnMut<'_>, Instant) -> R) -> R {
        let (id, now) = (self.conn_id(), self.now);
        let mut conn = self.stack.conn(id).expect("the connection is ours");
        let result = act(&mut conn, now);
        self.drain();
        result
    }

    /// Writes this many bytes; how many were taken.
    #[track_caller]
    pub fn try_write(&mut self, len: usize) -> Result<usize, Error> {
        self.try_write_with(len, SendFlags::NONE)
    }

    /// The same, meant in particular.
    #[track_caller]
    pub fn try_write_with(&mut self, len: usize, flags: SendFlags) -> Result<usize, Error> {
        let data: Bytes = (0..len as u64).map(|at| pattern((self.written + at) as u32)).collect();
        let rest = self.act(|conn, now| conn.send_with(now, data, flags));
        let taken = rest.map(|rest| len - rest.len());
        self.say(&format!("write({len}) = {taken:?}"));
        self.written += *taken.as_ref().unwrap_or(&0) as u64;
        taken
    }

    /// Writes this many bytes, all of which must be taken.
    #[track_caller]
    pub fn write(&mut self, len: usize) {
        assert_eq!(self.try_write(len), Ok(len));
    }

    /// The same, meant in particular.
    #[track_caller]
    pub fn write_with(&mut self, len: usize, flags: SendFlags) {
        assert_eq!(self.try_write_with(len, flags), Ok(len));
    }

    /// Bytes before the urgent one.
    #[track_caller]
    pub fn urgent_mark(&mut self) -> Option<usize> {
        self.act(|conn, _| conn.urgent_mark())
    }

    /// What `TCP_INFO` says.
    #[track_caller]
    pub fn info(&mut self) -> TcpInfo {
        #[allow(clippy::redundant_closure_for_method_calls)] // the path is not general enough in lifetimes
        self.act(|conn, now| conn.info(now))
    }

    /// Both ends of the connection, the stack's first.
    #[track_caller]
    pub fn flow(&mut self) -> Flow {
        self.act(|conn, _| conn.flow())
    }

    /// Reads up to this many bytes, which must be the peer's pattern; how many came.
    #[track_caller]
    pub fn read(&mut self, len: usize) -> Result<usize, Error> {
        let mut data = vec![0; len];
        let result = self.act(|conn, now| conn.read(now, &mut data));
        self.say(&format!("read({len}) = {result:?}"));
        let got = *result.as_ref().unwrap_or(&0);
        for (at, &byte) in data[..got].iter().enumerate() {
            assert_eq!(byte, pattern((self.read + at as u64) as u32), "byte {} of the stream", self.read + at as u64);
        }
        self.read += got as u64;
        result
    }

    /// `shutdown(SHUT_WR)`.
    #[track_caller]
    pub fn finish(&mut self) {
        self.say("shutdown(WR)");
        #[allow(clippy::redundant_closure_for_method_calls)] // the path is not general enough in lifetimes
        self.act(|conn, now| conn.finish(now));
    }

    #[track_caller]
    pub fn close(&mut self) {
        self.say("close");
        let (id, now) = (self.conn_id(), self.now);
        self.stack.conn(id).expect("the connection is ours").close(now);
        self.drain();
    }

    #[track_caller]
    pub fn abort(&mut self) {
        self.say("abort");
        let (id, now) = (self.conn_id(), self.now);
        self.stack.conn(id).expect("the connection is ours").abort(now);
        self.drain();
    }

    #[track_caller]
    pub fn state(&mut self) -> State {
        self.act(|conn, _| conn.state())
    }

    /// `SO_ERROR`.
    #[track_caller]
    pub fn take_error(&mut self) -> Option<Error> {
        self.act(|conn, _| conn.take_error())
    }

    #[track_caller]
    pub fn death(&mut self) -> Option<Error> {
        self.act(|conn, _| conn.death())
    }

    /// Every event that waits, of whatever connection.
    pub fn events(&mut self) -> Vec<Event> {
        core::iter::from_fn(|| self.stack.poll_event()).map(|(_, event)| event).collect()
    }
}
