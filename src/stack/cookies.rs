//! SYN cookies: a handshake that is remembered by the peer (RFC 4987 3.6; Linux `syncookies.c`).
//!
//! When the half-open connections of a listener are as many as they may be, a SYN is answered and forgotten. What must
//! be known when the final ACK comes is in our initial sequence number: a keyed hash of the flow, of the minute, and of
//! which of four segment sizes the peer takes; and, with timestamps, in the low six bits of our timestamp: its window
//! scale, SACK and ECN. Without timestamps there is none of these. An ACK counts for two minutes, and only while SYNs
//! were answered so.

use super::isn::Isn;
use crate::seq::SeqNum;
use crate::time::{Duration, Instant};
use crate::wire::{Flags, FlowKey, Header, TcpOptions, Timestamps};

/// How long after a SYN was answered with a cookie ACKs are believed to bring one back (Linux `TCP_SYNCOOKIE_VALID`).
pub(super) const VALID: Duration = Duration::from_secs(2 * 60);

/// The segment sizes that a cookie can name (Linux `msstab`).
const SIZES_V4: [u16; 4] = [536, 1300, 1440, 1460];
/// The same over IPv6.
const SIZES_V6: [u16; 4] = [1280 - 60, 1480 - 60, 1500 - 60, 9000 - 60];
/// The minute goes into the bits above these.
const DATA_BITS: u32 = 24;
const DATA_MASK: u32 = (1 << DATA_BITS) - 1;
/// Minutes for which a cookie is good, the current one included.
const AGE_MAX: u32 = 2;

/// What our timestamp says in its low bits.
const OPTION_BITS: u32 = 0x3f;
const NO_SCALE: u32 = 0xf;
const SACK: u32 = 0x10;
const ECN: u32 = 0x20;

/// The SYN as it can be remembered, and the sequence number that remembers it.
pub(super) fn bake(isn: &Isn, now: Instant, key: &FlowKey, syn: &Header) -> (Header, SeqNum) {
    let sizes = sizes(key);
    let mss = syn.options.mss.filter(|&mss| mss != 0).unwrap_or(sizes[0]);
    let index = sizes.iter().rposition(|&size| size <= mss).unwrap_or(0);
    let mut kept = *syn;
    kept.options.mss = Some(sizes[index]);
    if kept.options.timestamps.is_none() {
        kept.options = TcpOptions { mss: kept.options.mss, ..TcpOptions::NONE };
        kept.flags = kept.flags.without(Flags::ECE | Flags::CWR);
    }
    (kept, number(isn, key, syn.seq, minute(now), index as u32))
}

/// Marks the timestamp of the SYN-ACK with the options that it grants. `offset` is what was added to the clock.
pub(super) fn mark(syn_ack: &mut Header, peer_scale: Option<u8>, offset: u32) {
    let Some(timestamps) = &mut syn_ack.options.timestamps else { return };
    let mut bits = peer_scale.map_or(NO_SCALE, |scale| u32::from(scale.min(14)));
    bits |= if syn_ack.options.sack_permitted { SACK } else { 0 };
    bits |= if syn_ack.flags.contains(Flags::ECE) { ECN } else { 0 };
    let clock = timestamps.val.wrapping_sub(offset);
    let marked = clock & !OPTION_BITS | bits;
    // Never ahead of the clock.
    let marked = if marked > clock { marked.wrapping_sub(OPTION_BITS + 1) } else { marked };
    timestamps.val = marked.wrapping_add(offset);
}

/// The SYN that an ACK brings back, if it acknowledges a cookie.
pub(super) fn taste(isn: &Isn, now: Instant, key: &FlowKey, ack: &Header, offset: u32) -> Option<Header> {
    let (irs, iss) = (ack.seq - 1, ack.ack - 1);
    let age = |age: &u32| {
        let minute = minute(now).wrapping_sub(*age);
        let index = iss.raw().wrapping_sub(number(isn, key, irs, minute, 0).raw());
        (index < SIZES_V4.len() as u32).then_some(index)
    };
    let index = (0..AGE_MAX).find_map(|minutes| age(&minutes))?;
    let mut options = TcpOptions { mss: Some(sizes(key)[index as usize]), ..TcpOptions::NONE };
    let mut flags = Flags::SYN;
    if let Some(Timestamps { val, ecr }) = ack.options.timestamps.filter(|timestamps| timestamps.ecr != 0) {
        let bits = ecr.wrapping_sub(offset) & OPTION_BITS;
        options.timestamps = Some(Timestamps { val, ecr: 0 });
        options.sack_permitted = bits & SACK != 0;
        options.window_scale = Some((bits & NO_SCALE) as u8).filter(|&scale| u32::from(scale) != NO_SCALE);
        flags |= if bits & ECN != 0 { Flags::ECE | Flags::CWR } else { Flags::NONE };
    }
    Some(Header { window: ack.window, options, ..Header::new(irs, SeqNum::new(0), flags) })
}

fn sizes(key: &FlowKey) -> [u16; 4] {
    if key.is_ipv4() { SIZES_V4 } else { SIZES_V6 }
}

/// Linux `secure_tcp_syn_cookie`: who does not know the secret cannot tell one minute's from another's.
fn number(isn: &Isn, key: &FlowKey, irs: SeqNum, minute: u32, index: u32) -> SeqNum {
    let data = isn.cookie_of_minute(key, minute).wrapping_add(index) & DATA_MASK;
    irs + isn.cookie(key).wrapping_add(minute << DATA_BITS).wrapping_add(data)
}

/// The minute of `now`, as far as a cookie tells it.
fn minute(now: Instant) -> u32 {
    (now.as_millis() / 60_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Flow;
    use core::net::{Ipv4Addr, SocketAddr};

    const NOW: Instant = Instant::from_secs(1_000_000);

    fn key() -> FlowKey {
        let address = |last, port| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), port));
        FlowKey::from(Flow { local: address(1, 80), remote: address(2, 5000) })
    }

    fn syn(mss: u16) -> Header {
        let timestamps = Some(Timestamps { val: 7, ecr: 0 });
        let options =
            TcpOptions { mss: Some(mss), window_scale: Some(9), sack_permitted: true, timestamps, ..TcpOptions::NONE };
        Header { options, ..Header::new(SeqNum::new(u32::MAX), SeqNum::new(0), Flags::SYN) }
    }

    /// The final ACK, after a SYN-ACK with `iss` and this timestamp.
    fn ack(iss: SeqNum, val: u32) -> Header {
        let options = TcpOptions { timestamps: Some(Timestamps { val: 8, ecr: val }), ..TcpOptions::NONE };
        Header { options, ..Header::new(SeqNum::new(0), iss + 1, Flags::ACK) }
    }

    #[test]
    fn a_cookie_brings_back_what_was_baked_for_two_minutes() {
        let isn = Isn::new([5; 16]);
        for (mss, kept) in [(100, 536), (536, 536), (1459, 1440), (1460, 1460), (9000, 1460)] {
            let (syn, iss) = bake(&isn, NOW, &key(), &syn(mss));
            assert_eq!(syn.options.mss, Some(kept));
            let mut syn_ack = Header::new(iss, syn.seq + 1, Flags::SYN | Flags::ACK);
            syn_ack.options.sack_permitted = true;
            syn_ack.options.timestamps = Some(Timestamps { val: 100_000, ecr: 7 });
            mark(&mut syn_ack, Some(9), 77);
            let val = syn_ack.options.timestamps.unwrap().val;
            assert!(val <= 100_000 && val > 100_000 - 128);
            for (later, good) in [(0, true), (59, true), (121, false)] {
                let now = NOW + Duration::from_secs(later);
                let tasted = taste(&isn, now, &key(), &ack(iss, val), 77);
                assert_eq!(tasted.is_some(), good, "after {later} s");
                let Some(tasted) = tasted else { continue };
                assert_eq!((tasted.seq, tasted.options.mss), (syn.seq, Some(kept)));
                assert_eq!((tasted.options.window_scale, tasted.options.sack_permitted), (Some(9), true));
            }
        }
    }

    #[test]
    fn of_a_million_guesses_hardly_one_is_a_cookie() {
        let isn = Isn::new([5; 16]);
        let good = (0..1_000_000_u32).filter(|guess| {
            let iss = SeqNum::new(guess.wrapping_mul(2_654_435_761));
            taste(&isn, NOW, &key(), &ack(iss, 0), 0).is_some()
        });
        assert!(good.count() <= 2, "eight of 2^32 are");
    }
}
