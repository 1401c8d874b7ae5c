//! The whole story in twenty seconds, without root and without arguments.
//!
//! 1. Our stack and a Linux kernel talk HTTP/1.1 over a TUN device in a private namespace.
//! 2. The wire is cut, and two connections die: an idle one by keepalive, one with data by its user timeout.
//! 3. Linux's defaults, which take hours, in virtual time.
//!
//! Every step checks what it promises; the first that is not kept ends the example with an error. Where namespaces are
//! forbidden it says why and what would help, and goes on in the simulator.

// A program with an operating system: the library's care to name `core` and `alloc` is not needed here.
#![allow(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

mod deaths;
mod http;
mod real;
mod simulated;
mod virtual_time;

use longhaul::net::Net;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a step comes to.
type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => {
            println!("\nEverything went as promised.");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\nNot as promised: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome {
    let capture = capture_path();
    let net = Net::builder().with_capture(File::create(&capture)?).with_journal(64).start();
    match net {
        Ok(net) => {
            println!(
                "A private namespace: the kernel at 10.0.0.1, our stack at 10.0.0.2, a TUN between them, no root used."
            );
            if let Some(peer) = net.namespace() {
                println!(
                    "(Look inside from another terminal: nsenter -t {} -U -n --preserve-credentials ss -tno)",
                    peer.pid()
                );
            }
            real::requests_to_us(&net)?;
            real::requests_from_us(&net)?;
            deaths::on_a_cut_wire(&net)?;
            drop(net);
            println!("\nThe capture, with a comment on what is remarkable: wireshark {}", capture.display());
        }
        Err(error) => {
            println!("No namespace and TUN here; the simulator takes their place. What stopped us:\n   {error}");
            simulated::conversation(&capture)?;
            simulated::on_a_cut_wire()?;
            println!("\nThe capture: wireshark {}", capture.display());
        }
    }
    println!("\nLinux's defaults, in virtual time");
    virtual_time::linux_defaults()
}

/// In the folder for temporary files, one for each run: the current folder may not be ours to write to.
fn capture_path() -> PathBuf {
    std::env::temp_dir().join(format!("longhaul-end-to-end-{}.pcapng", std::process::id()))
}
