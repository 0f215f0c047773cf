//! Writing what waits, for the connection and its halves.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::tokio::io::AsyncWrite;

use crate::Sending;

/// One write of what waits and of `behind` behind it: how many bytes of the latter were written.
pub(super) fn poll_write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    sending: &mut Sending<'_>,
    behind: &[u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let stream = Pin::new(stream);
    let written = match sending.one_piece() {
        Some(piece) if behind.is_empty() => ready!(stream.poll_write(cx, piece))?,
        _ => {
            let mut slices = [IoSlice::new(&[]); 64];
            let mut used = 0;
            for (slice, piece) in slices.iter_mut().zip(sending.pieces().chain([behind])) {
                *slice = IoSlice::new(piece);
                used += 1;
            }
            ready!(stream.poll_write_vectored(cx, &slices[..used]))?
        }
    };
    match written {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        written => Poll::Ready(Ok(sending.advance(written, behind.len()))),
    }
}

/// Writes what waits, and what the stream itself holds back, such as TLS does.
pub(super) fn poll_flush<S: AsyncWrite + Unpin>(
    stream: &mut S,
    sending: &mut Sending<'_>,
    held: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while sending.pending() > 0 {
        *held = true;
        ready!(poll_write(stream, sending, &[], cx))?;
    }
    if *held {
        ready!(Pin::new(stream).poll_flush(cx))?;
        *held = false;
    }
    Poll::Ready(Ok(()))
}
