//! Messages that are compressed on the wire (RFC 7692).

use std::{boxed::Box, ops::Range, vec::Vec};

use wscore::{Header, Rsv};
use wsflate::{Agreed, Compressor, Decompressor, Deflate, Flush, Progress};

use crate::{Kind, MessageError, SendError, Utf8, inbox::Inbox, pool};

/// The RSV bits of compressed messages.
pub(crate) const RSV: Rsv = Rsv::RSV1;

/// How far what has come of a message is decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inflated {
    /// There is more of it.
    More,
    /// All of it, and the message goes on.
    Piece,
    /// All of it, and it was the last of its message.
    Message,
}

/// Decompresses messages, and validates texts.
#[derive(Debug)]
struct Messages {
    decompressor: Decompressor,
    utf8: Utf8,
}

impl Messages {
    fn new(deflate: &Deflate, agreed: Agreed) -> Self {
        Self { decompressor: Decompressor::new(deflate, agreed.receive), utf8: Utf8::new() }
    }

    /// Decompresses what there is room for, of a message of at most `limit` bytes.
    fn advance(
        &mut self,
        piece: Compressed<'_>,
        room: &mut [u8],
        limit: u64,
    ) -> Result<(Progress, Inflated), MessageError> {
        let Compressed { kind, last, bytes } = piece;
        let progress = self.decompressor.decompress(bytes, room, last, limit)?;
        if kind == Kind::Text {
            self.utf8.push(&room[..progress.written])?;
        }
        let inflated = match progress.done {
            false => Inflated::More,
            true if last => Inflated::Message,
            true => Inflated::Piece,
        };
        if inflated == Inflated::Message {
            self.utf8.finish()?;
        }
        Ok((progress, inflated))
    }
}

/// What has come of a message and is not decompressed.
#[derive(Clone, Copy, Debug)]
struct Compressed<'a> {
    kind: Kind,
    /// Whether nothing of the message comes behind it.
    last: bool,
    bytes: &'a [u8],
}

/// Decompresses what an [`Endpoint`](crate::Endpoint) receives, if that was agreed.
#[derive(Debug, Default)]
pub(crate) struct Inflater(Option<Box<Inflating>>);

#[derive(Debug)]
struct Inflating {
    messages: Messages,
    /// Decompressed bytes that are not handed out.
    out: Inbox,
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

impl Inflater {
    pub(crate) fn new(deflate: &Deflate, agreed: Agreed) -> Self {
        Self(Some(Box::new(Inflating {
            messages: Messages::new(deflate, agreed),
            out: Inbox::default(),
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
        let Work { kind, last, at } = *work;
        let piece = Compressed { kind, last, bytes: &inbox.message()[at..] };
        let room = inflating.out.room();
        let (progress, inflated) = inflating.messages.advance(piece, room, limit)?;
        work.at += progress.read;
        inflating.out.advance(progress.written);
        inflating.out.take(progress.written, progress.written);
        if progress.done {
            inflating.work = None;
            inbox.release();
        }
        Ok((kind, inflated))
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
    messages: Messages,
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
            messages: Messages::new(deflate, agreed),
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

    /// The open message has ended, or nothing of it comes any more.
    pub(crate) fn end(&mut self) {
        if let Some(inflating) = &mut self.0 {
            inflating.open = None;
            pool::give(core::mem::take(&mut inflating.compressed));
        }
    }

    /// Whether the open message is compressed.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.0.as_ref().is_some_and(|inflating| inflating.open.is_some())
    }

    /// Where compressed bytes go once those before are used up: to be handed back.
    pub(crate) fn take_room(&mut self) -> Vec<u8> {
        let room = self.0.as_mut().map(|inflating| core::mem::take(&mut inflating.compressed));
        room.filter(|room| !room.is_empty()).unwrap_or_else(pool::take)
    }

    /// The room has so many bytes; `last` says that the message has no more.
    pub(crate) fn received(&mut self, room: Vec<u8>, len: usize, last: bool) {
        if let Some(inflating) = &mut self.0 {
            inflating.compressed = room;
            (inflating.unread, inflating.last) = (0..len, last);
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
        let bytes = &inflating.compressed[inflating.unread.clone()];
        let piece = Compressed { kind, last: inflating.last, bytes };
        let (progress, inflated) = inflating.messages.advance(piece, room, limit)?;
        inflating.unread.start += progress.read;
        if inflated == Inflated::Message {
            self.end();
        }
        Ok((progress.written, inflated))
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
}

impl Deflater {
    pub(crate) fn new(deflate: &Deflate, agreed: Agreed) -> Self {
        let compressor = Compressor::new(deflate, agreed.send);
        Self(Some(Box::new(Deflating { compressor, is_on: true })))
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
    pub(crate) fn message(&mut self, message: &[u8]) -> Result<Option<Payload>, SendError> {
        let Some(deflating) = &self.0 else { return Ok(None) };
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
    ) -> Result<Option<Payload>, SendError> {
        if first && fin {
            return self.message(piece);
        }
        let Some(deflating) = &self.0 else { return Ok(None) };
        let is_wanted =
            if first { deflating.is_on } else { deflating.compressor.is_inside_message() };
        if !is_wanted {
            return Ok(None);
        }
        self.compress(piece, if fin { Flush::Message } else { Flush::Fragment }).map(Some)
    }

    /// The payload that was compressed for many, if this is one of them: the peer is to get it.
    pub(crate) fn prepared<'p>(&mut self, message: &'p crate::Prepared) -> Option<&'p [u8]> {
        let deflating = self.0.as_mut().filter(|deflating| deflating.is_on)?;
        let window = deflating.compressor.direction().window;
        message.compressed(window).inspect(|_| deflating.compressor.skip(message.payload()))
    }

    fn compress(&mut self, bytes: &[u8], flush: Flush) -> Result<Payload, SendError> {
        let Some(deflating) = &mut self.0 else { return Err(SendError::NotCompressed) };
        let has_begun = deflating.compressor.is_inside_message();
        let mut compressed = Payload { bytes: pool::take(), len: 0 };
        let mut rest = bytes;
        loop {
            let room = &mut compressed.bytes[compressed.len..];
            let Ok(Progress { read, written, done }) =
                deflating.compressor.compress(rest, room, flush)
            else {
                if !has_begun {
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
pub(crate) struct Payload {
    bytes: Vec<u8>,
    len: usize,
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Payload {
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
