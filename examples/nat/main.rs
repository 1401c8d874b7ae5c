//! Boxes that forget: what a NAT and a load balancer do to connections that are silent for long, and what helps.
//!
//! Six lives side by side: a NAT that forgets after 300 s and says nothing, a load balancer that forgets after 900 s
//! and then resets; with keepalive off, by default, and below the limit. Then the same from the server's side.

#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)] // a program with an operating system

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/lab.rs"]
mod lab;
mod server;

use common::{Example, Files, Outcome, say, tell};
use lab::{End, Failure, Lab, SECOND, Setup, black_hole_ms, keepalive, millis, model_ms, promised, seconds};
use longhaul::options::Options;
use longhaul::sim::{Nat, Tracker};
use longhaul::time::Duration;
use longhaul::timeline::{Kind, Mark, Timeline};
use std::net::IpAddr;
use std::process::ExitCode;

const EXAMPLE: Example = Example {
    name: "nat",
    about: "A NAT forgets idle connections silently, a load balancer resets them. What helps?",
    story,
    on_tun: None,
};

fn main() -> ExitCode {
    EXAMPLE.main()
}

fn story(files: &mut Files) -> Outcome {
    let lives = lives()?;
    let mut timeline = Timeline::new("Idle behind a box that forgets").with_axis_title("time since the handshake");
    for life in &lives {
        timeline.push(life.lane.clone());
        files.add_capture(&life.capture)?;
    }
    files.show(&timeline)?;
    say("What was seen");
    for life in &lives {
        tell(&life.words);
    }
    say("");
    server::story()
}

const PUBLIC: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1));

/// The box on the way.
#[derive(Clone, Copy)]
enum Middle {
    Nat,
    LoadBalancer,
}

/// How a connection fared.
struct Life {
    lane: longhaul::timeline::Lane,
    capture: Vec<u8>,
    /// In a sentence.
    words: String,
}

/// Silence, and then a write.
const SILENCE: Duration = Duration::from_secs(1200);

fn lives() -> Result<Vec<Life>, Failure> {
    let black_hole = |life: &mut Lab, client: End| dies(life, client, black_hole_ms(201, model_ms(15)).1, "ETIMEDOUT");
    let at_30_s = |life: &mut Lab, client: End| dies(life, client, 30_201, "ETIMEDOUT");
    let at_once = |life: &mut Lab, client: End| dies(life, client, 0, "ECONNRESET");
    let default = Options::new().with_keepalive(true);
    let limited = Options::new().with_tcp_user_timeout(Some(30 * SECOND))?;
    Ok(vec![
        life(Middle::Nat, "NAT 300 s; nothing set", Options::new(), black_hole)?,
        life(Middle::Nat, "NAT 300 s; keepalive as by default, 7200 s", default, black_hole)?,
        life(Middle::Nat, "NAT 300 s; user timeout 30 s", limited, at_30_s)?,
        life(Middle::Nat, "NAT 300 s; keepalive 240 s", keepalive(240, 10, 3)?, lives_on)?,
        life(Middle::LoadBalancer, "load balancer 900 s; nothing set", Options::new(), at_once)?,
        life(Middle::LoadBalancer, "load balancer 900 s; keepalive 600 s", keepalive(600, 10, 3)?, lives_on)?,
    ])
}

/// What is to happen after the write, in words.
type Outcomes = Result<String, Failure>;

fn life(
    middle: Middle,
    label: &str,
    options: Options,
    after_the_write: impl FnOnce(&mut Lab, End) -> Outcomes,
) -> Result<Life, Failure> {
    let (mut lab, client, _) = idle(middle, options)?;
    lab.watch(client, label);
    lab.run_to(SILENCE);
    promised("it lives, as far as it knows", lab.is_established(client), true)?;
    let quiet = lab.sent_by(lab.a).len();
    lab.write(client, "are you there?")?;
    let outcome = after_the_write(&mut lab, client)?;
    let mut lane = lab.lanes().pop().ok_or("nothing was watched")?;
    lane.mark(Mark::new(SILENCE, Kind::Note).with_text("write"));
    let probes = match quiet {
        0 => String::new(),
        count => format!("{count} probes kept the entry; "),
    };
    let words = format!("{label}: {probes}{outcome}");
    Ok(Life { lane, capture: lab.sim.pcapng(), words })
}

/// A connection through a box; the stopwatch starts with its last packet.
fn idle(middle: Middle, options: Options) -> Result<(Lab, End, End), Failure> {
    let mut lab = Lab::new(&Setup::default())?;
    let (a, b) = (lab.a, lab.b);
    match middle {
        Middle::Nat => lab.sim.place(a, b, Nat::new(PUBLIC)),
        Middle::LoadBalancer => lab.sim.place(a, b, Tracker::load_balancer()),
    };
    let (client, server) = lab.connect(options)?;
    Ok((lab, client, server))
}

fn dies(lab: &mut Lab, client: End, after_ms: u64, errno: &str) -> Outcomes {
    let (at, error) = lab.death(client)?;
    let lived = promised("it lived after the write", seconds(millis(at.saturating_sub(SILENCE))), seconds(after_ms))?;
    let errno = promised("its error", format!("{:?}", error.errno()), errno.to_owned())?;
    let when = if after_ms == 0 { "at once".into() } else { format!("{lived} later") };
    Ok(format!("the write looks well, and {when} there is {errno}."))
}

fn lives_on(lab: &mut Lab, client: End) -> Outcomes {
    lab.sim.run_for(SECOND);
    promised("everything is acknowledged", unacknowledged(lab, client)?, 0)?;
    Ok("the write arrives.".into())
}

fn unacknowledged(lab: &mut Lab, (host, id): End) -> Result<usize, Failure> {
    Ok(lab.sim.stack(host).conn(id).ok_or("the connection is gone")?.send_queue())
}
