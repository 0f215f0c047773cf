//! What is sent and what has to come back, laid out once for all connections.

use crate::compressed;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Replies of at least so many bytes are for the most part dropped in the kernel, so that the
/// server's share of the time stays large.
const LARGE: usize = 32 * 1024;

/// Compressed messages are of so many bytes together at least: more than any window.
const CYCLE: usize = 128 * 1024;

/// What messages are like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Binary,
    /// Text of which a third of the characters are not ASCII.
    Text,
    /// JSON, compressed each by itself.
    Json,
    /// JSON, compressed with references to the messages before.
    Takeover,
}

impl Kind {
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "binary" => Self::Binary,
            "text" => Self::Text,
            "json" => Self::Json,
            "takeover" => Self::Takeover,
            _ => return None,
        })
    }

    /// The extension that is offered.
    pub fn extension(self) -> Option<&'static str> {
        match self {
            Self::Binary | Self::Text => None,
            Self::Json => {
                Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover")
            }
            Self::Takeover => Some("permessage-deflate"),
        }
    }

    fn payload(self, size: usize, slot: usize) -> Vec<u8> {
        match self {
            Self::Binary => binary(size, slot),
            Self::Text => text(size, slot),
            Self::Json | Self::Takeover => compressed::json(size, random(slot)),
        }
    }
}

/// A connection's messages go round in slots, which differ, so that a reply to another message is
/// not taken for the right one.
pub struct Plan {
    pub kind: Kind,
    pub pipeline: usize,
    /// The frames of all slots, one behind the other, with masks.
    requests: Vec<u8>,
    /// Where each one ends, behind a 0.
    request_ends: Vec<usize>,
    /// What comes back if it is not compressed, one behind the other.
    pub replies: Vec<u8>,
    payloads: Vec<Vec<u8>>,
    pub reply_size: usize,
    pub reply_header: usize,
    pub is_large: bool,
}

impl Plan {
    pub fn new(payload: usize, pipeline: usize, kind: Kind) -> Self {
        let bursts = if kind.extension().is_some() { CYCLE / payload / pipeline } else { 1 };
        let slots = (bursts.max(1) * pipeline).max(2);
        let payloads: Vec<_> = (0..slots).map(|slot| kind.payload(payload, slot)).collect();
        let sent = match kind {
            Kind::Binary | Kind::Text => payloads.clone(),
            kind => compressed::compress(&payloads, kind == Kind::Takeover),
        };
        let first = match kind {
            Kind::Binary => 0x82,
            Kind::Text => 0x81,
            Kind::Json | Kind::Takeover => 0xc1,
        };
        let (mut requests, mut replies) = (vec![], vec![]);
        let mut request_ends = vec![0];
        for (payload, sent) in payloads.iter().zip(&sent) {
            put_header(&mut replies, first, 0, payload.len());
            replies.extend_from_slice(payload);
            put_header(&mut requests, first, 0x80, sent.len());
            requests.extend_from_slice(&KEY);
            requests.extend(sent.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
            request_ends.push(requests.len());
        }
        let reply_size = replies.len() / slots;
        Self {
            kind,
            pipeline,
            requests,
            request_ends,
            reply_size,
            reply_header: reply_size - payload,
            is_large: payload >= LARGE,
            replies,
            payloads,
        }
    }

    /// What is sent at once.
    pub fn requests(&self, burst: usize) -> &[u8] {
        let first = self.first_slot(burst);
        &self.requests[self.request_ends[first]..self.request_ends[first + self.pipeline]]
    }

    /// The messages of that.
    pub fn payloads(&self, burst: usize) -> &[Vec<u8>] {
        let first = self.first_slot(burst);
        &self.payloads[first..first + self.pipeline]
    }

    /// Where a connection's burst begins; it never goes round the end.
    pub fn first_slot(&self, burst: usize) -> usize {
        burst * self.pipeline % self.payloads.len()
    }
}

fn put_header(frames: &mut Vec<u8>, first: u8, mask_bit: u8, payload: usize) {
    frames.push(first);
    match payload {
        0..126 => frames.push(mask_bit | payload as u8),
        126..65536 => {
            frames.push(mask_bit | 126);
            frames.extend_from_slice(&(payload as u16).to_be_bytes());
        }
        _ => {
            frames.push(mask_bit | 127);
            frames.extend_from_slice(&(payload as u64).to_be_bytes());
        }
    }
}

/// The same random numbers in each run (xorshift).
fn random(slot: usize) -> impl FnMut() -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ (slot as u64 + 1).wrapping_mul(0xd1b5_4a32_d192_ed03);
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as usize
    }
}

fn binary(size: usize, slot: usize) -> Vec<u8> {
    let mut random = random(slot);
    (0..size).map(|_| random() as u8).collect()
}

fn text(size: usize, slot: usize) -> Vec<u8> {
    const WIDE: [char; 10] = ['é', 'ß', 'Ж', 'д', '中', '文', '€', '✓', '🦀', 'ñ'];
    let mut random = random(slot);
    let mut text = String::with_capacity(size);
    while text.len() < size {
        let is_wide = random().is_multiple_of(3);
        let next =
            if is_wide { WIDE[random() % 10] } else { char::from(b'a' + (random() % 26) as u8) };
        text.push(if text.len() + next.len_utf8() <= size { next } else { 'x' });
    }
    text.into_bytes()
}
