//! Which connections want to transmit, and whose turn it is.
//!
//! A queue in which each id stands at most once, so that a connection with much to send gets one turn a round like
//! everybody else, and telling the stack twice costs nothing. The links are intrusive: eight bytes for each id, no
//! allocation once the largest id has been seen.

use alloc::vec::Vec;

/// A queue of ids, each in it at most once; every operation is O(1).
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    /// One for each id. Those in the queue form a ring.
    links: Vec<Link>,
    /// Whose turn it is, or `NIL`. The last in the queue is `prev` of this one.
    head: u32,
}

/// `NIL` twice if the id is not in the queue.
#[derive(Clone, Copy, Debug)]
struct Link {
    prev: u32,
    next: u32,
}

const NIL: u32 = u32::MAX;
const OUTSIDE: Link = Link { prev: NIL, next: NIL };

impl Ready {
    /// An empty queue. Allocates nothing.
    pub(crate) const fn new() -> Self {
        Self { links: Vec::new(), head: NIL }
    }

    /// Whether nobody waits.
    pub(crate) const fn is_empty(&self) -> bool {
        self.head == NIL
    }

    /// Whether `id` waits.
    pub(crate) fn contains(&self, id: u32) -> bool {
        self.links.get(id as usize).is_some_and(|link| link.next != NIL)
    }

    /// Puts `id` at the end of the queue; it keeps its place if it waits already. Ids are indices: memory grows with
    /// the largest one. `u32::MAX` is reserved.
    pub(crate) fn push(&mut self, id: u32) {
        debug_assert!(id != NIL, "the largest id is reserved");
        if self.contains(id) {
            return;
        }
        if id as usize >= self.links.len() {
            self.links.resize(id as usize + 1, OUTSIDE);
        }
        if self.head == NIL {
            self.links[id as usize] = Link { prev: id, next: id };
            self.head = id;
        } else {
            let last = self.links[self.head as usize].prev;
            self.links[id as usize] = Link { prev: last, next: self.head };
            self.links[last as usize].next = id;
            self.links[self.head as usize].prev = id;
        }
    }

    /// Takes the id whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        let id = self.head;
        self.remove(id).then_some(id)
    }

    /// Takes `id` out of the queue, wherever it stands; false if it does not wait.
    pub(crate) fn remove(&mut self, id: u32) -> bool {
        if !self.contains(id) {
            return false;
        }
        let Link { prev, next } = core::mem::replace(&mut self.links[id as usize], OUTSIDE);
        if next == id {
            self.head = NIL;
            return true;
        }
        self.links[prev as usize].next = next;
        self.links[next as usize].prev = prev;
        if self.head == id {
            self.head = next;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::VecDeque;

    #[test]
    fn turns_are_taken_in_order_and_an_id_waits_once() {
        let mut ready = Ready::new();
        for id in [5, 2, 9, 2, 5] {
            ready.push(id);
        }
        assert_eq!(ready.pop(), Some(5));
        ready.push(5);
        assert!(ready.remove(9) && !ready.remove(9) && !ready.remove(77));
        assert!(ready.contains(2) && !ready.contains(9) && !ready.contains(u32::MAX));
        assert_eq!([ready.pop(), ready.pop(), ready.pop()], [Some(2), Some(5), None]);
        assert!(ready.is_empty());
    }

    #[test]
    fn agrees_with_a_deque_over_a_random_history() {
        let mut ready = Ready::new();
        let mut model = VecDeque::new();
        let mut seed = 0x0dd_b1a5_e5ba_d5ee_u64;
        for _ in 0..50_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let id = (seed >> 32) as u32 % 40;
            match seed % 5 {
                0 => assert_eq!(ready.pop(), model.pop_front()),
                1 => {
                    assert_eq!(ready.remove(id), model.contains(&id));
                    model.retain(|&other| other != id);
                }
                _ => {
                    ready.push(id);
                    if !model.contains(&id) {
                        model.push_back(id);
                    }
                }
            }
            assert_eq!((ready.contains(id), ready.is_empty()), (model.contains(&id), model.is_empty()));
        }
        assert!(core::iter::from_fn(|| ready.pop()).eq(model));
        assert_eq!(ready.links.len(), 40);
    }
}
