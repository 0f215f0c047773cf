//! Received bytes on their way to a message, in a buffer that is held only while there are any.
//!
//! ```text
//!         ┌ the message so far ┐  ┌─── unread ───┐
//! [ used  │                    │  │              │ room ]
//! 0      head                tail next         filled  bytes.len()
//! ```
//! Payload stays where it was received. Only when a message has several fragments do later ones
//! move down, over the headers between them; and what is left in a full buffer moves to its front.

use alloc::{vec, vec::Vec};
use core::ops::Range;

use crate::pool;

/// Reads are given at least this much room, in bytes.
const MIN_ROOM: usize = 4 * 1024;

/// Where a read into a buffer of this size begins.
///
/// A large buffer begins at the beginning of a page, give or take a few bytes, and so does what the
/// system copies from. Processors take the one for the other where the places in their pages are
/// alike (4 KiB aliasing), which halves the speed of the copy: so reads begin in mid-page.
const fn first_place(size: usize) -> usize {
    if size < pool::SIZE { 0 } else { MID_PAGE }
}

const MID_PAGE: usize = 2048;

/// 0 <= head <= tail <= next <= filled <= bytes.len()
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// All initialised; empty while nothing is held.
    bytes: Vec<u8>,
    head: usize,
    tail: usize,
    next: usize,
    filled: usize,
}

impl Inbox {
    /// Everything, for ranges of it.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The message so far.
    pub(crate) fn message(&self) -> &[u8] {
        &self.bytes[self.head..self.tail]
    }

    /// What is received and not decoded.
    pub(crate) fn unread(&mut self) -> &mut [u8] {
        &mut self.bytes[self.next..self.filled]
    }

    /// Whether something is received and not decoded.
    pub(crate) const fn has_unread(&self) -> bool {
        self.next < self.filled
    }

    /// Whether nothing is held but room.
    pub(crate) fn is_empty(&self) -> bool {
        self.head == self.tail && self.next == self.filled
    }

    /// Whether [`room`](Self::room) would move what is held, or write over what was.
    pub(crate) fn room_moves(&self) -> bool {
        self.is_empty() || self.is_full()
    }

    fn is_full(&self) -> bool {
        self.bytes.len() - self.filled < MIN_ROOM
    }

    /// Where the next bytes of the stream go.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.is_empty() {
            self.start_at(first_place(self.bytes.len()));
        }
        if self.is_full() {
            self.make_room();
        }
        &mut self.bytes[self.filled..]
    }

    /// Takes note of bytes that were put in the room.
    pub(crate) fn advance(&mut self, received: usize) {
        assert!(received <= self.bytes.len() - self.filled, "more was received than had room");
        self.filled += received;
    }

    /// Appends bytes.
    pub(crate) fn extend(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.room();
            let len = room.len().min(bytes.len());
            room[..len].copy_from_slice(&bytes[..len]);
            self.advance(len);
            bytes = &bytes[len..];
        }
    }

    /// Forgets the message: it was handed out.
    pub(crate) fn release(&mut self) {
        self.head = self.next;
        self.tail = self.next;
    }

    /// The first `used` unread bytes are decoded, and the last `payload` of them belong to the
    /// message.
    pub(crate) fn take(&mut self, used: usize, payload: usize) {
        let end = self.next + used;
        let start = end - payload;
        if self.head == self.tail {
            (self.head, self.tail) = (start, end);
        } else {
            if self.tail != start {
                self.bytes.copy_within(start..end, self.tail);
            }
            self.tail += payload;
        }
        self.next = end;
    }

    /// Where `inner` lies, if it is a part of what is held.
    pub(crate) fn range_of(bytes: &[u8], inner: &[u8]) -> Option<Range<usize>> {
        let start = inner.as_ptr().addr().checked_sub(bytes.as_ptr().addr())?;
        let end = start.checked_add(inner.len())?;
        (end <= bytes.len()).then_some(start..end)
    }

    /// Holds no more than what waits needs: nothing for nothing, a small buffer for a little.
    pub(crate) fn park(&mut self) {
        let held = self.held();
        if held == 0 {
            return self.give_back();
        }
        // With room to read into: what comes little by little is not moved each time.
        let room = if held < MIN_ROOM { 0 } else { MIN_ROOM };
        let size = (held + room).next_power_of_two().max(64);
        if size < self.bytes.len() {
            self.move_to(vec![0; size]);
        }
    }

    /// How much memory what is held takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        if self.is_empty() { 0 } else { self.bytes.len() }
    }

    const fn held(&self) -> usize {
        self.tail - self.head + self.filled - self.next
    }

    fn give_back(&mut self) {
        pool::give(core::mem::take(&mut self.bytes));
        self.start_at(0);
    }

    /// Nothing is held, and the next bytes go here.
    fn start_at(&mut self, place: usize) {
        (self.head, self.tail, self.next, self.filled) = (place, place, place, place);
    }

    /// The buffer is full, or there is none.
    #[cold]
    fn make_room(&mut self) {
        let held = self.held();
        if self.bytes.len() < pool::SIZE && held < pool::SIZE / 2 {
            self.move_to(pool::take());
        } else if held <= self.bytes.len() / 2 {
            self.move_down();
        } else {
            self.move_down();
            self.bytes.resize(self.bytes.len().max(MIN_ROOM) * 2, 0);
        }
    }

    /// Moves what is held to the front.
    fn move_down(&mut self) {
        let message = self.tail - self.head;
        let start = first_place(self.bytes.len()).min(self.head);
        self.bytes.copy_within(self.head..self.tail, start);
        self.bytes.copy_within(self.next..self.filled, start + message);
        self.settle(start, message);
    }

    /// Moves what is held to another buffer, which it fits.
    fn move_to(&mut self, mut other: Vec<u8>) {
        let message = self.tail - self.head;
        let unread = self.filled - self.next;
        let start = first_place(other.len()).min(other.len() - message - unread);
        let place = &mut other[start..];
        place[..message].copy_from_slice(&self.bytes[self.head..self.tail]);
        place[message..message + unread].copy_from_slice(&self.bytes[self.next..self.filled]);
        pool::give(core::mem::replace(&mut self.bytes, other));
        self.settle(start, message);
    }

    /// What is held lies at `start`, the message first.
    fn settle(&mut self, start: usize, message: usize) {
        let unread = self.filled - self.next;
        let next = start + message;
        (self.head, self.tail, self.next, self.filled) = (start, next, next, next + unread);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.give_back();
    }
}
