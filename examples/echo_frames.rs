//! Echo with bare frames: `read_header`, `cipher`, `Header::encode`, and nothing in between.
//!
//! Replies to frames that came together leave together, and the fragments of a message are echoed
//! one by one.

pub(crate) mod common;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use wscore::{
    CloseBody, CloseCode, CloseReason, DeadlineStream, Frame, Header, MAX_CONTROL_PAYLOAD, Mask,
    OpCode, ProtocolError, ReadError, Replay, Role, State, Upgrader, check_header, check_length,
    lingering_close, random_mask, read_header, write_frame,
};

fn main() {
    common::run("Echoes WebSocket messages, frame by frame.", |mut stream| {
        let mut timed = DeadlineStream::new(&mut stream, Duration::from_secs(10));
        let upgraded = Upgrader::new().upgrade(&mut timed);
        drop(timed);
        match upgraded {
            Ok(upgraded) => serve(stream, upgraded.early_data),
            Err(error) => {
                eprintln!("{}", common::in_one_line(&error));
                lingering_close(stream);
            }
        }
    });
}

/// Echoes until the client closes or breaks the protocol, and tells it which.
pub(crate) fn serve(stream: TcpStream, early_data: Vec<u8>) {
    let body = match echo(&stream, early_data, Role::Server) {
        Ok(body) => body,
        Err(End::Failed(code, why)) => CloseBody::truncated(code, &why).unwrap_or(CloseBody::EMPTY),
        Err(End::Gone) => return,
    };
    if write_frame(&mut &stream, &Frame::close(body)).is_ok() {
        lingering_close(stream);
    }
}

/// Why an echo ends other than by a close frame.
pub(crate) enum End {
    /// The peer broke the protocol, and is to be told so.
    Failed(CloseCode, String),
    /// The connection is gone.
    Gone,
}

/// The longest frame that is echoed, in bytes.
const LIMIT: u64 = 16 << 20;

/// How long a peer may say nothing.
const IDLE: Duration = Duration::from_secs(300);

/// Echoes data and answers pings until the peer closes: the body for the answer to its close.
pub(crate) fn echo(stream: &TcpStream, early_data: Vec<u8>, role: Role) -> Result<CloseBody, End> {
    // A peer that says nothing for long, or takes nothing, does not hold a thread for ever.
    if stream.set_read_timeout(Some(IDLE)).and(stream.set_write_timeout(Some(IDLE))).is_err() {
        return Err(End::Gone);
    }
    let mut input = BufReader::with_capacity(64 * 1024, Replay::new(early_data, stream));
    let mut output = Output { stream, bytes: Vec::new(), whole: 0, role };
    let end = answer(&mut input, &mut output);
    // What came before the end has its answer.
    output.flush()?;
    end
}

fn answer<R: Read>(input: &mut BufReader<R>, output: &mut Output<'_>) -> Result<CloseBody, End> {
    let mut state = State::default();
    let mut text = None;
    loop {
        output.flush_before_waiting(input)?;
        let header = read_header(input)?;
        check_header(&header, output.role, state)?;
        check_length(&header, LIMIT)?;
        state = state.after(&header);
        let mut unmask = Mask::new(header.mask.unwrap_or_default());
        if header.opcode.is_control() {
            let mut payload = [0; MAX_CONTROL_PAYLOAD];
            let payload = &mut payload[..usize::try_from(header.len).unwrap_or_default()];
            input.read_exact(payload).map_err(|_| End::Gone)?;
            unmask.apply(payload);
            match header.opcode {
                OpCode::Ping => output.pong(&header, payload),
                OpCode::Close => return close_body(payload),
                _ => {}
            }
            continue;
        }
        if header.opcode != OpCode::Continuation {
            text = (header.opcode == OpCode::Text).then(Utf8::default);
        }
        let mut mask = output.start(&header);
        let mut left = header.len;
        while left > 0 {
            output.flush_before_waiting(input)?;
            let received = input.fill_buf().map_err(|_| End::Gone)?;
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(received.len());
            if len == 0 {
                return Err(End::Gone);
            }
            let piece = output.append(&received[..len]);
            unmask.apply(piece);
            if !text.as_mut().is_none_or(|text| text.accepts(piece)) {
                return Err(not_utf8());
            }
            mask.apply(piece);
            input.consume(len);
            left -= len as u64;
        }
        if header.fin && text.take().is_some_and(|text| !text.is_complete()) {
            return Err(not_utf8());
        }
        output.end();
    }
}

/// What the answer to a close frame says: the same code, without the words.
fn close_body(payload: &[u8]) -> Result<CloseBody, End> {
    let reason = CloseReason::parse(payload)?;
    let body = reason.map(|reason| CloseBody::new(reason.code, ""));
    Ok(body.and_then(Result::ok).unwrap_or(CloseBody::EMPTY))
}

fn not_utf8() -> End {
    End::Failed(CloseCode::INVALID_PAYLOAD, "text is not UTF-8".into())
}

impl From<ProtocolError> for End {
    fn from(error: ProtocolError) -> Self {
        Self::Failed(error.close_code(), error.to_string())
    }
}

impl From<ReadError> for End {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Protocol(error) => error.into(),
            _ => Self::Gone,
        }
    }
}

/// Frames on their way out, gathered.
struct Output<'s> {
    stream: &'s TcpStream,
    bytes: Vec<u8>,
    /// How many of the bytes are whole frames, which may be written: whole <= bytes.len()
    whole: usize,
    role: Role,
}

impl Output<'_> {
    /// Begins a frame like this one, with a mask if we are the client: what its payload goes
    /// through.
    fn start(&mut self, header: &Header) -> Mask {
        let mask = (self.role == Role::Client).then(random_mask);
        self.bytes.extend_from_slice(&Header { mask, ..*header }.encode());
        Mask::new(mask.unwrap_or_default())
    }

    /// Appends a piece of the payload, which is lent for unmasking and masking in place.
    fn append(&mut self, piece: &[u8]) -> &mut [u8] {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(piece);
        &mut self.bytes[start..]
    }

    /// Ends the frame.
    fn end(&mut self) {
        self.whole = self.bytes.len();
    }

    fn pong(&mut self, ping: &Header, payload: &[u8]) {
        let mut mask = self.start(&Header { opcode: OpCode::Pong, ..*ping });
        mask.apply(self.append(payload));
        self.end();
    }

    /// Writes the whole frames if nothing more is here to be answered, or if they are many.
    fn flush_before_waiting<R: Read>(&mut self, input: &BufReader<R>) -> Result<(), End> {
        if input.buffer().is_empty() || self.whole > 64 * 1024 {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), End> {
        self.stream.write_all(&self.bytes[..self.whole]).map_err(|_| End::Gone)?;
        self.bytes.drain(..self.whole);
        self.whole = 0;
        if self.bytes.is_empty() {
            // A large frame does not hold its memory for the rest of the connection.
            self.bytes.shrink_to(128 * 1024);
        }
        Ok(())
    }
}

/// Text that comes in pieces, cut anywhere.
#[derive(Default)]
struct Utf8 {
    /// A character whose end has not come yet: 0 to 3 bytes
    begun: Vec<u8>,
}

impl Utf8 {
    /// Whether the text can still be valid with this piece.
    fn accepts(&mut self, mut piece: &[u8]) -> bool {
        while !self.begun.is_empty() {
            let [byte, rest @ ..] = piece else { return true };
            self.begun.push(*byte);
            piece = rest;
            match std::str::from_utf8(&self.begun) {
                Ok(_) => self.begun.clear(),
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return false,
            }
        }
        match std::str::from_utf8(piece) {
            Ok(_) => true,
            Err(error) => {
                self.begun.extend_from_slice(&piece[error.valid_up_to()..]);
                error.error_len().is_none()
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.begun.is_empty()
    }
}
