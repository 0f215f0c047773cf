//! The blocking driver: moves bytes between `std::io` streams and the machines.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream, ToSocketAddrs},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::{
    ClientHandshake, DialError, Dialer, Frame, Handler, Handshake, Header, HeaderBuffer, ReadError,
    Replay, UpgradeError, Upgraded, Upgrader, Url, check_length,
    drive::{AnswerBuffer, Outgoing, RequestBuffer},
    random_nonce,
};

/// Reads one header, and nothing behind it, in two reads or one.
///
/// Which frames are allowed here is asked of [`check_header`](crate::check_header). On a stream
/// that can fail in between with [`WouldBlock`](io::ErrorKind::WouldBlock), what was read so far
/// is lost: use [`read_header_with`] there.
///
/// # Errors
/// [`ReadError`]; [`ReadError::Closed`] only where the stream ends before the first byte.
///
/// ```
/// let mut stream = &b"\x81\x05Hello"[..];
/// let header = wscore::read_header(&mut stream)?;
/// assert_eq!((header.len, stream), (5, &b"Hello"[..]));
/// # Ok::<(), wscore::ReadError>(())
/// ```
pub fn read_header<R: Read + ?Sized>(stream: &mut R) -> Result<Header, ReadError> {
    read_header_with(stream, &mut HeaderBuffer::new())
}

/// [`read_header`] with the caller's buffer, in which an incomplete header survives an error: call
/// again with the same buffer to go on.
///
/// # Errors
/// As [`read_header`].
pub fn read_header_with<R: Read + ?Sized>(
    stream: &mut R,
    buffer: &mut HeaderBuffer,
) -> Result<Header, ReadError> {
    loop {
        match read(stream, buffer.room())? {
            0 if buffer.is_empty() => return Err(ReadError::Closed),
            0 => return Err(ReadError::Truncated),
            read => {
                if let Some(header) = buffer.advance(read)? {
                    return Ok(header);
                }
            }
        }
    }
}

/// Writes one header.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] if the length is 2^63 or more; what the stream fails with.
pub fn write_header<W: Write + ?Sized>(stream: &mut W, header: &Header) -> io::Result<()> {
    if header.len >> 63 != 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    stream.write_all(&header.encode())
}

/// Reads one frame of at most `limit` bytes of payload, as it stands on the wire: not unmasked
/// and not checked but for its length.
///
/// Memory grows with the bytes that come, never with the length that is declared.
///
/// # Errors
/// [`ReadError`]; after [`ProtocolError::FrameTooLarge`](crate::ProtocolError::FrameTooLarge) the
/// payload is still unread.
///
/// ```
/// let mut stream = &b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"[..];
/// let mut frame = wscore::read_frame(&mut stream, 1024)?;
/// frame.unmask_in_place();
/// assert_eq!(frame.payload, b"Hello");
/// # Ok::<(), wscore::ReadError>(())
/// ```
pub fn read_frame<R: Read + ?Sized>(
    stream: &mut R,
    limit: u64,
) -> Result<Frame<Vec<u8>>, ReadError> {
    let mut payload = Vec::new();
    let header = read_frame_into(stream, &mut payload, limit)?.header();
    Ok(Frame::from_parts(&header, payload))
}

/// [`read_frame`] with the caller's buffer for the payload, which is replaced and lent.
///
/// # Errors
/// As [`read_frame`].
pub fn read_frame_into<'b, R: Read + ?Sized>(
    stream: &mut R,
    payload: &'b mut Vec<u8>,
    limit: u64,
) -> Result<Frame<&'b mut [u8]>, ReadError> {
    let header = read_header(stream)?;
    check_length(&header, limit)?;
    payload.clear();
    let read = stream.take(header.len).read_to_end(payload)?;
    if (read as u64) < header.len {
        return Err(ReadError::Truncated);
    }
    Ok(Frame::from_parts(&header, payload))
}

/// Writes one frame in one write, if the stream takes it whole: small ones as one piece, large
/// ones vectored, from where they lie.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for a control frame that is fragmented or longer than 125
/// bytes, and nothing is written; else what the stream fails with.
///
/// ```
/// let mut stream = vec![];
/// wscore::write_frame(&mut stream, &wscore::Frame::text("Hello"))?;
/// assert_eq!(stream, b"\x81\x05Hello");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn write_frame<W: Write + ?Sized, P: AsRef<[u8]>>(
    stream: &mut W,
    frame: &Frame<P>,
) -> io::Result<()> {
    let mut outgoing = Outgoing::new(frame)?;
    while let Some(pieces) = outgoing.rest() {
        match stream.write_vectored(&pieces) {
            Ok(written) => outgoing.advance(written)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One read, again where a signal interrupted it.
fn read<R: Read + ?Sized>(stream: &mut R, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl Upgrader<'_> {
    /// Upgrades a connection: reads the client's request, decides, and answers.
    ///
    /// Nothing is allocated for a request of up to 2 KiB without extensions and extra headers.
    /// The stream should have a deadline, such as [`DeadlineStream`] gives it.
    ///
    /// # Errors
    /// [`UpgradeError`]; a refusal has been answered when it is returned. The connection must then
    /// be closed: [`lingering_close`] lets the answer arrive.
    ///
    /// ```no_run
    /// use std::{net::TcpListener, time::Duration};
    /// use wscore::{DeadlineStream, Replay, Upgrader};
    /// let upgrader = Upgrader::new();
    /// let (mut stream, _) = TcpListener::bind("127.0.0.1:9001")?.accept()?;
    /// let upgraded = upgrader.upgrade(&mut DeadlineStream::new(&mut stream, Duration::from_secs(10)))?;
    /// let mut stream = Replay::new(upgraded.early_data, stream);
    /// let header = wscore::read_header(&mut stream)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn upgrade<S: Read + Write + ?Sized>(
        &self,
        stream: &mut S,
    ) -> Result<Upgraded, UpgradeError> {
        self.upgrade_with(stream, &mut ())
    }

    /// [`upgrade`](Self::upgrade) with an object of this connection's own behind the callbacks.
    ///
    /// # Errors
    /// As [`upgrade`](Self::upgrade).
    pub fn upgrade_with<S: Read + Write + ?Sized, H: Handler + ?Sized>(
        &self,
        stream: &mut S,
        handler: &mut H,
    ) -> Result<Upgraded, UpgradeError> {
        let mut parser = self.parser();
        let mut received = RequestBuffer::new();
        let mut answer = AnswerBuffer::new();
        loop {
            match read(stream, received.room())? {
                0 => return Err(UpgradeError::Closed { received: received.filled().len() }),
                read => received.advance(read),
            }
            let put = |bytes: &[u8]| answer.extend_from_slice(bytes);
            match self.advance_into(&mut parser, received.filled(), handler, put) {
                Ok(None) => {}
                Ok(Some((handshake, size))) => {
                    stream.write_all(answer.filled())?;
                    stream.flush()?;
                    let early_data = received.filled()[size..].to_vec();
                    return Ok(Upgraded { handshake, early_data });
                }
                Err(rejection) => {
                    // That the client is gone already does not change why it was refused.
                    let _ = stream.write_all(answer.filled()).and_then(|()| stream.flush());
                    return Err(UpgradeError::Rejected(rejection));
                }
            }
        }
    }
}

impl Dialer<'_> {
    /// Connects over TCP, without TLS, and shakes hands.
    ///
    /// The stream replays what the server sent behind its response, so nothing is lost. Its
    /// `TCP_NODELAY` is set.
    ///
    /// # Errors
    /// [`DialError`].
    pub fn dial(&self, url: &str) -> Result<(Replay<TcpStream>, Handshake), DialError> {
        self.dial_with(url, &Tcp)
    }

    /// Connects in another way, such as over TLS or through a proxy, and shakes hands.
    ///
    /// # Errors
    /// [`DialError`].
    ///
    /// ```no_run
    /// use std::os::unix::net::UnixStream;
    /// use wscore::{Deadline, Dialer, Url};
    /// let connect = |_: &Url, _: Deadline| UnixStream::connect("/run/chat.sock");
    /// let (stream, handshake) = Dialer::new().dial_with("ws://chat/room", &connect)?;
    /// # Ok::<(), wscore::DialError>(())
    /// ```
    pub fn dial_with<C: Connect>(
        &self,
        url: &str,
        connector: &C,
    ) -> Result<(Replay<C::Stream>, Handshake), DialError> {
        let url: Url = url.parse()?;
        if url.is_secure() && !connector.does_tls() {
            return Err(DialError::TlsMissing);
        }
        let deadline = Deadline::after(self.timeout);
        let mut stream = connector.connect(&url, deadline)?;
        let (early_data, handshake) =
            self.shake_hands(&url, &mut DeadlineStream { stream: &mut stream, deadline })?;
        Ok((Replay::new(early_data, stream), handshake))
    }

    /// Shakes hands on a stream that is connected: what the server sent behind its response, and
    /// the handshake.
    ///
    /// # Errors
    /// [`DialError`].
    pub fn shake_hands<S: Read + Write + ?Sized>(
        &self,
        url: &Url,
        stream: &mut S,
    ) -> Result<(Vec<u8>, Handshake), DialError> {
        let mut client = ClientHandshake::new(random_nonce());
        let mut request = Vec::new();
        self.request(url, &client, &mut request);
        stream.write_all(&request)?;
        stream.flush()?;
        let mut received = RequestBuffer::new();
        loop {
            match read(stream, received.room())? {
                0 => return Err(self.finish(&mut client, received.filled()).into()),
                read => received.advance(read),
            }
            if let Some((handshake, size)) = self.advance(&mut client, received.filled())? {
                return Ok((received.filled()[size..].to_vec(), handshake));
            }
        }
    }
}

/// How a [`Dialer`] gets its stream; closures of this shape are connectors, too.
pub trait Connect {
    /// What frames are sent over.
    type Stream: Read + Write + Timeouts;

    /// Connects to the host and port of the address before the deadline passes.
    ///
    /// # Errors
    /// Why there is no connection.
    fn connect(&self, url: &Url, deadline: Deadline) -> io::Result<Self::Stream>;

    /// Whether the stream is secure for `wss`: true unless said otherwise.
    fn does_tls(&self) -> bool {
        true
    }

    /// The same connector with its streams wrapped, such as in TLS.
    ///
    /// ```no_run
    /// # use std::{io, net::TcpStream};
    /// # fn tls(stream: TcpStream, name: &str) -> io::Result<TcpStream> { Ok(stream) }
    /// use wscore::{Connect, Dialer, Tcp};
    /// let connector = Tcp.wrap(|stream, url, _| match url.is_secure() {
    ///     true => tls(stream, url.host()),
    ///     false => Ok(stream),
    /// });
    /// let (stream, handshake) = Dialer::new().dial_with("wss://example.com", &connector)?;
    /// # Ok::<(), wscore::DialError>(())
    /// ```
    fn wrap<W, F>(self, wrap: F) -> impl Connect<Stream = W>
    where
        Self: Sized,
        W: Read + Write + Timeouts,
        F: Fn(Self::Stream, &Url, Deadline) -> io::Result<W>,
    {
        move |url: &Url, deadline: Deadline| wrap(self.connect(url, deadline)?, url, deadline)
    }
}

impl<S: Read + Write + Timeouts, F: Fn(&Url, Deadline) -> io::Result<S>> Connect for F {
    type Stream = S;
    fn connect(&self, url: &Url, deadline: Deadline) -> io::Result<S> {
        self(url, deadline)
    }
}

/// Connects over TCP to the first address of the host that answers; wrap its stream for TLS.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Connect for Tcp {
    type Stream = TcpStream;

    fn connect(&self, url: &Url, deadline: Deadline) -> io::Result<TcpStream> {
        let addresses = look_up(url, deadline)?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for (tried, address) in addresses.iter().enumerate() {
            let attempt = match deadline.share(addresses.len() - tried)? {
                Some(share) => TcpStream::connect_timeout(address, share),
                None => TcpStream::connect(address),
            };
            match attempt {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn does_tls(&self) -> bool {
        false
    }
}

/// Looks the host up. The system's look-up cannot be bounded in time, so that of a name happens
/// on a thread that is left behind when the deadline passes.
fn look_up(url: &Url, deadline: Deadline) -> io::Result<Vec<std::net::SocketAddr>> {
    let target = (url.host().to_owned(), url.port());
    let look_up =
        |(host, port): (String, u16)| Ok((host.as_str(), port).to_socket_addrs()?.collect());
    let is_address = target.0.parse::<std::net::IpAddr>().is_ok();
    match deadline.left()? {
        Some(left) if !is_address => {
            let (sender, receiver) = mpsc::channel();
            thread::spawn(move || sender.send(look_up(target)));
            receiver.recv_timeout(left).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        }
        _ => look_up(target),
    }
}

/// A point in time by which something must be done, or never.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// The deadline this long from now; never if `None`, or if it is too far off to be told.
    #[must_use]
    pub fn after(timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// How much time is left; `None` is for ever.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] if none is.
    pub fn left(&self) -> io::Result<Option<Duration>> {
        let Some(deadline) = self.0 else {
            return Ok(None);
        };
        match deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(Some(left)),
        }
    }

    /// The time for the next of several attempts: they share what is left, so that one that hangs
    /// does not use it up.
    pub(crate) fn share(&self, attempts: usize) -> io::Result<Option<Duration>> {
        let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
        Ok(self.left()?.map(|left| left / attempts.max(1)))
    }
}

/// Streams whose reads and writes can be bounded in time, one by one.
pub trait Timeouts {
    /// Bounds every read from now on; `None` is no bound.
    ///
    /// # Errors
    /// What the stream fails with.
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// Bounds every write from now on; `None` is no bound.
    ///
    /// # Errors
    /// What the stream fails with.
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;
}

impl Timeouts for TcpStream {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        TcpStream::set_read_timeout(self, timeout)
    }
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        TcpStream::set_write_timeout(self, timeout)
    }
}

#[cfg(unix)]
impl Timeouts for std::os::unix::net::UnixStream {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        std::os::unix::net::UnixStream::set_read_timeout(self, timeout)
    }
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        std::os::unix::net::UnixStream::set_write_timeout(self, timeout)
    }
}

/// A stream all of whose reads and writes together end at one deadline, however slowly the bytes
/// trickle; afterwards its own timeouts are off.
#[derive(Debug)]
pub struct DeadlineStream<'s, S: Timeouts> {
    stream: &'s mut S,
    deadline: Deadline,
}

impl<'s, S: Timeouts> DeadlineStream<'s, S> {
    /// The stream with a deadline this long from now.
    pub fn new(stream: &'s mut S, timeout: Duration) -> Self {
        Self { stream, deadline: Deadline::after(Some(timeout)) }
    }
}

impl<S: Read + Timeouts> Read for DeadlineStream<'_, S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.deadline.left()?)?;
        self.stream.read(room).map_err(timed_out)
    }
}

impl<S: Write + Timeouts> Write for DeadlineStream<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.deadline.left()?)?;
        self.stream.write(bytes).map_err(timed_out)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush().map_err(timed_out)
    }
}

impl<S: Timeouts> Drop for DeadlineStream<'_, S> {
    fn drop(&mut self) {
        // A stream on which this fails is broken, as its next read will say.
        let _ = self.stream.set_read_timeout(None);
        let _ = self.stream.set_write_timeout(None);
    }
}

/// Unix says of a socket whose time is up that it would block.
fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

/// The most that [`lingering_close`] reads, in bytes.
pub(crate) const LINGER_BYTES: usize = 64 * 1024;

/// The longest that [`lingering_close`] waits.
pub(crate) const LINGER_TIME: Duration = Duration::from_secs(1);

/// Closes a connection so that what was written last arrives: says that nothing more comes, then
/// reads what the peer still sends, at most 64 KiB in one second, and throws it away.
///
/// Closed at once with unread bytes in its buffer, a TCP connection is reset, and the reset can
/// overtake a refusal or a close frame.
pub fn lingering_close(mut stream: TcpStream) {
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let mut discarded = [0; 4096];
    let mut left = LINGER_BYTES;
    let mut stream = DeadlineStream::new(&mut stream, LINGER_TIME);
    while left > 0 {
        match read(&mut stream, &mut discarded) {
            Ok(0) | Err(_) => return,
            Ok(read) => left = left.saturating_sub(read),
        }
    }
}
