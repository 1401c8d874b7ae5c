//! The end of a connection: finish, close, abort, death (RFC 9293 3.6, 3.10.4, 3.10.5; Linux `__tcp_close`,
//! `tcp_shutdown`, `tcp_done`, `tcp_time_wait`).

use super::Env;
use super::conn::Conn;
use super::diagnosis::{Reset, diagnose};
use super::flags::{ConnFlags, EventSet, Notes, Wants};
use super::recovery::CaState;
use super::state::State;
use super::time_wait::TimeWait;
use super::timers::Purpose;
use crate::buf::{Buffers, Scoreboard};
use crate::config::Sysctl;
use crate::error::Error;
use crate::liveness::fin_wait2::{self, Plan};
use crate::liveness::time_wait;
use crate::time::{Duration, Instant};
use crate::wire::{Flags, Header};
use core::num::NonZeroU32;

/// What remains of a connection after [`Conn::close`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Nothing, once [`Conn::poll_transmit`] is drained (there may be a reset in it).
    Gone,
    /// An orphan: keep driving it until its state is [`State::Closed`] or [`Conn::take_time_wait`] yields a block.
    Orphan,
}

impl Conn {
    /// We send no more: a FIN follows the last byte queued (`shutdown(SHUT_WR)`). Receiving goes on. A second call does
    /// nothing. In SYN-SENT there is nothing to finish: the connection is gone.
    pub fn finish(&mut self, buffers: &mut impl Buffers) {
        match self.state {
            State::Closed | State::TimeWait => {}
            State::SynSent => self.die(None, buffers),
            _ if self.flags.has(ConnFlags::FIN_QUEUED) => {}
            _ => {
                self.flags.set(ConnFlags::FIN_QUEUED, true);
                self.flags.set(ConnFlags::REFUSED, false);
                self.leave_for_finish();
            }
        }
    }

    /// The state after our FIN is queued; before the handshake is complete it waits for that.
    pub(super) fn leave_for_finish(&mut self) {
        match self.state {
            State::Established => self.set_state(State::FinWait1),
            State::CloseWait => self.set_state(State::LastAck),
            _ => {}
        }
    }

    /// The application reads no more (`shutdown(SHUT_RD)`). Nothing is sent; what arrives is still acknowledged, except
    /// after [`Conn::finish`], where new data draws a reset.
    pub fn stop_receiving(&mut self) {
        self.flags.set(ConnFlags::DEAF, true);
        self.events.set(EventSet::READABLE, true);
    }

    /// The application closes. Unread data, or a linger time of zero, makes it a reset; otherwise a FIN follows what is
    /// queued and the connection lives on as an orphan (Linux `__tcp_close`, in this order).
    pub fn close(&mut self, now: Instant, sysctl: &Sysctl, buffers: &mut impl Buffers) -> Closed {
        let env = Env { now, sysctl };
        let unread = buffers.readable() > 0;
        let no_linger = self.options.linger().is_some_and(|linger| linger.is_zero());
        match self.state {
            State::Closed => return Closed::Gone,
            State::SynSent => {
                self.die(None, buffers);
                return Closed::Gone;
            }
            _ if unread || no_linger => {
                self.abort(buffers);
                return Closed::Gone;
            }
            _ => {}
        }
        self.flags.set(ConnFlags::ORPHAN | ConnFlags::DEAF, true);
        self.finish(buffers);
        self.keepalive.disarm();
        if self.state == State::FinWait2 {
            self.enter_fin_wait2(&env, buffers);
        }
        if self.state == State::Closed { Closed::Gone } else { Closed::Orphan }
    }

    /// Ends it now: RST+ACK to a peer that knows us, and everything queued is lost. What is dead already stays as it
    /// is: its error is still to be told, and a reset may still wait for the device.
    pub fn abort(&mut self, buffers: &mut impl Buffers) {
        if self.state == State::Closed {
            return;
        }
        let peer_must_know = matches!(
            self.state,
            State::SynReceived | State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait
        );
        self.die(Some(Error::Aborted), buffers);
        self.wants.set(Wants::RESET, peer_must_know);
    }

    /// An orphan's FIN is acknowledged: how long it may wait for the peer's is `fin_wait2`'s to say.
    pub(super) fn enter_fin_wait2(&mut self, env: &Env<'_>, buffers: &mut impl Buffers) {
        self.write_timer.stop();
        if self.is_orphan() {
            self.follow(fin_wait2::on_entry(&self.fin_wait2_params(env)), env, buffers);
        }
    }

    pub(super) fn follow(&mut self, plan: Plan, env: &Env<'_>, buffers: &mut impl Buffers) {
        match plan {
            Plan::Reset => self.abort(buffers),
            Plan::Whole(length) => self.write_timer.arm(Purpose::FinWait2, env.now + length),
            Plan::Block(length) => {
                self.stop_timers();
                let millis = u32::try_from(length.as_millis()).unwrap_or(u32::MAX);
                self.block_ms = NonZeroU32::new(millis.max(1));
            }
        }
    }

    /// Both ends have finished, we first.
    pub(super) fn enter_time_wait(&mut self, buffers: &mut impl Buffers) {
        self.set_state(State::TimeWait);
        self.stop_timers();
        buffers.clear_held();
        self.events.set(EventSet::CLOSED, true);
    }

    /// The small block that takes this connection's place, once it is in TIME-WAIT, or an orphan in FIN-WAIT-2. Drain
    /// [`Conn::poll_transmit`] first: the ACK of the peer's FIN may wait there. Afterwards the connection is closed;
    /// what is readable stays readable.
    pub fn take_time_wait(&mut self, now: Instant) -> Option<TimeWait> {
        let length = match self.state {
            State::TimeWait => time_wait::LENGTH,
            State::FinWait2 => Duration::from_millis(u64::from(self.block_ms.take()?.get())),
            _ => return None,
        };
        let block = TimeWait::new(now, self, length);
        self.stop_timers();
        self.set_state(State::Closed);
        Some(block)
    }

    /// An exact reset (RFC 9293 3.10.7.4, second check). After the peer's FIN the application had heard all there was;
    /// Linux tells it EPIPE. A crossed handshake counts as reset, not as refused.
    pub(super) fn die_of_reset(&mut self, header: &Header, buffers: &mut impl Buffers) {
        let error = match self.state {
            State::CloseWait => Error::BrokenPipe,
            _ => Error::Reset,
        };
        let reset = if header.flags.contains(Flags::ACK) { Reset::WithAck } else { Reset::Bare };
        let diagnosis = diagnose(self.evidence(Some(error), Some(reset)));
        self.die(Some(error), buffers);
        self.diagnosis = diagnosis;
    }

    /// The death procedure: the error is stored, both queues are dropped, every timer stops, everyone is woken. What
    /// was received in order stays readable. Nothing is sent.
    pub(super) fn die(&mut self, error: Option<Error>, buffers: &mut impl Buffers) {
        if self.state.peer_finished() {
            self.flags.set(ConnFlags::PEER_FINISHED, true);
        }
        self.diagnosis = diagnose(self.evidence(error, None));
        self.set_state(State::Closed);
        self.notes.set(Notes::REPORT, false);
        self.notes.set(Notes::ERROR, error.is_some());
        self.death = error;
        self.stop_timers();
        self.wants = Wants::NONE;
        buffers.clear_send();
        buffers.clear_held();
        *buffers.scoreboard_mut() = Scoreboard::new();
        self.recovery.state = CaState::Open;
        self.snd_una = self.snd_nxt;
        self.events.set(EventSet::READABLE | EventSet::WRITABLE | EventSet::CLOSED, true);
    }

    pub(super) fn stop_timers(&mut self) {
        self.write_timer.stop();
        self.keepalive.disarm();
        self.delayed_ack.clear();
    }

    /// A read found nothing: what that means now. The stored error once, then the end of the stream; before that, wait.
    /// After the peer's FIN it is always the end of the stream, and the error waits for the next write (as on Linux).
    ///
    /// # Errors
    /// The stored error, or [`Error::WouldBlock`].
    pub fn read_outcome(&mut self) -> Result<(), Error> {
        if self.flags.has(ConnFlags::PEER_FINISHED) {
            return Ok(());
        }
        if let Some(error) = self.take_hard_error() {
            return Err(error);
        }
        match self.state {
            State::Closed | State::TimeWait => Ok(()),
            _ if self.flags.has(ConnFlags::DEAF) => Ok(()),
            _ => Err(Error::WouldBlock),
        }
    }

    /// Whether a write may be tried: the stored error once, then [`Error::BrokenPipe`] if we finished or died.
    ///
    /// # Errors
    /// The stored error, or [`Error::BrokenPipe`].
    pub fn write_outcome(&mut self) -> Result<(), Error> {
        // Whoever writes tries the device again.
        self.flags.set(ConnFlags::REFUSED, false);
        if let Some(error) = self.take_hard_error() {
            return Err(error);
        }
        if self.is_send_closed() { Err(Error::BrokenPipe) } else { Ok(()) }
    }

    /// A write did not fit: [`super::Event::Writable`] follows when there is room.
    pub fn on_write_blocked(&mut self) {
        self.flags.set(ConnFlags::WRITE_BLOCKED, true);
    }

    /// Whether [`Conn::take_time_wait`] would yield a block.
    pub fn awaits_time_wait(&self) -> bool {
        self.state == State::TimeWait || (self.state == State::FinWait2 && self.block_ms.is_some())
    }
}
