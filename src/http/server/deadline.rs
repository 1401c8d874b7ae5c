//! When a connection has waited long enough: one deadline for each wait, as data.

use super::{CloseReason, Phase, Reading, RequestId, Server};
use crate::http::MessageError;
use crate::time::Instant;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wait {
    Write,
    Head,
    Body,
    Idle,
    Linger,
}

impl Server {
    /// When to call [`Self::handle_timeout`]; `None` waits for input, or for the application.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline().map(|(at, _)| at)
    }

    /// It is `now`: waits that are over end.
    pub fn handle_timeout(&mut self, now: Instant) {
        // Each ends its own wait, so this does too.
        while let Some((_, wait)) = self.deadline().filter(|&(at, _)| at <= now) {
            match wait {
                Wait::Write => {
                    self.ending = Some(CloseReason::WriteTimeout);
                    self.close();
                }
                Wait::Head if self.is_head_begun() => self.refuse(now, MessageError::HeadTimeout),
                // There is no request to answer: silence is met with silence (RFC 9112 9.5).
                Wait::Head => self.give_up(CloseReason::NoRequest),
                Wait::Idle => self.give_up(CloseReason::KeepAliveTimeout),
                Wait::Body => self.refuse(now, MessageError::BodyTimeout),
                Wait::Linger => self.close(),
            }
        }
    }

    fn give_up(&mut self, reason: CloseReason) {
        self.end(reason);
        self.reading = Reading::Ended;
    }

    /// The earliest wait that is running.
    fn deadline(&self) -> Option<(Instant, Wait)> {
        let timeouts = &self.config.timeouts;
        if let Phase::Lingering { until, heard_at } = self.phase {
            return Some((until.min(heard_at + timeouts.linger_silence), Wait::Linger));
        }
        let write = self.write_since.map(|since| (since + timeouts.write, Wait::Write));
        write.into_iter().chain(self.read_deadline()).min()
    }

    fn read_deadline(&self) -> Option<(Instant, Wait)> {
        let timeouts = &self.config.timeouts;
        match &self.reading {
            Reading::Head(_) => match self.head_since {
                Some(since) => Some((since + timeouts.head, Wait::Head)),
                None if self.slots.is_empty() => Some((self.idle_since + timeouts.keep_alive, Wait::Idle)),
                None => None,
            },
            // Not while it is we who do not read, or who have not told the client to go on.
            Reading::Body { id, .. } if self.wants_input() && !self.is_held_back(*id) => {
                Some((self.body_since + timeouts.body, Wait::Body))
            }
            Reading::Body { .. } | Reading::Ended => None,
        }
    }

    fn is_held_back(&self, id: RequestId) -> bool {
        self.index(id).is_some_and(|index| self.slots[index].is_held_back())
    }
}
