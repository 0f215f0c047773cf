//! The event loop of a thread.

mod accepting;

use std::{
    io::{self, Write},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use slab::Slab;
use wscore::CloseCode;
use wsutil::{Prepared, SendError, Sending, Timeout};

use accepting::Accepting;

use crate::{
    ClientId, Config, End, Handler,
    connection::{Context, Entry, Open, Stage, Turn, guarded_drop},
    handle::Shared,
    handshake::{Answer, Policy},
    io::{passing, read},
    mailbox::{Command, Mailbox},
    server::Report,
    wheel::{Tick, Wheel},
    work::{Spare, Work},
};

/// The token of the mailbox; those of listeners are below it, others are keys of connections.
pub(crate) const MAILBOX: Token = Token(usize::MAX);

/// Events that are taken at once.
const EVENTS: usize = 1024;

/// In a shutdown so many connections are closed at once, and others after a while.
const SHUTDOWN_BATCH: usize = 10_000;
const SHUTDOWN_PAUSE: Duration = Duration::from_secs(2);

pub(crate) struct Worker<H: Handler> {
    index: u16,
    handler: Arc<H>,
    config: Config,
    policy: Arc<Policy>,
    shared: Arc<Shared>,
    poll: Poll,
    /// The first worker accepts for all.
    listeners: Vec<TcpListener>,
    accepting: Accepting,
    clients: Slab<Entry<H::Session>>,
    /// Connections that this worker ever had.
    generation: u32,
    handshakes: usize,
    wheel: Wheel,
    now: Tick,
    spare: Spare,
    /// Connections that may have more to read.
    again: Vec<usize>,
    /// Connections that others sent to.
    sent_to: Vec<usize>,
    stopping: Option<Stopping>,
    report: Report,
}

#[derive(Debug)]
struct Stopping {
    /// `None` for as long as it takes.
    until: Option<Instant>,
    /// When the next ones are closed, and from which key on.
    next: Instant,
    from: usize,
}

impl<H: Handler> Worker<H> {
    pub(crate) fn new(
        index: u16,
        poll: Poll,
        handler: Arc<H>,
        config: Config,
        policy: Arc<Policy>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            index,
            handler,
            config,
            policy,
            shared,
            poll,
            listeners: vec![],
            accepting: Accepting::default(),
            clients: Slab::new(),
            generation: 0,
            handshakes: 0,
            wheel: Wheel::new(Instant::now()),
            now: Tick(0),
            spare: Spare::default(),
            again: vec![],
            sent_to: vec![],
            stopping: None,
            report: Report::default(),
        }
    }

    pub(crate) fn listen(&mut self, listeners: Vec<TcpListener>) -> io::Result<()> {
        self.listeners = listeners;
        for (number, listener) in self.listeners.iter_mut().enumerate() {
            let token = Token(MAILBOX.0 - 1 - number);
            self.poll.registry().register(listener, token, Interest::READABLE)?;
        }
        Ok(())
    }

    /// Serves until it is shut down.
    pub(crate) fn run(mut self) -> io::Result<Report> {
        let mut events = Events::with_capacity(EVENTS);
        let mut keys = vec![];
        let mut commands = vec![];
        let served = loop {
            if let Err(error) = self.wait(&mut events) {
                break Err(error);
            }
            self.now = self.wheel.tick_of(Instant::now());
            for event in &events {
                match event.token() {
                    MAILBOX => {}
                    Token(key) if key < MAILBOX.0 - self.listeners.len() => {
                        self.serve(key, event.is_read_closed());
                    }
                    _ => self.accepting.look_at(Instant::now()),
                }
            }
            self.accept();
            std::mem::swap(&mut self.again, &mut keys);
            // Its end may have been told before.
            for key in keys.drain(..) {
                if let Some(entry) = self.clients.get_mut(key) {
                    entry.is_again = false;
                    self.serve(key, true);
                }
            }
            self.mailbox().take(&mut commands);
            commands.drain(..).for_each(|command| self.obey(command));
            std::mem::swap(&mut self.sent_to, &mut keys);
            keys.drain(..).for_each(|key| self.flush(key));
            while let Some(tick) = self.wheel.turn(self.now, &mut keys) {
                keys.drain(..).for_each(|key| self.expire(key, tick));
            }
            if self.is_stopped() {
                break Ok(());
            }
        };
        self.abort();
        served.map(|()| self.report)
    }

    fn mailbox(&self) -> &Mailbox {
        &self.shared.mailboxes[usize::from(self.index)]
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now = Instant::now();
        let until = |at: Instant| at.saturating_duration_since(now);
        let timeouts = [
            (!self.again.is_empty()).then_some(Duration::ZERO),
            self.wheel.timeout(now),
            self.accepting.again.map(|(at, _)| until(at)),
            self.stopping.as_ref().map(|stopping| until(stopping.next)),
            self.stopping.as_ref().and_then(|stopping| stopping.until).map(until),
        ];
        match self.poll.poll(events, timeouts.into_iter().flatten().min()) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// Does what can be done for a connection now.
    fn serve(&mut self, key: usize, is_read_closed: bool) {
        let Some(entry) = self.clients.get_mut(key) else { return };
        match &entry.stage {
            Stage::Handshake { .. } => {
                if self.shake_hands(key, is_read_closed).is_err() {
                    self.remove(key);
                }
            }
            Stage::Open(_) => {
                self.with_work(key, |open, context, stream, work| {
                    open.serve(context, stream, work, is_read_closed)
                });
            }
            Stage::Lingering { .. } => {
                if !entry.discard(false).unwrap_or(false) {
                    self.remove(key);
                }
            }
        }
    }

    fn shake_hands(&mut self, key: usize, is_read_closed: bool) -> io::Result<()> {
        let mut room = [0; 4096];
        loop {
            let entry = &mut self.clients[key];
            let Stage::Handshake { opening, .. } = &mut entry.stage else { return Ok(()) };
            let bytes = match read(&mut entry.stream, &mut room)? {
                Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(read) => &room[..read],
                None => return Ok(()),
            };
            let mut out = vec![];
            let (answer, early) = opening.advance(bytes, &self.policy, &*self.handler, &mut out);
            match answer {
                Answer::None => {}
                Answer::Done => {
                    self.handshakes -= 1;
                    if entry.linger(out, self.now, &self.config).unwrap_or(false) {
                        self.file(key);
                    } else {
                        self.remove(key);
                    }
                    return Ok(());
                }
                Answer::Open { session, agreed, .. } => {
                    // Counted before the client knows.
                    self.shared.open.fetch_add(1, Ordering::Relaxed);
                    // A stream that nothing was written to has room for the answer.
                    if let Err(error) = entry.stream.write_all(&out) {
                        self.shared.open.fetch_sub(1, Ordering::Relaxed);
                        guarded_drop(session);
                        return Err(error);
                    }
                    let mut work = self.spare.lend(agreed, &self.config, &self.policy);
                    work.endpoint.receive(early);
                    let work = Some(work);
                    let (heard, is_pinged) = (self.now, false);
                    entry.stage = Stage::Open(Open { session, agreed, heard, is_pinged, work });
                    self.handshakes -= 1;
                    self.with_work(key, |open, context, stream, work| {
                        let call = open.call(context.id, stream, work, |client| {
                            context.handler.on_open(client);
                        });
                        match call {
                            Some(end) => Turn::Lost(end),
                            None => open.serve(context, stream, work, is_read_closed),
                        }
                    });
                    return Ok(());
                }
            }
        }
    }

    /// Does something with an open connection, to which is lent what it needs.
    fn with_work(
        &mut self,
        key: usize,
        call: impl FnOnce(&mut Open<H::Session>, &Context<'_, H>, &mut TcpStream, &mut Work) -> Turn,
    ) {
        let Some(entry) = self.clients.get_mut(key) else { return };
        let Stage::Open(open) = &mut entry.stage else { return };
        let work = open.work.take();
        let mut work =
            work.unwrap_or_else(|| self.spare.lend(open.agreed, &self.config, &self.policy));
        let context = Context {
            handler: &*self.handler,
            config: &self.config,
            id: id(self.index, key, entry.generation),
            now: self.now,
        };
        let turn = call(open, &context, &mut entry.stream, &mut work);
        if let Turn::Wait | Turn::Again = turn {
            if let Turn::Again = turn {
                // Others need the buffer meanwhile.
                work.endpoint.park();
                open.work = Some(work);
                if !std::mem::replace(&mut entry.is_again, true) {
                    self.again.push(key);
                }
            } else {
                open.work = self.spare.take_back(open.agreed, work);
            }
            return self.file(key);
        }
        let (end, is_told) = match turn {
            Turn::Ended(end) => (end, true),
            Turn::Lost(end) => (end, false),
            Turn::Wait | Turn::Again => return,
        };
        let end = match end {
            End::TimedOut(Timeout::Close) if self.stopping.is_some() => End::Aborted,
            end => end,
        };
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
        self.report.count(&end);
        // Nothing follows a close frame: what the call sends is told to be too late.
        let _ = work.endpoint.sending().close(CloseCode::NORMAL, "");
        let stream = &mut entry.stream;
        open.call(context.id, stream, &mut work, |client| context.handler.on_close(client, &end));
        if is_told && entry.linger(vec![], self.now, &self.config).unwrap_or(false) {
            self.file(key);
        } else {
            self.remove(key);
        }
    }

    /// Forgets a connection that is not open.
    fn remove(&mut self, key: usize) {
        let Some(entry) = self.clients.try_remove(key) else { return };
        self.handshakes -= usize::from(matches!(entry.stage, Stage::Handshake { .. }));
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
        guarded_drop(entry);
    }

    /// Has its deadline looked at in time.
    fn file(&mut self, key: usize) {
        let Some(entry) = self.clients.get_mut(key) else { return };
        let due = entry.due(&self.config);
        if due < entry.filed {
            entry.filed = self.wheel.file(key, due);
        }
    }

    /// Looks at the deadline of a connection that was filed for this tick.
    fn expire(&mut self, key: usize, tick: Tick) {
        let Some(entry) = self.clients.get_mut(key) else { return };
        if entry.filed != tick {
            return;
        }
        entry.filed = Tick::NEVER;
        if entry.due(&self.config) > self.now {
            return self.file(key);
        }
        match entry.stage {
            Stage::Open(_) => self.with_work(key, Open::expire),
            _ => self.remove(key),
        }
    }

    /// Does what another thread wants.
    fn obey(&mut self, command: Command) {
        match command {
            Command::Adopt(stream) => self.adopt(stream),
            Command::Send(id, message) => {
                self.send(id, |sending| sending.message(&message));
            }
            Command::SendPrepared(id, message) => {
                self.send(id, |sending| sending.prepared(&message));
            }
            Command::Close(id, code, reason) => {
                self.send(id, |sending| sending.close(code, &reason));
            }
            Command::Broadcast(message, but) => self.broadcast(&message, but),
            Command::Shutdown => self.stop(),
        }
    }

    /// Queues something for a connection, if it is still there.
    fn send(&mut self, to: ClientId, put: impl FnOnce(&mut Sending<'_>) -> Result<(), SendError>) {
        let key = to.key as usize;
        let Some(entry) = self.clients.get(key) else { return };
        if to == id(self.index, key, entry.generation) {
            self.put(key, put);
        }
    }

    fn put(&mut self, key: usize, put: impl FnOnce(&mut Sending<'_>) -> Result<(), SendError>) {
        self.with_work(key, |open, context, stream, work| {
            if work.endpoint.sending().is_to_write() {
                if let lost @ Turn::Lost(_) = open.flush(context, stream, work) {
                    return lost;
                }
            }
            match put(&mut work.endpoint.sending()) {
                Err(SendError::Full { .. }) => Turn::Lost(End::Slow),
                _ => Turn::Wait,
            }
        });
        self.sent_to.push(key);
    }

    fn broadcast(&mut self, message: &Prepared, but: Option<ClientId>) {
        let keys: Vec<_> = self.clients.iter().map(|(key, _)| key).collect();
        for key in keys {
            let Some(entry) = self.clients.get_mut(key) else { continue };
            let Stage::Open(open) = &entry.stage else { continue };
            if but == Some(id(self.index, key, entry.generation)) {
                continue;
            }
            let mut written = 0;
            if open.work.is_none() && open.agreed.is_none() {
                // Nothing waits: what is encoded goes out as it is.
                let result = passing(|| entry.stream.write(message.frame()));
                match result {
                    Ok(Some(all)) if all == message.frame().len() => continue,
                    Ok(some) => written = some.unwrap_or(0),
                    // That it is gone is told when it is read from.
                    Err(_) => continue,
                }
            }
            self.put(key, |sending| {
                sending.prepared(message)?;
                sending.written(written);
                Ok(())
            });
        }
    }

    /// Writes what others sent to a connection.
    fn flush(&mut self, key: usize) {
        let Some(Entry { stage: Stage::Open(open), .. }) = self.clients.get(key) else { return };
        if open.work.is_some() {
            self.with_work(key, Open::flush);
        }
    }

    fn stop(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        self.listeners.clear();
        self.accepting.again = None;
        let now = Instant::now();
        let until = now.checked_add(self.config.shutdown_timeout);
        self.stopping = Some(Stopping { until, next: now, from: 0 });
    }

    /// Goes on with a shutdown, if there is one: whether it is done.
    fn is_stopped(&mut self) -> bool {
        let Some(stopping) = &mut self.stopping else { return false };
        let now = Instant::now();
        if stopping.next <= now {
            let end = stopping.from + SHUTDOWN_BATCH;
            let batch = stopping.from..end;
            stopping.from = end;
            stopping.next = now + SHUTDOWN_PAUSE;
            for key in batch {
                match self.clients.get(key).map(|entry| &entry.stage) {
                    Some(Stage::Open(_)) => {
                        self.put(key, |sending| sending.close(CloseCode::GOING_AWAY, ""));
                    }
                    Some(Stage::Handshake { .. }) => self.remove(key),
                    _ => {}
                }
            }
            let keys = std::mem::take(&mut self.sent_to);
            keys.into_iter().for_each(|key| self.flush(key));
        }
        let is_late = self
            .stopping
            .as_ref()
            .and_then(|stopping| stopping.until)
            .is_some_and(|until| until <= now);
        self.clients.is_empty() || is_late
    }

    /// Drops all that is left.
    fn abort(&mut self) {
        self.mailbox().close();
        let keys: Vec<_> = self.clients.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.with_work(key, |_, _, _, work| {
                Turn::Lost(work.ending.take().unwrap_or(End::Aborted))
            });
            self.remove(key);
        }
    }
}

fn id(worker: u16, key: usize, generation: u32) -> ClientId {
    // A table of 2^32 connections is more than there are descriptors.
    ClientId { generation, worker, key: u32::try_from(key).unwrap_or(u32::MAX) }
}
