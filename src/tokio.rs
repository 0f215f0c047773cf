//! The tokio driver: the names of the crate's root, with `.await`.
//!
//! What would be methods of [`Upgrader`] and [`Dialer`] are functions here that take them first.
//!
//! # Cancel safety
//! Each function says what becomes of it when its future is dropped before it is done, as
//! `tokio::select!` and timeouts do. The machines below are resumable at any byte; where a
//! function is not cancel-safe, a form with the caller's buffer or the machine itself is.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use ::tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    ClientHandshake, Deadline, DialError, Dialer, Frame, Handler, Handshake, Header, HeaderBuffer,
    ReadError, Replay, UpgradeError, Upgraded, Upgrader, Url, check_length,
    deadline::{LINGER_BYTES, LINGER_TIME},
    drive::{
        AnswerBuffer, FIRST_PIECE, Outgoing, RequestBuffer, cut_short, encode_header, first_piece,
        keep_first,
    },
    random_nonce,
};

/// Reads one header, and nothing behind it, in two reads or one.
///
/// # Errors
/// As [`crate::read_header`].
///
/// # Cancel safety
/// Not cancel-safe: the bytes read so far are lost. [`read_header_with`] is.
pub async fn read_header<R: AsyncRead + Unpin + ?Sized>(
    stream: &mut R,
) -> Result<Header, ReadError> {
    read_header_with(stream, &mut HeaderBuffer::new()).await
}

/// [`read_header`] with the caller's buffer, in which an incomplete header survives.
///
/// # Errors
/// As [`crate::read_header`].
///
/// # Cancel safety
/// Cancel-safe: call again with the same buffer to go on.
pub async fn read_header_with<R: AsyncRead + Unpin + ?Sized>(
    stream: &mut R,
    buffer: &mut HeaderBuffer,
) -> Result<Header, ReadError> {
    loop {
        match stream.read(buffer.room()).await? {
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
/// As [`crate::write_header`].
///
/// # Cancel safety
/// Not cancel-safe: a part of the header may have been written. Close the stream then.
pub async fn write_header<W: AsyncWrite + Unpin + ?Sized>(
    stream: &mut W,
    header: &Header,
) -> io::Result<()> {
    stream.write_all(&encode_header(header)?).await
}

/// Reads one frame of at most `limit` bytes of payload, as it stands on the wire.
///
/// # Errors
/// As [`crate::read_frame`].
///
/// # Cancel safety
/// Not cancel-safe: the bytes read so far are lost. To go on after a cancellation, read the header
/// with [`read_header_with`] and the payload into a buffer of your own.
pub async fn read_frame<R: AsyncRead + Unpin + ?Sized>(
    stream: &mut R,
    limit: u64,
) -> Result<Frame<Vec<u8>>, ReadError> {
    let mut payload = Vec::new();
    let header = read_frame_into(stream, &mut payload, limit).await?.header();
    Ok(Frame::from_parts(&header, payload))
}

/// [`read_frame`] with the caller's buffer for the payload, which is replaced and lent.
///
/// # Errors
/// As [`crate::read_frame`].
///
/// # Cancel safety
/// As [`read_frame`].
pub async fn read_frame_into<'b, R: AsyncRead + Unpin + ?Sized>(
    stream: &mut R,
    payload: &'b mut Vec<u8>,
    limit: u64,
) -> Result<Frame<&'b mut [u8]>, ReadError> {
    let header = read_header(stream).await?;
    check_length(&header, limit)?;
    payload.clear();
    if (payload.capacity() as u64) < header.len {
        let mut first = [0; FIRST_PIECE];
        let came = stream.read(first_piece(&mut first, header.len)).await?;
        keep_first(payload, &first[..came], header.len);
    }
    stream.take(header.len - payload.len() as u64).read_to_end(payload).await?;
    if (payload.len() as u64) < header.len {
        return Err(ReadError::Truncated);
    }
    Ok(Frame::from_parts(&header, payload))
}

/// Writes one frame in one write, if the stream takes it whole.
///
/// # Errors
/// As [`crate::write_frame`].
///
/// # Cancel safety
/// Not cancel-safe: a part of the frame may have been written. Close the stream then.
pub async fn write_frame<W: AsyncWrite + Unpin + ?Sized, P: AsRef<[u8]>>(
    stream: &mut W,
    frame: &Frame<P>,
) -> io::Result<()> {
    let mut outgoing = Outgoing::new(frame)?;
    while let Some(pieces) = outgoing.rest() {
        let written = stream.write_vectored(&pieces).await?;
        outgoing.advance(written)?;
    }
    Ok(())
}

/// Upgrades a connection: reads the client's request, decides, and answers.
///
/// # Errors
/// As [`Upgrader::upgrade`].
///
/// # Cancel safety
/// Not cancel-safe: the bytes read so far are lost, so close the connection. That is what a
/// deadline around this wants. To go on instead, use [`Upgrader::advance`].
///
/// ```no_run
/// use std::time::Duration;
/// use tokio::{net::TcpListener, time::timeout};
/// use wscore::{Replay, Upgrader, tokio::{read_header, upgrade}};
/// # async fn accept() -> Result<(), Box<dyn std::error::Error>> {
/// let upgrader = Upgrader::new();
/// let (mut stream, _) = TcpListener::bind("127.0.0.1:9001").await?.accept().await?;
/// let upgraded = timeout(Duration::from_secs(10), upgrade(&upgrader, &mut stream)).await??;
/// let mut stream = Replay::new(upgraded.early_data, stream);
/// let header = read_header(&mut stream).await?;
/// # Ok(()) }
/// ```
pub async fn upgrade<S: AsyncRead + AsyncWrite + Unpin + ?Sized>(
    upgrader: &Upgrader<'_>,
    stream: &mut S,
) -> Result<Upgraded, UpgradeError> {
    upgrade_with(upgrader, stream, &mut ()).await
}

/// [`upgrade`] with an object of this connection's own behind the callbacks.
///
/// # Errors
/// As [`Upgrader::upgrade`].
///
/// # Cancel safety
/// As [`upgrade`].
pub async fn upgrade_with<S, H>(
    upgrader: &Upgrader<'_>,
    stream: &mut S,
    handler: &mut H,
) -> Result<Upgraded, UpgradeError>
where
    S: AsyncRead + AsyncWrite + Unpin + ?Sized,
    H: Handler + ?Sized,
{
    let mut parser = upgrader.parser();
    let mut received = RequestBuffer::new();
    let mut answer = AnswerBuffer::new();
    loop {
        match stream.read(received.room()).await? {
            0 => return Err(UpgradeError::Closed { received: received.filled().len() }),
            read => received.advance(read),
        }
        let put = |bytes: &[u8]| answer.extend_from_slice(bytes);
        match upgrader.advance_into(&mut parser, received.filled(), handler, put) {
            Ok(None) => {}
            Ok(Some((handshake, size))) => {
                stream.write_all(answer.filled()).await?;
                stream.flush().await?;
                return Ok(Upgraded::new(handshake, received.filled(), size));
            }
            Err(rejection) => {
                // That the client is gone already does not change why it was refused.
                if stream.write_all(answer.filled()).await.is_ok() {
                    let _ = stream.flush().await;
                }
                return Err(UpgradeError::Rejected(rejection));
            }
        }
    }
}

/// Connects over TCP, without TLS, and shakes hands.
///
/// # Errors
/// As [`Dialer::dial`].
///
/// # Cancel safety
/// Cancel-safe: the connection under way is closed, nothing else happened.
pub async fn dial(
    dialer: &Dialer<'_>,
    url: &str,
) -> Result<(Replay<TcpStream>, Handshake), DialError> {
    dial_by(dialer, url, false, connect_tcp).await
}

/// Connects in another way, such as over TLS or through a proxy, and shakes hands, all of it
/// within the dialer's timeout.
///
/// # Errors
/// As [`Dialer::dial_with`].
///
/// # Cancel safety
/// Cancel-safe if the connector is: the connection under way is closed.
///
/// ```no_run
/// # use std::io;
/// # use tokio::net::TcpStream;
/// # async fn tls(stream: TcpStream, name: &str) -> io::Result<TcpStream> { Ok(stream) }
/// use wscore::{Dialer, tokio::{connect_tcp, dial_with}};
/// # async fn dial() -> Result<(), wscore::DialError> {
/// let connect = async |url: &wscore::Url, deadline: &wscore::Deadline| {
///     tls(connect_tcp(url, deadline).await?, url.host()).await
/// };
/// let (stream, handshake) = dial_with(&Dialer::new(), "wss://example.com", connect).await?;
/// # Ok(()) }
/// ```
pub async fn dial_with<S, C>(
    dialer: &Dialer<'_>,
    url: &str,
    connect: C,
) -> Result<(Replay<S>, Handshake), DialError>
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: AsyncFnOnce(&Url, &Deadline) -> io::Result<S>,
{
    dial_by(dialer, url, true, connect).await
}

async fn dial_by<S, C>(
    dialer: &Dialer<'_>,
    url: &str,
    does_tls: bool,
    connect: C,
) -> Result<(Replay<S>, Handshake), DialError>
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: AsyncFnOnce(&Url, &Deadline) -> io::Result<S>,
{
    let url: Url = url.parse()?;
    if url.is_secure() && !does_tls {
        return Err(DialError::TlsMissing);
    }
    let deadline = Deadline::after(dialer.timeout);
    let mut stream = within(deadline.left()?, connect(&url, &deadline)).await?;
    let upgraded = shake_hands_until(dialer, &url, &mut stream, &deadline).await?;
    Ok((Replay::new(upgraded.early_data, stream), upgraded.handshake))
}

/// The future's output, if there is one in time.
async fn within<T>(
    limit: Option<Duration>,
    future: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match limit {
        None => future.await,
        Some(limit) => {
            timeout(limit, future).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        }
    }
}

/// Connects over TCP to the first address of the host that answers; sets `TCP_NODELAY`.
///
/// # Errors
/// That of the last address, or [`io::ErrorKind::TimedOut`].
///
/// # Cancel safety
/// Cancel-safe: the connection under way is closed.
pub async fn connect_tcp(url: &Url, deadline: &Deadline) -> io::Result<TcpStream> {
    let look_up = lookup_host((url.host(), url.port()));
    let addresses: Vec<_> = within(deadline.left()?, look_up).await?.collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (tried, address) in addresses.iter().enumerate() {
        let share = deadline.share(addresses.len() - tried)?;
        match within(share, TcpStream::connect(address)).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Shakes hands on a stream that is connected.
///
/// # Errors
/// As [`Dialer::shake_hands`].
///
/// # Cancel safety
/// Not cancel-safe: close the stream then.
pub async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin + ?Sized>(
    dialer: &Dialer<'_>,
    url: &Url,
    stream: &mut S,
) -> Result<Upgraded, DialError> {
    shake_hands_until(dialer, url, stream, &Deadline::after(None)).await
}

/// Each step has the deadline, so that what came before it passes is not forgotten.
async fn shake_hands_until<S: AsyncRead + AsyncWrite + Unpin + ?Sized>(
    dialer: &Dialer<'_>,
    url: &Url,
    stream: &mut S,
    deadline: &Deadline,
) -> Result<Upgraded, DialError> {
    let mut client = ClientHandshake::new(random_nonce());
    let mut request = Vec::new();
    dialer.request(url, &client, &mut request);
    within(deadline.left()?, stream.write_all(&request)).await?;
    within(deadline.left()?, stream.flush()).await?;
    let mut received = RequestBuffer::new();
    loop {
        let read = match deadline.left() {
            Ok(left) => within(left, stream.read(received.room())).await,
            Err(error) => Err(error),
        };
        match read {
            Ok(0) => return Err(cut_short(dialer, &mut client, received.filled(), None)),
            Ok(read) => received.advance(read),
            Err(error) => {
                return Err(cut_short(dialer, &mut client, received.filled(), Some(error)));
            }
        }
        if let Some((handshake, size)) = dialer.advance(&mut client, received.filled())? {
            return Ok(Upgraded::new(handshake, received.filled(), size));
        }
    }
}

/// Closes a connection so that what was written last arrives: see [`crate::lingering_close`].
///
/// # Cancel safety
/// Cancel-safe: the connection is closed at once.
pub async fn lingering_close(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let end = Instant::now() + LINGER_TIME;
    let mut discarded = [0; 4096];
    let mut left = LINGER_BYTES;
    while left > 0 {
        match timeout_at(end, stream.read(&mut discarded)).await {
            Ok(Ok(0) | Err(_)) | Err(_) => return,
            Ok(Ok(read)) => left = left.saturating_sub(read),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Replay<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early_data().is_empty() || room.remaining() == 0 {
            return Pin::new(self.get_mut().get_mut()).poll_read(cx, room);
        }
        let wanted = self.early_data().len().min(room.remaining());
        let taken = self.take_early(room.initialize_unfilled_to(wanted));
        room.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replay<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().get_mut()).poll_write(cx, bytes)
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().get_mut()).poll_write_vectored(cx, pieces)
    }
    fn is_write_vectored(&self) -> bool {
        self.get_ref().is_write_vectored()
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().get_mut()).poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().get_mut()).poll_shutdown(cx)
    }
}
