//! Whole frames: a header and its payload.

use alloc::{sync::Arc, vec::Vec};

use crate::{CloseBody, Header, OpCode, ProtocolError, Rsv, check_control, cipher, copy_masked};

/// A frame: its header's fields and its payload as it stands on the wire, in bytes of the
/// caller's choice (`&[u8]`, `&mut [u8]`, `Vec<u8>`, [`CloseBody`], …).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<P> {
    /// Whether this is the last fragment of its message.
    pub fin: bool,
    /// The bits that extensions define.
    pub rsv: Rsv,
    /// What the frame is.
    pub opcode: OpCode,
    /// The key that the payload is masked with, if it is.
    pub mask: Option<[u8; 4]>,
    /// The payload: masked if there is a mask.
    pub payload: P,
}

impl<P> Frame<P> {
    /// The frame with the fields of this header and this payload, whose length replaces the
    /// header's.
    #[must_use]
    pub fn from_parts(header: &Header, payload: P) -> Self {
        let Header { fin, rsv, opcode, mask, len: _ } = *header;
        Self { fin, rsv, opcode, mask, payload }
    }
}

impl<P: AsRef<[u8]>> Frame<P> {
    /// An unmasked frame without RSV bits.
    #[must_use]
    pub const fn new(opcode: OpCode, fin: bool, payload: P) -> Self {
        Self { fin, rsv: Rsv::NONE, opcode, mask: None, payload }
    }

    /// A whole text message; that it is UTF-8 is the caller's promise.
    #[must_use]
    pub const fn text(payload: P) -> Self {
        Self::new(OpCode::Text, true, payload)
    }

    /// A whole binary message.
    #[must_use]
    pub const fn binary(payload: P) -> Self {
        Self::new(OpCode::Binary, true, payload)
    }

    /// A further fragment of a message, the last one if `fin`.
    #[must_use]
    pub const fn continuation(fin: bool, payload: P) -> Self {
        Self::new(OpCode::Continuation, fin, payload)
    }

    /// A ping.
    ///
    /// # Errors
    /// [`ProtocolError::ControlTooLong`] if the payload is longer than 125 bytes.
    pub fn ping(payload: P) -> Result<Self, ProtocolError> {
        Self::new(OpCode::Ping, true, payload).checked()
    }

    /// A pong.
    ///
    /// # Errors
    /// [`ProtocolError::ControlTooLong`] if the payload is longer than 125 bytes.
    pub fn pong(payload: P) -> Result<Self, ProtocolError> {
        Self::new(OpCode::Pong, true, payload).checked()
    }

    /// Its header.
    #[must_use]
    pub fn header(&self) -> Header {
        Header {
            fin: self.fin,
            rsv: self.rsv,
            opcode: self.opcode,
            mask: self.mask,
            len: self.payload.as_ref().len() as u64,
        }
    }

    /// The same frame, if it is not a control frame that is too long or fragmented: those are
    /// never written.
    pub(crate) fn checked(self) -> Result<Self, ProtocolError> {
        check_control(&self.header()).map(|()| self)
    }

    /// Appends the bytes of the frame, header and payload.
    ///
    /// # Errors
    /// [`ProtocolError::ControlTooLong`] or [`ProtocolError::ControlFragmented`]: such frames are
    /// never written; nothing is appended.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let header = self.header();
        check_control(&header)?;
        out.reserve(header.size() + self.payload.as_ref().len());
        out.extend_from_slice(&header.encode());
        out.extend_from_slice(self.payload.as_ref());
        Ok(())
    }

    /// Appends the bytes of the frame as a client sends it: the payload, which is not masked yet,
    /// is copied and masked in one pass.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_masked(&self, mask: [u8; 4], out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let header = Header { mask: Some(mask), ..self.header() };
        check_control(&header)?;
        out.reserve(header.size() + self.payload.as_ref().len());
        out.extend_from_slice(&header.encode());
        let start = out.len();
        out.resize(start + self.payload.as_ref().len(), 0);
        copy_masked(self.payload.as_ref(), &mut out[start..], mask, 0);
        Ok(())
    }
}

impl<P: AsMut<[u8]>> Frame<P> {
    /// Masks the payload where it lies. Does nothing to a frame that is masked already.
    pub fn mask_in_place(&mut self, mask: [u8; 4]) {
        if self.mask.is_none() {
            cipher(self.payload.as_mut(), mask, 0);
            self.mask = Some(mask);
        }
    }

    /// Unmasks the payload where it lies. Does nothing to a frame that is not masked.
    pub fn unmask_in_place(&mut self) {
        if let Some(mask) = self.mask.take() {
            cipher(self.payload.as_mut(), mask, 0);
        }
    }
}

impl Frame<CloseBody> {
    /// A close frame with this body.
    #[must_use]
    pub const fn close(body: CloseBody) -> Self {
        Self::new(OpCode::Close, true, body)
    }
}

/// The bytes of a frame, header and payload, to be written to many connections.
///
/// # Errors
/// As [`Frame::encode`].
///
/// ```
/// use wscore::{Frame, compile_frame};
/// assert_eq!(&*compile_frame(&Frame::text("hi"))?, b"\x81\x02hi");
/// # Ok::<(), wscore::ProtocolError>(())
/// ```
pub fn compile_frame<P: AsRef<[u8]>>(frame: &Frame<P>) -> Result<Arc<[u8]>, ProtocolError> {
    let mut bytes = Vec::new();
    frame.encode(&mut bytes)?;
    Ok(bytes.into())
}
