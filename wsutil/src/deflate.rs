//! Messages that are compressed on the wire (RFC 7692).

use std::{boxed::Box, ops::Range, vec::Vec};

use wscore::{Header, Rsv};
use wsflate::{Agreed, Compressor, Decompressor, Deflate, Flush, Progress};

use crate::{Kind, MessageError, SendError, Utf8, inbox::Inbox, pool};

/// The RSV bits of compressed messages.
pub(crate) const RSV: Rsv = Rsv::RSV1;

/// Decompresses what is received, if that was agreed.
#[derive(Debug, Default)]
pub(crate) struct Inflater(Option<Box<Inflating>>);

#[derive(Debug)]
struct Inflating {
    decompressor: Decompressor,
    /// Decompressed bytes that are not handed out.
    out: Inbox,
    utf8: Utf8,
    /// The compressed bytes in the endpoint's inbox, if there are any that are not used up.
    work: Option<Work>,
}

/// A piece of a compressed message.
#[derive(Clone, Copy, Debug)]
struct Work {
    kind: Kind,
    last: bool,
    /// How many of its bytes are used.
    at: usize,
}

/// How far a piece was decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inflated {
    /// There is more of it.
    More,
    /// All of it, and the message goes on.
    Piece,
    /// All of it, and it was the last of its message.
    Message,
}

impl Inflater {
    pub(crate) fn new(deflate: &Deflate, agreed: Agreed) -> Self {
        Self(Some(Box::new(Inflating {
            decompressor: Decompressor::new(deflate, agreed.receive),
            out: Inbox::default(),
            utf8: Utf8::new(),
            work: None,
        })))
    }

    /// Whether there are compressed bytes to be worked on.
    #[inline]
    pub(crate) fn is_at_work(&self) -> bool {
        self.0.as_ref().is_some_and(|inflating| inflating.work.is_some())
    }

    /// The inbox has a piece of a compressed message.
    #[cold]
    #[inline(never)]
    pub(crate) fn begin(&mut self, kind: Kind, last: bool) {
        if let Some(inflating) = &mut self.0 {
            inflating.work = Some(Work { kind, last, at: 0 });
        }
    }

    /// Decompresses as much as there is room for at once, of a message of at most so many bytes.
    pub(crate) fn advance(
        &mut self,
        inbox: &mut Inbox,
        limit: u64,
    ) -> Result<(Kind, Inflated), MessageError> {
        let Some(inflating) = &mut self.0 else { return Ok((Kind::Binary, Inflated::Piece)) };
        let Some(work) = &mut inflating.work else { return Ok((Kind::Binary, Inflated::Piece)) };
        let kind = work.kind;
        let compressed = &inbox.message()[work.at..];
        let room = inflating.out.room();
        let progress = inflating.decompressor.decompress(compressed, room, work.last, limit)?;
        work.at += progress.read;
        inflating.out.advance(progress.written);
        if kind == Kind::Text {
            inflating.utf8.push(&inflating.out.unread()[..progress.written])?;
        }
        inflating.out.take(progress.written, progress.written);
        if !progress.done {
            return Ok((kind, Inflated::More));
        }
        let last = work.last;
        inflating.work = None;
        inbox.release();
        if last {
            inflating.utf8.finish()?;
            Ok((kind, Inflated::Message))
        } else {
            Ok((kind, Inflated::Piece))
        }
    }

    /// What was decompressed and not released.
    #[inline(never)]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |inflating| inflating.out.message())
    }

    /// What was decompressed is handed out, or not wanted.
    #[cold]
    #[inline(never)]
    pub(crate) fn release(&mut self) {
        if let Some(inflating) = &mut self.0 {
            inflating.out.release();
        }
    }

    /// Holds no more memory than what was decompressed needs.
    pub(crate) fn park(&mut self) {
        if let Some(inflating) = &mut self.0 {
            inflating.out.park();
        }
    }
}

/// Decompresses what a [`Reader`](crate::Reader) reads, if that was agreed.
#[derive(Debug, Default)]
pub(crate) struct StreamInflater(Option<Box<StreamInflating>>);

#[derive(Debug)]
struct StreamInflating {
    decompressor: Decompressor,
    utf8: Utf8,
    /// The kind of the open message, if it is compressed.
    open: Option<Kind>,
    /// Compressed bytes, of which those of `unread` are not used; empty while no message is open.
    compressed: Vec<u8>,
    unread: Range<usize>,
    /// Whether these are the last ones of the message.
    last: bool,
}

impl StreamInflater {
    pub(crate) fn new(deflate: &Deflate, agreed: Agreed) -> Self {
        Self(Some(Box::new(StreamInflating {
            decompressor: Decompressor::new(deflate, agreed.receive),
            utf8: Utf8::new(),
            open: None,
            compressed: Vec::new(),
            unread: 0..0,
            last: false,
        })))
    }

    /// A message begins with this header, and has more to be read.
    pub(crate) fn begin(&mut self, header: &Header) {
        if let Some(inflating) = &mut self.0 {
            let kind = Kind::from_opcode(header.opcode);
            inflating.open = kind.filter(|_| wsflate::is_compressed(header));
            (inflating.unread, inflating.last) = (0..0, false);
        }
    }

    /// Whether the open message is compressed.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.0.as_ref().is_some_and(|inflating| inflating.open.is_some())
    }

    /// Where the next compressed bytes go.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let Some(inflating) = &mut self.0 else { return &mut [] };
        if inflating.compressed.is_empty() {
            inflating.compressed = pool::take();
        }
        &mut inflating.compressed
    }

    /// So many bytes were read to the room; `last` says that the message has no more.
    pub(crate) fn received(&mut self, len: usize, last: bool) {
        if let Some(inflating) = &mut self.0 {
            inflating.unread = 0..len;
            inflating.last = last;
        }
    }

    /// Decompresses what is here: how many bytes, and what comes behind them.
    pub(crate) fn advance(
        &mut self,
        room: &mut [u8],
        limit: u64,
    ) -> Result<(usize, Inflated), MessageError> {
        let Some(inflating) = &mut self.0 else { return Ok((0, Inflated::Piece)) };
        let Some(kind) = inflating.open else { return Ok((0, Inflated::Piece)) };
        let compressed = &inflating.compressed[inflating.unread.clone()];
        let last = inflating.last;
        let progress = inflating.decompressor.decompress(compressed, room, last, limit)?;
        inflating.unread.start += progress.read;
        if kind == Kind::Text {
            inflating.utf8.push(&room[..progress.written])?;
        }
        if !progress.done {
            return Ok((progress.written, Inflated::More));
        }
        if !last {
            return Ok((progress.written, Inflated::Piece));
        }
        inflating.utf8.finish()?;
        inflating.open = None;
        pool::give(core::mem::take(&mut inflating.compressed));
        Ok((progress.written, Inflated::Message))
    }
}

/// Compresses what is sent, if that was agreed.
#[derive(Debug, Default)]
pub(crate) struct Deflater(Option<Box<Deflating>>);

#[derive(Debug)]
struct Deflating {
    compressor: Compressor,
    /// Whether messages that begin from now on are to be compressed.
    is_on: bool,
    /// The codec failed inside a message: the peer cannot understand what comes behind.
    is_broken: bool,
}

impl Deflater {
    pub(crate) fn new(deflate: &Deflate, agreed: Agreed) -> Self {
        let compressor = Compressor::new(deflate, agreed.send);
        Self(Some(Box::new(Deflating { compressor, is_on: true, is_broken: false })))
    }

    /// Whether nothing is to be done.
    #[inline]
    pub(crate) const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Compresses the messages that begin from now on, or does not.
    pub(crate) fn set(&mut self, is_on: bool) {
        if let Some(deflating) = &mut self.0 {
            deflating.is_on = is_on;
        }
    }

    /// What is sent for a whole message; `None` if it is to be sent as it is.
    pub(crate) fn message(&mut self, message: &[u8]) -> Result<Option<Compressed>, SendError> {
        let Some(deflating) = self.whole()? else { return Ok(None) };
        if !deflating.is_on || !deflating.compressor.is_worth(message.len()) {
            return Ok(None);
        }
        let compressed = self.compress(message, Flush::Message)?;
        let Some(deflating) = &self.0 else { return Ok(None) };
        // With takeover the peer has to see it, as the next message refers to it.
        let is_smaller = compressed.len < message.len();
        Ok((is_smaller || deflating.compressor.direction().takeover).then_some(compressed))
    }

    /// What is sent for a piece of a message, the first one where `first`; `None` if it is to be
    /// sent as it is.
    pub(crate) fn piece(
        &mut self,
        piece: &[u8],
        first: bool,
        fin: bool,
    ) -> Result<Option<Compressed>, SendError> {
        let Some(deflating) = self.whole()? else { return Ok(None) };
        let is_wanted = if first {
            deflating.is_on && (!fin || deflating.compressor.is_worth(piece.len()))
        } else {
            deflating.compressor.is_inside_message()
        };
        if !is_wanted {
            return Ok(None);
        }
        self.compress(piece, if fin { Flush::Message } else { Flush::Fragment }).map(Some)
    }

    /// The payload that was compressed for many, if this is one of them: the peer is to get it.
    pub(crate) fn prepared<'p>(
        &mut self,
        message: &'p crate::Prepared,
    ) -> Result<Option<&'p [u8]>, SendError> {
        let Some(deflating) = self.whole()?.filter(|deflating| deflating.is_on) else {
            return Ok(None);
        };
        let window = deflating.compressor.direction().window;
        Ok(message.compressed(window).inspect(|_| deflating.compressor.skip(message.payload())))
    }

    /// What compresses, unless it failed so that nothing can be sent any more.
    fn whole(&mut self) -> Result<Option<&mut Deflating>, SendError> {
        match self.0.as_deref_mut() {
            Some(deflating) if deflating.is_broken => Err(SendError::NotCompressed),
            deflating => Ok(deflating),
        }
    }

    fn compress(&mut self, bytes: &[u8], flush: Flush) -> Result<Compressed, SendError> {
        let Some(deflating) = &mut self.0 else { return Err(SendError::NotCompressed) };
        let has_begun = deflating.compressor.is_inside_message();
        let mut compressed = Compressed { bytes: pool::take(), len: 0 };
        let mut rest = bytes;
        loop {
            let room = &mut compressed.bytes[compressed.len..];
            let Ok(Progress { read, written, done }) =
                deflating.compressor.compress(rest, room, flush)
            else {
                if has_begun {
                    deflating.is_broken = true;
                } else {
                    // The peer has seen nothing of it, and understands what is not compressed.
                    self.0 = None;
                }
                return Err(SendError::NotCompressed);
            };
            rest = &rest[read..];
            compressed.len += written;
            if done {
                return Ok(compressed);
            }
            compressed.bytes.resize(compressed.bytes.len() * 2, 0);
        }
    }
}

/// Compressed bytes in a buffer of the thread's.
#[derive(Debug)]
pub(crate) struct Compressed {
    bytes: Vec<u8>,
    len: usize,
}

impl AsRef<[u8]> for Compressed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Compressed {
    fn drop(&mut self) {
        pool::give(core::mem::take(&mut self.bytes));
    }
}

impl From<wsflate::DecompressError> for MessageError {
    fn from(error: wsflate::DecompressError) -> Self {
        match error {
            wsflate::DecompressError::TooLarge { limit } => Self::TooLarge { limit },
            _ => Self::CompressedInvalid,
        }
    }
}
