//! Messages.
#![cfg_attr(not(feature = "std"), no_std)]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
mod connection;
mod control;
mod decoder;
mod encoder;
mod endpoint;
mod error;
mod inbox;
mod limits;
mod message;
mod outbox;
#[cfg_attr(not(feature = "std"), path = "pool_none.rs")]
mod pool;
mod text;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "std")]
mod transport;
mod utf8;

#[cfg(feature = "std")]
pub use connection::{Connection, Reply, accept, connect};
pub use control::CloseStatus;
pub use decoder::{Decoded, Decoder, Event, Piece};
pub use encoder::Encoder;
pub use endpoint::{Endpoint, Sending, Step};
#[cfg(feature = "std")]
pub use error::{Error, Wait};
pub use error::{MessageError, SendError};
pub use limits::Limits;
pub use message::{Kind, Message, OwnedMessage};
#[cfg(feature = "std")]
pub use transport::{Plain, Transport};
pub use utf8::{NotUtf8, Utf8};
