//! From the application's answers to bytes, in the order of the requests.

use super::slot::{Answer, Continuation, Slot};
use super::{AnswerError, CloseReason, Event, Reading, RequestId, Server};
use crate::http::persistence::KeepAlive;
use crate::http::response::{Content, Persistence, Sending};
use crate::http::{Headers, Response};
use crate::time::Instant;
use bytes::Bytes;

impl Server {
    /// Answers a request, at once or in part: a body that the response only announces follows with [`Self::send_body`]
    /// and [`Self::finish`].
    ///
    /// An answer before the end of the request's body is the last word about it: what is left of the body is read for
    /// nothing, or the connection closes if that is much, or if the client was not yet told to send it.
    ///
    /// # Errors
    /// [`AnswerError::NotAwaited`]: answered, failed, or gone. [`AnswerError::Tunnel`].
    pub fn respond(&mut self, now: Instant, id: RequestId, response: Response) -> Result<(), AnswerError> {
        let index = self.index(id).ok_or(AnswerError::NotAwaited)?;
        let slot = &self.slots[index];
        if slot.answer != Answer::Awaited {
            return Err(AnswerError::NotAwaited);
        }
        if slot.is_connect && (200..300).contains(&response.status) {
            return Err(AnswerError::Tunnel);
        }
        self.write_answer(index, response);
        self.on_answer(now, id);
        Ok(())
    }

    /// More of a body that [`Self::respond`] announced. To HEAD, and with 204 and 304, nothing is sent.
    ///
    /// # Errors
    /// [`AnswerError::NotAwaited`], [`AnswerError::TooLong`]; nothing of `data` is sent.
    pub fn send_body(&mut self, now: Instant, id: RequestId, data: Bytes) -> Result<(), AnswerError> {
        self.slot(id).ok_or(AnswerError::NotAwaited)?.body(data)?;
        self.note_output(now);
        Ok(())
    }

    /// The end of a body that [`Self::respond`] announced.
    ///
    /// # Errors
    /// [`AnswerError::NotAwaited`], [`AnswerError::TooShort`].
    pub fn finish(&mut self, now: Instant, id: RequestId) -> Result<(), AnswerError> {
        self.finish_with_trailers(now, id, &Headers::new())
    }

    /// As [`Self::finish`], with fields behind a chunked body.
    ///
    /// # Errors
    /// As [`Self::finish`], and [`AnswerError::Trailers`].
    pub fn finish_with_trailers(&mut self, now: Instant, id: RequestId, trailers: &Headers) -> Result<(), AnswerError> {
        self.slot(id).ok_or(AnswerError::NotAwaited)?.finish(trailers)?;
        if self.is_unread_too_long(id) {
            self.end(CloseReason::UnreadBody);
            self.reading = Reading::Ended;
        }
        self.on_answer(now, id);
        Ok(())
    }

    /// Gives an answer up: the connection closes after what was sent of it, and later requests get no answer.
    ///
    /// # Errors
    /// [`AnswerError::NotAwaited`].
    pub fn abort(&mut self, now: Instant, id: RequestId) -> Result<(), AnswerError> {
        let index = self.index(id).ok_or(AnswerError::NotAwaited)?;
        if self.slots[index].answer == Answer::Done {
            return Err(AnswerError::NotAwaited);
        }
        self.slots[index].answer = Answer::Done;
        self.end_after(index, CloseReason::Answer);
        self.reading = Reading::Ended;
        self.note_output(now);
        Ok(())
    }

    /// Writes an answer into its slot and decides, for the first and last time, whether the connection goes on.
    pub(super) fn write_answer(&mut self, index: usize, response: Response) {
        let asker = self.slots[index].asker;
        let id = RequestId(self.first_id + index as u64);
        let sending = response.sending(asker);
        let whole = matches!(response.content, Content::Whole(_));
        let unread = whole && self.is_unread_too_long(id);
        if unread {
            self.end_after(index, CloseReason::UnreadBody);
            self.reading = Reading::Ended;
        } else if response.close || sending == Sending::UntilClose {
            self.end_after(index, CloseReason::Answer);
        }
        let persistence = if self.is_last(index) { Persistence::Closes } else { self.persists(id) };
        let slot = &mut self.slots[index];
        slot.continuation = Continuation::Needless;
        slot.push(response.head(asker, &persistence));
        slot.answer = match (response.content, sending) {
            (Content::Whole(body), Sending::Length(_)) => {
                slot.push(body);
                Answer::Done
            }
            (Content::Whole(_), _) => Answer::Done,
            _ => Answer::Begun(sending),
        };
        if whole && self.is_reading(id) && self.ending.is_some() {
            // Nobody waits for the rest of this body, nor for anything behind it.
            self.reading = Reading::Ended;
        }
    }

    fn persists(&self, id: RequestId) -> Persistence {
        let answered = id.0 + 1;
        let hint = self.config.keep_alive_hint.map(|timeout| KeepAlive {
            timeout: Some(timeout),
            max: Some(self.config.requests_max.saturating_sub(answered)),
        });
        Persistence::Persists { hint }
    }

    /// Whether no answer follows that to the request at `index`.
    fn is_last(&self, index: usize) -> bool {
        self.ending.is_some() && index + 1 == self.slots.len() && !self.is_head_begun()
    }

    /// Ends the connection with the answer at `index`: requests behind it get none (RFC 9112 9.6).
    fn end_after(&mut self, index: usize, reason: CloseReason) {
        let behind = index + 1 < self.slots.len();
        let ids = self.first_id + index as u64 + 1..self.first_id + self.slots.len() as u64;
        self.slots.truncate(index + 1);
        ids.for_each(|id| self.tell(Event::Failed { id: RequestId(id), error: None }));
        self.end(reason);
        if behind || matches!(self.reading, Reading::Head(_)) {
            self.reading = Reading::Ended;
        }
    }

    /// Whether a body is left unread that is not worth reading for nothing: too long, or held back until 100.
    fn is_unread_too_long(&self, id: RequestId) -> bool {
        let Reading::Body { reader, .. } = &self.reading else { return false };
        let held_back = self.index(id).is_some_and(|index| self.slots[index].is_held_back());
        self.is_reading(id) && (held_back || reader.left().is_some_and(|left| left > self.config.discard_bytes))
    }

    /// The application waits for events: perhaps for a body that the client holds back.
    pub(super) fn want_body(&mut self, now: Instant) {
        let Reading::Body { id, .. } = &self.reading else { return };
        let id = *id;
        if let Some(slot) = self.slot(id).filter(|slot| slot.continuation == Continuation::Expected) {
            slot.continuation = Continuation::Due;
            self.offer_continue(now);
        }
    }

    /// 100 leaves in its turn too: after the answers before it.
    pub(super) fn offer_continue(&mut self, now: Instant) {
        if let Some(slot) = self.slots.front_mut().filter(|slot| slot.continuation == Continuation::Due) {
            slot.continuation = Continuation::Needless;
            slot.push(Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n"));
            // Only now can the client know that it should go on.
            self.body_since = now;
            self.note_output(now);
        }
    }

    /// The place of a request in the queue.
    pub(super) fn index(&self, id: RequestId) -> Option<usize> {
        let index = usize::try_from(id.0.checked_sub(self.first_id)?).ok()?;
        (index < self.slots.len()).then_some(index)
    }

    pub(super) fn slot(&mut self, id: RequestId) -> Option<&mut Slot> {
        let index = self.index(id)?;
        Some(&mut self.slots[index])
    }

    /// Whether the answer is complete, sent or not.
    pub(super) fn is_answered(&self, id: RequestId) -> bool {
        self.index(id).is_none_or(|index| self.slots[index].answer == Answer::Done)
    }

    fn on_answer(&mut self, now: Instant, id: RequestId) {
        if self.is_reading(id) && self.is_answered(id) {
            // What is left of the body is read for nothing, even if events had stopped it.
            self.body_since = now;
        }
        self.note_output(now);
    }

    fn is_reading(&self, reading: RequestId) -> bool {
        matches!(&self.reading, Reading::Body { id, .. } if *id == reading)
    }
}
