//! What receives, each the same way: bytes in pieces go in, an [`Outcome`] comes out.

use std::{
    cell::LazyCell,
    io::Read,
    sync::{Arc, Mutex},
};

use tokio::runtime::Runtime;
use wscore::{Handshake, OpCode, Role};
use wsflate::{Agreed, Config, Deflate};
use wsutil::{
    Connection, Control, Decoder, Endpoint, Error, Event, Kind, MessageError, OwnedMessage, Plain,
    Reader, Step,
};

use crate::{
    cases::{End, LIMITS, Outcome, controls_in, told},
    rig::{Script, block_on},
};

/// Whether this driver has limits of its own, so that cases about limits are not for it.
pub(crate) fn has_own_limits(name: &str, outcome: &Outcome) -> bool {
    use MessageError::{Protocol, TooLarge, TooManyFragments};
    use wscore::ProtocolError::FrameTooLarge;
    name == "helpers"
        && matches!(
            outcome.end,
            End::Failed(TooLarge { .. } | TooManyFragments { .. } | Protocol(FrameTooLarge { .. }))
        )
}

/// Whether this driver is one that extensions are not for.
pub(crate) fn has_no_extensions(name: &str) -> bool {
    matches!(name, "decoder" | "helpers")
}

/// The end that receives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    pub(crate) role: Role,
    /// What was agreed of permessage-deflate, if it was.
    pub(crate) agreed: Option<Agreed>,
}

impl Side {
    fn endpoint(self) -> Endpoint {
        let mut endpoint = Endpoint::new(self.role);
        if let Some(agreed) = self.agreed {
            endpoint.set_deflate(&Deflate::new(Config::TAKEOVER), agreed);
        }
        endpoint
    }

    fn reader<S: Read>(self, reader: Reader<S>) -> Reader<S> {
        match self.agreed {
            Some(agreed) => reader.with_deflate(&Deflate::new(Config::TAKEOVER), agreed),
            None => reader,
        }
    }
}

/// A driver takes pieces, which are followed by the end of the stream.
pub(crate) type Driver = fn(Side, &[&[u8]]) -> Outcome;

pub(crate) const DRIVERS: [(&str, Driver); 9] = [
    ("decoder", decoder),
    ("endpoint", endpoint),
    ("endpoint, in pieces", endpoint_pieces),
    ("connection", connection),
    ("connection, in pieces", connection_pieces),
    ("tokio", tokio_connection),
    ("reader", reader),
    ("reader, without replies", reader_without_replies),
    ("helpers", helpers),
];

/// Gathers messages from pieces.
#[derive(Default)]
pub(crate) struct Gather {
    pub(crate) messages: Vec<OwnedMessage>,
    open: Option<Vec<u8>>,
}

impl Gather {
    pub(crate) fn piece(&mut self, kind: Kind, first: bool, last: bool, payload: &[u8]) {
        assert_eq!(first, self.open.is_none(), "the first piece says so");
        let open = self.open.get_or_insert_default();
        open.extend_from_slice(payload);
        if last {
            let bytes = self.open.take().unwrap_or_default();
            self.messages.push(match kind {
                Kind::Text => String::from_utf8(bytes).expect("text was validated").into(),
                Kind::Binary => bytes.into(),
            });
        }
    }
}

fn decoder(Side { role, .. }: Side, pieces: &[&[u8]]) -> Outcome {
    let mut decoder = Decoder::new(role, LIMITS);
    let (mut gather, mut written) = (Gather::default(), vec![]);
    let mut unread = vec![];
    for piece in pieces {
        unread.extend_from_slice(piece);
        loop {
            let decoded = match decoder.decode(&mut unread) {
                Ok(decoded) => decoded,
                Err(error) => {
                    assert_eq!(decoder.decode(&mut []).unwrap_err(), error, "errors are sticky");
                    written.push((OpCode::Close, told(&error)));
                    return Outcome { messages: gather.messages, end: End::Failed(error), written };
                }
            };
            let used = decoded.used;
            match decoded.event {
                None if used == 0 => break,
                None | Some(Event::Pong(_)) => {}
                Some(Event::Piece(piece)) => {
                    gather.piece(piece.kind, piece.first, piece.last, piece.payload);
                }
                Some(Event::Ping(payload)) => written.push((OpCode::Pong, payload.to_vec())),
                Some(Event::Close(reason)) => {
                    let code = reason.map(|reason| reason.code);
                    let body = code.map_or(vec![], |code| code.0.to_be_bytes().to_vec());
                    written.push((OpCode::Close, body));
                    let end = End::Closed(code.unwrap_or(wscore::CloseCode::NO_STATUS));
                    return Outcome { messages: gather.messages, end, written };
                }
            }
            unread.drain(..used);
            assert!(unread.len() < 139 || !decoder.is_inside_message() || used > 0);
        }
    }
    let inside_message = decoder.is_inside_message() || !unread.is_empty();
    Outcome { messages: gather.messages, end: End::Gone { inside_message }, written }
}

fn endpoint(side: Side, pieces: &[&[u8]]) -> Outcome {
    endpoint_with(side, pieces, Endpoint::step)
}

fn endpoint_pieces(side: Side, pieces: &[&[u8]]) -> Outcome {
    endpoint_with(side, pieces, Endpoint::step_piece)
}

/// As an event loop does: what is read is put in the room, and the endpoint is parked between.
fn endpoint_with(
    side: Side,
    pieces: &[&[u8]],
    step: fn(&mut Endpoint) -> Result<Step, MessageError>,
) -> Outcome {
    let mut endpoint = side.endpoint();
    endpoint.set_limits(LIMITS);
    let (mut gather, mut written) = (Gather::default(), vec![]);
    let mut write = |endpoint: &mut Endpoint| {
        let waits: Vec<u8> = endpoint.pieces().collect::<Vec<_>>().concat();
        assert_eq!(waits.len(), endpoint.pending());
        // Never all at once.
        for part in waits.chunks(3) {
            written.extend_from_slice(part);
            endpoint.written(part.len());
        }
        assert_eq!(endpoint.pending(), 0);
    };
    let mut end = None;
    'pieces: for piece in pieces {
        let mut rest = *piece;
        loop {
            match step(&mut endpoint) {
                Ok(Step::Message) => gather.messages.push(endpoint.message().0.to_owned()),
                Ok(Step::Piece) => {
                    let (piece, _) = endpoint.piece();
                    gather.piece(piece.kind, piece.first, piece.last, piece.payload);
                }
                Ok(Step::Write) => write(&mut endpoint),
                Ok(Step::Read) if rest.is_empty() => break,
                Ok(Step::Read) => {
                    let room = endpoint.room();
                    let len = room.len().min(rest.len());
                    room[..len].copy_from_slice(&rest[..len]);
                    endpoint.received(len);
                    rest = &rest[len..];
                }
                Ok(Step::Closed) => {
                    let status = endpoint.close_status().expect("it is closed");
                    end = Some(End::Closed(status.code));
                    break 'pieces;
                }
                Err(error) => {
                    assert_eq!(step(&mut endpoint), Err(error), "errors are sticky");
                    end = Some(End::Failed(error));
                    break 'pieces;
                }
            }
        }
        endpoint.park();
    }
    let gone = End::Gone { inside_message: endpoint.is_inside_message() };
    write(&mut endpoint);
    endpoint.park();
    Outcome {
        messages: gather.messages,
        end: end.unwrap_or(gone),
        written: controls_in(&written, side.role),
    }
}

pub(crate) fn script(pieces: &[&[u8]]) -> Script {
    let steps = pieces.iter().map(|piece| crate::rig::Step::Bytes(piece.to_vec()));
    Script::new(steps)
}

fn end_of(error: Error) -> End {
    match error {
        Error::Peer(error) => End::Failed(error),
        Error::Closed(status) => End::Closed(status.code),
        Error::Disconnected { inside_message } => End::Gone { inside_message },
        error => panic!("an unexpected end: {error:?}"),
    }
}

fn connection_over(side: Side, pieces: &[&[u8]]) -> Connection<Plain<Script>> {
    let endpoint = side.endpoint();
    Connection::from_parts(Plain(script(pieces)), endpoint, Handshake::default())
        .with_limits(LIMITS)
}

fn connection(side: Side, pieces: &[&[u8]]) -> Outcome {
    let mut connection = connection_over(side, pieces);
    let mut messages = vec![];
    let end = loop {
        match connection.receive() {
            Ok(Some((message, _))) => messages.push(message.to_owned()),
            Ok(None) => {
                assert!(matches!(connection.receive(), Ok(None)), "the end is sticky");
                break End::Closed(connection.close_status().expect("it is closed").code);
            }
            Err(error) => {
                let again = connection.receive().expect_err("errors are sticky");
                assert_eq!(again.to_string(), error.to_string());
                break end_of(error);
            }
        }
    };
    let (stream, ..) = connection.into_parts();
    Outcome { messages, end, written: controls_in(&stream.0.written, side.role) }
}

fn connection_pieces(side: Side, pieces: &[&[u8]]) -> Outcome {
    let mut connection = connection_over(side, pieces);
    let mut gather = Gather::default();
    let end = loop {
        match connection.receive_piece() {
            Ok(Some((piece, _))) => {
                gather.piece(piece.kind, piece.first, piece.last, piece.payload)
            }
            Ok(None) => break End::Closed(connection.close_status().expect("it is closed").code),
            Err(error) => break end_of(error),
        }
    };
    let (stream, ..) = connection.into_parts();
    Outcome { messages: gather.messages, end, written: controls_in(&stream.0.written, side.role) }
}

fn tokio_connection(side: Side, pieces: &[&[u8]]) -> Outcome {
    RUNTIME.with(|runtime| {
        let _guard = runtime.enter();
        tokio_connection_in(side, pieces)
    })
}

thread_local! {
    static RUNTIME: LazyCell<Runtime> = LazyCell::new(|| {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    });
}

fn tokio_connection_in(side: Side, pieces: &[&[u8]]) -> Outcome {
    let endpoint = side.endpoint();
    let connection =
        wsutil::tokio::Connection::from_parts(script(pieces), endpoint, Handshake::default());
    let mut connection = connection.with_limits(LIMITS);
    let mut messages = vec![];
    let end = block_on(async {
        loop {
            match connection.receive().await {
                Ok(Some((message, _))) => messages.push(message.to_owned()),
                Ok(None) => {
                    assert!(matches!(connection.receive().await, Ok(None)), "the end is sticky");
                    break End::Closed(connection.close_status().expect("it is closed").code);
                }
                Err(error) => {
                    let again = connection.receive().await.expect_err("errors are sticky");
                    assert_eq!(again.to_string(), error.to_string());
                    break end_of(error);
                }
            }
        }
    });
    let (stream, ..) = connection.into_parts();
    Outcome { messages, end, written: controls_in(&stream.written, side.role) }
}

fn read_all<S: Read>(reader: &mut Reader<S>) -> (Vec<OwnedMessage>, End) {
    let mut messages = vec![];
    let end = loop {
        match reader.next_frame() {
            Ok(Some(header)) => {
                let kind = Kind::from_opcode(header.opcode).expect("a message begins");
                // By odd pieces the first time, to the end the second.
                let mut payload = vec![];
                let mut read = || -> std::io::Result<()> {
                    let mut room = [0; 7];
                    let len = reader.read(&mut room)?;
                    payload.extend_from_slice(&room[..len]);
                    reader.read_to_end(&mut payload).map(|_| ())
                };
                match read() {
                    Ok(()) => {
                        let mut gather = Gather::default();
                        gather.piece(kind, true, true, &payload);
                        messages.append(&mut gather.messages);
                    }
                    Err(error) => {
                        let error = error.downcast::<Error>().expect("it is ours");
                        break end_of(error);
                    }
                }
            }
            Ok(None) => {
                assert!(matches!(reader.next_frame(), Ok(None)), "the end is sticky");
                break End::Closed(reader.close_status().expect("it is closed").code);
            }
            Err(error) => {
                let again = reader.next_frame().expect_err("errors are sticky");
                assert_eq!(again.to_string(), error.to_string());
                break end_of(error);
            }
        }
    };
    (messages, end)
}

fn reader(side: Side, pieces: &[&[u8]]) -> Outcome {
    let mut script = script(pieces);
    let mut reader = side.reader(Reader::new(&mut script, side.role).with_limits(LIMITS));
    let (messages, end) = read_all(&mut reader);
    Outcome { messages, end, written: controls_in(&script.written, side.role) }
}

/// What it would have answered is known from the control frames that it shows.
fn reader_without_replies(side: Side, pieces: &[&[u8]]) -> Outcome {
    let seen = Arc::new(Mutex::new(vec![]));
    let shared = seen.clone();
    let reader = Reader::without_replies(script(pieces), side.role).with_limits(LIMITS);
    let reader = side.reader(reader);
    let mut reader = reader.on_control(move |control| match control {
        Control::Ping(payload) => shared.lock().unwrap().push((OpCode::Pong, payload.to_vec())),
        Control::Pong(_) => {}
        Control::Close(reason) => {
            let body = reason.map_or(vec![], |reason| reason.code.0.to_be_bytes().to_vec());
            shared.lock().unwrap().push((OpCode::Close, body));
        }
    });
    let (messages, end) = read_all(&mut reader);
    assert_eq!(reader.into_inner().written, b"");
    let mut written = std::mem::take(&mut *seen.lock().unwrap());
    if let End::Failed(error) = &end {
        written.push((OpCode::Close, told(error)));
    }
    Outcome { messages, end, written }
}

fn helpers(Side { role, .. }: Side, pieces: &[&[u8]]) -> Outcome {
    let mut stream = script(pieces);
    let mut messages = vec![];
    loop {
        match wsutil::read_message(&mut stream, role) {
            Ok(message) => messages.push(message),
            Err(error) => {
                let end = end_of(error);
                return Outcome { messages, end, written: controls_in(&stream.written, role) };
            }
        }
    }
}
