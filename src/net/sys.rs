//! What neither rustix nor std offers without `unsafe`: two ioctls, `unshare`, and work in a forked child.
//!
//! The only file of the crate that may hold `unsafe`. The requests are those of netdevice(7) and `linux/if_tun.h`.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::namespace::child::Errand;
use super::tun::Name;

const SIOCGIFMTU: Opcode = 0x8921;
const TUNGETIFF: Opcode = opcode::read::<u32>(b'T', 210);

/// `struct ifreq`: a name and a union, here as bytes. The union is 24 bytes on 64-bit kernels; others know the
/// beginning of it only.
#[repr(C, align(8))]
struct Request {
    name: [u8; 16],
    value: [u8; 24],
}

impl Request {
    fn new(name: [u8; 16]) -> Self {
        Self { name, value: [0; 24] }
    }

    /// Hands the request to the kernel, which may answer in it.
    fn send<const OPCODE: Opcode>(&mut self, fd: impl AsFd) -> io::Result<()> {
        // SAFETY: every opcode used with this type takes a pointer to one `struct ifreq`, which `Request` is at least
        // as long as and aligned for; any bytes the kernel leaves in it are valid bytes.
        Ok(unsafe { ioctl(fd, Updater::<OPCODE, Self>::new(self)) }?)
    }
}

/// The MTU of interface `name`, in bytes.
pub(super) fn mtu(name: &Name) -> io::Result<u32> {
    let mut request = Request::new(*name.as_bytes());
    // Any socket will do to ask about interfaces through.
    request.send::<SIOCGIFMTU>(socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?)?;
    let [a, b, c, d, ..] = request.value;
    Ok(u32::from_ne_bytes([a, b, c, d]))
}

/// The name and flags (`IFF_TUN`, ...) of the TUN or TAP that `fd` is attached to.
pub(super) fn tun_interface(fd: impl AsFd) -> io::Result<(Name, u16)> {
    let mut request = Request::new([0; 16]);
    request.send::<TUNGETIFF>(fd)?;
    let [a, b, ..] = request.value;
    Ok((Name::from_bytes(request.name)?, u16::from_ne_bytes([a, b])))
}

/// The descriptor behind tun-tap's interface.
pub(super) fn into_fd(iface: tun_tap::Iface) -> OwnedFd {
    // SAFETY: `into_raw_fd` gives up the only owner of an open descriptor.
    unsafe { OwnedFd::from_raw_fd(iface.into_raw_fd()) }
}

/// Moves the calling process, which must have one thread only, into a user and a network namespace of its own.
pub(super) fn unshare() -> io::Result<()> {
    // SAFETY: without FILES no descriptor table is parted from another thread's.
    Ok(unsafe { unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNET) }?)
}

/// Has the child that `command` forks run `errand` before it becomes its program; an error of it ends the child and
/// comes out of `spawn`.
pub(super) fn before_exec(command: &mut Command, errand: Errand) {
    // SAFETY: after the fork an errand only makes system calls on what it owns and allocates a little, which the C
    // library keeps possible in a forked child. It takes no lock and touches no memory that another thread may have
    // been writing. (A program that brings its own allocator must have one that survives a fork, as the known do.)
    unsafe { command.pre_exec(move || errand.run()) };
}
