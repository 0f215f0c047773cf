//! The output of DEFLATE, which refers to itself.

use crate::window::Window;

/// The room of a call, and how much of it is written.
pub(crate) struct Output<'a> {
    pub(crate) room: &'a mut [u8],
    pub(crate) len: usize,
}

impl Output<'_> {
    pub(crate) fn left(&self) -> usize {
        self.room.len() - self.len
    }

    /// Appends what lies `distance` bytes back, in the window where it is further than this call.
    #[inline(always)]
    pub(crate) fn copy(&mut self, window: &Window, distance: usize, mut len: usize) {
        if distance > self.len {
            let back = distance - self.len;
            let from_window = len.min(back);
            window.copy(back, &mut self.room[self.len..self.len + from_window]);
            self.len += from_window;
            len -= from_window;
        }
        if distance >= CHUNK && self.left() >= len + CHUNK {
            self.copy_chunks(distance, len);
        } else {
            self.copy_exactly(distance, len);
        }
    }

    /// Copies whole chunks: what is behind the last byte is overwritten, and to be written yet.
    #[inline(always)]
    fn copy_chunks(&mut self, distance: usize, len: usize) {
        let mut copied = 0;
        while copied < len {
            let at = self.len + copied;
            if let Some(chunk) = self.room[at - distance..].first_chunk::<CHUNK>().copied() {
                if let Some(place) = self.room[at..].first_chunk_mut() {
                    *place = chunk;
                }
            }
            copied += CHUNK;
        }
        self.len += len;
    }

    fn copy_exactly(&mut self, mut distance: usize, mut len: usize) {
        // What was copied may be referred to again: the copies double.
        while len > 0 {
            let from = self.len - distance;
            let now = len.min(distance);
            self.room.copy_within(from..from + now, self.len);
            self.len += now;
            len -= now;
            distance += now;
        }
    }
}

/// References are copied in pieces of so many bytes where there is room.
const CHUNK: usize = 16;
