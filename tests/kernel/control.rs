//! The control: how late this machine itself is, all the while.
//!
//! One thread a processor waits a tick, again and again, on a socket with `SO_RCVTIMEO`, whose timer is of the kind
//! that TCP uses (`schedule_timeout`): it measures the wheel, the soft interrupt behind it and the wait for a
//! processor.

use crate::lateness::Clock;
use alloc::sync::Arc;
use core::num::NonZero;
use core::time::Duration;
use std::os::unix::net::UnixDatagram;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

/// Waits that ended later than the rule allows for.
#[derive(Clone, Default)]
pub(crate) struct Control(Arc<Mutex<Vec<Wait>>>);

impl Control {
    /// Starts watching, for as long as the process lives.
    pub(crate) fn start(clock: Clock) -> Self {
        let control = Self::default();
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            let control = control.clone();
            thread::spawn(move || control.watch(clock));
        }
        control
    }

    fn watch(&self, clock: Clock) {
        let (near, _far) = UnixDatagram::pair().expect("a pair of sockets");
        near.set_read_timeout(Some(clock.tick)).expect("a timeout of a tick");
        loop {
            let start = Instant::now();
            let _ = near.recv(&mut [0]);
            let end = Instant::now();
            if let Some(late) = (end - start).checked_sub(clock.tick + clock.lateness(clock.tick)) {
                self.0.lock().unwrap().push(Wait { start, end, late });
            }
        }
    }

    /// The worst of the waits that ran between these, beyond what is allowed for; zero if the machine kept its times.
    pub(crate) fn worst_between(&self, from: Instant, to: Instant) -> Duration {
        let late = self.0.lock().unwrap();
        let within = late.iter().filter(|wait| wait.start <= to && wait.end >= from);
        within.map(|wait| wait.late).max().unwrap_or_default()
    }
}

/// A wait that ended too late.
struct Wait {
    start: Instant,
    end: Instant,
    /// Beyond what is allowed for.
    late: Duration,
}
