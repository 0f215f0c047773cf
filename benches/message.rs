//! A message that is echoed in memory: the read's copy, decoding, encoding, and one write for all
//! that came together. The floor does the same to bytes that it trusts.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a bench asserts its results"
)]

mod common;

use std::{
    hint::black_box,
    io::{self, IoSlice, Read, Write},
    time::Instant,
};

use criterion::{BenchmarkId, Throughput};
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

fn main() {
    let mut criterion = common::criterion();
    let columns = POINTS.map(|(size, count, text)| {
        format!("{size} B ×{count}{}", if text { ", text" } else { "" })
    });
    let mut group = criterion.benchmark_group("message");
    let mut buffer = vec![0; 256 << 10];
    for ((size, count, text), column) in POINTS.into_iter().zip(&columns) {
        let burst = burst(size, count, text);
        group.throughput(Throughput::Elements(count as u64));
        let mut measure = |name: &str, echo: &mut dyn FnMut(&mut Peer<'_>)| {
            group.bench_function(BenchmarkId::new(name, column), |bencher| {
                bencher.iter_custom(|messages| {
                    // A time for each message, not for each burst.
                    let bursts = messages.div_ceil(count as u64);
                    let mut peer =
                        Peer { burst: &burst, at: burst.len(), bursts, written: 0, writes: 0 };
                    let start = Instant::now();
                    echo(&mut peer);
                    let took = start.elapsed();
                    let replies = bursts * (burst.len() - 4 * count) as u64;
                    assert_eq!(peer.written, replies, "every reply was written");
                    took.mul_f64(messages as f64 / (bursts * count as u64) as f64)
                });
            });
        };
        measure("floor", &mut |peer| floor(peer, &mut buffer));
        measure("Connection", &mut |peer| connection(peer));
    }
    group.finish();
    criterion.final_summary();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    common::table("message", "floor", &["floor", "Connection"], &columns);
}
