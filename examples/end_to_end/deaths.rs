//! The wire is cut under two connections, and each dies when its rule says so.

use crate::Outcome;
use longhaul::net::{Direction, Net, Seen, TcpStream};
use longhaul::options::TcpKeepalive;
use longhaul::time::Instant;
use longhaul::wire::{self, Packet};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Every segment of ours that a cut wire swallowed: (when, our port, what).
#[derive(Clone, Default)]
pub(crate) struct Timeline(Arc<Mutex<Vec<(Instant, u16, String)>>>);

impl Timeline {
    /// What writes it down.
    pub(crate) fn observer(&self) -> impl FnMut(&Seen<'_>) + Send + 'static {
        let lines = Arc::clone(&self.0);
        move |seen| {
            if seen.direction != Direction::Outbound || !seen.lost {
                return;
            }
            let Ok(Packet::Tcp { flow, segment, .. }) = wire::parse(seen.packet) else { return };
            let what = format!("{:<2} {:>3} bytes", segment.header.flags.to_string(), segment.payload.len());
            // Read from the packet, the flow is the receiver's: the remote end is ours.
            lines.lock().unwrap_or_else(PoisonError::into_inner).push((seen.at, flow.remote.port(), what));
        }
    }

    fn of(&self, port: u16) -> Vec<(Instant, String)> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|line| line.1 == port).map(|line| (line.0, line.2.clone())).collect()
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// What a busy machine may add to a deadline before this example calls it broken.
const LATENESS: Duration = Duration::from_secs(2);

/// Both at once, since they share the wire.
pub(crate) fn on_a_cut_wire(net: &Net, timeline: &Timeline) -> Outcome {
    let address = SocketAddr::from(([10, 0, 0, 1], 9));
    let listener = net.namespace().ok_or("this net has no namespace")?.tcp_listener(address)?;
    let idle = net.connect_timeout(&address, 5 * SECOND)?;
    let busy = net.connect_timeout(&address, 5 * SECOND)?;
    let peers = [listener.accept()?, listener.accept()?];

    let keepalive = TcpKeepalive::new().with_time(SECOND).with_interval(SECOND).with_retries(3);
    let begun = net.now();
    idle.set_tcp_keepalive(&keepalive)?;
    busy.set_tcp_user_timeout(Some(3 * SECOND))?;
    println!("\nThe wire is cut");
    net.cut();
    let cut = net.now();
    (&busy).write_all(b"SET k v\r\n")?;

    let error = wait_for_death(&busy)?;
    println!("   data in flight, TCP_USER_TIMEOUT 3 s (counted from the first retransmission):");
    let lived = print(net, timeline, &busy, cut, &error)?;
    promise(lived, 3 * SECOND + Duration::from_millis(201), &error, "user timeout")?;

    let error = wait_for_death(&idle)?;
    println!("   idle, keepalive 1 s, every 1 s, 3 times:");
    let lived = print(net, timeline, &idle, begun, &error)?;
    promise(lived, 4 * SECOND, &error, "keepalive")?;
    let flags: Vec<String> = timeline.of(idle.local_addr()?.port()).into_iter().map(|line| line.1).collect();
    if flags.len() != 4 || !flags[3].starts_with("R.") {
        return Err(format!("three probes and a reset were promised, not {flags:?}").into());
    }
    drop(peers);
    Ok(())
}

/// Blocks in a read, as an application would.
fn wait_for_death(stream: &TcpStream) -> Result<io::Error, Box<dyn std::error::Error>> {
    stream.set_read_timeout(Some(10 * SECOND))?;
    match (&*stream).read(&mut [0; 64]) {
        Ok(_) => Err("a dead wire delivered something".into()),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(error),
        Err(error) => Err(format!("died of something else: {error}").into()),
    }
}

/// The timeline of one connection, and how long it lived, counted from `since`.
fn print(
    net: &Net,
    timeline: &Timeline,
    stream: &TcpStream,
    since: Instant,
    error: &io::Error,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let lines = timeline.of(stream.local_addr()?.port());
    for (at, what) in &lines {
        println!("      {:>6.3} s  {what}", at.since(since).as_secs_f64());
    }
    let lived = net.now().since(since);
    println!("      {:>6.3} s  dead: {error}", lived.as_secs_f64());
    Ok(lived)
}

/// Not before the model's time, and not long after it.
fn promise(lived: Duration, model: Duration, error: &io::Error, rule: &str) -> Outcome {
    if !error.to_string().contains(rule) {
        return Err(format!("{rule} was to end it, but: {error}").into());
    }
    if lived < model || lived > model + LATENESS {
        return Err(format!("{rule}: {model:?} were promised, it took {lived:?}").into());
    }
    Ok(())
}
