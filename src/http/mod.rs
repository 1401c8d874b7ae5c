//! The other keep-alive: HTTP/1.1 persistent connections (RFC 9112). It knows bytes and time, and nothing of TCP.
//!
//! | module | |
//! |---|---|
//! | [`server`] | one server connection: bytes and time in, events, answers and deadlines out |
//! | [`persistence`] | does the connection carry another request? |
//! | [`framing`], [`body`], [`chunked`] | where a message ends; its body, piece by piece |
//! | [`head`], [`lines`], [`fields`] | requests, statuses and fields; their lines, from any split of the bytes |
//! | [`limits`], [`error`] | how much of anything; what was refused, and with which status |
//!
//! A client and a pool are not here yet; all but the first row is theirs as well.
//!
//! # Two keep-alives
//!
//! They share a name and nothing else.
//!
//! | | HTTP's | TCP's ([`liveness::keepalive`](mod@crate::liveness::keepalive)) |
//! |---|---|---|
//! | asks | may this connection carry another request? | is the silent peer still there? |
//! | set by | [`server::Timeouts::keep_alive`], `Connection: keep-alive` | `SO_KEEPALIVE`, `TCP_KEEPIDLE` and its kin |
//! | when it is over | a healthy, idle connection is closed | a dead peer's connection is aborted |
//! | on the wire | two header fields, at most | empty segments that ask for an acknowledgment |
//! | default | on in HTTP/1.1; here 75 s | off; then 7200 s, and 9 probes 75 s apart |
//! | costs | memory, to spare a handshake | a segment now and then, to learn of a death |
//!
//! Neither replaces the other. A peer that vanishes between two requests is found by HTTP's timer only because that
//! timer closes everybody; one that vanishes while the application thinks is found by TCP's alone, as HTTP's does not
//! run on a busy connection. So set TCP's shorter than any answer may take, and HTTP's by how much memory idle
//! connections may hold. A client's pool waits less than its servers do: then it is the client that closes and keeps
//! TIME-WAIT, and no request meets a connection that is just closing.

pub mod body;
pub mod chunked;
pub mod error;
pub mod fields;
pub mod framing;
pub mod head;
pub mod limits;
pub mod lines;
pub mod persistence;
pub mod response;
pub mod server;

pub use error::MessageError;
pub use fields::Headers;
pub use framing::BodyKind;
pub use head::{Method, RequestHead, ResponseHead, Version};
pub use limits::Limits;
pub use response::Response;
pub use server::Server;
