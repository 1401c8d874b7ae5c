//! Which connection a script speaks of: the one of the latest `socket()`, or of the ports that a packet names. Each has
//! numbers of its own.

use crate::numbers::Numbers;

/// Ports of a connection, ours first.
pub(super) type Ports = (u16, u16);

/// The connections of a script.
#[derive(Default)]
pub(super) struct Tested {
    current: Conversation,
    others: Vec<Conversation>,
    /// How many ports were made up.
    peers: u16,
    scale_echoes: bool,
}

#[derive(Default)]
struct Conversation {
    /// `None` until a packet or a `connect` says.
    ports: Option<Ports>,
    numbers: Numbers,
}

impl Tested {
    /// `scale_echoes`: echoes of unknown timestamps are computed (`--tcp_ts_ecr_scaled`).
    pub(super) fn new(scale_echoes: bool) -> Self {
        let current = Conversation { ports: None, numbers: Numbers::new(scale_echoes) };
        Self { current, scale_echoes, ..Self::default() }
    }

    /// A new socket: its connection is under test.
    pub(super) fn begin(&mut self) {
        let fresh = Conversation { ports: None, numbers: Numbers::new(self.scale_echoes) };
        let before = core::mem::replace(&mut self.current, fresh);
        if before.ports.is_some() {
            self.others.push(before);
        }
    }

    /// The connection with these ports is under test; if it is a new one, the socket under test gets them.
    pub(super) fn select(&mut self, ports: Ports) {
        if self.current.ports == Some(ports) {
            return;
        }
        if let Some(index) = self.others.iter().position(|other| other.ports == Some(ports)) {
            let known = self.others.swap_remove(index);
            let before = core::mem::replace(&mut self.current, known);
            if before.ports.is_some() {
                self.others.push(before);
            }
            return;
        }
        if self.current.ports.is_some() {
            self.begin();
        }
        self.current.ports = Some(ports);
    }

    /// The ports under test; a peer that has none yet gets the next free one.
    pub(super) fn ports_or_next(&mut self, local: u16) -> Ports {
        *self.current.ports.get_or_insert_with(|| {
            self.peers = self.peers.wrapping_add(1) % PEERS_MAX;
            (local, FIRST_REMOTE_PORT + self.peers - 1)
        })
    }

    pub(super) fn ports(&self) -> Option<Ports> {
        self.current.ports
    }

    pub(super) fn numbers(&mut self) -> &mut Numbers {
        &mut self.current.numbers
    }
}

/// The first port of a peer that opens a connection.
const FIRST_REMOTE_PORT: u16 = 40_000;
/// After so many the ports begin again.
const PEERS_MAX: u16 = 20_000;
