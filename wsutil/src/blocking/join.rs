//! All messages of a connection as one stream.

use std::io::{self, Read};

use crate::Reader;

/// The payloads of all messages that come, one behind the other, with `terminator` behind each; the
/// stream ends when the peer closes.
///
/// ```
/// # use std::io::Read;
/// use wscore::Role;
/// use wsutil::{Reader, join_messages};
/// let mut stream = std::io::Cursor::new(b"\x81\x01a\x81\x01b\x88\x00".to_vec());
/// let mut lines = String::new();
/// join_messages(Reader::new(&mut stream, Role::Client), "\n").read_to_string(&mut lines)?;
/// assert_eq!(lines, "a\nb\n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn join_messages<S: Read>(reader: Reader<S>, terminator: &str) -> JoinMessages<'_, S> {
    JoinMessages { reader, terminator: terminator.as_bytes(), state: State::Between }
}

/// The stream that [`join_messages`] returns.
#[derive(Debug)]
pub struct JoinMessages<'t, S> {
    reader: Reader<S>,
    terminator: &'t [u8],
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The next message is still to come.
    Between,
    Inside,
    /// So many bytes of the terminator are out.
    Behind(usize),
}

impl<S: Read> Read for JoinMessages<'_, S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if room.is_empty() {
            return Ok(0);
        }
        loop {
            match self.state {
                State::Between => match self.reader.next_frame()? {
                    Some(_) => self.state = State::Inside,
                    None => return Ok(0),
                },
                State::Inside => match self.reader.read(room)? {
                    0 => self.state = State::Behind(0),
                    read => return Ok(read),
                },
                State::Behind(out) => {
                    let rest = &self.terminator[out..];
                    let len = rest.len().min(room.len());
                    room[..len].copy_from_slice(&rest[..len]);
                    let all = len == rest.len();
                    self.state = if all { State::Between } else { State::Behind(out + len) };
                    if len > 0 {
                        return Ok(len);
                    }
                }
            }
        }
    }
}
