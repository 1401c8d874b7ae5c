//! Segments as both subjects exchange them: words in, packets out, and back, with numbers relative to either side's
//! first.

use crate::notation::{OptionsSpec, Spec};
use crate::scenario::{On, Scenario};
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use longhaul::seq::SeqNum;
use longhaul::wire::{self, Flags, Flow, Header, IcmpKind, IpOptions, Packet, SackBlock, TcpOptions, Timestamps};

/// Just below the wrap, which most dialogues then cross.
const PEER_ISN: u32 = u32::MAX - 5;

/// A packet of the subject, as far as it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) flags: Flags,
    pub(crate) seq: i32,
    pub(crate) len: u32,
    pub(crate) ack: Option<i32>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}({})", self.flags, self.seq, self.seq.wrapping_add_unsigned(self.len), self.len)?;
        self.ack.map_or(Ok(()), |ack| write!(f, " ack {ack}"))
    }
}

/// The peer's end of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// From the peer to the subject.
    flow: Flow,
    /// The subject's first sequence number.
    isn: Option<SeqNum>,
    /// One past the last that the subject said, relative.
    heard: u32,
    /// What the peer says next, relative.
    said: u32,
    /// The subject's latest `TSval`, if timestamps are spoken.
    echo: Option<u32>,
}

impl Peer {
    pub(crate) fn new(scenario: &Scenario, subject: SocketAddr, peer: SocketAddr) -> Self {
        let speaks_ts = scenario.peer.contains("TS");
        let flow = Flow { local: peer, remote: subject };
        Self { flow, isn: None, heard: 0, said: 0, echo: speaks_ts.then_some(0) }
    }

    /// Reads a packet of the subject; `None` if it is not of this connection. Also what a rule would call it.
    pub(crate) fn hear(&mut self, packet: &[u8]) -> Option<(Seen, Option<On>)> {
        let Ok(Packet::Tcp { flow, segment, .. }) = wire::parse(packet) else { return None };
        if flow != self.flow {
            return None;
        }
        let header = segment.header;
        if header.flags.contains(Flags::SYN) {
            self.isn = Some(header.seq);
        }
        if let (Some(echo), Some(timestamps)) = (&mut self.echo, header.options.timestamps) {
            *echo = timestamps.val;
        }
        let relative = |number: SeqNum, isn: SeqNum| number.raw().wrapping_sub(isn.raw()).cast_signed();
        let isn = self.isn.unwrap_or(SeqNum::new(0));
        let seen = Seen {
            flags: header.flags,
            seq: relative(header.seq, isn),
            len: segment.payload.len() as u32,
            ack: header.flags.contains(Flags::ACK).then(|| relative(header.ack, SeqNum::new(PEER_ISN))),
        };
        let kind = if header.flags.contains(Flags::SYN) {
            Some(On::Syn)
        } else if !segment.is_empty() {
            Some(On::Data)
        } else {
            (seen.seq < self.heard.cast_signed() && !seen.flags.contains(Flags::RST)).then_some(On::Probe)
        };
        self.heard = self.heard.max(relative(segment.end(), isn).max(0).cast_unsigned());
        Some((seen, kind))
    }

    /// An ACK of all that was heard.
    pub(crate) fn ack(&self, window: u16) -> String {
        format!(". {0}:{0}(0) ack {1} win {window}", self.said, self.heard)
    }

    /// `text` as a packet, at this time since the beginning.
    pub(crate) fn speak(&mut self, text: &str, now: Duration) -> Vec<u8> {
        let spec = Spec::parse(text);
        let OptionsSpec::Exactly(words) = &spec.options else { panic!("{text:?} leaves its options open") };
        let mut options = options(words, self.isn.unwrap_or(SeqNum::new(0)));
        if let Some(echo) = self.echo {
            options.timestamps = Some(Timestamps { val: 1000 + now.as_millis() as u32, ecr: echo });
        }
        let ack = spec.ack.map_or(SeqNum::new(0), |ack| self.isn.unwrap_or(SeqNum::new(0)) + ack);
        let header = Header {
            window: spec.window.unwrap_or(u16::MAX),
            options,
            ..Header::new(SeqNum::new(PEER_ISN) + spec.seq, ack, spec.flags)
        };
        let takes = spec.len + u32::from(spec.flags.intersects(Flags::SYN | Flags::FIN));
        if !spec.flags.contains(Flags::RST) {
            self.said = self.said.max(spec.seq.wrapping_add(takes));
        }
        let mut packet = vec![0; 1500];
        let len =
            wire::emit(&self.flow, IpOptions::LINUX, &header, spec.len as usize, |data| data.fill(0), &mut packet);
        packet.truncate(len.expect("a segment fits in a packet"));
        packet
    }

    /// The peer's own host reports that it did not get the segment at `seq`.
    pub(crate) fn icmp(&self, kind: IcmpKind, seq: u32) -> Vec<u8> {
        let flow = Flow { local: self.flow.remote, remote: self.flow.local };
        let header = Header::new(self.isn.unwrap_or(SeqNum::new(0)) + seq, SeqNum::new(0), Flags::ACK);
        let (mut quoted, mut packet) = ([0; 100], vec![0; 200]);
        let len = wire::emit(&flow, IpOptions::LINUX, &header, 0, |_| {}, &mut quoted).expect("a header fits");
        let len = wire::emit_icmp_error(self.flow.local.ip(), kind, &quoted[..len], &mut packet);
        packet.truncate(len.expect("an error fits"));
        packet
    }
}

/// As in packetdrill; SACK blocks are relative to the subject's ISN.
fn options(words: &str, isn: SeqNum) -> TcpOptions {
    let mut options = TcpOptions::NONE;
    for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word.split_once(' ') {
            Some(("mss", mss)) => options.mss = Some(mss.parse().expect("an MSS")),
            Some(("wscale", shift)) => options.window_scale = Some(shift.parse().expect("a shift")),
            Some(("sack", blocks)) => {
                for (start, end) in blocks.split(' ').map(|block| block.split_once(':').expect("start:end")) {
                    let edge = |text: &str| isn + text.parse::<u32>().expect("a number");
                    assert!(options.sack.push(SackBlock { start: edge(start), end: edge(end) }), "four blocks at most");
                }
            }
            None if word == "sackOK" => options.sack_permitted = true,
            // Timestamps are filled in for every segment.
            None if word == "TS" => {}
            _ => panic!("what is the option {word:?}?"),
        }
    }
    options
}
