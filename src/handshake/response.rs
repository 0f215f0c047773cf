//! The answer that accepts a request.

use alloc::{string::ToString, sync::Arc, vec::Vec};
use core::{error, fmt};

use super::{Handshake, headers::Headers};
use crate::{Extension, Key, Request, RequestError};

/// An accepted request: what is agreed and what the client is told.
///
/// ```
/// use wscore::{Acceptance, HeaderSlots, Limits, RequestParser};
/// let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
/// let mut slots = HeaderSlots::new();
/// let request = RequestParser::new(Limits::default()).parse(bytes, &mut slots)?.unwrap();
/// let mut answer = vec![];
/// Acceptance::new(&request)?.encode(&mut answer);
/// assert!(answer.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
/// # Ok::<(), wscore::RequestError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Acceptance<'a> {
    request: Request<'a>,
    key: Key,
    handshake: Handshake,
    headers: Headers,
}

impl<'a> Acceptance<'a> {
    /// Accepts a request, without subprotocol, extensions or headers so far.
    ///
    /// # Errors
    /// What [`Request::upgrade`] finds wrong.
    pub fn new(request: &Request<'a>) -> Result<Self, RequestError> {
        let key = request.upgrade()?;
        let (handshake, headers) = Default::default();
        Ok(Self { request: *request, key, handshake, headers })
    }

    /// Chooses a subprotocol.
    ///
    /// # Errors
    /// [`NotOffered`] if the client did not offer it (RFC 6455 §4.2.2).
    pub fn protocol(&mut self, protocol: impl Into<Arc<str>>) -> Result<(), NotOffered> {
        let protocol = protocol.into();
        if !self.request.protocols().any(|offered| *offered == *protocol) {
            return Err(NotOffered);
        }
        self.handshake.protocol = Some(protocol);
        Ok(())
    }

    /// Lets an extension answer the first of the client's offers that suits it; whether it did.
    ///
    /// It is passed over if an extension before it has the same name or owns one of its RSV bits.
    pub fn negotiate(&mut self, extension: &dyn Extension) -> bool {
        let mut offers = self.request.extensions().filter(|offer| offer.name() == extension.name());
        let answer = offers.find_map(|offer| extension.accept(&offer));
        answer
            .filter(|answer| answer.name() == extension.name())
            .is_some_and(|answer| self.handshake.agree(answer, extension.rsv()))
    }

    /// The headers that go with the answer.
    pub const fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// Appends the whole answer, as it goes to the client.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.render(&Headers::new(), |bytes| out.extend_from_slice(bytes));
    }

    /// Hands the answer out in pieces, with these headers before its own.
    pub(crate) fn render(&self, headers: &Headers, mut put: impl FnMut(&[u8])) {
        let mut start = *b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Accept: ............................\r\n";
        // The dots: what most answers consist of is handed out as one piece.
        start[97..125].copy_from_slice(&self.key.accept());
        put(&start);
        if let Some(protocol) = &self.handshake.protocol {
            put(b"Sec-WebSocket-Protocol: ");
            put(protocol.as_bytes());
            put(b"\r\n");
        }
        if let [first, rest @ ..] = &self.handshake.extensions[..] {
            put(b"Sec-WebSocket-Extensions: ");
            put(first.to_string().as_bytes());
            for extension in rest {
                put(b", ");
                put(extension.to_string().as_bytes());
            }
            put(b"\r\n");
        }
        put(headers.as_bytes());
        put(self.headers.as_bytes());
        put(b"\r\n");
    }

    /// What is agreed.
    #[must_use]
    pub fn into_handshake(self) -> Handshake {
        self.handshake
    }
}

/// A subprotocol was chosen that the client did not offer (RFC 6455 §4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOffered;

impl fmt::Display for NotOffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client did not offer this subprotocol")
    }
}

impl error::Error for NotOffered {}
