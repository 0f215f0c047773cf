//! A server in the hands of any thread.

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use wscore::{CloseBody, CloseCode};
use wsutil::{Message, Prepared, SendError};

use crate::{
    ClientId, JoinError, Publish, Report, To,
    mailbox::{Command, Mailbox},
    metrics,
    overload::Item,
    shared::{Loop, Shared},
};

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
        self.mailbox(id).post(Command::Send(id, Item::Message(message.into().to_owned())))
    }

    /// Sends a message that was encoded before to a connection.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&self, id: ClientId, message: &Prepared) -> Result<(), SendError> {
        self.mailbox(id).post(Command::Send(id, Item::Prepared(message.clone())))
    }

    /// A message for many.
    ///
    /// ```no_run
    /// # fn news(server: &wsserver::ServerHandle) -> Result<(), wsutil::SendError> {
    /// use wsserver::{Overload, To};
    /// server.to(To::User("ann")).send("wherever she is connected")?;
    /// // Who does not keep up gets the latest price only, and not all that came before.
    /// server.to(To::Room("prices")).overload(Overload::KeepLatest(1)).send("42")?;
    /// # Ok(())
    /// # }
    /// ```
    pub const fn to<'t>(&'t self, to: To<'t>) -> Publish<'t> {
        Publish::new(self, None, to)
    }

    /// Encodes a message once, to be sent to many; compressed as the server compresses, where
    /// clients agreed on that.
    #[must_use]
    pub fn prepare<'m>(&self, message: impl Into<Message<'m>>) -> Prepared {
        let prepared = Prepared::new(message);
        #[cfg(feature = "deflate")]
        if let Some(deflate) = &self.shared.deflate {
            return prepared.with_deflate(deflate);
        }
        prepared
    }

    /// Makes a connection a member of a room: whether it was not one before.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn join(&self, id: ClientId, room: &str) -> Result<bool, JoinError> {
        self.shared.join(id, room)
    }

    /// Has a connection leave a room: whether it was a member.
    pub fn leave(&self, id: ClientId, room: &str) -> bool {
        let was_member = self.shared.of(id).directory().leave(id, room);
        if was_member {
            // Its handler is told, at its end at the latest.
            let _ = self.mailbox(id).post(Command::Left(id));
        }
        was_member
    }

    /// Has [`Handler::on_wake`](crate::Handler::on_wake) called for a connection, behind what is
    /// sent to it before: for other threads that have something for it.
    ///
    /// # Errors
    /// [`SendError::Closed`] once the server has ended.
    pub fn wake(&self, id: ClientId) -> Result<(), SendError> {
        self.mailbox(id).post(Command::Wake(id))
    }

    /// Whether a connection is open.
    #[must_use]
    pub fn is_open(&self, id: ClientId) -> bool {
        self.shared.of(id).directory().is_open(id)
    }

    /// Whether a connection is a member of a room.
    #[must_use]
    pub fn has_joined(&self, id: ClientId, room: &str) -> bool {
        self.shared.of(id).directory().rooms_of(id).iter().any(|other| **other == *room)
    }

    /// The rooms that a connection is in, in the order in which it joined.
    #[must_use]
    pub fn rooms_of(&self, id: ClientId) -> Vec<Arc<str>> {
        self.shared.of(id).directory().rooms_of(id).to_vec()
    }

    /// The user that a connection was [admitted](crate::Admission::with_user) as.
    #[must_use]
    pub fn user_of(&self, id: ClientId) -> Option<Arc<str>> {
        self.shared.of(id).directory().user_of(id).cloned()
    }

    /// The connection that was [admitted](crate::Admission::with_name) with this name, or that has no
    /// name, and whose id this is as text.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<ClientId> {
        self.shared.find(name)
    }

    /// The connections that a message would be for now.
    #[must_use]
    pub fn members(&self, to: To<'_>) -> Vec<ClientId> {
        let target = self.shared.target(to);
        let mut members = vec![];
        for one in &self.shared.loops {
            let directory = one.directory();
            members.extend(directory.keys(&target, u64::MAX).map(|key| directory.id(key)));
        }
        members
    }

    /// How many connections a message would be for now.
    #[must_use]
    pub fn count_of(&self, to: To<'_>) -> usize {
        let target = self.shared.target(to);
        self.shared.loops.iter().map(|one| one.directory().count(&target)).sum()
    }

    /// The rooms that somebody has joined, sorted; connections' own rooms are not among them.
    #[must_use]
    pub fn rooms(&self) -> Vec<Arc<str>> {
        self.sorted(|names, one| names.extend(one.directory().rooms().cloned()))
    }

    /// The users who are connected, sorted.
    #[must_use]
    pub fn users(&self) -> Vec<Arc<str>> {
        self.sorted(|names, one| names.extend(one.directory().users().cloned()))
    }

    /// What the server counts, in the text format of Prometheus: see
    /// [`Builder::metrics_path`](crate::Builder::metrics_path).
    #[must_use]
    pub fn metrics(&self) -> String {
        metrics::render(&self.shared)
    }

    /// Closes a connection with this code and reason, behind what is sent to it before.
    ///
    /// # Errors
    /// [`SendError::InvalidClose`] if the code must not be sent or the reason is longer than
    /// 123 bytes; [`SendError::Closed`] once the server has ended.
    pub fn close(&self, id: ClientId, code: CloseCode, reason: &str) -> Result<(), SendError> {
        CloseBody::new(code, reason)?;
        self.mailbox(id).post(Command::Send(id, Item::Close(code, reason.into())))
    }

    /// How many connections are open: upgraded and not ended.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.open()
    }

    /// Ends the server: nothing more is accepted, all connections are closed with 1001, and what
    /// does not answer in time is dropped.
    pub fn shutdown(&self) {
        for one in &self.shared.loops {
            // A loop that has ended is shut down.
            let _ = one.mailbox.post(Command::Shutdown);
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
            self.shared.loops[usize::from(worker)].mailbox.close();
            self.shutdown();
        }
        report
    }

    fn mailbox(&self, id: ClientId) -> &Mailbox {
        &self.shared.of(id).mailbox
    }

    fn sorted(&self, collect: impl Fn(&mut Vec<Arc<str>>, &Loop)) -> Vec<Arc<str>> {
        let mut names = vec![];
        self.shared.loops.iter().for_each(|one| collect(&mut names, one));
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("threads", &self.shared.loops.len())
            .field("open", &self.count())
            .finish_non_exhaustive()
    }
}
