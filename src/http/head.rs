//! The heads of messages: method, target, version or status, and fields (RFC 9112 3 to 5).
//!
//! `httparse` splits the fields; the first lines are read here, because it knows neither HTTP/1.2 nor that 2.0 is
//! another answer than nonsense. Whatever leaves two readers in doubt is refused: a proxy in between might be the other
//! reader.

use super::fields::{Headers, is_token};
use super::persistence::Connection;
use super::{BodyKind, MessageError, framing};
use bytes::Bytes;
use core::str;

/// The method of a request, case as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "their names are their meaning (RFC 9110 9.3, RFC 5789)")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    /// Any other token.
    Other(Bytes),
}

impl Method {
    /// Reads a token; `None` if `text` is none.
    pub fn parse(text: Bytes) -> Option<Self> {
        Some(match &*text {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            _ if is_token(&text) => Self::Other(text),
            _ => return None,
        })
    }

    /// As on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            // A token is ASCII.
            Self::Other(name) => str::from_utf8(name).unwrap_or_default(),
        }
    }

    /// Whether it asks for no change (RFC 9110 9.2.1): only safe requests of one pipeline may be handled in parallel.
    pub const fn is_safe(&self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options | Self::Trace)
    }

    /// Whether twice does what once does (RFC 9110 9.2.2): such a request may be repeated on a new connection.
    pub const fn is_idempotent(&self) -> bool {
        self.is_safe() || matches!(self, Self::Put | Self::Delete)
    }
}

/// HTTP/1.0, or 1.1; a higher minor version counts as 1.1 (RFC 9110 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// Closes by default, and knows no chunks.
    Http10,
    /// Persists by default.
    Http11,
}

impl Version {
    /// `HTTP/`, one digit, a dot, one digit.
    fn parse(text: &[u8]) -> Result<Self, MessageError> {
        match text {
            b"HTTP/1.0" => Ok(Self::Http10),
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9'] => Ok(Self::Http11),
            [b'H', b'T', b'T', b'P', b'/', b'2'..=b'9', b'.', b'0'..=b'9'] => Err(MessageError::Version),
            _ => Err(MessageError::StartLine),
        }
    }
}

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    /// The request target, in the form that fits the method (RFC 9112 3.2): visible ASCII.
    pub target: Bytes,
    /// The version.
    pub version: Version,
    /// The fields.
    pub headers: Headers,
    /// How the body is framed.
    pub body: BodyKind,
}

impl RequestHead {
    /// Reads what a [`HeadReader`](super::lines::HeadReader) of [`Section::Request`](super::lines::Section) found.
    ///
    /// # Errors
    /// [`MessageError`]: the syntax, the version, the framing of the body, the Host.
    pub fn parse(block: &Bytes) -> Result<Self, MessageError> {
        let (line, fields) = first_line(block)?;
        let mut parts = line.split(|&byte| byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(MessageError::StartLine);
        };
        let method = Method::parse(block.slice_ref(method)).ok_or(MessageError::StartLine)?;
        let version = Version::parse(version)?;
        if !is_target(target, &method) {
            return Err(MessageError::StartLine);
        }
        let headers = Headers::parse(&fields)?;
        let body = framing::of_request(version, &headers)?;
        check_host(version, &headers)?;
        Ok(Self { method, target: block.slice_ref(target), version, headers, body })
    }

    /// Whether the client is willing to send another request on this connection (RFC 9112 9.3).
    pub fn persists(&self) -> bool {
        Connection::of(&self.headers).persists(self.version)
    }

    /// The target as text.
    pub fn target(&self) -> &str {
        str::from_utf8(&self.target).unwrap_or_default()
    }

    /// Host and port that the request is for: those of an absolute target, else of `Host` (RFC 9112 3.2.2).
    pub fn authority(&self) -> Option<&str> {
        let target = self.target();
        let authority = match target.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme.as_bytes()) => rest.split(['/', '?']).next(),
            _ if self.method == Method::Connect => Some(target),
            _ => self.headers.first("host").and_then(|host| str::from_utf8(host).ok()),
        };
        authority.filter(|authority| !authority.is_empty())
    }
}

/// The head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseHead {
    /// Three digits, 100 to 999.
    pub status: u16,
    /// The version.
    pub version: Version,
    /// The fields.
    pub headers: Headers,
    /// How the body is framed; depends on the request as well.
    pub body: BodyKind,
}

impl ResponseHead {
    /// Reads what a [`HeadReader`](super::lines::HeadReader) found in the
    /// [`Section::Response`](super::lines::Section), as the answer to a request with `method`.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn parse(block: &Bytes, method: &Method) -> Result<Self, MessageError> {
        let (line, fields) = first_line(block)?;
        let (version, rest) = line.split_at_checked(8).ok_or(MessageError::StartLine)?;
        let version = Version::parse(version)?;
        let [b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', reason @ ..] = rest else {
            return Err(MessageError::StartLine);
        };
        let visible = |&byte: &u8| byte == b'\t' || byte >= b' ' && byte != 0x7f;
        if !(reason.is_empty() || reason[0] == b' ' && reason.iter().all(visible)) {
            return Err(MessageError::StartLine);
        }
        let status = [a, b, c].iter().fold(0, |status, &digit| status * 10 + u16::from(digit - b'0'));
        let headers = Headers::parse(&fields)?;
        let body = framing::of_response(method, status, version, &headers)?;
        Ok(Self { status, version, headers, body })
    }

    /// Whether the connection may carry another request after this response: the server is willing, and its end is not
    /// the end of the connection.
    pub fn persists(&self) -> bool {
        self.body != BodyKind::UntilClose && Connection::of(&self.headers).persists(self.version)
    }
}

/// The first line without its end, and the field lines.
fn first_line(block: &Bytes) -> Result<(&[u8], Bytes), MessageError> {
    let end = block.iter().position(|&byte| byte == b'\n').ok_or(MessageError::StartLine)?;
    let line = block[..end].strip_suffix(b"\r").ok_or(MessageError::LineEnd)?;
    Ok((line, block.slice(end + 1..)))
}

/// The four forms of RFC 9112 3.2, of visible ASCII; a fragment belongs to none.
fn is_target(target: &[u8], method: &Method) -> bool {
    if !target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#') {
        return false;
    }
    let separator = target.windows(3).position(|window| window == b"://");
    match (method, target) {
        (Method::Connect, _) => is_host(target) && target.contains(&b':'),
        (Method::Options, b"*") | (_, [b'/', ..]) => true,
        _ => separator.is_some_and(|at| is_scheme(&target[..at]) && target.len() > at + 3),
    }
}

fn is_scheme(text: &[u8]) -> bool {
    let rest = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    text.first().is_some_and(u8::is_ascii_alphabetic) && text.iter().all(rest)
}

/// RFC 9112 3.2: exactly one in HTTP/1.1, at most one before, and it must be a host.
fn check_host(version: Version, headers: &Headers) -> Result<(), MessageError> {
    let mut hosts = headers.all("host");
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host) => Ok(()),
        (None, None) if version == Version::Http10 => Ok(()),
        _ => Err(MessageError::Host),
    }
}

/// The characters of a host and port (RFC 3986 3.2.2), possibly none.
fn is_host(text: &[u8]) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte);
    text.iter().all(|&byte| unreserved(byte) && byte != b',')
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn request(text: &str) -> Result<RequestHead, MessageError> {
        RequestHead::parse(&Bytes::copy_from_slice(text.as_bytes()))
    }

    fn line(line: &str) -> Result<RequestHead, MessageError> {
        request(&format!("{line}\r\nHost: a\r\n\r\n"))
    }

    #[test]
    fn a_request_line_has_three_parts_and_one_version() {
        assert_eq!(line("GET /x HTTP/1.1").unwrap().target(), "/x");
        assert_eq!(line("get /x HTTP/1.9").unwrap().method.as_str(), "get");
        assert_eq!(line("GET /x HTTP/1.9").unwrap().version, Version::Http11);
        assert_eq!(line("GET /x HTTP/1.0").unwrap().version, Version::Http10);
        for text in ["GET /x", "GET  /x HTTP/1.1", "GET /x HTTP/1.1 ", "GET /x y HTTP/1.1", " GET /x HTTP/1.1"] {
            assert_eq!(line(text), Err(MessageError::StartLine), "{text:?}");
        }
        for version in ["HTTP/1.10", "HTTP/01.1", "http/1.1", "HTTP/1", "HTTP/0.9", "HTTP/1.x", "ICY/1.1"] {
            assert_eq!(line(&format!("GET / {version}")), Err(MessageError::StartLine), "{version}");
        }
        assert_eq!(line("GET / HTTP/2.0"), Err(MessageError::Version));
    }

    #[test]
    fn a_response_until_close_does_not_persist() {
        let parse = |text: &'static str| ResponseHead::parse(&Bytes::from_static(text.as_bytes()), &Method::Get);
        assert!(!parse("HTTP/1.1 200 OK\r\n\r\n").unwrap().persists());
        assert!(parse("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap().persists());
        assert!(!parse("HTTP/1.1 204 OK\r\nConnection: close\r\n\r\n").unwrap().persists());
        assert!(line("GET / HTTP/1.1").unwrap().persists() && !line("GET / HTTP/1.0").unwrap().persists());
    }

    #[test]
    fn a_target_has_the_form_of_its_method() {
        for good in ["GET http://b:80/x", "OPTIONS *", "CONNECT b:443", "GET /a?b=c"] {
            assert!(line(&format!("{good} HTTP/1.1")).is_ok(), "{good}");
        }
        for bad in ["GET *", "GET b", "CONNECT /x", "GET /#f", "GET /\u{e9}", "GET ://x", "GET http://"] {
            assert_eq!(line(&format!("{bad} HTTP/1.1")), Err(MessageError::StartLine), "{bad}");
        }
        assert_eq!(line("GET http://b:80/x HTTP/1.1").unwrap().authority(), Some("b:80"));
        assert_eq!(line("GET /x HTTP/1.1").unwrap().authority(), Some("a"));
    }

    #[test]
    fn one_host_and_no_other() {
        assert_eq!(request("GET / HTTP/1.1\r\n\r\n"), Err(MessageError::Host));
        assert_eq!(request("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), Err(MessageError::Host));
        for bad in ["a b", "a,b", "a/b", "u@a"] {
            assert_eq!(request(&format!("GET / HTTP/1.1\r\nHost: {bad}\r\n\r\n")), Err(MessageError::Host), "{bad}");
        }
        assert!(request("GET / HTTP/1.0\r\n\r\n").is_ok());
        assert!(request("GET / HTTP/1.1\r\nHost:\r\n\r\n").unwrap().authority().is_none());
        assert!(request("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").is_ok());
    }

    #[test]
    fn a_status_line_has_three_digits() {
        let parse = |line: &str| ResponseHead::parse(&Bytes::from(format!("{line}\r\n\r\n")), &Method::Get);
        assert_eq!(parse("HTTP/1.1 200 OK").unwrap().status, 200);
        assert_eq!(parse("HTTP/1.0 404").unwrap().status, 404);
        for bad in
            ["HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1  200", "HTTP/1.1 099 X", "HTTP/1.1", "HTTP/1.1 200\t"]
        {
            assert_eq!(parse(bad), Err(MessageError::StartLine), "{bad}");
        }
        assert_eq!(parse("HTTP/3.0 200 OK"), Err(MessageError::Version));
    }
}
