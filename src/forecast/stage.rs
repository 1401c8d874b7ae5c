//! Connections led by real segments into the states whose ends people ask for.
//!
//! The peer here says what a Linux peer would, and only as much as it takes.

use super::ghost::{Ghost, Lent};
use super::{End, Forecast, Outlook, Reason, Step};
use crate::buf::Sent;
use crate::config::Sysctl;
use crate::options::Options;
use crate::seq::SeqNum;
use crate::tcp::{Conn, Emit, EmitKind, HalfOpen, HalfOpenVerdict, Setup, reset_for};
use crate::time::{Duration, Instant};
use crate::wire::{Flags, Flow, Header, Segment, TcpOptions, Timestamps};
use core::net::{Ipv4Addr, SocketAddr};

/// A byte and a FIN are all that is ever in flight here.
pub(super) const RECORDS: usize = 2;

const START: Instant = Instant::from_secs(1);
/// The peer's initial sequence number; any will do.
const IRS: SeqNum = SeqNum::new(1000);
/// Ethernet's.
const MTU: u16 = 1500;
/// The peer's window, in bytes, while it is open.
const WINDOW: u16 = 65_535;

/// One connection, and what its peer must know to answer it.
pub(super) struct Stage<'s, 'r> {
    pub(super) conn: Conn,
    pub(super) now: Instant,
    ghost: Ghost<Lent<'r>>,
    sysctl: &'s Sysctl,
    rtt: Duration,
    /// What we sent last.
    last: Header,
    snd_nxt: SeqNum,
    rcv_nxt: SeqNum,
}

impl<'s, 'r> Stage<'s, 'r> {
    /// The application has asked for a connection; the SYN has not left yet.
    pub(super) fn connecting(sysctl: &'s Sysctl, options: &Options, records: &'r mut [Sent; RECORDS]) -> Self {
        Self {
            conn: Conn::connect(START, &setup(*options), sysctl),
            now: START,
            ghost: Ghost::new(Lent::new(records), RECORDS),
            sysctl,
            rtt: Duration::ZERO,
            last: Header::new(SeqNum::default(), SeqNum::default(), Flags::NONE),
            snd_nxt: SeqNum::default(),
            rcv_nxt: IRS + 1,
        }
    }

    /// The handshake took one round trip, its ACK has left, and nothing is outstanding.
    pub(super) fn established(
        sysctl: &'s Sysctl,
        options: &Options,
        rtt: Duration,
        records: &'r mut [Sent; RECORDS],
    ) -> Self {
        let mut stage = Self { rtt, ..Self::connecting(sysctl, options, records) };
        stage.drain();
        let offered = stage.last.options;
        // No timer is asked meanwhile, so that even a round trip longer than the handshake's patience can be looked at.
        stage.now += rtt;
        let timestamps = offered.timestamps.map(|_| stage.timestamps());
        let window_scale = offered.window_scale.map(|_| 7);
        let options = TcpOptions {
            mss: Some(MTU - 40),
            window_scale,
            sack_permitted: offered.sack_permitted,
            timestamps,
            ..TcpOptions::NONE
        };
        let syn_ack = Header::new(IRS, stage.snd_nxt, Flags::SYN | Flags::ACK);
        stage.hear(Header { window: WINDOW, options, ..syn_ack });
        stage.drain();
        stage
    }

    /// The application writes a byte, which does not leave before time passes.
    pub(super) fn write(mut self) -> Self {
        self.ghost.queue(1);
        self
    }

    /// The application finishes, and goes on reading.
    pub(super) fn finish(mut self) -> Self {
        self.conn.finish(&mut self.ghost);
        self
    }

    /// The application closes.
    pub(super) fn close(mut self) -> Self {
        self.conn.close(self.now, self.sysctl, &mut self.ghost);
        self
    }

    /// The peer shuts its window.
    pub(super) fn shut(mut self) -> Self {
        self.answer(0, Flags::ACK);
        self
    }

    /// A round trip later the peer acknowledges all that was sent.
    pub(super) fn acknowledged(mut self) -> Self {
        self.drain();
        self.now += self.rtt;
        self.answer(WINDOW, Flags::ACK);
        self
    }

    /// A round trip later the peer acknowledges all that was sent, and finishes as well.
    pub(super) fn finished(mut self) -> Self {
        self.drain();
        self.now += self.rtt;
        self.answer(WINDOW, Flags::ACK | Flags::FIN);
        self
    }

    /// Silence until `at`, when we send something; a round trip later comes the reset of a peer that knows us no more.
    pub(super) fn reset(mut self, at: Instant) -> Self {
        while let Some(due) = self.conn.poll_timeout().filter(|&due| due <= at + self.rtt) {
            self.now = self.now.max(due);
            self.conn.handle_timeout(self.now, self.sysctl, &mut self.ghost);
            self.drain();
        }
        self.now = self.now.max(at + self.rtt);
        if let Some(reset) = reset_for(&Segment { header: self.last, payload: &[] }) {
            self.hear(reset);
        }
        self
    }

    /// What silence does from here on.
    pub(super) fn outlook(&self) -> Outlook {
        self.forecast(&mut [Sent::EMPTY; RECORDS]).map_or(Outlook::new(self.now, false), Forecast::outlook)
    }

    /// The first segment of this kind that silence brings.
    pub(super) fn first(&self, kind: EmitKind) -> Option<Step> {
        self.forecast(&mut [Sent::EMPTY; RECORDS])?.find(|step| step.kind == kind)
    }

    /// As many records as the connection has itself always do.
    fn forecast<'c>(&self, copies: &'c mut [Sent; RECORDS]) -> Option<Forecast<'s, Lent<'c>>> {
        Forecast::in_records(&self.conn, self.now, self.sysctl, &self.ghost, copies).ok()
    }

    /// The retransmission timeout.
    pub(super) fn rto(&self) -> Duration {
        self.conn.info(self.now, self.sysctl, &self.ghost).rto
    }

    fn drain(&mut self) {
        while let Some(Emit { header, len, .. }) = self.conn.poll_transmit(self.now, self.sysctl, &mut self.ghost) {
            self.last = header;
            let segment = Segment { header, payload: &[] };
            self.snd_nxt = segment.end() + len as u32;
        }
    }

    fn answer(&mut self, window: u16, flags: Flags) {
        let header = Header::new(self.rcv_nxt, self.snd_nxt, flags);
        let timestamps = self.last.options.timestamps.map(|_| self.timestamps());
        let header = Header { window, options: TcpOptions { timestamps, ..TcpOptions::NONE }, ..header };
        self.rcv_nxt += u32::from(flags.contains(Flags::FIN));
        self.hear(header);
    }

    fn timestamps(&self) -> Timestamps {
        let ecr = self.last.options.timestamps.map_or(0, |ours| ours.val);
        Timestamps { val: self.now.as_millis() as u32, ecr }
    }

    fn hear(&mut self, header: Header) {
        let segment = Segment { header, payload: &[] };
        self.conn.handle_segment(self.now, &segment, self.sysctl, &mut self.ghost);
    }
}

/// How long a half-open connection waits for the last ACK of its handshake.
pub(super) fn half_open(sysctl: &Sysctl, options: &Options) -> Result<Duration, Reason> {
    let syn = Header::new(IRS, SeqNum::default(), Flags::SYN);
    let mut block = HalfOpen::new(START, &setup(*options), &syn, sysctl);
    // The count of its timeouts is a byte.
    for _ in 0..=u8::MAX {
        let now = block.due();
        if block.handle_timeout(now, sysctl, options) == HalfOpenVerdict::Gone {
            return Ok(now.since(START));
        }
    }
    Err(Reason::TooFar)
}

/// How long after `since` it ends; a connection that is over already ends at once.
pub(super) fn time_until(end: End, since: Instant) -> Result<Duration, Reason> {
    match end {
        End::Death { at, .. } | End::Gone { at, .. } => Ok(at.since(since)),
        End::Never(Reason::Closed) => Ok(Duration::ZERO),
        End::Never(reason) => Err(reason),
    }
}

fn setup(options: Options) -> Setup {
    let end = |last| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 7));
    let flow = Flow { local: end(1), remote: end(2) };
    Setup { flow, iss: SeqNum::new(1), ts_offset: 0, mtu: MTU, options }
}
