//! What a connection under tokio does whenever it is polled: works, reads, writes, and ends.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};
use wscore::CloseCode;

use super::{
    Connection,
    io::{poll_flush, poll_linger},
    tasks::Side,
};
use crate::{
    Endpoint, Error, MessageError, Step, Timeout,
    blocking::transport::{LINGER_BYTES, linger_time},
};

/// What the times of deadlines are since, and what wakes us for the next.
#[derive(Debug)]
pub(super) struct Clock {
    pub(super) origin: Instant,
    pub(super) alarm: Pin<Box<Sleep>>,
}

/// The last bytes on their way.
#[derive(Debug)]
pub(super) struct Ending {
    result: Result<(), Error>,
    deadline: Pin<Box<Sleep>>,
    /// Nothing more is written.
    is_shut: bool,
    /// Bytes that may still be read and thrown away.
    left: usize,
}

/// Reads without a message between them before other tasks have their turn.
const READS_PER_TURN: u32 = 64;

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// The closing handshake, begun by us.
    pub(super) fn poll_close_with(
        &mut self,
        side: Side,
        code: CloseCode,
        reason: &str,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if !self.endpoint.is_closing() {
            self.endpoint.sending().close(code, reason)?;
        }
        // A read can be decompressed to a thousand times as much.
        for _ in 0..READS_PER_TURN {
            if !ready!(self.poll_fill(side, cx, Endpoint::step_piece))? {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Works until the endpoint has something to hand out, for one of two tasks: whether it has.
    pub(super) fn poll_fill(
        &mut self,
        side: Side,
        cx: &mut Context<'_>,
        step: impl Fn(&mut Endpoint) -> Result<Step, MessageError>,
    ) -> Poll<Result<bool, Error>> {
        let filled = match self.tasks.both(side, cx.waker()) {
            None => self.poll_work(cx, step),
            Some(both) => self.poll_work(&mut Context::from_waker(&both), step),
        };
        self.tasks.note(side, cx.waker(), filled.is_pending());
        filled
    }

    /// Works until the endpoint has something to hand out: whether it has.
    fn poll_work(
        &mut self,
        cx: &mut Context<'_>,
        step: impl Fn(&mut Endpoint) -> Result<Step, MessageError>,
    ) -> Poll<Result<bool, Error>> {
        match &self.end {
            None => {}
            Some(Ok(())) => return Poll::Ready(Ok(false)),
            Some(Err(error)) => return Poll::Ready(Err(error.again())),
        }
        let mut reads = 0;
        loop {
            if self.ending.is_some() {
                return self.poll_end(cx);
            }
            if reads == READS_PER_TURN {
                // A peer that always has more does not keep other tasks waiting.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match step(&mut self.endpoint) {
                Ok(Step::Message | Step::Piece) => return Poll::Ready(Ok(true)),
                Ok(Step::Write) => self.write_if_possible(cx)?,
                Ok(Step::Read) => {
                    self.check_closing(cx)?;
                    if !self.is_due(cx)? {
                        reads += 1;
                        self.write_if_possible(cx)?;
                        ready!(self.poll_read(cx))?;
                    }
                }
                Ok(Step::Closed) => self.begin_end(Ok(())),
                Err(error) => self.begin_end(Err(Error::Peer(error))),
            }
        }
    }

    /// Sees to it that the peer answers our close frame in time.
    fn check_closing(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if !self.endpoint.is_closing() || self.endpoint.close_status().is_some() {
            return Ok(());
        }
        let timeout = self.close_timeout;
        let closing = self.closing.get_or_insert_with(|| Box::pin(sleep(timeout)));
        // A timer is not always told of its time to a task that never waits.
        if closing.deadline() <= Instant::now() || closing.as_mut().poll(cx).is_ready() {
            return Err(self.fail(Error::TimedOut(Timeout::Close)));
        }
        Ok(())
    }

    /// Does what is due: whether the endpoint has to be asked again for it. Else the task is woken
    /// for the next deadline.
    fn is_due(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        let Some(Clock { origin, alarm }) = &mut self.clock else { return Ok(false) };
        let next = match self.endpoint.tick(origin.elapsed()) {
            Ok(next) => next,
            // What it has done wrong is said by the next step.
            Err(Timeout::Message) => return Ok(true),
            Err(timeout) => return Err(self.fail(Error::TimedOut(timeout))),
        };
        // A time too far off to be told is never.
        let Some(next) = next.and_then(|next| origin.checked_add(next)) else {
            return Ok(false);
        };
        // An alarm that rings too early does, and spares a change of the timer.
        if alarm.is_elapsed() || alarm.deadline() > next {
            alarm.as_mut().reset(next);
        }
        if alarm.as_mut().poll(cx).is_ready() {
            // Read first: what is due may be here already.
            cx.waker().wake_by_ref();
        }
        Ok(false)
    }

    /// Writes what waits; a stream that takes nothing now does not keep us from reading.
    fn write_if_possible(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        match self.reply().poll_flush(cx) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut room = ReadBuf::new(self.endpoint.room());
        match Pin::new(&mut self.stream).poll_read(cx, &mut room) {
            Poll::Ready(Ok(())) => {
                let read = room.filled().len();
                if read == 0 {
                    let inside_message = self.endpoint.is_inside_message();
                    return Poll::Ready(Err(self.fail(Error::Disconnected { inside_message })));
                }
                self.endpoint.received(read);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fail(Error::Io(error)))),
            Poll::Pending => {
                self.endpoint.park();
                Poll::Pending
            }
        }
    }

    /// No more messages come: what waits is still to arrive.
    fn begin_end(&mut self, result: Result<(), Error>) {
        let deadline = Box::pin(sleep(linger_time(self.endpoint.role())));
        self.ending =
            Some(Box::new(Ending { result, deadline, is_shut: false, left: LINGER_BYTES }));
    }

    /// Writes the last, says that it was the last, and waits for the peer to go.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        let Some(ending) = &mut self.ending else {
            return Poll::Ready(Ok(false));
        };
        let mut sending = self.endpoint.sending();
        let flushed =
            poll_flush(&mut self.stream, &mut sending, &mut self.held, &mut self.patience, cx);
        let lingered = match flushed {
            Poll::Ready(Ok(())) => {
                poll_linger(&mut self.stream, &mut ending.is_shut, &mut ending.left, cx)
            }
            flushed => flushed,
        };
        // The peer may be gone already, which changes nothing.
        if lingered.is_pending() && ending.deadline.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let ended = self.ending.take().map_or(Ok(()), |ending| ending.result);
        self.endpoint.park();
        self.end = Some(match &ended {
            Ok(()) => Ok(()),
            Err(error) => Err(error.again()),
        });
        Poll::Ready(ended.map(|()| false))
    }

    /// Ends the connection with this error.
    fn fail(&mut self, error: Error) -> Error {
        self.end = Some(Err(error.again()));
        self.endpoint.park();
        error
    }
}
