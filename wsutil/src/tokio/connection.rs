//! The connection under tokio.

use std::{future::poll_fn, pin::Pin, time::Duration};

use ::tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep},
};
use wscore::{CloseCode, Handshake, Replay, Role, Upgraded};

use super::{
    Reply,
    io::Patience,
    poll::{Clock, Ending},
    tasks::{Side, Tasks},
};
use crate::{
    CloseStatus, Control, Deadlines, Endpoint, Error, Kind, Limits, Message, OwnedMessage, Piece,
    Prepared, blocking::transport::close_timeout,
};

/// A WebSocket connection under tokio: whole messages in and out.
///
/// As [`crate::Connection`], with `.await`. Every future of it may be dropped at any time: nothing
/// is lost, and nothing is sent in part.
///
/// ```no_run
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:9001").await?;
/// let (stream, _) = listener.accept().await?;
/// let mut connection = wsutil::tokio::accept(stream).await?;
/// while let Some((message, mut reply)) = connection.receive().await? {
///     reply.send(message).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Connection<S> {
    pub(super) stream: S,
    pub(super) endpoint: Endpoint,
    pub(super) handshake: Handshake,
    pub(super) close_timeout: Duration,
    /// The stream may hold back what was written to it.
    pub(super) held: bool,
    pub(super) patience: Patience,
    pub(super) tasks: Tasks,
    pub(super) clock: Option<Clock>,
    /// The end of the time that the peer has to answer our close frame, once one is sent.
    pub(super) closing: Option<Pin<Box<Sleep>>>,
    /// Set once no more messages come.
    pub(super) ending: Option<Box<Ending>>,
    /// Set once the connection has ended, and how.
    pub(super) end: Option<Result<(), Error>>,
}

impl<S> Connection<S> {
    /// The server's end of a connection that was upgraded.
    pub fn server(stream: S, upgraded: Upgraded) -> Self {
        let Upgraded { handshake, early_data } = upgraded;
        Self::new(stream, Role::Server, handshake, &early_data)
    }

    /// The client's end of a connection that was dialled: what
    /// [`wscore::tokio::dial`] returned.
    pub fn client(stream: Replay<S>, handshake: Handshake) -> Self {
        let (early_data, stream) = stream.into_parts();
        Self::new(stream, Role::Client, handshake, &early_data)
    }

    /// One end of a connection whose handshake was done elsewhere.
    pub fn from_parts(stream: S, endpoint: Endpoint, handshake: Handshake) -> Self {
        let close_timeout = close_timeout(endpoint.role());
        Self {
            stream,
            endpoint,
            handshake,
            close_timeout,
            held: false,
            patience: Patience::default(),
            tasks: Tasks::default(),
            clock: None,
            closing: None,
            ending: None,
            end: None,
        }
    }

    fn new(stream: S, role: Role, handshake: Handshake, early_data: &[u8]) -> Self {
        let mut endpoint = Endpoint::new(role);
        endpoint.receive(early_data);
        Self::from_parts(stream, endpoint, handshake)
    }

    /// The same with messages compressed and decompressed as the handshake agreed with this; does
    /// nothing if it did not agree on `permessage-deflate`.
    ///
    /// The handshake is to negotiate with the same [`Deflate`](wsflate::Deflate), and a connection
    /// without this fails when a compressed message comes.
    ///
    /// # Panics
    /// If a message is open in either direction.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, deflate: &wsflate::Deflate) -> Self {
        if let Some(agreed) = deflate.agreed(self.endpoint.role(), &self.handshake) {
            self.endpoint.set_deflate(deflate, agreed);
        }
        self
    }

    /// Compresses the messages of ours that begin from now on, or does not: on if it was agreed.
    /// What is secret is better not compressed beside what others have a say in (RFC 7692 §8).
    #[cfg(feature = "deflate")]
    pub fn set_compression(&mut self, is_on: bool) {
        self.endpoint.sending().set_compression(is_on);
    }

    /// The same with these limits for the peer's messages.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.endpoint.set_limits(limits);
        self
    }

    /// The same with this time for the peer to answer a close frame: 5 s for a server, 10 s for a
    /// client by default.
    #[must_use]
    pub const fn with_close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// The same with messages of ours cut into frames of at most this many bytes of payload, but at
    /// least one.
    #[must_use]
    pub const fn with_fragments(mut self, size: usize) -> Self {
        self.endpoint.set_fragment_size(Some(size));
        self
    }

    /// The same with a look at every control frame, before it is answered.
    #[must_use]
    pub fn on_control(mut self, handler: impl FnMut(Control<'_>) + Send + 'static) -> Self {
        self.endpoint.on_control(handler);
        self
    }

    /// The same with these deadlines for the peer: all of them are kept while a future waits for
    /// messages, and that for writing also while one waits to send. Without a deadline for writing,
    /// that is as long as a heartbeat takes to find a peer dead.
    #[must_use]
    pub fn with_deadlines(mut self, deadlines: Deadlines) -> Self {
        self.endpoint.set_deadlines(deadlines, Duration::ZERO);
        self.patience.within = deadlines.write_within();
        let origin = Instant::now();
        self.clock = Some(Clock { origin, alarm: Box::pin(sleep(Duration::ZERO)) });
        self
    }

    /// The time from the last ping of the heartbeat to its pong.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.endpoint.round_trip()
    }

    /// What was agreed on.
    pub const fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// The subprotocol, if one was agreed on.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.handshake.protocol()
    }

    /// What the peer's close frame said, once it has come.
    #[must_use]
    pub const fn close_status(&self) -> Option<&CloseStatus> {
        self.endpoint.close_status()
    }

    /// The stream, such as for its addresses. What is read from it or written to it is missing
    /// from the connection.
    pub const fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream; see [`get_ref`](Self::get_ref).
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    pub(crate) const fn role(&self) -> Role {
        self.endpoint.role()
    }

    pub(crate) const fn is_closing(&self) -> bool {
        self.endpoint.is_closing()
    }

    pub(crate) const fn is_sending_message(&self) -> bool {
        self.endpoint.is_sending_message()
    }

    pub(super) const fn write_within(&self) -> Option<Duration> {
        self.patience.within
    }

    pub(crate) const fn close_timeout(&self) -> Duration {
        self.close_timeout
    }

    /// What compresses, for another that sends.
    pub(crate) fn take_deflater(&mut self) -> crate::deflate::Deflater {
        self.endpoint.take_deflater()
    }

    /// The same over another stream.
    pub(crate) fn map_stream<T>(self, map: impl FnOnce(S) -> T) -> Connection<T> {
        Connection {
            stream: map(self.stream),
            endpoint: self.endpoint,
            handshake: self.handshake,
            close_timeout: self.close_timeout,
            held: self.held,
            patience: self.patience,
            tasks: self.tasks,
            clock: self.clock,
            closing: self.closing,
            ending: self.ending,
            end: self.end,
        }
    }

    /// The stream and the machine over it, which has what was received and not handed out, and
    /// what waits to be written.
    pub fn into_parts(self) -> (S, Endpoint, Handshake) {
        (self.stream, self.endpoint, self.handshake)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Waits for the next message: it, and the side that sends, so that it can be answered while
    /// it is lent. `None` once the closing handshake is done.
    ///
    /// What waits to be written is written before this waits.
    ///
    /// # Errors
    /// [`Error`], the same from then on.
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn receive(&mut self) -> Result<Option<(Message<'_>, Reply<'_, S>)>, Error> {
        if !poll_fn(|cx| self.poll_fill(Side::Stream, cx, Endpoint::step)).await? {
            return Ok(None);
        }
        let (message, sending) = self.endpoint.message();
        let reply = Reply::new(
            &mut self.stream,
            sending,
            &mut self.held,
            &mut self.patience,
            &mut self.end,
        );
        Ok(Some((message, reply)))
    }

    /// As [`receive`](Self::receive), with messages in pieces, as they come: memory does not
    /// depend on how large a message is.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    ///
    /// # Cancel safety
    /// Cancel-safe.
    #[allow(clippy::type_complexity, reason = "as receive, with a piece")]
    pub async fn receive_piece(&mut self) -> Result<Option<(Piece<&[u8]>, Reply<'_, S>)>, Error> {
        if !poll_fn(|cx| self.poll_fill(Side::Stream, cx, Endpoint::step_piece)).await? {
            return Ok(None);
        }
        let (piece, sending) = self.endpoint.piece();
        let reply = Reply::new(
            &mut self.stream,
            sending,
            &mut self.held,
            &mut self.patience,
            &mut self.end,
        );
        Ok(Some((piece, reply)))
    }

    /// Waits for the next message, to keep; `None` once the closing handshake is done.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn receive_owned(&mut self) -> Result<Option<OwnedMessage>, Error> {
        Ok(self.receive().await?.map(|(message, _)| message.to_owned()))
    }

    /// Sends a whole message, and writes it with all that waits.
    ///
    /// # Errors
    /// [`Error::Send`] if it cannot be sent; [`Error::Io`] if the stream fails.
    ///
    /// # Cancel safety
    /// Once polled the message is sent whole: what is not written when the future is dropped is
    /// written by a later call.
    pub async fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.reply().send(message).await?;
        self.flush().await
    }

    /// Gathers a whole message; it is written with the next [`send`](Self::send),
    /// [`receive`](Self::receive) or [`flush`](Self::flush), or when much waits.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn feed<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.reply().send(message).await
    }

    /// Sends a message that was encoded before, and writes it with all that waits.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_prepared(&mut self, message: &Prepared) -> Result<(), Error> {
        self.reply().send_prepared(message).await?;
        self.flush().await
    }

    /// Sends a piece of a message in a frame of its own, and writes it with all that waits; the
    /// message ends with it if `fin`. Behind the first piece the kind does not matter. That the
    /// pieces of a text are UTF-8 together is the caller's promise.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_piece(&mut self, kind: Kind, fin: bool, payload: &[u8]) -> Result<(), Error> {
        self.reply().send_piece(kind, fin, payload).await?;
        self.flush().await
    }

    /// Sends a ping, and writes it with all that waits.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`SendError::ControlTooLong`](crate::SendError::ControlTooLong)
    /// if the payload has more than 125 bytes.
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.reply().ping(payload)?;
        self.flush().await
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// [`Error::Io`].
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.reply().flush().await
    }

    /// Closes the connection: says so to the peer, and waits for its answer; messages that still
    /// come are thrown away. Then the stream is shut down.
    ///
    /// # Errors
    /// [`SendError::InvalidClose`](crate::SendError::InvalidClose) if the code or the reason cannot
    /// be sent, and nothing is;
    /// [`Error::TimedOut`] if the peer does not answer in time; else as
    /// [`receive`](Self::receive).
    ///
    /// # Cancel safety
    /// The close frame is sent once, whole; call again to wait on.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        poll_fn(|cx| self.poll_close_with(Side::Stream, code, reason, cx)).await
    }

    /// The side that sends, without a message.
    pub(super) fn reply(&mut self) -> Reply<'_, S> {
        let sending = self.endpoint.sending();
        Reply::new(&mut self.stream, sending, &mut self.held, &mut self.patience, &mut self.end)
    }
}
