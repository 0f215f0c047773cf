//! Calls of what is the user's: one that panics takes nothing with it.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What a call returns; `None` if it panicked.
#[inline]
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).map_err(guarded_drop).ok()
}

/// Drops what is the user's, which may panic as well, with anything.
pub(crate) fn guarded_drop<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        mem::forget(payload);
    }
}
