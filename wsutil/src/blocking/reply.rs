//! The side of a blocking connection that sends.

use std::io::{self, IoSlice};

use wscore::CloseCode;

use crate::{
    Error, Kind, Message, Prepared, SendError, Sending, Transport,
    sending::{FEW_SLICES, MANY_SLICES},
};

/// The side of a [`Connection`](super::Connection) that sends, while a message is lent.
#[derive(Debug)]
pub struct Reply<'c, S> {
    stream: &'c mut S,
    sending: Sending<'c>,
    held: &'c mut bool,
    end: &'c mut Option<Result<(), Error>>,
}

impl<'c, S: Transport> Reply<'c, S> {
    pub(super) fn new(
        stream: &'c mut S,
        sending: Sending<'c>,
        held: &'c mut bool,
        end: &'c mut Option<Result<(), Error>>,
    ) -> Self {
        Self { stream, sending, held, end }
    }

    /// Gathers a message; it is written before the connection waits for the next one, or when
    /// much waits. Payload of the received message is sent from where it lies.
    ///
    /// # Errors
    /// As [`Connection::send`](super::Connection::send).
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        self.check()?;
        let rest = self.sending.message_or_header(message.into())?;
        if rest.is_empty() && !self.sending.is_to_write() {
            Ok(())
        } else {
            self.again().push(rest)
        }
    }

    /// The same, for a call that is not inlined: what is lent to one has to be in memory.
    #[inline]
    fn again(&mut self) -> Reply<'_, S> {
        Reply { stream: self.stream, sending: self.sending.again(), held: self.held, end: self.end }
    }

    /// Writes this behind what waits, and what waits if that is much.
    #[inline(never)]
    fn push(mut self, mut rest: &[u8]) -> Result<(), Error> {
        while !rest.is_empty() {
            match self.write(rest) {
                Ok(behind) => rest = &rest[behind..],
                Err(error) => {
                    self.sending.put_rest(rest);
                    return Err(error);
                }
            }
        }
        if self.sending.is_to_write() { self.flush() } else { Ok(()) }
    }

    /// Gathers a message that was encoded before.
    ///
    /// # Errors
    /// As [`Connection::send`](super::Connection::send).
    pub fn send_prepared(&mut self, message: &Prepared) -> Result<(), Error> {
        self.check()?;
        self.sending.prepared(message)?;
        if self.sending.is_to_write() { self.flush() } else { Ok(()) }
    }

    /// Gathers a piece of a message, in a frame of its own; the message ends with it if `fin`.
    /// Behind the first piece the kind does not matter. That the pieces of a text are UTF-8 together
    /// is the caller's promise.
    ///
    /// # Errors
    /// As [`Connection::send`](super::Connection::send).
    pub fn send_piece(&mut self, kind: Kind, fin: bool, payload: &[u8]) -> Result<(), Error> {
        self.check()?;
        self.sending.piece(kind, fin, payload)?;
        if self.sending.is_to_write() { self.flush() } else { Ok(()) }
    }

    /// Compresses the messages that begin from now on, or does not, as
    /// [`Connection::set_compression`](super::Connection::set_compression).
    #[cfg(feature = "deflate")]
    pub fn set_compression(&mut self, is_on: bool) {
        self.sending.set_compression(is_on);
    }

    /// Gathers a ping.
    ///
    /// # Errors
    /// As [`Connection::ping`](super::Connection::ping).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.check()?;
        Ok(self.sending.ping(payload)?)
    }

    /// Gathers a close frame; go on receiving until the peer has answered it.
    ///
    /// # Errors
    /// [`SendError::InvalidClose`](crate::SendError::InvalidClose) if the code or the reason cannot
    /// be sent.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        Ok(self.sending.close(code, reason)?)
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn flush(&mut self) -> Result<(), Error> {
        while self.sending.pending() > 0 {
            self.write(&[])?;
        }
        if *self.held {
            self.stream.flush().map_err(|error| self.fail(error))?;
            *self.held = false;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), SendError> {
        if self.end.is_some() { Err(SendError::Closed) } else { Ok(()) }
    }

    /// One write of what waits and of this behind it: how many bytes of this were written.
    fn write(&mut self, behind: &[u8]) -> Result<usize, Error> {
        loop {
            let result = match self.sending.one_piece() {
                Some(piece) if behind.is_empty() => self.stream.write(piece),
                _ if self.sending.is_in_few_pieces() => {
                    let mut slices = [IoSlice::new(&[]); FEW_SLICES];
                    self.stream.write_vectored(self.sending.slices(behind, &mut slices))
                }
                _ => {
                    let mut slices = [IoSlice::new(&[]); MANY_SLICES];
                    self.stream.write_vectored(self.sending.slices(behind, &mut slices))
                }
            };
            match result {
                Ok(0) => return Err(self.fail(io::ErrorKind::WriteZero.into())),
                Ok(written) => {
                    *self.held = true;
                    return Ok(self.sending.advance(written, behind.len()));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    /// Ends the connection with this error, unless it passes.
    fn fail(&mut self, error: io::Error) -> Error {
        let error = Error::Io(error);
        if error.close_code().is_some() {
            *self.end = Some(Err(error.again()));
        }
        error
    }
}
