//! `TCP_USER_TIMEOUT`: from when it counts, and what else it decides.

use super::lab::{Failure, Lab, SECOND, Setup, keepalive, millis, seconds};
use super::retransmission::fill;
use super::{Finding, Row};
use longhaul::error::Cause;
use longhaul::options::Options;
use longhaul::sim::{Tracker, Unknown};
use longhaul::time::Duration;
use longhaul::wire::IcmpKind;

pub(super) const MYTHS: &[Row] = &[
    (
        "TCP_USER_TIMEOUT = 30 s: the connection is dead 30 s after sending what is not acknowledged.",
        "30 s after the first retransmission, or the first window probe. A peer that answers each probe with a closed \
         window dies of it, too; and for keepalive it takes the place of the count.",
        from_when,
    ),
    (
        "tcp(7): with TCP_USER_TIMEOUT the connection is closed with ETIMEDOUT.",
        "If the network has said something about the last packets, such as host unreachable, then that is the error.",
        which_error,
    ),
];

fn limited(seconds: u64) -> Result<Options, Failure> {
    Ok(Options::new().with_tcp_user_timeout(Some(Duration::from_secs(seconds)))?)
}

fn from_when(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("TCP_USER_TIMEOUT 30 s, timeout 201 ms: data in flight, a closed window, idle with keepalive");
    let mut lab = Lab::new(&Setup::default())?;
    let (client, _) = lab.connect(limited(30)?)?;
    lab.watch(client, "data unacknowledged, user timeout 30 s");
    lab.cut();
    lab.write(client, "hello")?;
    let (lived, error) = lab.death(client)?;
    finding.same("data in flight: dead after", seconds(millis(lived)), "30.201 s".into());
    finding.holds("the user timeout ended it", error.cause() == Some(Cause::UserTimeout));
    finding.keep(&lab);

    let mut lab = Lab::new(&Setup { server: Options::new().with_recv_buffer_size(2304), ..Setup::default() })?;
    let (client, _) = lab.connect(limited(30)?)?;
    lab.watch(client, "window closed and answered, user timeout 30 s");
    fill(&mut lab, client)?;
    lab.mark();
    let (lived, error) = lab.death(client)?;
    finding.seen(format!("closed window: the peer sent {} answers", lab.sent_by(lab.b).len()));
    finding.same("closed window: dead after the first probe", seconds(millis(lived)), "30 s".into());
    finding.holds("it was answered", lab.sent_by(lab.b).len() >= 5);
    finding.holds("the user timeout ended it, too", error.cause() == Some(Cause::UserTimeout));
    finding.keep(&lab);

    // By their counts: 10 + 2 * 5 = 20 s, and 7200 + 9 * 75 = 7875 s.
    for (idle, interval, probes, end) in [(10, 5, 2, 30), (7200, 75, 9, 7275)] {
        let mut lab = Lab::new(&Setup::default())?;
        let options = keepalive(idle, interval, probes)?.with_tcp_user_timeout(Some(30 * SECOND))?;
        let (client, _) = lab.connect(options)?;
        lab.cut();
        let (lived, _) = lab.death(client)?;
        let name = format!("keepalive {idle} s, every {interval} s, {probes} times: dead after");
        finding.same(&name, seconds(millis(lived)), seconds(end * 1000));
    }
    Ok(())
}

fn which_error(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("TCP_USER_TIMEOUT 10 s; a firewall forgets the connection, and reports each segment as unreachable");
    // Each report takes a doubling back (RFC 6069), so the copies are 201 ms apart: the 51st wait is the first to end
    // when 10 s have passed since the first copy.
    for (unknown, errno, end) in
        [(Unknown::Drop, "ETIMEDOUT", 10_201), (Unknown::Icmp(IcmpKind::V4Unreachable(1)), "EHOSTUNREACH", 51 * 201)]
    {
        let mut lab = Lab::new(&Setup::default())?;
        let (a, b) = (lab.a, lab.b);
        let firewall = lab.sim.place(a, b, Tracker::firewall().with_unknown(unknown));
        let (client, _) = lab.connect(limited(10)?)?;
        lab.watch(client, &format!("data unacknowledged, the network says {errno}"));
        lab.sim.middlebox_mut::<Tracker>(firewall).flush();
        lab.write(client, "hello")?;
        let (lived, error) = lab.death(client)?;
        finding.same("dead after", seconds(millis(lived)), seconds(end));
        finding.same("error", format!("{:?}", error.errno()), errno.into());
        finding.keep(&lab);
    }
    Ok(())
}
