//! Messages compressed and decompressed, beside flate2 used naively and libdeflate: time, size, and
//! what a connection holds between messages.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a bench asserts its results"
)]

#[path = "../../benches/common/mod.rs"]
#[allow(dead_code, reason = "the table that is not used here")]
mod common;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use wsflate::{Compressor, Config, Decompressor, Deflate, Direction, WindowBits};

/// Payloads: JSON of these sizes, and bytes that cannot be compressed.
const COLUMNS: [&str; 6] = ["64 B", "350 B", "1 KiB", "16 KiB", "1 KiB noise", "16 KiB noise"];

/// Messages that take turns: more than any window holds, so that none is found again whole.
fn count(size: usize) -> usize {
    (160 << 10) / size
}

/// Connections that take turns with the compressors, and with the messages: many more than there are
/// compressors, and a prime, so that each gets all messages.
const CONNECTIONS: usize = 101;

fn payloads(column: &str) -> Vec<Vec<u8>> {
    let size = match column.split_once(' ').unwrap() {
        (number, "B") => number.parse().unwrap(),
        (number, _) => number.parse::<usize>().unwrap() << 10,
    };
    let mut seed = 1u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    (0..count(size))
        .map(|_| {
            if column.ends_with("noise") {
                return (0..size).map(|_| random() as u8).collect();
            }
            let mut json = String::from("[");
            while json.len() < size {
                let user = ["alice", "bob", "carol", "dave", "eve", "mallory"][random() % 6];
                let (id, price, cents) = (random() % 1_000_000, random() % 1000, random() % 100);
                json += &format!(
                    "{{\"id\":{id},\"user\":\"{user}\",\"price\":{price}.{cents:02},\"active\":{}}},",
                    id % 2 == 0
                );
            }
            json.truncate(size);
            json.into_bytes()
        })
        .collect()
}

/// Appends what comes of the bytes.
type Call = Box<dyn FnMut(&[u8], &mut Vec<u8>)>;

/// One way to do it, in both directions: each call does the next message.
struct Way {
    name: &'static str,
    compress: Call,
    decompress: Call,
    /// Whether messages refer to the ones before, so that they are to be decompressed in order.
    takeover: bool,
}

const ROWS: [&str; 9] = [
    "flate2, new each time",
    "flate2, reset",
    "libdeflate",
    "no takeover, level 1",
    "no takeover",
    "takeover, level 1",
    "takeover",
    "takeover, by turns",
    "takeover, by turns, 12 bits",
];

fn ways() -> Vec<Way> {
    let mut ways = vec![flate2_new(), flate2_reset(), libdeflate()];
    let no_takeover = Config::NO_TAKEOVER;
    let takeover = Config::TAKEOVER;
    let small = WindowBits::new(12).unwrap();
    for (name, config, window, connections) in [
        (ROWS[3], Config { level: 1, ..no_takeover }, WindowBits::MAX, 1),
        (ROWS[4], no_takeover, WindowBits::MAX, 1),
        (ROWS[5], Config { level: 1, ..takeover }, WindowBits::MAX, 1),
        (ROWS[6], takeover, WindowBits::MAX, 1),
        (ROWS[7], takeover, WindowBits::MAX, CONNECTIONS),
        (ROWS[8], takeover, small, CONNECTIONS),
    ] {
        ways.push(ours(name, config, window, connections));
    }
    ways
}

fn ours(name: &'static str, config: Config, window: WindowBits, connections: usize) -> Way {
    let deflate = Deflate::new(config);
    let direction = Direction { takeover: config.send_takeover, window };
    let mut compressors: Vec<_> =
        (0..connections).map(|_| Compressor::new(&deflate, direction)).collect();
    let mut decompressor = Decompressor::new(&deflate, direction);
    let mut next = 0;
    Way {
        name,
        takeover: config.send_takeover,
        compress: Box::new(move |message, out| {
            compressors[next].compress_to(message, out).unwrap();
            next = (next + 1) % connections;
        }),
        decompress: Box::new(move |payload, out| {
            decompressor.decompress_to(payload, out, 1 << 20).unwrap();
        }),
    }
}

fn deflate_whole(compress: &mut flate2::Compress, message: &[u8], out: &mut Vec<u8>) {
    out.reserve(message.len() + 100);
    compress.compress_vec(message, out, flate2::FlushCompress::Sync).unwrap();
    out.truncate(out.len() - 4);
}

fn inflate_whole(decompress: &mut flate2::Decompress, payload: &[u8], out: &mut Vec<u8>) {
    let payload = [payload, &[0, 0, 0xff, 0xff]].concat();
    let before = decompress.total_in();
    out.reserve(4 * payload.len());
    loop {
        let used = (decompress.total_in() - before) as usize;
        decompress.decompress_vec(&payload[used..], out, flate2::FlushDecompress::Sync).unwrap();
        if out.len() < out.capacity() {
            return;
        }
        out.reserve(out.len());
    }
}

fn flate2_new() -> Way {
    Way {
        name: ROWS[0],
        takeover: false,
        compress: Box::new(|message, out| {
            let mut compress = flate2::Compress::new(flate2::Compression::default(), false);
            deflate_whole(&mut compress, message, out);
        }),
        decompress: Box::new(|payload, out| {
            inflate_whole(&mut flate2::Decompress::new(false), payload, out);
        }),
    }
}

fn flate2_reset() -> Way {
    let mut compress = flate2::Compress::new(flate2::Compression::default(), false);
    let mut decompress = flate2::Decompress::new(false);
    Way {
        name: ROWS[1],
        takeover: false,
        compress: Box::new(move |message, out| {
            compress.reset();
            deflate_whole(&mut compress, message, out);
        }),
        decompress: Box::new(move |payload, out| {
            decompress.reset(false);
            inflate_whole(&mut decompress, payload, out);
        }),
    }
}

fn libdeflate() -> Way {
    let level = libdeflater::CompressionLvl::new(1).unwrap();
    let mut compressor = libdeflater::Compressor::new(level);
    let mut decompressor = libdeflater::Decompressor::new();
    Way {
        name: ROWS[2],
        takeover: false,
        compress: Box::new(move |message, out| {
            out.resize(compressor.deflate_compress_bound(message.len()), 0);
            let len = compressor.deflate_compress(message, out).unwrap();
            out.truncate(len);
        }),
        // It wants to know the size.
        decompress: Box::new(move |payload, out| {
            out.resize(16 << 10, 0);
            match decompressor.deflate_decompress(payload, out) {
                Ok(len) => out.truncate(len),
                Err(error) => panic!("{error}"),
            }
        }),
    }
}

fn main() {
    let mut criterion = common::criterion();
    let mut sizes = vec![];
    for column in COLUMNS {
        let messages = payloads(column);
        let len = messages[0].len();
        for mut way in ways() {
            let mut out = Vec::new();
            let mut all = 0;
            // The second time the windows are full: of each connection, if they take turns.
            let connections = if way.name.contains("turns") { CONNECTIONS } else { 1 };
            let count = connections * messages.len();
            for _ in 0..2 {
                all = 0;
                for message in messages.iter().cycle().take(count) {
                    out.clear();
                    (way.compress)(message, &mut out);
                    all += out.len();
                }
            }
            sizes.push((way.name, column, (len * count) as f64 / all as f64));
            measure(&mut criterion, &mut way, column, &messages);
        }
    }
    criterion.final_summary();
    table("compress", &sizes);
    table("decompress", &[]);
}

fn measure(criterion: &mut Criterion, way: &mut Way, column: &str, messages: &[Vec<u8>]) {
    let len = messages[0].len();
    let mut next = 0;
    let mut out = Vec::new();
    let mut group = criterion.benchmark_group("compress");
    group.throughput(Throughput::Bytes(len as u64));
    group.bench_function(BenchmarkId::new(way.name, column), |bencher| {
        bencher.iter(|| {
            out.clear();
            (way.compress)(black_box(&messages[next]), &mut out);
            next = (next + 1) % messages.len();
        });
    });
    group.finish();
    if way.name.contains("turns") {
        return;
    }
    // All that a fresh pair says, to be decompressed from the beginning again and again.
    let mut fresh = ways().into_iter().find(|fresh| fresh.name == way.name).unwrap();
    let payloads: Vec<Vec<u8>> = messages
        .iter()
        .map(|message| {
            let mut payload = Vec::new();
            (fresh.compress)(message, &mut payload);
            payload
        })
        .collect();
    let mut group = criterion.benchmark_group("decompress");
    group.throughput(Throughput::Bytes(len as u64));
    let takeover = way.takeover;
    group.bench_function(BenchmarkId::new(way.name, column), |bencher| {
        bencher.iter_custom(|iterations| {
            let mut fresh = ways().into_iter().find(|fresh| fresh.name == way.name).unwrap();
            let mut elapsed = std::time::Duration::ZERO;
            let mut left = iterations as usize;
            while left > 0 {
                // With takeover each round begins with a fresh window.
                if takeover {
                    fresh = ways().into_iter().find(|fresh| fresh.name == way.name).unwrap();
                }
                let begin = std::time::Instant::now();
                for (payload, message) in payloads.iter().zip(messages).take(left) {
                    out.clear();
                    (fresh.decompress)(black_box(payload), &mut out);
                    assert_eq!(out.len(), message.len());
                }
                elapsed += begin.elapsed();
                left = left.saturating_sub(payloads.len());
            }
            elapsed
        });
    });
    group.finish();
}

/// Prints ns, MB/s of the message, and how many times smaller it is.
fn table(group: &str, sizes: &[(&str, &str, f64)]) {
    println!("\n{group}: ns a message (MB/s of the message; times smaller)\n");
    println!("| | {} |", COLUMNS.join(" | "));
    println!("|---|{}", "---:|".repeat(COLUMNS.len()));
    for row in ROWS {
        let cells: Vec<_> = COLUMNS
            .iter()
            .map(|column| {
                let len = payloads(column)[0].len() as f64;
                let Some(ns) = common::median(group, row, column) else { return "–".to_owned() };
                let size = sizes.iter().find(|(name, at, _)| (*name, at) == (row, column));
                let size = size.map_or(String::new(), |(_, _, times)| format!("; {times:.2}"));
                format!("{ns:.0} ({:.0}{size})", len / ns * 1000.0)
            })
            .collect();
        println!("| {row} | {} |", cells.join(" | "));
    }
}
