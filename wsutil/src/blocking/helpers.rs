//! One call for one message, on any stream: for services that keep no state for a connection.
//!
//! Each reads no byte further than its message, so that the calls can be mixed with everything
//! else that reads the stream.

use std::{
    io::{self, Read, Write},
    string::String,
    vec::Vec,
};

use wscore::{CloseCode, OpCode, Role};

use crate::{
    Error, Kind, Message, OwnedMessage, Reader,
    blocking::writer::{write_close, write_message},
};

/// Reads the next message as this role receives it, with default [`Limits`](crate::Limits);
/// control frames that come before its end are answered.
///
/// # Errors
/// [`Error`], after which the stream is to be closed; [`Error::Closed`] once the peer has closed.
pub fn read_message<S: Read + Write>(stream: &mut S, role: Role) -> Result<OwnedMessage, Error> {
    let (kind, payload) = read_any(stream, role, None)?;
    Ok(match kind {
        // It was validated as it came.
        Kind::Text => OwnedMessage::Text(String::from_utf8(payload).unwrap_or_default()),
        Kind::Binary => OwnedMessage::Binary(payload),
    })
}

/// Waits for the next message: its kind, and a [`Reader`] that reads it.
///
/// # Errors
/// As [`read_message`].
pub fn next_reader<S: Read + Write>(stream: S, role: Role) -> Result<(Kind, Reader<S>), Error> {
    let mut reader = Reader::new(stream, role);
    let header = reader.next_frame()?;
    match header.and_then(|header| Kind::from_opcode(header.opcode)) {
        Some(kind) => Ok((kind, reader)),
        None => Err(Error::Closed(reader.close_status_or_none())),
    }
}

/// Reads the next message of a client: its payload, and whether it is text or binary.
///
/// ```no_run
/// # let mut stream = std::net::TcpStream::connect("127.0.0.1:9001")?;
/// loop {
///     let (message, opcode) = wsutil::read_client_data(&mut stream)?;
///     wsutil::write_server_message(&mut stream, opcode, &message)?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`read_message`].
pub fn read_client_data<S: Read + Write>(stream: &mut S) -> Result<(Vec<u8>, OpCode), Error> {
    read_any(stream, Role::Server, None).map(|(kind, payload)| (payload, kind.opcode()))
}

/// Reads the next text message of a client; binary ones before it are thrown away.
///
/// # Errors
/// As [`read_message`].
pub fn read_client_text<S: Read + Write>(stream: &mut S) -> Result<String, Error> {
    read_text(stream, Role::Server)
}

/// Reads the next binary message of a client; text ones before it are thrown away.
///
/// # Errors
/// As [`read_message`].
pub fn read_client_binary<S: Read + Write>(stream: &mut S) -> Result<Vec<u8>, Error> {
    read_any(stream, Role::Server, Some(Kind::Binary)).map(|(_, payload)| payload)
}

/// Reads the next message of a server: its payload, and whether it is text or binary.
///
/// # Errors
/// As [`read_message`].
pub fn read_server_data<S: Read + Write>(stream: &mut S) -> Result<(Vec<u8>, OpCode), Error> {
    read_any(stream, Role::Client, None).map(|(kind, payload)| (payload, kind.opcode()))
}

/// Reads the next text message of a server; binary ones before it are thrown away.
///
/// # Errors
/// As [`read_message`].
pub fn read_server_text<S: Read + Write>(stream: &mut S) -> Result<String, Error> {
    read_text(stream, Role::Client)
}

/// Reads the next binary message of a server; text ones before it are thrown away.
///
/// # Errors
/// As [`read_message`].
pub fn read_server_binary<S: Read + Write>(stream: &mut S) -> Result<Vec<u8>, Error> {
    read_any(stream, Role::Client, Some(Kind::Binary)).map(|(_, payload)| payload)
}

/// Writes a message as a server, in one frame and one write: `opcode` is text or binary.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] for any other opcode and for text that is not UTF-8, and
/// nothing is written; else what the stream fails with.
pub fn write_server_message<S: Write + ?Sized>(
    stream: &mut S,
    opcode: OpCode,
    payload: &[u8],
) -> io::Result<()> {
    write_message(stream, Role::Server, message(opcode, payload)?)
}

/// Writes a text message as a server, in one frame and one write.
///
/// # Errors
/// What the stream fails with.
pub fn write_server_text<S: Write + ?Sized>(stream: &mut S, text: &str) -> io::Result<()> {
    write_message(stream, Role::Server, text.into())
}

/// Writes a binary message as a server, in one frame and one write.
///
/// # Errors
/// What the stream fails with.
pub fn write_server_binary<S: Write + ?Sized>(stream: &mut S, payload: &[u8]) -> io::Result<()> {
    write_message(stream, Role::Server, payload.into())
}

/// Writes a message as a client, in one frame and one write: `opcode` is text or binary.
///
/// # Errors
/// As [`write_server_message`].
pub fn write_client_message<S: Write + ?Sized>(
    stream: &mut S,
    opcode: OpCode,
    payload: &[u8],
) -> io::Result<()> {
    write_message(stream, Role::Client, message(opcode, payload)?)
}

/// Writes a text message as a client, in one frame and one write.
///
/// # Errors
/// What the stream fails with.
pub fn write_client_text<S: Write + ?Sized>(stream: &mut S, text: &str) -> io::Result<()> {
    write_message(stream, Role::Client, text.into())
}

/// Writes a binary message as a client, in one frame and one write.
///
/// # Errors
/// What the stream fails with.
pub fn write_client_binary<S: Write + ?Sized>(stream: &mut S, payload: &[u8]) -> io::Result<()> {
    write_message(stream, Role::Client, payload.into())
}

/// Writes a close frame as this role; nothing may be written behind it.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`] if the code must not be sent or the reason is longer than
/// 123 bytes; else what the stream fails with.
pub fn write_close_frame<S: Write + ?Sized>(
    stream: &mut S,
    role: Role,
    code: CloseCode,
    reason: &str,
) -> io::Result<()> {
    write_close(stream, role, code, reason)
}

fn message(opcode: OpCode, payload: &[u8]) -> io::Result<Message<'_>> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why);
    match Kind::from_opcode(opcode) {
        Some(Kind::Binary) => Ok(Message::Binary(payload)),
        // RFC 6455 §8.1: the peer would have to fail the connection.
        Some(Kind::Text) => match simdutf8::basic::from_utf8(payload) {
            Ok(text) => Ok(Message::Text(text)),
            Err(_) => Err(invalid("text message is not valid UTF-8")),
        },
        None => Err(invalid("a message is text or binary")),
    }
}

fn read_text<S: Read + Write>(stream: &mut S, role: Role) -> Result<String, Error> {
    let (_, payload) = read_any(stream, role, Some(Kind::Text))?;
    // It was validated as it came.
    Ok(String::from_utf8(payload).unwrap_or_default())
}

/// Reads the next message of the wanted kind, or of any.
fn read_any<S: Read + Write>(
    stream: &mut S,
    role: Role,
    wanted: Option<Kind>,
) -> Result<(Kind, Vec<u8>), Error> {
    let mut reader = Reader::new(stream, role);
    while let Some(header) = reader.next_frame()? {
        let Some(kind) = Kind::from_opcode(header.opcode) else { continue };
        if wanted.is_some_and(|wanted| wanted != kind) {
            continue;
        }
        let mut payload = Vec::new();
        reader.read_message(&mut payload)?;
        return Ok((kind, payload));
    }
    Err(Error::Closed(reader.close_status_or_none()))
}
