//! Bytes to DEFLATE (RFC 1951), quickly: for messages, which are short.
//!
//! ```text
//! input ─▶ History ─▶ Block ─▶ BitWriter ─▶ room
//!          what was    literals and   stored, with the fixed codes,
//!          said        references     or with its own
//! ```
//! Compressors for files clear their tables for each new stream, which takes longer than to compress
//! a short message. Here nothing is cleared: of what the table has of streams before, the place tells
//! that it is over.

use alloc::boxed::Box;

use crate::{
    Codec, CodecStep, Compress, WindowBits,
    fast::{bits::BitWriter, block::Block, history::History},
};

mod bits;
mod block;
mod code;
mod history;

/// A compressor for short messages: as small as zlib makes them at its lower levels, in a fraction of
/// the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fast {
    /// Up to 1: the fixed codes, and the first reference that is found. From 2 on: codes of their own
    /// where that is smaller, and the longer one of two references.
    pub level: u8,
}

impl Codec for Fast {
    fn compressor(&self, window: WindowBits) -> Box<dyn Compress> {
        match self.level {
            0 | 1 => Box::new(Compressor::<true>::new(window)),
            _ => Box::new(Compressor::<false>::new(window)),
        }
    }
}

struct Compressor<const QUICK: bool> {
    history: History,
    block: Block,
    /// What has no room yet.
    out: BitWriter,
    /// Whether something came since the last flush.
    is_dirty: bool,
}

impl<const QUICK: bool> Compressor<QUICK> {
    fn new(window: WindowBits) -> Self {
        Self {
            history: History::new(window.size()),
            block: Block::new(),
            out: BitWriter::new(),
            is_dirty: false,
        }
    }
}

impl<const QUICK: bool> Compress for Compressor<QUICK> {
    fn compress(&mut self, input: &[u8], room: &mut [u8], flush: bool) -> CodecStep {
        let mut read = 0;
        let mut written = 0;
        loop {
            written += self.out.drain(&mut room[written..]);
            if self.out.has_bytes() {
                return CodecStep { read, written, wants_room: true };
            }
            let new = self.history.fill(&input[read..]);
            read += new;
            self.is_dirty |= new > 0;
            let ends = flush && read == input.len() && self.is_dirty;
            if !ends && !self.history.is_full() {
                return CodecStep { read, written, wants_room: false };
            }
            let bytes = self.history.parse::<QUICK>(&mut self.block);
            self.block.write::<QUICK>(bytes, &mut self.out);
            if ends {
                self.out.stored(&[]);
                self.is_dirty = false;
            }
        }
    }

    fn reset(&mut self) {
        self.history.reset();
        self.out.clear();
        self.is_dirty = false;
    }

    fn prime(&mut self, window: &[u8]) {
        self.history.prime(window);
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, vec, vec::Vec};

    use super::*;
    use crate::{Decompress, Inflate};

    /// All of a message, with so much room at a time.
    fn compress(compressor: &mut dyn Compress, mut message: &[u8], room: usize) -> Vec<u8> {
        let mut out = vec![];
        let mut place = vec![0; room];
        loop {
            let step = compressor.compress(message, &mut place, true);
            out.extend_from_slice(&place[..step.written]);
            message = &message[step.read..];
            if !step.wants_room {
                assert!(message.is_empty());
                return out;
            }
        }
    }

    #[test]
    fn places_begin_anew_before_they_run_out() {
        let window = WindowBits::new(9).unwrap();
        let mut compressor = Compressor::<false>::new(window);
        compressor.history.start_at(u32::MAX / 2 - 100_000);
        let mut inflate = Inflate::new(window);
        let mut smallest = usize::MAX;
        for i in 0..100 {
            let message = format!("message {i}, {:02000}", i * i);
            let payload = compress(&mut compressor, message.as_bytes(), 50 + i);
            let mut room = vec![0; message.len()];
            let step = inflate.decompress(&payload, &mut room).unwrap();
            assert_eq!((step.read, step.written), (payload.len(), message.len()));
            assert_eq!(room, message.as_bytes());
            smallest = smallest.min(payload.len());
        }
        assert!(smallest < 40 && compressor.history.place() < 200_000);
    }

    #[test]
    fn an_empty_flush_is_nothing_and_a_full_room_is_not_ended_twice() {
        let mut compressor = Compressor::<false>::new(WindowBits::MAX);
        assert_eq!(compress(&mut compressor, b"", 10), b"");
        // A byte of the fixed code and the end of a block are 18 bits, the empty block takes the
        // rest of the byte.
        assert_eq!(compress(&mut compressor, b"a", 8), b"\x4a\x04\0\0\0\xff\xff");
        let payload = compress(&mut compressor, b"bcd", 64);
        compressor.reset();
        assert_eq!(compress(&mut compressor, b"bcd", payload.len()), payload);
        assert_eq!(compress(&mut compressor, b"", payload.len()), b"");
    }
}
