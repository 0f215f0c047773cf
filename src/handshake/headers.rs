//! Headers of our own, checked when they are set, so that nothing can be injected with them.

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::{error, fmt};

use crate::http::{is_field_value, is_token};

/// Extra headers for a request or a response, in order.
///
/// ```
/// let mut headers = wscore::Headers::new();
/// headers.insert("X-Server", "b7")?;
/// assert!(headers.insert("X-Server", "b7\r\nSet-Cookie: a=b").is_err());
/// assert!(headers.insert("Connection", "close").is_err());
/// # Ok::<(), wscore::InvalidHeader>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// `Name: value\r\n`, any number of times.
    lines: Vec<u8>,
}

impl Headers {
    /// No headers; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { lines: Vec::new() }
    }

    /// Adds a header; one of the same name stays.
    ///
    /// # Errors
    /// [`InvalidHeader`] if the name is not a token, if the value holds CR, LF, NUL or another
    /// control character, or if the handshake itself sets this header.
    pub fn insert(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), InvalidHeader> {
        let value = value.as_ref();
        // RFC 9110 §5.1, §5.5: a name is a token, a value holds no control characters.
        if !is_token(name.as_bytes()) {
            return Err(InvalidHeader::Name(name.to_owned()));
        }
        if !is_field_value(value) {
            return Err(InvalidHeader::Value(name.to_owned()));
        }
        if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return Err(InvalidHeader::Reserved(name.to_owned()));
        }
        self.push(name, value);
        Ok(())
    }

    /// Adds a header that is known to be right.
    pub(crate) fn push(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.lines.extend_from_slice(part);
        }
    }

    /// The same with one more header.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, InvalidHeader> {
        self.insert(name, value)?;
        Ok(self)
    }

    /// Name and value of each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines.split_inclusive(|&byte| byte == b'\n').filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            let name = core::str::from_utf8(&line[..colon]).ok()?;
            Some((name, &line[colon + 2..line.len() - 2]))
        })
    }

    /// Whether there is a header of this name, in any case of letters.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    }

    /// Adds all of the others.
    pub(crate) fn append(&mut self, others: &Self) {
        self.lines.extend_from_slice(&others.lines);
    }

    /// As they stand on the wire.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.lines
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lossy = self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)));
        f.debug_map().entries(lossy).finish()
    }
}

/// What the handshake decides by itself.
const RESERVED: [&str; 10] = [
    "Host",
    "Upgrade",
    "Connection",
    "Content-Length",
    "Transfer-Encoding",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
];

/// What must not be sent in a header; each variant names it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidHeader {
    /// The name is not a token (RFC 9110 §5.1).
    Name(String),
    /// The value holds CR, LF, NUL or another control character (RFC 9110 §5.5).
    Value(String),
    /// The handshake sets this header by itself.
    Reserved(String),
    /// Not a host with or without a port (RFC 9110 §7.2).
    Host(String),
    /// Not a token, or there already, where each subprotocol is a different token (RFC 6455 §4.1).
    Protocol(String),
}

impl fmt::Display for InvalidHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "header name {name:?} is not a token"),
            Self::Value(name) => write!(f, "value of header {name} holds a control character"),
            Self::Host(host) => write!(f, "{host:?} is not a host with or without a port"),
            Self::Protocol(name) => {
                write!(f, "subprotocol {name:?} is not a token, or there already")
            }
            Self::Reserved(name) => write!(f, "header {name} is set by the handshake itself"),
        }
    }
}

impl error::Error for InvalidHeader {}
