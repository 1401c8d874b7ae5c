//! One request that is not yet answered in full, and the bytes of its answer: answers leave in the order of requests
//! because slots do.

use super::AnswerError;
use crate::http::response::{Asker, Sending, are_trailers, chunk_head, last_chunk};
use crate::http::{Headers, Method, RequestHead, Version};
use alloc::collections::VecDeque;
use bytes::Bytes;

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) asker: Asker,
    pub(super) is_connect: bool,
    pub(super) continuation: Continuation,
    pub(super) answer: Answer,
    out: VecDeque<Bytes>,
    out_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Answer {
    Awaited,
    /// The head is written; the body goes on.
    Begun(Sending),
    Done,
}

/// RFC 9110 10.1.1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Continuation {
    /// Not expected, or sent, or the body came without it.
    Needless,
    /// The client waits for 100 before it sends the body.
    Expected,
    /// And the application waits for the body.
    Due,
}

impl Slot {
    pub(super) fn new(head: &RequestHead, continuation: Continuation) -> Self {
        Self {
            asker: Asker::of(&head.method, head.version),
            is_connect: head.method == Method::Connect,
            continuation,
            answer: Answer::Awaited,
            out: VecDeque::new(),
            out_bytes: 0,
        }
    }

    /// For a request whose head could not be read.
    pub(super) fn refused() -> Self {
        Self {
            asker: Asker { is_head: false, version: Version::Http11 },
            is_connect: false,
            continuation: Continuation::Needless,
            answer: Answer::Awaited,
            out: VecDeque::new(),
            out_bytes: 0,
        }
    }

    pub(super) fn push(&mut self, data: Bytes) {
        if !data.is_empty() {
            self.out_bytes += data.len();
            self.out.push_back(data);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let data = self.out.pop_front()?;
        self.out_bytes -= data.len();
        Some(data)
    }

    pub(super) fn put_back(&mut self, data: Bytes) {
        self.out_bytes += data.len();
        self.out.push_front(data);
    }

    pub(super) fn has_output(&self) -> bool {
        !self.out.is_empty()
    }

    pub(super) const fn out_bytes(&self) -> usize {
        self.out_bytes
    }

    /// Whether the client waits to be told to send its body.
    pub(super) fn is_held_back(&self) -> bool {
        self.continuation != Continuation::Needless
    }

    /// More of a body that was begun.
    pub(super) fn body(&mut self, data: Bytes) -> Result<(), AnswerError> {
        match &mut self.answer {
            Answer::Begun(Sending::Length(left)) => {
                *left = left.checked_sub(data.len() as u64).ok_or(AnswerError::TooLong)?;
                self.push(data);
            }
            // An empty chunk would be the last.
            Answer::Begun(Sending::Chunked) if !data.is_empty() => {
                self.push(chunk_head(data.len()));
                self.push(data);
                self.push(Bytes::from_static(b"\r\n"));
            }
            Answer::Begun(Sending::UntilClose) => self.push(data),
            Answer::Begun(Sending::Nothing | Sending::Chunked) => {}
            Answer::Awaited | Answer::Done => return Err(AnswerError::NotAwaited),
        }
        Ok(())
    }

    /// The end of a body that was begun.
    pub(super) fn finish(&mut self, trailers: &Headers) -> Result<(), AnswerError> {
        match self.answer {
            Answer::Awaited | Answer::Done => return Err(AnswerError::NotAwaited),
            Answer::Begun(Sending::Chunked) if !are_trailers(trailers) => return Err(AnswerError::Trailers),
            Answer::Begun(Sending::Chunked) => self.push(last_chunk(trailers)),
            Answer::Begun(Sending::Length(1..)) => return Err(AnswerError::TooShort),
            Answer::Begun(Sending::Length(0) | Sending::UntilClose) if !trailers.is_empty() => {
                return Err(AnswerError::Trailers);
            }
            Answer::Begun(_) => {}
        }
        self.answer = Answer::Done;
        Ok(())
    }
}
