//! Connections that come and go leave nothing behind, whoever forgets to ask about them.
//!
//! The allocator of the whole process is counted. So this test stands alone in its file: beside another, the threads of
//! the test harness would allocate while it counts.
#![cfg(feature = "alloc")]

mod hostile;

use hostile::packet::RST;
use hostile::rig::{Host, Peer, peer_v4};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that tables may keep for reuse. A byte for every fifth connection would be more.
const SLACK_BYTES: isize = 4096;

#[test]
fn connections_that_come_and_go_leave_nothing_even_if_nobody_polls_events() {
    let mut host = Host::listening();
    let region = Region::new(ALLOCATOR);
    let mut come_and_go = |rounds: u16| {
        for port in 1024..1024 + rounds {
            let (peer, id) = Peer::establish(peer_v4(port), &mut host, &[]);
            host.hears(&peer.forge().flags(RST));
            let conn = host.stack.conn(id).expect("not closed by us");
            conn.close(host.now);
        }
        host.assert_empty();
        let change = region.change();
        change.bytes_allocated.cast_signed() - change.bytes_deallocated.cast_signed()
    };
    let before = come_and_go(1000);
    let grown = come_and_go(20_000) - before;
    assert!(grown <= SLACK_BYTES, "{grown} bytes are left of 20 000 connections");
}
