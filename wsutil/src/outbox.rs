//! Frames on their way out, gathered until the stream takes them.
//!
//! Small payloads are copied behind their headers. A large one that lies among the received bytes
//! is only noted, and written from there: an echo of it is not copied.
//!
//! ```text
//! bytes   [ header payload header │ header payload … ]
//! lent                            └ payload at 1_000..9_000 of the received bytes
//! ```

use alloc::{collections::VecDeque, vec::Vec};

use wscore::{Header, copy_masked};

use crate::{pool, trace};

/// Payload among the received bytes.
#[derive(Clone, Copy, Debug)]
struct Lent {
    /// It follows the bytes before this place: start <= at <= end
    at: usize,
    from: usize,
    len: usize,
}

/// 0 <= start <= end <= bytes.len()
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// All initialised; empty while nothing is held.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// In the order of `at`.
    lent: VecDeque<Lent>,
    /// The bytes of all of them.
    lent_len: usize,
}

impl Outbox {
    /// How many bytes wait to be written.
    #[inline]
    pub(crate) const fn pending(&self) -> usize {
        self.end - self.start + self.lent_len
    }

    /// Whether so many bytes of its own wait, or so many in all.
    #[inline]
    pub(crate) const fn is_over(&self, own: usize, all: usize) -> bool {
        self.end - self.start >= own || self.pending() >= all
    }

    /// Whether some of what waits lies among the received bytes.
    pub(crate) fn has_lent(&self) -> bool {
        self.lent_len > 0
    }

    /// Appends a frame; the payload is masked if the header has a mask.
    #[inline(always)]
    pub(crate) fn put(&mut self, header: &Header, payload: &[u8]) {
        trace::sent(header);
        let encoded = header.encode();
        // Wide enough for the header's whole block, whatever its size.
        let room = self.room(16 + payload.len());
        if let Some(block) = room.first_chunk_mut() {
            *block = *encoded.as_block();
        }
        let place = &mut room[encoded.len()..encoded.len() + payload.len()];
        match header.mask {
            None => place.copy_from_slice(payload),
            Some(mask) => copy_masked(payload, place, mask, 0),
        }
        self.end += encoded.len() + payload.len();
    }

    /// Appends a header whose payload follows otherwise.
    pub(crate) fn put_header(&mut self, header: &Header) {
        self.put(header, &[]);
    }

    /// Appends bytes that are frames already.
    pub(crate) fn put_bytes(&mut self, bytes: &[u8]) {
        self.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Appends payload that lies among the received bytes, from `from` on.
    pub(crate) fn put_lent(&mut self, from: usize, len: usize) {
        self.lent.push_back(Lent { at: self.end, from, len });
        self.lent_len += len;
    }

    /// What waits, in order; `received` are the bytes that payload was lent from.
    pub(crate) fn pieces<'a>(&'a self, received: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let starts = core::iter::once(self.start).chain(self.lent.iter().map(|lent| lent.at));
        let ends = self.lent.iter().map(|lent| lent.at).chain([self.end]);
        let own = starts.zip(ends).map(|(start, end)| &self.bytes[start..end]);
        let lent = self.lent.iter().map(|lent| &received[lent.from..lent.from + lent.len]);
        own.zip(lent.map(Some).chain([None]))
            .flat_map(|(own, lent)| [own, lent.unwrap_or_default()])
            .filter(|piece| !piece.is_empty())
    }

    /// The most pieces that [`pieces`](Self::pieces) yields.
    #[cfg(feature = "std")]
    #[inline]
    pub(crate) fn piece_count(&self) -> usize {
        2 * self.lent.len() + 1
    }

    /// What waits, if it is in one piece of its own.
    #[inline]
    pub(crate) fn one_piece(&self) -> Option<&[u8]> {
        self.lent.is_empty().then(|| &self.bytes[self.start..self.end])
    }

    /// Takes note of written bytes: how many of them were none of these.
    #[inline]
    pub(crate) fn advance(&mut self, mut written: usize) -> usize {
        while let Some(lent) = self.lent.front_mut() {
            let own = written.min(lent.at - self.start);
            self.start += own;
            written -= own;
            let taken = written.min(lent.len);
            lent.from += taken;
            lent.len -= taken;
            self.lent_len -= taken;
            written -= taken;
            if self.start < lent.at || lent.len > 0 {
                return 0;
            }
            self.lent.pop_front();
        }
        let own = written.min(self.end - self.start);
        self.start += own;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        written - own
    }

    /// Copies what lies among the received bytes, before they change.
    #[cold]
    pub(crate) fn keep_lent(&mut self, received: &[u8]) {
        let mut kept = Self::default();
        for piece in self.pieces(received) {
            kept.put_bytes(piece);
        }
        *self = kept;
    }

    /// Gives the buffer back if nothing waits.
    pub(crate) fn park(&mut self) {
        if self.pending() == 0 {
            pool::give(core::mem::take(&mut self.bytes));
        }
    }

    /// Room for `len` bytes behind the last.
    #[inline]
    fn room(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < len {
            self.make_room(len);
        }
        &mut self.bytes[self.end..]
    }

    #[cold]
    fn make_room(&mut self, len: usize) {
        if self.bytes.is_empty() {
            self.bytes = pool::take();
        }
        // Only when it frees half of the buffer, so that a slow reader does not make us move all that
        // waits for every message.
        if self.start >= self.bytes.len() / 2 && self.lent.is_empty() {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let wanted = self.end + len;
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted.max(self.bytes.len() * 2), 0);
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        pool::give(core::mem::take(&mut self.bytes));
    }
}
