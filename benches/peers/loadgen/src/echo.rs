//! Messages that are echoed: each connection sends some, waits for the replies, and sends the next.

use std::{io, time::Instant};

use mio::{Events, Interest, Poll, Token};

use crate::{
    Target, Times,
    client::{Client, Next},
    handshake,
    plan::Plan,
    usage::Usage,
};

/// How many bytes are read at once.
const BUFFER_SIZE: usize = 256 * 1024;

/// Warms up, measures, and then waits for every reply that is still to come.
pub fn run(target: &Target, plan: &Plan, times: &Times) -> io::Result<String> {
    let mut load = Load::open(target, plan)?;
    load.start(plan)?;
    load.run_until(plan, Instant::now() + times.warmup)?;
    let before = Usage::now(target.process)?;
    let messages = load.run_until(plan, before.at + times.measured)?;
    let after = Usage::now(target.process)?;
    load.finish(plan)?;
    let usage = Usage::compare(&before, &after, messages);
    Ok(format!(r#"{usage}, "reply_size": {:.1}"#, load.reply_size()))
}

/// The connections and what waits for them.
struct Load {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    buffer: Vec<u8>,
}

impl Load {
    fn open(target: &Target, plan: &Plan) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut clients = Vec::with_capacity(target.connections);
        for stream in handshake::open_all(target.address, target.connections, plan.kind) {
            let mut client = Client::new(stream?, plan.kind)?;
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(client.stream(), Token(clients.len()), both)?;
            clients.push(client);
        }
        let events = Events::with_capacity(1024);
        Ok(Self { poll, events, clients, buffer: vec![0; BUFFER_SIZE] })
    }

    fn start(&mut self, plan: &Plan) -> io::Result<()> {
        self.clients.iter_mut().try_for_each(|client| client.send(plan))
    }

    /// Keeps all connections busy until `end`: how many messages were answered.
    fn run_until(&mut self, plan: &Plan, end: Instant) -> io::Result<usize> {
        let mut bursts = 0;
        while Instant::now() < end {
            bursts += self.turn(plan, Next::Send)?;
        }
        Ok(bursts * plan.pipeline)
    }

    /// Waits until all that was sent is answered: one burst on each connection.
    fn finish(&mut self, plan: &Plan) -> io::Result<()> {
        let mut open = self.clients.len();
        while open > 0 {
            open -= self.turn(plan, Next::Stop)?;
        }
        Ok(())
    }

    /// Waits for sockets and serves them: how many bursts were answered.
    fn turn(&mut self, plan: &Plan, next: Next) -> io::Result<usize> {
        crate::wait(&mut self.poll, &mut self.events)?;
        let mut bursts = 0;
        for event in &self.events {
            let client = &mut self.clients[event.token().0];
            bursts += client.turn(plan, &mut self.buffer, next)?;
            if event.is_read_closed() {
                return Err(io::Error::other("connection closed instead of a reply"));
            }
        }
        Ok(bursts)
    }

    /// How many bytes a reply has, header included, by and large.
    fn reply_size(&self) -> f64 {
        let bytes: usize = self.clients.iter().map(|client| client.reply_bytes).sum();
        let messages: usize = self.clients.iter().map(|client| client.messages).sum();
        bytes as f64 / messages as f64
    }
}
