//! What can be learned of a connection beside its bytes: its state, its outlook, its past, and what was wrong.

use alloc::string::{String, ToString};
use std::io;

use super::TcpStream;
use crate::forecast::Outlook;
use crate::tcp::{Diagnosis, TcpInfo};

impl TcpStream {
    /// What there is to know about the connection. It prints as a line of `ss -o`.
    ///
    /// # Errors
    /// As [`TcpStream::take_error`].
    #[allow(clippy::redundant_closure_for_method_calls)] // the method's own lifetime would be fixed
    pub fn info(&self) -> io::Result<TcpInfo> {
        self.with(|conn, now| conn.info(now))
    }

    /// What happened to the connection and why, in plain words and with the time of day in UTC; `None` if it keeps no
    /// journal ([`Builder::with_journal`](super::Builder::with_journal), [`TcpStream::set_journal`]).
    ///
    /// # Errors
    /// As [`TcpStream::take_error`].
    pub fn journal(&self) -> io::Result<Option<String>> {
        let clock = self.on_the_wall();
        self.with(|conn, _| conn.journal().map(|journal| journal.render(clock).to_string()))
    }

    /// Keeps a journal of so many entries from now on, as
    /// [`ConnMut::set_journal`](crate::stack::ConnMut::set_journal).
    ///
    /// # Errors
    /// As [`TcpStream::take_error`].
    pub fn set_journal(&self, entries: Option<usize>) -> io::Result<()> {
        self.with(|conn, now| conn.set_journal(now, entries))
    }

    /// What was wrong, once the connection is over; `None` while it lives.
    ///
    /// # Errors
    /// As [`TcpStream::take_error`].
    pub fn diagnosis(&self) -> io::Result<Option<Diagnosis>> {
        self.with(|conn, _| conn.diagnosis())
    }

    /// When it will end, and why, if from now on nothing more is heard and the application does nothing. It prints as a
    /// line of plain words; see [`crate::forecast`].
    ///
    /// The deadlines are exact; how late the threads of a busy host come for them is not foreseen.
    ///
    /// # Errors
    /// As [`TcpStream::take_error`].
    pub fn forecast(&self) -> io::Result<Outlook> {
        self.with(|conn, now| conn.forecast(now).outlook())
    }
}
