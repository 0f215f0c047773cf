//! What was said, and where in it what is said now was said before.

#![allow(clippy::cast_possible_truncation, reason = "what is kept has at most 48 KiB")]

use alloc::{boxed::Box, vec};

use crate::fast::block::{Block, MAX_BLOCK};

/// So many bytes are looked up: what is shorter is not referred to.
pub(crate) const MIN_MATCH: usize = 4;

/// The most that one reference copies (RFC 1951 §3.2.5).
const MAX_MATCH: usize = 258;

/// A reference that is not so long is not taken if the next byte begins a longer one.
const LONG: usize = 16;

/// How many bits of a hash are looked up: a table of 32 KiB.
const HASH_BITS: u32 = 12;

/// Of what is primed one in so many places is remembered.
const STRIDE: usize = 4;

/// The window, and behind it what is to be compressed.
///
/// ```text
/// [ window │ new │ room ]
///        start filled
/// ```
pub(crate) struct History {
    bytes: Box<[u8]>,
    /// 0 <= start <= filled <= bytes.len(), filled - start <= MAX_BLOCK
    start: usize,
    filled: usize,
    window: usize,
    places: Places,
}

impl History {
    pub(crate) fn new(window: usize) -> Self {
        Self {
            bytes: vec![0; window + MAX_BLOCK].into(),
            start: 0,
            filled: 0,
            window,
            places: Places { base: FIRST, table: Box::new([[0; 2]; 1 << HASH_BITS]) },
        }
    }

    /// A new stream begins.
    pub(crate) fn reset(&mut self) {
        self.places.forget(self.filled);
        (self.start, self.filled) = (0, 0);
    }

    /// Takes as much as fits a block: how much.
    pub(crate) fn fill(&mut self, input: &[u8]) -> usize {
        let len = input.len().min(MAX_BLOCK - (self.filled - self.start));
        self.append(&input[..len]);
        len
    }

    /// Whether what is new fills a block.
    pub(crate) const fn is_full(&self) -> bool {
        self.filled - self.start == MAX_BLOCK
    }

    /// Appends bytes that were said, while nothing is new.
    pub(crate) fn prime(&mut self, said: &[u8]) {
        let said = &said[said.len().saturating_sub(self.window)..];
        self.append(said);
        // What is found in the middle is looked at backwards, too.
        let words = self.bytes[self.start..self.filled].windows(MIN_MATCH);
        for (at, word) in (self.start..).zip(words).step_by(STRIDE) {
            self.places.remember(at, word);
        }
        self.start = self.filled;
    }

    /// Finds what is new in what was before: the new bytes, which are not new any more.
    ///
    /// `QUICK` takes the first reference that it finds, and remembers few places inside of it.
    pub(crate) fn parse<const QUICK: bool>(&mut self, block: &mut Block) -> &[u8] {
        let bytes = &self.bytes[..self.filled];
        let mut literals = self.start;
        let mut at = self.start;
        while at + MIN_MATCH <= bytes.len() {
            let Some(mut found) = self.places.find::<QUICK>(bytes, at, self.window) else {
                at += 1;
                continue;
            };
            let mut unknown = at + 1;
            while !QUICK && found.len < LONG {
                let next = self.places.find::<QUICK>(bytes, unknown, self.window);
                unknown += 1;
                match next {
                    Some(next) if next.len > found.len => (at, found) = (at + 1, next),
                    _ => break,
                }
            }
            let end = at + found.len;
            let least = literals.max(end.saturating_sub(MAX_MATCH));
            let first = at - same_before(bytes, at, found.distance, least);
            block.reference(&bytes[literals..first], end - first, found.distance);
            let unknown = if QUICK { end - 2 } else { unknown };
            let words = bytes[unknown..bytes.len().min(end + MIN_MATCH - 1)].windows(MIN_MATCH);
            for (at, word) in (unknown..).zip(words) {
                self.places.remember(at, word);
            }
            at = end;
            literals = end;
        }
        block.end(&bytes[literals..]);
        let start = core::mem::replace(&mut self.start, self.filled);
        &self.bytes[start..self.filled]
    }

    /// Appends bytes: a block, or a window behind which nothing is new.
    fn append(&mut self, new: &[u8]) {
        if self.bytes.len() - self.filled < new.len() {
            self.make_room(new.len());
        }
        self.bytes[self.filled..self.filled + new.len()].copy_from_slice(new);
        self.filled += new.len();
    }

    /// Moves what is new, and what it can refer to, to the front.
    #[cold]
    fn make_room(&mut self, wanted: usize) {
        let kept = (self.window + self.filled - self.start).min(self.bytes.len() - wanted);
        let gone = self.filled - kept;
        self.bytes.copy_within(gone..self.filled, 0);
        self.start -= gone;
        self.filled -= gone;
        self.places.forget(gone);
    }
}

/// Where bytes were.
struct Places {
    /// Places count on from stream to stream; this is that of the first byte that is kept.
    base: u32,
    /// For each hash the last two places, the later first; those before `base` are of bytes that are
    /// gone.
    table: Box<[[u32; 2]; 1 << HASH_BITS]>,
}

/// The first place: 0 is none.
const FIRST: u32 = 1;

impl Places {
    /// Takes note that these bytes are here: where such of their hash were before, the later first.
    #[inline(always)]
    fn remember(&mut self, at: usize, word: &[u8]) -> [usize; 2] {
        let word = word.first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
        // 2^32 divided by the golden ratio: the highest bits depend on all.
        let hash = word.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS);
        let places = &mut self.table[hash as usize];
        let before = *places;
        *places = [self.base + at as u32, before[0]];
        // Where bytes are gone, this is behind all that are here.
        before.map(|place| place.wrapping_sub(self.base) as usize)
    }

    /// The longest of what was before and is the same as here; here is remembered.
    #[inline(always)]
    fn find<const QUICK: bool>(&mut self, bytes: &[u8], at: usize, window: usize) -> Option<Found> {
        let word = bytes.get(at..)?.first_chunk::<MIN_MATCH>()?;
        let places = self.remember(at, word);
        let places = if QUICK { &places[..1] } else { &places };
        let oldest = at.saturating_sub(window);
        let mut longest: Option<Found> = None;
        for place in places {
            let there = bytes.get(*place..).and_then(<[u8]>::first_chunk);
            if *place < oldest || there != Some(word) {
                continue;
            }
            let len = same(bytes, *place, at);
            if longest.as_ref().is_none_or(|longest| len > longest.len) {
                longest = Some(Found { len, distance: at - place });
            }
        }
        longest
    }

    /// So many of the first bytes are gone.
    fn forget(&mut self, gone: usize) {
        self.base += gone as u32;
        if self.base > u32::MAX / 2 {
            // Long before places run out, they begin anew.
            self.base = FIRST;
            self.table.fill([0; 2]);
        }
    }
}

/// What was said before.
struct Found {
    len: usize,
    distance: usize,
}

/// How many bytes before here, from `least` on, are the same, too.
#[inline(always)]
fn same_before(bytes: &[u8], at: usize, distance: usize, least: usize) -> usize {
    let first = least.max(distance);
    let new = bytes[first..at].iter().rev();
    let old = bytes[first - distance..at - distance].iter().rev();
    new.zip(old).take_while(|(new, old)| new == old).count()
}

/// How many bytes from here on are those from there on, at most 258.
#[inline(never)]
fn same(bytes: &[u8], before: usize, at: usize) -> usize {
    let new = &bytes[at..bytes.len().min(at + MAX_MATCH)];
    let old = &bytes[before..before + new.len()];
    let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
    let mut len = 0;
    for (old, new) in old.chunks_exact(8).zip(new.chunks_exact(8)) {
        let differ = word(old) ^ word(new);
        if differ != 0 {
            return len + differ.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    let rest = old[len..].iter().zip(&new[len..]);
    len + rest.take_while(|(old, new)| old == new).count()
}

#[cfg(test)]
impl History {
    /// Counts places from here on.
    pub(crate) fn start_at(&mut self, base: u32) {
        self.places.base = base;
    }

    /// The place of the first byte that is kept.
    pub(crate) fn place(&self) -> u32 {
        self.places.base
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::fast::bits::BitWriter;

    /// Bytes of which none says anything of the next.
    fn noise(len: usize, mut seed: u32) -> Vec<u8> {
        core::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
        .take(len)
        .collect()
    }

    /// The references that are found, and that they lead to what is there.
    fn references<const QUICK: bool>(message: &[u8]) -> Vec<(usize, usize)> {
        let mut history = History::new(32 * 1024);
        let mut block = Block::new();
        let mut all = vec![];
        let mut at = 0;
        for part in message.chunks(MAX_BLOCK) {
            assert_eq!(history.fill(part), part.len());
            history.parse::<QUICK>(&mut block);
            for (literals, len, distance) in block.sequences() {
                at += literals;
                let wanted = message[at - distance..].iter().take(len);
                assert!(wanted.eq(&message[at..at + len]));
                if len > 0 {
                    assert!((MIN_MATCH..=MAX_MATCH).contains(&len));
                    assert!((1..=history.window).contains(&distance));
                    all.push((len, distance));
                }
                at += len;
            }
            block.write::<QUICK>(part, &mut BitWriter::new());
        }
        assert_eq!(at, message.len());
        all
    }

    #[test]
    fn what_is_found_late_is_looked_at_backwards_but_not_further_than_one_reference_copies() {
        let repeated = noise(264, 1);
        let mut found_late = 0;
        for seed in 0..40 {
            // By now many of its places are taken by others.
            let others = noise(500 * seed as usize, seed + 2);
            let message = [&repeated[..], &others, &repeated].concat();
            for found in [references::<false>(&message), references::<true>(&message)] {
                let copied: usize = found
                    .iter()
                    .filter(|(_, distance)| *distance == repeated.len() + others.len())
                    .map(|(len, _)| len)
                    .sum();
                found_late += usize::from(copied >= 258);
            }
        }
        assert!(found_late > 10, "{found_late}");
    }

    #[test]
    fn long_periods_are_found_whatever_their_length() {
        for period in (4_000..32_768).step_by(1_500) {
            let message = noise(period, period as u32).repeat(2);
            for found in [references::<false>(&message), references::<true>(&message)] {
                assert!(found.iter().any(|(len, distance)| (*len, *distance) == (258, period)));
            }
        }
    }
}
