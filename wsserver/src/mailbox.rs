//! What other threads want of a loop.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use mio::{Waker, net::TcpStream};
use wsutil::SendError;

use crate::{ClientId, overload::Item, publish::Publication};

/// From here on no message is taken, in bytes: the loop does not keep up.
const LIMIT: usize = 64 << 20;

/// What a command costs beside its message, in bytes.
const OVERHEAD: usize = 64;

#[derive(Debug)]
pub(crate) enum Command {
    /// A connection that was accepted elsewhere.
    Adopt(TcpStream),
    Send(ClientId, Item),
    Publish(Box<Publication>),
    /// The connection has left a room: its handler is to be told.
    Left(ClientId),
    /// The handler is to be called for a connection.
    Wake(ClientId),
    Shutdown,
}

impl Command {
    fn cost(&self) -> usize {
        match self {
            Self::Send(_, item) => item.cost(),
            // This may be the last one who has it.
            Self::Publish(publication) => publication.item.cost(),
            _ => OVERHEAD,
        }
    }

    /// Whether it may be refused.
    const fn is_message(&self) -> bool {
        matches!(self, Self::Send(_, Item::Message(_) | Item::Prepared(_)) | Self::Publish(_))
    }
}

#[derive(Debug)]
pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
    /// Whether there is something, so that looking costs nothing.
    is_some: AtomicBool,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Inner {
    commands: Vec<Command>,
    /// What they cost together, in bytes.
    cost: usize,
    /// The loop has ended.
    is_closed: bool,
}

impl Mailbox {
    pub(crate) fn new(waker: Waker) -> Self {
        Self { inner: Mutex::default(), is_some: AtomicBool::new(false), waker }
    }

    /// Has the loop do this, behind what it was told before.
    pub(crate) fn post(&self, command: Command) -> Result<(), SendError> {
        let is_first = self.put(command)?;
        if is_first {
            // It can only fail for a loop that is gone.
            let _ = self.waker.wake();
        }
        Ok(())
    }

    /// The same from the loop's own thread, which is awake and looks before it sleeps.
    pub(crate) fn post_here(&self, command: Command) -> Result<(), SendError> {
        self.put(command).map(drop)
    }

    /// Whether it is the first one there.
    fn put(&self, command: Command) -> Result<bool, SendError> {
        let mut inner = self.lock();
        if inner.is_closed {
            return Err(SendError::Closed);
        }
        if inner.cost >= LIMIT && command.is_message() {
            return Err(SendError::Full { pending: inner.cost });
        }
        inner.cost += command.cost();
        inner.commands.push(command);
        self.is_some.store(true, Ordering::Release);
        Ok(inner.commands.len() == 1)
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.is_some.load(Ordering::Acquire)
    }

    /// Takes all there are; `commands` is empty.
    pub(crate) fn take(&self, commands: &mut Vec<Command>) {
        if self.is_empty() {
            return;
        }
        let mut inner = self.lock();
        self.is_some.store(false, Ordering::Release);
        inner.cost = 0;
        std::mem::swap(&mut inner.commands, commands);
    }

    /// Nothing is done any more.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.is_closed = true;
        inner.commands.clear();
    }

    /// A thread that panicked left it whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
