//! The same from the other side: whom a server sees, and what stays with it.

use super::lab::{End, Failure, Lab, SECOND, keepalive, millis, promised, seconds};
use super::{Middle, Outcome, SILENCE, idle, say, tell};
use longhaul::options::Options;

pub(super) fn story() -> Outcome {
    say("What the server sees behind the NAT");
    let (mut lab, client, server) = idle(Middle::Nat, Options::new())?;
    let ours = flow(&mut lab, client)?.local;
    let seen = flow(&mut lab, server)?.remote;
    say(format!("  the client is {ours} to itself, and {seen} to the server;"));
    lab.run_to(SILENCE);
    lab.write(client, "are you there?")?;
    let (died, _) = lab.death(client)?;
    say(format!("  {} after the handshake the client has given up, and connects again;", seconds(millis(died))));
    let again = lab.call(Options::new())?;
    lab.sim.run_for(SECOND);
    promised("the second connection", lab.is_established(again), true)?;
    lab.run_to(86_400 * SECOND);
    say("  a day later the server has both, and no reason to doubt either:");
    let b = lab.b;
    let connections: Vec<_> = lab.sim.stack(b).connections().collect();
    promised("connections of the server", connections.len(), 2)?;
    let now = lab.sim.now();
    for id in connections {
        let info = lab.sim.stack(b).conn(id).map(|mut conn| conn.info(now).to_string()).unwrap_or_default();
        say(format!("      {info}"));
    }

    for gone in [true, false] {
        let (mut lab, client, server) = idle(Middle::Nat, Options::new())?;
        set_keepalive(&mut lab, server)?;
        if gone {
            lab.lose(client)?;
        }
        let (died, error) = lab.death(server)?;
        promised("what ended it", format!("{:?}", error.errno()), "ETIMEDOUT".to_owned())?;
        promised("when", millis(died) / 1000, 630)?;
    }
    tell(
        "with keepalive 600 s, every 10 s, 3 times, on its own side, it is rid of a client that is gone after 630 s; \
         and of one that is well, too: the NAT has forgotten that by then. 600 s is too long for a limit of 300 s.",
    );
    Ok(())
}

fn flow(lab: &mut Lab, (host, id): End) -> Result<longhaul::wire::Flow, Failure> {
    Ok(lab.sim.stack(host).conn(id).ok_or("the connection is gone")?.flow())
}

fn set_keepalive(lab: &mut Lab, (host, id): End) -> Outcome {
    let (now, options) = (lab.sim.now(), keepalive(600, 10, 3)?);
    lab.sim.stack(host).conn(id).ok_or("the connection is gone")?.set_options(now, options);
    Ok(())
}
