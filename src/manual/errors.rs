//! What the application sees: errors, their numbers, and in which order.
//!
//! [`Error`](crate::error::Error) names the cause; [`Error::errno`](crate::error::Error::errno) is what a Linux socket
//! would have returned, and with `std` an error becomes an `io::Error` of the kind that number has on Linux, with the
//! cause in its text.
//!
//! | what happened | error | errno | we send |
//! |---|---|---|---|
//! | retransmission, window probes or user timeout end it | `TimedOut` | ETIMEDOUT, or what ICMP said | nothing |
//! | keepalive ends it (by count or user timeout) | `TimedOut` | ETIMEDOUT, or what ICMP said | RST+ACK |
//! | no answer to our SYN | `TimedOut` | ETIMEDOUT | nothing |
//! | RST in answer to our SYN | `Refused` | ECONNREFUSED | nothing |
//! | ICMP in answer to our SYN | `Unreachable` | see below | nothing |
//! | RST, exact, in an established connection | `Reset` | ECONNRESET | nothing |
//! | RST, exact, after the peer's FIN (CLOSE-WAIT) | `BrokenPipe` | EPIPE | nothing |
//! | RST in the window but not exact; any SYN | none, it lives | – | a challenge ACK |
//! | ICMP in an established connection | none, remembered | – | nothing |
//! | data for a side that was shut down | `Reset` | ECONNRESET | RST |
//! | `close` with unread data, or `SO_LINGER` 0 | – | – | RST+ACK |
//! | an orphan's end, FIN-WAIT-2, TIME-WAIT | nobody is left to tell | – | nothing |
//! | a segment for a connection that is gone | – | – | RST |
//!
//! # In which order
//!
//! A death drops what was queued to send and held out of order. What was received in order stays: reads give it first.
//! Then the first call that fails reports the error, *once*; afterwards reads give the end of the stream and writes
//! `BrokenPipe`. If the peer's FIN had been received, reads give the end of the stream all along, and the error waits
//! for the next write. [`ConnMut::take_error`](crate::stack::ConnMut::take_error) is `SO_ERROR`: it takes the error, or
//! if there is none, what ICMP said last. [`ConnMut::death`](crate::stack::ConnMut::death) shows the cause and takes
//! nothing, for as long as the connection is not closed.
//!
//! An event [`Closed`](crate::tcp::Event::Closed) reports every end once, with the same cause; clean ends carry `None`.
//! An orphan has no events.
//!
//! # What was wrong, and what to do
//!
//! An error names the rule that gave up; [`Diagnosis`](crate::tcp::Diagnosis) says what the peer and the path were like
//! at that moment, so that the same ETIMEDOUT sends different people to work. Every connection has one when it is over
//! ([`Conn::diagnosis`](crate::tcp::Conn::diagnosis), `ConnMut::diagnosis`, `net::TcpStream::diagnosis`), at no cost
//! before. It is a conclusion from what arrived, and decides nothing.
//!
//! | diagnosis | from what | look at |
//! |---|---|---|
//! | `Silent` | nothing came since the first resend or probe | the peer's power; the path; firewalls that drop |
//! | `OneWay` | something came after a resend or probe, and not its answer | the path there: routes, filters, its MTU |
//! | `WindowStalled` | the window is 0, and probes are answered | the peer's application, which does not read |
//! | `Unreachable` | ICMP said so, and no ACK came since | the router that says so |
//! | `Refused` | RST in answer to our SYN | whether the server listens there |
//! | `Rebooted` | RST without ACK: from one without the connection | the peer's uptime; failover; middleboxes |
//! | `PeerAborted` | RST with ACK: from one that has it | the peer's log: abort, unread data, its own timeout |
//! | `PeerClosed` | RST after the peer's FIN | our pooling: the peer closed first, and we wrote on |
//! | `Aborted` | we ended it: abort, withdrawal, or data for a side that was shut down | our own application |
//! | `Finished` | both FINs | nothing |
//!
//! What led there is in the journal ([`journal`](crate::journal)), if the connection kept one: every resend, probe and
//! answer with its time, and a last line that names the setting, its value, and the silence.
//!
//! `tests/diagnosis.rs::one_answer_may_be_missing_but_not_two`,
//! `tests/diagnosis.rs::a_peer_that_repeats_what_we_acknowledged_is_heard_though_it_answers_nothing`,
//! `tests/journal.rs::a_black_hole_with_linux_defaults`
//!
//! # What ICMP says
//!
//! An error counts if the sequence number it quotes lies between the oldest unacknowledged one and the next to be sent:
//! never for a probe, whose number lies below. During the handshake it ends the connect at once, whatever it says.
//! Later it is *soft*: remembered, forgotten at the next ACK that counts as life, and reported in place of ETIMEDOUT
//! when a rule gives up. No message resets a connection.
//!
//! | ICMPv4 | ICMPv6 | errno |
//! |---|---|---|
//! | type 3 code 0, 6, 9, 11 | type 1 code 0 | ENETUNREACH |
//! | type 3 code 1, 10, 12 to 15; type 11 | type 1 code 2, 3; type 3 | EHOSTUNREACH |
//! | type 3 code 2 | | ENOPROTOOPT |
//! | type 3 code 3 | type 1 code 4 | ECONNREFUSED |
//! | type 3 code 5 | | EOPNOTSUPP |
//! | type 3 code 7 | | EHOSTDOWN |
//! | type 3 code 8 | | ENONET |
//! | | type 1 code 1, 5, 6 | EACCES |
//! | type 12 | type 4; type 1 code 7 and beyond | EPROTO |
//! | type 3 code 4 | type 2 | none: the segments become smaller |
//!
//! "No route" (type 3 code 0 or 1; type 1 code 0) about the oldest segment in flight also takes back one doubling
//! of the timeout (RFC 6069): there was no congestion, only no way. The limit is a time and does not move, so there are
//! more retransmissions in the same life.
//!
//! `src/liveness/retransmission.rs::icmp_for_every_copy_keeps_the_spacing`,
//! `src/error.rs::an_io_error_keeps_the_kind_and_the_cause`,
//! `src/wire/icmp.rs::quotes_of_other_protocols_families_fragments_and_hosts_are_ignored`
