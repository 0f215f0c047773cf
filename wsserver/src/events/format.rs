//! Events as messages.

use std::{borrow::Cow, error, fmt, str};

use wsutil::{Message, OwnedMessage};

use super::value::{Value, ValueType};

/// What messages of events are like: `prefix name ; type ; data`.
///
/// The type is one digit: 0 for a text, 1 for an integer in decimal, 2 for `true` or `false`, 3 for
/// bytes as they are, 4 for JSON. Bytes are sent in binary messages and all others in text; what is
/// received may come in either. A message that does not begin with the prefix is a native one.
///
/// ```
/// use wsserver::{Event, EventFormat, Value};
/// use wsutil::Message;
/// let format = EventFormat::new("iris-websocket-message:")?;
/// let message = format.encode("chat", "a;b")?;
/// assert_eq!(message.as_bytes(), b"iris-websocket-message:chat;0;a;b");
/// let event = Event { name: "chat", value: Value::Text("a;b") };
/// assert_eq!(format.parse((&message).into()), Ok(Some(event)));
/// assert_eq!(format.parse("hello".into()), Ok(None));
/// # Ok::<(), wsserver::InvalidEvent>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFormat {
    prefix: Cow<'static, str>,
}

/// A named event, as it lies in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its name, which is not empty and has no semicolon.
    pub name: &'a str,
    /// What it says.
    pub value: Value<'a>,
}

/// What is wrong with a message that begins as an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventError {
    /// Its name is empty, not ended by a semicolon, or not UTF-8.
    InvalidName,
    /// Its type is none of the digits 0 to 4 with a semicolon behind it.
    InvalidType,
    /// Its value is of type 0 or 4, and not UTF-8.
    NotUtf8,
    /// Its value is of type 1, and no decimal of at most 19 digits in 64 bits with a sign.
    InvalidInteger,
    /// Its value is of type 2, and neither `true` nor `false`.
    InvalidBool,
    /// Its value is not JSON, or not of the value that the handler takes.
    InvalidJson,
    /// Its value is not of the type that the handler takes.
    WrongType {
        /// What the handler takes.
        expected: ValueType,
        /// What came.
        found: ValueType,
    },
}

/// Why there is no such event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidEvent {
    /// A prefix has to end with a colon, and has no semicolon.
    Prefix,
    /// A name has to have at least one byte, and no semicolon.
    Name,
    /// The value cannot be written as JSON.
    Json,
}

impl EventFormat {
    /// Events that begin with `m:`.
    pub const DEFAULT: Self = Self { prefix: Cow::Borrowed("m:") };

    /// Events that begin with this prefix.
    ///
    /// # Errors
    /// [`InvalidEvent::Prefix`].
    pub fn new(prefix: impl Into<Cow<'static, str>>) -> Result<Self, InvalidEvent> {
        let prefix = prefix.into();
        match prefix.ends_with(':') && !prefix.contains(';') {
            true => Ok(Self { prefix }),
            false => Err(InvalidEvent::Prefix),
        }
    }

    /// What events begin with: `m:` by default.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The message of an event.
    ///
    /// # Errors
    /// [`InvalidEvent::Name`].
    pub fn encode<'v>(
        &self,
        name: &str,
        value: impl Into<Value<'v>>,
    ) -> Result<OwnedMessage, InvalidEvent> {
        if name.is_empty() || name.contains(';') {
            return Err(InvalidEvent::Name);
        }
        let text =
            |kind: &str, data: &str| OwnedMessage::Text([&self.prefix, name, kind, data].concat());
        Ok(match value.into() {
            Value::Text(data) => text(";0;", data),
            Value::Integer(number) => text(";1;", &number.to_string()),
            Value::Bool(is) => text(";2;", if is { "true" } else { "false" }),
            Value::Bytes(bytes) => {
                let head = [self.prefix.as_bytes(), name.as_bytes(), b";3;"];
                OwnedMessage::Binary([&head.concat(), bytes].concat())
            }
            Value::Json(data) => text(";4;", data),
        })
    }

    /// The message of an event whose value is written as JSON.
    ///
    /// # Errors
    /// [`InvalidEvent`].
    #[cfg(feature = "json")]
    pub fn encode_json<T: serde::Serialize + ?Sized>(
        &self,
        name: &str,
        value: &T,
    ) -> Result<OwnedMessage, InvalidEvent> {
        let json = serde_json::to_string(value).map_err(|_| InvalidEvent::Json)?;
        self.encode(name, Value::Json(&json))
    }

    /// The event that a message is; `None` for a native message.
    ///
    /// # Errors
    /// [`EventError`] if it begins as an event and is none.
    pub fn parse<'m>(&self, message: Message<'m>) -> Result<Option<Event<'m>>, EventError> {
        let bytes = message.as_bytes();
        let Some(rest) = bytes.strip_prefix(self.prefix.as_bytes()) else { return Ok(None) };
        let end = rest
            .iter()
            .position(|byte| *byte == b';')
            .filter(|end| *end > 0)
            .ok_or(EventError::InvalidName)?;
        let name = str::from_utf8(&rest[..end]).map_err(|_| EventError::InvalidName)?;
        let &[digit, b';', ref data @ ..] = &rest[end + 1..] else {
            return Err(EventError::InvalidType);
        };
        let text = || str::from_utf8(data).map_err(|_| EventError::NotUtf8);
        let value = match digit {
            b'0' => Value::Text(text()?),
            b'1' => Value::Integer(integer(data)?),
            b'2' if data == b"true" => Value::Bool(true),
            b'2' if data == b"false" => Value::Bool(false),
            b'2' => return Err(EventError::InvalidBool),
            b'3' => Value::Bytes(data),
            b'4' => Value::Json(text()?),
            _ => return Err(EventError::InvalidType),
        };
        Ok(Some(Event { name, value }))
    }
}

impl Default for EventFormat {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Digits, at most 19, and a minus before them perhaps: no plus, and no spaces.
fn integer(data: &[u8]) -> Result<i64, EventError> {
    let digits = data.strip_prefix(b"-").unwrap_or(data);
    let is_decimal = digits.len() <= 19 && digits.iter().all(u8::is_ascii_digit);
    let text = str::from_utf8(data).ok().filter(|_| is_decimal);
    text.and_then(|text| text.parse().ok()).ok_or(EventError::InvalidInteger)
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName => f.write_str("event without a name"),
            Self::InvalidType => f.write_str("event whose type is none of 0 to 4"),
            Self::NotUtf8 => f.write_str("event whose text is not UTF-8"),
            Self::InvalidInteger => f.write_str("event whose integer is none of 64 bits"),
            Self::InvalidBool => f.write_str("event whose bool is neither true nor false"),
            Self::InvalidJson => f.write_str("event whose JSON is not what is expected"),
            Self::WrongType { expected, found } => {
                write!(f, "event with {found} in place of {expected}")
            }
        }
    }
}

impl error::Error for EventError {}

impl fmt::Display for InvalidEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prefix => "prefix of events that does not end with a colon, or has a semicolon",
            Self::Name => "name of an event that is empty or has a semicolon",
            Self::Json => "value that cannot be written as JSON",
        })
    }
}

impl error::Error for InvalidEvent {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails with a panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PREFIXES: [&str; 2] = ["m:", "iris-websocket-message:"];

    #[test]
    fn s8_events_are_on_the_wire_as_they_should_be() {
        let rows: [(&str, Value<'_>, &[u8]); 13] = [
            ("chat", Value::Text("hello"), b"chat;0;hello"),
            ("chat", Value::Text(""), b"chat;0;"),
            ("chat", Value::Text("a;b;c"), b"chat;0;a;b;c"),
            ("n", Value::Integer(42), b"n;1;42"),
            ("n", Value::Integer(0), b"n;1;0"),
            ("n", Value::Integer(i64::MIN), b"n;1;-9223372036854775808"),
            ("n", Value::Integer(i64::MAX), b"n;1;9223372036854775807"),
            ("ok", Value::Bool(true), b"ok;2;true"),
            ("ok", Value::Bool(false), b"ok;2;false"),
            ("b", Value::Bytes(b"\x00\xff;"), b"b;3;\x00\xff;"),
            ("u", Value::Json("{\"a\":1}"), b"u;4;{\"a\":1}"),
            ("m:m:", Value::Text("m:"), b"m:m:;0;m:"),
            ("nachr\u{ed}cht", Value::Text("\u{e9}"), "nachr\u{ed}cht;0;\u{e9}".as_bytes()),
        ];
        for prefix in PREFIXES {
            let format = EventFormat::new(prefix).unwrap();
            for (name, value, wire) in rows {
                let message = format.encode(name, value).unwrap();
                assert_eq!(message.as_bytes(), [prefix.as_bytes(), wire].concat());
                let is_binary = matches!(message, OwnedMessage::Binary(_));
                assert_eq!(is_binary, matches!(value, Value::Bytes(_)));
                let event = Some(Event { name, value });
                assert_eq!(format.parse((&message).into()), Ok(event));
                // Any type may come in a binary message.
                assert_eq!(format.parse(Message::Binary(message.as_bytes())), Ok(event));
            }
        }
    }

    #[test]
    fn s8_what_is_no_event_is_native_or_refused() {
        use EventError::{InvalidBool, InvalidInteger, InvalidName, InvalidType, NotUtf8};
        let rows: [(&[u8], Option<EventError>); 24] = [
            (b"", None),
            (b"m", None),
            (b"hello", None),
            (b"M:chat;0;hello", None),
            (b"m:", Some(InvalidName)),
            (b"m:chat", Some(InvalidName)),
            (b"m:;0;x", Some(InvalidName)),
            (b"m:\xff;0;x", Some(InvalidName)),
            (b"m:chat;", Some(InvalidType)),
            (b"m:chat;0", Some(InvalidType)),
            (b"m:chat;5;", Some(InvalidType)),
            (b"m:chat;00;x", Some(InvalidType)),
            (b"m:chat;;x", Some(InvalidType)),
            (b"m:chat;0;\xff", Some(NotUtf8)),
            (b"m:chat;4;\xff", Some(NotUtf8)),
            (b"m:n;1;", Some(InvalidInteger)),
            (b"m:n;1;-", Some(InvalidInteger)),
            (b"m:n;1;+1", Some(InvalidInteger)),
            (b"m:n;1; 1", Some(InvalidInteger)),
            (b"m:n;1;9223372036854775808", Some(InvalidInteger)),
            (b"m:n;1;00000000000000000001", Some(InvalidInteger)),
            (b"m:n;1;\xff", Some(InvalidInteger)),
            (b"m:b;2;", Some(InvalidBool)),
            (b"m:b;2;True", Some(InvalidBool)),
        ];
        for (bytes, error) in rows {
            let parsed = EventFormat::default().parse(Message::Binary(bytes));
            assert_eq!(parsed, error.map_or(Ok(None), Err), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn s8_names_and_prefixes_are_checked() {
        for prefix in ["", "m", "m;:", "m: "] {
            assert_eq!(EventFormat::new(prefix), Err(InvalidEvent::Prefix));
        }
        for name in ["", ";", "a;b"] {
            assert_eq!(EventFormat::default().encode(name, "x"), Err(InvalidEvent::Name));
        }
    }

    #[cfg(feature = "json")]
    #[test]
    fn s8_json_is_of_any_type_but_bytes() {
        let message = EventFormat::default().encode_json("u", &[1, 2]).unwrap();
        assert_eq!(message.as_bytes(), b"m:u;4;[1,2]");
        assert_eq!(Value::Json("[1,2]").json(), Ok(vec![1, 2]));
        assert_eq!(Value::Text("[1").json(), Ok("[1".to_owned()));
        assert_eq!((Value::Integer(7).json(), Value::Bool(true).json()), (Ok(7), Ok(true)));
        assert_eq!(Value::Json("[1").json::<Vec<u8>>(), Err(EventError::InvalidJson));
        let wrong = EventError::WrongType { expected: ValueType::Json, found: ValueType::Bytes };
        assert_eq!(Value::Bytes(b"1").json::<u8>(), Err(wrong));
    }

    proptest! {
        #[test]
        fn s8_any_event_comes_back(
            name in "[^;]{1,20}",
            text in any::<String>(),
            bytes in any::<Vec<u8>>(),
            number in any::<i64>(),
            is in any::<bool>(),
            which in 0..5,
        ) {
            let value = match which {
                0 => Value::Text(&text),
                1 => Value::Integer(number),
                2 => Value::Bool(is),
                3 => Value::Bytes(&bytes),
                _ => Value::Json(&text),
            };
            for prefix in PREFIXES {
                let format = EventFormat::new(prefix).unwrap();
                let message = format.encode(&name, value).unwrap();
                prop_assert_eq!(format.parse((&message).into()), Ok(Some(Event { name: &name, value })));
            }
        }

        #[test]
        fn s8_any_bytes_can_be_parsed(bytes in any::<Vec<u8>>(), kind in "[0-9;a:-]{0,8}") {
            let bytes = [b"m:a;", kind.as_bytes(), &bytes].concat();
            let _ = EventFormat::default().parse(Message::Binary(&bytes));
        }
    }
}
