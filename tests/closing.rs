//! Connections end in order (RFC 9293 3.6, 3.10.4; Linux `__tcp_close`, `tcp_fin`, `tcp_rcv_state_process`).
#![cfg(feature = "alloc")]

mod common;

use common::{Peer, ms, secs};
use longhaul::buf::{Sent, ring::Ring};
use longhaul::config::Sysctl;
use longhaul::error::{Errno, Error};
use longhaul::options::Options;
use longhaul::seq::SeqNum;
use longhaul::stack::Config;
use longhaul::tcp::{Conn, Event, HalfOpen, Setup, State};
use longhaul::time::Instant;
use longhaul::wire::{Flags, Flow, Header};

fn open(configure: impl FnOnce(&mut Config)) -> Peer {
    let mut t = Peer::with(configure);
    t.open(Options::new());
    t.events();
    t
}

/// Whether the flow is forgotten: a segment of the peer's is answered by a reset.
#[track_caller]
fn assert_gone(t: &mut Peer, segment: &str, reset: &str) {
    t.inject(segment);
    t.expect(reset);
    assert_eq!(t.stack.connections().count() + t.stack.time_wait_len(), 0);
}

#[test]
fn we_close_first_and_keep_time_wait_for_a_minute() {
    // rfc9293_must_13, ev_55, ev_70, ev_80, ev_84
    let mut t = open(|_| ());
    t.close();
    t.expect("F. 1:1(0) ack 1");
    t.advance(ms(1));
    t.inject(". 1:1(0) ack 2");
    t.advance(ms(10));
    t.inject("F. 1:1(0) ack 2");
    t.expect(". 2:2(0) ack 2");
    t.mark();
    t.advance_almost_to(secs(60));
    assert_eq!(t.stack.time_wait_len(), 1);
    t.advance_to(secs(60));
    assert_eq!(t.stack.time_wait_len(), 0);
    assert_gone(&mut t, "F. 1:1(0) ack 2", "R 2:2(0) win 0");
}

#[test]
fn the_peer_closes_first_and_nothing_remains_after_our_fin_is_acknowledged() {
    // rfc9293_ev_58, ev_78
    let mut t = open(|_| ());
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.advance(ms(100));
    t.inject("F. 11:11(0) ack 1");
    assert_eq!(t.state(), State::CloseWait);
    assert_eq!(t.events(), [Event::Readable, Event::Finished]);
    assert_eq!((t.read(100), t.read(100), t.read(100)), (Ok(10), Ok(0), Ok(0)));
    t.advance(ms(10));
    t.close();
    t.expect("F. 1:1(0) ack 12");
    t.advance(ms(1));
    t.inject(". 12:12(0) ack 2");
    t.advance(ms(10));
    assert_gone(&mut t, ". 12:12(0) ack 2", "R 2:2(0) win 0");
}

#[test]
fn after_our_half_close_the_peer_may_go_on_sending() {
    // rfc9293_ev_56, ev_63, ev_76
    let mut t = open(|_| ());
    t.finish();
    t.expect("F. 1:1(0) ack 1");
    t.finish();
    t.advance(ms(1));
    t.inject(". 1:1(0) ack 2");
    assert_eq!(t.state(), State::FinWait2);
    t.advance(ms(100));
    t.inject("P. 1:11(10) ack 2");
    t.expect(". 2:2(0) ack 11");
    assert_eq!(t.read(100), Ok(10));
    assert_eq!(t.try_write(100), Err(Error::BrokenPipe));
    // With the application there, FIN-WAIT-2 lasts for ever.
    t.expect_nothing_for(secs(1_000_000));
    t.inject("F. 11:11(0) ack 2");
    t.expect(". 2:2(0) ack 12");
    assert_eq!(t.read(1), Ok(0));
    assert_eq!((t.stack.time_wait_len(), t.death()), (1, None));
}

#[test]
fn after_the_peers_half_close_we_may_go_on_sending() {
    let mut t = open(|_| ());
    t.inject("F. 1:1(0) ack 1");
    t.expect_at(ms(1), ". 1:1(0) ack 2");
    for at in (1..=2001).step_by(1000) {
        t.write(1000);
        t.expect(&format!("P. {at}:{}(1000) ack 2", at + 1000));
        t.inject(&format!(". 2:2(0) ack {}", at + 1000));
    }
    t.finish();
    t.expect("F. 3001:3001(0) ack 2");
    assert_eq!(t.state(), State::LastAck);
    t.inject(". 2:2(0) ack 3002");
    assert_eq!((t.state(), t.death()), (State::Closed, None));
    assert_eq!(t.events().last(), Some(&Event::Closed(None)));
}

#[test]
fn rfc9293_ev_57_69_both_close_at_once() {
    let mut t = open(|_| ());
    t.close();
    t.expect("F. 1:1(0) ack 1");
    t.advance(ms(10));
    t.inject("F. 1:1(0) ack 1");
    t.expect(". 2:2(0) ack 2");
    t.advance(ms(10));
    t.inject(". 2:2(0) ack 2");
    assert_eq!(t.stack.time_wait_len(), 1);
    t.advance(ms(600));
    t.inject("F. 1:1(0) ack 2");
    t.expect(". 2:2(0) ack 2");
}

#[test]
fn in_closing_our_fin_goes_again_until_it_is_acknowledged() {
    // packetimpact 46; rfc9293_ev_71
    let mut t = open(|_| ());
    t.finish();
    t.expect("F. 1:1(0) ack 1");
    t.inject("F. 1:1(0) ack 1");
    t.expect(". 2:2(0) ack 2");
    assert_eq!(t.state(), State::Closing);
    t.expect_at(ms(201), "F. 1:1(0) ack 2");
    t.inject("F. 1:1(0) ack 1");
    t.expect(". 2:2(0) ack 2");
    t.expect_at(ms(603), "F. 1:1(0) ack 2");
    t.inject(". 2:2(0) ack 2");
    assert_eq!(t.stack.time_wait_len(), 1);
}

#[test]
fn a_fin_that_acknowledges_our_fin_leads_to_time_wait_at_once() {
    let mut t = open(|_| ());
    t.finish();
    t.expect("F. 1:1(0) ack 1");
    t.inject("F. 1:1(0) ack 2");
    t.expect(". 2:2(0) ack 2");
    assert_eq!((t.stack.time_wait_len(), t.read(1)), (1, Ok(0)));
}

#[test]
fn a_fin_follows_what_is_queued() {
    // rfc9293_ev_80, must_61
    let mut t = open(|_| ());
    t.inject(". 1:1(0) ack 1 win 0");
    t.write(3000);
    t.close();
    t.inject(". 1:1(0) ack 1 win 500");
    t.expect(". 1:1461(1460) ack 1");
    t.expect(". 1461:2921(1460) ack 1");
    t.expect("FP. 2921:3001(80) ack 1");
    t.inject(". 1:1(0) ack 3002");
    assert_eq!(t.stack.time_wait_len(), 1);
}

#[test]
fn a_fin_does_not_leave_through_a_closed_window_with_data_before_it() {
    let mut t = open(|_| ());
    t.inject(". 1:1(0) ack 1 win 0");
    t.write(100);
    t.finish();
    assert_eq!(t.state(), State::FinWait1);
    t.expect_at(ms(201), ". 0:0(0) ack 1");
    t.inject(". 1:1(0) ack 1 win 500");
    t.expect("FP. 1:101(100) ack 1");
}

#[test]
fn unread_data_makes_close_a_reset() {
    // rfc9293_shld_3
    let mut t = open(|_| ());
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.advance(ms(50));
    t.close();
    t.expect("R. 1:1(0) ack 11");
    t.advance(ms(10));
    assert_gone(&mut t, ". 11:11(0) ack 1", "R 1:1(0) win 0");
}

#[test]
fn a_linger_of_zero_makes_close_a_reset_and_a_longer_one_does_not() {
    // packetimpact 39 to 41
    let mut t = Peer::new();
    t.open(Options::new().with_linger(Some(secs(0))));
    t.close();
    t.expect("R. 1:1(0) ack 1");
    t.advance(ms(10));
    assert_gone(&mut t, ". 1:1(0) ack 1", "R 1:1(0) win 0");
    let mut t = Peer::new();
    t.open(Options::new().with_linger(Some(secs(5))));
    t.close();
    t.expect("F. 1:1(0) ack 1");
}

#[test]
fn a_linger_of_zero_after_shutdown_sends_a_reset_after_the_fin() {
    // packetimpact 43
    let mut t = Peer::new();
    t.open(Options::new().with_linger(Some(secs(0))));
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.finish();
    t.expect("F. 101:101(0) ack 1");
    t.close();
    t.expect("R. 102:102(0) ack 1");
}

#[test]
fn rfc9293_ev_81_abort_tells_a_peer_that_waits_and_only_it() {
    let mut t = open(|_| ());
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.abort();
    t.expect("R. 101:101(0) ack 1");
    // In LAST-ACK the peer has finished: nothing to tell.
    let mut t = open(|_| ());
    t.inject("F. 1:1(0) ack 1");
    t.finish();
    t.expect("F. 1:1(0) ack 2");
    t.abort();
    assert_gone(&mut t, ". 2:2(0) ack 2", "R 2:2(0) win 0");
}

#[test]
fn data_for_an_orphan_draws_a_reset() {
    // In FIN-WAIT-1:
    let mut t = open(|_| ());
    t.close();
    t.expect("F. 1:1(0) ack 1");
    t.inject("P. 1:11(10) ack 1");
    t.expect("R 1:1(0) win 0");
    assert_gone(&mut t, ". 11:11(0) ack 2", "R 2:2(0) win 0");
    // In FIN-WAIT-2:
    let mut t = open(|_| ());
    t.close();
    t.expect("F. 1:1(0) ack 1");
    t.inject(". 1:1(0) ack 2");
    t.inject("P. 1:11(10) ack 2");
    t.expect("R 2:2(0) win 0");
    assert_gone(&mut t, "F. 11:11(0) ack 2", "R 2:2(0) win 0");
    // After shutdown of both directions:
    let mut t = open(|_| ());
    t.finish();
    t.act(|conn, _| conn.stop_receiving());
    t.expect("F. 1:1(0) ack 1");
    t.inject("P. 1:11(10) ack 2");
    t.expect("R 2:2(0) win 0");
}

#[test]
fn nagle_does_not_hold_what_a_fin_follows() {
    let mut t = open(|_| ());
    t.write(10);
    t.expect("P. 1:11(10) ack 1");
    t.write(10);
    t.advance(ms(10));
    t.close();
    t.expect("FP. 11:21(10) ack 1");
    t.inject(". 1:1(0) ack 22");
}

#[test]
fn an_orphan_waits_a_minute_in_fin_wait_2() {
    for (fin_timeout, linger2, lasts) in [
        (60, 0, secs(60)),
        (2, 0, secs(2)),
        (60, 1, secs(1)),
        (60, 2, secs(2)),
        // Longer is shorter: twice what exceeds a minute.
        (62, 0, secs(4)),
        (60, 65, secs(10)),
        (80, 0, secs(40)),
        // Never less than 3.5 RTO.
        (0, 0, ms(703) + ms(1) / 2),
    ] {
        let closed = || {
            let mut t = Peer::with(|c| c.sysctl.tcp_fin_timeout = fin_timeout);
            t.open(Options::new().with_tcp_linger2(linger2));
            t.close();
            t.expect("F. 1:1(0) ack 1");
            t.inject(". 1:1(0) ack 2");
            t.advance_almost_to(lasts);
            t
        };
        let mut in_time = closed();
        in_time.inject("F. 1:1(0) ack 2");
        in_time.expect(". 2:2(0) ack 2");
        in_time.expect_nothing_for(secs(59));
        assert_eq!(in_time.stack.time_wait_len(), 1, "the whole minute, whatever tcp_fin_timeout says");
        let mut late = closed();
        late.advance(ms(2));
        assert_gone(&mut late, "F. 1:1(0) ack 2", "R 2:2(0) win 0");
    }
}

#[test]
fn a_fin_resent_twice_makes_the_least_wait_longer() {
    let mut t = open(|c| c.sysctl.tcp_fin_timeout = 1);
    t.close();
    t.expect("F. 1:1(0) ack 1");
    t.expect_at(ms(201), "F. 1:1(0) ack 1");
    t.expect_at(ms(603), "F. 1:1(0) ack 1");
    t.advance(ms(20));
    t.inject(". 1:1(0) ack 2");
    t.advance(secs(2));
    t.inject("F. 1:1(0) ack 2");
    t.expect(". 2:2(0) ack 2");
}

#[test]
fn a_negative_tcp_linger2_answers_the_ack_of_our_fin_with_a_reset() {
    let mut t = Peer::new();
    t.open(Options::new().with_tcp_linger2(-1));
    t.close();
    t.expect("F. 1:1(0) ack 1");
    t.advance(ms(10));
    t.inject(". 1:1(0) ack 2");
    t.expect("R 2:2(0) win 0");
    t.advance(ms(100));
    assert_gone(&mut t, "P. 1:4(3) ack 2", "R 2:2(0) win 0");
}

#[test]
fn a_negative_tcp_linger2_resets_at_close_in_fin_wait_2() {
    let mut t = Peer::new();
    t.open(Options::new().with_tcp_linger2(-1));
    t.finish();
    t.expect("F. 1:1(0) ack 1");
    t.inject(". 1:1(0) ack 2");
    t.close();
    t.expect("R. 2:2(0) ack 1");
    assert_gone(&mut t, "P. 1:4(3) ack 2", "R 2:2(0) win 0");
}

#[test]
fn a_reset_ends_an_orphan_in_either_fin_wait() {
    let mut t = open(|_| ());
    t.close();
    t.expect("F. 1:1(0) ack 1");
    t.advance(ms(50));
    t.inject("R 1:1(0) win 0");
    t.expect_nothing_for(ms(500));
    assert_gone(&mut t, ". 1:1(0) ack 2", "R 2:2(0) win 0");
    let mut t = open(|_| ());
    t.close();
    t.expect("F. 1:1(0) ack 1");
    t.inject(". 1:1(0) ack 2");
    t.inject("R 1:1(0) win 0");
    assert_gone(&mut t, "F. 1:1(0) ack 2", "R 2:2(0) win 0");
}

#[test]
fn an_orphans_fin_into_a_black_hole_is_given_up_silently() {
    // FIN-WAIT-1 and LAST-ACK alike; T(1) = 0.6 s, T(2) = 1.4 s after the first retransmission.
    for (retries, again, gone) in [(1, &[201, 603][..], 1407), (2, &[201, 603, 1407], 3015)] {
        for peer_first in [false, true] {
            let mut t = open(|c| c.sysctl.tcp_orphan_retries = retries);
            let fin = if peer_first { "F. 1:1(0) ack 2" } else { "F. 1:1(0) ack 1" };
            if peer_first {
                t.inject("F. 1:1(0) ack 1");
            }
            t.close();
            t.expect(fin);
            for &at in again {
                t.expect_at(ms(at), fin);
            }
            t.advance_to(ms(gone - 1));
            assert_eq!(t.stack.connections().count(), 1);
            t.advance_to(ms(gone));
            let late = if peer_first { ". 2:2(0) ack 2" } else { ". 1:1(0) ack 2" };
            assert_gone(&mut t, late, "R 2:2(0) win 0");
        }
    }
}

#[test]
fn a_crowd_of_orphans_makes_close_a_reset() {
    let mut t = open(|c| c.sysctl.tcp_max_orphans = 0);
    t.close();
    t.expect("R. 1:1(0) ack 1");
    assert_gone(&mut t, ". 1:1(0) ack 1", "R 1:1(0) win 0");
}

#[test]
fn shutdown_without_close_is_no_orphan_and_ends_with_an_error() {
    let mut t = open(|c| c.sysctl.tcp_retries2 = 1);
    t.finish();
    t.expect("F. 1:1(0) ack 1");
    t.expect_at(ms(201), "F. 1:1(0) ack 1");
    t.expect_at(ms(603), "F. 1:1(0) ack 1");
    t.advance_to(ms(1407));
    assert_eq!(t.read(1).map_err(Error::errno), Err(Errno::ETIMEDOUT));
    assert_eq!((t.read(1), t.try_write(1)), (Ok(0), Err(Error::BrokenPipe)));
}

#[test]
fn what_was_readable_stays_readable_into_time_wait() {
    let mut t = open(|_| ());
    t.finish();
    t.expect("F. 1:1(0) ack 1");
    t.inject("FP. 1:11(10) ack 2");
    t.expect(". 2:2(0) ack 12");
    assert_eq!((t.read(4), t.read(100), t.read(1)), (Ok(4), Ok(6), Ok(0)));
    t.close();
    assert_eq!((t.stack.connections().count(), t.stack.time_wait_len()), (0, 1));
}

#[test]
fn a_second_abort_takes_nothing_of_the_first_back() {
    // As when the device was busy: the reset still waits, and the application aborts what a rule had given up.
    let mut send = [0; 64];
    let mut receive = [0; 64];
    let mut records = [Sent::EMPTY; 4];
    let mut ring = Ring::new(&mut send, &mut receive, &mut records);
    let flow = Flow { local: "192.0.2.1:80".parse().unwrap(), remote: "192.0.2.2:4000".parse().unwrap() };
    let setup = Setup { flow, iss: SeqNum::new(0), ts_offset: 0, mtu: 1500, options: Options::new() };
    let (now, sysctl) = (Instant::ORIGIN, &Sysctl::LINUX);
    let syn = Header { window: 1000, ..Header::new(SeqNum::new(0), SeqNum::new(0), Flags::SYN) };
    let ack = Header { window: 1000, ..Header::new(SeqNum::new(1), SeqNum::new(1), Flags::ACK) };
    let half_open = HalfOpen::new(now, &setup, &syn, sysctl);
    let mut conn = Conn::accept(now, &half_open, Options::new(), &ack, sysctl);
    conn.abort(&mut ring);
    conn.abort(&mut ring);
    let emit = conn.poll_transmit(now, sysctl, &mut ring).expect("the reset still leaves");
    assert!(emit.header.flags.contains(Flags::RST));
    assert_eq!(conn.poll_transmit(now, sysctl, &mut ring), None);
}
