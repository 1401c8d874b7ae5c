//! RFC 9112 2 to 5: lines, request lines, fields.

use crate::rig::{Rig, assert_refused, assert_taken, get, play};
use longhaul::http::MessageError::{
    EmptyLines, Field, HeadTooLarge, Host, LineEnd, RequestLineTooLong, StartLine, TooManyFields, Version,
};
use longhaul::http::server::Config;

#[test]
fn http_01_to_03_lines_end_with_cr_lf_alone() {
    assert_taken(get("A: b\r\n"));
    assert_refused("GET /a HTTP/1.1\nHost: h\r\n\r\n", LineEnd);
    assert_refused("GET /a HTTP/1.1\r\nHost: h\n\r\n", LineEnd);
    assert_refused("GET /a HTTP/1.1\r\nHost: h\r\n\n", LineEnd);
    for place in ["GET /\ra HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a HTTP/1.1\r\nHost: h\rX: y\r\n\r\n"] {
        assert_refused(place, LineEnd);
    }
}

#[test]
fn http_04_one_empty_line_before_a_request_is_ignored_and_no_more() {
    assert_taken(format!("\r\n{}", get("")));
    assert_refused(format!("\r\n\r\n{}", get("")), EmptyLines);
    let (statuses, _) = play(format!("{0}\r\n{0}", get("")));
    assert_eq!(statuses, [200, 200]);
}

#[test]
fn http_05_to_10_a_field_line_is_a_token_a_colon_and_a_value() {
    let lines = [
        " A: b",
        "\tA: b",
        "A : b",
        "A\t: b",
        "A: b\r\n c",
        "A: b\r\n\tc",
        "A: b\0c",
        "A: \u{1}",
        "A: \u{7f}",
        "A",
        ": b",
        "A B: c",
        "A\u{e9}: b",
        "(A): b",
        "\"A\": b",
        "A@: b",
    ];
    for line in lines {
        assert_refused(get(&format!("{line}\r\n")), Field);
        assert_refused(format!("GET /a HTTP/1.1\r\n{line}\r\nHost: h\r\n\r\n"), Field);
    }
}

#[test]
fn http_11_optional_white_space_is_sp_and_tab_alone() {
    let body = |value: &[u8]| [b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length:", value, b"\r\n\r\nx"].concat();
    assert_eq!(assert_taken(body(b" \t 1 \t")).body, b"x");
    for space in [&b"\x85"[..], b"\xa0", b"\xc2\xa0"] {
        let (statuses, _) = play(body(&[space, b"1"].concat()));
        assert_eq!(statuses, [400]);
    }
}

#[test]
fn http_12_names_have_no_case() {
    let seen = assert_taken("POST /a HTTP/1.1\r\nhOST: h\r\ncONTENT-lENGTH: 1\r\n\r\nx");
    assert_eq!(seen.body, b"x");
}

#[test]
fn http_13_a_line_without_a_colon_is_refused() {
    assert_refused(get("Content-Length\r\n"), Field);
}

#[test]
fn http_14_a_request_line_is_three_parts_and_two_spaces() {
    for line in ["GET /a", "GET  /a HTTP/1.1", "GET /a  HTTP/1.1", "GET /a HTTP/1.1 ", "GET\t/a HTTP/1.1", "/a"] {
        assert_refused(format!("{line}\r\nHost: h\r\n\r\n"), StartLine);
    }
    assert_refused("GET /\r\n\r\n", StartLine);
}

#[test]
fn http_15_a_method_is_any_token_in_its_own_case() {
    assert_eq!(assert_taken("get!~ /a HTTP/1.1\r\nHost: h\r\n\r\n").line, "get!~ /a Http11");
    for method in ["G(T", "G\u{e9}T", "\"GET\"", "G,T"] {
        assert_refused(format!("{method} /a HTTP/1.1\r\nHost: h\r\n\r\n"), StartLine);
    }
}

#[test]
fn http_16_versions_of_one_are_taken_and_others_told_apart() {
    assert_eq!(assert_taken("GET /a HTTP/1.0\r\n\r\n").line, "GET /a Http10");
    assert_eq!(assert_taken("GET /a HTTP/1.2\r\nHost: h\r\n\r\n").line, "GET /a Http11");
    for version in ["HTTP/1.10", "HTTP/01.1", "HTTP/0.9", "http/1.1", "HTTP/1,1", "HTTP/1.", "HTTP1.1"] {
        assert_refused(format!("GET /a {version}\r\nHost: h\r\n\r\n"), StartLine);
    }
    assert_refused("GET /a HTTP/2.0\r\nHost: h\r\n\r\n", Version);
    assert_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Version);
}

#[test]
fn http_17_targets_have_four_forms() {
    for good in ["GET http://h:80/a?b", "OPTIONS *", "GET /a?b=c%20d", "OPTIONS /a"] {
        assert_taken(format!("{good} HTTP/1.1\r\nHost: h\r\n\r\n"));
    }
    for bad in ["GET *", "GET a", "GET /#a", "GET /\u{e9}", "GET \u{1}", "CONNECT /a", "CONNECT h", "GET //\u{7f}"] {
        assert_refused(format!("{bad} HTTP/1.1\r\nHost: h\r\n\r\n"), StartLine);
    }
}

#[test]
fn http_18_there_is_exactly_one_host() {
    assert_refused("GET /a HTTP/1.1\r\n\r\n", Host);
    assert_refused(get("Host: h\r\n"), Host);
    assert_refused(get("host: g\r\n"), Host);
    for host in ["a b", "a, b", "a/b", "u@h", "h\\", "a\tb"] {
        assert_refused(format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n"), Host);
    }
    assert_taken("GET /a HTTP/1.0\r\n\r\n");
    assert_taken("GET http://g/ HTTP/1.1\r\nHost: h\r\n\r\n");
}

#[test]
fn http_19_to_21_a_head_has_limits_in_bytes_lines_and_its_first_line() {
    // RFC 9112 3: at least 8000 octets.
    assert_taken(format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(8000)));
    assert_refused(format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(8200)), RequestLineTooLong);
    assert_taken(get(&format!("A: {}\r\n", "b".repeat(16_000))));
    assert_refused(get(&format!("A: {}\r\n", "b".repeat(16_400))), HeadTooLarge);
    assert_refused(get(&format!("{}: b\r\n", "A".repeat(16_400))), HeadTooLarge);
    assert_taken(get(&"A: b\r\n".repeat(99)));
    assert_refused(get(&"A: b\r\n".repeat(100)), TooManyFields);
}

#[test]
fn an_endless_head_is_refused_before_it_is_held() {
    for piece in ["a", "A: b\r\n"] {
        let mut rig = Rig::answering(Config::DEFAULT);
        rig.input(if piece == "a" { "GET /" } else { "GET / HTTP/1.1\r\n" });
        let mut most = 0;
        for _ in 0..100_000 {
            rig.input(piece);
            most = most.max(rig.server.buffered_bytes());
        }
        assert!(rig.refused().is_none() && rig.finished_at.is_some());
        assert!(most < 30_000, "{most} bytes were held");
    }
}
