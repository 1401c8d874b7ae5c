//! RFC 9112 9.3.2: several requests at once, answers in order.

use crate::rig::{Rig, get, ok};
use longhaul::http::MessageError::Field;
use longhaul::http::server::{AnswerError, CloseReason, Config, Output};

fn numbered(count: usize) -> String {
    (0..count).map(|number| get("").replace("/a", &format!("/{number}"))).collect()
}

#[test]
fn http_57_answers_leave_in_the_order_of_requests_whatever_their_own() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input(numbered(4));
    for index in [2, 1, 3] {
        rig.respond(index, ok(format!("<{index}>")));
        assert_eq!(rig.sent(), "");
    }
    rig.respond(0, ok("<0>"));
    let sent = rig.sent();
    let order: Vec<&str> = sent.split("\r\n\r\n").skip(1).map(|body| &body[..3]).collect();
    assert_eq!(order, ["<0>", "<1>", "<2>", "<3>"]);
}

#[test]
fn http_58_depth_is_bounded_and_the_rest_stays_with_the_transport() {
    let mut config = Config::DEFAULT;
    config.pipeline_depth = 3;
    let mut rig = Rig::silent(config);
    rig.input(numbered(10));
    assert_eq!((rig.seen.len(), rig.left.len()), (3, numbered(7).len()));
    assert!(!rig.server.wants_input());
    rig.respond(0, ok("x"));
    assert_eq!((rig.seen.len(), rig.left.len()), (4, numbered(6).len()));
    (1..10).for_each(|index| rig.respond(index, ok("x")));
    assert_eq!(rig.statuses().len(), 10);
}

#[test]
fn http_59_nothing_is_read_while_answers_are_not() {
    let mut config = Config::DEFAULT;
    config.pipeline_depth = 2;
    let mut rig = Rig::silent(config);
    rig.input(numbered(2));
    for index in 0..2 {
        let id = rig.ids[index];
        rig.server.respond(rig.now, id, ok("x".repeat(1000))).unwrap();
    }
    let more = rig.server.handle_input(rig.now, numbered(1).into());
    assert_eq!(more.len(), numbered(1).len());
    // The transport takes a little of the first answer, then the rest of it.
    let Some(Output::Data(head)) = rig.server.poll_output(rig.now) else { panic!("no answer") };
    rig.server.put_back(head.slice(1..));
    assert!(!rig.server.wants_input());
    rig.settle();
    assert!(rig.server.wants_input());
}

#[test]
fn http_60_an_error_is_answered_in_its_turn_and_ends_the_rest() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input(numbered(2) + &get(" folded\r\n") + &numbered(3));
    assert_eq!((rig.seen.len(), rig.sent().as_str()), (2, ""));
    rig.respond(1, ok("1"));
    rig.respond(0, ok("0"));
    assert_eq!(rig.statuses(), [200, 200, 400]);
    rig.end();
    assert_eq!(rig.closed, Some(CloseReason::Refused(Field)));
}

#[test]
fn an_answer_that_closes_leaves_later_requests_unanswered() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input(numbered(3));
    rig.respond(0, ok("last").closing());
    assert_eq!(rig.statuses(), [200]);
    assert_eq!(rig.failed, rig.ids[1..]);
    let refused = rig.server.respond(rig.now, rig.ids[1], ok("x"));
    assert_eq!(refused, Err(AnswerError::NotAwaited));
}

#[test]
fn an_answer_is_given_once() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input(numbered(2));
    rig.respond(1, ok("x"));
    assert_eq!(rig.server.respond(rig.now, rig.ids[1], ok("y")), Err(AnswerError::NotAwaited));
    rig.respond(0, ok("x"));
    assert_eq!(rig.server.respond(rig.now, rig.ids[0], ok("y")), Err(AnswerError::NotAwaited));
    assert_eq!(rig.statuses(), [200, 200]);
}
