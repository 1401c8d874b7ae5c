//! longhaul
#![no_std]

#[cfg(any(feature = "alloc", test))]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod buf;
pub mod config;
pub mod congestion;
pub mod error;
#[cfg(feature = "http")]
pub mod http;
pub mod liveness;
pub mod manual;
#[cfg(all(feature = "tun", target_os = "linux"))]
pub mod net;
pub mod options;
#[cfg(feature = "alloc")]
pub mod pcapng;
pub mod seq;
#[cfg(feature = "alloc")]
pub mod stack;
pub mod stats;
pub mod tcp;
pub mod time;
pub mod wire;
