//! Why everybody quotes 924.6 s, and why it is not what happens.

use crate::common::pair::{Pair, times};
use crate::common::{Failure, Files, Outcome, say, tell};
use crate::figure::LIMIT;
use longhaul::config::Sysctl;
use longhaul::liveness::retransmission::{MODEL_BASE, model_timeout};
use longhaul::options::Options;
use longhaul::time::Duration;
use longhaul::timeline::{Kind, Lane, Timeline};

/// One connection that died of silence.
struct Run {
    what: &'static str,
    first_timeout: Duration,
    lane: Lane,
    death: Duration,
}

const MS: Duration = Duration::from_millis(1);

pub(crate) fn story(files: &mut Files) -> Outcome {
    let limit = model_timeout(Sysctl::LINUX.tcp_retries2, MODEL_BASE, 120_000 * MS);
    let runs = [
        run(files, "the shortest timeout, no SACK", 0, Duration::ZERO)?,
        run(files, "SACK: a tail loss probe first", 1, Duration::ZERO)?,
        run(files, "a round trip of 50 ms", 0, 50 * MS)?,
        run(files, "a round trip of 300 ms", 0, 300 * MS)?,
    ];
    let mut timeline = Timeline::new("tcp_retries2 = 15, and a byte in flight").with_axis_title("time since the write");
    for run in &runs {
        timeline.push(run.lane.clone().with_detail(run.what));
    }
    files.show(&timeline)?;

    say("  first timeout   resent   dead after");
    for Run { what, first_timeout, lane, death } in &runs {
        let copies = times(lane, Kind::Retransmission).len();
        let timeout = format!("{} ms", first_timeout.as_millis());
        say(format!("  {timeout:>13}   {copies:>6}   {:>8.3} s   {what}", death.as_secs_f64()));
        if *death <= limit {
            return Err("a connection died before the limit that is a lower bound".into());
        }
    }
    explain(&runs[0], limit)
}

fn explain(run: &Run, limit: Duration) -> Outcome {
    let copies = times(&run.lane, Kind::Retransmission);
    let [first, .., last] = copies[..] else { return Err("it was resent once at most".into()) };
    let clock = |at: Duration| at.saturating_sub(first).as_secs_f64();
    let limit = limit.as_secs_f64();
    say("");
    tell(format!(
        "15 is no number of retransmissions. It stands for the time that 16 timeouts take when the first is exactly \
         200 ms and each next one twice as long, up to two minutes: {limit} s. The clock starts with the first \
         retransmission, at {:.3} s, and is read when the timer fires. At {:.3} s it said {:.3} s, and a copy was \
         sent. At {:.3} s it said {:.3} s, and that is more than {limit} s: dead. So {limit} s is a lower bound that \
         nobody dies at, and the first timeout decides what comes on top.",
        first.as_secs_f64(),
        last.as_secs_f64(),
        clock(last),
        run.death.as_secs_f64(),
        clock(run.death),
    ));
    say("");
    if clock(last) >= limit || clock(run.death) < limit {
        return Err("the clock does not explain this death".into());
    }
    Ok(())
}

fn run(files: &mut Files, what: &'static str, tcp_sack: u8, round_trip: Duration) -> Result<Run, Failure> {
    let mut pair = Pair::connect(1, Sysctl { tcp_sack, ..Sysctl::LINUX }, round_trip, Options::new())?;
    pair.sim.run_for(MS); // the handshake is over
    pair.cut();
    pair.write("x")??;
    let since = pair.now();
    let first_timeout = pair.conn()?.info(since).rto;
    let death = pair.death(LIMIT)?.ok_or("a black hole was survived")?;
    files.add_capture(&pair.sim.pcapng())?;
    let lane = pair.lane(since)?.with_label(&format!("RTO {} ms", first_timeout.as_millis()));
    Ok(Run { what, first_timeout, lane, death: death.after })
}
