//! One server connection and everything it said, with the time in the test's hand.

use bytes::Bytes;
use longhaul::http::server::{CloseReason, Config, Event, Output, RequestId, Server};
use longhaul::http::{MessageError, RequestHead, Response};
use longhaul::time::{Duration, Instant};

pub(crate) const OPENED: Instant = Instant::from_secs(1000);

/// A request as the application saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<String>,
    pub(crate) ended: bool,
}

pub(crate) struct Rig {
    pub(crate) server: Server,
    pub(crate) now: Instant,
    /// Not taken yet.
    pub(crate) left: Bytes,
    /// Requests and their ids, in order.
    pub(crate) seen: Vec<Seen>,
    pub(crate) ids: Vec<RequestId>,
    pub(crate) failed: Vec<RequestId>,
    pub(crate) closed: Option<CloseReason>,
    /// Sent and not looked at yet.
    sent: Vec<u8>,
    pub(crate) finished_at: Option<Instant>,
    pub(crate) closed_at: Option<Instant>,
    /// Answers each request at its end with 200 and its target.
    pub(crate) answers: bool,
}

impl Rig {
    /// A connection whose application answers at once.
    pub(crate) fn answering(config: Config) -> Self {
        Self { answers: true, ..Self::silent(config) }
    }

    /// A connection whose application answers when the test says so.
    pub(crate) fn silent(config: Config) -> Self {
        Self {
            server: Server::new(OPENED, config),
            now: OPENED,
            left: Bytes::new(),
            seen: Vec::new(),
            ids: Vec::new(),
            failed: Vec::new(),
            closed: None,
            sent: Vec::new(),
            finished_at: None,
            closed_at: None,
            answers: false,
        }
    }

    /// Bytes arrive.
    pub(crate) fn input(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        self.left = [&self.left[..], text.as_ref()].concat().into();
        self.settle();
        self
    }

    /// The peer finishes.
    pub(crate) fn end(&mut self) -> &mut Self {
        self.server.handle_end(self.now);
        self.settle();
        self
    }

    /// Time passes, and timers fire on the way when they are due.
    pub(crate) fn wait(&mut self, duration: Duration) -> &mut Self {
        let until = self.now + duration;
        while let Some(at) = self.server.poll_timeout().filter(|&at| at <= until) {
            self.now = at.max(self.now);
            self.server.handle_timeout(self.now);
            self.settle();
        }
        self.now = until;
        self
    }

    /// Everything is polled until nothing moves.
    pub(crate) fn settle(&mut self) {
        for _ in 0..1_000_000 {
            let before = self.left.len();
            self.left = self.server.handle_input(self.now, core::mem::take(&mut self.left));
            let mut moved = before != self.left.len();
            while let Some(event) = self.server.poll_event(self.now) {
                moved = true;
                self.on_event(event);
            }
            while let Some(output) = self.server.poll_output(self.now) {
                moved = true;
                match output {
                    Output::Data(data) => {
                        assert!(self.finished_at.is_none(), "data after the end");
                        self.sent.extend_from_slice(&data);
                    }
                    Output::Finish => assert!(self.finished_at.replace(self.now).is_none(), "finished twice"),
                    Output::Close => assert!(self.closed_at.replace(self.now).is_none(), "closed twice"),
                }
            }
            if !moved {
                return;
            }
        }
        panic!("the server does not come to rest");
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Request { id, head } => {
                self.seen.push(Seen { line: line(&head), ..Seen::default() });
                self.ids.push(id);
            }
            Event::Body { id, data } => self.of(id).body.extend_from_slice(&data),
            Event::Trailers { id, trailers } => {
                let text = |(name, value): (&str, &[u8])| format!("{name}: {}", String::from_utf8_lossy(value));
                let trailers: Vec<String> = trailers.iter().map(text).collect();
                self.of(id).trailers.extend(trailers);
            }
            Event::End { id } => {
                self.of(id).ended = true;
                if self.answers {
                    let body = self.of(id).line.split(' ').nth(1).unwrap_or_default().to_owned();
                    let _ = self.server.respond(self.now, id, ok(body));
                }
            }
            Event::Failed { id, .. } => self.failed.push(id),
            Event::Closed(reason) => assert!(self.closed.replace(reason).is_none(), "told twice"),
            other => panic!("an unknown event: {other:?}"),
        }
    }

    fn of(&mut self, id: RequestId) -> &mut Seen {
        let index = self.ids.iter().position(|&known| known == id).expect("a request that was told");
        &mut self.seen[index]
    }

    /// Answers the request at `index`.
    pub(crate) fn respond(&mut self, index: usize, response: Response) {
        self.server.respond(self.now, self.ids[index], response).expect("it waits for an answer");
        self.settle();
    }

    /// What was sent since the last look.
    pub(crate) fn sent(&mut self) -> String {
        String::from_utf8_lossy(&core::mem::take(&mut self.sent)).into_owned()
    }

    /// The status codes of what was sent since the last look.
    pub(crate) fn statuses(&mut self) -> Vec<u16> {
        let sent = self.sent();
        sent.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse().expect("three digits")).collect()
    }

    /// Whether anything ended the connection, and how.
    pub(crate) fn refused(&self) -> Option<MessageError> {
        if let Some(CloseReason::Refused(error)) = self.closed { Some(error) } else { None }
    }
}

pub(crate) fn ok(body: impl Into<Bytes>) -> Response {
    Response::new(200).expect("a status").with_body(body)
}

fn line(head: &RequestHead) -> String {
    format!("{} {} {:?}", head.method.as_str(), head.target(), head.version)
}

/// A request with these fields and what follows them.
pub(crate) fn get(fields: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
}

/// One connection that gets `text`, then the peer's end: statuses, and what the application saw.
pub(crate) fn play(text: impl AsRef<[u8]>) -> (Vec<u16>, Rig) {
    let mut rig = Rig::answering(Config::DEFAULT);
    rig.input(text).end().wait(Duration::from_secs(200));
    assert!(rig.closed_at.is_some(), "the connection stays open");
    (rig.statuses(), rig)
}

/// Asserts that `text` gets one answer, this error's, and no request of it reaches the application in full.
#[track_caller]
pub(crate) fn assert_refused(text: impl AsRef<[u8]>, error: MessageError) {
    let shown = String::from_utf8_lossy(text.as_ref()).into_owned();
    let (statuses, rig) = play(text);
    assert_eq!(rig.refused(), Some(error), "{shown:?}");
    assert_eq!(statuses, [error.status()], "{shown:?}");
    assert!(rig.seen.iter().all(|seen| !seen.ended), "{shown:?}");
}

/// Asserts that `text` is one complete request, answered with 200.
#[track_caller]
pub(crate) fn assert_taken(text: impl AsRef<[u8]>) -> Seen {
    let shown = String::from_utf8_lossy(text.as_ref()).into_owned();
    let (statuses, rig) = play(text);
    assert_eq!(statuses, [200], "{shown:?}: {:?}", rig.closed);
    assert!(rig.seen[0].ended, "{shown:?}");
    rig.seen[0].clone()
}

/// `SplitMix64`, as the simulator's.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
