//! Losses that acknowledgments tell of: which segments go again, when, and which new ones may leave.

use super::SACK;
use crate::scenario::{Act, Opening, Scenario};

const TS: &str = "mss 1460,sackOK,TS,wscale 7";

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut all = by_acks();
    all.extend(by_timeouts());
    all
}

/// Four full segments at 300, 310, 320 and 330 ms, over a path of 20 ms.
fn four(name: &'static str, peer: &'static str) -> Scenario {
    let life = Scenario::new(name, Opening::Connect).peer(peer).rtt(20).sysctl("tcp_retries2", "1").varying();
    let life = life.before(&[Act::Nodelay(true)]);
    (0..4).fold(life, |life, number| life.at(300 + 10 * number, Act::Write(1460)))
}

fn by_acks() -> Vec<Scenario> {
    vec![
        four("recovery: three segments held above a hole", SACK)
            .hears(350, ". 1:1(0) ack 1 <sack 1461:2921>")
            .hears(351, ". 1:1(0) ack 1 <sack 1461:4381>")
            .hears(352, ". 1:1(0) ack 1 <sack 1461:5841>")
            .hears(380, ". 1:1(0) ack 5841")
            .until(1200),
        four("recovery: one segment held above a hole, then silence", SACK)
            .hears(350, ". 1:1(0) ack 1 <sack 1461:2921>")
            .until(3500),
        four("recovery: all but the first held at once", SACK)
            .hears(350, ". 1:1(0) ack 1 <sack 1461:5841>")
            .hears(380, ". 1:1(0) ack 5841")
            .at(500, Act::Write(1460))
            .hears(530, ". 1:1(0) ack 7301")
            .until(1200),
        four("recovery: the second hole shows later", SACK)
            .hears(350, ". 1:1(0) ack 1 <sack 1461:2921 4381:5841>")
            .hears(400, ". 1:1(0) ack 2921 <sack 4381:5841>")
            .hears(450, ". 1:1(0) ack 5841")
            .until(1200),
        four("recovery: reordered, not lost", SACK)
            .hears(332, ". 1:1(0) ack 1 <sack 1461:2921>")
            .hears(334, ". 1:1(0) ack 2921")
            .hears(350, ". 1:1(0) ack 5841")
            .until(900),
        four("recovery: a loss, then a hole", SACK).hears(350, ". 1:1(0) ack 1 <sack 1461:5841>").until(4500),
        four("recovery: resent in vain, the peer says with SACK", SACK)
            .hears(800, ". 1:1(0) ack 5841 <sack 4381:5841>")
            .at(1000, Act::Write(1460))
            .hears(1030, ". 1:1(0) ack 7301")
            .until(1500),
        four("recovery: three duplicate ACKs, a partial ACK", "mss 1460")
            .hears(200, ". 1:1(0) ack 1")
            .hears(350, ". 1:1(0) ack 1")
            .hears(351, ". 1:1(0) ack 1")
            .hears(352, ". 1:1(0) ack 1")
            .hears(380, ". 1:1(0) ack 2921")
            .hears(420, ". 1:1(0) ack 5841")
            .until(1200),
        Scenario::new("recovery: limited transmit", Opening::Connect)
            .rtt(20)
            .at(300, Act::Write(16 * 1460))
            .hears(200, ". 1:1(0) ack 1")
            .hears(330, ". 1:1(0) ack 1")
            .hears(332, ". 1:1(0) ack 1")
            .until(450)
            .differs("Linux pushes the last segment of each burst that it leaves to the device to cut (tcp_gso)"),
    ]
}

fn by_timeouts() -> Vec<Scenario> {
    vec![
        four("recovery: a timeout, and the original's ACK", TS)
            .hears(1000, ". 1:1(0) ack 1461")
            .hears(1050, ". 1:1(0) ack 5841")
            .until(1500),
        four("recovery: after a timeout, segment by segment", "mss 1460")
            .sysctl("tcp_retries2", "5")
            .hears(900, ". 1:1(0) ack 1461")
            .hears(950, ". 1:1(0) ack 2921")
            .hears(1000, ". 1:1(0) ack 5841")
            .until(1500),
        four("recovery: after a timeout, holes reported", SACK)
            .sysctl("tcp_retries2", "5")
            .hears(900, ". 1:1(0) ack 1461 <sack 2921:4381>")
            .hears(950, ". 1:1(0) ack 4381")
            .hears(1000, ". 1:1(0) ack 5841")
            .until(1500),
    ]
}
