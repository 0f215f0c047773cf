//! What an event says.

use std::fmt;

use super::EventError;

/// The value of an event, as it lies in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Type 0: a text.
    Text(&'a str),
    /// Type 1: an integer.
    Integer(i64),
    /// Type 2: true or false.
    Bool(bool),
    /// Type 3: bytes.
    Bytes(&'a [u8]),
    /// Type 4: JSON, as text; nobody has looked whether it is.
    Json(&'a str),
}

/// The type of a [`Value`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// 0 on the wire.
    Text,
    /// 1 on the wire.
    Integer,
    /// 2 on the wire.
    Bool,
    /// 3 on the wire.
    Bytes,
    /// 4 on the wire.
    Json,
}

impl<'a> Value<'a> {
    /// Its type.
    #[must_use]
    pub const fn value_type(&self) -> ValueType {
        match self {
            Self::Text(_) => ValueType::Text,
            Self::Integer(_) => ValueType::Integer,
            Self::Bool(_) => ValueType::Bool,
            Self::Bytes(_) => ValueType::Bytes,
            Self::Json(_) => ValueType::Json,
        }
    }

    /// The value that it is as JSON: bytes are none, all others are.
    ///
    /// # Errors
    /// [`EventError::InvalidJson`] if it is not JSON, or not of such a value, and
    /// [`EventError::WrongType`] for bytes.
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, EventError> {
        let value = match *self {
            Self::Json(text) => serde_json::from_str(text),
            Self::Text(text) => serde_json::from_value(text.into()),
            Self::Integer(number) => serde_json::from_value(number.into()),
            Self::Bool(is) => serde_json::from_value(is.into()),
            Self::Bytes(_) => return Err(self.is_not(ValueType::Json)),
        };
        value.map_err(|_| EventError::InvalidJson)
    }

    pub(super) const fn is_not(&self, expected: ValueType) -> EventError {
        EventError::WrongType { expected, found: self.value_type() }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a text",
            Self::Integer => "an integer",
            Self::Bool => "a bool",
            Self::Bytes => "bytes",
            Self::Json => "JSON",
        })
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(is: bool) -> Self {
        Self::Bool(is)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}
