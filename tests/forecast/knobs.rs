//! Settings and options by chance: every knob that touches liveness, small values mostly, the extremes now and then.

use crate::random::Random;
use longhaul::config::Sysctl;
use longhaul::congestion::CongestionControl;
use longhaul::options::{Options, TcpKeepalive};
use longhaul::time::Duration;

pub(crate) fn sysctl(random: &mut Random) -> Sysctl {
    let count = |random: &mut Random, usual: u8| match random.below(64) {
        0 => 255,
        1 => 15,
        2..8 => 0,
        _ => random.below(usize::from(usual)) as u8,
    };
    Sysctl {
        tcp_keepalive_time: random.pick(&[1, 2, 5, 60, 7200]),
        tcp_keepalive_intvl: random.pick(&[1, 3, 75]),
        tcp_keepalive_probes: count(random, 10),
        tcp_retries1: count(random, 4),
        tcp_retries2: count(random, 9),
        tcp_orphan_retries: count(random, 4),
        tcp_syn_retries: random.pick(&[1, 2, 3, 6]),
        tcp_syn_linear_timeouts: random.pick(&[0, 1, 4]),
        tcp_rto_min_us: random.pick(&[200_000, 200_000, 1, 5_000, 33_333, 1_500_000]),
        tcp_rto_max_ms: random.pick(&[120_000, 120_000, 1000, 3_500, 20_000]),
        tcp_fin_timeout: random.pick(&[60, 60, 0, 1, 62, 80, 125]),
        tcp_timestamps: random.pick(&[1, 1, 0]),
        tcp_sack: random.pick(&[1, 1, 0]),
        tcp_window_scaling: random.pick(&[1, 1, 0]),
        tcp_thin_linear_timeouts: u8::from(random.one_in(6)),
        tcp_early_retrans: random.pick(&[3, 3, 0]),
        tcp_recovery: random.pick(&[1, 1, 2, 4, 0]),
        tcp_frto: random.pick(&[2, 0]),
        tcp_reordering: random.pick(&[3, 1]),
        tcp_congestion_control: random.pick(&[CongestionControl::Cubic, CongestionControl::Reno]),
        tcp_slow_start_after_idle: random.pick(&[1, 0]),
        tcp_pingpong_thresh: random.pick(&[1, 1, 3]),
        ..Sysctl::LINUX
    }
}

pub(crate) fn options(random: &mut Random) -> Options {
    let mut options = Options::new()
        .with_keepalive(random.one_in(2))
        .with_tcp_nodelay(random.one_in(3))
        .with_tcp_cork(random.one_in(8))
        .with_tcp_thin_linear_timeouts(random.one_in(6));
    if random.one_in(3) {
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(1 + random.below(20) as u64))
            .with_interval(Duration::from_secs(1 + random.below(5) as u64))
            .with_retries(1 + random.below(5) as u32);
        options = options.with_tcp_keepalive(&keepalive).expect("in range");
    }
    if random.one_in(3) {
        let limit_ms = random.pick(&[1, 150, 999, 2500, 10_007, 45_000, 300_000]);
        options = options.with_tcp_user_timeout(Some(Duration::from_millis(limit_ms))).expect("in range");
    }
    if random.one_in(5) {
        options = options.with_tcp_syncnt(1 + random.below(4) as u32).expect("in range");
    }
    if random.one_in(5) {
        options = options.with_tcp_rto_max_ms(random.pick(&[1000, 2200, 60_000])).expect("in range");
    }
    if random.one_in(5) {
        options = options.with_tcp_rto_min_us(random.pick(&[2000, 40_001, 200_000])).expect("in range");
    }
    if random.one_in(3) {
        options = options.with_tcp_linger2(random.pick(&[-1, 1, 61, 75, 120]));
    }
    if random.one_in(8) {
        options = options.with_recv_buffer_size(random.pick(&[600, 2000, 8000]));
    }
    if random.one_in(8) {
        options = options.with_tcp_maxseg(random.pick(&[88, 300, 1000])).expect("in range");
    }
    if random.one_in(30) {
        options = options.with_linger(Some(Duration::ZERO));
    }
    options
}
