//! What compresses and decompresses, behind traits: any DEFLATE will do.

use alloc::boxed::Box;

use crate::{InvalidData, WindowBits};

/// How far a codec came in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecStep {
    /// How many bytes of the input it used.
    pub read: usize,
    /// How many bytes of the room it filled.
    pub written: usize,
    /// Whether more room is wanted: to be called again with the rest of the input. Else all of the
    /// input is used, and all that is to come of it is written. A decompressor says so only if it
    /// has at least a byte more; a compressor may say so whenever the room is full.
    pub wants_room: bool,
}

/// Compresses to raw DEFLATE (RFC 1951).
pub trait Compress: Send {
    /// Compresses as much of the input as there is room for. With `flush` all of it is to come out,
    /// up to the end of a byte, behind an empty stored block: `00 00 ff ff`.
    fn compress(&mut self, input: &[u8], room: &mut [u8], flush: bool) -> CodecStep;

    /// Forgets what was compressed.
    fn reset(&mut self);

    /// Takes note of bytes that the peer has seen, as if it had compressed them: what follows may
    /// refer to them. Called between messages only.
    fn prime(&mut self, window: &[u8]);
}

/// Decompresses raw DEFLATE (RFC 1951).
pub trait Decompress: Send {
    /// Decompresses as much of the input as there is room for. Behind a final block it goes on with
    /// the next byte (RFC 7692 §7.2.3.4). Room behind what is written may be overwritten.
    ///
    /// # Errors
    /// [`InvalidData`] from then on: the data is not DEFLATE, or refers to what is outside of the
    /// window.
    fn decompress(&mut self, input: &[u8], room: &mut [u8]) -> Result<CodecStep, InvalidData>;

    /// Whether all input is used, and another block may begin.
    fn is_between_blocks(&self) -> bool;

    /// The same, behind a final block.
    fn is_behind_final_block(&self) -> bool;

    /// Takes note that a message ended; with `takeover` the next one may refer to it. In the middle
    /// of a block that is an error, which the next call tells.
    fn end_message(&mut self, takeover: bool);
}

/// Makes compressors and decompressors.
pub trait Codec: Send + Sync {
    /// A compressor whose output refers at most this far back.
    fn compressor(&self, window: WindowBits) -> Box<dyn Compress>;

    /// A decompressor of data that refers at most this far back, and fails for any other.
    fn decompressor(&self, window: WindowBits) -> Box<dyn Decompress> {
        Box::new(crate::Inflate::new(window))
    }
}
