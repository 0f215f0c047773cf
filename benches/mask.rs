//! How long does masking take, next to a plain copy of the same bytes?

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a bench asserts its results"
)]

mod common;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use wscore::{cipher, copy_masked};

const SIZES: [usize; 5] = [16, 125, 1024, 4096, 65536];
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// A cache line, so that "aligned" and "not" mean the same in every run.
const LINE: usize = 64;

fn main() {
    let mut criterion = common::criterion();
    in_place(&mut criterion, "mask_in_place_aligned", 0);
    // Where a payload lies behind a short masked header.
    in_place(&mut criterion, "mask_in_place_misaligned", 6);
    by_copy(&mut criterion);
    criterion.final_summary();

    let columns = SIZES.map(|size| size.to_string());
    let columns = columns.each_ref().map(String::as_str);
    for group in ["mask_in_place_aligned", "mask_in_place_misaligned"] {
        common::table(group, "copy", &["copy", "cipher", "naive"], &columns);
    }
    common::table("mask_by_copy", "copy", &["copy", "copy_masked"], &columns);
}

/// A buffer with `size` bytes at `offset` from the beginning of a cache line.
fn buffer(size: usize, offset: usize) -> (Vec<u8>, usize) {
    let bytes = vec![0x5a; size + 2 * LINE];
    let start = bytes.as_ptr().align_offset(LINE) + offset;
    (bytes, start)
}

fn naive(payload: &mut [u8], key: [u8; 4]) {
    for (index, byte) in payload.iter_mut().enumerate() {
        *byte ^= key[index % 4];
    }
}

fn in_place(criterion: &mut Criterion, name: &str, offset: usize) {
    let mut group = criterion.benchmark_group(name);
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let (mut bytes, start) = buffer(size, offset);
        let (mut copy, copy_start) = buffer(size, 0);
        let original = bytes.clone();
        group.bench_function(BenchmarkId::new("copy", size), |bench| {
            bench.iter(|| {
                let from = black_box(&bytes[start..start + size]);
                black_box(&mut copy[copy_start..copy_start + size]).copy_from_slice(from);
            });
        });
        group.bench_function(BenchmarkId::new("cipher", size), |bench| {
            bench.iter(|| cipher(black_box(&mut bytes[start..start + size]), KEY, 0));
        });
        let payload = &mut bytes[start..start + size];
        payload.copy_from_slice(&original[start..start + size]);
        cipher(payload, KEY, 0);
        naive(payload, KEY);
        assert_eq!(bytes, original, "cipher and the naive loop must agree");
        if size <= 1024 {
            group.bench_function(BenchmarkId::new("naive", size), |bench| {
                bench.iter(|| naive(black_box(&mut bytes[start..start + size]), KEY));
            });
        }
    }
}

fn by_copy(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mask_by_copy");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let (bytes, start) = buffer(size, 0);
        let payload = &bytes[start..start + size];
        let mut out = vec![0; size];
        copy_masked(payload, &mut out, KEY, 0);
        naive(&mut out, KEY);
        assert_eq!(out, payload);
        group.bench_function(BenchmarkId::new("copy", size), |bench| {
            bench.iter(|| {
                black_box(&mut out[..]).copy_from_slice(black_box(payload));
            });
        });
        group.bench_function(BenchmarkId::new("copy_masked", size), |bench| {
            bench.iter(|| {
                copy_masked(black_box(payload), black_box(&mut out), KEY, 0);
            });
        });
    }
}
