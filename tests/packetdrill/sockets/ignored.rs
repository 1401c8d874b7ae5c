//! Socket options that the stack does not have: those that change nothing a script can see, and those that are missing.

/// An option, the value it starts with, the values that ask for nothing more than happens anyway (none listed: all),
/// and why.
type Row = (&'static str, i64, &'static [i64], &'static str);

const IGNORED: &[Row] = &[
    ("SO_REUSEADDR", 0, &[], "a listener never shares its port, and waits for nobody"),
    ("SO_REUSEPORT", 0, &[], "the same"),
    ("SO_PRIORITY", 0, &[], "there is no queue to choose"),
    ("SO_MARK", 0, &[], "there is no routing table to choose"),
    ("SO_BUSY_POLL", 0, &[], "nothing is waited for"),
    ("SO_MAX_PACING_RATE", -1, &[-1, 0xffff_ffff], "sending is not paced"),
    ("SO_OOBINLINE", 0, &[1], "urgent data is read in line"),
    ("IP_MTU_DISCOVER", 1, &[0, 1, 2], "scripts do not see DF; see `inject` for what 0 means"),
    ("IPV6_MTU_DISCOVER", 1, &[1, 2], "there are no fragments"),
    ("IP_BIND_ADDRESS_NO_PORT", 0, &[], "ports are chosen at connect anyway"),
    ("TCP_FASTOPEN", 0, &[], "matters only to a SYN that asks for it; see `inject`"),
    ("TCP_INQ", 0, &[0], "off is what there is"),
    ("TCP_SAVE_SYN", 0, &[], "seen only by TCP_SAVED_SYN"),
];

const MISSING: &[&str] = &[
    "IP_FREEBIND",
    "IP_TRANSPARENT",
    "IPV6_RECVERR",
    "SO_ATTACH_FILTER",
    "SO_MEMINFO",
    "SO_RCVLOWAT",
    "SO_RCVTIMEO",
    "SO_SNDTIMEO",
    "SO_TIMESTAMP",
    "SO_TIMESTAMPING",
    "SO_TXTIME",
    "SO_ZEROCOPY",
    "TCP_FASTOPEN_CONNECT",
    "TCP_FASTOPEN_KEY",
    "TCP_FASTOPEN_NO_COOKIE",
    "TCP_INFO",
    "TCP_MD5SIG",
    "TCP_REPAIR",
    "TCP_SAVED_SYN",
    "TCP_TX_DELAY",
    "TCP_ULP",
    "TCP_ZEROCOPY_RECEIVE",
];

/// Whether setting this option can be ignored, perhaps for some values only.
pub(super) fn is_known(name: &str) -> bool {
    row(name).is_some()
}

/// Whether this is an option of Linux that the stack should have and does not.
pub(super) fn is_missing(name: &str) -> bool {
    MISSING.contains(&name)
}

/// What the option reads before it is set.
pub(super) fn initial(name: &str) -> i64 {
    row(name).map_or(0, |(_, initial, ..)| *initial)
}

/// Refuses a value that should change something.
pub(super) fn check(name: &str, value: i64) -> Result<(), String> {
    let harmless = row(name).is_some_and(|(_, _, values, _)| values.is_empty() || values.contains(&value));
    if harmless { Ok(()) } else { Err(format!("not supported: {name} {value}")) }
}

fn row(name: &str) -> Option<&'static Row> {
    IGNORED.iter().find(|(known, ..)| *known == name)
}
