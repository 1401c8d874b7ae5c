//! What goes wrong in a TCP's timers: faults found in other stacks, and what keeps each out of this one.
//!
//! Read or measured in released versions of late 2026. None of this is said to belittle: every one of these stacks does
//! things that this one cannot, and most of the faults are natural. That is why they are worth knowing.
//!
//! # Keepalive
//!
//! **A healthy idle connection is killed.** If the user timeout counts from the last segment received, then silence is
//! enough to die of, and no data need be unacknowledged (smoltcp, with a timeout and no keepalive: 29.95 s of 30). The
//! clock of a user timeout starts with a retransmission, a window probe or a SYN; on an idle connection without
//! keepalive there is none to start. With keepalive, answers save the connection whatever the timeout:
//! `src/liveness/keepalive.rs::answered_probes_never_lead_to_death_by_user_timeout`,
//! `tests/liveness/user_timeout.rs::an_idle_connection_is_not_judged`.
//!
//! **A peer that talks and never acknowledges is alive for ever.** The same clock from the other side: each byte
//! received starts it anew, while ours stay unacknowledged (smoltcp). Here the clock of data in flight does not read
//! receptions: `src/liveness/retransmission.rs::progress_grants_a_retransmission_but_the_clock_runs_on`,
//! `tests/liveness/user_timeout.rs::duplicate_acks_do_not_restart_its_clock`.
//!
//! **Switching it on sends a probe at once**, to a connection that may have been silent for a good reason (smoltcp).
//! The first tick is a full idle time away; a *new* idle time counts from the last reception:
//! `tests/liveness/keepalive_live.rs::switched_on_late_it_begins_with_a_full_idle_period`,
//! `src/liveness/keepalive.rs::a_new_idle_time_counts_from_the_last_reception`.
//!
//! **No count, so no death** (smoltcp), or **no interval after the last probe**, so that the peer has no chance to
//! answer it and the death is 75 s early (netstack3: 7800 s). Probes and death, second by second:
//! `src/liveness/keepalive.rs::a_silent_peer_is_dead_after_idle_and_all_intervals`.
//!
//! **Keepalive kills a connection that is retransmitting** (lwIP looks only at the last arrival). With anything
//! outstanding the tick stands back:
//! `src/liveness/keepalive.rs::with_data_outstanding_the_tick_skips_a_full_idle_period`,
//! `tests/liveness/keepalive.rs::with_data_in_flight_the_tick_waits_a_full_idle_period_more`.
//!
//! **Count and user timeout both apply, and the first wins** (gVisor, netstack3, ntcp). In Linux the user timeout
//! replaces the count: idle 10 s, interval 5 s, count 2 and a user timeout of 22 s end at 25 s, not at 20. The same
//! table has both directions: `src/liveness/keepalive.rs::a_silent_peer_is_dead_after_idle_and_all_intervals`.
//!
//! **The probe carries a byte of data** (smoltcp, Demikernel and gVisor, each in its way): some peers take it, some
//! count it. Ours are empty, for windows as for keepalive.
//!
//! **Accepted connections forget the listener's settings** (gVisor). Here they take its options whole:
//! `tests/listening.rs::accepted_connections_inherit_the_listeners_options`.
//!
//! # Retransmission
//!
//! **Nothing limits it** (smoltcp, Demikernel): 65 copies in an hour, and still established. **The limit is a count**
//! (gVisor, netstack3, lwIP): right at the smallest timeout, four minutes off with one of a second. Eight timeouts,
//! sixteen settings: `src/liveness/retransmission.rs::retries2_gives_up_when_linux_with_exact_timers_would`.
//!
//! **A timeout of exactly 200.0 ms**: a copy of Linux's rule with this floor gives up two minutes late, at 1044.6 s.
//! The floor is under the variance, and the sum is rounded up:
//! `src/liveness/rto.rs::the_timeout_is_never_exactly_the_floor`.
//!
//! **The timer is only looked at when a packet arrives**, or data is dropped from the stream after a few tries
//! (ipstack). Time is an input of its own here, and nothing leaves the send queue but by an ACK:
//! `tests/liveness/retransmission.rs::retries2_is_a_time_and_by_default_925_s`,
//! `tests/sim_transfer.rs::a_megabyte_each_way_survives_loss_reordering_and_duplication_across_every_wrap`.
//!
//! # Handshake
//!
//! **Connecting into a black hole never ends** (smoltcp), ends as "refused" (Demikernel), or does not back off (lwIP).
//! **`TCP_SYNCNT` is stored and not read**, and the user timeout sleeps until the handshake is done (gVisor).
//! `src/liveness/handshake.rs::a_silent_peer_gets_these_syns`,
//! `src/liveness/handshake.rs::the_user_timeout_only_shortens`.
//!
//! **The SYN-ACK is not repeated** (ipstack). `src/liveness/handshake.rs::a_silent_client_gets_these_syn_acks`,
//! `tests/listening.rs::a_syn_ack_goes_again_after_1_2_4_seconds_and_is_dropped_silently`.
//!
//! # Zero window
//!
//! **Probes consume the stream** (Demikernel sends a real byte and moves on), **or never end** (smoltcp). An answering
//! peer lives for ever, a silent one gets its count:
//! `src/liveness/zero_window.rs::an_answering_peer_lives_for_ever_at_the_slowest_pace`,
//! `src/liveness/zero_window.rs::a_silent_peer_gets_retries2_probes`,
//! `tests/sim_transfer.rs::a_lost_window_update_is_found_by_a_probe`.
//!
//! # The end
//!
//! **FIN-WAIT-2 for ever** (smoltcp, Demikernel), or **`SO_LINGER` changes TIME-WAIT** (Demikernel).
//! `src/liveness/fin_wait2.rs::up_to_a_minute_a_small_block_waits_and_longer_is_shorter`,
//! `src/liveness/time_wait.rs::it_lasts_a_minute_from_the_last_segment`.
//!
//! **One error for every death** (smoltcp, lwIP), or none recorded (pktkit, for keepalive). Here the rule that gave up
//! is in the error: `tests/death.rs::every_liveness_rule_ends_a_connection_in_the_same_way`,
//! `src/error.rs::an_io_error_keeps_the_kind_and_the_cause`.
//!
//! **No RST when keepalive gives up** (gVisor, pktkit), so that a peer which was merely unreachable finds out late.
//! Here it is sent for this death, and for no other:
//! `tests/liveness/keepalive.rs::probes_carry_a_fresh_timestamp_and_so_does_the_reset`.
//!
//! **An option that is accepted and does nothing** (Demikernel). One that is not honoured does not exist here; the one
//! setting that nothing reads yet, `tcp_retries1`, says so in [`defaults`](super::defaults).
//!
//! # Between the ends
//!
//! **A box on the path forgets an idle connection**, and nobody is told. A NAT is silent: the next write falls into a
//! black hole, 15 min 25 s long by default. A load balancer resets at the next write. Keepalive helps only below the
//! box's limit, and Linux's two hours are above most. The idle time counts from what was received, the box's from what
//! passed it: equal figures are too late. `examples/nat` shows all of it:
//! `tests/middlebox.rs::after_the_silence_a_write_falls_into_a_black_hole_for_a_quarter_of_an_hour`,
//! `tests/middlebox.rs::a_load_balancer_resets_at_the_next_write_and_not_before`,
//! `tests/middlebox.rs::keepalive_below_the_limit_keeps_the_entry_for_ever_and_the_default_does_not`,
//! `tests/middlebox.rs::at_the_limit_itself_keepalive_is_too_late`.
//!
//! **The figures that everybody quotes**: 7872 s, 924.6 s, exactly 15 retransmissions, TIME-WAIT from
//! `tcp_fin_timeout`. `examples/myths` tries 23 of them:
//! `tests/myths.rs::every_experiment_comes_out_as_documented`.
//!
//! # Many connections
//!
//! **Every wake visits every connection** (smoltcp, pktkit), so that a hundred thousand idle ones cost as much as busy
//! ones. Here a wheel holds one entry for each:
//! `src/stack/wheel.rs::every_distance_fires_on_its_millisecond_with_few_early_calls`.
//!
//! **The table can be attacked, ports and sequence numbers guessed** (lwIP by default).
//! `src/stack/demux.rs::flows_chosen_to_share_a_bucket_under_one_secret_are_spread_under_another`,
//! `src/stack/ports.rs::destinations_local_addresses_and_secrets_are_independent`,
//! `src/stack/isn.rs::flows_secrets_and_purposes_are_independent`.
//!
//! **A closed connection's name comes to mean another.** An id carries a generation:
//! `src/stack/slab.rs::a_stale_key_finds_nothing_even_when_the_slot_is_in_use_again`.
//!
//! # What others can do to it
//!
//! **One packet from a stranger ends or stalls a connection**: a reset or a SYN that is merely in the window, an ICMP
//! error, a timestamp of the future.
//! `tests/attacks/blind.rs::attack_a01_of_a_million_resets_in_the_window_only_the_exact_one_counts`,
//! `tests/attacks/blind.rs::attack_a10_a_forged_timestamp_from_the_future_does_not_lock_the_peer_out`,
//! `tests/attacks/blind.rs::attack_a12_icmp_counts_only_about_what_is_in_flight_and_resets_nothing`.
//!
//! **Bytes from the network panic, loop or fill the memory.**
//! `tests/hostile_input.rs::a_million_hostile_packets_for_one_stack_leave_no_trace`,
//! `tests/attacks/exhaustion.rs::attack_a47_all_connections_together_stay_within_the_budget`,
//! `tests/attacks/malformed.rs::attack_a15_of_all_65536_option_kinds_and_lengths_none_loses_a_segment_or_loops`.
//!
//! **Probes leave only while the application is in a call, or a full device is polled in a busy loop.** One thread that
//! sleeps drives a net:
//! `tests/tun/life.rs::keepalive_tells_of_a_cut_wire_after_three_seconds`,
//! `tests/tun/device.rs::a_device_that_takes_no_more_is_waited_for_without_spinning`.
