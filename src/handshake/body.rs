//! The body of a response that refuses us: as much of it as is worth showing.

use alloc::vec::Vec;

use memchr::memchr;

use super::response_error::StatusError;
use crate::http::has_element;

/// The most that is kept of a body, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// The most that is read for it, sizes of chunks included, in bytes.
const MAX_FRAMED: usize = 4 * MAX_BODY;

/// The longest line with the size of a chunk, in bytes.
const MAX_SIZE_LINE: usize = 256;

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
        let received = &received[..received.len().min(MAX_FRAMED)];
        loop {
            let fresh = &received[self.used..];
            let wanted = match self.framing {
                Framing::Length(0) => return true,
                Framing::Length(left) | Framing::Chunked(left @ 1..) => left,
                Framing::ToEnd => usize::MAX,
                Framing::Chunked(0) => {
                    let line = &fresh[..fresh.len().min(MAX_SIZE_LINE)];
                    let Some(end) = memchr(b'\n', line) else {
                        return line.len() == MAX_SIZE_LINE || received.len() == MAX_FRAMED;
                    };
                    match httparse::parse_chunk_size(&line[..=end]) {
                        Ok(httparse::Status::Complete((_, size @ 1..))) => {
                            let size = usize::try_from(size).unwrap_or(usize::MAX);
                            self.framing = Framing::Chunked(size.saturating_add(2));
                        }
                        _ => return true,
                    }
                    self.used += end + 1;
                    continue;
                }
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
            if self.bytes.len() == MAX_BODY || self.used == MAX_FRAMED {
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
