//! A host with our stack.

use crate::race::{BUFFER, End, LEN, byte};
use bytes::Bytes;
use longhaul::options::Options;
use longhaul::stack::{Config, ConnId, ListenerId, Stack};
use longhaul::time::Instant;

pub(crate) struct Host {
    stack: Stack,
    conn: Option<ConnId>,
    listener: Option<ListenerId>,
    /// What is left to send; empty at the receiver.
    to_send: Bytes,
    read: usize,
    buffer: Vec<u8>,
}

/// A sender that is about to connect, and a receiver that listens.
pub(crate) fn pair(seed: u64) -> [Host; 2] {
    // Both are doubled, and half of a receive buffer is window: what is left is what smoltcp gets.
    let options = Options::new().with_send_buffer_size(BUFFER as u32 / 2).with_recv_buffer_size(BUFFER as u32);
    let host = |last: u8| {
        let mut secret = [last; 16];
        secret[..8].copy_from_slice(&seed.to_le_bytes());
        let mut config = Config::new(secret).with_ipv4([10, 0, 0, last].into());
        config.sysctl.tcp_wmem[2] = u32::MAX >> 1;
        config.sysctl.tcp_rmem[2] = u32::MAX >> 1;
        Stack::new(Instant::ORIGIN, config)
    };
    let remote = "10.0.0.2:80".parse().expect("an address");
    let (mut sender, mut receiver) = (host(1), host(2));
    let listener = receiver.listen(remote, 1, options).expect("a listener");
    let conn = sender.connect(Instant::ORIGIN, None, remote, options).expect("a connection");
    let to_send: Bytes = (0..LEN).map(byte).collect();
    let end = |stack, conn, listener, to_send| Host { stack, conn, listener, to_send, read: 0, buffer: vec![0; 1500] };
    [end(sender, Some(conn), None, to_send), end(receiver, None, Some(listener), Bytes::new())]
}

impl Host {
    fn act(&mut self, now: Instant) {
        self.conn = self.conn.or_else(|| self.stack.accept(self.listener?));
        let Some(mut conn) = self.conn.and_then(|conn| self.stack.conn(conn)) else { return };
        if !self.to_send.is_empty() && conn.is_writable() {
            self.to_send = conn.send(now, core::mem::take(&mut self.to_send)).expect("alive");
        }
        while let Ok(Some(bytes)) = conn.receive(now) {
            assert!(bytes.iter().enumerate().all(|(at, &it)| it == byte(self.read + at)), "wrong bytes");
            self.read += bytes.len();
        }
    }

    fn transmit(&mut self, now: Instant, send: &mut dyn FnMut(&[u8])) {
        while let Some(transmit) = self.stack.poll_transmit(now, &mut self.buffer) {
            send(&self.buffer[..transmit.len]);
        }
    }
}

impl End for Host {
    fn handle_packet(&mut self, now_us: u64, packet: &[u8]) {
        self.stack.handle_packet(Instant::from_micros(now_us), packet).expect("well-formed");
    }

    fn turn(&mut self, now_us: u64, send: &mut dyn FnMut(&[u8])) {
        let now = Instant::from_micros(now_us);
        if self.stack.poll_timeout().is_some_and(|at| at <= now) {
            self.stack.handle_timeout(now);
        }
        self.act(now);
        self.transmit(now, send);
        while self.stack.poll_event().is_some() {}
    }

    fn next_us(&mut self, _now_us: u64) -> Option<u64> {
        self.stack.poll_timeout().map(|at| at.since(Instant::ORIGIN).as_micros() as u64)
    }

    fn read(&self) -> usize {
        self.read
    }
}
