//! Ends for what a peer could draw out: deadlines, and closing.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use crate::io::read;

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

impl<T: Timeouts + ?Sized> Timeouts for &T {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        (**self).set_read_timeout(timeout)
    }
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        (**self).set_write_timeout(timeout)
    }
}

impl<T: Timeouts + ?Sized> Timeouts for Box<T> {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        (**self).set_read_timeout(timeout)
    }
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        (**self).set_write_timeout(timeout)
    }
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
        Self::until(stream, Deadline::after(Some(timeout)))
    }

    /// The stream with this deadline.
    pub const fn until(stream: &'s mut S, deadline: Deadline) -> Self {
        Self { stream, deadline }
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
