//! What the tests with hostile peers share: forged packets, reproducible chance, and one host with scripted peers.
#![allow(dead_code)] // each test crate uses its part

pub(crate) mod packet;
pub(crate) mod random;
pub(crate) mod rig;
