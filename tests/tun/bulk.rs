//! Much data, and many connections.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Instant;

use crate::harness::{HOSTS, accepted, addr, connected, eventually, kernel, net_or_skip};
use crate::noise::{digest_of, send_noise};

const MEGABYTES: usize = 50;
const LEN: usize = MEGABYTES * 1_000_000;

#[test]
fn fifty_megabytes_arrive_unchanged_from_the_kernel() {
    let Some(net) = net_or_skip("bulk in") else { return };
    let (theirs, ours) = connected(&net);
    let start = Instant::now();
    let received = thread::scope(|scope| {
        let sent = scope.spawn(|| {
            let sent = send_noise(&theirs, LEN, 1);
            theirs.shutdown(Shutdown::Write).unwrap();
            sent
        });
        let received = digest_of(&ours);
        assert_eq!(received, (LEN, sent.join().unwrap()));
        received
    });
    report("from the kernel", received.0, start);
    assert!(net.stats().in_segs > (LEN / 1460) as u64);
}

#[test]
fn fifty_megabytes_arrive_unchanged_at_the_kernel() {
    let Some(net) = net_or_skip("bulk out") else { return };
    let (theirs, ours) = connected(&net);
    let start = Instant::now();
    let received = thread::scope(|scope| {
        let sent = scope.spawn(|| {
            let sent = send_noise(&ours, LEN, 2);
            ours.shutdown(Shutdown::Write).unwrap();
            sent
        });
        let received = digest_of(&theirs);
        assert_eq!(received, (LEN, sent.join().unwrap()));
        received
    });
    report("to the kernel", received.0, start);
}

fn report(which: &str, len: usize, start: Instant) {
    println!("{which}: {} MB/s", len as u128 / start.elapsed().as_micros());
}

#[test]
fn a_thousand_connections_that_the_kernel_closes_leave_nothing_behind() {
    let Some(net) = net_or_skip("closed by the kernel") else { return };
    let listener = net.listen("10.0.0.2:80").unwrap();
    for number in 0..1000_u32 {
        let (mut theirs, mut ours) = accepted(&net, &listener);
        theirs.write_all(&number.to_be_bytes()).unwrap();
        drop(theirs);
        let mut heard = Vec::new();
        ours.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, number.to_be_bytes());
    }
    eventually("the last one is acknowledged", || net.connections().is_empty());
    assert_eq!((net.time_wait_len(), net.stats().passive_opens), (0, 1000));
}

#[test]
fn connections_that_we_close_wait_out_their_time() {
    let Some(net) = net_or_skip("closed by us") else { return };
    let listener = kernel(&net).tcp_listener(addr(HOSTS[0].0, 80)).unwrap();
    for _ in 0..100 {
        let ours = net.connect((HOSTS[0].0, 80)).unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        drop(ours);
        assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0);
    }
    eventually("all of them are in TIME-WAIT", || net.stats().time_waits == 100 && net.time_wait_len() == 100);
    assert!(net.connections().is_empty());
}
