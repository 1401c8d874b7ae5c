//! A minimal HTTP/1.1 responder and client over anything that reads and writes: our streams and the kernel's alike.

use longhaul::http::head::{self, Framing};
use std::io::{self, Read, Write};

/// Answers requests on one connection until the peer is done with it. Returns how many were answered.
pub(crate) fn serve(mut stream: impl Read + Write) -> io::Result<usize> {
    let mut buffer = Buffer::default();
    let mut answered = 0;
    loop {
        let Some(bytes) = buffer.head(&mut stream)? else { return Ok(answered) };
        let (body, keep_alive, len) = match head::parse_request(&bytes) {
            Ok(Some(request)) => {
                let body = format!("{} {} number {}\n", request.method, request.target, answered + 1);
                let Framing::Length(length) = request.framing else { return Err(invalid("a request until close")) };
                buffer.skip(&mut stream, request.len, length)?;
                (body, request.keep_alive, None::<u16>)
            }
            Ok(None) => return Err(invalid("an incomplete head")),
            Err(error) => (format!("{error}\n"), false, Some(error.status())),
        };
        let status = len.unwrap_or(200);
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let length = body.len();
        let head = format!("HTTP/1.1 {status} -\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\r\n");
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
        answered += 1;
        if !keep_alive {
            return Ok(answered);
        }
    }
}

/// Fetches `paths` one after another on one persistent connection; the bodies in order.
pub(crate) fn fetch(mut stream: impl Read + Write, paths: &[&str]) -> io::Result<Vec<String>> {
    let mut buffer = Buffer::default();
    let mut bodies = Vec::new();
    for path in paths {
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: longhaul\r\n\r\n").as_bytes())?;
        let bytes = buffer.head(&mut stream)?.ok_or_else(|| invalid("closed instead of an answer"))?;
        let response = head::parse_response(&bytes, false).map_err(io::Error::other)?;
        let response = response.ok_or_else(|| invalid("an incomplete head"))?;
        let Framing::Length(length) = response.framing else { return Err(invalid("an answer without a length")) };
        let body = buffer.skip(&mut stream, response.len, length)?;
        if response.status != 200 || !response.keep_alive {
            return Err(invalid("an answer that is not 200, or ends the connection"));
        }
        bodies.push(String::from_utf8_lossy(&body).trim_end().to_owned());
    }
    Ok(bodies)
}

/// What arrived and was not yet used.
#[derive(Default)]
struct Buffer(Vec<u8>);

impl Buffer {
    /// Reads until the buffer starts with a whole head; `None` if the peer closed between messages.
    fn head(&mut self, stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
        loop {
            if self.0.windows(4).any(|window| window == b"\r\n\r\n") || self.0.len() > head::HEAD_BYTES_MAX {
                return Ok(Some(self.0.clone()));
            }
            if self.fill(stream)? == 0 {
                return if self.0.is_empty() { Ok(None) } else { Err(invalid("closed within a head")) };
            }
        }
    }

    /// Drops a head of `head` bytes and takes a body of `body` bytes.
    fn skip(&mut self, stream: &mut impl Read, head: usize, body: u64) -> io::Result<Vec<u8>> {
        let end = head + usize::try_from(body).map_err(io::Error::other)?;
        while self.0.len() < end {
            if self.fill(stream)? == 0 {
                return Err(invalid("closed within a body"));
            }
        }
        let rest = self.0.split_off(end);
        let message = std::mem::replace(&mut self.0, rest);
        Ok(message[head..].to_vec())
    }

    fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        let mut chunk = [0; 4096];
        let len = stream.read(&mut chunk)?;
        self.0.extend_from_slice(&chunk[..len]);
        Ok(len)
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
