//! What `tcp_info` says of a connection, and its line of `ss -tno`, as iproute2 6.1 on Linux 6.18 writes it.
#![cfg(feature = "alloc")]

mod common;

use common::{Peer, ms, secs};
use longhaul::options::Options;
use longhaul::tcp::{CaState, TcpInfo};

fn info(t: &mut Peer) -> TcpInfo {
    #[allow(clippy::redundant_closure_for_method_calls)] // the path is not general enough in lifetimes
    t.act(|conn, now| conn.info(now))
}

#[test]
fn the_line_of_ss_in_each_timer_and_state() {
    const ENDS: &str = "192.0.2.1:8080 198.51.100.7:40000";
    let mut t = Peer::new();
    t.connect(Options::new());
    t.expect("S 0:0(0) <...>");
    t.expect_at(secs(1), "S 0:0(0) <...>");
    t.advance(ms(276));
    // Seen: `SYN-SENT 0 1 10.9.0.1:33736 10.9.0.2:80 timer:(on,724ms,2)`; a SYN counts as a byte.
    assert_eq!(info(&mut t).to_string(), "SYN-SENT 0 1 192.0.2.1:40000 198.51.100.7:8080 timer:(on,724ms,1)");
    assert_eq!(info(&mut t).unacked, 1);

    let mut t = Peer::new();
    t.open(Options::new());
    assert_eq!(info(&mut t).to_string(), format!("ESTAB 0 0 {ENDS}"));
    t.act(|conn, now| conn.set_keepalive(now, true));
    t.advance(ms(10));
    assert_eq!(info(&mut t).to_string(), format!("ESTAB 0 0 {ENDS} timer:(keepalive,119min,0)"));

    let mut t = Peer::new();
    t.open(Options::new());
    t.inject("P. 1:11(10) ack 1 win 0");
    t.expect(". 1:1(0) ack 11");
    t.write(100);
    t.expect_at(ms(201), ". 0:0(0) ack 11");
    t.advance(ms(174));
    assert_eq!(info(&mut t).to_string(), format!("ESTAB 10 100 {ENDS} timer:(persist,228ms,1)"));

    let mut t = Peer::new();
    t.open(Options::new());
    t.finish();
    t.expect("F. 1:1(0) ack 1");
    assert_eq!(info(&mut t).to_string(), format!("FIN-WAIT-1 0 1 {ENDS} timer:(on,201ms,0)"));
    t.inject(". 1:1(0) ack 2");
    assert_eq!(info(&mut t).to_string(), format!("FIN-WAIT-2 0 0 {ENDS}"));
}

#[test]
fn an_ipv6_line_has_brackets() {
    let mut t = Peer::v6();
    t.open(Options::new());
    assert_eq!(info(&mut t).to_string(), "ESTAB 0 0 [2001:db8::1]:8080 [2001:db8::7]:40000");
}

#[test]
fn the_numbers_are_those_that_linux_gives_the_same_dialogue() {
    let mut t = Peer::new();
    t.open_with(Options::new(), "mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7");
    let fresh = info(&mut t);
    assert_eq!((fresh.timestamps, fresh.sack, fresh.wscale, fresh.snd_wscale), (true, true, true, 7));
    // Timestamps take 12 bytes of every segment, and of what Linux calls advmss.
    assert_eq!((fresh.snd_mss, fresh.advmss, fresh.pmtu, fresh.rcv_mss), (1448, 1448, 1500, 536));
    assert_eq!((fresh.rtt, fresh.rttvar), (ms(1), ms(1) / 2));
    assert_eq!((fresh.ato, fresh.snd_cwnd, fresh.reordering), (ms(0), 10, 3));
    // Four segments, of which the last three are reported held: the first is lost, and resent at once.
    t.write(4 * 1448);
    while t.next_left().is_some() {}
    t.advance(ms(2));
    t.inject(". 1:1(0) ack 1 <nop,nop,sack 1449:5793>");
    assert!(t.next_left().is_some());
    let repaired = info(&mut t);
    assert_eq!((repaired.ca_state, repaired.unacked, repaired.sacked), (CaState::Recovery, 4, 3));
    assert_eq!((repaired.lost, repaired.retrans, repaired.retransmits), (1, 1, 0));
    t.advance(ms(20));
    t.inject("P. 1:11(10) ack 5793");
    while t.next_left().is_some() {}
    t.advance(ms(5));
    let after = info(&mut t);
    assert_eq!((after.ca_state, after.unacked, after.bytes_acked), (CaState::Open, 0, 4 * 1448));
    assert_eq!((after.last_data_sent, after.last_data_recv, after.last_heard), (ms(27), ms(5), ms(5)));
    assert_eq!((after.receive_queue, after.send_queue, after.notsent_bytes, after.ato), (10, 0, 0, ms(40)));
}
