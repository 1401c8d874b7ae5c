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
use longhaul::config::{Sysctl, SysctlError};
use longhaul::forecast::{detection_times, warnings};
use std::process::ExitCode;
use std::{env, fs};

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
    let sysctl = if *linux { Sysctl::LINUX } else { of_this_host() };
    let whose = if *linux { "Linux's defaults" } else { "this host's settings" };
    println!("With {whose} and a round trip of {} ms:\n", rtt.as_millis());
    println!("{}", detection_times(&sysctl, options, *rtt));
    let mut heading = "\nWarnings:\n";
    for warning in warnings(&sysctl, options, *rtt, *path_idle) {
        println!("{heading}- {warning}");
        heading = "";
    }
}

/// What `/proc/sys/net/ipv4` says; Linux's default where it says nothing.
fn of_this_host() -> Sysctl {
    let mut sysctl = Sysctl::LINUX;
    let files = match fs::read_dir(SETTINGS) {
        Ok(files) => files,
        Err(error) => {
            eprintln!("{SETTINGS}: {error}; these are Linux's defaults");
            return sysctl;
        }
    };
    for file in files.flatten() {
        let name = file.file_name();
        // Most files there are of other protocols, and some are for root's eyes only.
        let (Some(name), Ok(text)) = (name.to_str(), fs::read_to_string(file.path())) else { continue };
        if sysctl.set(name, &text) == Err(SysctlError::Invalid) {
            eprintln!("{name}: {:?} is not taken; this is Linux's default", text.trim());
        }
    }
    sysctl
}

const SETTINGS: &str = "/proc/sys/net/ipv4";
