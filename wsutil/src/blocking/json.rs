//! Messages that are JSON.

use std::{string::String, vec::Vec};

use serde::{Serialize, de::DeserializeOwned};

use crate::{Connection, Error, Message, Reply, Transport};

/// A value as JSON text, without line breaks.
pub(crate) fn to_text<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(Error::Json)
}

/// The value that a message is, text or binary.
pub(crate) fn from_message<T: DeserializeOwned>(message: Message<'_>) -> Result<T, Error> {
    serde_json::from_slice(message.as_bytes()).map_err(Error::Json)
}

impl<S: Transport> Connection<S> {
    /// Waits for the next message and reads it as JSON; `None` once the closing handshake is done.
    ///
    /// # Errors
    /// [`Error::Json`] if the message is not such a value: it is used up, and the connection
    /// unharmed; else as [`receive`](Self::receive).
    pub fn receive_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        self.receive()?.map(|(message, _)| from_message(message)).transpose()
    }

    /// Sends a value as a JSON text message, and writes it with all that waits.
    ///
    /// # Errors
    /// [`Error::Json`] if the value cannot be written as JSON, and nothing is sent; else as
    /// [`send`](Self::send).
    pub fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.send(&to_text(value)?)
    }
}

impl<S: Transport> Reply<'_, S> {
    /// Gathers a value as a JSON text message.
    ///
    /// # Errors
    /// As [`Connection::send_json`].
    pub fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.send(&to_text(value)?)
    }
}

/// Reads the next message as JSON, on any stream: see [`read_message`](crate::read_message).
///
/// # Errors
/// [`Error::Json`] if the message is not such a value; else as
/// [`read_message`](crate::read_message).
pub fn read_json<T: DeserializeOwned, S: std::io::Read + std::io::Write>(
    stream: &mut S,
    role: wscore::Role,
) -> Result<T, Error> {
    let message: Vec<u8> = crate::read_message(stream, role)?.into_bytes();
    serde_json::from_slice(&message).map_err(Error::Json)
}

/// Writes a value as a JSON text message, on any stream, in one write.
///
/// # Errors
/// [`Error::Json`] if the value cannot be written as JSON, and nothing is sent; [`Error::Io`].
pub fn write_json<T: Serialize + ?Sized, S: std::io::Write>(
    stream: &mut S,
    role: wscore::Role,
    value: &T,
) -> Result<(), Error> {
    let text = to_text(value)?;
    Ok(super::writer::write_message(stream, role, Message::Text(&text))?)
}
