//! Masking: XOR with a repeating 4-byte key (RFC 6455 §5.3).
//!
//! XOR undoes itself, so masking and unmasking are one operation. A payload is worked on in words
//! of 8 bytes, and the last word overlaps the one before it instead of leaving a tail of single
//! bytes:
//!
//! ```text
//! payload   ├─ 8 ─┤├─ 8 ─┤├─ 5 ─┤
//! words     ├─────┤├─────┤
//! last word            ├─────┤      read before the others are written, written after them
//! ```
//!
//! Both writes of an overlapped byte hold the same value, because both come from the unmasked
//! bytes; only the key of the last word is rotated to where that word begins. The compiler turns
//! the loop over whole words into vector code; long payloads go to a copy of it that is compiled
//! for wider vectors, where the processor has them.

use alloc::vec::Vec;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod x86;

/// From this length on, in bytes, wider vectors are worth the question whether they exist.
const LONG: usize = 128;

/// Masks or unmasks `payload` where it lies, in place.
///
/// `offset` is how many bytes of the same frame were worked on before, so that a payload may come
/// in pieces.
///
/// ```
/// let mut payload = *b"\x7f\x9f\x4d\x51\x58";
/// wscore::cipher(&mut payload, [0x37, 0xfa, 0x21, 0x3d], 0);
/// assert_eq!(&payload, b"Hello");
/// ```
#[inline]
pub fn cipher(payload: &mut [u8], mask: [u8; 4], offset: usize) {
    let key = rotated(mask, offset);
    match payload.len() {
        0..8 => xor_short(payload, key),
        8..LONG => xor_words(payload, key),
        _ => xor_long(payload, key),
    }
}

/// Appends `payload`, masked or unmasked, to `out`: the copy and the XOR are one pass.
///
/// `offset` is how many bytes of the same frame were worked on before.
///
/// ```
/// let mut out = vec![];
/// wscore::copy_masked(b"Hello", [0x37, 0xfa, 0x21, 0x3d], 0, &mut out);
/// assert_eq!(out, b"\x7f\x9f\x4d\x51\x58");
/// ```
pub fn copy_masked(payload: &[u8], mask: [u8; 4], offset: usize, out: &mut Vec<u8>) {
    /// A block is masked while it is still in the nearest cache: one pass over memory.
    const BLOCK: usize = 4096;
    let mut key = rotated(mask, offset);
    out.reserve(payload.len());
    for block in payload.chunks(BLOCK) {
        let start = out.len();
        out.extend_from_slice(block);
        cipher(&mut out[start..], key, 0);
        key = rotated(key, block.len());
    }
}

/// A mask key that remembers how far into the frame it is.
///
/// ```
/// let mut mask = wscore::Mask::new([1, 2, 3, 4]);
/// let (mut head, mut tail) = ([0; 3], [0; 3]);
/// mask.apply(&mut head);
/// mask.apply(&mut tail);
/// assert_eq!((head, tail), ([1, 2, 3], [4, 1, 2]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask {
    /// The key, rotated so that its first byte is for the next byte of the payload.
    key: [u8; 4],
}

impl Mask {
    /// The mask at the beginning of a frame.
    #[must_use]
    pub const fn new(mask: [u8; 4]) -> Self {
        Self { key: mask }
    }

    /// Masks or unmasks the next piece of the payload in place.
    #[inline]
    pub fn apply(&mut self, piece: &mut [u8]) {
        cipher(piece, self.key, 0);
        self.key = rotated(self.key, piece.len());
    }
}

/// The key as it applies from `offset` on.
#[inline]
fn rotated(mut key: [u8; 4], offset: usize) -> [u8; 4] {
    key.rotate_left(offset % 4);
    key
}

/// For less than 8 bytes.
#[inline]
fn xor_short(payload: &mut [u8], key: [u8; 4]) {
    for (byte, key) in payload.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// For 8 bytes and more.
#[inline(always)]
fn xor_words(payload: &mut [u8], key: [u8; 4]) {
    let last_at = payload.len() - 8;
    let Some(last) = payload.last_chunk::<8>() else { return };
    let last = u64::from_ne_bytes(*last) ^ doubled(rotated(key, last_at));
    let key = doubled(key);
    for word in payload.chunks_exact_mut(8) {
        let word: &mut [u8; 8] = match word.try_into() {
            Ok(word) => word,
            Err(_) => continue,
        };
        *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    payload[last_at..].copy_from_slice(&last.to_ne_bytes());
}

/// The key twice, as a word in memory order.
#[inline(always)]
fn doubled([a, b, c, d]: [u8; 4]) -> u64 {
    u64::from_ne_bytes([a, b, c, d, a, b, c, d])
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
use x86::xor_long;

#[cfg(not(all(feature = "std", target_arch = "x86_64")))]
fn xor_long(payload: &mut [u8], key: [u8; 4]) {
    xor_words(payload, key);
}
