//! One end of a connection without I/O: what the drivers move bytes for.
//!
//! ```text
//!           room, received                  step ─▶ Step     message, piece
//! stream ──────────────────▶ Inbox ─▶ Decoder ─────────────────────────────▶ user
//!                                        │ pongs, close                       │
//! stream ◀────────────────── Outbox ◀────┴─ Encoder ◀─────────────────────────┘
//!           pieces, written                          sending
//! ```

use wscore::{CloseBody, CloseCode, Handshake, OpCode, Role};

use crate::{
    CloseStatus, Encoder, Kind, Limits, Message, MessageError, Piece, SendError,
    control::Control,
    decoder::{Decoder, Event},
    inbox::Inbox,
    outbox::Outbox,
};

/// From here on the stream should take some before more is gathered, in bytes.
const SOFT_LIMIT: usize = 64 * 1024;

/// From here on no message of ours is taken, in bytes.
const HARD_LIMIT: usize = 1024 * 1024;

/// Received payload of at least this size is sent from where it lies, in bytes.
const LENT_SIZE: usize = 4 * 1024;

/// Payload of the user's of at least this size is written from where it lies, in bytes.
const LARGE_SIZE: usize = 16 * 1024;

/// One end of a connection: decodes what is received, answers control frames, closes, and gathers
/// what is to be written. It does no I/O.
///
/// It is what [`Connection`](crate::Connection) is made of, and for event loops:
/// ```
/// use wscore::Role;
/// use wsutil::{Endpoint, Step};
///
/// /// Echoes what was received, as far as it goes.
/// fn echo(endpoint: &mut Endpoint) -> Result<(), Box<dyn std::error::Error>> {
///     while let Step::Message = endpoint.step()? {
///         let (message, mut sending) = endpoint.message();
///         sending.message(message)?;
///     }
///     Ok(())
/// }
///
/// let mut endpoint = Endpoint::new(Role::Server);
/// endpoint.receive(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
/// echo(&mut endpoint)?;
/// assert_eq!(endpoint.pieces().collect::<Vec<_>>(), [b"\x81\x05Hello"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Endpoint {
    decoder: Decoder,
    encoder: Encoder,
    inbox: Inbox,
    outbox: Outbox,
    control: Control,
    /// What the inbox's message is.
    holds: Holds,
    failed: Option<MessageError>,
    /// [`Step::Write`] was answered, and nothing was written since.
    asked: bool,
}

/// What the bytes of the message in the [`Inbox`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// The beginning of a message or of a piece, or nothing.
    Beginning {
        /// Whether pieces of it were handed out before.
        handed_out: bool,
        /// Whether the rest of it is not wanted.
        skip: bool,
    },
    /// A whole message, handed out.
    Message(Kind),
    /// A piece, handed out.
    Piece { kind: Kind, first: bool, last: bool },
}

/// What the driver of an [`Endpoint`] does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A message is here: [`Endpoint::message`] lends it.
    Message,
    /// A piece of a message is here: [`Endpoint::piece`] lends it.
    Piece,
    /// Much waits to be written: write, then step again, even if the stream takes nothing now.
    Write,
    /// What was received is used up: write what waits, then read more.
    Read,
    /// The closing handshake is done: write what waits, then close the stream.
    Closed,
}

impl Endpoint {
    /// One end with this role, default [`Limits`], and no extensions.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self::with_encoder(role, Encoder::new(role))
    }

    /// One end with this role, and an encoder that fits it.
    #[must_use]
    pub fn with_encoder(role: Role, encoder: Encoder) -> Self {
        Self {
            decoder: Decoder::new(role, Limits::default()),
            encoder,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            control: Control::default(),
            holds: Holds::NOTHING,
            failed: None,
            asked: false,
        }
    }

    /// The same with what a handshake agreed on.
    #[must_use]
    pub fn with_handshake(mut self, handshake: &Handshake) -> Self {
        self.decoder = self.decoder.with_extension_rsv(handshake.rsv());
        self
    }

    /// Holds the peer to these limits from the next frame on.
    pub const fn set_limits(&mut self, limits: Limits) {
        self.decoder.set_limits(limits);
    }

    /// Its role.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.decoder.role()
    }

    /// Where the next bytes of the stream go: at least 4 KiB, in a buffer that is held as long as
    /// there are bytes in work.
    pub fn room(&mut self) -> &mut [u8] {
        if self.outbox.has_lent() && self.inbox.room_moves() {
            self.outbox.keep_lent(self.inbox.bytes());
        }
        self.inbox.room()
    }

    /// Takes note of bytes that were read into the [`room`](Self::room).
    ///
    /// # Panics
    /// If there was less room than that.
    pub fn received(&mut self, len: usize) {
        self.inbox.advance(len);
    }

    /// Takes bytes that were received elsewhere, such as those that came with the handshake.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.outbox.has_lent() {
            self.outbox.keep_lent(self.inbox.bytes());
        }
        self.inbox.extend(bytes);
    }

    /// Works on what was received until there is something to do, whole messages at a time.
    ///
    /// The message that was lent before is forgotten. Of a message whose beginning was handed out
    /// in pieces, the rest is skipped.
    ///
    /// # Errors
    /// [`MessageError`], when the peer broke a rule: write what waits, which tells it so, and close
    /// the stream. The same from then on.
    #[inline]
    pub fn step(&mut self) -> Result<Step, MessageError> {
        self.advance(true)
    }

    /// As [`step`](Self::step), with messages in pieces, as they come.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn step_piece(&mut self) -> Result<Step, MessageError> {
        self.advance(false)
    }

    /// The message that [`Step::Message`] was answered for, and the side that sends.
    ///
    /// # Panics
    /// If the last step was another.
    #[inline]
    pub fn message(&mut self) -> (Message<'_>, Sending<'_>) {
        let Holds::Message(kind) = self.holds else { no_message() };
        let message = match kind {
            Kind::Text => Message::Text(crate::text::validated(self.inbox.message())),
            Kind::Binary => Message::Binary(self.inbox.message()),
        };
        (
            message,
            Sending::new(
                &mut self.encoder,
                &mut self.outbox,
                &mut self.control,
                self.inbox.bytes(),
            ),
        )
    }

    /// The piece that [`Step::Piece`] was answered for, and the side that sends.
    ///
    /// # Panics
    /// If the last step was another.
    pub fn piece(&mut self) -> (Piece<&[u8]>, Sending<'_>) {
        let Holds::Piece { kind, first, last } = self.holds else { no_message() };
        let payload = self.inbox.message();
        let piece = Piece { kind, rsv: wscore::Rsv::NONE, first, last, payload };
        (
            piece,
            Sending::new(
                &mut self.encoder,
                &mut self.outbox,
                &mut self.control,
                self.inbox.bytes(),
            ),
        )
    }

    /// The side that sends.
    #[inline]
    pub fn sending(&mut self) -> Sending<'_> {
        Sending::new(&mut self.encoder, &mut self.outbox, &mut self.control, self.inbox.bytes())
    }

    /// What waits to be written, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.outbox.pieces(self.inbox.bytes())
    }

    /// What waits to be written, if it is in one piece; empty if nothing waits.
    #[must_use]
    #[inline]
    pub fn one_piece(&self) -> Option<&[u8]> {
        self.outbox.one_piece()
    }

    /// How many bytes wait to be written.
    #[must_use]
    #[inline]
    pub fn pending(&self) -> usize {
        self.outbox.pending()
    }

    /// Takes note of bytes that were written.
    #[inline]
    pub fn written(&mut self, len: usize) {
        self.asked = false;
        self.sending().written(len);
    }

    /// Holds no more memory than what waits needs, and none if nothing does: for when the stream
    /// has nothing more to read for now.
    pub fn park(&mut self) {
        if self.outbox.has_lent() {
            self.outbox.keep_lent(self.inbox.bytes());
        }
        self.outbox.park();
        // A message that is lent is still looked at.
        if matches!(self.holds, Holds::Beginning { .. }) {
            self.inbox.park();
        }
    }

    /// Fails the connection for what the peer did not do in time, unless it has ended.
    pub fn fail(&mut self, error: MessageError) {
        if self.failed.is_none() && self.control.close_received.is_none() {
            self.control.fail(&error, &self.encoder, &mut self.outbox);
            self.failed = Some(error);
        }
    }

    /// What the peer's close frame said, once it has come.
    #[must_use]
    pub const fn close_status(&self) -> Option<&CloseStatus> {
        self.control.close_received.as_ref()
    }

    /// Whether a close frame of ours is written or waits to be.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        self.control.close_sent
    }

    /// Whether a message or frame has begun and not ended.
    #[must_use]
    pub fn is_inside_message(&self) -> bool {
        self.decoder.is_inside_message() || !self.inbox.is_empty()
    }

    #[inline]
    fn advance(&mut self, whole: bool) -> Result<Step, MessageError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.release();
        loop {
            if self.is_to_write() {
                self.asked = true;
                return Ok(Step::Write);
            }
            let decoded = match self.decoder.decode(self.inbox.unread()) {
                Ok(decoded) => decoded,
                Err(error) => {
                    self.fail(error);
                    return Err(error);
                }
            };
            let used = decoded.used;
            match decoded.event {
                None if used == 0 => return Ok(self.end_or_read()),
                None => self.inbox.take(used, 0),
                Some(Event::Piece(Piece { kind, last, payload, .. })) => {
                    let len = payload.len();
                    self.inbox.take(used, len);
                    if let Some(step) = self.hold(kind, last, whole) {
                        return Ok(step);
                    }
                }
                Some(Event::Ping(payload)) => {
                    self.control.answer_ping(payload, &self.encoder, &mut self.outbox);
                    self.inbox.take(used, 0);
                }
                Some(Event::Pong(_)) => self.inbox.take(used, 0),
                Some(Event::Close(reason)) => {
                    self.control.answer_close(reason, &self.encoder, &mut self.outbox);
                    self.inbox.take(used, 0);
                }
            }
        }
    }

    fn end_or_read(&self) -> Step {
        if self.control.close_received.is_some() { Step::Closed } else { Step::Read }
    }

    #[inline]
    fn is_to_write(&self) -> bool {
        !self.asked && (self.outbox.pending() >= SOFT_LIMIT || self.control.is_full())
    }

    /// What was lent before is not looked at any more.
    #[inline]
    fn release(&mut self) {
        self.holds = match self.holds {
            beginning @ Holds::Beginning { .. } => beginning,
            Holds::Piece { last: false, .. } => {
                self.inbox.release();
                Holds::Beginning { handed_out: true, skip: false }
            }
            Holds::Message(_) | Holds::Piece { .. } => {
                self.inbox.release();
                Holds::NOTHING
            }
        };
    }

    /// The inbox has one more piece: whether there is something to hand out.
    #[inline]
    fn hold(&mut self, kind: Kind, last: bool, whole: bool) -> Option<Step> {
        let Holds::Beginning { handed_out, skip } = self.holds else { return None };
        if whole && (handed_out || skip) {
            self.inbox.release();
            self.holds =
                if last { Holds::NOTHING } else { Holds::Beginning { handed_out, skip: true } };
            return None;
        }
        if whole {
            self.holds = if last { Holds::Message(kind) } else { self.holds };
            return last.then_some(Step::Message);
        }
        self.holds = Holds::Piece { kind, first: !handed_out, last };
        Some(Step::Piece)
    }
}

impl Holds {
    const NOTHING: Self = Self::Beginning { handed_out: false, skip: false };
}

#[cold]
#[allow(clippy::panic, reason = "documented: a mistake in the driver")]
fn no_message() -> ! {
    panic!("the last step was not this one")
}

/// The sending side of an [`Endpoint`]: what it is given waits to be written.
#[derive(Debug)]
pub struct Sending<'a> {
    encoder: &'a mut Encoder,
    outbox: &'a mut Outbox,
    control: &'a mut Control,
    /// What the inbox holds: payload that lies in it need not be copied.
    received: &'a [u8],
}

impl<'a> Sending<'a> {
    #[inline]
    fn new(
        encoder: &'a mut Encoder,
        outbox: &'a mut Outbox,
        control: &'a mut Control,
        received: &'a [u8],
    ) -> Self {
        Self { encoder, outbox, control, received }
    }

    /// Sends a whole message in one frame.
    ///
    /// # Errors
    /// [`SendError::Closed`], [`SendError::MessageOpen`] or [`SendError::Full`].
    #[inline]
    pub fn message<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        let header = self.header(message.kind(), message.as_bytes().len())?;
        self.put(&header, message.as_bytes());
        Ok(())
    }

    /// Sends a piece of a message, in a frame of its own; the message ends with it if `fin`.
    /// Behind the first piece the kind does not matter.
    ///
    /// # Errors
    /// [`SendError::Closed`] or [`SendError::Full`].
    pub fn piece(&mut self, kind: Kind, fin: bool, payload: &[u8]) -> Result<(), SendError> {
        self.check()?;
        let header = self.encoder.data(kind, fin, payload.len());
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
        self.control.send_close(&body, self.encoder, self.outbox);
        Ok(())
    }

    /// How many bytes wait to be written.
    #[must_use]
    #[inline]
    pub fn pending(&self) -> usize {
        self.outbox.pending()
    }

    /// Whether so much waits that it should be written before more is sent.
    #[must_use]
    #[inline]
    pub fn is_to_write(&self) -> bool {
        self.pending() >= SOFT_LIMIT
    }

    /// What waits to be written, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.outbox.pieces(self.received)
    }

    /// What waits to be written, if it is in one piece; empty if nothing waits.
    #[must_use]
    #[inline]
    pub fn one_piece(&self) -> Option<&[u8]> {
        self.outbox.one_piece()
    }

    /// Takes note of bytes that were written.
    #[inline]
    pub fn written(&mut self, len: usize) {
        self.advance(len, 0);
    }

    #[inline]
    fn put(&mut self, header: &wscore::Header, payload: &[u8]) {
        if payload.len() < LENT_SIZE || header.mask.is_some() {
            return self.outbox.put(header, payload);
        }
        match Inbox::range_of(self.received, payload) {
            Some(range) => {
                self.outbox.put_header(header);
                self.outbox.put_lent(range.start, payload.len());
            }
            None => self.outbox.put(header, payload),
        }
    }

    /// Sends a message; one that is large and not to be masked only by its header: what is
    /// returned is to be written behind everything that waits.
    #[inline]
    pub(crate) fn message_or_header<'m>(
        &mut self,
        message: Message<'m>,
    ) -> Result<&'m [u8], SendError> {
        let payload = message.as_bytes();
        let header = self.header(message.kind(), payload.len())?;
        if payload.len() < LARGE_SIZE
            || header.mask.is_some()
            || Inbox::range_of(self.received, payload).is_some()
        {
            self.put(&header, payload);
            return Ok(&[]);
        }
        self.outbox.put_header(&header);
        Ok(payload)
    }

    /// Appends bytes that are a frame already, or the rest of one.
    pub(crate) fn put_bytes(&mut self, bytes: &[u8]) {
        self.outbox.put_bytes(bytes);
    }

    /// Takes note of written bytes, with `behind` bytes of a frame behind what waited: how many of
    /// those were written.
    #[inline]
    pub(crate) fn advance(&mut self, len: usize, behind: usize) -> usize {
        let written = self.outbox.advance(len);
        if self.outbox.pending() == 0 && written == behind {
            self.control.written(self.encoder, self.outbox);
        }
        written
    }

    fn control_frame(&mut self, opcode: OpCode, payload: &[u8]) -> Result<(), SendError> {
        self.check()?;
        let header = self.encoder.control(opcode, payload.len());
        wscore::check_control(&header).map_err(|_| SendError::ControlTooLong)?;
        self.outbox.put(&header, payload);
        Ok(())
    }

    #[inline]
    fn header(&mut self, kind: Kind, len: usize) -> Result<wscore::Header, SendError> {
        self.check()?;
        if self.encoder.is_inside_message() {
            return Err(SendError::MessageOpen);
        }
        Ok(self.encoder.data(kind, true, len))
    }

    /// Whether a frame may be sent.
    #[inline]
    fn check(&self) -> Result<(), SendError> {
        // RFC 6455 §5.5.1: nothing is sent behind a close frame.
        if self.control.close_sent {
            return Err(SendError::Closed);
        }
        match self.pending() {
            0..HARD_LIMIT => Ok(()),
            pending => Err(SendError::Full { pending }),
        }
    }
}
