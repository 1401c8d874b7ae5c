//! Every default with its reason, and every limit with its name.
//!
//! # Settings of a stack
//!
//! [`Sysctl::LINUX`](crate::config::Sysctl::LINUX) has Linux's own defaults, as read on 6.18; that is the reason for
//! each of them, and what the column adds is why Linux's choice serves. The whole struct is read at each use, so a
//! change touches live connections; what is marked *at the start* is read when the listener or the connection is made.
//!
//! `net::sysctl::from_proc` takes the machine's own instead; other systems' numbers stand beside, as
//! [`Sysctl::FREEBSD`](crate::config::Sysctl::FREEBSD), `MACOS`, `WINDOWS`, `LINUX_6_1` and
//! [`Sysctl::RFC9293`](crate::config::Sysctl::RFC9293).
//!
//! | setting | default | why |
//! |---|---|---|
//! | `tcp_keepalive_time` | 7200 | s; the two hours of RFC 9293 3.8.4, so that probing is never a burden unasked |
//! | `tcp_keepalive_intvl` | 75 | s; outlasts a rebooting router |
//! | `tcp_keepalive_probes` | 9 | with the above 11 minutes of doubt: one lost probe proves nothing |
//! | `tcp_retries1` | 3 | stands for 3.0 s, after which the application hears that the path is in doubt |
//! | `tcp_retries2` | 15 | stands for 924.6 s, above the 100 s of RFC 9293 3.8.3; as a count for window probes |
//! | `tcp_orphan_retries` | 0 | means 8 while the timeout is below its maximum: 102.2 s |
//! | `tcp_syn_retries` | 6 | 131 s with the next one; below the three minutes of the RFC |
//! | `tcp_syn_linear_timeouts` | 4 | tries a second apart: the fifth SYN leaves at 4 s, not at 15 |
//! | `tcp_synack_retries` | 5 | 63 s: the client repeats its SYN anyway |
//! | `tcp_rto_min_us` | 200000 | µs under the variance term, above a delayed ACK's 40 to 200 ms; *at the start* |
//! | `tcp_rto_max_ms` | 120000 | ms; the RFC allows no less than 60 s; *at the start* |
//! | `tcp_fin_timeout` | 60 | s; an orphan in FIN-WAIT-2 waits for a peer that may never close |
//! | `tcp_tw_reuse` | 2 | loopback only: elsewhere old segments may still be under way |
//! | `tcp_tw_reuse_delay` | 1000 | ms; one tick of the slowest timestamp clock (RFC 7323) |
//! | `tcp_rfc1337` | 0 | an exact reset ends TIME-WAIT: whoever knows the number is the peer |
//! | `tcp_abort_on_overflow` | 0 | a busy server's client tries again instead of failing |
//! | `tcp_max_syn_backlog` | 2048 | half-open connections of the stack |
//! | `tcp_syncookies` | 1 | a SYN without room is answered and forgotten, so that a flood shuts nobody out |
//! | `somaxconn` | 4096 | `listen` grants no more; *at the start* of a listener |
//! | `tcp_max_tw_buckets` | 131072 | of 88 bytes: 11.5 MB; beyond it a connection ends without one |
//! | `tcp_max_orphans` | 131072 | beyond it `close` resets; Linux derives both from its memory |
//! | `tcp_invalid_ratelimit` | 500 | ms between answers to what is not acceptable: two confused peers do not storm |
//! | `tcp_timestamps` | 1 | with an offset, so that they do not tell the uptime; *at the start* of a connection |
//! | `tcp_sack` | 1 | *at the start* of a connection |
//! | `tcp_dsack` | 1 | a peer learns that its retransmission was needless |
//! | `tcp_window_scaling` | 1 | *at the start* of a connection |
//! | `tcp_ecn` | 2 | granted to who asks, and not asked for: middleboxes once dropped SYNs that do |
//! | `tcp_ecn_fallback` | 1 | not 0: a SYN that was lost asks for ECN no more |
//! | `tcp_thin_linear_timeouts` | 0 | for games and telephony, at a cost to others |
//! | `tcp_early_retrans` | 3 | a lost end of a burst shows in two round trips (RFC 8985 7); 0 to 2 switch it off |
//! | `tcp_recovery` | 1 | losses are found by when segments were sent (RFC 8985); 2 and 4 are its switches |
//! | `tcp_frto` | 2 | a timeout may prove spurious (RFC 5682); 0 never looks |
//! | `tcp_reordering` | 3 | duplicate ACKs, or segments held above a hole, that prove a loss (RFC 5681) |
//! | `tcp_congestion_control` | Cubic | the algorithm of new connections (RFC 9438); `reno` is the other |
//! | `tcp_slow_start_after_idle` | 1 | what was learned of a path a timeout ago is old (RFC 2861) |
//! | `tcp_pingpong_thresh` | 1 | one answer makes an exchange interactive: its ACKs wait for the next answer |
//! | `tcp_min_snd_mss` | 48 | bytes; a peer cannot ask for segments that are all header |
//! | `tcp_notsent_lowat` | 4294967295 | bytes that may wait unsent; the send queue's own limit comes first |
//! | `tcp_rmem` | 4096 131072 33554432 | bytes; half is window; it grows from the second to the third |
//! | `tcp_wmem` | 4096 16384 4194304 | bytes; the second (256 KiB at least) grows with the window up to the third |
//! | `tcp_mtu_probing` | 0 | a small segment costs more than it saves, unless the path has a black hole; 2 means 1 |
//! | `tcp_base_mss` | 1024 | bytes; with headers below the 1280 that every IPv6 path carries |
//! | `tcp_mtu_probe_floor` | 48 | bytes; a path that swallows these carries nothing |
//! | `ip_local_port_range` | 32768 60999 | what Linux chooses from |
//!
//! # The stack itself
//!
//! [`Config`](crate::stack::Config) has no default as a whole, because nobody but the caller can supply the `secret`.
//!
//! | field | default | why |
//! |---|---|---|
//! | `ipv4`, `ipv6` | none | one address of each family, ours to be told |
//! | `secret` | – | 128 random bits, for sequence numbers, timestamps, ports and the table |
//! | `mtu` | 1500 | bytes; Ethernet's |
//! | `max_connections` | 1048576 | of some 360 bytes, tables included; memory grows with use, not with the limit |
//! | `memory_bytes` | 268435456 | for all queues together: 256 MiB, or 256 bytes for each of those connections |
//! | `journal_entries` | 0 | no journals; 64 bytes an entry, for each connection, out of the budget above |
//! | `ip` | hop limit 64 | Linux's `ip_default_ttl`; best effort, no ECN |
//! | `sysctl` | Linux's | above |
//!
//! # One connection
//!
//! [`Options`](crate::options::Options) overrides nothing by default; what is not set is read from the settings above
//! at each use. Ranges are Linux's, and outside of them is an error, as EINVAL is there. By Linux's name and as one
//! number, all but `SO_LINGER` are set and read with `Options::set` and `Options::get`.
//!
//! | method | option | range | not set |
//! |---|---|---|---|
//! | `with_keepalive` | `SO_KEEPALIVE` | off, on | off: RFC 9293 3.8.4 [MUST-25] |
//! | `with_tcp_keepalive` | `TCP_KEEPIDLE`, `TCP_KEEPINTVL` | 1 to 32767 s | `tcp_keepalive_time`, `_intvl` |
//! | | `TCP_KEEPCNT` | 1 to 127 | `tcp_keepalive_probes` |
//! | `with_tcp_user_timeout` | `TCP_USER_TIMEOUT` | 1 ms to 2^31 − 1 ms | off |
//! | `with_tcp_syncnt` | `TCP_SYNCNT` | 1 to 127 | `tcp_syn_retries`; `tcp_synack_retries` for a listener |
//! | `with_tcp_linger2` | `TCP_LINGER2` | s; above 120 is 120, negative skips the state | `tcp_fin_timeout` |
//! | `with_ip_recverr` | `IP_RECVERR`, `IPV6_RECVERR` | off, on | off: ICMP errors wait until a rule gives up |
//! | `with_linger` | `SO_LINGER` | s; only exactly 0 resets | a FIN |
//! | `with_defer_accept_periods` | `TCP_DEFER_ACCEPT` | SYN-ACK periods | off |
//! | `with_tcp_nodelay` | `TCP_NODELAY` | off, on | off: small segments wait for one another |
//! | `with_tcp_cork` | `TCP_CORK` | off, on | off |
//! | `with_tcp_thin_linear_timeouts` | `TCP_THIN_LINEAR_TIMEOUTS` | off, on | `tcp_thin_linear_timeouts` |
//! | `with_tos` | `IP_TOS`, `IPV6_TCLASS` | 0 to 255; the lower two bits are ECN's | 0, best effort |
//! | `with_ttl` | `IP_TTL`, `IPV6_UNICAST_HOPS` | 1 to 255 routers | the stack's, 64 |
//! | `with_tcp_congestion` | `TCP_CONGESTION` | `reno`, `cubic` | `tcp_congestion_control` |
//! | `with_tcp_maxseg` | `TCP_MAXSEG` | 88 to 32767 bytes | what the MTU allows |
//! | `with_tcp_rto_max_ms` | `TCP_RTO_MAX_MS` | 1000 to 120000 ms | `tcp_rto_max_ms` |
//! | `with_tcp_rto_min_us` | `TCP_RTO_MIN_US` | 1001 to 200000 µs, in ms | `tcp_rto_min_us` |
//! | `with_rto_bounds_of` | both | what the sysctls say | as they were when it was made |
//! | `with_tcp_delack_max_us` | `TCP_DELACK_MAX_US` | as `TCP_RTO_MIN_US` | 200 ms; always below the smallest RTO |
//! | `with_send_buffer_size` | `SO_SNDBUF` | bytes, doubled, 4608 at least | 256 KiB, or `tcp_wmem` if more |
//! | `with_recv_buffer_size` | `SO_RCVBUF` | bytes, doubled, 2304 at least; half is window | `tcp_rmem`: 64 KiB |
//! | `with_tcp_window_clamp` | `TCP_WINDOW_CLAMP` | bytes of window, 1152 at least | what the buffer allows |
//! | `with_tcp_notsent_lowat` | `TCP_NOTSENT_LOWAT` | bytes | `tcp_notsent_lowat` |
//!
//! # Limits
//!
//! Whatever a peer can make grow stops at one of these.
//!
//! | limit | in | value | when it is reached |
//! |---|---|---|---|
//! | `REPLIES_MAX` | `src/stack/output.rs` | 256 | immediate answers are dropped, and counted |
//! | `BATCH_MAX` | `src/stack/timeout.rs` | 1024 | the driver sends and receives before more timers fire |
//! | `WARM_MAX` | `src/stack/settle.rs` | 1024 | the queues that were idle longest are freed |
//! | `REORDERING_MAX` | `src/tcp/recovery/mod.rs` | 300 | more reordering than that counts as loss |
//! | `LISTENERS_MAX` | `src/stack/listen.rs` | 2 * 65535 | `listen` refuses |
//! | `COUNTERS` | `src/stack/ports.rs` | 4096 | never: 8 KiB, of classes of destinations |
//! | `SENT_MAX` | `src/buf/chain.rs` | 16384 | no further segment leaves until one is acknowledged |
//! | `HELD_RANGES_MAX` | `src/buf/chain.rs` | 128 | data beyond a further gap is not kept; the peer repeats it |
//! | `RECEIVE_CAPACITY_MAX` | `src/buf/chain.rs` | 1 << 30 | no window is larger (RFC 7323) |
//! | `COPY_BELOW` | `src/buf/queue.rs` | 256 | smaller payloads are copied: one byte keeps no frame alive |
//! | `CHUNK_MAX` | `src/buf/queue.rs` | 4096 | a new chunk begins for small pieces |
//! | `RTO_MAX` | `src/liveness/rto.rs` | `Duration::from_mins(2)` | the longest wait, unless a connection says less |
//! | `MAX_SAMPLE_US` | `src/liveness/rto.rs` | 1 << 28 | a longer round trip counts as this |
//! | `MAX_DOUBLINGS` | `src/liveness/zero_window.rs` | 10 | window probes slow down no further |
//! | `TS_RECENT_VALID_S` | `src/tcp/input.rs` | 2147 | a remembered timestamp proves nothing more |
//! | `MTU_MIN_V4` | `src/tcp/icmp.rs` | 552 | forged ICMP cannot make segments smaller |
//! | `MTU_MIN_V6` | `src/tcp/icmp.rs` | 1280 | the same |
//! | `CALLS_MAX` | `src/forecast/mod.rs` | 1 << 24 | a forecast says that there is no end within it |
//! | `ENTRIES_MAX` | `src/journal/mod.rs` | 4096 | a journal gets no more, whatever is asked for |
//! | `SIZE_DIGITS_MAX` | `src/http/chunked.rs` | 16 | the message is refused |
//!
//! Those of HTTP can be set, so they stand with their reasons at the fields of `http::Limits` and
//! `http::server::Config`.

#[cfg(test)]
mod tests {
    use super::super::tests::source;
    use crate::config::Sysctl;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    const TEXT: &str = include_str!("defaults.rs");

    /// The fields of a struct and their values, from its pretty `Debug`; elements of an array come with spaces between.
    fn fields(debug: &str) -> Vec<(String, String)> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in debug.lines().filter_map(|line| line.strip_prefix("    ")) {
            let line = line.trim_end_matches(',');
            match (line.starts_with(' '), fields.last_mut()) {
                (true, Some((_, value))) => *value = format!("{value} {}", line.trim()).trim().into(),
                _ => fields.extend(line.split_once(": ").map(|(name, value)| (name.into(), value.replace('[', "")))),
            }
        }
        fields
    }

    #[test]
    fn every_setting_stands_here_with_its_default() {
        let settings = fields(&format!("{:#?}", Sysctl::LINUX));
        assert!(settings.len() > 30, "{settings:?}");
        for (name, value) in settings {
            let row = format!("//! | `{name}` | {value} |");
            assert!(TEXT.contains(&row), "missing: {row}");
        }
    }

    #[test]
    #[cfg(feature = "alloc")]
    fn every_field_of_the_configuration_stands_here_with_its_default() {
        for (name, value) in fields(&format!("{:#?}", crate::stack::Config::new([0; 16]))) {
            let row = TEXT.lines().find(|line| line.starts_with("//! | `") && line.contains(&format!("`{name}`")));
            let row = row.unwrap_or_else(|| panic!("missing: {name}"));
            assert!(value.parse::<u64>().is_err() || row.contains(&format!("| {value} |")), "{name} is {value}");
        }
    }

    #[test]
    fn every_option_stands_here() {
        let files = ["src/options/mod.rs", "src/options/network.rs"].map(source);
        let methods =
            files.iter().flat_map(|file| file.split("impl Options {").nth(1).unwrap().split("fn with_").skip(1));
        let names: Vec<_> = methods.map(|rest| rest.split('(').next().unwrap()).collect();
        assert!(names.len() > 12, "{names:?}");
        for name in names {
            assert!(TEXT.contains(&format!("| `with_{name}` |")), "missing: with_{name}");
        }
    }

    #[test]
    fn every_limit_has_the_value_that_stands_here() {
        let mut limits = 0;
        for row in TEXT.lines().filter_map(|line| line.strip_prefix("//! | ")).filter(|row| row.contains("| `src/")) {
            let cells: Vec<_> = row.split(" | ").map(|cell| cell.trim_matches('`')).collect();
            let [name, path, value, ..] = cells[..] else { panic!("{row}") };
            let code = source(path).replace('_', "");
            let name = format!("const {}:", name.replace('_', ""));
            let rest = code.split(&name).nth(1).unwrap_or_else(|| panic!("{path} has no {name}"));
            let declared = rest.lines().next().unwrap();
            assert!(declared.ends_with(&format!("= {};", value.replace('_', ""))), "{row}\n{declared}");
            limits += 1;
        }
        assert!(limits > 10, "only {limits} rows were read");
    }
}
