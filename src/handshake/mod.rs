//! The opening handshake of both sides, on slices (RFC 6455 §4).
//!
//! ```text
//! server   bytes ─▶ RequestParser ─▶ Request ─▶ Upgrader's callbacks ─▶ Acceptance or Rejection
//! client   Dialer + Url ─▶ request bytes    bytes ─▶ ClientHandshake ─▶ Handshake or ResponseError
//! ```

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{error, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

use crate::{Rsv, extension::ElementBuf};

mod body;
pub(crate) mod client;
mod head;
pub(crate) mod headers;
pub(crate) mod origin;
pub(crate) mod query;
pub(crate) mod rejection;
pub(crate) mod request;
pub(crate) mod request_error;
pub(crate) mod response;
pub(crate) mod response_error;
pub(crate) mod upgrader;
pub(crate) mod url;

/// How much of a request or response is read before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All lines together, in bytes: 16 KiB by default.
    pub head: usize,
    /// One line with its line end, in bytes: 8 KiB by default.
    pub line: usize,
    /// Header lines: 100 by default, at most [`MAX_HEADERS`].
    pub headers: usize,
}

/// The most header lines that can be allowed: one bit each of a `u128`.
pub const MAX_HEADERS: usize = 128;

impl Limits {
    /// With no more headers than there is room for.
    fn clamped(self) -> Self {
        Self { headers: self.headers.min(MAX_HEADERS), ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { head: 16 * 1024, line: 8 * 1024, headers: 100 }
    }
}

/// What both sides agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    protocol: Option<Arc<str>>,
    extensions: Vec<ElementBuf>,
    rsv: Rsv,
}

impl Handshake {
    /// The subprotocol, if one was agreed (RFC 6455 §1.9).
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// The extensions, as the server's answer names them (RFC 6455 §9.1).
    #[must_use]
    pub fn extensions(&self) -> &[ElementBuf] {
        &self.extensions
    }

    /// The RSV bits that the extensions own: for [`State::extension_rsv`](crate::State).
    #[must_use]
    pub const fn rsv(&self) -> Rsv {
        self.rsv
    }

    /// Takes an extension in, unless one of its name or with one of its bits is in already.
    fn agree(&mut self, element: ElementBuf, rsv: Rsv) -> bool {
        let free = rsv.without(self.rsv) == rsv
            && self.extensions.iter().all(|agreed| agreed.name() != element.name());
        if free {
            self.extensions.push(element);
            self.rsv = self.rsv | rsv;
        }
        free
    }
}

/// The 16 random bytes of a client in base64: what `Sec-WebSocket-Key` holds (RFC 6455 §4.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; 24]);

impl Key {
    /// The key of a client that drew these bytes.
    #[must_use]
    pub fn from_nonce(nonce: [u8; 16]) -> Self {
        Self(encode_base64(&nonce))
    }

    /// The key that a request holds, if it is one: 22 characters of base64 and `==`.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let key: [u8; 24] = value.try_into().ok()?;
        let (digits, padding) = key.split_at(22);
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() | matches!(byte, b'+' | b'/');
        // RFC 6455 §4.2.1: the value decodes to 16 bytes. Without early exit these are vectors.
        let is_base64 = digits.iter().fold(true, |all, digit| all & is_digit(digit));
        (is_base64 && padding == b"==").then_some(Self(key))
    }

    /// Its 24 characters.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 24] {
        &self.0
    }

    /// What the server answers in `Sec-WebSocket-Accept` (RFC 6455 §4.2.2).
    ///
    /// ```
    /// let key = wscore::Key::parse(b"dGhlIHNhbXBsZSBub25jZQ==").unwrap();
    /// assert_eq!(&key.accept(), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    /// ```
    #[must_use]
    pub fn accept(&self) -> [u8; 28] {
        const GUID: &[u8; 36] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
        let mut input = [0; 60];
        let (key, guid) = input.split_at_mut(24);
        key.copy_from_slice(&self.0);
        guid.copy_from_slice(GUID);
        encode_base64(&<[u8; 20]>::from(Sha1::digest(input)))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", String::from_utf8_lossy(&self.0))
    }
}

/// `N` must be the length of the encoding.
fn encode_base64<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut encoded = [0; N];
    let written = STANDARD.encode_slice(bytes, &mut encoded);
    debug_assert_eq!(written, Ok(N));
    encoded
}

/// The next error inwards. An `io::Error` is passed over by its own `source`.
fn wrapped_by<'e>(
    error: &'e (dyn error::Error + 'static),
) -> Option<&'e (dyn error::Error + 'static)> {
    #[cfg(feature = "std")]
    if let Some(inner) = error.downcast_ref().and_then(std::io::Error::get_ref) {
        return Some(inner);
    }
    error.source()
}
