//! What becomes of connections whose boxes forget them: NATs, load balancers, firewalls, in virtual time.
//!
//! The black hole behind a NAT is `tcp_retries2` = 15 on a path with a round trip of 20 ms: RTO 20 + 200 ms, a tail
//! loss probe first, and the first expiry past 924.6 s.
#![cfg(feature = "sim")]

use core::net::{IpAddr, SocketAddr};
use longhaul::config::Sysctl;
use longhaul::error::{Cause, Errno, Error};
use longhaul::options::{Options, TcpKeepalive};
use longhaul::sim::{BoxId, Cut, HostId, Middlebox, Nat, Sim, Timeouts, Tracker, Unknown};
use longhaul::stack::{ConnId, ListenerId};
use longhaul::tcp::State;
use longhaul::time::{Duration, Instant};
use longhaul::wire::{IcmpKind, ParseError, parse};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const PUBLIC: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(203, 0, 113, 1));
const SERVER: &str = "10.0.0.2:80";
/// What the default link takes there and back.
const ROUND_TRIP: Duration = Duration::from_millis(20);

/// A client inside a box and a server outside of it, connected.
struct World {
    sim: Sim,
    a: HostId,
    b: HostId,
    id: BoxId,
    listener: ListenerId,
    client: ConnId,
    server: ConnId,
    /// When the last packet of the handshake passed the box.
    opened: Instant,
}

impl World {
    fn new(middlebox: impl Middlebox, options: Options) -> Self {
        Self::at(SERVER, middlebox, options)
    }

    fn at(server: &str, middlebox: impl Middlebox, options: Options) -> Self {
        let (mut sim, a, b) = Sim::pair(1, Sysctl::LINUX);
        let id = sim.place(a, b, middlebox);
        let address = server.parse().unwrap();
        let listener = sim.stack(b).listen(address, 8, Options::new()).unwrap();
        let now = sim.now();
        let client = sim.stack(a).connect(now, None, address, options).unwrap();
        sim.run_for(ROUND_TRIP);
        let opened = sim.now();
        sim.run_for(ROUND_TRIP);
        let Some(server) = sim.stack(b).accept(listener) else { panic!("nobody came:\n{}", sim.trace().join("\n")) };
        Self { sim, a, b, id, listener, client, server, opened }
    }

    fn client_ends(&self) -> (HostId, ConnId) {
        (self.a, self.client)
    }

    fn server_ends(&self) -> (HostId, ConnId) {
        (self.b, self.server)
    }

    /// Up to this long after the box saw the last packet of the handshake.
    fn run_to(&mut self, after: Duration) {
        let now = self.sim.now();
        self.sim.run_for((self.opened + after).since(now));
    }

    #[track_caller]
    fn send(&mut self, (host, id): (HostId, ConnId)) {
        let now = self.sim.now();
        self.sim.stack(host).conn(id).expect("alive").send(now, "hello".into()).expect("writable");
    }

    fn received(&mut self, (host, id): (HostId, ConnId)) -> usize {
        let now = self.sim.now();
        let mut conn = self.sim.stack(host).conn(id).expect("not closed");
        conn.receive(now).ok().flatten().map_or(0, |data| data.len())
    }

    /// How long until this connection dies, and of what.
    #[track_caller]
    fn until_death(&mut self, (host, id): (HostId, ConnId)) -> (Duration, Error) {
        let since = self.sim.now();
        let dead = |sim: &mut Sim| sim.stack(host).conn(id).is_none_or(|conn| conn.state() == State::Closed);
        assert!(self.sim.run_until(dead, 100_000 * SECOND), "alive");
        let error = self.sim.stack(host).conn(id).and_then(|conn| conn.death()).expect("an error");
        (self.sim.now().since(since), error)
    }

    fn noted(&self, note: &str) -> usize {
        self.sim.trace().iter().filter(|line| line.contains(note)).count()
    }
}

fn keepalive(time: u64, interval: u64) -> Options {
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(time)).with_interval(Duration::from_secs(interval));
    Options::new().with_keepalive(true).with_tcp_keepalive(&keepalive).unwrap()
}

fn timed_out(cause: Cause) -> Error {
    Error::TimedOut { cause, errno: Errno::ETIMEDOUT }
}

/// When data sent into a black hole dies: a tail loss probe, a full RTO later the first timeout, and then doubling up
/// to two minutes until 924.6 s have passed since.
fn black_hole(srtt: Duration) -> Duration {
    let mut rto = srtt + 200 * MS;
    // The probe goes out before the timeout would (RFC 8985 7.2), which then starts again in full.
    let mut at = (2 * srtt + 200 * MS).min(rto) + rto;
    let limit = at + Duration::from_millis(924_600);
    while at < limit {
        rto = (2 * rto).min(120 * SECOND);
        at += rto;
    }
    at
}

fn within(actual: Duration, model: Duration) -> bool {
    actual >= model && actual < model + 3 * MS
}

#[test]
fn a_nat_is_invisible_while_it_remembers() {
    for (server, public) in [(SERVER, "203.0.113.1"), ("[fd00::2]:80", "2001:db8::1")] {
        let public: IpAddr = public.parse().unwrap();
        let mut world = World::at(server, Nat::new(public), Options::new());
        let (near, far) = (world.client_ends(), world.server_ends());
        for _ in 0..3 {
            world.sim.run_for(299 * SECOND);
            world.send(near);
            world.send(far);
            world.sim.run_for(ROUND_TRIP * 5);
            assert_eq!((world.received(near), world.received(far)), (5, 5), "{server}");
        }
        let flow = |world: &mut World, (host, id)| world.sim.stack(host).conn(id).unwrap().flow();
        let (client, server) = (flow(&mut world, near), flow(&mut world, far));
        assert_eq!(server.remote, SocketAddr::new(public, client.local.port()), "whom the server sees");
        assert_eq!((client.remote, world.sim.stack(world.b).stats().in_errs), (server.local, 0));
    }
}

#[test]
fn the_entry_lives_for_exactly_its_time_and_either_side_renews_it() {
    for side in [World::client_ends, World::server_ends] {
        for (wait, alive) in [(Duration::from_millis(299_999), true), (300 * SECOND, false)] {
            let mut world = World::new(Nat::new(PUBLIC), Options::new());
            world.run_to(wait);
            let from = side(&world);
            world.send(from);
            world.sim.run_for(SECOND / 5);
            let to = if from == world.client_ends() { world.server_ends() } else { world.client_ends() };
            assert_eq!((world.received(to) > 0, world.noted("the NAT forgot this flow") == 0), (alive, alive));
        }
    }
}

#[test]
fn after_the_silence_a_write_falls_into_a_black_hole_for_a_quarter_of_an_hour() {
    let mut world = World::new(Nat::new(PUBLIC), Options::new());
    world.run_to(300 * SECOND);
    let client = world.client_ends();
    world.send(client);
    let (lived, error) = world.until_death(client);
    assert_eq!(error, timed_out(Cause::Retransmission));
    assert!(within(lived, black_hole(ROUND_TRIP)), "{lived:?}");
    assert_eq!(world.noted("the NAT forgot this flow"), world.sim.trace().len() - 3, "all but the handshake");
    // The server has seen nothing of it.
    let state = world.sim.stack(world.b).conn(world.server).unwrap().state();
    assert_eq!(state, State::Established);
    // And its own write finds nobody.
    let server = world.server_ends();
    world.send(server);
    let (lived, error) = world.until_death(server);
    assert_eq!((error, within(lived, black_hole(ROUND_TRIP))), (timed_out(Cause::Retransmission), true));
}

#[test]
fn keepalive_below_the_limit_keeps_the_entry_for_ever_and_the_default_does_not() {
    let mut world = World::new(Nat::new(PUBLIC), keepalive(290, 75));
    world.sim.run_for(7 * 86_400 * SECOND);
    let client = world.client_ends();
    world.send(client);
    world.sim.run_for(SECOND);
    let server = world.server_ends();
    assert_eq!(world.received(server), 5, "after a week");

    let mut world = World::new(Nat::new(PUBLIC), Options::new().with_keepalive(true));
    let (a, client) = world.client_ends();
    let now = world.sim.now();
    let silent = world.sim.stack(a).conn(client).unwrap().info(now).last_heard;
    let (lived, error) = world.until_death((a, client));
    assert_eq!(error, timed_out(Cause::Keepalive));
    assert!(within(silent + lived, 7875 * SECOND), "nine probes, all too late: {lived:?}");
    assert_eq!(world.noted("the NAT forgot this flow"), 9 + 1);
}

#[test]
fn at_the_limit_itself_keepalive_is_too_late() {
    // The idle time counts from what we received; the box counts from what passed it.
    let mut world = World::new(Nat::new(PUBLIC), keepalive(300, 1));
    let client = world.client_ends();
    let (lived, error) = world.until_death(client);
    assert_eq!((error, lived.as_secs()), (timed_out(Cause::Keepalive), 308));
}

#[test]
fn a_load_balancer_resets_at_the_next_write_and_not_before() {
    for (wait, alive) in [(Duration::from_millis(899_999), true), (900 * SECOND, false)] {
        let mut world = World::new(Tracker::load_balancer(), Options::new());
        world.run_to(wait);
        let client = world.client_ends();
        assert_eq!(world.sim.stack(world.a).conn(client.1).unwrap().state(), State::Established, "it knows nothing");
        world.send(client);
        world.sim.run_for(ROUND_TRIP * 3);
        let mut conn = world.sim.stack(world.a).conn(client.1).unwrap();
        assert_eq!(
            (conn.death(), conn.take_error()),
            if alive { (None, None) } else { (Some(Error::Reset), Some(Error::Reset)) }
        );
        let server = world.server_ends();
        assert_eq!(world.received(server) > 0, alive);
        assert_eq!(world.sim.stack(world.b).conn(server.1).unwrap().state(), State::Established, "nobody told it");
    }
}

#[test]
fn a_load_balancer_behind_a_nat_resets_through_it() {
    let mut world = World::new(Nat::new(PUBLIC).with_timeouts(Timeouts::new(86_400 * SECOND)), keepalive(1000, 1));
    let (a, b) = (world.a, world.b);
    // Its client's side is its inside, too; it stands between the NAT and the server, and has not seen the handshake.
    world.sim.place(a, b, Tracker::load_balancer());
    let client = world.client_ends();
    let before = world.opened;
    let (_, error) = world.until_death(client);
    assert_eq!(error, Error::Reset);
    assert_eq!(world.sim.now().since(before).as_secs(), 1000, "the first probe");
    let trace = world.sim.trace();
    assert!(trace[trace.len() - 2].ends_with("# keepalive probe, the load balancer forgot this flow"), "{trace:#?}");
    assert!(
        trace[trace.len() - 1].contains("*:80 > a:") && trace[trace.len() - 1].ends_with("# from a box on the way")
    );
}

#[test]
fn a_flushed_firewall_swallows_what_is_under_way_and_lets_new_connections_pass() {
    let mut world = World::new(Tracker::firewall(), Options::new());
    let id = world.id;
    assert_eq!(world.sim.middlebox_mut::<Tracker>(id).len(), 1);
    world.sim.middlebox_mut::<Tracker>(id).flush();
    let client = world.client_ends();
    world.send(client);
    world.sim.run_for(10 * SECOND);
    let server = world.server_ends();
    assert_eq!((world.received(server), world.noted("the firewall forgot this flow") > 4), (0, true));
    let now = world.sim.now();
    world.sim.stack(world.a).connect(now, None, SERVER.parse().unwrap(), Options::new()).unwrap();
    world.sim.run_for(SECOND);
    assert!(world.sim.stack(world.b).accept(world.listener).is_some());
}

#[test]
fn a_box_that_speaks_up_saves_the_quarter_of_an_hour_or_at_least_names_the_cause() {
    let mut world = World::new(Nat::new(PUBLIC).with_unknown(Unknown::Reset), Options::new());
    world.run_to(400 * SECOND);
    let client = world.client_ends();
    world.send(client);
    let (lived, error) = world.until_death(client);
    assert_eq!((lived, error), (10 * MS, Error::Reset));

    // An ICMP error is soft: it ends nothing, and is the reason that is given in the end.
    let unreachable = Unknown::Icmp(IcmpKind::V4Unreachable(13));
    let mut world = World::new(Nat::new(PUBLIC).with_unknown(unreachable), Options::new());
    world.run_to(400 * SECOND);
    let client = world.client_ends();
    world.send(client);
    let (lived, error) = world.until_death(client);
    assert_eq!(error, Error::TimedOut { cause: Cause::Retransmission, errno: Errno::EHOSTUNREACH });
    assert!(within(lived, black_hole(ROUND_TRIP)), "{lived:?}");
}

#[test]
fn without_a_free_port_a_syn_gets_no_answer_until_an_entry_is_gone() {
    let mut world = World::new(Nat::new(PUBLIC).with_ports(7000..=7001), Options::new());
    let connect = |world: &mut World| {
        let now = world.sim.now();
        world.sim.stack(world.a).connect(now, None, SERVER.parse().unwrap(), Options::new()).unwrap()
    };
    connect(&mut world);
    world.sim.run_for(SECOND);
    let third = connect(&mut world);
    let (lived, error) = world.until_death((world.a, third));
    assert_eq!((lived, error), (131 * SECOND, timed_out(Cause::Handshake)));
    assert_eq!(world.noted("the NAT has no port left"), 11);
    world.run_to(301 * SECOND);
    let fourth = connect(&mut world);
    world.sim.run_for(SECOND);
    assert_eq!(world.sim.stack(world.a).conn(fourth).unwrap().state(), State::Established);
    let id = world.id;
    assert_eq!(world.sim.middlebox_mut::<Nat>(id).len(), 1);
}

#[test]
fn hostile_packets_from_outside_leave_connection_and_table_alone() {
    let mut world = World::new(Nat::new(PUBLIC), Options::new());
    let (mut seed, id) = (7_u64, world.id);
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    for _ in 0..20_000 {
        let mut packet: Vec<u8> = (0..40 + random() % 30).map(|_| random() as u8).collect();
        packet[..4].copy_from_slice(&[0x45, 0, 0, 40]);
        packet[9] = if random() % 3 == 0 { 1 } else { 6 };
        packet[16..20].copy_from_slice(&[203, 0, 113, 1]);
        let now = world.sim.now();
        let decision = world.sim.middlebox_mut::<Nat>(id).handle_packet(now, longhaul::sim::Side::Outside, &packet);
        assert_eq!(decision.fate, longhaul::sim::Fate::Drop);
    }
    assert_eq!(world.sim.middlebox_mut::<Nat>(id).len(), 1);
    let client = world.client_ends();
    world.send(client);
    world.sim.run_for(SECOND);
    let server = world.server_ends();
    assert_eq!((world.received(server), parse(&[]).err()), (5, Some(ParseError::Truncated)));
}

#[test]
fn a_trace_shows_what_was_sent_and_a_capture_what_the_first_host_saw() {
    let mut world = World::new(Nat::new(PUBLIC).with_ports(7000..=7000), Options::new());
    let (a, b) = (world.a, world.b);
    world.sim.link_mut(a, b).cut = Cut::BToA;
    let server = world.server_ends();
    world.send(server);
    world.sim.run_for(MS);
    let trace = world.sim.trace();
    assert!(trace[0].ends_with("# the NAT made an entry"), "{trace:#?}");
    assert!(trace[1].contains("b:80 > a:7000  S. 0:0(0) ack 1 "), "numbers count across the NAT: {trace:#?}");
    assert!(trace[3].contains("P. 1:6(5) ack 1 ") && trace[3].ends_with("# the link is cut"), "{trace:#?}");
    let file = world.sim.pcapng();
    let public = [203, 0, 113, 1];
    assert!(!file.windows(4).any(|part| part == public), "a sees only its own address");
}
