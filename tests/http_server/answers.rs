//! How answers are framed, interim answers, and what an application cannot do to them.

use crate::rig::{Rig, get, ok, play};
use longhaul::http::MessageError::Expectation;
use longhaul::http::response::InvalidResponse;
use longhaul::http::server::{AnswerError, CloseReason, Config};
use longhaul::http::{Headers, Response};

const EXPECT: &str = "Content-Length: 4\r\nExpect: 100-Continue\r\n";

fn unknown() -> Response {
    ok("").with_unknown_length()
}

#[test]
fn an_unknown_length_is_chunked_to_eleven() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input(get(""));
    rig.respond(0, unknown());
    let (now, id) = (rig.now, rig.ids[0]);
    for data in ["hello", "", "0123456789abcdef"] {
        rig.server.send_body(now, id, data.into()).unwrap();
    }
    let mut trailers = Headers::new();
    trailers.push("X", "y").unwrap();
    rig.server.finish_with_trailers(now, id, &trailers).unwrap();
    rig.settle();
    let wanted = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nX: y\r\n\r\n";
    assert_eq!(rig.sent(), wanted);
    assert!(rig.finished_at.is_none());
}

#[test]
fn an_unknown_length_to_ten_ends_with_the_connection() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    rig.respond(0, unknown());
    rig.server.send_body(rig.now, rig.ids[0], "hello".into()).unwrap();
    rig.server.finish(rig.now, rig.ids[0]).unwrap();
    rig.settle();
    assert_eq!(rig.sent(), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
    assert!(rig.finished_at.is_some());
}

#[test]
fn an_announced_length_is_kept() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input(get("") + &get(""));
    rig.respond(0, ok("").with_length(5));
    let (now, id) = (rig.now, rig.ids[0]);
    rig.server.send_body(now, id, "hel".into()).unwrap();
    assert_eq!(rig.server.send_body(now, id, "low".into()), Err(AnswerError::TooLong));
    assert_eq!(rig.server.finish(now, id), Err(AnswerError::TooShort));
    let mut trailers = Headers::new();
    trailers.push("X", "y").unwrap();
    rig.server.send_body(now, id, "lo".into()).unwrap();
    assert_eq!(rig.server.finish_with_trailers(now, id, &trailers), Err(AnswerError::Trailers));
    rig.server.finish(now, id).unwrap();
    rig.settle();
    assert_eq!(rig.sent(), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    rig.respond(1, ok("").with_length(5));
    rig.server.abort(now, rig.ids[1]).unwrap();
    rig.settle();
    assert!(rig.finished_at.is_some(), "nobody may take the half for the whole");
}

#[test]
fn trailers_must_not_frame() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input(get(""));
    rig.respond(0, unknown());
    let mut trailers = Headers::new();
    trailers.push("content-length", "3").unwrap();
    let refused = rig.server.finish_with_trailers(rig.now, rig.ids[0], &trailers);
    assert_eq!(refused, Err(AnswerError::Trailers));
}

#[test]
fn head_gets_the_fields_of_get_and_no_body() {
    for response in [ok("hello"), ok("").with_length(5), unknown()] {
        let heads: Vec<String> = ["GET", "HEAD"]
            .map(|method| {
                let mut rig = Rig::silent(Config::DEFAULT);
                rig.input(get("").replace("GET", method));
                rig.respond(0, response.clone());
                let _ = rig.server.send_body(rig.now, rig.ids[0], "hello".into());
                let _ = rig.server.finish(rig.now, rig.ids[0]);
                rig.settle();
                assert!(rig.finished_at.is_none());
                rig.sent()
            })
            .into();
        let end = heads[0].find("\r\n\r\n").unwrap() + 4;
        assert_eq!(heads[1], heads[0][..end]);
    }
}

#[test]
fn http_70_who_waits_for_the_body_lets_100_be_sent() {
    let mut rig = Rig::answering(Config::DEFAULT);
    rig.input(get(EXPECT));
    assert_eq!(rig.sent(), "HTTP/1.1 100 Continue\r\n\r\n");
    rig.input("body");
    assert_eq!(rig.sent(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/a");
    assert!(rig.finished_at.is_none());
}

#[test]
fn http_70_no_100_when_the_body_comes_anyway_or_to_ten_or_without_a_body() {
    for text in [
        get(EXPECT) + "body",
        "POST /a HTTP/1.0\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody".into(),
        get("Expect: 100-continue\r\n"),
    ] {
        assert_eq!(play(text).0, [200]);
    }
}

#[test]
fn http_70_an_answer_instead_of_100_closes() {
    let mut rig = Rig::silent(Config::DEFAULT);
    let server = &mut rig.server;
    assert!(server.handle_input(rig.now, get(EXPECT).into()).is_empty());
    let Some(longhaul::http::server::Event::Request { id, .. }) = server.poll_event(rig.now) else {
        panic!("no request");
    };
    server.respond(rig.now, id, Response::new(403).unwrap()).unwrap();
    rig.settle();
    let sent = rig.sent();
    assert!(sent.starts_with("HTTP/1.1 403 ") && sent.contains("\r\nConnection: close\r\n"), "{sent}");
    // Whether the client sends its body or not, nothing of it is read as a request.
    rig.input(get("")).end();
    assert_eq!((rig.ids.len(), rig.closed), (0, Some(CloseReason::UnreadBody)));
}

#[test]
fn http_70_an_unknown_expectation_fails() {
    for expectation in ["frob", "100-continue, frob", ""] {
        let (statuses, rig) = play(get(&format!("Expect: {expectation}\r\n")));
        assert_eq!((statuses, rig.refused()), (vec![417], Some(Expectation)), "{expectation:?}");
    }
}

#[test]
fn a_response_cannot_be_split() {
    for value in ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0", "a\r\n\r\nHTTP/1.1 200 OK"] {
        assert_eq!(ok("").with_field("X", value), Err(InvalidResponse::Field), "{value:?}");
        assert_eq!(ok("").with_field(value, "x"), Err(InvalidResponse::Field), "{value:?}");
    }
    for name in ["Content-Length", "transfer-encoding", "CONNECTION", "Keep-Alive", "Upgrade"] {
        assert_eq!(ok("").with_field(name, "x"), Err(InvalidResponse::Reserved), "{name:?}");
    }
    for status in [0, 100, 101, 199, 1000] {
        assert_eq!(Response::new(status), Err(InvalidResponse::Status), "{status}");
    }
}

#[test]
fn a_tunnel_is_not_opened() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n");
    assert_eq!(rig.server.respond(rig.now, rig.ids[0], ok("")), Err(AnswerError::Tunnel));
    rig.respond(0, Response::new(405).unwrap());
    assert_eq!(rig.statuses(), [405]);
}
