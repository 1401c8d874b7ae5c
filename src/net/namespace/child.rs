//! What a forked child does before it becomes its program: makes namespaces, enters them, and sends descriptors home.
//!
//! A fork of a process with threads has one thread, so it may do what its parent may not: `unshare` and `setns` of a
//! user namespace fail with EINVAL beside a second thread. It should do little: everything here is system calls on what
//! was prepared before the fork, apart from the small allocations of opening a TUN and of collecting descriptors.
//!
//! All that std carries back from a child that failed is an errno. So the child also sends its parent the number of the
//! step it came to, and with the last step the descriptors it made (`SCM_RIGHTS`, unix(7)).

use alloc::ffi::CString;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::mem::MaybeUninit;
use core::net::{IpAddr, Ipv6Addr};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socket_with,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::netlink;
use crate::net::sys;
use crate::net::tun::{self, Name};
use crate::time::Duration;

/// The most descriptors one message carries (`SCM_MAX_FD`).
pub(in crate::net) const RIGHTS_MAX: usize = 253;

/// The way into a namespace pair: its two `/proc/self/ns` links, which also keep it alive.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) user: OwnedFd,
    pub(super) net: OwnedFd,
}

/// One thing a child does.
#[derive(Debug)]
pub(super) enum Step {
    /// Makes a user and a network namespace and moves into them.
    Unshare,
    /// Writes `value` to a file of `/proc`.
    Write {
        path: CString,
        value: String,
    },
    /// Opens a TUN, to be sent home.
    OpenTun(Name),
    SetMtu(Name, u16),
    /// Gives the interface an address with a prefix of so many bits.
    AddAddress(Name, IpAddr, u8),
    BringUp(Name),
    /// Waits until packets to the address are taken in; see [`netlink::is_local`].
    Await(Ipv6Addr),
    /// Opens the links to the two namespaces, to be sent home: user, then network.
    OpenDoor,
    /// Moves into the namespaces of another child.
    Enter(Arc<Door>),
    /// Makes this many TCP sockets, to be sent home. At most [`RIGHTS_MAX`].
    MakeSockets(AddressFamily, usize),
}

impl Step {
    fn take(&self, made: &mut Vec<OwnedFd>) -> io::Result<()> {
        match self {
            Self::Unshare => sys::unshare()?,
            Self::Write { path, value } => {
                let file = open(path.as_c_str(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
                rustix::io::write(file, value.as_bytes())?;
            }
            Self::OpenTun(name) => made.push(tun::open_device(name)?.0),
            Self::SetMtu(name, mtu) => netlink::set_mtu(name, *mtu)?,
            Self::AddAddress(name, address, prefix_len) => netlink::add_address(name, *address, *prefix_len)?,
            Self::BringUp(name) => netlink::bring_up(name)?,
            Self::Await(address) => await_address(*address)?,
            Self::OpenDoor => {
                for link in [c"/proc/self/ns/user", c"/proc/self/ns/net"] {
                    made.push(open(link, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?);
                }
            }
            // The user namespace first: it grants the right to enter the other.
            Self::Enter(door) => {
                move_into_link_name_space(door.user.as_fd(), Some(LinkNameSpaceType::User))?;
                move_into_link_name_space(door.net.as_fd(), Some(LinkNameSpaceType::Network))?;
            }
            Self::MakeSockets(family, count) => {
                for _ in 0..*count {
                    made.push(socket_with(*family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?);
                }
            }
        }
        Ok(())
    }
}

/// Looks every millisecond, at most [`LOOKS_MAX`] times. The worker takes less than one unless the machine is busy.
fn await_address(address: Ipv6Addr) -> io::Result<()> {
    for _ in 0..LOOKS_MAX {
        if netlink::is_local(address)? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(Errno::TIMEDOUT.into())
}

const LOOKS_MAX: u32 = 5000;

/// What the child was doing, as the beginning of an error message.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unshare => write!(f, "making a user and a network namespace"),
            Self::Write { path, value } => write!(f, "writing {value:?} to {}", path.to_string_lossy()),
            Self::OpenTun(name) => write!(f, "opening TUN {} in the namespace", name.as_str()),
            Self::SetMtu(name, mtu) => write!(f, "setting the MTU of {} to {mtu}", name.as_str()),
            Self::AddAddress(name, address, prefix_len) => {
                write!(f, "giving {} the address {address}/{prefix_len}", name.as_str())
            }
            Self::BringUp(name) => write!(f, "bringing {} up", name.as_str()),
            Self::Await(address) => write!(f, "waiting for {address} to be ready"),
            Self::OpenDoor => write!(f, "opening /proc/self/ns"),
            Self::Enter(_) => write!(f, "entering the namespace"),
            Self::MakeSockets(_, count) => write!(f, "making {count} sockets"),
        }
    }
}

/// Steps for a child, and whom to tell of them.
#[derive(Debug)]
pub(in crate::net) struct Errand {
    pub(super) steps: Arc<[Step]>,
    /// The child's end of the pair that [`receive_report`] reads the other end of.
    pub(super) home: Option<UnixStream>,
}

impl Errand {
    /// Takes the steps in turn, up to the first that fails.
    pub(in crate::net) fn run(&self) -> io::Result<()> {
        let mut made = Vec::new();
        for (number, step) in self.steps.iter().enumerate() {
            if let Err(error) = step.take(&mut made) {
                // The errno goes home by itself and matters more than this.
                let _ = self.report(number, &[]);
                return Err(error);
            }
        }
        self.report(self.steps.len(), &made)
    }

    fn report(&self, number: usize, made: &[OwnedFd]) -> io::Result<()> {
        let Some(home) = &self.home else { return Ok(()) };
        let made: Vec<_> = made.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(RIGHTS_MAX))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        if !made.is_empty() {
            rights.push(SendAncillaryMessage::ScmRights(&made));
        }
        let number = (number as u16).to_ne_bytes();
        retry_on_intr(|| sendmsg(home, &[IoSlice::new(&number)], &mut rights, SendFlags::NOSIGNAL))?;
        Ok(())
    }
}

/// How far a child came: the number of the step that failed, or of steps if none did, and what it made. `None` if there
/// never was a child.
pub(super) fn receive_report(near: &UnixStream) -> io::Result<Option<(usize, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(RIGHTS_MAX))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut number = [0; 2];
    let received =
        retry_on_intr(|| recvmsg(near, &mut [IoSliceMut::new(&mut number)], &mut rights, RecvFlags::CMSG_CLOEXEC))?;
    let made = rights.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(rights) => Some(rights),
        _ => None,
    });
    let made = made.flatten().collect();
    Ok((received.bytes == number.len()).then(|| (u16::from_ne_bytes(number).into(), made)))
}
