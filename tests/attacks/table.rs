//! Every flag byte in every state, at every edge of both windows: the unlabelled rules of RFC 9293 3.10.7, and RFC
//! 5961's, as predicates over the cells [A23]. A cell is one segment for one fresh connection.

use super::rules::RULES;
use crate::hostile::packet::{ACK, FIN, Forge, RST, SYN, Seen};
use crate::hostile::rig::{Host, Peer, local_v4, peer_v4};
use core::net::SocketAddr;
use longhaul::options::Options;
use longhaul::stack::ConnId;
use longhaul::tcp::State;

/// What the host has for the flow when the segment arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing, not even a listener.
    Nobody,
    Listener,
    HalfOpen,
    Conn(State),
    /// The small block of an orphan whose FIN was acknowledged.
    OrphanFinWait2,
    TimeWait,
}

impl Place {
    pub(crate) const ALL: [Self; 13] = [
        Self::Nobody,
        Self::Listener,
        Self::HalfOpen,
        Self::Conn(State::SynSent),
        Self::Conn(State::SynReceived),
        Self::Conn(State::Established),
        Self::Conn(State::FinWait1),
        Self::Conn(State::FinWait2),
        Self::Conn(State::CloseWait),
        Self::Conn(State::Closing),
        Self::Conn(State::LastAck),
        Self::OrphanFinWait2,
        Self::TimeWait,
    ];

    /// Both ends know each other's numbers, and the whole connection is there.
    pub(crate) fn is_synchronized(self) -> bool {
        matches!(self, Self::Conn(state) if state.is_synchronized())
    }
}

/// Where the segment begins, seen from `rcv_nxt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seq {
    Old,
    Before,
    Exact,
    Inside,
    RightEdge,
    Beyond,
}

/// What it acknowledges, seen from `snd_una` and `snd_nxt`; irrelevant without the flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ack {
    /// Further back than the largest window that the peer ever offered.
    Ancient,
    Old,
    Una,
    InFlight,
    Nxt,
    Beyond,
}

const SEQS: [Seq; 6] = [Seq::Old, Seq::Before, Seq::Exact, Seq::Inside, Seq::RightEdge, Seq::Beyond];
const ACKS: [Ack; 6] = [Ack::Ancient, Ack::Old, Ack::Una, Ack::InFlight, Ack::Nxt, Ack::Beyond];

/// One segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) place: Place,
    pub(crate) flags: u16,
    pub(crate) seq: Seq,
    pub(crate) ack: Ack,
    pub(crate) payload_len: u32,
}

impl Cell {
    pub(crate) fn has(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }

    pub(crate) fn lacks(&self, flags: u16) -> bool {
        self.flags & flags == 0
    }

    /// Sequence space it takes.
    pub(crate) fn len(&self) -> u32 {
        self.payload_len + u32::from(self.has(SYN)) + u32::from(self.has(FIN))
    }

    /// Linux's first check: nothing that ends before `rcv_nxt`, nothing that begins beyond the right edge.
    pub(crate) fn is_acceptable(&self) -> bool {
        match self.seq {
            Seq::Old | Seq::Beyond => false,
            Seq::Before => self.len() > 0,
            Seq::Exact | Seq::Inside | Seq::RightEdge => true,
        }
    }
}

/// The numbers of the connection before the segment.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) peer: Peer,
    pub(crate) id: Option<ConnId>,
    pub(crate) una: u32,
    pub(crate) nxt: u32,
    pub(crate) rcv_nxt: u32,
    pub(crate) window: u32,
}

/// What the segment did.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) sent: Vec<Seen>,
    pub(crate) after: Place,
    /// Bytes that became readable.
    pub(crate) read: usize,
    /// The host's `snd_una` moved, as far as the send queue shows it.
    pub(crate) freed: bool,
    pub(crate) seg_seq: u32,
    pub(crate) seg_ack: u32,
}

/// Cells that share a host.
const CELLS_PER_HOST: usize = 512;
/// The largest window that the scripted peer offers, never scaled.
const PEER_WINDOW: u32 = 65_535;
/// What the host has in flight where it has anything.
const IN_FLIGHT: usize = 100;

#[test]
fn attack_a23_every_flag_byte_in_every_state_obeys_the_event_rules() {
    let mut asked = vec![0_u32; RULES.len()];
    let mut broken = vec![None; RULES.len()];
    for place in Place::ALL {
        let cells: Vec<_> = cells(place).collect();
        for chunk in cells.chunks(CELLS_PER_HOST) {
            let mut host = Host::listening();
            for (port, cell) in (1024..).zip(chunk) {
                let scene = enter(&mut host, cell.place, port);
                let outcome = play(&mut host, &scene, cell);
                for (index, rule) in RULES.iter().enumerate().filter(|(_, rule)| (rule.applies)(cell)) {
                    asked[index] += 1;
                    if broken[index].is_none() && !(rule.holds)(cell, &scene, &outcome) {
                        broken[index] = Some(format!("{}\n  {cell:?}\n  {scene:?}\n  {outcome:?}\n", rule.name));
                    }
                }
            }
            host.stack.check();
        }
    }
    let broken: String = broken.into_iter().flatten().collect();
    assert!(broken.is_empty(), "rules broken, with their first cell:\n{broken}");
    for (rule, asked) in RULES.iter().zip(asked) {
        assert!(asked > 0, "{} was never asked", rule.name);
    }
}

/// Every combination; without the ACK flag its number is not varied.
fn cells(place: Place) -> impl Iterator<Item = Cell> {
    let every = (0..0x200_u16).flat_map(|flags| SEQS.into_iter().map(move |seq| (flags, seq)));
    every
        .flat_map(|(flags, seq)| {
            let acks = if flags & ACK != 0 { &ACKS[..] } else { &ACKS[..1] };
            acks.iter().map(move |&ack| (flags, seq, ack))
        })
        .flat_map(move |(flags, seq, ack)| [0, 1].map(|payload_len| Cell { place, flags, seq, ack, payload_len }))
}

/// Brings a fresh connection to `place`.
fn enter(host: &mut Host, place: Place, port: u16) -> Scene {
    match place {
        Place::Nobody => scene(Peer::new(peer_v4(port), SocketAddr::new(local_v4().ip(), 81)), None, 0, 0),
        Place::Listener => scene(Peer::new(peer_v4(port), local_v4()), None, 0, 0),
        Place::HalfOpen => {
            let mut peer = Peer::new(peer_v4(port), local_v4());
            let syn_ack = host.hears(&peer.syn(&[]));
            peer.take_syn(&syn_ack[0]);
            peer.seq = peer.seq.wrapping_add(1);
            let (una, nxt) = (peer.first.wrapping_sub(1), peer.first);
            scene(peer, None, una, nxt)
        }
        Place::Conn(State::SynSent | State::SynReceived) => enter_active(host, place, port),
        _ => enter_synchronized(host, place, port),
    }
}

fn enter_active(host: &mut Host, place: Place, port: u16) -> Scene {
    let id = host.stack.connect(host.now, None, peer_v4(port), Options::new()).unwrap();
    let syn = host.drain().remove(0);
    let mut peer = Peer::new(peer_v4(port), syn.from);
    peer.take_syn(&syn);
    if place == Place::Conn(State::SynReceived) {
        assert!(host.hears(&peer.syn(&[]))[0].has(SYN | ACK));
        peer.seq = peer.seq.wrapping_add(1);
    }
    let (una, nxt) = (peer.first.wrapping_sub(1), peer.first);
    scene(peer, Some(id), una, nxt)
}

fn enter_synchronized(host: &mut Host, place: Place, port: u16) -> Scene {
    let (mut peer, id) = Peer::establish(peer_v4(port), host, &[]);
    let mut una = peer.first;
    let acked = matches!(place, Place::Conn(State::FinWait2) | Place::OrphanFinWait2 | Place::TimeWait);
    if matches!(place, Place::Conn(State::CloseWait | State::LastAck)) {
        peer.finishes(host);
    }
    if !acked {
        // An ACK of the past is one of bytes that were acknowledged before.
        peer.hears_data(host, id, IN_FLIGHT);
        una = peer.ack;
        host.hears(&peer.forge());
        // It carries the ACK of whatever arrived, so that every number received is acknowledged.
        peer.hears_data(host, id, IN_FLIGHT);
    }
    let now = host.now;
    match place {
        Place::OrphanFinWait2 => host.stack.conn(id).unwrap().close(now),
        Place::Conn(State::Established | State::CloseWait) => {}
        _ => host.stack.conn(id).unwrap().finish(now),
    }
    let sent = host.drain();
    peer.take(&sent);
    if acked {
        una = peer.ack;
        host.hears(&peer.forge());
    }
    if place == Place::Conn(State::Closing) {
        // It has seen nothing of what the host sent.
        let sent = host.hears(&peer.forge().flags(FIN | ACK).ack(una));
        peer.seq = peer.seq.wrapping_add(1);
        peer.take(&sent);
    }
    if place == Place::TimeWait {
        peer.finishes(host);
    }
    let orphan = matches!(place, Place::OrphanFinWait2);
    let nxt = peer.ack;
    let scene = scene(peer, (!orphan).then_some(id), una, nxt);
    if let (Place::Conn(state), Some(id)) = (place, scene.id) {
        assert_eq!(host.stack.conn(id).unwrap().state(), state);
    }
    scene
}

fn scene(peer: Peer, id: Option<ConnId>, una: u32, nxt: u32) -> Scene {
    let (rcv_nxt, window) = (peer.seq, peer.offered);
    Scene { peer, id, una, nxt, rcv_nxt, window }
}

/// The segment of a cell arrives.
fn play(host: &mut Host, scene: &Scene, cell: &Cell) -> Outcome {
    let forge = forge(scene, cell);
    let blocks = |host: &Host| (host.stack.half_open_len(), host.stack.time_wait_len());
    let queued = |host: &mut Host| {
        scene.id.and_then(|id| host.stack.conn(id)).map_or((0, 0), |conn| (conn.readable(), conn.send_queue()))
    };
    let (before, queued_before) = (blocks(host), queued(host));
    let sent = host.hears(&forge);
    let (after, queued_after) = (blocks(host), queued(host));
    let accepted = host.accept();
    let state = accepted.or(scene.id).and_then(|id| host.stack.conn(id)).map(|conn| conn.state());
    let after = match state {
        _ if after.0 > before.0 => Place::HalfOpen,
        _ if after.1 > before.1 => Place::TimeWait,
        Some(State::Closed) if cell.place == Place::TimeWait && after.1 == before.1 => Place::TimeWait,
        Some(State::Closed) | None => match cell.place {
            Place::HalfOpen if after.0 == before.0 => Place::HalfOpen,
            Place::OrphanFinWait2 if after.1 == before.1 => Place::OrphanFinWait2,
            Place::Listener => Place::Listener,
            _ => Place::Nobody,
        },
        Some(state) => Place::Conn(state),
    };
    let read = accepted.and_then(|id| host.stack.conn(id)).map_or(queued_after.0, |conn| conn.readable());
    let freed = queued_after.1 < queued_before.1;
    Outcome { sent, after, read, freed, seg_seq: forge.seq, seg_ack: forge.ack }
}

fn forge(scene: &Scene, cell: &Cell) -> Forge {
    let seq = match cell.seq {
        Seq::Old => scene.rcv_nxt.wrapping_sub(1000),
        Seq::Before => scene.rcv_nxt.wrapping_sub(1),
        Seq::Exact => scene.rcv_nxt,
        Seq::Inside => scene.rcv_nxt.wrapping_add(100),
        Seq::RightEdge => scene.rcv_nxt.wrapping_add(scene.window),
        Seq::Beyond => scene.rcv_nxt.wrapping_add(scene.window).wrapping_add(1),
    };
    let ack = match cell.ack {
        Ack::Ancient => scene.una.wrapping_sub(PEER_WINDOW).wrapping_sub(1),
        Ack::Old => scene.una.wrapping_sub(1),
        Ack::Una => scene.una,
        Ack::InFlight => scene.una.wrapping_add(scene.nxt.wrapping_sub(scene.una) / 2),
        Ack::Nxt => scene.nxt,
        Ack::Beyond => scene.nxt.wrapping_add(1),
    };
    let forge = scene.peer.forge().seq(seq).ack(ack).flags(cell.flags);
    forge.payload(&[b'x'; 1][..cell.payload_len as usize])
}

/// The reset that answers a segment nobody wants: RFC 9293 3.10.7.1.
pub(crate) fn is_reset_for(seen: &Seen, cell: &Cell, outcome: &Outcome) -> bool {
    let expected = if cell.has(ACK) {
        (RST, outcome.seg_ack, 0)
    } else {
        (RST | ACK, 0, outcome.seg_seq.wrapping_add(cell.len()))
    };
    (seen.flags, seen.seq, seen.ack) == expected && seen.window == 0 && seen.payload_len == 0
}
