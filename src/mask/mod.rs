//! Masking: XOR with a repeating 4-byte key (RFC 6455 §5.3).
//!
//! XOR undoes itself, so masking and unmasking are one operation. The loops are over words of 8
//! bytes, which the compiler turns into vectors; long payloads go to a copy of them that is
//! compiled for wider vectors, where the processor has them.

#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod x86;

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
        0..LONG => xor(payload, key),
        _ => xor_long(payload, key),
    }
}

/// Copies `payload` to `out`, masked or unmasked, in one pass.
///
/// `offset` is how many bytes of the same frame were worked on before.
///
/// # Panics
/// If the lengths differ.
///
/// ```
/// let mut out = [0; 5];
/// wscore::copy_masked(b"Hello", &mut out, [0x37, 0xfa, 0x21, 0x3d], 0);
/// assert_eq!(&out, b"\x7f\x9f\x4d\x51\x58");
/// ```
#[inline]
pub fn copy_masked(payload: &[u8], out: &mut [u8], mask: [u8; 4], offset: usize) {
    assert_eq!(payload.len(), out.len(), "a payload and its copy are of one length");
    let key = rotated(mask, offset);
    match payload.len() {
        0..LONG => copy(payload, out, key),
        _ => copy_long(payload, out, key),
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// From this length on, in bytes, wider vectors are worth asking the processor for.
const LONG: usize = 128;

/// The key as it applies from `offset` on.
#[inline]
fn rotated(key: [u8; 4], offset: usize) -> [u8; 4] {
    #[allow(clippy::cast_possible_truncation, reason = "below 4")]
    let bits = 8 * (offset % 4) as u32;
    u32::from_le_bytes(key).rotate_right(bits).to_le_bytes()
}

#[inline(always)]
fn xor(payload: &mut [u8], key: [u8; 4]) {
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        if let Some(word) = word.first_chunk_mut() {
            *word = xor_word(*word, key);
        }
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// As [`xor`], from one place to another of the same length.
#[inline(always)]
fn copy(payload: &[u8], out: &mut [u8], key: [u8; 4]) {
    let (mut words, mut places) = (payload.chunks_exact(8), out.chunks_exact_mut(8));
    for (word, place) in (&mut words).zip(&mut places) {
        if let Some(word) = word.first_chunk() {
            place.copy_from_slice(&xor_word(*word, key));
        }
    }
    let rest = words.remainder().iter().zip(places.into_remainder());
    for ((byte, place), key) in rest.zip(key.into_iter().cycle()) {
        *place = byte ^ key;
    }
}

#[inline(always)]
fn xor_word(word: [u8; 8], [a, b, c, d]: [u8; 4]) -> [u8; 8] {
    let key = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    (u64::from_ne_bytes(word) ^ key).to_ne_bytes()
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
use x86::{copy_long, xor_long};

#[cfg(not(all(feature = "std", target_arch = "x86_64")))]
use self::{copy as copy_long, xor as xor_long};
