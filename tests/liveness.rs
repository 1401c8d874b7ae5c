//! All rules of [`longhaul::liveness`] as timelines of a whole stack in virtual time: a connection, a peer that falls
//! silent or answers as scripted, and what leaves the stack at which millisecond until the connection is dead.
//!
//! The expected times are computed from Linux's rules with exact timers of 1 ms, never copied from a run. The handshake
//! takes 1 ms unless a test says otherwise, so the first RTO is 201 ms. No connection here negotiates SACK, so no tail
//! loss probe precedes the first timeout.
#![cfg(feature = "alloc")]

mod common;

#[path = "liveness/closing.rs"]
mod closing;
#[path = "liveness/handshake.rs"]
mod handshake;
#[path = "liveness/keepalive.rs"]
mod keepalive;
#[path = "liveness/keepalive_live.rs"]
mod keepalive_live;
#[path = "liveness/profiles.rs"]
mod profiles;
#[path = "liveness/retransmission.rs"]
mod retransmission;
#[path = "liveness/rto.rs"]
mod rto;
#[path = "liveness/timeline.rs"]
mod timeline;
#[path = "liveness/user_timeout.rs"]
mod user_timeout;
#[path = "liveness/zero_window.rs"]
mod zero_window;
