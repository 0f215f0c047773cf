//! `Stream` and `Sink` of owned messages.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::tokio::io::{AsyncRead, AsyncWrite};
use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use wscore::CloseCode;

use super::{Connection, tasks::Side};
use crate::{Endpoint, Error, Message, OwnedMessage};

/// The messages that come; ends with the closing handshake, or behind an error.
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Connection<S> {
    type Item = Result<OwnedMessage, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended() {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.poll_fill(Side::Stream, cx, Endpoint::step)) {
            Ok(true) => Some(Ok(self.lent_message().to_owned())),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FusedStream for Connection<S> {
    fn is_terminated(&self) -> bool {
        self.has_ended()
    }
}

/// Messages to send. They are gathered until the sink is flushed or much waits, and also written
/// while the stream half is polled. Closing is the closing handshake, with code 1000.
impl<S: AsyncRead + AsyncWrite + Unpin> Sink<OwnedMessage> for Connection<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_room(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: OwnedMessage) -> Result<(), Error> {
        self.gather(&message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_flush_all(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_close_with(Side::Sink, CloseCode::NORMAL, "", cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Whether the connection has ended.
    const fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// The message that was filled in.
    fn lent_message(&mut self) -> Message<'_> {
        self.endpoint.message().0
    }

    fn gather(&mut self, message: &OwnedMessage) -> Result<(), Error> {
        let reply = self.reply();
        reply.check()?;
        Ok(self.endpoint.sending().message(message)?)
    }

    /// Whether there is room for a message.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.endpoint.sending().is_to_write() {
            self.poll_flush_all(cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn poll_flush_all(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Some(Err(error)) = &self.end {
            return Poll::Ready(Err(error.again()));
        }
        let flushed = match self.tasks.both(Side::Sink, cx.waker()) {
            None => self.reply().poll_flush(cx),
            Some(both) => self.reply().poll_flush(&mut Context::from_waker(&both)),
        };
        self.tasks.note(Side::Sink, cx.waker(), flushed.is_pending());
        flushed
    }
}
