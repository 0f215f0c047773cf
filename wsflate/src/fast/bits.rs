//! The output of DEFLATE, bit by bit (RFC 1951 §3.1.1).

use alloc::{boxed::Box, vec};

use crate::fast::block::MAX_BLOCK;

/// Bits that were written, until there is room for them: one block, and an empty one behind it.
#[derive(Debug)]
pub(crate) struct BitWriter {
    bytes: Box<[u8]>,
    /// 0 <= drained <= end <= bytes.len()
    drained: usize,
    end: usize,
    /// What is behind `end`, the first bit lowest.
    bits: u64,
    /// 0 <= count <= 63
    count: u32,
}

impl BitWriter {
    pub(crate) fn new() -> Self {
        let bytes = vec![0; MAX_BLOCK + 32].into();
        Self { bytes, drained: 0, end: 0, bits: 0, count: 0 }
    }

    /// Appends up to 56 bits, if [`carry`](Self::carry) was called since the last 7 of them.
    #[inline(always)]
    pub(crate) fn put(&mut self, bits: u64, count: u32) {
        self.bits |= bits << self.count;
        self.count += count;
    }

    /// Moves whole bytes out of the way.
    #[inline(always)]
    pub(crate) fn carry(&mut self) {
        debug_assert!(self.end + 8 <= self.bytes.len());
        if let Some(place) = self.bytes[self.end..].first_chunk_mut() {
            *place = self.bits.to_le_bytes();
        }
        let bytes = self.count / 8;
        self.end += bytes as usize;
        self.bits >>= 8 * bytes;
        self.count %= 8;
    }

    /// Appends a stored block of at most 65,535 bytes, which begins in the next byte but for its
    /// header (RFC 1951 §3.2.4).
    pub(crate) fn stored(&mut self, bytes: &[u8]) {
        self.put(0, 3);
        self.count = self.count.next_multiple_of(8);
        self.carry();
        let len = bytes.len() as u64 & 0xffff;
        self.put(len | (!len & 0xffff) << 16, 32);
        self.carry();
        self.bytes[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Moves whole bytes to the room: how many.
    pub(crate) fn drain(&mut self, room: &mut [u8]) -> usize {
        let len = room.len().min(self.end - self.drained);
        room[..len].copy_from_slice(&self.bytes[self.drained..self.drained + len]);
        self.drained += len;
        if self.drained == self.end {
            (self.drained, self.end) = (0, 0);
        }
        len
    }

    pub(crate) const fn has_bytes(&self) -> bool {
        self.drained < self.end
    }

    pub(crate) const fn clear(&mut self) {
        (self.drained, self.end, self.bits, self.count) = (0, 0, 0, 0);
    }
}
