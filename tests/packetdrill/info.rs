//! What `%{ ... }%` may ask about the connection under test: `tcp_info` under its names, and constants.

use crate::sockets::Host;
use longhaul::stack::ConnId;
use longhaul::tcp::{CaState, State, TcpInfo};

/// What is known of a connection at one instant.
pub(crate) struct Snapshot {
    info: TcpInfo,
    /// Bytes of receive buffer, as Linux counts them (`SO_MEMINFO`).
    receive_buffer: i64,
}

/// A snapshot of the connection with these ports, ours first.
pub(crate) fn of(host: &mut Host, ports: (u16, u16)) -> Option<Snapshot> {
    let ids: Vec<ConnId> = host.stack.connections().collect();
    let now = host.now;
    ids.into_iter().find_map(|id| {
        let mut conn = host.stack.conn(id)?;
        let flow = conn.flow();
        let receive_buffer = 2 * i64::from(conn.options().window_bytes(conn.sysctl()));
        let is_meant = (flow.local.port(), flow.remote.port()) == ports;
        is_meant.then(|| Snapshot { info: conn.info(now), receive_buffer })
    })
}

/// The value of a name.
pub(crate) fn lookup(snapshot: Option<&Snapshot>, name: &str) -> Option<i64> {
    CONSTANTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).or_else(|| field(snapshot?, name))
}

fn field(Snapshot { info, receive_buffer }: &Snapshot, name: &str) -> Option<i64> {
    Some(match name {
        "SK_MEMINFO_RCVBUF" => *receive_buffer,
        "tcpi_state" => state_number(info.state),
        "tcpi_retransmits" => i64::from(info.retransmits),
        "tcpi_probes" => i64::from(info.probes),
        "tcpi_backoff" => i64::from(info.backoff),
        "tcpi_rto" => info.rto.as_micros() as i64,
        "tcpi_rtt" => info.rtt.as_micros() as i64,
        "tcpi_rttvar" => info.rttvar.as_micros() as i64,
        "tcpi_snd_cwnd" => i64::from(info.snd_cwnd),
        "tcpi_snd_ssthresh" => i64::from(info.snd_ssthresh),
        "tcpi_unacked" => i64::from(info.unacked),
        "tcpi_snd_mss" => i64::from(info.snd_mss),
        "tcpi_snd_wnd" => i64::from(info.snd_wnd),
        "tcpi_ca_state" => ca_state_number(info.ca_state),
        "tcpi_options" => options_bits(info),
        "tcpi_snd_wscale" => i64::from(info.snd_wscale),
        "tcpi_rcv_wscale" => i64::from(info.rcv_wscale),
        "tcpi_rcv_mss" => i64::from(info.rcv_mss),
        "tcpi_advmss" => i64::from(info.advmss),
        "tcpi_pmtu" => i64::from(info.pmtu),
        "tcpi_sacked" => i64::from(info.sacked),
        "tcpi_lost" => i64::from(info.lost),
        "tcpi_retrans" => i64::from(info.retrans),
        "tcpi_reordering" => i64::from(info.reordering),
        // Without a sample Linux has the largest number there is.
        "tcpi_min_rtt" => info.min_rtt.map_or(i64::from(u32::MAX), |rtt| rtt.as_micros() as i64),
        "tcpi_ato" => info.ato.as_micros() as i64,
        "tcpi_last_data_sent" => info.last_data_sent.as_millis() as i64,
        "tcpi_last_data_recv" => info.last_data_recv.as_millis() as i64,
        "tcpi_rcv_ssthresh" => i64::from(info.rcv_ssthresh),
        "tcpi_rcv_rtt" => info.rcv_rtt.as_micros() as i64,
        "tcpi_rcv_space" => i64::from(info.rcv_space),
        "tcpi_bytes_acked" => info.bytes_acked.cast_signed(),
        "tcpi_bytes_received" => info.bytes_received.cast_signed(),
        "tcpi_bytes_sent" => info.bytes_sent.cast_signed(),
        "tcpi_bytes_retrans" => info.bytes_retrans.cast_signed(),
        "tcpi_reord_seen" => i64::from(info.reord_seen),
        "tcpi_dsack_dups" => i64::from(info.dsack_dups),
        "tcpi_delivered_ce" => i64::from(info.delivered_ce),
        "tcpi_busy_time" => info.busy_time.as_micros() as i64,
        "tcpi_rwnd_limited" => info.rwnd_limited.as_micros() as i64,
        "tcpi_sndbuf_limited" => info.sndbuf_limited.as_micros() as i64,
        "tcpi_notsent_bytes" => i64::from(info.notsent_bytes),
        _ => return None,
    })
}

/// Linux's number of a phase of recovery.
fn ca_state_number(state: CaState) -> i64 {
    match state {
        CaState::Open => 0,
        CaState::Disorder => 1,
        CaState::Cwr => 2,
        CaState::Recovery => 3,
        _ => 4,
    }
}

/// `TCPI_OPT_*` of what was agreed.
fn options_bits(info: &TcpInfo) -> i64 {
    i64::from(info.timestamps)
        | i64::from(info.sack) << 1
        | i64::from(info.wscale) << 2
        | i64::from(info.ecn) << 3
        | i64::from(info.ecn_seen) << 4
}

/// Linux's number of a state.
fn state_number(state: State) -> i64 {
    match state {
        State::Established => 1,
        State::SynSent => 2,
        State::SynReceived => 3,
        State::FinWait1 => 4,
        State::FinWait2 => 5,
        State::TimeWait => 6,
        State::Closed => 7,
        State::CloseWait => 8,
        State::LastAck => 9,
        State::Closing => 11,
    }
}

const CONSTANTS: &[(&str, i64)] = &[
    ("TCP_ESTABLISHED", 1),
    ("TCP_SYN_SENT", 2),
    ("TCP_SYN_RECV", 3),
    ("TCP_FIN_WAIT1", 4),
    ("TCP_FIN_WAIT2", 5),
    ("TCP_TIME_WAIT", 6),
    ("TCP_CLOSE", 7),
    ("TCP_CLOSE_WAIT", 8),
    ("TCP_LAST_ACK", 9),
    ("TCP_LISTEN", 10),
    ("TCP_CLOSING", 11),
    ("TCP_NEW_SYN_RECV", 12),
    ("TCP_CA_Open", 0),
    ("TCP_CA_Disorder", 1),
    ("TCP_CA_CWR", 2),
    ("TCP_CA_Recovery", 3),
    ("TCP_CA_Loss", 4),
    ("TCPI_OPT_TIMESTAMPS", 1),
    ("TCPI_OPT_SACK", 2),
    ("TCPI_OPT_WSCALE", 4),
    ("TCPI_OPT_ECN", 8),
    ("TCPI_OPT_ECN_SEEN", 16),
    ("TCPI_OPT_SYN_DATA", 32),
    ("TCPI_OPT_USEC_TS", 64),
];
