//! The local device drops what is sent and says so: half a second later the next try, and nothing is held against the
//! peer (Linux `TCP_RESOURCE_PROBE_INTERVAL`). Figures as measured on Linux 6.18 with `tc qdisc ... pfifo limit 0`,
//! with exact timers.

use super::timeline::{Line, at, keepalive, then, user_timeout};
use crate::common::{Peer, ms};
use longhaul::config::Sysctl;
use longhaul::options::Options;

const NONE: Vec<String> = Vec::new();

/// The device refuses from now until `until_ms`: nothing leaves.
#[track_caller]
fn refuse_until(t: &mut Line, until_ms: u64) {
    t.refuses = true;
    assert_eq!(t.until(until_ms), NONE);
    t.refuses = false;
}

fn retries2(tcp_retries2: u8) -> impl FnOnce(&mut Sysctl) {
    move |sysctl| sysctl.tcp_retries2 = tcp_retries2
}

/// The end of a connection whose device never takes anything again.
#[track_caller]
fn end(t: &mut Line) -> Vec<String> {
    t.refuses = true;
    for _ in 0..100 {
        let due = t.stack.poll_timeout().expect("it is not over");
        let wait = due.since(t.now());
        t.advance(wait);
        let lines = t.happened();
        if !lines.is_empty() {
            return lines;
        }
    }
    panic!("no end");
}

#[test]
fn a_refused_keepalive_probe_does_not_count_and_goes_again_in_half_a_second() {
    let mut t = Line::open_default(keepalive(1, 1, 3));
    refuse_until(&mut t, 3600);
    let lines = at([4000, 5000, 6000], ". 0:0");
    assert_eq!(t.until_end(), then(then(lines, "7000 R. 1:1"), "7000 dead: Keepalive ETIMEDOUT"));
}

#[test]
fn a_refused_retransmission_goes_again_in_half_a_second_without_backoff() {
    let mut t = Line::open_default(Options::new());
    t.write(1000);
    assert_eq!(t.until(100), ["0 P. 1:1001"]);
    refuse_until(&mut t, 3300);
    // Refused at 201, 701 ... 3201 ms.
    assert_eq!(t.until(5000), at([3701, 4103, 4907], "P. 1:1001"));
}

#[test]
fn the_clock_that_gives_up_runs_on_from_the_first_attempt() {
    let mut t = Line::open(retries2(3), Options::new());
    t.write(1000);
    assert_eq!(t.until(100), ["0 P. 1:1001"]);
    // The first attempt is at 201 ms; 3.0 s later the count of times 0.5 s has come to 3201 ms.
    assert_eq!(end(&mut t), ["3201 dead: Retransmission ETIMEDOUT"]);
}

#[test]
fn new_data_that_is_refused_counts_as_never_sent_and_a_probe_timer_tries_again() {
    let mut t = Line::open_default(Options::new());
    t.refuses = true;
    t.write(1000);
    refuse_until(&mut t, 1000);
    // Tried at 0, 201 and 701 ms; what leaves at last is no retransmission, and its timeout is a first one.
    assert_eq!(t.until(3000), at([1201, 1402, 1804, 2608], "P. 1:1001"));
}

#[test]
fn each_of_these_tries_counts_as_a_probe() {
    let mut t = Line::open(retries2(5), Options::new());
    t.refuses = true;
    t.write(1000);
    // Tried at 201, 701 ... 2201 ms.
    assert_eq!(end(&mut t), ["2701 dead: ZeroWindow ETIMEDOUT"]);
    let mut t = Line::open_default(user_timeout(Options::new(), 1000));
    t.refuses = true;
    t.write(1000);
    assert_eq!(end(&mut t), ["1201 dead: UserTimeout ETIMEDOUT"], "from the first probe, at 201 ms");
}

#[test]
fn a_refused_fin_goes_with_the_data_later() {
    let mut t = Line::open_default(Options::new());
    t.refuses = true;
    t.write(1000);
    t.finish();
    refuse_until(&mut t, 100);
    assert_eq!(t.until(300), ["201 FP. 1:1001"]);
    t.inject(". 1:1(0) ack 1002");
    assert_eq!(t.until(2000), NONE);
}

#[test]
fn writing_again_tries_again_and_does_not_put_the_timer_off() {
    let mut t = Line::open_default(Options::new());
    t.refuses = true;
    t.write(100);
    assert_eq!(t.until(100), NONE);
    t.write(100);
    refuse_until(&mut t, 150);
    assert_eq!(t.until(250), ["201 P. 1:201"]);
    t.inject(". 1:1(0) ack 201");
    t.refuses = true;
    t.write(100);
    t.refuses = false;
    t.write(100);
    assert_eq!(t.until(251), ["250 P. 201:401"]);
}

#[test]
fn with_something_in_flight_refused_data_waits_for_the_next_ack() {
    let mut t = Line::open_default(Options::new().with_tcp_nodelay(true));
    t.write(1000);
    t.expect("P. 1:1001(1000) ack 1");
    t.refuses = true;
    t.write(500);
    refuse_until(&mut t, 80);
    assert_eq!(t.until(100), NONE);
    t.inject(". 1:1(0) ack 1001");
    assert_eq!(t.until(150), ["100 P. 1001:1501"]);
}

#[test]
fn a_refused_window_probe_counts_and_is_not_backed_off_for() {
    let probe = ". 500:500";
    let mut t = Line::stalled(|_| (), Options::new());
    assert_eq!(t.until(500), at([201], probe));
    refuse_until(&mut t, 1500);
    // Refused at 603 and 1103 ms.
    assert_eq!(t.until(5000), at([1603, 2407, 4015], probe));

    let mut t = Line::stalled(retries2(5), Options::new());
    assert_eq!(end(&mut t), ["2701 dead: ZeroWindow ETIMEDOUT"]);
}

#[test]
fn a_refused_syn_counts_and_goes_again_in_half_a_second() {
    let mut peer = Peer::new();
    peer.refuses = true;
    peer.connect(Options::new());
    let mut t = Line::new(peer);
    refuse_until(&mut t, 3600);
    // Refused at 0, then at 1000, 1500 ... 3500 ms, which uses up the linear ones; so the wait doubles at once.
    assert_eq!(t.until(6500), at([4000, 6000], "S 0:0"));
}

#[test]
fn a_refused_tail_loss_probe_leaves_the_rest_to_the_timeout() {
    let mut peer = Peer::new();
    peer.open_with(Options::new(), "mss 1460,nop,nop,sackOK,nop,wscale 7");
    let mut t = Line::new(peer);
    t.write(1000);
    assert_eq!(t.until(100), ["0 P. 1:1001"]);
    refuse_until(&mut t, 300);
    assert_eq!(t.until(1000), at([402, 804], "P. 1:1001"));
}

#[test]
fn a_refused_fast_retransmission_waits_for_the_next_ack() {
    let mut t = Line::open_default(Options::new());
    t.write(5840);
    for start in [1, 1461, 2921] {
        t.expect(&format!(". {start}:{}(1460) ack 1", start + 1460));
    }
    t.expect("P. 4381:5841(1460) ack 1");
    t.advance(ms(10));
    t.refuses = true;
    (0..3).for_each(|_| t.inject(". 1:1(0) ack 1 win 500"));
    refuse_until(&mut t, 50);
    assert_eq!(t.until(60), NONE);
    t.inject(". 1:1(0) ack 1 win 500");
    assert_eq!(t.until(61), ["60 . 1:1461"]);
}
