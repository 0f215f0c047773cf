//! Frames that are compressed: which bit says so, and whole frames in one call.

use alloc::{borrow::Cow, vec::Vec};
use core::{error, fmt};

use wscore::{Frame, Header, ProtocolError, Rsv};

use crate::{CodecError, Compressor, DecompressError, Decompressor};

/// Whether the message that begins with this frame is compressed (RFC 7692 §6).
#[must_use]
pub const fn is_compressed(header: &Header) -> bool {
    header.rsv.contains(Rsv::RSV1)
}

/// Whether the messages of one direction are compressed, by the headers of their frames: for readers
/// and writers of frames.
///
/// ```
/// use wscore::{Header, OpCode, Rsv};
/// use wsflate::MessageState;
/// let mut received = MessageState::default();
/// let first = Header { fin: false, rsv: Rsv::RSV1, ..Header::new(OpCode::Text, 5) };
/// assert_eq!(received.unset_bits(first)?.rsv, Rsv::NONE);
/// assert!(received.is_compressed());
/// // Only the first frame of a message may say it.
/// let second = Header { rsv: Rsv::RSV1, ..Header::new(OpCode::Continuation, 5) };
/// assert!(received.unset_bits(second).is_err());
/// # Ok::<(), wscore::ProtocolError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageState {
    compressed: bool,
}

impl MessageState {
    /// Whether the open message is compressed, or the last one if none is open.
    #[must_use]
    pub const fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Compresses the messages that begin from now on, or does not.
    pub const fn set_compressed(&mut self, compressed: bool) {
        self.compressed = compressed;
    }

    /// The header as it would be without compression; takes note of what the first frame of a
    /// message says.
    ///
    /// # Errors
    /// [`ProtocolError::RsvUnexpected`] if another frame has the bit (RFC 7692 §6.1).
    pub fn unset_bits(&mut self, header: Header) -> Result<Header, ProtocolError> {
        if is_first(&header) {
            self.compressed = is_compressed(&header);
        } else if is_compressed(&header) {
            return Err(ProtocolError::RsvUnexpected(Rsv::RSV1));
        }
        Ok(Header { rsv: header.rsv.without(Rsv::RSV1), ..header })
    }

    /// The header with the bit, if it is that of the first frame of a message that is compressed.
    #[must_use]
    pub fn set_bits(&self, header: Header) -> Header {
        if is_first(&header) && self.compressed {
            Header { rsv: header.rsv | Rsv::RSV1, ..header }
        } else {
            header
        }
    }
}

fn is_first(header: &Header) -> bool {
    header.opcode.is_data() && header.opcode != wscore::OpCode::Continuation
}

/// Compresses a message that is one frame. Control frames, and messages that are smaller than the
/// configuration says, come back as they are.
///
/// ```
/// use wscore::{Frame, Rsv};
/// use wsflate::{Compressor, Config, Decompressor, Deflate, Direction, WindowBits};
/// let deflate = Deflate::new(Config { min_size: 0, ..Config::default() });
/// let direction = Direction { takeover: false, window: WindowBits::MAX };
/// let mut compressor = Compressor::new(&deflate, direction);
/// let mut decompressor = Decompressor::new(&deflate, direction);
/// let hello = Frame::text(b"Hello");
/// let frame = wsflate::compress_frame(&hello, &mut compressor)?;
/// assert_eq!((frame.rsv, frame.payload.len()), (Rsv::RSV1, 7));
/// let frame = wsflate::decompress_frame(&frame, &mut decompressor, 1 << 20)?;
/// assert_eq!((frame.rsv, &frame.payload[..]), (Rsv::NONE, &b"Hello"[..]));
/// # Ok::<(), wsflate::FrameError>(())
/// ```
///
/// # Errors
/// [`FrameError`] for a fragment, and for a frame that is masked or compressed already.
pub fn compress_frame<'p, P: AsRef<[u8]>>(
    frame: &'p Frame<P>,
    compressor: &mut Compressor,
) -> Result<Frame<Cow<'p, [u8]>>, FrameError> {
    let header = frame.header();
    let payload = frame.payload.as_ref();
    if frame.opcode.is_control() || !compressor.is_worth(payload.len()) {
        return Ok(Frame::from_parts(&header, payload.into()));
    }
    check(&header)?;
    if is_compressed(&header) {
        return Err(FrameError::Compressed);
    }
    let mut out = Vec::new();
    compressor.compress_to(payload, &mut out)?;
    let header = Header { rsv: header.rsv | Rsv::RSV1, ..header };
    Ok(Frame::from_parts(&header, out.into()))
}

/// Decompresses a message that is one frame, of at most `limit` bytes. A frame that is not compressed
/// comes back as it is.
///
/// # Errors
/// [`FrameError`] for a fragment, for a frame that is masked, and for data that is not accepted.
pub fn decompress_frame<'p, P: AsRef<[u8]>>(
    frame: &'p Frame<P>,
    decompressor: &mut Decompressor,
    limit: u64,
) -> Result<Frame<Cow<'p, [u8]>>, FrameError> {
    let header = frame.header();
    let payload = frame.payload.as_ref();
    if !is_compressed(&header) {
        return Ok(Frame::from_parts(&header, payload.into()));
    }
    check(&header)?;
    let mut out = Vec::new();
    decompressor.decompress_to(payload, &mut out, limit)?;
    let header = Header { rsv: header.rsv.without(Rsv::RSV1), ..header };
    Ok(Frame::from_parts(&header, out.into()))
}

/// Whether the frame is a whole message whose payload can be read.
fn check(header: &Header) -> Result<(), FrameError> {
    if !header.fin || !is_first(header) {
        Err(FrameError::Fragment)
    } else if header.mask.is_some() {
        Err(FrameError::Masked)
    } else {
        Ok(())
    }
}

/// Why a frame was not compressed or decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// It is not a whole message: see [`Compressor`] and [`Decompressor`] for those in several
    /// frames.
    Fragment,
    /// It is masked: unmask it first.
    Masked,
    /// It is compressed already.
    Compressed,
    /// The codec failed.
    Codec(CodecError),
    /// The data is not accepted.
    Decompress(DecompressError),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fragment => f.write_str("frame is not a whole message"),
            Self::Masked => f.write_str("frame is masked"),
            Self::Compressed => f.write_str("frame is compressed already"),
            Self::Codec(error) => error.fmt(f),
            Self::Decompress(error) => error.fmt(f),
        }
    }
}

impl error::Error for FrameError {}

impl From<CodecError> for FrameError {
    fn from(error: CodecError) -> Self {
        Self::Codec(error)
    }
}

impl From<DecompressError> for FrameError {
    fn from(error: DecompressError) -> Self {
        Self::Decompress(error)
    }
}
