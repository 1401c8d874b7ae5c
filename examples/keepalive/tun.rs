//! The same against a real kernel. What a router would say is left out: there is no router between us.

use crate::common::pair::keepalive;
use crate::common::tun::{KERNEL, Lab, errno_of, wait_for_death};
use crate::common::{Failure, Files, Outcome, say};
use longhaul::time::Duration;
use longhaul::timeline::{Lane, Scale, Timeline, in_words};

const LIMIT: Duration = Duration::from_secs(8);

/// What becomes of the kernel.
#[derive(Clone, Copy)]
enum Peer {
    Well,
    Crashed,
    Rebooted,
}

pub(crate) fn story(files: &mut Files) -> Outcome {
    let lab = Lab::start(files)?;
    let listener = lab.kernel()?.tcp_listener(KERNEL)?;
    say("A real kernel at the far end; keepalive after 1 s, every 1 s, 3 times. One peer after another ...");
    let mut timeline = Timeline::new("Keepalive, and a real kernel")
        .with_axis_title("time since keepalive was switched on")
        .with_scale(Scale::Linear);
    for (peer, label) in [(Peer::Well, "alive"), (Peer::Crashed, "crashed"), (Peer::Rebooted, "rebooted")] {
        timeline.push(live(&lab, &listener, peer, label)?);
    }
    files.show(&timeline)?;
    let [alive, crashed, rebooted] = timeline.lanes() else { return Err("three peers, but other lanes".into()) };
    let when = |lane: &Lane| lane.death().map_or("never".to_owned(), in_words);
    say(format!("Dead after: alive {}, crashed {}, rebooted {}.", when(alive), when(crashed), when(rebooted)));
    match (alive.death(), crashed.death(), rebooted.death()) {
        (None, Some(crashed), Some(rebooted)) if crashed >= Duration::from_secs(4) && rebooted < crashed => Ok(()),
        deaths => Err(format!("never, after 4 s, and after 1 s were promised, not {deaths:?}").into()),
    }
}

fn live(lab: &Lab, listener: &std::net::TcpListener, peer: Peer, label: &str) -> Result<Lane, Failure> {
    let (ours, theirs) = lab.connect(listener)?;
    let mut theirs = Some(theirs);
    match peer {
        Peer::Well => {}
        Peer::Crashed => lab.net.cut(),
        Peer::Rebooted => theirs.take().map_or(Ok(()), |theirs| lab.kernel_forgets(&ours, theirs))?,
    }
    ours.set_options(keepalive(1, 1, 3)?)?;
    let since = lab.net.now();
    let end = if let Peer::Well = peer {
        std::thread::sleep(LIMIT / 2);
        None
    } else {
        let error = wait_for_death(&ours, LIMIT)?;
        Some((lab.net.now(), errno_of(&error)))
    };
    let lane = lab.lane(label, ours.local_addr()?, since, end);
    lab.net.restore();
    Ok(lane)
}
