//! Header and trailer fields in the order they came, each a slice of the bytes that carried them (RFC 9110 5).

use super::MessageError;
use alloc::vec;
use alloc::vec::Vec;
use bytes::{BufMut as _, Bytes, BytesMut};
use core::fmt;

/// The fields of a head, or trailers. Names compare without case; values are bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<(Bytes, Bytes)>,
}

/// A name that is no token, or a value that a recipient could take for a line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidField;

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field needs a token for a name, and a value without control bytes or outer spaces")
    }
}

impl core::error::Error for InvalidField {}

impl Headers {
    /// No fields.
    pub const fn new() -> Self {
        Self { fields: Vec::new() }
    }

    /// Reads field lines up to and with the empty line that ends `block`. A
    /// [`HeadReader`](super::lines::HeadReader) has checked its line ends and its size.
    ///
    /// # Errors
    /// [`MessageError::Field`].
    pub fn parse(block: &Bytes) -> Result<Self, MessageError> {
        let lines = block.split(|&byte| byte == b'\n').count();
        let mut found = vec![httparse::EMPTY_HEADER; lines];
        match httparse::parse_headers(block, &mut found) {
            Ok(httparse::Status::Complete((len, found))) if len == block.len() => {
                let slice = |text: &[u8]| block.slice_ref(text);
                Ok(Self { fields: found.iter().map(|f| (slice(f.name.as_bytes()), slice(f.value))).collect() })
            }
            _ => Err(MessageError::Field),
        }
    }

    /// Adds a field after the others.
    ///
    /// # Errors
    /// [`InvalidField`]: the name must be a token (RFC 9110 5.6.2), the value of visible bytes, spaces and tabs, no
    /// space at its ends. So no value can end a line, and a response cannot be split in two.
    pub fn push(&mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) -> Result<(), InvalidField> {
        let (name, value) = (name.into(), value.into());
        let visible = |&byte: &u8| byte == b'\t' || byte >= b' ' && byte != 0x7f;
        if !is_token(&name) || !value.iter().all(visible) || trim(&value).len() != value.len() {
            return Err(InvalidField);
        }
        self.fields.push((name, value));
        Ok(())
    }

    /// The value of the first field called `name`.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find(|field| field.0.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| &**value)
    }

    /// The values of all fields called `name`, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let is = move |field: &&(Bytes, Bytes)| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(is).map(|(_, value)| &**value)
    }

    /// The elements of all fields called `name`, as one list: split at commas, spaces trimmed (RFC 9110 5.6.1). Empty
    /// elements are kept; quoted commas are not known.
    pub fn elements<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name).flat_map(|value| value.split(|&byte| byte == b',')).map(trim)
    }

    /// Whether a field called `name` is there.
    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// Names, as they came, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        // A name is a token, hence ASCII.
        self.fields.iter().map(|(name, value)| (core::str::from_utf8(name).unwrap_or_default(), &**value))
    }

    /// How many fields there are.
    pub const fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Drops what trailers must not carry: framing, routing and control of the message (RFC 9110 6.5.1).
    pub(super) fn without_forbidden_trailers(mut self) -> Self {
        self.fields.retain(|(name, _)| !is_forbidden_trailer(name));
        self
    }

    /// Appends the lines, without the empty one.
    pub(super) fn write(&self, out: &mut BytesMut) {
        for (name, value) in &self.fields {
            out.put_slice(name);
            out.put_slice(b": ");
            out.put_slice(value);
            out.put_slice(b"\r\n");
        }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.fields.iter().map(|(name, value)| (name, value))).finish()
    }
}

/// Fields that decide how a message is read, and so must stand before its body.
const FORBIDDEN_TRAILERS: &[&str] = &[
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];

pub(super) fn is_forbidden_trailer(name: &[u8]) -> bool {
    FORBIDDEN_TRAILERS.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes()))
}

/// RFC 9110 5.6.2.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_tchar(byte))
}

pub(super) const fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// Optional white space is SP and HTAB, and nothing else that Unicode may call so (RFC 9110 5.6.3).
pub(super) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_could_split_a_message_is_refused() {
        let mut headers = Headers::new();
        for value in ["a\r\nB: c", "a\nb", "a\rb", "a\0b", " a", "a ", "\x7f"] {
            assert_eq!(headers.push("X", value), Err(InvalidField), "{value:?}");
        }
        for name in ["", "A B", "A:", "A\r\n", "\u{e9}"] {
            assert_eq!(headers.push(name, "x"), Err(InvalidField), "{name:?}");
        }
        headers.push("X-Y", "a\tb \u{e9}").unwrap();
        headers.push("x-y", "").unwrap();
        assert_eq!(headers.all("X-y").count(), 2);
    }

    #[test]
    fn a_list_is_split_over_fields_and_commas() {
        let block = Bytes::from_static(b"A: x,\t y\r\nB: z\r\na:,w\x85\r\n\r\n");
        let headers = Headers::parse(&block).unwrap();
        let elements: Vec<&[u8]> = headers.elements("a").collect();
        assert_eq!(elements, [&b"x"[..], b"y", b"", b"w\x85"]);
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn lines_that_are_no_fields_are_refused() {
        for line in ["A : b", " A: b", "A", ": b", "A: b\0", "A: b\r\n c", "A\u{b}: b", "A: \x7f"] {
            let block = Bytes::from(alloc::format!("{line}\r\n\r\n"));
            assert_eq!(Headers::parse(&block), Err(MessageError::Field), "{line:?}");
        }
    }
}
