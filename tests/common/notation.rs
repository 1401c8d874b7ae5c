//! Packetdrill's way to write a segment, read and written: `S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 7>`.

use core::fmt::Write as _;
use longhaul::wire::Flags;

/// A segment as written: numbers are relative.
#[derive(Clone, Debug)]
pub struct Spec {
    pub flags: Flags,
    pub seq: u32,
    pub len: u32,
    pub ack: Option<u32>,
    pub window: Option<u16>,
    pub urgent: u16,
    pub options: OptionsSpec,
}

#[derive(Clone, Debug)]
pub enum OptionsSpec {
    /// `<...>`
    Any,
    /// The text between the brackets, or nothing.
    Exactly(String),
}

/// What relative numbers are relative to.
#[derive(Clone, Copy, Debug)]
pub struct Base {
    /// ISN of who sends the segment.
    pub seq: u32,
    /// ISN of who receives it.
    pub ack: u32,
    /// Origin of the sender's timestamps.
    pub ts_val: u32,
    /// Origin of the timestamps that it echoes.
    pub ts_ecr: u32,
}

impl Spec {
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let (head, options) = match text.split_once('<') {
            Some((head, options)) => (head, options.trim_end().strip_suffix('>').expect("options end with >")),
            None => (text, ""),
        };
        let mut words = head.split_whitespace();
        let flags = flags(words.next().expect("flags"));
        let (seq, len) = range(words.next().expect("seq:end(len)"));
        let mut spec = Self {
            flags,
            seq,
            len,
            ack: None,
            window: None,
            urgent: 0,
            options: if options == "..." { OptionsSpec::Any } else { OptionsSpec::Exactly(options.into()) },
        };
        while let Some(word) = words.next() {
            let value: u32 = number(words.next().expect("a value"));
            match word {
                "ack" => spec.ack = Some(value),
                "win" => spec.window = Some(u16::try_from(value).expect("a raw window")),
                "urg" => spec.urgent = u16::try_from(value).expect("an urgent pointer"),
                _ => panic!("what is {word:?} in {text:?}?"),
            }
        }
        assert_eq!(flags.contains(Flags::ACK), spec.ack.is_some(), "ACK flag and number go together: {text:?}");
        spec
    }
}

fn flags(text: &str) -> Flags {
    text.chars().fold(Flags::NONE, |flags, letter| {
        flags
            | match letter {
                'F' => Flags::FIN,
                'S' => Flags::SYN,
                'R' => Flags::RST,
                'P' => Flags::PSH,
                'U' => Flags::URG,
                'E' => Flags::ECE,
                'W' => Flags::CWR,
                'A' => Flags::AE,
                '.' => Flags::ACK,
                '-' => Flags::NONE,
                _ => panic!("{letter:?} is no flag"),
            }
    })
}

/// `seq:end(len)`; a negative `seq` (of old data) wraps.
fn range(text: &str) -> (u32, u32) {
    let (seq, rest) = text.split_once(':').expect("seq:end(len)");
    let (end, len) = rest.split_once('(').expect("end(len)");
    let (seq, end, len) = (number(seq), number(end), number(len.trim_end_matches(')')));
    assert_eq!(seq.wrapping_add(len), end, "{text:?} does not add up");
    (seq, len)
}

/// A number that may be negative and then wraps.
fn number(text: &str) -> u32 {
    let number = text.parse::<i32>().map(i32::cast_unsigned).or_else(|_| text.parse());
    number.unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// Options as bytes, padded to whole words.
pub fn encode(text: &str, base: &Base, acks: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for option in text.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        let words: Vec<&str> = option.split_whitespace().collect();
        match words[..] {
            ["eol"] => bytes.push(0),
            ["nop"] => bytes.push(1),
            ["mss", mss] => {
                bytes.extend([2, 4]);
                bytes.extend((number(mss) as u16).to_be_bytes());
            }
            ["wscale", shift] => bytes.extend([3, 3, number(shift) as u8]),
            ["sackOK"] => bytes.extend([4, 2]),
            ["TS", "val", val, "ecr", ecr] => {
                bytes.extend([8, 10]);
                bytes.extend(number(val).wrapping_add(base.ts_val).to_be_bytes());
                let echo = if acks { number(ecr).wrapping_add(base.ts_ecr) } else { number(ecr) };
                bytes.extend(echo.to_be_bytes());
            }
            ["sack", ref blocks @ ..] => {
                bytes.extend([5, 2 + 8 * blocks.len() as u8]);
                for (start, end) in blocks.iter().map(|block| block.split_once(':').expect("start:end")) {
                    bytes.extend(number(start).wrapping_add(base.ack).to_be_bytes());
                    bytes.extend(number(end).wrapping_add(base.ack).to_be_bytes());
                }
            }
            ["hex", digits] => {
                let pairs = digits.as_bytes().chunks(2);
                bytes.extend(pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()));
            }
            _ => panic!("what is the option {option:?}?"),
        }
    }
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Options as text, in wire order.
pub fn decode(mut bytes: &[u8], base: &Base, acks: bool) -> String {
    let mut words: Vec<String> = Vec::new();
    while let [kind, rest @ ..] = bytes {
        let len = match kind {
            0 | 1 => 1,
            _ => rest.first().map_or(1, |&len| usize::from(len).max(2)),
        };
        let Some((option, after)) = bytes.split_at_checked(len) else { break };
        bytes = after;
        let word = |at: usize| u32::from_be_bytes(option[at..at + 4].try_into().unwrap());
        words.push(match (kind, len) {
            (0, _) => "eol".into(),
            (1, _) => "nop".into(),
            (2, 4) => format!("mss {}", u16::from_be_bytes([option[2], option[3]])),
            (3, 3) => format!("wscale {}", option[2]),
            (4, 2) => "sackOK".into(),
            (5, len) if len % 8 == 2 => {
                let edge = |at| word(at).wrapping_sub(base.ack);
                (2..len).step_by(8).fold("sack".into(), |text, at| format!("{text} {}:{}", edge(at), edge(at + 4)))
            }
            (8, 10) => {
                let ecr = if acks { word(6).wrapping_sub(base.ts_ecr) } else { word(6) };
                format!("TS val {} ecr {ecr}", word(2).wrapping_sub(base.ts_val))
            }
            _ => option.iter().fold("hex ".into(), |text, byte| format!("{text}{byte:02x}")),
        });
    }
    words.join(",")
}

/// A TCP segment: header, options, payload; checksum of the pseudo header `sum` included.
pub fn build(spec: &Spec, base: &Base, ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let acks = spec.ack.is_some();
    let options = match &spec.options {
        OptionsSpec::Any => panic!("an injected segment says its options"),
        OptionsSpec::Exactly(text) => encode(text, base, acks),
    };
    let mut bytes = Vec::new();
    bytes.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
    bytes.extend(spec.seq.wrapping_add(base.seq).to_be_bytes());
    bytes.extend(spec.ack.map_or(0, |ack| ack.wrapping_add(base.ack)).to_be_bytes());
    let words = (20 + options.len()) as u16 / 4;
    bytes.extend((words << 12 | spec.flags.bits()).to_be_bytes());
    bytes.extend(spec.window.unwrap_or(500).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(spec.urgent.to_be_bytes());
    bytes.extend(options);
    bytes.extend(payload);
    bytes
}

/// A segment off the wire, as text.
pub fn render(tcp: &[u8], base: &Base) -> String {
    let word = |at: usize| u32::from_be_bytes(tcp[at..at + 4].try_into().unwrap());
    let half = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
    let header_len = usize::from(tcp[12] >> 4) * 4;
    let flags = Flags::from_bits(half(12));
    let acks = flags.contains(Flags::ACK);
    let (seq, len) = (word(4).wrapping_sub(base.seq), (tcp.len() - header_len) as u32);
    let mut text = format!("{flags} {}:{}({len})", seq.cast_signed(), seq.wrapping_add(len).cast_signed());
    if acks {
        write!(text, " ack {}", word(8).wrapping_sub(base.ack).cast_signed()).unwrap();
    }
    write!(text, " win {}", half(14)).unwrap();
    if flags.contains(Flags::URG) {
        write!(text, " urg {}", half(18)).unwrap();
    }
    if header_len > 20 {
        write!(text, " <{}>", decode(&tcp[20..header_len], base, acks)).unwrap();
    }
    text
}

/// RFC 1071, over whole bytes.
pub fn sum(parts: &[&[u8]]) -> u16 {
    let bytes: Vec<u8> = parts.concat();
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
