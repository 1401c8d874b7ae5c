//! A host: a stack, the clock it is told, and the device its packets leave by. Clock and device can misbehave.

use crate::stack::{Config, Stack, Transmit};
use crate::time::Instant;
use crate::wire::{self, ParseError};
use bytes::Bytes;
use core::fmt;
use core::net::IpAddr;

/// A host of a [`super::Sim`], in the order of being added; shown as `a`, `b` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(pub(super) usize);

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u8::try_from(self.0) {
            Ok(index @ 0..=25) => fmt::Write::write_char(f, char::from(b'a' + index)),
            _ => write!(f, "h{}", self.0),
        }
    }
}

#[derive(Debug)]
pub(super) struct Host {
    pub(super) stack: Stack,
    /// What its clock shows more (or less) than the simulation's, in microseconds.
    pub(super) clock_ahead_us: i64,
    /// Nobody calls the stack before this; packets wait.
    pub(super) asleep_until: Instant,
    /// Packets the device still takes; `None` for a device that is never full.
    pub(super) device_room: Option<usize>,
    /// The device drops every packet, and says so.
    pub(super) refuses: bool,
}

impl Host {
    pub(super) fn new(now: Instant, config: Config) -> Self {
        let stack = Stack::new(now, config);
        Self { stack, clock_ahead_us: 0, asleep_until: Instant::ORIGIN, device_room: None, refuses: false }
    }

    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        let config = self.stack.config();
        match address {
            IpAddr::V4(v4) => config.ipv4 == Some(v4),
            IpAddr::V6(v6) => config.ipv6 == Some(v6),
        }
    }

    /// What the host's clock shows.
    pub(super) fn clock(&self, now: Instant) -> Instant {
        Instant::from_micros(now.as_micros().saturating_add_signed(self.clock_ahead_us))
    }

    /// When it must be woken, in the simulation's time.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let back_us = self.clock_ahead_us.saturating_neg();
        let told = self.stack.poll_timeout();
        let due = told.map(|at| Instant::from_micros(at.as_micros().saturating_add_signed(back_us)));
        // One that wants to send and sleeps has to be asked again when it wakes.
        let kept = (self.is_asleep(now) && self.stack.wants_transmit()).then_some(self.asleep_until);
        due.into_iter().chain(kept).min().map(|at| at.max(self.asleep_until))
    }

    pub(super) fn is_asleep(&self, now: Instant) -> bool {
        now < self.asleep_until
    }

    /// A packet arrived. Even ones are handed over for keeping, odd ones to be copied from, so that both ways are used.
    pub(super) fn handle_packet(&mut self, now: Instant, packet: Bytes, number: u64) {
        let now = self.clock(now);
        // Why it was dropped is the stack's to count.
        let _dropped = if number.is_multiple_of(2) {
            self.stack.handle_frame(now, packet)
        } else {
            self.stack.handle_packet(now, &packet)
        };
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let now = self.clock(now);
        self.stack.handle_timeout(now);
    }

    /// The next packet that its device takes.
    pub(super) fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<(Bytes, Transmit)> {
        if self.device_room == Some(0) || self.is_asleep(now) {
            return None;
        }
        let now = self.clock(now);
        let mut transmit = self.stack.poll_transmit(now, buffer)?;
        while self.refuses {
            self.stack.handle_refused(now);
            transmit = self.stack.poll_transmit(now, buffer)?;
        }
        if let Some(room) = &mut self.device_room {
            *room -= 1;
        }
        Some((Bytes::copy_from_slice(&buffer[..transmit.len]), transmit))
    }

    /// Checks the stack and a packet it sent: whole, checksums right, no longer than its MTU.
    pub(super) fn check_sent(&self, packet: &[u8]) {
        let mtu = self.stack.config().mtu;
        assert!(packet.len() <= usize::from(mtu), "a packet of {} bytes, and the MTU is {mtu}", packet.len());
        match wire::parse(packet) {
            // An echo reply is nothing that our own parser wants.
            Ok(_) | Err(ParseError::Icmp) => {}
            Err(error) => panic!("a packet that nobody can read: {error}"),
        }
    }
}
