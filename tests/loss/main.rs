//! Our stack and a real kernel over a bad cable, both ways: every byte arrives, and what we send again is little more
//! than what the cable lost.
#![cfg(all(feature = "tun", target_os = "linux"))]

extern crate alloc;

#[path = "../common/noise.rs"]
mod noise;
mod relay;

use core::time::Duration;
use longhaul::net::{Namespace, Net};
use noise::{digest_of, send_noise};
use relay::{Fate, Path, Relay, cable};
use std::net::Shutdown;
use std::thread;

const LEN: usize = 20_000_000;

/// A fast path with a round trip of 4 ms.
const PATH: Path = Path { delay: Duration::from_millis(2), nanos_per_byte: 40, queue: Duration::from_millis(50) };

/// Of a thousand packets five are lost, two of them together; five come twice, and five some packets late.
fn faults(number: u64) -> Fate {
    match number % 1000 {
        100 | 300 | 301 | 500 | 777 => Fate::Drop,
        50 | 250 | 450 | 650 | 850 => Fate::Duplicate,
        150 | 350 | 550 | 750 | 950 => Fate::HoldBack(Duration::from_micros(500)),
        _ => Fate::Pass,
    }
}

#[test]
fn twenty_megabytes_each_way_survive_a_bad_cable_and_little_is_sent_twice() {
    let Some((kernel, tun)) = Namespace::builder().start_or_skip("a bad cable") else { return };
    let [ours, theirs] = cable(1500);
    let net = Net::builder().with_tun(ours).start().expect("a net");
    let relay = Relay::start(theirs, tun, PATH, [faults, faults]);
    let listener = net.listen("10.0.0.2:80").expect("a listener");
    let patience = Duration::from_secs(20);
    let peer = kernel.tcp_stream(listener.local_addr().expect("its address"), patience).expect("a connection");
    let (stream, _) = listener.accept().expect("a connection");
    thread::scope(|scope| {
        let outbound = scope.spawn(|| {
            let sent = send_noise(&stream, LEN, 1);
            stream.shutdown(Shutdown::Write).expect("still open");
            sent
        });
        let inbound = scope.spawn(|| {
            let sent = send_noise(&peer, LEN, 2);
            peer.shutdown(Shutdown::Write).expect("still open");
            sent
        });
        let at_peer = scope.spawn(|| digest_of(&peer));
        assert_eq!(digest_of(&stream), (LEN, inbound.join().expect("sent")));
        assert_eq!(at_peer.join().expect("received"), (LEN, outbound.join().expect("sent")));
    });
    let [from_us, from_kernel] = relay.stop();
    println!("from us: {from_us:?}\nfrom the kernel: {from_kernel:?}");
    for tally in [from_us, from_kernel] {
        assert!(tally.dropped >= 60 && tally.duplicated >= 60 && tally.held_back >= 60, "{tally:?}");
    }
    let allowed = from_us.lost_bytes * 13 / 10;
    assert!(from_us.resent_bytes <= allowed, "{} bytes again for {} lost", from_us.resent_bytes, from_us.lost_bytes);
}
