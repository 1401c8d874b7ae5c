//! Buffers that grow with what the path carries, up to `tcp_rmem[2]` and `tcp_wmem[2]` (Linux `tcp_rcv_space_adjust`,
//! `tcp_rcvbuf_grow`, `tcp_sndbuf_expand`).
//!
//! Receiving: what the application takes in one round trip is what the path carries; twice that may be offered, and
//! more while the sender's rate still doubles, since the measure is always one round trip late. Sending: twice the
//! congestion window may be queued. A size that the application has set (`SO_RCVBUF`, `SO_SNDBUF`) stays as it is.

use super::Env;
use super::conn::Conn;
use super::flags::ConnFlags;
use super::recovery::micros;
use crate::buf::Buffers;
use crate::config::Sysctl;
use crate::congestion::INITIAL_WINDOW;
use crate::seq::SeqNum;
use crate::time::Instant;
use crate::wire::Header;

impl Conn {
    /// Bytes of window that may be offered now, free or not.
    pub fn window_bytes(&self, sysctl: &Sysctl, buffers: &impl Buffers) -> u32 {
        let grown = if self.options.has_recv_buffer_size() { 0 } else { buffers.tuning().window_bytes };
        let limit = u32::try_from(buffers.receive_limit()).unwrap_or(u32::MAX);
        self.options.window_bytes(sysctl).max(grown).min(limit)
    }

    /// Bytes that may be queued for sending now, sent or not.
    pub fn send_buffer_bytes(&self, sysctl: &Sysctl, buffers: &impl Buffers) -> u32 {
        // What had grown before the application chose is forgotten (Linux `SOCK_SNDBUF_LOCK`).
        let grown = if self.options.has_send_buffer_size() { 0 } else { buffers.tuning().send_bytes };
        self.options.send_buffer_size(sysctl).max(grown)
    }

    /// Data of `len` bytes arrived in order: how long does the peer take to answer us? By the echo of a timestamp, else
    /// by the time that a window of data takes (Linux `tcp_rcv_rtt_measure_ts`, `tcp_rcv_rtt_measure`).
    pub(super) fn measure_receive_rtt(
        &mut self,
        env: &Env<'_>,
        header: &Header,
        len: usize,
        buffers: &mut impl Buffers,
    ) {
        let (window, rcv_nxt, rcv_mss) = (self.rcv_wnd, self.rcv_nxt, usize::from(self.delayed_ack.rcv_mss));
        let echo = header.options.timestamps.filter(|_| self.flags.has(ConnFlags::TIMESTAMPS)).map(|ts| ts.ecr);
        let by_echo = self.echoed_round_trip(env, header).filter(|_| len >= rcv_mss);
        let tuning = buffers.tuning_mut();
        if let Some(ecr) = echo {
            if let Some(rtt) = by_echo.filter(|_| ecr != tuning.rtt_ecr) {
                let sample = micros(rtt).max(1);
                let smooth = tuning.rtt_us_x8 - (tuning.rtt_us_x8 >> 3);
                let first = tuning.rtt_us_x8 == 0;
                tuning.rtt_us_x8 = if first { sample.saturating_mul(8) } else { smooth.saturating_add(sample) };
                tuning.rtt_ecr = ecr;
            }
            return;
        }
        if let Some(at) = tuning.rtt_at {
            if rcv_nxt.before(tuning.rtt_seq) {
                return;
            }
            let sample = micros(env.now.since(at)).max(1).saturating_mul(8);
            let first = tuning.rtt_us_x8 == 0;
            tuning.rtt_us_x8 = if first { sample } else { tuning.rtt_us_x8.min(sample) };
        }
        tuning.rtt_seq = rcv_nxt + window;
        tuning.rtt_at = Some(env.now);
    }

    /// The application read: once a round trip, grow if it took more than ever before.
    pub(super) fn adjust_receive_space(&mut self, now: Instant, sysctl: &Sysctl, buffers: &mut impl Buffers) {
        let read = self.read_up_to(buffers);
        let held = held_span(buffers);
        let initial = self.rcv_wnd.min(INITIAL_WINDOW * u32::from(self.advertised_mss())).max(1);
        let locked = self.options.has_recv_buffer_size();
        let least = self.options.window_bytes(sysctl);
        let most = sysctl.tcp_rmem[2] / 2;
        let tuning = buffers.tuning_mut();
        if tuning.space == 0 {
            tuning.space = initial;
        }
        let Some(since) = tuning.read_at else {
            (tuning.read_at, tuning.read_seq) = (Some(now), read);
            return;
        };
        if tuning.rtt_us_x8 == 0 || micros(now.since(since)) < tuning.rtt_us_x8 >> 3 {
            return;
        }
        let copied = read.distance(tuning.read_seq);
        // More than half the number space is nothing read, or a connection that was closed under it.
        if copied > tuning.space && copied < 1 << 31 {
            if !locked {
                let wanted = grown_window(copied, tuning.space).saturating_add(u64::from(held));
                let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).min(most);
                tuning.window_bytes = tuning.window_bytes.max(least).max(wanted);
            }
            tuning.space = copied;
        }
        (tuning.read_at, tuning.read_seq) = (Some(now), read);
    }

    /// An ACK arrived: twice what may be in flight may be queued.
    pub(super) fn expand_send_buffer(&mut self, sysctl: &Sysctl, buffers: &mut impl Buffers) {
        if self.options.has_send_buffer_size() {
            return;
        }
        let segments = self.congestion.cwnd.max(INITIAL_WINDOW).max(u32::from(self.recovery.reordering) + 1);
        let wanted = segments.saturating_mul(2 * SEND_BYTES_PER_SEGMENT).min(sysctl.tcp_wmem[2]);
        let tuning = buffers.tuning_mut();
        tuning.send_bytes = tuning.send_bytes.max(wanted);
    }

    /// One past the last byte that the application took.
    pub(super) fn read_up_to(&self, buffers: &impl Buffers) -> SeqNum {
        let fin = u32::from(self.flags.has(ConnFlags::PEER_FINISHED));
        self.rcv_nxt - fin - buffers.readable() as u32
    }
}

/// How far what arrived out of order reaches beyond `rcv_nxt`.
fn held_span(buffers: &impl Buffers) -> u32 {
    (0..).map_while(|index| buffers.range(index)).last().map_or(0, |(_, end)| end as u32)
}

/// Twice what was read in a round trip; while that grows, twice the growth more.
fn grown_window(copied: u32, before: u32) -> u64 {
    let twice = 2 * u64::from(copied);
    let growth = twice.saturating_mul(u64::from(copied - before)) / u64::from(before.max(1));
    twice.saturating_add(growth.saturating_mul(2))
}

/// What one segment costs a Linux send buffer: 4 KiB of buffer and 256 bytes of bookkeeping (`tcp_sndbuf_expand`).
const SEND_BYTES_PER_SEGMENT: u32 = 4352;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_doubles_gets_room_to_double_again() {
        assert_eq!(grown_window(20_000, 10_000), 40_000 + 2 * 40_000);
        assert_eq!(grown_window(10_500, 10_000), 21_000 + 2 * 1050);
        assert_eq!(grown_window(u32::MAX, 1), u64::MAX);
    }
}
