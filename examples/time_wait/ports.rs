//! A client with twenty ports, and the error that comes of closing first.

use crate::common::{Outcome, say, tell};
use crate::lab::{Failure, Lab, SECOND, Setup, promised};
use longhaul::config::Sysctl;
use longhaul::options::Options;
use longhaul::stack::ConnectError;
use longhaul::time::Duration;

/// `ip_local_port_range`.
const RANGE: [u16; 2] = [40_000, 40_019];
const PORTS: usize = 20;

pub(crate) fn story() -> Outcome {
    say(format!(
        "A client with {PORTS} ports (ip_local_port_range {} {}) connects, and closes first",
        RANGE[0], RANGE[1]
    ));
    say("                                     connections before EADDRNOTAVAIL   and 2 s later   and after 60 s");
    for (tcp_tw_reuse, words, later) in [
        (0, "tcp_tw_reuse = 0, never", 0),
        (1, "tcp_tw_reuse = 1, always", PORTS),
        (2, "tcp_tw_reuse = 2, loopback (default)", 0),
    ] {
        let sysctl = Sysctl { tcp_tw_reuse, ip_local_port_range: RANGE, ..Setup::default().sysctl };
        let mut lab = Lab::new(&Setup { sysctl, ..Setup::default() })?;
        let first = promised(words, until_exhausted(&mut lab)?, PORTS)?;
        lab.sim.run_for(2 * SECOND);
        let second = promised(words, until_exhausted(&mut lab)?, later)?;
        lab.sim.run_for(60 * SECOND);
        let third = promised(words, until_exhausted(&mut lab)?, PORTS)?;
        say(format!("  {words:<38} {first:>7} {second:>26} {third:>16}"));
    }
    tell(
        "A block may be reused a second after it was made (tcp_tw_reuse_delay), for the timestamps tell old segments \
         from new ones. Ports are counted for each destination: another server's address would be reached at once.",
    );
    say("");
    Ok(())
}

/// Connects and closes until no port is left, or all were had; how often that went well.
fn until_exhausted(lab: &mut Lab) -> Result<usize, Failure> {
    for count in 0..PORTS {
        let now = lab.sim.now();
        let a = lab.a;
        match lab.sim.stack(a).connect(now, None, crate::lab::SERVER, Options::new()) {
            Ok(id) => {
                finish(lab, (a, id))?;
            }
            Err(ConnectError::PortsExhausted) => return Ok(count),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(PORTS)
}

fn finish(lab: &mut Lab, client: crate::lab::End) -> Outcome {
    let (b, listener) = (lab.b, lab.listener);
    lab.sim.run_for(Duration::from_millis(1));
    let server = lab.sim.stack(b).accept(listener).ok_or("nobody came")?;
    lab.close(client)?;
    lab.sim.run_for(Duration::from_millis(1));
    lab.close((b, server))?;
    lab.sim.run_for(Duration::from_millis(1));
    Ok(())
}
