//! What a peer may send once permessage-deflate is agreed, for every driver that has it.

use wscore::{OpCode, ProtocolError, Role, Rsv};
use wsflate::{Agreed, Compressor, Config, Deflate, Direction, WindowBits};
use wsutil::{MessageError, OwnedMessage};

use crate::cases::{Case, End, GONE, LIMITS, Table, Wire, binary, text};

const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
/// "Hello" behind "Hello".
const AGAIN: &[u8] = b"\xf2\x00\x11\x00\x00";

impl Wire {
    /// A message in one frame.
    fn compressed(self, opcode: OpCode, payload: &[u8]) -> Self {
        self.put(true, Rsv::RSV1, opcode, payload)
    }
    /// A message in frames of so many bytes.
    fn in_frames(mut self, opcode: OpCode, payload: &[u8], size: usize) -> Self {
        let mut frames = payload.chunks(size).peekable();
        let mut next = (Rsv::RSV1, opcode);
        while let Some(frame) = frames.next() {
            self = self.put(frames.peek().is_none(), next.0, next.1, frame);
            next = (Rsv::NONE, OpCode::Continuation);
        }
        self
    }
}

fn direction(takeover: bool, bits: u8) -> Direction {
    Direction { takeover, window: WindowBits::new(bits).unwrap() }
}

/// What is sent for a message, which every window has room for.
pub(crate) fn compressed(message: &[u8]) -> Vec<u8> {
    compressed_with(message, 9)
}

fn compressed_with(message: &[u8], bits: u8) -> Vec<u8> {
    let mut compressor = Compressor::new(&Deflate::default(), direction(false, bits));
    let mut payload = vec![];
    compressor.compress_to(message, &mut payload).unwrap();
    payload
}

pub(crate) fn deflate_cases() -> Vec<Case> {
    let mut cases = vec![];
    for (role, takeover, bits) in [
        (Role::Server, true, 15),
        (Role::Client, true, 15),
        (Role::Server, false, 15),
        (Role::Client, true, 9),
    ] {
        let direction = direction(takeover, bits);
        let agreed = Some(Agreed { send: direction, receive: direction });
        let mut table = Table { role, agreed, cases: vec![] };
        vectors(&mut table, takeover);
        broken(&mut table, bits);
        bits_of_frames(&mut table);
        texts(&mut table);
        limits(&mut table);
        cases.append(&mut table.cases);
    }
    cases
}

fn vectors(t: &mut Table, takeover: bool) {
    for (id, payload, message) in [
        ("DF1", HELLO, "Hello"),
        ("DF3", b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"),
        ("DF4", b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"),
        ("DF5", b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"),
        ("DF6", b"\x00", ""),
        ("DF6", b"\x03\x00", ""),
        ("DF6 NATS 409d394aa, no bytes", b"", ""),
    ] {
        for (opcode, message) in
            [(OpCode::Text, text(message)), (OpCode::Binary, binary(message.as_bytes()))]
        {
            // The next message still decodes.
            let wire = t.wire().compressed(opcode, payload).compressed(opcode, HELLO);
            let second = if opcode == OpCode::Text { text("Hello") } else { binary(b"Hello") };
            t.accepts(format!("{id} {payload:x?}"), wire, vec![message, second]);
        }
        for split in 0..=payload.len() {
            let (one, two) = payload.split_at(split);
            let wire = t.wire().put(false, Rsv::RSV1, OpCode::Text, one).ping(b"p").more(b"");
            let wire = wire.ping(b"q").put(true, Rsv::NONE, OpCode::Continuation, two);
            let name = format!("DF2 {id} in fragments at {split}");
            t.add(name, wire, vec![text(message)], &[b"p", b"q"], GONE);
        }
    }
    let wire = t.wire().compressed(OpCode::Text, HELLO).compressed(OpCode::Text, AGAIN);
    if takeover {
        t.accepts("DF1 taking over", wire, vec![text("Hello"), text("Hello")]);
        let wire = t.wire().compressed(OpCode::Text, HELLO).text(b"plain").binary(b"in between");
        let wire = wire.compressed(OpCode::Text, b"").compressed(OpCode::Text, AGAIN);
        let messages =
            vec![text("Hello"), text("plain"), binary(b"in between"), text(""), text("Hello")];
        t.accepts("DF13 plain ones touch nothing", wire, messages);
        let wire = t.wire().compressed(OpCode::Text, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00");
        let wire = wire.compressed(OpCode::Text, AGAIN);
        t.accepts("DF4 taking over", wire, vec![text("Hello"), text("Hello")]);
    } else {
        let end = End::Failed(MessageError::CompressedInvalid);
        t.add("DF1 not taking over", wire, vec![text("Hello")], &[], end);
    }
}

fn broken(t: &mut Table, bits: u8) {
    for payload in [
        &b"\x07"[..],
        b"\xff",
        b"\x06",
        b"\x01\x02",
        AGAIN,
        b"\xf2\x48\xcd\xc9\xc9\x07",
        b"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff",
        b"\x00\x00\x00\xff\xff",
    ] {
        let wire = t.wire().compressed(OpCode::Binary, payload).text(b"behind");
        t.fails(format!("DF7 DF9 {payload:x?}"), wire, MessageError::CompressedInvalid);
        let wire = t.wire().in_frames(OpCode::Binary, payload, 1);
        t.fails(format!("DF7 DF9 {payload:x?} in frames"), wire, MessageError::CompressedInvalid);
    }
    // 2,000 bytes without repetition, and the first of them again.
    let said: Vec<u8> = (0..1000u16).flat_map(u16::to_be_bytes).collect();
    let said = [&said[..], &said[..100]].concat();
    let wire = t.wire().compressed(OpCode::Binary, &compressed_with(&said, 15));
    if bits == 15 {
        t.accepts("DF8 a distance in the window", wire, vec![binary(&said)]);
    } else {
        t.fails("DF8 a distance over the window", wire, MessageError::CompressedInvalid);
    }
}

fn bits_of_frames(t: &mut Table) {
    let unexpected = |rsv| ProtocolError::RsvUnexpected(rsv);
    let wire = t.wire().put(false, Rsv::RSV1, OpCode::Text, b"\xf2\x48");
    let wire = wire.put(true, Rsv::RSV1, OpCode::Continuation, b"\xcd\xc9\xc9\x07\x00");
    t.fails("DF11 on a continuation", wire, unexpected(Rsv::RSV1));
    let wire = t.wire().put(false, Rsv::NONE, OpCode::Text, b"plain");
    let wire = wire.put(true, Rsv::RSV1, OpCode::Continuation, HELLO);
    t.fails("DF11 on the continuation of a plain one", wire, unexpected(Rsv::RSV1));
    for opcode in [OpCode::Ping, OpCode::Pong, OpCode::Close] {
        let wire = t.wire().put(true, Rsv::RSV1, opcode, b"");
        t.fails(format!("DF11 on {opcode:?}"), wire, unexpected(Rsv::RSV1));
    }
    for rsv in [Rsv::RSV2, Rsv::RSV3, Rsv::RSV1 | Rsv::RSV2, Rsv::RSV1 | Rsv::RSV3] {
        let wire = t.wire().put(true, rsv, OpCode::Text, HELLO);
        t.fails(format!("DF12 {rsv:?}"), wire, unexpected(rsv.without(Rsv::RSV1)));
    }
}

fn texts(t: &mut Table) {
    let long = "κόσμε 🦀 ".repeat(300);
    let wire = t.wire().in_frames(OpCode::Text, &compressed(long.as_bytes()), 7);
    t.accepts("DF15 characters cut by frames", wire, vec![text(&long)]);
    for bytes in [&b"valid \xff behind"[..], b"cut \xe2\x82", b"\xed\xa0\x80"] {
        let payload = compressed(bytes);
        let wire = t.wire().compressed(OpCode::Text, &payload);
        t.fails(format!("DF15 {bytes:x?}"), wire, MessageError::TextNotUtf8);
        let wire = t.wire().in_frames(OpCode::Text, &payload, 3);
        t.fails(format!("DF15 {bytes:x?} in frames"), wire, MessageError::TextNotUtf8);
        t.accepts(
            "DF15 binary",
            t.wire().compressed(OpCode::Binary, &payload),
            vec![binary(bytes)],
        );
    }
}

fn limits(t: &mut Table) {
    let limit = LIMITS.message as usize;
    let too_large = MessageError::TooLarge { limit: LIMITS.message };
    for (len, is_ok) in [(limit - 1, true), (limit, true), (limit + 1, false), (1 << 20, false)] {
        let zeros = compressed(&vec![0; len]);
        let wires = [
            ("whole", t.wire().compressed(OpCode::Binary, &zeros)),
            ("in frames", t.wire().in_frames(OpCode::Binary, &zeros, zeros.len() / 50 + 1)),
        ];
        for (how, wire) in wires {
            let name = format!("DF14 CVE-2026-1526 {len} zeros {how}");
            if is_ok {
                t.accepts(name, wire, vec![OwnedMessage::Binary(vec![0; len])]);
            } else {
                t.fails(name, wire, too_large);
            }
        }
    }
    // A byte of them is a byte of the message: blocks that hold others.
    let mut nested = vec![0; 1 << 20];
    for _ in 0..3 {
        nested = compressed(&nested);
    }
    let message = {
        let mut decompressor =
            wsflate::Decompressor::new(&Deflate::default(), direction(false, 15));
        let mut out = vec![];
        decompressor.decompress_to(&nested, &mut out, u64::MAX).unwrap();
        out
    };
    t.accepts("DF14 nested", t.wire().compressed(OpCode::Binary, &nested), vec![binary(&message)]);
    // What cannot be compressed is larger on the wire than the limit.
    let mut random = 1u32;
    let noise: Vec<u8> = (0..limit)
        .map(|_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 24) as u8
        })
        .collect();
    let config = Config { level: 1, mem_level: 1, ..Config::default() };
    let mut compressor = Compressor::new(&Deflate::new(config), direction(false, 9));
    let mut payload = vec![];
    compressor.compress_to(&noise, &mut payload).unwrap();
    assert!(payload.len() > limit);
    let wire = t.wire().in_frames(OpCode::Binary, &payload, 60_000);
    t.accepts("DF14 noise of the limit", wire, vec![binary(&noise)]);
}
