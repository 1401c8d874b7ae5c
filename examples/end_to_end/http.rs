//! HTTP/1.1 over anything that reads and writes: our streams and the kernel's alike. The server is `http::Server`; the
//! client reads responses with the parts that it shares with one.

use bytes::Bytes;
use longhaul::http::body::{BodyReader, Piece};
use longhaul::http::lines::{HeadReader, Section};
use longhaul::http::server::{Config, Event, Output, Server};
use longhaul::http::{Limits, MessageError, Method, Response, ResponseHead, Version};
use longhaul::time::Instant;
use std::io::{self, Read, Write};

/// Answers requests on one connection until the peer is done with it. Returns how many were answered.
///
/// Reads block here, so the server's own timeouts do not run: `poll_timeout` would say how long a read may take.
pub(crate) fn serve(mut stream: impl Read + Write) -> io::Result<usize> {
    let started = std::time::Instant::now();
    let now = || Instant::ORIGIN + started.elapsed();
    let mut server = Server::new(now(), Config::DEFAULT);
    let mut answered = 0;
    loop {
        let input = read(&mut stream)?;
        if input.is_empty() {
            server.handle_end(now());
        }
        let mut left = server.handle_input(now(), input);
        loop {
            while let Some(event) = server.poll_event(now()) {
                if let Event::Request { id, head } = event {
                    answered += 1;
                    let body = format!("{} {} number {answered}\n", head.method.as_str(), head.target());
                    let response = Response::new(200).map_err(io::Error::other)?.with_body(body);
                    server.respond(now(), id, response).map_err(io::Error::other)?;
                }
            }
            while let Some(output) = server.poll_output(now()) {
                match output {
                    Output::Data(data) => stream.write_all(&data)?,
                    // Dropping the stream does both.
                    Output::Finish | Output::Close => return Ok(answered),
                }
            }
            if left.is_empty() {
                break;
            }
            left = server.handle_input(now(), left);
        }
    }
}

/// Fetches `paths` one after another on one persistent connection; the bodies in order.
pub(crate) fn fetch(mut stream: impl Read + Write, paths: &[&str]) -> io::Result<Vec<String>> {
    let mut input = Bytes::new();
    let mut bodies = Vec::new();
    for path in paths {
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: longhaul\r\n\r\n").as_bytes())?;
        let (response, body) = loop {
            let mut rest = input.clone();
            if let Some(response) = response(&mut rest).map_err(io::Error::other)? {
                input = rest;
                break response;
            }
            let more = read(&mut stream)?;
            if more.is_empty() {
                return Err(invalid("closed within an answer"));
            }
            input = [input, more].concat().into();
        };
        if response.status != 200 || response.version != Version::Http11 || response.headers.has("connection") {
            return Err(invalid("an answer that is not 200, or ends the connection"));
        }
        bodies.push(String::from_utf8_lossy(&body).trim_end().to_owned());
    }
    Ok(bodies)
}

/// A whole response off the front of `input`; `None` if it is not complete.
pub(crate) fn response(input: &mut Bytes) -> Result<Option<(ResponseHead, Vec<u8>)>, MessageError> {
    let limits = Limits::DEFAULT;
    let Some(head) = HeadReader::new(Section::Response).read(input, &limits)? else { return Ok(None) };
    let head = ResponseHead::parse(&head, &Method::Get)?;
    let mut reader = BodyReader::new(head.body);
    let mut body = Vec::new();
    while let Some(piece) = reader.read(input, &limits)? {
        match piece {
            Piece::Data(data) => body.extend_from_slice(&data),
            Piece::Trailers(_) => {}
            Piece::End => return Ok(Some((head, body))),
        }
    }
    Ok(None)
}

fn read(stream: &mut impl Read) -> io::Result<Bytes> {
    let mut chunk = [0; 4096];
    let len = stream.read(&mut chunk)?;
    Ok(Bytes::copy_from_slice(&chunk[..len]))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
