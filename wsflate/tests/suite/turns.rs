//! Connections that take turns with compressors: none sees another's bytes.

use std::thread;

use wsflate::{Compressor, Config, Deflate};

use crate::{
    compressing::compress,
    inflating::{NO_TAKEOVER, TAKEOVER, decompress},
};

const CONNECTIONS: usize = 64;

/// A message of this connection: nobody else says anything like it.
fn message(connection: usize, number: usize) -> Vec<u8> {
    let word = format!("{connection}-{}-", connection * 7919);
    let len = (number * 377 + connection * 31) % 5000;
    word.bytes().cycle().take(len).collect()
}

#[test]
fn pool_poisoning_64_connections_share_compressors() {
    for (config, direction) in [
        (Config::default(), NO_TAKEOVER),
        (Config::TAKEOVER, TAKEOVER),
        (Config { dedicated: true, ..Config::TAKEOVER }, TAKEOVER),
    ] {
        let deflate = Deflate::new(config);
        let threads: Vec<_> = (0..4)
            .map(|part| {
                let deflate = deflate.clone();
                thread::spawn(move || {
                    let mut ends: Vec<_> = (part..CONNECTIONS)
                        .step_by(4)
                        .map(|connection| {
                            let decompressor = wsflate::Decompressor::new(&deflate, direction);
                            (connection, Compressor::new(&deflate, direction), decompressor)
                        })
                        .collect();
                    for number in 0..30 {
                        // One takes its compressor in hand, and keeps it while others take theirs.
                        let (first, rest) = ends.split_first_mut().unwrap();
                        let said = message(first.0, number);
                        let (one, two) = said.split_at(said.len() / 2);
                        let mut payload = vec![0xdd; 6000];
                        let begun =
                            first.1.compress(one, &mut payload, wsflate::Flush::None).unwrap();
                        for (connection, compressor, decompressor) in rest {
                            let said = message(*connection, number);
                            let payload = compress(compressor, &[&said], 300);
                            let got = decompress(decompressor, &[&payload], 700, 5000).unwrap();
                            assert_eq!(got, said, "connection {connection}, message {number}");
                        }
                        payload.truncate(begun.written);
                        payload.extend(compress(&mut first.1, &[two], 6000));
                        let got = decompress(&mut first.2, &[&payload], 700, 5000).unwrap();
                        assert_eq!(got, said);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
