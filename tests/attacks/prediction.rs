//! Attackers who guess: A07 to A09, A42. What only the secret decides cannot be told from outside.

use alloc::collections::BTreeSet;

use crate::hostile::packet::{SYN, Seen};
use crate::hostile::rig::{Host, config};
use core::net::SocketAddr;
use longhaul::config::Sysctl;
use longhaul::options::Options;
use longhaul::time::Duration;

fn host_with(secret: [u8; 16]) -> Host {
    let mut config = config(Sysctl::LINUX);
    config.secret = secret;
    Host::new(config)
}

/// The SYN of a connect to this remote.
fn syn(host: &mut Host, remote: SocketAddr) -> Seen {
    host.stack.connect(host.now, None, remote, Options::new()).unwrap();
    let mut sent = host.drain();
    assert!(sent.len() == 1 && sent[0].has(SYN));
    sent.remove(0)
}

/// The `n`th of many hosts.
fn remote(n: u32) -> SocketAddr {
    let [_, a, b, c] = n.to_be_bytes();
    SocketAddr::from(([203, a, b, c], 80))
}

/// Pearson's statistic of how often each byte came; about 255 for chance, and beyond 400 for none.
fn chi_square(bytes: impl Iterator<Item = u8>) -> f64 {
    let mut counts = [0_u32; 256];
    bytes.for_each(|byte| counts[usize::from(byte)] += 1);
    let expected = f64::from(counts.iter().sum::<u32>()) / 256.0;
    counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum()
}

#[test]
fn attack_a07_the_first_number_of_one_connection_tells_nothing_of_the_next() {
    const CONNECTS: u32 = 20_000;
    let mut host = host_with([3; 16]);
    let numbers: Vec<u32> = (0..CONNECTS).map(|n| syn(&mut host, remote(n)).seq).collect();
    for shift in [0, 8, 16, 24] {
        let chance = chi_square(numbers.iter().map(|number| (number >> shift) as u8));
        assert!(chance < 400.0, "bits from {shift}: {chance}");
        // Nor does the step from one to the next.
        let steps = numbers.windows(2).map(|pair| (pair[1].wrapping_sub(pair[0]) >> shift) as u8);
        assert!(chi_square(steps) < 400.0);
    }
    // With another secret they are others.
    let mut other = host_with([4; 16]);
    let same = (0..1000).filter(|&n| syn(&mut other, remote(n)).seq == numbers[n as usize]).count();
    assert_eq!(same, 0);
}

#[test]
fn attack_a08_ports_of_one_destination_tell_nothing_of_another() {
    let ports = |secret, to: u32| -> Vec<u16> {
        let mut host = host_with(secret);
        (0..50).map(|_| syn(&mut host, remote(to)).from.port()).collect()
    };
    let first = ports([3; 16], 1);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 50, "each is free");
    assert_ne!(first, ports([3; 16], 2), "another destination");
    assert_ne!(first, ports([4; 16], 1), "another secret");
    // Where the sequence begins is anywhere in the range.
    let begins: Vec<u16> = (0..64).map(|to| ports([3; 16], to)[0]).collect();
    let (least, most) = (*begins.iter().min().unwrap(), *begins.iter().max().unwrap());
    assert!(most - least > 20_000, "{least} to {most}");
}

#[test]
fn attack_a09_timestamps_tell_no_uptime_and_differ_between_connections() {
    let mut host = host_with([3; 16]);
    let value = |seen: &Seen| seen.options.timestamps.expect("timestamps are on").val;
    let values: BTreeSet<u32> = (0..100).map(|n| value(&syn(&mut host, remote(n)))).collect();
    assert_eq!(values.len(), 100, "at one instant");
    let clock_ms = host.now.as_millis() as u32;
    assert!(values.iter().all(|value| value.abs_diff(clock_ms) > 1000), "none is the clock's");
    // Yet within one connection they count milliseconds.
    let mut host = host_with([3; 16]);
    let first = syn(&mut host, remote(1));
    let again = host.wait(Duration::from_secs(2));
    assert_eq!(value(&again[0].1).wrapping_sub(value(&first)), 1000);
}

/// What a lookup costs among flows that were chosen to collide is counted where the table is (`src/stack/demux.rs`);
/// that nothing stays behind of so many is shown here.
#[test]
fn attack_a42_a_hundred_thousand_flows_fill_one_table_and_leave_it_empty() {
    const CONNECTS: u32 = 100_000;
    let mut host = host_with([3; 16]);
    let mut ids = Vec::new();
    for n in 0..CONNECTS {
        ids.push(host.stack.connect(host.now, None, remote(n), Options::new()).unwrap());
    }
    assert_eq!(host.conns(), CONNECTS as usize);
    for id in ids {
        host.stack.conn(id).unwrap().abort(host.now);
    }
    host.drain();
    host.assert_empty();
}
