//! Connections begin, or do not (RFC 9293 3.5, 3.10.7.1 to 3; Linux `tcp_rcv_synsent_state_process`, `tcp_check_req`).
#![cfg(feature = "alloc")]

mod common;

use common::{Peer, ms};
use longhaul::options::Options;
use longhaul::tcp::{Event, State};

#[test]
fn a_passive_open_completes_with_the_third_segment() {
    let mut t = Peer::new();
    t.open(Options::new());
    assert_eq!(t.state(), State::Established);
    assert_eq!(t.events(), [Event::Connected]);
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    assert_eq!(t.read(100), Ok(10));
}

#[test]
fn an_active_open_completes_and_data_is_resent_after_201_ms() {
    let mut t = Peer::new();
    t.connect_open(Options::new());
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.expect_at(ms(201), "P. 1:101(100) ack 1");
    t.expect_after(ms(402), "P. 1:101(100) ack 1");
}
