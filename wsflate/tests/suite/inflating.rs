//! Whole messages and broken ones, however they come.

use proptest::{prelude::*, test_runner::RngSeed};
use wsflate::{Decompress, DecompressError, Decompressor, Deflate, Direction, Inflate, WindowBits};

use crate::naive;

pub(crate) const NO_TAKEOVER: Direction = Direction { takeover: false, window: WindowBits::MAX };
pub(crate) const TAKEOVER: Direction = Direction { takeover: true, window: WindowBits::MAX };

pub(crate) fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

pub(crate) fn decompressor(direction: Direction) -> Decompressor {
    Decompressor::new(&Deflate::default(), direction)
}

/// A message that comes in these pieces, decompressed with so much room at a time.
pub(crate) fn decompress(
    decompressor: &mut Decompressor,
    pieces: &[&[u8]],
    room: usize,
    limit: u64,
) -> Result<Vec<u8>, DecompressError> {
    let mut out = vec![];
    for (index, piece) in pieces.iter().enumerate() {
        let mut rest = *piece;
        loop {
            let start = out.len();
            out.resize(start + room, 0xdd);
            let last = index + 1 == pieces.len();
            let progress = decompressor.decompress(rest, &mut out[start..], last, limit)?;
            out.truncate(start + progress.written);
            rest = &rest[progress.read..];
            if progress.done {
                assert!(rest.is_empty());
                break;
            }
        }
    }
    Ok(out)
}

/// Everything that one message can be: whole, byte by byte, in two pieces, with any room.
fn every_way(payload: &[u8], direction: Direction, limit: u64) -> Result<Vec<u8>, DecompressError> {
    let whole = decompress(&mut decompressor(direction), &[payload], 1 << 16, limit);
    let bytes: Vec<_> = payload.chunks(1).collect();
    let bytes = if bytes.is_empty() { vec![&[][..]] } else { bytes };
    for room in [1, 2, 3, 7, 1 << 16] {
        assert_eq!(decompress(&mut decompressor(direction), &bytes, room, limit), whole);
    }
    for split in 0..=payload.len() {
        let (one, two) = payload.split_at(split);
        let pieces = [one, &[], two];
        assert_eq!(
            decompress(&mut decompressor(direction), &pieces, 5, limit),
            whole,
            "at {split}"
        );
    }
    whole
}

const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";

#[test]
fn df1_to_df6_messages_of_the_rfc() {
    for (id, payload, message) in [
        ("DF1", HELLO, &b"Hello"[..]),
        ("DF3", b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", b"Hello"),
        ("DF4", b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", b"Hello"),
        ("DF4 without the last byte", b"\xf3\x48\xcd\xc9\xc9\x07\x00", b"Hello"),
        ("DF5", b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", b"Hello"),
        ("DF6", b"\x00", b""),
        ("DF6 final", b"\x03\x00", b""),
        ("DF6 final, and the tail's beginning", b"\x03\x00\x00", b""),
        ("DF6 nothing", b"", b""),
        ("gorilla's empty one", b"\x01\x00\x00\xff\xff\x00", b""),
    ] {
        assert_eq!(every_way(payload, TAKEOVER, 100).as_deref(), Ok(message), "{id}");
        // State is left as it was: the next message decodes.
        let mut decompressor = decompressor(TAKEOVER);
        for _ in 0..3 {
            assert_eq!(decompress(&mut decompressor, &[payload], 9, 100).as_deref(), Ok(message));
            assert_eq!(
                decompress(&mut decompressor, &[HELLO], 9, 100).as_deref(),
                Ok(&b"Hello"[..])
            );
        }
    }
}

#[test]
fn df1_a_second_message_refers_to_the_first_with_takeover_only() {
    let second = b"\xf2\x00\x11\x00\x00";
    let mut with = decompressor(TAKEOVER);
    assert_eq!(decompress(&mut with, &[HELLO], 64, 64).unwrap(), b"Hello");
    assert_eq!(decompress(&mut with, &[second], 64, 64).unwrap(), b"Hello");
    let mut without = decompressor(NO_TAKEOVER);
    assert_eq!(decompress(&mut without, &[HELLO], 64, 64).unwrap(), b"Hello");
    assert_eq!(decompress(&mut without, &[second], 64, 64), Err(DecompressError::Invalid));
    // The error stays.
    assert_eq!(decompress(&mut without, &[HELLO], 64, 64), Err(DecompressError::Invalid));
}

#[test]
fn df4_what_comes_behind_a_final_block_may_refer_before_it() {
    let mut decompressor = decompressor(TAKEOVER);
    let first = b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00";
    assert_eq!(decompress(&mut decompressor, &[first], 64, 64).unwrap(), b"Hello");
    let second = b"\xf2\x00\x11\x00\x00";
    assert_eq!(decompress(&mut decompressor, &[second], 64, 64).unwrap(), b"Hello");
}

#[test]
fn df7_df9_data_that_is_not_deflate_or_ends_in_the_middle() {
    for payload in [
        &b"\x07"[..],
        b"\xff",
        b"\x06",
        b"\x01\x02",
        b"\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00",
        // A distance before the start.
        b"\xf2\x00\x11\x00\x00",
        // Codes of blocks: too many literals, too many distances, over-subscribed, incomplete, a
        // repetition of nothing, no end.
        b"\xf4\xff\xff",
        b"\x04\xfe\xff",
        b"\x04\xe0\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x04\x00\x00\x00\x00\x00\x00\x00",
        b"\x05\xe0\x81\x08\x00\x00\x00\x00\x20\x6e\x4a\x5b",
        // Cut.
        b"\xf2\x48\xcd\xc9\xc9\x07",
        b"\xf2\x48\xcd",
        b"\x00\x05\x00\xfa\xff\x48",
        b"\x00\x05\x00",
        b"\x02",
        // A stored block that the tail would fill.
        b"\x00\x09\x00\xf6\xff\x48\x65\x6c\x6c\x6f",
        // The tail was kept.
        b"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff",
        b"\x00\x00\x00\xff\xff",
    ] {
        assert_eq!(
            every_way(payload, TAKEOVER, 100),
            Err(DecompressError::Invalid),
            "{payload:x?}"
        );
    }
}

/// Bits, the first one lowest, as DEFLATE has them.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    count: usize,
}

impl BitWriter {
    fn put(&mut self, value: usize, count: usize) {
        for place in 0..count {
            if self.count % 8 == 0 {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= ((value >> place & 1) as u8) << (self.count % 8);
            self.count += 1;
        }
    }

    /// A Huffman code: its first bit comes first.
    fn code(&mut self, code: usize, count: usize) {
        for place in (0..count).rev() {
            self.put(code >> place & 1, 1);
        }
    }

    fn literal(&mut self, byte: u8) {
        match usize::from(byte) {
            byte @ 0..144 => self.code(0x30 + byte, 8),
            byte => self.code(0x190 + byte - 144, 9),
        }
    }

    /// Three bytes from so far back, in the fixed codes.
    fn copy(&mut self, distance: usize) {
        self.code(1, 7);
        let (symbol, base, extra) = (0..30)
            .map(|symbol: usize| {
                let extra = (symbol / 2).saturating_sub(1);
                let base = if symbol < 4 { symbol } else { (symbol % 2 + 2) << extra };
                (symbol, base + 1, extra)
            })
            .rfind(|(_, base, _)| *base <= distance)
            .unwrap();
        self.code(symbol, 5);
        self.put(distance - base, extra);
    }
}

/// So many bytes, and then three from `distance` back, in one fixed block.
fn far(before: usize, distance: usize) -> Vec<u8> {
    let mut bits = BitWriter::default();
    bits.put(2, 3);
    (0..before).for_each(|i| bits.literal((i % 251) as u8));
    bits.copy(distance);
    bits.code(0, 7);
    bits.put(0, 3);
    bits.bytes
}

#[test]
fn df8_a_distance_over_the_window_fails_however_it_is_buffered() {
    for window in (8..=15).map(bits) {
        let size = window.size();
        let direction = Direction { takeover: true, window };
        for (before, distance, is_ok) in [
            (size, size, true),
            (size + 700, size, true),
            (size + 1, size + 1, false),
            (size + 700, size + 1, false),
            (size + 700, size + 300, false),
            (2 * size, 2 * size, false),
            (size / 2, size / 2 + 1, false),
        ] {
            if distance > 32_768 {
                continue;
            }
            let payload = far(before, distance);
            let naive = naive::inflate(&[], size, &[&payload[..], b"\0\0\xff\xff"].concat());
            assert_eq!(naive.is_some(), is_ok);
            for (room, piece) in [(1, 1000), (100, 1), (3000, 7), (100_000, payload.len())] {
                let pieces: Vec<_> = payload.chunks(piece).collect();
                let got = decompress(&mut decompressor(direction), &pieces, room, 1 << 20);
                let want = naive.as_ref().map(|inflated| &inflated.bytes);
                assert_eq!(got.as_ref().ok(), want, "{size} {before} {distance}");
            }
        }
    }
}

#[test]
fn df14_bombs_end_at_the_limit() {
    // 16 MiB and a byte of zeros, 1:1029.
    let bomb = deflated(&vec![0; (16 << 20) + 1], 9);
    assert!(bomb.len() < 20_000);
    for limit in [0, 1, 1000, 1 << 20, (16 << 20) - 1, 16 << 20] {
        for pieces in [vec![&bomb[..]], bomb.chunks(1).collect()] {
            let mut decompressor = decompressor(NO_TAKEOVER);
            let mut room = vec![0; 64 << 10];
            let mut written = 0;
            let failed = pieces.iter().find_map(|piece| {
                let mut rest = *piece;
                loop {
                    match decompressor.decompress(rest, &mut room, false, limit) {
                        Ok(progress) => {
                            written += progress.written as u64;
                            rest = &rest[progress.read..];
                            if progress.done {
                                return None;
                            }
                        }
                        Err(error) => return Some(error),
                    }
                }
            });
            assert_eq!(failed, Some(DecompressError::TooLarge { limit }));
            assert!(written <= limit);
        }
    }
    for limit in [0, 1000, 100_000, 1 << 20] {
        let mut out = vec![];
        let error = decompressor(NO_TAKEOVER).decompress_to(&bomb, &mut out, limit).unwrap_err();
        assert_eq!(error, DecompressError::TooLarge { limit });
        assert!(out.capacity() as u64 <= 2 * limit + 64, "{} for {limit}", out.capacity());
    }
    let limit = (16 << 20) + 1;
    let all = decompress(&mut decompressor(NO_TAKEOVER), &[&bomb], 1 << 20, limit);
    assert_eq!(all.unwrap().len() as u64, limit);
}

#[test]
fn df14_the_limit_is_exact_and_errors_stay() {
    for message in
        [b"x".to_vec(), vec![7; 1000], (0..1000u32).map(|i| ((i * i) >> 3) as u8).collect()]
    {
        let len = message.len() as u64;
        for level in [0, 1, 9] {
            let payload = deflated(&message, level);
            for room in [1, 100, 10_000] {
                for limit in [len - 1, len, len + 1] {
                    let mut decompressor = decompressor(TAKEOVER);
                    let got = decompress(&mut decompressor, &[&payload], room, limit);
                    if limit >= len {
                        assert_eq!(got.as_ref(), Ok(&message));
                        continue;
                    }
                    let error = DecompressError::TooLarge { limit };
                    assert_eq!(got, Err(error));
                    assert_eq!(decompressor.decompress(HELLO, &mut [0; 9], true, 99), Err(error));
                }
            }
        }
    }
}

/// Compressed by an implementation that is not ours, without the tail.
pub(crate) fn deflated(message: &[u8], level: u32) -> Vec<u8> {
    let mut compress = flate2::Compress::new(flate2::Compression::new(level), false);
    let mut out = Vec::with_capacity(message.len() + message.len() / 100 + 1000);
    compress.compress_vec(message, &mut out, flate2::FlushCompress::Sync).unwrap();
    assert_eq!(compress.total_in() as usize, message.len());
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}

/// What a message is put together from.
#[derive(Clone, Debug)]
enum Piece {
    Bytes(Vec<u8>),
    /// So many bytes of which none says anything of the next.
    Noise(usize, u32),
    /// So many bytes that were so far back.
    Again(usize, usize),
}

/// Bytes with repetitions near and far, and with none.
pub(crate) fn messages() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        2 => (any::<u8>(), 1..600usize).prop_map(|(byte, len)| Piece::Bytes(vec![byte; len])),
        2 => proptest::collection::vec(any::<u8>(), 0..300).prop_map(Piece::Bytes),
        2 => (0..40u8, 1..2000usize).prop_map(|(from, len)| {
            let byte = |i: usize| b"{\"id\":, name}"[i % 13].wrapping_add(from * (i % 7 == 0) as u8);
            Piece::Bytes((0..len).map(byte).collect())
        }),
        1 => (1..20_000usize, any::<u32>()).prop_map(|(len, seed)| Piece::Noise(len, seed)),
        2 => (1..33_000usize, 1..2000usize).prop_map(|(back, len)| Piece::Again(back, len)),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| {
        let mut message = vec![];
        for piece in pieces {
            match piece {
                Piece::Bytes(bytes) => message.extend(bytes),
                Piece::Noise(len, mut seed) => message.extend((0..len).map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 24) as u8
                })),
                Piece::Again(back, len) => {
                    let from = message.len().saturating_sub(back);
                    let again: Vec<_> = message[from..].iter().copied().take(len).collect();
                    message.extend(again);
                }
            }
        }
        message
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn what_others_compress_is_what_was_said(
        message in messages(), level in 0..10u32, piece in 1..500usize, room in 1..5000usize,
    ) {
        let payload = deflated(&message, level);
        let pieces: Vec<_> = payload.chunks(piece).collect();
        let got = decompress(&mut decompressor(TAKEOVER), &pieces, room, u64::MAX);
        prop_assert_eq!(got.as_ref(), Ok(&message));
        let mut whole = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(level as i32).unwrap());
        let mut payload = vec![0; whole.deflate_compress_bound(message.len())];
        let len = whole.deflate_compress(&message, &mut payload).unwrap();
        payload.truncate(len);
        let pieces: Vec<_> = payload.chunks(piece).collect();
        let got = decompress(&mut decompressor(TAKEOVER), &pieces, room, u64::MAX);
        prop_assert_eq!(got.as_ref(), Ok(&message));
    }

    #[test]
    fn broken_data_is_what_the_naive_decoder_says(
        message in messages(), level in 0..10u32, changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        piece in 1..500usize, room in 1..5000usize, window in 8..16u8,
    ) {
        let mut payload = deflated(&message, level);
        for (place, value) in changes {
            let place = place.index(payload.len());
            payload[place] = value;
        }
        let window = bits(window);
        let whole = [&payload[..], b"\0\0\xff\xff"].concat();
        let naive = naive::inflate(&[], window.size(), &whole);
        let mut inflate = Inflate::new(window);
        let mut got = Ok(vec![]);
        'all: for piece in whole.chunks(piece) {
            let mut rest = piece;
            loop {
                let mut place = vec![0; room];
                match inflate.decompress(rest, &mut place) {
                    Err(error) => { got = Err(error); break 'all; }
                    Ok(step) => {
                        got.as_mut().unwrap().extend_from_slice(&place[..step.written]);
                        rest = &rest[step.read..];
                        if !step.wants_room { break; }
                    }
                }
            }
        }
        match naive {
            Some(naive) => {
                prop_assert_eq!(got, Ok(naive.bytes));
                prop_assert!(inflate.is_between_blocks());
            }
            None => prop_assert!(got.is_err() || !inflate.is_between_blocks()),
        }
    }
}

#[test]
fn many_large_messages_that_take_over_in_small_pieces() {
    // Words at all distances, so that references go around the window.
    let words: Vec<String> =
        (0..2000u32).map(|i| format!("w{} ", i.wrapping_mul(2_654_435_761) >> 12)).collect();
    let mut seed = 1u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    for (level, piece, room) in [(1, 256, 8192), (6, 256, 8192), (6, 1, 700), (9, 1000, 1)] {
        let mut compress = flate2::Compress::new(flate2::Compression::new(level), false);
        let mut decompressor = decompressor(TAKEOVER);
        for _ in 0..20 {
            let len = random() % 100_000;
            let mut message = vec![];
            while message.len() < len {
                message.extend_from_slice(words[random() % words.len()].as_bytes());
            }
            let mut payload = Vec::with_capacity(message.len() + 10_000);
            compress.compress_vec(&message, &mut payload, flate2::FlushCompress::Sync).unwrap();
            payload.truncate(payload.len() - 4);
            let pieces: Vec<_> = payload.chunks(piece).collect();
            let got = decompress(&mut decompressor, &pieces, room, 1 << 20).unwrap();
            assert!(got == message);
        }
    }
}

#[test]
fn a_code_that_is_cut_is_no_other_code() {
    // Codes of blocks of all shapes, each cut behind every byte: what is not there yet is not 0.
    let mut seed = 1u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    for letters in 2..250 {
        for len in [100, 400, 2000] {
            let skew = 1 + random() % 4;
            let message: Vec<u8> = (0..len)
                .map(|_| ((0..skew).map(|_| random() % letters).min().unwrap()) as u8)
                .collect();
            let payload = deflated(&message, 9);
            let bytes: Vec<_> = payload.chunks(1).collect();
            let got = decompress(&mut decompressor(NO_TAKEOVER), &bytes, 300, 1 << 20);
            assert_eq!(got.as_ref(), Ok(&message), "{letters} letters, {len} bytes");
        }
    }
}
