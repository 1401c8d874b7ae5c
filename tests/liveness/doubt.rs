//! `tcp_retries1`: the path is in doubt; and what `tcp_mtu_probing` makes of that (RFC 4821 7.7). The sizes are those
//! that Linux 6.18 was seen to send.

use super::timeline::{Line, at};
use longhaul::config::Sysctl;
use longhaul::options::Options;
use longhaul::tcp::Event;

const NONE: Vec<String> = Vec::new();

/// Three full segments in flight at zero.
fn full(configure: impl FnOnce(&mut Sysctl)) -> Line {
    let mut t = Line::open(configure, Options::new());
    t.write(4380);
    t.expect(". 1:1461(1460) ack 1");
    t.expect(". 1461:2921(1460) ack 1");
    t.expect("P. 2921:4381(1460) ack 1");
    t
}

/// Time passes; the ends of what left.
#[track_caller]
fn ends(t: &mut Line, until_ms: u64) -> Vec<(u64, u32)> {
    t.until(until_ms)
        .iter()
        .map(|line| {
            let (at_ms, segment) = line.split_once(' ').unwrap();
            (at_ms.parse().unwrap(), segment.rsplit(':').next().unwrap().parse().unwrap())
        })
        .collect()
}

/// Time passes; when the path fell in doubt.
fn doubts(t: &mut Line, until_ms: u64) -> Vec<u64> {
    let mut doubts = Vec::new();
    while t.now_ms() < until_ms {
        t.advance(longhaul::time::Duration::from_millis(1));
        let now_ms = t.now_ms();
        doubts.extend(t.events().into_iter().filter(|&event| event == Event::PathDoubtful).map(|_| now_ms));
    }
    t.happened();
    doubts
}

#[test]
fn the_application_is_told_once_an_episode_that_the_path_is_in_doubt() {
    // 3.0 s after the first retransmission, at 201 ms, at the next expiry: 201 + 402 + 804 + 1608 + 3216.
    let mut t = Line::open_default(Options::new());
    t.write(100);
    assert_eq!(doubts(&mut t, 7000), [6231], "not again at 12663");
    assert_eq!(doubts(&mut t, 20_000), []);
    assert_eq!(t.stack.stats().paths_doubted, 1);
    t.inject(". 1:1(0) ack 101");
    t.zero();
    t.write(100);
    // Without timestamps the backed-off timeout outlives the ACK, so the episode begins later; it is told again.
    assert_eq!(doubts(&mut t, 120_000).len(), 1);
    assert_eq!(t.stack.stats().paths_doubted, 2);
}

#[test]
fn tcp_retries1_says_when_and_changes_nothing_on_the_wire() {
    for (retries1, doubted_ms) in [(0, 603), (1, 1407), (2, 3015), (3, 6231), (255, 0)] {
        let told = if doubted_ms == 0 { vec![] } else { vec![doubted_ms] };
        let mut t = Line::open(|sysctl| sysctl.tcp_retries1 = retries1, Options::new());
        t.write(100);
        assert_eq!(doubts(&mut t, 10_000), told, "{retries1}");
        let mut t = full(|sysctl| sysctl.tcp_retries1 = retries1);
        assert_eq!(t.until(7000), at([201, 603, 1407, 3015, 6231], ". 1:1461"), "{retries1}");
    }
}

#[test]
fn a_path_in_doubt_is_tried_with_smaller_segments() {
    let mut t = full(|sysctl| (sysctl.tcp_mtu_probing, sysctl.tcp_rto_max_ms) = (1, 1000));
    // With an RTO of a second at most, retries1 stands for 2.4 s; expiries follow each second.
    let sizes = [(201, 1461), (603, 1461), (1407, 1461), (2407, 1461), (3407, 1025), (4407, 513), (5407, 257)];
    assert_eq!(ends(&mut t, 6000), sizes);
    assert_eq!(ends(&mut t, 9000), [(6407, 129), (7407, 65), (8407, 49)], "48 bytes, tcp_mtu_probe_floor");
}

#[test]
fn base_and_floor_are_settings() {
    let mut t = full(|sysctl| {
        (sysctl.tcp_mtu_probing, sysctl.tcp_rto_max_ms) = (1, 1000);
        (sysctl.tcp_base_mss, sysctl.tcp_mtu_probe_floor) = (800, 200);
    });
    t.until(3000);
    assert_eq!(ends(&mut t, 7000), [(3407, 801), (4407, 401), (5407, 201), (6407, 201)]);
}

#[test]
fn what_is_cut_is_resent_in_pieces_and_new_segments_stay_small() {
    let mut t = full(|sysctl| sysctl.tcp_mtu_probing = 1);
    let sizes = [(201, 1461), (603, 1461), (1407, 1461), (3015, 1461), (6231, 1025), (12_663, 513)];
    assert_eq!(ends(&mut t, 12_663), sizes);
    // The peer had received the longer one after all.
    t.inject(". 1:1(0) ack 1025");
    assert_eq!(t.until(12_663), ["12663 . 1025:1461", "12663 . 1461:1973", "12663 . 1973:2485"]);
    t.inject(". 1:1(0) ack 4381");
    t.write(1000);
    assert_eq!(t.until(12_700), ["12663 . 4381:4893", "12663 P. 4893:5381"]);
}

#[test]
fn an_answer_in_time_leaves_the_size_alone() {
    let mut t = full(|sysctl| sysctl.tcp_mtu_probing = 1);
    assert_eq!(t.until(1500), at([201, 603, 1407], ". 1:1461"));
    t.inject(". 1:1(0) ack 4381");
    assert_eq!(t.until(60_000), NONE);
    assert_eq!(t.act(|conn, now| conn.info(now).snd_mss), 1460);
}
