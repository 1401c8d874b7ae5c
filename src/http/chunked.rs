//! The chunked coding (RFC 9112 7.1), read byte by byte and strictly: what a lenient reader would forgive, another
//! would read as a different length.
//!
//! `httparse` reads chunk sizes too, but takes `1 ` for one and a bare LF within an extension, so it is not used here.

use super::body::Piece;
use super::fields::{Headers, is_tchar};
use super::lines::{HeadReader, Section};
use super::{Limits, MessageError};
use bytes::{Buf as _, Bytes};

/// Where in the grammar the next byte stands.
#[derive(Clone, Debug)]
enum State {
    /// In the size, after so many digits.
    Size {
        digits: u8,
    },
    /// In an extension.
    Extension(Extension),
    /// After the CR of the line with the size.
    SizeLf,
    /// So many bytes of data are missing.
    Data(u64),
    DataCr,
    DataLf,
    Trailers(HeadReader),
    /// All read; `End` was not told yet.
    Ended,
    Done,
}

/// Where in `*( ";" token [ "=" ( token / quoted-string ) ] )` the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Extension {
    /// After `;`: spaces are skipped.
    Start,
    Name,
    /// After `=`.
    Value,
    Token,
    Quoted,
    /// After a backslash within quotes.
    Escaped,
    /// After the closing quote.
    Closed,
}

/// Reads one chunked body.
#[derive(Clone, Debug)]
pub struct Chunked {
    state: State,
    /// Of the current chunk.
    size: u64,
    /// Of all chunks.
    total: u64,
    extension_bytes: usize,
}

/// Sixteen hexadecimal digits fill 64 bits; leading zeros count, for they need a bound too.
const SIZE_DIGITS_MAX: u8 = 16;

impl Chunked {
    /// Before the first size.
    pub const fn new() -> Self {
        Self { state: State::Size { digits: 0 }, size: 0, total: 0, extension_bytes: 0 }
    }

    /// The next piece; `None` when `input` is used up, or after [`Piece::End`].
    ///
    /// # Errors
    /// [`MessageError`]: the framing, or a limit.
    pub fn read(&mut self, input: &mut Bytes, limits: &Limits) -> Result<Option<Piece>, MessageError> {
        loop {
            match &mut self.state {
                State::Ended => {
                    self.state = State::Done;
                    return Ok(Some(Piece::End));
                }
                State::Done => return Ok(None),
                _ if input.is_empty() => return Ok(None),
                State::Data(left) => {
                    let data = super::body::take(input, left);
                    if *left == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok(Some(Piece::Data(data)));
                }
                State::Trailers(reader) => {
                    let Some(block) = reader.read(input, limits)? else { return Ok(None) };
                    self.state = State::Ended;
                    let trailers = Headers::parse(&block)?.without_forbidden_trailers();
                    if !trailers.is_empty() {
                        return Ok(Some(Piece::Trailers(trailers)));
                    }
                }
                _ => {
                    let byte = input.get_u8();
                    self.step(byte, limits)?;
                }
            }
        }
    }

    /// Whether only the end is still to be told.
    pub const fn is_ending(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Bytes held back: of trailers that are not complete.
    pub fn buffered_bytes(&self) -> usize {
        if let State::Trailers(reader) = &self.state { reader.buffered_bytes() } else { 0 }
    }

    /// One byte of what is between the data.
    fn step(&mut self, byte: u8, limits: &Limits) -> Result<(), MessageError> {
        self.state = match (&self.state, byte) {
            (&State::Size { digits }, _) if byte.is_ascii_hexdigit() => {
                if digits == SIZE_DIGITS_MAX {
                    return Err(MessageError::Chunk);
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                self.size = self.size << 4 | u64::from(digit);
                State::Size { digits: digits + 1 }
            }
            (
                State::Size { digits: 1.. } | State::Extension(Extension::Name | Extension::Token | Extension::Closed),
                b'\r',
            ) => State::SizeLf,
            (State::Size { digits: 1.. }, b';') => self.extension(Extension::Start, limits)?,
            (&State::Extension(within), _) => {
                let next = within.next(byte).ok_or(MessageError::Chunk)?;
                self.extension(next, limits)?
            }
            (State::SizeLf, b'\n') => self.chunk(limits)?,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { digits: 0 },
            _ => return Err(MessageError::Chunk),
        };
        Ok(())
    }

    fn extension(&mut self, next: Extension, limits: &Limits) -> Result<State, MessageError> {
        self.extension_bytes += 1;
        let too_large = self.extension_bytes > limits.chunk_extension_bytes;
        if too_large { Err(MessageError::ChunkExtensionsTooLarge) } else { Ok(State::Extension(next)) }
    }

    /// A size is complete.
    fn chunk(&mut self, limits: &Limits) -> Result<State, MessageError> {
        let size = core::mem::take(&mut self.size);
        self.total = self.total.checked_add(size).ok_or(MessageError::BodyTooLarge)?;
        match size {
            0 => Ok(State::Trailers(HeadReader::new(Section::Trailers))),
            _ if self.total > limits.body_bytes => Err(MessageError::BodyTooLarge),
            _ => Ok(State::Data(size)),
        }
    }
}

impl Default for Chunked {
    fn default() -> Self {
        Self::new()
    }
}

impl Extension {
    /// The position after `byte`; `None` if the grammar has no such byte here. Spaces are taken after a semicolon
    /// only: elsewhere the grammar has them for the sake of old peers that nobody found.
    const fn next(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Start, b' ' | b'\t') => Self::Start,
            (Self::Start | Self::Name, _) if is_tchar(byte) => Self::Name,
            (Self::Name, b'=') => Self::Value,
            (Self::Value, b'"') => Self::Quoted,
            (Self::Value | Self::Token, _) if is_tchar(byte) => Self::Token,
            (Self::Name | Self::Token | Self::Closed, b';') => Self::Start,
            (Self::Quoted, b'"') => Self::Closed,
            (Self::Quoted, b'\\') => Self::Escaped,
            (Self::Quoted | Self::Escaped, b'\t' | b' '..=b'~' | 0x80..) => Self::Quoted,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;

    /// The body, how many trailers, and what follows.
    type Parts = (Vec<u8>, usize, Vec<u8>);

    fn read(text: &str, limits: &Limits) -> Result<Option<Parts>, MessageError> {
        let (mut input, mut reader) = (Bytes::copy_from_slice(text.as_bytes()), Chunked::new());
        let (mut body, mut trailers) = (Vec::new(), 0);
        while let Some(piece) = reader.read(&mut input, limits)? {
            match piece {
                Piece::Data(data) => body.extend_from_slice(&data),
                Piece::Trailers(found) => trailers += found.len(),
                Piece::End => return Ok(Some((body, trailers, input.to_vec()))),
            }
        }
        Ok(None)
    }

    #[test]
    fn chunks_extensions_and_trailers_are_taken_apart() {
        let text =
            "5;a;b=c; d=\"e\\\"\u{e9};\"\r\nhello\r\n00A\r\n, world...\r\n0\r\nX: y\r\nContent-Length: 3\r\n\r\nnext";
        let (body, trailers, rest) = read(text, &Limits::DEFAULT).unwrap().unwrap();
        assert_eq!((&body[..], trailers, &rest[..]), (&b"hello, world..."[..], 1, &b"next"[..]));
    }

    #[test]
    fn a_size_is_hexadecimal_digits_and_nothing_else() {
        let sizes = [
            "",
            " 1",
            "1 ",
            "1\t",
            "+1",
            "-1",
            "0x1",
            "1_0",
            "1\n",
            "1\r",
            "g",
            "1;",
            "1; ",
            "1;=a",
            "1;a=",
            "1;a =b",
            "1;a=\"",
            "1;a=\"\u{1}\"",
            "1;a=\"b\"c",
            "1;a\n",
            "00000000000000001",
            "10000000000000000",
            "1 ;a",
            "1,",
        ];
        for size in sizes {
            let text = format!("{size}\r\na\r\n0\r\n\r\n");
            assert_eq!(read(&text, &Limits::DEFAULT), Err(MessageError::Chunk), "{size:?}");
        }
        let most = Limits { body_bytes: u64::MAX, ..Limits::DEFAULT };
        assert_eq!(read("ffffffffffffffff\r\n", &most), Ok(None));
        assert_eq!(read("fffffffffffffffe\r\n", &Limits::DEFAULT), Err(MessageError::BodyTooLarge));
    }

    #[test]
    fn data_ends_exactly_where_its_size_says() {
        for tail in ["", "\n", "\r", "x\r\n", "\rx", " \r\n"] {
            let result = read(&format!("1\r\na{tail}0\r\n\r\n"), &Limits::DEFAULT);
            assert_eq!(result, Err(MessageError::Chunk), "{tail:?}");
        }
        assert_eq!(read("1\r\na\r\n0\r\nX : y\r\n\r\n", &Limits::DEFAULT), Err(MessageError::Field));
        assert_eq!(read("0\r\n\n", &Limits::DEFAULT), Err(MessageError::LineEnd));
    }

    #[test]
    fn extensions_trailers_and_bodies_have_limits_over_the_whole_message() {
        let limits = Limits { chunk_extension_bytes: 20, trailer_bytes: 20, body_bytes: 6, ..Limits::DEFAULT };
        let chunk = format!("1;{}\r\na\r\n", "x".repeat(9));
        assert!(read(&format!("{chunk}{chunk}0\r\n\r\n"), &limits).unwrap().is_some());
        let three = format!("{chunk}{chunk}1;x\r\na\r\n0\r\n\r\n");
        assert_eq!(read(&three, &limits), Err(MessageError::ChunkExtensionsTooLarge));
        let trailer = format!("0\r\nX: {}\r\n\r\n", "y".repeat(20));
        assert_eq!(read(&trailer, &limits), Err(MessageError::TrailersTooLarge));
        assert_eq!(read("4\r\naaaa\r\n3\r\n", &limits), Err(MessageError::BodyTooLarge));
    }
}
