//! What the tests share: a net with a kernel behind it, waiting for events, bytes that tell if they were changed.

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

/// Writes `len` bytes that do not repeat, and returns their digest.
pub(crate) fn send_noise(mut to: impl Write, len: usize, seed: u64) -> u64 {
    let (mut noise, mut digest) = (Noise(seed), Digest::new());
    let mut left = len;
    let mut chunk = vec![0; 60_000];
    while left > 0 {
        let chunk = &mut chunk[..left.min(60_000)];
        noise.fill(chunk);
        digest.update(chunk);
        to.write_all(chunk).unwrap();
        left -= chunk.len();
    }
    digest.0
}

/// Reads to the end of the stream, and returns the length and the digest.
pub(crate) fn digest_of(mut from: impl Read) -> (usize, u64) {
    let mut digest = Digest::new();
    let mut chunk = vec![0; 65_536];
    let mut len = 0;
    loop {
        match from.read(&mut chunk).unwrap() {
            0 => return (len, digest.0),
            read => {
                digest.update(&chunk[..read]);
                len += read;
            }
        }
    }
}

/// A generator of bytes (xorshift).
struct Noise(u64);

impl Noise {
    fn fill(&mut self, bytes: &mut [u8]) {
        for bytes in bytes.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            bytes.copy_from_slice(&self.0.to_le_bytes()[..bytes.len()]);
        }
    }
}

/// FNV-1a over 64 bits: depends on every byte and on their order.
struct Digest(u64);

impl Digest {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
