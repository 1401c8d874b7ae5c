//! Which connections keep a journal, and where: in a table beside the connections, so that one without costs nothing.
//!
//! While no connection has one, all that is left of journals is a question whether the table is empty, once a call.

use super::Stack;
use crate::buf::chain::Streams;
use crate::config::Sysctl;
use crate::journal::{ENTRIES_MAX, Entry, Journal};
use crate::tcp::{Conn, Emit, State};
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;

/// Journals by the index of their connection.
pub(super) type Journals = BTreeMap<u32, Box<Journal<Box<[Entry]>>>>;

/// A connection was changed. Returns what its journal costs the memory budget. Ask first whether there are any: this
/// stays out of the way of stacks without.
#[cold]
#[inline(never)]
pub(super) fn note(
    journals: &mut Journals,
    index: u32,
    now: Instant,
    conn: &Conn,
    sysctl: &Sysctl,
    queues: &Streams,
) -> usize {
    let Some(journal) = journals.get_mut(&index) else { return 0 };
    journal.note(now, conn, sysctl, queues);
    size_of::<Journal<Box<[Entry]>>>() + journal.capacity() * size_of::<Entry>()
}

impl Stack {
    /// A connection begins, and perhaps a journal with it. While the memory budget is spent it has none.
    pub(super) fn begin_journal(&mut self, index: u32) {
        if self.config.journal_entries == 0 || !self.has_memory() {
            return;
        }
        let Some(entry) = self.conns.get_at(index) else { return };
        let mut journal = new(self.config.journal_entries);
        if entry.conn.state() == State::Established {
            journal.note_accepted(self.now, &entry.conn, &Streams::new());
        }
        self.journals.insert(index, journal);
    }

    /// Gives a connection a new journal, or none.
    pub(super) fn set_journal(&mut self, index: u32, entries: Option<usize>) {
        match entries {
            Some(entries) if self.has_memory() => drop(self.journals.insert(index, new(entries))),
            _ => drop(self.journals.remove(&index)),
        }
        // Begins it, and charges for it.
        self.with(index, None, |_, _, _| ());
    }

    /// A segment left. Ask first whether there are journals.
    #[cold]
    #[inline(never)]
    pub(super) fn note_emit(&mut self, index: u32, emit: &Emit) {
        if let (Some(journal), Some(entry)) = (self.journals.get_mut(&index), self.conns.get_at(index)) {
            journal.note_emit(self.now, emit, &entry.conn, &self.config.sysctl);
        }
    }

    /// The connection is gone, and its journal with it.
    pub(super) fn end_journal(&mut self, index: u32) {
        if !self.journals.is_empty() {
            self.journals.remove(&index);
        }
    }
}

fn new(entries: usize) -> Box<Journal<Box<[Entry]>>> {
    Box::new(Journal::new(alloc::vec![Entry::EMPTY; entries.min(ENTRIES_MAX)].into_boxed_slice()))
}
