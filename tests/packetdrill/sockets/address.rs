//! Addresses in calls: `...`, or a struct that spells out what the interpreter would have chosen.

use super::{PORT, eval, field};
use crate::ast::Expr;
use core::net::IpAddr;

/// The port of an address; its host must be `host`, or none in particular.
pub(super) fn port(address: &Expr, host: IpAddr) -> Result<u16, String> {
    let fields = match address {
        Expr::Any => return Ok(PORT),
        Expr::Struct(fields) => fields,
        Expr::Word(word) => return Err(format!("not supported: an address of {word}")),
        _ => return Err("an address expected: `...` or {sa_family=..., ...}".into()),
    };
    let find = |names: &[&str]| names.iter().find_map(|name| field(fields, name));
    if let Some(Expr::Word(family)) = find(&["sa_family", "sin_family", "sin6_family"]) {
        let ours = if host.is_ipv4() { "AF_INET" } else { "AF_INET6" };
        if family != ours {
            return Err(format!("not supported: an address of {family}"));
        }
    }
    if let Some(written) = find(&["sin_addr", "sin6_addr"]) {
        let text = match written {
            Expr::Apply(name, args) if name == "inet_addr" => args.first(),
            Expr::Apply(name, args) if name == "inet_pton" => args.last(),
            _ => None,
        };
        let Some(Expr::Text(text)) = text else { return Err("inet_addr(\"...\") expected".into()) };
        let address: IpAddr = text.parse().map_err(|_| format!("not an address: {text}"))?;
        if address != host && !address.is_unspecified() {
            return Err(format!("not supported: the address {address}"));
        }
    }
    match find(&["sin_port", "sin6_port"]) {
        None => Ok(PORT),
        Some(Expr::Apply(name, args)) if name == "htons" && args.len() == 1 => {
            u16::try_from(eval(&args[0])?).map_err(|_| "a port that is out of range".into())
        }
        Some(_) => Err("htons(PORT) expected".into()),
    }
}
