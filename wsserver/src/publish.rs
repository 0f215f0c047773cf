//! A message for many.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use wsutil::{Message, Prepared, SendError};

use crate::{ClientId, Overload, ServerHandle, To, mailbox::Command, overload::Item, to::Target};

/// A message on its way to many connections: see [`Client::to`](crate::Client::to) and
/// [`ServerHandle::to`].
///
/// It is encoded once, and compressed once for each size of window that clients have. Those get it
/// who are members now, and still are when their thread comes to it; from one thread they get all in
/// the same order.
#[must_use = "nothing is sent before `send`"]
#[derive(Clone, Copy)]
pub struct Publish<'a> {
    handle: &'a ServerHandle,
    /// The loop that this thread runs: it need not be woken.
    here: Option<u16>,
    to: To<'a>,
    but: Option<ClientId>,
    overload: Overload,
}

/// What is published, for a loop.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) target: Target,
    /// Its number in the loop's directory.
    pub(crate) number: u64,
    pub(crate) item: Item,
    pub(crate) but: Option<ClientId>,
    pub(crate) overload: Overload,
}

impl<'a> Publish<'a> {
    pub(crate) const fn new(handle: &'a ServerHandle, here: Option<u16>, to: To<'a>) -> Self {
        Self { handle, here, to, but: None, overload: Overload::Disconnect }
    }

    /// To all of them but this one.
    pub fn but(mut self, id: ClientId) -> Self {
        self.but = Some(id);
        self
    }

    /// What becomes of it for a client that does not keep up: it is disconnected by default.
    pub const fn overload(mut self, overload: Overload) -> Self {
        self.overload = overload;
        self
    }

    /// Sends this message: how many connections it is for. No thread waits for a client.
    ///
    /// # Errors
    /// [`SendError::Closed`] once the server has ended; [`SendError::Full`] if 64 MiB wait for a
    /// thread, which does not keep up: its connections do not get it.
    pub fn send<'m>(self, message: impl Into<Message<'m>>) -> Result<usize, SendError> {
        self.send_prepared(&self.handle.prepare(message))
    }

    /// Sends a message that was [prepared](ServerHandle::prepare) before.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(self, message: &Prepared) -> Result<usize, SendError> {
        let target = self.handle.shared.target(self.to);
        let overload = self.overload.among(self.to);
        let (mut count, mut posted) = (0, Ok(()));
        for (worker, one) in (0..).zip(&self.handle.shared.loops) {
            let (members, number) = {
                let mut directory = one.directory();
                let is_member = |id: &ClientId| directory.is_for(&target, *id);
                let but = usize::from(self.but.iter().any(is_member));
                (directory.count(&target) - but, directory.publish())
            };
            if members == 0 {
                continue;
            }
            let publication = Publication {
                target: target.clone(),
                number,
                item: Item::Prepared(message.clone()),
                but: self.but,
                overload,
            };
            let command = Command::Publish(Box::new(publication));
            let result = match self.here {
                Some(here) if here == worker => one.mailbox.post_here(command),
                _ => one.mailbox.post(command),
            };
            match result {
                Ok(()) => count += members,
                Err(error) => posted = Err(error),
            }
        }
        posted.map(|()| count)
    }
}

impl Overload {
    /// The same with a key that is unlike those of other rooms and users.
    fn among(self, to: To<'_>) -> Self {
        match self {
            Self::KeepLatest(key) => {
                let mut hasher = DefaultHasher::new();
                (to, key).hash(&mut hasher);
                Self::KeepLatest(hasher.finish())
            }
            other => other,
        }
    }
}

impl fmt::Debug for Publish<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("to", &self.to)
            .field("but", &self.but)
            .field("overload", &self.overload)
            .finish_non_exhaustive()
    }
}
