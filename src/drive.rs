//! What the drivers share: their errors, and a frame on its way out.

use std::{error, fmt, io};

use crate::{
    Frame, Handshake, InvalidUrl, ProtocolError, Rejection, ResponseError, scratch::Scratch,
};

/// A finished handshake of the server's side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "early data is the beginning of the client's frames"]
pub struct Upgraded {
    /// What is agreed.
    pub handshake: Handshake,
    /// What the client sent behind its request already: the beginning of its frames. Read it
    /// before the stream, or let [`Replay`](crate::Replay) do so.
    pub early_data: Vec<u8>,
}

/// Why a connection was not upgraded.
#[derive(Debug)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The request was refused, and the client was told.
    Rejected(Rejection),
    /// The client closed after this many bytes, before its request was complete.
    Closed {
        /// Bytes of the request that came.
        received: usize,
    },
    /// The stream failed; [`io::ErrorKind::TimedOut`] if a deadline passed.
    Io(io::Error),
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Closed { received: 0 } => f.write_str("connection closed before a request"),
            Self::Closed { received } => {
                write!(f, "connection closed after {received} bytes of the request")
            }
            Self::Io(_) => f.write_str("stream failed during the handshake"),
        }
    }
}

impl error::Error for UpgradeError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Rejected(rejection) => rejection.source(),
            Self::Closed { .. } => None,
            Self::Io(error) => Some(error),
        }
    }
}

impl From<io::Error> for UpgradeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Why a server was not reached.
#[derive(Debug)]
#[non_exhaustive]
pub enum DialError {
    /// The address cannot be dialled.
    Url(InvalidUrl),
    /// The address begins with `wss`, and the connector does not do TLS.
    TlsMissing,
    /// The connection could not be made, or it failed; [`io::ErrorKind::TimedOut`] if the
    /// deadline passed.
    Io(io::Error),
    /// The server's response is not accepted.
    Response(ResponseError),
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::TlsMissing => f.write_str("wss needs a connector that does TLS"),
            Self::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                f.write_str("deadline passed before the handshake was complete")
            }
            Self::Io(_) => f.write_str("connection failed before the handshake was complete"),
            Self::Response(error) => error.fmt(f),
        }
    }
}

impl error::Error for DialError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Url(_) | Self::TlsMissing => None,
            Self::Io(error) => Some(error),
            Self::Response(error) => error.source(),
        }
    }
}

impl From<InvalidUrl> for DialError {
    fn from(error: InvalidUrl) -> Self {
        Self::Url(error)
    }
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ResponseError> for DialError {
    fn from(error: ResponseError) -> Self {
        Self::Response(error)
    }
}

/// Why a header or frame was not read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream ended where a frame would begin: the peer went without a close frame
    /// (RFC 6455 §7.1.5).
    Closed,
    /// The stream ended inside a frame.
    Truncated,
    /// The peer broke the protocol.
    Protocol(ProtocolError),
    /// The stream failed.
    Io(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("connection closed between frames"),
            Self::Truncated => f.write_str("connection closed inside a frame"),
            Self::Protocol(error) => error.fmt(f),
            Self::Io(_) => f.write_str("stream failed while a frame was read"),
        }
    }
}

impl error::Error for ReadError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Closed | Self::Truncated | Self::Protocol(_) => None,
            Self::Io(error) => Some(error),
        }
    }
}

impl From<ProtocolError> for ReadError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Request bytes on the stack; browsers with a few cookies need about 1 KiB.
pub(crate) type RequestBuffer = Scratch<2048>;

/// Answer bytes on the stack; without extra headers an answer has about 130.
pub(crate) type AnswerBuffer = Scratch<512>;

/// A payload up to this length, in bytes, is copied behind its header; a longer one is written
/// from where it lies.
const SMALL: usize = 1024;

/// The bytes of one frame in at most two pieces, and how many of them are written.
pub(crate) struct Outgoing<'a> {
    /// The header, and the payload if it is small.
    front: [u8; crate::MAX_HEADER + SMALL],
    front_len: usize,
    /// The payload if it is not small.
    back: &'a [u8],
    written: usize,
}

impl<'a> Outgoing<'a> {
    /// Refuses control frames that break RFC 6455 §5.5: they are never written.
    pub(crate) fn new<P: AsRef<[u8]>>(frame: &'a Frame<P>) -> io::Result<Self> {
        let header = frame.header();
        crate::check_control(&header)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let header = header.encode();
        let payload = frame.payload.as_ref();
        let (small, back) = match payload.len() {
            0..=SMALL => (payload, &[][..]),
            _ => (&[][..], payload),
        };
        let front_len = header.len() + small.len();
        let mut front = [0; crate::MAX_HEADER + SMALL];
        front[..header.len()].copy_from_slice(&header);
        front[header.len()..front_len].copy_from_slice(small);
        Ok(Self { front, front_len, back, written: 0 })
    }

    /// What is left, or `None`.
    pub(crate) fn rest(&self) -> Option<[io::IoSlice<'_>; 2]> {
        let front = &self.front[self.written.min(self.front_len)..self.front_len];
        let back = &self.back[self.written.saturating_sub(self.front_len)..];
        let left = front.len() + back.len();
        (left > 0).then(|| [io::IoSlice::new(front), io::IoSlice::new(back)])
    }

    /// Takes note of what a write took.
    ///
    /// # Errors
    /// A stream that takes nothing will never take more.
    pub(crate) fn advance(&mut self, written: usize) -> io::Result<()> {
        self.written += written;
        match written {
            0 => Err(io::ErrorKind::WriteZero.into()),
            _ => Ok(()),
        }
    }
}
