//! Is this the packet the script expects? Everything the script says is compared; nothing else may differ either, with
//! the exceptions that `ast` names (`None` there means "not checked").

use crate::ast::{Ecn, Flags, Packet, Tcp, TcpOption};
use crate::codec::Sent;

/// The first difference between the expected packet and the one sent; `actual` has script numbers.
pub(crate) fn difference(expected: &Tcp, actual: &Tcp) -> Option<String> {
    let differs = |what: &str, expected: &dyn core::fmt::Display, actual: &dyn core::fmt::Display| {
        Some(format!("{what}: expected {expected}, got {actual}"))
    };
    if expected.flags != actual.flags {
        return differs("flags", &expected.flags, &actual.flags);
    }
    if expected.seq != actual.seq {
        return differs("sequence number", &expected.seq, &actual.seq);
    }
    if expected.len != actual.len {
        return differs("payload length", &expected.len, &actual.len);
    }
    if expected.ack != actual.ack {
        return differs("acknowledgment", &number(expected.ack), &number(actual.ack));
    }
    if expected.window.is_some() && expected.window != actual.window {
        return differs("window", &number(expected.window), &number(actual.window));
    }
    let (expected_urgent, actual_urgent) = (expected.urgent.unwrap_or(0), actual.urgent.unwrap_or(0));
    if expected_urgent != actual_urgent {
        return differs("urgent pointer", &expected_urgent, &actual_urgent);
    }
    options_differ(expected.options.as_deref()?, actual.options.as_deref().unwrap_or(&[]))
}

/// The first difference in the IP header.
pub(crate) fn ip_difference(expected: &Packet, sent: &Sent) -> Option<String> {
    let ecn = sent.tos & 3;
    let wrong_ecn = match expected.ip.ecn {
        Some(Ecn::Bits(bits)) => bits != ecn,
        Some(Ecn::EitherCapable) => ecn != 1 && ecn != 2,
        None => false,
    };
    if wrong_ecn {
        return Some(format!("ECN bits: got {ecn:#b}"));
    }
    if expected.ip.tos.is_some_and(|tos| tos != sent.tos) {
        return Some(format!("TOS: got {:#x}", sent.tos));
    }
    if expected.ip.ttl.is_some_and(|ttl| ttl != sent.ttl) {
        return Some(format!("TTL: got {}", sent.ttl));
    }
    None
}

/// Kinds, order, padding and values; of a timestamp only the echo, since the script's values stand for live ones.
fn options_differ(expected: &[TcpOption], actual: &[TcpOption]) -> Option<String> {
    let same = |pair: (&TcpOption, &TcpOption)| match pair {
        (TcpOption::Timestamps { ecr: expected, .. }, TcpOption::Timestamps { ecr: actual, .. }) => expected == actual,
        (expected, actual) => expected == actual,
    };
    if expected.len() == actual.len() && expected.iter().zip(actual).all(same) {
        return None;
    }
    let written = |options: &[TcpOption]| {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        format!("<{}>", options.join(","))
    };
    Some(format!("options: expected {}, got {}", written(expected), written(actual)))
}

/// Whether `next` may continue `whole`, when a script expects more in one packet than the stack puts into one: the
/// headers agree but for the number, FIN, PSH and CWR.
pub(crate) fn continues(whole: &Tcp, next: &Tcp) -> bool {
    const MAY_DIFFER: u16 = Flags::FIN | Flags::PSH | Flags::CWR;
    whole.seq.wrapping_add(whole.len) == next.seq
        && whole.flags.0 & !MAY_DIFFER == next.flags.0 & !MAY_DIFFER
        && !whole.flags.has(Flags::FIN)
        && whole.ack == next.ack
        && next.len > 0
}

fn number<T: ToString>(number: Option<T>) -> String {
    number.map_or_else(|| "none".into(), |number| number.to_string())
}
