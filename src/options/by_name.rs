//! Options as setsockopt(2) and getsockopt(2) have them: a Linux name and one `int` in Linux's unit.
//!
//! For settings that come from a file, a command line or a test script. What has a type in Rust has a method beside
//! these, under socket2's name. `SO_LINGER` is two numbers and therefore only a method; `TCP_QUICKACK` and `SO_ERROR`
//! belong to a connection.

use super::{MSS_DEFAULT, Options, OutOfRange, TcpKeepalive};
use crate::config::Sysctl;
use crate::liveness::handshake::defer_accept_retransmits;
use crate::time::Duration;
use crate::wire::IpOptions;

impl Options {
    /// The names that [`Options::set`] and [`Options::get`] know.
    pub const NAMES: &[&str] = &[
        "IPV6_RECVERR",
        "IPV6_TCLASS",
        "IPV6_UNICAST_HOPS",
        "IP_RECVERR",
        "IP_TOS",
        "IP_TTL",
        "SO_KEEPALIVE",
        "SO_RCVBUF",
        "SO_SNDBUF",
        "TCP_CORK",
        "TCP_DEFER_ACCEPT",
        "TCP_DELACK_MAX_US",
        "TCP_KEEPCNT",
        "TCP_KEEPIDLE",
        "TCP_KEEPINTVL",
        "TCP_LINGER2",
        "TCP_MAXSEG",
        "TCP_NODELAY",
        "TCP_NOTSENT_LOWAT",
        "TCP_RTO_MAX_MS",
        "TCP_RTO_MIN_US",
        "TCP_SYNCNT",
        "TCP_THIN_LINEAR_TIMEOUTS",
        "TCP_USER_TIMEOUT",
        "TCP_WINDOW_CLAMP",
    ];

    /// Sets one option. Numbers have Linux's unit and range; a switch is on unless it is 0.
    ///
    /// ```
    /// # use longhaul::{config::Sysctl, options::Options};
    /// let mut options = Options::new();
    /// options.set("TCP_DEFER_ACCEPT", 4).unwrap().unwrap(); // seconds, in whole SYN-ACK periods: 1 + 2 + 4
    /// assert_eq!(options.get("TCP_DEFER_ACCEPT", &Sysctl::LINUX), Some(7));
    /// assert!(options.set("TCP_KEEPIDLE", 0).unwrap().is_err());
    /// assert!(options.set("TCP_MD5SIG", 1).is_none());
    /// ```
    ///
    /// # Errors
    /// `None` for a name that is not in [`Options::NAMES`]; within, [`OutOfRange`] where Linux says EINVAL. Nothing is
    /// changed then.
    pub fn set(&mut self, name: &str, value: i32) -> Option<Result<(), OutOfRange>> {
        let &option = Self::NAMES.iter().find(|&&known| known == name)?;
        let changed = self.with(option, value);
        Some(changed.map(|changed| *self = changed))
    }

    /// What getsockopt(2) would say of a socket with these options that has no connection yet; `None` for a name that
    /// is not in [`Options::NAMES`].
    pub fn get(&self, name: &str, sysctl: &Sysctl) -> Option<i32> {
        let value = match name {
            "IP_RECVERR" | "IPV6_RECVERR" => u32::from(self.ip_recverr()),
            "IP_TOS" | "IPV6_TCLASS" => u32::from(self.tos()),
            "IP_TTL" | "IPV6_UNICAST_HOPS" => u32::from(self.ip_options(IpOptions::LINUX).hop_limit),
            "SO_KEEPALIVE" => u32::from(self.keepalive()),
            "SO_RCVBUF" => self.recv_buffer_size(sysctl),
            "SO_SNDBUF" => self.send_buffer_size(sysctl),
            "TCP_CORK" => u32::from(self.tcp_cork()),
            "TCP_DEFER_ACCEPT" => self.tcp_defer_accept_secs(),
            "TCP_DELACK_MAX_US" => self.tcp_delack_max_us(),
            "TCP_KEEPCNT" => u32::from(self.keepalive_retries(sysctl)),
            "TCP_KEEPIDLE" => self.keepalive_time(sysctl).as_secs() as u32,
            "TCP_KEEPINTVL" => self.keepalive_interval(sysctl).as_secs() as u32,
            "TCP_LINGER2" => match self.fin_timeout(sysctl) {
                Some(timeout) => timeout.as_secs() as u32,
                None => return Some(-1),
            },
            "TCP_MAXSEG" => u32::from(self.tcp_maxseg().unwrap_or(MSS_DEFAULT)),
            "TCP_NODELAY" => u32::from(self.tcp_nodelay()),
            // Linux has this in an `unsigned`: what is larger than an `int` reads as negative.
            "TCP_NOTSENT_LOWAT" => self.tcp_notsent_lowat(),
            "TCP_RTO_MAX_MS" => self.rto_max(sysctl).as_millis() as u32,
            "TCP_RTO_MIN_US" => self.rto_min_us(sysctl),
            "TCP_SYNCNT" => u32::from(self.syn_retries(sysctl)),
            "TCP_THIN_LINEAR_TIMEOUTS" => u32::from(self.tcp_thin_linear_timeouts()),
            "TCP_USER_TIMEOUT" => self.tcp_user_timeout().map_or(0, |limit| limit.as_millis() as u32),
            "TCP_WINDOW_CLAMP" => self.tcp_window_clamp().unwrap_or(0),
            _ => return None,
        };
        Some(value.cast_signed())
    }

    fn with(self, option: &'static str, value: i32) -> Result<Self, OutOfRange> {
        let positive = || u32::try_from(value).map_err(|_| OutOfRange { option });
        let seconds = || positive().map(|secs| Duration::from_secs(u64::from(secs)));
        let keepalive = TcpKeepalive::new();
        let on = value != 0;
        Ok(match option {
            "IP_RECVERR" | "IPV6_RECVERR" => self.with_ip_recverr(on),
            "IPV6_TCLASS" if value == -1 => self.with_tos(0),
            // Linux takes the low byte, whatever stands above it.
            "IP_TOS" => self.with_tos(value.to_le_bytes()[0]),
            "IPV6_TCLASS" => self.with_tos(u8::try_from(value).map_err(|_| OutOfRange { option })?),
            // Deviates: 0 is refused for IPv6, too, where Linux sends what nobody forwards.
            "IP_TTL" | "IPV6_UNICAST_HOPS" => match u8::try_from(value) {
                Ok(hops @ 1..) => self.with_ttl(hops),
                Err(_) if value == -1 => self.with_ttl(0),
                _ => return Err(OutOfRange { option }),
            },
            "SO_KEEPALIVE" => self.with_keepalive(on),
            // Linux compares a buffer as unsigned with its largest: what is negative asks for that.
            "SO_RCVBUF" => self.with_recv_buffer_size(value.cast_unsigned()),
            "SO_SNDBUF" => self.with_send_buffer_size(value.cast_unsigned()),
            "TCP_CORK" => self.with_tcp_cork(on),
            "TCP_DEFER_ACCEPT" => self.with_defer_accept_periods(defer_accept_retransmits(value.max(0).unsigned_abs())),
            "TCP_DELACK_MAX_US" => self.with_tcp_delack_max_us(positive()?)?,
            "TCP_KEEPCNT" => self.with_tcp_keepalive(&keepalive.with_retries(positive()?))?,
            "TCP_KEEPIDLE" => self.with_tcp_keepalive(&keepalive.with_time(seconds()?))?,
            "TCP_KEEPINTVL" => self.with_tcp_keepalive(&keepalive.with_interval(seconds()?))?,
            "TCP_LINGER2" => self.with_tcp_linger2(value),
            "TCP_MAXSEG" => self.with_tcp_maxseg(positive()?)?,
            "TCP_NODELAY" => self.with_tcp_nodelay(on),
            "TCP_NOTSENT_LOWAT" => self.with_tcp_notsent_lowat(value.cast_unsigned()),
            "TCP_RTO_MAX_MS" => self.with_tcp_rto_max_ms(positive()?)?,
            "TCP_RTO_MIN_US" => self.with_tcp_rto_min_us(positive()?)?,
            "TCP_SYNCNT" => self.with_tcp_syncnt(positive()?)?,
            "TCP_THIN_LINEAR_TIMEOUTS" if value == 0 || value == 1 => self.with_tcp_thin_linear_timeouts(on),
            "TCP_USER_TIMEOUT" => {
                let limit = Duration::from_millis(u64::from(positive()?));
                self.with_tcp_user_timeout((!limit.is_zero()).then_some(limit))?
            }
            // `int` as well, and raised to its least.
            "TCP_WINDOW_CLAMP" if value < 0 => self.with_tcp_window_clamp(1),
            "TCP_WINDOW_CLAMP" => self.with_tcp_window_clamp(value.unsigned_abs()),
            _ => return Err(OutOfRange { option }),
        })
    }
}
