//! Messages of two connections that take turns with compressors come out as they went in.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use wsflate::{Compressor, Config, Decompressor, Deflate, Direction, Flush, MIN_ROOM, WindowBits};

#[derive(Arbitrary, Debug)]
struct Input {
    window: u8,
    level: u8,
    mem_level: u8,
    takeover: bool,
    dedicated: bool,
    messages: Vec<Message>,
}

#[derive(Arbitrary, Debug)]
struct Message {
    connection: bool,
    prepared: bool,
    repeat: u8,
    pieces: Vec<Piece>,
    flush: bool,
    room: u8,
}

#[derive(Arbitrary, Debug)]
enum Piece {
    Bytes(Vec<u8>),
    /// So many bytes of which none says anything of the next.
    Noise(u16, u32),
    /// So many bytes that were so far back.
    Again(u16, u16),
}

impl Piece {
    fn put_to(&self, repeat: u8, message: &mut Vec<u8>) {
        match self {
            Self::Bytes(bytes) => message.extend(bytes.repeat(1 + usize::from(repeat))),
            Self::Noise(len, seed) => {
                let mut seed = *seed;
                message.extend((0..len % 6_000).map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 24) as u8
                }));
            }
            Self::Again(back, len) => {
                let from = message.len().saturating_sub(usize::from(*back));
                let again: Vec<_> =
                    message[from..].iter().copied().take(usize::from(len % 2_000)).collect();
                message.extend(again);
            }
        }
    }
}

fuzz_target!(|input: Input| {
    let window = WindowBits::new(8 + input.window % 8).unwrap_or_default();
    let direction = Direction { takeover: input.takeover, window };
    let deflate = Deflate::new(Config {
        send_takeover: input.takeover,
        level: input.level % 10,
        mem_level: input.mem_level,
        dedicated: input.dedicated,
        ..Config::default()
    });
    let mut ends = [0, 1]
        .map(|_| (Compressor::new(&deflate, direction), Decompressor::new(&deflate, direction)));
    for message in input.messages {
        let (compressor, decompressor) = &mut ends[usize::from(message.connection)];
        let mut whole = vec![];
        let mut cuts = vec![0];
        for piece in &message.pieces {
            piece.put_to(message.repeat, &mut whole);
            cuts.push(whole.len());
        }
        let mut payload = vec![];
        if message.prepared {
            let alone = Direction { takeover: false, ..direction };
            Compressor::new(&deflate, alone).compress_to(&whole, &mut payload).unwrap();
            compressor.skip(&whole);
        } else {
            for piece in cuts.windows(2).map(|cut| &whole[cut[0]..cut[1]]) {
                let flush = if message.flush { Flush::Fragment } else { Flush::None };
                add(compressor, piece, message.room, flush, &mut payload);
            }
            add(compressor, &[], message.room, Flush::Message, &mut payload);
        }
        let mut said = vec![];
        decompressor.decompress_to(&payload, &mut said, whole.len() as u64).unwrap();
        assert_eq!(said, whole);
    }
});

fn add(compressor: &mut Compressor, mut piece: &[u8], room: u8, flush: Flush, out: &mut Vec<u8>) {
    let mut place = vec![0; MIN_ROOM + usize::from(room)];
    loop {
        let progress = compressor.compress(piece, &mut place, flush).unwrap();
        out.extend_from_slice(&place[..progress.written]);
        piece = &piece[progress.read..];
        if progress.done {
            assert!(piece.is_empty());
            return;
        }
    }
}
