//! Broadcast: what one member sends has to come to all, itself included. A message is sent when all
//! have the one before.

use std::{
    io::{Error, ErrorKind, Read, Result, Write},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};

use crate::{
    PATIENCE, Target, Times, handshake,
    ping::answer_pings,
    plan::{Kind, Plan},
    usage::Usage,
};

/// What a message has, in bytes; the first ones are its number.
const PAYLOAD: usize = 125;

/// The members take turns to send; the next one is so many further on, a prime.
const STRIDE: usize = 7919;

/// So many messages are measured at least.
const MIN_MESSAGES: usize = 3;

/// How many bytes are read at once: more than a message, so that one read is enough.
const BUFFER_SIZE: usize = 4096;

/// Warms up and measures: deliveries, and how long it takes until the last member has a message.
pub fn run(target: &Target, times: &Times) -> Result<String> {
    let mut load = Load::open(target)?;
    load.run_for(times.warmup)?;
    let before = Usage::now(target.process)?;
    let mut delays = load.run_for(times.measured)?;
    let after = Usage::now(target.process)?;
    let usage = Usage::compare(&before, &after, delays.len() * target.connections);
    delays.sort();
    let delay_ms = delays[delays.len() / 2].as_secs_f64() * 1e3;
    Ok(format!(r#"{usage}, "delay_ms": {delay_ms:.4}, "messages": {}"#, delays.len()))
}

struct Load {
    poll: Poll,
    events: Events,
    members: Vec<Member>,
    message: Message,
    buffer: [u8; BUFFER_SIZE],
}

impl Load {
    fn open(target: &Target) -> Result<Self> {
        let poll = Poll::new()?;
        let mut members = Vec::with_capacity(target.connections);
        for stream in handshake::open_all(target.address, target.connections, Kind::Binary) {
            let stream = stream?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(members.len()), Interest::READABLE)?;
            members.push(Member { stream, has: 0, received: 0 });
        }
        let (events, message) = (Events::with_capacity(1024), Message::new());
        Ok(Self { poll, events, members, message, buffer: [0; BUFFER_SIZE] })
    }

    /// Sends one message after the other: how long each took until the last member had it.
    fn run_for(&mut self, time: Duration) -> Result<Vec<Duration>> {
        let mut delays = Vec::with_capacity(1 << 16);
        let end = Instant::now() + time;
        while delays.len() < MIN_MESSAGES || Instant::now() < end {
            delays.push(self.deliver()?);
        }
        Ok(delays)
    }

    fn deliver(&mut self) -> Result<Duration> {
        self.message.next();
        let sender = self.message.number as usize * STRIDE % self.members.len();
        let began = Instant::now();
        // Nothing else waits on its socket, which takes all of it.
        self.members[sender].stream.write_all(&self.message.request)?;
        let mut left = self.members.len();
        while left > 0 {
            if began.elapsed() > PATIENCE {
                let number = self.message.number;
                return Err(Error::other(format!("message {number} is late for {left} members")));
            }
            crate::wait(&mut self.poll, &mut self.events)?;
            for event in &self.events {
                let member = &mut self.members[event.token().0];
                left -= usize::from(member.receive(&self.message, &mut self.buffer)?);
            }
        }
        Ok(began.elapsed())
    }
}

/// The message on its way: what is sent, and what each member has to get.
struct Message {
    number: u64,
    request: Vec<u8>,
    reply: Vec<u8>,
}

impl Message {
    fn new() -> Self {
        let plan = Plan::new(PAYLOAD, 1, Kind::Binary);
        let reply = plan.replies[..plan.reply_size].to_vec();
        Self { number: 0, request: plan.requests(0).to_vec(), reply }
    }

    /// The next one, with a number of its own.
    fn next(&mut self) {
        self.number += 1;
        let (masked, plain) = (self.request.len() - PAYLOAD, self.reply.len() - PAYLOAD);
        for (place, byte) in self.number.to_be_bytes().into_iter().enumerate() {
            // Masked with the same key as before: what changes in one changes in the other.
            self.request[masked + place] ^= self.reply[plain + place] ^ byte;
            self.reply[plain + place] = byte;
        }
    }
}

struct Member {
    stream: TcpStream,
    /// The number of the last message that is all here, and how many bytes of the next one are.
    has: u64,
    received: usize,
}

impl Member {
    /// Takes what there is: whether with it the message is all here.
    fn receive(&mut self, message: &Message, buffer: &mut [u8]) -> Result<bool> {
        let had = self.has;
        loop {
            let size = match self.stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Ok(0) => return Err(Error::other("connection closed instead of a message")),
                result => result?,
            };
            let mut bytes = &buffer[..size];
            if self.received == 0 {
                bytes = answer_pings(&self.stream, bytes)?;
            }
            self.compare(message, bytes)?;
            if size < buffer.len() {
                break;
            }
        }
        Ok(self.has > had)
    }

    fn compare(&mut self, message: &Message, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let number = message.number;
        if self.has == number {
            return Err(Error::other(format!("more came to a member than message {number}")));
        }
        if !message.reply[self.received..].starts_with(bytes) {
            return Err(Error::other(format!("message {number} came to a member wrong")));
        }
        self.received += bytes.len();
        if self.received == message.reply.len() {
            (self.has, self.received) = (number, 0);
        }
        Ok(())
    }
}
