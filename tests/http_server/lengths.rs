//! RFC 9112 6.1 to 6.3: where the body ends.

use crate::rig::{Rig, assert_refused, assert_taken, get, ok, play};
use longhaul::http::MessageError::{
    BodyTooLarge, CodingInHttp10, ContentLength, LengthAndCoding, TransferEncoding, Truncated, UnknownCoding,
};
use longhaul::http::Response;
use longhaul::http::server::{CloseReason, Config};

const CHUNKS: &str = "3\r\nabc\r\n0\r\n\r\n";

#[test]
fn http_22_head_204_and_304_have_no_body_and_204_no_length() {
    let mut rig = Rig::silent(Config::DEFAULT);
    rig.input(format!("{}{}{}", get("").replace("GET", "HEAD"), get(""), get("")));
    rig.respond(0, ok("hello"));
    let sent = rig.sent();
    assert!(sent.contains("Content-Length: 5\r\n") && sent.ends_with("\r\n\r\n"), "{sent}");
    for (index, status) in [(1, 204), (2, 304)] {
        rig.respond(index, Response::new(status).unwrap().with_body("hello"));
        let sent = rig.sent();
        assert!(!sent.contains("Content-Length") && sent.ends_with("\r\n\r\n"), "{sent}");
    }
    assert!(rig.finished_at.is_none());
}

#[test]
fn http_23_a_length_beside_a_coding_is_refused_in_any_order() {
    for fields in ["Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3"]
    {
        assert_refused(get(&format!("{fields}\r\n")) + CHUNKS, LengthAndCoding);
    }
    assert_refused(get("Content-Length: 0\r\nTransfer-Encoding: identity\r\n"), LengthAndCoding);
}

#[test]
fn http_24_chunked_must_be_last() {
    assert_refused(get("Transfer-Encoding: chunked, gzip\r\n") + CHUNKS, TransferEncoding);
    assert_refused(get("Transfer-Encoding: gzip\r\n") + CHUNKS, TransferEncoding);
}

#[test]
fn http_26_a_coding_in_http_10_is_refused() {
    assert_refused(format!("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKS}"), CodingInHttp10);
}

#[test]
fn http_27_another_coding_is_not_implemented() {
    for coding in ["xchunked", "gzip, chunked", "identity", "foo", "foo, chunked", "chunkedchunked"] {
        assert_refused(get(&format!("Transfer-Encoding: {coding}\r\n")) + CHUNKS, UnknownCoding);
    }
}

#[test]
fn http_28_chunked_stands_once_and_plainly() {
    for coding in ["chunked, chunked", ",chunked", "chunked,", "", "chunked;q=1", "\"chunked\"", "chunked\u{b}"] {
        let (statuses, rig) = play(get(&format!("Transfer-Encoding: {coding}\r\n")) + CHUNKS);
        assert_eq!(statuses, [400], "{coding:?}");
        assert!(rig.seen.is_empty(), "{coding:?}");
    }
    assert_eq!(assert_taken(get("TRANSFER-encoding:\tChunked \r\n") + CHUNKS).body, b"abc");
}

#[test]
fn http_29_several_codings_are_one_list() {
    assert_refused(get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + CHUNKS, TransferEncoding);
    assert_refused(get("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n") + CHUNKS, UnknownCoding);
    assert_refused(get("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n") + CHUNKS, UnknownCoding);
}

#[test]
fn http_30_to_33_a_length_is_one_number_of_64_bits() {
    for length in ["1, 1", "+1", "-1", "0x1", "1_0", "1 0", "", "1,", "18446744073709551616", "\u{661}", "1.0", "1e0"] {
        assert_refused(get(&format!("Content-Length: {length}\r\n")) + "x", ContentLength);
    }
    for (one, other) in [("1", "2"), ("1", "1"), ("0", "0")] {
        assert_refused(get(&format!("Content-Length: {one}\r\ncontent-length: {other}\r\n")) + "x", ContentLength);
    }
    assert_refused(get("Content-Length: 18446744073709551615\r\n"), BodyTooLarge);
    assert_eq!(assert_taken(get("Content-Length: 0000000000000000000000001\r\n") + "x").body, b"x");
}

#[test]
fn http_34_a_short_body_is_an_error_and_not_a_request() {
    for text in [get("Content-Length: 4\r\n") + "abc", get("Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n"] {
        let (statuses, rig) = play(text);
        assert_eq!((statuses, rig.refused()), (vec![400], Some(Truncated)));
        assert!(!rig.seen[0].ended);
        assert_eq!(rig.failed, rig.ids);
    }
    assert_refused("GET / HTT", Truncated);
}

#[test]
fn http_35_a_request_without_either_has_no_body() {
    let (statuses, rig) = play(format!("POST /a HTTP/1.1\r\nHost: h\r\n\r\n{}", get("")));
    assert_eq!(statuses, [200, 200]);
    assert!(rig.seen[0].body.is_empty());
}

#[test]
fn a_body_beyond_the_limit_is_answered_with_413_before_it_is_read() {
    let mut config = Config::DEFAULT;
    config.limits.body_bytes = 10;
    let mut rig = Rig::answering(config);
    rig.input(get("Content-Length: 11\r\n"));
    assert_eq!((rig.statuses(), rig.finished_at), (vec![413], Some(rig.now)));
    let mut rig = Rig::answering(config);
    rig.input(get("Transfer-Encoding: chunked\r\n") + "8\r\n12345678\r\n3\r\n");
    assert_eq!(rig.statuses(), [413]);
    assert_eq!(rig.failed.len(), 1);
    rig.end();
    assert_eq!(rig.closed, Some(CloseReason::Refused(BodyTooLarge)));
}
