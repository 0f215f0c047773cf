//! What the drivers share: their errors, and a frame on its way out.

use std::{error, fmt, io};

use crate::{
    ClientHandshake, Dialer, EncodedHeader, Frame, Handshake, Header, InvalidUrl, MAX_HEADER,
    ProtocolError, Rejection, ResponseError, check_control, scratch::Scratch,
};

/// A finished handshake on a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "early data is the beginning of the peer's frames"]
pub struct Upgraded {
    /// What is agreed.
    pub handshake: Handshake,
    /// What the peer sent behind its part of the handshake already: the beginning of its frames.
    /// Read it before the stream, or let [`Replay`](crate::Replay) do so.
    pub early_data: Vec<u8>,
}

impl Upgraded {
    /// The handshake that the first `size` bytes of what was received were.
    pub(crate) fn new(handshake: Handshake, received: &[u8], size: usize) -> Self {
        Self { handshake, early_data: received[size..].to_vec() }
    }
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
            Self::Rejected(_) => f.write_str("request not accepted"),
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
            Self::Rejected(rejection) => Some(rejection),
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
            Self::Url(_) => f.write_str("not an address to dial"),
            Self::TlsMissing => f.write_str("wss needs a connector that does TLS"),
            Self::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
                f.write_str("deadline passed before the handshake was complete")
            }
            Self::Io(_) => f.write_str("connection failed before the handshake was complete"),
            Self::Response(_) => f.write_str("response not accepted"),
        }
    }
}

impl error::Error for DialError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::TlsMissing => None,
            Self::Url(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Response(error) => Some(error),
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
            Self::Protocol(_) => f.write_str("peer broke the protocol"),
            Self::Io(_) => f.write_str("stream failed while a frame was read"),
        }
    }
}

impl error::Error for ReadError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Closed | Self::Truncated => None,
            Self::Protocol(error) => Some(error),
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

/// What it means that the stream ends, or fails, before the response is accepted: a refusal that
/// came before is the reason, whatever became of its body.
pub(crate) fn cut_short(
    dialer: &Dialer<'_>,
    client: &mut ClientHandshake,
    received: &[u8],
    error: Option<io::Error>,
) -> DialError {
    match (dialer.finish(client, received), error) {
        (response @ ResponseError::Status(_), _) | (response, None) => {
            DialError::Response(response)
        }
        (_, Some(error)) => DialError::Io(error),
    }
}

/// The bytes of a header that may be written.
pub(crate) fn encode_header(header: &Header) -> io::Result<EncodedHeader> {
    let error = match header.len >> 63 {
        0 => check_control(header).err(),
        _ => Some(ProtocolError::LengthOverflow),
    };
    match error {
        None => Ok(header.encode()),
        Some(error) => Err(io::Error::new(io::ErrorKind::InvalidInput, error)),
    }
}

/// What is read of a payload before its buffer grows, in bytes: on the stack, because nothing is
/// allocated for a length that is only declared.
pub(crate) const FIRST_PIECE: usize = 1024;

/// Where the beginning of a payload of this length goes.
pub(crate) fn first_piece(room: &mut [u8; FIRST_PIECE], len: u64) -> &mut [u8] {
    &mut room[..usize::try_from(len).unwrap_or(usize::MAX).min(FIRST_PIECE)]
}

/// Begins a payload; where there is more to come, room for it is in proportion to what came.
pub(crate) fn keep_first(payload: &mut Vec<u8>, came: &[u8], len: u64) {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    payload.reserve(len.min(8 * came.len()));
    payload.extend_from_slice(came);
}

/// A payload up to this length, in bytes, is copied behind its header; a longer one is written
/// from where it lies.
const SMALL: usize = 512;

/// The bytes of one frame in at most two pieces, and how many of them are written.
pub(crate) struct Outgoing<'a> {
    /// The header, and the payload if it is small.
    front: [u8; MAX_HEADER + SMALL],
    front_len: usize,
    /// The payload if it is not small.
    back: &'a [u8],
    written: usize,
}

impl<'a> Outgoing<'a> {
    /// Refuses control frames that break RFC 6455 §5.5: they are never written.
    pub(crate) fn new<P: AsRef<[u8]>>(frame: &'a Frame<P>) -> io::Result<Self> {
        let header = encode_header(&frame.header())?;
        let payload = frame.payload.as_ref();
        let (small, back) = match payload.len() {
            0..=SMALL => (payload, &[][..]),
            _ => (&[][..], payload),
        };
        let front_len = header.len() + small.len();
        let mut front = [0; MAX_HEADER + SMALL];
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
