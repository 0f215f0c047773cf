//! The last bytes of what was said, which what follows may refer to.

use alloc::vec::Vec;

/// A ring of at most `size` bytes, whose memory grows with what it holds.
#[derive(Debug, Default)]
pub(crate) struct Window {
    bytes: Vec<u8>,
    /// Where the oldest byte is, once the ring is full.
    /// 0 <= start < size, 0 while bytes.len() < size
    start: usize,
    size: usize,
}

impl Window {
    pub(crate) const fn new(size: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, size }
    }

    /// The most bytes that it holds.
    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// How many bytes it holds.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets everything but its memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    /// Holds nothing, in the memory of another.
    pub(crate) fn reuse(&mut self, memory: Vec<u8>) {
        self.bytes = memory;
        self.clear();
    }

    /// Its memory, for another.
    pub(crate) fn take_memory(&mut self) -> Vec<u8> {
        self.start = 0;
        core::mem::take(&mut self.bytes)
    }

    /// Holds little more memory than bytes.
    pub(crate) fn fit(&mut self) {
        let enough = capacity(self.bytes.len(), self.size);
        if self.bytes.capacity() > enough {
            self.bytes.shrink_to(enough);
        }
    }

    /// Appends bytes; the oldest go.
    pub(crate) fn push(&mut self, new: &[u8]) {
        let new = &new[new.len().saturating_sub(self.size)..];
        let (grown, turned) = new.split_at(new.len().min(self.size - self.bytes.len()));
        self.grow(grown);
        let (first, second) = turned.split_at(turned.len().min(self.size - self.start));
        self.bytes[self.start..self.start + first.len()].copy_from_slice(first);
        self.bytes[..second.len()].copy_from_slice(second);
        if !turned.is_empty() {
            self.start = (self.start + turned.len()) % self.size;
        }
    }

    /// Appends bytes while there is room. Memory doubles, and is never more than the whole window.
    fn grow(&mut self, new: &[u8]) {
        let wanted = self.bytes.len() + new.len();
        if self.bytes.capacity() < wanted {
            self.bytes.reserve_exact(capacity(wanted, self.size) - self.bytes.len());
        }
        self.bytes.extend_from_slice(new);
    }

    /// What it holds, the oldest first, in two parts.
    pub(crate) fn parts(&self) -> (&[u8], &[u8]) {
        let (newer, older) = self.bytes.split_at(self.start);
        (older, newer)
    }

    /// Copies what lies `back` bytes before its end and behind that: `to.len() <= back <= len()`.
    pub(crate) fn copy(&self, back: usize, to: &mut [u8]) {
        let from = self.len() - back;
        let (older, newer) = self.parts();
        let first = older.get(from..).unwrap_or_default();
        let first = &first[..first.len().min(to.len())];
        to[..first.len()].copy_from_slice(first);
        let rest = &mut to[first.len()..];
        let from = (from + first.len()).saturating_sub(older.len());
        rest.copy_from_slice(&newer[from..from + rest.len()]);
    }
}

/// The memory for a window that holds this much.
fn capacity(len: usize, size: usize) -> usize {
    len.next_power_of_two().clamp(64, size)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn a_window_is_the_end_of_all_that_was_pushed() {
        for size in [256, 512] {
            let mut window = Window::new(size);
            let mut all = vec![];
            for len in [0, 1, 100, 155, 1, 255, 256, 3, 511, 700, 13] {
                #[allow(clippy::cast_possible_truncation, reason = "less than 251")]
                let new: Vec<u8> = (0..len).map(|i| ((i * 7 + all.len()) % 251) as u8).collect();
                window.push(&new);
                all.extend_from_slice(&new);
                let end = &all[all.len().saturating_sub(size)..];
                let (older, newer) = window.parts();
                assert_eq!([older, newer].concat(), end);
                assert!(window.bytes.capacity() <= size);
                for back in [0, 1, 2, end.len() / 2, end.len()] {
                    let back = back.min(end.len());
                    for len in [0, 1, back / 2, back] {
                        let mut copy = vec![0; len.min(back)];
                        window.copy(back, &mut copy);
                        assert_eq!(copy, end[end.len() - back..][..copy.len()]);
                    }
                }
            }
        }
    }
}
