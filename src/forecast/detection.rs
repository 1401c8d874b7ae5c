//! How long does each kind of failure stay unnoticed, with these settings?
//!
//! No formulas: each row brings a connection to the point of failure and asks its forecast.

use super::stage::{self, RECORDS, Stage};
use super::{Departure, End, Reason};
use crate::buf::Sent;
use crate::config::Sysctl;
use crate::error::{Cause, Error};
use crate::options::Options;
use crate::tcp::EmitKind;
use crate::time::Duration;
use core::fmt;

/// The longest round trip that is looked at: more than any sample that Linux believes (268 s).
pub const RTT_MAX: Duration = Duration::from_secs(300);

/// A way in which a connection fails, or is left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// Nobody answers our SYN.
    ConnectUnanswered,
    /// The peer of a half-open passive connection does not answer our SYN-ACK.
    AcceptUnanswered,
    /// The connection is idle, and the peer is gone.
    IdlePeerGone,
    /// The connection is idle, and the peer has restarted: it resets what it does not know.
    IdlePeerRestarted,
    /// What we write, from the moment of writing, is not acknowledged.
    DataUnanswered,
    /// The peer shut its window, we write, and no more is heard.
    WindowShut,
    /// We finish without closing (`shutdown`), and our FIN is not acknowledged.
    FinUnanswered,
    /// Our FIN is acknowledged, the application goes on reading, and the peer is gone.
    HalfClosedPeerGone,
    /// The application closes with data queued, and nothing is acknowledged.
    ClosedWithData,
    /// The application closes an idle connection, and the FIN is not acknowledged.
    ClosedIdle,
    /// The application has closed, our FIN is acknowledged, and the peer's does not come.
    ClosedPeerKeepsOpen,
    /// Both ends have finished, we first.
    ClosedByBoth,
}

impl Failure {
    /// Every kind, in the order of a connection's life.
    pub const ALL: [Self; 12] = [
        Self::ConnectUnanswered,
        Self::AcceptUnanswered,
        Self::IdlePeerGone,
        Self::IdlePeerRestarted,
        Self::DataUnanswered,
        Self::WindowShut,
        Self::FinUnanswered,
        Self::HalfClosedPeerGone,
        Self::ClosedWithData,
        Self::ClosedIdle,
        Self::ClosedPeerKeepsOpen,
        Self::ClosedByBoth,
    ];

    /// Plain words, at most 40 letters.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::ConnectUnanswered => "connect into a black hole",
            Self::AcceptUnanswered => "half-open, and no ACK of our SYN-ACK",
            Self::IdlePeerGone => "idle, and the peer is gone",
            Self::IdlePeerRestarted => "idle, and the peer has restarted",
            Self::DataUnanswered => "data in flight, and no answer",
            Self::WindowShut => "window shut, data queued, and no answer",
            Self::FinUnanswered => "finished (shutdown), and no answer",
            Self::HalfClosedPeerGone => "half-closed, reading, and the peer gone",
            Self::ClosedWithData => "closed with data queued, and no answer",
            Self::ClosedIdle => "closed, and no answer to our FIN",
            Self::ClosedPeerKeepsOpen => "closed, and the peer does not close",
            Self::ClosedByBoth => "closed by both, we first",
        }
    }
}

/// When one kind of failure is noticed, or what is left of it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetectionTime {
    /// Of what.
    pub failure: Failure,
    /// How long after the failure, or why never.
    pub after: Result<Duration, Reason>,
    /// What the application is told; `None` if it is told nothing.
    pub error: Option<Error>,
    /// What decides: sysctls, and in brackets the socket options that override them.
    pub decided_by: &'static str,
}

/// A table of [`DetectionTime`]s, one for each [`Failure`]; see [`detection_times`]. `Display` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetectionTimes {
    rows: [DetectionTime; Failure::ALL.len()],
}

/// How long each kind of failure stays unnoticed, for a connection with these settings whose round trip takes `rtt` (at
/// most [`RTT_MAX`]). Each row is the forecast of a real connection that was brought to that point; on a stack it may
/// come up to a millisecond later.
///
/// ```
/// use longhaul::config::Sysctl;
/// use longhaul::forecast::{Failure, detection_times};
/// use longhaul::options::Options;
/// use longhaul::time::Duration;
///
/// let options = Options::new().with_keepalive(true);
/// let times = detection_times(&Sysctl::LINUX, &options, Duration::from_millis(20));
/// assert_eq!(times.of(Failure::IdlePeerGone).after, Ok(Duration::from_secs(7875)));
/// assert_eq!(times.of(Failure::ConnectUnanswered).after, Ok(Duration::from_secs(131)));
/// println!("{times}");
/// ```
pub fn detection_times(sysctl: &Sysctl, options: &Options, rtt: Duration) -> DetectionTimes {
    let rtt = rtt.min(RTT_MAX);
    DetectionTimes { rows: Failure::ALL.map(|failure| detection_time(failure, sysctl, options, rtt)) }
}

impl DetectionTimes {
    /// One row.
    pub fn of(&self, failure: Failure) -> &DetectionTime {
        // `Failure::ALL` has the order of the variants.
        &self.rows[failure as usize]
    }

    /// All rows, in the order of [`Failure::ALL`].
    pub fn iter(&self) -> core::slice::Iter<'_, DetectionTime> {
        self.rows.iter()
    }
}

impl<'t> IntoIterator for &'t DetectionTimes {
    type Item = &'t DetectionTime;
    type IntoIter = core::slice::Iter<'t, DetectionTime>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn detection_time(failure: Failure, sysctl: &Sysctl, options: &Options, rtt: Duration) -> DetectionTime {
    let records = &mut [Sent::EMPTY; RECORDS];
    if failure == Failure::ConnectUnanswered {
        return row(failure, &Stage::connecting(sysctl, options, records));
    }
    if failure == Failure::AcceptUnanswered {
        let decided_by = "tcp_synack_retries (TCP_SYNCNT of the listener)";
        return DetectionTime { failure, after: stage::half_open(sysctl, options), error: None, decided_by };
    }
    let stage = Stage::established(sysctl, options, rtt, records);
    let stage = match failure {
        Failure::IdlePeerRestarted => return peer_restarted(stage),
        Failure::ConnectUnanswered | Failure::AcceptUnanswered | Failure::IdlePeerGone => stage,
        Failure::DataUnanswered => stage.write(),
        Failure::WindowShut => stage.shut().write(),
        Failure::FinUnanswered => stage.finish(),
        Failure::HalfClosedPeerGone => stage.finish().acknowledged(),
        Failure::ClosedWithData => stage.write().close(),
        Failure::ClosedIdle => stage.close(),
        Failure::ClosedPeerKeepsOpen => stage.close().acknowledged(),
        Failure::ClosedByBoth => stage.finish().finished(),
    };
    row(failure, &stage)
}

fn row(failure: Failure, stage: &Stage<'_, '_>) -> DetectionTime {
    let end = stage.outlook().end;
    // Nobody listens any more to what an orphan dies of.
    let error = end.error().filter(|_| !stage.conn.is_orphan());
    DetectionTime { failure, after: stage::time_until(end, stage.now), error, decided_by: decided_by(end) }
}

/// The peer has forgotten us: it answers the first keepalive probe with a reset.
fn peer_restarted(stage: Stage<'_, '_>) -> DetectionTime {
    let failure = Failure::IdlePeerRestarted;
    let unasked = row(failure, &stage);
    let Some(probe) = stage.first(EmitKind::KeepaliveProbe) else { return unasked };
    let since = stage.now;
    let stage = stage.reset(probe.at);
    if stage.conn.death() != Some(Error::Reset) {
        // It comes after death, and changes nothing.
        return unasked;
    }
    let decided_by = "tcp_keepalive_time (TCP_KEEPIDLE)";
    DetectionTime { failure, after: Ok(stage.now.since(since)), error: stage.conn.death(), decided_by }
}

fn decided_by(end: End) -> &'static str {
    match end {
        End::Death { cause: Cause::Handshake, .. } => "tcp_syn_retries, tcp_syn_linear_timeouts (TCP_SYNCNT)",
        End::Death { cause: Cause::Retransmission, .. } => "tcp_retries2, tcp_rto_max_ms (TCP_RTO_MAX_MS)",
        End::Death { cause: Cause::ZeroWindow, .. } => "tcp_retries2 as a count, tcp_rto_max_ms (TCP_RTO_MAX_MS)",
        End::Death { cause: Cause::Keepalive, .. } => {
            "tcp_keepalive_time, _intvl, _probes (TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT)"
        }
        End::Death { cause: Cause::UserTimeout, .. } => "TCP_USER_TIMEOUT",
        End::Death { cause: Cause::Orphan, .. } => "tcp_orphan_retries",
        End::Gone { how: Departure::TimeWait, .. } => "fixed",
        End::Gone { .. } => "tcp_fin_timeout (TCP_LINGER2)",
        End::Never(Reason::Closed) => "reset at once (TCP_LINGER2, SO_LINGER)",
        End::Never(_) => "SO_KEEPALIVE",
    }
}

/// One line: what, after how long, what the application sees, and what decides.
impl fmt::Display for DetectionTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<40}", self.failure.describe())?;
        match self.after {
            Ok(after) => write!(f, "{:>8}.{:03} s", after.as_secs(), after.subsec_millis())?,
            Err(_) => write!(f, "{:>14}", "never")?,
        }
        match self.error.map(Error::errno) {
            Some(errno) => write!(f, "  {errno}{:1$}", "", ERRNO_WIDTH - width(&errno))?,
            None => write!(f, "  {:<ERRNO_WIDTH$}", "-")?,
        }
        write!(f, "  {}", self.decided_by)
    }
}

/// As wide as ECONNREFUSED and its like.
const ERRNO_WIDTH: usize = 12;

/// How wide `shown` is printed, at most the column; what is written by name does not pad itself.
fn width(shown: &impl fmt::Display) -> usize {
    struct Width(usize);
    impl fmt::Write for Width {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 += text.len();
            Ok(())
        }
    }
    let mut width = Width(0);
    // Counting cannot fail.
    let _ = fmt::Write::write_fmt(&mut width, format_args!("{shown}"));
    width.0.min(ERRNO_WIDTH)
}

/// A line for each failure, below a heading.
impl fmt::Display for DetectionTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<40}{:>14}  {:<ERRNO_WIDTH$}  decided by", "failure", "noticed after", "errno")?;
        self.rows.iter().try_for_each(|row| write!(f, "\n{row}"))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::options::TcpKeepalive;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn millis(times: &DetectionTimes) -> Vec<Option<u128>> {
        times.iter().map(|row| row.after.ok().map(|after| after.as_millis())).collect()
    }

    #[test]
    fn with_the_defaults_of_linux_each_failure_takes_the_time_it_is_known_for() {
        // The smallest RTO, 201 ms, and no tail loss probe: the figures that are quoted everywhere, of
        // `liveness::retransmission`, `zero_window`, `orphan` and `handshake`.
        let sysctl = Sysctl { tcp_sack: 0, ..Sysctl::LINUX };
        let times = detection_times(&sysctl, &Options::new().with_keepalive(true), Duration::ZERO);
        let expected = [
            131_000, 63_000, 7_875_000, 7_200_000, 925_623, 925_623, 925_623, 7_875_000, 102_711, 102_711, 60_000,
            60_000,
        ];
        assert_eq!(millis(&times), expected.map(Some));
        let causes: Vec<_> = times.iter().filter_map(|row| row.error?.cause()).collect();
        let (data, idle) = (Cause::Retransmission, Cause::Keepalive);
        assert_eq!(causes, [Cause::Handshake, idle, data, Cause::ZeroWindow, data, idle]);
        assert_eq!(times.of(Failure::IdlePeerRestarted).error, Some(Error::Reset));
    }

    #[test]
    fn without_keepalive_the_idle_never_notice() {
        let times = detection_times(&Sysctl::LINUX, &Options::new(), secs(1));
        for (failure, why) in [
            (Failure::IdlePeerGone, Reason::Idle),
            (Failure::IdlePeerRestarted, Reason::Idle),
            (Failure::HalfClosedPeerGone, Reason::FinWait2),
        ] {
            assert_eq!(times.of(failure).after, Err(why));
            assert_eq!(times.of(failure).decided_by, "SO_KEEPALIVE");
        }
    }

    #[test]
    fn options_decide_before_sysctls_and_the_row_says_so() {
        let keepalive = TcpKeepalive::new().with_time(secs(10)).with_interval(secs(5)).with_retries(2);
        let options = Options::new().with_keepalive(true).with_tcp_keepalive(&keepalive).unwrap().with_tcp_linger2(-1);
        let limited = options.with_tcp_user_timeout(Some(secs(22))).unwrap();
        let rtt = Duration::from_millis(100);
        let idle = |options| *detection_times(&Sysctl::LINUX, options, rtt).of(Failure::IdlePeerGone);
        assert_eq!(idle(&options).after, Ok(secs(20)));
        assert_eq!((idle(&limited).after, idle(&limited).decided_by), (Ok(secs(25)), "TCP_USER_TIMEOUT"));
        let times = detection_times(&Sysctl::LINUX, &options, rtt);
        assert_eq!(times.of(Failure::IdlePeerRestarted).after, Ok(secs(10) + rtt));
        let skipped = times.of(Failure::ClosedPeerKeepsOpen);
        assert_eq!((skipped.after, skipped.error), (Ok(Duration::ZERO), None));
    }

    #[test]
    fn a_reset_that_comes_too_late_is_not_told_of() {
        let keepalive = TcpKeepalive::new().with_time(secs(1)).with_interval(secs(1)).with_retries(1);
        let options = Options::new().with_keepalive(true).with_tcp_keepalive(&keepalive).unwrap();
        let times = detection_times(&Sysctl::LINUX, &options, secs(3));
        let row = times.of(Failure::IdlePeerRestarted);
        assert_eq!((row.after, row.error.and_then(Error::cause)), (Ok(secs(2)), Some(Cause::Keepalive)));
    }

    #[test]
    fn no_setting_and_no_round_trip_breaks_the_table() {
        let longest = Duration::from_millis((1 << 31) - 1);
        for rtt in [Duration::ZERO, secs(2), RTT_MAX, Duration::MAX] {
            for options in [
                Options::new(),
                Options::new().with_linger(Some(Duration::ZERO)),
                Options::new().with_keepalive(true).with_tcp_user_timeout(Some(longest)).unwrap(),
                Options::new().with_tcp_user_timeout(Some(Duration::from_millis(1))).unwrap().with_tcp_cork(true),
            ] {
                for retries in [0, 255] {
                    let sysctl = Sysctl { tcp_retries2: retries, tcp_synack_retries: retries, ..Sysctl::LINUX };
                    let times = detection_times(&sysctl, &options, rtt);
                    assert!(times.iter().all(|row| row.after != Err(Reason::TooFar)), "{times}");
                    for (row, failure) in times.iter().zip(Failure::ALL) {
                        assert_eq!((row.failure, times.of(failure)), (failure, row));
                    }
                }
            }
        }
    }

    #[test]
    fn the_table_stands_in_columns() {
        let times = detection_times(&Sysctl::LINUX, &Options::new().with_keepalive(true), Duration::ZERO);
        let text = times.to_string();
        let line = "idle, and the peer is gone                  7875.000 s  ETIMEDOUT     tcp_keepalive_time, _intvl, \
                    _probes (TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT)";
        assert!(text.lines().any(|row| row == line), "{text}");
        assert!(Failure::ALL.iter().all(|failure| failure.describe().len() <= 40));
    }
}
