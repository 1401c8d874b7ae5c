//! Request smuggling: every combination of the known tricks with both framings. Behind each message stands a request
//! that only one of two readings would see; the grammar's reading decides, or nobody's.

use crate::oracle::bodies;
use crate::rig::{Rig, play};
use longhaul::http::server::Config;

/// As a field line after `Host: h`; `{}` is a valid length of the body.
const LENGTHS: &[&str] = &[
    "",
    "Content-Length: {}\r\n",
    "content-length:{}\r\n",
    "Content-Length : {}\r\n",
    " Content-Length: {}\r\n",
    "Content-Length: {}\r\nContent-Length: {}\r\n",
    "Content-Length: {}\r\nContent-Length: 0\r\n",
    "Content-Length: {}, {}\r\n",
    "Content-Length: +{}\r\n",
    "Content-Length: -{}\r\n",
    "Content-Length: 0x{}\r\n",
    "Content-Length: {} \r\n",
    "Content-Length: {}\u{b}\r\n",
    "Content-Length: {}\0\r\n",
    "Content-Length:\r\n {}\r\n",
    "Content-Length: 0{}\r\n",
    "Content-Length: {}_0\r\n",
    "Content-Length: 18446744073709551616{}\r\n",
    "X: y\nContent-Length: {}\r\n",
    "X: y\rContent-Length: {}\r\n",
    "Content_Length: {}\r\n",
    "Content-Length\t: {}\r\n",
    "Content-Length: \"{}\"\r\n",
    "Content-Length: {};\r\n",
    "\0Content-Length: {}\r\n",
    "Content-Length\u{a0}: {}\r\n",
];

const CODINGS: &[&str] = &[
    "",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding:CHUNKED\r\n",
    "Transfer-Encoding : chunked\r\n",
    " Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: xchunked\r\n",
    "Transfer-Encoding:\u{b}chunked\r\n",
    "Transfer-Encoding: chunked\u{b}\r\n",
    "Transfer-Encoding: \"chunked\"\r\n",
    "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding: identity, chunked\r\n",
    "Transfer-Encoding: chunked, chunked\r\n",
    "Transfer-Encoding: ,chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
    "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding:\r\n chunked\r\n",
    "X: y\r\n Transfer-Encoding: chunked\r\n",
    "X: y\nTransfer-Encoding: chunked\r\n",
    "X: y\rTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\0\r\n",
    "Transfer-Encoding\0: chunked\r\n",
    "Transfer_Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked;a=b\r\n",
    "Transfer-Encoding: chunk\r\n",
    "Transfer-Encoding: chunked\n",
    "Transfer-Encoding:\r\n",
    "Transfer-Encoding: \u{ff}\r\n",
    "Transfer-Encoding\u{a0}: chunked\r\n",
    "Content-Encoding: chunked\r\n",
    "TE: chunked\r\n",
];

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";

const CHUNK_TRICKS: &[&str] = &[
    "0\r\n\r\n",
    "00\r\n\r\n",
    "0;a=b\r\n\r\n",
    "0 \r\n\r\n",
    " 0\r\n\r\n",
    "0\n\r\n",
    "0\r\n\n",
    "+0\r\n\r\n",
    "-0\r\n\r\n",
    "0x0\r\n\r\n",
    "0_0\r\n\r\n",
    "\r\n\r\n",
    "0\r\r\n\r\n",
    "0;\n\r\n\r\n",
    "0;a=\"\n\"\r\n\r\n",
    "0;\"\r\n\r\n",
    "1\r\nx\n0\r\n\r\n",
    "1\r\nx0\r\n\r\n",
    "1\r\nxy\r\n0\r\n\r\n",
    "10000000000000000\r\n\r\n",
    "fffffffffffffffff\r\n",
    "1;a\r\r\nx\r\n0\r\n\r\n",
    "2\r\nx\r\n0\r\n\r\n",
    "0\r\nContent-Length: 9\r\n\r\n",
    "0\r\nX : y\r\n\r\n",
    "0\r\n X: y\r\n\r\n",
];

/// Every length with every coding in both orders around one field, before a body that ends early as chunks.
fn heads(minor: u8) -> Vec<String> {
    let body = format!("0\r\n\r\n{HIDDEN}");
    let mut streams = Vec::new();
    for (length, coding) in LENGTHS.iter().flat_map(|length| CODINGS.iter().map(move |coding| (length, coding))) {
        let length = length.replace("{}", &body.len().to_string());
        for fields in [format!("{length}A: b\r\n{coding}"), format!("{coding}A: b\r\n{length}")] {
            streams.push(format!("POST /a HTTP/1.{minor}\r\nHost: h\r\n{fields}\r\n{body}"));
        }
    }
    streams
}

#[track_caller]
fn assert_read_by_the_grammar_or_refused(stream: &str) -> usize {
    let (statuses, rig) = play(stream);
    let wanted = bodies(stream.as_bytes());
    let complete: Vec<&Vec<u8>> = rig.seen.iter().filter(|seen| seen.ended).map(|seen| &seen.body).collect();
    assert!(complete.len() <= wanted.len() && complete.iter().zip(&wanted).all(|(a, b)| **a == *b), "{stream:?}");
    let errors = statuses.len() - complete.len();
    assert!(errors <= 1 && rig.refused().is_some() == (errors == 1), "{stream:?}: {statuses:?}");
    complete.len()
}

#[test]
fn no_combination_of_lengths_and_codings_has_two_readings() {
    let (mut taken, mut refused) = (0, 0);
    for stream in heads(1).into_iter().chain(heads(0)) {
        let requests = assert_read_by_the_grammar_or_refused(&stream);
        if requests > 0 {
            taken += 1;
        } else {
            refused += 1;
        }
        let name = |name: &str| stream.to_ascii_lowercase().contains(&format!("\r\n{name}:"));
        if name("content-length") && name("transfer-encoding") {
            assert_eq!(requests, 0, "both framings: {stream:?}");
        }
    }
    assert!(taken > 20 && refused > 3_000, "{taken} taken, {refused} refused");
}

#[test]
fn no_trick_with_chunks_has_two_readings() {
    for trick in CHUNK_TRICKS {
        let stream = format!("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{trick}{HIDDEN}");
        assert_read_by_the_grammar_or_refused(&stream);
    }
}

#[test]
fn after_a_refusal_nothing_is_read_as_a_request() {
    let mut rig = Rig::answering(Config::DEFAULT);
    rig.input("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
    for _ in 0..3 {
        rig.input(HIDDEN);
    }
    assert!(rig.seen.is_empty() && rig.left.is_empty());
    assert_eq!(rig.statuses(), [400]);
}
