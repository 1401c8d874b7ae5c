//! `nstat`: what the stack counted since the script last looked.

use alloc::collections::BTreeMap;
use longhaul::stack::Stack;

/// Counters as of the last look.
#[derive(Default)]
pub(super) struct Counters {
    seen: BTreeMap<&'static str, u64>,
}

impl Counters {
    /// `nstat -n` only remembers; without `-s` every other form does so, too. `| grep PATTERN` keeps the lines with a
    /// pattern; that none is left fails the command.
    pub(super) fn nstat(&mut self, stack: &Stack, arguments: &[&str], filters: &[Vec<&str>]) -> Result<(), String> {
        let (mut quiet, mut keep) = (false, false);
        for argument in arguments {
            match *argument {
                "-n" => quiet = true,
                "-s" => keep = true,
                "-a" | "-z" | "-az" | "-d" => return Err(format!("not supported: nstat {argument}")),
                _ => return Err(format!("not supported: nstat with the argument {argument}")),
            }
        }
        let now: BTreeMap<&'static str, u64> = stack.stats().iter().collect();
        // Like the tool: a name, the difference if there is any, and a rate.
        let line = |(name, count): (&&str, &u64)| {
            let since = count.wrapping_sub(self.seen.get(*name).copied().unwrap_or(0));
            (since > 0).then(|| format!("{name:<32}{since:<16} 0.0"))
        };
        let mut lines: Vec<String> = if quiet { Vec::new() } else { now.iter().filter_map(line).collect() };
        let mut asked = Vec::new();
        for filter in filters {
            let Some(("grep", options)) = filter.split_first().map(|(program, rest)| (*program, rest)) else {
                return Err("not supported: nstat piped into anything but grep".into());
            };
            let [flags @ .., pattern] = options else { return Err("grep: no pattern".into()) };
            if let Some(flag) = flags.iter().find(|flag| !["-q", "-w", "-E", "-F"].contains(flag)) {
                return Err(format!("not supported: grep {flag}"));
            }
            require_counted(pattern, &now)?;
            lines.retain(|line| contains(line, pattern));
            asked.push(*pattern);
        }
        let found = filters.is_empty() || !lines.is_empty();
        let actual = asked.first().map_or(String::new(), |name| self.describe(name, &now));
        if !keep {
            self.seen = now;
        }
        if found { Ok(()) } else { Err(format!("no line with `{}`{actual}", asked.join("` and `"))) }
    }

    /// The counters that a pattern means.
    fn describe(&self, pattern: &str, now: &BTreeMap<&'static str, u64>) -> String {
        let meant = now.iter().filter(|(name, _)| name.contains(pattern));
        meant.fold(String::new(), |text, (name, count)| {
            let since = count.wrapping_sub(self.seen.get(name).copied().unwrap_or(0));
            format!("{text}; {name} is {since}")
        })
    }
}

/// A pattern that names a counter must name one the stack has: silence would else be taken for zero.
fn require_counted(pattern: &str, now: &BTreeMap<&'static str, u64>) -> Result<(), String> {
    let names_counter = ["Tcp", "Ip", "Icmp", "Udp"].iter().any(|group| pattern.starts_with(group));
    if names_counter && !now.keys().any(|name| name.contains(pattern)) {
        return Err(format!("not supported: the counter {pattern}"));
    }
    Ok(())
}

/// Whether a line holds a pattern, in which blanks stand for one blank or more at its ends.
fn contains(line: &str, pattern: &str) -> bool {
    let padded = format!(" {} ", line.split_whitespace().collect::<Vec<_>>().join(" "));
    padded.contains(pattern)
}
