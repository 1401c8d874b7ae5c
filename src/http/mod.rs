//! The other keep-alive: HTTP/1.1 persistent connections (RFC 9112). It knows bytes, and nothing of TCP.
//!
//! So far only [`head`]: heads of requests and responses, and how their bodies are framed, strictly. Server, client and
//! pool are not here yet.

pub mod head;
