//! What a scenario says: who opens, what the application does and the peer says when, and how the peer answers.
//!
//! Times count from the mark: the end of the handshake, or its beginning where none is to succeed.

use core::time::Duration;
use longhaul::wire::IcmpKind;

/// One life of a connection, short enough to be watched in a real kernel.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) opening: Opening,
    pub(crate) is_v6: bool,
    /// Options of the peer's SYN: `mss N`, `sackOK`, `TS`, `wscale N`.
    pub(crate) peer: &'static str,
    /// How long the peer takes to answer.
    pub(crate) rtt: Duration,
    /// Names below `net.ipv4`.
    pub(crate) sysctls: Vec<(&'static str, &'static str)>,
    /// Options set before the socket connects or listens.
    pub(crate) before: Vec<Act>,
    pub(crate) acts: Vec<(Duration, Act)>,
    pub(crate) rules: Vec<Rule>,
    /// How long to watch.
    pub(crate) until: Duration,
    /// Timers that ran out, or began to wait, without a packet to show for it; and the wait of each.
    pub(crate) unseen: (u32, Duration),
    /// Whether round trips are alike, so that the RTO is rounded in the same way all along.
    pub(crate) is_steady: bool,
    /// Whether a wait of two ticks is part of it, which are 2 ms here and 2 of its own in a kernel.
    pub(crate) counts_ticks: bool,
    /// Why our stack is known to differ.
    pub(crate) differs: Option<&'static str>,
    /// The first kernel (major, minor) that behaves so.
    pub(crate) since: (u32, u32),
}

/// How the connection comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// The subject connects, and is answered.
    Connect,
    /// The subject connects; the rules say what it hears.
    Call,
    /// The peer connects, and the application accepts.
    Accept,
    /// The peer sends a SYN and leaves the rest to the rules.
    Knock,
}

/// Something done to the subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// The peer sends this, in packetdrill's words, numbers relative.
    Hear(String),
    /// A router reports that the segment at this sequence number was lost.
    Icmp(IcmpKind, u32),
    /// The application accepts the connection.
    Accept,
    Write(usize),
    Read(usize),
    /// `shutdown(SHUT_WR)`.
    Finish,
    Close,
    Keepalive(bool),
    /// In seconds.
    KeepIdle(u32),
    /// In seconds.
    KeepIntvl(u32),
    KeepCnt(u32),
    /// In milliseconds.
    UserTimeout(u32),
    Nodelay(bool),
    /// `SO_LINGER` with zero seconds.
    LingerZero,
    ThinLinear(bool),
}

/// The peer's habit: what it does about a packet of one kind, so many times.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) on: On,
    pub(crate) times: u32,
    pub(crate) reply: Reply,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Syn,
    /// Anything that takes sequence space but no SYN.
    Data,
    /// Empty, left of what was said before: a keepalive or window probe.
    Probe,
}

#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// An ACK of all that came, with this window.
    Ack(u16),
    Text(String),
    Icmp(IcmpKind),
    Nothing,
}

/// As often as it happens.
pub(crate) const ALWAYS: u32 = u32::MAX;

impl Scenario {
    pub(crate) fn new(name: &'static str, opening: Opening) -> Self {
        Self {
            name,
            opening,
            is_v6: false,
            peer: "mss 1460",
            rtt: Duration::ZERO,
            sysctls: Vec::new(),
            before: Vec::new(),
            acts: Vec::new(),
            rules: Vec::new(),
            until: Duration::ZERO,
            unseen: (0, Duration::ZERO),
            is_steady: true,
            counts_ticks: false,
            differs: None,
            since: (0, 0),
        }
    }

    pub(crate) fn peer(self, options: &'static str) -> Self {
        Self { peer: options, ..self }
    }

    pub(crate) fn over_ipv6(self) -> Self {
        Self { is_v6: true, ..self }
    }

    /// The peer connects instead.
    pub(crate) fn accepted(self) -> Self {
        Self { opening: Opening::Accept, ..self }
    }

    pub(crate) fn rtt(self, millis: u64) -> Self {
        Self { rtt: Duration::from_millis(millis), ..self }
    }

    pub(crate) fn sysctl(mut self, name: &'static str, value: &'static str) -> Self {
        self.sysctls.push((name, value));
        self
    }

    pub(crate) fn before(mut self, acts: &[Act]) -> Self {
        self.before.extend_from_slice(acts);
        self
    }

    /// `SO_KEEPALIVE` with idle and interval in seconds.
    pub(crate) fn keepalive(self, idle: u32, intvl: u32, cnt: u32) -> Self {
        self.before(&[Act::Keepalive(true), Act::KeepIdle(idle), Act::KeepIntvl(intvl), Act::KeepCnt(cnt)])
    }

    pub(crate) fn at(mut self, millis: u64, act: Act) -> Self {
        self.acts.push((Duration::from_millis(millis), act));
        self
    }

    /// The peer says this.
    pub(crate) fn hears(self, millis: u64, text: &str) -> Self {
        self.at(millis, Act::Hear(text.to_owned()))
    }

    pub(crate) fn on(mut self, on: On, times: u32, reply: Reply) -> Self {
        self.rules.push(Rule { on, times, reply });
        self
    }

    pub(crate) fn unseen(self, timers: u32, secs: u64) -> Self {
        Self { unseen: (timers, Duration::from_secs(secs)), ..self }
    }

    /// Round trips vary, and the RTO with them.
    pub(crate) fn varying(self) -> Self {
        Self { is_steady: false, ..self }
    }

    /// A wait of it is two ticks long, however long those are.
    pub(crate) fn counting_ticks(self) -> Self {
        Self { counts_ticks: true, ..self }
    }

    pub(crate) fn differs(self, why: &'static str) -> Self {
        Self { differs: Some(why), ..self }
    }

    pub(crate) fn since(self, major: u32, minor: u32) -> Self {
        Self { since: (major, minor), ..self }
    }

    pub(crate) fn until(self, millis: u64) -> Self {
        Self { until: Duration::from_millis(millis), ..self }
    }

    /// The peer's SYN, or its SYN-ACK.
    pub(crate) fn peers_syn(&self) -> String {
        match self.opening {
            Opening::Connect | Opening::Call => format!("S. 0:0(0) ack 1 win 65535 <{}>", self.peer),
            Opening::Accept | Opening::Knock => format!("S 0:0(0) win 65535 <{}>", self.peer),
        }
    }
}
