//! The body of a response that refuses us: as much of it as is worth showing.

use alloc::vec::Vec;

use super::client::StatusError;
use crate::http::has_element;

/// The most that is kept of a body, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// A body being read, however it is framed (RFC 9112 §6.3).
#[derive(Debug)]
pub(crate) struct Body {
    framing: Framing,
    bytes: Vec<u8>,
    /// How much of what was received is worked off.
    used: usize,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    /// This many bytes are still to come.
    Length(usize),
    /// Chunks: this many bytes of the current one are still to come, its line end included.
    Chunked(usize),
    /// Everything until the end of the stream.
    ToEnd,
}

impl Body {
    pub(crate) fn new(status: u16, response: &StatusError) -> Self {
        let length = response.header("content-length");
        let length = length.and_then(|value| core::str::from_utf8(value).ok()?.parse().ok());
        let coding = response.header("transfer-encoding");
        let framing = match (coding, length) {
            _ if matches!(status, 204 | 304) => Framing::Length(0),
            (Some(coding), _) if has_element(coding, b"chunked") => Framing::Chunked(0),
            (None, Some(length)) => Framing::Length(length),
            _ => Framing::ToEnd,
        };
        Self { framing, bytes: Vec::new(), used: 0 }
    }

    /// Takes in what came since the last call; whether this is all that is wanted.
    ///
    /// `received` is everything behind the head; it may only have grown.
    pub(crate) fn advance(&mut self, received: &[u8]) -> bool {
        loop {
            let fresh = &received[self.used..];
            let wanted = match self.framing {
                Framing::Length(0) => return true,
                Framing::Length(left) => left,
                Framing::ToEnd => usize::MAX,
                Framing::Chunked(0) => match httparse::parse_chunk_size(fresh) {
                    Ok(httparse::Status::Complete((_, 0))) | Err(_) => return true,
                    Ok(httparse::Status::Complete((line, size))) => {
                        self.used += line;
                        let size = usize::try_from(size).unwrap_or(usize::MAX);
                        self.framing = Framing::Chunked(size.saturating_add(2));
                        continue;
                    }
                    // A line that long is no chunk size.
                    Ok(httparse::Status::Partial) => return fresh.len() > 256,
                },
                Framing::Chunked(left) => left,
            };
            let taken = wanted.min(fresh.len());
            let line_end = match self.framing {
                Framing::Chunked(left) => 2_usize.saturating_sub(left - taken),
                _ => 0,
            };
            let kept = taken.saturating_sub(line_end).min(MAX_BODY - self.bytes.len());
            self.bytes.extend_from_slice(&fresh[..kept]);
            self.used += taken;
            match &mut self.framing {
                Framing::Length(left) | Framing::Chunked(left) => *left -= taken,
                Framing::ToEnd => {}
            }
            if self.bytes.len() == MAX_BODY || self.used >= 4 * MAX_BODY {
                return true;
            }
            if taken < wanted {
                return false;
            }
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
