//! Whose time has come? (The wheels may fire early, never before there is something due in them.)

use super::Stack;
use super::wheel::Wheel;
use crate::liveness::Cause;
use crate::tcp::{Fired, HalfOpenVerdict};
use crate::time::Instant;
use crate::wire::Flow;

/// Entries handled in one call of [`Stack::handle_timeout`]. A call that stops here leaves [`Stack::poll_timeout`] in
/// the past, so the driver comes back after it has sent and received: no storm of timers starves the device.
const BATCH_MAX: usize = 1024;

impl Stack {
    /// Time passed. Before [`Stack::poll_timeout`] this does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        let mut left = BATCH_MAX;
        while left > 0 {
            let Some(index) = self.conn_wheel.expire(now) else { break };
            self.on_conn_timeout(now, index);
            left -= 1;
        }
        while left > 0 {
            let Some(index) = self.half_open_wheel.expire(now) else { break };
            self.on_half_open_timeout(now, index);
            left -= 1;
        }
        while left > 0 {
            let Some(index) = self.time_wait_wheel.expire(now) else { break };
            self.on_time_wait_timeout(now, index);
            left -= 1;
        }
    }

    /// When [`Stack::handle_timeout`] must be called next; `None` if no time changes anything. May be early, never late
    /// by a millisecond or more.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [&self.conn_wheel, &self.half_open_wheel, &self.time_wait_wheel].into_iter().filter_map(Wheel::next).min()
    }

    fn on_conn_timeout(&mut self, now: Instant, index: u32) {
        let Some(fired) = self.with(index, None, |conn, sysctl, queues| conn.handle_timeout(now, sysctl, queues))
        else {
            return;
        };
        let Fired { retransmission, window_probe, keepalive_probe, delayed_ack, path_doubtful, death } = fired;
        self.stats.timeouts += u64::from(retransmission);
        self.stats.window_probes += u64::from(window_probe);
        self.stats.keepalive += u64::from(keepalive_probe);
        self.stats.delayed_acks += u64::from(delayed_ack);
        self.stats.paths_doubted += u64::from(path_doubtful);
        self.stats.abort_on_timeout += u64::from(death.is_some());
        self.stats.attempt_fails += u64::from(death == Some(Cause::Handshake));
        if let Some(cause) = death {
            log::debug!("connection given up: {cause}");
        }
    }

    fn on_half_open_timeout(&mut self, now: Instant, index: u32) {
        let Some(listener) = self.half_open.get_at(index).map(|half| half.listener) else { return };
        let Some(options) = self.listener_options(listener) else {
            return self.remove_half_open(index);
        };
        let crowd = self.crowd(listener).unwrap_or_default();
        let Some(half) = self.half_open.get_at_mut(index) else { return };
        let (flow, young) = (Flow::from(half.block.key()), half.block.is_young());
        let verdict = half.block.handle_timeout(now, &self.config.sysctl, &options, &crowd);
        self.half_open_wheel.arm(index, half.block.due());
        if young && !half.block.is_young() {
            self.on_half_open_aged(listener);
        }
        match verdict {
            HalfOpenVerdict::Reply(header) => {
                self.stats.timeouts += 1;
                self.stats.retrans_segs += 1;
                self.reply_as(&options, flow, header);
            }
            HalfOpenVerdict::Gone => {
                self.stats.attempt_fails += 1;
                self.remove_half_open(index);
            }
            _ => {}
        }
    }

    fn on_time_wait_timeout(&mut self, now: Instant, index: u32) {
        let Some(due) = self.time_wait.get_at(index).map(crate::tcp::TimeWait::due) else { return };
        if due <= now {
            self.remove_time_wait(index);
        } else {
            self.time_wait_wheel.arm(index, due);
        }
    }
}
