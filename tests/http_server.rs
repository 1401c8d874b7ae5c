//! The server's end of an HTTP/1.1 connection as dialogues in virtual time: what is sent, what is answered, when it
//! ends and why. Numbers are those of this project's checklist of RFC 9112 and RFC 9110.

#![cfg(feature = "http")]

#[path = "http_server/answers.rs"]
mod answers;
#[path = "http_server/chunks.rs"]
mod chunks;
#[path = "http_server/deadlines.rs"]
mod deadlines;
#[path = "http_server/flood.rs"]
mod flood;
#[path = "http_server/heads.rs"]
mod heads;
#[path = "http_server/lengths.rs"]
mod lengths;
#[path = "http_server/oracle.rs"]
mod oracle;
#[path = "http_server/persistence.rs"]
mod persistence;
#[path = "http_server/pipelines.rs"]
mod pipelines;
#[path = "http_server/rig.rs"]
mod rig;
#[path = "http_server/smuggling.rs"]
mod smuggling;
