//! TCP options: which are understood, how they are read, and in which order they are written.
//!
//! RFC 9293 3.1 and 3.2 (framing, MSS), RFC 7323 2 and 3 (window scale, timestamps), RFC 2018 2 and 3 (SACK). Reading
//! follows Linux's `tcp_parse_options`: a segment is never lost to a bad option, the rest of the options is. Writing
//! follows `tcp_options_write`, whose padding puts every option on a four-byte boundary, where the receiver's fast path
//! expects timestamps. What an option means for the connection is decided elsewhere.

use super::header::{Flags, Header};
use crate::seq::SeqNum;

/// The timestamps option (RFC 7323 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timestamps {
    /// `TSval`: the sender's clock.
    pub val: u32,
    /// `TSecr`: the clock value being echoed; meaningful only with ACK.
    pub ecr: u32,
}

/// A range of received sequence numbers: `start` is the first held, `end` one past the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SackBlock {
    /// First sequence number held.
    pub start: SeqNum,
    /// One past the last.
    pub end: SeqNum,
}

/// Up to four SACK blocks, in wire order (RFC 2018 3). Three fit beside timestamps; a fourth is dropped on emit then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SackBlocks {
    blocks: [SackBlock; Self::MAX],
    len: u8,
}

impl SackBlocks {
    /// No block: the option is absent.
    pub const EMPTY: Self =
        Self { blocks: [SackBlock { start: SeqNum::new(0), end: SeqNum::new(0) }; Self::MAX], len: 0 };
    /// As many as 40 bytes of options can hold.
    pub const MAX: usize = 4;

    /// Appends a block; false if there is no room.
    pub fn push(&mut self, block: SackBlock) -> bool {
        let Some(slot) = self.blocks.get_mut(usize::from(self.len)) else { return false };
        *slot = block;
        self.len += 1;
        true
    }

    /// The blocks, first one first.
    pub fn as_slice(&self) -> &[SackBlock] {
        &self.blocks[..usize::from(self.len)]
    }

    /// Whether the option is absent.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The options this crate understands. Anything else is stepped over on input and never emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct TcpOptions {
    /// Maximum segment size, as on the wire. Legal on SYN only.
    pub mss: Option<u16>,
    /// Window scale shift, as on the wire (a shift above 14 is for the reader to clamp). Legal on SYN only.
    pub window_scale: Option<u8>,
    /// SACK permitted. Legal on SYN only.
    pub sack_permitted: bool,
    /// Timestamps.
    pub timestamps: Option<Timestamps>,
    /// SACK blocks.
    pub sack: SackBlocks,
}

impl TcpOptions {
    /// No option at all.
    pub const NONE: Self =
        Self { mss: None, window_scale: None, sack_permitted: false, timestamps: None, sack: SackBlocks::EMPTY };
}

/// As many bytes of options as the largest data offset, 15 words, leaves room for.
pub(super) const MAX_OPTIONS_LEN: usize = 40;

/// Reads the options of a segment; `flags` tell whether the ones for SYN only count [MUST-65].
///
/// Of an option given twice the last one holds. Unknown kinds are stepped over, known ones of a wrong length ignored; a
/// length that cannot be stepped over ends the options but not the segment [MUST-7].
pub(super) fn read(mut bytes: &[u8], flags: Flags) -> TcpOptions {
    debug_assert!(bytes.len() <= MAX_OPTIONS_LEN);
    let syn = flags.contains(Flags::SYN);
    let mut options = TcpOptions::NONE;
    for _ in 0..MAX_OPTIONS_LEN {
        let [kind, rest @ ..] = bytes else { break };
        match *kind {
            END => break,
            NO_OPERATION => bytes = rest,
            kind => {
                let Some(&len) = rest.first() else { break };
                let Some((option, after)) = bytes.split_at_checked(usize::from(len)) else { break };
                let [_, _, body @ ..] = option else { break };
                note(&mut options, kind, body, syn);
                bytes = after;
            }
        }
    }
    options
}

/// Calls `put` with each four-byte word of the options of `header`, at most ten.
///
/// Options for SYN only are left out of other segments [MUST-65], SACK blocks out of a SYN.
pub(super) fn for_each_word(header: &Header, mut put: impl FnMut(u32)) {
    let options = &header.options;
    let syn = header.flags.contains(Flags::SYN);
    let sack_permitted = syn && options.sack_permitted;
    if syn && let Some(mss) = options.mss {
        let [high, low] = mss.to_be_bytes();
        put(u32::from_be_bytes([MSS, 4, high, low]));
    }
    if let Some(Timestamps { val, ecr }) = options.timestamps {
        // SACK permitted takes the place of the padding: two bytes saved on every SYN.
        let [first, second] = if sack_permitted { [SACK_PERMITTED, 2] } else { [NO_OPERATION; 2] };
        put(u32::from_be_bytes([first, second, TIMESTAMPS, 10]));
        put(val);
        put(ecr);
    } else if sack_permitted {
        put(padded(SACK_PERMITTED, 2));
    }
    if syn && let Some(shift) = options.window_scale {
        put(u32::from_be_bytes([NO_OPERATION, WINDOW_SCALE, 3, shift]));
    }
    if !syn {
        put_sack(options, put);
    }
}

fn put_sack(options: &TcpOptions, mut put: impl FnMut(u32)) {
    let room = if options.timestamps.is_some() { SackBlocks::MAX - 1 } else { SackBlocks::MAX };
    let blocks = options.sack.as_slice();
    let blocks = &blocks[..blocks.len().min(room)];
    if blocks.is_empty() {
        return;
    }
    put(padded(SACK, 2 + (blocks.len() * PAIR_LEN) as u8));
    for block in blocks {
        put(block.start.raw());
        put(block.end.raw());
    }
}

/// Records one option, `body` being what follows its kind and length.
fn note(options: &mut TcpOptions, kind: u8, body: &[u8], syn: bool) {
    match (kind, body) {
        // An MSS of zero counts as none, as in Linux; any other is for the connection to bound.
        (MSS, &[high, low]) if syn && (high, low) != (0, 0) => options.mss = Some(u16::from_be_bytes([high, low])),
        (WINDOW_SCALE, &[shift]) if syn => options.window_scale = Some(shift),
        (SACK_PERMITTED, []) if syn => options.sack_permitted = true,
        (TIMESTAMPS, body) if body.len() == PAIR_LEN => {
            options.timestamps = pairs(body).next().map(|(val, ecr)| Timestamps { val, ecr });
        }
        (SACK, blocks) if !blocks.is_empty() && blocks.len().is_multiple_of(PAIR_LEN) => {
            options.sack = SackBlocks::EMPTY;
            for (start, end) in pairs(blocks) {
                // A fifth block would need more option space than there is, so there is room.
                options.sack.push(SackBlock { start: SeqNum::new(start), end: SeqNum::new(end) });
            }
        }
        _ => {}
    }
}

/// `body` as pairs of numbers, which both timestamps and SACK blocks are.
fn pairs(body: &[u8]) -> impl Iterator<Item = (u32, u32)> + '_ {
    let (pairs, _) = body.as_chunks::<PAIR_LEN>();
    pairs.iter().map(|pair| {
        let both = u64::from_be_bytes(*pair);
        ((both >> 32) as u32, both as u32)
    })
}

/// Two bytes of padding and the start of an option.
const fn padded(kind: u8, len: u8) -> u32 {
    u32::from_be_bytes([NO_OPERATION, NO_OPERATION, kind, len])
}

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;
const PAIR_LEN: usize = 8;

#[cfg(test)]
mod tests {
    extern crate alloc;

    use super::*;
    use crate::wire::testing::{ACK, hex};
    use alloc::vec::Vec;

    const SYN: Header = Header::new(SeqNum::new(1), SeqNum::new(0), Flags::SYN);
    const STAMPS: Timestamps = Timestamps { val: 0x0102_0304, ecr: 0x0506_0708 };

    fn written(header: &Header) -> Vec<u8> {
        let mut bytes = Vec::new();
        for_each_word(header, |word| bytes.extend(word.to_be_bytes()));
        bytes
    }

    fn blocks(count: u32) -> SackBlocks {
        let mut sack = SackBlocks::EMPTY;
        for at in (0x10..).step_by(0x10).take(count as usize) {
            assert!(sack.push(SackBlock { start: SeqNum::new(at), end: SeqNum::new(at + 8) }));
        }
        sack
    }

    #[test]
    fn a_syn_has_its_options_in_the_order_and_padding_of_linux() {
        let full = TcpOptions {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some(STAMPS),
            sack: blocks(1),
        };
        let table = [
            (full, "02 04 05 b4 04 02 08 0a 01 02 03 04 05 06 07 08 01 03 03 07"),
            (
                TcpOptions { sack_permitted: false, ..full },
                "02 04 05 b4 01 01 08 0a 01 02 03 04 05 06 07 08 01 03 03 07",
            ),
            (TcpOptions { timestamps: None, ..full }, "02 04 05 b4 01 01 04 02 01 03 03 07"),
            (TcpOptions { timestamps: None, sack_permitted: false, ..full }, "02 04 05 b4 01 03 03 07"),
            (TcpOptions { mss: Some(536), ..TcpOptions::NONE }, "02 04 02 18"),
            (TcpOptions::NONE, ""),
        ];
        for (options, bytes) in table {
            assert_eq!(written(&Header { options, ..SYN }), hex(bytes), "{options:?}");
        }
    }

    #[test]
    fn other_segments_carry_timestamps_and_sack_blocks_and_never_what_belongs_on_a_syn() {
        let stamps = "01 01 08 0a 01 02 03 04 05 06 07 08";
        let on_syn = TcpOptions { mss: Some(1460), window_scale: Some(7), sack_permitted: true, ..TcpOptions::NONE };
        let options = TcpOptions { timestamps: Some(STAMPS), ..on_syn };
        assert_eq!(written(&Header { options: on_syn, ..ACK }), []);
        assert_eq!(written(&Header { options, ..ACK }), hex(stamps));

        let options = TcpOptions { sack: blocks(1), ..TcpOptions::NONE };
        assert_eq!(written(&Header { options, ..ACK }), hex("01 01 05 0a 00 00 00 10 00 00 00 18"));
        let options = TcpOptions { timestamps: Some(STAMPS), ..options };
        let mut both = hex(stamps);
        both.extend(hex("01 01 05 0a 00 00 00 10 00 00 00 18"));
        assert_eq!(written(&Header { options, ..ACK }), both);
    }

    #[test]
    fn three_sack_blocks_fit_beside_timestamps_and_four_without() {
        for (timestamps, count, kept) in [(None, 4, 4), (Some(STAMPS), 4, 3), (Some(STAMPS), 3, 3), (None, 2, 2)] {
            let options = TcpOptions { timestamps, sack: blocks(count), ..TcpOptions::NONE };
            let bytes = written(&Header { options, ..ACK });
            assert!(bytes.len() <= MAX_OPTIONS_LEN);
            assert_eq!(read(&bytes, Flags::ACK), TcpOptions { sack: blocks(kept), ..options });
        }
        assert!(!blocks(4).push(SackBlock::default()), "there is no fifth");
    }

    #[test]
    fn a_bad_length_ends_the_options_and_keeps_those_before_it() {
        let kept = TcpOptions { mss: Some(1460), ..TcpOptions::NONE };
        for bad in ["03 00 07", "03 01 07", "08 0a 00 00", "fe ff", "fe", "05 00", "00 03 03 07"] {
            let mut bytes = hex("02 04 05 b4");
            bytes.extend(hex(bad));
            bytes.extend(hex("04 02"));
            if bad == "08 0a 00 00" || bad == "fe" {
                bytes.truncate(bytes.len() - 2);
            }
            assert_eq!(read(&bytes, Flags::SYN), kept, "{bad}");
        }
    }

    #[test]
    fn a_known_option_of_a_wrong_length_is_stepped_over() {
        let kept = TcpOptions { sack_permitted: true, ..TcpOptions::NONE };
        for wrong in [
            "02 03 05",
            "02 05 05 b4 00",
            "03 02",
            "03 04 07 07",
            "04 03 00",
            "05 02",
            "05 09 00 00 00 00 00 00 00",
            "05 0b 00 00 00 00 00 00 00 00 00",
            "08 09 00 00 00 00 00 00 00",
            "08 0b 00 00 00 00 00 00 00 00 00",
            "1c 04 00 3c",
            "fd 02",
        ] {
            let mut bytes = hex(wrong);
            bytes.extend(hex("01 04 02"));
            assert_eq!(read(&bytes, Flags::SYN), kept, "{wrong}");
        }
    }

    #[test]
    fn of_an_option_given_twice_the_last_holds_and_an_mss_of_zero_is_none() {
        let twice = hex("02 04 05 b4 03 03 01 02 04 02 18 03 03 ff 02 04 00 00");
        let options = TcpOptions { mss: Some(536), window_scale: Some(255), ..TcpOptions::NONE };
        assert_eq!(read(&twice, Flags::SYN | Flags::ACK), options);
        assert_eq!(read(&hex("02 04 00 01"), Flags::SYN).mss, Some(1), "bounded by the connection, not here");
        let twice = hex("05 0a 00 00 00 01 00 00 00 02 05 0a 00 00 00 10 00 00 00 18 05 02");
        assert_eq!(read(&twice, Flags::ACK).sack, blocks(1), "an empty option is no option");
    }

    #[test]
    fn options_for_syn_only_are_ignored_elsewhere() {
        let bytes = hex("02 04 05 b4 04 02 08 0a 01 02 03 04 05 06 07 08 01 03 03 07");
        for flags in [Flags::ACK, Flags::RST, Flags::NONE, Flags::FIN | Flags::ACK] {
            assert_eq!(read(&bytes, flags), TcpOptions { timestamps: Some(STAMPS), ..TcpOptions::NONE }, "{flags}");
        }
    }

    #[test]
    fn every_kind_with_every_length_is_survived_at_every_place() {
        for kind in 0..=u8::MAX {
            for len in 0..=u8::MAX {
                for start in [0, 1, 20, 37, 38, 39] {
                    let mut bytes = [NO_OPERATION; MAX_OPTIONS_LEN];
                    bytes[start] = kind;
                    if let Some(place) = bytes.get_mut(start + 1) {
                        *place = len;
                    }
                    let options = read(&bytes, Flags::SYN);
                    assert!(options.sack.as_slice().len() <= SackBlocks::MAX);
                    read(&bytes[..=start], Flags::ACK);
                }
            }
        }
    }

    #[test]
    fn forty_bytes_of_options_are_read_to_the_last() {
        let mut bytes = [NO_OPERATION; MAX_OPTIONS_LEN];
        bytes[38..].copy_from_slice(&[SACK_PERMITTED, 2]);
        assert!(read(&bytes, Flags::SYN).sack_permitted);
    }
}
