//! Ephemeral ports: which local port an outgoing connection takes (RFC 6056).
//!
//! Off the path nobody should be able to guess the port, and a port should not come back soon after it was last used
//! towards the same destination. So this is RFC 6056 3.3.4, the double-hash algorithm, as in Linux's
//! `__inet_hash_connect`: a keyed hash of the destination says where in the range to begin, and one of many counters,
//! chosen by another part of the hash, says how far earlier choices have moved on from there.
//!
//! As Linux does, one choice in 16 leaves out a candidate, so that watching one destination's ports does not count the
//! connections to others that share its counter. The noise is a keyed hash of the number of choices made, for this
//! core has no source of randomness. Linux also prefers every second port, leaving the others to `bind`; nothing here
//! binds, so all are equal.

use crate::wire::{Flow, FlowKey};
use alloc::vec::Vec;
use core::fmt;
use core::hash::Hasher;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;
use siphasher::sip::SipHasher13;

/// Chooses local ports.
#[derive(Clone)]
pub(crate) struct Ports {
    hasher: SipHasher13,
    /// How far the choices of each class of destinations have moved on.
    counters: Vec<u16>,
    /// How many choices there have been.
    choices: u64,
}

/// How many classes of destinations there are: 8 KiB of counters. RFC 6056 asks for ten or more; Linux had 256, which
/// let an observer recognize a machine by its collisions, and has 65,536 since 5.18.
const COUNTERS: usize = 4096;

/// One choice in so many leaves out a candidate, as in Linux.
const NOISE: u64 = 16;

impl Ports {
    /// `secret` must be unpredictable to peers; there is no default.
    pub(crate) fn new(secret: [u8; 16]) -> Self {
        let hasher = SipHasher13::new_with_key(&secret);
        Self { hasher, counters: alloc::vec![0; COUNTERS], choices: 0 }
    }

    /// A port out of `range` for a connection from `local` to `remote` that is not `in_use` towards it; `None` if all
    /// are (Linux: EADDRNOTAVAIL). Asks `in_use` at most once for each port of the range, which should not contain 0.
    pub(crate) fn pick(
        &mut self,
        local: IpAddr,
        remote: SocketAddr,
        range: RangeInclusive<u16>,
        in_use: impl Fn(u16) -> bool,
    ) -> Option<u16> {
        let len = range.len() as u32;
        let destination = self.destination(local, remote);
        let counter = &mut self.counters[destination as usize % COUNTERS];
        let start = (destination >> 32) as u32 % len.max(1) + u32::from(*counter);
        let port = |step: u32| range.start() + ((start + step) % len) as u16;
        let step = (0..len).find(|&step| !in_use(port(step)))?;
        let port = port(step);
        // Wraps on purpose: all that counts is that it moves on.
        *counter = counter.wrapping_add((step + 1) as u16);
        if step == 0 && self.is_noisy() {
            let counter = &mut self.counters[destination as usize % COUNTERS];
            *counter = counter.wrapping_add(1);
        }
        self.choices = self.choices.wrapping_add(1);
        Some(port)
    }

    /// The low half says which counter, the high half where to begin: RFC 6056's G and F.
    fn destination(&self, local: IpAddr, remote: SocketAddr) -> u64 {
        let key = FlowKey::from(Flow { local: SocketAddr::new(local, 0), remote });
        self.hash(&key.to_bytes(), b"port")
    }

    fn is_noisy(&self) -> bool {
        self.hash(&self.choices.to_le_bytes(), b"port noise").is_multiple_of(NOISE)
    }

    fn hash(&self, bytes: &[u8], purpose: &[u8]) -> u64 {
        let mut hasher = self.hasher;
        hasher.write(bytes);
        hasher.write(purpose);
        hasher.finish()
    }
}

/// Not derived: it would print the secret.
impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").field("choices", &self.choices).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use core::cell::Cell;
    use core::net::Ipv4Addr;

    const SECRET: [u8; 16] = *b"sixteen-byte-key";
    const RANGE_LINUX: RangeInclusive<u16> = 32_768..=60_999;
    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn remote(n: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::new(198, 51, 100, (n >> 8) as u8), 1 + (n & 0xff)))
    }

    #[test]
    fn the_only_free_port_is_found_and_each_port_is_asked_about_once() {
        for free in [32_768, 45_000, 60_999] {
            let mut ports = Ports::new(SECRET);
            let asked = Cell::new(0);
            let in_use = |port| {
                asked.set(asked.get() + 1);
                port != free
            };
            assert_eq!(ports.pick(LOCAL, remote(1), RANGE_LINUX, in_use), Some(free));
            assert!(asked.get() <= 28_232);
            asked.set(0);
            assert_eq!(ports.pick(LOCAL, remote(1), RANGE_LINUX, |port| in_use(port) || port == free), None);
            assert_eq!(asked.get(), 28_232);
        }
    }

    #[test]
    fn the_range_is_kept_at_its_edges() {
        const EMPTY: RangeInclusive<u16> = RangeInclusive::new(9, 7);
        for (range, expected) in [(1..=u16::MAX, 65_535), (u16::MAX..=u16::MAX, 1), (7..=9, 3), (EMPTY, 0)] {
            let mut ports = Ports::new(SECRET);
            let mut used = BTreeSet::new();
            while let Some(port) = ports.pick(LOCAL, remote(3), range.clone(), |port| used.contains(&port)) {
                assert!(range.contains(&port) && used.insert(port));
            }
            assert_eq!(used.len(), expected);
        }
    }

    #[test]
    fn a_port_does_not_come_back_soon() {
        let mut ports = Ports::new(SECRET);
        let chosen = (0..20_000).map(|_| ports.pick(LOCAL, remote(1), RANGE_LINUX, |_| false)).collect::<BTreeSet<_>>();
        assert_eq!(chosen.len(), 20_000);
    }

    #[test]
    fn about_one_choice_in_sixteen_leaves_one_out() {
        let mut ports = Ports::new(SECRET);
        let chosen =
            (0..1_601).map(|_| ports.pick(LOCAL, remote(1), RANGE_LINUX, |_| false).unwrap()).collect::<Vec<_>>();
        let steps = chosen.windows(2).map(|pair| (u32::from(pair[1]) + 28_232 - u32::from(pair[0])) % 28_232);
        let (noisy, plain): (Vec<_>, Vec<_>) = steps.partition(|&step| step == 2);
        assert!(plain.iter().all(|&step| step == 1));
        assert!((70..=130).contains(&noisy.len()), "{} of 1600", noisy.len());
    }

    /// Pearson's sum for 4096 first choices in 64 cells, times 64: about 63 x 64 for a fair source.
    fn unfairness(mut choose: impl FnMut(u16) -> u16) -> u64 {
        let mut cells = [0_u64; 64];
        (0..4096).for_each(|n| cells[usize::from(choose(n) % 64)] += 1);
        cells.iter().map(|&count| count.abs_diff(64).pow(2)).sum()
    }

    #[test]
    fn destinations_local_addresses_and_secrets_are_independent() {
        let first = |secret, local, n| Ports::new(secret).pick(local, remote(n), RANGE_LINUX, |_| false).unwrap();
        let here = |n| first(SECRET, LOCAL, n);
        let beside = |n| first(SECRET, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), n);
        let secretly = |n| first(*b"another-sixteen.", LOCAL, n);
        assert!(unfairness(here) < 120 * 64);
        assert!(unfairness(|n| here(n + 1).wrapping_sub(here(n))) < 120 * 64);
        assert!(unfairness(|n| beside(n).wrapping_sub(here(n))) < 120 * 64);
        assert!(unfairness(|n| secretly(n).wrapping_sub(here(n))) < 120 * 64);
        assert_eq!(here(9), here(9));
    }
}
