//! The settings against the running kernel, in namespaces of the tests' own: what it takes, we take, and what it
//! refuses, we refuse.
//!
//! On a machine that refuses namespaces or TUNs each test says so and passes; `LONGHAUL_REQUIRE_TUN=1` makes it fail.
#![cfg(all(feature = "tun", target_os = "linux"))]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use longhaul::config::Sysctl;
use longhaul::net::{Namespace, sysctl};

/// Knobs of whole seconds, of which the kernel takes as many as its `int` of ticks holds: at least the first of these,
/// at 1000 ticks a second, and at most the second, at 100.
const SECONDS: (&[&str], i64, i64) =
    (&["tcp_keepalive_time", "tcp_keepalive_intvl", "tcp_fin_timeout"], i32::MAX as i64 / 1000, i32::MAX as i64 / 100);

/// Where the two may differ, and why: a value that the kernel may take and we refuse, or the other way round.
fn may_differ(name: &str, value: i64) -> bool {
    let (in_seconds, surely, most) = SECONDS;
    match name {
        // The kernel stores a negative number and does nothing sensible with it.
        "tcp_max_syn_backlog" | "tcp_max_tw_buckets" | "tcp_max_orphans" => value < 0,
        name if in_seconds.contains(&name) => value < 0 || (surely < value && value <= most),
        // Milliseconds, in ticks, are not checked at all.
        "tcp_invalid_ratelimit" => value < 0 || value > i64::from(i32::MAX),
        // Ports that are for root alone (`ip_unprivileged_port_start`), which we know nothing of.
        "ip_local_port_range" => (1..1024).contains(&value),
        _ => false,
    }
}

#[test]
fn each_knob_takes_what_the_kernel_takes() {
    let Some(namespace) = start("ranges", &[]) else { return };
    if !Path::new("/proc/sys/net/ipv4/tcp_rto_max_ms").exists() {
        return say("ranges: a kernel older than 6.15 has other ranges");
    }
    let mut tries = Vec::new();
    for &name in Sysctl::NAMES {
        let Some(range) = Sysctl::range(name) else { continue };
        let numbers = Sysctl::LINUX.get(name).unwrap().numbers().len();
        let (least, most) = range.into_inner();
        let mut values = vec![least - 1, least, most, most + 1];
        if SECONDS.0.contains(&name) {
            values.push(SECONDS.1);
        }
        tries.extend(values.into_iter().map(|value| (name, value, vec![value.to_string(); numbers].join(" "))));
    }
    let taken = taken_by_kernel(&namespace, &tries);
    assert_eq!(taken.len(), tries.len());
    let mut differences = Vec::new();
    for ((name, value, text), taken) in tries.iter().zip(taken) {
        let ours = Sysctl::LINUX.clone().set(name, text).is_ok();
        if taken.is_some_and(|theirs| theirs != ours) && !may_differ(name, *value) {
            differences.push(format!("{name} = {text}: the kernel {}", if ours { "refuses" } else { "takes it" }));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn what_is_read_of_a_namespace_is_what_was_set_there() {
    let set = [("tcp_retries2", "3"), ("tcp_rmem", "4096\t65536\t6291456"), ("tcp_keepalive_time", "11")];
    let Some(namespace) = start("reading", &set) else { return };
    let copy = Copied(std::env::temp_dir().join(format!("longhaul-sysctl-{}", std::process::id())));
    let folder = |name| copy.0.join("net").join(name);
    fs::create_dir_all(copy.0.join("net")).unwrap();
    fs::create_dir_all(folder("core")).unwrap();
    // Whoever has the namespace may not read all of it (`tcp_fastopen_key`): of those we read, all.
    let script = format!(
        "mkdir {ipv4} && cd /proc/sys/net/ipv4 && cp $(ls -d {names} 2>&-) {ipv4}; cp ../core/somaxconn {core}",
        ipv4 = folder("ipv4").display(),
        core = folder("core").display(),
        names = Sysctl::NAMES.join(" "),
    );
    let output = namespace.command("sh").args(["-c", &script]).output().unwrap();
    let reading = sysctl::from_root(&copy.0);
    assert!(reading.refused.is_empty(), "{reading}{output:?}");
    for (name, value) in set {
        assert!(reading.read.contains(&name), "{name}: {reading}{output:?}");
        assert_eq!(reading.sysctl.get(name).unwrap().to_string(), value.replace('\t', " "), "{name}");
    }
    // Of a kernel of 6.15 or later, so that it has the knobs and the defaults that ours were read of.
    let is_recent = reading.read.contains(&"tcp_rto_max_ms");
    // Ours are Linux's: a fresh namespace differs in what was set, and in what comes from memory or from its parent.
    let derived =
        ["tcp_max_syn_backlog", "tcp_max_tw_buckets", "tcp_rmem", "tcp_wmem", "somaxconn", "tcp_congestion_control"];
    for &name in &reading.read {
        if !derived.contains(&name) && !set.iter().any(|&(known, _)| known == name) && is_recent {
            assert_eq!(reading.sysctl.get(name), Sysctl::LINUX.get(name), "{name}");
        }
    }
}

/// Whether the kernel takes each value; `None` if it has no such knob.
fn taken_by_kernel(namespace: &Namespace, tries: &[(&str, i64, String)]) -> Vec<Option<bool>> {
    let script = "while read name value; do
        file=/proc/sys/net/ipv4/$name; [ $name = somaxconn ] && file=/proc/sys/net/core/somaxconn
        if ! [ -e $file ]; then echo absent
        elif printf %s \"$value\" | tee $file >/dev/null 2>&1; then echo taken
        else echo refused; fi
    done";
    let mut command = namespace.command("sh");
    let mut child = command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // All of it is shorter than a pipe is deep, as is what comes back.
    let mut stdin = child.stdin.take().unwrap();
    for (name, _, text) in tries {
        writeln!(stdin, "{name} {text}").unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let answer = |line: &str| (line != "absent").then_some(line == "taken");
    String::from_utf8(output.stdout).unwrap().lines().map(answer).collect()
}

fn start(test: &str, set: &[(&str, &str)]) -> Option<Namespace> {
    let mut builder = Namespace::builder();
    for (name, value) in set {
        builder = builder.with_sysctl(&format!("net.ipv4.{name}"), value);
    }
    builder.start_or_skip(test).map(|(namespace, _)| namespace)
}

/// Past the capture of the test harness.
fn say(reason: &str) {
    let _ = std::io::stderr().write_all(format!("skipped: {reason}\n").as_bytes());
}

/// A folder that is gone afterwards.
struct Copied(PathBuf);

impl Drop for Copied {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
