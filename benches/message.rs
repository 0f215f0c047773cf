//! A message that is echoed in memory: the read's copy, decoding, encoding, and one write for all
//! that came together. The floor does the same to bytes that it trusts.

mod common;

use std::{
    hint::black_box,
    io::{self, IoSlice, Read, Write},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wscore::{Frame, Handshake, Header, Role, cipher};
use wsutil::{Connection, Endpoint, Plain};

/// Payload in bytes, messages that come together, whether they are text.
const POINTS: [(usize, usize, bool); 9] = [
    (16, 16, false),
    (125, 16, false),
    (125, 1, false),
    (1024, 16, false),
    (16 << 10, 1, false),
    (64 << 10, 1, false),
    (1 << 20, 1, false),
    (1024, 16, true),
    (16 << 10, 1, true),
];

/// Masked messages, as they come in one read.
fn burst(size: usize, count: usize, text: bool) -> Vec<u8> {
    let mut bytes = vec![];
    for index in 0..count {
        let payload: Vec<u8> = (0..size).map(|at| b'a' + ((at * 31 + index) % 26) as u8).collect();
        let frame = if text { Frame::text(payload) } else { Frame::binary(payload) };
        frame.encode_masked([0x37, 0xfa, 0x21, 0x3d], &mut bytes).unwrap();
    }
    bytes
}

/// A peer that sends the burst again and again, and counts what it gets.
struct Peer<'b> {
    burst: &'b [u8],
    at: usize,
    bursts: u64,
    written: u64,
    writes: u64,
}

impl Read for Peer<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.at == self.burst.len() {
            if self.bursts == 0 {
                return Ok(0);
            }
            (self.at, self.bursts) = (0, self.bursts - 1);
        }
        let len = room.len().min(self.burst.len() - self.at);
        room[..len].copy_from_slice(&self.burst[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

impl Write for Peer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written += black_box(bytes).len() as u64;
        self.writes += 1;
        Ok(bytes.len())
    }
    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = black_box(pieces).iter().map(|piece| piece.len()).sum();
        self.written += len as u64;
        self.writes += 1;
        Ok(len)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What no echo of whole messages can do without.
fn floor(peer: &mut Peer<'_>, buffer: &mut Vec<u8>) {
    let mut filled = 0;
    loop {
        if filled == buffer.len() {
            buffer.resize(buffer.len() * 2, 0);
        }
        let read = peer.read(&mut buffer[filled..]).unwrap();
        if read == 0 {
            return;
        }
        filled += read;
        let (mut from, mut to) = (0, 0);
        while let Ok(Some((header, size))) = Header::parse(&buffer[from..filled]) {
            let (start, len) = (from + size, header.len as usize);
            if start + len > filled {
                break;
            }
            cipher(&mut buffer[start..start + len], header.mask.unwrap_or_default(), 0);
            let reply = Header { mask: None, ..header }.encode();
            buffer[to..to + reply.len()].copy_from_slice(&reply);
            buffer.copy_within(start..start + len, to + reply.len());
            (from, to) = (start + len, to + reply.len() + len);
        }
        if to > 0 {
            peer.write_all(&buffer[..to]).unwrap();
        }
        buffer.copy_within(from..filled, 0);
        filled -= from;
    }
}

fn connection(peer: &mut Peer<'_>) {
    let endpoint = Endpoint::new(Role::Server);
    let mut connection = Connection::from_parts(Plain(peer), endpoint, Handshake::default());
    while let Ok(Some((message, mut reply))) = connection.receive() {
        reply.send(message).unwrap();
    }
}

fn messages(criterion: &mut Criterion) {
    for (size, count, text) in POINTS {
        let burst = burst(size, count, text);
        let kind = if text { "text" } else { "binary" };
        let mut group = criterion.benchmark_group(format!("message/{kind}_{size}x{count}"));
        group.throughput(Throughput::Elements(count as u64));
        let mut measure = |name: &str, echo: &mut dyn FnMut(&mut Peer<'_>)| {
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|bursts| {
                    let mut peer =
                        Peer { burst: &burst, at: burst.len(), bursts, written: 0, writes: 0 };
                    let start = std::time::Instant::now();
                    echo(&mut peer);
                    let took = start.elapsed();
                    let replies = bursts * (burst.len() - 4 * count) as u64;
                    assert_eq!(peer.written, replies, "every reply was written");
                    took
                });
            });
        };
        let mut buffer = vec![0; 256 << 10];
        measure("floor", &mut |peer| floor(peer, &mut buffer));
        measure("connection", &mut |peer| connection(peer));
    }
}

criterion_group!(benches, messages);
criterion_main!(benches);
