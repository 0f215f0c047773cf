//! The side of a connection under tokio that sends.

use std::{
    future::{Future, poll_fn},
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::tokio::io::AsyncWrite;
use wscore::CloseCode;

use super::io::{Patience, poll_flush, poll_write_within};
use crate::{Error, Kind, Message, Prepared, SendError, Sending, Timeout};

/// The side of a [`Connection`](super::Connection) that sends, while a message is lent.
#[derive(Debug)]
pub struct Reply<'c, S> {
    stream: &'c mut S,
    sending: Sending<'c>,
    held: &'c mut bool,
    patience: &'c mut Patience,
    end: &'c mut Option<Result<(), Error>>,
}

impl<'c, S: AsyncWrite + Unpin> Reply<'c, S> {
    pub(super) fn new(
        stream: &'c mut S,
        sending: Sending<'c>,
        held: &'c mut bool,
        patience: &'c mut Patience,
        end: &'c mut Option<Result<(), Error>>,
    ) -> Self {
        Self { stream, sending, held, patience, end }
    }

    /// Gathers a message; it is written before the connection waits for the next one, or when
    /// much waits. Payload of the received message is sent from where it lies.
    ///
    /// # Errors
    /// As [`Connection::send`](super::Connection::send).
    ///
    /// # Cancel safety
    /// As [`Connection::send`](super::Connection::send).
    pub async fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.check()?;
        let rest = self.sending.message_or_header(message.into())?;
        if !rest.is_empty() {
            Rest { reply: self, rest }.await?;
        }
        if self.sending.is_to_write() { self.flush().await } else { Ok(()) }
    }

    /// Gathers a message that was encoded before.
    ///
    /// # Errors
    /// As [`Connection::send`](super::Connection::send).
    ///
    /// # Cancel safety
    /// As [`Connection::send`](super::Connection::send).
    pub async fn send_prepared(&mut self, message: &Prepared) -> Result<(), Error> {
        self.check()?;
        self.sending.prepared(message)?;
        if self.sending.is_to_write() { self.flush().await } else { Ok(()) }
    }

    /// Gathers a piece of a message, in a frame of its own; the message ends with it if `fin`.
    /// Behind the first piece the kind does not matter. That the pieces of a text are UTF-8 together
    /// is the caller's promise.
    ///
    /// # Errors
    /// As [`Connection::send`](super::Connection::send).
    ///
    /// # Cancel safety
    /// As [`Connection::send`](super::Connection::send).
    pub async fn send_piece(&mut self, kind: Kind, fin: bool, payload: &[u8]) -> Result<(), Error> {
        self.check()?;
        self.sending.piece(kind, fin, payload)?;
        if self.sending.is_to_write() { self.flush().await } else { Ok(()) }
    }

    /// Compresses the messages that begin from now on, or does not, as
    /// [`Connection::set_compression`](super::Connection::set_compression).
    #[cfg(feature = "deflate")]
    pub fn set_compression(&mut self, is_on: bool) {
        self.sending.set_compression(is_on);
    }

    /// Gathers a ping.
    ///
    /// # Errors
    /// As [`Connection::ping`](super::Connection::ping).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.check()?;
        Ok(self.sending.ping(payload)?)
    }

    /// Gathers a close frame; go on receiving until the peer has answered it.
    ///
    /// # Errors
    /// [`SendError::InvalidClose`](crate::SendError::InvalidClose) if the code or the reason cannot
    /// be sent.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        Ok(self.sending.close(code, reason)?)
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// [`Error::Io`].
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match ready!(poll_flush(self.stream, &mut self.sending, self.held, self.patience, cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(self.fail(error))),
        }
    }

    pub(super) fn check(&self) -> Result<(), SendError> {
        if self.end.is_some() { Err(SendError::Closed) } else { Ok(()) }
    }

    /// Ends the connection with this error.
    fn fail(&mut self, error: io::Error) -> Error {
        let error = match error.kind() {
            // Of a stream under tokio only our own patience ends so.
            io::ErrorKind::TimedOut => Error::TimedOut(Timeout::Write),
            _ => Error::Io(error),
        };
        *self.end = Some(Err(error.again()));
        error
    }
}

/// Writes large payload from where it lies; what is not written when it is dropped waits.
struct Rest<'r, 'c, 'm, S> {
    reply: &'r mut Reply<'c, S>,
    rest: &'m [u8],
}

impl<S: AsyncWrite + Unpin> Future for Rest<'_, '_, '_, S> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reply, rest } = &mut *self;
        while !rest.is_empty() {
            *reply.held = true;
            match ready!(poll_write_within(
                reply.stream,
                &mut reply.sending,
                rest,
                reply.patience,
                cx
            )) {
                Ok(written) => *rest = &rest[written..],
                Err(error) => return Poll::Ready(Err(reply.fail(error))),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S> Drop for Rest<'_, '_, '_, S> {
    fn drop(&mut self) {
        self.reply.sending.put_rest(self.rest);
    }
}
