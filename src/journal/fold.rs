//! What a change of the vital signs means, and what a segment that leaves does. Each step reads two copies and writes
//! at most one entry.

use super::{Entry, Journal, Watch, What, limit};
use crate::buf::Buffers;
use crate::config::Sysctl;
use crate::error::Error;
use crate::liveness::retransmission::{MODEL_BASE, model_timeout};
use crate::liveness::time_wait;
use crate::tcp::{Conn, Diagnosis, Emit, EmitKind, State, TimerKind, VitalSigns};
use crate::time::{Duration, Instant};
use crate::wire::Flags;

/// The vital signs before a call and after it, and when it was.
#[derive(Clone, Copy)]
struct Change {
    now: Instant,
    before: VitalSigns,
    after: VitalSigns,
}

impl<S: AsRef<[Entry]> + AsMut<[Entry]>> Journal<S> {
    /// A call of the connection returned: `handle_segment`, `handle_timeout`, `poll_transmit`, any. Too many calls of
    /// this do no harm. The first begins the journal.
    pub fn note(&mut self, now: Instant, conn: &Conn, sysctl: &Sysctl, buffers: &impl Buffers) {
        let after = conn.vital_signs(buffers);
        let Some(watch) = &mut self.watch else {
            if after.state != State::SynSent {
                self.push(now, What::Begun { state: after.state });
            }
            return self.begin(now, conn, after);
        };
        let before = core::mem::replace(&mut watch.last, after);
        if before == after {
            return;
        }
        let change = Change { now, before, after };
        self.on_network(&change);
        self.on_doubt(&change, conn, sysctl);
        if after.state == State::Closed {
            return self.on_end(&change, conn, sysctl);
        }
        self.on_handshake(&change);
        self.on_heard(&change);
        self.on_flight(&change);
        self.on_window(&change);
        self.on_closing(&change);
    }

    /// A connection that a listener has just completed: the journal begins with its life.
    pub fn note_accepted(&mut self, now: Instant, conn: &Conn, buffers: &impl Buffers) {
        let signs = conn.vital_signs(buffers);
        self.push(now, What::Accepted { round_trip: sample(signs.rtt) });
        self.begin(now, conn, signs);
    }

    fn begin(&mut self, now: Instant, conn: &Conn, last: VitalSigns) {
        let flight_since = (last.in_flight > 0).then_some((now, last.acknowledged));
        let flow = conn.flow();
        self.watch = Some(Watch { flow, last, flight_since, probed_at: now, shut_since: None, resent: 0 });
    }

    /// This segment left: call it after [`Journal::note`] of the same call.
    pub fn note_emit(&mut self, now: Instant, emit: &Emit, conn: &Conn, sysctl: &Sysctl) {
        let Some(Watch { last, .. }) = self.watch else { return };
        let bytes = emit.len as u32;
        let next = wait(now, last.timer.map(|(_, at)| at));
        match emit.kind {
            EmitKind::Syn => self.push(now, What::Connecting { next }),
            EmitKind::Retransmission if emit.header.flags.contains(Flags::SYN) => {
                self.push(now, What::SynResent { count: last.retransmits, next });
            }
            EmitKind::Retransmission => {
                self.on_resent(now, bytes, next, &last);
            }
            EmitKind::TailLossProbe => self.push(now, What::TailLossProbe { bytes, next }),
            EmitKind::WindowProbe => {
                let counts = conn.options().tcp_user_timeout().is_none() && !last.orphan;
                self.on_probe(
                    now,
                    What::WindowProbe { number: last.probes, of: counts.then_some(sysctl.tcp_retries2), next },
                );
            }
            EmitKind::KeepaliveProbe => {
                let counts = conn.options().tcp_user_timeout().is_none();
                let of = counts.then(|| conn.options().keepalive_retries(sysctl));
                let (silence, next) = (now.since(last.heard_at), wait(now, last.keepalive));
                self.on_probe(now, What::KeepaliveProbe { number: last.probes, of, silence, next });
            }
            EmitKind::Reset => self.push(now, What::ResetSent),
            _ => {}
        }
    }

    fn on_probe(&mut self, now: Instant, probe: What) {
        if let Some(watch) = &mut self.watch {
            watch.probed_at = now;
        }
        self.push(now, probe);
    }

    /// By the timer, one entry a timeout; by what the peer acknowledges, one entry for all in a row.
    fn on_resent(&mut self, now: Instant, bytes: u32, next: Duration, signs: &VitalSigns) {
        let count = signs.retransmits;
        let Some(watch) = &mut self.watch else { return };
        let said = core::mem::replace(&mut watch.resent, count);
        if signs.snd_wnd == 0 && count == said {
            self.push(now, What::HeadProbe { bytes, next });
        } else if count > said {
            self.push(now, What::Resent { bytes, count, next });
        } else if let Some(Entry { what: What::Repaired { segments }, .. }) = self.nth_last(0) {
            *segments += 1;
        } else {
            self.push(now, What::Repaired { segments: 1 });
        }
    }

    /// R1 has passed (Linux `tcp_write_timeout`); smaller segments may be what follows from that.
    fn on_doubt(&mut self, change: &Change, conn: &Conn, sysctl: &Sysctl) {
        let Change { now, before, after } = change;
        if after.path_doubtful && !before.path_doubtful {
            let modelled = model_timeout(sysctl.tcp_retries1, MODEL_BASE, conn.options().rto_max(sysctl));
            self.push(*now, What::PathDoubtful { tcp_retries1: sysctl.tcp_retries1, modelled });
        }
        if after.path_doubtful && after.mss < before.mss && after.mtu == before.mtu {
            self.push(*now, What::SmallerSegments { mss: after.mss });
        }
    }

    fn on_network(&mut self, change: &Change) {
        let Change { now, before, after } = change;
        if let Some(errno) = after.soft_error.filter(|_| after.soft_error != before.soft_error) {
            self.push(*now, What::Network(errno));
        }
        if after.mtu < before.mtu {
            self.push(*now, What::MtuLowered { mtu: after.mtu, mss: after.mss });
        }
    }

    fn on_handshake(&mut self, change: &Change) {
        let Change { now, before, after } = change;
        if matches!(before.state, State::SynSent | State::SynReceived) && after.state.is_synchronized() {
            self.push(*now, What::Connected { round_trip: sample(after.rtt) });
        }
    }

    /// An answer to a probe, or progress after timeouts.
    fn on_heard(&mut self, change: &Change) {
        let Change { now, before, after } = *change;
        let Some(watch) = &mut self.watch else { return };
        watch.resent = watch.resent.min(after.retransmits);
        if before.probes > 0 && after.probes == 0 && after.heard_at > before.heard_at {
            let after = now.since(watch.probed_at);
            self.on_answered(now, after);
        }
        let established = before.state.is_synchronized();
        if established && before.retransmits > 0 && after.retransmits == 0 {
            let silence = now.since(before.heard_at);
            self.push(now, What::Recovered { resends: before.retransmits, silence });
        }
    }

    /// The second probe in a row that is answered, and all after it, are added to the first.
    fn on_answered(&mut self, now: Instant, took: Duration) {
        let (last, before) = self.last_two();
        let probed = matches!(last, Some(What::KeepaliveProbe { .. } | What::WindowProbe { .. }));
        if let Some(What::Answered { after, more, .. }) = before
            && probed
        {
            self.pop();
            if let Some(entry) = self.nth_last(0) {
                entry.what = What::Answered { after, more: more.saturating_add(1), until: now };
            }
        } else {
            self.push(now, What::Answered { after: took, more: 0, until: now });
        }
    }

    fn on_flight(&mut self, change: &Change) {
        let Change { now, before, after } = *change;
        let Some(watch) = &mut self.watch else { return };
        if before.in_flight == 0 && after.in_flight > 0 {
            watch.flight_since = Some((now, after.acknowledged));
            let next = wait(now, after.timer.map(|(_, at)| at));
            let tail_probe = after.timer.is_some_and(|(kind, _)| kind == TimerKind::TailLossProbe);
            self.push(now, What::Sent { bytes: after.in_flight, next, tail_probe });
        } else if before.in_flight > 0
            && after.in_flight == 0
            && let Some((since, acknowledged)) = watch.flight_since.take()
        {
            self.on_all_acknowledged(now, since, after.acknowledged.saturating_sub(acknowledged));
        }
        if after.fin_sent && !before.fin_sent {
            self.push(now, What::Finished);
        }
    }

    /// What goes well takes the place of its beginning, and joins what went well before.
    fn on_all_acknowledged(&mut self, now: Instant, since: Instant, bytes: u32) {
        let (after, until, more) = (now.since(since), now, u64::from(bytes));
        let (last, before) = self.last_two();
        let well = matches!(last, Some(What::Sent { .. }));
        if well {
            self.pop();
        }
        match before {
            Some(What::Exchanged { times, bytes, .. }) if well => {
                if let Some(entry) = self.nth_last(0) {
                    let (times, bytes) = (times.saturating_add(1), bytes.saturating_add(more));
                    entry.what = What::Exchanged { times, bytes, after, until };
                }
            }
            _ if well => self.push(since, What::Exchanged { times: 1, bytes: more, after, until }),
            _ => self.push(now, What::Acknowledged { after }),
        }
    }

    fn on_window(&mut self, change: &Change) {
        let Change { now, before, after } = change;
        let Some(watch) = &mut self.watch else { return };
        if before.snd_wnd > 0 && after.snd_wnd == 0 {
            watch.shut_since = Some(*now);
            self.push(*now, What::WindowShut);
        } else if after.snd_wnd > 0
            && let Some(since) = watch.shut_since.take()
        {
            self.push(*now, What::WindowOpened { window: after.snd_wnd, after: now.since(since) });
        }
    }

    fn on_closing(&mut self, change: &Change) {
        let Change { now, before, after } = change;
        if after.peer_finished && !before.peer_finished {
            self.push(*now, What::PeerFinished);
        }
        if after.orphan && !before.orphan {
            self.push(*now, What::Orphaned);
        }
        let fin_known = |state| matches!(state, State::FinWait2 | State::TimeWait);
        if fin_known(after.state) && !fin_known(before.state) {
            self.push(*now, What::FinAcknowledged);
        }
        if after.state == State::TimeWait && before.state != State::TimeWait {
            self.push(*now, What::TimeWait(time_wait::LENGTH));
        }
        let whole = after.timer.filter(|(kind, _)| *kind == TimerKind::FinWait2).map(|(_, at)| at.since(*now));
        let had = before.fin_wait2.is_some() || before.timer.is_some_and(|(kind, _)| kind == TimerKind::FinWait2);
        if let Some(length) = after.fin_wait2.or(whole)
            && !had
        {
            self.push(*now, What::FinWait2(length));
        }
    }

    fn on_end(&mut self, change: &Change, conn: &Conn, sysctl: &Sysctl) {
        let Change { now, before, after } = change;
        // What becomes of an orphan's block, and of TIME-WAIT, was said.
        if before.state == State::Closed || before.state == State::TimeWait || before.fin_wait2.is_some() {
            return;
        }
        let diagnosis = conn.diagnosis().unwrap_or(Diagnosis::Finished);
        let Some(cause) = after.death.and_then(Error::cause) else {
            return self.push(*now, What::Ended(diagnosis));
        };
        let limit = limit::of(cause, *now, before, conn.options(), sysctl);
        let silence = now.since(before.heard_at);
        self.push(*now, What::GaveUp { cause, limit, silence, diagnosis });
    }
}

/// From `now` to `at`; nothing if no timer runs.
fn wait(now: Instant, at: Option<Instant>) -> Duration {
    at.map_or(Duration::ZERO, |at| at.since(now))
}

/// A smoothed time, if there is a sample behind it.
fn sample(rtt: Duration) -> Option<Duration> {
    (!rtt.is_zero()).then_some(rtt)
}
