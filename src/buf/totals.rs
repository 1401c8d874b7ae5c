//! What a connection carried, and what it waited for (Linux `tcp_info`, `tcp_chrono`).
//!
//! It stands in the [`super::Scoreboard`], behind the buffers, and lasts as long as they do: a stack that frees the
//! queues of a connection which has long been idle forgets it.

use crate::time::{Duration, Instant};

/// What keeps a sender from sending more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Nothing is queued or in flight.
    Idle,
    /// The network: what may be in flight is.
    Busy,
    /// The peer's window.
    ReceiveWindow,
    /// The send buffer: all of it is in flight, and the application wants to write more.
    SendBuffer,
}

/// Bytes and times since the connection began, or since its queues were made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Totals {
    pub(crate) bytes_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_retrans: u64,
    /// How often something was seen to arrive out of order, and copies reported as needless.
    pub(crate) reord_seen: u32,
    pub(crate) dsack_dups: u32,
    /// Segments delivered with a mark.
    pub(crate) delivered_ce: u32,
    limit: Limit,
    since: Instant,
    busy: Duration,
    receive_window: Duration,
    send_buffer: Duration,
}

impl Totals {
    pub(crate) const NONE: Self = Self {
        bytes_received: 0,
        bytes_sent: 0,
        bytes_retrans: 0,
        reord_seen: 0,
        dsack_dups: 0,
        delivered_ce: 0,
        limit: Limit::Idle,
        since: Instant::ORIGIN,
        busy: Duration::ZERO,
        receive_window: Duration::ZERO,
        send_buffer: Duration::ZERO,
    };

    pub(crate) const fn limit(&self) -> Limit {
        self.limit
    }

    /// From now on this is what it waits for.
    pub(crate) fn note(&mut self, now: Instant, limit: Limit) {
        if limit != self.limit {
            *self = Self { limit, since: now, ..self.at(now) };
        }
    }

    /// Time spent busy (whatever the limit was), limited by the peer's window, and by the send buffer.
    pub(crate) fn times(&self, now: Instant) -> [Duration; 3] {
        let Self { busy, receive_window, send_buffer, .. } = self.at(now);
        [busy + receive_window + send_buffer, receive_window, send_buffer]
    }

    /// With what has passed since the limit was noted.
    fn at(&self, now: Instant) -> Self {
        let mut at = *self;
        let passed = now.since(self.since);
        match self.limit {
            Limit::Idle => {}
            Limit::Busy => at.busy += passed,
            Limit::ReceiveWindow => at.receive_window += passed,
            Limit::SendBuffer => at.send_buffer += passed,
        }
        at
    }
}
