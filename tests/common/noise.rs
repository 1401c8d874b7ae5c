//! Bytes that tell if they were changed.

use std::io::{Read, Write};

/// Writes `len` bytes that do not repeat, and returns their digest.
pub(crate) fn send_noise(mut to: impl Write, len: usize, seed: u64) -> u64 {
    let (mut noise, mut digest) = (Noise(seed), Digest::new());
    let mut left = len;
    let mut chunk = vec![0; 60_000];
    while left > 0 {
        let chunk = &mut chunk[..left.min(60_000)];
        noise.fill(chunk);
        digest.update(chunk);
        to.write_all(chunk).unwrap();
        left -= chunk.len();
    }
    digest.0
}

/// Reads to the end of the stream, and returns the length and the digest.
pub(crate) fn digest_of(mut from: impl Read) -> (usize, u64) {
    let mut digest = Digest::new();
    let mut chunk = vec![0; 65_536];
    let mut len = 0;
    loop {
        match from.read(&mut chunk).unwrap() {
            0 => return (len, digest.0),
            read => {
                digest.update(&chunk[..read]);
                len += read;
            }
        }
    }
}

/// A generator of bytes (xorshift).
struct Noise(u64);

impl Noise {
    fn fill(&mut self, bytes: &mut [u8]) {
        for bytes in bytes.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            bytes.copy_from_slice(&self.0.to_le_bytes()[..bytes.len()]);
        }
    }
}

/// FNV-1a over 64 bits: depends on every byte and on their order.
struct Digest(u64);

impl Digest {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
