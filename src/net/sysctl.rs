//! The settings of the machine we run on, read from its `/proc`.
//!
//! A stack with the host's own settings behaves as a socket of that host would. The files are those of
//! [`Sysctl::NAMES`], `net/ipv4/NAME` each but for `net/core/somaxconn`, and show the network namespace of the calling
//! thread (`/proc/sys/net` follows the reader, not the mount): a container reads its own, not its host's.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::config::Sysctl;

/// What was read, what not, and why not.
#[derive(Debug)]
pub struct Reading {
    /// The settings: the host's where they could be read, Linux's defaults ([`Sysctl::LINUX`]) elsewhere.
    pub sysctl: Sysctl,
    /// The knobs that are the host's.
    pub read: Vec<&'static str>,
    /// Knobs whose file is not there or cannot be read. An older kernel lacks some, a container `tcp_max_orphans`,
    /// which belongs to the whole machine.
    pub missing: Vec<(&'static str, io::Error)>,
    /// Knobs whose file holds what [`Sysctl::set`] refuses, with the beginning of its text.
    pub refused: Vec<(&'static str, String)>,
}

/// Reads the settings of the calling thread's network namespace from `/proc/sys`.
///
/// ```no_run
/// let host = longhaul::net::sysctl::from_proc();
/// eprint!("{host}"); // what was not read, a line each
/// let net = longhaul::net::Net::builder().with_sysctl(host.sysctl).start()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn from_proc() -> Reading {
    from_root(Path::new("/proc/sys"))
}

/// Reads from another place: a copy of some machine's `/proc/sys`.
pub fn from_root(root: &Path) -> Reading {
    let mut reading = Reading { sysctl: Sysctl::LINUX, read: Vec::new(), missing: Vec::new(), refused: Vec::new() };
    for name in Sysctl::NAMES {
        match read(&root.join("net").join(folder(name)).join(name)) {
            Err(error) => reading.missing.push((name, error)),
            Ok(text) if reading.sysctl.set(name, &text).is_ok() => reading.read.push(name),
            Ok(text) => reading.refused.push((name, text)),
        }
    }
    reading
}

/// Where below `/proc/sys/net` a knob has its file.
fn folder(name: &str) -> &'static str {
    if name == "somaxconn" { "core" } else { "ipv4" }
}

/// The beginning of a file, as text. A knob is three numbers at most; what is longer is none.
fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(TEXT_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Bytes of a file that are looked at.
const TEXT_MAX: u64 = 64;

/// What kept its default and why, a line each; nothing if everything was read.
impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, error) in &self.missing {
            writeln!(f, "{name}: not read: {error}")?;
        }
        for (name, text) in &self.refused {
            writeln!(f, "{name}: not taken: {text:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use std::fs;
    use std::path::PathBuf;

    /// A `/proc/sys` of our own, gone afterwards.
    struct Fixture(PathBuf);

    impl Fixture {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("longhaul-{test}-{}", std::process::id()));
            fs::create_dir_all(path.join("net/ipv4")).unwrap();
            fs::create_dir_all(path.join("net/core")).unwrap();
            Self(path)
        }

        fn write(&self, file: &str, bytes: &[u8]) {
            fs::write(self.0.join("net").join(file), bytes).unwrap();
        }
    }

    impl Drop for Fixture {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_is_a_knob_and_what_is_not_there_keeps_its_default() {
        let proc = Fixture::new("some");
        proc.write("ipv4/tcp_retries2", b"8\n");
        proc.write("ipv4/tcp_rmem", b"4096\t65536\t6291456\n");
        proc.write("core/somaxconn", b"128\n");
        let reading = from_root(&proc.0);
        assert_eq!(reading.read, ["tcp_retries2", "somaxconn", "tcp_rmem"]);
        let tcp_rmem = [4096, 65_536, 6_291_456];
        assert_eq!(reading.sysctl, Sysctl { tcp_retries2: 8, somaxconn: 128, tcp_rmem, ..Sysctl::LINUX });
        assert_eq!(reading.missing.len() + 3, Sysctl::NAMES.len());
        assert!(reading.missing.iter().all(|(_, error)| error.kind() == io::ErrorKind::NotFound));
    }

    #[test]
    fn what_cannot_be_a_setting_is_listed_and_not_taken() {
        let proc = Fixture::new("bad");
        for (name, bytes) in [
            ("tcp_retries2", &b"256\n"[..]),
            ("tcp_keepalive_time", b"-1\n"),
            ("tcp_fin_timeout", b""),
            ("tcp_sack", b"\xff\xfe"),
            ("tcp_wmem", b"1 2\n"),
            ("tcp_syn_retries", &b"1".repeat(100_000)),
            ("ip_local_port_range", b"2000 1000\n"),
        ] {
            proc.write(&format!("ipv4/{name}"), bytes);
        }
        fs::create_dir(proc.0.join("net/ipv4/tcp_dsack")).unwrap();
        let reading = from_root(&proc.0);
        assert_eq!((reading.read.len(), reading.sysctl), (0, Sysctl::LINUX));
        let mut refused: Vec<_> = reading.refused.iter().map(|(name, _)| *name).collect();
        refused.sort_unstable();
        let expected = ["ip_local_port_range", "tcp_fin_timeout", "tcp_keepalive_time", "tcp_retries2", "tcp_sack"];
        assert_eq!(refused[..5], expected);
        assert_eq!(refused[5..], ["tcp_syn_retries", "tcp_wmem"]);
        let lines = format!("{}", from_root(&proc.0));
        assert!(lines.contains("tcp_retries2: not taken: \"256\\n\"\n"), "{lines}");
        assert!(lines.contains("tcp_dsack: not read: "), "{lines}");
    }

    #[test]
    fn of_this_machine_everything_is_read_that_has_a_file() {
        let reading = from_proc();
        // A host's algorithm need not be one of ours.
        assert!(reading.refused.iter().all(|(name, _)| *name == "tcp_congestion_control"), "{reading}");
        for (name, error) in &reading.missing {
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{name}");
        }
        // Without /proc nothing is there; with it, most is.
        assert!(reading.read.is_empty() || reading.read.contains(&"tcp_retries2"), "{reading}");
    }
}
