//! A server over loopback, with clients of `wsutil` and bare streams.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a test fails with a panic"
)]

mod blocked;
mod compressed;
mod ending;
mod events;
mod handles;
mod handshakes;
mod messages;
mod overload;
mod rooms;
#[cfg(feature = "json")]
mod routes;
mod service;
