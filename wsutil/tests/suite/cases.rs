//! One table of what a peer may send in frames, and what must come of it, for every driver.

use wscore::{CloseCode, Frame, Header, OpCode, ProtocolError, Role, Rsv};
use wsflate::Agreed;
use wsutil::{Limits, MessageError, OwnedMessage};

use crate::drivers::Side;

/// How a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By a closing handshake, with the peer's code.
    Closed(CloseCode),
    /// The peer broke a rule.
    Failed(MessageError),
    /// The stream ended without a close frame.
    Gone { inside_message: bool },
}

/// What one end makes of what it receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) messages: Vec<OwnedMessage>,
    pub(crate) end: End,
    /// The control frames that it wrote: opcode and payload.
    pub(crate) written: Vec<(OpCode, Vec<u8>)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) id: String,
    /// The end that receives.
    pub(crate) side: Side,
    pub(crate) wire: Vec<u8>,
    pub(crate) outcome: Outcome,
}

/// The limits that the cases hold for.
pub(crate) const LIMITS: Limits = Limits { message: 70_000, frame: 66_000, fragments: 64 };

/// The bytes of one frame as the peer of `role` sends it.
pub(crate) fn frame(role: Role, fin: bool, rsv: Rsv, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut mask = None;
    if role == Role::Server {
        mask = Some([0x37, 0xfa, 0x21, 0x3d]);
    }
    raw(Header { fin, rsv, opcode, mask, len: payload.len() as u64 }, payload)
}

/// A header and its payload, masked as the header says, whatever the rules are.
fn raw(header: Header, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header.encode().to_vec();
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    wscore::cipher(&mut bytes[start..], header.mask.unwrap_or_default(), 0);
    bytes
}

/// The close body that tells a peer what it did wrong.
pub(crate) fn told(error: &MessageError) -> Vec<u8> {
    let reason = error.to_string();
    [&error.close_code().0.to_be_bytes(), reason.as_bytes()].concat()
}

pub(crate) struct Table {
    pub(crate) role: Role,
    pub(crate) agreed: Option<Agreed>,
    pub(crate) cases: Vec<Case>,
}

/// Frames of the peer, one behind the other.
pub(crate) struct Wire {
    role: Role,
    bytes: Vec<u8>,
}

impl Wire {
    pub(crate) fn put(mut self, fin: bool, rsv: Rsv, opcode: OpCode, payload: &[u8]) -> Self {
        self.bytes.extend(frame(self.role, fin, rsv, opcode, payload));
        self
    }
    pub(crate) fn text(self, payload: &[u8]) -> Self {
        self.put(true, Rsv::NONE, OpCode::Text, payload)
    }
    pub(crate) fn binary(self, payload: &[u8]) -> Self {
        self.put(true, Rsv::NONE, OpCode::Binary, payload)
    }
    fn begin(self, opcode: OpCode, payload: &[u8]) -> Self {
        self.put(false, Rsv::NONE, opcode, payload)
    }
    pub(crate) fn more(self, payload: &[u8]) -> Self {
        self.put(false, Rsv::NONE, OpCode::Continuation, payload)
    }
    fn last(self, payload: &[u8]) -> Self {
        self.put(true, Rsv::NONE, OpCode::Continuation, payload)
    }
    pub(crate) fn ping(self, payload: &[u8]) -> Self {
        self.put(true, Rsv::NONE, OpCode::Ping, payload)
    }
    fn pong(self, payload: &[u8]) -> Self {
        self.put(true, Rsv::NONE, OpCode::Pong, payload)
    }
    fn close(self, code: u16, reason: &[u8]) -> Self {
        let body = [&code.to_be_bytes(), reason].concat();
        self.put(true, Rsv::NONE, OpCode::Close, &body)
    }
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }
}

impl Table {
    pub(crate) fn wire(&self) -> Wire {
        Wire { role: self.role, bytes: vec![] }
    }

    pub(crate) fn add(
        &mut self,
        id: impl Into<String>,
        wire: Wire,
        messages: Vec<OwnedMessage>,
        pongs: &[&[u8]],
        end: End,
    ) {
        let mut written: Vec<_> = pongs.iter().map(|pong| (OpCode::Pong, pong.to_vec())).collect();
        match &end {
            End::Closed(code) if *code == CloseCode::NO_STATUS => {
                written.push((OpCode::Close, vec![]));
            }
            End::Closed(code) => written.push((OpCode::Close, code.0.to_be_bytes().to_vec())),
            End::Failed(error) => {
                written.push((OpCode::Close, told(error)));
            }
            End::Gone { .. } => {}
        }
        let outcome = Outcome { messages, end, written };
        let side = Side { role: self.role, agreed: self.agreed };
        self.cases.push(Case { id: id.into(), side, wire: wire.bytes, outcome });
    }

    /// A peer that is to be failed.
    pub(crate) fn fails(
        &mut self,
        id: impl Into<String>,
        wire: Wire,
        error: impl Into<MessageError>,
    ) {
        self.add(id, wire, vec![], &[], End::Failed(error.into()));
    }

    /// Messages, and then the stream ends.
    pub(crate) fn accepts(
        &mut self,
        id: impl Into<String>,
        wire: Wire,
        messages: Vec<OwnedMessage>,
    ) {
        self.add(id, wire, messages, &[], GONE);
    }
}

pub(crate) const GONE: End = End::Gone { inside_message: false };
const INSIDE: End = End::Gone { inside_message: true };

pub(crate) fn text(text: &str) -> OwnedMessage {
    text.into()
}

pub(crate) fn binary(bytes: &[u8]) -> OwnedMessage {
    bytes.to_vec().into()
}

pub(crate) fn cases() -> Vec<Case> {
    [Role::Server, Role::Client].into_iter().flat_map(cases_of).collect()
}

fn cases_of(role: Role) -> Vec<Case> {
    let mut table = Table { role, agreed: None, cases: vec![] };
    lengths(&mut table);
    headers(&mut table);
    fragments(&mut table);
    controls(&mut table);
    closes(&mut table);
    texts(&mut table);
    table.cases
}

fn lengths(t: &mut Table) {
    for size in [0, 1, 125, 126, 127, 128, 65_535, 65_536] {
        let bytes: Vec<u8> = (0..size).map(|at| at as u8).collect();
        t.accepts(
            format!("FR40 binary of {size} bytes"),
            t.wire().binary(&bytes),
            vec![binary(&bytes)],
        );
    }
    let masked = if t.role == Role::Server { 0x80 } else { 0 };
    for len in [0u16, 1, 125] {
        let wire = t.wire().bytes(&[0x82, masked | 126]).bytes(&len.to_be_bytes()).bytes(&[0; 4]);
        t.fails(format!("FR1 {len} in 16 bits"), wire, ProtocolError::LengthNotMinimal);
    }
    for len in [0u64, 125, 126, 65_535] {
        let wire = t.wire().bytes(&[0x82, masked | 127]).bytes(&len.to_be_bytes()).bytes(&[0; 4]);
        t.fails(format!("FR1 {len} in 64 bits"), wire, ProtocolError::LengthNotMinimal);
    }
    for len in [1 << 63, u64::MAX, u64::MAX - 13] {
        let wire = t.wire().bytes(&[0x82, masked | 127]).bytes(&len.to_be_bytes()).bytes(&[0; 4]);
        t.fails(format!("FR2 CVE-2020-13935 {len}"), wire, ProtocolError::LengthOverflow);
    }
    let limit = LIMITS.frame;
    for len in
        [limit + 1, 1 << 32, (1 << 32) - 1, (1 << 32) + 1, usize::MAX as u64 >> 1, (1 << 63) - 1]
    {
        let wire = t.wire().bytes(&[0x82, masked | 127]).bytes(&len.to_be_bytes()).bytes(&[0; 4]);
        t.fails(
            format!("FR3 FR4 CVE-2026-54274 {len}"),
            wire,
            ProtocolError::FrameTooLarge { len, limit },
        );
        for fin in [0x00, 0x80] {
            let wire = t.wire().begin(OpCode::Binary, b"a");
            let wire = wire.bytes(&[fin, masked | 127]).bytes(&len.to_be_bytes()).bytes(&[0; 4]);
            let error = ProtocolError::FrameTooLarge { len, limit };
            t.fails(format!("FR4 continuation of {len}"), wire, error);
        }
    }
    let half = vec![7; LIMITS.message as usize / 2];
    let whole = binary(&[&half[..], &half].concat());
    let wire = t.wire().begin(OpCode::Binary, &half).last(&half);
    t.accepts("FR3 CVE-2026-42786 fragments of the limit", wire, vec![whole]);
    let wire = t.wire().begin(OpCode::Binary, &half).more(&half).last(b"x");
    t.fails(
        "FR3 CVE-2026-42786 a byte more",
        wire,
        MessageError::TooLarge { limit: LIMITS.message },
    );
}

fn headers(t: &mut Table) {
    let wrong = match t.role {
        Role::Server => ProtocolError::MaskMissing,
        Role::Client => ProtocolError::MaskUnexpected,
    };
    let mask = (t.role == Role::Client).then_some([0; 4]);
    for opcode in [OpCode::Text, OpCode::Binary, OpCode::Ping, OpCode::Pong, OpCode::Close] {
        for payload in [&b""[..], b"\x03\xe8"] {
            let header = Header { mask, ..Header::new(opcode, payload.len() as u64) };
            let wire = t.wire().bytes(&raw(header, payload));
            t.fails(format!("FR5 {opcode:?} of {} bytes", payload.len()), wire, wrong);
        }
    }
    for bits in 1..8 {
        let rsv = Rsv::from_bits(bits);
        let error = ProtocolError::RsvUnexpected(rsv);
        for opcode in [OpCode::Text, OpCode::Binary, OpCode::Ping, OpCode::Pong, OpCode::Close] {
            let wire = t.wire().put(true, rsv, opcode, b"");
            t.fails(format!("FR6 CVE-2026-59881 {rsv:?} on {opcode:?}"), wire, error);
        }
        let wire = t.wire().begin(OpCode::Text, b"a").put(true, rsv, OpCode::Continuation, b"");
        t.fails(format!("FR6 {rsv:?} on a continuation"), wire, error);
    }
    for bits in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        let opcode = OpCode::from_bits(bits);
        for fin in [false, true] {
            let wire = t.wire().bytes(&frame(t.role, fin, Rsv::NONE, opcode, b"payload")[..2]);
            t.fails(
                format!("FR7 opcode {bits} fin {fin}"),
                wire,
                ProtocolError::OpCodeReserved(opcode),
            );
        }
    }
    for opcode in [OpCode::Ping, OpCode::Pong, OpCode::Close] {
        let wire = t.wire().put(false, Rsv::NONE, opcode, b"");
        t.fails(format!("FR8 {opcode:?} without FIN"), wire, ProtocolError::ControlFragmented);
        for size in [126, 65_536] {
            let wire = t.wire().put(true, Rsv::NONE, opcode, &vec![0; size]);
            t.fails(format!("FR8 {opcode:?} of {size}"), wire, ProtocolError::ControlTooLong);
        }
    }
}

fn fragments(t: &mut Table) {
    let unexpected = ProtocolError::ContinuationUnexpected;
    for fin in [false, true] {
        let wire = t.wire().put(fin, Rsv::NONE, OpCode::Continuation, b"x");
        t.fails(format!("FR9 first, fin {fin}"), wire, unexpected);
    }
    let wire = t.wire().text(b"a").last(b"b");
    t.add("FR9 behind a whole message", wire, vec![text("a")], &[], End::Failed(unexpected.into()));
    let wire = t.wire().begin(OpCode::Text, b"a").last(b"b").last(b"c");
    t.add(
        "FR9 behind a last fragment",
        wire,
        vec![text("ab")],
        &[],
        End::Failed(unexpected.into()),
    );
    for opcode in [OpCode::Text, OpCode::Binary] {
        for fin in [false, true] {
            let wire = t.wire().begin(OpCode::Text, b"a").put(fin, Rsv::NONE, opcode, b"b");
            let error = ProtocolError::ContinuationExpected;
            t.fails(format!("FR10 {opcode:?} inside, fin {fin}"), wire, error);
        }
    }
    let wire = t.wire().ping(b"0").begin(OpCode::Text, b"Hel").ping(b"1").more(b"").pong(b"?");
    let wire = wire.more(b"lo").ping(b"2").ping(b"3").last(b"!").ping(b"4");
    let pongs: [&[u8]; 5] = [b"0", b"1", b"2", b"3", b"4"];
    t.add("FR11 control frames between", wire, vec![text("Hello!")], &pongs, GONE);
    for opcode in [OpCode::Text, OpCode::Binary] {
        let empty = if opcode == OpCode::Text { text("") } else { binary(b"") };
        let name = format!("FR31 {opcode:?}");
        let wire = t.wire().put(true, Rsv::NONE, opcode, b"");
        t.accepts(format!("{name} empty"), wire, vec![empty.clone()]);
        let wire = t.wire().begin(opcode, b"").more(b"").last(b"");
        t.accepts(format!("{name} of empty fragments"), wire, vec![empty]);
    }
    let wire = t.wire().begin(OpCode::Text, b"").more(b"a").more(b"").last(b"b").text(b"c");
    t.accepts("FR31 empty fragments between", wire, vec![text("ab"), text("c")]);
    let mut wire = t.wire().begin(OpCode::Binary, b"0");
    for _ in 1..LIMITS.fragments {
        wire = wire.more(b"1");
    }
    let error = MessageError::TooManyFragments { limit: LIMITS.fragments };
    t.fails("FR33 too many fragments", wire.last(b""), error);
    let mut wire = t.wire().begin(OpCode::Binary, b"");
    for _ in 1..LIMITS.fragments {
        wire = wire.more(b"");
    }
    t.fails("FR33 too many empty fragments", wire.more(b""), error);
    let wire = t.wire().begin(OpCode::Text, b"begun");
    t.add("TR3 the stream ends between fragments", wire, vec![], &[], INSIDE);
    for cut in [1, 5, 9] {
        let whole = frame(t.role, true, Rsv::NONE, OpCode::Text, b"payload");
        let wire = t.wire().text(b"a").bytes(&whole[..cut.min(whole.len() - 1)]);
        t.add(format!("TR3 the stream ends {cut} bytes in"), wire, vec![text("a")], &[], INSIDE);
    }
    t.accepts("TR3 the stream ends at once", t.wire(), vec![]);
}

fn controls(t: &mut Table) {
    let long = vec![0xa5; 125];
    for payload in [&b""[..], b"p", &long] {
        let name = format!("FR12 ping of {} bytes", payload.len());
        t.add(name, t.wire().ping(payload).text(b"t"), vec![text("t")], &[payload], GONE);
    }
    let wire = t.wire().pong(b"").pong(b"unsolicited").pong(b"unsolicited").text(b"t");
    t.accepts("FR13 CVE-2021-3690 unsolicited pongs", wire, vec![text("t")]);
    let pings: Vec<[u8; 1]> = (0..10).map(|at| [at]).collect();
    let wire = pings.iter().fold(t.wire(), |wire, ping| wire.ping(ping));
    let pongs: Vec<&[u8]> = pings.iter().map(<[u8; 1]>::as_slice).collect();
    t.add("FR12 ten pings, ten pongs", wire, vec![], &pongs, GONE);
}

fn closes(t: &mut Table) {
    let wire = t.wire().put(true, Rsv::NONE, OpCode::Close, b"");
    t.add("FR14 empty close", wire, vec![], &[], End::Closed(CloseCode::NO_STATUS));
    let wire = t.wire().put(true, Rsv::NONE, OpCode::Close, b"\x03");
    t.fails("FR15 close of one byte", wire, ProtocolError::CloseBodyTooShort);
    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        let wire = t.wire().close(code, "wörds".as_bytes());
        t.add(format!("FR16 close with {code}"), wire, vec![], &[], End::Closed(CloseCode(code)));
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535] {
        let error = ProtocolError::CloseCodeInvalid(CloseCode(code));
        t.fails(format!("FR17 close with {code}"), t.wire().close(code, b""), error);
    }
    let cut = [&[b'a'; 122][..], b"\xc3"].concat();
    for reason in [&b"\xff"[..], b"\xce\xba\xe1", &cut] {
        let error = ProtocolError::CloseReasonNotUtf8;
        t.fails(format!("FR18 reason {reason:x?}"), t.wire().close(1000, reason), error);
    }
    let wire = t.wire().text(b"a").close(1000, b"").text(b"b").ping(b"c").bytes(b"\xff\xff");
    let closed = End::Closed(CloseCode::NORMAL);
    t.add("FR20 data, ping and junk behind a close", wire, vec![text("a")], &[], closed.clone());
    let wire = t.wire().begin(OpCode::Text, b"a").close(1000, b"");
    t.add("FR20 close between fragments", wire, vec![], &[], closed);
}

fn texts(t: &mut Table) {
    for whole in ["", "a", "κόσμε", "\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}", "ﾊﾛｰ 🦀"]
    {
        t.accepts(format!("FR27 {whole:?}"), t.wire().text(whole.as_bytes()), vec![text(whole)]);
        for at in 0..=whole.len() {
            let (head, tail) = whole.as_bytes().split_at(at);
            let wire = t.wire().begin(OpCode::Text, head).ping(b"").more(b"").last(tail);
            let name = format!("FR30 {whole:?} in fragments at {at}");
            t.add(name, wire, vec![text(whole)], &[b""], GONE);
        }
    }
    let long: String = "aé€🦀".repeat(20);
    t.accepts("FR27 long enough for vectors", t.wire().text(long.as_bytes()), vec![text(&long)]);
    let invalid: [&[u8]; 14] = [
        b"\x80",
        b"\xbf",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf0\x80\x80\x80",
        b"\xf4\x90\x80\x80",
        b"\xf5",
        b"\xfe",
        b"\xff",
        b"\xc3\x28",
        b"\xe2\x28\xa1",
    ];
    for bytes in invalid {
        let text = [b"valid ", bytes, b" behind"].concat();
        t.fails(format!("FR27 {bytes:x?}"), t.wire().text(&text), MessageError::TextNotUtf8);
        for at in 0..text.len() {
            let (head, tail) = text.split_at(at);
            let wire = t.wire().begin(OpCode::Text, head).last(tail);
            t.fails(
                format!("FR27 {bytes:x?} in fragments at {at}"),
                wire,
                MessageError::TextNotUtf8,
            );
        }
    }
    for cut in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\xa6"] {
        let bytes = [b"valid ", cut].concat();
        t.fails(
            format!("FR29 {cut:x?} at the end"),
            t.wire().text(&bytes),
            MessageError::TextNotUtf8,
        );
        let wire = t.wire().begin(OpCode::Text, &bytes).last(b"");
        t.fails(format!("FR29 {cut:x?} at the end of fragments"), wire, MessageError::TextNotUtf8);
    }
    let any: Vec<u8> = (0..=255).collect();
    t.accepts("FR27 binary is not text", t.wire().binary(&any), vec![binary(&any)]);
    // FR28: the rest of the frame never comes.
    let begun = frame(
        t.role,
        true,
        Rsv::NONE,
        OpCode::Text,
        &[&b"valid \xf4\x90"[..], &[b'a'; 50]].concat(),
    );
    let header = if t.role == Role::Server { 6 } else { 2 };
    let wire = t.wire().bytes(&begun[..header + 8]);
    t.fails("FR28 fails at the byte", wire, MessageError::TextNotUtf8);
}

/// The frames in `bytes`, unmasked; whether they are masked must fit the sender's role.
pub(crate) fn parse(mut bytes: &[u8], sender: Role) -> Vec<Frame<Vec<u8>>> {
    let mut frames = vec![];
    while !bytes.is_empty() {
        let mut frame = wscore::read_frame(&mut bytes, u64::MAX).expect("whole frames are written");
        assert_eq!(frame.mask.is_some(), sender == Role::Client, "FR40: {sender:?} masks or not");
        frame.unmask_in_place();
        frames.push(frame);
    }
    frames
}

/// The control frames in what `role` wrote, which is nothing else.
pub(crate) fn controls_in(bytes: &[u8], role: Role) -> Vec<(OpCode, Vec<u8>)> {
    let frames = parse(bytes, role).into_iter();
    frames.map(|frame| (frame.opcode, frame.payload)).collect()
}
