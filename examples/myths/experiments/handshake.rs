//! How often a SYN is sent, and what has no say in it.

use super::lab::{Failure, Lab, Setup, black_hole_ms, instants, millis, model_ms, seconds};
use super::{Finding, Row};
use longhaul::config::Sysctl;
use longhaul::error::Cause;
use longhaul::options::Options;

pub(super) const MYTHS: &[Row] = &[
    (
        "tcp_retries1 is the number of SYN retries.",
        "tcp_syn_retries is. tcp_retries1 makes the kernel doubt its route after 3.0 s of retransmitting; on the wire \
         nothing shows it.",
        retries1,
    ),
    (
        "tcp_syn_retries = 4 gives up after 31 s.",
        "After 35 s since Linux 6.5: the first four retries are a second apart (tcp_syn_linear_timeouts).",
        four_retries,
    ),
    (
        "tcp(7): tcp_syn_retries may be up to 255; its default makes connect() wait 127 s.",
        "1 to 127. Its default of 6 makes 131 s since Linux 6.5, and 127 s only without linear timeouts.",
        default_retries,
    ),
];

/// Connects into silence: when SYNs left, and when it gave up, in milliseconds.
fn silence(finding: &mut Finding, sysctl: Sysctl, label: &str) -> Result<(Vec<u64>, u64), Failure> {
    let mut lab = Lab::new(&Setup { sysctl, ..Setup::default() })?;
    lab.cut();
    let client = lab.call(Options::new())?;
    lab.watch(client, label);
    let (lived, error) = lab.death(client)?;
    finding.holds("the handshake ended it", error.cause() == Some(Cause::Handshake));
    finding.keep(&lab);
    Ok((lab.times(lab.a), millis(lived)))
}

fn syns(seconds: &[u64]) -> String {
    instants(&seconds.iter().map(|second| second * 1000).collect::<Vec<_>>())
}

fn retries1(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("connect() into silence with tcp_retries1 = 0, 3 and 15, then with tcp_syn_retries = 2");
    for tcp_retries1 in [0, 3, 15] {
        let sysctl = Sysctl { tcp_retries1, ..Sysctl::LINUX };
        let (times, lived) = silence(finding, sysctl, &format!("connect, tcp_retries1 {tcp_retries1}"))?;
        let all = syns(&[0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67]);
        finding.same(&format!("tcp_retries1 = {tcp_retries1}: SYNs at"), instants(&times), all);
        finding.same("given up after", seconds(lived), "131 s".into());
    }
    let sysctl = Sysctl { tcp_syn_retries: 2, ..Sysctl::LINUX };
    let (times, lived) = silence(finding, sysctl, "connect, tcp_syn_retries 2")?;
    finding.same("tcp_syn_retries = 2: SYNs at", instants(&times), syns(&[0, 1, 2, 3, 4, 5]));
    finding.same("given up after", seconds(lived), "7 s".into());

    finding.run("data into a black hole with tcp_retries1 = 0 and 15");
    let (copies, _) = black_hole_ms(201, model_ms(15));
    let documented: Vec<u64> = std::iter::once(0).chain(copies).collect();
    for tcp_retries1 in [0, 15] {
        let sysctl = Sysctl { tcp_retries1, ..Setup::default().sysctl };
        let mut lab = Lab::new(&Setup { sysctl, ..Setup::default() })?;
        let (client, _) = lab.connect(Options::new())?;
        lab.cut();
        lab.write(client, "hello")?;
        lab.death(client)?;
        let name = format!("tcp_retries1 = {tcp_retries1}: sent at");
        finding.same(&name, instants(&lab.times(lab.a)), instants(&documented));
    }
    Ok(())
}

fn four_retries(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("connect() into silence, tcp_syn_retries = 4, with 4 linear timeouts (the default) and with 0");
    for (linear, times, lived) in [(4, &[0, 1, 2, 3, 4, 5, 7, 11, 19][..], 35), (0, &[0, 1, 3, 7, 15], 31)] {
        let sysctl = Sysctl { tcp_syn_retries: 4, tcp_syn_linear_timeouts: linear, ..Sysctl::LINUX };
        let (sent, died) = silence(finding, sysctl, &format!("connect, 4 retries, {linear} linear timeouts"))?;
        finding.same(&format!("{linear} linear: SYNs at"), instants(&sent), syns(times));
        finding.same("given up after", seconds(died), seconds(lived * 1000));
    }
    Ok(())
}

fn default_retries(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("sysctl tcp_syn_retries = 255, 128, 127; then connect() into silence with the default");
    let accepted = |value: &str| match Sysctl::default().set("tcp_syn_retries", value) {
        Ok(()) => "taken",
        Err(_) => "EINVAL",
    };
    finding.same("255, 128, 127", ["255", "128", "127"].map(accepted).join(" "), "EINVAL EINVAL taken".into());
    for (linear, lived) in [(4, 131), (0, 127)] {
        let sysctl = Sysctl { tcp_syn_linear_timeouts: linear, ..Sysctl::LINUX };
        let (_, died) = silence(finding, sysctl, &format!("connect, default retries, {linear} linear"))?;
        finding.same(&format!("{linear} linear timeouts: given up after"), seconds(died), seconds(lived * 1000));
    }
    Ok(())
}
