//! Does the path swallow large segments without a word? (RFC 4821 7.7; RFC 2923 2.1)
//!
//! A router that drops what is too long should say so by ICMP; some do not, or are not heard. Small segments pass then,
//! the handshake among them, while full ones vanish, and the connection looks dead from one end. With `tcp_mtu_probing`
//! on, a path in doubt ([`retransmission`](super::retransmission), `tcp_retries1`) is tried with smaller segments:
//! `tcp_base_mss` at first, then half of it at each further expiry, down to `tcp_mtu_probe_floor`. What is resent is
//! cut to that, and if the peer answers, the connection is saved.
//!
//! The size stays small after that, for this connection. Linux would try larger segments again later, given data and a
//! congestion window enough; this crate does not, so `tcp_mtu_probing = 2`, which in Linux probes upward from the
//! start, means the same as 1 here.
//!
//! Linux: `tcp_mtu_probing`, `tcp_mtup_init`, `tcp_sync_mss`.

use core::num::NonZeroU16;

/// The settings, read at each expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// `tcp_mtu_probing`: 0, the default, switches this off.
    pub probing: u8,
    /// `tcp_base_mss`, in bytes of payload; default 1024.
    pub base_mss: u16,
    /// `tcp_mtu_probe_floor`, and no less than `tcp_min_snd_mss`, in bytes of payload; default 48.
    pub floor: u16,
}

/// What segments may carry since the path fell in doubt; it outlives the episode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlackHole {
    mss: Option<NonZeroU16>,
}

const _: () = assert!(size_of::<BlackHole>() == 2);

impl BlackHole {
    /// The path was never in doubt.
    pub const NONE: Self = Self { mss: None };

    /// What a segment may carry, in bytes, if that is less than what the path and the peer claim to take.
    pub const fn mss(&self) -> Option<u16> {
        match self.mss {
            Some(mss) => Some(mss.get()),
            None => None,
        }
    }

    /// The retransmission timer fired, and the path is in doubt: how small the next segments are. `peer_mss` is what
    /// the peer takes at most. Returns whether there is anything to do.
    pub fn on_doubt(&mut self, peer_mss: u16, params: &Params) -> bool {
        if params.probing == 0 {
            return false;
        }
        let mss = match self.mss {
            None => params.base_mss,
            Some(mss) => (mss.get().min(peer_mss) / 2).min(params.base_mss).max(params.floor),
        };
        self.mss = NonZeroU16::new(mss.max(1));
        true
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;

    use super::*;
    use alloc::vec::Vec;

    const LINUX: Params = Params { probing: 1, base_mss: 1024, floor: 48 };

    /// What seven expiries in doubt make of the size.
    fn sizes(peer_mss: u16, params: Params) -> Vec<u16> {
        let mut rule = BlackHole::NONE;
        (0..7).map_while(|_| rule.on_doubt(peer_mss, &params).then(|| rule.mss().unwrap())).collect()
    }

    #[test]
    fn segments_shrink_to_the_base_and_then_by_half_down_to_the_floor() {
        // Seen on Linux 6.18: 1024, 512; with a base of 800 and a floor of 200: 800, 400, 200, 200.
        assert_eq!(sizes(1460, LINUX), [1024, 512, 256, 128, 64, 48, 48]);
        let params = Params { base_mss: 800, floor: 200, ..LINUX };
        assert_eq!(sizes(1460, params), [800, 400, 200, 200, 200, 200, 200]);
    }

    #[test]
    fn a_peer_that_takes_less_than_the_base_is_halved_from_there() {
        assert_eq!(sizes(600, LINUX)[..3], [1024, 300, 150]);
    }

    #[test]
    fn off_is_the_default_and_changes_nothing() {
        assert_eq!(sizes(1460, Params { probing: 0, ..LINUX }), []);
        assert_eq!(BlackHole::NONE.mss(), None);
    }

    #[test]
    fn no_setting_makes_segments_of_nothing() {
        assert_eq!(sizes(0, Params { base_mss: 0, floor: 0, ..LINUX })[..2], [1, 1]);
    }
}
