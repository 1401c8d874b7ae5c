//! How the crate is built, in two pages.
//!
//! # One idea
//!
//! Two machines with the same five verbs, one inside the other: [`tcp`](crate::tcp) is one connection,
//! `stack` is many. A machine is *told* (`handle_packet` or `handle_segment`, `handle_timeout`) and then *asked*
//! (`poll_transmit`, `poll_timeout`, `poll_event`). It has no clock, no thread, no randomness and no I/O: every call
//! brings the time, every wait goes back as an [`Instant`](crate::time::Instant). Whoever drives it decides what time
//! is: `net` a real clock, `sim` the next event.
//!
//! # Layers
//!
//! ```text
//! net ....... std: the only clock, the only threads, the only TUN          http ... beside it all: knows bytes,
//! sim ....... virtual time: many stacks, faulty links, one seed                     imports none of the tower
//!  |
//! stack ..... slab, demultiplexer, timing wheel, listeners, TIME-WAIT, events
//!  |
//! forecast, journal .. what a connection will do under silence: the same machine, run ahead; what it did, explained
//!  |
//! tcp ....... one connection; never imports the stack
//!  |
//! options, error ....... overrides become a rule's parameters; a cause becomes the user's vocabulary
//!  |
//! buf, config ....... both know congestion, and nothing else of the next row
//! liveness, congestion, stats, wire, pcapng, timeline ....... siblings that never import each other
//!  |
//! time, seq ....... import core only
//! ```
//!
//! Imports go down; `tests/tidy.rs::imports_go_down_the_layers_only` reads the source and refuses the rest. Only `wire`
//! names smoltcp, only `net` names the system. No type of a dependency but `bytes::Bytes` is in the public interface.
//! Up to `tcp`, and with `buf::ring`, nothing needs an allocator.
//!
//! # Where each rule lives
//!
//! Every liveness rule is a file under [`liveness`](crate::liveness): a small plain struct and one pure function
//! `verdict(&self, &Facts, &Params) -> Verdict`, which is to wait until an instant, to probe, or to abort for a cause.
//! A rule neither sends nor arms. `src/tcp/timers.rs` is the one place where they meet. It holds one transmit timer
//! with one purpose at a time, as Linux does, asks the rule whose time has come, and acts:
//!
//! | purpose | the rule asked | and instead |
//! |---|---|---|
//! | handshake | `handshake` | |
//! | tail loss probe, before the first timeout | none: `src/tcp/tail_loss.rs` | the retransmission, if earlier |
//! | reordering, before a doubtful segment counts as lost | none: `src/tcp/recovery/rack.rs` | |
//! | retransmission | `retransmission`, limits from `orphan` after close | `zero_window` if the window shrank to 0 |
//! | window probe | `zero_window`, limits from `orphan` after close | |
//! | FIN-WAIT-2 of an orphan | `fin_wait2` | |
//! | keepalive, beside the above | `keepalive` | |
//!
//! `user_timeout` is no purpose: it bends the limits and waits of the first three, and keepalive's count. `rto` says
//! how long a retransmission waits, `time_wait` rules the small block after a connection.
//!
//! # A segment comes in
//!
//! `Stack::handle_packet` → `wire::parse` borrows a segment from the packet → the demultiplexer says in O(1) whose it
//! is: a connection, a [`HalfOpen`](crate::tcp::HalfOpen), a [`TimeWait`](crate::tcp::TimeWait), or nobody's, and then
//! a listener's or a reset's → `Conn::handle_segment` runs the numbered steps of RFC 9293 3.10.7 in `src/tcp/input.rs`
//! and returns at most one header that must go back at once, which waits in a bounded queue → `src/stack/settle.rs`
//! draws the consequences, the same for every touch of a connection: timer, turn to send, memory, events, end.
//!
//! # A segment goes out
//!
//! `ConnMut::send` takes a `Bytes` by handle → `Stack::poll_transmit` gives immediate answers first and then each
//! connection its turn → `next_action` in `src/tcp/output.rs` decides and changes nothing; `poll_transmit` does it. "Is
//! there something to send?" is the same decision, so the two cannot disagree → `wire::emit` copies the payload once,
//! into the caller's packet.
//!
//! # A timer fires
//!
//! The wheel hands over a bounded batch of indices. Each connection has one entry, and it is lazy: arrivals never move
//! it later, so it may fire early, and is then put where it belongs. It never fires late. What is due goes to
//! `Conn::handle_timeout`, and from there to the owning rule.
//!
//! # Two that drive
//!
//! **`net`** puts a stack behind one lock (`src/net/host.rs`). An application's call changes the stack, sends what
//! follows from it and wakes whom it concerns, in its own thread. `src/net/driver.rs` is the other thread: it sleeps
//! until a packet comes or the next deadline, so probes leave while the application sleeps. `wire` keeps the one packet
//! that a full device refused, `tap` shows packets to an observer and a capture, `namespace` makes the private kernel.
//!
//! **`sim`** holds several stacks and a queue of arrivals. Time goes from event to event; `src/sim/link.rs` decides
//! what happens to a packet on its way, from a seed; equal seeds give equal traces
//! (`tests/sim_transfer.rs::equal_seeds_give_equal_traces_and_others_do_not`). In `src/sim/middlebox/mod.rs` begin the
//! boxes that remember connections and forget them: NATs, load balancers, firewalls. What is watched (`Sim::watch`)
//! becomes a `timeline`, which draws itself in ASCII and SVG.
//!
//! # The states of a connection
//!
//! A listener is no state, and a passive open is a half-open block until its last ACK. A reset, an abort or a liveness
//! rule leads from anywhere to `Closed`. This drawing is checked against the table in the code
//! (`src/tcp/state.rs::the_manual_draws_this_table`):
//!
//! ```text
//! stateDiagram-v2
//!     Closed --> SynSent: connect
//!     Closed --> Established: handshake done by a half-open block
//!     SynSent --> Established: SYN-ACK
//!     SynSent --> SynReceived: SYN
//!     SynReceived --> Established: ACK
//!     Established --> FinWait1: finish
//!     Established --> CloseWait: FIN
//!     FinWait1 --> FinWait2: ACK of FIN
//!     FinWait1 --> Closing: FIN
//!     FinWait2 --> TimeWait: FIN
//!     CloseWait --> LastAck: finish
//!     Closing --> TimeWait: ACK of FIN
//!     LastAck --> Closed: ACK of FIN
//! ```
//!
//! # Choices
//!
//! - **A flat control block**, not an enum with data: most states share all of it. Where the data truly differs there
//!   is another, smaller block: half-open, TIME-WAIT.
//! - **Buffers are arguments.** A [`Conn`](crate::tcp::Conn) owns none; every call that may move bytes takes
//!   `&mut impl Buffers`. The stack boxes queues of `Bytes` while there is something in them; a microcontroller passes
//!   a [`Ring`](crate::buf::ring::Ring) over its own arrays.
//! - **What only a busy connection needs stands behind the buffers**, too: the state of loss recovery
//!   ([`Scoreboard`](crate::buf::Scoreboard)) and of growing windows ([`Tuning`](crate::buf::Tuning)). The last 1024
//!   connections that were busy keep theirs, so a pause between two requests forgets nothing; a million idle ones
//!   have none.
//! - **A deadline for each purpose as data, one derived deadline, one wheel entry.** Linux and the BSDs keep several
//!   timers a connection; moving them with every segment is most of their cost.
//! - **Exact timers.** A kernel's wheel is late by up to an eighth of the wait. This one moves entries down as their
//!   time comes near, and is exact to the millisecond.
//! - **`poll_transmit` fills the caller's buffer**, not a closure's: batches, backpressure and tests are plain loops.
//! - **Everything that grows has a limit with a name**: see [`defaults`](super::defaults).
//! - **More cores: more stacks**, each a shard by flow, sharing nothing.
