//! Segments that end a connection or should not, and acknowledgments that wait.

use crate::scenario::{ALWAYS, Act, On, Opening, Reply, Scenario};

pub(crate) fn scenarios() -> Vec<Scenario> {
    let connected = |name| Scenario::new(name, Opening::Connect);
    vec![
        connected("reset: exactly next")
            .hears(100, "R 1:1(0)")
            .at(200, Act::Read(10))
            .at(300, Act::Write(1))
            .until(800),
        connected("reset: within the window, then exactly next")
            .hears(100, "R 100:100(0)")
            .hears(800, "R 1:1(0)")
            .until(1500),
        connected("reset: two challenges within half a second")
            .hears(100, "R 100:100(0)")
            .hears(200, "R 200:200(0)")
            .hears(800, "R 300:300(0)")
            .until(1500),
        connected("reset: left of the window").hears(100, "R -100:-100(0)").until(800),
        connected("reset: after the peer's FIN").hears(100, "F. 1:1(0) ack 1").hears(400, "R 2:2(0)").until(1000),
        connected("reset: data first")
            .hears(100, "P. 1:11(10) ack 1")
            .hears(200, "R 11:11(0)")
            .at(300, Act::Read(100))
            .at(400, Act::Read(100))
            .until(800),
        connected("reset: a SYN is challenged").hears(100, "S 1:1(0) win 65535 <mss 1460>").until(800),
        connected("reset: nobody listens any more")
            .at(100, Act::Close)
            .hears(200, "R 1:1(0)")
            .hears(400, "P. 1:11(10) ack 1")
            .until(800),
        connected("ack: of the first segment at once").hears(100, "P. 1:11(10) ack 1").until(600),
        connected("ack: of an interactive segment after 40 ms")
            .on(On::Data, ALWAYS, Reply::Ack(u16::MAX))
            .hears(100, "P. 1:11(10) ack 1")
            .at(105, Act::Read(100))
            .at(110, Act::Write(10))
            .hears(300, "P. 11:21(10) ack 11")
            .at(500, Act::Read(100))
            .until(900),
        connected("ack: rides on an answer")
            .on(On::Data, ALWAYS, Reply::Ack(u16::MAX))
            .hears(100, "P. 1:11(10) ack 1")
            .at(105, Act::Read(100))
            .at(110, Act::Write(10))
            .hears(300, "P. 11:21(10) ack 11")
            .at(305, Act::Read(100))
            .at(310, Act::Write(10))
            .until(900),
        seventeen(),
        connected("ack: of old data, and of data beyond a gap")
            .hears(100, "P. 1:11(10) ack 1")
            .hears(700, "P. 1:11(10) ack 1")
            .hears(1300, "P. 21:31(10) ack 1")
            .hears(1900, "P. 11:21(10) ack 1")
            .at(2000, Act::Read(100))
            .until(2500),
    ]
}

/// The budget of quick ACKs is for sixteen segments.
fn seventeen() -> Scenario {
    let life = Scenario::new("ack: of the seventeenth segment after 40 ms", Opening::Connect);
    let life = (0..19_u32).fold(life, |life, number| {
        let seq = 1 + number * 10;
        life.hears(100 + 100 * u64::from(number), &format!("P. {seq}:{}(10) ack 1", seq + 10))
    });
    life.until(2500)
}
