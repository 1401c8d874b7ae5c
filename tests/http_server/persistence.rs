//! RFC 9112 9.3 and 9.6: whether another request follows.

use crate::rig::{Rig, get, ok, play};
use longhaul::http::server::{CloseReason, Config, Timeouts};
use longhaul::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn http_44_eleven_persists_by_default_and_does_not_say_so() {
    let mut rig = Rig::answering(Config::DEFAULT);
    for _ in 0..3 {
        rig.input(get(""));
        assert_eq!(rig.sent(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/a");
    }
    assert!(rig.finished_at.is_none());
}

#[test]
fn http_45_and_47_close_anywhere_in_the_list_in_any_case_ends_it() {
    for field in ["Connection: close", "connection: x ,\tCLOSE, y", "Connection: x\r\nCONNECTION: Close"] {
        let mut rig = Rig::answering(Config::DEFAULT);
        rig.input(get(&format!("{field}\r\n")));
        assert!(rig.sent().contains("\r\nConnection: close\r\n"), "{field}");
        assert_eq!(rig.finished_at, Some(rig.now), "{field}");
        rig.end();
        assert_eq!(rig.closed, Some(CloseReason::Asked), "{field}");
    }
    let (statuses, _) = play(get("Connection: closed, not-close, x\r\n") + &get(""));
    assert_eq!(statuses, [200, 200]);
}

#[test]
fn http_45_an_answer_may_close_as_well() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input(get(""));
    rig.respond(0, ok("x").closing());
    assert!(rig.sent().contains("\r\nConnection: close\r\n"));
    rig.end();
    assert_eq!(rig.closed, Some(CloseReason::Answer));
}

#[test]
fn http_46_ten_persists_when_asked_and_is_told() {
    let mut rig = Rig::answering(Config::DEFAULT);
    let ten = |field: &str| format!("GET /a HTTP/1.0\r\n{field}\r\n");
    for _ in 0..2 {
        rig.input(ten("Connection: Keep-Alive\r\n"));
        assert!(rig.sent().contains("\r\nConnection: keep-alive\r\n"));
    }
    assert!(rig.finished_at.is_none());
    rig.input(ten(""));
    assert!(rig.sent().contains("\r\nConnection: close\r\n"));
    assert!(rig.finished_at.is_some());
    let (_, rig) = play(ten("Connection: keep-alive, close\r\n"));
    assert_eq!(rig.closed, Some(CloseReason::Asked));
}

#[test]
fn http_48_what_follows_a_close_gets_no_answer() {
    let (statuses, rig) = play(get("Connection: close\r\n") + &get(""));
    assert_eq!((statuses, rig.seen.len()), (vec![200], 1));
}

#[test]
fn http_49_an_unread_body_is_read_for_nothing_or_the_connection_closes() {
    let post = |len: usize| format!("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: {len}\r\n\r\n");
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input(post(65_536));
    rig.respond(0, ok("early"));
    assert!(!rig.sent().contains("close"));
    rig.input("x".repeat(65_536) + &get(""));
    assert_eq!((rig.seen.len(), rig.seen[1].line.as_str()), (2, "GET /a Http11"));

    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input(post(65_537));
    rig.respond(0, ok("early"));
    assert!(rig.sent().contains("\r\nConnection: close\r\n"));
    assert!(rig.finished_at.is_some());
    rig.input("x".repeat(65_537) + &get("")).end();
    assert_eq!((rig.seen.len(), rig.closed), (1, Some(CloseReason::UnreadBody)));
}

#[test]
fn http_49_a_chunked_body_is_read_for_nothing_up_to_a_bound() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input(get("Transfer-Encoding: chunked\r\n"));
    rig.respond(0, ok("early"));
    for _ in 0..64 {
        rig.input(format!("400\r\n{}\r\n", "x".repeat(1024)));
    }
    assert!(rig.finished_at.is_none());
    rig.input("1\r\nx\r\n");
    assert!(rig.finished_at.is_some());
}

#[test]
fn http_50_and_51_the_hint_is_true_and_counts_down_to_a_close() {
    let mut config = Config::DEFAULT;
    config.requests_max = 3;
    config.keep_alive_hint = Some(Duration::from_secs(60));
    let mut rig = Rig::answering(config);
    for left in ["max=2", "max=1"] {
        rig.input(get(""));
        let sent = rig.sent();
        let wanted = format!("\r\nConnection: keep-alive\r\nKeep-Alive: timeout=60, {left}\r\n");
        assert!(sent.contains(&wanted), "{sent}");
    }
    rig.input(get(""));
    let sent = rig.sent();
    assert!(sent.contains("\r\nConnection: close\r\n") && !sent.contains("Keep-Alive"), "{sent}");
    rig.input(get("")).end();
    assert_eq!((rig.seen.len(), rig.closed), (3, Some(CloseReason::RequestsMax)));
}

#[test]
fn the_first_request_beyond_the_lifetime_is_the_last() {
    let mut config = Config::DEFAULT;
    config.lifetime_max = 100 * SECOND;
    let mut rig = Rig::answering(config);
    rig.wait(50 * SECOND).input(get("")).wait(Duration::from_millis(49_999)).input(get(""));
    assert!(rig.finished_at.is_none());
    rig.wait(Duration::from_millis(1)).input(get(""));
    assert!(rig.sent().ends_with("Connection: close\r\n\r\n/a"));
    rig.end();
    assert_eq!(rig.closed, Some(CloseReason::LifetimeMax));
}

#[test]
fn a_keep_alive_timeout_of_zero_answers_one_request() {
    let mut config = Config::DEFAULT;
    config.timeouts.keep_alive = Duration::ZERO;
    let mut rig = Rig::answering(config);
    rig.input(get(""));
    assert!(rig.sent().contains("\r\nConnection: close\r\n"));
    assert!(rig.finished_at.is_some());
}

#[test]
fn http_54_a_peer_that_finished_still_gets_its_answers() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input(get("") + &get("")).end();
    assert!(rig.finished_at.is_none());
    rig.respond(1, ok("2"));
    rig.respond(0, ok("1"));
    assert_eq!(rig.statuses(), [200, 200]);
    assert_eq!((rig.closed_at, rig.closed), (Some(rig.now), Some(CloseReason::PeerFinished)));
}

#[test]
fn http_55_the_last_answer_is_protected_by_lingering() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
    rig.respond(0, longhaul::http::Response::new(413).unwrap());
    let finished = rig.finished_at.expect("it finishes at once");
    // The peer goes on, a piece each 4 s; all of it is read, and 30 s after the end it is enough.
    for _ in 0..7 {
        rig.wait(4 * SECOND).input("x".repeat(1000));
        assert!(rig.left.is_empty() && rig.closed_at.is_none());
    }
    rig.wait(4 * SECOND);
    assert_eq!(rig.closed_at, Some(finished + 30 * SECOND));

    let mut rig = Rig::answering(Config::DEFAULT);
    rig.input(get("Connection: close\r\n")).wait(10 * SECOND);
    assert_eq!(rig.closed_at, rig.finished_at.map(|at| at + Timeouts::DEFAULT.linger_silence));

    let mut rig = Rig::answering(Config::DEFAULT);
    rig.input(get("Connection: close\r\n")).wait(SECOND).end();
    assert_eq!(rig.closed_at, Some(rig.now));
}

#[test]
fn http_56_proxy_connection_means_nothing() {
    let (statuses, _) = play(get("Proxy-Connection: close\r\n") + &get(""));
    assert_eq!(statuses, [200, 200]);
    let (statuses, rig) = play("GET /a HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n");
    assert_eq!((statuses, rig.closed), (vec![200], Some(CloseReason::Asked)));
}

#[test]
fn a_shutdown_answers_what_is_here_and_closes() {
    let mut idle = Rig::answering(Config::DEFAULT);
    idle.input(get(""));
    let _ = idle.sent();
    idle.server.shutdown(idle.now);
    idle.settle();
    assert_eq!((idle.finished_at, idle.sent().as_str()), (Some(idle.now), ""));

    let mut busy = Rig::silent(Config::DEFAULT);
    busy.input(get("") + &get("") + "GET /late HT");
    busy.server.shutdown(busy.now);
    busy.input("TP/1.1\r\nHost: h\r\n\r\n").input(get(""));
    (0..3).for_each(|index| busy.respond(index, ok("x")));
    let sent = busy.sent();
    assert_eq!((sent.matches("200 OK").count(), sent.matches("Connection: close").count()), (3, 1));
    assert!(sent.ends_with("Connection: close\r\n\r\nx"));
    busy.end();
    assert_eq!(busy.closed, Some(CloseReason::Shutdown));
}
