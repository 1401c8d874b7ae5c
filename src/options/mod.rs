//! What one connection overrides: socket options with Linux's ranges and socket2's names.
//!
//! A value of 0 inside means "inherit": the sysctl is read at each use, as Linux does, so that `getsockopt`-like
//! readers show the effective value. Accepted connections inherit their listener's options.

mod by_name;
mod effective;
mod network;

use crate::config::Sysctl;
use crate::congestion::CongestionControl;
use crate::time::Duration;
use core::fmt;

/// Keepalive parameters, in the shape of socket2's type of the same name. What is not set is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TcpKeepalive {
    time: Option<Duration>,
    interval: Option<Duration>,
    retries: Option<u32>,
}

impl TcpKeepalive {
    /// Nothing set.
    pub const fn new() -> Self {
        Self { time: None, interval: None, retries: None }
    }

    /// Whether `TCP_KEEPIDLE` is among what is set: setting it restarts the wait even if it is what it was.
    pub(crate) const fn has_time(&self) -> bool {
        self.time.is_some()
    }

    /// `TCP_KEEPIDLE`: silence before the first probe; whole seconds, 1 to 32767.
    #[must_use]
    pub const fn with_time(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// `TCP_KEEPINTVL`: time between probes; whole seconds, 1 to 32767.
    #[must_use]
    pub const fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// `TCP_KEEPCNT`: unanswered probes before death, 1 to 127.
    #[must_use]
    pub const fn with_retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }
}

/// Per-connection overrides. Cheap to copy; the default overrides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Options {
    user_timeout_ms: u32,
    rto_max_ms: u32,
    rto_min_us: u32,
    send_buffer_bytes: u32,
    receive_buffer_bytes: u32,
    window_clamp_bytes: u32,
    notsent_lowat_bytes: u32,
    keepidle_s: u16,
    keepintvl_s: u16,
    linger_s: u16,
    max_segment: u16,
    linger2_s: i8,
    keepcnt: u8,
    syncnt: u8,
    defer_accept: u8,
    delack_max_ms: u8,
    switches: u8,
    tos: u8,
    ttl: u8,
}

const KEEPALIVE: u8 = 1;
const NODELAY: u8 = 2;
const CORK: u8 = 4;
const LINGER: u8 = 8;
const THIN_LINEAR: u8 = 16;
const RECVERR: u8 = 32;
/// `TCP_CONGESTION` was set, and to CUBIC.
const CONGESTION: u8 = 64;
const CUBIC: u8 = 128;

/// Largest `TCP_KEEPIDLE` and `TCP_KEEPINTVL`, in seconds (Linux `MAX_TCP_KEEPIDLE`).
const KEEP_SECONDS_MAX: u64 = 32_767;
/// Largest `TCP_KEEPCNT` and `TCP_SYNCNT` (Linux `MAX_TCP_KEEPCNT`, `MAX_TCP_SYNCNT`).
const COUNT_MAX: u32 = 127;
/// `TCP_LINGER2` beyond this is cut to it, in seconds (Linux `TCP_FIN_TIMEOUT_MAX`).
const LINGER2_MAX_S: i32 = 120;
/// No send buffer is set smaller, in bytes (Linux `SOCK_MIN_SNDBUF` on 64 bits: room for two segments of 2 KiB).
const SEND_BUFFER_MIN_BYTES: u32 = 4608;
/// No receive buffer is set smaller, in bytes (Linux `SOCK_MIN_RCVBUF` on 64 bits: room for one).
const RECEIVE_BUFFER_MIN_BYTES: u32 = 2304;
/// `TCP_MAXSEG` of a socket that has neither option nor connection (Linux `TCP_MSS_DEFAULT`).
const MSS_DEFAULT: u16 = 536;
/// What the options in microseconds are rounded up to.
const MICROS_PER_TICK: u32 = 1000;
/// The least they take (Linux `TCP_TIMEOUT_MIN`, two ticks).
const TICKS_MIN: u32 = 2;

impl Options {
    /// Overrides nothing.
    pub const fn new() -> Self {
        Self {
            user_timeout_ms: 0,
            rto_max_ms: 0,
            rto_min_us: 0,
            send_buffer_bytes: 0,
            receive_buffer_bytes: 0,
            window_clamp_bytes: 0,
            notsent_lowat_bytes: 0,
            keepidle_s: 0,
            keepintvl_s: 0,
            linger_s: 0,
            max_segment: 0,
            linger2_s: 0,
            keepcnt: 0,
            syncnt: 0,
            defer_accept: 0,
            delack_max_ms: 0,
            switches: 0,
            tos: 0,
            ttl: 0,
        }
    }

    /// `SO_KEEPALIVE`. Off by default (RFC 9293 3.8.4 [MUST-25]).
    #[must_use]
    pub const fn with_keepalive(mut self, on: bool) -> Self {
        self.switch(KEEPALIVE, on);
        self
    }

    /// `TCP_KEEPIDLE`, `TCP_KEEPINTVL` and `TCP_KEEPCNT`, as far as set. Does not switch keepalive on.
    ///
    /// # Errors
    /// [`OutOfRange`] outside the ranges that [`TcpKeepalive`] names. A fraction of a second is cut off.
    pub fn with_tcp_keepalive(mut self, keepalive: &TcpKeepalive) -> Result<Self, OutOfRange> {
        if let Some(time) = keepalive.time {
            self.keepidle_s = keep_seconds(time, "TCP_KEEPIDLE")?;
        }
        if let Some(interval) = keepalive.interval {
            self.keepintvl_s = keep_seconds(interval, "TCP_KEEPINTVL")?;
        }
        if let Some(retries) = keepalive.retries {
            self.keepcnt = count(retries, "TCP_KEEPCNT")?;
        }
        Ok(self)
    }

    /// `TCP_USER_TIMEOUT`: how long a peer may leave us without progress, counted from the first retransmission (or
    /// window probe, or SYN); `None` (the default) switches it off. Milliseconds, up to 2^31 - 1.
    ///
    /// # Errors
    /// [`OutOfRange`] beyond that.
    pub fn with_tcp_user_timeout(mut self, limit: Option<Duration>) -> Result<Self, OutOfRange> {
        let out_of_range = OutOfRange { option: "TCP_USER_TIMEOUT" };
        // Only exactly zero means off: a fraction of a millisecond counts as a whole one.
        let millis = limit.map_or(0, |limit| limit.as_micros().div_ceil(1000));
        self.user_timeout_ms = i32::try_from(millis).map_err(|_| out_of_range)?.unsigned_abs();
        Ok(self)
    }

    /// `TCP_NODELAY`: do not hold back a small segment while another is unacknowledged.
    #[must_use]
    pub const fn with_tcp_nodelay(mut self, on: bool) -> Self {
        self.switch(NODELAY, on);
        self
    }

    /// `TCP_CORK`: send full segments only, for at most 200 ms.
    #[must_use]
    pub const fn with_tcp_cork(mut self, on: bool) -> Self {
        self.switch(CORK, on);
        self
    }

    /// `TCP_THIN_LINEAR_TIMEOUTS`: the first six timeouts of a thin stream do not double.
    #[must_use]
    pub const fn with_tcp_thin_linear_timeouts(mut self, on: bool) -> Self {
        self.switch(THIN_LINEAR, on);
        self
    }

    /// `TCP_CONGESTION`: who decides how much may be in flight; `None` (the default) is whom `tcp_congestion_control`
    /// names when the connection is made. A change on a live connection keeps the window and its threshold, and begins
    /// everything else anew (Linux `tcp_reinit_congestion_control`).
    #[must_use]
    pub const fn with_tcp_congestion(mut self, control: Option<CongestionControl>) -> Self {
        self.switch(CONGESTION, control.is_some());
        self.switch(CUBIC, matches!(control, Some(CongestionControl::Cubic)));
        self
    }

    /// `SO_LINGER`: `Some(0)` makes close reset the connection; a longer one only makes a blocking close wait.
    #[must_use]
    pub const fn with_linger(mut self, linger: Option<Duration>) -> Self {
        self.switch(LINGER, linger.is_some());
        self.linger_s = match linger {
            Some(linger) if linger.as_secs() > u16::MAX as u64 => u16::MAX,
            // A fraction of a second counts as a whole one: only exactly zero means "reset".
            Some(linger) if linger.as_secs() == 0 && !linger.is_zero() => 1,
            Some(linger) => linger.as_secs() as u16,
            None => 0,
        };
        self
    }

    /// `TCP_LINGER2`: seconds an orphan may stay in FIN-WAIT-2; 0 inherits `tcp_fin_timeout`, negative skips the state
    /// (the ACK of our FIN is answered with a reset), above 120 is cut to 120.
    #[must_use]
    pub const fn with_tcp_linger2(mut self, secs: i32) -> Self {
        self.linger2_s = if secs < 0 {
            -1
        } else if secs > LINGER2_MAX_S {
            LINGER2_MAX_S as i8
        } else {
            secs as i8
        };
        self
    }

    /// `TCP_SYNCNT`: SYN retransmissions with doubling timeout, 1 to 127; on a listener, SYN-ACK retransmissions.
    ///
    /// # Errors
    /// [`OutOfRange`] outside that.
    pub fn with_tcp_syncnt(mut self, retries: u32) -> Result<Self, OutOfRange> {
        self.syncnt = count(retries, "TCP_SYNCNT")?;
        Ok(self)
    }

    /// `TCP_MAXSEG`: an upper bound of the MSS announced and used, 88 to 32767 bytes; 0 removes it.
    ///
    /// # Errors
    /// [`OutOfRange`] outside that.
    pub fn with_tcp_maxseg(mut self, bytes: u32) -> Result<Self, OutOfRange> {
        self.max_segment = match bytes {
            0 | 88..=32_767 => bytes as u16,
            _ => return Err(OutOfRange { option: "TCP_MAXSEG" }),
        };
        Ok(self)
    }

    /// `TCP_RTO_MAX_MS`: the largest RTO, 1000 to 120 000 ms.
    ///
    /// # Errors
    /// [`OutOfRange`] outside that.
    pub fn with_tcp_rto_max_ms(mut self, millis: u32) -> Result<Self, OutOfRange> {
        self.rto_max_ms = match millis {
            1000..=120_000 => millis,
            _ => return Err(OutOfRange { option: "TCP_RTO_MAX_MS" }),
        };
        Ok(self)
    }

    /// `TCP_RTO_MIN_US`: the smallest variance term of the RTO, 1001 to 200 000 microseconds, rounded up to the
    /// millisecond (two ticks are the least).
    ///
    /// # Errors
    /// [`OutOfRange`] outside that.
    pub fn with_tcp_rto_min_us(mut self, micros: u32) -> Result<Self, OutOfRange> {
        self.rto_min_us = match micros.div_ceil(MICROS_PER_TICK) {
            millis @ TICKS_MIN..=200 => millis * MICROS_PER_TICK,
            _ => return Err(OutOfRange { option: "TCP_RTO_MIN_US" }),
        };
        Ok(self)
    }

    /// Fixes the bounds of the RTO that are not set to what `sysctl` says now, as Linux does when a socket is made:
    /// later changes of `tcp_rto_min_us` and `tcp_rto_max_ms` do not reach it. Connections and listeners do this when
    /// they are made; call it earlier for a socket that is made long before it connects.
    #[must_use]
    pub fn with_rto_bounds_of(mut self, sysctl: &Sysctl) -> Self {
        self.rto_min_us = self.rto_min_us(sysctl);
        self.rto_max_ms = u32::try_from(self.rto_max(sysctl).as_millis()).unwrap_or(u32::MAX);
        self
    }

    /// The bounds of the RTO that are not set here are those of `before`: they were fixed once and stay.
    pub(crate) const fn keeping_rto_bounds_of(mut self, before: &Self) -> Self {
        if self.rto_min_us == 0 {
            self.rto_min_us = before.rto_min_us;
        }
        if self.rto_max_ms == 0 {
            self.rto_max_ms = before.rto_max_ms;
        }
        self
    }

    /// `TCP_DEFER_ACCEPT` as the count of SYN-ACK periods that `liveness::handshake` computes from seconds; 0 is off.
    #[must_use]
    pub const fn with_defer_accept_periods(mut self, periods: u8) -> Self {
        self.defer_accept = periods;
        self
    }

    /// `SO_SNDBUF`: bytes that may be queued for sending. Linux doubles what it is given, for its own bookkeeping, and
    /// makes it 4608 at least; so does this. Its largest is that of `SO_SNDBUFFORCE`, 2^30 − 1.
    #[must_use]
    pub const fn with_send_buffer_size(mut self, bytes: u32) -> Self {
        self.send_buffer_bytes = doubled(bytes, SEND_BUFFER_MIN_BYTES);
        self
    }

    /// `SO_RCVBUF`: doubled like the send buffer, 2304 at least; half of the result is offered as window.
    #[must_use]
    pub const fn with_recv_buffer_size(mut self, bytes: u32) -> Self {
        self.receive_buffer_bytes = doubled(bytes, RECEIVE_BUFFER_MIN_BYTES);
        self
    }

    /// `TCP_WINDOW_CLAMP`: the largest window to offer, in bytes; below 1152 is 1152. 0, the default, leaves it to the
    /// receive buffer. On a live connection the window shrinks to it as data comes, since no edge ever moves left.
    #[must_use]
    pub const fn with_tcp_window_clamp(mut self, bytes: u32) -> Self {
        let least = RECEIVE_BUFFER_MIN_BYTES / 2;
        self.window_clamp_bytes = if bytes != 0 && bytes < least { least } else { bytes };
        self
    }

    /// `TCP_NOTSENT_LOWAT`: so many bytes may wait unsent; a writer is woken when less than half of them do. 0 inherits
    /// `tcp_notsent_lowat`.
    #[must_use]
    pub const fn with_tcp_notsent_lowat(mut self, bytes: u32) -> Self {
        self.notsent_lowat_bytes = bytes;
        self
    }

    /// `TCP_DELACK_MAX_US`: the longest an acknowledgment may be delayed, 1001 to 200 000 microseconds, rounded up to
    /// the millisecond; 200 ms by default. Whatever is set, it is delayed less than the smallest variance term of our
    /// own RTO, which the peer's may equal.
    ///
    /// # Errors
    /// [`OutOfRange`] outside that.
    pub fn with_tcp_delack_max_us(mut self, micros: u32) -> Result<Self, OutOfRange> {
        self.delack_max_ms = match micros.div_ceil(MICROS_PER_TICK) {
            millis @ TICKS_MIN..=200 => millis as u8,
            _ => return Err(OutOfRange { option: "TCP_DELACK_MAX_US" }),
        };
        Ok(self)
    }

    /// `TCP_MAXSEG` stays as it was.
    pub(crate) const fn keep_tcp_maxseg(&mut self, before: &Self) {
        self.max_segment = before.max_segment;
    }

    const fn switch(&mut self, which: u8, on: bool) {
        if on {
            self.switches |= which;
        } else {
            self.switches &= !which;
        }
    }
}

/// What becomes of a buffer size that is set.
const fn doubled(bytes: u32, least: u32) -> u32 {
    let most = i32::MAX.unsigned_abs() / 2;
    let bytes = 2 * if bytes > most { most } else { bytes };
    if bytes < least { least } else { bytes }
}

fn keep_seconds(duration: Duration, option: &'static str) -> Result<u16, OutOfRange> {
    match duration.as_secs() {
        secs @ 1..=KEEP_SECONDS_MAX => Ok(secs as u16),
        _ => Err(OutOfRange { option }),
    }
}

fn count(number: u32, option: &'static str) -> Result<u8, OutOfRange> {
    match number {
        1..=COUNT_MAX => Ok(number as u8),
        _ => Err(OutOfRange { option }),
    }
}

/// A socket option was given a value that Linux refuses (EINVAL).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// The option's Linux name.
    pub option: &'static str,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "value out of range for {}", self.option)
    }
}

impl core::error::Error for OutOfRange {}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn ranges_are_those_of_linux() {
        let idle = |secs| Options::new().with_tcp_keepalive(&TcpKeepalive::new().with_time(SECOND * secs));
        assert!(idle(0).is_err() && idle(1).is_ok() && idle(32_767).is_ok() && idle(32_768).is_err());
        let count = |n| Options::new().with_tcp_keepalive(&TcpKeepalive::new().with_retries(n));
        assert!(count(0).is_err() && count(127).is_ok() && count(128).is_err());
        assert!(Options::new().with_tcp_user_timeout(Some(Duration::from_millis(1 << 31))).is_err());
        assert!(Options::new().with_tcp_maxseg(87).is_err() && Options::new().with_tcp_maxseg(0).is_ok());
        assert!(Options::new().with_tcp_rto_max_ms(999).is_err());
    }

    #[test]
    fn what_is_not_set_is_read_from_the_sysctl_at_each_use() {
        let options = Options::new().with_tcp_keepalive(&TcpKeepalive::new().with_retries(3)).unwrap();
        let mut sysctl = Sysctl::LINUX;
        assert_eq!(options.keepalive_time(&sysctl), SECOND * 7200);
        sysctl.tcp_keepalive_time = 10;
        assert_eq!(options.keepalive_time(&sysctl), SECOND * 10);
        assert_eq!(options.keepalive_retries(&sysctl), 3);
    }

    #[test]
    fn rto_bounds_are_fixed_once_and_an_option_overrides_them() {
        let sysctl = Sysctl { tcp_rto_min_us: 50_000, tcp_rto_max_ms: 5000, ..Sysctl::LINUX };
        let made = Options::new().with_rto_bounds_of(&sysctl);
        let bounds = |options: Options| (options.rto_min_us(&Sysctl::LINUX), options.rto_max(&Sysctl::LINUX));
        assert_eq!(bounds(made), (50_000, SECOND * 5));
        assert_eq!(bounds(made.with_rto_bounds_of(&Sysctl::LINUX)), (50_000, SECOND * 5));
        assert_eq!(bounds(made.with_tcp_rto_max_ms(7000).unwrap()), (50_000, SECOND * 7));
        let replaced = Options::new().with_tcp_rto_min_us(60_000).unwrap().keeping_rto_bounds_of(&made);
        assert_eq!(bounds(replaced), (60_000, SECOND * 5));
        let wild = Sysctl { tcp_rto_min_us: 0, tcp_rto_max_ms: 0, ..Sysctl::LINUX };
        assert_eq!(bounds(Options::new().with_rto_bounds_of(&wild)), (200_000, SECOND));
    }

    /// The fields of a `Sysctl` can be set past what Linux would take; a timer that is always due would spin.
    #[test]
    fn no_sysctl_makes_a_timer_that_is_always_due() {
        let zero = Sysctl { tcp_keepalive_time: 0, tcp_keepalive_intvl: 0, tcp_rto_max_ms: 0, ..Sysctl::LINUX };
        let options = Options::new();
        assert_eq!(options.keepalive_time(&zero), SECOND);
        assert_eq!(options.keepalive_interval(&zero), SECOND);
        assert_eq!(options.rto_max(&zero), SECOND);
    }

    #[test]
    fn linger2_reads_back_as_linux_rounds_it() {
        let fin = |secs| Options::new().with_tcp_linger2(secs).fin_timeout(&Sysctl::LINUX);
        assert_eq!(fin(-5), None);
        assert_eq!(fin(0), Some(SECOND * 60));
        assert_eq!(fin(121), Some(SECOND * 120));
    }
}
