//! Packets as an attacker forges them: every field free, checksums right unless damaged afterwards. Nothing here uses
//! the crate's own writer or checksums, so a mistake in those cannot hide itself.

use core::net::{IpAddr, SocketAddr};
use longhaul::wire::{self, Packet, TcpOptions};

pub(crate) const FIN: u16 = 0x01;
pub(crate) const SYN: u16 = 0x02;
pub(crate) const RST: u16 = 0x04;
pub(crate) const PSH: u16 = 0x08;
pub(crate) const ACK: u16 = 0x10;
pub(crate) const URG: u16 = 0x20;
pub(crate) const ECE: u16 = 0x40;
pub(crate) const CWR: u16 = 0x80;

pub(crate) const PROTOCOL_TCP: u8 = 6;
pub(crate) const PROTOCOL_ICMP_V4: u8 = 1;
pub(crate) const PROTOCOL_ICMP_V6: u8 = 58;

/// A TCP segment to be; the data offset follows from `options`, which are padded to whole words with end-of-list.
#[derive(Clone, Debug)]
pub(crate) struct Forge {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    /// The nine flags as they stand in the header.
    pub(crate) flags: u16,
    pub(crate) window: u16,
    pub(crate) urgent: u16,
    pub(crate) options: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl Forge {
    pub(crate) fn new(from: SocketAddr, to: SocketAddr) -> Self {
        Self { from, to, seq: 0, ack: 0, flags: 0, window: 65_535, urgent: 0, options: vec![], payload: vec![] }
    }

    pub(crate) fn seq(self, seq: u32) -> Self {
        Self { seq, ..self }
    }

    pub(crate) fn ack(self, ack: u32) -> Self {
        Self { ack, ..self }
    }

    pub(crate) fn flags(self, flags: u16) -> Self {
        Self { flags, ..self }
    }

    pub(crate) fn window(self, window: u16) -> Self {
        Self { window, ..self }
    }

    pub(crate) fn options(self, options: &[u8]) -> Self {
        Self { options: options.to_vec(), ..self }
    }

    pub(crate) fn payload(self, payload: &[u8]) -> Self {
        Self { payload: payload.to_vec(), ..self }
    }

    /// The packet.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let options_len = self.options.len().min(40).next_multiple_of(4);
        let mut segment = vec![0; 20 + options_len];
        segment[..2].copy_from_slice(&self.from.port().to_be_bytes());
        segment[2..4].copy_from_slice(&self.to.port().to_be_bytes());
        segment[4..8].copy_from_slice(&self.seq.to_be_bytes());
        segment[8..12].copy_from_slice(&self.ack.to_be_bytes());
        let words = (segment.len() / 4) as u16;
        segment[12..14].copy_from_slice(&(words << 12 | self.flags & 0x1ff).to_be_bytes());
        segment[14..16].copy_from_slice(&self.window.to_be_bytes());
        segment[18..20].copy_from_slice(&self.urgent.to_be_bytes());
        let options = &self.options[..self.options.len().min(40)];
        segment[20..20 + options.len()].copy_from_slice(options);
        segment.extend(&self.payload);
        envelope(self.from.ip(), self.to.ip(), PROTOCOL_TCP, &segment)
    }
}

/// `body` in an IP packet, with every checksum right.
pub(crate) fn envelope(from: IpAddr, to: IpAddr, protocol: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(40 + body.len());
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let len = (20 + body.len()).min(65_535) as u16;
            packet.extend([0x45, 0]);
            packet.extend(len.to_be_bytes());
            packet.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
            packet.extend(from.octets());
            packet.extend(to.octets());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            packet.extend([0x60, 0, 0, 0]);
            packet.extend((body.len().min(65_535) as u16).to_be_bytes());
            packet.extend([protocol, 64]);
            packet.extend(from.octets());
            packet.extend(to.octets());
        }
        _ => panic!("both ends are of one family"),
    }
    packet.extend(body);
    reseal(&mut packet);
    packet
}

/// Makes every checksum right again, whatever else is wrong with the packet. Extension headers are not followed.
pub(crate) fn reseal(packet: &mut [u8]) {
    reseal_header(packet);
    let Some((start, protocol)) = message_at(packet) else { return };
    let at = start
        + match protocol {
            PROTOCOL_TCP => 16,
            PROTOCOL_ICMP_V4 | PROTOCOL_ICMP_V6 => 2,
            _ => return,
        };
    if packet.len() < at + 2 {
        return;
    }
    packet[at..at + 2].fill(0);
    let sum = message_sum(packet, start, protocol);
    packet[at..at + 2].copy_from_slice(&(!sum).to_be_bytes());
}

/// Makes only the checksum of the IPv4 header right again.
pub(crate) fn reseal_header(packet: &mut [u8]) {
    if let Some((start, _)) = message_at(packet).filter(|_| packet[0] >> 4 == 4) {
        packet[10..12].fill(0);
        let sum = fold(add(0, &packet[..start]));
        packet[10..12].copy_from_slice(&(!sum).to_be_bytes());
    }
}

/// Whether both checksums of a packet hold.
pub(crate) fn is_sealed(packet: &[u8]) -> bool {
    let Some((start, protocol)) = message_at(packet) else { return false };
    let header_holds = packet[0] >> 4 == 6 || fold(add(0, &packet[..start])) == 0xffff;
    header_holds && message_sum(packet, start, protocol) == 0xffff
}

/// Where the message in an IP packet begins, and what it is.
fn message_at(packet: &[u8]) -> Option<(usize, u8)> {
    let (start, protocol) = match packet.first()? >> 4 {
        4 => (usize::from(packet[0] & 15) * 4, *packet.get(9)?),
        6 => (40, *packet.get(6)?),
        _ => return None,
    };
    (20..=packet.len()).contains(&start).then_some((start, protocol))
}

/// The sum of the message from `start` on and, but for ICMP over IPv4, of its pseudo header.
fn message_sum(packet: &[u8], start: usize, protocol: u8) -> u16 {
    let message = &packet[start..];
    let mut sum = add(0, message);
    if protocol != PROTOCOL_ICMP_V4 {
        let addresses = if packet[0] >> 4 == 4 { &packet[12..20] } else { &packet[8..40] };
        sum = add(sum, addresses) + u64::from(protocol) + message.len() as u64;
    }
    fold(sum)
}

/// RFC 1071, two bytes at a time.
fn add(sum: u64, bytes: &[u8]) -> u64 {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let whole: u64 = pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum();
    sum + whole + rest.first().map_or(0, |&last| u64::from(last) << 8)
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// A segment that the stack sent, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u16,
    pub(crate) window: u16,
    pub(crate) options: TcpOptions,
    pub(crate) payload_len: u32,
    /// Of the whole packet.
    pub(crate) len: usize,
}

impl Seen {
    /// Reads a packet that the stack sent; `None` if it is no segment.
    ///
    /// # Panics
    /// If a checksum is wrong.
    pub(crate) fn read(packet: &[u8]) -> Option<Self> {
        assert!(is_sealed(packet), "sent with a wrong checksum: {packet:02x?}");
        let Ok(Packet::Tcp { flow, segment, .. }) = wire::parse(packet) else { return None };
        let header = segment.header;
        Some(Self {
            from: flow.remote,
            to: flow.local,
            seq: header.seq.raw(),
            ack: header.ack.raw(),
            flags: header.flags.bits(),
            window: header.window,
            options: header.options,
            payload_len: segment.payload.len() as u32,
            len: packet.len(),
        })
    }

    pub(crate) fn has(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }

    /// One past the last sequence number it takes.
    pub(crate) fn end(&self) -> u32 {
        let controls = u32::from(self.has(SYN)) + u32::from(self.has(FIN));
        self.seq.wrapping_add(self.payload_len).wrapping_add(controls)
    }

    /// Whether it is an acknowledgment and nothing else.
    pub(crate) fn is_bare_ack(&self) -> bool {
        self.flags == ACK && self.payload_len == 0
    }
}
