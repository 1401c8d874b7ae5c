//! Initial sequence numbers (RFC 6528) and the offset of the timestamp clock (RFC 7323 5.4, 7.1).
//!
//! Both are a keyed hash of the flow plus a clock. Off the path nobody can guess them without the secret; for one flow
//! they only go forward, so that a connection that follows another one on the same ports starts beyond its sequence
//! numbers, and TIME-WAIT can tell old segments from a new SYN.
//!
//! Follows Linux's `net/core/secure_seq.c`: `secure_tcp_seq` with its clock of 64 ns ticks (RFC 9293 3.4.1 [MUST-8] has
//! 4 us; a 64 ns clock goes round in 4.6 minutes, still above the segment lifetime) and `secure_tcp_ts_off`.
//! SipHash-1-3 stands where Linux has SipHash-2-4: the secret is never shown, and 32 bits of each hash are.

use crate::seq::SeqNum;
use crate::time::Instant;
use crate::wire::FlowKey;
use core::fmt;
use core::hash::Hasher;
use siphasher::sip::SipHasher13;

/// Makes initial sequence numbers and timestamp offsets from one secret.
#[derive(Clone)]
pub(crate) struct Isn {
    hasher: SipHasher13,
}

impl Isn {
    /// `secret` must be unpredictable to peers and stay the same while connections can follow one another on the same
    /// ports, that is: as long as the stack runs. There is no default.
    pub(crate) fn new(secret: [u8; 16]) -> Self {
        Self { hasher: SipHasher13::new_with_key(&secret) }
    }

    /// The initial sequence number for a connection of `key` that begins at `now` (RFC 6528 3 [MUST-9]).
    pub(crate) fn isn(&self, now: Instant, key: &FlowKey) -> SeqNum {
        SeqNum::new(self.hash(key, b"isn")) + clock(now)
    }

    /// What to add to the timestamp clock for connections of `key`, so that it does not tell how long we have been up
    /// and a follower on the same ports continues where the last one ended.
    pub(crate) fn timestamp_offset(&self, key: &FlowKey) -> u32 {
        self.hash(key, b"timestamp")
    }

    /// What hides a SYN cookie of this flow, and the minute and the data in it.
    pub(crate) fn cookie(&self, key: &FlowKey) -> u32 {
        self.hash(key, b"cookie")
    }

    /// What hides the data in a cookie of this minute.
    pub(crate) fn cookie_of_minute(&self, key: &FlowKey, minute: u32) -> u32 {
        let mut purpose = *b"cookie of minute    ";
        purpose[16..].copy_from_slice(&minute.to_be_bytes());
        self.hash(key, &purpose)
    }

    /// The purpose is part of what is hashed: knowing one hash of a flow must not help with another.
    fn hash(&self, key: &FlowKey, purpose: &[u8]) -> u32 {
        let mut hasher = self.hasher;
        hasher.write(&key.to_bytes());
        hasher.write(purpose);
        hasher.finish() as u32
    }
}

/// Not derived: it would print the secret.
impl fmt::Debug for Isn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Isn").finish_non_exhaustive()
    }
}

/// Ticks of 64 ns since the origin, modulo 2^32.
fn clock(now: Instant) -> u32 {
    const TICK_NS: u128 = 64;
    (u128::from(now.as_micros()) * 1000 / TICK_NS) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Flow;
    use core::net::{Ipv4Addr, SocketAddr};

    const SECRET: [u8; 16] = *b"sixteen-byte-key";

    fn key(remote_port: u16) -> FlowKey {
        let address = |last, port| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), port));
        FlowKey::from(Flow { local: address(1, 443), remote: address(2, remote_port) })
    }

    /// Pearson's sum for 4096 samples in 64 cells, times 64: about 63 x 64 for a fair source, above 120 x 64 once in
    /// 50,000. The flows are fixed, so this does not flicker.
    fn is_fair(sample: impl Fn(u16) -> u32) -> bool {
        let mut cells = [0_u64; 64];
        (0..4096).for_each(|n| cells[sample(n) as usize % 64] += 1);
        cells.iter().map(|&count| count.abs_diff(64).pow(2)).sum::<u64>() < 120 * 64
    }

    #[test]
    fn the_clock_ticks_every_64_ns_and_wraps() {
        assert_eq!(clock(Instant::from_micros(8)), 125);
        assert_eq!(clock(Instant::from_micros(63)), 984);
        assert_eq!(clock(Instant::from_secs(1)), 15_625_000);
        assert_eq!(clock(Instant::from_micros((1 << 32) * 8)), 0);
        assert_eq!(clock(Instant::from_micros((1 << 61) + 8)), 125);
    }

    #[test]
    fn for_one_flow_it_goes_forward_with_the_clock() {
        let isn = Isn::new(SECRET);
        let start = Instant::from_secs(1 << 22);
        let first = isn.isn(start, &key(5));
        let mut last = first;
        for second in 1..=130 {
            let next = isn.isn(start + core::time::Duration::from_secs(second), &key(5));
            assert_eq!(next.distance(last), 15_625_000);
            assert!(next.after(last));
            last = next;
        }
    }

    #[test]
    fn flows_secrets_and_purposes_are_independent() {
        let (isn, other) = (Isn::new(SECRET), Isn::new(*b"another-sixteen."));
        let now = Instant::from_secs(77);
        let number = |isn: &Isn, n| isn.isn(now, &key(n)).raw();
        assert!(is_fair(|n| number(&isn, n)));
        assert!(is_fair(|n| number(&isn, n) >> 26));
        assert!(is_fair(|n| isn.timestamp_offset(&key(n))));
        assert!(is_fair(|n| number(&isn, n + 1).wrapping_sub(number(&isn, n))), "the next port's cannot be inferred");
        assert!(is_fair(|n| number(&isn, n).wrapping_sub(number(&other, n))), "nor another secret's");
        assert!(is_fair(|n| number(&isn, n).wrapping_sub(isn.timestamp_offset(&key(n)))), "nor the other purpose's");
        assert!(!is_fair(|n| u32::from(n) / 32 * 2), "the measure itself refuses a source that repeats itself");
    }
}
