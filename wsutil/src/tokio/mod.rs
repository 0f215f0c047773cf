//! The connection under tokio: the names of the crate's root, with `.await`.
//!
//! It needs a runtime with its timer on.

mod connection;
mod io;
#[cfg(feature = "json")]
mod json;
mod opening;
mod poll;
mod reply;
mod split;
#[cfg(feature = "futures")]
mod stream;
mod tasks;

pub use connection::Connection;
pub use opening::{accept, connect};
#[cfg(feature = "deflate")]
pub use opening::{accept_deflate, connect_deflate};
pub use reply::Reply;
pub use split::{Flusher, Receiver, Sender};
