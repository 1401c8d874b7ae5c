//! A TUN device: a descriptor that gives the IP packets the kernel routes to an interface, and takes those it receives.
//!
//! Opened by the crate `tun-tap`, without its packet information header, and turned into an [`OwnedFd`] at once, so
//! that its types stay out of the interface. Facts of `drivers/net/tun.c`: one read or write is one packet; a packet
//! longer than the buffer read into is cut short; a write while the interface is down fails with EIO.

use alloc::format;
use alloc::string::String;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, ioctl_fionbio};

use super::sys;

/// A TUN device, non-blocking.
///
/// Dropping it removes the interface, unless the interface is persistent.
#[derive(Debug)]
pub struct Tun {
    fd: OwnedFd,
    name: Option<Name>,
    mtu: u16,
}

impl Tun {
    /// Opens the TUN interface `name` of the caller's network namespace, creating it if it does not exist.
    ///
    /// Creating one takes `CAP_NET_ADMIN`. A persistent interface given to the caller (`ip tuntap add dev NAME mode tun
    /// user USER`) takes nothing but access to `/dev/net/tun`. Address and state are the administrator's to set.
    ///
    /// `name` has 1 to 15 bytes; `%d` in it becomes the first free number, see [`Tun::name`].
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the kernel could not take `name`; else what opening the device failed with, and a way on.
    pub fn open(name: &str) -> io::Result<Self> {
        let name = Name::new(name)?;
        let (fd, name) = open_device(&name).map_err(|error| {
            let advice = advice(&error);
            failed(&format!("opening TUN {}", name.as_str()), &error, advice)
        })?;
        let mtu = sys::mtu(&name).map_err(|error| failed("reading the MTU", &error, None))?;
        Self::with_name(fd, Some(name), u16::try_from(mtu).unwrap_or(u16::MAX))
    }

    /// Takes a descriptor opened elsewhere: a TUN, or anything else that keeps packets apart and carries them without
    /// a header, such as a datagram socket. It is made non-blocking. `mtu` is in bytes.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a TAP, or a TUN opened with a packet information or virtio-net header; EBADFD for
    /// `/dev/net/tun` without an interface.
    pub fn from_fd(fd: OwnedFd, mtu: u16) -> io::Result<Self> {
        let name = match sys::tun_interface(&fd) {
            Ok((name, flags)) if flags & (IFF_TUN | IFF_NO_PI | IFF_VNET_HDR) == IFF_TUN | IFF_NO_PI => Some(name),
            Ok(_) => return Err(invalid("the descriptor must be of a TUN with IFF_NO_PI and without IFF_VNET_HDR")),
            // What a TUN says that was never given its interface.
            Err(error) if error.raw_os_error() == Some(Errno::BADFD.raw_os_error()) => return Err(error),
            Err(_) => None,
        };
        Self::with_name(fd, name, mtu)
    }

    fn with_name(fd: OwnedFd, name: Option<Name>, mtu: u16) -> io::Result<Self> {
        ioctl_fionbio(&fd, true)?;
        Ok(Self { fd, name, mtu })
    }

    /// The name of the interface; `None` if the descriptor is not a TUN's.
    pub fn name(&self) -> Option<&str> {
        self.name.as_ref().map(Name::as_str)
    }

    /// The longest packet the interface carries, in bytes, as it was when this was made.
    pub fn mtu(&self) -> u16 {
        self.mtu
    }

    /// Reads one packet and returns its length. A packet longer than `packet` is cut, so give it [`Tun::mtu`] bytes.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when none is waiting.
    pub fn recv(&self, packet: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.fd, packet)?)
    }

    /// Writes one packet.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the kernel sees no IP header in it, EIO while the interface is down.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        rustix::io::write(&self.fd, packet)?;
        Ok(())
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

const IFF_TUN: u16 = 0x0001;
const IFF_NO_PI: u16 = 0x1000;
const IFF_VNET_HDR: u16 = 0x4000;

/// The name of a network interface: 1 to 15 bytes, and what else `dev_valid_name` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name([u8; 16]);

impl Name {
    /// The loopback interface.
    pub(super) const LOOPBACK: Self = Self(*b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0");

    /// `name` checked: the `strncpy` on the way to the kernel would cut what is too long and stop at a NUL.
    pub(super) fn new(name: &str) -> io::Result<Self> {
        let odd = |c: char| c == '/' || c == ':' || c == '\0' || c.is_whitespace();
        if name.is_empty() || name.len() > 15 || name == "." || name == ".." || name.contains(odd) {
            return Err(invalid(&format!(
                "{name:?} cannot name an interface: 1 to 15 bytes, no slash, colon or space"
            )));
        }
        let mut bytes = [0; 16];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Ok(Self(bytes))
    }

    /// A name the kernel wrote.
    pub(super) fn from_bytes(bytes: [u8; 16]) -> io::Result<Self> {
        let len = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        let name = str::from_utf8(&bytes[..len]).map_err(|_| invalid("the interface's name is not UTF-8"))?;
        Self::new(name)
    }

    pub(super) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(super) fn as_str(&self) -> &str {
        let len = self.0.iter().position(|&byte| byte == 0).unwrap_or(self.0.len());
        // Both constructors made sure of UTF-8.
        str::from_utf8(&self.0[..len]).unwrap_or_default()
    }
}

/// Opens TUN `name`; returns the name it got as well. The error is the system's.
pub(super) fn open_device(name: &Name) -> io::Result<(OwnedFd, Name)> {
    let iface = tun_tap::Iface::without_packet_info(name.as_str(), tun_tap::Mode::Tun)?;
    let name = Name::new(iface.name())?;
    Ok((sys::into_fd(iface), name))
}

/// What to try when a TUN cannot be opened.
pub(super) fn advice(error: &io::Error) -> Option<&'static str> {
    Some(match error.kind() {
        io::ErrorKind::NotFound => {
            "/dev/net/tun is missing: `modprobe tun`, or give the container `--device /dev/net/tun`"
        }
        // The kernel's open gives EACCES, its TUNSETIFF EPERM; both are `PermissionDenied`.
        io::ErrorKind::PermissionDenied if error.raw_os_error() == Some(EACCES) => {
            "/dev/net/tun is closed to this user: `sudo chmod 0666 /dev/net/tun` (udev's usual mode), or run under sudo"
        }
        io::ErrorKind::PermissionDenied => {
            "it takes CAP_NET_ADMIN: run under sudo, `setcap cap_net_admin=ep` the program, or have root make the \
             interface once, `ip tuntap add dev NAME mode tun user USER`"
        }
        io::ErrorKind::ResourceBusy => "another process holds this interface: choose another name",
        io::ErrorKind::InvalidInput => "an interface of this name exists and is not a TUN, or differs in its flags",
        _ => return None,
    })
}

pub(super) const EACCES: i32 = Errno::ACCESS.raw_os_error();

/// `error` with the step that failed before it and what to do about it behind it; its kind is kept.
pub(super) fn failed(step: &str, error: &io::Error, advice: Option<&str>) -> io::Error {
    let text = match advice {
        Some(advice) => format!("{step}: {error}; {advice}"),
        None => format!("{step}: {error}"),
    };
    io::Error::new(error.kind(), text)
}

pub(super) fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, String::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn names_the_kernel_would_refuse_or_cut_are_refused_before_it_sees_them() {
        for name in ["", ".", "..", "a/b", "a:b", "a b", "a\0b", "sixteen-bytes-xx"] {
            assert_eq!(Tun::open(name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
        assert_eq!(Name::new("fifteen-bytes-x").unwrap().as_str(), "fifteen-bytes-x");
    }

    #[test]
    fn a_datagram_socket_serves_as_a_tun_and_does_not_block() {
        let (near, far) = UnixDatagram::pair().unwrap();
        let tun = Tun::from_fd(near.into(), 1500).unwrap();
        assert_eq!((tun.name(), tun.mtu()), (None, 1500));
        assert_eq!(tun.recv(&mut [0; 1500]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        far.send(b"packet").unwrap();
        let mut packet = [0; 1500];
        assert_eq!(tun.recv(&mut packet).unwrap(), 6);
        assert_eq!(&packet[..6], b"packet");
    }
}
