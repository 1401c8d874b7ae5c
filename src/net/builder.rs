//! What a net is made from.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use std::io::{self, Write};
use std::thread;

use rustix::rand::{GetRandomFlags, getrandom};

use super::clock::Clock;
use super::host::Shared;
use super::tap::{Observer, Seen, Tap};
use super::tun::failed;
use super::wire::Wire;
use super::{Namespace, Net, Tun, driver};
use crate::config::Sysctl;
use crate::stack::{Config, Stack};

/// What a [`Net`] is to be like. What is not said: a private peer ([`Namespace::new`]) at the far end of its TUN, the
/// addresses 10.0.0.2 and `fd00::2` at this end, Linux's settings, a random secret, nobody watching.
#[derive(Default)]
pub struct Builder {
    device: Option<(Tun, Option<Namespace>)>,
    addresses: Option<(Option<Ipv4Addr>, Option<Ipv6Addr>)>,
    mtu: Option<u16>,
    secret: Option<[u8; 16]>,
    sysctl: Sysctl,
    memory_bytes: Option<usize>,
    journal_entries: usize,
    observer: Option<Observer>,
    capture: Option<Box<dyn Write + Send>>,
}

impl Builder {
    /// Uses this device: one opened by name, or a descriptor that came from elsewhere. Its far end must route our
    /// addresses to it.
    #[must_use]
    pub fn with_tun(mut self, tun: Tun) -> Self {
        self.device = Some((tun, None));
        self
    }

    /// Uses a private peer that was made before, with settings of its own; it ends with the net.
    #[must_use]
    pub fn with_peer(mut self, namespace: Namespace, tun: Tun) -> Self {
        self.device = Some((tun, Some(namespace)));
        self
    }

    /// Our addresses, at most one of a kind; without one of a kind there is none of its connections.
    #[must_use]
    pub fn with_addresses(mut self, ipv4: Option<Ipv4Addr>, ipv6: Option<Ipv6Addr>) -> Self {
        self.addresses = Some((ipv4, ipv6));
        self
    }

    /// The longest packet we send, in bytes; the device's by default, and never more.
    #[must_use]
    pub fn with_mtu(mut self, mtu: u16) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// 128 bits that make sequence numbers and ports unpredictable; the kernel's by default. One that others know lets
    /// them interfere.
    #[must_use]
    pub fn with_secret(mut self, secret: [u8; 16]) -> Self {
        self.secret = Some(secret);
        self
    }

    /// The settings, to begin with; [`Net::set_sysctl`] changes them later.
    #[must_use]
    pub fn with_sysctl(mut self, sysctl: Sysctl) -> Self {
        self.sysctl = sysctl;
        self
    }

    /// Bytes that all queues together may hold, see [`Config::memory_bytes`]. While they are held, writes wait.
    #[must_use]
    pub fn with_memory_bytes(mut self, bytes: usize) -> Self {
        self.memory_bytes = Some(bytes);
        self
    }

    /// Every connection keeps a journal of so many entries, see [`Config::journal_entries`] and [`TcpStream::journal`];
    /// 64 are enough for a death by any of Linux's defaults. By default none does.
    ///
    /// [`TcpStream::journal`]: super::TcpStream::journal
    #[must_use]
    pub fn with_journal(mut self, entries: usize) -> Self {
        self.journal_entries = entries;
        self
    }

    /// Shows every packet to `observer`, lost ones too. It is called under the net's lock: it should be quick, and must
    /// not call the net.
    #[must_use]
    pub fn with_observer(mut self, observer: impl FnMut(&Seen<'_>) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Writes every packet to `capture` as pcapng, each as soon as it passed: a file, or the standard input of
    /// `wireshark -k -i -`.
    #[must_use]
    pub fn with_capture(mut self, capture: impl Write + Send + 'static) -> Self {
        self.capture = Some(Box::new(capture));
        self
    }

    /// Makes the net, and starts its driver.
    ///
    /// # Errors
    /// Those of [`Namespace::new`], of writing the head of the capture, and of starting a thread.
    pub fn start(self) -> io::Result<Net> {
        let (device, namespace) = match self.device {
            Some(given) => given,
            None => Namespace::new().map(|(namespace, tun)| (tun, Some(namespace)))?,
        };
        let device = Arc::new(device);
        let clock = Clock::start();
        let secret = self.secret.map_or_else(random, Ok)?;
        let mut config = Config::new(secret).with_sysctl(self.sysctl);
        config = config.with_mtu(self.mtu.unwrap_or(u16::MAX).min(device.mtu()));
        (config.ipv4, config.ipv6) = self.addresses.unwrap_or((Some(IPV4), Some(IPV6)));
        config.journal_entries = self.journal_entries;
        config.memory_bytes = self.memory_bytes.unwrap_or(config.memory_bytes);
        let tap = Tap::new(self.observer, self.capture, device.name().unwrap_or_default())
            .map_err(|error| failed("beginning the capture", &error, None))?;
        let wire = Wire::new(device.clone(), config.mtu, tap);
        let shared = Arc::new(Shared::new(clock, Stack::new(clock.now(), config), wire)?);
        let driver = thread::Builder::new().name(String::from("longhaul")).spawn({
            let shared = shared.clone();
            move || driver::run(&shared, &device)
        })?;
        Ok(Net { shared, driver: Some(driver), namespace })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("device", &self.device).field("sysctl", &self.sysctl).finish_non_exhaustive()
    }
}

const IPV4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const IPV6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);

fn random() -> io::Result<[u8; 16]> {
    let mut secret = [0; 16];
    // So few bytes come all at once (random(7)).
    getrandom(&mut secret, GetRandomFlags::empty())
        .map_err(|error| failed("asking for randomness", &error.into(), None))?;
    Ok(secret)
}
