//! Events on their way out.

use std::{error, fmt};

use wsutil::SendError;

use super::{EventFormat, InvalidEvent, Value};
use crate::{Client, Publish};

impl EventFormat {
    /// Sends an event to a client.
    ///
    /// # Errors
    /// [`EmitError`].
    pub fn emit<'v, S>(
        &self,
        client: &mut Client<'_, S>,
        name: &str,
        value: impl Into<Value<'v>>,
    ) -> Result<(), EmitError> {
        Ok(client.send(&self.encode(name, value)?)?)
    }

    /// Sends an event to many: how many connections it is for.
    ///
    /// # Errors
    /// [`EmitError`].
    pub fn emit_to<'v>(
        &self,
        to: Publish<'_>,
        name: &str,
        value: impl Into<Value<'v>>,
    ) -> Result<usize, EmitError> {
        Ok(to.send(&self.encode(name, value)?)?)
    }

    /// Sends an event whose value is written as JSON to a client.
    ///
    /// # Errors
    /// [`EmitError`].
    #[cfg(feature = "json")]
    pub fn emit_json<T: serde::Serialize + ?Sized, S>(
        &self,
        client: &mut Client<'_, S>,
        name: &str,
        value: &T,
    ) -> Result<(), EmitError> {
        Ok(client.send(&self.encode_json(name, value)?)?)
    }

    /// Sends an event whose value is written as JSON to many: how many connections it is for.
    ///
    /// # Errors
    /// [`EmitError`].
    #[cfg(feature = "json")]
    pub fn emit_json_to<T: serde::Serialize + ?Sized>(
        &self,
        to: Publish<'_>,
        name: &str,
        value: &T,
    ) -> Result<usize, EmitError> {
        Ok(to.send(&self.encode_json(name, value)?)?)
    }
}

/// Why an event was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmitError {
    /// There is no such event.
    Invalid(InvalidEvent),
    /// A message cannot be sent.
    Send(SendError),
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(error) => error.fmt(f),
            Self::Send(error) => error.fmt(f),
        }
    }
}

impl error::Error for EmitError {}

impl From<InvalidEvent> for EmitError {
    fn from(error: InvalidEvent) -> Self {
        Self::Invalid(error)
    }
}

impl From<SendError> for EmitError {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}
