//! Settings of other systems and of the standard, as far as knobs of Linux's can say them.
//!
//! A profile changes numbers, never rules: a FreeBSD here is a Linux with FreeBSD's times. Each names what it cannot
//! say. What is not named is [`Sysctl::LINUX`]'s.

use super::Sysctl;

impl Sysctl {
    /// Linux before 6.5, such as the long-lived 6.1: a SYN doubles its timeout from the first, so that connecting takes
    /// 127 s to fail, not 131. Receive buffers grow to 6 MiB where there is memory, so a window scale is 7, not 10.
    ///
    /// `tcp_syn_linear_timeouts` came with 6.5 (`Documentation/networking/ip-sysctl.rst`), the largest `tcp_rmem` of 32
    /// MiB with 6.16 (`net/ipv4/tcp.c`, `tcp_init`). Not said: rules that changed since, as for what PAWS drops.
    pub const LINUX_6_1: Self =
        Self { tcp_syn_linear_timeouts: 0, tcp_rmem: [4096, 131_072, 6_291_456], ..Self::LINUX };

    /// RFC 9293 to the letter, where Linux departs from it and a number can say so. Connecting takes 247 s to fail,
    /// since R2 of a SYN is at least three minutes (3.8.3 [MUST-23]); every timeout doubles, from the first SYN on, and
    /// none is below a second (RFC 6298 2.4, 5.5); no connection of ours cuts a TIME-WAIT short (3.6.1 [MUST-13]).
    ///
    /// Not said: TIME-WAIT is 60 s and not four minutes; an orphan leaves FIN-WAIT-2 after `tcp_fin_timeout`, of which
    /// the RFC knows nothing; reaching R1 (3.8.3) is not told to the layer below.
    pub const RFC9293: Self = Self {
        tcp_syn_retries: 7,
        tcp_syn_linear_timeouts: 0,
        tcp_synack_retries: 7,
        tcp_rto_min_us: 1_000_000,
        tcp_tw_reuse: 0,
        ..Self::LINUX
    };

    /// FreeBSD's keepalive, of eight probes, and its largest RTO, 64 s (`sys/netinet/tcp_timer.h`, `TCPTV_KEEPCNT`,
    /// `TCPTV_REXMTMAX`; tcp(4), `keepidle`, `keepintvl`, `keepcnt`). A silent peer is dead after 7800 s.
    ///
    /// Not said: connecting fails after 75 s in all (`keepinit`), whatever was sent; data is given up after twelve
    /// retransmissions by count (`TCP_MAXRXTSHIFT`), not by time; window probes never come more often than every 5 s.
    pub const FREEBSD: Self = Self { tcp_keepalive_probes: 8, tcp_rto_max_ms: 64_000, ..Self::LINUX };

    /// What macOS took over from FreeBSD and kept: the same numbers (xnu, `bsd/netinet/tcp_timer.h`).
    ///
    /// Not said, beside what [`Sysctl::FREEBSD`] does not say: TIME-WAIT is 30 s, twice an MSL of 15 s (`TCPTV_MSL`).
    pub const MACOS: Self = Self::FREEBSD;

    /// Windows' keepalive since Vista: ten probes, a second apart (Win32 documentation of `SIO_KEEPALIVE_VALS` and
    /// `SO_KEEPALIVE`). A silent peer is dead after 7210 s.
    ///
    /// Not said: data is given up after five retransmissions by count (`TcpMaxDataRetransmissions`); how long
    /// connecting takes, which differs between its versions.
    pub const WINDOWS: Self = Self { tcp_keepalive_intvl: 1, tcp_keepalive_probes: 10, ..Self::LINUX };
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// A change of [`Sysctl::LINUX`] must not pass into a profile unseen, nor a slip of the pen.
    #[test]
    fn a_profile_differs_from_linux_in_what_it_names() {
        let differing = |profile: &Sysctl| -> Vec<&str> {
            let differs = |name: &&&str| profile.get(name) != Sysctl::LINUX.get(name);
            Sysctl::NAMES.iter().filter(differs).copied().collect()
        };
        assert_eq!(differing(&Sysctl::LINUX_6_1), ["tcp_syn_linear_timeouts", "tcp_rmem"]);
        let rfc9293 = differing(&Sysctl::RFC9293);
        assert_eq!(rfc9293[..3], ["tcp_syn_retries", "tcp_syn_linear_timeouts", "tcp_synack_retries"]);
        assert_eq!(rfc9293[3..], ["tcp_rto_min_us", "tcp_tw_reuse"]);
        assert_eq!(differing(&Sysctl::FREEBSD), ["tcp_keepalive_probes", "tcp_rto_max_ms"]);
        assert_eq!(differing(&Sysctl::WINDOWS), ["tcp_keepalive_intvl", "tcp_keepalive_probes"]);
    }

    #[test]
    fn every_number_of_a_profile_is_one_that_linux_would_take() {
        for profile in [Sysctl::LINUX_6_1, Sysctl::RFC9293, Sysctl::FREEBSD, Sysctl::MACOS, Sysctl::WINDOWS] {
            let mut copy = Sysctl::LINUX;
            for name in Sysctl::NAMES {
                copy.set(name, &alloc::format!("{}", profile.get(name).unwrap())).unwrap();
            }
            assert_eq!(copy, profile);
        }
    }
}
