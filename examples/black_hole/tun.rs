//! The same against a real kernel, in seconds: small limits instead of the defaults.

use crate::common::pair::keepalive;
use crate::common::tun::{KERNEL, Lab, errno_of, wait_for_death};
use crate::common::{Failure, Files, Outcome, say, tell};
use longhaul::net::TcpStream;
use longhaul::options::Options;
use longhaul::time::{Duration, Instant};
use longhaul::timeline::{Kind, Lane, Mark, Timeline, in_words};
use std::io::{Read, Write};
use std::thread;

const SECOND: Duration = Duration::from_secs(1);
/// All of them are dead long before.
const LIMIT: Duration = Duration::from_secs(20);

/// One connection, and what is set for it.
struct Case {
    label: &'static str,
    detail: &'static str,
    options: Options,
    /// A request is in flight when the wire is cut.
    busy: bool,
    /// The application's own limit for a read.
    patience: Option<Duration>,
}

pub(crate) fn story(files: &mut Files) -> Outcome {
    let lab = Lab::start(files)?;
    lab.net.set_sysctl(|sysctl| sysctl.tcp_retries2 = 3);
    say("A real kernel at the far end; tcp_retries2 = 3, so that it takes seconds. The wire is cut ...");
    let listener = lab.kernel()?.tcp_listener(KERNEL)?;
    let cases = cases()?;
    let ends = cases.iter().map(|_| lab.connect(&listener)).collect::<Result<Vec<_>, _>>()?;
    for (case, (ours, _)) in cases.iter().zip(&ends) {
        ours.set_options(case.options)?;
    }
    lab.net.cut();
    let cut = lab.net.now();
    let lanes = thread::scope(|scope| {
        let lives = cases.iter().zip(&ends).map(|(case, (ours, _))| {
            let lab = &lab;
            scope.spawn(move || live(lab, case, ours, cut).map_err(|error| error.to_string()))
        });
        let lives: Vec<_> = lives.collect();
        lives
            .into_iter()
            .map(|life| life.join().map_err(|_| "a thread panicked".to_owned())?)
            .collect::<Result<Vec<_>, _>>()
    })?;
    let mut timeline = Timeline::new("A cut wire, and a real kernel behind it")
        .with_axis_title("time since the cut")
        .with_first(SECOND / 10);
    for lane in lanes {
        timeline.push(lane);
    }
    files.show(&timeline)?;
    explain(&timeline)
}

fn cases() -> Result<Vec<Case>, Failure> {
    let case = |label, detail, options, busy, patience| Case { label, detail, options, busy, patience };
    let limited = Options::new().with_tcp_user_timeout(Some(2 * SECOND))?;
    let busy = "a request in flight";
    Ok(vec![
        case("tcp_retries2 = 3", busy, Options::new(), true, None),
        case("TCP_USER_TIMEOUT = 2 s", busy, limited, true, None),
        case("read timeout 1 s", busy, Options::new(), true, Some(SECOND)),
        case("keepalive 1 s, 1 s, 3", busy, keepalive(1, 1, 3)?, true, None),
        case("keepalive 1 s, 1 s, 3", "nothing in flight", keepalive(1, 1, 3)?, false, None),
    ])
}

/// One application: writes, reads, waits. Returns its connection's lane.
fn live(lab: &Lab, case: &Case, mut ours: &TcpStream, cut: Instant) -> Result<Lane, Failure> {
    if case.busy {
        ours.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    }
    let mut note = None;
    if let Some(patience) = case.patience {
        ours.set_read_timeout(Some(patience))?;
        let error = ours.read(&mut [0; 64]).err().ok_or("a cut wire delivered something")?;
        note = Some(Mark::new(lab.net.now().since(cut), Kind::Note).with_text(&format!("read: {}", errno_of(&error))));
    }
    let error = wait_for_death(ours, LIMIT)?;
    let end = (lab.net.now(), errno_of(&error));
    let mut lane = lab.lane(case.label, ours.local_addr()?, cut, Some(end)).with_detail(case.detail);
    if let Some(note) = note {
        lane.mark(note);
    }
    Ok(lane)
}

fn explain(timeline: &Timeline) -> Outcome {
    let deaths =
        timeline.lanes().iter().map(|lane| lane.death().ok_or("one of them lives")).collect::<Result<Vec<_>, _>>()?;
    let [default, limited, reading, busy, idle] = deaths[..] else { return Err("other lanes than expected".into()) };
    say("What was seen");
    tell(format!(
        "With a request in flight tcp_retries2 = 3 took {}, and neither a read timeout ({}) nor keepalive ({}) changed \
         that; the user timeout did: {}. Idle, keepalive needed {}.",
        in_words(default),
        in_words(reading),
        in_words(busy),
        in_words(limited),
        in_words(idle)
    ));
    let order = limited < default && idle < default && reading > 3 * SECOND && busy > 4 * SECOND;
    if order { Ok(()) } else { Err(format!("the deaths came in another order: {deaths:?}").into()) }
}
