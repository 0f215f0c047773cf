//! What is sent: small, within its window, and understood by others.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::{prelude::*, test_runner::RngSeed};
use wsflate::{
    Codec, CodecError, CodecStep, Compress, Compressor, Config, Deflate, Direction, Flush,
    WindowBits,
};

use crate::{
    inflating::{NO_TAKEOVER, TAKEOVER, bits, messages},
    naive,
};

/// A message that is given in these pieces, compressed with so much room at a time.
pub(crate) fn compress(compressor: &mut Compressor, pieces: &[&[u8]], room: usize) -> Vec<u8> {
    let mut out = vec![];
    for (index, piece) in pieces.iter().enumerate() {
        let flush = if index + 1 == pieces.len() { Flush::Message } else { Flush::None };
        add(compressor, piece, room, flush, &mut out);
    }
    assert!(!compressor.is_inside_message());
    out
}

fn add(compressor: &mut Compressor, piece: &[u8], room: usize, flush: Flush, out: &mut Vec<u8>) {
    let mut rest = piece;
    loop {
        let start = out.len();
        out.resize(start + room, 0xdd);
        let progress = compressor.compress(rest, &mut out[start..], flush).unwrap();
        out.truncate(start + progress.written);
        rest = &rest[progress.read..];
        if progress.done {
            assert!(rest.is_empty());
            return;
        }
    }
}

/// With what a sender leaves out, and an end for decoders that want one.
fn whole(payload: &[u8]) -> Vec<u8> {
    [payload, b"\0\0\xff\xff\x01\0\0\xff\xff"].concat()
}

fn deflate(level: u8, direction: Direction) -> Deflate {
    let takeover = direction.takeover;
    Deflate::new(Config { level, send_takeover: takeover, ..Config::default() })
}

#[test]
fn hello_is_seven_bytes_and_nothing_is_one() {
    for level in 1..=9 {
        let deflate = deflate(level, TAKEOVER);
        let mut compressor = Compressor::new(&deflate, TAKEOVER);
        assert_eq!(compress(&mut compressor, &[b""], 16), b"\0");
        assert_eq!(compress(&mut compressor, &[b"Hello"], 16), b"\xf2\x48\xcd\xc9\xc9\x07\x00");
        assert_eq!(compress(&mut compressor, &[b""], 16), b"\0");
        // How soon a word is found again is the level's business.
        let again = compress(&mut compressor, &[b"Hello"], 16);
        assert!(again.len() <= 7, "level {level}: {again:x?}");
        if level == 2 {
            assert_eq!(again, b"\x02\x13\x00\x00");
        }
    }
}

#[test]
fn df16_no_distance_is_over_the_window() {
    // The same words at many distances.
    let message: Vec<u8> = (0..3000u32)
        .flat_map(|i| {
            format!("{}:{},", i % 7 * 1_000_003, i.wrapping_mul(2_654_435_761) >> 7).into_bytes()
        })
        .collect();
    for window in (8..=15).map(bits) {
        for level in [1, 2, 3, 7] {
            for direction in
                [Direction { takeover: false, window }, Direction { takeover: true, window }]
            {
                let deflate = deflate(level, direction);
                let mut compressor = Compressor::new(&deflate, direction);
                let mut before = vec![];
                let mut furthest = 0;
                for _ in 0..3 {
                    let payload = compress(&mut compressor, &[&message], 70_000);
                    let payload = [&payload[..], b"\0\0\xff\xff"].concat();
                    let got = naive::inflate(&before, window.size(), &payload).unwrap();
                    assert_eq!(got.bytes, message);
                    furthest = furthest.max(got.distance);
                    if direction.takeover {
                        before.extend_from_slice(&message);
                    }
                }
                assert!(furthest <= window.size(), "{furthest} for {window}");
                // The window is used, but for the smallest by zlib, which refers to nothing then.
                if window == WindowBits::MIN && level > 2 {
                    assert_eq!(furthest, 0);
                } else {
                    assert!(
                        furthest >= window.size() / 3,
                        "{furthest} for {window}, level {level}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_fragment_that_is_flushed_can_be_read_at_once() {
    for direction in [NO_TAKEOVER, TAKEOVER] {
        let deflate = deflate(2, direction);
        for room in [16, 17, 23, 64] {
            let mut compressor = Compressor::new(&deflate, direction);
            let mut decompressor = wsflate::Decompressor::new(&deflate, direction);
            for _ in 0..3 {
                for (piece, flush) in [
                    (&b"one and one"[..], Flush::Fragment),
                    (b"", Flush::Fragment),
                    (b" and one and one", Flush::Fragment),
                    (b"", Flush::Message),
                ] {
                    let mut payload = vec![];
                    add(&mut compressor, piece, room, flush, &mut payload);
                    let mut out = [0; 64];
                    let last = flush == Flush::Message;
                    let progress = decompressor.decompress(&payload, &mut out, last, 64).unwrap();
                    assert!(progress.done);
                    assert_eq!(&out[..progress.written], piece);
                }
            }
        }
    }
}

#[test]
fn messages_that_are_too_small_are_not_worth_it() {
    let compressor = Compressor::new(&Deflate::default(), NO_TAKEOVER);
    assert!(!compressor.is_worth(63) && compressor.is_worth(64));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn others_understand_what_we_compress(
        message in messages(), level in 0..10u8, mem_level in 1..10u8, window in 8..16u8,
        piece in 1..700usize, room in 16..5000usize,
    ) {
        let direction = Direction { takeover: false, window: bits(window) };
        let deflate = Deflate::new(Config { level, mem_level, ..Config::default() });
        let mut compressor = Compressor::new(&deflate, direction);
        let pieces: Vec<_> = message.chunks(piece).collect();
        let payload = compress(&mut compressor, if pieces.is_empty() { &[&[]] } else { &pieces }, room);
        let mut all = vec![];
        compressor.compress_to(&message, &mut all).unwrap();
        for payload in [whole(&payload), whole(&all)] {
            let out = miniz_oxide::inflate::decompress_to_vec(&payload).unwrap();
            prop_assert_eq!(&out, &message);
            let mut out = vec![0; message.len()];
            let len = libdeflater::Decompressor::new().deflate_decompress(&payload, &mut out);
            prop_assert_eq!(len, Ok(message.len()));
            prop_assert_eq!(&out, &message);
        }
        // 5 bytes for each block that cannot be compressed: with the smallest memory it has 128.
        prop_assert!(all.len() <= message.len() + message.len() / 16 + 16);
    }
}

/// Panics in its first call.
struct Panics;

impl Codec for Panics {
    fn compressor(&self, _: WindowBits) -> Box<dyn Compress> {
        Box::new(Self)
    }
}

impl Compress for Panics {
    fn compress(&mut self, _: &[u8], _: &mut [u8], _: bool) -> CodecStep {
        panic!("as it was to")
    }
    fn reset(&mut self) {}
    fn prime(&mut self, _: &[u8]) {}
}

#[test]
fn a_codec_that_panicked_is_not_asked_again() {
    let deflate = Deflate::with_codec(Config::default(), Panics);
    let mut compressor = Compressor::new(&deflate, NO_TAKEOVER);
    let mut room = [0; 64];
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _ = compressor.compress(b"Hello", &mut room, Flush::Message);
    }));
    assert!(panicked.is_err());
    assert_eq!(compressor.compress(b"Hello", &mut room, Flush::Message), Err(CodecError));
}
