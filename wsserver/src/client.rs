//! A connection in a call of the handler.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use mio::net::TcpStream;
use wscore::{CloseBody, CloseCode};
use wsutil::{Message, Prepared, SendError, Sending};

use crate::{
    ClientId, Config, JoinError, Overload, Publish, ServerHandle, To,
    overload::{Item, Queue, Refused},
};

/// So much is encoded at most before the stream takes it, in bytes; the rest waits as it is.
const ENCODED: usize = 1 << 20;

/// A connection in a call of the [`Handler`](crate::Handler): its session, the side that sends, and
/// the rooms it is in.
///
/// What is sent is gathered, and leaves when all that was received together is worked on, or when it
/// is much.
pub struct Client<'a, S> {
    pub(crate) id: ClientId,
    pub(crate) session: &'a mut S,
    pub(crate) handle: &'a ServerHandle,
    pub(crate) stream: &'a mut TcpStream,
    pub(crate) sending: Sending<'a>,
    pub(crate) queue: &'a mut Queue,
    pub(crate) config: &'a Config,
    pub(crate) effects: &'a mut Effects,
}

/// What a call of the handler led to.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Nothing more could be queued.
    pub(crate) is_slow: bool,
    /// It has left a room, which it is to be told.
    pub(crate) has_left: bool,
    /// Whose the connection was, when it has ended.
    pub(crate) was_user: Option<Arc<str>>,
}

impl Effects {
    /// Whether there is any.
    #[inline]
    pub(crate) fn is_some(&self) -> bool {
        self.is_slow || self.has_left
    }
}

impl<S> Client<'_, S> {
    /// Which connection it is, for a [`ServerHandle`].
    #[must_use]
    pub const fn id(&self) -> ClientId {
        self.id
    }

    /// The address at the other end of its stream.
    ///
    /// # Errors
    /// What the system says, such as of a stream that was reset.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    /// What belongs to the connection.
    #[must_use]
    pub const fn session(&self) -> &S {
        self.session
    }

    /// What belongs to the connection, to be changed.
    pub const fn session_mut(&mut self) -> &mut S {
        self.session
    }

    /// The server: other connections, users and rooms.
    #[must_use]
    pub const fn server(&self) -> &ServerHandle {
        self.handle
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`SendError::Closed`], or [`SendError::Full`] if as much waits as may, which the client's
    /// stream does not take: it is disconnected. See
    /// [`Config::max_queued_bytes`](crate::Config::max_queued_bytes).
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        let sent = match self.takes_more() {
            true => self.sending.message(message),
            false => self.wait(Item::Message(message.to_owned())),
        };
        self.note(sent)
    }

    /// Sends a message that was [prepared](ServerHandle::prepare) before.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
        let sent = match self.takes_more() {
            true => self.sending.prepared(message),
            false => self.wait(Item::Prepared(message.clone())),
        };
        self.note(sent)
    }

    /// A message for many: all, or a room, of which this connection may be a member. Those of this
    /// thread get it once this call is over, behind all that the call itself sends.
    ///
    /// ```no_run
    /// # fn chat(client: &mut wsserver::Client<'_, ()>) -> Result<(), wsutil::SendError> {
    /// use wsserver::To;
    /// client.to(To::Room("lobby")).send("to all of them")?;
    /// client.to(To::All).but(client.id()).send("to the others")?;
    /// # Ok(())
    /// # }
    /// ```
    pub const fn to<'t>(&'t self, to: To<'t>) -> Publish<'t> {
        Publish::new(self.handle, Some(self.id.worker), to)
    }

    /// Becomes a member of a room: whether it was not one before.
    ///
    /// # Errors
    /// [`JoinError`]; the connection is gone in [`on_close`](crate::Handler::on_close).
    pub fn join(&mut self, room: &str) -> Result<bool, JoinError> {
        self.handle.join(self.id, room)
    }

    /// Leaves a room: whether it was a member.
    pub fn leave(&mut self, room: &str) -> bool {
        let was_member = self.handle.shared.of(self.id).directory().leave(self.id, room);
        self.effects.has_left |= was_member;
        was_member
    }

    /// Leaves all rooms that it has joined.
    pub fn leave_all(&mut self) {
        for room in self.rooms() {
            self.leave(&room);
        }
    }

    /// Whether it has joined a room.
    #[must_use]
    pub fn has_joined(&self, room: &str) -> bool {
        self.handle.has_joined(self.id, room)
    }

    /// The rooms that it is in, in the order in which it joined.
    #[must_use]
    pub fn rooms(&self) -> Vec<Arc<str>> {
        self.handle.rooms_of(self.id)
    }

    /// The user that it was [admitted](crate::Admission::with_user) as.
    #[must_use]
    pub fn user(&self) -> Option<Arc<str>> {
        self.effects.was_user.clone().or_else(|| self.handle.user_of(self.id))
    }

    /// Sends a close frame, behind which nothing is sent. Does nothing if one was sent before.
    ///
    /// # Errors
    /// [`SendError::InvalidClose`] if the code must not be sent or the reason is longer than
    /// 123 bytes.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        if self.queue.is_empty() {
            return self.sending.close(code, reason);
        }
        CloseBody::new(code, reason)?;
        match self.wait(Item::Close(code, reason.into())) {
            Err(SendError::Closed) => Ok(()),
            waits => waits,
        }
    }

    /// Sends a ping; silent clients are sent them anyway.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`SendError::ControlTooLong`] for more than 125 bytes.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        let sent = self.sending.ping(payload);
        self.note(sent)
    }

    /// How many bytes wait to be written.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.sending.pending() + self.queue.cost()
    }

    /// Whether a message is encoded at once, rather than held beside what is.
    #[inline]
    fn takes_more(&mut self) -> bool {
        let limit = self.config.max_queued_bytes.min(ENCODED);
        if !self.queue.is_empty() || self.sending.pending() < limit {
            return self.queue.is_empty();
        }
        // It may have room. What is wrong with the stream is told when it is next written to.
        let _ = self.sending.write_to(self.stream);
        self.sending.pending() < limit
    }

    /// Has something wait behind what does.
    fn wait(&mut self, item: Item) -> Result<(), SendError> {
        if self.sending.is_closing() {
            return Err(SendError::Closed);
        }
        let pending = self.pending();
        let mut limits = self.config.queue_limits();
        limits.bytes = limits.bytes.saturating_sub(self.sending.pending());
        match self.queue.push(item, Overload::Disconnect, limits) {
            Ok(_) => Ok(()),
            Err(Refused::Full) => Err(SendError::Full { pending }),
            Err(Refused::Closing) => Err(SendError::Closed),
        }
    }

    #[inline]
    fn note(&mut self, sent: Result<(), SendError>) -> Result<(), SendError> {
        self.effects.is_slow |= matches!(sent, Err(SendError::Full { .. }));
        if self.sending.is_to_write() {
            // What is wrong with the stream is told when it is next written to.
            let _ = self.sending.write_to(self.stream);
        }
        sent
    }
}

impl<S: fmt::Debug> fmt::Debug for Client<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
