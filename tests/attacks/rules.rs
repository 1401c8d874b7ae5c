//! The rules that every cell of the table obeys. Numbers are those of the event rules that RFC 9293 3.10.7 leaves
//! unlabelled, in its order; where Linux differs, the name says so.

use super::table::{Ack, Cell, Outcome, Place, Scene, Seq, is_reset_for};
use crate::hostile::packet::{ACK, CWR, ECE, FIN, RST, SYN, Seen};
use longhaul::tcp::State;

/// A statement about all cells to which it applies.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) applies: fn(&Cell) -> bool,
    pub(crate) holds: fn(&Cell, &Scene, &Outcome) -> bool,
}

const fn rule(name: &'static str, applies: fn(&Cell) -> bool, holds: fn(&Cell, &Scene, &Outcome) -> bool) -> Rule {
    Rule { name, applies, holds }
}

pub(crate) const RULES: &[Rule] = &[
    rule(
        "ev_04: no reset answers a reset",
        |cell| cell.has(RST),
        |_, _, got| got.sent.iter().all(|seen| !seen.has(RST)),
    ),
    rule("one segment draws two at most", |_| true, |_, _, got| got.sent.len() <= 2),
    // CLOSED
    rule("ev_01: CLOSED, RST: silence", |cell| is_nobody(cell) && cell.has(RST), |_, _, got| silent(got)),
    rule(
        "ev_02, ev_03: CLOSED: the reset that RFC 9293 3.10.7.1 spells out",
        |cell| is_nobody(cell) && cell.lacks(RST),
        |cell, _, got| one(got).is_some_and(|seen| is_reset_for(seen, cell, got)),
    ),
    // LISTEN
    rule("ev_06: LISTEN, RST: ignored", |cell| is_listener(cell) && cell.has(RST), |_, _, got| silent(got)),
    rule(
        "ev_07, ev_08: LISTEN, ACK: reset, SYN or not",
        |cell| is_listener(cell) && cell.has(ACK) && cell.lacks(RST),
        |cell, _, got| one(got).is_some_and(|seen| is_reset_for(seen, cell, got)) && got.after == cell.place,
    ),
    rule(
        "ev_09: LISTEN, no SYN: silence; SYN with FIN, too (Linux)",
        |cell| is_listener(cell) && cell.lacks(RST | ACK) && (cell.lacks(SYN) || cell.has(FIN)),
        |cell, _, got| silent(got) && got.after == cell.place,
    ),
    rule(
        "ev_10: LISTEN, SYN: SYN-ACK of the SYN alone, whatever else it carries",
        |cell| is_listener(cell) && cell.has(SYN) && cell.lacks(RST | ACK | FIN),
        |cell, _, got| {
            let answers = |seen: &Seen| seen.flags == syn_ack_for(cell) && seen.ack == got.seg_seq.wrapping_add(1);
            one(got).is_some_and(answers) && got.after == Place::HalfOpen
        },
    ),
    // SYN-RECEIVED, passive: a reset is judged by its sequence number alone (Linux 6.18); else Linux looks at the ACK
    // first, then at the window.
    rule(
        "ev_49: half-open, bad ACK: reset, and it stays",
        |cell| is_half_open(cell) && cell.has(ACK) && cell.lacks(RST) && cell.ack != Ack::Nxt,
        |cell, _, got| one(got).is_some_and(|it| is_reset_for(it, cell, got)) && got.after == cell.place,
    ),
    rule(
        "ev_39: half-open, exact reset: gone without a word",
        |cell| is_half_open(cell) && cell.has(RST) && cell.seq == Seq::Exact,
        |_, _, got| silent(got) && got.after == Place::Nobody,
    ),
    rule(
        "ev_36: half-open, reset outside the window: silence",
        |cell| is_half_open(cell) && cell.has(RST) && !is_in_small_window(cell),
        |cell, _, got| silent(got) && got.after == cell.place,
    ),
    rule(
        "ev_38: half-open, inexact reset in the window: ACK, and it stays (Linux 6.18)",
        |cell| {
            let inexact = is_in_small_window(cell) && cell.seq != Seq::Exact;
            is_half_open(cell) && cell.has(RST) && inexact
        },
        |cell, scene, got| our_ack(scene, got) && got.after == cell.place,
    ),
    rule("ev_13: half-open, the same SYN again: the same SYN-ACK again", is_syn_again, |cell, scene, got| {
        one(got).is_some_and(|it| it.flags == SYN | ACK && it.seq == scene.una && it.ack == scene.rcv_nxt)
            && got.after == cell.place
    }),
    rule(
        "ev_30: half-open, outside the window: ACK, and it stays",
        |cell| {
            let outside = !is_in_small_window(cell) && !is_syn_again(cell);
            is_half_open(cell) && has_good_ack_or_none(cell) && cell.lacks(RST) && outside
        },
        |cell, scene, got| our_ack(scene, got) && got.after == cell.place,
    ),
    rule(
        "ev_44: half-open, another SYN in the window: reset and gone (Linux)",
        |cell| {
            let another = cell.has(SYN) && is_in_small_window(cell) && !is_syn_again(cell);
            is_half_open(cell) && has_good_ack_or_none(cell) && cell.lacks(RST) && another
        },
        |cell, _, got| one(got).is_some_and(|seen| is_reset_for(seen, cell, got)) && got.after == Place::Nobody,
    ),
    rule(
        "ev_46: half-open, no flag that says anything: silence",
        |cell| is_half_open(cell) && cell.lacks(RST | SYN | ACK) && is_in_small_window(cell),
        |cell, _, got| silent(got) && got.after == cell.place,
    ),
    rule(
        "ev_48: half-open, the ACK of our SYN: ESTABLISHED, and its text and FIN count",
        |cell| {
            is_half_open(cell)
                && cell.lacks(RST | SYN)
                && cell.has(ACK)
                && cell.ack == Ack::Nxt
                && is_in_small_window(cell)
        },
        |cell, _, got| got.after == next(cell, State::Established) && got.read == text(cell),
    ),
    // SYN-SENT
    rule(
        "ev_17: SYN-SENT, bad ACK: reset at its number, and stay",
        |cell| is_in(cell, State::SynSent) && cell.has(ACK) && cell.ack != Ack::Nxt && cell.lacks(RST),
        |cell, _, got| one(got).is_some_and(|seen| is_reset_for(seen, cell, got)) && got.after == cell.place,
    ),
    rule(
        "ev_18, ev_19: SYN-SENT, reset without our SYN's ACK: nothing",
        |cell| is_in(cell, State::SynSent) && cell.has(RST) && (cell.lacks(ACK) || cell.ack != Ack::Nxt),
        |cell, _, got| silent(got) && got.after == cell.place,
    ),
    rule(
        "ev_20: SYN-SENT, reset with it: refused",
        |cell| is_in(cell, State::SynSent) && cell.has(RST | ACK) && cell.ack == Ack::Nxt,
        |_, _, got| silent(got) && got.after == Place::Nobody,
    ),
    rule(
        "ev_21: SYN-SENT, SYN and ACK: ESTABLISHED, acknowledged at once",
        |cell| is_in(cell, State::SynSent) && cell.has(SYN | ACK) && cell.lacks(RST) && cell.ack == Ack::Nxt,
        |cell, _, got| {
            let expected = got.seg_seq.wrapping_add(cell.len());
            one(got).is_some_and(|seen| seen.is_bare_ack() && seen.ack == expected)
                && got.after == Place::Conn(if cell.has(FIN) { State::CloseWait } else { State::Established })
        },
    ),
    rule(
        "ev_22: SYN-SENT, SYN alone: SYN-RECEIVED, with our own number once more",
        |cell| is_in(cell, State::SynSent) && cell.has(SYN) && cell.lacks(RST | ACK),
        |_, scene, got| {
            one(got).is_some_and(|seen| seen.flags == SYN | ACK && seen.seq == scene.una)
                && got.after == Place::Conn(State::SynReceived)
        },
    ),
    rule(
        "ev_23, ev_25: SYN-SENT, neither SYN nor RST: dropped",
        |cell| is_in(cell, State::SynSent) && cell.lacks(SYN | RST) && has_good_ack_or_none(cell),
        |cell, _, got| silent(got) && got.after == cell.place,
    ),
    // The numbered checks, of SYN-RECEIVED (crossed) and all synchronized states.
    rule(
        "ev_30: not acceptable: our numbers, and nothing else happens",
        |cell| is_checked(cell) && !cell.is_acceptable() && cell.lacks(RST | SYN),
        |cell, scene, got| our_ack(scene, got) && unchanged(cell, got),
    ),
    rule(
        "ev_31, ev_36: not acceptable, reset: silence",
        |cell| is_checked(cell) && !cell.is_acceptable() && cell.has(RST) && !is_reset_at_fin(cell),
        |cell, _, got| silent(got) && unchanged(cell, got),
    ),
    rule(
        "ev_37, ev_40, ev_41, ev_42: exact reset: closed without a word; at the FIN's number, too (Linux)",
        |cell| is_checked(cell) && cell.has(RST) && (cell.seq == Seq::Exact || is_reset_at_fin(cell)),
        |_, _, got| silent(got) && got.after == Place::Nobody && got.read == 0,
    ),
    rule(
        "ev_38: inexact reset in the window: challenge",
        |cell| {
            let inexact = cell.seq != Seq::Exact && !is_reset_at_fin(cell);
            is_checked(cell) && cell.has(RST) && cell.is_acceptable() && inexact
        },
        |cell, scene, got| our_ack(scene, got) && unchanged(cell, got),
    ),
    rule(
        "ev_43: SYN, whatever its number: challenge",
        |cell| is_checked(cell) && cell.has(SYN) && cell.lacks(RST) && !is_crossed_syn_ack(cell),
        |cell, scene, got| our_ack(scene, got) && unchanged(cell, got),
    ),
    rule(
        "ev_48: SYN-RECEIVED, the peer's SYN-ACK crosses ours: established, and acknowledged",
        is_crossed_syn_ack,
        |_, scene, got| our_ack(scene, got) && got.after == Place::Conn(State::Established),
    ),
    rule(
        "ev_46: acceptable without ACK: dropped",
        |cell| is_checked(cell) && cell.is_acceptable() && cell.lacks(RST | SYN | ACK),
        |cell, _, got| silent(got) && unchanged(cell, got),
    ),
    rule(
        "ev_47, ev_52: ACK of what was never sent, or long ago: challenge",
        |cell| cell.place.is_synchronized() && is_heard(cell) && matches!(cell.ack, Ack::Beyond | Ack::Ancient),
        |cell, scene, got| our_ack(scene, got) && unchanged(cell, got),
    ),
    rule(
        "ev_49: SYN-RECEIVED, bad ACK: reset at its number",
        |cell| is_in(cell, State::SynReceived) && is_heard(cell) && cell.ack != Ack::Nxt,
        |cell, _, got| one(got).is_some_and(|seen| is_reset_for(seen, cell, got)) && unchanged(cell, got),
    ),
    rule(
        "ev_50: an ACK of something in flight frees it",
        |cell| is_listened_to(cell) && matches!(cell.ack, Ack::InFlight | Ack::Nxt),
        |cell, scene, got| got.freed == (scene.una != scene.nxt && cell.place != Place::Conn(State::SynReceived)),
    ),
    rule(
        "ev_51: any other ACK frees nothing",
        |cell| is_listened_to(cell) && matches!(cell.ack, Ack::Old | Ack::Una),
        |_, _, got| !got.freed,
    ),
    rule(
        "ev_55 to ev_58, ev_63 to ev_72: text in order is read, the state follows the figure, nothing else changes it",
        is_listened_to,
        |cell, _, got| {
            let Place::Conn(state) = cell.place else { return false };
            let state = if state == State::SynReceived { State::Established } else { state };
            got.after == next(cell, state) && got.read == text(cell)
        },
    ),
    // The small blocks after a connection.
    rule(
        "TIME-WAIT, exact reset: assassinated (tcp_rfc1337 = 0)",
        |cell| is_time_wait(cell) && cell.has(RST) && cell.seq == Seq::Exact,
        |_, _, got| silent(got) && got.after == Place::Nobody,
    ),
    rule(
        "TIME-WAIT, any other reset: nothing",
        |cell| is_time_wait(cell) && cell.has(RST) && cell.seq != Seq::Exact,
        |cell, _, got| silent(got) && got.after == cell.place,
    ),
    rule(
        "ev_45: TIME-WAIT, a later SYN: a new connection, far from the old one's numbers",
        |cell| is_reopening(cell) && cell.lacks(FIN),
        |cell, scene, got| {
            let isn = scene.nxt.wrapping_add(65_537);
            one(got).is_some_and(|seen| seen.flags == syn_ack_for(cell) && seen.seq == isn)
                && got.after == Place::HalfOpen
        },
    ),
    rule(
        "TIME-WAIT, the exact next empty segment: silence",
        |cell| is_time_wait(cell) && cell.lacks(RST) && cell.len() == 0 && cell.seq == Seq::Exact,
        |cell, _, got| silent(got) && got.after == cell.place,
    ),
    rule(
        "ev_59: TIME-WAIT, anything else: our last ACK, and it stays",
        |cell| {
            let exact = cell.len() == 0 && cell.seq == Seq::Exact;
            is_time_wait(cell) && cell.lacks(RST) && !is_reopening(cell) && !exact
        },
        |cell, scene, got| our_ack(scene, got) && got.after == cell.place,
    ),
    rule(
        "an orphan in FIN-WAIT-2, outside its window: ACK, or silence for a reset",
        |cell| cell.place == Place::OrphanFinWait2 && !is_in_small_window(cell),
        |cell, scene, got| (if cell.has(RST) { silent(got) } else { our_ack(scene, got) }) && got.after == cell.place,
    ),
    rule(
        "an orphan in FIN-WAIT-2 takes the FIN alone; data or SYN is reset, a reset ends it, the rest is nothing",
        |cell| cell.place == Place::OrphanFinWait2 && is_in_small_window(cell),
        |cell, scene, got| {
            let new = cell.has(ACK) && cell.len() > 0;
            let next_alone = (cell.seq, cell.len()) == (Seq::Exact, 1) || (cell.seq, cell.len()) == (Seq::Before, 2);
            let only_fin = cell.has(FIN) && next_alone;
            let new_syn = cell.has(SYN) && cell.seq != Seq::Before;
            match () {
                () if cell.has(RST) => silent(got) && got.after == Place::Nobody,
                () if new_syn || (new && !only_fin) => {
                    one(got).is_some_and(|seen| is_reset_for(seen, cell, got)) && got.after == Place::Nobody
                }
                () if new => {
                    let last = (ACK, scene.nxt, scene.rcv_nxt.wrapping_add(1));
                    one(got).is_some_and(|seen| (seen.flags, seen.seq, seen.ack) == last) && got.after == cell.place
                }
                () => silent(got) && got.after == cell.place,
            }
        },
    ),
];

/// Who asks for ECN gets it (`tcp_ecn` is 2).
fn syn_ack_for(cell: &Cell) -> u16 {
    SYN | ACK | if cell.has(ECE) && cell.has(CWR) { ECE } else { 0 }
}

fn is_nobody(cell: &Cell) -> bool {
    cell.place == Place::Nobody
}

fn is_listener(cell: &Cell) -> bool {
    cell.place == Place::Listener
}

fn is_half_open(cell: &Cell) -> bool {
    cell.place == Place::HalfOpen
}

/// The SYN that the block answers, with whatever else it carries.
fn is_syn_again(cell: &Cell) -> bool {
    is_half_open(cell) && cell.has(SYN) && cell.lacks(ACK | RST) && cell.seq == Seq::Before
}

fn is_time_wait(cell: &Cell) -> bool {
    cell.place == Place::TimeWait
}

fn is_in(cell: &Cell, state: State) -> bool {
    cell.place == Place::Conn(state)
}

/// Whether the numbered checks of RFC 9293 3.10.7.4 are made.
fn is_checked(cell: &Cell) -> bool {
    matches!(cell.place, Place::Conn(state) if state != State::SynSent)
}

/// Whether it gets as far as the ACK.
fn is_heard(cell: &Cell) -> bool {
    is_checked(cell) && cell.is_acceptable() && cell.lacks(RST | SYN) && cell.has(ACK)
}

/// Whether it gets beyond.
fn is_listened_to(cell: &Cell) -> bool {
    let plausible = if is_in(cell, State::SynReceived) {
        cell.ack == Ack::Nxt
    } else {
        !matches!(cell.ack, Ack::Beyond | Ack::Ancient)
    };
    is_heard(cell) && plausible
}

/// Linux `tcp_reset_check`: some hosts send FIN, then RST with the FIN's number.
fn is_reset_at_fin(cell: &Cell) -> bool {
    let finished = matches!(cell.place, Place::Conn(State::CloseWait | State::LastAck | State::Closing));
    finished && cell.has(RST) && cell.seq == Seq::Before
}

fn has_good_ack_or_none(cell: &Cell) -> bool {
    cell.lacks(ACK) || cell.ack == Ack::Nxt
}

/// Linux `tcp_in_window`, which guards the small blocks: something new before the right edge, or nothing at either.
fn is_in_small_window(cell: &Cell) -> bool {
    match cell.seq {
        Seq::Exact | Seq::Inside => true,
        Seq::RightEdge => cell.len() == 0,
        // A SYN, a byte and a FIN at once reach from here into the window.
        Seq::Before => cell.len() > 1,
        Seq::Old | Seq::Beyond => false,
    }
}

/// A SYN that RFC 6191 lets begin a new connection; without timestamps its number decides.
fn is_reopening(cell: &Cell) -> bool {
    let later = matches!(cell.seq, Seq::Inside | Seq::RightEdge | Seq::Beyond);
    is_time_wait(cell) && cell.has(SYN) && cell.lacks(ACK | RST) && later
}

fn silent(got: &Outcome) -> bool {
    got.sent.is_empty()
}

fn one(got: &Outcome) -> Option<&Seen> {
    (got.sent.len() == 1).then(|| &got.sent[0])
}

/// Exactly one plain ACK with our numbers went back.
fn our_ack(scene: &Scene, got: &Outcome) -> bool {
    one(got).is_some_and(|seen| seen.is_bare_ack() && seen.seq == scene.nxt && seen.ack == scene.rcv_nxt)
}

fn unchanged(cell: &Cell, got: &Outcome) -> bool {
    got.after == cell.place && got.read == 0 && !got.freed
}

/// Bytes that the application may read after a segment that got as far as its text.
fn text(cell: &Cell) -> usize {
    let receiving = match cell.place {
        Place::Conn(state) => state.may_receive(),
        place => place == Place::HalfOpen,
    };
    if receiving && cell.seq == Seq::Exact { cell.payload_len as usize } else { 0 }
}

/// Where RFC 9293's figure 5 leads from `state` for a segment that got as far as its FIN.
fn next(cell: &Cell, state: State) -> Place {
    let in_order = cell.seq == Seq::Exact || (cell.seq == Seq::Before && cell.payload_len == 1);
    let (acked, fin) = (cell.ack == Ack::Nxt, cell.has(FIN) && in_order);
    match state {
        State::Established if fin => Place::Conn(State::CloseWait),
        State::FinWait1 if acked && fin => Place::TimeWait,
        State::FinWait1 if acked => Place::Conn(State::FinWait2),
        State::FinWait1 if fin => Place::Conn(State::Closing),
        State::FinWait2 if fin => Place::TimeWait,
        State::Closing if acked => Place::TimeWait,
        State::LastAck if acked => Place::Nobody,
        state => Place::Conn(state),
    }
}

/// The peer's answer to our SYN, which it sent before it saw our answer to its own (RFC 9293 3.5, figure 7).
fn is_crossed_syn_ack(cell: &Cell) -> bool {
    let answers = cell.seq == Seq::Before && cell.ack == Ack::Nxt && cell.payload_len == 0;
    is_in(cell, State::SynReceived) && answers && cell.has(SYN | ACK) && cell.lacks(RST | FIN)
}
