//! A connection in a call of the handler.

use std::fmt;

use mio::net::TcpStream;
use wscore::CloseCode;
use wsutil::{Message, Prepared, SendError, Sending};

use crate::{ClientId, io::write};

/// A connection in a call of the [`Handler`](crate::Handler): its session, and the side that sends.
///
/// What is sent is gathered, and leaves when all that was received together is worked on, or when it
/// is much.
pub struct Client<'a, S> {
    pub(crate) id: ClientId,
    pub(crate) session: &'a mut S,
    pub(crate) stream: &'a mut TcpStream,
    pub(crate) sending: Sending<'a>,
    /// Set once nothing more could be queued.
    pub(crate) is_slow: &'a mut bool,
}

impl<S> Client<'_, S> {
    /// Which connection it is, for a [`ServerHandle`](crate::ServerHandle).
    #[must_use]
    pub const fn id(&self) -> ClientId {
        self.id
    }

    /// What belongs to the connection.
    pub const fn session(&mut self) -> &mut S {
        self.session
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`SendError::Closed`], or [`SendError::Full`] if 1 MiB waits that the client's stream does
    /// not take: it is disconnected.
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let sent = self.sending.message(message);
        self.note(sent)
    }

    /// Sends a message that was encoded before.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
        let sent = self.sending.prepared(message);
        self.note(sent)
    }

    /// Sends a close frame, behind which nothing is sent. Does nothing if one was sent before.
    ///
    /// # Errors
    /// [`SendError::InvalidClose`] if the code must not be sent or the reason is longer than
    /// 123 bytes.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.sending.close(code, reason)
    }

    /// How many bytes wait to be written.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.sending.pending()
    }

    fn note(&mut self, sent: Result<(), SendError>) -> Result<(), SendError> {
        *self.is_slow |= matches!(sent, Err(SendError::Full { .. }));
        if self.sending.is_to_write() {
            // What is wrong with the stream is told when it is next written to.
            let _ = write(self.stream, &mut self.sending);
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
