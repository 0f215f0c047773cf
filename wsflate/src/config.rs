//! What one side wants, and how it compresses.

use crate::{ClientMaxWindowBits, Parameters, WindowBits};

/// What one side of a connection wants of `permessage-deflate`, in terms of what it sends and
/// receives: the same for a server and a client.
///
/// ```
/// use wsflate::{Config, WindowBits};
/// // Takes over from message to message, with 4 KiB of memory for each direction.
/// let window = WindowBits::new(12).unwrap();
/// let config = Config { send_window: window, receive_window: window, ..Config::TAKEOVER };
/// assert_eq!(
///     config.offer().to_string(),
///     "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whether what we send may refer to messages before: smaller and faster, for a window of
    /// memory between messages. Off by default.
    pub send_takeover: bool,
    /// Whether what we receive may refer to messages before. Off by default.
    pub receive_takeover: bool,
    /// How far back what we send may refer: 32 KiB by default.
    pub send_window: WindowBits,
    /// How far back what we receive may refer: 32 KiB by default. A server declines the offer of a
    /// client that does not let it be less.
    pub receive_window: WindowBits,
    /// From 0, which does not compress, over 1, which is the fastest, and 2, which makes JSON of
    /// 1 KiB a quarter smaller, to zlib's levels 3 to 9. 2 by default. (Those of
    /// zlib need the feature `std`: see [`Deflate::new`](crate::Deflate::new).)
    pub level: u8,
    /// How much memory a compressor of zlib's levels has, from 1 to 9: 8 by default.
    pub mem_level: u8,
    /// Messages of fewer bytes are sent as they are: 64 by default.
    pub min_size: usize,
    /// Whether a connection that takes over keeps a compressor of its own, 125 KB, rather than
    /// its window only. Off by default: compressors go from connection to connection.
    pub dedicated: bool,
}

impl Config {
    /// Each message by itself, which needs no memory between messages: the default.
    pub const NO_TAKEOVER: Self = Self {
        send_takeover: false,
        receive_takeover: false,
        send_window: WindowBits::MAX,
        receive_window: WindowBits::MAX,
        level: 2,
        mem_level: 8,
        min_size: 64,
        dedicated: false,
    };

    /// Messages that refer to the ones before, in both directions.
    pub const TAKEOVER: Self =
        Self { send_takeover: true, receive_takeover: true, ..Self::NO_TAKEOVER };

    /// Client: the offer that asks for this.
    #[must_use]
    pub fn offer(&self) -> Parameters {
        let is_limited = |window: WindowBits| window < WindowBits::MAX;
        Parameters {
            server_no_context_takeover: !self.receive_takeover,
            client_no_context_takeover: !self.send_takeover,
            server_max_window_bits: is_limited(self.receive_window).then_some(self.receive_window),
            client_max_window_bits: match self.send_window {
                window if is_limited(window) => ClientMaxWindowBits::Bits(window),
                _ => ClientMaxWindowBits::Supported,
            },
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::NO_TAKEOVER
    }
}
