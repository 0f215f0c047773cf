//! The client's side: the request it sends and the answer it accepts (RFC 6455 §4.1, §4.2.2).

use alloc::{borrow::ToOwned, boxed::Box, string::String, sync::Arc, vec::Vec};
use core::{error, fmt, mem::MaybeUninit, time::Duration};

use super::{
    Handshake, Key, Limits, MAX_HEADERS,
    body::Body,
    head::HeadScan,
    headers::{Headers, InvalidHeader},
    response_error::{ResponseError, StatusError},
    url::Url,
};
use crate::{
    Extension,
    extension::Element,
    http::{has_element, is_token, is_word, split_authority},
};

/// What a client asks for: everything of its request but the address, and how the answer is
/// judged.
///
/// One dialer serves any number of connections. `dial` is in the drivers.
///
/// ```no_run
/// let (stream, handshake) = wscore::Dialer::new()
///     .protocols(["chat"])?
///     .header("Authorization", "Bearer 7")?
///     .dial("ws://127.0.0.1:9001/room")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Dialer<'a> {
    limits: Limits,
    pub(crate) timeout: Option<Duration>,
    host: Option<String>,
    headers: Headers,
    protocols: Vec<Arc<str>>,
    extensions: Vec<Box<dyn Extension + 'a>>,
    on_header: Option<Box<OnHeader<'a>>>,
    on_status_error: Option<Box<OnStatusError<'a>>>,
}

type OnHeader<'a> = dyn Fn(&str, &[u8]) -> Result<(), Refused> + Send + Sync + 'a;
type OnStatusError<'a> = dyn Fn(&StatusError) + Send + Sync + 'a;
/// Why a callback refuses a response.
type Refused = Box<dyn error::Error + Send + Sync>;

impl Default for Dialer<'_> {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            timeout: Some(Duration::from_secs(30)),
            host: None,
            headers: Headers::new(),
            protocols: Vec::new(),
            extensions: Vec::new(),
            on_header: None,
            on_status_error: None,
        }
    }
}

impl<'a> Dialer<'a> {
    /// A dialer that asks for nothing but a connection, within 30 seconds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How much is read of a response's head: [`Limits::default`] unless set.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits.clamped();
        self
    }

    /// How long everything together may take, from the look-up of the name to the end of the
    /// handshake: 30 seconds unless set; `None` is for ever.
    #[must_use]
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends this in the Host header instead of the host of the address.
    ///
    /// # Errors
    /// [`InvalidHeader::Host`] if it is not a name or address with or without a port.
    pub fn host(mut self, host: &str) -> Result<Self, InvalidHeader> {
        split_authority(host).ok_or_else(|| InvalidHeader::Host(host.to_owned()))?;
        self.host = Some(host.to_owned());
        Ok(self)
    }

    /// Sends one more header.
    ///
    /// # Errors
    /// As [`Headers::insert`].
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, InvalidHeader> {
        self.headers.insert(name, value)?;
        Ok(self)
    }

    /// Offers these subprotocols, the favourite first (RFC 6455 §1.9).
    ///
    /// # Errors
    /// [`InvalidHeader::Protocol`] if one is not a token or is there already (RFC 6455 §4.1).
    pub fn protocols<P: Into<Arc<str>>>(
        mut self,
        protocols: impl IntoIterator<Item = P>,
    ) -> Result<Self, InvalidHeader> {
        for protocol in protocols {
            let protocol = protocol.into();
            // RFC 6455 §4.1 (10): tokens, each different from the others.
            if !is_token(protocol.as_bytes()) || self.protocols.contains(&protocol) {
                return Err(InvalidHeader::Protocol((*protocol).to_owned()));
            }
            self.protocols.push(protocol);
        }
        Ok(self)
    }

    /// Offers this extension, or one behind a reference (RFC 6455 §9).
    #[must_use]
    pub fn negotiate(mut self, extension: impl Extension + 'a) -> Self {
        self.extensions.push(Box::new(extension));
        self
    }

    /// Gets every header of the response that accepts us; an error refuses it.
    #[must_use]
    pub fn on_header(
        mut self,
        callback: impl Fn(&str, &[u8]) -> Result<(), Refused> + Send + Sync + 'a,
    ) -> Self {
        self.on_header = Some(Box::new(callback));
        self
    }

    /// Gets a response that does not accept us, with the first 64 KiB of its body. The same is
    /// in the error.
    #[must_use]
    pub fn on_status_error(mut self, callback: impl Fn(&StatusError) + Send + Sync + 'a) -> Self {
        self.on_status_error = Some(Box::new(callback));
        self
    }

    /// Appends the request for this address, as it goes to the server.
    pub fn request(&self, url: &Url, handshake: &ClientHandshake, out: &mut Vec<u8>) {
        let mut put = |bytes: &[u8]| out.extend_from_slice(bytes);
        put(b"GET ");
        put(url.target().as_bytes());
        put(b" HTTP/1.1\r\nHost: ");
        match &self.host {
            Some(host) => put(host.as_bytes()),
            None => put(url.authority().as_bytes()),
        }
        put(b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: ");
        put(handshake.key.as_bytes());
        for (index, protocol) in self.protocols.iter().enumerate() {
            put(if index == 0 { b"\r\nSec-WebSocket-Protocol: " } else { b", " });
            put(protocol.as_bytes());
        }
        let offers = self.extensions.iter().flat_map(|extension| extension.offers());
        for (index, offer) in offers.enumerate() {
            put(if index == 0 { b"\r\nSec-WebSocket-Extensions: " } else { b", " });
            put(alloc::format!("{offer}").as_bytes());
        }
        put(b"\r\n");
        put(self.headers.as_bytes());
        put(b"\r\n");
    }

    /// Reads the response on slices: hands in all that was received so far, gets the handshake
    /// and how many bytes of it the response was, or `None` while more bytes are wanted.
    ///
    /// # Errors
    /// Why the response is not accepted. The connection must then be closed.
    ///
    /// ```
    /// use wscore::{ClientHandshake, Dialer};
    /// let dialer = Dialer::new();
    /// let mut handshake = ClientHandshake::new(*b"the sample nonce");
    /// let mut request = vec![];
    /// dialer.request(&"ws://example.com".parse()?, &handshake, &mut request);
    /// let response = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    ///     Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x02hi";
    /// let (agreed, size) = dialer.advance(&mut handshake, response)?.unwrap();
    /// assert_eq!((agreed.protocol(), &response[size..]), (None, &b"\x81\x02hi"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance(
        &self,
        handshake: &mut ClientHandshake,
        received: &[u8],
    ) -> Result<Option<(Handshake, usize)>, ResponseError> {
        loop {
            // Fewer bytes than before are not the same response.
            let bytes = received.get(handshake.start..).ok_or(ResponseError::Malformed)?;
            if let Some(refusal) = &mut handshake.refusal {
                return match refusal.body.advance(bytes) {
                    true => Err(self.refused(handshake)),
                    false => Ok(None),
                };
            }
            // What is not HTTP at all is refused at its first byte.
            if bytes.first().is_some_and(|&first| first != b'H') {
                return Err(ResponseError::Malformed);
            }
            let Some(size) = handshake.scan.advance(bytes, &self.limits)? else {
                return Ok(None);
            };
            let mut slots = [const { MaybeUninit::uninit() }; MAX_HEADERS];
            let mut response = httparse::Response::new(&mut []);
            httparse::ParserConfig::default()
                .parse_response_with_uninit_headers(&mut response, &bytes[..size], &mut slots)
                .ok()
                .filter(
                    |status| matches!(status, httparse::Status::Complete(used) if *used == size),
                )
                .ok_or(ResponseError::Malformed)?;
            match response.code {
                // RFC 9112 §2.3: an upgrade needs HTTP/1.1.
                _ if response.version != Some(1) => return Err(ResponseError::VersionNotSupported),
                Some(101) => {
                    let agreed = self.accept(handshake, response.headers)?;
                    return Ok(Some((agreed, handshake.start + size)));
                }
                // RFC 9110 §15.2: a client skips interim responses.
                Some(100..200) if handshake.interim == MAX_INTERIM => {
                    return Err(ResponseError::TooManyInterim);
                }
                Some(100..200) => handshake.interim += 1,
                Some(status @ 200..) => handshake.refusal = Some(Refusal::new(status, &response)),
                _ => return Err(ResponseError::Malformed),
            }
            handshake.start += size;
            handshake.scan = HeadScan::default();
        }
    }

    /// What it means that the stream ends where more bytes are wanted.
    pub fn finish(&self, handshake: &mut ClientHandshake, received: &[u8]) -> ResponseError {
        match handshake.refusal {
            Some(_) => self.refused(handshake),
            None => ResponseError::Closed { received: received.len() },
        }
    }

    /// The error for the refusal that was read, after its callback.
    fn refused(&self, handshake: &mut ClientHandshake) -> ResponseError {
        let Some(refusal) = handshake.refusal.take() else {
            return ResponseError::Malformed;
        };
        let error = StatusError { body: refusal.body.into_bytes(), ..refusal.error };
        if let Some(on_status_error) = &self.on_status_error {
            on_status_error(&error);
        }
        ResponseError::Status(Box::new(error))
    }

    /// Judges the headers of a 101 response.
    fn accept(
        &self,
        handshake: &ClientHandshake,
        headers: &[httparse::Header<'_>],
    ) -> Result<Handshake, ResponseError> {
        let mut agreed = Handshake::default();
        let (mut upgrade, mut connection, mut accepted) = (false, false, false);
        for httparse::Header { name, value } in headers {
            match ResponseField::of(name) {
                // RFC 6455 §4.1 (2): the value is websocket, not a list; it stands once.
                ResponseField::Upgrade if upgrade || !is_word(value, b"websocket") => {
                    return Err(ResponseError::UpgradeInvalid);
                }
                ResponseField::Upgrade => upgrade = true,
                ResponseField::Connection => connection |= has_element(value, b"upgrade"),
                // RFC 6455 §4.1 (4): the accept value fits our key; it stands once.
                ResponseField::Accept if accepted || *value != handshake.key.accept() => {
                    return Err(ResponseError::AcceptInvalid);
                }
                ResponseField::Accept => accepted = true,
                ResponseField::Protocol => self.accept_protocol(value, &mut agreed)?,
                ResponseField::Extensions => self.accept_extensions(value, &mut agreed)?,
                ResponseField::Other => {}
            }
        }
        // RFC 6455 §4.1 (2), (3), (4): all three are there.
        match (upgrade, connection, accepted) {
            (false, ..) => return Err(ResponseError::UpgradeInvalid),
            (_, false, _) => return Err(ResponseError::ConnectionInvalid),
            (.., false) => return Err(ResponseError::AcceptInvalid),
            _ => {}
        }
        if let Some(on_header) = &self.on_header {
            let others = headers
                .iter()
                .filter(|header| matches!(ResponseField::of(header.name), ResponseField::Other));
            for header in others {
                on_header(header.name, header.value).map_err(ResponseError::Refused)?;
            }
        }
        Ok(agreed)
    }

    fn accept_protocol(&self, value: &[u8], agreed: &mut Handshake) -> Result<(), ResponseError> {
        // RFC 6455 §4.1 (6), §11.3.4: one subprotocol, and one of those that were offered.
        let offered = self.protocols.iter().find(|offered| offered.as_bytes() == value);
        match (offered, &agreed.protocol) {
            (Some(offered), None) => agreed.protocol = Some(offered.clone()),
            _ => return Err(ResponseError::ProtocolInvalid),
        }
        Ok(())
    }

    fn accept_extensions(&self, value: &[u8], agreed: &mut Handshake) -> Result<(), ResponseError> {
        let mut elements = Element::list(value).peekable();
        // RFC 6455 §9.1: a list has one element at least.
        elements.peek().ok_or(ResponseError::ExtensionsInvalid)?;
        for element in elements {
            // RFC 6455 §4.1 (5): only extensions that were offered, each once, as offered.
            let element = element.map_err(|_| ResponseError::ExtensionsInvalid)?;
            let offered = self.extensions.iter().find(|offered| offered.name() == element.name());
            let fits = offered.is_some_and(|extension| {
                extension.confirm(&element) && agreed.agree(element.to_owned(), extension.rsv())
            });
            if !fits {
                return Err(ResponseError::ExtensionsInvalid);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Dialer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("timeout", &self.timeout)
            .field("host", &self.host)
            .field("headers", &self.headers)
            .field("protocols", &self.protocols)
            .finish_non_exhaustive()
    }
}

/// One handshake of a client under way; [`Dialer::advance`] drives it.
///
/// ```text
///            1xx (at most 8)
///            ┌─────┐
///            ▼     │
///          head ───┴── 101 ─────▶ Handshake, or why the response is wrong
///            │
///            └─ other status ─▶ body ─▶ StatusError
/// ```
#[derive(Debug)]
pub struct ClientHandshake {
    key: Key,
    scan: HeadScan,
    /// Where the response begins that is being read: behind interim ones.
    start: usize,
    interim: usize,
    refusal: Option<Refusal>,
}

impl ClientHandshake {
    /// The handshake of a client that drew these random bytes (RFC 6455 §4.1 (7)).
    #[must_use]
    pub fn new(nonce: [u8; 16]) -> Self {
        let key = Key::from_nonce(nonce);
        Self { key, scan: HeadScan::default(), start: 0, interim: 0, refusal: None }
    }
}

/// The headers of a response that mean something to the handshake.
enum ResponseField {
    Upgrade,
    Connection,
    Accept,
    Protocol,
    Extensions,
    Other,
}

impl ResponseField {
    fn of(name: &str) -> Self {
        let is = |expected: &str| name.eq_ignore_ascii_case(expected);
        match name.len() {
            7 if is("upgrade") => Self::Upgrade,
            10 if is("connection") => Self::Connection,
            20 if is("sec-websocket-accept") => Self::Accept,
            22 if is("sec-websocket-protocol") => Self::Protocol,
            24 if is("sec-websocket-extensions") => Self::Extensions,
            _ => Self::Other,
        }
    }
}

/// How many interim responses are skipped.
const MAX_INTERIM: usize = 8;

/// A refusal whose body is being read.
#[derive(Debug)]
struct Refusal {
    error: StatusError,
    body: Body,
}

impl Refusal {
    fn new(status: u16, response: &httparse::Response<'_, '_>) -> Self {
        let headers = &response.headers;
        let owned = |header: &httparse::Header<'_>| (header.name.to_owned(), header.value.to_vec());
        let error = StatusError {
            status,
            reason: response.reason.unwrap_or_default().to_owned(),
            headers: headers.iter().map(owned).collect(),
            body: Vec::new(),
        };
        Self { body: Body::new(status, &error), error }
    }
}
