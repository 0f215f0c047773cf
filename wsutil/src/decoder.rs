//! Frames to messages, on the caller's bytes (RFC 6455 §5, §6.2).
//!
//! ```text
//!            ┌── header checked, unmasked in place, text validated ──┐
//! received ──┤ data     a piece of a message, as much as has come    ├──▶ Event
//!            └ control  a whole ping, pong or close                  ┘
//! ```

use wscore::{
    CloseReason, Header, Mask, OpCode, ProtocolError, Role, Rsv, State, check_header, check_length,
};

use crate::{Kind, Limits, MessageError, Utf8};

/// Turns the frames of one direction of a connection into pieces of messages and control frames.
///
/// It holds no bytes: payload is unmasked where it lies in the caller's buffer, and lent. Memory
/// does not depend on the size of frames or the number of fragments.
///
/// ```
/// use wsutil::{Decoder, Event, Limits};
/// let mut decoder = Decoder::new(wscore::Role::Client, Limits::default());
/// let mut received = *b"\x01\x03Hel\x80\x02lo";
/// let mut text = String::new();
/// let mut rest = &mut received[..];
/// loop {
///     let decoded = decoder.decode(rest)?;
///     match decoded.event {
///         Some(Event::Piece(piece)) => text.push_str(std::str::from_utf8(piece.payload).unwrap()),
///         _ => break,
///     }
///     let used = decoded.used;
///     rest = &mut rest[used..];
/// }
/// assert_eq!(text, "Hello");
/// # Ok::<(), wsutil::MessageError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Decoder {
    role: Role,
    limits: Limits,
    state: State,
    /// Of the open message, while `state.fragmented` or `left > 0`:
    kind: Kind,
    rsv: Rsv,
    /// whether a piece of it was handed out,
    begun: bool,
    /// the bytes of its frames so far, as their headers declare them,
    declared: u64,
    /// how many frames these are.
    fragments: u32,
    /// Bytes of payload that the frame still has.
    left: u64,
    mask: Option<Mask>,
    utf8: Utf8,
    /// A close frame came, or an error: nothing behind it counts.
    ended: Option<Result<(), MessageError>>,
}

/// What the front of the received bytes was.
#[derive(Debug)]
pub struct Decoded<'b> {
    /// How many bytes are used up; the rest is to be given again, with what comes behind it.
    pub used: usize,
    /// What they were. `None` with nothing used: more bytes are wanted.
    pub event: Option<Event<'b>>,
}

/// Something that a peer sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'b> {
    /// A piece of a message.
    Piece(Piece<&'b mut [u8]>),
    /// A ping; it is to be answered with a pong of the same payload, at most 125 bytes.
    Ping(&'b [u8]),
    /// A pong, asked for or not, with at most 125 bytes of payload.
    Pong(&'b [u8]),
    /// The peer closes; whatever is behind this is ignored (RFC 6455 §5.5.1).
    Close(Option<CloseReason<'b>>),
}

/// A piece of a message: what has come of one of its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<P> {
    /// The kind of the message.
    pub kind: Kind,
    /// The RSV bits of the message's first frame: what its extensions did to it.
    pub rsv: Rsv,
    /// Whether the message begins with this piece.
    pub first: bool,
    /// Whether the message ends with this piece.
    pub last: bool,
    /// The bytes, unmasked; of a text they may end inside a character.
    pub payload: P,
}

impl Decoder {
    /// A decoder for what the peer of this role receives.
    #[must_use]
    pub const fn new(role: Role, limits: Limits) -> Self {
        Self {
            role,
            limits,
            state: State { fragmented: false, extension_rsv: Rsv::NONE },
            kind: Kind::Binary,
            rsv: Rsv::NONE,
            begun: false,
            declared: 0,
            fragments: 0,
            left: 0,
            mask: None,
            utf8: Utf8::new(),
            ended: None,
        }
    }

    /// The same with RSV bits that negotiated extensions own: they may be set on the first frame
    /// of a message, whose text is then not validated here.
    #[must_use]
    pub const fn with_extension_rsv(mut self, rsv: Rsv) -> Self {
        self.state.extension_rsv = rsv;
        self
    }

    /// The role that it was made for.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The limits that it holds the peer to.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// As [`with_extension_rsv`](Self::with_extension_rsv).
    #[cfg(feature = "deflate")]
    pub(crate) const fn set_extension_rsv(&mut self, rsv: Rsv) {
        self.state.extension_rsv = rsv;
    }

    /// Holds the peer to other limits, from the next header on.
    pub const fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether a message has begun and not ended.
    #[must_use]
    pub const fn is_inside_message(&self) -> bool {
        self.state.fragmented || self.left > 0
    }

    /// How many bytes of payload the frame still has that is being received; 0 between frames.
    ///
    /// Given at most this many, [`decode`](Self::decode) uses all of them up and answers with one
    /// piece: so a payload can be read straight to where it is wanted.
    #[must_use]
    pub const fn payload_left(&self) -> u64 {
        self.left
    }

    /// Works on the front of what was received: at most one event.
    ///
    /// # Errors
    /// [`MessageError`], as soon as the peer can no longer mend it; the same again from then on.
    #[inline(always)]
    pub fn decode<'b>(&mut self, received: &'b mut [u8]) -> Result<Decoded<'b>, MessageError> {
        match self.ended {
            None => {}
            Some(Ok(())) => return Ok(Decoded { used: received.len(), event: None }),
            Some(Err(error)) => return Err(error),
        }
        let decoded = self.advance(received);
        if let Err(error) = &decoded {
            self.ended = Some(Err(*error));
        }
        decoded
    }

    #[inline(always)]
    fn advance<'b>(&mut self, received: &'b mut [u8]) -> Result<Decoded<'b>, MessageError> {
        if self.left > 0 {
            return self.piece(received, 0);
        }
        let [first, second, ..] = *received else {
            return Ok(Decoded { used: 0, event: None });
        };
        // Before the rest of the header has come, so that it does not matter how it comes.
        check_header(&Header::peek([first, second]), self.role, self.state)?;
        let Some((header, size)) = Header::parse(received)? else {
            return Ok(Decoded { used: 0, event: None });
        };
        if header.opcode.is_control() {
            return self.control(&header, received, size);
        }
        check_length(&header, self.limits.frame)?;
        let end = size as u64 + header.len;
        match Kind::from_opcode(header.opcode) {
            Some(kind) if header.fin && end <= received.len() as u64 => {
                self.whole(&header, kind, &mut received[size..], size)
            }
            kind => {
                self.begin(&header, kind)?;
                self.piece(received, size)
            }
        }
    }

    /// A message in one frame that is here whole: nothing is to be remembered.
    #[inline(always)]
    fn whole<'b>(
        &self,
        header: &Header,
        kind: Kind,
        rest: &'b mut [u8],
        size: usize,
    ) -> Result<Decoded<'b>, MessageError> {
        self.check_size(header.len, 1, header.rsv)?;
        let len = usize::try_from(header.len).unwrap_or(usize::MAX);
        let payload = &mut rest[..len];
        if let Some(mask) = header.mask {
            wscore::cipher(payload, mask, 0);
        }
        if kind == Kind::Text && header.rsv.is_empty() {
            let mut text = Utf8::new();
            text.push(payload)?;
            text.finish()?;
        }
        let piece = Piece { kind, rsv: header.rsv, first: true, last: true, payload };
        Ok(Decoded { used: size + len, event: Some(Event::Piece(piece)) })
    }

    /// RFC 6455 §10.4: the limits hold for the message, whatever its frames are.
    #[inline]
    const fn check_size(&self, len: u64, fragments: u32, rsv: Rsv) -> Result<(), MessageError> {
        if len > self.limits.message && (rsv.is_empty() || len > self.limits.compressed(fragments))
        {
            return Err(MessageError::TooLarge { limit: self.limits.message });
        }
        if fragments > self.limits.fragments {
            return Err(MessageError::TooManyFragments { limit: self.limits.fragments });
        }
        Ok(())
    }

    /// Takes note of the header of a data frame; it begins a message if it has a kind.
    fn begin(&mut self, header: &Header, kind: Option<Kind>) -> Result<(), MessageError> {
        if let Some(kind) = kind {
            self.kind = kind;
            self.rsv = header.rsv;
            self.begun = false;
            self.declared = 0;
            self.fragments = 0;
        } else {
            self.without_rsv(header)?;
        }
        // Both are below 2^63.
        self.declared += header.len;
        self.fragments = self.fragments.saturating_add(1);
        self.check_size(self.declared, self.fragments, self.rsv)?;
        self.state = self.state.after(header);
        self.left = header.len;
        self.mask = header.mask.map(Mask::new);
        Ok(())
    }

    /// The payload of the frame that has come, behind `start`.
    fn piece<'b>(
        &mut self,
        received: &'b mut [u8],
        start: usize,
    ) -> Result<Decoded<'b>, MessageError> {
        let rest = &mut received[start..];
        let len = usize::try_from(self.left).map_or(rest.len(), |left| left.min(rest.len()));
        let payload = &mut rest[..len];
        if let Some(mask) = &mut self.mask {
            mask.apply(payload);
        }
        self.left -= len as u64;
        let last = self.left == 0 && !self.state.fragmented;
        // What an extension changed is text only once it is undone.
        if self.kind == Kind::Text && self.rsv.is_empty() {
            // RFC 6455 §8.1: bytes that are not UTF-8 fail the connection.
            self.utf8.push(payload)?;
            if last {
                self.utf8.finish()?;
            }
        }
        let used = start + len;
        if len == 0 && !last {
            return Ok(Decoded { used, event: None });
        }
        let first = !core::mem::replace(&mut self.begun, true);
        let piece = Piece { kind: self.kind, rsv: self.rsv, first, last, payload };
        Ok(Decoded { used, event: Some(Event::Piece(piece)) })
    }

    /// A control frame, once it is here whole.
    fn control<'b>(
        &mut self,
        header: &Header,
        received: &'b mut [u8],
        size: usize,
    ) -> Result<Decoded<'b>, MessageError> {
        self.without_rsv(header)?;
        let len = usize::try_from(header.len).unwrap_or(usize::MAX);
        let Some(payload) = received[size..].get_mut(..len) else {
            return Ok(Decoded { used: 0, event: None });
        };
        if let Some(mask) = header.mask {
            wscore::cipher(payload, mask, 0);
        }
        let event = match header.opcode {
            OpCode::Ping => Event::Ping(payload),
            OpCode::Pong => Event::Pong(payload),
            _ => {
                let reason = CloseReason::parse(payload)?;
                self.ended = Some(Ok(()));
                Event::Close(reason)
            }
        };
        Ok(Decoded { used: size + len, event: Some(event) })
    }

    /// RFC 7692 §6: the bits of an extension of messages stand on their first frames only.
    fn without_rsv(&self, header: &Header) -> Result<(), ProtocolError> {
        if header.rsv.is_empty() { Ok(()) } else { Err(ProtocolError::RsvUnexpected(header.rsv)) }
    }
}
