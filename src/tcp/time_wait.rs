//! TIME-WAIT, and an orphan's FIN-WAIT-2: the small block after a connection (RFC 9293 3.6.1, RFC 1337, RFC 6191; Linux
//! `tcp_timewait_state_process`).

use super::conn::{Conn, seconds};
use super::flags::ConnFlags;
use super::state::State;
use super::throttle::Throttle;
use crate::config::Sysctl;
use crate::liveness::time_wait;
use crate::seq::SeqNum;
use crate::time::{Duration, Instant};
use crate::wire::{Flags, FlowKey, Header, Segment, Timestamps};

/// What remains of a connection that both ends, or an orphan, have finished.
#[derive(Clone, Copy, Debug)]
pub struct TimeWait {
    key: FlowKey,
    snd_nxt: SeqNum,
    rcv_nxt: SeqNum,
    rcv_wnd: u32,
    ts_recent: u32,
    ts_recent_s: u32,
    ts_offset: u32,
    throttle: Throttle,
    rule: time_wait::TimeWait,
    rcv_wscale: u8,
    timestamps: bool,
    /// The peer's FIN is still to come.
    fin_wait2: bool,
}

/// What a segment does to a [`TimeWait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeWaitVerdict {
    /// Nothing is sent.
    Nothing,
    /// This goes back.
    Reply(Header),
    /// The block is gone; nothing is sent.
    Gone,
    /// The block is gone, and this reset goes back.
    Reset(Header),
    /// A new connection begins: treat the segment as a SYN for the listener, answered with this initial sequence
    /// number.
    Reopen(SeqNum),
}

impl TimeWait {
    pub(super) fn new(now: Instant, conn: &Conn, length: Duration) -> Self {
        Self {
            key: conn.key,
            snd_nxt: conn.snd_nxt,
            rcv_nxt: conn.rcv_nxt,
            rcv_wnd: conn.receive_window(),
            ts_recent: conn.ts_recent,
            ts_recent_s: conn.ts_recent_s,
            ts_offset: conn.ts_offset,
            throttle: conn.throttle,
            rule: time_wait::TimeWait::with_length(now, length),
            rcv_wscale: conn.rcv_wscale,
            timestamps: conn.flags.has(ConnFlags::TIMESTAMPS),
            fin_wait2: conn.state == State::FinWait2,
        }
    }

    /// Both ends, packed.
    pub fn key(&self) -> FlowKey {
        self.key
    }

    /// When it is over.
    pub fn due(&self) -> Instant {
        self.rule.due
    }

    /// The state that `ss` would show.
    pub fn state(&self) -> State {
        if self.fin_wait2 { State::FinWait2 } else { State::TimeWait }
    }

    /// Whether our own connect may take its place now, and with which initial sequence number (Linux
    /// `tcp_twsk_unique`).
    pub fn reuse(&self, now: Instant, sysctl: &Sysctl, loopback: bool) -> Option<SeqNum> {
        let has_timestamps = self.timestamps && self.ts_recent_s != 0;
        time_wait::can_reuse(
            sysctl.tcp_tw_reuse,
            loopback,
            self.rule.entered_at,
            now,
            sysctl.tcp_tw_reuse_delay,
            has_timestamps,
        )
        .then(|| time_wait::next_isn(self.snd_nxt))
    }

    /// The same for a port that the caller chose: timestamps suffice.
    pub fn takeover(&self) -> Option<SeqNum> {
        (self.timestamps && self.ts_recent_s != 0 && !self.fin_wait2).then(|| time_wait::next_isn(self.snd_nxt))
    }

    /// A segment for the old connection arrived.
    pub fn handle_segment(&mut self, now: Instant, segment: &Segment<'_>, sysctl: &Sysctl) -> TimeWaitVerdict {
        let old = self.is_old(now, segment);
        if self.fin_wait2 {
            self.handle_in_fin_wait2(now, segment, sysctl, old)
        } else {
            self.handle_in_time_wait(now, segment, sysctl, old)
        }
    }

    fn handle_in_fin_wait2(
        &mut self,
        now: Instant,
        segment: &Segment<'_>,
        sysctl: &Sysctl,
        old: bool,
    ) -> TimeWaitVerdict {
        let header = &segment.header;
        if old || !super::is_in_window(segment, self.rcv_nxt, self.rcv_wnd) {
            return self.acknowledge(now, segment, sysctl);
        }
        if header.flags.contains(Flags::RST) {
            return TimeWaitVerdict::Gone;
        }
        let syn = header.flags.contains(Flags::SYN) && header.seq.at_or_after(self.rcv_nxt);
        let new = header.flags.contains(Flags::ACK) && segment.end().after(self.rcv_nxt) && !segment.is_empty();
        let only_fin = header.flags.contains(Flags::FIN) && segment.end() == self.rcv_nxt + 1;
        if syn || (new && !only_fin) {
            // Data for an application that has closed.
            return super::reset_for(segment).map_or(TimeWaitVerdict::Gone, TimeWaitVerdict::Reset);
        }
        if !new {
            return TimeWaitVerdict::Nothing;
        }
        self.fin_wait2 = false;
        self.rcv_nxt = segment.end();
        self.remember_timestamp(now, header);
        self.rule = time_wait::TimeWait::new(now);
        TimeWaitVerdict::Reply(self.ack_header(now))
    }

    fn handle_in_time_wait(
        &mut self,
        now: Instant,
        segment: &Segment<'_>,
        sysctl: &Sysctl,
        old: bool,
    ) -> TimeWaitVerdict {
        let header = &segment.header;
        let rst = header.flags.contains(Flags::RST);
        if !old && header.seq == self.rcv_nxt && (segment.is_empty() || rst) {
            if rst && sysctl.tcp_rfc1337 == 0 {
                // TIME-WAIT assassination (RFC 1337), allowed by default.
                return TimeWaitVerdict::Gone;
            }
            if !rst {
                self.rule.on_segment(now);
            }
            self.remember_timestamp(now, header);
            return TimeWaitVerdict::Nothing;
        }
        let plain_syn = header.flags.contains(Flags::SYN) && !rst && !header.flags.contains(Flags::ACK);
        let tsval = header.options.timestamps.map(|timestamps| timestamps.val);
        let ts_recent = self.timestamps.then_some(self.ts_recent);
        if plain_syn && !old && time_wait::reopens(header.seq, tsval, self.rcv_nxt, ts_recent) {
            return TimeWaitVerdict::Reopen(time_wait::next_isn(self.snd_nxt));
        }
        if rst {
            return TimeWaitVerdict::Nothing;
        }
        // A SYN without ACK may be a new one with an unlucky number: it does not restart the wait.
        if old || header.flags.contains(Flags::ACK) {
            self.rule.on_segment(now);
        }
        self.acknowledge(now, segment, sysctl)
    }

    /// Our numbers once more; only answers to empty segments are limited.
    fn acknowledge(&mut self, now: Instant, segment: &Segment<'_>, sysctl: &Sysctl) -> TimeWaitVerdict {
        if segment.header.flags.contains(Flags::RST) {
            return TimeWaitVerdict::Nothing;
        }
        if segment.is_empty() && self.throttle.withholds(now, sysctl) {
            return TimeWaitVerdict::Nothing;
        }
        TimeWaitVerdict::Reply(self.ack_header(now))
    }

    fn ack_header(&self, now: Instant) -> Header {
        let mut header = Header::new(self.snd_nxt, self.rcv_nxt, Flags::ACK);
        header.window = (self.rcv_wnd >> self.rcv_wscale).min(u32::from(u16::MAX)) as u16;
        if self.timestamps {
            let val = (now.as_millis() as u32).wrapping_add(self.ts_offset);
            header.options.timestamps = Some(Timestamps { val, ecr: self.ts_recent });
        }
        header
    }

    /// PAWS, as in a live connection; resets pass.
    fn is_old(&self, now: Instant, segment: &Segment<'_>) -> bool {
        let Some(timestamps) = segment.header.options.timestamps.filter(|_| self.timestamps) else { return false };
        let expired = seconds(now).wrapping_sub(self.ts_recent_s) >= super::input::TS_RECENT_VALID_S;
        let age = self.ts_recent.wrapping_sub(timestamps.val).cast_signed();
        age > 1 && !expired && !segment.header.flags.contains(Flags::RST)
    }

    fn remember_timestamp(&mut self, now: Instant, header: &Header) {
        if let Some(timestamps) = header.options.timestamps.filter(|_| self.timestamps) {
            self.ts_recent = timestamps.val;
            self.ts_recent_s = seconds(now);
        }
    }
}

const _: () = assert!(size_of::<TimeWait>() <= 96);
