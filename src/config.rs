//! The knobs of `/proc/sys/net/ipv4`, under Linux's names and in Linux's units.
//!
//! One [`Sysctl`] serves a whole stack and is read at the time of use, so that changing it affects live connections as
//! on Linux. What a connection may override for itself stands in [`crate::options`].

mod profiles;

use crate::congestion::CongestionControl;
use core::fmt;
use core::ops::RangeInclusive;

/// Declares [`Sysctl`] from one row a knob: documentation, name, type, Linux's default, the range Linux accepts.
macro_rules! sysctls {
    ($($(#[$doc:meta])+ $name:ident: $type:ty = $default:expr, ($range:expr);)+) => {
        /// The settings of one stack. Start from [`Sysctl::LINUX`] and change what differs:
        ///
        /// ```
        /// use longhaul::config::Sysctl;
        /// let sysctl = Sysctl { tcp_retries2: 8, ..Sysctl::LINUX };
        /// assert_eq!(sysctl.tcp_keepalive_time, 7200);
        /// ```
        ///
        /// `net::sysctl::from_proc` takes them from the machine it runs on.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Sysctl {
            $($(#[$doc])+ pub $name: $type,)+
        }

        impl Sysctl {
            /// Linux's own defaults, as read on 6.18.
            pub const LINUX: Self = Self { $($name: $default,)+ };

            /// The name of every knob, which is that of its field and of its file.
            pub const NAMES: &[&str] = &[$(stringify!($name)),+];

            /// The range [`Sysctl::set`] takes for each number of a knob, ends included; `None` for a name that is
            /// not in [`Sysctl::NAMES`], and for `tcp_congestion_control`, which is no number.
            ///
            /// It is Linux's, except that negative numbers are refused, which Linux stores in some knobs and cannot
            /// honour, and that seconds end where those of a kernel with 100 ticks a second do: every value of any
            /// kernel fits.
            pub fn range(name: &str) -> Option<RangeInclusive<i64>> {
                match name {
                    $(stringify!($name) => Some($range).filter(|range| *range != NO_NUMBER),)+
                    _ => None,
                }
            }

            /// Sets one knob by its Linux name, from the text that one would write to its file.
            ///
            /// # Errors
            /// [`SysctlError::Unknown`] for a name that is not in [`Sysctl::NAMES`], [`SysctlError::Invalid`] for
            /// text that is no number, not as many numbers as the knob has, or outside [`Sysctl::range`]; nothing is
            /// changed then.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), SysctlError> {
                let mut changed = self.clone();
                match name {
                    $(stringify!($name) => changed.$name = Knob::parse(value, &$range)?,)+
                    _ => return Err(SysctlError::Unknown),
                }
                if changed.ip_local_port_range[0] > changed.ip_local_port_range[1] {
                    return Err(SysctlError::Invalid);
                }
                *self = changed;
                Ok(())
            }

            /// One knob by its Linux name; shown, it is the text of its file, with spaces where Linux has tabs.
            ///
            /// ```
            /// # use longhaul::config::Sysctl;
            /// assert_eq!(Sysctl::LINUX.get("tcp_rmem").unwrap().to_string(), "4096 131072 33554432");
            /// ```
            pub fn get(&self, name: &str) -> Option<Value> {
                match name {
                    $(stringify!($name) => Some(self.$name.value()),)+
                    _ => None,
                }
            }
        }
    };
}

sysctls! {
    /// Seconds without reception before the first keepalive probe; 0 counts as 1.
    tcp_keepalive_time: u32 = 7200, (0..=SECONDS_MAX);
    /// Seconds between keepalive probes; 0 counts as 1.
    tcp_keepalive_intvl: u32 = 75, (0..=SECONDS_MAX);
    /// Unanswered keepalive probes before death.
    tcp_keepalive_probes: u8 = 9, (0..=255);
    /// Retransmissions, as modelled time, before the path is in doubt: the application is told, and with
    /// `tcp_mtu_probing` smaller segments are tried.
    tcp_retries1: u8 = 3, (0..=255);
    /// Retransmissions, as modelled time, before death; window probes, as a count.
    tcp_retries2: u8 = 15, (0..=255);
    /// The same for connections that the application has closed; 0 means 8 while the RTO is below its maximum.
    tcp_orphan_retries: u8 = 0, (0..=255);
    /// SYN retransmissions with doubling timeout.
    tcp_syn_retries: u8 = 6, (1..=127);
    /// SYN retransmissions at the initial timeout, before doubling begins.
    tcp_syn_linear_timeouts: u8 = 4, (0..=127);
    /// SYN-ACK retransmissions.
    tcp_synack_retries: u8 = 5, (0..=255);
    /// Smallest variance term of the RTO, in microseconds. Read when a connection or a listener is made.
    tcp_rto_min_us: u32 = 200_000, (1..=INT_MAX);
    /// Largest RTO, in milliseconds. Read when a connection or a listener is made.
    tcp_rto_max_ms: u32 = 120_000, (1000..=120_000);
    /// Seconds an orphan stays in FIN-WAIT-2.
    tcp_fin_timeout: u32 = 60, (0..=SECONDS_MAX);
    /// Whether an outgoing connect may reuse a TIME-WAIT: 0 no, 1 yes, 2 loopback only.
    tcp_tw_reuse: u8 = 2, (0..=2);
    /// Milliseconds a TIME-WAIT must have lasted before reuse.
    tcp_tw_reuse_delay: u32 = 1000, (1..=60_000);
    /// Not 0: resets do not end TIME-WAIT (RFC 1337).
    tcp_rfc1337: u8 = 0, (0..=255);
    /// Not 0: a full accept queue answers the final ACK with a reset instead of dropping it.
    tcp_abort_on_overflow: u8 = 0, (0..=255);
    /// Half-open connections a stack keeps at most.
    tcp_max_syn_backlog: u32 = 2048, (0..=INT_MAX);
    /// Not 0: a SYN for which there is no room is answered with a cookie, and forgotten (RFC 4987), else dropped; 2:
    /// every SYN is.
    tcp_syncookies: u8 = 1, (0..=255);
    /// The largest backlog that `listen` grants.
    somaxconn: u32 = 4096, (0..=INT_MAX);
    /// TIME-WAIT blocks a stack keeps at most; beyond it a connection closes without one.
    tcp_max_tw_buckets: u32 = 131_072, (0..=INT_MAX);
    /// Orphans a stack keeps at most; beyond it `close` resets.
    tcp_max_orphans: u32 = 131_072, (0..=INT_MAX);
    /// Milliseconds between answers to invalid segments of one connection; 0 answers all.
    tcp_invalid_ratelimit: u32 = 500, (0..=INT_MAX);
    /// 0: no timestamps; 1: with a random offset; else without.
    tcp_timestamps: u8 = 1, (0..=255);
    /// Not 0: SACK is offered.
    tcp_sack: u8 = 1, (0..=255);
    /// Not 0: duplicates are reported by SACK (RFC 2883).
    tcp_dsack: u8 = 1, (0..=255);
    /// Not 0: window scaling is offered.
    tcp_window_scaling: u8 = 1, (0..=255);
    /// ECN (RFC 3168): 0: never; 1: asked for and granted; 2: granted.
    tcp_ecn: u8 = 2, (0..=2);
    /// Not 0: a SYN that was lost asks for ECN no more.
    tcp_ecn_fallback: u8 = 1, (0..=1);
    /// Not 0: thin streams time out linearly.
    tcp_thin_linear_timeouts: u8 = 0, (0..=255);
    /// 3 or 4: probe for a loss at the end of a burst (RFC 8985 7); otherwise not.
    tcp_early_retrans: u8 = 3, (0..=4);
    /// How losses are found (RFC 8985), in bits: 2 keeps the window for reordering as it is, 4 waits it out however
    /// many duplicates arrive. Without 1 older Linux counted duplicates only; that is not offered.
    tcp_recovery: u8 = 1, (0..=255);
    /// 0: a timeout is never suspected to be spurious (RFC 5682).
    tcp_frto: u8 = 2, (0..=255);
    /// Duplicate ACKs that prove a loss.
    tcp_reordering: u16 = 3, (1..=300);
    /// Not 0: the congestion window shrinks after idling.
    tcp_slow_start_after_idle: u8 = 1, (0..=255);
    /// Data sent soon after data received, this often, makes a connection interactive.
    tcp_pingpong_thresh: u8 = 1, (1..=255);
    /// The smallest MSS that is believed, in bytes.
    tcp_min_snd_mss: u16 = 48, (48..=65_535);
    /// 1: a path in doubt is tried with smaller segments (RFC 4821). Linux's 2, which also tries larger ones, means 1.
    tcp_mtu_probing: u8 = 0, (0..=255);
    /// What those segments carry at first, in bytes.
    tcp_base_mss: u32 = 1024, (0..=INT_MAX);
    /// What they carry at least, in bytes.
    tcp_mtu_probe_floor: u16 = 48, (48..=65_535);
    /// Bytes that may wait unsent before writes do; 0 counts as 1.
    tcp_notsent_lowat: u32 = 4_294_967_295, (0..=UINT_MAX);
    /// Receive buffer: smallest, initial, largest, in bytes. Half of it is offered as window; the largest decides the
    /// window scale.
    tcp_rmem: [u32; 3] = [4096, 131_072, 33_554_432], (1..=INT_MAX);
    /// Send buffer: smallest, initial, largest, in bytes.
    tcp_wmem: [u32; 3] = [4096, 16_384, 4_194_304], (1..=INT_MAX);
    /// The algorithm that new connections use.
    tcp_congestion_control: CongestionControl = CongestionControl::Cubic, (NO_NUMBER);
    /// Ephemeral ports, first and last. A last below the first counts as the first.
    ip_local_port_range: [u16; 2] = [32_768, 60_999], (1..=65_535);
}

/// The range of a knob that is a word.
const NO_NUMBER: RangeInclusive<i64> = i64::MIN..=i64::MIN;
/// Linux keeps these knobs in an `int`.
const INT_MAX: i64 = i32::MAX as i64;
/// Or in an unsigned one.
const UINT_MAX: i64 = u32::MAX as i64;
/// Seconds that Linux keeps in an `int` of ticks (`proc_dointvec_jiffies`), of which there are at least 100 a second.
const SECONDS_MAX: i64 = INT_MAX / 100;

/// Why [`Sysctl::set`] refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SysctlError {
    /// No knob of this name is honoured.
    Unknown,
    /// Not a value that Linux accepts for this knob.
    Invalid,
}

impl fmt::Display for SysctlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown sysctl",
            Self::Invalid => "invalid value for this sysctl",
        })
    }
}

impl core::error::Error for SysctlError {}

impl Default for Sysctl {
    fn default() -> Self {
        Self::LINUX
    }
}

/// What one knob is set to, as [`Sysctl::get`] gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value(Content);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Numbers { numbers: [u32; NUMBERS_MAX], len: usize },
    Algorithm(CongestionControl),
}

/// No knob has more numbers.
const NUMBERS_MAX: usize = 3;

impl Value {
    /// One number, or the two or three of a knob that has so many; none of one that is a word.
    pub fn numbers(&self) -> &[u32] {
        match &self.0 {
            Content::Numbers { numbers, len } => &numbers[..*len],
            Content::Algorithm(_) => &[],
        }
    }
}

/// With spaces between the numbers: what [`Sysctl::set`] takes.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Content::Algorithm(algorithm) = self.0 {
            return algorithm.fmt(f);
        }
        for (place, number) in self.numbers().iter().enumerate() {
            write!(f, "{}{number}", if place == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// What the field of a knob may be.
trait Knob: Sized {
    fn parse(text: &str, range: &RangeInclusive<i64>) -> Result<Self, SysctlError>;
    fn value(self) -> Value;
}

trait Number: TryFrom<i64> + Into<u32> + Copy + Default {}

impl Number for u8 {}
impl Number for u16 {}
impl Number for u32 {}

impl<T: Number> Knob for T {
    fn parse(text: &str, range: &RangeInclusive<i64>) -> Result<Self, SysctlError> {
        let number: i64 = text.trim().parse().map_err(|_| SysctlError::Invalid)?;
        if !range.contains(&number) {
            return Err(SysctlError::Invalid);
        }
        number.try_into().map_err(|_| SysctlError::Invalid)
    }

    fn value(self) -> Value {
        Value(Content::Numbers { numbers: [self.into(), 0, 0], len: 1 })
    }
}

impl<T: Number, const N: usize> Knob for [T; N] {
    fn parse(text: &str, range: &RangeInclusive<i64>) -> Result<Self, SysctlError> {
        let mut numbers = [T::default(); N];
        let mut words = text.split_whitespace();
        for number in &mut numbers {
            *number = T::parse(words.next().ok_or(SysctlError::Invalid)?, range)?;
        }
        if words.next().is_some() { Err(SysctlError::Invalid) } else { Ok(numbers) }
    }

    fn value(self) -> Value {
        let mut numbers = [0; NUMBERS_MAX];
        for (to, from) in numbers.iter_mut().zip(self) {
            *to = from.into();
        }
        Value(Content::Numbers { numbers, len: N })
    }
}

impl Knob for CongestionControl {
    fn parse(text: &str, _: &RangeInclusive<i64>) -> Result<Self, SysctlError> {
        text.trim().parse().map_err(|_| SysctlError::Invalid)
    }

    fn value(self) -> Value {
        Value(Content::Algorithm(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knobs_are_set_by_name_within_linux_ranges() {
        let mut sysctl = Sysctl::LINUX;
        assert_eq!(sysctl.set("tcp_retries2", "8\n"), Ok(()));
        assert_eq!(sysctl.tcp_retries2, 8);
        assert_eq!(sysctl.set("tcp_rto_max_ms", "999"), Err(SysctlError::Invalid));
        assert_eq!(sysctl.set("tcp_syn_retries", "128"), Err(SysctlError::Invalid));
        assert_eq!(sysctl.set("tcp_retries2", "many"), Err(SysctlError::Invalid));
        assert_eq!(sysctl.set("tcp_rmem", "1 2 3"), Ok(()));
        assert_eq!(sysctl.tcp_rmem, [1, 2, 3]);
        assert_eq!(sysctl.set("tcp_rmem", "1 2 3 4"), Err(SysctlError::Invalid));
        assert_eq!(sysctl.set("ip_local_port_range", "2000 1000"), Err(SysctlError::Invalid));
        assert_eq!(sysctl.set("tcp_retries3", "1"), Err(SysctlError::Unknown));
        assert_eq!(sysctl.set("tcp_congestion_control", "reno\n"), Ok(()));
        assert_eq!(std::format!("{}", sysctl.get("tcp_congestion_control").unwrap()), "reno");
        assert_eq!(sysctl.set("tcp_congestion_control", "bbr"), Err(SysctlError::Invalid));
        assert_eq!((sysctl.tcp_rto_max_ms, sysctl.ip_local_port_range), (120_000, [32_768, 60_999]));
    }

    /// The range is the text's and the field's: a field too narrow for its range would refuse what Linux takes.
    #[test]
    fn both_ends_of_every_range_are_taken_and_read_back_and_nothing_beyond() {
        for name in Sysctl::NAMES {
            let Some(range) = Sysctl::range(name) else { continue };
            let numbers = Sysctl::LINUX.get(name).unwrap().numbers().len();
            let text = |number: i64| alloc::vec![std::format!("{number}"); numbers].join(" ");
            let (least, most) = range.into_inner();
            let mut sysctl = Sysctl::LINUX;
            for number in [least, most] {
                assert_eq!(sysctl.set(name, &text(number)), Ok(()), "{name} {number}");
                assert_eq!(std::format!("{}", sysctl.get(name).unwrap()), text(number));
            }
            for number in [least - 1, most + 1, i64::MIN, i64::MAX] {
                assert_eq!(sysctl.set(name, &text(number)), Err(SysctlError::Invalid), "{name} {number}");
            }
            let text = std::format!("{}", Sysctl::LINUX.get(name).unwrap());
            assert_eq!(sysctl.set(name, &text), Ok(()));
            assert_eq!(sysctl, Sysctl::LINUX, "{name}");
        }
        assert_eq!(Sysctl::NAMES.iter().filter(|name| Sysctl::range(name).is_none()).count(), 1);
        assert!(Sysctl::LINUX.get("tcp_retries3").is_none() && Sysctl::range("tcp_retries3").is_none());
    }
}
