//! From bytes to events.

use super::slot::{Answer, Continuation, Slot};
use super::{CloseReason, Event, Phase, Reading, RequestId, Server};
use crate::http::body::{BodyReader, Piece};
use crate::http::lines::{HeadReader, Section};
use crate::http::persistence::{self, Bounds, Connection, Facts, Last};
use crate::http::{BodyKind, MessageError, RequestHead, Response, Version};
use crate::time::Instant;
use bytes::Bytes;

impl Server {
    /// Bytes arrived. Returns those that were not taken: offer them again, before newer ones, after
    /// [`Self::poll_event`], [`Self::poll_output`] or an answer.
    #[must_use = "what is not taken must be offered again"]
    pub fn handle_input(&mut self, now: Instant, mut input: Bytes) -> Bytes {
        if let Phase::Lingering { heard_at, .. } = &mut self.phase {
            *heard_at = now;
        }
        while self.wants_input() || self.is_body_ending() {
            match self.step(now, &mut input) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => self.refuse(now, error),
            }
            if matches!(self.reading, Reading::Ended) {
                break;
            }
        }
        if matches!(self.reading, Reading::Ended) {
            // RFC 9112 9.6: what follows the last request is not processed.
            input.clear();
        }
        input
    }

    /// The peer finished sending (FIN); not before everything it sent was taken. Requests that are complete are still
    /// answered.
    pub fn handle_end(&mut self, now: Instant) {
        self.peer_finished = true;
        match (&mut self.reading, self.phase) {
            (_, Phase::Lingering { .. }) => self.close(),
            (Reading::Head(reader), _) if !reader.has_begun() => {
                self.end(CloseReason::PeerFinished);
                self.reading = Reading::Ended;
            }
            (Reading::Head(_), _) => self.refuse(now, MessageError::Truncated),
            (Reading::Body { reader, .. }, _) => {
                if let Err(error) = reader.read_end() {
                    self.refuse(now, error);
                }
            }
            (Reading::Ended, _) => {}
        }
    }

    /// Whether input would be taken now. While it would not, leave it to the transport, whose window will close.
    pub fn wants_input(&self) -> bool {
        let room = self.event_bytes < self.config.event_bytes;
        match &self.reading {
            // A head that has begun is read on: its time is running.
            Reading::Head(reader) => reader.has_begun() || room && self.slots.len() < self.config.pipeline_depth.max(1),
            Reading::Body { id, .. } => room || self.is_answered(*id),
            Reading::Ended => true,
        }
    }

    /// Whether the end of a body needs no input to be told.
    fn is_body_ending(&self) -> bool {
        matches!(&self.reading, Reading::Body { reader, .. } if reader.is_ending())
    }

    /// One head or one piece of a body; whether there may be more.
    fn step(&mut self, now: Instant, input: &mut Bytes) -> Result<bool, MessageError> {
        let limits = &self.config.limits;
        match &mut self.reading {
            Reading::Head(reader) => {
                let block = reader.read(input, limits)?;
                if block.is_none() && reader.has_begun() {
                    self.head_since.get_or_insert(now);
                }
                let Some(block) = block else { return Ok(false) };
                self.head_since = None;
                self.begin_request(now, RequestHead::parse(&block)?)?;
                Ok(true)
            }
            Reading::Body { id, reader, .. } => {
                let id = *id;
                let Some(piece) = reader.read(input, limits)? else { return Ok(false) };
                self.body_since = now;
                self.on_piece(now, id, piece);
                Ok(true)
            }
            Reading::Ended => Ok(false),
        }
    }

    fn begin_request(&mut self, now: Instant, head: RequestHead) -> Result<(), MessageError> {
        if matches!(head.body, BodyKind::Length(length) if length > self.config.limits.body_bytes) {
            return Err(MessageError::BodyTooLarge);
        }
        let continuation = continuation(&head)?;
        self.requests += 1;
        let facts = Facts {
            version: head.version,
            connection: Connection::of(&head.headers),
            requests: self.requests,
            age: now.since(self.opened_at),
        };
        // No time to wait for another request means that there is none.
        let requests_max = if self.config.timeouts.keep_alive.is_zero() { 1 } else { self.config.requests_max };
        let bounds = Bounds { requests_max, lifetime_max: self.config.lifetime_max };
        match persistence::last(&facts, &bounds) {
            Some(Last::Asked) => self.end(CloseReason::Asked),
            Some(Last::RequestsMax) => self.end(CloseReason::RequestsMax),
            Some(Last::LifetimeMax) => self.end(CloseReason::LifetimeMax),
            None => {}
        }
        let id = RequestId(self.first_id + self.slots.len() as u64);
        self.slots.push_back(Slot::new(&head, continuation));
        self.reading = Reading::Body { id, reader: BodyReader::new(head.body), discarded: 0 };
        self.body_since = now;
        self.tell(Event::Request { id, head });
        Ok(())
    }

    fn on_piece(&mut self, now: Instant, id: RequestId, piece: Piece) {
        let answered = self.is_answered(id);
        match piece {
            Piece::Data(data) if answered => self.discard(data.len()),
            Piece::Data(data) => {
                if let Some(slot) = self.slot(id) {
                    slot.continuation = Continuation::Needless;
                }
                self.tell(Event::Body { id, data });
            }
            Piece::Trailers(trailers) => {
                if !answered {
                    self.tell(Event::Trailers { id, trailers });
                }
            }
            Piece::End => {
                self.idle_since = now;
                let more = self.ending.is_none();
                self.reading = if more { Reading::Head(HeadReader::new(Section::Request)) } else { Reading::Ended };
                if !answered {
                    self.tell(Event::End { id });
                }
            }
        }
    }

    /// Reads for nothing what an answer did not wait for, within bounds.
    fn discard(&mut self, len: usize) {
        if let Reading::Body { discarded, .. } = &mut self.reading {
            *discarded += len as u64;
            if *discarded > self.config.discard_bytes {
                self.end(CloseReason::UnreadBody);
                self.reading = Reading::Ended;
            }
        }
    }

    /// Answers a message that cannot be read on, and closes: where the next one begins is unknown.
    pub(super) fn refuse(&mut self, now: Instant, error: MessageError) {
        self.ending = Some(CloseReason::Refused(error));
        match core::mem::replace(&mut self.reading, Reading::Ended) {
            Reading::Head(_) => {
                self.slots.push_back(Slot::refused());
                self.answer_refusal(self.slots.len() - 1, error);
            }
            Reading::Body { id, .. } if !self.is_answered(id) => {
                self.tell(Event::Failed { id, error: Some(error) });
                match self.index(id) {
                    Some(index) if self.slots[index].answer == Answer::Awaited => self.answer_refusal(index, error),
                    // Cut off in the middle, so that nobody takes the half for the whole.
                    Some(index) => self.slots[index].answer = Answer::Done,
                    None => {}
                }
            }
            Reading::Body { .. } | Reading::Ended => {}
        }
        self.note_output(now);
    }

    fn answer_refusal(&mut self, index: usize, error: MessageError) {
        // All statuses of errors are above 400.
        if let Ok(response) = Response::new(error.status()) {
            self.write_answer(index, response.closing());
        }
    }
}

/// What the client expects (RFC 9110 10.1.1). HTTP/1.0 has no expectations, and without a body nothing is held back.
fn continuation(head: &RequestHead) -> Result<Continuation, MessageError> {
    if head.version == Version::Http10 || !head.headers.has("expect") {
        return Ok(Continuation::Needless);
    }
    if !head.headers.elements("expect").all(|element| element.eq_ignore_ascii_case(b"100-continue")) {
        return Err(MessageError::Expectation);
    }
    Ok(if head.body == BodyKind::None { Continuation::Needless } else { Continuation::Expected })
}
