//! Pings of a server, which may find a connection long silent.

use std::io::{Error, Result, Write};

/// Answers the pings that `bytes` begin with: what is behind them.
pub fn answer_pings(mut stream: impl Write, mut bytes: &[u8]) -> Result<&[u8]> {
    while let [0x89, size, rest @ ..] = bytes {
        let Some((payload, rest)) = rest.split_at_checked((*size).into()) else {
            return Err(Error::other("a ping came in pieces"));
        };
        // The key is of zeros, which change nothing.
        let pong = [&[0x8a, 0x80 | size, 0, 0, 0, 0], payload].concat();
        stream.write_all(&pong)?;
        bytes = rest;
    }
    Ok(bytes)
}
