//! The names of C that scripts use, with their values on Linux (most architectures).

/// The value of a name in an argument.
pub(crate) fn value(name: &str) -> Option<i64> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).or_else(|| errno(name))
}

/// The number of an error.
pub(crate) fn errno(name: &str) -> Option<i64> {
    ERRNOS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// Whether two names mean one error.
pub(crate) fn same_errno(a: &str, b: &str) -> bool {
    errno(a).is_some() && errno(a) == errno(b)
}

/// The names of flags of a message.
pub(crate) fn message_flags(flags: i64) -> String {
    let named = NAMES.iter().filter(|(name, bit)| name.starts_with("MSG_") && flags & bit != 0);
    let known = named.clone().fold(0, |bits, (_, bit)| bits | bit);
    let mut words: Vec<String> = named.map(|(name, _)| (*name).to_owned()).collect();
    if flags & !known != 0 {
        words.push(format!("{:#x}", flags & !known));
    }
    words.join("|")
}

pub(crate) const SOCK_NONBLOCK: i64 = 0o4000;
pub(crate) const SOCK_CLOEXEC: i64 = 0o2_000_000;
pub(crate) const MSG_OOB: i64 = 1;
pub(crate) const MSG_PEEK: i64 = 2;
pub(crate) const MSG_EOR: i64 = 0x80;
pub(crate) const MSG_MORE: i64 = 0x8000;
pub(crate) const MSG_DONTWAIT: i64 = 0x40;
pub(crate) const MSG_NOSIGNAL: i64 = 0x4000;
pub(crate) const POLLIN: i64 = 1;
pub(crate) const POLLOUT: i64 = 4;
pub(crate) const POLLERR: i64 = 8;
pub(crate) const POLLHUP: i64 = 0x10;
pub(crate) const POLLNVAL: i64 = 0x20;
pub(crate) const POLLRDNORM: i64 = 0x40;
pub(crate) const POLLWRNORM: i64 = 0x100;
pub(crate) const POLLRDHUP: i64 = 0x2000;

const NAMES: &[(&str, i64)] = &[
    ("AF_UNSPEC", 0),
    ("AF_INET", 2),
    ("AF_INET6", 10),
    ("PF_INET", 2),
    ("PF_INET6", 10),
    ("SOCK_STREAM", 1),
    ("SOCK_DGRAM", 2),
    ("SOCK_NONBLOCK", SOCK_NONBLOCK),
    ("SOCK_CLOEXEC", SOCK_CLOEXEC),
    ("IPPROTO_IP", 0),
    ("IPPROTO_TCP", 6),
    ("IPPROTO_IPV6", 41),
    ("IPPROTO_MPTCP", 262),
    ("SOL_IP", 0),
    ("SOL_SOCKET", 1),
    ("SOL_TCP", 6),
    ("SOL_IPV6", 41),
    ("SOMAXCONN", 4096),
    ("IP_PMTUDISC_DONT", 0),
    ("IP_PMTUDISC_WANT", 1),
    ("IP_PMTUDISC_DO", 2),
    ("IP_PMTUDISC_PROBE", 3),
    ("SHUT_RD", 0),
    ("SHUT_WR", 1),
    ("SHUT_RDWR", 2),
    ("F_GETFL", 3),
    ("F_SETFL", 4),
    ("O_RDONLY", 0),
    ("O_WRONLY", 1),
    ("O_RDWR", 2),
    ("O_NONBLOCK", 0o4000),
    ("FIONREAD", 0x541b),
    ("SIOCINQ", 0x541b),
    ("SIOCOUTQ", 0x5411),
    ("TIOCOUTQ", 0x5411),
    ("MSG_OOB", MSG_OOB),
    ("MSG_PEEK", MSG_PEEK),
    ("MSG_DONTROUTE", 4),
    ("MSG_CTRUNC", 8),
    ("MSG_TRUNC", 0x20),
    ("MSG_WAITALL", 0x100),
    ("MSG_ERRQUEUE", 0x2000),
    ("MSG_DONTWAIT", MSG_DONTWAIT),
    ("MSG_EOR", MSG_EOR),
    ("MSG_NOSIGNAL", MSG_NOSIGNAL),
    ("MSG_MORE", MSG_MORE),
    ("MSG_ZEROCOPY", 0x0400_0000),
    ("MSG_FASTOPEN", 0x2000_0000),
    ("POLLIN", POLLIN),
    ("POLLPRI", 2),
    ("POLLOUT", POLLOUT),
    ("POLLERR", POLLERR),
    ("POLLHUP", POLLHUP),
    ("POLLNVAL", POLLNVAL),
    ("POLLRDNORM", POLLRDNORM),
    ("POLLRDBAND", 0x80),
    ("POLLWRNORM", POLLWRNORM),
    ("POLLWRBAND", 0x200),
    ("POLLRDHUP", POLLRDHUP),
];

const ERRNOS: &[(&str, i64)] = &[
    ("EPERM", 1),
    ("ENOENT", 2),
    ("EINTR", 4),
    ("EIO", 5),
    ("ENXIO", 6),
    ("EBADF", 9),
    ("EAGAIN", 11),
    ("EWOULDBLOCK", 11),
    ("ENOMEM", 12),
    ("EACCES", 13),
    ("EFAULT", 14),
    ("EEXIST", 17),
    ("EINVAL", 22),
    ("ENOTTY", 25),
    ("EPIPE", 32),
    ("ENONET", 64),
    ("EPROTO", 71),
    ("ENOTSOCK", 88),
    ("EDESTADDRREQ", 89),
    ("EMSGSIZE", 90),
    ("ENOPROTOOPT", 92),
    ("EPROTONOSUPPORT", 93),
    ("ENOTSUP", 95),
    ("EOPNOTSUPP", 95),
    ("EAFNOSUPPORT", 97),
    ("EADDRINUSE", 98),
    ("EADDRNOTAVAIL", 99),
    ("ENETDOWN", 100),
    ("ENETUNREACH", 101),
    ("ENETRESET", 102),
    ("ECONNABORTED", 103),
    ("ECONNRESET", 104),
    ("ENOBUFS", 105),
    ("EISCONN", 106),
    ("ENOTCONN", 107),
    ("ESHUTDOWN", 108),
    ("ETIMEDOUT", 110),
    ("ECONNREFUSED", 111),
    ("EHOSTDOWN", 112),
    ("EHOSTUNREACH", 113),
    ("EALREADY", 114),
    ("EINPROGRESS", 115),
];
