//! Reno's reduction (RFC 5681 3.1; Linux `tcp_reno_ssthresh`). Its growth, one segment for each window of ACKs, is
//! [`super::Congestion::on_ack`] with nothing added.

/// Half the window.
pub const fn ssthresh(cwnd: u32) -> u32 {
    cwnd / 2
}
