//! Our SYN is answered (RFC 9293 3.10.7.3; Linux `tcp_rcv_synsent_state_process`).

use super::conn::{Conn, seconds};
use super::flags::{ConnFlags, Wants};
use super::state::State;
use super::{Env, reset_for};
use crate::buf::Buffers;
use crate::error::Error;
use crate::time::{Duration, TICK};
use crate::wire::{Ecn, Flags, Header, Segment};

impl Conn {
    pub(super) fn handle_in_syn_sent(
        &mut self,
        env: &Env<'_>,
        segment: &Segment<'_>,
        buffers: &mut impl Buffers,
    ) -> Option<Header> {
        let header = &segment.header;
        // First, the ACK bit: it must acknowledge our SYN, which must have left.
        let acks = header.flags.contains(Flags::ACK);
        if acks && !(header.ack.after(self.snd_una) && header.ack.at_or_before(self.snd_nxt)) {
            self.hurry_first_retransmission(env);
            return reset_for(segment);
        }
        if acks && !self.is_echo_plausible(env, header) {
            return reset_for(segment);
        }
        // Second, the RST bit: without ACK it proves nothing.
        if header.flags.contains(Flags::RST) {
            if acks {
                self.die(Some(Error::Refused), buffers);
            }
            return None;
        }
        // Fourth, the SYN bit. Neither SYN nor RST: drop.
        if !header.flags.contains(Flags::SYN) {
            return None;
        }
        self.take_syn(env, header);
        if acks {
            self.complete(env, segment, buffers);
        } else {
            self.cross(env);
        }
        None
    }

    /// A wrong answer to our first SYN: an old connection of the peer's is in the way, and our reset removes it, so try
    /// again almost at once (Linux cuts the timer to `TCP_TIMEOUT_MIN`, two ticks).
    fn hurry_first_retransmission(&mut self, env: &Env<'_>) {
        if self.retransmission.retransmits == 0 && self.write_timer.at.is_some() {
            self.write_timer.at = Some(env.now + HURRIED);
        }
    }

    /// RFC 7323 3.2: an echo outside the time since our first SYN is not of our SYN.
    fn is_echo_plausible(&self, env: &Env<'_>, header: &Header) -> bool {
        let Some(echo) = header.options.timestamps.map(|timestamps| timestamps.ecr).filter(|&ecr| ecr != 0) else {
            return true;
        };
        let Some(first_syn) = self.retransmission.since else { return true };
        let span = self.tsval(env.now).wrapping_sub(self.tsval(first_syn));
        !self.flags.has(ConnFlags::TIMESTAMPS) || echo.wrapping_sub(self.tsval(first_syn)) <= span
    }

    /// The ACK of our SYN completes a simultaneous open.
    pub(super) fn complete_crossed(&mut self, env: &Env<'_>, header: &Header) {
        self.set_state(State::Established);
        self.take_handshake_sample(env, header);
        self.snd_una += 1;
        self.snd_sml = self.snd_una;
        self.snd_wl1 = header.seq;
        self.on_established(env);
        self.stop_handshake_timer();
        if self.flags.has(ConnFlags::FIN_QUEUED) {
            self.leave_for_finish();
        }
    }

    /// Takes the peer's sequence number and options.
    fn take_syn(&mut self, env: &Env<'_>, header: &Header) {
        self.rcv_nxt = header.seq + 1;
        self.rcv_wup = self.rcv_nxt;
        self.take_ecn_of_syn(header);
        let options = &header.options;
        if let Some(mss) = options.mss.filter(|&mss| mss != 0) {
            self.peer_mss = mss;
        }
        if let Some(shift) = options.window_scale.filter(|_| self.flags.has(ConnFlags::WINDOW_SCALE)) {
            self.snd_wscale = shift.min(super::receive::WINDOW_SCALE_MAX);
        } else {
            self.flags.set(ConnFlags::WINDOW_SCALE, false);
            self.rcv_wscale = 0;
            self.rcv_wnd = self.rcv_wnd.min(u32::from(u16::MAX));
        }
        if !options.sack_permitted {
            self.flags.set(ConnFlags::SACK, false);
        }
        if let Some(timestamps) = options.timestamps.filter(|_| self.flags.has(ConnFlags::TIMESTAMPS)) {
            self.ts_recent = timestamps.val;
            self.ts_recent_s = seconds(env.now);
        } else {
            self.flags.set(ConnFlags::TIMESTAMPS, false);
        }
        // The window of a SYN is never scaled (RFC 7323 2.2).
        self.snd_wnd = u32::from(header.window);
        self.max_window = self.snd_wnd;
        self.snd_wl1 = header.seq;
    }

    /// SYN and ACK: established, and our ACK leaves at once.
    fn complete(&mut self, env: &Env<'_>, segment: &Segment<'_>, buffers: &mut impl Buffers) {
        self.set_state(State::Established);
        self.take_handshake_sample(env, &segment.header);
        self.snd_una = segment.header.ack;
        self.snd_sml = self.snd_una;
        self.on_established(env);
        if self.retransmission.retransmits > 1 {
            // A SYN lost twice says something about the path (RFC 5681 3.1).
            self.congestion.cwnd = 1;
        }
        self.stop_handshake_timer();
        self.wants.set(Wants::ACK, true);
        // Data and FIN on a SYN-ACK are taken like any other.
        if !segment.payload.is_empty() || segment.header.flags.contains(Flags::FIN) {
            let text = Header { seq: segment.header.seq + 1, ..segment.header };
            let text = Segment { header: Header { flags: text.flags.without(Flags::SYN), ..text }, ..*segment };
            self.seventh_take_text(env, &text, Ecn::NotEct, buffers);
            self.eighth_check_fin(env, &text);
        }
    }

    /// SYN without ACK: two active opens cross (RFC 9293 3.5, figure 7 [MUST-10]); we answer with our SYN once more,
    /// and an ACK of the peer's.
    fn cross(&mut self, env: &Env<'_>) {
        self.set_state(State::SynReceived);
        self.update_mss(env.sysctl);
        self.wants.set(Wants::SYN, true);
    }

    /// The round trip of the handshake, if it can be told: from a SYN sent once, or by its echoed timestamp.
    pub(super) fn take_handshake_sample(&mut self, env: &Env<'_>, header: &Header) {
        let sent_once = self.retransmission.retransmits == 0;
        let sample = match self.retransmission.since {
            Some(first_syn) if sent_once => Some(env.now.since(first_syn)),
            _ => self.echoed_round_trip(env, header),
        };
        match sample {
            Some(rtt) => self.take_rtt_sample(env, rtt),
            None => self.estimator.on_handshake_without_sample(),
        }
    }

    /// The time since the timestamp that this header echoes, at least 1 ms, if both ends use timestamps.
    pub(super) fn echoed_round_trip(&self, env: &Env<'_>, header: &Header) -> Option<Duration> {
        let echo = header.options.timestamps.filter(|_| self.flags.has(ConnFlags::TIMESTAMPS))?.ecr;
        let elapsed_ms = self.tsval(env.now).wrapping_sub(echo);
        // An echo from the future or from the last century is no measurement [A11].
        (echo != 0 && elapsed_ms < ECHO_AGE_MAX_MS).then(|| Duration::from_millis(u64::from(elapsed_ms.max(1))))
    }

    pub(super) fn stop_handshake_timer(&mut self) {
        self.write_timer.stop();
        // A repetition may still wait for a busy device; it is not needed any more.
        self.wants.set(Wants::SYN, false);
        self.retransmission.on_progress();
        self.retransmission.on_rtt_sample();
        self.retransmission.on_episode_end();
    }
}

/// The wait after a wrong answer to the first SYN.
const HURRIED: Duration = Duration::from_micros(2 * TICK.as_micros() as u64);
/// Echoes older than this are no round trip (Linux: `INT_MAX / USEC_PER_SEC` seconds, 2147 s).
const ECHO_AGE_MAX_MS: u32 = 2_147_000;
