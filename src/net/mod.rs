//! The stack on a Linux host: one TUN device, one thread that drives it, and the shapes of `std::net`.
//!
//! ```no_run
//! use longhaul::net::Net;
//! use longhaul::options::TcpKeepalive;
//! use std::io::Write;
//! use std::time::Duration;
//!
//! let net = Net::private()?; // a Linux kernel of our own is the peer, at 10.0.0.1; no root needed
//! let listener = net.listen("10.0.0.2:7")?;
//! for stream in listener.incoming() {
//!     let mut stream = stream?;
//!     stream.set_tcp_keepalive(&TcpKeepalive::new().with_time(Duration::from_secs(10)))?;
//!     stream.write_all(b"hello\n")?;
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! | room | question it answers |
//! |---|---|
//! | `builder` | what is a net made from? |
//! | `stream`, `socket_options`, `insight`, `readiness`, `listener` | what may an application do? |
//! | `host` | who waits for what, and who wakes whom? |
//! | `driver` | what happens while the application sleeps? |
//! | `wire`, `tap` | what if the device is busy, and who watches? |
//! | `tun`, `namespace`, `sys`, `sysctl`, `clock` | what does Linux offer? |

mod builder;
mod clock;
mod driver;
mod host;
mod insight;
mod listener;
pub mod namespace;
mod readiness;
mod socket_options;
mod stream;
mod sys;
pub mod sysctl;
mod tap;
mod tun;
mod wire;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use std::io;
use std::net::ToSocketAddrs;
use std::thread::JoinHandle;

use self::host::{Patience, Shared};
use crate::config::Sysctl;
use crate::options::{Options, OutOfRange};
use crate::stack::{ConnectError, ListenError};
use crate::stats::Stats;
use crate::tcp::TcpInfo;
use crate::time::{Duration, Instant};

pub use crate::pcapng::Direction;
pub use builder::Builder;
pub use clock::Clock;
pub use listener::{Incoming, TcpListener};
pub use namespace::Namespace;
pub use readiness::Readiness;
pub use stream::TcpStream;
pub use tap::Seen;
pub use tun::Tun;

/// A host of its own: a stack, a device, and the thread that drives them.
///
/// Everything takes `&self` and may be called from any thread. Dropping it is [`Net::shutdown`]; streams and listeners
/// that live longer say `NetworkDown`.
#[derive(Debug)]
pub struct Net {
    shared: Arc<Shared>,
    driver: Option<JoinHandle<()>>,
    namespace: Option<Namespace>,
}

/// The backlog of [`Net::listen`], which is std's.
const BACKLOG: u16 = 128;

impl Net {
    /// A net whose peer is a Linux kernel of its own: we are 10.0.0.2 and `fd00::2`, it is 10.0.0.1 and `fd00::1`.
    ///
    /// # Errors
    /// As [`namespace::Builder::start`].
    pub fn private() -> io::Result<Self> {
        Self::builder().start()
    }

    /// A net to be described further.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The private peer, if there is one.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.namespace.as_ref()
    }

    /// Listens at the first of `addr` that can be listened at, with std's backlog of 128. An unspecified address is
    /// ours of that family only; port 0 is chosen, see [`TcpListener::local_addr`].
    ///
    /// # Errors
    /// `AddrInUse`; `AddrNotAvailable` for an address that is not ours; those of resolving a name.
    pub fn listen(&self, addr: impl ToSocketAddrs) -> io::Result<TcpListener> {
        first_of(addr, |addr| self.listen_with(addr, BACKLOG, Options::new()))
    }

    /// Listens with a backlog and with options for the connections to inherit. As on Linux one connection more than
    /// `backlog` waits, and `somaxconn` bounds it.
    ///
    /// # Errors
    /// As [`Net::listen`].
    pub fn listen_with(&self, addr: SocketAddr, backlog: u16, options: Options) -> io::Result<TcpListener> {
        TcpListener::new(&self.shared, addr, backlog, options)
    }

    /// Connects to the first of `addr` that can be connected to. Without an answer this takes as long as
    /// `tcp_syn_retries` says, about two minutes.
    ///
    /// # Errors
    /// Why the last address failed: `ConnectionRefused`, `TimedOut`, what an ICMP error said; `AddrNotAvailable` if we
    /// have no address of its family or no port is free.
    pub fn connect(&self, addr: impl ToSocketAddrs) -> io::Result<TcpStream> {
        first_of(addr, |addr| self.connect_within(None, addr, Patience::Endless))
    }

    /// Connects, and gives up after `timeout`; the attempt is dropped then.
    ///
    /// # Errors
    /// As [`Net::connect`]; `TimedOut` when `timeout` is over, `InvalidInput` if it is zero.
    pub fn connect_timeout(&self, addr: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        if timeout.is_zero() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a timeout of zero leaves no time to connect"));
        }
        self.connect_within(None, *addr, Patience::Until(self.now() + timeout))
    }

    /// Connects from a port of the caller's choice, as bind(2) before connect(2); an unspecified address stands for
    /// ours.
    ///
    /// # Errors
    /// As [`Net::connect`]; `AddrInUse` if there is such a connection, `AddrNotAvailable` if `local` is not ours.
    pub fn connect_from(&self, local: SocketAddr, remote: SocketAddr) -> io::Result<TcpStream> {
        self.connect_within(Some(local), remote, Patience::Endless)
    }

    /// Begins to connect and does not wait. [`TcpStream::poll_ready`] tells when it is over,
    /// [`TcpStream::take_error`] how; reads and writes wait for it.
    ///
    /// # Errors
    /// What can be told at once: `AddrInUse`, `AddrNotAvailable`, `InvalidInput` for a remote that nobody can be at.
    pub fn start_connect(
        &self,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        options: Options,
    ) -> io::Result<TcpStream> {
        self.shared.try_act(|host, now| {
            let id = host.stack.connect(now, local, remote, options)?;
            // A connection that was just made is there.
            TcpStream::new(self.shared.clone(), host, id).ok_or(io::ErrorKind::NotConnected.into())
        })
    }

    fn connect_within(
        &self,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        patience: Patience,
    ) -> io::Result<TcpStream> {
        let stream = self.start_connect(local, remote, Options::new())?;
        match stream.wait_connected(patience) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the connection was not established in the time given"))
            }
            outcome => outcome.map(|()| stream),
        }
    }

    /// The time on the net's clock, which observers and captures tell.
    pub fn now(&self) -> Instant {
        self.shared.now()
    }

    /// Cuts the wire: every packet is lost, in both directions, and nobody is told. Observers still see them.
    pub fn cut(&self) {
        self.set_cut(Direction::Inbound, true);
        self.set_cut(Direction::Outbound, true);
    }

    /// Mends the wire in both directions. What was lost meanwhile stays lost.
    pub fn restore(&self) {
        self.set_cut(Direction::Inbound, false);
        self.set_cut(Direction::Outbound, false);
    }

    /// Cuts or mends the wire in one direction.
    pub fn set_cut(&self, direction: Direction, cut: bool) {
        self.shared.act(|host, _| {
            if let Some(wire) = &mut host.wire {
                wire.set_cut(direction, cut);
            }
        });
    }

    /// What the stack counted so far.
    pub fn stats(&self) -> Stats {
        self.shared.act(|host, _| *host.stack.stats())
    }

    /// Every connection that an application has or could accept, in no meaningful order. Orphans and TIME-WAIT are not
    /// among them.
    pub fn connections(&self) -> Vec<TcpInfo> {
        self.shared.act(|host, now| {
            let ids: Vec<_> = host.stack.connections().collect();
            ids.into_iter().filter_map(|id| Some(host.stack.conn(id)?.info(now))).collect()
        })
    }

    /// How many connections closed by us first are in TIME-WAIT (or orphans' FIN-WAIT-2).
    pub fn time_wait_len(&self) -> usize {
        self.shared.act(|host, _| host.stack.time_wait_len())
    }

    /// Changes the settings. What Linux reads at each use takes effect on live connections.
    pub fn set_sysctl(&self, set: impl FnOnce(&mut Sysctl)) {
        self.shared.act(|host, _| set(host.stack.sysctl_mut()));
    }

    /// How often the driver woke up since the start: for packets, deadlines, and calls that moved one forward. An idle
    /// net does not wake.
    pub fn wakeups(&self) -> u64 {
        self.shared.wakeups()
    }

    /// Ends the net: every connection is reset, what dropped streams had still to send is lost, every call under way
    /// fails with `NetworkDown`, the thread is joined, the device is closed, and the private peer ends. To vanish
    /// without a word, [`Net::cut`] the wire first.
    pub fn shutdown(self) {}
}

impl Drop for Net {
    fn drop(&mut self) {
        self.shared.shut_down();
        if let Some(driver) = self.driver.take() {
            // If it panicked, that was said when it happened.
            let _ = driver.join();
        }
    }
}

/// Tries the addresses in turn; the last error counts.
fn first_of<T>(addr: impl ToSocketAddrs, mut attempt: impl FnMut(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for addr in addr.to_socket_addrs()? {
        match attempt(addr) {
            Ok(done) => return Ok(done),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

impl From<ConnectError> for io::Error {
    /// The kinds that std gives for Linux's errors.
    fn from(error: ConnectError) -> Self {
        let kind = match error {
            ConnectError::AddressFamily | ConnectError::PortsExhausted => io::ErrorKind::AddrNotAvailable,
            ConnectError::BadRemote => io::ErrorKind::InvalidInput,
            ConnectError::InUse => io::ErrorKind::AddrInUse,
            ConnectError::TooManyConnections => io::ErrorKind::OutOfMemory,
        };
        Self::new(kind, error)
    }
}

impl From<ListenError> for io::Error {
    /// The kinds that std gives for Linux's errors.
    fn from(error: ListenError) -> Self {
        let kind = match error {
            ListenError::InUse => io::ErrorKind::AddrInUse,
            ListenError::NotAvailable => io::ErrorKind::AddrNotAvailable,
            ListenError::TooMany => io::ErrorKind::OutOfMemory,
        };
        Self::new(kind, error)
    }
}

impl From<OutOfRange> for io::Error {
    /// `InvalidInput`, as Linux's EINVAL.
    fn from(error: OutOfRange) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}
