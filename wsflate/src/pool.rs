//! Compressors that the connections of all threads take turns with.

use std::{
    boxed::Box,
    sync::{Mutex, MutexGuard, PoisonError},
    vec::Vec,
};

use crate::{Compress, WindowBits};

/// How many compressors are kept that no connection has in work.
const MAX_KEPT: usize = 16;

#[derive(Default)]
pub(crate) struct Pool {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The one that was given back last is the last. free.len() <= MAX_KEPT
    free: Vec<Free>,
    owners: u64,
}

/// A compressor that no connection has in work.
pub(crate) struct Free {
    pub(crate) bits: WindowBits,
    /// Who has all that it has seen, if messages take over.
    pub(crate) owner: Option<Owner>,
    pub(crate) codec: Box<dyn Compress>,
}

/// A connection whose messages take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u64);

impl Pool {
    /// The compressor that this owner had last, or else any with this window.
    pub(crate) fn take(&self, bits: WindowBits, owner: Option<Owner>) -> Option<Free> {
        let mut inner = self.lock();
        let fits = |free: &Free| free.bits == bits;
        let place = match owner {
            // The last one is still in the processor's cache.
            None => inner.free.iter().rposition(fits),
            // The first one has waited longest for its owner, who may be gone.
            Some(_) => {
                let own = inner.free.iter().rposition(|free| free.owner == owner);
                own.or_else(|| inner.free.iter().position(fits))
            }
        };
        Some(inner.free.remove(place?))
    }

    pub(crate) fn give(&self, free: Free) {
        let mut inner = self.lock();
        let oldest = (inner.free.len() == MAX_KEPT).then(|| inner.free.remove(0));
        inner.free.push(free);
        drop(inner);
        drop(oldest);
    }

    pub(crate) fn new_owner(&self) -> Owner {
        let mut inner = self.lock();
        inner.owners += 1;
        Owner(inner.owners)
    }

    /// A thread that panicked left the pool whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
