//! The blocking drivers, and what reads and writes streams without a connection.

mod connection;
mod helpers;
mod join;
#[cfg(feature = "json")]
pub(crate) mod json;
mod opening;
mod pieces;
mod reader;
mod reply;
mod split;
pub(crate) mod transport;
mod writer;

pub use connection::Connection;
pub use helpers::{
    next_reader, read_client_binary, read_client_data, read_client_text, read_message,
    read_server_binary, read_server_data, read_server_text, write_client_binary,
    write_client_message, write_client_text, write_close_frame, write_server_binary,
    write_server_message, write_server_text,
};
pub use join::{JoinMessages, join_messages};
#[cfg(feature = "json")]
pub use json::{read_json, write_json};
pub use opening::{accept, connect};
#[cfg(feature = "deflate")]
pub use opening::{accept_deflate, connect_deflate};
pub use pieces::{CipherReader, CipherWriter, Utf8Reader};
pub use reader::Reader;
pub use reply::Reply;
pub use split::{Flusher, Receiver, Sender};
pub use transport::{Plain, Transport};
pub use writer::{ControlWriter, Writer};
