//! What stands in frames to messages (RFC 7692 §7.2.2).

use alloc::{boxed::Box, vec::Vec};
use core::{error, fmt};

use wscore::CloseCode;

use crate::{Decompress, Deflate, Direction, Progress};

/// Decompresses the messages of one direction of a connection, as far as input and room go.
///
/// ```
/// use wsflate::{Decompressor, Deflate, Direction, WindowBits};
/// let direction = Direction { takeover: true, window: WindowBits::MAX };
/// let mut decompressor = Decompressor::new(&Deflate::default(), direction);
/// let mut room = [0; 64];
/// let first = decompressor.decompress(b"\xf2\x48\xcd\xc9\xc9\x07\x00", &mut room, true, 64)?;
/// assert_eq!(&room[..first.written], b"Hello");
/// let second = decompressor.decompress(b"\xf2\x00\x11\x00\x00", &mut room, true, 64)?;
/// assert_eq!(&room[..second.written], b"Hello");
/// # Ok::<(), wsflate::DecompressError>(())
/// ```
pub struct Decompressor {
    codec: Box<dyn Decompress>,
    direction: Direction,
    /// The bytes of the open message so far, on the wire and decompressed.
    come: u64,
    written: u64,
    failed: Option<DecompressError>,
}

/// What a sender leaves out at the end of a message (RFC 7692 §7.2.1).
pub(crate) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

impl Decompressor {
    /// A decompressor for what was agreed.
    #[must_use]
    pub fn new(deflate: &Deflate, direction: Direction) -> Self {
        let codec = deflate.codec().decompressor(direction.window);
        Self { codec, direction, come: 0, written: 0, failed: None }
    }

    /// What was agreed.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// How many bytes the open message has so far.
    #[must_use]
    pub const fn message_len(&self) -> u64 {
        self.written
    }

    /// Decompresses as much of a message as there is room for. `last` says that the input is the
    /// rest of it; the message is then complete when this is done, and the next one begins.
    ///
    /// Of a message with more than `limit` bytes, `limit` are written at the most.
    ///
    /// # Errors
    /// [`DecompressError`], the same from then on: the connection is to be failed.
    pub fn decompress(
        &mut self,
        input: &[u8],
        room: &mut [u8],
        last: bool,
        limit: u64,
    ) -> Result<Progress, DecompressError> {
        match self.failed {
            Some(error) => Err(error),
            None => self.advance(input, room, last, limit).inspect_err(|error| {
                self.failed = Some(*error);
                self.codec.end_message(false);
            }),
        }
    }

    /// Decompresses a whole message, or the rest of one, behind what `out` holds. Memory grows with
    /// what comes out.
    ///
    /// # Errors
    /// As [`decompress`](Self::decompress).
    pub fn decompress_to(
        &mut self,
        payload: &[u8],
        out: &mut Vec<u8>,
        limit: u64,
    ) -> Result<(), DecompressError> {
        let mut rest = payload;
        let mut end = out.len();
        let mut room = (4 * payload.len()).clamp(64, 64 * 1024);
        loop {
            let most = usize::try_from(limit - self.written.min(limit)).unwrap_or(usize::MAX);
            out.resize(end + room.min(most), 0);
            let progress = self.decompress(rest, &mut out[end..], true, limit);
            end += progress.map_or(0, |progress| progress.written);
            let progress = progress.inspect_err(|_| out.truncate(end))?;
            rest = &rest[progress.read..];
            if progress.done {
                out.truncate(end);
                return Ok(());
            }
            room *= 2;
        }
    }

    fn advance(
        &mut self,
        input: &[u8],
        room: &mut [u8],
        last: bool,
        limit: u64,
    ) -> Result<Progress, DecompressError> {
        let allowed = usize::try_from(limit.saturating_sub(self.written)).unwrap_or(usize::MAX);
        let is_limited = allowed <= room.len();
        let len = allowed.min(room.len());
        let room = &mut room[..len];
        let step = self.codec.decompress(input, room)?;
        self.come += step.read as u64;
        self.written += step.written as u64;
        if step.wants_room && is_limited {
            return Err(DecompressError::TooLarge { limit });
        }
        if last && !step.wants_room {
            self.end()?;
        }
        Ok(Progress { read: step.read, written: step.written, done: !step.wants_room })
    }

    /// All of the message is decompressed: whether it is whole.
    fn end(&mut self) -> Result<(), DecompressError> {
        // Nothing is left out of a message without bytes, and of one that ends with a final block.
        if self.come > 0 && !self.codec.is_behind_final_block() {
            let step = self.codec.decompress(&TAIL, &mut [])?;
            // RFC 7692 §7.2.1: else it was cut short, or has the tail that was to be left out.
            if step.wants_room || !self.codec.is_between_blocks() {
                return Err(DecompressError::Invalid);
            }
        }
        self.codec.end_message(self.direction.takeover);
        (self.come, self.written) = (0, 0);
        Ok(())
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor")
            .field("direction", &self.direction)
            .field("message_len", &self.written)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// Why a compressed message is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecompressError {
    /// Data that is not DEFLATE, refers to what is outside of the window, or does not end with the
    /// message. Close code 1007.
    Invalid,
    /// A message with more than so many bytes. Close code 1009.
    TooLarge {
        /// The most bytes that are accepted.
        limit: u64,
    },
}

impl DecompressError {
    /// The close code that tells the peer what it did wrong (RFC 6455 §7.4.1).
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Invalid => CloseCode::INVALID_PAYLOAD,
            Self::TooLarge { .. } => CloseCode::MESSAGE_TOO_BIG,
        }
    }
}

impl fmt::Display for DecompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => InvalidData.fmt(f),
            Self::TooLarge { limit } => write!(f, "decompressed message over {limit} bytes"),
        }
    }
}

impl error::Error for DecompressError {}

impl From<InvalidData> for DecompressError {
    fn from(_: InvalidData) -> Self {
        Self::Invalid
    }
}

/// Data that is not DEFLATE, refers to what is outside of the window, or ends in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidData;

impl fmt::Display for InvalidData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid compressed data")
    }
}

impl error::Error for InvalidData {}
