//! Settings that will surprise somebody: what the manual pages do not say of each other.
//!
//! Each warning is read off [`detection_times`], so it can only say what really happens.

use super::outlook::Seconds;
use super::stage::{RECORDS, Stage};
use super::{Failure, detection_times};
use crate::buf::Sent;
use crate::config::Sysctl;
use crate::error::Cause;
use crate::options::Options;
use crate::time::Duration;
use core::fmt;

/// A common patience of firewalls, address translators and load balancers with an idle connection: 5 minutes. (RFC 5382
/// REQ-5 asks translators for 2 h 4 min, which the default keepalive just meets; few give it.)
pub const MIDDLEBOX_IDLE_SHORT: Duration = Duration::from_mins(5);

/// A patient one: 15 minutes.
pub const MIDDLEBOX_IDLE_LONG: Duration = Duration::from_mins(15);

/// RFC 9293 3.8.3 [SHLD-11] wants data to be resent for 100 s at least.
const R2_LEAST: Duration = Duration::from_secs(100);

/// Something about the settings that people learn too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// `SO_KEEPALIVE` is off: an idle connection never notices anything, whatever else is set.
    KeepaliveOff,
    /// The first keepalive probe comes after something on the path has forgotten the connection.
    MiddleboxForgets {
        /// Silence before the first probe.
        keepalive_time: Duration,
        /// How long the path remembers.
        patience: Duration,
    },
    /// `tcp_keepalive_probes` is 0: an idle connection dies without having been asked.
    NoProbes {
        /// After this much silence.
        after: Duration,
    },
    /// Keepalive says nothing about data in flight, which is given up later; a user timeout would be for both.
    KeepaliveSkipsData {
        /// When an idle connection notices.
        idle: Duration,
        /// When data in flight does.
        data: Duration,
    },
    /// `TCP_USER_TIMEOUT` replaces the count of keepalive probes.
    UserTimeoutReplacesProbes {
        /// When an idle connection notices by the count.
        by_count: Duration,
        /// When it really does.
        really: Duration,
    },
    /// `TCP_USER_TIMEOUT` is below one retransmission timeout: a single resend, and it is over.
    UserTimeoutBelowRto {
        /// The user timeout.
        user_timeout: Duration,
        /// The retransmission timeout.
        rto: Duration,
    },
    /// Data in flight is given up earlier than TCP should (RFC 9293 3.8.3 [SHLD-11]: 100 s): `tcp_retries2` is small.
    GivesUpEarly {
        /// After this long.
        after: Duration,
    },
    /// The largest RTO is below the round trip: everything is resent before its answer can arrive.
    RtoMaxBelowRoundTrip {
        /// `tcp_rto_max_ms`, or `TCP_RTO_MAX_MS`.
        rto_max: Duration,
        /// The round trip.
        rtt: Duration,
    },
    /// An orphan leaves FIN-WAIT-2 earlier than asked: Linux counts what exceeds a minute twice, and the minute not.
    FinWait2Shorter {
        /// `tcp_fin_timeout`, or `TCP_LINGER2`.
        asked: Duration,
        /// How long it lasts.
        really: Duration,
    },
    /// `SO_LINGER` of zero: close resets, and what is queued is lost.
    CloseResets,
}

/// What is remarkable about these settings, for a connection with round trip `rtt` over a path on which something
/// forgets connections that are idle for `patience` ([`MIDDLEBOX_IDLE_SHORT`] if nobody knows).
///
/// ```
/// use longhaul::config::Sysctl;
/// use longhaul::forecast::{MIDDLEBOX_IDLE_SHORT, warnings};
/// use longhaul::options::Options;
/// use longhaul::time::Duration;
///
/// let rtt = Duration::from_millis(20);
/// let all: Vec<_> = warnings(&Sysctl::LINUX, &Options::new(), rtt, MIDDLEBOX_IDLE_SHORT).collect();
/// assert_eq!(
///     all[0].to_string(),
///     "keepalive is off: an idle connection never notices that its peer is gone, with or without TCP_USER_TIMEOUT"
/// );
/// ```
pub fn warnings(
    sysctl: &Sysctl,
    options: &Options,
    rtt: Duration,
    patience: Duration,
) -> impl Iterator<Item = Warning> + use<> {
    let of_keepalive = if options.keepalive() {
        of_keepalive(sysctl, options, rtt, patience)
    } else {
        [Some(Warning::KeepaliveOff), None, None, None]
    };
    of_keepalive.into_iter().chain(of_the_rest(sysctl, options, rtt)).flatten()
}

fn of_keepalive(sysctl: &Sysctl, options: &Options, rtt: Duration, patience: Duration) -> [Option<Warning>; 4] {
    let after =
        |options: &Options, failure| detection_times(sysctl, options, rtt).of(failure).after.unwrap_or_default();
    let (idle, data) = (after(options, Failure::IdlePeerGone), after(options, Failure::DataUnanswered));
    let without = options.with_tcp_user_timeout(None).unwrap_or(*options);
    let by_count = after(&without, Failure::IdlePeerGone);
    let keepalive_time = options.keepalive_time(sysctl);
    let user_timeout = options.tcp_user_timeout();
    let asks = user_timeout.is_some() || options.keepalive_retries(sysctl) > 0;
    [
        (keepalive_time >= patience).then_some(Warning::MiddleboxForgets { keepalive_time, patience }),
        (!asks).then_some(Warning::NoProbes { after: idle }),
        (data > idle && user_timeout.is_none()).then_some(Warning::KeepaliveSkipsData { idle, data }),
        (idle != by_count).then_some(Warning::UserTimeoutReplacesProbes { by_count, really: idle }),
    ]
}

fn of_the_rest(sysctl: &Sysctl, options: &Options, rtt: Duration) -> [Option<Warning>; 5] {
    let times = detection_times(sysctl, options, rtt);
    let rto = Stage::established(sysctl, options, rtt, &mut [Sent::EMPTY; RECORDS]).rto();
    let user_timeout = options.tcp_user_timeout().filter(|&limit| limit < rto);
    let data = times.of(Failure::DataUnanswered);
    let by_retries = data.error.and_then(crate::error::Error::cause) == Some(Cause::Retransmission);
    let early = data.after.ok().filter(|&after| by_retries && after < R2_LEAST);
    let rto_max = options.rto_max(sysctl);
    let fin_wait_2 = options.fin_timeout(sysctl).zip(times.of(Failure::ClosedPeerKeepsOpen).after.ok());
    let resets = options.linger().is_some_and(|linger| linger.is_zero());
    let shorter = fin_wait_2.filter(|&(asked, really)| really < asked && !resets);
    [
        user_timeout.map(|user_timeout| Warning::UserTimeoutBelowRto { user_timeout, rto }),
        early.map(|after| Warning::GivesUpEarly { after }),
        (rto_max < rtt).then_some(Warning::RtoMaxBelowRoundTrip { rto_max, rtt }),
        shorter.map(|(asked, really)| Warning::FinWait2Shorter { asked, really }),
        resets.then_some(Warning::CloseResets),
    ]
}

/// One sentence: what will happen, and in brackets what to set.
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::KeepaliveOff => f.write_str(
                "keepalive is off: an idle connection never notices that its peer is gone, with or without \
                 TCP_USER_TIMEOUT",
            ),
            Self::MiddleboxForgets { keepalive_time, patience } => write!(
                f,
                "the first keepalive probe leaves after {}, and the path may forget an idle connection after {} \
                 (TCP_KEEPIDLE)",
                Seconds(keepalive_time),
                Seconds(patience)
            ),
            Self::NoProbes { after } => write!(
                f,
                "an idle connection is killed after {} without a single probe (tcp_keepalive_probes is 0)",
                Seconds(after)
            ),
            Self::KeepaliveSkipsData { idle, data } => write!(
                f,
                "keepalive notices after {}, but not while data is in flight: that takes {} (TCP_USER_TIMEOUT)",
                Seconds(idle),
                Seconds(data)
            ),
            Self::UserTimeoutReplacesProbes { by_count, really } => write!(
                f,
                "TCP_USER_TIMEOUT replaces the count of keepalive probes: idle connections notice after {}, not after \
                 {}",
                Seconds(really),
                Seconds(by_count)
            ),
            Self::UserTimeoutBelowRto { user_timeout, rto } => write!(
                f,
                "the user timeout of {} is below the retransmission timeout of {}: one lost packet and one lost resend \
                 end the connection",
                Seconds(user_timeout),
                Seconds(rto)
            ),
            Self::GivesUpEarly { after } => write!(
                f,
                "data is given up after {}, and RFC 9293 wants 100 s at least: a short outage kills connections \
                 (tcp_retries2)",
                Seconds(after)
            ),
            Self::RtoMaxBelowRoundTrip { rto_max, rtt } => write!(
                f,
                "the largest retransmission timeout, {}, is below the round trip of {}: everything is sent twice \
                 (tcp_rto_max_ms)",
                Seconds(rto_max),
                Seconds(rtt)
            ),
            Self::FinWait2Shorter { asked, really } => write!(
                f,
                "FIN-WAIT-2 lasts {} and not {}: above a minute Linux counts the excess twice and the minute not \
                 (tcp_fin_timeout)",
                Seconds(really),
                Seconds(asked)
            ),
            Self::CloseResets => f.write_str("close sends a reset, and loses what is queued (SO_LINGER is 0)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::TcpKeepalive;
    use alloc::string::ToString;
    use alloc::vec;
    use alloc::vec::Vec;

    const RTT: Duration = Duration::from_millis(20);

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn of(sysctl: &Sysctl, options: &Options) -> Vec<Warning> {
        warnings(sysctl, options, RTT, MIDDLEBOX_IDLE_SHORT).collect()
    }

    fn keepalive(time: u64, interval: u64, retries: u32) -> Options {
        let keepalive = TcpKeepalive::new().with_time(secs(time)).with_interval(secs(interval)).with_retries(retries);
        Options::new().with_keepalive(true).with_tcp_keepalive(&keepalive).unwrap()
    }

    fn limit(options: Options, millis: u64) -> Options {
        options.with_tcp_user_timeout(Some(Duration::from_millis(millis))).unwrap()
    }

    #[test]
    fn settings_that_agree_draw_no_warning() {
        // Probes at 60, 70 and 80 s, dead at 90 s; the user timeout says the same of the probes, and so of data.
        assert_eq!(of(&Sysctl::LINUX, &limit(keepalive(60, 10, 3), 90_000)), []);
    }

    #[test]
    fn the_defaults_lack_keepalive_and_with_it_outlast_the_path() {
        assert_eq!(of(&Sysctl::LINUX, &Options::new()), [Warning::KeepaliveOff]);
        let default = Options::new().with_keepalive(true);
        let forgets = |patience| Warning::MiddleboxForgets { keepalive_time: secs(7200), patience };
        assert_eq!(of(&Sysctl::LINUX, &default), [forgets(MIDDLEBOX_IDLE_SHORT)]);
        let patient = |patience| warnings(&Sysctl::LINUX, &default, RTT, patience).collect::<Vec<_>>();
        assert_eq!(patient(MIDDLEBOX_IDLE_LONG), [forgets(MIDDLEBOX_IDLE_LONG)]);
        assert_eq!(patient(secs(7440)), [], "RFC 5382 REQ-5");
    }

    #[test]
    fn keepalive_is_told_apart_from_data_in_flight() {
        let [Warning::KeepaliveSkipsData { idle, data }] = of(&Sysctl::LINUX, &keepalive(10, 2, 3))[..] else {
            panic!("one warning");
        };
        assert_eq!(idle, secs(16));
        assert!(data > secs(924) && data < secs(1050), "{data:?}");
    }

    #[test]
    fn a_user_timeout_replaces_the_probes_both_ways() {
        let replaced = |by_count, really| {
            vec![Warning::UserTimeoutReplacesProbes { by_count: secs(by_count), really: secs(really) }]
        };
        // The timelines of `liveness::keepalive`: the first tick after a probe with a silence that long.
        assert_eq!(of(&Sysctl::LINUX, &limit(keepalive(20, 5, 9), 22_000)), replaced(65, 25));
        assert_eq!(of(&Sysctl::LINUX, &limit(keepalive(20, 5, 1), 40_000)), replaced(25, 40));
    }

    #[test]
    fn a_user_timeout_below_one_rto_is_noticed() {
        let hasty = of(&Sysctl::LINUX, &limit(Options::new(), 100));
        // RTO = SRTT + 200 ms.
        let rto = Duration::from_millis(220);
        let expected = Warning::UserTimeoutBelowRto { user_timeout: Duration::from_millis(100), rto };
        assert_eq!(hasty, [Warning::KeepaliveOff, expected]);
    }

    #[test]
    fn small_counts_kill_early_or_unasked() {
        let sysctl = Sysctl { tcp_retries2: 0, tcp_keepalive_probes: 0, ..Sysctl::LINUX };
        let found = of(&sysctl, &Options::new().with_keepalive(true));
        assert!(found.contains(&Warning::NoProbes { after: secs(7200) }), "{found:?}");
        let early = |warning: &Warning| matches!(warning, Warning::GivesUpEarly { after } if *after < secs(1));
        assert!(found.iter().any(early), "{found:?}");
        let eight = of(&Sysctl { tcp_retries2: 8, ..Sysctl::LINUX }, &Options::new());
        assert_eq!(eight, [Warning::KeepaliveOff], "the 102.2 s of RFC 1122's advice");
    }

    #[test]
    fn an_rto_max_below_the_round_trip_is_noticed() {
        let options = keepalive(60, 10, 3).with_tcp_rto_max_ms(1000).unwrap();
        let far = |rtt| {
            warnings(&Sysctl::LINUX, &options, rtt, MIDDLEBOX_IDLE_SHORT)
                .any(|warning| matches!(warning, Warning::RtoMaxBelowRoundTrip { .. }))
        };
        assert!(far(Duration::from_millis(1001)) && !far(secs(1)));
    }

    #[test]
    fn the_ends_after_close_are_not_what_they_look_like() {
        let sysctl = Sysctl { tcp_fin_timeout: 80, ..Sysctl::LINUX };
        let shorter = Warning::FinWait2Shorter { asked: secs(80), really: secs(40) };
        assert_eq!(of(&sysctl, &Options::new()), [Warning::KeepaliveOff, shorter]);
        let resets = Options::new().with_linger(Some(Duration::ZERO));
        assert_eq!(of(&sysctl, &resets), [Warning::KeepaliveOff, Warning::CloseResets]);
    }

    #[test]
    fn a_warning_says_what_happens_and_what_to_set() {
        let warning = Warning::MiddleboxForgets { keepalive_time: secs(7200), patience: secs(300) };
        assert_eq!(
            warning.to_string(),
            "the first keepalive probe leaves after 7200.000 s, and the path may forget an idle connection after \
             300.000 s (TCP_KEEPIDLE)"
        );
    }
}
