//! What a stream promises as std's does: waiting, not waiting, timeouts, readiness, handles, options.

use core::time::Duration;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;

use longhaul::net::{Net, Readiness};
use longhaul::options::{Options, TcpKeepalive};
use longhaul::tcp::Diagnosis;
use rustix::net::sockopt;

use crate::harness::{PATIENCE, addr, connected, eventually, exchange, kernel, net_or_skip, net_with};
use crate::noise::{digest_of, send_noise};

const EVERYTHING: Readiness = Readiness::ALL;

#[test]
fn a_nonblocking_stream_says_what_it_is_ready_for() {
    let Some(net) = net_or_skip("nonblocking") else { return };
    let listener = kernel(&net).tcp_listener(addr("10.0.0.1", 80)).unwrap();
    let mut ours = net.start_connect(None, addr("10.0.0.1", 80), Options::new()).unwrap();
    ours.set_nonblocking(true).unwrap();
    assert_eq!(ours.poll_ready(Readiness::OUT, Some(PATIENCE)).unwrap(), Readiness::OUT);
    let (mut theirs, _) = listener.accept().unwrap();

    assert_eq!(ours.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(ours.poll_ready(Readiness::IN, Some(Duration::ZERO)).unwrap(), Readiness::NONE);
    theirs.write_all(b"x").unwrap();
    assert_eq!(ours.poll_ready(Readiness::IN, Some(PATIENCE)).unwrap(), Readiness::IN);
    assert_eq!(ours.read(&mut [0; 9]).unwrap(), 1);

    let mut written = 0;
    while let Ok(len) = ours.write(&[0; 10_000]) {
        written += len;
    }
    assert!(written > 0);
    assert_eq!(ours.poll_ready(Readiness::OUT, Some(Duration::ZERO)).unwrap(), Readiness::NONE);
    let reader = thread::spawn(move || digest_of(theirs).0);
    assert_eq!(ours.poll_ready(Readiness::OUT, Some(PATIENCE)).unwrap(), Readiness::OUT);
    ours.shutdown(Shutdown::Write).unwrap();
    assert_eq!(reader.join().unwrap(), written);
}

#[test]
fn a_nonblocking_connect_that_fails_is_ready_with_an_error() {
    let Some(net) = net_or_skip("nonblocking refusal") else { return };
    let ours = net.start_connect(None, addr("10.0.0.1", 81), Options::new()).unwrap();
    let ready = ours.poll_ready(Readiness::OUT, Some(PATIENCE)).unwrap();
    assert_eq!(ready, Readiness::OUT | Readiness::ERR | Readiness::HUP);
    assert_eq!(ours.take_error().unwrap().unwrap().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(ours.poll_ready(Readiness::OUT, None).unwrap(), Readiness::OUT | Readiness::HUP);
    assert!(ours.take_error().unwrap().is_none());
}

#[test]
fn readiness_follows_the_end_of_a_stream() {
    let Some(net) = net_or_skip("readiness") else { return };
    let (theirs, ours) = connected(&net);
    theirs.shutdown(Shutdown::Write).unwrap();
    ours.poll_ready(Readiness::RDHUP, Some(PATIENCE)).unwrap();
    let finished = Readiness::IN | Readiness::OUT | Readiness::RDHUP;
    assert_eq!(ours.poll_ready(EVERYTHING, None).unwrap(), finished);
    ours.shutdown(Shutdown::Write).unwrap();
    assert_eq!(ours.poll_ready(EVERYTHING, None).unwrap(), finished | Readiness::HUP);

    let (theirs, ours) = connected(&net);
    sockopt::set_socket_linger(&theirs, Some(Duration::ZERO)).unwrap();
    drop(theirs);
    assert_eq!(ours.poll_ready(Readiness::NONE, Some(PATIENCE)).unwrap(), Readiness::ERR | Readiness::HUP);
    assert_eq!(ours.poll_ready(EVERYTHING, None).unwrap(), EVERYTHING);
}

#[test]
fn a_nonblocking_listener_does_not_wait() {
    let Some(net) = net_or_skip("nonblocking listener") else { return };
    let listener = net.listen("10.0.0.2:80").unwrap();
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    let theirs = kernel(&net).tcp_stream(addr("10.0.0.2", 80), PATIENCE).unwrap();
    eventually("it waits to be accepted", || net.connections().len() == 1);
    exchange(theirs, listener.accept().unwrap().0);
}

#[test]
fn timeouts_end_reads_and_writes() {
    let Some(net) = net_or_skip("timeouts") else { return };
    let (theirs, mut ours) = connected(&net);
    let limit = Duration::from_millis(50);
    for set in [ours.set_read_timeout(Some(Duration::ZERO)), ours.set_write_timeout(Some(Duration::ZERO))] {
        assert_eq!(set.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    ours.set_read_timeout(Some(limit)).unwrap();
    ours.set_write_timeout(Some(limit)).unwrap();
    assert_eq!((ours.read_timeout().unwrap(), ours.write_timeout().unwrap()), (Some(limit), Some(limit)));
    let start = net.now();
    assert_eq!(ours.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(net.now() - start >= limit);

    // Short counts, until the kernel's window no longer grows either.
    let more_than_fits = vec![0; 64 << 20];
    let mut written = 0;
    let error = loop {
        match ours.write(&more_than_fits) {
            Ok(len) => written += len,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(written > 0 && written < more_than_fits.len(), "{written}");
    drop(theirs);
}

#[test]
fn a_blocking_write_queues_everything() {
    let Some(net) = net_or_skip("large write") else { return };
    let (theirs, mut ours) = connected(&net);
    let data = vec![7; 3 << 20];
    let reader = thread::spawn(move || digest_of(theirs).0);
    assert_eq!(ours.write(&data).unwrap(), data.len());
    assert_eq!(ours.write(&[]).unwrap(), 0);
    drop(ours);
    assert_eq!(reader.join().unwrap(), data.len());
}

#[test]
fn a_write_cut_short_by_a_reset_counts_what_it_queued_and_the_next_one_fails() {
    let Some(net) = net_or_skip("short count") else { return };
    let (theirs, mut ours) = connected(&net);
    let mut writer = ours.try_clone().unwrap();
    let writing = thread::spawn(move || writer.write(&vec![0; 64 << 20]));
    eventually("the queue is full", || ours.info().unwrap().send_queue > 200_000);
    sockopt::set_socket_linger(&theirs, Some(Duration::ZERO)).unwrap();
    drop(theirs);
    let written = writing.join().unwrap().unwrap();
    assert!(written > 200_000 && written < 64 << 20, "{written}");
    assert_eq!(ours.write(b"x").unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(ours.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn a_writer_without_memory_goes_on_when_another_connection_frees_some() {
    let Some(net) = net_with("memory", Net::builder().with_memory_bytes(200_000)) else { return };
    let (hoarder, mut first) = connected(&net);
    let (mut theirs, mut second) = connected(&net);
    first.set_nonblocking(true).unwrap();
    // Until the kernel's own buffer is full, too: after that no ACK frees anything.
    eventually("all memory is taken for good", || {
        while first.write(&[0; 1000]).is_ok() {}
        first.info().unwrap().snd_wnd == 0
    });
    assert_eq!(first.write(&[0; 1000]).unwrap_err().kind(), ErrorKind::WouldBlock);
    second.set_write_timeout(Some(Duration::from_millis(10))).unwrap();
    assert_eq!(second.write(b"x").unwrap_err().kind(), ErrorKind::WouldBlock);
    second.set_write_timeout(Some(PATIENCE)).unwrap();
    let reader = thread::spawn(move || digest_of(hoarder));
    second.write_all(b"x").unwrap();
    theirs.read_exact(&mut [0; 1]).unwrap();
    drop(first);
    reader.join().unwrap();
}

#[test]
fn a_peek_takes_nothing() {
    let Some(net) = net_or_skip("peek") else { return };
    let (mut theirs, mut ours) = connected(&net);
    theirs.write_all(b"once").unwrap();
    drop(theirs);
    let mut heard = [0; 9];
    for _ in 0..2 {
        assert_eq!((ours.peek(&mut heard).unwrap(), &heard[..4]), (4, &b"once"[..]));
    }
    assert_eq!((ours.read(&mut heard).unwrap(), ours.peek(&mut heard).unwrap()), (4, 0));
}

#[test]
fn a_connection_closes_with_its_last_handle() {
    let Some(net) = net_or_skip("handles") else { return };
    let (mut theirs, ours) = connected(&net);
    let mut other = ours.try_clone().unwrap();
    drop(ours);
    other.write_all(b"alive").unwrap();
    theirs.read_exact(&mut [0; 5]).unwrap();
    drop(other);
    assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn reader_and_writer_may_be_different_threads() {
    let Some(net) = net_or_skip("two threads") else { return };
    let (theirs, ours) = connected(&net);
    let echo = thread::spawn(move || std::io::copy(&mut &theirs, &mut &theirs).unwrap());
    let digests = thread::scope(|scope| {
        let reader = scope.spawn(|| digest_of(&ours));
        let sent = send_noise(&ours, 2_000_000, 3);
        ours.shutdown(Shutdown::Write).unwrap();
        assert_eq!(echo.join().unwrap(), 2_000_000);
        (reader.join().unwrap(), sent)
    });
    assert_eq!(digests.0, (2_000_000, digests.1));
}

#[test]
fn options_read_as_what_is_in_force() {
    let Some(net) = net_or_skip("options") else { return };
    let (_theirs, ours) = connected(&net);
    let secs = Duration::from_secs;
    assert!(!ours.keepalive().unwrap() && !ours.nodelay().unwrap());
    assert_eq!((ours.linger().unwrap(), ours.tcp_user_timeout().unwrap()), (None, None));
    net.set_sysctl(|sysctl| sysctl.tcp_keepalive_time = 600);
    assert_eq!(ours.tcp_keepalive_time().unwrap(), secs(600));

    ours.set_tcp_keepalive(&TcpKeepalive::new().with_time(secs(10)).with_retries(3)).unwrap();
    ours.set_nodelay(true).unwrap();
    ours.set_linger(Some(secs(2))).unwrap();
    ours.set_tcp_user_timeout(Some(secs(5))).unwrap();
    assert!(ours.keepalive().unwrap() && ours.nodelay().unwrap());
    assert_eq!((ours.linger().unwrap(), ours.tcp_user_timeout().unwrap()), (Some(secs(2)), Some(secs(5))));
    assert_eq!((ours.tcp_keepalive_time().unwrap(), ours.tcp_keepalive_retries().unwrap()), (secs(10), 3));
    assert_eq!(ours.tcp_keepalive_interval().unwrap(), secs(75), "what was not given is inherited");
    ours.set_tcp_cork(true).unwrap();
    ours.set_tcp_thin_linear_timeouts(true).unwrap();
    ours.set_tcp_notsent_lowat(5555).unwrap();
    ours.set_send_buffer_size(20_000).unwrap();
    ours.set_recv_buffer_size(usize::MAX).unwrap();
    assert!(ours.tcp_cork().unwrap() && ours.tcp_thin_linear_timeouts().unwrap());
    assert_eq!((ours.tcp_notsent_lowat().unwrap(), ours.tcp_mss().unwrap()), (5555, 1448));
    assert_eq!((ours.send_buffer_size().unwrap(), ours.recv_buffer_size().unwrap()), (40_000, (1 << 31) - 2));
    assert!(ours.tcp_quickack().unwrap());
    ours.set_tcp_quickack(false).unwrap();
    assert!(!ours.tcp_quickack().unwrap());
    let refused = ours.set_tcp_keepalive(&TcpKeepalive::new().with_time(secs(0))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert_eq!(refused.to_string(), "value out of range for TCP_KEEPIDLE");
    let line = ours.info().unwrap().to_string();
    assert!(line.starts_with("ESTAB 0 0 10.0.0.2:") && line.contains("timer:(keepalive,"), "{line}");
}

#[test]
fn a_journal_is_told_by_the_clock_on_the_wall_and_the_diagnosis_comes_with_the_end() {
    let Some(net) = net_with("journal", Net::builder().with_journal(16)) else { return };
    let (theirs, ours) = connected(&net);
    let journal = ours.journal().unwrap().unwrap();
    let (time, rest) = journal.split_once(' ').unwrap();
    assert!(rest.starts_with("accepted from 10.0.0.1:") && rest.ends_with("us)") || rest.ends_with("ms)"), "{rest}");
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "00:00:00.000");
    assert_eq!(ours.diagnosis().unwrap(), None);
    // A kernel that closes with data unread resets, and its reset says that it knows the connection.
    (&ours).write_all(b"unread").unwrap();
    eventually("the kernel has it", || ours.info().unwrap().send_queue == 0);
    drop(theirs);
    eventually("the reset comes", || ours.diagnosis().unwrap().is_some());
    assert_eq!(ours.diagnosis().unwrap(), Some(Diagnosis::PeerAborted));
    assert!(ours.journal().unwrap().unwrap().ends_with("over: the peer ended it with a reset"));
    ours.set_journal(None).unwrap();
    assert_eq!(ours.journal().unwrap(), None);
}

#[test]
fn the_panic_of_one_thread_leaves_the_net_to_the_others() {
    let Some(net) = net_or_skip("panic") else { return };
    let (theirs, ours) = connected(&net);
    thread::scope(|scope| {
        let panicking = scope.spawn(|| net.set_sysctl(|_| panic!("this panic is part of a test")));
        assert!(panicking.join().is_err());
    });
    exchange(theirs, ours);
}

#[test]
fn fifty_threads_talk_at_once() {
    let Some(net) = net_or_skip("fifty threads") else { return };
    let listener = net.listen("10.0.0.2:80").unwrap();
    let echo = |number: u64| {
        let theirs = kernel(&net).tcp_stream(addr("10.0.0.2", 80), PATIENCE).unwrap();
        theirs.set_read_timeout(Some(PATIENCE)).unwrap();
        let sent = send_noise(&theirs, 20_000, number + 1);
        theirs.shutdown(Shutdown::Write).unwrap();
        assert_eq!(digest_of(&theirs), (20_000, sent));
    };
    thread::scope(|scope| {
        for number in 0..50 {
            // Half of them wait in accept before anybody connects.
            scope.spawn(|| {
                let (stream, _) = listener.accept().unwrap();
                std::io::copy(&mut &stream, &mut &stream).unwrap();
            });
            scope.spawn(move || echo(number));
        }
    });
    eventually("all connections end", || net.connections().is_empty());
}

#[test]
fn shutting_the_net_down_wakes_everybody_and_tells_the_peer() {
    let Some(net) = net_or_skip("shutdown") else { return };
    let listener = net.listen("10.0.0.2:80").unwrap();
    let (mut theirs, ours) = connected(&net);
    let kernel_pid = kernel(&net).pid();
    thread::scope(|scope| {
        let calls = [
            scope.spawn(|| (&ours).read(&mut [0; 1]).map(drop)),
            scope.spawn(|| ours.poll_ready(Readiness::IN, None).map(drop)),
            scope.spawn(|| (&ours).write_all(&vec![0; 64 << 20])),
            scope.spawn(|| listener.accept().map(drop)),
        ];
        eventually("the write has filled its queue", || ours.info().unwrap().send_queue > 100_000);
        net.shutdown();
        for call in calls {
            assert_eq!(call.join().unwrap().unwrap_err().kind(), ErrorKind::NetworkDown);
        }
    });
    assert_eq!((&ours).write(b"x").unwrap_err().kind(), ErrorKind::NetworkDown);
    assert_eq!(ours.info().unwrap_err().kind(), ErrorKind::NetworkDown);
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::NetworkDown);
    assert!(!std::fs::exists(format!("/proc/{kernel_pid}")).unwrap(), "the private peer ends");
    let mut heard = Vec::new();
    assert_eq!(theirs.read_to_end(&mut heard).unwrap_err().kind(), ErrorKind::ConnectionReset);
}
