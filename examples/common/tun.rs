//! A real kernel as the peer: a private namespace, a wire that can be cut, and lanes of what was seen on it.

use super::{Failure, Files};
use longhaul::net::{Direction, Namespace, Net, Seen, TcpStream};
use longhaul::tcp::EmitKind;
use longhaul::time::{Duration, Instant};
use longhaul::timeline::{Kind, Lane, Mark};
use longhaul::wire::{self, Flags, Packet};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the kernel listens.
pub(crate) const KERNEL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 80);

/// More packets than any of these stories has; what comes on top is not drawn.
const PACKETS_MAX: usize = 4096;

/// A packet on the wire: when, our port, what it is on a timeline.
type Noted = (Instant, u16, Kind, bool);

/// A net, and what was seen on its wire.
pub(crate) struct Lab {
    pub(crate) net: Net,
    seen: Arc<Mutex<Vec<Noted>>>,
}

impl Lab {
    pub(crate) fn start(files: &Files) -> Result<Self, Failure> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        let observer = move |seen: &Seen<'_>| {
            let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
            if notes.len() < PACKETS_MAX {
                notes.extend(noted(seen));
            }
        };
        let mut builder = Net::builder().with_observer(observer);
        if let Some(file) = files.capture_file()? {
            builder = builder.with_capture(file);
        }
        let net = builder.start().map_err(|error| format!("{error}\n(without --tun it runs in virtual time)"))?;
        Ok(Self { net, seen })
    }

    pub(crate) fn kernel(&self) -> Result<&Namespace, Failure> {
        Ok(self.net.namespace().ok_or("this net has no namespace")?)
    }

    /// A connection of ours to the kernel, both ends.
    pub(crate) fn connect(
        &self,
        listener: &std::net::TcpListener,
    ) -> Result<(TcpStream, std::net::TcpStream), Failure> {
        let ours = self.net.connect_timeout(&KERNEL, Duration::from_secs(5))?;
        Ok((ours, listener.accept()?.0))
    }

    /// The kernel forgets a connection and says nothing, as after a power cut: unread data makes its close a reset,
    /// and that is lost on the cut wire.
    pub(crate) fn kernel_forgets(&self, ours: &TcpStream, theirs: std::net::TcpStream) -> Result<(), Failure> {
        (&*ours).write_all(b"unread")?;
        theirs.set_read_timeout(Some(Duration::from_secs(5)))?;
        theirs.peek(&mut [0; 1])?;
        // Its acknowledgment may be delayed; nothing of ours shall be in flight.
        std::thread::sleep(Duration::from_millis(100));
        self.net.cut();
        drop(theirs);
        std::thread::sleep(Duration::from_millis(50));
        self.net.restore();
        Ok(())
    }

    /// The life of our end since then. `end` is when and why it died.
    pub(crate) fn lane(&self, label: &str, ours: SocketAddr, since: Instant, end: Option<(Instant, String)>) -> Lane {
        let mut lane = Lane::new(label);
        let until = end.as_ref().map_or_else(|| self.net.now(), |(at, _)| *at);
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = seen.iter().filter(|(at, port, ..)| *port == ours.port() && *at >= since && *at <= until);
        for &(at, _, kind, lost) in ours {
            let mark = Mark::new(at.since(since), kind);
            lane.mark(if lost { mark.lost() } else { mark });
        }
        match end {
            Some((at, why)) => lane.dies(at.since(since), &why),
            None => lane.lives(until.since(since), ""),
        }
        lane
    }
}

fn noted(seen: &Seen<'_>) -> Option<Noted> {
    let Ok(Packet::Tcp { flow, segment, .. }) = wire::parse(seen.packet) else { return None };
    // Read from the packet, the flow is the receiver's.
    if seen.direction == Direction::Inbound {
        return (!seen.lost).then_some((seen.at, flow.local.port(), Kind::Received, false));
    }
    let kind = match seen.kind {
        _ if segment.header.flags.contains(Flags::RST) => Kind::Reset,
        Some(EmitKind::Retransmission) => Kind::Retransmission,
        Some(EmitKind::TailLossProbe | EmitKind::WindowProbe | EmitKind::KeepaliveProbe) => Kind::Probe,
        _ => Kind::Sent,
    };
    Some((seen.at, flow.remote.port(), kind, seen.lost))
}

/// Blocks in a read until the connection ends; what it says.
pub(crate) fn wait_for_death(stream: &TcpStream, limit: Duration) -> Result<io::Error, Failure> {
    stream.set_read_timeout(Some(limit))?;
    match (&*stream).read(&mut [0; 64]) {
        Ok(_) => Err("it delivered something".into()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(format!("alive after {limit:?}").into()),
        Err(error) => Ok(error),
    }
}

/// The error's number, as the application would look it up.
pub(crate) fn errno_of(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<longhaul::error::Error>()) {
        Some(error) => format!("{:?}", error.errno()),
        None if error.kind() == io::ErrorKind::WouldBlock => "EAGAIN".into(),
        None => format!("{:?}", error.kind()),
    }
}
