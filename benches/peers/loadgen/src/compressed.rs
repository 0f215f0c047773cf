//! Compressed messages: what is sent, and replies that are inflated and compared with it.

use std::io::{Error, Result};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// What RFC 7692 leaves out at the end of a message.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The end of a message, of which so many bytes may stand for nothing.
const SLACK: usize = 64;

/// JSON of records that differ.
pub fn json(size: usize, mut random: impl FnMut() -> usize) -> Vec<u8> {
    let mut json = String::from("[");
    while json.len() < size {
        let user = ["alice", "bob", "carol", "dave", "eve", "mallory"][random() % 6];
        let (id, price) = (random() % 1_000_000, random() % 100_000);
        json += &format!("{{\"id\":{id},\"user\":\"{user}\",\"price\":{price},\"ok\":true}},");
    }
    json.truncate(size);
    json.into_bytes()
}

/// The messages compressed one after the other. With takeover they refer to those before, the first
/// one to none, so that they can be sent again and again.
pub fn compress(messages: &[Vec<u8>], takeover: bool) -> Vec<Vec<u8>> {
    let mut compress = Compress::new(Compression::default(), false);
    let one = |message: &Vec<u8>| {
        if !takeover {
            compress.reset();
        }
        let mut payload = Vec::with_capacity(message.len() + SLACK);
        let status = compress.compress_vec(message, &mut payload, FlushCompress::Sync);
        status.expect("what is compressed cannot be wrong");
        payload.truncate(payload.len() - TAIL.len());
        payload
    };
    messages.iter().map(one).collect()
}

/// Takes the replies of one connection apart.
pub struct Replies {
    /// What came of a frame that is not whole.
    bytes: Vec<u8>,
    inflate: Decompress,
    takeover: bool,
    message: Vec<u8>,
}

impl Replies {
    pub fn new(takeover: bool) -> Self {
        let inflate = Decompress::new(false);
        Self { bytes: vec![], inflate, takeover, message: vec![] }
    }

    /// Takes received bytes; `next` says what the next message should be.
    pub fn take<'p>(
        &mut self,
        received: &[u8],
        mut next: impl FnMut() -> &'p [u8],
    ) -> Result<usize> {
        self.bytes.extend_from_slice(received);
        let mut used = 0;
        let mut messages = 0;
        while let Some((first, header, len)) = head(&self.bytes[used..])? {
            let Some(payload) = self.bytes[used..].get(header..header + len) else { break };
            let wanted = next();
            self.message.clear();
            if first & 0x40 == 0 {
                self.message.extend_from_slice(payload);
            } else {
                self.message.reserve(wanted.len() + SLACK);
                if !self.takeover {
                    self.inflate.reset(false);
                }
                for part in [payload, &TAIL] {
                    let status =
                        self.inflate.decompress_vec(part, &mut self.message, FlushDecompress::Sync);
                    status.map_err(Error::other)?;
                }
            }
            if self.message != wanted {
                return Err(Error::other("a reply is not what was sent"));
            }
            used += header + len;
            messages += 1;
        }
        self.bytes.drain(..used);
        Ok(messages)
    }
}

/// The first byte of a frame, how long its header is, and its payload.
fn head(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & 0x8f != 0x81 || second & 0x80 != 0 {
        return Err(Error::other("a reply is not one frame of text"));
    }
    Ok(match (second, rest) {
        (126, [high, low, ..]) => Some((*first, 4, u16::from_be_bytes([*high, *low]).into())),
        (0..126, _) => Some((*first, 2, (*second).into())),
        (127, _) => return Err(Error::other("a reply is larger than what was sent")),
        _ => None,
    })
}
