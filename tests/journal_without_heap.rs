//! The journal of one connection on memory that the caller owns; and of orphans, whose journals nobody else can read.

use longhaul::buf::Sent;
use longhaul::buf::ring::Ring;
use longhaul::config::Sysctl;
use longhaul::journal::{Entry, Journal, WallClock};
use longhaul::options::Options;
use longhaul::seq::SeqNum;
use longhaul::tcp::{Closed, Conn, Setup, State};
use longhaul::time::{Duration, Instant};
use longhaul::wire::{Flags, Flow, Header, Segment, TcpOptions};

const SYSCTL: Sysctl = Sysctl::LINUX;
const ISS: SeqNum = SeqNum::new(1000);
const IRS: SeqNum = SeqNum::new(5000);
const NOON: WallClock = WallClock { at: Instant::from_secs(10), time_of_day: Duration::from_secs(12 * 3600) };

/// A connection and its journal, side by side.
struct End<'m> {
    now: Instant,
    conn: Conn,
    ring: Ring<'m>,
    journal: Journal<[Entry; 32]>,
    sent: Vec<Flags>,
}

impl End<'_> {
    fn does<R>(&mut self, act: impl FnOnce(&mut Conn, &mut Ring<'_>, Instant) -> R) -> R {
        let result = act(&mut self.conn, &mut self.ring, self.now);
        self.journal.note(self.now, &self.conn, &SYSCTL, &self.ring);
        while let Some(emit) = self.conn.poll_transmit(self.now, &SYSCTL, &mut self.ring) {
            self.journal.note(self.now, &self.conn, &SYSCTL, &self.ring);
            self.journal.note_emit(self.now, &emit, &self.conn, &SYSCTL);
            self.sent.push(emit.header.flags);
        }
        self.journal.note(self.now, &self.conn, &SYSCTL, &self.ring);
        result
    }

    /// The peer sends this.
    fn hears(&mut self, flags: Flags, seq: SeqNum, ack: SeqNum) {
        let options = TcpOptions { mss: flags.contains(Flags::SYN).then_some(1460), ..TcpOptions::NONE };
        let header = Header { window: 60_000, options, ..Header::new(seq, ack, flags) };
        self.does(|conn, ring, now| conn.handle_segment(now, &Segment { header, payload: &[] }, &SYSCTL, ring));
    }

    fn waits_until_nothing_is_due(&mut self) {
        while let Some(due) = self.conn.poll_timeout() {
            self.now = due;
            self.does(|conn, ring, now| conn.handle_timeout(now, &SYSCTL, ring));
        }
    }

    #[track_caller]
    fn reads(&self, expected: &str) {
        let actual = self.journal.render(NOON).to_string();
        let expected: Vec<&str> = expected.lines().map(str::trim).collect();
        assert_eq!(actual.lines().collect::<Vec<_>>(), expected, "\n{actual}");
    }
}

/// Runs `story` on a connection that was established at noon, 20 ms after its SYN.
fn connected(story: impl FnOnce(End<'_>)) {
    let (mut send, mut receive, mut records) = ([0; 2048], [0; 4096], [Sent::EMPTY; 8]);
    let now = Instant::from_millis(9_980);
    let flow = Flow { local: ([10, 0, 0, 2], 5000).into(), remote: ([10, 0, 0, 1], 80).into() };
    let setup = Setup { flow, iss: ISS, ts_offset: 0, mtu: 1500, options: Options::new().with_recv_buffer_size(4096) };
    let mut end = End {
        now,
        conn: Conn::connect(now, &setup, &SYSCTL),
        ring: Ring::new(&mut send, &mut receive, &mut records),
        journal: Journal::new([Entry::EMPTY; 32]),
        sent: Vec::new(),
    };
    end.does(|_, _, _| ());
    end.now += Duration::from_millis(20);
    end.hears(Flags::SYN | Flags::ACK, IRS, ISS + 1);
    assert_eq!(end.conn.state(), State::Established);
    story(end);
}

#[test]
fn an_orphan_whose_fin_nobody_acknowledges() {
    connected(|mut end| {
        assert_eq!(end.does(|conn, ring, now| conn.close(now, &SYSCTL, ring)), Closed::Orphan);
        end.waits_until_nothing_is_due();
        assert_eq!(end.conn.state(), State::Closed);
        // A round trip of 20 ms makes an RTO of 220 ms, and 102.2 s are over at the ninth expiry.
        end.reads(
            "11:59:59.980 connecting to 10.0.0.1:80; SYN again in 1 s
            12:00:00.000 connected to 10.0.0.1:80 (round trip 20 ms)
            12:00:00.000 closed by the application: an orphan now
            12:00:00.000 we have finished (FIN)
            12:00:00.220 resent the FIN (1st), next in 440 ms
            12:00:00.660 resent the FIN (2nd), next in 880 ms
            12:00:01.540 resent the FIN (3rd), next in 1.7 s
            12:00:03.300 past tcp_retries1 = 3, 3 s modelled: the path is doubtful
            12:00:03.300 resent the FIN (4th), next in 3.5 s
            12:00:06.820 resent the FIN (5th), next in 7 s
            12:00:13.860 resent the FIN (6th), next in 14 s
            12:00:27.940 resent the FIN (7th), next in 28.1 s
            12:00:56.100 resent the FIN (8th), next in 56.3 s
            12:01:52.420 gave up: tcp_orphan_retries = 0 (8 at first), 102.2 s modelled, silent for 112.4 s; \
             the peer is silent (no answer at all)",
        );
    });
}

#[test]
fn an_orphan_in_fin_wait_2() {
    connected(|mut end| {
        end.does(|conn, ring, now| conn.close(now, &SYSCTL, ring));
        end.now += Duration::from_millis(20);
        end.hears(Flags::ACK, IRS + 1, ISS + 2);
        let now = end.now;
        assert!(end.does(|conn, _, _| conn.take_time_wait(now)).is_some());
        end.reads(
            "11:59:59.980 connecting to 10.0.0.1:80; SYN again in 1 s
            12:00:00.000 connected to 10.0.0.1:80 (round trip 20 ms)
            12:00:00.000 closed by the application: an orphan now
            12:00:00.000 we have finished (FIN)
            12:00:00.020 the peer knows that we have finished
            12:00:00.020 FIN-WAIT-2 for 60 s at most",
        );
    });
}

#[test]
fn a_close_with_both_fins() {
    connected(|mut end| {
        end.does(|conn, ring, _| conn.finish(ring));
        end.now += Duration::from_millis(20);
        end.hears(Flags::FIN | Flags::ACK, IRS + 1, ISS + 2);
        end.does(|conn, _, now| conn.take_time_wait(now));
        assert_eq!(end.sent.last(), Some(&Flags::ACK));
        end.reads(
            "11:59:59.980 connecting to 10.0.0.1:80; SYN again in 1 s
            12:00:00.000 connected to 10.0.0.1:80 (round trip 20 ms)
            12:00:00.000 we have finished (FIN)
            12:00:00.020 the peer has finished (FIN)
            12:00:00.020 the peer knows that we have finished
            12:00:00.020 TIME-WAIT for 60 s",
        );
    });
}
