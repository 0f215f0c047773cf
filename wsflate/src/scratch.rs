//! What inflating needs inside a message only, kept by the thread for the next one.

use std::{boxed::Box, cell::RefCell, vec::Vec};

use crate::inflate::Memory;

/// How many a thread keeps, of some 40 KB each.
const MAX_KEPT: usize = 4;

thread_local! {
    static FREE: RefCell<Vec<Box<Memory>>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn take() -> Box<Memory> {
    let free = FREE.try_with(|free| free.borrow_mut().pop());
    free.ok().flatten().unwrap_or_else(Memory::new)
}

pub(crate) fn give(memory: Box<Memory>) {
    // A thread that ends keeps nothing.
    let _ = FREE.try_with(|free| {
        let mut free = free.borrow_mut();
        if free.len() < MAX_KEPT {
            free.push(memory);
        }
    });
}
