//! Packets in a script's own words, for reports.

use crate::ast::{Ecn, Flags, IpInfo, Tcp, TcpOption};
use core::fmt;

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("-");
        }
        let letters = Self::LETTERS.iter().filter(|(_, bit)| self.has(*bit));
        letters.map(|(letter, _)| *letter).try_for_each(|letter| write!(f, "{letter}"))
    }
}

impl fmt::Display for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}({})", self.flags, self.seq, self.seq.wrapping_add(self.len), self.len)?;
        if let Some(ack) = self.ack {
            write!(f, " ack {ack}")?;
        }
        if let Some(window) = self.window {
            write!(f, " win {window}")?;
        }
        if let Some(urgent) = self.urgent.filter(|&urgent| urgent != 0) {
            write!(f, " urg {urgent}")?;
        }
        match self.options.as_deref() {
            None => f.write_str(" <...>"),
            Some([]) => Ok(()),
            Some(options) => {
                let options: Vec<String> = options.iter().map(ToString::to_string).collect();
                write!(f, " <{}>", options.join(","))
            }
        }
    }
}

impl fmt::Display for TcpOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mss(mss) => write!(f, "mss {mss}"),
            Self::WindowScale(shift) => write!(f, "wscale {shift}"),
            Self::SackPermitted => f.write_str("sackOK"),
            Self::Sack(blocks) => {
                f.write_str("sack")?;
                blocks.iter().try_for_each(|(start, end)| write!(f, " {start}:{end}"))
            }
            Self::Timestamps { val, ecr } => write!(f, "TS val {val} ecr {ecr}"),
            Self::Nop => f.write_str("nop"),
            Self::End => f.write_str("eol"),
            Self::FastOpen { experimental, cookie } => {
                f.write_str(if *experimental { "FOEXP " } else { "FO " })?;
                write_hex(f, cookie)
            }
            Self::Md5(digest) => {
                f.write_str("md5 ")?;
                write_hex(f, digest)
            }
            Self::AccEcn { kind, counters } => write!(f, "ECN (kind {kind}) {counters:?}"),
            Self::Unknown { kind, body } => {
                write!(f, "(kind {kind}) ")?;
                write_hex(f, body)
            }
        }
    }
}

impl fmt::Display for IpInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ecn {
            Some(Ecn::Bits(bits)) => write!(f, "[{}] ", ["noecn", "ect1", "ect0", "ce"][usize::from(bits & 3)])?,
            Some(Ecn::EitherCapable) => f.write_str("[ect01] ")?,
            None => {}
        }
        if let Some(tos) = self.tos {
            write!(f, "[tos {tos:#x}] ")?;
        }
        if let Some(ttl) = self.ttl {
            write!(f, "[ttl {ttl}] ")?;
        }
        Ok(())
    }
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// A time since the start of a script, in seconds.
pub(crate) fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
