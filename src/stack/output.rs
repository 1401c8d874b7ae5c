//! The next packet to send: immediate answers first, then connections in turn.

use super::{ConnId, Stack};
use crate::buf::SendBuffer;
use crate::options::Options;
use crate::stats::Stats;
use crate::tcp::EmitKind;
use crate::time::Instant;
use crate::wire::{self, Echo, Flags, Flow, Header, IpOptions};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;

/// A packet written into the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transmit {
    /// Its length, in bytes.
    pub len: usize,
    /// The payload of each segment, if the packet is several segments in one (GSO); `None` for an ordinary packet.
    pub segment_size: Option<u16>,
    /// Why it is sent; `None` for an immediate answer to a packet (SYN-ACK, reset, challenge ACK, echo reply).
    pub kind: Option<EmitKind>,
}

impl Transmit {
    /// What is remarkable about it, in plain words, for a capture; empty for data and acknowledgments as they should
    /// be.
    pub fn note(&self) -> &'static str {
        match self.kind {
            None | Some(EmitKind::Syn | EmitKind::Data | EmitKind::Ack) => "",
            Some(kind) => kind.describe(),
        }
    }
}

/// An answer that belongs to no connection, or must not wait for one.
#[derive(Debug)]
pub(super) enum Reply {
    Segment { flow: Flow, header: Header, ip: IpOptions },
    Echo { source: IpAddr, destination: IpAddr, ident: u16, seq_no: u16, data: Vec<u8> },
}

/// Answers that may wait; beyond it they are dropped, as a router would drop them.
const REPLIES_MAX: usize = 256;

/// Queues a segment that answers at once.
pub(super) fn push_reply(replies: &mut VecDeque<Reply>, stats: &mut Stats, flow: Flow, header: Header, ip: IpOptions) {
    if replies.len() < REPLIES_MAX {
        replies.push_back(Reply::Segment { flow, header, ip });
    } else {
        stats.replies_dropped += 1;
    }
}

impl Stack {
    /// The next packet to send, written into `packet`, which must hold [`super::Config::mtu`] bytes; a smaller buffer
    /// gets `None`. Ask until `None`; a driver whose device is full simply stops asking, and nothing is lost.
    pub fn poll_transmit(&mut self, now: Instant, packet: &mut [u8]) -> Option<Transmit> {
        let now = self.advance(now);
        let mtu = usize::from(self.config.mtu);
        if packet.len() < mtu {
            debug_assert!(false, "the buffer must hold a packet of MTU size");
            return None;
        }
        self.handed_out = None;
        self.transmit_reply(&mut packet[..mtu]).or_else(|| self.transmit_conn(now, packet))
    }

    /// The device refused the packet that [`Stack::poll_transmit`] wrote last: it dropped it and said so, as a queue
    /// without room does (ENOBUFS; Linux `NET_XMIT_DROP`). Tell it before anything else. The connection then takes the
    /// segment for one that never left, and tries again in half a second or at the next ACK: see
    /// [`Conn::handle_refused`](crate::tcp::Conn::handle_refused). A refused answer is lost, like any other.
    ///
    /// A device that is busy is another matter (EAGAIN): keep the packet, and ask for none until it takes it.
    pub fn handle_refused(&mut self, now: Instant) {
        let now = self.advance(now);
        let Some((id, emit)) = self.handed_out.take() else { return };
        let Some(index) = self.index_of(id) else { return };
        self.stats.retrans_fail += u64::from(emit.kind == EmitKind::Retransmission);
        self.with(index, None, |conn, sysctl, queues| conn.handle_refused(now, &emit, sysctl, queues));
    }

    /// Whether [`Stack::poll_transmit`] may have something.
    pub fn wants_transmit(&self) -> bool {
        !self.replies.is_empty() || !self.ready.is_empty()
    }

    pub(super) fn reply(&mut self, flow: Flow, header: Header) {
        self.reply_as(&Options::new(), flow, header);
    }

    /// An answer that a connection or a listener with these options gives.
    pub(super) fn reply_as(&mut self, options: &Options, flow: Flow, header: Header) {
        let ip = options.ip_options(self.config.ip);
        push_reply(&mut self.replies, &mut self.stats, flow, header, ip);
    }

    pub(super) fn reply_to_echo(&mut self, echo: &Echo<'_>) {
        // What could not leave in one packet is not worth keeping.
        let fits = echo.data.len() < usize::from(self.config.mtu);
        if fits && self.replies.len() < REPLIES_MAX {
            self.replies.push_back(Reply::Echo {
                source: echo.source,
                destination: echo.destination,
                ident: echo.ident,
                seq_no: echo.seq_no,
                data: echo.data.into(),
            });
        } else {
            self.stats.replies_dropped += 1;
        }
    }

    fn transmit_reply(&mut self, packet: &mut [u8]) -> Option<Transmit> {
        loop {
            let written = match self.replies.pop_front()? {
                Reply::Segment { flow, header, ip } => {
                    self.count(&header, false);
                    wire::emit(&flow, ip, &header, 0, |_| {}, packet)
                }
                Reply::Echo { source, destination, ident, seq_no, data } => {
                    self.stats.icmp_out_echo_reps += 1;
                    wire::emit_echo_reply(&Echo { source, destination, ident, seq_no, data: &data }, packet)
                }
            };
            // An answer longer than the MTU (a huge ping) is none.
            if let Ok(len) = written {
                return Some(Transmit { len, segment_size: None, kind: None });
            }
        }
    }

    /// One segment of the next connection in turn; it queues again if it has more.
    fn transmit_conn(&mut self, now: Instant, packet: &mut [u8]) -> Option<Transmit> {
        loop {
            let index = self.ready.pop()?;
            let ip = self.config.ip;
            let key = self.conns.key_at(index);
            let written = self.with(index, None, |conn, sysctl, queues| {
                let emit = conn.poll_transmit(now, sysctl, queues)?;
                let fill = |payload: &mut [u8]| queues.copy_out(emit.offset, payload);
                let ip = IpOptions { ecn: emit.ecn, ..conn.options().ip_options(ip) };
                let len = wire::emit(&conn.flow(), ip, &emit.header, emit.len, fill, packet).ok()?;
                Some((len, emit))
            });
            if let Some(Some((len, emit))) = written {
                let kind = emit.kind;
                self.count(&emit.header, kind == EmitKind::Retransmission);
                if !self.journals.is_empty() {
                    self.note_emit(index, &emit);
                }
                self.handed_out = key.map(|key| (ConnId(key), emit));
                return Some(Transmit { len, segment_size: None, kind: Some(kind) });
            }
        }
    }

    fn count(&mut self, header: &Header, retransmission: bool) {
        if header.flags.contains(Flags::RST) {
            self.stats.out_rsts += 1;
        } else if retransmission {
            self.stats.retrans_segs += 1;
        } else {
            self.stats.out_segs += 1;
        }
    }
}
