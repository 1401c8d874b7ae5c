//! Data waits, and the peer takes none.

use crate::scenario::{ALWAYS, Act, On, Opening, Reply, Scenario};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let closed =
        |name| Scenario::new(name, Opening::Connect).hears(50, ". 1:1(0) ack 1 win 0").at(100, Act::Write(100));
    vec![
        closed("zero window: silence").sysctl("tcp_retries2", "3").until(5000),
        closed("zero window: tcp_retries2=0").sysctl("tcp_retries2", "0").until(2000),
        closed("zero window: two answers, then silence")
            .sysctl("tcp_retries2", "2")
            .on(On::Probe, 2, Reply::Ack(0))
            .until(7000),
        closed("zero window: a user timeout in spite of answers")
            .before(&[Act::UserTimeout(1500)])
            .on(On::Probe, ALWAYS, Reply::Ack(0))
            .until(4500),
        closed("zero window: a user timeout in silence").before(&[Act::UserTimeout(1000)]).until(3000),
        closed("zero window: it opens")
            .on(On::Data, ALWAYS, Reply::Ack(u16::MAX))
            .hears(1000, ". 1:1(0) ack 1 win 65535")
            .at(1200, Act::Write(100))
            .until(2000),
        closed("zero window: it opens, then a hole")
            .sysctl("tcp_retries2", "1")
            .hears(1000, ". 1:1(0) ack 1 win 65535")
            .until(4000),
        closed("zero window: a reset for an answer").on(On::Probe, 1, Reply::Text("R 1:1(0)".to_owned())).until(1500),
        closed("zero window: keepalive says nothing").keepalive(1, 1, 1).sysctl("tcp_retries2", "3").until(5000),
        closed("zero window: closed by the application")
            .sysctl("tcp_orphan_retries", "2")
            .at(200, Act::Close)
            .hears(3500, ". 1:1(0) ack 1 win 0")
            .until(4000),
        closed("zero window: a user timeout set while probing")
            .at(500, Act::UserTimeout(500))
            .on(On::Probe, ALWAYS, Reply::Ack(0))
            .until(3500),
        closed("zero window: closed by the application, and every probe answered")
            .sysctl("tcp_orphan_retries", "3")
            .sysctl("tcp_rto_max_ms", "1000")
            .since(6, 15)
            .at(200, Act::Close)
            .on(On::Probe, ALWAYS, Reply::Ack(0))
            .hears(6500, ". 1:1(0) ack 1 win 0")
            .until(7000),
        closed("zero window: steps of tcp_rto_max_ms")
            .sysctl("tcp_rto_max_ms", "1000")
            .since(6, 15)
            .on(On::Probe, ALWAYS, Reply::Ack(0))
            .until(6500),
        Scenario::new("zero window: closed over data in flight, silence", Opening::Connect)
            .sysctl("tcp_rto_max_ms", "1000")
            .since(6, 15)
            .at(100, Act::Write(100))
            .hears(150, ". 1:1(0) ack 1 win 0")
            .until(6000),
        Scenario::new("zero window: smaller than the segment", Opening::Connect)
            .hears(50, ". 1:1(0) ack 1 win 100")
            .on(On::Data, ALWAYS, Reply::Ack(100))
            .at(100, Act::Write(350))
            .until(2000),
        Scenario::new("zero window: closed over data in flight", Opening::Connect)
            .before(&[Act::UserTimeout(1500)])
            .at(100, Act::Write(100))
            .hears(150, ". 1:1(0) ack 1 win 0")
            .until(4500),
    ]
}
