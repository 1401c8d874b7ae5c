//! The same against a real kernel: first it forgets us, then we forget it.

use crate::common::pair::keepalive;
use crate::common::tun::{KERNEL, Lab, errno_of, wait_for_death};
use crate::common::{Failure, Files, Outcome, say, tell};
use longhaul::time::Duration;
use longhaul::timeline::{Lane, Timeline, in_words};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

const LIMIT: Duration = Duration::from_secs(8);

pub(crate) fn story(files: &mut Files) -> Outcome {
    let lab = Lab::start(files)?;
    let listener = lab.kernel()?.tcp_listener(KERNEL)?;
    say("A real kernel at the far end. It forgets us ...");
    let mut timeline = Timeline::new("A real kernel lost its memory")
        .with_axis_title("time since then")
        .with_first(Duration::from_millis(1));
    timeline.push(survive(&lab, &listener, true)?);
    timeline.push(survive(&lab, &listener, false)?);
    files.show(&timeline)?;
    reconnect(&lab, &listener)
}

/// We survive, and write or probe.
fn survive(lab: &Lab, listener: &std::net::TcpListener, writes: bool) -> Result<Lane, Failure> {
    let (mut ours, theirs) = lab.connect(listener)?;
    lab.kernel_forgets(&ours, theirs)?;
    let since = lab.net.now();
    if writes {
        ours.write_all(b"SET k v\r\n")?;
    } else {
        ours.set_options(keepalive(1, 1, 3)?)?;
    }
    let error = wait_for_death(&ours, LIMIT)?;
    let end = (lab.net.now(), errno_of(&error));
    let label = if writes { "write" } else { "keepalive 1 s, 1 s, 3" };
    let lane = lab.lane(label, ours.local_addr()?, since, Some(end));
    if error.kind() != std::io::ErrorKind::ConnectionReset {
        return Err(format!("{label}: a reset was promised, not: {error}").into());
    }
    Ok(lane)
}

/// The kernel survives, and we come back from the same port.
fn reconnect(lab: &Lab, listener: &std::net::TcpListener) -> Outcome {
    let (ours, mut theirs) = lab.connect(listener)?;
    let local: SocketAddr = ours.local_addr()?;
    lab.net.cut();
    ours.abort();
    lab.net.restore();
    let begun = Instant::now();
    let again = lab.net.connect_from(local, KERNEL)?;
    let took = begun.elapsed();
    theirs.set_read_timeout(Some(LIMIT))?;
    let error = theirs.read(&mut [0; 64]).err().ok_or("the kernel's old connection survived")?;
    listener.accept()?;
    say("What was seen");
    tell(format!(
        "Now we forgot, and connected again from port {}: the kernel's old connection ended with {:?}, and the new one \
         was there after {}.",
        again.local_addr()?.port(),
        error.kind(),
        in_words(took)
    ));
    Ok(())
}
