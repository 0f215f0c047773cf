//! Messages to what stands in their frames (RFC 7692 §7.2.1).

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use crate::{Compress, Deflate, Direction, decompressor::TAIL, pool::Owner, window::Window};

/// Compresses the messages of one direction of a connection, as far as input and room go.
///
/// A message that was compressed must be sent, or the connection closed: if messages take over, the
/// peer could not understand the ones behind it.
///
/// ```
/// use wsflate::{Compressor, Deflate, Direction, Flush, WindowBits};
/// let deflate = Deflate::default();
/// let direction = Direction { takeover: true, window: WindowBits::MAX };
/// let mut compressor = Compressor::new(&deflate, direction);
/// let mut room = [0; 64];
/// let first = compressor.compress(b"Hello", &mut room, Flush::Message)?;
/// assert_eq!(&room[..first.written], b"\xf2\x48\xcd\xc9\xc9\x07\x00");
/// let second = compressor.compress(b"Hello", &mut room, Flush::Message)?;
/// assert_eq!(&room[..second.written], b"\x02\x13\x00\x00");
/// # Ok::<(), wsflate::CodecError>(())
/// ```
pub struct Compressor {
    deflate: Deflate,
    direction: Direction,
    /// While a message is open, and always if it is its own.
    codec: Option<Box<dyn Compress>>,
    /// What the peer has seen, if messages take over and the codec is not our own.
    window: Window,
    /// Who it is to the codecs that it takes turns with, if messages take over: the codec that it
    /// had last has its window.
    owner: Option<Owner>,
    /// The last bytes that the codec wrote: they may be the end of a message, which is not sent.
    held: [u8; 4],
    /// 0 <= held_len <= 4
    held_len: usize,
    /// Whether a message has begun, and whether it has any bytes that are not flushed.
    is_open: bool,
    is_dirty: bool,
    failed: bool,
}

/// What a call is to bring to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Nothing: what comes out may be held back, until more is compressed.
    None,
    /// All that was given is to come out, so that the peer can have it; the message goes on.
    Fragment,
    /// The message.
    Message,
}

/// The least room that a [`Compressor`] is given, in bytes: some of what comes out is held back, and
/// zlib wants room for more than the end of what it flushes. Where that fills the room exactly, it
/// ends it once more, with 5 bytes.
pub const MIN_ROOM: usize = 16;

/// How far a message came in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many bytes of the input were used.
    pub read: usize,
    /// How many bytes of the room were filled.
    pub written: usize,
    /// Whether what was asked for is done; else call again with the rest of the input, and more
    /// room.
    pub done: bool,
}

impl Compressor {
    /// A compressor for what was agreed.
    #[must_use]
    pub fn new(deflate: &Deflate, direction: Direction) -> Self {
        Self {
            deflate: deflate.clone(),
            direction,
            codec: None,
            window: Window::new(direction.window.size()),
            owner: direction.takeover.then(|| deflate.new_owner()),
            held: [0; 4],
            held_len: 0,
            is_open: false,
            is_dirty: false,
            failed: false,
        }
    }

    /// What was agreed.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Whether a message has begun and not ended.
    #[must_use]
    pub const fn is_inside_message(&self) -> bool {
        self.is_open
    }

    /// Whether messages of this size are worth it: the configuration says from which on.
    #[must_use]
    pub fn is_worth(&self, len: usize) -> bool {
        len >= self.deflate.config().min_size
    }

    /// Compresses as much of a message as there is room for: at least [`MIN_ROOM`] bytes.
    ///
    /// # Errors
    /// [`CodecError`], from then on, if the codec did not flush; that of this crate does.
    ///
    /// # Panics
    /// If there is less room.
    pub fn compress(
        &mut self,
        input: &[u8],
        room: &mut [u8],
        flush: Flush,
    ) -> Result<Progress, CodecError> {
        assert!(room.len() >= MIN_ROOM, "less room than is needed to go on");
        if self.failed {
            return Err(CodecError);
        }
        self.is_open = true;
        self.is_dirty |= !input.is_empty();
        if !self.is_dirty {
            return Ok(self.nothing(room, flush));
        }
        let mut progress = Progress { read: 0, written: 0, done: false };
        while room.len() - progress.written >= MIN_ROOM {
            let codec = match &mut self.codec {
                Some(codec) => codec,
                codec => {
                    let bits = self.direction.window;
                    codec.insert(self.deflate.lease(bits, self.owner, &self.window))
                }
            };
            let place = &mut room[progress.written..];
            place[..self.held_len].copy_from_slice(&self.held[..self.held_len]);
            let rest = &input[progress.read..];
            // A codec that panics is not asked again.
            self.failed = true;
            let step = codec.compress(rest, &mut place[self.held_len..], flush != Flush::None);
            self.failed = false;
            if self.direction.takeover && !self.deflate.config().dedicated {
                self.window.push(&rest[..step.read]);
            }
            progress.read += step.read;
            let come = self.held_len + step.written;
            self.held_len = come.min(4);
            let end = come - self.held_len;
            self.held[..self.held_len].copy_from_slice(&place[end..come]);
            progress.written += end;
            if !step.wants_room {
                return self.flushed(progress, room, flush);
            }
        }
        Ok(progress)
    }

    /// Compresses a whole message, or the rest of one, behind what `out` holds.
    ///
    /// # Errors
    /// As [`compress`](Self::compress).
    pub fn compress_to(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut rest = message;
        let mut end = out.len();
        loop {
            // Incompressible data grows by 5 bytes for each of its blocks.
            out.resize(end + rest.len() + rest.len() / 1024 + 512, 0);
            let progress = self.compress(rest, &mut out[end..], Flush::Message);
            end += progress.map_or(0, |progress| progress.written);
            let progress = progress.inspect_err(|_| out.truncate(end))?;
            rest = &rest[progress.read..];
            if progress.done {
                out.truncate(end);
                return Ok(());
            }
        }
    }

    /// Of a message without bytes that are to come out.
    fn nothing(&mut self, room: &mut [u8], flush: Flush) -> Progress {
        let mut progress = Progress { read: 0, written: 0, done: true };
        if flush == Flush::Message {
            // RFC 7692 §7.2.3.6: the beginning of an empty stored block.
            room[0] = 0;
            progress.written = 1;
            self.end();
        }
        progress
    }

    /// The codec has written all it was asked for.
    fn flushed(
        &mut self,
        mut progress: Progress,
        room: &mut [u8],
        flush: Flush,
    ) -> Result<Progress, CodecError> {
        progress.done = true;
        if flush == Flush::None {
            return Ok(progress);
        }
        if self.held_len < 4 || self.held != TAIL {
            self.failed = true;
            self.codec = None;
            return Err(CodecError);
        }
        if flush == Flush::Message {
            self.held_len = 0;
            self.end();
            return Ok(progress);
        }
        match room[progress.written..].first_chunk_mut() {
            Some(place) => {
                *place = self.held;
                self.held_len = 0;
                self.is_dirty = false;
                progress.written += 4;
            }
            None => progress.done = false,
        }
        Ok(progress)
    }

    fn end(&mut self) {
        self.is_open = false;
        self.is_dirty = false;
        let is_kept = self.direction.takeover && self.deflate.config().dedicated;
        if is_kept {
            return;
        }
        self.window.fit();
        if let Some(codec) = self.codec.take() {
            self.deflate.give_back(codec, self.direction.window, self.owner);
        }
    }

    /// Takes note of a message that the peer got compressed otherwise, such as prepared for many:
    /// the ones behind it can refer to it as if it had been compressed here.
    ///
    /// # Panics
    /// Inside a message.
    pub fn skip(&mut self, message: &[u8]) {
        assert!(!self.is_open, "a message is open");
        if !self.direction.takeover {
            return;
        }
        if let Some(codec) = &mut self.codec {
            codec.prime(message);
        } else {
            self.window.push(message);
            self.window.fit();
            // The codec that we had last does not know of it.
            self.owner = Some(self.deflate.new_owner());
        }
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor")
            .field("direction", &self.direction)
            .field("is_open", &self.is_open)
            .field("window", &self.window.len())
            .finish_non_exhaustive()
    }
}

/// A codec that did not end flushed data with an empty stored block, `00 00 ff ff`
/// (RFC 7692 §7.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecError;

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("compressor did not flush to an empty stored block")
    }
}

impl core::error::Error for CodecError {}
