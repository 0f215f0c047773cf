//! Two ends and any operations between them: what one sends the other gets, in order and whole,
//! and nothing that is written breaks a rule.

#![no_main]

use std::collections::VecDeque;

use libfuzzer_sys::fuzz_target;
use wscore::{CloseCode, Role};
use wsutil::{Decoder, Endpoint, Event, Kind, Limits, OwnedMessage, SendError, Step};

struct End {
    endpoint: Endpoint,
    /// What the other end sent, and this one is still to hand out.
    expected: VecDeque<OwnedMessage>,
    /// A message that is being sent in pieces.
    open: Option<(Kind, Vec<u8>)>,
    /// A message that is being handed out in pieces.
    partial: Option<(Kind, Vec<u8>)>,
    /// Reads everything that this end writes, as the other role does.
    judge: Decoder,
    unjudged: Vec<u8>,
    has_closed: bool,
    /// Written, and not yet delivered.
    wire: VecDeque<u8>,
    is_over: bool,
}

impl End {
    fn new(role: Role, other: Role) -> Self {
        Self {
            endpoint: Endpoint::new(role),
            expected: VecDeque::new(),
            open: None,
            partial: None,
            judge: Decoder::new(other, Limits::NONE),
            unjudged: vec![],
            has_closed: false,
            wire: VecDeque::new(),
            is_over: false,
        }
    }

    /// Takes at most this many bytes of what waits.
    fn write(&mut self, most: usize) {
        let waits = self.endpoint.pieces().collect::<Vec<_>>().concat();
        assert_eq!(waits.len(), self.endpoint.pending());
        let taken = &waits[..waits.len().min(most)];
        self.endpoint.written(taken.len());
        self.wire.extend(taken);
        self.unjudged.extend_from_slice(taken);
        loop {
            let decoded = self.judge.decode(&mut self.unjudged).expect("what is written is right");
            let used = decoded.used;
            let (is_close, is_pong) = match decoded.event {
                Some(Event::Close(_)) => (true, false),
                Some(Event::Pong(_)) => (false, true),
                _ => (false, false),
            };
            if used == 0 {
                return;
            }
            self.unjudged.drain(..used);
            // A ping is still answered behind our close; nothing else follows it.
            assert!(is_pong || !self.has_closed, "a close frame is the last");
            self.has_closed |= is_close;
            if is_close {
                // The judge takes nothing behind a close: a new one sees what follows.
                self.judge = Decoder::new(self.judge.role(), Limits::NONE);
            }
        }
    }

    fn step(&mut self, pieces: bool) {
        let step = if pieces { self.endpoint.step_piece() } else { self.endpoint.step() };
        match step.expect("the other end keeps the rules") {
            Step::Message => {
                let (message, _) = self.endpoint.message();
                assert_eq!(Some(message.to_owned()), self.expected.pop_front());
            }
            Step::Piece => {
                let (piece, _) = self.endpoint.piece();
                let (_, bytes) = self.partial.get_or_insert_with(|| (piece.kind, vec![]));
                bytes.extend_from_slice(piece.payload);
                if piece.last {
                    let (kind, bytes) = self.partial.take().expect("it is open");
                    let expected = self.expected.pop_front().expect("it was sent");
                    assert_eq!((kind, &bytes[..]), (expected.kind(), expected.as_bytes()));
                }
            }
            Step::Closed => self.is_over = true,
            Step::Read | Step::Write => {}
        }
    }
}

fuzz_target!(|operations: &[u8]| {
    let mut ends = [End::new(Role::Server, Role::Client), End::new(Role::Client, Role::Server)];
    for operation in operations.chunks_exact(3) {
        let &[what, size, seed] = operation else { continue };
        let [server, client] = &mut ends;
        let (end, other) = if what % 2 == 0 { (server, client) } else { (client, server) };
        let len = usize::from(size) * if seed % 8 == 7 { 300 } else { 1 };
        let payload: Vec<u8> =
            (0..len).map(|at| b'a' + ((at + usize::from(seed)) % 26) as u8).collect();
        let mut sending = end.endpoint.sending();
        match what / 2 % 12 {
            0 => {
                if sending.message(&payload).is_ok() {
                    other.expected.push_back(payload.into());
                }
            }
            1 => {
                let text = String::from_utf8(payload).unwrap();
                if sending.message(&text).is_ok() {
                    other.expected.push_back(text.into());
                }
            }
            2 => {
                let fin = seed % 3 == 0;
                if sending.piece(Kind::Text, fin, &payload).is_ok() {
                    let (_, bytes) = end.open.get_or_insert_with(|| (Kind::Text, vec![]));
                    bytes.extend_from_slice(&payload);
                    if fin {
                        let (_, bytes) = end.open.take().unwrap();
                        other.expected.push_back(String::from_utf8(bytes).unwrap().into());
                    }
                }
            }
            3 => match sending.ping(&payload) {
                Err(SendError::ControlTooLong) => assert!(len > 125),
                Ok(()) => assert!(len <= 125),
                Err(_) => {}
            },
            4 => {
                let _ = sending.pong(&payload);
            }
            5 if seed == 0 => {
                let _ = sending.close(CloseCode(u16::from(size) * 20), "reason");
            }
            6 | 7 => end.write(len),
            8 => {
                let len = len.min(end.wire.len());
                let bytes: Vec<u8> = end.wire.drain(..len).collect();
                let room = other.endpoint.room();
                let taken = bytes.len().min(room.len());
                room[..taken].copy_from_slice(&bytes[..taken]);
                other.endpoint.received(taken);
                other.endpoint.receive(&bytes[taken..]);
            }
            9 => end.step(false || end.partial.is_some()),
            10 => end.step(true),
            _ => end.endpoint.park(),
        }
    }
    // Everything that is under way arrives.
    for _ in 0..4 {
        for at in [0, 1] {
            let (head, tail) = ends.split_at_mut(1);
            let (from, to) =
                if at == 0 { (&mut head[0], &mut tail[0]) } else { (&mut tail[0], &mut head[0]) };
            while from.endpoint.pending() > 0 {
                from.write(usize::MAX);
            }
            let bytes: Vec<u8> = from.wire.drain(..).collect();
            to.endpoint.receive(&bytes);
            loop {
                let before = to.expected.len();
                let step = if to.partial.is_some() {
                    to.endpoint.step_piece()
                } else {
                    to.endpoint.step()
                };
                match step.expect("the other end keeps the rules") {
                    Step::Message => {
                        let (message, _) = to.endpoint.message();
                        assert_eq!(Some(message.to_owned()), to.expected.pop_front());
                    }
                    Step::Piece => {
                        let (piece, _) = to.endpoint.piece();
                        let (_, bytes) = to.partial.as_mut().expect("it is open");
                        bytes.extend_from_slice(piece.payload);
                        if piece.last {
                            let (_, bytes) = to.partial.take().unwrap();
                            let expected = to.expected.pop_front().expect("it was sent");
                            assert_eq!(bytes, expected.as_bytes());
                        }
                    }
                    Step::Write => to.write(usize::MAX),
                    Step::Read => break,
                    Step::Closed => {
                        to.is_over = true;
                        break;
                    }
                }
                assert!(to.expected.len() <= before);
            }
        }
    }
    let [server, client] = &ends;
    assert_eq!(server.is_over, client.is_over, "a closing handshake has two sides");
    if !server.is_over {
        assert!(server.expected.is_empty() && client.expected.is_empty());
    }
});
