//! Streams that do what a script says, and what is read from them by every driver.

use std::{
    collections::VecDeque,
    future::Future,
    io::{self, Read, Write},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One thing that a scripted stream does when it is read.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Yields these bytes, or as many of them as there is room for.
    Bytes(Vec<u8>),
    /// Fails once: with an error under std, with `Pending` under tokio if it would block.
    Fail(io::ErrorKind),
}

/// A stream whose reads follow a script and end with the end of the stream, and whose writes are
/// kept; at most `write_size` bytes of each are taken.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) steps: VecDeque<Step>,
    pub(crate) written: Vec<u8>,
    pub(crate) write_size: usize,
    pub(crate) writes: usize,
    /// The write behind this many fails.
    pub(crate) write_fails_behind: usize,
    /// Every second write would block first.
    pub(crate) write_blocks: bool,
    pub(crate) blocked: bool,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            written: vec![],
            write_size: usize::MAX,
            writes: 0,
            write_fails_behind: usize::MAX,
            write_blocks: false,
            blocked: false,
        }
    }

    /// The bytes in one read.
    pub(crate) fn whole(bytes: &[u8]) -> Self {
        Self::new([Step::Bytes(bytes.to_vec())])
    }

    /// The bytes in pieces of this size.
    pub(crate) fn pieces(bytes: &[u8], size: usize) -> Self {
        Self::new(bytes.chunks(size).map(|piece| Step::Bytes(piece.to_vec())))
    }

    /// The bytes in two reads.
    pub(crate) fn split(bytes: &[u8], at: usize) -> Self {
        let (head, tail) = bytes.split_at(at);
        Self::new([Step::Bytes(head.to_vec()), Step::Bytes(tail.to_vec())])
    }

    /// The same steps with this failure before each of them.
    pub(crate) fn failing(self, kind: io::ErrorKind) -> Self {
        let steps = self.steps.into_iter().flat_map(|step| [Step::Fail(kind), step]);
        Self::new(steps)
    }

    fn write_some(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        if self.write_blocks && !self.blocked {
            self.blocked = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.blocked = false;
        if self.writes == self.write_fails_behind {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.writes += 1;
        let mut left = self.write_size;
        for piece in pieces {
            let taken = piece.len().min(left);
            self.written.extend_from_slice(&piece[..taken]);
            left -= taken;
        }
        Ok(self.write_size - left)
    }
}

impl Read for Script {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if room.is_empty() {
            return Ok(0);
        }
        match self.steps.pop_front() {
            None => Ok(0),
            Some(Step::Fail(kind)) => Err(kind.into()),
            Some(Step::Bytes(bytes)) if bytes.is_empty() => self.read(room),
            Some(Step::Bytes(mut bytes)) => {
                let taken = bytes.len().min(room.len());
                room[..taken].copy_from_slice(&bytes[..taken]);
                bytes.drain(..taken);
                if !bytes.is_empty() {
                    self.steps.push_front(Step::Bytes(bytes));
                }
                Ok(taken)
            }
        }
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_some(&[io::IoSlice::new(bytes)])
    }
    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.write_some(pieces)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `Pending`, to be polled again at once, where a blocking stream would block.
fn poll_of<T>(result: io::Result<T>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        result => Poll::Ready(result),
    }
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.read(room.initialize_unfilled());
        poll_of(read.map(|read| room.advance(read)), cx)
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll_of(self.write(bytes), cx)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_of(self.write_some(pieces), cx)
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls a future until it is done, without a runtime: scripted streams are always ready again.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

/// The text with each of these replacements made once; a replacement that does nothing is a
/// mistake in the test.
pub(crate) fn replaced(text: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (old, new)| {
        let changed = text.replacen(old, new, 1);
        assert_ne!(changed, text, "{old:?} is not there, or is replaced by itself");
        changed
    })
}
