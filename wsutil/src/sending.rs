//! What one end sends: messages, control frames, the close frame.

use wscore::{CloseBody, CloseCode, CloseReason, OpCode, Rsv};

use crate::{
    Encoder, Kind, Message, MessageError, Prepared, SendError,
    control::ControlState,
    deflate::{self, Deflater},
    inbox::Inbox,
    outbox::Outbox,
    trace,
};

/// From here on the stream should take some before more is copied, in bytes.
const SOFT_LIMIT: usize = 64 * 1024;

/// From here on the stream should take some before more is gathered, with what is not copied but
/// lies among the received bytes anyway.
const GATHER_LIMIT: usize = 512 * 1024;

/// From here on no message of ours is taken, in bytes.
const HARD_LIMIT: usize = 1024 * 1024;

/// Received payload of at least this size is sent from where it lies, in bytes.
const LENT_SIZE: usize = 4 * 1024;

/// Payload of the user's of at least this size is written from where it lies, in bytes.
const LARGE_SIZE: usize = 16 * 1024;

/// Slices of a vectored write that is not large: an array of them is quickly made.
#[cfg(feature = "std")]
pub(crate) const FEW_SLICES: usize = 8;

/// Slices of a vectored write at the most.
#[cfg(feature = "std")]
pub(crate) const MANY_SLICES: usize = 64;

/// What is on its way out, and what decides it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) encoder: Encoder,
    pub(crate) outbox: Outbox,
    pub(crate) control: ControlState,
    pub(crate) deflater: Deflater,
    /// The most payload of one frame of data, in bytes.
    pub(crate) fragment: usize,
    /// The driver was told to write, and nothing was written since.
    pub(crate) asked: bool,
    /// Something was written since this was last looked at.
    pub(crate) wrote: bool,
}

impl Outgoing {
    pub(crate) fn new(encoder: Encoder) -> Self {
        let (outbox, control) = (Outbox::default(), ControlState::default());
        Self {
            encoder,
            outbox,
            control,
            deflater: Deflater::default(),
            fragment: usize::MAX,
            asked: false,
            wrote: false,
        }
    }

    /// Whether so much waits that it should be written before more is gathered.
    #[inline]
    pub(crate) const fn is_to_write(&self) -> bool {
        self.outbox.is_over(SOFT_LIMIT, GATHER_LIMIT) || self.control.is_full()
    }

    #[cold]
    pub(crate) fn answer_ping(&mut self, payload: &[u8]) {
        self.control.answer_ping(payload, &self.encoder, &mut self.outbox);
    }

    pub(crate) fn answer_close(&mut self, reason: Option<CloseReason<'_>>) {
        self.control.answer_close(reason, &self.encoder, &mut self.outbox);
    }

    pub(crate) fn fail(&mut self, error: &MessageError) {
        self.control.fail(error, &self.encoder, &mut self.outbox);
    }

    pub(crate) fn send_close(&mut self, body: &CloseBody) {
        self.control.send_close(body, &self.encoder, &mut self.outbox);
    }

    #[inline]
    pub(crate) fn written(&mut self) {
        self.control.written(&self.encoder, &mut self.outbox);
    }
}

/// The sending side of an [`Endpoint`](crate::Endpoint): what it is given waits to be written.
#[derive(Debug)]
pub struct Sending<'a> {
    out: &'a mut Outgoing,
    /// What the inbox holds: payload that lies in it need not be copied.
    received: &'a [u8],
}

impl<'a> Sending<'a> {
    #[inline]
    pub(crate) fn new(out: &'a mut Outgoing, received: &'a [u8]) -> Self {
        Self { out, received }
    }

    /// The same, for a call that is not inlined: what is lent to one has to be in memory.
    #[inline]
    pub(crate) fn again(&mut self) -> Sending<'_> {
        Sending::new(self.out, self.received)
    }

    /// Sends a whole message, in one frame unless it is over the size of fragments.
    ///
    /// # Errors
    /// [`SendError::Closed`], [`SendError::MessageOpen`] or [`SendError::Full`].
    #[inline]
    pub fn message<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let rest = self.message_or_header(message.into())?;
        if !rest.is_empty() {
            self.put_bytes(rest);
        }
        Ok(())
    }

    /// Sends a message that was encoded before.
    ///
    /// # Errors
    /// As [`message`](Self::message).
    pub fn prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
        self.check_between_messages()?;
        if let Some(payload) = self.out.deflater.prepared(message) {
            let kind = message.kind();
            let header = self.out.encoder.extended(kind, deflate::RSV, true, payload.len());
            self.out.outbox.put(&header, payload);
            return Ok(());
        }
        let header = self.out.encoder.data(message.kind(), true, message.payload().len());
        if header.mask.is_some() {
            self.out.outbox.put(&header, message.payload());
        } else {
            trace::sent(&header);
            self.put_bytes(message.frame());
        }
        Ok(())
    }

    /// Sends a piece of a message, in a frame of its own; the message ends with it if `fin`.
    /// Behind the first piece the kind does not matter. That the pieces of a text are UTF-8 together
    /// is the caller's promise.
    ///
    /// # Errors
    /// [`SendError::Closed`] or [`SendError::Full`].
    pub fn piece(&mut self, kind: Kind, fin: bool, payload: &[u8]) -> Result<(), SendError> {
        self.check()?;
        let first = !self.out.encoder.is_inside_message();
        if let Some(payload) = self.out.deflater.piece(payload, first, fin)? {
            let payload = payload.as_ref();
            let header = self.out.encoder.extended(kind, deflate::RSV, fin, payload.len());
            self.put(&header, payload);
            return Ok(());
        }
        let header = self.out.encoder.data(kind, fin, payload.len());
        self.put(&header, payload);
        Ok(())
    }

    /// Sends a ping.
    ///
    /// # Errors
    /// [`SendError::Closed`], [`SendError::Full`], or [`SendError::ControlTooLong`] if the payload
    /// has more than 125 bytes.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control_frame(OpCode::Ping, payload)
    }

    /// Sends a pong that nobody asked for, as a sign of life (RFC 6455 §5.5.3).
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control_frame(OpCode::Pong, payload)
    }

    /// Sends a close frame, behind which nothing is sent. Does nothing if one was sent before.
    ///
    /// # Errors
    /// [`SendError::InvalidClose`] if the code must not be sent or the reason is longer than
    /// 123 bytes.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        let body = CloseBody::new(code, reason)?;
        self.out.send_close(&body);
        Ok(())
    }

    /// Compresses the messages that begin from now on, or does not: on if it was agreed. What is
    /// secret is better not compressed beside what others have a say in (RFC 7692 §8).
    #[cfg(feature = "deflate")]
    pub fn set_compression(&mut self, is_on: bool) {
        self.out.deflater.set(is_on);
    }

    /// Forgets what waits, but for the rest of a frame that is written in part: for a peer that
    /// does not take what is sent. Only a close frame makes sense behind it, as the messages that
    /// are forgotten may have begun, or be what later ones refer to.
    pub fn discard(&mut self) {
        self.out.outbox.discard(self.received);
        self.out.control.discard();
    }

    /// Whether a close frame is sent or waits to be: nothing is sent behind it.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.out.control.close_sent
    }

    /// How many bytes wait to be written.
    #[must_use]
    #[inline]
    pub fn pending(&self) -> usize {
        self.out.outbox.pending()
    }

    /// Whether so much waits that it should be written before more is sent.
    #[must_use]
    #[inline]
    pub fn is_to_write(&self) -> bool {
        self.out.is_to_write()
    }

    /// What waits to be written, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.out.outbox.pieces(self.received)
    }

    /// What waits to be written as slices for one vectored write, with `behind` behind it if there
    /// is room: the `slices` that are used.
    #[cfg(feature = "std")]
    pub(crate) fn slices<'s>(
        &'s self,
        behind: &'s [u8],
        slices: &'s mut [std::io::IoSlice<'s>],
    ) -> &'s [std::io::IoSlice<'s>] {
        let pieces = self.pieces().chain([behind]);
        let used = slices.iter_mut().zip(pieces).map(|(slice, piece)| {
            *slice = std::io::IoSlice::new(piece);
        });
        let used = used.count();
        &slices[..used]
    }

    /// Whether what waits, and one piece more, fits a vectored write of a few slices.
    #[cfg(feature = "std")]
    pub(crate) fn is_in_few_pieces(&self) -> bool {
        self.out.outbox.piece_count() < FEW_SLICES
    }

    /// What waits to be written, if it is in one piece; empty if nothing waits.
    #[must_use]
    #[inline]
    pub fn one_piece(&self) -> Option<&[u8]> {
        self.out.outbox.one_piece()
    }

    /// Takes note of bytes that were written.
    #[inline]
    pub fn written(&mut self, len: usize) {
        self.advance(len, 0);
    }

    /// Writes what waits, as far as a stream that does not block takes it now: whether it took all.
    ///
    /// # Errors
    /// Those of the stream but [`Interrupted`](std::io::ErrorKind::Interrupted) and
    /// [`WouldBlock`](std::io::ErrorKind::WouldBlock), and
    /// [`WriteZero`](std::io::ErrorKind::WriteZero) if it takes nothing any more.
    #[cfg(feature = "std")]
    #[inline]
    pub fn write_to(&mut self, stream: &mut impl std::io::Write) -> std::io::Result<bool> {
        use std::io::{ErrorKind, IoSlice};

        while self.pending() > 0 {
            let written = match self.one_piece() {
                Some(piece) => stream.write(piece),
                None if self.is_in_few_pieces() => {
                    let mut slices = [IoSlice::new(&[]); FEW_SLICES];
                    stream.write_vectored(self.slices(&[], &mut slices))
                }
                None => {
                    let mut slices = [IoSlice::new(&[]); MANY_SLICES];
                    stream.write_vectored(self.slices(&[], &mut slices))
                }
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.written(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    #[inline]
    fn put(&mut self, header: &wscore::Header, payload: &[u8]) {
        if payload.len() < LENT_SIZE || header.mask.is_some() {
            return self.out.outbox.put(header, payload);
        }
        match Inbox::range_of(self.received, payload) {
            Some(range) => {
                self.out.outbox.put_header(header);
                self.out.outbox.put_lent(range.start, payload.len());
            }
            None => self.out.outbox.put(header, payload),
        }
    }

    /// Sends a message; one that is large and not to be masked only by its header: what is
    /// returned is to be written behind everything that waits.
    #[inline]
    pub(crate) fn message_or_header<'m>(
        &mut self,
        message: Message<'m>,
    ) -> Result<&'m [u8], SendError> {
        self.check_between_messages()?;
        let payload = message.as_bytes();
        if !self.out.deflater.is_none() && self.again().compressed(message)? {
            return Ok(&[]);
        }
        if payload.len() > self.out.fragment {
            self.again().fragments(message.kind(), Rsv::NONE, payload);
            return Ok(&[]);
        }
        let header = self.out.encoder.data(message.kind(), true, payload.len());
        if payload.len() < LARGE_SIZE
            || header.mask.is_some()
            || Inbox::range_of(self.received, payload).is_some()
        {
            self.put(&header, payload);
            return Ok(&[]);
        }
        self.out.outbox.put_header(&header);
        Ok(payload)
    }

    /// Appends bytes that are a frame already.
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.out.outbox.put_bytes(bytes);
    }

    /// Appends the rest of a frame, whose header went before it.
    #[cfg(feature = "std")]
    pub(crate) fn put_rest(&mut self, rest: &[u8]) {
        self.out.outbox.put_rest(rest);
    }

    /// Takes note of written bytes, with `behind` bytes of a frame behind what waited: how many of
    /// those were written.
    #[inline]
    pub(crate) fn advance(&mut self, len: usize, behind: usize) -> usize {
        if len > 0 {
            self.out.asked = false;
            self.out.wrote = true;
        }
        let written = self.out.outbox.advance(len);
        if self.out.outbox.pending() == 0 && written == behind {
            self.out.written();
        }
        written
    }

    /// Sends a message compressed, if that is worth it: whether it is sent.
    #[cold]
    #[inline(never)]
    fn compressed(self, message: Message<'_>) -> Result<bool, SendError> {
        let Some(payload) = self.out.deflater.message(message.as_bytes())? else {
            return Ok(false);
        };
        self.fragments(message.kind(), deflate::RSV, payload.as_ref());
        Ok(true)
    }

    /// Sends a message of at least one byte, which has these RSV bits, in frames that are not over
    /// the size of fragments.
    #[cold]
    fn fragments(mut self, kind: Kind, rsv: Rsv, payload: &[u8]) {
        let mut fragments = payload.chunks(self.out.fragment).peekable();
        while let Some(fragment) = fragments.next() {
            let fin = fragments.peek().is_none();
            let header = self.out.encoder.extended(kind, rsv, fin, fragment.len());
            self.put(&header, fragment);
        }
    }

    fn control_frame(&mut self, opcode: OpCode, payload: &[u8]) -> Result<(), SendError> {
        self.check()?;
        let header = self.out.encoder.control(opcode, payload.len());
        wscore::check_control(&header).map_err(|_| SendError::ControlTooLong)?;
        self.out.outbox.put(&header, payload);
        Ok(())
    }

    /// Whether a message may begin.
    #[inline]
    fn check_between_messages(&self) -> Result<(), SendError> {
        self.check()?;
        // RFC 6455 §5.4: the fragments of one message are not interleaved with another's.
        if self.out.encoder.is_inside_message() { Err(SendError::MessageOpen) } else { Ok(()) }
    }

    /// Whether a frame may be sent.
    #[inline]
    fn check(&self) -> Result<(), SendError> {
        // RFC 6455 §5.5.1: nothing is sent behind a close frame.
        if self.out.control.close_sent {
            return Err(SendError::Closed);
        }
        match self.pending() {
            0..HARD_LIMIT => Ok(()),
            pending => Err(SendError::Full { pending }),
        }
    }
}
