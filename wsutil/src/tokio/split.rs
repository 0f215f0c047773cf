//! The connection in halves: one task receives, any number send, one writes.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use ::tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    sync::Notify,
    time::{Instant, sleep_until},
};
use wscore::{CloseCode, Handshake};

use super::Connection;
use crate::{
    CloseStatus, Error, Message, OwnedMessage, Piece, Prepared, SendError,
    queue::{Next, Queue},
};

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Takes the connection apart: the half that receives, a sender to be cloned for any number of
    /// tasks, and the half that writes what they send, for a task of its own.
    ///
    /// `split` takes the stream apart, such as `TcpStream::into_split` or `tokio::io::split`.
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use tokio::net::TcpStream;
    ///
    /// let connection = wsutil::tokio::connect("ws://127.0.0.1:9001/").await?;
    /// let (mut receiver, sender, flusher) = connection.split(TcpStream::into_split).await?;
    /// tokio::spawn(flusher.run());
    /// let another = sender.clone();
    /// tokio::spawn(async move { another.send("hello").await });
    /// while let Some(message) = receiver.receive().await? {
    ///     println!("{message:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// What the senders send is one frame for each message, whatever size of fragments was set.
    ///
    /// The connection ends with the receiver: when it is dropped, what is queued is written, and the
    /// stream shut down.
    ///
    /// # Errors
    /// [`SendError::MessageOpen`] inside a message that was begun piece by piece, and what writing
    /// fails with that waited.
    ///
    /// # Cancel safety
    /// Not cancel-safe: the connection is dropped.
    pub async fn split<R, W>(
        mut self,
        split: impl FnOnce(S) -> (R, W),
    ) -> Result<(Receiver<R>, Sender, Flusher<W>), Error> {
        if self.is_sending_message() {
            return Err(SendError::MessageOpen.into());
        }
        self.flush().await?;
        let write_within = self.write_within();
        let (role, close_timeout, is_closing) =
            (self.role(), self.close_timeout(), self.is_closing());
        let queue = Queue::new(role, self.take_deflater(), close_timeout, is_closing);
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            work: Notify::new(),
            room: Notify::new(),
            receiver: Mutex::new(None),
        });
        let sender = Sender { shared: shared.clone() };
        let mut writer = None;
        let connection = self.map_stream(|stream| {
            let (reader, half) = split(stream);
            writer = Some(half);
            Half { stream: reader, sender: sender.clone() }
        });
        let receiver = Receiver { connection, sender: sender.clone() };
        Ok((receiver, sender, Flusher { stream: writer, shared, write_within, closing: None }))
    }
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Something is queued, or nothing will be.
    work: Notify,
    /// Something is written.
    room: Notify,
    /// Wakes the receiving half, which waits for room for its replies, or for the end.
    receiver: Mutex<Option<Waker>>,
}

impl Shared {
    /// A task that panicked left the queue whole: each change of it is one call.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made_room(&self) {
        self.room.notify_waiters();
        let waker = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wake_receiver(&self, cx: &Context<'_>) {
        let mut waker = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }
}

/// Sends messages from any task; cheap to clone. What it is given leaves in the order in which it
/// was given; pongs and close frames pass it.
#[derive(Clone, Debug)]
pub struct Sender {
    shared: Arc<Shared>,
}

impl Sender {
    /// Queues a message; waits while 1 MiB is queued already.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    ///
    /// # Cancel safety
    /// Cancel-safe: the message is queued whole, or not at all.
    pub async fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        self.wait_for_room(|queue| queue.push(message)).await
    }

    /// Queues a message that was encoded before; waits while 1 MiB is queued already.
    ///
    /// # Errors
    /// [`SendError::Closed`].
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_prepared(&self, message: &Prepared) -> Result<(), SendError> {
        self.wait_for_room(|queue| queue.push_prepared(message)).await
    }

    /// As [`send`](Self::send), and the message is not compressed: for what is secret and stands
    /// beside what others have a say in (RFC 7692 §8).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    #[cfg(feature = "deflate")]
    pub async fn send_uncompressed<'m>(
        &self,
        message: impl Into<Message<'m>>,
    ) -> Result<(), SendError> {
        let message = message.into();
        self.wait_for_room(|queue| queue.push_uncompressed(message)).await
    }

    /// Queues something as soon as there is room for it.
    async fn wait_for_room(
        &self,
        push: impl Fn(&mut Queue) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        loop {
            // Listens before it looks, so that no room is missed.
            let room = self.shared.room.notified();
            match self.with_queue(&push) {
                Err(SendError::Full { .. }) => room.await,
                result => return result,
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
            self.shared.room.notify_waiters();
        }
        result
    }
}

/// The half of a connection that receives. It answers pings and close frames, through the queue.
#[derive(Debug)]
pub struct Receiver<R> {
    connection: Connection<Half<R>>,
    sender: Sender,
}

impl<R> Drop for Receiver<R> {
    fn drop(&mut self) {
        self.sender.with_queue(Queue::finish);
    }
}

impl<R: AsyncRead + Unpin> Receiver<R> {
    /// Waits for the next message; `None` once the closing handshake is done.
    ///
    /// # Errors
    /// As [`Connection::receive`].
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn receive(&mut self) -> Result<Option<Message<'_>>, Error> {
        match self.connection.receive().await {
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
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn receive_piece(&mut self) -> Result<Option<Piece<&[u8]>>, Error> {
        match self.connection.receive_piece().await {
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
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn receive_owned(&mut self) -> Result<Option<OwnedMessage>, Error> {
        Ok(self.receive().await?.map(|message| message.to_owned()))
    }

    /// What was agreed on.
    pub const fn handshake(&self) -> &Handshake {
        self.connection.handshake()
    }

    /// The half of the stream that is read, such as for its addresses.
    pub const fn get_ref(&self) -> &R {
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
pub struct Flusher<W> {
    /// Always there.
    stream: Option<W>,
    shared: Arc<Shared>,
    /// How long the peer may take nothing.
    write_within: Option<Duration>,
    /// When the connection was first seen to be closing.
    closing: Option<Instant>,
}

impl<W: AsyncWrite + Unpin> Flusher<W> {
    /// Writes what is queued until the connection has ended.
    ///
    /// # Errors
    /// What the stream fails with; the senders then get [`SendError::Closed`].
    ///
    /// # Cancel safety
    /// Not cancel-safe: what is queued is lost, and a part of a frame may be written.
    pub async fn run(mut self) -> io::Result<()> {
        let Some(mut stream) = self.stream.take() else { return Ok(()) };
        loop {
            let next = self.shared.lock().next();
            match next {
                Next::Write(chunk) => {
                    self.write(&mut stream, chunk.bytes()).await?;
                    self.shared.lock().written(chunk);
                    self.shared.made_room();
                }
                Next::Wait => self.shared.work.notified().await,
                Next::WaitForClose(timeout) => {
                    let closing = self.closing.get_or_insert_with(Instant::now);
                    let left = timeout.saturating_sub(closing.elapsed());
                    ::tokio::time::timeout(left, self.shared.work.notified()).await?;
                }
                Next::End if self.shared.lock().has_failed() => {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                Next::End => {
                    let done = self.in_time(stream.shutdown()).await;
                    self.shared.lock().end();
                    return done;
                }
            }
        }
    }

    /// Writes all of this, unless the peer takes nothing for too long or the connection fails.
    async fn write(&mut self, stream: &mut W, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.in_time(stream.write(bytes)).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[written..];
        }
        self.in_time(stream.flush()).await
    }

    /// The result of a write that is begun, if it comes before the peer's time is up.
    async fn in_time<T>(&mut self, write: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let mut write = pin!(write);
        let began = Instant::now();
        loop {
            let deadline = {
                let queue = self.shared.lock();
                if queue.has_failed() {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                // A peer that is to close has no longer than that.
                let closes = if queue.is_closing() {
                    let closing = *self.closing.get_or_insert_with(Instant::now);
                    closing.checked_add(queue.close_timeout)
                } else {
                    None
                };
                let writes = self.write_within.and_then(|within| began.checked_add(within));
                [closes, writes].into_iter().flatten().min()
            };
            let mut alarm = pin!(deadline.map(sleep_until));
            let mut work = pin!(self.shared.work.notified());
            let written = poll_fn(|cx| {
                if let Poll::Ready(written) = write.as_mut().poll(cx) {
                    return Poll::Ready(Some(written));
                }
                if let Some(alarm) = alarm.as_mut().as_pin_mut() {
                    if alarm.poll(cx).is_ready() {
                        return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
                    }
                }
                // The connection may be closing now, or be of no use any more.
                work.as_mut().poll(cx).map(|()| None)
            });
            if let Some(written) = written.await {
                return written;
            }
        }
    }
}

impl<W> Drop for Flusher<W> {
    /// Nothing is written without it.
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        if !queue.has_ended() {
            queue.fail();
        }
        drop(queue);
        self.shared.made_room();
    }
}

/// What the receiving half has for a stream: it reads, and what it writes is queued.
#[derive(Debug)]
struct Half<R> {
    stream: R,
    sender: Sender,
}

impl<R: AsyncRead + Unpin> AsyncRead for Half<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, room);
        if read.is_pending() {
            // Listens before it looks, so that the end is not missed.
            self.sender.shared.wake_receiver(cx);
            if self.sender.shared.lock().has_failed() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        }
        read
    }
}

impl<R: Unpin> AsyncWrite for Half<R> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        frames: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Listens before it looks, so that no room is missed.
        self.sender.shared.wake_receiver(cx);
        if self.sender.with_queue(|queue| queue.push_replies(frames)) {
            Poll::Ready(Ok(frames.len()))
        } else {
            Poll::Pending
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The flusher shuts the stream down once everything is written.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sender.with_queue(Queue::finish);
        Poll::Ready(Ok(()))
    }
}
