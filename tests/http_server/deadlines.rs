//! Every wait ends at its time, to the millisecond, and none runs that should not.

use crate::rig::{OPENED, Rig, get, ok};
use longhaul::http::MessageError::{BodyTimeout, HeadTimeout};
use longhaul::http::server::{CloseReason, Config, Output, Server};
use longhaul::time::{Duration, Instant};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn http_52_an_idle_connection_closes_silently_after_75_seconds() {
    let mut rig = Rig::answering(Config::DEFAULT);
    rig.wait(SECOND).input(get(""));
    let _ = rig.sent();
    rig.wait(Duration::from_millis(74_999));
    assert!(rig.finished_at.is_none());
    rig.wait(MILLISECOND);
    assert_eq!((rig.finished_at, rig.closed_at), (Some(OPENED + 76 * SECOND), Some(OPENED + 76 * SECOND)));
    assert_eq!((rig.closed, rig.sent().as_str()), (Some(CloseReason::KeepAliveTimeout), ""));
}

#[test]
fn http_52_a_request_just_in_time_keeps_the_connection() {
    let mut rig = Rig::answering(Config::DEFAULT);
    for _ in 0..10 {
        rig.input(get("")).wait(Duration::from_millis(74_999));
    }
    assert_eq!(rig.statuses().len(), 10);
}

#[test]
fn http_52_a_busy_connection_waits_for_its_application() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input(get(""));
    assert_eq!(rig.server.poll_timeout(), None);
    rig.wait(86_400 * SECOND);
    rig.respond(0, ok("late"));
    assert_eq!(rig.statuses(), [200]);
    assert_eq!(rig.server.poll_timeout(), Some(rig.now + 75 * SECOND));
}

#[test]
fn a_first_request_that_never_begins_is_not_answered() {
    let mut rig = Rig::answering(Config::DEFAULT);
    rig.wait(61 * SECOND);
    assert_eq!((rig.closed_at, rig.closed), (Some(OPENED + 60 * SECOND), Some(CloseReason::NoRequest)));
    assert_eq!(rig.sent(), "");
}

#[test]
fn a_head_has_60_seconds_in_all_and_not_from_byte_to_byte() {
    let mut rig = Rig::answering(Config::DEFAULT);
    rig.input(get("")).wait(10 * SECOND);
    let _ = rig.sent();
    let begun = rig.now;
    for byte in get("X: a long head, a byte a second, and no end of it\r\n").bytes().cycle().take(59) {
        rig.input([byte]).wait(SECOND);
    }
    assert_eq!(rig.sent(), "");
    rig.wait(SECOND);
    assert_eq!((rig.statuses(), rig.finished_at), (vec![408], Some(begun + 60 * SECOND)));
    rig.end();
    assert_eq!(rig.closed, Some(CloseReason::Refused(HeadTimeout)));
}

#[test]
fn the_first_head_has_60_seconds_from_the_opening() {
    let mut rig = Rig::answering(Config::DEFAULT);
    rig.wait(59 * SECOND).input("GET / HT").wait(SECOND);
    assert_eq!((rig.statuses(), rig.finished_at), (vec![408], Some(OPENED + 60 * SECOND)));
}

#[test]
fn a_body_has_60_seconds_from_piece_to_piece() {
    let mut rig = Rig::answering(Config::DEFAULT);
    rig.input(get("Content-Length: 4\r\n"));
    for _ in 0..3 {
        rig.wait(Duration::from_millis(59_999)).input("x");
    }
    assert_eq!(rig.sent(), "");
    let last = rig.now;
    rig.wait(60 * SECOND);
    assert_eq!((rig.statuses(), rig.finished_at), (vec![408], Some(last + 60 * SECOND)));
    rig.end();
    assert_eq!((rig.closed, rig.failed.len()), (Some(CloseReason::Refused(BodyTimeout)), 1));
}

#[test]
fn a_body_that_we_do_not_read_has_all_the_time() {
    let mut config = Config::DEFAULT;
    config.event_bytes = 100;
    let mut server = Server::new(OPENED, config);
    let left = server.handle_input(OPENED, get("Content-Length: 400\r\n").into());
    assert!(left.is_empty());
    let left = server.handle_input(OPENED, "x".repeat(200).into());
    assert!(!server.wants_input() || left.is_empty());
    assert_eq!((server.wants_input(), server.poll_timeout()), (false, None));
    let later = OPENED + 1000 * SECOND;
    while server.poll_event(later).is_some() {}
    assert_eq!(server.poll_timeout(), Some(later + 60 * SECOND));
}

#[test]
fn a_client_that_waits_for_100_is_not_timed_before_it_has_it() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input(get("") + &get("Content-Length: 4\r\nExpect: 100-continue\r\n")).wait(1000 * SECOND);
    rig.respond(0, ok("slow"));
    assert!(rig.sent().ends_with("slowHTTP/1.1 100 Continue\r\n\r\n"));
    assert_eq!(rig.server.poll_timeout(), Some(rig.now + 60 * SECOND));
}

#[test]
fn an_answer_that_is_not_taken_for_60_seconds_closes_the_connection() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input(get(""));
    let id = rig.ids[0];
    let mut server = rig.server;
    server.respond(rig.now, id, ok("x".repeat(1000))).unwrap();
    let take = |server: &mut Server, at: Instant, len: usize| {
        let Some(Output::Data(mut data)) = server.poll_output(at) else { panic!("no answer") };
        let _taken = data.split_to(len.min(data.len()));
        server.put_back(data);
    };
    // Some of it leaves each 59 s; then the transport is asked in vain.
    for step in 1..=3_u32 {
        let at = rig.now + 59 * SECOND * step;
        assert!(server.poll_timeout().unwrap() > at);
        take(&mut server, at, 10);
        assert_eq!(server.poll_timeout(), Some(at + 60 * SECOND));
    }
    let stuck = rig.now + 3 * 59 * SECOND;
    take(&mut server, stuck + 30 * SECOND, 0);
    assert_eq!(server.poll_timeout(), Some(stuck + 60 * SECOND));
    server.handle_timeout(stuck + 60 * SECOND);
    assert_eq!(server.poll_output(stuck + 60 * SECOND), Some(Output::Close));
    assert!(server.is_closed() && server.poll_timeout().is_none());
}
