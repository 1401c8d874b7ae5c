//! What loss costs against a real kernel: our stack and the kernel's CUBIC each send 10 MB to a kernel over the same
//! bad cable (100 Mbit/s, 50 ms round trip), which drops the same packets by their number.
//!
//! `cargo bench --bench loss` takes about two minutes, most of them waiting; `-- '0.1 %'` runs the row of that name. It
//! prints seconds and their ratio, and asserts nothing: the cable is a thread, and a busy machine is a bad cable of its
//! own. The same race in virtual time, against smoltcp, is `tests/goodput`.

extern crate alloc;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("needs TUN, and so Linux");
}

#[cfg(target_os = "linux")]
fn main() {
    race::main();
}

#[cfg(target_os = "linux")]
#[path = "../tests/common/noise.rs"]
mod noise;
#[cfg(target_os = "linux")]
#[path = "../tests/loss/relay.rs"]
mod relay;

#[cfg(target_os = "linux")]
mod race {
    use core::net::{IpAddr, Ipv4Addr, SocketAddr};
    use core::time::Duration;
    use std::env;
    use std::io::Write;
    use std::net::Shutdown;
    use std::thread;
    use std::time::Instant;

    use longhaul::net::{Namespace, Net, Tun};
    use rustix::net::sockopt;

    use crate::noise::{digest_of, send_noise};
    use crate::relay::{Fate, Path, Relay, Rule, Tally, cable};

    const LEN: usize = 10_000_000;
    const PATH: Path = Path { delay: Duration::from_millis(25), nanos_per_byte: 80, queue: Duration::from_millis(50) };
    const CELLS: [(&str, Rule); 5] = [
        ("none", |_| Fate::Pass),
        ("0.1 %", |number| lost(number, 1)),
        ("1 %", |number| lost(number, 10)),
        ("3 %", |number| lost(number, 30)),
        ("one burst of 20", |number| if (3000..3020).contains(&number) { Fate::Drop } else { Fate::Pass }),
    ];
    const RECEIVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 80);
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A list that looks random and is the same for everyone.
    fn lost(number: u64, permille: u64) -> Fate {
        let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        if (bits ^ (bits >> 31)) % 1000 < permille { Fate::Drop } else { Fate::Pass }
    }

    /// Seconds, and what the cable saw of the sender.
    type Outcome = (f64, Tally);

    pub(super) fn main() {
        println!(
            "{:<16} {:>10} {:>12} {:>10} {:>12} {:>7}",
            "lost", "longhaul s", "resent/lost", "kernel s", "", "ratio"
        );
        // At once: they mostly wait.
        let wanted = |name: &str| env::args().skip(1).all(|arg| arg.starts_with('-') || name.contains(&arg));
        let cells = CELLS.into_iter().filter(|(name, _)| wanted(name));
        // At once: they mostly wait.
        let start = |(name, rule)| (name, thread::spawn(move || ours(rule)), thread::spawn(move || theirs(rule)));
        let races: Vec<_> = cells.map(start).collect();
        for (name, ours, theirs) in races {
            let (Ok(Some(ours)), Ok(Some(theirs))) = (ours.join(), theirs.join()) else {
                println!("{name:<16} skipped");
                continue;
            };
            let resent = |tally: Tally| format!("{}/{}", tally.resent_bytes / 1448, tally.lost_bytes / 1448);
            let (ours_s, theirs_s) = (ours.0, theirs.0);
            let ratio = theirs_s / ours_s;
            let (our_resent, their_resent) = (resent(ours.1), resent(theirs.1));
            println!("{name:<16} {ours_s:>10.2} {our_resent:>12} {theirs_s:>10.2} {their_resent:>12} {ratio:>7.2}");
        }
        println!("ratio: goodput against the kernel's, on the same drop list; resent and lost in segments");
    }

    fn receiver() -> Option<(Namespace, Tun)> {
        Namespace::builder().start_or_skip("loss")
    }

    /// We send to a kernel.
    fn ours(rule: Rule) -> Option<Outcome> {
        let (kernel, tun) = receiver()?;
        let [near, far] = cable(1500);
        let net = Net::builder().with_tun(near).start().expect("a net");
        let relay = Relay::start(far, tun, PATH, [rule, |_| Fate::Pass]);
        let seconds = transfer(&kernel, || {
            let stream = net.connect(RECEIVER).expect("a connection");
            (stream.try_clone().expect("a handle"), move || stream.shutdown(Shutdown::Write).expect("still open"))
        });
        Some((seconds, relay.stop()[0]))
    }

    /// A kernel sends to another.
    fn theirs(rule: Rule) -> Option<Outcome> {
        let (kernel, tun) = receiver()?;
        let (sender, from) = Namespace::builder().with_ipv4(Ipv4Addr::new(10, 0, 0, 2), 24).start_or_skip("loss")?;
        let relay = Relay::start(from, tun, PATH, [rule, |_| Fate::Pass]);
        let seconds = transfer(&kernel, || {
            let stream = sender.tcp_stream(RECEIVER, PATIENCE).expect("a connection");
            // A namespace may not choose CUBIC where the host keeps it to itself; its root may.
            sockopt::set_tcp_congestion(&stream, "cubic").expect("root may choose CUBIC");
            (stream.try_clone().expect("a handle"), move || stream.shutdown(Shutdown::Write).expect("still open"))
        });
        Some((seconds, relay.stop()[0]))
    }

    /// From the SYN to the end of the stream, in seconds.
    fn transfer<W: Write, F: FnOnce()>(kernel: &Namespace, connect: impl FnOnce() -> (W, F) + Send) -> f64 {
        let listener = kernel.tcp_listener(RECEIVER).expect("a listener");
        let start = Instant::now();
        thread::scope(|scope| {
            let sender = scope.spawn(|| {
                let (stream, finish) = connect();
                let digest = send_noise(stream, LEN, 7);
                finish();
                digest
            });
            let (peer, _) = listener.accept().expect("a connection");
            assert_eq!(digest_of(&peer), (LEN, sender.join().expect("sent")), "the bytes that were sent");
        });
        start.elapsed().as_secs_f64()
    }
}
