//! Finding the end of a request's or response's head, once, however it arrives.

use memchr::memchr;

use super::Limits;

/// Why a head is refused before it is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// A line that ends with LF alone.
    BareLineFeed,
    /// A line that ends with CR CR LF.
    BareCarriageReturn,
    /// The first line is longer than [`Limits::line`].
    FirstLineTooLong,
    /// Another line is longer than [`Limits::line`].
    LineTooLong,
    /// All lines together are longer than [`Limits::head`].
    HeadTooLong,
    /// There are more header lines than [`Limits::headers`].
    TooManyHeaders,
}

/// A search for the empty line, which goes on where it stopped.
///
/// Every byte is looked at once, so a head that comes byte by byte costs no more than a whole one.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeadScan {
    /// Bytes looked at: line <= seen
    seen: usize,
    /// Where the line begins that is being looked at.
    line: usize,
    /// Lines that are complete, the first one included.
    lines: usize,
    /// How long the head is, once that is known.
    end: Option<usize>,
    #[cfg(test)]
    pub(crate) visited: usize,
}

impl HeadScan {
    /// The length of the head with its empty line, or `None` while more bytes are wanted.
    ///
    /// `received` is everything from the first byte of the head on; it may only have grown since
    /// the last call.
    pub(crate) fn advance(
        &mut self,
        received: &[u8],
        limits: &Limits,
    ) -> Result<Option<usize>, HeadError> {
        if received.len() < self.end.unwrap_or(self.seen) {
            // Not what was looked at before: another head, from its beginning.
            *self = Self::default();
        }
        while self.end.is_none() {
            let Some(found) = self.find_line_feed(received) else {
                self.check_lengths(received.len(), limits)?;
                self.seen = received.len();
                return Ok(None);
            };
            let end = self.seen + found + 1;
            self.check_lengths(end, limits)?;
            // RFC 9112 §2.2: lines end with CRLF; we are strict where a lone LF may be tolerated.
            let Some(line) = received[self.line..end].strip_suffix(b"\r\n") else {
                return Err(HeadError::BareLineFeed);
            };
            match (line, self.lines) {
                // RFC 9112 §2.2: a CR stands before an LF, or the message is invalid.
                ([.., b'\r'], _) => return Err(HeadError::BareCarriageReturn),
                // RFC 9112 §2.2: empty lines before the first one are ignored.
                ([], 0) => {}
                ([], _) => self.end = Some(end),
                _ if self.lines > limits.headers => return Err(HeadError::TooManyHeaders),
                _ => self.lines += 1,
            }
            (self.seen, self.line) = (end, end);
        }
        Ok(self.end)
    }

    fn find_line_feed(&mut self, received: &[u8]) -> Option<usize> {
        let found = memchr(b'\n', &received[self.seen..]);
        #[cfg(test)]
        {
            self.visited += found.map_or(received.len() - self.seen, |found| found + 1);
        }
        found
    }

    /// Checks what is known of the head when its first `len` bytes are there: the first byte that
    /// is too much decides, however many came with it.
    fn check_lengths(&self, len: usize, limits: &Limits) -> Result<(), HeadError> {
        let line_limit = self.line.saturating_add(limits.line);
        if len <= line_limit.min(limits.head) {
            return Ok(());
        }
        Err(match self.lines {
            _ if limits.head < line_limit => HeadError::HeadTooLong,
            0 => HeadError::FirstLineTooLong,
            _ => HeadError::LineTooLong,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head_of(len: usize) -> Vec<u8> {
        let mut head = b"GET / HTTP/1.1\r\n".to_vec();
        while head.len() + 64 < len {
            head.extend_from_slice(b"X-Header: abcdefghijklmnopqrstuvwxyz0123456789\r\n");
        }
        head.resize(len - 4, b'a');
        head.extend_from_slice(b"\r\n\r\n");
        head
    }

    #[test]
    fn cve_2023_43669_every_byte_is_visited_once_however_the_head_arrives() {
        let limits = Limits { headers: 1000, ..Limits::default() };
        for len in [1024, 4096, limits.head] {
            let head = head_of(len);
            let mut scan = HeadScan::default();
            for end in 0..len {
                assert_eq!(scan.advance(&head[..end], &limits), Ok(None));
            }
            assert_eq!(scan.advance(&head, &limits), Ok(Some(len)));
            assert_eq!(scan.advance(&head, &limits), Ok(Some(len)), "asked again");
            assert_eq!(scan.visited, len);
        }
    }

    #[test]
    fn limits_hold_to_the_byte() {
        let limits = Limits { head: 40, line: 20, headers: 2 };
        let scan = |head: &[u8]| HeadScan::default().advance(head, &limits);
        assert_eq!(scan(b"GET /aaa HTTP/1.1"), Ok(None));
        assert_eq!(scan(b"GET /a HTTP/1.1\r\nA: 1\r\nB: 2\r\n\r\n"), Ok(Some(31)));
        assert_eq!(scan(&[b'a'; 20]), Ok(None));
        assert_eq!(scan(&[b'a'; 21]), Err(HeadError::FirstLineTooLong));
        assert_eq!(scan(b"a\r\naaaaaaaaaaaaaaaaaaaaa"), Err(HeadError::LineTooLong));
        assert_eq!(scan(b"a\r\n1\r\n2\r\n3\r\n"), Err(HeadError::TooManyHeaders));
        assert_eq!(
            scan(b"aaaaaaaaaaaaaaaaaa\r\nbbbbbbbbbbbbbbbbbb\r\n\r"),
            Err(HeadError::HeadTooLong)
        );
        assert_eq!(scan(b"a\nb"), Err(HeadError::BareLineFeed));
    }
}
