//! A private Linux kernel to talk to, without root: that of a child in namespaces of its own, at the far end of a TUN.
//!
//! A user namespace makes anyone root over a network namespace of his own (`user_namespaces(7)`). A forked child makes
//! the pair, opens a TUN in it, gives it addresses, and sends the TUN's descriptor home. From then on the kernel in
//! there is 10.0.0.1 and `fd00::1`, and whoever reads and writes the [`Tun`] is every other host of those networks. The
//! calling process keeps its own threads, rights and network, and may have any number of such peers at once.
//!
//! Programs run inside by [`Namespace::command`]. Sockets of the inner kernel come to this process by
//! [`Namespace::tcp_listener`] and its like: a socket belongs for ever to the namespace it was made in, so a
//! short-lived child that entered it makes them and sends them over. From another terminal the same user looks in with
//! `nsenter -t PID -U -n --preserve-credentials ss -tnoi`, PID being [`Namespace::pid`].

mod advice;
pub(super) mod child;
mod netlink;

use alloc::ffi::CString;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::fs;
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::net::{AddressFamily, bind, connect, listen, sockopt};
use rustix::process::{getegid, geteuid};

use self::child::{Door, Errand, RIGHTS_MAX, Step, receive_report};
use super::sys;
use super::tun::{Name, Tun, failed, invalid};
use crate::time::Duration;

/// A kernel peer in namespaces of its own. Dropping it ends the child that stands for it.
///
/// The namespaces themselves, and with them established connections, last as long as a descriptor of theirs does: a
/// socket from here, the [`Tun`], or a program still running inside.
#[derive(Debug)]
pub struct Namespace {
    child: Child,
    door: Arc<Door>,
}

/// The two kinds of IP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `AF_INET`.
    V4,
    /// `AF_INET6`.
    V6,
}

/// What a [`Namespace`] is to be like.
#[derive(Clone, Debug)]
pub struct Builder {
    ipv4: (Ipv4Addr, u8),
    ipv6: (Ipv6Addr, u8),
    mtu: u16,
    sysctls: Vec<(String, String)>,
}

impl Namespace {
    /// A peer at 10.0.0.1/24 and `fd00::1/64` with an MTU of 1500, and this end of its cable.
    ///
    /// # Errors
    ///
    /// As [`Builder::start`].
    pub fn new() -> io::Result<(Self, Tun)> {
        Self::builder().start()
    }

    /// A peer to be described further.
    pub fn builder() -> Builder {
        Builder {
            ipv4: (Ipv4Addr::new(10, 0, 0, 1), 24),
            ipv6: (Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), 64),
            mtu: 1500,
            sysctls: Vec::new(),
        }
    }

    /// The process that stands for the peer, for `nsenter -t`.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A command whose program will run inside, as that world's root, with the caller's files.
    ///
    /// Spawning it gives the error of entering the namespaces, should that fail.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let steps = Arc::from([Step::Enter(self.door.clone())]);
        sys::before_exec(&mut command, Errand { steps, home: None });
        command
    }

    /// A listener of the peer, with `SO_REUSEADDR` and the longest backlog the peer allows (`net.core.somaxconn`).
    ///
    /// # Errors
    ///
    /// What making the socket, binding it or listening failed with.
    pub fn tcp_listener(&self, addr: SocketAddr) -> io::Result<TcpListener> {
        let socket = self.tcp_socket(Family::of(addr))?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &addr)?;
        listen(&socket, i32::MAX)?;
        Ok(socket.into())
    }

    /// Connects the peer to `addr`, waiting at most `timeout`. Its tries are the kernel's, SYN by SYN.
    ///
    /// # Errors
    ///
    /// `TimedOut` when `timeout` is over; else what the connection failed with.
    pub fn tcp_stream(&self, addr: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        let socket = self.tcp_socket(Family::of(addr))?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(timeout))?;
        match connect(&socket, &addr) {
            // What connect(2) says when SO_SNDTIMEO cuts it short.
            Err(rustix::io::Errno::INPROGRESS) => return Err(io::ErrorKind::TimedOut.into()),
            result => result?,
        }
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, None)?;
        Ok(socket.into())
    }

    /// One TCP socket of the peer, not yet bound.
    ///
    /// # Errors
    ///
    /// As [`Namespace::tcp_sockets`].
    pub fn tcp_socket(&self, family: Family) -> io::Result<OwnedFd> {
        let mut sockets = self.tcp_sockets(family, 1)?;
        sockets.pop().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// `count` TCP sockets of the peer, not yet bound; blocking, closed on exec. One child is forked for each 253.
    ///
    /// # Errors
    ///
    /// The step that failed and why; too many open files among others.
    pub fn tcp_sockets(&self, family: Family, count: usize) -> io::Result<Vec<OwnedFd>> {
        let mut sockets = Vec::new();
        while sockets.len() < count {
            let some = RIGHTS_MAX.min(count - sockets.len());
            let steps = Arc::from([Step::Enter(self.door.clone()), Step::MakeSockets(family.into(), some)]);
            let mut command = Command::new("true");
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let (mut child, made) = run_errand(command, &steps)?;
            child.wait()?;
            if made.len() != some {
                return Err(too_many_open_files());
            }
            sockets.extend(made);
        }
        Ok(sockets)
    }
}

impl Drop for Namespace {
    /// Ends the child by closing its standard input, and waits for it.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Family {
    /// The kind of socket `addr` takes.
    pub fn of(addr: SocketAddr) -> Self {
        if addr.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl From<Family> for AddressFamily {
    fn from(family: Family) -> Self {
        match family {
            Family::V4 => Self::INET,
            Family::V6 => Self::INET6,
        }
    }
}

impl Builder {
    /// The peer's IPv4 address, and the length of its network's prefix in bits, at most 32.
    #[must_use]
    pub fn with_ipv4(mut self, address: Ipv4Addr, prefix_len: u8) -> Self {
        self.ipv4 = (address, prefix_len);
        self
    }

    /// The peer's IPv6 address, and the length of its network's prefix in bits, at most 128.
    #[must_use]
    pub fn with_ipv6(mut self, address: Ipv6Addr, prefix_len: u8) -> Self {
        self.ipv6 = (address, prefix_len);
        self
    }

    /// The MTU of the TUN, in bytes: 68 to 65535. Below 1280 the peer has no IPv6 address.
    #[must_use]
    pub fn with_mtu(mut self, mtu: u16) -> Self {
        self.mtu = mtu;
        self
    }

    /// A sysctl of the peer, as sysctl(8) spells it: `net.ipv4.tcp_retries2`. Set before the TUN comes up, in the order
    /// given. All of `net.ipv4.tcp_*` may be set, without root.
    #[must_use]
    pub fn with_sysctl(mut self, name: &str, value: &str) -> Self {
        self.sysctls.push((name.into(), value.into()));
        self
    }

    /// Makes the peer, and returns this end of its cable.
    ///
    /// The TUN is `tun0` in there. The peer is silent until used: it solicits no routers. Its connections use CUBIC
    /// where the host allows that to everyone, else Reno, so that a host whose default paces (BBR) gives like traces.
    /// A kernel without IPv6 makes a peer without it.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a value that cannot be. Else what the system refused, with the step at which it did and,
    /// where one is known, a way on.
    pub fn start(self) -> io::Result<(Namespace, Tun)> {
        let mut command = Command::new("cat");
        // In a process group of its own the peer outlives the terminal's ^C until this process is done with it.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let (child, made) = run_errand(command, &self.steps()?.into())?;
        let Ok([tun, user, net]) = <[OwnedFd; 3]>::try_from(made) else {
            end(child)?;
            return Err(too_many_open_files());
        };
        let namespace = Namespace { child, door: Arc::new(Door { user, net }) };
        Ok((namespace, Tun::from_fd(tun, self.mtu)?))
    }

    /// For tests: as [`Builder::start`], but a machine that refuses gives `None`, and `skipped: TEST: REASON` on
    /// standard error, past the capture of the test harness. Where the environment has `LONGHAUL_REQUIRE_TUN` it panics
    /// instead.
    ///
    /// # Panics
    ///
    /// Only as said.
    pub fn start_or_skip(self, test: &str) -> Option<(Namespace, Tun)> {
        match self.start() {
            Ok(started) => Some(started),
            Err(error) if std::env::var_os("LONGHAUL_REQUIRE_TUN").is_some() => panic!("{test}: {error}"),
            Err(error) => {
                // In one piece, lest tests beside it cut it apart.
                let _ = io::stderr().write_all(format!("skipped: {test}: {error}\n").as_bytes());
                None
            }
        }
    }

    /// What the child has to do, in order.
    fn steps(&self) -> io::Result<Vec<Step>> {
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        let tun = Name::new(TUN)?;
        let mut steps = Vec::from([
            Step::Unshare,
            // gid_map may be written without privilege only once setgroups is denied; each may be written once.
            write("self/setgroups", "deny")?,
            write("self/uid_map", &format!("0 {uid} 1"))?,
            write("self/gid_map", &format!("0 {gid} 1"))?,
            Step::OpenTun(tun),
            Step::OpenDoor,
            Step::SetMtu(tun, self.mtu),
            write("sys/net/ipv4/tcp_congestion_control", congestion_control())?,
            add_address(tun, self.ipv4.0.into(), self.ipv4.1)?,
        ]);
        let ipv6 = add_address(tun, self.ipv6.0.into(), self.ipv6.1)?;
        let has_ipv6 = self.mtu >= IPV6_MTU_MIN && Path::new("/proc/sys/net/ipv6").exists();
        if has_ipv6 {
            // With this the peer has nothing to say unasked: a TUN is NOARP, so its addresses join no groups.
            steps.push(write(&format!("sys/net/ipv6/conf/{TUN}/router_solicitations"), "0")?);
            steps.push(ipv6);
        }
        for (name, value) in &self.sysctls {
            steps.push(write(&sysctl_path(name)?, value)?);
        }
        steps.extend([Step::BringUp(Name::LOOPBACK), Step::BringUp(tun)]);
        if has_ipv6 {
            steps.push(Step::Await(self.ipv6.0));
        }
        Ok(steps)
    }
}

/// The TUN's name in the namespace, where it has no rivals.
const TUN: &str = "tun0";

/// The smallest MTU of a link that carries IPv6 (RFC 8200 section 5); Linux takes IPv6 off a smaller one.
const IPV6_MTU_MIN: u16 = 1280;

fn write(file: &str, value: &str) -> io::Result<Step> {
    let path = CString::new(format!("/proc/{file}")).map_err(|_| invalid("a sysctl's name has no NUL"))?;
    Ok(Step::Write { path, value: value.into() })
}

fn sysctl_path(name: &str) -> io::Result<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !name.starts_with("net.") || !name.chars().all(plain) {
        return Err(invalid(&format!("{name:?} is no sysctl of the network, such as net.ipv4.tcp_retries2")));
    }
    Ok(format!("sys/{}", name.replace('.', "/")))
}

fn add_address(interface: Name, address: IpAddr, prefix_len: u8) -> io::Result<Step> {
    let max = if address.is_ipv4() { 32 } else { 128 };
    if prefix_len > max {
        return Err(invalid(&format!("{address}/{prefix_len}: the prefix has at most {max} bits")));
    }
    Ok(Step::AddAddress(interface, address, prefix_len))
}

/// A namespace that is not the first may only choose from those allowed to everyone, of which Reno always is one.
fn congestion_control() -> &'static str {
    let allowed = fs::read_to_string("/proc/sys/net/ipv4/tcp_allowed_congestion_control").unwrap_or_default();
    if allowed.split_whitespace().any(|name| name == "cubic") { "cubic" } else { "reno" }
}

/// Spawns `command`, whose child takes `steps` first, and returns the child with the descriptors it made.
fn run_errand(mut command: Command, steps: &Arc<[Step]>) -> io::Result<(Child, Vec<OwnedFd>)> {
    let (near, home) = UnixStream::pair()?;
    sys::before_exec(&mut command, Errand { steps: steps.clone(), home: Some(home) });
    let spawned = command.spawn();
    // With it goes this process's copy of the child's end, so that a child that said nothing is heard as such.
    let program = command.get_program().to_string_lossy().into_owned();
    drop(command);
    let report = receive_report(&near);
    match spawned {
        Err(error) => Err(match report? {
            None => failed("forking a child", &error, None),
            Some((number, _)) => match steps.get(number) {
                Some(step) => failed(&step.to_string(), &error, advice::on(step, &error).as_deref()),
                None => failed(&format!("starting `{program}`"), &error, None),
            },
        }),
        Ok(child) => match report {
            Ok(Some((_, made))) => Ok((child, made)),
            lost => {
                end(child)?;
                Err(lost.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()))
            }
        },
    }
}

/// Of descriptors sent, the kernel leaves out those that the receiver's table has no room for, and says nothing.
fn too_many_open_files() -> io::Error {
    rustix::io::Errno::MFILE.into()
}

/// Ends a child that reads its standard input to the end.
fn end(mut child: Child) -> io::Result<()> {
    drop(child.stdin.take());
    child.wait().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn a_failure_keeps_its_kind_and_gains_the_step() {
        let error = failed("bringing tun0 up", &Errno::ACCESS.into(), Some("ask root"));
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(error.to_string(), "bringing tun0 up: Permission denied (os error 13); ask root");
    }
}
