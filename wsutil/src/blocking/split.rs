//! A blocking connection in halves: one thread receives, any number send, one writes.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use wscore::{CloseCode, Handshake, Timeouts};

use crate::{
    CloseStatus, Connection, Error, Message, OwnedMessage, Piece, Prepared, SendError, Transport,
    drive::is_passing,
    queue::{Next, Queue},
};

impl<S: Transport> Connection<S> {
    /// Takes the connection apart: the half that receives, a sender to be cloned for any number of
    /// threads, and the half that writes what they send, for a thread of its own.
    ///
    /// `clone` makes a second handle of the stream, such as `TcpStream::try_clone`.
    ///
    /// ```no_run
    /// use std::{net::TcpStream, thread};
    ///
    /// let connection = wsutil::connect("ws://127.0.0.1:9001/")?;
    /// let (mut receiver, sender, flusher) = connection.split(TcpStream::try_clone)?;
    /// thread::spawn(move || flusher.run());
    /// let another = sender.clone();
    /// thread::spawn(move || another.send("hello"));
    /// while let Some(message) = receiver.receive()? {
    ///     println!("{message:?}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// What the senders send is one frame for each message, whatever size of fragments was set.
    ///
    /// The connection ends with the receiver: when it is dropped, what is queued is written, and the
    /// stream shut down.
    ///
    /// # Errors
    /// [`SendError::MessageOpen`] inside a message that was begun piece by piece; what `clone` fails
    /// with; and what writing fails with that waited.
    pub fn split(
        mut self,
        clone: impl FnOnce(&S) -> io::Result<S>,
    ) -> Result<(Receiver<S>, Sender, Flusher<S>), Error> {
        if self.is_sending_message() {
            return Err(SendError::MessageOpen.into());
        }
        self.flush()?;
        let stream = clone(self.get_ref())?;
        let write_within = self.write_within();
        stream.set_write_timeout(Some(write_within.map_or(LOOK, |within| within.min(LOOK))))?;
        let (role, close_timeout, is_closing) =
            (self.role(), self.close_timeout(), self.is_closing());
        let queue = Queue::new(role, self.take_deflater(), close_timeout, is_closing);
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            work: Condvar::new(),
            room: Condvar::new(),
        });
        let sender = Sender { shared: shared.clone() };
        let half = |stream| Half { stream, sender: sender.clone() };
        let connection = self.map_stream(half);
        let receiver = Receiver { connection, sender: sender.clone() };
        Ok((receiver, sender, Flusher { stream, shared, write_within, closing: None }))
    }
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Something is queued, or nothing will be.
    work: Condvar,
    /// Something is written.
    room: Condvar,
}

impl Shared {
    /// A thread that panicked left the queue whole: each change of it is one call.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends messages from any thread; cheap to clone. What it is given leaves in the order in which
/// it was given; pongs and close frames pass it.
#[derive(Clone, Debug)]
pub struct Sender {
    shared: Arc<Shared>,
}

impl Sender {
    /// Queues a message; waits while 1 MiB is queued already.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        self.wait_for_room(|queue| queue.push(message))
    }

    /// Queues a message that was encoded before; waits while 1 MiB is queued already.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    pub fn send_prepared(&self, message: &Prepared) -> Result<(), SendError> {
        self.wait_for_room(|queue| queue.push_prepared(message))
    }

    /// As [`send`](Self::send), and the message is not compressed: for what is secret and stands
    /// beside what others have a say in (RFC 7692 §8).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    #[cfg(feature = "deflate")]
    pub fn send_uncompressed<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        self.wait_for_room(|queue| queue.push_uncompressed(message))
    }

    /// Queues something as soon as there is room for it.
    fn wait_for_room(
        &self,
        push: impl Fn(&mut Queue) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let mut queue = self.shared.lock();
        loop {
            match push(&mut queue) {
                Err(SendError::Full { .. }) => {
                    let waited = self.shared.room.wait(queue);
                    queue = waited.unwrap_or_else(PoisonError::into_inner);
                }
                result => {
                    drop(queue);
                    self.shared.work.notify_one();
                    return result;
                }
            }
        }
    }

    /// Queues a message, if there is room.
    ///
    /// # Errors
    /// [`SendError::Closed`] or [`SendError::Full`].
    pub fn try_send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.with_queue(|queue| queue.push(message.into()))
    }

    /// Queues a message that was encoded before, if there is room.
    ///
    /// # Errors
    /// [`SendError::Closed`] or [`SendError::Full`].
    pub fn try_send_prepared(&self, message: &Prepared) -> Result<(), SendError> {
        self.with_queue(|queue| queue.push_prepared(message))
    }

    /// Queues a ping.
    ///
    /// # Errors
    /// [`SendError::Closed`], [`SendError::Full`], or [`SendError::ControlTooLong`] if the payload
    /// has more than 125 bytes.
    pub fn ping(&self, payload: &[u8]) -> Result<(), SendError> {
        self.with_queue(|queue| queue.push_ping(payload))
    }

    /// Queues a close frame behind all that is queued, and takes no more. The receiving half
    /// yields what still comes, and ends when the peer has answered.
    ///
    /// # Errors
    /// [`SendError::InvalidClose`] if the code or the reason cannot be sent.
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.with_queue(|queue| queue.push_close(code, reason))
    }

    /// How many bytes wait to be written.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.shared.lock().pending()
    }

    /// Whether nothing can be sent any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.lock().is_closed()
    }

    /// Takes messages until this many bytes are queued, for all senders of the connection: 1 MiB
    /// by default.
    pub fn set_limit(&self, limit: usize) {
        self.shared.lock().set_limit(limit);
    }

    fn with_queue<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = self.shared.lock();
        let result = change(&mut queue);
        let is_closed = queue.is_closed();
        drop(queue);
        self.shared.work.notify_one();
        if is_closed {
            // Whoever waits for room waits in vain.
            self.shared.room.notify_all();
        }
        result
    }
}

/// The half of a connection that receives. It answers pings and close frames, through the queue.
#[derive(Debug)]
pub struct Receiver<S> {
    connection: Connection<Half<S>>,
    sender: Sender,
}

impl<S> Drop for Receiver<S> {
    fn drop(&mut self) {
        self.sender.with_queue(Queue::finish);
    }
}

impl<S: Transport> Receiver<S> {
    /// Waits for the next message; `None` once the closing handshake is done.
    ///
    /// # Errors
    /// As [`Connection::receive`].
    pub fn receive(&mut self) -> Result<Option<Message<'_>>, Error> {
        match self.connection.receive() {
            Ok(received) => Ok(received.map(|(message, _)| message)),
            Err(error) => {
                self.sender.with_queue(|queue| queue.receiver_failed(&error));
                Err(error)
            }
        }
    }

    /// As [`receive`](Self::receive), with messages in pieces, as they come.
    ///
    /// # Errors
    /// As [`Connection::receive`].
    pub fn receive_piece(&mut self) -> Result<Option<Piece<&[u8]>>, Error> {
        match self.connection.receive_piece() {
            Ok(received) => Ok(received.map(|(piece, _)| piece)),
            Err(error) => {
                self.sender.with_queue(|queue| queue.receiver_failed(&error));
                Err(error)
            }
        }
    }

    /// Waits for the next message, to keep; `None` once the closing handshake is done.
    ///
    /// # Errors
    /// As [`Connection::receive`].
    pub fn receive_owned(&mut self) -> Result<Option<OwnedMessage>, Error> {
        Ok(self.receive()?.map(|message| message.to_owned()))
    }

    /// What was agreed on.
    pub const fn handshake(&self) -> &Handshake {
        self.connection.handshake()
    }

    /// The stream, such as for its addresses.
    pub const fn get_ref(&self) -> &S {
        &self.connection.get_ref().stream
    }

    /// What the peer's close frame said, once it has come.
    #[must_use]
    pub const fn close_status(&self) -> Option<&CloseStatus> {
        self.connection.close_status()
    }

    /// The time from the last ping of the heartbeat to its pong.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.connection.round_trip()
    }
}

/// The half of a connection that writes what is queued.
#[derive(Debug)]
pub struct Flusher<S> {
    stream: S,
    shared: Arc<Shared>,
    /// How long the peer may take nothing.
    write_within: Option<Duration>,
    /// When the connection was first seen to be closing.
    closing: Option<Instant>,
}

/// How often a flusher that cannot write looks whether it is still to.
const LOOK: Duration = Duration::from_millis(100);

impl<S: Transport> Flusher<S> {
    /// Writes what is queued until the connection has ended.
    ///
    /// # Errors
    /// What the stream fails with; the senders then get [`SendError::Closed`].
    pub fn run(mut self) -> io::Result<()> {
        let written = self.write();
        match &written {
            Ok(()) => self.shared.lock().end(),
            Err(_) => {
                self.shared.lock().fail();
                // A receiver that waits on the same stream learns of it.
                let _ = self.stream.shutdown(Shutdown::Both);
            }
        }
        written
    }

    fn write(&mut self) -> io::Result<()> {
        loop {
            match self.next()? {
                Next::Write(chunk) => {
                    self.write_in_time(chunk.bytes())?;
                    self.shared.lock().written(chunk);
                    self.shared.room.notify_all();
                }
                _ => {
                    if self.shared.lock().has_failed() {
                        return Err(io::ErrorKind::ConnectionAborted.into());
                    }
                    self.stream.flush()?;
                    return self.stream.shutdown(Shutdown::Write);
                }
            }
        }
    }

    /// Writes all of this, unless the peer takes nothing for too long or the connection fails.
    fn write_in_time(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut stalled = Instant::now();
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = &bytes[written..];
                    stalled = Instant::now();
                }
                Err(error) if !is_passing(&error) => return Err(error),
                Err(_) => {}
            }
            let queue = self.shared.lock();
            if queue.has_failed() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            // A peer that is to close has no longer than that.
            let closes_late = queue.is_closing()
                && self.closing.get_or_insert_with(Instant::now).elapsed() >= queue.close_timeout;
            if closes_late || self.write_within.is_some_and(|within| stalled.elapsed() >= within) {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }

    /// Waits for something to write, or for the end.
    fn next(&mut self) -> io::Result<Next> {
        let mut queue = self.shared.lock();
        loop {
            let next = queue.next();
            let left = match next {
                Next::Write(_) | Next::End => return Ok(next),
                Next::Wait => None,
                Next::WaitForClose(timeout) => {
                    let closing = self.closing.get_or_insert_with(Instant::now);
                    let left = timeout.saturating_sub(closing.elapsed());
                    if left.is_zero() {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    Some(left)
                }
            };
            queue = match left {
                None => self.shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.shared.work.wait_timeout(queue, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl<S> Drop for Flusher<S> {
    /// Nothing is written without it.
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        if !queue.has_ended() {
            queue.fail();
        }
        drop(queue);
        self.shared.room.notify_all();
    }
}

/// What the receiving half has for a stream: it reads, and what it writes is queued.
#[derive(Debug)]
struct Half<S> {
    stream: S,
    sender: Sender,
}

impl<S: Read> Read for Half<S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.stream.read(room)
    }
}

impl<S> Write for Half<S> {
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        if self.sender.with_queue(|queue| queue.push_replies(frames)) {
            Ok(frames.len())
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Timeouts> Timeouts for Half<S> {
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout)
    }
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_write_timeout(timeout)
    }
}

impl<S: Transport> Transport for Half<S> {
    /// The flusher shuts the stream down once everything is written.
    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        self.sender.with_queue(Queue::finish);
        Ok(())
    }
}
