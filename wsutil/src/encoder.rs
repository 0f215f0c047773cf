//! Messages to frames (RFC 6455 §5, §6.1).

use core::fmt;

use wscore::{Header, OpCode, Rsv};

use crate::Kind;

/// Decides the headers of the frames of one direction of a connection.
///
/// It holds no bytes. What sends places the header before the payload, masks the payload if the
/// header has a mask, and gathers or writes the two.
///
/// ```
/// use wscore::{OpCode, Role};
/// use wsutil::{Encoder, Kind};
/// let mut encoder = Encoder::new(Role::Server);
/// assert_eq!(*encoder.data(Kind::Text, false, 3).encode(), [0x01, 3]);
/// assert_eq!(*encoder.control(OpCode::Ping, 0).encode(), [0x89, 0]);
/// assert_eq!(*encoder.data(Kind::Text, true, 2).encode(), [0x80, 2]);
/// ```
#[derive(Clone)]
pub struct Encoder {
    /// Where a client's keys are from.
    masks: Option<fn() -> [u8; 4]>,
    /// Whether a message has begun and not ended.
    open: bool,
}

impl Encoder {
    /// An encoder for what this role sends, with keys of the system's generator.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn new(role: wscore::Role) -> Self {
        match role {
            wscore::Role::Server => Self::server(),
            wscore::Role::Client => Self::client(wscore::random_mask),
        }
    }

    /// An encoder for what a server sends: nothing is masked.
    #[must_use]
    pub const fn server() -> Self {
        Self { masks: None, open: false }
    }

    /// An encoder for what a client sends: every frame is masked with a key from `masks`, which
    /// no one else may be able to predict (RFC 6455 §5.3).
    #[must_use]
    pub const fn client(masks: fn() -> [u8; 4]) -> Self {
        Self { masks: Some(masks), open: false }
    }

    /// Whether a message has begun and not ended.
    #[must_use]
    pub const fn is_inside_message(&self) -> bool {
        self.open
    }

    /// Whether its frames are masked.
    #[must_use]
    pub const fn masks(&self) -> bool {
        self.masks.is_some()
    }

    /// The header of the next frame of a message with `len` bytes of payload: the first one of a
    /// new message, or a continuation of the open one, whatever the kind.
    #[must_use]
    #[inline]
    pub fn data(&mut self, kind: Kind, fin: bool, len: usize) -> Header {
        self.extended(kind, Rsv::NONE, fin, len)
    }

    /// The same of a message that has these RSV bits.
    #[inline]
    pub(crate) fn extended(&mut self, kind: Kind, rsv: Rsv, fin: bool, len: usize) -> Header {
        // RFC 6455 §5.4, RFC 7692 §6: only the first fragment says what the message is.
        let (opcode, rsv) =
            if self.open { (OpCode::Continuation, Rsv::NONE) } else { (kind.opcode(), rsv) };
        self.open = !fin;
        Header { fin, rsv, opcode, mask: self.mask(), len: len as u64 }
    }

    /// The header of a control frame with `len` bytes of payload; it may stand between the
    /// fragments of a message.
    #[must_use]
    #[inline]
    pub fn control(&self, opcode: OpCode, len: usize) -> Header {
        Header { mask: self.mask(), ..Header::new(opcode, len as u64) }
    }

    /// RFC 6455 §5.1: what a client sends is masked, what a server sends is not.
    #[inline]
    fn mask(&self) -> Option<[u8; 4]> {
        self.masks.map(|mask| mask())
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("masks", &self.masks()).field("open", &self.open).finish()
    }
}
