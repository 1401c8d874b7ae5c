//! The same comparison for a lone `Conn` over rings: no stack, no wheel, no allocator for the copies, and orphans tell
//! why they died.

use crate::knobs;
use crate::random::Random;
use longhaul::buf::ring::Ring;
use longhaul::buf::{SendBuffer, Sent};
use longhaul::config::Sysctl;
use longhaul::error::Error;
use longhaul::forecast::{Departure, End, Forecast, Reason, Step, TooFewRecords};
use longhaul::options::Options;
use longhaul::seq::SeqNum;
use longhaul::tcp::{Conn, HalfOpen, HalfOpenVerdict, Setup, State};
use longhaul::time::{Duration, Instant};
use longhaul::wire::{Flow, Header, IcmpKind, Segment};

const CASES: u64 = 10_000;
const QUEUE: usize = 3000;
/// So few that a sender runs out of records now and then.
const SEGMENTS: usize = 4;

type Foretold = (Vec<(Instant, Header, usize)>, End);

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

struct Pair<'m> {
    random: Random,
    now: Instant,
    sysctl: Sysctl,
    conns: [Conn; 2],
    rings: [Ring<'m>; 2],
    /// Whether what the first, or the second, sends is lost.
    cut: [bool; 2],
}

fn setup(local: u8, remote: u8, options: Options) -> Setup {
    let end = |host| ([10, 0, 0, host], 1000 + u16::from(host)).into();
    let options = options.with_recv_buffer_size(QUEUE as u32);
    Setup {
        flow: Flow { local: end(local), remote: end(remote) },
        iss: SeqNum::new(9),
        ts_offset: 7,
        mtu: 576,
        options,
    }
}

impl<'m> Pair<'m> {
    fn new(seed: u64, one: &'m mut Memory, other: &'m mut Memory) -> Self {
        let mut random = Random(seed);
        let sysctl = knobs::sysctl(&mut random);
        let mut now = Instant::from_micros(random.next() % 5_000_000);
        let [ours, theirs] = [1, 2].map(|_| knobs::options(&mut random));
        let mut rings = [one.ring(), other.ring()];
        let mut a = Conn::connect(now, &setup(1, 2, ours), &sysctl);
        let syn = a.poll_transmit(now, &sysctl, &mut rings[0]).expect("a SYN").header;
        now += Duration::from_micros(random.next() % 400_000);
        let mut half_open = HalfOpen::new(now, &setup(2, 1, theirs), &syn, &sysctl);
        let syn_ack = Segment { header: half_open.syn_ack(now), payload: &[] };
        a.handle_segment(now, &syn_ack, &sysctl, &mut rings[0]);
        let header = a.poll_transmit(now, &sysctl, &mut rings[0]).expect("the final ACK").header;
        let ack = Segment { header, payload: &[] };
        let options = setup(2, 1, theirs).options;
        assert_eq!(half_open.handle_segment(now, &ack, &sysctl, &options, true), HalfOpenVerdict::Accept);
        let mut b = Conn::accept(now, &half_open, options, &header, &sysctl);
        b.handle_segment(now, &ack, &sysctl, &mut rings[1]);
        Self { random, now, sysctl, conns: [a, b], rings, cut: [false; 2] }
    }

    fn live(&mut self) {
        for _ in 0..=self.random.below(9) {
            let end = self.random.below(2);
            match self.random.below(16) {
                0..6 => self.write(end),
                6 => self.conns[end].finish(&mut self.rings[end]),
                7 => drop(self.conns[end].close(self.now, &self.sysctl, &mut self.rings[end])),
                8 | 9 => self.cut[1] = true,
                10 => self.cut[0] = true,
                11 => self.cut = [false; 2],
                12 => {
                    let una = self.rings[0].sent(0).map_or(SeqNum::new(0), |sent| sent.seq);
                    let kind = IcmpKind::V4Unreachable(1);
                    self.conns[0].handle_icmp(self.now, una, kind, &self.sysctl, &mut self.rings[0]);
                }
                13 => {
                    let options = setup(1, 2, knobs::options(&mut self.random)).options;
                    self.conns[0].set_options(self.now, &self.sysctl, options);
                }
                _ => {
                    // Whoever never reads shuts its window.
                    self.rings[end].read(&mut [0; QUEUE]);
                    self.conns[end].handle_read(self.now, &self.sysctl, &mut self.rings[end]);
                }
            }
            // The last act has not left yet.
            let span = self.random.pick(&[0, 3000, 250_000, 4_000_000]);
            if self.random.one_in(4) {
                continue;
            }
            self.exchange();
            self.now += Duration::from_micros(self.random.next() % (span + 1));
            for index in 0..2 {
                self.conns[index].handle_timeout(self.now, &self.sysctl, &mut self.rings[index]);
            }
        }
    }

    fn write(&mut self, end: usize) {
        let len = self.random.pick(&[1, 300, 900, 2900]);
        if !self.conns[end].is_send_closed() {
            self.rings[end].write(&[7; QUEUE][..len]);
        }
    }

    fn exchange(&mut self) {
        for _ in 0..100 {
            let from = self.random.below(2);
            let Some(emit) = self.conns[from].poll_transmit(self.now, &self.sysctl, &mut self.rings[from]) else {
                continue;
            };
            let segment = Segment { header: emit.header, payload: &[7; QUEUE][..emit.len] };
            if self.cut[from] {
                continue;
            }
            let to = 1 - from;
            if let Some(reply) = self.conns[to].handle_segment(self.now, &segment, &self.sysctl, &mut self.rings[to])
                && !self.cut[to]
            {
                let reply = Segment { header: reply, payload: &[] };
                self.conns[from].handle_segment(self.now, &reply, &self.sysctl, &mut self.rings[from]);
            }
        }
    }

    /// What the first connection really does, asked exactly when it wants to be.
    fn watch(mut self) -> Foretold {
        let (conn, ring, start) = (&mut self.conns[0], &mut self.rings[0], self.now);
        let was_closed = conn.state() == State::Closed;
        let mut segments = Vec::new();
        let mut now = start;
        loop {
            while let Some(emit) = conn.poll_transmit(now, &self.sysctl, ring) {
                segments.push((now, emit.header, emit.len));
            }
            let state = conn.state();
            if let Some(block) = conn.take_time_wait(now) {
                let how = if state == State::TimeWait { Departure::TimeWait } else { Departure::FinWait2 };
                return (segments, End::Gone { at: block.due(), how });
            }
            let Some(next) = conn.poll_timeout().filter(|_| state != State::Closed) else { break };
            now = now.max(next);
            conn.handle_timeout(now, &self.sysctl, ring);
        }
        let end = match (conn.state(), conn.death()) {
            (State::Closed, _) if was_closed => End::Never(Reason::Closed),
            (State::Closed, Some(Error::TimedOut { cause, errno })) => End::Death { at: now, cause, errno },
            (State::Closed, _) => End::Gone { at: now, how: Departure::Reset },
            (State::CloseWait, _) => End::Never(Reason::CloseWait),
            (State::FinWait2, _) => End::Never(Reason::FinWait2),
            _ => End::Never(Reason::Idle),
        };
        (segments, end)
    }
}

#[test]
fn a_lone_connection_does_what_is_foretold_with_or_without_an_allocator() {
    let mut ends = [0; 4];
    for case in 0..CASES {
        let (mut one, mut other) = (Memory::new(), Memory::new());
        let mut pair = Pair::new(case, &mut one, &mut other);
        pair.live();
        let mut copies = [Sent::EMPTY; SEGMENTS];
        let (conn, ring) = (&pair.conns[0], &pair.rings[0]);
        let mut lent = Forecast::in_records(conn, pair.now, &pair.sysctl, ring, &mut copies).expect("as many records");
        let mut heap = Forecast::new(conn, pair.now, &pair.sysctl, ring);
        let steps: Vec<Step> = lent.by_ref().collect();
        assert_eq!((&steps, lent.end()), (&heap.by_ref().collect(), heap.end()), "case {case}");
        let foretold: Vec<_> = steps.iter().map(|step| (step.at, step.seq, step.flags, step.len)).collect();
        let end = lent.end().expect("the iterator has ended");
        let (segments, happened) = pair.watch();
        let seen: Vec<_> = segments.iter().map(|(at, header, len)| (*at, header.seq, header.flags, *len)).collect();
        assert_eq!((foretold, end), (seen, happened), "case {case}");
        ends[match end {
            End::Death { .. } => 0,
            End::Gone { how: Departure::TimeWait, .. } => 1,
            End::Gone { .. } => 2,
            End::Never(_) => 3,
        }] += 1;
    }
    assert!(ends.iter().all(|&met| met > CASES / 200), "deaths, TIME-WAITs, silent ends, none: {ends:?}");
}

#[test]
fn a_slice_that_could_be_too_short_is_refused_with_the_length_it_takes() {
    let (mut one, mut other) = (Memory::new(), Memory::new());
    let mut pair = Pair::new(1, &mut one, &mut other);
    pair.write(0);
    pair.rings[0].write(&[7; 2]);
    let (conn, ring, sysctl) = (&pair.conns[0], &pair.rings[0], Sysctl::LINUX);
    let mut copies = [Sent::EMPTY; SEGMENTS];
    for len in 0..=SEGMENTS {
        let needed = SEGMENTS.min(ring.len());
        let outcome = Forecast::in_records(conn, pair.now, &sysctl, ring, &mut copies[..len]).map(Iterator::count);
        assert_eq!(outcome.err(), (len < needed).then_some(TooFewRecords { needed }), "{len} records");
    }
}
