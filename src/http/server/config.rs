//! What an operator sets for a server connection: every default with its reason.

use crate::http::Limits;
use crate::time::Duration;

/// How long a server connection waits for what. `Duration::MAX` waits for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For a whole head, from its first byte, or from the opening of the connection for the first one; not from byte
    /// to byte, or one byte a second would hold a connection for hours. Then 408. Default 60 s, as nginx's
    /// `client_header_timeout`.
    pub head: Duration,
    /// Between two pieces of a body. Then 408. Default 60 s, as nginx's `client_body_timeout`.
    pub body: Duration,
    /// Between two moments at which the transport took some of an answer. Then the connection closes. Default 60 s, as
    /// nginx's `send_timeout`; a `TCP_USER_TIMEOUT` finds a dead peer, this one a peer that lives and does not read.
    pub write: Duration,
    /// On a connection without a request. Then it closes, silently. Zero answers one request per connection. Default
    /// 75 s, as nginx's `keepalive_timeout`: longer than the pools of most clients wait, so that the client closes.
    pub keep_alive: Duration,
    /// For the peer's end after ours, reading and discarding. Default 30 s, as nginx's `lingering_time`.
    pub linger: Duration,
    /// For anything at all after our end. Default 5 s, as nginx's `lingering_timeout`.
    pub linger_silence: Duration,
}

/// The settings of a server connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Bounds on what a peer sends.
    pub limits: Limits,
    /// Bounds on how long it takes.
    pub timeouts: Timeouts,
    /// Requests on one connection; the answer to the last says `close`. Default 1000, as nginx's `keepalive_requests`:
    /// it frees what a connection has gathered, and lets load spread again.
    pub requests_max: u64,
    /// Age after which the next request is the last. Default 1 h, as nginx's `keepalive_time`.
    pub lifetime_max: Duration,
    /// The `timeout` of a `Keep-Alive` field on answers; `None` sends none. It may be less than
    /// [`Timeouts::keep_alive`], to leave a client that believes it some time. Default `None`: browsers, curl and Go
    /// ignore it, and HTTP/1.1 persists without.
    pub keep_alive_hint: Option<Duration>,
    /// Requests read and not yet answered in full. Beyond, no more input is wanted, and the sender meets a closed TCP
    /// window. Default 16: deeper pipelines gain nothing once a round trip is filled. At least 1.
    pub pipeline_depth: usize,
    /// Bytes of a body that are read for nothing, after an early answer, to keep the connection. Default 64 KiB: more
    /// costs more than a new connection does.
    pub discard_bytes: u64,
    /// Bytes of events that were not polled. Beyond, no more input is wanted. Default 64 KiB: a few reads.
    pub event_bytes: usize,
}

impl Timeouts {
    /// The defaults, each with its reason at its field.
    pub const DEFAULT: Self = Self {
        head: Duration::from_secs(60),
        body: Duration::from_secs(60),
        write: Duration::from_secs(60),
        keep_alive: Duration::from_secs(75),
        linger: Duration::from_secs(30),
        linger_silence: Duration::from_secs(5),
    };
}

impl Config {
    /// The defaults, each with its reason at its field.
    pub const DEFAULT: Self = Self {
        limits: Limits::DEFAULT,
        timeouts: Timeouts::DEFAULT,
        requests_max: 1000,
        lifetime_max: Duration::from_secs(3600),
        keep_alive_hint: None,
        pipeline_depth: 16,
        discard_bytes: 64 * 1024,
        event_bytes: 64 * 1024,
    };
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}
