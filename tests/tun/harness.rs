//! What the tests share: a net with a kernel behind it, waiting for events.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io::{Read, Write};
use std::thread;
use std::time::Instant;

use longhaul::net::{Builder, Namespace, Net, TcpListener, TcpStream};

/// (the kernel's end, ours), by family.
pub(crate) const HOSTS: [(&str, &str); 2] = [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")];

/// How long anything may take that only a busy machine could delay.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A net with a kernel of its own behind it; see [`longhaul::net::namespace::Builder::start_or_skip`].
pub(crate) fn net_or_skip(test: &str) -> Option<Net> {
    net_with(test, Net::builder())
}

pub(crate) fn net_with(test: &str, builder: Builder) -> Option<Net> {
    let (namespace, tun) = Namespace::builder().start_or_skip(test)?;
    Some(builder.with_peer(namespace, tun).start().unwrap())
}

pub(crate) fn kernel(net: &Net) -> &Namespace {
    net.namespace().unwrap()
}

pub(crate) fn addr(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse::<IpAddr>().unwrap(), port)
}

/// A connection that the kernel made to us: its end, ours.
pub(crate) fn accepted(net: &Net, listener: &TcpListener) -> (std::net::TcpStream, TcpStream) {
    let theirs = kernel(net).tcp_stream(listener.local_addr().unwrap(), PATIENCE).unwrap();
    theirs.set_read_timeout(Some(PATIENCE)).unwrap();
    let (ours, from) = listener.accept().unwrap();
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(from, theirs.local_addr().unwrap());
    (theirs, ours)
}

/// A connection of that kind, over IPv4, for tests that care about nothing else. The listener is gone.
pub(crate) fn connected(net: &Net) -> (std::net::TcpStream, TcpStream) {
    accepted(net, &net.listen("10.0.0.2:0").unwrap())
}

/// Waits until something holds that no call waits for.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}: still not so");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Sends `hello` one way and `world` the other.
pub(crate) fn exchange(mut theirs: impl Read + Write, mut ours: impl Read + Write) {
    let mut heard = [0; 5];
    theirs.write_all(b"hello").unwrap();
    ours.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello");
    ours.write_all(b"world").unwrap();
    theirs.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"world");
}
