//! Whom a message is for.

use std::sync::Arc;

use crate::ClientId;

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum To<'a> {
    /// All that are open.
    All,
    /// The members of a room; nobody if there is no such room.
    ///
    /// Every connection has a room of its own, of which it is always the only member: it has the name
    /// that the connection was [admitted with](crate::Admission::with_name), or else its
    /// [`ClientId`] as text.
    Room(&'a str),
    /// The connections of a user.
    User(&'a str),
}

/// The same, for other threads.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    All,
    Room {
        name: Arc<str>,
        /// The connection whose own room this is.
        owner: Option<ClientId>,
    },
    User(Arc<str>),
}
