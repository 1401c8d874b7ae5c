//! A million packets, and whatever else a network and an application can do, for one live stack: it neither panics nor
//! loops, answers no more than it was asked, keeps to its limits while it runs, and is empty when all is over.
//!
//! Everything follows from one seed, which a failure prints. `HOSTILE_SEED` runs that one alone, `HOSTILE_ROUNDS` more
//! of them. The allocator is counted, so the tests of this file take turns and no others stand beside them.
#![cfg(feature = "alloc")]

#[path = "hostile_input/forger.rs"]
mod forger;
mod hostile;
#[path = "hostile_input/view.rs"]
mod view;
#[path = "hostile_input/world.rs"]
mod world;

use hostile::packet::RST;
use hostile::rig::{Host, Peer, peer_v4};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::env;
use std::sync::{Mutex, PoisonError};
use world::World;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Whose turn it is to allocate.
static TURN: Mutex<()> = Mutex::new(());

/// Of the first round; each round has the next one.
const SEED: u64 = 0x10c4_4a01;
const ROUNDS: u64 = 6;
const PACKETS: u64 = 1_000_000;
/// What tables keep for reuse after they have been full once, and the test harness allocates meanwhile, in bytes.
/// More is a leak: four bytes a connection or one in ten packets would show.
const SLACK_BYTES: isize = 64 * 1024;

#[test]
fn a_million_hostile_packets_for_one_stack_leave_no_trace() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let one = setting("HOSTILE_SEED");
    let rounds = if one.is_some() { 1 } else { setting("HOSTILE_ROUNDS").unwrap_or(ROUNDS) };
    let first = one.unwrap_or(SEED);
    for seed in first..first + rounds {
        run(seed);
    }
}

/// One stack's life and afterlife, twice.
fn run(seed: u64) {
    let region = Region::new(ALLOCATOR);
    let mut world = World::new(seed);
    world.suffer(PACKETS / 2);
    world.end();
    let halfway = held(&region);
    world.suffer(PACKETS / 2);
    world.end();
    let grown = held(&region) - halfway;
    assert!(grown <= SLACK_BYTES, "{grown} bytes more are held than after the first half");
    world.assert_varied();
}

/// Bytes allocated and not freed since the region began.
fn held(region: &Region<'_, System>) -> isize {
    let change = region.change();
    change.bytes_allocated.cast_signed() - change.bytes_deallocated.cast_signed()
}

#[test]
fn connections_that_come_and_go_leave_nothing_even_if_nobody_polls_events() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
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
        held(&region)
    };
    let before = come_and_go(1000);
    let grown = come_and_go(20_000) - before;
    assert!(grown <= SLACK_BYTES, "{grown} bytes are left of 20 000 connections");
}

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}
