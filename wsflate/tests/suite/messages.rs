//! Many messages of one connection, in both roles: each side understands the other.

use proptest::{prelude::*, test_runner::RngSeed};
use wsflate::{Compressor, Config, Decompressor, Deflate, Direction};

use crate::{
    compressing::compress,
    inflating::{bits, decompress, messages},
};

/// What one message goes through.
#[derive(Clone, Debug)]
enum Said {
    Compressed {
        piece: usize,
        room: usize,
    },
    /// It was compressed for many, without what came before.
    Prepared,
    /// DF13: as it is, which touches nothing.
    Plain,
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        6 => (1..3000usize, 16..3000usize).prop_map(|(piece, room)| Said::Compressed { piece, room }),
        1 => Just(Said::Prepared),
        1 => Just(Said::Plain),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn df13_df22_both_sides_keep_the_same_window(
        all in proptest::collection::vec((messages(), said()), 1..12),
        takeover in any::<bool>(), dedicated in any::<bool>(), window in 8..16u8, level in 1..10u8,
        others in any::<bool>(),
    ) {
        let config = Config { send_takeover: takeover, dedicated, level, ..Config::default() };
        let direction = Direction { takeover, window: bits(window) };
        let deflate = Deflate::new(config);
        let mut compressor = Compressor::new(&deflate, direction);
        let mut decompressor = Decompressor::new(&deflate, direction);
        let mut another = Compressor::new(&deflate, direction);
        for (message, said) in &all {
            let payload = match said {
                Said::Plain => continue,
                Said::Compressed { piece, room } => {
                    let pieces: Vec<_> = message.chunks(*piece).collect();
                    compress(&mut compressor, if pieces.is_empty() { &[&[]] } else { &pieces }, *room)
                }
                Said::Prepared => {
                    let alone = Direction { takeover: false, ..direction };
                    compressor.skip(message);
                    compress(&mut Compressor::new(&deflate, alone), &[message], 1000)
                }
            };
            let got = decompress(&mut decompressor, &[&payload], 4000, message.len() as u64);
            prop_assert_eq!(got.as_ref(), Ok(message));
            // Another connection has the compressor in between.
            if others {
                compress(&mut another, &[b"something else, something else"], 100);
            }
        }
    }
}
