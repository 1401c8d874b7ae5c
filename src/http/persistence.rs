//! Does the connection persist? RFC 9112 9.3, RFC 2068 19.7.1 for `Keep-Alive`, and the bounds that nginx adds.
//!
//! Pure: facts in, a verdict out. Server and client ask the same functions.

use super::{Headers, Version};
use crate::time::Duration;
use core::{fmt, str};

/// What a message says in `Connection`; other elements mean nothing here.
///
/// `Proxy-Connection` is no such field and is not read (RFC 9112 C.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// It lists `close`.
    pub close: bool,
    /// It lists `keep-alive`.
    pub keep_alive: bool,
}

impl Connection {
    /// Reads every `Connection` field, every element, in any case.
    pub fn of(headers: &Headers) -> Self {
        let mut said = Self::default();
        for element in headers.elements("connection") {
            said.close |= element.eq_ignore_ascii_case(b"close");
            said.keep_alive |= element.eq_ignore_ascii_case(b"keep-alive");
        }
        said
    }

    /// Whether the sender of this message is willing to go on: HTTP/1.1 unless it says `close`, HTTP/1.0 only if it
    /// says `keep-alive` and not `close`.
    pub const fn persists(self, version: Version) -> bool {
        !self.close && (self.keep_alive || matches!(version, Version::Http11))
    }
}

/// What a server bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Requests on one connection; the answer to the last says `close`.
    pub requests_max: u64,
    /// Age of a connection; the first request at this age or later is the last.
    pub lifetime_max: Duration,
}

/// What is known when a request has arrived.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The version of the request.
    pub version: Version,
    /// What its `Connection` says.
    pub connection: Connection,
    /// Requests on the connection so far, this one included.
    pub requests: u64,
    /// How long ago the connection was opened.
    pub age: Duration,
}

/// Why no request follows this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Last {
    /// The client said so, in this version's way.
    Asked,
    /// [`Bounds::requests_max`].
    RequestsMax,
    /// [`Bounds::lifetime_max`].
    LifetimeMax,
}

/// Whether the request is the last of its connection, and why.
pub fn last(facts: &Facts, bounds: &Bounds) -> Option<Last> {
    if !facts.connection.persists(facts.version) {
        Some(Last::Asked)
    } else if facts.requests >= bounds.requests_max {
        Some(Last::RequestsMax)
    } else if facts.age >= bounds.lifetime_max {
        Some(Last::LifetimeMax)
    } else {
        None
    }
}

/// The `Keep-Alive` field: a hint, of whole seconds and a count (RFC 2068 19.7.1.1).
///
/// ```
/// use longhaul::http::{Headers, persistence::KeepAlive};
/// use longhaul::time::Duration;
///
/// let mut headers = Headers::new();
/// headers.push("Keep-Alive", "timeout=5, max=1000")?;
/// let hint = KeepAlive::of(&headers);
/// assert_eq!((hint.timeout, hint.max), (Some(Duration::from_secs(5)), Some(1000)));
/// assert_eq!(hint.to_string(), "timeout=5, max=1000");
/// # Ok::<(), longhaul::http::fields::InvalidField>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepAlive {
    /// The server closes when idle for longer; whole seconds on the wire, rounded down so as not to promise more.
    pub timeout: Option<Duration>,
    /// Requests that the server will take after this one.
    pub max: Option<u64>,
}

impl KeepAlive {
    /// Reads what can be read: unknown parameters and values that are no numbers are passed over, a number too large is
    /// the largest, of repeated ones the smallest counts. A hint must not be able to break anything.
    pub fn of(headers: &Headers) -> Self {
        let mut hint = Self::default();
        for element in headers.elements("keep-alive").filter_map(|element| str::from_utf8(element).ok()) {
            let Some((name, value)) = element.split_once('=') else { continue };
            let Some(number) = saturating(value.trim_matches([' ', '\t', '"'])) else { continue };
            match name.trim_end_matches([' ', '\t']) {
                name if name.eq_ignore_ascii_case("timeout") => least(&mut hint.timeout, Duration::from_secs(number)),
                name if name.eq_ignore_ascii_case("max") => least(&mut hint.max, number),
                _ => {}
            }
        }
        hint
    }
}

fn least<T: Ord>(slot: &mut Option<T>, value: T) {
    if slot.as_ref().is_none_or(|least| value < *least) {
        *slot = Some(value);
    }
}

/// Digits only; beyond 64 bits, the most.
fn saturating(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// The value of the field: `timeout=5, max=1000`.
impl fmt::Display for KeepAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comma = if self.timeout.is_some() && self.max.is_some() { ", " } else { "" };
        if let Some(timeout) = self.timeout {
            write!(f, "timeout={}{comma}", timeout.as_secs())?;
        }
        self.max.map_or(Ok(()), |max| write!(f, "max={max}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn headers(name: &'static str, values: &[&'static str]) -> Headers {
        let mut headers = Headers::new();
        for &value in values {
            headers.push(name, value).unwrap();
        }
        headers
    }

    #[test]
    fn one_element_of_one_list_is_enough_in_any_case() {
        let cases: [(&[&'static str], bool, bool); 7] = [
            (&[], true, false),
            (&["close"], false, false),
            (&["x, CLOSE ,y"], false, false),
            (&["x", "Close"], false, false),
            (&["Keep-Alive"], true, true),
            (&["keep-alive, close"], false, false),
            (&["closed, keep-alives"], true, false),
        ];
        for (values, eleven, ten) in cases {
            let said = Connection::of(&headers("connection", values));
            assert_eq!(said.persists(Version::Http11), eleven, "{values:?}");
            assert_eq!(said.persists(Version::Http10), ten, "{values:?}");
        }
        assert!(Connection::of(&headers("proxy-connection", &["close"])).persists(Version::Http11));
    }

    #[test]
    fn the_first_bound_that_is_met_is_the_reason() {
        let bounds = Bounds { requests_max: 3, lifetime_max: Duration::from_secs(60) };
        let facts = |requests, age, close| Facts {
            version: Version::Http11,
            connection: Connection { close, keep_alive: false },
            requests,
            age: Duration::from_millis(age),
        };
        assert_eq!(last(&facts(2, 59_999, false), &bounds), None);
        assert_eq!(last(&facts(3, 0, false), &bounds), Some(Last::RequestsMax));
        assert_eq!(last(&facts(1, 60_000, false), &bounds), Some(Last::LifetimeMax));
        assert_eq!(last(&facts(3, 60_000, true), &bounds), Some(Last::Asked));
    }

    #[test]
    fn a_hint_that_lies_is_read_without_harm() {
        let read = |value: &'static str| KeepAlive::of(&headers("keep-alive", &[value]));
        let hint = |timeout: Option<u64>, max| KeepAlive { timeout: timeout.map(Duration::from_secs), max };
        assert_eq!(read("timeout=5, max=1000"), hint(Some(5), Some(1000)));
        assert_eq!(read("TIMEOUT = \"5\" ,x=y,max"), hint(Some(5), None));
        assert_eq!(read("timeout=-1, max=1e3"), hint(None, None));
        assert_eq!(read("max=100000000000000000000, timeout=0"), hint(Some(0), Some(u64::MAX)));
        assert_eq!(read("timeout=9, timeout=5"), hint(Some(5), None));
        assert_eq!(format!("{}", hint(None, Some(1))), "max=1");
        assert_eq!(format!("{}", hint(Some(5), None)), "timeout=5");
    }
}
