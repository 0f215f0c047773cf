//! What decodes and encodes, lent to connections while they have something in work.

use std::{
    io, mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use mio::net::TcpStream;
use wscore::{CloseCode, Role};
use wsutil::{Control, Endpoint, SendError};

use crate::{
    Config, End, Overload,
    client::Effects,
    handshake::Policy,
    overload::{Item, Queue, QueueLimits, Refused},
    shared::Shared,
    wheel::Tick,
};

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
    /// What waits beside what the endpoint has encoded, while the client takes nothing.
    pub(crate) queue: Queue,
    pub(crate) heard: Heard,
    pub(crate) effects: Effects,
    /// What of it the server's totals know: bytes that wait, and that are held.
    counted: [usize; 2],
    /// Since when a message is not whole, the client takes nothing, or a
    /// close frame of ours waits for the client's.
    pub(crate) began: Option<Tick>,
    pub(crate) blocked: Option<Tick>,
    pub(crate) closing: Option<Tick>,
    /// Since when the client is given up, but for a close frame.
    pub(crate) given_up: Option<Tick>,
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
        let heard = Heard::default();
        endpoint.on_control(heard.listener());
        Box::new(Self {
            endpoint,
            queue: Queue::default(),
            heard,
            effects: Effects::default(),
            counted: [0; 2],
            began: None,
            blocked: None,
            closing: None,
            given_up: None,
            ending: None,
        })
    }

    /// Whether it could be any other connection's that agreed on the same.
    fn is_at_rest(&self, agreed: Option<Agreed>) -> bool {
        let endpoint = &self.endpoint;
        !endpoint.is_inside_message()
            && !endpoint.is_sending_message()
            && endpoint.pending() == 0
            && self.queue.is_empty()
            && self.queue.dropped == 0
            && !endpoint.is_closing()
            && endpoint.close_status().is_none()
            && self.ending.is_none()
            && !takes_over(agreed)
    }

    /// Writes what waits, as far as the stream takes it now: whether it took all.
    #[inline]
    pub(crate) fn write(&mut self, stream: &mut TcpStream, now: Tick) -> io::Result<bool> {
        if self.is_quiet() {
            return Ok(true);
        }
        self.write_some(stream, now)
    }

    /// Whether nothing waits, and nothing did.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.waits() == 0 && self.blocked.is_none()
    }

    fn write_some(&mut self, stream: &mut TcpStream, now: Tick) -> io::Result<bool> {
        let written = loop {
            let before = self.endpoint.pending();
            let written = self.endpoint.sending().write_to(stream);
            if self.endpoint.pending() < before {
                self.blocked = None;
            }
            if self.queue.is_empty() || !matches!(written, Ok(true)) {
                break written;
            }
            self.queue.feed(&mut self.endpoint.sending());
        };
        self.blocked = since(self.endpoint.pending() > 0, self.blocked, now);
        written
    }

    /// Has something sent, or wait behind what does: how many messages were dropped for it.
    pub(crate) fn put(
        &mut self,
        item: &Item,
        overload: Overload,
        limits: QueueLimits,
    ) -> Result<u64, Refused> {
        if self.endpoint.is_closing() {
            return Err(Refused::Closing);
        }
        if self.blocked.is_none() && self.queue.is_empty() {
            match item.put(&mut self.endpoint.sending()) {
                Err(SendError::Full { .. }) => {}
                _ => return Ok(0),
            }
        }
        self.queue.push(item.clone(), overload, limits)
    }

    /// Gives up a client: a close frame is all that it still gets, behind what it has of the frame
    /// before.
    pub(crate) fn give_up(&mut self, why: (CloseCode, &str), end: End, now: Tick) {
        let mut sending = self.endpoint.sending();
        // A close frame that waits is not sent again.
        if !sending.is_closing() {
            sending.discard();
        }
        // What it was to be told counts more. It may be closing already.
        let (code, reason) = self.queue.close().unwrap_or(why);
        let _ = sending.close(code, reason);
        self.queue.clear();
        self.given_up = Some(now);
        self.ending.get_or_insert(end);
    }

    /// Has the server's totals know what waits and what is held.
    #[inline]
    pub(crate) fn account(&mut self, shared: &Shared) {
        let now = match self.given_up {
            None => [self.waits(), self.endpoint.held()],
            // It is gone soon, and nothing more can be done for it.
            Some(_) => [0; 2],
        };
        self.count(now, shared);
    }

    /// How much waits for the client, in bytes.
    #[inline]
    pub(crate) fn waits(&self) -> usize {
        self.endpoint.pending() + self.queue.cost()
    }

    /// The same as the server's totals know it.
    pub(crate) const fn counted_waits(&self) -> usize {
        self.counted[0]
    }

    /// Whether some of a message that is not whole is held, and so much is not held for all together.
    pub(crate) fn holds_too_much(&mut self, shared: &Shared, limit: usize) -> bool {
        if !self.endpoint.is_inside_message() || self.ending.is_some() {
            return false;
        }
        self.endpoint.park();
        self.account(shared);
        shared.held() > limit
    }

    /// Has them forget it.
    pub(crate) fn forget(&mut self, shared: &Shared) {
        self.count([0; 2], shared);
    }

    #[inline]
    fn count(&mut self, now: [usize; 2], shared: &Shared) {
        if now != self.counted {
            let before = mem::replace(&mut self.counted, now);
            shared.account([before[0], now[0]], [before[1], now[1]]);
        }
    }

    /// Takes note of what waits for the client since when.
    pub(crate) fn note(&mut self, now: Tick) {
        let is_closing = self.endpoint.is_closing();
        let is_read = self.ending.is_none() && !is_closing;
        self.began = since(is_read && self.endpoint.is_inside_message(), self.began, now);
        self.closing = since(is_closing, self.closing, now);
    }
}

/// Pings and pongs of the client that its handler was not told of.
///
/// ```text
/// 1 for a ping, length, payload | 0 for a pong, length, payload | …
/// ```
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<(AtomicBool, Mutex<Vec<u8>>)>);

impl Heard {
    fn listener(&self) -> impl FnMut(Control<'_>) + Send + use<> {
        let heard = self.clone();
        move |control| {
            let (is_ping, payload) = match control {
                Control::Ping(payload) => (true, payload),
                Control::Pong(payload) => (false, payload),
                Control::Close(_) => return,
            };
            // RFC 6455 §5.5: at most 125 bytes.
            let len = u8::try_from(payload.len()).unwrap_or(125);
            let (is_some, bytes) = &*heard.0;
            let mut bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
            bytes.extend_from_slice(&[is_ping.into(), len]);
            bytes.extend_from_slice(&payload[..len.into()]);
            // Only ever looked at by the same thread.
            is_some.store(true, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn is_some(&self) -> bool {
        self.0.0.load(Ordering::Relaxed)
    }

    /// Takes all there are.
    pub(crate) fn take(&self) -> Vec<u8> {
        let (is_some, bytes) = &*self.0;
        is_some.store(false, Ordering::Relaxed);
        mem::take(&mut *bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The first of some, whether it is a ping, and the others.
    pub(crate) fn split(heard: &[u8]) -> Option<(bool, &[u8], &[u8])> {
        let (&[is_ping, len], rest) = heard.split_first_chunk()?;
        let (payload, rest) = rest.split_at_checked(len.into())?;
        Some((is_ping == 1, payload, rest))
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
        shared: &Shared,
    ) -> Option<Box<Work>> {
        if !work.is_at_rest(agreed) {
            work.endpoint.park();
            work.account(shared);
            return Some(work);
        }
        work.forget(shared);
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
