//! What lies between the ends, and what lies above them.

use super::lab::{End, Failure, Lab, SECOND, Setup, black_hole_ms, millis, model_ms, seconds};
use super::{Finding, Row};
use bytes::Bytes;
use longhaul::http::lines::{HeadReader, Section};
use longhaul::http::{Limits, RequestHead, ResponseHead};
use longhaul::options::Options;
use longhaul::sim::{Nat, Tracker};

pub(super) const MYTHS: &[Row] = &[
    (
        "A box on the path resets idle connections.",
        "Most forget them without a word, and nobody is told. The next packet finds out: where the box answers, by a \
         reset; where it does not, by a quarter of an hour of retransmissions.",
        forgetful_boxes,
    ),
    (
        "HTTP keep-alive needs TCP keepalive; without it a persistent connection breaks.",
        "They share a word. A persistent connection needs no packets while it is idle. TCP keepalive finds dead peers, \
         and keeps boxes on the path from forgetting.",
        two_keepalives,
    ),
];

fn forgetful_boxes(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("an hour of silence, then a write, through a NAT that forgets after 300 s and says nothing");
    let mut lab = Lab::new(&Setup::default())?;
    let (a, b) = (lab.a, lab.b);
    lab.sim.place(a, b, Nat::new([203, 0, 113, 1].into()));
    let client = write_after_an_hour(&mut lab, "behind a NAT of 300 s")?;
    finding.same("sent by anybody in that hour", lab.sent_by(a).len() + lab.sent_by(b).len(), 0);
    finding.holds("nobody noticed", lab.is_established(client));
    lab.mark();
    lab.write(client, "hello")?;
    let (lived, error) = lab.death(client)?;
    finding.same("after the write: dead after", seconds(millis(lived)), seconds(black_hole_ms(201, model_ms(15)).1));
    finding.same("error", format!("{:?}", error.errno()), "ETIMEDOUT".into());
    finding.keep(&lab);

    finding.run("the same through a load balancer that forgets after 900 s, and answers with a reset");
    let mut lab = Lab::new(&Setup::default())?;
    lab.sim.place(a, b, Tracker::load_balancer());
    let client = write_after_an_hour(&mut lab, "behind a load balancer of 900 s")?;
    finding.same("sent by anybody in that hour", lab.sent_by(a).len() + lab.sent_by(b).len(), 0);
    finding.holds("nobody noticed that, either", lab.is_established(client));
    lab.mark();
    lab.write(client, "hello")?;
    let (lived, error) = lab.death(client)?;
    finding.same("after the write: dead after", seconds(millis(lived)), "0 s".into());
    finding.same("error", format!("{:?}", error.errno()), "ECONNRESET".into());
    finding.keep(&lab);
    Ok(())
}

/// Connects, and is silent for an hour.
fn write_after_an_hour(lab: &mut Lab, label: &str) -> Result<End, Failure> {
    let (client, _) = lab.connect(Options::new())?;
    lab.watch(client, label);
    lab.sim.run_for(SECOND);
    lab.mark();
    lab.run_to(3600 * SECOND);
    Ok(client)
}

fn two_keepalives(finding: &mut Finding) -> Result<(), Failure> {
    finding.run("two HTTP/1.1 requests on one connection without SO_KEEPALIVE, a day apart");
    let mut lab = Lab::new(&Setup::default())?;
    let (client, server) = lab.connect(Options::new())?;
    lab.watch(client, "HTTP keep-alive without TCP keepalive");
    finding.holds("the first request is answered", exchange(&mut lab, client, server)?);
    lab.sim.run_for(SECOND);
    let before = lab.sent_by(lab.a).len() + lab.sent_by(lab.b).len();
    lab.sim.run_for(86_400 * SECOND);
    let after = lab.sent_by(lab.a).len() + lab.sent_by(lab.b).len();
    finding.same("packets in that day", after - before, 0);
    let persists = exchange(&mut lab, client, server)?;
    finding.same("the second request is answered", persists, true);
    finding.keep(&lab);
    Ok(())
}

/// A request and its answer; whether the answer came, and leaves the connection open for another.
fn exchange(lab: &mut Lab, client: End, server: End) -> Result<bool, Failure> {
    lab.write(client, "GET / HTTP/1.1\r\nHost: b\r\n\r\n")?;
    lab.sim.run_for(SECOND / 10);
    let mut request = Bytes::from(lab.read(server)?);
    let limits = Limits::DEFAULT;
    let Some(head) = HeadReader::new(Section::Request).read(&mut request, &limits)? else { return Ok(false) };
    let request = RequestHead::parse(&head)?;
    lab.write(server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
    lab.sim.run_for(SECOND / 10);
    let mut answer = Bytes::from(lab.read(client)?);
    let Some(head) = HeadReader::new(Section::Response).read(&mut answer, &limits)? else { return Ok(false) };
    let response = ResponseHead::parse(&head, &request.method)?;
    Ok(request.persists() && response.persists() && answer == "ok")
}
