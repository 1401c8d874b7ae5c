//! The server's end of one HTTP/1.1 connection, without I/O: bytes and time in; events, answers and deadlines out
//! (RFC 9112 9).
//!
//! ```
//! use longhaul::http::Response;
//! use longhaul::http::server::{Config, Event, Output, Server};
//! use longhaul::time::Instant;
//!
//! /// Answers what has arrived; `left` is what the server did not take yet. Returns when to call again at the latest.
//! fn drive(server: &mut Server, now: Instant, left: &mut bytes::Bytes, sent: &mut Vec<u8>) -> Option<Instant> {
//!     server.handle_timeout(now);
//!     loop {
//!         *left = server.handle_input(now, std::mem::take(left));
//!         let mut idle = true;
//!         while let Some(event) = server.poll_event(now) {
//!             idle = false;
//!             if let Event::Request { id, head } = event {
//!                 let response = Response::new(200).unwrap().with_body(format!("you asked for {}", head.target()));
//!                 server.respond(now, id, response).unwrap();
//!             }
//!         }
//!         while let Some(output) = server.poll_output(now) {
//!             idle = false;
//!             match output {
//!                 Output::Data(data) => sent.extend_from_slice(&data), // what does not fit: `put_back`, and break
//!                 Output::Finish | Output::Close => {} // shut down the sending half; close
//!             }
//!         }
//!         if idle {
//!             return server.poll_timeout();
//!         }
//!     }
//! }
//!
//! let now = Instant::from_secs(1);
//! let mut server = Server::new(now, Config::DEFAULT);
//! let (mut left, mut sent) = ("GET /a HTTP/1.1\r\nHost: b\r\n\r\n".into(), Vec::new());
//! let next = drive(&mut server, now, &mut left, &mut sent);
//! assert!(sent.ends_with(b"\r\n\r\nyou asked for /a"));
//! assert_eq!(next, Some(Instant::from_secs(76))); // keep_alive: 75 s without another request
//! ```
//!
//! # Order, and how much at once
//!
//! Requests are told as they arrive, up to [`Config::pipeline_depth`] before the first is answered; answers leave in
//! the order of the requests, whatever the order of [`Server::respond`]. Only *safe* requests may be handled in
//! parallel ([`Method::is_safe`](super::Method::is_safe)): another must wait until those before it are done.
//!
//! Nothing grows without a bound. [`Server::handle_input`] gives back what it does not take: the driver keeps it, reads
//! no more, and TCP's window tells the peer. A request that has not been answered in full counts, so a peer that does
//! not read answers is not read either. Offer the rest again after polling.
//!
//! # The end
//!
//! When the last answer has left comes [`Output::Finish`]; then what the peer still sends is read and dropped until it
//! finishes too, or [`Timeouts::linger`] is over. Closed at once, unread input would make TCP reset the connection, and
//! the reset could overtake the answer (RFC 9112 9.6).

mod answer;
mod config;
mod deadline;
mod event;
mod input;
mod slot;

pub use config::{Config, Timeouts};
pub use event::{AnswerError, CloseReason, Event, Output, RequestId};

use super::body::BodyReader;
use super::lines::{HeadReader, Section};
use crate::time::Instant;
use alloc::collections::VecDeque;
use slot::{Answer, Slot};

/// The server's end of one connection.
#[derive(Debug)]
pub struct Server {
    config: Config,
    reading: Reading,
    phase: Phase,
    /// Why no request follows those that are here.
    ending: Option<CloseReason>,
    /// Requests not yet answered in full, oldest first.
    slots: VecDeque<Slot>,
    /// Of the oldest slot.
    first_id: u64,
    requests: u64,
    events: VecDeque<Event>,
    event_bytes: usize,
    peer_finished: bool,
    opened_at: Instant,
    /// When the head that is arriving began; the first begins with the connection.
    head_since: Option<Instant>,
    /// When the last piece of the current body arrived, or was first waited for.
    body_since: Instant,
    idle_since: Instant,
    /// Since when the transport took nothing of an answer that is ready.
    write_since: Option<Instant>,
    handed: Option<Handed>,
}

/// What is being read.
#[derive(Debug)]
enum Reading {
    Head(HeadReader),
    Body {
        id: RequestId,
        reader: BodyReader,
        /// Read after the answer was complete.
        discarded: u64,
    },
    /// Nothing more: input is dropped.
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Open,
    /// We have finished; the peer has not.
    Lingering {
        until: Instant,
        heard_at: Instant,
    },
    /// `Close` is to be told.
    Closing,
    Closed,
}

/// The piece of output that left last, so that it can come back.
#[derive(Clone, Copy, Debug)]
struct Handed {
    len: usize,
    waited_since: Instant,
    at: Instant,
}

impl Server {
    /// A connection that was just accepted.
    pub fn new(now: Instant, config: Config) -> Self {
        Self {
            config,
            reading: Reading::Head(HeadReader::new(Section::Request)),
            phase: Phase::Open,
            ending: None,
            slots: VecDeque::new(),
            first_id: 0,
            requests: 0,
            events: VecDeque::new(),
            event_bytes: 0,
            peer_finished: false,
            opened_at: now,
            head_since: Some(now),
            body_since: now,
            idle_since: now,
            write_since: None,
            handed: None,
        }
    }

    /// What the application should know; ask until `None`.
    ///
    /// Who asks for more without having answered a request that expects `100-continue` is taken to want its body, and
    /// the client is told so (RFC 9110 10.1.1).
    pub fn poll_event(&mut self, now: Instant) -> Option<Event> {
        let Some(event) = self.events.pop_front() else {
            self.want_body(now);
            return None;
        };
        let paused = !self.wants_input();
        self.event_bytes -= cost(&event);
        if paused && self.wants_input() {
            // The peer was not heard because of us: its time begins anew.
            self.body_since = now;
        }
        Some(event)
    }

    /// What the transport should do; ask until `None`, but not after [`Self::put_back`] before there is room again.
    pub fn poll_output(&mut self, now: Instant) -> Option<Output> {
        while let Some(slot) = self.slots.front_mut() {
            if let Some(data) = slot.pop() {
                let waited_since = self.write_since.unwrap_or(now);
                self.handed = Some(Handed { len: data.len(), waited_since, at: now });
                self.write_since = None;
                self.note_output(now);
                return Some(Output::Data(data));
            }
            if slot.answer != Answer::Done {
                return None;
            }
            self.retire(now);
        }
        match self.phase {
            Phase::Open if self.ending.is_some() && !self.is_head_begun() => Some(self.finish_sending(now)),
            Phase::Closing => {
                self.phase = Phase::Closed;
                Some(Output::Close)
            }
            _ => None,
        }
    }

    /// Takes back what the transport had no room for: the end of the last [`Output::Data`].
    pub fn put_back(&mut self, rest: bytes::Bytes) {
        let (Some(handed), Some(slot)) = (self.handed.take(), self.slots.front_mut()) else { return };
        if !rest.is_empty() {
            let nothing_left = rest.len() >= handed.len;
            slot.put_back(rest);
            self.write_since = Some(if nothing_left { handed.waited_since } else { handed.at });
        }
    }

    /// Takes no further requests: those that are here are answered, the last answer says `close`, and an idle
    /// connection finishes at once.
    pub fn shutdown(&mut self, now: Instant) {
        self.end(CloseReason::Shutdown);
        if matches!(self.reading, Reading::Head(_)) && !self.is_head_begun() {
            self.reading = Reading::Ended;
        }
        self.note_output(now);
    }

    /// Bytes held for this connection: an incomplete head, events not polled, answers not sent. What the application
    /// answers counts, so a server of long bodies looks here before it sends more.
    pub fn buffered_bytes(&self) -> usize {
        let reading = match &self.reading {
            Reading::Head(reader) => reader.buffered_bytes(),
            Reading::Body { reader, .. } => reader.buffered_bytes(),
            Reading::Ended => 0,
        };
        reading + self.event_bytes + self.slots.iter().map(Slot::out_bytes).sum::<usize>()
    }

    /// Whether nothing more will come: [`Output::Close`] was polled.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    fn is_head_begun(&self) -> bool {
        matches!(&self.reading, Reading::Head(reader) if reader.has_begun())
    }

    /// No request follows; the first reason stays.
    fn end(&mut self, reason: CloseReason) {
        self.ending.get_or_insert(reason);
    }

    /// The oldest request is answered and its answer has left.
    fn retire(&mut self, now: Instant) {
        self.slots.pop_front();
        self.first_id += 1;
        if self.slots.is_empty() {
            self.idle_since = now;
        }
        self.offer_continue(now);
    }

    /// Output is ready or is not: the time to write it runs while it is.
    fn note_output(&mut self, now: Instant) {
        let ready = self.slots.front().is_some_and(Slot::has_output);
        self.write_since = if ready { self.write_since.or(Some(now)) } else { None };
    }

    fn finish_sending(&mut self, now: Instant) -> Output {
        self.reading = Reading::Ended;
        // A connection that was idle long has nothing in flight that a reset could destroy.
        let silent = matches!(self.ending, Some(CloseReason::KeepAliveTimeout | CloseReason::NoRequest));
        if self.peer_finished || silent {
            self.close();
        } else {
            self.phase = Phase::Lingering { until: now + self.config.timeouts.linger, heard_at: now };
        }
        Output::Finish
    }

    fn close(&mut self) {
        if matches!(self.phase, Phase::Open | Phase::Lingering { .. }) {
            self.phase = Phase::Closing;
            self.reading = Reading::Ended;
            self.slots.clear();
            self.write_since = None;
            // Whoever closes has said why; a peer that went away is the only other way here.
            let reason = self.ending.unwrap_or(CloseReason::PeerFinished);
            self.tell(Event::Closed(reason));
        }
    }

    fn tell(&mut self, event: Event) {
        self.event_bytes += cost(&event);
        self.events.push_back(event);
    }
}

/// What an event counts for [`Config::event_bytes`]: small ones are not free.
fn cost(event: &Event) -> usize {
    let data = if let Event::Body { data, .. } = event { data.len() } else { 0 };
    data + size_of::<Event>()
}
