//! What other threads want of a loop.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mio::{Waker, net::TcpStream};
use wscore::CloseCode;
use wsutil::{OwnedMessage, Prepared, SendError};

use crate::ClientId;

/// From here on no message is taken, in bytes: the loop does not keep up.
const LIMIT: usize = 64 << 20;

/// What a command costs beside its message, in bytes.
const OVERHEAD: usize = 64;

#[derive(Debug)]
pub(crate) enum Command {
    /// A connection that was accepted elsewhere.
    Adopt(TcpStream),
    Send(ClientId, OwnedMessage),
    SendPrepared(ClientId, Prepared),
    /// To all that are open, but this one.
    Broadcast(Prepared, Option<ClientId>),
    Close(ClientId, CloseCode, Box<str>),
    Shutdown,
}

impl Command {
    fn cost(&self) -> usize {
        let payload = match self {
            Self::Send(_, message) => message.as_bytes().len(),
            // This may be the last one who has it.
            Self::SendPrepared(_, message) | Self::Broadcast(message, _) => message.payload().len(),
            _ => 0,
        };
        payload + OVERHEAD
    }

    /// Whether it may be refused.
    const fn is_message(&self) -> bool {
        matches!(self, Self::Send(..) | Self::SendPrepared(..) | Self::Broadcast(..))
    }
}

#[derive(Debug)]
pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
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
        Self { inner: Mutex::default(), waker }
    }

    /// Has the loop do this, behind what it was told before.
    pub(crate) fn post(&self, command: Command) -> Result<(), SendError> {
        let mut inner = self.lock();
        if inner.is_closed {
            return Err(SendError::Closed);
        }
        if inner.cost >= LIMIT && command.is_message() {
            return Err(SendError::Full { pending: inner.cost });
        }
        let is_first = inner.commands.is_empty();
        inner.cost += command.cost();
        inner.commands.push(command);
        drop(inner);
        if is_first {
            // It can only fail for a loop that is gone.
            let _ = self.waker.wake();
        }
        Ok(())
    }

    /// Takes all there are; `commands` is empty.
    pub(crate) fn take(&self, commands: &mut Vec<Command>) {
        let mut inner = self.lock();
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
