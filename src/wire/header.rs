//! The TCP header as a value: flags, numbers and window (RFC 9293 3.1, 3.4).

use super::tcp_options::TcpOptions;
use crate::seq::SeqNum;
use core::fmt;
use core::ops::{BitOr, BitOrAssign};

/// A TCP header without its ports, which are the [`Flow`](super::Flow)'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Sequence number of the first byte (or of SYN or FIN).
    pub seq: SeqNum,
    /// Acknowledgment number; meaningful only if `flags` contains [`Flags::ACK`], zero otherwise.
    pub ack: SeqNum,
    /// Control bits.
    pub flags: Flags,
    /// The raw window field, not scaled.
    pub window: u16,
    /// Urgent pointer; meaningful only if `flags` contains [`Flags::URG`], zero otherwise.
    pub urgent: u16,
    /// Options.
    pub options: TcpOptions,
}

impl Header {
    /// A header with these numbers and flags, window 0 and no options.
    pub const fn new(seq: SeqNum, ack: SeqNum, flags: Flags) -> Self {
        Self { seq, ack, flags, window: 0, urgent: 0, options: TcpOptions::NONE }
    }
}

/// A TCP segment borrowed from a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'p> {
    /// Its header.
    pub header: Header,
    /// Its payload.
    pub payload: &'p [u8],
}

impl Segment<'_> {
    /// SEG.LEN: the sequence space taken, counting SYN and FIN (RFC 9293 3.4).
    pub const fn len(&self) -> u32 {
        self.payload.len() as u32
            + self.header.flags.contains(Flags::SYN) as u32
            + self.header.flags.contains(Flags::FIN) as u32
    }

    /// Whether it takes no sequence space.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One past its last sequence number.
    pub fn end(&self) -> SeqNum {
        self.header.seq + self.len()
    }
}

/// The control bits of a TCP header, all nine (RFC 9293 3.1; AE is RFC 9768's, once NS).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(u16);

impl Flags {
    /// No bit set.
    pub const NONE: Self = Self(0);
    /// No more data from the sender.
    pub const FIN: Self = Self(0x001);
    /// Synchronize sequence numbers.
    pub const SYN: Self = Self(0x002);
    /// Reset the connection.
    pub const RST: Self = Self(0x004);
    /// Push.
    pub const PSH: Self = Self(0x008);
    /// The acknowledgment field is significant.
    pub const ACK: Self = Self(0x010);
    /// The urgent pointer is significant.
    pub const URG: Self = Self(0x020);
    /// ECN echo (RFC 3168).
    pub const ECE: Self = Self(0x040);
    /// Congestion window reduced (RFC 3168).
    pub const CWR: Self = Self(0x080);
    /// Accurate ECN.
    pub const AE: Self = Self(0x100);

    /// The flags in the low nine bits of `bits`; the rest is ignored.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & 0x1ff)
    }

    /// The nine bits as they stand in bytes 12 and 13 of the header.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether every flag of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any flag of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// `self` without the flags of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// `self` and `other` together, in constants.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.with(other);
    }
}

/// As packetdrill and tcpdump write them: `S.`, `FP.`, `R`, `-` for none.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LETTERS: [(Flags, char); 9] = [
            (Flags::FIN, 'F'),
            (Flags::SYN, 'S'),
            (Flags::RST, 'R'),
            (Flags::PSH, 'P'),
            (Flags::URG, 'U'),
            (Flags::ECE, 'E'),
            (Flags::CWR, 'W'),
            (Flags::AE, 'A'),
            (Flags::ACK, '.'),
        ];
        if self.0 == 0 {
            return f.write_str("-");
        }
        for (flag, letter) in LETTERS {
            if self.contains(flag) {
                fmt::Write::write_char(f, letter)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;

    use super::*;
    use alloc::string::ToString;

    #[test]
    fn flags_read_as_packetdrill_writes_them() {
        assert_eq!((Flags::SYN | Flags::ACK).to_string(), "S.");
        assert_eq!((Flags::ACK | Flags::PSH | Flags::FIN).to_string(), "FP.");
        assert_eq!(Flags::NONE.to_string(), "-");
        assert_eq!(Flags::from_bits(0xffff).to_string(), "FSRPUEWA.");
    }

    #[test]
    fn flags_are_nine_bits_and_combine_as_sets() {
        assert_eq!(Flags::from_bits(0xf000), Flags::NONE);
        let both = Flags::SYN | Flags::ACK;
        assert!(both.contains(Flags::ACK) && !both.contains(Flags::ACK | Flags::FIN));
        assert!(both.intersects(Flags::ACK | Flags::FIN) && !both.intersects(Flags::FIN));
        assert_eq!(both.without(Flags::SYN), Flags::ACK);
    }

    #[test]
    fn syn_and_fin_each_take_a_sequence_number() {
        let seq = SeqNum::new(u32::MAX);
        for (flags, payload, len) in [
            (Flags::ACK, &b""[..], 0),
            (Flags::SYN, b"", 1),
            (Flags::FIN, b"abc", 4),
            (Flags::SYN | Flags::FIN, b"a", 3),
        ] {
            let segment = Segment { header: Header::new(seq, SeqNum::new(0), flags), payload };
            assert_eq!((segment.len(), segment.is_empty()), (len, len == 0), "{flags}");
            assert_eq!(segment.end(), seq + len);
        }
    }
}
