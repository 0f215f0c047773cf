//! What a non-blocking stream takes and gives.

use std::io::{self, ErrorKind, Read};

/// One read; `None` if there is nothing now.
pub(crate) fn read(stream: &mut impl Read, room: &mut [u8]) -> io::Result<Option<usize>> {
    passing(|| stream.read(room))
}

/// Again where a signal interrupted it; `None` where it would block.
pub(crate) fn passing<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<Option<T>> {
    loop {
        match call() {
            Ok(done) => return Ok(Some(done)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}
