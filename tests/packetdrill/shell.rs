//! Shell commands of a script. None is run: what they would do to a kernel is done to the stack, or is known not to
//! matter, or fails the script.

use crate::sockets::Host;
use alloc::collections::BTreeMap;
use longhaul::config::SysctlError;

#[derive(Default)]
pub(crate) struct Shell {
    /// Counters as of the last `nstat -n`.
    counted: BTreeMap<&'static str, u64>,
}

impl Shell {
    /// Does what the lines of a command say.
    pub(crate) fn run(&mut self, host: &mut Host, text: &str) -> Result<(), String> {
        let joined = text.replace("\\\n", " ");
        for line in joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            self.line(host, line).map_err(|message| format!("{message} (in `{line}`)"))?;
        }
        Ok(())
    }

    fn line(&mut self, host: &mut Host, line: &str) -> Result<(), String> {
        let words = words(line)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let program = words.first().map_or("", |path| path.rsplit('/').next().unwrap_or(path));
        match (program, &words[1.min(words.len())..]) {
            ("defaults.sh", []) => DEFAULTS.iter().try_for_each(|(name, value)| set_sysctl(host, name, value)),
            ("sysctl", rest) => {
                rest.iter().filter(|word| !word.starts_with('-')).try_for_each(|word| assign(host, word))
            }
            ("set_sysctls.py", rest) => rest.iter().try_for_each(|word| assign(host, word)),
            (program, []) if program.starts_with("sysctl_restore_") => Ok(()),
            // Nothing is remembered between connections; we hand out one segment a packet; and there is no device whose
            // queue or offloads could be set.
            (
                "ip",
                ["tcp_metrics", "flush", ..] | ["link", "set", "dev", "tun0", "gso_max_segs" | "gso_max_size", _],
            )
            | ("ethtool", ["-K", ..])
            | ("tc", ["qdisc", _, "dev", "tun0", "root", "pfifo"]) => Ok(()),
            ("tc", rest) => Err(format!("not supported: tc {}", rest.last().unwrap_or(&""))),
            ("ip", [object, ..]) => Err(format!("not supported: ip {object}")),
            ("nstat", rest) => self.nstat(host, rest),
            ("echo", ["3", ">", path]) if path.ends_with("tcp_cubic/parameters/hystart_detect") => Ok(()),
            ("echo", rest) => Err(format!("not supported: echo to {}", rest.last().unwrap_or(&""))),
            _ => Err("unknown command".into()),
        }
    }

    /// `nstat -n` remembers; `nstat | grep NAME | grep -q " N "` asks how much was counted since.
    fn nstat(&mut self, host: &Host, words: &[&str]) -> Result<(), String> {
        if words == ["-n"] {
            self.counted = host.stack.stats().iter().collect();
            return Ok(());
        }
        let words: Vec<&str> = words.iter().copied().filter(|word| !["|", "grep", "-s", "-q"].contains(word)).collect();
        let [name, count] = words[..] else { return Err("not supported: nstat with these arguments".into()) };
        let expected: u64 = count.trim().parse().map_err(|_| format!("not a count: `{count}`"))?;
        let counter = host.stack.stats().iter().find(|(known, _)| *known == name);
        let (name, now) = counter.ok_or_else(|| format!("not supported: the counter {name}"))?;
        let counted = now - self.counted.get(name).copied().unwrap_or(0);
        if counted == expected { Ok(()) } else { Err(format!("{name}: expected {expected}, got {counted}")) }
    }
}

/// `net.ipv4.name=value`, also with slashes, also as a path.
fn assign(host: &mut Host, word: &str) -> Result<(), String> {
    let (path, value) = word.split_once('=').ok_or_else(|| format!("NAME=VALUE expected, not `{word}`"))?;
    let path = path.trim_start_matches("/proc/sys/").replace('/', ".");
    let name = path.strip_prefix("net.ipv4.").unwrap_or(&path);
    set_sysctl(host, name, &arithmetic(value)?)
}

fn set_sysctl(host: &mut Host, name: &str, value: &str) -> Result<(), String> {
    match host.stack.sysctl_mut().set(name, value) {
        Ok(()) => return Ok(()),
        Err(SysctlError::Unknown) => {}
        Err(error) => return Err(format!("{name}={value}: {error}")),
    }
    let row = NO_EFFECT.iter().find(|(known, ..)| *known == name).ok_or_else(|| format!("unknown sysctl `{name}`"))?;
    if row.1.is_empty() || row.1.contains(&value) { Ok(()) } else { Err(format!("not supported: {name}={value}")) }
}

/// Replaces `$((a*b*c))` by its value.
fn arithmetic(value: &str) -> Result<String, String> {
    let Some(product) = value.strip_prefix("$((").and_then(|rest| rest.strip_suffix("))")) else {
        return Ok(value.to_owned());
    };
    let factors = product.split('*').map(|factor| factor.trim().parse::<u64>().ok());
    let product = factors.into_iter().try_fold(1u64, |product, factor| product.checked_mul(factor?));
    product.map(|product| product.to_string()).ok_or_else(|| format!("not supported: the arithmetic of `{value}`"))
}

/// The words of a line; quotes keep blanks together.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() { Err("a quote without end".into()) } else { Ok(words) }
}

/// Settings the stack does not have: the values under which a script means the same without them (none listed: any),
/// and why.
const NO_EFFECT: &[(&str, &[&str], &str)] = &[
    ("tcp_syncookies", &["0", "1"], "the table of half-open connections has a limit instead"),
    ("tcp_fack", &["0"], "gone from Linux since 4.15"),
    ("tcp_ecn", &["0", "2"], "we never ask for ECN; accepting it is not built"),
    ("tcp_no_metrics_save", &["0", "1"], "nothing is remembered between connections"),
    ("tcp_fastopen", &[], "fast open is not built: a script that uses it fails at the option"),
    ("tcp_fastopen_key", &[], "the same"),
    ("tcp_tso_win_divisor", &[], "one segment a packet: nothing is deferred"),
    ("tcp_min_tso_segs", &[], "one segment a packet"),
    ("tcp_pacing_ss_ratio", &[], "sending is not paced"),
    ("tcp_pacing_ca_ratio", &[], "sending is not paced"),
    ("tcp_notsent_lowat", &["4294967295", "-1"], "unlimited is what there is"),
    ("tcp_mtu_probing", &["0"], "path MTU black holes are not probed"),
    ("tcp_shrink_window", &["0"], "the window never shrinks"),
    ("tcp_moderate_rcvbuf", &[], "buffers do not tune themselves"),
    ("tcp_autocorking", &["0", "1"], "nothing is held for a busy device"),
];

/// What the script of this name in the public collections sets before each test.
const DEFAULTS: &[(&str, &str)] = &[
    ("tcp_rmem", "4096 540000 15728640"),
    ("tcp_wmem", "4096 262144 4194304"),
    ("tcp_timestamps", "1"),
    ("tcp_syn_retries", "5"),
    ("tcp_synack_retries", "5"),
    ("tcp_frto", "2"),
    ("tcp_sack", "1"),
    ("tcp_dsack", "1"),
    ("tcp_fack", "0"),
    ("tcp_reordering", "3"),
    ("tcp_congestion_control", "cubic"),
    ("tcp_slow_start_after_idle", "0"),
    ("tcp_recovery", "1"),
    ("tcp_tso_win_divisor", "3"),
    ("tcp_ecn", "0"),
    ("tcp_pacing_ss_ratio", "200"),
    ("tcp_pacing_ca_ratio", "120"),
    ("tcp_notsent_lowat", "4294967295"),
    ("tcp_syncookies", "1"),
];
