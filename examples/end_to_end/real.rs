//! HTTP over a real TUN: the kernel's TCP against ours, both ways round.

use crate::{Outcome, http};
use longhaul::net::{Namespace, Net};
use std::net::SocketAddr;
use std::time::Duration;

/// Long enough for any machine; nothing here takes more than milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Requests on each persistent connection.
const PATHS: [&str; 3] = ["/a", "/b", "/c"];

/// Our stack serves, the kernel's TCP (`std::net` in the namespace, and curl) fetches.
pub(crate) fn requests_to_us(net: &Net) -> Outcome {
    println!("\nThe kernel asks, our stack answers");
    let address = SocketAddr::from(([10, 0, 0, 2], 80));
    let listener = net.listen(address)?;
    let peer = namespace(net)?;
    let has_curl = peer.command("curl").arg("--version").output().is_ok_and(|output| output.status.success());
    let clients = if has_curl { 2 } else { 1 };
    std::thread::scope(|scope| -> Outcome {
        let server = scope.spawn(move || {
            (0..clients).map(|_| listener.accept().and_then(|(stream, _)| http::serve(stream))).collect::<Vec<_>>()
        });
        let stream = peer.tcp_stream(address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let bodies = http::fetch(stream, &PATHS)?;
        expect(&bodies, ["GET /a number 1", "GET /b number 2", "GET /c number 3"])?;
        println!("   std::net: {} requests on one connection: {bodies:?}", bodies.len());
        if has_curl {
            ask_with_curl(peer)?;
        } else {
            println!("   curl: not installed here, so left out");
        }
        for answered in server.join().map_err(|_| "the server panicked")? {
            answered?;
        }
        Ok(())
    })
}

/// curl reports how many connections it opened for each request: 1, then 0.
fn ask_with_curl(peer: &Namespace) -> Outcome {
    let output = peer
        .command("curl")
        .args(["-sS", "--max-time", "5", "-w", "%{http_code} %{num_connects}\n"])
        .args(["http://10.0.0.2/x", "http://10.0.0.2/y"])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    expect(&lines, ["GET /x number 1", "200 1", "GET /y number 2", "200 0"])?;
    println!("   curl: two requests, the second opened no connection: {lines:?}");
    Ok(())
}

/// The kernel's TCP serves, our stack fetches.
pub(crate) fn requests_from_us(net: &Net) -> Outcome {
    println!("\nOur stack asks, the kernel answers");
    let address = SocketAddr::from(([10, 0, 0, 1], 8080));
    let listener = namespace(net)?.tcp_listener(address)?;
    std::thread::scope(|scope| -> Outcome {
        let server = scope.spawn(move || listener.accept().and_then(|(stream, _)| http::serve(stream)));
        let stream = net.connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let bodies = http::fetch(&stream, &PATHS)?;
        expect(&bodies, ["GET /a number 1", "GET /b number 2", "GET /c number 3"])?;
        println!("   {} requests on one connection: {bodies:?}", bodies.len());
        println!("   as `ss` would show it: {}", stream.info()?);
        drop(stream);
        server.join().map_err(|_| "the server panicked")??;
        Ok(())
    })
}

fn namespace(net: &Net) -> Result<&Namespace, &'static str> {
    net.namespace().ok_or("this net has no namespace")
}

fn expect<const N: usize>(actual: &[impl AsRef<str>], expected: [&str; N]) -> Outcome {
    if actual.iter().map(AsRef::as_ref).eq(expected) {
        return Ok(());
    }
    let actual: Vec<&str> = actual.iter().map(AsRef::as_ref).collect();
    Err(format!("expected {expected:?}, got {actual:?}").into())
}
