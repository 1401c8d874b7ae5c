//! Do others read what `pcapng` and `wire` write? tshark is asked, where it is installed: it has dissectors and
//! checksums of its own, so it vouches for the capture format and for every packet in it.
#![cfg(feature = "alloc")]

use longhaul::pcapng::{self, Direction};
use longhaul::seq::SeqNum;
use longhaul::time::{Duration, Instant};
use longhaul::wire::{self, Echo, Flags, Flow, Header, IcmpKind, IpOptions, SackBlock, TcpOptions, Timestamps};
use std::path::PathBuf;
use std::process::Command;

/// What is asked about every packet, in this order. A checksum status of 1 is good, 0 bad, 2 not looked at.
const FIELDS: [&str; 12] = [
    "frame.time_epoch",
    "frame.packet_flags_direction",
    "ip.checksum.status",
    "tcp.checksum.status",
    "icmp.checksum.status",
    "icmpv6.checksum.status",
    "tcp.srcport",
    "tcp.flags",
    "tcp.options",
    "tcp.len",
    "icmp.mtu",
    "frame.comment",
];

#[test]
fn tshark_finds_every_field_comment_and_checksum_where_we_put_it() {
    let rows = captured();
    let mut file = pcapng::header("test", "tun0");
    for (index, row) in rows.iter().enumerate() {
        let at = Instant::from_secs(7200) + Duration::from_micros(index as u64);
        file.extend(pcapng::packet(at, row.direction, &row.packet, row.comment));
    }
    let Some(answer) = ask_tshark(&file) else { return };
    let expected: Vec<_> = (0..)
        .zip(&rows)
        .map(|(micros, row)| format!("7200.00000{micros}000|{}|{}", row.expected, row.comment))
        .collect();
    assert_eq!(answer.lines().collect::<Vec<_>>(), expected);
}

struct Row {
    direction: Option<Direction>,
    packet: Vec<u8>,
    comment: &'static str,
    /// The fields between time and comment.
    expected: &'static str,
}

fn captured() -> Vec<Row> {
    let v4 = Flow { local: "192.0.2.1:40000".parse().unwrap(), remote: "198.51.100.7:80".parse().unwrap() };
    let v6 = Flow { local: "[2001:db8::1]:40000".parse().unwrap(), remote: "[2001:db8::2]:80".parse().unwrap() };
    let (sent, received) = (Some(Direction::Outbound), Some(Direction::Inbound));
    let data = segment(&v4, &sack(), b"odd");
    let row = |direction, packet, comment, expected| Row { direction, packet, comment, expected };
    vec![
        row(
            sent,
            segment(&v4, &syn(), b""),
            "SYN, 1 of 7",
            "0x00000002|1|1|||40000|0x0002|020405b40402080a000000070000000001030307|0|",
        ),
        row(
            sent,
            data.clone(),
            "naïve",
            "0x00000002|1|1|||40000|0x0010|0101080a00000008000000070101050a0000000a00000014|3|",
        ),
        row(None, segment(&v6, &syn(), b"x"), "", "||1|||40000|0x0002|020405b40402080a000000070000000001030307|1|"),
        row(sent, segment(&v6, &all_flags(), b"odd"), "", "0x00000002||1|||40000|0x01ff||3|"),
        row(
            received,
            error(&v4, IcmpKind::FragmentationNeeded { mtu: 1006 }, &data),
            "",
            "0x00000001|1|1|1||40000|0x0010|0101080a00000008000000070101050a0000000a00000014||1006",
        ),
        row(
            received,
            error(&v6, IcmpKind::V6Unreachable(3), &segment(&v6, &syn(), b"")),
            "",
            "0x00000001||1||1|40000|0x0002|020405b40402080a000000070000000001030307||",
        ),
        row(sent, pong(&v4), "", "0x00000002|1||1||||||"),
        row(sent, pong(&v6), "", "0x00000002||||1|||||"),
    ]
}

fn segment(flow: &Flow, header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; wire::header_len(flow, header) + payload.len()];
    let fill = |room: &mut [u8]| room.copy_from_slice(payload);
    wire::emit(flow, IpOptions::LINUX, header, payload.len(), fill, &mut packet).unwrap();
    packet
}

fn syn() -> Header {
    let timestamps = Some(Timestamps { val: 7, ecr: 0 });
    let (mss, window_scale) = (Some(1460), Some(7));
    let options = TcpOptions { mss, window_scale, sack_permitted: true, timestamps, ..TcpOptions::NONE };
    Header { window: 64_240, options, ..Header::new(SeqNum::new(u32::MAX), SeqNum::new(0), Flags::SYN) }
}

fn sack() -> Header {
    let mut options = TcpOptions { timestamps: Some(Timestamps { val: 8, ecr: 7 }), ..TcpOptions::NONE };
    options.sack.push(SackBlock { start: SeqNum::new(10), end: SeqNum::new(20) });
    Header { options, ..Header::new(SeqNum::new(0), SeqNum::new(1), Flags::ACK) }
}

fn all_flags() -> Header {
    Header::new(SeqNum::new(0), SeqNum::new(1), Flags::from_bits(0x1ff))
}

fn error(flow: &Flow, kind: IcmpKind, offending: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 1280];
    let len = wire::emit_icmp_error(flow.remote.ip(), kind, offending, &mut packet).unwrap();
    packet.truncate(len);
    packet
}

fn pong(flow: &Flow) -> Vec<u8> {
    let echo = Echo { source: flow.remote.ip(), destination: flow.local.ip(), ident: 1, seq_no: 2, data: b"abc" };
    let mut packet = vec![0; 80];
    let len = wire::emit_echo_reply(&echo, &mut packet).unwrap();
    packet.truncate(len);
    packet
}

/// One line a packet, or nothing where there is no tshark.
fn ask_tshark(capture: &[u8]) -> Option<String> {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dissected.pcapng");
    std::fs::write(&file, capture).unwrap();
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&file).args(["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]);
    tshark.args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=f"]);
    tshark.args(FIELDS.iter().flat_map(|field| ["-e", field]));
    let output = match tshark.output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: tshark cannot be run here: {error}");
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}
