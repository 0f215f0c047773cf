//! What inflating needs inside a message, where there are no threads to keep it: always new.

use alloc::boxed::Box;

use crate::inflate::Memory;

pub(crate) fn take() -> Box<Memory> {
    Memory::new()
}

pub(crate) fn give(memory: Box<Memory>) {
    drop(memory);
}
