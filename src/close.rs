//! Close codes and the body of a close frame (RFC 6455 §5.5.1, §7.4).

use core::{error, fmt, ops::RangeInclusive, str};

use crate::{ProtocolError, header::MAX_CONTROL_PAYLOAD};

/// The longest reason that fits a close frame behind its code, in bytes.
pub const MAX_CLOSE_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

/// Why a connection is closed: a code on the wire, any value kept (RFC 6455 §7.4.1, IANA).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a server goes down, or a browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: the peer sent a kind of data that is not accepted here.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: reported locally when a close frame had no code; never sent.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: reported locally when the connection ended without a close frame; never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: a payload that does not fit its type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: the peer broke a policy, and no other code says it better.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the server did not negotiate an extension that the client needs.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server met a condition that it did not expect.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the server restarts.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the server is overloaded; try again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid answer from the server behind it.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: reported locally when the TLS handshake failed; never sent.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// Codes that are not used: 0–999.
    pub const UNUSED: RangeInclusive<u16> = 0..=999;
    /// Codes of the protocol and its extensions: 1000–2999.
    pub const PROTOCOL: RangeInclusive<u16> = 1000..=2999;
    /// Codes of libraries and frameworks, registered with IANA: 3000–3999.
    pub const REGISTERED: RangeInclusive<u16> = 3000..=3999;
    /// Codes for private use: 4000–4999.
    pub const PRIVATE: RangeInclusive<u16> = 4000..=4999;

    /// Whether the code may stand in a close frame: 1000–1003, 1007–1014 and 3000–4999.
    ///
    /// ```
    /// use wscore::CloseCode;
    /// assert!(CloseCode::TRY_AGAIN_LATER.is_sendable());
    /// assert!(!CloseCode::ABNORMAL.is_sendable());
    /// assert!(!CloseCode(5000).is_sendable());
    /// ```
    #[must_use]
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// Whether the code is only ever reported locally: 1005, 1006 and 1015 (RFC 6455 §7.4.1).
    #[must_use]
    pub const fn is_local(self) -> bool {
        matches!(self, Self::NO_STATUS | Self::ABNORMAL | Self::TLS_HANDSHAKE)
    }

    /// The name in the IANA registry, where the code has one.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::NORMAL => "normal closure",
            Self::GOING_AWAY => "going away",
            Self::PROTOCOL_ERROR => "protocol error",
            Self::UNSUPPORTED_DATA => "unsupported data",
            Self::NO_STATUS => "no status received",
            Self::ABNORMAL => "abnormal closure",
            Self::INVALID_PAYLOAD => "invalid frame payload data",
            Self::POLICY_VIOLATION => "policy violation",
            Self::MESSAGE_TOO_BIG => "message too big",
            Self::MANDATORY_EXTENSION => "mandatory extension",
            Self::INTERNAL_ERROR => "internal error",
            Self::SERVICE_RESTART => "service restart",
            Self::TRY_AGAIN_LATER => "try again later",
            Self::BAD_GATEWAY => "bad gateway",
            Self::TLS_HANDSHAKE => "TLS handshake",
            _ => return None,
        })
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({self})")
    }
}

/// What the body of a received close frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseReason<'a> {
    /// Why the peer closes.
    pub code: CloseCode,
    /// The peer's words, at most 123 bytes, often empty.
    pub text: &'a str,
}

impl<'a> CloseReason<'a> {
    /// Reads and checks the body of a close frame; `None` for an empty one, which is reported as
    /// [`CloseCode::NO_STATUS`].
    ///
    /// # Errors
    /// [`ProtocolError::CloseBodyTooShort`], [`ProtocolError::CloseCodeInvalid`] or
    /// [`ProtocolError::CloseReasonNotUtf8`].
    ///
    /// ```
    /// use wscore::{CloseCode, CloseReason};
    /// let reason = CloseReason::parse(b"\x03\xe8bye")?.unwrap();
    /// assert_eq!((reason.code, reason.text), (CloseCode::NORMAL, "bye"));
    /// # Ok::<(), wscore::ProtocolError>(())
    /// ```
    pub const fn parse(body: &'a [u8]) -> Result<Option<Self>, ProtocolError> {
        let (code, text) = match body {
            [] => return Ok(None),
            // RFC 6455 §5.5.1: if there is a body, its first two bytes are the code.
            [_] => return Err(ProtocolError::CloseBodyTooShort),
            [hi, lo, text @ ..] => (CloseCode(u16::from_be_bytes([*hi, *lo])), text),
        };
        // RFC 6455 §7.4: only the codes that may be sent.
        if !code.is_sendable() {
            return Err(ProtocolError::CloseCodeInvalid(code));
        }
        // RFC 6455 §5.5.1: the reason is UTF-8.
        match str::from_utf8(text) {
            Ok(text) => Ok(Some(Self { code, text })),
            Err(_) => Err(ProtocolError::CloseReasonNotUtf8),
        }
    }
}

/// The body of a close frame to be sent, up to 125 bytes, held inline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CloseBody {
    /// 0 or 2 ..= 125
    len: u8,
    bytes: [u8; MAX_CONTROL_PAYLOAD],
}

impl CloseBody {
    /// The empty body, which says nothing of the reason.
    pub const EMPTY: Self = Self { len: 0, bytes: [0; MAX_CONTROL_PAYLOAD] };

    /// The body with this code and reason.
    ///
    /// # Errors
    /// [`InvalidClose`] if the code must not be sent or the reason is longer than 123 bytes.
    ///
    /// ```
    /// use wscore::{CloseBody, CloseCode};
    /// let body = CloseBody::new(CloseCode::NORMAL, "bye")?;
    /// assert_eq!(body.as_ref(), b"\x03\xe8bye");
    /// assert!(CloseBody::new(CloseCode::ABNORMAL, "").is_err());
    /// # Ok::<(), wscore::InvalidClose>(())
    /// ```
    pub fn new(code: CloseCode, reason: &str) -> Result<Self, InvalidClose> {
        if reason.len() > MAX_CLOSE_REASON {
            return Err(InvalidClose::ReasonTooLong(reason.len()));
        }
        Self::truncated(code, reason)
    }

    /// The body with this code and as many whole characters of the reason as fit 123 bytes.
    ///
    /// # Errors
    /// [`InvalidClose::Code`] if the code must not be sent.
    pub fn truncated(code: CloseCode, reason: &str) -> Result<Self, InvalidClose> {
        if !code.is_sendable() {
            return Err(InvalidClose::Code(code));
        }
        let mut end = reason.len().min(MAX_CLOSE_REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let mut body = Self::EMPTY;
        let [hi, lo, text @ ..] = &mut body.bytes;
        [*hi, *lo] = code.0.to_be_bytes();
        text[..end].copy_from_slice(&reason.as_bytes()[..end]);
        #[allow(clippy::cast_possible_truncation, reason = "end <= 123")]
        let len = 2 + end as u8;
        Ok(Self { len, ..body })
    }
}

impl AsRef<[u8]> for CloseBody {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl AsMut<[u8]> for CloseBody {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for CloseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CloseBody").field(&self.as_ref()).finish()
    }
}

/// A close that cannot be said on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidClose {
    /// The code must not be sent (RFC 6455 §7.4).
    Code(CloseCode),
    /// The reason has this many bytes; 123 fit (RFC 6455 §5.5).
    ReasonTooLong(usize),
}

impl fmt::Display for InvalidClose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "close code {code} must not be sent"),
            Self::ReasonTooLong(len) => {
                write!(f, "close reason of {len} bytes, over the {MAX_CLOSE_REASON} that fit")
            }
        }
    }
}

impl error::Error for InvalidClose {}
