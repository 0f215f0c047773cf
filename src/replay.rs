//! A stream that begins with bytes that were read too early.

use std::io::{self, Read, Write};

use crate::Timeouts;

/// A stream that yields what came with the handshake before it reads on: the frames of an eager
/// peer are not lost.
///
/// ```
/// use std::io::Read;
/// let mut stream = wscore::Replay::new(b"early, ".to_vec(), &b"late"[..]);
/// let mut text = String::new();
/// stream.read_to_string(&mut text)?;
/// assert_eq!(text, "early, late");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Replay<S> {
    early: Vec<u8>,
    /// 0 <= used <= early.len(); all are 0 once everything is used
    used: usize,
    stream: S,
}

impl<S> Replay<S> {
    /// The stream with these bytes before its own.
    pub const fn new(early: Vec<u8>, stream: S) -> Self {
        Self { early, used: 0, stream }
    }

    /// The bytes that are to be read before the stream's own.
    #[must_use]
    pub fn early_data(&self) -> &[u8] {
        &self.early[self.used..]
    }

    /// The stream itself, behind the early bytes.
    pub const fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream itself, behind the early bytes.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The bytes that were not read, and the stream.
    #[must_use]
    pub fn into_parts(mut self) -> (Vec<u8>, S) {
        self.early.drain(..self.used);
        (self.early, self.stream)
    }

    /// Hands out early bytes: how many, none if there are none.
    pub(crate) fn take_early(&mut self, room: &mut [u8]) -> usize {
        let early = &self.early[self.used..];
        let taken = early.len().min(room.len());
        room[..taken].copy_from_slice(&early[..taken]);
        self.used += taken;
        if self.used == self.early.len() {
            (self.early, self.used) = (Vec::new(), 0);
        }
        taken
    }
}

impl<S: Read> Read for Replay<S> {
    #[inline]
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.early.is_empty() || room.is_empty() {
            return self.stream.read(room);
        }
        Ok(self.take_early(room))
    }
}

impl<S: Write> Write for Replay<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }
    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.stream.write_vectored(pieces)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl<S: Timeouts> Timeouts for Replay<S> {
    fn set_read_timeout(&self, timeout: Option<std::time::Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout)
    }
    fn set_write_timeout(&self, timeout: Option<std::time::Duration>) -> io::Result<()> {
        self.stream.set_write_timeout(timeout)
    }
}
