//! After the end: TIME-WAIT (RFC 9293 3.6.1, RFC 1337, RFC 6191; Linux `tcp_timewait_state_process`,
//! `tcp_twsk_unique`).
#![cfg(feature = "alloc")]

mod common;

use common::peer::{PEER_PORT, PORT};
use common::{Peer, ms, secs};
use core::net::SocketAddr;
use longhaul::options::Options;
use longhaul::stack::{Config, ConnectError};

const WITH_TIMESTAMPS: &str = "mss 1460,sackOK,TS val 1000 ecr 0,nop,wscale 7";

/// A connection without timestamps that we closed first, 10 ms after the mark.
fn waiting(configure: impl FnOnce(&mut Config)) -> Peer {
    let mut t = Peer::with(configure);
    t.open(Options::new());
    t.close();
    t.expect("F. 1:1(0) ack 1");
    t.advance(ms(10));
    t.inject("F. 1:1(0) ack 2");
    t.expect(". 2:2(0) ack 2");
    t
}

/// The same with timestamps.
fn waiting_with_timestamps() -> Peer {
    let mut t = Peer::new();
    t.open_with(Options::new(), WITH_TIMESTAMPS);
    t.close();
    t.expect("F. 1:1(0) ack 1 <nop,nop,TS val 1 ecr 1001>");
    t.advance(ms(10));
    t.inject("F. 1:1(0) ack 2 <nop,nop,TS val 1002 ecr 1>");
    t.expect(". 2:2(0) ack 2 <nop,nop,TS val 11 ecr 1002>");
    t
}

/// TIME-WAIT ends exactly then, counted from the mark.
#[track_caller]
fn assert_ends_at(t: &mut Peer, millis: u64) {
    t.advance_almost_to(ms(millis));
    assert_eq!(t.stack.time_wait_len(), 1, "ended too early");
    t.advance_to(ms(millis));
    assert_eq!(t.stack.time_wait_len(), 0, "lasts too long");
}

#[test]
fn time_wait_is_a_minute_whatever_tcp_fin_timeout_says() {
    let mut t = waiting(|c| c.sysctl.tcp_fin_timeout = 1);
    assert_ends_at(&mut t, 60_010);
}

#[test]
fn rfc9293_ev_59_a_repeated_fin_is_acknowledged_every_time_and_restarts_the_wait() {
    let mut t = waiting(|_| ());
    for _ in 0..3 {
        t.advance(ms(100));
        t.inject("F. 1:1(0) ack 2");
        t.expect(". 2:2(0) ack 2");
    }
    assert_ends_at(&mut t, 60_310);
}

#[test]
fn empty_segments_are_acknowledged_at_most_twice_a_second() {
    let mut t = waiting(|_| ());
    t.advance(ms(600));
    t.inject(". 1:1(0) ack 2");
    t.expect(". 2:2(0) ack 2");
    for wait in [100, 200] {
        t.advance(ms(wait));
        t.inject(". 1:1(0) ack 2");
    }
    t.advance(ms(400));
    t.inject(". 1:1(0) ack 2");
    t.expect(". 2:2(0) ack 2");
    // Even the unanswered restart the wait.
    t.advance(ms(100));
    t.inject(". 1:1(0) ack 2");
    assert_ends_at(&mut t, 61_410);
}

#[test]
fn a_bare_ack_in_sequence_restarts_the_wait_silently() {
    let mut t = waiting(|_| ());
    t.advance(secs(30));
    t.inject(". 2:2(0) ack 2");
    assert_ends_at(&mut t, 90_010);
}

#[test]
fn an_exact_reset_ends_it_unless_rfc_1337_is_obeyed() {
    // packetimpact 48
    let mut t = waiting(|_| ());
    t.inject("R 3:3(0) win 0");
    t.inject("R 1:1(0) win 0");
    assert_eq!(t.stack.time_wait_len(), 1, "not the exact number");
    t.inject("R 2:2(0) win 0");
    assert_eq!(t.stack.time_wait_len(), 0);
    let mut t = waiting(|c| c.sysctl.tcp_rfc1337 = 1);
    t.advance(ms(500));
    t.inject("R 2:2(0) win 0");
    t.advance(ms(100));
    t.inject("F. 1:1(0) ack 2");
    t.expect(". 2:2(0) ack 2");
}

#[test]
fn a_syn_with_a_higher_number_begins_anew() {
    // rfc9293_may_2
    let mut t = waiting(|_| ());
    t.advance(ms(300));
    t.inject("S 1000:1000(0) win 64000 <mss 1460,nop,wscale 7>");
    t.expect("S. 65539:65539(0) ack 1001 <...>");
    t.advance(ms(1));
    t.inject(". 1001:1001(0) ack 65540");
    t.accept();
}

/// The number that follows the old connection's leaves no room for a cookie.
#[test]
fn a_syn_that_begins_anew_gets_no_cookie() {
    let mut t = waiting(|_| ());
    t.stack.sysctl_mut().tcp_syncookies = 2;
    t.inject("S 1000:1000(0) win 64000 <mss 1460,nop,wscale 7>");
    t.expect("S. 65539:65539(0) ack 1001 <...>");
    assert_eq!((t.stack.half_open_len(), t.stack.stats().syncookies_sent), (1, 0));
}

#[test]
fn rfc9293_shld_4_ev_45_a_syn_with_a_later_timestamp_begins_anew() {
    let mut t = waiting_with_timestamps();
    t.advance(ms(300));
    t.inject("S 0:0(0) win 64000 <mss 1460,sackOK,TS val 2000 ecr 0,nop,wscale 7>");
    t.expect("S. 65539:65539(0) ack 1 <mss 1460,sackOK,TS val 311 ecr 2000,nop,wscale 10>");
    assert_eq!(t.stack.time_wait_len(), 0);
}

#[test]
fn an_older_syn_is_only_acknowledged_and_restarts_nothing() {
    let mut t = waiting(|_| ());
    t.advance(ms(600));
    t.inject("S 0:0(0) win 64000 <mss 1460,nop,wscale 7>");
    t.expect(". 2:2(0) ack 2");
    assert_ends_at(&mut t, 60_010);
    let mut t = waiting_with_timestamps();
    t.advance(ms(600));
    t.inject("S 1000:1000(0) win 64000 <mss 1460,sackOK,TS val 900 ecr 0,nop,wscale 7>");
    t.expect(". 2:2(0) ack 2 <nop,nop,TS val 611 ecr 1002>");
}

#[test]
fn old_data_is_acknowledged_and_not_delivered() {
    let mut t = waiting(|_| ());
    t.inject("P. 1:11(10) ack 2");
    t.expect(". 2:2(0) ack 2");
    t.inject("P. 1:11(10) ack 2");
    t.expect(". 2:2(0) ack 2");
}

/// We connect from the port that has a connection in TIME-WAIT, chosen by the caller.
fn connect_again(t: &mut Peer) -> Result<(), ConnectError> {
    let local: SocketAddr = SocketAddr::new("192.0.2.1".parse().unwrap(), PORT);
    let remote = SocketAddr::new("198.51.100.7".parse().unwrap(), PEER_PORT);
    let now = t.now();
    let result = t.stack.connect(now, Some(local), remote, Options::new());
    t.advance(ms(0));
    result.map(|_| ())
}

#[test]
fn our_own_connect_takes_over_a_time_wait_with_timestamps() {
    let mut t = waiting_with_timestamps();
    assert_eq!(connect_again(&mut t), Ok(()));
    t.expect("S 65539:65539(0) <...>");
    let mut t = waiting(|_| ());
    assert_eq!(connect_again(&mut t), Err(ConnectError::TimeWait));
}

#[test]
fn an_ephemeral_port_in_time_wait_is_reused_as_tcp_tw_reuse_says() {
    for (reuse, waited, expected) in [
        (0, 5000, Err(ConnectError::PortsExhausted)),
        (2, 5000, Err(ConnectError::PortsExhausted)),
        (1, 900, Err(ConnectError::PortsExhausted)),
        (1, 1000, Ok(())),
    ] {
        // One ephemeral port only, in TIME-WAIT after we closed.
        let mut t = Peer::with(|c| {
            c.sysctl.ip_local_port_range = [PEER_PORT; 2];
            c.sysctl.tcp_tw_reuse = reuse;
        });
        t.connect(Options::new());
        t.expect("S 0:0(0) <...>");
        t.inject("S. 0:0(0) ack 1 win 500 <mss 1460,nop,nop,TS val 10 ecr 0>");
        t.expect(". 1:1(0) ack 1 <...>");
        t.close();
        t.expect("F. 1:1(0) ack 1 <...>");
        t.inject("F. 1:1(0) ack 2 <nop,nop,TS val 11 ecr 0>");
        t.expect(". 2:2(0) ack 2 <...>");
        t.advance(ms(waited));
        let (now, remote) = (t.now(), SocketAddr::new("198.51.100.7".parse().unwrap(), PORT));
        let result = t.stack.connect(now, None, remote, Options::new()).map(|_| ());
        assert_eq!(result, expected, "tcp_tw_reuse {reuse} after {waited} ms");
        if result.is_ok() {
            t.advance(ms(0));
            t.expect("S 65539:65539(0) <...>");
        }
    }
}

#[test]
fn a_connect_that_finds_the_table_full_leaves_the_time_wait_it_would_have_reused() {
    let mut t = Peer::with(|c| {
        c.sysctl.ip_local_port_range = [PEER_PORT; 2];
        c.sysctl.tcp_tw_reuse = 1;
        c.max_connections = 1;
    });
    t.connect(Options::new());
    t.expect("S 0:0(0) <...>");
    t.inject("S. 0:0(0) ack 1 win 500 <mss 1460,nop,nop,TS val 10 ecr 0>");
    t.expect(". 1:1(0) ack 1 <...>");
    t.close();
    t.expect("F. 1:1(0) ack 1 <...>");
    t.inject("F. 1:1(0) ack 2 <nop,nop,TS val 11 ecr 0>");
    t.expect(". 2:2(0) ack 2 <...>");
    t.advance(ms(1000));
    let (now, address) = (t.now(), "198.51.100.7".parse().unwrap());
    assert!(t.stack.connect(now, None, SocketAddr::new(address, PORT + 1), Options::new()).is_ok());
    let refused = t.stack.connect(now, None, SocketAddr::new(address, PORT), Options::new());
    assert_eq!((refused, t.stack.time_wait_len()), (Err(ConnectError::TooManyConnections), 1));
}

#[test]
fn a_crowd_in_time_wait_is_bounded() {
    let mut t = waiting(|c| c.sysctl.tcp_max_tw_buckets = 0);
    assert_eq!((t.stack.time_wait_len(), t.stack.stats().time_wait_overflow), (0, 1));
    t.inject("F. 1:1(0) ack 2");
    t.expect("R 2:2(0) win 0");
}

#[test]
fn the_bound_of_the_crowd_is_read_at_each_use() {
    let mut t = Peer::new();
    t.open(Options::new());
    t.stack.sysctl_mut().tcp_max_tw_buckets = 0;
    t.close();
    t.expect("F. 1:1(0) ack 1");
    t.inject("F. 1:1(0) ack 2");
    t.expect(". 2:2(0) ack 2");
    assert_eq!((t.stack.time_wait_len(), t.stack.stats().time_wait_overflow), (0, 1));
}
