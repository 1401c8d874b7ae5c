//! What the application sees when a connection dies (Linux `tcp_reset`, `tcp_write_err`, `sk_err`, `tcp_poll`).
#![cfg(feature = "alloc")]

mod common;

use common::{Peer, ms, secs};
use longhaul::error::{Cause, Errno, Error};
use longhaul::options::{Options, TcpKeepalive};
use longhaul::tcp::{Event, State};

fn timed_out(cause: Cause) -> Error {
    Error::TimedOut { cause, errno: Errno::ETIMEDOUT }
}

fn open(options: Options) -> Peer {
    let mut t = Peer::with(|c| (c.sysctl.tcp_retries2, c.sysctl.tcp_keepalive_probes) = (0, 1));
    t.open(options);
    t.events();
    t
}

/// Each way to die, just before its death: the harness, the moment, what leaves then, and the error.
fn dying() -> Vec<(Peer, Error, Option<&'static str>)> {
    let mut all = Vec::new();
    let mut t = open(Options::new());
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.expect_at(ms(201), "P. 1:101(100) ack 1");
    t.advance_to(ms(602));
    all.push((t, timed_out(Cause::Retransmission), None));

    let mut t = open(Options::new());
    t.inject(". 1:1(0) ack 1 win 0");
    t.write(100);
    t.advance_to(ms(200));
    all.push((t, timed_out(Cause::ZeroWindow), None));

    let mut t = open(Options::new().with_tcp_user_timeout(Some(ms(100))).unwrap());
    t.write(100);
    t.expect("P. 1:101(100) ack 1");
    t.expect_at(ms(201), "P. 1:101(100) ack 1");
    t.advance_to(ms(300));
    all.push((t, timed_out(Cause::UserTimeout), None));

    let keepalive = TcpKeepalive::new().with_time(secs(1)).with_interval(secs(1));
    let mut t = open(Options::new().with_keepalive(true).with_tcp_keepalive(&keepalive).unwrap());
    t.expect_at(secs(1), ". 0:0(0) ack 1");
    t.advance_to(ms(1999));
    all.push((t, timed_out(Cause::Keepalive), Some("R. 1:1(0) ack 1")));
    all
}

#[test]
fn every_liveness_rule_ends_a_connection_in_the_same_way() {
    for (mut t, error, last_words) in dying() {
        assert_eq!((t.death(), t.read(1)), (None, Err(Error::WouldBlock)), "not before its time: {error}");
        t.advance(ms(1));
        if let Some(reset) = last_words {
            t.expect(reset);
        }
        t.expect_nothing();
        assert_eq!((t.state(), t.death()), (State::Closed, Some(error)));
        assert_eq!(t.events(), [Event::Readable, Event::Writable, Event::Closed(Some(error))]);
        assert_eq!(t.read(1), Err(error), "once");
        assert_eq!((t.read(1), t.try_write(1)), (Ok(0), Err(Error::BrokenPipe)));
        assert_eq!((t.take_error(), t.death()), (None, Some(error)));
        // Whatever still comes is for nobody.
        t.inject(". 1:1(0) ack 1");
        t.expect("R 1:1(0) win 0");
        t.close();
        assert_eq!(t.stack.connections().count(), 0);
    }
}

#[test]
fn a_write_may_be_the_first_to_hear_of_it() {
    for (mut t, error, last_words) in dying() {
        t.advance(ms(1));
        last_words.inspect(|reset| t.expect(reset));
        assert_eq!((t.try_write(1), t.try_write(1), t.read(1)), (Err(error), Err(Error::BrokenPipe), Ok(0)));
    }
}

#[test]
fn so_error_may_be_the_first_to_hear_of_it() {
    for (mut t, error, last_words) in dying() {
        t.advance(ms(1));
        last_words.inspect(|reset| t.expect(reset));
        assert_eq!((t.take_error(), t.take_error()), (Some(error), None));
        assert_eq!((t.read(1), t.try_write(1)), (Ok(0), Err(Error::BrokenPipe)));
    }
}

#[test]
fn what_was_received_is_read_before_the_error() {
    let mut t = open(Options::new());
    t.advance(ms(20));
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    t.advance(ms(10));
    t.inject("R 11:11(0) win 0");
    assert_eq!(t.read(4), Ok(4));
    assert_eq!((t.read(100), t.read(100), t.read(100)), (Ok(6), Err(Error::Reset), Ok(0)));
    // What lay beyond a gap is lost.
    let mut t = open(Options::new());
    t.inject("P. 11:21(10) ack 1");
    t.expect(". 1:1(0) ack 1");
    t.inject("R 1:1(0) win 0");
    assert_eq!((t.read(100), t.read(100)), (Err(Error::Reset), Ok(0)));
}

#[test]
fn after_the_peers_fin_reads_end_and_the_next_write_hears_the_error() {
    // A pooled connection that went stale.
    let mut t = open(Options::new());
    t.inject("F. 1:1(0) ack 1");
    t.expect_at(ms(1), ". 1:1(0) ack 2");
    t.advance(ms(100));
    t.write(100);
    t.expect("P. 1:101(100) ack 2");
    t.advance(ms(20));
    t.inject("R 2:2(0) win 0");
    assert_eq!((t.read(100), t.read(100)), (Ok(0), Ok(0)));
    assert_eq!((t.try_write(1), t.try_write(1)), (Err(Error::BrokenPipe), Err(Error::BrokenPipe)));
    // The same by a liveness rule.
    let mut t = open(Options::new());
    t.inject("F. 1:1(0) ack 1");
    t.write(100);
    t.expect("P. 1:101(100) ack 2");
    t.expect_at(ms(201), "P. 1:101(100) ack 2");
    t.advance_to(ms(603));
    assert_eq!((t.read(100), t.read(100)), (Ok(0), Ok(0)));
    let error = timed_out(Cause::Retransmission);
    assert_eq!((t.try_write(1), t.try_write(1)), (Err(error), Err(Error::BrokenPipe)));
}

#[test]
fn a_reset_after_the_peers_fin_is_a_broken_pipe() {
    let mut t = open(Options::new());
    t.inject("F. 1:1(0) ack 1");
    t.expect_at(ms(1), ". 1:1(0) ack 2");
    t.inject("R 2:2(0) win 0");
    assert_eq!((t.take_error(), t.take_error()), (Some(Error::BrokenPipe), None));
}

#[test]
fn a_write_that_fits_in_part_says_how_much_and_the_next_one_hears_the_error() {
    let mut t = open(Options::new().with_send_buffer_size(2500));
    t.inject(". 1:1(0) ack 1 win 0");
    assert_eq!(t.try_write(6000), Ok(5000));
    assert_eq!(t.try_write(1), Ok(0));
    assert!(!t.act(|conn, _| conn.is_writable()));
    t.advance(ms(201));
    assert_eq!(t.events(), [Event::Readable, Event::Writable, Event::Closed(t.death())]);
    assert!(t.act(|conn, _| conn.is_writable()), "so that the writer comes and hears");
    let error = timed_out(Cause::ZeroWindow);
    assert_eq!((t.try_write(1), t.try_write(1)), (Err(error), Err(Error::BrokenPipe)));
}

#[test]
fn a_blocked_writer_is_woken_when_there_is_room_again() {
    let mut t = open(Options::new().with_send_buffer_size(2920));
    assert_eq!(t.try_write(8000), Ok(5840));
    for _ in 0..4 {
        t.next_left().unwrap();
    }
    assert_eq!(t.events(), []);
    t.inject(". 1:1(0) ack 5841 win 500");
    assert_eq!(t.events(), [Event::Writable]);
    assert_eq!(t.try_write(8000), Ok(5840));
    while t.next_left().is_some() {}
}

#[test]
fn readiness_follows_data_end_and_death() {
    let ready = |t: &mut Peer| t.act(|conn, _| (conn.is_readable(), conn.is_writable()));
    let mut t = open(Options::new());
    assert_eq!(ready(&mut t), (false, true));
    t.inject("P. 1:11(10) ack 1");
    t.expect(". 1:1(0) ack 11");
    assert_eq!(ready(&mut t), (true, true));
    assert_eq!(t.read(100), Ok(10));
    assert_eq!(ready(&mut t), (false, true));
    t.inject("F. 11:11(0) ack 1");
    assert_eq!(ready(&mut t), (true, true));
    t.close();
    t.expect("F. 1:1(0) ack 12");

    let mut t = open(Options::new());
    t.inject("R 1:1(0) win 0");
    assert_eq!(ready(&mut t), (true, true));
    assert_eq!(t.read(1), Err(Error::Reset));
    assert_eq!(ready(&mut t), (true, true), "for ever: reads end, writes fail");
}

#[test]
fn rfc9293_must_12_the_application_can_tell_an_end_from_a_reset() {
    let mut t = open(Options::new());
    t.inject("F. 1:1(0) ack 1");
    assert_eq!((t.events(), t.read(1)), (vec![Event::Readable, Event::Finished], Ok(0)));
    t.finish();
    t.expect("F. 1:1(0) ack 2");
    t.inject(". 2:2(0) ack 2");
    assert_eq!((t.death(), t.take_error()), (None, None));
    assert_eq!(t.events().last(), Some(&Event::Closed(None)));
    let mut t = open(Options::new());
    t.inject("R 1:1(0) win 0");
    assert_eq!(t.events().last(), Some(&Event::Closed(Some(Error::Reset))));
}

#[test]
fn rfc9293_ev_76_writing_after_we_finished_is_a_broken_pipe_and_reading_goes_on() {
    let mut t = open(Options::new());
    t.finish();
    t.expect("F. 1:1(0) ack 1");
    t.inject(". 1:1(0) ack 2");
    assert_eq!((t.try_write(1), t.read(1)), (Err(Error::BrokenPipe), Err(Error::WouldBlock)));
    t.inject("P. 1:11(10) ack 2");
    t.expect(". 2:2(0) ack 11");
    assert_eq!(t.read(100), Ok(10));
}

#[test]
fn our_own_abort_is_no_ones_error() {
    let mut t = open(Options::new());
    t.write(10);
    t.expect("P. 1:11(10) ack 1");
    t.abort();
    t.expect("R. 11:11(0) ack 1");
    assert_eq!(t.events(), []);
    assert_eq!(t.stack.connections().count(), 0);
}
