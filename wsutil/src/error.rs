//! What a peer did wrong in a message, and what of ours cannot be sent.

use core::{error, fmt};

use wscore::{CloseCode, InvalidClose, ProtocolError};

/// A rule for messages that the peer broke.
///
/// [`close_code`](Self::close_code) maps each to what the peer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageError {
    /// A frame that breaks the protocol, or is longer than [`Limits::frame`](crate::Limits::frame).
    Protocol(ProtocolError),
    /// A text message that is not UTF-8 (RFC 6455 §8.1).
    TextNotUtf8,
    /// A message longer than [`Limits::message`](crate::Limits::message) (RFC 6455 §10.4).
    TooLarge {
        /// The longest message that is accepted, in bytes.
        limit: u64,
    },
    /// A message in more fragments than [`Limits::fragments`](crate::Limits::fragments).
    TooManyFragments {
        /// The most fragments that are accepted.
        limit: u32,
    },
    /// A message that was not complete in time.
    TooSlow,
    /// A compressed message that cannot be decompressed, or refers further back than was agreed
    /// (RFC 7692 §7.2.2).
    CompressedInvalid,
}

impl MessageError {
    /// The close code that tells the peer what it did wrong (RFC 6455 §7.4.1).
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Protocol(error) => error.close_code(),
            Self::TextNotUtf8 | Self::CompressedInvalid => CloseCode::INVALID_PAYLOAD,
            Self::TooLarge { .. } => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFragments { .. } | Self::TooSlow => CloseCode::POLICY_VIOLATION,
        }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::TextNotUtf8 => f.write_str("text message is not valid UTF-8"),
            Self::TooLarge { limit } => write!(f, "message over the limit of {limit} bytes"),
            Self::TooManyFragments { limit } => {
                write!(f, "message in more than {limit} fragments")
            }
            Self::TooSlow => f.write_str("message not complete in time"),
            Self::CompressedInvalid => f.write_str("invalid compressed data"),
        }
    }
}

impl error::Error for MessageError {}

impl From<ProtocolError> for MessageError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<crate::NotUtf8> for MessageError {
    fn from(_: crate::NotUtf8) -> Self {
        Self::TextNotUtf8
    }
}

/// Why something was not sent; nothing of it is on the wire, and the connection is unharmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closing or has ended: a close frame is the last that is sent
    /// (RFC 6455 §5.5.1).
    Closed,
    /// A message is open that was begun piece by piece, and is to be finished first
    /// (RFC 6455 §5.4).
    MessageOpen,
    /// The payload of a ping or pong is longer than 125 bytes (RFC 6455 §5.5).
    ControlTooLong,
    /// The close code or the reason cannot be said on the wire.
    InvalidClose(InvalidClose),
    /// The peer takes nothing, and this many bytes wait already.
    Full {
        /// Bytes that wait to be written.
        pending: usize,
    },
    /// A codec of the user's own failed. What is sent from now on is not compressed; inside a
    /// message that had begun, only a close frame can be sent.
    NotCompressed,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("connection is closing or closed"),
            Self::MessageOpen => f.write_str("another message is not finished"),
            Self::ControlTooLong => f.write_str("control payload of more than 125 bytes"),
            Self::InvalidClose(error) => error.fmt(f),
            Self::Full { pending } => write!(f, "{pending} bytes wait to be written already"),
            Self::NotCompressed => f.write_str("compressor failed"),
        }
    }
}

impl error::Error for SendError {}

impl From<InvalidClose> for SendError {
    fn from(error: InvalidClose) -> Self {
        Self::InvalidClose(error)
    }
}
