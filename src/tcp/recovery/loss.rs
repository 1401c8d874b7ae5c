//! The retransmission timer fired: everything that is old enough counts as lost (RFC 5681 3.1; Linux `tcp_enter_loss`).
//! Unless the timeout was spurious, which the next two ACKs tell (F-RTO, RFC 5682; Linux `tcp_process_loss`).

use super::rack::is_recent;
use super::{CaState, Env, in_flight_segments};
use crate::buf::{Buffers, Marks};
use crate::congestion::cubic::Round;
use crate::tcp::acked::Acked;
use crate::tcp::conn::Conn;
use crate::tcp::timers::Purpose;
use crate::time::Duration;
use crate::wire::Header;

/// What may leave after an ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tcp) enum Resend {
    Nothing,
    /// What is lost.
    Lost,
    /// New data, to find out whether anything is lost at all.
    NewData,
}

impl Conn {
    /// The timer fired. Comes before the expiry is counted.
    pub(in crate::tcp) fn enter_loss(&mut self, env: &Env<'_>, buffers: &mut impl Buffers) {
        let new_recovery = self.recovery.state < CaState::Recovery;
        self.mark_flight_lost(env, buffers);
        let first_of_window = self.recovery.state <= CaState::Disorder
            || self.recovery.high_seq.at_or_before(self.snd_una)
            || (self.recovery.state == CaState::Loss && self.retransmission.retransmits == 0);
        if first_of_window {
            let prior_ssthresh = self.current_ssthresh();
            let board = buffers.scoreboard_mut();
            board.prior_ssthresh = prior_ssthresh;
            board.prior_cwnd = self.congestion.cwnd;
            self.congestion.reduce(&mut board.cubic);
            self.mark_for_undo(buffers);
        }
        let in_flight = in_flight_segments(buffers);
        let round = Round { now: env.now, snd_una: self.snd_una, snd_nxt: self.snd_nxt };
        self.congestion.on_timeout(&mut buffers.scoreboard_mut().cubic, in_flight, round);
        let least = env.sysctl.tcp_reordering;
        if self.recovery.state <= CaState::Disorder && buffers.scoreboard().sacked_out >= u32::from(least) {
            // So many held, and yet it came to this: less was reordered than thought.
            self.recovery.reordering = self.recovery.reordering.min(least);
        }
        self.recovery.state = CaState::Loss;
        self.recovery.high_seq = self.snd_nxt;
        self.queue_cwr();
        self.forget_tail_probe(buffers);
        let resent_before = self.retransmission.retransmits > 0;
        buffers.scoreboard_mut().frto = env.sysctl.tcp_frto != 0 && (new_recovery || resent_before);
    }

    /// All but what is held, and but what was sent so recently that it may still arrive. If the head is reported held,
    /// the peer has thrown away what it held (`tcp_timeout_mark_lost`).
    fn mark_flight_lost(&mut self, env: &Env<'_>, buffers: &mut impl Buffers) {
        let reneged = buffers.sent(0).is_some_and(|head| head.marks.has(Marks::SACKED));
        if reneged {
            buffers.scoreboard_mut().sacked_out = 0;
        }
        self.forget_duplicates(buffers);
        let sack = self.has_sack();
        for index in 0..buffers.sent_len() {
            let Some(mut sent) = buffers.sent(index) else { break };
            if reneged {
                sent.marks = sent.marks.without(Marks::SACKED);
                buffers.set_sent(index, sent);
            } else if sack && index > 0 && is_recent(env.now, sent.sent_at, buffers) {
                continue;
            }
            Self::mark_lost(index, buffers);
        }
    }

    /// The head is acknowledged up to a segment that the peer said it held: it lied, or lacks memory. A timeout soon
    /// starts over (`tcp_check_sack_reneging`).
    pub(super) fn on_reneging(&mut self, env: &Env<'_>) {
        let wait = (self.estimator.srtt() / 2).max(RENEGING_WAIT_MIN);
        self.write_timer.arm(Purpose::Retransmission, env.now + wait);
    }

    /// An ACK in the Loss state.
    pub(super) fn process_loss(&mut self, header: &Header, acked: &Acked, buffers: &mut impl Buffers) -> Resend {
        let recovered = self.snd_una.at_or_after(self.recovery.high_seq);
        if acked.advanced && self.try_undo_loss(header, false, buffers) {
            return Resend::Nothing;
        }
        if buffers.scoreboard().frto {
            // RFC 5682 3.1 step 3b: what was never resent arrived, so it was not lost.
            if acked.original_arrived && self.try_undo_loss(header, true, buffers) {
                return Resend::Nothing;
            }
            if self.snd_nxt.after(self.recovery.high_seq) {
                if acked.sacked || acked.duplicates > 0 {
                    // Step 3a: the new data arrived, and the old did not.
                    buffers.scoreboard_mut().frto = false;
                }
            } else if acked.advanced && !recovered {
                self.recovery.high_seq = self.snd_nxt;
                // Step 2b.
                if self.has_new_data(buffers) {
                    return Resend::NewData;
                }
                buffers.scoreboard_mut().frto = false;
            }
        }
        if recovered {
            self.try_undo_recovery(header, buffers);
            return Resend::Nothing;
        }
        if self.snd_nxt.after(self.recovery.high_seq) && acked.duplicates > 0 {
            self.add_duplicates(acked, buffers);
        } else if acked.advanced {
            self.forget_duplicates(buffers);
        }
        Resend::Lost
    }

    /// Whether the peer's window admits anything that was never sent.
    fn has_new_data(&self, buffers: &impl Buffers) -> bool {
        (self.unsent(buffers) > 0 || self.is_fin_pending()) && self.usable_window() > 0
    }
}

/// At least so long after reneging was seen (Linux: 10 ms).
const RENEGING_WAIT_MIN: Duration = Duration::from_millis(10);
