//! Windows and send buffers grow with what the path carries, and not beyond what they were told.
#![cfg(feature = "sim")]

use bytes::Bytes;
use longhaul::config::Sysctl;
use longhaul::options::Options;
use longhaul::sim::{Link, Sim};
use longhaul::stack::ConnMut;
use longhaul::time::{Duration, Instant};

const ROUND_TRIP: Duration = Duration::from_millis(50);

/// Sends as much as is taken for `span`, and returns what arrived, and the largest window that the receiver offered.
fn carry(sysctl: &Sysctl, options: Options, span: Duration) -> (usize, u32) {
    carry_and(sysctl, options, span, |_, _| ())
}

/// The same, and then this about the receiving connection.
fn carry_and(
    sysctl: &Sysctl,
    options: Options,
    span: Duration,
    end: impl FnOnce(&mut ConnMut<'_>, Instant),
) -> (usize, u32) {
    let (mut sim, a, b) = Sim::pair(1, sysctl.clone());
    sim.connect_link(a, b, Link::new(ROUND_TRIP / 2));
    let now = sim.now();
    let server = "10.0.0.2:80".parse().unwrap();
    let listener = sim.stack(b).listen(server, 1, options).unwrap();
    let client = sim.stack(a).connect(now, None, server, options).unwrap();
    sim.run_for(2 * ROUND_TRIP);
    let accepted = sim.stack(b).accept(listener).unwrap();
    let (mut got, mut offered) = (0, 0);
    let (start, chunk) = (sim.now(), Bytes::from(vec![7; 1 << 20]));
    while sim.now().since(start) < span {
        let now = sim.now();
        let mut conn = sim.stack(a).conn(client).unwrap();
        conn.send(now, chunk.clone()).unwrap();
        offered = offered.max(conn.info(now).snd_wnd);
        while let Ok(Some(data)) = sim.stack(b).conn(accepted).unwrap().receive(now) {
            got += data.len();
        }
        sim.run_for(Duration::from_millis(1));
    }
    let now = sim.now();
    end(&mut sim.stack(b).conn(accepted).unwrap(), now);
    (got, offered)
}

#[test]
fn the_window_grows_until_it_no_longer_bounds_the_sender() {
    for timestamps in [1, 0] {
        let sysctl = Sysctl { tcp_timestamps: timestamps, ..Sysctl::LINUX };
        let (got, offered) = carry(&sysctl, Options::new(), 20 * ROUND_TRIP);
        // With 64 KiB a round trip this would be 1.3 MB.
        assert!(got > 10_000_000, "timestamps {timestamps}: {got} bytes");
        assert!(offered > 1_000_000, "timestamps {timestamps}: {offered} bytes of window");
    }
}

#[test]
fn no_window_grows_beyond_half_of_the_largest_buffer() {
    let sysctl = Sysctl { tcp_rmem: [4096, 131_072, 400_000], ..Sysctl::LINUX };
    let (_, offered) = carry(&sysctl, Options::new(), 20 * ROUND_TRIP);
    assert!((131_072..=200_000 + (1 << 14)).contains(&offered), "{offered}");
}

#[test]
fn a_size_that_was_set_stays() {
    let (got, offered) = carry(&Sysctl::LINUX, Options::new().with_recv_buffer_size(65_536), 20 * ROUND_TRIP);
    assert!(offered <= 65_536 + 1024, "{offered}");
    assert!(got <= 21 * 65_536, "{got}");
    let small = Options::new().with_send_buffer_size(32_768);
    let (got, _) = carry(&Sysctl::LINUX, small, 20 * ROUND_TRIP);
    assert!(got <= 21 * 65_536, "a send buffer of twice 32 KiB bounds what is in flight: {got}");
}

#[test]
fn a_clamp_bounds_what_grows() {
    let (_, offered) = carry(&Sysctl::LINUX, Options::new().with_tcp_window_clamp(100_000), 20 * ROUND_TRIP);
    assert_eq!(offered, 100_000);
}

#[test]
fn what_has_grown_can_be_read_and_a_size_set_later_replaces_it() {
    carry_and(&Sysctl::LINUX, Options::new(), 20 * ROUND_TRIP, |conn, now| {
        assert!(conn.recv_buffer_size() > 2_000_000, "{}", conn.recv_buffer_size());
        conn.set_options(now, conn.options().with_recv_buffer_size(50_000));
        assert_eq!(conn.recv_buffer_size(), 100_000);
    });
}
