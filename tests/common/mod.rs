//! A scripted peer in virtual time: dialogues with one [`Stack`](longhaul::stack::Stack), in packetdrill's notation.
//!
//! ```text
//! let mut t = Peer::with(|config| config.sysctl.tcp_retries2 = 3);
//! t.open(Options::new());                                 // passive handshake: mss 1460, wscale 7, 1 ms round trip
//! t.inject("P. 1:11(10) ack 1 win 500");                  // the peer speaks
//! t.expect(". 1:1(0) ack 11");                            // the stack has answered, at this very millisecond
//! t.write(100);                                           // the application acts
//! t.expect("P. 1:101(100) ack 11");
//! t.expect_at(ms(201), "P. 1:101(100) ack 11");           // time runs to the stack's next packet, 201 ms after `mark`
//! t.expect_nothing_for(ms(100));
//! ```
//!
//! * Sequence numbers are relative: to our ISN in what the peer sends, to the stack's in what the stack sends; those of
//!   ACK and SACK the other way round. Our ISN lies just below 2^32, so that most dialogues cross the wrap.
//! * Windows are raw header fields; without `win` an expectation accepts any, and an injected segment says 500.
//! * Options are written in wire order, as in `<mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 7>`; `sack 1:2 5:6`, `eol`
//!   and `hex fd04abcd` exist too. Without brackets an expectation wants no options, with `<...>` it takes any.
//! * Timestamps of the stack count milliseconds since the harness was made (`tcp_timestamps` is 2: no random offset).
//! * Payload is a pattern of its position in the stream, and is checked in every segment and every read.
//! * Nothing may remain unexpected: each packet is expected at the instant it leaves, or the test fails and prints
//!   the trace.

// Each test file uses its own part, and none is a crate to others; a test has the whole standard library.
#![allow(dead_code, unreachable_pub, clippy::std_instead_of_alloc)]

pub mod application;
pub mod notation;
pub mod peer;

#[allow(unused_imports)] // the same
pub use peer::{Peer, ms, secs};
