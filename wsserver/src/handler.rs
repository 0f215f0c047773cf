//! What a service does.

use std::sync::Arc;

use wscore::{Headers, Rejection, Request};
use wsutil::{CloseStatus, Message, MessageError, Timeout};

use crate::Client;

/// What a service does with its connections.
///
/// It is shared by all threads; what belongs to one connection is its [`Session`](Self::Session).
/// The calls for one connection come one after the other, in order. One that panics closes its
/// connection with 1011, and no other.
///
/// A call that takes long holds up all connections of its thread: hand such work to other threads,
/// which answer through a [`ServerHandle`](crate::ServerHandle).
#[allow(unused_variables, reason = "the names are for those who implement it")]
pub trait Handler: Send + Sync + 'static {
    /// What belongs to one connection.
    type Session: Send + 'static;

    /// Decides on a request, whose bytes are borrowed: who it is, or why it is refused.
    ///
    /// # Errors
    /// Refuses the request.
    fn authenticate(&self, request: &Request<'_>) -> Result<Admission<Self::Session>, Rejection>;

    /// What GET of the [status path](crate::Builder::status_path) is told: content type and body.
    fn status(&self) -> (&'static str, String) {
        ("text/plain", "OK".to_owned())
    }

    /// The client is let in, and was told so: the first call for a connection.
    fn on_open(&self, client: &mut Client<'_, Self::Session>) {}

    /// A whole message came.
    fn on_message(&self, client: &mut Client<'_, Self::Session>, message: Message<'_>);

    /// The connection has ended: the last call for it, and one for each that was opened. Nothing
    /// can be sent to it any more.
    fn on_close(&self, client: &mut Client<'_, Self::Session>, end: &End) {}
}

/// A client that is let in.
#[derive(Debug)]
pub struct Admission<S> {
    pub(crate) session: S,
    pub(crate) headers: Headers,
    pub(crate) protocol: Option<Arc<str>>,
}

impl<S> Admission<S> {
    /// Lets a client in with this session.
    pub const fn new(session: S) -> Self {
        Self { session, headers: Headers::new(), protocol: None }
    }

    /// The same with headers for the answer.
    #[must_use]
    pub fn with_headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// The same with a subprotocol, which has to be one that the client offered: else it is
    /// refused.
    #[must_use]
    pub fn with_protocol(mut self, protocol: impl Into<Arc<str>>) -> Self {
        self.protocol = Some(protocol.into());
        self
    }
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// With a closing handshake: what the client's close frame said.
    Closed(CloseStatus),
    /// The client broke a rule, and was told so.
    Peer(MessageError),
    /// The client did not do in time what it had to.
    TimedOut(Timeout),
    /// So much waited for the client that nothing more could be queued.
    Slow,
    /// A call of the handler panicked; the client was told 1011.
    Panicked,
    /// The stream ended, or failed, without a close frame.
    Disconnected,
    /// The server was shut down, and the client did not answer its close frame in time.
    Aborted,
}
