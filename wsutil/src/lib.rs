//! Messages.
#![cfg_attr(not(feature = "std"), no_std)]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
mod connection;
mod control;
mod deadlines;
mod decoder;
mod encoder;
mod endpoint;
mod error;
#[cfg(feature = "std")]
mod helpers;
mod inbox;
#[cfg(feature = "std")]
mod join;
#[cfg(feature = "json")]
mod json;
mod limits;
mod message;
mod outbox;
#[cfg(feature = "std")]
mod pieces;
#[cfg_attr(not(feature = "std"), path = "pool_none.rs")]
mod pool;
mod prepared;
#[cfg(feature = "std")]
mod queue;
#[cfg(feature = "std")]
mod reader;
mod sending;
#[cfg(feature = "std")]
mod split;
mod text;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "std")]
mod transport;
mod utf8;
#[cfg(feature = "std")]
mod writer;

#[cfg(feature = "std")]
pub use connection::{Connection, Reply, accept, connect};
pub use control::CloseStatus;
pub use deadlines::Deadlines;
pub use decoder::{Decoded, Decoder, Event, Piece};
pub use encoder::Encoder;
pub use endpoint::{Endpoint, Step, Timeout};
#[cfg(feature = "std")]
pub use error::Error;
pub use error::{MessageError, SendError};
#[cfg(feature = "std")]
pub use helpers::{
    next_reader, read_client_binary, read_client_data, read_client_text, read_message,
    read_server_binary, read_server_data, read_server_text, write_client_binary,
    write_client_message, write_client_text, write_close_frame, write_server_binary,
    write_server_message, write_server_text,
};
#[cfg(feature = "std")]
pub use join::{JoinMessages, join_messages};
#[cfg(feature = "json")]
pub use json::{read_json, write_json};
pub use limits::Limits;
pub use message::{Kind, Message, OwnedMessage};
#[cfg(feature = "std")]
pub use pieces::{CipherReader, CipherWriter, Utf8Reader};
pub use prepared::Prepared;
#[cfg(feature = "std")]
pub use reader::{Control, Reader};
pub use sending::Sending;
#[cfg(feature = "std")]
pub use split::{Flusher, Receiver, Sender};
#[cfg(feature = "std")]
pub use transport::{Plain, Transport};
pub use utf8::{NotUtf8, Utf8};
#[cfg(feature = "std")]
pub use writer::{ControlWriter, Writer};
