//! How connections end, and what stays behind.

use super::lab::{Failure, Lab, SECOND, Setup, millis};
use super::{Finding, Row};
use longhaul::config::Sysctl;
use longhaul::options::Options;
use longhaul::time::Duration;

pub(super) const MYTHS: &[Row] = &[
    (
        "TIME-WAIT lasts two maximum segment lifetimes, and tcp_fin_timeout sets it.",
        "60 s, fixed. tcp_fin_timeout is how long an orphan waits in FIN-WAIT-2 for the peer's FIN, which is another \
         state, and happens to be 60 s by default as well.",
        time_wait,
    ),
    (
        "When a process crashes, its kernel sends FIN.",
        "FIN if everything received had been read. If anything was left unread: RST.",
        crash,
    ),
];

fn time_wait(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("tcp_fin_timeout = 60 and 5; one side closes, and the other does or does not");
    for fin_timeout in [60, 5] {
        for peer_closes in [true, false] {
            let sysctl = Sysctl { tcp_fin_timeout: fin_timeout, ..Setup::default().sysctl };
            let mut lab = Lab::new(&Setup { sysctl, ..Setup::default() })?;
            let (client, server) = lab.connect(Options::new())?;
            let state = if peer_closes { "TIME-WAIT" } else { "FIN-WAIT-2" };
            lab.watch(client, &format!("{state}, tcp_fin_timeout {fin_timeout} s"));
            lab.close(client)?;
            if peer_closes {
                lab.close(server)?;
            } else {
                lab.run_to(SECOND);
            }
            let lived = lab.forgotten(lab.a)?;
            let documented = if peer_closes { 60 } else { u64::from(fin_timeout) };
            let (whole, rest) = (millis(lived) / 1000, millis(lived) % 1000);
            let name = format!("tcp_fin_timeout = {fin_timeout}: {state} lasts, in seconds");
            finding.same(&name, whole, documented);
            // Until the peer's ACK of our FIN the connection is in FIN-WAIT-1.
            finding.holds("to a few milliseconds", rest < 50);
            finding.keep(&lab);
        }
    }
    Ok(())
}

fn crash(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("the kernel closes the dead process's socket: everything was read, or 5 bytes were not");
    for (unread, flags) in [(false, "F."), (true, "R.")] {
        let mut lab = Lab::new(&Setup::default())?;
        let (client, server) = lab.connect(Options::new())?;
        lab.write(server, "hello")?;
        lab.sim.run_for(SECOND);
        if !unread {
            lab.read(client)?;
        }
        lab.mark();
        lab.close(client)?;
        lab.sim.run_for(SECOND);
        let first = lab.sent_by(lab.a).first().map(|sent| sent.flags.to_string()).unwrap_or_default();
        let what = if unread { "with unread data it sends" } else { "with nothing unread it sends" };
        finding.same(what, first, flags.into());
        let alive = lab.is_established(server);
        finding.holds("the peer knows", !alive);
        let (_, id) = server;
        let error = lab.sim.stack(server.0).conn(id).and_then(|mut conn| conn.take_error());
        let errno = error.map_or("none".into(), |error| format!("{:?}", error.errno()));
        let documented = if unread { "ECONNRESET" } else { "none" };
        finding.same("the peer's error", errno, documented.into());
        finding.keep(&lab);
    }
    let mut lab = Lab::new(&Setup::default())?;
    let (client, server) = lab.connect(Options::new().with_linger(Some(Duration::ZERO)))?;
    lab.close(client)?;
    lab.sim.run_for(SECOND);
    finding.run("an orderly close() with SO_LINGER 0, which is no crash");
    let first = lab.sent_by(lab.a).first().map(|sent| sent.flags.to_string()).unwrap_or_default();
    finding.same("it sends", first, "R.".into());
    finding.holds("the peer knows that, too", !lab.is_established(server));
    Ok(())
}
