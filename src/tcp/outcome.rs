//! What became of a connection, and what is still to be told of it (Linux `sk_err`, `sk_err_soft`).

use super::conn::Conn;
use super::flags::Notes;
use crate::error::{Errno, Error};

impl Conn {
    /// The stored error, once (`SO_ERROR`): what ended the connection, or else the last unanswered ICMP error.
    pub fn take_error(&mut self) -> Option<Error> {
        self.take_hard_error().or_else(|| self.soft_error.take().map(Error::Unreachable))
    }

    /// The error that the next failing call reports, once; an ICMP error does not count.
    pub fn take_hard_error(&mut self) -> Option<Error> {
        if self.notes.take(Notes::ERROR) {
            return self.death;
        }
        if self.notes.take(Notes::REPORT) { self.soft_error.take().map(Error::Unreachable) } else { None }
    }

    /// Whether an error waits to be taken.
    pub fn has_error(&self) -> bool {
        self.notes.has(Notes::ERROR | Notes::REPORT)
    }

    /// What the network said last and no ACK has answered: the word that a timeout will report.
    pub(super) fn remembered_error(&self) -> Option<Errno> {
        self.soft_error.filter(|_| !self.notes.has(Notes::REPORT))
    }

    /// What ended the connection, as long as the block lives; `None` while it lives or if it ended cleanly.
    pub fn death(&self) -> Option<Error> {
        self.death
    }
}
