//! What is allocated and held, counted: the figures of the README.
//!
//! `cargo test -p wsflate figures -- --nocapture` prints them.

use wsflate::{Compressor, Config, Decompressor, Deflate, Direction, Flush, WindowBits};

use crate::{
    counting::{allocated, held},
    inflating::bits,
};

fn json(len: usize) -> Vec<u8> {
    let record =
        |i: usize| format!("{{\"id\":{},\"user\":\"u{}\",\"ok\":true}},", i * 7919, i % 10);
    (0..).flat_map(|i| record(i).into_bytes()).take(len).collect()
}

/// Sends a message from the one to the other.
fn pass(
    compressor: &mut Compressor,
    decompressor: &mut Decompressor,
    message: &[u8],
    room: &mut [u8],
) {
    let (payload, out) = room.split_at_mut(message.len() + 1000);
    let progress = compressor.compress(message, payload, Flush::Message).unwrap();
    assert!(progress.done);
    let limit = message.len() as u64;
    let progress = decompressor.decompress(&payload[..progress.written], out, true, limit).unwrap();
    assert!(progress.done && out[..progress.written] == *message);
}

#[test]
fn figures_a_message_in_the_steady_state_allocates_nothing() {
    for config in
        [Config::default(), Config::TAKEOVER, Config { dedicated: true, ..Config::TAKEOVER }]
    {
        let deflate = Deflate::new(config);
        let direction = Direction { takeover: config.send_takeover, window: WindowBits::MAX };
        let mut compressor = Compressor::new(&deflate, direction);
        let mut decompressor = Decompressor::new(&deflate, direction);
        for size in [64, 350, 1024, 16 << 10] {
            let message = json(size);
            let mut room = vec![0; 3 * size + 2000];
            // The windows are full.
            for _ in 0..(70_000 / size).max(3) {
                pass(&mut compressor, &mut decompressor, &message, &mut room);
            }
            let (times, _) = allocated(|| {
                for _ in 0..100 {
                    pass(&mut compressor, &mut decompressor, &message, &mut room);
                }
            });
            println!(
                "takeover {}: {times} allocations for 100 messages of {size} B",
                direction.takeover
            );
            assert_eq!(times, 0);
        }
    }
}

#[test]
fn figures_df23_an_idle_connection_holds_its_windows_at_most() {
    let deflate = Deflate::new(Config::TAKEOVER);
    for (name, takeover, window) in [
        ("no takeover", false, 15),
        ("takeover, 9 bits", true, 9),
        ("takeover, 12 bits", true, 12),
        ("takeover, 15 bits", true, 15),
    ] {
        let direction = Direction { takeover, window: bits(window) };
        let own = size_of::<Compressor>() + size_of::<Decompressor>();
        for (said, messages) in [("nothing", 0), ("1 KiB", 1), ("100 KiB", 100)] {
            let message = json(1024);
            let mut room = vec![0; 8000];
            let mut ends = Vec::with_capacity(20);
            // What the thread and the pool keep is not a connection's.
            let mut warm =
                (Compressor::new(&deflate, direction), Decompressor::new(&deflate, direction));
            pass(&mut warm.0, &mut warm.1, &message, &mut room);
            let (heap, _) = held(|| {
                for _ in 0..20 {
                    let mut compressor = Compressor::new(&deflate, direction);
                    let mut decompressor = Decompressor::new(&deflate, direction);
                    for _ in 0..messages {
                        pass(&mut compressor, &mut decompressor, &message, &mut room);
                    }
                    ends.push((compressor, decompressor));
                }
            });
            let heap = heap / 20;
            println!("{name}, {said} said: {heap} B of heap, {own} B of its own");
            let windows = if takeover { 2 * direction.window.size() } else { 0 };
            assert!(heap <= windows as isize + 512, "{heap}");
        }
    }
}

#[test]
fn figures_a_message_in_work_leases_a_compressor_and_tables() {
    let message = json(64 << 10);
    let mut room = vec![0; 80_000];
    let direction = Direction { takeover: false, window: WindowBits::MAX };
    let mut written = 0;
    for (level, most) in [(1, 150_000), (2, 150_000), (6, 400_000)] {
        let deflate = Deflate::new(Config { level, ..Config::default() });
        let mut compressor = Compressor::new(&deflate, direction);
        let (heap, _) = held(|| {
            let progress = compressor.compress(&message, &mut room, Flush::Fragment).unwrap();
            assert!(progress.done);
            written = progress.written;
        });
        println!("level {level}: {heap} B of heap for a message that is being compressed");
        assert!(heap > 0 && heap < most, "{heap}");
    }
    let mut out = vec![0; 70_000];
    let mut decompressor = Decompressor::new(&Deflate::default(), direction);
    let (heap, _) = held(|| {
        let progress = decompressor.decompress(&room[..written], &mut out, false, 70_000).unwrap();
        assert!(progress.done);
    });
    println!("{heap} B of heap for one that is being decompressed");
    assert!(heap > 0 && heap < 40_000, "{heap}");
}
