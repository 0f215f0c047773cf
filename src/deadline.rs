//! Ends for what a peer could draw out: deadlines, and closing.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::io::read;

/// A point in time by which something must be done, or never.
#[derive(Clone, Debug)]
pub struct Deadline {
    at: Option<Instant>,
    /// Set once it is done in time: then the streams under the deadline are free.
    lifted: Option<Arc<AtomicBool>>,
}

impl Deadline {
    /// The deadline this long from now; never if `None`, or if it is too far off to be told.
    #[must_use]
    pub fn after(timeout: Option<Duration>) -> Self {
        let at = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Self { at, lifted: None }
    }

    /// The same deadline, which can be lifted from all streams that have it.
    pub(crate) fn liftable(self) -> Self {
        Self { lifted: Some(Arc::default()), ..self }
    }

    /// Frees the streams that have this deadline.
    pub(crate) fn lift(&self) {
        if let Some(lifted) = &self.lifted {
            lifted.store(true, Ordering::Relaxed);
        }
    }

    fn is_lifted(&self) -> bool {
        self.lifted.as_ref().is_some_and(|lifted| lifted.load(Ordering::Relaxed))
    }

    /// How much time is left; `None` is for ever.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] if none is.
    pub fn left(&self) -> io::Result<Option<Duration>> {
        let Some(at) = self.at else {
            return Ok(None);
        };
        match at.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(Some(left)),
        }
    }

    /// The time for the next of several attempts: they share what is left, so that one that hangs
    /// does not use it up.
    pub(crate) fn share(&self, attempts: usize) -> io::Result<Option<Duration>> {
        let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
        // A share of nothing would be refused as a timeout.
        let share = |left: Duration| (left / attempts.max(1)).max(Duration::from_millis(1));
        Ok(self.left()?.map(share))
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

impl<T: Timeouts + ?Sized> Timeouts for &mut T {
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
/// trickle; under TLS it belongs below it. Afterwards its own timeouts are off.
#[derive(Debug)]
pub struct DeadlineStream<S: Timeouts> {
    stream: S,
    deadline: Deadline,
    /// The stream's timeouts are ours.
    armed: bool,
}

impl<S: Timeouts> DeadlineStream<S> {
    /// The stream, or a `&mut` to it, with a deadline this long from now.
    pub fn new(stream: S, timeout: Duration) -> Self {
        Self::until(stream, &Deadline::after(Some(timeout)))
    }

    /// The stream, or a `&mut` to it, with this deadline.
    pub fn until(stream: S, deadline: &Deadline) -> Self {
        Self { stream, deadline: deadline.clone(), armed: true }
    }

    /// The stream itself.
    pub const fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Whether the deadline still holds; if it was lifted, the stream's timeouts go off.
    fn is_armed(&mut self) -> bool {
        if self.deadline.is_lifted() {
            self.disarm();
        }
        self.armed
    }

    fn disarm(&mut self) {
        if std::mem::replace(&mut self.armed, false) {
            // A stream on which this fails is broken, as its next read will say.
            let _ = self.stream.set_read_timeout(None);
            let _ = self.stream.set_write_timeout(None);
        }
    }

    /// Unix says of a socket whose time is up that it would block.
    fn timed_out(&self, error: io::Error) -> io::Error {
        /// The clock of the socket and ours may differ by this much.
        const PRECISION: Duration = Duration::from_millis(10);
        let is_over = match self.deadline.left() {
            Ok(left) => left.is_some_and(|left| left < PRECISION),
            Err(_) => true,
        };
        match error.kind() {
            io::ErrorKind::WouldBlock if self.armed && is_over => io::ErrorKind::TimedOut.into(),
            _ => error,
        }
    }
}

impl<S: Read + Timeouts> Read for DeadlineStream<S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.is_armed() {
            self.stream.set_read_timeout(self.deadline.left()?)?;
        }
        self.stream.read(room).map_err(|error| self.timed_out(error))
    }
}

impl<S: Write + Timeouts> Write for DeadlineStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_armed() {
            self.stream.set_write_timeout(self.deadline.left()?)?;
        }
        self.stream.write(bytes).map_err(|error| self.timed_out(error))
    }
    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush().map_err(|error| self.timed_out(error))
    }
}

impl<S: Timeouts> Drop for DeadlineStream<S> {
    fn drop(&mut self) {
        self.disarm();
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
