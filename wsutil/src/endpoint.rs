//! One end of a connection without I/O: what the drivers move bytes for.
//!
//! ```text
//!           room, received                  step ─▶ Step     message, piece
//! stream ──────────────────▶ Inbox ─▶ Decoder ─────────────────────────────▶ user
//!                                        │ pongs, close                       │
//! stream ◀────────────────── Outbox ◀────┴─ Encoder ◀─────────────────────────┘
//!           pieces, written                          sending
//! ```

mod receiving;

use alloc::boxed::Box;
use core::time::Duration;

use wscore::{Role, Rsv};

use crate::{
    CloseStatus, Deadlines, Encoder, Kind, Limits, Message, MessageError, Piece, Sending,
    control::{Control, ControlHandler},
    deadlines::{Passed, Watch},
    decoder::Decoder,
    deflate::Inflater,
    inbox::Inbox,
    sending::Outgoing,
    text::validated,
};

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
    inbox: Inbox,
    outgoing: Outgoing,
    inflater: Inflater,
    /// What the message is that was received.
    holds: Holds,
    /// Whether it is the inflater's, rather than the inbox's.
    inflated: bool,
    failed: Option<MessageError>,
    watch: Option<Box<Watch>>,
    on_control: ControlHandler,
}

/// What a peer did not do in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timeout {
    /// Answer a ping.
    Pong,
    /// Send anything at all.
    Idle,
    /// Take some of what waits to be written.
    Write,
    /// Answer our close frame; the drivers keep this one.
    Close,
    /// Finish a message. It is told so.
    Message,
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
    /// One end with this role, default [`Limits`], and no extensions: a frame with an RSV bit fails
    /// the connection. See [`set_deflate`](Self::set_deflate).
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
            inbox: Inbox::default(),
            outgoing: Outgoing::new(encoder),
            inflater: Inflater::default(),
            holds: Holds::NOTHING,
            inflated: false,
            failed: None,
            watch: None,
            on_control: ControlHandler::default(),
        }
    }

    /// Holds the peer to these limits from the next frame on.
    pub const fn set_limits(&mut self, limits: Limits) {
        self.decoder.set_limits(limits);
    }

    /// Compresses and decompresses messages as was agreed: to be called before the first one.
    ///
    /// # Panics
    /// If a message is open in either direction.
    #[cfg(feature = "deflate")]
    pub fn set_deflate(&mut self, deflate: &wsflate::Deflate, agreed: wsflate::Agreed) {
        let is_open = self.decoder.is_inside_message() || self.inflater.is_at_work();
        assert!(!is_open && !self.is_sending_message(), "a message is open");
        self.decoder.set_extension_rsv(crate::deflate::RSV);
        self.inflater = Inflater::new(deflate, agreed);
        self.outgoing.deflater = crate::deflate::Deflater::new(deflate, agreed);
    }

    /// What compresses, for another that sends.
    #[cfg(feature = "std")]
    pub(crate) fn take_deflater(&mut self) -> crate::deflate::Deflater {
        core::mem::take(&mut self.outgoing.deflater)
    }

    /// Has a look at every control frame, before it is answered.
    pub fn on_control(&mut self, handler: impl FnMut(Control<'_>) + Send + 'static) {
        self.on_control = ControlHandler::new(handler);
    }

    /// Cuts messages of ours into frames of at most this many bytes of payload, but at least one;
    /// `None`, the default, sends each in one frame.
    pub const fn set_fragment_size(&mut self, size: Option<usize>) {
        self.outgoing.fragment = match size {
            Some(0) => 1,
            Some(size) => size,
            None => usize::MAX,
        };
    }

    /// Holds the peer to these deadlines. The time is `now`, since an origin of the driver's choice,
    /// as in every [`tick`](Self::tick).
    pub fn set_deadlines(&mut self, deadlines: Deadlines, now: Duration) {
        self.watch = Some(Box::new(Watch::new(deadlines, now)));
    }

    /// Does what is due at this time: pings a silent peer. When to be called again at the latest;
    /// `None` for whenever there is something to read or write.
    ///
    /// To be called before the driver waits, and when it has waited.
    ///
    /// # Errors
    /// [`Timeout`], if the peer did not do in time what it had to; [`step`](Self::step) then fails
    /// too if the peer broke a rule with it.
    pub fn tick(&mut self, now: Duration) -> Result<Option<Duration>, Timeout> {
        let inside_message = self.waits_for_rest();
        let pending = self.pending() > 0;
        let wrote = core::mem::take(&mut self.outgoing.wrote);
        let Some(watch) = &mut self.watch else { return Ok(None) };
        if wrote {
            watch.wrote();
        }
        match watch.tick(now, inside_message, pending) {
            Ok(tick) => {
                let Some(payload) = tick.ping else { return Ok(tick.next) };
                if self.sending().ping(&payload).is_ok() {
                    return Ok(tick.next);
                }
                // The connection is closing, or too much waits already.
                let Some(watch) = &mut self.watch else { return Ok(None) };
                watch.ping_not_sent();
                Ok(watch.tick(now, inside_message, pending).ok().and_then(|tick| tick.next))
            }
            Err(Passed::Pong) => Err(Timeout::Pong),
            Err(Passed::Write) => Err(Timeout::Write),
            Err(Passed::Idle) => Err(Timeout::Idle),
            Err(Passed::Message) => {
                self.fail(MessageError::TooSlow);
                Err(Timeout::Message)
            }
        }
    }

    /// Whether there are deadlines, for which [`tick`](Self::tick) is to be called.
    #[must_use]
    pub const fn has_deadlines(&self) -> bool {
        self.watch.is_some()
    }

    /// The time from the last ping of the heartbeat to its pong.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.watch.as_ref()?.round_trip()
    }

    /// Its role.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.decoder.role()
    }

    /// Where the next bytes of the stream go: at least 4 KiB, in a buffer that is held as long as
    /// there are bytes in work.
    pub fn room(&mut self) -> &mut [u8] {
        if self.outgoing.outbox.has_lent() && self.inbox.room_moves() {
            self.outgoing.outbox.keep_lent(self.inbox.bytes());
        }
        self.inbox.room()
    }

    /// Takes note of bytes that were read into the [`room`](Self::room).
    ///
    /// # Panics
    /// If there was less room than that.
    pub fn received(&mut self, len: usize) {
        self.inbox.advance(len);
        if let Some(watch) = &mut self.watch {
            watch.received();
        }
    }

    /// Takes bytes that were received elsewhere, such as those that came with the handshake.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.outgoing.outbox.has_lent() {
            self.outgoing.outbox.keep_lent(self.inbox.bytes());
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
    #[allow(unsafe_code)]
    #[inline]
    pub fn message(&mut self) -> (Message<'_>, Sending<'_>) {
        let Holds::Message(kind) = self.holds else { no_message() };
        let payload = if self.inflated { self.inflater.bytes() } else { self.inbox.message() };
        let message = match kind {
            // SAFETY: the bytes of a message are the inbox's where no extension changed it, and else
            // the inflater's. `hold` made this a message with its last piece. By then the decoder, or
            // the inflater, has passed every piece of it through `Utf8` and finished the text with the
            // last, and `Inbox::take` put them one behind the other. Neither changes hands in the
            // middle: `set_deflate` refuses that.
            Kind::Text => Message::Text(unsafe { validated(payload) }),
            Kind::Binary => Message::Binary(payload),
        };
        (message, Sending::new(&mut self.outgoing, self.inbox.bytes()))
    }

    /// The piece that [`Step::Piece`] was answered for, and the side that sends.
    ///
    /// # Panics
    /// If the last step was another.
    pub fn piece(&mut self) -> (Piece<&[u8]>, Sending<'_>) {
        let Holds::Piece { kind, first, last } = self.holds else { no_message() };
        let payload = if self.inflated { self.inflater.bytes() } else { self.inbox.message() };
        let piece = Piece { kind, rsv: Rsv::NONE, first, last, payload };
        (piece, Sending::new(&mut self.outgoing, self.inbox.bytes()))
    }

    /// The side that sends.
    #[inline]
    pub fn sending(&mut self) -> Sending<'_> {
        Sending::new(&mut self.outgoing, self.inbox.bytes())
    }

    /// What waits to be written, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.outgoing.outbox.pieces(self.inbox.bytes())
    }

    /// What waits to be written, if it is in one piece; empty if nothing waits.
    #[must_use]
    #[inline]
    pub fn one_piece(&self) -> Option<&[u8]> {
        self.outgoing.outbox.one_piece()
    }

    /// How many bytes wait to be written.
    #[must_use]
    #[inline]
    pub fn pending(&self) -> usize {
        self.outgoing.outbox.pending()
    }

    /// Takes note of bytes that were written.
    #[inline]
    pub fn written(&mut self, len: usize) {
        self.sending().written(len);
    }

    /// Holds no more memory than what waits needs, and none if nothing does: for when the stream
    /// has nothing more to read for now.
    pub fn park(&mut self) {
        if self.outgoing.outbox.has_lent() {
            self.outgoing.outbox.keep_lent(self.inbox.bytes());
        }
        self.outgoing.outbox.park();
        // A message that is lent is still looked at.
        if matches!(self.holds, Holds::Beginning { .. }) {
            self.inbox.park();
            self.inflater.park();
        }
    }

    /// Forgets the message that was lent, as the next step does: for a driver that is going to park
    /// before it steps again.
    pub fn forget_message(&mut self) {
        self.release();
    }

    /// Fails the connection for what the peer did not do in time, unless it has ended.
    pub fn fail(&mut self, error: MessageError) {
        if self.failed.is_none() && self.outgoing.control.close_received.is_none() {
            self.outgoing.fail(&error);
            self.failed = Some(error);
        }
    }

    /// What the peer's close frame said, once it has come.
    #[must_use]
    pub const fn close_status(&self) -> Option<&CloseStatus> {
        self.outgoing.control.close_received.as_ref()
    }

    /// Whether a message of ours has begun and not ended.
    #[must_use]
    pub const fn is_sending_message(&self) -> bool {
        self.outgoing.encoder.is_inside_message()
    }

    /// Whether a close frame of ours is written or waits to be.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        self.outgoing.control.close_sent
    }

    /// Whether something was received that no step has looked at.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.inbox.has_unread() || self.inflater.is_at_work()
    }

    /// How much memory it has for what was received, in bytes: for messages and frames that are not
    /// whole, and what no step has looked at. Once it is [parked](Self::park), that is at most about
    /// twice as much as came.
    #[must_use]
    pub fn held(&self) -> usize {
        self.inbox.size() + self.inflater.bytes().len()
    }

    /// Whether a message or frame has begun and not ended.
    #[must_use]
    pub fn is_inside_message(&self) -> bool {
        self.decoder.is_inside_message() || !self.inbox.is_empty()
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
