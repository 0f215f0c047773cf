//! DEFLATE to bytes (RFC 1951), as far as input and room go.
//!
//! No library says what permessage-deflate has to know: how far back a reference goes (RFC 7692
//! §7.1.2 limits it), whether the data stands between two blocks, and what came behind a final
//! block. So this is here. It keeps no memory between messages but the window.

use alloc::{boxed::Box, vec::Vec};

use crate::{
    InvalidData, WindowBits,
    bits::{Bits, Stop},
    codec::{CodecStep, Decompress},
    huffman::{
        CODE_LENGTH_ORDER, CODE_LENGTHS, CodeLengths, DISTANCES, Distances, FIXED_DISTANCES,
        FIXED_LITERALS, LITERALS, Literals, Symbol,
    },
    output::Output,
    scratch,
    window::Window,
};

/// Decompresses DEFLATE, and keeps to a window exactly.
///
/// ```
/// use wsflate::{Decompress, Inflate, WindowBits};
/// let mut inflate = Inflate::new(WindowBits::MAX);
/// let mut room = [0; 16];
/// let step = inflate.decompress(b"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff", &mut room)?;
/// assert_eq!(&room[..step.written], b"Hello");
/// assert!(inflate.is_between_blocks());
/// # Ok::<(), wsflate::InvalidData>(())
/// ```
#[derive(Debug)]
pub struct Inflate {
    /// What came before, as far as it can be referred to. Of `memory` while that is there and
    /// nothing came before.
    window: Window,
    bits: Bits,
    state: State,
    /// Whether the block is the last of its stream.
    is_final: bool,
    /// What is needed inside a message only.
    memory: Option<Box<Memory>>,
    failed: bool,
}

/// Code tables, and the memory of a window.
#[derive(Debug)]
pub(crate) struct Memory {
    literals: Literals,
    distances: Distances,
    code_lengths: CodeLengths,
    /// The lengths of the codes of literals, then of distances, as far as they are read.
    lens: [u8; 320],
    pub(crate) window: Vec<u8>,
}

impl Memory {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            literals: Literals::new(),
            distances: Distances::new(),
            code_lengths: CodeLengths::new(),
            lens: [0; 320],
            window: Vec::new(),
        })
    }
}

/// Where in the data it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between two blocks.
    Header,
    /// Behind the header of a stored block.
    StoredLen,
    /// In a stored block, of which so much is to come.
    Stored(u16),
    /// Behind the header of a block with codes of its own.
    Counts,
    /// Reads the lengths of the codes for code lengths, of which `read` are here.
    CodeLengths { counts: Counts, read: u16 },
    /// Reads code lengths, of which `read` are here.
    Lengths { counts: Counts, read: u16 },
    /// In a block, whose codes are fixed or its own.
    Symbols { fixed: bool },
    /// Copies the rest of a reference.
    Copy { fixed: bool, len: u16, distance: u16 },
}

/// How many codes a block has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    /// 257–286
    literals: u16,
    /// 1–30
    distances: u16,
    /// 4–19
    code_lengths: u16,
}

impl Inflate {
    /// For data that refers at most this far back.
    #[must_use]
    pub const fn new(window: WindowBits) -> Self {
        Self {
            window: Window::new(window.size()),
            bits: Bits { bits: 0, count: 0 },
            state: State::Header,
            is_final: false,
            memory: None,
            failed: false,
        }
    }

    /// Works until input or room is used up.
    fn work(&mut self, input: &mut &[u8], output: &mut Output<'_>) -> Stop {
        let mut memory = match self.memory.take() {
            Some(memory) => memory,
            None => {
                let mut memory = scratch::take();
                if self.window.len() == 0 {
                    self.window.reuse(core::mem::take(&mut memory.window));
                }
                memory
            }
        };
        let stop = loop {
            self.bits.fill(input);
            let next = match self.state {
                State::Header => self.header(&mut memory),
                State::StoredLen => self.stored_len(),
                State::Stored(left) => self.stored(left, input, output),
                State::Counts => self.counts(),
                State::CodeLengths { counts, read } => {
                    self.code_lengths(counts, read, input, &mut memory)
                }
                State::Lengths { counts, read } => self.lengths(counts, read, input, &mut memory),
                State::Symbols { fixed: true } => {
                    self.symbols(&FIXED_LITERALS, &FIXED_DISTANCES, true, input, output)
                }
                State::Symbols { fixed: false } => {
                    self.symbols(&memory.literals, &memory.distances, false, input, output)
                }
                State::Copy { fixed, len, distance } => self.copy(fixed, len, distance, output),
            };
            match next {
                Ok(state) => self.state = state,
                Err(stop) => break stop,
            }
        };
        self.memory = Some(memory);
        stop
    }

    fn header(&mut self, memory: &mut Memory) -> Result<State, Stop> {
        let header = self.bits.take(3).ok_or(Stop::Input)?;
        self.is_final = header & 1 == 1;
        match header >> 1 {
            0 => {
                self.bits.align();
                Ok(State::StoredLen)
            }
            1 => Ok(State::Symbols { fixed: true }),
            2 => {
                // Those that do not come are none; what comes behind them is written over these.
                memory.lens[..19].fill(0);
                Ok(State::Counts)
            }
            _ => Err(Stop::Invalid),
        }
    }

    /// Behind a block.
    fn end_block(&mut self) -> State {
        // RFC 7692 §7.2.3.4: behind a final block another stream begins, at the next byte.
        if self.is_final {
            self.bits.align();
        }
        State::Header
    }

    fn stored_len(&mut self) -> Result<State, Stop> {
        if self.bits.count < 32 {
            return Err(Stop::Input);
        }
        let len = self.bits.take(16).ok_or(Stop::Input)?;
        let complement = self.bits.take(16).ok_or(Stop::Input)?;
        if len ^ complement != 0xffff {
            return Err(Stop::Invalid);
        }
        Ok(State::Stored(u16::try_from(len).unwrap_or(u16::MAX)))
    }

    fn stored(
        &mut self,
        left: u16,
        input: &mut &[u8],
        output: &mut Output<'_>,
    ) -> Result<State, Stop> {
        let mut left = usize::from(left);
        // The bytes that are among the bits already.
        while left > 0 && output.left() > 0 {
            let Some(byte) = self.bits.take(8) else { break };
            output.room[output.len] = byte.to_le_bytes()[0];
            output.len += 1;
            left -= 1;
        }
        if self.bits.count == 0 {
            let len = left.min(output.left()).min(input.len());
            let (now, rest) = input.split_at(len);
            output.room[output.len..output.len + len].copy_from_slice(now);
            output.len += len;
            *input = rest;
            left -= len;
        }
        if left == 0 {
            return Ok(self.end_block());
        }
        self.state = State::Stored(u16::try_from(left).unwrap_or(u16::MAX));
        Err(if output.left() == 0 { Stop::Output } else { Stop::Input })
    }

    fn counts(&mut self) -> Result<State, Stop> {
        let counts = self.bits.take(14).ok_or(Stop::Input)?.to_le_bytes();
        let [low, high, ..] = counts.map(u16::from);
        let counts = Counts {
            literals: 257 + (low & 31),
            distances: 1 + (low >> 5 | (high & 3) << 3),
            code_lengths: 4 + (high >> 2),
        };
        // RFC 1951 §3.2.6: the codes for 286, 287 and the distances 30, 31 do not occur.
        if counts.literals > 286 || counts.distances > 30 {
            return Err(Stop::Invalid);
        }
        Ok(State::CodeLengths { counts, read: 0 })
    }

    fn code_lengths(
        &mut self,
        counts: Counts,
        mut read: u16,
        input: &mut &[u8],
        memory: &mut Memory,
    ) -> Result<State, Stop> {
        while read < counts.code_lengths {
            self.bits.fill(input);
            let Some(len) = self.bits.take(3) else {
                self.state = State::CodeLengths { counts, read };
                return Err(Stop::Input);
            };
            memory.lens[CODE_LENGTH_ORDER[usize::from(read)]] = len.to_le_bytes()[0];
            read += 1;
        }
        memory
            .code_lengths
            .build(&memory.lens[..19], &CODE_LENGTHS, false)
            .map_err(|_| Stop::Invalid)?;
        Ok(State::Lengths { counts, read: 0 })
    }

    fn lengths(
        &mut self,
        counts: Counts,
        read: u16,
        input: &mut &[u8],
        memory: &mut Memory,
    ) -> Result<State, Stop> {
        let all = usize::from(counts.literals + counts.distances);
        let mut read = usize::from(read);
        while read < all {
            self.bits.fill(input);
            let entry = memory.code_lengths.lookup(self.bits.bits);
            let symbol = match entry.literal() {
                // With fewer bits than the code has, it may be another.
                Some(symbol) if entry.len() <= self.bits.count => symbol,
                None if self.bits.count >= 7 => return Err(Stop::Invalid),
                _ => {
                    self.state = lengths_state(counts, read);
                    return Err(Stop::Input);
                }
            };
            // RFC 1951 §3.2.7: repetitions have extra bits.
            let (extra, first, value) = match symbol {
                16 if read == 0 => return Err(Stop::Invalid),
                16 => (2, 3, memory.lens[read - 1]),
                17 => (3, 3, 0),
                18 => (7, 11, 0),
                len => (0, 1, len),
            };
            if self.bits.count < entry.len() + extra {
                self.state = lengths_state(counts, read);
                return Err(Stop::Input);
            }
            self.bits.skip(entry.len());
            let times = first + self.bits.take(extra).unwrap_or(0) as usize;
            let end = read + times;
            if end > all {
                return Err(Stop::Invalid);
            }
            memory.lens[read..end].fill(value);
            read = end;
        }
        let (literals, distances) = memory.lens[..all].split_at(usize::from(counts.literals));
        // Without a code for its end a block could not end.
        if literals[256] == 0 {
            return Err(Stop::Invalid);
        }
        let built = memory.literals.build(literals, &LITERALS, false);
        let built = built.and_then(|()| memory.distances.build(distances, &DISTANCES, true));
        built.map_err(|_| Stop::Invalid)?;
        Ok(State::Symbols { fixed: false })
    }

    #[inline(always)]
    fn symbols(
        &mut self,
        literals: &Literals,
        distances: &Distances,
        fixed: bool,
        input: &mut &[u8],
        output: &mut Output<'_>,
    ) -> Result<State, Stop> {
        // In registers while the loop goes round.
        let mut bits = core::mem::take(&mut self.bits);
        let end = loop {
            // A length and a distance have at most 48 bits.
            if bits.count < 48 {
                bits.fill(input);
            }
            let entry = literals.lookup(bits.bits);
            if entry.len() > bits.count {
                break Err(Stop::Input);
            }
            if let Some(byte) = entry.literal() {
                let Some(place) = output.room.get_mut(output.len) else {
                    break Err(Stop::Output);
                };
                *place = byte;
                output.len += 1;
                bits.skip(entry.len());
                continue;
            }
            let base = match entry.symbol() {
                Symbol::Base(base) => base,
                Symbol::End => {
                    bits.skip(entry.len());
                    break Ok(None);
                }
                // With fewer bits than a code can have, the rest may be what is missing.
                _ => break Err(if bits.count < 15 { Stop::Input } else { Stop::Invalid }),
            };
            let (len, distance) = match bits.reference(entry, base, distances) {
                Ok(reference) => reference,
                Err(stop) => break Err(stop),
            };
            if distance > self.window.size() || distance > self.window.len() + output.len {
                break Err(Stop::Invalid);
            }
            if output.left() < len {
                break Ok(Some((len, distance)));
            }
            output.copy(&self.window, distance, len);
        };
        self.bits = bits;
        Ok(match end? {
            None => self.end_block(),
            #[allow(clippy::cast_possible_truncation, reason = "at most 258 and 32,768")]
            Some((len, distance)) => {
                State::Copy { fixed, len: len as u16, distance: distance as u16 }
            }
        })
    }

    fn copy(
        &mut self,
        fixed: bool,
        len: u16,
        distance: u16,
        output: &mut Output<'_>,
    ) -> Result<State, Stop> {
        let now = output.left().min(usize::from(len));
        output.copy(&self.window, usize::from(distance), now);
        if now == usize::from(len) {
            return Ok(State::Symbols { fixed });
        }
        #[allow(clippy::cast_possible_truncation, reason = "less than it was")]
        let len = len - now as u16;
        self.state = State::Copy { fixed, len, distance };
        Err(Stop::Output)
    }
}

/// At most 316 are read.
fn lengths_state(counts: Counts, read: usize) -> State {
    State::Lengths { counts, read: u16::try_from(read).unwrap_or(u16::MAX) }
}

impl Decompress for Inflate {
    fn decompress(&mut self, input: &[u8], output: &mut [u8]) -> Result<CodecStep, InvalidData> {
        if self.failed {
            return Err(InvalidData);
        }
        let mut rest = input;
        let mut output = Output { room: output, len: 0 };
        let stop = self.work(&mut rest, &mut output);
        let written = output.len;
        self.window.push(&output.room[..written]);
        self.failed = matches!(stop, Stop::Invalid);
        if self.failed {
            return Err(InvalidData);
        }
        let wants_room = matches!(stop, Stop::Output);
        Ok(CodecStep { read: input.len() - rest.len(), written, wants_room })
    }

    fn is_between_blocks(&self) -> bool {
        self.state == State::Header && self.bits.count == 0
    }

    fn is_behind_final_block(&self) -> bool {
        self.is_between_blocks() && self.is_final
    }

    fn end_message(&mut self, takeover: bool) {
        // What is left of a block cannot be understood without what came before it.
        self.failed |= !self.is_between_blocks();
        self.is_final = false;
        let Some(mut memory) = self.memory.take() else { return };
        if takeover {
            self.window.fit();
        } else {
            memory.window = self.window.take_memory();
        }
        scratch::give(memory);
    }
}

impl Drop for Inflate {
    fn drop(&mut self) {
        self.end_message(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_ends_inside_a_block_is_an_error_from_then_on() {
        // A literal, and a reference that copies it 100 times, of which there is room for a few.
        let said = b"\x4b\xa4\x3d\x00\x00";
        for room in [0, 1, 5] {
            let mut inflate = Inflate::new(WindowBits::MAX);
            let step = inflate.decompress(said, &mut [0; 5][..room]).unwrap();
            assert!(step.wants_room);
            inflate.end_message(true);
            assert_eq!(inflate.decompress(b"", &mut [0; 50]), Err(InvalidData));
        }
        let mut inflate = Inflate::new(WindowBits::MAX);
        assert!(inflate.decompress(b"", &mut [0; 5]).is_ok());
        inflate.end_message(true);
        assert!(inflate.decompress(said, &mut [0; 300]).is_ok());
    }
}
