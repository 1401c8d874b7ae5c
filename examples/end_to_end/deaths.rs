//! The wire is cut under two connections, and each dies when its rule says so.

use crate::Outcome;
use longhaul::net::{Net, TcpStream};
use longhaul::options::TcpKeepalive;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// What a busy machine may add to a deadline before this example calls it broken.
const LATENESS: Duration = Duration::from_secs(2);

/// Both at once, since they share the wire.
pub(crate) fn on_a_cut_wire(net: &Net) -> Outcome {
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
    print_journal(&busy)?;
    promise(net.now().since(cut), 3 * SECOND + Duration::from_millis(201), &error, "user timeout")?;

    let error = wait_for_death(&idle)?;
    println!("   idle, keepalive 1 s, every 1 s, 3 times:");
    let journal = print_journal(&idle)?;
    promise(net.now().since(begun), 4 * SECOND, &error, "keepalive")?;
    if !journal.contains("probe 3 of 3") || !journal.ends_with("a reset tells the peer") {
        return Err("three probes and a reset were promised".into());
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

/// What the connection has to tell of its life, from the handshake on.
fn print_journal(stream: &TcpStream) -> Result<String, Box<dyn std::error::Error>> {
    let journal = stream.journal()?.ok_or("every connection of this net keeps a journal")?;
    for line in journal.lines() {
        println!("      {line}");
    }
    Ok(journal)
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
