//! From a [`Header`] and a payload to bytes for the wire.
//!
//! RFC 9293 3.1, as Linux's `__tcp_transmit_skb` lays it out. The payload is written by the caller straight into the
//! packet and summed where it lies: one copy, one pass.

use super::error::BufferTooSmall;
use super::flow::Flow;
use super::header::{Flags, Header};
use super::ip::{self, Addresses, IpOptions};
use super::tcp_options;
use smoltcp::wire::{IpProtocol, TCP_HEADER_LEN, TcpPacket, TcpSeqNumber};

/// How long the IP and TCP headers of a segment will be in bytes, options included: 40 to 100.
pub fn header_len(flow: &Flow, header: &Header) -> usize {
    addresses(flow).header_len() + tcp_header_len(header)
}

/// Writes a segment from `flow.local` to `flow.remote` and returns its length, `header_len + payload_len`.
///
/// `fill` is handed exactly `payload_len` bytes to overwrite; what it leaves unwritten is sent as it was in `packet`.
/// What `header` says of options for SYN only is left out of other segments, and SACK blocks out of a SYN.
///
/// Both ends of `flow` must be of one family. If not, the packet says IPv6 with an IPv4-mapped end, and no host takes
/// it.
///
/// # Errors
///
/// [`BufferTooSmall`] if the segment is longer than `packet` or than 65,535 bytes; `fill` is not called then.
pub fn emit(
    flow: &Flow,
    ip: IpOptions,
    header: &Header,
    payload_len: usize,
    fill: impl FnOnce(&mut [u8]),
    packet: &mut [u8],
) -> Result<usize, BufferTooSmall> {
    debug_assert_eq!(flow.local.is_ipv4(), flow.remote.is_ipv4(), "{flow:?}");
    let addresses = addresses(flow);
    let tcp_header_len = tcp_header_len(header);
    let len = (addresses.header_len() + tcp_header_len).saturating_add(payload_len);
    let packet = ip::room(packet, len)?;

    let segment = ip::emit(addresses, ip, IpProtocol::Tcp, packet);
    let (head, payload) = segment.split_at_mut(tcp_header_len);
    write_header(flow, header, head);
    fill(payload);
    let sum = addresses.sum(IpProtocol::Tcp, segment);
    TcpPacket::new_unchecked(segment).set_checksum(!sum);
    Ok(len)
}

fn addresses(flow: &Flow) -> Addresses {
    Addresses::new(flow.local.ip(), flow.remote.ip())
}

fn tcp_header_len(header: &Header) -> usize {
    let mut len = TCP_HEADER_LEN;
    tcp_options::for_each_word(header, |_| len += 4);
    len
}

/// Fills `head`, which is as long as the header, leaving the checksum zero.
fn write_header(flow: &Flow, header: &Header, head: &mut [u8]) {
    let len = head.len();
    let (fixed, options) = head.split_at_mut(TCP_HEADER_LEN);
    let mut tcp = TcpPacket::new_unchecked(&mut *fixed);
    tcp.set_src_port(flow.local.port());
    tcp.set_dst_port(flow.remote.port());
    tcp.set_seq_number(TcpSeqNumber(header.seq.raw().cast_signed()));
    tcp.set_ack_number(TcpSeqNumber(header.ack.raw().cast_signed()));
    tcp.set_window_len(header.window);
    tcp.set_checksum(0);
    tcp.set_urgent_at(header.urgent);
    write_flags(header.flags, len, fixed);

    let (words, _) = options.as_chunks_mut::<4>();
    let mut words = words.iter_mut();
    tcp_options::for_each_word(header, |word| {
        // `head` was measured by the same walk.
        if let Some(bytes) = words.next() {
            *bytes = word.to_be_bytes();
        }
    });
}

/// Bytes 12 and 13: the data offset, three bits of zero, nine flags.
fn write_flags(flags: Flags, header_len: usize, fixed: &mut [u8]) {
    let bits = (header_len as u16 / 4) << 12 | flags.bits();
    fixed[12..14].copy_from_slice(&bits.to_be_bytes());
}

#[cfg(test)]
mod tests {
    extern crate alloc;

    use super::*;
    use crate::seq::SeqNum;
    use crate::wire::testing::{ACK, build, flow_v4, flow_v6, hex};
    use crate::wire::{Ecn, TcpOptions, Timestamps};
    use alloc::vec;

    #[test]
    fn a_syn_over_ipv4_is_this_packet_byte_for_byte() {
        let header = Header {
            window: 64_240,
            options: TcpOptions {
                mss: Some(1460),
                window_scale: Some(7),
                sack_permitted: true,
                timestamps: Some(Timestamps { val: 0x0102_0304, ecr: 0 }),
                ..TcpOptions::NONE
            },
            ..Header::new(SeqNum::new(0xffff_fffe), SeqNum::new(0), Flags::SYN)
        };
        let golden = hex("
            45 00 00 3c 00 00 40 00 40 06 4e 80 c0 00 02 01 c6 33 64 07
            9c 40 00 50 ff ff ff fe 00 00 00 00 a0 02 fa f0 c0 3d 00 00
            02 04 05 b4 04 02 08 0a 01 02 03 04 00 00 00 00 01 03 03 07");
        assert_eq!(build(&flow_v4(), &header, b""), golden);
    }

    #[test]
    fn odd_data_over_ipv6_is_this_packet_byte_for_byte() {
        let mut flow = flow_v6();
        flow.local.set_port(443);
        flow.remote.set_port(50_000);
        let header = Header {
            window: 501,
            options: TcpOptions { timestamps: Some(Timestamps { val: 7, ecr: 9 }), ..TcpOptions::NONE },
            ..Header::new(SeqNum::new(1), SeqNum::new(2), Flags::ACK | Flags::PSH)
        };
        let golden = hex("
            6b a0 00 00 00 23 06 40 20 01 0d b8 00 00 00 00 00 00 00 00
            00 00 00 01 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
            01 bb c3 50 00 00 00 01 00 00 00 02 80 18 01 f5 80 c5 00 00
            01 01 08 0a 00 00 00 07 00 00 00 09 6f 64 64");
        let ip = IpOptions { dscp: 46, ecn: Ecn::Ect0, ..IpOptions::LINUX };
        let mut packet = [0xa5; 100];
        let len = emit(&flow, ip, &header, 3, |room| room.copy_from_slice(b"odd"), &mut packet).unwrap();
        assert_eq!(packet[..len], golden);
        assert!(packet[len..].iter().all(|&byte| byte == 0xa5), "nothing is written after the packet");
    }

    #[test]
    fn a_packet_that_does_not_fit_says_how_long_it_is_and_touches_nothing() {
        for (flow, needed) in [(flow_v4(), 50), (flow_v6(), 70)] {
            assert_eq!(header_len(&flow, &ACK) + 10, needed);
            for len in 0..needed {
                let mut packet = [0xa5; 70];
                let result = emit(&flow, IpOptions::LINUX, &ACK, 10, |_| panic!("no room to fill"), &mut packet[..len]);
                assert_eq!(result, Err(BufferTooSmall { needed }));
                assert_eq!(packet, [0xa5; 70]);
            }
        }
    }

    #[test]
    fn no_packet_is_longer_than_its_length_field_can_say() {
        let mut packet = vec![0; 65_536];
        assert_eq!(emit(&flow_v4(), IpOptions::LINUX, &ACK, 65_495, |_| {}, &mut packet), Ok(65_535));
        for (payload_len, needed) in [(65_496, 65_536), (usize::MAX, usize::MAX)] {
            let result = emit(&flow_v4(), IpOptions::LINUX, &ACK, payload_len, |_| {}, &mut packet);
            assert_eq!(result, Err(BufferTooSmall { needed }));
        }
    }
}
