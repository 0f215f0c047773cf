//! Which connection.

use std::fmt;

/// A connection of a server, for as long as the server runs: it is never another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId {
    /// How many connections the worker had before.
    pub(crate) generation: u32,
    pub(crate) worker: u16,
    /// The place in the worker's table.
    pub(crate) key: u32,
}

/// The three numbers, as one word.
impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.worker, self.key, self.generation)
    }
}
