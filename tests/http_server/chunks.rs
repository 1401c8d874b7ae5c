//! RFC 9112 7.1: the chunked coding of requests.

use crate::rig::{assert_refused, assert_taken, get, play};
use longhaul::http::MessageError::{Chunk, ChunkExtensionsTooLarge, Field, LineEnd, TrailersTooLarge};

fn chunked(body: &str) -> String {
    get("Transfer-Encoding: chunked\r\n") + body
}

#[test]
fn http_36_a_size_is_hexadecimal_digits_and_at_least_one() {
    assert_eq!(assert_taken(chunked("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n")).body.len(), 20);
    for size in ["", " 1", "1 ", "1\t", "+1", "-1", "0x1", "1_0", "1h", "1,", "\u{ff11}", "1 ;a", "1\0"] {
        assert_refused(chunked(&format!("{size}\r\na\r\n0\r\n\r\n")), Chunk);
    }
}

#[test]
fn http_37_and_38_a_size_has_sixteen_digits_and_zeros_count() {
    assert_eq!(assert_taken(chunked("0000000000000001\r\na\r\n0000000000000000\r\n\r\n")).body, b"a");
    for size in ["00000000000000001", "10000000000000001", "fffffffffffffffff"] {
        assert_refused(chunked(&format!("{size}\r\na\r\n0\r\n\r\n")), Chunk);
    }
    // It fits 64 bits and no limit; 2 + 2^64 - 2 would wrap to 0.
    let (statuses, _) = play(chunked("2\r\nab\r\nfffffffffffffffe\r\n\r\n"));
    assert_eq!(statuses, [413]);
}

#[test]
fn http_39_extensions_are_read_past_with_a_limit() {
    let body = "1;a;b=c;d=\"e;\\\"\r\n\"\r\na\r\n0\r\n\r\n";
    assert_refused(chunked(body), Chunk);
    assert_eq!(assert_taken(chunked("1;a;b=c; d=\"e;\\\"\\\\\"\r\na\r\n0;x\r\n\r\n")).body, b"a");
    for extension in [";", ";;", ";a=", ";=a", ";a b", ";a=b c", ";a=\"b", ";a\n", ";a\r", ";a\nb", "a", ";a=\"\n\""] {
        let (statuses, rig) = play(chunked(&format!("1{extension}\r\na\r\n0\r\n\r\n")));
        assert_eq!(statuses, [400], "{extension:?}");
        assert!(!rig.seen[0].ended, "{extension:?}");
    }
    assert_refused(chunked(&format!("1;{}\r\na\r\n0\r\n\r\n", "a".repeat(16 * 1024))), ChunkExtensionsTooLarge);
    let many = format!("1;{}\r\na\r\n", "a".repeat(1000)).repeat(17);
    assert_refused(chunked(&(many + "0\r\n\r\n")), ChunkExtensionsTooLarge);
}

#[test]
fn http_40_data_is_followed_by_cr_lf() {
    for tail in ["", "\n", "\r", "x\r\n", "\n\r\n", "\r\r\n", " \r\n"] {
        assert_refused(chunked(&format!("1\r\na{tail}0\r\n\r\n")), Chunk);
    }
    for line in ["1\n", "1\r", "1\r\r\n"] {
        assert_refused(chunked(&format!("{line}a\r\n0\r\n\r\n")), Chunk);
    }
}

#[test]
fn http_41_trailers_come_apart_from_the_head() {
    let (statuses, rig) = play(chunked("0\r\nX: y\r\nZ: w\r\n\r\n") + &get(""));
    assert_eq!(statuses, [200, 200]);
    assert_eq!(rig.seen[0].trailers, ["X: y", "Z: w"]);
    assert_refused(chunked("0\r\nX : y\r\n\r\n"), Field);
    assert_refused(chunked("0\r\nX: y\r\n z\r\n\r\n"), Field);
    assert_refused(chunked("0\r\nX: y\n\r\n"), LineEnd);
}

#[test]
fn http_42_trailers_are_bounded_and_cannot_frame() {
    let fields = "Content-Length: 5\r\nTransfer-Encoding: x\r\nHost: g\r\nConnection: close\r\nX: y\r\n";
    let (statuses, rig) = play(chunked(&format!("0\r\n{fields}\r\n")) + &get(""));
    assert_eq!(statuses, [200, 200]);
    assert_eq!(rig.seen[0].trailers, ["X: y"]);
    assert_refused(chunked(&format!("0\r\nX: {}\r\n\r\n", "y".repeat(16 * 1024))), TrailersTooLarge);
    let many = "X: y\r\n".repeat(101);
    assert_eq!(play(chunked(&format!("0\r\n{many}\r\n"))).0, [431]);
}
