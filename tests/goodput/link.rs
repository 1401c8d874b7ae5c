//! The link between two hosts: a rate with a queue, a delay, and packets lost by their number.

use alloc::collections::VecDeque;

/// 100 Mbit/s, in microseconds for each byte: 0.08.
const NANOS_PER_BYTE: u64 = 80;
/// One way.
const DELAY_US: u64 = 25_000;
/// What may wait for the rate: a round trip's worth, as a router has it.
const QUEUE_BYTES: u64 = 625_000;

/// What a link loses on its way there; the way back loses as much at random, and no burst.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    None,
    /// So many packets of a thousand, each by itself.
    Random {
        permille: u64,
    },
    /// These packets, counted from the first of the connection.
    Burst {
        first: u64,
        len: u64,
    },
}

impl Loss {
    /// Whether packet `number` of this seed and way is lost.
    fn takes(self, seed: u64, number: u64) -> bool {
        match self {
            Self::None => false,
            Self::Random { permille } => mix(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) % 1000 < permille,
            Self::Burst { first, len } => (first..first + len).contains(&number),
        }
    }
}

/// Steele, Lea and Flood's finaliser: every bit of the input reaches every bit of the output.
const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// One way of it.
#[derive(Debug)]
pub(crate) struct Lane {
    seed: u64,
    loss: Loss,
    sent: u64,
    free_at_ns: u64,
    flying: VecDeque<(u64, Vec<u8>)>,
    /// Payload bytes that got lost, in the queue or behind it.
    pub(crate) lost_bytes: u64,
    /// Payload bytes that were sent.
    pub(crate) sent_bytes: u64,
}

impl Lane {
    pub(crate) fn new(seed: u64, loss: Loss) -> Self {
        Self { seed: mix(seed), loss, sent: 0, free_at_ns: 0, flying: VecDeque::new(), lost_bytes: 0, sent_bytes: 0 }
    }

    pub(crate) fn send(&mut self, now_us: u64, packet: &[u8]) {
        let payload = payload_len(packet);
        self.sent_bytes += payload;
        let waiting_ns = self.free_at_ns.saturating_sub(now_us * 1000);
        let number = self.sent;
        self.sent += 1;
        if waiting_ns > QUEUE_BYTES * NANOS_PER_BYTE {
            self.lost_bytes += payload;
            return;
        }
        self.free_at_ns = self.free_at_ns.max(now_us * 1000) + packet.len() as u64 * NANOS_PER_BYTE;
        if self.loss.takes(self.seed, number) {
            self.lost_bytes += payload;
            return;
        }
        self.flying.push_back((self.free_at_ns.div_ceil(1000) + DELAY_US, packet.to_vec()));
    }

    /// When the next packet arrives.
    pub(crate) fn next_us(&self) -> Option<u64> {
        self.flying.front().map(|&(at, _)| at)
    }

    pub(crate) fn arrived(&mut self, now_us: u64) -> Option<Vec<u8>> {
        if self.next_us()? > now_us {
            return None;
        }
        self.flying.pop_front().map(|(_, packet)| packet)
    }
}

/// Of an IPv4 packet with a TCP segment in it.
fn payload_len(packet: &[u8]) -> u64 {
    let headers = usize::from(packet[0] & 0xf) * 4;
    let offset = usize::from(packet[headers + 12] >> 4) * 4;
    (packet.len() - headers - offset) as u64
}
