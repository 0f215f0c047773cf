//! The rules that a received header must keep, each on its own and all in order.

use crate::{Header, OpCode, ProtocolError, Rsv, header::MAX_CONTROL_PAYLOAD};

/// Which end of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// We accepted the connection: what we receive is masked, what we send is not.
    Server,
    /// We dialled: what we send is masked, what we receive is not.
    Client,
}

/// What the receiver of a frame has to remember for [`check_header`].
///
/// ```text
///            first fragment (text or binary, FIN = 0)
///   between ─────────────────────────────────────────▶ fragmented
///   messages ◀───────────────────────────────────────── (a message is open)
///            last fragment (continuation, FIN = 1)
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// A fragmented message has begun and not ended.
    pub fragmented: bool,
    /// The RSV bits that negotiated extensions own.
    pub extension_rsv: Rsv,
}

impl State {
    /// The state behind a frame with this header: control frames change nothing.
    #[must_use]
    pub const fn after(self, header: &Header) -> Self {
        if header.opcode.is_control() {
            return self;
        }
        Self { fragmented: !header.fin, ..self }
    }
}

/// Checks every rule of RFC 6455 §5 that a header alone can break, in the order of the functions
/// below.
///
/// A header from [`Header::peek`] is fine too: no rule here needs the exact length.
///
/// # Errors
/// The first rule that is broken.
///
/// ```
/// use wscore::{Header, OpCode, ProtocolError, Role, State, check_header};
/// let (header, _) = Header::parse(b"\x81\x00")?.unwrap();
/// let error = check_header(&header, Role::Server, State::default()).unwrap_err();
/// assert_eq!(error, ProtocolError::MaskMissing);
/// # Ok::<(), ProtocolError>(())
/// ```
#[inline]
pub const fn check_header(header: &Header, role: Role, state: State) -> Result<(), ProtocolError> {
    if let Err(error) = check_opcode(header) {
        return Err(error);
    }
    if let Err(error) = check_control(header) {
        return Err(error);
    }
    if let Err(error) = check_rsv(header, state.extension_rsv) {
        return Err(error);
    }
    if let Err(error) = check_mask(header, role) {
        return Err(error);
    }
    check_continuation(header, state.fragmented)
}

/// Checks that the opcode is one that RFC 6455 defines.
///
/// # Errors
/// [`ProtocolError::OpCodeReserved`].
#[inline]
pub const fn check_opcode(header: &Header) -> Result<(), ProtocolError> {
    // RFC 6455 §5.2: an unknown opcode fails the connection.
    if header.opcode.is_reserved() {
        return Err(ProtocolError::OpCodeReserved(header.opcode));
    }
    Ok(())
}

/// Checks that a control frame is short and whole.
///
/// # Errors
/// [`ProtocolError::ControlTooLong`] or [`ProtocolError::ControlFragmented`].
#[inline]
pub const fn check_control(header: &Header) -> Result<(), ProtocolError> {
    if !header.opcode.is_control() {
        return Ok(());
    }
    // RFC 6455 §5.5: control frames carry at most 125 bytes.
    if header.len > MAX_CONTROL_PAYLOAD as u64 {
        return Err(ProtocolError::ControlTooLong);
    }
    // RFC 6455 §5.5: control frames are never fragmented.
    if !header.fin {
        return Err(ProtocolError::ControlFragmented);
    }
    Ok(())
}

/// Checks that no RSV bit is set but those that an extension owns.
///
/// On which frames an owned bit may stand is the extension's own rule.
///
/// # Errors
/// [`ProtocolError::RsvUnexpected`] with the bits that nobody owns.
#[inline]
pub const fn check_rsv(header: &Header, owned: Rsv) -> Result<(), ProtocolError> {
    let unexpected = header.rsv.without(owned);
    // RFC 6455 §5.2: RSV bits are 0 unless an extension defines them.
    if !unexpected.is_empty() {
        return Err(ProtocolError::RsvUnexpected(unexpected));
    }
    Ok(())
}

/// Checks that a client's frame is masked and a server's is not; `role` is the receiver's.
///
/// # Errors
/// [`ProtocolError::MaskMissing`] or [`ProtocolError::MaskUnexpected`].
#[inline]
pub const fn check_mask(header: &Header, role: Role) -> Result<(), ProtocolError> {
    // RFC 6455 §5.1: a client masks every frame, a server none.
    match (role, header.mask) {
        (Role::Server, None) => Err(ProtocolError::MaskMissing),
        (Role::Client, Some(_)) => Err(ProtocolError::MaskUnexpected),
        (Role::Server, Some(_)) | (Role::Client, None) => Ok(()),
    }
}

/// Checks that continuation frames stand where a message is open, and only they.
///
/// # Errors
/// [`ProtocolError::ContinuationExpected`] or [`ProtocolError::ContinuationUnexpected`].
#[inline]
pub const fn check_continuation(header: &Header, fragmented: bool) -> Result<(), ProtocolError> {
    // RFC 6455 §5.4: the fragments of one message are not interleaved with another's.
    match (header.opcode, fragmented) {
        (OpCode::Continuation, false) => Err(ProtocolError::ContinuationUnexpected),
        (OpCode::Text | OpCode::Binary, true) => Err(ProtocolError::ContinuationExpected),
        _ => Ok(()),
    }
}

/// Checks the declared length against the longest frame that the receiver takes, in bytes.
///
/// # Errors
/// [`ProtocolError::FrameTooLarge`].
#[inline]
pub const fn check_length(header: &Header, limit: u64) -> Result<(), ProtocolError> {
    // RFC 6455 §10.4: a receiver protects itself against frames that are too large.
    if header.len > limit {
        return Err(ProtocolError::FrameTooLarge { len: header.len, limit });
    }
    Ok(())
}
