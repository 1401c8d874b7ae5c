//! What an attacker on the path knows: the numbers of every flow, read off the packets that the stack sends.

use crate::hostile::packet::{ACK, RST, SYN, Seen};
use core::net::SocketAddr;
use longhaul::wire::Timestamps;

/// Flows remembered at most; the oldest is forgotten.
const FLOWS_MAX: usize = 128;
/// Packets remembered at most.
const PACKETS_MAX: usize = 64;

/// One flow as its last packets show it.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) host: SocketAddr,
    pub(crate) peer: SocketAddr,
    /// The last segment that the host sent.
    pub(crate) last: Seen,
    /// The host's next number, as far as it has been seen.
    pub(crate) nxt: u32,
    /// Where a segment in flight may begin.
    pub(crate) una: u32,
    /// What the host expects next.
    pub(crate) rcv_nxt: u32,
    /// What it offers, in bytes.
    pub(crate) window: u32,
    pub(crate) scale: u8,
    pub(crate) timestamps: Option<Timestamps>,
    /// Whether the peer's FIN was sent honestly.
    pub(crate) finished: bool,
}

/// All flows and some packets.
#[derive(Debug, Default)]
pub(crate) struct View {
    flows: Vec<Flow>,
    /// Packets that were real, from both sides, to be damaged or quoted.
    packets: Vec<Vec<u8>>,
    forgotten: usize,
}

impl View {
    pub(crate) fn flows(&self) -> &[Flow] {
        &self.flows
    }

    pub(crate) fn flow_mut(&mut self, index: usize) -> &mut Flow {
        &mut self.flows[index]
    }

    pub(crate) fn packets(&self) -> &[Vec<u8>] {
        &self.packets
    }

    /// A packet worth remembering; large ones only once in a while.
    pub(crate) fn keep(&mut self, packet: &[u8]) {
        if self.packets.len() < PACKETS_MAX {
            self.packets.push(packet.to_vec());
        } else {
            self.forgotten = (self.forgotten + 1) % PACKETS_MAX;
            let slot = &mut self.packets[self.forgotten];
            slot.clear();
            slot.extend_from_slice(packet);
        }
    }

    /// The host sent this.
    pub(crate) fn see(&mut self, seen: &Seen) {
        let known = self.flows.iter().position(|flow| flow.host == seen.from && flow.peer == seen.to);
        if seen.has(RST) {
            // It may have been about something else; then the flow is found again.
            known.map(|index| self.flows.swap_remove(index));
            return;
        }
        let index = known.unwrap_or_else(|| self.begin(seen));
        let flow = &mut self.flows[index];
        if seen.has(SYN) {
            *flow = Flow::new(seen);
        }
        if seen.end().wrapping_sub(flow.nxt).cast_signed() > 0 {
            flow.una = flow.nxt;
            flow.nxt = seen.end();
        }
        if seen.has(ACK) {
            flow.rcv_nxt = seen.ack;
        }
        flow.window = u32::from(seen.window) << if seen.has(SYN) { 0 } else { flow.scale };
        flow.timestamps = seen.options.timestamps;
        flow.last = seen.clone();
    }

    fn begin(&mut self, seen: &Seen) -> usize {
        if self.flows.len() < FLOWS_MAX {
            self.flows.push(Flow::new(seen));
            return self.flows.len() - 1;
        }
        self.forgotten = (self.forgotten + 1) % FLOWS_MAX;
        self.flows[self.forgotten] = Flow::new(seen);
        self.forgotten
    }
}

impl Flow {
    fn new(seen: &Seen) -> Self {
        Self {
            host: seen.from,
            peer: seen.to,
            last: seen.clone(),
            nxt: seen.end(),
            una: seen.seq,
            rcv_nxt: seen.ack,
            window: u32::from(seen.window),
            scale: seen.options.window_scale.unwrap_or(0),
            timestamps: seen.options.timestamps,
            finished: false,
        }
    }
}
