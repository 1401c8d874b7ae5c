//! Packets that a script expects of the stack.

use super::{PATIENCE, Runner, at, clock};
use crate::ast::{Body, Event, Flags, Packet, Tcp, TcpOption, Time};
use crate::codec::Sent;
use crate::matcher;
use longhaul::time::{Duration, Instant};

impl Runner {
    /// The next packet the stack sends must be this one, at its time.
    pub(super) fn expect(&mut self, event: &Event, packet: &Packet) -> Result<(), String> {
        let Body::Tcp(expected) = &packet.body else { return Err("not supported: an expected ICMP packet".into()) };
        if let Some(ports) = packet.ports {
            self.tested.select(ports);
        }
        let window = self.window(event.time);
        let patience = window.map(|(_, last)| last + PATIENCE);
        let Some((at, sent)) = self.next_sent(patience)? else {
            let ever = if window.is_none() { "ever".into() } else { format!("until {}", clock(self.host.now)) };
            return Err(format!("expected  > {}{expected}\n  nothing was sent {ever}", packet.ip));
        };
        let whole = self.merge(expected, sent, window.map_or(at, |(_, last)| last))?;
        // The event is over now, even if the packet left before the script came to it.
        self.base = self.host.now;
        let actual = self.tested.numbers().script(&whole.tcp, Some(expected));
        self.trace.push(format!("{} > {actual}", clock(at)));
        let fail = |why: String| Err(format!("expected  > {}{expected}\n  got       > {actual}\n  {why}", packet.ip));
        let differs = matcher::difference(expected, &actual).or_else(|| matcher::ip_difference(packet, &whole));
        if let Some(why) = differs {
            return fail(why);
        }
        if let Some((first, last)) = window.filter(|&(first, last)| at < first || at > last) {
            let (at, first, last) = (clock(at), clock(first), clock(last));
            return fail(format!("time: expected {first} to {last}, got {at}"));
        }
        match self.match_timestamp(expected, &actual) {
            Some(why) => fail(why),
            None => Ok(()),
        }
    }

    /// First and last instant at which the packet may be sent; `None`: any.
    fn window(&self, time: Time) -> Option<(Instant, Instant)> {
        let (start, end) = match time {
            Time::Any => return None,
            Time::Window(start, end) => (start, end),
            Time::At(moment) | Time::Span(moment, _) => (moment, moment),
        };
        let (first, last) = (at(self.base, start), at(self.base, end));
        let tolerance = self.tolerance(first.since(self.base));
        Some((super::START.max(first - tolerance), last + tolerance))
    }

    /// The oldest packet of the connection under test that the stack has sent and the script has not seen, or the next
    /// one it will send by `until`; packets of other connections are passed over.
    fn next_sent(&mut self, until: Option<Instant>) -> Result<Option<(Instant, Sent)>, String> {
        loop {
            if let Some(next) = self.front() {
                self.sent.pop_front();
                return Ok(Some(next));
            }
            let until = until.unwrap_or(Instant::from_micros(u64::MAX / 2));
            if !self.step(until)? {
                return Ok(None);
            }
        }
    }

    /// The oldest packet of the connection under test, once those of others are out of the way.
    fn front(&mut self) -> Option<(Instant, Sent)> {
        let under_test = self.tested.ports();
        while let Some((at, sent)) = self.sent.front() {
            let ends = (sent.ends.source.1, sent.ends.destination.1);
            if under_test.is_none_or(|ports| ports == ends) {
                return Some((*at, sent.clone()));
            }
            self.sent.pop_front();
        }
        None
    }

    /// A script may expect in one packet what the stack sends in several until `last`: all alike, but for the numbers
    /// and for a shorter end.
    fn merge(&mut self, expected: &Tcp, mut whole: Sent, last: Instant) -> Result<Sent, String> {
        let piece = whole.tcp.len;
        let mut latest = piece;
        while self.settings.merge && whole.tcp.len < expected.len && latest == piece && piece > 0 {
            let Some((at, next)) = self.front() else {
                if !self.step(last)? {
                    break;
                }
                continue;
            };
            if at > last || !matcher::continues(&whole.tcp, &next.tcp) {
                break;
            }
            self.sent.pop_front();
            latest = next.tcp.len;
            whole.tcp.len += latest;
            // The last piece says how the whole ends. A packet of several segments is always pushed on Linux, whatever
            // its segments would be by themselves (`__tcp_transmit_skb`).
            let ends = Flags::FIN | Flags::PSH;
            whole.tcp.flags.0 = whole.tcp.flags.0 & !ends | next.tcp.flags.0 & ends | expected.flags.0 & Flags::PSH;
        }
        Ok(whole)
    }

    /// Remembers which live timestamp stands where the script has its own; checks the distance if the script gives a
    /// unit.
    fn match_timestamp(&mut self, expected: &Tcp, actual: &Tcp) -> Option<String> {
        let (script, live) = (timestamp(expected)?, timestamp(actual)?);
        let numbers = self.tested.numbers();
        let first = numbers.first_timestamp();
        numbers.remember_timestamp(script, live);
        let (first_script, first_live) = first.filter(|_| self.settings.tick_us > 0)?;
        let off = live.wrapping_sub(first_live).wrapping_sub(script.wrapping_sub(first_script)).cast_signed();
        let off_us = u64::from(off.unsigned_abs()).saturating_mul(self.settings.tick_us);
        // The script's own times may be off by the tolerance of its events.
        let allowed = Duration::from_micros(self.settings.tolerance_us);
        let wrong = Duration::from_micros(off_us) > allowed;
        wrong.then(|| format!("TS val: {off} ticks of {} us off", self.settings.tick_us))
    }
}

fn timestamp(tcp: &Tcp) -> Option<u32> {
    tcp.options.as_deref()?.iter().find_map(|option| match option {
        TcpOption::Timestamps { val, .. } => Some(*val),
        _ => None,
    })
}
