//! Messages as byte streams, read straight to where they are wanted.

use std::{
    fmt,
    io::{self, BufRead, Read, Write},
    ops::Range,
};

use wscore::{Header, MAX_CONTROL_PAYLOAD, MAX_HEADER, Role};

use crate::{
    CloseStatus, Control, Decoder, Encoder, Error, Event, Limits, MessageError, Timeout,
    control::ControlHandler,
    deflate::{Inflated, StreamInflater},
    drive::is_passing,
    sending::Outgoing,
    trace,
};

/// Reads messages from a stream, one frame at a time and never a byte further: payload goes
/// straight to the caller's slice, unmasked and validated there.
///
/// [`next_frame`](Self::next_frame) waits for a message, `Read` reads it to its end, over all its
/// fragments. Pings are answered, close frames too, and a peer that breaks the protocol is told so.
///
/// A header costs a read or two; for streams where that is a system call,
/// [`Connection`](crate::Connection) reads many messages at once.
///
/// ```
/// # use std::io::Read;
/// use wscore::Role;
/// use wsutil::Reader;
/// let mut stream = std::io::Cursor::new(b"\x01\x03Hel\x80\x02lo".to_vec());
/// let mut reader = Reader::new(&mut stream, Role::Client);
/// let mut text = String::new();
/// if let Some(_header) = reader.next_frame()? {
///     reader.read_to_string(&mut text)?;
/// }
/// assert_eq!(text, "Hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reader<S> {
    stream: S,
    decoder: Decoder,
    inflater: StreamInflater,
    replies: Outgoing,
    /// Writes replies, for a stream that can be written to.
    write: Option<WriteAll<S>>,
    /// A header, or a whole control frame, as far as it has come.
    head: [u8; MAX_HEADER + MAX_CONTROL_PAYLOAD],
    /// 0 <= head_len <= head.len()
    head_len: usize,
    /// Whether the message has more to be read.
    is_open: bool,
    on_control: ControlHandler,
    /// Payload of the open message that was read for `BufRead`, and what of it is not consumed.
    buffered: Vec<u8>,
    unread: Range<usize>,
    /// Set once no more messages come.
    end: Option<Result<(), Error>>,
}

type WriteAll<S> = fn(&mut S, &[u8]) -> io::Result<()>;

impl<S: Read + Write> Reader<S> {
    /// A reader of what this role receives, with default [`Limits`]; replies to control frames go
    /// to the same stream.
    pub fn new(stream: S, role: Role) -> Self {
        let write =
            |stream: &mut S, bytes: &[u8]| stream.write_all(bytes).and_then(|()| stream.flush());
        Self { write: Some(write), ..Self::without_replies(stream, role) }
    }
}

impl<S: Read> Reader<S> {
    /// A reader that answers nothing: what control frames ask for is up to
    /// [`on_control`](Self::on_control).
    pub fn without_replies(stream: S, role: Role) -> Self {
        Self {
            stream,
            decoder: Decoder::new(role, Limits::default()),
            inflater: StreamInflater::default(),
            replies: Outgoing::new(Encoder::new(role)),
            write: None,
            head: [0; MAX_HEADER + MAX_CONTROL_PAYLOAD],
            head_len: 0,
            is_open: false,
            on_control: ControlHandler::default(),
            buffered: Vec::new(),
            unread: 0..0,
            end: None,
        }
    }

    /// The same with these limits for the peer's messages.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.decoder.set_limits(limits);
        self
    }

    /// The same with messages decompressed as was agreed.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, deflate: &wsflate::Deflate, agreed: wsflate::Agreed) -> Self {
        self.decoder.set_extension_rsv(crate::deflate::RSV);
        self.inflater = StreamInflater::new(deflate, agreed);
        self
    }

    /// The same with a look at every control frame, before it is answered.
    #[must_use]
    pub fn on_control(mut self, handler: impl FnMut(Control<'_>) + Send + 'static) -> Self {
        self.on_control = ControlHandler::new(handler);
        self
    }

    /// Waits for the next message: the header of its first frame as it is on the wire, or `None` once
    /// the peer has closed. What is left of the message before is skipped.
    ///
    /// # Errors
    /// [`Error`], the same from then on; but if the stream only would block or timed out, call
    /// again.
    pub fn next_frame(&mut self) -> Result<Option<Header>, Error> {
        self.unread = 0..0;
        let mut skipped = [0; 4096];
        while self.is_open {
            self.read_some(&mut skipped)?;
        }
        loop {
            let header = match self.advance()? {
                Advance::Header(header) => header,
                Advance::Control => continue,
                Advance::End => return Ok(None),
            };
            self.is_open = self.decoder.is_inside_message();
            if self.is_open {
                self.inflater.begin(&header);
            }
            return Ok(Some(header));
        }
    }

    /// Appends the rest of the open message. Memory grows with what comes, never with what a header
    /// declares.
    ///
    /// # Errors
    /// As [`next_frame`](Self::next_frame).
    pub fn read_message(&mut self, payload: &mut Vec<u8>) -> Result<(), Error> {
        payload.extend_from_slice(&self.buffered[std::mem::take(&mut self.unread)]);
        if !self.is_open {
            return Ok(());
        }
        let mut filled = payload.len();
        loop {
            if payload.len() - filled < MIN_ROOM {
                let wanted = match self.decoder.payload_left() {
                    _ if self.inflater.is_open() => usize::MAX,
                    0 => MIN_ROOM,
                    left => usize::try_from(left).unwrap_or(usize::MAX),
                };
                payload.resize(filled + wanted.min(filled.max(2 * MIN_ROOM)), 0);
            }
            let read = self.read_some(&mut payload[filled..]);
            filled += *read.as_ref().unwrap_or(&0);
            if !self.is_open || read.is_err() {
                payload.truncate(filled);
                return read.map(|_| ());
            }
        }
    }

    /// What the peer's close frame said, once it has come.
    #[must_use]
    pub const fn close_status(&self) -> Option<&CloseStatus> {
        self.replies.control.close_received.as_ref()
    }

    /// The same, as if there were one without a code before.
    pub(crate) fn close_status_or_none(&self) -> CloseStatus {
        self.close_status().cloned().unwrap_or_else(|| CloseStatus::from(None))
    }

    /// The stream. What is read from it is missing here.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream, from which nothing was read that was not handed out.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// Reads payload of the open message; 0 at its end.
    fn read_some(&mut self, room: &mut [u8]) -> Result<usize, Error> {
        if !self.is_open || room.is_empty() {
            return Ok(0);
        }
        if self.inflater.is_open() {
            return self.read_compressed(room);
        }
        let read = self.read_raw(room)?;
        self.is_open = self.decoder.is_inside_message();
        Ok(read)
    }

    /// As [`read_some`](Self::read_some), of a message that is compressed.
    fn read_compressed(&mut self, room: &mut [u8]) -> Result<usize, Error> {
        loop {
            let limit = self.decoder.limits().message;
            let advanced = self.inflater.advance(room, limit);
            let (len, inflated) = advanced.map_err(|error| self.refuse(error))?;
            self.is_open = inflated != Inflated::Message;
            if len > 0 || !self.is_open {
                return Ok(len);
            }
            let mut compressed = self.inflater.take_room();
            let read = self.read_raw(&mut compressed);
            let len = *read.as_ref().unwrap_or(&0);
            self.inflater.received(compressed, len, !self.decoder.is_inside_message());
            if !self.is_open {
                self.inflater.end();
            }
            read?;
        }
    }

    /// Reads payload of the open message as it was sent, at most to the end of a frame; 0 at its end.
    fn read_raw(&mut self, room: &mut [u8]) -> Result<usize, Error> {
        while self.decoder.is_inside_message() {
            let left = usize::try_from(self.decoder.payload_left()).unwrap_or(usize::MAX);
            if left > 0 {
                let len = left.min(room.len());
                let read = read(&mut self.stream, &mut room[..len]);
                let read = self.received(read)?;
                let decoded = self.decoder.decode(&mut room[..read]).map(|_| ());
                decoded.map_err(|error| self.refuse(error))?;
                return Ok(read);
            }
            if let Advance::End = self.advance()? {
                // RFC 6455 §5.4: a message that is not finished is not delivered.
                self.is_open = false;
                return Err(Error::Closed(self.close_status_or_none()));
            }
        }
        Ok(0)
    }

    /// Reads one header, with the payload if it is that of a control frame, which is answered.
    fn advance(&mut self) -> Result<Advance, Error> {
        match &self.end {
            None => {}
            Some(Ok(())) => return Ok(Advance::End),
            Some(Err(error)) => return Err(error.again()),
        }
        loop {
            let decoded = self.decoder.decode(&mut self.head[..self.head_len]);
            let decoded = match decoded {
                Ok(decoded) => decoded,
                Err(error) => return Err(self.refuse(error)),
            };
            decoded.event.iter().for_each(trace::received);
            let control = match decoded.event {
                None if decoded.used == 0 => {
                    self.read_head()?;
                    continue;
                }
                // The frame is empty, or its payload is still to be read.
                None | Some(Event::Piece(_)) => None,
                Some(event) => Control::from_event(&event),
            };
            let Some(control) = control else {
                let header = Header::parse(&self.head[..self.head_len]);
                self.head_len = 0;
                return match header {
                    Ok(Some((header, _))) => Ok(Advance::Header(header)),
                    _ => Ok(Advance::Control),
                };
            };
            self.on_control.call(control);
            match control {
                Control::Ping(payload) => self.replies.answer_ping(payload),
                Control::Pong(_) => {}
                Control::Close(reason) => {
                    self.replies.answer_close(reason);
                    self.end = Some(Ok(()));
                }
            }
            self.head_len = 0;
            self.reply()?;
            return Ok(if self.end.is_some() { Advance::End } else { Advance::Control });
        }
    }

    /// Reads no more than the header, or the control frame, certainly still has.
    fn read_head(&mut self) -> Result<(), Error> {
        let size = match self.head[..self.head_len] {
            [first, second, ..] => match Header::parse(&self.head[..self.head_len]) {
                // Only a control frame is held back for its payload.
                Ok(Some((header, size))) => size + usize::try_from(header.len).unwrap_or_default(),
                _ => Header::size_of([first, second]),
            },
            _ => 2,
        };
        let read = read(&mut self.stream, &mut self.head[self.head_len..size]);
        self.head_len += self.received(read)?;
        Ok(())
    }

    /// What a read brought; its end is that of the connection.
    fn received(&mut self, read: io::Result<usize>) -> Result<usize, Error> {
        match read {
            Ok(0) => {
                let inside_message = self.decoder.is_inside_message() || self.head_len > 0;
                Err(self.fail(Error::Disconnected { inside_message }))
            }
            Ok(read) => Ok(read),
            Err(error) => Err(self.fail(Error::Io(error))),
        }
    }

    /// Tells the peer what it did wrong.
    fn refuse(&mut self, error: MessageError) -> Error {
        self.replies.fail(&error);
        // That the peer is gone already does not change what it did.
        let _ = self.reply();
        self.fail(Error::Peer(error))
    }

    /// Writes what waits.
    fn reply(&mut self) -> Result<(), Error> {
        let Some(bytes) = self.replies.outbox.one_piece().filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        let written = self.write.map_or(Ok(()), |write| write(&mut self.stream, bytes));
        self.replies.outbox.advance(bytes.len());
        self.replies.outbox.park();
        self.replies.written();
        written.map_err(|error| {
            // A part of a frame may be out: nothing can follow it, even if the stream recovers.
            let error =
                if is_passing(&error) { Error::TimedOut(Timeout::Write) } else { error.into() };
            self.fail(error)
        })
    }

    /// Ends with this error, unless it passes.
    fn fail(&mut self, error: Error) -> Error {
        if error.close_code().is_some() {
            self.is_open = false;
            self.inflater.end();
            self.end = Some(Err(error.again()));
        }
        error
    }
}

/// Messages are read with at least this much room where they have more, in bytes.
const MIN_ROOM: usize = 4 * 1024;

/// What came.
enum Advance {
    /// A frame of data, whose payload is still to be read.
    Header(Header),
    /// A control frame.
    Control,
    /// The peer's close frame.
    End,
}

/// One read, again where a signal interrupted it.
fn read<S: Read>(stream: &mut S, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Reads the open message; its end is the end of the stream.
impl<S: Read> Read for Reader<S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() {
            return Ok(self.read_some(room)?);
        }
        let len = room.len().min(self.unread.len());
        room[..len].copy_from_slice(&self.buffered[self.unread.start..][..len]);
        self.unread.start += len;
        Ok(len)
    }
}

/// Reads the open message through a buffer of 8 KiB, which holds payload of its frames only.
impl<S: Read> BufRead for Reader<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.unread.is_empty() {
            let mut buffered = std::mem::take(&mut self.buffered);
            buffered.resize(BUFFER, 0);
            let read = self.read_some(&mut buffered);
            self.buffered = buffered;
            self.unread = 0..read?;
        }
        Ok(&self.buffered[self.unread.clone()])
    }

    fn consume(&mut self, used: usize) {
        self.unread.start = self.unread.end.min(self.unread.start + used);
    }
}

/// What `BufRead` reads at once, in bytes.
const BUFFER: usize = 8 * 1024;

impl<S: fmt::Debug> fmt::Debug for Reader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("stream", &self.stream)
            .field("decoder", &self.decoder)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
