//! What is true of a connection, what it must send, and what it has to tell: small sets of flags.

/// Declares a small set of flags.
macro_rules! flag_set {
    ($(#[$doc:meta])* $name:ident: $bits:ty { $($(#[$flag_doc:meta])* $flag:ident = $value:expr;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) struct $name($bits);

        #[allow(dead_code)] // not every set uses every verb
        impl $name {
            pub(super) const NONE: Self = Self(0);
            $($(#[$flag_doc])* pub(super) const $flag: Self = Self($value);)+

            /// Whether any flag of `other` is set.
            pub(super) const fn has(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            pub(super) const fn set(&mut self, other: Self, on: bool) {
                if on { self.0 |= other.0 } else { self.0 &= !other.0 }
            }

            /// Whether it was set, and clears it.
            pub(super) const fn take(&mut self, other: Self) -> bool {
                let had = self.has(other);
                self.set(other, false);
                had
            }
        }

        impl core::ops::BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }
    };
}

flag_set! {
    /// What must be sent, besides data that may be.
    Wants: u16 {
        /// The SYN, or SYN-ACK of a simultaneous open.
        SYN = 1;
        /// The first segment in flight again, whatever the congestion window says.
        HEAD = 2;
        /// An empty probe left of the window.
        PROBE = 4;
        /// As much new data as fits, however little.
        FORCE = 8;
        /// An acknowledgment, now.
        ACK = 16;
        /// RST+ACK, and that is the last of it.
        RESET = 32;
        /// What was held back for being small.
        PUSH = 64;
        /// A tail loss probe: new data, or the last segment again.
        TAIL = 128;
    }
}

flag_set! {
    /// What is true of a connection.
    ConnFlags: u32 {
        /// We opened it.
        ACTIVE = 1;
        /// Both ends use timestamps.
        TIMESTAMPS = 2;
        /// Both ends use SACK.
        SACK = 4;
        /// Both ends scale windows.
        WINDOW_SCALE = 8;
        /// The application will write no more; a FIN follows the last byte.
        FIN_QUEUED = 16;
        /// The FIN has been sent at least once.
        FIN_SENT = 32;
        /// The application closed: nobody reads.
        ORPHAN = 64;
        /// The application reads no more (shutdown of the read side, or closed).
        DEAF = 128;
        /// The peer's FIN was received; survives death.
        PEER_FINISHED = 256;
        /// A write did not fit; say so when there is room again.
        WRITE_BLOCKED = 512;
        /// The congestion window was the limit when we last sent.
        CWND_LIMITED = 1024;
        /// The peer's FIN was seen beyond a gap, at `peer_fin`.
        FIN_HELD = 2048;
        /// The last tail loss probe repeated old data.
        TAIL_REPEATED = 8192;
        /// The device refused the last segment of data: nothing more until an ACK, a write or a timer.
        REFUSED = 16384;
        /// Both ends use ECN; in SYN-SENT, that we asked.
        ECN = 1 << 15;
        /// The peer's data is marked as ECN-capable.
        ECN_SEEN = 1 << 16;
        /// A congestion mark arrived: the peer hears of it until it says that it has slowed down.
        ECN_DEMAND_CWR = 1 << 17;
        /// The window was reduced, and the peer must be told.
        ECN_QUEUE_CWR = 1 << 18;
        /// The last write said that more follows: its end is not pushed.
        MORE_FOLLOWS = 1 << 19;
        /// And nothing was acknowledged since: what does not fill a segment waits.
        HELD_FOR_MORE = 1 << 20;
    }
}

flag_set! {
    /// What is remembered for those who ask afterwards.
    Notes: u8 {
        /// What ended the connection waits to be taken.
        ERROR = 1;
        /// `soft_error` is to be told once, and not to be remembered (`IP_RECVERR`).
        REPORT = 4;
        /// What arrived last came while an answer was owed, and was not that answer.
        HEARD = 2;
    }
}

flag_set! {
    /// Events not yet polled.
    EventSet: u8 {
        CONNECTED = 1;
        READABLE = 2;
        WRITABLE = 4;
        FINISHED = 8;
        CLOSED = 16;
        PATH_DOUBTFUL = 32;
        ERROR = 64;
        URGENT = 128;
    }
}
