//! What was wrong with a message, in the words of who sent it, and the status that tells them.

use core::fmt;

/// Why a message was refused. The connection must be closed: where the next message begins is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageError {
    /// A line of the head ended with a bare LF, or held a bare CR.
    LineEnd,
    /// More than one empty line before the request line.
    EmptyLines,
    /// The first line is not one of HTTP/1.
    StartLine,
    /// A major version other than 1.
    Version,
    /// A first line longer than [`Limits::request_line_bytes`](super::Limits::request_line_bytes).
    RequestLineTooLong,
    /// Field lines longer than [`Limits::head_bytes`](super::Limits::head_bytes).
    HeadTooLarge,
    /// More fields than [`Limits::fields`](super::Limits::fields).
    TooManyFields,
    /// A field line that is none: its name, its colon, a folded line, a control byte in its value.
    Field,
    /// HTTP/1.1 without exactly one valid `Host`, or 1.0 with two.
    Host,
    /// `Content-Length` is not one number, once, in digits, of 64 bits.
    ContentLength,
    /// `Content-Length` beside `Transfer-Encoding`.
    LengthAndCoding,
    /// `Transfer-Encoding` is not a list that ends with its only `chunked`.
    TransferEncoding,
    /// `Transfer-Encoding` in an HTTP/1.0 message.
    CodingInHttp10,
    /// A transfer coding other than `chunked`.
    UnknownCoding,
    /// An `Expect` other than `100-continue`.
    Expectation,
    /// A body larger than [`Limits::body_bytes`](super::Limits::body_bytes).
    BodyTooLarge,
    /// Chunked framing that is not that of RFC 9112 7.1.
    Chunk,
    /// More than [`Limits::chunk_extension_bytes`](super::Limits::chunk_extension_bytes).
    ChunkExtensionsTooLarge,
    /// More than [`Limits::trailer_bytes`](super::Limits::trailer_bytes).
    TrailersTooLarge,
    /// The peer finished sending within the message.
    Truncated,
    /// The head was not complete in time.
    HeadTimeout,
    /// The body did not go on in time.
    BodyTimeout,
}

impl MessageError {
    /// The status that tells a client (RFC 9110 15.5, 15.6).
    pub const fn status(self) -> u16 {
        match self {
            Self::HeadTimeout | Self::BodyTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::RequestLineTooLong => 414,
            Self::Expectation => 417,
            Self::HeadTooLarge | Self::TooManyFields | Self::TrailersTooLarge => 431,
            Self::UnknownCoding => 501,
            Self::Version => 505,
            _ => 400,
        }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineEnd => "a line does not end with CR LF",
            Self::EmptyLines => "empty lines before the request line",
            Self::StartLine => "the first line is not one of HTTP/1",
            Self::Version => "the major version is not 1",
            Self::RequestLineTooLong => "the first line is too long",
            Self::HeadTooLarge => "the fields of the head are too large",
            Self::TooManyFields => "there are too many fields",
            Self::Field => "a field line is malformed",
            Self::Host => "there must be exactly one valid Host",
            Self::ContentLength => "Content-Length is not one number",
            Self::LengthAndCoding => "Content-Length stands beside Transfer-Encoding",
            Self::TransferEncoding => "Transfer-Encoding does not end with its only chunked",
            Self::CodingInHttp10 => "Transfer-Encoding in HTTP/1.0",
            Self::UnknownCoding => "a transfer coding that is not implemented",
            Self::Expectation => "an expectation that is not 100-continue",
            Self::BodyTooLarge => "the body is too large",
            Self::Chunk => "the chunked framing is malformed",
            Self::ChunkExtensionsTooLarge => "the chunk extensions are too large",
            Self::TrailersTooLarge => "the trailers are too large",
            Self::Truncated => "the message ends before its end",
            Self::HeadTimeout => "the head did not arrive in time",
            Self::BodyTimeout => "the body did not arrive in time",
        })
    }
}

impl core::error::Error for MessageError {}
