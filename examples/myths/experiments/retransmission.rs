//! How long data may stay unacknowledged, and how often it is sent meanwhile.

use super::lab::{Failure, Lab, Setup, black_hole_ms, instants, millis, model_ms, seconds};
use super::{Finding, Row};
use longhaul::config::Sysctl;
use longhaul::error::Cause;
use longhaul::options::Options;
use longhaul::time::Duration;

pub(super) const MYTHS: &[Row] = &[
    (
        "tcp_retries2 = 15 means exactly 15 retransmissions, and then, after 924.6 s, the end.",
        "It stands for a time: that of 16 waits, had the first been 200 ms. The clock starts at the first copy, and is \
         looked at when a wait is over; so 924.6 s is the least, and the count depends on the round trip.",
        count_or_time,
    ),
    (
        "A connection is dead when the wait between two retransmissions exceeds 924.6 s.",
        "No wait is longer than two minutes (tcp_rto_max_ms). It is the total that counts.",
        longest_wait,
    ),
    (
        "tcp_retries2 is how often sending, or connecting again, is tried.",
        "It limits unacknowledged data, as a time, and unanswered window probes, as a count. Connecting has \
         tcp_syn_retries; and a dead connection is never opened again by TCP.",
        what_retries2_limits,
    ),
    (
        "The retransmission timeout is at least 200 ms.",
        "200 ms is the least of what is added to the round trip, not of the sum.",
        least_timeout,
    ),
    (
        "Linux has an HZ of 1000 ms, and its timeouts follow from it.",
        "HZ is ticks a second. A tick only rounds: with 1000 a second, as here, 200 ms become 201, with 250 they \
         become 204. The largest wait is 120 s with either.",
        ticks,
    ),
    (
        "tcp(7): tcp_retries2 is the maximum number of retransmissions, and lasts 13 to 30 minutes.",
        "A time again: 15 min 25 s with a short round trip, and under 17 min with any timeout up to a second.",
        how_many_minutes,
    ),
    (
        "tcp(7): tcp_orphan_retries is 8 by default.",
        "It is 0, and 0 means 8 only while the timeout is below its maximum; from then on it means 0.",
        orphan_retries,
    ),
];

/// Writes into a black hole over a path with this round trip: when it died, in milliseconds, and how many copies left.
fn black_hole(finding: &mut Finding, sysctl: Sysctl, round_trip_ms: u64) -> Result<(u64, Vec<u64>), Failure> {
    let round_trip = Duration::from_millis(round_trip_ms);
    let mut lab = Lab::new(&Setup { sysctl, round_trip, ..Setup::default() })?;
    let (client, _) = lab.connect(Options::new())?;
    lab.watch(client, &format!("data unacknowledged, round trip {round_trip_ms} ms"));
    lab.sim.run_for(round_trip);
    lab.cut();
    lab.mark();
    lab.write(client, "hello")?;
    let (lived, error) = lab.death(client)?;
    finding.holds("unacknowledged data ended it", error.cause() == Some(Cause::Retransmission));
    finding.keep(&lab);
    Ok((millis(lived), lab.times(lab.a).split_off(1)))
}

/// The first timeout after one sample of this round trip (RFC 6298 2.2, with Linux's 200 ms under the variance).
fn first_rto_ms(round_trip_ms: u64) -> u64 {
    if round_trip_ms == 0 { 201 } else { round_trip_ms + (2 * round_trip_ms).max(200) }
}

fn count_or_time(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("5 bytes into a black hole, Linux's defaults without SACK, four round trips");
    finding.same("what tcp_retries2 = 15 stands for", seconds(model_ms(15)), "924.600 s".into());
    // 15 up to a first timeout of 401 ms, 14 up to 805, 13 up to 1624.
    for (round_trip, copies) in [(0, 15), (100, 15), (200, 14), (400, 13)] {
        let (lived, times) = black_hole(finding, Setup::default().sysctl, round_trip)?;
        let rto = first_rto_ms(round_trip);
        finding.same(&format!("first timeout {rto} ms: copies"), times.len(), copies);
        let (_, end) = black_hole_ms(rto, model_ms(15));
        finding.same(&format!("first timeout {rto} ms: dead after"), seconds(lived), seconds(end));
    }
    let (lived, times) = black_hole(finding, Sysctl::LINUX, 0)?;
    finding.same("with SACK, and so a tail loss probe: copies", times.len(), 16);
    finding.same("with SACK: dead after", seconds(lived), "925.824 s".into());
    Ok(())
}

fn longest_wait(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("5 bytes into a black hole, Linux's defaults without SACK");
    let (lived, times) = black_hole(finding, Setup::default().sysctl, 0)?;
    finding.seen(format!("sent again at {}", instants(&times)));
    let waits = times.windows(2).map(|pair| pair[1] - pair[0]).chain(times.last().map(|last| lived - last));
    finding.same("longest wait", seconds(waits.max().unwrap_or(0)), "120 s".into());
    finding.same("dead after", seconds(lived), "925.623 s".into());
    let first = times.first().copied().unwrap_or(0);
    finding.same("since the first copy", seconds(lived - first), "925.422 s".into());
    Ok(())
}

fn what_retries2_limits(finding: &mut Finding) -> Result<(), Failure> {
    let sysctl = || Sysctl { tcp_retries2: 3, ..Setup::default().sysctl };
    finding.run("tcp_retries2 = 3: a connect into silence, data into a black hole, data for a closed window");
    let mut lab = Lab::new(&Setup { sysctl: sysctl(), ..Setup::default() })?;
    lab.cut();
    let client = lab.call(Options::new())?;
    let (lived, _) = lab.death(client)?;
    finding.same("connect gives up after", seconds(millis(lived)), "131 s".into());

    let (lived, times) = black_hole(finding, sysctl(), 0)?;
    finding.same("data: copies at", instants(&times), "0.201 0.603 1.407 3.015 s".into());
    finding.same("data: dead after", seconds(lived), "6.231 s".into());

    let server = Options::new().with_recv_buffer_size(2304);
    let mut lab = Lab::new(&Setup { sysctl: sysctl(), server, ..Setup::default() })?;
    let (client, _) = lab.connect(Options::new())?;
    fill(&mut lab, client)?;
    // The answer to the first probe arrives.
    lab.sim.run_for(Duration::from_millis(1));
    lab.cut();
    lab.mark();
    let (lived, error) = lab.death(client)?;
    let probes = lab.times(lab.a).len();
    finding.same("closed window: probes", probes, 3);
    finding.holds("unanswered probes ended it", error.cause() == Some(Cause::ZeroWindow));
    finding.seen(format!("closed window: dead {} after the last answer", seconds(millis(lived))));
    lab.sim.run_for(Duration::from_secs(100_000));
    finding.same("sent by TCP in the day after", lab.times(lab.a).len() - probes, 0);
    Ok(())
}

/// Writes more than the peer takes, and waits until its window is closed and probed.
pub(super) fn fill(lab: &mut Lab, (host, id): super::lab::End) -> Result<(), Failure> {
    let now = lab.sim.now();
    lab.sim.stack(host).conn(id).ok_or("gone")?.send(now, vec![7; 20_000].into())?;
    let probed = |sim: &mut longhaul::sim::Sim| sim.stack(host).stats().window_probes > 0;
    if lab.sim.run_until(probed, Duration::from_secs(60)) { Ok(()) } else { Err("the window never closed".into()) }
}

fn least_timeout(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("the timeout after the handshake, and after 60 more round trips");
    // After the first sample m: m + max(2m, 200). Later the variance falls to its floor.
    for (round_trip, first, later) in [(0, 201, 201), (20, 220, 220), (100, 300, 300), (300, 900, 500)] {
        let mut lab = Lab::new(&Setup { round_trip: Duration::from_millis(round_trip), ..Setup::default() })?;
        let (client, server) = lab.connect(Options::new())?;
        let mut timeouts = [0; 2];
        for (samples, timeout) in [1, 60].into_iter().zip(&mut timeouts) {
            for _ in 1..samples {
                lab.write(client, "ping")?;
                // The peer's ACK may be delayed: it reads and answers at once.
                lab.sim.run_for(Duration::from_millis(round_trip / 2 + 1));
                lab.read(server)?;
                lab.write(server, "pong")?;
                lab.sim.run_for(Duration::from_secs(1));
                lab.read(client)?;
            }
            let now = lab.sim.now();
            *timeout = millis(lab.sim.stack(client.0).conn(client.1).ok_or("gone")?.info(now).rto);
        }
        finding.seen(format!("round trip {round_trip} ms: {} ms, then {} ms", timeouts[0], timeouts[1]));
        finding.holds(&format!("{first} ms after one sample of {round_trip} ms"), timeouts[0] == first);
        // A request waits here for its answer up to a millisecond longer than the path takes.
        finding.holds(&format!("{later} ms in the end"), (later..=later + 2).contains(&timeouts[1]));
        finding.keep(&lab);
    }
    Ok(())
}

fn ticks(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("5 bytes into a black hole, with ticks of 1 ms");
    let (_, times) = black_hole(finding, Setup::default().sysctl, 0)?;
    let waits: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    finding.same("first wait, in ms", times.first().copied().unwrap_or(0), 201);
    finding.same("longest wait, in ms", waits.iter().copied().max().unwrap_or(0), 120_000);
    Ok(())
}

fn how_many_minutes(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("5 bytes into a black hole, tcp_retries2 = 15 and 8");
    for (round_trip, retries2, copies) in [(0, 15, 15), (333, 15, 13), (0, 8, 8), (333, 8, 6)] {
        let sysctl = Sysctl { tcp_retries2: retries2, ..Setup::default().sysctl };
        let (lived, times) = black_hole(finding, sysctl, round_trip)?;
        let rto = first_rto_ms(round_trip);
        let (_, end) = black_hole_ms(rto, model_ms(u32::from(retries2)));
        let name = format!("tcp_retries2 = {retries2}, first timeout {rto} ms");
        finding.same(&format!("{name}: copies"), times.len(), copies);
        finding.same(&format!("{name}: dead after"), seconds(lived), seconds(end));
        finding.holds("between 15 min 25 s and 17 min", retries2 != 15 || (925_000..1_020_000).contains(&lived));
    }
    Ok(())
}

fn orphan_retries(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("close() into a black hole: tcp_orphan_retries = 0, then 0 and 8 with tcp_rto_max_ms = 1000");
    for (orphan_retries, rto_max_ms, copies, end) in
        [(0, 120_000, 8, 102_711), (0, 1000, 3, 2_407), (8, 1000, 9, 8_407)]
    {
        let sysctl =
            Sysctl { tcp_orphan_retries: orphan_retries, tcp_rto_max_ms: rto_max_ms, ..Setup::default().sysctl };
        let mut lab = Lab::new(&Setup { sysctl, ..Setup::default() })?;
        let (client, _) = lab.connect(Options::new())?;
        lab.watch(client, &format!("closed, tcp_orphan_retries {orphan_retries}, tcp_rto_max_ms {rto_max_ms}"));
        lab.cut();
        lab.close(client)?;
        let lived = lab.forgotten(lab.a)?;
        let name = format!("{orphan_retries}, timeout up to {}", seconds(u64::from(rto_max_ms)));
        finding.same(&format!("{name}: copies of the FIN"), lab.times(lab.a).len() - 1, copies);
        finding.same(&format!("{name}: forgotten after"), seconds(millis(lived)), seconds(end));
        finding.keep(&lab);
    }
    Ok(())
}
