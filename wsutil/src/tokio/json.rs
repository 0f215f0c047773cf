//! Messages that are JSON, under tokio.

use ::tokio::io::{AsyncRead, AsyncWrite};
use serde::{Serialize, de::DeserializeOwned};

use super::{Connection, Reply};
use crate::{
    Error,
    blocking::json::{from_message, to_text},
};

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Waits for the next message and reads it as JSON; `None` once the closing handshake is done.
    ///
    /// # Errors
    /// [`Error::Json`] if the message is not such a value: it is used up, and the connection
    /// unharmed; else as [`receive`](Self::receive).
    ///
    /// # Cancel safety
    /// Cancel-safe.
    pub async fn receive_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        self.receive().await?.map(|(message, _)| from_message(message)).transpose()
    }

    /// Sends a value as a JSON text message, and writes it with all that waits.
    ///
    /// # Errors
    /// [`Error::Json`] if the value cannot be written as JSON, and nothing is sent; else as
    /// [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let text = to_text(value)?;
        self.send(&text).await
    }
}

impl<S: AsyncWrite + Unpin> Reply<'_, S> {
    /// Gathers a value as a JSON text message.
    ///
    /// # Errors
    /// As [`Connection::send_json`].
    ///
    /// # Cancel safety
    /// As [`Connection::send`].
    pub async fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let text = to_text(value)?;
        self.send(&text).await
    }
}
