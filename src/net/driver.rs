//! The thread between a device and a stack: probes leave while the application sleeps, as they do from a kernel.
//!
//! It sleeps in poll(2) until a packet comes, the stack's next deadline, the device takes packets again, or somebody
//! rings; an idle net costs nothing. It reads packets without the lock, a batch at a time, and then takes one turn with
//! all of them: what they cause leaves once a batch, so that 64 segments draw one acknowledgment and not 32.

use alloc::vec;
use alloc::vec::Vec;
use std::io;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::host::{Shared, Wait};
use super::tun::Tun;

/// Packets read before the stack hears of them, so that a flood starves neither timers nor applications.
const BATCH_MAX: usize = 64;

/// Failed reads in a row after which the device is taken for gone. (One may be an error that is over.)
const READ_FAILURES_MAX: u32 = 16;

/// Moves packets until the net is down or the device is gone; then nobody is left waiting.
pub(super) fn run(shared: &Shared, device: &Tun) {
    let _end = End(shared);
    let mut batch = Batch::new(device.mtu());
    let mut writable = false;
    while let Some(wait) = shared.turn(batch.packets(), writable) {
        writable = sleep(shared, device, wait);
        shared.count_wakeup();
        batch.fill(device);
        if batch.failures >= READ_FAILURES_MAX {
            log::warn!("the device is gone");
            return;
        }
    }
}

/// Whatever ends the driver, an observer's panic among others, ends the net.
struct End<'s>(&'s Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.go_down();
    }
}

/// Returns whether the device can be written to, if that was asked for.
fn sleep(shared: &Shared, device: &Tun, wait: Wait) -> bool {
    let timeout = wait.until.map(|until| until.since(shared.now()));
    // A span too long for the type is longer than anybody waits.
    let timeout = timeout.and_then(|left| Timespec::try_from(left).ok());
    let out = if wait.writable { PollFlags::OUT } else { PollFlags::empty() };
    let mut fds = [PollFd::new(device, PollFlags::IN | out), PollFd::from_borrowed_fd(shared.bell(), PollFlags::IN)];
    // An interruption is a wake-up like any other.
    let _ = poll(&mut fds, timeout.as_ref());
    if fds[1].revents().contains(PollFlags::IN) {
        shared.silence();
    }
    wait.writable && fds[0].revents().intersects(PollFlags::OUT | PollFlags::ERR | PollFlags::HUP)
}

/// Packets read and not yet given to the stack.
struct Batch {
    bytes: Vec<u8>,
    packet_max: usize,
    lens: Vec<usize>,
    failures: u32,
}

impl Batch {
    fn new(mtu: u16) -> Self {
        let packet_max = usize::from(mtu);
        Self { bytes: vec![0; packet_max * BATCH_MAX], packet_max, lens: Vec::with_capacity(BATCH_MAX), failures: 0 }
    }

    /// Reads what waits, up to [`BATCH_MAX`] packets.
    fn fill(&mut self, device: &Tun) {
        self.lens.clear();
        for packet in self.bytes.chunks_exact_mut(self.packet_max) {
            match device.recv(packet) {
                Ok(len) => self.lens.push(len),
                Err(error) if is_harmless(&error) => break,
                Err(error) => {
                    log::debug!("reading the device: {error}");
                    self.failures += 1;
                    return;
                }
            }
            self.failures = 0;
        }
    }

    fn packets(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(self.packet_max).zip(&self.lens).map(|(packet, &len)| &packet[..len])
    }
}

fn is_harmless(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
