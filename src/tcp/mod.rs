//! One TCP connection as a machine without I/O (RFC 9293).
//!
//! # Theory of operation
//!
//! A [`Conn`] is a flat block of numbers. It owns no buffer, reads no clock and sends nothing: each call is told the
//! time, the settings and the buffers, changes the numbers, and afterwards the machine is asked what it wants.
//!
//! | it is told | it is asked |
//! |---|---|
//! | [`Conn::handle_segment`]: a segment arrived | [`Conn::poll_transmit`]: the next segment to send, until `None` |
//! | [`Conn::handle_timeout`]: time passed | [`Conn::poll_timeout`]: when to call `handle_timeout` |
//! | [`Conn::handle_icmp`]: the network complains | [`Conn::poll_event`]: what the application should know |
//! | [`Conn::handle_refused`]: the device dropped the last segment | |
//! | [`Conn::finish`], [`Conn::close`], [`Conn::abort`], [`Conn::set_options`], [`Conn::handle_read`] | |
//!
//! After any telling, drain `poll_transmit`, then ask `poll_timeout`. Spurious calls do no harm.
//!
//! | room | question it answers |
//! |---|---|
//! | `state` | which states are there, and what leads where? |
//! | `input` | what does an arriving segment mean? (RFC 9293 3.10.7, as numbered steps) |
//! | `syn_sent` | what answers our SYN? |
//! | `ack`, `acked` | what does its acknowledgment tell? |
//! | `receive` | where does its data go, and what window do we offer? |
//! | `report` | what is told of data beyond a gap, and of data that came twice? |
//! | `autotune` | how far do the buffers grow? |
//! | `urgent` | what is urgent of it? |
//! | `write` | how did the application mean what it wrote? |
//! | `output`, `emit` | what is sent next? (decided purely, then done) And why? |
//! | `limits` | what keeps us from sending more? |
//! | `resend` | what if it must go again? |
//! | `timers` | which rule of [`crate::liveness`] owns the connection now, and when must it be asked? |
//! | `recovery` | which segments in flight are lost, and how much may be in flight meanwhile? |
//! | `tail_loss` | was the end of a burst lost, with nothing behind it to tell? |
//! | `refused` | what if the local device drops what we send, and says so? |
//! | `ecn` | what if routers mark instead of dropping? |
//! | `delayed_ack` | when does an acknowledgment leave? |
//! | `half_open`, `time_wait` | the two smaller blocks before and after a connection |
//! | `icmp` | what does an ICMP error change? |
//! | `outcome` | what became of it, and who has been told? |
//! | `diagnosis`, `vital_signs` | what was wrong when it ended, and what can be watched before? |

mod ack;
mod acked;
mod autotune;
mod conn;
mod delayed_ack;
mod diagnosis;
mod ecn;
mod emit;
mod flags;
mod half_open;
mod icmp;
mod info;
mod input;
mod limits;
mod options;
mod outcome;
mod output;
mod receive;
mod recovery;
mod refused;
mod report;
mod resend;
mod shutdown;
mod state;
mod syn_sent;
mod tail_loss;
mod throttle;
mod time_wait;
mod timers;
mod urgent;
mod vital_signs;
mod write;

use crate::config::Sysctl;
use crate::seq::SeqNum;
use crate::time::Instant;
use crate::wire::{Flags, Header, Segment};

pub use conn::{Conn, Event, Setup};
pub use diagnosis::Diagnosis;
#[cfg(feature = "alloc")]
pub(crate) use ecn::ASKS as ECN_ASKS;
pub use emit::{Emit, EmitKind};
pub use half_open::{Crowd, HalfOpen, HalfOpenVerdict};
pub use info::{TcpInfo, TimerKind};
pub use recovery::CaState;
pub use shutdown::Closed;
pub use state::{State, TRANSITIONS};
pub use time_wait::{TimeWait, TimeWaitVerdict};
pub use timers::Fired;
pub use vital_signs::VitalSigns;
pub use write::SendFlags;

/// What every step of a machine may look at besides its own block: the time and the settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Env<'s> {
    pub(crate) now: Instant,
    pub(crate) sysctl: &'s Sysctl,
}

/// The reset that answers a segment no connection wants (RFC 9293 3.10.7.1; Linux `tcp_v4_send_reset`): none to a
/// reset; to an ACK a bare reset at its number; to anything else a reset that acknowledges all of it. Window 0, no
/// options.
pub fn reset_for(segment: &Segment<'_>) -> Option<Header> {
    let header = &segment.header;
    if header.flags.contains(Flags::RST) {
        None
    } else if header.flags.contains(Flags::ACK) {
        Some(Header::new(header.ack, SeqNum::new(0), Flags::RST))
    } else {
        Some(Header::new(SeqNum::new(0), segment.end(), Flags::RST | Flags::ACK))
    }
}

/// What the small blocks accept: a segment that begins at `rcv_nxt`, that brings something new from within the window,
/// or that is empty at its right edge (RFC 9293 3.4; Linux `tcp_in_window`).
fn is_in_window(segment: &Segment<'_>, rcv_nxt: SeqNum, window: u32) -> bool {
    let (seq, end, edge) = (segment.header.seq, segment.end(), rcv_nxt + window);
    seq == rcv_nxt || (end.after(rcv_nxt) && seq.before(edge)) || (seq == edge && seq == end)
}
