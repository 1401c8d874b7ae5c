//! What the command line asks for.

use core::fmt::Display;
use core::str::FromStr;
use core::time::Duration;
use longhaul::forecast::MIDDLEBOX_IDLE_SHORT;
use longhaul::options::{Options, TcpKeepalive};

pub(crate) const USAGE: &str = "\
usage: detection_times [--linux] [--rtt MS] [--path-idle S] [options of the socket]

  --linux            Linux's default settings instead of this host's
  --rtt MS           the round trip of the connection, in milliseconds (20)
  --path-idle S      after how many seconds of silence the path forgets a connection (300)

  --keepalive        SO_KEEPALIVE; each of the next three implies it
  --keepidle S       TCP_KEEPIDLE, in seconds
  --keepintvl S      TCP_KEEPINTVL, in seconds
  --keepcnt N        TCP_KEEPCNT
  --user-timeout MS  TCP_USER_TIMEOUT, in milliseconds
  --syncnt N         TCP_SYNCNT
  --linger2 S        TCP_LINGER2, in seconds; negative skips FIN-WAIT-2
  --rto-max MS       TCP_RTO_MAX_MS";

/// The round trip if nobody says: that of a continent.
const RTT_DEFAULT: Duration = Duration::from_millis(20);

pub(crate) enum Call {
    Help,
    Show(Arguments),
}

pub(crate) struct Arguments {
    pub(crate) linux: bool,
    pub(crate) options: Options,
    pub(crate) rtt: Duration,
    pub(crate) path_idle: Duration,
}

/// Reads the command line without the program's name; says what is wrong with it.
pub(crate) fn read(words: impl IntoIterator<Item = String>) -> Result<Call, String> {
    let mut words = words.into_iter();
    let mut arguments =
        Arguments { linux: false, options: Options::new(), rtt: RTT_DEFAULT, path_idle: MIDDLEBOX_IDLE_SHORT };
    while let Some(name) = words.next() {
        if matches!(name.as_str(), "--help" | "-h") {
            return Ok(Call::Help);
        }
        arguments = arguments.with(&name, &mut words)?;
    }
    Ok(Call::Show(arguments))
}

impl Arguments {
    fn with(mut self, name: &str, words: &mut impl Iterator<Item = String>) -> Result<Self, String> {
        let options = self.options;
        let secs = |number| Duration::from_secs(number);
        let millis = |number| Duration::from_millis(number);
        let probing =
            |keepalive: &TcpKeepalive| in_range(name, options.with_keepalive(true).with_tcp_keepalive(keepalive));
        let plain = TcpKeepalive::new();
        match name {
            "--linux" => self.linux = true,
            "--rtt" => self.rtt = millis(value(name, words)?),
            "--path-idle" => self.path_idle = secs(value(name, words)?),
            "--keepalive" => self.options = options.with_keepalive(true),
            "--keepidle" => self.options = probing(&plain.with_time(secs(value(name, words)?)))?,
            "--keepintvl" => self.options = probing(&plain.with_interval(secs(value(name, words)?)))?,
            "--keepcnt" => self.options = probing(&plain.with_retries(value(name, words)?))?,
            "--user-timeout" => {
                let limit = Some(millis(value(name, words)?));
                self.options = in_range(name, options.with_tcp_user_timeout(limit))?;
            }
            "--syncnt" => self.options = in_range(name, options.with_tcp_syncnt(value(name, words)?))?,
            "--linger2" => self.options = options.with_tcp_linger2(value(name, words)?),
            "--rto-max" => self.options = in_range(name, options.with_tcp_rto_max_ms(value(name, words)?))?,
            _ => return Err(format!("unknown argument {name:?}")),
        }
        Ok(self)
    }
}

fn value<T: FromStr<Err: Display>>(name: &str, words: &mut impl Iterator<Item = String>) -> Result<T, String> {
    let word = words.next().ok_or_else(|| format!("{name} wants a number"))?;
    word.parse().map_err(|error| format!("{name} wants a number, not {word:?}: {error}"))
}

fn in_range<T, E: Display>(name: &str, outcome: Result<T, E>) -> Result<T, String> {
    outcome.map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul::config::Sysctl;

    fn told(line: &str) -> Result<Arguments, String> {
        match read(line.split_whitespace().map(String::from))? {
            Call::Show(arguments) => Ok(arguments),
            Call::Help => Err("help".into()),
        }
    }

    #[test]
    fn each_option_is_set_and_keepalive_is_implied() {
        let Ok(all) =
            told("--linux --rtt 7 --keepidle 10 --keepintvl 2 --keepcnt 3 --user-timeout 1500 --path-idle 60")
        else {
            panic!("a good line");
        };
        let (options, sysctl) = (all.options, Sysctl::LINUX);
        assert!(all.linux && options.keepalive());
        assert_eq!((all.rtt, all.path_idle), (Duration::from_millis(7), Duration::from_secs(60)));
        assert_eq!(options.keepalive_time(&sysctl), Duration::from_secs(10));
        assert_eq!(options.keepalive_interval(&sysctl), Duration::from_secs(2));
        assert_eq!(options.keepalive_retries(&sysctl), 3);
        assert_eq!(options.tcp_user_timeout(), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn what_is_wrong_is_said_by_name() {
        for (line, wrong) in [
            ("--rtt", "--rtt wants a number"),
            ("--rtt fast", "--rtt wants a number, not \"fast\": invalid digit found in string"),
            ("--rtt -1", "--rtt wants a number, not \"-1\": invalid digit found in string"),
            ("--keepidle 0", "--keepidle: value out of range for TCP_KEEPIDLE"),
            ("--rto-max 999", "--rto-max: value out of range for TCP_RTO_MAX_MS"),
            ("--nagle", "unknown argument \"--nagle\""),
            ("--linux 3", "unknown argument \"3\""),
            ("--keepcnt 3 --help", "help"),
        ] {
            assert_eq!(told(line).err().as_deref(), Some(wrong), "{line}");
        }
    }
}
