//! When will a connection of this stack end, and why, if nothing more is heard?
//!
//! [`crate::forecast`] runs a copy of the connection ahead; what the stack adds is its timing wheel, with an entry that
//! may stand too early and whole milliseconds.

use super::{ConnId, Stack};
use crate::buf::Sent;
use crate::buf::chain::Streams;
use crate::forecast::Forecast;
use crate::time::Instant;
use alloc::vec::Vec;

impl Stack {
    /// What a connection will do from `now` on if nothing more arrives and the application does nothing; see
    /// [`crate::forecast`]. Exact to the microsecond if the driver asks for packets at once, and calls at
    /// [`Stack::poll_timeout`]. `None` if the connection is gone.
    ///
    /// Works for orphans, too, whose ids [`Stack::connections`] still names.
    pub fn forecast(&self, now: Instant, id: ConnId) -> Option<Forecast<'_, Vec<Sent>>> {
        let entry = self.conns.get(id.0)?;
        let none = Streams::new();
        let queues = entry.streams.as_deref().unwrap_or(&none);
        let forecast = Forecast::new(&entry.conn, self.now.max(now), &self.config.sysctl, queues);
        Some(forecast.on_wheel(self.conn_wheel.deadline(id.0.index)))
    }
}
