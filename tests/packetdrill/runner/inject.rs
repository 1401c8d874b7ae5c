//! Packets that a script sends to the stack.

use super::{FIRST_REMOTE_PORT, Runner};
use crate::ast::{Body, Icmp, Packet, Tcp};
use crate::codec::{self, Ends};
use crate::icmp;
use crate::sockets::PORT;

impl Runner {
    pub(super) fn inject(&mut self, packet: &Packet) -> Result<(), String> {
        let bytes = match &packet.body {
            Body::Tcp(tcp) => {
                self.note(&format!("< {}{tcp}", packet.ip));
                self.segment(packet, tcp)?
            }
            Body::Icmp(icmp) => {
                self.note(&format!("< icmp {} {}", icmp.kind, icmp.code.as_deref().unwrap_or("")));
                self.icmp(icmp)?
            }
        };
        let refused = self.host.stack.handle_packet(self.host.now, &bytes);
        // Only what is ours to send wrong would be refused; a message the stack does not know is dropped.
        if let (Body::Tcp(_), Err(error)) = (&packet.body, refused) {
            return Err(format!("the stack refused the packet: {error}"));
        }
        self.collect()?;
        Ok(())
    }

    fn segment(&mut self, packet: &Packet, tcp: &Tcp) -> Result<Vec<u8>, String> {
        let mut ends = self.inbound_ends();
        if let Some((source, destination)) = packet.ports {
            ends.source.1 = source;
            ends.destination.1 = destination;
            self.ports = Some((destination, source));
        }
        let live = self.numbers.live(tcp)?;
        codec::encode_tcp(&ends, packet.ip, &live)
    }

    fn icmp(&mut self, icmp: &Icmp) -> Result<Vec<u8>, String> {
        let back = self.inbound_ends();
        let quoted = Ends { source: back.destination, destination: back.source };
        let head = icmp::head(icmp, quoted.source.0.is_ipv4())?;
        let (seq, len) = icmp.quoted.unwrap_or((0, 0));
        codec::encode_icmp(&quoted, head, self.numbers.live_local(seq), len)
    }

    /// From the peer to us. The first packet after `socket`, unless we connect, makes up the peer's port.
    fn inbound_ends(&mut self) -> Ends {
        let (local, remote) = self.ports.unwrap_or_else(|| {
            let port = self.next_remote_port;
            self.next_remote_port = port.checked_add(1).unwrap_or(FIRST_REMOTE_PORT);
            (PORT, port)
        });
        self.ports = Some((local, remote));
        Ends { source: (self.host.remote, remote), destination: (self.host.local, local) }
    }
}
