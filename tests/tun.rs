//! The stack through a TUN against the machine's own kernel.
//!
//! On a machine that refuses namespaces or TUNs each test says so and passes; `LONGHAUL_REQUIRE_TUN=1` makes it fail.
#![cfg(all(feature = "tun", target_os = "linux"))]

extern crate alloc;

#[path = "tun/bulk.rs"]
mod bulk;
#[path = "tun/device.rs"]
mod device;
#[path = "tun/harness.rs"]
mod harness;
#[path = "tun/life.rs"]
mod life;
#[path = "common/noise.rs"]
mod noise;
#[path = "tun/shape.rs"]
mod shape;

use core::time::Duration;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;

use harness::{HOSTS, PATIENCE, accepted, addr, connected, eventually, exchange, kernel, net_or_skip};
use longhaul::options::Options;
use noise::digest_of;
use rustix::net::sockopt;

#[test]
fn the_kernel_connects_to_us() {
    let Some(net) = net_or_skip("passive") else { return };
    for (_, us) in HOSTS {
        let listener = net.listen((us, 80)).unwrap();
        let (theirs, ours) = accepted(&net, &listener);
        assert_eq!(ours.local_addr().unwrap(), addr(us, 80));
        exchange(theirs, ours);
    }
}

#[test]
fn we_connect_to_the_kernel() {
    let Some(net) = net_or_skip("active") else { return };
    for (peer, us) in HOSTS {
        let listener = kernel(&net).tcp_listener(addr(peer, 80)).unwrap();
        let ours = net.connect((peer, 80)).unwrap();
        let (theirs, from) = listener.accept().unwrap();
        assert_eq!((ours.peer_addr().unwrap(), ours.local_addr().unwrap()), (addr(peer, 80), from));
        exchange(theirs, ours);
        let ours = net.connect_from(addr(us, 5000), addr(peer, 80)).unwrap();
        let (theirs, from) = listener.accept().unwrap();
        assert_eq!(from, addr(us, 5000));
        exchange(theirs, &ours);
        let again = net.connect_from(addr(us, 5000), addr(peer, 80)).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AddrInUse);
    }
}

#[test]
fn a_port_that_nobody_listens_at_refuses() {
    let Some(net) = net_or_skip("refused") else { return };
    for (peer, us) in HOSTS {
        let error = net.connect((peer, 81)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(error.to_string(), "connection refused by the peer");
        let error = kernel(&net).tcp_stream(addr(us, 81), PATIENCE).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
    assert!(net.connections().is_empty());
}

#[test]
fn a_connect_into_the_void_ends_with_its_timeout_and_leaves_nothing() {
    let Some(net) = net_or_skip("void") else { return };
    let start = net.now();
    let error = net.connect_timeout(&addr("10.0.0.9", 80), Duration::from_millis(100)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(net.now() - start >= Duration::from_millis(100));
    assert!(net.connections().is_empty());
    let error = net.connect_timeout(&addr("10.0.0.1", 80), Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn addresses_that_cannot_be_are_refused_at_once() {
    let Some(net) = net_or_skip("addresses") else { return };
    for (remote, kind) in [
        ("0.0.0.0:80", ErrorKind::InvalidInput),
        ("224.0.0.1:80", ErrorKind::InvalidInput),
        ("10.0.0.1:0", ErrorKind::InvalidInput),
    ] {
        assert_eq!(net.connect(remote).unwrap_err().kind(), kind, "{remote}");
    }
    let elsewhere = net.connect_from(addr("10.0.0.3", 0), addr("10.0.0.1", 80)).unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::AddrNotAvailable);
    assert_eq!(net.listen("10.0.0.3:80").unwrap_err().kind(), ErrorKind::AddrNotAvailable);
    let _listener = net.listen("0.0.0.0:80").unwrap();
    assert_eq!(net.listen("10.0.0.2:80").unwrap_err().kind(), ErrorKind::AddrInUse);
    let _other_family = net.listen("[::]:80").unwrap();
}

#[test]
fn port_zero_becomes_a_free_one() {
    let Some(net) = net_or_skip("port zero") else { return };
    let first = net.listen("10.0.0.2:0").unwrap();
    let second = net.listen("10.0.0.2:0").unwrap();
    assert_ne!(first.local_addr().unwrap().port(), 0);
    assert_ne!(first.local_addr().unwrap(), second.local_addr().unwrap());
    accepted(&net, &second);
}

#[test]
fn a_reset_ends_a_read_with_its_name() {
    let Some(net) = net_or_skip("reset") else { return };
    let (theirs, mut ours) = connected(&net);
    sockopt::set_socket_linger(&theirs, Some(Duration::ZERO)).unwrap();
    drop(theirs);
    let error = ours.read(&mut [0; 1]).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::ConnectionReset, "connection reset by the peer")
    );
    assert_eq!(ours.read(&mut [0; 1]).unwrap(), 0, "the error is reported once");
    assert_eq!(ours.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn each_side_may_finish_first_and_go_on_reading() {
    let Some(net) = net_or_skip("half-close") else { return };
    let (mut theirs, mut ours) = connected(&net);
    theirs.write_all(b"question").unwrap();
    theirs.shutdown(Shutdown::Write).unwrap();
    assert_eq!(digest_of(&ours).0, 8);
    assert_eq!(ours.read(&mut [0; 1]).unwrap(), 0, "the end of a stream stays");
    ours.write_all(b"answer").unwrap();
    drop(ours);
    assert_eq!(digest_of(&theirs).0, 6);

    let (mut theirs, mut ours) = connected(&net);
    ours.write_all(b"question").unwrap();
    ours.shutdown(Shutdown::Write).unwrap();
    assert_eq!(ours.write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(digest_of(&theirs).0, 8);
    theirs.write_all(b"answer").unwrap();
    drop(theirs);
    assert_eq!(digest_of(&ours).0, 6);
    drop(ours);
    eventually("both connections end", || net.connections().is_empty());
}

#[test]
fn unread_data_makes_closing_a_reset() {
    let Some(net) = net_or_skip("unread") else { return };
    let (mut theirs, ours) = connected(&net);
    theirs.write_all(b"unread").unwrap();
    assert_eq!(ours.peek(&mut [0; 10]).unwrap(), 6);
    drop(ours);
    assert_eq!(theirs.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(net.time_wait_len(), 0);
}

#[test]
fn no_linger_and_abort_are_resets_too() {
    let Some(net) = net_or_skip("abort") else { return };
    let (mut theirs, ours) = connected(&net);
    ours.set_linger(Some(Duration::ZERO)).unwrap();
    drop(ours);
    assert_eq!(theirs.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);

    let (mut theirs, mut ours) = connected(&net);
    let mut blocked = ours.try_clone().unwrap();
    let reader = thread::spawn(move || blocked.read(&mut [0; 1]));
    ours.abort();
    assert_eq!(reader.join().unwrap().unwrap_err().kind(), ErrorKind::ConnectionAborted);
    assert_eq!(ours.write(b"x").unwrap_err().kind(), ErrorKind::ConnectionAborted);
    assert_eq!(theirs.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_full_accept_queue_makes_others_wait_and_loses_nobody() {
    let Some(net) = net_or_skip("backlog") else { return };
    let listener = net.listen_with(addr("10.0.0.2", 80), 1, Options::new().with_keepalive(true)).unwrap();
    let clients: Vec<_> = thread::scope(|scope| {
        let client = || kernel(&net).tcp_stream(addr("10.0.0.2", 80), PATIENCE).unwrap();
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        eventually("the queue is full", || net.connections().len() == 2 && net.stats().listen_drops > 0);
        for _ in 0..4 {
            let (stream, _) = listener.accept().unwrap();
            assert!(stream.keepalive().unwrap(), "options are inherited");
        }
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(clients.len(), 4);
}

#[test]
fn closing_a_listener_resets_whom_nobody_accepted() {
    let Some(net) = net_or_skip("listener") else { return };
    let listener = net.listen("10.0.0.2:80").unwrap();
    let mut theirs = kernel(&net).tcp_stream(addr("10.0.0.2", 80), PATIENCE).unwrap();
    eventually("it waits to be accepted", || net.connections().len() == 1);
    drop(listener);
    assert_eq!(theirs.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    net.listen("10.0.0.2:80").unwrap();
}
