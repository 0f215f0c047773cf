//! Buffers that the connections of a thread take turns with.

use std::{cell::RefCell, vec, vec::Vec};

/// How large a buffer is when it is new, in bytes: what one read brings at the most, though only
/// as much of it is ever touched as comes.
pub(crate) const SIZE: usize = 512 * 1024;

/// The most bytes that a thread keeps while no connection needs them.
const MAX_KEPT: usize = 4 << 20;

#[derive(Default)]
struct Pool {
    free: Vec<Vec<u8>>,
    /// The bytes of all free ones together: kept <= MAX_KEPT
    kept: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// A buffer of at least [`SIZE`] bytes, all of them initialised; what they are is left over.
pub(crate) fn take() -> Vec<u8> {
    let free = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        let buffer = pool.free.pop()?;
        pool.kept -= buffer.len();
        Some(buffer)
    });
    free.ok().flatten().unwrap_or_else(|| vec![0; SIZE])
}

/// Gives a buffer back, for the next connection that has bytes in work.
pub(crate) fn give(buffer: Vec<u8>) {
    if buffer.len() < SIZE {
        return;
    }
    // A thread that ends keeps nothing.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.kept + buffer.len() <= MAX_KEPT {
            pool.kept += buffer.len();
            pool.free.push(buffer);
        }
    });
}
