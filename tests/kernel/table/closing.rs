//! The application has closed, or the peer has. Whether an orphan still lives shows in what a segment for it gets.

use crate::scenario::{ALWAYS, Act, On, Opening, Reply, Scenario};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut all = orphans();
    all.extend(both());
    all
}

fn connected(name: &'static str) -> Scenario {
    Scenario::new(name, Opening::Connect)
}

fn orphans() -> Vec<Scenario> {
    let acked = |name| connected(name).on(On::Data, ALWAYS, Reply::Ack(u16::MAX)).at(100, Act::Close);
    vec![
        connected("close: a lost FIN, tcp_orphan_retries=1")
            .sysctl("tcp_orphan_retries", "1")
            .at(100, Act::Close)
            .hears(2200, ". 1:1(0) ack 1")
            .until(2700),
        connected("close: a lost FIN, tcp_orphan_retries=2")
            .sysctl("tcp_orphan_retries", "2")
            .at(100, Act::Close)
            .hears(4200, ". 1:1(0) ack 1")
            .until(4700),
        connected("close: lost data and FIN, with a user timeout")
            .before(&[Act::UserTimeout(1000)])
            .at(100, Act::Write(1460))
            .at(200, Act::Close)
            .hears(2500, ". 1:1(0) ack 1")
            .until(3000),
        connected("close: a lost FIN behind a small lost segment")
            .before(&[Act::UserTimeout(1000)])
            .at(100, Act::Write(100))
            .at(200, Act::Close)
            .until(3000)
            .differs("Linux merges a FIN into the segment that it resends (tcp_retrans_try_collapse)"),
        connected("close: data behind a zero window is flushed when it opens")
            .on(On::Data, ALWAYS, Reply::Ack(u16::MAX))
            .hears(50, ". 1:1(0) ack 1 win 0")
            .at(100, Act::Write(100))
            .at(150, Act::Close)
            .hears(900, ". 1:1(0) ack 1 win 65535")
            .until(1500),
        acked("close: FIN-WAIT-2 for tcp_fin_timeout")
            .sysctl("tcp_fin_timeout", "2")
            .hears(2700, ". 1:1(0) ack 2")
            .until(3200),
        acked("close: a FIN in FIN-WAIT-2").sysctl("tcp_fin_timeout", "2").hears(1500, "F. 1:1(0) ack 2").until(2500),
        acked("close: data in FIN-WAIT-2").hears(400, "P. 1:11(10) ack 2").until(1000),
        connected("close: data in FIN-WAIT-1").at(100, Act::Close).hears(200, "P. 1:11(10) ack 1").until(1500),
        connected("close: unread data").hears(100, "P. 1:11(10) ack 1").at(300, Act::Close).until(1000),
        connected("close: lingering no second").before(&[Act::LingerZero]).at(100, Act::Close).until(1000),
        connected("close: lingering no second over lost data")
            .before(&[Act::LingerZero])
            .at(100, Act::Write(100))
            .at(200, Act::Close)
            .until(1500),
        Scenario::new("close: while connecting", Opening::Call).at(500, Act::Close).until(2500),
    ]
}

fn both() -> Vec<Scenario> {
    vec![
        connected("close: an orderly end, and its FIN repeated")
            .on(On::Data, ALWAYS, Reply::Ack(u16::MAX))
            .at(100, Act::Close)
            .hears(400, "F. 1:1(0) ack 2")
            .hears(1100, "F. 1:1(0) ack 2")
            .until(1500),
        connected("close: the peer first")
            .on(On::Data, ALWAYS, Reply::Ack(u16::MAX))
            .hears(100, "F. 1:1(0) ack 1")
            .at(300, Act::Close)
            .hears(800, ". 2:2(0) ack 2")
            .until(1200),
        connected("close: the peer first, and our FIN is lost")
            .sysctl("tcp_orphan_retries", "1")
            .hears(100, "F. 1:1(0) ack 1")
            .at(300, Act::Close)
            .hears(2500, ". 2:2(0) ack 1")
            .until(3000),
        connected("close: both at once")
            .at(100, Act::Close)
            .hears(150, "F. 1:1(0) ack 1")
            .hears(250, ". 2:2(0) ack 2")
            .hears(900, "F. 1:1(0) ack 2")
            .until(1300),
        connected("close: a reset in TIME-WAIT")
            .on(On::Data, ALWAYS, Reply::Ack(u16::MAX))
            .at(100, Act::Close)
            .hears(300, "F. 1:1(0) ack 2")
            .hears(500, "R 2:2(0)")
            .hears(700, ". 2:2(0) ack 2")
            .until(1000),
        connected("close: data in TIME-WAIT")
            .on(On::Data, ALWAYS, Reply::Ack(u16::MAX))
            .at(100, Act::Close)
            .hears(300, "F. 1:1(0) ack 2")
            .hears(500, "P. 2:12(10) ack 2")
            .hears(600, ". 100:100(0) ack 2")
            .hears(700, ". 100:100(0) ack 2")
            .until(1300),
        connected("close: half, and the peer goes on")
            .on(On::Data, 1, Reply::Ack(u16::MAX))
            .at(100, Act::Finish)
            .hears(300, "P. 1:11(10) ack 2")
            .at(400, Act::Read(100))
            .hears(600, "F. 11:11(0) ack 2")
            .at(800, Act::Read(100))
            .until(1300),
    ]
}
