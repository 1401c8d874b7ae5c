//! What the application wrote, and how it meant it (RFC 9293 3.9.1.2, SEND; Linux `tcp_sendmsg`, `tcp_push`,
//! `tcp_mark_urg`).
//!
//! Bytes go into the send buffer; here stands what they do not say themselves: that more follows, that a record ends,
//! that they are urgent.

use super::conn::Conn;
use super::flags::ConnFlags;
use crate::buf::Buffers;
use crate::seq::SeqNum;
use crate::wire::{Flags, Header};
use core::ops::BitOr;

/// How a write is meant, as send(2) has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SendFlags(u8);

impl SendFlags {
    /// Nothing in particular.
    pub const NONE: Self = Self(0);
    /// `MSG_MORE`: another write follows at once. What does not fill a segment waits for it, until something is
    /// acknowledged, or for a retransmission timeout (at least 200 ms) if nothing is in flight; and what ends here is
    /// not pushed.
    pub const MORE: Self = Self(1);
    /// `MSG_EOR`: a record ends here. No segment carries bytes from both sides, neither now nor when resent. Of more
    /// than [`RECORD_ENDS_MAX`](crate::buf::chain::RECORD_ENDS_MAX) that wait the later are not kept apart.
    pub const EOR: Self = Self(2);
    /// `MSG_OOB`: the last byte is urgent. It goes in line, like any other; the urgent pointer, one past it (RFC 6093
    /// 2), tells the peer as soon as a segment can.
    pub const OOB: Self = Self(4);

    /// Whether any flag of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for SendFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Conn {
    /// Something was queued in `buffers`, and meant so. Only for what is meant in particular must this be called.
    pub fn on_written(&mut self, meant: SendFlags, buffers: &mut impl Buffers) {
        let more = meant.has(SendFlags::MORE);
        self.flags.set(ConnFlags::MORE_FOLLOWS | ConnFlags::HELD_FOR_MORE, more);
        if meant.has(SendFlags::EOR) {
            buffers.end_record();
        }
        if meant.has(SendFlags::OOB) {
            let end = self.write_seq(buffers);
            buffers.scoreboard_mut().snd_up = Some(end);
        }
    }

    /// One past the last byte written.
    fn write_seq(&self, buffers: &impl Buffers) -> SeqNum {
        // Before the handshake is complete our SYN comes first.
        let syn = u32::from(!self.state.is_synchronized());
        self.snd_una + syn + buffers.len() as u32
    }

    /// Whether something urgent is not acknowledged yet (`tcp_urg_mode`): then nothing waits for being small.
    pub(super) fn is_urgent(buffers: &impl Buffers) -> bool {
        buffers.scoreboard().snd_up.is_some()
    }

    /// `snd_una` moved: what is acknowledged is urgent no more, and must not seem ahead again half the sequence space
    /// later (`tcp_clean_rtx_queue`).
    pub(super) fn forget_urgent_if_acknowledged(&self, buffers: &mut impl Buffers) {
        let board = buffers.scoreboard_mut();
        board.snd_up = board.snd_up.filter(|snd_up| snd_up.after(self.snd_una));
    }

    /// The urgent pointer, in every segment before what is urgent, with text or without (RFC 9293 3.8.5). What is too
    /// far ahead for the field says only that there is something (`__tcp_transmit_skb`).
    pub(super) fn point_at_urgent(&self, header: &mut Header, buffers: &impl Buffers) {
        let Some(snd_up) = buffers.scoreboard().snd_up else { return };
        if !header.seq.before(snd_up) {
            return;
        }
        let ahead = snd_up.distance(header.seq);
        if let Ok(urgent) = u16::try_from(ahead) {
            header.urgent = urgent;
        } else if (header.seq + u32::from(u16::MAX)).after(self.snd_nxt) {
            header.urgent = u16::MAX;
        } else {
            return;
        }
        header.flags |= Flags::URG;
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use crate::buf::SendBuffer;
    use crate::buf::chain::Streams;
    use crate::config::Sysctl;
    use crate::options::Options;
    use crate::tcp::Setup;
    use crate::time::Instant;
    use crate::wire::{Flow, Segment};

    /// Kept, it would seem to lie ahead again two gigabytes later.
    #[test]
    fn what_is_acknowledged_is_no_longer_urgent() {
        let (now, sysctl, iss) = (Instant::from_secs(1), Sysctl::LINUX, SeqNum::new(7));
        let flow = Flow { local: "192.0.2.1:80".parse().unwrap(), remote: "192.0.2.2:80".parse().unwrap() };
        let setup = Setup { flow, iss, ts_offset: 0, mtu: 1500, options: Options::new() };
        let (mut conn, mut streams) = (Conn::connect(now, &setup, &sysctl), Streams::new());
        let hear = |conn: &mut Conn, streams: &mut Streams, seq, ack, flags| {
            while conn.poll_transmit(now, &sysctl, streams).is_some() {}
            let header = Header { window: 1000, ..Header::new(SeqNum::new(seq), iss + ack, flags) };
            conn.handle_segment(now, &Segment { header, payload: &[] }, &sysctl, streams);
        };
        hear(&mut conn, &mut streams, 0, 1, Flags::SYN | Flags::ACK);
        streams.push(bytes::Bytes::from_static(b"now"));
        conn.on_written(SendFlags::OOB, &mut streams);
        assert!(Conn::is_urgent(&streams));
        hear(&mut conn, &mut streams, 1, 3, Flags::ACK);
        assert!(Conn::is_urgent(&streams), "the last byte is on its way");
        hear(&mut conn, &mut streams, 1, 4, Flags::ACK);
        assert!(!Conn::is_urgent(&streams) && streams.scoreboard().snd_up.is_none());
    }
}
