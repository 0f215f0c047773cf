//! What a non-blocking stream takes and gives.

use std::io::{self, ErrorKind, IoSlice, Read, Write};

use wsutil::Sending;

/// Slices of one write at the most.
const SLICES: usize = 32;

/// One read; `None` if there is nothing now.
pub(crate) fn read(stream: &mut impl Read, room: &mut [u8]) -> io::Result<Option<usize>> {
    passing(|| stream.read(room))
}

/// Writes what waits, as far as the stream takes it now: whether it took all.
pub(crate) fn write(stream: &mut impl Write, sending: &mut Sending<'_>) -> io::Result<bool> {
    while sending.pending() > 0 {
        let written = passing(|| match sending.one_piece() {
            Some(piece) => stream.write(piece),
            None => {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let pieces = slices.iter_mut().zip(sending.pieces());
                let count = pieces.map(|(slice, piece)| *slice = IoSlice::new(piece)).count();
                stream.write_vectored(&slices[..count])
            }
        });
        match written? {
            Some(0) => return Err(ErrorKind::WriteZero.into()),
            Some(written) => sending.written(written),
            None => return Ok(false),
        }
    }
    Ok(true)
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
