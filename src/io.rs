//! The blocking driver: moves bytes between `std::io` streams and the machines.

use std::io::{self, Read, Write};

use crate::{
    Frame, Handler, Header, HeaderBuffer, ReadError, UpgradeError, Upgraded, Upgrader,
    check_length,
    drive::{
        AnswerBuffer, FIRST_PIECE, Outgoing, RequestBuffer, encode_header, first_piece, keep_first,
    },
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

/// Writes one header. What the stream buffers, such as TLS does, is not flushed.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for a control frame that is fragmented or longer than 125
/// bytes, and for a length of 2^63 or more; else what the stream fails with.
pub fn write_header<W: Write + ?Sized>(stream: &mut W, header: &Header) -> io::Result<()> {
    stream.write_all(&encode_header(header)?)
}

/// Reads one frame of at most `limit` bytes of payload, as it stands on the wire: not unmasked
/// and not checked but for its length.
///
/// Memory grows with the bytes that come, never with the length that is declared. What was read of
/// a payload before the stream fails, with [`WouldBlock`](io::ErrorKind::WouldBlock) too, is lost:
/// the connection must then be closed.
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
    if (payload.capacity() as u64) < header.len {
        let mut first = [0; FIRST_PIECE];
        let came = read(stream, first_piece(&mut first, header.len))?;
        keep_first(payload, &first[..came], header.len);
    }
    stream.take(header.len - payload.len() as u64).read_to_end(payload)?;
    if (payload.len() as u64) < header.len {
        return Err(ReadError::Truncated);
    }
    Ok(Frame::from_parts(&header, payload))
}

/// Writes one frame in one write, if the stream takes it whole: small ones as one piece, large
/// ones vectored, from where they lie. What the stream buffers, such as TLS does, is not flushed.
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
pub(crate) fn read<R: Read + ?Sized>(stream: &mut R, room: &mut [u8]) -> io::Result<usize> {
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
    /// The stream should have a deadline, such as [`DeadlineStream`](crate::DeadlineStream) gives it.
    ///
    /// # Errors
    /// [`UpgradeError`]; a refusal has been answered when it is returned. The connection must then
    /// be closed: [`lingering_close`](crate::lingering_close) lets the answer arrive.
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
                    return Ok(Upgraded::new(handshake, received.filled(), size));
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
