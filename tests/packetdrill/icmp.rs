//! The names that scripts give to ICMP messages.

use crate::ast::Icmp;

/// The first eight bytes, checksum zero.
pub(crate) fn head(icmp: &Icmp, v4: bool) -> Result<[u8; 8], String> {
    let (kinds, codes) = if v4 { (V4_TYPES, V4_CODES) } else { (V6_TYPES, V6_CODES) };
    let find = |table: &[(&str, u8)], name: &str, what: &str| {
        let row = table.iter().find(|(known, _)| *known == name);
        row.map(|(_, value)| *value).ok_or_else(|| format!("unknown ICMP {what} `{name}`"))
    };
    let kind = find(kinds, &icmp.kind, "type")?;
    let code = icmp.code.as_deref().map_or(Ok(0), |name| find(codes, name, "code"))?;
    let [a, b, c, d] = icmp.mtu.to_be_bytes();
    if v4 && (a, b) != (0, 0) {
        return Err(format!("an MTU of {} does not fit", icmp.mtu));
    }
    Ok([kind, code, 0, 0, a, b, c, d])
}

const V4_TYPES: &[(&str, u8)] =
    &[("unreachable", 3), ("source_quench", 4), ("time_exceeded", 11), ("parameter_problem", 12)];

const V4_CODES: &[(&str, u8)] = &[
    ("net_unreachable", 0),
    ("host_unreachable", 1),
    ("protocol_unreachable", 2),
    ("port_unreachable", 3),
    ("frag_needed", 4),
    ("source_route_failed", 5),
    ("net_unknown", 6),
    ("host_unknown", 7),
    ("source_host_isolated", 8),
    ("net_prohibited", 9),
    ("host_prohibited", 10),
    ("net_unreachable_for_tos", 11),
    ("host_unreachable_for_tos", 12),
    ("packet_filtered", 13),
    ("precedence_violation", 14),
    ("precedence_cutoff", 15),
];

const V6_TYPES: &[(&str, u8)] =
    &[("unreachable", 1), ("packet_too_big", 2), ("time_exceeded", 3), ("parameter_problem", 4)];

const V6_CODES: &[(&str, u8)] = &[
    ("no_route", 0),
    ("net_unreachable", 0),
    ("admin_prohibited", 1),
    ("not_neighbour", 2),
    ("address_unreachable", 3),
    ("host_unreachable", 3),
    ("port_unreachable", 4),
];
