//! The head of a message: its first line, how its body is framed, and whether the connection persists (RFC 9112 2 to
//! 6, 9.3).
//!
//! Parsing is `httparse`'s; the rules about framing and persistence are here, and strict: whatever leaves two readers
//! in doubt about where a message ends is refused, because a proxy in between might be the other reader.

use core::fmt;

/// Header fields accepted in one head, as many as hyper accepts by default.
pub const HEADERS_MAX: usize = 100;
/// Bytes of one head: node's default.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes; 0 is no body.
    Length(u64),
    /// With the connection (responses only).
    UntilClose,
}

/// The head of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'b> {
    /// The method, case as sent.
    pub method: &'b str,
    /// The request target.
    pub target: &'b str,
    /// The minor version: 0 or 1.
    pub minor: u8,
    /// Where the body ends.
    pub framing: Framing,
    /// Whether the connection may carry another request after this one (RFC 9112 9.3).
    pub keep_alive: bool,
    /// Length of the head, in bytes, with the empty line.
    pub len: usize,
}

/// The head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The minor version: 0 or 1.
    pub minor: u8,
    /// Where the body ends.
    pub framing: Framing,
    /// Whether the connection may carry another request after this response.
    pub keep_alive: bool,
    /// Length of the head, in bytes, with the empty line.
    pub len: usize,
}

/// Why a head was refused. The connection must be closed: where the next message begins is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// Not the syntax of HTTP/1.
    Syntax,
    /// More than [`HEADERS_MAX`] fields or [`HEAD_BYTES_MAX`] bytes.
    TooLarge,
    /// `Content-Length` is not one number, or stands beside `Transfer-Encoding`.
    Framing,
    /// A transfer coding; none is implemented.
    TransferCoding,
    /// HTTP/1.1 without exactly one `Host`.
    Host,
}

impl HeadError {
    /// The status code that tells a client.
    pub const fn status(self) -> u16 {
        match self {
            Self::Syntax | Self::Framing | Self::Host => 400,
            Self::TooLarge => 431,
            Self::TransferCoding => 501,
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "not an HTTP/1 head",
            Self::TooLarge => "the head is too large",
            Self::Framing => "the length of the body is ambiguous",
            Self::TransferCoding => "transfer codings are not implemented",
            Self::Host => "there must be exactly one Host",
        })
    }
}

impl core::error::Error for HeadError {}

/// Reads the head of a request from the start of `input`; `None` if it is not complete yet.
///
/// # Errors
/// [`HeadError`].
pub fn parse_request(input: &[u8]) -> Result<Option<Request<'_>>, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let Some(len) = complete(request.parse(input), input)? else { return Ok(None) };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(HeadError::Syntax);
    };
    let fields = Fields::read(request.headers)?;
    if minor == 1 && fields.hosts != 1 {
        return Err(HeadError::Host);
    }
    let framing = Framing::Length(fields.length.unwrap_or(0));
    Ok(Some(Request { method, target, minor, framing, keep_alive: fields.persists(minor), len }))
}

/// Reads the head of a response; `None` if it is not complete yet. `head_request` says that the request was HEAD, whose
/// response has no body whatever its fields say.
///
/// # Errors
/// [`HeadError`].
pub fn parse_response(input: &[u8], head_request: bool) -> Result<Option<Response>, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let Some(len) = complete(response.parse(input), input)? else { return Ok(None) };
    let (Some(status), Some(minor)) = (response.code, response.version) else { return Err(HeadError::Syntax) };
    let fields = Fields::read(response.headers)?;
    let bodiless = head_request || matches!(status, 100..=199 | 204 | 304);
    let framing = match fields.length {
        _ if bodiless => Framing::Length(0),
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    };
    let keep_alive = fields.persists(minor) && framing != Framing::UntilClose;
    Ok(Some(Response { status, minor, framing, keep_alive, len }))
}

fn complete(parsed: httparse::Result<usize>, input: &[u8]) -> Result<Option<usize>, HeadError> {
    match parsed {
        Ok(httparse::Status::Complete(len)) if len <= HEAD_BYTES_MAX => Ok(Some(len)),
        Ok(httparse::Status::Partial) if input.len() < HEAD_BYTES_MAX => Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooLarge),
        Err(_) => Err(HeadError::Syntax),
    }
}

/// The fields that decide about framing and persistence.
#[derive(Default)]
struct Fields {
    length: Option<u64>,
    close: bool,
    keep_alive: bool,
    hosts: usize,
}

impl Fields {
    fn read(headers: &[httparse::Header<'_>]) -> Result<Self, HeadError> {
        let mut fields = Self::default();
        let mut coded = false;
        for header in headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                // Twice is refused even if equal: strictness costs honest peers nothing.
                let length = parse_length(header.value).ok_or(HeadError::Framing)?;
                if fields.length.replace(length).is_some() {
                    return Err(HeadError::Framing);
                }
            } else if is("transfer-encoding") {
                coded = true;
            } else if is("connection") {
                for token in header.value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                    fields.close |= token.eq_ignore_ascii_case(b"close");
                    fields.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            } else if is("host") {
                fields.hosts += 1;
            }
        }
        match (coded, fields.length) {
            (true, Some(_)) => Err(HeadError::Framing),
            (true, None) => Err(HeadError::TransferCoding),
            _ => Ok(fields),
        }
    }

    /// HTTP/1.1 persists unless told otherwise; HTTP/1.0 closes unless asked not to.
    fn persists(&self, minor: u8) -> bool {
        !self.close && (minor == 1 || self.keep_alive)
    }
}

/// Digits only: no sign, no list, no prefix, nothing that overflows.
fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn request(fields: &str) -> Result<Option<Request<'_>>, HeadError> {
        // Leaked on purpose: the head borrows its text, and tests are short.
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        parse_request(text.leak().as_bytes())
    }

    #[test]
    fn eleven_persists_by_default_and_ten_only_when_asked() {
        assert!(request("").unwrap().unwrap().keep_alive);
        assert!(!request("Connection: x, CLOSE\r\n").unwrap().unwrap().keep_alive);
        let ten = |fields: &str| parse_request(format!("GET / HTTP/1.0\r\n{fields}\r\n").leak().as_bytes());
        assert!(!ten("").unwrap().unwrap().keep_alive);
        assert!(ten("Connection: Keep-Alive\r\n").unwrap().unwrap().keep_alive);
    }

    #[test]
    fn whatever_leaves_the_length_in_doubt_is_refused() {
        for length in ["+1", "-1", "0x1", "1, 1", "", "18446744073709551616"] {
            assert_eq!(request(&format!("Content-Length: {length}\r\n")), Err(HeadError::Framing), "{length:?}");
        }
        assert_eq!(request("Content-Length: 1\r\nContent-Length: 1\r\n"), Err(HeadError::Framing));
        assert_eq!(request("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), Err(HeadError::Framing));
        assert_eq!(request("Transfer-Encoding: chunked\r\n"), Err(HeadError::TransferCoding));
        assert_eq!(request("Host: b\r\n"), Err(HeadError::Host));
    }

    #[test]
    fn every_prefix_of_a_head_is_incomplete() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let len = head.len() - 5;
        for cut in 0..len {
            assert_eq!(parse_response(&head[..cut], false), Ok(None), "{cut}");
        }
        let response = parse_response(head, false).unwrap().unwrap();
        assert_eq!((response.status, response.framing, response.len), (200, Framing::Length(5), len));
        assert_eq!(parse_response(head, true).unwrap().unwrap().framing, Framing::Length(0));
    }

    #[test]
    fn a_head_has_limits() {
        let many = "A: b\r\n".repeat(HEADERS_MAX);
        assert_eq!(request(&many), Err(HeadError::TooLarge));
        let endless = format!("GET /{} HTTP/1.1\r\n", "x".repeat(HEAD_BYTES_MAX));
        assert_eq!(parse_request(endless.as_bytes()), Err(HeadError::TooLarge));
    }
}
