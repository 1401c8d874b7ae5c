//! Shell commands of a script. None is run: what they would do to a kernel is done to the stack, or is known not to
//! matter, or fails the script.

mod counters;
mod sysctls;
mod words;

use crate::sockets::Host;
use counters::Counters;
use sysctls::{assign, set_defaults};
use words::{Line, Lines};

#[derive(Default)]
pub(crate) struct Shell {
    counters: Counters,
}

impl Shell {
    /// Does what the lines of a command say; an error tells which line, counted from 0, and why.
    pub(crate) fn run(&mut self, host: &mut Host, text: &str) -> Result<(), (usize, String)> {
        let mut lines = Lines::new(text);
        while let Some(line) = lines.next()? {
            let outcome = self.line(host, &line);
            outcome.map_err(|message| (line.number, format!("{message} (in `{}`)", line.text)))?;
        }
        Ok(())
    }

    fn line(&mut self, host: &mut Host, line: &Line) -> Result<(), String> {
        let stages: Vec<Vec<&str>> =
            line.stages.iter().map(|stage| stage.iter().map(String::as_str).collect()).collect();
        let (words, filters) = stages.split_first().ok_or("no command")?;
        let (path, arguments) = words.split_first().ok_or("no command")?;
        let program = path.rsplit('/').next().unwrap_or(path);
        match (program, &line.output, filters) {
            ("nstat", None, _) => self.counters.nstat(&host.stack, arguments, filters),
            ("echo", Some(file), []) => echo(host, &arguments.join(" "), file),
            (_, None, []) => command(host, program, arguments),
            _ => Err("not supported: this pipe or redirection".into()),
        }
    }
}

fn command(host: &mut Host, program: &str, arguments: &[&str]) -> Result<(), String> {
    match (program, arguments) {
        ("defaults.sh", []) => set_defaults(host),
        // `. ./defaults.sh`, `sh defaults.sh`
        ("." | "source" | "sh" | "bash", [path]) if path.ends_with("defaults.sh") => set_defaults(host),
        ("sysctl", rest) => rest.iter().filter(|word| !word.starts_with('-')).try_for_each(|word| assign(host, word)),
        ("set_sysctls.py", rest) => rest.iter().try_for_each(|word| assign(host, word)),
        (program, []) if program.starts_with("sysctl_restore_") => Ok(()),
        // Nothing is remembered between connections. One segment is handed out a packet anyway, and merged when a
        // script expects more; see `runner::expect`.
        ("true" | "echo", _)
        | (
            "ip",
            ["tcp_metrics", "flush", ..]
            | ["link", "set", "dev", _, "gso_max_segs" | "gso_max_size" | "gso_ipv4_max_size", _],
        ) => Ok(()),
        ("ip", [object, ..]) => Err(format!("not supported: ip {object}")),
        ("ethtool", ["-K", _, features @ ..]) => offloads(features),
        ("tc", ["qdisc", rest @ ..]) => qdisc(rest),
        ("tc" | "ethtool" | "cat" | "sleep" | "modprobe" | "iptables" | "ip6tables", _) => {
            Err(format!("not supported: {program}"))
        }
        _ => Err("unknown command".into()),
    }
}

/// `echo VALUE > FILE`, where the file is a setting.
fn echo(host: &mut Host, value: &str, file: &str) -> Result<(), String> {
    if let Some(name) = file.strip_prefix("/proc/sys/") {
        return assign(host, &format!("{name}={value}"));
    }
    // 3 is the kernel's default. Whether slow start ends early shows only with CUBIC.
    match (file.rsplit_once("/tcp_cubic/parameters/"), value) {
        (Some((_, "hystart_detect")), "3") => Ok(()),
        _ => Err(format!("not supported: echo {value} > {file}")),
    }
}

/// `tso off gso on ...`: there are none, whatever is asked for.
fn offloads(features: &[&str]) -> Result<(), String> {
    const KNOWN: &[&str] = &["gro", "gso", "lro", "rx", "sg", "tso", "tx", "ufo"];
    let known = |feature: &str| KNOWN.contains(&feature) || feature.contains('-');
    let fits = |pair: &[&str]| pair.len() == 2 && known(pair[0]) && ["on", "off"].contains(&pair[1]);
    if features.chunks(2).all(fits) { Ok(()) } else { Err("not supported: ethtool -K with these features".into()) }
}

/// A queue that neither limits nor paces changes nothing.
fn qdisc(words: &[&str]) -> Result<(), String> {
    match words {
        ["add" | "replace" | "change", "dev", _, "root", "pfifo" | "pfifo_fast" | "noqueue"]
        | ["del" | "delete", "dev", _, "root", ..] => Ok(()),
        ["add" | "replace" | "change", "dev", _, "root", "fq", ..] => {
            Err("not supported yet: pacing (tc qdisc ... fq)".into())
        }
        ["add" | "replace" | "change", "dev", _, "root", kind @ ..] => {
            Err(format!("not supported: tc qdisc ... {}", kind.join(" ")))
        }
        _ => Err("not supported: tc qdisc in this form".into()),
    }
}
