//! The blocking connection.

use std::{
    io,
    time::{Duration, Instant},
};

use wscore::{CloseCode, Handshake, Replay, Role, Upgraded};

use super::{
    Reply,
    transport::{close_timeout, linger, linger_time},
};
use crate::{
    CloseStatus, Control, Deadlines, Endpoint, Error, Kind, Limits, Message, MessageError,
    OwnedMessage, Piece, Prepared, Step, Timeout, Transport, drive::is_passing,
};

/// A WebSocket connection over a blocking stream: whole messages in and out.
///
/// Pings are answered, close frames too, and what is produced while received bytes are worked on
/// leaves in one write when they are used up. The memory for received bytes is the thread's: a
/// connection holds none while it has nothing in work.
///
/// ```no_run
/// use std::net::TcpListener;
///
/// let (stream, _) = TcpListener::bind("127.0.0.1:9001")?.accept()?;
/// let mut connection = wsutil::accept(stream)?;
/// while let Some((message, mut reply)) = connection.receive()? {
///     reply.send(message)?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    endpoint: Endpoint,
    handshake: Handshake,
    close_timeout: Duration,
    /// What the times of deadlines are since.
    clock: Option<Instant>,
    /// How long the peer may take nothing, if that is bounded.
    write_within: Option<Duration>,
    /// By when the peer has to answer our close frame, once one is sent.
    closing: Option<Instant>,
    /// The read timeout that the stream has for these.
    armed: Option<Duration>,
    /// The stream may hold back what was written to it.
    held: bool,
    /// Set once the connection has ended, and how.
    end: Option<Result<(), Error>>,
}

impl<S: Transport> Connection<S> {
    /// The server's end of a connection that was upgraded.
    pub fn server(stream: S, upgraded: Upgraded) -> Self {
        let Upgraded { handshake, early_data } = upgraded;
        Self::new(stream, Role::Server, handshake, &early_data)
    }

    /// The client's end of a connection that was dialled: what
    /// [`Dialer::dial`](wscore::Dialer::dial) returned.
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
            clock: None,
            write_within: None,
            closing: None,
            armed: None,
            held: false,
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

    /// The same with these deadlines for the peer, which are kept while a call waits for it. The
    /// connection sets the timeouts of the stream then, which has to be a blocking one.
    ///
    /// # Errors
    /// What the stream fails with.
    pub fn with_deadlines(mut self, deadlines: Deadlines) -> io::Result<Self> {
        self.endpoint.set_deadlines(deadlines, Duration::ZERO);
        self.write_within = deadlines.write_within();
        self.stream.set_write_timeout(self.write_within)?;
        self.clock = Some(Instant::now());
        Ok(self)
    }

    /// Waits for the next message: it, and the side that sends, so that it can be answered while
    /// it is lent. `None` once the closing handshake is done.
    ///
    /// What waits to be written is written before this waits.
    ///
    /// # Errors
    /// [`Error`], the same from then on; but if the stream only would block or timed out, call
    /// again.
    pub fn receive(&mut self) -> Result<Option<(Message<'_>, Reply<'_, S>)>, Error> {
        if !self.fill(Endpoint::step)? {
            return Ok(None);
        }
        let (message, sending) = self.endpoint.message();
        Ok(Some((message, Reply::new(&mut self.stream, sending, &mut self.held, &mut self.end))))
    }

    /// As [`receive`](Self::receive), with messages in pieces, as they come: memory does not
    /// depend on how large a message is.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    #[allow(clippy::type_complexity, reason = "as receive, with a piece")]
    pub fn receive_piece(&mut self) -> Result<Option<(Piece<&[u8]>, Reply<'_, S>)>, Error> {
        if !self.fill(Endpoint::step_piece)? {
            return Ok(None);
        }
        let (piece, sending) = self.endpoint.piece();
        Ok(Some((piece, Reply::new(&mut self.stream, sending, &mut self.held, &mut self.end))))
    }

    /// Waits for the next message, to keep; `None` once the closing handshake is done.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_owned(&mut self) -> Result<Option<OwnedMessage>, Error> {
        Ok(self.receive()?.map(|(message, _)| message.to_owned()))
    }

    /// Sends a whole message, and writes it with all that waits.
    ///
    /// # Errors
    /// [`Error::Send`] if it cannot be sent; [`Error::Io`] if the stream fails. If the stream only
    /// would block or timed out, the message waits, and a later call writes it.
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.reply().send(message)?;
        self.flush()
    }

    /// Gathers a whole message; it is written with the next [`send`](Self::send),
    /// [`receive`](Self::receive) or [`flush`](Self::flush), or when much waits.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn feed<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.reply().send(message)
    }

    /// Sends a message that was encoded before, and writes it with all that waits.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, message: &Prepared) -> Result<(), Error> {
        self.reply().send_prepared(message)?;
        self.flush()
    }

    /// Sends a piece of a message in a frame of its own, and writes it with all that waits; the
    /// message ends with it if `fin`. Behind the first piece the kind does not matter. That the
    /// pieces of a text are UTF-8 together is the caller's promise.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_piece(&mut self, kind: Kind, fin: bool, payload: &[u8]) -> Result<(), Error> {
        self.reply().send_piece(kind, fin, payload)?;
        self.flush()
    }

    /// Sends a ping, and writes it with all that waits.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`SendError::ControlTooLong`](crate::SendError::ControlTooLong)
    /// if the payload has more than 125 bytes.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.reply().ping(payload)?;
        self.flush()
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.reply().flush()
    }

    /// Closes the connection: says so to the peer, and waits for its answer; messages that still
    /// come are thrown away. Then the stream is shut down. The stream has to be a blocking one; for
    /// others there is [`Reply::close`].
    ///
    /// # Errors
    /// [`SendError::InvalidClose`](crate::SendError::InvalidClose) if the code or the reason cannot
    /// be sent, and nothing is;
    /// [`Error::TimedOut`] if the peer does not answer in time; else as
    /// [`receive`](Self::receive).
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.endpoint.sending().close(code, reason)?;
        // A peer that takes nothing does not keep us either.
        let within = self.write_within.map_or(self.close_timeout, |w| w.min(self.close_timeout));
        self.stream.set_write_timeout(Some(within))?;
        while self.fill(Endpoint::step_piece)? {}
        Ok(())
    }

    /// The side that sends, without a message.
    fn reply(&mut self) -> Reply<'_, S> {
        let sending = self.endpoint.sending();
        Reply::new(&mut self.stream, sending, &mut self.held, &mut self.end)
    }

    /// Works until the endpoint has something to hand out: whether it has.
    fn fill(
        &mut self,
        step: impl Fn(&mut Endpoint) -> Result<Step, MessageError>,
    ) -> Result<bool, Error> {
        match &self.end {
            None => {}
            Some(Ok(())) => return Ok(false),
            Some(Err(error)) => return Err(error.again()),
        }
        loop {
            match step(&mut self.endpoint) {
                Ok(Step::Message | Step::Piece) => return Ok(true),
                Ok(Step::Write) => self.write_if_possible()?,
                Ok(Step::Read) => {
                    let is_timed = self.arm()?;
                    self.write_if_possible()?;
                    match self.read() {
                        Err(Error::Io(error)) if is_timed && is_passing(&error) => {}
                        read => read?,
                    }
                }
                Ok(Step::Closed) => {
                    self.finish();
                    self.end = Some(Ok(()));
                    return Ok(false);
                }
                Err(error) => {
                    self.finish();
                    return Err(self.fail(Error::Peer(error)));
                }
            }
        }
    }

    /// Does what is due, and sees to it that a read does not wait beyond the next deadline: whether
    /// it is bounded so.
    fn arm(&mut self) -> Result<bool, Error> {
        let left = match (self.closing_left()?, self.next_tick()?) {
            (None, None) => {
                if self.armed.take().is_some() {
                    self.stream.set_read_timeout(None)?;
                }
                return Ok(false);
            }
            (Some(closing), Some(tick)) => closing.min(tick),
            (closing, tick) => closing.or(tick).unwrap_or_default(),
        };
        // A timeout holds for each read anew: one that is a little short does, and spares a call.
        if self.armed.is_none_or(|armed| left < armed || armed < left / 2) {
            let left = left.max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left))?;
            self.armed = Some(left);
        }
        Ok(true)
    }

    /// How long the peer still has to answer our close frame, if it has to.
    fn closing_left(&mut self) -> Result<Option<Duration>, Error> {
        if !self.endpoint.is_closing() || self.endpoint.close_status().is_some() {
            return Ok(None);
        }
        if self.closing.is_none() {
            self.closing = Instant::now().checked_add(self.close_timeout);
        }
        // A time too far off to be told is never.
        let Some(closing) = self.closing else { return Ok(None) };
        match closing.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(self.fail(Error::TimedOut(Timeout::Close))),
            left => Ok(Some(left)),
        }
    }

    /// How long until the next deadline, if there is one.
    fn next_tick(&mut self) -> Result<Option<Duration>, Error> {
        let Some(origin) = self.clock else { return Ok(None) };
        let now = origin.elapsed();
        match self.endpoint.tick(now) {
            Ok(next) => Ok(next.map(|next| next.saturating_sub(now))),
            // What it has done wrong is said by the next step.
            Err(Timeout::Message) => Ok(Some(Duration::ZERO)),
            Err(timeout) => Err(self.fail(Error::TimedOut(timeout))),
        }
    }

    /// Writes what waits; a stream that takes nothing now does not keep us from reading.
    fn write_if_possible(&mut self) -> Result<(), Error> {
        match self.flush() {
            Err(Error::Io(error)) if is_passing(&error) => Ok(()),
            result => result,
        }
    }

    fn read(&mut self) -> Result<(), Error> {
        loop {
            match self.stream.read(self.endpoint.room()) {
                Ok(0) => {
                    let inside_message = self.endpoint.is_inside_message();
                    return Err(self.fail(Error::Disconnected { inside_message }));
                }
                Ok(read) => {
                    self.endpoint.received(read);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_passing(&error) => {
                    self.endpoint.park();
                    return Err(Error::Io(error));
                }
                Err(error) => return Err(self.fail(Error::Io(error))),
            }
        }
    }

    /// Ends the connection with this error.
    fn fail(&mut self, error: Error) -> Error {
        self.end = Some(Err(error.again()));
        self.endpoint.park();
        error
    }

    /// Writes the last, and lets it arrive.
    fn finish(&mut self) {
        // A peer that takes nothing does not hold us; one that is gone already changes nothing.
        let _ = self.stream.set_write_timeout(Some(linger_time(self.endpoint.role())));
        if self.flush().is_ok() {
            linger(&mut self.stream, self.endpoint.role());
        }
        self.endpoint.park();
    }
}

impl<S> Connection<S> {
    /// What was agreed on.
    pub const fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// The subprotocol, if one was agreed on.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.handshake.protocol()
    }

    /// The time from the last ping of the heartbeat to its pong.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.endpoint.round_trip()
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
        self.write_within
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
            clock: self.clock,
            write_within: self.write_within,
            closing: self.closing,
            armed: self.armed,
            held: self.held,
            end: self.end,
        }
    }

    /// The stream and the machine over it, which has what was received and not handed out, and
    /// what waits to be written.
    pub fn into_parts(self) -> (S, Endpoint, Handshake) {
        (self.stream, self.endpoint, self.handshake)
    }
}
