//! The compressor of zlib-rs.

use std::{boxed::Box, fmt};

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Method, Status, Strategy};

use crate::{Codec, CodecStep, Compress, WindowBits};

/// The compressor of zlib-rs, a zlib in Rust.
#[derive(Clone, Copy, Debug)]
pub struct Zlib {
    /// From 0, which does not compress, to 9.
    pub level: u8,
    /// How much memory it has, from 1 to 9.
    pub mem_level: u8,
}

impl Codec for Zlib {
    fn compressor(&self, window: WindowBits) -> Box<dyn Compress> {
        // Of 256 bytes zlib makes 512: without any references it keeps to them all the same.
        let strategy =
            if window == WindowBits::MIN { Strategy::HuffmanOnly } else { Strategy::Default };
        let deflate = Deflate::new_with_config(DeflateConfig {
            level: self.level.min(9).into(),
            method: Method::Deflated,
            // Negative for raw DEFLATE.
            window_bits: -i32::from(window.get().max(9)),
            mem_level: self.mem_level.clamp(1, 9).into(),
            strategy,
        });
        Box::new(Compressor { deflate })
    }
}

struct Compressor {
    deflate: Deflate,
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl Compress for Compressor {
    fn compress(&mut self, input: &[u8], room: &mut [u8], flush: bool) -> CodecStep {
        let before = (self.deflate.total_in(), self.deflate.total_out());
        let flush = if flush { DeflateFlush::SyncFlush } else { DeflateFlush::NoFlush };
        let status = self.deflate.compress(input, room, flush);
        debug_assert!(matches!(status, Ok(Status::Ok | Status::BufError)));
        let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
        let written = count(self.deflate.total_out(), before.1);
        CodecStep {
            read: count(self.deflate.total_in(), before.0),
            written,
            // Asked again with nothing left to say, zlib says nothing.
            wants_room: written == room.len(),
        }
    }

    fn reset(&mut self) {
        self.deflate.reset();
    }

    fn prime(&mut self, window: &[u8]) {
        // It can only fail in the middle of a message.
        let primed = self.deflate.set_dictionary(window);
        debug_assert!(primed.is_ok());
    }
}
