//! A message that is encoded once, for many connections.

#[cfg(feature = "deflate")]
use alloc::boxed::Box;
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
    #[cfg(feature = "deflate")]
    compressed: Option<Arc<PreparedCompressed>>,
}

/// The payload compressed for each window, the first time that a connection with this window is to
/// get it; `None` where that is not smaller.
#[cfg(feature = "deflate")]
#[derive(Debug)]
struct PreparedCompressed {
    deflate: wsflate::Deflate,
    payloads: [std::sync::OnceLock<Option<Box<[u8]>>>; 8],
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
        Self {
            kind: message.kind(),
            payload: frame.header().size(),
            frame: bytes.into(),
            #[cfg(feature = "deflate")]
            compressed: None,
        }
    }

    /// The same, compressed for connections that agreed on it: once for each size of window that
    /// they have, without regard to what they got before. Others get it as it is.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, deflate: &wsflate::Deflate) -> Self {
        let deflate = deflate.clone();
        let payloads = Default::default();
        self.compressed = Some(Arc::new(PreparedCompressed { deflate, payloads }));
        self
    }

    /// Its payload, compressed for peers with this window, if that is worth it.
    #[cfg(feature = "deflate")]
    pub(crate) fn compressed(&self, window: wsflate::WindowBits) -> Option<&[u8]> {
        let compressed = self.compressed.as_ref()?;
        let place = usize::from(window.get() - wsflate::WindowBits::MIN.get());
        let payload = compressed.payloads[place].get_or_init(|| {
            let direction = wsflate::Direction { takeover: false, window };
            let mut compressor = wsflate::Compressor::new(&compressed.deflate, direction);
            let mut payload = Vec::new();
            let is_worth = compressor.is_worth(self.payload().len())
                && compressor.compress_to(self.payload(), &mut payload).is_ok()
                && payload.len() < self.payload().len();
            is_worth.then_some(payload.into())
        });
        payload.as_deref()
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
