//! The near end of the cable: packets leave by it one at a time, in order, and none is lost because the device is busy.
//!
//! A device that is busy (EAGAIN) leaves one packet *in hand*: it goes first when the device is ready, and until then
//! the stack is not asked for another, so that what waits, waits in the stack, where it can still be overtaken by what
//! is more urgent. A device that has dropped a packet for want of room (ENOBUFS, ENOMEM) is another matter: the stack
//! is told, and the connection decides when to try again, as in the kernel.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use std::io;

use bytes::Bytes;
use rustix::io::Errno;

use super::tap::{Seen, Tap};
use super::tun::Tun;
use crate::pcapng::Direction;
use crate::stack::{Stack, Transmit};
use crate::time::{Duration, Instant};

/// The device, the packet it did not take yet, and who watches.
#[derive(Debug)]
pub(super) struct Wire {
    device: Arc<Tun>,
    /// The packet being sent, or in hand.
    packet: Box<[u8]>,
    hand: Hand,
    cut_inbound: bool,
    cut_outbound: bool,
    tap: Tap,
}

/// What is in hand, and what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hand {
    Empty,
    /// This, until poll(2) says that the device can be written to.
    UntilWritable(Transmit),
    /// This, until this instant: poll(2) would say that the device is ready, and it is not.
    Until(Transmit, Instant),
}

/// What the driver waits for on behalf of the packet in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct HandWait {
    /// The device can be written to.
    pub(super) writable: bool,
    /// This instant.
    pub(super) until: Option<Instant>,
}

/// How long a device is left alone that is busy though poll(2) calls it ready.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Frames of at least this many bytes are handed to the stack to keep; of smaller ones it copies what it needs.
const KEEP_FROM: usize = 512;

impl Wire {
    pub(super) fn new(device: Arc<Tun>, mtu: u16, tap: Tap) -> Self {
        let packet = vec![0; usize::from(mtu)].into();
        Self { device, packet, hand: Hand::Empty, cut_inbound: false, cut_outbound: false, tap }
    }

    /// Cuts the wire in one direction, or mends it.
    pub(super) fn set_cut(&mut self, direction: Direction, cut: bool) {
        match direction {
            Direction::Inbound => self.cut_inbound = cut,
            Direction::Outbound => self.cut_outbound = cut,
        }
    }

    /// What the packet in hand waits for.
    pub(super) fn hand_wait(&self) -> HandWait {
        match self.hand {
            Hand::Empty => HandWait::default(),
            Hand::UntilWritable(_) => HandWait { writable: true, until: None },
            Hand::Until(_, until) => HandWait { writable: false, until: Some(until) },
        }
    }

    /// Tries the packet in hand again, if its time has come. `writable`: poll(2) just said so.
    pub(super) fn retry(&mut self, now: Instant, writable: bool, stack: &mut Stack) {
        match self.hand {
            Hand::UntilWritable(transmit) if writable => self.send(now, transmit, true, stack),
            Hand::Until(transmit, until) if until <= now => self.send(now, transmit, false, stack),
            _ => {}
        }
    }

    /// Sends what the stack has, until it has no more or the device takes no more.
    pub(super) fn transmit(&mut self, now: Instant, stack: &mut Stack) {
        while self.hand == Hand::Empty {
            let Some(transmit) = stack.poll_transmit(now, &mut self.packet) else { return };
            self.send(now, transmit, false, stack);
        }
    }

    /// Gives `packet` to the stack, unless the wire is cut.
    pub(super) fn receive(&mut self, now: Instant, packet: &[u8], stack: &mut Stack) {
        let seen = Seen { at: now, direction: Direction::Inbound, packet, kind: None, lost: false, note: "" };
        if self.cut_inbound {
            return self.tap.show_lost(&seen, CUT);
        }
        let outcome = if packet.len() < KEEP_FROM {
            stack.handle_packet(now, packet)
        } else {
            // A copy of its own size, because the queues charge the whole of a frame that they keep.
            stack.handle_frame(now, Bytes::copy_from_slice(packet))
        };
        if self.tap.is_watched() {
            let note = outcome.map_or_else(|error| error.to_string(), |()| String::new());
            self.tap.show(&Seen { note: &note, ..seen });
        }
    }

    /// Hands the packet in the buffer to the device. `called_ready`: poll(2) says that it takes one.
    fn send(&mut self, now: Instant, transmit: Transmit, called_ready: bool, stack: &mut Stack) {
        let Transmit { len, kind, .. } = transmit;
        let packet = &self.packet[..len];
        let (direction, note) = (Direction::Outbound, transmit.note());
        let seen = Seen { at: now, direction, packet, kind, lost: false, note };
        self.hand = Hand::Empty;
        if self.cut_outbound {
            return self.tap.show_lost(&seen, CUT);
        }
        match self.device.send(packet) {
            Ok(()) => self.tap.show(&seen),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !called_ready => {
                self.hand = Hand::UntilWritable(transmit);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.hand = Hand::Until(transmit, now + BUSY_PAUSE);
            }
            // An interface that is down, a packet too long for it: as on any other wire, it is lost.
            Err(error) => {
                log::debug!("the device dropped a packet of {len} bytes: {error}");
                if is_refusal(&error) {
                    stack.handle_refused(now);
                }
                self.tap.show_lost(&seen, &error.to_string());
            }
        }
    }
}

/// Whether the packet was dropped for want of room here, which says nothing of the path (Linux `NET_XMIT_DROP`).
fn is_refusal(error: &io::Error) -> bool {
    let refusals = [Errno::NOBUFS, Errno::NOMEM];
    refusals.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

const CUT: &str = "lost: the wire is cut";
