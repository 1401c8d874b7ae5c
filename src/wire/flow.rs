//! Who talks to whom: addresses and ports, as a user names them and as the stack stores them.
//!
//! Which addresses may appear at all is RFC 9293 3.9.2.3 and, for what the wire may not carry, RFC 1122 3.2.1.3 and
//! RFC 4291 2.5; the tests follow Linux's `ip_route_input_slow` and `ip6_rcv_core`.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The two ends of a connection, seen from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's address and port.
    pub remote: SocketAddr,
}

/// A [`Flow`] packed into 36 bytes: IPv4 addresses are held as IPv4-mapped IPv6 ones; scope and flow label are dropped.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowKey {
    local: [u8; 16],
    remote: [u8; 16],
    local_port: u16,
    remote_port: u16,
}

impl FlowKey {
    /// The packed bytes, for hashing: both addresses, then both ports in network order.
    pub fn to_bytes(&self) -> [u8; 36] {
        let mut bytes = [0; 36];
        bytes[..16].copy_from_slice(&self.local);
        bytes[16..32].copy_from_slice(&self.remote);
        bytes[32..34].copy_from_slice(&self.local_port.to_be_bytes());
        bytes[34..].copy_from_slice(&self.remote_port.to_be_bytes());
        bytes
    }

    /// Whether both ends are IPv4.
    pub fn is_ipv4(&self) -> bool {
        is_mapped(Ipv6Addr::from(self.local)) && is_mapped(Ipv6Addr::from(self.remote))
    }
}

impl From<Flow> for FlowKey {
    fn from(flow: Flow) -> Self {
        let octets = |address: IpAddr| match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        Self {
            local: octets(flow.local.ip()),
            remote: octets(flow.remote.ip()),
            local_port: flow.local.port(),
            remote_port: flow.remote.port(),
        }
    }
}

impl From<FlowKey> for Flow {
    fn from(key: FlowKey) -> Self {
        let address = |octets: [u8; 16]| Ipv6Addr::from(octets).to_canonical();
        Self {
            local: SocketAddr::new(address(key.local), key.local_port),
            remote: SocketAddr::new(address(key.remote), key.remote_port),
        }
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flow = Flow::from(*self);
        write!(f, "{} > {}", flow.local, flow.remote)
    }
}

/// Whether packets to or from `address` may be a TCP connection's: neither unspecified (all of 0.0.0.0/8), broadcast
/// nor multicast (RFC 9293 3.9.2.3 [MUST-57] [MUST-63]).
///
/// A subnet's own broadcast address passes: only the stack knows its prefixes, and it answers to its own addresses
/// alone.
pub fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.octets()[0] == 0 || v4.is_multicast() || v4 == Ipv4Addr::BROADCAST),
        IpAddr::V6(v6) => !(v6.is_unspecified() || v6.is_multicast()),
    }
}

/// Whether `address` may stand in a packet that came from outside: unicast, not loopback, and not IPv4 dressed as IPv6.
///
/// The last would let an IPv6 packet claim the [`FlowKey`] of an IPv4 connection.
pub(super) fn belongs_on_wire(address: IpAddr) -> bool {
    is_unicast(address) && !address.is_loopback() && !matches!(address, IpAddr::V6(v6) if is_mapped(v6))
}

fn is_mapped(address: Ipv6Addr) -> bool {
    address.to_ipv4_mapped().is_some()
}

const _: () = assert!(size_of::<FlowKey>() == 36);

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_flow_survives_packing_in_both_families() {
        for (local, remote) in [("192.0.2.1:80", "198.51.100.7:65535"), ("[2001:db8::1]:1", "[2001:db8::2]:443")] {
            let flow = Flow { local: local.parse().unwrap(), remote: remote.parse().unwrap() };
            let key = FlowKey::from(flow);
            assert_eq!(Flow::from(key), flow);
            assert_eq!(key.is_ipv4(), flow.local.is_ipv4());
        }
    }

    #[test]
    fn a_packed_flow_is_its_addresses_and_then_its_ports_in_network_order() {
        let flow = Flow { local: "[1::2]:772".parse().unwrap(), remote: "1.2.3.4:1286".parse().unwrap() };
        let mut bytes = [0; 36];
        bytes[1] = 1;
        bytes[15] = 2;
        bytes[26..32].copy_from_slice(&[0xff, 0xff, 1, 2, 3, 4]);
        bytes[32..].copy_from_slice(&[3, 4, 5, 6]);
        assert_eq!(FlowKey::from(flow).to_bytes(), bytes);
        assert!(!FlowKey::from(flow).is_ipv4(), "one IPv6 end is enough");
    }

    #[test]
    fn only_single_hosts_are_unicast() {
        for host in ["1.0.0.1", "10.255.255.255", "127.0.0.1", "240.0.0.1", "::1", "fe80::1", "2001:db8::1"] {
            assert!(is_unicast(address(host)), "{host}");
        }
        for group in ["0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "255.255.255.255", "::", "ff02::1"] {
            assert!(!is_unicast(address(group)) && !belongs_on_wire(address(group)), "{group}");
        }
    }

    #[test]
    fn loopback_and_mapped_addresses_stay_off_the_wire() {
        for local in ["127.0.0.1", "127.255.255.254", "::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1"] {
            assert!(!belongs_on_wire(address(local)), "{local}");
        }
        assert!(belongs_on_wire(address("10.0.0.1")) && belongs_on_wire(address("2001:db8::1")));
    }
}
