//! Finds the end of a head (or of trailers) in a stream that may be split anywhere, and checks on the way what
//! `httparse` is lax about: line ends and sizes (RFC 9112 2.2).
//!
//! Each byte is looked at once and the verdict depends on the bytes alone, so that no split changes it.

use super::{Limits, MessageError};
use bytes::{Buf as _, Bytes, BytesMut};

/// What the lines belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// A request: one empty line before it is ignored (RFC 9112 2.2).
    Request,
    /// A response.
    Response,
    /// Trailers: fields without a first line, possibly none.
    Trailers,
}

/// Gathers one head. A head that arrives whole is handed over without a copy.
#[derive(Clone, Debug)]
pub struct HeadReader {
    section: Section,
    partial: BytesMut,
    /// Complete lines, without an ignored empty one.
    lines: usize,
    /// Bytes of the current line, without its end.
    line_bytes: usize,
    /// Bytes of the field lines, with their ends.
    field_bytes: usize,
    after_cr: bool,
    skipped_empty: bool,
}

impl HeadReader {
    /// Reads a `section` from its first byte.
    pub fn new(section: Section) -> Self {
        Self {
            section,
            partial: BytesMut::new(),
            lines: 0,
            line_bytes: 0,
            field_bytes: 0,
            after_cr: false,
            skipped_empty: false,
        }
    }

    /// Whether a byte of the head has arrived.
    pub fn has_begun(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Bytes held.
    pub fn buffered_bytes(&self) -> usize {
        self.partial.len()
    }

    /// Takes bytes up to the end of the head and returns it, final empty line included; `None` when `input` is used up
    /// before. The reader is then as new.
    ///
    /// # Errors
    /// [`MessageError`] about line ends and sizes; what the lines say is for [`RequestHead::parse`] and its kin.
    ///
    /// [`RequestHead::parse`]: super::RequestHead::parse
    pub fn read(&mut self, input: &mut Bytes, limits: &Limits) -> Result<Option<Bytes>, MessageError> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            at += 1;
            self.count(limits)?;
            match byte {
                b'\n' if self.after_cr && self.line_bytes > 0 => self.next_line(limits)?,
                b'\n' if self.after_cr && !self.is_first_line() => {
                    return Ok(Some(self.take(input.split_to(at))));
                }
                b'\n' if self.after_cr => {
                    self.skip_empty_line()?;
                    input.advance(at);
                    at = 0;
                }
                b'\r' if !self.after_cr => self.after_cr = true,
                b'\r' | b'\n' => return Err(MessageError::LineEnd),
                _ if self.after_cr => return Err(MessageError::LineEnd),
                _ => self.line_bytes += 1,
            }
        }
        self.partial.extend_from_slice(input);
        input.clear();
        Ok(None)
    }

    fn is_first_line(&self) -> bool {
        self.lines == 0 && self.section != Section::Trailers
    }

    /// Another byte of the current line.
    fn count(&mut self, limits: &Limits) -> Result<(), MessageError> {
        if self.is_first_line() {
            // The line end is not counted: the byte that makes it too long is one before a CR.
            let too_long = self.line_bytes > limits.request_line_bytes;
            return if too_long { Err(MessageError::RequestLineTooLong) } else { Ok(()) };
        }
        self.field_bytes += 1;
        match self.section {
            Section::Trailers if self.field_bytes > limits.trailer_bytes => Err(MessageError::TrailersTooLarge),
            Section::Request | Section::Response if self.field_bytes > limits.head_bytes => {
                Err(MessageError::HeadTooLarge)
            }
            _ => Ok(()),
        }
    }

    fn next_line(&mut self, limits: &Limits) -> Result<(), MessageError> {
        self.lines += 1;
        self.line_bytes = 0;
        self.after_cr = false;
        let fields = self.lines - usize::from(self.section != Section::Trailers);
        if fields > limits.fields { Err(MessageError::TooManyFields) } else { Ok(()) }
    }

    fn skip_empty_line(&mut self) -> Result<(), MessageError> {
        if self.section != Section::Request || self.skipped_empty {
            return Err(MessageError::EmptyLines);
        }
        *self = Self { skipped_empty: true, ..Self::new(self.section) };
        Ok(())
    }

    fn take(&mut self, rest: Bytes) -> Bytes {
        let mut whole = core::mem::replace(self, Self::new(self.section)).partial;
        if whole.is_empty() {
            return rest;
        }
        whole.extend_from_slice(&rest);
        whole.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn read(section: Section, text: &str, cuts: &[usize]) -> (Result<Option<Bytes>, MessageError>, usize) {
        let mut reader = HeadReader::new(section);
        let mut from = 0;
        for &cut in cuts.iter().chain(&[text.len()]) {
            let mut input = Bytes::copy_from_slice(&text.as_bytes()[from..cut]);
            match reader.read(&mut input, &Limits::DEFAULT) {
                Ok(None) => from = cut,
                done => return (done, text.len() - cut + input.len()),
            }
        }
        (Ok(None), 0)
    }

    #[test]
    fn any_split_finds_the_same_end_or_the_same_error() {
        let texts = [
            "\r\nGET / HTTP/1.1\r\nA: b\r\n\r\nrest",
            "\r\n\r\nGET",
            "GET /\nA: b",
            "GET /\rA",
            "GET / HTTP/1.1\r\n\r\r\n",
        ];
        for text in texts {
            let whole = read(Section::Request, text, &[]);
            for (first, second) in (0..=text.len()).flat_map(|a| (a..=text.len()).map(move |b| (a, b))) {
                let cuts: Vec<usize> = vec![first, second];
                let (result, left) = read(Section::Request, text, &cuts);
                assert_eq!(result, whole.0, "{text:?} at {cuts:?}");
                assert!(result.is_err() || left == whole.1, "{text:?} at {cuts:?}");
            }
        }
        assert_eq!(read(Section::Request, texts[0], &[]).1, 4);
        assert_eq!(read(Section::Request, texts[1], &[]).0, Err(MessageError::EmptyLines));
    }

    #[test]
    fn trailers_may_be_empty_and_a_response_begins_at_once() {
        assert_eq!(read(Section::Trailers, "\r\nrest", &[]), (Ok(Some(Bytes::from_static(b"\r\n"))), 4));
        assert_eq!(read(Section::Response, "\r\nHTTP", &[]).0, Err(MessageError::EmptyLines));
    }
}
