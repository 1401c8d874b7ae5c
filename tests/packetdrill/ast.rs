//! A script as a value. TCP segments have the same shape in a script and on the wire; only the numbers differ, and
//! `numbers` translates those.

use alloc::rc::Rc;
use core::fmt;

/// What is wrong with a script, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScriptError {
    pub(crate) line: usize,
    pub(crate) message: String,
}

#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) options: Vec<Setting>,
    pub(crate) init: Option<Block>,
    pub(crate) events: Vec<Event>,
    pub(crate) cleanup: Option<Block>,
}

/// `--name=value`, or `-D name=value`.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) line: usize,
    pub(crate) is_definition: bool,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// The text between two back quotes, or between `%{` and `}%`.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Where the text begins.
    pub(crate) line: usize,
    pub(crate) text: String,
}

#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) line: usize,
    pub(crate) time: Time,
    pub(crate) action: Action,
    /// As written, without the time.
    pub(crate) text: String,
}

/// When an event happens, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    /// `*`
    Any,
    /// `1.5` or `+.5`
    At(Moment),
    /// `+.1~+.2`
    Window(Moment, Moment),
    /// `+0...1.5`: a call that blocks until the second moment, which counts from the same base as the first.
    Span(Moment, Moment),
}

/// Microseconds from the start of the script, or from the previous event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) relative: bool,
    pub(crate) micros: u64,
}

#[derive(Debug)]
pub(crate) enum Action {
    Inbound(Packet),
    Outbound(Packet),
    Call(Rc<Call>),
    Command(Block),
    Code(Block),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) ip: IpInfo,
    /// Source and destination, if written.
    pub(crate) ports: Option<(u16, u16)>,
    pub(crate) body: Body,
}

/// What `[...]` before a packet says of its IP header; what is absent is not checked, and 0 when sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct IpInfo {
    pub(crate) ecn: Option<Ecn>,
    pub(crate) tos: Option<u8>,
    pub(crate) ttl: Option<u8>,
    pub(crate) flow_label: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ecn {
    /// These two bits.
    Bits(u8),
    /// `ect01`: either of the two that mean "capable".
    EitherCapable,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Tcp(Tcp),
    Icmp(Icmp),
}

impl Default for Body {
    fn default() -> Self {
        Self::Tcp(Tcp::default())
    }
}

/// A segment. Its payload is `len` zero bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tcp {
    pub(crate) flags: Flags,
    pub(crate) seq: u32,
    pub(crate) len: u32,
    /// `None` if the ACK flag is off and the field zero.
    pub(crate) ack: Option<u32>,
    pub(crate) window: Option<u16>,
    pub(crate) urgent: Option<u16>,
    /// `None` is `<...>`: whatever there may be.
    pub(crate) options: Option<Vec<TcpOption>>,
}

/// The nine control bits as they stand in the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(pub(crate) u16);

impl Flags {
    pub(crate) const FIN: u16 = 0x001;
    pub(crate) const SYN: u16 = 0x002;
    pub(crate) const PSH: u16 = 0x008;
    pub(crate) const ACK: u16 = 0x010;
    pub(crate) const CWR: u16 = 0x080;
    /// Letters, in the order in which they are written.
    pub(crate) const LETTERS: [(char, u16); 9] = [
        ('F', Self::FIN),
        ('S', Self::SYN),
        ('R', 0x004),
        ('P', Self::PSH),
        ('U', 0x020),
        ('E', 0x040),
        ('W', Self::CWR),
        ('A', 0x100),
        ('.', Self::ACK),
    ];

    pub(crate) const fn has(self, bit: u16) -> bool {
        self.0 & bit != 0
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TcpOption {
    Mss(u16),
    WindowScale(u8),
    SackPermitted,
    Sack(Vec<(u32, u32)>),
    Timestamps {
        val: u32,
        ecr: u32,
    },
    Nop,
    End,
    /// RFC 7413; `experimental` is the form with a magic number.
    FastOpen {
        experimental: bool,
        cookie: Vec<u8>,
    },
    Md5(Vec<u8>),
    /// Accurate ECN: the kind, and three counters of 24 bits, as many as are there.
    AccEcn {
        kind: u8,
        counters: Vec<u32>,
    },
    Unknown {
        kind: u8,
        body: Vec<u8>,
    },
}

/// An ICMP error, or too-big message, about one of our segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Icmp {
    pub(crate) kind: String,
    pub(crate) code: Option<String>,
    pub(crate) mtu: u32,
    /// Sequence number and length of the quoted segment.
    pub(crate) quoted: Option<(u32, u32)>,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) args: Vec<Expr>,
    /// `None`: not written, or `...`.
    pub(crate) result: Option<Expr>,
    pub(crate) errno: Option<String>,
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expr {
    /// `...`: the interpreter supplies it.
    Any,
    Int(i64),
    Word(String),
    Text(String),
    Or(Vec<Self>),
    List(Vec<Self>),
    /// `{...}`: fields with a name and values without.
    Struct(Vec<Self>),
    /// `htons(80)`
    Apply(String, Vec<Self>),
    /// `name=value`, or `name(size)=value`.
    Field(String, Box<Self>),
}

impl ScriptError {
    pub(crate) fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}
