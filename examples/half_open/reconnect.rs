//! The client lost its memory, comes back from the same port, and the server still has the old connection.

use crate::ROUND_TRIP;
use crate::common::pair::{Pair, SERVER};
use crate::common::{Files, Outcome, say, tell};
use longhaul::config::Sysctl;
use longhaul::options::Options;
use longhaul::stack::Stack;
use longhaul::tcp::State;
use longhaul::time::Duration;
use longhaul::timeline::in_words;

pub(crate) fn story(files: &mut Files) -> Outcome {
    let mut pair = Pair::connect(1, Sysctl { tcp_timestamps: 2, ..Sysctl::LINUX }, ROUND_TRIP, Options::new())?;
    let (a, b, server) = (pair.a, pair.b, pair.server);
    let port = pair.conn()?.flow().local;
    pair.sim.run_for(Duration::from_secs(1));
    let before = pair.sim.trace().len();

    // The client's machine starts anew, and its program binds the port that it always binds.
    let now = pair.now();
    let mut config = pair.sim.stack(a).config().clone();
    config.secret[0] ^= 1;
    *pair.sim.stack(a) = Stack::new(now, config);
    let client = pair.sim.stack(a).connect(now, Some(port), SERVER, Options::new())?;
    let connected =
        |sim: &mut longhaul::sim::Sim| sim.stack(a).conn(client).is_some_and(|conn| conn.state() == State::Established);
    if !pair.sim.run_until(connected, Duration::from_secs(10)) {
        return Err("the client never came back".into());
    }
    let took = pair.now().since(now);
    let at = pair.now();
    let error = pair.sim.stack(b).conn(server).and_then(|mut conn| conn.read(at, &mut [0; 64]).err());
    let error = error.ok_or("the server's old connection survived")?;
    let again = pair.sim.stack(b).accept(pair.listener);
    pair.sim.run_for(ROUND_TRIP);
    let accepted = again.or_else(|| pair.sim.stack(b).accept(pair.listener)).is_some();

    say(format!("The client (a) forgot everything and connects again from port {}", port.port()));
    for line in &pair.sim.trace()[before..] {
        say(line);
    }
    say("\nWhat was seen");
    tell(format!(
        "The server takes the SYN for a forgery (RFC 5961) and answers with an ACK of what it knows, which the client \
         does not: reset. Now the server's read says {:?}, and the client's second SYN, hurried by that, begins a new \
         connection, which is there after {}.",
        error.errno(),
        in_words(took)
    ));
    files.add_capture(&pair.sim.pcapng())?;
    if accepted { Ok(()) } else { Err("the new connection was not accepted".into()) }
}
