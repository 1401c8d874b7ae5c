//! The same story between two of our stacks, for machines that forbid namespaces.

use crate::virtual_time::{Pair, promise};
use crate::{Outcome, http};
use longhaul::http::Response;
use longhaul::http::server::{Config, Event, Output, Server};
use longhaul::options::{Options, TcpKeepalive};
use longhaul::sim::HostId;
use longhaul::stack::ConnId;
use longhaul::time::Duration;
use std::path::Path;

const SECOND: Duration = Duration::from_secs(1);

/// Requests and answers on one persistent connection. Leaves a capture.
pub(crate) fn conversation(capture: &Path) -> Outcome {
    println!("\nRequests on one persistent connection, in the simulator");
    let mut wire = Pair::connect(Options::new())?;
    let (a, b, client, server) = (wire.a, wire.b, wire.client, wire.server);
    let mut responder = Server::new(wire.sim.now(), Config::DEFAULT);
    for number in 1..=3 {
        let request = carry(&mut wire, (a, client), (b, server), "GET / HTTP/1.1\r\nHost: b\r\n\r\n".into())?;
        let now = wire.sim.now();
        let _none = responder.handle_input(now, request.into());
        let request = std::iter::from_fn(|| responder.poll_event(now)).find_map(|event| match event {
            Event::Request { id, head } => Some((id, head)),
            _ => None,
        });
        let (id, head) = request.ok_or("no request")?;
        let body = format!("{} {} number {number}", head.method.as_str(), head.target());
        responder.respond(now, id, Response::new(200)?.with_body(body.clone()))?;
        let mut answer = Vec::new();
        while let Some(Output::Data(data)) = responder.poll_output(now) {
            answer.extend_from_slice(&data);
        }
        let answer = carry(&mut wire, (b, server), (a, client), String::from_utf8(answer)?)?;
        let (response, arrived) = http::response(&mut answer.into())?.ok_or("an incomplete answer")?;
        if response.status != 200 || arrived != body.as_bytes() {
            return Err("the answer is not the one that was sent".into());
        }
        println!("   {body}");
    }
    std::fs::write(capture, wire.sim.pcapng())?;
    Ok(())
}

/// Writes at one end and reads at the other.
fn carry(
    wire: &mut Pair,
    from: (HostId, ConnId),
    to: (HostId, ConnId),
    text: String,
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let now = wire.sim.now();
    wire.sim.stack(from.0).conn(from.1).ok_or("the sender is gone")?.send(now, text.into())?;
    wire.sim.run_for(Duration::from_millis(50));
    let now = wire.sim.now();
    let received = wire.sim.stack(to.0).conn(to.1).ok_or("the receiver is gone")?.receive(now)?;
    Ok(received.ok_or("closed instead of data")?.to_vec())
}

/// The two deaths that the real wire would have shown.
pub(crate) fn on_a_cut_wire() -> Outcome {
    println!("\nThe wire is cut, in the simulator");
    let options = Options::new().with_tcp_user_timeout(Some(3 * SECOND))?;
    println!("   data in flight, TCP_USER_TIMEOUT 3 s (counted from the first retransmission):");
    die(options, Some("SET k v\r\n"), 3 * SECOND + Duration::from_millis(201))?;
    let keepalive = TcpKeepalive::new().with_time(SECOND).with_interval(SECOND).with_retries(3);
    println!("   idle, keepalive 1 s, every 1 s, 3 times:");
    die(Options::new().with_keepalive(true).with_tcp_keepalive(&keepalive)?, None, 4 * SECOND)
}

fn die(options: Options, data: Option<&'static str>, model: Duration) -> Outcome {
    let mut wire = Pair::connect(options)?;
    let before = wire.sim.trace().len();
    let (lived, cause) = wire.until_death(data)?;
    for line in &wire.sim.trace()[before..] {
        println!("      {}", line.trim_start());
    }
    println!("      dead after {lived:.3?}: {cause}");
    promise(lived, model, &cause)
}
