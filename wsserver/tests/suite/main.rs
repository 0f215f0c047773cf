//! A server over loopback, with clients of `wsutil` and bare streams.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a test fails with a panic"
)]

mod compressed;
mod ending;
mod handles;
mod handshakes;
mod messages;
mod overload;
<<<<<<< HEAD
mod rooms;
=======
#[cfg(feature = "json")]
mod routes;
>>>>>>> be3b64f (wsserver: requests over text messages, and routes that they take)
mod service;
