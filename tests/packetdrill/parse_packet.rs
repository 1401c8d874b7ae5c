//! Packets: `< S 0:0(0) win 1000 <mss 1460>`, `> [ect0] P. 1:11(10) ack 1`, `< icmp unreachable [1:101(100)]`.

use crate::ast::{Body, Ecn, Flags, Icmp, IpInfo, Packet, ScriptError, Tcp, TcpOption};
use crate::lexer::Cursor;

/// A packet, its direction included.
pub(crate) fn packet(cursor: &mut Cursor<'_>) -> Result<Packet, ScriptError> {
    let inbound = cursor.eat("<")?;
    if !inbound {
        cursor.expect(">")?;
    }
    let ip = ip_info(cursor)?;
    let ports = ports(cursor)?;
    if cursor.eat_word("udp")? {
        return Err(cursor.error("not supported: a UDP packet"));
    }
    let body = if cursor.eat_word("icmp")? { Body::Icmp(icmp(cursor)?) } else { Body::Tcp(tcp(cursor, inbound)?) };
    Ok(Packet { ip, ports, body })
}

/// `[ect0]`, `(flowlabel 0x1, ttl 5)`, or nothing.
fn ip_info(cursor: &mut Cursor<'_>) -> Result<IpInfo, ScriptError> {
    let mut ip = IpInfo::default();
    let close = if cursor.eat("[")? {
        "]"
    } else if cursor.eat("(")? {
        ")"
    } else {
        return Ok(ip);
    };
    while !cursor.eat(close)? {
        let start = *cursor;
        match cursor.word()? {
            Some("noecn") => ip.ecn = Some(Ecn::Bits(0)),
            Some("ect1") => ip.ecn = Some(Ecn::Bits(1)),
            Some("ect0") => ip.ecn = Some(Ecn::Bits(2)),
            Some("ce") => ip.ecn = Some(Ecn::Bits(3)),
            Some("ect01") => ip.ecn = Some(Ecn::EitherCapable),
            Some("tos") => ip.tos = Some(cursor.number()?),
            Some("ttl") => ip.ttl = Some(cursor.number()?),
            Some("flowlabel") => ip.flow_label = Some(cursor.number()?),
            _ => return Err(start.expected("noecn, ect0, ect1, ect01, ce, tos, ttl or flowlabel")),
        }
        cursor.eat(",")?;
    }
    Ok(ip)
}

/// `8080 > 40000`, or nothing.
fn ports(cursor: &mut Cursor<'_>) -> Result<Option<(u16, u16)>, ScriptError> {
    let mut ahead = *cursor;
    if ahead.run(|c| c.is_ascii_digit())?.is_empty() || !ahead.eat(">")? {
        return Ok(None);
    }
    let source = cursor.number()?;
    cursor.expect(">")?;
    Ok(Some((source, cursor.number()?)))
}

fn tcp(cursor: &mut Cursor<'_>, inbound: bool) -> Result<Tcp, ScriptError> {
    let start = *cursor;
    let flags = flags(cursor)?;
    let (seq, len) = sequence(cursor)?;
    let ack = if cursor.eat_word("ack")? { Some(number32(cursor)?) } else { None };
    if ack.is_none() && flags.has(Flags::ACK) {
        return Err(start.error("the flag `.` without `ack N`"));
    }
    let window = if cursor.eat_word("win")? { Some(cursor.number()?) } else { None };
    let urgent = if cursor.eat_word("urg")? { Some(cursor.number()?) } else { None };
    let options = if starts_options(cursor)? { options(cursor)? } else { Some(Vec::new()) };
    if inbound && options.is_none() {
        return Err(start.error("`<...>` says nothing about a packet to inject"));
    }
    Ok(Tcp { flags, seq, len, ack, window, urgent, options })
}

/// Letters, `.` for ACK, a digit for the three bits of accurate ECN, `-` for none at all.
fn flags(cursor: &mut Cursor<'_>) -> Result<Flags, ScriptError> {
    let start = *cursor;
    let written = cursor.run(|c| !c.is_whitespace())?;
    let mut flags = 0;
    for c in if written == "-" { "" } else { written }.chars() {
        let letter = Flags::LETTERS.iter().find(|(letter, _)| *letter == c);
        flags |= match (letter, c.to_digit(8)) {
            (Some((_, bit)), _) => *bit,
            (None, Some(ace)) => (ace as u16) << 6,
            (None, None) => return Err(start.expected("TCP flags")),
        };
    }
    if written.is_empty() { Err(start.expected("TCP flags")) } else { Ok(Flags(flags)) }
}

/// `start:end(len)`.
fn sequence(cursor: &mut Cursor<'_>) -> Result<(u32, u32), ScriptError> {
    let start = *cursor;
    let seq = number32(cursor)?;
    cursor.expect(":")?;
    let end = number32(cursor)?;
    cursor.expect("(")?;
    let len: u32 = cursor.number()?;
    cursor.expect(")")?;
    if seq.wrapping_add(len) != end {
        return Err(start.error(format!("{seq} and {len} bytes do not end at {end}")));
    }
    if len > PAYLOAD_MAX { Err(start.error(format!("{len} bytes are no packet"))) } else { Ok((seq, len)) }
}

/// A sequence number.
fn number32(cursor: &mut Cursor<'_>) -> Result<u32, ScriptError> {
    cursor.number()
}

/// Whether options follow, and not the next event's time.
fn starts_options(cursor: &mut Cursor<'_>) -> Result<bool, ScriptError> {
    Ok(cursor.peek()? == Some('<'))
}

/// `<mss 1460,nop,wscale 7>`; `None` for `<...>`.
fn options(cursor: &mut Cursor<'_>) -> Result<Option<Vec<TcpOption>>, ScriptError> {
    cursor.expect("<")?;
    if cursor.eat("...")? {
        cursor.expect(">")?;
        return Ok(None);
    }
    let mut options = Vec::new();
    while !cursor.eat(">")? {
        options.push(option(cursor)?);
        if !cursor.eat(",")? {
            cursor.expect(">")?;
            break;
        }
    }
    Ok(Some(options))
}

fn option(cursor: &mut Cursor<'_>) -> Result<TcpOption, ScriptError> {
    let start = *cursor;
    Ok(match cursor.word()? {
        Some("mss") => TcpOption::Mss(cursor.number()?),
        Some("wscale") => TcpOption::WindowScale(cursor.number()?),
        Some("sackOK") => TcpOption::SackPermitted,
        Some("nop") => TcpOption::Nop,
        Some("eol") => TcpOption::End,
        Some("TS") => timestamps(cursor)?,
        Some("sack") => sack(cursor)?,
        Some("FO") => TcpOption::FastOpen { experimental: false, cookie: hex(cursor)? },
        Some("FOEXP") => TcpOption::FastOpen { experimental: true, cookie: hex(cursor)? },
        Some("md5") => TcpOption::Md5(hex(cursor)?),
        Some("ECN") => accurate_ecn(cursor)?,
        _ => return Err(start.expected("a TCP option")),
    })
}

fn timestamps(cursor: &mut Cursor<'_>) -> Result<TcpOption, ScriptError> {
    if !cursor.eat_word("val")? {
        return Err(cursor.expected("val"));
    }
    let val = cursor.number()?;
    if !cursor.eat_word("ecr")? {
        return Err(cursor.expected("ecr"));
    }
    Ok(TcpOption::Timestamps { val, ecr: cursor.number()? })
}

fn sack(cursor: &mut Cursor<'_>) -> Result<TcpOption, ScriptError> {
    let mut blocks = Vec::new();
    while cursor.peek()?.is_some_and(|c| c.is_ascii_digit()) {
        let start = number32(cursor)?;
        cursor.expect(":")?;
        blocks.push((start, number32(cursor)?));
    }
    if blocks.is_empty() { Err(cursor.expected("a SACK block")) } else { Ok(TcpOption::Sack(blocks)) }
}

/// Bytes in hexadecimal, perhaps none.
fn hex(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, ScriptError> {
    let start = *cursor;
    let digits = cursor.run(|c| c.is_ascii_hexdigit())?.as_bytes();
    let value = |digit: u8| (digit as char).to_digit(16).unwrap_or(0) as u8;
    if digits.len() % 2 != 0 || digits.len() > 2 * OPTION_BODY_MAX {
        return Err(start.expected("whole bytes that fit an option"));
    }
    Ok(digits.chunks(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect())
}

/// `ECN e1b 1 ceb 0 e0b 1`: the order of the first two decides the kind (RFC 9768 3.2.3).
fn accurate_ecn(cursor: &mut Cursor<'_>) -> Result<TcpOption, ScriptError> {
    let mut names = Vec::new();
    let mut counters = Vec::new();
    while let Some(name) = cursor.word()? {
        if !["e0b", "e1b", "ceb"].contains(&name) || counters.len() == 3 {
            return Err(cursor.expected("e0b, e1b or ceb"));
        }
        names.push(name);
        counters.push(cursor.number::<u32>()? & 0x00ff_ffff);
    }
    let kind = if names.first() == Some(&"e1b") { ACC_ECN_ORDER_1 } else { ACC_ECN_ORDER_0 };
    Ok(TcpOption::AccEcn { kind, counters })
}

fn icmp(cursor: &mut Cursor<'_>) -> Result<Icmp, ScriptError> {
    let kind = cursor.word()?.ok_or_else(|| cursor.expected("an ICMP type"))?.to_owned();
    let mut icmp = Icmp { kind, code: None, mtu: 0, quoted: None };
    if !cursor.eat_word("mtu")? {
        icmp.code = cursor.word()?.map(str::to_owned);
        if !(icmp.code.is_some() && cursor.eat_word("mtu")?) {
            icmp.quoted = quoted(cursor)?;
            return Ok(icmp);
        }
    }
    icmp.mtu = cursor.number()?;
    icmp.quoted = quoted(cursor)?;
    Ok(icmp)
}

fn quoted(cursor: &mut Cursor<'_>) -> Result<Option<(u32, u32)>, ScriptError> {
    if !cursor.eat("[")? {
        return Ok(None);
    }
    let quoted = sequence(cursor)?;
    cursor.expect("]")?;
    Ok(Some(quoted))
}

/// As much as an IPv4 packet holds beside its headers.
const PAYLOAD_MAX: u32 = 65_535 - 40;
/// As many bytes as an option can carry beside its kind and length.
const OPTION_BODY_MAX: usize = 38;
/// RFC 9768 3.2.3.
pub(crate) const ACC_ECN_ORDER_0: u8 = 172;
pub(crate) const ACC_ECN_ORDER_1: u8 = 174;
