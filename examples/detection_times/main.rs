//! How long would each kind of failure stay unnoticed on this host? A table, and what in it surprises people.
//!
//! ```sh
//! cargo run --example detection_times -- --rtt 20 --keepidle 60 --keepintvl 10 --keepcnt 3 --user-timeout 90000
//! ```
//!
//! Needs no privileges and opens no socket: it reads this host's settings, unless told to take Linux's defaults, and
//! asks the forecasts of connections that exist in memory only.

mod arguments;

use arguments::{Arguments, Call, USAGE};
use longhaul::config::Sysctl;
use longhaul::forecast::{detection_times, warnings};
use longhaul::net::sysctl::from_proc;
use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    match arguments::read(env::args().skip(1)) {
        Ok(Call::Help) => println!("{USAGE}"),
        Ok(Call::Show(arguments)) => show(&arguments),
        Err(wrong) => {
            eprintln!("detection_times: {wrong}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn show(arguments: &Arguments) {
    let Arguments { linux, options, rtt, path_idle } = arguments;
    let (sysctl, whose) = if *linux { (Sysctl::LINUX, "Linux's defaults") } else { of_this_host() };
    println!("With {whose} and a round trip of {} ms:\n", rtt.as_millis());
    println!("{}", detection_times(&sysctl, options, *rtt));
    let mut heading = "\nWarnings:\n";
    for warning in warnings(&sysctl, options, *rtt, *path_idle) {
        println!("{heading}- {warning}");
        heading = "";
    }
}

/// What `/proc/sys` says; Linux's default where it says nothing, and what was not taken on the error stream.
fn of_this_host() -> (Sysctl, &'static str) {
    let host = from_proc();
    eprint!("{host}");
    (
        host.sysctl,
        if host.read.is_empty() { "Linux's defaults, since nothing could be read," } else { "this host's settings" },
    )
}
