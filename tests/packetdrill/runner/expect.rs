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
        let window = self.window(event.time);
        let patience = window.map(|(_, last)| last + PATIENCE);
        let Some((at, sent)) = self.next_sent(patience)? else {
            return Err(format!("expected  > {expected}\n  nothing was sent until {}", clock(self.host.now)));
        };
        self.base = at;
        let whole = self.merge(expected, sent, at)?;
        let actual = self.numbers.script(&whole.tcp, Some(expected));
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
        let exact = start != end || (start.relative && start.micros == 0);
        let tolerance = if exact { Duration::ZERO } else { self.tolerance(first.since(self.base)) };
        Some((super::START.max(first - tolerance), last + tolerance))
    }

    /// The oldest packet of the connection under test that the stack has sent and the script has not seen, or the next
    /// one it will send by `until`; packets of other connections are passed over.
    fn next_sent(&mut self, until: Option<Instant>) -> Result<Option<(Instant, Sent)>, String> {
        loop {
            while let Some((at, sent)) = self.sent.pop_front() {
                if self.is_under_test(&sent) {
                    return Ok(Some((at, sent)));
                }
            }
            let until = until.unwrap_or(Instant::from_micros(u64::MAX / 2));
            if !self.step(until)? {
                return Ok(None);
            }
        }
    }

    fn is_under_test(&self, sent: &Sent) -> bool {
        let ends = (sent.ends.source.1, sent.ends.destination.1);
        self.ports.is_none_or(|ports| ports == ends)
    }

    /// A script may expect in one packet what the stack sends in several.
    fn merge(&mut self, expected: &Tcp, mut whole: Sent, at: Instant) -> Result<Sent, String> {
        let piece = whole.tcp.len;
        let mut last = piece;
        while self.settings.merge && whole.tcp.len < expected.len && last == piece && last > 0 {
            self.collect()?;
            let next = self.sent.front().filter(|(next_at, _)| *next_at == at);
            let Some((_, next)) = next.filter(|(_, next)| matcher::continues(&whole.tcp, &next.tcp)) else { break };
            last = next.tcp.len;
            whole.tcp.len += last;
            whole.tcp.flags.0 |= next.tcp.flags.0 & (Flags::FIN | Flags::PSH);
            self.sent.pop_front();
        }
        Ok(whole)
    }

    /// Remembers which live timestamp stands where the script has its own; checks the distance if the script gives a
    /// unit.
    fn match_timestamp(&mut self, expected: &Tcp, actual: &Tcp) -> Option<String> {
        let (script, live) = (timestamp(expected)?, timestamp(actual)?);
        let first = self.numbers.first_timestamp();
        self.numbers.remember_timestamp(script, live);
        let (first_script, first_live) = first.filter(|_| self.settings.tick_us > 0)?;
        let off = live.wrapping_sub(first_live).wrapping_sub(script.wrapping_sub(first_script)).cast_signed();
        let off_us = u64::from(off.unsigned_abs()) * self.settings.tick_us;
        let wrong = off_us > self.settings.tolerance_us;
        wrong.then(|| format!("TS val: {off} ticks of {} us off", self.settings.tick_us))
    }
}

fn timestamp(tcp: &Tcp) -> Option<u32> {
    tcp.options.as_deref()?.iter().find_map(|option| match option {
        TcpOption::Timestamps { val, .. } => Some(*val),
        _ => None,
    })
}
