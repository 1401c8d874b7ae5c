//! What an application answers, checked when it is built, and the head that is written for it (RFC 9112 4, 6).
//!
//! The fields that frame a message and keep or end its connection are the machine's: whoever could set them could
//! contradict it, and the next response would begin in the middle of this one.

use super::fields::{Headers, InvalidField, is_forbidden_trailer};
use super::persistence::KeepAlive;
use super::{Method, Version};
use bytes::{BufMut as _, Bytes, BytesMut};
use core::fmt::{self, Write as _};

/// A response: its status, its fields, and what is known of its body.
///
/// ```
/// use longhaul::http::Response;
///
/// let response = Response::new(200)?.with_field("Content-Type", "text/plain")?.with_body("hello");
/// assert!(response.clone().with_field("X", "a\r\nSet-Cookie: stolen").is_err());
/// assert!(response.with_field("Content-Length", "3").is_err());
/// # Ok::<(), longhaul::http::response::InvalidResponse>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) content: Content,
    pub(super) close: bool,
}

/// What is known of a body when its head is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Whole(Bytes),
    /// To be sent in pieces of so many bytes in all.
    Length(u64),
    /// To be sent in pieces until it is finished.
    Unknown,
}

/// Why a response cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidResponse {
    /// Not 200 to 999: what comes before, the machine sends itself.
    Status,
    /// The name or the value could be read as something else.
    Field,
    /// A field that the machine writes: framing and connection.
    Reserved,
}

impl fmt::Display for InvalidResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status => f.write_str("a status is 200 to 999"),
            Self::Field => InvalidField.fmt(f),
            Self::Reserved => f.write_str("framing and persistence are the connection's to say"),
        }
    }
}

impl core::error::Error for InvalidResponse {}

/// Fields that frame the message or speak of the connection.
const RESERVED: &[&str] =
    &["connection", "content-length", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

impl Response {
    /// An answer with `status` and an empty body. `Date` is the caller's to add: there is no clock here.
    ///
    /// # Errors
    /// [`InvalidResponse::Status`].
    pub fn new(status: u16) -> Result<Self, InvalidResponse> {
        if !(200..=999).contains(&status) {
            return Err(InvalidResponse::Status);
        }
        Ok(Self { status, headers: Headers::new(), content: Content::Whole(Bytes::new()), close: false })
    }

    /// Adds a field.
    ///
    /// # Errors
    /// [`InvalidResponse::Field`], [`InvalidResponse::Reserved`].
    pub fn with_field(mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) -> Result<Self, InvalidResponse> {
        let name = name.into();
        if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved.as_bytes())) {
            return Err(InvalidResponse::Reserved);
        }
        self.headers.push(name, value).map_err(|InvalidField| InvalidResponse::Field)?;
        Ok(self)
    }

    /// The whole body. It is not sent in answer to HEAD, nor with 204 or 304.
    #[must_use]
    pub fn with_body(self, body: impl Into<Bytes>) -> Self {
        Self { content: Content::Whole(body.into()), ..self }
    }

    /// A body of `length` bytes that [`Server::send_body`](super::Server::send_body) brings.
    #[must_use]
    pub fn with_length(self, length: u64) -> Self {
        Self { content: Content::Length(length), ..self }
    }

    /// A body of unknown length that [`Server::send_body`](super::Server::send_body) brings: chunked to HTTP/1.1, until
    /// the connection closes to HTTP/1.0.
    #[must_use]
    pub fn with_unknown_length(self) -> Self {
        Self { content: Content::Unknown, ..self }
    }

    /// Closes the connection after this answer; requests behind it get none.
    #[must_use]
    pub fn closing(self) -> Self {
        Self { close: true, ..self }
    }
}

/// How a body leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// Not at all, whatever the fields say.
    Nothing,
    /// So many bytes are missing.
    Length(u64),
    Chunked,
    UntilClose,
}

/// To whom an answer goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) is_head: bool,
    pub(super) version: Version,
}

impl Asker {
    pub(super) fn of(method: &Method, version: Version) -> Self {
        Self { is_head: *method == Method::Head, version }
    }
}

impl Response {
    /// How the body leaves (RFC 9112 6.3, RFC 9110 8.6).
    pub(super) fn sending(&self, asker: Asker) -> Sending {
        if asker.is_head || self.is_bodiless() {
            return Sending::Nothing;
        }
        match &self.content {
            Content::Whole(body) => Sending::Length(body.len() as u64),
            Content::Length(length) => Sending::Length(*length),
            Content::Unknown if asker.version == Version::Http11 => Sending::Chunked,
            Content::Unknown => Sending::UntilClose,
        }
    }

    const fn is_bodiless(&self) -> bool {
        matches!(self.status, 204 | 304)
    }

    /// The head, which says how the body is framed; in answer to HEAD, how it would be.
    pub(super) fn head(&self, asker: Asker, persistence: &Persistence) -> Bytes {
        let mut out = BytesMut::with_capacity(128);
        let _ = write!(out, "HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        self.headers.write(&mut out);
        let framed = match self.sending(Asker { is_head: false, ..asker }) {
            Sending::Nothing | Sending::UntilClose => Ok(()),
            Sending::Length(length) => write!(out, "Content-Length: {length}\r\n"),
            Sending::Chunked => out.write_str("Transfer-Encoding: chunked\r\n"),
        };
        debug_assert!(framed.is_ok(), "the buffer grows");
        match persistence {
            Persistence::Closes => out.put_slice(b"Connection: close\r\n"),
            Persistence::Persists { hint: Some(hint) } => {
                let _ = write!(out, "Connection: keep-alive\r\nKeep-Alive: {hint}\r\n");
            }
            // An HTTP/1.0 client waits for the connection to close unless it is told not to.
            Persistence::Persists { hint: None } if asker.version == Version::Http10 => {
                out.put_slice(b"Connection: keep-alive\r\n");
            }
            Persistence::Persists { hint: None } => {}
        }
        out.put_slice(b"\r\n");
        out.freeze()
    }
}

/// What an answer says of its connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Persistence {
    Closes,
    Persists { hint: Option<KeepAlive> },
}

/// The line before a chunk of `len` bytes.
pub(super) fn chunk_head(len: usize) -> Bytes {
    let mut out = BytesMut::with_capacity(18);
    let _ = write!(out, "{len:x}\r\n");
    out.freeze()
}

/// The last chunk, with trailers.
pub(super) fn last_chunk(trailers: &Headers) -> Bytes {
    let mut out = BytesMut::with_capacity(5);
    out.put_slice(b"0\r\n");
    trailers.write(&mut out);
    out.put_slice(b"\r\n");
    out.freeze()
}

/// Whether `trailers` may stand behind a body.
pub(super) fn are_trailers(trailers: &Headers) -> bool {
    !trailers.iter().any(|(name, _)| is_forbidden_trailer(name.as_bytes()))
}

/// RFC 9110 15. A recipient ignores it, a person reads it.
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
