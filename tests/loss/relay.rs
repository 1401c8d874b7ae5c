//! A cable with faults between two devices, in real time: a thread that carries packets from each to the other, late
//! by a delay and a rate, and drops, doubles or holds back those that a rule names by their number.
//!
//! The number counts the packets with payload of one direction, from 0 and whatever they carry, so that two senders
//! meet the same fate packet by packet.

use alloc::collections::BinaryHeap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use longhaul::net::Tun;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What happens to a packet.
#[allow(dead_code)] // A bench has no use for some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    Drop,
    Duplicate,
    /// It arrives this much later, behind those that follow it.
    HoldBack(Duration),
}

/// The fate of a direction's packet with payload, by its number.
pub(crate) type Rule = fn(u64) -> Fate;

/// What is the same in both directions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// One way.
    pub(crate) delay: Duration,
    /// What a byte takes of the path.
    pub(crate) nanos_per_byte: u64,
    /// How long a packet may wait for the path; beyond, it is dropped.
    pub(crate) queue: Duration,
}

/// What one direction carried. Counted by sequence numbers, so that no end has to be believed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Packets with payload.
    pub(crate) packets: u64,
    /// Payload bytes dropped, by the rule or for want of room.
    pub(crate) lost_bytes: u64,
    /// Payload bytes below what had been sent before.
    pub(crate) resent_bytes: u64,
    pub(crate) dropped: u64,
    pub(crate) duplicated: u64,
    pub(crate) held_back: u64,
}

pub(crate) struct Relay {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<[Tally; 2]>,
}

impl Relay {
    /// Between `left` and `right`; `rules` are for what leaves each of them.
    pub(crate) fn start(left: Tun, right: Tun, path: Path, rules: [Rule; 2]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = thread::spawn(move || carry(&[left, right], path, rules, &told));
        Self { stop, thread }
    }

    /// Ends it, and says what left each side.
    pub(crate) fn stop(self) -> [Tally; 2] {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the relay lived")
    }
}

/// Two ends of a cable without a kernel: packets stay apart on it.
pub(crate) fn cable(mtu: u16) -> [Tun; 2] {
    let (left, right) = UnixDatagram::pair().expect("a pair of sockets");
    [left, right].map(|end| Tun::from_fd(OwnedFd::from(end), mtu).expect("a cable"))
}

/// How often it looks whether it shall stop.
const LOOK: Duration = Duration::from_millis(20);

fn carry(ends: &[Tun; 2], path: Path, rules: [Rule; 2], stop: &AtomicBool) -> [Tally; 2] {
    let start = Instant::now();
    let mut lanes = rules.map(|rule| Lane::new(rule, path));
    let mut packet = vec![0; 65_536];
    while !stop.load(Ordering::Relaxed) {
        let due = lanes.iter().filter_map(Lane::due).min();
        wait(ends, due.map_or(LOOK, |due| due.saturating_sub(start.elapsed()).min(LOOK)));
        for (from, lane) in lanes.iter_mut().enumerate() {
            while let Ok(len) = ends[from].recv(&mut packet) {
                lane.enter(start.elapsed(), &packet[..len]);
            }
            while let Some(arrived) = lane.leave(start.elapsed()) {
                // A device that takes no more drops it, as any would.
                if ends[1 - from].send(&arrived).is_err() {
                    lane.tally.lost_bytes += payload(&arrived).map_or(0, |(_, len)| u64::from(len));
                }
            }
        }
    }
    lanes.map(|lane| lane.tally)
}

fn wait(ends: &[Tun; 2], at_most: Duration) {
    let mut fds = ends.each_ref().map(|end| PollFd::from_borrowed_fd(end.as_fd(), PollFlags::IN));
    let timeout = Timespec::try_from(at_most).expect("a short time");
    // An interruption is a wake-up like any other.
    let _ = poll(&mut fds, Some(&timeout));
}

/// One direction.
struct Lane {
    rule: Rule,
    path: Path,
    free_at: Duration,
    flying: BinaryHeap<Flying>,
    launched: u64,
    /// One past the newest payload byte.
    highest: Option<u32>,
    tally: Tally,
}

/// Ordered so that the earliest is the greatest, and of two at once the one that was launched first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flying(core::cmp::Reverse<(Duration, u64)>, Vec<u8>);

impl Lane {
    fn new(rule: Rule, path: Path) -> Self {
        let (flying, tally) = (BinaryHeap::new(), Tally::default());
        Self { rule, path, free_at: Duration::ZERO, flying, launched: 0, highest: None, tally }
    }

    fn due(&self) -> Option<Duration> {
        self.flying.peek().map(|Flying(at, _)| at.0.0)
    }

    fn enter(&mut self, now: Duration, packet: &[u8]) {
        let Some((seq, len)) = payload(packet) else { return self.launch(now, packet, Duration::ZERO) };
        let fate = if len == 0 { Fate::Pass } else { self.fate(seq, len) };
        if fate == Fate::Drop || self.free_at.saturating_sub(now) > self.path.queue {
            self.tally.lost_bytes += u64::from(len);
            self.tally.dropped += 1;
            return;
        }
        match fate {
            Fate::HoldBack(by) => {
                self.tally.held_back += 1;
                self.launch(now, packet, by);
            }
            Fate::Duplicate => {
                self.tally.duplicated += 1;
                self.launch(now, packet, Duration::ZERO);
                self.launch(now, packet, Duration::ZERO);
            }
            Fate::Pass | Fate::Drop => self.launch(now, packet, Duration::ZERO),
        }
    }

    /// Of the next packet with payload.
    fn fate(&mut self, seq: u32, len: u32) -> Fate {
        let number = self.tally.packets;
        self.tally.packets += 1;
        let end = seq.wrapping_add(len);
        let highest = *self.highest.get_or_insert(seq);
        let fresh = end.wrapping_sub(highest).cast_signed().clamp(0, len.cast_signed());
        self.tally.resent_bytes += u64::from(len) - u64::from(fresh.cast_unsigned());
        if fresh > 0 {
            self.highest = Some(end);
        }
        (self.rule)(number)
    }

    fn launch(&mut self, now: Duration, packet: &[u8], late: Duration) {
        let takes = Duration::from_nanos(packet.len() as u64 * self.path.nanos_per_byte);
        self.free_at = self.free_at.max(now) + takes;
        let at = core::cmp::Reverse((self.free_at + self.path.delay + late, self.launched));
        self.launched += 1;
        self.flying.push(Flying(at, packet.to_vec()));
    }

    fn leave(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.due()? > now {
            return None;
        }
        self.flying.pop().map(|Flying(_, packet)| packet)
    }
}

/// Sequence number and payload length of a TCP segment over IPv4; `None` of anything else.
fn payload(packet: &[u8]) -> Option<(u32, u32)> {
    let headers = usize::from(packet.first()? & 0xf) * 4;
    let is_tcp = packet[0] >> 4 == 4 && packet.get(9) == Some(&6);
    let segment = packet.get(headers..).filter(|segment| is_tcp && segment.len() >= 20)?;
    let offset = usize::from(segment[12] >> 4) * 4;
    let seq = u32::from_be_bytes([segment[4], segment[5], segment[6], segment[7]]);
    Some((seq, segment.len().checked_sub(offset)? as u32))
}
