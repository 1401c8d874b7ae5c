//! What the layer below is asked for: the header of every packet, and its complaints.

use super::{Options, RECVERR};

impl Options {
    /// `IP_RECVERR` (`IPV6_RECVERR` over IPv6): an ICMP error about a live connection is reported at once, by
    /// [`Event::Error`](crate::tcp::Event::Error) and the next call, instead of being remembered for the day a rule
    /// gives up. The connection goes on either way. Off by default.
    #[must_use]
    pub const fn with_ip_recverr(mut self, on: bool) -> Self {
        self.switch(RECVERR, on);
        self
    }

    /// `IP_TOS` (`IPV6_TCLASS` over IPv6): the differentiated services of every packet, in the upper six bits (RFC
    /// 2474; RFC 9293 3.9.1.9 [MUST-48] [SHLD-22]). The lower two are ECN's, and stay TCP's own. 0, the default,
    /// inherits what the stack was made with.
    #[must_use]
    pub const fn with_tos(mut self, tos: u8) -> Self {
        self.tos = tos & !ECN_BITS;
        self
    }

    /// `IP_TTL` (`IPV6_UNICAST_HOPS` over IPv6): routers that a packet may pass, 1 to 255; 0 inherits what the stack
    /// was made with, 64 on Linux (RFC 9293 3.9.2 [MUST-49]).
    #[must_use]
    pub const fn with_ttl(mut self, hops: u8) -> Self {
        self.ttl = hops;
        self
    }
}

/// The bits of the IP header's second byte that are ECN's (RFC 3168 5).
const ECN_BITS: u8 = 3;
