//! The blocking connection.

use std::{
    io::{self, IoSlice},
    net::TcpStream,
    time::{Duration, Instant},
};

use wscore::{
    CloseCode, DeadlineStream, DialError, Dialer, Handshake, Replay, Role, UpgradeError, Upgraded,
    Upgrader,
};

use super::transport::{close_timeout, linger};
use crate::{
    CloseStatus, Deadlines, Endpoint, Error, Kind, Limits, Message, MessageError, OwnedMessage,
    Piece, Prepared, SendError, Sending, Step, Timeout, Transport, drive::is_passing,
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
    /// What the times of deadlines are since, and the read timeout that the stream has for them.
    clock: Option<(Instant, Option<Duration>)>,
    /// Set once the connection has ended, and how.
    end: Option<Result<(), Error>>,
}

/// Upgrades an accepted stream, within 10 seconds, with the default [`Upgrader`].
///
/// For subprotocols, callbacks and checks of the origin, upgrade with an [`Upgrader`] of your own
/// and pass what it returns to [`Connection::server`].
///
/// # Errors
/// [`UpgradeError`]; the client was told.
pub fn accept<S: Transport>(mut stream: S) -> Result<Connection<S>, UpgradeError> {
    const TIMEOUT: Duration = Duration::from_secs(10);
    let upgraded = Upgrader::new().upgrade(&mut DeadlineStream::new(&mut stream, TIMEOUT));
    match upgraded {
        Ok(upgraded) => Ok(Connection::server(stream, upgraded)),
        Err(error) => {
            linger(&mut stream, Role::Server);
            Err(error)
        }
    }
}

/// Connects to a server, within 30 seconds, with the default [`Dialer`].
///
/// For subprotocols, headers and TLS, dial with a [`Dialer`] of your own and pass what it returns
/// to [`Connection::client`].
///
/// # Errors
/// [`DialError`].
pub fn connect(url: &str) -> Result<Connection<TcpStream>, DialError> {
    let (stream, handshake) = Dialer::new().dial(url)?;
    // A message is not to wait for the next one.
    stream.get_ref().set_nodelay(true)?;
    Ok(Connection::client(stream, handshake))
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
        Self { stream, endpoint, handshake, close_timeout, clock: None, end: None }
    }

    fn new(stream: S, role: Role, handshake: Handshake, early_data: &[u8]) -> Self {
        let mut endpoint = Endpoint::new(role).with_handshake(&handshake);
        endpoint.receive(early_data);
        Self::from_parts(stream, endpoint, handshake)
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

    /// The same with these deadlines for the peer, which are kept while a call waits for it. The
    /// connection sets the timeouts of the stream then.
    ///
    /// # Errors
    /// What the stream fails with.
    pub fn with_deadlines(mut self, deadlines: Deadlines) -> io::Result<Self> {
        self.endpoint.set_deadlines(deadlines, Duration::ZERO);
        self.stream.set_write_timeout(deadlines.write)?;
        self.clock = Some((Instant::now(), None));
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
        Ok(Some((message, Reply { stream: &mut self.stream, sending, end: &mut self.end })))
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
        Ok(Some((piece, Reply { stream: &mut self.stream, sending, end: &mut self.end })))
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

    /// Sends a ping, and writes it with all that waits.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`SendError::ControlTooLong`] if the payload has more than
    /// 125 bytes.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.sending()?.ping(payload)?;
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
    /// come are thrown away. Then the stream is shut down.
    ///
    /// # Errors
    /// [`SendError::InvalidClose`] if the code or the reason cannot be sent, and nothing is;
    /// [`Error::TimedOut`] if the peer does not answer in time; else as
    /// [`receive`](Self::receive).
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.endpoint.sending().close(code, reason)?;
        let deadline = Instant::now() + self.close_timeout;
        loop {
            match deadline.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return Err(self.fail(Error::TimedOut(Timeout::Close))),
                left => self.stream.set_read_timeout(Some(left))?,
            }
            // The deadline of closing is the nearest from here on.
            self.clock = None;
            match self.fill(Endpoint::step_piece) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(Error::Io(error)) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The side that sends, without a message.
    fn reply(&mut self) -> Reply<'_, S> {
        let sending = self.endpoint.sending();
        Reply { stream: &mut self.stream, sending, end: &mut self.end }
    }

    fn sending(&mut self) -> Result<Sending<'_>, SendError> {
        match self.end {
            None => Ok(self.endpoint.sending()),
            Some(_) => Err(SendError::Closed),
        }
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
                    let timed = self.arm()?;
                    self.write_if_possible()?;
                    match self.read() {
                        Err(Error::Io(error)) if timed && is_passing(&error) => {}
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
        let Some((origin, armed)) = &mut self.clock else { return Ok(false) };
        let now = origin.elapsed();
        let next = match self.endpoint.tick(now) {
            Ok(next) => next,
            // What it has done wrong is said by the next step.
            Err(Timeout::Message) => return Ok(true),
            Err(timeout) => return Err(self.fail(Error::TimedOut(timeout))),
        };
        let Some(left) = next.map(|next| next.saturating_sub(now)) else { return Ok(false) };
        // A timeout holds for each read anew: one that is a little short does, and spares a call.
        if armed.is_none_or(|armed| left < armed || armed < left / 2) {
            let left = left.max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left))?;
            *armed = Some(left);
        }
        Ok(true)
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
        let again = error.again();
        self.end = Some(Err(again));
        self.endpoint.park();
        error
    }

    /// Writes the last, and lets it arrive.
    fn finish(&mut self) {
        // The peer may be gone already, which changes nothing.
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

    pub(crate) const fn close_timeout(&self) -> Duration {
        self.close_timeout
    }

    /// The same over another stream.
    pub(crate) fn map_stream<T>(self, map: impl FnOnce(S) -> T) -> Connection<T> {
        let Self { stream, endpoint, handshake, close_timeout, clock, end } = self;
        let stream = map(stream);
        Connection { stream, endpoint, handshake, close_timeout, clock, end }
    }

    /// The stream and the machine over it, which has what was received and not handed out, and
    /// what waits to be written.
    pub fn into_parts(self) -> (S, Endpoint, Handshake) {
        (self.stream, self.endpoint, self.handshake)
    }
}

/// The side of a [`Connection`] that sends, while a message is lent.
#[derive(Debug)]
pub struct Reply<'c, S> {
    stream: &'c mut S,
    sending: Sending<'c>,
    end: &'c mut Option<Result<(), Error>>,
}

impl<S: Transport> Reply<'_, S> {
    /// Gathers a message; it is written before the connection waits for the next one, or when
    /// much waits. Payload of the received message is sent from where it lies.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.check()?;
        let mut rest = self.sending.message_or_header(message.into())?;
        while !rest.is_empty() {
            match self.write(rest) {
                Ok(behind) => rest = &rest[behind..],
                Err(error) => {
                    self.sending.put_bytes(rest);
                    return Err(error);
                }
            }
        }
        if self.sending.is_to_write() { self.flush() } else { Ok(()) }
    }

    /// Gathers a message that was encoded before.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn send_prepared(&mut self, message: &Prepared) -> Result<(), Error> {
        self.check()?;
        self.sending.prepared(message)?;
        if self.sending.is_to_write() { self.flush() } else { Ok(()) }
    }

    /// Gathers a piece of a message, in a frame of its own; the message ends with it if `fin`.
    /// Behind the first piece the kind does not matter.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn send_piece(&mut self, kind: Kind, fin: bool, payload: &[u8]) -> Result<(), Error> {
        self.check()?;
        self.sending.piece(kind, fin, payload)?;
        if self.sending.is_to_write() { self.flush() } else { Ok(()) }
    }

    /// Gathers a ping.
    ///
    /// # Errors
    /// As [`Connection::ping`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.check()?;
        Ok(self.sending.ping(payload)?)
    }

    /// Gathers a close frame; go on receiving until the peer has answered it.
    ///
    /// # Errors
    /// [`SendError::InvalidClose`] if the code or the reason cannot be sent.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        Ok(self.sending.close(code, reason)?)
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn flush(&mut self) -> Result<(), Error> {
        if self.sending.pending() == 0 {
            return Ok(());
        }
        while self.sending.pending() > 0 {
            self.write(&[])?;
        }
        self.stream.flush().map_err(|error| self.fail(error))
    }

    fn check(&self) -> Result<(), SendError> {
        if self.end.is_some() { Err(SendError::Closed) } else { Ok(()) }
    }

    /// One write of what waits and of this behind it: how many bytes of this were written.
    fn write(&mut self, behind: &[u8]) -> Result<usize, Error> {
        loop {
            let result = match self.sending.one_piece() {
                Some(piece) if behind.is_empty() => self.stream.write(piece),
                _ => {
                    let mut slices = [IoSlice::new(&[]); 64];
                    let pieces = self.sending.pieces().chain([behind]);
                    let used = slices
                        .iter_mut()
                        .zip(pieces)
                        .map(|(slice, piece)| *slice = IoSlice::new(piece));
                    let used = used.count();
                    self.stream.write_vectored(&slices[..used])
                }
            };
            match result {
                Ok(0) => return Err(self.fail(io::ErrorKind::WriteZero.into())),
                Ok(written) => return Ok(self.sending.advance(written, behind.len())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    /// Ends the connection with this error, unless it passes.
    fn fail(&mut self, error: io::Error) -> Error {
        let error = Error::Io(error);
        if error.close_code().is_some() {
            *self.end = Some(Err(error.again()));
        }
        error
    }
}
