//! `setsockopt` and `getsockopt`: each option under its name, with Linux's units and what Linux reads back.

use super::{Host, Kind, Outcome, Sockets, arg, check_output, done, eval, failed, field, ignored};
use crate::ast::{Call, Expr};
use crate::constants;
use longhaul::liveness::handshake::{defer_accept_retransmits, defer_accept_secs};
use longhaul::options::{Options, OutOfRange, TcpKeepalive};
use longhaul::time::Duration;

/// What may stand in the way of an option.
enum Refusal {
    /// Linux refuses the value: EINVAL.
    Invalid,
    /// The script cannot be run.
    Script(String),
}

impl From<OutOfRange> for Refusal {
    fn from(_: OutOfRange) -> Self {
        Self::Invalid
    }
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self::Script(message)
    }
}

impl Sockets {
    pub(super) fn setsockopt(&mut self, host: &mut Host, call: &Call) -> Result<Outcome, String> {
        let name = option_name(call)?;
        let value = arg(call, 3)?;
        if ignored::is_known(name) {
            return self.ignore_option(call, name, value);
        }
        let Some(socket) = self.get(call)? else { return failed("EBADF") };
        if let Kind::Conn { id, .. } = socket.kind {
            let mut conn = host.stack.conn(id).ok_or("the connection is gone")?;
            if name == "TCP_QUICKACK" {
                conn.set_tcp_quickack(single(value)? != 0);
                return done(0);
            }
            if name == "TCP_NODELAY" {
                // It sends what was held back even if it was on.
                conn.set_tcp_nodelay(host.now, single(value)? != 0);
                return done(0);
            }
            if name == "TCP_KEEPIDLE" {
                // It re-arms even if the time is what it was, which replacing all options would not show.
                let secs = u64::try_from(single(value)?).unwrap_or(0);
                let outcome = conn.set_tcp_keepidle(host.now, Duration::from_secs(secs));
                return if outcome.is_ok() { done(0) } else { failed("EINVAL") };
            }
            socket.options = conn.options();
        }
        let options = match with_option(socket.options, name, value) {
            Ok(options) => options,
            Err(Refusal::Invalid) => return failed("EINVAL"),
            Err(Refusal::Script(message)) => return Err(message),
        };
        socket.options = options;
        let now = host.now;
        match socket.kind {
            Kind::Fresh => {}
            Kind::Listener(id) => host.stack.set_listener_options(id, options),
            Kind::Conn { id, .. } => {
                host.stack.conn(id).ok_or("the connection is gone")?.set_options(now, options);
            }
        }
        done(0)
    }

    /// An option that changes nothing here: its value is remembered, if it is one that asks for nothing more.
    fn ignore_option(&mut self, call: &Call, name: &str, value: &Expr) -> Result<Outcome, String> {
        let value = single(value)?;
        ignored::check(name, value)?;
        self.fast_open |= name == "TCP_FASTOPEN" && value != 0;
        self.fragments |= name == "IP_MTU_DISCOVER" && value == 0;
        let Some(socket) = self.get(call)? else { return failed("EBADF") };
        socket.ignored.insert(name.to_owned(), value);
        done(0)
    }

    pub(super) fn getsockopt(&mut self, host: &mut Host, call: &Call) -> Result<Outcome, String> {
        let name = option_name(call)?;
        let expected = arg(call, 3)?;
        let Some(socket) = self.get(call)? else { return failed("EBADF") };
        if ignored::is_known(name) {
            let value = socket.ignored.get(name).copied().unwrap_or(ignored::initial(name));
            return check_output(expected, value).and_then(|()| done(0));
        }
        let mut options = socket.options;
        let mut mss = None;
        if let Kind::Conn { id, .. } = socket.kind {
            let now = host.now;
            let mut conn = host.stack.conn(id).ok_or("the connection is gone")?;
            options = conn.options();
            mss = Some(i64::from(conn.info(now).snd_mss));
            if name == "SO_ERROR" {
                let error = conn.take_error().map_or(0, |error| i64::from(error.errno().raw()));
                return check_output(expected, error).and_then(|()| done(0));
            }
        }
        if name == "SO_LINGER" {
            return check_linger(expected, options).and_then(|()| done(0));
        }
        if name == "TCP_CONGESTION" {
            let control = options.tcp_congestion(&host.stack.config().sysctl).to_string();
            return check_text(expected, &control).and_then(|()| done(0));
        }
        let value = match name {
            "SO_ERROR" => 0,
            "TCP_MAXSEG" => mss.unwrap_or_else(|| options.tcp_maxseg().map_or(536, i64::from)),
            _ => read_option(&options, host, name)?,
        };
        check_output(expected, value).and_then(|()| done(0))
    }
}

/// The option's name, its level being right.
fn option_name(call: &Call) -> Result<&str, String> {
    let (Expr::Word(level), Expr::Word(name)) = (arg(call, 1)?, arg(call, 2)?) else {
        return Err(format!("{}: level and option must be names", call.name));
    };
    if ignored::is_missing(name) {
        return Err(format!("not supported: {name}"));
    }
    let fits = match level.as_str() {
        "SOL_SOCKET" => name.starts_with("SO_"),
        "SOL_TCP" | "IPPROTO_TCP" => name.starts_with("TCP_"),
        "SOL_IP" | "IPPROTO_IP" => name.starts_with("IP_"),
        "SOL_IPV6" | "IPPROTO_IPV6" => name.starts_with("IPV6_"),
        _ => false,
    };
    if fits { Ok(name) } else { Err(format!("unknown option `{level}, {name}`")) }
}

/// `options`, changed.
fn with_option(options: Options, name: &str, value: &Expr) -> Result<Options, Refusal> {
    if name == "SO_LINGER" {
        let Expr::Struct(fields) = value else { return Err("SO_LINGER: {onoff=, linger=} expected".to_owned().into()) };
        let part = |name: &str| field(fields, name).map_or(Err(format!("SO_LINGER: no {name}")), eval);
        let linger = Duration::from_secs(part("linger")?.unsigned_abs());
        return Ok(options.with_linger((part("onoff")? != 0).then_some(linger)));
    }
    if name == "TCP_CONGESTION" {
        let Expr::Text(text) = value else { return Err("TCP_CONGESTION: a name expected".to_owned().into()) };
        let control = text.parse().map_err(|_| format!("not supported: {name} \"{text}\""))?;
        return Ok(options.with_tcp_congestion(Some(control)));
    }
    let value = single(value)?;
    let unsigned = u32::try_from(value);
    let positive = || unsigned.map_err(|_| Refusal::Invalid);
    let seconds = || positive().map(|secs| Duration::from_secs(u64::from(secs)));
    let keepalive = TcpKeepalive::new();
    Ok(match name {
        "SO_KEEPALIVE" => options.with_keepalive(value != 0),
        "SO_SNDBUF" => options.with_send_buffer_size(positive()?),
        "SO_RCVBUF" => options.with_recv_buffer_size(positive()?),
        "IP_RECVERR" => options.with_ip_recverr(value != 0),
        "IP_TOS" | "IPV6_TCLASS" | "IP_TTL" | "IPV6_UNICAST_HOPS" => {
            let mut options = options;
            let value = i32::try_from(value).map_err(|_| Refusal::Invalid)?;
            options.set(name, value).expect("a name of ours")?;
            options
        }
        "TCP_NODELAY" => options.with_tcp_nodelay(value != 0),
        "TCP_CORK" => options.with_tcp_cork(value != 0),
        "TCP_KEEPIDLE" => options.with_tcp_keepalive(&keepalive.with_time(seconds()?))?,
        "TCP_KEEPINTVL" => options.with_tcp_keepalive(&keepalive.with_interval(seconds()?))?,
        "TCP_KEEPCNT" => options.with_tcp_keepalive(&keepalive.with_retries(positive()?))?,
        "TCP_USER_TIMEOUT" => {
            let limit = Some(positive()?).filter(|&millis| millis != 0);
            options.with_tcp_user_timeout(limit.map(|millis| Duration::from_millis(u64::from(millis))))?
        }
        "TCP_SYNCNT" => options.with_tcp_syncnt(positive()?)?,
        "TCP_LINGER2" => options.with_tcp_linger2(i32::try_from(value).map_err(|_| Refusal::Invalid)?),
        "TCP_DEFER_ACCEPT" => {
            let secs = u32::try_from(value.max(0)).map_err(|_| Refusal::Invalid)?;
            options.with_defer_accept_periods(defer_accept_retransmits(secs))
        }
        "TCP_MAXSEG" => options.with_tcp_maxseg(positive()?)?,
        "TCP_NOTSENT_LOWAT" => options.with_tcp_notsent_lowat((value as i32).cast_unsigned()),
        "TCP_WINDOW_CLAMP" => options.with_tcp_window_clamp(positive()?),
        "TCP_DELACK_MAX_US" => options.with_tcp_delack_max_us(positive()?)?,
        "TCP_RTO_MAX_MS" => options.with_tcp_rto_max_ms(positive()?)?,
        "TCP_RTO_MIN_US" => options.with_tcp_rto_min_us(positive()?)?,
        "TCP_THIN_LINEAR_TIMEOUTS" if (0..=1).contains(&value) => options.with_tcp_thin_linear_timeouts(value != 0),
        "TCP_THIN_LINEAR_TIMEOUTS" => return Err(Refusal::Invalid),
        _ => return Err(format!("unknown option `{name}`").into()),
    })
}

/// What `getsockopt` reads back.
fn read_option(options: &Options, host: &Host, name: &str) -> Result<i64, String> {
    let sysctl = &host.stack.config().sysctl;
    Ok(match name {
        "SO_KEEPALIVE" => i64::from(options.keepalive()),
        "SO_SNDBUF" => i64::from(options.send_buffer_size(sysctl)),
        "SO_RCVBUF" => 2 * i64::from(options.window_bytes(sysctl)),
        "IP_RECVERR" => i64::from(options.ip_recverr()),
        "IP_TOS" | "IPV6_TCLASS" | "IP_TTL" | "IPV6_UNICAST_HOPS" => options.get(name, sysctl).map_or(0, i64::from),
        "TCP_NODELAY" => i64::from(options.tcp_nodelay()),
        "TCP_CORK" => i64::from(options.tcp_cork()),
        "TCP_KEEPIDLE" => options.keepalive_time(sysctl).as_secs().cast_signed(),
        "TCP_KEEPINTVL" => options.keepalive_interval(sysctl).as_secs().cast_signed(),
        "TCP_KEEPCNT" => i64::from(options.keepalive_retries(sysctl)),
        "TCP_USER_TIMEOUT" => options.tcp_user_timeout().map_or(0, |limit| limit.as_millis() as i64),
        "TCP_SYNCNT" => i64::from(options.syn_retries(sysctl)),
        "TCP_LINGER2" => options.fin_timeout(sysctl).map_or(-1, |timeout| timeout.as_secs().cast_signed()),
        "TCP_DEFER_ACCEPT" => i64::from(defer_accept_secs(options.defer_accept_periods())),
        "TCP_NOTSENT_LOWAT" => i64::from(options.tcp_notsent_lowat()),
        "TCP_WINDOW_CLAMP" => options.tcp_window_clamp().map_or(0, i64::from),
        "TCP_DELACK_MAX_US" => i64::from(options.tcp_delack_max_us()),
        "TCP_RTO_MAX_MS" => options.rto_max(sysctl).as_millis() as i64,
        "TCP_RTO_MIN_US" => i64::from(options.rto_min_us(sysctl)),
        "TCP_THIN_LINEAR_TIMEOUTS" => i64::from(options.tcp_thin_linear_timeouts()),
        _ => return Err(format!("unknown option `{name}`")),
    })
}

fn check_text(expected: &Expr, got: &str) -> Result<(), String> {
    match expected {
        Expr::Text(text) if text == got => Ok(()),
        Expr::Text(text) => Err(format!("value: expected \"{text}\", got \"{got}\"")),
        _ => Err("a name expected".into()),
    }
}

fn check_linger(expected: &Expr, options: Options) -> Result<(), String> {
    let Expr::Struct(fields) = expected else { return Err("SO_LINGER: {onoff=, linger=} expected".into()) };
    let linger = options.linger();
    let seconds = linger.map_or(0, |linger| linger.as_secs().cast_signed());
    for (name, actual) in [("onoff", i64::from(linger.is_some())), ("linger", seconds)] {
        let expected = field(fields, name).map_or(Ok(actual), eval)?;
        if expected != actual {
            return Err(format!("{name}: expected {expected}, got {actual}"));
        }
    }
    Ok(())
}

/// The value in `[value]`.
pub(super) fn single(value: &Expr) -> Result<i64, String> {
    match value {
        Expr::List(items) if items.len() == 1 => match &items[0] {
            Expr::Word(name) => constants::value(name).ok_or_else(|| format!("not supported: the value {name}")),
            item => eval(item),
        },
        _ => Err("[value] expected".into()),
    }
}
