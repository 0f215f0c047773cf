//! Upgrades: connections that end as soon as they are through with the opening handshake.

use std::{
    io::{Error, ErrorKind, Read, Result, Write},
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Registry, Token, net::TcpStream};
use socket2::SockRef;

use crate::{Target, Times, handshake, plan::Kind, usage::Usage};

/// What an answer may have, in bytes.
const ANSWER_SIZE: usize = 1024;

/// Keeps some attempts under way, and counts those that came through.
pub fn run(target: &Target, times: &Times) -> Result<String> {
    let mut load = Load::start(target)?;
    load.run_until(Instant::now() + times.warmup)?;
    let before = Usage::now(target.process)?;
    let upgrades = load.run_until(before.at + times.measured)?;
    let after = Usage::now(target.process)?;
    load.finish()?;
    Ok(Usage::compare(&before, &after, upgrades))
}

struct Load {
    poll: Poll,
    events: Events,
    address: SocketAddr,
    request: Vec<u8>,
    /// What the first request was answered; most servers never answer anything else.
    answer: Vec<u8>,
    attempts: Vec<Option<Attempt>>,
}

impl Load {
    fn start(target: &Target) -> Result<Self> {
        let mut first = handshake::connect(target.address, Ipv4Addr::LOCALHOST)?;
        let mut load = Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            address: target.address,
            request: handshake::request(Kind::Binary),
            answer: handshake::upgrade(&mut first, Kind::Binary)?,
            attempts: vec![],
        };
        for key in 0..target.connections {
            load.attempts.push(Some(load.attempt(key)?));
        }
        Ok(load)
    }

    fn attempt(&self, key: usize) -> Result<Attempt> {
        Attempt::start(self.address, &self.request, self.poll.registry(), Token(key))
    }

    /// How many came through until `end`; each makes way for the next one.
    fn run_until(&mut self, end: Instant) -> Result<usize> {
        let mut upgrades = 0;
        while Instant::now() < end {
            for key in self.turn()? {
                upgrades += 1;
                self.attempts[key] = Some(self.attempt(key)?);
            }
        }
        Ok(upgrades)
    }

    /// Waits for those that are under way: one that is never answered is a failure.
    fn finish(&mut self) -> Result<()> {
        while self.attempts.iter().any(Option::is_some) {
            self.turn()?;
        }
        Ok(())
    }

    /// Waits for answers: whose attempts came through and are closed.
    fn turn(&mut self) -> Result<Vec<usize>> {
        crate::wait(&mut self.poll, &mut self.events)?;
        let mut done = Vec::with_capacity(self.attempts.len());
        for event in &self.events {
            let key = event.token().0;
            let Some(attempt) = &mut self.attempts[key] else { continue };
            if attempt.advance(&self.request, &self.answer)? {
                self.attempts[key] = None;
                done.push(key);
            }
        }
        Ok(done)
    }
}

struct Attempt {
    stream: TcpStream,
    sent: usize,
    answer: [u8; ANSWER_SIZE],
    received: usize,
}

impl Attempt {
    fn start(to: SocketAddr, request: &[u8], registry: &Registry, token: Token) -> Result<Self> {
        let stream = TcpStream::connect(to)?;
        // It ends with a reset, so that its port can be used again at once.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        let mut attempt = Self { stream, sent: 0, answer: [0; ANSWER_SIZE], received: 0 };
        attempt.send(request)?;
        let is_sent = attempt.sent == request.len();
        let both = Interest::READABLE | Interest::WRITABLE;
        let interest = if is_sent { Interest::READABLE } else { both };
        registry.register(&mut attempt.stream, token, interest)?;
        Ok(attempt)
    }

    /// Sends what the socket takes; nothing while it is not connected.
    fn send(&mut self, request: &[u8]) -> Result<()> {
        while self.sent < request.len() {
            match self.stream.write(&request[self.sent..]) {
                Err(error) if is_to_wait(&error) => break,
                result => self.sent += result?,
            }
        }
        Ok(())
    }

    /// Goes on: whether the right answer is all here.
    fn advance(&mut self, request: &[u8], usual: &[u8]) -> Result<bool> {
        self.send(request)?;
        loop {
            match self.stream.read(&mut self.answer[self.received..]) {
                Err(error) if is_to_wait(&error) => return Ok(false),
                Ok(0) => return Err(Error::other("connection closed, or an answer without end")),
                result => self.received += result?,
            }
            let answer = &self.answer[..self.received];
            if answer == usual {
                return Ok(true);
            }
            if answer.ends_with(b"\r\n\r\n") {
                return handshake::check(answer, Kind::Binary).map(|()| true);
            }
        }
    }
}

fn is_to_wait(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}
