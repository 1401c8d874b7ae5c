//! When a probe leaves, what it is, and what becomes of an answer.

use super::lab::{Failure, Lab, SECOND, Setup, instants, keepalive, millis, seconds};
use super::{Finding, Row};
use longhaul::config::Sysctl;
use longhaul::error::Cause;
use longhaul::options::{Options, TcpKeepalive};
use longhaul::seq::SeqNum;
use longhaul::wire::{self, Flags, Flow, Header, IpOptions};

pub(super) const MYTHS: &[Row] = &[
    (
        "With Linux's defaults a silent peer is found dead after 7200 + 75 * 9 = 7872 s.",
        "7200 + 75 * 9 is 7875 s: 2 h 11 min 15 s. Nine probes, and 75 s after the last a reset and the error.",
        default_sum,
    ),
    (
        "A keepalive probe is an empty segment with PSH.",
        "ACK is its only flag. It is empty, and its number is one below the next: that is what demands an answer.",
        probe_on_the_wire,
    ),
    (
        "If the peer answers a probe with a reset, that counts as one failure, and probing goes on.",
        "The first reset with the right number ends the connection at once: ECONNRESET. A restart saves nothing.",
        answered_by_reset,
    ),
    (
        "Every packet, sent or received, restarts the keepalive timer.",
        "Only what is received and acceptable counts: new data, or an ACK of what is in flight. The timer itself is \
         not touched; when it fires it asks how long nothing was heard.",
        every_packet,
    ),
    (
        "After an answered probe the idle time starts again.",
        "The next probe comes one interval after the last, or one idle time after the answer, whichever is later.",
        answered_probe,
    ),
    (
        "Keepalive is switched off while data is being retransmitted.",
        "It ticks on, once an idle time, and sends nothing. When all is acknowledged it is there again by itself.",
        while_retransmitting,
    ),
    (
        "The parameters are the machine's; a language such as Java cannot set them for one connection.",
        "They are options of a socket, also of one that is connected. Any runtime may pass them on; Java's extended \
         socket options do since JDK 11.",
        own_parameters,
    ),
];

fn default_sum(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("SO_KEEPALIVE with Linux's defaults; nothing is written; the peer falls silent");
    let mut lab = Lab::new(&Setup::default())?;
    let (client, _) = lab.connect(Options::new().with_keepalive(true))?;
    lab.watch(client, "idle, keepalive 7200 s + 9 * 75 s");
    lab.cut();
    let (lived, error) = lab.death(client)?;
    lab.sim.run_for(SECOND);
    let sent = lab.sent_by(lab.a);
    let probes: Vec<u64> = sent.iter().filter(|sent| sent.flags == Flags::ACK).map(|sent| millis(sent.at)).collect();
    finding.same("probes at", instants(&probes), instants(&(0..9).map(|k| 7_200_000 + k * 75_000).collect::<Vec<_>>()));
    finding.same("reset and error at", seconds(millis(lived)), "7875 s".into());
    finding.holds("a reset is sent at the end", sent.len() == 10 && sent[9].flags == Flags::RST.with(Flags::ACK));
    finding.holds("keepalive ended it", error.cause() == Some(Cause::Keepalive));
    finding.keep(&lab);
    Ok(())
}

fn probe_on_the_wire(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("keepalive after 10 s; 5 bytes are written and acknowledged before");
    let mut lab = Lab::new(&Setup::default())?;
    let (client, _) = lab.connect(keepalive(10, 5, 3)?)?;
    lab.write(client, "hello")?;
    lab.run_to(12 * SECOND);
    let sent = lab.sent_by(lab.a);
    let (data, probe) = (sent.first().ok_or("no data")?, sent.last().ok_or("no probe")?);
    // The five bytes end where the next byte would begin.
    let below_next = (data.seq + 5).wrapping_sub(probe.seq);
    finding.same("flags of the data", data.flags.to_string(), "P.".into());
    finding.same("flags of the probe", probe.flags.to_string(), ".".into());
    finding.same("bytes in it", probe.len, 0);
    finding.same("its number, below the next", below_next, 1);
    finding.same("it left at", seconds(millis(probe.at)), "10 s".into());
    finding.keep(&lab);
    Ok(())
}

fn answered_by_reset(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("keepalive 10 s, every 5 s, 5 times; the peer's machine is started anew and listens again");
    let mut lab = Lab::new(&Setup::default())?;
    let (client, server) = lab.connect(keepalive(10, 5, 5)?)?;
    lab.watch(client, "idle, keepalive 10 s + 5 * 5 s");
    lab.lose(server)?;
    let (lived, error) = lab.death(client)?;
    finding.same("probes until the end", lab.sent_by(lab.a).len(), 1);
    finding.same("dead at", seconds(millis(lived)), "10 s".into());
    finding.same("of", format!("{:?}", error.errno()), "ECONNRESET".into());
    finding.keep(&lab);
    Ok(())
}

fn every_packet(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("keepalive 10 s, every 5 s, 3 times; the peer is gone; each second an old segment of it arrives");
    let sysctl = Sysctl { tcp_sack: 0, tcp_timestamps: 0, ..Sysctl::LINUX };
    let mut lab = Lab::new(&Setup { sysctl, ..Setup::default() })?;
    let (client, _) = lab.connect(keepalive(10, 5, 3)?)?;
    lab.watch(client, "strays each second, keepalive 10 s + 3 * 5 s");
    lab.cut();
    let (host, id) = client;
    let flow = lab.sim.stack(host).conn(id).ok_or("gone")?.flow();
    let back = Flow { local: flow.remote, remote: flow.local };
    let (next, expected) = [lab.a, lab.b].map(|host| lab.initial_seq(host).map(|seq| seq.wrapping_add(1))).into();
    let (next, expected) = (next.ok_or("no SYN")?, expected.ok_or("no SYN-ACK")?);
    let (seq, ack) = (SeqNum::new(expected.wrapping_sub(100_000)), SeqNum::new(next));
    let header = Header { window: 500, ..Header::new(seq, ack, Flags::ACK) };
    let mut packet = [0; 100];
    let len = wire::emit(&back, IpOptions::LINUX, &header, 0, |_| {}, &mut packet)?;
    let start = lab.sim.now();
    for second in 1..60 {
        lab.sim.inject(host, packet[..len].to_vec(), start + second * SECOND);
    }
    let (lived, error) = lab.death(client)?;
    let sent = lab.sent_by(lab.a);
    let of_seq = |seq: u32| -> Vec<u64> {
        sent.iter().filter(|sent| sent.seq == seq && sent.flags == Flags::ACK).map(|sent| millis(sent.at)).collect()
    };
    let (answers, probes) = (of_seq(next), of_seq(next.wrapping_sub(1)));
    finding.same("duplicate ACKs in answer to them", answers.len() as u64, millis(lived) / 1000);
    finding.same("probes at", instants(&probes), "10 15 20 s".into());
    finding.same("dead at", seconds(millis(lived)), "25 s".into());
    finding.holds("keepalive ended it", error.cause() == Some(Cause::Keepalive));
    finding.keep(&lab);
    Ok(())
}

fn answered_probe(finding: &mut Finding) -> Result<(), Failure> {
    for (idle, interval, step) in [(10, 30, 30), (30, 10, 30)] {
        finding.run(format!("keepalive {idle} s, every {interval} s; the peer answers each probe"));
        let mut lab = Lab::new(&Setup::default())?;
        let (client, _) = lab.connect(keepalive(idle, interval, 3)?)?;
        lab.watch(client, &format!("answered, idle {idle} s, interval {interval} s"));
        lab.run_to(125 * SECOND);
        let documented: Vec<u64> = (0..4).map(|k| (idle + k * step) * 1000).collect();
        finding.same("probes at", instants(&lab.times(lab.a)), instants(&documented));
        finding.holds("it lives", lab.is_established(client));
        finding.keep(&lab);
    }
    Ok(())
}

fn while_retransmitting(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("keepalive 10 s, every 5 s; at 1 s data is written into a cut wire, which is mended at 20 s");
    let mut lab = Lab::new(&Setup::default())?;
    let (client, _) = lab.connect(keepalive(10, 5, 3)?)?;
    lab.watch(client, "cut from 0 to 20 s, keepalive 10 s");
    lab.cut();
    lab.run_to(SECOND);
    lab.write(client, "hello")?;
    lab.run_to(20 * SECOND);
    lab.mend();
    lab.run_to(40 * SECOND);
    let sent = lab.sent_by(lab.a);
    let times = |probes: bool| -> Vec<u64> {
        sent.iter().filter(|sent| (sent.len == 0) == probes).map(|sent| millis(sent.at)).collect()
    };
    // 1 s, and then waits of 201, 402 ... ms.
    let copies = (0..8).map(|k| 1000 + 201 * ((1 << k) - 1)).take_while(|&at| at < 40_000).collect::<Vec<u64>>();
    let acknowledged = copies.iter().copied().find(|&at| at >= 20_000).ok_or("no copy after the mending")?;
    let copies: Vec<u64> = copies.into_iter().filter(|&at| at <= acknowledged).collect();
    finding.same("data and its copies at", instants(&times(false)), instants(&copies));
    finding.same(
        "the last copy is acknowledged; first probe at",
        instants(&times(true)),
        instants(&[acknowledged + 10_000]),
    );
    finding.keep(&lab);
    Ok(())
}

fn own_parameters(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("two connections of one host; after an hour one of them is given 10 s, every 5 s, 3 times");
    let mut lab = Lab::new(&Setup::default())?;
    let (own, _) = lab.connect(Options::new().with_keepalive(true))?;
    let (default, _) = lab.connect(Options::new().with_keepalive(true))?;
    lab.run_to(3600 * SECOND);
    lab.cut();
    let (now, parameters) = (lab.sim.now(), TcpKeepalive::new().with_time(10 * SECOND).with_interval(5 * SECOND));
    let mut conn = lab.sim.stack(own.0).conn(own.1).ok_or("gone")?;
    conn.set_tcp_keepalive(now, &parameters.with_retries(3))?;
    let (lived, _) = lab.death(own)?;
    // Silent for longer than the new idle time already: the first probe leaves at once.
    finding.same("it is dead at", seconds(millis(lived)), "3615 s".into());
    let (lived, _) = lab.death(default)?;
    finding.same("the other at", seconds(millis(lived)), "7875 s".into());
    finding.keep(&lab);
    Ok(())
}
