//! One connection on memory that the caller owns: no stack, no heap, no packets; segments go from block to block.
//!
//! This is how a microcontroller would hold a [`Conn`]: the same state machine, over rings.

use longhaul::buf::ring::Ring;
use longhaul::buf::{ReceiveBuffer, SendBuffer, Sent};
use longhaul::config::Sysctl;
use longhaul::error::{Cause, Error};
use longhaul::options::{Options, TcpKeepalive};
use longhaul::seq::SeqNum;
use longhaul::tcp::{Conn, Event, HalfOpen, HalfOpenVerdict, Setup, State};
use longhaul::time::{Duration, Instant};
use longhaul::wire::{Flow, Header, IcmpKind, Segment};

const QUEUE: usize = 2048;
const SEGMENTS: usize = 16;
const FRAME: usize = 600;

/// The memory of one end.
struct Memory {
    send: [u8; QUEUE],
    receive: [u8; QUEUE],
    records: [Sent; SEGMENTS],
}

impl Memory {
    const fn new() -> Self {
        Self { send: [0; QUEUE], receive: [0; QUEUE], records: [Sent::EMPTY; SEGMENTS] }
    }

    fn ring(&mut self) -> Ring<'_> {
        Ring::new(&mut self.send, &mut self.receive, &mut self.records)
    }
}

fn setup(local: u8, remote: u8, options: Options) -> Setup {
    let end = |host| ([10, 0, 0, host], 1000 + u16::from(host)).into();
    let flow = Flow { local: end(local), remote: end(remote) };
    // Two kilobytes of buffer are what SO_RCVBUF = 2048 means.
    Setup {
        flow,
        iss: SeqNum::new(u32::MAX - 500),
        ts_offset: 7,
        mtu: 576,
        options: options.with_recv_buffer_size(2048),
    }
}

struct End<'m> {
    conn: Conn,
    ring: Ring<'m>,
}

impl End<'_> {
    /// The next segment, with its payload copied into `frame` as a driver would.
    fn next<'f>(&mut self, now: Instant, frame: &'f mut [u8; FRAME]) -> Option<Segment<'f>> {
        let emit = self.conn.poll_transmit(now, &SYSCTL, &mut self.ring)?;
        self.ring.copy_out(emit.offset, &mut frame[..emit.len]);
        Some(Segment { header: emit.header, payload: &frame[..emit.len] })
    }

    fn take(&mut self, now: Instant, segment: &Segment<'_>) -> Option<Header> {
        self.conn.handle_segment(now, segment, &SYSCTL, &mut self.ring)
    }
}

const SYSCTL: Sysctl = Sysctl::LINUX;

/// Carries segments both ways until nobody wants to send.
fn exchange(now: Instant, a: &mut End<'_>, b: &mut End<'_>) {
    let mut frame = [0; FRAME];
    loop {
        let mut quiet = true;
        while let Some(segment) = a.next(now, &mut frame) {
            quiet = false;
            if let Some(reply) = b.take(now, &segment) {
                a.take(now, &Segment { header: reply, payload: &[] });
            }
        }
        while let Some(segment) = b.next(now, &mut frame) {
            quiet = false;
            if let Some(reply) = a.take(now, &segment) {
                b.take(now, &Segment { header: reply, payload: &[] });
            }
        }
        if quiet {
            return;
        }
    }
}

/// A handshake: the active end as a `Conn` from the start, the passive one through a half-open block.
fn connected<'m>(now: Instant, one: &'m mut Memory, other: &'m mut Memory, options: Options) -> (End<'m>, End<'m>) {
    let mut frame = [0; FRAME];
    let mut a = End { conn: Conn::connect(now, &setup(1, 2, options), &SYSCTL), ring: one.ring() };
    let syn = a.next(now, &mut frame).expect("a SYN");
    let mut half_open = HalfOpen::new(now, &setup(2, 1, Options::new()), &syn.header, &SYSCTL);
    let syn_ack = half_open.syn_ack(now);
    assert_eq!(a.take(now, &Segment { header: syn_ack, payload: &[] }), None);
    let ack = a.next(now, &mut frame).expect("the final ACK");
    let passive = Options::new().with_recv_buffer_size(2048);
    assert_eq!(half_open.handle_segment(now, &ack, &SYSCTL, &passive, true), HalfOpenVerdict::Accept);
    let conn = Conn::accept(now, &half_open, passive, &ack.header, &SYSCTL);
    let mut b = End { conn, ring: other.ring() };
    assert_eq!(b.take(now, &ack), None);
    assert_eq!(a.conn.poll_event(), Some(Event::Connected));
    assert_eq!(b.conn.poll_event(), Some(Event::Connected));
    (a, b)
}

#[test]
fn a_hundred_kilobytes_pass_through_two_kilobytes_each_way() {
    let (mut one, mut other) = (Memory::new(), Memory::new());
    let mut now = Instant::from_secs(1);
    let (mut a, mut b) = connected(now, &mut one, &mut other, Options::new());
    let pattern = |index: usize| (index * 31 % 251) as u8;
    let (mut written, mut read) = (0, 0);
    while read < 100_000 {
        let chunk: Vec<u8> = (written..written + a.ring.send_room()).map(pattern).collect();
        written += a.ring.write(&chunk);
        exchange(now, &mut a, &mut b);
        let mut buffer = [0; 700];
        let len = b.ring.read(&mut buffer);
        assert!(buffer[..len].iter().enumerate().all(|(index, &byte)| byte == pattern(read + index)));
        read += len;
        b.conn.handle_read(now, &SYSCTL, &mut b.ring);
        exchange(now, &mut a, &mut b);
        now += Duration::from_millis(1);
        a.conn.handle_timeout(now, &SYSCTL, &mut a.ring);
        b.conn.handle_timeout(now, &SYSCTL, &mut b.ring);
        assert!(now < Instant::from_secs(100), "stuck after {read} bytes: {}", a.conn.info(now, &SYSCTL, &a.ring));
    }
}

#[test]
fn a_path_that_narrows_while_every_record_is_taken_is_survived() {
    let now = Instant::from_secs(1);
    let (mut one, mut other) = (Memory::new(), Memory::new());
    let (mut a, mut b) = connected(now, &mut one, &mut other, Options::new());
    let (mut send, mut receive, mut records) = ([0; QUEUE], [0; QUEUE], [Sent::EMPTY; 2]);
    a.ring = Ring::new(&mut send, &mut receive, &mut records);
    assert_eq!(a.ring.write(&[7; 1500]), 1500);
    let mut frame = [0; FRAME];
    let lost: Vec<_> =
        core::iter::from_fn(|| a.next(now, &mut frame).map(|it| (it.header.seq, it.payload.len()))).collect();
    assert_eq!(lost.iter().map(|&(_, len)| len).collect::<Vec<_>>(), [524, 524], "two records, two segments");
    // A router takes 552 bytes, headers and timestamps included. No record is left to split either segment with.
    a.conn.handle_icmp(now, lost[0].0, IcmpKind::FragmentationNeeded { mtu: 552 }, &SYSCTL, &mut a.ring);
    let mut at = now;
    for _ in 0..100 {
        while let Some(segment) = a.next(at, &mut frame) {
            assert!(segment.payload.len() <= 500, "{} bytes cannot pass", segment.payload.len());
            if let Some(reply) = b.take(at, &segment) {
                a.take(at, &Segment { header: reply, payload: &[] });
            }
        }
        while let Some(ack) = b.next(at, &mut [0; FRAME]) {
            a.take(at, &ack);
        }
        let Some(next) = a.conn.poll_timeout().filter(|_| !a.ring.is_empty()) else { break };
        at = at.max(next);
        a.conn.handle_timeout(at, &SYSCTL, &mut a.ring);
        b.conn.handle_timeout(at, &SYSCTL, &mut b.ring);
    }
    assert_eq!((a.ring.len(), b.ring.readable()), (0, 1500));
}

#[test]
fn both_ends_finish_and_one_keeps_the_time_wait_block() {
    let (mut one, mut other) = (Memory::new(), Memory::new());
    let mut now = Instant::from_secs(1);
    let (mut a, mut b) = connected(now, &mut one, &mut other, Options::new());
    a.conn.finish(&mut a.ring);
    exchange(now, &mut a, &mut b);
    // The ACK of a FIN is delayed, in case ours comes along (Linux).
    now += Duration::from_millis(40);
    b.conn.handle_timeout(now, &SYSCTL, &mut b.ring);
    exchange(now, &mut a, &mut b);
    assert_eq!((a.conn.state(), b.conn.state()), (State::FinWait2, State::CloseWait));
    assert_eq!(b.conn.read_outcome(), Ok(()), "the end of the stream");
    b.conn.finish(&mut b.ring);
    exchange(now, &mut a, &mut b);
    assert_eq!((a.conn.state(), b.conn.state()), (State::TimeWait, State::Closed));
    let block = a.conn.take_time_wait(now).expect("a block");
    assert_eq!(block.due(), now + Duration::from_secs(60));
    assert_eq!(a.conn.take_time_wait(now).map(|block| block.due()), None, "only once");
}

#[test]
fn keepalive_ends_a_silent_connection_without_any_stack() {
    let (mut one, mut other) = (Memory::new(), Memory::new());
    let start = Instant::from_secs(1);
    let second = Duration::from_secs(1);
    let keepalive = TcpKeepalive::new().with_time(second).with_interval(second).with_retries(3);
    let options = Options::new().with_keepalive(true).with_tcp_keepalive(&keepalive).unwrap();
    let (mut a, mut b) = connected(start, &mut one, &mut other, options);
    exchange(start, &mut a, &mut b);
    let mut sent = Vec::new();
    let mut frame = [0; FRAME];
    while let Some(now) = a.conn.poll_timeout() {
        a.conn.handle_timeout(now, &SYSCTL, &mut a.ring);
        while let Some(segment) = a.next(now, &mut frame) {
            sent.push((now.since(start).as_secs(), segment.header.flags.to_string()));
        }
    }
    let probe = |at| (at, String::from("."));
    assert_eq!(sent, [probe(1), probe(2), probe(3), (4, String::from("R."))]);
    let death = a.conn.death();
    assert!(matches!(death, Some(Error::TimedOut { cause: Cause::Keepalive, .. })), "{death:?}");
    assert_eq!(a.ring.readable(), 0);
}
