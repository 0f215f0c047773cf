//! Compressors where there are no threads to share them: always new ones.

use alloc::boxed::Box;

use crate::{Compress, WindowBits};

#[derive(Default)]
pub(crate) struct Pool {}

/// A compressor that no connection has in work.
pub(crate) struct Free {
    #[allow(dead_code, reason = "what is not kept is not looked for")]
    pub(crate) bits: WindowBits,
    pub(crate) owner: Option<Owner>,
    pub(crate) codec: Box<dyn Compress>,
}

/// A connection whose messages take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner;

impl Pool {
    pub(crate) fn take(&self, _: WindowBits, _: Option<Owner>) -> Option<Free> {
        None
    }

    pub(crate) fn give(&self, free: Free) {
        drop(free.codec);
    }

    pub(crate) fn new_owner(&self) -> Owner {
        Owner
    }
}
