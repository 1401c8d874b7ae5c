//! The stack on a Linux host: a clock, a TUN device, and a private kernel peer that needs no root.

mod clock;
pub mod namespace;
mod sys;
mod tun;

pub use clock::Clock;
pub use namespace::Namespace;
pub use tun::Tun;
