//! Two states that last a minute by default, and are not the same.

use crate::common::{Files, Outcome, tell};
use crate::lab::{Failure, Lab, SECOND, Setup, millis, promised};
use longhaul::config::Sysctl;
use longhaul::options::Options;
use longhaul::time::Duration;
use longhaul::timeline::{Lane, Scale, Timeline};

pub(crate) fn story(files: &mut Files) -> Outcome {
    let title = "What is left of a connection after close()";
    let mut timeline = Timeline::new(title).with_axis_title("time since close()").with_scale(Scale::Linear);
    let default = Options::new();
    for (label, fin_timeout, options, peer_closes, lasts) in [
        ("the peer closes, too", 60, default, true, 60),
        ("the peer closes, tcp_fin_timeout 5", 5, default, true, 60),
        ("the peer never closes", 60, default, false, 60),
        ("it never closes, tcp_fin_timeout 5", 5, default, false, 5),
        ("it never closes, TCP_LINGER2 5", 60, default.with_tcp_linger2(5), false, 5),
    ] {
        timeline.push(left_over(label, fin_timeout, options, peer_closes, lasts)?);
    }
    files.show(&timeline)?;
    tell(
        "TIME-WAIT lasts 60 s whatever is set (Linux TCP_TIMEWAIT_LEN). tcp_fin_timeout and TCP_LINGER2 limit \
         FIN-WAIT-2, in which an orphan waits for the peer's FIN. Shortening it frees nothing of what a burst leaves \
         behind.",
    );
    Ok(())
}

fn left_over(
    label: &str,
    tcp_fin_timeout: u32,
    options: Options,
    peer_closes: bool,
    lasts: u64,
) -> Result<Lane, Failure> {
    let sysctl = Sysctl { tcp_fin_timeout, ..Setup::default().sysctl };
    let mut lab = Lab::new(&Setup { sysctl, ..Setup::default() })?;
    let (client, server) = lab.connect(options)?;
    lab.close(client)?;
    if peer_closes {
        lab.close(server)?;
    }
    // The peer's ACK of our FIN may be delayed.
    lab.run_to(SECOND / 10);
    let lived = lab.forgotten(lab.a)?;
    promised(label, millis(lived) / 1000, lasts)?;
    let mut lane = Lane::new(label);
    lane.span(Duration::ZERO, lived, if peer_closes { "TIME-WAIT" } else { "FIN-WAIT-2" });
    lane.ends(lived, "");
    Ok(lane)
}
