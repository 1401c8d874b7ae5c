//! Settings of a script: those of the stack, those that change nothing here, and those that are missing.

use crate::sockets::Host;
use longhaul::config::SysctlError;

/// `net.ipv4.name=value`, also with slashes, also as a path.
pub(super) fn assign(host: &mut Host, word: &str) -> Result<(), String> {
    let (path, value) = word.split_once('=').ok_or_else(|| format!("NAME=VALUE expected, not `{word}`"))?;
    let path = path.trim_start_matches("/proc/sys/").replace('/', ".");
    let group = ["net.ipv4.", "net.ipv6.conf.all.", "net.core."].into_iter().find(|group| path.starts_with(group));
    let name = group.map_or(path.as_str(), |group| &path[group.len()..]);
    set(host, name, value.trim())
}

/// The profile that public scripts load before each test.
pub(super) fn set_defaults(host: &mut Host) -> Result<(), String> {
    DEFAULTS.iter().try_for_each(|(name, value)| set(host, name, value))
}

fn set(host: &mut Host, name: &str, value: &str) -> Result<(), String> {
    if name == "tcp_ecn" && matches!(value, "3" | "4" | "5") {
        // The stack takes them for RFC 3168; a script means accurate ECN.
        return Err(format!("not supported yet: {name}={value}"));
    }
    match host.stack.sysctl_mut().set(name, value) {
        Ok(()) => return Ok(()),
        Err(SysctlError::Unknown) => {}
        Err(error) => return Err(format!("{name}={value}: {error}")),
    }
    let row = ABSENT.iter().find(|(known, ..)| *known == name).ok_or_else(|| format!("unknown sysctl `{name}`"))?;
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    let harmless = row.1.is_empty() || row.1.contains(&value.as_str());
    if harmless { Ok(()) } else { Err(format!("not supported yet: {name}={value}")) }
}

/// Settings the stack does not have: the values under which a script means the same without them (none listed: any),
/// and why.
const ABSENT: &[(&str, &[&str], &str)] = &[
    // Recovery and congestion.
    ("tcp_allowed_congestion_control", &[], "nobody is denied any"),
    ("tcp_fack", &["0"], "gone from Linux since 4.15"),
    ("tcp_max_reordering", &[], "the degree of reordering is not adapted"),
    ("tcp_no_metrics_save", &[], "nothing is remembered between connections"),
    ("tcp_no_ssthresh_metrics_save", &[], "the same"),
    // How much is handed to a device at once, and when.
    ("tcp_tso_win_divisor", &[], "one segment a packet: nothing is deferred"),
    ("tcp_min_tso_segs", &[], "one segment a packet; merged when a script expects more"),
    ("tcp_tso_rtt_log", &[], "the same"),
    ("tcp_limit_output_bytes", &[], "there is no device whose queue could fill"),
    ("tcp_autocorking", &[], "nothing is held for a busy device"),
    ("tcp_pacing_ss_ratio", &[], "sending is not paced, as with any device but fq"),
    ("tcp_pacing_ca_ratio", &[], "the same"),
    ("tcp_notsent_lowat", &["4294967295", "-1"], "unlimited is what there is"),
    ("default_qdisc", &[], "there is no device"),
    // Receiving.
    ("tcp_moderate_rcvbuf", &[], "buffers do not tune themselves; a script that waits for it fails"),
    ("tcp_rcvbuf_low_rtt", &[], "the same"),
    ("tcp_adv_win_scale", &["1"], "half the buffer is the window"),
    ("tcp_shrink_window", &["0"], "the window never shrinks"),
    ("tcp_comp_sack_nr", &["0"], "no SACK is held back"),
    ("tcp_comp_sack_delay_ns", &["0"], "the same"),
    ("tcp_comp_sack_slack_ns", &[], "the same"),
    ("tcp_workaround_signed_windows", &["0"], "scaled windows are unsigned"),
    ("tcp_stdurg", &["0"], "urgent data is read in line, wherever its pointer points"),
    ("rmem_max", &[], "SO_RCVBUF is not limited"),
    ("wmem_max", &[], "SO_SNDBUF is not limited"),
    ("tcp_mem", &[], "the stack's own limit of memory is beyond any script"),
    // Handshakes.
    ("tcp_migrate_req", &["0"], "listeners do not share ports"),
    ("tcp_ecn_option", &[], "accurate ECN is not spoken"),
    ("tcp_ecn_option_beacon", &[], "the same"),
    ("tcp_fastopen", &[], "never asked for, and refused by name when a script asks us"),
    ("tcp_fastopen_key", &[], "the same"),
    ("tcp_fastopen_blackhole_timeout_sec", &[], "the same"),
    // Paths.
    ("tcp_base_mss", &[], "the same"),
    ("tcp_mtu_probe_floor", &[], "the same"),
    ("tcp_probe_interval", &[], "the same"),
    ("tcp_probe_threshold", &[], "the same"),
    ("ip_no_pmtu_disc", &["0"], "the path MTU is always heeded"),
    ("tcp_challenge_ack_limit", &["2147483647"], "Linux's default, no limit, is what there is"),
    ("tcp_backlog_ack_defer", &[], "packets are never queued while a call is made"),
    ("tcp_reflect_tos", &["0"], "packets have no TOS"),
    ("tcp_plb_enabled", &["0"], "one path is all there is"),
];

/// What `defaults.sh` of the public collections sets.
const DEFAULTS: &[(&str, &str)] = &[
    ("tcp_rmem", "4096 540000 15728640"),
    ("tcp_wmem", "4096 262144 4194304"),
    ("tcp_timestamps", "1"),
    ("tcp_syn_retries", "5"),
    ("tcp_synack_retries", "5"),
    ("tcp_frto", "2"),
    ("tcp_sack", "1"),
    ("tcp_dsack", "1"),
    ("tcp_fack", "0"),
    ("tcp_reordering", "3"),
    ("tcp_congestion_control", "cubic"),
    ("tcp_slow_start_after_idle", "0"),
    ("tcp_early_retrans", "4"),
    ("tcp_recovery", "1"),
    ("tcp_tso_win_divisor", "3"),
    ("tcp_ecn", "0"),
    ("tcp_pacing_ss_ratio", "200"),
    ("tcp_pacing_ca_ratio", "120"),
    ("tcp_notsent_lowat", "4294967295"),
    ("tcp_syncookies", "1"),
    ("tcp_fastopen", "0x70403"),
    ("tcp_fastopen_key", "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4"),
];
