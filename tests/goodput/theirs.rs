//! A host with smoltcp: its CUBIC, and its reassembly with as many gaps as it can be built for.

use crate::race::{BUFFER, End, LEN, byte};
use alloc::collections::VecDeque;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

pub(crate) struct Host {
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    device: Queues,
    to_send: Vec<u8>,
    written: usize,
    read: usize,
}

/// A sender that is about to connect, and a receiver that listens.
pub(crate) fn pair(seed: u64) -> [Host; 2] {
    let (mut sender, mut receiver) = (host(1, seed), host(2, seed));
    sender.to_send = (0..LEN).map(byte).collect();
    receiver.sockets.get_mut::<Socket<'_>>(receiver.socket).listen(80).expect("closed");
    let context = sender.interface.context();
    let remote = (IpAddress::v4(10, 0, 0, 2), 80);
    sender.sockets.get_mut::<Socket<'_>>(sender.socket).connect(context, remote, 4000).expect("closed");
    [sender, receiver]
}

fn host(last: u8, seed: u64) -> Host {
    let mut device = Queues::default();
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = seed.wrapping_mul(2) + u64::from(last);
    let mut interface = Interface::new(config, &mut device, Instant::ZERO);
    interface
        .update_ip_addrs(|addrs| addrs.push(IpCidr::new(IpAddress::v4(10, 0, 0, last), 24)).expect("room for one"));
    let buffer = || SocketBuffer::new(vec![0; BUFFER]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.set_congestion_control(CongestionControl::Cubic);
    let mut sockets = SocketSet::new(Vec::new());
    let socket = sockets.add(socket);
    Host { interface, sockets, socket, device, to_send: Vec::new(), written: 0, read: 0 }
}

impl Host {
    fn act(&mut self) {
        let socket = self.sockets.get_mut::<Socket<'_>>(self.socket);
        if self.written < self.to_send.len() && socket.can_send() {
            self.written += socket.send_slice(&self.to_send[self.written..]).expect("it can");
        }
        while socket.can_recv() {
            let read = self.read;
            let check = |bytes: &mut [u8]| {
                assert!(bytes.iter().enumerate().all(|(at, &it)| it == byte(read + at)), "wrong bytes");
                (bytes.len(), bytes.len())
            };
            self.read += socket.recv(check).expect("it can");
        }
    }
}

impl End for Host {
    fn handle_packet(&mut self, _now_us: u64, packet: &[u8]) {
        self.device.received.push_back(packet.to_vec());
    }

    fn turn(&mut self, now_us: u64, send: &mut dyn FnMut(&[u8])) {
        let now = Instant::from_micros(now_us.cast_signed());
        self.interface.poll(now, &mut self.device, &mut self.sockets);
        self.act();
        self.interface.poll(now, &mut self.device, &mut self.sockets);
        self.device.sent.drain(..).for_each(|packet| send(&packet));
    }

    fn next_us(&mut self, now_us: u64) -> Option<u64> {
        let next = self.interface.poll_at(Instant::from_micros(now_us.cast_signed()), &self.sockets)?;
        Some(next.total_micros().cast_unsigned())
    }

    fn read(&self) -> usize {
        self.read
    }
}

/// A device of two queues.
#[derive(Default)]
struct Queues {
    received: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

struct Received(Vec<u8>);
struct Sent<'a>(&'a mut Vec<Vec<u8>>);

impl Device for Queues {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sent<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sent<'_>)> {
        Some((Received(self.received.pop_front()?), Sent(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sent<'_>> {
        Some(Sent(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1500;
        capabilities
    }
}

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(&self.0)
    }
}

impl phy::TxToken for Sent<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let mut packet = vec![0; len];
        let result = fill(&mut packet);
        self.0.push(packet);
        result
    }
}
