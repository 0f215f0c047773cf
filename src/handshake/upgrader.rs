//! The server's side: callbacks that look at a request where it lies and decide.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::fmt;

use super::{
    Handshake, Limits,
    headers::{Headers, InvalidHeader},
    origin::Origin,
    rejection::Rejection,
    request::{HeaderSlots, Request, RequestParser},
    response::Acceptance,
};
use crate::{Extension, RequestError};

/// Upgrades connections: rules and callbacks for the requests of WebSocket clients.
///
/// One upgrader serves any number of connections at once. What belongs to one connection is a
/// [`Handler`]. The callbacks are called in the order in which they stand below, each with bytes
/// borrowed from the request; the first [`Rejection`] ends the handshake and is what the client
/// is told. They see a request only when it is a correct one (RFC 6455 §4.2.1).
///
/// ```
/// use wscore::{Headers, Rejection, Upgrader};
/// let upgrader = Upgrader::new()
///     .protocols(["chat.v2", "chat"])
///     .header("X-Server", "b7")?
///     .on_host(|host| match host {
///         "example.com" => Ok(()),
///         _ => Err(Rejection::new(403).body("unknown host")),
///     })
///     .on_header(|name, value| match name.eq_ignore_ascii_case("cookie") {
///         true if value.is_empty() => Err(Rejection::new(400).body("empty cookie")),
///         _ => Ok(()),
///     })
///     .on_before_upgrade(|| Ok(Headers::new().with("X-Ready", "yes")?));
/// # Ok::<(), wscore::InvalidHeader>(())
/// ```
#[derive(Default)]
pub struct Upgrader<'a> {
    limits: Limits,
    headers: Headers,
    refuse_early_data: bool,
    origin: Option<Origin>,
    protocols: Vec<Arc<str>>,
    server_order: bool,
    extensions: Vec<Box<dyn Extension + 'a>>,
    on_request: Option<Box<OnRequest<'a>>>,
    on_host: Option<Box<OnHost<'a>>>,
    on_header: Option<Box<OnHeader<'a>>>,
    protocol: Option<Box<Protocol<'a>>>,
    on_before_upgrade: Option<Box<OnBeforeUpgrade<'a>>>,
}

impl<'a> Upgrader<'a> {
    /// An upgrader that accepts every correct request, without subprotocol and extensions.
    ///
    /// Pages of any origin may connect: see [`origin`](Self::origin).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How much is read of a request: [`Limits::default`] unless set.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Refuses, with 400, clients that send something behind their request before it is answered.
    /// By default it is kept and handed on.
    #[must_use]
    pub fn refuse_early_data(mut self) -> Self {
        self.refuse_early_data = true;
        self
    }

    /// Allows browsers only from pages of these origins (RFC 6455 §10.2).
    #[must_use]
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Sends one more header with every answer, refusals included.
    ///
    /// # Errors
    /// As [`Headers::insert`].
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, InvalidHeader> {
        self.headers.insert(name, value)?;
        Ok(self)
    }

    /// The subprotocols that we speak: the first of the client's list that is among them is
    /// chosen (RFC 6455 §4.2.2). Without a common one the connection has none.
    #[must_use]
    pub fn protocols<P: Into<Arc<str>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.protocols.extend(protocols.into_iter().map(Into::into));
        self
    }

    /// Chooses the first of [`protocols`](Self::protocols) that the client offers, instead of the
    /// first of the client's.
    #[must_use]
    pub fn server_order(mut self) -> Self {
        self.server_order = true;
        self
    }

    /// Shows this extension, or a reference to one, the client's offers of its name (RFC 6455 §9).
    #[must_use]
    pub fn negotiate(mut self, extension: impl Extension + 'a) -> Self {
        self.extensions.push(Box::new(extension));
        self
    }

    /// First of all gets the whole request.
    #[must_use]
    pub fn on_request(
        mut self,
        callback: impl Fn(&Request<'_>) -> Result<(), Rejection> + Send + Sync + 'a,
    ) -> Self {
        self.on_request = Some(Box::new(callback));
        self
    }

    /// Gets the host that the client means, with its port if it sent one.
    #[must_use]
    pub fn on_host(
        mut self,
        callback: impl Fn(&str) -> Result<(), Rejection> + Send + Sync + 'a,
    ) -> Self {
        self.on_host = Some(Box::new(callback));
        self
    }

    /// Gets every header that the handshake itself has no use for, such as `Origin` and `Cookie`:
    /// its name as it was sent, its value without surrounding space.
    #[must_use]
    pub fn on_header(
        mut self,
        callback: impl Fn(&str, &[u8]) -> Result<(), Rejection> + Send + Sync + 'a,
    ) -> Self {
        self.on_header = Some(Box::new(callback));
        self
    }

    /// Is asked for each subprotocol that the client offers, in its order, until one is wanted;
    /// only if none of [`protocols`](Self::protocols) was chosen.
    #[must_use]
    pub fn protocol(mut self, callback: impl Fn(&str) -> bool + Send + Sync + 'a) -> Self {
        self.protocol = Some(Box::new(callback));
        self
    }

    /// Last of all may refuse, or add headers to the answer.
    #[must_use]
    pub fn on_before_upgrade(
        mut self,
        callback: impl Fn() -> Result<Headers, Rejection> + Send + Sync + 'a,
    ) -> Self {
        self.on_before_upgrade = Some(Box::new(callback));
        self
    }

    /// The parser for one more connection.
    #[must_use]
    pub fn parser(&self) -> RequestParser {
        RequestParser::new(self.limits)
    }

    /// The whole handshake on slices: hands in all that was received so far, gets the handshake
    /// and how many bytes of it the request was, or `None` while more bytes are wanted.
    ///
    /// The answer, an acceptance or a refusal, is appended to `out` and must be sent; after a
    /// refusal the connection must be closed. `parser` comes from [`parser`](Self::parser) and
    /// belongs to the connection.
    ///
    /// # Errors
    /// Why the request is refused.
    ///
    /// ```
    /// let upgrader = wscore::Upgrader::new();
    /// let mut parser = upgrader.parser();
    /// let mut answer = vec![];
    /// let refused = upgrader.advance(&mut parser, b"\x16\x03\x01", &mut (), &mut answer);
    /// assert_eq!(refused.unwrap_err().status(), 400);
    /// assert!(answer.starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
    /// ```
    pub fn advance<H: Handler + ?Sized>(
        &self,
        parser: &mut RequestParser,
        received: &[u8],
        handler: &mut H,
        out: &mut Vec<u8>,
    ) -> Result<Option<(Handshake, usize)>, Rejection> {
        self.advance_into(parser, received, handler, |bytes| out.extend_from_slice(bytes))
    }

    /// [`advance`](Self::advance) with the answer handed out in pieces.
    pub(crate) fn advance_into<H: Handler + ?Sized>(
        &self,
        parser: &mut RequestParser,
        received: &[u8],
        handler: &mut H,
        mut put: impl FnMut(&[u8]),
    ) -> Result<Option<(Handshake, usize)>, Rejection> {
        self.accept(parser, received, handler, &mut put).map_err(|rejection| {
            let mut rejection = rejection.with_headers(&self.headers);
            if is_head(received) {
                rejection = rejection.without_body();
            }
            rejection.render(put);
            rejection
        })
    }

    /// [`advance_into`](Self::advance_into) with an answer only for a request that is accepted.
    fn accept<H: Handler + ?Sized>(
        &self,
        parser: &mut RequestParser,
        received: &[u8],
        handler: &mut H,
        put: impl FnMut(&[u8]),
    ) -> Result<Option<(Handshake, usize)>, Rejection> {
        let mut slots = HeaderSlots::new();
        let Some(request) = parser.parse(received, &mut slots)? else {
            return Ok(None);
        };
        // RFC 6455 §4.1: a client sends nothing more until it is answered.
        if self.refuse_early_data && request.size() < received.len() {
            return Err(RequestError::EarlyData.into());
        }
        let acceptance = self.answer(&request, handler)?;
        acceptance.render(&self.headers, put);
        Ok(Some((acceptance.into_handshake(), request.size())))
    }

    /// Decides on a request: checks it, calls back, negotiates.
    fn answer<'r, H: Handler + ?Sized>(
        &self,
        request: &Request<'r>,
        handler: &mut H,
    ) -> Result<Acceptance<'r>, Rejection> {
        let mut acceptance = Acceptance::new(request)?;
        if let Some(origin) = &self.origin {
            origin.check(request)?;
        }
        if let Some(on_request) = &self.on_request {
            on_request(request)?;
        }
        handler.on_request(request)?;
        if let Some(on_host) = &self.on_host {
            on_host(request.host())?;
        }
        handler.on_host(request.host())?;
        for (name, value) in request.other_headers() {
            if let Some(on_header) = &self.on_header {
                on_header(name, value)?;
            }
            handler.on_header(name, value)?;
        }
        if let Some(protocol) = self.choose_protocol(request, handler) {
            acceptance.protocol(protocol).map_err(Rejection::from_error)?;
        }
        for extension in &self.extensions {
            acceptance.negotiate(&**extension);
        }
        if let Some(on_before_upgrade) = &self.on_before_upgrade {
            acceptance.headers_mut().append(&on_before_upgrade()?);
        }
        handler.on_before_upgrade(&mut acceptance)?;
        Ok(acceptance)
    }

    fn choose_protocol<H: Handler + ?Sized>(
        &self,
        request: &Request<'_>,
        handler: &mut H,
    ) -> Option<Arc<str>> {
        let ours = |offered: &str| self.protocols.iter().find(|ours| ***ours == *offered);
        let offered = |ours: &&Arc<str>| request.protocols().any(|offered| *offered == ***ours);
        let listed = match self.server_order {
            true => self.protocols.iter().find(offered),
            false => request.protocols().find_map(ours),
        };
        let mut wanted = |offered: &&str| {
            self.protocol.as_ref().is_some_and(|wants| wants(offered)) || handler.protocol(offered)
        };
        listed.cloned().or_else(|| request.protocols().find(&mut wanted).map(Into::into))
    }
}

impl fmt::Debug for Upgrader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrader")
            .field("limits", &self.limits)
            .field("headers", &self.headers)
            .field("protocols", &self.protocols)
            .finish_non_exhaustive()
    }
}

/// Whether the method is HEAD, which is told even where the request cannot be parsed.
fn is_head(mut received: &[u8]) -> bool {
    while let Some(rest) = received.strip_prefix(b"\r\n") {
        received = rest;
    }
    received.starts_with(b"HEAD ")
}

type OnRequest<'a> = dyn Fn(&Request<'_>) -> Result<(), Rejection> + Send + Sync + 'a;
type OnHost<'a> = dyn Fn(&str) -> Result<(), Rejection> + Send + Sync + 'a;
type OnHeader<'a> = dyn Fn(&str, &[u8]) -> Result<(), Rejection> + Send + Sync + 'a;
type Protocol<'a> = dyn Fn(&str) -> bool + Send + Sync + 'a;
type OnBeforeUpgrade<'a> = dyn Fn() -> Result<Headers, Rejection> + Send + Sync + 'a;

/// The callbacks of [`Upgrader`] with what belongs to one connection: its `&mut self`.
///
/// Each is called behind the upgrader's own of the same name.
///
/// ```
/// use wscore::{Handler, Rejection};
///
/// #[derive(Default)]
/// struct Session { cookie: Vec<u8> }
///
/// impl Handler for Session {
///     fn on_header(&mut self, name: &str, value: &[u8]) -> Result<(), Rejection> {
///         if name.eq_ignore_ascii_case("cookie") {
///             self.cookie = value.to_vec();
///         }
///         Ok(())
///     }
/// }
/// ```
#[allow(unused_variables, reason = "the names are for those who implement it")]
pub trait Handler {
    /// First of all gets the whole request.
    ///
    /// # Errors
    /// Refuses the request.
    fn on_request(&mut self, request: &Request<'_>) -> Result<(), Rejection> {
        Ok(())
    }

    /// Gets the host that the client means, with its port if it sent one.
    ///
    /// # Errors
    /// Refuses the request.
    fn on_host(&mut self, host: &str) -> Result<(), Rejection> {
        Ok(())
    }

    /// Gets every header that the handshake itself has no use for.
    ///
    /// # Errors
    /// Refuses the request.
    fn on_header(&mut self, name: &str, value: &[u8]) -> Result<(), Rejection> {
        Ok(())
    }

    /// Is asked for each subprotocol that the client offers, until one is wanted.
    fn protocol(&mut self, offered: &str) -> bool {
        false
    }

    /// Last of all may refuse, add headers, or negotiate more.
    ///
    /// # Errors
    /// Refuses the request.
    fn on_before_upgrade(&mut self, acceptance: &mut Acceptance<'_>) -> Result<(), Rejection> {
        Ok(())
    }
}

/// Nothing belongs to the connection.
impl Handler for () {}
