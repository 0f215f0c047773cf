//! Limits and times.

use std::time::Duration;

use wsutil::Limits;

/// What a server holds its clients to; all of it is on by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Limits of messages: 1 MiB each by default, in at most 131,072 fragments.
    pub limits: Limits,
    /// Connections at a time, over all threads; more are told 503 with Retry-After. 65,536 by
    /// default.
    pub max_connections: usize,
    /// Connections at a time whose handshake is not done, for each thread; more are told 503.
    /// 1,024 by default.
    pub max_handshakes: usize,
    /// How long a client has for its request: 10 s by default.
    pub handshake_timeout: Duration,
    /// After so long a silence a client is pinged: 25 s by default.
    pub ping_after: Duration,
    /// How long it then has to send anything: 20 s by default.
    pub pong_timeout: Duration,
    /// How long a client has for a message that it began: 60 s by default. It is told 1008.
    pub message_timeout: Duration,
    /// How long a client may take nothing of what waits for it: 10 s by default.
    pub write_timeout: Duration,
    /// How long a client has to answer a close frame: 5 s by default.
    pub close_timeout: Duration,
    /// How long a shutdown may take, before those who are left are dropped: 30 s by default.
    pub shutdown_timeout: Duration,
}

impl Config {
    /// The default.
    pub const DEFAULT: Self = Self {
        limits: Limits { message: 1 << 20, frame: 1 << 20, fragments: 131_072 },
        max_connections: 65_536,
        max_handshakes: 1024,
        handshake_timeout: Duration::from_secs(10),
        ping_after: Duration::from_secs(25),
        pong_timeout: Duration::from_secs(20),
        message_timeout: Duration::from_secs(60),
        write_timeout: Duration::from_secs(10),
        close_timeout: Duration::from_secs(5),
        shutdown_timeout: Duration::from_secs(30),
    };
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}
