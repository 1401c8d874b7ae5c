//! What a server connection tells its application and its transport.

use crate::http::{Headers, MessageError, RequestHead};
use bytes::Bytes;
use core::fmt;

/// A request on one connection, in the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// What the application should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A request has begun. Its [`Event::End`] follows, perhaps with a body before it, unless its answer is complete
    /// earlier: then what is left of the body is dropped.
    Request {
        /// To be answered with.
        id: RequestId,
        /// Its head.
        head: RequestHead,
    },
    /// More of its body.
    Body {
        /// The request.
        id: RequestId,
        /// Never empty.
        data: Bytes,
    },
    /// Fields behind a chunked body, kept apart from those of the head.
    Trailers {
        /// The request.
        id: RequestId,
        /// Without those that trailers must not carry.
        trailers: Headers,
    },
    /// The request is complete.
    End {
        /// The request.
        id: RequestId,
    },
    /// The request will neither end nor be answered by the application.
    Failed {
        /// The request.
        id: RequestId,
        /// Why; `None` if an earlier answer closes the connection.
        error: Option<MessageError>,
    },
    /// The connection is over: the last event.
    Closed(CloseReason),
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client asked for it: `Connection: close`, or HTTP/1.0 without `keep-alive`.
    Asked,
    /// [`Config::requests_max`](super::Config::requests_max).
    RequestsMax,
    /// [`Config::lifetime_max`](super::Config::lifetime_max).
    LifetimeMax,
    /// An answer closed it: the application's wish, or a body that ends with the connection.
    Answer,
    /// A body was answered before it was read, and is too long to read for nothing.
    UnreadBody,
    /// No request within [`Timeouts::keep_alive`](super::Timeouts::keep_alive).
    KeepAliveTimeout,
    /// Not one byte of a first request within [`Timeouts::head`](super::Timeouts::head).
    NoRequest,
    /// The peer did not take the answer: [`Timeouts::write`](super::Timeouts::write).
    WriteTimeout,
    /// The peer finished, between requests.
    PeerFinished,
    /// [`Server::shutdown`](super::Server::shutdown).
    Shutdown,
    /// A message was refused.
    Refused(MessageError),
}

/// What the transport should do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver must do each of them")]
pub enum Output {
    /// Send this; what does not fit goes back with [`Server::put_back`](super::Server::put_back).
    Data(Bytes),
    /// Send nothing more (FIN), and go on reading.
    Finish,
    /// Close. What was not sent is abandoned only if the reason is [`CloseReason::WriteTimeout`].
    Close,
}

/// Why an answer was refused; the connection is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerError {
    /// No such request waits for this: it is answered, it failed, or the connection is over.
    NotAwaited,
    /// More bytes than the announced length.
    TooLong,
    /// Fewer bytes than the announced length: send them, or abort.
    TooShort,
    /// Trailers behind a body that is not chunked, or of which one must not be a trailer.
    Trailers,
    /// 2xx to CONNECT would make a tunnel of the connection.
    Tunnel,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAwaited => "the request does not wait for this",
            Self::TooLong => "the body is longer than announced",
            Self::TooShort => "the body is shorter than announced",
            Self::Trailers => "these trailers cannot be sent",
            Self::Tunnel => "tunnels are not implemented",
        })
    }
}

impl core::error::Error for AnswerError {}
