//! A connection: what it is, and what is done when its stream is ready.

mod calls;
mod lingering;

use std::{io, mem, time::Duration};

use mio::net::TcpStream;
use wscore::CloseCode;
use wsutil::{CloseStatus, MessageError, Step, Timeout};

pub(crate) use lingering::{Lingering, Rest};

use crate::{
    ClientId, Config, End, Handler, ServerHandle,
    bucket::Bucket,
    handshake::Opening,
    io::read,
    metrics::Metrics,
    wheel::Tick,
    work::{Agreed, Work},
};

/// How many times one connection is read from, and how many of its messages are handed out, before
/// others have their turn.
const READS: usize = 4;
const MESSAGES: usize = 16;

/// What a client is told that does not take what is sent, that sends too much, and whose message is
/// too much for all together.
pub(crate) const SLOW: (CloseCode, &str) = (CloseCode::POLICY_VIOLATION, "slow consumer");
pub(crate) const TOO_FAST: (CloseCode, &str) =
    (CloseCode::POLICY_VIOLATION, "too many messages in a second");
pub(crate) const TOO_MUCH: (CloseCode, &str) = (CloseCode::TRY_AGAIN_LATER, "too much to hold");

/// How long a client that was given up has to take its close frame.
const GIVEN_UP_TIME: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Entry<S> {
    pub(crate) stream: TcpStream,
    pub(crate) generation: u32,
    /// It is going to be served again in the next turn.
    pub(crate) is_again: bool,
    /// What others sent to it is going to be written.
    pub(crate) is_sent_to: bool,
    /// When its deadline is looked at.
    pub(crate) filed: Tick,
    pub(crate) stage: Stage<S>,
}

#[derive(Debug)]
pub(crate) enum Stage<S> {
    Handshake {
        /// What has come of the request.
        opening: Option<Box<Opening>>,
        until: Tick,
    },
    Open(Open<S>),
    /// All is said but for the rest of an answer.
    Lingering(Box<Lingering>),
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Open<S> {
    pub(crate) session: S,
    pub(crate) agreed: Option<Agreed>,
    /// When something came from it, or when it was pinged.
    pub(crate) heard: Tick,
    pub(crate) is_pinged: bool,
    /// What it may send now, if that is limited.
    pub(crate) bucket: Option<Box<Bucket>>,
    /// What decodes and encodes, while there is something in work, or if messages take over.
    pub(crate) work: Option<Box<Work>>,
}

/// What becomes of a connection.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It waits for its stream.
    Wait,
    /// There may be more to read, when others had their turn.
    Again,
    /// It has ended, and is told so.
    Ended(End),
    /// It has ended, and its stream is of no use.
    Lost(End),
}

/// What a connection is served with.
pub(crate) struct Context<'a, H> {
    pub(crate) handler: &'a H,
    pub(crate) config: &'a Config,
    pub(crate) handle: &'a ServerHandle,
    pub(crate) metrics: &'a Metrics,
    pub(crate) id: ClientId,
    pub(crate) now: Tick,
}

impl Work {
    /// Ends the connection like this, once all that waits is written.
    fn end(&mut self, stream: &mut TcpStream, end: End, now: Tick) -> io::Result<Turn> {
        self.ending.get_or_insert(end);
        if !self.write(stream, now)? {
            return Ok(Turn::Wait);
        }
        Ok(self.ending.take().map_or(Turn::Wait, Turn::Ended))
    }
}

impl<S> Entry<S> {
    /// When something has to have happened.
    pub(crate) fn due(&self, config: &Config) -> Tick {
        match &self.stage {
            Stage::Handshake { until, .. } => *until,
            Stage::Lingering(lingering) => lingering.until,
            Stage::Open(open) => open.due(open.work.as_deref(), config).0,
        }
    }
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Ping,
    End(Timeout),
}

impl<S> Open<S> {
    /// What is due first, and when.
    fn due(&self, work: Option<&Work>, config: &Config) -> (Tick, Due) {
        let silence = match self.is_pinged {
            true => (self.heard.after(config.pong_timeout), Due::End(Timeout::Pong)),
            false => (self.heard.after(config.ping_after), Due::Ping),
        };
        let Some(work) = work else { return silence };
        if let Some(given_up) = work.given_up {
            return (given_up.after(GIVEN_UP_TIME), Due::End(Timeout::Close));
        }
        // While it does not take what is sent, it is not read from: it is not silent, and its message
        // may have come.
        let silence = if work.blocked.is_some() { (Tick::NEVER, silence.1) } else { silence };
        let began = work.began.filter(|_| work.blocked.is_none());
        let of = |since: Option<Tick>, limit, timeout| {
            (since.map_or(Tick::NEVER, |since| since.after(limit)), Due::End(timeout))
        };
        [
            of(work.closing, config.close_timeout, Timeout::Close),
            of(work.blocked, config.write_timeout, Timeout::Write),
            of(began, config.message_timeout, Timeout::Message),
        ]
        .into_iter()
        .fold(silence, |first, other| if other.0 < first.0 { other } else { first })
    }

    /// Does what is due.
    pub(crate) fn expire<H: Handler<Session = S>>(
        &mut self,
        context: &Context<'_, H>,
        stream: &mut TcpStream,
        work: &mut Work,
    ) -> Turn {
        self.look(context, stream, work, false)
    }

    fn look<H: Handler<Session = S>>(
        &mut self,
        context: &Context<'_, H>,
        stream: &mut TcpStream,
        work: &mut Work,
        is_second_look: bool,
    ) -> Turn {
        match self.due(Some(work), context.config) {
            (at, _) if at > context.now => Turn::Wait,
            (_, Due::Ping) => {
                (self.heard, self.is_pinged) = (context.now, true);
                context.metrics.pings.add(1);
                // It is closing, or takes too little: other deadlines are for that.
                let _ = work.endpoint.sending().ping(&[]);
                self.flush(context, stream, work)
            }
            (_, Due::End(Timeout::Pong | Timeout::Message)) if !is_second_look => {
                // It may have come, if this thread was late.
                match self.serve(context, stream, work, false) {
                    Turn::Wait => self.look(context, stream, work, true),
                    turn => turn,
                }
            }
            (_, Due::End(Timeout::Message)) => {
                work.endpoint.fail(MessageError::TooSlow);
                work.ending = Some(End::TimedOut(Timeout::Message));
                self.serve(context, stream, work, false)
            }
            (_, Due::End(Timeout::Write)) => {
                // The stream tells only when it has much room again: it may have taken some.
                let before = work.blocked;
                match self.serve(context, stream, work, false) {
                    Turn::Wait if work.blocked.is_some() && work.blocked == before => {
                        work.give_up(SLOW, End::TimedOut(Timeout::Write), context.now);
                        self.flush(context, stream, work)
                    }
                    turn => turn,
                }
            }
            (_, Due::End(timeout)) => {
                Turn::Lost(work.ending.take().unwrap_or(End::TimedOut(timeout)))
            }
        }
    }

    /// Writes what waits.
    pub(crate) fn flush<H: Handler<Session = S>>(
        &mut self,
        context: &Context<'_, H>,
        stream: &mut TcpStream,
        work: &mut Work,
    ) -> Turn {
        let was_blocked = work.blocked.is_some();
        let turn = self.written(context, stream, work).map(|turn| turn.unwrap_or(Turn::Wait));
        match self.after(context, work, was_blocked, turn) {
            // It was not read from meanwhile.
            Turn::Wait if was_blocked && work.blocked.is_none() => Turn::Again,
            turn => turn,
        }
    }

    /// Does what can be done now.
    pub(crate) fn serve<H: Handler<Session = S>>(
        &mut self,
        context: &Context<'_, H>,
        stream: &mut TcpStream,
        work: &mut Work,
        is_read_closed: bool,
    ) -> Turn {
        let was_blocked = work.blocked.is_some();
        let turn = self.steps(context, stream, work, is_read_closed);
        self.after(context, work, was_blocked, turn)
    }

    fn after<H: Handler<Session = S>>(
        &mut self,
        context: &Context<'_, H>,
        work: &mut Work,
        was_blocked: bool,
        turn: io::Result<Turn>,
    ) -> Turn {
        if was_blocked {
            (self.heard, self.is_pinged) = (context.now, false);
        }
        work.note(context.now);
        turn.unwrap_or_else(|_| Turn::Lost(work.ending.take().unwrap_or(End::Disconnected)))
    }

    /// Writes what waits, and tells the handler if the client takes it again: what becomes of the
    /// connection, if nothing more is to be done for now.
    #[inline]
    fn written<H: Handler<Session = S>>(
        &mut self,
        context: &Context<'_, H>,
        stream: &mut TcpStream,
        work: &mut Work,
    ) -> io::Result<Option<Turn>> {
        if work.is_quiet() && work.given_up.is_none() {
            return Ok(None);
        }
        let was_blocked = work.blocked.is_some();
        let is_written = work.write(stream, context.now)?;
        if work.given_up.is_some() {
            return Ok(Some(given_up(work, is_written)));
        }
        if !is_written {
            return Ok(Some(Turn::Wait));
        }
        if was_blocked && !work.endpoint.is_closing() {
            let dropped = mem::take(&mut work.queue.dropped);
            self.call(context, stream, work, |client| context.handler.on_drain(client, dropped));
            let is_written = work.write(stream, context.now)?;
            if work.given_up.is_some() {
                return Ok(Some(given_up(work, is_written)));
            }
            if !is_written {
                return Ok(Some(Turn::Wait));
            }
        }
        Ok(None)
    }

    fn steps<H: Handler<Session = S>>(
        &mut self,
        context: &Context<'_, H>,
        stream: &mut TcpStream,
        work: &mut Work,
        is_read_closed: bool,
    ) -> io::Result<Turn> {
        // Nothing more is read from a client that takes nothing.
        if let Some(turn) = self.written(context, stream, work)? {
            return Ok(turn);
        }
        let mut is_drained = false;
        let (mut reads, mut steps) = (0, 0);
        loop {
            let step = work.endpoint.step();
            if work.heard.is_some() {
                self.control(context, stream, work);
                if work.given_up.is_some() {
                    return Ok(self.written(context, stream, work)?.unwrap_or(Turn::Wait));
                }
            }
            match step {
                Ok(Step::Message) => {
                    work.began = None;
                    if self.is_too_fast(context, work) {
                        work.give_up(TOO_FAST, End::TooFast, context.now);
                    } else {
                        self.message(context, stream, work);
                    }
                    if work.given_up.is_some() {
                        return Ok(self.written(context, stream, work)?.unwrap_or(Turn::Wait));
                    }
                    steps += 1;
                    if steps >= MESSAGES && work.endpoint.has_unread() {
                        work.endpoint.forget_message();
                        let is_written = work.write(stream, context.now)?;
                        return Ok(if is_written { Turn::Again } else { Turn::Wait });
                    }
                }
                Ok(Step::Piece) => {}
                Ok(Step::Write) => {
                    if !work.write(stream, context.now)? {
                        return Ok(Turn::Wait);
                    }
                    steps += 1;
                    if steps >= MESSAGES {
                        return Ok(Turn::Again);
                    }
                }
                Ok(Step::Read) => {
                    if !work.write(stream, context.now)? || is_drained {
                        return Ok(Turn::Wait);
                    }
                    if reads == READS {
                        return Ok(Turn::Again);
                    }
                    reads += 1;
                    let room = work.endpoint.room();
                    let size = room.len();
                    let read = match read(stream, room)? {
                        Some(0) => {
                            let end = work.ending.take();
                            return Ok(Turn::Lost(end.unwrap_or(End::Disconnected)));
                        }
                        read => read.unwrap_or(0),
                    };
                    work.endpoint.received(read);
                    if read > 0 {
                        (self.heard, self.is_pinged) = (context.now, false);
                    }
                    // With less than there was room for, the stream is empty, and says when it is
                    // not; but of its end it has told us already.
                    is_drained = read == 0 || read < size && !is_read_closed;
                }
                Ok(Step::Closed) => {
                    let status = work.endpoint.close_status().cloned();
                    let end = End::Closed(status.unwrap_or_else(no_status));
                    return work.end(stream, end, context.now);
                }
                Err(error) => return work.end(stream, End::Peer(error), context.now),
            }
        }
    }

    /// Whether a message is one more than the client may send now.
    fn is_too_fast<H>(&mut self, context: &Context<'_, H>, work: &mut Work) -> bool {
        let (Some(bucket), Some(rate)) = (&mut self.bucket, context.config.rate) else {
            return false;
        };
        if work.ending.is_some() || work.endpoint.is_closing() {
            return false;
        }
        let len = work.endpoint.message().0.as_bytes().len();
        !bucket.take(rate, len, context.now)
    }
}

/// What becomes of a connection that is given up: it is told; what it says to that does not matter.
fn given_up(work: &mut Work, is_written: bool) -> Turn {
    work.ending.take_if(|_| is_written).map_or(Turn::Wait, Turn::Ended)
}

fn no_status() -> CloseStatus {
    CloseStatus { code: CloseCode::NO_STATUS, reason: "".into() }
}
