//! What the drivers share: their error.

use std::{error, fmt, io};

use wscore::CloseCode;

use crate::{CloseStatus, MessageError, SendError, Timeout};

/// Why a [`Connection`](crate::Connection) failed, or did not send.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke a rule; it was told so. The connection has ended.
    Peer(MessageError),
    /// The peer closed, and was answered; of what reads one message this is the only way to
    /// say so.
    Closed(CloseStatus),
    /// The stream ended without a close frame (RFC 6455 §7.1.5). The connection has ended.
    Disconnected {
        /// Whether a frame or message had begun.
        inside_message: bool,
    },
    /// The peer did not do in time what it had to. The connection has ended.
    TimedOut(Timeout),
    /// A message is not the JSON that was wanted, or a value cannot be written as JSON. The
    /// connection is unharmed.
    #[cfg(feature = "json")]
    Json(serde_json::Error),
    /// It was not sent, and the connection is unharmed.
    Send(SendError),
    /// The stream failed. The connection has ended, unless the stream only would block, timed
    /// out or was interrupted: then call again.
    Io(io::Error),
}

impl Error {
    /// The code that the end of the connection is reported with: [`CloseCode::ABNORMAL`] where
    /// there was no closing handshake, `None` where the connection has not ended.
    #[must_use]
    pub fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::Peer(error) => Some(error.close_code()),
            Self::Closed(status) => Some(status.code),
            Self::Disconnected { .. } | Self::TimedOut(_) => Some(CloseCode::ABNORMAL),
            #[cfg(feature = "json")]
            Self::Json(_) => None,
            Self::Send(_) => None,
            Self::Io(error) => (!is_passing(error)).then_some(CloseCode::ABNORMAL),
        }
    }

    /// The same error once more.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Peer(error) => Self::Peer(*error),
            Self::Closed(status) => Self::Closed(status.clone()),
            Self::Disconnected { inside_message } => {
                Self::Disconnected { inside_message: *inside_message }
            }
            Self::TimedOut(timeout) => Self::TimedOut(*timeout),
            // Never the end of a connection.
            #[cfg(feature = "json")]
            Self::Json(_) => Self::Io(io::ErrorKind::InvalidData.into()),
            Self::Send(error) => Self::Send(*error),
            Self::Io(error) => Self::Io(error.kind().into()),
        }
    }
}

/// Whether a stream that failed so may be used again.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(status) => {
                return write!(f, "peer closed: {} {}", status.code, status.reason);
            }
            Self::Peer(_) => "peer broke the protocol",
            Self::Disconnected { inside_message: false } => "peer went without a close frame",
            Self::Disconnected { inside_message: true } => "peer went inside a message",
            Self::TimedOut(Timeout::Message) => "peer did not finish a message in time",
            Self::TimedOut(Timeout::Idle) => "peer said nothing for too long",
            Self::TimedOut(Timeout::Pong) => "peer did not answer a ping in time",
            Self::TimedOut(Timeout::Write) => "peer took nothing for too long",
            Self::TimedOut(Timeout::Close) => "peer did not answer the close frame in time",
            #[cfg(feature = "json")]
            Self::Json(_) => "not the JSON that was wanted",
            Self::Send(_) => "not sent",
            Self::Io(_) => "stream failed",
        })
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Closed(_) | Self::Disconnected { .. } | Self::TimedOut(_) => None,
            Self::Peer(error) => Some(error),
            #[cfg(feature = "json")]
            Self::Json(error) => Some(error),
            Self::Send(error) => Some(error),
            Self::Io(error) => Some(error),
        }
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            Error::Disconnected { .. } => Self::new(io::ErrorKind::UnexpectedEof, error),
            Error::TimedOut(_) => Self::new(io::ErrorKind::TimedOut, error),
            Error::Peer(_) => Self::new(io::ErrorKind::InvalidData, error),
            error => Self::other(error),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
