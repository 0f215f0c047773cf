//! What is sent and what has to come back, laid out once for all connections.

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Replies of at least so many bytes are for the most part dropped in the kernel, so that the
/// server's share of the time stays large.
const LARGE: usize = 32 * 1024;

/// A connection's messages go round in slots, which differ, so that a reply to another message is
/// not taken for the right one.
pub struct Plan {
    pub pipeline: usize,
    /// The frames of all slots, one behind the other, with and without masks.
    pub requests: Vec<u8>,
    pub replies: Vec<u8>,
    slots: usize,
    pub request_size: usize,
    pub reply_size: usize,
    pub reply_header: usize,
    pub is_large: bool,
}

impl Plan {
    pub fn new(payload: usize, pipeline: usize, is_text: bool) -> Self {
        let slots = pipeline.max(2);
        let (mut requests, mut replies) = (vec![], vec![]);
        for slot in 0..slots {
            let payload = if is_text { text(payload, slot) } else { binary(payload, slot) };
            let opcode = if is_text { 1 } else { 2 };
            put_header(&mut replies, opcode, 0, payload.len());
            replies.extend_from_slice(&payload);
            put_header(&mut requests, opcode, 0x80, payload.len());
            requests.extend_from_slice(&KEY);
            requests.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
        }
        let reply_size = replies.len() / slots;
        Self {
            pipeline,
            slots,
            request_size: requests.len() / slots,
            reply_size,
            reply_header: reply_size - payload,
            is_large: payload >= LARGE,
            requests,
            replies,
        }
    }

    /// Where a connection's burst begins; it never goes round the end.
    pub fn first_slot(&self, burst: usize) -> usize {
        burst * self.pipeline % self.slots
    }
}

fn put_header(frames: &mut Vec<u8>, opcode: u8, mask_bit: u8, payload: usize) {
    frames.push(0x80 | opcode);
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

/// Text of which a third of the characters are not ASCII.
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
