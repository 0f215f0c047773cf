//! What several senders have queued for one stream: bounded, in order, control frames first.

use std::{collections::VecDeque, sync::Arc, time::Duration, vec::Vec};

use wscore::{CloseBody, CloseCode, Frame, Header, OpCode, Role, random_mask};

use crate::{
    Error, Message, Prepared, SendError,
    deflate::{self, Deflater},
    trace,
};

/// Frames are gathered to writes of about this size, in bytes.
const CHUNK: usize = 64 * 1024;

/// From here on no message is taken, in bytes.
const LIMIT: usize = 1024 * 1024;

/// From here on replies wait where they are made, in bytes.
const CONTROL_LIMIT: usize = 8 * 1024;

#[derive(Debug)]
pub(crate) struct Queue {
    role: Role,
    deflater: Deflater,
    limit: usize,
    control: Vec<u8>,
    data: VecDeque<Chunk>,
    /// The memory of a chunk that was written, for the next one while there is traffic.
    spare: Vec<u8>,
    /// Bytes in `data`, and those of it that are being written.
    pending: usize,
    /// A close frame is queued or written: nothing is queued behind it.
    is_closing: bool,
    /// The closing handshake is done, or the stream has failed: what is queued is the last.
    is_finished: bool,
    /// Nothing is written any more.
    has_failed: bool,
    /// Everything was.
    has_ended: bool,
    pub(crate) close_timeout: Duration,
}

/// Frames that leave in one write.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// Gathered here.
    Gathered(Vec<u8>),
    /// A large one that was encoded before, and is shared.
    Shared(Arc<[u8]>),
}

impl Chunk {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Gathered(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// What the side that writes does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Write this, then give it back.
    Write(Chunk),
    /// Wait for something to be queued.
    Wait,
    /// The close frame is written: wait for the peer's, at most this long.
    WaitForClose(Duration),
    /// All is written: shut the stream down.
    End,
}

impl Queue {
    /// An empty queue, behind a close frame if one was sent already.
    pub(crate) const fn new(
        role: Role,
        deflater: Deflater,
        close_timeout: Duration,
        is_closing: bool,
    ) -> Self {
        Self {
            role,
            deflater,
            limit: LIMIT,
            control: Vec::new(),
            data: VecDeque::new(),
            spare: Vec::new(),
            pending: 0,
            is_closing,
            is_finished: false,
            has_failed: false,
            has_ended: false,
            close_timeout,
        }
    }

    pub(crate) const fn set_limit(&mut self, limit: usize) {
        self.limit = if limit == 0 { 1 } else { limit };
    }

    pub(crate) const fn pending(&self) -> usize {
        self.pending
    }

    pub(crate) const fn has_failed(&self) -> bool {
        self.has_failed
    }

    pub(crate) const fn is_closed(&self) -> bool {
        self.is_closing || self.has_failed || self.is_finished
    }

    /// Queues a message, compressed if that was agreed.
    pub(crate) fn push(&mut self, message: Message<'_>) -> Result<(), SendError> {
        let opcode = message.kind().opcode();
        self.check()?;
        let frame = Frame::new(opcode, true, message.as_bytes());
        match self.deflater.message(frame.payload)? {
            Some(payload) => {
                self.put(&Frame { rsv: deflate::RSV, payload: payload.as_ref(), ..frame });
            }
            None => self.put(&frame),
        }
        Ok(())
    }

    /// Queues a message as it is.
    #[cfg(feature = "deflate")]
    pub(crate) fn push_uncompressed(&mut self, message: Message<'_>) -> Result<(), SendError> {
        self.check()?;
        self.put(&Frame::new(message.kind().opcode(), true, message.as_bytes()));
        Ok(())
    }

    /// Queues a message that was encoded before.
    pub(crate) fn push_prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
        self.check()?;
        let frame = Frame::new(message.kind().opcode(), true, message.payload());
        if let Some(payload) = self.deflater.prepared(message) {
            self.put(&Frame { rsv: deflate::RSV, payload, ..frame });
            return Ok(());
        }
        if self.role == Role::Client {
            self.put(&frame);
            return Ok(());
        }
        let frame = message.shared_frame();
        trace::sent(&message.header());
        self.pending += frame.len();
        if frame.len() >= CHUNK / 4 {
            self.data.push_back(Chunk::Shared(frame.clone()));
        } else {
            self.gathered().extend_from_slice(frame);
        }
        Ok(())
    }

    pub(crate) fn push_ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.check()?;
        self.put(&Frame::ping(payload).map_err(|_| SendError::ControlTooLong)?);
        Ok(())
    }

    /// Queues a close frame behind everything. Does nothing if there is one.
    pub(crate) fn push_close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        let body = CloseBody::new(code, reason)?;
        if !self.is_closed() {
            self.put(&Frame::close(body));
            self.is_closing = true;
        }
        Ok(())
    }

    /// Queues what the receiving end replies, before all messages: whether there is room.
    pub(crate) fn push_replies(&mut self, mut frames: &[u8]) -> bool {
        // A close frame is the last of a receiving end, which does not wait for room.
        if self.control.len() >= CONTROL_LIMIT && !has_close(frames) {
            return false;
        }
        while let Ok(Some((header, size))) = Header::parse(frames) {
            let end = size + usize::try_from(header.len).unwrap_or_default();
            let Some((frame, rest)) = frames.split_at_checked(end) else { break };
            frames = rest;
            if header.opcode == OpCode::Ping && self.is_closing {
                continue;
            }
            if header.opcode == OpCode::Close {
                // RFC 6455 §5.5.1: one close frame is sent.
                if std::mem::replace(&mut self.is_closing, true) {
                    continue;
                }
                // The peer has closed or is failed, and takes no message any more.
                self.data.clear();
            }
            self.control.extend_from_slice(frame);
        }
        true
    }

    /// What is queued is the last.
    pub(crate) const fn finish(&mut self) {
        self.is_closing = true;
        self.is_finished = true;
    }

    /// Everything is written, and the stream was shut down.
    pub(crate) const fn end(&mut self) {
        self.finish();
        self.has_ended = true;
    }

    pub(crate) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(crate) const fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// The receiving end has failed, unless it may be asked again.
    pub(crate) fn receiver_failed(&mut self, error: &Error) {
        match error {
            // The peer is still to be told what it did.
            Error::Peer(_) => {}
            error if error.close_code().is_some() => self.fail(),
            _ => {}
        }
    }

    /// The stream failed: what is queued is lost.
    pub(crate) fn fail(&mut self) {
        self.has_failed = true;
        self.data.clear();
        self.control.clear();
    }

    /// What to write next.
    pub(crate) fn next(&mut self) -> Next {
        if self.has_failed {
            return Next::End;
        }
        if !self.control.is_empty() {
            return Next::Write(Chunk::Gathered(std::mem::take(&mut self.control)));
        }
        if let Some(chunk) = self.data.pop_front() {
            return Next::Write(chunk);
        }
        self.pending = 0;
        // Idle costs nothing.
        self.spare = Vec::new();
        if self.is_finished {
            Next::End
        } else if self.is_closing {
            Next::WaitForClose(self.close_timeout)
        } else {
            Next::Wait
        }
    }

    /// A chunk was written.
    pub(crate) fn written(&mut self, chunk: Chunk) {
        self.pending = self.data.iter().map(|chunk| chunk.bytes().len()).sum();
        // A large message does not hold its memory for the rest of the connection.
        match chunk {
            Chunk::Gathered(mut chunk) if chunk.capacity() <= 2 * CHUNK => {
                chunk.clear();
                self.spare = chunk;
            }
            _ => {}
        }
    }

    const fn check(&self) -> Result<(), SendError> {
        if self.is_closed() {
            return Err(SendError::Closed);
        }
        if self.pending >= self.limit {
            return Err(SendError::Full { pending: self.pending });
        }
        Ok(())
    }

    /// Appends a frame that keeps the rules.
    fn put<P: AsRef<[u8]>>(&mut self, frame: &Frame<P>) {
        trace::sent(&frame.header());
        let role = self.role;
        let chunk = self.gathered();
        let before = chunk.len();
        // Only control frames can be refused, and these were made by the rules.
        let _ = match role {
            Role::Server => frame.encode(chunk),
            Role::Client => frame.encode_masked(random_mask(), chunk),
        };
        let grown = chunk.len() - before;
        self.pending += grown;
    }

    /// The chunk that is being gathered.
    fn gathered(&mut self) -> &mut Vec<u8> {
        let has_room =
            matches!(self.data.back(), Some(Chunk::Gathered(chunk)) if chunk.len() < CHUNK);
        if !has_room {
            self.data.push_back(Chunk::Gathered(std::mem::take(&mut self.spare)));
        }
        match self.data.back_mut() {
            Some(Chunk::Gathered(chunk)) => chunk,
            // It was put there a line ago.
            _ => &mut self.spare,
        }
    }
}

/// Whether there is a close frame among these.
fn has_close(mut frames: &[u8]) -> bool {
    while let Ok(Some((header, size))) = Header::parse(frames) {
        if header.opcode == OpCode::Close {
            return true;
        }
        let end = size + usize::try_from(header.len).unwrap_or_default();
        frames = frames.get(end..).unwrap_or_default();
    }
    false
}
