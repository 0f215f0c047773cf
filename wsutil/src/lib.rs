//! WebSocket messages (RFC 6455) over [`wscore`]: connections, readers, writers, helpers.
//!
//! One machine, [`Endpoint`], joins fragments, validates text, answers pings and close frames,
//! keeps limits and gathers what is to be written. It works on bytes and does no I/O. Everything
//! else here moves bytes for it: the blocking [`Connection`], the same under tokio
//! ([`tokio::Connection`]), or your own event loop. For streams that keep no state there are
//! [`Reader`], [`Writer`] and the helpers, which read no byte further than their message.
//!
//! ```text
//!                   ┌──────────────── Endpoint ────────────────┐
//!  stream ─▶ read ─▶│ Decoder: unmask in place, validate, join │─▶ message, lent
//!                   │     └─ pongs, close ─┐                   │        │ reply
//!  stream ◀─ write ◀│ gathered ◀───────────┴───── Encoder ◀────│◀───────┘
//!                   └──────────────────────────────────────────┘
//! ```
//!
//! What this crate is not: it does no TLS, no proxies and no compression by itself; it takes any
//! stream, and the handshake of [`wscore`].
//!
//! # The same echo, five ways
//! With a blocking connection; replies to messages that came together leave in one write:
//! ```
//! use std::net::TcpStream;
//!
//! fn serve(stream: TcpStream) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut connection = wsutil::accept(stream)?;
//!     while let Some((message, mut reply)) = connection.receive()? {
//!         reply.send(message)?;
//!     }
//!     Ok(())
//! }
//! ```
//! Under tokio (feature `tokio`); every future may be dropped at any time, and nothing is lost:
//! ```
//! # #[cfg(feature = "tokio")]
//! async fn serve(stream: tokio::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut connection = wsutil::tokio::accept(stream).await?;
//!     while let Some((message, mut reply)) = connection.receive().await? {
//!         reply.send(message).await?;
//!     }
//!     Ok(())
//! }
//! ```
//! With an [`Endpoint`] in an event loop of your own, on bytes that were just read:
//! ```
//! use wsutil::{Endpoint, Step};
//!
//! /// Answers what was received: whether the connection is still open.
//! fn serve(endpoint: &mut Endpoint) -> Result<bool, Box<dyn std::error::Error>> {
//!     loop {
//!         match endpoint.step()? {
//!             Step::Message => {
//!                 let (message, mut sending) = endpoint.message();
//!                 sending.message(message)?;
//!             }
//!             Step::Closed => return Ok(false),
//!             // Write `endpoint.pieces()`, then read into `endpoint.room()`.
//!             _ => return Ok(true),
//!         }
//!     }
//! }
//! ```
//! With streams, so that memory does not depend on the size of messages:
//! ```
//! use std::io::{self, Write};
//! use std::net::TcpStream;
//! use wscore::{OpCode, Role};
//! use wsutil::{Reader, Writer};
//!
//! fn serve(stream: &TcpStream) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut reader = Reader::new(stream, Role::Server);
//!     let mut writer = Writer::new(stream, Role::Server, OpCode::Text).with_fragments(64 * 1024);
//!     while let Some(header) = reader.next_frame()? {
//!         writer.begin(header.opcode)?;
//!         io::copy(&mut reader, &mut writer)?;
//!         writer.flush()?;
//!     }
//!     Ok(())
//! }
//! ```
//! With one call for each message:
//! ```
//! use std::io::{Read, Write};
//! use wsutil::{read_client_data, write_server_message};
//!
//! fn serve(stream: &mut (impl Read + Write)) -> Result<(), Box<dyn std::error::Error>> {
//!     loop {
//!         let (message, opcode) = read_client_data(stream)?;
//!         write_server_message(stream, opcode, &message)?;
//!     }
//! }
//! ```
//!
//! # Memory
//! A connection holds a buffer only while it has bytes in work, and leases it from its thread
//! (which keeps at most 4 MiB): while it is idle it holds none, also after large messages. A
//! message in the steady state costs no allocation.
//!
//! # Features
//! - `std` (default): everything blocking. Without it the crate is `no_std` with `alloc`:
//!   [`Decoder`], [`Encoder`], [`Endpoint`], [`Utf8`].
//! - `tokio`: the connection in [`tokio`].
//! - `futures`: `Stream` and `Sink` for it.
//! - `deflate`: connections, readers and writers compress with [`wsflate`].
//! - `json`: messages as JSON.
//! - `tracing`: the frames of connections are told to `tracing`, without their payload; [`Traced`]
//!   shows bytes.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(feature = "deflate", feature = "tokio", feature = "tracing")),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "links to what a feature that is off would add"
    )
)]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod control;
mod deadlines;
mod decoder;
#[cfg_attr(not(feature = "deflate"), path = "deflate_none.rs")]
mod deflate;
mod encoder;
mod endpoint;
mod error;
mod inbox;
mod limits;
mod message;
mod outbox;
#[cfg_attr(not(feature = "std"), path = "pool_none.rs")]
mod pool;
mod prepared;
mod sending;
mod text;
#[cfg_attr(not(feature = "tracing"), path = "trace_none.rs")]
mod trace;
mod utf8;

#[cfg(feature = "std")]
mod blocking;
#[cfg(feature = "std")]
mod drive;
#[cfg(feature = "std")]
mod queue;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use control::{CloseStatus, Control};
pub use deadlines::Deadlines;
pub use decoder::{Decoded, Decoder, Event, Piece};
pub use encoder::Encoder;
pub use endpoint::{Endpoint, Step, Timeout};
pub use error::{MessageError, SendError};
pub use limits::Limits;
pub use message::{Kind, Message, OwnedMessage};
pub use prepared::Prepared;
pub use sending::Sending;
pub use utf8::{NotUtf8, Utf8};

#[cfg(feature = "std")]
pub use blocking::*;
#[cfg(feature = "std")]
pub use drive::Error;
#[cfg(feature = "tracing")]
pub use trace::Traced;
