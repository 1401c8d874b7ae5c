//! The journal of a connection: what happened to it, when, and what comes next if nothing does.
//!
//! A journal is a *fold*. It keeps a copy of the connection's [`VitalSigns`], is shown the connection again after each
//! call, and writes down what the difference means; what was sent, and why, it learns from each
//! [`Emit`](crate::tcp::Emit). So the
//! connection knows nothing of journals, and one without a journal costs nothing for it.
//!
//! It tells of liveness, not of traffic: what goes well leaves one entry however often it happens ([`What::Exchanged`],
//! [`What::Answered`]). The ring has the size that its owner chose. When it is full the oldest entry is dropped, and
//! [`Journal::dropped`] counts it.
//!
//! A stack keeps journals by itself (`stack::Config::with_journal`, `ConnMut::set_journal`). Beside a bare connection,
//! and without an allocator, it is one call after each call of the connection, and one for each segment that leaves:
//!
//! ```
//! use longhaul::buf::{Sent, ring::Ring};
//! use longhaul::config::Sysctl;
//! use longhaul::journal::{Entry, Journal, WallClock};
//! use longhaul::tcp::{Conn, Setup};
//! use longhaul::time::{Duration, Instant};
//! # use longhaul::{options::Options, seq::SeqNum, wire::Flow};
//!
//! let (mut send, mut receive, mut records) = ([0; 2048], [0; 4096], [Sent::EMPTY; 8]);
//! let mut ring = Ring::new(&mut send, &mut receive, &mut records);
//! # let flow = Flow { local: "10.0.0.2:5000".parse()?, remote: "10.0.0.1:80".parse()? };
//! # let setup = Setup { flow, iss: SeqNum::new(77), ts_offset: 0, mtu: 1500, options: Options::new() };
//! let sysctl = Sysctl { tcp_syn_retries: 1, ..Sysctl::LINUX };
//! let mut now = Instant::from_secs(1);
//! let mut conn = Conn::connect(now, &setup, &sysctl);
//! let mut journal = Journal::new([Entry::EMPTY; 32]);
//! loop {
//!     journal.note(now, &conn, &sysctl, &ring);
//!     while let Some(emit) = conn.poll_transmit(now, &sysctl, &mut ring) {
//!         journal.note(now, &conn, &sysctl, &ring);
//!         journal.note_emit(now, &emit, &conn, &sysctl);
//!     }
//!     let Some(next) = conn.poll_timeout() else { break };
//!     now = next;
//!     conn.handle_timeout(now, &sysctl, &mut ring);
//! }
//! let noon = WallClock { at: Instant::from_secs(1), time_of_day: Duration::from_secs(12 * 3600) };
//! assert_eq!(
//!     journal.render(noon).to_string(),
//!     "12:00:00.000 connecting to 10.0.0.1:80; SYN again in 1 s\n\
//!      12:00:01.000 SYN again (1st), next in 1 s\n\
//!      12:00:02.000 SYN again (2nd), next in 1 s\n\
//!      12:00:03.000 gave up: tcp_syn_retries = 1, 3 s modelled, silent for 3 s; the peer is silent (no answer at all)"
//! );
//! # Ok::<(), core::net::AddrParseError>(())
//! ```
//!
//! | room | question it answers |
//! |---|---|
//! | here | where are entries kept? |
//! | `fold` | what does a change of the vital signs, or a segment that leaves, mean? |
//! | `what`, `limit` | what can be said? |
//! | `render` | how does it read? |

mod fold;
mod limit;
mod render;
mod what;

use crate::tcp::VitalSigns;
use crate::time::Instant;
use crate::wire::Flow;

pub use limit::{Knob, Limit};
pub use render::{Rendered, WallClock};
pub use what::{Entry, What};

/// Entries that a stack gives a journal at most, whatever is asked for: 4096 last a quarrelsome connection for hours,
/// and take about 260 KiB.
pub const ENTRIES_MAX: usize = 4096;

/// What happened to one connection, in a ring of entries: an array, a borrowed slice, or a box.
#[derive(Clone, Debug)]
pub struct Journal<S> {
    ring: S,
    /// Where the oldest entry is.
    first: usize,
    len: usize,
    dropped: u64,
    watch: Option<Watch>,
}

/// What the fold remembers between two calls.
#[derive(Clone, Copy, Debug)]
struct Watch {
    flow: Flow,
    last: VitalSigns,
    /// When the flight last began to be not empty, and how much had been acknowledged then.
    flight_since: Option<(Instant, u32)>,
    /// When the last probe left.
    probed_at: Instant,
    shut_since: Option<Instant>,
    /// The timeout whose resend was said last.
    resent: u8,
}

impl<S: AsRef<[Entry]> + AsMut<[Entry]>> Journal<S> {
    /// An empty journal over this ring, whose entries are overwritten. Without room every entry is dropped.
    pub const fn new(ring: S) -> Self {
        Self { ring, first: 0, len: 0, dropped: 0, watch: None }
    }

    /// The entries that there are, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let (newer, older) = self.ring.as_ref().split_at(self.first);
        older.iter().chain(newer).take(self.len)
    }

    /// Entries that had to make room for younger ones.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Entries that there is room for.
    pub fn capacity(&self) -> usize {
        self.ring.as_ref().len()
    }

    /// Both ends of the connection, once it was seen.
    pub fn flow(&self) -> Option<Flow> {
        self.watch.map(|watch| watch.flow)
    }

    /// The entries in plain words, one a line, with the time of day; see [`WallClock`]. If some were dropped the first
    /// line says how many.
    pub const fn render(&self, clock: WallClock) -> Rendered<'_, S> {
        Rendered::new(self, clock)
    }

    fn push(&mut self, at: Instant, what: What) {
        let capacity = self.capacity();
        if self.len < capacity {
            self.len += 1;
        } else {
            self.dropped += 1;
            if capacity == 0 {
                return;
            }
            self.first = (self.first + 1) % capacity;
        }
        *self.nth_last(0).expect("there is one now") = Entry::new(at, what);
    }

    /// The entry that is so far from the youngest.
    fn nth_last(&mut self, back: usize) -> Option<&mut Entry> {
        if back >= self.len {
            return None;
        }
        let index = (self.first + self.len - 1 - back) % self.capacity();
        self.ring.as_mut().get_mut(index)
    }

    /// What the youngest entries say: the last, and the one before.
    fn last_two(&mut self) -> (Option<What>, Option<What>) {
        (self.nth_last(0).map(|entry| entry.what), self.nth_last(1).map(|entry| entry.what))
    }

    /// Takes the youngest entry back.
    fn pop(&mut self) {
        self.len = self.len.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn the_oldest_entry_makes_room_and_is_counted() {
        let mut journal = Journal::new([Entry::EMPTY; 3]);
        let at = Instant::from_secs;
        for secs in 1..=5 {
            journal.push(at(secs), What::WindowShut);
        }
        let times = |journal: &Journal<[Entry; 3]>| journal.entries().map(|entry| entry.at).collect::<Vec<_>>();
        assert_eq!((times(&journal), journal.dropped()), ([3, 4, 5].map(at).to_vec(), 2));
        journal.pop();
        journal.push(at(6), What::WindowShut);
        assert_eq!((times(&journal), journal.dropped()), ([3, 4, 6].map(at).to_vec(), 2));
    }

    #[test]
    fn a_journal_without_room_drops_all() {
        let mut journal = Journal::new([]);
        journal.push(Instant::ORIGIN, What::WindowShut);
        journal.pop();
        assert_eq!((journal.entries().count(), journal.dropped(), journal.last_two()), (0, 1, (None, None)));
    }

    #[test]
    fn an_entry_is_a_cache_line() {
        assert!(size_of::<Entry>() <= 64, "{}", size_of::<Entry>());
    }
}
