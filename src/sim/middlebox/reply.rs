//! What a box says to a segment that it will not pass, in the name of its destination.
//!
//! A reset as RFC 9293 3.5.2 (group 1) has a host without the connection send it, as Linux's `tcp_v4_send_reset` and
//! netfilter's `nf_send_reset` write it: without options, and never to a reset.

use super::{Decision, Unknown};
use crate::seq::SeqNum;
use crate::sim::Fate;
use crate::wire::{self, Flags, Flow, Header, IpOptions, Segment};
use alloc::vec;
use bytes::Bytes;

/// `packet` is what `flow` (its destination is `local`) and `segment` were read from.
pub(super) fn to_unknown(
    unknown: Unknown,
    note: &'static str,
    flow: &Flow,
    segment: &Segment<'_>,
    packet: &[u8],
) -> Decision {
    let answer = match unknown {
        Unknown::Drop => None,
        Unknown::Reset => reset(flow, segment),
        Unknown::Icmp(kind) => {
            let mut buffer = vec![0; ICMP_LEN_MAX];
            let len = wire::emit_icmp_error(flow.local.ip(), kind, packet, &mut buffer).unwrap_or(0);
            buffer.truncate(len);
            (len > 0).then(|| buffer.into())
        }
    };
    Decision { fate: answer.map_or(Fate::Drop, Fate::Answer), note }
}

fn reset(flow: &Flow, segment: &Segment<'_>) -> Option<Bytes> {
    let Header { seq, ack, flags, .. } = segment.header;
    if flags.contains(Flags::RST) {
        return None;
    }
    let header = if flags.contains(Flags::ACK) {
        Header::new(ack, SeqNum::new(0), Flags::RST)
    } else {
        Header::new(SeqNum::new(0), seq + segment.len(), Flags::RST | Flags::ACK)
    };
    let mut buffer = vec![0; wire::header_len(flow, &header)];
    wire::emit(flow, IpOptions::LINUX, &header, 0, |_| {}, &mut buffer).ok()?;
    Some(buffer.into())
}

/// RFC 4443 2.4 (c): no ICMP error is longer.
const ICMP_LEN_MAX: usize = 1280;
