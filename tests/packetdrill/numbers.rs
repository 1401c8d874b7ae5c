//! Script numbers and live numbers: sequence numbers and timestamps of a script are small, those of the stack are not.

use crate::ast::{Flags, Tcp, TcpOption};

/// What the peer adds to its sequence numbers: they wrap around early in every script.
const REMOTE_BASE: u32 = 0u32.wrapping_sub(700);

/// The translation for one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    local: Option<Isn>,
    remote: Option<Isn>,
    /// Script values of our timestamps, and what was sent in their place; latest last.
    timestamps: Vec<(u32, u32)>,
    /// Echo of an unknown value: computed from the ones known (`--tcp_ts_ecr_scaled`).
    pub(crate) scale_echoes: bool,
}

/// An initial sequence number, as the script has it and as it is.
#[derive(Clone, Copy, Debug)]
struct Isn {
    script: u32,
    live: u32,
}

impl Numbers {
    pub(crate) fn new(scale_echoes: bool) -> Self {
        Self { scale_echoes, ..Self::default() }
    }

    /// A packet that the script injects, with live numbers.
    pub(crate) fn live(&mut self, script: &Tcp) -> Result<Tcp, String> {
        let syn = script.flags.has(Flags::SYN);
        if syn {
            let live = script.seq.wrapping_add(REMOTE_BASE);
            self.remote.get_or_insert(Isn { script: script.seq, live });
        }
        let local = self.local_offset(syn);
        let mut live = script.clone();
        live.seq = script.seq.wrapping_add(self.remote_offset(syn));
        live.ack = script.ack.map(|ack| ack.wrapping_add(local));
        for option in live.options.iter_mut().flatten() {
            match option {
                TcpOption::Sack(blocks) => shift(blocks, self.local_offset(false)),
                TcpOption::Timestamps { ecr, .. } => *ecr = self.live_echo(*ecr)?,
                _ => {}
            }
        }
        Ok(live)
    }

    /// A packet that the stack sent, with script numbers; `expected` says which number a first SYN has.
    pub(crate) fn script(&mut self, live: &Tcp, expected: Option<&Tcp>) -> Tcp {
        let syn = live.flags.has(Flags::SYN);
        if syn && let Some(expected) = expected {
            self.local.get_or_insert(Isn { script: expected.seq, live: live.seq });
        }
        let mut script = live.clone();
        script.seq = live.seq.wrapping_sub(self.local_offset(syn));
        script.ack = live.ack.map(|ack| ack.wrapping_sub(self.remote_offset(syn)));
        for option in script.options.iter_mut().flatten() {
            if let TcpOption::Sack(blocks) = option {
                shift(blocks, 0u32.wrapping_sub(self.remote_offset(false)));
            }
        }
        script
    }

    /// The live number of a script's number of ours, outside a SYN.
    pub(crate) fn live_local(&self, script: u32) -> u32 {
        script.wrapping_add(self.local_offset(false))
    }

    /// Where the script says `script`, the stack sent `live`.
    pub(crate) fn remember_timestamp(&mut self, script: u32, live: u32) {
        self.timestamps.push((script, live));
    }

    /// The first timestamp remembered.
    pub(crate) fn first_timestamp(&self) -> Option<(u32, u32)> {
        self.timestamps.first().copied()
    }

    fn live_echo(&self, script: u32) -> Result<u32, String> {
        if script == 0 {
            return Ok(0);
        }
        let known = self.timestamps.iter().rev();
        if let Some((_, live)) = known.clone().find(|(val, _)| *val == script) {
            return Ok(*live);
        }
        match known.max_by_key(|(val, _)| *val) {
            Some((val, live)) if self.scale_echoes => Ok(live.wrapping_add(script.wrapping_sub(*val))),
            _ => Err(format!("ecr {script}: no packet was sent with TS val {script}")),
        }
    }

    /// On a SYN numbers are absolute, elsewhere they count from the initial one.
    fn local_offset(&self, syn: bool) -> u32 {
        self.local.map_or(0, |isn| if syn { isn.live.wrapping_sub(isn.script) } else { isn.live })
    }

    fn remote_offset(&self, syn: bool) -> u32 {
        self.remote.map_or(REMOTE_BASE, |isn| if syn { isn.live.wrapping_sub(isn.script) } else { isn.live })
    }
}

fn shift(blocks: &mut [(u32, u32)], by: u32) {
    for (start, end) in blocks {
        *start = start.wrapping_add(by);
        *end = end.wrapping_add(by);
    }
}
