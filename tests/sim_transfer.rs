//! Streams through faulty links and between faulty machines, in virtual time: whatever is lost, late, twice or damaged,
//! every byte arrives once and in order, and nothing is left behind.
#![cfg(feature = "sim")]

extern crate alloc;

#[path = "sim_transfer/stream.rs"]
mod stream;

use alloc::rc::Rc;
use core::cell::RefCell;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use longhaul::config::Sysctl;
use longhaul::options::Options;
use longhaul::sim::{Cut, Fate, HostId, Link, START, Sim};
use longhaul::stack::Config;
use longhaul::tcp::State;
use longhaul::time::{Duration, Instant};
use longhaul::wire::{self, Flags, Packet};
use std::sync::OnceLock;
use stream::{
    CLIENT_V4, DAY, End, SECOND, SERVER, Stream, close_and_drain, data, drive, open, patient, run, secrets_near_wrap,
};

const MS: Duration = Duration::from_millis(1);
const MEGABYTE: usize = 1_000_000;
/// Where the millisecond clock leaves 32 bits.
const CLOCK_WRAP: Instant = Instant::from_millis(1 << 32);

/// A hundred conversations over a link that loses nearly every third packet, holds back and doubles others. Both
/// sequence numbers start less than half a megabyte below the wrap, the clock three seconds below its own.
#[test]
fn a_megabyte_each_way_survives_loss_reordering_and_duplication_across_every_wrap() {
    let hostile =
        Link { loss_permille: 300, reorder_permille: 100, duplicate_permille: 50, jitter: 5 * MS, ..Link::default() };
    for seed in 0..100 {
        let (mut sim, a, b) = pair_near_wrap(seed);
        let first_numbers = note_first_numbers(&mut sim);
        let (client, server, _) = open(&mut sim, a, b, SERVER);
        *sim.link_mut(a, b) = hostile;
        let mut streams = both_ways(client, server, MEGABYTE);
        run(&mut sim, &mut streams);
        let wraps = |first: &u32| first.checked_add(MEGABYTE as u32).is_none();
        assert!(first_numbers.borrow().len() == 2 && first_numbers.borrow().iter().all(wraps), "{first_numbers:?}");
        assert!(sim.now() > CLOCK_WRAP, "seed {seed}: the clock did not wrap");
        close_and_drain(&mut sim, &[client, server]);
    }
}

#[test]
fn equal_seeds_give_equal_traces_and_others_do_not() {
    let run = |seed| {
        let (mut sim, a, b) = Sim::pair(seed, patient());
        *sim.link_mut(a, b) = Link { loss_permille: 50, jitter: 5 * MS, reorder_permille: 50, ..Link::default() };
        let (client, server, _) = open(&mut sim, a, b, SERVER);
        run(&mut sim, &mut both_ways(client, server, 100_000));
        (sim.trace(), sim.pcapng())
    };
    let first = run(5);
    assert!(first == run(5), "the same seed twice");
    assert!(first.0 != run(6).0, "another seed");
}

#[test]
fn flipped_bits_are_caught_and_the_stream_is_exact() {
    for (seed, remote) in [(1, SERVER), (2, server_v6())] {
        let (mut sim, a, b) = Sim::pair(seed, patient());
        let (client, server, _) = open(&mut sim, a, b, remote);
        sim.link_mut(a, b).corrupt_permille = 100;
        run(&mut sim, &mut both_ways(client, server, 200_000));
        assert!(sim.stack(a).stats().in_errs > 0 && sim.stack(b).stats().in_errs > 0);
        close_and_drain(&mut sim, &[client, server]);
    }
}

#[test]
fn a_slow_reader_slows_the_writer_and_gets_everything() {
    let (mut sim, a, b) = Sim::pair(1, Sysctl::LINUX);
    let (client, server, _) = open(&mut sim, a, b, SERVER);
    let mut streams = [Stream::new(client, server, data(MEGABYTE)).with_appetite(20_000)];
    let mut rounds = 0;
    while !streams[0].is_done() {
        rounds += 1;
        streams[0].drive(&mut sim);
        sim.run_for(50 * MS);
        assert!(rounds < 100, "slower than its reader, at {}", streams[0].read_so_far());
    }
    assert!(rounds >= MEGABYTE / 20_000);
    close_and_drain(&mut sim, &[client, server]);
}

#[test]
fn a_reader_of_single_bytes_and_a_sulking_one_both_get_their_stream() {
    let (mut sim, a, b) = Sim::pair(1, Sysctl::LINUX);
    let (client, server, _) = open(&mut sim, a, b, SERVER);
    let mut streams = [
        Stream::new(client, server, data(1000)).with_appetite(1),
        Stream::new(server, client, data(MEGABYTE)).with_appetite(0),
    ];
    for _ in 0..3000 {
        drive(&mut sim, &mut streams);
        sim.run_for(20 * MS);
    }
    assert!(streams[0].is_done());
    assert!(sim.stack(b).stats().window_probes > 3, "the window was shut for a minute");
    assert_eq!(streams[1].read_so_far(), 0);
    streams[1].set_appetite(usize::MAX);
    let opened = sim.now();
    run(&mut sim, &mut streams);
    assert!(sim.now().since(opened) < 3 * SECOND, "reopening is told at once: {:?}", sim.now().since(opened));
    close_and_drain(&mut sim, &[client, server]);
}

/// The peer offers windows in units of a kilobyte and rounds up, so that segments below that leave its offer as it is.
#[test]
fn segments_smaller_than_the_windows_unit_do_not_overfill_a_reader() {
    for mtu in [300, 576] {
        let (mut sim, a, b) = pair_of_mtu(mtu);
        let (client, server, _) = open(&mut sim, a, b, SERVER);
        let mut streams = [Stream::new(client, server, data(MEGABYTE)).with_appetite(0)];
        for _ in 0..200 {
            streams[0].drive(&mut sim);
            sim.run_for(SECOND / 10);
        }
        let readable = sim.stack(b).conn(server.1).map(|conn| conn.readable());
        assert_eq!(readable, Some(131_072), "the receive buffer of tcp_rmem, full");
        assert!(sim.stack(a).stats().retrans_segs < 10, "a shut window slows the sender down");
        let wins = sim.trace().iter().filter(|line| line.contains("b > a") && line.contains(" win 0 ")).count();
        assert!(wins > 1, "the window is shut");
        streams[0].set_appetite(usize::MAX);
        run(&mut sim, &mut streams);
    }
}

/// The announcement that the window is open again is an ACK, and ACKs are not resent: only probes find out.
#[test]
fn a_lost_window_update_is_found_by_a_probe() {
    let (mut sim, a, b) = Sim::pair(1, patient());
    let (client, server, _) = open(&mut sim, a, b, SERVER);
    let mut streams = [Stream::new(client, server, data(MEGABYTE)).with_appetite(0)];
    streams[0].drive(&mut sim);
    sim.run_for(10 * SECOND);
    let probes = sim.stack(a).stats().window_probes;
    assert!(probes > 0);
    sim.link_mut(a, b).cut = Cut::BToA;
    streams[0].set_appetite(usize::MAX);
    streams[0].drive(&mut sim);
    sim.run_for(SECOND);
    sim.link_mut(a, b).cut = Cut::None;
    run(&mut sim, &mut streams);
    assert!(sim.stack(a).stats().window_probes > probes);
}

#[test]
fn a_half_closed_connection_receives_a_megabyte() {
    let (mut sim, a, b) = Sim::pair(3, patient());
    let (client, server, _) = open(&mut sim, a, b, SERVER);
    *sim.link_mut(a, b) = Link { loss_permille: 20, ..Link::default() };
    let mut question = [Stream::new(client, server, data(100))];
    run(&mut sim, &mut question);
    sim.run_for(10 * SECOND);
    assert_eq!(sim.stack(a).conn(client.1).map(|conn| conn.state()), Some(State::FinWait2));
    let mut answer = [Stream::new(server, client, data(MEGABYTE))];
    run(&mut sim, &mut answer);
    close_and_drain(&mut sim, &[client, server]);
}

#[test]
fn two_hundred_connections_at_once_survive_and_leave_nothing_behind() {
    let (mut sim, a, b) = Sim::pair(1, Sysctl { tcp_max_syn_backlog: 512, ..patient() });
    sim.check_every(16);
    *sim.link_mut(a, b) = Link { loss_permille: 80, reorder_permille: 50, ..Link::default() };
    let listener = sim.stack(b).listen(SERVER, 512, Options::new()).expect("a listener");
    let now = sim.now();
    let clients: Vec<_> =
        (0..200).map(|_| sim.stack(a).connect(now, None, SERVER, Options::new()).expect("a port")).collect();
    let mut servers = Vec::new();
    let all_came = |sim: &mut Sim, servers: &mut Vec<_>| {
        servers.extend(core::iter::from_fn(|| sim.stack(b).accept(listener)));
        servers.len() == 200
    };
    assert!(sim.run_until(|sim| all_came(sim, &mut servers), DAY));
    let mut streams = Vec::new();
    let mut ends = Vec::new();
    for server in servers {
        let remote = sim.stack(b).conn(server).expect("accepted").flow().remote;
        let is_its = |sim: &mut Sim, client| sim.stack(a).conn(client).is_some_and(|conn| conn.flow().local == remote);
        let client = *clients.iter().find(|&&client| is_its(&mut sim, client)).expect("its client");
        streams.extend(both_ways((a, client), (b, server), 10_000));
        ends.extend([(a, client), (b, server)]);
    }
    run(&mut sim, &mut streams);
    close_and_drain(&mut sim, &ends);
    let time_waits = sim.stack(a).stats().time_waits + sim.stack(b).stats().time_waits;
    assert!(time_waits >= 200, "of each two ends at least one waits: {time_waits}");
}

#[test]
fn every_packet_size_carries_a_stream() {
    for mtu in [68, 69, 75, 88, 100, 256, 576, 1280, 1500, 4000, 9000] {
        let (mut sim, a, b) = pair_of_mtu(mtu);
        sim.link_mut(a, b).loss_permille = 20;
        let mut remotes = vec![SERVER];
        remotes.extend((mtu >= 1280).then_some(server_v6()));
        for remote in remotes {
            let (client, server, _) = open(&mut sim, a, b, remote);
            run(&mut sim, &mut both_ways(client, server, 20_000));
            close_and_drain(&mut sim, &[client, server]);
        }
    }
}

#[test]
fn ipv6_carries_a_stream_through_loss() {
    let (mut sim, a, b) = Sim::pair(6, patient());
    *sim.link_mut(a, b) = Link { loss_permille: 100, reorder_permille: 50, ..Link::default() };
    let (client, server, _) = open(&mut sim, a, b, server_v6());
    run(&mut sim, &mut both_ways(client, server, 300_000));
    close_and_drain(&mut sim, &[client, server]);
}

/// A clock that falls back is taken for one that stands still: nothing is lost, and nobody dies early. The leaps stay
/// forward in a clock of 32-bit milliseconds, too; else the peer would take the timestamps for old ones, and rightly.
#[test]
fn a_clock_that_falls_back_or_leaps_ahead_kills_nobody() {
    let second_us = 1_000_000;
    let wrap_us = (1 << 32) * 1000;
    for shift in [-1, -second_us, -3600 * second_us, 3600 * second_us, wrap_us / 2 - second_us, wrap_us, wrap_us << 20]
    {
        let (mut sim, a, b) = Sim::pair(4, Sysctl::LINUX);
        let (client, server, _) = open(&mut sim, a, b, SERVER);
        sim.link_mut(a, b).loss_permille = 10;
        let mut streams = both_ways(client, server, 200_000);
        sim.run_until(
            |sim| {
                drive(sim, &mut streams);
                streams[0].read_so_far() > 50_000
            },
            DAY,
        );
        let timeouts = sim.stack(a).stats().timeouts;
        sim.shift_clock(a, shift);
        sim.step();
        assert!(sim.stack(a).stats().timeouts - timeouts < 2, "{shift}: missed timeouts are not made up for");
        run(&mut sim, &mut streams);
    }
}

/// A leap over many timeouts counts as one; calls without time passing change nothing.
#[test]
fn a_host_that_gets_no_processor_goes_on_where_it_was() {
    for seconds in [1, 10, 60, 300] {
        let (mut sim, a, b) = Sim::pair(4, Sysctl::LINUX);
        let (client, server, _) = open(&mut sim, a, b, SERVER);
        let mut streams = both_ways(client, server, MEGABYTE / 2);
        sim.run_until(
            |sim| {
                drive(sim, &mut streams);
                streams[0].read_so_far() > 100_000
            },
            DAY,
        );
        sim.suspend(a, seconds * SECOND);
        run(&mut sim, &mut streams);
        assert!(sim.stack(a).stats().timeouts <= 1, "missed timeouts are not made up for");
        close_and_drain(&mut sim, &[client, server]);
    }
}

#[test]
fn asking_again_without_time_passing_changes_nothing() {
    let (mut sim, a, b) = Sim::pair(4, Sysctl::LINUX);
    let (client, server, _) = open(&mut sim, a, b, SERVER);
    sim.link_mut(a, b).cut = Cut::Both;
    let mut stream = Stream::new(client, server, data(1000));
    stream.drive(&mut sim);
    for _ in 0..5 {
        sim.step();
        let (now, due, sent) = (sim.now(), sim.stack(a).poll_timeout(), sim.trace().len());
        let mut buffer = [0; 1500];
        for _ in 0..1000 {
            sim.stack(a).handle_timeout(now);
            assert_eq!(sim.stack(a).poll_transmit(now, &mut buffer), None);
        }
        assert_eq!((sim.stack(a).poll_timeout(), sim.trace().len()), (due, sent));
    }
}

/// The device is full at every possible point of a short conversation, and drained a second later.
#[test]
fn a_full_device_loses_nothing() {
    for room in 0..40 {
        let (mut sim, a, b) = Sim::pair(5, Sysctl::LINUX);
        let (client, server, _) = open(&mut sim, a, b, SERVER);
        let mut streams = both_ways(client, server, 30_000);
        for host in [a, b] {
            sim.set_device_room(host, Some(room));
        }
        for _ in 0..20 {
            drive(&mut sim, &mut streams);
            sim.run_for(50 * MS);
        }
        for host in [a, b] {
            sim.set_device_room(host, None);
        }
        run(&mut sim, &mut streams);
        let retransmitted = sim.stack(a).stats().retrans_segs + sim.stack(b).stats().retrans_segs;
        assert!(retransmitted <= 6, "room for {room}: {retransmitted} segments were sent in vain");
        close_and_drain(&mut sim, &[client, server]);
    }
}

// ---- Helpers ----

fn both_ways(client: End, server: End, len: usize) -> [Stream; 2] {
    [Stream::new(client, server, data(len)), Stream::new(server, client, data(len))]
}

fn server_v6() -> SocketAddr {
    SocketAddr::from((Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2), 80))
}

fn pair_near_wrap(seed: u64) -> (Sim, HostId, HostId) {
    static SECRETS: OnceLock<[[u8; 16]; 2]> = OnceLock::new();
    let [client, server] = *SECRETS.get_or_init(|| secrets_near_wrap(MEGABYTE as u32 / 2));
    let mut sim = Sim::new(seed);
    let a = sim.host(Config::new(client).with_ipv4(CLIENT_V4).with_sysctl(patient()));
    let b = sim.host(Config::new(server).with_ipv4(Ipv4Addr::new(10, 0, 0, 2)).with_sysctl(patient()));
    sim.connect_link(a, b, Link::default());
    assert_eq!(sim.now(), START);
    (sim, a, b)
}

/// The raw sequence numbers of the SYNs that pass from now on.
fn note_first_numbers(sim: &mut Sim) -> Rc<RefCell<Vec<u32>>> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let note = seen.clone();
    sim.intercept(move |passing| {
        if let Ok(Packet::Tcp { segment, .. }) = wire::parse(passing.packet)
            && segment.header.flags.contains(Flags::SYN)
        {
            note.borrow_mut().push(segment.header.seq.raw());
        }
        Fate::Pass
    });
    seen
}

fn pair_of_mtu(mtu: u16) -> (Sim, HostId, HostId) {
    let mut sim = Sim::new(u64::from(mtu));
    let [a, b] = [1, 2].map(|number| {
        let config = Config::new([number; 16])
            .with_ipv4(Ipv4Addr::new(10, 0, 0, number))
            .with_ipv6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, u16::from(number)))
            .with_mtu(mtu)
            .with_sysctl(patient());
        sim.host(config)
    });
    sim.connect_link(a, b, Link { mtu, ..Link::default() });
    (sim, a, b)
}
