//! What decodes and encodes, lent to connections while they have something in work.

use std::io;

use mio::net::TcpStream;
use wscore::Role;
use wsutil::Endpoint;

use crate::{Config, End, handshake::Policy, io::write, wheel::Tick};

/// So many are kept.
const MAX_KEPT: usize = 64;

/// How compression was agreed on.
#[cfg(feature = "deflate")]
pub(crate) type Agreed = wsflate::Agreed;

/// There is none.
#[cfg(not(feature = "deflate"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreed {}

/// What is lent to a connection that has something in work.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) endpoint: Endpoint,
    /// Since when a message is not whole though we have read all, the client takes nothing, or a
    /// close frame of ours waits for the client's.
    pub(crate) began: Option<Tick>,
    pub(crate) blocked: Option<Tick>,
    pub(crate) closing: Option<Tick>,
    /// How it is going to end, whatever else comes.
    pub(crate) ending: Option<End>,
}

impl Work {
    fn new(agreed: Option<Agreed>, config: &Config, policy: &Policy) -> Box<Self> {
        let mut endpoint = Endpoint::new(Role::Server);
        endpoint.set_limits(config.limits);
        #[cfg(feature = "deflate")]
        if let (Some(deflate), Some(agreed)) = (&policy.deflate, agreed) {
            endpoint.set_deflate(deflate, agreed);
        }
        #[cfg(not(feature = "deflate"))]
        let _ = (agreed, policy);
        Box::new(Self { endpoint, began: None, blocked: None, closing: None, ending: None })
    }

    /// Whether it could be any other connection's that agreed on the same.
    fn is_at_rest(&self, agreed: Option<Agreed>) -> bool {
        let endpoint = &self.endpoint;
        !endpoint.is_inside_message()
            && !endpoint.is_sending_message()
            && endpoint.pending() == 0
            && !endpoint.is_closing()
            && endpoint.close_status().is_none()
            && self.ending.is_none()
            && !takes_over(agreed)
    }

    /// Writes what waits, as far as the stream takes it now: whether it took all.
    pub(crate) fn write(&mut self, stream: &mut TcpStream, now: Tick) -> io::Result<bool> {
        let before = self.endpoint.pending();
        let written = write(stream, &mut self.endpoint.sending());
        if self.endpoint.pending() < before {
            self.blocked = None;
        }
        self.blocked = since(self.endpoint.pending() > 0, self.blocked, now);
        written
    }

    /// Takes note of what waits for the client since when.
    pub(crate) fn note(&mut self, now: Tick) {
        let is_closing = self.endpoint.is_closing();
        // While it does not take what is sent, nothing is read.
        let is_read = self.blocked.is_none() && self.ending.is_none() && !is_closing;
        self.began = since(is_read && self.endpoint.is_inside_message(), self.began, now);
        self.closing = since(is_closing, self.closing, now);
    }
}

fn since(is: bool, before: Option<Tick>, now: Tick) -> Option<Tick> {
    is.then(|| before.unwrap_or(now))
}

#[cfg(feature = "deflate")]
fn takes_over(agreed: Option<Agreed>) -> bool {
    agreed.is_some_and(|agreed| agreed.send.takeover || agreed.receive.takeover)
}

#[cfg(not(feature = "deflate"))]
const fn takes_over(_: Option<Agreed>) -> bool {
    false
}

/// What is free to be lent, for each way in which compression was agreed on.
#[derive(Debug, Default)]
#[allow(clippy::vec_box, reason = "connections hold it in a box, which goes from one to the other")]
pub(crate) struct Spare(Vec<(Option<Agreed>, Vec<Box<Work>>)>);

impl Spare {
    pub(crate) fn lend(
        &mut self,
        agreed: Option<Agreed>,
        config: &Config,
        policy: &Policy,
    ) -> Box<Work> {
        let alike = self.0.iter_mut().find(|(other, _)| *other == agreed);
        // The last one is still in the processor's cache, and has a buffer in hand.
        let work = alike.and_then(|(_, free)| free.pop());
        work.unwrap_or_else(|| Work::new(agreed, config, policy))
    }

    /// Takes it back, unless the connection has to keep it.
    pub(crate) fn take_back(
        &mut self,
        agreed: Option<Agreed>,
        mut work: Box<Work>,
    ) -> Option<Box<Work>> {
        if !work.is_at_rest(agreed) {
            work.endpoint.park();
            return Some(work);
        }
        if self.0.iter().map(|(_, free)| free.len()).sum::<usize>() >= MAX_KEPT {
            return None;
        }
        match self.0.iter_mut().find(|(other, _)| *other == agreed) {
            Some((_, free)) => {
                // One has a buffer in hand, for the next connection.
                if !free.is_empty() {
                    work.endpoint.park();
                }
                free.push(work);
            }
            None => self.0.push((agreed, vec![work])),
        }
        None
    }
}
