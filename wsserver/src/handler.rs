//! What a service does.

use std::{net::SocketAddr, sync::Arc};

use wscore::{Headers, Rejection, Request};
use wsutil::{CloseStatus, Message, MessageError, Timeout};

use crate::Client;

/// What a service does with its connections.
///
/// It is shared by all threads; what belongs to one connection is its [`Session`](Self::Session).
/// The calls for one connection come one after the other, in order. One that panics closes its
/// connection with 1011, and no other; before there is a connection, the request is answered with
/// 503 ([`accept`](Self::accept)) or 500.
///
/// A call that takes long holds up all connections of its thread: hand such work to other threads,
/// which answer through a [`ServerHandle`](crate::ServerHandle).
#[allow(unused_variables, reason = "the names are for those who implement it")]
pub trait Handler: Send + Sync + 'static {
    /// What belongs to one connection.
    type Session: Send + 'static;

    /// Whether a connection of this peer is accepted: for a limit by address, say. One that is not is
    /// told 503 with Retry-After, whatever it asks for.
    fn accept(&self, peer: SocketAddr) -> bool {
        true
    }

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

    /// The client sent a ping, which is answered without this; `payload` has at most 125 bytes.
    fn on_ping(&self, client: &mut Client<'_, Self::Session>, payload: &[u8]) {}

    /// The client sent a pong, asked for or not; `payload` has at most 125 bytes.
    fn on_pong(&self, client: &mut Client<'_, Self::Session>, payload: &[u8]) {}

    /// The client has taken all that waited for it, after it had taken nothing for a while.
    /// `dropped` messages were dropped meanwhile, as their [`Overload`](crate::Overload) said.
    fn on_drain(&self, client: &mut Client<'_, Self::Session>, dropped: u64) {}

    /// Another thread has called [`ServerHandle::wake`](crate::ServerHandle::wake) for the client.
    ///
    /// What produces much for one client can go at its pace: send as long as
    /// [`Client::pending`] is little, and go on here and in [`on_drain`](Self::on_drain).
    fn on_wake(&self, client: &mut Client<'_, Self::Session>) {}

    /// The client is not a member of this room any more: it left, it was removed, or it has ended. Not
    /// called where it joined again before it could be.
    fn on_leave(&self, client: &mut Client<'_, Self::Session>, room: &str) {}

    /// The connection has ended: the last call for it, and one for each that was opened. Nothing
    /// can be sent to it any more, and it has left all rooms.
    fn on_close(&self, client: &mut Client<'_, Self::Session>, end: &End) {}
}

/// A client that is let in.
#[derive(Debug)]
pub struct Admission<S> {
    pub(crate) session: S,
    pub(crate) headers: Headers,
    pub(crate) protocol: Option<Arc<str>>,
    pub(crate) user: Option<Arc<str>>,
    pub(crate) name: Option<Arc<str>>,
}

impl<S> Admission<S> {
    /// Lets a client in with this session.
    pub const fn new(session: S) -> Self {
        Self { session, headers: Headers::new(), protocol: None, user: None, name: None }
    }

    /// The same as a connection of this user, who may have any number of them:
    /// [`To::User`](crate::To::User) reaches them all.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<Arc<str>>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The same with a name that no other open connection has: else it is refused with 409, as it is
    /// while a room of this name has members, and for a name that reads as a
    /// [`ClientId`](crate::ClientId). The room of this name is the connection's own, and nobody else
    /// can join it: where clients choose rooms, keep names apart by a prefix.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
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
    /// The client did not do in time what it had to. If it took nothing, or did not end a message, it
    /// was told 1008, if it took that.
    TimedOut(Timeout),
    /// The client did not take what was sent, and more waited for it, or for all together, than may;
    /// it was told 1008 if it took that.
    Slow,
    /// The client sent more messages or bytes in a second than [`Config::rate`](crate::Config::rate)
    /// says; it was told 1008.
    TooFast,
    /// The server holds as much as it may of messages that are not whole; the client was told 1013.
    Overloaded,
    /// A call of the handler panicked; the client was told 1011.
    Panicked,
    /// The stream ended, or failed, without a close frame.
    Disconnected,
    /// The server was shut down, and the client did not answer its close frame in time.
    Aborted,
}

impl End {
    /// What each is called in metrics.
    pub(crate) const NAMES: [&'static str; 9] = [
        "closed",
        "peer",
        "timed_out",
        "slow",
        "overloaded",
        "panicked",
        "disconnected",
        "aborted",
        "too_fast",
    ];

    /// Its place among the [`NAMES`](Self::NAMES).
    pub(crate) const fn place(&self) -> usize {
        match self {
            Self::Closed(_) => 0,
            Self::Peer(_) => 1,
            Self::TimedOut(_) => 2,
            Self::Slow => 3,
            Self::Overloaded => 4,
            Self::Panicked => 5,
            Self::Disconnected => 6,
            Self::Aborted => 7,
            Self::TooFast => 8,
        }
    }
}
