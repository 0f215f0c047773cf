//! Messages that are written as byte streams.

use std::{
    io::{self, Write},
    vec::Vec,
};

use wscore::{CloseBody, CloseCode, MAX_CONTROL_PAYLOAD, MAX_HEADER, OpCode, Role, Rsv, cipher};

use crate::{
    Encoder, Kind, Message, SendError,
    deflate::{self, Deflater},
    pool,
};

/// Writes messages to a stream: `write` gathers payload, `flush` ends the message and writes it.
///
/// A message is one frame, unless [`with_fragments`](Self::with_fragments) says otherwise. Each
/// frame is one write: its header is placed in room that is kept before the payload.
///
/// ```
/// # use std::io::Write;
/// use wscore::{OpCode, Role};
/// use wsutil::Writer;
/// let mut stream = vec![];
/// let mut writer = Writer::new(&mut stream, Role::Server, OpCode::Text);
/// write!(writer, "{} + {}", 1, 1)?;
/// writer.flush()?;
/// drop(writer);
/// assert_eq!(stream, b"\x81\x051 + 1");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Writer<S: Write> {
    stream: S,
    encoder: Encoder,
    deflater: Deflater,
    kind: Kind,
    /// Room for a header, then payload; empty while nothing is gathered.
    buffer: Vec<u8>,
    /// Where the payload ends: MAX_HEADER <= end <= buffer.len(), if there is a buffer
    end: usize,
    /// The most payload of one frame, in bytes.
    fragment: usize,
    /// Whether a message has begun: an empty one too.
    is_begun: bool,
    /// Why nothing more can be written.
    failed: Option<io::ErrorKind>,
}

impl<S: Write> Writer<S> {
    /// A writer of what this role sends: text messages for [`OpCode::Text`], binary ones for any
    /// other opcode. That text is UTF-8 is the caller's promise.
    pub fn new(stream: S, role: Role, opcode: OpCode) -> Self {
        Self {
            stream,
            encoder: Encoder::new(role),
            deflater: Deflater::default(),
            kind: Kind::from_opcode(opcode).unwrap_or(Kind::Binary),
            buffer: Vec::new(),
            end: MAX_HEADER,
            fragment: usize::MAX,
            is_begun: false,
            failed: None,
        }
    }

    /// The same with frames of at most this many bytes of payload, but at least one: a message
    /// leaves as it is written, and memory does not depend on its size. What is compressed is that
    /// long before, and some bytes longer where it cannot be compressed.
    #[must_use]
    pub fn with_fragments(mut self, size: usize) -> Self {
        self.fragment = size.max(1);
        self
    }

    /// The same with messages compressed as was agreed.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, deflate: &wsflate::Deflate, agreed: wsflate::Agreed) -> Self {
        self.deflater = Deflater::new(deflate, agreed);
        self
    }

    /// Compresses the messages that begin from now on, or does not: on if it was agreed.
    #[cfg(feature = "deflate")]
    pub fn set_compression(&mut self, is_on: bool) {
        self.deflater.set(is_on);
    }

    /// Begins anew for messages of another opcode; payload that is gathered is thrown away.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if fragments of a message were written already, which is to
    /// be ended first.
    pub fn reset(&mut self, opcode: OpCode) -> io::Result<()> {
        if self.encoder.is_inside_message() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a message is open"));
        }
        self.kind = Kind::from_opcode(opcode).unwrap_or(Kind::Binary);
        self.park();
        Ok(())
    }

    /// Begins a message of this opcode, which may stay empty: [`reset`](Self::reset), and a flush
    /// writes it even if nothing is written to it.
    ///
    /// # Errors
    /// As [`reset`](Self::reset).
    pub fn begin(&mut self, opcode: OpCode) -> io::Result<()> {
        self.reset(opcode)?;
        self.is_begun = true;
        Ok(())
    }

    /// How many bytes of payload are gathered.
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.end - MAX_HEADER
    }

    /// Writes what is gathered as a fragment; the message goes on. Does nothing if nothing is.
    ///
    /// # Errors
    /// What the stream fails with; the same kind from then on.
    pub fn flush_fragment(&mut self) -> io::Result<()> {
        if self.buffered() == 0 { Ok(()) } else { self.write_frame(false) }
    }

    /// The stream.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    fn check(&self) -> io::Result<()> {
        self.failed.map_or(Ok(()), |kind| Err(kind.into()))
    }

    /// Writes what is gathered as one frame, in one write if the stream takes it.
    fn write_frame(&mut self, fin: bool) -> io::Result<()> {
        self.check()?;
        if self.buffer.is_empty() {
            self.buffer = pool::take();
        }
        let first = !self.encoder.is_inside_message();
        let rsv = self.compress(first, fin).map_err(invalid)?;
        let header = self.encoder.extended(self.kind, rsv, fin, self.buffered());
        if let Some(mask) = header.mask {
            cipher(&mut self.buffer[MAX_HEADER..self.end], mask, 0);
        }
        let encoded = header.encode();
        let start = MAX_HEADER - encoded.len();
        self.buffer[start..MAX_HEADER].copy_from_slice(&encoded);
        let written = self.stream.write_all(&self.buffer[start..self.end]);
        // A part of a frame may be out: nothing can follow it.
        self.failed = written.as_ref().err().map(io::Error::kind);
        self.end = MAX_HEADER;
        written
    }

    /// Puts what is gathered compressed in its place, if it is to be: the RSV bits that say so.
    fn compress(&mut self, first: bool, fin: bool) -> Result<Rsv, SendError> {
        let payload = &self.buffer[MAX_HEADER..self.end];
        let Some(compressed) = self.deflater.piece(payload, first, fin)? else {
            return Ok(Rsv::NONE);
        };
        let payload = compressed.as_ref();
        self.end = MAX_HEADER + payload.len();
        if self.end > self.buffer.len() {
            self.buffer.resize(self.end, 0);
        }
        self.buffer[MAX_HEADER..self.end].copy_from_slice(payload);
        Ok(deflate::RSV)
    }

    /// Holds no buffer between messages.
    fn park(&mut self) {
        self.is_begun = false;
        self.end = MAX_HEADER;
        pool::give(core::mem::take(&mut self.buffer));
    }

    /// Room for payload, at least one byte.
    fn room(&mut self) -> &mut [u8] {
        if self.buffer.is_empty() {
            self.buffer = pool::take();
        } else if self.end == self.buffer.len() {
            self.buffer.resize(self.end * 2, 0);
        }
        let limit = self.fragment.saturating_add(MAX_HEADER).min(self.buffer.len());
        &mut self.buffer[self.end..limit]
    }
}

/// `write` gathers, `flush` ends the message; a flush with nothing begun does nothing.
impl<S: Write> Write for Writer<S> {
    fn write(&mut self, payload: &[u8]) -> io::Result<usize> {
        self.check()?;
        self.is_begun = true;
        if payload.is_empty() {
            return Ok(0);
        }
        if self.buffered() == self.fragment {
            self.write_frame(false)?;
        }
        let room = self.room();
        let len = room.len().min(payload.len());
        room[..len].copy_from_slice(&payload[..len]);
        self.end += len;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.check()?;
        if self.is_begun {
            self.write_frame(true)?;
            self.park();
        }
        self.stream.flush()
    }
}

impl<S: Write> Drop for Writer<S> {
    fn drop(&mut self) {
        self.park();
    }
}

/// Writes one control frame: `write` gathers its payload, `flush` writes it.
///
/// ```
/// # use std::io::Write;
/// use wscore::{OpCode, Role};
/// let mut stream = vec![];
/// let mut writer = wsutil::ControlWriter::new(&mut stream, Role::Server, OpCode::Ping);
/// writer.write_all(b"are you there?")?;
/// writer.flush()?;
/// assert_eq!(stream, b"\x89\x0eare you there?");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ControlWriter<S> {
    stream: S,
    encoder: Encoder,
    opcode: OpCode,
    frame: [u8; MAX_HEADER + MAX_CONTROL_PAYLOAD],
    /// 0 <= len <= 125
    len: usize,
}

impl<S: Write> ControlWriter<S> {
    /// A writer of control frames as this role sends them.
    pub fn new(stream: S, role: Role, opcode: OpCode) -> Self {
        let frame = [0; MAX_HEADER + MAX_CONTROL_PAYLOAD];
        Self { stream, encoder: Encoder::new(role), opcode, frame, len: 0 }
    }
}

impl<S: Write> Write for ControlWriter<S> {
    /// Fails with [`io::ErrorKind::InvalidInput`], and takes nothing, if there are more than
    /// 125 bytes together (RFC 6455 §5.5).
    fn write(&mut self, payload: &[u8]) -> io::Result<usize> {
        let end = MAX_HEADER + self.len;
        let Some(room) = self.frame[end..].get_mut(..payload.len()) else {
            return Err(invalid(wscore::ProtocolError::ControlTooLong));
        };
        room.copy_from_slice(payload);
        self.len += payload.len();
        Ok(payload.len())
    }

    /// Writes the frame. Fails with [`io::ErrorKind::InvalidInput`] if the opcode is none of a control
    /// frame.
    fn flush(&mut self) -> io::Result<()> {
        if !self.opcode.is_control() || self.opcode.is_reserved() {
            return Err(invalid("not the opcode of a control frame"));
        }
        let header = self.encoder.control(self.opcode, self.len);
        let payload = &mut self.frame[MAX_HEADER..MAX_HEADER + self.len];
        cipher(payload, header.mask.unwrap_or_default(), 0);
        let encoded = header.encode();
        let start = MAX_HEADER - encoded.len();
        self.frame[start..MAX_HEADER].copy_from_slice(&encoded);
        let end = MAX_HEADER + core::mem::take(&mut self.len);
        self.stream.write_all(&self.frame[start..end])?;
        self.stream.flush()
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

/// Writes a whole message, in one write if the stream takes it: what the helpers do.
pub(crate) fn write_message<S: Write + ?Sized>(
    stream: &mut S,
    role: Role,
    message: Message<'_>,
) -> io::Result<()> {
    let payload = message.as_bytes();
    let header = Encoder::new(role).data(message.kind(), true, payload.len());
    let Some(mask) = header.mask else {
        return wscore::write_frame(stream, &wscore::Frame::from_parts(&header, payload));
    };
    let mut bytes = Vec::new();
    wscore::Frame::from_parts(&header, payload).encode_masked(mask, &mut bytes).map_err(invalid)?;
    stream.write_all(&bytes)
}

/// Writes a close frame.
pub(crate) fn write_close<S: Write + ?Sized>(
    stream: &mut S,
    role: Role,
    code: CloseCode,
    reason: &str,
) -> io::Result<()> {
    let mut body = CloseBody::new(code, reason).map_err(invalid)?;
    let header = Encoder::new(role).control(OpCode::Close, body.as_ref().len());
    cipher(body.as_mut(), header.mask.unwrap_or_default(), 0);
    wscore::write_frame(stream, &wscore::Frame::from_parts(&header, body))
}
