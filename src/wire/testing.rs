//! What the tests of this folder share: packets to damage, and a checksum that owes nothing to smoltcp.

extern crate alloc;

use super::{Flags, Flow, Header, IpOptions, emit, header_len};
use crate::seq::SeqNum;
use alloc::vec;
use alloc::vec::Vec;

pub(super) const ACK: Header = Header::new(SeqNum::new(1000), SeqNum::new(2000), Flags::ACK);

/// From port 40000 of 192.0.2.1 to port 80 of 198.51.100.7.
pub(super) fn flow_v4() -> Flow {
    Flow { local: "192.0.2.1:40000".parse().unwrap(), remote: "198.51.100.7:80".parse().unwrap() }
}

/// From port 40000 of `2001:db8::1` to port 80 of `2001:db8::2`.
pub(super) fn flow_v6() -> Flow {
    Flow { local: "[2001:db8::1]:40000".parse().unwrap(), remote: "[2001:db8::2]:80".parse().unwrap() }
}

/// The same connection seen from its other end.
pub(super) fn reversed(flow: Flow) -> Flow {
    Flow { local: flow.remote, remote: flow.local }
}

/// A packet from `flow.local` to `flow.remote`.
pub(super) fn build(flow: &Flow, header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0xa5; header_len(flow, header) + payload.len()];
    let len =
        emit(flow, IpOptions::LINUX, header, payload.len(), |room| room.copy_from_slice(payload), &mut packet).unwrap();
    assert_eq!(len, packet.len());
    packet
}

/// `packet` with every checksum made right again, whatever else is wrong with it. IPv6 extension headers are not
/// followed.
pub(super) fn reseal(mut packet: Vec<u8>) -> Vec<u8> {
    let v4 = packet[0] >> 4 == 4;
    let start = if v4 { usize::from(packet[0] & 15) * 4 } else { 40 };
    let protocol = packet[if v4 { 9 } else { 6 }];
    if v4 && start <= packet.len() {
        put(&mut packet, 10, |packet| sum(&packet[..start]));
    }
    let at = if protocol == 6 { 16 } else { 2 };
    if packet.len() >= start + at + 2 {
        put(&mut packet, start + at, |packet| sealed_sum(packet, start, protocol));
    }
    packet
}

fn put(packet: &mut [u8], at: usize, sum: impl FnOnce(&[u8]) -> u16) {
    packet[at..at + 2].fill(0);
    let sum = sum(packet);
    packet[at..at + 2].copy_from_slice(&(!sum).to_be_bytes());
}

/// The sum of what starts at `start` and of its pseudo header, which ICMP over IPv4 alone has not.
pub(super) fn sealed_sum(packet: &[u8], start: usize, protocol: u8) -> u16 {
    let mut sealed = Vec::new();
    if protocol != 1 {
        let addresses = if packet[0] >> 4 == 4 { 12..20 } else { 8..40 };
        sealed.extend(&packet[addresses]);
        sealed.extend([0, protocol]);
        sealed.extend(((packet.len() - start) as u16).to_be_bytes());
    }
    sealed.extend(&packet[start..]);
    sum(&sealed)
}

/// RFC 1071, word by word.
pub(super) fn sum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Bytes written as hexadecimal, whitespace ignored.
pub(super) fn hex(text: &str) -> Vec<u8> {
    text.split_ascii_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// A xorshift generator: the same numbers for the same seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }
}
