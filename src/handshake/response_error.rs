//! What is wrong with a server's response.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{error, fmt};

use super::head::HeadError;

/// A response that does not accept the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusError {
    /// The HTTP status, any but 101.
    pub status: u16,
    /// The words behind it.
    pub reason: String,
    /// The headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, its first 64 KiB.
    pub body: Vec<u8>,
}

impl StatusError {
    /// The value of the first header of this name, in any case of letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &value[..])
    }

    /// Where a redirect points to; it is never followed.
    #[must_use]
    pub fn location(&self) -> Option<&[u8]> {
        self.header("location").filter(|_| matches!(self.status, 300..=399))
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server answered {} {} instead of 101", self.status, self.reason)
    }
}

impl error::Error for StatusError {}

/// Why a server's response is not accepted.
#[derive(Debug)]
#[non_exhaustive]
pub enum ResponseError {
    /// Not the syntax of an HTTP/1.1 response (RFC 9112 §4).
    Malformed,
    /// A head larger than the limits.
    TooLarge,
    /// An HTTP version other than 1.1.
    VersionNotSupported,
    /// More than 8 interim responses.
    TooManyInterim,
    /// A status other than 101 (RFC 6455 §4.1 (1)).
    Status(Box<StatusError>),
    /// No Upgrade that names websocket (RFC 6455 §4.1 (2)).
    UpgradeInvalid,
    /// No Connection that names upgrade (RFC 6455 §4.1 (3)).
    ConnectionInvalid,
    /// No Sec-WebSocket-Accept, several, or one for another key (RFC 6455 §4.1 (4)).
    AcceptInvalid,
    /// Extensions that were not offered like this (RFC 6455 §4.1 (5)).
    ExtensionsInvalid,
    /// A subprotocol that was not offered, or several (RFC 6455 §4.1 (6)).
    ProtocolInvalid,
    /// A callback of ours refused the response.
    Refused(Box<dyn error::Error + Send + Sync>),
    /// The stream ended after this many bytes, before the response was complete.
    Closed {
        /// Bytes of the response that came.
        received: usize,
    },
}

impl From<HeadError> for ResponseError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::BareLineFeed | HeadError::BareCarriageReturn => Self::Malformed,
            HeadError::FirstLineTooLong
            | HeadError::LineTooLong
            | HeadError::HeadTooLong
            | HeadError::TooManyHeaders => Self::TooLarge,
        }
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("malformed HTTP response"),
            Self::TooLarge => f.write_str("response head too large"),
            Self::VersionNotSupported => f.write_str("response is not HTTP/1.1"),
            Self::TooManyInterim => f.write_str("more than 8 interim responses"),
            Self::Status(_) => f.write_str("upgrade refused"),
            Self::UpgradeInvalid => f.write_str("Upgrade header does not name websocket"),
            Self::ConnectionInvalid => f.write_str("Connection header does not name upgrade"),
            Self::AcceptInvalid => f.write_str("Sec-WebSocket-Accept does not fit the key"),
            Self::ExtensionsInvalid => f.write_str("extensions that were not offered like this"),
            Self::ProtocolInvalid => f.write_str("subprotocol that was not offered"),
            Self::Refused(_) => f.write_str("response refused by a callback"),
            Self::Closed { received } => {
                write!(f, "connection closed after {received} bytes of the response")
            }
        }
    }
}

impl error::Error for ResponseError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Refused(error) => Some(&**error),
            Self::Status(error) => Some(&**error),
            _ => None,
        }
    }
}
