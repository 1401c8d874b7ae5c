//! The knobs of `/proc/sys/net/ipv4`, under Linux's names and in Linux's units.
//!
//! One [`Sysctl`] serves a whole stack and is read at the time of use, so that changing it affects live connections as
//! on Linux. What a connection may override for itself stands in [`crate::options`].

use crate::congestion::CongestionControl;
use core::fmt;

/// Declares [`Sysctl`] from one row a knob: documentation, name, type, Linux's default, the range Linux accepts.
macro_rules! sysctls {
    ($($(#[$doc:meta])+ $name:ident: $type:ty = $default:expr, $range:expr;)+) => {
        /// The settings of one stack. Start from [`Sysctl::LINUX`] and change what differs:
        ///
        /// ```
        /// use longhaul::config::Sysctl;
        /// let sysctl = Sysctl { tcp_retries2: 8, ..Sysctl::LINUX };
        /// assert_eq!(sysctl.tcp_keepalive_time, 7200);
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Sysctl {
            $($(#[$doc])+ pub $name: $type,)+
            /// Receive buffer: smallest, initial, largest, in bytes. Half of it is offered as window; the largest
            /// decides the window scale.
            pub tcp_rmem: [u32; 3],
            /// Send buffer: smallest, initial, largest, in bytes.
            pub tcp_wmem: [u32; 3],
            /// The algorithm that new connections use.
            pub tcp_congestion_control: CongestionControl,
            /// Ephemeral ports, first and last (`ip_local_port_range`).
            pub ip_local_port_range: [u16; 2],
        }

        impl Sysctl {
            /// Linux's own defaults, as read on 6.18.
            pub const LINUX: Self = Self {
                $($name: $default,)+
                tcp_rmem: [4096, 131_072, 33_554_432],
                tcp_wmem: [4096, 16_384, 4_194_304],
                tcp_congestion_control: CongestionControl::Cubic,
                ip_local_port_range: [32_768, 60_999],
            };

            /// Sets one knob by its Linux name, from the text that one would write to its file.
            ///
            /// # Errors
            /// [`SysctlError::Unknown`] for a name that is not a field of this struct, [`SysctlError::Invalid`] for
            /// text that is no number, not as many numbers as the knob has, or outside Linux's range.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), SysctlError> {
                match name {
                    $(stringify!($name) => {
                        let number: i64 = value.trim().parse().map_err(|_| SysctlError::Invalid)?;
                        if !$range.contains(&number) {
                            return Err(SysctlError::Invalid);
                        }
                        self.$name = number.try_into().map_err(|_| SysctlError::Invalid)?;
                    })+
                    "tcp_rmem" => self.tcp_rmem = numbers(value)?,
                    "tcp_wmem" => self.tcp_wmem = numbers(value)?,
                    "tcp_congestion_control" => {
                        self.tcp_congestion_control = value.trim().parse().map_err(|_| SysctlError::Invalid)?;
                    }
                    "ip_local_port_range" => {
                        let range: [u16; 2] = numbers(value)?;
                        if range[0] == 0 || range[0] > range[1] {
                            return Err(SysctlError::Invalid);
                        }
                        self.ip_local_port_range = range;
                    }
                    _ => return Err(SysctlError::Unknown),
                }
                Ok(())
            }
        }
    };
}

sysctls! {
    /// Seconds without reception before the first keepalive probe.
    tcp_keepalive_time: u32 = 7200, (1..=i64::from(u32::MAX / 1000));
    /// Seconds between keepalive probes.
    tcp_keepalive_intvl: u32 = 75, (1..=i64::from(u32::MAX / 1000));
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
    tcp_rto_min_us: u32 = 200_000, (1..=i64::from(i32::MAX));
    /// Largest RTO, in milliseconds. Read when a connection or a listener is made.
    tcp_rto_max_ms: u32 = 120_000, (1000..=120_000);
    /// Seconds an orphan stays in FIN-WAIT-2.
    tcp_fin_timeout: u32 = 60, (0..=i64::from(i32::MAX / 1000));
    /// Whether an outgoing connect may reuse a TIME-WAIT: 0 no, 1 yes, 2 loopback only.
    tcp_tw_reuse: u8 = 2, (0..=2);
    /// Milliseconds a TIME-WAIT must have lasted before reuse.
    tcp_tw_reuse_delay: u32 = 1000, (1..=60_000);
    /// 1: resets do not end TIME-WAIT (RFC 1337).
    tcp_rfc1337: u8 = 0, (0..=1);
    /// 1: a full accept queue answers the final ACK with a reset instead of dropping it.
    tcp_abort_on_overflow: u8 = 0, (0..=1);
    /// Half-open connections a stack keeps at most.
    tcp_max_syn_backlog: u32 = 2048, (1..=i64::from(i32::MAX));
    /// The largest backlog that `listen` grants.
    somaxconn: u16 = 4096, (0..=65_535);
    /// TIME-WAIT blocks a stack keeps at most; beyond it a connection closes without one.
    tcp_max_tw_buckets: u32 = 131_072, (0..=i64::from(i32::MAX));
    /// Orphans a stack keeps at most; beyond it `close` resets.
    tcp_max_orphans: u32 = 131_072, (0..=i64::from(i32::MAX));
    /// Milliseconds between answers to invalid segments of one connection; 0 answers all.
    tcp_invalid_ratelimit: u32 = 500, (0..=i64::from(i32::MAX));
    /// 0: no timestamps; 1: with a random offset; 2: without.
    tcp_timestamps: u8 = 1, (0..=2);
    /// Whether SACK is offered.
    tcp_sack: u8 = 1, (0..=1);
    /// Whether duplicates are reported by SACK (RFC 2883).
    tcp_dsack: u8 = 1, (0..=1);
    /// Whether window scaling is offered.
    tcp_window_scaling: u8 = 1, (0..=1);
    /// 1: thin streams time out linearly.
    tcp_thin_linear_timeouts: u8 = 0, (0..=1);
    /// 3 or 4: probe for a loss at the end of a burst (RFC 8985 7); otherwise not.
    tcp_early_retrans: u8 = 3, (0..=4);
    /// How losses are found (RFC 8985), in bits: 2 keeps the window for reordering as it is, 4 waits it out however
    /// many duplicates arrive. Without 1 older Linux counted duplicates only; that is not offered.
    tcp_recovery: u8 = 1, (0..=255);
    /// 0: a timeout is never suspected to be spurious (RFC 5682).
    tcp_frto: u8 = 2, (0..=255);
    /// Duplicate ACKs that prove a loss.
    tcp_reordering: u8 = 3, (1..=127);
    /// 1: the congestion window shrinks after idling.
    tcp_slow_start_after_idle: u8 = 1, (0..=1);
    /// Data sent soon after data received, this often, makes a connection interactive.
    tcp_pingpong_thresh: u8 = 1, (1..=255);
    /// The smallest MSS that is believed, in bytes.
    tcp_min_snd_mss: u16 = 48, (48..=65_535);
    /// 1: a path in doubt is tried with smaller segments (RFC 4821). Linux's 2, which also tries larger ones, means 1.
    tcp_mtu_probing: u8 = 0, (0..=2);
    /// What those segments carry at first, in bytes.
    tcp_base_mss: u16 = 1024, (0..=65_535);
    /// What they carry at least, in bytes.
    tcp_mtu_probe_floor: u16 = 48, (0..=65_535);
}

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

/// Exactly `N` numbers separated by white space.
fn numbers<T: core::str::FromStr + Copy + Default, const N: usize>(value: &str) -> Result<[T; N], SysctlError> {
    let mut numbers = [T::default(); N];
    let mut words = value.split_whitespace();
    for number in &mut numbers {
        let word = words.next().ok_or(SysctlError::Invalid)?;
        *number = word.parse().map_err(|_| SysctlError::Invalid)?;
    }
    if words.next().is_some() { Err(SysctlError::Invalid) } else { Ok(numbers) }
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
    }
}
