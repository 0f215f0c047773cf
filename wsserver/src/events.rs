//! Named events with typed values, beside native messages.

mod emit;
mod format;
mod value;

use std::{collections::HashMap, fmt};

use wsutil::Message;

use crate::Client;

pub use self::{
    emit::EmitError,
    format::{Event, EventError, EventFormat, InvalidEvent},
    value::{Value, ValueType},
};

/// What a service does on events that its clients send, by their names.
///
/// An event is a message `prefix name ; type ; data`, such as `m:chat;0;hello`: see [`EventFormat`].
/// The [browser client](crate::BROWSER_CLIENT) speaks the same.
///
/// Handlers of an event are called in the order in which they were added. Events that have none are
/// ignored.
///
/// ```
/// use wsserver::{Client, EventFormat, Events, To};
/// const FORMAT: EventFormat = EventFormat::DEFAULT;
///
/// let events = Events::with_format(FORMAT)
///     .on_text("join", |client: &mut Client<'_, i64>, room| {
///         let _ = client.join(room);
///         let _ = FORMAT.emit_to(client.to(To::Room(room)), "joined", &client.id().to_string());
///     })
///     .on_integer("add", |client, number| {
///         *client.session_mut() += number;
///         let sum = *client.session();
///         let _ = FORMAT.emit(client, "sum", sum);
///     });
/// ```
/// In [`Handler::on_message`](crate::Handler::on_message):
/// ```
/// # use wsserver::{Client, Events};
/// # use wsutil::Message;
/// # struct Service { events: Events<()> }
/// # impl Service {
/// fn on_message(&self, client: &mut Client<'_, ()>, message: Message<'_>) {
///     match self.events.handle(client, message) {
///         Ok(true) => {}
///         Ok(false) => println!("a native message: {message:?}"),
///         Err(error) => println!("{} sent no event: {error}", client.id()),
///     }
/// }
/// # }
/// ```
pub struct Events<S> {
    format: EventFormat,
    handlers: HashMap<Box<str>, Vec<Box<Call<S>>>>,
}

/// Takes the value, unless it is of another type than it takes.
type Call<S> = dyn Fn(&mut Client<'_, S>, Value<'_>) -> Result<(), EventError> + Send + Sync;

impl<S> Events<S> {
    /// None yet, with the prefix `m:`.
    #[must_use]
    pub fn new() -> Self {
        Self::with_format(EventFormat::default())
    }

    /// None yet, with another prefix.
    #[must_use]
    pub fn with_format(format: EventFormat) -> Self {
        Self { format, handlers: HashMap::new() }
    }

    /// What messages of events are like.
    #[must_use]
    pub const fn format(&self) -> &EventFormat {
        &self.format
    }

    /// Calls this on events of this name, whatever their value is.
    #[must_use]
    pub fn on(
        self,
        name: &str,
        handler: impl Fn(&mut Client<'_, S>, Value<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.add(name, move |client, value| {
            handler(client, value);
            Ok(())
        })
    }

    /// Calls this on events of this name with a text; an integer is taken as its decimal text.
    #[must_use]
    pub fn on_text(
        self,
        name: &str,
        handler: impl Fn(&mut Client<'_, S>, &str) + Send + Sync + 'static,
    ) -> Self {
        self.add(name, move |client, value| {
            match value {
                Value::Text(text) => handler(client, text),
                Value::Integer(number) => handler(client, &number.to_string()),
                other => return Err(other.is_not(ValueType::Text)),
            }
            Ok(())
        })
    }

    /// Calls this on events of this name with an integer.
    #[must_use]
    pub fn on_integer(
        self,
        name: &str,
        handler: impl Fn(&mut Client<'_, S>, i64) + Send + Sync + 'static,
    ) -> Self {
        self.add(name, move |client, value| match value {
            Value::Integer(number) => {
                handler(client, number);
                Ok(())
            }
            other => Err(other.is_not(ValueType::Integer)),
        })
    }

    /// Calls this on events of this name with a bool.
    #[must_use]
    pub fn on_bool(
        self,
        name: &str,
        handler: impl Fn(&mut Client<'_, S>, bool) + Send + Sync + 'static,
    ) -> Self {
        self.add(name, move |client, value| match value {
            Value::Bool(is) => {
                handler(client, is);
                Ok(())
            }
            other => Err(other.is_not(ValueType::Bool)),
        })
    }

    /// Calls this on events of this name with bytes.
    #[must_use]
    pub fn on_bytes(
        self,
        name: &str,
        handler: impl Fn(&mut Client<'_, S>, &[u8]) + Send + Sync + 'static,
    ) -> Self {
        self.add(name, move |client, value| match value {
            Value::Bytes(bytes) => {
                handler(client, bytes);
                Ok(())
            }
            other => Err(other.is_not(ValueType::Bytes)),
        })
    }

    /// Calls this on events of this name with such a value as JSON. What JSON says otherwise, a
    /// text or a number or a bool, is taken as well, if `T` can be made of it.
    #[cfg(feature = "json")]
    #[must_use]
    pub fn on_json<T: serde::de::DeserializeOwned>(
        self,
        name: &str,
        handler: impl Fn(&mut Client<'_, S>, T) + Send + Sync + 'static,
    ) -> Self {
        self.add(name, move |client, value| {
            handler(client, value.json()?);
            Ok(())
        })
    }

    /// Calls what was added for the event that a message is: whether it is an event, rather than a
    /// native message.
    ///
    /// # Errors
    /// [`EventError`], if it starts as an event and is none, or its value is of a type that a
    /// handler does not take; the others are called all the same. The connection is unharmed: the
    /// service decides what becomes of it.
    pub fn handle(
        &self,
        client: &mut Client<'_, S>,
        message: Message<'_>,
    ) -> Result<bool, EventError> {
        let Some(Event { name, value }) = self.format.parse(message)? else { return Ok(false) };
        let handlers = self.handlers.get(name).map_or(&[][..], Vec::as_slice);
        let mut handled = Ok(true);
        for handler in handlers {
            if let Err(error) = handler(client, value) {
                handled = handled.and(Err(error));
            }
        }
        handled
    }

    fn add(
        mut self,
        name: &str,
        call: impl Fn(&mut Client<'_, S>, Value<'_>) -> Result<(), EventError> + Send + Sync + 'static,
    ) -> Self {
        self.handlers.entry(name.into()).or_default().push(Box::new(call));
        self
    }
}

impl<S> Default for Events<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> fmt::Debug for Events<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<_> = self.handlers.keys().collect();
        names.sort_unstable();
        f.debug_struct("Events").field("format", &self.format).field("names", &names).finish()
    }
}
