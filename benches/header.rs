//! How long does it take to read and to write a header, next to code that trusts its input?

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a bench asserts its results"
)]

mod common;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use wscore::{Header, OpCode, Role, State, check_header};

const LENGTHS: [(&str, u64); 3] = [("16", 16), ("1024", 1024), ("65536", 65536)];

fn main() {
    let mut criterion = common::criterion();
    parse(&mut criterion);
    encode(&mut criterion);
    criterion.final_summary();

    let columns = LENGTHS.map(|(name, _)| name);
    common::table(
        "header_parse_masked",
        "trusting",
        &["trusting", "parse", "parse_and_check"],
        &columns,
    );
    common::table("header_encode", "trusting", &["trusting", "encode"], &columns);
}

/// Header length and payload length, of a masked frame, if the header is whole.
fn trusting_parse(bytes: &[u8]) -> Option<(usize, u64)> {
    let form = bytes.get(1)? & 0x7f;
    let size = match form {
        126 => 8,
        127 => 14,
        _ => 6,
    };
    if bytes.len() < size {
        return None;
    }
    let len = match form {
        126 => u16::from_be_bytes(bytes[2..4].try_into().unwrap()).into(),
        127 => u64::from_be_bytes(bytes[2..10].try_into().unwrap()),
        len => len.into(),
    };
    Some((size, len))
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header_parse_masked");
    for (name, len) in LENGTHS {
        let header = Header { mask: Some([1, 2, 3, 4]), ..Header::new(OpCode::Binary, len) };
        let mut bytes = header.encode().to_vec();
        assert_eq!(trusting_parse(&bytes), Some((bytes.len(), len)));
        assert_eq!(Header::parse(&bytes), Ok(Some((header, bytes.len()))));
        bytes.resize(64, 0);
        group.bench_function(BenchmarkId::new("trusting", name), |bench| {
            bench.iter(|| black_box(trusting_parse(black_box(&bytes))));
        });
        group.bench_function(BenchmarkId::new("parse", name), |bench| {
            bench.iter(|| {
                let Ok(Some((header, size))) = Header::parse(black_box(&bytes)) else { return };
                black_box((header.len, size));
                black_box((header.opcode, header.mask));
            });
        });
        group.bench_function(BenchmarkId::new("parse_and_check", name), |bench| {
            bench.iter(|| {
                let Ok(Some((header, size))) = Header::parse(black_box(&bytes)) else { return };
                black_box(check_header(&header, Role::Server, State::default()).is_ok());
                black_box((header.len, size));
            });
        });
    }
}

/// Writes the header of an unmasked frame, and says how long it is.
fn trusting_encode(bytes: &mut [u8; 14], first: u8, len: u64) -> usize {
    bytes[0] = first;
    match len {
        0..126 => {
            bytes[1] = len as u8;
            2
        }
        126..0x1_0000 => {
            bytes[1] = 126;
            bytes[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            4
        }
        _ => {
            bytes[1] = 127;
            bytes[2..10].copy_from_slice(&len.to_be_bytes());
            10
        }
    }
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header_encode");
    for (name, len) in LENGTHS {
        let mut bytes = [0; 14];
        let size = trusting_encode(&mut bytes, 0x82, len);
        assert_eq!(bytes[..size], *Header::new(OpCode::Binary, len).encode());
        group.bench_function(BenchmarkId::new("trusting", name), |bench| {
            bench.iter(|| black_box(trusting_encode(black_box(&mut bytes), 0x82, black_box(len))));
        });
        group.bench_function(BenchmarkId::new("encode", name), |bench| {
            bench.iter(|| black_box(Header::new(OpCode::Binary, black_box(len)).encode()));
        });
    }
}
