//! The connection under tokio: the names of the crate's root, with `.await`.
//!
//! It needs a runtime with its timer on.

mod connection;
mod io;
#[cfg(feature = "json")]
mod json;
mod split;
#[cfg(feature = "futures")]
mod stream;

pub use connection::{Connection, Reply, accept, connect};
pub use split::{Flusher, Receiver, Sender};
