//! The input of DEFLATE, bit by bit (RFC 1951 §3.1.1).

use crate::huffman::{Distances, Entry, Symbol};

/// Why it does not go on; nothing of what is missing was used.
pub(crate) enum Stop {
    /// More input is wanted.
    Input,
    /// More room is wanted.
    Output,
    Invalid,
}

/// Bits that were read and not used, the next one lowest.
#[derive(Debug, Default)]
pub(crate) struct Bits {
    /// Those above `count` are 0.
    pub(crate) bits: u64,
    /// 0 <= count <= 63
    pub(crate) count: u32,
}

impl Bits {
    /// Takes as many whole bytes as there is room for.
    #[inline(always)]
    pub(crate) fn fill(&mut self, input: &mut &[u8]) {
        if let Some(word) = input.first_chunk() {
            let bytes = (63 - self.count) >> 3;
            let word = u64::from_le_bytes(*word) & ((1 << (8 * bytes)) - 1);
            self.bits |= word << self.count;
            self.count += 8 * bytes;
            *input = &input[bytes as usize..];
        } else {
            self.fill_slowly(input);
        }
    }

    #[inline]
    fn fill_slowly(&mut self, input: &mut &[u8]) {
        while self.count < 56 {
            let Some((byte, rest)) = input.split_first() else { break };
            self.bits |= u64::from(*byte) << self.count;
            self.count += 8;
            *input = rest;
        }
    }

    /// Takes this many bits, if they are here.
    #[inline(always)]
    pub(crate) fn take(&mut self, count: u32) -> Option<u32> {
        if self.count < count {
            return None;
        }
        let bits = self.bits & ((1 << count) - 1);
        self.skip(count);
        #[allow(clippy::cast_possible_truncation, reason = "at most 16 bits are taken")]
        Some(bits as u32)
    }

    #[inline(always)]
    pub(crate) const fn skip(&mut self, count: u32) {
        self.bits >>= count;
        self.count -= count;
    }

    /// A length and a distance, both or none.
    #[inline(always)]
    pub(crate) fn reference(
        &mut self,
        entry: Entry,
        base: u32,
        distances: &Distances,
    ) -> Result<(usize, usize), Stop> {
        let mut bits = Self { ..*self };
        bits.skip(entry.len());
        let Some(extra) = bits.take(entry.extra()) else { return Err(Stop::Input) };
        let len = base + extra;
        let entry = distances.lookup(bits.bits);
        let Symbol::Base(base) = entry.symbol() else {
            return Err(if bits.count < 15 { Stop::Input } else { Stop::Invalid });
        };
        if bits.count < entry.len() + entry.extra() {
            return Err(Stop::Input);
        }
        bits.skip(entry.len());
        let distance = base + bits.take(entry.extra()).unwrap_or(0);
        *self = bits;
        Ok((len as usize, distance as usize))
    }

    /// Leaves the byte of which some bits were used.
    pub(crate) const fn align(&mut self) {
        self.skip(self.count % 8);
    }
}
