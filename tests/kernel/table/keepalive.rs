//! Nothing is in flight, and the peer is silent or not.

use crate::scenario::{ALWAYS, Act, On, Opening, Reply, Scenario};
use longhaul::wire::IcmpKind;

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut all = limits();
    all.extend(changes());
    all.extend(answers());
    all.extend(odd_answers());
    all
}

fn connected(name: &'static str) -> Scenario {
    Scenario::new(name, Opening::Connect)
}

/// How long silence is borne.
fn limits() -> Vec<Scenario> {
    vec![
        connected("keepalive: no answer")
            .keepalive(1, 1, 3)
            .at(4600, Act::Read(10))
            .at(4700, Act::Write(10))
            .until(5000),
        connected("keepalive: every probe answered").keepalive(1, 1, 2).on(On::Probe, ALWAYS, ACK).until(4500),
        connected("keepalive: two probes answered").keepalive(1, 1, 2).on(On::Probe, 2, ACK).until(6500),
        connected("keepalive: an interval longer than the idle time")
            .keepalive(1, 2, 2)
            .on(On::Probe, 1, ACK)
            .until(8500),
        connected("keepalive: a user timeout ends it before the count")
            .keepalive(1, 1, 10)
            .before(&[Act::UserTimeout(2500)])
            .until(4500),
        connected("keepalive: a user timeout outlives the count")
            .keepalive(1, 1, 1)
            .before(&[Act::UserTimeout(3500)])
            .until(6000),
        connected("keepalive: a user timeout does not shorten a wait")
            .keepalive(1, 3, 9)
            .before(&[Act::UserTimeout(1500)])
            .until(5500),
        connected("keepalive: of the sysctls")
            .sysctl("tcp_keepalive_time", "2")
            .sysctl("tcp_keepalive_intvl", "1")
            .sysctl("tcp_keepalive_probes", "1")
            .before(&[Act::Keepalive(true)])
            .until(4500),
        connected("keepalive: tcp_keepalive_probes=0")
            .sysctl("tcp_keepalive_time", "1")
            .sysctl("tcp_keepalive_probes", "0")
            .before(&[Act::Keepalive(true)])
            .until(2500),
    ]
}

/// Options and data on a live connection.
fn changes() -> Vec<Scenario> {
    vec![
        connected("keepalive: idle time shortened")
            .keepalive(10, 1, 2)
            .at(1500, Act::KeepIdle(2))
            .unseen(1, 1)
            .until(5500),
        connected("keepalive: idle time shortened below the silence")
            .keepalive(10, 1, 1)
            .at(1500, Act::KeepIdle(1))
            .until(3500),
        connected("keepalive: count and interval changed")
            .keepalive(1, 5, 9)
            .at(500, Act::KeepIntvl(1))
            .at(1500, Act::KeepCnt(2))
            .unseen(1, 1)
            .until(4500),
        connected("keepalive: off and on")
            .keepalive(1, 1, 3)
            .at(1500, Act::Keepalive(false))
            .at(2200, Act::Keepalive(true))
            .until(6000),
        connected("keepalive: switched on late")
            .before(&[Act::KeepIdle(1), Act::KeepIntvl(1), Act::KeepCnt(1)])
            .at(1500, Act::Keepalive(true))
            .until(4500),
        connected("keepalive: none while data is in flight")
            .sysctl("tcp_retries2", "3")
            .keepalive(1, 1, 2)
            .at(500, Act::Write(100))
            .until(8000),
        connected("keepalive: again after data in flight")
            .keepalive(1, 1, 1)
            .at(500, Act::Write(100))
            .hears(1300, ". 1:1(0) ack 101")
            .unseen(2, 1)
            .until(4500),
        connected("keepalive: data counts as life")
            .keepalive(1, 1, 1)
            .hears(600, "P. 1:11(10) ack 1")
            .unseen(1, 1)
            .until(4000),
    ]
}

/// What the peer and the network may say.
fn answers() -> Vec<Scenario> {
    vec![
        connected("keepalive: a reset for an answer")
            .keepalive(1, 1, 3)
            .on(On::Probe, 1, Reply::Text("R 1:1(0)".to_owned()))
            .until(2500),
        connected("keepalive: with timestamps")
            .peer("mss 1460,sackOK,TS,wscale 7")
            .keepalive(1, 1, 2)
            .on(On::Probe, 1, ACK)
            .until(5500),
        Scenario::new("keepalive: inherited from the listener", Opening::Accept).keepalive(1, 1, 2).until(4500),
        connected("keepalive: after the peer's FIN")
            .keepalive(1, 1, 2)
            .hears(100, "F. 1:1(0) ack 1")
            .unseen(2, 1)
            .until(4500),
        connected("keepalive: the network had said why")
            .keepalive(1, 1, 2)
            .at(100, Act::Icmp(IcmpKind::V4Unreachable(1), 1))
            .unseen(1, 1)
            .until(4500),
        connected("keepalive: in FIN-WAIT-2")
            .keepalive(1, 1, 2)
            .on(On::Data, 1, ACK)
            .at(100, Act::Finish)
            .unseen(1, 1)
            .until(4500),
        connected("keepalive: over IPv6").over_ipv6().keepalive(1, 1, 2).on(On::Probe, 1, ACK).until(5500),
        connected("keepalive: forbidden, over IPv6")
            .over_ipv6()
            .keepalive(1, 1, 1)
            .at(100, Act::Icmp(IcmpKind::V6Unreachable(1), 1))
            .unseen(1, 1)
            .until(3500),
    ]
}

/// Not every answer counts as life.
fn odd_answers() -> Vec<Scenario> {
    vec![
        connected("keepalive: an answer beyond what was sent is none")
            .keepalive(1, 1, 2)
            .since(6, 18)
            .on(On::Probe, 1, Reply::Text(". 1:1(0) ack 100".to_owned()))
            .until(4500),
        connected("keepalive: an answer right of the window is none")
            .keepalive(1, 1, 2)
            .on(On::Probe, 1, Reply::Text("P. 200001:200011(10) ack 1".to_owned()))
            .until(4500),
        connected("keepalive: an answer that acknowledges old data is none")
            .keepalive(1, 1, 2)
            .at(100, Act::Write(100))
            .hears(150, ". 1:1(0) ack 101")
            .on(On::Probe, 1, Reply::Text(". 1:1(0) ack 51".to_owned()))
            .unseen(1, 1)
            .until(5000),
        connected("keepalive: an answer in data")
            .keepalive(1, 1, 2)
            .hears(100, "P. 1:11(10) ack 1")
            .on(On::Probe, 1, Reply::Text("P. 11:16(5) ack 1".to_owned()))
            .unseen(1, 1)
            .until(5000)
            .differs("Linux's fast path leaves the count of probes alone (tcp_rcv_established)"),
        connected("keepalive: the peer's probes of one byte count as life")
            .keepalive(1, 1, 1)
            .hears(100, "P. 1:11(10) ack 1")
            .hears(900, ". 10:11(1) ack 1")
            .unseen(1, 1)
            .until(4000),
        connected("keepalive: the peer's probes")
            .hears(100, ". 0:0(0) ack 1")
            .hears(200, ". 0:0(0) ack 1")
            .hears(400, ". 0:0(0) ack 1")
            .hears(700, ". 0:0(0) ack 1")
            .until(1000),
    ]
}

const ACK: Reply = Reply::Ack(u16::MAX);
