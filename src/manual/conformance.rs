//! Where Linux departs from the RFCs, and where this crate departs from Linux.
//!
//! Linux is the model, so its departures are kept, and on purpose: a peer has met them a billion times, and who moves a
//! service between the kernel's TCP and this one should not notice. 208 packetdrill scripts that a real Linux 6.18
//! passes run here with exact timers, and 22 with Linux's long defaults (`tests/packetdrill/liveness`). Tests of a
//! requirement of RFC 9293 have its name in theirs, as
//! `tests/windows.rs::rfc9293_must_38_a_window_smaller_than_a_segment_is_used_only_when_a_timer_says_so`.
//!
//! # Linux against the standards
//!
//! | the standard says | Linux | here |
//! |---|---|---|
//! | a SYN is tried for three minutes at least (RFC 9293 3.8.3 [MUST-23]) | 131 s | as Linux |
//! | ICMP unreachable must not end a connection (3.9.2.2) | ends a connect, any code | as Linux |
//! | hard ICMP errors should end a connection (3.9.2.2 [SHLD-26]) | remembered, never more | as Linux |
//! | the RTO is a second at least (RFC 6298 2.4) | 200 ms under the variance | as Linux |
//! | R2 is a time or a count (3.8.3) | a modelled time, for window probes a count | as Linux |
//! | a window probe carries data if there is any (3.8.6.1) | empty, left of the window | as Linux |
//! | a peer that answers window probes is kept (3.8.6.1 [MUST-37]) | not by a user timeout or an orphan | as Linux |
//! | FIN-WAIT-2 has no end (3.6) | 60 s for an orphan | as Linux |
//! | TIME-WAIT is twice the segment lifetime, four minutes (3.6.1 [MUST-13]) | 60 s | as Linux |
//! | the ISN clock ticks every 4 µs (3.4.1 [MUST-8]) | 64 ns | as Linux |
//! | a RST counts if it is exactly next (RFC 5961 3.2) | also at the right edge of SACK, or before a FIN | as Linux |
//! | small segments wait for all data in flight (3.7.4) | only for another small one | as Linux |
//! | PAWS answers an old segment with an ACK (RFC 7323 5.3) | not an old empty one left of the window | as Linux |
//! | urgent data is told apart (3.8.5) | told apart, or in line by option | always in line |
//! | an MSS larger than the path is found by probing (RFC 4821) | by option | by option, downward only |
//!
//! # This crate against Linux
//!
//! Where timers are concerned there is one difference on purpose: they are exact. Linux's fire late by up to an eighth
//! of the wait, and each wait starts at the late firing before it, so a kernel with the same settings gives up somewhat
//! later: 938.7 s were measured where the rule says 928.7.
//!
//! # Side by side
//!
//! `cargo test --test kernel` asks the kernel it runs on. In 182 scenarios a socket of that kernel, in a namespace of
//! its own, and a stack in virtual time live through the same calls, the same packets and the same hole: same packets,
//! same order, same errno at death. Times are compared wait by wait, since in a kernel each wait starts at the late end
//! of the one before: a kernel may be late by its rounding to ticks and by the width of its timer wheel's bucket (at
//! 250 ticks a second 4 ms for waits up to 248 ms, 32 ms up to 2 s, 256 ms up to 16 s), and never early; either way
//! 5 ms are the machine's. A control that waits on a timer of the same kind tells when a machine was worse; a
//! difference in time is believed only if it shows twice without that, and what could not be judged is counted.
//!
//! On Linux 6.18 all but three are the same, and those are known: Linux merges small segments that it resends, a FIN
//! among them (`tcp_retrans_try_collapse`), and it pushes the end of each burst that the device cuts into segments.
//!
//! # Not done as in Linux
//!
//! So far:
//!
//! - **Recovery.** The least round trip is never forgotten; Linux forgets it after five minutes. With
//!   `tcp_recovery = 0` losses are found by RACK all the same.
//! - **Congestion control**: CUBIC, as in Linux, and Reno. When a stack frees the queues of a connection that
//!   has long been idle, what CUBIC remembers is `W_max` only.
//! - **Buffers** grow as in Linux, but are counted in bytes of payload. A send buffer begins with 256 KiB, not 16.
//! - **Path MTU**: an ICMP "too big" makes one connection's segments smaller. Nothing is remembered for the next one,
//!   and a black hole makes segments smaller for good: larger ones are not tried again (`tcp_mtu_probing` = 2 means 1).
//! - **Backlog**: the table of half-open connections has an end (`tcp_max_syn_backlog`) with SYN cookies, too.
//! - **The whole stack's limit on challenge ACKs** (`tcp_challenge_ack_limit`) is left out, as it is off in Linux; the
//!   limit per connection is there.
//! - **Segmentation offload**: every segment is a packet of its own.
//! - **Settings**: negative numbers are refused, which Linux stores in some knobs; `tcp_notsent_lowat` 0 counts as 1,
//!   where Linux never writes again; 0 s between keepalive probes count as 1 s.
//! - **Options**: `SO_SNDBUF` and `SO_RCVBUF` have no `wmem_max` and `rmem_max` above them. The window is not kept a
//!   segment below the receive buffer, as Linux keeps `TCP_WINDOW_CLAMP` of a connection that set none.
//! - **`tcp_retries1`**: there are no routes to look up anew. The application is told instead, which Linux does not.
//! - **ECN** is RFC 3168's; accurate ECN (RFC 9768), which Linux has from 7.0 on, is not spoken.
//! - **Small segments** are resent as they were; Linux merges them up to the MSS.
//! - **The write queue** is of bytes, with the ends of records (`MSG_EOR`); Linux's is of buffers, and where a write
//!   ends in one shows in what a full queue takes, and in which segment of a burst is pushed.
//! - **Receive memory** is counted in bytes: Linux lets one segment in that it has no memory for when nothing waits to
//!   be read, and grows the buffer for what is out of order.
//! - **`TCP_INFO`**: bytes and times of what was carried are forgotten with the queues of a connection that was long
//!   idle; segments are not counted for each connection.
//! - **Data in the fast path** is told from other data as Linux tells it, but for the kernel's memory: of small
//!   segments behind others that nobody has read, it counts about every fifth as an answer to a probe; here none does.
//!
//! Tests of both lists: `tests/segments.rs::a_reset_right_of_what_is_held_beyond_a_gap_counts_as_exact`,
//! `tests/segments.rs::after_the_peers_fin_its_reset_may_be_one_short`,
//! `tests/segments.rs::paws_drops_an_old_pure_ack_left_of_the_window_silently_and_answers_another`,
//! `tests/windows.rs::a_full_segment_never_waits_and_a_small_one_only_behind_another_small_one`,
//! `tests/windows.rs::half_the_peers_window_without_a_push_is_pushed`,
//! `tests/reassembly.rs::rfc9293_must_62_urgent_data_stays_in_line`,
//! `tests/icmp.rs::every_error_ends_a_connect_at_once`,
//! `tests/liveness/doubt.rs::a_path_in_doubt_is_tried_with_smaller_segments`,
//! `tests/liveness/predicted.rs::behind_unread_data_an_answer_that_is_data_does_not_end_the_count_of_probes`,
//! `tests/icmp.rs::rfc9293_must_47_56_an_established_connection_only_remembers`,
//! `tests/time_wait.rs::time_wait_is_a_minute_whatever_tcp_fin_timeout_says`,
//! `tests/recovery.rs::a_partial_ack_resends_the_next_hole`,
//! `tests/reassembly.rs::old_data_is_reported_as_a_duplicate`.
//!
//! # Numbers taken from Linux
//!
//! Each table of readings is in a test with all its rows. Retransmissions, probes and deaths were computed for exact
//! timers and checked against 6.18; options and settings were read from it.
//!
//! - what retry counts stand for (5 × 16, and 11 for SYNs):
//!   `src/liveness/retransmission.rs::retries_stand_for_these_times`
//! - `tcp_retries2` by RTO (8 × 16):
//!   `src/liveness/retransmission.rs::retries2_gives_up_when_linux_with_exact_timers_would`
//! - the same, `tcp_rto_max_ms` 1000 (16): `src/liveness/retransmission.rs::with_a_low_rto_max_the_tail_is_linear`
//! - zero windows (18): `src/liveness/zero_window.rs::a_silent_peer_gets_retries2_probes`
//! - SYNs (21): `src/liveness/handshake.rs::a_silent_peer_gets_these_syns`
//! - keepalive (7): `src/liveness/keepalive.rs::a_silent_peer_is_dead_after_idle_and_all_intervals`
//! - the RTT estimator (55 samples in 5 series): `src/liveness/rto.rs::the_estimate_equals_linux_bit_for_bit`
//! - options set and read (19 options):
//!   `tests/options.rs::each_option_takes_what_linux_takes_and_reads_back_what_linux_reads`
//! - options unset (18): `tests/options.rs::a_fresh_socket_reads_linux_defaults`
//! - options inherited (20): `tests/options.rs::an_accepted_connection_has_its_listeners_options`
//! - ranges of settings (all, against the running kernel): `tests/sysctl.rs::each_knob_takes_what_the_kernel_takes`
//!
//! # The index
//!
//! Every requirement, event rule and behaviour with the test that shows it, written by `tests/conformance`:
//! [`requirements`], [`events`], [`behaviours`].

#[doc = include_str!("conformance/behaviours.md")]
pub mod behaviours {}
#[doc = include_str!("conformance/events.md")]
pub mod events {}
#[doc = include_str!("conformance/requirements.md")]
pub mod requirements {}
