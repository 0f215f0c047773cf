//! A message that is encoded once, for many connections.

use alloc::{sync::Arc, vec::Vec};

use wscore::Frame;

use crate::{Kind, Message};

/// A message whose frame is ready, to be sent on any number of connections; cheap to clone.
///
/// A server sends the ready frame. A client still masks the payload for each connection, with a
/// key of its own (RFC 6455 §5.3).
///
/// ```
/// use wscore::Role;
/// use wsutil::{Endpoint, Prepared};
/// let news = Prepared::new("news");
/// let mut endpoint = Endpoint::new(Role::Server);
/// endpoint.sending().prepared(&news)?;
/// assert_eq!(endpoint.one_piece(), Some(&b"\x81\x04news"[..]));
/// # Ok::<(), wsutil::SendError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Prepared {
    kind: Kind,
    /// As a server sends it.
    frame: Arc<[u8]>,
    /// Where its payload begins: 2, 4 or 10
    payload: usize,
}

impl Prepared {
    /// Encodes a message.
    #[must_use]
    pub fn new<'m>(message: impl Into<Message<'m>>) -> Self {
        let message = message.into();
        let frame = Frame::new(message.kind().opcode(), true, message.as_bytes());
        let mut bytes = Vec::new();
        // Only control frames are refused.
        let _ = frame.encode(&mut bytes);
        Self { kind: message.kind(), payload: frame.header().size(), frame: bytes.into() }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The bytes of its payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.frame[self.payload..]
    }

    /// The whole frame, as a server sends it.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// The same, to be shared.
    #[cfg(feature = "std")]
    pub(crate) const fn shared_frame(&self) -> &Arc<[u8]> {
        &self.frame
    }

    /// The header of the frame.
    #[cfg(feature = "std")]
    pub(crate) fn header(&self) -> wscore::Header {
        wscore::Header::new(self.kind.opcode(), self.payload().len() as u64)
    }
}
