//! The event loop of a thread.

mod accepting;
mod publishing;
mod stopping;

use std::{
    io::{self, Write},
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use slab::Slab;
use wscore::CloseCode;
use wsutil::Timeout;

use accepting::Accepting;
use stopping::Stopping;

use crate::{
    ClientId, Config, End, Handler, ServerHandle,
    bucket::Bucket,
    connection::{Context, Entry, Open, Rest, Stage, TOO_MUCH, Turn},
    guard::guarded_drop,
    handshake::{Answer, Desk, Opening, Policy},
    io::read,
    mailbox::Mailbox,
    metrics::Metrics,
    server::Report,
    shared::Shared,
    wheel::{Tick, Wheel},
    work::{Spare, Work},
};

/// The token of the mailbox; those of listeners are below it, others are keys of connections.
pub(crate) const MAILBOX: Token = Token(usize::MAX);

/// How much of a request is read at once, in bytes.
const REQUEST: usize = 4096;

/// Events that are taken at once.
const EVENTS: usize = 1024;

pub(crate) struct Worker<H: Handler> {
    index: u16,
    handler: Arc<H>,
    config: Config,
    policy: Arc<Policy>,
    handle: ServerHandle,
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
    /// Those that a message is for.
    members: Vec<u32>,
    /// Where requests are read to, and answers are written.
    room: Box<[u8; REQUEST]>,
    answer: Vec<u8>,
    stopping: Option<Stopping>,
    report: Report,
}

impl<H: Handler> Worker<H> {
    pub(crate) fn new(
        index: u16,
        poll: Poll,
        handler: Arc<H>,
        config: Config,
        policy: Arc<Policy>,
        handle: ServerHandle,
    ) -> Self {
        Self {
            index,
            handler,
            config,
            policy,
            handle,
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
            members: vec![],
            room: Box::new([0; REQUEST]),
            answer: vec![],
            stopping: None,
            report: Report::default(),
        }
    }

    pub(crate) fn listen(&mut self, listeners: Vec<TcpListener>) -> io::Result<()> {
        self.listeners = listeners;
        self.keep_spare();
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
            mem::swap(&mut self.again, &mut keys);
            // Its end may have been told before.
            for key in keys.drain(..) {
                if let Some(entry) = self.clients.get_mut(key) {
                    entry.is_again = false;
                    self.serve(key, true);
                }
            }
            self.mailbox().take(&mut commands);
            let last = commands.len().saturating_sub(1);
            for (place, command) in commands.drain(..).enumerate() {
                self.obey(command, place == last);
            }
            mem::swap(&mut self.sent_to, &mut keys);
            keys.drain(..).for_each(|key| self.flush(key));
            while let Some(tick) = self.wheel.turn(self.now, &mut keys) {
                keys.drain(..).for_each(|key| self.expire(key, tick));
            }
            self.shed();
            if self.is_stopped() {
                break Ok(());
            }
        };
        self.abort();
        served.map(|()| self.report)
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    fn mailbox(&self) -> &Mailbox {
        &self.shared().loops[usize::from(self.index)].mailbox
    }

    fn metrics(&self) -> &Metrics {
        &self.shared().loops[usize::from(self.index)].metrics
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now = Instant::now();
        let until = |at: Instant| at.saturating_duration_since(now);
        let timeouts = [
            // What this thread posts does not wake it.
            (!self.again.is_empty() || !self.mailbox().is_empty()).then_some(Duration::ZERO),
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
            Stage::Lingering(_) => {
                if entry.discard(false, self.now, &self.config).unwrap_or(false) {
                    self.file(key);
                } else {
                    self.remove(key);
                }
            }
        }
    }

    fn shake_hands(&mut self, key: usize, is_read_closed: bool) -> io::Result<()> {
        loop {
            let entry = &mut self.clients[key];
            let Stage::Handshake { opening, .. } = &mut entry.stage else { return Ok(()) };
            let bytes = match read(&mut entry.stream, &mut self.room[..])? {
                Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(read) => &self.room[..read],
                None => return Ok(()),
            };
            // With less than there was room for, the stream is empty, and says when it is not.
            let is_drained = bytes.len() < self.room.len() && !is_read_closed;
            let id = id(self.index, key, entry.generation);
            let (policy, handler, handle) = (&*self.policy, &*self.handler, &self.handle);
            let desk = Desk { policy, handler, handle, id };
            let out = &mut self.answer;
            out.clear();
            let (answer, early) = Opening::advance(opening, bytes, &desk, out);
            match answer {
                Answer::None if is_drained => return Ok(()),
                Answer::None => {}
                Answer::Done { body } => {
                    self.handshakes -= 1;
                    let rest = Rest::new(mem::take(out), body);
                    let lingers = entry.linger(rest, self.now, &self.config);
                    self.metrics().not_upgraded.add(1);
                    if lingers.unwrap_or(false) {
                        self.file(key);
                    } else {
                        self.remove(key);
                    }
                    return Ok(());
                }
                Answer::Open { session, agreed, user, name, .. } => {
                    // Known before the client knows.
                    self.handle.shared.open_as(id, user, name);
                    // A stream that nothing was written to has room for the answer.
                    if let Err(error) = entry.stream.write_all(out) {
                        self.handle.shared.close(id);
                        guarded_drop(session);
                        return Err(error);
                    }
                    let mut work = self.spare.lend(agreed, &self.config, &self.policy);
                    let is_drained = is_drained && early.is_empty();
                    work.endpoint.receive(early);
                    let work = Some(work);
                    let rate = self.config.rate;
                    entry.stage = Stage::Open(Open {
                        session,
                        agreed,
                        heard: self.now,
                        is_pinged: false,
                        bucket: rate.map(|rate| Box::new(Bucket::new(rate, self.now))),
                        work,
                    });
                    self.handshakes -= 1;
                    self.metrics().opened.add(1);
                    self.with_work(key, |open, context, stream, work| {
                        open.call(context, stream, work, |client| context.handler.on_open(client));
                        if is_drained {
                            return open.flush(context, stream, work);
                        }
                        open.serve(context, stream, work, is_read_closed)
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
            handle: &self.handle,
            metrics: &self.handle.shared.loops[usize::from(self.index)].metrics,
            id: id(self.index, key, entry.generation),
            now: self.now,
        };
        let mut turn = call(open, &context, &mut entry.stream, &mut work);
        let shared = &self.handle.shared;
        if let Turn::Wait = turn {
            if work.holds_too_much(shared, self.config.max_total_held) {
                work.give_up(TOO_MUCH, End::Overloaded, self.now);
                turn = open.flush(&context, &mut entry.stream, &mut work);
            }
        }
        let (end, is_told) = match turn {
            Turn::Wait => {
                open.work = self.spare.take_back(open.agreed, work, shared);
                return self.file(key);
            }
            Turn::Again => {
                // Others need the buffer meanwhile.
                work.endpoint.park();
                work.account(shared);
                open.work = Some(work);
                if !mem::replace(&mut entry.is_again, true) {
                    self.again.push(key);
                }
                return self.file(key);
            }
            Turn::Ended(end) => (end, true),
            Turn::Lost(end) => (end, false),
        };
        let end = match end {
            End::TimedOut(Timeout::Close) if self.stopping.is_some() => End::Aborted,
            end => end,
        };
        work.forget(shared);
        let left = shared.close(context.id);
        self.report.count(&end);
        context.metrics.ended[end.place()].add(1);
        // Nothing follows a close frame: what the calls send is told to be too late.
        work.queue.clear();
        let _ = work.endpoint.sending().close(CloseCode::NORMAL, "");
        work.effects.was_user = left.user;
        let (stream, work) = (&mut entry.stream, &mut work);
        for room in left.rooms {
            open.call(&context, stream, work, |client| context.handler.on_leave(client, &room));
        }
        open.call(&context, stream, work, |client| context.handler.on_close(client, &end));
        let is_stuck = matches!(end, End::Slow | End::Overloaded | End::TimedOut(_));
        if is_told && entry.linger(Rest::default(), self.now, &self.config).unwrap_or(false) {
            self.file(key);
        } else {
            if is_stuck {
                entry.reset();
            }
            self.remove(key);
        }
    }

    /// Forgets a connection that is not open.
    fn remove(&mut self, key: usize) {
        let Some(entry) = self.clients.try_remove(key) else { return };
        if let Stage::Handshake { .. } = entry.stage {
            self.handshakes -= 1;
            self.metrics().not_upgraded.add(1);
        }
        self.shared().gone();
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
            Stage::Handshake { .. } => {
                // It may have come, if this thread was late.
                let is_alive = self.shake_hands(key, true).is_ok();
                let entry = self.clients.get(key);
                let is_waiting = |entry: &Entry<_>| matches!(entry.stage, Stage::Handshake { .. });
                if !is_alive || entry.is_some_and(is_waiting) {
                    self.remove(key);
                }
            }
            Stage::Lingering(_) => self.remove(key),
        }
    }
}

fn id(worker: u16, key: usize, generation: u32) -> ClientId {
    // A table of 2^32 connections is more than there are descriptors.
    ClientId { generation, worker, key: u32::try_from(key).unwrap_or(u32::MAX) }
}
