//! Limits and times.

use std::time::Duration;

use wsutil::Limits;

use crate::overload::QueueLimits;

/// What a server holds its clients to; all of it is on by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Limits of messages: 1 MiB each by default, in at most 131,072 fragments.
    pub limits: Limits,
    /// Connections at a time, over all threads; more are told 503 with Retry-After, up to 1,024 of
    /// them at a time, and others are hung up on. 65,536 by default, but never more than the process may have descriptors, less 64.
    pub max_connections: usize,
    /// Connections at a time whose handshake is not done, for each thread; more are told 503.
    /// 1,024 by default.
    pub max_handshakes: usize,
    /// Rooms that a connection may be in at a time: 128 by default.
    pub max_rooms: usize,
    /// How much may wait for a client that does not take what is sent, in bytes, where each message
    /// counts 64 more than it has: 1 MiB by default, beside some that is encoded already, about 64 KiB
    /// and a message. What is beyond becomes what its [`Overload`](crate::Overload) says.
    pub max_queued_bytes: usize,
    /// How many messages may wait for such a client: 4,096 by default.
    pub max_queued_messages: usize,
    /// How much may wait for all clients, in bytes: 1 GiB by default. Beyond, nobody is let in,
    /// what may be dropped is, and those for whom most waits are disconnected.
    pub max_total_queued: usize,
    /// How much memory may be held for all messages that are not whole, or not yet worked on, in
    /// bytes: 256 MiB by default. Beyond, whoever sends more of one is told 1013.
    pub max_total_held: usize,
    /// How much a client may send in a second; more is told 1008. Any amount by default.
    pub rate: Option<Rate>,
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

/// How much a client may send: a bucket for each of both that is full at first, and fills up in a
/// second. A message of more than `bytes` is always too much; pings and pongs do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Messages in a second.
    pub messages: u32,
    /// Bytes of messages in a second.
    pub bytes: u32,
}

impl Config {
    /// The default.
    pub const DEFAULT: Self = Self {
        limits: Limits { message: 1 << 20, frame: 1 << 20, fragments: 131_072 },
        max_connections: 65_536,
        max_handshakes: 1024,
        max_rooms: 128,
        max_queued_bytes: 1 << 20,
        max_queued_messages: 4096,
        max_total_queued: 1 << 30,
        max_total_held: 256 << 20,
        rate: None,
        handshake_timeout: Duration::from_secs(10),
        ping_after: Duration::from_secs(25),
        pong_timeout: Duration::from_secs(20),
        message_timeout: Duration::from_secs(60),
        write_timeout: Duration::from_secs(10),
        close_timeout: Duration::from_secs(5),
        shutdown_timeout: Duration::from_secs(30),
    };
}

impl Config {
    pub(crate) const fn queue_limits(&self) -> QueueLimits {
        let (bytes, messages) = (self.max_queued_bytes, self.max_queued_messages);
        QueueLimits { bytes, messages, is_scarce: false }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}
