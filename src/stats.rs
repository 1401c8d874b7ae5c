//! What a stack counts, under the names of Linux's MIBs (`/proc/net/snmp`, `/proc/net/netstat`, `nstat`).

/// Declares [`Stats`] from one row a counter: its MIB name, its field, what it counts.
macro_rules! counters {
    ($($mib:literal $name:ident: $doc:literal;)+) => {
        /// Counters of one stack since it was made. They wrap, as SNMP counters do.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $(#[doc = concat!("`", $mib, "`: ", $doc)] pub $name: u64,)+
        }

        impl Stats {
            /// Every counter with its MIB name, in a fixed order.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(($mib, self.$name)),+].into_iter()
            }
        }
    };
}

counters! {
    "TcpActiveOpens" active_opens: "connects begun.";
    "TcpPassiveOpens" passive_opens: "connections accepted from half-open.";
    "TcpAttemptFails" attempt_fails: "handshakes that failed.";
    "TcpEstabResets" estab_resets: "established connections that ended by a reset.";
    "TcpInSegs" in_segs: "segments received, good or bad.";
    "TcpOutSegs" out_segs: "segments sent, resets and retransmissions not counted.";
    "TcpRetransSegs" retrans_segs: "segments sent again.";
    "TcpExtTCPRetransFail" retrans_fail: "retransmissions that the device refused.";
    "TcpInErrs" in_errs: "packets dropped as malformed, or with a wrong checksum.";
    "TcpOutRsts" out_rsts: "resets sent.";
    "TcpExtSyncookiesSent" syncookies_sent: "SYNs answered with a cookie.";
    "TcpExtSyncookiesRecv" syncookies_recv: "connections that a cookie began.";
    "TcpExtSyncookiesFailed" syncookies_failed: "final ACKs whose cookie was none.";
    "TcpExtTCPReqQFullDoCookies" req_q_full_do_cookies: "SYNs for which there was no room, answered with a cookie.";
    "TcpExtListenOverflows" listen_overflows: "final ACKs that found the accept queue full.";
    "TcpExtListenDrops" listen_drops: "SYNs and final ACKs dropped for want of room.";
    "TcpExtTCPReqQFullDrop" req_q_full_drop: "SYNs dropped because too many connections were half-open.";
    "TcpExtTW" time_waits: "TIME-WAIT blocks made.";
    "TcpExtTCPTimeWaitOverflow" time_wait_overflow: "TIME-WAIT blocks not made for want of room.";
    "TcpExtDelayedACKs" delayed_acks: "ACKs sent by the delayed-ACK timer.";
    "TcpExtTCPTimeouts" timeouts: "retransmission timeouts.";
    "TcpExtTCPKeepAlive" keepalive: "keepalive probes sent.";
    "TcpExtTCPWinProbe" window_probes: "window probes sent.";
    "TcpExtTCPAbortOnTimeout" abort_on_timeout: "connections that a liveness rule gave up.";
    "TcpExtTCPAbortOnClose" abort_on_close: "connections closed with unread data, or without lingering.";
    "TcpExtTCPAbortOnMemory" abort_on_memory: "orphans reset for want of room.";
    "TcpExtTCPChallengeACK" challenge_acks: "immediate answers to segments that were not acceptable.";
    "TcpExtTCPRcvQDrop" rcv_q_drop: "segments with data dropped because the memory budget was spent.";
    "IcmpInErrors" icmp_in_errors: "ICMP errors received that quoted no connection of ours.";
    "IcmpOutEchoReps" icmp_out_echo_reps: "echo requests answered.";
    "LonghaulPathsDoubted" paths_doubted: "episodes of loss that outlasted `tcp_retries1`.";
    "LonghaulRepliesDropped" replies_dropped: "immediate answers not sent because the queue of them was full.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_listed_once_under_its_mib_name() {
        let stats = Stats { timeouts: 7, ..Stats::default() };
        assert_eq!(stats.iter().find(|(name, _)| *name == "TcpExtTCPTimeouts"), Some(("TcpExtTCPTimeouts", 7)));
        let mut names: alloc::vec::Vec<_> = stats.iter().map(|(name, _)| name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
