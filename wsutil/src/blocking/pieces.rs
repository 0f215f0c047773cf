//! Streams that mask, unmask or validate what goes through them.

use std::{
    io::{self, Read, Write},
    vec::Vec,
};

use wscore::Mask;

use crate::{Utf8, drive::is_passing};

/// A stream of payload that is unmasked as it is read, from any place of the frame on.
///
/// ```
/// # use std::io::Read;
/// let mut reader = wsutil::CipherReader::new(&b"\x7f\x9f\x4d\x51\x58"[..], [0x37, 0xfa, 0x21, 0x3d]);
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!(text, "Hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct CipherReader<R> {
    stream: R,
    mask: Mask,
}

impl<R: Read> CipherReader<R> {
    /// The payload of a frame with this key.
    pub const fn new(stream: R, mask: [u8; 4]) -> Self {
        Self { stream, mask: Mask::new(mask) }
    }

    /// The stream.
    pub fn into_inner(self) -> R {
        self.stream
    }
}

impl<R: Read> Read for CipherReader<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(room)?;
        self.mask.apply(&mut room[..read]);
        Ok(read)
    }
}

/// A stream of payload that is masked as it is written; the caller's bytes are left as they are.
#[derive(Debug)]
pub struct CipherWriter<W> {
    stream: W,
    mask: Mask,
    /// Masked bytes that the stream has not taken yet.
    masked: Vec<u8>,
}

impl<W: Write> CipherWriter<W> {
    /// The payload of a frame with this key.
    pub const fn new(stream: W, mask: [u8; 4]) -> Self {
        Self { stream, mask: Mask::new(mask), masked: Vec::new() }
    }

    fn write_masked(&mut self) -> io::Result<()> {
        while !self.masked.is_empty() {
            match self.stream.write(&self.masked) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.masked.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl<W: Write> Write for CipherWriter<W> {
    /// Takes at most 4 KiB at a time. What is taken is masked once, and written even if the stream
    /// would block or times out in between.
    fn write(&mut self, payload: &[u8]) -> io::Result<usize> {
        self.write_masked()?;
        let piece = &payload[..payload.len().min(4096)];
        self.masked.extend_from_slice(piece);
        self.mask.apply(&mut self.masked);
        match self.write_masked() {
            Err(error) if !is_passing(&error) => Err(error),
            _ => Ok(piece.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_masked()?;
        self.stream.flush()
    }
}

/// A stream of text that is validated as it is read, cut anywhere.
///
/// ```
/// # use std::io::Read;
/// let mut reader = wsutil::Utf8Reader::new(&b"valid\xff"[..]);
/// assert_eq!(reader.read(&mut [0; 10])?, 5);
/// let error = reader.read(&mut [0; 10]).unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Utf8Reader<R> {
    stream: R,
    text: Utf8,
    is_invalid: bool,
}

impl<R: Read> Utf8Reader<R> {
    /// The text that this stream holds.
    pub const fn new(stream: R) -> Self {
        Self { stream, text: Utf8::new(), is_invalid: false }
    }

    /// Whether the text may end where it was read to.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        !self.is_invalid && self.text.finish().is_ok()
    }

    fn invalid(&mut self) -> io::Error {
        self.is_invalid = true;
        io::Error::new(io::ErrorKind::InvalidData, crate::NotUtf8 { valid_up_to: 0 })
    }
}

impl<R: Read> Read for Utf8Reader<R> {
    /// Fails with [`io::ErrorKind::InvalidData`] behind the last valid character, and at the end of
    /// the stream if it is inside one.
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.is_invalid {
            return Err(self.invalid());
        }
        let read = self.stream.read(room)?;
        if read == 0 && !room.is_empty() && !self.is_complete() {
            return Err(self.invalid());
        }
        match self.text.push(&room[..read]) {
            Ok(()) => Ok(read),
            Err(error) => {
                self.is_invalid = true;
                if error.valid_up_to == 0 { Err(self.invalid()) } else { Ok(error.valid_up_to) }
            }
        }
    }
}
