//! Interfaces set up by netlink (rtnetlink(7)): addresses, MTU, and up.
//!
//! Not by ioctl, which would need `unsafe`. Nothing allocates, for a forked child is the caller.

use core::net::{IpAddr, Ipv6Addr};
use std::io;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netdevice, recv, send, socket_with};

use crate::net::tun::Name;

/// Gives interface `name` an address and its network. An IPv6 address [`is_local`] only some time after this.
pub(super) fn add_address(name: &Name, address: IpAddr, prefix_len: u8) -> io::Result<()> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let mut message = Message::new(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
    // struct ifaddrmsg: family, prefix length, flags, scope, index.
    message.push(&[family.as_raw() as u8, prefix_len, 0, 0]);
    message.push(&index(name)?.to_ne_bytes());
    for kind in [IFA_LOCAL, IFA_ADDRESS] {
        match address {
            IpAddr::V4(address) => message.push_attribute(kind, &address.octets()),
            IpAddr::V6(address) => message.push_attribute(kind, &address.octets()),
        }
    }
    message.exchange()
}

/// Sets the MTU of interface `name`, in bytes.
pub(super) fn set_mtu(name: &Name, mtu: u16) -> io::Result<()> {
    let mut message = Message::link(name, 0)?;
    message.push_attribute(IFLA_MTU, &u32::from(mtu).to_ne_bytes());
    message.exchange()
}

/// Brings interface `name` up.
pub(super) fn bring_up(name: &Name) -> io::Result<()> {
    Message::link(name, IFF_UP)?.exchange()
}

/// Whether the kernel would take a packet to `address` for its own.
///
/// Of an IPv6 address that is so once a kernel worker has been by (`addrconf_dad_work`), even where there are no
/// duplicates to detect. Before that, binding to the address may fail with EADDRNOTAVAIL and packets to it are dropped.
pub(super) fn is_local(address: Ipv6Addr) -> io::Result<bool> {
    let mut message = Message::new(RTM_GETROUTE, 0);
    // struct rtmsg: family, prefix lengths of destination and source, TOS; table, protocol, scope, type; flags.
    message.push(&[AddressFamily::INET6.as_raw() as u8, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    message.push_attribute(RTA_DST, &address.octets());
    let answer = message.send()?;
    let kind = u16::from_ne_bytes([answer[4], answer[5]]);
    Ok(kind == RTM_NEWROUTE && answer[HEADER + 7] == RTN_LOCAL)
}

fn index(name: &Name) -> io::Result<u32> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    Ok(netdevice::name_to_index(&socket, name.as_str())?)
}

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTN_LOCAL: u8 = 2;
const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_ACK: u16 = 0x004;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFLA_MTU: u16 = 4;
const IFF_UP: u32 = 1;

/// The length of `struct nlmsghdr`: length, type, flags, sequence number and port.
const HEADER: usize = 16;

/// A request. The longest is that for an IPv6 address: 64 bytes.
struct Message {
    bytes: [u8; 64],
    len: usize,
}

impl Message {
    fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = [0; 64];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        Self { bytes, len: HEADER }
    }

    /// A change to a link, whose flags among `set` are set: struct ifinfomsg is family and type, index, flags, and
    /// which flags to change.
    fn link(name: &Name, set: u32) -> io::Result<Self> {
        let mut message = Self::new(RTM_NEWLINK, NLM_F_ACK);
        for word in [0, index(name)?, set, set] {
            message.push(&word.to_ne_bytes());
        }
        Ok(message)
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// An attribute of 4 or 16 bytes, which needs no padding.
    fn push_attribute(&mut self, kind: u16, value: &[u8]) {
        self.push(&(4 + value.len() as u16).to_ne_bytes());
        self.push(&kind.to_ne_bytes());
        self.push(value);
    }

    /// Sends a request to be acknowledged, and returns the kernel's word on it.
    fn exchange(self) -> io::Result<()> {
        let answer = self.send()?;
        // struct nlmsgerr: the negative errno, or 0, behind the header.
        match i32::from_ne_bytes([answer[HEADER], answer[HEADER + 1], answer[HEADER + 2], answer[HEADER + 3]]) {
            0 => Ok(()),
            error => Err(Errno::from_raw_os_error(error.wrapping_neg()).into()),
        }
    }

    /// Sends the request and returns the beginning of the answer.
    fn send(mut self) -> io::Result<[u8; 32]> {
        self.bytes[..4].copy_from_slice(&(self.len as u32).to_ne_bytes());
        // Protocol 0 is NETLINK_ROUTE, and who connects to nobody speaks to the kernel.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        send(&socket, &self.bytes[..self.len], SendFlags::empty())?;
        let mut answer = [0; 32];
        let (len, _) = retry_on_intr(|| recv(&socket, &mut answer, RecvFlags::empty()))?;
        if len < answer.len() { Err(Errno::BADMSG.into()) } else { Ok(answer) }
    }
}
