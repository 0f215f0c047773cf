//! Bytes on the stack that move to the heap when they grow.
//!
//! Unlike a vector of that kind it hands out its free room, for a driver to read into.

use alloc::vec::Vec;

/// Up to `N` bytes inline.
#[derive(Debug)]
pub(crate) struct Scratch<const N: usize> {
    inline: [u8; N],
    /// Everything, once it does not fit inline; else empty.
    heap: Vec<u8>,
    /// Bytes in use, wherever they are.
    len: usize,
}

impl<const N: usize> Scratch<N> {
    pub(crate) const fn new() -> Self {
        Self { inline: [0; N], heap: Vec::new(), len: 0 }
    }

    pub(crate) fn filled(&self) -> &[u8] {
        match self.heap.is_empty() {
            true => &self.inline[..self.len],
            false => &self.heap[..self.len],
        }
    }

    /// Free room behind the bytes in use, never none.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.reserve(1);
        match self.heap.is_empty() {
            true => &mut self.inline[self.len..],
            false => &mut self.heap[self.len..],
        }
    }

    /// Takes bytes of the room into use.
    pub(crate) fn advance(&mut self, written: usize) {
        self.len += written;
    }

    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        if let Some(room) = self.room().get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    fn reserve(&mut self, more: usize) {
        let wanted = self.len + more;
        let capacity = self.heap.len().max(N);
        if wanted > capacity {
            if self.heap.is_empty() {
                self.heap.extend_from_slice(&self.inline[..self.len]);
            }
            self.heap.resize(wanted.max(2 * capacity), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_move_to_the_heap() {
        let mut scratch = Scratch::<8>::new();
        let mut expected = Vec::new();
        for piece in [&b"abc"[..], b"defgh", b"", b"i", &[b'x'; 40], b"end"] {
            scratch.extend_from_slice(piece);
            expected.extend_from_slice(piece);
            assert_eq!(scratch.filled(), expected);
            assert!(!scratch.room().is_empty());
            assert_eq!(scratch.filled(), expected);
        }
        scratch.room()[0] = b'!';
        scratch.advance(1);
        assert_eq!(scratch.filled().last(), Some(&b'!'));
    }
}
