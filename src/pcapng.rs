//! Packets as a capture file that Wireshark and tshark open: each with its instant, its direction and a comment that
//! says what we thought of it.
//!
//! The pcapng format is draft-ietf-opsawg-pcapng: a section header block, an interface description block, then an
//! enhanced packet block for every packet. These functions make bytes and write nowhere; the same input gives the same
//! bytes. A file is one [`header`] followed by any number of [`packet`]s.
//!
//! ```
//! use longhaul::pcapng::{self, Direction};
//! use longhaul::time::Instant;
//!
//! let mut file = pcapng::header("simulator, seed 7", "client");
//! let probe = [0x45, 0, 0, 20, 0, 0, 0x40, 0, 64, 6, 0x26, 0xe2, 10, 0, 0, 1, 10, 0, 0, 2];
//! let at = Instant::from_secs(7200);
//! file.extend(pcapng::packet(at, Some(Direction::Outbound), &probe, "keepalive probe 1 of 9"));
//! assert_eq!(file.len() % 4, 0);
//! ```

use crate::time::Instant;
use alloc::vec::Vec;

/// Which way a packet went, seen from the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Received.
    Inbound,
    /// Sent.
    Outbound,
}

/// How a file starts: one section with one interface that carries bare IP packets, timed in microseconds.
///
/// `hardware` says where the packets come from, `interface` names the interface; an empty one is left out. Text beyond
/// 65,535 bytes is cut off, at a character.
pub fn header(hardware: &str, interface: &str) -> Vec<u8> {
    let mut section = Block::new(SECTION_HEADER);
    section.u32(BYTE_ORDER_MAGIC);
    section.u32(VERSION_1_0);
    section.u32(u32::MAX); // Both halves of the section's length: not known in advance.
    section.u32(u32::MAX);
    section.text(SHB_HARDWARE, hardware);
    section.text(SHB_USERAPPL, "longhaul");
    section.option(END_OF_OPTIONS, &[]);
    let mut bytes = section.finish();

    let mut description = Block::new(INTERFACE_DESCRIPTION);
    description.u32(LINKTYPE_RAW);
    description.u32(0); // Packets of any length are kept whole.
    description.text(IF_NAME, interface);
    description.option(IF_TSRESOL, &[MICROSECONDS]);
    description.option(END_OF_OPTIONS, &[]);
    bytes.extend(description.finish());
    bytes
}

/// One packet, an IPv4 or IPv6 one in full, at the instant `at`; Wireshark will count from 1970 to the origin of `at`.
///
/// An empty `comment` is left out; text beyond 65,535 bytes is cut off, at a character.
pub fn packet(at: Instant, direction: Option<Direction>, packet: &[u8], comment: &str) -> Vec<u8> {
    let micros = at.as_micros();
    let len = packet.len() as u32;
    let mut block = Block::new(ENHANCED_PACKET);
    block.u32(0); // The only interface.
    block.u32((micros >> 32) as u32);
    block.u32(micros as u32);
    block.u32(len);
    block.u32(len);
    block.padded(packet);
    block.text(COMMENT, comment);
    if let Some(direction) = direction {
        let flags: u32 = match direction {
            Direction::Inbound => 1,
            Direction::Outbound => 2,
        };
        block.option(EPB_FLAGS, &flags.to_le_bytes());
    }
    if block.has_options {
        block.option(END_OF_OPTIONS, &[]);
    }
    block.finish()
}

/// A block under construction: type, total length, body, total length again, all little-endian whatever the machine.
struct Block {
    bytes: Vec<u8>,
    has_options: bool,
}

impl Block {
    fn new(kind: u32) -> Self {
        let mut block = Self { bytes: Vec::new(), has_options: false };
        block.u32(kind);
        block.u32(0); // The total length, known at the end.
        block
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_le_bytes());
    }

    /// `bytes`, and zeros up to the next multiple of four.
    fn padded(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn text(&mut self, code: u16, text: &str) {
        let text = &text[..text.floor_char_boundary(MAX_TEXT_LEN)];
        if !text.is_empty() {
            self.option(code, text.as_bytes());
        }
    }

    /// `value` is at most [`MAX_TEXT_LEN`] long.
    fn option(&mut self, code: u16, value: &[u8]) {
        self.has_options = true;
        self.u32(u32::from(value.len() as u16) << 16 | u32::from(code));
        self.padded(value);
    }

    fn finish(mut self) -> Vec<u8> {
        let len = self.bytes.len() as u32 + 4;
        self.u32(len);
        self.bytes[4..8].copy_from_slice(&len.to_le_bytes());
        self.bytes
    }
}

/// The length field of an option has 16 bits.
const MAX_TEXT_LEN: usize = 65_535;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Major 1, minor 0, 16 bits each.
const VERSION_1_0: u32 = 1;
/// Packets start with their IP header, whose version nibble tells the family.
const LINKTYPE_RAW: u32 = 101;

const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
const SHB_HARDWARE: u16 = 2;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;
/// As a power of ten: the format's default, said aloud.
const MICROSECONDS: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn a_header_is_a_section_and_an_interface_byte_for_byte() {
        #[rustfmt::skip]
        let golden = [
            0x0a, 0x0d, 0x0d, 0x0a, 56, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            2, 0, 5, 0, b's', b'i', b'm', b' ', b'7', 0, 0, 0,
            4, 0, 8, 0, b'l', b'o', b'n', b'g', b'h', b'a', b'u', b'l',
            0, 0, 0, 0, 56, 0, 0, 0,
            1, 0, 0, 0, 40, 0, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0,
            2, 0, 4, 0, b't', b'u', b'n', b'0',
            9, 0, 1, 0, 6, 0, 0, 0,
            0, 0, 0, 0, 40, 0, 0, 0,
        ];
        assert_eq!(header("sim 7", "tun0"), golden);
    }

    #[test]
    fn a_packet_is_one_block_byte_for_byte() {
        let at = Instant::from_micros(0x0001_0203_0405_0607);
        #[rustfmt::skip]
        let golden = [
            6, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0,
            3, 2, 1, 0, 7, 6, 5, 4, 5, 0, 0, 0, 5, 0, 0, 0,
            0x45, 1, 2, 3, 4, 0, 0, 0,
            1, 0, 2, 0, b'h', b'i', 0, 0,
            2, 0, 4, 0, 2, 0, 0, 0,
            0, 0, 0, 0, 60, 0, 0, 0,
        ];
        assert_eq!(packet(at, Some(Direction::Outbound), &[0x45, 1, 2, 3, 4], "hi"), golden);
    }

    #[test]
    fn a_packet_with_nothing_to_say_has_no_options() {
        let block = packet(Instant::ORIGIN, None, &[0x45; 4], "");
        assert_eq!(block.len(), 36);
        assert_eq!(block[28..32], [0x45; 4]);
        assert_eq!(packet(Instant::ORIGIN, Some(Direction::Inbound), &[0x45; 4], "")[32..40], [2, 0, 4, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn a_comment_too_long_for_its_length_field_is_cut_at_a_character() {
        let comment: String = core::iter::repeat_n('é', 40_000).collect();
        let block = packet(Instant::ORIGIN, None, &[], &comment);
        assert_eq!(block[28..32], [1, 0, 0xfe, 0xff], "65,534 bytes, the largest even number");
        assert_eq!(block.len(), 28 + 4 + 65_536 + 4 + 4);
    }
}
