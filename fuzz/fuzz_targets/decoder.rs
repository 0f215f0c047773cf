//! Any bytes, cut anywhere, against a decoder written in the plainest way.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wscore::Role;
use wsutil::{Decoder, Endpoint, Event, Kind, Limits, MessageError, Step};

const LIMITS: Limits = Limits { message: 1000, frame: 600, fragments: 10 };

/// What a stream of frames says, whatever the pieces.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    messages: Vec<(Kind, Vec<u8>)>,
    pings: Vec<Vec<u8>>,
    /// The code of the peer's close frame.
    closed: Option<Option<u16>>,
    /// The code that the peer is failed with.
    failed: Option<u16>,
}

fuzz_target!(|bytes: &[u8]| {
    let [first, step, wire @ ..] = bytes else { return };
    let role = if first % 2 == 0 { Role::Server } else { Role::Client };
    let expected = plainly(role, wire);
    let size = usize::from(*step).max(1);
    for size in [wire.len().max(1), size, 1] {
        assert_eq!(by_decoder(role, wire, size), expected, "{role:?} in pieces of {size}");
        assert_eq!(by_endpoint(role, wire, size), expected, "{role:?} in pieces of {size}");
    }
});

fn by_decoder(role: Role, wire: &[u8], size: usize) -> Said {
    let mut decoder = Decoder::new(role, LIMITS);
    let (mut said, mut open, mut unread) = (Said::default(), vec![], vec![]);
    for piece in wire.chunks(size) {
        unread.extend_from_slice(piece);
        loop {
            let decoded = match decoder.decode(&mut unread) {
                Ok(decoded) => decoded,
                Err(error) => {
                    said.failed = Some(error.close_code().0);
                    return said;
                }
            };
            let used = decoded.used;
            match decoded.event {
                None if used == 0 => break,
                Some(Event::Piece(piece)) => {
                    assert_eq!(piece.first, open.is_empty() || piece.first);
                    open.extend_from_slice(piece.payload);
                    if piece.last {
                        said.messages.push((piece.kind, std::mem::take(&mut open)));
                    }
                }
                Some(Event::Ping(payload)) => said.pings.push(payload.to_vec()),
                Some(Event::Close(reason)) => {
                    said.closed = Some(reason.map(|reason| reason.code.0));
                    return said;
                }
                None | Some(Event::Pong(_)) => {}
            }
            unread.drain(..used);
        }
        // A decoder leaves no more than a header and a control payload.
        assert!(unread.len() < 139);
    }
    said
}

fn by_endpoint(role: Role, wire: &[u8], size: usize) -> Said {
    let mut endpoint = Endpoint::new(role);
    endpoint.set_limits(LIMITS);
    let mut said = Said::default();
    let mut written = vec![];
    'pieces: for piece in wire.chunks(size) {
        endpoint.receive(piece);
        loop {
            match endpoint.step() {
                Ok(Step::Message) => {
                    let (message, _) = endpoint.message();
                    said.messages.push((message.kind(), message.as_bytes().to_vec()));
                }
                Ok(Step::Write) => take_output(&mut endpoint, &mut written),
                Ok(Step::Closed) => break 'pieces,
                Ok(Step::Read | Step::Piece) => break,
                Err(error) => {
                    said.failed = Some(error.close_code().0);
                    break 'pieces;
                }
            }
        }
        take_output(&mut endpoint, &mut written);
        endpoint.park();
    }
    take_output(&mut endpoint, &mut written);
    said.closed =
        endpoint.close_status().map(|status| Some(status.code.0).filter(|code| *code != 1005));
    // What was written is read by the other role: pongs, and one close at the end.
    let other = if role == Role::Server { Role::Client } else { Role::Server };
    let mut decoder = Decoder::new(other, Limits::default());
    let mut rest = &mut written[..];
    let mut is_closed = false;
    while !rest.is_empty() {
        let decoded = decoder.decode(rest).expect("what we write is right");
        let used = decoded.used;
        assert!(used > 0 && !is_closed);
        match decoded.event {
            Some(Event::Pong(payload)) => said.pings.push(payload.to_vec()),
            Some(Event::Close(reason)) => {
                is_closed = true;
                let code = reason.map(|reason| reason.code.0);
                assert_eq!(said.failed.map(Some).or(said.closed), Some(code));
            }
            other => panic!("{other:?}"),
        }
        rest = &mut rest[used..];
    }
    assert_eq!(is_closed, said.failed.is_some() || said.closed.is_some());
    said
}

fn take_output(endpoint: &mut Endpoint, written: &mut Vec<u8>) {
    while endpoint.pending() > 0 {
        let waits = endpoint.pieces().collect::<Vec<_>>().concat();
        written.extend_from_slice(&waits);
        endpoint.written(waits.len());
    }
}

/// RFC 6455, read aloud.
fn plainly(role: Role, wire: &[u8]) -> Said {
    let mut said = Said::default();
    let mut open: Option<(Kind, Vec<u8>, u64, u32)> = None;
    let mut at = 0;
    let fail = |mut said: Said, code: u16| {
        said.failed = Some(code);
        said
    };
    loop {
        let rest = &wire[at..];
        if rest.len() < 2 {
            return said;
        }
        let (fin, rsv, opcode) = (rest[0] >= 128, rest[0] / 16 % 8, rest[0] % 16);
        let (masked, short) = (rest[1] >= 128, rest[1] % 128);
        let is_control = opcode >= 8;
        let is_wrong = !matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10)
            || is_control && (!fin || short > 125)
            || rsv != 0
            || masked != (role == Role::Server)
            || opcode == 0 && open.is_none()
            || (opcode == 1 || opcode == 2) && open.is_some();
        if is_wrong {
            return fail(said, 1002);
        }
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if rest.len() < 2 + extended {
            return said;
        }
        let mut len = u64::from(short);
        if extended > 0 {
            len = rest[2..2 + extended].iter().fold(0, |len, byte| len * 256 + u64::from(*byte));
            if len < 126 || extended == 8 && len < 65_536 || len >= 1 << 63 {
                return fail(said, 1002);
            }
        }
        let start = 2 + extended + if masked { 4 } else { 0 };
        if rest.len() < start {
            return said;
        }
        let end = start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
        let key = &rest[start - 4.min(start)..start];
        let come = &rest[start..end.min(rest.len())];
        let payload: Vec<u8> = come
            .iter()
            .enumerate()
            .map(|(at, byte)| if masked { byte ^ key[at % 4] } else { *byte })
            .collect();
        let is_whole = rest.len() >= end;
        if is_control {
            if !is_whole {
                return said;
            }
            match opcode {
                9 => said.pings.push(payload),
                8 => match payload[..] {
                    [] => {
                        said.closed = Some(None);
                        return said;
                    }
                    [_] => return fail(said, 1002),
                    [hi, lo, ref reason @ ..] => {
                        let code = u16::from(hi) * 256 + u16::from(lo);
                        if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                            return fail(said, 1002);
                        }
                        if std::str::from_utf8(reason).is_err() {
                            return fail(said, 1007);
                        }
                        said.closed = Some(Some(code));
                        return said;
                    }
                },
                _ => {}
            }
        } else {
            if len > LIMITS.frame {
                return fail(said, 1009);
            }
            let kind = if opcode == 1 { Kind::Text } else { Kind::Binary };
            let (kind, mut bytes, mut size, mut frames) =
                open.take().unwrap_or((kind, vec![], 0, 0));
            size += len;
            frames += 1;
            if size > LIMITS.message {
                return fail(said, 1009);
            }
            if frames > LIMITS.fragments {
                return fail(said, 1008);
            }
            bytes.extend_from_slice(&payload);
            let is_last = is_whole && fin;
            if kind == Kind::Text {
                match std::str::from_utf8(&bytes) {
                    Err(error) if error.error_len().is_some() || is_last => {
                        return fail(said, 1007);
                    }
                    _ => {}
                }
            }
            if !is_whole {
                return said;
            }
            if is_last {
                said.messages.push((kind, bytes));
            } else {
                open = Some((kind, bytes, size, frames));
            }
        }
        at += end;
    }
}

/// The map from errors to codes is total.
const _: fn(&MessageError) -> wscore::CloseCode = MessageError::close_code;
