//! Packets that a script sends to the stack.

use super::Runner;
use crate::ast::{Body, Icmp, Packet, Tcp, TcpOption};
use crate::codec::{self, Ends};
use crate::icmp;

impl Runner {
    pub(super) fn inject(&mut self, packet: &Packet) -> Result<(), String> {
        if let Some((source, destination)) = packet.ports {
            self.tested.select((destination, source));
        }
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
        let asks_for_fast_open = |option: &TcpOption| matches!(option, TcpOption::FastOpen { .. });
        if self.sockets.fast_open && tcp.options.iter().flatten().any(asks_for_fast_open) {
            return Err("not supported: TCP_FASTOPEN".into());
        }
        let ends = self.inbound_ends();
        let live = self.tested.numbers().live(tcp)?;
        codec::encode_tcp(&ends, packet.ip, &live)
    }

    fn icmp(&mut self, icmp: &Icmp) -> Result<Vec<u8>, String> {
        if self.sockets.fragments && (icmp.kind == "packet_too_big" || icmp.code.as_deref() == Some("frag_needed")) {
            return Err("not supported: IP_PMTUDISC_DONT, which makes a small path MTU fragment".into());
        }
        let back = self.inbound_ends();
        let quoted = Ends { source: back.destination, destination: back.source };
        let head = icmp::head(icmp, quoted.source.0.is_ipv4())?;
        let (seq, len) = icmp.quoted.unwrap_or((0, 0));
        codec::encode_icmp(&quoted, head, self.tested.numbers().live_local(seq), len)
    }

    /// From the peer to us. The first packet after `socket`, unless we connect, makes up the peer's port.
    fn inbound_ends(&mut self) -> Ends {
        let (local, remote) = self.tested.ports_or_next(self.sockets.local_port());
        Ends { source: (self.host.remote, remote), destination: (self.host.local, local) }
    }
}
