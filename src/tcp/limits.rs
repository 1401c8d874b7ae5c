//! What keeps us from sending more? (Linux `tcp_chrono_start`, `tcp_chrono_stop` and their callers.)

use super::conn::Conn;
use super::flags::ConnFlags;
use super::recovery::in_flight_segments;
use super::state::State;
use crate::buf::{Buffers, Limit};
use crate::time::Instant;

impl Conn {
    /// The limit as things stand. Of several the one nearest to the application counts, as on Linux.
    fn limit(&self, buffers: &impl Buffers) -> Limit {
        let unsent = self.unsent(buffers) > 0 || self.is_fin_pending();
        if !unsent && buffers.sent_len() == 0 && buffers.is_empty() {
            return Limit::Idle;
        }
        let wants_room = self.flags.has(ConnFlags::WRITE_BLOCKED);
        let open = matches!(self.state, State::Established | State::CloseWait);
        let congested = in_flight_segments(buffers) >= self.congestion.cwnd;
        let was_short = buffers.scoreboard().totals.limit() == Limit::SendBuffer;
        if wants_room && open && (was_short || (!unsent && !congested)) {
            return Limit::SendBuffer;
        }
        let shut_out = self.next_unsent(buffers).is_some_and(|(len, fin)| len + u32::from(fin) > self.usable_window());
        if shut_out && !congested { Limit::ReceiveWindow } else { Limit::Busy }
    }

    /// Something happened: from now on perhaps another limit counts.
    pub(super) fn note_limit(&self, now: Instant, buffers: &mut impl Buffers) {
        let limit = self.limit(buffers);
        buffers.scoreboard_mut().totals.note(now, limit);
    }
}
