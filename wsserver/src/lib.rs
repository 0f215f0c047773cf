//! An event-driven WebSocket server (RFC 6455) for very many connections.
//!
//! ```text
//! Server ─▶ a loop for each thread ─▶ Handler, with a Session for each connection
//!              │ accepts, upgrades, reads,     authenticate, on_open, on_message, on_close, …
//!              │ keeps the time, writes           │
//!              │                                  ├─▶ Client: send, close, join, leave
//!              ◀── ServerHandle: any thread ──────┴─▶ to(All, Room, User): send to many
//! ```
//! Built on the handler, and not needed by the server itself: [`Events`], named and typed, with a
//! [client for browsers](BROWSER_CLIENT); and `Routes` for JSON requests.
//!
//! Who does not take what is sent is disconnected, or misses some: see [`Overload`]. All that peers
//! can have the server hold is bounded: see [`Config`].
//!
//! A connection with nothing in work costs its entry in a table, and its session: what decodes and
//! encodes is lent to it while bytes are in work. All replies to one read leave in one write.
//!
//! ```no_run
//! use wscore::{Rejection, Request};
//! use wsserver::{Admission, Client, Handler, Server};
//! use wsutil::Message;
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     type Session = ();
//!
//!     fn authenticate(&self, _: &Request<'_>) -> Result<Admission<()>, Rejection> {
//!         Ok(Admission::new(()))
//!     }
//!
//!     fn on_message(&self, client: &mut Client<'_, ()>, message: Message<'_>) {
//!         let _ = client.send(message);
//!     }
//! }
//!
//! Server::builder().listen("127.0.0.1:9001")?.handler(Echo).run()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Features
//! - `deflate`: messages that are compressed on the wire, by `wsflate`.
//! - `json`: `Routes`, which answer requests that are JSON in text messages.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod bucket;
mod client;
mod config;
mod connection;
mod directory;
mod events;
mod guard;
mod handle;
mod handler;
mod handshake;
mod id;
mod io;
mod mailbox;
mod metrics;
mod overload;
mod publish;
#[cfg(feature = "json")]
mod routes;
mod server;
mod shared;
mod to;
mod wheel;
mod work;
mod worker;

pub use client::Client;
pub use config::{Config, Rate};
pub use directory::JoinError;
pub use events::{
    EmitError, Event, EventError, EventFormat, Events, InvalidEvent, Value, ValueType,
};
pub use handle::ServerHandle;
pub use handler::{Admission, End, Handler};
pub use id::{ClientId, InvalidClientId};
pub use overload::Overload;
pub use publish::Publish;
#[cfg(feature = "json")]
pub use routes::{RouteError, RouteRequest, RouteResponse, Routes};
pub use server::{Builder, Report, Running, Server};
pub use to::To;

/// The browser's side of [`Events`]: an ES module that exports a class `Events`, connects again by
/// itself, and has its documentation inside. [`Builder::browser_client`] serves it.
pub const BROWSER_CLIENT: &str = include_str!("browser/events.js");
