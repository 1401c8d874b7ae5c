//! Finding a packet's connection: from a flow to the number the stack gave it.
//!
//! The table holds no flows. A cell is eight bytes, a 32-bit hash and the value; the flow itself lies in the control
//! block, which the caller compares, and which it is about to read anyway. So a million idle connections cost 15 MB or
//! less here, and a lookup is one cache miss before the connection's own.
//!
//! The hash is SipHash-1-3 under a secret: a peer that chooses addresses and ports freely cannot choose cells. Linux
//! keys its established table likewise (`inet_ehashfn`, with jhash), and a fixed hash once cost it a denial of service.

use crate::wire::FlowKey;
use core::fmt;
use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;
use siphasher::sip::SipHasher13;

/// A table from flows to opaque 32-bit values; grows as needed, never shrinks.
///
/// How many flows there may be is for the caller to limit.
#[derive(Clone)]
pub(crate) struct Demux {
    hasher: SipHasher13,
    cells: HashTable<Cell>,
}

#[derive(Clone, Copy)]
struct Cell {
    hash: u32,
    value: u32,
}

const _: () = assert!(size_of::<Cell>() == 8);

impl Demux {
    /// An empty table. `secret` must be unpredictable to peers; it may be that of [`Isn`](super::isn::Isn) and
    /// [`Ports`](super::ports::Ports), whose hashes are of other inputs.
    pub(crate) fn new(secret: [u8; 16]) -> Self {
        Self { hasher: SipHasher13::new_with_key(&secret), cells: HashTable::new() }
    }

    /// How many flows there are.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The value of `key`. `is` says whether a value is that of `key`, by comparing with the flow it stands for; it is
    /// asked only where the 32-bit hashes agree, so once for a known flow and hardly ever for an unknown one.
    pub(crate) fn find(&self, key: &FlowKey, is: impl Fn(u32) -> bool) -> Option<u32> {
        let hash = self.hash(key);
        let cell = self.cells.find(spread(hash), |cell| cell.hash == hash && is(cell.value))?;
        Some(cell.value)
    }

    /// Adds `key`, which the caller knows to be absent: a second cell for it would be found or not, by chance.
    pub(crate) fn insert(&mut self, key: &FlowKey, value: u32) {
        let hash = self.hash(key);
        self.cells.insert_unique(spread(hash), Cell { hash, value }, |cell| spread(cell.hash));
    }

    /// Removes `key`'s cell that holds `value`; false if there is none.
    pub(crate) fn remove(&mut self, key: &FlowKey, value: u32) -> bool {
        let hash = self.hash(key);
        let entry = self.cells.find_entry(spread(hash), |cell| cell.hash == hash && cell.value == value);
        entry.map(OccupiedEntry::remove).is_ok()
    }

    /// Changes `key`'s value from `old` to `new`, as when a half-open block becomes a connection; false if it has no
    /// such value.
    pub(crate) fn replace(&mut self, key: &FlowKey, old: u32, new: u32) -> bool {
        let hash = self.hash(key);
        let cell = self.cells.find_mut(spread(hash), |cell| cell.hash == hash && cell.value == old);
        cell.map(|cell| cell.value = new).is_some()
    }

    fn hash(&self, key: &FlowKey) -> u32 {
        self.hasher.hash(&key.to_bytes()) as u32
    }
}

/// Not derived: it would print the secret.
impl fmt::Debug for Demux {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Demux").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The table takes the bucket from the low bits and seven bits more from the top: fill all 64 from the 32 kept.
const fn spread(hash: u32) -> u64 {
    /// 2^64 divided by the golden ratio, made odd: distinct hashes stay distinct.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    (hash as u64).wrapping_mul(FACTOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Flow;
    use alloc::vec::Vec;
    use core::cell::Cell as Counter;
    use core::net::{Ipv4Addr, SocketAddr};

    const SECRET: [u8; 16] = *b"sixteen-byte-key";

    /// The `n`th of a family of flows that a peer can choose: its address and port.
    fn key(n: u32) -> FlowKey {
        let remote = SocketAddr::from((Ipv4Addr::from(0x0a00_0000 + (n >> 16)), n as u16));
        FlowKey::from(Flow { local: SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 443)), remote })
    }

    fn filled(secret: [u8; 16], flows: &[FlowKey]) -> Demux {
        let mut demux = Demux::new(secret);
        flows.iter().zip(0..).for_each(|(key, value)| demux.insert(key, value));
        demux
    }

    #[test]
    fn every_flow_is_found_while_the_table_grows_and_shrinks() {
        const FLOWS: u32 = 20_000;
        let flows = (0..FLOWS).map(key).collect::<Vec<_>>();
        let find =
            |demux: &Demux, n: u32| demux.find(&flows[n as usize], |value| flows[value as usize] == flows[n as usize]);
        let mut demux = Demux::new(SECRET);
        for n in 0..FLOWS {
            assert_eq!(find(&demux, n), None);
            demux.insert(&flows[n as usize], n);
            assert_eq!(find(&demux, n / 2), Some(n / 2));
        }
        assert!((0..FLOWS).all(|n| find(&demux, n) == Some(n)));
        for n in (0..FLOWS).filter(|n| n % 3 != 0) {
            assert!(demux.remove(&flows[n as usize], n));
            assert!(!demux.remove(&flows[n as usize], n));
        }
        assert_eq!(demux.len(), FLOWS.div_ceil(3) as usize);
        assert!((0..FLOWS).all(|n| find(&demux, n) == (n % 3 == 0).then_some(n)));
    }

    #[test]
    fn a_value_is_replaced_only_where_it_is() {
        let mut demux = filled(SECRET, &[key(1), key(2)]);
        assert!(demux.replace(&key(1), 0, 70));
        assert!(!demux.replace(&key(1), 0, 71));
        assert!(!demux.replace(&key(3), 70, 72));
        assert_eq!(demux.find(&key(1), |value| value == 70), Some(70));
        assert!(!demux.remove(&key(2), 70));
        assert!(demux.remove(&key(1), 70));
        assert_eq!(demux.len(), 1);
    }

    /// Equal 32-bit hashes are certain among many flows; the flow decides. Here two cells are forced to collide.
    #[test]
    fn colliding_hashes_are_told_apart_by_the_flow() {
        let mut demux = filled(SECRET, &[key(1)]);
        let hash = demux.hash(&key(1));
        demux.cells.insert_unique(spread(hash), Cell { hash, value: 99 }, |cell| spread(cell.hash));
        assert_eq!(demux.find(&key(1), |value| value == 99), Some(99));
        assert_eq!(demux.find(&key(1), |value| value == 0), Some(0));
        assert!(demux.remove(&key(1), 99));
        assert_eq!(demux.find(&key(1), |_| true), Some(0));
    }

    #[test]
    fn a_hundred_thousand_chosen_flows_ask_for_one_comparison_each() {
        let flows = (0..100_000).map(key).collect::<Vec<_>>();
        let demux = filled(SECRET, &flows);
        let asked = Counter::new(0);
        for (n, flow) in (0..).zip(&flows) {
            let is = |value: u32| {
                asked.set(asked.get() + 1);
                value == n
            };
            assert_eq!(demux.find(flow, is), Some(n));
        }
        assert!(asked.get() < 100_010, "{} comparisons", asked.get());
    }

    #[test]
    fn flows_chosen_to_share_a_bucket_under_one_secret_are_spread_under_another() {
        const BUCKETS: u32 = 64;
        let known = Demux::new(SECRET);
        let bucket = |demux: &Demux, key: &FlowKey| (spread(demux.hash(key)) as u32 % BUCKETS) as usize;
        let chosen = (0..400_000).map(key).filter(|key| bucket(&known, key) == 7).collect::<Vec<_>>();
        assert!(chosen.len() > 6_000);
        let other = Demux::new(*b"another-sixteen.");
        let mut loads = [0_usize; BUCKETS as usize];
        for key in &chosen {
            loads[bucket(&other, key)] += 1;
        }
        // About 98 each; a fair choice strays further than 50 about once in a million buckets.
        assert!(loads.iter().all(|load| load.abs_diff(chosen.len() / BUCKETS as usize) < 50), "{loads:?}");
    }
}
