//! A SYN was answered, the final ACK is awaited: a small block before the connection (RFC 9293 3.10.7.2, 3.10.7.4;
//! Linux `tcp_conn_request`, `tcp_check_req`, `reqsk_timer_handler`).
//!
//! A flood of SYNs costs one of these each, never a connection; and nothing here trusts the peer's address yet.

use super::conn::{MSS_DEFAULT_V4, MSS_DEFAULT_V6, Setup};
use super::ecn;
use super::receive::{WINDOW_SCALE_MAX, initial_window, window_scale};
use super::throttle::Throttle;
use crate::config::Sysctl;
use crate::liveness::handshake::{self, SynAckParams, crowded_syn_ack_retries};
use crate::liveness::{Facts, Verdict};
use crate::options::Options;
use crate::seq::SeqNum;
use crate::time::{Duration, Instant};
use crate::wire::{Flags, FlowKey, Header, IcmpKind, Segment, TcpOptions, Timestamps};

/// A passive open before its final ACK.
#[derive(Clone, Copy, Debug)]
pub struct HalfOpen {
    key: FlowKey,
    iss: SeqNum,
    irs: SeqNum,
    ts_recent: u32,
    ts_offset: u32,
    offered_window: u32,
    due: Instant,
    /// When the first SYN-ACK left: the round-trip sample.
    sent_at: Instant,
    throttle: Throttle,
    mtu: u16,
    mss: u16,
    peer_mss: u16,
    snd_wscale: u8,
    rcv_wscale: u8,
    retransmits: u8,
    traits: u8,
}

const TIMESTAMPS: u8 = 1;
const SACK: u8 = 2;
const WINDOW_SCALE: u8 = 4;
/// A final ACK came and could not be used: the accept queue was full, or data is awaited.
const ACKED: u8 = 8;
/// The SYN-ACK was sent more than once.
const SENT_AGAIN: u8 = 16;
/// Both ends use ECN.
const ECN: u8 = 32;

/// How full a listener's queue of half-open connections is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crowd {
    /// Half-open connections of this listener.
    pub half_open: u32,
    /// Those among them that are young: see [`HalfOpen::is_young`].
    pub young: u32,
    /// The listener's backlog.
    pub backlog: u32,
}

/// What an event does to a [`HalfOpen`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HalfOpenVerdict {
    /// Nothing is sent.
    Nothing,
    /// This goes back.
    Reply(Header),
    /// The handshake is complete: make a connection of it and feed it the same segment.
    Accept,
    /// The block is gone; nothing is sent.
    Gone,
    /// The block is gone, and this reset goes back.
    Reset(Header),
}

impl HalfOpen {
    /// A SYN arrived for a listener. `setup` names the flow, our initial sequence number and the listener's options;
    /// send [`HalfOpen::syn_ack`] at once. A SYN in a packet with ECN's bits should come without the flags that ask for
    /// ECN, unless it has AE.
    pub fn new(now: Instant, setup: &Setup, syn: &Header, sysctl: &Sysctl) -> Self {
        let key = FlowKey::from(setup.flow);
        let (headers, default_mss) = if key.is_ipv4() { (40, MSS_DEFAULT_V4) } else { (60, MSS_DEFAULT_V6) };
        let whole = setup.mtu.saturating_sub(headers);
        let mss = setup.options.tcp_maxseg().map_or(whole, |bound| whole.min(bound));
        let options = &syn.options;
        let timestamps = options.timestamps.filter(|_| sysctl.tcp_timestamps != 0);
        let sack = options.sack_permitted && sysctl.tcp_sack != 0;
        let scale = options.window_scale.filter(|_| sysctl.tcp_window_scaling != 0);
        let traits = (if timestamps.is_some() { TIMESTAMPS } else { 0 })
            | (if sack { SACK } else { 0 })
            | (if scale.is_some() { WINDOW_SCALE } else { 0 })
            | (if ecn::is_granted(sysctl, syn) { ECN } else { 0 });
        // What a full segment of the peer carries, for a window of whole segments.
        let carried = mss.saturating_sub(if timestamps.is_some() { super::output::TIMESTAMPS_LEN } else { 0 });
        Self {
            key,
            iss: setup.iss,
            irs: syn.seq,
            ts_recent: timestamps.map_or(0, |timestamps| timestamps.val),
            ts_offset: setup.ts_offset,
            offered_window: initial_window(&setup.options, sysctl, carried),
            due: now + handshake::syn_ack_timeout(0),
            sent_at: now,
            throttle: Throttle::OPEN,
            mtu: setup.mtu,
            mss,
            peer_mss: options.mss.filter(|&mss| mss != 0).unwrap_or(default_mss),
            snd_wscale: scale.unwrap_or(0).min(WINDOW_SCALE_MAX),
            rcv_wscale: if scale.is_some() { window_scale(&setup.options, sysctl) } else { 0 },
            retransmits: 0,
            traits,
        }
    }

    /// Of a SYN-ACK that nobody remembers no round trip can be told.
    #[cfg(feature = "alloc")]
    pub(crate) fn sent_long_ago(mut self) -> Self {
        self.traits |= SENT_AGAIN;
        self
    }

    /// The SYN-ACK, as it leaves now.
    pub fn syn_ack(&self, now: Instant) -> Header {
        let val = (now.as_millis() as u32).wrapping_add(self.ts_offset);
        let flags = Flags::SYN | Flags::ACK | if self.has_ecn() { Flags::ECE } else { Flags::NONE };
        Header {
            window: self.offered_window.min(u32::from(u16::MAX)) as u16,
            options: TcpOptions {
                mss: Some(self.mss),
                window_scale: self.has_window_scale().then_some(self.rcv_wscale),
                sack_permitted: self.has_sack(),
                timestamps: self.has_timestamps().then_some(Timestamps { val, ecr: self.ts_recent }),
                ..TcpOptions::NONE
            },
            ..Header::new(self.iss, self.irs + 1, flags)
        }
    }

    /// A segment of this flow arrived. `room` says whether the accept queue has a place; `options` are the listener's.
    pub fn handle_segment(
        &mut self,
        now: Instant,
        segment: &Segment<'_>,
        sysctl: &Sysctl,
        options: &Options,
        room: bool,
    ) -> HalfOpenVerdict {
        let header = &segment.header;
        let old = self.is_old(header);
        let rcv_nxt = self.irs + 1;
        let plain_syn = header.flags.contains(Flags::SYN) && !header.flags.intersects(Flags::RST | Flags::ACK);
        if plain_syn && header.seq == self.irs && !old {
            return self.repeat(now, sysctl);
        }
        // Linux looks at the ACK before the window: whoever acknowledges something else is not talking to us. A reset
        // is judged by its sequence number alone (RFC 9293 3.10.7.4).
        let is_reset = header.flags.contains(Flags::RST);
        if header.flags.contains(Flags::ACK) && !is_reset && header.ack != self.iss + 1 {
            return super::reset_for(segment).map_or(HalfOpenVerdict::Nothing, HalfOpenVerdict::Reply);
        }
        if old || !super::is_in_window(segment, rcv_nxt, self.offered_window) {
            return self.challenge(now, sysctl, header);
        }
        if is_reset {
            // RFC 5961, as Linux 6.18 applies it here: only the exact number counts.
            return if header.seq == rcv_nxt { HalfOpenVerdict::Gone } else { self.answer(now, sysctl) };
        }
        if header.flags.contains(Flags::SYN) {
            return super::reset_for(segment).map_or(HalfOpenVerdict::Gone, HalfOpenVerdict::Reset);
        }
        if !header.flags.contains(Flags::ACK) {
            return HalfOpenVerdict::Nothing;
        }
        self.complete(segment, sysctl, options, room)
    }

    /// The final ACK: accepted, unless data shall come first or the application is behind.
    fn complete(&mut self, segment: &Segment<'_>, sysctl: &Sysctl, options: &Options, room: bool) -> HalfOpenVerdict {
        let bare = segment.is_empty() && segment.header.seq == self.irs + 1;
        if bare && handshake::is_deferring(self.retransmits, options.defer_accept_periods()) {
            self.traits |= ACKED;
            return HalfOpenVerdict::Nothing;
        }
        if room {
            return HalfOpenVerdict::Accept;
        }
        if sysctl.tcp_abort_on_overflow != 0 {
            return super::reset_for(segment).map_or(HalfOpenVerdict::Gone, HalfOpenVerdict::Reset);
        }
        self.traits |= ACKED;
        HalfOpenVerdict::Nothing
    }

    /// The SYN-ACK timer fired. `options` are the listener's; `crowd` tells how many more of its connections are half
    /// open, which shortens the wait for the old ones.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        sysctl: &Sysctl,
        options: &Options,
        crowd: &Crowd,
    ) -> HalfOpenVerdict {
        let facts = Facts {
            now,
            due: self.due,
            since: Some(self.sent_at),
            heard_at: self.sent_at,
            outstanding: true,
            retransmits: self.retransmits,
            probes: 0,
            backoff: self.retransmits,
            rto: Duration::from_secs(1),
        };
        let &Crowd { half_open, young, backlog } = crowd;
        let retries = crowded_syn_ack_retries(options.synack_retries(sysctl), half_open, young, backlog);
        let params = SynAckParams { retries };
        let defer = options.defer_accept_periods();
        let verdict = if defer > 0 && self.traits & ACKED != 0 {
            handshake::deferred_verdict(&facts, &params, defer)
        } else {
            handshake::syn_ack_verdict(&facts, &params)
        };
        match verdict {
            Verdict::Abort(_) => HalfOpenVerdict::Gone,
            Verdict::Wait(at) if at == self.due => HalfOpenVerdict::Nothing,
            Verdict::Wait(at) => {
                self.retransmits = self.retransmits.saturating_add(1);
                self.due = at;
                HalfOpenVerdict::Nothing
            }
            Verdict::Probe => {
                self.retransmits = self.retransmits.saturating_add(1);
                self.due = now + handshake::syn_ack_timeout(self.retransmits);
                self.traits |= SENT_AGAIN;
                HalfOpenVerdict::Reply(self.syn_ack(now))
            }
        }
    }

    /// Whether its SYN-ACK timer has never fired.
    pub fn is_young(&self) -> bool {
        self.retransmits == 0
    }

    /// When [`HalfOpen::handle_timeout`] must be called.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Whether an ICMP error about our SYN-ACK removes it: only some do, and only for the right number.
    pub fn is_ended_by(&self, quoted: SeqNum, kind: IcmpKind) -> bool {
        quoted == self.iss && super::icmp::ends_half_open(kind, self.key.is_ipv4())
    }

    /// The same SYN again: the same answer again, at most one per `tcp_invalid_ratelimit`, and the timer restarts.
    fn repeat(&mut self, now: Instant, sysctl: &Sysctl) -> HalfOpenVerdict {
        if self.throttle.withholds(now, sysctl) {
            return HalfOpenVerdict::Nothing;
        }
        self.due = now + handshake::syn_ack_timeout(self.retransmits);
        self.traits |= SENT_AGAIN;
        HalfOpenVerdict::Reply(self.syn_ack(now))
    }

    fn challenge(&mut self, now: Instant, sysctl: &Sysctl, header: &Header) -> HalfOpenVerdict {
        if header.flags.contains(Flags::RST) { HalfOpenVerdict::Nothing } else { self.answer(now, sysctl) }
    }

    /// A plain ACK with our numbers, limited like every answer to an invalid segment.
    fn answer(&mut self, now: Instant, sysctl: &Sysctl) -> HalfOpenVerdict {
        if self.throttle.withholds(now, sysctl) {
            return HalfOpenVerdict::Nothing;
        }
        let syn_ack = self.syn_ack(now);
        let mut header = Header::new(self.iss + 1, self.irs + 1, Flags::ACK);
        header.window = (self.offered_window >> self.rcv_wscale).min(u32::from(u16::MAX)) as u16;
        header.options.timestamps = syn_ack.options.timestamps;
        HalfOpenVerdict::Reply(header)
    }

    /// PAWS against the timestamp of the SYN.
    fn is_old(&self, header: &Header) -> bool {
        let timestamps = header.options.timestamps.filter(|_| self.has_timestamps());
        timestamps.is_some_and(|timestamps| self.ts_recent.wrapping_sub(timestamps.val).cast_signed() > 1)
            && !header.flags.contains(Flags::RST)
    }
}

/// What a connection is made from.
impl HalfOpen {
    /// Both ends, packed.
    pub fn key(&self) -> FlowKey {
        self.key
    }

    pub(super) fn setup(&self, options: Options) -> Setup {
        Setup { flow: self.key.into(), iss: self.iss, ts_offset: self.ts_offset, mtu: self.mtu, options }
    }

    pub(super) fn irs(&self) -> SeqNum {
        self.irs
    }

    pub(super) fn ts_recent(&self) -> u32 {
        self.ts_recent
    }

    pub(super) fn offered_window(&self) -> u32 {
        self.offered_window
    }

    pub(super) fn peer_mss(&self) -> u16 {
        self.peer_mss
    }

    pub(super) fn snd_wscale(&self) -> u8 {
        self.snd_wscale
    }

    pub(super) fn rcv_wscale(&self) -> u8 {
        self.rcv_wscale
    }

    pub(super) fn has_timestamps(&self) -> bool {
        self.traits & TIMESTAMPS != 0
    }

    pub(super) fn has_sack(&self) -> bool {
        self.traits & SACK != 0
    }

    pub(super) fn has_ecn(&self) -> bool {
        self.traits & ECN != 0
    }

    pub(super) fn has_window_scale(&self) -> bool {
        self.traits & WINDOW_SCALE != 0
    }

    /// When the only SYN-ACK was sent; `None` if there were several, so that no round trip can be told.
    pub(super) fn sampled_at(&self) -> Option<Instant> {
        (self.traits & SENT_AGAIN == 0).then_some(self.sent_at)
    }
}

const _: () = assert!(size_of::<HalfOpen>() <= 96);
