//! Who waits for connections, in the shape of `std::net::TcpListener`.

use alloc::sync::Arc;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use std::io;
use std::sync::Condvar;

use super::host::{Patience, Shared};
use super::stream::TcpStream;
use crate::options::Options;
use crate::stack::{ListenError, ListenerId};

/// A listening port of a [`super::Net`]. Any number of threads may accept from one by reference; each connection wakes
/// one of them.
///
/// Dropping it stops listening: connections that nobody accepted are reset.
#[derive(Debug)]
pub struct TcpListener {
    shared: Arc<Shared>,
    id: ListenerId,
    local: SocketAddr,
    accepted: Arc<Condvar>,
    nonblocking: AtomicBool,
}

impl TcpListener {
    /// Listens at `local`; port 0 stands for the first free one of `ip_local_port_range`.
    pub(super) fn new(shared: &Arc<Shared>, local: SocketAddr, backlog: u16, options: Options) -> io::Result<Self> {
        shared.try_act(|host, _| {
            let [first, last] = host.stack.config().sysctl.ip_local_port_range;
            let mut ports = if local.port() == 0 { first..=last } else { local.port()..=local.port() };
            let outcome = ports.find_map(|port| {
                let local = SocketAddr::new(local.ip(), port);
                match host.stack.listen(local, backlog, options) {
                    Err(ListenError::InUse) => None,
                    outcome => Some(outcome.map(|id| (id, local))),
                }
            });
            let (id, local) = outcome.unwrap_or(Err(ListenError::InUse))?;
            let accepted = host.add_listener(id, local.port());
            Ok(Self { shared: shared.clone(), id, local, accepted, nonblocking: false.into() })
        })
    }

    /// Waits for a connection, and takes it with the peer's address. It may have ended since it was established; then
    /// the stream says so.
    ///
    /// # Errors
    /// `WouldBlock` if there is none and [`TcpListener::set_nonblocking`] is on, `NetworkDown` once the net is.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let nonblocking = self.nonblocking.load(Ordering::Relaxed);
        let patience = if nonblocking { Patience::None } else { Patience::Endless };
        self.shared.wait_for(&self.accepted, patience, |host, _| {
            while let Some(id) = host.stack.accept(self.id) {
                if let Some(stream) = TcpStream::new(self.shared.clone(), host, id) {
                    return Some(stream.peer_addr().map(|peer| (stream, peer)));
                }
            }
            None
        })
    }

    /// One connection after the other, for ever.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// Where it listens, with the port it was given.
    ///
    /// # Errors
    /// None; the result is std's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    /// Whether [`TcpListener::accept`] returns `WouldBlock` instead of waiting. Off by default; a call that waits
    /// already goes on waiting.
    ///
    /// # Errors
    /// None; the result is std's.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.nonblocking.store(on, Ordering::Relaxed);
        Ok(())
    }

    /// Replaces the options that connections inherit, from the next handshake that completes.
    pub fn set_options(&self, options: Options) {
        self.shared.act(|host, _| host.stack.set_listener_options(self.id, options));
    }

    /// The options that connections inherit.
    ///
    /// # Errors
    /// `NetworkDown` once the net is.
    pub fn options(&self) -> io::Result<Options> {
        // A listener of the stack lives as long as this one.
        self.shared.try_act(|host, _| host.stack.listener_options(self.id).ok_or(io::ErrorKind::NotConnected.into()))
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        self.shared.act(|host, now| {
            host.remove_listener(self.id);
            host.stack.close_listener(now, self.id);
        });
    }
}

/// See [`TcpListener::incoming`].
#[derive(Debug)]
pub struct Incoming<'l> {
    listener: &'l TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}
