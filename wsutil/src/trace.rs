//! What goes over a connection, told to `tracing`: never the payload of a message.

use std::{
    io::{self, IoSlice, Read, Write},
    time::Duration,
};

use wscore::{Header, Timeouts};

use crate::{Event, Transport};

/// A frame, or a piece of one, was received.
pub(crate) fn received(event: &Event<'_>) {
    match event {
        Event::Piece(piece) => tracing::trace!(
            target: "wsutil::frame",
            kind = ?piece.kind,
            bytes = piece.payload.len(),
            first = piece.first,
            last = piece.last,
            "received"
        ),
        Event::Ping(payload) => {
            tracing::trace!(target: "wsutil::frame", bytes = payload.len(), "received ping");
        }
        Event::Pong(payload) => {
            tracing::trace!(target: "wsutil::frame", bytes = payload.len(), "received pong");
        }
        Event::Close(reason) => {
            let code = reason.map(|reason| reason.code.0);
            tracing::trace!(target: "wsutil::frame", code, "received close");
        }
    }
}

/// A frame is on its way out.
pub(crate) fn sent(header: &Header) {
    tracing::trace!(
        target: "wsutil::frame",
        opcode = ?header.opcode,
        fin = header.fin,
        bytes = header.len,
        "sending"
    );
}

/// A stream whose bytes are shown to `tracing` as they are, at level `TRACE` with target
/// `wsutil::bytes`: the handshake, and frames with their payload.
///
/// ```no_run
/// use std::net::TcpStream;
/// use wsutil::Traced;
/// let stream = Traced(TcpStream::connect("127.0.0.1:9001")?);
/// let connection = wsutil::accept(stream)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Traced<S>(pub S);

fn show(what: &'static str, bytes: &[u8]) {
    if tracing::enabled!(target: "wsutil::bytes", tracing::Level::TRACE) {
        let escaped = bytes.escape_ascii();
        tracing::trace!(target: "wsutil::bytes", len = bytes.len(), bytes = %escaped, "{what}");
    }
}

impl<S: Read> Read for Traced<S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(room)?;
        show("read", &room[..read]);
        Ok(read)
    }
}

impl<S: Write> Write for Traced<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.0.write(bytes)?;
        show("written", &bytes[..written]);
        Ok(written)
    }
    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.0.write_vectored(pieces)?;
        let mut left = written;
        for piece in pieces {
            let taken = left.min(piece.len());
            show("written", &piece[..taken]);
            left -= taken;
        }
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Timeouts> Timeouts for Traced<S> {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(timeout)
    }
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_write_timeout(timeout)
    }
}

impl<S: Transport> Transport for Traced<S> {
    fn shutdown(&self, how: std::net::Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

#[cfg(feature = "tokio")]
mod asynchronous {
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll, ready},
    };

    use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::{Traced, show};

    impl<S: AsyncRead + Unpin> AsyncRead for Traced<S> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            room: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let before = room.filled().len();
            ready!(Pin::new(&mut self.0).poll_read(cx, room))?;
            show("read", &room.filled()[before..]);
            Poll::Ready(Ok(()))
        }
    }

    impl<S: AsyncWrite + Unpin> AsyncWrite for Traced<S> {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let written = ready!(Pin::new(&mut self.0).poll_write(cx, bytes))?;
            show("written", &bytes[..written]);
            Poll::Ready(Ok(written))
        }
        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }
        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }
}
