//! Sixth, the URG bit (RFC 9293 3.10.7.4, 3.8.5; RFC 6093; Linux `tcp_check_urg`).
//!
//! Urgent data stays in line, where the application reads it, as with `SO_OOBINLINE` on Linux: RFC 6093 advises against
//! anything else. What is told is where it ends: that there is something urgent, once ([`super::Event::Urgent`]), and
//! how far the application has yet to read.

use super::conn::Conn;
use super::flags::{ConnFlags, EventSet};
use crate::buf::Buffers;
use crate::wire::{Flags, Header};

impl Conn {
    /// The pointer counts if it moves ahead of what was received and of the last one. As BSD and Linux have it, it
    /// points behind the urgent byte (RFC 6093 2.1).
    pub(super) fn sixth_check_urg(&mut self, header: &Header, buffers: &mut impl Buffers) {
        let heard = self.state.may_receive() && !self.flags.has(ConnFlags::DEAF);
        if !header.flags.contains(Flags::URG) || !heard {
            return;
        }
        let last = header.seq + u32::from(header.urgent.max(1)) - 1;
        let known = buffers.tuning().rcv_up;
        if last.before(self.rcv_nxt) || known.is_some_and(|rcv_up| !last.after(rcv_up)) {
            return;
        }
        buffers.tuning_mut().rcv_up = Some(last);
        self.events.set(EventSet::URGENT, true);
    }

    /// Bytes to read before the urgent byte, which may not have arrived yet; `None` if none is known, or it was read.
    /// Zero is where Linux's `SIOCATMARK` says so.
    pub fn urgent_mark(&self, buffers: &impl Buffers) -> Option<usize> {
        let read = self.read_up_to(buffers);
        let rcv_up = buffers.tuning().rcv_up.filter(|rcv_up| rcv_up.at_or_after(read))?;
        Some(rcv_up.distance(read) as usize)
    }

    /// The application read: past the urgent byte nothing is urgent any more.
    pub(super) fn forget_urgent_if_read(&self, buffers: &mut impl Buffers) {
        if self.urgent_mark(buffers).is_none() {
            buffers.tuning_mut().rcv_up = None;
        }
    }
}
