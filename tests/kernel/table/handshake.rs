//! A SYN or its answer is lost, or answered strangely.

use crate::scenario::{Act, On, Opening, Reply, Scenario};
use longhaul::wire::IcmpKind;

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut all = calls();
    all.extend(knocks());
    all
}

fn calls() -> Vec<Scenario> {
    let call = |name, retries, linear| {
        let call = Scenario::new(name, Opening::Call);
        call.sysctl("tcp_syn_retries", retries).sysctl("tcp_syn_linear_timeouts", linear)
    };
    let refused = |name, reply| call(name, "1", "0").on(On::Syn, 1, reply);
    vec![
        call("connect: tcp_syn_retries=1, none linear", "1", "0").until(4500),
        call("connect: tcp_syn_retries=1, one linear", "1", "1").until(5500),
        call("connect: tcp_syn_retries=1, four linear", "1", "4").until(4500),
        call("connect: tcp_syn_retries=2, none linear", "2", "0").until(8500),
        call("connect: tcp_syn_retries=3, two linear", "2", "2").until(9000),
        call("connect: tcp_rto_max_ms=1000", "3", "0").sysctl("tcp_rto_max_ms", "1000").since(6, 15).until(5500),
        call("connect: user timeout of 1.5 s", "6", "4").before(&[Act::UserTimeout(1500)]).until(3000),
        call("connect: user timeout shorter than the RTO", "6", "4").before(&[Act::UserTimeout(500)]).until(2500),
        call("connect: user timeout longer than the count", "1", "0").before(&[Act::UserTimeout(10_000)]).until(4500),
        call("connect: keepalive says nothing", "1", "0").keepalive(1, 1, 1).until(4500),
        refused("connect: refused", Reply::Text("R. 0:0(0) ack 1".to_owned())).until(1000),
        refused("connect: a reset without ACK is no refusal", Reply::Text("R 0:0(0)".to_owned())).until(4500),
        refused("connect: a wrong ACK", Reply::Text(". 0:0(0) ack 5".to_owned())).counting_ticks().until(4500),
        refused("connect: network unreachable", Reply::Icmp(IcmpKind::V4Unreachable(0))).until(1000),
        refused("connect: port unreachable", Reply::Icmp(IcmpKind::V4Unreachable(3))).until(1000),
        refused("connect: forbidden", Reply::Icmp(IcmpKind::V4Unreachable(13))).until(1000),
        refused("connect: time exceeded", Reply::Icmp(IcmpKind::TimeExceeded)).until(1000),
        call("connect: answered at the second SYN, then a hole", "2", "0")
            .sysctl("tcp_retries2", "0")
            .on(On::Syn, 1, Reply::Nothing)
            .on(On::Syn, 1, Reply::Text("S. 0:0(0) ack 1 win 65535 <mss 1460>".to_owned()))
            .at(1500, Act::Write(100))
            .until(12_000),
        call("connect: crossed SYNs", "2", "0")
            .on(On::Syn, 1, Reply::Text("S 0:0(0) win 65535 <mss 1460>".to_owned()))
            .hears(300, ". 1:1(0) ack 1")
            .until(1000),
        call("connect: crossed SYNs, then a hole", "2", "0")
            .on(On::Syn, 1, Reply::Text("S 0:0(0) win 65535 <mss 1460>".to_owned()))
            .until(9500),
        call("connect: over IPv6", "1", "0").over_ipv6().until(4500),
        refused("connect: a code of later years, over IPv6", Reply::Icmp(IcmpKind::V6Unreachable(7)))
            .over_ipv6()
            .until(1000),
        refused("connect: no route, over IPv6", Reply::Icmp(IcmpKind::V6Unreachable(0))).over_ipv6().until(1000),
    ]
}

fn knocks() -> Vec<Scenario> {
    // Whether the handshake was forgotten shows in what its last ACK gets.
    let reported = |name, kind| {
        let knock = Scenario::new(name, Opening::Knock).sysctl("tcp_synack_retries", "0");
        knock.at(300, Act::Icmp(kind, 0)).hears(600, ". 1:1(0) ack 1").until(900)
    };
    let knock = |name, retries| Scenario::new(name, Opening::Knock).sysctl("tcp_synack_retries", retries);
    vec![
        knock("accept: tcp_synack_retries=1", "1").hears(3600, ". 1:1(0) ack 1").until(4000),
        knock("accept: tcp_synack_retries=2", "2").hears(7800, ". 1:1(0) ack 1").until(8200),
        knock("accept: alive until the end", "1").hears(2600, "R 1:1(0)").until(4000),
        knock("accept: a repeated SYN", "1").hears(600, "S 0:0(0) win 65535 <mss 1460>").until(5500),
        knock("accept: a repeated SYN too soon", "1").hears(100, "S 0:0(0) win 65535 <mss 1460>").until(4500),
        reported("accept: network unreachable", IcmpKind::V4Unreachable(0)),
        reported("accept: host unreachable", IcmpKind::V4Unreachable(1)),
        reported("accept: port unreachable", IcmpKind::V4Unreachable(3)),
        reported("accept: time exceeded", IcmpKind::TimeExceeded),
        reported("accept: no route, over IPv6", IcmpKind::V6Unreachable(0)).over_ipv6(),
        reported("accept: forbidden, over IPv6", IcmpKind::V6Unreachable(1)).over_ipv6(),
        reported("accept: address unreachable, over IPv6", IcmpKind::V6Unreachable(3)).over_ipv6(),
        reported("accept: port unreachable, over IPv6", IcmpKind::V6Unreachable(4)).over_ipv6(),
        reported("accept: time exceeded, over IPv6", IcmpKind::TimeExceeded).over_ipv6(),
        reported("accept: parameter problem, over IPv6", IcmpKind::ParameterProblem).over_ipv6(),
        knock("accept: a reset with a wrong ACK, and not the next number", "1")
            .hears(100, "R. 2:2(0) ack 5")
            .until(4500),
        knock("accept: a reset with a wrong ACK", "1").hears(100, "R. 1:1(0) ack 5").until(4500),
        knock("accept: a wrong ACK", "1").hears(100, ". 1:1(0) ack 5").until(4500),
    ]
}
