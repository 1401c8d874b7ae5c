//! One transfer, from the first SYN to the last byte read.

use crate::link::{Lane, Loss};

/// 10 MB.
pub(crate) const LEN: usize = 10_000_000;

/// What the receiver may hold, and the sender queue: enough for the link and its queue. In bytes.
pub(crate) const BUFFER: usize = 2 << 20;

/// An end of a transfer with its application: it has something to send and sends it, or reads all there is.
pub(crate) trait End {
    /// A packet came in.
    fn handle_packet(&mut self, now_us: u64, packet: &[u8]);
    /// Lets the application act and the timers fire, and hands every packet that may go to `send`.
    fn turn(&mut self, now_us: u64, send: &mut dyn FnMut(&[u8]));
    /// When it wants its next turn, if nothing comes before.
    fn next_us(&mut self, now_us: u64) -> Option<u64>;
    /// Bytes that its application has read.
    fn read(&self) -> usize;
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) micros: u64,
    lost: u64,
    resent: u64,
}

impl Outcome {
    pub(crate) fn goodput_mbit(self) -> f64 {
        ratio(8 * LEN as u64, self.micros)
    }

    pub(crate) fn resent_per_lost(self) -> String {
        if self.lost == 0 { "-".to_owned() } else { format!("{:.3}", ratio(self.resent, self.lost)) }
    }
}

#[allow(clippy::cast_precision_loss)] // figures for people
fn ratio(of: u64, to: u64) -> f64 {
    of as f64 / to as f64
}

/// More than the slowest of them takes: 10 MB at 22 kbit/s.
const PATIENCE_US: u64 = 3_600_000_000;

pub(crate) fn race<E: End>([sender, receiver]: &mut [E; 2], loss: Loss, seed: u64) -> Outcome {
    let back = if let Loss::Burst { .. } = loss { Loss::None } else { loss };
    let (mut there, mut here) = (Lane::new(seed, loss), Lane::new(seed ^ u64::MAX, back));
    let mut now_us = 0;
    loop {
        while let Some(packet) = there.arrived(now_us) {
            receiver.handle_packet(now_us, &packet);
            receiver.turn(now_us, &mut |packet| here.send(now_us, packet));
        }
        while let Some(packet) = here.arrived(now_us) {
            sender.handle_packet(now_us, &packet);
            sender.turn(now_us, &mut |packet| there.send(now_us, packet));
        }
        sender.turn(now_us, &mut |packet| there.send(now_us, packet));
        receiver.turn(now_us, &mut |packet| here.send(now_us, packet));
        if receiver.read() == LEN {
            let resent = there.sent_bytes - LEN as u64;
            return Outcome { micros: now_us, lost: there.lost_bytes, resent };
        }
        let next = [there.next_us(), here.next_us(), sender.next_us(now_us), receiver.next_us(now_us)];
        let next = next.into_iter().flatten().min().expect("somebody has something to do");
        now_us = next.max(now_us + 1);
        assert!(now_us < PATIENCE_US, "stuck at {} bytes", receiver.read());
    }
}

/// Byte `at` of what is sent.
pub(crate) const fn byte(at: usize) -> u8 {
    (at.wrapping_mul(2_654_435_761) >> 16) as u8
}
