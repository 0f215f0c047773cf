//! A server in the hands of any thread.

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use wscore::{CloseBody, CloseCode};
use wsutil::{Message, Prepared, SendError};

use crate::{
    ClientId, Report,
    mailbox::{Command, Mailbox},
};

/// What the loops of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// One for each loop.
    pub(crate) mailboxes: Vec<Mailbox>,
    /// Connections that were accepted and are not gone.
    pub(crate) connections: AtomicUsize,
    /// Those of them that are open.
    pub(crate) open: AtomicUsize,
}

/// Sends, disconnects, counts and shuts down from any thread; cheap to clone.
///
/// What one thread sends to one connection arrives in order. What is sent to a connection that is
/// gone is thrown away.
#[derive(Clone)]
pub struct ServerHandle {
    pub(crate) shared: Arc<Shared>,
}

impl ServerHandle {
    /// Sends a message to a connection.
    ///
    /// # Errors
    /// [`SendError::Closed`] once the server has ended; [`SendError::Full`] if 64 MiB wait for the
    /// connection's thread, which does not keep up.
    pub fn send<'m>(&self, id: ClientId, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.mailbox(id).post(Command::Send(id, message.into().to_owned()))
    }

    /// Sends a message that was encoded before to a connection.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&self, id: ClientId, message: &Prepared) -> Result<(), SendError> {
        self.mailbox(id).post(Command::SendPrepared(id, message.clone()))
    }

    /// Sends a message to all connections that are open, but one if it is named: encoded once.
    ///
    /// # Errors
    /// As [`send`](Self::send), if one thread or more cannot take it.
    pub fn broadcast(&self, message: &Prepared, but: Option<ClientId>) -> Result<(), SendError> {
        let mut posted = Ok(());
        for mailbox in &self.shared.mailboxes {
            posted = posted.and(mailbox.post(Command::Broadcast(message.clone(), but)));
        }
        posted
    }

    /// Closes a connection with this code and reason, behind what is sent to it before.
    ///
    /// # Errors
    /// [`SendError::InvalidClose`] if the code must not be sent or the reason is longer than
    /// 123 bytes; [`SendError::Closed`] once the server has ended.
    pub fn close(&self, id: ClientId, code: CloseCode, reason: &str) -> Result<(), SendError> {
        CloseBody::new(code, reason)?;
        self.mailbox(id).post(Command::Close(id, code, reason.into()))
    }

    /// How many connections are open: upgraded and not ended.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Ends the server: nothing more is accepted, all connections are closed with 1001, and what
    /// does not answer in time is dropped.
    pub fn shutdown(&self) {
        for mailbox in &self.shared.mailboxes {
            // A loop that has ended is shut down.
            let _ = mailbox.post(Command::Shutdown);
        }
    }

    /// Runs a loop; one that fails shuts the others down, who would wait for it.
    pub(crate) fn whatever_happens(
        &self,
        worker: u16,
        run: impl FnOnce() -> io::Result<Report>,
    ) -> io::Result<Report> {
        let report = catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|_| Err(io::Error::other("a loop panicked")));
        if report.is_err() {
            self.shared.mailboxes[usize::from(worker)].close();
            self.shutdown();
        }
        report
    }

    fn mailbox(&self, id: ClientId) -> &Mailbox {
        // An id of another server may name a loop that is not here; it is nobody's then.
        let worker = usize::from(id.worker) % self.shared.mailboxes.len();
        &self.shared.mailboxes[worker]
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("threads", &self.shared.mailboxes.len())
            .field("open", &self.count())
            .finish_non_exhaustive()
    }
}
