//! What control frames ask of us, and how a connection ends (RFC 6455 §5.5, §7).
//!
//! ```text
//!          we send a close                      the peer's close
//!   open ──────────────────▶ we have closed ────────────────────────▶ closed
//!     │                                                                 ▲
//!     └── the peer's close: answered with the same code ────────────────┘
//! ```

use alloc::boxed::Box;
use core::fmt;

use wscore::{CloseBody, CloseCode, CloseReason, OpCode};

use crate::{Encoder, Event, MessageError, outbox::Outbox};

/// Why a connection was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseStatus {
    /// The code: [`CloseCode::NO_STATUS`] if the peer gave none.
    pub code: CloseCode,
    /// The peer's words, at most 123 bytes, often empty.
    pub reason: Box<str>,
}

impl From<Option<CloseReason<'_>>> for CloseStatus {
    fn from(reason: Option<CloseReason<'_>>) -> Self {
        match reason {
            Some(CloseReason { code, text }) => Self { code, reason: text.into() },
            // RFC 6455 §7.1.5: a close frame without a code is reported as 1005.
            None => Self { code: CloseCode::NO_STATUS, reason: "".into() },
        }
    }
}

/// A control frame that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control<'a> {
    /// A ping, and its payload of at most 125 bytes.
    Ping(&'a [u8]),
    /// A pong, and its payload of at most 125 bytes.
    Pong(&'a [u8]),
    /// A close frame, and what it says.
    Close(Option<CloseReason<'a>>),
}

impl<'a> Control<'a> {
    /// The control frame that an event is, if it is one.
    pub(crate) const fn from_event(event: &Event<'a>) -> Option<Self> {
        match event {
            Event::Piece(_) => None,
            Event::Ping(payload) => Some(Self::Ping(payload)),
            Event::Pong(payload) => Some(Self::Pong(payload)),
            Event::Close(reason) => Some(Self::Close(*reason)),
        }
    }
}

/// Somebody who looks at control frames before they are answered, or nobody.
#[derive(Default)]
pub(crate) struct ControlHandler(Option<Handler>);

type Handler = Box<dyn FnMut(Control<'_>) + Send>;

impl ControlHandler {
    pub(crate) fn new(handler: impl FnMut(Control<'_>) + Send + 'static) -> Self {
        Self(Some(Box::new(handler)))
    }

    pub(crate) fn call(&mut self, control: Control<'_>) {
        if let Some(handler) = &mut self.0 {
            handler(control);
        }
    }
}

impl fmt::Debug for ControlHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "a handler" } else { "no handler" })
    }
}

/// Pongs that wait at a time, at most 127 bytes each for a server; then the newest replaces.
const MAX_PONGS: u8 = 64;

/// How far the closing handshake is, and which pongs wait.
#[derive(Debug, Default)]
pub(crate) struct ControlState {
    /// Our close frame is sent: nothing follows it but pongs, until the peer has closed too.
    pub(crate) close_sent: bool,
    /// The peer's close frame.
    pub(crate) close_received: Option<CloseStatus>,
    /// Pongs among what waits to be written: 0 <= pongs <= MAX_PONGS
    pongs: u8,
    /// The payload of the newest ping that has no pong among them.
    late: Option<Box<LatePong>>,
}

#[derive(Debug)]
struct LatePong {
    payload: [u8; 125],
    len: usize,
}

impl ControlState {
    /// Whether as many pongs wait as may.
    pub(crate) const fn is_full(&self) -> bool {
        self.pongs == MAX_PONGS
    }

    /// A ping is answered with its own payload, unless we have closed.
    #[cold]
    pub(crate) fn answer_ping(&mut self, ping: &[u8], encoder: &Encoder, out: &mut Outbox) {
        if self.close_received.is_some() {
            return;
        }
        if self.is_full() {
            // RFC 6455 §5.5.3: of several pings only the most recent needs a pong.
            let late =
                self.late.get_or_insert_with(|| Box::new(LatePong { payload: [0; 125], len: 0 }));
            late.len = ping.len();
            late.payload[..ping.len()].copy_from_slice(ping);
        } else {
            out.put(&encoder.control(OpCode::Pong, ping.len()), ping);
            self.pongs += 1;
        }
    }

    /// A close is answered with its own code, unless it is the answer to ours.
    pub(crate) fn answer_close(
        &mut self,
        reason: Option<CloseReason<'_>>,
        encoder: &Encoder,
        out: &mut Outbox,
    ) {
        let body = reason.map(|reason| CloseBody::truncated(reason.code, ""));
        let body = body.and_then(Result::ok).unwrap_or(CloseBody::EMPTY);
        self.send_close(&body, encoder, out);
        self.close_received = Some(reason.into());
    }

    /// The peer is told what it did wrong.
    pub(crate) fn fail(&mut self, error: &MessageError, encoder: &Encoder, out: &mut Outbox) {
        // RFC 6455 §7.1.7: nothing is sent but the close frame.
        self.late = None;
        let body = CloseBody::truncated(error.close_code(), &alloc::format!("{error}"));
        self.send_close(&body.unwrap_or(CloseBody::EMPTY), encoder, out);
    }

    /// One close frame is sent, and no other.
    pub(crate) fn send_close(&mut self, body: &CloseBody, encoder: &Encoder, out: &mut Outbox) {
        if !core::mem::replace(&mut self.close_sent, true) {
            out.put(&encoder.control(OpCode::Close, body.as_ref().len()), body.as_ref());
        }
    }

    /// What waited is forgotten, pongs as well.
    pub(crate) fn discard(&mut self) {
        self.pongs = 0;
        self.late = None;
    }

    /// Everything that waited is written: there is room for pongs again.
    #[inline]
    pub(crate) fn written(&mut self, encoder: &Encoder, out: &mut Outbox) {
        if self.pongs > 0 {
            self.pongs = 0;
            if let Some(late) = self.late.take() {
                self.answer_ping(&late.payload[..late.len], encoder, out);
            }
        }
    }
}
