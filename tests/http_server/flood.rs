//! Much of anything keeps memory flat.

use crate::rig::{OPENED, get, ok};
use bytes::Bytes;
use longhaul::http::server::{Config, Event, Output, Server};

#[test]
fn a_hundred_thousand_pipelined_requests_keep_memory_flat() {
    let mut config = Config::DEFAULT;
    config.requests_max = u64::MAX;
    let mut server = Server::new(OPENED, config);
    let mut left = Bytes::new();
    let piece: Bytes = get("").repeat(1000).into();
    let (mut answered, mut sent, mut most) = (0_u32, 0, 0);
    for _ in 0..100 {
        assert!(left.is_empty());
        left = piece.clone();
        while !left.is_empty() {
            left = server.handle_input(OPENED, left);
            most = most.max(server.buffered_bytes());
            while let Some(event) = server.poll_event(OPENED) {
                if let Event::Request { id, .. } = event {
                    server.respond(OPENED, id, ok("hello")).unwrap();
                    answered += 1;
                }
            }
            most = most.max(server.buffered_bytes());
            while let Some(Output::Data(data)) = server.poll_output(OPENED) {
                sent += data.len();
            }
        }
    }
    assert_eq!(answered, 100_000);
    assert_eq!(sent, 100_000 * "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".len());
    // 16 requests: two events and a short answer each.
    assert!(most < 32 * 1024, "{most} bytes were held");
    assert_eq!(server.buffered_bytes(), 0);
}

#[test]
fn a_flood_that_nobody_answers_is_left_to_the_transport() {
    let mut server = Server::new(OPENED, Config::DEFAULT);
    let piece: Bytes = get("").repeat(1000).into();
    let mut left = piece.clone();
    for _ in 0..1000 {
        left = server.handle_input(OPENED, left);
        while server.poll_event(OPENED).is_some() {}
    }
    assert_eq!(left.len(), piece.len() / 1000 * (1000 - Config::DEFAULT.pipeline_depth));
    assert_eq!((server.wants_input(), server.buffered_bytes()), (false, 0));
}

#[test]
fn events_that_nobody_polls_stop_the_input() {
    let mut server = Server::new(OPENED, Config::DEFAULT);
    let head = get("Transfer-Encoding: chunked\r\n");
    assert!(server.handle_input(OPENED, head.into()).is_empty());
    let mut left: Bytes = "1\r\nx\r\n".repeat(100_000).into();
    let all = left.len();
    for _ in 0..100 {
        left = server.handle_input(OPENED, left);
    }
    assert!(!server.wants_input() && left.len() > all - 10_000);
    assert!(server.buffered_bytes() < 2 * Config::DEFAULT.event_bytes);
    let mut bodies = 0;
    while !left.is_empty() {
        while let Some(event) = server.poll_event(OPENED) {
            bodies += usize::from(matches!(event, Event::Body { .. }));
        }
        left = server.handle_input(OPENED, left);
    }
    bodies += core::iter::from_fn(|| server.poll_event(OPENED)).count();
    assert_eq!(bodies, 100_000);
}
