//! Writing what waits, and the last of it.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use ::tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::{
    Sending,
    sending::{FEW_SLICES, MANY_SLICES},
};

/// How long a peer may take nothing, and since when it has.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// For ever if `None`.
    pub(super) within: Option<Duration>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// What a write came to: an error once too many in a row would have to wait.
    fn poll<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.alarm = None;
            return written;
        }
        let Some(within) = self.within else { return Poll::Pending };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(within)));
        alarm.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// As [`poll_write`], until the patience ends.
pub(super) fn poll_write_within<S: AsyncWrite + Unpin>(
    stream: &mut S,
    sending: &mut Sending<'_>,
    behind: &[u8],
    patience: &mut Patience,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let written = poll_write(stream, sending, behind, cx);
    patience.poll(written, cx)
}

/// One write of what waits and of `behind` behind it: how many bytes of the latter were written.
fn poll_write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    sending: &mut Sending<'_>,
    behind: &[u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let stream = Pin::new(stream);
    let written = match sending.one_piece() {
        Some(piece) if behind.is_empty() => ready!(stream.poll_write(cx, piece))?,
        _ if sending.is_in_few_pieces() => {
            let mut slices = [IoSlice::new(&[]); FEW_SLICES];
            ready!(stream.poll_write_vectored(cx, sending.slices(behind, &mut slices)))?
        }
        _ => {
            let mut slices = [IoSlice::new(&[]); MANY_SLICES];
            ready!(stream.poll_write_vectored(cx, sending.slices(behind, &mut slices)))?
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
    patience: &mut Patience,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while sending.pending() > 0 {
        *held = true;
        ready!(poll_write_within(stream, sending, &[], patience, cx))?;
    }
    if *held {
        let flushed = Pin::new(stream).poll_flush(cx);
        ready!(patience.poll(flushed, cx))?;
        *held = false;
    }
    Poll::Ready(Ok(()))
}

/// Says that nothing more is written, and reads what the peer still sends: a stream that is closed
/// with unread bytes is reset, and the reset can overtake a close frame.
pub(super) fn poll_linger<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    is_shut: &mut bool,
    left: &mut usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    if !*is_shut {
        ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        *is_shut = true;
    }
    let mut discarded = [0; 4096];
    while *left > 0 {
        let mut room = ReadBuf::new(&mut discarded);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut room))?;
        match room.filled().len() {
            0 => break,
            read => *left = left.saturating_sub(read),
        }
    }
    Poll::Ready(Ok(()))
}
