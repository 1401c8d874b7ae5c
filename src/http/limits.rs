//! How much of anything one peer may make us hold or read: every bound with its name and its reason.

/// The limits of one connection. A peer that passes one is answered with its status, and the connection closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the request line (or status line), without its line end; beyond, 414. Default 8192: RFC 9112 3 asks
    /// for at least 8000.
    pub request_line_bytes: usize,
    /// Bytes of all field lines of a head; beyond, 431. Default 16 KiB, as node: browsers with large cookies stay
    /// below half of it.
    pub head_bytes: usize,
    /// Fields of a head or of trailers; beyond, 431. Default 100, as hyper.
    pub fields: usize,
    /// Bytes of all chunk extensions of a message; beyond, 400. Default 16 KiB, as hyper: nobody uses them, and
    /// without a bound a body of one-byte chunks is free amplification.
    pub chunk_extension_bytes: usize,
    /// Bytes of all trailer lines of a message; beyond, 431. Default 16 KiB, as hyper.
    pub trailer_bytes: usize,
    /// Bytes of a body after its chunks are decoded; beyond, 413. Default 1 MiB, as nginx's `client_max_body_size`;
    /// `u64::MAX` is no limit, for bodies are handed on and not gathered.
    pub body_bytes: u64,
}

impl Limits {
    /// The defaults, each with its reason at its field.
    pub const DEFAULT: Self = Self {
        request_line_bytes: 8192,
        head_bytes: 16 * 1024,
        fields: 100,
        chunk_extension_bytes: 16 * 1024,
        trailer_bytes: 16 * 1024,
        body_bytes: 1024 * 1024,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
