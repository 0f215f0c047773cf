//! What a peer did wrong in a frame, and the close code that tells it so.

use core::{error, fmt};

use crate::{CloseCode, OpCode, Rsv};

/// A rule of RFC 6455 that a received frame broke.
///
/// Every variant is one rule; [`close_code`](Self::close_code) maps each to what the peer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A payload length that was not sent in the shortest of the three forms (RFC 6455 §5.2).
    LengthNotMinimal,
    /// A payload length of 2^63 bytes or more (RFC 6455 §5.2).
    LengthOverflow,
    /// An opcode that RFC 6455 §5.2 reserves: 3–7 or 11–15.
    OpCodeReserved(OpCode),
    /// RSV bits that no negotiated extension owns (RFC 6455 §5.2).
    RsvUnexpected(Rsv),
    /// A frame from a client that is not masked (RFC 6455 §5.1).
    MaskMissing,
    /// A frame from a server that is masked (RFC 6455 §5.1).
    MaskUnexpected,
    /// A control frame with more than 125 bytes of payload (RFC 6455 §5.5).
    ControlTooLong,
    /// A control frame without the FIN bit (RFC 6455 §5.5).
    ControlFragmented,
    /// A continuation frame while no message is open (RFC 6455 §5.4).
    ContinuationUnexpected,
    /// A text or binary frame while the fragments of another message are open (RFC 6455 §5.4).
    ContinuationExpected,
    /// A frame longer than the receiver's limit (RFC 6455 §10.4).
    FrameTooLarge {
        /// The length that the header declares, in bytes.
        len: u64,
        /// The longest payload that is accepted, in bytes.
        limit: u64,
    },
    /// A close body of one byte: too short for a close code (RFC 6455 §5.5.1).
    CloseBodyTooShort,
    /// A close code that must not be sent (RFC 6455 §7.4).
    CloseCodeInvalid(CloseCode),
    /// A close reason that is not UTF-8 (RFC 6455 §5.5.1, §8.1).
    CloseReasonNotUtf8,
}

impl ProtocolError {
    /// The close code that tells the peer what it did wrong (RFC 6455 §7.4.1).
    ///
    /// ```
    /// use wscore::{CloseCode, ProtocolError};
    /// assert_eq!(ProtocolError::MaskMissing.close_code(), CloseCode::PROTOCOL_ERROR);
    /// ```
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::LengthNotMinimal
            | Self::LengthOverflow
            | Self::OpCodeReserved(_)
            | Self::RsvUnexpected(_)
            | Self::MaskMissing
            | Self::MaskUnexpected
            | Self::ControlTooLong
            | Self::ControlFragmented
            | Self::ContinuationUnexpected
            | Self::ContinuationExpected
            | Self::CloseBodyTooShort
            | Self::CloseCodeInvalid(_) => CloseCode::PROTOCOL_ERROR,
            Self::FrameTooLarge { .. } => CloseCode::MESSAGE_TOO_BIG,
            Self::CloseReasonNotUtf8 => CloseCode::INVALID_PAYLOAD,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LengthNotMinimal => f.write_str("payload length not in its shortest form"),
            Self::LengthOverflow => f.write_str("payload length of 2^63 bytes or more"),
            Self::OpCodeReserved(opcode) => write!(f, "reserved opcode {:#x}", opcode.bits()),
            Self::RsvUnexpected(rsv) => write!(f, "{rsv:?} set without an extension that owns it"),
            Self::MaskMissing => f.write_str("client frame without a mask"),
            Self::MaskUnexpected => f.write_str("server frame with a mask"),
            Self::ControlTooLong => f.write_str("control frame with more than 125 bytes"),
            Self::ControlFragmented => f.write_str("fragmented control frame"),
            Self::ContinuationUnexpected => f.write_str("continuation frame without a message"),
            Self::ContinuationExpected => f.write_str("new message inside a fragmented one"),
            Self::FrameTooLarge { len, limit } => {
                write!(f, "frame of {len} bytes, over the limit of {limit}")
            }
            Self::CloseBodyTooShort => f.write_str("close body of one byte"),
            Self::CloseCodeInvalid(code) => write!(f, "close code {code} must not be sent"),
            Self::CloseReasonNotUtf8 => f.write_str("close reason is not valid UTF-8"),
        }
    }
}

impl error::Error for ProtocolError {}
