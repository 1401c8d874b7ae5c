//! A body piece by piece, whichever way it is framed.

use super::chunked::Chunked;
use super::{BodyKind, Headers, Limits, MessageError};
use bytes::Bytes;

/// What a body consists of: data in pieces as they arrive, perhaps trailers, an end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a reader must handle each of them, and HTTP/1 has no more")]
pub enum Piece {
    /// Bytes of the body; never none.
    Data(Bytes),
    /// Fields after the last chunk, without those that trailers must not carry.
    Trailers(Headers),
    /// The body is complete.
    End,
}

/// Reads one body.
#[derive(Clone, Debug)]
pub struct BodyReader(State);

#[derive(Clone, Debug)]
enum State {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    Done,
}

impl BodyReader {
    /// Reads a body that is framed as `kind`.
    pub const fn new(kind: BodyKind) -> Self {
        Self(match kind {
            BodyKind::None => State::Length(0),
            BodyKind::Length(length) => State::Length(length),
            BodyKind::Chunked => State::Chunked(Chunked::new()),
            BodyKind::UntilClose => State::UntilClose,
        })
    }

    /// The next piece, without a copy; `None` when `input` is used up, or after [`Piece::End`].
    ///
    /// # Errors
    /// [`MessageError`]: chunks, or a limit.
    pub fn read(&mut self, input: &mut Bytes, limits: &Limits) -> Result<Option<Piece>, MessageError> {
        match &mut self.0 {
            State::Length(0) => {
                self.0 = State::Done;
                Ok(Some(Piece::End))
            }
            State::Length(left) if *left > limits.body_bytes => Err(MessageError::BodyTooLarge),
            State::Length(_) | State::UntilClose if input.is_empty() => Ok(None),
            State::Length(left) => Ok(Some(Piece::Data(take(input, left)))),
            State::Chunked(chunked) => chunked.read(input, limits),
            State::UntilClose => Ok(Some(Piece::Data(core::mem::take(input)))),
            State::Done => Ok(None),
        }
    }

    /// The peer will send nothing more.
    ///
    /// # Errors
    /// [`MessageError::Truncated`] unless that is how the body ends.
    pub fn read_end(&mut self) -> Result<Piece, MessageError> {
        match self.0 {
            State::UntilClose => {
                self.0 = State::Done;
                Ok(Piece::End)
            }
            _ => Err(MessageError::Truncated),
        }
    }

    /// Bytes still missing, if the framing says it.
    pub const fn left(&self) -> Option<u64> {
        match self.0 {
            State::Length(left) => Some(left),
            State::Done => Some(0),
            State::Chunked(_) | State::UntilClose => None,
        }
    }

    /// Whether the next piece needs no further input.
    pub const fn is_ending(&self) -> bool {
        match &self.0 {
            State::Length(left) => *left == 0,
            State::Chunked(chunked) => chunked.is_ending(),
            State::UntilClose | State::Done => false,
        }
    }

    /// Bytes held back: of trailers that are not complete.
    pub fn buffered_bytes(&self) -> usize {
        if let State::Chunked(chunked) = &self.0 { chunked.buffered_bytes() } else { 0 }
    }
}

/// At most `left` bytes off the front of `input`, and `left` less by as many.
pub(super) fn take(input: &mut Bytes, left: &mut u64) -> Bytes {
    let len = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
    *left -= len as u64;
    input.split_to(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_kept_to_the_byte() {
        let mut reader = BodyReader::new(BodyKind::Length(5));
        let mut input = Bytes::from_static(b"hel");
        let mut read = |input: &mut Bytes| reader.read(input, &Limits::DEFAULT).unwrap();
        assert_eq!(read(&mut input), Some(Piece::Data(Bytes::from_static(b"hel"))));
        assert_eq!(read(&mut input), None);
        let mut input = Bytes::from_static(b"loGET");
        assert_eq!(read(&mut input), Some(Piece::Data(Bytes::from_static(b"lo"))));
        assert_eq!((read(&mut input), read(&mut input)), (Some(Piece::End), None));
        assert_eq!(input, "GET");
    }

    #[test]
    fn the_end_of_the_connection_ends_no_other_body() {
        for kind in [BodyKind::Length(1), BodyKind::Chunked] {
            assert_eq!(BodyReader::new(kind).read_end(), Err(MessageError::Truncated));
        }
        assert_eq!(BodyReader::new(BodyKind::UntilClose).read_end(), Ok(Piece::End));
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_bytes() {
        let limits = Limits { body_bytes: 4, ..Limits::DEFAULT };
        let result = BodyReader::new(BodyKind::Length(5)).read(&mut Bytes::new(), &limits);
        assert_eq!(result, Err(MessageError::BodyTooLarge));
    }
}
