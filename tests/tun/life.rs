//! Silence, and what either side makes of it. Deaths are never early; a busy machine may make them late.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::io::{ErrorKind, Read, Write};
use std::sync::Mutex;

use longhaul::error::Cause;
use longhaul::forecast::{End, Reason};
use longhaul::net::{Direction, Net};
use longhaul::options::TcpKeepalive;
use longhaul::tcp::EmitKind;
use rustix::net::sockopt;

use crate::harness::{connected, eventually, exchange, net_or_skip, net_with};
use crate::noise::digest_of;

/// How late a busy machine may make a death.
const SLACK: Duration = Duration::from_secs(5);

/// Sees to it that `ours` dies between `after` and `after` + [`SLACK`] from `start` on, with `text` in its reason.
#[track_caller]
fn dies(net: &Net, mut ours: impl Read, start: longhaul::time::Instant, after: Duration, text: &str) {
    let error = ours.read(&mut [0; 1]).unwrap_err();
    let took = net.now() - start;
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!(error.to_string().contains(text), "{error}");
    assert!(took >= after && took < after + SLACK, "{took:?}, not {after:?}");
    assert_eq!(ours.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn keepalive_tells_of_a_cut_wire_after_three_seconds() {
    let Some(net) = net_or_skip("keepalive") else { return };
    let (_theirs, ours) = connected(&net);
    let second = Duration::from_secs(1);
    let start = net.now();
    ours.set_tcp_keepalive(&TcpKeepalive::new().with_time(second).with_interval(second).with_retries(2)).unwrap();
    net.cut();
    dies(&net, &ours, start, 3 * second, "keepalive");
    assert_eq!((net.stats().keepalive, net.stats().abort_on_timeout), (2, 1));
}

#[test]
fn the_user_timeout_tells_of_lost_data_when_it_is_over() {
    let Some(net) = net_or_skip("user timeout") else { return };
    let (theirs, mut ours) = connected(&net);
    let limit = Duration::from_millis(1500);
    ours.set_tcp_user_timeout(Some(limit)).unwrap();
    exchange(&theirs, &ours);
    net.cut();
    let start = net.now();
    ours.write_all(b"into the dark").unwrap();
    dies(&net, &ours, start, limit, "user timeout");
    assert!(net.stats().retrans_segs > 1);
}

#[test]
fn few_retries_tell_of_lost_data_soon() {
    let Some(net) = net_or_skip("retries") else { return };
    net.set_sysctl(|sysctl| sysctl.tcp_retries2 = 3);
    let (theirs, mut ours) = connected(&net);
    exchange(&theirs, &ours);
    net.cut();
    let start = net.now();
    ours.write_all(b"into the dark").unwrap();
    // The model of three retries at an RTO of at least 200 ms: 0.2 + 0.4 + 0.8 + 1.6 seconds.
    dies(&net, &ours, start, Duration::from_secs(3), "tcp_retries2");
}

#[test]
fn a_wire_that_is_mended_in_time_loses_nothing() {
    let Some(net) = net_or_skip("mended") else { return };
    let (mut theirs, mut ours) = connected(&net);
    net.cut();
    ours.write_all(b"late").unwrap();
    eventually("it was sent again", || net.stats().retrans_segs > 0);
    net.restore();
    theirs.read_exact(&mut [0; 4]).unwrap();
    exchange(theirs, ours);
}

#[test]
fn an_observer_is_told_why_a_lost_packet_was_sent() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let builder = Net::builder().with_observer({
        let seen = seen.clone();
        move |packet| {
            if packet.lost {
                seen.lock().unwrap().push((packet.kind, packet.note.to_owned()));
            }
        }
    });
    let Some(net) = net_with("why", builder) else { return };
    let (_theirs, mut ours) = connected(&net);
    net.cut();
    ours.write_all(b"late").unwrap();
    eventually("it was sent again", || net.stats().retrans_segs > 0);
    let cut = "lost: the wire is cut";
    let expected = [
        (Some(EmitKind::Data), cut.to_owned()),
        (Some(EmitKind::TailLossProbe), format!("tail loss probe, {cut}")),
        (Some(EmitKind::Retransmission), format!("retransmission, {cut}")),
    ];
    eventually("all three were seen", || seen.lock().unwrap().len() >= expected.len());
    assert_eq!(seen.lock().unwrap()[..3], expected);
}

#[test]
fn a_wire_cut_one_way_still_carries_the_other() {
    let seen = Arc::new(AtomicUsize::new(0));
    let builder = Net::builder().with_observer({
        let seen = seen.clone();
        move |packet| {
            if packet.lost && packet.direction == Direction::Inbound && packet.packet.ends_with(b"unheard") {
                assert_eq!(packet.note, "lost: the wire is cut");
                seen.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let Some(net) = net_with("one way", builder) else { return };
    let (mut theirs, mut ours) = connected(&net);
    net.set_cut(Direction::Inbound, true);
    ours.write_all(b"heard").unwrap();
    theirs.read_exact(&mut [0; 5]).unwrap();
    theirs.write_all(b"unheard").unwrap();
    eventually("the observer saw it go by", || seen.load(Ordering::Relaxed) > 0);
    assert_eq!(ours.info().unwrap().receive_queue, 0);
    net.set_cut(Direction::Inbound, false);
    ours.read_exact(&mut [0; 7]).unwrap();
}

#[test]
fn the_kernels_keepalive_probes_are_answered_while_the_application_sleeps() {
    let answers = Arc::new(AtomicUsize::new(0));
    let builder = Net::builder().with_observer({
        let answers = answers.clone();
        move |packet| {
            if packet.direction == Direction::Outbound {
                answers.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let Some(net) = net_with("probes", builder) else { return };
    let (theirs, ours) = connected(&net);
    let second = Duration::from_secs(1);
    sockopt::set_tcp_keepidle(&theirs, second).unwrap();
    sockopt::set_tcp_keepintvl(&theirs, second).unwrap();
    sockopt::set_tcp_keepcnt(&theirs, 1).unwrap();
    sockopt::set_socket_keepalive(&theirs, true).unwrap();
    let before = answers.load(Ordering::Relaxed);
    // One unanswered probe would be the end of it.
    eventually("three probes are answered", || answers.load(Ordering::Relaxed) - before >= 3);
    exchange(theirs, ours);
}

#[test]
fn the_kernel_gives_up_on_us_too_and_its_reset_tells_us() {
    let Some(net) = net_or_skip("given up") else { return };
    let (theirs, mut ours) = connected(&net);
    let second = Duration::from_secs(1);
    sockopt::set_tcp_keepidle(&theirs, second).unwrap();
    sockopt::set_tcp_keepintvl(&theirs, second).unwrap();
    sockopt::set_tcp_keepcnt(&theirs, 1).unwrap();
    sockopt::set_socket_keepalive(&theirs, true).unwrap();
    net.set_cut(Direction::Outbound, true);
    assert_eq!(ours.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_stream_says_in_advance_when_it_would_die_of_silence() {
    let Some(net) = net_or_skip("forecast") else { return };
    let (_theirs, ours) = connected(&net);
    assert_eq!(ours.forecast().unwrap().end, End::Never(Reason::Idle));
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(10));
    ours.set_tcp_keepalive(&keepalive.with_retries(3)).unwrap();
    let outlook = ours.forecast().unwrap();
    assert!(matches!(outlook.end, End::Death { cause: Cause::Keepalive, .. }), "{outlook}");
    // From now or from the last segment heard, and rounded up to a tick.
    assert!(outlook.probes == 3 && outlook.time_left() < Some(Duration::from_secs(91)), "{outlook}");
}

#[test]
fn what_arrived_before_a_death_is_still_read() {
    let Some(net) = net_or_skip("drain") else { return };
    let (mut theirs, ours) = connected(&net);
    theirs.write_all(b"last words").unwrap();
    eventually("they arrive", || ours.info().unwrap().receive_queue == 10);
    sockopt::set_socket_linger(&theirs, Some(Duration::ZERO)).unwrap();
    drop(theirs);
    eventually("the reset arrives", || net.stats().estab_resets == 1);
    let mut heard = [0; 10];
    (&ours).read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"last words");
    assert_eq!((&ours).read(&mut heard).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(digest_of(&ours).0, 0);
}
