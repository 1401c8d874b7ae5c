//! A million packets, and whatever else a network and an application can do, for one live stack: it neither panics nor
//! loops, answers no more than it was asked, keeps to its limits while it runs, and is empty when all is over.
//!
//! Everything follows from one seed, which a failure prints. `HOSTILE_SEED` runs that one alone, `HOSTILE_ROUNDS` more
//! of them. The allocator is counted, so no other test stands in this file.
#![cfg(feature = "alloc")]

#[path = "hostile_input/forger.rs"]
mod forger;
mod hostile;
#[path = "hostile_input/view.rs"]
mod view;
#[path = "hostile_input/world.rs"]
mod world;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::env;
use world::World;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Of the first round; each round has the next one.
const SEED: u64 = 0x10c4_4a01;
const ROUNDS: u64 = 6;
const PACKETS: u64 = 1_000_000;
/// What tables keep for reuse after they have been full once, and the test harness allocates meanwhile, in bytes.
/// More is a leak: four bytes a connection or one in ten packets would show.
const SLACK_BYTES: isize = 64 * 1024;

#[test]
fn a_million_hostile_packets_for_one_stack_leave_no_trace() {
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

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}
