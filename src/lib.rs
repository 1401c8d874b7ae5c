//! A TCP in userspace that decides as Linux does whether a silent peer is still alive, and says which rule decided.
//!
//! It is `no_std` and does no I/O: packets and time go in, packets, deadlines and events come out. So a keepalive of
//! two hours is tested in a millisecond, and the same code drives a TUN device, a microcontroller's radio or a
//! simulation.
//!
//! # Two machines, five verbs
//!
//! [`tcp::Conn`] is one connection, `stack::Stack` is many. Both are told something, and then asked until they are
//! silent:
//!
//! | verb | |
//! |---|---|
//! | `handle_packet`, `handle_segment` | this arrived |
//! | `handle_timeout` | it is now so late |
//! | `poll_transmit` | what is to be sent? Until `None` |
//! | `poll_timeout` | when do you want to be told the time? |
//! | `poll_event` | what should the application know? Until `None` |
//!
//! A driver is eight lines, and stands with `stack`. One connection needs no heap. Here it connects into silence, with
//! Linux's settings:
//!
//! ```
//! use longhaul::buf::{Sent, ring::Ring};
//! use longhaul::config::Sysctl;
//! use longhaul::options::Options;
//! use longhaul::seq::SeqNum;
//! use longhaul::tcp::{Conn, Setup};
//! use longhaul::time::Instant;
//! use longhaul::wire::Flow;
//!
//! let (mut send, mut receive, mut records) = ([0; 2048], [0; 4096], [Sent::EMPTY; 8]);
//! let mut ring = Ring::new(&mut send, &mut receive, &mut records);
//!
//! let flow = Flow { local: "10.0.0.2:5000".parse()?, remote: "10.0.0.1:80".parse()? };
//! // Half of SO_RCVBUF's double is the window: what the ring can hold.
//! let options = Options::new().with_recv_buffer_size(4096);
//! let setup = Setup { flow, iss: SeqNum::new(77), ts_offset: 0, mtu: 1500, options };
//! let sysctl = Sysctl::LINUX;
//!
//! let mut now = Instant::ORIGIN;
//! let mut conn = Conn::connect(now, &setup, &sysctl);
//! let mut syns = 0;
//! loop {
//!     while let Some(_syn) = conn.poll_transmit(now, &sysctl, &mut ring) {
//!         syns += 1; // `wire::emit` would write it into a packet
//!     }
//!     let Some(next) = conn.poll_timeout() else { break };
//!     now = next;
//!     conn.handle_timeout(now, &sysctl, &mut ring);
//! }
//! assert_eq!((syns, now.as_millis()), (11, 131_000));
//! assert_eq!(conn.death().unwrap().to_string(), "no answer to the handshake (tcp_syn_retries)");
//! # Ok::<(), core::net::AddrParseError>(())
//! ```
//!
//! # Where to look
//!
//! | module | |
//! |---|---|
//! | [`liveness`] | the heart: when is a silent connection dead? One file a rule |
//! | [`tcp`] | one connection: RFC 9293's states, segments, windows, recovery |
//! | [`forecast`] | when a connection will die, and why, if nothing more is heard |
//! | `stack` | many connections: table, timers, listeners, events |
//! | `net` | a Linux host: TUN device, clock, a private kernel as peer |
//! | [`journal`] | what happened to one connection, and why, in plain words |
//! | `sim` | stacks in virtual time, with faulty links between them |
//! | `http` | HTTP/1.1 over any of it: the server's end of a connection |
//! | [`config`], [`options`] | settings and socket options, under Linux's names |
//! | [`error`], [`stats`] | why a connection ended; what was counted |
//! | [`buf`], [`wire`], [`congestion`] | queues; packets; windows |
//! | `pcapng` | capture files with comments |
//! | `timeline` | when what was sent, drawn for people |
//! | [`time`], [`seq`] | instants and sequence numbers |
//! | [`manual`] | documentation that is longer than a page |
//!
//! # Features
//!
//! Without any, what is linked above: `no_std`, and no allocator. `alloc` adds `stack`, `pcapng`, `timeline` and queues
//! on the heap; `std` the conversion into `io::Error`; `tun` the module `net` on Linux; `http` and `sim` theirs. All
//! are on by default, and none changes what another does.
#![no_std]

/// The blocks of README.md are tests as well.
#[cfg(all(doctest, feature = "tun", target_os = "linux"))]
#[doc = include_str!("../README.md")]
pub struct Readme;

#[cfg(any(feature = "alloc", test))]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod buf;
pub mod config;
pub mod congestion;
pub mod error;
pub mod forecast;
#[cfg(feature = "http")]
pub mod http;
pub mod journal;
pub mod liveness;
pub mod manual;
#[cfg(all(feature = "tun", target_os = "linux"))]
pub mod net;
pub mod options;
#[cfg(feature = "alloc")]
pub mod pcapng;
pub mod seq;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "alloc")]
pub mod stack;
pub mod stats;
pub mod tcp;
pub mod time;
#[cfg(feature = "alloc")]
pub mod timeline;
pub mod wire;
