//! Which connection.

use std::{error, fmt, num::ParseIntError, str::FromStr};

/// A connection of a server, for as long as the server runs: it is never another's.
///
/// As text, such as `0-17-42`, it is the name of the connection's own room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId {
    /// How many connections the worker had, with this one: at least 1
    pub(crate) generation: u32,
    pub(crate) worker: u16,
    /// The place in the worker's table.
    pub(crate) key: u32,
}

/// The three numbers, as one word.
impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.worker, self.key, self.generation)
    }
}

/// A text is not a [`ClientId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidClientId(());

impl fmt::Display for InvalidClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the id of a connection")
    }
}

impl error::Error for InvalidClientId {}

impl From<ParseIntError> for InvalidClientId {
    fn from(_: ParseIntError) -> Self {
        Self(())
    }
}

/// Reads what `Display` writes.
impl FromStr for ClientId {
    type Err = InvalidClientId;

    fn from_str(text: &str) -> Result<Self, InvalidClientId> {
        let mut numbers = text.splitn(3, '-');
        let mut next = || numbers.next().ok_or(InvalidClientId(()));
        let (worker, key, generation) = (next()?, next()?, next()?);
        let id =
            Self { worker: worker.parse()?, key: key.parse()?, generation: generation.parse()? };
        // One connection has one name: no zeros or signs in front.
        if id.to_string() == text { Ok(id) } else { Err(InvalidClientId(())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = ClientId { generation: 42, worker: 0, key: 17 };
        assert_eq!(id.to_string(), "0-17-42");
        assert_eq!("0-17-42".parse(), Ok(id));
        for text in
            ["", "0", "0-17", "0-17-42-1", "00-17-42", "+0-17-42", "0-17-", "0-x-42", "70000-1-1"]
        {
            assert_eq!(text.parse::<ClientId>(), Err(InvalidClientId(())), "{text}");
        }
    }
}
