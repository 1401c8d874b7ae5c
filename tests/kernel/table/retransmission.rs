//! Data or a FIN is in flight, and lost.

use super::SACK;
use crate::scenario::{ALWAYS, Act, On, Opening, Reply, Scenario};
use longhaul::wire::IcmpKind;

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut all = limits();
    all.extend(progress());
    all.extend(timing());
    all.extend(errors());
    all
}

/// A connection whose `tcp_retries2` is this.
fn retries2(name: &'static str, retries: &'static str) -> Scenario {
    Scenario::new(name, Opening::Connect).sysctl("tcp_retries2", retries)
}

fn user_timeout(name: &'static str, millis: u32) -> Scenario {
    Scenario::new(name, Opening::Connect).before(&[Act::UserTimeout(millis)])
}

/// A hole from the beginning.
fn limits() -> Vec<Scenario> {
    let write = Act::Write(100);
    vec![
        retries2("retransmission: tcp_retries2=0", "0").at(100, write.clone()).until(2000),
        retries2("retransmission: tcp_retries2=1", "1").at(100, write.clone()).until(2500),
        retries2("retransmission: tcp_retries2=3", "3").at(100, write.clone()).until(8000),
        retries2("retransmission: tcp_retries2=2, after a tail loss probe", "2")
            .peer(SACK)
            .at(100, write.clone())
            .until(6000),
        retries2("retransmission: without tail loss probes", "1")
            .sysctl("tcp_early_retrans", "0")
            .peer(SACK)
            .at(100, write.clone())
            .until(2500),
        retries2("retransmission: a round trip of 20 ms", "3").rtt(20).at(100, write.clone()).until(7000),
        retries2("retransmission: a round trip of 100 ms", "3").rtt(100).at(300, write.clone()).until(7500),
        retries2("retransmission: a round trip of 100 ms, with a tail loss probe", "2")
            .peer(SACK)
            .rtt(100)
            .at(300, write.clone())
            .until(6500),
        retries2("retransmission: with timestamps", "2")
            .peer("mss 1460,sackOK,TS,wscale 7")
            .at(100, write.clone())
            .until(6000),
        retries2("retransmission: tcp_rto_max_ms=1000", "5")
            .sysctl("tcp_rto_max_ms", "1000")
            .since(6, 15)
            .at(100, write.clone())
            .until(8000),
        user_timeout("retransmission: user timeout of 2 s", 2000).at(100, write.clone()).until(4000),
        user_timeout("retransmission: user timeout of 2 s, after a tail loss probe", 2000)
            .peer(SACK)
            .at(100, write.clone())
            .until(4500),
        user_timeout("retransmission: user timeout shorter than the RTO", 100).at(100, write.clone()).until(1500),
        user_timeout("retransmission: user timeout outlives tcp_retries2", 3000)
            .sysctl("tcp_retries2", "1")
            .at(100, write.clone())
            .until(5000),
        retries2("retransmission: user timeout set while data is in flight", "15")
            .at(100, write.clone())
            .at(500, Act::UserTimeout(1000))
            .unseen(1, 1)
            .until(3000),
        retries2("retransmission: user timeout cleared while data is in flight", "1")
            .before(&[Act::UserTimeout(600)])
            .at(100, write.clone())
            .at(500, Act::UserTimeout(0))
            .unseen(1, 1)
            .until(4000),
        retries2("retransmission: thin and linear", "15")
            .before(&[Act::ThinLinear(true), Act::UserTimeout(2000)])
            .at(100, write.clone())
            .until(4000),
        retries2("retransmission: a FIN of shutdown", "1").at(100, Act::Finish).until(3000),
        user_timeout("retransmission: user timeout of a FIN", 1000).at(100, Act::Finish).until(2500),
        retries2("retransmission: of an accepted connection", "1").until(2500).at(100, write).accepted(),
    ]
}

/// The peer takes some of it.
fn progress() -> Vec<Scenario> {
    let write = Act::Write(100);
    let three = |name, retries| {
        let all = retries2(name, retries).before(&[Act::Nodelay(true)]);
        all.at(100, Act::Write(1460)).at(110, Act::Write(1460)).at(120, Act::Write(1460))
    };
    vec![
        three("retransmission: an ACK restarts the timer", "1").varying().hears(200, ". 1:1(0) ack 1461").until(3000),
        three("retransmission: progress within an episode", "3")
            .hears(900, ". 1:1(0) ack 1461")
            .hears(1200, ". 1:1(0) ack 2921")
            .until(9000),
        three("retransmission: duplicate ACKs", "2")
            .hears(500, ". 1:1(0) ack 1")
            .hears(600, ". 1:1(0) ack 1")
            .unseen(1, 1)
            .until(6000),
        retries2("retransmission: an ACK within a segment", "1")
            .at(100, Act::Write(1000))
            .hears(150, ". 1:1(0) ack 501")
            .until(3000),
        user_timeout("retransmission: user timeout after progress", 1500)
            .before(&[Act::Nodelay(true)])
            .at(100, Act::Write(1460))
            .at(110, Act::Write(1460))
            .hears(900, ". 1:1(0) ack 1461")
            .until(5000),
        retries2("retransmission: a new episode after the old", "1")
            .at(100, write.clone())
            .hears(500, ". 1:1(0) ack 101")
            .at(800, write.clone())
            .until(5000),
        retries2("retransmission: answered data, then a hole", "1")
            .rtt(20)
            .on(On::Data, 5, Reply::Ack(u16::MAX))
            .at(100, write.clone())
            .at(200, write.clone())
            .at(300, write.clone())
            .at(400, write.clone())
            .at(500, write.clone())
            .at(600, write.clone())
            .until(3500),
        retries2("retransmission: small segments", "1")
            .before(&[Act::Nodelay(true)])
            .at(100, write.clone())
            .at(150, write)
            .until(3000)
            .differs("Linux merges small segments that it resends (tcp_retrans_try_collapse)"),
        three("retransmission: three duplicate ACKs", "1")
            .hears(50, ". 1:1(0) ack 1")
            .at(130, Act::Write(1460))
            .hears(150, ". 1:1(0) ack 1")
            .hears(151, ". 1:1(0) ack 1")
            .hears(152, ". 1:1(0) ack 1")
            .until(4000),
        three("retransmission: two duplicate ACKs behind a window update", "1")
            .at(130, Act::Write(1460))
            .hears(150, ". 1:1(0) ack 1")
            .hears(151, ". 1:1(0) ack 1")
            .hears(152, ". 1:1(0) ack 1")
            .until(3500),
    ]
}

/// Round trips that vary, and small writes.
fn timing() -> Vec<Scenario> {
    let small = |name| retries2(name, "1").at(100, Act::Write(100)).at(150, Act::Write(100));
    vec![
        retries2("retransmission: round trips that vary", "1")
            .varying()
            .at(100, Act::Write(100))
            .hears(110, ". 1:1(0) ack 101")
            .at(200, Act::Write(100))
            .hears(330, ". 1:1(0) ack 201")
            .at(400, Act::Write(100))
            .hears(420, ". 1:1(0) ack 301")
            .at(500, Act::Write(100))
            .hears(690, ". 1:1(0) ack 401")
            .at(800, Act::Write(100))
            .until(4500),
        retries2("retransmission: the backoff outlives an answer, as nothing was measured", "3")
            .at(100, Act::Write(100))
            .hears(900, ". 1:1(0) ack 101")
            .at(1000, Act::Write(100))
            .until(4500),
        retries2("retransmission: with timestamps any answer ends the backoff", "1")
            .varying()
            .peer("mss 1460,sackOK,TS,wscale 7")
            .at(100, Act::Write(100))
            .hears(1000, ". 1:1(0) ack 101")
            .at(1100, Act::Write(100))
            .until(7000),
        retries2("retransmission: a handshake without a sample, accepted", "0")
            .accepted()
            .on(On::Syn, 1, Reply::Nothing)
            .at(100, Act::Write(100))
            .until(10_500),
        small("nagle: a second small write waits for the first's ACK")
            .varying()
            .hears(280, ". 1:1(0) ack 101")
            .until(3500),
        small("nagle: a second small write waits in a hole").until(3500),
        small("nagle: a tail loss probe takes the second small write along")
            .peer(SACK)
            .hears(450, ". 1:1(0) ack 201")
            .until(1500),
        small("nagle: not with TCP_NODELAY").before(&[Act::Nodelay(true)]).hears(280, ". 1:1(0) ack 201").until(600),
        small("nagle: not with a FIN").at(200, Act::Finish).hears(280, ". 1:1(0) ack 202").until(600),
        retries2("retransmission: smaller pieces on a narrower path", "1")
            .at(100, Act::Write(1460))
            .at(150, Act::Icmp(IcmpKind::FragmentationNeeded { mtu: 1000 }, 1))
            .until(3500),
        retries2("retransmission: over IPv6", "1").over_ipv6().at(100, Act::Write(100)).until(2500),
        lost_over_ipv6("retransmission: address unreachable, over IPv6", 3),
        lost_over_ipv6("retransmission: no route, over IPv6", 0),
    ]
}

fn lost_over_ipv6(name: &'static str, code: u8) -> Scenario {
    let lost = retries2(name, "1").over_ipv6().at(100, Act::Write(100));
    lost.at(400, Act::Icmp(IcmpKind::V6Unreachable(code), 1)).unseen(1, 1).until(5000)
}

/// The network or the peer says why.
fn errors() -> Vec<Scenario> {
    let write = Act::Write(100);
    let lost = |name, kind| retries2(name, "1").at(100, Act::Write(100)).at(400, Act::Icmp(kind, 1));
    vec![
        lost("retransmission: host unreachable, once", IcmpKind::V4Unreachable(1)).unseen(1, 1).until(5000),
        lost("retransmission: port unreachable", IcmpKind::V4Unreachable(3)).unseen(1, 1).until(3500),
        lost("retransmission: time exceeded", IcmpKind::TimeExceeded).unseen(1, 1).until(3500),
        retries2("retransmission: network unreachable, always", "2")
            .on(On::Data, ALWAYS, Reply::Icmp(IcmpKind::V4Unreachable(0)))
            .at(100, write.clone())
            .until(5000),
        retries2("retransmission: an ACK clears the network's word", "1")
            .at(100, write.clone())
            .at(400, Act::Icmp(IcmpKind::V4Unreachable(1), 1))
            .hears(450, ". 1:1(0) ack 101")
            .at(700, write.clone())
            .until(4500),
        retries2("retransmission: a reset for an answer", "3")
            .on(On::Data, 1, Reply::Text("R 1:1(0)".to_owned()))
            .rtt(20)
            .at(100, write)
            .until(1000),
    ]
}
