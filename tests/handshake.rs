//! We connect (RFC 9293 3.5, 3.10.7.3; Linux `tcp_connect`, `tcp_rcv_synsent_state_process`). How others connect to us
//! stands in `listening.rs`.
#![cfg(feature = "alloc")]

mod common;

use common::{Peer, ms, secs};
use core::time::Duration;
use longhaul::error::{Errno, Error};
use longhaul::options::Options;
use longhaul::stack::Config;
use longhaul::tcp::{Event, State};

const SYN: &str = "S 0:0(0) win 64240 <mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 10>";

/// A connect with the SYN already seen.
fn connecting(configure: impl FnOnce(&mut Config)) -> Peer {
    let mut t = Peer::with(configure);
    t.connect(Options::new());
    t.expect("S 0:0(0) <...>");
    t
}

#[test]
fn an_active_open_completes_and_its_ack_leaves_at_once() {
    let mut t = Peer::new();
    t.connect(Options::new());
    t.expect(SYN);
    assert_eq!(t.state(), State::SynSent);
    t.advance(ms(20));
    t.inject("S. 0:0(0) ack 1 win 64000 <mss 1460,sackOK,TS val 700 ecr 0,nop,wscale 7>");
    t.expect(". 1:1(0) ack 1 win 64 <nop,nop,TS val 20 ecr 700>");
    assert_eq!((t.state(), t.events()), (State::Established, vec![Event::Connected]));
}

#[test]
fn rfc9293_must_4_14_shld_5_may_3_every_syn_says_mss_sack_timestamps_and_scale_in_this_order() {
    let v6 = |configure: fn(&mut Config)| Peer::between("2001:db8::1", "2001:db8::7", configure);
    for (mut t, options, syn) in [
        (Peer::new(), Options::new(), SYN),
        (
            Peer::with(|c| c.sysctl.tcp_timestamps = 0),
            Options::new(),
            "S 0:0(0) win 64240 <mss 1460,nop,nop,sackOK,nop,wscale 10>",
        ),
        (
            Peer::with(|c| c.sysctl.tcp_sack = 0),
            Options::new(),
            "S 0:0(0) win 64240 <mss 1460,nop,nop,TS val 0 ecr 0,nop,wscale 10>",
        ),
        (
            Peer::with(|c| c.sysctl.tcp_window_scaling = 0),
            Options::new(),
            "S 0:0(0) win 64240 <mss 1460,sackOK,TS val 0 ecr 0>",
        ),
        (
            Peer::with(|c| c.mtu = 576),
            Options::new(),
            "S 0:0(0) win 65392 <mss 536,sackOK,TS val 0 ecr 0,nop,wscale 10>",
        ),
        (
            Peer::new(),
            Options::new().with_tcp_maxseg(900).unwrap(),
            "S 0:0(0) win 64800 <mss 900,sackOK,TS val 0 ecr 0,nop,wscale 10>",
        ),
        (v6(|_| ()), Options::new(), "S 0:0(0) win 64800 <mss 1440,sackOK,TS val 0 ecr 0,nop,wscale 10>"),
    ] {
        t.connect(options);
        t.expect(syn);
    }
}

#[test]
fn what_the_peer_does_not_agree_to_is_not_used() {
    for (answer, data) in [
        ("mss 1460", "P. 1:11(10) ack 1"),
        ("mss 1460,nop,wscale 7", "P. 1:11(10) ack 1"),
        ("mss 1460,nop,nop,sackOK", "P. 1:11(10) ack 1"),
        ("mss 1460,nop,nop,TS val 5 ecr 0", "P. 1:11(10) ack 1 <nop,nop,TS val 0 ecr 5>"),
        ("mss 1460,sackOK,TS val 5 ecr 0,nop,wscale 7", "P. 1:11(10) ack 1 <nop,nop,TS val 0 ecr 5>"),
    ] {
        let mut t = connecting(|_| ());
        t.inject(&format!("S. 0:0(0) ack 1 win 64000 <{answer}>"));
        t.expect(". 1:1(0) ack 1 <...>");
        t.write(10);
        t.expect(data);
        // Out of order: SACK blocks only if both ends permitted them.
        t.inject(". 11:21(10) ack 1 <nop,nop,TS val 6 ecr 0>");
        let sacks = t.next_left().unwrap().contains("sack");
        assert_eq!(sacks, answer.contains("sackOK"), "{answer}");
    }
}

#[test]
fn what_we_do_not_offer_is_not_accepted() {
    let mut t = connecting(|c| {
        (c.sysctl.tcp_timestamps, c.sysctl.tcp_sack, c.sysctl.tcp_window_scaling) = (0, 0, 0);
    });
    t.inject("S. 0:0(0) ack 1 win 1000 <mss 1460,sackOK,TS val 5 ecr 0,nop,wscale 7>");
    t.expect(". 1:1(0) ack 1 win 65392");
    // The window 10 is ten bytes, not 1280.
    t.inject(". 1:1(0) ack 1 win 10");
    t.write(100);
    t.expect_nothing_for(ms(100));
}

#[test]
fn rfc9293_must_15_16_mss_default_and_effective() {
    for (mut t, answer, full) in [
        (Peer::new(), "", 536),
        (Peer::v6(), "", 1220),
        (Peer::new(), "mss 0", 536),
        (Peer::new(), "mss 1000", 1000),
        (Peer::new(), "mss 9000", 1460),
        (Peer::v6(), "mss 9000", 1440),
        (Peer::new(), "mss 10", 48),
        (Peer::new(), "mss 1460,nop,nop,TS val 1 ecr 0", 1448),
        (Peer::new(), "mss 1000,nop,nop,TS val 1 ecr 0", 988),
        (Peer::new(), "mss 10,nop,nop,TS val 1 ecr 0", 36),
    ] {
        t.connect(Options::new());
        t.expect("S 0:0(0) <...>");
        t.inject(&format!("S. 0:0(0) ack 1 win 64000 <{answer}>"));
        t.expect(". 1:1(0) ack 1 <...>");
        t.write(3000);
        let first = t.next_left().unwrap();
        assert!(first.starts_with(&format!(". 1:{}({full}) ack 1", full + 1)), "{answer}: {first}");
        while t.next_left().is_some() {}
    }
}

#[test]
fn tcp_maxseg_bounds_what_we_send_too() {
    let mut t = Peer::new();
    t.connect_open(Options::new().with_tcp_maxseg(500).unwrap());
    t.write(501);
    t.expect(". 1:501(500) ack 1");
    t.expect("P. 501:502(1) ack 1");
}

#[test]
fn the_window_of_a_syn_ack_is_never_scaled() {
    let mut t = connecting(|_| ());
    t.inject("S. 0:0(0) ack 1 win 2000 <mss 1460,nop,wscale 7>");
    t.expect(". 1:1(0) ack 1");
    t.write(5000);
    t.expect(". 1:1001(1000) ack 1");
    t.expect("P. 1001:2001(1000) ack 1");
    t.inject(". 1:1(0) ack 2001 win 20");
    t.expect(". 2001:3281(1280) ack 1");
    t.expect("P. 3281:4561(1280) ack 1");
}

#[test]
fn a_shift_beyond_14_is_14() {
    // A unit of the window is 16384 bytes, so eleven segments and no twelfth.
    let mut t = Peer::new();
    t.connect(Options::new().with_send_buffer_size(1 << 17));
    t.expect("S 0:0(0) <...>");
    t.inject("S. 0:0(0) ack 1 win 64000 <mss 1460,nop,wscale 15>");
    t.expect(". 1:1(0) ack 1");
    t.write(60_000);
    while t.next_left().is_some() {}
    t.inject(". 1:1(0) ack 14601 win 1");
    assert_eq!(core::iter::from_fn(|| t.next_left()).count(), 11);
}

#[test]
fn an_mss_never_stands_outside_a_syn() {
    // rfc9293_must_65: nor is it believed there.
    let mut t = Peer::new();
    t.connect_open(Options::new());
    t.inject(". 1:11(10) ack 1 <mss 100>");
    t.expect(". 1:1(0) ack 11");
    t.write(1460);
    t.expect("P. 1:1461(1460) ack 11");
}

#[test]
fn rfc9293_must_10_ev_22_crossing_syns_make_one_connection() {
    let mut t = connecting(|_| ());
    t.advance(ms(20));
    t.inject("S 0:0(0) win 500 <mss 1460>");
    t.expect("S. 0:0(0) ack 1 win 64240 <mss 1460>");
    assert_eq!(t.state(), State::SynReceived);
    t.advance(ms(20));
    t.inject(". 1:1(0) ack 1 win 500");
    assert_eq!((t.state(), t.take_error()), (State::Established, None));
    t.inject("P. 1:11(10) ack 1 win 500");
    t.expect(". 1:1(0) ack 11");
    assert_eq!(t.read(100), Ok(10));
}

#[test]
fn crossing_syns_answered_by_crossing_syn_acks_make_one_connection_too() {
    let mut t = connecting(|_| ());
    t.inject("S 0:0(0) win 64000 <mss 1460,sackOK,TS val 9 ecr 0,nop,wscale 7>");
    t.expect("S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 0 ecr 9,nop,wscale 10>");
    t.inject("S. 0:0(0) ack 1 win 64000 <mss 1460,sackOK,TS val 9 ecr 0,nop,wscale 7>");
    assert_eq!(t.state(), State::Established, "a peer that is established, too, says no more");
    t.expect(". 1:1(0) ack 1 <nop,nop,TS val 0 ecr 9>");
    t.write(1000);
    t.expect("P. 1:1001(1000) ack 1 <nop,nop,TS val 0 ecr 9>");
    t.inject(". 1:1(0) ack 1001 win 500 <nop,nop,TS val 10 ecr 0>");
    assert_eq!(t.state(), State::Established);
}

#[test]
fn a_crossed_handshake_repeats_its_syn_ack_and_gives_up() {
    let mut t = connecting(|c| c.sysctl.tcp_syn_retries = 1);
    t.inject("S 0:0(0) win 500 <mss 1460>");
    t.expect("S. 0:0(0) ack 1 <mss 1460>");
    t.expect_at(secs(1), "S. 0:0(0) ack 1 <mss 1460>");
    t.expect_nothing_for(secs(130));
    assert_eq!(t.state(), State::Closed);
    assert_eq!(t.take_error().map(Error::errno), Some(Errno::ETIMEDOUT));
}

#[test]
fn a_crossed_handshake_that_was_closed_before_it_ended_is_not_probed() {
    // Linux `tcp_keepalive_timer`: for an orphan in FIN-WAIT-2 it is the timer of that state, and never asks the peer.
    let mut t = Peer::with(|c| (c.sysctl.tcp_keepalive_time, c.sysctl.tcp_fin_timeout) = (1, 80));
    t.connect(Options::new().with_keepalive(true));
    t.expect("S 0:0(0) <...>");
    t.inject("S 0:0(0) win 500 <mss 1460>");
    t.expect("S. 0:0(0) ack 1 <mss 1460>");
    t.close();
    t.inject(". 1:1(0) ack 1 win 500");
    t.expect("F. 1:1(0) ack 1");
    t.inject(". 1:1(0) ack 2 win 500");
    t.expect_nothing_for(secs(100));
}

#[test]
fn a_reset_of_a_crossed_handshake_ends_it() {
    // packetimpact 9, rfc9293_ev_40
    let mut t = connecting(|_| ());
    t.inject("S 0:0(0) win 500 <mss 1460>");
    t.expect("S. 0:0(0) ack 1 <mss 1460>");
    t.inject("R 1:1(0) win 0");
    assert_eq!(t.state(), State::Closed);
    assert_eq!(t.take_error(), Some(Error::Reset), "only in SYN-SENT does Linux call it refused");
}

#[test]
fn a_syn_goes_again_at_the_times_of_linux_and_is_given_up() {
    const DEFAULT: &[u64] = &[1, 2, 3, 4, 5, 7, 11, 19, 35, 67];
    for (retries, linear, again, death) in [
        (6, 4, DEFAULT, 131),
        (6, 0, &[1, 3, 7, 15, 31, 63], 127),
        (4, 4, &[1, 2, 3, 4, 5, 7, 11, 19], 35),
        (2, 4, &[1, 2, 3, 4, 5], 7),
        (1, 4, &[1, 2], 3),
        (2, 1, &[1, 2, 4], 8),
        (1, 1, &[1, 2], 4),
        (1, 0, &[1], 3),
    ] {
        let mut t = connecting(|c| {
            c.sysctl.tcp_syn_retries = retries;
            c.sysctl.tcp_syn_linear_timeouts = linear;
        });
        for &at in again {
            let ts = at * 1000;
            t.expect_at(secs(at), &SYN.replace("val 0", &format!("val {ts}")));
        }
        t.advance_almost_to(secs(death));
        assert_eq!(t.death(), None, "{retries} {linear}");
        t.advance_to(secs(death));
        assert_eq!(t.take_error().map(Error::errno), Some(Errno::ETIMEDOUT), "{retries} {linear}");
        t.inject("S. 0:0(0) ack 1 win 500 <mss 1460>");
        t.expect("R 1:1(0) win 0");
    }
}

#[test]
fn a_wrong_ack_number_draws_a_reset_and_hurries_the_first_syn() {
    // rfc9293_ev_17
    for (answer, reset) in [
        ("S. 0:0(0) ack 100 win 500 <mss 1460>", "R 100:100(0) win 0"),
        ("S. 0:0(0) ack 0 win 500 <mss 1460>", "R 0:0(0) win 0"),
        (". 0:0(0) ack 100 win 500", "R 100:100(0) win 0"),
    ] {
        let mut t = connecting(|_| ());
        t.advance(ms(1));
        t.inject(answer);
        t.expect(reset);
        t.expect_after(ms(2), "S 0:0(0) <...>");
        t.inject(answer);
        t.expect(reset);
        t.expect_after(secs(1), "S 0:0(0) <...>");
        t.inject("S. 0:0(0) ack 1 win 500 <mss 1460>");
        t.expect(". 1:1(0) ack 1");
    }
}

#[test]
fn rfc9293_ev_18_a_reset_with_a_wrong_ack_number_only_hurries_the_first_syn() {
    let mut t = connecting(|_| ());
    t.inject("R. 0:0(0) ack 100 win 0");
    t.expect_after(ms(2), "S 0:0(0) <...>");
    assert_eq!(t.take_error(), None);
}

#[test]
fn rfc9293_ev_19_23_25_a_reset_without_ack_a_bare_ack_and_a_fin_are_dropped() {
    for segment in [
        "R 0:0(0) win 0",
        ". 0:0(0) ack 1 win 500",
        "F. 0:0(0) ack 1 win 500",
        "F 0:0(0)",
        "P. 0:5(5) ack 1",
        "- 0:0(0)",
    ] {
        let mut t = connecting(|_| ());
        t.advance(ms(50));
        t.inject(segment);
        assert_eq!((t.state(), t.take_error()), (State::SynSent, None), "{segment}");
        t.expect_at(secs(1), "S 0:0(0) <...>");
    }
}

#[test]
fn rfc9293_ev_20_a_reset_that_acknowledges_our_syn_refuses() {
    let mut t = connecting(|_| ());
    t.advance(ms(20));
    t.inject("R. 0:0(0) ack 1 win 0");
    assert_eq!(t.events(), [Event::Readable, Event::Writable, Event::Closed(Some(Error::Refused))]);
    assert_eq!((t.take_error(), t.take_error()), (Some(Error::Refused), None));
    // packetimpact 8
    t.inject(". 1:1(0) ack 1");
    t.expect("R 1:1(0) win 0");
}

#[test]
fn an_echo_that_is_not_of_our_syn_draws_a_reset() {
    let mut t = connecting(|_| ());
    t.advance(ms(30));
    for ecr in ["-1", "31"] {
        t.inject(&format!("S. 0:0(0) ack 1 win 500 <mss 1460,nop,nop,TS val 5 ecr {ecr}>"));
        t.expect("R 1:1(0) win 0");
    }
    t.inject("S. 0:0(0) ack 1 win 500 <mss 1460,nop,nop,TS val 5 ecr 30>");
    t.expect(". 1:1(0) ack 1 <nop,nop,TS val 30 ecr 5>");
}

#[test]
fn rfc9293_ev_77_what_is_written_before_the_handshake_follows_it() {
    // packetimpact 16 to 19
    let mut t = connecting(|_| ());
    t.write(100);
    assert_eq!(t.read(10), Err(Error::WouldBlock));
    t.inject("S. 0:0(0) ack 1 win 64000 <mss 1460,nop,wscale 7>");
    t.expect("P. 1:101(100) ack 1");
    let mut t = connecting(|_| ());
    t.write(100);
    t.inject("R. 0:0(0) ack 1 win 0");
    assert_eq!(t.read(10), Err(Error::Refused));
    assert_eq!(t.read(10), Ok(0));
    assert_eq!(t.try_write(10), Err(Error::BrokenPipe));
}

#[test]
fn data_and_fin_on_a_syn_ack_are_taken() {
    let mut t = connecting(|_| ());
    t.inject("SP. 0:5(5) ack 1 win 500 <mss 1460>");
    let ack = t.next_left().unwrap();
    assert!(ack.starts_with(". 1:1(0) ack 6") || ack.starts_with(". 1:1(0) ack 1 "), "{ack}");
}

#[test]
fn rfc9293_ev_79_close_in_syn_sent_is_silent() {
    let mut t = connecting(|_| ());
    t.advance(ms(300));
    t.close();
    t.advance(ms(1500));
    t.inject("S. 0:0(0) ack 1 win 500 <mss 1460>");
    t.expect("R 1:1(0) win 0");
    assert_eq!(t.stack.connections().count(), 0);
}

#[test]
fn the_round_trip_of_the_handshake_times_the_first_data() {
    for (rtt, rto) in [(ms(1), 201), (ms(50), 250), (ms(100), 300), (ms(300), 900)] {
        let mut t = connecting(|_| ());
        t.advance(rtt);
        t.inject("S. 0:0(0) ack 1 win 500 <mss 1460>");
        t.expect(". 1:1(0) ack 1");
        t.mark();
        t.write(10);
        t.expect("P. 1:11(10) ack 1");
        t.expect_at(ms(rto), "P. 1:11(10) ack 1");
    }
}

#[test]
fn rfc9293_must_18_a_repeated_syn_gives_no_sample_and_a_timeout_of_three_seconds() {
    let mut t = connecting(|_| ());
    t.expect_at(secs(1), "S 0:0(0) <...>");
    t.advance(ms(10));
    t.inject("S. 0:0(0) ack 1 win 500 <mss 1460>");
    t.expect(". 1:1(0) ack 1");
    t.mark();
    t.write(10);
    t.expect("P. 1:11(10) ack 1");
    t.expect_at(secs(3), "P. 1:11(10) ack 1");
    // With timestamps the echo tells.
    let mut t = connecting(|_| ());
    t.expect_at(secs(1), "S 0:0(0) <...>");
    t.advance(ms(10));
    t.inject("S. 0:0(0) ack 1 win 500 <mss 1460,nop,nop,TS val 1 ecr 1000>");
    t.expect(". 1:1(0) ack 1 <...>");
    t.mark();
    t.write(10);
    t.expect("P. 1:11(10) ack 1 <...>");
    t.expect_at(ms(210), "P. 1:11(10) ack 1 <...>");
}

#[test]
fn keepalive_waits_for_the_handshake() {
    let mut t = Peer::with(|c| c.sysctl.tcp_keepalive_time = 1);
    t.connect(Options::new().with_keepalive(true));
    t.expect("S 0:0(0) <...>");
    t.expect_at(secs(1), "S 0:0(0) <...>");
    t.advance(ms(500));
    t.inject("S. 0:0(0) ack 1 win 500 <mss 1460>");
    t.expect(". 1:1(0) ack 1");
    t.expect_after(Duration::from_secs(1), ". 0:0(0) ack 1");
}
