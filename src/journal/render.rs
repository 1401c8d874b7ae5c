//! How a journal reads: one line an entry, the time of day before it.

use super::{Entry, Journal, Knob, Limit, What};
use crate::liveness::orphan::RETRIES_WHILE_ALIVE;
use crate::time::{Duration, Instant};
use core::fmt;

/// What an instant was by the clock on the wall. Nothing here reads a clock, so whoever renders a journal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    /// An instant.
    pub at: Instant,
    /// The time of day then, since midnight.
    pub time_of_day: Duration,
}

impl WallClock {
    /// The same clock, read at another instant.
    fn read_at(self, at: Instant) -> Self {
        let day = u128::from(DAY_S) * 1_000_000;
        let (later, earlier) = (at.since(self.at).as_micros(), self.at.since(at).as_micros());
        let micros = (self.time_of_day.as_micros() % day + later % day + day - earlier % day) % day;
        Self { at, time_of_day: Duration::from_micros(micros as u64) }
    }
}

/// A journal in plain words; see [`Journal::render`]. Days later than the first entry's are marked `+1d`.
#[derive(Clone, Copy, Debug)]
pub struct Rendered<'j, S> {
    journal: &'j Journal<S>,
    clock: WallClock,
}

impl<'j, S> Rendered<'j, S> {
    pub(super) const fn new(journal: &'j Journal<S>, clock: WallClock) -> Self {
        Self { journal, clock }
    }
}

impl<S: AsRef<[Entry]> + AsMut<[Entry]>> fmt::Display for Rendered<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.journal.entries().next().map_or(self.clock.at, |entry| entry.at);
        let clock = self.clock.read_at(first);
        let mut separator = "";
        if self.journal.dropped > 0 {
            write!(f, "({} older entries dropped)", self.journal.dropped)?;
            separator = "\n";
        }
        for entry in self.journal.entries() {
            write!(f, "{separator}{} ", TimeOfDay(clock, entry.at))?;
            Line { journal: self.journal, clock }.say(&entry.what, f)?;
            separator = "\n";
        }
        Ok(())
    }
}

/// What one line needs to know besides its entry.
struct Line<'j, S> {
    journal: &'j Journal<S>,
    /// Read on the day of the first entry.
    clock: WallClock,
}

impl<S: AsRef<[Entry]> + AsMut<[Entry]>> Line<'_, S> {
    fn say(&self, what: &What, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *what {
            What::Begun { state } => write!(f, "the journal begins; {state}"),
            What::Connecting { next } => {
                write!(f, "connecting{}; SYN again in {}", self.peer("to"), Time(next))
            }
            What::SynResent { count, next } => write!(f, "SYN again ({}), next in {}", Ordinal(count), Time(next)),
            What::Connected { round_trip } => write!(f, "connected{}{}", self.peer("to"), RoundTrip(round_trip)),
            What::Accepted { round_trip } => write!(f, "accepted{}{}", self.peer("from"), RoundTrip(round_trip)),
            What::PathDoubtful { tcp_retries1, modelled } => {
                write!(f, "past tcp_retries1 = {tcp_retries1}, {} modelled: the path is doubtful", Time(modelled))
            }
            What::KeepaliveProbe { number, of, silence, next } => {
                write!(f, "nothing heard for {}; probe {number}{}, next in {}", Time(silence), Of(of), Time(next))
            }
            What::WindowShut => f.write_str("the peer shut its window"),
            What::WindowProbe { number, of, next } => {
                write!(f, "window probe {number}{}, next in {}", Of(of), Time(next))
            }
            What::HeadProbe { bytes, next } => {
                write!(
                    f,
                    "window shut over what is in flight: resent {} as a probe, next in {}",
                    Bytes(bytes),
                    Time(next)
                )
            }
            What::WindowOpened { window, after } => {
                write!(f, "the window is open again after {}: {window} bytes", Time(after))
            }
            What::Answered { after, more, until } => {
                write!(f, "answered after {}", Time(after))?;
                if more == 0 {
                    return Ok(());
                }
                write!(f, ", as were {more} probes more, the last at {}", TimeOfDay(self.clock, until))
            }
            What::Exchanged { times: 1, bytes, after, .. } => {
                write!(f, "sent {bytes} bytes, acknowledged after {}", Time(after))
            }
            What::Exchanged { times, bytes, after, until } => {
                let until = TimeOfDay(self.clock, until);
                write!(
                    f,
                    "{times} times sent and acknowledged, {bytes} bytes in all, the last at {until} after {}",
                    Time(after)
                )
            }
            _ => say_of_data(what, f),
        }
    }

    fn peer(&self, preposition: &'static str) -> Peer {
        Peer(preposition, self.journal.flow().map(|flow| flow.remote))
    }
}

fn say_of_data(what: &What, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match *what {
        What::Sent { bytes, next, tail_probe } => {
            let then = if tail_probe { "tail loss probe" } else { "resend" };
            write!(f, "sent {bytes} bytes; {then} in {} unless acknowledged", Time(next))
        }
        What::Acknowledged { after } => write!(f, "all is acknowledged, {} after it was first sent", Time(after)),
        What::TailLossProbe { bytes, next } => {
            write!(f, "tail loss probe: {}; resend in {}", Bytes(bytes), Time(next))
        }
        What::Resent { bytes, count, next } => {
            write!(f, "resent {} ({}), next in {}", Bytes(bytes), Ordinal(count), Time(next))
        }
        What::Repaired { segments: 1 } => f.write_str("resent 1 segment found lost"),
        What::Repaired { segments } => write!(f, "resent {segments} segments found lost"),
        What::Recovered { resends, silence } => {
            let timeouts = if resends == 1 { "timeout" } else { "timeouts" };
            write!(f, "the peer acknowledges again, after {resends} {timeouts} and {} of silence", Time(silence))
        }
        _ => say_of_the_end(what, f),
    }
}

fn say_of_the_end(what: &What, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match *what {
        What::Network(errno) => write!(f, "the network says {errno}; remembered"),
        What::MtuLowered { mtu, mss } => {
            write!(f, "a router says that the path carries {mtu} bytes; segments carry {mss} now")
        }
        What::SmallerSegments { mss } => {
            write!(f, "the path may swallow large packets: segments carry {mss} bytes now")
        }
        What::PeerFinished => f.write_str("the peer has finished (FIN)"),
        What::Finished => f.write_str("we have finished (FIN)"),
        What::FinAcknowledged => f.write_str("the peer knows that we have finished"),
        What::Orphaned => f.write_str("closed by the application: an orphan now"),
        What::FinWait2(length) => write!(f, "FIN-WAIT-2 for {} at most", Time(length)),
        What::TimeWait(length) => write!(f, "TIME-WAIT for {}", Time(length)),
        What::GaveUp { limit, silence, diagnosis, .. } => {
            write!(f, "gave up: {limit}, silent for {}; {diagnosis}", Time(silence))
        }
        What::Ended(diagnosis) => write!(f, "over: {diagnosis}"),
        What::ResetSent => f.write_str("a reset tells the peer"),
        // Said by the others.
        _ => Ok(()),
    }
}

/// `tcp_retries2 = 15, 924.6 s modelled`.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { knob, value, modelled } = *self;
        if knob.is_time() {
            write!(f, "{knob} = {}", Time(Duration::from_millis(u64::from(value))))?;
        } else {
            write!(f, "{knob} = {value}")?;
        }
        if knob == Knob::OrphanRetries && value == 0 {
            write!(f, " ({RETRIES_WHILE_ALIVE} at first)")?;
        }
        match modelled {
            Some(modelled) => write!(f, ", {} modelled", Time(modelled)),
            None if knob.is_time() => Ok(()),
            None => f.write_str(", so many unanswered"),
        }
    }
}

/// `12:00:00.201`, and later days than the clock's with `+1d ` before.
struct TimeOfDay(WallClock, Instant);

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(clock, at) = *self;
        let time = clock.time_of_day.saturating_add(at.since(clock.at));
        let (days, secs) = (time.as_secs() / DAY_S, time.as_secs() % DAY_S);
        if days > 0 {
            write!(f, "+{days}d ")?;
        }
        let (hours, mins, millis) = (secs / 3600, secs / 60 % 60, time.subsec_millis());
        write!(f, "{hours:02}:{mins:02}:{:02}.{millis:03}", secs % 60)
    }
}

const DAY_S: u64 = 24 * 3600;

/// `34 us`, `402 ms`, `1.6 s`, `7200 s`: as much as the eye wants, cut off, not rounded.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, millis) = (self.0.as_secs(), self.0.subsec_millis());
        match (secs, millis) {
            (0, 0) => write!(f, "{} us", self.0.as_micros()),
            (0, _) => write!(f, "{millis} ms"),
            (_, 0..100) => write!(f, "{secs} s"),
            _ => write!(f, "{secs}.{} s", millis / 100),
        }
    }
}

/// ` (round trip 20 ms)`, if it is known.
struct RoundTrip(Option<Duration>);

impl fmt::Display for RoundTrip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |time| write!(f, " (round trip {})", Time(time)))
    }
}

/// ` to 10.0.0.1:80`.
struct Peer(&'static str, Option<core::net::SocketAddr>);

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.map_or(Ok(()), |address| write!(f, " {} {address}", self.0))
    }
}

/// `5 bytes`; nothing but a FIN is `the FIN`.
struct Bytes(u32);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { f.write_str("the FIN") } else { write!(f, "{} bytes", self.0) }
    }
}

/// ` of 9`, if it is a count that decides.
struct Of(Option<u8>);

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |of| write!(f, " of {of}"))
    }
}

/// `1st`, `2nd`, `11th`.
struct Ordinal(u8);

impl fmt::Display for Ordinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = match (self.0 % 10, self.0 / 10 % 10) {
            (1, tens) if tens != 1 => "st",
            (2, tens) if tens != 1 => "nd",
            (3, tens) if tens != 1 => "rd",
            _ => "th",
        };
        write!(f, "{}{suffix}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn times_and_ordinals_read_well() {
        let rows = [(34, "34 us"), (402_900, "402 ms"), (1_608_000, "1.6 s"), (7_200_000_000, "7200 s"), (0, "0 us")];
        for (micros, text) in rows {
            assert_eq!(Time(Duration::from_micros(micros)).to_string(), text);
        }
        let rows =
            [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (21, "21st"), (113, "113th")];
        for (number, text) in rows {
            assert_eq!(Ordinal(number).to_string(), text);
        }
    }

    #[test]
    fn the_day_changes_at_midnight() {
        let clock = WallClock { at: Instant::from_secs(200_000), time_of_day: Duration::from_secs(86_399) };
        let read = |millis| TimeOfDay(clock, Instant::from_millis(millis)).to_string();
        assert_eq!((read(200_000_999), read(200_001_000)), ("23:59:59.999".into(), "+1d 00:00:00.000".into()));
        // A journal counts days from its first entry, even if that was the day before yesterday.
        let yesterday = clock.read_at(Instant::from_secs(200_000 - 86_400 - 1));
        assert_eq!(yesterday.time_of_day, Duration::from_secs(86_398));
        let twice = yesterday.read_at(clock.at);
        assert_eq!(twice, clock);
        assert_eq!(clock.read_at(Instant::from_secs(200_002)).time_of_day, Duration::from_secs(1));
    }
}
