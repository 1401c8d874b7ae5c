//! What the application's threads and the driver share: one stack behind one lock, and who waits for what.
//!
//! Whoever holds the lock and changed something also sends what follows from it and wakes whom it concerns
//! ([`Shared::act`], [`Shared::wait_for`]); the driver is woken only if it would otherwise sleep too long. So an answer
//! leaves without a change of threads. Nobody is notified before the lock is free again.
//!
//! A thread that panics while it holds the lock (in an observer, say) poisons nothing: every change of the stack is
//! complete before foreign code runs.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

use super::clock::Clock;
use super::wire::{HandWait, Wire};
use crate::journal::WallClock;
use crate::stack::{ConnId, ListenerId, Stack};
use crate::tcp::Event;
use crate::time::{Duration, Instant};

/// A stack, its lock, and the bell that wakes its driver.
#[derive(Debug)]
pub(super) struct Shared {
    clock: Clock,
    host: Mutex<Host>,
    bell: OwnedFd,
    wakeups: AtomicU64,
}

/// What the lock protects.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) stack: Stack,
    /// `None` once the net is down.
    pub(super) wire: Option<Wire>,
    sockets: HashMap<ConnId, Arc<Condvar>>,
    listeners: HashMap<ListenerId, Waiting>,
    /// What the driver waits for; `None` while it is awake, and will look by itself.
    asleep: Option<Wait>,
}

/// Those who wait for connections to a port.
#[derive(Debug)]
struct Waiting {
    port: u16,
    accepted: Arc<Condvar>,
}

/// What ends the driver's sleep, beside a packet and the bell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// This instant; `None` for none.
    pub(super) until: Option<Instant>,
    /// The device can be written to.
    pub(super) writable: bool,
}

/// Whom an event concerns: one of those who wait for a connection, or all who use one.
enum Woken {
    One(Arc<Condvar>),
    All(Arc<Condvar>),
}

/// Until when a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    None,
    Until(Instant),
    Endless,
}

/// While all memory is taken a waiter looks again after this long, since what frees memory need not concern its
/// connection (Linux `sk_stream_wait_memory` waits up to a fifth of a second then).
const SHORT_OF_MEMORY_PAUSE: Duration = Duration::from_millis(100);

impl Shared {
    pub(super) fn new(clock: Clock, stack: Stack, wire: Wire) -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let host = Host { stack, wire: Some(wire), sockets: HashMap::new(), listeners: HashMap::new(), asleep: None };
        Ok(Self { clock, host: Mutex::new(host), bell, wakeups: AtomicU64::new(0) })
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// What it is by the clock on the wall.
    pub(super) fn on_the_wall(&self) -> WallClock {
        self.clock.on_the_wall()
    }

    /// Times that the driver's sleep ended.
    pub(super) fn wakeups(&self) -> u64 {
        self.wakeups.load(Ordering::Relaxed)
    }

    pub(super) fn count_wakeup(&self) {
        self.wakeups.fetch_add(1, Ordering::Relaxed);
    }

    /// Readable after [`Shared::ring`].
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Ends the driver's sleep.
    pub(super) fn ring(&self) {
        // It fails only when the count is full, and then the bell rings already.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Makes the bell silent again.
    pub(super) fn silence(&self) {
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
    }

    /// Does something under the lock, and what follows from it.
    pub(super) fn act<R>(&self, act: impl FnOnce(&mut Host, Instant) -> R) -> R {
        let mut host = self.lock();
        let now = self.now();
        let result = act(&mut host, now);
        self.settle(host, now);
        result
    }

    /// The same, if the net is up.
    ///
    /// # Errors
    ///
    /// Those of `act`, and `NetworkDown` if it is not.
    pub(super) fn try_act<R>(&self, act: impl FnOnce(&mut Host, Instant) -> io::Result<R>) -> io::Result<R> {
        self.act(|host, now| if host.wire.is_none() { Err(network_down()) } else { act(host, now) })
    }

    /// Tries `attempt` until it gives something, each time `condvar` is notified.
    ///
    /// # Errors
    ///
    /// Those of `attempt`, `WouldBlock` once `patience` is at its end, `NetworkDown` when the net is.
    pub(super) fn wait_for<R>(
        &self,
        condvar: &Condvar,
        patience: Patience,
        mut attempt: impl FnMut(&mut Host, Instant) -> Option<io::Result<R>>,
    ) -> io::Result<R> {
        let mut host = self.lock();
        loop {
            if host.wire.is_none() {
                return Err(network_down());
            }
            let now = self.now();
            if let Some(outcome) = attempt(&mut host, now) {
                self.settle(host, now);
                return outcome;
            }
            let mut left = match patience {
                Patience::Endless => Duration::MAX,
                Patience::Until(end) if end > now => end - now,
                _ => return Err(io::ErrorKind::WouldBlock.into()),
            };
            if host.is_short_of_memory() {
                left = left.min(SHORT_OF_MEMORY_PAUSE);
            }
            host = if left == Duration::MAX {
                condvar.wait(host).unwrap_or_else(PoisonError::into_inner)
            } else {
                condvar.wait_timeout(host, left).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }

    /// One turn of the driver: takes `packets`, lets time act, sends, wakes. Returns what to wait for next; `None` when
    /// the net is down. `writable`: poll(2) says that the device can be written to.
    pub(super) fn turn<'p>(&self, packets: impl Iterator<Item = &'p [u8]>, writable: bool) -> Option<Wait> {
        let mut guard = self.lock();
        let now = self.now();
        let host = &mut *guard;
        host.asleep = None;
        let wire = host.wire.as_mut()?;
        for packet in packets {
            wire.receive(now, packet, &mut host.stack);
        }
        host.stack.handle_timeout(now);
        wire.retry(now, writable);
        wire.transmit(now, &mut host.stack);
        let woken = host.take_events();
        let wait = host.wait();
        host.asleep = Some(wait);
        drop(guard);
        wake(woken);
        Some(wait)
    }

    /// Ends the net after a word to every peer: a reset, as far as the device takes it.
    pub(super) fn shut_down(&self) {
        let mut host = self.lock();
        host.abort_all(self.now());
        self.let_go(host);
    }

    /// Ends the net without a word: its driver is gone. Does nothing the second time.
    pub(super) fn go_down(&self) {
        self.let_go(self.lock());
    }

    /// The wire goes; every call under way and every later one fails.
    fn let_go(&self, mut host: MutexGuard<'_, Host>) {
        let wire = host.wire.take();
        let sockets: Vec<_> = host.sockets.drain().map(|(_, condvar)| condvar).collect();
        let listeners: Vec<_> = host.listeners.drain().map(|(_, waiting)| waiting.accepted).collect();
        drop(host);
        // With it goes the observer, whose code is not ours.
        drop(wire);
        wake(sockets.into_iter().chain(listeners).map(Woken::All));
        self.ring();
    }

    /// Sends what the stack has, wakes whom its events concern, and the driver if it would sleep too long.
    fn settle(&self, mut guard: MutexGuard<'_, Host>, now: Instant) {
        let host = &mut *guard;
        let Some(wire) = host.wire.as_mut() else { return };
        wire.transmit(now, &mut host.stack);
        let woken = host.take_events();
        let wait = host.wait();
        let rings = host.asleep.is_some_and(|asleep| !asleep.covers(&wait));
        if rings {
            host.asleep = None;
        }
        drop(guard);
        if rings {
            self.ring();
        }
        wake(woken);
    }

    fn lock(&self) -> MutexGuard<'_, Host> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    /// Whoever waits for something of connection `id` waits on what this returns.
    pub(super) fn add_socket(&mut self, id: ConnId) -> Arc<Condvar> {
        let condvar = Arc::new(Condvar::new());
        self.sockets.insert(id, condvar.clone());
        condvar
    }

    pub(super) fn remove_socket(&mut self, id: ConnId) {
        self.sockets.remove(&id);
    }

    /// Whoever waits for connections to `port` waits on what this returns.
    pub(super) fn add_listener(&mut self, id: ListenerId, port: u16) -> Arc<Condvar> {
        let accepted = Arc::new(Condvar::new());
        self.listeners.insert(id, Waiting { port, accepted: accepted.clone() });
        accepted
    }

    pub(super) fn remove_listener(&mut self, id: ListenerId) {
        self.listeners.remove(&id);
    }

    fn abort_all(&mut self, now: Instant) {
        let Some(wire) = &mut self.wire else { return };
        let ids: Vec<_> = self.stack.connections().collect();
        for id in ids {
            if let Some(conn) = self.stack.conn(id) {
                conn.abort(now);
            }
        }
        wire.transmit(now, &mut self.stack);
    }

    fn take_events(&mut self) -> Vec<Woken> {
        let mut woken = Vec::new();
        let mut last = None;
        while let Some((id, event)) = self.stack.poll_event() {
            if let Some(condvar) = self.sockets.get(&id) {
                // The events of one connection come one after the other.
                if last != Some(id) {
                    woken.push(Woken::All(condvar.clone()));
                }
                last = Some(id);
            } else if event == Event::Connected {
                let port = self.stack.conn(id).map(|conn| conn.flow().local.port());
                let waiting = self.listeners.values().filter(|waiting| Some(waiting.port) == port);
                woken.extend(waiting.map(|waiting| Woken::One(waiting.accepted.clone())));
            }
        }
        woken
    }

    fn wait(&self) -> Wait {
        let HandWait { writable, until } = self.wire.as_ref().map(Wire::hand_wait).unwrap_or_default();
        Wait { until: [until, self.stack.poll_timeout()].into_iter().flatten().min(), writable }
    }

    fn is_short_of_memory(&self) -> bool {
        self.stack.memory_charged() >= self.stack.config().memory_bytes
    }
}

impl Wait {
    /// Whether who waits for `self` wakes in time for `other`.
    fn covers(&self, other: &Self) -> bool {
        let in_time = other.until.is_none_or(|needed| self.until.is_some_and(|until| until <= needed));
        in_time && (self.writable || !other.writable)
    }
}

fn wake(woken: impl IntoIterator<Item = Woken>) {
    for one in woken {
        match one {
            Woken::One(condvar) => condvar.notify_one(),
            Woken::All(condvar) => condvar.notify_all(),
        }
    }
}

/// What every call says once the net is down.
fn network_down() -> io::Error {
    io::Error::new(io::ErrorKind::NetworkDown, "the net was shut down, or its device is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_is_woken_only_for_what_it_would_miss() {
        let until = |secs| Wait { until: Some(Instant::from_secs(secs)), writable: false };
        let endless = Wait { until: None, writable: false };
        let blocked = Wait { until: None, writable: true };
        for (asleep, needed, covered) in [
            (until(1), until(2), true),
            (until(2), until(1), false),
            (until(2), endless, true),
            (endless, until(1), false),
            (endless, blocked, false),
            (blocked, endless, true),
        ] {
            assert_eq!(asleep.covers(&needed), covered, "{asleep:?} {needed:?}");
        }
    }
}
