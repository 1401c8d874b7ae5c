//! The driver: asleep when there is nothing to do, patient with a device that is busy. Without a TUN where one need not
//! be there: a pair of datagram sockets is a cable, too.

use alloc::sync::Arc;
use core::time::Duration;
use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::unix::net::UnixDatagram;
use std::sync::Mutex;
use std::thread;

use longhaul::net::{Net, TcpListener, Tun};
use longhaul::options::Options;

use crate::harness::{PATIENCE, addr, connected, eventually, exchange, kernel, net_or_skip};
use crate::noise::{digest_of, send_noise};

/// A net whose device is a socket, and the other end of it.
fn on_a_socket() -> (Net, UnixDatagram) {
    let (near, far) = UnixDatagram::pair().unwrap();
    (Net::builder().with_tun(Tun::from_fd(near.into(), 1500).unwrap()).start().unwrap(), far)
}

/// Two nets, 10.0.0.2 and 10.0.0.3, on one cable.
fn two() -> (Net, Net) {
    let (near, far) = UnixDatagram::pair().unwrap();
    let [near, far] = [near, far].map(|end| Tun::from_fd(end.into(), 1500).unwrap());
    let there = Net::builder().with_tun(far).with_addresses(Some([10, 0, 0, 3].into()), None);
    (Net::builder().with_tun(near).start().unwrap(), there.start().unwrap())
}

#[test]
fn two_stacks_talk_over_a_socket_pair() {
    let (here, there) = two();
    let listener = there.listen("10.0.0.3:80").unwrap();
    let near = here.connect("10.0.0.3:80").unwrap();
    let (far, _) = listener.accept().unwrap();
    let (sent, received) = thread::scope(|scope| {
        let received = scope.spawn(|| digest_of(&far));
        let sent = send_noise(&near, 3_000_000, 5);
        near.shutdown(Shutdown::Write).unwrap();
        (sent, received.join().unwrap())
    });
    assert_eq!(received, (3_000_000, sent));
    // A full socket is no loss.
    assert_eq!((here.stats().timeouts, there.stats().timeouts), (0, 0));
}

#[test]
fn a_device_that_takes_no_more_is_waited_for_without_spinning() {
    let (net, far) = on_a_socket();
    let connects = 1000;
    let streams: Vec<_> =
        (0..connects).map(|_| net.start_connect(None, addr("10.0.0.1", 80), Options::new()).unwrap()).collect();
    assert!((net.stats().out_segs as usize) < connects, "the socket was to be full by now");
    let before = net.wakeups();
    thread::sleep(Duration::from_millis(300));
    assert!(net.wakeups() - before < 20, "{} wake-ups", net.wakeups() - before);

    // What waited, leaves when there is room, and each once.
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut ports = Vec::new();
    while ports.len() < connects {
        let mut packet = [0; 1500];
        far.recv(&mut packet).unwrap();
        ports.push(u16::from_be_bytes([packet[20], packet[21]]));
    }
    let expected: Vec<_> = streams.iter().map(|stream| stream.local_addr().unwrap().port()).collect();
    assert_eq!(ports, expected, "in the order of the calls");
}

#[test]
fn an_idle_net_sleeps() {
    let Some(net) = net_or_skip("idle") else { return };
    let (theirs, ours) = connected(&net);
    exchange(&theirs, &ours);
    // The timers of that exchange run out: a delayed acknowledgment, a retransmission that was not needed.
    thread::sleep(Duration::from_millis(500));
    let before = net.wakeups();
    thread::sleep(Duration::from_millis(500));
    assert!(net.wakeups() - before <= 1, "{} wake-ups", net.wakeups() - before);
}

#[test]
fn a_device_whose_far_end_is_gone_loses_packets_and_nothing_else() {
    let (net, far) = on_a_socket();
    drop(far);
    let error = net.connect_timeout(&addr("10.0.0.1", 80), Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(net.stats().out_segs, 1);
}

#[test]
fn a_device_that_cannot_be_read_ends_the_net() {
    let (reader, writer) = std::io::pipe().unwrap();
    let net = Net::builder().with_tun(Tun::from_fd(writer.into(), 1500).unwrap()).start().unwrap();
    let listener = net.listen("10.0.0.2:80").unwrap();
    drop(reader);
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::NetworkDown);
    assert_eq!(net.connect("10.0.0.1:80").unwrap_err().kind(), ErrorKind::NetworkDown);
}

#[test]
fn a_panicking_observer_ends_the_net_and_leaves_nobody_waiting() {
    let (near, far) = UnixDatagram::pair().unwrap();
    let builder = Net::builder().with_tun(Tun::from_fd(near.into(), 1500).unwrap());
    let net = builder.with_observer(|_| panic!("this panic is part of a test")).start().unwrap();
    let listener: TcpListener = net.listen("10.0.0.2:80").unwrap();
    far.send(&[0x45; 40]).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::NetworkDown);
}

#[test]
fn a_capture_holds_every_packet_and_says_which_were_lost() {
    #[derive(Clone, Default)]
    struct File(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for File {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (near, far) = UnixDatagram::pair().unwrap();
    let file = File::default();
    let builder = Net::builder().with_tun(Tun::from_fd(near.into(), 1500).unwrap()).with_capture(file.clone());
    let net = builder.start().unwrap();
    let says = |text: &str| file.0.lock().unwrap().windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(says("longhaul") && !says("the wire is cut"));
    far.send(b"no packet at all").unwrap();
    eventually("a malformed packet is captured", || says("no packet at all"));
    net.cut();
    let _stream = net.start_connect(None, addr("10.0.0.1", 80), Options::new()).unwrap();
    assert!(says("lost: the wire is cut"));
}

#[test]
fn a_ping_is_answered() {
    let (net, far) = on_a_socket();
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    // An echo request: 10.0.0.1 to 10.0.0.2, identifier 7, number 1, four bytes.
    let request = [
        [0x45, 0, 0, 32, 0, 0, 0, 0, 64, 1, 0x66, 0xdb, 10, 0, 0, 1, 10, 0, 0, 2].as_slice(),
        &[8, 0, 0x19, 0x27, 0, 7, 0, 1, b'p', b'i', b'n', b'g'],
    ]
    .concat();
    far.send(&request).unwrap();
    let mut answer = [0; 1500];
    assert_eq!(far.recv(&mut answer).unwrap(), 32);
    assert_eq!((&answer[12..16], &answer[16..20]), (&[10, 0, 0, 2][..], &[10, 0, 0, 1][..]));
    assert_eq!((answer[20], &answer[24..32]), (0, &request[24..32]));
    assert_eq!(net.stats().icmp_out_echo_reps, 1);
}

#[test]
fn the_kernels_ping_is_answered() {
    let Some(net) = net_or_skip("ping") else { return };
    for host in ["10.0.0.2", "fd00::2"] {
        match kernel(&net).command("ping").args(["-c", "1", "-W", "10", host]).output() {
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => return eprintln!("skipped: there is no ping: {error}"),
        }
    }
}
