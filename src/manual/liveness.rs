//! When a silent peer is dead: every rule with its timeline.
//!
//! A TCP cannot see whether its peer is alive. It can only ask, wait, ask again and at some point stop; who waits how
//! long for what is the whole subject. The rules here are those of Linux 6.12 to 6.18. Figures are of our timers, which
//! fire to the millisecond; a kernel's fire late by up to an eighth of the wait, so that it gives up somewhat later.
//! The folder `tests/packetdrill/liveness` has 230 scripts of these rules, most of them run on a real Linux 6.18 too.
//!
//! The examples draw them: `black_hole` (data in flight, and all its cures), `keepalive`, `half_open`.
//!
//! Two words first. *Outstanding* is what was written and not acknowledged: data, a SYN or a FIN, sent or not. An
//! *orphan* is a connection that the application has closed and TCP has not.
//!
//! # What counts as life
//!
//! A segment that passes the checks for old timestamps, sequence, RST and SYN, and whose ACK number lies between the
//! oldest unacknowledged byte and the next to be sent. It may be a duplicate ACK and bring nothing. It sets the count
//! of unanswered probes to zero and forgets what ICMP said. New data in order is life, too. This is not:
//!
//! - an ACK of something never sent (it draws a challenge ACK), or of something acknowledged long ago;
//! - a segment outside the window (it draws a duplicate ACK), or one that PAWS refuses;
//! - an ICMP message of any kind;
//! - anything that *we* send: a connection that only talks is as silent as one that does not.
//!
//! One difference to Linux: in its fast path, new data with an unchanged ACK number refreshes the time of the last
//! reception but leaves the probes counted as unanswered. Here it clears them.
//!
//! # One timer, one owner
//!
//! A connection has one transmit timer with one user at a time: handshake, retransmission, window probe, or an orphan's
//! FIN-WAIT-2. Two ticks run beside it, keepalive and the delayed ACK. So a window probe never runs with a
//! retransmission, but keepalive runs with either and holds back by itself. `src/tcp/timers.rs` is where the rules
//! meet.
//!
//! # The handshake: 131 s, or 63 s
//!
//! A SYN waits one second. The first `tcp_syn_linear_timeouts` (4) expiries keep the second, later ones double it. The
//! attempt ends at an expiry with all retries used up, the linear ones included, or with the time over that
//! `tcp_syn_retries` (6) alone would take: 2^(6+1) − 1 = 127 s. With the defaults both say the same expiry:
//!
//! ```text
//! SYN     0   1   2   3   4   5   7   11   19   35   67       ETIMEDOUT at 131 s
//! ```
//!
//! Small numbers end by time, in spite of the linear retries: with `tcp_syn_retries` = 2 the SYNs leave at 0 to 5 s and
//! it is over at 7 s. A RST ends it at once with ECONNREFUSED, and so does ICMP with what it says; an answer with a
//! wrong ACK number draws a RST and, the first time, hurries the next SYN. A SYN-ACK is repeated after 1, 3, 7, 15 and
//! 31 s (`tcp_synack_retries` = 5) and forgotten at 63 s, in silence on both sides.
//!
//! `src/liveness/handshake.rs::a_silent_peer_gets_these_syns`,
//! `src/liveness/handshake.rs::a_silent_client_gets_these_syn_acks`,
//! `tests/handshake.rs::a_syn_goes_again_at_the_times_of_linux_and_is_given_up`,
//! `tests/listening.rs::a_syn_ack_goes_again_after_1_2_4_seconds_and_is_dropped_silently`
//!
//! # Data in flight: 924.6, 925.6 or 928.7 s?
//!
//! `tcp_retries2` = 15 is not a number of retransmissions. It stands for a time: that in which a connection with a
//! timeout of exactly 200 ms, doubling up to 120 s, would see 16 timeouts. That time is 924.6 s, the figure that is
//! always quoted, and no connection dies then. For the clock starts at the first *retransmission*, and it is read only
//! when the retransmission timer fires:
//!
//! ```text
//! sent    0
//! resent  0.201  0.603  1.407  3.015  6.231  12.663  25.527  51.255  102.711  205.623   the clock starts at 0.201
//!         325.623  445.623  565.623  685.623  805.623                                   from here every 120 s
//! dead    925.623, where the clock says 925.422, which is more than 924.6
//! ```
//!
//! So the answer depends on the timeout that the connection began with:
//!
//! | first timeout | whose | resent | dead after the first send |
//! |---|---|---|---|
//! | 200.0 ms | nobody's: see below | 16 times | 1044.6 s |
//! | 201 ms | ours at its smallest, a kernel's with HZ = 1000 | 15 | **925.6 s** |
//! | 204 ms | a kernel's with HZ = 250 | 15 | **928.7 s** (a real one measured 938.7 s: late timers) |
//! | 250 ms | round trip of 50 ms | 15 | 967.8 s |
//! | 1 s | before any sample | 13 | 967.0 s |
//! | 3 s | after a handshake that gave no sample | 12 | 1029.0 s |
//!
//! The first row is a trap. With 200.0 ms the 16th timeout would find the clock at 924.4 s, just short, and grant
//! another two minutes. A kernel never has that timeout: the floor of 200 ms is under the variance term, the smoothed
//! round trip comes on top, and the sum is rounded up to a tick. Hence ours is rounded up to a millisecond
//! ([`TICK`](crate::time::TICK)).
//!
//! What follows from the same two facts: one retransmission is always made, even with `tcp_retries2` = 0. Progress that
//! does not end the episode of loss grants one more retransmission and does not move the clock. And `tcp_retries1` (3,
//! 3.0 s by the same sum) puts nothing on the wire.
//!
//! All these lines are of a connection without SACK. With it, as by default, a *tail loss probe* goes first
//! (`tcp_early_retrans` 3): new data if the window admits any, else the last segment again, two round trips after the
//! last transmission, or for a lone segment 200 ms more. It is no timeout: nothing is backed off and no clock starts.
//! The first timeout counts from the probe, and everything after it comes that much later:
//!
//! ```text
//! sent    0        probe 0.201
//! resent  0.402  0.804  1.608  ...  805.824
//! dead    925.824
//! ```
//!
//! Nothing is sent at the end. A late answer of the peer finds no connection and draws a RST.
//!
//! `src/liveness/retransmission.rs::retries_stand_for_these_times`,
//! `src/liveness/retransmission.rs::retries2_gives_up_when_linux_with_exact_timers_would`,
//! `src/liveness/rto.rs::the_estimate_equals_linux_bit_for_bit`,
//! `src/liveness/rto.rs::the_timeout_is_never_exactly_the_floor`,
//! `tests/liveness/retransmission.rs::retries2_is_a_time_and_by_default_925_s`,
//! `tests/liveness/retransmission.rs::partial_progress_grants_a_retransmission_and_does_not_move_the_clock`,
//! `tests/liveness/rto.rs::duplicate_acks_leave_the_timer_alone`
//!
//! # Idle: 7875 s, if asked at all
//!
//! Keepalive is off unless `SO_KEEPALIVE` says otherwise; sysctls alone start nothing. After 7200 s without a reception
//! an empty ACK leaves, numbered one below the oldest unacknowledged byte, where any TCP must answer. Then one every
//! 75 s, and one interval after the ninth:
//!
//! ```text
//! heard   0
//! probe   7200  7275  7350  7425  7500  7575  7650  7725  7800
//! dead    7875, and the only death that sends a RST          idle + probes * interval
//! ```
//!
//! The tick is lazy: no segment moves it, it looks back when it fires. Three consequences surprise:
//!
//! - With anything outstanding it does nothing and comes again after a *full* idle period. Others judge that
//!   connection.
//! - After an answer the next probe leaves at max(probe + interval, answer + idle). An interval longer than the idle
//!   time paces a healthy connection.
//! - Switched on late, it waits a full idle period, however long the silence has been. A new `TCP_KEEPIDLE` counts from
//!   the last reception and at once; a new interval or count is seen at the next tick.
//!
//! A RST in answer to a probe kills at once with ECONNRESET: that peer has rebooted.
//!
//! `src/liveness/keepalive.rs::a_silent_peer_is_dead_after_idle_and_all_intervals`,
//! `src/liveness/keepalive.rs::after_an_answer_the_next_probe_is_an_idle_or_an_interval_away`,
//! `src/liveness/keepalive.rs::with_data_outstanding_the_tick_skips_a_full_idle_period`,
//! `tests/liveness/keepalive.rs::without_options_the_sysctls_rule_and_by_default_it_takes_7875_s`,
//! `tests/liveness/keepalive_live.rs::switched_on_late_it_begins_with_a_full_idle_period`
//!
//! # The window is shut
//!
//! **Nothing in flight.** The first probe leaves after the retransmission timeout, at least 200 ms, each next one after
//! twice the wait, up to 120 s. It carries no data, and looks like a keepalive probe. Here `tcp_retries2` *is* a count:
//!
//! ```text
//! queued  0
//! probe   0.201  0.603  1.407  3.015  ...  805.623           15 of them
//! dead    925.623
//! ```
//!
//! An answer, with the window still zero, makes the count zero and keeps the pace: a peer that answers lives for ever.
//! A window that admits the first queued buffer ends the probing; one that admits less than a segment gets that much at
//! the next expiry.
//!
//! **Data in flight, and the window shrank to zero under it.** The retransmission timer resends the first segment in
//! full, as a probe. `tcp_retries2` does not count. The end comes when nothing was heard for more than twice
//! `tcp_rto_max_ms`, and the episode has lasted as long: four minutes.
//!
//! `src/liveness/zero_window.rs::a_silent_peer_gets_retries2_probes`,
//! `src/liveness/zero_window.rs::an_answering_peer_lives_for_ever_at_the_slowest_pace`,
//! `src/liveness/zero_window.rs::a_shrunk_window_gives_up_on_silence_of_twice_rto_max`,
//! `tests/liveness/zero_window.rs::a_peer_that_answers_for_an_hour_is_alive_all_the_time`,
//! `tests/liveness/zero_window.rs::what_fits_a_small_window_leaves_when_the_probe_timer_fires`
//!
//! # The user timeout, in six situations
//!
//! `TCP_USER_TIMEOUT` is no timer. It replaces the limit of whichever rule owns the connection, and each of them starts
//! the clock elsewhere. So "30 seconds" is never 30 seconds after the write:
//!
//! | situation | the clock starts with | it ends | example |
//! |---|---|---|---|
//! | data or FIN in flight | the first retransmission | the timer, cut to fit | 3 s: resent 0.201 … 3.015, dead 3.201 |
//! | zero window | the first probe | the timer, cut to fit, *answered or not* | 2 s: probes 0.204 … 1.428, dead 2.204 |
//! | window shrunk, data in flight | the first resend, or send | the timer, once past the limit | 1 s: dead 1.205 |
//! | keepalive | the last reception | the first tick past it, after a probe | 10/5/2 and 22 s: dead 25 |
//! | SYN-SENT | the first SYN | the timer, cut to fit; can only shorten | 10 s: SYNs 0 … 7, dead 10 |
//! | closed | as the first three | as above, in place of `tcp_orphan_retries` in flight | |
//!
//! In the keepalive row it replaces the *count*, both ways, and does not move the tick: an idle time of 20 s makes 20 s
//! the earliest. Answered probes never lead to it. Setting the option re-arms nothing; the next expiry sees it.
//!
//! `src/liveness/retransmission.rs::the_user_timeout_replaces_retries2_both_ways`,
//! `src/liveness/zero_window.rs::the_user_timeout_ends_even_an_answering_peer`,
//! `src/liveness/zero_window.rs::a_shrunk_window_gives_up_past_the_user_timeout`,
//! `src/liveness/keepalive.rs::answered_probes_never_lead_to_death_by_user_timeout`,
//! `src/liveness/handshake.rs::the_user_timeout_only_shortens`,
//! `tests/liveness/user_timeout.rs::fresh_data_dies_one_rto_plus_the_user_timeout_after_it_was_written`,
//! `tests/liveness/user_timeout.rs::answers_with_a_window_of_zero_do_not_stop_its_clock`
//!
//! # Closed by the application
//!
//! `close` with unread data, or with `SO_LINGER` of zero, is a RST and the end. Otherwise a FIN follows what is queued
//! and the orphan lives on, with less patience: `tcp_orphan_retries` = 0 stands for 8 while the timeout is below its
//! maximum. A FIN into a black hole is resent eight times, or as often as 102.2 s allow, and is gone at 102.711 s with
//! a timeout of 201 ms. Before a zero window it is a count of probes, and not even answers keep it beyond the slowest
//! pace. The end is silent, and nobody is left to be told: only `TCPAbortOnTimeout` counts it. After `finish`
//! (`shutdown(SHUT_WR)`) there is still an application, and the limit is `tcp_retries2`.
//!
//! Once the FIN is acknowledged, FIN-WAIT-2 may last `tcp_fin_timeout` (60 s), or `TCP_LINGER2`; never less than three
//! and a half timeouts. Up to 60 s a block of 88 bytes does the waiting. Longer values are an oddity of Linux: 62 s are
//! in truth 4 s, and 80 s are 40. A negative `TCP_LINGER2` skips the state. With the application still there,
//! FIN-WAIT-2 has no end but keepalive's. Data for an orphan draws a RST: nobody will read it.
//!
//! TIME-WAIT lasts 60 s, whatever `tcp_fin_timeout` says. A segment with an ACK starts it again; the exact RST ends it
//! (unless `tcp_rfc1337`); a SYN that is surely newer reopens it, 65,537 sequence numbers further on.
//!
//! `src/liveness/orphan.rs::a_fin_into_a_black_hole_is_resent_eight_times_by_default`,
//! `src/liveness/orphan.rs::not_even_an_answering_peer_holds_an_orphan_for_ever`,
//! `src/liveness/fin_wait2.rs::up_to_a_minute_a_small_block_waits_and_longer_is_shorter`,
//! `src/liveness/time_wait.rs::it_lasts_a_minute_from_the_last_segment`,
//! `tests/liveness/closing.rs::a_fin_into_a_black_hole_is_resent_eight_times_in_102_s`,
//! `tests/closing.rs::an_orphan_waits_a_minute_in_fin_wait_2`,
//! `tests/time_wait.rs::time_wait_is_a_minute_whatever_tcp_fin_timeout_says`
//!
//! # Forecast
//!
//! All of this can be asked in advance. [`forecast`](crate::forecast) runs a copy of the connection against silence and
//! says what will be sent until when, and how it ends: `dies in 7875.000 s: no answer to keepalive probes
//! (tcp_keepalive_probes), after 9 probes`, or `never ends by silence: nothing is outstanding, and keepalive is off
//! (SO_KEEPALIVE)`. `Stack::forecast` and `ConnMut::forecast` are exact to the microsecond, orphans included; a lone
//! `Conn` over rings needs no allocator for it.
//!
//! | it assumes | what if not |
//! |---|---|
//! | that nothing arrives, no ICMP either | whatever arrives makes another forecast; ask again |
//! | that the application is idle | a write, a close or another option does, too |
//! | that the settings stay | Linux reads them at each use, so they count from then on |
//! | that the device takes every packet, and the driver comes in time | everything comes so much later |
//!
//! [`detection_times`](crate::forecast::detection_times) does it without a connection: a row for each kind of failure,
//! with what decides. [`warnings`](crate::forecast::warnings) names settings that do not do what they seem to.
//!
//! `tests/forecast.rs::what_is_foretold_is_what_happens`,
//! `tests/forecast/rings.rs::a_lone_connection_does_what_is_foretold_with_or_without_an_allocator`,
//! `tests/forecast/known.rs::the_ends_that_people_know_are_said_in_plain_words`,
//! `src/forecast/detection.rs::with_the_defaults_of_linux_each_failure_takes_the_time_it_is_known_for`
//!
//! # The timelines above, run
//!
#![cfg_attr(feature = "alloc", doc = "```")]
#![cfg_attr(not(feature = "alloc"), doc = "```ignore")]
//! # use longhaul::config::Sysctl;
//! # use longhaul::liveness::Cause;
//! # use longhaul::options::{Options, TcpKeepalive};
//! # use longhaul::stack::{Config, ConnId, Stack};
//! # use longhaul::tcp::Event;
//! # use longhaul::time::{Duration, Instant};
//! # type Outcome = (usize, u64, Option<Cause>);
//! # fn stacks(sysctl: &Sysctl) -> (Stack, Stack) {
//! #     let stack = |last| {
//! #         let config = Config::new([last; 16]).with_ipv4([10, 0, 0, last].into());
//! #         Stack::new(Instant::from_secs(1), config.with_sysctl(sysctl.clone()))
//! #     };
//! #     (stack(2), stack(1))
//! # }
//! # /// Connects, lets `act` use the connection, and cuts the wire before anything of that leaves.
//! # fn cut(sysctl: &Sysctl, options: Options, act: impl FnOnce(&mut Stack, ConnId, Instant)) -> Outcome {
//! #     let (mut client, mut server) = stacks(sysctl);
//! #     let (now, address) = (Instant::from_secs(1), "10.0.0.1:80".parse().unwrap());
//! #     server.listen(address, 1, Options::new()).unwrap();
//! #     let id = client.connect(now, None, address, options).unwrap();
//! #     let mut packet = [0; 1500];
//! #     for _ in 0..2 {
//! #         while let Some(sent) = client.poll_transmit(now, &mut packet) {
//! #             server.handle_packet(now, &packet[..sent.len]).unwrap();
//! #         }
//! #         while let Some(sent) = server.poll_transmit(now, &mut packet) {
//! #             client.handle_packet(now, &packet[..sent.len]).unwrap();
//! #         }
//! #     }
//! #     act(&mut client, id, now);
//! #     dark(client, now)
//! # }
//! # fn connect(options: Options) -> Outcome {
//! #     let (mut client, now) = (stacks(&Sysctl::LINUX).0, Instant::from_secs(1));
//! #     client.connect(now, None, "10.0.0.1:80".parse().unwrap(), options).unwrap();
//! #     dark(client, now)
//! # }
//! # /// Packets sent, milliseconds until the end, and its cause, if anyone is told.
//! # fn dark(mut stack: Stack, start: Instant) -> Outcome {
//! #     let (mut now, mut packets, mut packet) = (start, 0, [0; 1500]);
//! #     let cause = loop {
//! #         while stack.poll_transmit(now, &mut packet).is_some() {
//! #             packets += 1;
//! #         }
//! #         match stack.poll_event() {
//! #             Some((_, Event::Closed(error))) => break error.and_then(|error| error.cause()),
//! #             Some(_) => continue,
//! #             None if stack.connections().count() == 0 => break None,
//! #             None => {}
//! #         }
//! #         now = stack.poll_timeout().expect("it ends by a timer");
//! #         stack.handle_timeout(now);
//! #     };
//! #     (packets, now.since(start).as_millis() as u64, cause)
//! # }
//! # fn write(stack: &mut Stack, id: ConnId, now: Instant) {
//! #     stack.conn(id).unwrap().send(now, "x".into()).unwrap();
//! # }
//! # fn close(stack: &mut Stack, id: ConnId, now: Instant) {
//! #     stack.conn(id).unwrap().close(now);
//! # }
//! # fn finish(stack: &mut Stack, id: ConnId, now: Instant) {
//! #     stack.conn(id).unwrap().finish(now);
//! # }
//! # fn idle(_: &mut Stack, _: ConnId, _: Instant) {}
//! # let secs = Duration::from_secs;
//! let plain = Options::new();
//! let probed = plain.with_keepalive(true);
//! let hasty = |limit| plain.with_tcp_user_timeout(Some(secs(limit))).unwrap();
//! let ten_five_two = TcpKeepalive::new().with_time(secs(10)).with_interval(secs(5)).with_retries(2);
//! let both = hasty(22).with_keepalive(true).with_tcp_keepalive(&ten_five_two)?;
//!
//! // Without SACK no tail loss probe goes before the first timeout.
//! let no_sack = &Sysctl { tcp_sack: 0, ..Sysctl::LINUX };
//!
//! // Packets sent after the wire is cut, milliseconds until the end, and what the application is told. Only keepalive
//! // adds a RST.
//! assert_eq!(connect(plain), (11, 131_000, Some(Cause::Handshake)));
//! assert_eq!(connect(hasty(10)), (7, 10_000, Some(Cause::UserTimeout)));
//! assert_eq!(cut(no_sack, plain, write), (16, 925_623, Some(Cause::Retransmission)));
//! assert_eq!(cut(no_sack, hasty(3), write), (5, 3_201, Some(Cause::UserTimeout)));
//! assert_eq!(cut(no_sack, probed, idle), (9 + 1, 7_875_000, Some(Cause::Keepalive)));
//! assert_eq!(cut(no_sack, both, idle), (3 + 1, 25_000, Some(Cause::UserTimeout)));
//! assert_eq!(cut(no_sack, plain, finish), (16, 925_623, Some(Cause::Retransmission)));
//! assert_eq!(cut(no_sack, plain, close), (9, 102_711, None));
//!
//! // With SACK, as by default, a lone segment's probe takes 201 ms here, and all that follows comes so much later.
//! assert_eq!(cut(&Sysctl::LINUX, plain, write), (17, 925_824, Some(Cause::Retransmission)));
//! assert_eq!(cut(&Sysctl::LINUX, hasty(3), write), (6, 3_402, Some(Cause::UserTimeout)));
//! # Ok::<(), longhaul::options::OutOfRange>(())
//! ```
