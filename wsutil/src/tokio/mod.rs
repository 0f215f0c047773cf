//! The connection under tokio: the names of the crate's root, with `.await`.
//!
//! It needs a runtime with its timer on.

mod connection;
mod io;

pub use connection::{Connection, Reply, accept, connect};
