//! An allocator that counts what each thread asks it for.

#![allow(unsafe_code, clippy::cast_possible_wrap)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

struct Counting;

/// What a thread has asked for.
#[derive(Clone, Copy)]
struct Counted {
    /// Allocations, and bytes of all of them.
    times: usize,
    bytes: usize,
    /// Bytes that are held now, and the most that were.
    live: isize,
    peak: isize,
}

thread_local! {
    static COUNTED: Cell<Counted> =
        const { Cell::new(Counted { times: 0, bytes: 0, live: 0, peak: 0 }) };
}

fn count(grown: usize, shrunk: usize) {
    // A thread that is ending has no counter any more, and no test either.
    let _ = COUNTED.try_with(|cell| {
        let mut counted = cell.get();
        counted.times += usize::from(grown > 0);
        counted.bytes += grown;
        counted.live += grown as isize - shrunk as isize;
        counted.peak = counted.peak.max(counted.live);
        cell.set(counted);
    });
}

// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps to the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps to the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller keeps to the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller keeps to the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often, and how many bytes, this thread allocates meanwhile.
pub(crate) fn allocated(work: impl FnOnce()) -> (usize, usize) {
    let before = COUNTED.get();
    work();
    let after = COUNTED.get();
    (after.times - before.times, after.bytes - before.bytes)
}

/// How many bytes more than before this thread holds after the work, and at the most meanwhile.
pub(crate) fn held(work: impl FnOnce()) -> (isize, isize) {
    let before = COUNTED.get();
    COUNTED.set(Counted { peak: before.live, ..before });
    work();
    let after = COUNTED.get();
    (after.live - before.live, after.peak - before.live)
}
