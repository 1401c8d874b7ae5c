//! A hundred short connections, and what they leave behind.

use crate::common::{Files, Outcome, say, tell};
use crate::lab::{End, Failure, Lab, Setup, promised};
use longhaul::options::Options;
use longhaul::time::Duration;

/// Connections of a burst.
const BURST: usize = 100;
const MS: Duration = Duration::from_millis(1);

/// Who ends a connection, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ender {
    Client,
    Server,
    /// With `SO_LINGER` 0.
    ServerResets,
}

pub(crate) fn story(files: &mut Files) -> Outcome {
    say(format!("{BURST} connections, a request and an answer each: TIME-WAITs after the last"));
    say("                                     client  server  the client's last read");
    for (ender, words, client, server, last) in [
        (Ender::Client, "the client closes first", BURST, 0, "the answer"),
        (Ender::Server, "the server closes first", 0, BURST, "the end of the stream"),
        (Ender::ServerResets, "the server resets (SO_LINGER 0)", 0, 0, "ECONNRESET"),
    ] {
        let mut lab = Lab::new(&Setup::default())?;
        let mut read = String::new();
        for _ in 0..BURST {
            read = short(&mut lab, ender)?;
        }
        let (a, b) = (lab.a, lab.b);
        let left = [lab.sim.stack(a).time_wait_len(), lab.sim.stack(b).time_wait_len()];
        promised(words, format!("{left:?} {read}"), format!("{:?} {last}", [client, server]))?;
        say(format!("  {words:<33} {:>7} {:>7}  {read}", left[0], left[1]));
        files.add_capture(&lab.sim.pcapng())?;
    }
    let mut lab = Lab::new(&Setup::default())?;
    let (client, server) = lab.connect(Options::new())?;
    for _ in 0..BURST {
        request(&mut lab, client, server)?;
    }
    lab.close(client)?;
    lab.close(server)?;
    lab.sim.run_for(MS);
    let a = lab.a;
    let left = promised("one persistent connection", lab.sim.stack(a).time_wait_len(), 1)?;
    say(format!("  {:<33} {left:>7} {:>7}  the answer", "one connection for all requests", 0));
    tell(
        "A reset saves the block, and loses the certainty that the answer was read. A persistent connection saves \
         ninety-nine of a hundred; and where clients close first, each keeps its own.",
    );
    say("");
    Ok(())
}

/// A connection with one request, ended. Says what the client's last read said.
fn short(lab: &mut Lab, ender: Ender) -> Result<String, Failure> {
    let (client, server) = lab.connect(Options::new())?;
    request(lab, client, server)?;
    match ender {
        Ender::Client => {
            lab.close(client)?;
            lab.sim.run_for(MS);
            lab.close(server)?;
            lab.sim.run_for(MS);
            return Ok("the answer".into());
        }
        Ender::Server => lab.close(server)?,
        Ender::ServerResets => {
            let (now, (host, id)) = (lab.sim.now(), server);
            let mut conn = lab.sim.stack(host).conn(id).ok_or("gone")?;
            conn.set_linger(now, Some(Duration::ZERO));
            conn.close(now);
        }
    }
    lab.sim.run_for(MS);
    let (now, (host, id)) = (lab.sim.now(), client);
    let last = match lab.sim.stack(host).conn(id).ok_or("gone")?.receive(now) {
        Ok(None) => "the end of the stream".into(),
        Ok(Some(_)) => "more data".into(),
        Err(error) => format!("{:?}", error.errno()),
    };
    lab.close(client)?;
    lab.sim.run_for(MS);
    Ok(last)
}

fn request(lab: &mut Lab, client: End, server: End) -> Outcome {
    for (from, to, words) in [(client, server, "question"), (server, client, "answer")] {
        lab.write(from, words)?;
        lab.sim.run_for(MS);
        promised("what arrived", lab.read(to)?.len(), words.len())?;
    }
    Ok(())
}
