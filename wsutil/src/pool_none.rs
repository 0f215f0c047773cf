//! Buffers where there are no threads to keep them: always new ones.

use alloc::{vec, vec::Vec};

/// How large a buffer is, in bytes.
pub(crate) const SIZE: usize = 16 * 1024;

/// A buffer of [`SIZE`] bytes, all of them initialised.
pub(crate) fn take() -> Vec<u8> {
    vec![0; SIZE]
}

/// Gives a buffer back, to the allocator.
pub(crate) fn give(buffer: Vec<u8>) {
    drop(buffer);
}
