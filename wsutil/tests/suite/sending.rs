//! What one end sends, and the other reads: messages, fragments, control frames, closing.

use std::io::{Read, Write};

use wscore::{CloseCode, Handshake, OpCode, Role};
use wsutil::{
    Connection, ControlWriter, Endpoint, Error, Kind, Message, Plain, Prepared, Reader, SendError,
    Step, Writer, join_messages,
};

use crate::{cases::parse, rig::Script};

const ROLES: [Role; 2] = [Role::Server, Role::Client];

fn other(role: Role) -> Role {
    if role == Role::Server { Role::Client } else { Role::Server }
}

/// What waits at this end, taken.
pub(crate) fn take(endpoint: &mut Endpoint) -> Vec<u8> {
    let mut taken = vec![];
    while endpoint.pending() > 0 {
        let waits = endpoint.pieces().collect::<Vec<_>>().concat();
        assert_eq!(waits.len(), endpoint.pending());
        taken.extend_from_slice(&waits);
        endpoint.written(waits.len());
    }
    taken
}

/// Two ends, and what is between them.
pub(crate) struct Pair {
    pub(crate) server: Endpoint,
    pub(crate) client: Endpoint,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self { server: Endpoint::new(Role::Server), client: Endpoint::new(Role::Client) }
    }

    /// Moves everything that waits, both ways.
    pub(crate) fn transfer(&mut self) {
        let (there, back) = (take(&mut self.server), take(&mut self.client));
        self.client.receive(&there);
        self.server.receive(&back);
    }
}

/// Steps until there is nothing to do; the messages that came.
fn received(endpoint: &mut Endpoint) -> Vec<Vec<u8>> {
    let mut messages = vec![];
    loop {
        match endpoint.step().expect("the other end keeps the rules") {
            Step::Message => messages.push(endpoint.message().0.as_bytes().to_vec()),
            Step::Write => {}
            _ => return messages,
        }
    }
}

#[test]
fn fr40_every_size_of_message_both_ways() {
    for size in [0, 1, 125, 126, 4095, 4096, 16_384, 65_535, 65_536, 300_000] {
        let payload: Vec<u8> = (0..size).map(|at| at as u8).collect();
        let mut pair = Pair::new();
        pair.server.sending().message(&payload).unwrap();
        pair.client.sending().message(&payload).unwrap();
        pair.transfer();
        assert_eq!(received(&mut pair.server), [&payload[..]], "{size}");
        assert_eq!(received(&mut pair.client), [&payload[..]], "{size}");
    }
}

#[test]
fn an_echo_of_what_was_received_is_written_from_where_it_lies() {
    let mut pair = Pair::new();
    let payloads: Vec<Vec<u8>> = (0..5).map(|at| vec![at; 10_000 + usize::from(at)]).collect();
    for payload in &payloads {
        pair.client.sending().message(payload).unwrap();
    }
    pair.transfer();
    while let Step::Message = pair.server.step().unwrap() {
        let (message, mut sending) = pair.server.message();
        sending.message(message).unwrap();
        sending.ping(b"between").unwrap();
    }
    assert!(pair.server.one_piece().is_none(), "payload is lent, not copied");
    // A part of it is written, and what is not survives new bytes and parking.
    let mut wire = vec![];
    let mut parts = [0, 1, 2, 9_999, 3, 20_000].into_iter().cycle();
    while pair.server.pending() > 0 {
        let waits = pair.server.pieces().collect::<Vec<_>>().concat();
        let len = parts.next().unwrap().min(waits.len());
        wire.extend_from_slice(&waits[..len]);
        pair.server.written(len);
        if len == 9_999 {
            pair.server.park();
            pair.server.receive(b"\x89\x80\0\0\0\0");
        }
    }
    let frames = parse(&wire, Role::Server);
    let messages: Vec<_> = frames.iter().filter(|frame| frame.opcode == OpCode::Binary).collect();
    assert_eq!(messages.len(), payloads.len());
    for (frame, payload) in messages.iter().zip(&payloads) {
        assert_eq!(&frame.payload, payload);
    }
}

#[test]
fn pieces_are_fragments_and_hold_other_messages_off() {
    for role in ROLES {
        let mut endpoint = Endpoint::new(role);
        let mut sending = endpoint.sending();
        sending.piece(Kind::Text, false, b"Hel").unwrap();
        assert_eq!(sending.message("other"), Err(SendError::MessageOpen));
        assert_eq!(sending.prepared(&Prepared::new("other")), Err(SendError::MessageOpen));
        sending.ping(b"between").unwrap();
        sending.piece(Kind::Text, true, b"lo").unwrap();
        sending.message("next").unwrap();
        let frames = parse(&take(&mut endpoint), role);
        let seen: Vec<_> = frames.iter().map(|f| (f.opcode, f.fin, &f.payload[..])).collect();
        let expected: [(OpCode, bool, &[u8]); 4] = [
            (OpCode::Text, false, b"Hel"),
            (OpCode::Ping, true, b"between"),
            (OpCode::Continuation, true, b"lo"),
            (OpCode::Text, true, b"next"),
        ];
        assert_eq!(seen, expected);
    }
}

#[test]
fn fr19_what_cannot_be_said_is_refused_and_nothing_is_sent() {
    let mut endpoint = Endpoint::new(Role::Server);
    let mut sending = endpoint.sending();
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] {
        let refused = sending.close(CloseCode(code), "");
        assert!(matches!(refused, Err(SendError::InvalidClose(_))), "{code}");
    }
    let refused = sending.close(CloseCode::NORMAL, &"a".repeat(124));
    assert!(matches!(refused, Err(SendError::InvalidClose(_))));
    assert_eq!(sending.ping(&[0; 126]), Err(SendError::ControlTooLong));
    assert_eq!(sending.pong(&[0; 126]), Err(SendError::ControlTooLong));
    assert_eq!(endpoint.pending(), 0);
    assert!(!endpoint.is_closing());
}

#[test]
fn fr22_nothing_is_sent_behind_a_close() {
    for role in ROLES {
        let mut endpoint = Endpoint::new(role);
        let mut sending = endpoint.sending();
        sending.close(CloseCode::GOING_AWAY, "bye").unwrap();
        assert_eq!(sending.message("late"), Err(SendError::Closed));
        assert_eq!(sending.piece(Kind::Text, true, b"late"), Err(SendError::Closed));
        assert_eq!(sending.ping(b"late"), Err(SendError::Closed));
        sending.close(CloseCode::NORMAL, "again").unwrap();
        let frames = parse(&take(&mut endpoint), role);
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].payload, b"\x03\xe9bye");
    }
}

#[test]
fn fr21_data_behind_our_close_is_delivered_and_pings_are_answered() {
    let mut pair = Pair::new();
    pair.server.sending().close(CloseCode::NORMAL, "").unwrap();
    pair.client.sending().message("still coming").unwrap();
    pair.client.sending().ping(b"?").unwrap();
    let there = take(&mut pair.client);
    pair.server.receive(&there);
    assert_eq!(received(&mut pair.server), [b"still coming"]);
    let frames = parse(&take(&mut pair.server), Role::Server);
    let opcodes: Vec<_> = frames.iter().map(|frame| frame.opcode).collect();
    assert_eq!(opcodes, [OpCode::Close, OpCode::Pong]);
}

#[test]
fn fr23_closes_that_cross_end_cleanly_on_both_sides() {
    let mut pair = Pair::new();
    pair.server.sending().close(CloseCode(3001), "server").unwrap();
    pair.client.sending().close(CloseCode(3002), "client").unwrap();
    pair.transfer();
    assert_eq!(pair.server.step(), Ok(Step::Closed));
    assert_eq!(pair.client.step(), Ok(Step::Closed));
    assert_eq!((pair.server.pending(), pair.client.pending()), (0, 0));
    let status = pair.server.close_status().unwrap();
    assert_eq!((status.code, &*status.reason), (CloseCode(3002), "client"));
    let status = pair.client.close_status().unwrap();
    assert_eq!((status.code, &*status.reason), (CloseCode(3001), "server"));
}

#[test]
fn masks_are_fresh_for_every_frame() {
    let mut endpoint = Endpoint::new(Role::Client);
    let news = Prepared::new("news");
    for _ in 0..100 {
        endpoint.sending().prepared(&news).unwrap();
    }
    let wire = take(&mut endpoint);
    let masks: std::collections::HashSet<&[u8]> = wire.chunks(10).map(|f| &f[2..6]).collect();
    assert!(masks.len() >= 99, "{} masks for 100 frames", masks.len());
    assert!(parse(&wire, Role::Client).iter().all(|frame| frame.payload == b"news"));
}

#[test]
fn a_prepared_message_is_the_same_for_every_connection() {
    for payload in [vec![], vec![1; 125], vec![2; 126], vec![3; 70_000]] {
        let prepared = Prepared::new(&payload);
        assert_eq!((prepared.kind(), prepared.payload()), (Kind::Binary, &payload[..]));
        for role in ROLES {
            let mut endpoint = Endpoint::new(role);
            endpoint.sending().prepared(&prepared).unwrap();
            let wire = take(&mut endpoint);
            assert_eq!(parse(&wire, role)[0].payload, payload);
            assert_eq!(wire == prepared.frame(), role == Role::Server);
        }
    }
}

#[test]
fn a_piece_then_whole_messages_skips_the_rest_of_the_first() {
    let mut pair = Pair::new();
    let mut sending = pair.client.sending();
    sending.piece(Kind::Binary, false, b"first").unwrap();
    sending.piece(Kind::Binary, true, b"rest").unwrap();
    sending.message("second").unwrap();
    pair.transfer();
    assert_eq!(pair.server.step_piece(), Ok(Step::Piece));
    assert_eq!(pair.server.piece().0.payload, b"first");
    assert_eq!(pair.server.step(), Ok(Step::Message));
    assert_eq!(pair.server.message().0, Message::Text("second"));
}

#[test]
fn what_was_gathered_for_a_whole_message_is_the_first_piece() {
    let mut pair = Pair::new();
    pair.client.sending().piece(Kind::Text, false, b"be").unwrap();
    pair.transfer();
    assert_eq!(pair.server.step(), Ok(Step::Read));
    pair.client.sending().piece(Kind::Text, true, b"gun").unwrap();
    pair.transfer();
    assert_eq!(pair.server.step_piece(), Ok(Step::Piece));
    let (piece, _) = pair.server.piece();
    assert_eq!((piece.first, piece.last, piece.payload), (true, true, &b"begun"[..]));
}

#[test]
fn gorilla_framing_through_writer_and_reader() {
    let sizes = [0, 1, 2, 124, 125, 126, 127, 128, 129, 65_534, 65_535, 65_536];
    for role in ROLES {
        for size in sizes {
            for chunk in [1, 7, 4096, usize::MAX] {
                for fragment in [usize::MAX, 1000, 125] {
                    if size > 1000 && (chunk == 1 || fragment == 125) {
                        continue;
                    }
                    let payload: Vec<u8> = (0..size).map(|at| b'a' + (at % 26) as u8).collect();
                    let mut wire = vec![];
                    let mut writer =
                        Writer::new(&mut wire, role, OpCode::Binary).with_fragments(fragment);
                    writer.begin(OpCode::Text).unwrap();
                    for piece in payload.chunks(chunk.min(size.max(1))) {
                        writer.write_all(piece).unwrap();
                    }
                    writer.flush().unwrap();
                    writer.flush().unwrap();
                    drop(writer);
                    let frames = parse(&wire, role);
                    assert_eq!(
                        frames.len(),
                        size.div_ceil(fragment).max(1),
                        "{size} by {fragment}"
                    );
                    assert!(frames.iter().all(|frame| frame.payload.len() <= fragment));
                    let mut reader = Reader::without_replies(&wire[..], other(role));
                    reader.next_frame().unwrap().unwrap();
                    let mut read = vec![];
                    reader.read_to_end(&mut read).unwrap();
                    assert_eq!(read, payload);
                }
            }
        }
    }
}

#[test]
fn gobwas_a_writer_has_nothing_to_flush_until_it_is_written_to() {
    let mut wire = vec![];
    let mut writer = Writer::new(&mut wire, Role::Server, OpCode::Binary);
    writer.flush().unwrap();
    writer.flush_fragment().unwrap();
    writer.write_all(b"one").unwrap();
    assert_eq!(writer.buffered(), 3);
    writer.flush_fragment().unwrap();
    assert!(writer.reset(OpCode::Text).is_err(), "a message is open");
    writer.write_all(b"two").unwrap();
    writer.flush().unwrap();
    writer.write_all(b"thrown away").unwrap();
    writer.reset(OpCode::Text).unwrap();
    writer.write_all(b"three").unwrap();
    writer.flush().unwrap();
    drop(writer);
    assert_eq!(wire, b"\x02\x03one\x80\x03two\x81\x05three");
}

#[test]
fn gobwas_bug_2_control_writer_counts_all_writes_together() {
    let mut wire = vec![];
    let mut writer = ControlWriter::new(&mut wire, Role::Server, OpCode::Ping);
    writer.write_all(&[1; 100]).unwrap();
    assert!(writer.write_all(&[2; 26]).is_err());
    writer.write_all(&[2; 25]).unwrap();
    writer.flush().unwrap();
    writer.flush().unwrap();
    let frames = parse(&wire, Role::Server);
    assert_eq!(frames.iter().map(|frame| frame.payload.len()).collect::<Vec<_>>(), [125, 0]);
}

#[test]
fn a_control_writer_writes_no_other_frames() {
    let mut wire = vec![];
    for opcode in [OpCode::Text, OpCode::Continuation, OpCode::Reserved11] {
        let mut writer = ControlWriter::new(&mut wire, Role::Server, opcode);
        assert_eq!(writer.flush().unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    }
    assert_eq!(wire, b"");
}

#[test]
fn a_writer_that_failed_stays_failed() {
    let mut script = Script::new([]);
    script.write_fails_behind = 0;
    let mut writer = Writer::new(&mut script, Role::Server, OpCode::Text);
    writer.write_all(b"lost").unwrap();
    assert!(writer.flush().is_err());
    assert!(writer.write(b"more").is_err());
    assert!(writer.flush().is_err());
}

#[test]
fn gorilla_join_messages() {
    for terminator in ["", ",", "--"] {
        for chunk in 1..8 {
            let mut wire = vec![];
            for message in ["hello", "", "world"] {
                wsutil::write_client_text(&mut wire, message).unwrap();
            }
            wsutil::write_close_frame(&mut wire, Role::Client, CloseCode::NORMAL, "").unwrap();
            let reader = Reader::without_replies(&wire[..], Role::Server);
            let mut joined = join_messages(reader, terminator);
            let (mut text, mut room) = (vec![], vec![0; chunk]);
            loop {
                match joined.read(&mut room).unwrap() {
                    0 => break,
                    read => text.extend_from_slice(&room[..read]),
                }
            }
            let expected = format!("hello{terminator}{terminator}world{terminator}");
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }
}

#[test]
fn helpers_write_one_frame_in_one_write_and_refuse_what_a_peer_would() {
    let mut script = Script::new([]);
    wsutil::write_server_message(&mut script, OpCode::Text, b"hi").unwrap();
    wsutil::write_server_binary(&mut script, &vec![1; 100_000]).unwrap();
    wsutil::write_server_text(&mut script, "ho").unwrap();
    assert_eq!((script.writes, parse(&script.written, Role::Server).len()), (3, 3));
    for (opcode, payload) in
        [(OpCode::Text, &b"\xff"[..]), (OpCode::Ping, b""), (OpCode::Continuation, b"")]
    {
        let refused = wsutil::write_server_message(&mut script, opcode, payload).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
    }
    assert_eq!(script.writes, 3);
    let mut script = Script::new([]);
    wsutil::write_client_message(&mut script, OpCode::Binary, b"hi").unwrap();
    wsutil::write_client_binary(&mut script, &vec![1; 100_000]).unwrap();
    wsutil::write_client_text(&mut script, "ho").unwrap();
    assert_eq!((script.writes, parse(&script.written, Role::Client).len()), (3, 3));
}

#[test]
fn helpers_read_the_kind_that_is_wanted() {
    let mut wire = vec![];
    wsutil::write_client_binary(&mut wire, b"not this").unwrap();
    wsutil::write_client_text(&mut wire, "text").unwrap();
    wsutil::write_client_text(&mut wire, "nor this").unwrap();
    wsutil::write_client_binary(&mut wire, b"bytes").unwrap();
    wsutil::write_client_text(&mut wire, "any").unwrap();
    wsutil::write_close_frame(&mut wire, Role::Client, CloseCode(4000), "why").unwrap();
    let mut stream = Script::whole(&wire);
    assert_eq!(wsutil::read_client_text(&mut stream).unwrap(), "text");
    assert_eq!(wsutil::read_client_binary(&mut stream).unwrap(), b"bytes");
    assert_eq!(wsutil::read_client_data(&mut stream).unwrap(), (b"any".to_vec(), OpCode::Text));
    let Err(Error::Closed(status)) = wsutil::read_client_data(&mut stream) else { panic!() };
    assert_eq!((status.code, &*status.reason), (CloseCode(4000), "why"));
    assert_eq!(parse(&stream.written, Role::Server)[0].payload, 4000_u16.to_be_bytes());
}

#[test]
fn json_goes_both_ways_and_bad_json_harms_nothing() {
    let mut wire = vec![];
    wsutil::write_json(&mut wire, Role::Client, &vec![1, 2, 3]).unwrap();
    wsutil::write_client_text(&mut wire, "{\"partial\":").unwrap();
    wsutil::write_client_binary(&mut wire, b"\"bytes\"").unwrap();
    let stream = Plain(Script::whole(&wire));
    let mut connection =
        Connection::from_parts(stream, Endpoint::new(Role::Server), Handshake::default());
    assert_eq!(connection.receive_json::<Vec<u32>>().unwrap(), Some(vec![1, 2, 3]));
    assert!(matches!(connection.receive_json::<Vec<u32>>(), Err(Error::Json(_))));
    assert_eq!(connection.receive_json::<String>().unwrap(), Some("bytes".into()));
    connection.send_json(&("a", 1)).unwrap();
    let (stream, ..) = connection.into_parts();
    assert_eq!(stream.0.written, b"\x81\x07[\"a\",1]");
}

#[test]
fn a_reader_is_buffered_where_that_is_wanted() {
    use std::io::BufRead;

    let lines: String = (0..2000).map(|at| format!("line {at}\n")).collect();
    let mut wire = vec![];
    for _ in 0..3 {
        let mut writer = Writer::new(&mut wire, Role::Client, OpCode::Text).with_fragments(777);
        writer.write_all(lines.as_bytes()).unwrap();
        writer.flush().unwrap();
    }
    let mut reader = Reader::without_replies(&wire[..], Role::Server);
    reader.next_frame().unwrap().unwrap();
    let read: Vec<String> = reader.by_ref().lines().map(Result::unwrap).collect();
    assert_eq!(read.join("\n") + "\n", lines);
    // What is buffered is read by the other ways too,
    reader.next_frame().unwrap().unwrap();
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut rest = first.into_bytes();
    reader.read_message(&mut rest).unwrap();
    assert_eq!(rest, lines.as_bytes());
    // and belongs to its message only.
    let mut wire_of_two = vec![];
    wsutil::write_client_text(&mut wire_of_two, "first line\nsecond line").unwrap();
    wsutil::write_client_text(&mut wire_of_two, "next").unwrap();
    let mut reader = Reader::without_replies(&wire_of_two[..], Role::Server);
    reader.next_frame().unwrap().unwrap();
    reader.read_line(&mut String::new()).unwrap();
    reader.next_frame().unwrap().unwrap();
    let mut next = String::new();
    reader.read_to_string(&mut next).unwrap();
    assert_eq!(next, "next");
}
