//! One connection: sends a burst of messages, takes the replies, compares them with what was sent,
//! and begins anew.

use std::io::{self, Error, ErrorKind, Read, Write};

use mio::net::TcpStream;

use crate::{
    compressed::Replies,
    plan::{Kind, Plan},
    system,
};

/// Of large messages one in so many is compared as a whole; of the others only header and end.
const SAMPLE: usize = 16;

/// How much of a payload's end is always compared.
const TAIL: usize = 16;

/// What follows a burst.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Send,
    Stop,
}

pub struct Client {
    stream: TcpStream,
    /// The number of the current burst, how many bytes of it went, and how many bytes came back, or
    /// messages if they are compressed.
    burst: usize,
    sent: usize,
    received: usize,
    /// What replies go through if they are compressed.
    compressed: Option<Replies>,
    /// How many bytes and messages ever came back.
    pub reply_bytes: usize,
    pub messages: usize,
}

impl Client {
    /// A connection that is upgraded.
    pub fn new(stream: std::net::TcpStream, kind: Kind) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: TcpStream::from_std(stream),
            burst: 0,
            sent: 0,
            received: 0,
            compressed: kind.extension().map(|_| Replies::new(kind == Kind::Takeover)),
            reply_bytes: 0,
            messages: 0,
        })
    }

    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Sends what the socket takes of the current burst.
    pub fn send(&mut self, plan: &Plan) -> io::Result<()> {
        let burst = plan.requests(self.burst);
        while self.sent < burst.len() {
            match self.stream.write(&burst[self.sent..]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                result => self.sent += result?,
            }
        }
        Ok(())
    }

    /// Sends and receives what is possible now: how many bursts were answered.
    pub fn turn(&mut self, plan: &Plan, buffer: &mut [u8], next: Next) -> io::Result<usize> {
        self.send(plan)?;
        let mut answered = 0;
        loop {
            let is_drained = self.receive(plan, buffer)?;
            if self.received == self.wanted_in_all(plan) {
                answered += 1;
                self.messages += plan.pipeline;
                self.burst += 1;
                self.received = 0;
                if next == Next::Send {
                    self.sent = 0;
                    self.send(plan)?;
                }
            }
            if is_drained {
                return Ok(answered);
            }
        }
    }

    /// Reads once: whether there is nothing more now.
    fn receive(&mut self, plan: &Plan, buffer: &mut [u8]) -> io::Result<bool> {
        let (wanted, is_dropped) = self.wanted(plan, buffer.len());
        let result = if is_dropped {
            system::discard(&self.stream, wanted)
        } else {
            self.stream.read(&mut buffer[..wanted])
        };
        let size = match result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Ok(0) => return Err(Error::other("connection closed instead of a reply")),
            result => result?,
        };
        self.reply_bytes += size;
        if let Some(replies) = &mut self.compressed {
            let mut payloads = plan.payloads(self.burst)[self.received..].iter();
            let next = || payloads.next().map_or(&[][..], Vec::as_slice);
            self.received += replies.take(&buffer[..size], next)?;
            return Ok(size < wanted);
        }
        if !is_dropped {
            self.compare(plan, &buffer[..size])?;
        }
        self.received += size;
        Ok(size < wanted)
    }

    /// What `received` is when a burst is answered.
    fn wanted_in_all(&self, plan: &Plan) -> usize {
        match self.compressed {
            Some(_) => plan.pipeline,
            None => plan.pipeline * plan.reply_size,
        }
    }

    /// How much to read next, and whether only to drop it.
    fn wanted(&self, plan: &Plan, room: usize) -> (usize, bool) {
        if !plan.is_large || self.compressed.is_some() {
            return (room, false);
        }
        let number = self.burst * plan.pipeline + self.received / plan.reply_size;
        let done = self.received % plan.reply_size;
        let left = plan.reply_size - done;
        if number.is_multiple_of(SAMPLE) || left <= TAIL {
            // The header of the next message tells what is done with that.
            ((left + plan.reply_header).min(room), false)
        } else if done < plan.reply_header {
            (plan.reply_header - done, false)
        } else {
            (left - TAIL, true)
        }
    }

    fn compare(&self, plan: &Plan, received: &[u8]) -> io::Result<()> {
        let start = plan.first_slot(self.burst) * plan.reply_size;
        let burst = &plan.replies[start..start + plan.pipeline * plan.reply_size];
        let wanted = &burst[self.received..];
        if wanted.starts_with(received) {
            return Ok(());
        }
        let same = received.iter().zip(wanted).take_while(|(a, b)| a == b).count();
        let at = self.received + same;
        Err(Error::other(format!(
            "reply {} of a connection is wrong from byte {} on, header included: \
             {:02x?} instead of {:02x?}",
            self.burst * plan.pipeline + at / plan.reply_size + 1,
            at % plan.reply_size,
            start_of(&received[same..]),
            start_of(&wanted[same..]),
        )))
    }
}

fn start_of(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(8)]
}
