//! How a connection of ours begins (RFC 9293 3.10.1; Linux `tcp_v4_connect`, `__inet_hash_connect`).

use super::{ConnId, Owner, Stack};
use crate::options::Options;
use crate::seq::SeqNum;
use crate::tcp::{Conn, Setup};
use crate::time::Instant;
use crate::wire::{self, Flow, FlowKey};
use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// Why [`Stack::connect`] refused. Nothing was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// We have no address of the remote's family, or `local` is not ours.
    AddressFamily,
    /// The remote address is unspecified, broadcast or multicast, its port is 0, or it is our own end [MUST-46].
    BadRemote,
    /// There is such a connection already.
    InUse,
    /// The last connection between these ports is in TIME-WAIT and may not be taken over yet (EADDRNOTAVAIL).
    TimeWait,
    /// Every ephemeral port is taken for this remote (EADDRNOTAVAIL).
    PortsExhausted,
    /// There are [`super::Config::max_connections`].
    TooManyConnections,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AddressFamily => "no local address of this family",
            Self::BadRemote => "nobody can be reached at this address",
            Self::InUse => "this connection exists already",
            Self::TimeWait => "the last such connection is in TIME-WAIT",
            Self::PortsExhausted => "no ephemeral port is free",
            Self::TooManyConnections => "too many connections",
        })
    }
}

impl core::error::Error for ConnectError {}

impl Stack {
    /// Begins a connection to `remote`. `local` may name our address, our port, or both; an unspecified address and a
    /// port of 0 are chosen here. The SYN waits in [`Stack::poll_transmit`].
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn connect(
        &mut self,
        now: Instant,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        options: Options,
    ) -> Result<ConnId, ConnectError> {
        let now = self.advance(now);
        if !wire::is_unicast(remote.ip()) || remote.port() == 0 {
            return Err(ConnectError::BadRemote);
        }
        let address = self.local_address(local, remote)?;
        let (port, reused) = self.local_port(now, address, local.map_or(0, |local| local.port()), remote)?;
        let flow = Flow { local: SocketAddr::new(address, port), remote };
        if flow.local == remote {
            return Err(ConnectError::BadRemote);
        }
        let key = FlowKey::from(flow);
        if self.conns.is_full() {
            return Err(ConnectError::TooManyConnections);
        }
        if let Some((index, _)) = reused {
            self.remove_time_wait(index);
        }
        let iss = reused.map_or_else(|| self.isn.isn(now, &key), |(_, iss)| iss);
        let setup = Setup { flow, iss, ts_offset: self.timestamp_offset(&key), mtu: self.config.mtu, options };
        let conn = Conn::connect(now, &setup, &self.config.sysctl);
        let id = self.insert_conn(conn, None).ok_or(ConnectError::TooManyConnections)?;
        self.stats.active_opens += 1;
        self.with(id.0.index, None, |_, _, _| ());
        Ok(id)
    }

    fn local_address(&self, local: Option<SocketAddr>, remote: SocketAddr) -> Result<IpAddr, ConnectError> {
        let ours = self.config.address_like(remote.ip());
        let wanted = local.map(|local| local.ip()).filter(|address| !address.is_unspecified());
        match (wanted, ours) {
            (Some(wanted), Some(ours)) if wanted != ours => Err(ConnectError::AddressFamily),
            (_, Some(ours)) => Ok(ours),
            (_, None) => Err(ConnectError::AddressFamily),
        }
    }

    /// The port, and the TIME-WAIT block it takes over, if it does.
    #[allow(clippy::type_complexity)] // a pair of a pair, used once
    fn local_port(
        &mut self,
        now: Instant,
        address: IpAddr,
        wanted: u16,
        remote: SocketAddr,
    ) -> Result<(u16, Option<(u32, SeqNum)>), ConnectError> {
        let flow = |port| Flow { local: SocketAddr::new(address, port), remote };
        if wanted != 0 {
            return match self.occupant(now, flow(wanted), true) {
                Occupant::None => Ok((wanted, None)),
                Occupant::Reusable(index, iss) => Ok((wanted, Some((index, iss)))),
                Occupant::Taken => Err(ConnectError::InUse),
                Occupant::Waiting => Err(ConnectError::TimeWait),
            };
        }
        let mut ports = core::mem::replace(&mut self.ports, super::Ports::new([0; 16]));
        let taken = |port| {
            matches!(self.occupant(now, flow(port), false), Occupant::Taken | Occupant::Waiting)
                || self.is_listening(address, port)
        };
        let port = ports.pick(address, remote, self.config.port_range(), taken);
        self.ports = ports;
        let port = port.ok_or(ConnectError::PortsExhausted)?;
        match self.occupant(now, flow(port), false) {
            Occupant::Reusable(index, iss) => Ok((port, Some((index, iss)))),
            _ => Ok((port, None)),
        }
    }

    /// Who has this flow now. A port that the caller chose needs only timestamps to take over a TIME-WAIT; one that we
    /// choose obeys `tcp_tw_reuse`.
    fn occupant(&self, now: Instant, flow: Flow, explicit: bool) -> Occupant {
        let index = match self.find(&FlowKey::from(flow)) {
            None => return Occupant::None,
            Some(Owner::TimeWait(index)) => index,
            Some(_) => return Occupant::Taken,
        };
        let loopback = flow.local.ip().is_loopback() || flow.local.ip() == flow.remote.ip();
        let block = self.time_wait.get_at(index);
        let iss =
            block.and_then(
                |block| {
                    if explicit { block.takeover() } else { block.reuse(now, &self.config.sysctl, loopback) }
                },
            );
        iss.map_or(Occupant::Waiting, |iss| Occupant::Reusable(index, iss))
    }

    fn is_listening(&self, address: IpAddr, port: u16) -> bool {
        self.listener_for(SocketAddr::new(address, port)).is_some()
    }

    pub(super) fn timestamp_offset(&self, key: &FlowKey) -> u32 {
        // tcp_timestamps = 2 is "without a random offset".
        if self.config.sysctl.tcp_timestamps == 1 { self.isn.timestamp_offset(key) } else { 0 }
    }
}

enum Occupant {
    None,
    Reusable(u32, SeqNum),
    Waiting,
    Taken,
}
