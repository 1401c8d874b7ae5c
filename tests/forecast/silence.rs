//! The two sides of the comparison: what is foretold, and what happens when nothing arrives.

use crate::history::World;
use alloc::collections::BTreeSet;
use longhaul::forecast::{Departure, End, Reason, Step};
use longhaul::seq::SeqNum;
use longhaul::stack::{ConnId, Transmit};
use longhaul::tcp::{EmitKind, Event, State};
use longhaul::time::Instant;
use longhaul::wire::{self, Flags, Packet};

/// Segments of one silence at most: 255 retransmissions and as many probes of each kind, and what was queued.
const SEGMENTS_MAX: usize = 20_000;

/// A segment as both sides see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    at: Instant,
    kind: EmitKind,
    seq: SeqNum,
    len: usize,
    flags: Flags,
}

/// All of a silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Silence {
    segments: Vec<Sight>,
    pub(crate) end: End,
}

impl Silence {
    /// Each kind of segment once.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &'static str> {
        let kinds: BTreeSet<_> = self.segments.iter().map(|sight| sight.kind.describe()).collect();
        kinds.into_iter()
    }
}

pub(crate) fn foretell(world: &World) -> Silence {
    let id = world.ours.expect("there is a connection");
    let mut forecast = world.us.forecast(world.now, id).expect("it is not gone");
    let sight = |Step { at, kind, seq, len, flags, .. }| Sight { at, kind, seq, len, flags };
    let segments: Vec<_> = forecast.by_ref().take(SEGMENTS_MAX).map(sight).collect();
    assert!(segments.len() < SEGMENTS_MAX, "no end of segments is foretold");
    Silence { segments, end: forecast.end().expect("the iterator has ended") }
}

/// Lets time pass. `foretold` is read for one thing only: which of two silent ends to look for.
pub(crate) fn watch(world: &mut World, foretold: &Silence) -> Silence {
    let id = world.ours.expect("a connection was foretold");
    let aborts = world.us.stats().abort_on_timeout;
    let closed = world.us.forecast(world.now, id).is_some_and(|forecast| forecast.state() == State::Closed);
    let mut segments = Vec::new();
    loop {
        while let Some(transmit) = world.us.poll_transmit(world.now, &mut world.buffer) {
            segments.push(sight(world.now, &transmit, &world.buffer));
            assert!(segments.len() < SEGMENTS_MAX, "no end of segments");
        }
        if let Some(end) = end(world, id, aborts, closed, foretold) {
            return Silence { segments, end };
        }
        let next = world.us.poll_timeout().expect("there was no end, so there is a deadline");
        world.now = world.now.max(next);
        world.us.handle_timeout(world.now);
    }
}

fn end(world: &mut World, id: ConnId, aborts: u64, closed: bool, foretold: &Silence) -> Option<End> {
    let at = world.now;
    while let Some((_, event)) = world.us.poll_event() {
        if let Event::Closed(Some(error)) = event
            && let Some(cause) = error.cause()
        {
            return Some(End::Death { at, cause, errno: error.errno() });
        }
    }
    let exists = world.us.connections().any(|other| other == id);
    if !exists && world.us.stats().abort_on_timeout > aborts {
        // Nobody is told why an orphan died: the time must do, and `rings` compares the cause.
        return match foretold.end {
            End::Death { cause, errno, .. } => Some(End::Death { at, cause, errno }),
            _ => Some(End::Never(Reason::TooFar)),
        };
    }
    if !exists && world.us.time_wait_len() == 0 {
        let reset = matches!(foretold.end, End::Gone { how: Departure::Reset, .. });
        let how = if reset { Departure::Reset } else { Departure::FinWait2 };
        // Closed before, and only a reset was left to send.
        return Some(if closed { End::Never(Reason::Closed) } else { End::Gone { at, how } });
    }
    if world.us.poll_timeout().is_some() || !exists {
        return None;
    }
    let conn = world.us.conn(id)?;
    Some(End::Never(match conn.state() {
        State::Closed => Reason::Closed,
        State::CloseWait => Reason::CloseWait,
        State::FinWait2 => Reason::FinWait2,
        _ => Reason::Idle,
    }))
}

fn sight(at: Instant, transmit: &Transmit, packet: &[u8]) -> Sight {
    let Ok(Packet::Tcp { segment, .. }) = wire::parse(&packet[..transmit.len]) else {
        panic!("a stack in silence sends TCP");
    };
    // What a connection still has to say when a small block takes its place leaves as an answer.
    let kind = transmit.kind.unwrap_or(EmitKind::Ack);
    Sight { at, kind, seq: segment.header.seq, len: segment.payload.len(), flags: segment.header.flags }
}
