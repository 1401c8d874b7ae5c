//! Where does the body end? RFC 9112 6.3, decided from a head alone, and refused where two readers could differ.
//!
//! Stricter than the RFC where it leaves a choice: two equal lengths, a length beside a coding, and a coding in
//! HTTP/1.0 are refused in both directions. Every one of them has smuggled requests past a proxy, and no honest peer
//! sends them.

use super::fields::{Headers, is_token};
use super::{MessageError, Method, Version};

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// There is none.
    None,
    /// So many bytes follow; not 0 in a request.
    Length(u64),
    /// Chunks follow, and trailers.
    Chunked,
    /// The body ends with the connection (responses only).
    UntilClose,
}

/// The body of a request. Without framing fields it has none.
///
/// # Errors
/// [`MessageError`]; 501 for a coding other than `chunked`, 400 for every doubt.
pub fn of_request(version: Version, headers: &Headers) -> Result<BodyKind, MessageError> {
    let Some(coding) = coding(version, headers)? else {
        return Ok(match length(headers)? {
            None | Some(0) => BodyKind::None,
            Some(length) => BodyKind::Length(length),
        });
    };
    match coding {
        Coding { unknown: true, .. } | Coding { others: true, chunked: Chunked::Last, .. } => {
            Err(MessageError::UnknownCoding)
        }
        Coding { chunked: Chunked::Last, .. } => Ok(BodyKind::Chunked),
        _ => Err(MessageError::TransferEncoding),
    }
}

/// The body of the response to a request with `method`. Other codings than `chunked` are left on the body.
///
/// # Errors
/// [`MessageError`].
pub fn of_response(
    method: &Method,
    status: u16,
    version: Version,
    headers: &Headers,
) -> Result<BodyKind, MessageError> {
    match (method, status) {
        (Method::Head, _) | (_, 100..=199 | 204 | 304) => return Ok(BodyKind::None),
        // The connection becomes a tunnel, whatever the fields say.
        (Method::Connect, 200..=299) => return Ok(BodyKind::UntilClose),
        _ => {}
    }
    match coding(version, headers)? {
        None => Ok(length(headers)?.map_or(BodyKind::UntilClose, BodyKind::Length)),
        Some(Coding { chunked: Chunked::Last, .. }) => Ok(BodyKind::Chunked),
        Some(_) => Ok(BodyKind::UntilClose),
    }
}

/// What `Transfer-Encoding` lists.
struct Coding {
    chunked: Chunked,
    /// Known codings beside chunked.
    others: bool,
    /// Codings that IANA does not list.
    unknown: bool,
}

#[derive(PartialEq)]
enum Chunked {
    Absent,
    Last,
    NotLast,
}

/// All `Transfer-Encoding` fields as one list; `None` without any.
fn coding(version: Version, headers: &Headers) -> Result<Option<Coding>, MessageError> {
    if !headers.has("transfer-encoding") {
        return Ok(None);
    }
    if headers.has("content-length") {
        return Err(MessageError::LengthAndCoding);
    }
    if version == Version::Http10 {
        // RFC 9112 6.1: such a message has faulty framing.
        return Err(MessageError::CodingInHttp10);
    }
    let mut found = Coding { chunked: Chunked::Absent, others: false, unknown: false };
    for element in headers.elements("transfer-encoding") {
        // Neither an empty element nor a parameter: `chunked` has none, and another reader may not see through it.
        if !is_token(element) {
            return Err(MessageError::TransferEncoding);
        }
        if element.eq_ignore_ascii_case(b"chunked") {
            if found.chunked != Chunked::Absent {
                return Err(MessageError::TransferEncoding);
            }
            found.chunked = Chunked::Last;
            continue;
        }
        if found.chunked == Chunked::Last {
            found.chunked = Chunked::NotLast;
        }
        found.others = true;
        found.unknown |= !KNOWN_CODINGS.iter().any(|known| element.eq_ignore_ascii_case(known.as_bytes()));
    }
    Ok(Some(found))
}

/// The HTTP transfer coding registry, without chunked.
const KNOWN_CODINGS: &[&str] = &["compress", "deflate", "gzip", "x-compress", "x-gzip"];

/// One field of digits: no sign, list, prefix or space, nothing that overflows.
fn length(headers: &Headers) -> Result<Option<u64>, MessageError> {
    let mut lengths = headers.all("content-length");
    let Some(digits) = lengths.next() else { return Ok(None) };
    // Twice is refused even if equal, as RFC 9112 6.3 allows.
    if lengths.next().is_some() || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(MessageError::ContentLength);
    }
    let value = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    value.map(Some).ok_or(MessageError::ContentLength)
}

#[cfg(test)]
mod tests {
    use super::*;
    use MessageError::{CodingInHttp10, ContentLength, LengthAndCoding, TransferEncoding, UnknownCoding};

    fn headers(fields: &[(&'static str, &'static str)]) -> Headers {
        let mut headers = Headers::new();
        for &(name, value) in fields {
            headers.push(name, value).unwrap();
        }
        headers
    }

    fn coded(value: &'static str) -> Result<BodyKind, MessageError> {
        of_request(Version::Http11, &headers(&[("Transfer-Encoding", value)]))
    }

    #[test]
    fn whatever_leaves_the_length_in_doubt_is_refused() {
        for length in ["+1", "-1", "0x1", "1, 1", "", "1_0", "1 0", "18446744073709551616", "1,"] {
            let headers = headers(&[("content-length", length)]);
            assert_eq!(of_request(Version::Http11, &headers), Err(ContentLength), "{length:?}");
        }
        let (one, chunked) = (("Content-Length", "1"), ("TRANSFER-ENCODING", "chunked"));
        assert_eq!(of_request(Version::Http11, &headers(&[one, one])), Err(ContentLength));
        assert_eq!(of_request(Version::Http11, &headers(&[one, chunked])), Err(LengthAndCoding));
        assert_eq!(of_request(Version::Http10, &headers(&[chunked])), Err(CodingInHttp10));
        let most = headers(&[("content-length", "18446744073709551615")]);
        assert_eq!(of_request(Version::Http10, &most), Ok(BodyKind::Length(u64::MAX)));
        assert_eq!(of_request(Version::Http11, &headers(&[("content-length", "0")])), Ok(BodyKind::None));
    }

    #[test]
    fn a_request_is_chunked_last_and_alone_or_refused() {
        assert_eq!(coded("ChunKed"), Ok(BodyKind::Chunked));
        for doubtful in ["chunked, chunked", ",chunked", "chunked,", "", "chunked;a=b", "chunked, gzip", "gzip"] {
            assert_eq!(coded(doubtful), Err(TransferEncoding), "{doubtful:?}");
        }
        for unknown in ["xchunked", "chunkedchunked", "identity", "foo, chunked", "gzip, chunked", "chunked, foo"] {
            assert_eq!(coded(unknown), Err(UnknownCoding), "{unknown:?}");
        }
        let two = headers(&[("transfer-encoding", "gzip"), ("transfer-encoding", "chunked")]);
        assert_eq!(of_request(Version::Http11, &two), Err(UnknownCoding));
    }

    #[test]
    fn a_response_is_framed_by_its_request_first() {
        let chunked = headers(&[("transfer-encoding", "gzip, chunked")]);
        let of = |method, status, headers: &Headers| of_response(&method, status, Version::Http11, headers);
        assert_eq!(of(Method::Get, 200, &chunked), Ok(BodyKind::Chunked));
        assert_eq!(of(Method::Get, 200, &headers(&[("transfer-encoding", "chunked, x")])), Ok(BodyKind::UntilClose));
        assert_eq!(of(Method::Get, 200, &headers(&[])), Ok(BodyKind::UntilClose));
        assert_eq!(of(Method::Get, 200, &headers(&[("content-length", "0")])), Ok(BodyKind::Length(0)));
        assert_eq!(of(Method::Connect, 200, &chunked), Ok(BodyKind::UntilClose));
        for status in [100, 199, 204, 304] {
            assert_eq!(of(Method::Get, status, &chunked), Ok(BodyKind::None), "{status}");
        }
        assert_eq!(of(Method::Head, 200, &chunked), Ok(BodyKind::None));
    }
}
