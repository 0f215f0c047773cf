//! Frames on their way out, gathered until the stream takes them.
//!
//! Small payloads are copied behind their headers. A large one that lies among the received bytes
//! is only noted, and written from there: an echo of it is not copied.
//!
//! ```text
//! bytes   [ header payload header │ header payload … ]
//! lent                            └ payload at 1_000..9_000 of the received bytes
//! ```

use alloc::{collections::VecDeque, vec, vec::Vec};

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
    /// How many bytes are left of a frame that is written in part.
    begun: usize,
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

    /// Appends the rest of a frame, of which all before it was put here.
    #[cfg(feature = "std")]
    pub(crate) fn put_rest(&mut self, rest: &[u8]) {
        if self.pending() == 0 {
            self.begun = rest.len();
        }
        self.put_bytes(rest);
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
        if written < self.pending() {
            self.begin(written);
        } else {
            self.begun = 0;
        }
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

    /// Takes note of where a frame ends, when not all that waits is written.
    #[cold]
    fn begin(&mut self, written: usize) {
        while self.begun < written {
            let Some((header, size)) = self.header_at(self.begun) else { return };
            self.begun += size + usize::try_from(header.len).unwrap_or(usize::MAX);
        }
        self.begun -= written;
    }

    /// The header of the frame that begins so many bytes behind the first.
    fn header_at(&self, mut place: usize) -> Option<(Header, usize)> {
        // Headers are never lent.
        for lent in &self.lent {
            if self.start + place < lent.at {
                break;
            }
            place = place.checked_sub(lent.len)?;
        }
        Header::parse(&self.bytes[self.start + place..self.end]).ok().flatten()
    }

    /// Forgets all frames but the rest of the one that is written in part.
    pub(crate) fn discard(&mut self, received: &[u8]) {
        let mut rest = Self::default();
        rest.begun = self.begun;
        for piece in self.pieces(received) {
            let left = self.begun - rest.pending();
            rest.put_bytes(&piece[..left.min(piece.len())]);
        }
        *self = rest;
    }

    /// Copies what lies among the received bytes, before they change.
    #[cold]
    pub(crate) fn keep_lent(&mut self, received: &[u8]) {
        let mut kept = Self::default();
        kept.begun = self.begun;
        for piece in self.pieces(received) {
            kept.put_bytes(piece);
        }
        *self = kept;
    }

    /// Holds no more than what waits needs: nothing for nothing, a small buffer for a little.
    pub(crate) fn park(&mut self) {
        let own = self.end - self.start;
        if self.pending() == 0 {
            pool::give(core::mem::take(&mut self.bytes));
        } else if self.lent.is_empty() && own <= self.bytes.len() / 4 {
            let mut small = vec![0; own.next_power_of_two().max(64)];
            small[..own].copy_from_slice(&self.bytes[self.start..self.end]);
            pool::give(core::mem::replace(&mut self.bytes, small));
            (self.start, self.end) = (0, own);
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

#[cfg(test)]
mod tests {
    use wscore::OpCode;

    use super::*;

    #[test]
    fn all_but_the_frame_that_is_begun_is_discarded_wherever_it_was_cut() {
        let received: Vec<u8> = (0..200).map(|n| (n % 251) as u8).collect();
        let fill = |out: &mut Outbox| {
            out.put(&Header::new(OpCode::Text, 5), b"first");
            out.put_header(&Header::new(OpCode::Binary, 150));
            out.put_lent(20, 150);
            out.put(&Header::new(OpCode::Ping, 0), b"");
            out.put_header(&Header::new(OpCode::Binary, 30));
            out.put_lent(170, 30);
            out.put(&Header { mask: Some([1, 2, 3, 4]), ..Header::new(OpCode::Text, 4) }, b"last");
        };
        let mut whole = Outbox::default();
        fill(&mut whole);
        let all = whole.pieces(&received).collect::<Vec<_>>().concat();
        let ends = [0, 7, 7 + 154, 7 + 154 + 2, 7 + 154 + 2 + 32, all.len()];
        for one in 0..=all.len() {
            for two in one..=all.len() {
                let mut out = Outbox::default();
                fill(&mut out);
                out.advance(one);
                out.advance(two - one);
                out.discard(&received);
                let end = *ends.iter().find(|end| **end >= two).unwrap_or(&all.len());
                let rest = out.pieces(&received).collect::<Vec<_>>().concat();
                assert_eq!(rest, all[two..end], "{one} {two}");
                out.put(&Header::new(OpCode::Close, 0), b"");
                assert_eq!(out.pending(), end - two + 2);
                out.advance(1);
                assert_eq!(out.pending(), end - two + 1);
            }
        }
    }

    #[cfg(feature = "std")]
    #[test]
    fn the_rest_of_a_frame_is_begun_whatever_it_looks_like() {
        let received = [b'a'; 70_000];
        for written in [0, 1, 4, 5, 10, 20_003] {
            // The payload is written from where it lies, as far as it goes.
            let mut out = Outbox::default();
            out.put_header(&Header::new(OpCode::Text, 20_000));
            let header = out.pending();
            let behind = out.advance(written);
            out.put_rest(&received[behind..20_000]);
            out.put_header(&Header::new(OpCode::Text, 65_536));
            out.put_lent(100, 65_536);
            for taken in [10_000, 20_000, 30_000] {
                out.advance(taken);
            }
            let left = (header + 20_000 + 10 + 65_536) - written - 60_000;
            assert_eq!(out.pending(), left);
            out.put(&Header::new(OpCode::Ping, 0), b"");
            out.discard(&received);
            assert_eq!(out.pending(), left);
        }
    }

    #[test]
    fn what_waits_while_parked_is_held_in_little() {
        let mut out = Outbox::default();
        out.put(&Header::new(OpCode::Text, 5), b"first");
        out.put(&Header::new(OpCode::Text, 4), b"last");
        out.advance(3);
        out.park();
        assert_eq!(out.bytes.len(), 64);
        out.park();
        assert_eq!(out.one_piece(), Some(&b"irst\x81\x04last"[..]));
        out.put(&Header::new(OpCode::Binary, 200), &[7; 200]);
        assert_eq!(out.pending(), 10 + 204);
        out.advance(1);
        out.discard(&[]);
        assert_eq!(out.one_piece(), Some(&b"rst"[..]));
        out.advance(3);
        out.park();
        assert!(out.bytes.is_empty());
    }
}
