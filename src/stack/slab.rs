//! A generational slab: control blocks in one array, named by keys that know when they are stale.
//!
//! A connection's index is what the demultiplexer, the timing wheel and the ready list hold, four bytes each. What
//! leaves the stack is a [`Key`]: index and generation, so that an application that keeps the name of a closed
//! connection gets `None`, not somebody else's connection.
//!
//! Memory grows with the largest number of values ever held at once, up to a maximum named when the slab is made, and
//! is not given back.

use alloc::vec::Vec;
use core::mem;

/// The name of a value in a [`Slab`], for as long as the value is there.
///
/// A generation is used again after 2^32 removals at the same index; only then could a kept key name a later value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    /// Which slot.
    pub(crate) index: u32,
    /// Which of the values that have lived there.
    pub(crate) generation: u32,
}

/// Values of one type, found by [`Key`] or by index in O(1), iterated in index order.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    /// The vacant slot to fill next, or `NIL`. The last one vacated comes first: it is still in the cache.
    first_free: u32,
    len: u32,
    capacity_max: u32,
}

/// The free list runs through the vacant slots. Eight bytes more than `T`, vacant or not, if `T` is aligned to eight.
#[derive(Clone, Debug)]
enum Slot<T> {
    Occupied {
        generation: u32,
        value: T,
    },
    Vacant {
        /// That of the next value.
        generation: u32,
        next_free: u32,
    },
}

const _: () = assert!(size_of::<Slot<[u64; 4]>>() == 5 * 8);

/// No index: ends the free list.
const NIL: u32 = u32::MAX;

impl<T> Slab<T> {
    /// An empty slab that will hold at most `capacity_max` values (and never more than 2^32 - 1). Allocates nothing.
    pub(crate) const fn new(capacity_max: u32) -> Self {
        Self { slots: Vec::new(), first_free: NIL, len: 0, capacity_max }
    }

    /// How many values there are.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Whether [`insert`](Self::insert) would refuse.
    pub(crate) const fn is_full(&self) -> bool {
        self.len >= self.capacity_max
    }

    /// Stores `value`; `None`, and `value` is dropped, if `capacity_max` values are there already.
    pub(crate) fn insert(&mut self, value: T) -> Option<Key> {
        if self.is_full() {
            return None;
        }
        let key = if self.first_free == NIL { self.append(value) } else { self.fill(self.first_free, value) };
        self.len += 1;
        Some(key)
    }

    /// The value named by `key`, unless it has been removed.
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        match self.slots.get(key.index as usize)? {
            Slot::Occupied { generation, value } if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// As [`get`](Self::get), to be changed.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.slots.get_mut(key.index as usize)? {
            Slot::Occupied { generation, value } if *generation == key.generation => Some(value),
            _ => None,
        }
    }

    /// The value at `index`, whatever its generation.
    pub(crate) fn get_at(&self, index: u32) -> Option<&T> {
        match self.slots.get(index as usize)? {
            Slot::Occupied { value, .. } => Some(value),
            Slot::Vacant { .. } => None,
        }
    }

    /// As [`get_at`](Self::get_at), to be changed.
    pub(crate) fn get_at_mut(&mut self, index: u32) -> Option<&mut T> {
        match self.slots.get_mut(index as usize)? {
            Slot::Occupied { value, .. } => Some(value),
            Slot::Vacant { .. } => None,
        }
    }

    /// The key of the value at `index`.
    pub(crate) fn key_at(&self, index: u32) -> Option<Key> {
        match self.slots.get(index as usize)? {
            Slot::Occupied { generation, .. } => Some(Key { index, generation: *generation }),
            Slot::Vacant { .. } => None,
        }
    }

    /// Takes out the value at `index`, whatever its generation.
    pub(crate) fn remove_at(&mut self, index: u32) -> Option<T> {
        let slot = self.slots.get_mut(index as usize)?;
        if let Slot::Vacant { .. } = slot {
            return None;
        }
        let vacant = Slot::Vacant { generation: slot.generation().wrapping_add(1), next_free: self.first_free };
        let Slot::Occupied { value, .. } = mem::replace(slot, vacant) else { return None };
        self.first_free = index;
        self.len -= 1;
        Some(value)
    }

    /// All values in the order of their indices.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        (0..).zip(&self.slots).filter_map(|(index, slot)| match slot {
            Slot::Occupied { generation, value } => Some((Key { index, generation: *generation }, value)),
            Slot::Vacant { .. } => None,
        })
    }

    fn append(&mut self, value: T) -> Key {
        // No slot is free, so there are `len` of them: below `capacity_max`, hence below NIL.
        debug_assert_eq!(self.slots.len(), self.len as usize);
        self.slots.push(Slot::Occupied { generation: 0, value });
        Key { index: self.len, generation: 0 }
    }

    fn fill(&mut self, index: u32, value: T) -> Key {
        let slot = &mut self.slots[index as usize];
        let generation = slot.generation();
        if let Slot::Vacant { next_free, .. } = *slot {
            self.first_free = next_free;
        }
        *slot = Slot::Occupied { generation, value };
        Key { index, generation }
    }
}

impl<T> Slot<T> {
    const fn generation(&self) -> u32 {
        match self {
            Self::Occupied { generation, .. } | Self::Vacant { generation, .. } => *generation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<T> Slab<T> {
        /// Takes out the value named by `key`, as a holder of a perhaps stale key would.
        fn remove(&mut self, key: Key) -> Option<T> {
            self.get(key)?;
            self.remove_at(key.index)
        }
    }
    use alloc::collections::BTreeMap;

    #[test]
    fn a_stale_key_finds_nothing_even_when_the_slot_is_in_use_again() {
        let mut slab = Slab::new(10);
        let old = slab.insert("old").unwrap();
        assert_eq!(slab.remove(old), Some("old"));
        let new = slab.insert("new").unwrap();
        assert_eq!(new.index, old.index);
        assert_eq!(slab.get(old), None);
        assert_eq!(slab.get_mut(old), None);
        assert_eq!(slab.remove(old), None);
        assert_eq!((slab.get(new), slab.key_at(new.index)), (Some(&"new"), Some(new)));
        assert_eq!(slab.get_at(new.index), Some(&"new"));
        assert_eq!(slab.get_at_mut(1), None);
    }

    #[test]
    fn it_is_full_at_its_maximum_and_has_room_after_a_removal() {
        let mut slab = Slab::new(3);
        let keys = [1, 2, 3].map(|value| slab.insert(value).unwrap());
        assert_eq!((slab.insert(4), slab.len()), (None, 3));
        assert_eq!(slab.remove(keys[1]), Some(2));
        assert_eq!(slab.insert(4).map(|key| key.index), Some(keys[1].index));
        assert_eq!(slab.insert(5), None);
        assert_eq!(Slab::new(0).insert(()), None);
    }

    #[test]
    fn generations_wrap_without_harm() {
        let mut slab = Slab::new(1);
        slab.insert('a').unwrap();
        slab.slots[0] = Slot::Occupied { generation: u32::MAX, value: 'b' };
        let last = slab.key_at(0).unwrap();
        assert_eq!(slab.remove(last), Some('b'));
        let first = slab.insert('c').unwrap();
        assert_eq!((first.generation, slab.get(last), slab.get(first)), (0, None, Some(&'c')));
    }

    #[test]
    fn agrees_with_a_map_over_a_random_history() {
        const CAPACITY_MAX: u32 = 200;
        let mut slab = Slab::new(CAPACITY_MAX);
        let mut model = BTreeMap::new();
        let mut stale = Vec::new();
        let mut seed = 0x1234_5678_9abc_def1_u64;
        for round in 0..30_000_u64 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            // Fill for a while, then empty for a while.
            if seed % 100 < if round / 3_000 % 2 == 0 { 60 } else { 35 } {
                match slab.insert(round) {
                    Some(key) => assert_eq!(model.insert(key, round), None, "a key is given out once"),
                    None => assert_eq!(model.len(), CAPACITY_MAX as usize),
                }
            } else if let Some((&key, _)) = model.iter().nth((seed >> 32) as usize % model.len().max(1)) {
                assert_eq!(slab.get_mut(key).copied(), model.get(&key).copied());
                let removed = if seed & (1 << 20) == 0 { slab.remove(key) } else { slab.remove_at(key.index) };
                assert_eq!(removed, model.remove(&key));
                stale.push(key);
            }
            assert_eq!(slab.len() as usize, model.len());
            if round.is_multiple_of(500) {
                assert!(slab.iter().eq(model.iter().map(|(&key, value)| (key, value))), "in index order");
                assert!(stale.iter().all(|&key| slab.get(key).is_none()));
                assert!(model.keys().all(|&key| slab.key_at(key.index) == Some(key)));
            }
        }
        assert!(slab.slots.len() <= CAPACITY_MAX as usize);
    }
}
